package timeline

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// smallBounds makes up to eight bounds of each side: whole numbers, so that many are
// equal, and now and then an infinite one, which says nothing. Lower bounds have their signs turned, as stab
// wants them.
func smallBounds(rnd *rand.Rand) (lows, highs []float64) {
	side := func() []float64 {
		out := make([]float64, rnd.IntN(9))
		for i := range out {
			out[i] = float64(rnd.IntN(13) - 6)
			if rnd.IntN(20) == 0 {
				out[i] = inf
			}
		}
		slices.Sort(out)
		return out
	}
	return side(), side()
}

// brokenBy counts the bounds that a value breaks.
func brokenBy(lows, highs []float64, x float64) int {
	n := 0
	for _, l := range lows {
		if -l > x {
			n++
		}
	}
	for _, h := range highs {
		if h < x {
			n++
		}
	}
	return n
}

// stabSlowly tries every bound and a value between every two of them.
func stabSlowly(lows, highs []float64) (lo, hi float64, broken int) {
	all := slices.Clone(highs)
	for _, l := range lows {
		all = append(all, -l)
	}
	all = slices.DeleteFunc(all, func(x float64) bool { return math.IsInf(x, 0) })
	slices.Sort(all)
	if len(all) == 0 {
		return negInf, inf, 0
	}
	xs := []float64{all[0] - 1}
	for i, x := range all {
		if i > 0 {
			xs = append(xs, (x+all[i-1])/2)
		}
		xs = append(xs, x)
	}
	xs = append(xs, all[len(all)-1]+1)
	broken = len(lows) + len(highs) + 1
	for _, x := range xs {
		n := brokenBy(lows, highs, x)
		switch {
		case n < broken:
			lo, hi, broken = x, x, n
		case n == broken:
			hi = x
		}
	}
	// The hull may have no end. Where nothing contradicts it is told as infinite; else it
	// ends at the outermost bound from which on it has none.
	if lo == xs[0] {
		lo = negInf
		if broken > 0 {
			lo = all[0]
		}
	}
	if hi == xs[len(xs)-1] {
		hi = inf
		if broken > 0 {
			hi = all[len(all)-1]
		}
	}
	return lo, hi, broken
}

// outermost gives the smallest and the largest finite bound.
func outermost(lows, highs []float64) [2]float64 {
	out := [2]float64{inf, negInf}
	for _, x := range highs {
		if x < inf {
			out = [2]float64{min(out[0], x), max(out[1], x)}
		}
	}
	for _, x := range lows {
		if x < inf {
			out = [2]float64{min(out[0], -x), max(out[1], -x)}
		}
	}
	return out
}

func TestStab(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		lows, highs := smallBounds(rnd)
		lo, hi, broken := stab(lows, highs)
		wantLo, wantHi, want := stabSlowly(lows, highs)
		// With a bound that says nothing in the list, a hull without end is told as such.
		if lo == negInf && wantLo == outermost(lows, highs)[0] && slices.Contains(lows, inf) {
			wantLo = negInf
		}
		if hi == inf && wantHi == outermost(lows, highs)[1] && slices.Contains(highs, inf) {
			wantHi = inf
		}
		if lo != wantLo || hi != wantHi || broken != want {
			t.Fatalf("stab(%v, %v) = %v, %v, %d; want %v, %v, %d", lows, highs, lo, hi, broken, wantLo, wantHi, want)
		}
		if broken == 0 {
			continue
		}
		for _, x := range []float64{lo, hi} { // both ends are among the best values
			if n := brokenBy(lows, highs, x); n != broken && !math.IsInf(x, 0) {
				t.Fatalf("stab(%v, %v) says that the fewest are %d, but its end %v breaks %d", lows, highs, broken, x, n)
			}
		}
	}
}

