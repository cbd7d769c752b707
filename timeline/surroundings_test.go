package timeline

import (
	"fmt"
	"testing"
	"time"
)

// TestSameError: code that passes on what others answered fails in one place for many reasons, and the words tell; what differs from one time to the next does not.
func TestSameError(t *testing.T) {
	logged := func(message string) *Exception {
		return &Exception{Message: message, File: "main.go", Function: "main.wrap", Line: 190, Logged: true}
	}
	for _, x := range []struct {
		a, b *Exception
		same bool
	}{
		{logged("interest of account 204996: division by zero"), logged("interest of account 17: division by zero"), true},
		{logged("interest of account 204996: division by zero"), logged("too many requests at work, try later"), false},
		{&Exception{Type: "KeyError", Message: "'a'", File: "a.py", Line: 3}, &Exception{Type: "KeyError", Message: "'b'", File: "a.py", Line: 3}, true},
		{&Exception{Type: "Failed", Message: "mailer answered 429", File: "a.py", Line: 3}, &Exception{Type: "Failed", Message: "billing answered 429", File: "a.py", Line: 3}, false},
		{&Exception{Type: "Failed", Message: "billing answered 401: u-17", File: "a.py", Line: 3}, &Exception{Type: "Failed", Message: "billing answered 429: u-18", File: "a.py", Line: 3}, false},
		{&Exception{Type: "Failed", Message: "billing answered 401: u-17", File: "a.py", Line: 3}, &Exception{Type: "Failed", Message: "billing answered 401: u-18", File: "a.py", Line: 3}, true},
		{&Exception{Type: "KeyError", File: "a.py", Line: 3}, &Exception{Type: "KeyError", File: "a.py", Line: 4}, false},
	} {
		if got := x.a.stack() == x.b.stack(); got != x.same {
			t.Errorf("%v and %v are the same: %v", x.a, x.b, got)
		}
	}
}

// TestElsewhere: errors of one function, or under the same words before what went wrong, are of one place in the code, and of many the nearest are given.
func TestElsewhere(t *testing.T) {
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(s int) Instant {
		when := began.Add(time.Duration(s) * time.Second)
		return Instant{Earliest: when, Time: when, Latest: when}
	}
	raised := func(function, message string) *Event {
		return &Event{Service: "orders", Exception: &Exception{Type: "OSError", Message: message, File: "a.py", Function: function}}
	}
	wrapped := func(message string) *Event {
		return &Event{Service: "orders", Exception: &Exception{Message: message, File: "main.go", Function: "told", Logged: true}}
	}
	var list []occurrence
	for i, e := range []*Event{
		raised("price", "one"), raised("stock", "two"), raised("price", "three"),
		wrapped("ask prices: refused"), wrapped("ask stock: refused"), wrapped("ask prices: http://10.0.0.1: 500"), wrapped("order 17: refused"), wrapped("refused"),
	} {
		list = append(list, occurrence{e, at(i)})
	}
	for i := range 2 * elsewhereMost {
		list = append(list, occurrence{raised("many", fmt.Sprint(i)), at(100 + i)})
	}
	s := &Surroundings{byCode: byCode(map[place][]occurrence{{"orders", "o1"}: list})}
	for _, c := range []struct {
		of   *Event
		at   int
		want string
	}{
		{raised("price", "other"), 1, "[one three]"},
		{raised("weight", "other"), 1, "[]"},
		{wrapped("ask prices: circuit breaker is open"), 1, "[ask prices: refused ask prices: http://10.0.0.1: 500]"},
		{wrapped("order 18: refused"), 1, "[]"}, // the words are not the code's alone
		{wrapped("refused"), 1, "[]"},
		{&Event{Service: "orders"}, 1, "[]"},
	} {
		got := []string{}
		for _, e := range s.Elsewhere(c.of, at(c.at)) {
			got = append(got, e.Exception.Message)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("elsewhere of %v: %v, want %s", c.of.Exception, got, c.want)
		}
	}
	for from, first := range map[int]string{0: "0", 150: "25", 500: "50"} {
		got := s.Elsewhere(raised("many", ""), at(from))
		if len(got) != elsewhereMost || got[0].Exception.Message != first {
			t.Errorf("of many at %d there are %d, the first %v, want %d from %s on", from, len(got), got[0].Exception.Message, elsewhereMost, first)
		}
	}
}
