package timeline

import (
	"math"
	"slices"
)

// A fittedClock is what was found of one clock against the reference. Its offset at a time t, in
// seconds on the common time line, is gross and what its runs and knots say beside.
type fittedClock struct {
	gross float64       // microseconds
	runs  []run         // stretches between steps
	cuts  []clockCut    // between runs[i] and runs[i+1]
	knots [][]clockKnot // of each run, by time
	calls int
	// inconsistent says that bounds contradict the model too often.
	inconsistent bool
	sigma        float64 // standard deviation of the best guess, microseconds
	slopeOpen    float64 // half the range in which its slope lies, ppm
}

// A clockKnot says at a time by how much the offset differs from the run's line: it lies
// in [off-minus, off+plus].
type clockKnot struct {
	t, off, minus, plus float64
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

// beside is the offset at time t, the rough offset apart.
func (c *fittedClock) beside(run int, t float64) float64 {
	o := c.runs[run].at(t)
	if run < len(c.knots) {
		o += knotAt(c.knots[run], t).off
	}
	return o
}

// slack is how far below and above the best guess the offset may be at time t: what
// the knots beside it leave open, and how far a clock may wander between them; beyond the last one,
// how far it may since have gone.
func (c *fittedClock) slack(run int, t, wander float64) (minus, plus float64) {
	if run >= len(c.knots) || len(c.knots[run]) == 0 {
		return 0, 0
	}
	ks := c.knots[run]
	first, last := ks[0], ks[len(ks)-1]
	switch {
	case t <= first.t || t >= last.t:
		k := first
		if t >= last.t {
			k = last
		}
		far := max(first.t-t, t-last.t)
		grown := wander*knotEvery/2 + min(c.slopeOpen, slopeUnknown)*far
		if far > knotEvery {
			grown += 2 * wander * (far - knotEvery)
		}
		return k.minus + grown, k.plus + grown
	}
	j, _ := slices.BinarySearchFunc(ks, t, func(k clockKnot, t float64) int { return compareFloat(k.t, t) })
	a, b := ks[max(j-1, 0)], ks[j]
	bend := wander * min(b.t-a.t, 2*knotEvery) / 4
	return max(a.minus, b.minus) + bend, max(a.plus, b.plus) + bend
}

// runAt gives the run that holds at a time.
func (c *fittedClock) runAt(t float64) int {
	run := 0
	for run < len(c.cuts) && c.cuts[run].t < t {
		run++
	}
	return run
}

// sides gives the run in which a record was stamped, and the other one in which it may
// have been as well, the same if that is sure.
func (c *fittedClock) sides(at seat) (run, other int) {
	for i := range c.cuts {
		side, sure := c.cuts[i].side(at)
		switch {
		case side > 0 && !sure:
			return i + 1, i
		case side < 0 && !sure:
			return i, i + 1
		case side < 0:
			return i, i
		}
	}
	return len(c.cuts), len(c.cuts)
}

// drift is the mean slope of a clock in one run, in ppm; 0 if it may be none.
func (c *fittedClock) drift(run int) float64 {
	b := c.runs[run].b
	if run < len(c.knots) {
		if ks := c.knots[run]; len(ks) > 1 && ks[len(ks)-1].t > ks[0].t {
			b += (ks[len(ks)-1].off - ks[0].off) / (ks[len(ks)-1].t - ks[0].t)
		}
	}
	if math.Abs(b) <= c.slopeOpen {
		return 0
	}
	return b
}

// shift moves the best guess, within its interval.
func (c *fittedClock) shift(x float64) {
	for _, ks := range c.knots {
		for i := range ks {
			d := max(-ks[i].minus, min(ks[i].plus, x))
			ks[i].off += d
			ks[i].minus += d
			ks[i].plus -= d
		}
	}
}
