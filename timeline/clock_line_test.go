package timeline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// A lineCase says how bounds on one clock are made: its offset is off at the first moment and
// runs away by slope, with the steps that come on top.
type lineCase struct {
	n          int
	off, slope float64 // microseconds, ppm
	steps      []madeStep
	resolution float64 // of the stamps, microseconds
	delay      float64 // mean of what calls take on the way beyond 100 us
	wrong      float64 // share of bounds that deny the truth by up to 50 ms
	noLow      bool
	noHigh     bool
}

// A madeStep is a jump of the clock at a time.
type madeStep struct{ t, jump float64 }

// every is how many seconds lie between two made bounds.
const every = 2.0

// truth is the true offset at time t.
func (c *lineCase) truth(t float64) float64 {
	o := c.off + c.slope*t
	for _, s := range c.steps {
		if t >= s.t {
			o += s.jump
		}
	}
	return o
}

// bounds makes the bounds, in the order in which the clock stamped the records.
func (c *lineCase) bounds(rnd *rand.Rand) []bound {
	var out []bound
	for i := range c.n {
		t := every * float64(i)
		at := c.truth(t)
		// Each side is loosened by a way of the call and by two truncated stamps.
		loose := func() float64 { return 100 + rnd.ExpFloat64()*c.delay + (rnd.Float64()+rnd.Float64())*c.resolution }
		b := bound{t, at - loose(), at + loose(), int32(i)}
		if rnd.Float64() < c.wrong {
			d := 1000 + rnd.Float64()*49_000
			if rnd.IntN(2) == 0 {
				b.lo = at + d
				b.hi = max(b.hi, b.lo)
			} else {
				b.hi = at - d
				b.lo = min(b.lo, b.hi)
			}
		}
		if c.noLow {
			b.lo = negInf
		}
		if c.noHigh {
			b.hi = inf
		}
		out = append(out, b)
	}
	return out
}

func TestFitFindsTheLine(t *testing.T) {
	for _, c := range []struct {
		name string
		lineCase
		slopeWithin, offWithin float64 // ppm, microseconds in the middle
	}{
		// 600 bounds lie in 20 minutes. A slope that is off by s ppm bends away from the truth
		// by 600 s us at the ends. With stamps of 1 ms the gap between the bounds is about 2*(100+200) us.
		{"1 ms", lineCase{n: 600, off: 1.5e6, slope: 20, resolution: 1e3, delay: 300}, 1, 300},
		{"1 ms, running behind", lineCase{n: 600, off: -8e5, slope: -73, resolution: 1e3, delay: 300}, 1, 300},
		{"1 ms, no drift", lineCase{n: 600, off: 42, slope: 0, resolution: 1e3, delay: 300}, 1, 300},
		{"1 ms, as fast as NTP slews", lineCase{n: 600, off: 1e6, slope: 500, resolution: 1e3, delay: 300}, 1, 300},
		{"1 ms, as slow as NTP slews", lineCase{n: 600, off: 1e6, slope: -500, resolution: 1e3, delay: 300}, 1, 300},
		// With stamps of 1 s the gap is about 2*60 ms wide at 600 bounds, over 600 s to each side.
		{"1 s", lineCase{n: 600, off: 3e6, slope: 40, resolution: 1e6, delay: 300}, 300, 80e3},
		{"1 s, many", lineCase{n: 6000, off: 3e6, slope: 40, resolution: 1e6, delay: 300}, 15, 30e3},
		{"1 of 100 is wrong", lineCase{n: 600, off: 1.5e6, slope: 20, resolution: 1e3, delay: 300, wrong: 0.01}, 1, 300},
		{"1 of 100 is wrong, 500 ppm", lineCase{n: 600, off: 1.5e6, slope: 500, resolution: 1e3, delay: 300, wrong: 0.01}, 1, 300},
		{"few", lineCase{n: 12, off: 1.5e6, slope: 20, resolution: 1e3, delay: 300}, 150, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f lineFitter // its room is used again
			for seed := range uint64(10) {
				rnd := rand.New(rand.NewPCG(seed, 11))
				bs := c.bounds(rnd)
				got := f.fit(bs)
				mid := every * float64(c.n) / 2
				if d := got.b - c.slope; math.Abs(d) > c.slopeWithin {
					t.Errorf("seed %d: the slope is %.2f ppm, want %v within %v", seed, got.b, c.slope, c.slopeWithin)
				}
				if d := got.at(mid) - c.truth(mid); math.Abs(d) > c.offWithin {
					t.Errorf("seed %d: in the middle the line is %.0f us off, want at most %v", seed, d, c.offWithin)
				}
				broken := 0
				for i := range bs {
					if bs[i].lo > got.at(bs[i].t)+1e-3 || bs[i].hi < got.at(bs[i].t)-1e-3 {
						broken++
					}
				}
				if broken > got.broken {
					t.Errorf("seed %d: the line says that it breaks %d bounds, and it breaks %d", seed, got.broken, broken)
				}
				if c.wrong == 0 && got.broken > 0 {
					t.Errorf("seed %d: the line breaks %d bounds, and the truth breaks none", seed, got.broken)
				}
			}
		})
	}
}

