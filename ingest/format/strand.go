package format

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

const (
	// maxStrands bounds the streams inside a wrapper that each have a format of their
	// own; those above it are read in the format of most of the others.
	maxStrands = 64
	// maxQueue bounds the records that wait for the end of an earlier one with whose
	// lines theirs are interleaved.
	maxQueue = 64
	// strandLook is how far ahead the lines of a strand are looked for that has just
	// begun, strandLines how many of them are enough.
	strandLook  = 16 << 10
	strandLines = 20
)

// A strand is the stream of one writer: one container's lines in the output of all of
// them, one program's in a syslog file. A stream without wrappers is one strand.
type strand struct {
	outer []*compiled  // wrappers, outermost first
	main  *compiled    // of the records inside them; nil: nobody reads them
	order *columnOrder // as its last head told

	guest  *Format   // of the last exchange of a guest
	rivals []*Format // guests that read some of such records better

	at        *knot // the wrapper before it
	kind      uint64
	exchanges []string // IDs of the requests that are begun and not ended, if the format tells by which lines they are

	misses   int // records in a row that its format does not read
	patience int // misses before the next look at its lines

	stamped   []byte  // head of the last record before the one at hand whose format bears a stamp
	dating    *dating // what stamped says; nil until it is asked for
	pending   []byte  // the same of the record at hand, if isPending
	isPending bool
}

// between are the lines by which one request of a process begins and ends.
type between struct{ opens, closes *expr }

// maxExchanges bounds the requests of a strand that are begun at a time; the oldest ones lack their end.
const maxExchanges = 8

// exchange gives the ID of the request within which a record begins, and notes if that begins or ends one. It gives "" if there are several, which
// are those of as many processes.
func (in *strand) exchange(b *between, line []byte, d *decoding) string {
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	text := bytesAsString(line)
	id := func(re *expr) string {
		if loc := re.find(text, &d.match); loc != nil {
			return text[loc[2*re.group("id")]:loc[2*re.group("id")+1]]
		}
		return ""
	}
	if v := id(b.opens); v != "" {
		if len(in.exchanges) == maxExchanges {
			in.exchanges = slices.Delete(in.exchanges, 0, 1)
		}
		in.exchanges = append(in.exchanges, strings.Clone(v))
	} else if v := id(b.closes); v != "" {
		in.exchanges = slices.DeleteFunc(in.exchanges, func(o string) bool { return o == v })
	}
	if len(in.exchanges) == 1 {
		return in.exchanges[0]
	}
	return ""
}

// A dating is what a stamped record tells of those after it that bear no stamp.
type dating struct {
	order         *columnOrder // by which it was read
	time          time.Time    // zero if it tells none
	stamp         timeline.Stamp
	service, host string
}

// shift makes the record given last the one before the record at hand.
func (in *strand) shift() {
	if in.isPending {
		in.stamped, in.pending, in.isPending, in.dating = in.pending, in.stamped, false, nil
	}
}

// keep notes a record whose stamp may date the next one without stamp.
func (in *strand) keep(rec *Record) {
	if rec.by != nil && (len(in.outer) > 0 || rec.by.bearsStamp(rec.Bytes)) {
		in.pending = append(in.pending[:0], rec.Bytes[:min(len(rec.Bytes), keptStamp)]...)
		in.isPending = true
	}
}

// bearsStamp says whether the record's form has a place for a stamp: of a format with
// several patterns it may be that some have none.
func (c *compiled) bearsStamp(rec []byte) bool {
	if len(c.timeNames) == 0 || !c.unstamped() {
		return len(c.timeNames) > 0
	}
	first, _, _ := bytes.Cut(rec, []byte("\n"))
	first = bytes.TrimSuffix(first, []byte("\r"))
	for _, p := range c.patterns {
		if p.re.match(first) {
			return c.stamps(p)
		}
	}
	return true
}

// stamps says whether a pattern has a group for the stamp.
func (c *compiled) stamps(p *pattern) bool {
	return slices.ContainsFunc(p.re.groups(), func(g string) bool { return slices.Contains(c.timeNames, g) })
}

