package timeline

import (
	"math"
	"slices"
)

var (
	inf    = math.Inf(1)
	negInf = math.Inf(-1)
)

// stab finds the value that breaks the fewest bounds (Marzullo, "Maintaining the time in
// a distributed system", 1983). lows holds the lower bounds with their signs turned, highs the
// upper ones, both ascending, so that the tightest of each come first. It gives the hull
// [lo, hi] of the values that break the fewest, and how many these break.
func stab(lows, highs []float64) (lo, hi float64, broken int) {
	if len(lows) == 0 || len(highs) == 0 || -lows[0] <= highs[0] {
		lo, hi = negInf, inf
		if len(lows) > 0 {
			lo = -lows[0]
		}
		if len(highs) > 0 {
			hi = highs[0]
		}
		return lo, hi, 0
	}
	// Only where lower bounds lie above upper ones is there anything to decide; the best
	// value can always be taken at such a lower bound, or at the lowest upper bound, which breaks
	// them all.
	m, _ := slices.BinarySearch(lows, -highs[0]) // lows[:m] are above highs[0]
	broken = m
	first, last := -1, -1
	below := 0 // upper bounds below the lower bound looked at
	for i := m - 1; i >= 0; i-- {
		for below < len(highs) && highs[below] < -lows[i] {
			below++
		}
		switch n := i + below; {
		case n < broken || n == broken && first < 0:
			broken, first, last = n, i, i
		case n == broken:
			last = i
		}
	}
	lo, hi = highs[0], highs[0]
	switch {
	case broken < m:
		lo = -lows[first]
	case m < len(lows):
		lo = -lows[m]
	}
	if last >= 0 {
		hi = -lows[last]
		if j, _ := slices.BinarySearch(highs, hi); j < len(highs) {
			hi = highs[j]
		}
	}
	return lo, hi, broken
}

// trim is stab that then gives up so many more of the tightest bounds of each side that
// kLow and kHigh are given up in all: a few wrong bounds may hide in the gap, where nothing
// contradicts them.
func trim(lows, highs []float64, kLow, kHigh int) (lo, hi float64, broken int) {
	lo, hi, broken = stab(lows, highs)
	if len(lows) > 0 {
		gone, _ := slices.BinarySearch(lows, -lo)
		lo = -lows[min(len(lows)-1, max(gone, kLow))]
	}
	if len(highs) > 0 {
		gone, _ := slices.BinarySearch(highs, hi)
		hi = highs[min(len(highs)-1, max(gone, kHigh))]
	}
	return lo, hi, broken
}

// A bound says of a clock's offset, or of the difference of two, that at time t (seconds)
// it lies in [lo, hi] (microseconds); an infinite side says nothing.
type bound struct {
	t, lo, hi float64
	id        int32 // of the link, or the place in the order of the clock's records
}

// sides gives the bounds as stab takes them.
func sides(bs []bound) (lows, highs []float64) {
	for i := range bs {
		if bs[i].lo > negInf {
			lows = append(lows, -bs[i].lo)
		}
		if bs[i].hi < inf {
			highs = append(highs, bs[i].hi)
		}
	}
	slices.Sort(lows)
	slices.Sort(highs)
	return lows, highs
}

// thin keeps the tightest bounds of each side in each of so many stretches of time, in
// the order of bs.
func thin(bs []bound, bins, keep int) []bound {
	if len(bs) <= bins*keep {
		return bs
	}
	first, last := inf, negInf
	for i := range bs {
		first, last = min(first, bs[i].t), max(last, bs[i].t)
	}
	width := (last - first) / float64(bins)
	if width <= 0 {
		width = 1
	}
	tight := make([][]int32, 2*(bins+1)) // of each bin: lower bounds, upper bounds; the tightest first
	put := func(bin int, i int, tighter func(a, b int32) bool) {
		s := tight[bin]
		if len(s) == keep && !tighter(int32(i), s[keep-1]) {
			return
		}
		if len(s) < keep {
			s = append(s, 0)
		}
		j := len(s) - 1
		for ; j > 0 && tighter(int32(i), s[j-1]); j-- {
			s[j] = s[j-1]
		}
		s[j] = int32(i)
		tight[bin] = s
	}
	for i := range bs {
		bin := int((bs[i].t - first) / width)
		if bs[i].lo > negInf {
			put(2*bin, i, func(a, b int32) bool { return bs[a].lo > bs[b].lo })
		}
		if bs[i].hi < inf {
			put(2*bin+1, i, func(a, b int32) bool { return bs[a].hi < bs[b].hi })
		}
	}
	picked := make([]bool, len(bs))
	n := 0
	for _, s := range tight {
		for _, i := range s {
			if !picked[i] {
				picked[i] = true
				n++
			}
		}
	}
	out := make([]bound, 0, n)
	for i, ok := range picked {
		if ok {
			out = append(out, bs[i])
		}
	}
	return out
}

func median(xs []float64) float64 {
	slices.Sort(xs)
	return xs[len(xs)/2]
}

// nth gives the n-th smallest of what each tells, counted from 0, the largest if there are
// fewer; ok is false if there is none. It is made for small n.
type nth struct {
	n   int
	top []float64 // ascending, at most n+1
}

func (s *nth) reset(n int) { s.n, s.top = n, s.top[:0] }

// add gives the limit from which on another one changes nothing.
func (s *nth) add(x float64) (limit float64) {
	k := len(s.top)
	if k > s.n {
		if x >= s.top[k-1] {
			return s.top[k-1]
		}
		k--
	} else {
		s.top = append(s.top, 0)
	}
	if s.n >= 32 { // long lists are searched
		i, _ := slices.BinarySearch(s.top[:k], x)
		copy(s.top[i+1:k+1], s.top[i:k])
		s.top[i] = x
	} else {
		for ; k > 0 && s.top[k-1] > x; k-- {
			s.top[k] = s.top[k-1]
		}
		s.top[k] = x
	}
	if len(s.top) > s.n {
		return s.top[s.n]
	}
	return inf
}

func (s *nth) value() (float64, bool) {
	if len(s.top) == 0 {
		return 0, false
	}
	return s.top[len(s.top)-1], true
}
