package timeline

import (
	"fmt"
	"strings"
	"testing"
)

// TestCallWithoutStart: a call of which its caller tells the end alone has the exchange of a service that writes no ID, whose clock is off
// and tells seconds: it was made while its caller was at work.
func TestCallWithoutStart(t *testing.T) {
	var logs strings.Builder
	clock := func(at float64) string { return fmt.Sprintf("10:00:%06.3f", at) }
	logs.WriteString("members app-2 log 10:00:00.000 life=ready addr=10.0.0.7:80\n")
	exchange := func(id string, status int, path string, began, worked float64) {
		fmt.Fprintf(&logs, "members app-2 server %s res=1s dur=%.0fms status=%d ticket=%s http.request.method=GET url.path=%s role=app\n", clock(float64(int(began+0.030-7.5))), 1000*worked, status, id, path)
		fmt.Fprintf(&logs, "loans app-1 client %s status=%d rid=%s call=10.0.0.7:80,%d,complete,,%s http.request.method=GET\n", clock(began+0.032), status, id, status, path)
		fmt.Fprintf(&logs, "loans app-1 server %s dur=40ms status=%d rid=%s http.request.method=POST url.path=/loans role=app\n", clock(began+0.040), status, id)
	}
	for i := range 9 {
		exchange(fmt.Sprintf("ok-%d", i), 200, fmt.Sprintf("/readers/%d", i), 20+1.37*float64(i), 0.005)
	}
	exchange("fail-a", 503, "/readers/17", 32.10, 0.004)
	exchange("fail-b", 503, "/readers/18", 32.25, 0.004)

	got, err := Collect(t.Context(), []Named{{Name: "s", Source: parseEvents(t, logs.String())}}, Query{Filter: Filter{Any: []Want{{Failed: &Failed{}}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range got.Requests {
		tickets := map[string]bool{}
		for _, e := range r.Events {
			if ticket := e.Attrs.Get("ticket"); ticket != "" {
				tickets[ticket] = true
			}
		}
		if len(tickets) != 1 || !tickets[r.ID] {
			t.Errorf("%s has the records %v of members", r.ID, tickets)
		}
	}
	if len(got.Requests) != 2 {
		t.Errorf("%d requests, want 2", len(got.Requests))
	}
}

// TestCallsOfOneClock: by how much the clock of the caller may be off on the common time line does not matter for whose call an exchange was: its
// own stamps tell that one which nobody called then, 30 ms before, is not of this call.
func TestCallsOfOneClock(t *testing.T) {
	var logs strings.Builder
	clock := func(at float64) string { return fmt.Sprintf("10:00:%06.3f", at) }
	logs.WriteString("mailer app-2 log 10:00:00.000 life=ready addr=10.0.0.7:80\n")
	sent := func(ticket string, at float64) {
		fmt.Fprintf(&logs, "mailer app-2 server %s dur=1ms status=200 ticket=%s http.request.method=POST url.path=/send role=app\n", clock(at+4.5), ticket)
	}
	for i := range 10 {
		id, status, at := fmt.Sprintf("ok-%d", i), 200, 20+1.37*float64(i)+0.11*float64(i*i)
		if i == 7 {
			id, status = "fail", 500
			sent("stranger", at+0.015)
		}
		fmt.Fprintf(&logs, "edge e1 server %s dur=100ms status=%d rid=%s http.request.method=POST url.path=/tickets/%d role=gateway\n", clock(at+0.100), status, id, i)
		fmt.Fprintf(&logs, "tickets app-1 server %s dur=20ms status=%d rid=%s http.request.method=POST url.path=/tickets/%d role=app\n", clock(at+0.060-1.2), status, id, i)
		fmt.Fprintf(&logs, "tickets app-1 client %s dur=3ms status=200 rid=%s call=10.0.0.7:80,200,complete,3ms,/send http.request.method=POST\n", clock(at+0.047-1.2), id)
		sent(id, at+0.046)
	}
	got, err := Collect(t.Context(), []Named{{Name: "s", Source: parseEvents(t, logs.String())}}, Query{Filter: Filter{Any: []Want{{Failed: &Failed{}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Requests) != 1 {
		t.Fatalf("%d requests, want 1", len(got.Requests))
	}
	var tickets []string
	for _, e := range got.Requests[0].Events {
		if ticket := e.Attrs.Get("ticket"); ticket != "" {
			tickets = append(tickets, ticket)
		}
	}
	if len(tickets) != 1 || tickets[0] != "fail" {
		t.Errorf("it has the records %q of mailer, want its own", tickets)
	}
}
