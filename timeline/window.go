package timeline

import (
	"slices"
	"time"
)

// nearby is by how much a failed request may be apart from a wanted one and still be
// read: the two compete for the records without ID of that time.
const nearby = 3 * time.Second

// neighbours reads the other requests that failed around the wanted ones, whole, since
// a record without ID may be theirs. Where all failures are wanted there are none left.
func (c *collector) neighbours() {
	type span struct{ from, to time.Time }
	var spans []span
	for s, events := range c.sets() {
		if !c.isWanted(s, events) {
			continue
		}
		var w span
		for _, e := range events {
			start, end := c.clocks.Align(e)
			for _, a := range []Instant{start, end} {
				if a.Known() && (w.from.IsZero() || a.Earliest.Before(w.from)) {
					w.from = a.Earliest
				}
				if a.Known() && a.Latest.After(w.to) {
					w.to = a.Latest
				}
			}
		}
		spans = append(spans, span{w.from.Add(-nearby), w.to.Add(nearby)})
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	c.near = map[string]bool{}
	for _, e := range c.failed {
		forms := c.graph.identityForms(e)
		if len(forms) == 0 || c.events[e.Pos] != nil || len(c.near) > c.lim.Requests {
			continue
		}
		start, end := c.clocks.Align(e)
		at := firstKnown(start, end)
		for _, w := range spans {
			if w.from.After(at.Latest) {
				break
			}
			if !at.Earliest.After(w.to) {
				for _, f := range forms {
					c.near[f] = true
				}
				c.addEvent(e)
				break
			}
		}
	}
	c.byKeys()
}

// windows reads, on every host that a wanted request met, what was stamped while the
// request was there, and joins the records without ID that fit.
func (c *collector) windows() {
	type span struct{ from, to time.Time }
	spans := map[string][]span{} // by clock
	hosts := map[string]map[string]bool{}
	for clock := range c.clocks.nodes {
		h, _ := clockHost(clock)
		if hosts[h] == nil {
			hosts[h] = map[string]bool{}
		}
		hosts[h][clock] = true
	}
	sets := c.sets()
	for set, rs := range c.drafts {
		if !c.isWanted(set, sets[set]) {
			continue
		}
		for _, r := range rs {
			if !r.Failed && !hopFailed(r.Root()) {
				continue
			}
			for _, h := range r.Hops {
				from, to := hopWindow(h)
				if !from.Known() {
					continue
				}
				for clock := range hosts[h.Host] {
					a, b := c.clocks.rawWindow(clock, from.Earliest.Add(-time.Second), to.Latest.Add(time.Second+lateLine))
					spans[clock] = append(spans[clock], span{a, b})
				}
			}
		}
	}
	var wants []Want
	clocks := make([]string, 0, len(spans))
	for clock := range spans {
		clocks = append(clocks, clock)
	}
	slices.Sort(clocks)
	for _, clock := range clocks {
		list := spans[clock]
		slices.SortFunc(list, func(a, b span) int { return a.from.Compare(b.from) })
		host, _ := clockHost(clock)
		for i := 0; i < len(list); {
			w := list[i]
			for i++; i < len(list) && !list[i].from.After(w.to); i++ {
				if list[i].to.After(w.to) {
					w.to = list[i].to
				}
			}
			wants = append(wants, Want{Near: &Window{host, w.from, w.to}})
		}
	}
	c.join(c.around(wants))
}

// around reads the windows: the exchanges of the services that wrote failures without ID, as
// rivals for these, and further records without ID of the same services.
func (c *collector) around(wants []Want) (rivals map[place][]exchange, orphans []*Event) {
	places := map[place]bool{}
	for _, e := range c.orphans {
		places[place{e.Service, e.Host}] = true
	}
	wants = slices.DeleteFunc(wants, func(w Want) bool {
		for p := range places {
			if p.host == w.Near.Host {
				return false
			}
		}
		return true
	})
	if len(wants) == 0 {
		return nil, nil
	}
	inside := windowSet(wants)
	type found struct {
		exchanges map[place][]exchange
		orphans   []*Event
		n         int
	}
	parts := make([]found, len(c.srcs))
	c.scan(wants, func(i int, e *Event) {
		f, at := &parts[i], place{e.Service, e.Host}
		if !places[at] || e.Lifecycle != NoLifecycle || e.Kind != ServerSpan && hasIdentity(e) || !inside(e) {
			return
		}
		if f.n++; f.n > c.lim.WindowEvents {
			c.leftOut(e, c.lim.WindowEvents)
			return
		}
		if e.Kind != ServerSpan {
			f.orphans = append(f.orphans, e.Clone())
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
	}
	return rivals, orphans
}

// windowSet gives a quick test for lying in one of the windows.
func windowSet(wants []Want) func(*Event) bool {
	byHost := map[string][]Window{}
	for _, w := range wants {
		byHost[w.Near.Host] = append(byHost[w.Near.Host], *w.Near)
	}
	for host, ws := range byHost {
		slices.SortFunc(ws, func(a, b Window) int { return a.From.Compare(b.From) })
		merged := ws[:1]
		for _, w := range ws[1:] {
			if last := &merged[len(merged)-1]; !w.From.After(last.To) {
				if w.To.After(last.To) {
					last.To = w.To
				}
				continue
			}
			merged = append(merged, w)
		}
		byHost[host] = merged
	}
	return func(e *Event) bool {
		ws := byHost[e.Host]
		i, found := slices.BinarySearchFunc(ws, e.Time, func(w Window, t time.Time) int { return w.From.Compare(t) })
		if !found {
			i--
		}
		return i >= 0 && ws[i].Match(e)
	}
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

// join adds the records without ID to the wanted requests that they fit: rivals are the
// exchanges around these, and more further records without ID.
func (c *collector) join(rivals map[place][]exchange, more []*Event) {
	j := &joiner{clocks: c.clocks, lives: c.lives, exchanges: map[place]*exchanges{}}
	add := func(p place, x exchange) {
		if j.exchanges[p] == nil {
			j.exchanges[p] = &exchanges{}
		}
		j.exchanges[p].add(x)
	}
	for p, xs := range rivals {
		for _, x := range xs {
			if x.form != "" && !c.graph.banned[x.form] {
				x.set = c.graph.find(x.form)
			}
			if _, own := c.drafts[x.set]; !own {
				add(p, x)
			}
		}
	}
	for set, rs := range c.drafts {
		for _, r := range rs {
			for _, h := range r.Hops {
				var x exchange
				if sp := h.span(); sp != nil {
					x = exchangeOf(sp.Event, c.clocks)
				} else {
					x.failed = !h.Status().Known() || h.Status().Failed()
					x.from, x.to = hopWindow(h)
					x.killed = processEndedIn(h)
				}
				x.set = set
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
	joins := make([][]inferred, len(list))
	q := newQuotation()
	for i, e := range list {
		if joins[i] = j.join(e); joins[i] == nil {
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
		if at, _, ok := j.writtenAt(e); joins[i] == nil && ok {
			joins[i] = q.join(e, at)
		}
	}
	pairDeaths(list, joins)
	extra := map[string][]Joined{}
	for i, e := range list {
		for _, in := range joins[i] {
			if _, ok := c.drafts[in.set]; ok {
				extra[in.set] = append(extra[in.set], Joined{Event: e, Join: ByInferred, Candidates: in.candidates, Reason: in.reason})
			}
		}
	}
	sets := c.sets()
	for set, add := range extra {
		c.drafts[set] = c.builder().build(append(c.joined(sets[set]), add...))
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
		if e.Kind != ServerSpan && !known[e.Pos] {
			known[e.Pos] = true
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *Event) int { return a.Pos.Compare(b.Pos) })
	return list
}
