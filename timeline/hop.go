package timeline

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// span is the record by which the hop tells its own exchange; nil if it logged none.
func (h *Hop) span() *Joined {
	var best *Joined
	for _, e := range h.Events {
		if e.Kind == ServerSpan && (best == nil || e.Stamp.HasDuration() && !best.Stamp.HasDuration()) {
			best = e
		}
	}
	return best
}

// pid is the process in which the hop was handled, "" if its records name none or several.
func (h *Hop) pid() string {
	pid := ""
	for _, e := range h.Events {
		switch p := e.Attrs.Get(KeyPID); {
		case p == "" || e.guessed() || p == pid:
		case pid != "":
			return ""
		default:
			pid = p
		}
	}
	return pid
}

// A builder makes hops and calls of the events of requests. With an empty book and no
// clocks it finds less; what it finds then is enough to learn both.
type builder struct {
	book     *EndpointBook
	clocks   *ClockModel
	roles    map[string]Role
	services map[string]bool     // services that log in the sources read
	software map[string]software // of the services that log
	places   map[place]bool      // the same, by host
	banned   map[string]bool     // forms that are no keys
	rough    bool                // instants are left as the clocks alone tell them
}

// build makes the requests of one alias set: usually one, or one per exchange that a
// client repeated under the same ID.
func (b *builder) build(events []Joined) []*Request {
	d := &draft{builder: b}
	for i := range events {
		e := &events[i]
		e.Start, e.End = b.clocks.Align(e.Event)
		d.events = append(d.events, e)
	}
	slices.SortFunc(d.events, func(x, y *Joined) int { return x.Pos.Compare(y.Pos) })
	d.makeHops()
	d.makeCalls()
	d.tiePassing()
	d.tieKin()
	d.matchCalls()
	d.silentHops(true)
	d.adopt()
	for _, h := range d.hops {
		unstarted(h)
	}
	d.silentHops(false)
	d.quotedBelow()
	return d.split()
}

// A draft is the hops and calls of one alias set while they are being built.
type draft struct {
	*builder
	events []*Joined
	hops   []*Hop
	calls  []*Call
}

// makeHops cuts the events of every service on every host into hops: one for each
// exchange that it logged, or one for all its events if it logged none.
func (d *draft) makeHops() {
	groups := map[place][]*Joined{}
	var order []place
	for _, e := range d.events {
		p := place{e.Service, e.Host}
		if groups[p] == nil {
			order = append(order, p)
		}
		groups[p] = append(groups[p], e)
	}
	slices.SortFunc(order, comparePlaces)
	for _, p := range order {
		d.hops = append(d.hops, d.hopsOf(p, groups[p])...)
	}
}

func (d *draft) hopsOf(p place, events []*Joined) []*Hop {
	var hops []*Hop
	var rest []*Joined
	for _, e := range events {
		if e.Kind != ServerSpan {
			rest = append(rest, e)
			continue
		}
		if h := sameExchange(hops, e); h != nil {
			h.Events = append(h.Events, e)
			continue
		}
		hops = append(hops, d.newHop(p, e))
	}
	slices.SortStableFunc(hops, func(a, b *Hop) int { return rawStart(a).Compare(rawStart(b)) })
	var lone *Hop
	var died []*Hop // one for each further death
	spans, ofWorkers, ofProcess := spansOf(events), hopsOfWorkers(hops, rest), hopsOfProcesses(hops)
	for _, e := range rest {
		h := cmp.Or(hopOfSpan(hops, spans, e), ofWorkers[e], ofProcess[e.Attrs.Get(KeyPID)])
		if h == nil {
			h = cmp.Or(hopAt(hops, e), writtenLate(hops, e))
		}
		if h == nil {
			switch {
			case lone == nil:
				lone = d.newHop(p, e)
				continue
			case exchangeDeath(e.Event) && slices.ContainsFunc(lone.Events, func(o *Joined) bool { return exchangeDeath(o.Event) }):
				died = append(died, d.newHop(p, e))
				continue
			}
			h = lone
		}
		h.Events = append(h.Events, e)
	}
	if lone != nil {
		hops = append(append(hops, lone), died...)
	}
	for _, h := range hops {
		d.fill(h)
	}
	return hops
}

