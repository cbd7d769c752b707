package timeline

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A kinLink says that the exchanges of one log are made for those of another one, as the traffic shows, or that two logs of
// one service tell of the same exchanges.
type kinLink struct {
	upper, lower bench
	twin         bool
	named        bool // exchanges that both bear an ID may be of one request too
	shift        *shift
	met          meetings // of their exchanges
	depth        int      // logs on the longest way from the upper one to the lower one
	above        int      // logs above the upper one
}

// A shift says by how much the stamps at one place are ahead of those at another.
type shift struct {
	d, exact time.Duration
	pairs    int // that show it
}

// Least number and share of exchanges of the same line and status that must be as far apart, and how much
// rarer any other distance must be, for two streams to be of caller and callee.
const (
	alikeLeast  = 3
	alikeShare  = 0.6
	alikeRarely = 2
	alikeWithin = 2 * time.Second // how exact a pair must be to count
	alikeMost   = 100             // exchanges of one line: one of every second tells nothing
)

// likeOf gives, for each exchange of a, those of b that may be the same one but for the time.
func likeOf(a, b []*end, named bool, each func(i, j int)) {
	byLine := map[string][]int{}
	for j, l := range b {
		byLine[l.line] = append(byLine[l.line], j)
	}
	for i, u := range a {
		same := byLine[u.line]
		if len(same) > alikeMost {
			continue
		}
		for _, j := range same {
			l := b[j]
			if u.alike(l) && (named || !u.named || !l.named) && (u.status == l.status || u.got == l.status || u.status == l.got) {
				each(i, j)
			}
		}
	}
}

// shiftBetween finds by how much the clock at one place is ahead of that at another, by the exchanges of the same
// method, path and status that both logged: true pairs are all as far apart, false ones at any distance. What one of them logged
// while the other one was not read has no partner, true or false.
func shiftBetween(upper, lower []*end, named bool, read hostWindows) (s shift, ok bool) {
	type delta struct {
		d    time.Duration
		u, l int
	}
	var all []delta
	us, ls := map[int]bool{}, map[int]bool{}
	likeOf(upper, lower, named, func(i, j int) {
		d, exact := apart(upper[i], lower[j])
		if d.Abs() > maxSkew || exact > alikeWithin {
			return
		}
		s.exact = max(s.exact, exact)
		all = append(all, delta{d, i, j})
		us[i], ls[j] = true, true
	})
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
	if best < alikeLeast || best < alikeRarely*second {
		return shift{}, false
	}
	s.d = all[(bestFrom+bestTo)/2].d
	maps.DeleteFunc(us, func(i int, _ bool) bool { return !read.covers(lower[0].at.host, upper[i].e.Time.Add(-s.d)) })
	maps.DeleteFunc(ls, func(j int, _ bool) bool { return !read.covers(upper[0].at.host, lower[j].e.Time.Add(s.d)) })
	if float64(best) < alikeShare*float64(min(len(us), len(ls))) {
		return shift{}, false
	}
	s.pairs = best
	return s, true
}

// kinLinks learns from exchanges of all logs which of them forward to which others: the order and the share in
// which like exchanges come at both. What IDs say of two services goes before it.
func (c *collector) kinLinks(ends map[bench][]*end, read hostWindows) []*kinLink {
	var out []*kinLink
	benches := slices.SortedFunc(maps.Keys(ends), compareBenches)
	for i, p := range benches {
		for _, q := range benches[i+1:] {
			if l := c.kinLink(p, q, ends[p], ends[q], read); l != nil {
				out = append(out, l)
			}
		}
	}
	out = ofOneSystem(out)
	rankLinks(out, c.book)
	return out
}

func (c *collector) kinLink(p, q bench, a, b []*end, read hostWindows) *kinLink {
	named := !c.tiedByID(p.service, q.service) || !c.tiedByID(q.service, p.service)
	l := c.linkOf(p, q, a, b, read, named)
	if l != nil && named && c.tiedByID(l.upper.service, l.lower.service) {
		l = c.linkOf(p, q, a, b, read, false)
	}
	return l
}

