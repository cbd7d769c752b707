package timeline

import (
	"testing"
	"time"
)

// rightClock is the model of a single host, whose clock is right.
func rightClock(host string) *ClockModel {
	f := newClockFit()
	f.clockNamed(host)
	return f.fit()
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// after is the moment so many milliseconds after noon, known exactly.
func after(ms int) Instant {
	at := noon.Add(time.Duration(ms) * time.Millisecond)
	return Instant{Earliest: at, Time: at, Latest: at}
}

// TestToldAt: a record of a life without a stamp was written between those that stand around it in its stream: of an end the
// best guess is the one before, of a start the one behind.
func TestToldAt(t *testing.T) {
	record := func(offset int64, ms int, path string) *Event {
		return &Event{Service: "orders", Host: "app-1", Kind: LogRecord, Time: noon.Add(time.Duration(ms) * time.Millisecond), Stamp: Stamp{Meaning: Within, Zone: ZoneWritten}, Pos: Pos{Path: path, Offset: offset}}
	}
	stamped := []*Event{record(1, 100, "orders.log"), record(3, 900, "orders.log"), record(2, 500, "other.log"), record(4, 1500, "orders.log")}
	for _, c := range []struct {
		name                   string
		life                   Lifecycle
		undated                bool
		from, best, to, offset int
	}{
		{"a stamped end", ProcessCrashed, false, 100, 100, 100, 2},
		{"an end", ProcessCrashed, true, 100, 100, 900, 2},
		{"a start", ProcessReady, true, 100, 900, 900, 2},
		{"the last record", ProcessCrashed, true, 100, 100, 100 + int(unknownLength.Milliseconds()), 5},
	} {
		e := record(int64(c.offset), 100, "orders.log")
		e.Lifecycle = c.life
		if c.undated {
			e.Attrs.Set(inferredTime, "true")
		}
		got := toldAt(e, stamped, rightClock("app-1"))
		if got.Earliest != after(c.from).Time || got.Time != after(c.best).Time || got.Latest != after(c.to).Time {
			t.Errorf("%s was told between %s and %s, most likely at %s; want %d, %d, %d ms", c.name, got.Earliest.Sub(noon), got.Latest.Sub(noon), got.Time.Sub(noon), c.from, c.to, c.best)
		}
	}
}

// TestDiedMeanwhile: a 502 that a proxy made by itself is of a connection that broke if the callee's process was there after the call had begun
// and gone when the proxy answered, and nobody had asked it to stop.
func TestDiedMeanwhile(t *testing.T) {
	lived := func(from, to int, change func(p *Process)) []*Process {
		p := &Process{Service: "orders", Host: "app-1", Start: after(-60_000), End: Instant{Earliest: after(from).Time, Time: after(to).Time, Latest: after(to).Time}, Events: []*Event{{}}}
		if change != nil {
			change(p)
		}
		return []*Process{p}
	}
	call := func(change func(c *Call)) *Call {
		c := &Call{
			Caller: &Hop{Service: "lb"}, Callee: &Hop{Service: "orders", Host: "app-1"}, Received: Status{Code: 502}, OwnMade: true, Start: after(0), End: after(400),
			Record: &Joined{Event: &Event{Kind: ClientSpan, Duration: 400 * time.Millisecond, Stamp: Stamp{Meaning: End, DurationResolution: time.Millisecond}}},
		}
		if change != nil {
			change(c)
		}
		return c
	}
	for _, x := range []struct {
		name  string
		lives []*Process
		call  *Call
		broke bool
	}{
		{"it wrote something at 100 ms and was gone later", lived(100, 300, nil), call(nil), true},
		{"it was last seen before the call", lived(-100, 300, nil), call(nil), false},
		{"it was seen after the answer", lived(500, 600, nil), call(nil), false},
		{"it was asked to stop", lived(100, 300, func(p *Process) { p.Stopping = after(50) }), call(nil), false},
		{"it was stopped", lived(100, 300, func(p *Process) { p.HowEnded = ProcessStopped }), call(nil), false},
		{"a worker of several", lived(100, 300, func(p *Process) { p.Worker = true }), call(nil), false},
		{"it lives", []*Process{{Service: "orders", Host: "app-1", Start: after(-60_000), Events: []*Event{{}}}}, call(nil), false},
		{"another service died", lived(100, 300, func(p *Process) { p.Service = "stock" }), call(nil), false},
		{"the callee sent the 502", lived(100, 300, nil), call(func(c *Call) { c.OwnMade = false }), false},
		{"another status", lived(100, 300, nil), call(func(c *Call) { c.Received.Code = 503 }), false},
		{"the proxy says that it was refused", lived(100, 300, nil), call(func(c *Call) { c.Ended = Refused }), false},
	} {
		was := x.call.Ended
		diedMeanwhile(x.lives, x.call)
		if want := map[bool]Outcome{true: Reset, false: was}[x.broke]; x.call.Ended != want {
			t.Errorf("%s: the call ended by %s, want %s", x.name, x.call.Ended, want)
		}
	}
}

// TestNextLogged: a message is of the exchange whose record comes next in its stream, where each is written when the exchange is over.
func TestNextLogged(t *testing.T) {
	hop := func(name, path string, offset int64, meaning Meaning) *Hop {
		return &Hop{Service: name, Events: []*Joined{{Event: &Event{Kind: ServerSpan, Stamp: Stamp{Meaning: meaning}, Pos: Pos{Path: path, Offset: offset}}}}}
	}
	message := &Joined{Event: &Event{Kind: LogRecord, Pos: Pos{Path: "orders.log", Offset: 20}}}
	for _, c := range []struct {
		name string
		fits []*Hop
		want string
	}{
		{"the next", []*Hop{hop("a", "orders.log", 40, End), hop("b", "orders.log", 30, End), hop("c", "orders.log", 10, End)}, "b"},
		{"none comes after it", []*Hop{hop("a", "orders.log", 5, End), hop("b", "orders.log", 10, End)}, "a"},
		{"one is logged elsewhere", []*Hop{hop("a", "access.log", 40, End), hop("b", "orders.log", 30, End)}, "a"},
		{"one is logged when it begins", []*Hop{hop("a", "orders.log", 40, Start), hop("b", "orders.log", 30, End)}, "a"},
	} {
		if got := nextLogged(c.fits, message); got.Service != c.want {
			t.Errorf("%s: it is of %s, want %s", c.name, got.Service, c.want)
		}
	}
}
