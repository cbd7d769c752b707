package timeline

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// An end is one exchange as one service logged it. Where no ID ties it to the other end, in the
// log of the service that called it or that it called, method, path, status and time do.
type end struct {
	e           *Event
	set         string // alias set, or that of a record without identity key
	at          bench
	clock       string
	line        string // method and path
	status      int    // that it answered
	got         int    // that it received from below; its own status if it does not tell
	start, stop RawSpan
	hasStart    bool
	hasStop     bool
	length      length
	hasLength   bool
	client      string
	agent       string
	named       bool // it bears an identity key
	root, leaf  bool // nobody logged its caller; nobody logged whom it called
}

// A bench is one log of one service on one host: that of a proxy and that of the app behind it may be told by
// nothing but their files.
type bench struct {
	place
	path string
}

func compareBenches(a, b bench) int {
	return cmp.Or(strings.Compare(a.service, b.service), strings.Compare(a.host, b.host), strings.Compare(a.path, b.path))
}

func benchOf(e *Event) bench { return bench{place{e.Service, e.Host}, unrotated(e.Pos.Path)} }

// unrotated gives the path of a log without what its rotation added: access.log.2.gz is access.log.
func unrotated(path string) string {
	for {
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			return path
		}
		switch ext := path[i+1:]; ext {
		case "gz", "zst", "bz2", "xz", "lz4":
		default:
			if strings.Trim(ext, "0123456789-") != "" {
				return path
			}
		}
		path = path[:i]
	}
}

func endOfExchange(e *Event, set string) end {
	x := end{
		e: e, set: set, at: benchOf(e), clock: ClockOf(e),
		line: e.Attrs.Get("http.request.method") + " " + e.Attrs.Get("url.path"), status: e.StatusCode, got: e.StatusCode,
		client: hostPart(e.Attrs.Get(KeyClient)), agent: e.Attrs.Get("user_agent.original"), named: hasIdentity(e), root: true, leaf: true,
	}
	x.start, x.stop, x.hasStart, x.hasStop = e.Interval()
	if e.Stamp.HasDuration() {
		x.length, x.hasLength = length{e.Duration, e.Stamp.DurationResolution}, true
	}
	if n := len(e.Calls); n > 0 {
		c := e.Calls[n-1]
		x.got = c.Status
		if c.OwnMade || c.Ended != Complete && c.Ended != OutcomeUnknown {
			x.leaf = false // no answer came from below
		}
	}
	return x
}

// ends gives the failed exchanges of all requests that are read, each with what is known of its other ends by IDs.
func (c *collector) ends() []end {
	var out []end
	known := map[Pos]bool{}
	for set, events := range c.sets() {
		if !slices.ContainsFunc(events, func(e *Event) bool { return e.Failed || e.StatusCode >= 500 }) && !c.isWanted(set, events) {
			continue
		}
		for _, r := range c.builder().build(c.joined(set, events)) {
			for _, h := range r.Hops {
				sp := h.span()
				if sp == nil || known[sp.Pos] || sp.Traced {
					continue
				}
				known[sp.Pos] = true
				x := endOfExchange(sp.Event, set)
				x.root = h.Caller == nil
				for _, call := range h.Calls {
					x.leaf = x.leaf && (call.Callee == nil || call.Callee.Silent)
				}
				out = append(out, x)
			}
		}
	}
	for _, e := range c.failed {
		if e.Kind == ServerSpan && !known[e.Pos] && !hasIdentity(e) {
			known[e.Pos] = true
			out = append(out, endOfExchange(e, loneSet(e)))
		}
	}
	slices.SortFunc(out, func(a, b end) int { return a.e.Pos.Compare(b.e.Pos) })
	return out
}

// answers says whether lower may be the exchange on which the answer of upper rests, but for the time.
func (upper *end) answers(lower *end) bool {
	return upper.at != lower.at && upper.set != lower.set && upper.line == lower.line && strings.TrimSpace(lower.line) != "" &&
		upper.got == lower.status && lower.status != 0 && (upper.agent == "" || lower.agent == "" || upper.agent == lower.agent) && (!upper.hasLength || !lower.hasLength || within(lower.length, upper.length))
}