func (d *draft) newHop(p place, first *Joined) *Hop {
	return &Hop{Service: p.service, Host: p.host, Events: []*Joined{first}}
}

// sameExchange finds the hop of which e is a second record: an access log's line and
// the app's own line about one exchange come from different logs and overlap.
func sameExchange(hops []*Hop, e *Joined) *Hop {
	for _, h := range hops {
		first := h.Events[0]
		if first.SpanID != "" && first.SpanID == e.SpanID {
			return h
		}
		if first.Pos.Path == e.Pos.Path && first.Format == e.Format {
			continue
		}
		if first.Traced && e.Traced {
			continue // two spans of a trace
		}
		if first.Undated() || e.Undated() || toldBeside(first.Event, e.Event) || toldBeside(e.Event, first.Event) {
			if x, y := endOfExchange(first.Event, ""), endOfExchange(e.Event, ""); x.line == y.line && x.status == y.status {
				return h
			}
		}
		s1, t1, _, _ := first.Interval()
		s2, t2, _, _ := e.Interval()
		if !t1.Hi.Before(s2.Lo) && !t2.Hi.Before(s1.Lo) {
			return h
		}
	}
	return nil
}

// spansOf gives the spans of a place by their IDs.
func spansOf(events []*Joined) map[string]*Joined {
	out := map[string]*Joined{}
	for _, e := range events {
		if e.Kind != LogRecord && e.SpanID != "" && (out[e.SpanID] == nil || e.Kind == ServerSpan) {
			out[e.SpanID] = e
		}
	}
	return out
}

// hopOfSpan finds the hop in whose exchange e was written by the spans around it, of which only those of
// its own process count; nil if they do not tell.
func hopOfSpan(hops []*Hop, spans map[string]*Joined, e *Joined) *Hop {
	id := e.ParentSpanID
	if e.Kind == LogRecord {
		id = e.SpanID
	}
	for range len(spans) + 1 {
		s := spans[id]
		if s == nil || s == e {
			return nil
		}
		if s.Kind == ServerSpan {
			for _, h := range hops {
				if slices.Contains(h.Events, s) {
					return h
				}
			}
			return nil
		}
		id = s.ParentSpanID
	}
	return nil
}

// hopsOfProcesses tells several exchanges of one service apart by the processes that worked at them, where the record of each names one, and each another
// one; nil if it is not so.
func hopsOfProcesses(hops []*Hop) map[string]*Hop {
	if len(hops) < 2 {
		return nil
	}
	out := map[string]*Hop{}
	for _, h := range hops {
		pid := h.span().Attrs.Get(KeyPID)
		if pid == "" || out[pid] != nil {
			return nil
		}
		out[pid] = h
	}
	return out
}

// hopsOfWorkers tells failed exchanges of one service that were at work at once apart, as the attempts of a caller that tries again: where as
// many threads, or connections, wrote of errors as exchanges failed, each wrote of one, in their order.
func hopsOfWorkers(hops []*Hop, events []*Joined) map[*Joined]*Hop {
	groups := map[worker][]*Joined{}
	var order []worker
	for _, e := range events {
		w, ok := workerOf(e.Event)
		if !ok || !e.Failed {
			continue
		}
		if groups[w] == nil {
			order = append(order, w)
		}
		groups[w] = append(groups[w], e)
	}
	failed := slices.DeleteFunc(slices.Clone(hops), func(h *Hop) bool { return !h.span().Status().Failed() })
	if len(order) < 2 || len(order) != len(failed) {
		return nil
	}
	first := func(w worker) time.Time {
		return slices.MinFunc(groups[w], func(a, b *Joined) int { return a.Time.Compare(b.Time) }).Time
	}
	slices.SortStableFunc(order, func(a, b worker) int { return first(a).Compare(first(b)) })
	out := map[*Joined]*Hop{}
	for i, w := range order {
		start, end, _, ended := failed[i].span().Interval()
		for _, e := range groups[w] {
			at, _, _, _ := e.Interval()
			if ClockOf(e.Event) != ClockOf(failed[i].span().Event) || at.Hi.Add(hopTolerance).Before(start.Lo) || ended && at.Lo.After(end.Hi.Add(hopTolerance)) {
				return nil
			}
			out[e] = failed[i]
		}
	}
	return out
}

