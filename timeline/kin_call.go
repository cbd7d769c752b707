package timeline

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A callee may write no ID at all. What its caller recorded of the call, method, target, status and how long it took, is told
// of its exchange too, and the exchange lies within the call: each true pair bounds by how much the callee's
// clock is ahead, and of many pairs only the true ones agree.

// Bounds of what is read around calls to services that write no ID: how far the callee's clock may be off, beside a
// multiple of clockGrid as by zones and wrong hours, and how exact a pairing is tried, the exactest first.
const (
	callAround = 15 * time.Second
	callSkew   = 45 * time.Second
	clockGrid  = 15 * time.Minute
)

var callExact = []time.Duration{2 * time.Millisecond, 10 * time.Millisecond, hopTolerance}

// unnamed joins to the requests that are read the exchanges of services that write no ID, or one of their own, by what those who called
// them recorded.
func (c *collector) unnamed() { c.adoptCalled(c.unnamedCalls()) }

// unnamedLate does so for the calls of which messages tell that bear no ID either and were joined to one request by their time. It says whether it joined any.
func (c *collector) unnamedLate() bool {
	calls := callings{}
	for _, set := range slices.Sorted(maps.Keys(c.drafts)) {
		for _, r := range c.drafts[set] {
			for _, call := range r.Calls {
				j := call.Record
				if !r.Failed || j == nil || j.Join != ByInferred || j.Candidates != 1 || !c.addCalling(&calls, set, call, true, nil) {
					continue
				}
				if c.absorbed[loneSet(j.Event)] == "" {
					c.takeIn(set, *j)
				}
			}
		}
	}
	return c.adoptCalled(calls)
}

// adoptCalled joins the exchanges that are those of calls to the requests of these. It says whether there were any.
func (c *collector) adoptCalled(calls callings) bool {
	var found []kinship
	for _, p := range slices.SortedFunc(maps.Keys(calls.at), comparePlaces) {
		if calls.asked[p] {
			found = append(found, c.calledAt(p, calls.at[p])...)
		}
	}
	found = atOnePlace(found)
	if len(found) == 0 {
		return false
	}
	for _, k := range found {
		if !c.clocksTell(k.upper, k.lower) {
			c.shifts = append(c.shifts, k.apart()...)
		}
	}
	sets := c.sets()
	c.chain(slices.DeleteFunc(slices.Clone(found), func(k kinship) bool { return sets[k.upper.set] == nil }))
	adopted := c.adoptKin(found)
	c.learn()
	return adopted
}

// atOnePlace leaves of calls that are paired with exchanges at several places none.
func atOnePlace(found []kinship) []kinship {
	pairs := map[Pos]int{}
	for _, k := range found {
		pairs[k.upper.e.Pos]++
	}
	return slices.DeleteFunc(found, func(k kinship) bool { return pairs[k.upper.e.Pos] > 1 })
}

// apart gives by how much the stamp of an exchange is ahead of that of a message about its call: it lies within the call, which was over when the message came.
func (k *kinship) apart() []shifted {
	if k.upper.e.Kind != LogRecord || k.candidates > 1 {
		return nil
	}
	from, to := momentOf(k.upper.e), momentOf(k.lower.e)
	return []shifted{{k.upper.e, k.lower.e, to.Lo.Sub(from.Hi), to.Hi.Sub(from.Lo) + k.upper.stop.Hi.Sub(k.upper.start.Lo), true}}
}

// A calling is a call to a place that logs, of whose exchange no ID tells.
type calling struct {
	end
	ended Outcome
	near  bool // what its callee logged at its time is read
	hosts int  // how many its callee has: one of them logged it
	named bool // it is one of these and no proxy before it, of which nothing tells that it was asked
}

// callings are calls by the places at which they may have been logged; those of wanted requests are asked for.
type callings struct {
	at    map[place][]*calling
	asked map[place]bool
}

// add adds a call to each of the places.
func (cs *callings) add(x *calling, at []place, asked bool) {
	if cs.at == nil {
		cs.at, cs.asked = map[place][]*calling{}, map[place]bool{}
	}
	for _, p := range at {
		x := *x
		cs.at[p] = append(cs.at[p], &x)
		cs.asked[p] = cs.asked[p] || asked
	}
}

