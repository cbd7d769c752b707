package timeline

import (
	"testing"
	"time"
)

// TestJoinByEnd: an error that nothing caught is of the exchange that was over soon after it, and a message about one call of that which ended as such a
// call makes it, where others were at work too.
func TestJoinByEnd(t *testing.T) {
	clocks := newClockFit().fit()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	exchanges := func(all ...*Event) *joiner {
		j := &joiner{clocks: clocks, exchanges: map[place]*exchanges{}}
		for _, e := range all {
			x := exchangeOf(e, clocks)
			x.set = e.Attrs.Get("set")
			p := place{e.Service, e.Host}
			if j.exchanges[p] == nil {
				j.exchanges[p] = &exchanges{}
			}
			j.exchanges[p].add(x)
		}
		for _, xs := range j.exchanges {
			xs.sort()
		}
		return j
	}
	served := func(set string, start, length time.Duration, status int) *Event {
		return &Event{
			Service: "web", Host: "h", Kind: ServerSpan, Time: at.Add(start + length), Duration: length, StatusCode: status, Failed: true,
			Stamp: Stamp{Meaning: End, Resolution: time.Second, DurationResolution: time.Millisecond, Zone: ZoneWritten}, Attrs: Attrs{{"set", set}},
			Calls: []Outcall{{Peer: "10.0.0.5:80", Status: status}},
		}
	}
	record := func(after time.Duration) *Event {
		return &Event{Service: "web", Host: "h", Kind: LogRecord, Time: at.Add(after), Failed: true, Severity: "error", Stamp: Stamp{Meaning: Within, Resolution: time.Millisecond, Zone: ZoneWritten}}
	}
	uncaught := record(10 * time.Second)
	uncaught.Exception = &Exception{Type: "NullReference", Escaped: true}
	handled := record(10 * time.Second)
	handled.Exception = &Exception{Type: "NullReference"}
	refused := record(10 * time.Second)
	refused.Calls = []Outcall{{Peer: "10.0.0.5:80", Ended: Refused}}
	long, short, timedOut := served("long", 0, time.Minute, 500), served("short", 9*time.Second, time.Second, 500), served("timed out", 0, time.Minute, 504)
	unavailable := served("unavailable", 9*time.Second, time.Second, 502)
	for _, c := range []struct {
		what   string
		e      *Event
		others []*Event
		want   []string
	}{
		{"an error that nothing caught", uncaught, []*Event{long, short}, []string{"short"}},
		{"it is all that there is", uncaught, []*Event{long}, []string{"long"}},
		{"an error that was handled", handled, []*Event{long, short}, []string{"long", "short"}},
		{"a call that was refused", refused, []*Event{timedOut, unavailable}, []string{"unavailable"}},
		{"and nothing ended so", refused, []*Event{timedOut, long}, []string{"long", "timed out"}},
	} {
		var got []string
		for _, in := range exchanges(c.others...).join(c.e) {
			got = append(got, in.set)
		}
		if len(got) != len(c.want) || len(got) > 0 && got[0] != c.want[0] || len(got) > 1 && got[1] != c.want[1] {
			t.Errorf("%s: joined to %q, want %q", c.what, got, c.want)
		}
	}
}

// TestEnded: where access records tell the start of an exchange alone, that its call was lost tells when it was over, and what is written later is of others.
func TestEnded(t *testing.T) {
	clocks := newClockFit().fit()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	xs := &exchanges{}
	for i, path := range []string{"/a", "/b"} {
		x := exchangeOf(&Event{
			Service: "web", Host: "h", Kind: ServerSpan, Time: at.Add(time.Duration(30*i) * time.Second), StatusCode: 502, Attrs: Attrs{{"url.path", path}},
			Stamp: Stamp{Meaning: Start, Resolution: time.Second, Zone: ZoneWritten},
		}, clocks)
		x.set = path
		xs.add(x)
	}
	xs.sort()
	j := &joiner{clocks: clocks, exchanges: map[place]*exchanges{{"web", "h"}: xs}}
	lost := func(after time.Duration, how Outcome, path string) *Event {
		e := &Event{Service: "web", Host: "h", Kind: LogRecord, Time: at.Add(after), Failed: true, Stamp: Stamp{Meaning: Within, Resolution: time.Millisecond, Zone: ZoneWritten}}
		if e.Calls = []Outcall{{Ended: how}}; path != "" {
			e.Attrs.Set("url.path", path)
		}
		return e
	}
	later := lost(40*time.Second, GaveUp, "")
	for _, c := range []struct {
		how  Outcome
		want int
	}{{GaveUp, 1}, {Reset, 1}, {Refused, 2}} { // what was refused is asked of the next server
		for k := range xs.byClock {
			for i := range xs.byClock[k] {
				xs.byClock[k][i].ends = false
				xs.byClock[k][i].raw.Hi = xs.byClock[k][i].raw.Lo.Add(unknownLength)
				xs.byClock[k][i].to.Latest = xs.byClock[k][i].from.Latest.Add(unknownLength)
			}
		}
		events := []*Event{lost(time.Second, c.how, "/a"), later}
		joins := [][]inferred{j.join(events[0]), j.join(later)}
		if len(joins[0]) != 1 || len(joins[1]) != 2 {
			t.Fatalf("the records fit %d and %d", len(joins[0]), len(joins[1]))
		}
		if any := j.ended(events, joins); any != (c.want == 1) {
			t.Errorf("%v ended an exchange: %t", c.how, any)
		}
		if got := j.join(later); len(got) != c.want {
			t.Errorf("%v: what was written later fits %d, want %d", c.how, len(got), c.want)
		}
	}
}
