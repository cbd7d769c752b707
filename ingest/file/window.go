package file

import (
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/timeline"
)

// spans are windows of one clock, in order and apart from each other ([ingest.JoinWindows]): thousands of
// failures ask for thousands of windows, which are few stretches of time.
type spans []timeline.Window

// meet says whether a moment of [first, last] lies in one of the spans.
func (s spans) meet(first, last time.Time) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i].To.After(first) })
	return i < len(s) && !s[i].From.After(last)
}

// windows are the windows that a filter wants, by host; those of "" are every host's.
type windows map[string]spans

func newWindows(near []*timeline.Window) windows {
	if len(near) == 0 {
		return nil
	}
	byHost := map[string][]timeline.Window{}
	for _, w := range near {
		byHost[w.Host] = append(byHost[w.Host], *w)
	}
	out := windows{}
	for host, all := range byHost {
		out[host] = ingest.JoinWindows(all)
	}
	return out
}

// match says whether the stamp of e lies in a window of its host.
func (w windows) match(e *timeline.Event) bool {
	return w[e.Host].meet(e.Time, e.Time) || w[""].meet(e.Time, e.Time)
}

// of gives the windows of a stream's hosts; of all hosts if only its records can tell.
func (w windows) of(st *stream) spans {
	var all []timeline.Window
	for host, s := range w {
		if host == "" || host == st.host || len(st.hosts) > 0 {
			all = append(all, s...)
		}
	}
	return ingest.JoinWindows(all)
}

// withinOf makes windows by clock ready.
func withinOf(byClock map[string][]timeline.Window) windows {
	out := windows{}
	for clock, ws := range byClock {
		out[clock] = ingest.JoinWindows(slices.Clone(ws))
	}
	return out
}

// bounds gives the windows of the clock that stamped a part of the stream, if they are windows by clock and
// that one has some; nil if its records are of several hosts, or it is not known whether they write a zone.
func (w windows) bounds(st *stream, x *index) spans {
	if len(st.hosts) > 1 || len(st.hosts) == 1 && st.hosts[0] != st.host {
		return nil
	}
	e := timeline.Event{Host: st.host}
	switch {
	case x.zoned > mostly*x.local:
		e.Stamp.Zone = timeline.ZoneWritten
	case x.local <= mostly*x.zoned:
		return nil
	}
	return w[timeline.ClockOf(&e)]
}

// mostly is how much oftener a part writes its stamps in one way than in the other.
const mostly = 9

// A hostSpans is the windows of one host.
type hostSpans struct {
	host []byte // nil: every host's
	spans
}

// by gives the windows of a stream's hosts, apart; those of its own host first.
func (w windows) by(st *stream) []hostSpans {
	var own, others []hostSpans
	for _, host := range slices.Sorted(maps.Keys(w)) {
		switch {
		case host == "" || host == st.host:
			own = append(own, hostSpans{nil, w[host]})
		case len(st.hosts) > 0:
			others = append(others, hostSpans{[]byte(host), w[host]})
		}
	}
	return append(own, others...)
}

// stretchBits is the logarithm of the size in bytes of a stretch of an [index].
const stretchBits = 18

// An index tells of each stretch of a part the range of the raw stamps of the records
// that begin in it, so that passes that want windows do not parse what lies in none. The
// first pass over the part leaves it.
//
// A pass that reads all records leaves the ranges as they are. A sparse one knows some
// stamps of every stretch. The stamps of a log ascend but for some lag: by how much a record was
// seen to be stamped before one above it. The others of a stretch are held to lie between
// the stretches before and after it, give or take twice that lag and a minute.
type index struct {
	ranges []stampRange
	starts []lineStart // where a record begins in each stretch; offset -1 if that is not known
	sparse bool
	ended  bool  // the last record of the part has a stamp
	at     int64 // offset of the last stamp
	latest time.Time
	lag    time.Duration
	zoned  int // stamps with a zone, or of a zone that is known
	local  int // without
}

type stampRange struct{ first, last time.Time }

// A lineStart is where the line of a number begins.
type lineStart struct {
	offset int64
	line   int
}

// sparseSlack is by how much stamps of a sparse index may be off at least.
const sparseSlack = time.Minute

