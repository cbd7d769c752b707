package timeline

import (
	"cmp"
	"strings"
	"time"
)

// learn adds to the fit what the calls of one request say of the clocks of their hosts: a
// caller's window holds what the callee logged.
func (f *clockFit) learn(r *Request) {
	f.keep(r)
	for i := range r.Events {
		f.see(r.Events[i].Event)
	}
	root := r.Root().span()
	if root != nil {
		f.clocks[f.clock(root.Event)].roots++
	}
	for _, c := range r.Calls {
		if c.Callee == nil || c.Callee.Silent {
			continue
		}
		caller := callerRecord(c, root)
		if caller == nil {
			continue
		}
		w := windowOf(caller.Event)
		if caller.Kind == ClientSpan && !w.startOK {
			if asked := askedBy(c); asked != nil {
				w.start, _, w.startOK, _ = asked.Interval()
			}
		}
		// A call of which only one end was logged is within the caller's exchange, and that within those of who called it.
		for up := c; up != nil && caller.Kind == ClientSpan && !(w.startOK && w.endOK); up = up.Caller.Caller {
			if own := up.Caller.span(); own != nil && ClockOf(own.Event) == ClockOf(caller.Event) {
				w = w.or(windowOf(own.Event))
			}
		}
		if w.event.momentary() && stamped(w.event) {
			if c.Caller == r.Root() && allComplete(r) {
				for _, in := range workOf(c.Callee) {
					f.around(w, in)
				}
			}
			continue
		}
		openEnd := openEnded(c) || c.Record == nil && !allComplete(r)
		into := f.pairs
		if c.Record == nil || c.Record.Kind == LogRecord {
			into = f.guesses // of calls that are told where they fail there are few
		}
		for _, in := range workOf(c.Callee) {
			f.call(into, w, in, openEnd)
		}
	}
}

// askedBy gives what the caller wrote of whom it asks last before the record of a call's end: a message with the path, as of HTTP clients that log a request and
// its answer each by itself; nil if there is none.
func askedBy(c *Call) (asked *Event) {
	if c.Record == nil || len(c.Target) < 2 {
		return nil
	}
	for _, e := range c.Caller.Events {
		if e.Kind == LogRecord && !e.guessed() && sameStream(e.Pos, c.Record.Pos) && ClockOf(e.Event) == ClockOf(c.Record.Event) && e.Pos.Compare(c.Record.Pos) < 0 &&
			(asked == nil || e.Pos.Compare(asked.Pos) > 0) && strings.Contains(e.Body, c.Target) {
			asked = e.Event
		}
	}
	return asked
}

// keep keeps some requests whole, evenly spread over all that were learnt from.
func (f *clockFit) keep(r *Request) {
	every := 1
	for every*2*settledBy <= f.learnt {
		every *= 2
	}
	if f.learnt%every == 0 {
		if len(f.sample) == 2*settledBy {
			kept := f.sample[:0]
			for i := 0; i < len(f.sample); i += 2 {
				kept = append(kept, f.sample[i])
			}
			f.sample = kept
		}
		f.sample = append(f.sample, r)
	}
	f.learnt++
}

// A clockWindow is what one clock says of an exchange: where it began and where it was over.
type clockWindow struct {
	event      *Event // whose place in its stream stands for the window's
	start, end RawSpan
	startOK    bool
	endOK      bool
	// loose says that the exchange went on for an unknown time after end.
	loose bool
}

func windowOf(e *Event) clockWindow {
	w := clockWindow{event: e}
	w.start, w.end, w.startOK, w.endOK = e.Interval()
	if !stamped(e) {
		w.startOK, w.endOK = false, false
	}
	return w
}

// stamped says whether e carries a stamp that a clock can have given, and no absurd duration:
// a record without time is at the year 1, and a difference of clocks in nanoseconds ends at 292 years.
func stamped(e *Event) bool {
	const longest = 366 * 24 * time.Hour
	return e.Time.Year() >= 1970 && e.Time.Year() < 2070 && e.Duration >= 0 && e.Duration < longest && e.Stamp.Resolution >= 0 && e.Stamp.Resolution < longest && e.Stamp.DurationResolution >= 0 && e.Stamp.DurationResolution < longest
}

// widths is how far the stamps leave start and end open, in microseconds.
func (w *clockWindow) widths() [2]float32 {
	return [2]float32{float32(micros(w.start.Hi.Sub(w.start.Lo))), float32(micros(w.end.Hi.Sub(w.end.Lo)))}
}

// or gives w with the ends that it lacks taken from o, which holds it.
func (w clockWindow) or(o clockWindow) clockWindow {
	if !w.startOK {
		w.start, w.startOK = o.start, o.startOK
	}
	if !w.endOK {
		w.end, w.endOK = o.end, o.endOK
	}
	return w
}

