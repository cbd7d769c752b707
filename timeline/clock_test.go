package timeline

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestClocksHoldTheTruth makes requests on hosts whose clocks are off and checks that
// every interval holds the true offset, from few requests and from many.
func TestClocksHoldTheTruth(t *testing.T) {
	offsets := map[string]time.Duration{
		"e1": 0, "l1": -3200 * time.Millisecond, "a1": 1500 * time.Millisecond, "a2": -800 * time.Millisecond, "s1": 3600*time.Second + 420*time.Millisecond,
	}
	for _, n := range []int{3, 12, 50, 400} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			wrong := 0
			var worst float64
			for seed := range uint64(20) {
				rnd := rand.New(rand.NewPCG(seed, 7))
				c, err := Collect(context.Background(), []Named{{Name: "m", Source: simulate(rnd, n, offsets)}}, Query{Filter: Filter{Any: []Want{{Failed: &Failed{}}}}})
				if err != nil {
					t.Fatal(err)
				}
				var reference time.Duration
				for _, h := range c.Clocks.Hosts() {
					if h.Reference {
						reference = offsets[h.Host]
					}
					if !h.Tied {
						continue
					}
					miss := h.OffsetMS - float64(offsets[h.Host]-reference)/1e6
					worst = max(worst, h.SlackMS)
					if max(miss, -miss) > h.SlackMS+0.001 {
						wrong++
						t.Logf("seed %d: %s is %.3f ms off with slack %.3f", seed, h.Host, miss, h.SlackMS)
					}
				}
			}
			if wrong > 0 {
				t.Errorf("%d of %d intervals do not hold the truth", wrong, 20*len(offsets))
			}
			if n >= 400 && worst > 7 { // three calls lie between the outermost host and the last, each with stamps of 1 ms, and they may drift
				t.Errorf("with %d requests the widest interval is ±%.1f ms, want at most ±7", n, worst)
			}
		})
	}
}

// simulate writes the logs of n requests through e1, l1, a1 or a2, s1. The last host
// logs local time without a zone, in whole milliseconds like the others.
func simulate(rnd *rand.Rand, n int, offsets map[string]time.Duration) memory {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var out memory
	ms := func(lo, hi float64) time.Duration { return time.Duration((lo + rnd.Float64()*(hi-lo)) * 1e6) }
	for i := range n {
		id := fmt.Sprintf("%032x", rnd.Uint64())
		at := start.Add(time.Duration(i)*200*time.Millisecond + ms(0, 100))
		app := []string{"a1", "a2"}[rnd.IntN(2)]
		hosts := []string{"e1", "l1", app, "s1"}
		names := []string{"edge", "lb", "orders", "stock"}
		from := make([]time.Time, 4)
		to := make([]time.Time, 4)
		for k := range hosts {
			from[k] = at
			at = at.Add(ms(0.2, 2))
		}
		at = at.Add(ms(1, 40))
		for k := 3; k >= 0; k-- {
			to[k] = at
			at = at.Add(ms(0.2, 2))
		}
		for k, h := range hosts {
			e := &Event{Service: names[k], Host: h, Kind: ServerSpan, StatusCode: 200, Format: "test"}
			if i%17 == 0 {
				e.StatusCode, e.Failed = 500, true
			}
			stamp := to[k].Add(offsets[h])
			e.Time = stamp.Truncate(time.Millisecond)
			e.Duration = to[k].Sub(from[k]).Truncate(time.Millisecond)
			e.Stamp = Stamp{Meaning: End, Resolution: time.Millisecond, DurationResolution: time.Millisecond, Zone: ZoneWritten}
			if h == "s1" {
				e.Stamp.Zone = ZoneUnknown
			}
			if k < 3 {
				d := to[k+1].Sub(from[k+1]) + 300*time.Microsecond
				e.Calls = []Outcall{{Peer: hosts[k+1] + ":80", Status: e.StatusCode, Ended: Complete, Timed: true, Duration: d.Truncate(time.Millisecond)}}
			}
			e.Keys = []Key{{Name: KeyRequestID, Value: id}}
			e.Pos = Pos{Path: h + ".log", Offset: int64(len(out))}
			e.Raw = fmt.Appendf(nil, "%s %d", id, k)
			out = append(out, e)
		}
	}
	return out
}

