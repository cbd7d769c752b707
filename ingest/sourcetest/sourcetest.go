// Package sourcetest holds every source to the contract of timeline.Source. A source's
// own tests call [Run]; what fails says which rule was broken.
package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/correlatehq/correlate/internal/poison"
	"github.com/correlatehq/correlate/timeline"
)

// Holds says what the source that is tested holds, as far as the rules need it.
type Holds struct {
	// Events is how many events it holds at least; the rules need 3 and more.
	Events int
	// BadRecords is how many of its records cannot be read, at least; readable ones
	// must come after one of them.
	BadRecords int
	// MentionedOnly is an ID that a record holds in its text but not as a key; nil if
	// the source cannot tell such records.
	MentionedOnly *timeline.Key
}

// everything is a filter that no event with a stamp escapes.
var everything = timeline.Filter{Any: []timeline.Want{{Near: &timeline.Window{
	From: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
}}}}

// Run tests sources that open gives, each time a new one that holds the same. All is
// read under poison, so a source or a rule that keeps an event too long fails.
func Run(t *testing.T, open func(t *testing.T) timeline.Source, holds Holds) {
	if holds.Events < 3 {
		t.Fatal("the source must hold at least 3 events, else the rules show nothing")
	}
	all, errs := gather(t.Context(), open(t), everything)
	if len(all) < holds.Events {
		t.Fatalf("a window without bounds gave %d events, the source holds %d", len(all), holds.Events)
	}
	for _, rule := range []struct {
		name  string
		check func(*testing.T, func(*testing.T) timeline.Source, []*timeline.Event)
	}{
		{"events are whole", whole},
		{"order within a stream", ordered},
		{"asked twice gives the same", repeats},
		{"asked for nothing gives no error", asksNothing},
		{"cancel stops it", cancels},
		{"a break stops it", breaks},
		{"bounds hold", bounds},
		{"keys", keys},
		{"failures", failures},
		{"windows", windows},
		{"samples", samples},
		{"places", places},
		{"wants are a union", union},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.check(t, open, all) })
	}
	t.Run("a bad record does not stop it", func(t *testing.T) {
		bad := 0
		for _, err := range errs {
			if re, ok := errors.AsType[*timeline.RecordError](err); !ok {
				t.Errorf("the sequence of a source that can be read holds an error that is not about one record: %v", err)
			} else {
				bad++
				if re.What == "" || re.Pos == (timeline.Pos{}) {
					t.Errorf("a RecordError says neither what nor where: %+v", re)
				}
			}
		}
		if bad < holds.BadRecords {
			t.Errorf("%d records were told as bad, the source holds %d", bad, holds.BadRecords)
		}
	})
	if k := holds.MentionedOnly; k != nil {
		t.Run("an ID within text is found", func(t *testing.T) {
			got, _ := gather(t.Context(), open(t), timeline.Filter{Any: []timeline.Want{{Keys: []timeline.Key{*k}}}})
			if !slices.ContainsFunc(got, func(e *timeline.Event) bool { return carries(e, *k) }) {
				t.Errorf("no event came for %v, which stands in the text of a record; want one that has it as a key", k)
			}
		})
	}
}

// gather reads the whole sequence under poison and keeps clones.
func gather(ctx context.Context, s timeline.Source, f timeline.Filter) (events []*timeline.Event, errs []error) {
	for e, err := range poison.Source(s).Events(ctx, f) {
		if err != nil {
			errs = append(errs, err)
		}
		if e != nil {
			events = append(events, e.Clone())
		}
	}
	return events, errs
}

// line is an event in one line, for comparison.
func line(e *timeline.Event) string {
	return fmt.Sprintf("%s#%d@%d %s %s %s %s %d %q %v %v %q", e.Pos, e.Pos.Part, e.Pos.Offset, e.Time.UTC().Format(time.RFC3339Nano),
		e.Service, e.Host, e.Kind, e.StatusCode, e.Body, e.Keys, e.Attrs, e.Raw)
}

func lines(events []*timeline.Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = line(e)
	}
	return out
}

