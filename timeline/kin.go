package timeline

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// kin joins the exchanges of the requests that are read with those of other IDs, or of none, that are their
// callers' or callees' ends. Which log forwards to which, and how far their clocks are apart, it learns from like exchanges of some time
// around failed ones, healthy ones too; then it looks for the other ends of the wanted ones by the clocks that are known so.
func (c *collector) kin() {
	ends := c.ends()
	if !c.kinWanted(ends) {
		return
	}
	c.byIDs = c.book
	around, read := c.endsAround()
	links := c.kinLinks(around, read)
	if len(links) == 0 {
		return
	}
	maps.Copy(c.twinZones, twinZones(links, around))
	c.chain(c.matchKin(links, around))
	c.learn()
	if c.shifts = c.shiftsOf(links, around); len(c.shifts) > 0 {
		c.learn()
	}
	for _, l := range links {
		if c.clocksTell(around[l.upper][0], around[l.lower][0]) {
			l.shift = nil
		}
	}
	if c.adoptKin(c.matchKin(links, c.endsBeside(ends))) {
		c.learn()
	}
}

// A shifted pair of records is of one exchange that both ends logged: lower is stamped by something in [lo, hi] ahead of upper.
type shifted struct {
	upper, lower *Event
	lo, hi       time.Duration
	named        bool // both name the same path: fewer are enough
}

// shiftLeast is how many exchanges must show a shift that ties two clocks.
const shiftLeast = 10

// shiftsOf gives the pairs of records that show by how much clocks are apart that no other record ties, as where proxies log the end of their exchanges and not how long
// these took.
func (c *collector) shiftsOf(links []*kinLink, ends map[bench][]*end) (out []shifted) {
	for _, l := range links {
		a, b := ends[l.upper], ends[l.lower]
		if l.twin || l.depth != 1 || l.shift == nil || l.shift.pairs < shiftLeast || c.clocksTell(a[0], b[0]) {
			continue
		}
		var all []shifted
		for i, j := range l.met.pairs {
			x, y := a[i], b[j]
			switch {
			case x.hasStop && y.hasStop:
				all = append(all, shifted{upper: x.e, lower: y.e, lo: y.stop.Lo.Sub(x.stop.Hi), hi: y.stop.Hi.Sub(x.stop.Lo)})
			case x.hasStart && y.hasStart:
				all = append(all, shifted{upper: x.e, lower: y.e, lo: y.start.Lo.Sub(x.start.Hi), hi: y.start.Hi.Sub(x.start.Lo)})
			}
		}
		out = append(out, sameShift(all)...)
	}
	slices.SortFunc(out, func(x, y shifted) int {
		return cmp.Or(x.upper.Pos.Compare(y.upper.Pos), x.lower.Pos.Compare(y.lower.Pos))
	})
	return out
}

// sameShift gives the pairs that are as far apart as most are, each with as much room as one end may log its exchange after the other; none if they are
// too few. The others are like exchanges of other requests, or took long to be read.
func sameShift(all []shifted) []shifted {
	type edge struct {
		at time.Duration
		by int
	}
	var edges []edge
	for _, s := range all {
		edges = append(edges, edge{s.lo, 1}, edge{s.hi, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.at, b.at), b.by-a.by) })
	n, most := 0, 0
	var at time.Duration
	for i, e := range edges {
		if n += e.by; n > most {
			most, at = n, e.at+(edges[i+1].at-e.at)/2
		}
	}
	if most < shiftLeast || float64(most) < alikeShare*float64(len(all)) {
		return nil
	}
	from, to := at-hopTolerance, at+hopTolerance
	all = slices.DeleteFunc(all, func(s shifted) bool { return to < s.lo || from > s.hi })
	for i := range all {
		all[i].lo, all[i].hi = min(all[i].lo, from), max(all[i].hi, to)
	}
	return all
}

