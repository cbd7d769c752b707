package timeline

import (
	"math"
	"slices"
)

const (
	maxSlope = 600.0  // ppm: the largest drift between two clocks that is considered; NTP slews by 500
	minStep  = 3000.0 // microseconds: smaller jumps are left to the closure
)

// A line is an offset a + b*t in microseconds, t in seconds, so that b is in ppm.
type line struct {
	a, b   float64
	broken int     // bounds that it breaks
	margin float64 // half the width of the gap in which it lies
}

func (l line) at(t float64) float64 { return l.a + l.b*t }

// breaks says whether the bound contradicts the line.
func (l line) breaks(x *bound) bool {
	o := l.at(x.t)
	return x.lo > o || x.hi < o
}

// A lineFitter finds lines; it holds the room in which that works.
type lineFitter struct{ lows, highs []float64 }

// at gives the gap between the bounds around lines of slope b, told at the time tm.
func (f *lineFitter) at(bs []bound, tm, b float64, k int) (lo, hi float64, broken int) {
	f.lows, f.highs = f.lows[:0], f.highs[:0]
	for i := range bs {
		d := b * (bs[i].t - tm)
		if bs[i].lo > negInf {
			f.lows = append(f.lows, d-bs[i].lo)
		}
		if bs[i].hi < inf {
			f.highs = append(f.highs, bs[i].hi-d)
		}
	}
	// Sorting is only for the tightest ones.
	f.lows, f.highs = f.contested(k)
	return trim(f.lows, f.highs, k, k)
}

// one gives the wider end of a gap in whose middle more bounds are broken than at its ends: on either
// side of a step lie as many.
func (f *lineFitter) one(lo, hi float64) (float64, float64) {
	left, right := hi, lo
	if i, _ := slices.BinarySearch(f.highs, lo); i < len(f.highs) {
		left = min(hi, f.highs[i])
	}
	if i, _ := slices.BinarySearch(f.lows, -hi); i < len(f.lows) {
		right = max(lo, -f.lows[i])
	}
	switch {
	case left >= right:
		return lo, hi
	case left-lo >= hi-right:
		return lo, left
	}
	return right, hi
}

// contested sorts the bounds that can decide, with k more of each side, and leaves out the others.
func (f *lineFitter) contested(k int) (lows, highs []float64) {
	if len(f.lows) == 0 || len(f.highs) == 0 {
		slices.Sort(f.lows)
		slices.Sort(f.highs)
		return f.lows, f.highs
	}
	return tightest(f.lows, -slices.Min(f.highs), k+2), tightest(f.highs, -slices.Min(f.lows), k+2)
}

// tightest gives, sorted, all of xs up to limit and the next one, and at least the n smallest.
func tightest(xs []float64, limit float64, n int) []float64 {
	if len(xs) > 4*n {
		var top nth
		top.reset(n)
		next := inf
		for _, x := range xs {
			top.add(x)
			if x > limit {
				next = min(next, x)
			}
		}
		if v, _ := top.value(); v > next {
			next = v
		}
		kept := xs[:0]
		for _, x := range xs {
			if x <= next {
				kept = append(kept, x)
			}
		}
		xs = kept
	}
	slices.Sort(xs)
	return xs
}

