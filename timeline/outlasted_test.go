package timeline

import (
	"testing"
	"time"
)

// TestOutlasted: a callee that was certainly at work after its caller had answered has outlasted it, as far as records tell of that.
func TestOutlasted(t *testing.T) {
	at := func(ms int) Instant {
		m := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(ms) * time.Millisecond)
		return Instant{Earliest: m.Add(-5 * time.Millisecond), Time: m, Latest: m.Add(5 * time.Millisecond)}
	}
	waited := &Joined{Event: &Event{Kind: ServerSpan, Stamp: Stamp{Meaning: End, Resolution: time.Millisecond}}}
	// A caller whose clock may be off by hours, and which answered 504 to one that had answered at 30.
	relayed := func(received int, own bool) *Hop {
		h := &Hop{Sent: Status{Code: 504}, End: Instant{Earliest: at(-1e7).Time, Time: at(30).Time, Latest: at(1e7).Time}}
		h.Caller = &Call{Caller: &Hop{End: at(30)}, Callee: h, Received: Status{Code: received}, OwnMade: own, Record: waited, End: at(30)}
		return h
	}
	moment := &Joined{Event: &Event{Kind: ServerSpan, Stamp: Stamp{Meaning: Within, Resolution: time.Second}}}
	for _, c := range []struct {
		what   string
		caller *Hop
		callee *Hop
		want   bool
	}{
		{"ended long after", &Hop{End: at(30)}, &Hop{End: at(300)}, true},
		{"ended before", &Hop{End: at(300)}, &Hop{End: at(30)}, false},
		{"within what logging takes", &Hop{End: at(30)}, &Hop{End: at(70)}, false},
		{"no record tells when the caller had answered", &Hop{}, &Hop{End: at(300)}, false},
		{"who called the caller tells", &Hop{Caller: &Call{Record: waited, End: at(30)}}, &Hop{End: at(300)}, true},
		{"who called the caller tells but a moment", &Hop{Caller: &Call{Record: moment, End: at(30)}}, &Hop{End: at(300)}, false},
		{"nothing tells when the callee ended", &Hop{End: at(30)}, &Hop{}, false},
		{"whoever passed its answer on had it before", relayed(504, false), &Hop{End: at(300)}, true},
		{"who called it made an answer of its own", relayed(504, true), &Hop{End: at(300)}, false},
		{"who called it got another answer", relayed(200, false), &Hop{End: at(300)}, false},
	} {
		call := &Call{Caller: c.caller, Callee: c.callee}
		if got := call.Outlasted(); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
		if got, want := call.AnsweredFirst(), c.what == "ended before"; got != want {
			t.Errorf("%s: answered first: %v, want %v", c.what, got, want)
		}
	}
	if (&Call{Caller: &Hop{End: at(30)}}).Outlasted() {
		t.Error("without a callee: true")
	}
}

// TestOutwaited: a 504 of which nobody says who made it is the caller's own if who was asked answered well, after it.
func TestOutwaited(t *testing.T) {
	at := func(ms int) Instant {
		m := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(ms) * time.Millisecond)
		return Instant{Earliest: m, Time: m, Latest: m}
	}
	for _, c := range []struct {
		what           string
		received, sent int
		unsure         bool
		ended          int // of the callee
		want           Outcome
	}{
		{"it answered well after it", 504, 200, true, 12300, GaveUp},
		{"it answered well before it", 504, 200, true, 900, Complete},
		{"it failed", 504, 500, true, 12300, Complete},
		{"another status", 502, 200, true, 12300, Complete},
		{"the record says that it was received", 504, 200, false, 12300, Complete},
	} {
		span := &Joined{Event: &Event{Kind: ServerSpan, Stamp: Stamp{Meaning: End, Resolution: time.Millisecond}}}
		caller, callee := &Hop{ID: 1, Service: "edge", Sent: Status{Code: c.received}, Start: at(0), End: at(10000), Events: []*Joined{span}}, &Hop{ID: 2, Service: "shop", Sent: Status{Code: c.sent}, Start: at(1), End: at(c.ended), Events: []*Joined{span}}
		call := &Call{ID: 1, Caller: caller, Callee: callee, Received: Status{Code: c.received}, Unsure: c.unsure, Record: span}
		caller.Calls, callee.Caller = []*Call{call}, call
		Resolve(&Request{Hops: []*Hop{caller, callee}, Calls: []*Call{call}})
		if own := c.want == GaveUp; call.Ended != c.want || call.OwnMade != own {
			t.Errorf("%s: %v, own made: %v, want %v", c.what, call.Ended, call.OwnMade, c.want)
		}
	}
}