func TestTrim(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 1))
	for range 20_000 {
		lows, highs := smallBounds(rnd)
		kLow, kHigh := rnd.IntN(4), rnd.IntN(4)
		lo, hi, broken := trim(lows, highs, kLow, kHigh)
		wantLo, wantHi, want := stab(lows, highs)
		// Of each side those that the best values break are given up, and more until there are
		// enough; the last one is kept.
		give := func(side []float64, limit float64, k int) float64 {
			gone := 0
			for gone < len(side)-1 && (side[gone] < limit || gone < k) {
				gone++
			}
			return side[gone]
		}
		if len(lows) > 0 {
			wantLo = -give(lows, -wantLo, kLow)
		}
		if len(highs) > 0 {
			wantHi = give(highs, wantHi, kHigh)
		}
		if lo != wantLo || hi != wantHi || broken != want {
			t.Fatalf("trim(%v, %v, %d, %d) = %v, %v, %d; want %v, %v, %d", lows, highs, kLow, kHigh, lo, hi, broken, wantLo, wantHi, want)
		}
	}
}

// One wrong bound in the gap is given up although nothing contradicts it.
func TestTrimGivesUpWhatHides(t *testing.T) {
	lows := []float64{-8, 5, 6} // lower bounds 8, -5, -6: 8 is wrong, the truth is 0
	highs := []float64{9, 10}
	if lo, hi, broken := trim(lows, highs, 1, 0); lo != -5 || hi != 9 || broken != 0 {
		t.Errorf("got [%v, %v] with %d broken, want [-5, 9] with 0", lo, hi, broken)
	}
}

func TestNth(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 1))
	var s nth // used again and again, as by the prober
	for range 10_000 {
		n := rnd.IntN(6)
		if rnd.IntN(4) == 0 {
			n = 30 + rnd.IntN(6) // about where long lists begin
		}
		s.reset(n)
		xs := make([]float64, rnd.IntN(60))
		for i := range xs {
			xs[i] = float64(rnd.IntN(40))
			if rnd.IntN(30) == 0 {
				xs[i] = inf
			}
			s.add(xs[i])
		}
		slices.Sort(xs)
		got, ok := s.value()
		if ok != (len(xs) > 0) || ok && got != xs[min(n, len(xs)-1)] {
			t.Fatalf("place %d of %v: got %v, %v", n, xs, got, ok)
		}
	}
}

func TestThin(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 1))
	for range 5000 {
		bs := make([]bound, rnd.IntN(80))
		for i := range bs {
			bs[i] = bound{float64(rnd.IntN(50)), float64(-rnd.IntN(9)), float64(rnd.IntN(9)), int32(i)}
			switch rnd.IntN(6) {
			case 0:
				bs[i].lo = negInf
			case 1:
				bs[i].hi = inf
			}
		}
		bins, keep := 1+rnd.IntN(6), 1+rnd.IntN(4)
		got := thin(bs, bins, keep)
		if want := thinSlowly(bs, bins, keep); !slices.Equal(got, want) {
			t.Fatalf("thin(%v, %d, %d) = %v, want %v", bs, bins, keep, got, want)
		}
	}
}

// thinSlowly sorts the bounds of each stretch of time by each side.
func thinSlowly(bs []bound, bins, keep int) []bound {
	if len(bs) <= bins*keep {
		return bs
	}
	first, last := bs[0].t, bs[0].t
	for _, b := range bs {
		first, last = min(first, b.t), max(last, b.t)
	}
	width := (last - first) / float64(bins)
	if width == 0 {
		width = 1
	}
	kept := map[int32]bool{}
	for bin := range bins + 1 { // the very last moment is a stretch of its own
		for _, looser := range []func(b bound) float64{func(b bound) float64 { return -b.lo }, func(b bound) float64 { return b.hi }} {
			var in []bound
			for _, b := range bs {
				if int((b.t-first)/width) == bin && looser(b) < inf {
					in = append(in, b)
				}
			}
			slices.SortStableFunc(in, func(a, b bound) int { return compareFloat(looser(a), looser(b)) })
			for _, b := range in[:min(keep, len(in))] {
				kept[b.id] = true
			}
		}
	}
	var out []bound
	for _, b := range bs {
		if kept[b.id] {
			out = append(out, b)
		}
	}
	return out
}

func TestTightest(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 1))
	for range 10_000 {
		xs := make([]float64, rnd.IntN(60))
		for i := range xs {
			xs[i] = float64(rnd.IntN(30))
			if rnd.IntN(30) == 0 {
				xs[i] = inf
			}
		}
		limit, n := float64(rnd.IntN(36)-3), 1+rnd.IntN(5)
		all := slices.Sorted(slices.Values(xs))
		got := tightest(slices.Clone(xs), limit, n)
		need := 0 // of the smallest so many must be there
		for need < len(all) && (all[need] <= limit || need < n || need > 0 && all[need-1] <= limit) {
			need++
		}
		if len(got) < need || !slices.Equal(got, all[:len(got)]) {
			t.Fatalf("tightest(%v, %v, %d) = %v, want the first %d at least of %v", xs, limit, n, got, need, all)
		}
	}
}