// A route says what the records of a stream are in: a wrapper, with what is inside
// by stream, or a format. It is not changed once made.
type route struct {
	main    *compiled    // no wrapper: the format of the records; nil if none reads them
	order   *columnOrder // of its columns, if a head told
	wrap    *compiled
	inner   map[uint64]*route
	general *route // of streams that are not in inner; nil to look at their lines
}

// routeOf gives the route to the records of f.
func routeOf(f *Format) *route {
	switch {
	case f == nil:
		return &route{}
	case f.route != nil:
		return f.route
	}
	rt := &route{main: f.c, order: f.order}
	if f.c.wraps != nil {
		rt = &route{wrap: f.c}
	}
	for i := len(f.outer) - 1; i >= 0; i-- {
		rt = &route{wrap: f.outer[i], general: rt}
	}
	return rt
}

// oneLine says whether every line is a record by what the route tells.
func (rt *route) oneLine() bool {
	if rt.wrap == nil {
		return rt.main != nil && rt.main.oneLine && rt.main.spec.Stream != streamApp && !rt.main.columns.hasHead()
	}
	if rt.wrap.wraps.newline || rt.wrap.wraps.partialField != "" || rt.general == nil && len(rt.inner) == 0 {
		return false
	}
	for _, in := range rt.inner {
		if !in.oneLine() {
			return false
		}
	}
	return rt.general == nil || rt.general.oneLine()
}

// A knot is a place of a reader's route: where a wrapper is taken off, or a strand.
type knot struct {
	from  *route
	outer []*compiled // the wrappers already taken off
	wrap  *compiled   // nil: the strand is reached
	inner map[uint64]*knot
	// general is of the streams above maxStrands.
	general *knot
	rest    *strand // of a wrapper: lines that are not in it; else the strand itself
}

func newKnot(rt *route, outer []*compiled) *knot {
	k := &knot{from: rt, outer: outer, wrap: rt.wrap}
	if k.wrap != nil {
		k.inner = map[uint64]*knot{}
	}
	k.rest = &strand{outer: outer, main: rt.main, order: rt.order}
	return k
}

// A seat is a line without its wrappers, and whose it is.
type seat struct {
	in      *strand
	stream  uint64 // whose lines it goes on with
	text    []byte
	partial bool // the text goes on in the next line of its stream
}

// route takes all wrappers off a line; false if the outermost is not there. The text
// is valid until the next call.
func (r *Reader) route(line []byte) (seat, bool) {
	for {
		p, k, kind, ok := r.follow(line)
		if !ok || k == nil {
			return p, ok
		}
		// The first line of a strand: look ahead what it is in.
		line = r.settle(line)
		r.tie(k, kind, line)
	}
}

// follow is route up to a strand that is not known yet: then the knot is that before it.
func (r *Reader) follow(line []byte) (p seat, at *knot, kind uint64, ok bool) {
	p.text = line
	k := r.root
	for depth := 0; k.wrap != nil; depth++ {
		q, ok := r.peeler(depth).peel(k.wrap, p.text)
		if !ok {
			break
		}
		p.text, p.partial = q.inner, p.partial || q.partial
		p.stream = p.stream*31 ^ q.stream
		next := k.inner[q.kind]
		if next == nil {
			return p, k, q.kind, true
		}
		k = next
	}
	p.in = k.rest
	return p, nil, 0, k != r.root || k.wrap == nil
}

func (r *Reader) peeler(depth int) *decoding {
	for len(r.peelers) <= depth {
		r.peelers = append(r.peelers, r.opt.decoding())
	}
	return r.peelers[depth]
}

// settle moves the line at hand and the one that is held out of the input's buffer,
// which a look ahead may overwrite.
func (r *Reader) settle(line []byte) []byte {
	if r.held {
		r.keepNext()
	}
	r.hold = append(r.hold[:0], line...)
	return r.hold
}

