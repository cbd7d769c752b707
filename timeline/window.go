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
	var seen []*Event
	if len(wants) > 0 {
		inside := windowSet(wants)
		seen = c.read(wants, c.lim.WindowEvents, func(e *Event) bool {
			return inside(e) && (e.Kind == ServerSpan || !hasIdentity(e)) && e.Lifecycle == NoLifecycle
		})
	}
	c.join(seen)
}

// windowSet gives a quick test for lying in one of the windows, which do not overlap
// on one host and are sorted by their start.
func windowSet(wants []Want) func(*Event) bool {
	byHost := map[string][]*Window{}
	for _, w := range wants {
		byHost[w.Near.Host] = append(byHost[w.Near.Host], w.Near)
	}
	for _, ws := range byHost {
		slices.SortFunc(ws, func(a, b *Window) int { return a.From.Compare(b.From) })
	}
	return func(e *Event) bool {
		for _, w := range byHost[e.Host] {
			if w.From.After(e.Time) {
				return false
			}
			if w.Match(e) {
				return true
			}
		}
		return false
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

// join adds the records without ID to the wanted requests that they fit.
func (c *collector) join(seen []*Event) {
	j := &joiner{clocks: c.clocks, lives: c.lives, exchanges: map[place][]exchange{}, quoting: map[string][]*Joined{}}
	known := map[Pos]bool{}
	add := func(set string, e *Event) {
		if !known[e.Pos] {
			known[e.Pos] = true
			p := place{e.Service, e.Host}
			j.exchanges[p] = append(j.exchanges[p], exchangeOf(set, e, c.clocks))
		}
	}
	orphans := map[Pos]*Event{}
	for _, e := range c.orphans {
		if e.Kind != ServerSpan {
			orphans[e.Pos] = e
		}
	}
	for _, e := range seen {
		switch forms := c.graph.identityForms(e); {
		case len(forms) > 0 && e.Kind == ServerSpan:
			add(c.graph.find(forms[0]), e)
		case e.Kind == ServerSpan:
			add(loneSet(e), e)
		case len(forms) == 0:
			orphans[e.Pos] = e
		}
	}
	for set, rs := range c.drafts {
		for _, r := range rs {
			for _, h := range r.Hops {
				if sp := h.span(); sp != nil {
					add(set, sp.Event)
					continue
				}
				x := exchange{set: set, service: h.Service, host: h.Host, failed: !h.Status().Known() || h.Status().Failed()}
				x.from, x.to = hopWindow(h)
				x.killed = processEndedIn(h)
				if x.from.Known() {
					p := place{h.Service, h.Host}
					j.exchanges[p] = append(j.exchanges[p], x)
				}
			}
			for i := range r.Events {
				if e := &r.Events[i]; e.Failed || e.Exception != nil {
					j.quoting[set] = append(j.quoting[set], e)
				}
			}
		}
	}
	list := make([]*Event, 0, len(orphans))
	for _, e := range orphans {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b *Event) int { return a.Pos.Compare(b.Pos) })
	joins := make([][]inferred, len(list))
	for i, e := range list {
		joins[i] = j.join(e)
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
