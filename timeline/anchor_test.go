package timeline

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestRecordAtMeans(t *testing.T) {
	for _, c := range []struct {
		written, path string
		want          int
	}{
		{"app-1/orders.log", "app-1/orders.log", 0},
		{"app-1/orders.log", "shop/app-1/orders.log", 1},
		{"orders.log", "app-1/orders.log", 1},
		{"/var/log/app-1/orders.log", "app-1/orders.log", 2},
		{"1/orders.log", "app-1/orders.log", -1},
		{"app-1/orders.log", "", -1},
	} {
		if got := (RecordAt{Path: c.written, Line: 1}).rank(c.path); got != c.want {
			t.Errorf("%q for the file %q: rank %d, want %d", c.written, c.path, got, c.want)
		}
	}
}

// One record of each host, said to be of one moment, ties clocks that no call ties. The
// path that is written in full wins over one of which it is the end.
func TestAnchors(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	record := func(path string, line int, host string, at time.Time) *Event {
		return &Event{Service: "s-" + host, Host: host, Time: at, Stamp: Stamp{Resolution: time.Millisecond, Zone: ZoneWritten}, Body: "x",
			Keys: []Key{{Name: KeyRequestID, Value: "req-" + host + path}}, Pos: Pos{Path: path, Line: line, Offset: int64(line)}}
	}
	m := memory{
		record("a.log", 1, "a-1", noon), record("a.log", 2, "a-1", noon.Add(time.Second)),
		record("x/a.log", 1, "c-1", noon), record("y/a.log", 2, "d-1", noon), record("y/b.log", 2, "d-1", time.Time{}),
		record("b.log", 1, "b-1", noon.Add(-90*time.Second)),
	}
	collect := func(anchors ...Anchor) (*Collection, error) {
		return Collect(t.Context(), []Named{{Name: "m", Source: m}}, Query{Filter: Filter{Any: []Want{{Keys: []Key{{Name: KeyRequestID, Value: "req-a-1a.log"}}}}}, Anchors: anchors})
	}
	at := func(path string, line int) RecordAt { return RecordAt{path, line} }
	c, err := collect(Anchor{at("a.log", 1), at("b.log", 1)})
	if err != nil {
		t.Fatal(err)
	}
	tied := 0
	for _, h := range c.Clocks.Hosts() {
		if h.Host != "a-1" && h.Host != "b-1" {
			continue
		}
		if tied++; !h.Tied || !h.Reference && (h.OffsetMS < 89_990 && h.OffsetMS > -89_990 || !strings.HasPrefix(h.Reason, "anchored to ")) {
			t.Errorf("got %+v, want a clock 90 s off, anchored", h)
		}
	}
	if tied != 2 {
		t.Errorf("%d of 2 hosts are told", tied)
	}
	for _, bad := range []struct {
		anchor Anchor
		want   string
	}{
		{Anchor{at("a.log", 9), at("b.log", 1)}, "no record that can be read begins at a.log:9"},
		{Anchor{at("a.log", 1), at("a.log", 2)}, "both records were stamped by a-1"},
		{Anchor{at("a.log", 1), at("y/b.log", 2)}, "the record at y/b.log:2 has no time"},
	} {
		_, err := collect(bad.anchor)
		e, ok := errors.AsType[*AnchorError](err)
		if !ok || e.What != bad.want || e.Hint() == "" || !strings.Contains(err.Error(), bad.anchor.String()) {
			t.Errorf("anchor %s: got %v, want %q", bad.anchor, err, bad.want)
		}
	}
}
