package timeline

import "testing"

func TestOnlyCallee(t *testing.T) {
	behind := Edge{Caller: "lb", Callee: "orders", Calls: 100}
	for _, c := range []struct {
		what  string
		edges []Edge
		want  string
	}{
		{"all go to one", []Edge{{Caller: "edge", Callee: "lb", Calls: 50}}, "lb"},
		{"too few", []Edge{{Caller: "edge", Callee: "lb", Calls: 2}}, ""},
		{"some go elsewhere", []Edge{{Caller: "edge", Callee: "lb", Calls: 50}, {Caller: "edge", Callee: "docs", Calls: 10}}, ""},
		{"two between left no record of some", []Edge{behind, {Caller: "cache", Callee: "lb", Calls: 50}, {Caller: "edge", Callee: "cache", Calls: 50}, {Caller: "edge", Callee: "orders", Calls: 10}}, "cache"},
		{"the one between left no record of some", []Edge{behind, {Caller: "edge", Callee: "lb", Calls: 50}, {Caller: "edge", Callee: "orders", Calls: 10}}, "lb"},
		{"it calls itself what stands behind", []Edge{behind, {Caller: "edge", Callee: "lb", Calls: 50}, {Caller: "edge", Callee: "orders", Calls: 10, Recorded: 10}}, ""},
		{"who calls it much more often is not called by it", []Edge{{Caller: "lb", Callee: "edge", Calls: 500}, {Caller: "edge", Callee: "lb", Calls: 8}}, ""},
		{"a record says that it is", []Edge{{Caller: "lb", Callee: "edge", Calls: 500}, {Caller: "edge", Callee: "lb", Calls: 8, Recorded: 8}}, "lb"},
	} {
		if got := (&EndpointBook{Edges: c.edges}).OnlyCallee("edge"); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func TestLookupHost(t *testing.T) {
	book := &EndpointBook{Endpoints: []Endpoint{
		{Peer: "10.0.0.1:8080", Service: "orders", Host: "app-1"},
		{Peer: "10.0.0.1:8081", Service: "orders", Host: "app-1"},
		{Peer: "10.0.0.2:3306", Service: "db", Host: "db-1"},
		{Peer: "10.0.0.2:8080", Service: "orders", Host: "db-1"},
		{Peer: "127.0.0.1:9000", From: "web-1", Service: "portal", Host: "web-1"},
		{Peer: "stock:9000", Service: "stock", Host: "app-3"},
	}}
	for _, c := range []struct{ from, host, want string }{
		{"", "10.0.0.1", "orders"},
		{"", "10.0.0.2", ""}, // two answer there
		{"", "10.0.0.3", ""},
		{"web-1", "127.0.0.1", "portal"},
		{"web-2", "127.0.0.1", ""},
		{"", "stock", ""}, // a name may be any group's
	} {
		if got, ok := book.LookupHost(c.from, c.host); got.Service != c.want || ok != (c.want != "") {
			t.Errorf("%s from %q: %q, %t, want %q", c.host, c.from, got.Service, ok, c.want)
		}
	}
}
