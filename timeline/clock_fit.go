package timeline

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"
)

// A clockFit gathers what calls say of clocks and then makes a model of them.
type clockFit struct {
	ids     map[string]int32 // clock -> its number
	clocks  []*seenClock     // by number
	streams map[stream]int32
	pairs   map[clockPair]*clockLinks // from calls that the caller logged
	// guesses are from callees whose caller logged no call, where the outermost exchange is
	// taken for what holds them, or only that it failed. They count only where nothing else ties a clock.
	guesses map[clockPair]*clockLinks
	// quotes are from records that failures quote; they too tie only what else would not be tied.
	quotes map[clockPair]*clockLinks
	// within are from callers of whose exchange a moment alone is known; and these as well, where there are many.
	within map[clockPair]*clockLinks
	// shifts are from exchanges that both ends logged alike, of which neither tells how long it took; and these where there are many and nothing else ties a clock.
	shifts map[clockPair]*clockLinks
	fixed  map[string]time.Duration // host -> offset from the configuration
	sample []*Request               // some of the requests that it learnt from
	learnt int
	shared map[string]string    // host -> name of the clock that hosts share, from the configuration
	alike  map[[2]string]string // hosts that seem to be one machine, and why
	zones  map[string]string    // clock -> the zone of its stamps, which do not write one, from the configuration
	// twins tell by how much a host's stamps without zone are ahead of those with one, as exchanges that have both show.
	twins    map[string]time.Duration
	software map[string]software // of the services
	// anchored are the records of one moment, of which the links stand in pairs.
	anchored []anchored
}

// A seenClock is what the records say of one clock by themselves.
type seenClock struct {
	name  string
	roots int             // requests in which it was the outermost
	zone  time.Duration   // the zone other than UTC that its host's stamps write
	soft  map[string]bool // the software that stamps by it
	marks marks
	// If shared, this is the clock numbered of under another name, ahead of it by so many
	// microseconds; zoned says that the other stamps with zone what this one stamps without.
	shared, zoned bool
	of            int32
	ahead         float64
	why           string // it is shared, if not for the zone
}

func newClockFit() *clockFit {
	return &clockFit{ids: map[string]int32{}, streams: map[stream]int32{}, pairs: map[clockPair]*clockLinks{}, guesses: map[clockPair]*clockLinks{}, quotes: map[clockPair]*clockLinks{}, within: map[clockPair]*clockLinks{}, shifts: map[clockPair]*clockLinks{}, fixed: map[string]time.Duration{}, zones: map[string]string{}, alike: map[[2]string]string{}}
}

// tellZone keeps the zone in which a stamp is read that writes none.
func (f *clockFit) tellZone(e *Event) {
	if e.Stamp.Zone != ZoneConfig {
		return
	}
	zone := e.Time.Location().String()
	if zone == "" || zone == "Local" {
		zone = e.Time.Format("-07:00")
	}
	f.zones[ClockOf(e)] = zone
}

// A solver finds the offsets of clocks that calls tie to each other. Its steps stand in
// [clockFit.solve] in their order.
//
// Times t are seconds on the common time line since base; offsets are microseconds, in
// which slopes are in ppm. The offset of a host is gross[h] plus what its runs and knots say.
type solver struct {
	names []string // of the clocks, sorted
	hosts []*solverHost
	pairs []*solverPair // by caller, then callee
	of    [][]int32     // of each host the pairs in which it is
	base  int64         // nanoseconds since 1970
	ref   int
	end   float64 // the last t

	wander float64 // ppm: by how much clocks are allowed to leave their lines
	links  int     // in all
	given  float64 // share of the bounds that were given up, for their neighbours contradict them
	late   float64 // share of lower bounds that are of lines written late
	all    []stretch
	knots  []float64
	// contradicted counts the knots at which the intervals of the pairs did not close.
	contradicted int
}

type solverPair struct {
	p, c int
	*clockLinks
	loose  bool   // one side is far off by nature
	keep   []bool // of each link whether its neighbours do not contradict it
	delays *seenDelay
	slopes [2]float64 // range of the slopes of the difference, relative to the lines
}

// A solverHost is one clock while it is solved.
type solverHost struct {
	fittedClock
	order []seat // its records as it stamped them
}

