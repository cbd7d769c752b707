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