// linkOf is kinLink by exchanges that may both bear an ID, or not.
func (c *collector) linkOf(p, q bench, a, b []*end, read hostWindows, named bool) *kinLink {
	l := &kinLink{upper: p, lower: q, named: named}
	l.twin = p.place == q.place && twins(a, b)
	if p.service == q.service && p.host != q.host && a[0].e.Role == RoleApp {
		return nil // an app beside itself
	}
	s, ok := shiftBetween(a, b, l.named, read)
	switch {
	case ok && !c.clocksTell(a[0], b[0]):
		l.shift = &s
	case ok:
	case !c.clocksTell(a[0], b[0]) || !c.fewAgree(l, a, b):
		return nil
	}
	if l.twin {
		return l
	}
	l.met = c.meetings(l, a, b)
	switch c.order(l, a, b) {
	case 1:
	case -1:
		l.upper, l.lower, l.met = q, p, l.met.reversed()
		if l.shift != nil {
			l.shift = &shift{-s.d, s.exact, s.pairs}
		}
	default:
		return nil
	}
	return l
}

// twins says whether two logs of one service tell of the same exchanges, each in its own way: those of an app
// server and of the app in it.
func twins(a, b []*end) bool { return a[0].e.Format != b[0].e.Format }

// clocksTell says whether the clocks of two logs are known to each other.
func (c *collector) clocksTell(u, l *end) bool {
	return u.clock == l.clock || c.clocks.together(u.e, l.e)
}

// tiedByID says whether what one service has to do with another one that it may call is known by IDs: one forwards them to the other, or
// the upper one's lead elsewhere. What the lower one calls tells nothing: it may make IDs of its own.
func (c *collector) tiedByID(upper, lower string) bool {
	known := max(c.book.Edge(upper, lower).Calls, c.book.Edge(lower, upper).Calls)
	return known >= alikeLeast || known == 0 && c.book.forwards(upper)
}

// fewAgree says whether, of too few exchanges to learn a clock from, all that are alike are of one time by the clocks that are known.
func (c *collector) fewAgree(l *kinLink, a, b []*end) bool {
	us, ls, fit := map[int]bool{}, map[int]bool{}, map[int]bool{}
	likeOf(a, b, l.named, func(i, j int) {
		us[i], ls[j] = true, true
		if c.fits(l, a[i], b[j]) || c.fits(l, b[j], a[i]) {
			fit[i] = true
		}
	})
	least := min(len(us), len(ls))
	return least > 0 && least < alikeLeast && len(fit) >= least
}

// order says which of two logs forwards to the other: 1 if the first one does, -1 if the second one does, 0 if nothing tells.
// An app is behind what is none. Whatever waits is at it for longer, has a client that the other was told of, meets more clients, fails when the other does not, and has
// exchanges that never reached the other. The last two, and what the software mostly is for, do not outweigh that the other was told of clients which it does not know.
func (c *collector) order(l *kinLink, a, b []*end) int {
	if n := sign(boolInt(b[0].e.Role == RoleApp) - boolInt(a[0].e.Role == RoleApp)); n != 0 {
		return n
	}
	if n := sign(c.book.Edge(l.upper.service, l.lower.service).Calls - c.book.Edge(l.lower.service, l.upper.service).Calls); n != 0 {
		return n
	}
	longer, named, strange, failed := 0, 0, 0, 0
	for i, j := range l.met.pairs {
		u, o := a[i], b[j]
		if u.hasLength && o.hasLength {
			longer += boolInt(!within(u.length, o.length)) - boolInt(!within(o.length, u.length))
		}
		named += boolInt(o.via(u) > 0) - boolInt(u.via(o) > 0)
		strange += boolInt(u.via(o) < 0) - boolInt(o.via(u) < 0)
		failed += boolInt(u.failing() && !o.failing()) - boolInt(o.failing() && !u.failing())
	}
	rank := map[Role]int{RoleGateway: 3, RoleProxy: 2, RoleUnknown: 1}
	n := 0
	switch ca, cb := clients(a), clients(b); {
	case longer != 0:
		return sign(longer)
	case named != 0:
		return sign(named)
	case ca >= 2*cb && ca > 2, cb >= 2*ca && cb > 2:
		return sign(ca - cb)
	default:
		n = cmp.Or(sign(failed), sign(l.met.loneA-l.met.loneB), sign(rank[a[0].e.Role]-rank[b[0].e.Role]), sign(int(meanLength(a)-meanLength(b))))
	}
	if n*strange < 0 {
		return 0
	}
	return n
}

func sign(n int) int { return cmp.Compare(n, 0) }

