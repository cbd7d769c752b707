package poison_test

import (
	"errors"
	"testing"

	"github.com/correlatehq/correlate/internal/poison"
	"github.com/correlatehq/correlate/timeline"
)

func TestEventsAreOverwritten(t *testing.T) {
	failure := errors.New("a record that cannot be read")
	seq := func(yield func(*timeline.Event, error) bool) {
		e := &timeline.Event{
			Service: "orders", Raw: []byte("raw"), Keys: []timeline.Key{{Name: "a", Value: "b"}},
			Attrs: timeline.Attrs{{Name: "c", Value: "d"}}, Exception: &timeline.Exception{Type: "E"},
		}
		if !yield(e, nil) || !yield(nil, failure) || !yield(e, nil) {
			return
		}
	}
	var kept []*timeline.Event
	var raw []byte
	n := 0
	for e, err := range poison.Events(seq) {
		n++
		if e == nil {
			if err != failure {
				t.Errorf("error %v was not handed on", err)
			}
			continue
		}
		if e.Service != "orders" || string(e.Raw) != "raw" || e.Exception.Type != "E" {
			t.Errorf("event %d is not as the source gave it: %+v", n, e)
		}
		kept, raw = append(kept, e), e.Raw
	}
	if n != 3 {
		t.Errorf("%d pairs came, want 3", n)
	}
	for _, e := range kept {
		if e.Service != poison.Text || e.Keys[0].Value != poison.Text || e.Attrs[0].Value != poison.Text || e.Exception.Type != poison.Text {
			t.Errorf("a kept event was not overwritten: %+v", e)
		}
	}
	if string(raw) != "XXX" {
		t.Errorf("kept bytes were not overwritten: %q", raw)
	}
}