// workOf gives what each clock says of when a hop worked: its exchange, and where that
// has no start or no end, or there is none, its messages.
func workOf(h *Hop) []clockWindow {
	var out []clockWindow
	sp := h.span()
	if sp != nil {
		out = append(out, windowOf(sp.Event))
		if out[0].startOK && out[0].endOK {
			return out
		}
	}
	for _, e := range h.Events {
		if e.guessed() || e.Kind == ServerSpan {
			continue
		}
		m := windowOf(e.Event)
		if !m.startOK && !m.endOK {
			continue
		}
		at := -1
		for i := range out {
			if ClockOf(out[i].event) == ClockOf(e.Event) {
				at = i
			}
		}
		if at < 0 {
			m.loose = true
			out = append(out, m)
			continue
		}
		w := &out[at]
		own := sp != nil && w.event == sp.Event
		w.loose = w.loose || own && !w.endOK
		if m.startOK && !(own && w.startOK && w.loose) && (!w.startOK || m.start.Hi.Before(w.start.Hi)) {
			w.start, w.startOK = m.start, true
		}
		if m.endOK && (!w.endOK || m.end.Lo.After(w.end.Lo)) {
			w.end, w.endOK, w.event = m.end, true, e.Event
		}
	}
	for i := range out {
		out[i].loose = out[i].loose || !out[i].endOK
	}
	return out
}

// callerRecord is the record whose window holds the callee: the caller's of this call,
// or its exchange's. Where the caller has no record of the call who called is a guess, and only the
// outermost exchange is sure to hold it.
func callerRecord(c *Call, root *Joined) *Joined {
	if c.Record == nil {
		return root
	}
	if c.Record.Kind == ClientSpan {
		return c.Record
	}
	return c.Caller.span()
}

// allComplete says that no call of the request was broken off, so that the outermost
// exchange outlasts all the others.
func allComplete(r *Request) bool {
	for _, c := range r.Calls {
		if c.Ended != Complete && (c.Ended != OutcomeUnknown || c.Failed()) || openEnded(c) {
			return false
		}
	}
	return true
}

// openEnded says whether the callee of c may have gone on after the call was over for
// its caller.
func openEnded(c *Call) bool {
	return c.Ended == GaveUp || c.Ended == CallerLeft || c.Caller.Lineage == Aborted || c.Purpose == Background || c.Purpose == Mirror
}

// call adds what the windows of one call say: the callee began after the caller called,
// and was done before the caller had its answer. A caller that gave up or left says only that the
// callee began before it did so.
func (f *clockFit) call(into map[clockPair]*clockLinks, caller, callee clockWindow, openEnd bool) {
	p, c := f.clock(caller.event), f.clock(callee.event)
	l := clockLink{lo: negInf, hi: inf, soft: openEnd || callee.loose, lengths: caller.event.Stamp.HasDuration() && callee.event.Stamp.HasDuration()}
	if caller.startOK && callee.startOK {
		l.hi = micros(callee.start.Hi.Sub(caller.start.Lo))
	}
	if caller.endOK {
		switch {
		case openEnd && callee.startOK:
			l.lo = micros(callee.start.Lo.Sub(caller.end.Hi))
		case openEnd:
		case callee.endOK:
			l.lo = micros(callee.end.Lo.Sub(caller.end.Hi))
		case callee.startOK:
			l.lo = micros(callee.start.Lo.Sub(caller.end.Hi))
		}
	}
	if p == c || l.lo == negInf && l.hi == inf {
		return
	}
	l.pWide, l.cWide = caller.widths(), callee.widths()
	l.p, l.c = f.seat(caller.event), f.seat(callee.event)
	l.raw = l.p.raw
	f.add(into, clockPair{p, c}, l)
}

// passedOnWithin is how much longer than its callee a caller is taken to be at work at most on either side, where it does not tell how long it was.
const passedOnWithin = 250 * time.Millisecond

// withinLeast is how many such calls there must be for tying a clock.
const withinLeast = 30

// around adds what a call says of which the caller tells a moment alone: that lies about the callee's work, for a caller that has a request
// passes it on, and one that has an answer gives it back. Of one call that is not sure; of many it is for most, and a fit asks for no more.
func (f *clockFit) around(caller, callee clockWindow) {
	p, c := f.clock(caller.event), f.clock(callee.event)
	if p == c || !callee.startOK || !callee.endOK || callee.loose {
		return
	}
	l := clockLink{
		lo: micros(callee.start.Lo.Sub(caller.start.Hi.Add(passedOnWithin))), hi: micros(callee.end.Hi.Sub(caller.start.Lo.Add(-passedOnWithin))),
		p: f.seat(caller.event), c: f.seat(callee.event), pWide: caller.widths(), cWide: callee.widths(),
	}
	l.raw = l.p.raw
	k := clockPair{p, c}
	f.add(f.within, k, l)
	f.within[k].within = true
}

func micros(d time.Duration) float64 { return float64(d) / 1e3 }

// writtenAt is where the stamp of a record stands among the others of its stream: records
// of exchanges are written when these are over, whatever moment they are stamped with.
func writtenAt(e *Event) time.Time {
	if _, end, _, ok := e.Interval(); ok && e.Kind != LogRecord {
		return end.Lo
	}
	return e.Time
}

