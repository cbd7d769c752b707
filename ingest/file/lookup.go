package file

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/correlatehq/correlate/internal/idindex"
	"github.com/correlatehq/correlate/timeline"
)

// partIDs are what an index tells of a part.
type partIDs struct {
	side  *sidecar
	file  *indexedFile
	grown bool // something was appended, of which it tells nothing
}

// useIndexes finds for each part the index in which it stands, and notes which parts are not as they were
// indexed. Where there is no index nothing is noted.
func (s *Source) useIndexes() {
	dirs := map[string]*sidecar{}
	var left []string
	for _, st := range s.streams {
		for _, p := range st.parts {
			if p.err != nil || p.size == 0 {
				continue
			}
			dir := filepath.Dir(p.real)
			x, ok := dirs[dir]
			if !ok {
				path := sidecarOf(p.found, s.config.Index)
				var err error
				if x, err = openSidecar(path); err == nil {
					s.sidecars = append(s.sidecars, x)
				} else if !errors.Is(err, fs.ErrNotExist) {
					s.noteUnusable(path, err)
				}
				dirs[dir] = x
			}
			if x == nil {
				continue
			}
			if file, state := x.find(p.found); state != unknown {
				p.ids = &partIDs{x, file, state == grown}
			} else {
				left = append(left, p.path)
			}
		}
		if st.splitsIDs(s) {
			for _, p := range st.parts {
				p.ids = nil
			}
		}
	}
	if len(left) > 0 {
		more := ""
		if len(left) > 1 {
			more = fmt.Sprintf(" and %d more", len(left)-1)
		}
		s.noteIndex(fmt.Sprintf("searched whole, as it is not what was indexed: %s%s; correlate index brings the index up to date", left[0], more))
	}
}

// noteUnusable tells the user that an index cannot be used.
func (s *Source) noteUnusable(path string, err error) {
	s.noteIndex(fmt.Sprintf("the index %s cannot be used, and its files are searched whole: %v", path, err))
}

// noteIndex tells the user, once for each text.
func (s *Source) noteIndex(what string) {
	s.mu.Lock()
	seen := slices.Contains(s.indexNotes, what)
	if !seen {
		s.indexNotes = append(s.indexNotes, what)
	}
	s.mu.Unlock()
	if !seen && s.config.Note != nil {
		s.config.Note(what)
	}
}

// tellUnable tells who looks for a fault of an ID for which all is searched though there is an index.
func (s *Source) tellUnable(pl *plan) {
	if len(s.sidecars) == 0 || pl.spelling == nil || s.config.Log == nil {
		return
	}
	if _, unable := pl.query(); len(unable) > 0 {
		s.config.Log.Info("no index holds such an ID, the files are searched whole", "source", s.name, "id", unable[0], "ids", len(unable))
	}
}

// splitTries is how many events of the head of a stream are looked at by splitsIDs.
const splitTries = 64

// splitsIDs says whether the stream's format takes keys out of the midst of a word: an index
// finds an ID only where no letter or digit follows.
func (st *stream) splitsIDs(s *Source) bool {
	i := slices.IndexFunc(st.parts, func(p *filePart) bool { return p.ids != nil })
	if i < 0 || st.format == nil {
		return false
	}
	p := st.parts[i]
	head, err := p.head()
	if err != nil {
		return true
	}
	tries, splits := 0, false
	s.stamps(s.options(p, st.format), head[:min(len(head), fitSize)], func(e *timeline.Event) {
		if tries++; tries > splitTries {
			return
		}
		for _, k := range e.Keys {
			if k.Strength != timeline.Identity {
				continue
			}
			stands, ends := standing(e.Raw, k.Value)
			splits = splits || stands && !ends
		}
	})
	return splits
}

// standing says whether the value stands in the text, and whether it does so once with no letter or digit behind it.
func standing(text []byte, value string) (stands, ends bool) {
	for {
		i := bytes.Index(text, []byte(value))
		if i < 0 || value == "" {
			return stands, false
		}
		text, stands = text[i+len(value):], true
		if len(text) == 0 || !isAlnum(text[0]) {
			return true, true
		}
	}
}

// An extent is a stretch of a part as unpacked, in bytes.
type extent struct{ from, to int64 }

// A holding says where in a part the IDs of a plan may stand, by its index.
type holding struct {
	extents []extent // in order, apart from each other
	lines   []int64  // line feeds before each block
}