// add notes the stamp of a record that begins at the offset; they come in this order.
func (x *index) add(offset int64, e *timeline.Event) {
	t := e.Time
	if t.IsZero() {
		return // it lies in no window
	}
	if e.Stamp.Zone == timeline.ZoneUnknown {
		x.local++
	} else {
		x.zoned++
	}
	x.at = offset
	n := int(offset >> stretchBits)
	for len(x.ranges) <= n {
		x.ranges = append(x.ranges, stampRange{})
	}
	r := &x.ranges[n]
	if r.first.IsZero() || t.Before(r.first) {
		r.first = t
	}
	if t.After(r.last) {
		r.last = t
	}
	if t.After(x.latest) {
		x.latest = t
	} else {
		x.lag = max(x.lag, x.latest.Sub(t))
	}
}

// knows says whether there is a stamp of the stretch in which the offset lies.
func (x *index) knows(offset int64) bool {
	n := int(offset >> stretchBits)
	return n < len(x.ranges) && !x.ranges[n].first.IsZero()
}

// starting notes where a record begins.
func (x *index) starting(offset int64, line int) {
	n := int(offset >> stretchBits)
	for len(x.starts) <= n {
		x.starts = append(x.starts, lineStart{offset: -1})
	}
	if x.starts[n].offset < 0 {
		x.starts[n] = lineStart{offset, line}
	}
}

// A run is a row of stretches: where to begin to read, and where they end.
type run struct {
	from lineStart
	to   int64
}

// runs gives the stretches of a part of so many bytes in which a record may lie in one of
// the spans.
func (x *index) runs(s spans, size int64) []run {
	var out []run
	from := lineStart{line: 1}
	for at := int64(0); at < size; at += 1 << stretchBits {
		if x.meets(at, s) {
			if n := len(out); n > 0 && out[n-1].to >= from.offset {
				out[n-1].to = at + 1<<stretchBits
			} else {
				out = append(out, run{from, at + 1<<stretchBits})
			}
		}
		// The records at the beginning of the next stretch follow one of this.
		if n := int(at >> stretchBits); n < len(x.starts) && x.starts[n].offset >= 0 {
			from = x.starts[n]
		}
	}
	return out
}

// size gives for how many bytes of a part stretches are known, if it is not known how many it has.
func (x *index) size() int64 {
	n := len(x.ranges)
	if !x.ended {
		n++ // what is behind counts as one
	}
	return int64(n) << stretchBits
}

// finish makes a sparse index ready; last is where the last record of the part begins.
func (x *index) finish(last int64) {
	x.ended = len(x.ranges) > 0 && x.at == last
	if !x.sparse || len(x.ranges) == 0 {
		return
	}
	slack := 2*x.lag + sparseSlack
	n := len(x.ranges)
	after := make([]time.Time, n+1) // the earliest stamp seen from the stretch on
	for i, r := range slices.Backward(x.ranges) {
		if after[i] = after[i+1]; !r.first.IsZero() && (after[i].IsZero() || r.first.Before(after[i])) {
			after[i] = r.first
		}
	}
	var before time.Time // the latest stamp seen before the stretch
	for i := range x.ranges {
		r := &x.ranges[i]
		seen := *r
		if r.first = (time.Time{}); !before.IsZero() {
			r.first = before.Add(-slack)
		}
		if seen.last.After(before) {
			before = seen.last
		}
		switch r.last = farFuture; {
		case !after[i+1].IsZero():
			r.last = after[i+1].Add(slack)
		case x.ended:
			r.last = before.Add(slack)
		}
	}
}

// farFuture is later than any stamp.
var farFuture = time.Unix(1<<40, 0)

// meets says whether a record that begins at the offset may lie in one of the spans.
func (x *index) meets(offset int64, s spans) bool {
	n := int(offset >> stretchBits)
	if n >= len(x.ranges) {
		// Of what is behind the last stamp seen nothing is known, unless it is the last of all.
		return x.sparse && !x.ended && (len(x.ranges) == 0 || s.meet(x.latest.Add(-2*x.lag-sparseSlack), farFuture))
	}
	r := x.ranges[n]
	return (x.sparse || !r.first.IsZero()) && s.meet(r.first, r.last)
}
