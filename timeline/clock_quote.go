package timeline

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// A quote says that a record was quoted in an exchange: if it is of that very exchange, the record's clock is ahead of that of the exchange by
// something in [lo, hi], which leaves room for what the two drift apart in the time that is read.
type quote struct {
	record   *Event
	exchange *Hop
	lo, hi   time.Duration
}

// driftRoom is by how much two clocks are taken to drift apart at most while errors of one are quoted by the other.
const driftRoom = 250 * time.Millisecond

// quoted ties the clocks of those that log no exchanges, as databases do, by the errors of theirs that others quote: what a request's failure quotes was
// written while the request was at work. Which of like errors is the one that a request quotes nobody says; but the true pairs are all as far
// apart, and false ones at any distance, as with the records of exchanges (see shiftBetween). records are the failed ones without an ID.
func (f *clockFit) quoted(records []*Event, requests [][]*Request) {
	q := newQuotation()
	written := map[string][]*Event{}
	for _, e := range records {
		if m := quotable(e); m != "" && e.Kind == LogRecord && stamped(e) && !undated(e) {
			q.ask(e)
			written[m] = append(written[m], e)
		}
	}
	for _, rs := range requests {
		for _, r := range rs {
			for i := range r.Events {
				if e := &r.Events[i]; e.Kind == LogRecord && e.Hop != nil && (e.Failed || e.Exception != nil) {
					q.look("", e)
				}
			}
		}
	}
	pairs := map[clockPair][]quote{}
	for _, m := range slices.Sorted(maps.Keys(written)) {
		exchanges := map[*Hop]bool{}
		for _, by := range q.quoters[m] {
			exchanges[by.hop] = true
		}
		if len(written[m]) > alikeMost || len(exchanges) > alikeMost {
			continue
		}
		for h := range exchanges {
			sp := h.span()
			if sp == nil {
				continue
			}
			w := windowOf(sp.Event)
			for _, e := range written[m] {
				p, c := f.clock(sp.Event), f.clock(e)
				at := windowOf(e)
				if !w.startOK || !w.endOK || p == c || e.Service == h.Service {
					continue
				}
				if x := (quote{e, h, at.end.Lo.Sub(w.end.Hi) - driftRoom, at.start.Hi.Sub(w.start.Lo) + driftRoom}); max(x.hi, -x.lo) < maxSkew {
					pairs[clockPair{p, c}] = append(pairs[clockPair{p, c}], x)
				}
			}
		}
	}
	for k, all := range pairs {
		for _, x := range agreed(all) {
			f.call(f.quotes, windowOf(x.exchange.span().Event), windowOf(x.record), false)
			f.quotes[k].quotes = true
		}
	}
}

// agreed gives the quotes that are true if one distance makes most of them so, and no other nearly as many; none if there is no such distance.
func agreed(all []quote) []quote {
	slices.SortFunc(all, func(a, b quote) int {
		return cmp.Or(cmp.Compare(a.lo, b.lo), cmp.Compare(a.hi, b.hi), a.record.Pos.Compare(b.record.Pos), a.exchange.Events[0].Pos.Compare(b.exchange.Events[0].Pos))
	})
	records, exchanges := map[*Event]bool{}, map[*Hop]bool{}
	longest := time.Duration(0)
	for _, x := range all {
		records[x.record], exchanges[x.exchange] = true, true
		longest = max(longest, x.hi-x.lo)
	}
	// At each lower bound, how many of both have a partner.
	at := func(d time.Duration) (out []quote, n int) {
		rs, hs := map[*Event]bool{}, map[*Hop]bool{}
		i, _ := slices.BinarySearchFunc(all, d-longest, func(x quote, d time.Duration) int { return cmp.Compare(x.lo, d) })
		for ; i < len(all) && all[i].lo <= d; i++ {
			if all[i].hi >= d {
				out = append(out, all[i])
				rs[all[i].record], hs[all[i].exchange] = true, true
			}
		}
		return out, min(len(rs), len(hs))
	}
	best, second := 0, 0
	var found []quote
	counts := make([]int, len(all))
	for i, x := range all {
		var fit []quote
		if fit, counts[i] = at(x.lo); counts[i] > best {
			best, found = counts[i], fit
		}
	}
	for i, n := range counts {
		if best > 0 && !slices.ContainsFunc(found, func(x quote) bool { return x.lo <= all[i].hi && all[i].lo <= x.hi }) {
			second = max(second, n)
		}
	}
	if best < alikeLeast || float64(best) < alikeShare*float64(min(len(records), len(exchanges))) || best < alikeRarely*second {
		return nil
	}
	return found
}
