// Package poison makes code that keeps an event too long fail in tests: it wraps a
// source so that every event is overwritten as soon as the consumer asks for the
// next one.
package poison

import (
	"context"
	"iter"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// Text is what an overwritten event is full of.
const Text = "poisoned: this event was kept after the next one was asked for"

// Source wraps a source: its events are overwritten when the consumer moves on.
func Source(s timeline.Source) timeline.Source { return source{s} }

type source struct{ inner timeline.Source }

func (s source) Events(ctx context.Context, f timeline.Filter) iter.Seq2[*timeline.Event, error] {
	return Events(s.inner.Events(ctx, f))
}

// Info hands on what the wrapped source tells of itself.
func (s source) Info() timeline.Info {
	if d, ok := s.inner.(timeline.Describer); ok {
		return d.Info()
	}
	return timeline.Info{}
}

// Events wraps one sequence. The consumer is given copies of its own, so that a
// source that reads what it yielded before is not disturbed, but each copy is
// overwritten, its slices too, before the next.
func Events(seq iter.Seq2[*timeline.Event, error]) iter.Seq2[*timeline.Event, error] {
	return func(yield func(*timeline.Event, error) bool) {
		for e, err := range seq {
			if e == nil {
				if !yield(nil, err) {
					return
				}
				continue
			}
			c := e.Clone()
			goOn := yield(c, err)
			overwrite(c)
			if !goOn {
				return
			}
		}
	}
}

func overwrite(e *timeline.Event) {
	for i := range e.Keys {
		e.Keys[i] = timeline.Key{Name: Text, Value: Text, Scope: Text}
	}
	for i := range e.Attrs {
		e.Attrs[i] = timeline.Attr{Name: Text, Value: Text}
	}
	for i := range e.Calls {
		e.Calls[i] = timeline.Outcall{Peer: Text, Status: -1}
	}
	for i := range e.Raw {
		e.Raw[i] = 'X'
	}
	if e.Exception != nil {
		*e.Exception = timeline.Exception{Type: Text, Message: Text}
	}
	*e = timeline.Event{
		Time:    time.Unix(0, 0).UTC(),
		Service: Text, Host: Text, Body: Text, Severity: Text, Format: Text, System: Text,
		SpanID: Text, ParentSpanID: Text, StatusCode: -1,
		Keys: e.Keys, Attrs: e.Attrs, Calls: e.Calls, Raw: e.Raw, Exception: e.Exception,
		Pos: timeline.Pos{Source: Text, Path: Text},
	}
}
