package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/crc64"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/correlatehq/correlate/internal/idindex"
)

// SidecarName is how the index is called that stands beside the files of a directory; the
// files of the directories below have their own. In a directory apart ([IndexOptions.Into]) a
// name is put before it, made of the directory's path.
//
// A sidecar begins with its magic. Then come segments (see [idindex]), then what is known of the files, as JSON
// (indexedFiles), and at the end, the low byte first:
//
//	4  size of the JSON
//	4  its CRC-32C
//	4  version
//	16 the magic
const SidecarName = ".correlate-index"

const (
	sidecarMagic   = "correlate index\n"
	sidecarVersion = 1
	sidecarEnd     = 12 + len(sidecarMagic)
	// mostListed bounds what is read of a sidecar to know the files.
	mostListed = 64 << 20
	// probeSize is how much of the beginning and of the end of a file its hashes are of.
	probeSize = 4 << 10
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	ecma       = crc64.MakeTable(crc64.ECMA)
)

// indexedFiles are the files of one directory that a sidecar is of.
type indexedFiles struct {
	Files []*indexedFile `json:"files"`
}

// An indexedFile is what a sidecar tells of one file: how it was, to know it again, and its segments.
type indexedFile struct {
	Name    string `json:"name"`
	Size    int64  `json:"size"`             // bytes as stored
	ModTime int64  `json:"modified_ns"`      // since 1970
	Inode   uint64 `json:"inode,omitempty"`  // 0 if the system has none
	Head    uint64 `json:"head"`             // CRC-64 of its first bytes, up to probeSize
	Tail    uint64 `json:"tail"`             // of its last
	Packed  bool   `json:"packed,omitempty"` // it is not the text itself
	Text    int64  `json:"text"`             // bytes as unpacked

	Segments []indexedSegment `json:"segments"`
}

// An indexedSegment is where a segment stands in the sidecar.
type indexedSegment struct {
	Offset int64  `json:"offset"`
	Size   int    `json:"size"`
	CRC    uint32 `json:"crc32c"`
	Lines  int64  `json:"lines"` // line feeds in it
	idindex.Ends
}

// longest gives the length of the longest line in bytes, without its line feed.
func (x *indexedFile) longest() int64 {
	var all idindex.Ends
	lines := false
	for _, s := range x.Segments {
		all = all.Then(s.Ends, lines, s.Lines > 0)
		lines = lines || s.Lines > 0
	}
	return all.Longest
}

// A sidecar is an open one. It may be read from several goroutines.
type sidecar struct {
	f     *os.File
	path  string
	files []*indexedFile
}

