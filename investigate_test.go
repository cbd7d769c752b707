package correlate_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"testing"
	"time"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/rules"
	"github.com/correlatehq/correlate/timeline"
)

// memory is a source that holds its events and ends with an error if it has one.
type memory struct {
	events []*timeline.Event
	err    error
}

func (m memory) Events(ctx context.Context, f timeline.Filter) iter.Seq2[*timeline.Event, error] {
	return func(yield func(*timeline.Event, error) bool) {
		for _, e := range m.events {
			if !yield(e.Clone(), nil) {
				return
			}
		}
		if m.err != nil {
			yield(nil, m.err)
		}
	}
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// exchange is what a service logged of one request, so many seconds after noon.
func exchange(id string, after, status int, path string) *timeline.Event {
	e := &timeline.Event{
		Service: "orders", Host: "app-1", Kind: timeline.ServerSpan, Role: timeline.RoleApp, StatusCode: status, Failed: status >= 500,
		Time: noon.Add(time.Duration(after) * time.Second), Duration: 10 * time.Millisecond,
		Stamp: timeline.Stamp{Meaning: timeline.End, Resolution: time.Millisecond, DurationResolution: time.Millisecond, Zone: timeline.ZoneWritten},
		Keys:  []timeline.Key{{Name: timeline.KeyRequestID, Value: id}},
		Pos:   timeline.Pos{Path: "orders.log", Offset: int64(after), Line: after + 1},
		Raw:   fmt.Appendf(nil, "%s %d %d %s", id, after, status, path),
	}
	e.Attrs.Set("http.request.method", "GET")
	e.Attrs.Set("url.path", path)
	return e
}

func named(m memory) []timeline.Named { return []timeline.Named{{Name: "m", Source: m}} }

func TestInvestigate(t *testing.T) {
	src := memory{events: []*timeline.Event{
		exchange("req-once", 1, 500, "/a"), exchange("req-twice", 2, 200, "/b"), exchange("req-twice", 3, 503, "/b"), exchange("req-fine", 4, 200, "/c"),
	}}
	o := correlate.Options{Rules: rules.Builtin()}
	for _, c := range []struct {
		name, id, route string
		wantID, origin  string
		others          int
	}{
		{"by ID", "req-once", "", "req-once", "orders", 0},
		{"the failed one of two under one ID", "req-twice", "", "req-twice", "orders", 1},
		{"one that did not fail", "req-fine", "", "req-fine", "", 0},
		{"the latest that failed", "", "", "req-twice", "orders", 0},
		{"the latest on a route", "", "/a", "req-once", "orders", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := o
			o.Route = c.route
			got, err := correlate.Investigate(t.Context(), named(src), c.id, o)
			if err != nil {
				t.Fatal(err)
			}
			origin := ""
			if got.Verdict.Origin != nil {
				origin = got.Verdict.Origin.Service
			}
			if got.RequestID != c.wantID || origin != c.origin || len(got.Other) != c.others {
				t.Errorf("got %s, origin %q, %d others; want %s, %q, %d", got.RequestID, origin, len(got.Other), c.wantID, c.origin, c.others)
			}
		})
	}
}

func TestInvestigateFindsNothing(t *testing.T) {
	var missing *correlate.NotFoundError
	for _, id := range []string{"req-x", ""} {
		_, err := correlate.Investigate(t.Context(), named(memory{}), id, correlate.Options{Rules: rules.Builtin()})
		if !errors.As(err, &missing) || missing.ID != id || len(missing.Sources) != 1 {
			t.Errorf("ID %q: got %v, want a NotFoundError with one source", id, err)
		}
	}
}