// fit makes the model.
func (f *clockFit) fit() *ClockModel {
	m := &ClockModel{nodes: map[string]*clockNode{}}
	for _, c := range f.clocks {
		m.nodes[c.name] = &clockNode{}
	}
	if len(f.clocks) == 0 {
		return m
	}
	f.shareConfigured()
	f.tieZones()
	s := f.solve()
	if f.shareFound(s) {
		s = f.solve()
	}
	m.take(f, s)
	if s != nil && s.hasCoarse() {
		m.settle(f.sample)
	}
	m.rest = f.rest(m)
	return m
}

// links are all that tie clocks, those first that count most.
func (f *clockFit) links() [5]*map[clockPair]*clockLinks {
	return [...]*map[clockPair]*clockLinks{&f.pairs, &f.guesses, &f.quotes, &f.within, &f.shifts}
}

// linked counts the pairs of clocks that something ties, those more than once that are tied by several.
func (f *clockFit) linked() (n int) {
	for _, m := range f.links() {
		n += len(*m)
	}
	return n
}

// rest makes the model of the largest part of the clocks that a model does not tie, and of the rest of those; nil if none of them are tied to each other.
func (f *clockFit) rest(of *ClockModel) *ClockModel {
	g := *f
	g.fixed, g.anchored = nil, nil
	tied := func(id int32) bool {
		root, _ := f.resolve(id)
		return of.nodes[f.clocks[root].name].tied
	}
	isTied := func(k clockPair, _ *clockLinks) bool { return tied(k.caller) || tied(k.callee) }
	for _, m := range g.links() {
		*m = maps.Clone(*m)
		maps.DeleteFunc(*m, isTied)
	}
	if g.linked() == 0 {
		return nil
	}
	s := g.solve()
	if s == nil {
		return nil
	}
	m := &ClockModel{nodes: map[string]*clockNode{}}
	for _, c := range f.clocks {
		m.nodes[c.name] = &clockNode{}
	}
	m.take(&g, s)
	if s.hasCoarse() {
		m.settle(f.sample)
	}
	m.rest = g.rest(m)
	return m
}

// solve finds the clocks that calls tie to each other; nil if there are none. Each step needs those before it.
func (f *clockFit) solve() *solver {
	s := f.solver()
	if s == nil {
		return nil
	}
	s.rank()      // in which order each clock stamped its records
	s.bootstrap() // a line with steps for each clock
	s.rebase()    // the reference: a clock that is tied well and about right
	s.placeKnots()
	s.straighten()  // slopes; how much the clocks wander
	s.close()       // intervals at the knots that any chain of hosts allows
	s.narrowHosts() // coarse stamps: by all neighbours at once
	s.widenContradicted()
	s.measureDelays() // how long calls take on the way
	s.shiftToDelays() // the best guess inside the intervals
	s.measureDelays()
	s.fillDelays()
	return s
}

// preferred picks the clock against which the others are told: the outermost one of the
// most requests; by name where these are equal.
func (f *clockFit) preferred(names []string) string {
	return slices.MaxFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(f.clocks[f.ids[a]].roots, f.clocks[f.ids[b]].roots), -cmp.Compare(a, b))
	})
}

