package rules

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// A people is one side of a comparison: requests with their weights and what is known of them, feature by feature.
type people struct {
	weights []float64
	known   map[string]*column
	ask     func(f *feature) *column // nil: nothing else is known
	names   map[string]string        // of the services of which features are asked: "origin" -> orders
	// others are those that succeeded and are not seen to have gone through the origin's service; nil if there are none.
	others *people
}

// A column is one feature of all requests of a side: texts or numbers.
type column struct {
	texts   [][]string
	numbers []float64
}

func (p *people) column(name string) *column {
	if c, ok := p.known[name]; ok {
		return c
	}
	c := &column{}
	if f := featureOf(name); f != nil && p.ask != nil {
		c = p.ask(f)
	}
	p.known[name] = c
	return c
}

// A comparison is a question put to the two sides.
type comparison struct {
	failed, succeeded *people
	feature           string
	within            []string
}

// Least sizes of the two sides; with fewer nothing is asked, and it does not count as tried.
const (
	leastFailed    = 4
	leastSucceeded = 20
	// leastKnown is of which part of each side a feature must be known: those of which it is not may differ in just that.
	leastKnown = 0.8
)

// A question is a way to compare. Its answer is nil where the data do not suffice to ask it.
type question struct {
	name, doc string
	numbers   bool // it is asked of numbers
	ask       func(*comparison) *answer
}

var questions = []*question{
	{name: "value", doc: "is the value that most failed requests have in common rarer among the succeeded ones?", ask: (*comparison).value},
	{name: "least", doc: "are the failed ones those from some number on?", numbers: true, ask: (*comparison).least},
	{name: "between", doc: "are the failed ones those between two numbers?", numbers: true, ask: (*comparison).between},
	{name: "steady", doc: "do the failed ones lie close around one number, which few of the succeeded ones reach?", numbers: true, ask: (*comparison).steady},
	{name: "recurs", doc: "do the failed ones come at the same minutes of every hour, or of another period? (of time)", numbers: true, ask: (*comparison).recurs},
	{name: "load", doc: "is a larger part of the requests failed when there are more of them? (of time)", numbers: true, ask: (*comparison).load},
	{name: "even", doc: "is the part that failed the same, however many requests there are? (of time)", numbers: true, ask: (*comparison).even},
}

// An answer is what came of a question: on how many of each side the thing is found, and how likely that is by chance.
type answer struct {
	p      float64
	tab    table
	failed [2]int // n, of
	n, of  timeline.Tally
	count  [2]int // of sampled requests

	value        string
	least, below float64 // of a threshold
	next         float64 // of two: the least above the other
	typical      float64 // of what is steady
	spread       float64
	throughout   bool
	ratio        [3]float64 // with its interval
	load         float64
}

// sides counts on both sides the requests of which has is true, among those of which it is known; nil if that are too few.
func (c *comparison) sides(has func(col *column, i int) (yes, known bool)) *answer {
	a := &answer{}
	col := c.failed.column(c.feature)
	for i := range c.failed.weights {
		if yes, known := has(col, i); known {
			a.failed[1]++
			if yes {
				a.failed[0]++
			}
		}
	}
	col = c.succeeded.column(c.feature)
	var all timeline.Tally
	for i, w := range c.succeeded.weights {
		all.Add(w)
		if yes, known := has(col, i); known {
			a.of.Add(w)
			a.count[1]++
			if yes {
				a.n.Add(w)
				a.count[0]++
			}
		}
	}
	if a.count[0] == 0 && c.succeeded.others != nil {
		// Where others that succeeded have it, and none that is seen to have gone this way does, IDs tie such requests together only where they fail.
		col = c.succeeded.others.column(c.feature)
		for i := range c.succeeded.others.weights {
			if yes, _ := has(col, i); yes {
				return nil
			}
		}
	}
	of := a.of.Estimate().N
	if a.failed[1] < leastFailed || float64(a.failed[1]) < leastKnown*float64(len(c.failed.weights)) ||
		a.of.Effective() < leastSucceeded || of < leastKnown*all.Estimate().N {
		return nil
	}
	m := a.of.Effective()
	a.tab = table{float64(a.failed[0]), float64(a.failed[1]), a.n.Estimate().N / of * m, m}
	return a
}

