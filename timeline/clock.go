package timeline

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A ClockModel bounds, for every host, how far its clock is from the reference
// host's, from what callers and callees logged of the same calls.
//
// The method: a caller's window contains the callee's work, so each call bounds the
// difference of the two clocks from both sides (Duda et al., "Estimating global time
// in distributed systems", 1987). Per pair of clocks the difference that breaks the
// fewest bounds is kept as an interval (Marzullo, "Maintaining the time in a
// distributed system", 1983), and the intervals are closed over the graph of hosts
// by shortest paths, which gives the tightest interval that any chain of hosts allows
// (Patt-Shamir and Rajsbaum, "A theory of clock synchronization", 1994).
//
// A clock is a host's, once more for stamps that write no zone: these may be local
// time. The zero model knows nothing and aligns every event to its own raw time.
type ClockModel struct {
	nodes map[string]*clockNode
	ref   string
	zones map[string]time.Duration // host -> the zone of its stamps without zone, where its other stamps tell it
}

// hostSpan gives a raw span of e on its host's clock, and that clock's name: stamps
// without zone are moved to those with one where the host's zone is known.
func (m *ClockModel) hostSpan(e *Event, s RawSpan) (string, RawSpan) {
	clock := ClockOf(e)
	if host, local := clockHost(clock); local && m != nil {
		if zone, ok := m.zones[host]; ok {
			return host, RawSpan{s.Lo.Add(-zone), s.Hi.Add(-zone)}
		}
	}
	return clock, s
}

type clockNode struct {
	lo, hi float64 // offset to the reference in ns: aligned = raw - offset
	tied   bool
	calls  int
	reason string
}

func (n *clockNode) mid() float64 { return (n.lo + n.hi) / 2 }

// localSuffix marks the clock of a host's stamps without zone.
const localSuffix = "\x00local"

// ClockOf names the clock that stamped e.
func ClockOf(e *Event) string {
	if e.Stamp.Zone == ZoneUnknown {
		return e.Host + localSuffix
	}
	return e.Host
}

func clockHost(clock string) (host string, local bool) {
	return strings.CutSuffix(clock, localSuffix)
}

// untiedSlack is by how much an untied clock may be off: two hours, or 26 hours where
// the zone is not known.
func untiedSlack(clock string) time.Duration {
	if _, local := clockHost(clock); local {
		return 26 * time.Hour
	}
	return 2 * time.Hour
}

// A bound is what one call says of off(callee) - off(caller), in ns; infinite where it
// says nothing.
type bound struct{ lo, hi float64 }

type clockPair struct{ caller, callee string }

// A clockFit gathers bounds and then makes a model of them.
type clockFit struct {
	pairs map[clockPair][]bound // from calls that the caller logged
	// guesses are from callees whose caller logged no call: the outermost exchange is
	// taken for what holds them. They count only where nothing else ties a clock.
	guesses map[clockPair][]bound
	seen    map[string]bool            // clocks that stamped anything
	roots   map[string]int             // clock -> requests in which it was the outermost
	fixed   map[string]time.Duration   // host -> offset from the configuration
	zone    map[string]time.Duration   // host -> the zone other than UTC that its stamps write
	soft    map[string]map[string]bool // clock -> the software that stamps by it
}

func newClockFit() *clockFit {
	return &clockFit{pairs: map[clockPair][]bound{}, guesses: map[clockPair][]bound{}, seen: map[string]bool{}, roots: map[string]int{}, fixed: map[string]time.Duration{}, zone: map[string]time.Duration{}, soft: map[string]map[string]bool{}}
}

// maxBounds bounds what one pair of clocks keeps.
const maxBounds = 20_000

func (f *clockFit) add(into map[clockPair][]bound, caller, callee string, b bound) {
	f.seen[caller], f.seen[callee] = true, true
	if caller == callee || math.IsInf(b.lo, -1) && math.IsInf(b.hi, 1) {
		return
	}
	k := clockPair{caller, callee}
	if caller > callee { // one pair for both directions
		k = clockPair{callee, caller}
		b = bound{-b.hi, -b.lo}
	}
	if len(into[k]) < maxBounds {
		into[k] = append(into[k], b)
	}
}

