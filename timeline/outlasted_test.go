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