// randomMatrix makes the intervals of some pairs of n hosts whose clocks have the offsets xs:
// each holds the truth.
func randomMatrix(rnd *rand.Rand, xs []float64) matrix {
	m := newMatrix(len(xs))
	for i := range xs {
		for j := range xs {
			if i != j && rnd.IntN(3) > 0 {
				m[i][j] = xs[j] - xs[i] + float64(rnd.IntN(20))
			}
		}
	}
	return m
}

// shortestSlowly walks every path that meets no host twice.
func shortestSlowly(m matrix) matrix {
	out := newMatrix(len(m))
	var walk func(from, at int, sum float64, met []bool)
	walk = func(from, at int, sum float64, met []bool) {
		out[from][at] = min(out[from][at], sum)
		for next := range m {
			if !met[next] && m[at][next] < inf {
				met[next] = true
				walk(from, next, sum+m[at][next], met)
				met[next] = false
			}
		}
	}
	for i := range m {
		met := make([]bool, len(m))
		met[i] = true
		walk(i, i, 0, met)
	}
	return out
}

// missingInCycles is by how much every edge must be widened at least so that no cycle
// contradicts itself: the mean of the worst one.
func missingInCycles(m matrix) float64 {
	worst := 0.0
	var walk func(from, at, steps int, sum float64, met []bool)
	walk = func(from, at, steps int, sum float64, met []bool) {
		if m[at][from] < inf && steps > 0 {
			worst = min(worst, (sum+m[at][from])/float64(steps+1))
		}
		for next := from + 1; next < len(m); next++ { // every cycle once, from its first host
			if !met[next] && m[at][next] < inf {
				met[next] = true
				walk(from, next, steps+1, sum+m[at][next], met)
				met[next] = false
			}
		}
	}
	for i := range m {
		met := make([]bool, len(m))
		met[i] = true
		walk(i, i, 0, 0, met)
	}
	return -worst
}

func TestShortest(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 1))
	for range 3000 {
		xs := make([]float64, 1+rnd.IntN(5))
		for i := range xs {
			xs[i] = float64(rnd.IntN(100))
		}
		m := randomMatrix(rnd, xs)
		got, widened := m.shortest()
		if widened != 0 {
			t.Fatalf("%v: widened by %v, but no cycle contradicts itself", m, widened)
		}
		want := shortestSlowly(m)
		for i := range m {
			for j := range m {
				if got[i][j] != want[i][j] {
					t.Fatalf("%v: from %d to %d got %v, want %v", m, i, j, got[i][j], want[i][j])
				}
				if got[i][j] < xs[j]-xs[i] {
					t.Fatalf("%v: from %d to %d %v does not hold the truth %v", m, i, j, got[i][j], xs[j]-xs[i])
				}
			}
		}
	}
}

// Cycles that contradict themselves are widened until they close.
func TestShortestWidens(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 1))
	tried := 0
	for tried < 2000 {
		xs := make([]float64, 2+rnd.IntN(4))
		for i := range xs {
			xs[i] = float64(rnd.IntN(100))
		}
		m := randomMatrix(rnd, xs)
		for range 1 + rnd.IntN(3) { // some intervals are wrong
			i, j := rnd.IntN(len(xs)), rnd.IntN(len(xs))
			if i != j {
				m[i][j] = xs[j] - xs[i] - float64(10+rnd.IntN(200))
			}
		}
		missing := missingInCycles(m)
		if missing == 0 {
			continue
		}
		tried++
		got, widened := m.shortest()
		if widened < missing-1e-6 {
			t.Fatalf("%v: widened by %v, and %v was missing", m, widened, missing)
		}
		wide := newMatrix(len(m))
		for i := range m {
			for j := range m {
				if i != j {
					wide[i][j] = m[i][j] + widened
				}
			}
		}
		want := shortestSlowly(wide)
		for i := range m {
			for j := range m {
				if math.Abs(got[i][j]-want[i][j]) > 1e-6 && got[i][j] != want[i][j] {
					t.Fatalf("%v: widened by %v, from %d to %d got %v, want %v", m, widened, i, j, got[i][j], want[i][j])
				}
			}
		}
	}
}