// The line breaks no more bounds than the true one does.
func TestFitBreaksNoMoreThanTheTruth(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 12))
		c := lineCase{n: 50 + rnd.IntN(300), off: rnd.NormFloat64() * 1e6, slope: rnd.Float64()*1000 - 500, resolution: 1e3, delay: 500, wrong: 0.01}
		bs := c.bounds(rnd)
		truth := line{a: c.off, b: c.slope}
		n := 0
		for i := range bs {
			if truth.breaks(&bs[i]) {
				n++
			}
		}
		var f lineFitter
		if got := f.fit(bs); got.broken > n+1+len(bs)/1000 { // the widest margin may cost so many more
			t.Errorf("seed %d: the line breaks %d bounds, the truth %d", seed, got.broken, n)
		}
	}
}

// With bounds of one side only the tightest bound itself is the best guess; nothing is known of
// the other side, and the margin says so.
func TestFitOneSide(t *testing.T) {
	for _, c := range []struct {
		name string
		lineCase
	}{
		{"upper bounds", lineCase{n: 200, off: 5000, slope: 10, resolution: 1e3, delay: 300, noLow: true}},
		{"lower bounds", lineCase{n: 200, off: 5000, slope: 10, resolution: 1e3, delay: 300, noHigh: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bs := c.bounds(rand.New(rand.NewPCG(1, 13)))
			var f lineFitter
			got := f.fit(bs)
			if got.broken > 0 || !math.IsInf(got.margin, 1) {
				t.Errorf("%d bounds are broken with margin %v, want none with an infinite one", got.broken, got.margin)
			}
			nearest := inf
			for i := range bs {
				o := got.at(bs[i].t)
				if bs[i].lo > o+1e-3 || bs[i].hi < o-1e-3 {
					t.Fatalf("the line breaks %+v", bs[i])
				}
				nearest = min(nearest, bs[i].hi-o, inf)
				if c.noHigh {
					nearest = min(nearest, o-bs[i].lo)
				}
			}
			if nearest > 1e-3 {
				t.Errorf("the line stays %v us away from all bounds, want it to touch one", nearest)
			}
			if math.IsNaN(got.a) || math.IsInf(got.a, 0) || math.Abs(got.b) > maxSlope {
				t.Errorf("got the line %+v", got)
			}
		})
	}
}