// sidecarOf gives the path of the sidecar in which a file stands, which lies in another directory if into is set.
func sidecarOf(f found, into string) string {
	dir := filepath.Dir(f.real)
	if into == "" {
		if !f.link {
			dir = filepath.Dir(f.open) // as the user named it
		}
		return filepath.Join(dir, SidecarName)
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(into, strings.Trim(filepath.Base(dir), "./\\")+"-"+hex.EncodeToString(sum[:8])+SidecarName)
}

// openSidecar opens one. The error is fs.ErrNotExist if there is none.
func openSidecar(path string) (_ *sidecar, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, bare(err)
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	fi, err := f.Stat()
	if err != nil {
		return nil, bare(err)
	}
	end := make([]byte, sidecarEnd)
	if _, err := f.ReadAt(end, fi.Size()-int64(len(end))); err != nil || !fi.Mode().IsRegular() || string(end[12:]) != sidecarMagic {
		return nil, errDamaged
	}
	size, sum := int64(binary.LittleEndian.Uint32(end)), binary.LittleEndian.Uint32(end[4:])
	if v := binary.LittleEndian.Uint32(end[8:]); v != sidecarVersion {
		return nil, fmt.Errorf("it is of version %d, and this program reads %d", v, sidecarVersion)
	}
	if size > min(mostListed, fi.Size()-int64(sidecarEnd+len(sidecarMagic))) {
		return nil, errDamaged
	}
	listed := make([]byte, size)
	if _, err := f.ReadAt(listed, fi.Size()-int64(len(end))-size); err != nil || crc32.Checksum(listed, castagnoli) != sum {
		return nil, errDamaged
	}
	var all indexedFiles
	if err := json.Unmarshal(listed, &all); err != nil {
		return nil, errDamaged
	}
	for _, x := range all.Files {
		if x == nil || x.Text < 0 || x.Size < 0 || !x.Packed && x.Text != x.Size || int64(len(x.Segments)) != segmentsOf(x.Text) {
			return nil, errDamaged
		}
		for _, s := range x.Segments {
			if s.Size < 0 || s.Offset < 0 || int64(s.Size) > fi.Size()-s.Offset {
				return nil, errDamaged
			}
		}
	}
	return &sidecar{f, path, all.Files}, nil
}

var errDamaged = errors.New("it is damaged")

// stored reads a segment as it is stored, into room if that is large enough.
func (x *sidecar) stored(s indexedSegment, room []byte) ([]byte, error) {
	b := slices.Grow(room[:0], s.Size)[:s.Size]
	if _, err := x.f.ReadAt(b, s.Offset); err != nil || crc32.Checksum(b, castagnoli) != s.CRC {
		return nil, errDamaged
	}
	return b, nil
}

// segment reads a segment of a file. It is valid until room is used again, which then is what it was read into.
func (x *sidecar) segment(f *indexedFile, n int, room *segmentRoom) (*idindex.Segment, error) {
	var err error
	if room.stored, err = x.stored(f.Segments[n], room.stored); err != nil {
		return nil, err
	}
	seg := &room.seg
	if err := seg.Parse(room.stored); err != nil || seg.Blocks() != blocksOf(min(f.Text-int64(n)*idindex.SegmentSize, idindex.SegmentSize)) {
		return nil, errDamaged
	}
	return seg, nil
}

// A segmentRoom is where segments are read into, one after the other.
type segmentRoom struct {
	stored []byte
	seg    idindex.Segment
}

var segmentRooms = sync.Pool{New: func() any { return new(segmentRoom) }}

// segmentsOf gives how many segments there are of a text of so many bytes, and blocksOf how many blocks.
func segmentsOf(text int64) int64 { return (text + idindex.SegmentSize - 1) / idindex.SegmentSize }
func blocksOf(text int64) int     { return int((text + idindex.BlockSize - 1) / idindex.BlockSize) }

// A known says how a file is known again that was indexed.
type known int

const (
	unknown known = iota // it is not the file that was indexed, or was changed since
	asItWas
	grown // it is as it was, and more was appended
)

// find finds the file among those indexed: by its inode, whatever it is called now, else by its name.
func (x *sidecar) find(f found) (*indexedFile, known) {
	var best *indexedFile
	state := unknown
	ino := inodeOf(f.info)
	for _, c := range x.files {
		if (c.Inode == 0 || c.Inode != ino) && c.Name != filepath.Base(f.real) {
			continue
		}
		if k := c.knows(f, ino); k != unknown && (best == nil || c.Size > best.Size) {
			best, state = c, k
		}
	}
	return best, state
}

// knows says whether the file is the one that was indexed: by size, time and inode, and by the hashes
// of its beginning and of where it ended. A packed file that grew is another one.
func (x *indexedFile) knows(f found, ino uint64) known {
	state := unknown
	switch {
	case f.err != nil || f.info == nil || f.size < x.Size:
	case f.size == x.Size && f.info.ModTime().UnixNano() == x.ModTime:
		state = asItWas
	case f.size > x.Size && x.Inode == ino && !x.Packed:
		state = grown
	}
	if state == unknown {
		return unknown
	}
	file, err := os.Open(f.open)
	if err != nil {
		return unknown
	}
	defer file.Close()
	if head, tail, err := probes(file, x.Size); err != nil || head != x.Head || tail != x.Tail {
		return unknown
	}
	return state
}

// probes gives the hashes of the first and the last bytes of so many of a file.
func probes(f io.ReaderAt, size int64) (head, tail uint64, err error) {
	b := make([]byte, min(size, probeSize))
	if _, err := f.ReadAt(b, 0); err != nil {
		return 0, 0, err
	}
	head = crc64.Checksum(b, ecma)
	if _, err := f.ReadAt(b, size-int64(len(b))); err != nil {
		return 0, 0, err
	}
	return head, crc64.Checksum(b, ecma), nil
}

// A sidecarWriter writes one, which takes the place of an older one only when it is whole.
type sidecarWriter struct {
	path string
	temp *os.File
	at   int64
}

// newSidecar begins a sidecar in a temporary file beside it.
func newSidecar(path string) (*sidecarWriter, error) {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return nil, err
	}
	w := &sidecarWriter{path: path, temp: temp}
	if _, err := w.write([]byte(sidecarMagic)); err != nil {
		w.discard()
		return nil, err
	}
	return w, nil
}

// write appends bytes and gives where they begin.
func (w *sidecarWriter) write(b []byte) (int64, error) {
	at := w.at
	n, err := w.temp.Write(b)
	w.at += int64(n)
	return at, err
}

// add appends a segment.
func (w *sidecarWriter) add(stored []byte, s indexedSegment) (indexedSegment, error) {
	at, err := w.write(stored)
	s.Offset, s.Size, s.CRC = at, len(stored), crc32.Checksum(stored, castagnoli)
	return s, err
}

// finish writes the list of files and puts the sidecar in its place, with the mode; it gives its size.
func (w *sidecarWriter) finish(files []*indexedFile, mode fs.FileMode) (_ int64, err error) {
	defer func() {
		if err != nil {
			w.discard()
		}
	}()
	var listed bytes.Buffer
	if err := json.NewEncoder(&listed).Encode(indexedFiles{files}); err != nil {
		return 0, err
	}
	end := listed.Bytes()
	sum := crc32.Checksum(end, castagnoli)
	end = binary.LittleEndian.AppendUint32(end, uint32(listed.Len()))
	end = binary.LittleEndian.AppendUint32(end, sum)
	end = binary.LittleEndian.AppendUint32(end, sidecarVersion)
	end = append(end, sidecarMagic...)
	if _, err := w.write(end); err != nil {
		return 0, err
	}
	if err := w.temp.Chmod(mode); err != nil {
		return 0, err
	}
	if err := w.temp.Sync(); err != nil {
		return 0, err
	}
	if err := w.temp.Close(); err != nil {
		return 0, err
	}
	if err := os.Rename(w.temp.Name(), w.path); err != nil {
		return 0, err
	}
	syncDir(filepath.Dir(w.path))
	return w.at, nil
}

// discard removes what was written so far.
func (w *sidecarWriter) discard() {
	w.temp.Close()
	os.Remove(w.temp.Name())
}

// syncDir makes a rename in a directory last, where the system can.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync() // the rename is done, whether it lasts or not
		d.Close()
	}
}
