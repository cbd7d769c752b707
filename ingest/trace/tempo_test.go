package trace_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/ingest/trace"
	"github.com/correlatehq/correlate/timeline"
)

// tempoTrace is an answer of Tempo's /api/traces/ID: the IDs are protobuf's bytes in JSON, kinds and statuses
// are names (grafana/tempo docs/sources/tempo/api_docs).
const tempoTrace = `{"batches":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"orders"}},{"key":"host.name","value":{"stringValue":"app-1"}}]},
"scopeSpans":[{"scope":{"name":"shop"},"spans":[{"traceId":"S/kvNXezTaajzpKdDg5HNg==","spanId":"o86SnQ4ORzY=","name":"POST /orders","kind":"SPAN_KIND_SERVER",
"startTimeUnixNano":"1772366407010000000","endTimeUnixNano":"1772366408011000000","attributes":[{"key":"http.request.method","value":{"stringValue":"POST"}},{"key":"url.path","value":{"stringValue":"/orders"}},
{"key":"http.response.status_code","value":{"intValue":"500"}}],"status":{"code":"STATUS_CODE_ERROR","message":"no stock"}}]}]}]}`

// TestTempo reads answers as Tempo's documentation shows them.
func TestTempo(t *testing.T) {
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		asked = append(asked, strings.TrimSpace(r.URL.Path+" "+q.Get("q")))
		switch {
		case r.URL.Path == "/api/status/buildinfo":
			fmt.Fprint(w, `{"version":"2.8.2"}`)
		case r.URL.Path == "/api/search/tags":
			fmt.Fprint(w, `{"tagNames":["service.name"]}`)
		case r.URL.Path == "/api/search" && q.Get("limit") != "":
			fmt.Fprint(w, `{"traces":[{"traceID":"4bf92f3577b34da6a3ce929d0e0e4736","rootServiceName":"orders","startTimeUnixNano":"1772366407010000000","durationMs":1001}],"metrics":{}}`)
		case r.URL.Path == "/api/traces/4bf92f3577b34da6a3ce929d0e0e4736":
			fmt.Fprint(w, tempoTrace)
		default:
			http.Error(w, "trace not found", http.StatusNotFound)
		}
	}))
	defer srv.Close()
	u, err := url.Parse("tempo+" + srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 7, 0, time.UTC)
	trace4bf := timeline.Key{Name: timeline.KeyTraceID, Value: "4bf92f3577b34da6a3ce929d0e0e4736"}
	for _, c := range []struct {
		want  timeline.Want
		query string
		n     int
	}{
		{timeline.Want{Keys: []timeline.Key{trace4bf}}, "/api/traces/4bf92f3577b34da6a3ce929d0e0e4736", 1},
		{timeline.Want{Keys: []timeline.Key{{Name: timeline.KeyTraceID, Value: "0af7651916cd43dd8448eb211c80319c"}}}, "/api/traces/0af7651916cd43dd8448eb211c80319c", 0},
		{timeline.Want{Failed: &timeline.Failed{}}, `/api/search { status = error || span.http.response.status_code >= 500 || span.http.status_code >= 500 || event:name = "exception" }`, 1},
		{timeline.Want{Failed: &timeline.Failed{Status: []timeline.StatusRange{{Lo: 404, Hi: 404}}}}, `/api/search { (span.http.response.status_code >= 404 && span.http.response.status_code <= 404) || (span.http.status_code >= 404 && span.http.status_code <= 404) }`, 0},
		{timeline.Want{Near: &timeline.Window{Host: "app-1", From: at, To: at.Add(time.Second)}}, "/api/search {}", 1},
		{timeline.Want{Near: &timeline.Window{Host: "app-2", From: at, To: at.Add(time.Second)}}, "/api/search {}", 0},
	} {
		asked = nil
		src := openAny(t, u, ingest.Config{Formats: format.Builtin()})
		n := 0
		for e, err := range src.Events(t.Context(), timeline.Filter{From: at.Add(-time.Hour), To: at.Add(time.Hour), Any: []timeline.Want{c.want}}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
			got := fmt.Sprintf("%s %s %s %s %d %v %s %s", e.Pos, e.Service, e.Host, e.Kind, e.StatusCode, e.Failed, e.Time.Sub(at), e.Duration)
			if got != "trace/4bf92f3577b34da6a3ce929d0e0e4736/a3ce929d0e0e4736 orders app-1 server 500 true 10ms 1.001s" {
				t.Errorf("got %s", got)
			}
		}
		if n != c.n || !strings.Contains(strings.Join(asked, "\n"), c.query) {
			t.Errorf("%+v: %d events, want %d; asked\n%s\nwant %s", c.want, n, c.n, strings.Join(asked, "\n"), c.query)
		}
	}
}

// TestFields takes host, request ID and role from what the configuration says.
func TestFields(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch q := r.URL.Query(); {
		case r.URL.Path == "/api/search/tags":
			fmt.Fprint(w, `{"tagNames":["service.name"]}`)
		case r.URL.Path == "/api/search" && (q.Get("q") == "{}" || strings.Contains(q.Get("q"), `."ref" = "r-77aa88bb"`)):
			fmt.Fprint(w, `{"traces":[{"traceID":"4bf92f3577b34da6a3ce929d0e0e4736"}]}`)
		case r.URL.Path == "/api/search":
			fmt.Fprint(w, `{"traces":[]}`)
		default:
			more := `{"key":"ref","value":{"stringValue":"r-77aa88bb"}},{"key":"http.request.method"`
			fmt.Fprint(w, strings.Replace(strings.Replace(tempoTrace, `"host.name"`, `"box"`, 1), `{"key":"http.request.method"`, more, 1))
		}
	}))
	defer srv.Close()
	u, err := url.Parse("tempo+" + srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	id := timeline.Key{Name: timeline.KeyRequestID, Value: "r-77aa88bb"}
	src := openAny(t, u, ingest.Config{Formats: format.Builtin(), Role: timeline.RoleGateway, Fields: map[string][]string{"host.name": {"machine", "box"}, timeline.KeyRequestID: {"ref"}}})
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	n := 0
	for e, err := range src.Events(t.Context(), timeline.Filter{From: at, To: at.Add(time.Hour), Any: []timeline.Want{{Keys: []timeline.Key{id}}}}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; e.Host != "app-1" || e.Role != timeline.RoleGateway || !slices.Contains(e.Keys, id) {
			t.Errorf("got %s with role %s and keys %v", e.Host, e.Role, e.Keys)
		}
	}
	if n != 1 {
		t.Errorf("got %d events, want 1", n)
	}
}

func openAny(t *testing.T, u *url.URL, c ingest.Config) timeline.Source {
	t.Helper()
	for _, s := range trace.Schemes {
		if s.Name == u.Scheme {
			src, err := s.Open(t.Context(), u, c)
			if err != nil {
				t.Fatal(err)
			}
			return src
		}
	}
	t.Fatalf("no scheme %s", u.Scheme)
	return nil
}