// unnamedCalls gives the calls of all requests read to places that log, but of which no exchange is of the
// request.
func (c *collector) unnamedCalls() callings {
	var out callings
	sets := c.sets()
	lone := c.loneProxies()
	for _, set := range slices.Sorted(maps.Keys(sets)) {
		if !c.callsUnnamed(sets[set]) && (len(lone) == 0 || !slices.ContainsFunc(sets[set], tellsOneCall)) {
			continue
		}
		wanted := c.isWanted(set, sets[set])
		for _, r := range c.builder().build(c.joined(set, sets[set])) {
			failed := wanted && hopFailed(r.Root())
			for _, call := range r.Calls {
				c.addCalling(&out, set, call, failed, lone)
			}
		}
	}
	c.callersOfLone(&out)
	return out
}

// addCalling adds a call of a request to those of the places at which it may have been logged without ID. It says whether there are any.
func (c *collector) addCalling(to *callings, set string, call *Call, failed bool, lone []place) bool {
	at, named := c.mayBeAt(call, lone)
	if len(at) == 0 {
		return false
	}
	x := c.callingOf(call.Record.Event, set, call.Ended, call.Method, call.Target)
	x.got, x.wanted, x.near, x.hosts, x.named = call.Received.Code, failed, failed, 1, named
	if named {
		x.hosts = len(at)
	}
	if call.OwnMade {
		x.got = 0
	}
	if !x.hasStart && x.hasStop {
		x.start, x.hasStart = c.askedSince(call, x.stop, set)
	}
	if !x.hasStart || !x.hasStop {
		return false
	}
	to.add(x, at, failed)
	return true
}

// askedSince gives when a call, of which nothing but its end is known, began: its caller was at work. Of a call of which a message tells, where that is not known either,
// the failure is taken to have come as soon as others do.
func (c *collector) askedSince(call *Call, stop RawSpan, set string) (RawSpan, bool) {
	from := call.Caller.Start.Earliest
	if own := call.Caller.span(); own != nil {
		from = time.Time{}
		if within := c.onCommonTime(endOfExchange(own.Event, set)); within.hasStart {
			from = within.start.Lo
		}
	}
	if from.IsZero() || from.After(stop.Hi) {
		if call.Record.Kind == ClientSpan {
			return RawSpan{}, false
		}
		from = stop.Lo.Add(-answeredWithin)
	}
	return RawSpan{from, stop.Hi}, true
}

// loneProxies gives the places of proxies that log failed exchanges without ID, in order.
func (c *collector) loneProxies() []place {
	found := map[place]bool{}
	for _, e := range slices.Concat(c.lone, c.failed) {
		if e.Kind == ServerSpan && !hasIdentity(e) && e.Role.Forwards() {
			found[place{e.Service, e.Host}] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), comparePlaces)
}

// mayBeAt gives the places at which a call may have been logged without ID: its callee's, if no record of that is of the request; and those of
// proxies, for what its ID leads to may stand behind one; else all of a callee whose host is not known. named says that they are the callee's.
func (c *collector) mayBeAt(call *Call, lone []place) (at []place, named bool) {
	h := call.Callee
	if h == nil || call.Record == nil || !tellsOneCall(call.Record.Event) || !reached(call) || call.Target == "" {
		return nil, false
	}
	own, p := place{call.Caller.Service, call.Caller.Host}, place{h.Service, h.Host}
	if h.Silent && c.places[p] {
		if p == own {
			return nil, false
		}
		return []place{p}, true
	}
	at = slices.DeleteFunc(slices.Clone(lone), func(q place) bool { return q == own || q == p })
	if theirs := slices.DeleteFunc(c.placesOf(p), func(q place) bool { return q == own }); h.Silent && len(theirs) > 0 && !slices.ContainsFunc(at, func(q place) bool { return !slices.Contains(theirs, q) }) {
		return theirs, true
	}
	return at, false
}