// apart gives by how much the stamps of two ends differ, and how exact that is; ok is false if
// they tell no moment that can be compared.
func apart(upper, lower *end) (d, exact time.Duration, ok bool) {
	a, b := upper.stop, lower.stop
	switch {
	case upper.hasStop && lower.hasStop:
	case upper.hasStart && lower.hasStart:
		a, b = upper.start, lower.start
	case !upper.hasStop && !upper.hasStart || !lower.hasStop && !lower.hasStart:
		exact = upper.length.d + lower.length.d // a stamp of somewhen within
	default:
		return 0, 0, false
	}
	return a.Lo.Sub(b.Lo), exact + max(a.Hi.Sub(a.Lo), b.Hi.Sub(b.Lo), time.Millisecond), true
}

// A shift says by how much the stamps at one place are ahead of those at another.
type shift struct {
	d, exact time.Duration
	pairs    int // that show it; 0 if the clocks were known
}

// Least number and share of exchanges of the same line and status that must be as far apart, and how much
// rarer any other distance must be, for two streams to be of caller and callee.
const (
	alikeLeast  = 3
	alikeShare  = 0.6
	alikeRarely = 2
	alikeWithin = 2 * time.Second // how exact a pair must be to count
)

// shiftBetween finds by how much the clock at one place is ahead of that at another, by the exchanges of the same
// method, path and status that both logged: true pairs are all as far apart, false ones at any distance.
func shiftBetween(upper, lower []*end) (s shift, ok bool) {
	type delta struct {
		d    time.Duration
		u, l int
	}
	byLine := map[string][]int{}
	for i, l := range lower {
		byLine[fmt.Sprint(l.line, l.status)] = append(byLine[fmt.Sprint(l.line, l.status)], i)
	}
	var all []delta
	us, ls := map[int]bool{}, map[int]bool{}
	for i, u := range upper {
		same := byLine[fmt.Sprint(u.line, u.got)]
		if len(same) > 100 {
			continue // a line of every second tells nothing
		}
		for _, j := range same {
			if !u.answers(lower[j]) {
				continue
			}
			d, exact, ok := apart(u, lower[j])
			if !ok || d.Abs() > maxSkew || exact > alikeWithin {
				continue
			}
			s.exact = max(s.exact, exact)
			all = append(all, delta{d, i, j})
			us[i], ls[j] = true, true
		}
	}
	slices.SortFunc(all, func(a, b delta) int { return cmp.Or(cmp.Compare(a.d, b.d), a.u-b.u, a.l-b.l) })
	width := s.exact + hopTolerance
	// The most exchanges of both sides that have a partner among the distances of one width, and those of any other.
	best, bestFrom, bestTo := 0, 0, 0
	counts := make([]int, len(all))
	inU, inL := map[int]int{}, map[int]int{}
	for i, j := 0, 0; i < len(all); i++ {
		for ; j < len(all) && all[j].d-all[i].d <= width; j++ {
			inU[all[j].u]++
			inL[all[j].l]++
		}
		if counts[i] = min(len(inU), len(inL)); counts[i] > best {
			best, bestFrom, bestTo = counts[i], i, j
		}
		if inU[all[i].u]--; inU[all[i].u] == 0 {
			delete(inU, all[i].u)
		}
		if inL[all[i].l]--; inL[all[i].l] == 0 {
			delete(inL, all[i].l)
		}
	}
	second := 0
	for i, n := range counts {
		if best > 0 && (all[i].d < all[bestFrom].d-width || all[i].d > all[bestTo-1].d) {
			second = max(second, n)
		}
	}
	if best < alikeLeast || float64(best) < alikeShare*float64(min(len(us), len(ls))) || best < alikeRarely*second {
		return shift{}, false
	}
	s.d = all[(bestFrom+bestTo)/2].d
	s.pairs = best
	return s, true
}

