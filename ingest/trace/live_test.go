//go:build live && linux

package trace_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/ingest/sourcetest"
	"github.com/correlatehq/correlate/internal/testserver"
	"github.com/correlatehq/correlate/timeline"
)

// skew is by how much the clock of orders is behind.
const skew = time.Second / 2

// noon is a time of which a source that is asked for the last day knows.
var noon = time.Now().UTC().Add(-3 * time.Hour).Truncate(time.Hour)

// TestLive holds the source against a real Jaeger, by both of its APIs.
func TestLive(t *testing.T) {
	s := testserver.Jaeger(t, 5000)
	s.PushSpans(t, spans(t, 40))
	for _, flavor := range []string{"v1", "v3"} {
		t.Run("jaeger "+flavor, func(t *testing.T) {
			sourcetest.Run(t, func(t *testing.T) timeline.Source { return open(t, "jaeger+"+s.URL, flavor) }, sourcetest.Holds{Events: 3 * 40})
		})
	}
	t.Run("times are not adjusted", func(t *testing.T) { notAdjusted(t, s) })
	t.Run("many traces", func(t *testing.T) { many(t, s) })
	t.Run("killed", func(t *testing.T) { killed(t, s) }) // the last: it is gone
}

var always = timeline.Filter{Any: []timeline.Want{{Near: &timeline.Window{From: noon.Add(-time.Hour), To: noon.Add(3 * time.Hour)}}}}

// notAdjusted: Jaeger moves a callee's span into its caller's where their clocks differ. The times that the
// processes stamped are wanted.
func notAdjusted(t *testing.T, s *testserver.Server) {
	for _, flavor := range []string{"v1", "v3"} {
		n := 0
		for e, err := range open(t, "jaeger+"+s.URL, flavor).Events(t.Context(), always) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Service == "orders" {
				n++
				if got := e.Time.Sub(noon.Add(-time.Second)) % time.Second; got != time.Second+2*time.Millisecond-skew {
					t.Fatalf("%s: %s begins %s after the second, want %s", flavor, e.Pos, got, time.Second+2*time.Millisecond-skew)
				}
			}
		}
		if n != 40 {
			t.Errorf("%s: %d spans of orders, want 40", flavor, n)
		}
	}
}

// many: more traces than one search gives are parted in time, and none is lost.
func many(t *testing.T, s *testserver.Server) {
	s.PushSpans(t, spans(t, 1300))
	for _, flavor := range []string{"v1", "v3"} {
		seen := map[timeline.Pos]bool{}
		for e, err := range open(t, "jaeger+"+s.URL, flavor).Events(t.Context(), always) {
			if err != nil {
				t.Fatal(err)
			}
			if seen[e.Pos] {
				t.Fatalf("%s: %s came twice", flavor, e.Pos)
			}
			seen[e.Pos] = true
		}
		if len(seen) != 3*1300 {
			t.Errorf("%s: %d spans, want %d", flavor, len(seen), 3*1300)
		}
	}
}

// killed: a server that goes away in the middle ends the sequence with an error.
func killed(t *testing.T, s *testserver.Server) {
	src := open(t, "jaeger+"+s.URL, "v1")
	n := 0
	var last error
	for _, err := range src.Events(t.Context(), always) {
		if last = err; err == nil {
			if n++; n == 1 {
				s.Stop()
			}
		}
	}
	if n == 0 || last == nil {
		t.Errorf("got %d events, and %v at the end; want an error", n, last)
	}
}

func open(t *testing.T, address, flavor string) timeline.Source {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return openAny(t, u, ingest.Config{Name: "traces", Formats: format.Builtin(), Since: 24 * time.Hour, Flavor: flavor})
}

// attr is an attribute in OTLP/JSON.
func attr(key string, value any) map[string]any {
	switch v := value.(type) {
	case int:
		return map[string]any{"key": key, "value": map[string]any{"intValue": strconv.Itoa(v)}}
	case []string:
		var list []any
		for _, s := range v {
			list = append(list, map[string]any{"stringValue": s})
		}
		return map[string]any{"key": key, "value": map[string]any{"arrayValue": map[string]any{"values": list}}}
	}
	return map[string]any{"key": key, "value": map[string]any{"stringValue": value}}
}

// spans gives n traces of a gateway that calls orders, one a second: the first of ten fails.
func spans(t *testing.T, n int) []byte {
	t.Helper()
	var gate, orders []any
	span := func(i, id, parent, kind int, name string, from, to time.Duration, status int, more ...any) map[string]any {
		at := noon.Add(time.Duration(i) * time.Second)
		s := map[string]any{
			"traceId": fmt.Sprintf("4bf92f3577b34da6a3ce92%010d", i), "spanId": fmt.Sprintf("%015d%d", i+1, id), "name": name, "kind": kind,
			"startTimeUnixNano": strconv.FormatInt(at.Add(from).UnixNano(), 10), "endTimeUnixNano": strconv.FormatInt(at.Add(to).UnixNano(), 10),
			"attributes": append(more, attr("http.request.method", "POST"), attr("http.response.status_code", status)),
		}
		if parent > 0 {
			s["parentSpanId"] = fmt.Sprintf("%015d%d", i+1, parent)
		}
		if status >= 500 {
			s["status"] = map[string]any{"code": 2}
		}
		return s
	}
	for i := range n {
		status := 200
		if i%10 == 0 {
			status = 500
		}
		id := fmt.Sprintf("8f3a5c1e9b7d4f60a1b2c3%010d", i)
		gate = append(gate,
			span(i, 1, 0, 2, "POST /orders", 0, 20*time.Millisecond, status, attr("url.path", "/orders"), attr("http.request.header.x-request-id", []string{id})),
			span(i, 2, 1, 3, "POST", time.Millisecond, 19*time.Millisecond, status, attr("url.full", "http://orders:8080/orders"), attr("server.address", "orders")))
		s := span(i, 3, 2, 2, "POST /orders", 2*time.Millisecond-skew, 18*time.Millisecond-skew, status, attr("url.path", "/orders"))
		if status == 500 {
			s["events"] = []any{map[string]any{"name": "exception", "timeUnixNano": s["endTimeUnixNano"], "attributes": []any{
				attr("exception.type", "java.lang.IllegalStateException"), attr("exception.message", "no stock")}}}
		}
		orders = append(orders, s)
	}
	resource := func(service, host string, spans []any) any {
		return map[string]any{"resource": map[string]any{"attributes": []any{attr("service.name", service), attr("host.name", host)}}, "scopeSpans": []any{map[string]any{"spans": spans}}}
	}
	b, err := json.Marshal(map[string]any{"resourceSpans": []any{resource("gateway", "edge-1", gate), resource("orders", "app-1", orders)}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}