func TestFitFewBounds(t *testing.T) {
	var f lineFitter
	if got := f.fit(nil); got != (line{margin: inf}) {
		t.Errorf("of no bounds got %+v, want a line of which nothing is known", got)
	}
	// One bound: the middle of [400, 900] is 650, and it leaves 250 open.
	if got := f.fit([]bound{{t: 1000, lo: 400, hi: 900}}); got.at(1000) != 650 || got.margin != 250 || got.b != 0 || got.broken != 0 {
		t.Errorf("of one bound got %+v, %v at its time; want 650 with margin 250", got, got.at(1000))
	}
	if got := f.fit([]bound{{t: 5, lo: negInf, hi: 70}}); got.at(5) != 70 || !math.IsInf(got.margin, 1) {
		t.Errorf("of one upper bound got %+v, want 70", got)
	}
	if got := f.fit([]bound{{t: 5, lo: 70, hi: inf}}); got.at(5) != 70 || !math.IsInf(got.margin, 1) {
		t.Errorf("of one lower bound got %+v, want 70", got)
	}
	if got := f.fit([]bound{{t: 5, lo: negInf, hi: inf}}); got.at(5) != 0 || !math.IsInf(got.margin, 1) {
		t.Errorf("of a bound that says nothing got %+v, want 0", got)
	}
	// Two bounds at one time: [0, 100] and [80, 300] leave [80, 100].
	if got := f.fit([]bound{{t: 7, lo: 0, hi: 100}, {t: 7, lo: 80, hi: 300}}); math.Abs(got.at(7)-90) > 1e-6 || math.Abs(got.margin-10) > 1e-6 {
		t.Errorf("of two bounds got %+v, %v at their time; want 90 with margin 10", got, got.at(7))
	}
}

func TestRunsFindSteps(t *testing.T) {
	// 600 bounds, one every 2 s. Bound number k is at 2k seconds.
	ms := func(x float64) float64 { return x * 1e3 }
	for _, c := range []struct {
		name string
		lineCase
		after []int // numbers of the first bounds after the steps
	}{
		{"no step", lineCase{n: 600, off: ms(5), slope: 12, resolution: 1e3, delay: 300}, nil},
		{"no step, stamps of 1 s", lineCase{n: 600, off: ms(5), slope: 12, resolution: 1e6, delay: 300}, nil},
		{"no step, 500 ppm", lineCase{n: 600, off: ms(5), slope: 500, resolution: 1e3, delay: 300}, nil},
		{"no step, 1 of 100 is wrong", lineCase{n: 600, off: ms(5), slope: 12, resolution: 1e3, delay: 300, wrong: 0.01}, nil},
		// A step of 400 ms back at 501 s: up to number 250 (500 s) the offset is up to
		// 5 ms + 12 ppm * 500 s = 11 ms, from number 251 (502 s) on it is 11.024 - 400 = -388.976 ms.
		{"back by 400 ms", lineCase{n: 600, off: ms(5), slope: 12, steps: []madeStep{{501, ms(-400)}}, resolution: 1e3, delay: 300}, []int{251}},
		{"forward by 750 ms", lineCase{n: 600, off: ms(5), slope: -12, steps: []madeStep{{401, ms(750)}}, resolution: 1e3, delay: 300}, []int{201}},
		{"forward by 20 ms", lineCase{n: 600, off: ms(5), slope: 12, steps: []madeStep{{501, ms(20)}}, resolution: 1e3, delay: 300}, []int{251}},
		{"back by an hour", lineCase{n: 600, off: ms(5), slope: 12, steps: []madeStep{{501, ms(-3.6e6)}}, resolution: 1e3, delay: 300}, []int{251}},
		{"back by 3 s, stamps of 1 s", lineCase{n: 600, off: ms(5), slope: 12, steps: []madeStep{{501, ms(-3000)}}, resolution: 1e6, delay: 300}, []int{251}},
		{"back, with wrong ones", lineCase{n: 600, off: ms(5), slope: 12, steps: []madeStep{{501, ms(-400)}}, resolution: 1e3, delay: 300, wrong: 0.01}, []int{251}},
		// Two steps: number 151 is at 302 s, number 451 at 902 s.
		{"back and forward", lineCase{n: 600, off: ms(5), slope: 12, steps: []madeStep{{301, ms(-400)}, {901, ms(750)}}, resolution: 1e3, delay: 300}, []int{151, 451}},
		{"forward twice", lineCase{n: 600, off: ms(5), slope: 12, steps: []madeStep{{301, ms(80)}, {901, ms(80)}}, resolution: 1e3, delay: 300}, []int{151, 451}},
		{"back and as far forward", lineCase{n: 600, off: ms(5), slope: 12, steps: []madeStep{{301, ms(-200)}, {901, ms(200)}}, resolution: 1e3, delay: 300}, []int{151, 451}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(4) {
				checkRuns(t, fmt.Sprintf("seed %d", seed), &c.lineCase, c.after, rand.New(rand.NewPCG(seed, 14)))
			}
		})
	}
}

