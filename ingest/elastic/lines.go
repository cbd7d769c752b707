package elastic

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/valyala/fastjson"

	"github.com/correlatehq/correlate/timeline"
)

// lines are the documents of a stream on one page, and what belongs to their records.
type lines struct {
	s    *Source
	st   *stream
	runs []*run
	// at and upTo find lines by the offset of their first byte, and of the byte after
	// their line end, which may have one byte or two. A file that was rotated has offsets
	// several times.
	at, upTo map[int64][]*document
	// begun are lines that begin a stamped record, whatever stands before them.
	begun map[*document]bool
}

// A run is lines that follow each other.
type run struct {
	docs  []*document
	asked *document // the first that was asked for
	// whole says that the first line begins a record, one that is stamped where records are.
	whole bool
	ended bool // the line after it begins another record, or is not there
}

// How far from a line the rest of its record is looked for: bytes at first, the factor
// by which it is looked further, and how often.
const (
	firstReach = 8 << 10
	reachGrows = 8
	reachTimes = 3
	// rotatedAfter bounds the time between the lines of a record: with more between them the offsets are
	// of two files.
	rotatedAfter = 10 * time.Minute
	// maxLines is how many lines one search brings.
	maxLines = maxFirst
)

// end gives the offset of the end of the document's line.
func end(d *document) int64 { return d.offset + int64(len(d.text)) }

// placed says whether the document is a line whose place in its file is known.
func placed(d *document) bool { return d.raw && d.offset >= 0 }

// newLines puts documents, which are in their order, into runs.
func newLines(s *Source, st *stream, docs []*document) *lines {
	l := &lines{s: s, st: st, at: map[int64][]*document{}, upTo: map[int64][]*document{}, begun: map[*document]bool{}}
	for i, d := range docs {
		if i > 0 && follows(docs[i-1], d) {
			r := l.runs[len(l.runs)-1]
			r.docs = append(r.docs, d)
		} else {
			l.runs = append(l.runs, &run{docs: []*document{d}, asked: d})
		}
		l.know(d)
	}
	all := !st.files || st.single
	var alone map[*document]bool
	if !all && !st.folds {
		alone = l.alone(docs)
	}
	for _, r := range l.runs {
		if all || !slices.ContainsFunc(r.docs, func(d *document) bool { return !alone[d] }) {
			r.whole, r.ended = true, true
		}
	}
	return l
}

// alone gives the lines that begin records of no failure. What is written on more lines is told of failures, but where a stream shows
// otherwise.
func (l *lines) alone(docs []*document) map[*document]bool {
	out := map[*document]bool{}
	l.s.decode(l.st.format, false, docs, func(e *timeline.Event, of []*document) bool {
		out[of[0]] = len(of) == 1 && calm(e) && (ownStamp(e) || !l.st.stamped)
		return true
	}, func(*document, error) bool { return true })
	return out
}

// calm says whether e tells of nothing that is told on several lines: no failure, and nothing of the life of a process.
func calm(e *timeline.Event) bool {
	if e.Failed || e.Exception != nil || e.Lifecycle != timeline.NoLifecycle {
		return false
	}
	switch e.Severity {
	case "", "trace", "debug", "info":
		return true
	}
	return false
}

func (l *lines) know(d *document) {
	if !placed(d) || slices.ContainsFunc(l.at[d.offset], func(o *document) bool { return o.id == d.id && o.index == d.index }) {
		return
	}
	l.at[d.offset] = append(l.at[d.offset], d)
	for n := range int64(2) {
		l.upTo[end(d)+1+n] = append(l.upTo[end(d)+1+n], d)
	}
}

// follows says whether b is the line after a.
func follows(a, b *document) bool {
	return placed(a) && placed(b) && (b.offset == end(a)+1 || b.offset == end(a)+2) && a.time.Sub(b.time).Abs() < rotatedAfter
}