func TestInvert(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 1))
	for range 500 {
		n := 1 + rnd.IntN(12)
		a := newMatrix(n)
		for i := range n {
			for j := range n {
				a[i][j] = rnd.NormFloat64()
			}
		}
		m := newMatrix(n) // a times its transpose, and something on the diagonal: positive definite
		for i := range n {
			for j := range n {
				m[i][j] = 0
				for k := range n {
					m[i][j] += a[i][k] * a[j][k]
				}
			}
			m[i][i] += 0.1
		}
		before := newMatrix(n)
		for i := range n {
			copy(before[i], m[i])
		}
		inverse := m.invert()
		for i := range n {
			for j := range n {
				sum, want := 0.0, 0.0
				for k := range n {
					sum += m[i][k] * inverse[k][j]
				}
				if i == j {
					want = 1
				}
				if math.Abs(sum-want) > 1e-6 {
					t.Fatalf("%v: place %d, %d of the product is %v, want %v", m, i, j, sum, want)
				}
				if m[i][j] != before[i][j] {
					t.Fatalf("the matrix itself was changed at %d, %d", i, j)
				}
			}
		}
	}
}

// Weights of the solver lie many orders apart: the reference is held by 1e12, and hosts of which
// nothing is known by 1e-12.
func TestInvertHoldsTheReference(t *testing.T) {
	m := newMatrix(3)
	for i := range m {
		for j := range m {
			m[i][j] = 0
		}
	}
	const w = 1.0 / (30 * 30) // one pair, told to 30 us
	m[0][0], m[0][1], m[1][0], m[1][1] = 1e12+w, -w, -w, w
	m[2][2] = 1e-12
	inverse := m.invert()
	if sigma := math.Sqrt(inverse[1][1]); math.Abs(sigma-30) > 0.01 {
		t.Errorf("the deviation of the second host is %v us, want 30", sigma)
	}
	if sigma := math.Sqrt(inverse[0][0]); sigma > 1e-5 {
		t.Errorf("the deviation of the reference is %v us, want 0", sigma)
	}
}

func TestKnotAt(t *testing.T) {
	ks := []clockKnot{{10, 100, 4, 8}, {20, 300, 8, 4}, {20, 900, 1, 1}, {40, 700, 3, 5}}
	for _, c := range []struct {
		t    float64
		want clockKnot
	}{
		{-5, clockKnot{10, 100, 4, 8}}, // before the first the first holds
		{10, clockKnot{10, 100, 4, 8}},
		{15, clockKnot{15, 200, 6, 6}},         // halfway: (100+300)/2
		{12.5, clockKnot{12.5, 150, 5, 7}},     // a quarter: 100+200/4
		{30, clockKnot{30, 800, 2, 3}},         // halfway: (900+700)/2
		{40, clockKnot{40, 700, 3, 5}},         // the last
		{1e9, clockKnot{40, 700, 3, 5}},        // and beyond
		{negInf, clockKnot{10, 100, 4, 8}},     // even so
		{39.999, knotAtSlowly(ks[2:], 39.999)}, // close to the end
	} {
		if got := knotAt(ks, c.t); math.Abs(got.off-c.want.off) > 1e-9 || math.Abs(got.minus-c.want.minus) > 1e-9 || math.Abs(got.plus-c.want.plus) > 1e-9 {
			t.Errorf("at %v got %+v, want %+v", c.t, got, c.want)
		}
	}
	if got := knotAt(nil, 7); got != (clockKnot{t: 7}) {
		t.Errorf("without knots got %+v, want none", got)
	}
	if got := knotAt(ks[:1], 7); got != ks[0] {
		t.Errorf("with one knot got %+v, want it", got)
	}
	rnd := rand.New(rand.NewPCG(9, 1))
	for range 2000 {
		ks := make([]clockKnot, 2+rnd.IntN(6))
		at := 0.0
		for i := range ks {
			at += rnd.Float64() * 100
			ks[i] = clockKnot{at, rnd.NormFloat64(), rnd.Float64(), rnd.Float64()}
		}
		x := rnd.Float64()*(at+20) - 10
		got, want := knotAt(ks, x), knotAtSlowly(ks, x)
		if math.Abs(got.off-want.off) > 1e-9 || math.Abs(got.minus-want.minus) > 1e-9 || math.Abs(got.plus-want.plus) > 1e-9 {
			t.Fatalf("knotAt(%v, %v) = %+v, want %+v", ks, x, got, want)
		}
	}
}

