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

// quotesMost bounds the pairs of records and exchanges that are held against each other of two clocks.
const quotesMost = 50_000

// quoted ties the clocks of those that log no exchanges, as databases do, by the errors of theirs that others quote: what a request's failure quotes was
// written while the request was at work. Which of like errors is the one that a request quotes nobody says; but the true pairs are all as far
// apart, and false ones at any distance, as with the records of exchanges (see shiftBetween). records are the failed ones without an ID.
func (f *clockFit) quoted(records []*Event, requests [][]*Request) {
	q := newQuotation()
	written := map[string][]*Event{}
	for _, e := range records {
		if m := quotable(e); m != "" && e.Kind == LogRecord && stamped(e) && !e.Undated() {
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
		var exchanges []*Hop
		seen := map[*Hop]bool{}
		for _, by := range q.quoters[m] {
			if !seen[by.hop] {
				seen[by.hop] = true
				exchanges = append(exchanges, by.hop)
			}
		}
		if len(written[m]) > alikeMost || len(exchanges) > alikeMost {
			continue // one of every second tells nothing
		}
		for _, h := range exchanges {
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
				if x := (quote{e, h, at.end.Lo.Sub(w.end.Hi) - driftRoom, at.start.Hi.Sub(w.start.Lo) + driftRoom}); max(x.hi, -x.lo) < maxSkew && len(pairs[clockPair{p, c}]) < quotesMost {
					pairs[clockPair{p, c}] = append(pairs[clockPair{p, c}], x)
				}
			}
		}
	}
	byClocks := func(a, b clockPair) int {
		return cmp.Or(cmp.Compare(a.caller, b.caller), cmp.Compare(a.callee, b.callee))
	}
	for _, k := range slices.SortedFunc(maps.Keys(pairs), byClocks) {
		for _, x := range agreed(pairs[k]) {
			f.call(f.quotes, windowOf(x.exchange.span().Event), windowOf(x.record), false)
			f.quotes[k].quotes = true
		}
	}
}

// agreed gives the quotes that are true if one distance makes most of them so, and no other nearly as many; none if there is no such distance.
func agreed(all []quote) []quote {
	records, exchanges := map[*Event]int{}, map[*Hop]int{} // of those true at the distance looked at
	count := func(x quote, by int) {
		if records[x.record] += by; records[x.record] == 0 {
			delete(records, x.record)
		}
		if exchanges[x.exchange] += by; exchanges[x.exchange] == 0 {
			delete(exchanges, x.exchange)
		}
	}
	for _, x := range all {
		count(x, 1)
	}
	most := min(len(records), len(exchanges))
	clear(records)
	clear(exchanges)

	ending := slices.SortedFunc(slices.Values(all), func(a, b quote) int { return cmp.Compare(a.hi, b.hi) })
	slices.SortFunc(all, func(a, b quote) int {
		return cmp.Or(cmp.Compare(a.lo, b.lo), cmp.Compare(a.hi, b.hi), a.record.Pos.Compare(b.record.Pos), a.exchange.Events[0].Pos.Compare(b.exchange.Events[0].Pos))
	})
	counts := make([]int, len(all)) // at the lower bound of each
	best := 0
	for i, over := 0, 0; i < len(all); i++ {
		count(all[i], 1)
		for ; ending[over].hi < all[i].lo; over++ {
			count(ending[over], -1)
		}
		counts[i] = min(len(records), len(exchanges))
		if counts[i] > counts[best] {
			best = i
		}
	}
	if len(all) == 0 || counts[best] < alikeLeast || float64(counts[best]) < alikeShare*float64(most) {
		return nil
	}
	at := all[best].lo
	var found []quote
	from, to := at, at
	for _, x := range all {
		if x.lo <= at && at <= x.hi {
			found = append(found, x)
			from, to = min(from, x.lo), max(to, x.hi)
		}
	}
	for i, n := range counts {
		if (all[i].lo > to || all[i].hi < from) && counts[best] < alikeRarely*n {
			return nil
		}
	}
	return found
}
