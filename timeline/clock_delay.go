package timeline

import (
	"math"
	"slices"
	"sync"
)

// A delay is how long it takes from the caller's stamp to the callee's, or back: never less than
// floor, and beyond that the sum of two waits that are exponentially distributed with this scale, some
// much longer. Microseconds.
type delay struct{ floor, scale float64 }

// The shares of delays that are longer than usual, and by how much: the heavy tail of
// networks and queues.
var delayMix = [...]struct{ share, times float64 }{{0.85, 1}, {0.13, 3}, {0.02, 15}}

const (
	strayShare = 0.002 // of stamps that have nothing to do with the delay
	strayWidth = 40e3  // microseconds over which they lie
	delayStep  = 5.0   // microseconds between two places of a table
	coarse     = 100e3 // microseconds: stamps as wide as this say nothing of delays
)

const scaleStep = 1.7

// delayScales are the scales that are tried, in microseconds.
var delayScales = func() (out []float64) {
	for m := 20.0; m < 3e5; m *= scaleStep {
		out = append(out, m)
	}
	return out
}()

// density gives the density of a delay at x.
func (d delay) density(x float64) float64 {
	over := x - d.floor
	if low := 0.2 * d.scale; over < low { // the floor itself is known only so well
		return delay{0, d.scale}.density(low) * math.Exp((over-low)/softFloor)
	}
	p := 0.0
	for _, m := range delayMix {
		s := d.scale * m.times
		p += m.share * over / (s * s) * math.Exp(-over/s)
	}
	return p
}

// A delayCurve holds the densities of one delay at even distances, for they are asked for often.
type delayCurve struct {
	first, step float64
	values      []float64
}

func newDelayCurve(d delay) *delayCurve {
	c := &delayCurve{first: d.floor - 12*softFloor, step: max(delayStep, d.scale/12)}
	for x := c.first; x < d.floor+40*d.scale; x += c.step {
		c.values = append(c.values, d.density(x+c.step/2))
	}
	return c
}

func (c *delayCurve) at(x float64) float64 {
	i := int((x - c.first) / c.step)
	if x < c.first || i >= len(c.values) {
		return 0
	}
	return c.values[i]
}

// softFloor is about how well a floor is known, in microseconds.
const softFloor = 40.0

// A delayTable holds the logarithms of the densities of a delay with floor 0 as it shows
// between two stamps that are truncated to widths a and b: the sum of a mixture of exponentials and two
// uniform distributions, told from the middle of the stamps.
type delayTable struct {
	first, step float64
	logs        []float32
}

func newDelayTable(scale, a, b float64) *delayTable {
	a, b = max(a, 20), max(b, 20) // narrower ones make no difference
	half := (a + b) / 2
	t := &delayTable{first: -half, step: max(delayStep, scale/20)}
	n := int((2*half+30*scale)/t.step) + 2
	for i := range n {
		x := t.first + t.step*float64(i)
		p := strayShare / strayWidth
		for _, m := range delayMix {
			s := scale * m.times
			g := (twice(x+half, s) - twice(x+(a-b)/2, s) - twice(x-(a-b)/2, s) + twice(x-half, s)) / (a * b)
			p += (1 - strayShare) * m.share * max(0, g)
		}
		t.logs = append(t.logs, float32(math.Log(p)))
	}
	return t
}

// twice is the density of two waits of scale m, x*exp(-x/m)/m^2, integrated twice from 0 to x.
func twice(x, m float64) float64 {
	if x <= 0 {
		return 0
	}
	return x + x*math.Exp(-x/m) + 2*m*math.Expm1(-x/m)
}

func (t *delayTable) at(x float64) float32 {
	i := int((x - t.first) / t.step)
	if x < t.first {
		i = 0
	}
	return t.logs[min(i, len(t.logs)-1)]
}

// A delayFitter fits delays, on several goroutines at once; it keeps the tables that it made.
type delayFitter struct {
	mu     sync.Mutex
	tables map[[3]float64]*delayTable
}

func (f *delayFitter) table(scale, a, b float64) *delayTable {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := [3]float64{scale, math.Round(a), math.Round(b)}
	t := f.tables[k]
	if t == nil {
		t = newDelayTable(scale, a, b)
		f.tables[k] = t
	}
	return t
}

// A gap is what was seen of one delay: its length by the middles of two stamps, and how often.
type gap struct{ x, weight float64 }

