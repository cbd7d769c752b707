package format

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"
	"sort"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

const (
	// headLines bounds the lines of a head by which formats are compared.
	headLines = 200
	// minShare is the least share of its lines by which a stream is said to be in a format.
	minShare = 0.3
	// tailLines bounds the lines that a record has of a format with "lines: many".
	tailLines = 50
	// specialShare is what a special format must read of what a more general one
	// reads to be preferred: what is left may stand in its stream as a guest.
	specialShare = 0.8
)

// A Detection says in which format a stream is written.
type Detection struct {
	Format      *Format // nil if none reads it
	Confidence  float64 // share of the head's records that are read by Format or by one that may stand in its streams
	Records     int     // of the head
	Unread      int
	FirstUnread int // line number; 0 if all were read
	Candidates  []Candidate
	Binary      bool // the head is not text
	// Segments are the stretches of a stream that turned to another format, as far as it
	// was read; none if it did not. Turns counts them all, and the streams inside a
	// wrapper that turned.
	Segments []Segment
	Turns    int
	Document bool // the records are values of JSON documents, which need not be lines
}

// A Candidate is a format that reads part of a head.
type Candidate struct {
	Format *Format
	Share  float64
}

// Detect finds the format of a stream by its head (some 64 KiB, cut anywhere).
func (s *Set) Detect(head []byte) Detection {
	return s.detect(head, &Options{Reference: time.Now()})
}

func (s *Set) detect(head []byte, o *Options) Detection {
	if isBinary(head) {
		return Detection{Binary: true}
	}
	lines := sample(bytes.TrimPrefix(whole(head), bom))
	f, cands, share := s.choose(lines, s.formats, o, 0, nil)
	if g, more, ok := s.chooseDocument(bytes.TrimPrefix(head, bom), share, o); ok {
		f, cands = g, more
	}
	if f != nil && isColoured(whole(head)) {
		// What a record must contain to be failed may be broken by a colour.
		c := *f
		c.Literals = nil
		f = &c
	}
	det := Detection{Format: f, Candidates: cands}
	s.count(&det, head, o)
	return det
}

// chooseDocument finds the format of the JSON values in a head if they are not lines, and if it reads
// more than share of them. The members in which a document holds its records tell more than
// what its lines look like.
func (s *Set) chooseDocument(head []byte, share float64, o *Options) (*Format, []Candidate, bool) {
	start := jsonStart(head)
	if start < 0 {
		return nil, nil, false
	}
	head = head[start:]
	var best *Format
	var cands []Candidate
	bestShare := minShare
	for i := range s.documents {
		d := &s.documents[i]
		if !mayHave(head, d.paths) {
			continue
		}
		h := splitHead(head, d.paths)
		if h.entered&d.paths.nested == 0 {
			continue
		}
		if f, c, sh := s.choose(h.elements, d.formats, o, 0, nil); f != nil && (best == nil || sh > bestShare) {
			best, cands, bestShare = f, c, sh
		}
	}
	if best != nil {
		return best, cands, true
	}
	if head[0] != '[' && !mayBeSpread(head) {
		return nil, nil, false
	}
	h := splitHead(head, anyArray)
	f, cands, sh := s.choose(h.elements[:min(len(h.elements), headLines)], s.formats, o, 0, nil)
	return f, cands, f != nil && sh > share
}

// anyArray are the paths of formats that name none.
var anyArray = newPaths(nil)

// whole drops the last line if it is cut, unless it is the only one.
func whole(head []byte) []byte {
	if len(head) < headSize-1 {
		return head
	}
	if i := bytes.LastIndexByte(head, '\n'); i >= 0 {
		return head[:i+1]
	}
	return head
}

// sample gives up to headLines lines, spread evenly in runs so that the lines of one
// record stay together.
func sample(head []byte) [][]byte {
	var all [][]byte
	for len(head) > 0 {
		line := head
		if i := bytes.IndexByte(head, '\n'); i >= 0 {
			line, head = head[:i], head[i+1:]
		} else {
			head = nil
		}
		if line = plain(bytes.TrimSuffix(line, []byte("\r"))); len(line) > 0 {
			all = append(all, line)
		}
	}
	if len(all) <= headLines {
		return all
	}
	const run = 20
	var out [][]byte
	step := (len(all) - run) / (headLines/run - 1)
	for i := 0; i+run <= len(all) && len(out) < headLines; i += max(step, run) {
		out = append(out, all[i:i+run]...)
	}
	return out
}

// A score is what a format reads of a head.
type score struct {
	f     *Format
	share float64
	order *columnOrder
	set   []bool // the lines that it reads
}

// beside gives f as the format of a stream in which there are lines in a general format too. Of what these say when they are
// failures its literals tell nothing.
func (f *Format) beside(general *Format) *Format {
	if f == nil || f.c == general.c {
		return f
	}
	c := *f
	c.rest, c.Literals = general, nil
	return &c
}