// hopeless is a chance with which strata are not looked at: they could but raise it.
const hopeless = 0.05

// chance is how likely the excess among the failed requests is by chance, at worst over the whole and over each way to cut it into strata.
func (c *comparison) chance(a *answer, has func(col *column, i int) (yes, known bool)) float64 {
	p := excess([]table{a.tab})
	if p > hopeless {
		return p
	}
	for _, name := range c.within {
		p = max(p, excess(c.strata(name, has)))
	}
	return p
}

// strata cuts both sides by a feature and counts in each.
func (c *comparison) strata(name string, has func(col *column, i int) (yes, known bool)) []table {
	of := c.cut(name)
	type stratum struct {
		a, n  float64
		b, of timeline.Tally
	}
	all := map[string]*stratum{}
	at := func(p *people, i int) *stratum {
		k := of(p, i)
		if all[k] == nil {
			all[k] = &stratum{}
		}
		return all[k]
	}
	col := c.failed.column(c.feature)
	for i := range c.failed.weights {
		if yes, known := has(col, i); known {
			s := at(c.failed, i)
			s.n++
			if yes {
				s.a++
			}
		}
	}
	col = c.succeeded.column(c.feature)
	for i, w := range c.succeeded.weights {
		if yes, known := has(col, i); known {
			s := at(c.succeeded, i)
			s.of.Add(w)
			if yes {
				s.b.Add(w)
			}
		}
	}
	out := make([]table, 0, len(all))
	for _, k := range slices.Sorted(maps.Keys(all)) {
		s := all[k]
		t := table{a: s.a, n: s.n, m: s.of.Effective()}
		if of := s.of.Estimate().N; of > 0 {
			t.b = s.b.Estimate().N / of * t.m
		}
		out = append(out, t)
	}
	return out
}

// Time is cut into at most timeStrata parts with as many succeeded requests in each, and at least perStratum.
const (
	timeStrata = 20
	perStratum = 10
)

// cut gives in which stratum a request is.
func (c *comparison) cut(name string) func(p *people, i int) string {
	if f := featureOf(name); f == nil || f.number == nil {
		return func(p *people, i int) string {
			if col := p.column(name); i < len(col.texts) {
				return strings.Join(col.texts[i], " ")
			}
			return ""
		}
	}
	var edges []float64
	for _, x := range c.succeeded.column(name).numbers {
		if !math.IsNaN(x) {
			edges = append(edges, x)
		}
	}
	slices.Sort(edges)
	parts := min(timeStrata, len(edges)/perStratum)
	var at []float64
	for k := 1; k < parts; k++ {
		at = append(at, edges[k*len(edges)/parts])
	}
	return func(p *people, i int) string {
		col := p.column(name)
		if i >= len(col.numbers) || math.IsNaN(col.numbers[i]) {
			return ""
		}
		k, _ := slices.BinarySearch(at, col.numbers[i])
		return fmt.Sprintf("%03d", k)
	}
}

// value asks of the value that most failed requests have. That it was picked for this is paid for by the number of values there are.
func (c *comparison) value() *answer {
	a := c.valueOf(nil)
	if f := featureOf(c.feature); a != nil && f.wider != nil && float64(a.failed[0]) < mostShare*float64(a.failed[1]) {
		if wide := c.valueOf(f.wider); wide != nil && wide.failed[0] > a.failed[0] {
			wide.p = min(1, 2*wide.p) // it was looked at twice
			return wide
		}
	}
	return a
}

// mostShare is of which part of the failed requests a value is, at the least, that is not widened.
const mostShare = 0.8