// TestClockOfMoments: a proxy whose records tell neither start nor end nor length of an exchange is tied by many of them and by
// few is not, and the interval holds the truth, whichever moment it stamps.
func TestClockOfMoments(t *testing.T) {
	offsets := map[string]time.Duration{
		"e1": 640 * time.Millisecond, "l1": -2200 * time.Millisecond, "a1": time.Hour, "a2": -800 * time.Millisecond, "s1": 420 * time.Millisecond,
	}
	for _, stampsStart := range []bool{true, false} {
		for _, n := range []int{12, 400} {
			all := simulate(rand.New(rand.NewPCG(3, 7)), n, offsets)
			for i, e := range all {
				e.Attrs = Attrs{{"http.request.method", "GET"}, {"url.path", fmt.Sprintf("/%d", i/4)}}
				if e.Host != "e1" {
					continue
				}
				if stampsStart {
					e.Time = e.Time.Add(-e.Duration)
				}
				e.Time, e.Duration, e.Calls, e.Role = e.Time.Truncate(time.Second), 0, nil, RoleGateway
				e.Keys = nil
				e.Stamp = Stamp{Meaning: Within, Resolution: time.Second, Zone: ZoneWritten}
			}
			c, err := Collect(t.Context(), []Named{{Name: "m", Source: all}}, Query{Filter: Filter{Any: []Want{{Failed: &Failed{}}}}})
			if err != nil {
				t.Fatal(err)
			}
			var reference time.Duration
			var e1 HostClock
			for _, h := range c.Clocks.Hosts() {
				if h.Reference {
					reference = offsets[h.Host]
				}
				if h.Host == "e1" {
					e1 = h
				}
			}
			if e1.Tied != (n == 400) || e1.Reason == "" {
				t.Errorf("of %d records of moments the clock is tied: %v, %q", n, e1.Tied, e1.Reason)
			}
			miss := e1.OffsetMS - float64(offsets["e1"]-reference)/1e6
			if e1.Tied && (max(miss, -miss) > e1.SlackMS || e1.SlackMS > 400) {
				t.Errorf("stamps of the start %v: it is %.1f ms off, ±%.1f", stampsStart, miss, e1.SlackMS)
			}
		}
	}
}

func TestClockZone(t *testing.T) {
	for _, c := range []struct {
		offset time.Duration
		want   string
	}{
		{time.Hour + 420*time.Millisecond, "+01:00"},
		{-5*time.Hour - 30*time.Minute, "-05:30"},
		{3200 * time.Millisecond, ""},
		{time.Hour + 7*time.Minute, ""},
		{15 * time.Hour, ""},
	} {
		if got := zoneOf(float64(c.offset)); got != c.want {
			t.Errorf("zoneOf(%s) = %q, want %q", c.offset, got, c.want)
		}
	}
}

func TestUntiedClockIsToldAndNeverOrdered(t *testing.T) {
	m := parseEvents(t, `
edge e1 server 10:00:00.100 dur=100ms status=500 rid=a role=proxy
lone x9 server 10:00:00.050 dur=10ms status=500 rid=zz
`)
	c, err := Collect(context.Background(), []Named{{Name: "m", Source: m}}, Query{Filter: Filter{Any: []Want{{Failed: &Failed{}}}}})
	if err != nil {
		t.Fatal(err)
	}
	untied := 0
	for _, h := range c.Clocks.Hosts() {
		if !h.Tied {
			untied++
			if h.Reason == "" {
				t.Errorf("%s is not tied and no reason is given", h.Host)
			}
		}
	}
	if untied != 1 {
		t.Fatalf("%d hosts are untied, want 1", untied)
	}
	a, b := c.Requests[0].Start, c.Requests[1].Start
	if _, certain := a.Before(b); certain {
		t.Error("an order against an untied clock is called certain")
	}
}

// TestClockOfAnswers: a caller whose records tell of its calls only when the answer came is tied from both sides: by what it wrote of whom it
// asks, or by the exchange of who called it, stamped by the same clock.
func TestClockOfAnswers(t *testing.T) {
	for _, c := range []struct {
		what  string
		asks  bool
		outer bool
		tied  bool
		slack float64 // ms, at most
	}{
		{"neither", false, false, false, 0},
		{"it says whom it asks", true, false, true, 5},
		{"its caller's exchange is known", false, true, true, 60},
	} {
		var b strings.Builder
		for i := range 60 {
			at := func(ms int) string {
				return time.Date(2026, 3, 1, 10, 0, i, ms*1e6, time.UTC).Format("15:04:05.000")
			}
			rest := 20 + i%7
			if c.asks {
				fmt.Fprintf(&b, "portal w1 log %s rid=r%d \"Request: GET http://10.0.0.1/p/%d\"\n", at(99), i, i)
			}
			fmt.Fprintf(&b, "portal w1 client %s rid=r%d call=10.0.0.1:80,200,complete,,/p/%d,,GET \"Response: 200\"\n", at(102+rest), i, i)
			fmt.Fprintf(&b, "app a1 server %s clock=+3s dur=%dms status=200 rid=r%d role=app http.request.method=GET url.path=/p/%d\n", at(101+rest), rest, i, i)
			if c.outer {
				fmt.Fprintf(&b, "web w1 server %s dur=%dms status=200 rid=r%d role=gateway\n", at(110+rest), rest+40, i)
			}
		}
		col, err := Collect(t.Context(), []Named{{Name: "m", Source: parseEvents(t, b.String())}}, Query{Filter: Filter{Any: []Want{{Failed: &Failed{}}}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range col.Clocks.Hosts() {
			if h.Reference {
				continue
			}
			if h.Tied != c.tied {
				t.Errorf("%s: %s is tied: %t", c.what, h.Host, h.Tied)
			}
			if miss := math.Abs(math.Abs(h.OffsetMS) - 3000); h.Tied && (miss > h.SlackMS || h.SlackMS > c.slack) {
				t.Errorf("%s: %s is %.1f ms off, ±%.1f", c.what, h.Host, miss, h.SlackMS)
			}
		}
	}
}
