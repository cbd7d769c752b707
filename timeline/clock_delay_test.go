package timeline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// draw gives one delay, in microseconds: the floor and two waits, some of them longer.
func (d delay) draw(rnd *rand.Rand) float64 {
	u, s := rnd.Float64(), d.scale
	for _, m := range delayMix {
		if u -= m.share; u < 0 {
			s *= m.times
			break
		}
	}
	return d.floor + s*(rnd.ExpFloat64()+rnd.ExpFloat64())
}

// shown is how long a delay looks by the middles of two stamps, of widths a and b, of clocks whose
// ticks have nothing to do with each other.
func (d delay) shown(rnd *rand.Rand, a, b float64) float64 {
	from := rnd.Float64() * 1e6
	ticks := rnd.Float64() * b
	return truncated(from+d.draw(rnd)+ticks, b) - ticks - truncated(from, a)
}

// truncated is the middle of the stamp in which a moment lies, if stamps are so wide.
func truncated(x, width float64) float64 { return math.Floor(x/width)*width + width/2 }

func TestDelayDensityIntegratesToOne(t *testing.T) {
	for _, d := range []delay{{0, 100}, {150, 100}, {500, 300}, {-200, 1000}, {80, 5000}} {
		sum, mean := 0.0, 0.0
		const step = 1.0
		for x := d.floor - 1000; x < d.floor+400*d.scale; x += step {
			p := d.density(x)
			if p < 0 || math.IsNaN(p) {
				t.Fatalf("%+v: the density at %v is %v", d, x, p)
			}
			sum += p * step
			mean += p * x * step
		}
		// A floor is known to 40 us only: what lies below it adds 6 % where the scale is 100 us.
		if math.Abs(sum-1) > 0.08 {
			t.Errorf("%+v: the density integrates to %v", d, sum)
		}
		// Two waits of each part: 2*(0.85*1 + 0.13*3 + 0.02*15) = 3.08 scales.
		if want := d.floor + 3.08*d.scale; math.Abs(mean/sum-want) > 0.1*3.08*d.scale {
			t.Errorf("%+v: the mean is %v, want about %v", d, mean/sum, want)
		}
		c := newDelayCurve(d)
		of := 0.0
		for i := range c.values {
			of += c.at(c.first+(float64(i)+0.5)*c.step) * c.step
		}
		if math.Abs(of-1) > 0.1 {
			t.Errorf("%+v: the curve integrates to %v", d, of)
		}
		if c.at(c.first-1) != 0 || c.at(c.first+float64(len(c.values)+1)*c.step) != 0 {
			t.Errorf("%+v: the curve does not end", d)
		}
	}
}

// A table holds the density of a delay as it shows between two truncated stamps.
func TestDelayTable(t *testing.T) {
	for _, c := range []struct{ scale, a, b float64 }{{100, 1000, 1000}, {300, 1000, 1}, {2000, 1000, 1000}, {50, 1, 1}, {400, 10, 3000}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			table := newDelayTable(c.scale, c.a, c.b)
			sum := 0.0
			for i := range table.logs {
				sum += math.Exp(float64(table.at(table.first+(float64(i)+0.5)*table.step))) * table.step
			}
			if math.Abs(sum-1) > 0.03 {
				t.Errorf("the density integrates to %v", sum)
			}
			// Held against drawn delays: the shares in bands of a quarter of the whole spread.
			rnd := rand.New(rand.NewPCG(1, 51))
			const n = 40_000
			band := (c.a + c.b + 4*c.scale) / 8
			seen := map[int]float64{}
			for range n {
				x := delay{0, c.scale}.shown(rnd, c.a, c.b)
				seen[int(math.Floor(x/band))] += 1.0 / n
			}
			for k := -4; k < 12; k++ {
				want := 0.0
				const parts = 50
				for i := range parts {
					want += math.Exp(float64(table.at((float64(k)+(float64(i)+0.5)/parts)*band))) * band / parts
				}
				if x := float64(k) * band; x+band < table.first { // the table ends here
					want = 0
				}
				if math.Abs(seen[k]-want) > 0.02 {
					t.Errorf("from %.0f to %.0f us lie %.3f of the delays, the table says %.3f", float64(k)*band, float64(k+1)*band, seen[k], want)
				}
			}
		})
	}
}

func TestDelayFit(t *testing.T) {
	for _, c := range []struct {
		name        string
		floor       float64
		scale       float64
		a, b        float64 // widths of the stamps
		n           int
		floorWithin float64
		times       float64 // the scale is right within this factor
	}{
		{"fine stamps", 200, 150, 1, 1, 800, 60, 2},
		{"fine stamps, long waits", 200, 3000, 1, 1, 800, 700, 2},
		{"1 ms", 200, 300, 1000, 1000, 800, 150, 3},
		{"1 ms, long waits", 500, 3000, 1000, 1000, 800, 700, 2},
		{"1 ms against fine ones", 300, 400, 1000, 1, 800, 200, 3},
		{"the clock is ahead: less than nothing", -3000, 300, 1000, 1000, 800, 150, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &delayFitter{tables: map[[3]float64]*delayTable{}}
			for seed := range uint64(5) {
				rnd := rand.New(rand.NewPCG(seed, 52))
				gaps := make([]gap, c.n)
				for i := range gaps {
					gaps[i] = gap{delay{c.floor, c.scale}.shown(rnd, c.a, c.b), 1}
				}
				var best seenFloor
				best.likely = negInf
				for _, s := range f.scales(gaps, c.a, c.b) {
					if s.likely > best.likely {
						best = s
					}
				}
				if math.Abs(best.floor-c.floor) > c.floorWithin {
					t.Errorf("seed %d: the floor is %.0f us, want %.0f within %.0f", seed, best.floor, c.floor, c.floorWithin)
				}
				if r := best.scale / c.scale; r > c.times || r < 1/c.times {
					t.Errorf("seed %d: the scale is %.0f us, want %.0f within a factor of %v", seed, best.scale, c.scale, c.times)
				}
				if best.variance <= 0 || math.IsNaN(best.variance) {
					t.Errorf("seed %d: the variance of the floor is %v", seed, best.variance)
				}
			}
		})
	}
}

