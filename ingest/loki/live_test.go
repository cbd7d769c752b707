//go:build live && linux

package loki_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/ingest/loki"
	"github.com/correlatehq/correlate/ingest/sourcetest"
	"github.com/correlatehq/correlate/internal/testserver"
	"github.com/correlatehq/correlate/timeline"
)

// noon is a time of which a source that is asked for the last day knows.
var noon = time.Now().UTC().Add(-3 * time.Hour).Truncate(time.Hour)

// TestLive holds the source against a real Loki.
func TestLive(t *testing.T) {
	small := testserver.Loki(t, 40) // every query has pages
	t.Run("conformance", func(t *testing.T) { conformance(t, small) })
	t.Run("tenants", func(t *testing.T) { tenants(t, small) })
	t.Run("what cannot be", func(t *testing.T) { refused(t, small) })
	t.Run("one time", func(t *testing.T) { oneTime(t, small) })
	t.Run("fields", func(t *testing.T) { fields(t, small) })
	t.Run("positions", func(t *testing.T) { positions(t, small) })
	t.Run("killed", func(t *testing.T) { killed(t, small) }) // the last: it is gone
}

// tenants: the environment of logcli names server and tenant, and another tenant's logs are not seen.
func tenants(t *testing.T, s *testserver.Server) {
	t.Setenv("LOKI_ADDR", s.URL)
	t.Setenv("LOKI_ORG_ID", "other")
	for _, address := range []string{"loki+http:///", "loki+" + s.URL + "/"} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		src, err := loki.Open(t.Context(), u, ingest.Config{Formats: format.Builtin(), Since: 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		events, errs := gather(t.Context(), src, timeline.Filter{Any: []timeline.Want{{Near: &timeline.Window{From: noon.Add(-time.Hour), To: noon.Add(3 * time.Hour)}}}})
		if len(errs) > 0 || len(events) != 1 || !strings.Contains(events[0].Body, "not of this tenant") {
			t.Errorf("%s: got %d events, %v; want the one of the other tenant", address, len(events), errs)
		}
		if p, err := src.Ping(t.Context()); err != nil || !strings.Contains(p, "1 streams") {
			t.Errorf("%s: ping says %q, %v", address, p, err)
		}
	}
	// Credentials that are meant for another host are not sent.
	t.Setenv("LOKI_ADDR", "http://loki.example.com")
	u, err := url.Parse("loki+" + s.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := loki.Open(t.Context(), u, ingest.Config{Formats: format.Builtin()}); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without a tenant: got %v, want the server's refusal", err)
	}
}

// refused: what a user may get wrong is told clearly.
func refused(t *testing.T, s *testserver.Server) {
	t.Setenv("LOKI_ORG_ID", "shop")
	for _, c := range []struct{ address, want string }{
		{"loki+" + s.URL + "/?query=app", "begins with a stream selector"},
		{"loki+" + s.URL + "/?query={app=}", "parse error"},
		{"loki+" + s.URL + "/?since=1h", `unknown parameter "since"`},
		{"loki+" + s.URL + "/nowhere/", "404"},
		{"loki+http://127.0.0.1:1/", "connection refused"},
	} {
		u, err := url.Parse(c.address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := loki.Open(t.Context(), u, ingest.Config{Formats: format.Builtin()}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.address, err, c.want)
		}
	}
}

// oneTime: more entries of one nanosecond than the server gives are told as lost.
func oneTime(t *testing.T, s *testserver.Server) {
	var es []testserver.LokiEntry
	for i := range 60 {
		es = append(es, testserver.LokiEntry{At: noon.UnixNano(), Line: fmt.Sprintf("entry %d of feedfacefeedfacefeedfacefeed0002", i)})
	}
	es = append(es, testserver.LokiEntry{At: noon.UnixNano() + 1, Line: "after them feedfacefeedfacefeedfacefeed0002"})
	s.PushLoki(t, "full", testserver.LokiStream{Labels: map[string]string{"service_name": "full"}, Entries: es})
	src := open(t, s, "full", `{service_name="full"}`)
	events, errs := gather(t.Context(), src, timeline.Filter{Any: []timeline.Want{{Keys: []timeline.Key{{Name: timeline.KeyRequestID, Value: "feedfacefeedfacefeedfacefeed0002"}}}}})
	if len(errs) > 0 || len(events) < 41 || events[len(events)-1].Body != "after them feedfacefeedfacefeedfacefeed0002" {
		t.Errorf("got %d events, %v; want those that the server gives, and the one after them", len(events), errs)
	}
	lost := false
	for _, k := range src.Info().Skipped {
		lost = lost || k.Lost && strings.Contains(k.What, "more entries of one time")
	}
	if !lost {
		t.Errorf("that entries were lost is not told: %+v", src.Info().Skipped)
	}
}

// fields: labels and structured metadata by names that only the configuration tells, and the role.
func fields(t *testing.T, s *testserver.Server) {
	const id = "cafe0000cafe0000cafe0000cafe0003"
	s.PushLoki(t, "fields", testserver.LokiStream{Labels: map[string]string{"unit": "orders", "box": "app-7", "job": "varlogs", "filename": "/var/log/x.log"}, Entries: []testserver.LokiEntry{
		{At: noon.UnixNano(), Line: "taken", Metadata: map[string]string{"ref": id, "code": "200"}},
		{At: noon.UnixNano() + 1, Line: "not taken", Metadata: map[string]string{"ref": id, "code": "503"}},
		{At: noon.UnixNano() + 2, Line: "another", Metadata: map[string]string{"ref": "cafe0000cafe0000cafe0000cafe0004", "code": "200"}},
	}})
	u, err := url.Parse("loki+" + s.URL + "/?query=" + url.QueryEscape(`{job="varlogs"}`))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("LOKI_ADDR", s.URL)
	t.Setenv("LOKI_ORG_ID", "fields")
	open := func(names map[string][]string) (*loki.Source, error) {
		return loki.Open(t.Context(), u, ingest.Config{Name: "loki", Formats: format.Builtin(), Since: 24 * time.Hour, Role: timeline.RoleGateway, Fields: names})
	}
	src, err := open(map[string][]string{"service.name": {"unit"}, "host.name": {"box"}, timeline.KeyRequestID: {"ref"}, "http.response.status_code": {"code"}})
	if err != nil {
		t.Fatal(err)
	}
	key := timeline.Key{Name: timeline.KeyRequestID, Value: id}
	for _, c := range []struct {
		want timeline.Want
		n    int
	}{{timeline.Want{Keys: []timeline.Key{key}}, 2}, {timeline.Want{Failed: &timeline.Failed{}}, 1}, {timeline.Want{Failed: &timeline.Failed{Status: []timeline.StatusRange{{Lo: 503, Hi: 503}}}}, 1}} {
		events, errs := gather(t.Context(), src, timeline.Filter{Any: []timeline.Want{c.want}})
		if len(errs) > 0 || len(events) != c.n {
			t.Errorf("%+v: got %d events, %v; want %d", c.want, len(events), errs, c.n)
		}
		for _, e := range events {
			if e.Service != "orders" || e.Host != "app-7" || e.Role != timeline.RoleGateway || !slices.ContainsFunc(e.Keys, func(k timeline.Key) bool {
				return k.Name == key.Name && k.Value == id && k.Strength == timeline.Identity
			}) {
				t.Errorf("got %s on %s, %s, with %v", e.Service, e.Host, e.Role, e.Keys)
			}
		}
	}
	if _, err := open(map[string][]string{"host.name": {"host.name"}}); err == nil || !strings.Contains(err.Error(), "host.name is no name of a label") {
		t.Errorf("a name that no label has: %v", err)
	}
	// Without labels that say so the service is named by host and file, as those of files are.
	src, err = open(nil)
	if err != nil {
		t.Fatal(err)
	}
	if events, errs := gather(t.Context(), src, timeline.Filter{Any: []timeline.Want{{Keys: []timeline.Key{key}}}}); len(errs) > 0 || len(events) != 0 && events[0].Service != "x" {
		t.Errorf("got %d events, %v", len(events), errs)
	}
}

// positions: an event's position leads back to its entry, whose hash is in it.
func positions(t *testing.T, s *testserver.Server) {
	src := open(t, s, "shop", `{service_name="shop"}`)
	events, errs := gather(t.Context(), src, timeline.Filter{Any: []timeline.Want{{Failed: &timeline.Failed{}}}})
	if len(errs) > 0 || len(events) == 0 {
		t.Fatalf("got %d events, %v", len(events), errs)
	}
	e := events[0]
	at := time.Unix(0, e.Pos.Offset)
	again, _ := gather(t.Context(), open(t, s, "shop", e.Pos.Path), timeline.Filter{Any: []timeline.Want{{Near: &timeline.Window{From: e.Time, To: e.Time.Add(time.Nanosecond)}}}})
	if len(again) != 1 || again[0].Pos.Doc != e.Pos.Doc || string(again[0].Raw) != string(e.Raw) {
		t.Errorf("%s (%s): found again are %d events", e.Pos, at, len(again))
	}
	first, _, _ := strings.Cut(string(e.Raw), "\n")
	if sum := sha256.Sum256([]byte(first)); !strings.HasSuffix(e.Pos.Doc, hex.EncodeToString(sum[:8])) {
		t.Errorf("%s does not end in the hash of %q", e.Pos.Doc, first)
	}
	if !strings.Contains(string(e.Raw), "IndexError: list index out of range") {
		t.Errorf("the record is not whole: %q", e.Raw)
	}
}

// killed: a server that goes away in the middle ends the sequence with an error, and what came
// before is there.
func killed(t *testing.T, s *testserver.Server) {
	src := open(t, s, "shop", `{service_name=~".+"}`)
	n := 0
	var last error
	for _, err := range src.Events(t.Context(), timeline.Filter{Any: []timeline.Want{{Near: &timeline.Window{From: noon.Add(-time.Hour), To: noon.Add(3 * time.Hour)}}}}) {
		if last = err; err == nil {
			if n++; n == 1 {
				s.Stop()
			}
		}
	}
	if _, one := errors.AsType[*timeline.RecordError](last); n == 0 || last == nil || one {
		t.Errorf("got %d events, and %v at the end; want an error", n, last)
	}
	if _, err := src.Ping(t.Context()); err == nil {
		t.Error("a server that is gone answers a ping")
	}
}

func open(t *testing.T, s *testserver.Server, tenant, query string) *loki.Source {
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
func lines(at time.Time, text ...string) []testserver.LokiEntry {
	var out []testserver.LokiEntry
	for i, l := range text {
		at := at.Add(time.Duration(i) * 100 * time.Millisecond)
		l = strings.ReplaceAll(l, "{t}", at.Add(time.Hour).Format("2006-01-02 15:04:05,000"))
		out = append(out, testserver.LokiEntry{At: at.UnixNano(), Line: l})
	}
	return out
}

func conformance(t *testing.T, s *testserver.Server) {
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
	var bodies []testserver.LokiEntry
	for i := range 6 {
		e := testserver.LokiEntry{At: noon.Add(time.Duration(i) * time.Second).UnixNano(), Line: fmt.Sprintf("priced order %d", i), Metadata: map[string]string{
			"trace_id": fmt.Sprintf("0af7651916cd43dd8448eb211c8031%02d", i), "span_id": "b7ad6b7169203331", "severity_text": "INFO"}}
		if i == 4 {
			e.Line, e.Metadata["severity_text"] = "order not priced", "ERROR"
		}
		bodies = append(bodies, e)
	}
	s.PushLoki(t, "shop",
		testserver.LokiStream{Labels: map[string]string{"service_name": "edge", "host": "edge-1", "filename": "/var/log/nginx/access.log"}, Entries: accessEntries},
		testserver.LokiStream{Labels: map[string]string{"service_name": "shop", "host": "app-1"}, Entries: lines(noon, app...)},
		testserver.LokiStream{Labels: map[string]string{"service_name": "prices", "pod": "prices-7d9f8c6b5-x2k4q"}, Entries: bodies},
	)
	s.PushLoki(t, "other", testserver.LokiStream{Labels: map[string]string{"service_name": "edge"}, Entries: lines(noon, "{t} INFO not of this tenant")})
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
