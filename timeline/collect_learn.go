package timeline

import (
	"maps"
	"slices"
)

func (c *collector) builder() *builder {
	return &builder{book: c.book, clocks: c.clocks, roles: c.q.Roles, services: c.services, software: c.software, places: c.places, banned: c.graph.banned}
}

// joined gives the events of an alias set as they are joined to their request.
func (c *collector) joined(set string, events []*Event) []Joined {
	out := make([]Joined, 0, len(events))
	for _, e := range events {
		j := Joined{Event: e, Candidates: 1, Join: ByAlias}
		if carries(e, c.wanted) {
			j.Join = ByKey
		}
		out = append(out, j)
	}
	out = append(out, c.extra[set]...)
	for i := range out {
		if up, ok := c.callerOf[out[i].Pos]; ok {
			out[i].caller, out[i].skipped = &up.pos, up.skipped
		}
	}
	return out
}

// learn makes the endpoint book and the clock model from all requests read: the
// addresses first, from durations alone; then, with callers and callees known, the clocks.
func (c *collector) learn() {
	sets := c.sets()
	chained := map[string]bool{}
	for _, ch := range c.chains {
		maps.Copy(chained, ch.sets)
	}
	names := make([]string, 0, len(sets))
	for s := range sets {
		if !chained[s] {
			names = append(names, s)
		}
	}
	slices.Sort(names)
	all := make([][]Joined, 0, len(names)+len(c.chains))
	for _, s := range names {
		all = append(all, c.joined(s, sets[s]))
	}
	for _, ch := range c.chains {
		all = append(all, ch.events)
	}

	// Twice, so that what most requests show settles those that could be read otherwise.
	listening := listenersOf(c.life)
	var votes *bookDraft
	for range 2 {
		votes = newBookDraft(c.places, listening)
		for _, joined := range all {
			d := &draft{builder: &builder{roles: c.q.Roles, services: c.services}}
			for _, j := range joined {
				d.events = append(d.events, &j)
			}
			slices.SortFunc(d.events, func(x, y *Joined) int { return x.Pos.Compare(y.Pos) })
			d.makeHops()
			d.makeCalls()
			votes.vote(d.hops, d.calls, c.book)
		}
		c.book = votes.book()
	}

	c.good = wentWell{}
	fit := newClockFit()
	for h, off := range c.q.Offsets {
		fit.fixed[h] = off
	}
	fit.shared, fit.twins, fit.software = c.q.Clocks, c.twinZones, c.software
	for _, x := range c.anchored {
		fit.see(x.a)
		fit.see(x.b)
		fit.anchor(x.a, x.b)
	}
	fit.anchored = c.anchored
	for _, s := range c.shifts {
		into := fit.shifts
		if s.named {
			into = fit.guesses
		}
		fit.apart(into, s, false)
	}
	built := make([][]*Request, len(all))
	each(len(all), func(i int) {
		b := c.builder()
		b.rough = true // stamps are learnt from as they are
		built[i] = b.build(all[i])
		for _, r := range built[i] {
			Resolve(r)
		}
	})
	for i, joined := range all {
		for _, r := range built[i] {
			if len(joined) > 1 || hasIdentity(joined[0].Event) {
				votes.count(r) // a record that nothing ties to others does not tell who is outermost
			}
			c.good.count(r)
			fit.learn(r)
			fit.neighbours(r)
			for i := range r.Events {
				fit.tellZone(r.Events[i].Event)
			}
		}
	}
	for _, e := range slices.Concat(c.orphans, c.life, c.failed) {
		fit.see(e)
	}
	fit.quoted(c.orphans, built)
	c.book = votes.book()
	for _, e := range c.answering {
		if i, known := slices.BinarySearchFunc(c.book.Endpoints, e, compareEndpoints); !known {
			c.book.Endpoints = slices.Insert(c.book.Endpoints, i, e)
		}
	}
	records := slices.Concat(c.orphans, c.failed)
	if len(c.book.open) > 0 { // else nobody asks
		c.book.asked = askedAt(slices.Concat(records, c.sortedEvents()))
	}
	c.book.lone, c.book.failed, c.book.strangers = c.book.lonePeers(records), failedAtOf(records), c.strangers(all)
	fit.machines(c.book)
	c.clocks = fit.fit()
	c.book.tellGuests(slices.Concat(built...), c.clocks)
}

// strangers says whether services log that may handle requests and of which no record is tied to those of another one.
func (c *collector) strangers(requests [][]Joined) bool {
	tied := map[string]bool{}
	for _, events := range requests {
		for _, e := range events {
			if e.Service != events[0].Service {
				tied[e.Service], tied[events[0].Service] = true, true
			}
		}
	}
	for s := range c.services {
		role, ok := c.q.Roles[s]
		if !ok {
			role = c.software[s].role
		}
		if !tied[s] && role != RoleDependency {
			return true
		}
	}
	return false
}

// draft builds the wanted requests and their neighbours, with the lives of the processes
// that handled them.
func (c *collector) draft() {
	var unplaced []*Event
	stamped := slices.Concat(c.sortedEvents(), c.orphans, c.life)
	c.lives, unplaced = processes(c.life, homesOf(c.life, slices.Concat(c.sortedEvents(), c.orphans, c.failed)), stamped, c.clocks)
	lastSeen(c.lives, slices.Concat(c.sortedEvents(), c.orphans), c.clocks)
	c.drafts = map[string][]*Request{}
	var names []string
	var all [][]Joined
	for s, events := range c.sets() {
		if !c.isWanted(s, events) && !slices.ContainsFunc(events, func(e *Event) bool { return carries(e, c.near) }) {
			continue
		}
		names, all = append(names, s), append(all, c.joined(s, events))
	}
	built := make([][]*Request, len(all))
	each(len(all), func(i int) { built[i] = c.builder().build(all[i]) })
	for i, s := range names {
		c.drafts[s] = built[i]
	}
	lastBroken(c.lives, c.drafts)
	c.lives, c.openEnds = explain(c.lives, unplaced, stamped, c.clocks)
	lastBroken(c.lives, c.drafts)
	for _, rs := range c.drafts {
		for _, r := range rs {
			c.settle(r)
		}
	}
}

// settle gives the hops of r their process lives, resolves the lineage, and says whether r failed.
func (c *collector) settle(r *Request) {
	for _, h := range r.Hops {
		at := h.Start
		if h.Caller != nil && !at.Known() {
			at = h.Caller.Start
		}
		if at.Known() {
			h.Process = lifeOf(c.lives, h.Service, h.Host, h.pid(), at)
		}
	}
	for _, call := range r.Calls {
		diedMeanwhile(c.lives, call)
	}
	Resolve(r)
	r.Failed = c.requestFailed(r)
}
