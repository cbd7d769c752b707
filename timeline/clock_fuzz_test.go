package timeline

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"time"
)

// Stamps, lengths and resolutions that a broken log or a wrong format may give.
var (
	oddTimes = []time.Time{
		stepStart, stepStart, stepStart, stepStart.Add(time.Second), stepStart.Add(-37 * time.Hour), {}, // the last is of the year 1
		time.Unix(0, 0), time.Unix(0, 1e18), time.Unix(0, math.MaxInt64), time.Unix(0, math.MinInt64), time.Unix(1<<40, 0),
		time.Date(1901, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2199, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	}
	oddLengths = []time.Duration{
		20 * time.Millisecond, time.Millisecond, 3 * time.Second, 0, 1, -time.Second, 300 * 24 * time.Hour, math.MaxInt64, math.MinInt64, 24 * time.Hour,
	}
	oddResolutions = []time.Duration{time.Millisecond, time.Millisecond, time.Second, time.Microsecond, 0, 1, time.Hour, -time.Second, 300 * 24 * time.Hour, math.MaxInt64}
)

// fuzzedCall is how many bytes make one call.
const fuzzedCall = 20

// fuzzedRequests makes requests of the bytes: calls among up to six hosts, of which every third or so
// goes on where the one before ended.
func fuzzedRequests(data []byte) []*Request {
	var out []*Request
	for len(data) >= fuzzedCall && len(out) < 60 {
		b := data[:fuzzedCall]
		data = data[fuzzedCall:]
		var r *Request
		caller := (*Hop)(nil)
		if n := len(out); n > 0 && b[0]&3 == 0 {
			r = out[n-1]
			caller = r.Hops[len(r.Hops)-1]
		} else {
			r = &Request{ID: fmt.Sprint(len(out))}
			out = append(out, r)
		}
		var events []*Event
		if caller == nil {
			events = append(events, fuzzedEvent(b[1:10], len(out)))
			caller = &Hop{Host: events[0].Host, Service: "s"}
			r.Hops = append(r.Hops, caller)
		}
		events = append(events, fuzzedEvent(b[10:19], len(out)))
		callee := &Hop{Host: events[len(events)-1].Host, Service: "t", Depth: caller.Depth + 1}
		r.Hops = append(r.Hops, callee)
		for _, e := range events {
			r.Events = append(r.Events, Joined{Event: e})
		}
		call := &Call{Caller: caller, Callee: callee, Ended: []Outcome{Complete, Complete, GaveUp, OutcomeUnknown}[b[19]&3], Peer: []string{"x:80", "127.0.0.1:80"}[b[19]>>2&1]}
		callee.Caller = call
		caller.Calls = append(caller.Calls, call)
		r.Calls = append(r.Calls, call)
		tieJoined(r)
	}
	return out
}

// tieJoined gives every hop its event; events moved when the slice grew.
func tieJoined(r *Request) {
	for i, h := range r.Hops {
		r.Events[i].Hop = h
		h.Events = []*Joined{&r.Events[i]}
	}
	for _, c := range r.Calls {
		c.Record = c.Caller.Events[0]
	}
}

// fuzzedEvent makes an event of nine bytes.
func fuzzedEvent(b []byte, n int) *Event {
	e := &Event{Host: fmt.Sprintf("h%d", b[0]%6), Kind: []Kind{ServerSpan, ServerSpan, ClientSpan, LogRecord}[b[0]>>3&3]}
	e.Time = oddTimes[int(b[1])%len(oddTimes)].Add(time.Duration(binary.LittleEndian.Uint16(b[2:])) * 100 * time.Microsecond)
	e.Duration = oddLengths[int(b[4])%len(oddLengths)]
	e.Stamp = Stamp{
		Meaning: Meaning(b[5] & 3), Rounded: b[5]&4 != 0, SameClock: b[5]&8 != 0, Zone: ZoneSource(b[5] >> 4 % 3),
		Resolution: oddResolutions[int(b[6])%len(oddResolutions)], DurationResolution: oddResolutions[int(b[7])%len(oddResolutions)],
	}
	e.Pos = Pos{Path: fmt.Sprintf("%s-%d.log", e.Host, b[8]&1), Offset: int64(n)}
	switch {
	case b[8]&6 == 2:
		e.Pos = Pos{Path: "index", Doc: fmt.Sprint(n)}
	case b[8]&6 == 4:
		e.Pos.Offset = int64(b[8])
	}
	return e
}

// fuzzSeeds are calls as they are, with one odd thing each.
func fuzzSeeds() [][]byte {
	plain := func(n int, odd func(i int, b []byte)) []byte {
		var out []byte
		for i := range n {
			b := make([]byte, fuzzedCall)
			b[0] = 1
			b[1], b[10] = byte(i%2), byte(2+i%3)
			binary.LittleEndian.PutUint16(b[3:], uint16(100*i))
			binary.LittleEndian.PutUint16(b[12:], uint16(100*i+20))
			b[5], b[14] = 0, 1                               // 20 ms, and within them 1 ms
			b[6], b[15] = byte(Start)|1<<4, byte(Start)|1<<4 // zone written
			odd(i, b)
			out = append(out, b...)
		}
		return out
	}
	seeds := [][]byte{
		plain(60, func(int, []byte) {}),
		plain(40, func(i int, b []byte) { b[0] = byte(i % 4) }),
		plain(40, func(i int, b []byte) { b[19] = byte(i) }),
		plain(60, func(i int, b []byte) { // a step
			if i > 30 {
				b[11] = 3
			}
		}),
	}
	for k := range oddTimes {
		seeds = append(seeds, plain(10, func(i int, b []byte) { b[11] = byte(k) }), plain(10, func(i int, b []byte) { b[2], b[11] = byte(k), byte(k+i) }))
	}
	for k := range oddLengths {
		seeds = append(seeds, plain(20, func(i int, b []byte) { b[14] = byte(k) }), plain(20, func(i int, b []byte) { b[5] = byte(k) }))
	}
	for k := range oddResolutions {
		seeds = append(seeds, plain(20, func(i int, b []byte) { b[7], b[16] = byte(k), byte(k) }), plain(20, func(i int, b []byte) { b[8], b[17] = byte(k), byte(k) }))
	}
	return seeds
}

// fitWithin is how long a fit of a few calls may take.
const fitWithin = 10 * time.Second

// FuzzClocks fits clocks to calls with whatever stamps: it must end, and every number and every
// instant must make sense.
func FuzzClocks(f *testing.F) {
	for _, s := range fuzzSeeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// A fit that hangs would hang the test: it dies instead, and so is told.
		late := time.AfterFunc(fitWithin, func() { panic("the clocks of a few calls took longer than " + fitWithin.String()) })
		defer late.Stop()
		requests := fuzzedRequests(data)
		fit := newClockFit()
		if len(data) > 0 {
			switch data[0] >> 4 {
			case 1:
				fit.shared = map[string]string{"h1": "m", "h2": "m"}
			case 2:
				fit.fixed["h1"] = 3 * time.Second
			case 3:
				if len(requests) > 1 {
					a, b := requests[0].Events[0].Event, requests[1].Events[0].Event
					fit.see(a)
					fit.see(b)
					fit.anchor(a, b)
				}
			}
		}
		for _, r := range requests {
			fit.learn(r)
			fit.neighbours(r)
		}
		m := fit.fit()
		d := &draft{builder: &builder{clocks: m}}
		for _, r := range requests {
			layOut(m, r)
			checkInstants(t, "aligned", r)
			d.refine(r)
			checkInstants(t, "refined", r)
		}
		for _, at := range []time.Time{stepStart, {}, time.Unix(0, math.MaxInt64)} {
			for _, h := range append(m.Hosts(), m.HostsAt(at)...) {
				for _, x := range []float64{h.OffsetMS, h.SlackMS, h.DriftPPM} {
					if math.IsNaN(x) || math.IsInf(x, 0) {
						t.Fatalf("the clock of %s makes no sense: %+v", h.Host, h)
					}
				}
				if h.SlackMS < 0 {
					t.Fatalf("the slack of %s is less than nothing: %+v", h.Host, h)
				}
				for _, s := range h.Steps {
					if math.IsNaN(s.SizeMS) || math.IsInf(s.SizeMS, 0) {
						t.Fatalf("a step of %s makes no sense: %+v", h.Host, s)
					}
				}
			}
		}
	})
}

// checkInstants checks that every best guess of r lies in its interval.
func checkInstants(t *testing.T, what string, r *Request) {
	t.Helper()
	check := func(where string, a Instant) {
		if a.Known() && (a.Time.Before(a.Earliest) || a.Time.After(a.Latest) || a.Spread < 0) {
			t.Fatalf("%s, %s of request %s: %s lies outside of %s to %s, spread %s", what, where, r.ID, a.Time, a.Earliest, a.Latest, a.Spread)
		}
	}
	for i := range r.Events {
		check(fmt.Sprintf("start of event %d", i), r.Events[i].Start)
		check(fmt.Sprintf("end of event %d", i), r.Events[i].End)
	}
	for i, h := range r.Hops {
		check(fmt.Sprintf("start of hop %d", i), h.Start)
		check(fmt.Sprintf("end of hop %d", i), h.End)
	}
	for i, c := range r.Calls {
		check(fmt.Sprintf("start of call %d", i), c.Start)
		check(fmt.Sprintf("end of call %d", i), c.End)
	}
}