func TestDeadSourceDoesNotStopTheOthers(t *testing.T) {
	srcs := []timeline.Named{
		{Name: "dead", Source: memory{err: errors.New("connection lost")}},
		{Name: "alive", Source: memory{events: []*timeline.Event{exchange("req-once", 1, 500, "/a")}}},
	}
	got, err := correlate.Investigate(t.Context(), srcs, "req-once", correlate.Options{Rules: rules.Builtin()})
	if err != nil {
		t.Fatal(err)
	}
	if !got.Partial || got.Sources[0].Err != "connection lost" || got.Sources[1].Err != "" {
		t.Errorf("partial %v, sources %+v; want the dead one named and the result partial", got.Partial, got.Sources)
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := correlate.Batch(ctx, named(memory{}), correlate.Options{Rules: rules.Builtin()}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestBatchGroups(t *testing.T) {
	src := memory{events: []*timeline.Event{
		exchange("req-1", 1, 500, "/api/orders/4711"), exchange("req-2", 2, 500, "/api/orders/4712?x=1"), exchange("req-3", 3, 500, "/v2/upload"),
		exchange("req-4", 4, 200, "/api/orders/4713"), exchange("req-5", 5, 499, "/api/orders/4714"),
	}}
	d, err := correlate.Batch(t.Context(), named(src), correlate.Options{Rules: rules.Builtin()})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Cases) != 3 || len(d.Groups) != 1 {
		t.Fatalf("%d cases in %d groups, want 3 in 1", len(d.Cases), len(d.Groups))
	}
	want := []correlate.RouteCount{{Route: "GET /api/orders/{}", Count: 2}, {Route: "GET /v2/upload", Count: 1}}
	if g := d.Groups[0]; fmt.Sprint(g.Routes) != fmt.Sprint(want) || g.Route != "" || g.Share != 1 {
		t.Errorf("routes %v, route %q, share %v; want %v, none, 1", g.Routes, g.Route, g.Share, want)
	}
	o := correlate.Options{Rules: rules.Builtin(), Status: []timeline.StatusRange{{Lo: 499, Hi: 499}}}
	if d, err = correlate.Batch(t.Context(), named(src), o); err != nil || len(d.Cases) != 1 {
		t.Errorf("with status 499: %d cases, %v; want 1", len(d.Cases), err)
	}
	o = correlate.Options{Rules: rules.Builtin(), From: noon.Add(2500 * time.Millisecond)}
	if d, err = correlate.Batch(t.Context(), named(src), o); err != nil || len(d.Cases) != 1 {
		t.Errorf("from 2.5 s on: %d cases, %v; want 1", len(d.Cases), err)
	}
}

// A clock is told as it was when the request began, not as it is on average.
func TestClocksAreThoseOfTheRequest(t *testing.T) {
	var src memory
	for i := range 600 {
		id, status := fmt.Sprintf("req-%03d", i), 200
		if i == 100 || i == 500 {
			status = 500
		}
		edge := exchange(id, i, status, "/a")
		edge.Service, edge.Host, edge.Role, edge.Duration, edge.Pos.Path = "edge", "edge-1", timeline.RoleGateway, 12*time.Millisecond, "edge.log"
		edge.Calls = []timeline.Outcall{{Peer: "orders", Status: status, Ended: timeline.Complete}}
		app := exchange(id, i, status, "/a")
		app.Time = app.Time.Add(-time.Millisecond)
		if i >= 300 {
			app.Time = app.Time.Add(-400 * time.Millisecond) // app-1 was set back
		}
		src.events = append(src.events, edge, app)
	}
	d, err := correlate.Batch(t.Context(), named(src), correlate.Options{Rules: rules.Builtin()})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range d.Cases {
		for _, k := range c.Clocks {
			if !k.Reference { // of two hosts alone nobody can tell which one was set
				got = append(got, fmt.Sprintf("%s %.0f, %d steps", c.RequestID, math.Abs(k.OffsetMS)/100, len(k.Steps)))
			}
		}
	}
	if want := "[req-100 0, 1 steps req-500 4, 1 steps]"; fmt.Sprint(got) != want {
		t.Errorf("in hundreds of milliseconds: got %v, want %s", got, want)
	}
}

// stopping is a source that has more events after the reading was stopped.
type stopping struct {
	memory
	after int
	stop  chan struct{}
}

func (s *stopping) Events(ctx context.Context, f timeline.Filter) iter.Seq2[*timeline.Event, error] {
	return func(yield func(*timeline.Event, error) bool) {
		for e, err := range s.memory.Events(ctx, f) {
			if s.after--; s.after == 0 {
				close(s.stop)
				<-ctx.Done()
			}
			if ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// What was read before it was stopped is judged, and nothing of it is called certain.
func TestStop(t *testing.T) {
	var events []*timeline.Event
	for i := range 20 {
		events = append(events, exchange(fmt.Sprintf("%032x", i+1), i, 500, "/x"))
	}
	src := &stopping{memory{events, nil}, 12, make(chan struct{})}
	var w timeline.Watch
	d, err := correlate.Batch(t.Context(), []timeline.Named{{Name: "logs", Source: src}},
		correlate.Options{Rules: rules.Builtin(), Stop: src.stop, Watch: &w})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Cases) != 11 || !d.Partial || d.Sources[0].Err != "" {
		t.Errorf("%d cases, partial: %v, source: %q; want 11 and a partial digest of a source without error", len(d.Cases), d.Partial, d.Sources[0].Err)
	}
	if len(d.Skipped) != 1 || d.Skipped[0].What != "left out: reading was stopped before its end" {
		t.Errorf("skipped is %+v", d.Skipped)
	}
	for _, c := range d.Cases {
		if !c.Partial || c.Verdict.Certainty != rules.Possible || c.Verdict.Confidence > 0.5 {
			t.Errorf("%s is judged as %v, %v, partial: %v", c.RequestID, c.Verdict.Certainty, c.Verdict.Confidence, c.Partial)
		}
	}
	if w.Failures() != 11 || w.Round() == 0 {
		t.Errorf("%d failures were found in %d rounds", w.Failures(), w.Round())
	}
}