// above says whether the service of upper forwards to that of lower, by what they are, by how
// long their exchanges take, or by how many clients they see.
func above(upper, lower []*end) bool {
	rank := func(es []*end) int {
		switch es[0].e.Role {
		case RoleGateway:
			return 3
		case RoleProxy:
			return 2
		case RoleApp:
			return 0
		}
		return 1
	}
	if a, b := rank(upper), rank(lower); a != b {
		return a > b
	}
	mean := func(es []*end) (sum time.Duration, ok bool) {
		n := 0
		for _, x := range es {
			if x.hasLength {
				sum, n = sum+x.length.d, n+1
			}
		}
		if n == 0 {
			return 0, false
		}
		return sum / time.Duration(n), true
	}
	if a, ok := mean(upper); ok {
		if b, ok := mean(lower); ok && a != b {
			return a > b
		}
	}
	clients := func(es []*end) int {
		seen := map[string]bool{}
		for _, x := range es {
			if x.client != "" {
				seen[x.client] = true
			}
		}
		return len(seen)
	}
	return clients(upper) > clients(lower)
}

// A kinship says that one exchange was made for another one that bears another ID or none.
type kinship struct {
	upper, lower *end
	candidates   int
	reason       string
}

// kin joins the exchanges of the requests that are read with those of other IDs, or of none, that are their
// callers' or callees' ends: the same method, path and status at the same time, at places of which one forwards to the other.
// It says whether there were any.
func (c *collector) kin() bool {
	ends := c.ends()
	byBench := map[bench][]*end{}
	for i := range ends {
		byBench[ends[i].at] = append(byBench[ends[i].at], &ends[i])
	}
	benches := slices.SortedFunc(maps.Keys(byBench), compareBenches)
	var pairs [][2]bench
	for _, p := range benches {
		for _, q := range benches {
			if c.mayForward(byBench[p], byBench[q]) {
				pairs = append(pairs, [2]bench{p, q})
			}
		}
	}
	if len(pairs) == 0 {
		return false
	}
	more := c.endsAround(pairs, byBench)
	found := map[Pos][]kinship{} // by the lower end
	for _, pq := range pairs {
		upper, lower := slices.Concat(byBench[pq[0]], more[pq[0]]), slices.Concat(byBench[pq[1]], more[pq[1]])
		if !above(upper, lower) {
			continue
		}
		fits, ok := c.fitting(upper, lower)
		if !ok {
			continue
		}
		for _, k := range pairUp(byBench[pq[0]], byBench[pq[1]], fits) {
			found[k.lower.e.Pos] = append(found[k.lower.e.Pos], k)
		}
	}
	return c.adoptKin(found)
}

// mayForward says whether an open exchange of upper fits one of lower but for the time, and nothing that
// is known by IDs denies it.
func (c *collector) mayForward(upper, lower []*end) bool {
	known := max(c.book.Edge(upper[0].at.service, lower[0].at.service).Calls, c.book.Edge(lower[0].at.service, upper[0].at.service).Calls) >= alikeLeast
	// Whose IDs lead to other services than lower forwards to those.
	known = known || c.book.forwards(upper[0].at.service) && c.book.Edge(upper[0].at.service, lower[0].at.service).Calls == 0
	lines := map[string][]*end{}
	for _, l := range lower {
		if l.root {
			lines[l.line] = append(lines[l.line], l)
		}
	}
	for _, u := range upper {
		if !u.leaf {
			continue
		}
		for _, l := range lines[u.line] {
			if u.answers(l) && !(known && u.named && l.named) {
				return true
			}
		}
	}
	return false
}

// Bounds of what is read around failed exchanges to know the clocks of places that no ID ties: windows of each
// place, raw time before and after, and exchanges of each.
const (
	kinWindows = 8
	kinAround  = 30 * time.Second
	kinEnds    = 5000
)

