package timeline

import (
	"math"
	"testing"
	"time"
)

// TestSettleMovesAClockOnce has a clock under two names, of stamps with zone and without. All
// that it stamped lies in [0, 1 ms] on the common time line, and its stamps say [0, 2 ms]: it is 0.5 ms ahead, under
// both names, for that puts the middle of its stamps to 0.5 ms.
func TestSettleMovesAClockOnce(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	known := fittedClock{runs: []run{{from: firstPlace, to: lastPlace}}}
	ahead := known
	ahead.knots = [][]clockKnot{{{t: 0, minus: 2000, plus: 2000}, {t: 10, minus: 2000, plus: 2000}}}
	m := &ClockModel{ref: "a", base: at.UnixNano(), end: 10, nodes: map[string]*clockNode{
		"a":               {fittedClock: known, tied: true, name: "a"},
		"b":               {fittedClock: ahead, tied: true, name: "b"},
		"b" + localSuffix: {fittedClock: ahead, tied: true, name: "b", zoned: true},
	}}
	var requests []*Request
	for i := range settleLeast {
		r := &Request{Hops: []*Hop{{Service: "gate", Host: "a"}, {Service: "app", Host: "b"}, {Service: "log", Host: "b"}}}
		begin := at.Add(time.Duration(i) * 100 * time.Millisecond)
		span := &Event{Kind: ServerSpan, Host: "a", Time: begin, Duration: time.Millisecond,
			Stamp: Stamp{Meaning: Start, Resolution: time.Microsecond, SameClock: true, DurationResolution: time.Microsecond, Zone: ZoneWritten}}
		events := []*Event{span}
		for _, zone := range []ZoneSource{ZoneWritten, ZoneUnknown} {
			events = append(events, &Event{Kind: LogRecord, Host: "b", Time: begin, Stamp: Stamp{Meaning: Within, Resolution: 2 * time.Millisecond, Zone: zone}})
		}
		for j, e := range events {
			r.Events = append(r.Events, Joined{Event: e, Hop: r.Hops[j], Candidates: 1})
		}
		for j := range r.Events {
			r.Hops[j].Events = []*Joined{&r.Events[j]}
		}
		for _, h := range r.Hops[1:] {
			c := &Call{Caller: r.Hops[0], Callee: h, Record: &r.Events[0], Ended: Complete}
			h.Caller = c
			r.Calls = append(r.Calls, c)
		}
		requests = append(requests, r)
	}
	m.settle(requests)
	for name, n := range m.nodes {
		want := 500.0
		if name == "a" {
			want = 0
		}
		if got := n.beside(0, 5); math.Abs(got-want) > 30 {
			t.Errorf("%q is %.0f µs ahead, want %.0f", name, got, want)
		}
	}
}
