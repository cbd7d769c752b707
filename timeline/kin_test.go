package timeline

import (
	"slices"
	"testing"
	"time"
)

// TestTwinZones: two logs of one service of the same exchanges, of which one writes its zone, tell by how much the other's stamps are ahead of
// UTC, if that is a zone and two logs stamp alike.
func TestTwinZones(t *testing.T) {
	access, own := bench{place{"orders", "app-1"}, "access.log"}, bench{place{"orders", "app-1"}, "orders.log"}
	const zoned, local = "app-1", "app-1" + localSuffix
	for _, c := range []struct {
		what         string
		upper, lower string // clocks
		twin         bool
		shift        *shift
		want         time.Duration
		none         bool
	}{
		{what: "an hour ahead", upper: local, lower: zoned, twin: true, shift: &shift{d: time.Hour + 40*time.Millisecond, exact: 10 * time.Millisecond}, want: time.Hour},
		{what: "the other way round", upper: zoned, lower: local, twin: true, shift: &shift{d: -time.Hour + 40*time.Millisecond, exact: 10 * time.Millisecond}, want: time.Hour},
		{what: "behind by a half", upper: local, lower: zoned, twin: true, shift: &shift{d: -210 * time.Minute}, want: -210 * time.Minute},
		{what: "UTC", upper: local, lower: zoned, twin: true, shift: &shift{d: 3 * time.Millisecond}, want: 0},
		{what: "by no zone", upper: local, lower: zoned, twin: true, shift: &shift{d: time.Hour + 7*time.Minute}, none: true},
		{what: "the same clock", upper: local, lower: local, twin: true, shift: &shift{d: time.Hour}, none: true},
		{what: "a caller and its callee", upper: local, lower: zoned, shift: &shift{d: time.Hour}, none: true},
		{what: "clocks that are known", upper: local, lower: zoned, twin: true, none: true},
	} {
		links := []*kinLink{{upper: own, lower: access, twin: c.twin, shift: c.shift}}
		got := twinZones(links, map[bench][]*end{own: {{clock: c.upper}}, access: {{clock: c.lower}}})
		if zone, ok := got["app-1"]; ok == c.none || zone != c.want {
			t.Errorf("%s: %v %v, want %v", c.what, zone, ok, c.want)
		}
	}
}

// TestOfOneSystem: what two systems were asked for alike at one time ties them not, if the rest of it ties each of them to its own; a way over a log
// between and a service that few ask stay.
func TestOfOneSystem(t *testing.T) {
	at := func(service string) bench { return bench{place{service, service}, "access"} }
	link := func(upper, lower string, exchanges ...int) *kinLink {
		l := &kinLink{upper: at(upper), lower: at(lower), met: meetings{pairs: map[int]int{}, back: map[int]int{}}}
		for _, i := range exchanges {
			l.met.pairs[i], l.met.back[i] = i, i
		}
		return l
	}
	for _, c := range []struct {
		what  string
		links []*kinLink
		out   string // lower log of the link that is left out
	}{
		{"another system", []*kinLink{link("web", "lb", 1, 2, 3, 4, 5, 6, 7, 8), link("other-web", "other-lb", 1, 2, 3, 4, 5, 6, 7, 8), link("web", "other-lb", 1, 2, 3)}, "other-lb"},
		{"nearly as many", []*kinLink{link("web", "lb", 1, 2, 3, 4), link("other-web", "other-lb", 1, 2, 3, 4), link("web", "other-lb", 1, 2, 3)}, ""},
		{"a log between", []*kinLink{link("web", "lb", 1, 2, 3, 4, 5, 6, 7, 8), link("lb", "app", 1, 2, 3, 11, 12, 13), link("web", "app", 1, 2, 3)}, ""},
		{"a service that few ask", []*kinLink{link("web", "lb", 1, 2, 3, 4, 5, 6, 7, 8), link("other-web", "mail", 21, 22, 23, 24, 25, 26, 27), link("web", "mail", 31, 32, 33)}, ""},
	} {
		kept := map[string]bool{}
		for _, l := range ofOneSystem(slices.Clone(c.links)) {
			kept[l.upper.service+" "+l.lower.service] = true
		}
		for _, l := range c.links {
			if name := l.upper.service + " " + l.lower.service; kept[name] == (l.upper.service == "web" && l.lower.service == c.out) {
				t.Errorf("%s: %s kept: %v", c.what, name, kept[name])
			}
		}
	}
}

// TestVia: what a proxy was told of those before it names the client of the one that called it.
func TestVia(t *testing.T) {
	for _, c := range []struct {
		forwarded, client string
		want              int
	}{
		{"198.51.100.7", "198.51.100.7", 1},
		{"198.51.100.7, 10.0.0.1", "10.0.0.1", 1},
		{"[2001:db8::7]:4711", "[2001:db8::7]", 1},
		{"198.51.100.7", "10.0.0.1", -1},
		{"", "10.0.0.1", 0},
		{"198.51.100.7", "", 0},
	} {
		x, o := &end{forwarded: c.forwarded}, &end{client: hostPart(c.client)}
		if got := x.via(o); got != c.want {
			t.Errorf("told %q, client %q: got %d, want %d", c.forwarded, c.client, got, c.want)
		}
	}
}