// next gives the line after d, before the one before it; nil if it is not known.
func (l *lines) next(d *document) *document {
	return nearest(d, slices.Concat(l.at[end(d)+1], l.at[end(d)+2]), func(o *document) bool { return follows(d, o) })
}

func (l *lines) before(d *document) *document {
	return nearest(d, l.upTo[d.offset], func(o *document) bool { return follows(o, d) })
}

func nearest(d *document, among []*document, fits func(*document) bool) *document {
	var best *document
	for _, o := range among {
		if fits(o) && (best == nil || o.time.Sub(d.time).Abs() < best.time.Sub(d.time).Abs()) {
			best = o
		}
	}
	return best
}

// What a line is in its stream.
type place uint8

const (
	goesOn    place = iota // it continues a record
	unstamped              // it begins a record that bears no stamp, where records do
	begins                 // it begins a record
)

// places says what lines are. Where lines are missing between two of them, or before the
// first, the lines themselves tell.
func (l *lines) places(docs []*document) map[*document]place {
	out := map[*document]place{}
	first := true
	l.s.decode(l.st.format, false, docs, func(e *timeline.Event, of []*document) bool {
		switch {
		case !l.st.stamped, ownStamp(e):
			out[of[0]] = begins
		case !first:
			out[of[0]] = max(out[of[0]], unstamped)
		}
		first = false
		return true
	}, func(d *document, _ error) bool {
		out[d] = max(out[d], unstamped)
		first = false
		return true
	})
	return out
}

// around says what the lines known before, in and after the runs that are not complete are.
func (l *lines) around() map[*document]place {
	var docs []*document
	seen := map[*document]bool{}
	for _, r := range l.runs {
		if r.whole && r.ended || !placed(r.docs[0]) {
			continue
		}
		last := r.docs[len(r.docs)-1]
		if next := l.next(last); seen[r.docs[0]] && seen[last] && (next == nil || seen[next]) {
			continue // they stand among those around another run
		}
		var piece []*document
		known := func(d *document) bool { return l.begun[d] }
		if !r.whole {
			for d := l.before(r.docs[0]); d != nil; d = l.before(d) {
				if piece = append(piece, d); l.begun[d] {
					break
				}
			}
			slices.Reverse(piece)
			// What begins a record parts what is before from what is behind.
			n := slices.IndexFunc(r.docs, known)
			piece = append(piece, r.docs[:cmp.Or(n+1, len(r.docs))]...)
		}
		if !r.ended {
			n := len(r.docs) - 1
			for n > 0 && !l.begun[r.docs[n]] {
				n--
			}
			if len(piece) == 0 || l.begun[r.docs[n]] {
				piece = append(piece, r.docs[n:]...)
			}
			for d := l.next(last); d != nil; d = l.next(d) {
				if piece = append(piece, d); l.begun[d] {
					break
				}
			}
		}
		for _, d := range piece {
			seen[d] = true
		}
		docs = append(docs, piece...)
	}
	at := l.places(docs)
	for d, p := range at {
		if p == begins && l.st.stamped {
			l.begun[d] = true
		}
	}
	return at
}

// grow puts what is known of further lines into the runs, and says which stretches of the
// file are to be asked for, of reach bytes.
func (l *lines) grow(reach int64) (ask []stretch) {
	at := l.around()
	for _, r := range l.runs {
		if r.whole && r.ended {
			continue
		}
		if !placed(r.docs[0]) {
			r.whole, r.ended = true, true
			continue
		}
		if !r.whole {
			// Lines before the one that begins the record are of another.
			var before []*document
			for d := r.asked; d != nil && !r.whole; d = l.before(d) {
				before = append(before, d)
				r.whole = at[d] == begins
			}
			slices.Reverse(before)
			r.docs = append(before, r.docs[slices.Index(r.docs, r.asked)+1:]...)
			if first := r.docs[0]; !r.whole {
				if r.whole = first.offset == 0; !r.whole {
					ask = append(ask, stretch{max(0, first.offset-reach), first.offset - 1, first.time})
				}
			}
		}
		last := r.docs[len(r.docs)-1]
		for !r.ended {
			d := l.next(last)
			if d == nil {
				ask = append(ask, stretch{end(last) + 1, end(last) + reach, last.time})
				break
			}
			if r.ended = at[d] != goesOn; !r.ended {
				r.docs = append(r.docs, d)
				last = d
			}
		}
	}
	return ask
}

