package timeline

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"
)

// memory is a source that holds its events and gives all of them whatever is asked for.
type memory []*Event

func (m memory) Events(ctx context.Context, f Filter) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		for _, e := range m {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			if !yield(e.Clone(), nil) {
				return
			}
		}
	}
}

// parseEvents reads the notation of the test files, one event a line:
//
//	service host kind time [name=value ...] ["body"]
//
// kind is server, client, internal or log. Server and client records are stamped at their end;
// dur= is their duration. rid= and tid= are the identity keys. call=PEER,STATUS,ENDED,DUR (repeated) is
// what an access record says of its calls, with ,TARGET,ERROR,METHOD if they matter; a status with ! was made by the writer. clock=+3s moves the stamp,
// within says that it is a moment within the exchange.
func parseEvents(t *testing.T, text string) memory {
	t.Helper()
	var out memory
	for i, line := range strings.Split(text, "\n") {
		line, body, _ := strings.Cut(line, `"`)
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		e := &Event{Service: f[0], Host: f[1], Body: strings.TrimSuffix(body, `"`), Raw: []byte(line + body)}
		e.Pos = Pos{Path: f[1] + "/" + f[0] + ".log", Offset: int64(i), Line: i + 1}
		e.Format = "test"
		e.Stamp = Stamp{Meaning: Within, Resolution: time.Millisecond, Zone: ZoneWritten}
		switch f[2] {
		case "server":
			e.Kind, e.Stamp.Meaning = ServerSpan, End
		case "client":
			e.Kind, e.Stamp.Meaning = ClientSpan, End
		case "internal":
			e.Kind, e.Stamp.Meaning = InternalSpan, End
		}
		at, err := time.Parse("15:04:05.000", f[3])
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		e.Time = at.AddDate(2026, 2, 0)
		for _, a := range f[4:] {
			name, v, _ := strings.Cut(a, "=")
			switch name {
			case "dur":
				e.Duration, e.Stamp.DurationResolution = parseDuration(t, v), time.Millisecond
			case "status":
				e.StatusCode, _ = strconv.Atoi(v)
				e.Failed = e.StatusCode >= 500
			case "rid":
				e.Keys = append(e.Keys, Key{Name: KeyRequestID, Value: v})
			case "tid":
				e.Keys = append(e.Keys, Key{Name: KeyTraceID, Value: v})
			case "clock":
				e.Time = e.Time.Add(parseDuration(t, v))
			case "zone":
				e.Stamp.Zone = ZoneUnknown
			case "within":
				e.Stamp.Meaning = Within
			case "failed":
				e.Failed = true
			case "undated":
				e.Time, e.Stamp = time.Time{}, Stamp{}
			case "res":
				e.Stamp.Resolution = parseDuration(t, v)
				e.Time = e.Time.Truncate(e.Stamp.Resolution)
			case "role":
				e.Role, _ = ParseRole(v)
			case "ended":
				e.Ended, _ = ParseOutcome(v)
			case "life":
				e.Lifecycle, _ = ParseLifecycle(v)
			case "exception":
				e.Exception = &Exception{Type: v, Message: e.Body}
				e.Failed = true
			case KeyConnection, KeyThread, KeyPID:
				e.Keys = append(e.Keys, Key{Name: name, Value: v, Scope: e.Host, Strength: Context})
				e.Attrs.Set(name, v)
			case "file":
				e.Pos.Path = f[1] + "/" + v
			case "format":
				e.Format = v
			case "severity":
				e.Severity = v
			case "message":
				e.Exception.Message = strings.ReplaceAll(v, "_", " ")
			case "function":
				e.Exception.Function = v
			case "source":
				e.Exception.File = v
			case "escaped":
				e.Exception.Escaped = true
			case "call":
				e.Calls = append(e.Calls, parseCall(t, v))
			case "system":
				e.System = v
			case "span", "parent":
				if name == "span" {
					e.SpanID = v
				} else {
					e.ParentSpanID = v
				}
				e.Traced = e.Kind != LogRecord
			default:
				e.Attrs.Set(name, v)
			}
		}
		if e.Kind == ClientSpan && len(e.Calls) == 1 && e.Calls[0].Method == "" {
			e.Calls[0].Method = e.Attrs.Get("http.request.method")
		}
		if e.Kind == ClientSpan && len(e.Calls) == 1 && e.Stamp.HasDuration() {
			e.Calls[0].Timed, e.Calls[0].Duration = true, e.Duration
		}
		out = append(out, e)
	}
	return out
}

