package format

import (
	"bytes"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/correlatehq/correlate/timeline"
)

// A stream may go on in another format: a new release of its writer logs otherwise, or
// a file was opened again by another program. Where a line comes that is not read, the
// lines after it are looked at: if none of a few is read, and another format reads nearly
// all of them, the stream is in that one from there on.

const (
	turnLines = 20  // are looked at
	turnLeast = 3   // must be there
	turnEvery = 64  // lines in which one is looked at that seems all right
	turnWait  = 256 // lines at most between looks that found nothing
	// maxSegments bounds the segments that are told; those above it are counted.
	maxSegments = 64
	// turnShare is what the other format must read of the lines; of a few it may leave out
	// one.
	turnShare = 0.8
	// guestLooks is how many records of guests are looked at one by one.
	guestLooks = 16
)

// A Segment is a stretch of a stream that is in one format.
type Segment struct {
	Format *Format
	Line   int   // of its first record
	Offset int64 // of the same
}

// doubts are what a reader remembers of its looks ahead.
type doubts struct {
	unread bool // a record was not read since the last look
	lines  int  // since one was looked at
	until  int  // number of the line before which no look is worth its time
	wait   int
	guests int // records of other formats of the stream
}

// Format gives the format of the records that Next gives now.
func (r *Reader) Format() *Format { return r.form }

// glance says for a stream whose lines are all records whether the line seems to be one.
func (r *Reader) glance(line []byte) bool {
	d := &r.doubts
	if d.lines++; d.unread || d.lines >= turnEvery {
		d.lines = 0
		return r.reads(line)
	}
	c := r.root.wrap
	if c == nil {
		c = r.root.rest.main
	}
	switch c.decoder {
	case jsonDecoder:
		return line[0] == '{'
	case regexpDecoder:
		for _, p := range c.patterns {
			if p.prefix().match(line) {
				return true
			}
		}
		return false
	}
	return true
}

// reads says whether the line is one of the stream as far as its outermost format tells.
func (r *Reader) reads(line []byte) bool {
	line = plain(line)
	if c := r.root.wrap; c != nil {
		_, ok := r.peeler(0).peel(c, line)
		return ok
	}
	in := r.root.rest
	if in.main == nil {
		return false
	}
	d := r.frame
	d.order = in.order
	if in.main.isContinuation(line) || d.decode(in.main, line) {
		return true
	}
	// A record of columns may go on in the next line; a head is no record.
	if in.main.columns != nil && (d.beginsColumns(in.main, line) || d.takeHead(in.main, line)) {
		return true
	}
	for _, g := range r.set.guestsOf(in.main) {
		if g.c != in.main && !r.set.isOdd(in.main, g.c) && d.decode(g.c, line) {
			return true
		}
	}
	return false
}

// generalReads is from how many other formats on a format that reads records of them is
// a general one, such as that of all stamped lines: that it reads a line in a stream of
// another format tells nothing.
const generalReads = 20

func (s *Set) isGeneral(c *compiled) bool { return s.general[c] }

// isOdd says whether a record of the guest between those of main may say that the stream is in another
// format from there on: a general one reads what others write, and where main is of no stream it has
// no guests but those that stand anywhere.
func (s *Set) isOdd(main, guest *compiled) bool {
	return s.isGeneral(guest) || guest.roams && main.spec.Stream == ""
}

// isStrange says whether a record that begins with line, as one of by (nil if nothing is
// known of it), is none that the strand's format explains. Records of guests are looked
// at closely, the first of them and then a part: that they begin alike tells little.
func (r *Reader) isStrange(in *strand, by *compiled, line []byte) bool {
	switch {
	case by == nil || by == in.main:
		return by == nil
	case r.set.isOdd(in.main, by):
		return true
	}
	if r.doubts.guests++; r.doubts.guests > guestLooks && r.doubts.guests%guestLooks > 0 {
		return false
	}
	d := r.frame
	d.order = in.order
	return !d.decode(by, line)
}

// A Look tells of single lines whether they are in a format. Not for concurrent use.
type Look struct{ r *Reader }