// hopTolerance is by how much a message may lie outside the exchange that its service
// logged and still be of it: clocks within a host agree, but durations are truncated and lines are
// flushed late.
const hopTolerance = 50 * time.Millisecond

// hopAt finds the hop during which e was written, or the last one before it. It is nil
// for an event that is clearly older than every exchange.
func hopAt(hops []*Hop, e *Joined) *Hop {
	s, _, _, _ := e.Interval()
	var before *Hop
	var fits []*Hop
	for _, h := range hops {
		sp := h.span()
		if ClockOf(sp.Event) != ClockOf(e.Event) {
			if before == nil || !e.Start.CertainlyBefore(sp.Start) {
				before = h
			}
			continue
		}
		start, end, startOK, _ := sp.Interval()
		if startOK && s.Hi.Add(hopTolerance).Before(start.Lo) {
			continue
		}
		if !s.Lo.After(end.Hi.Add(hopTolerance)) {
			fits = append(fits, h)
			continue
		}
		before = h
	}
	if len(fits) > 0 {
		return nextLogged(fits, e)
	}
	return before
}

// writtenLate finds the exchange before which e seems to have been written, for its record was stamped late: one process wrote both to one log, and
// the start of an exchange is told by that stamp less how long it took.
func writtenLate(hops []*Hop, e *Joined) *Hop {
	pid := e.Attrs.Get(KeyPID)
	for _, h := range hops {
		sp := h.span()
		if sp.Stamp.Meaning != End || pid == "" || sp.Attrs.Get(KeyPID) != pid || !sameStream(sp.Pos, e.Pos) || sp.Pos.Compare(e.Pos) < 0 {
			continue
		}
		at, _, _, _ := e.Interval()
		start, _, ok, _ := sp.Interval()
		if ok && !at.Hi.Add(lateLine).Before(start.Lo) {
			return h
		}
	}
	return nil
}

// nextLogged gives, of exchanges during which e may have been written as far as stamps tell, the one whose record stands next behind e
// where each is logged at its end in the stream of e; else the first.
func nextLogged(fits []*Hop, e *Joined) *Hop {
	var next *Hop
	for _, h := range fits {
		sp := h.span()
		if sp.Stamp.Meaning != End || !sameStream(sp.Pos, e.Pos) {
			return fits[0]
		}
		if sp.Pos.Compare(e.Pos) > 0 && (next == nil || sp.Pos.Compare(next.span().Pos) < 0) {
			next = h
		}
	}
	if next == nil {
		return fits[0]
	}
	return next
}

func rawStart(h *Hop) time.Time {
	s, _, _, _ := h.Events[0].Interval()
	return s.Lo
}

// fill sets what the hop's own events say of it.
func (d *draft) fill(h *Hop) {
	slices.SortStableFunc(h.Events, func(a, b *Joined) int {
		return cmp.Or(a.Start.Time.Compare(b.Start.Time), a.Pos.Compare(b.Pos))
	})
	sp := h.span()
	for _, e := range h.Events {
		e.Hop = h
		if h.System == "" || e == sp && e.System != "" {
			h.System = e.System
		}
		if h.Role == RoleUnknown {
			h.Role = e.Role
		}
		if e.Kind == ServerSpan {
			if e.StatusCode != 0 && !h.Sent.Known() {
				h.Sent = e.Status()
			}
			if e.Ended != OutcomeUnknown {
				h.Ended = e.Ended
			}
		}
	}
	if sp == nil {
		// A message may tell the status where no record of the exchange does.
		for _, e := range h.Events {
			if e.Kind == LogRecord && e.StatusCode != 0 && !e.guessed() {
				h.Sent = e.Status()
			}
		}
	}
	if r, ok := d.roles[h.Service]; ok {
		h.Role = r
	}
	if sp != nil {
		h.Start, h.End = d.clocks.Align(sp.Event)
		return
	}
	for _, e := range h.Events {
		if e.guessed() && len(h.Events) > 1 {
			continue
		}
		if !h.Start.Known() || e.Start.Known() && e.Start.Time.Before(h.Start.Time) {
			h.Start = e.Start
		}
	}
}

