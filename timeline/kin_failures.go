package timeline

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// An app may write neither exchanges nor IDs, and no zone, on a host of its own: then it is by its errors alone that one can tell that it stands
// behind a proxy. Those lie within the exchanges that the proxy had failed by it, all by one and the same difference of the clocks.

// failuresCompared bounds the errors of one place that are compared with failed exchanges, and these.
const failuresCompared = 400

// A failedCall is an exchange of a proxy that one who was called failed.
type failedCall struct {
	e    *Event
	path string
	Window
}

// behindProxies finds which services answer at the addresses that proxies name of which nothing else is known, as errors without ID of services that log no
// exchange show, and ties their clocks. It says whether there is one.
func (c *collector) behindProxies() bool {
	calls := map[string][]failedCall{} // by peer
	seen, exchanging := map[Pos]bool{}, map[string]bool{}
	for _, e := range slices.Concat(c.failed, c.lone, c.sortedEvents()) {
		if e.Kind != ServerSpan || seen[e.Pos] {
			continue
		}
		seen[e.Pos], exchanging[e.Service] = true, true
		if n := len(e.Calls); n > 0 && e.Role.Forwards() && stamped(e) && e.Status().Failed() {
			if o := &e.Calls[n-1]; o.Peer != "" && o.Status >= 500 && !o.OwnMade && !c.knownAt(e, o.Peer) {
				calls[o.Peer] = append(calls[o.Peer], failedCall{e, e.Attrs.Get("url.path"), failsWithin(e)})
			}
		}
	}
	if len(calls) == 0 {
		return false
	}
	messages := map[place][]*Event{}
	for _, m := range c.orphans {
		if m.Kind == LogRecord && !m.Undated() && m.Role != RoleDependency && !m.Role.Forwards() && !exchanging[m.Service] && (m.Exception != nil || severe(m.Severity)) {
			p := place{m.Service, m.Host}
			messages[p] = append(messages[p], m)
		}
	}
	found := false
	for peer, xs := range calls {
		var at []place
		var ties []shifted
		for p, ms := range messages {
			if t := failedTogether(xs, ms); len(t) > 0 {
				at, ties = append(at, p), t
			}
		}
		if len(at) != 1 {
			continue // none, or of several nothing tells which
		}
		found = true
		c.answering = append(c.answering, Endpoint{Peer: peer, Service: at[0].service, Host: at[0].host, Seen: len(ties)})
		if !c.clocks.together(ties[0].upper, ties[0].lower) {
			c.shifts = append(c.shifts, ties...)
		}
	}
	slices.SortFunc(c.answering, compareEndpoints)
	slices.SortFunc(c.shifts, func(x, y shifted) int {
		return cmp.Or(x.upper.Pos.Compare(y.upper.Pos), x.lower.Pos.Compare(y.lower.Pos))
	})
	return found
}

// knownAt says whether it is known, but by the ties of like errors, who answers an exchange's writer at a peer.
func (c *collector) knownAt(e *Event, peer string) bool {
	at, ok := c.builder().endpoint(&Call{Peer: peer, Record: &Joined{Event: e}, Caller: &Hop{Service: e.Service, Host: e.Host, Role: e.Role}})
	return ok && c.clocks.partOf(at.Host) != nil && c.places[place{at.Service, at.Host}]
}

// failedTogether pairs failed exchanges with the errors of one place that lie within them by one difference of the clocks, if most of both do, and by no other one half
// as many. Of errors that name no path that takes many.
func failedTogether(calls []failedCall, messages []*Event) []shifted {
	slices.SortFunc(calls, func(a, b failedCall) int { return a.e.Pos.Compare(b.e.Pos) })
	slices.SortFunc(messages, func(a, b *Event) int { return a.Pos.Compare(b.Pos) })
	calls, messages = spread(calls, failuresCompared), spread(messages, failuresCompared)
	var all []fitSide
	had := map[int]bool{}
	var pairs []shifted
	longest, least := time.Duration(0), alikeLeast
	for i, x := range calls {
		for j, m := range messages {
			path := m.Attrs.Get("url.path")
			if path == "" {
				least = shiftLeast
			} else if path != x.path && !strings.HasSuffix(x.path, path) {
				continue
			}
			at, _, _, _ := m.Interval()
			lo, hi := at.Lo.Sub(x.To), at.Hi.Sub(x.From)
			if max(lo.Abs(), hi.Abs()) > maxSkew {
				continue
			}
			all = append(all, fitSide{lo, true, i, j}, fitSide{hi, false, i, j})
			longest = max(longest, hi-lo)
			had[j] = true
			pairs = append(pairs, shifted{x.e, m, lo, hi, path != ""})
		}
	}
	s, ok := agreedShift(all, float64(min(len(calls), len(had))), longest)
	if !ok || s.pairs < least {
		return fewTogether(pairs, len(had))
	}
	return slices.DeleteFunc(pairs, func(p shifted) bool { return p.hi < s.d-s.exact || p.lo > s.d+s.exact })
}

// nearlyRight is by how much the clocks of servers that are kept in time are off at most, zones apart.
const nearlyRight = 2 * time.Second

// fewTogether gives of so few pairs that no number of them tells those of clocks that are nearly right, and of one zone, if all errors that name the path of a
// failed exchange are in one, and each in one alone.
func fewTogether(pairs []shifted, errors int) []shifted {
	var out []shifted
	var zone time.Duration
	for _, p := range pairs {
		if !p.named {
			return nil
		}
		mid := p.lo + (p.hi-p.lo)/2
		z := mid.Round(zoneStep)
		if z != 0 && p.upper.Stamp.Zone != ZoneUnknown && p.lower.Stamp.Zone != ZoneUnknown || p.lo > z+nearlyRight || p.hi < z-nearlyRight {
			continue
		}
		if len(out) > 0 && z != zone {
			return nil
		}
		out, zone = append(out, p), z
	}
	if len(out) != errors || len(out) >= alikeLeast {
		return nil
	}
	for i, p := range out {
		if slices.ContainsFunc(out[:i], func(o shifted) bool { return o.upper == p.upper || o.lower == p.lower }) {
			return nil
		}
	}
	return out
}

// spread gives n of a list, evenly spread over it, or all if there are no more.
func spread[T any](list []T, n int) []T {
	if len(list) <= n {
		return list
	}
	out := make([]T, n)
	for i := range out {
		out[i] = list[i*len(list)/n]
	}
	return out
}