// A seenDelay is what was seen of the delays between two clocks, of requests and of answers, if the
// floors of both are the same but for what ahead says: by so much is the callee's clock ahead of where it was
// taken to be, or else one way is twice as much longer than the other.
type seenDelay struct {
	forth, back     delay
	ahead, variance float64
	oneWay          bool // of answers nothing was seen
	vague           bool // only the sum of both ways was seen, or nothing: the clock is as far ahead as it was taken to be
}

// A seenFloor is the floor that makes what was seen most likely, if the scale is this.
type seenFloor struct {
	delay
	likely, variance float64
}

// scales finds the likeliest floor for every scale; a and b are the widths of the stamps.
func (f *delayFitter) scales(gaps []gap, a, b float64) []seenFloor {
	slices.SortFunc(gaps, func(x, y gap) int { return compareFloat(x.x, y.x) })
	out := make([]seenFloor, len(delayScales))
	for i, scale := range delayScales {
		out[i] = f.floor(gaps, scale, a, b)
	}
	return out
}

// floor finds the likeliest floor for one scale; gaps are sorted. It may be below zero, for it also holds by
// how much the clocks are wrong.
func (f *delayFitter) floor(gaps []gap, scale, a, b float64) seenFloor {
	t := f.table(scale, a, b)
	likely := func(floor float64) float64 {
		sum := 0.0
		for i := range gaps {
			sum += gaps[i].weight * float64(t.at(gaps[i].x-floor))
		}
		return sum
	}
	// Most gaps lie about their median: the floor is at most that.
	mid := gaps[len(gaps)/2].x
	low := gaps[len(gaps)/50].x - (a+b)/2
	at, top := low, negInf
	step := max((mid-low)/12, 1)
	for x := low; x <= mid; x += step {
		if l := likely(x); l > top {
			at, top = x, l
		}
	}
	for ; step > 3; step /= 2 {
		for _, x := range []float64{at - step/2, at + step/2} {
			if l := likely(x); l > top {
				at, top = x, l
			}
		}
	}
	const h = 25
	bend := 2*top - likely(at-h) - likely(at+h)
	return seenFloor{delay{at, scale}, top, h * h / max(bend, 1e-3)}
}

// Bounds of how many gaps one delay is fitted to, and all of them together.
const (
	gapsKept  = 800
	gapsInAll = 300_000
)

// gaps gives what the links of a pair show of its delays by the offsets found, and how
// wide the stamps are.
func (s *solver) gaps(p *solverPair) (forth, back []gap, wide [4]float64) {
	caller, callee := s.hosts[p.p], s.hosts[p.c]
	g := callee.gross - caller.gross
	every := max(1, len(p.links)/max(150, min(gapsKept, gapsInAll/len(s.pairs))))
	for j := 0; j < len(p.links); j++ {
		l := &p.links[j]
		if l.exact || !p.keep[j] || every > 1 && l.weight == 1 && j%every != 0 {
			continue
		}
		o := callee.beside(int(l.cRun), l.t) - caller.beside(int(l.pRun), l.t) + g
		w := float64(l.weight)
		if l.hi < inf {
			forth = append(forth, gap{l.hi - o - float64(l.pWide[0]+l.cWide[0])/2, w})
		}
		if l.lo > negInf && !l.soft {
			back = append(back, gap{o - l.lo - float64(l.pWide[1]+l.cWide[1])/2, w})
		}
		for k, w := range []float32{l.pWide[0], l.cWide[0], l.pWide[1], l.cWide[1]} {
			wide[k] = max(wide[k], float64(w))
		}
	}
	return forth, back, wide
}

// totals gives how long both ways together took, from pairs whose stamps are too coarse to tell more:
// by how much the caller's exchange was longer than the callee's, which no clock can hide.
func (s *solver) totals(p *solverPair) []gap {
	var out []gap
	for j := range p.links {
		l := &p.links[j]
		if l.soft || l.exact || !p.keep[j] || l.lo == negInf || l.hi == inf || !l.lengths {
			continue
		}
		wide := float64(l.pWide[0]+l.cWide[0]+l.pWide[1]+l.cWide[1]) / 2
		out = append(out, gap{l.hi - l.lo - wide, float64(l.weight)})
	}
	return out
}