// fit finds the line that breaks the fewest bounds, and among the slopes with about as
// few the one with the widest margin: the choice of a support vector machine, as in Huygens
// (Geng et al., "Exploiting a natural network effect for scalable, fine-grained clock
// synchronization", NSDI 2018).
func (f *lineFitter) fit(bs []bound) line {
	if len(bs) == 0 {
		return line{margin: inf}
	}
	tm, first, last := 0.0, inf, negInf
	for i := range bs {
		tm += bs[i].t
		first, last = min(first, bs[i].t), max(last, bs[i].t)
	}
	tm /= float64(len(bs))
	span := last - first
	budget := 1 + len(bs)/1000

	type candidate struct {
		b, lo, hi float64
		broken    int
	}
	var best candidate
	found := false
	try := func(b float64) {
		if math.Abs(b) > maxSlope {
			return
		}
		lo, hi, broken := f.at(bs, tm, b, 0)
		if !found || broken < best.broken || broken == best.broken && hi-lo > best.hi-best.lo {
			best, found = candidate{b, lo, hi, broken}, true
		}
	}
	around, m := firstSlope(bs, span), 4
	for step := 20.0; step > 0.01; step, m = step/4, 5 {
		try(around) // first, for the first of equals is taken
		for i := 1; i <= m; i++ {
			try(around + step*float64(i))
			try(around - step*float64(i))
		}
		if step == 20 {
			for b := step; b <= maxSlope; b += step {
				try(b)
				try(-b)
			}
		}
		around = best.b
	}
	width := func(b float64) float64 {
		lo, hi, broken := f.at(bs, tm, b, budget)
		if broken > best.broken+budget {
			return negInf
		}
		return hi - lo
	}
	b := best.b
	radius := max(2, 3e3/max(span, 60))
	for range 4 {
		at, w := b, width(b)
		for i := -4; i <= 4; i++ {
			c := b + radius*float64(i)/4
			if x := width(c); x > w {
				at, w = c, x
			}
		}
		b = at
		radius /= 4
	}
	if width(b) == negInf {
		b = best.b
	}
	lo, hi, broken := f.at(bs, tm, b, 0)
	lo, hi = f.one(lo, hi)
	mid := (lo + hi) / 2
	switch { // one side only: the bound itself is the best guess
	case math.IsInf(lo, 0) && math.IsInf(hi, 0):
		mid = 0
	case math.IsInf(lo, 0):
		mid = hi
	case math.IsInf(hi, 0):
		mid = lo
	}
	return line{mid - b*tm, b, broken, (hi - lo) / 2}
}

// firstSlope is the median slope between the midpoints of tight bounds that are far apart.
func firstSlope(bs []bound, span float64) float64 {
	var both []bound
	for i := range bs {
		if bs[i].lo > negInf && bs[i].hi < inf {
			both = append(both, bs[i])
		}
	}
	slices.SortStableFunc(both, func(x, y bound) int { return compareFloat(x.hi-x.lo, y.hi-y.lo) })
	both = both[:min(len(both), max(20, len(both)/2))]
	slices.SortStableFunc(both, func(x, y bound) int { return compareFloat(x.t, y.t) })
	n := len(both)
	if n < 8 || span <= 0 {
		return 0
	}
	var slopes []float64
	for _, part := range []float64{0.15, 0.25, 0.35} {
		d := max(1, int(float64(n)*part))
		for i := 0; i < n-d; i += max(1, n/300) {
			x, y := &both[i], &both[i+d]
			if dt := y.t - x.t; dt > 0.05*span {
				slopes = append(slopes, ((y.lo+y.hi)-(x.lo+x.hi))/2/dt)
			}
		}
	}
	if len(slopes) == 0 {
		return 0
	}
	return max(-maxSlope, min(maxSlope, median(slopes)))
}

func compareFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// A run is a stretch of a clock's records in which it was not stepped: those from the
// place from to the place to in the order in which it stamped them. Its offset follows a line, and where the
// clock was slewed, lines that meet in kinks.
type run struct {
	from, to int32
	line
	kinks []kink // by time
}

// A kink is where a clock began to run at another rate: from t on its offset follows the line.
type kink struct {
	t float64
	line
}

// at gives the offset at time t.
func (r *run) at(t float64) float64 {
	l := r.line
	for i := range r.kinks {
		if t >= r.kinks[i].t {
			l = r.kinks[i].line
		}
	}
	return l.at(t)
}

// turn adds a line to the run's own.
func (r *run) turn(a, b float64) {
	r.a += a
	r.b += b
	for i := range r.kinks {
		r.kinks[i].a += a
		r.kinks[i].b += b
	}
}

const (
	firstPlace = int32(-1) << 30
	lastPlace  = int32(1) << 30
)

// A straight is a stretch of a clock's records in which its offset follows one line.
type straight struct {
	run
	first, last float64 // times of its bounds
}

