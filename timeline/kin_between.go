package timeline

import (
	"cmp"
	"slices"
)

// named gives the end with an ID of whose request x is: itself, or the one that it was joined with; nil if none is known.
func (m *kinMatch) named(x *end) *end {
	if x.named {
		return x
	}
	return m.names[x]
}

// name notes whose request the ends of a pair are of that bear no ID.
func (m *kinMatch) name(u, l *end) {
	switch nu, nl := m.named(u), m.named(l); {
	case nu == nil && nl != nil:
		m.names[u] = nl
	case nl == nil && nu != nil:
		m.names[l] = nu
	}
}

// otherID says whether two ends are of requests of different IDs, as their services write the same ones.
func (m *kinMatch) otherID(u, l *end) bool {
	nu, nl := m.named(u), m.named(l)
	return nu != nil && nl != nil && nu.set != nl.set && m.c.sharesIDs(nu.at.service, nl.at.service)
}

// sharesIDs says whether two services were seen to write the same IDs.
func (c *collector) sharesIDs(p, q string) bool {
	return max(c.byIDs.Edge(p, q).Calls, c.byIDs.Edge(q, p).Calls) >= alikeLeast
}

// A sandwich is an exchange without ID that may stand between two of one ID.
type sandwich struct{ upper, lower fit }

// between pairs exchanges of a log without IDs with those of the logs on both sides of it that share one: each lies within the
// upper and around the lower one of the same request, which is more than either tells. That IDs tie these two to each other does not
// speak against it: that is all that IDs tell where what stands between writes none.
func (m *kinMatch) between(links []*kinLink, may func(u, l *end) bool) {
	for _, a := range links {
		for _, b := range links {
			if a.twin || b.twin || a.lower != b.upper || a.depth != 1 || b.depth != 1 || !m.c.sharesIDs(a.upper.service, b.lower.service) {
				continue
			}
			m.fill(a, b, may)
		}
	}
}

// calledDirectly says whether the peer that an exchange called is known to be the service of another one.
func (c *collector) calledDirectly(u, l *end) bool {
	if !u.over || len(u.e.Calls) == 0 {
		return false
	}
	at, ok := c.book.Lookup(u.at.service, u.e.Calls[len(u.e.Calls)-1].Peer)
	return ok && at.Service == l.at.service
}

// fill pairs the exchanges between the upper log of a and the lower log of b.
func (m *kinMatch) fill(a, b *kinLink, may func(u, l *end) bool) {
	below := map[string][]*end{}
	for _, l := range m.ends[b.lower] {
		if l.named && (l.root || l.under) && !m.up[l] {
			below[l.set] = append(below[l.set], l)
		}
	}
	var all []sandwich
	for _, u := range m.ends[a.upper] {
		if !u.named || !u.leaf && !u.over || m.down[u] != nil {
			continue
		}
		for _, x := range m.lines[a.lower][u.line] {
			if x.named || !x.root || !x.leaf && !x.gaveUp || m.up[x] || m.down[x] != nil || !may(u, x) {
				continue
			}
			if !m.c.fits(a, u, x) {
				continue
			}
			for _, l := range below[u.set] {
				if !may(x, l) || m.c.calledDirectly(u, l) {
					continue
				}
				if m.c.fits(b, x, l) {
					all = append(all, sandwich{upper: fit{u, x, a}, lower: fit{x, l, b}})
				}
			}
		}
	}
	us, xs := map[*end]int{}, map[*end]int{}
	for _, s := range all {
		us[s.upper.u]++
		xs[s.upper.l]++
	}
	slices.SortStableFunc(all, func(s, o sandwich) int { return cmp.Compare(m.c.gap(s.lower), m.c.gap(o.lower)) })
	for _, s := range all {
		u, x, l := s.upper.u, s.upper.l, s.lower.l
		if k := max(us[u], xs[x]); m.down[u] == nil && !m.up[x] && m.down[x] == nil && !m.up[l] && k <= maxCandidates {
			m.take(s.upper, k)
			m.take(s.lower, k)
		}
	}
}