// total finds the delays of one pair from the sums of both ways, told to a millisecond; nil if there are too few.
func (f *delayFitter) total(sums []gap) *seenDelay {
	if len(sums) < 12 {
		return nil
	}
	most, best := negInf, delay{}
	for _, a := range f.scales(sums, 1000, 1000) {
		if a.likely > most {
			most, best = a.likely, a.delay
		}
	}
	half := delay{max(0, best.floor/2), best.scale * 0.7} // the sum of two waits is less spread than either
	return &seenDelay{forth: half, back: half, vague: true}
}

// measureDelays finds the delays of every pair. Where stamps are too wide to tell, they are
// what is usual among the others.
func (s *solver) measureDelays() {
	const few = 12
	f := &delayFitter{tables: map[[3]float64]*delayTable{}}
	found, totals := make([][2][]seenFloor, len(s.pairs)), make([]*seenDelay, len(s.pairs))
	each(len(s.pairs), func(i int) {
		p := s.pairs[i]
		p.delays = nil
		forth, back, wide := s.gaps(p)
		if slices.Max(wide[:]) >= coarse {
			totals[i] = f.total(s.totals(p))
			return
		}
		if len(forth) < few {
			return
		}
		found[i][0] = f.scales(forth, wide[0], wide[1])
		if len(back) >= few {
			found[i][1] = f.scales(back, wide[2], wide[3])
		}
	})
	for i, p := range s.pairs {
		p.delays = totals[i]
	}
	// One pair alone tells its scale badly, for stamps hide what is below their resolution:
	// scales are usually alike, those of the two ways of one pair more so.
	votes := make([]float64, len(delayScales))
	for _, ways := range found {
		for _, way := range ways {
			top := negInf
			for k := range way {
				top = max(top, way[k].likely)
			}
			for k := range way {
				votes[k] += max(way[k].likely-top, -10) // no pair decides alone
			}
		}
	}
	usual := 0
	for k := range votes {
		if votes[k] > votes[usual] {
			usual = k
		}
	}
	steps := func(factor float64) float64 { return math.Log(factor) / math.Log(scaleStep) }
	square := func(x float64) float64 { return x * x / 2 }
	for i, p := range s.pairs {
		if found[i][0] == nil || found[i][1] == nil {
			continue
		}
		most := negInf
		for k, a := range found[i][0] {
			for l, b := range found[i][1] {
				likely := a.likely + b.likely - square(float64(k-l)/steps(waysAlike)) - square(float64(k-usual)/steps(scalesAlike)) - square(float64(l-usual)/steps(scalesAlike))
				if likely > most {
					most = likely
					p.delays = &seenDelay{a.delay, b.delay, (a.floor - b.floor) / 2, (a.variance + b.variance) / 4, false, false}
				}
			}
		}
	}
	s.oneWay(func(i int) *seenFloor {
		most, best := negInf, (*seenFloor)(nil)
		for k := range found[i][0] {
			if a := &found[i][0][k]; a.likely-square(float64(k-usual)/steps(scalesAlike)) > most {
				most, best = a.likely-square(float64(k-usual)/steps(scalesAlike)), a
			}
		}
		return best
	})
}

// oneWay tells the delays of the pairs of which only requests can be seen, as when the callee
// logs no end: if they have the floor that is usual for this caller, the rest is how far the clock is ahead.
func (s *solver) oneWay(forth func(pair int) *seenFloor) {
	usual, usualBack := s.usualDelays()
	for i, p := range s.pairs {
		a := forth(i)
		if p.delays != nil || a == nil || s.seenBothWays(p.c) {
			continue
		}
		floor := usual.floor
		var same []float64
		for _, j := range s.of[p.p] {
			if o := s.pairs[j]; o.p == p.p && o.delays != nil && !o.delays.oneWay && !o.delays.vague {
				same = append(same, (o.delays.forth.floor+o.delays.back.floor)/2)
			}
		}
		if len(same) > 0 {
			floor = median(same)
		}
		sd := unlike * max(floor, 50)
		p.delays = &seenDelay{a.delay, usualBack, a.floor - floor, a.variance + sd*sd, true, false}
	}
}

// seenBothWays says whether the delays of some pair of the host were seen both ways: then it needs
// no guess, which may be far off where hops between the two logged nothing.
func (s *solver) seenBothWays(h int) bool {
	return slices.ContainsFunc(s.of[h], func(i int32) bool {
		d := s.pairs[i].delays
		return d != nil && !d.oneWay && !d.vague
	})
}

// unlike is by how much of itself the floor of one pair usually differs from another's.
const unlike = 0.5

