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

// off is the offset of a host in one of its runs, its rough offset apart.
func (h *solverHost) off(run int, t float64) float64 {
	o := h.runs[run].at(t)
	if run < len(h.knots) {
		o += knotAt(h.knots[run], t).off
	}
	return o
}

// knotAt interpolates between knots; beyond them the nearest one holds.
func knotAt(ks []clockKnot, t float64) clockKnot {
	switch n := len(ks); {
	case n == 0:
		return clockKnot{t: t}
	case t <= ks[0].t:
		return ks[0]
	case t >= ks[n-1].t:
		return ks[n-1]
	}
	j, _ := slices.BinarySearchFunc(ks, t, func(k clockKnot, t float64) int { return compareFloat(k.t, t) })
	a, b := &ks[max(j-1, 0)], &ks[j]
	if b.t == a.t {
		return *b
	}
	f := (t - a.t) / (b.t - a.t)
	mix := func(x, y float64) float64 { return x + f*(y-x) }
	return clockKnot{t, mix(a.off, b.off), mix(a.minus, b.minus), mix(a.plus, b.plus)}
}

// placeKnots puts knots along the logs, on both sides of every step, and at every kink.
func (s *solver) placeKnots() {
	n := max(2, int(s.end/knotEvery)+1)
	s.knots = nil
	for i := range n {
		s.knots = append(s.knots, s.end*float64(i)/float64(n-1))
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

// A stretchKey is a pair in one run of each of its clocks.
type stretchKey struct {
	pair       int32
	pRun, cRun int16
}

// A stretch is the bounds of a pair in one run of each of its clocks, relative to the
// lines and knots found so far; ids are places in the pair's links.
type stretch struct {
	stretchKey
	bounds  []bound
	dropped int
	edges   edges
}

// stretches gives the bounds of all pairs that only wants, by pair and then run.
func (s *solver) stretches(only func(p *solverPair, link int) bool) []stretch {
	parts := make([][]stretch, len(s.pairs))
	each(len(s.pairs), func(i int) {
		p := s.pairs[i]
		caller, callee := s.hosts[p.p], s.hosts[p.c]
		g := callee.gross - caller.gross
		at := map[stretchKey]int{}
		for j := range p.links {
			if only != nil && !only(p, j) {
				continue
			}
			l := &p.links[j]
			k := stretchKey{int32(i), l.pRun, l.cRun}
			n, ok := at[k]
			if !ok {
				n = len(parts[i])
				at[k] = n
				parts[i] = append(parts[i], stretch{stretchKey: k})
			}
			o := callee.off(int(l.cRun), l.t) - caller.off(int(l.pRun), l.t) + g
			parts[i][n].bounds = append(parts[i][n].bounds, bound{l.t, l.lo - o, l.hi - o, int32(j)})
		}
		slices.SortFunc(parts[i], func(a, b stretch) int { return int(a.pRun-b.pRun)*1000 + int(a.cRun-b.cRun) })
		for n := range parts[i] {
			slices.SortStableFunc(parts[i][n].bounds, func(a, b bound) int { return compareFloat(a.t, b.t) })
		}
	})
	return slices.Concat(parts...)
}

// clean sets aside bounds that contradict their neighbours in time: lines written late,
// work that outlived its caller, wrong matches. It also tells the share of lines written late, from where
// the gap between the bounds is small, for there nearly all of them are found.
func (s *solver) clean(all []stretch) {
	late, among := make([]float64, len(all)), make([]float64, len(all))
	each(len(all), func(i int) {
		st := &all[i]
		p := s.pairs[st.pair]
		var good []bound
		dropped := 0.0
		size := max(20, min(120, len(st.bounds)/6))
		var lows, highs []float64
		for from := 0; from < len(st.bounds); from += size {
			part := st.bounds[from:min(from+size, len(st.bounds))]
			last := len(st.bounds)-from < 2*size
			if last {
				part = st.bounds[from:]
			}
			lows, highs = lows[:0], highs[:0]
			for _, b := range part {
				if b.lo > negInf {
					lows = append(lows, -b.lo)
				}
				if b.hi < inf {
					highs = append(highs, b.hi)
				}
			}
			slices.Sort(lows)
			slices.Sort(highs)
			lo, hi, _ := stab(lows, highs)
			gone, total := 0.0, 0.0
			for _, b := range part {
				w := float64(p.links[b.id].weight)
				total += w
				if b.lo <= hi && b.hi >= lo || p.links[b.id].exact {
					good = append(good, b)
				} else {
					gone += w
				}
			}
			dropped += gone
			if hi-lo < tightGap {
				late[i] += gone
				among[i] += total
			}
			if last {
				break
			}
		}
		st.bounds, st.dropped = good, int(dropped)
	})
	sum, of := 0.0, 0.0
	for i := range all {
		sum += late[i]
		of += among[i]
	}
	for _, p := range s.pairs {
		sum += float64(p.late)
		of += float64(p.lateAmong)
	}
	s.late = 0.01
	if of > 2000 {
		s.late = min(0.03, max(0.002, 1.3*sum/of))
	}
}

// edges are the bounds of one stretch made ready to be asked for the extremes at a time.
type edges struct {
	kLow, kHigh int // of the tightest, so many are given up
	first, last float64
	n           int
	lows, highs []edge
}

type edge struct{ t, x float64 }

// edgesOf gives up as many of the tightest lower bounds as there may be lines written late
// that hide in the gap, where nothing contradicts them: those that are expected less those
// that were found. Lateness never lowers an upper bound.
func (s *solver) edgesOf(bs []bound, weight func(b *bound) float64, dropped int) edges {
	top := negInf
	for i := range bs {
		top = max(top, bs[i].lo)
	}
	near := 0.0
	for i := range bs {
		if bs[i].lo > top-lateBy {
			near += weight(&bs[i])
		}
	}
	e := edges{kLow: max(0, int(math.Round(s.late*(near+float64(dropped))-float64(dropped))))}
	if s.links > toBeDoubted {
		e.kLow, e.kHigh = e.kLow+1, 1
	}
	e.fill(bs)
	return e
}

const (
	// toBeDoubted is how many links there must be in all before the tightest bound of a pair is given up
	// without need: among fewer it is unlikely that one is wrong, and little is left without it.
	toBeDoubted = 30
	// fewBounds is how many bounds of a pair are so few that without the tightest its midpoint says little.
	fewBounds = 8
)

func (e *edges) fill(bs []bound) {
	e.n, e.first, e.last = len(bs), inf, negInf
	for i := range bs {
		e.first, e.last = min(e.first, bs[i].t), max(e.last, bs[i].t)
	}
	bs = thin(bs, min(60, 1+len(bs)/4), max(e.kLow, e.kHigh)+3)
	for i := range bs {
		if bs[i].lo > negInf {
			e.lows = append(e.lows, edge{bs[i].t, bs[i].lo})
		}
		if bs[i].hi < inf {
			e.highs = append(e.highs, edge{bs[i].t, bs[i].hi})
		}
	}
}

// A prober asks edges for extremes; it holds the room in which that works.
type prober struct{ low, high nth }

// at gives the interval of the offset at time t, if its slope is b ppm and it leaves that line
// by at most wander ppm.
func (p *prober) at(e *edges, t, b, wander float64) (lo, hi float64) {
	p.low.reset(e.kLow)
	p.high.reset(e.kHigh)
	for i := range e.lows {
		d := e.lows[i].t - t
		p.low.add(b*d + wander*math.Abs(d) - e.lows[i].x)
	}
	for i := range e.highs {
		d := e.highs[i].t - t
		p.high.add(e.highs[i].x - b*d + wander*math.Abs(d))
	}
	lo, hi = negInf, inf
	if v, ok := p.low.value(); ok {
		lo = -v
	}
	if v, ok := p.high.value(); ok {
		hi = v
	}
	return lo, hi
}

// over gives the interval at time t for all slopes of a range; ok is false if none of them fits.
func (p *prober) over(e *edges, t float64, slopes [2]float64, wander float64) (lo, hi float64, ok bool) {
	lo, hi = inf, negInf
	steps := max(slopeSteps, min(slopesMost, int((slopes[1]-slopes[0])/slopeWide)))
	for i := range steps + 1 {
		b := slopes[0] + (slopes[1]-slopes[0])*float64(i)/float64(steps)
		if x, y := p.at(e, t, b, wander); x <= y {
			lo, hi, ok = min(lo, x), max(hi, y), true
		}
	}
	return lo, hi, ok
}

// slopes gives the range of slopes for which some line fits; ok is false if there is none.
func (p *prober) slopes(e *edges, wander float64) (r [2]float64, ok bool) {
	if len(e.lows) == 0 || len(e.highs) == 0 || e.last-e.first < 60 {
		return [2]float64{-maxSlope, maxSlope}, true
	}
	t := (e.first + e.last) / 2
	gap := func(b float64) float64 {
		lo, hi := p.at(e, t, b, wander)
		return hi - lo
	}
	// The gap is widest at one slope and falls to both sides: golden section.
	const golden = 0.618
	a, b := -20.0, 20.0
	x, y := b-golden*(b-a), a+golden*(b-a)
	fx, fy := gap(x), gap(y)
	for b-a > 0.02 {
		if fx > fy {
			b, y, fy = y, x, fx
			x = b - golden*(b-a)
			fx = gap(x)
		} else {
			a, x, fx = x, y, fy
			y = a + golden*(b-a)
			fy = gap(y)
		}
	}
	best := (a + b) / 2
	if gap(best) < 0 {
		return r, false
	}
	end := func(sign float64) float64 {
		step := 0.02
		for step < maxSlope && gap(best+sign*step) >= 0 {
			step *= 2
		}
		in, out := step/2, step
		for range 6 {
			m := (in + out) / 2
			if gap(best+sign*m) >= 0 {
				in = m
			} else {
				out = m
			}
		}
		return best + sign*out
	}
	return [2]float64{end(-1), end(1)}, true
}

// A matrix holds for every two hosts the most by which the second can be ahead of the first.
type matrix [][]float64

func newMatrix(n int) matrix {
	m := make(matrix, n)
	all := make([]float64, n*n)
	for i := range m {
		m[i] = all[i*n : (i+1)*n]
		for j := range m[i] {
			if i != j {
				m[i][j] = inf
			}
		}
	}
	return m
}

// shortest gives the shortest paths: the tightest interval that any chain of hosts allows
// (Patt-Shamir and Rajsbaum, "A theory of clock synchronization", STOC 1994; Floyd and
// Warshall's algorithm). If a cycle contradicts itself all edges are widened by the same amount until none does.
func (m matrix) shortest() (paths matrix, widened float64) {
	n := len(m)
	paths = newMatrix(n)
	for range 60 {
		for i := range n {
			for j := range n {
				paths[i][j] = m[i][j]
				if i != j {
					paths[i][j] += widened
				}
			}
		}
		for k := range n {
			via := paths[k]
			for i := range n {
				v := paths[i][k]
				if v == inf || i == k {
					continue
				}
				row := paths[i]
				for j, w := range via {
					if v+w < row[j] {
						row[j] = v + w
					}
				}
			}
		}
		worst := 0.0
		for i := range n {
			worst = min(worst, paths[i][i])
		}
		if worst >= -1e-9 {
			break
		}
		widened = max(widened*1.3, widened-worst/float64(n), 1e-3)
	}
	return paths, widened
}

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
		p.slopes = [2]float64{-paths[p.c][p.p] - d, paths[p.p][p.c] - d}
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
			for j := range s.hosts[h].cuts {
				if s.hosts[h].cuts[j].t < t {
					k.run[h]++
				}
			}
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

// balance gives the point in the intervals: weighted least squares over the midpoints of
// the pairs. Any point may be the truth, but the unknown asymmetries of the pairs average out
// over the loops of the graph (the natural network effect of Huygens). Loose pairs say nothing, for one of their bounds is far off.
func (m matrix) balance(paths matrix, ref int, loose matrix) []float64 {
	n := len(m)
	x := make([]float64, n)
	type near struct {
		other       int
		mid, weight float64
	}
	nears := make([][]near, n)
	for i := range n {
		if a, b := paths[ref][i], paths[i][ref]; a < inf && b < inf {
			x[i] = (a - b) / 2
		}
		for j := range n {
			if j != i && m[i][j] < inf && m[j][i] < inf && loose[i][j] == inf {
				half := (m[i][j] + m[j][i]) / 2
				nears[i] = append(nears[i], near{j, (m[j][i] - m[i][j]) / 2, 1 / (max(5, half) * max(5, half))})
			}
		}
	}
	for range 50 { // Gauss-Seidel
		for i := range n {
			if i == ref || len(nears[i]) == 0 {
				continue
			}
			sum, w := 0.0, 0.0
			for _, e := range nears[i] {
				sum += e.weight * (x[e.other] + e.mid)
				w += e.weight
			}
			x[i] = sum / w
		}
	}
	return x
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
				o := callee.off(int(l.cRun), l.t) - caller.off(int(l.pRun), l.t) + g
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