// addCall adds what the windows of one call say. A caller that gave up or left says only
// that the callee began before it did so.
func (f *clockFit) addCall(into map[clockPair][]bound, caller string, from, to RawSpan, fromOK, toOK bool, callee string, start, end RawSpan, startOK, endOK, openEnd bool) {
	b := bound{math.Inf(-1), math.Inf(1)}
	if fromOK && startOK {
		b.hi = float64(start.Hi.Sub(from.Lo))
	}
	if toOK {
		switch {
		case openEnd && startOK:
			b.lo = float64(start.Lo.Sub(to.Hi))
		case !openEnd && endOK:
			b.lo = float64(end.Lo.Sub(to.Hi))
		}
	}
	f.add(into, caller, callee, b)
}

// fit makes the model.
func (f *clockFit) fit() *ClockModel {
	m := &ClockModel{nodes: map[string]*clockNode{}, zones: f.tieZones()}
	names := make([]string, 0, len(f.seen))
	for n := range f.seen {
		names = append(names, n)
	}
	slices.Sort(names)
	if len(names) == 0 {
		return m
	}
	index := map[string]int{}
	for i, n := range names {
		index[n] = i
		m.nodes[n] = &clockNode{}
	}
	edges := edgesOf(f.pairs)
	part := components(names, edges)
	for _, e := range edgesOf(f.guesses) {
		if part[e.a] != part[e.b] {
			edges = append(edges, e)
		}
	}
	for _, e := range edges {
		m.nodes[e.a].calls += e.n
		m.nodes[e.b].calls += e.n
	}
	m.ref = f.reference(names, edges)

	d := closure(names, index, edges)
	r := index[m.ref]
	for i, n := range names {
		node := m.nodes[n]
		lo, hi := -d[i][r], d[r][i]
		if math.IsInf(lo, 0) || math.IsInf(hi, 0) {
			node.reason = f.untiedReason(n, edges)
			continue
		}
		node.tied, node.lo, node.hi = true, lo, hi
	}
	f.guard(m)
	for host, off := range f.fixed {
		for _, n := range []string{host, host + localSuffix} {
			if node := m.nodes[n]; node != nil {
				base := float64(off - f.fixed[refHost(m.ref)])
				node.lo, node.hi, node.tied, node.reason = base, base, true, "set by the configuration"
			}
		}
	}
	return m
}

func refHost(clock string) string { h, _ := clockHost(clock); return h }

// A pairEdge says that off(b) - off(a) lies in [lo, hi], by n calls.
type pairEdge struct {
	a, b   string
	lo, hi float64
	n      int
}

func edgesOf(pairs map[clockPair][]bound) []pairEdge {
	edges := make([]pairEdge, 0, len(pairs))
	for k, bs := range pairs {
		lo, hi := stab(bs)
		edges = append(edges, pairEdge{k.caller, k.callee, lo, hi, len(bs)})
	}
	slices.SortFunc(edges, func(x, y pairEdge) int {
		return cmp.Or(strings.Compare(x.a, y.a), strings.Compare(x.b, y.b))
	})
	return edges
}

// stab gives the interval of the values that break the fewest bounds. With many
// bounds the outermost of each side is given up: it may be of a line that was written late.
func stab(bs []bound) (lo, hi float64) {
	var lows, highs []float64
	for _, b := range bs {
		if !math.IsInf(b.lo, -1) {
			lows = append(lows, b.lo)
		}
		if !math.IsInf(b.hi, 1) {
			highs = append(highs, b.hi)
		}
	}
	slices.Sort(lows)
	slices.Sort(highs)
	const many = 100
	if len(lows) >= many {
		lows = lows[:len(lows)-1]
	}
	if len(highs) >= many {
		highs = highs[1:]
	}
	// cost(x) = lows above x + highs below x. It changes only at the bounds, and the
	// best region lies between a low and the next high.
	type edge struct {
		x   float64
		low bool
	}
	all := make([]edge, 0, len(lows)+len(highs))
	for _, x := range lows {
		all = append(all, edge{x, true})
	}
	for _, x := range highs {
		all = append(all, edge{x, false})
	}
	slices.SortFunc(all, func(a, b edge) int {
		if c := cmp.Compare(a.x, b.x); c != 0 {
			return c
		}
		if a.low == b.low {
			return 0
		}
		if a.low {
			return -1
		}
		return 1
	})
	cost := len(lows)
	best, at := cost, -1
	for i, e := range all {
		if e.low {
			cost--
			if cost < best {
				best, at = cost, i
			}
		} else {
			cost++
		}
	}
	lo, hi = math.Inf(-1), math.Inf(1)
	if at >= 0 {
		lo = all[at].x
	}
	if at+1 < len(all) {
		hi = all[at+1].x
	}
	return lo, hi
}

