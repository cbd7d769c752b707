package timeline

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// An app may write neither exchanges nor IDs, and no zone, on a host of its own: then it is by its errors alone that one can tell that it stands
// behind a proxy. Those lie within the exchanges that the proxy had failed by it, all by one and the same difference of the clocks.

// Bounds of the pairs of failed exchanges and errors of one place of which the difference of the clocks is learnt: where there are many of such places fewer of each.
const (
	pairsCompared = 100_000
	pairsLeast    = 1_000
	partsTaken    = 8 // of a path by proxies, at most
)

// A failedCall is an exchange of a proxy that one who was called failed.
type failedCall struct {
	e    *Event
	path string
	Window
}

// A behind is who stands behind a proxy: at an address that it names, or, where its records name none, behind the proxy as such.
type behind struct {
	peer  string
	proxy place
}

// behindProxies finds which services answer behind proxies of which nothing else tells that, as errors without ID of services that log no
// exchange show, and ties their clocks. Where the proxy's records tell nothing of whom it calls, each error that fits one exchange alone is joined to that. It says whether
// there is one.
func (c *collector) behindProxies() bool {
	calls, messages := c.failedCalls()
	if len(calls) == 0 {
		return false
	}
	found := false
	most := max(pairsLeast, pairsCompared/max(1, len(calls)*len(messages)/8))
	for _, b := range slices.SortedFunc(maps.Keys(calls), func(a, b behind) int { return cmp.Or(strings.Compare(a.peer, b.peer), comparePlaces(a.proxy, b.proxy)) }) {
		var at []place
		var ties []shifted
		for p, ms := range messages {
			if t := failedTogether(calls[b], ms, most); len(t) > 0 {
				at, ties = append(at, p), t
			}
		}
		if len(at) != 1 {
			continue // none, or of several nothing tells which
		}
		found = true
		if !c.clocks.together(ties[0].upper, ties[0].lower) {
			c.shifts = append(c.shifts, ties...)
		}
		if b.peer == "" {
			c.adoptErrors(ties)
			continue
		}
		c.answering = append(c.answering, Endpoint{Peer: b.peer, Service: at[0].service, Host: at[0].host, Seen: len(ties)})
	}
	slices.SortFunc(c.answering, compareEndpoints)
	slices.SortFunc(c.shifts, func(x, y shifted) int {
		return cmp.Or(x.upper.Pos.Compare(y.upper.Pos), x.lower.Pos.Compare(y.lower.Pos))
	})
	return found
}

// failedCalls gives the exchanges that were failed by somebody of whom it is not known who it is, and the errors of services that may be it, by place.
func (c *collector) failedCalls() (map[behind][]failedCall, map[place][]*Event) {
	calls := map[behind][]failedCall{}
	exchanging := map[string]bool{}
	for _, e := range c.exchangesRead() {
		exchanging[e.Service] = true
		if e.Role == RoleApp || e.Role == RoleDependency || !stamped(e) || !e.Status().Failed() {
			continue
		}
		x := failedCall{e, e.Attrs.Get("url.path"), failsWithin(e)}
		switch n := len(e.Calls); {
		case n > 0:
			if o := &e.Calls[n-1]; e.Role.Forwards() && o.Peer != "" && o.Status >= 500 && !o.OwnMade && !c.knownAt(e, o.Peer) {
				calls[behind{peer: o.Peer}] = append(calls[behind{peer: o.Peer}], x)
			}
		case e.StatusCode == 500 && !hasIdentity(e): // what proxies make themselves is mostly another status
			b := behind{proxy: place{e.Service, e.Host}}
			calls[b] = append(calls[b], x)
		}
	}
	if len(calls) == 0 {
		return nil, nil
	}
	messages, seen := map[place][]*Event{}, map[Pos]bool{}
	for _, m := range c.orphans {
		if m.writtenFailure() && !seen[m.Pos] && m.Role != RoleDependency && !m.Role.Forwards() && !exchanging[m.Service] {
			seen[m.Pos] = true
			p := place{m.Service, m.Host}
			messages[p] = append(messages[p], m)
		}
	}
	return calls, messages
}

// adoptErrors joins errors to the exchanges within which they lie.
func (c *collector) adoptErrors(ties []shifted) {
	for _, t := range ties {
		if c.placed[t.lower.Pos] {
			continue
		}
		c.callerOf[t.lower.Pos] = caller{pos: t.upper.Pos}
		why := "it alone lies within the exchange that failed, by clocks that are nearly right, zones apart"
		if len(ties) > 1 {
			why = "it alone lies within the exchange that failed, and others do so by the same difference of the clocks"
		}
		if t.named {
			why = "same path, " + why
		}
		c.takeIn(c.setOf(t.upper), Joined{Event: t.lower, Join: ByInferred, Candidates: 1, Reason: why})
	}
}

// knownAt says whether it is known, but by the ties of like errors, who answers an exchange's writer at a peer.
func (c *collector) knownAt(e *Event, peer string) bool {
	at, ok := c.builder().endpoint(&Call{Peer: peer, Record: &Joined{Event: e}, Caller: &Hop{Service: e.Service, Host: e.Host, Role: e.Role}})
	return ok && c.clocks.partOf(at.Host) != nil && c.places[place{at.Service, at.Host}]
}