// callsUnnamed says whether one of the events of a set is a call to a place that logs but of which the set has no event.
func (c *collector) callsUnnamed(events []*Event) bool {
	return slices.ContainsFunc(events, func(e *Event) bool {
		at := c.placesCalled(e)
		return len(at) > 0 && !slices.ContainsFunc(events, func(o *Event) bool { return slices.Contains(at, place{o.Service, o.Host}) })
	})
}

// tellsOneCall says whether a record is a client's of its call, or a message about one that failed.
func tellsOneCall(e *Event) bool {
	return len(e.Calls) == 1 && (e.Kind == ClientSpan || e.Kind == LogRecord)
}

// placesCalled gives the places that log to which the call may be of which a client's record or a message tells: one, or those of a service
// that is known by its name alone.
func (c *collector) placesCalled(e *Event) []place {
	if !tellsOneCall(e) || e.Calls[0].Peer == "" {
		return nil
	}
	b := c.builder()
	at, ok := b.endpoint(&Call{Peer: e.Calls[0].Peer, Record: &Joined{Event: e}, Caller: &Hop{Service: e.Service, Host: e.Host}})
	if !ok {
		at.Service = b.serviceIn(e.Calls[0].Peer)
	}
	return slices.DeleteFunc(c.placesOf(place{at.Service, at.Host}), func(p place) bool { return p == place{e.Service, e.Host} })
}

// placesOf gives p if it logs; of a service whose host is not known all places at which it does.
func (c *collector) placesOf(p place) []place {
	if c.places[p] {
		return []place{p}
	}
	var out []place
	for at := range c.places {
		if p.host == "" && at.service == p.service {
			out = append(out, at)
		}
	}
	slices.SortFunc(out, comparePlaces)
	return out
}

// callersOfLone adds the failed calls of requests that are not read, to places where a failed exchange without ID is asked
// for: it is of one of these requests, which may have gone well.
func (c *collector) callersOfLone(out *callings) {
	lone := map[place]bool{}
	for _, e := range c.lone {
		lone[place{e.Service, e.Host}] = true
	}
	if len(lone) == 0 {
		return
	}
	for _, e := range c.failed {
		at := slices.DeleteFunc(c.placesCalled(e), func(p place) bool { return !lone[p] })
		forms := c.graph.identityForms(e)
		if len(at) == 0 || len(forms) == 0 || c.events[e.Pos] != nil {
			continue
		}
		o := &e.Calls[0]
		x := c.callingOf(e, c.graph.find(forms[0]), o.Ended, o.Method, o.Target)
		x.got, x.near, x.hosts, x.named = o.Status, true, len(at), true
		if o.Method != "" && o.Target != "" && x.hasStart && x.hasStop {
			out.add(x, at, true)
		}
	}
}

// callingOf gives the end of a call that its caller's record tells.
func (c *collector) callingOf(e *Event, set string, ended Outcome, method, target string) *calling {
	x := &calling{end: c.onCommonTime(endOfExchange(e, set)), ended: ended}
	x.line, x.root = method+" "+pathOf(target), false
	x.status = e.StatusCode
	if e.Kind == LogRecord {
		x.hasStart = false // the message came when the call was over
	}
	return x
}

// anyMethod gives the line of an exchange as a caller tells it that does not tell the method.
func (x *end) anyMethod() string { return x.line[strings.IndexByte(x.line, ' '):] }

func pathOf(target string) string {
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		return target[:i]
	}
	return target
}

// onCommonTime gives an end with its stamps on the common time line, if its clock is tied to it.
func (c *collector) onCommonTime(x end) end {
	if !c.clocks.Tied(x.e) {
		return x
	}
	start, stop := x.align(c.clocks)
	if x.hasStart && start.Known() {
		x.start = RawSpan{start.Earliest, start.Latest}
	}
	if x.hasStop && stop.Known() {
		x.stop = RawSpan{stop.Earliest, stop.Latest}
	}
	return x
}

