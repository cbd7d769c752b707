package timeline

import (
	"math"
	"slices"
)

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
			o := callee.beside(int(l.cRun), l.t) - caller.beside(int(l.pRun), l.t) + g
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
		for from := 0; from < len(st.bounds); from += size {
			part := st.bounds[from:min(from+size, len(st.bounds))]
			last := len(st.bounds)-from < 2*size
			if last {
				part = st.bounds[from:]
			}
			lo, hi, _ := stab(sides(part))
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
	// The tightest first: most of the others are then passed over by one look.
	slices.SortFunc(e.lows, func(a, b edge) int { return compareFloat(b.x, a.x) })
	slices.SortFunc(e.highs, func(a, b edge) int { return compareFloat(a.x, b.x) })
}

// A prober asks edges for extremes; it holds the room in which that works.
type prober struct{ low, high nth }

// at gives the interval of the offset at time t, if its slope is b ppm and it leaves that line
// by at most wander ppm.
func (p *prober) at(e *edges, t, b, wander float64) (lo, hi float64) {
	p.low.reset(e.kLow)
	p.high.reset(e.kHigh)
	limit := inf
	// By how much an edge may count for more than what it is at its own time: those behind are passed over.
	more := max(0, math.Abs(b)-wander) * max(math.Abs(e.first-t), math.Abs(e.last-t))
	more += 1e-9 * (1 + more)
	for i := range e.lows {
		if -e.lows[i].x-more > limit {
			break
		}
		d := e.lows[i].t - t
		if v := b*d + wander*math.Abs(d) - e.lows[i].x; v < limit {
			limit = p.low.add(v)
		}
	}
	limit = inf
	for i := range e.highs {
		if e.highs[i].x-more > limit {
			break
		}
		d := e.highs[i].t - t
		if v := e.highs[i].x - b*d + wander*math.Abs(d); v < limit {
			limit = p.high.add(v)
		}
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
