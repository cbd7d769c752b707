package timeline

import (
	"math"
	"slices"
)

const (
	cellsPerMoment = 48
	cellWidth      = 20.0 // microseconds: cells need be no smaller
)

// A potential is what one way or one length says of two moments.
type potential struct {
	i, j  int
	at    func(d float64) float64 // of the difference, j's less i's
	width float64                 // how much it leaves open
}

// weigh sets the best guess of every moment, and the interval that holds it in 95 of 100
// cases: each moment is as likely anywhere in its box [lo, hi] but for the usual delays.
func (f *refinement) weigh(lo, hi []float64) {
	n := len(f.moments)
	cells := make([]cellBox, n)
	for i := range cells {
		cells[i] = newCellBox(min(lo[i], hi[i]), max(lo[i], hi[i]))
	}
	var all []potential
	for _, w := range f.lasts {
		all = append(all, potential{w.from, w.to, w.delay.density, w.delay.scale})
	}
	for k, o := range f.spans {
		low, high := o.w, o.w+f.slack[k]
		all = append(all, potential{o.i, o.j, func(d float64) float64 {
			if d < low || d > high {
				return math.Exp(-max(low-d, d-high) / softFloor)
			}
			return 1
		}, f.slack[k]})
	}
	slices.SortStableFunc(all, func(a, b potential) int { return compareFloat(a.width, b.width) })
	// Only a tree can be weighed exactly: what would close a circle is left out, the vaguest first.
	tree := make([]int, n)
	for i := range tree {
		tree[i] = i
	}
	var find func(i int) int
	find = func(i int) int {
		for tree[i] != i {
			tree[i] = tree[tree[i]]
			i = tree[i]
		}
		return i
	}
	near := make([][]neighbour, n)
	for k := range all {
		p := &all[k]
		if a, b := find(p.i), find(p.j); a != b {
			tree[a] = b
			near[p.i] = append(near[p.i], neighbour{p.j, p.at, 1})
			near[p.j] = append(near[p.j], neighbour{p.i, p.at, -1})
		}
	}
	done := make([]bool, n)
	for i := range n {
		if !done[i] {
			weighTree(i, cells, near, done)
		}
	}
	for i := range f.moments {
		x := &f.moments[i]
		mean, low, high := cells[i].tell()
		x.at = min(x.hi, max(x.lo, mean))
		c := 1.96 * x.sigma
		x.lo95 = max(x.lo, x.at-math.Hypot(x.at-low, c))
		x.hi95 = min(x.hi, x.at+math.Hypot(high-x.at, c))
	}
}

// A neighbour is the other end of a potential; sign is 1 if it is the later one.
type neighbour struct {
	other int
	at    func(d float64) float64
	sign  float64
}

// A cellBox is the places where a moment may be, and how likely each is.
type cellBox struct {
	first, width float64
	weight       []float64 // by itself
	up           []float64 // product of what comes from below in the tree
	belief       []float64
}

func newCellBox(lo, hi float64) cellBox {
	n := int(min(cellsPerMoment, max(1, math.Ceil((hi-lo)/cellWidth))))
	b := cellBox{first: lo, width: (hi - lo) / float64(n), weight: make([]float64, n)}
	for i := range b.weight {
		b.weight[i] = 1
	}
	return b
}

func (b *cellBox) x(i int) float64 { return b.first + (float64(i)+0.5)*b.width }

// weighTree passes what each moment of the tree says towards the root and back.
func weighTree(root int, cells []cellBox, near [][]neighbour, done []bool) {
	type step struct{ node, parent int }
	order := []step{{root, -1}}
	done[root] = true
	for k := 0; k < len(order); k++ {
		for _, e := range near[order[k].node] {
			if !done[e.other] {
				done[e.other] = true
				order = append(order, step{e.other, order[k].node})
			}
		}
	}
	up := map[int][]float64{} // what a node says of its parent
	for k := len(order) - 1; k >= 0; k-- {
		s := order[k]
		b := &cells[s.node]
		b.belief = slices.Clone(b.weight)
		for _, e := range near[s.node] {
			if e.other != s.parent {
				multiply(b.belief, up[e.other])
			}
		}
		if s.parent >= 0 {
			up[s.node] = send(b, b.belief, &cells[s.parent], edgeTo(near[s.node], s.parent))
		}
	}
	for _, s := range order[1:] {
		// The parent's belief without what this node said, passed down.
		p, b := &cells[s.parent], &cells[s.node]
		without := slices.Clone(p.belief)
		for i, u := range up[s.node] {
			if u > 0 {
				without[i] /= u
			}
		}
		multiply(b.belief, send(p, without, b, edgeTo(near[s.parent], s.node)))
	}
}

func edgeTo(list []neighbour, other int) neighbour {
	i := slices.IndexFunc(list, func(e neighbour) bool { return e.other == other })
	return list[i]
}

// send gives what a moment with these beliefs says of the other end of an edge.
func send(from *cellBox, belief []float64, to *cellBox, e neighbour) []float64 {
	out := make([]float64, len(to.weight))
	top := 0.0
	for j := range out {
		y, sum := to.x(j), 0.0
		for i, w := range belief {
			if w > 0 {
				sum += w * e.at(e.sign*(y-from.x(i)))
			}
		}
		out[j] = sum
		top = max(top, sum)
	}
	for j := range out {
		if top > 0 {
			out[j] = max(out[j]/top, 1e-12)
		} else {
			out[j] = 1 // nothing fits: it says nothing
		}
	}
	return out
}

func multiply(a, b []float64) {
	top := 0.0
	for i := range a {
		a[i] *= b[i]
		top = max(top, a[i])
	}
	for i := range a {
		if top > 0 {
			a[i] /= top
		} else {
			a[i] = 1
		}
	}
}

// tell gives the median of where the moment is, and the interval that leaves out 2.5 % on each side.
func (b *cellBox) tell() (median, low, high float64) {
	total := 0.0
	for _, w := range b.belief {
		total += w
	}
	at := func(share float64) float64 {
		sum := 0.0
		for i, w := range b.belief {
			if sum+w >= share*total && w > 0 {
				return b.first + b.width*(float64(i)+(share*total-sum)/w)
			}
			sum += w
		}
		return b.first + b.width*float64(len(b.belief))
	}
	return at(0.5), at(0.025), at(0.975)
}