// calledAt pairs calls with exchanges that their callee logged at a place.
func (c *collector) calledAt(p place, calls []*calling) []kinship {
	var moments []time.Time
	for _, x := range calls {
		if x.near {
			moments = append(moments, x.stop.Lo)
		}
	}
	slices.SortFunc(moments, time.Time.Compare)
	var around []Window
	for i := 0; i < len(moments); i += max(1, len(moments)/kinWindows) {
		around = append(around, Window{p.host, moments[i].Add(-callAround), moments[i].Add(callAround)})
	}
	around = merged(around)
	near := slices.DeleteFunc(slices.Clone(calls), func(x *calling) bool { return !touches(around, x.start.Lo, x.stop.Hi) })
	relative := oneClock(calls)
	if relative {
		for _, x := range calls {
			c.relate(&x.end)
		}
	}
	exchangesAt := func(windows []Window) []*end {
		out := c.exchangesAt(p, windows)
		for i := range out {
			if relative {
				c.relate(out[i])
			}
		}
		return out
	}

	lower := exchangesAt(widenedBy(around, 0))
	s, ok := callShift(near, lower)
	if !ok {
		var grid []time.Duration
		for d := clockGrid; d <= maxSkew; d += clockGrid {
			grid = append(grid, -d, d)
		}
		lower = append(lower, exchangesAt(widenedBy(around, grid...))...)
		if s, ok = callShift(near, lower); !ok {
			return nil
		}
	}
	var rest []Window
	for _, x := range calls {
		if x.near && !touches(around, x.start.Lo, x.stop.Hi) {
			rest = append(rest, Window{p.host, x.start.Lo.Add(s.d - s.exact - time.Second), x.stop.Hi.Add(s.d + s.exact + time.Second)})
		}
	}
	lower = append(lower, exchangesAt(rest)...)
	for _, e := range c.lone {
		if e.Service == p.service && e.Host == p.host && !c.hasCaller(e) {
			x := c.calledEnd(e)
			if x.wanted = true; relative {
				c.relate(&x)
			}
			lower = append([]*end{&x}, lower...)
		}
	}
	return s.pair(calls, onceEach(lower))
}

// calledEnd gives an exchange without ID on the common time line. Where its record tells one end alone, or a moment within, that stands for both ends.
func (c *collector) calledEnd(e *Event) end {
	x := endOfExchange(e, loneSet(e))
	if e.momentary() {
		x.hasStart, x.hasStop = true, true
	}
	x = c.onCommonTime(x)
	x.standIn(x.hasStart, x.hasStop)
	return x
}

// standIn takes the one end that is told, if it is one alone, for both.
func (x *end) standIn(start, stop bool) {
	switch {
	case start && !stop:
		x.stop, x.hasStop = x.start, true
	case stop && !start:
		x.start, x.hasStart = x.stop, true
	}
}

// oneEnded says that the record of an exchange does not tell both when it began and when it was over.
func (x *end) oneEnded() bool {
	_, _, startOK, endOK := x.e.Interval()
	return !startOK || !endOK
}

// oneClock says whether one clock stamped all calls.
func oneClock(calls []*calling) bool {
	return !slices.ContainsFunc(calls, func(x *calling) bool { return x.clock != calls[0].clock })
}

// relate leaves of what is not known of an end on the common time line what its stamps leave open: by how much its clock may be off there, all ends
// that it stamped are off alike, and between two clocks that is what is asked for.
func (c *collector) relate(x *end) {
	if !c.clocks.Tied(x.e) {
		return
	}
	start, stop := c.clocks.Align(x.e)
	rawStart, rawStop, startOK, stopOK := x.e.Interval()
	about := func(at Instant, raw RawSpan) RawSpan {
		half := raw.Hi.Sub(raw.Lo) / 2
		return RawSpan{at.Time.Add(-half), at.Time.Add(half)}
	}
	if x.e.momentary() {
		startOK, stopOK = true, true
	}
	if stopOK {
		x.stop = about(stop, rawStop)
	}
	switch {
	case startOK && x.e.Kind != LogRecord:
		x.start = about(start, rawStart)
	case x.hasStart && x.e.Kind != ServerSpan: // it is known by its caller's alone
		x.start.Hi = x.stop.Hi
	}
	if x.e.Kind == ServerSpan {
		x.standIn(startOK, stopOK)
	}
}

