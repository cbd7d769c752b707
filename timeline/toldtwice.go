package timeline

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// toldTwiceWithin is by how much the stamp of an app's record of an exchange may differ from that of the records around its server's, which bears none.
const toldTwiceWithin = 2 * time.Second

// toldTwice joins what an app's server writes of an exchange, without ID, to what the app writes of it to the same log, as under
// uvicorn: the two tell the same method, path and status and stand near each other. Each record is of one exchange.
func (c *collector) toldTwice() {
	type line struct {
		at                     place
		source, path, exchange string
	}
	key := func(e *Event) line {
		return line{place{e.Service, e.Host}, e.Pos.Source, unrotated(e.Pos.Path), e.Attrs.Get("http.request.method") + " " + e.Attrs.Get("url.path") + " " + e.Status().String()}
	}
	bare, own := map[line][]*Event{}, map[line][]*Event{}
	known := map[Pos]bool{}
	for _, e := range slices.Concat(c.sortedEvents(), c.failed, c.lone) {
		if e.Kind != ServerSpan || known[e.Pos] || e.Attrs.Get("http.request.method") == "" || e.Time.IsZero() {
			continue
		}
		known[e.Pos] = true
		switch {
		case hasIdentity(e) && !e.Undated():
			own[key(e)] = append(own[key(e)], e)
		case !hasIdentity(e) && !e.Role.Forwards():
			bare[key(e)] = append(bare[key(e)], e)
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(bare), func(a, b line) int {
		return cmp.Or(strings.Compare(a.source, b.source), strings.Compare(a.path, b.path), strings.Compare(a.exchange, b.exchange), comparePlaces(a.at, b.at))
	}) {
		type pair struct {
			e, own *Event
			gap    time.Duration
		}
		var pairs []pair
		fits := map[*Event]int{}
		for _, e := range bare[k] {
			for _, o := range own[k] {
				if toldBeside(e, o) {
					gap, _ := toldApart(e, o)
					pairs = append(pairs, pair{e, o, gap})
					fits[e]++
				}
			}
		}
		slices.SortFunc(pairs, func(a, b pair) int {
			return cmp.Or(cmp.Compare(a.gap, b.gap), a.e.Pos.Compare(b.e.Pos), a.own.Pos.Compare(b.own.Pos))
		})
		taken := map[*Event]bool{}
		for _, p := range pairs {
			if taken[p.e] || taken[p.own] {
				continue
			}
			taken[p.e], taken[p.own], c.sorted = true, true, nil
			base := c.setOf(p.own)
			c.absorbed[loneSet(p.e)] = base
			c.extra[base] = append(c.extra[base], Joined{Event: p.e, Join: ByInferred, Candidates: fits[p.e], Reason: "the same method, path and status in the same log as " + p.own.Pos.String()})
		}
	}
}

// toldApart gives how far the ends of an exchange are apart by the server's record and by the app's, and how far they may be.
func toldApart(e, own *Event) (gap, most time.Duration) {
	if e.Undated() {
		return own.Time.Sub(e.Time).Abs(), toldTwiceWithin
	}
	if ClockOf(e) != ClockOf(own) {
		return 1, 0
	}
	_, a, _, okA := e.Interval()
	_, b, _, okB := own.Interval()
	if !okA || !okB {
		return 1, 0
	}
	return max(a.Lo.Sub(b.Hi), b.Lo.Sub(a.Hi), 0), lateLine
}

// toldBeside says whether e, which has no ID, may be what an app's server writes of the exchange of own, by where and when it was written.
func toldBeside(e, own *Event) bool {
	if hasIdentity(e) || !hasIdentity(own) || own.Role.Forwards() || e.Format == own.Format || e.Pos.Source != own.Pos.Source || unrotated(e.Pos.Path) != unrotated(own.Pos.Path) {
		return false
	}
	gap, most := toldApart(e, own)
	return gap <= most
}