// reference picks the clock against which the others are told: the outermost one of
// the most requests among those tied to most others; by name where these are equal.
func (f *clockFit) reference(names []string, edges []pairEdge) string {
	part := components(names, edges)
	size := map[int]int{}
	for _, p := range part {
		size[p]++
	}
	return slices.MaxFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(size[part[a]], size[part[b]]), cmp.Compare(f.roots[a], f.roots[b]), strings.Compare(b, a))
	})
}

func components(names []string, edges []pairEdge) map[string]int {
	part := map[string]int{}
	for i, n := range names {
		part[n] = i
	}
	for changed := true; changed; {
		changed = false
		for _, e := range edges {
			if math.IsInf(e.lo, 0) || math.IsInf(e.hi, 0) {
				continue
			}
			if a, b := part[e.a], part[e.b]; a != b {
				part[e.a], part[e.b] = min(a, b), min(a, b)
				changed = true
			}
		}
	}
	return part
}

// closure gives the shortest paths d[i][j], the most that off(j) - off(i) can be. If
// the intervals contradict each other all are widened by the same amount until they do not.
func closure(names []string, index map[string]int, edges []pairEdge) [][]float64 {
	n := len(names)
	for widen := 0.0; ; widen = max(1e4, widen*2) {
		d := make([][]float64, n)
		for i := range d {
			d[i] = make([]float64, n)
			for j := range d[i] {
				if i != j {
					d[i][j] = math.Inf(1)
				}
			}
		}
		for _, e := range edges {
			i, j := index[e.a], index[e.b]
			w := widen
			if e.lo == e.hi { // a zone is exact
				w = 0
			}
			d[i][j] = min(d[i][j], e.hi+w)
			d[j][i] = min(d[j][i], -e.lo+w)
		}
		for k := range n {
			for i := range n {
				if math.IsInf(d[i][k], 1) {
					continue
				}
				for j := range n {
					d[i][j] = min(d[i][j], d[i][k]+d[k][j])
				}
			}
		}
		closed := true
		for i := range n {
			closed = closed && d[i][i] >= 0
		}
		if closed || widen > 1e15 {
			return d
		}
	}
}

func (f *clockFit) untiedReason(clock string, edges []pairEdge) string {
	calls, oneSided := 0, false
	for _, e := range edges {
		if e.a == clock || e.b == clock {
			calls += e.n
			oneSided = oneSided || math.IsInf(e.lo, 0) || math.IsInf(e.hi, 0)
		}
	}
	switch {
	case calls == 0:
		return "no call between it and a tied host was found"
	case oneSided:
		return "its calls bound the clock from one side only"
	}
	return "its callers and callees are not tied either"
}

// guard widens the interval of a host against whose bounds the model speaks too
// often and from both sides, as under drift or a step: more than 5 % broken by more than
// 0.1 ms, and 1 % on the rarer side. Lines that are written late break one side only, and the fit
// has passed over them.
func (f *clockFit) guard(m *ClockModel) {
	type tally struct {
		total, low, high int
		misses           []float64
	}
	tallies := map[string]*tally{}
	for k, bs := range f.pairs {
		a, b := m.nodes[k.caller], m.nodes[k.callee]
		if !a.tied || !b.tied {
			continue
		}
		x := b.mid() - a.mid()
		for _, n := range []string{k.caller, k.callee} {
			if tallies[n] == nil {
				tallies[n] = &tally{}
			}
			t := tallies[n]
			for _, bd := range bs {
				t.total++
				t.misses = append(t.misses, max(bd.lo-x, x-bd.hi, 0))
				if bd.lo-x > 1e5 {
					t.low++
				}
				if x-bd.hi > 1e5 {
					t.high++
				}
			}
		}
	}
	for n, t := range tallies {
		if (t.low+t.high)*20 <= t.total || min(t.low, t.high)*100 <= t.total || n == m.ref {
			continue
		}
		slices.Sort(t.misses)
		p98 := t.misses[len(t.misses)*98/100]
		node := m.nodes[n]
		node.lo -= p98
		node.hi += p98
		node.reason = fmt.Sprintf("%d of %d bounds contradict one constant offset: drift or a step", t.low+t.high, t.total)
	}
}