// clients counts the clients that a log tells of.
func clients(es []*end) int {
	seen := map[string]bool{}
	for _, x := range es {
		if x.client != "" {
			seen[x.client] = true
		}
	}
	return len(seen)
}

// meetings are the exchanges of two logs that are of one line and time, and how many of each log have no such partner though
// the other log tells of that time.
type meetings struct {
	pairs, back  map[int]int // place of the one -> place of the other
	loneA, loneB int
}

// beside is how near to an exchange a log must tell of others for saying something of it.
const besideWithin = 2 * time.Second

func (c *collector) meetings(l *kinLink, a, b []*end) meetings {
	m := meetings{pairs: map[int]int{}, back: map[int]int{}}
	pair := func(same bool) {
		byLine := map[string][]int{}
		for j, o := range b {
			if _, ok := m.back[j]; !ok {
				byLine[o.line] = append(byLine[o.line], j)
			}
		}
		for i, u := range a {
			list := byLine[u.line]
			if _, ok := m.pairs[i]; ok || len(list) > alikeMost {
				continue
			}
			for _, j := range list {
				if _, ok := m.back[j]; ok || same && u.status != b[j].status || !u.alike(b[j]) || !c.fits(l, u, b[j]) && !c.fits(l.reversed(), b[j], u) {
					continue
				}
				m.pairs[i], m.back[j] = j, i
				break
			}
		}
	}
	pair(true)
	pair(false)
	times := func(es []*end, ahead time.Duration) []time.Time {
		out := make([]time.Time, len(es))
		for i, x := range es {
			out[i] = c.roughly(l, x).Add(ahead)
		}
		slices.SortFunc(out, time.Time.Compare)
		return out
	}
	var ahead time.Duration
	if l.shift != nil {
		ahead = l.shift.d
	}
	ta, tb := times(a, 0), times(b, ahead)
	tells := func(list []time.Time, at time.Time) bool {
		i, _ := slices.BinarySearchFunc(list, at.Add(-besideWithin), time.Time.Compare)
		return i < len(list) && list[i].Before(at.Add(besideWithin))
	}
	for i, u := range a {
		if _, ok := m.pairs[i]; !ok && tells(tb, c.roughly(l, u)) {
			m.loneA++
		}
	}
	for j, o := range b {
		if _, ok := m.back[j]; !ok && tells(ta, c.roughly(l, o).Add(ahead)) {
			m.loneB++
		}
	}
	return m
}

// reversed is the meetings as the other log has them.
func (m meetings) reversed() meetings { return meetings{m.back, m.pairs, m.loneB, m.loneA} }

// at gives the exchanges of one of the link's logs that have a partner in the other one.
func (l *kinLink) at(b bench) map[int]int {
	if b == l.lower {
		return l.met.back
	}
	return l.met.pairs
}

// ofOneSystem leaves out the links between logs of different systems whose users ask for some things alike and at one time. Logs of one system have many
// exchanges in common; such a link has few, and at both ends nearly all of these are of links that have far more, by which its ends
// are not tied to each other.
func ofOneSystem(links []*kinLink) []*kinLink {
	slices.SortStableFunc(links, func(a, b *kinLink) int {
		return cmp.Or(boolInt(b.twin)-boolInt(a.twin), len(b.met.pairs)-len(a.met.pairs), compareBenches(a.upper, b.upper), compareBenches(a.lower, b.lower))
	})
	var kept []*kinLink
	for _, l := range links {
		if l.twin || !outdone(l, kept, l.upper) || !outdone(l, kept, l.lower) || tied(l, kept) {
			kept = append(kept, l)
		}
	}
	return kept
}

// farMore says whether a link rests on far more exchanges than another one, or ties logs of one service.
func (l *kinLink) farMore(than *kinLink) bool {
	return l.twin || len(l.met.pairs) >= alikeRarely*len(than.met.pairs)
}

// outdone says whether most of a link's exchanges at one of its ends are of links that have far more.
func outdone(l *kinLink, others []*kinLink, end bench) bool {
	own, of := l.at(end), 0
	for i := range own {
		if slices.ContainsFunc(others, func(o *kinLink) bool {
			if o.twin || !o.farMore(l) || o.upper != end && o.lower != end {
				return false
			}
			_, ok := o.at(end)[i]
			return ok
		}) {
			of++
		}
	}
	return len(own) > 0 && float64(of) >= alikeShare*float64(len(own))
}