// solver takes the largest part of the clocks that calls tie to each other from both sides; nil if
// there is no such part of two.
func (f *clockFit) solver() *solver {
	all := map[clockPair]*clockLinks{}
	borrowed := map[clockPair]bool{} // what stands in f.pairs and f.guesses stays as it is
	merge := func(k clockPair, ls *clockLinks, guessed bool) {
		// What one clock stamped under two names is told under one.
		caller, pAhead := f.resolve(k.caller)
		callee, cAhead := f.resolve(k.callee)
		k = clockPair{caller, callee}
		shift, pBack, cBack := pAhead-cAhead, int64(pAhead*1e3), int64(cAhead*1e3)
		if k.caller == k.callee {
			return
		}
		to := all[k]
		if to == nil && shift == 0 && pBack == 0 && cBack == 0 {
			ls.guessed = guessed
			all[k], borrowed[k] = ls, true
			return
		}
		if to == nil {
			to = &clockLinks{guessed: guessed, within: ls.within, quotes: ls.quotes}
			all[k] = to
		}
		if borrowed[k] {
			own := *to
			own.links = slices.Clone(to.links)
			to, borrowed[k] = &own, false
			all[k] = to
		}
		for _, l := range ls.links {
			l.lo += shift
			l.hi += shift
			l.raw -= pBack
			l.p.raw -= pBack
			l.c.raw -= cBack
			to.links = append(to.links, l)
		}
		to.n += ls.n
		to.dropped += ls.dropped
		to.late += ls.late
		to.lateAmong += ls.lateAmong
	}
	keys := func(m map[clockPair]*clockLinks) []clockPair {
		out := make([]clockPair, 0, len(m))
		for k := range m {
			out = append(out, k)
		}
		slices.SortFunc(out, func(a, b clockPair) int {
			return cmp.Or(cmp.Compare(a.caller, b.caller), cmp.Compare(a.callee, b.callee))
		})
		return out
	}
	for _, k := range keys(f.pairs) {
		merge(k, f.pairs[k], false)
	}
	part := f.components(all)
	for _, less := range []struct {
		links map[clockPair]*clockLinks
		least int
	}{{f.guesses, 1}, {f.quotes, alikeLeast}, {f.within, withinLeast}, {f.shifts, shiftLeast}} {
		apart := f.betweenParts(part, less.links)
		for _, k := range keys(less.links) {
			if apart[k] {
				continue
			}
			if ls := less.links[k]; part[k.caller] != part[k.callee] && ls.n >= less.least {
				merge(k, ls, true)
			}
		}
		part = f.components(all)
	}

	size := map[int32]int{}
	roots := map[int32]int{}
	for id, c := range f.clocks {
		if !c.shared {
			size[part[id]]++
			roots[part[id]] = max(roots[part[id]], c.roots)
		}
	}
	best := int32(-1)
	for id := range f.clocks {
		p := part[id]
		if best < 0 || size[p] > size[best] || size[p] == size[best] && (roots[p] > roots[best] || roots[p] == roots[best] && f.firstName(part, p) < f.firstName(part, best)) {
			best = p
		}
	}
	if size[best] < 2 {
		return nil
	}
	s := &solver{}
	for id, c := range f.clocks {
		if part[id] == best && !c.shared {
			s.names = append(s.names, c.name)
		}
	}
	slices.Sort(s.names)
	index := map[int32]int{}
	for i, n := range s.names {
		index[f.ids[n]] = i
		s.hosts = append(s.hosts, &solverHost{})
	}
	for id, c := range f.clocks {
		root, ahead := f.resolve(int32(id))
		i, ok := index[root]
		if !ok {
			continue
		}
		for _, m := range c.marks.seats {
			m.raw -= int64(ahead * 1e3)
			s.hosts[i].order = append(s.hosts[i].order, m)
		}
	}
	for k, ls := range all {
		p, ok := index[k.caller]
		c, ok2 := index[k.callee]
		if !ok || !ok2 || len(ls.links) == 0 {
			continue
		}
		slices.SortFunc(ls.links, compareLinks)
		ls.dropFar()
		s.pairs = append(s.pairs, &solverPair{p: p, c: c, clockLinks: ls})
	}
	slices.SortFunc(s.pairs, func(a, b *solverPair) int { return cmp.Or(cmp.Compare(a.p, b.p), cmp.Compare(a.c, b.c)) })
	s.of = make([][]int32, len(s.hosts))
	for i, p := range s.pairs {
		s.of[p.p] = append(s.of[p.p], int32(i))
		s.of[p.c] = append(s.of[p.c], int32(i))
		s.links += p.n
		s.hosts[p.p].calls += p.n
		s.hosts[p.c].calls += p.n
		soft := 0
		for j := range p.links {
			if p.links[j].soft {
				soft++
			}
		}
		p.loose = p.guessed || 2*soft > len(p.links)
	}
	return s
}

// dropFar drops links that lie more than a year from the middle one of their pair: a record of a
// wrong year says nothing of the clocks now. The links are in order of time.
func (ls *clockLinks) dropFar() {
	const far = 366 * 24 * int64(time.Hour)
	mid := ls.links[len(ls.links)/2].raw
	ls.links = slices.DeleteFunc(ls.links, func(l clockLink) bool { return !l.exact && (l.raw < mid-far || l.raw > mid+far) })
}

// resolve gives the clock that has several names, and by how much this name of it is ahead.
func (f *clockFit) resolve(id int32) (root int32, ahead float64) {
	for f.clocks[id].shared {
		ahead += f.clocks[id].ahead
		id = f.clocks[id].of
	}
	return id, ahead
}

