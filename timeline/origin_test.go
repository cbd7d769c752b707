package timeline

import (
	"slices"
	"testing"
)

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

// TestUnseen: an error of a hop whose answer no record of its own tells is no certain origin of a gateway's status that its caller received, nor where
// it is the outermost hop. What it logged itself, and a status that an app makes of an error, leave no doubt.
func TestUnseen(t *testing.T) {
	for _, c := range []struct {
		name           string
		called         bool
		received, sent int
		lifecycle      Lifecycle
		doubted        bool
	}{
		{"its caller received 504", true, 504, 0, NoLifecycle, true},
		{"its caller received 502", true, 502, 0, NoLifecycle, true},
		{"its caller received 500", true, 500, 0, NoLifecycle, false},
		{"it logged 504 itself", true, 504, 504, NoLifecycle, false},
		{"it is the outermost and logged no status", false, 0, 0, NoLifecycle, true},
		{"it is the outermost and its process died", false, 0, 0, ProcessCrashed, false},
		{"it is the outermost and logged 500", false, 0, 500, NoLifecycle, false},
	} {
		error := &Event{Kind: LogRecord, Lifecycle: c.lifecycle, Exception: &Exception{Type: "KeyError", Escaped: true}}
		app := &Hop{Service: "booking", Host: "app-2", Sent: Status{Code: c.sent}, Events: []*Joined{{Event: error, Join: ByKey, Candidates: 1}}}
		hops := []*Hop{app}
		if c.called {
			portal := &Hop{Service: "portal", Host: "web-1", Sent: Status{Code: 500}}
			call := &Call{Caller: portal, Callee: app, Received: Status{Code: c.received}, Record: &Joined{Event: &Event{}}}
			portal.Calls, portal.FailedBy, app.Caller = []*Call{call}, call, call
			hops = []*Hop{portal, app}
		}
		got := TraceOrigin(&Request{Hops: hops, Failed: true})
		if got.Origin != app || slices.ContainsFunc(got.Doubts, func(d Doubt) bool { return d.Kind == DoubtUntold }) != c.doubted {
			t.Errorf("%s: origin %v, doubts %v", c.name, got.Origin, got.Doubts)
		}
	}
}
