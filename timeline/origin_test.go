package timeline

import "testing"

// TestNamedAnother: that a balancer made a failure of a refusal is doubted where its record names another server, and only a like exchange at its time
// says who answered it.
func TestNamedAnother(t *testing.T) {
	for _, c := range []struct {
		peer    string
		kin     bool
		doubted bool
	}{
		{"be_loans/app-1", true, true},
		{"be_loans/app-2", true, false},
		{"catalog/srv", true, false},
		{"127.0.0.1:80", true, false},
		{"be_loans/app-1", false, false},
	} {
		lb := &Hop{Service: "lb-1", Host: "lb-1", Sent: Status{Code: 500}}
		catalog := &Hop{Service: "catalog", Host: "app-2", Sent: Status{Code: 403}}
		call := &Call{Caller: lb, Callee: catalog, Peer: c.peer, Received: catalog.Sent, asSent: true, Kin: c.kin}
		lb.Calls, lb.FailedBy, catalog.Caller = []*Call{call}, call, call
		got := TraceOrigin(&Request{Hops: []*Hop{lb, catalog}, Failed: true})
		if got.Origin != lb || (len(got.Doubts) > 0) != c.doubted {
			t.Errorf("%s, kin %v: origin %s, doubts %v", c.peer, c.kin, got.Origin.Service, got.Doubts)
		}
	}
}
