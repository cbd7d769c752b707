package timeline

import (
	"fmt"
	"strings"
	"testing"
)

// TestBetween: of posts that failed in one second each has the balancer's record that lies within the gateway's and around the
// app's of the same ID, though only the time tells, and the gateway's tells seconds.
func TestBetween(t *testing.T) {
	var logs strings.Builder
	clock := func(at float64) string { return fmt.Sprintf("10:00:%06.3f", at) }
	exchange := func(id string, status int, method, path string, began, took, worked float64) {
		ended := began + took
		fmt.Fprintf(&logs, "edge e1 server %s res=1s status=%d rid=%s http.request.method=%s url.path=%s role=gateway\n", clock(float64(int(ended))), status, id, method, path)
		fmt.Fprintf(&logs, "lb lb-1 server %s dur=%.0fms status=%d ticket=%s http.request.method=%s url.path=%s role=proxy\n", clock(ended+7.5), 1000*took, status, id, method, path)
		fmt.Fprintf(&logs, "orders app-1 server %s dur=%.0fms status=%d rid=%s http.request.method=%s url.path=%s role=app\n", clock(ended-0.004-1.25), 1000*worked, status, id, method, path)
	}
	for i := range 8 {
		exchange(fmt.Sprintf("ok-%d", i), 200, "GET", fmt.Sprintf("/o/%d", i), 20+1.37*float64(i), 0.06, 0.05)
	}
	exchange("fail-a", 500, "POST", "/orders", 32.10, 0.400, 0.3)
	exchange("fail-b", 500, "POST", "/orders", 32.25, 0.060, 0.05)
	exchange("fail-c", 500, "POST", "/orders", 32.30, 0.090, 0.08)

	got, err := Collect(t.Context(), []Named{{Name: "s", Source: parseEvents(t, logs.String())}}, Query{Filter: Filter{Any: []Want{{Failed: &Failed{}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Requests) != 3 {
		t.Errorf("%d requests, want 3", len(got.Requests))
	}
	for _, r := range got.Requests {
		for _, e := range r.Events {
			if ticket := e.Attrs.Get("ticket"); ticket != "" && ticket != r.ID {
				t.Errorf("%s has the balancer's record of %s", r.ID, ticket)
			}
		}
		if len(r.Hops) != 3 {
			t.Errorf("%s has %d hops, want 3", r.ID, len(r.Hops))
		}
	}
}

// TestUnread: what a balancer could not read as a request tells of no line; it is joined with the exchange that failed at its time.
func TestUnread(t *testing.T) {
	var logs strings.Builder
	for i := range 8 {
		at := 20 + 1.37*float64(i)
		fmt.Fprintf(&logs, "edge e1 server 10:00:%06.3f dur=40ms status=200 rid=ok-%d http.request.method=GET url.path=/o/%d role=gateway\n", at+0.04, i, i)
		fmt.Fprintf(&logs, "lb lb-1 server 10:00:%06.3f dur=30ms status=200 http.request.method=GET url.path=/o/%d role=proxy\n", at+0.035+7.5, i)
	}
	logs.WriteString("edge e1 server 10:00:25.004 dur=4ms status=500 rid=fail-a http.request.method=GET url.path=/o/x role=gateway\n")
	logs.WriteString("lb lb-1 server 10:00:32.502 dur=1ms status=400 role=proxy\n")
	got, err := Collect(t.Context(), []Named{{Name: "s", Source: parseEvents(t, logs.String())}}, Query{Filter: Filter{Any: []Want{{Failed: &Failed{}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Requests) != 1 || len(got.Requests[0].Hops) != 2 || got.Requests[0].Hops[1].Sent.Code != 400 {
		t.Errorf("%d requests, want one with the balancer's refusal: %+v", len(got.Requests), got.Requests[0].Hops)
	}
}

// TestReceivedAsSent: where a record has only the status that its writer sent, what it received is what its callee says that it sent,
// if that is the one that the record names.
func TestReceivedAsSent(t *testing.T) {
	for _, x := range []struct {
		peer        string
		asSent, kin bool
		want        int
	}{
		{"orders", true, false, 409},
		{"10.0.0.7:80", true, true, 409},
		{"10.0.0.7:80", true, false, 500}, // a hop between the two may have logged nothing
		{"orders", false, false, 500},
	} {
		lb := &Hop{Service: "lb", Host: "lb-1"}
		c := &Call{Caller: lb, Peer: x.peer, Received: Status{Code: 500}, asSent: x.asSent, Kin: x.kin}
		(&draft{builder: &builder{}}).tie(c, &Hop{Service: "orders", Host: "app-1", Sent: Status{Code: 409}})
		if c.Received.Code != x.want {
			t.Errorf("%+v: received %d", x, c.Received.Code)
		}
	}
}

// TestBrokeBelow: a proxy whose record does not tell how its answer ended broke off with what it passed on.
func TestBrokeBelow(t *testing.T) {
	for _, c := range []struct {
		sent  int
		ended Outcome
		want  bool
	}{{200, Truncated, true}, {200, Complete, false}, {502, Truncated, false}} {
		h := &Hop{Role: RoleGateway, Sent: Status{Code: 200}}
		below := &Hop{Role: RoleProxy, Sent: Status{Code: c.sent}, Ended: c.ended}
		h.Calls = []*Call{{Caller: h, Callee: below}}
		if got := brokeBelow(h) != nil; got != c.want {
			t.Errorf("%d that was %s below: %v, want %v", c.sent, c.ended, got, c.want)
		}
	}
}