// checkRuns holds the runs that are found against the made steps; after are the numbers of
// the first bounds after each.
func checkRuns(t *testing.T, what string, c *lineCase, after []int, rnd *rand.Rand) {
	t.Helper()
	var f lineFitter
	got := f.runs(c.bounds(rnd), 3)
	if len(got) != len(after)+1 {
		t.Errorf("%s: %d runs, want %d: %+v", what, len(got), len(after)+1, got)
		return
	}
	if got[0].from != firstPlace || got[len(got)-1].to != lastPlace {
		t.Errorf("%s: the runs go from %d to %d, want them open at both ends", what, got[0].from, got[len(got)-1].to)
	}
	const slack = 2 * every // a wrong bound beside the step leaves it open by some places
	for i, n := range after {
		if to, from := int(got[i].to), int(got[i+1].from); to >= from || to > n-1+slack || from < n-slack || to < n-1-5 || from > n+5 {
			t.Errorf("%s: step %d lies between the places %d and %d, want about %d and %d", what, i+1, to, from, n-1, n)
		}
		jump := got[i+1].at(c.steps[i].t) - got[i].at(c.steps[i].t)
		if within := max(1000, c.resolution/2); math.Abs(jump-c.steps[i].jump) > within {
			t.Errorf("%s: step %d is %.0f us, want %.0f within %.0f", what, i+1, jump, c.steps[i].jump, within)
		}
	}
}

// Noise alone is no step: a clock that wanders by less than the least step, and bounds that
// are wrong here and there.
func TestRunsSeeNoStepInNoise(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 15))
		c := lineCase{n: 100 + rnd.IntN(500), off: 1e5 * rnd.NormFloat64(), slope: 60 * rnd.NormFloat64(), resolution: 1e3, delay: 800, wrong: 0.03}
		c.steps = []madeStep{{every * float64(c.n) * rnd.Float64(), 1000 * (2*rnd.Float64() - 1)}} // less than minStep
		var f lineFitter
		if got := f.runs(c.bounds(rnd), 3); len(got) != 1 {
			t.Errorf("seed %d: %d runs, want one: %+v", seed, len(got), got)
		}
	}
}

// A step in the very middle leaves as many bounds on either side: the line lies on one of
// them, not in between, where it breaks all.
func TestRunsFindAStepInTheMiddle(t *testing.T) {
	for seed := range uint64(10) {
		for _, jump := range []float64{-400e3, 20e3, 750e3, -3.6e9} {
			c := lineCase{n: 600, off: 5e3, slope: 12, steps: []madeStep{{601, jump}}, resolution: 1e3, delay: 300}
			checkRuns(t, fmt.Sprintf("jump %.0f us, seed %d", jump, seed), &c, []int{301}, rand.New(rand.NewPCG(seed, 14)))
		}
	}
}

// Two places that break as few bounds: the line lies on one of them.
func TestFitLiesOnOneOfTwo(t *testing.T) {
	var bs []bound
	for i := range 10 {
		o := 0.0
		if i >= 5 {
			o = 1000
		}
		bs = append(bs, bound{t: float64(i), lo: o - 10, hi: o + 10})
	}
	var f lineFitter
	got, broken := f.fit(bs), 0
	for i := range bs {
		if got.breaks(&bs[i]) {
			broken++
		}
	}
	if broken > 6 || broken != got.broken {
		t.Errorf("the line %+v breaks %d bounds, want 6 at most (5, and 1 for a wider margin) and as many as it says", got, broken)
	}
}