// valueOf asks so of the values, or of what wider makes of them.
func (c *comparison) valueOf(wider func(string) string) *answer {
	textsOf := func(col *column, i int) []string {
		if wider == nil {
			return col.texts[i]
		}
		var out []string
		for _, t := range col.texts[i] {
			out = append(out, wider(t))
		}
		return sorted(out)
	}
	counts, distinct := map[string]int{}, map[string]bool{}
	col := c.failed.column(c.feature)
	for i := range col.texts {
		for _, t := range textsOf(col, i) {
			if distinct[t] = true; t != "" {
				counts[t]++
			}
		}
	}
	if len(counts) == 0 {
		return nil
	}
	col = c.succeeded.column(c.feature)
	for i := range col.texts {
		for _, t := range textsOf(col, i) {
			distinct[t] = true
		}
	}
	if len(distinct) < 2 {
		return nil // there is nothing to compare
	}
	best := ""
	for v, n := range counts {
		if best == "" || n > counts[best] || n == counts[best] && v < best {
			best = v
		}
	}
	has := func(col *column, i int) (bool, bool) {
		if i >= len(col.texts) {
			return false, false
		}
		return slices.Contains(textsOf(col, i), best), len(col.texts[i]) > 0
	}
	a := c.sides(has)
	if a == nil {
		return nil
	}
	// What all of them have in common besides is said too, as when all instances are away.
	a.value = best
	if n := counts[best]; n == a.failed[1] {
		same := slices.DeleteFunc(slices.Sorted(maps.Keys(counts)), func(v string) bool { return counts[v] != n })
		a.value = strings.Join(same[:min(len(same), 3)], " and ")
	}
	a.p = min(1, c.chance(a, has)*float64(len(distinct)))
	return a
}

// strayShare is which part of the failed requests may lie on the wrong side of a threshold: of those that one verdict groups some have another cause.
const strayShare = 0.05

// failedNumbers gives the feature of the failed requests of which it is known, in order.
func (c *comparison) failedNumbers() []float64 {
	known := slices.DeleteFunc(slices.Clone(c.failed.column(c.feature).numbers), math.IsNaN)
	slices.Sort(known)
	return known
}

// numberIs asks whether the number of a request is so, where it is known.
func numberIs(so func(x float64) bool) func(col *column, i int) (yes, known bool) {
	return func(col *column, i int) (yes, known bool) {
		if i >= len(col.numbers) || math.IsNaN(col.numbers[i]) {
			return false, false
		}
		return so(col.numbers[i]), true
	}
}

// least asks of the number from which on all failed requests lie, but for a few. As it is set by the failed ones alone, and by rank, the chance is exact though it was
// not known before: that so few failed ones are among the least of all is what the precedence test asks (Nelson, Technometrics 5, 1963).
func (c *comparison) least() *answer {
	failed := c.failedNumbers()
	if len(failed) < leastFailed {
		return nil
	}
	least := failed[int(strayShare*float64(len(failed)))]
	if math.IsInf(least, -1) {
		return nil
	}
	below := math.Inf(-1)
	for _, x := range c.succeeded.column(c.feature).numbers {
		if x < least {
			below = max(below, x)
		}
	}
	// No succeeded one lies between the two: the threshold is just above it.
	least = failed[sort.SearchFloat64s(failed, math.Nextafter(below, math.Inf(1)))]
	has := numberIs(func(x float64) bool { return x >= least })
	a := c.sides(has)
	if a == nil || a.count[0] == a.count[1] && a.failed[0] == a.failed[1] {
		return nil
	}
	a.least, a.below = least, below
	a.p = c.chance(a, has)
	return a
}

// between asks of the least and the greatest number between which all failed requests lie, but for a few. Each of the two may be set so that more or fewer of those that
// succeeded lie on its side, and for as many ways the chance is paid.
func (c *comparison) between() *answer {
	failed := c.failedNumbers()
	if len(failed) < leastFailed {
		return nil
	}
	stray := int(strayShare * float64(len(failed)))
	least, most := failed[stray], failed[len(failed)-1-stray]
	if math.IsInf(least, -1) {
		return nil
	}
	has := numberIs(func(x float64) bool { return x >= least && x <= most })
	a := c.sides(has)
	if a == nil || a.count[0] == a.count[1] && a.failed[0] == a.failed[1] {
		return nil
	}
	a.least, a.next = least, math.Inf(1)
	apart := map[float64]bool{}
	for _, x := range c.succeeded.column(c.feature).numbers {
		if apart[x] = true; x > most {
			a.next = min(a.next, x)
		}
	}
	a.p = min(1, c.chance(a, has)*float64(len(apart)*(len(apart)+1)/2))
	a.throughout = c.throughout(least, most)
	return a
}

// A stretch without failures before the first of them, or after the last, may be so long as it is with a chance of throughoutChance if they come by chance, and no longer than
// throughoutMost of the whole.
const (
	throughoutChance = 0.005
	throughoutMost   = 0.5
)

