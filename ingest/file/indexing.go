package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/internal/idindex"
)

// IndexOptions say how indexes are written.
type IndexOptions struct {
	// Into is the directory in which they are written; "" is beside the files that they are of.
	Into string
	// Check says to write none, and to tell how those are that there are.
	Check bool
}

// An Indexed tells of the index of the files of one directory.
type Indexed struct {
	Dir   string // of the files
	Path  string // of the index
	Files int
	Bytes int64 // of the files as stored
	Text  int64 // as unpacked
	Size  int64 // of the index in bytes; 0 if there is none
	// Kept is how many of the files were as they had been indexed before, and Grown how many of them were but for what
	// was appended.
	Kept, Grown int
	// Left are the files that the index is not of, by their base names, with the reason.
	Left []string
	// Scanned are those of which it cannot tell where IDs are, as they are too full of what may be one.
	Scanned []string
	Err     error // the index could not be read or written; nil
}

// BuildIndex writes, for each directory in which files lie that the names mean, what will tell later where in them an
// ID may stand, or with Check says how that is. Open uses it as far as the files are as they were then.
//
// A name is a file, a directory or a glob, as for Open. What of an older index still holds is taken over. An index
// takes the place of an older one only when it is whole; whatever ends the program before leaves the older one. The
// result is by directory; the error is the context's, or says that nothing was found.
func BuildIndex(ctx context.Context, names []string, o IndexOptions) ([]Indexed, error) {
	f := finder{ctx: ctx}
	for _, n := range names {
		if n == "-" {
			return nil, ingest.WithHint(errors.New("index -: what comes through a pipe cannot be indexed"), "name a file, a directory or a glob")
		}
		if err := f.add(n); err != nil {
			removeAll(f.temps)
			return nil, err
		}
	}
	defer removeAll(f.temps)
	f.once()
	byDir := map[string]*dirIndex{}
	var dirs []*dirIndex
	for _, x := range f.files {
		dir := filepath.Dir(x.real)
		d := byDir[dir]
		if d == nil {
			d = &dirIndex{Indexed: Indexed{Dir: filepath.Dir(x.open), Path: sidecarOf(x, o.Into)}, built: map[int][]builtSegment{}}
			byDir[dir], dirs = d, append(dirs, d)
		}
		d.found = append(d.found, x)
	}
	slices.SortFunc(dirs, func(a, b *dirIndex) int { return strings.Compare(a.Dir, b.Dir) })
	type task struct {
		dir *dirIndex
		n   int
	}
	var tasks []task
	for _, d := range dirs {
		d.plan(o.Check)
		defer d.close()
		for n := range d.pieces {
			tasks = append(tasks, task{d, n})
		}
	}
	builders := sync.Pool{New: func() any { return new(idindex.Builder) }}
	err := parallel(ctx, len(tasks), func(i int) {
		b := builders.Get().(*idindex.Builder)
		defer builders.Put(b)
		tasks[i].dir.index(ctx, tasks[i].n, b)
	})
	out := make([]Indexed, len(dirs))
	for i, d := range dirs {
		if !o.Check && err == nil {
			d.finish()
		}
		slices.Sort(d.Left)
		out[i] = d.Indexed
	}
	return out, err
}

// A dirIndex is the index of the files of one directory while it is made.
type dirIndex struct {
	Indexed
	found  []found
	old    *sidecar
	files  []*indexedFile
	mode   fs.FileMode
	pieces []piece

	mu    sync.Mutex
	built map[int][]builtSegment // pieces that are ready before those in front of them
	next  int                    // the piece that is written next
	w     *sidecarWriter
}

// A piece is what one goroutine indexes: one segment of a plain file, or a packed file whole.
type piece struct {
	file    *indexedFile
	open    string
	segment int             // of a plain file
	kept    *indexedSegment // in the older index; nil to read the file
}

type builtSegment struct {
	stored []byte
	info   indexedSegment
}

