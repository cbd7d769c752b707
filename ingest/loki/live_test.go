//go:build live

package loki_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/ingest/loki"
	"github.com/correlatehq/correlate/ingest/sourcetest"
	"github.com/correlatehq/correlate/internal/server"
	"github.com/correlatehq/correlate/timeline"
)

// noon is a time of which a source that is asked for the last day knows.
var noon = time.Now().UTC().Add(-3 * time.Hour).Truncate(time.Hour)

// TestLive holds the source against a real Loki.
func TestLive(t *testing.T) {
	small := server.Loki(t, 40) // every query has pages
	t.Run("conformance", func(t *testing.T) { conformance(t, small) })
}

func open(t *testing.T, s *server.Server, tenant, query string) *loki.Source {
	t.Helper()
	u, err := url.Parse("loki+" + s.URL + "/?query=" + url.QueryEscape(query))
	if err != nil {
		t.Fatal(err)
	}
	src, err := loki.Open(t.Context(), u, ingest.Config{
		Name: "loki", Formats: format.Builtin(), Since: 24 * time.Hour,
		HTTP: &promconfig.HTTPClientConfig{HTTPHeaders: &promconfig.Headers{Headers: map[string]promconfig.Header{"X-Scope-OrgID": {Values: []string{tenant}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// lines gives entries, one each 100 ms; {t} in a line is its own stamp, an hour ahead.
func lines(at time.Time, text ...string) []server.LokiEntry {
	var out []server.LokiEntry
	for i, l := range text {
		at := at.Add(time.Duration(i) * 100 * time.Millisecond)
		l = strings.ReplaceAll(l, "{t}", at.Add(time.Hour).Format("2006-01-02 15:04:05,000"))
		out = append(out, server.LokiEntry{At: at.UnixNano(), Line: l})
	}
	return out
}

func conformance(t *testing.T, s *server.Server) {
	var access, app []string
	for i := range 30 {
		id := fmt.Sprintf("4bf92f3577b34da6a3ce92%010d", i)
		status := 200
		if i%10 == 3 {
			status = 503
		}
		access = append(access, fmt.Sprintf(`10.0.0.9 - - [%s] "GET /stock/%d HTTP/1.1" %d 12 "-" "curl/8" rt=0.010 uct="0.000" uht="0.009" urt="0.009" ua="127.0.0.1:9000" us="%d" rid=%s`,
			noon.Add(time.Duration(i)*time.Second).Format("02/Jan/2006:15:04:05 -0700"), i, status, status, id))
		app = append(app, "{t} INFO shop [req="+id+"] looked")
		if i%10 == 3 {
			app = append(app, "{t} ERROR shop [req="+id+"] it failed", "Traceback (most recent call last):", `  File "/srv/shop.py", line 12, in look`, "    return rows[0]", "IndexError: list index out of range")
		}
	}
	app = append(app, "{t} INFO shop [req=feedfacefeedfacefeedfacefeed0001] beside 4bf92f3577b34da6a3ce920000000007 there was another")
	accessEntries := lines(noon, access...)
	// Many of one time, in which pages must neither lose nor repeat one.
	for i := range accessEntries[10:20] {
		accessEntries[10+i].At = accessEntries[10].At
	}
	var bodies []server.LokiEntry
	for i := range 6 {
		e := server.LokiEntry{At: noon.Add(time.Duration(i) * time.Second).UnixNano(), Line: fmt.Sprintf("priced order %d", i), Metadata: map[string]string{
			"trace_id": fmt.Sprintf("0af7651916cd43dd8448eb211c8031%02d", i), "span_id": "b7ad6b7169203331", "severity_text": "INFO"}}
		if i == 4 {
			e.Line, e.Metadata["severity_text"] = "order not priced", "ERROR"
		}
		bodies = append(bodies, e)
	}
	s.PushLoki(t, "shop",
		server.LokiStream{Labels: map[string]string{"service_name": "edge", "host": "edge-1", "filename": "/var/log/nginx/access.log"}, Entries: accessEntries},
		server.LokiStream{Labels: map[string]string{"service_name": "shop", "host": "app-1"}, Entries: lines(noon, app...)},
		server.LokiStream{Labels: map[string]string{"service_name": "prices", "pod": "prices-7d9f8c6b5-x2k4q"}, Entries: bodies},
	)
	s.PushLoki(t, "other", server.LokiStream{Labels: map[string]string{"service_name": "edge"}, Entries: lines(noon, "{t} INFO not of this tenant")})
	sourcetest.Run(t, func(t *testing.T) timeline.Source { return open(t, s, "shop", `{service_name=~".+"}`) }, sourcetest.Holds{
		Events:        30 + 30 + 3 + 1 + 6,
		MentionedOnly: &timeline.Key{Name: timeline.KeyRequestID, Value: "4bf92f3577b34da6a3ce920000000007"},
	})
}

// gather reads all that f wants.
func gather(ctx context.Context, s timeline.Source, f timeline.Filter) (events []*timeline.Event, errs []error) {
	for e, err := range s.Events(ctx, f) {
		if err != nil {
			errs = append(errs, err)
		} else {
			events = append(events, e.Clone())
		}
	}
	return events, errs
}
