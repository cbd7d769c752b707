package timeline

import (
	"math"
	"slices"
	"sync"
)

const (
	cellsPerMoment = 32
	cellWidth      = 20.0 // microseconds: cells need be no smaller
)

// A potential is what one way or one length says of two moments.
type potential struct {
	i, j  int
	curve *delayCurve // of the difference, j's less i's; nil: it is lasts
	lasts lasting
	width float64 // how much it leaves open
}

// weigh sets the best guess of every moment, and the interval that holds it in 95 of 100
// cases: each moment is as likely anywhere in its box [lo, hi] but for the usual delays of the ways
// that begin or end there, and the lengths of exchanges (belief propagation: Pearl, 1982). It is exact where
// the potentials form a tree, and repeated where they do not.
func (f *refinement) weigh(lo, hi []float64) {
	n := len(f.moments)
	room := weighingRooms.Get().(*[]float64)
	defer weighingRooms.Put(room)
	w := weighing{cells: make([]cellBox, n), near: make([][]int, n), room: room}
	*room = (*room)[:0]
	for i := range w.cells {
		w.cells[i] = newCellBox(min(lo[i], hi[i]), max(lo[i], hi[i]))
	}
	for _, way := range f.ways {
		w.all = append(w.all, potential{i: way.from, j: way.to, curve: f.m.curves[way.delay], width: way.delay.scale})
	}
	for _, l := range f.lengths {
		w.all = append(w.all, potential{i: l.from, j: l.to, lasts: l, width: l.high - l.low})
	}
	// What says most comes first, and the others close the circles.
	slices.SortStableFunc(w.all, func(a, b potential) int { return compareFloat(a.width, b.width) })
	w.run()
	for i := range f.moments {
		x := &f.moments[i]
		mid, low, high := w.cells[i].tell()
		x.at, x.mean = min(x.hi, max(x.lo, mid)), w.cells[i].mean()
		c := 1.96 * x.sigma
		x.lo95 = max(x.lo, x.at-math.Hypot(x.at-low, c))
		x.hi95 = min(x.hi, x.at+math.Hypot(high-x.at, c))
	}
}

// A weighing passes what each moment says of the others along the potentials.
type weighing struct {
	cells []cellBox
	all   []potential
	near  [][]int      // of each moment the potentials in which it is
	tells [][2]message // of each potential, once it is needed, what it says of each cell of the second moment by each of the first, and the reverse
	said  [][2]message // of each potential what its first moment says of the second, and the reverse
	room  *[]float64   // in which all of these lie
}

// weighingRooms are those of weighings that are over.
var weighingRooms = sync.Pool{New: func() any { return new([]float64) }}

// take gives room for n numbers, which may hold anything, until the weighing is over.
func (w *weighing) take(n int) []float64 {
	r := *w.room
	if cap(r)-len(r) < n {
		r = make([]float64, 0, max(2*cap(r), n, 1<<12)) // what was given lives on
	}
	r = r[:len(r)+n]
	*w.room = r
	return r[len(r)-n : len(r) : len(r)]
}

type message []float64

func (w *weighing) run() {
	w.said, w.tells = make([][2]message, len(w.all)), make([][2]message, len(w.all))
	for k, p := range w.all {
		w.near[p.i] = append(w.near[p.i], k)
		w.near[p.j] = append(w.near[p.j], k)
	}
	// Of every part the potentials in the order in which a walk meets them.
	var order []int
	met, taken, circles := make([]bool, len(w.cells)), make([]bool, len(w.all)), false
	for root := range w.cells {
		if met[root] {
			continue
		}
		met[root] = true
		for todo := []int{root}; len(todo) > 0; todo = todo[1:] {
			for _, k := range w.near[todo[0]] {
				if taken[k] {
					continue
				}
				taken[k] = true
				order = append(order, k)
				other := w.all[k].i + w.all[k].j - todo[0]
				if met[other] {
					circles = true
					continue
				}
				met[other] = true
				todo = append(todo, other)
			}
		}
	}
	rounds := 1
	if circles {
		rounds = 3
	}
	// Towards the roots and back: a potential met later is further out.
	depth := w.depths(order)
	for range rounds {
		for i := len(order) - 1; i >= 0; i-- {
			w.say(order[i], depth)
		}
		for _, k := range order {
			w.say(k, nil)
		}
	}
	for i := range w.cells {
		w.cells[i].belief = w.without(i, -1)
	}
}

