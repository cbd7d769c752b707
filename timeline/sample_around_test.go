package timeline

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"testing"
	"time"
)

// largeLog gives of its events those that are asked for, and tells that it is large. It notes what was asked.
type largeLog struct {
	events memory
	bytes  int64
	asked  *[]Filter
}

func (l largeLog) Info() Info {
	first, last := l.events[0].Time, l.events[len(l.events)-1].Time
	return Info{Files: 1, Bytes: l.bytes, Unpacked: l.bytes, Scans: true, From: first, To: last}
}

func (l largeLog) Events(ctx context.Context, f Filter) iter.Seq2[*Event, error] {
	*l.asked = append(*l.asked, f)
	forms := map[string]bool{}
	for _, w := range f.Any {
		addForms(forms, w.Keys)
	}
	return func(yield func(*Event, error) bool) {
		for _, e := range l.events {
			within, ok := f.Within[ClockOf(e)]
			wanted := !ok || slices.ContainsFunc(within, func(w Window) bool { return w.Match(e) })
			if wanted && (bears(e, forms) || slices.ContainsFunc(f.Any, func(w Want) bool {
				return w.Near != nil && w.Near.Match(e) || w.Failed != nil && w.Failed.Match(e) || w.Sample != nil
			})) && !yield(e.Clone(), nil) {
				return
			}
		}
	}
}

// day is a day of an edge and three apps, of each app a request every minute. The clock of "late" is two hours behind, that of "near" 20 s ahead.
func day() memory {
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	ahead := map[string]time.Duration{"app": 0, "near": 20 * time.Second, "late": -2 * time.Hour}
	var out memory
	add := func(service string, at time.Time, id int, name string, dur time.Duration, status int) {
		e := &Event{Service: service, Host: service, Kind: ServerSpan, Time: at.Add(ahead[service]), Duration: dur, StatusCode: status, Failed: status >= 500, Format: "test"}
		e.Stamp = Stamp{Meaning: End, Resolution: time.Millisecond, DurationResolution: time.Millisecond, Zone: ZoneWritten}
		e.Pos = Pos{Path: service + ".log", Offset: int64(len(out)), Line: len(out) + 1}
		e.Keys = []Key{{Name: name, Value: fmt.Sprintf("request-%06d", id)}}
		out = append(out, e)
	}
	id := 0
	for minute := range 24 * 60 {
		for i, service := range []string{"app", "near", "late"} {
			at := begin.Add(time.Duration(minute)*time.Minute + time.Duration(i)*10*time.Millisecond)
			status := 200
			if minute == 720 && service == "app" {
				status = 500
			}
			id++
			add(service, at, id, KeyRequestID, 30*time.Millisecond, status)
			add("edge", at.Add(5*time.Millisecond), id, KeyRequestID, 40*time.Millisecond, status)
		}
	}
	return out
}

// TestSampleAround asks for one request of logs that tell that they are large: no pass over all of them asks for the keys of other
// requests but that by which the clock is tied that is hours behind, and all clocks are known as they are of logs that are small.
func TestSampleAround(t *testing.T) {
	events := day()
	wanted := events[slices.IndexFunc(events, func(e *Event) bool { return e.Failed })].Keys[0]
	collect := func(bytes int64) (*Collection, []Filter) {
		var asked []Filter
		col, err := Collect(t.Context(), []Named{{Name: "log", Source: largeLog{events, bytes, &asked}}}, Query{Filter: Filter{Any: []Want{{Keys: []Key{wanted}}}}})
		if err != nil {
			t.Fatal(err)
		}
		return col, asked
	}
	col, asked := collect(sampledWhole + 1)
	if len(col.Requests) != 1 || !col.Requests[0].Failed || len(col.Requests[0].Events) != 2 {
		t.Errorf("%d requests, want the one that failed, with two records", len(col.Requests))
	}
	for i, f := range asked {
		for _, w := range f.Any {
			if w.Sample != nil {
				t.Errorf("pass %d asks for a sample of all times", i)
			}
			if len(w.Keys) > 1 && f.Within["app"] == nil {
				t.Errorf("pass %d asks for %d keys at all times", i, len(w.Keys))
			}
			if w.Failed != nil && f.Within["late"] == nil {
				t.Errorf("pass %d asks for failures by the clock that is behind at all times", i)
			}
		}
	}
	small, _ := collect(1)
	offsets := func(col *Collection) map[string]float64 {
		out := map[string]float64{}
		for _, h := range col.Clocks.Hosts() {
			if !h.Tied {
				t.Errorf("the clock of %s is not tied", h.Host)
			}
			out[h.Host] = h.OffsetMS
		}
		return out
	}
	of := offsets(small)
	for host, got := range offsets(col) {
		if math.Abs(got-of[host]) > 10 {
			t.Errorf("the clock of %s is ahead by %.1f ms, as small logs tell by %.1f", host, got, of[host])
		}
	}
	if len(of) != 4 {
		t.Errorf("%d clocks are known, want 4", len(of))
	}
}