// failedTogether pairs failed exchanges with the errors of one place that lie within them by one difference of the clocks, if most of both do, and by no other one half
// as many: with those that name the path that was asked for, or, where none does, with all, if there are many. It is learnt of so many pairs at most. What fits several of these tells nothing of how far
// the clocks are off.
func failedTogether(calls []failedCall, messages []*Event, most int) []shifted {
	slices.SortFunc(calls, func(a, b failedCall) int { return cmp.Or(a.From.Compare(b.From), a.e.Pos.Compare(b.e.Pos)) })
	slices.SortFunc(messages, func(a, b *Event) int { return cmp.Or(a.Time.Compare(b.Time), a.Pos.Compare(b.Pos)) })
	named := samePath(calls, messages)
	if s, n, ok := shiftOf(named, most); ok {
		return onlyOnes(s.of(named))
	} else if n > 0 {
		return fewTogether(named, n)
	}
	var some []shifted
	for i := range calls {
		if len(some) >= most {
			break
		}
		for _, m := range messages {
			if t := calls[i].with(m, false); max(t.lo.Abs(), t.hi.Abs()) <= maxSkew {
				some = append(some, t)
			}
		}
	}
	s, _, ok := shiftOf(some, len(some))
	if !ok || s.pairs < shiftLeast {
		return nil
	}
	var all []shifted
	for i := range calls {
		x := &calls[i]
		from, _ := slices.BinarySearchFunc(messages, x.From.Add(s.d-s.exact-time.Second), func(m *Event, t time.Time) int { return m.Time.Compare(t) })
		for _, m := range messages[from:] {
			if m.Time.After(x.To.Add(s.d + s.exact + time.Second)) {
				break
			}
			all = append(all, x.with(m, false))
		}
	}
	return onlyOnes(s.of(all))
}

// samePath pairs exchanges with errors that name their path, or its end, as behind proxies that take a part of it away: those of the paths first of which there are fewest.
func samePath(calls []failedCall, messages []*Event) []shifted {
	by := map[string][]*Event{}
	for _, m := range messages {
		if path := m.Attrs.Get("url.path"); path != "" {
			by[path] = append(by[path], m)
		}
	}
	pairs := map[string][]shifted{}
	for i := range calls {
		x := &calls[i]
		for path, taken := x.path, 0; path != "" && taken <= partsTaken; taken++ {
			for _, m := range by[path] {
				if t := x.with(m, true); max(t.lo.Abs(), t.hi.Abs()) <= maxSkew && len(pairs[path]) < pairsCompared {
					pairs[path] = append(pairs[path], t)
				}
			}
			next := strings.IndexByte(path[1:], '/')
			if next < 0 {
				break
			}
			path = path[1+next:]
		}
	}
	var out []shifted
	for _, path := range slices.SortedFunc(maps.Keys(pairs), func(a, b string) int { return cmp.Or(len(pairs[a])-len(pairs[b]), strings.Compare(a, b)) }) {
		out = append(out, pairs[path]...)
	}
	return out
}

// with pairs an exchange with an error.
func (x *failedCall) with(m *Event, named bool) shifted {
	at, _, _, _ := m.Interval()
	return shifted{x.e, m, at.Lo.Sub(x.To), at.Hi.Sub(x.From), named}
}

// shiftOf finds the shift on which the first of so many pairs agree, and gives of how many errors they are.
func shiftOf(pairs []shifted, most int) (s shift, errors int, ok bool) {
	u, l := map[Pos]int{}, map[Pos]int{}
	number := func(of map[Pos]int, p Pos) int {
		if _, known := of[p]; !known {
			of[p] = len(of)
		}
		return of[p]
	}
	var all []fitSide
	var longest time.Duration
	for _, p := range pairs[:min(len(pairs), most)] {
		i, j := number(u, p.upper.Pos), number(l, p.lower.Pos)
		all = append(all, fitSide{p.lo, true, i, j}, fitSide{p.hi, false, i, j})
		longest = max(longest, p.hi-p.lo)
	}
	s, ok = agreedShift(all, float64(min(len(u), len(l))), longest)
	return s, len(l), ok
}

// of leaves the pairs that the shift may be between.
func (s shift) of(pairs []shifted) []shifted {
	return slices.DeleteFunc(pairs, func(p shifted) bool { return p.hi < s.d-s.exact || p.lo > s.d+s.exact })
}

// onlyOnes leaves the pairs of which neither is in another one.
func onlyOnes(pairs []shifted) []shifted {
	of, in := map[Pos]int{}, map[Pos]int{}
	for _, p := range pairs {
		of[p.upper.Pos]++
		in[p.lower.Pos]++
	}
	return slices.DeleteFunc(pairs, func(p shifted) bool { return of[p.upper.Pos] > 1 || in[p.lower.Pos] > 1 })
}

// nearlyRight is by how much the clocks of servers that are kept in time are off at most, zones apart.
const nearlyRight = 2 * time.Second

// fewTogether gives of so few pairs that no number of them tells those of clocks that are nearly right, and of one zone, if all errors that name the path of a
// failed exchange are in one, and each in one alone.
func fewTogether(pairs []shifted, errors int) []shifted {
	var out []shifted
	var zone time.Duration
	for _, p := range pairs {
		mid := p.lo + (p.hi-p.lo)/2
		z := mid.Round(zoneStep)
		if z != 0 && p.upper.Stamp.Zone != ZoneUnknown && p.lower.Stamp.Zone != ZoneUnknown || p.lo > z+nearlyRight || p.hi < z-nearlyRight {
			continue
		}
		if len(out) > 0 && z != zone {
			return nil
		}
		out, zone = append(out, p), z
	}
	if len(out) != errors || len(out) >= alikeLeast {
		return nil
	}
	return onlyOnes(out)
}