// isMoreSpecial says whether a reads part of what b does, and better. What a wrapper does not read has no place in its stream,
// if it is not of those lines that anybody may write.
func (s *Set) isMoreSpecial(a, b *score) bool {
	return s.reads[b.f][a.f] && !s.reads[a.f][b.f] && (a.f.c.wraps == nil || a.share == b.share || s.isGeneral(b.f.c))
}

// belowGeneral gives the one that reads most of the formats that are more special than best, if that is a general
// format: such a one reads lines that are foreign to the stream too, and nothing in them. It reads them all the same. Guests of
// it need no place before it, for it asks them of every record.
func (s *Set) belowGeneral(scores []score, best score) score {
	if best.f.given || !s.isGeneral(best.f.c) {
		return best
	}
	found := best
	for _, sc := range scores {
		if sc.share < minShare || slices.Contains(s.special[best.f.c], sc.f.c) || sc.f.c.wraps != nil && sc.f.c.spec.Wraps.Known || !s.isMoreSpecial(&sc, &best) {
			continue
		}
		if found.f == best.f || sc.share > found.share || sc.share == found.share && sc.f.rank < found.f.rank {
			found = sc
		}
	}
	return found
}

// together gives the one that reads most among the formats of a stream that together read
// what best does, and better: an access log and its server's own messages in one file.
func (s *Set) together(scores []score, best score) score {
	if best.f.given || best.f.c.wraps != nil {
		return best
	}
	type union struct {
		set   []bool
		first score // which reads most
	}
	unions := map[string]*union{}
	for _, sc := range scores {
		stream := sc.f.c.spec.Stream
		if stream == "" || !s.better(sc.f, best.f) {
			continue
		}
		u := unions[stream]
		if u == nil {
			u = &union{make([]bool, len(best.set)), sc}
			unions[stream] = u
		}
		if sc.share == u.first.share && sc.f.rank < u.first.f.rank {
			u.first = sc
		}
		for l, in := range sc.set {
			u.set[l] = u.set[l] || in && best.set[l]
		}
	}
	all, most, found := members(best.set), 0, best
	for _, stream := range sortedKeys(unions) {
		u := unions[stream]
		if n := members(u.set); n > most && float64(n) >= specialShare*float64(all) {
			most, found = n, u.first
			found.share = best.share * float64(n) / float64(all)
		}
	}
	return found
}

// members counts those of a set.
func members(set []bool) int {
	n := 0
	for _, in := range set {
		if in {
			n++
		}
	}
	return n
}

// better says whether a reads part of what b reads, and more of it.
func (s *Set) better(a, b *Format) bool {
	return a != b && a.c.wraps == nil && s.reads[b][a] && !s.reads[a][b]
}