// twinZones tells by how much hosts' stamps without zone are ahead of those with one, by the logs in which both kinds are of the same exchanges.
func twinZones(links []*kinLink, ends map[bench][]*end) map[string]time.Duration {
	out := map[string]time.Duration{}
	for _, l := range links {
		a, b := ends[l.upper][0].clock, ends[l.lower][0].clock
		if !l.twin || l.shift == nil || a == b {
			continue
		}
		d := l.shift.d
		if _, local := clockHost(a); !local {
			d = -d
		}
		if zone := d.Round(zoneStep); (d - zone).Abs() <= l.shift.exact+mostlyWithin {
			out[l.upper.host] = zone
		}
	}
	return out
}

// zoneStep is that of all zones in use.
const zoneStep = 15 * time.Minute

// kinWanted says whether some exchange that is wanted has no ID, may have another one at its other end, or broke off: it began to at any that
// passed it on; or whether it failed at a proxy of which nothing tells what it called, or IDs alone while there are proxies that write none.
func (c *collector) kinWanted(ends []*end) bool {
	byLine := map[string][]*end{}
	lone := sync.OnceValue(func() bool { return len(c.loneProxies()) > 0 })
	for _, x := range ends {
		atProxy := x.leaf && x.failing() && x.e.Role.Forwards()
		if x.wanted && (!x.named || x.e.Ended == Truncated || atProxy || x.over && x.failing() && lone()) {
			return true
		}
		if x.root {
			byLine[x.line] = append(byLine[x.line], x)
		}
	}
	for _, u := range ends {
		for _, line := range u.lines() {
			for _, l := range byLine[line] {
				if u.leaf && (u.wanted || l.wanted) && (u.answers(l) || u.mapped(l)) && !(u.named && l.named && c.tiedByID(u.at.service, l.at.service)) {
					return true
				}
			}
		}
	}
	return false
}

// Bounds of what is read around failed exchanges to learn which log forwards to which: windows, raw time before and after, and exchanges of each
// log.
const (
	kinWindows = 8
	kinAround  = 30 * time.Second
	kinEnds    = 5000
)

// endsAround reads the exchanges of all logs around some of the failed ones: of each host those of the same few lines, so that what two hosts
// logged of them lies in the windows of both, however far their clocks are apart; and what all hosts stamped at the time of some of them. It gives
// the windows too.
func (c *collector) endsAround() (map[bench][]*end, hostWindows) {
	var failed []*Event
	for _, e := range slices.Concat(c.failed, c.lone) {
		if e.Kind == ServerSpan && !e.Traced {
			failed = append(failed, e)
		}
	}
	line := func(e *Event) string { return e.Attrs.Get("http.request.method") + " " + e.Attrs.Get("url.path") }
	slices.SortFunc(failed, func(a, b *Event) int {
		return cmp.Or(cmp.Compare(hash(line(a)), hash(line(b))), strings.Compare(line(a), line(b)), a.Time.Compare(b.Time), a.Pos.Compare(b.Pos))
	})
	windows := hostWindows{}
	lines := map[string]map[string]bool{}
	for _, e := range failed {
		for _, host := range []string{e.Host, ""} {
			if lines[host] == nil {
				lines[host] = map[string]bool{}
			}
			if l := line(e); len(lines[host]) < kinWindows && !lines[host][l] {
				lines[host][l] = true
				windows[host] = append(windows[host], Window{host, e.Time.Add(-kinAround), e.Time.Add(kinAround)})
			}
		}
	}
	out := c.readEnds(windows, func(x *end) bool { return true }, kinEnds)
	return out, windows
}

// hostWindows are the windows in which the logs of each host are read; those of host "" are those of every host.
type hostWindows map[string][]Window

// covers says whether what a host stamped at a time is read.
func (w hostWindows) covers(host string, at time.Time) bool {
	return touches(w[host], at, at) || touches(w[""], at, at)
}