func repeats(t *testing.T, open func(*testing.T) timeline.Source, all []*timeline.Event) {
	s := open(t)
	first, errs1 := gather(t.Context(), s, everything)
	second, errs2 := gather(t.Context(), s, everything)
	if !slices.Equal(lines(first), lines(second)) || !slices.Equal(lines(first), lines(all)) {
		t.Error("a source asked twice gave different events, or the same in another order")
	}
	if fmt.Sprint(errs1) != fmt.Sprint(errs2) {
		t.Errorf("a source asked twice gave different errors: %v, then %v", errs1, errs2)
	}
	if d, ok := s.(timeline.Describer); ok {
		gather(t.Context(), s, everything)
		a := fmt.Sprintf("%+v", d.Info())
		gather(t.Context(), s, everything)
		if b := fmt.Sprintf("%+v", d.Info()); a != b {
			t.Errorf("what the source tells of itself grows with every pass:\n%s\n%s", a, b)
		}
	}
	// Two passes at once do not disturb each other.
	both := make(chan []string, 2)
	for range 2 {
		go func() {
			e, _ := gather(t.Context(), s, everything)
			both <- lines(e)
		}()
	}
	for range 2 {
		if !slices.Equal(<-both, lines(all)) {
			t.Error("two passes at once disturbed each other")
		}
	}
}

func asksNothing(t *testing.T, open func(*testing.T) timeline.Source, _ []*timeline.Event) {
	_, errs := gather(t.Context(), open(t), timeline.Filter{})
	for _, err := range errs {
		if _, ok := errors.AsType[*timeline.RecordError](err); !ok {
			t.Errorf("a filter without wants gave the error %v", err)
		}
	}
}

