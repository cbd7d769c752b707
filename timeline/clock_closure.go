package timeline

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	knotEvery  = 180.0   // seconds between two knots
	knotsMost  = 2000    // at most: of longer logs they stand only where calls are, and then further apart
	lateBy     = 30000.0 // microseconds: lines stamped late (a pause of the collector, a buffered logger) are late by about this
	slopeSteps = 4       // a range of slopes is looked at in so many steps at least
	slopesMost = 60      // and at most
	slopeWide  = 10.0    // ppm: a step need not be smaller
)

// wanders are the allowances for how much clocks leave their lines, in ppm: the least that
// explains the bounds is taken. The first is what chrony assumes of a clock by default (its
// maxclockerror).
var wanders = [...]float64{1, 2, 5, 15}

// each calls f for 0 to n-1 on all processors; f must write only to what is its own.
func each(n int, f func(i int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// placeKnots puts knots along the logs, on both sides of every step, and at every kink. Where
// logs are long they stand where there are calls: a record of a wrong year makes them span decades.
func (s *solver) placeKnots() {
	s.knots = nil
	n := int(max(2, min(1e9, s.end/knotEvery+1)))
	for ; n > knotsMost; n /= 2 {
		near := map[int]bool{0: true, n - 1: true}
		for _, p := range s.pairs {
			for i := range p.links {
				k := int(p.links[i].t / s.end * float64(n-1))
				near[k], near[min(k+1, n-1)] = true, true
			}
		}
		if len(near) <= knotsMost {
			for k := range near {
				s.knots = append(s.knots, s.end*float64(k)/float64(n-1))
			}
			break
		}
	}
	if len(s.knots) == 0 {
		for i := range n {
			s.knots = append(s.knots, s.end*float64(i)/float64(n-1))
		}
	}
	for _, h := range s.hosts {
		for i := range h.cuts {
			s.knots = append(s.knots, h.cuts[i].t-1e-3, h.cuts[i].t+1e-3)
		}
		for i := range h.runs {
			for _, k := range h.runs[i].kinks {
				s.knots = append(s.knots, k.t)
			}
		}
	}
	slices.Sort(s.knots)
}

// slopeUnknown is how far a slope may be open before the least that is possible is a better guess than the
// middle, in ppm.
const slopeUnknown = 25

// straighten closes the slopes of the pairs over the graph of hosts, since slopes are
// differences too, and turns every host's line so. It finds how much the clocks wander: the
// least that explains the bounds. What it leaves are the bounds of each stretch, made ready, with its range of slopes.
func (s *solver) straighten() {
	for range 2 {
		s.all = s.stretches(nil)
		s.clean(s.all)
		s.ready(s.all)
		var turn []float64
		for _, s.wander = range wanders {
			var bad, widened float64
			turn, bad, widened = s.closeSlopes()
			if bad <= 0.03 && widened <= 0.5*s.wander {
				break
			}
		}
		for i, h := range s.hosts {
			for j := range h.runs {
				h.runs[j].turn(-turn[i]*s.end/2, turn[i])
			}
		}
	}
	for _, p := range s.pairs {
		p.keep = make([]bool, len(p.links))
	}
	dropped := map[stretchKey]int{}
	s.given = 0
	for i := range s.all {
		dropped[s.all[i].stretchKey] = s.all[i].dropped
		s.given += float64(s.all[i].dropped) / float64(max(1, s.links))
		for _, b := range s.all[i].bounds {
			s.pairs[s.all[i].pair].keep[b.id] = true
		}
	}
	s.all = s.stretches(func(p *solverPair, link int) bool { return p.keep[link] })
	for i := range s.all {
		s.all[i].dropped = dropped[s.all[i].stretchKey]
	}
	s.ready(s.all)
}

func (s *solver) ready(all []stretch) {
	each(len(all), func(i int) {
		p := s.pairs[all[i].pair]
		all[i].edges = s.edgesOf(all[i].bounds, func(b *bound) float64 { return float64(p.links[b.id].weight) }, all[i].dropped+p.dropped)
	})
}

// closeSlopes gives by how much each host's line is to be turned, the share of the
// stretches that no line fits, and by how much ranges had to be widened. It sets the ranges of slopes of all
// stretches, relative to the turned lines.
func (s *solver) closeSlopes() (turn []float64, bad, widened float64) {
	ranges := make([][2]float64, len(s.all))
	fits := make([]bool, len(s.all))
	each(len(s.all), func(i int) {
		var p prober
		ranges[i], fits[i] = p.slopes(&s.all[i].edges, s.wander)
	})
	m := newMatrix(len(s.hosts))
	for i := range s.all {
		if !fits[i] {
			bad++
			continue
		}
		p := s.pairs[s.all[i].pair]
		m[p.p][p.c] = min(m[p.p][p.c], ranges[i][1])
		m[p.c][p.p] = min(m[p.c][p.p], -ranges[i][0])
	}
	paths, widened := m.shortest()
	turn = make([]float64, len(s.hosts))
	for h, host := range s.hosts {
		a, b := paths[s.ref][h], paths[h][s.ref]
		if a == inf || b == inf {
			host.slopeOpen = maxSlope
			continue
		}
		turn[h], host.slopeOpen = (a-b)/2, (a+b)/2
		if host.slopeOpen > slopeUnknown { // clocks that nothing tells of are taken to run alike
			turn[h] = min(a, max(-b, -host.runs[0].b))
		}
	}
	for _, p := range s.pairs {
		d := turn[p.c] - turn[p.p]
		// Where no line fits nothing is known of the slopes.
		p.slopes = [2]float64{max(-maxSlope, -paths[p.c][p.p]) - d, min(maxSlope, paths[p.p][p.c]) - d}
	}
	return turn, bad / float64(max(1, len(s.all))), widened
}

// close finds at every knot the tightest interval of every clock against the reference,
// and in it the point that fits the pairs' midpoints best.
func (s *solver) close() {
	n := len(s.hosts)
	type atKnot struct {
		run          []int
		lo, mid, hi  []float64
		contradicted bool
	}
	found := make([]atKnot, len(s.knots))
	loose := newMatrix(n)
	for _, p := range s.pairs {
		if p.loose {
			loose[p.p][p.c], loose[p.c][p.p] = 1, 1
		}
	}
	each(len(s.knots), func(i int) {
		t := s.knots[i]
		k := atKnot{run: make([]int, n), lo: make([]float64, n), mid: make([]float64, n), hi: make([]float64, n)}
		for h := range s.hosts {
			k.run[h] = s.hosts[h].runAt(t)
		}
		m, likely := newMatrix(n), newMatrix(n)
		var probe prober
		for j := range s.all {
			st := &s.all[j]
			p := s.pairs[st.pair]
			if k.run[p.p] != int(st.pRun) || k.run[p.c] != int(st.cRun) {
				continue
			}
			lo, hi, ok := probe.over(&st.edges, t, p.slopes, s.wander)
			if !ok { // nothing fits: be generous
				x, y := probe.at(&st.edges, t, (p.slopes[0]+p.slopes[1])/2, s.wander)
				lo, hi = min(x, y), max(x, y)
			}
			m[p.p][p.c] = min(m[p.p][p.c], hi)
			m[p.c][p.p] = min(m[p.c][p.p], -lo)
			if st.edges.n < fewBounds { // for the best guess none is given up
				all := st.edges
				all.kLow, all.kHigh = 0, 0
				if x, y, ok := probe.over(&all, t, p.slopes, s.wander); ok {
					lo, hi = x, y
				}
			}
			likely[p.p][p.c] = min(likely[p.p][p.c], hi)
			likely[p.c][p.p] = min(likely[p.c][p.p], -lo)
		}
		paths, widened := m.shortest()
		k.contradicted = widened > 0
		point := likely.balance(paths, s.ref, loose)
		for h := range n {
			k.lo[h], k.hi[h] = -paths[h][s.ref], paths[s.ref][h]
			if k.lo[h] > k.hi[h] { // no widening closed it: all between the two is possible
				k.lo[h], k.hi[h] = k.hi[h], k.lo[h]
			}
			k.mid[h] = min(k.hi[h], max(k.lo[h], point[h]))
		}
		found[i] = k
	})
	s.contradicted = 0
	for h := range s.hosts {
		s.hosts[h].knots = make([][]clockKnot, len(s.hosts[h].runs))
	}
	for i, t := range s.knots {
		k := &found[i]
		if k.contradicted {
			s.contradicted++
		}
		for h := range s.hosts {
			if k.lo[h] == negInf || k.hi[h] == inf {
				continue
			}
			r := k.run[h]
			s.hosts[h].knots[r] = append(s.hosts[h].knots[r], clockKnot{t, k.mid[h], k.mid[h] - k.lo[h], k.hi[h] - k.mid[h]})
		}
	}
}

// narrowHosts bounds each host against all its neighbours' intervals at once: one with
// coarse stamps is tied loosely by each of them but well by all together.
func (s *solver) narrowHosts() {
	result := make([][][]clockKnot, len(s.hosts))
	each(len(s.hosts), func(h int) {
		if h == s.ref {
			return
		}
		host := s.hosts[h]
		pts := make([][]bound, len(host.runs))
		for _, i := range s.of[h] {
			p := s.pairs[i]
			caller, callee := s.hosts[p.p], s.hosts[p.c]
			g := callee.gross - caller.gross
			for j := range p.links {
				if !p.keep[j] {
					continue
				}
				l := &p.links[j]
				other, otherRun, run := caller, int(l.pRun), int(l.cRun)
				if p.p == h {
					other, otherRun, run = callee, int(l.cRun), int(l.pRun)
				}
				if len(other.knots[otherRun]) == 0 {
					continue
				}
				// The neighbour's place with its bounds; this host's is its line without knots.
				o := callee.runs[l.cRun].at(l.t) - caller.runs[l.pRun].at(l.t) + g
				k := knotAt(other.knots[otherRun], l.t)
				if p.c == h {
					pts[run] = append(pts[run], bound{l.t, l.lo - o + k.off - k.minus, l.hi - o + k.off + k.plus, 0})
				} else {
					pts[run] = append(pts[run], bound{l.t, o - l.hi + k.off - k.minus, o - l.lo + k.off + k.plus, 0})
				}
			}
		}
		result[h] = make([][]clockKnot, len(host.runs))
		for run, bs := range pts {
			result[h][run] = s.narrowRun(host.knots[run], bs)
		}
	})
	for h, runs := range result {
		for run, ks := range runs {
			if ks != nil {
				s.hosts[h].knots[run] = ks
			}
		}
	}
}

// narrowLeast is how many bounds a host must have to be bounded by all its neighbours at once:
// fewer leave its slope too open.
const narrowLeast = 100

// narrowRun intersects the knots with what the bounds say of them at once; nil if that is nothing.
func (s *solver) narrowRun(knots []clockKnot, bs []bound) []clockKnot {
	if len(knots) == 0 || len(bs) < narrowLeast {
		return nil
	}
	narrow := 0
	for i := range bs {
		if bs[i].hi-bs[i].lo < 2*lateBy {
			narrow++
		}
	}
	var e edges
	e.kLow = 1 + int(math.Round(s.late*float64(min(len(bs), narrow))/4))
	e.kHigh = e.kLow
	slices.SortStableFunc(bs, func(a, b bound) int { return compareFloat(a.t, b.t) })
	e.fill(bs)
	var probe prober
	slopes, ok := probe.slopes(&e, s.wander)
	if !ok {
		return nil
	}
	out := make([]clockKnot, len(knots))
	for i, k := range knots {
		lo, hi, _ := probe.over(&e, k.t, slopes, s.wander)
		lo, hi = max(lo, k.off-k.minus), min(hi, k.off+k.plus)
		if lo > hi {
			lo, hi = k.off-k.minus, k.off+k.plus
		}
		mid := k.off
		if hi-lo < 0.7*(k.minus+k.plus) { // much tighter: a new midpoint
			mid = (lo + hi) / 2
		}
		mid = min(hi, max(lo, mid))
		out[i] = clockKnot{k.t, mid, mid - lo, hi - mid}
	}
	return out
}

// widenContradicted widens the hosts whose bounds stay broken against most of their
// neighbours: line and steps do not explain them.
func (s *solver) widenContradicted() {
	extra := make([]float64, len(s.hosts))
	each(len(s.hosts), func(h int) {
		rest := map[int][]float64{} // by neighbour
		for _, i := range s.of[h] {
			p := s.pairs[i]
			caller, callee := s.hosts[p.p], s.hosts[p.c]
			g := callee.gross - caller.gross
			other := p.p + p.c - h
			for j := range p.links {
				l := &p.links[j]
				run := int(l.pRun)
				if p.c == h {
					run = int(l.cRun)
				}
				k := knotAt(s.hosts[h].knots[run], l.t)
				u := max(k.minus, k.plus)
				o := callee.beside(int(l.cRun), l.t) - caller.beside(int(l.pRun), l.t) + g
				rest[other] = append(rest[other], max(0, l.lo-o-u, o-l.hi-u))
			}
		}
		var shares, all []float64
		for _, r := range rest {
			all = append(all, r...)
			if len(r) < 3 {
				continue
			}
			n := 0
			for _, x := range r {
				if x > 100 {
					n++
				}
			}
			shares = append(shares, float64(n)/float64(len(r)))
		}
		if len(shares) > 0 && median(shares) > 0.05 {
			slices.Sort(all)
			extra[h] = all[int(0.98*float64(len(all)-1))]
		}
	})
	for h, x := range extra {
		if x == 0 || h == s.ref {
			continue
		}
		s.hosts[h].inconsistent = true
		for _, ks := range s.hosts[h].knots {
			for i := range ks {
				ks[i].minus += x
				ks[i].plus += x
			}
		}
	}
}

// trusted says whether the whole holds together: few knots at which intervals did not
// close, few hosts that contradict the model, few bounds that contradict their neighbours. A step that few
// calls show is not seen, but shows so.
func (s *solver) trusted() bool {
	bad := 0
	for _, h := range s.hosts {
		if h.inconsistent {
			bad++
		}
	}
	return 10*s.contradicted <= len(s.knots) && 3*bad < len(s.hosts) && s.given < 0.05
}
