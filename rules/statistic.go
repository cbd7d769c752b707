package rules

import (
	"cmp"
	"math"
	"slices"
)

// A table is a comparison: a of n failed requests have something, and b of m others. Of weighted ones it holds the sizes of an
// unweighted sample that tells as much ([timeline.Tally.Effective]).
type table struct{ a, n, b, m float64 }

// whole gives the table in whole numbers: a share is kept, and there are no more requests than there were.
func (t table) whole() (a, n, b, m int) {
	n, m = int(t.n), int(t.m+1e-9)
	a = int(math.Round(t.a))
	if t.m > 0 {
		b = int(math.Round(t.b / t.m * float64(m)))
	}
	return a, n, b, m
}

// exactMost is up to how many failed requests the distribution is summed up; above, the normal one is near enough.
const exactMost = 400

// excess is the chance that the failed requests of all strata together would have it as often as they do, or more often, if in no stratum failing
// had to do with it: Fisher's exact test, one-sided, and over several strata its extension by Gart (Biometrika 57, 1970), in which the margins of
// each stratum are held fixed. Strata in which all or none have it tell nothing; if all are so, it is 1. Above exactMost failed requests it is the test of
// Mantel and Haenszel with its continuity correction.
func excess(strata []table) float64 {
	observed, failed := 0, 0
	mean, variance := 0.0, 0.0
	for _, t := range strata {
		a, n, b, m := t.whole()
		observed, failed = observed+a, failed+n
		if all := float64(n + m); all > 1 {
			k := float64(a + b)
			mean += float64(n) * k / all
			variance += float64(n) * float64(m) * k * (all - k) / (all * all * (all - 1))
		}
	}
	if variance == 0 {
		return 1
	}
	if failed > exactMost {
		return upperNormal((float64(observed) - 0.5 - mean) / math.Sqrt(variance))
	}
	sum, least := []float64{1}, 0
	for _, t := range strata {
		a, n, b, m := t.whole()
		if n == 0 || n+m == 0 {
			continue
		}
		p, from := hypergeometric(n, a+b, n+m)
		next := make([]float64, len(sum)+len(p)-1)
		for i, x := range sum {
			for j, y := range p {
				next[i+j] += x * y
			}
		}
		sum, least = next, least+from
	}
	p := 0.0
	for i := len(sum) - 1; i >= max(0, observed-least); i-- {
		p += sum[i]
	}
	return min(1, p)
}

// hypergeometric gives the chances of how many of n drawn from all have what k of all have, from the least possible number on.
func hypergeometric(n, k, all int) (p []float64, least int) {
	least = max(0, n+k-all)
	norm := logChoose(all, n)
	for x := least; x <= min(n, k); x++ {
		p = append(p, math.Exp(logChoose(k, x)+logChoose(all-k, n-x)-norm))
	}
	return p, least
}

// upperBinomial is the chance that at least k of n are so, each of which is with a chance of p.
func upperBinomial(n, k int, p float64) float64 {
	if k <= 0 || p >= 1 {
		return 1
	}
	sum := 0.0
	for i := k; i <= n; i++ {
		sum += math.Exp(logChoose(n, i) + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return min(1, sum)
}

// logChoose gives the logarithm of a binomial coefficient.
func logChoose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

// upperNormal is the chance that a standard normal variable exceeds z.
func upperNormal(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

const z95 = 1.959964

// wilson gives the 95 % interval of a share of n by Wilson's score (JASA 22, 1927).
func wilson(share, n float64) (low, high float64) {
	if n <= 0 {
		return 0, 1
	}
	z2 := z95 * z95
	mid := (share + z2/(2*n)) / (1 + z2/n)
	half := z95 / (1 + z2/n) * math.Sqrt(share*(1-share)/n+z2/(4*n*n))
	return max(0, mid-half), min(1, mid+half)
}

// difference gives by how much the share of the failed requests exceeds that of the others, with the 95 % interval of Newcombe's method 10
// (Statistics in Medicine 17, 1998), which is built of the intervals of the two shares.
func (t table) difference() (d, low, high float64) {
	p, q := t.a/t.n, t.b/t.m
	l1, u1 := wilson(p, t.n)
	l2, u2 := wilson(q, t.m)
	d = p - q
	return d, d - math.Hypot(p-l1, u2-q), d + math.Hypot(u1-p, q-l2)
}

// holm corrects the chances of all comparisons that were tried, so that any finding at all where there is nothing is no likelier
// than the level at which they are judged (Holm, Scandinavian Journal of Statistics 6, 1979).
func holm(p []float64) []float64 {
	out := make([]float64, len(p))
	worst := 0.0
	for rank, i := range ascending(p) {
		worst = max(worst, min(1, p[i]*float64(len(p)-rank)))
		out[i] = worst
	}
	return out
}

// ascending gives the places of numbers, that of the least first.
func ascending(x []float64) []int {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(x[i], x[j]) })
	return order
}

// rises is the chance that y would go up with x as it does by Spearman's rank correlation if they had nothing to do with each other. x and y follow
// each other in time: what is alike from one to the next counts for less, by the effective number of Bretherton and others (Journal of Climate 12,
// 1999), since one outage in one busy hour is one coincidence and not several.
func rises(x, y []float64) float64 {
	a, b := ranks(x), ranks(y)
	r := correlation(a, b)
	n := float64(len(x))
	if along := correlation(a[1:], a[:len(a)-1]) * correlation(b[1:], b[:len(b)-1]); along > 0 {
		n *= (1 - along) / (1 + along)
	}
	if n <= 4 {
		return 1
	}
	// Fisher's transformation, with the variance of Fieller, Hartley and Pearson (Biometrika 44, 1957).
	return upperNormal(math.Atanh(min(r, 1-1e-9)) * math.Sqrt((n-3)/1.06))
}

// ranks gives the rank of each, that of equal ones as their mean.
func ranks(x []float64) []float64 {
	order := ascending(x)
	out := make([]float64, len(x))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && x[order[j]] == x[order[i]] {
			j++
		}
		for _, k := range order[i:j] {
			out[k] = float64(i+j-1) / 2
		}
		i = j
	}
	return out
}

// correlation is that of Pearson; 0 if one of the two does not vary.
func correlation(x, y []float64) float64 {
	mx, my := mean(x), mean(y)
	var xy, xx, yy float64
	for i := range x {
		xy += (x[i] - mx) * (y[i] - my)
		xx += (x[i] - mx) * (x[i] - mx)
		yy += (y[i] - my) * (y[i] - my)
	}
	if xx == 0 || yy == 0 {
		return 0
	}
	return xy / math.Sqrt(xx*yy)
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}
