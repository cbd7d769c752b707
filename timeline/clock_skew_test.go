package timeline

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A skewCase is one request in the notation of parseEvents. clock= is by how much a host's clock
// is wrong: without it the line tells the truth.
type skewCase struct {
	name  string
	lines string
	// moved are hosts and the range in which their clock may be moved against that of the first
	// line's host so that the same records are true: the single request cannot tell one of them from another.
	moved map[string][2]time.Duration
	// contradictions are what the records deny, in part.
	contradictions []string
	untied         int // hosts that nothing ties to the reference
	change         func(e *Event)
}

var clockField = regexp.MustCompile(` clock=\S+`)

// The ideas of these cases, not their text or numbers, are those of the tests of two tools that
// correct clock skew in one trace: Jaeger (jaegertracing/jaeger, adjuster/clockskew_test.go) and Zipkin
// (openzipkin/zipkin, CorrectForClockSkewTest). Both move a child into the middle of its parent and overwrite its
// times. Here times stay as they are, and the interval holds all that the records allow.
//
// In most cases the caller on g1 waits 120 ms, from 10:00:01.000 on, and its callee on a1 works for 40 ms. That
// can have been in the first 40 ms or in the last: a1's clock is told to 80 ms.
var skewCases = []skewCase{
	{
		name: "child fits into its parent",
		lines: `
gate g1 server 10:00:01.120 dur=120ms status=200 rid=r call=a1:80,200,complete,120ms
app  a1 server 10:00:01.070 dur=40ms status=200 rid=r
`,
		// It begins at 30 ms as it stands: up to 30 ms earlier, or 120-70 = 50 ms later.
		moved: map[string][2]time.Duration{"a1": {-30 * time.Millisecond, 50 * time.Millisecond}},
	},
	{
		name: "child starts before its parent",
		lines: `
gate g1 server 10:00:01.120 dur=120ms status=200 rid=r call=a1:80,200,complete,120ms
app  a1 server 10:00:01.070 dur=40ms status=200 rid=r clock=-200ms
`,
		moved: map[string][2]time.Duration{"a1": {-30 * time.Millisecond, 50 * time.Millisecond}},
	},
	{
		name: "child ends after its parent",
		lines: `
gate g1 server 10:00:01.120 dur=120ms status=200 rid=r call=a1:80,200,complete,120ms
app  a1 server 10:00:01.041 dur=40ms status=200 rid=r clock=+90ms
`,
		moved: map[string][2]time.Duration{"a1": {-1 * time.Millisecond, 79 * time.Millisecond}},
	},
	{
		name: "child lies after its parent",
		lines: `
gate g1 server 10:00:01.120 dur=120ms status=200 rid=r call=a1:80,200,complete,120ms
app  a1 server 10:00:01.119 dur=40ms status=200 rid=r clock=+7s
`,
		moved: map[string][2]time.Duration{"a1": {-79 * time.Millisecond, 1 * time.Millisecond}},
	},
	{
		name: "a clock that is wrong by hours is no exception",
		lines: `
gate g1 server 10:00:01.120 dur=120ms status=200 rid=r call=a1:80,200,complete,120ms
app  a1 server 10:00:01.070 dur=40ms status=200 rid=r clock=-37h
`,
		moved: map[string][2]time.Duration{"a1": {-30 * time.Millisecond, 50 * time.Millisecond}},
	},
	{
		name: "child as long as its parent is told exactly",
		lines: `
gate g1 server 10:00:01.120 dur=120ms status=200 rid=r call=a1:80,200,complete,120ms
app  a1 server 10:00:01.120 dur=120ms status=200 rid=r clock=-3s
`,
	},
	{
		name: "child of one host before its parent is not moved",
		lines: `
gate g1 server 10:00:01.120 dur=120ms status=200 rid=r call=app:80,200,complete,120ms
app  g1 server 10:00:01.030 dur=40ms status=200 rid=r
`,
		contradictions: []string{"app began before gate called it"},
	},
	{
		name: "child of one host inside its parent",
		lines: `
gate g1 server 10:00:01.120 dur=120ms status=200 rid=r call=app:80,200,complete,120ms
app  g1 server 10:00:01.070 dur=40ms status=200 rid=r
`,
	},
	{
		name: "what one host logs is moved together",
		lines: `
gate g1 server 10:00:01.120 dur=120ms status=200 rid=r call=a1:80,200,complete,120ms
app  a1 server 10:00:01.110 dur=80ms status=200 rid=r clock=-50s call=stock:80,200,complete,20ms
stock a1 server 10:00:01.070 dur=20ms status=200 rid=r clock=-50s
app  a1 log 10:00:01.095 rid=r clock=-50s "half done"
`,
		moved: map[string][2]time.Duration{"a1": {-30 * time.Millisecond, 10 * time.Millisecond}},
	},
	{
		name: "two children on two hosts",
		lines: `
gate g1 server 10:00:01.120 dur=120ms status=200 rid=r call=a1:80,200,complete,50ms call=b1:80,200,complete,60ms
app  a1 server 10:00:01.045 dur=40ms status=200 rid=r clock=+300ms
stock b1 server 10:00:01.110 dur=50ms status=200 rid=r clock=-300ms
`,
		// Nothing is said of when each call was made: both may lie anywhere in the parent.
		moved: map[string][2]time.Duration{"a1": {-5 * time.Millisecond, 75 * time.Millisecond}, "b1": {-60 * time.Millisecond, 10 * time.Millisecond}},
	},
	{
		name: "child of a child",
		lines: `
gate g1 server 10:00:01.120 dur=120ms status=200 rid=r call=a1:80,200,complete,120ms
app  a1 server 10:00:01.110 dur=100ms status=200 rid=r clock=-4s call=d1:80,200,complete,100ms
stock d1 server 10:00:01.060 dur=40ms status=200 rid=r clock=+9s
`,
		// The middle one may be moved by 10 ms, and the last with it: to 0-40 ms or to 80-120 ms.
		moved: map[string][2]time.Duration{"a1": {-10 * time.Millisecond, 10 * time.Millisecond}, "d1": {-20 * time.Millisecond, 60 * time.Millisecond}},
	},
	{
		name: "the same wrong clock on two hosts",
		lines: `
gate g1 server 10:00:01.120 dur=120ms status=200 rid=r call=a1:80,200,complete,120ms
app  a1 server 10:00:01.110 dur=100ms status=200 rid=r clock=+50s call=d1:80,200,complete,100ms
stock d1 server 10:00:01.060 dur=40ms status=200 rid=r clock=+50s
`,
		moved: map[string][2]time.Duration{"a1": {-10 * time.Millisecond, 10 * time.Millisecond}, "d1": {-20 * time.Millisecond, 60 * time.Millisecond}},
	},
	{
		name: "child is longer than its parent",
		lines: `
gate g1 server 10:00:01.120 dur=120ms status=200 rid=r call=a1:80,200,complete,120ms
app  a1 server 10:00:01.190 dur=180ms status=200 rid=r
`,
		contradictions: []string{"app "}, // began too early or was done too late
	},
	{
		name: "child is longer than its parent and starts before it",
		lines: `
gate g1 server 10:00:01.120 dur=120ms status=200 rid=r call=a1:80,200,complete,120ms
app  a1 server 10:00:01.190 dur=180ms status=200 rid=r clock=-100ms
`,
		contradictions: []string{"app "},
	},
	{
		name: "the parent gave up: a longer child is no contradiction",
		lines: `
gate g1 server 10:00:01.120 dur=120ms status=504 rid=r call=a1:80,504!,gave_up,120ms
app  a1 server 10:00:01.190 dur=180ms status=200 rid=r clock=-100ms
`,
		// It began within the 120 ms, at 10 ms as it stands.
		moved: map[string][2]time.Duration{"a1": {-10 * time.Millisecond, 110 * time.Millisecond}},
	},
	{
		name: "missing parent",
		lines: `
app  a1 server 10:00:01.070 dur=40ms status=200 rid=r clock=-3s call=d1:80,200,complete,40ms
stock x1 server 10:00:01.060 dur=20ms status=200 rid=other
`,
	},
	{
		name: "client and server",
		lines: `
front w1 client 10:00:01.120 dur=120ms status=200 rid=r call=a1:80,200,complete,120ms
back  a1 server 10:00:01.070 dur=40ms status=200 rid=r clock=-200ms
`,
		moved: map[string][2]time.Duration{"a1": {-30 * time.Millisecond, 50 * time.Millisecond}},
	},
	{
		name: "client and server of one host are not moved",
		lines: `
front w1 client 10:00:01.120 dur=120ms status=200 rid=r call=back:80,200,complete,120ms
back  w1 server 10:00:01.030 dur=40ms status=200 rid=r
`,
		contradictions: []string{"back began before front called it"},
	},
	{
		name: "one way: only the starts are known",
		lines: `
front w1 client 10:00:01.000 status=200 rid=r call=a1:80,200,complete
back  a1 server 10:00:01.003 status=200 rid=r clock=-200ms
`,
		change: func(e *Event) { e.Stamp.Meaning = Start },
		untied: 1,
	},
	{
		name: "the client stopped waiting",
		lines: `
front w1 client 10:00:01.050 dur=50ms status=504 rid=r call=a1:80,504!,gave_up,50ms
back  a1 server 10:00:01.120 dur=100ms status=200 rid=r clock=-200ms
`,
		// The server began within the 50 ms, at 20 ms as it stands.
		moved: map[string][2]time.Duration{"a1": {-20 * time.Millisecond, 30 * time.Millisecond}},
	},
}