// plan finds out what is to be read.
func (d *dirIndex) plan(check bool) {
	var err error
	if d.old, err = openSidecar(d.Path); err != nil && !errors.Is(err, fs.ErrNotExist) && check {
		d.Err = fmt.Errorf("read %s: %w", d.Path, err)
	}
	if d.old != nil && check {
		if fi, err := d.old.f.Stat(); err == nil {
			d.Size = fi.Size()
		}
	}
	d.mode = 0o644 // who may read the logs may read their index
	for _, f := range d.found {
		if f.err != nil {
			d.Left = append(d.Left, filepath.Base(f.open)+": "+f.err.Error())
			continue
		}
		d.Files++
		d.Bytes += f.size
		d.mode &= f.info.Mode().Perm() | 0o600
		var old *indexedFile
		state := unknown
		if d.old != nil {
			old, state = d.old.find(f)
		}
		switch {
		case state == asItWas:
			d.Kept++
		case state == grown:
			d.Grown++
		case check && f.size > 0:
			d.Left = append(d.Left, filepath.Base(f.open)+": not indexed as it is now")
		}
		if check {
			d.checked(old)
			continue
		}
		if err := d.add(f, old, state); err != nil {
			d.Left = append(d.Left, filepath.Base(f.open)+": "+err.Error())
		}
	}
}

// checked reads what the older index tells of a file, as it will be read when it is used.
func (d *dirIndex) checked(old *indexedFile) {
	if old == nil {
		return
	}
	d.Text += old.Text
	for n := range old.Segments {
		seg, err := d.old.segment(old, n, new(segmentRoom))
		if err != nil {
			d.Err = fmt.Errorf("read %s: %w", d.Path, err)
			return
		}
		if !seg.Holds() {
			d.Scanned = append(d.Scanned, old.Name)
			return
		}
	}
}

// add puts a file on the list of what is to be read; of one that was indexed before only what is new.
func (d *dirIndex) add(f found, old *indexedFile, state known) error {
	file, err := openStored(f.open, f.size)
	if err != nil {
		return err
	}
	defer file.Close()
	x := &indexedFile{
		Name: filepath.Base(f.real), Size: f.size, ModTime: f.info.ModTime().UnixNano(), Inode: inodeOf(f.info),
		Packed: file.how != nil, Text: f.size,
	}
	if x.Head, x.Tail, err = probes(file.file, x.Size); err != nil {
		return err
	}
	keep := func(n int) *indexedSegment {
		if state == asItWas || state == grown && int64(n+1)*idindex.SegmentSize <= old.Text {
			return &old.Segments[n]
		}
		return nil
	}
	switch {
	case x.Packed && state == asItWas:
		x.Text = old.Text
		for n := range old.Segments {
			d.pieces = append(d.pieces, piece{x, f.open, n, keep(n)})
		}
	case x.Packed:
		d.pieces = append(d.pieces, piece{file: x, open: f.open})
	default:
		for n := 0; int64(n)*idindex.SegmentSize < x.Size; n++ {
			d.pieces = append(d.pieces, piece{x, f.open, n, keep(n)})
		}
	}
	d.files = append(d.files, x)
	return nil
}

// index makes a piece, and writes it once those in front of it are written.
func (d *dirIndex) index(ctx context.Context, n int, b *idindex.Builder) {
	p := d.pieces[n]
	d.mu.Lock()
	failed := d.Err != nil
	d.mu.Unlock()
	if failed {
		return
	}
	built, err := d.make(ctx, p, b)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.leave(p.file, err)
	}
	d.built[n] = built
	for ; d.Err == nil; d.next++ {
		segments, ready := d.built[d.next]
		if !ready {
			return
		}
		delete(d.built, d.next)
		if d.w == nil {
			if d.w, err = newSidecar(d.Path); err != nil {
				d.failed(err)
				return
			}
		}
		for _, s := range segments {
			info, err := d.w.add(s.stored, s.info)
			if err != nil {
				d.failed(err)
				return
			}
			file := d.pieces[d.next].file
			file.Segments = append(file.Segments, info)
		}
	}
}