// readEnds reads the exchanges of each host's windows that keep lets through, at most so many of each log, and merges the windows.
func (c *collector) readEnds(windows hostWindows, keep func(x *end) bool, most int) map[bench][]*end {
	wants := nearWants(windows)
	if len(wants) == 0 {
		return nil
	}
	parts := make([]map[bench][]*end, len(c.srcs))
	c.scan(wants, func(i int, e *Event) {
		if e.Kind != ServerSpan || e.Traced || !windows.covers(e.Host, e.Time) {
			return
		}
		x := endOfExchange(e, "")
		if !keep(&x) {
			return
		}
		if len(parts[i][x.at]) >= most {
			return
		}
		if parts[i] == nil {
			parts[i] = map[bench][]*end{}
		}
		x.e = e.Clone()
		parts[i][x.at] = append(parts[i][x.at], &x)
	})
	out := map[bench][]*end{}
	for _, part := range parts {
		for p, list := range part {
			for _, x := range list {
				x.set = c.setOf(x.e) // not while the sources are read at once: it tidies the graph
			}
			out[p] = append(out[p], list...)
		}
	}
	return out
}

// setOf gives the alias set that a record is of.
func (c *collector) setOf(e *Event) string {
	if forms := c.graph.identityForms(e); len(forms) > 0 {
		return c.graph.find(forms[0])
	}
	return loneSet(e)
}

// endsBeside reads the exchanges of the same method and path as the wanted ones, whatever came of them, that were at work when those
// were.
func (c *collector) endsBeside(ends []*end) map[bench][]*end {
	lines := map[string]bool{}
	known := map[Pos]*end{}
	var spans []Window
	for _, x := range ends {
		known[x.e.Pos] = x
		if !x.wanted || strings.TrimSpace(x.line) == "" {
			continue
		}
		for _, l := range x.lines() {
			lines[l] = true
		}
		start, stop := x.align(c.clocks)
		if !start.Known() {
			start = stop.Add(-unknownLength)
		}
		if !stop.Known() {
			stop = start.Add(unknownLength)
		}
		spans = append(spans, Window{From: start.Earliest.Add(-nearby), To: stop.Latest.Add(nearby)})
	}
	windows := hostWindows{}
	spans = merged(spans)
	for clock := range c.clocks.nodes {
		host, _ := clockHost(clock)
		for _, s := range spans {
			from, to := c.clocks.rawWindow(clock, s.From, s.To)
			windows[host] = append(windows[host], Window{host, from, to})
		}
	}
	out := c.readEnds(windows, func(x *end) bool { return lines[x.line] || x.unreadable() }, c.lim.WindowEvents)
	for b, list := range out {
		for i, x := range list {
			if k := known[x.e.Pos]; k != nil {
				out[b][i] = k
				delete(known, x.e.Pos)
			}
		}
	}
	for _, x := range ends {
		if known[x.e.Pos] != nil {
			out[x.at] = append(out[x.at], x)
		}
	}
	return out
}

// A caller is the record of the exchange for which another one was made.
type caller struct {
	pos     Pos
	skipped bool // see Joined
}

// A kinGroup is the exchanges of one request as kinship ties them.
type kinGroup struct {
	ends    []*end // outermost first, as far as they are tied
	callers map[Pos]caller
	reasons map[string]string // by alias set
	rivals  map[string]int
}

// groups puts together what is of one request. Of the exchanges for which another one may have been made it is the deepest.
func groupKin(found []kinship) []*kinGroup {
	parent := map[string]string{}
	var root func(s string) string
	root = func(s string) string {
		if p, ok := parent[s]; ok && p != s {
			parent[s] = root(p)
			return parent[s]
		}
		return s
	}
	for _, k := range found {
		if a, b := root(k.upper.set), root(k.lower.set); a != b {
			parent[b] = a
		}
	}
	at := map[string]*kinGroup{}
	var out []*kinGroup
	seen := map[*end]bool{}
	for _, k := range found {
		g := at[root(k.upper.set)]
		if g == nil {
			g = &kinGroup{callers: map[Pos]caller{}, reasons: map[string]string{}, rivals: map[string]int{}}
			at[root(k.upper.set)] = g
			out = append(out, g)
		}
		for _, x := range []*end{k.upper, k.lower} {
			if !seen[x] {
				seen[x] = true
				g.ends = append(g.ends, x)
			}
			g.rivals[x.set] = max(g.rivals[x.set], k.candidates)
		}
		if _, ok := g.reasons[k.upper.set]; !ok {
			g.reasons[k.upper.set] = k.reason
		}
		g.reasons[k.lower.set] = k.reason
		if !k.twin {
			g.callers[k.lower.e.Pos] = caller{k.upper.e.Pos, k.skipped}
		}
	}
	return out
}