// keepNext moves the line at hand out of the input's buffer.
func (r *Reader) keepNext() {
	r.holdNext = append(r.holdNext[:0], r.next.text...)
	r.next.text = r.holdNext
}

// tie adds to a knot the one for the stream of line, which was not seen before.
func (r *Reader) tie(k *knot, kind uint64, line []byte) {
	outer := append(append([]*compiled{}, k.outer...), k.wrap)
	if r.strands >= maxStrands {
		if k.general == nil {
			rt := k.from.general
			if rt == nil {
				rt = &route{}
			}
			k.general = newKnot(rt, outer)
		}
		if len(k.inner) > 64*maxStrands {
			clear(k.inner) // they are met again
		}
		k.inner[kind] = k.general
		return
	}
	rt := k.from.inner[kind]
	if rt == nil {
		rt = r.look(k, kind, line, outer)
	}
	r.hang(k, kind, rt, outer)
	r.strands++
}

// hang puts a route behind a wrapper.
func (r *Reader) hang(k *knot, kind uint64, rt *route, outer []*compiled) {
	n := newKnot(rt, outer)
	n.rest.at, n.rest.kind = k, kind
	k.inner[kind] = n
}

// look finds the route of a strand that has just begun by the lines of it that come
// next in the input.
func (r *Reader) look(k *knot, kind uint64, line []byte, outer []*compiled) *route {
	var lines [][]byte
	take := func(line []byte) {
		p, at, q, ok := r.follow(line)
		if ok && at == k && q == kind && len(p.text) > 0 {
			lines = append(lines, bytes.Clone(plain(p.text)))
		}
	}
	take(line)
	ahead, _ := r.in.Peek(min(strandLook, r.in.Size()))
	if r.doc != nil {
		for _, e := range splitHead(ahead, anyArray).elements {
			if take(e); len(lines) >= strandLines {
				break
			}
		}
		ahead = nil
	}
	for len(ahead) > 0 && len(lines) < strandLines {
		i := bytes.IndexByte(ahead, '\n')
		if i < 0 {
			break
		}
		take(plain(trimLine(ahead[:i])))
		ahead = ahead[i+1:]
	}
	// What the others are in is likely.
	for _, rt := range append([]*route{k.from.general}, r.known...) {
		if rt == nil || rt.main == nil {
			continue
		}
		read := 0
		for _, l := range lines {
			if rt.main.begins(r.frame, l) {
				read++
			}
		}
		if read > 0 && read == len(lines) {
			return rt
		}
	}
	if f, _, _ := r.set.choose(lines, r.set.formats, &r.opt, len(outer), outer); f != nil {
		rt := routeBelow(f, len(outer))
		r.known = append(r.known, rt)
		return rt
	}
	return &route{}
}

// routeBelow gives the route of f inside its first wrappers, n of them.
func routeBelow(f *Format, n int) *route {
	rt := routeOf(f)
	for range n {
		if rt.general == nil {
			return rt
		}
		rt = rt.general
	}
	return rt
}

// An openRecord is one that waits for its end, or for the end of an earlier one.
type openRecord struct {
	rec    Record
	buf    []byte
	kept   int // of buf, without blank lines at the end
	f      framer
	stream uint64
	seen   int // number of the last line
	done   bool
}

// nextWrapped gives the next record of a stream in wrappers. Lines of several records
// may be interleaved; records come in the order of their first lines.
func (r *Reader) nextWrapped() (Record, error) {
	if r.given != nil {
		r.free = append(r.free, r.given)
		r.given = nil
	}
	for {
		if r.drain {
			o := r.queue[0]
			r.queue = append(r.queue[:0], r.queue[1:]...)
			r.drain = len(r.queue) > 0
			return r.give(o), nil
		}
		if r.root.wrap == nil || r.lineByLine {
			return r.Next()
		}
		if len(r.queue) > 0 {
			o := r.queue[0]
			if o.done || r.line-o.seen > maxQueue || len(r.queue) > maxQueue || r.err != nil || r.queued > r.max {
				r.queue = append(r.queue[:0], r.queue[1:]...)
				return r.give(o), nil
			}
		}
		if !r.held {
			if err := r.readLine(); err != nil {
				if len(r.queue) == 0 {
					return Record{}, err
				}
				if !errors.Is(err, io.EOF) {
					r.err = err
				}
				continue
			}
		}
		r.held = false
		if len(r.next.text) == 0 && !r.next.long {
			continue
		}
		r.take()
	}
}