func (f *clockFit) firstName(part []int32, p int32) string {
	best := ""
	for id, c := range f.clocks {
		if part[id] == p && (best == "" || c.name < best) {
			best = c.name
		}
	}
	return best
}

// betweenParts gives the quotes by which a clock that nothing else ties would tie parts to each other that calls do not: two systems of one make quote
// the like errors of both databases. Such a tie is coarse, and all that is known of one part would be told by it; the clock is left with the part with which it has the
// most quotes.
func (f *clockFit) betweenParts(part []int32, links map[clockPair]*clockLinks) map[clockPair]bool {
	size := map[int32]int{}
	for id, c := range f.clocks {
		if !c.shared {
			size[part[id]]++
		}
	}
	quotes := map[int32]map[int32]int{} // of a clock by itself with each part
	sides := func(k clockPair) (lone, other int32, ok bool) {
		a, b := part[k.caller], part[k.callee]
		switch {
		case size[b] == 1 && size[a] > 1:
			return b, a, true
		case size[a] == 1 && size[b] > 1:
			return a, b, true
		}
		return 0, 0, false
	}
	for k, ls := range links {
		if lone, other, ok := sides(k); ok && ls.quotes {
			if quotes[lone] == nil {
				quotes[lone] = map[int32]int{}
			}
			quotes[lone][other] += ls.n
		}
	}
	out := map[clockPair]bool{}
	for k, ls := range links {
		lone, other, ok := sides(k)
		if !ok || !ls.quotes {
			continue
		}
		for p, n := range quotes[lone] {
			if own := quotes[lone][other]; n > own || n == own && f.firstName(part, p) < f.firstName(part, other) {
				out[k] = true
			}
		}
	}
	return out
}

// components numbers the parts of the clocks that are tied from both sides.
func (f *clockFit) components(pairs map[clockPair]*clockLinks) []int32 {
	part := make([]int32, len(f.clocks))
	for i := range part {
		part[i], _ = f.resolve(int32(i))
	}
	type sides struct{ lo, hi bool }
	both := map[clockPair]sides{}
	for k, ls := range pairs {
		a, b := k.caller, k.callee
		var s sides
		for i := range ls.links {
			s.lo = s.lo || ls.links[i].lo > negInf
			s.hi = s.hi || ls.links[i].hi < inf
		}
		if a > b {
			a, b = b, a
			s.lo, s.hi = s.hi, s.lo
		}
		old := both[clockPair{a, b}]
		both[clockPair{a, b}] = sides{old.lo || s.lo, old.hi || s.hi}
	}
	find := func(i int32) int32 {
		for part[i] != i {
			part[i] = part[part[i]]
			i = part[i]
		}
		return i
	}
	for k, s := range both {
		if s.lo && s.hi {
			a, b := find(k.caller), find(k.callee)
			part[max(a, b)] = min(a, b)
		}
	}
	for i := range part {
		part[i] = find(int32(i))
	}
	return part
}

// rank puts the records of each clock in the order in which it stamped them, and tells
// every link its places.
//
// A stream is in order by itself. Streams of one clock are merged by the latest stamp that
// each has reached: when a clock is set back all of them wait at the moment from which it
// was, so that what comes after the step stays after it.
func (s *solver) rank() {
	type entry struct {
		seat
		reached int64
		place   *int32
	}
	lists := make([][]entry, len(s.hosts))
	for i, h := range s.hosts {
		for _, m := range h.order {
			lists[i] = append(lists[i], entry{seat: m})
		}
	}
	for _, p := range s.pairs {
		for j := range p.links {
			l := &p.links[j]
			lists[p.p] = append(lists[p.p], entry{seat: l.p, place: &l.pPlace})
			lists[p.c] = append(lists[p.c], entry{seat: l.c, place: &l.cPlace})
		}
	}
	each(len(lists), func(i int) {
		list := lists[i]
		slices.SortFunc(list, func(a, b entry) int { return a.seat.compare(b.seat) })
		var top int64
		for j := range list {
			e := &list[j]
			if j == 0 || list[j-1].stream != e.stream || e.stream < 0 {
				top = e.raw
			}
			top = max(top, e.raw)
			e.reached = top
		}
		slices.SortStableFunc(list, func(a, b entry) int { return cmp.Or(cmp.Compare(a.reached, b.reached), a.seat.compare(b.seat)) })
		h := s.hosts[i]
		h.order = h.order[:0]
		for j := range list {
			if n := len(h.order); n == 0 || h.order[n-1] != list[j].seat {
				h.order = append(h.order, list[j].seat)
			}
			if list[j].place != nil {
				*list[j].place = int32(len(h.order) - 1)
			}
		}
	})
}

