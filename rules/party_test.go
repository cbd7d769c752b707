package rules

import (
	"testing"

	"github.com/correlatehq/correlate/timeline"
)

// TestInFunction tells lines of stacks that are of a function from those that hold its name elsewhere.
func TestInFunction(t *testing.T) {
	for line, want := range map[string]bool{
		`  File "/srv/shop/orders.py", line 142, in stock`:          true,
		`main.(*Client).Stock(0xc000012340, {0x7f, 0x3})`:           true,
		`    at stock (/srv/shop/orders.js:4:9)`:                    true,
		`#3 /srv/shop/src/Client.php(12): App\Client->stock('GET')`: true,
		`  File "/srv/shop/stock.py", line 142, in request`:         false,
		`  File "/srv/shop/orders.py", line 142, in stock_of`:       false,
		`main.restock(0x1)`:                         false,
		`    at request (/srv/stock/orders.js:4:9)`: false,
		``: false,
	} {
		if got := inFunction(line, "stock"); got != want {
			t.Errorf("inFunction(%q) = %v, want %v", line, got, want)
		}
	}
	if inFunction("in ", "") {
		t.Error("no name is that of a function")
	}
}

// TestCalledFrom: the service whose name a function of the hop's own code has is the one that was called, if it is the only one.
func TestCalledFrom(t *testing.T) {
	const own = "  File \"/srv/shop/orders.py\", line 142, in stock\n    session.request(url)\n"
	for _, c := range []struct {
		what, file, trace, want string
	}{
		{"own code", "/srv/shop/orders.py", own, "stock"},
		{"code of a library", "/srv/shop/orders.py", "  File \"/usr/lib/python3/stock.py\", line 3, in stock\n", ""},
		{"two of them", "/srv/shop/orders.py", own + "  File \"/srv/shop/orders.py\", line 9, in prices\n", ""},
		{"one that this service does not call", "/srv/shop/orders.py", "  File \"/srv/shop/orders.py\", line 9, in mail\n", ""},
		{"Go", "/srv/shop/orders.go", "main.(*api).Stock(...)\n\t/srv/shop/orders.go:12 +0x1b\n", "stock"},
		{"no place is known", "", own, ""},
	} {
		e := &timeline.Event{Exception: &timeline.Exception{Type: "E", File: c.file}, Attrs: timeline.Attrs{{Name: fieldTrace, Value: c.trace}}}
		h := &HopView{Service: "orders", from: &views{near: new(nearView(&timeline.Surroundings{Book: &timeline.EndpointBook{Edges: []timeline.Edge{
			{Caller: "edge", Callee: "orders", Calls: 9}, {Caller: "edge", Callee: "mail", Calls: 9},
			{Caller: "orders", Callee: "prices", Calls: 9}, {Caller: "orders", Callee: "stock", Calls: 9},
		}}}))}}
		if got := h.calledFrom(&EventView{joined: &timeline.Joined{Event: e}}); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

// A balancer that has called one member of a group alone had no server of the group, not none of that member.
func TestUsualCalleeIsTheGroup(t *testing.T) {
	r, near := parse(t, `
usual lb-1 be_orders/app-2 20
lb-1 proxy 1ms +1ms 503 system=haproxy haproxy.termination_state=SC-- haproxy.server_name=<NOSRV> haproxy.backend=be_orders
`)
	v, err := Builtin().Judge(t.Context(), r, near)
	if err != nil {
		t.Fatal(err)
	}
	if v.Rule != "no_server_up" || v.Component != "be_orders" {
		t.Errorf("%s of %q", v.Rule, v.Component)
	}
}