// A chained is the exchanges of one request that was read for learning from it alone.
type chained struct {
	sets   map[string]bool
	events []Joined
}

// chain keeps what is tied of the exchanges around, so that addresses and clocks are learnt from them too.
func (c *collector) chain(found []kinship) {
	sets := c.sets()
	for _, g := range groupKin(found) {
		ch := chained{sets: map[string]bool{}}
		known := map[Pos]bool{}
		add := func(e *Event, j Joined) {
			if known[e.Pos] {
				return
			}
			known[e.Pos] = true
			j.Event = e
			if up, ok := g.callers[e.Pos]; ok {
				j.caller, j.skipped = &up.pos, up.skipped
			}
			ch.events = append(ch.events, j)
		}
		for _, x := range g.ends {
			ch.sets[x.set] = true
			for _, e := range sets[x.set] {
				add(e, Joined{Candidates: 1, Join: ByAlias})
			}
			add(x.e, Joined{Join: ByInferred, Candidates: max(1, g.rivals[x.set]), Reason: g.reasons[x.set]})
		}
		c.chains = append(c.chains, ch)
	}
}

// adoptKin makes one set of those that hold ends of one wanted request. It says whether there were any.
func (c *collector) adoptKin(found []kinship) bool {
	groups := slices.DeleteFunc(groupKin(found), func(g *kinGroup) bool {
		return !slices.ContainsFunc(g.ends, func(x *end) bool { return x.wanted })
	})
	// What other IDs the requests have is read now.
	for _, g := range groups {
		for _, x := range g.ends {
			if x.named {
				c.addEvent(x.e)
				for _, f := range c.graph.identityForms(x.e) {
					c.wanted[f] = true
				}
			}
		}
	}
	c.byKeys()
	events := c.sets()
	for _, g := range groups {
		var sets []string
		lone := map[string]*Event{}
		reasons, rivals := map[string]string{}, map[string]int{}
		for _, x := range g.ends {
			s := c.setOf(x.e)
			if base := c.absorbed[s]; isLone(s) && base != "" {
				s = base
			}
			reasons[s], rivals[s] = g.reasons[x.set], max(g.rivals[x.set], rivals[s])
			if events[s] == nil {
				lone[s] = x.e
			}
			if !slices.Contains(sets, s) {
				sets = append(sets, s)
			}
		}
		maps.Copy(c.callerOf, g.callers)
		slices.SortStableFunc(sets, func(a, b string) int {
			return cmp.Or(c.kinRank(a, events)-c.kinRank(b, events), boolInt(events[a] == nil)-boolInt(events[b] == nil))
		})
		base := sets[0]
		for _, s := range sets[1:] {
			if c.absorbed[s] != "" {
				continue
			}
			c.absorbed[s] = base
			list := events[s]
			if e := lone[s]; e != nil {
				list = []*Event{e}
			}
			for _, e := range list {
				c.extra[base] = append(c.extra[base], Joined{Event: e, Join: ByInferred, Candidates: max(1, rivals[s]), Reason: reasons[s]})
			}
			c.extra[base] = append(c.extra[base], c.extra[s]...)
			delete(c.extra, s)
		}
	}
	c.chains = slices.DeleteFunc(c.chains, func(ch chained) bool {
		for s := range ch.sets {
			if c.absorbed[s] != "" || events[s] != nil && c.isWanted(s, events[s]) {
				return true
			}
		}
		return false
	})
	c.sorted = nil
	return len(groups) > 0
}

// takeIn makes a record without ID one of those of a set for good.
func (c *collector) takeIn(set string, j Joined) {
	c.placed[j.Pos], c.absorbed[loneSet(j.Event)] = true, set
	c.extra[set] = append(c.extra[set], j)
}

// kinRank orders the sets of one request: what was asked for, what bears an ID, what does not.
func (c *collector) kinRank(set string, events map[string][]*Event) int {
	switch {
	case isLone(set):
		return 2
	case c.isWanted(set, events[set]):
		return 0
	}
	return 1
}