// Three moments follow each other by two ways, and each lies in a stamp of 1 ms. What is known of the delays
// tells where in the stamps they lie.
func TestWeighingAChain(t *testing.T) {
	for _, d := range []delay{{100, 100}, {600, 150}, {300, 400}} {
		t.Run(fmt.Sprint(d), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, 53))
			const n = 1500
			m := &ClockModel{curves: map[delay]*delayCurve{d: newDelayCurve(d)}}
			var byMedian, byMiddle, spread float64
			held, total := 0, 0
			for range n {
				truth := [3]float64{rnd.Float64() * 1000}
				truth[1] = truth[0] + d.draw(rnd)
				truth[2] = truth[1] + d.draw(rnd)
				f := &refinement{m: m, ways: []way{{0, 1, d}, {1, 2, d}}}
				var lo, hi []float64
				for _, x := range truth {
					mid := truncated(x, 1000)
					lo, hi = append(lo, mid-500), append(hi, mid+500)
					f.moments = append(f.moments, moment{lo: mid - 500, hi: mid + 500, a: mid - 500, b: mid + 500})
				}
				f.weigh(lo, hi)
				for i, x := range truth {
					y := &f.moments[i]
					if math.IsNaN(y.at) || y.at < lo[i] || y.at > hi[i] || y.lo95 > y.at || y.hi95 < y.at || y.lo95 < lo[i] || y.hi95 > hi[i] {
						t.Fatalf("moment %d in [%v, %v]: the best guess is %v, the interval [%v, %v]", i, lo[i], hi[i], y.at, y.lo95, y.hi95)
					}
					byMedian += math.Abs(y.at - x)
					byMiddle += math.Abs((lo[i]+hi[i])/2 - x)
					spread += y.hi95 - y.lo95
					total++
					if x >= y.lo95 && x <= y.hi95 {
						held++
					}
				}
			}
			byMedian, byMiddle, spread = byMedian/float64(total), byMiddle/float64(total), spread/float64(total)
			// The middle of a stamp is 250 us off on average.
			if byMedian > 0.95*byMiddle {
				t.Errorf("the median is %.0f us off on average, the middle of the stamp %.0f: want it clearly nearer", byMedian, byMiddle)
			}
			if share := float64(held) / float64(total); share < 0.9 || share > 0.99 {
				t.Errorf("the interval that is to hold 95 of 100 moments holds %.1f of 100", 100*share)
			}
			t.Logf("median %.0f us off, middle %.0f; the interval is %.0f wide and holds %.3f", byMedian, byMiddle, spread, float64(held)/float64(total))
		})
	}
}

// A moment without any way stays where its stamp is: the middle is the best guess, and 95 of 100
// lie in 95 hundredths of it.
func TestWeighingOneMoment(t *testing.T) {
	f := &refinement{m: &ClockModel{}, moments: []moment{{lo: 0, hi: 1000, a: 0, b: 1000}}}
	f.weigh([]float64{0}, []float64{1000})
	x := &f.moments[0]
	if math.Abs(x.at-500) > 1 || math.Abs(x.lo95-25) > 1 || math.Abs(x.hi95-975) > 1 {
		t.Errorf("got %v in [%v, %v], want 500 in [25, 975]", x.at, x.lo95, x.hi95)
	}
}

// Circles of ways and lengths are weighed too: a call's request and answer, with how long both
// ends took. The median stays in the box, and nearer to the truth than its middle.
func TestWeighingACircle(t *testing.T) {
	d := delay{150, 150}
	rnd := rand.New(rand.NewPCG(1, 54))
	m := &ClockModel{curves: map[delay]*delayCurve{d: newDelayCurve(d)}}
	var byMedian, byMiddle float64
	for range 800 {
		truth := [4]float64{rnd.Float64() * 1000} // caller's start, callee's start and end, caller's end
		truth[1] = truth[0] + d.draw(rnd)
		truth[2] = truth[1] + 2000 + 5000*rnd.Float64()
		truth[3] = truth[2] + d.draw(rnd)
		f := &refinement{m: m, ways: []way{{0, 1, d}, {2, 3, d}}}
		for _, k := range [][2]int{{0, 3}, {1, 2}} { // lengths are told to 100 us
			low := math.Floor((truth[k[1]]-truth[k[0]])/100) * 100
			f.lengths = append(f.lengths, lasting{k[0], k[1], low, low + 100, false})
		}
		var lo, hi []float64
		for _, x := range truth {
			mid := truncated(x, 1000)
			lo, hi = append(lo, mid-500), append(hi, mid+500)
			f.moments = append(f.moments, moment{lo: mid - 500, hi: mid + 500})
		}
		f.weigh(lo, hi)
		for i, x := range truth {
			y := &f.moments[i]
			if math.IsNaN(y.at) || y.at < lo[i] || y.at > hi[i] {
				t.Fatalf("moment %d in [%v, %v]: the best guess is %v", i, lo[i], hi[i], y.at)
			}
			byMedian += math.Abs(y.at - x)
			byMiddle += math.Abs((lo[i]+hi[i])/2 - x)
		}
	}
	if byMedian > 0.9*byMiddle {
		t.Errorf("medians are %.0f us off in all, the middles %.0f: want them clearly nearer", byMedian, byMiddle)
	}
}