func cancels(t *testing.T, open func(*testing.T) timeline.Source, _ []*timeline.Event) {
	s := open(t)
	before, _ := goroutines()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, errs := gather(ctx, s, everything)
	if len(got) > 0 {
		t.Errorf("%d events came after the context was cancelled", len(got))
	}
	if len(errs) == 0 || !errors.Is(errs[len(errs)-1], context.Canceled) {
		t.Errorf("the last pair after a cancel is not the context's error: %v", errs)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	var last error
	after, cancelled := 0, false
	for e, err := range s.Events(ctx, everything) {
		if cancelled && e != nil {
			after++
		}
		if e != nil && !cancelled {
			cancelled = true
			cancel()
		}
		last = err
	}
	if after > 0 {
		t.Errorf("%d events came after the context was cancelled in the middle", after)
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("the last pair after a cancel in the middle is %v, want the context's error", last)
	}
	settle(t, before)
}

func breaks(t *testing.T, open func(*testing.T) timeline.Source, all []*timeline.Event) {
	s := open(t)
	before, _ := goroutines()
	for n := range min(len(all), 5) {
		i := 0
		for range poison.Source(s).Events(t.Context(), everything) {
			if i++; i > n {
				break
			}
		}
	}
	settle(t, before)
}

// settle fails the test if goroutines are left over.
func settle(t *testing.T, before int) {
	t.Helper()
	n, stacks := goroutines()
	for range 100 {
		if n <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
		n, stacks = goroutines()
	}
	t.Errorf("%d goroutines were left over after the sequence had ended:\n%s", n-before, stacks)
}

// goroutines counts them but for those of a client's connections, which it keeps for the next
// query, and shows what they do.
func goroutines() (int, string) {
	buf := make([]byte, 1<<20)
	all := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	all = slices.DeleteFunc(all, func(s string) bool { return strings.Contains(s, "net/http.(*persistConn).") })
	return len(all), strings.Join(all, "\n\n")
}

func bounds(t *testing.T, open func(*testing.T) timeline.Source, all []*timeline.Event) {
	times := map[int64]bool{}
	for _, e := range all {
		times[e.Time.UnixNano()] = true
	}
	if len(times) < 2 {
		t.Fatal("the source must hold events of at least two times")
	}
	sorted := slices.Sorted(maps.Keys(times))
	mid := time.Unix(0, sorted[len(sorted)/2]).UTC()
	for _, f := range []timeline.Filter{{From: mid}, {To: mid}, {From: mid, To: mid.Add(time.Nanosecond)}} {
		f.Any = everything.Any
		got, _ := gather(t.Context(), open(t), f)
		atLeast(t, got, all, func(e *timeline.Event) bool {
			return (f.From.IsZero() || !e.Time.Before(f.From)) && (f.To.IsZero() || e.Time.Before(f.To))
		}, fmt.Sprintf("from %v to %v", f.From, f.To))
		for _, e := range got {
			if !f.From.IsZero() && e.Time.Before(f.From) || !f.To.IsZero() && !e.Time.Before(f.To) {
				t.Errorf("%s is at %v, outside of the bounds from %v to %v", e.Pos, e.Time, f.From, f.To)
				break
			}
		}
	}
}

// atLeast fails the test if an event of all that is wanted did not come.
func atLeast(t *testing.T, got, all []*timeline.Event, wanted func(*timeline.Event) bool, what string) {
	t.Helper()
	have := map[string]int{}
	for _, e := range got {
		have[place(e)]++
	}
	for _, e := range all {
		if !wanted(e) {
			continue
		}
		if have[place(e)]--; have[place(e)] < 0 {
			t.Errorf("asked for %s, the source did not give %s: more is allowed, less is not", what, e.Pos)
			return
		}
	}
}

func place(e *timeline.Event) string {
	return fmt.Sprintf("%s %d %d %s", e.Pos.Path, e.Pos.Part, e.Pos.Offset, e.Pos.Doc)
}

func carries(e *timeline.Event, k timeline.Key) bool {
	forms := k.Forms()
	return slices.ContainsFunc(e.Keys, func(o timeline.Key) bool {
		return o.Strength != timeline.Context && slices.ContainsFunc(o.Forms(), func(f string) bool { return slices.Contains(forms, f) })
	})
}

// spells says whether the event carries the key in one of its spellings, as a search
// in bytes finds it.
func spells(e *timeline.Event, k timeline.Key) bool {
	if !carries(e, k) {
		return false
	}
	return slices.ContainsFunc(k.Spellings(), func(sp string) bool { return strings.Contains(string(e.Raw), sp) })
}

// identities gives all identity keys of the events, each once.
func identities(all []*timeline.Event) []timeline.Key {
	var out []timeline.Key
	seen := map[string]bool{}
	for _, e := range all {
		for _, k := range e.Keys {
			if k.Strength == timeline.Identity && !seen[k.Form()] {
				seen[k.Form()] = true
				out = append(out, k)
			}
		}
	}
	return out
}

func keys(t *testing.T, open func(*testing.T) timeline.Source, all []*timeline.Event) {
	ids := identities(all)
	if len(ids) < 2 {
		t.Fatal("the source must hold at least two identity keys")
	}
	s := open(t)
	ask := func(asked []timeline.Key, what string) {
		got, _ := gather(t.Context(), s, timeline.Filter{Any: []timeline.Want{{Keys: asked}}})
		atLeast(t, got, all, func(e *timeline.Event) bool {
			return slices.ContainsFunc(asked, func(k timeline.Key) bool { return spells(e, k) })
		}, what)
		for _, e := range got {
			for _, k := range e.Keys {
				if k.Strength == timeline.Context && k.Scope == "" {
					t.Errorf("%s: context key %v has no scope; it holds on one host only", e.Pos, k)
				}
				if k.Strength == timeline.Identity && k.Scope != "" {
					t.Errorf("%s: identity key %v has scope %q; it holds everywhere", e.Pos, k, k.Scope)
				}
			}
		}
	}
	for _, k := range ids[:min(len(ids), 10)] {
		ask([]timeline.Key{k}, k.String())
		for _, sp := range k.Spellings() {
			o := k
			o.Value = sp
			if o.Form() == k.Form() {
				ask([]timeline.Key{o}, o.String())
			}
		}
	}
	ask(ids, "all its identity keys")
	got, _ := gather(t.Context(), s, timeline.Filter{Any: []timeline.Want{{Keys: []timeline.Key{{Name: timeline.KeyRequestID, Value: "no-record-of-any-source-has-this-id"}}}}})
	if len(got) == len(all) {
		t.Errorf("asked for an ID that is nowhere, the source gave all of its %d events; it is to push the want down", len(got))
	}
}

func failures(t *testing.T, open func(*testing.T) timeline.Source, all []*timeline.Event) {
	s := open(t)
	any := false
	for _, want := range []*timeline.Failed{
		{},
		{Status: []timeline.StatusRange{{Lo: 500, Hi: 599}}},
		{Status: []timeline.StatusRange{{Lo: 400, Hi: 499}, {Lo: 200, Hi: 200}}},
	} {
		got, _ := gather(t.Context(), s, timeline.Filter{Any: []timeline.Want{{Failed: want}}})
		atLeast(t, got, all, want.Match, fmt.Sprintf("failures %v", want.Status))
		any = any || slices.ContainsFunc(all, want.Match)
	}
	if !any {
		t.Fatal("the source must hold a candidate of failure")
	}
}

func windows(t *testing.T, open func(*testing.T) timeline.Source, all []*timeline.Event) {
	s := open(t)
	mid := all[len(all)/2]
	for _, w := range []*timeline.Window{
		{Host: mid.Host, From: mid.Time, To: mid.Time.Add(time.Nanosecond)},
		{Host: mid.Host, From: mid.Time.Add(-time.Hour), To: mid.Time.Add(time.Hour)},
		{From: mid.Time.Add(-time.Second), To: mid.Time.Add(time.Second)},
	} {
		got, _ := gather(t.Context(), s, timeline.Filter{Any: []timeline.Want{{Near: w}}})
		atLeast(t, got, all, w.Match, fmt.Sprintf("host %q from %v to %v", w.Host, w.From, w.To))
	}
}

func samples(t *testing.T, open func(*testing.T) timeline.Source, all []*timeline.Event) {
	s := open(t)
	got, _ := gather(t.Context(), s, timeline.Filter{Any: []timeline.Want{{Sample: &timeline.Sample{PerStream: 2}}}})
	if len(got) == 0 {
		t.Error("a sample of a source that holds identity keys is empty")
	}
	for _, e := range got {
		if !slices.ContainsFunc(e.Keys, func(k timeline.Key) bool { return k.Strength == timeline.Identity }) {
			t.Errorf("%s is in the sample but carries no identity key", e.Pos)
		}
	}
	again, _ := gather(t.Context(), open(t), timeline.Filter{Any: []timeline.Want{{Sample: &timeline.Sample{PerStream: 2}}}})
	if !slices.Equal(lines(got), lines(again)) {
		t.Error("two samples of the same are different")
	}
}

// places asks for single records by path and line. Events without a line cannot be asked for so.
func places(t *testing.T, open func(*testing.T) timeline.Source, all []*timeline.Event) {
	s := open(t)
	lines := 0
	for _, e := range all {
		if e.Pos.Line > 0 {
			lines++
		}
	}
	ask := func(at timeline.RecordAt) {
		got, _ := gather(t.Context(), s, timeline.Filter{Any: []timeline.Want{{At: &at}}})
		atLeast(t, got, all, func(e *timeline.Event) bool { return e.Pos.Line == at.Line && at.Means(e.Pos.Path) }, "the record at "+at.String())
		if lines > 1 && len(got) == len(all) {
			t.Errorf("asked for the record at %s, the source gave all of its %d events", at, len(got))
		}
	}
	for _, e := range []*timeline.Event{all[0], all[len(all)/2], all[len(all)-1]} {
		if e.Pos.Line == 0 {
			continue
		}
		ask(timeline.RecordAt{Path: e.Pos.Path, Line: e.Pos.Line})
		if i := strings.LastIndexByte(e.Pos.Path, '/'); i >= 0 {
			ask(timeline.RecordAt{Path: e.Pos.Path[i+1:], Line: e.Pos.Line})
		}
	}
	got, _ := gather(t.Context(), s, timeline.Filter{Any: []timeline.Want{{At: &timeline.RecordAt{Path: "no-file-of-any-source", Line: 1}}}})
	if len(got) == len(all) {
		t.Errorf("asked for a record of a file that it does not have, the source gave all of its %d events", len(got))
	}
}

func union(t *testing.T, open func(*testing.T) timeline.Source, all []*timeline.Event) {
	ids := identities(all)
	first := all[0]
	w := &timeline.Window{Host: first.Host, From: first.Time, To: first.Time.Add(time.Nanosecond)}
	failed := &timeline.Failed{}
	k := ids[len(ids)-1]
	got, _ := gather(t.Context(), open(t), timeline.Filter{Any: []timeline.Want{{Keys: []timeline.Key{k}}, {Failed: failed}, {Near: w}, {Sample: &timeline.Sample{PerStream: 1}}}})
	atLeast(t, got, all, func(e *timeline.Event) bool { return spells(e, k) || failed.Match(e) || w.Match(e) }, "several things at once")
	seen := map[string]int{}
	for _, e := range all {
		seen[place(e)]++
	}
	for _, e := range got {
		if seen[place(e)]--; seen[place(e)] < 0 {
			t.Errorf("%s came twice since two wants ask for it", e.Pos)
		}
	}
}

func whole(t *testing.T, _ func(*testing.T) timeline.Source, all []*timeline.Event) {
	for _, e := range all {
		var lacks []string
		for what, ok := range map[string]bool{
			"Service": e.Service != "", "Host": e.Host != "", "Raw": len(e.Raw) > 0, "Format": e.Format != "",
			"Pos.Path": e.Pos.Path != "", "Pos.Source": e.Pos.Source != "", "Stamp.Resolution": e.Time.IsZero() || e.Stamp.Resolution > 0,
		} {
			if !ok {
				lacks = append(lacks, what)
			}
		}
		if len(lacks) > 0 {
			slices.Sort(lacks)
			t.Errorf("%s has no %s", e.Pos, strings.Join(lacks, ", "))
			return
		}
	}
}

func ordered(t *testing.T, _ func(*testing.T) timeline.Source, all []*timeline.Event) {
	last := map[string]timeline.Pos{}
	for _, e := range all {
		if p, ok := last[e.Pos.Path]; ok && e.Pos.Compare(p) < 0 {
			t.Errorf("%s came after %s, which stands behind it in its stream", e.Pos, p)
		}
		last[e.Pos.Path] = e.Pos
	}
}