// NewLook makes a look at lines for f.
func (s *Set) NewLook(f *Format) *Look {
	r := &Reader{set: s}
	r.start(f)
	return &Look{r}
}

// Reads says whether one of the lines is in the format, or in one whose records may stand in
// its streams.
func (l *Look) Reads(lines ...[]byte) bool {
	return slices.ContainsFunc(lines, func(line []byte) bool { return l.r.reads(trimLine(line)) })
}

// turns says whether the stream is in another format from the line at hand on, r.next,
// which the one so far does not read. If so the reader is ready for it: the line is held
// for the next record.
func (r *Reader) turns() bool {
	if r.doc != nil || r.opt.Fixed || r.next.long || r.next.line < r.doubts.until {
		return false
	}
	r.keepNext()
	held := r.held
	r.held = true
	if r.turnsAt(nil, r.next.line, r.next.offset) {
		return true
	}
	r.held = held
	return false
}

// turnsAt is turns for a record of one line that was given already, text; for the line
// held if text is nil.
func (r *Reader) turnsAt(text []byte, line int, offset int64) bool {
	d := &r.doubts
	lines := r.ahead(text, func(l []byte) ([]byte, bool) { return l, !r.reads(l) })
	if text == nil {
		text = r.next.text
	}
	f := r.other(lines)
	if f == nil || sameOuter(f, r.form) || r.form != nil && r.form.rest != nil && r.form.rest.c == f.c {
		d.unread = false
		d.until = line + len(lines)
		switch {
		case r.form == nil:
			d.until = line + (len(lines)+1)/2 // there may be more of what began among them
		case len(lines) == turnLines:
			// What comes is like it: a look now and then is enough.
			d.wait = min(max(2*d.wait, turnLines), turnWait)
			d.until = line + d.wait
		}
		return false
	}
	to := &Reader{set: r.set, opt: r.opt}
	to.start(f)
	if !to.reads(text) {
		// What comes before it is of neither.
		for i, l := range lines {
			if to.reads(l) {
				d.until = line + i
				break
			}
		}
		return false
	}
	if r.first != 0 && line > r.first {
		if r.det.Turns++; len(r.det.Segments) == 0 && r.form != nil {
			r.det.Segments = append(r.det.Segments, Segment{Format: r.form, Line: 1})
		}
	}
	if len(r.det.Segments) < maxSegments {
		r.det.Segments = append(r.det.Segments, Segment{f, line, offset})
	}
	r.doubts = doubts{}
	r.form = f
	r.root = to.root
	r.strands, r.known = 0, nil
	r.lineByLine = to.lineByLine
	r.drain = len(r.queue) > 0
	r.last = nil
	return true
}

// decodesTurned says whether a record that was not read is the first of another format,
// and reads it then.
func (r *Reader) decodesTurned(rec *Record, text []byte) *timeline.Event {
	if r.doc != nil || r.opt.Fixed || rec.Cut || rec.Line < r.doubts.until || len(r.queue) > 0 || bytes.IndexByte(text, '\n') >= 0 {
		return nil
	}
	if r.held {
		r.keepNext()
	}
	text = bytes.Clone(text)
	if !r.turnsAt(text, rec.Line, rec.Offset) {
		return nil
	}
	p, ok := r.route(text)
	if !ok {
		return nil
	}
	return r.read(p.in, text, nil)
}

// ahead gives the line first, the line that is held, and those after it in the input as
// long as take wants them; take gives the text that counts, nil if the line is of no
// interest.
func (r *Reader) ahead(first []byte, take func([]byte) ([]byte, bool)) [][]byte {
	var lines [][]byte
	add := func(l []byte) bool {
		text, more := take(plain(l))
		if more && len(text) > 0 {
			lines = append(lines, bytes.Clone(text))
		}
		return more && len(lines) < turnLines
	}
	if first != nil && !add(first) || r.held && !add(r.next.text) {
		return lines
	}
	buf, _ := r.in.Peek(min(strandLook, r.in.Size()))
	for len(buf) > 0 {
		l := buf
		if i := bytes.IndexByte(buf, '\n'); i >= 0 {
			l, buf = buf[:i], buf[i+1:]
		} else if len(buf) >= strandLook {
			break
		} else {
			buf = nil // the last line may have no end
		}
		if !add(trimLine(l)) {
			break
		}
	}
	return lines
}

