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
