package timeline

import (
	"testing"
	"time"
)

// TestSaidTwice: the same bytes are the same record once more, but for a message that stands twice in one file and is stamped by the second.
func TestSaidTwice(t *testing.T) {
	message := func() *Event {
		return &Event{Kind: LogRecord, Stamp: Stamp{Resolution: time.Second}, Pos: Pos{Source: "s", Path: "app-1/orders.log", Line: 8}}
	}
	at := Pos{Source: "s", Path: "app-1/orders.log", Line: 7}
	for _, c := range []struct {
		what  string
		other func(e *Event)
		want  bool
	}{
		{"a message", func(*Event) {}, true},
		{"of milliseconds", func(e *Event) { e.Stamp.Resolution = time.Millisecond }, false},
		{"a record of an exchange", func(e *Event) { e.Kind = ServerSpan }, false},
		{"in another file", func(e *Event) { e.Pos.Path = "copy/orders.log" }, false},
		{"of another source", func(e *Event) { e.Pos.Source = "cluster" }, false},
		{"a document of a cluster", func(e *Event) { e.Pos.Doc = "17" }, false},
	} {
		e := message()
		c.other(e)
		if got := saidTwice(e, at); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}