// width is by how much a link leaves the difference open.
func (l *clockLink) width() float64 { return l.hi - l.lo }

// findGross sets the rough offset of every host, from ref outwards over the pairs with
// the most calls: zones, wrong hours, seconds.
func (s *solver) findGross() {
	mid := make([]float64, len(s.pairs))
	for i, p := range s.pairs {
		var both, one []float64
		for j := range p.links {
			l := &p.links[j]
			switch {
			case l.lo > negInf && l.hi < inf:
				both = append(both, (l.lo+l.hi)/2)
			case l.hi < inf:
				one = append(one, l.hi)
			default:
				one = append(one, l.lo)
			}
		}
		if len(both) == 0 {
			both = one
		}
		mid[i] = median(both)
	}
	done := make([]bool, len(s.hosts))
	done[s.ref] = true
	s.hosts[s.ref].gross = 0
	for todo := []int{s.ref}; len(todo) > 0; todo = todo[1:] {
		h := todo[0]
		own := slices.Clone(s.of[h])
		slices.SortStableFunc(own, func(a, b int32) int {
			x, y := s.pairs[a], s.pairs[b]
			return cmp.Or(boolInt(x.loose)-boolInt(y.loose), cmp.Compare(y.n, x.n))
		})
		for _, i := range own {
			p := s.pairs[i]
			other, o := p.c, s.hosts[h].gross+mid[i]
			if p.c == h {
				other, o = p.p, s.hosts[h].gross-mid[i]
			}
			if !done[other] {
				done[other] = true
				s.hosts[other].gross = o
				todo = append(todo, other)
			}
		}
	}
}

// setTimes puts the links on the common time line, as far as the rough offsets tell.
func (s *solver) setTimes() {
	s.base = math.MaxInt64
	for _, p := range s.pairs {
		g := int64(s.hosts[p.p].gross * 1e3)
		for j := range p.links {
			s.base = min(s.base, p.links[j].raw-g)
		}
	}
	s.end = 0
	for _, p := range s.pairs {
		g := int64(s.hosts[p.p].gross * 1e3)
		for j := range p.links {
			p.links[j].t = float64(p.links[j].raw-g-s.base) / 1e9
			s.end = max(s.end, p.links[j].t)
		}
	}
}

// referencesTried bounds how many hosts are tried as the one against which lines are
// fitted: a step of that host shows as a step of all others.
const referencesTried = 3

// bootstrap fits a line with steps to every clock, always that next which is tied best to
// those that are done (Prim's order), and then each again against all its neighbours.
func (s *solver) bootstrap() {
	weight := s.weights()
	order := make([]int, len(s.hosts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return compareFloat(weight[b], weight[a]) })

	type attempt struct {
		ref   int
		cost  float64
		base  int64
		end   float64
		hosts []solverHost
	}
	var best *attempt
	for _, ref := range order[:min(referencesTried, len(order))] {
		s.ref = ref
		s.findGross()
		s.setTimes()
		cost, steps := s.fitLines()
		if best == nil || cost < best.cost {
			best = &attempt{ref, cost, s.base, s.end, nil}
			for _, h := range s.hosts {
				best.hosts = append(best.hosts, *h)
			}
		}
		if cost < 20 || steps == 0 {
			break
		}
	}
	s.ref = best.ref
	for i := range s.hosts {
		*s.hosts[i] = best.hosts[i]
	}
	s.setTimes()
	s.setStretches()
}

