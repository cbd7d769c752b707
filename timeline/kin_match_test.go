package timeline

import (
	"testing"
	"time"
)

// TestPlainest: of several ends that fit, those are of one exchange that tell the same query, or the server that was asked.
func TestPlainest(t *testing.T) {
	at := func(service, host, query string, calls ...string) *end {
		e := &Event{Service: service, Host: host, Attrs: Attrs{{Name: "url.query", Value: query}}}
		for _, peer := range calls {
			e.Calls = append(e.Calls, Outcall{Peer: peer})
		}
		return &end{e: e, at: benchOf(e)}
	}
	c := &collector{book: &EndpointBook{Endpoints: []Endpoint{
		{Peer: "10.0.1.11:3000", Service: "api", Host: "app-1"}, {Peer: "10.0.1.12:3000", Service: "api", Host: "app-2"},
	}}}
	hat, bag, plain := at("edge", "edge-1", "q=hat"), at("edge", "edge-1", "q=bag"), at("edge", "edge-1", "")
	lowHat, lowBag := at("api", "app-1", "q=hat"), at("api", "app-2", "q=bag")
	to1, to2, both := at("edge", "edge-1", "", "10.0.1.11:3000"), at("edge", "edge-1", "", "10.0.1.12:3000"), at("edge", "edge-1", "", "10.0.1.11:3000", "10.0.1.12:3000")
	on1, on2 := at("api", "app-1", ""), at("api", "app-2", "")
	for _, test := range []struct {
		name string
		fits []fit
		want []fit
	}{
		{"queries", []fit{{u: hat, l: lowBag}, {u: hat, l: lowHat}, {u: bag, l: lowBag}, {u: bag, l: lowHat}}, []fit{{u: hat, l: lowHat}, {u: bag, l: lowBag}}},
		{"another query alone", []fit{{u: hat, l: lowBag}}, []fit{{u: hat, l: lowBag}}},
		{"no query told", []fit{{u: plain, l: lowBag}, {u: plain, l: lowHat}}, []fit{{u: plain, l: lowBag}, {u: plain, l: lowHat}}},
		{"addresses", []fit{{u: to1, l: on1}, {u: to1, l: on2}, {u: to2, l: on1}, {u: to2, l: on2}}, []fit{{u: to1, l: on1}, {u: to2, l: on2}}},
		{"two attempts", []fit{{u: both, l: on1}, {u: both, l: on2}}, []fit{{u: both, l: on1}, {u: both, l: on2}}},
		{"what is left", []fit{{u: to1, l: on1}, {u: to2, l: on1}}, []fit{{u: to1, l: on1}}},
	} {
		got := c.plainest(test.fits)
		same := len(got) == len(test.want)
		for i := range got {
			same = same && got[i] == test.want[i]
		}
		if !same {
			t.Errorf("%s: %d fits are left of %d, want %d", test.name, len(got), len(test.fits), len(test.want))
		}
	}
}

// TestLimitOfOneEnd: nobody gives up after much less time than was needed.
func TestLimitOfOneEnd(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) Instant {
		i := start.Add(d)
		return Instant{Earliest: i.Add(-500 * time.Millisecond), Time: i, Latest: i.Add(500 * time.Millisecond)}
	}
	for _, test := range []struct {
		waited, after time.Duration
		want          bool
	}{
		{6 * time.Millisecond, 57 * time.Second, false},
		{6 * time.Millisecond, 200 * time.Millisecond, true},
		{time.Second, 57 * time.Second, true},
		{time.Second, 2 * time.Minute, false},
	} {
		if got := nested(at(0), at(test.waited), Instant{}, at(test.waited+test.after), true); got != test.want {
			t.Errorf("waited %s, and it ended %s after: %v", test.waited, test.after, got)
		}
	}
}