// onceEach gives ends by position, each once.
func onceEach(ends []*end) []*end {
	slices.SortStableFunc(ends, func(a, b *end) int { return a.e.Pos.Compare(b.e.Pos) })
	return slices.CompactFunc(ends, func(a, b *end) bool { return a.e.Pos == b.e.Pos })
}

// widenedBy gives windows on a clock that may be ahead by the shifts, and by callSkew beside each.
func widenedBy(windows []Window, shifts ...time.Duration) []Window {
	var out []Window
	for _, w := range windows {
		for _, d := range shifts {
			out = append(out, Window{w.Host, w.From.Add(d - callSkew), w.To.Add(d + callSkew)})
		}
	}
	return merged(out)
}

// hasCaller says whether the record of the exchange for which e's was made is known.
func (c *collector) hasCaller(e *Event) bool {
	_, ok := c.callerOf[e.Pos]
	return ok
}

// exchangesAt reads the exchanges that a place logged within windows of its host's raw stamps, but for those that
// IDs join to a request that is read, and those whose caller is known.
func (c *collector) exchangesAt(p place, windows []Window) []*end {
	if len(windows) == 0 {
		return nil
	}
	windows = merged(windows)
	wants := make([]Want, len(windows))
	for i := range windows {
		wants[i].Near = &windows[i]
	}
	parts := make([][]*end, len(c.srcs))
	c.scan(wants, func(i int, e *Event) {
		if e.Kind != ServerSpan || e.Service != p.service || e.Host != p.host || c.events[e.Pos] != nil || c.hasCaller(e) || len(parts[i]) >= kinEnds || !touches(windows, e.Time, e.Time) {
			return
		}
		x := c.calledEnd(e.Clone())
		parts[i] = append(parts[i], &x)
	})
	return onceEach(slices.Concat(parts...))
}

// bounds gives between what the callee's clock is ahead if l is the exchange of the call: it lies within the call. A moment within it tells that only of whom was called by
// name, and nothing of one that may have gone on when the call was over.
func (x *calling) bounds(l *end) (lo, hi time.Duration, ok bool) {
	if x.line != l.line && x.line != l.anyMethod() || x.set == l.set || !l.hasStart || !l.hasStop || l.status == 0 {
		return 0, 0, false
	}
	switch {
	case l.oneEnded() && (x.got == 0 || !x.named):
		return 0, 0, false
	case x.got != 0:
		if x.got != l.status {
			return 0, 0, false
		}
		lo, hi = l.stop.Lo.Sub(x.stop.Hi), l.start.Hi.Sub(x.start.Lo)
	case x.ended == GaveUp || x.ended == CallerLeft:
		// It went on when its caller left.
		lo, hi = l.start.Lo.Sub(x.stop.Hi), min(l.start.Hi.Sub(x.start.Lo), l.stop.Hi.Sub(x.stop.Lo))
	default:
		lo, hi = l.start.Lo.Sub(x.stop.Hi), l.start.Hi.Sub(x.start.Lo)
	}
	return lo, hi, lo <= hi+callExact[0] && lo < maxSkew && hi > -maxSkew
}

// A fitSide is a side of the interval in which the shift lies if a call and an exchange are a pair.
type fitSide struct {
	at    time.Duration
	opens bool
	u, l  int
}

// callShift finds by how much the clock of a callee is ahead of the common time line, as far as the calls that got an answer and the
// exchanges that may be theirs agree: the shift that lies within the bounds of most pairs, if these are most of the calls and
// no other shift is within those of half as many.
func callShift(calls []*calling, lower []*end) (s shift, ok bool) {
	byLine := map[string][]int{}
	for i, l := range lower {
		byLine[l.line] = append(byLine[l.line], i)
		byLine[l.anyMethod()] = append(byLine[l.anyMethod()], i)
	}
	var all []fitSide
	had := map[int]bool{}
	most := 0.0 // of the calls may be of this host
	var longest time.Duration
	for i, x := range calls {
		if x.got == 0 {
			continue
		}
		for _, j := range byLine[x.line] {
			if lo, hi, ok := x.bounds(lower[j]); ok {
				all = append(all, fitSide{min(lo, hi), true, i, j}, fitSide{max(lo, hi), false, i, j})
				longest = max(longest, hi-lo)
				if !had[i] {
					had[i] = true
					most += 1 / float64(x.hosts)
				}
			}
		}
	}
	return agreedShift(all, most, longest)
}