// TestNoLongerThanItsCaller: an exchange of which one end is logged lasted no longer than its caller waited, on a clock that is tied to none.
func TestNoLongerThanItsCaller(t *testing.T) {
	e := parseEvents(t, "web w1 server 10:00:10.000 res=1s status=502")[0]
	up := parseEvents(t, "edge e1 server 10:00:10.500 dur=20ms status=502 call=web,502,,20ms")[0]
	clocks := newClockFit().fit()
	call := &Call{Caller: &Hop{Service: "edge"}, Record: &Joined{Event: up}, Ended: Complete}
	h := &Hop{Service: "web", Events: []*Joined{{Event: e}}, Caller: call}
	x := exchangeOf(e, clocks)
	if got := x.raw.Hi.Sub(x.raw.Lo); got < unknownLength {
		t.Fatalf("of its own record it lasted %v at most, want %v and more", got, unknownLength)
	}
	call.Caller.Events = []*Joined{{Event: up}}
	x.narrow(h, clocks)
	if got := x.raw.Hi.Sub(x.raw.Lo); got > 1100*time.Millisecond {
		t.Errorf("its caller waited 20 ms, and it lasted %v at most", got)
	}
	for _, ended := range []Outcome{GaveUp, CallerLeft, Reset, OutcomeUnknown} {
		call.Ended = ended
		x = exchangeOf(e, clocks)
		if x.narrow(h, clocks); x.raw.Hi.Sub(x.raw.Lo) < unknownLength {
			t.Errorf("%s: its caller had no answer, and it may have gone on", ended)
		}
	}
}

// TestShiftBetween: exchanges of both logs that are all as far apart tell the shift of their clocks, however much either one logged while the other was not
// read, but not where the other was read and has nothing like them.
func TestShiftBetween(t *testing.T) {
	at := func(sec int) time.Time { return time.Date(2026, 3, 1, 12, 0, sec, 0, time.UTC) }
	log := func(host string, secs ...int) []*end {
		var out []*end
		for _, sec := range secs {
			e := &Event{Host: host, Time: at(sec)}
			out = append(out, &end{e: e, set: host + e.Time.String(), at: bench{place{host, host}, "log"}, line: "GET /", status: 500, got: 500, stop: RawSpan{at(sec), at(sec)}, hasStop: true})
		}
		return out
	}
	window := func(from, to int) Window { return Window{From: at(from), To: at(to)} }
	upper, lower := log("a", 10, 17, 31, 200, 231, 277, 313), log("b", 12, 19, 33, 400, 443, 499, 561)
	for _, c := range []struct {
		what string
		read hostWindows
		want bool
	}{
		{"each was read alone for some time", hostWindows{"": {window(0, 60)}, "a": {window(190, 320)}, "b": {window(390, 570)}}, true},
		{"both were read all the time", hostWindows{"": {window(0, 600)}}, false},
	} {
		s, ok := shiftBetween(upper, lower, true, c.read)
		if ok != c.want || ok && (s.d != -2*time.Second || s.pairs != 3) {
			t.Errorf("%s: %v %v by %d pairs", c.what, ok, s.d, s.pairs)
		}
	}
}

// TestSameShift: exchanges that both ends stamped to the second tell by how much two clocks are apart to far less than that, if most are as far apart.
func TestSameShift(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const ahead = 1300 * time.Millisecond // of the lower clock
	pairs := func(n int, stray int) (out []shifted) {
		for i := range n {
			u := at.Add(time.Duration(i*7919) * time.Millisecond)
			l := u.Add(ahead)
			if i < stray {
				l = l.Add(time.Duration(400+i*370) * time.Millisecond) // another request's
			}
			u = u.Truncate(time.Second)
			out = append(out, shifted{lo: l.Sub(u.Add(time.Second)), hi: l.Sub(u)})
		}
		return out
	}
	for _, c := range []struct {
		n, stray int
		want     bool
	}{{40, 0, true}, {40, 10, true}, {40, 30, false}, {shiftLeast - 1, 0, false}, {0, 0, false}} {
		got := sameShift(pairs(c.n, c.stray))
		if (got != nil) != c.want {
			t.Errorf("%d pairs, %d of them strays: %d are as far apart", c.n, c.stray, len(got))
			continue
		}
		lo, hi := time.Duration(-1<<62), time.Duration(1<<62)
		for _, s := range got {
			lo, hi = max(lo, s.lo), min(hi, s.hi)
		}
		if c.want && (lo > ahead || hi < ahead || hi-lo > 4*hopTolerance) {
			t.Errorf("%d pairs, %d of them strays: between %v and %v, want %v", c.n, c.stray, lo, hi, ahead)
		}
	}
}
