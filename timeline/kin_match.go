package timeline

import (
	"cmp"
	"maps"
	"slices"
)

// A kinship says that one exchange was made for another one that bears another ID or none, or, of twins, that it is the same one.
type kinship struct {
	upper, lower *end
	twin         bool
	skipped      bool // another log stands between the two
	candidates   int
	reason       string
}

// A kinMatch pairs the exchanges of linked logs, each with at most one that it was made for.
type kinMatch struct {
	c     *collector
	ends  map[bench][]*end
	lines map[bench]map[string][]*end
	up    map[*end]bool // it was made for another one
	down  map[*end]*end // what was made for it, last
	names map[*end]*end // the end with an ID of whose request one without is
	found []kinship
}

// matchKin pairs the exchanges of all links: first what is of one status, of neighbours and then of logs with one between them that has no record of
// it; then what a failure may have been made of; last the attempts that failed before another one was answered.
func (c *collector) matchKin(links []*kinLink, ends map[bench][]*end) []kinship {
	m := &kinMatch{c: c, ends: ends, lines: map[bench]map[string][]*end{}, up: map[*end]bool{}, down: map[*end]*end{}, names: map[*end]*end{}}
	for b, list := range ends {
		slices.SortFunc(list, byRawTime)
		byLine := map[string][]*end{}
		for _, x := range list {
			byLine[x.line] = append(byLine[x.line], x)
		}
		m.lines[b] = byLine
	}
	for _, k := range links {
		if k.twin {
			m.pass([]*kinLink{k}, (*end).answers)
		}
	}
	for _, may := range []func(u, l *end) bool{(*end).answers, (*end).mapped} {
		m.between(links, may)
		for i := 0; i < len(links); {
			j := i + 1
			for j < len(links) && links[j].depth == links[i].depth && links[j].above == links[i].above {
				j++
			}
			if !links[i].twin {
				m.pass(links[i:j], may)
			}
			i = j
		}
	}
	for _, k := range links {
		if !k.twin && k.depth == 1 {
			m.attempts(k)
			m.unread(k)
		}
	}
	return m.found
}

func byRawTime(a, b *end) int {
	return cmp.Or(a.stop.Lo.Compare(b.stop.Lo), a.start.Lo.Compare(b.start.Lo), a.e.Pos.Compare(b.e.Pos))
}

// A fit is two ends that may be of one request.
type fit struct {
	u, l *end
	link *kinLink
}

func (f fit) ends() (a, b any) { return f.u, f.l }

// pass pairs what links of one rank leave open. Where several fit each other, as many on both sides, they are paired in order; where
// there are more on one side, each with the nearest; each as one of so many as it fits.
func (m *kinMatch) pass(links []*kinLink, may func(u, l *end) bool) {
	var fits []fit
	for _, k := range links {
		for _, u := range m.ends[k.upper] {
			if !k.twin && (!u.leaf || m.down[u] != nil) {
				continue
			}
			for _, line := range u.lines() {
				for _, l := range m.lines[k.lower][line] {
					if !k.twin && (!l.root || m.up[l]) || u.named && l.named && !k.named || m.otherID(u, l) || !may(u, l) {
						continue
					}
					if m.c.fits(k, u, l) {
						fits = append(fits, fit{u, l, k})
					}
				}
			}
		}
	}
	for _, group := range components(m.c.plainest(fits), fit.ends) {
		m.resolve(group)
	}
}

// plainest leaves of fits those whose ends tell most of each other: an end is not of a second one that tells less.
func (c *collector) plainest(fits []fit) []fit {
	byWeight := map[int][]fit{}
	for _, f := range fits {
		w := c.speaks(f.u, f.l)
		byWeight[w] = append(byWeight[w], f)
	}
	if len(byWeight) < 2 {
		return fits
	}
	var out []fit
	taken := map[*end]bool{}
	for _, w := range slices.Backward(slices.Sorted(maps.Keys(byWeight))) {
		list := slices.DeleteFunc(byWeight[w], func(f fit) bool { return taken[f.u] || taken[f.l] })
		for _, f := range list {
			taken[f.u], taken[f.l] = true, true
		}
		out = append(out, list...)
	}
	return out
}

// speaks weighs what two ends tell of each other that need not agree: the query, which a proxy may change and a log hide, and
// the server that upper asked, of which its record may name the last one alone.
func (c *collector) speaks(upper, lower *end) int {
	n := 0
	q, r := upper.e.Attrs.Get("url.query"), lower.e.Attrs.Get("url.query")
	switch {
	case q == "" || r == "":
	case q == r:
		n++
	default:
		n--
	}
	other := false
	for _, call := range upper.e.Calls {
		at, ok := c.book.Lookup(upper.at.host, call.Peer)
		if !ok || at.Service == lower.at.service && at.Host == "" {
			continue
		}
		if at.Service == lower.at.service && at.Host == lower.at.host {
			return n + 1
		}
		other = true
	}
	return n - boolInt(other)
}

// components parts pairs into those that have ends in common, in the order in which they came.
func components[T any](fits []T, ends func(T) (a, b any)) [][]T {
	parent := map[any]any{}
	var root func(x any) any
	root = func(x any) any {
		if p := parent[x]; p != nil && p != x {
			parent[x] = root(p)
			return parent[x]
		}
		return x
	}
	for _, f := range fits {
		a, b := ends(f)
		if a, b = root(a), root(b); a != b {
			parent[b] = a
		}
	}
	at := map[any]int{}
	var out [][]T
	for _, f := range fits {
		a, _ := ends(f)
		r := root(a)
		i, ok := at[r]
		if !ok {
			i = len(out)
			at[r] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], f)
	}
	return out
}

