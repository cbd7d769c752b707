package file

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// blockSize is how much is read from a file at once.
const blockSize = 256 << 10

// A compression is a way in which a file may be stored.
type compression struct {
	name  string
	magic []byte                 // with which the file begins; nil if is tells
	is    func(head []byte) bool // by the first eight bytes
	open  func(io.Reader) (io.ReadCloser, error)
	// ratio is a common one for logs, for an estimate of what comes out.
	ratio int64
}

var compressions = []compression{
	{"gzip", []byte{0x1f, 0x8b}, nil, openGzip, 10},
	{"zstd", zstdMagic, nil, openZstd, 12},
	{"bzip2", []byte("BZh"), nil, func(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(bzip2.NewReader(r)), nil }, 14},
	{"xz", []byte{0xfd, '7', 'z', 'X', 'Z', 0}, nil, openXZ, 14},
	// Windows writes its text so: what is read is UTF-8, as of an unpacked file.
	{"utf-16", []byte{0xff, 0xfe}, nil, openUTF16(binary.LittleEndian), 1},
	{"utf-16", []byte{0xfe, 0xff}, nil, openUTF16(binary.BigEndian), 1},
	{"journal export", []byte("__CURSOR"), nil, openJournal, 1},
	{"journal export", []byte("__REALTI"), nil, openJournal, 1},
	{"otlp protobuf", nil, isOTLP, openOTLP, 3},
}

// Passes over many files use the same few decoders again, which hold megabytes.
var (
	gzips sync.Pool // of *gzip.Reader
	zstds sync.Pool // of *zstd.Decoder
)

func openGzip(r io.Reader) (io.ReadCloser, error) {
	if z, ok := gzips.Get().(*gzip.Reader); ok {
		if err := z.Reset(r); err != nil {
			gzips.Put(z)
			return nil, err
		}
		return pooled{z, func() { gzips.Put(z) }}, nil
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return pooled{z, func() { gzips.Put(z) }}, nil
}

func openZstd(r io.Reader) (io.ReadCloser, error) {
	d, ok := zstds.Get().(*zstd.Decoder)
	if ok {
		if err := d.Reset(r); err != nil {
			return nil, err
		}
	} else {
		// One goroutine is the caller's own; the window is bounded since the file may be hostile.
		var err error
		d, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxDictionary))
		if err != nil {
			return nil, err
		}
	}
	return pooled{d, func() {
		if d.Reset(nil) == nil { // lets go of what it read
			zstds.Put(d)
		}
	}}, nil
}

// pooled is a decoder that is given back when it is closed.
type pooled struct {
	io.Reader
	back func()
}

func (p pooled) Close() error {
	p.back()
	return nil
}

// maxDictionary bounds the memory for unpacking one file, which a hostile one may
// ask for gigabytes of. xz -9 and zstd -22 ask for 64 and 128 MiB.
const maxDictionary = 128 << 20

func openXZ(r io.Reader) (io.ReadCloser, error) {
	b := bufio.NewReader(r)
	head, err := b.Peek(64)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if n := xzDictionary(head); n > maxDictionary {
		return nil, fmt.Errorf("it needs %d MiB of memory to unpack, more than %d", n>>20, maxDictionary>>20)
	}
	x, err := xz.NewReader(b)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(x), nil
}

// xzDictionary reads the size of the dictionary off the header of the first block,
// which says the same as those of later blocks in what xz writes; 0 if there is none
// (tukaani.org/xz/xz-file-format.txt, sections 3.1 and 5.3.1).
func xzDictionary(head []byte) int64 {
	const streamHeader = 12
	if len(head) < streamHeader+2 || head[streamHeader] == 0 {
		return 0
	}
	flags, rest := head[streamHeader+1], head[streamHeader+2:]
	number := func() (n uint64) {
		n, size := binary.Uvarint(rest)
		rest = rest[max(0, size):]
		return n
	}
	if flags&0x40 != 0 {
		number() // compressed size
	}
	if flags&0x80 != 0 {
		number() // size as unpacked
	}
	const lzma2 = 0x21
	if number() != lzma2 || number() != 1 || len(rest) == 0 {
		return 0
	}
	bits := rest[0] & 0x3f
	return int64(2|bits&1) << (bits/2 + 11)
}

