package timeline

import "slices"

// Bounds of how clocks are settled by whole requests.
const (
	settledBy    = 250 // requests
	settleRounds = 3   // times
	settleWidth  = 5e3 // microseconds: wider stamps say too little
	settleLeast  = 20  // moments of a clock
)

// hasCoarse says whether a pair's stamps were too wide to tell its delays.
func (s *solver) hasCoarse() bool {
	return slices.ContainsFunc(s.pairs, func(p *solverPair) bool {
		return p.delays.vague && slices.ContainsFunc(p.links, func(l clockLink) bool { return max(l.pWide[1], l.cWide[1]) >= coarse })
	})
}

// settle moves every clock, within its interval, to where the moments that it stamped lie in
// the middle of their stamps on average once the requests are refined, as they must if the clock is right:
// what the whole of a request says where its calls by themselves have stamps too wide to tell (the E and M steps of Dempster, Laird and
// Rubin, 1977).
func (m *ClockModel) settle(requests []*Request) {
	type tally struct {
		sum float64
		n   int
	}
	for range settleRounds {
		parts := make([]map[*clockNode]tally, len(requests))
		each(len(requests), func(i int) {
			f := newRefinement(m, requests[i])
			if f.solve() != nil {
				return
			}
			f.guess()
			parts[i] = map[*clockNode]tally{}
			for j := range f.moments {
				if x := &f.moments[j]; x.sure && x.b-x.a < settleWidth {
					n := m.nodes[x.clock.name] // a clock that has several names is moved once
					t := parts[i][n]
					parts[i][n] = tally{t.sum + x.mean - (x.a+x.b)/2, t.n + 1}
				}
			}
		})
		all := map[*clockNode]tally{}
		for _, part := range parts {
			for n, t := range part {
				all[n] = tally{all[n].sum + t.sum, all[n].n + t.n}
			}
		}
		ref := all[m.nodes[m.ref]]
		if ref.n < settleLeast {
			return
		}
		base := ref.sum / float64(ref.n)
		for n, t := range all {
			if t.n >= settleLeast && n != nil && n != m.nodes[m.ref] {
				// Aligned is raw less offset: what lies too late in its stamps runs behind where it is taken to be.
				n.shift(base - t.sum/float64(t.n))
			}
		}
	}
}