// choose finds the format that reads most of the lines, the most special one of those
// that read about as much, and what share it reads. outer are the wrappers already taken off.
func (s *Set) choose(lines [][]byte, among []*Format, o *Options, depth int, outer []*compiled) (chosen *Format, others []Candidate, share float64) {
	var scores []score
	for i := range lines {
		lines[i] = plain(lines[i])
	}
	d := o.decoding()
	scanned := scanAll(lines)
	glimpses := make([]glimpse, len(lines))
	for i := range lines {
		glimpses[i].take(lines[i])
	}
	looks := make([]traceLook, len(lines))
	for _, f := range among {
		if f.c.wraps != nil && depth >= maxWrappers || f.c.spec.Like != "" {
			continue
		}
		read, unread, heads, tail := 0, 0, 0, 0
		within, trace := false, false // a record of f; a stack trace in it
		quoted := false               // a record of f that goes on inside a quote
		var order *columnOrder        // as the head tells that stands before all records
		set := make([]bool, len(lines))
		d.order = nil
		for i, l := range lines {
			switch {
			case within && f.c.isContinuation(l):
			case d.takeHead(f.c, l):
				if heads++; read+unread == 0 {
					order = d.order
				}
			case quoted && !d.beginsColumns(f.c, l):
				quoted = f.c.columns.open(l, true)
			case trace && f.c.spec.Attaches:
				// The last line of a traceback looks like the first of another's.
			case f.c.mayRead(&glimpses[i]) && d.decodeScanned(f.c, l, &scanned[i]):
				read++
				set[i] = true
				within, trace, tail = true, false, 0
				quoted = f.c.columns != nil && !f.c.oneLine && f.c.columns.open(l, false)
			case f.c.columns != nil && !f.c.oneLine && d.beginsColumns(f.c, l):
				read++
				quoted = true
			case (f.c.spec.Stream == streamApp || !f.c.oneLine && within) && (trace || looks[i].of(s, l)):
				trace = trace || looks[i].opens
			case within && f.c.spec.Lines == "many" && tail < tailLines:
				tail++
			default:
				unread++
			}
		}
		// A stream may have no more than a head yet.
		if unread == 0 && order.isOf(f.c) {
			read += heads
		}
		if read > 0 {
			scores = append(scores, score{f, float64(read) / float64(read+unread), order, set})
		}
	}
	if len(scores) == 0 {
		return nil, nil, 0
	}
	sort.SliceStable(scores, func(i, j int) bool { return scores[i].share > scores[j].share })
	best := scores[0]
	for _, sc := range scores[1:] {
		if sc.share == best.share && sc.f.rank < best.f.rank ||
			sc.share >= specialShare*best.share && !best.f.given && (sc.f.given || s.isMoreSpecial(&sc, &best)) {
			best = sc
		}
	}
	general := best.f
	best = s.belowGeneral(scores, best)
	if best.f != general && depth == 0 {
		defer func() { chosen = chosen.beside(general) }()
	}
	best = s.together(scores, best)
	// What else stands between lines whose writer is not told by themselves can tell.
	for _, v := range s.Alike(best.f) {
		for _, sc := range scores {
			if sc.f != best.f && sc.f.System != "" && sc.f.System == v.System && !s.reads[sc.f][best.f] && !s.reads[best.f][sc.f] {
				best.f = v
			}
		}
	}
	// Rivals read about as much. A more general or a more special format is none, nor
	// is one whose records may stand in the same stream.
	var cands []Candidate
	for _, sc := range scores {
		if sc.f != best.f && (sc.f.given || !best.f.given) && sc.share >= best.share/2 && !shareStream(sc.f, best.f) && !s.reads[sc.f][best.f] && !s.reads[best.f][sc.f] {
			cands = append(cands, Candidate{wrapped(sc.f, outer), sc.share})
		}
	}
	if best.share < minShare {
		return nil, append([]Candidate{{wrapped(best.f, outer), best.share}}, cands...), best.share
	}
	for _, v := range s.Alike(best.f) {
		cands = append(cands, Candidate{wrapped(v, outer), best.share})
	}
	if len(cands) > 0 {
		cands = append([]Candidate{{wrapped(best.f, outer), best.share}}, cands...)
	}
	if best.f.c.wraps != nil {
		f, in := s.peelHead(best.f, lines, o, depth, outer)
		if f.c == best.f.c && best.f.c.spec.Wraps.Known {
			rest := slices.DeleteFunc(slices.Clone(among), func(g *Format) bool { return g == best.f })
			return s.choose(lines, rest, o, depth, outer)
		}
		// What is inside is read by its own format with some of the wrapper too.
		cands = slices.DeleteFunc(cands, func(c Candidate) bool { return c.Format.c == f.c && f.c != best.f.c })
		if len(cands) == 1 {
			cands = nil
		}
		return f, append(cands, in...), best.share
	}
	if best.order.isOf(best.f.c) && best.order != best.f.c.columns.order {
		f := *best.f
		f.order = best.order
		return wrapped(&f, outer), cands, best.share
	}
	return wrapped(best.f, outer), cands, best.share
}

// A traceLook is what a line says of stack traces, looked up once for all formats.
type traceLook struct {
	known, part, opens bool
}

// of says whether the line can only be part of the record before it or of a trace.
func (t *traceLook) of(s *Set, line []byte) bool {
	if !t.known {
		*t = traceLook{known: true, part: continues(line) || s.isStackLine(line), opens: opensTrace(line)}
	}
	return t.part
}

// scanAll reads the lines as JSON once for all formats; the fields of one that is none are nil.
func scanAll(lines [][]byte) []jsonScanner {
	out := make([]jsonScanner, len(lines))
	names := map[string]string{}
	for i, l := range lines {
		j := &out[i]
		if j.names = names; !j.scan(bytesAsString(l)) {
			j.fields = nil
		}
		names = j.names
	}
	return out
}

// decodeScanned is decode for a line of which scanAll knows whether it is JSON.
func (d *decoding) decodeScanned(c *compiled, line []byte, j *jsonScanner) bool {
	if c.decoder != jsonDecoder {
		return d.decode(c, line)
	}
	if j.fields == nil {
		return false
	}
	own := d.json
	d.json = *j
	ok := d.fromJSON(c, line) && d.finish(c, line)
	d.json = own
	return ok
}

func shareStream(a, b *Format) bool {
	return a.c.spec.Stream != "" && a.c.spec.Stream == b.c.spec.Stream
}

