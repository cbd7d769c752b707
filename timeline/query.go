package timeline

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// queryLeast is how long a query must have taken for being looked for: what held a request up until somebody gave up took longer.
const queryLeast = 300 * time.Millisecond

// An asker is a hop for which a database may have been at work when it was over.
type asker struct {
	set      string
	h        *Hop
	from, to Instant
}

// queries finds, by the alias sets of the failed requests that are wanted, the queries of which a database's log tells that they were slow, or how long they took, and
// that were under way when the app that made them was over with its request, or was given up on: the log names the user
// or the client's address, and no ID.
func (c *collector) queries() map[string][]Joined {
	askers := c.askers()
	hosts := c.dependencyHosts()
	if len(askers) == 0 || len(hosts) == 0 {
		return nil
	}
	byHost := map[string][]Window{}
	for host := range hosts {
		for _, clock := range []string{host, host + localSuffix} {
			if _, n := c.clocks.nodeOf(clock); n == nil || !n.tied {
				continue // on a clock that is tied to none nothing is at the time of anything
			}
			for _, list := range askers {
				for _, a := range list {
					from, to := c.clocks.rawWindow(clock, a.from.Earliest, a.to.Latest)
					byHost[host] = append(byHost[host], Window{host, from.Add(-time.Second), to.Add(unknownLength)}) // some are stamped when they are over
				}
			}
		}
	}
	wants := nearWants(byHost)
	if len(wants) == 0 {
		return nil
	}
	parts := make([][]*Event, len(c.srcs))
	c.scan(wants, func(i int, e *Event) {
		if e.Kind == ServerSpan && e.Role == RoleDependency && e.Duration >= queryLeast && !hasIdentity(e) && touches(byHost[e.Host], e.Time, e.Time) {
			if len(parts[i]) >= c.lim.WindowEvents {
				c.leftOut(e, c.lim.WindowEvents)
				return
			}
			parts[i] = append(parts[i], e.Clone())
		}
	})
	type may struct {
		a *asker
		q *Event
	}
	var fits []may
	for _, q := range slices.SortedFunc(slices.Values(slices.Concat(parts...)), func(a, b *Event) int { return a.Pos.Compare(b.Pos) }) {
		start, end := c.clocks.Align(q)
		for _, a := range askers[c.askedBy(q)] {
			length := a.to.Time.Sub(a.from.Time)
			if start.Add(hopTolerance).CertainlyBefore(a.from) || a.to.CertainlyBefore(start) || end.Add(hopTolerance).CertainlyBefore(a.to) || vague(start) || q.Duration+hopTolerance < length/2 {
				continue
			}
			fits = append(fits, may{a, q})
		}
	}
	found := map[string][]Joined{}
	for _, group := range components(fits, func(m may) (a, b any) { return m.a, m.q }) {
		list, with := choices(group, func(m may) (*asker, *Event) { return m.a, m.q })
		slices.SortStableFunc(list, func(a, b *asker) int {
			return cmp.Or(a.to.Time.Compare(b.to.Time), strings.Compare(a.set, b.set))
		})
		of := perfect(list, func(a *asker) []*Event { return with[a] })
		for _, a := range list {
			if q := of[a]; q != nil {
				found[a.set] = append(found[a.set], Joined{
					Event: q, Join: ByInferred, Candidates: 1, caller: &a.h.Events[0].Pos,
					Reason: fmt.Sprintf("a query of %s, under way when it was over with this request; so far as they were read, %d such requests and at least as many such queries fit each other, paired in order", a.h.Service, len(list)),
				})
			}
		}
	}
	return found
}

// askers gives the apps' hops of the wanted failed requests that took so long that a slow query may have held them up, by service.
func (c *collector) askers() map[string][]*asker {
	out := map[string][]*asker{}
	sets := c.sets()
	for _, set := range slices.Sorted(maps.Keys(c.drafts)) {
		if !c.isWanted(set, sets[set]) {
			continue
		}
		for _, r := range c.drafts[set] {
			for _, h := range r.Hops {
				from, to := hopWindow(h)
				if r.Failed && h.Role == RoleApp && len(h.Events) > 0 && from.Known() && to.Time.Sub(from.Time) >= queryLeast {
					out[h.Service] = append(out[h.Service], &asker{set, h, from, to})
				}
			}
		}
	}
	return out
}

// dependencyHosts gives the hosts on which databases and the like log.
func (c *collector) dependencyHosts() map[string]bool {
	out := map[string]bool{}
	for p := range c.places {
		if c.software[p.service].role == RoleDependency {
			out[p.host] = true
		}
	}
	return out
}

// askedBy gives the service for which a database worked, by the name of its user or by its address; "" if neither tells.
func (c *collector) askedBy(q *Event) string {
	if user := q.Attrs.Get("user.name"); c.services[user] {
		return user
	}
	client, found := hostPart(q.Attrs.Get(KeyClient)), ""
	for _, e := range c.book.Endpoints {
		if client != "" && peerHost(e.Peer) == client && e.Service != found {
			if found != "" {
				return ""
			}
			found = e.Service
		}
	}
	return found
}