// endsAround reads the exchanges at these places around some of their failed ones, those of which the clocks are not known
// to each other.
func (c *collector) endsAround(pairs [][2]bench, failed map[bench][]*end) map[bench][]*end {
	wanted := map[bench]bool{}
	for _, pq := range pairs {
		if u, l := failed[pq[0]][0], failed[pq[1]][0]; u.clock != l.clock && !(c.clocks.Tied(u.e) && c.clocks.Tied(l.e)) {
			wanted[pq[0]], wanted[pq[1]] = true, true
		}
	}
	byHost := map[string][]Window{}
	for p := range wanted {
		list := failed[p]
		step := max(1, len(list)/kinWindows)
		for i := 0; i < len(list); i += step {
			e := list[i].e
			byHost[p.host] = append(byHost[p.host], Window{p.host, e.Time.Add(-kinAround), e.Time.Add(kinAround)})
		}
	}
	var wants []Want
	for _, host := range slices.Sorted(maps.Keys(byHost)) {
		byHost[host] = merged(byHost[host])
		for i := range byHost[host] {
			wants = append(wants, Want{Near: &byHost[host][i]})
		}
	}
	if len(wants) == 0 {
		return nil
	}
	known := map[Pos]bool{}
	for _, list := range failed {
		for _, x := range list {
			known[x.e.Pos] = true
		}
	}
	parts := make([]map[bench][]*end, len(c.srcs))
	c.scan(wants, func(i int, e *Event) {
		p := benchOf(e)
		if e.Kind != ServerSpan || !wanted[p] || known[e.Pos] || len(parts[i][p]) >= kinEnds || !touches(byHost[e.Host], e.Time, e.Time) {
			return
		}
		if parts[i] == nil {
			parts[i] = map[bench][]*end{}
		}
		e = e.Clone()
		x := endOfExchange(e, loneSet(e))
		parts[i][p] = append(parts[i][p], &x)
	})
	out := map[bench][]*end{}
	for _, part := range parts {
		for p, list := range part {
			out[p] = append(out[p], list...)
		}
	}
	return out
}

// fitting gives the test whether two ends of the places are of one time: by the clocks where these are known,
// else by how far like exchanges are apart. ok is false if nothing tells.
func (c *collector) fitting(upper, lower []*end) (fits func(u, l *end) (string, bool), ok bool) {
	u, l := upper[0], lower[0]
	switch {
	case u.clock == l.clock:
		return func(u, l *end) (string, bool) {
			d, exact, ok := apart(u, l)
			return "on one clock", ok && d >= -exact && d <= exact+lateLine
		}, true
	case c.clocks.Tied(u.e) && c.clocks.Tied(l.e):
		return func(u, l *end) (string, bool) {
			us, ue := c.clocks.Align(u.e)
			ls, le := c.clocks.Align(l.e)
			if ls.CertainlyBefore(us) || ue.Add(lateLine).CertainlyBefore(le) {
				return "", false
			}
			a, b := ue, le
			if !a.Known() || !b.Known() {
				a, b = us, ls
			}
			return "by the corrected clocks", a.Known() && b.Known() && a.Time.Sub(b.Time).Abs() <= lateLine+a.Slack()+b.Slack()
		}, true
	}
	s, ok := shiftBetween(upper, lower)
	if !ok {
		return nil, false
	}
	words := fmt.Sprintf("and %d exchanges of both are as far apart", s.pairs)
	return func(u, l *end) (string, bool) {
		d, exact, ok := apart(u, l)
		return words, ok && (d-s.d).Abs() <= exact+hopTolerance
	}, true
}

// pairUp pairs the open ends of two places that fit. Where several fit each other, as many at both places, they are paired in order,
// each as one of so many; where there are more at one place, none is.
func pairUp(upper, lower []*end, fits func(u, l *end) (string, bool)) []kinship {
	type side struct{ ends []*end }
	group := map[*end]*[2]side{}
	words := ""
	byLine := map[string][]*end{}
	for _, l := range lower {
		if l.root {
			byLine[l.line] = append(byLine[l.line], l)
		}
	}
	for _, u := range upper {
		for _, l := range byLine[u.line] {
			if !u.leaf || !u.answers(l) {
				continue
			}
			w, ok := fits(u, l)
			if !ok {
				continue
			}
			words = w
			a, b := group[u], group[l]
			if a == nil {
				a = &[2]side{{[]*end{u}}, {}}
				group[u] = a
			}
			if b == nil {
				b = &[2]side{{}, {[]*end{l}}}
				group[l] = b
			}
			if a == b {
				continue
			}
			for i := range b {
				for _, x := range b[i].ends {
					group[x] = a
				}
				a[i].ends = append(a[i].ends, b[i].ends...)
			}
		}
	}
	var out []kinship
	done := map[*[2]side]bool{}
	for _, u := range upper {
		g := group[u]
		if g == nil || done[g] {
			continue
		}
		done[g] = true
		us, ls := g[0].ends, g[1].ends
		if len(us) != len(ls) || len(us) > maxCandidates {
			continue
		}
		byTime := func(a, b *end) int {
			return cmp.Or(a.stop.Lo.Compare(b.stop.Lo), a.start.Lo.Compare(b.start.Lo), a.e.Pos.Compare(b.e.Pos))
		}
		slices.SortFunc(us, byTime)
		slices.SortFunc(ls, byTime)
		for i := range us {
			if _, ok := fits(us[i], ls[i]); !ok || !us[i].answers(ls[i]) {
				continue
			}
			out = append(out, kinship{us[i], ls[i], len(us), fmt.Sprintf("the same method, path and status at the same time as %s, %s", us[i].e.Pos, words)})
		}
	}
	return out
}

