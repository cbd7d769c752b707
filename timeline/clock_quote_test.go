package timeline

import (
	"fmt"
	"strings"
	"testing"
)

// TestClockByQuotes: a database that logs no exchanges is tied by its errors that a service quotes, though like errors come again and again;
// by two it is not, and errors of the same words that others had say nothing.
func TestClockByQuotes(t *testing.T) {
	const ahead = -3.7 // seconds
	for _, n := range []int{2, 5} {
		var logs strings.Builder
		clock := func(at float64) string { return fmt.Sprintf("10:%02d:%06.3f", int(at)/60, at-60*float64(int(at)/60)) }
		for i := range n {
			at := 20 + 13.3*float64(i*i)
			fmt.Fprintf(&logs, "db db-1 log %s failed system=postgresql \"deadlock detected\"\n", clock(at+0.020+ahead))
			fmt.Fprintf(&logs, "orders app-1 log %s rid=fail-%d severity=error failed \"order 4711%d: ERROR: deadlock detected (SQLSTATE 40P01)\"\n", clock(at+0.030), i, i)
			fmt.Fprintf(&logs, "orders app-1 server %s dur=40ms status=500 rid=fail-%d role=app\n", clock(at+0.040), i)
			fmt.Fprintf(&logs, "edge e1 server %s dur=44ms status=500 rid=fail-%d call=orders/app-1,500,complete,42ms role=gateway\n", clock(at+0.042), i)
		}
		for i := range 2 {
			fmt.Fprintf(&logs, "db db-1 log %s failed system=postgresql \"deadlock detected\"\n", clock(31.1+40*float64(i)))
		}
		got, err := Collect(t.Context(), []Named{{Name: "s", Source: parseEvents(t, logs.String())}}, Query{Filter: Filter{Any: []Want{{Failed: &Failed{}}}}})
		if err != nil {
			t.Fatal(err)
		}
		offsets := map[string]HostClock{}
		for _, h := range got.Clocks.Hosts() {
			offsets[h.Host] = h
		}
		db, app := offsets["db-1"], offsets["app-1"]
		if db.Tied != (n == 5) {
			t.Errorf("with %d quoted errors the clock is tied: %v (%s)", n, db.Tied, db.Reason)
		}
		if miss := db.OffsetMS - app.OffsetMS - 1000*ahead; db.Tied && max(miss, -miss) > db.SlackMS+app.SlackMS {
			t.Errorf("it is %.1f ms off, ±%.1f", miss, db.SlackMS+app.SlackMS)
		}
	}
}

// TestQuotesBetweenParts: a database whose errors two systems quote is tied to the one with the most, and does not tie them to each other.
func TestQuotesBetweenParts(t *testing.T) {
	f := newClockFit()
	const edge, orders, otherEdge, otherOrders, db = 0, 1, 2, 3, 4
	for _, n := range []string{"edge", "orders", "other-edge", "other-orders", "db"} {
		f.clocks = append(f.clocks, &seenClock{name: n})
	}
	part := []int32{edge, edge, otherEdge, otherEdge, db}
	quotes := func(own, other int) map[clockPair]*clockLinks {
		return map[clockPair]*clockLinks{{orders, db}: {quotes: true, n: own}, {otherOrders, db}: {quotes: true, n: other}}
	}
	for _, c := range []struct{ own, other, out int }{{7, 5, otherOrders}, {5, 7, orders}, {5, 5, otherOrders}} {
		got := f.betweenParts(part, quotes(c.own, c.other))
		if len(got) != 1 || !got[clockPair{int32(c.out), db}] {
			t.Errorf("%d and %d quotes: left out %v, want those of %s", c.own, c.other, got, f.clocks[c.out].name)
		}
	}
}