// Tied says whether the clock that stamped e is tied to the reference.
func (m *ClockModel) Tied(e *Event) bool {
	n := m.node(ClockOf(e))
	return n != nil && n.tied
}

func (m *ClockModel) node(clock string) *clockNode {
	if m == nil {
		return nil
	}
	return m.nodes[clock]
}

// Align gives start and end of what e reports on the common time line; an end that the
// record does not tell is zero. The instant of an untied clock is as wide as that
// clock may be wrong. e.Time itself is never changed.
func (m *ClockModel) Align(e *Event) (start, end Instant) {
	s, t, sOK, tOK := e.Interval()
	clock := ClockOf(e)
	if !sOK && !tOK { // a moment within
		a := m.instant(clock, s)
		return a, a
	}
	if sOK {
		start = m.instant(clock, s)
	}
	if tOK {
		end = m.instant(clock, t)
	}
	return start, end
}

func (m *ClockModel) instant(clock string, s RawSpan) Instant {
	n := m.node(clock)
	if n == nil || !n.tied {
		w := untiedSlack(clock)
		mid := s.Lo.Add(s.Hi.Sub(s.Lo) / 2)
		return Instant{s.Lo.Add(-w), mid.UTC(), s.Hi.Add(w)}
	}
	lo, hi := s.Lo.Add(-time.Duration(n.hi)), s.Hi.Add(-time.Duration(n.lo))
	return Instant{lo.UTC(), lo.Add(hi.Sub(lo) / 2).UTC(), hi.UTC()}
}

// rawWindow gives the span of a clock's raw stamps that [from, to] on the common time
// line may show as.
func (m *ClockModel) rawWindow(clock string, from, to time.Time) (time.Time, time.Time) {
	n := m.node(clock)
	if n == nil || !n.tied {
		w := untiedSlack(clock)
		return from.Add(-w), to.Add(w)
	}
	return from.Add(time.Duration(n.lo)), to.Add(time.Duration(n.hi))
}

// Hosts tells what is known of every host's clock, the reference first, then by name.
// A host that stamps both with and without zone is told once, by the former.
func (m *ClockModel) Hosts() []HostClock {
	var out []HostClock
	if m == nil {
		return nil
	}
	names := make([]string, 0, len(m.nodes))
	for n := range m.nodes {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, name := range names {
		n := m.nodes[name]
		host, local := clockHost(name)
		if local && m.nodes[host] != nil && (m.nodes[host].tied || !n.tied) {
			continue
		}
		if !local && !n.tied && m.nodes[host+localSuffix] != nil && m.nodes[host+localSuffix].tied {
			continue
		}
		h := HostClock{Host: host, Reference: name == m.ref, Calls: n.calls, Tied: n.tied, Reason: n.reason}
		if n.tied {
			h.OffsetMS, h.SlackMS = n.mid()/1e6, (n.hi-n.lo)/2e6
			if local {
				h.Zone = zoneOf(n.mid())
			}
		}
		out = append(out, h)
	}
	slices.SortStableFunc(out, func(a, b HostClock) int {
		switch {
		case a.Reference:
			return -1
		case b.Reference:
			return 1
		}
		return strings.Compare(a.Host, b.Host)
	})
	return out
}

// zoneOf gives the zone that an offset fits: the nearest multiple of 15 minutes, as
// zones are, if the rest is below a minute and the zone is not UTC itself.
func zoneOf(offset float64) string {
	const quarter = float64(15 * time.Minute)
	q := math.Round(offset / quarter)
	if q == 0 || math.Abs(offset-q*quarter) > float64(time.Minute) || math.Abs(q) > 14*4 {
		return ""
	}
	minutes := int(q) * 15
	sign := '+'
	if minutes < 0 {
		sign, minutes = '-', -minutes
	}
	return fmt.Sprintf("%c%02d:%02d", sign, minutes/60, minutes%60)
}
