package file

import (
	"encoding/binary"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// openUTF16 reads UTF-16 with a byte order mark as UTF-8 without one. Halves of
// letters that stand alone become U+FFFD.
func openUTF16(order binary.ByteOrder) func(io.Reader) (io.ReadCloser, error) {
	return func(r io.Reader) (io.ReadCloser, error) {
		return io.NopCloser(&utf16Reader{in: r, order: order, begin: true}), nil
	}
}

type utf16Reader struct {
	in    io.Reader
	order binary.ByteOrder
	begin bool
	raw   [4096]byte
	have  int    // bytes of raw that were not decoded yet
	out   []byte // decoded and not given yet
	err   error
}

// Read gives the next bytes of the text.
func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.out) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		n, err := u.in.Read(u.raw[u.have:])
		u.have += n
		u.err = err
		u.decode()
	}
	n := copy(p, u.out)
	u.out = u.out[n:]
	return n, nil
}

// decode turns what is whole in raw into out.
func (u *utf16Reader) decode() {
	out := u.out[:0]
	i := 0
	for ; i+1 < u.have; i += 2 {
		r := rune(u.order.Uint16(u.raw[i:]))
		if u.begin && r == 0xfeff {
			u.begin = false
			continue
		}
		u.begin = false
		if utf16.IsSurrogate(r) {
			if i+3 >= u.have && u.err == nil {
				break // its other half is yet to come
			}
			pair := utf8.RuneError
			if i+3 < u.have {
				pair = utf16.DecodeRune(r, rune(u.order.Uint16(u.raw[i+2:])))
			}
			if pair != utf8.RuneError {
				i += 2
			}
			r = pair
		}
		out = utf8.AppendRune(out, r)
	}
	copy(u.raw[:], u.raw[i:u.have])
	u.have -= min(i, u.have)
	if u.err != nil {
		u.have = 0 // half of a letter
	}
	u.out = out
}