// leave leaves a file out that cannot be read whole.
func (d *dirIndex) leave(x *indexedFile, err error) {
	if !slices.Contains(d.files, x) {
		return
	}
	d.files = slices.DeleteFunc(d.files, func(o *indexedFile) bool { return o == x })
	d.Left = append(d.Left, x.Name+": "+err.Error())
}

// failed notes that the index cannot be written.
func (d *dirIndex) failed(err error) {
	d.Err = fmt.Errorf("write %s: %w", d.Path, bare(err))
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		d.Err = ingest.WithHint(d.Err, "--into DIR writes indexes into a directory of yours; correlate investigate finds them there with --index DIR")
	}
}

// make makes the segments of a piece.
func (d *dirIndex) make(ctx context.Context, p piece, b *idindex.Builder) ([]builtSegment, error) {
	if p.kept != nil {
		if stored, err := d.old.stored(*p.kept, nil); err == nil {
			return []builtSegment{{stored, *p.kept}}, nil
		}
		// Of a damaged one the file is read again.
	}
	file, err := openStored(p.open, p.file.Size)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if !p.file.Packed {
		from := int64(p.segment) * idindex.SegmentSize
		before := make([]byte, min(from, idindex.LookBehind))
		if _, err := file.file.ReadAt(before, from-int64(len(before))); err != nil && len(before) > 0 {
			return nil, bare(err)
		}
		b.Start(before)
		size := min(idindex.SegmentSize, p.file.Size-from)
		switch n, err := b.Read(&cancelReader{ctx, io.NewSectionReader(file.file, from, size)}); {
		case err != nil:
			return nil, bare(err)
		case n < size:
			return nil, errors.New("it became shorter while it was read")
		}
		return []builtSegment{builtBy(b)}, nil
	}
	var out []builtSegment
	text := int64(0)
	for b.Start(nil); ; b.Start(b.Held()) {
		n, err := b.Read(&cancelReader{ctx, file})
		if err != nil {
			return nil, err
		}
		if n > 0 {
			out = append(out, builtBy(b))
		}
		if text += n; n < idindex.SegmentSize {
			break
		}
	}
	p.file.Text = text
	return out, nil
}

func builtBy(b *idindex.Builder) builtSegment {
	ends, _ := b.Ends()
	return builtSegment{b.Append(nil), indexedSegment{Lines: b.Lines(), Ends: ends}}
}

// finish puts the index in its place.
func (d *dirIndex) finish() {
	if d.Err == nil && d.w == nil { // of files that are all empty
		var err error
		if d.w, err = newSidecar(d.Path); err != nil {
			d.failed(err)
		}
	}
	if d.Err != nil {
		return
	}
	for _, x := range d.files {
		d.Text += x.Text
	}
	if d.old != nil {
		d.old.f.Close() // some systems replace no file that is open
		d.old = nil
	}
	var err error
	w := d.w
	d.w = nil
	if d.Size, err = w.finish(d.files, d.mode); err != nil {
		d.failed(err)
		return
	}
	removeLeftover(d.Path)
}

// leftAfter is when a temporary file of an index is nobody's any more.
const leftAfter = time.Hour

// removeLeftover removes what a program left that was killed while it wrote this index.
func removeLeftover(path string) {
	temps, _ := filepath.Glob(path + ".*.tmp") // the pattern is well formed, or nothing is removed
	for _, t := range temps {
		if fi, err := os.Stat(t); err == nil && time.Since(fi.ModTime()) > leftAfter {
			os.Remove(t)
		}
	}
}

// close removes what is not finished.
func (d *dirIndex) close() {
	if d.w != nil {
		d.w.discard()
	}
	if d.old != nil {
		d.old.f.Close()
	}
}

// Share is how large the index is against the text.
func (x Indexed) Share() float64 { return float64(x.Size) / float64(max(1, cmp.Or(x.Text, x.Bytes))) }
