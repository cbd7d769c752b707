package timeline

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// nearby is by how much a failed request may be apart from a wanted one and still be
// read: the two compete for the records without ID of that time.
const nearby = 3 * time.Second

// neighbours reads the other requests that failed around the wanted ones, whole, since
// a record without ID may be theirs. Where all failures are wanted there are none left.
func (c *collector) neighbours() {
	var spans []Window
	for s, events := range c.sets() {
		if !c.isWanted(s, events) {
			continue
		}
		var w Window
		for _, e := range events {
			start, end := c.clocks.Align(e)
			for _, a := range []Instant{start, end} {
				if a.Known() && (w.From.IsZero() || a.Earliest.Before(w.From)) {
					w.From = a.Earliest
				}
				if a.Known() && a.Latest.After(w.To) {
					w.To = a.Latest
				}
			}
		}
		spans = append(spans, Window{From: w.From.Add(-nearby), To: w.To.Add(nearby)})
	}
	c.near = map[string]bool{}
	c.failedWithin(spans)
}

// failedWithin reads the requests that failed within spans of the common time line, whole.
func (c *collector) failedWithin(spans []Window) {
	spans = merged(spans)
	for _, e := range c.failed {
		forms := c.graph.identityForms(e)
		if len(forms) == 0 || carries(e, c.wanted) || len(c.near) > c.lim.Requests {
			continue
		}
		start, end := c.clocks.Align(e)
		if at := firstKnown(start, end); touches(spans, at.Earliest, at.Latest) {
			for _, f := range forms {
				c.near[f] = true
			}
			c.addEvent(e)
		}
	}
	c.byKeys()
}

// windows reads, on every host that a wanted request met, what was stamped while the
// request was there, and joins the records without ID that fit.
func (c *collector) windows() {
	clocks := map[string][]string{} // of each host
	for clock := range c.clocks.nodes {
		h, _ := clockHost(clock)
		clocks[h] = append(clocks[h], clock)
	}
	byHost := map[string][]Window{}
	sets := c.sets()
	for set, rs := range c.drafts {
		if !c.isWanted(set, sets[set]) {
			continue
		}
		for _, r := range rs {
			if !r.Failed {
				continue
			}
			for _, h := range r.Hops {
				from, to := hopWindow(h)
				if !from.Known() {
					continue
				}
				for _, clock := range clocks[h.Host] {
					a, b := c.clocks.rawWindow(clock, from.Earliest.Add(-time.Second), to.Latest.Add(time.Second+lateLine))
					byHost[h.Host] = append(byHost[h.Host], Window{h.Host, a, b})
				}
			}
		}
	}
	for host, ws := range byHost {
		byHost[host] = merged(ws)
	}
	rivals, orphans, more := c.around(byHost)
	if more {
		c.draft()
	}
	c.join(rivals, orphans)
	if c.diedBefore() {
		c.draft()
		c.join(rivals, orphans)
	}
}

// Bounds of what is read around the requests asked for by ID, to know the clocks of that
// time: raw time before and after on their hosts, and requests of all hosts together.
const (
	neighbourhood   = 15 * time.Second
	neighbourhoodOf = 400
)