// depths numbers the moments in the order in which the walk met them.
func (w *weighing) depths(order []int) []int {
	depth := make([]int, len(w.cells))
	n := 0
	for _, k := range order {
		for _, i := range []int{w.all[k].i, w.all[k].j} {
			if depth[i] == 0 {
				n++
				depth[i] = n
			}
		}
	}
	return depth
}

// say passes a message along a potential: with depths from the further moment to the nearer
// one, else both ways.
func (w *weighing) say(k int, depth []int) {
	p := &w.all[k]
	if depth == nil || depth[p.i] > depth[p.j] {
		w.said[k][0] = w.send(p.i, k, p.j, 1)
	}
	if depth == nil || depth[p.i] < depth[p.j] {
		w.said[k][1] = w.send(p.j, k, p.i, -1)
	}
}

// without gives what moment i knows but for what came along potential k.
func (w *weighing) without(i, k int) []float64 {
	b := w.take(w.cells[i].n)
	for c := range b {
		b[c] = 1
	}
	for _, o := range w.near[i] {
		if o == k {
			continue
		}
		m := w.said[o][0]
		if w.all[o].i == i {
			m = w.said[o][1]
		}
		if m != nil {
			multiply(b, m)
		}
	}
	return b
}

// send gives what moment i says of moment j along potential k; sign is 1 if j is the later one.
func (w *weighing) send(i, k, j int, sign float64) message {
	to, belief, tells := &w.cells[j], w.without(i, k), w.tellsOf(i, k, j, sign)
	out := message(w.take(to.n))
	top := 0.0
	for c := range out {
		sum := 0.0
		for d, t := range tells[c*len(belief) : (c+1)*len(belief)] {
			if b := belief[d]; b > 1e-6 {
				sum += b * t
			}
		}
		out[c] = sum
		top = max(top, sum)
	}
	for c := range out {
		if top > 0 {
			out[c] = max(out[c]/top, 1e-12)
		} else {
			out[c] = 1 // nothing fits: it says nothing
		}
	}
	return out
}

// tellsOf gives what potential k says of each cell of moment j by each of moment i: a row for each of j.
func (w *weighing) tellsOf(i, k, j int, sign float64) message {
	p := &w.all[k]
	known := &w.tells[k][0]
	if i != p.i {
		known = &w.tells[k][1]
	}
	if *known != nil {
		return *known
	}
	from, to := &w.cells[i], &w.cells[j]
	step := sign * from.width
	out := message(w.take(from.n * to.n)[:0])
	for c := range to.n {
		y := sign * (to.x(c) - from.x(0))
		for d := range from.n {
			if x := y - step*float64(d); p.curve != nil {
				out = append(out, p.curve.at(x))
			} else {
				out = append(out, p.lasts.density(x))
			}
		}
	}
	*known = out
	return out
}

// A cellBox is the places where a moment may be, and how likely each is.
type cellBox struct {
	first, width float64
	n            int
	belief       []float64
}

func newCellBox(lo, hi float64) cellBox {
	n := int(min(cellsPerMoment, max(1, math.Ceil((hi-lo)/cellWidth))))
	return cellBox{first: lo, width: (hi - lo) / float64(n), n: n}
}

func (b *cellBox) x(i int) float64 { return b.first + (float64(i)+0.5)*b.width }

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
		return b.first + b.width*float64(b.n)
	}
	return at(0.5), at(0.025), at(0.975)
}

// mean is the mean of where the moment is.
func (b *cellBox) mean() float64 {
	sum, total := 0.0, 0.0
	for i, w := range b.belief {
		sum += w * b.x(i)
		total += w
	}
	return sum / total
}