// The factors within which the scales of delays usually lie, of all pairs and of the two ways of one.
const (
	scalesAlike = 2
	waysAlike   = 1.4
)

// usualDelays gives the delays of requests and of answers that are usual among the pairs.
func (s *solver) usualDelays() (forth, back delay) {
	var floors, scales [2][]float64
	for _, p := range s.pairs {
		if p.delays != nil && !p.delays.oneWay && !p.delays.vague {
			for i, d := range []delay{p.delays.forth, p.delays.back} {
				floors[i] = append(floors[i], d.floor)
				scales[i] = append(scales[i], d.scale)
			}
		}
	}
	if len(floors[0]) == 0 {
		return delay{100, 100}, delay{100, 100}
	}
	return delay{median(floors[0]), median(scales[0])}, delay{median(floors[1]), median(scales[1])}
}

// fillDelays takes what is usual, with more room, for the pairs of which nothing can be told.
func (s *solver) fillDelays() {
	forth, back := s.usualDelays()
	for _, p := range s.pairs {
		if p.delays == nil {
			p.delays = &seenDelay{forth: delay{0, 2 * forth.scale}, back: delay{0, 2 * back.scale}, vague: true}
		}
	}
}

// shiftToDelays moves the best guess of every clock, within its interval, to where requests
// and answers take the same time at least: by weighted least squares over all pairs. That requests are
// slower than answers by the same share on every pair can be told as far as pairs that lie beside each other
// differ in length; it is a further unknown. What is left open is the guess's standard deviation.
//
// Note: a fit that holds the largest misfit small instead, since no way is shorter than nothing, was no better;
// nor were the midpoints of the hosts' intervals, nor a mean of both.
func (s *solver) shiftToDelays() {
	n := len(s.hosts)
	normal, right := newMatrix(n+1), make([]float64, n+1)
	for i := range normal {
		for j := range normal[i] {
			normal[i][j] = 0
		}
	}
	for _, p := range s.pairs {
		d := p.delays
		if d == nil || p.guessed {
			d = &seenDelay{vague: true}
		}
		if d.vague && s.seenBothWays(p.p) && s.seenBothWays(p.c) {
			continue // better pairs tell of both
		}
		floor := max((d.forth.floor+d.back.floor)/2, 50)
		w := 1 / d.variance
		switch {
		case d.vague:
			sd := guessWithin * max(s.halfOf(p.p), s.halfOf(p.c))
			w, floor = 1/(sd*sd), 0
		case !d.oneWay:
			sd, vague := asymmetry*floor, vagueFloor*(d.forth.scale+d.back.scale)/2
			w = 1 / (d.variance + sd*sd + vague*vague)
		}
		terms := [...]struct {
			i int
			c float64
		}{{p.c, 1}, {p.p, -1}, {n, floor}}
		for _, a := range terms {
			for _, b := range terms {
				normal[a.i][b.i] += w * a.c * b.c
			}
			right[a.i] += w * a.c * d.ahead
		}
	}
	normal[n][n] += 1 / (commonAsymmetry * commonAsymmetry)
	normal[s.ref][s.ref] += 1e12 // the reference stays where it is
	for i := range n {
		normal[i][i] += 1e-12 // of some hosts no delay is known
	}
	inverse := normal.invert()
	for h, host := range s.hosts {
		x := 0.0
		for j := range right {
			x += inverse[h][j] * right[j]
		}
		host.sigma = math.Sqrt(max(0, inverse[h][h]))
		host.shift(x)
	}
}

// halfOf is half the width of a host's interval in the middle of its longest run.
func (s *solver) halfOf(h int) float64 {
	var longest []clockKnot
	for _, ks := range s.hosts[h].knots {
		if len(ks) > len(longest) {
			longest = ks
		}
	}
	if len(longest) == 0 {
		return 1e6
	}
	k := longest[len(longest)/2]
	return max(10, (k.minus+k.plus)/2)
}

// guessWithin is how far the best guess is usually from the truth, as a share of half the interval, where
// nothing is known of delays.
const guessWithin = 0.3

// commonAsymmetry is by how much of itself the way of a request is usually longer than the
// way back, alike on all pairs: one standard deviation.
const commonAsymmetry = 0.15

// vagueFloor is by how much of its scale a floor is usually wrong, since delays are not just
// as they are taken to be.
const vagueFloor = 0.3

// asymmetry is by how much of the floor one way is usually longer than the other.
const asymmetry = 0.35