// knotAtSlowly looks for the two knots one by one.
func knotAtSlowly(ks []clockKnot, t float64) clockKnot {
	if t <= ks[0].t {
		return ks[0]
	}
	for i := 1; i < len(ks); i++ {
		if a, b := ks[i-1], ks[i]; t <= b.t {
			f := (t - a.t) / (b.t - a.t)
			return clockKnot{t, a.off*(1-f) + b.off*f, a.minus*(1-f) + b.minus*f, a.plus*(1-f) + b.plus*f}
		}
	}
	return ks[len(ks)-1]
}

// In stream 3 the clock was set somewhere between the records at 100 and at 140, likely
// after the one at 120. Of the other streams only the raw stamps tell.
func TestCutSide(t *testing.T) {
	back := clockCut{jump: -400, lastBefore: 10_000, firstAfter: 9_600, streams: []streamCut{{stream: 3, before: 100, after: 140, cut: 120}}}
	forward := clockCut{jump: 400, lastBefore: 10_000, firstAfter: 10_500, streams: back.streams}
	for _, c := range []struct {
		what string
		cut  *clockCut
		at   seat
		side int
		sure bool
	}{
		{"long before", &back, seat{3, 7, 0}, -1, true},
		{"the last one before", &back, seat{3, 100, 0}, -1, true},
		{"in the gap, before the likely place", &back, seat{3, 101, 0}, -1, false},
		{"in the gap, at the likely place", &back, seat{3, 120, 0}, -1, false},
		{"in the gap, after the likely place", &back, seat{3, 121, 0}, 1, false},
		{"the first one after", &back, seat{3, 140, 0}, 1, true},
		{"long after, whatever its stamp", &back, seat{3, 999, 5}, 1, true},
		{"another stream, before what was stamped twice", &back, seat{4, 999, 9_599}, -1, true},
		{"another stream, stamped twice, nearer to the end", &back, seat{4, 999, 9_900}, -1, false},
		{"another stream, stamped twice, nearer to the begin", &back, seat{4, 999, 9_700}, 1, false},
		{"another stream, after what was stamped twice", &back, seat{4, 1, 10_001}, 1, true},
		{"no order, before", &back, seat{-1, 0, 9_000}, -1, true},
		{"no order, after", &back, seat{-1, 0, 11_000}, 1, true},
		{"no order, before a step forward", &forward, seat{-1, 0, 9_999}, -1, true},
		{"no order, after a step forward", &forward, seat{-1, 0, 10_501}, 1, true},
	} {
		if side, sure := c.cut.side(c.at); side != c.side || sure != c.sure {
			t.Errorf("%s: got %d, %v, want %d, %v", c.what, side, sure, c.side, c.sure)
		}
	}
	// Within the gap of a step forward neither side is sure.
	for raw := int64(10_000); raw <= 10_500; raw += 50 {
		if _, sure := forward.side(seat{-1, 0, raw}); sure {
			t.Errorf("at %d the side is called sure", raw)
		}
	}
}

// However many cycles contradict each other, edges are not widened by much more than the worst of
// them needs.
func TestShortestWidensByLittle(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 1))
	for _, n := range []int{5, 20, 50, 100} {
		m := newMatrix(n)
		for i := range n {
			for j := range n {
				if i != j && rnd.IntN(3) == 0 {
					m[i][j] = 200 + float64(rnd.IntN(100))
				}
			}
		}
		for range n { // pairs that contradict themselves by 50, and each other by up to 600 on two edges
			if i, j := rnd.IntN(n), rnd.IntN(n); i != j {
				m[i][j], m[j][i] = -300, 250
			}
		}
		if _, widened := m.shortest(); widened > 1.3*300 {
			t.Errorf("%d hosts: widened by %v, and at most 300 can be missing", n, widened)
		}
	}
}