func TestSkewOfOneRequest(t *testing.T) {
	for _, c := range skewCases {
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

func (c *skewCase) run(t *testing.T) {
	written := parseEvents(t, c.lines)
	truth := parseEvents(t, clockField.ReplaceAllString(c.lines, ""))
	if c.change != nil {
		for i := range written {
			c.change(written[i])
			c.change(truth[i])
		}
	}
	col, err := Collect(t.Context(), []Named{{Name: "m", Source: written}}, Query{Filter: Filter{Any: []Want{{Keys: []Key{{Name: KeyRequestID, Value: "r"}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(col.Requests) != 1 {
		t.Fatalf("%d requests, want one", len(col.Requests))
	}
	r := col.Requests[0]
	c.checkContradictions(t, r)

	host, base := c.reference(t, col.Clocks, written, truth)
	untied := 0
	for _, h := range col.Clocks.Hosts() {
		if h.Host != "x1" && !h.Tied {
			untied++
		}
	}
	if untied != c.untied {
		t.Errorf("%d hosts are untied, want %d", untied, c.untied)
	}
	for i := range r.Events {
		e := &r.Events[i]
		k := slices.IndexFunc(written, func(w *Event) bool { return w.Pos.Offset == e.Pos.Offset && w.Pos.Path == e.Pos.Path })
		if !e.Time.Equal(written[k].Time) || e.Duration != written[k].Duration {
			t.Errorf("%s: the time or the length of the record was changed", e.Pos)
		}
		start, end, startOK, endOK := truth[k].Interval()
		if len(c.contradictions) > 0 { // no truth is known, but nothing is squeezed
			if d := e.End.Time.Sub(e.Start.Time); startOK && endOK && (d-e.Duration).Abs() > 2*time.Millisecond {
				t.Errorf("%s: it lasts %s on the common time line, want %s", e.Pos, d, e.Duration)
			}
		}
		for _, side := range []struct {
			what string
			raw  RawSpan
			at   Instant
			ok   bool
		}{{"start", start, e.Start, startOK}, {"end", end, e.End, endOK}} {
			if side.ok {
				c.checkSide(t, fmt.Sprintf("%s of %s", side.what, e.Pos), e.Host, host, side.raw, side.at, base)
			}
		}
	}
}

// reference gives the host against which clocks are told, and by how much its clock is wrong.
func (c *skewCase) reference(t *testing.T, m *ClockModel, written, truth memory) (string, time.Duration) {
	t.Helper()
	ref := reference(t, m)
	for i, e := range written {
		if e.Host == ref.Host {
			return ref.Host, e.Time.Sub(truth[i].Time)
		}
	}
	t.Fatalf("the reference %s has no record", ref.Host)
	return "", 0
}

// first is the host of the first line.
func (c *skewCase) first() string { return strings.Fields(c.lines)[1] }

// checkSide checks that the instant holds the truth and all else that the records allow, and
// not much more.
func (c *skewCase) checkSide(t *testing.T, what, host, ref string, raw RawSpan, at Instant, base time.Duration) {
	t.Helper()
	if at.Time.Before(at.Earliest) || at.Time.After(at.Latest) {
		t.Errorf("%s: the best guess %s lies outside of %s to %s", what, at.Time, at.Earliest, at.Latest)
	}
	if len(c.contradictions) > 0 {
		return
	}
	// The truth lies somewhere within the stamp.
	lo, hi := raw.Lo.Add(base), raw.Hi.Add(base)
	text := func(x time.Time) string { return x.Format("05.000") }
	if hi.Before(at.Earliest) || lo.After(at.Latest) {
		t.Errorf("%s was at %s, but the instant is %s to %s", what, text(lo), text(at.Earliest), text(at.Latest))
	}
	moved, ok := c.moved[host]
	switch against, other := c.moved[ref]; {
	case !other:
	case host == c.first(): // told against another one, it is the first line's host that may be moved
		moved, ok = [2]time.Duration{-against[1], -against[0]}, true
	default:
		ok = false
	}
	if !ok {
		return
	}
	if earliest := hi.Add(moved[0]); at.Earliest.After(earliest) {
		t.Errorf("%s: the records allow %s, but the instant begins at %s", what, text(earliest), text(at.Earliest))
	}
	if latest := lo.Add(moved[1]); at.Latest.Before(latest) {
		t.Errorf("%s: the records allow %s, but the instant ends at %s", what, text(latest), text(at.Latest))
	}
	// Two truncated stamps and two truncated lengths add up to 4 ms, on each side.
	if width, most := at.Latest.Sub(at.Earliest), moved[1]-moved[0]+10*time.Millisecond; width > most {
		t.Errorf("%s: the instant is %s wide, and the records leave %s", what, width, most)
	}
}

func (c *skewCase) checkContradictions(t *testing.T, r *Request) {
	t.Helper()
	var got []string
	for _, x := range r.Contradictions {
		got = append(got, x.What)
	}
	if len(got) != len(c.contradictions) {
		t.Errorf("contradictions: got %q, want %q", got, c.contradictions)
		return
	}
	for i, want := range c.contradictions {
		if !strings.Contains(got[i], want) {
			t.Errorf("contradictions: got %q, want %q", got[i], want)
		}
		if r.Contradictions[i].Call == nil {
			t.Errorf("contradiction %q names no call", got[i])
		}
	}
}

// Of one request nobody can tell when the child began within its parent. So an order that
// rests on the middle of what is possible is never called certain.
func TestSkewOfOneRequestIsNotCalledCertain(t *testing.T) {
	col, err := Collect(t.Context(), []Named{{Name: "m", Source: parseEvents(t, `
gate g1 server 10:00:01.120 dur=120ms status=200 rid=r call=a1:80,200,complete,120ms
gate g1 log 10:00:01.055 rid=r "in the middle"
app  a1 server 10:00:01.041 dur=40ms status=200 rid=r clock=-200ms
`)}}, Query{Filter: Filter{Any: []Want{{Keys: []Key{{Name: KeyRequestID, Value: "r"}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	var message, begin Instant
	for _, e := range col.Requests[0].Events {
		switch {
		case e.Kind == LogRecord:
			message = e.Start
		case e.Host == "a1":
			begin = e.Start
		}
	}
	// The child began at 1 ms in truth; by the records it may have begun at 0 to 80 ms, and 55 lies in there.
	if _, certain := begin.Before(message); certain {
		t.Errorf("the order of %s and %s is called certain", begin, message)
	}
	if half := begin.Slack(); half < 35*time.Millisecond {
		t.Errorf("the begin is told to ±%s, and the records leave ±40 ms", half)
	}
}

// A second request tells more: what both allow is left.
func TestSkewOfTwoRequests(t *testing.T) {
	// In the first request the child lies at the begin of its parent, in the second at the end. Its
	// clock is 200 ms behind: what they allow is -200-0 to -200+80 and -200-80 to -200+0.
	c := skewCase{
		lines: `
gate g1 server 10:00:01.120 dur=120ms status=200 rid=r call=a1:80,200,complete,120ms
app  a1 server 10:00:01.040 dur=40ms status=200 rid=r clock=-200ms
gate g1 server 10:00:02.120 dur=120ms status=500 rid=r2 call=a1:80,500,complete,120ms
app  a1 server 10:00:02.120 dur=40ms status=500 rid=r2 clock=-200ms
`,
		moved: map[string][2]time.Duration{"a1": {-1 * time.Millisecond, 1 * time.Millisecond}},
	}
	c.run(t)
}

// Two requests ten minutes apart, and in between the clock of a1 was set by 5 s: no line fits, and
// two calls are too few to see a step. Nothing breaks, and the intervals hold both.
func TestTwoRequestsWithAStepBetween(t *testing.T) {
	col, err := Collect(t.Context(), []Named{{Name: "m", Source: parseEvents(t, `
gate g1 server 10:00:01.120 dur=120ms status=500 rid=r1 call=a1:80,500,complete,120ms
app  a1 server 10:00:01.070 dur=40ms status=500 rid=r1
gate g1 server 10:10:01.120 dur=120ms status=500 rid=r2 call=a1:80,500,complete,120ms
app  a1 server 10:10:01.070 dur=40ms status=500 rid=r2 clock=+5s
`)}}, Query{Filter: Filter{Any: []Want{{Failed: &Failed{}}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range col.Clocks.Hosts() {
		if math.IsNaN(h.OffsetMS) || math.IsNaN(h.SlackMS) {
			t.Errorf("the clock of %s is not a number: %+v", h.Host, h)
		}
	}
	for _, r := range col.Requests {
		for _, e := range r.Events {
			if a := e.Start; a.Time.Before(a.Earliest) || a.Time.After(a.Latest) || a.Time.Before(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)) {
				t.Errorf("%s: %s is not in %s to %s", e.Pos, a.Time, a.Earliest, a.Latest)
			}
		}
	}
}

// A callee that logged one message only, and that before its caller called it: the instant of its
// begin is still one.
func TestSkewOfAMessageBeforeItsCall(t *testing.T) {
	col, err := Collect(t.Context(), []Named{{Name: "m", Source: parseEvents(t, `
gate g1 server 10:00:01.120 dur=120ms status=500 rid=r call=app:80,500,complete,120ms
app  g1 log 10:00:00.900 rid=r "much too early"
`)}}, Query{Filter: Filter{Any: []Want{{Failed: &Failed{}}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range col.Requests[0].Hops {
		if a := h.Start; a.Time.Before(a.Earliest) || a.Time.After(a.Latest) {
			t.Errorf("%s began at %s, which is not in %s to %s", h.Service, a.Time, a.Earliest, a.Latest)
		}
	}
}