// throughout says whether failures begin with the first of the requests of which the number is between two, and go on until the last: of those that succeeded no more stand before the first
// failure, or after the last, than chance leaves there.
func (c *comparison) throughout(least, most float64) bool {
	in := func(col *column, i int) bool {
		return i < len(col.numbers) && col.numbers[i] >= least && col.numbers[i] <= most
	}
	first, last, n := math.Inf(1), math.Inf(-1), 0
	col, at := c.failed.column(c.feature), c.failed.column("time")
	for i, x := range at.numbers {
		if in(col, i) && !math.IsNaN(x) {
			first, last = min(first, x), max(last, x)
			n++
		}
	}
	if n < 2 {
		return false
	}
	var before, between, after timeline.Tally
	col, at = c.succeeded.column(c.feature), c.succeeded.column("time")
	for i, x := range at.numbers {
		switch {
		case !in(col, i):
		case x < first:
			before.Add(c.succeeded.weights[i])
		case x <= last:
			between.Add(c.succeeded.weights[i])
		default:
			after.Add(c.succeeded.weights[i])
		}
	}
	b, a := before.Estimate().N, after.Estimate().N
	return max(b, a) <= min(throughoutMost, 1-math.Pow(throughoutChance, 1/float64(n)))*(b+between.Estimate().N+a+float64(n))
}

// How close numbers must be to be steady: by a part of their median, or by seconds.
const (
	steadyShare = 0.05
	steadyLeast = 0.005
	// steadyApart is by which part of it the failed ones must lie apart: what began at once and was ended at once, as by a crash, took equally long too.
	steadyApart = 0.5
)

// steady asks whether failed requests lie around their median and few succeeded ones reach as far. That the median was picked is paid for by
// the number of failed requests, each of which it might have been.
func (c *comparison) steady() *answer {
	failed := slices.DeleteFunc(c.failedNumbers(), func(x float64) bool { return math.IsInf(x, 0) })
	if len(failed) < leastFailed {
		return nil
	}
	typical := failed[len(failed)/2]
	tolerance := max(steadyShare*typical, steadyLeast)
	failedCol := c.failed.column(c.feature)
	has := func(col *column, i int) (bool, bool) {
		if i >= len(col.numbers) || math.IsNaN(col.numbers[i]) {
			return false, false
		}
		x := col.numbers[i]
		return x >= typical-tolerance && (col != failedCol || x <= typical+tolerance), true
	}
	a := c.sides(has)
	if a == nil {
		return nil
	}
	a.typical = typical
	first, last := math.Inf(1), math.Inf(-1)
	for i, x := range failedCol.numbers {
		if d := math.Abs(x - typical); d <= tolerance {
			a.spread = max(a.spread, d)
			if at := c.failed.column("time").numbers; i < len(at) && !math.IsNaN(at[i]) {
				first, last = min(first, at[i]), max(last, at[i])
			}
		}
	}
	if !(last-first >= steadyApart*typical) {
		return nil
	}
	a.p = min(1, c.chance(a, has)*float64(a.failed[1]))
	return a
}

// recurPeriods are the periods at which jobs are usually run.
var recurPeriods = []time.Duration{24 * time.Hour, time.Hour, 30 * time.Minute, 15 * time.Minute, 10 * time.Minute, 5 * time.Minute}

const (
	recurLeast = 3        // in so many periods at least there are failures
	recurShare = 0.5      // and in this part of those from the first failure to the last
	recurFine  = 1.0 / 60 // of a period: what lies closer is not told apart
)

// recurs asks whether failed requests come at the same time of each period, whichever period shows it best.
func (c *comparison) recurs() *answer {
	failed := slices.DeleteFunc(c.failedNumbers(), func(x float64) bool { return math.IsInf(x, 0) })
	if len(failed) < leastFailed {
		return nil
	}
	var best *answer
	for _, period := range recurPeriods {
		for _, stray := range []int{0, int(strayShare * float64(len(failed)))} {
			if a := c.recursEvery(failed, stray, period); a != nil && (best == nil || a.p < best.p) {
				best = a
			}
		}
	}
	if best != nil {
		best.p = min(1, best.p*2*float64(len(recurPeriods)))
	}
	return best
}

