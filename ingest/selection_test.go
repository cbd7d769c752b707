package ingest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/correlatehq/correlate/timeline"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestSelectionWantsKeys(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	trace := timeline.Key{Name: timeline.KeyTraceID, Value: id}
	short := timeline.Key{Name: timeline.KeyRequestID, Value: "8017"}
	for _, c := range []struct {
		name string
		keys []timeline.Key
		e    timeline.Event
		more []string
		want string
	}{
		{"as its key", []timeline.Key{trace}, timeline.Event{Keys: []timeline.Key{trace}}, nil, "true [trace_id=" + id + "]"},
		{"by the low half", []timeline.Key{trace}, timeline.Event{Keys: []timeline.Key{{Name: timeline.KeyTraceID, Value: id[16:]}}}, nil, "true [trace_id=" + id[16:] + "]"},
		{"as a context key", []timeline.Key{short}, timeline.Event{Keys: []timeline.Key{{Name: "pid", Value: "8017", Strength: timeline.Context}}}, nil, "false [pid=8017]"},
		{"in its text", []timeline.Key{trace}, timeline.Event{Raw: []byte("panic in " + id + ": nil")}, nil, "true [trace_id=" + id + "]"},
		{"dashed in its text", []timeline.Key{trace}, timeline.Event{Raw: []byte(`x\n4bf92f35-77b3-4da6-a3ce-929d0e0e4736`)}, nil, "true [trace_id=" + id + "]"},
		{"beside its text", []timeline.Key{trace}, timeline.Event{Raw: []byte("panic")}, []string{id}, "true [trace_id=" + id + "]"},
		{"within a longer one", []timeline.Key{trace}, timeline.Event{Raw: []byte("a" + id + " " + id + "0")}, nil, "false []"},
		{"a short number in text", []timeline.Key{short}, timeline.Event{Raw: []byte("port 8017")}, nil, "false []"},
		{"a short number as its key", []timeline.Key{short}, timeline.Event{Keys: []timeline.Key{short}}, nil, "true [" + short.String() + "]"},
		{"nothing", []timeline.Key{trace, {}}, timeline.Event{}, nil, "false []"},
	} {
		s := Select(timeline.Filter{Any: []timeline.Want{{Keys: c.keys}, {Keys: c.keys}}})
		if got := fmt.Sprint(s.Wants(&c.e, c.more...), c.e.Keys); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestSelectionWindows(t *testing.T) {
	w := func(host string, from, to int) *timeline.Window {
		return &timeline.Window{Host: host, From: noon.Add(time.Duration(from) * time.Second), To: noon.Add(time.Duration(to) * time.Second)}
	}
	s := Select(timeline.Filter{From: noon, Any: []timeline.Want{
		{Near: w("a", 20, 30)}, {Near: w("a", 0, 10)}, {Near: w("a", 5, 12)}, {Near: w("b", 40, 50)}, {Near: w("", 12, 13)}, {Near: w("b", 60, 60)},
	}})
	if diff := cmp.Diff([]timeline.Window{*w("a", 0, 13), *w("a", 20, 30)}, s.Windows("a")); diff != "" {
		t.Errorf("windows of a: %s", diff)
	}
	if diff := cmp.Diff([]timeline.Window{*w("a", 0, 13), *w("a", 20, 30), *w("b", 40, 50)}, s.AllWindows()); diff != "" {
		t.Errorf("all windows: %s", diff)
	}
	for _, c := range []struct {
		host string
		at   int
		want bool
	}{{"a", 0, true}, {"a", 11, true}, {"a", 13, false}, {"a", 29, true}, {"a", 30, false}, {"b", 0, false}, {"b", 12, true}, {"c", 12, true}, {"b", 49, true}, {"a", -1, false}} {
		e := &timeline.Event{Host: c.host, Time: noon.Add(time.Duration(c.at) * time.Second)}
		if got := s.Wants(e); got != c.want {
			t.Errorf("host %s at %d s: got %v", c.host, c.at, got)
		}
	}
	if s.Wants(&timeline.Event{Host: "a"}) {
		t.Error("an event without time lies in a window")
	}
}

func TestSelectionFailures(t *testing.T) {
	s := Select(timeline.Filter{To: noon, Any: []timeline.Want{{Failed: &timeline.Failed{}}, {Failed: &timeline.Failed{Status: []timeline.StatusRange{{Lo: 404, Hi: 404}}}}, {Lifecycle: true}, {Sample: &timeline.Sample{PerStream: 7}}}})
	if s.PerStream != 7 {
		t.Errorf("a sample of %d, want 7", s.PerStream)
	}
	for _, c := range []struct {
		e    timeline.Event
		want bool
	}{
		{timeline.Event{Failed: true}, true},
		{timeline.Event{Failed: true, Time: noon}, false},
		{timeline.Event{StatusCode: 404}, true},
		{timeline.Event{StatusCode: 405}, false},
		{timeline.Event{Lifecycle: timeline.ProcessReady}, true},
	} {
		if got := s.Wants(&c.e); got != c.want {
			t.Errorf("%+v: got %v", c.e, got)
		}
	}
}

func TestComplete(t *testing.T) {
	e := timeline.Event{Service: "HAProxy", System: "haproxy", Keys: []timeline.Key{{Name: "pid", Value: "7", Strength: timeline.Context}, {Name: "trace_id", Value: "7"}}}
	Complete(&e, "lb", "lb-1", Config{Role: timeline.RoleProxy})
	want := timeline.Event{Service: "lb", Host: "lb-1", System: "haproxy", Role: timeline.RoleProxy, Keys: []timeline.Key{{Name: "pid", Value: "7", Strength: timeline.Context, Scope: "lb-1"}, {Name: "trace_id", Value: "7"}}}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
	e = timeline.Event{Service: "caddy", System: "caddy", Attrs: timeline.Attrs{{Name: "container.name", Value: "caddy-1"}}}
	if Complete(&e, "shop", "app-1", Config{}); e.Service != "caddy" {
		t.Errorf("what runs in a container called caddy-1 is named %q", e.Service)
	}
	e = timeline.Event{Service: "orders", Host: "app-2", Role: timeline.RoleApp}
	Complete(&e, "x", "y", Config{})
	if diff := cmp.Diff(timeline.Event{Service: "orders", Host: "app-2", Role: timeline.RoleApp}, e); diff != "" {
		t.Error(diff)
	}
}