// fitLines fits all hosts against s.ref; it gives the bounds that stay broken, with a
// price for each step, and the number of steps.
func (s *solver) fitLines() (cost float64, steps int) {
	weight := make([]float64, len(s.pairs))
	for i, p := range s.pairs {
		for j := range p.links {
			if w := p.links[j].width(); w < inf {
				weight[i] += 1 / max(1, w)
			}
		}
	}
	done := make([]bool, len(s.hosts))
	for _, h := range s.hosts {
		h.runs, h.cuts, h.knots = []run{{from: firstPlace, to: lastPlace}}, nil, nil
	}
	done[s.ref] = true
	var fitter lineFitter
	fit := func(h int) {
		s.hosts[h].runs = fitter.runs(s.seenFrom(h, done), 3)
		s.cutSteps(h)
	}
	var order []int
	score := make([]float64, len(s.hosts))
	gain := func(h int) {
		for _, i := range s.of[h] {
			p := s.pairs[i]
			score[p.p+p.c-h] += weight[i] + 1e-9
		}
	}
	gain(s.ref)
	for range len(s.hosts) - 1 {
		next := -1
		for h := range s.hosts {
			if !done[h] && score[h] > 0 && (next < 0 || score[h] >= score[next]) {
				next = h
			}
		}
		if next < 0 {
			break
		}
		fit(next)
		done[next] = true
		gain(next)
		order = append(order, next)
	}
	for _, h := range order {
		done[h] = false
		fit(h)
		done[h] = true
	}
	for _, h := range order {
		done[h] = false
		for _, b := range s.seenFrom(h, done) {
			o := s.hosts[h].runs[s.hosts[h].runOf(b.id)].at(b.t)
			if b.lo > o+1000 || b.hi < o-1000 {
				cost++
			}
		}
		done[h] = true
		for _, r := range s.hosts[h].runs {
			steps += 1 + len(r.kinks)
		}
		steps--
	}
	return cost + 20*float64(steps), steps
}

// runOf gives the run in which the record at a place was stamped.
func (h *solverHost) runOf(place int32) int {
	if len(h.cuts) == 0 {
		return 0
	}
	run, _ := h.sides(h.order[place])
	return run
}

// seenFrom gives the bounds on one host's offset, its rough offset apart, that its
// calls with the hosts that are done tell, in the order in which it stamped them.
func (s *solver) seenFrom(h int, done []bool) []bound {
	var out []bound
	for _, i := range s.of[h] {
		p := s.pairs[i]
		if other := p.p + p.c - h; !done[other] {
			continue
		}
		caller, callee := s.hosts[p.p], s.hosts[p.c]
		g := caller.gross - callee.gross
		for j := range p.links {
			l := &p.links[j]
			if p.c == h {
				o := caller.runs[caller.runOf(l.pPlace)].at(l.t) + g
				out = append(out, bound{l.t, l.lo + o, l.hi + o, l.cPlace})
			} else {
				o := callee.runs[callee.runOf(l.cPlace)].at(l.t) - g
				out = append(out, bound{l.t, o - l.hi, o - l.lo, l.pPlace})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b bound) int { return cmp.Compare(a.id, b.id) })
	return out
}

// setStretches tells every link in which runs of its two clocks it lies.
func (s *solver) setStretches() {
	for _, p := range s.pairs {
		for j := range p.links {
			l := &p.links[j]
			l.pRun = int16(s.hosts[p.p].runOf(l.pPlace))
			l.cRun = int16(s.hosts[p.c].runOf(l.cPlace))
		}
	}
}

// wellTied is the share of the best tied host's weight that the reference must have.
const wellTied = 0.4

// rebase tells all clocks against the one that is likely right, among those that are tied
// well and were not stepped: the nearest to the median of all. Intervals are the wider the further
// the reference is from the others, and which clock is right no log says.
func (s *solver) rebase() {
	weight := s.weights()
	offs := make([]float64, len(s.hosts))
	for i, h := range s.hosts {
		offs[i] = h.gross + h.runs[0].at(s.end/2)
	}
	middle := median(slices.Clone(offs))
	best := s.ref
	for i, h := range s.hosts {
		if len(h.runs) == 1 && len(h.runs[0].kinks) == 0 && weight[i] >= wellTied*slices.Max(weight) && math.Abs(offs[i]-middle) < math.Abs(offs[best]-middle) {
			best = i
		}
	}
	if best == s.ref {
		return
	}
	gross, ln := s.hosts[best].gross, s.hosts[best].runs[0].line
	for _, h := range s.hosts {
		h.gross -= gross
		for i := range h.runs {
			h.runs[i].turn(-ln.a, -ln.b)
		}
	}
	s.base += int64(gross * 1e3)
	s.ref = best
}

// weights tells how well each host is tied.
func (s *solver) weights() []float64 {
	weight := make([]float64, len(s.hosts))
	for _, p := range s.pairs {
		g := 0.0
		for j := range p.links {
			if w := p.links[j].width(); w < inf {
				g += 1 / max(50, w)
			}
		}
		weight[p.p] += g
		weight[p.c] += g
	}
	return weight
}