// compressionOf tells by the first bytes of a file how it is stored; nil is plain.
func compressionOf(head []byte) *compression {
	for i := range compressions {
		if c := &compressions[i]; c.is == nil && bytes.HasPrefix(head, c.magic) || c.is != nil && c.is(head) {
			return c
		}
	}
	return nil
}

// A stored is an open file as uncompressed bytes.
type stored struct {
	io.Reader
	file   *os.File
	unpack io.Closer    // nil if plain
	how    *compression // nil if plain
}

func (s *stored) Close() error {
	if s.unpack != nil {
		s.unpack.Close() // it has only memory to give back
	}
	return s.file.Close()
}

// A brokenError says that a compressed file cannot be unpacked whole.
type brokenError struct {
	how string
	err error
}

func (e *brokenError) Error() string {
	if e.err == io.ErrUnexpectedEOF {
		return "the file ends early"
	}
	return e.err.Error()
}

func (e *brokenError) Unwrap() error { return e.err }

// openStored opens the file and finds out by its content how it is stored. Of a
// plain file no more than size bytes are given, so that all passes over a file that
// grows see the same.
func openStored(path string, size int64) (*stored, error) {
	return openCounted(path, size, func(r io.Reader) io.Reader { return r })
}

// openCounted does the work of openStored; through is put between the file and what unpacks it.
func openCounted(path string, size int64, through func(io.Reader) io.Reader) (*stored, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, bare(err)
	}
	fi, err := f.Stat()
	switch {
	case err != nil:
		f.Close()
		return nil, bare(err)
	case !fi.Mode().IsRegular():
		f.Close()
		return nil, fmt.Errorf("not a regular file")
	case fi.Size() < size:
		f.Close()
		return nil, errors.New("the file became shorter since it was opened")
	}
	var magic [8]byte
	n, err := f.ReadAt(magic[:], 0)
	if err != nil && err != io.EOF {
		f.Close()
		return nil, bare(err)
	}
	s := &stored{file: f, how: compressionOf(magic[:n])}
	limited := through(io.LimitReader(f, size))
	if s.how == nil {
		s.Reader = limited
		return s, nil
	}
	un, err := s.how.open(bufio.NewReaderSize(limited, blockSize))
	if err != nil {
		f.Close()
		return nil, &brokenError{s.how.name, err}
	}
	s.Reader, s.unpack = &unpacking{un, s.how.name}, un
	return s, nil
}

// unpacking marks what goes wrong in it as the fault of the compressed bytes.
type unpacking struct {
	r   io.Reader
	how string
}

func (u *unpacking) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	if err != nil && err != io.EOF {
		err = &brokenError{u.how, err}
	}
	return n, err
}

// unpackedSize estimates how many bytes the file gives, for samples that are spread
// over it. It is exact for plain files, and nearly always for gzip, which ends with the size modulo 2^32 of its last
// member, and for zstd, of which a frame may begin with the size of what is in it (RFC 8878, section 3.1.1.1.4).
func (s *stored) unpackedSize(size int64) int64 {
	if s.how == nil {
		return size
	}
	said := int64(-1)
	switch s.how.name {
	case "gzip":
		var b [4]byte
		if _, err := s.file.ReadAt(b[:], size-int64(len(b))); err == nil {
			said = int64(binary.LittleEndian.Uint32(b[:]))
		}
	case "zstd":
		var b [zstd.HeaderMaxSize]byte
		n, _ := s.file.ReadAt(b[:], 0) // a short file is all that there is
		if h := (zstd.Header{}); h.Decode(b[:n]) == nil && h.HasFCS && h.FrameContentSize < math.MaxInt64 {
			said = int64(h.FrameContentSize)
		}
	}
	// What grew by it is not a log, nor is what shrank more than deflate can, 1:1032.
	if said >= max(0, size-64) && said <= size*1032 && size > 18 {
		return said
	}
	return size * s.how.ratio
}
