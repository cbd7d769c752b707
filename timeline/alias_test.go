package timeline

import (
	"fmt"
	"strings"
	"testing"
)

// A value beside the IDs of hundreds of requests is a tenant's or a session's and ties none of them.
func TestWhatStandsBesideManyIDsIsNoKey(t *testing.T) {
	var text strings.Builder
	for i := range mostPartners + 1 {
		fmt.Fprintf(&text, "edge e1 server 10:%02d:%02d.000 dur=10ms status=500 tid=4bf92f3577b34da6a3ce929d0e0e4736 rid=request-%d\n", i/60, i%60, i)
	}
	c, err := Collect(t.Context(), []Named{{Name: "m", Source: parseEvents(t, text.String())}}, Query{Filter: Filter{Any: []Want{{Failed: &Failed{}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Requests) != mostPartners+1 || c.Requests[0].ID != "request-0" {
		t.Errorf("%d requests, the first %s, want %d", len(c.Requests), c.Requests[0].ID, mostPartners+1)
	}
	if len(c.Skipped) != 1 || c.Skipped[0].What != "not a key: a value of trace_id is beside more than 200 IDs" {
		t.Errorf("skipped %+v", c.Skipped)
	}
}