// neighbourhoods reads, around each request asked for by ID, the requests that were handled on the same
// hosts nearest to it in time, for clocks are learnt from requests of the time of which they are to tell.
func (c *collector) neighbourhoods() {
	if !c.byID() {
		return // all failures of a time are wanted: there is no one neighbourhood
	}
	byHost := map[string][]Window{}
	for set, events := range c.sets() {
		if !c.isWanted(set, events) {
			continue
		}
		for _, e := range events {
			byHost[e.Host] = append(byHost[e.Host], Window{e.Host, e.Time.Add(-neighbourhood), e.Time.Add(neighbourhood)})
		}
	}
	wants := nearWants(byHost)
	if len(wants) == 0 {
		return
	}
	type near struct {
		sampleKey
		away time.Duration
	}
	var parts []map[place][]near
	most := max(10, neighbourhoodOf/len(byHost))
	less := func(a, b near) int {
		return cmp.Or(cmp.Compare(a.away, b.away), cmp.Compare(a.hash, b.hash), strings.Compare(a.key.Value, b.key.Value))
	}
	keep := func(i int, e *Event) {
		ids := identities(e)
		if len(ids) == 0 {
			return
		}
		n := near{sampleKey{hash(ids[0].Form()), ids[0]}, 1 << 62}
		for _, w := range byHost[e.Host] {
			if w.Match(e) {
				n.away = min(n.away, e.Time.Sub(w.From.Add(w.To.Sub(w.From)/2)).Abs())
			}
		}
		if parts[i] == nil {
			parts[i] = map[place][]near{}
		}
		p := place{e.Service, e.Host}
		list := append(parts[i][p], n)
		if len(list) >= 4*most { // only the nearest are kept
			slices.SortFunc(list, less)
			list = slices.CompactFunc(list, func(a, b near) bool { return a.key.Value == b.key.Value })
			list = list[:min(len(list), most)]
		}
		parts[i][p] = list
	}
	all := map[place][]near{}
	others := false
	for _, some := range []bool{true, false} { // where a server's times lead to no others, all are looked at
		parts = make([]map[place][]near, len(c.srcs))
		f := c.widened(wants)
		f.Some = some
		c.scanWithin(f, keep)
		for _, part := range parts {
			for p, list := range part {
				all[p] = append(all[p], list...)
				others = others || slices.ContainsFunc(list, func(n near) bool { return !c.wanted[n.key.Form()] })
			}
		}
		if others {
			break
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(all), comparePlaces) {
		list := all[p]
		slices.SortFunc(list, less)
		for _, n := range list[:min(len(list), most)] {
			c.ask(n.key)
		}
	}
	// Of what these requests wrote at other times nothing is needed.
	c.byKeysWithin(c.surrounding())
}

// failuresAround is for how long before and after a request asked for by ID its
// surroundings are read: what else failed, and how processes fared.
const failuresAround = 30 * time.Minute

// failures reads the candidates of failure and the lives of processes around the requests
// asked for by ID, by every clock; of what a clock stamped of which nothing tells, all.
func (c *collector) failures() {
	if !c.byID() {
		return
	}
	within := c.surrounding()
	if len(within) == 0 {
		return
	}
	f := c.widened([]Want{{Failed: &anyFailed}, {Lifecycle: true}})
	f.Within = within
	keep := func(e *Event) bool {
		ws := within[ClockOf(e)]
		return (len(ws) == 0 || e.Undated() || touches(ws, e.Time, e.Time)) && c.tells(e)
	}
	for _, e := range c.readWithin(f, c.lim.WindowEvents, keep) {
		c.logs(e)
		c.note(e)
	}
}

// surrounding gives the windows of raw time around the wanted requests, for each clock that stamped an
// event of these, or of another request that ties it to their clocks.
func (c *collector) surrounding() map[string][]Window {
	byClock := map[string][]Window{}
	sets := c.sets()
	names := slices.Sorted(maps.Keys(sets))
	for _, set := range names {
		if !c.isWanted(set, sets[set]) {
			continue
		}
		for _, e := range sets[set] {
			if !e.Time.IsZero() {
				byClock[ClockOf(e)] = append(byClock[ClockOf(e)], Window{e.Host, e.Time, e.Time})
			}
		}
	}
	for clock, ws := range byClock {
		for i := range ws {
			ws[i].To = ws[i].To.Add(1)
		}
		byClock[clock] = merged(ws)
	}
	// How far two clocks are apart is told by the requests nearest to a wanted one.
	type tie struct{ away, ahead time.Duration }
	const ties = 9
	for todo := slices.Sorted(maps.Keys(byClock)); len(todo) > 0; {
		found := map[string][]tie{}
		from := map[string]string{}
		for _, clock := range todo {
			at := byClock[clock][0].From
			for _, set := range names {
				i := slices.IndexFunc(sets[set], func(e *Event) bool { return ClockOf(e) == clock && !e.Time.IsZero() })
				if i < 0 {
					continue
				}
				own := sets[set][i].Time
				for _, e := range sets[set] {
					other := ClockOf(e)
					if by, ok := from[other]; byClock[other] != nil || e.Time.IsZero() || ok && by != clock {
						continue
					}
					from[other] = clock
					found[other] = append(found[other], tie{own.Sub(at).Abs(), e.Time.Sub(own)})
				}
			}
		}
		todo = slices.Sorted(maps.Keys(found))
		for _, clock := range todo {
			ts := found[clock]
			slices.SortFunc(ts, func(a, b tie) int { return cmp.Or(cmp.Compare(a.away, b.away), cmp.Compare(a.ahead, b.ahead)) })
			ts = ts[:min(len(ts), ties)]
			slices.SortFunc(ts, func(a, b tie) int { return cmp.Compare(a.ahead, b.ahead) })
			ahead := ts[len(ts)/2].ahead
			host, _ := clockHost(clock)
			for _, w := range byClock[from[clock]] {
				byClock[clock] = append(byClock[clock], Window{host, w.From.Add(ahead), w.To.Add(ahead)})
			}
		}
	}
	for clock, ws := range byClock {
		for i := range ws {
			ws[i].From, ws[i].To = ws[i].From.Add(-failuresAround), ws[i].To.Add(failuresAround)
		}
		byClock[clock] = merged(ws)
	}
	return byClock
}

// nearWants merges the windows of each host and asks for what was stamped in them, host by host.
func nearWants(byHost map[string][]Window) (wants []Want) {
	for _, host := range slices.Sorted(maps.Keys(byHost)) {
		byHost[host] = merged(byHost[host])
		for i := range byHost[host] {
			wants = append(wants, Want{Near: &byHost[host][i]})
		}
	}
	return wants
}

// merged gives the windows in order, those that touch as one. All are of one host.
func merged(ws []Window) []Window {
	slices.SortFunc(ws, func(a, b Window) int { return a.From.Compare(b.From) })
	var out []Window
	for _, w := range ws {
		if n := len(out); n > 0 && !w.From.After(out[n-1].To) {
			if w.To.After(out[n-1].To) {
				out[n-1].To = w.To
			}
			continue
		}
		out = append(out, w)
	}
	return out
}

// touches says whether one of merged windows has a moment of [from, to].
func touches(ws []Window, from, to time.Time) bool {
	_, in := windowAt(ws, from, to)
	return in
}

// windowAt finds the first of merged windows that has a moment of [from, to].
func windowAt(ws []Window, from, to time.Time) (i int, in bool) {
	i, _ = slices.BinarySearchFunc(ws, from, func(w Window, t time.Time) int { return w.To.Compare(t) })
	return i, i < len(ws) && !ws[i].From.After(to)
}

// around reads the windows of each host: the exchanges of the services that wrote failures
// without ID, as rivals for these, and further records without ID of the same services. On
// hosts where a request went on to a service beside its caller, of which no record bears its ID, it is all services,
// and more says that one was found that had not been seen to log.
func (c *collector) around(byHost map[string][]Window) (rivals map[place][]exchange, orphans []*Event, more bool) {
	places, hosts, beside := map[place]bool{}, map[string]bool{}, c.besides()
	for _, e := range c.orphans {
		places[place{e.Service, e.Host}], hosts[e.Host] = true, true
	}
	for host := range beside {
		hosts[host] = true
	}
	var wants []Want
	for _, host := range slices.Sorted(maps.Keys(byHost)) {
		for i := range byHost[host] {
			if hosts[host] {
				wants = append(wants, Want{Near: &byHost[host][i]})
			}
		}
	}
	if len(wants) == 0 {
		return nil, nil, false
	}
	type found struct {
		exchanges map[place][]exchange
		orphans   []*Event
		places    map[place]bool
		n         int
	}
	parts := make([]found, len(c.srcs))
	c.scan(wants, func(i int, e *Event) {
		f, at := &parts[i], place{e.Service, e.Host}
		if beside[e.Host] && !f.places[at] && touches(byHost[e.Host], e.Time, e.Time) {
			if f.places == nil {
				f.places = map[place]bool{}
			}
			f.places[at] = true
		}
		if !places[at] && !beside[e.Host] || e.Lifecycle != NoLifecycle || e.Kind != ServerSpan && hasIdentity(e) || !touches(byHost[e.Host], e.Time, e.Time) {
			return
		}
		if f.n++; f.n > c.lim.WindowEvents {
			c.leftOut(e, c.lim.WindowEvents)
			return
		}
		if e.Kind != ServerSpan {
			if !c.idsAt.named(e) && !c.shortAt.named(e) {
				f.orphans = append(f.orphans, e.Clone())
			}
			return
		}
		x := exchangeOf(e, c.clocks)
		x.set = loneSet(e)
		if ids := identities(e); len(ids) > 0 {
			x.form = ids[0].Form()
		}
		if f.exchanges == nil {
			f.exchanges = map[place][]exchange{}
		}
		f.exchanges[at] = append(f.exchanges[at], x)
	})
	rivals = map[place][]exchange{}
	for _, f := range parts {
		for p, xs := range f.exchanges {
			rivals[p] = append(rivals[p], xs...)
		}
		orphans = append(orphans, f.orphans...)
		for at := range f.places {
			more = more || !c.places[at]
			c.services[at.service], c.places[at] = true, true
		}
	}
	return rivals, orphans, more
}

// besides gives the hosts on which a wanted request went on to a service of which no record bears its ID.
func (c *collector) besides() map[string]bool {
	out := map[string]bool{}
	for _, rs := range c.drafts {
		for _, r := range rs {
			for _, call := range r.Calls {
				if call.Callee == nil || !call.Callee.Silent || !r.Failed {
					continue
				}
				if beside(call) || call.Callee.Host == call.Caller.Host {
					out[call.Caller.Host] = true
				}
			}
		}
	}
	return out
}

// hopWindow is when the hop was at work: its own exchange, else its caller's call.
func hopWindow(h *Hop) (from, to Instant) {
	from, to = h.Start, h.End
	if h.span() == nil && h.Caller != nil {
		from, to = firstKnown(h.Caller.Start, h.Caller.Caller.Start), firstKnown(h.Caller.End, h.Caller.Caller.End)
	}
	if !to.Known() {
		to = from
	}
	if !from.Known() {
		from = to
	}
	return from, to
}

// refusedAbove says whether a proxy above made a failure of the answer of a hop, which was good by its head, and did not come too late: it may have
// broken off.
func refusedAbove(h *Hop) bool {
	if !h.Sent.good() || !h.End.Known() || vague(h.End) {
		return false
	}
	for c := h.Caller; c != nil && forwards(c.Caller) && (c.Ended == OutcomeUnknown || c.Ended == Complete) && !c.Outlasted(); c = c.Caller.Caller {
		if c.Caller.Sent != h.Sent {
			return c.Caller.Sent.Failed()
		}
	}
	return false
}

// join adds the records without ID to the wanted requests that they fit: rivals are the
// exchanges around these, and more further records without ID.
func (c *collector) join(rivals map[place][]exchange, more []*Event) {
	j := &joiner{clocks: c.clocks, lives: c.lives, openEnds: c.openEnds, exchanges: map[place]*exchanges{}, logs: map[place]bool{}, places: c.places}
	add := func(p place, x exchange) {
		if j.exchanges[p] == nil {
			j.exchanges[p] = &exchanges{}
		}
		if x.clock != "" { // it is logged by what the service runs, though its format may not tell
			x.system = cmp.Or(x.system, c.software[p.service].system)
		}
		j.exchanges[p].add(x)
		j.logs[p] = j.logs[p] || x.hop == nil
	}
	for p, xs := range rivals {
		for _, x := range xs {
			if x.form != "" && !c.graph.banned[x.form] {
				x.set = c.graph.find(x.form)
			}
			if base := c.absorbed[x.set]; base != "" {
				x.set = base
			}
			if _, own := c.drafts[x.set]; !own {
				add(p, x)
			}
		}
	}
	for set, rs := range c.drafts {
		for _, r := range rs {
			cut := r.Root().Ended == Truncated // at whatever hop it began to
			for _, call := range r.Calls {
				j.calls = append(j.calls, callOf{set, call})
			}
			for _, h := range r.Hops {
				var x exchange
				if sp := h.span(); sp != nil {
					x = exchangeOf(sp.Event, c.clocks)
					x.narrow(h, c.clocks)
				} else {
					x.failed = !h.Status().Known() || h.Status().Failed()
					x.from, x.to = hopWindow(h)
					x.killed = processEndedIn(h)
					x.hop = h
				}
				if x.set = set; cut || refusedAbove(h) {
					x.failed, x.broke, x.answered = true, true, false
				}
				if x.from.Known() || x.to.Known() {
					add(place{h.Service, h.Host}, x)
				}
			}
		}
	}
	for _, xs := range j.exchanges {
		xs.sort()
	}
	list := c.withoutID(more)
	j.waits = c.awaited(slices.DeleteFunc(slices.Clone(list), func(e *Event) bool { return !processDeath(e) }))
	joins := make([][]inferred, len(list))
	for i, e := range list {
		if joins[i] = j.passedOn(e); joins[i] == nil {
			joins[i] = j.join(e)
		}
	}
	sameWorker(list, joins)
	for j.ended(list, joins) {
		for i, e := range list {
			if len(joins[i]) > 1 {
				joins[i] = j.join(e)
			}
		}
		sameWorker(list, joins)
	}
	q := newQuotation()
	for i, e := range list {
		if joins[i] == nil {
			q.ask(e)
		}
	}
	for set, rs := range c.drafts {
		for _, r := range rs {
			for i := range r.Events {
				if e := &r.Events[i]; e.Kind == LogRecord && (e.Failed || e.Exception != nil) {
					q.look(set, e)
				}
			}
		}
	}
	for i, e := range list {
		if ats, _ := j.writtenAt(e); joins[i] == nil && len(ats) > 0 {
			joins[i] = q.join(e, ats[0])
		}
	}
	sameWorker(list, joins)            // of those too that quotations tell
	shares := sync.OnceValue(c.shares) // few deaths need them
	killedAgain(list, joins, func(o operation) float64 { return shares()(o) })
	pairDeaths(list, joins)
	pairMessages(list, joins)
	extra := map[string][]Joined{}
	for i, e := range list {
		for _, in := range joins[i] {
			if _, ok := c.drafts[in.set]; ok {
				extra[in.set] = append(extra[in.set], Joined{Event: e, Join: ByInferred, Candidates: in.candidates, Told: in.told, Reason: in.reason, Apart: in.apart})
			}
		}
	}
	c.redraft(extra, extra)
	// What workers died of is told by the calls, some of which only the records without ID tell.
	lost := c.workersLost()
	for set, add := range lost {
		extra[set] = append(extra[set], add...)
		for _, e := range add {
			if e.Candidates == 1 {
				delete(c.drafts, loneSet(e.Event)) // a record of an exchange that stood for a request of its own
			}
		}
	}
	c.redraft(lost, extra)
	asked := c.queries()
	for set, add := range asked {
		extra[set] = append(extra[set], add...)
	}
	c.redraft(asked, extra)
}

// redraft builds the drafts of changed sets anew, with what is joined to them.
func (c *collector) redraft(changed, joined map[string][]Joined) {
	sets := c.sets()
	for set := range changed {
		c.drafts[set] = c.builder().build(append(c.joined(set, sets[set]), joined[set]...))
		for _, r := range c.drafts[set] {
			c.settle(r)
		}
	}
}

// withoutID lists the records without ID, each once, by position.
func (c *collector) withoutID(more []*Event) []*Event {
	known := map[Pos]bool{}
	var list []*Event
	for _, e := range slices.Concat(c.orphans, more) {
		if e.Kind != ServerSpan && !known[e.Pos] && c.events[e.Pos] == nil && !c.placed[e.Pos] && !c.tellsLoss(e) {
			known[e.Pos] = true
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *Event) int { return a.Pos.Compare(b.Pos) })
	return list
}
