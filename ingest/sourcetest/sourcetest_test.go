package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// A memory source holds events in memory. Each fault is a way to break the contract.
type memory struct {
	fault string
	calls *atomic.Int64
}

func (m memory) events() []*timeline.Event {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var out []*timeline.Event
	for i := range 10 {
		id := fmt.Sprintf("request-%d", i/2)
		e := &timeline.Event{
			Time: at.Add(time.Duration(i) * time.Second), Stamp: timeline.Stamp{Resolution: time.Second}, Service: "orders", Host: "app-1",
			Format: "test", Raw: []byte("id=" + id), Pos: timeline.Pos{Source: "memory", Path: "orders.log", Offset: int64(10 * i), Line: i + 1},
			Keys: []timeline.Key{{Name: timeline.KeyRequestID, Value: id}, {Name: timeline.KeyPID, Value: "7", Scope: "app-1", Strength: timeline.Context}},
		}
		if i == 4 {
			e.StatusCode, e.Failed = 503, true
		}
		out = append(out, e)
	}
	switch m.fault {
	case "unscoped":
		out[3].Keys[1].Scope = ""
	case "no host":
		out[3].Host = ""
	case "disorder":
		out[3], out[4] = out[4], out[3]
	}
	return out
}

func (m memory) Events(ctx context.Context, f timeline.Filter) iter.Seq2[*timeline.Event, error] {
	return func(yield func(*timeline.Event, error) bool) {
		calls := m.calls.Add(1)
		if m.fault == "leak" {
			go func() { time.Sleep(time.Minute) }()
		}
		for i, e := range m.events() {
			if err := ctx.Err(); err != nil && m.fault != "deaf" {
				yield(nil, err)
				return
			}
			if !m.wants(f, e) {
				continue
			}
			if m.fault == "changing" && calls%2 == 0 {
				e.Body = "other"
			}
			if i == 5 {
				bad := &timeline.RecordError{Pos: timeline.Pos{Path: "orders.log", Line: 99}, What: "bad record"}
				if !yield(nil, bad) || m.fault == "stops" {
					return
				}
			}
			if !yield(e, nil) {
				return
			}
			if m.fault == "twice" && len(f.Any) > 1 && !yield(e, nil) {
				return
			}
		}
		if m.fault == "dies" {
			yield(nil, errors.New("the source broke"))
		}
	}
}

func (m memory) wants(f timeline.Filter, e *timeline.Event) bool {
	if m.fault != "unbounded" && (!f.From.IsZero() && e.Time.Before(f.From) || !f.To.IsZero() && !e.Time.Before(f.To)) {
		return false
	}
	for _, w := range f.Any {
		for _, k := range w.Keys {
			if m.fault == "all for keys" || carries(e, k) && m.fault != "no keys" {
				return true
			}
		}
		if w.Failed != nil && w.Failed.Match(e) && m.fault != "no failures" ||
			w.Near != nil && w.Near.Match(e) && (m.fault != "no windows" || w.Near.From.Year() < 2000) ||
			w.Sample != nil && m.fault != "no samples" ||
			w.At != nil && (m.fault == "all for places" || w.At.Line == e.Pos.Line && w.At.Means(e.Pos.Path) && m.fault != "no places") {
			return true
		}
	}
	return false
}

func runMemory(t *testing.T, fault string) {
	var calls atomic.Int64
	Run(t, func(*testing.T) timeline.Source { return memory{fault, &calls} }, Holds{Events: 10, BadRecords: 1})
}

func TestMemory(t *testing.T) { runMemory(t, "") }

// TestFaulty runs the suite on a source with the fault that the environment names. It
// is called by TestSuiteBites in a process of its own, where it must fail.
func TestFaulty(t *testing.T) {
	if fault := os.Getenv("SOURCETEST_FAULT"); fault != "" {
		runMemory(t, fault)
	}
}

// TestSuiteBites shows that every rule finds a source that breaks it.
func TestSuiteBites(t *testing.T) {
	for fault, rule := range map[string]string{
		"unscoped":       "keys",
		"no host":        "events_are_whole",
		"disorder":       "order_within_a_stream",
		"leak":           "a_break_stops_it",
		"deaf":           "cancel_stops_it",
		"changing":       "asked_twice_gives_the_same",
		"stops":          "the source holds 10",
		"twice":          "wants_are_a_union",
		"dies":           "a_bad_record_does_not_stop_it",
		"unbounded":      "bounds_hold",
		"all for keys":   "keys",
		"no keys":        "keys",
		"no failures":    "failures",
		"no windows":     "windows",
		"no samples":     "samples",
		"no places":      "places",
		"all for places": "places",
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFaulty$", "-test.v")
		cmd.Env = append(os.Environ(), "SOURCETEST_FAULT="+fault)
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("a source with the fault %q passes", fault)
		} else if !strings.Contains(string(out), "--- FAIL: TestFaulty/"+rule) && !(strings.Contains(rule, " ") && strings.Contains(string(out), rule)) {
			t.Errorf("the fault %q is not found by the rule %q:\n%s", fault, rule, out)
		}
	}
}