// recursEvery asks so of one period, and of all failed requests but for some. Failures that follow each other are no witnesses of their own: what counts is in how many periods there
// are any, and in how many of these at the time in question. If each came at any time, at least k of n would lie in some part w of the period with a chance of at most n times that of
// k-1 or more of the other n-1 to lie in the part that begins with one. w is not less than the part of the succeeded requests that lie in it, as clients may come by the clock as well.
func (c *comparison) recursEvery(failed []float64, stray int, period time.Duration) *answer {
	length := period.Seconds()
	from, width := shortestArc(failed, stray, length)
	inArc := func(x float64) bool { return math.Mod(math.Mod(x, length)-from+length, length) <= width }
	periods, in := map[float64]bool{}, map[float64]bool{}
	for _, x := range failed {
		k := math.Floor((x - from) / length)
		periods[k] = true
		if inArc(x) {
			in[k] = true
		}
	}
	n, all := len(periods), int(math.Floor((failed[len(failed)-1]-from)/length)-math.Floor((failed[0]-from)/length))+1
	if n < recurLeast || float64(n) < recurShare*float64(all) {
		return nil
	}
	has := numberIs(inArc)
	a := c.sides(has)
	if a == nil {
		return nil
	}
	part := max(width/length, recurFine, a.tab.b/a.tab.m)
	a.p = min(1, float64(n)*upperBinomial(n-1, len(in)-1, part))
	if p := c.chance(a, has); p > a.p {
		a.p = p
	}
	a.value = recurWords(period, from, width, len(in), all)
	return a
}

// shortestArc gives where the shortest part of a period begins in which all numbers lie but for some, and how long it is.
func shortestArc(numbers []float64, stray int, length float64) (from, width float64) {
	at := make([]float64, len(numbers))
	for i, x := range numbers {
		at[i] = math.Mod(x, length)
	}
	slices.Sort(at)
	width = length
	most := len(at) - 1 - stray
	for i, x := range at {
		j := i + most
		end := at[j%len(at)] + float64(j/len(at))*length
		if end-x < width {
			from, width = x, end-x
		}
	}
	return from, width
}

// recurWords writes a part of a period: "every hour between :15:02 and :15:39, in 6 of 6 hours".
func recurWords(period time.Duration, from, width float64, in, of int) string {
	clock := func(x float64) string {
		return time.Unix(int64(math.Mod(x, period.Seconds())), 0).UTC().Format(time.TimeOnly)
	}
	a, b, periods := clock(from), clock(from+width), "periods"
	which := fmt.Sprintf("every %.0f minutes", period.Minutes())
	switch {
	case period == 24*time.Hour:
		which, a, b, periods = "every day", a+"Z", b+"Z", "days"
	case period == time.Hour:
		which, a, b, periods = "every hour", a[2:], b[2:], "hours"
	default:
		which, a, b = which+",", a[3:], b[3:]+" of each"
	}
	return fmt.Sprintf("%s between %s and %s, in %d of %d %s", which, a, b, in, of, periods)
}

// Time is cut into loadBins equal parts, or as many as have loadPerBin sampled requests in the mean; with fewer than loadLeast nothing is asked.
const (
	loadBins   = 48
	loadPerBin = 20
	loadLeast  = 12
)

// A bin is a stretch of time: how many requests there were, and how many failed.
type bin struct {
	requests, failed float64
	sampled          timeline.Tally
}

// bins cuts the time of all requests into equal parts.
func (c *comparison) bins() []bin {
	first, last := math.Inf(1), math.Inf(-1)
	sampled := 0.0
	for _, p := range []*people{c.failed, c.succeeded} {
		for _, x := range p.column(c.feature).numbers {
			if !math.IsNaN(x) {
				first, last = min(first, x), max(last, x)
				sampled++
			}
		}
	}
	n := min(loadBins, int(sampled/loadPerBin))
	if n < loadLeast || !(last > first) {
		return nil
	}
	out := make([]bin, n)
	at := func(x float64) *bin { return &out[min(n-1, int((x-first)/(last-first)*float64(n)))] }
	for _, x := range c.failed.column(c.feature).numbers {
		if !math.IsNaN(x) {
			b := at(x)
			b.failed++
			b.requests++
		}
	}
	for i, x := range c.succeeded.column(c.feature).numbers {
		if !math.IsNaN(x) {
			b := at(x)
			b.sampled.Add(c.succeeded.weights[i])
			b.requests += c.succeeded.weights[i]
		}
	}
	return out
}

