package file

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// A file that asks for gigabytes to be unpacked is refused.
func TestMemoryForUnpackingIsBounded(t *testing.T) {
	for _, c := range []struct {
		mib  int64
		want string
	}{{1, ""}, {64, ""}, {256, "needs 256 MiB"}, {1024, "needs 1024 MiB"}} {
		var b bytes.Buffer
		w, err := xz.WriterConfig{DictCap: 1 << 20}.NewWriter(&b)
		if err == nil {
			_, err = io.WriteString(w, "a record\n")
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		packed := b.Bytes()
		if got := xzDictionary(packed); got != 1<<20 {
			t.Fatalf("the dictionary of a file with one of 1 MiB is read as %d bytes", got)
		}
		// The byte that says the size is (2|bit 0) << (bits/2 + 11); the header's checksum
		// is not looked at before.
		bits := byte(0)
		for n := int64(2) << 11; n < c.mib<<20; n *= 2 {
			bits += 2
		}
		at := bytes.IndexByte(packed[12:], 0x21) + 14
		if c.mib != 1 {
			packed[at] = bits
		}
		_, err = openXZ(bytes.NewReader(packed))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("opening a file that needs %d MiB gave %v, want %q", c.mib, err, c.want)
		}
	}
}

// Whatever bytes a file holds, opening and reading it ends, without panic, and a
// plain file gives just them.
func FuzzStored(f *testing.F) {
	f.Add([]byte("plain\n"))
	f.Add([]byte(packGzip(f, "packed\n")))
	f.Add([]byte(packZstd(f, "packed\n")))
	f.Add([]byte(packXZ(f, "packed\n")))
	f.Add([]byte(unhex(f, bzip2Hex)))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		p := filepath.Join(dir, "x.log")
		if err := os.WriteFile(p, data, 0o666); err != nil {
			t.Fatal(err)
		}
		s, err := openStored(p, int64(len(data)))
		if err != nil {
			return
		}
		defer s.Close()
		got, err := io.ReadAll(io.LimitReader(s, 8<<20))
		if s.how == nil && (err != nil || !bytes.Equal(got, data)) {
			t.Errorf("a plain file gave %d of %d bytes, error %v", len(got), len(data), err)
		}
		if n := s.unpackedSize(int64(len(data))); n < 0 {
			t.Errorf("unpacked size is %d", n)
		}
	})
}

// TestUnpackedSize says of which files it is known how many bytes they give, so that a sample of them is that of the plain file.
func TestUnpackedSize(t *testing.T) {
	var lines strings.Builder
	for i := range 3000 {
		lines.WriteString(access(i%3000, 200, fmt.Sprint(i*i)))
	}
	text := lines.String()
	var stream bytes.Buffer // without its size, as when it is packed from a pipe
	z, err := zstd.NewWriter(&stream)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{text[:len(text)/2], text[len(text)/2:]} {
		if _, err := io.WriteString(z, part); err != nil {
			t.Fatal(err)
		}
		if err := z.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	huge := []byte(packZstd(t, text)) // a frame says that it holds 2^60 bytes
	huge = append(binary.LittleEndian.AppendUint64([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0}, 1<<60), huge[len(huge)-20:]...)
	for _, c := range []struct {
		name, content string
		exact         bool
	}{
		{"plain", text, true},
		{"gzip", packGzip(t, text), true},
		{"zstd", packZstd(t, text), true},
		{"zstd from a pipe", stream.String(), false},
		{"zstd that lies", string(huge), false},
		{"xz", packXZ(t, text), false},
	} {
		p := filepath.Join(t.TempDir(), "x.log")
		if err := os.WriteFile(p, []byte(c.content), 0o666); err != nil {
			t.Fatal(err)
		}
		s, err := openStored(p, int64(len(c.content)))
		if err != nil {
			t.Fatal(c.name, err)
		}
		got := s.unpackedSize(int64(len(c.content)))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if c.exact && got != int64(len(text)) || !c.exact && (got < int64(len(c.content)) || got > 20*int64(len(c.content))) {
			t.Errorf("%s: %d bytes give %d, really %d", c.name, len(c.content), got, len(text))
		}
	}
}

// TestUTF16 says that text of Windows is read as UTF-8, whichever of its bytes comes
// first and wherever a read ends.
func TestUTF16(t *testing.T) {
	want := strings.Repeat("naïve 日本 \U0001F600 log\r\n", 300)
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		in := order.AppendUint16(nil, 0xfeff)
		for _, u := range utf16.Encode([]rune(want)) {
			in = order.AppendUint16(in, u)
		}
		c := compressionOf(in)
		if c == nil {
			t.Fatalf("% x is not told to be UTF-16", in[:2])
		}
		r, err := c.open(iotest.OneByteReader(bytes.NewReader(in)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != want {
			t.Errorf("%v: read %.60q, %v", order, got, err)
		}
	}
	// Half a pair, at the end and before another letter, and half a unit.
	r, _ := openUTF16(binary.BigEndian)(bytes.NewReader([]byte{0xfe, 0xff, 0xd8, 0x3d, 0, 'a', 0xd8, 0x3d, 0}))
	if got, err := io.ReadAll(r); err != nil || string(got) != "\ufffda\ufffd" {
		t.Errorf("halves: %q, %v", got, err)
	}
}

// TestJournalExport says that a journal in export format is read as its JSON lines.
func TestJournalExport(t *testing.T) {
	sized := func(name, value string) string {
		return name + "\n" + string(binary.LittleEndian.AppendUint64(nil, uint64(len(value)))) + value + "\n"
	}
	in := "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1772366407123456\nMESSAGE=a = \"b\" <c>\nMESSAGE=again\n\n\n" +
		"__CURSOR=s=2\n" + sized("MESSAGE", "first\n\nsecond") + "_PID=7\n\n" +
		"__CURSOR=s=3\n" + sized("MESSAGE", "caf\xe9") + sized("LONG", strings.Repeat("x", maxJournalField+7)) + "_PID=8\n"
	want := `{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1772366407123456","MESSAGE":"a = \"b\" <c>"}` + "\n" +
		`{"__CURSOR":"s=2","MESSAGE":"first\n\nsecond","_PID":"7"}` + "\n" +
		`{"__CURSOR":"s=3","MESSAGE":[99,97,102,233],"LONG":"` + strings.Repeat("x", maxJournalField) + `","_PID":"8"}` + "\n"
	c := compressionOf([]byte(in))
	if c == nil {
		t.Fatal("it is not told to be a journal")
	}
	r, err := c.open(iotest.HalfReader(strings.NewReader(in)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != want {
		t.Errorf("read %.300q, %v", got, err)
	}
	for _, cut := range []int{strings.Index(in, "first") + 2, strings.Index(in, "first") - 3} {
		r, _ := openJournal(strings.NewReader(in[:cut]))
		if got, err := io.ReadAll(r); err != io.ErrUnexpectedEOF || string(got) != want[:strings.Index(want, "\n")+1] {
			t.Errorf("cut at %d: read %q, %v", cut, got, err)
		}
	}
	r, _ = openJournal(strings.NewReader("__CURSOR=s=1\nMESSAGE\n\xff\xff\xff\xff\xff\xff\xff\x7fx"))
	if _, err := io.ReadAll(r); err == nil {
		t.Error("a field of exabytes is let pass")
	}
}
