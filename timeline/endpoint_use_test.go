package timeline

import (
	"fmt"
	"slices"
	"testing"
)

// TestAlways: a service is always called for a kind of exchange if in nine of ten that were answered without a failure it gave an answer; failures,
// and exchanges joined by inference, do not count.
func TestAlways(t *testing.T) {
	exchange := func(status int, path string, called ...string) *Hop {
		e := parseEvents(t, fmt.Sprintf("shop s1 server 10:00:01.000 dur=200ms status=%d rid=a http.request.method=GET url.path=%s", status, path))[0]
		h := &Hop{Service: "shop", Host: "s1", Sent: Status{Code: status}, Events: []*Joined{{Event: e}}}
		for _, c := range called {
			h.Calls = append(h.Calls, &Call{Caller: h, Callee: &Hop{Service: c}, Received: Status{Code: 200}})
		}
		return h
	}
	d := newBookDraft(nil, listeners{})
	for i := range 20 {
		called := []string{"stock"}
		if i > 0 {
			called = append(called, "prices") // once it was not
		}
		if i%2 == 0 {
			called = append(called, "recs", "recs")
		}
		d.use(exchange(200, fmt.Sprintf("/orders/%d", i), called...), nil)
	}
	for range 5 {
		d.use(exchange(500, "/orders/7"), nil)
		inferred := exchange(200, "/orders/8")
		inferred.Events[0].Join = ByInferred
		d.use(inferred, nil)
	}
	for i := range usesLeast - 1 {
		d.use(exchange(200, fmt.Sprintf("/carts/%d/items", i), "stock"), nil)
	}
	b := d.book()
	if got := b.Always(exchange(500, "/orders/99")); !slices.Equal(got, []string{"prices", "stock"}) {
		t.Errorf("for orders %q are always called, want prices and stock", got)
	}
	if got := b.Always(exchange(500, "/carts/9/items")); got != nil {
		t.Errorf("of too few exchanges %q, want none", got)
	}
	if got := b.Always(exchange(500, "/other")); got != nil {
		t.Errorf("of a kind that was never seen %q, want none", got)
	}
	if got := (*EndpointBook)(nil).Always(exchange(500, "/orders/1")); got != nil {
		t.Errorf("without a book %q", got)
	}
}

// TestWithout: a service is not whom exchanges of a kind need that mostly succeed without a record of it, if of another kind it leaves one.
func TestWithout(t *testing.T) {
	exchange := func(path string) *Hop {
		e := parseEvents(t, "shop s1 server 10:00:01.000 dur=200ms status=200 rid=a http.request.method=GET url.path="+path)[0]
		return &Hop{Service: "shop", Host: "s1", Sent: Status{Code: 200}, Events: []*Joined{{Event: e}}}
	}
	d := newBookDraft(nil, listeners{})
	for range 2 * usesLeast {
		d.use(exchange("/orders"), map[string]bool{"shop": true, "stock": true})
		d.use(exchange("/me"), map[string]bool{"shop": true})
	}
	for range usesLeast - 1 {
		d.use(exchange("/carts"), map[string]bool{"shop": true})
	}
	b := d.book()
	for _, c := range []struct {
		path, service string
		want          bool
	}{
		{"/me", "stock", true},
		{"/orders", "stock", false},
		{"/carts", "stock", false}, // too few
		{"/me", "recs", false},     // it is beside none
		{"/other", "stock", false},
	} {
		if got := b.Without(exchange(c.path), c.service); got != c.want {
			t.Errorf("%s without %s: %v, want %v", c.path, c.service, got, c.want)
		}
	}
}

// TestByRoute: what comes by a route of a gateway goes to the service to which nine of ten calls of the route went.
func TestByRoute(t *testing.T) {
	hop := func(service string, attrs string, join Join) *Hop {
		e := parseEvents(t, service+" g1 server 10:00:01.000 status=503 "+attrs)[0]
		return &Hop{Service: service, Host: "g1", Events: []*Joined{{Event: e, Join: join}}}
	}
	for _, c := range []struct {
		what   string
		routes map[routed]int
		hop    *Hop
		want   string
	}{
		{"all of its calls", map[routed]int{{"edge", "orders@file", "orders"}: 3}, hop("edge", "traefik.router=orders@file", ByKey), "orders"},
		{"too few", map[routed]int{{"edge", "orders@file", "orders"}: 2}, hop("edge", "traefik.router=orders@file", ByKey), ""},
		{"nine of ten", map[routed]int{{"edge", "orders@file", "orders"}: 9, {"edge", "orders@file", "pages"}: 1}, hop("edge", "traefik.router=orders@file", ByKey), "orders"},
		{"eight of ten", map[routed]int{{"edge", "orders@file", "orders"}: 8, {"edge", "orders@file", "pages"}: 2}, hop("edge", "traefik.router=orders@file", ByKey), ""},
		{"another route", map[routed]int{{"edge", "orders@file", "orders"}: 9}, hop("edge", "traefik.router=carts@file", ByKey), ""},
		{"another gateway", map[routed]int{{"edge", "orders@file", "orders"}: 9}, hop("inner", "traefik.router=orders@file", ByKey), ""},
		{"Envoy's name of it", map[routed]int{{"edge", "orders", "orders"}: 9}, hop("edge", "envoy.route_name=orders", ByKey), "orders"},
		{"a record that is not surely its own", map[routed]int{{"edge", "orders@file", "orders"}: 9}, hop("edge", "traefik.router=orders@file", ByInferred), ""},
		{"no route is named", map[routed]int{{"edge", "", "orders"}: 9}, hop("edge", "", ByKey), ""},
	} {
		if got := (&EndpointBook{routes: c.routes}).ByRoute(c.hop); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}