// seat gives the place of a record among those that its clock stamped.
func (f *clockFit) seat(e *Event) seat {
	k := streamOf(e)
	if _, ok := f.streams[k]; !ok && k != (stream{}) {
		f.streams[k] = int32(len(f.streams))
	}
	return seatIn(f.streams, e)
}

// A stream is the source and the path of records that stand in an order.
type stream [2]string

// streamOf gives the stream of a record; the zero stream if its records have no order.
func streamOf(e *Event) stream {
	if e.Pos.Doc != "" || e.Pos.Path == "" || e.Pos.Item > 0 {
		return stream{}
	}
	return stream{e.Pos.Source, e.Pos.Path}
}

// seatIn gives the place of a record, by the numbers of the streams.
func seatIn(streams map[stream]int32, e *Event) seat {
	s := seat{stream: -1, raw: writtenAt(e).UnixNano()}
	if id, ok := streams[streamOf(e)]; ok {
		s.stream, s.pos = id, streamPos(e.Pos)
	}
	return s
}

// streamPos orders the records of one stream: by part, then by offset.
func streamPos(p Pos) int64 { return int64(p.Part)<<44 | p.Offset }

// inProcess is the language of the applications that run in the process of a server, or by a framework: both stamp in the zone of that process.
// What PHP stamps is in a zone of its own (date.timezone).
var inProcess = map[string]string{
	"tomcat": "java", "jboss": "java", "spring-boot": "java", "dropwizard": "java", "gunicorn": "python", "uwsgi": "python", "celery": "python",
	"puma": "ruby", "rack": "ruby", "rails": "ruby", "sidekiq": "ruby", "gin": "go",
}

// see learns from one event, of a request or not, that its clock exists, the zone that it
// writes, and where its stamp stands in its stream.
func (f *clockFit) see(e *Event) {
	c := f.clocks[f.clock(e)]
	if by := cmp.Or(e.System, f.software[e.Service].system); e.System != "" || e.Kind == ServerSpan && by != "" {
		c.soft[by] = true // the exchanges of a service are logged by what it runs
		if language := inProcess[by]; language != "" {
			c.soft[language] = true
		}
	}
	if e.Stamp.Zone == ZoneWritten {
		if _, off := e.Time.Zone(); off != 0 {
			c.zone = time.Duration(off) * time.Second
		}
	}
	if e.Attrs.Get(inferredTime) == "" && stamped(e) {
		c.marks.add(f.seat(e))
	}
}

// clock gives the number of the clock that stamped e.
func (f *clockFit) clock(e *Event) int32 {
	return f.clockNamed(ClockOf(e))
}

func (f *clockFit) clockNamed(name string) int32 {
	id, ok := f.ids[name]
	if !ok {
		id = int32(len(f.clocks))
		f.ids[name] = id
		f.clocks = append(f.clocks, &seenClock{name: name, soft: map[string]bool{}})
	}
	return id
}

// tieZones ties a host's stamps without zone to those that write one, where no call
// ties them: they are local time in the zone that the host writes elsewhere. UTC is
// believed to be the host's zone only if the same software writes both, for many
// loggers write UTC wherever they run, or if exchanges that both stamped show it. What is tied so is one clock under two names, the zone apart.
func (f *clockFit) tieZones() {
	tied := make([]bool, len(f.clocks))
	for k := range f.pairs {
		for _, id := range []int32{k.caller, k.callee} {
			root, _ := f.resolve(id)
			tied[id], tied[root] = true, true
		}
	}
	for id, c := range f.clocks {
		host, local := clockHost(c.name)
		if !local || c.shared {
			continue
		}
		other, ok := f.ids[host]
		if !ok || tied[id] && tied[other] {
			continue
		}
		ahead, same := f.twins[host]
		if !same {
			ahead, same = f.clocks[other].zone, f.clocks[other].zone != 0
		}
		for s := range f.clocks[other].soft {
			same = same || c.soft[s]
		}
		if same {
			c.shared, c.of, c.ahead, c.zoned = true, other, micros(ahead), true
		}
	}
}

// anchor ties the clocks of two records of one moment.
func (f *clockFit) anchor(a, b *Event) {
	at, bt := momentOf(a), momentOf(b)
	f.apart(f.pairs, shifted{upper: a, lower: b, lo: bt.Lo.Sub(at.Hi), hi: bt.Hi.Sub(at.Lo)}, true)
}

// apart ties the clocks of two records by how far these are apart.
func (f *clockFit) apart(into map[clockPair]*clockLinks, s shifted, exact bool) {
	p, c := f.clock(s.upper), f.clock(s.lower)
	if p == c || !stamped(s.upper) || !stamped(s.lower) {
		return
	}
	l := clockLink{lo: micros(s.lo), hi: micros(s.hi), p: f.seat(s.upper), c: f.seat(s.lower), exact: exact}
	l.raw = l.p.raw
	f.add(into, clockPair{p, c}, l)
}

// momentOf is the stamp of a record as a span of its clock.
func momentOf(e *Event) RawSpan {
	start, end, startOK, _ := e.Interval()
	if startOK || e.Stamp.Meaning != End {
		return start
	}
	return end
}