// tied says whether links that have far more tie the ends of one to each other, by whatever other logs.
func tied(l *kinLink, others []*kinLink) bool {
	reached := map[bench]bool{l.upper: true}
	for more := true; more; {
		more = false
		for _, o := range others {
			if o.farMore(l) && reached[o.upper] != reached[o.lower] {
				reached[o.upper], reached[o.lower], more = true, true, true
			}
		}
	}
	return reached[l.lower]
}

// reversed is the link with its ends exchanged.
func (l *kinLink) reversed() *kinLink {
	r := *l
	r.upper, r.lower = l.lower, l.upper
	if l.shift != nil {
		r.shift = &shift{-l.shift.d, l.shift.exact, l.shift.pairs}
	}
	return &r
}

// roughly is when an exchange was logged: by the corrected clocks, where these tell, else by its own.
func (c *collector) roughly(l *kinLink, x *end) time.Time {
	if l.shift == nil {
		start, stop := x.align(c.clocks)
		return firstKnown(stop, start).Time
	}
	return x.stop.Lo
}

// meanLength is how long the exchanges of a log took on average; 0 if it does not tell.
func meanLength(es []*end) time.Duration {
	var sum time.Duration
	n := 0
	for _, x := range es {
		if x.hasLength {
			sum, n = sum+x.length.d, n+1
		}
	}
	if n == 0 {
		return 0
	}
	return sum / time.Duration(n)
}

// rankLinks finds how many logs are above each one, and the longest way that each link stands for, and puts the links in the order in which
// exchanges are joined by them: two logs of one service first, then neighbours, the outermost first. The book tells which logs IDs tie to each other,
// between which there is no link.
func rankLinks(links []*kinLink, book *EndpointBook) {
	below := map[bench][]bench{}
	above := map[bench]int{}
	linked := map[[2]bench]bool{}
	benches := map[bench]bool{}
	add := func(upper, lower bench) {
		if !linked[[2]bench{upper, lower}] {
			linked[[2]bench{upper, lower}] = true
			below[upper] = append(below[upper], lower)
			above[lower]++
		}
	}
	for _, l := range links {
		benches[l.upper], benches[l.lower] = true, true
		if !l.twin {
			add(l.upper, l.lower)
		}
	}
	all := slices.SortedFunc(maps.Keys(benches), compareBenches)
	for _, upper := range all {
		for _, lower := range all {
			if e := book.Edge(upper.service, lower.service); upper.service != lower.service && e.Calls-e.Silent >= alikeLeast {
				add(upper, lower)
			}
		}
	}
	ways := ways{below, map[[2]bench]int{}}
	for _, l := range links {
		l.above = above[l.upper]
		l.depth = ways.longest(l.upper, l.lower)
	}
	slices.SortStableFunc(links, func(a, b *kinLink) int {
		return cmp.Or(boolInt(b.twin)-boolInt(a.twin), a.depth-b.depth, a.above-b.above, compareBenches(a.upper, b.upper), compareBenches(a.lower, b.lower))
	})
}

// ways are the ways over links, with the length of the longest one that is known of two logs; -1 if there is none.
type ways struct {
	below map[bench][]bench
	known map[[2]bench]int
}

func (w ways) longest(from, to bench) int {
	if from == to {
		return 0
	}
	k := [2]bench{from, to}
	if n, ok := w.known[k]; ok {
		return n
	}
	w.known[k] = -1 // a way back is none
	best := -1
	for _, next := range w.below[from] {
		if n := w.longest(next, to); n >= 0 {
			best = max(best, n+1)
		}
	}
	w.known[k] = best
	return best
}

// fits says whether two ends of a link are of one time.
func (c *collector) fits(l *kinLink, u, o *end) bool {
	var us, ue, ls, le Instant
	switch {
	case u.clock == o.clock:
		us, ue = rawInstants(u, 0, 0)
		ls, le = rawInstants(o, 0, 0)
	case l.shift == nil || c.clocksTell(u, o):
		us, ue = u.align(c.clocks)
		ls, le = o.align(c.clocks)
		if !u.hasStop && u.within != nil && c.clocksTell(u, u.within) {
			_, ue = u.within.align(c.clocks)
		}
	default:
		us, ue = rawInstants(u, 0, 0)
		ls, le = rawInstants(o, l.shift.d, l.shift.exact)
	}
	if l.twin {
		return overlap(us, ue, ls, le)
	}
	if u.e.momentary() && !o.e.momentary() {
		return around(us, ls, le)
	}
	return nested(us, ue, ls, le, u.failing() && u.got != o.status)
}