// agreedShift finds the shift that lies within the bounds of most pairs, if these are most of so many that may have one, and no other shift, farther off than
// the longest bounds, is within those of half as many. An end is in one pair.
func agreedShift(all []fitSide, most float64, longest time.Duration) (s shift, ok bool) {
	slices.SortFunc(all, func(a, b fitSide) int {
		if a.at != b.at {
			return cmp.Compare(a.at, b.at)
		}
		return cmp.Or(boolInt(b.opens)-boolInt(a.opens), a.u-b.u, a.l-b.l)
	})
	inU, inL := map[int]int{}, map[int]int{}
	best, from, to := 0, 0, 0
	counts := make([]int, len(all))
	for i, b := range all {
		if b.opens {
			inU[b.u]++
			inL[b.l]++
		} else {
			less(inU, b.u)
			less(inL, b.l)
		}
		if counts[i] = min(len(inU), len(inL)); counts[i] > best {
			best, from = counts[i], i
			to = i + 1
		}
	}
	if best < alikeLeast || float64(best) < alikeShare*most {
		return shift{}, false
	}
	a, z := all[from].at, all[to].at
	second := 0
	for i, n := range counts {
		if all[i].at < a-longest || all[i].at > z+longest {
			second = max(second, n)
		}
	}
	if best < alikeRarely*second {
		return shift{}, false
	}
	return shift{d: a + (z-a)/2, exact: (z - a) / 2, pairs: best}, true
}

// less takes one from a count and forgets it at none.
func less(m map[int]int, k int) {
	if m[k]--; m[k] == 0 {
		delete(m, k)
	}
}

// pair pairs calls with exchanges, those first that fit exactly. Where several fit each other, as many on both sides, they are paired in
// order, each as one of so many; where there are more on one side, none is.
func (s shift) pair(calls []*calling, lower []*end) (out []kinship) {
	byLine := map[string][]*end{}
	for _, l := range lower {
		byLine[l.line] = append(byLine[l.line], l)
		byLine[l.anyMethod()] = append(byLine[l.anyMethod()], l)
	}
	words := fmt.Sprintf("and %d such pairs agree on the clock", s.pairs)
	taken := map[*end]bool{}
	// Calls that got no answer fit more: they come last.
	for _, answered := range []bool{true, false} {
		for _, exact := range callExact {
			var fits []fit
			for _, x := range calls {
				if taken[&x.end] || answered != (x.got != 0) {
					continue
				}
				for _, l := range byLine[x.line] {
					if lo, hi, ok := x.bounds(l); ok && !taken[l] && lo-exact <= s.d+s.exact && hi+exact >= s.d-s.exact {
						fits = append(fits, fit{u: &x.end, l: l})
					}
				}
			}
			for _, group := range components(fits, fit.ends) {
				for _, k := range inOrder(group, words) {
					taken[k.upper], taken[k.lower] = true, true
					out = append(out, k)
				}
			}
		}
	}
	return out
}

// inOrder pairs the ends of a component that has as many of both sides; words say by what they are of one time.
func inOrder(group []fit, words string) (out []kinship) {
	us, ls, at := map[*end]bool{}, map[*end]bool{}, map[[2]*end]fit{}
	for _, f := range group {
		us[f.u], ls[f.l] = true, true
		at[[2]*end{f.u, f.l}] = f
	}
	upper, lower := slices.SortedFunc(maps.Keys(us), byRawTime), slices.SortedFunc(maps.Keys(ls), byRawTime)
	if len(upper) != len(lower) || len(upper) > maxCandidates {
		return nil
	}
	for i, u := range upper {
		f, ok := at[[2]*end{u, lower[i]}]
		if !ok {
			return nil
		}
		out = append(out, kinship{upper: u, lower: f.l, candidates: len(upper), reason: kinWords(u, f.l, words)})
	}
	return out
}
