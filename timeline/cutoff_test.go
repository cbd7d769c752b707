package timeline

import (
	"testing"
	"time"
)

// TestZonesApart: messages without a zone are ahead of the access log beside them by that of most failed exchanges of which both tell.
func TestZonesApart(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	record := func(kind Kind, zone ZoneSource, path string, after time.Duration) *Event {
		return &Event{
			Service: "edge", Host: "e1", Kind: kind, Time: at.Add(after), Stamp: Stamp{Resolution: time.Second, Zone: zone},
			Attrs: Attrs{{KeyClient, "10.0.0.2:4711"}, {"http.request.method", "GET"}, {"url.path", path}},
		}
	}
	const india = 5*time.Hour + 30*time.Minute
	failed := []*Event{record(ServerSpan, ZoneWritten, "/a", 0), record(ServerSpan, ZoneWritten, "/b", time.Minute), record(ServerSpan, ZoneWritten, "/c", 2*time.Minute)}
	said := func(paths ...time.Duration) (out []*Event) {
		for i, d := range paths {
			out = append(out, record(LogRecord, ZoneUnknown, string([]byte{'/', byte('a' + i)}), time.Duration(i)*time.Minute+d))
		}
		return out
	}
	for _, c := range []struct {
		what    string
		orphans []*Event
		want    time.Duration
	}{
		{"all agree", said(india, india+time.Second, india-2*time.Second), india},
		{"one is of another exchange", said(india, india, 0), india},
		{"as many say something else", said(india, 0), 0},
		{"none is near a step of zones", said(india + 5*time.Minute), 0},
		{"nothing is said", nil, 0},
	} {
		got := (&collector{failed: failed, orphans: c.orphans}).zonesApart()
		if got[ClockOf(record(LogRecord, ZoneUnknown, "", 0))] != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}
