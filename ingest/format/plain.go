package format

import (
	"bytes"
	"unicode/utf8"
)

// What does not belong to the text of a log: colours, holes of zero bytes, letters in
// another code than UTF-8. Records keep it (Record.Bytes is as read); it is taken out
// before they are looked at.

const escape = 0x1b

// plain gives text without terminal escape sequences and zero bytes: text itself if
// there are none, else a copy.
func plain(text []byte) []byte {
	if bytes.IndexByte(text, escape) < 0 && bytes.IndexByte(text, 0) < 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		switch text[i] {
		case escape:
			i += escapeLen(text[i:])
		case 0:
			i++
		default:
			out = append(out, text[i])
			i++
		}
	}
	return out
}

// escapeLen tells how long the escape sequence is that b begins with (ECMA-48, 5.4 and
// 5.6): a control sequence, a control string, or two bytes.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return len(b)
	}
	switch b[1] {
	case '[':
		i := 2
		for i < len(b) && b[i] >= 0x20 && b[i] <= 0x3f {
			i++
		}
		if i < len(b) && b[i] >= 0x40 && b[i] <= 0x7e {
			i++
		}
		return i
	case ']', 'P', 'X', '^', '_':
		for i := 2; i < len(b) && b[i] >= 0x20 || i < len(b) && b[i] == escape || i < len(b) && b[i] == 7; i++ {
			if b[i] == 7 {
				return i + 1
			}
			if b[i] == escape {
				return min(i+2, len(b))
			}
		}
		return 2
	}
	if b[1] >= 0x20 && b[1] < 0x7f {
		return 2
	}
	return 1
}

// isColoured says whether a head has escape sequences, also those that JSON escapes.
func isColoured(head []byte) bool {
	return bytes.IndexByte(head, escape) >= 0 || bytes.Contains(head, []byte(`\u001b[`)) || bytes.Contains(head, []byte(`\u001B[`))
}

// decoded gives text in UTF-8: text itself if it is, else as Windows-1252 (which
// agrees with Latin-1 in its letters) unless some of it is UTF-8 that was only cut.
func decoded(text []byte) []byte {
	if utf8.Valid(text) {
		return text
	}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if n > 1 && r != utf8.RuneError {
			return text
		}
		i += n
	}
	out := make([]byte, 0, len(text)+len(text)/8)
	for _, b := range text {
		switch {
		case b < utf8.RuneSelf:
			out = append(out, b)
		case b < 0xa0:
			out = utf8.AppendRune(out, windows1252[b-0x80])
		default:
			out = utf8.AppendRune(out, rune(b))
		}
	}
	return out
}

// windows1252 are its letters from 0x80 to 0x9f (WHATWG Encoding Standard).
var windows1252 = [...]rune{
	0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f,
	0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178,
}

// holeSize is from how many zero bytes on a run of them in the middle of a line is a
// hole in the file and not the content of another sort of file.
const holeSize = 512

// isBinary says whether a head is not text: zero bytes that are no hole, or many
// control characters, or more bytes beyond ASCII than writing in any code has.
func isBinary(head []byte) bool {
	bad, high, size := 0, 0, 0
	for i := 0; i < len(head); {
		c := head[i]
		switch {
		case c == 0:
			j := i
			for j < len(head) && head[j] == 0 {
				j++
			}
			// What a truncated file's writer leaves before the place where it goes on,
			// or what was reserved and not yet written.
			if !(i == 0 && j-i >= 4 || i > 0 && head[i-1] == '\n' || j == len(head) && j-i >= 16 || j-i >= holeSize) {
				return true
			}
			i = j
			continue
		case c < utf8.RuneSelf:
			if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != escape && c != '\f' {
				bad++
			}
			i++
			size++
			continue
		}
		r, n := utf8.DecodeRune(head[i:])
		if r == utf8.RuneError && n == 1 && len(head)-i >= utf8.UTFMax {
			high++
			if c < 0xa0 {
				bad++
			}
		}
		i += n
		size += n
	}
	return bad*10 > size || high*10 > size*6
}