// adoptKin makes one set of those that hold ends of one request. Of the places that may have called an
// exchange it is the one that was called by the others itself.
func (c *collector) adoptKin(found map[Pos][]kinship) bool {
	if len(found) == 0 {
		return false
	}
	events := c.sets()
	parent := map[string]string{}
	var root func(s string) string
	root = func(s string) string {
		if p, ok := parent[s]; ok && p != s {
			return root(p)
		}
		return s
	}
	candidates, reasons := map[string]int{}, map[string]string{}
	lone := map[string]*Event{}
	for _, pos := range slices.SortedFunc(maps.Keys(found), Pos.Compare) {
		k := nearestKin(found, found[pos])
		for _, x := range []*end{k.upper, k.lower} {
			if events[x.set] == nil {
				lone[x.set] = x.e
			}
			candidates[x.set] = max(candidates[x.set], k.candidates)
			reasons[x.set] = k.reason
		}
		if k.upper.at.place != k.lower.at.place {
			c.callerOf[k.lower.e.Pos] = k.upper.e.Pos
		}
		if a, b := root(k.upper.set), root(k.lower.set); a != b {
			parent[b] = a
		}
	}
	members := map[string][]string{}
	for s := range candidates {
		members[root(s)] = append(members[root(s)], s)
	}
	for _, sets := range members {
		slices.SortFunc(sets, func(a, b string) int {
			return cmp.Or(c.kinRank(a, events)-c.kinRank(b, events), strings.Compare(a, b))
		})
		if !slices.ContainsFunc(sets, func(s string) bool { return events[s] != nil && c.isWanted(s, events[s]) }) {
			continue // of other requests than those asked for
		}
		base := sets[0]
		c.extra[base] = append(c.extra[base], c.kinOf(base, sets, events, lone, candidates, reasons)...)
	}
	c.sorted = nil
	return len(c.absorbed) > 0
}

// nearestKin picks of the kinships of one lower end that whose upper end has the others' as its own.
func nearestKin(found map[Pos][]kinship, ks []kinship) kinship {
	for _, k := range ks {
		deepest := true
		for _, o := range ks {
			if o.upper != k.upper {
				deepest = deepest && slices.ContainsFunc(found[k.upper.e.Pos], func(x kinship) bool { return x.upper == o.upper })
			}
		}
		if deepest {
			return k
		}
	}
	return ks[0]
}

// kinRank orders the sets of one request: what was asked for, what bears an ID, what does not.
func (c *collector) kinRank(set string, events map[string][]*Event) int {
	switch {
	case strings.HasPrefix(set, "\x00"):
		return 2
	case c.isWanted(set, events[set]):
		return 0
	}
	return 1
}

// kinOf gives the events of the other sets of a request as they are joined to the first; these sets are no more.
func (c *collector) kinOf(base string, sets []string, events map[string][]*Event, lone map[string]*Event, candidates map[string]int, reasons map[string]string) []Joined {
	var out []Joined
	for _, s := range sets {
		if s == base {
			continue
		}
		c.absorbed[s] = base
		list := events[s]
		if e := lone[s]; e != nil {
			list = []*Event{e}
		}
		for _, e := range list {
			out = append(out, Joined{Event: e, Join: ByInferred, Candidates: candidates[s], Reason: reasons[s]})
		}
	}
	return out
}
