package format

import "bytes"

// plain gives the text of a line without the sequences by which loggers colour it
// (ESC [ ... m and its like). Most lines have none and are given back as they are.
func plain(b []byte) []byte {
	i := bytes.IndexByte(b, 0x1b)
	if i < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i >= 0 {
		n := sequence(b[i:])
		if n == 0 {
			out, b = append(out, b[:i+1]...), b[i+1:]
		} else {
			out, b = append(out, b[:i]...), b[i+n:]
		}
		i = bytes.IndexByte(b, 0x1b)
	}
	return append(out, b...)
}

// sequence gives the length of the control sequence that b begins with, 0 if it is none:
// ESC [, parameters from 0x30 to 0x3f, and a last byte from 0x40 to 0x7e (ECMA-48).
func sequence(b []byte) int {
	if len(b) < 3 || b[1] != '[' {
		return 0
	}
	for i := 2; i < len(b) && i < 64; i++ {
		switch c := b[i]; {
		case c >= 0x40 && c <= 0x7e:
			return i + 1
		case c < 0x20 || c > 0x3f:
			return 0
		}
	}
	return 0
}