// timeWords tells in words by what two ends are known to be of one time.
func (c *collector) timeWords(f fit) string {
	switch l := f.link; {
	case f.u.clock == f.l.clock:
		return "on one clock"
	case l.shift == nil || c.clocksTell(f.u, f.l):
		return "by the corrected clocks"
	default:
		return fmt.Sprintf("and %d exchanges of both are as far apart", l.shift.pairs)
	}
}

// around says whether an exchange [ls, le] can have been made for one of which a moment alone is known: what a proxy has it passes on.
func around(at, ls, le Instant) bool {
	return !at.Add(passedOnWithin).CertainlyBefore(firstKnown(ls, le)) && !firstKnown(le, ls).Add(passedOnWithin).CertainlyBefore(at)
}

// rawInstants gives start and end of an exchange on its own clock, moved by d, which is as exact as said.
func rawInstants(x *end, d, exact time.Duration) (start, stop Instant) {
	in := func(s RawSpan) Instant {
		lo, hi := s.Lo.Add(d-exact), s.Hi.Add(d+exact)
		return Instant{Earliest: lo, Time: lo.Add(hi.Sub(lo) / 2), Latest: hi}
	}
	if !x.hasStart && !x.hasStop {
		return in(x.start), in(x.start)
	}
	if x.hasStart {
		start = in(x.start)
	}
	if x.hasStop {
		stop = in(x.stop)
	}
	return start, stop
}

// overlap says whether two logs' stamps of an exchange can be of one.
func overlap(as, ae, bs, be Instant) bool {
	for _, p := range [][2]Instant{{as, be}, {bs, ae}, {as, ae}, {bs, be}} {
		if p[0].Known() && p[1].Known() && p[1].Add(lateLine).CertainlyBefore(p[0]) {
			return false
		}
	}
	near := func(a, b Instant) bool { return a.Time.Sub(b.Time).Abs() <= lateLine+a.Slack()+b.Slack() }
	switch {
	case ae.Known() && be.Known():
		return near(ae, be)
	case as.Known() && bs.Known():
		return near(as, bs)
	}
	return firstKnown(as, ae).Time.Sub(firstKnown(bs, be).Time).Abs() <= unknownLength
}

// nested says whether an exchange [ls, le] can have been made for another one [us, ue]: it began while that one was at work, and ended
// before it, unless that one gave up. Where either tells its start alone, or its end alone, they are not farther apart than a proxy takes to pass on,
// and nobody gives up after much less time than was needed.
func nested(us, ue, ls, le Instant, gaveUp bool) bool {
	late := Instant{}
	if ue.Known() {
		late = ue.Add(lateLine)
	}
	if ls.CertainlyBefore(us) || le.CertainlyBefore(us) || ue.CertainlyBefore(ls) || !gaveUp && late.CertainlyBefore(le) {
		return false
	}
	gap := func(a, b Instant) time.Duration { return (a.Time.Sub(b.Time)).Abs() - a.Slack() - b.Slack() }
	switch {
	case us.Known() && ue.Known():
		return ls.Known() || gap(le, ue) <= min(unknownLength, max(lateLine, limitShare*ue.Time.Sub(us.Time)))
	case us.Known() && ls.Known():
		return gap(us, ls) <= lateLine
	case ue.Known() && le.Known():
		return gap(ue, le) <= lateLine || gaveUp && gap(ue, le) <= unknownLength
	case us.Known() && le.Known():
		return gap(us, le) <= unknownLength
	case ue.Known() && ls.Known():
		return gap(ue, ls) <= unknownLength
	}
	return false
}

// limitShare is how many times as long as somebody waits something takes at most that is waited for.
const limitShare = 100

// kinWords tells why two ends are held to be of one request.
func kinWords(u, l *end, words string) string {
	same := []string{"method", "path"}
	if u.agent != "" && u.agent == l.agent {
		same = append(same, "user agent")
	}
	if u.got == l.status {
		same = append(same, "status")
	}
	n := len(same)
	return fmt.Sprintf("the same %s and %s at the same time as %s, %s", strings.Join(same[:n-1], ", "), same[n-1], u.e.Pos, words)
}