// resolve pairs the ends of one component.
func (m *kinMatch) resolve(group []fit) {
	us, ls := map[*end]int{}, map[*end]int{}
	var upper, lower []*end
	at := map[[2]*end]fit{}
	for _, f := range group {
		if us[f.u]++; us[f.u] == 1 {
			upper = append(upper, f.u)
		}
		if ls[f.l]++; ls[f.l] == 1 {
			lower = append(lower, f.l)
		}
		at[[2]*end{f.u, f.l}] = f
	}
	take := func(f fit) {
		k := ls[f.l]
		if !f.l.failing() || len(upper) == len(lower) {
			k = max(k, us[f.u]) // else what fits no other one is a further attempt
		}
		if k <= maxCandidates {
			m.take(f, k)
		}
	}
	if len(upper) == len(lower) {
		slices.SortStableFunc(upper, byRawTime)
		slices.SortStableFunc(lower, byRawTime)
		ordered := true
		for i := range upper {
			_, ok := at[[2]*end{upper[i], lower[i]}]
			ordered = ordered && ok
		}
		if ordered {
			for i := range upper {
				take(at[[2]*end{upper[i], lower[i]}])
			}
			return
		}
	}
	if len(upper) == 1 && !slices.ContainsFunc(lower, func(l *end) bool { return !l.failing() }) {
		slices.SortStableFunc(lower, byRawTime)
		for _, l := range slices.Backward(lower) { // it passed on what came of the last attempt
			take(at[[2]*end{upper[0], l}])
		}
		return
	}
	slices.SortStableFunc(group, func(a, b fit) int { return cmp.Compare(m.c.gap(a), m.c.gap(b)) })
	taken := map[*end]bool{}
	for _, f := range group {
		if !taken[f.u] && !taken[f.l] {
			taken[f.u], taken[f.l] = true, true
			take(f)
		}
	}
}

// gap is how far the stamps of two ends are apart.
func (c *collector) gap(f fit) int64 {
	d, _ := apart(f.u, f.l)
	switch {
	case f.u.clock == f.l.clock:
	case f.link.shift != nil && !c.clocksTell(f.u, f.l):
		d -= f.link.shift.d
	default:
		us, ue := f.u.align(c.clocks)
		ls, le := f.l.align(c.clocks)
		a, b := ue, le
		if us.Known() && ls.Known() {
			a, b = us, ls
		}
		d = firstKnown(a, us).Time.Sub(firstKnown(b, ls).Time)
	}
	return int64(d.Abs())
}

func (m *kinMatch) take(f fit, candidates int) {
	if f.link.twin {
		// One of the two stands for both: that which tells more.
		less := f.l
		if f.u.tells() < f.l.tells() {
			less = f.u
		}
		m.up[less], m.down[less] = true, less
	} else {
		m.up[f.l] = true
		if m.down[f.u] == nil {
			m.down[f.u] = f.l
		}
		if f.l.within = f.u; !f.u.hasStop {
			f.l.within = f.u.within
		}
	}
	m.name(f.u, f.l)
	m.found = append(m.found, kinship{f.u, f.l, f.link.twin, f.link.depth > 1, candidates, kinWords(f.u, f.l, m.c.timeWords(f))})
}

// after says whether an exchange certainly began after another one.
func (c *collector) after(x, o *end) bool {
	xs, xe := rawInstants(x, 0, 0)
	os, oe := rawInstants(o, 0, 0)
	if x.clock != o.clock {
		if !c.clocksTell(x, o) {
			return false
		}
		xs, xe = x.align(c.clocks)
		os, oe = o.align(c.clocks)
	}
	return os.CertainlyBefore(xs) || oe.CertainlyBefore(xe)
}

// attempts joins what failed before another exchange was answered, both made for one.
func (m *kinMatch) attempts(k *kinLink) {
	for _, l := range m.ends[k.lower] {
		if !l.root || m.up[l] || !l.failing() {
			continue
		}
		var best *fit
		n := 0
		for _, u := range m.lines[k.upper][l.line] {
			used := m.down[u]
			if used == nil || used == u || m.c.after(l, used) || u.named && l.named && !k.named || m.otherID(u, l) || !u.repeated(l) {
				continue
			}
			if !m.c.fits(k, u, l) {
				continue
			}
			n++
			if f := (fit{u, l, k}); best == nil || m.c.gap(f) < m.c.gap(*best) {
				best = &f
			}
		}
		if best != nil && n <= maxCandidates {
			m.take(*best, n)
		}
	}
}

// unreadable says whether a service refused an exchange of which it could read no request line: it does not tell what was asked.
func (x *end) unreadable() bool {
	return x.e.Attrs.Get("http.request.method") == "" && x.e.Attrs.Get("url.path") == "" && x.status >= 400 && x.status < 500
}

// unread joins refusals of what could not be read as a request with exchanges that brought nothing else from below and failed, or were refused
// alike: they have nothing but their time in common.
func (m *kinMatch) unread(k *kinLink) {
	var fits []fit
	for _, l := range m.ends[k.lower] {
		if !l.root || m.up[l] || !l.unreadable() {
			continue
		}
		for _, u := range m.ends[k.upper] {
			if !u.leaf || m.down[u] != nil || !u.failing() && u.status != l.status || u.unreadable() {
				continue
			}
			if m.c.fits(k, u, l) {
				fits = append(fits, fit{u, l, k})
			}
		}
	}
	for _, group := range components(fits, fit.ends) {
		m.resolve(group)
	}
}