// take adds the line at hand to the record that it goes on with, or begins one.
func (r *Reader) take() {
	r.held = true // a look ahead moves it
	p, ok := r.route(plain(r.next.text))
	r.held = false
	info := r.next
	if !ok && len(r.queue) > 0 && r.last != nil && !r.last.done && r.last.rec.in != nil && r.last.f.takes(info.text) {
		// A line more of a message that the wrapper writes once for all its lines.
		r.last.f.partial = false
		r.extend(r.last, info)
		return
	}
	if ok {
		for i := len(r.queue) - 1; i >= 0; i-- {
			o := r.queue[i]
			if o.done || o.stream != p.stream || o.rec.in != p.in {
				continue
			}
			if !o.f.starts(p.text, p.partial) {
				r.extend(o, info)
				return
			}
			o.done = true
			break
		}
	}
	if !ok && r.turns() {
		return
	}
	if ok && p.in.at != nil {
		if p.in.main != nil && !r.isStrange(p.in, r.begins(p.in, p.text), p.text) {
			p.in.misses = 0
		} else if r.strandTurns(p.in) {
			r.held = true
			p, _ = r.route(plain(r.next.text))
			r.held = false
		}
		info = r.next
	}
	var o *openRecord
	if n := len(r.free); n > 0 {
		o = r.free[n-1]
		r.free = r.free[:n-1]
		*o = openRecord{buf: o.buf[:0]}
	} else {
		o = &openRecord{}
	}
	o.rec = Record{Offset: info.offset, Line: info.line, Inline: info.inline, Cut: info.cut, Format: r.form}
	if ok {
		o.rec.in, o.stream = p.in, p.stream
		o.f = r.framer(p.in, p.text, p.partial)
		o.rec.by, o.rec.head, o.rec.order, o.rec.Exchange = o.f.by, o.f.head, p.in.order, o.f.exchange
	}
	o.done = !o.f.open
	if r.first == 0 {
		r.first = info.line
	}
	r.queue = append(r.queue, o)
	r.last = o
	r.add(o, info)
}

// extend adds a line to an open record.
func (r *Reader) extend(o *openRecord, info lineInfo) {
	if !o.rec.Cut && len(o.buf) < r.max {
		o.buf = append(o.buf, '\n')
		r.queued++
	}
	r.last = o
	r.add(o, info)
}

func (r *Reader) add(o *openRecord, info lineInfo) {
	o.seen = info.line
	text := r.next.text
	before := len(o.buf)
	if room := r.max - len(o.buf); !o.rec.Cut && room >= len(text) {
		o.buf = append(o.buf, text...)
	} else if len(text) > 0 {
		if !o.rec.Cut {
			o.buf = append(o.buf, text[:max(room, 0)]...)
		}
		o.rec.Cut = true
	}
	if info.long {
		r.buf = o.buf
		if err := r.restOfLine(&o.rec); err != nil && !errors.Is(err, io.EOF) {
			r.err = err
		}
		o.buf = r.buf
		r.buf = nil
	}
	o.kept = len(o.buf)
	r.queued += len(o.buf) - before
}

// give hands over a record of the queue.
func (r *Reader) give(o *openRecord) Record {
	o.done = true
	r.given = o
	r.queued -= len(o.buf)
	if r.last == o {
		r.last = nil
	}
	o.rec.Bytes = o.buf[:min(o.kept, r.max)]
	if o.rec.in != nil {
		o.rec.in.shift()
		o.rec.in.keep(&o.rec)
	}
	return o.rec
}