// runs fits a line, and where that does not hold, lines with steps and kinks between them. bs
// are in the order in which the clock stamped them, with their places as id. A step lies
// between the place up to which one run is known to hold and that from which the next is.
func (f *lineFitter) runs(bs []bound, depth int) []run {
	var out []run
	last := 0.0
	for i, s := range f.straights(bs, depth) {
		if i == 0 {
			out, last = append(out, s.run), s.last
			continue
		}
		r := &out[len(out)-1]
		old := r.line
		if n := len(r.kinks); n > 0 {
			old = r.kinks[n-1].line
		}
		if t, ok := meet(old, s.line, last, s.first); ok {
			r.kinks = append(r.kinks, kink{t, s.line})
			r.to = s.to
		} else {
			out = append(out, s.run)
		}
		last = s.last
	}
	return out
}

// meet says whether two lines, of which one holds up to the time before and the other
// from the time after, are one clock that changed its rate rather than one that was stepped, and when it did.
func meet(x, y line, before, after float64) (t float64, ok bool) {
	mid := (before + after) / 2
	jump := y.at(mid) - x.at(mid)
	if d := y.b - x.b; d != 0 {
		if t := mid - jump/d; t > before-kinkReach && t < after+kinkReach {
			return t, true
		}
	}
	return mid, math.Abs(jump) < max(minStep, 2*finite(x.margin+y.margin))
}

// kinkReach is by how much the bounds beside a kink may be explained as well by the other line, in seconds.
const kinkReach = 20

func finite(x float64) float64 {
	if math.IsInf(x, 0) {
		return 0
	}
	return x
}

func (f *lineFitter) straights(bs []bound, depth int) []straight {
	whole := f.fit(thin(bs, 60, 6))
	first, last := inf, negInf
	for i := range bs {
		first, last = min(first, bs[i].t), max(last, bs[i].t)
	}
	one := []straight{{run{firstPlace, lastPlace, whole, nil}, first, last}}
	bad := make([]bool, len(bs))
	n := 0
	for i := range bs {
		if bad[i] = whole.breaks(&bs[i]); bad[i] {
			n++
		}
	}
	if depth == 0 || len(bs) < 16 || float64(n) < max(4, 0.015*float64(len(bs))) {
		return one
	}
	// The cumulative sum shows where the line stops holding.
	cut, sum, top, mean := 0, 0.0, -1.0, float64(n)/float64(len(bs))
	for i, b := range bad {
		sum -= mean
		if b {
			sum++
		}
		if math.Abs(sum) > top {
			top, cut = math.Abs(sum), i+1
		}
	}
	var left, right line
	var best, lo, hi int
	for range 3 {
		if cut < 6 || len(bs)-cut < 6 {
			return one
		}
		left, right = f.fit(thin(bs[:cut], 40, 6)), f.fit(thin(bs[cut:], 40, 6))
		best, lo, hi = fewestBroken(bs, left, right)
		if lo <= cut && cut <= hi {
			break
		}
		cut = (lo + hi) / 2
	}
	if cut < 6 || len(bs)-cut < 6 || float64(n-best) < max(4, 0.01*float64(len(bs))) {
		return one
	}
	// What the two lines differ by must be more than what they leave open: at the cut if
	// the clock was stepped there, at the end of the shorter one if it changed its rate.
	t := bs[cut-1].t
	apart := math.Abs(right.at(t) - left.at(t))
	apart = max(apart, min(math.Abs(right.at(first)-left.at(first)), math.Abs(right.at(last)-left.at(last))))
	if apart < minStep || apart < 2*(left.margin+right.margin) {
		return one
	}
	before, after := bs[max(lo-1, 0)].id, bs[min(hi, len(bs)-1)].id
	var out []straight
	for _, s := range f.straights(bs[:cut], depth-1) {
		s.to = min(s.to, before)
		out = append(out, s)
	}
	for i, s := range f.straights(bs[cut:], depth-1) {
		if i == 0 {
			s.from = after
		}
		out = append(out, s)
	}
	return out
}

// fewestBroken finds where to pass from one line to the other so that the fewest bounds
// are broken: at any index in [lo, hi].
func fewestBroken(bs []bound, left, right line) (best, lo, hi int) {
	sum := 0
	for i := range bs {
		if right.breaks(&bs[i]) {
			sum++
		}
	}
	best = sum
	for i := range bs {
		if left.breaks(&bs[i]) {
			sum++
		}
		if right.breaks(&bs[i]) {
			sum--
		}
		switch {
		case sum < best:
			best, lo, hi = sum, i+1, i+1
		case sum == best:
			hi = i + 1
		}
	}
	return best, lo, hi
}