// halves compares the part that failed in the busier stretches of time with that in the calmer ones, and gives all stretches; nil if the data do not suffice.
func (c *comparison) halves() ([]bin, *answer) {
	bins := c.bins()
	if bins == nil {
		return nil, nil
	}
	order := slices.Clone(bins)
	slices.SortStableFunc(order, func(x, y bin) int { return cmp.Compare(x.requests, y.requests) })
	busy := order[len(order)-len(order)/3:]
	calm := order[:len(order)/3]
	sum := func(bins []bin) (all bin) {
		for _, b := range bins {
			all.requests += b.requests
			all.failed += b.failed
			all.sampled.Merge(&b.sampled)
		}
		return all
	}
	hi, lo := sum(busy), sum(calm)
	if hi.failed+lo.failed < 2*leastFailed || lo.requests == 0 {
		return nil, nil
	}
	a := &answer{
		failed: [2]int{int(hi.failed), int(hi.failed + lo.failed)},
		load:   (hi.requests / float64(len(busy))) / (lo.requests / float64(len(calm))),
	}
	a.n.Merge(&hi.sampled)
	a.of.Merge(&hi.sampled)
	a.of.Merge(&lo.sampled)
	m := a.of.Effective()
	if m < leastSucceeded {
		return nil, nil
	}
	a.tab = table{hi.failed, hi.failed + lo.failed, a.n.Estimate().N / a.of.Estimate().N * m, m}
	// The ratio of the two parts with the interval of Katz (Biometrics 34, 1978); half a failure more on each side where one has none, and the error of
	// how many requests there were.
	x, y := hi.failed, lo.failed
	if x == 0 || y == 0 {
		x, y = x+0.5, y+0.5
	}
	r := math.Log(x/hi.requests) - math.Log(y/lo.requests)
	se := math.Sqrt(1/x - 1/hi.requests + 1/y - 1/lo.requests + square(hi.sampled.Estimate().Error/z95/hi.requests) + square(lo.sampled.Estimate().Error/z95/lo.requests))
	a.ratio = [3]float64{math.Exp(r), math.Exp(r - z95*se), math.Exp(r + z95*se)}
	a.p = 1
	return bins, a
}

func square(x float64) float64 { return x * x }

// load asks whether the part that failed goes up with the number of requests, stretch by stretch: failures come in bursts, so that each one is no
// witness of its own.
func (c *comparison) load() *answer {
	bins, a := c.halves()
	if a == nil {
		return nil
	}
	var rate, part []float64
	for _, b := range bins {
		if b.requests > 0 {
			rate, part = append(rate, b.requests), append(part, b.failed/b.requests)
		}
	}
	if len(rate) < loadLeast {
		return nil
	}
	a.p = rises(rate, part)
	return a
}

// evenRatio is within which factor the parts that failed must lie to be the same.
const evenRatio = 1.5

// even asks the opposite: that the part that failed is nearly the same. The chance is that of its differing by more than evenRatio, from two one-sided tests
// (Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987); where failures come in bursts, as Fisher's index of dispersion tells, it is 1.
func (c *comparison) even() *answer {
	bins, a := c.halves()
	if a == nil {
		return nil
	}
	se := (math.Log(a.ratio[2]) - math.Log(a.ratio[1])) / (2 * z95)
	a.p = upperNormal((math.Log(evenRatio) - math.Abs(math.Log(a.ratio[0]))) / se)
	requests, failed := 0.0, 0.0
	for _, b := range bins {
		requests, failed = requests+b.requests, failed+b.failed
	}
	dispersion := 0.0
	for _, b := range bins {
		if want := failed * b.requests / requests; want > 0 {
			dispersion += square(b.failed-want) / want
		}
	}
	// The normal distribution of the cube root of chi square, by Wilson and Hilferty.
	f := float64(len(bins) - 1)
	if upperNormal((math.Cbrt(dispersion/f)-(1-2/(9*f)))/math.Sqrt(2/(9*f))) < 0.05 {
		a.p = 1
	}
	return a
}