// other gives the format that reads the lines, which the one so far does not read; nil
// if they are too few or if none reads nearly all.
func (r *Reader) other(lines [][]byte) *Format {
	told := 0
	for _, l := range lines {
		if !continues(l) && !r.set.isStackLine(l) {
			told++
		}
	}
	if told < turnLeast {
		return nil
	}
	f, share := r.opt.Looks.choose(r.set, lines, &r.opt)
	read := int(share*float64(len(lines)) + 0.5)
	if f == nil || r.form != nil && share < turnShare && (read < turnLeast || len(lines)-read > 1) {
		return nil
	}
	return f
}

// Looks remembers which format reads some lines, for readers of one stream that come to them again; but for the
// reference their options are the same. It may be used from several goroutines. The zero value is ready.
type Looks struct {
	mu    sync.Mutex
	found map[uint64]look
	seed  maphash.Seed
}

// A look is what choose gave.
type look struct {
	format *Format
	share  float64
}

// maxLooks bounds how many are remembered.
const maxLooks = 1 << 10

// choose finds the format that reads most of the lines, and what share it reads.
func (x *Looks) choose(s *Set, lines [][]byte, o *Options) (*Format, float64) {
	if x == nil {
		f, _, share := s.choose(lines, s.formats, o, 0, nil)
		return f, share
	}
	x.mu.Lock()
	if x.found == nil {
		x.found, x.seed = map[uint64]look{}, maphash.MakeSeed()
	}
	var h maphash.Hash
	h.SetSeed(x.seed)
	maphash.WriteComparable(&h, o.Reference.UnixNano())
	for _, l := range lines {
		h.Write(l)
		h.WriteByte('\n')
	}
	key := h.Sum64()
	known, ok := x.found[key]
	x.mu.Unlock()
	if ok {
		return known.format, known.share
	}
	f, _, share := s.choose(lines, s.formats, o, 0, nil)
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.found) < maxLooks {
		x.found[key] = look{f, share}
	}
	return f, share
}

// trusts says for a line that seems to begin a record whether it need not be looked at
// any closer.
func (r *Reader) trusts(line []byte) bool {
	d := &r.doubts
	if d.lines++; !d.unread && d.lines < turnEvery {
		return true
	}
	d.lines = 0
	return r.reads(line)
}

// sameOuter says whether a look at lines of a stream of b that found a tells nothing
// new: what is inside of a wrapper is found strand by strand, and guests are read.
func sameOuter(a, b *Format) bool {
	if a.c.spec.Attaches {
		return true
	}
	return b != nil && routeOf(a).wrap == routeOf(b).wrap && (routeOf(a).wrap != nil || a.c == b.c || shareStream(a, b))
}

// strandTurns is turns for a strand in a wrapper: the line at hand begins a record that
// its format does not read.
func (r *Reader) strandTurns(in *strand) bool {
	if in.misses++; in.at == nil || in.misses < in.patience {
		return false
	}
	in.misses, in.patience = 0, min(2*in.patience+2, turnWait)
	r.keepNext()
	d := r.frame
	held := r.held
	r.held = true
	lines := r.ahead(nil, func(l []byte) ([]byte, bool) {
		p, at, _, ok := r.follow(l)
		if !ok || at != nil || p.in != in {
			return nil, true
		}
		return p.text, in.main == nil || !d.decode(in.main, p.text) && r.isStrange(in, r.begins(in, p.text), p.text)
	})
	r.held = held
	if len(lines) < turnLeast {
		return false
	}
	f, _, share := r.set.choose(lines, r.set.formats, &r.opt, len(in.outer), in.outer)
	if f == nil || f.c.spec.Attaches || in.main != nil && (share < turnShare || f.c.spec.Stream != "" && f.c.spec.Stream == in.main.spec.Stream) {
		return false
	}
	rt := routeBelow(f, len(in.outer))
	if rt.wrap == nil && !d.decode(rt.main, lines[0]) {
		return false
	}
	r.det.Turns++
	r.hang(in.at, in.kind, rt, in.outer)
	return true
}