func parseCall(t *testing.T, v string) Outcall {
	t.Helper()
	p := append(strings.Split(v, ","), "", "", "", "", "", "")
	o := Outcall{Peer: p[0], Target: p[4], Error: p[5], Method: p[6]}
	code, own := strings.CutSuffix(p[1], "!")
	o.Status, _ = strconv.Atoi(code)
	o.OwnMade = own
	if p[2] != "" {
		var err error
		if o.Ended, err = ParseOutcome(p[2]); err != nil {
			t.Fatal(err)
		}
	}
	if p[3] != "" {
		o.Duration, o.Timed = parseDuration(t, p[3]), true
	}
	return o
}

func parseDuration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// describe writes a request as the test files show it.
func describe(r *Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "request %s client=%s failed=%v", r.ID, r.Client, r.Failed)
	if r.Truncated {
		b.WriteString(" truncated")
	}
	b.WriteByte('\n')
	for _, h := range r.Hops {
		fmt.Fprintf(&b, "%s%s@%s got=%s sent=%s %s", strings.Repeat("  ", h.Depth+1), h.Service, h.Host, h.Received, h.Sent, h.Lineage)
		if h.Attempt > 1 {
			fmt.Fprintf(&b, " attempt=%d", h.Attempt)
		}
		if h.Caller != nil && h.Caller.Ended != OutcomeUnknown {
			fmt.Fprintf(&b, " call=%s", h.Caller.Ended)
		}
		if h.Silent {
			b.WriteString(" silent")
		}
		if h.HandledByCaller {
			b.WriteString(" handled")
		}
		inferred, candidates, told := 0, 1, ""
		for _, e := range h.Events {
			if e.Join == ByInferred {
				inferred++
				candidates = max(candidates, e.Candidates)
				if e.Told {
					told = ", told apart: " + e.Reason
				}
			}
		}
		fmt.Fprintf(&b, " events=%d", len(h.Events))
		if inferred > 0 {
			fmt.Fprintf(&b, " inferred=%d", inferred)
			if candidates > 1 {
				fmt.Fprintf(&b, " of %d candidates%s", candidates, told)
			}
		}
		b.WriteByte('\n')
	}
	if t := TraceOrigin(r); t.Origin != nil {
		fmt.Fprintf(&b, "  origin %s", t.Origin.Service)
		for _, d := range t.Doubts {
			fmt.Fprintf(&b, "; doubt: %s", d.Words)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func collectText(t *testing.T, srcs []Named, q Query, clocks bool) string {
	t.Helper()
	c, err := Collect(context.Background(), srcs, q)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, r := range c.Requests {
		b.WriteString(describe(r))
	}
	for _, r := range c.Requests {
		behind := c.Behind(r)
		if origin := TraceOrigin(r).Origin; origin != nil {
			behind = append(behind, c.Surroundings(r).Opened(origin, "")...)
		}
		for _, x := range behind {
			fmt.Fprintf(&b, "behind %s: %s", r.ID, x.What)
			if x.Request != "" {
				fmt.Fprintf(&b, ", %s 1 of %d", x.Request, x.Candidates)
			}
			fmt.Fprintf(&b, " at %s\n", clockTime(x.At))
		}
	}
	for _, s := range c.Skipped {
		fmt.Fprintf(&b, "skipped %d: %s\n", s.Count, s.What)
	}
	for _, p := range c.Processes {
		who := p.Service + "@" + p.Host
		if p.PID != "" {
			who += " pid=" + p.PID
		}
		if p.Worker {
			who += " worker"
		}
		fmt.Fprintf(&b, "process %s start=%s stopping=%s end=%s %s in flight %v\n", who, clockTime(p.Start), clockTime(p.Stopping), clockTime(p.End), p.HowEnded, p.InFlight)
	}
	if clocks {
		for _, h := range c.Clocks.Hosts() {
			fmt.Fprintf(&b, "clock %s %.1f±%.1f tied=%v ref=%v zone=%q calls=%d %s\n", h.Host, h.OffsetMS, h.SlackMS, h.Tied, h.Reference, h.Zone, h.Calls, h.Reason)
		}
	}
	return b.String()
}

func clockTime(a Instant) string {
	if !a.Known() {
		return "-"
	}
	return a.Time.Format("05.000")
}

func query(args []datadriven.CmdArg) Query {
	q := Query{Filter: Filter{Any: []Want{{Failed: &Failed{}}}}}
	for _, a := range args {
		switch a.Key {
		case "id":
			q.Any = []Want{{Keys: []Key{{Name: KeyRequestID, Value: a.Vals[0]}, {Name: KeyTraceID, Value: a.Vals[0]}}}}
		case "status":
			n, _ := strconv.Atoi(a.Vals[0])
			q.Any = []Want{{Failed: &Failed{Status: []StatusRange{{n, n}}}}}
		case "events-per-request":
			q.Limits.EventsPerRequest, _ = strconv.Atoi(a.Vals[0])
		case "events-per-key":
			q.Limits.EventsPerKey, _ = strconv.Atoi(a.Vals[0])
		}
	}
	return q
}

func TestCollect(t *testing.T) {
	datadriven.Walk(t, "testdata/collect", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			events := parseEvents(t, d.Input)
			q := query(d.CmdArgs)
			got := collectText(t, []Named{{Name: "m", Source: events}}, q, d.HasArg("clocks"))
			// The order in which sources are named and events come must not matter.
			for seed := range uint64(3) {
				shuffled := slices.Clone(events)
				rnd := rand.New(rand.NewPCG(seed, 1))
				rnd.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
				if other := collectText(t, []Named{{Name: "m", Source: shuffled}}, q, d.HasArg("clocks")); other != got {
					t.Fatalf("shuffled events give another result:\n%s\nwas\n%s", other, got)
				}
			}
			return got
		})
	})
}

