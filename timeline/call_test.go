package timeline

import "testing"

// TestTellUnsure: a proxy's messages about its calls tell of those of which its access record does not say who made their status, one of one, in
// their order.
func TestTellUnsure(t *testing.T) {
	message := func(peer string, ended Outcome, candidates int) *Joined {
		return &Joined{Event: &Event{Kind: LogRecord, Calls: []Outcall{{Peer: peer, Ended: ended, Error: "said"}}}, Candidates: candidates}
	}
	call := func(peer string, status int) *Call {
		return &Call{Peer: peer, Received: Status{Code: status}, Unsure: true}
	}
	for _, c := range []struct {
		what   string
		calls  []*Call
		events []*Joined
		want   []Outcome
	}{
		{"each by its own", []*Call{call("a:80", 502), call("b:80", 504)}, []*Joined{message("a:80", Refused, 1), message("b:80", GaveUp, 1)}, []Outcome{Refused, GaveUp}},
		{"by its peer", []*Call{call("a:80", 502), call("b:80", 502)}, []*Joined{message("b:80", Reset, 1)}, []Outcome{OutcomeUnknown, Reset}},
		{"tries of one peer", []*Call{call("a:80", 502), call("a:80", 502), call("a:80", 502)}, []*Joined{message("a:80", Refused, 1), message("a:80", Refused, 1)}, []Outcome{Refused, Refused, OutcomeUnknown}},
		{"another status", []*Call{call("a:80", 503)}, []*Joined{message("a:80", Refused, 1)}, []Outcome{OutcomeUnknown}},
		{"a message that may be another request's", []*Call{call("a:80", 502)}, []*Joined{message("a:80", Refused, 2)}, []Outcome{OutcomeUnknown}},
		{"the caller left", []*Call{call("a:80", 502)}, []*Joined{message("a:80", CallerLeft, 1)}, []Outcome{OutcomeUnknown}},
	} {
		h := &Hop{Calls: c.calls, Events: c.events}
		tellUnsure(h)
		for i, k := range h.Calls {
			told := c.want[i] != OutcomeUnknown
			if k.Ended != c.want[i] || k.OwnMade != told || k.Unsure == told || (k.Error != "") != told {
				t.Errorf("%s: call %d ended %v, own made: %v, unsure: %v, %q", c.what, i, k.Ended, k.OwnMade, k.Unsure, k.Error)
			}
		}
	}
}

// TestToldByError: what another service answered that logs no statuses is told by the error of its caller, which names it or has called nobody else.
func TestToldByError(t *testing.T) {
	died := &Joined{Event: &Event{Kind: LogRecord, Failed: true, Exception: &Exception{Type: "IllegalState", Escaped: true}}, Candidates: 1}
	for _, c := range []struct {
		message string
		callee  []*Joined
		others  int
		want    int
	}{
		{"[500] during [POST] to [http://inventory:8080/stock/take] [InventoryClient#take(Take)]", nil, 1, 500},
		{`503 Service Unavailable: "no"; inventory did not answer the HTTP request`, nil, 0, 503},
		{`500 Internal Server Error: "{}"`, []*Joined{died}, 0, 500},
		{`500 Internal Server Error: "{}"`, []*Joined{died}, 1, 0},
		{`500 Internal Server Error: "{}"`, nil, 0, 0},
		{"inventory took 500ms", []*Joined{died}, 0, 0},
		{"item 500 of inventory is not known", []*Joined{died}, 0, 0},
		{"no connection to http://inventory:500/", []*Joined{died}, 0, 0},
	} {
		up := &Hop{Service: "orders", Sent: Status{Code: 500}, Events: []*Joined{{Event: &Event{Kind: LogRecord, Exception: &Exception{Message: c.message}}, Candidates: 1}}}
		call := &Call{Caller: up, Callee: &Hop{Service: "inventory", Events: c.callee}}
		up.Calls = append(up.Calls, call)
		for range c.others {
			up.Calls = append(up.Calls, &Call{Caller: up, Callee: &Hop{Service: "prices"}})
		}
		if toldByError(call); call.Received.Code != c.want {
			t.Errorf("%q: got %v, want %d", c.message, call.Received, c.want)
		}
		call.Received = Status{}
		up.Events[0] = &Joined{Event: &Event{Kind: LogRecord, Failed: true, Severity: "error", Body: "call failed", Attrs: Attrs{{"error.message", c.message}}}, Candidates: 1}
		if toldByError(call); call.Received.Code != c.want {
			t.Errorf("%q in words alone: got %v, want %d", c.message, call.Received, c.want)
		}
		call.Received = Status{}
		up.Calls = append(up.Calls, &Call{Caller: up, Received: Status{Code: c.want}})
		if toldByError(call); call.Received.Known() {
			t.Errorf("%q, and another call had that answer: got %v", c.message, call.Received)
		}
	}
}

// TestAbandoned: who failed a request of which the callee says that its caller left had waited no longer, unless it had been left itself, has a record of the call, or another one
// answered so.
func TestAbandoned(t *testing.T) {
	for _, c := range []struct {
		what       string
		sent, left int // what the caller sent, what the callee logged
		recorded   bool
		other      int // what another call brought
		want       Outcome
	}{
		{"a gateway that gave up", 503, 499, false, 0, GaveUp},
		{"its client left", 499, 499, false, 0, OutcomeUnknown},
		{"it went on", 200, 499, false, 0, OutcomeUnknown},
		{"the callee answered", 503, 200, false, 0, OutcomeUnknown},
		{"the caller has a record", 503, 499, true, 0, OutcomeUnknown},
		{"another call failed so", 503, 499, false, 503, OutcomeUnknown},
		{"another call went well", 503, 499, false, 200, GaveUp},
	} {
		up := &Hop{Sent: Status{Code: c.sent}}
		call := &Call{Caller: up, Callee: &Hop{Sent: Status{Code: c.left}}}
		if c.recorded {
			call.Record = &Joined{Event: &Event{}}
		}
		up.Calls = append(up.Calls, call)
		if c.other != 0 {
			up.Calls = append(up.Calls, &Call{Caller: up, Received: Status{Code: c.other}})
		}
		if abandoned(call); call.Ended != c.want {
			t.Errorf("%s: %v, want %v", c.what, call.Ended, c.want)
		}
	}
}

// TestHostsIn: the host of a URL or of a pool of connections in an error tells whom its writer called.
func TestHostsIn(t *testing.T) {
	for _, c := range []struct {
		message string
		want    bool
	}{
		{"500 Server Error: Internal Server Error for url: http://bill:9000/charge", true},
		{"HTTPConnectionPool(host='bill', port=9000): Read timed out. (read timeout=3)", true},
		{`Post "https://billing/charge": EOF`, true},
		{"the bill is not known", false},
		{"http://bill.example/charge answered 500", false},
		{"http://shop/bill: 500", false},
	} {
		e := &Joined{Event: &Event{Kind: LogRecord, Body: "failed", Exception: &Exception{Message: c.message}}}
		h := &Hop{Service: "billing", Host: "bill"}
		if got := h.at(hostsIn(e)); got != c.want {
			t.Errorf("%q: %v, want %v", c.message, got, c.want)
		}
	}
}
