package timeline

import "testing"

// TestAnsweredForIt: an error that nothing caught is what a gateway's 500 came from, and any failure is that which its only callee had received.
func TestAnsweredForIt(t *testing.T) {
	escaped := []*Joined{{Event: &Event{Exception: &Exception{Type: "RuntimeException", Escaped: true}, Failed: true}, Candidates: 1}}
	for _, c := range []struct {
		what   string
		role   Role
		sent   int
		events []*Joined
		got    int // what the callee received
		others int
		want   int
	}{
		{"a 500", RoleGateway, 500, escaped, 0, 0, 500},
		{"of an app that does not pass on", RoleApp, 500, escaped, 0, 0, 0},
		{"a 502 is the gateway's own", RoleGateway, 502, escaped, 0, 0, 0},
		{"no error", RoleGateway, 500, []*Joined{{Event: &Event{}, Candidates: 1}}, 0, 0, 0},
		{"somebody else was called too", RoleGateway, 500, escaped, 0, 1, 0},
		{"a 503 that the callee had received", RoleGateway, 503, nil, 503, 0, 503},
		{"another failure than the callee had received", RoleGateway, 502, nil, 503, 0, 0},
	} {
		up := &Hop{Role: c.role, Sent: Status{Code: c.sent}}
		call := &Call{Caller: up, Callee: &Hop{Events: c.events, Calls: []*Call{{Received: Status{Code: c.got}}}}}
		up.Calls = []*Call{call}
		for range c.others {
			up.Calls = append(up.Calls, &Call{Caller: up})
		}
		if answeredForIt(call); call.Received.Code != c.want {
			t.Errorf("%s: received %d, want %d", c.what, call.Received.Code, c.want)
		}
	}
}
