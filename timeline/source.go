package timeline

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// A Source gives the events that a Filter wants. It may give more, never less.
//
// The sequence may be asked for several times, also from several goroutines. Its
// events come in the order of their positions within one stream. A *RecordError is
// about one record and the sequence goes on; any other error is the last pair.
type Source interface {
	Events(ctx context.Context, f Filter) iter.Seq2[*Event, error]
}

// A Describer is a Source that can tell what it holds.
type Describer interface {
	// Info tells what was read so far.
	Info() Info
}

// Info is what a source can tell of itself.
type Info struct {
	Files    int
	Bytes    int64     // as stored
	Unpacked int64     // bytes that it looks through if it scans, which may be an estimate
	Scans    bool      // it looks for keys through all of its bytes, and has no index as a server has
	From, To time.Time // range of the raw stamps seen; zero if none was
	Skipped  []Skipped // what it could not read, in order of position
}

// A Progresser is a Source that can tell how far the pass over it is that began last.
type Progresser interface{ Progress() Progress }

// Progress is how far a pass is.
type Progress struct {
	Done, Total      int64 // bytes as stored
	FilesDone, Files int
	// Records are those that a server has given, of so many that it found.
	RecordsDone, Records int64
}

// A Named source is a source with the name by which results speak of it.
type Named struct {
	Name   string
	Source Source
	// Timeout is how long others wait for the source, in all rounds together; 0 is without
	// bound. What takes longer ends with a *TimeoutError.
	Timeout time.Duration
}

// A TimeoutError says that a source was not waited for any longer.
type TimeoutError struct{ After time.Duration }

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("no whole answer within %s", e.After)
}

// wait runs through the events of a source and hands each pair to do. Only the time in
// which it waits for the source counts; left is what remains of it, 0 if it has no bound.
// The last pair is a *TimeoutError if the time is over.
func wait(ctx context.Context, s Named, f Filter, left *time.Duration, do func(*Event, error)) {
	if s.Timeout == 0 {
		for e, err := range s.Source.Events(ctx, f) {
			do(e, err)
		}
		return
	}
	late := &TimeoutError{s.Timeout}
	if *left <= 0 {
		do(nil, late)
		return
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	begun := time.Now()
	timer := time.AfterFunc(*left, func() { cancel(late) })
	defer timer.Stop()
	for e, err := range s.Source.Events(ctx, f) {
		timer.Stop()
		*left -= time.Since(begun)
		if err != nil && context.Cause(ctx) == late {
			do(nil, late)
			return
		}
		do(e, err)
		begun = time.Now()
		timer.Reset(max(*left, 0))
	}
	*left -= time.Since(begun)
}

// A Filter says what is wanted: all events that any of the wants asks for, with a
// raw Time in [From, To) where these are not zero.
type Filter struct {
	From, To time.Time
	// Slack is by how much From and To were moved apart since raw stamps may be off: the
	// moments meant lie in [From+Slack, To-Slack). A source whose server keeps times of its
	// own, by clocks that are not off so far, may ask it by these.
	Slack time.Duration
	// Within are windows by clock (see [ClockOf]): of what a clock stamped that is named here
	// only what lies in one of its windows is wanted, and what bears no stamp; of others all is. What by
	// the stamps around it was written outside of the windows may be left out, and what a server's own times put
	// outside of them.
	Within map[string][]Window
	// Some says of the windows of Any that they are of a sample: what a server's own times put outside of them may be left out.
	Some bool
	Any  []Want
}

// A Want asks for events in one of seven ways; exactly one field is set.
type Want struct {
	Keys   []Key   // events with one of these identity keys, in any spelling
	Failed *Failed // candidates of failure
	Near   *Window // every event that one host stamped in a window
	Sample *Sample // a bounded sample of records that carry an identity key
	// Lifecycle asks for the records of process lives: starts, stops, crashes.
	Lifecycle bool
	// Begins asks for events with an identity key that begins so, in lower or upper case, and goes on, as who has only a part of an ID does. Of a
	// server that is not asked: few have an index that finds it.
	Begins string
	// At asks for the record at a place. A source whose events have no line has none there.
	At *RecordAt
}

// Failed asks for events whose record is a failure: by its format's declaration, or
// by status.
type Failed struct {
	// Status holds the wanted ranges of http.response.status_code; if empty, the
	// formats' own declarations decide.
	Status []StatusRange
}

// A StatusRange is an inclusive range of status codes.
type StatusRange struct{ Lo, Hi int }

// Match says whether e is a candidate of failure.
func (f *Failed) Match(e *Event) bool {
	for _, r := range f.Status {
		if e.StatusCode >= r.Lo && e.StatusCode <= r.Hi {
			return true
		}
		for _, c := range e.Calls {
			if c.Status >= r.Lo && c.Status <= r.Hi {
				return true
			}
		}
	}
	return e.Failed && len(f.Status) == 0
}

// A Window is a span of one host's raw clock. Host "" means every host.
type Window struct {
	Host     string
	From, To time.Time
}

// Match says whether the stamp of e lies in the window.
func (w *Window) Match(e *Event) bool {
	return (w.Host == "" || e.Host == w.Host) && !e.Time.Before(w.From) && e.Time.Before(w.To)
}

// A Sample asks each stream (one file with its rotated parts, one host's index) for
// about PerStream records that carry an identity key, spread evenly over it. Who
// asks then gathers the whole requests by key.
type Sample struct {
	PerStream int
	// InAll is how many of all streams together are enough, of each its share, so that a
	// source of many streams need not give so many of each; 0 if that is not known.
	InAll int
}

// A Draw tells how an event of a sample was drawn from its stream: it is the first with an identity key among Searched units (bytes or
// documents) that were looked at, and stands for a stretch of Of of them. The sums over a stream tell how many such events it holds.
type Draw struct {
	Stream       string // the same for all draws of one stream of the source
	Of, Searched float64
}

// A RecordError is about one record, or one stretch of a stream, that could not be
// read. The sequence goes on after it.
type RecordError struct {
	Pos  Pos
	What string // stable and short, for counting: "not in the format of its file", "record cut at 1 MiB"
	Err  error  // the details
}

func (e *RecordError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s: %s", e.Pos, e.What)
	}
	return fmt.Sprintf("%s: %s: %v", e.Pos, e.What, e.Err)
}

func (e *RecordError) Unwrap() error { return e.Err }

// Skipped counts what of one source could not be read or was left out, by reason.
type Skipped struct {
	Source string // name of the source
	What   string
	Count  int
	First  string // position of the first
	// Lost says that an unknown amount was not read: a file that cannot be opened, or
	// breaks off. Whatever is asked for may have been there.
	Lost bool
	// Torn says that what was not read may have stood among the records of any request that was:
	// part of an index, the rest of an answer. A file that is missing whole tears nothing.
	Torn bool
}