// A stretch of a file, with a time near which it was read.
type stretch struct {
	from, to int64
	time     time.Time
}

// maxStretches is how many stretches one search asks for.
const maxStretches = 200

// complete brings the lines that belong to the records of which all are parts: those after them
// as long as they continue the last record, and those before them if their first line does not
// begin one.
func (s *Source) complete(ctx context.Context, all []*lines) error {
	field := s.offsetField()
	// The line after the last one of a record mostly begins another: it alone is asked for at first.
	reach := int64(2)
	for n := 0; n <= reachTimes && field != ""; n++ {
		var of []*lines
		var bodies []query
		for _, l := range all {
			for some := range slices.Chunk(joinStretches(l.grow(reach)), maxStretches) {
				of = append(of, l)
				bodies = append(bodies, s.stretches(l.st, field, some))
			}
		}
		if len(bodies) == 0 {
			return nil
		}
		answers, err := s.several(ctx, bodies)
		if err != nil {
			return err
		}
		var p fastjson.Parser
		for i, l := range of {
			for _, d := range s.documents(answers[i].Hits.Hits, l.st, &p) {
				l.know(d)
			}
		}
		if reach *= reachGrows; reach < firstReach {
			reach = firstReach
		}
	}
	for _, l := range all {
		l.grow(0)
	}
	return nil
}

// joinStretches joins those that overlap.
func joinStretches(all []stretch) []stretch {
	slices.SortFunc(all, func(a, b stretch) int { return cmp.Or(cmp.Compare(a.from, b.from), a.time.Compare(b.time)) })
	var out []stretch
	for _, x := range all {
		if n := len(out); n > 0 && x.from <= out[n-1].to+1 && x.time.Sub(out[n-1].time).Abs() < rotatedAfter/2 {
			out[n-1].to = max(out[n-1].to, x.to)
		} else {
			out = append(out, x)
		}
	}
	return out
}

// stretches asks for the lines that begin in stretches of a stream's file.
func (s *Source) stretches(st *stream, field string, some []stretch) query {
	var clauses []any
	for _, x := range some {
		clauses = append(clauses, query{"bool": query{"filter": []any{
			query{"range": query{field: query{"gte": x.from, "lte": x.to}}},
			s.fields.during(x.time.Add(-rotatedAfter), x.time.Add(rotatedAfter)),
		}}})
	}
	return query{"size": maxLines, "track_total_hits": false, "sort": []any{query{field: "asc"}},
		"query": query{"bool": query{"filter": []any{orAll(st.query), anyOf(clauses)}}}}
}

// together gives the runs so that those whose first line begins a record are decoded at
// once; the others each for itself, as nothing before them is theirs.
func (l *lines) together() [][]*document {
	var out [][]*document
	join := false
	seen := map[*document]bool{}
	for i, r := range l.runs {
		if seen[r.docs[0]] && seen[r.docs[len(r.docs)-1]] {
			continue // two lines of one record
		}
		for _, d := range r.docs {
			seen[d] = true
		}
		whole := r.whole && (i == 0 || l.st.files || !r.docs[0].raw)
		if join && whole {
			out[len(out)-1] = append(out[len(out)-1], r.docs...)
		} else {
			out = append(out, slices.Clone(r.docs))
		}
		join = whole
	}
	return out
}

func orAll(q query) query {
	if q == nil {
		return query{"match_all": query{}}
	}
	return q
}

// offsetField is the field by which the places of lines are asked; "" if there is none.
func (s *Source) offsetField() string {
	for _, n := range s.fields.offset {
		if x := s.fields.all[n]; x != nil && x.kinds&number != 0 {
			return n
		}
	}
	return ""
}