// unstarted widens the start of a hop that logged no exchange of its own: it began
// after its caller called and before its first message.
func unstarted(h *Hop) {
	if h.span() != nil || h.Caller == nil || !h.Caller.Start.Known() || !h.Start.Known() {
		return
	}
	if call := h.Caller.Start; call.Time.Before(h.Start.Time) && call.Earliest.Before(h.Start.Latest) {
		h.Start = Instant{Earliest: call.Earliest, Time: call.Time, Latest: h.Start.Latest}
	}
}

// unended gives an end to a hop of which the record tells the start alone, if its caller passed on its answer: it ended before its
// caller did.
func unended(h *Hop) {
	sp := h.span()
	if sp == nil || sp.caller == nil || h.Caller == nil || h.Caller.Record != nil || h.End.Known() || !h.Start.Known() {
		return
	}
	up := h.Caller.Caller
	if !up.End.Known() || up.Sent != h.Sent || up.End.CertainlyBefore(h.Start) {
		return
	}
	h.End = Instant{Earliest: h.Start.Earliest, Time: up.End.Time, Latest: up.End.Latest}
	if at := up.End.Earliest.Add(-lateLine); forwards(up) && at.After(h.End.Earliest) {
		h.End.Earliest = at // a proxy passes on what it gets as it comes
	}
	if h.End.Time.Before(h.Start.Time) {
		h.End.Time = h.Start.Time
	}
}

// unendedBelow gives an end to a hop of which the record tells the start alone, if it passed on what ended later than its caller waited: it ended
// after that.
func unendedBelow(h *Hop) {
	if h.span() == nil || h.End.Known() || !h.Start.Known() {
		return
	}
	if below := workedUntil(h); below.Known() && h.Start.Time.Before(below.Time) {
		h.End = Instant{Earliest: below.Earliest, Time: below.Time, Latest: below.Latest.Add(lateLine)}
	}
}

// rootHop is the hop that nobody calls and that is usually outermost; else the longest of them.
func (d *draft) rootHop() *Hop {
	var best *Hop
	for _, h := range d.hops {
		if h.Caller == nil && (best == nil || d.rootLess(best, h)) {
			best = h
		}
	}
	return best
}

func (d *draft) rootLess(a, b *Hop) bool {
	if d.book != nil {
		if x, y := d.book.Outermost[a.Service], d.book.Outermost[b.Service]; x != y {
			return x < y
		}
	}
	if a.Role != b.Role && (a.Role == RoleDependency || b.Role == RoleDependency) {
		return a.Role == RoleDependency
	}
	la, okA := hopLength(a)
	lb, okB := hopLength(b)
	if okA != okB {
		return okB
	}
	if fa, fb := forwards(a), forwards(b); fa != fb && within(la, lb) && within(lb, la) {
		return fb // as long as each other, as far as they tell
	}
	if la.d != lb.d {
		return la.d < lb.d
	}
	return rawStart(b).Before(rawStart(a))
}

// forwards says whether h is a gateway or proxy.
func forwards(h *Hop) bool { return h.Role.Forwards() }

// split makes the requests: one for each hop without caller, with all that is below
// it. Hops that could be placed nowhere go to the first.
func (d *draft) split() []*Request {
	var roots []*Hop
	main := d.rootHop()
	for _, h := range d.hops {
		if h.Caller == nil && (h == main || main != nil && itself(h, main)) {
			roots = append(roots, h)
		}
	}
	slices.SortStableFunc(roots, func(a, b *Hop) int {
		return cmp.Or(rawStart(a).Compare(rawStart(b)), strings.Compare(a.Host, b.Host))
	})
	var out []*Request
	for i, root := range roots {
		r := &Request{}
		collectTree(r, root)
		if i == 0 {
			for _, h := range d.hops {
				if h.Caller == nil && h != main && !itself(h, main) {
					h.Caller = nil
					collectTree(r, h)
				}
			}
		}
		d.finish(r)
		out = append(out, r)
	}
	return out
}