// holding asks the index of the part; nil if it cannot tell. It is only asked where nothing but
// records with certain IDs is wanted.
func (r *partReader) holding() *holding {
	p, pl := r.p, r.pl
	if p.ids == nil || pl.spelling == nil || len(pl.begins) > 0 || pl.all || pl.life || pl.sample != nil || len(pl.failed) > 0 || len(pl.near) > 0 || len(pl.at) > 0 || p.turned.Load() {
		return nil
	}
	q, unable := pl.query()
	limit := cmp.Or(r.s.config.MaxRecord, 1<<20)
	if len(unable) > 0 || p.ids.file.longest() > int64(limit) {
		return nil
	}
	h := &holding{}
	x, base, lines := p.ids.file, int64(0), int64(0)
	pad := int64(q.Longest)
	add := func(from, to int64) {
		from = max(0, from-pad)
		if n := len(h.extents); n > 0 && from <= h.extents[n-1].to {
			h.extents[n-1].to = to
			return
		}
		h.extents = append(h.extents, extent{from, to})
	}
	room := segmentRooms.Get().(*segmentRoom)
	defer segmentRooms.Put(room)
	for n := range x.Segments {
		seg, err := p.ids.side.segment(x, n, room)
		if err != nil {
			r.s.noteUnusable(p.ids.side.path, err)
			return nil
		}
		var set idindex.Set
		seg.Find(q, &set)
		for b := range seg.Blocks() {
			if from := base + int64(b)*idindex.BlockSize; set.Has(b) {
				add(from, from+idindex.BlockSize+pad)
			}
			h.lines = append(h.lines, lines)
			lines += int64(seg.Lines(b))
		}
		base += idindex.SegmentSize
	}
	if p.ids.grown {
		add(x.Text/idindex.BlockSize*idindex.BlockSize, p.size)
	}
	return h
}

// blockOf gives the number of the block in which an offset lies, and where that begins.
func blockOf(offset int64) (int, int64) {
	n := offset / idindex.BlockSize
	return int(n), n * idindex.BlockSize
}

const (
	// backStep is how far back a record is looked for at first, and mostBack at most.
	backStep = 4 << 10
	mostBack = 1 << 20
	// ahead is how much behind the beginning of a line is looked at to know it.
	ahead = 4 << 10
)

// jump reads the records that have bytes in the extents, and, where the stamps of the part are not yet known,
// one of every stretch; false says that it was stopped.
func (k *skimmer) jump(ctx context.Context, f *stored, h *holding) bool {
	size := k.r.p.size
	extents := h.extents
	if k.r.stamps != nil {
		extents = withPlaces(extents, h, size)
	}
	if f.how != nil {
		if len(extents) == 0 {
			return true
		}
		return k.through(ctx, extents[len(extents)-1].to)
	}
	pos := lineStart{line: 1} // up to there all is read
	for _, x := range extents {
		if x.to <= pos.offset {
			continue
		}
		from := pos
		if x.from > pos.offset {
			from = k.recordBefore(f.file, h, x.from, pos)
		}
		if k.r.within != nil && !k.r.index.meetsAny(from.offset, x.to, k.r.within) {
			continue
		}
		k.in = &cancelReader{ctx, io.NewSectionReader(f.file, from.offset, size-from.offset)}
		k.base, k.line, k.counted, k.eof = from.offset, from.line, 0, false
		k.block = int(min(blockSize, max(2*backStep, x.to-from.offset+ahead)))
		if !k.through(ctx, x.to) {
			return false
		}
		if k.whole {
			return true
		}
		pos = lineStart{k.base, k.line}
	}
	k.r.keepIndex()
	return true
}

// withPlaces adds to the extents the beginning of every stretch, and the end of the part. Of what was appended
// nothing is left out.
func withPlaces(extents []extent, h *holding, size int64) []extent {
	out := slices.Clone(extents)
	for at := int64(0); at < size; at += 1 << stretchBits {
		out = append(out, extent{at, at + 1})
	}
	out = append(out, extent{size - 1, size})
	slices.SortFunc(out, func(a, b extent) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
	return out
}

// recordBefore gives where the last record of the stream's own that bears a stamp begins at or before
// the offset, but behind pos; else pos.
func (k *skimmer) recordBefore(f io.ReaderAt, h *holding, offset int64, pos lineStart) lineStart {
	for step := int64(backStep); step <= mostBack; step *= 4 {
		n, from := blockOf(offset - min(offset, step))
		if from <= pos.offset || n >= len(h.lines) {
			break
		}
		b := make([]byte, offset-from+ahead)
		got, err := f.ReadAt(b, from)
		if err != nil && err != io.EOF {
			break
		}
		b = b[:got]
		for i := min(int(offset-from), got); ; {
			if i = bytes.LastIndexByte(b[:i], '\n') + 1; i == 0 {
				break
			}
			if k.screen.Own(b[i:]) && k.screen.Dates(b[i:]) {
				return lineStart{from + int64(i), 1 + int(h.lines[n]) + bytes.Count(b[:i], []byte{'\n'})}
			}
			i--
		}
	}
	return pos
}

// meetsAny says whether a record that begins in [from, to) may lie in one of the spans.
func (x *index) meetsAny(from, to int64, s spans) bool {
	for at := from; at < to; at = (at>>stretchBits + 1) << stretchBits {
		if x.meets(at, s) {
			return true
		}
	}
	return false
}
