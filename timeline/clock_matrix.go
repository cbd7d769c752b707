package timeline

import "math"

// A matrix holds for every two hosts the most by which the second can be ahead of the first.
type matrix [][]float64

func newMatrix(n int) matrix {
	m := make(matrix, n)
	all := make([]float64, n*n)
	for i := range m {
		m[i] = all[i*n : (i+1)*n]
		for j := range m[i] {
			if i != j {
				m[i][j] = inf
			}
		}
	}
	return m
}

// shortest gives the shortest paths: the tightest interval that any chain of hosts allows
// (Patt-Shamir and Rajsbaum, "A theory of clock synchronization", STOC 1994; Floyd and
// Warshall's algorithm). If a cycle contradicts itself all edges are widened by the same amount until none does. The
// first such cycle ends a round, for beyond it sums double with every host (Hougardy, "The Floyd-Warshall algorithm
// on graphs with negative cycles", 2010).
func (m matrix) shortest() (paths matrix, widened float64) {
	n := len(m)
	paths = newMatrix(n)
	for range 60 {
		for i := range n {
			for j := range n {
				paths[i][j] = m[i][j]
				if i != j {
					paths[i][j] += widened
				}
			}
		}
		worst := 0.0
		for k := 0; k < n && worst >= -1e-9; k++ {
			via := paths[k]
			for i := range n {
				v := paths[i][k]
				if v == inf || i == k {
					continue
				}
				row := paths[i]
				for j, w := range via {
					if v+w < row[j] {
						row[j] = v + w
					}
				}
				worst = min(worst, row[i])
			}
		}
		if worst >= -1e-9 {
			break
		}
		widened = max(widened*1.3, widened-worst/float64(n), 1e-3)
	}
	return paths, widened
}

// balance gives the point in the intervals: weighted least squares over the midpoints of
// the pairs. Any point may be the truth, but the unknown asymmetries of the pairs average out
// over the loops of the graph (the natural network effect of Huygens). Loose pairs say nothing, for one of their bounds is far off.
func (m matrix) balance(paths matrix, ref int, loose matrix) []float64 {
	n := len(m)
	x := make([]float64, n)
	type near struct {
		other       int
		mid, weight float64
	}
	nears := make([][]near, n)
	for i := range n {
		if a, b := paths[ref][i], paths[i][ref]; a < inf && b < inf {
			x[i] = (a - b) / 2
		}
		for j := range n {
			if j != i && m[i][j] < inf && m[j][i] < inf && loose[i][j] == inf {
				half := (m[i][j] + m[j][i]) / 2
				nears[i] = append(nears[i], near{j, (m[j][i] - m[i][j]) / 2, 1 / (max(5, half) * max(5, half))})
			}
		}
	}
	for range 50 { // Gauss-Seidel
		for i := range n {
			if i == ref || len(nears[i]) == 0 {
				continue
			}
			sum, w := 0.0, 0.0
			for _, e := range nears[i] {
				sum += e.weight * (x[e.other] + e.mid)
				w += e.weight
			}
			x[i] = sum / w
		}
	}
	return x
}

// invert gives the inverse of a symmetric, positive definite matrix (Gauss and Jordan).
func (m matrix) invert() matrix {
	n := len(m)
	a, out := newMatrix(n), newMatrix(n)
	for i := range n {
		for j := range n {
			a[i][j], out[i][j] = m[i][j], 0
		}
		out[i][i] = 1
	}
	for k := range n {
		p := k
		for i := k + 1; i < n; i++ {
			if math.Abs(a[i][k]) > math.Abs(a[p][k]) {
				p = i
			}
		}
		a[k], a[p], out[k], out[p] = a[p], a[k], out[p], out[k]
		d := a[k][k]
		for j := range n {
			a[k][j] /= d
			out[k][j] /= d
		}
		for i := range n {
			if f := a[i][k]; i != k && f != 0 {
				for j := range n {
					a[i][j] -= f * a[k][j]
					out[i][j] -= f * out[k][j]
				}
			}
		}
	}
	return out
}