// peelHead looks inside the wrapper, at each of the streams there: what most of its
// lines are in is the format, wrapped; the wrapper's own if nobody reads them.
func (s *Set) peelHead(w *Format, lines [][]byte, o *Options, depth int, outer []*compiled) (*Format, []Candidate) {
	type group struct {
		kind  uint64
		lines [][]byte
	}
	var groups []*group
	byKind := map[uint64]*group{}
	open := map[uint64][]byte{} // an inner line that goes on
	d := o.decoding()
	for _, l := range lines {
		p, ok := d.peel(w.c, l)
		if !ok {
			continue
		}
		text := append(open[p.stream], p.inner...)
		if p.partial {
			open[p.stream] = text
			continue
		}
		delete(open, p.stream)
		if len(text) == 0 {
			continue
		}
		g := byKind[p.kind]
		if g == nil {
			if len(groups) == maxStrands {
				g = groups[maxStrands-1]
			} else {
				g = &group{kind: p.kind}
				groups = append(groups, g)
			}
			byKind[p.kind] = g
		}
		g.lines = append(g.lines, bytes.Clone(text))
	}
	inner := append(append([]*compiled{}, outer...), w.c)
	rt := &route{wrap: w.c, inner: map[uint64]*route{}}
	type tally struct {
		f     *Format
		cands []Candidate
		lines int
	}
	var tallies []*tally
	for _, g := range groups {
		f, cands, _ := s.choose(g.lines, s.formats, o, depth+1, inner)
		if f == nil {
			continue
		}
		rt.inner[g.kind] = routeBelow(f, len(inner))
		i := slices.IndexFunc(tallies, func(t *tally) bool { return t.f.c == f.c && slices.Equal(t.f.outer, f.outer) })
		if i < 0 {
			i = len(tallies)
			tallies = append(tallies, &tally{f: f, cands: cands})
		}
		for _, l := range g.lines {
			if f.c.wraps != nil || d.decode(f.c, l) {
				tallies[i].lines++
			}
		}
	}
	if len(tallies) == 0 {
		own := *wrapped(w, outer) // w itself is that of all
		own.route = below(outer, rt)
		return &own, nil
	}
	best := slices.MaxFunc(tallies, func(a, b *tally) int { return cmp.Compare(a.lines, b.lines) })
	rt.general = routeBelow(best.f, len(inner))
	f := *best.f
	f.route = below(outer, rt)
	for _, t := range tallies {
		if f.Literals == nil || t.f.Literals == nil {
			f.Literals = nil
			break
		}
		if t != best {
			f.Literals = reduce(append(slices.Clone(f.Literals), t.f.Literals...))
		}
	}
	return &f, best.cands
}

// below gives the route to rt inside the wrappers.
func below(outer []*compiled, rt *route) *route {
	for i := len(outer) - 1; i >= 0; i-- {
		rt = &route{wrap: outer[i], general: rt}
	}
	return rt
}

// opensTrace says whether the lines after l are those of a stack trace, whatever they
// look like.
func opensTrace(l []byte) bool {
	return bytes.HasPrefix(l, []byte("goroutine ")) || bytes.HasPrefix(l, []byte(pythonHead))
}

// isStackLine says whether a line is of a stack trace that bears no stamp.
func (s *Set) isStackLine(l []byte) bool {
	for _, f := range s.guests[streamApp] {
		if f.c.spec.Attaches && f.c.begins(nil, l) {
			return true
		}
	}
	return isErrorLine(l)
}

// count reads the head by the format that was found and tells how much it read.
func (s *Set) count(det *Detection, head []byte, o *Options) {
	opt := *o
	opt.Format = det.Format
	r := &Reader{set: s, opt: opt, max: defaultMaxRecord, line: 1}
	r.start(det.Format)
	cut := len(head) >= headSize-1
	if p := r.paths(); p != nil && isDocument(head, p) {
		r.in = newBuffered(bytes.NewReader(head))
		r.readDocument(p)
		det.Document = true
	} else {
		r.in = newBuffered(bytes.NewReader(whole(head)))
	}
	for {
		rec, err := r.Next()
		if err != nil {
			switch {
			case errors.Is(err, ErrTruncated) && cut:
				if det.Records == 0 {
					det.Records = 1 // the head of one
				}
			case errors.Is(err, ErrTruncated):
				det.Records++
				det.Unread++
			case !errors.Is(err, io.EOF):
				det.Unread++
			}
			break
		}
		det.Records++
		if err := r.Decode(rec, func(*timeline.Event) bool { return true }); err != nil {
			det.Unread++
			if det.FirstUnread == 0 {
				det.FirstUnread = rec.Line
			}
		}
	}
	det.Segments, det.Turns = r.det.Segments, r.det.Turns
	if det.Format == nil && len(det.Segments) > 0 {
		// What stands before its first record, a banner say, is one record then.
		det.Format = det.Segments[0].Format
		det.Records, det.Unread, det.FirstUnread, det.Segments, det.Turns = 0, 0, 0, nil, 0
		s.count(det, head, o)
	}
	if det.Records > 0 && det.Format != nil {
		det.Confidence = float64(det.Records-det.Unread) / float64(det.Records)
	}
}