// slow is a source that gives an event after each pause.
type slow struct {
	memory
	pause time.Duration
}

func (s slow) Events(ctx context.Context, f Filter) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		for _, e := range s.memory {
			select {
			case <-time.After(s.pause):
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			}
			if !yield(e.Clone(), nil) {
				return
			}
		}
	}
}

// TestSlowSource shows that a source which takes longer than its timeout ends alone
// and is named, and that what it gave until then is used.
func TestSlowSource(t *testing.T) {
	const a = `
edge edge-1 server 10:00:00.100 dur=100ms status=500 rid=0f3c9a0e11aa22bb
edge edge-1 server 10:00:01.100 dur=100ms status=200 rid=0f3c9a0e11aa22bc
edge edge-1 server 10:00:02.100 dur=100ms status=200 rid=0f3c9a0e11aa22bd
`
	q := Query{Filter: Filter{Any: []Want{{Failed: &Failed{}}}}}
	for _, c := range []struct {
		timeout time.Duration
		late    bool
		failed  int
	}{{0, false, 1}, {time.Hour, false, 1}, {3 * time.Second, true, 1}, {time.Second / 2, true, 0}} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			got, err := Collect(t.Context(), []Named{{Name: "s", Source: slow{parseEvents(t, a), time.Second}, Timeout: c.timeout}}, q)
			if err != nil {
				t.Fatal(err)
			}
			_, late := errors.AsType[*TimeoutError](got.Sources[0].Err)
			if late != c.late || len(got.Requests) != c.failed || got.Truncated != c.late {
				t.Errorf("timeout %s: got %v, %d requests, truncated %v; want late %v, %d requests", c.timeout, got.Sources[0].Err, len(got.Requests), got.Truncated, c.late, c.failed)
			}
			if took := time.Since(begun); c.late && took != c.timeout {
				t.Errorf("timeout %s: held the others for %s", c.timeout, took)
			}
		})
	}
}

// partial is a source that breaks off after some events, or says that it gave only part.
type partial struct {
	memory
	gives int
	err   error
	info  Info
}

func (p partial) Events(context.Context, Filter) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		for _, e := range p.memory[:p.gives] {
			if !yield(e.Clone(), nil) {
				return
			}
		}
		if p.err != nil {
			yield(nil, p.err)
		}
	}
}

func (p partial) Info() Info { return p.info }

// TestTornSource shows that requests may lack records if a source broke off after it gave others, and not if it
// never gave any: that is as if it were not named.
func TestTornSource(t *testing.T) {
	edge := parseEvents(t, "edge edge-1 server 10:00:00.100 dur=100ms status=500 rid=0f3c9a0e11aa22bb")
	app := parseEvents(t, `
orders app-1 server 10:00:00.090 dur=80ms status=500 rid=0f3c9a0e11aa22bb
orders app-1 log 10:00:00.080 rid=0f3c9a0e11aa22bb "no stock"
`)
	broke := errors.New("connection refused")
	for name, c := range map[string]struct {
		app  partial
		torn bool
	}{
		"whole":       {partial{app, 2, nil, Info{}}, false},
		"dead":        {partial{app, 0, broke, Info{}}, false},
		"breaks off":  {partial{app, 1, broke, Info{}}, true},
		"a file lost": {partial{app, 2, nil, Info{Skipped: []Skipped{{What: "open", Count: 1, Lost: true}}}}, false},
		"gave part":   {partial{app, 2, nil, Info{Skipped: []Skipped{{What: "shards", Count: 1, Lost: true, Torn: true}}}}, true},
	} {
		got, err := Collect(t.Context(), []Named{{Name: "files", Source: edge}, {Name: "cluster", Source: c.app}}, Query{Filter: Filter{Any: []Want{{Failed: &Failed{}}}}})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Requests) != 1 || got.Requests[0].Truncated != c.torn {
			t.Errorf("%s: %d requests, of which something may be missing: %v, want %v", name, len(got.Requests), got.Requests[0].Truncated, c.torn)
		}
	}
}