func collectTree(r *Request, h *Hop) {
	r.Hops = append(r.Hops, h)
	slices.SortStableFunc(h.Calls, compareCalls)
	for _, c := range h.Calls {
		r.Calls = append(r.Calls, c)
		if c.Callee != nil {
			collectTree(r, c.Callee)
		}
	}
}

// finish numbers what the request holds and sets its own fields.
func (d *draft) finish(r *Request) {
	for i, h := range r.Hops {
		h.ID = i + 1
		if h.Role == RoleUnknown && !h.Silent && h.System != "" && len(h.Calls) == 0 && h.Caller != nil {
			h.Role = RoleApp
		}
		for _, e := range h.Events {
			r.Events = append(r.Events, *e)
		}
	}
	for i, c := range r.Calls {
		c.ID = i + 1
	}
	root := r.Root()
	if root.Role == RoleProxy && !d.book.usualCaller(root.Service) {
		root.Role = RoleGateway
	}
	r.CallerUsual = d.book.usualCaller(root.Service)
	if !d.rough {
		d.refine(r)
		for _, h := range r.Hops {
			unended(h)
		}
		for _, h := range slices.Backward(r.Hops) {
			unendedBelow(h)
		}
	}
	sortEvents(r)
	r.Start, r.Length = root.Start, -1
	if sp := root.span(); sp != nil {
		if sp.Stamp.HasDuration() {
			r.Length = sp.Duration
		}
	}
	if !r.CallerUsual {
		r.Client = root.Sent
	}
	if !r.Start.Known() {
		for _, e := range root.Events {
			if a := firstKnown(e.Start, e.End); a.Known() && (!r.Start.Known() || a.Time.Before(r.Start.Time)) {
				r.Start = a
			}
		}
	}
	d.describe(r)
	r.Tied = true
	for i := range r.Events {
		r.Tied = r.Tied && d.clocks.together(r.Events[0].Event, r.Events[i].Event)
	}
}

func firstKnown(a, b Instant) Instant {
	if a.Known() {
		return a
	}
	return b
}

// sortEvents orders the events by aligned start, then position, numbers them, and
// points the hops and calls to them.
func sortEvents(r *Request) {
	slices.SortStableFunc(r.Events, func(a, b Joined) int {
		return cmp.Or(firstKnown(a.Start, a.End).Time.Compare(firstKnown(b.Start, b.End).Time), a.Pos.Compare(b.Pos))
	})
	at := map[*Event]*Joined{}
	for i := range r.Events {
		r.Events[i].ID = i + 1
		at[r.Events[i].Event] = &r.Events[i]
	}
	for _, h := range r.Hops {
		for i, e := range h.Events {
			h.Events[i] = at[e.Event]
		}
		slices.SortStableFunc(h.Events, func(a, b *Joined) int { return cmp.Compare(a.ID, b.ID) })
	}
	for _, c := range r.Calls {
		if c.Record != nil {
			c.Record = at[c.Record.Event]
		}
	}
}

// describe sets method, path, route, keys and ID from the outermost hops that tell.
func (d *draft) describe(r *Request) {
	var events []*Event
	var inferred []*Joined
	for _, h := range r.Hops {
		own := slices.Clone(h.Events)
		slices.SortStableFunc(own, func(a, b *Joined) int { // the exchange's own record first
			return cmp.Compare(boolInt(b.Kind == ServerSpan), boolInt(a.Kind == ServerSpan))
		})
		for _, e := range own {
			if e.guessed() {
				if hasIdentity(e.Event) {
					inferred = append(inferred, e)
				}
				continue
			}
			events = append(events, e.Event)
			set(&r.Method, e.Attrs.Get("http.request.method"))
			set(&r.Path, e.Attrs.Get("url.path"))
			set(&r.Route, e.Attrs.Get("http.route"))
		}
	}
	r.Keys, r.Aliases = aliasesOf(events, d.banned)
	r.inferKeys(inferred, d.banned)
	for _, k := range r.Keys {
		if k.Name == KeyTraceID {
			set(&r.TraceID, k.Value)
		} else {
			set(&r.ID, k.Value)
		}
	}
	set(&r.ID, r.TraceID)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func set(p *string, v string) {
	if *p == "" {
		*p = v
	}
}
