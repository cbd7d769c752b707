package timeline

import (
	"testing"
	"time"
)

// TestMeaningOf: a log in which long exchanges are written after short ones that began later tells what its stamps mean.
func TestMeaningOf(t *testing.T) {
	t0 := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	// Ends in seconds with durations, in the order in which they are written.
	exchanges := []struct{ end, took float64 }{{1, 0.1}, {6, 5}, {6, 0.1}, {9, 6}, {9.5, 0.1}, {14, 8}, {14.2, 0.2}, {15, 0.1}, {20, 9}, {21, 0.1}, {26, 12}}
	records := func(stamp func(end, took float64) float64) []*Event {
		var out []*Event
		for i, x := range exchanges {
			out = append(out, &Event{
				Kind: ServerSpan, Time: t0.Add(time.Duration(stamp(x.end, x.took) * 1e9)).Truncate(time.Second), Duration: time.Duration(x.took * 1e9),
				Stamp: Stamp{Meaning: Within, Resolution: time.Second, DurationResolution: time.Millisecond},
				Pos:   Pos{Path: "access.log", Offset: int64(100 * i)},
			})
		}
		return out
	}
	for _, c := range []struct {
		name  string
		stamp func(end, took float64) float64
		want  Meaning
	}{
		{"of the end", func(end, took float64) float64 { return end }, End},
		{"of the start", func(end, took float64) float64 { return end - took }, Start},
	} {
		if got := meaningOf(records(c.stamp)); got != c.want {
			t.Errorf("stamps %s: %v, want %v", c.name, got, c.want)
		}
	}
	var short []*Event
	for _, e := range records(func(end, took float64) float64 { return end }) {
		e.Duration = min(e.Duration, 200*time.Millisecond)
		short = append(short, e)
	}
	if got := meaningOf(short); got != Within {
		t.Errorf("exchanges that are shorter than the stamps are exact: %v, want %v", got, Within)
	}
}
