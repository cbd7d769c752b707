package timeline

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// awaitedFor is for how long a callee is looked at that was at work for a process when that died: those that wait longer are seldom among them.
const awaitedFor = 15 * time.Second

// A pending is an exchange of a callee for a service whose process died before it was over. Who had asked left no record of the call, for most services write
// of one only when it is answered; but it was some request that was in flight when the process died, and had begun before.
type pending struct{ from, to Instant }

// awaited reads what the callees of processes were at work on when these died, as told by deaths, by process. Only callees are looked
// at whom nobody else calls, and only processes that had no other beside them; else it could be another one that waited.
func (c *collector) awaited(deaths []*Event) map[*Process][]pending {
	ended := map[*Process]bool{}
	for _, e := range deaths {
		if p := endOf(c.lives, e); p != nil {
			ended[p] = true
		}
		for _, p := range c.openEnds[e.Pos] {
			ended[p] = true
		}
	}
	of := map[place][]*Process{}
	byHost := map[string][]Window{}
	for _, p := range c.lives {
		if !ended[p] || vague(p.End) {
			continue
		}
		for _, at := range c.ownCallees(p) {
			of[at] = append(of[at], p)
			for _, clock := range []string{at.host, at.host + localSuffix} {
				from, to := c.clocks.rawWindow(clock, p.End.Earliest.Add(-awaitedFor), p.End.Latest.Add(awaitedFor))
				byHost[at.host] = append(byHost[at.host], Window{at.host, from, to})
			}
		}
	}
	type found struct {
		bench
		of   *Process
		form string
		pending
	}
	parts := make([][]found, len(c.srcs))
	if wants := nearWants(byHost); len(wants) > 0 {
		c.scan(wants, func(i int, e *Event) {
			at := place{e.Service, e.Host}
			if e.Kind != ServerSpan || of[at] == nil || len(parts[i]) > c.lim.WindowEvents || !c.clocks.Tied(e) {
				return
			}
			from, to := c.clocks.Align(e)
			for _, p := range of[at] {
				if !from.Known() || !to.Known() || p.End.CertainlyBefore(from) || !p.End.CertainlyBefore(to) {
					continue
				}
				form := e.Pos.String()
				if ids := identities(e); len(ids) > 0 {
					form = ids[0].Form()
				}
				parts[i] = append(parts[i], found{benchOf(e), p, form, pending{from, to}})
			}
		})
	}
	// A service may tell of an exchange in several logs.
	byLog := map[*Process]map[bench]map[string]pending{}
	for _, x := range slices.Concat(parts...) {
		if byLog[x.of] == nil {
			byLog[x.of] = map[bench]map[string]pending{}
		}
		if byLog[x.of][x.bench] == nil {
			byLog[x.of][x.bench] = map[string]pending{}
		}
		byLog[x.of][x.bench][x.form] = x.pending
	}
	out := map[*Process][]pending{}
	for p, logs := range byLog {
		most := map[place]map[string]pending{}
		for _, b := range slices.SortedFunc(maps.Keys(logs), compareBenches) {
			if len(logs[b]) > len(most[b.place]) {
				most[b.place] = logs[b]
			}
		}
		for _, waits := range most {
			for _, w := range waits {
				out[p] = append(out[p], w)
			}
		}
		slices.SortFunc(out[p], func(a, b pending) int { return cmp.Or(a.from.Time.Compare(b.from.Time), a.to.Time.Compare(b.to.Time)) })
	}
	return out
}

// ownCallees gives where the services log that a process called and nobody else does, if no other process of its service may have been at work beside it.
func (c *collector) ownCallees(p *Process) []place {
	for at := range c.places {
		if at.service == p.Service && at.host != p.Host {
			return nil
		}
	}
	var out []place
	for at := range c.places {
		if e := c.book.Edge(p.Service, at.service); at.service == p.Service || e.Calls < alikeLeast {
			continue
		}
		if !slices.ContainsFunc(c.book.Edges, func(e Edge) bool { return e.Callee == at.service && e.Caller != p.Service }) {
			out = append(out, at)
		}
	}
	return out
}

// waiters gives those of the exchanges in flight, when a process died, that waited for one of its callees: one of the waits
// began during each of them, and there is one for each. It is nil if there are too few waits for that, for then it is not known whose they are.
func waiters(inFlight []*exchange, waits []pending) map[*exchange]bool {
	may := map[*exchange][]int{}
	var some []*exchange
	for _, x := range inFlight {
		for i, w := range waits {
			if !w.from.CertainlyBefore(x.from) && !x.to.CertainlyBefore(w.from) {
				may[x] = append(may[x], i)
			}
		}
		if may[x] != nil {
			some = append(some, x)
		}
	}
	if perfect(some, func(x *exchange) []int { return may[x] }) == nil {
		return nil
	}
	out := map[*exchange]bool{}
	for _, x := range some {
		out[x] = true
	}
	return out
}
