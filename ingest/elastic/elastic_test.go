//go:build live && linux

package elastic

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/ingest/sourcetest"
	"github.com/correlatehq/correlate/internal/testserver"
	"github.com/correlatehq/correlate/timeline"
)

func TestMain(m *testing.M) { testserver.Main(m) }

// each runs a test against each server.
func each(t *testing.T, test func(t *testing.T, flavor, base string)) {
	testserver.Each(t, func(t *testing.T, k *testserver.Kind, base string) { test(t, k.Flavor(), base) })
}

func do(t *testing.T, method, url, body string) {
	t.Helper()
	if _, err := testserver.Do(t.Context(), method, url, body); err != nil {
		t.Fatal(err)
	}
}

// fill makes an index anew and puts documents into it, as JSON or values to marshal.
func fill(t *testing.T, base, index, mapping string, docs ...any) {
	t.Helper()
	if _, err := testserver.Do(t.Context(), http.MethodDelete, base+"/"+index, ""); err != nil && !strings.Contains(err.Error(), "404") {
		t.Fatal(err)
	}
	do(t, http.MethodPut, base+"/"+index, mapping)
	b := &testserver.Bulk{URL: base, Index: index}
	for i, d := range docs {
		if s, ok := d.(string); ok {
			d = json.RawMessage(s)
		}
		if err := b.Add(t.Context(), fmt.Sprintf("d%03d", i), d); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func openIndex(t *testing.T, flavor, base, index string, c ingest.Config) *Source {
	t.Helper()
	u, err := url.Parse(flavor + "+" + base + "/" + index)
	if err != nil {
		t.Fatal(err)
	}
	c.Formats = format.Builtin()
	if c.Name == "" {
		c.Name = "cluster"
	}
	s, err := Open(t.Context(), u, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// lineDoc is a line as Filebeat ships it, read a second after noon and as many seconds.
func lineDoc(host, path string, offset, second int, line string) map[string]any {
	return map[string]any{
		"@timestamp": noon.Add(time.Duration(second)*time.Second + 700*time.Millisecond).Format(time.RFC3339Nano), "message": line,
		"log": map[string]any{"offset": offset, "file": map[string]any{"path": path}}, "host": map[string]any{"name": host},
	}
}

// lineDocs are the lines of a file, each a second after the other.
func lineDocs(host, path string, second int, lines ...string) []any {
	var out []any
	offset := 0
	for i, l := range lines {
		out = append(out, lineDoc(host, path, offset, second+i, l))
		offset += len(l) + 1
	}
	return out
}

func access(second, status int, id string) string {
	return fmt.Sprintf(`10.0.0.9 - - [01/Mar/2026:12:00:%02d +0000] "GET /api/%s HTTP/1.1" %d 27 "-" "curl" rt=0.010 rid=%s`, second, id, status, id)
}

// TestSourceContract holds lines and parsed documents of both products to the contract of sources.
func TestSourceContract(t *testing.T) {
	const mention = "zq81-mention-77aa"
	id := func(n int) string { return fmt.Sprintf("%032x", 0x5f0c9ad1e2b34c71+n) }
	var edge []string
	for i := range 12 {
		status := 200
		if i%5 == 3 {
			status = 502
		}
		edge = append(edge, access(i, status, id(i)))
	}
	docs := lineDocs("edge-1", "/var/log/nginx/access.log", 0, edge...)
	docs = append(docs, lineDocs("app-1", "/var/log/orders.log", 0,
		"2026-03-01 12:00:03,100 ERROR [orders] cannot price request_id="+id(3),
		"Traceback (most recent call last):",
		`  File "price.py", line 7, in total`,
		"ValueError: no price",
		"2026-03-01 12:00:07,655 INFO [orders] done, see "+mention+", please",
		"2026-03-01 12:00:08,655 INFO [orders] done request_id="+id(8),
	)...)
	for i := range 4 {
		docs = append(docs, map[string]any{
			"@timestamp": noon.Add(time.Duration(20+i) * time.Second).Format(time.RFC3339Nano), "ecs.version": "8.11.0",
			"message": "request finished", "service": map[string]any{"name": "cart"}, "host": map[string]any{"name": "app-3"},
			"trace": map[string]any{"id": id(100 + i)}, "log.level": "info", "http": map[string]any{"response": map[string]any{"status_code": 200 + 100*i}},
		})
	}
	each(t, func(t *testing.T, flavor, base string) {
		fill(t, base, "contract", `{"settings":{"number_of_shards":2,"number_of_replicas":0},"mappings":{"properties":{"@timestamp":{"type":"date"},"message":{"type":"text"},
			"trace.id":{"type":"keyword"},"host.name":{"type":"keyword"},"log.file.path":{"type":"keyword"},"log.offset":{"type":"long"},"service.name":{"type":"keyword"}}}}`, docs...)
		sourcetest.Run(t, func(t *testing.T) timeline.Source { return openIndex(t, flavor, base, "contract", ingest.Config{}) }, sourcetest.Holds{
			Events:        19,
			MentionedOnly: &timeline.Key{Name: timeline.KeyRequestID, Value: mention},
		})
	})
}

// read gives what a filter brings, and what was skipped.
func read(t *testing.T, s *Source, w timeline.Want) (out []*timeline.Event) {
	t.Helper()
	for e, err := range s.Events(t.Context(), timeline.Filter{Any: []timeline.Want{w}}) {
		if err != nil {
			t.Error(err)
			continue
		}
		out = append(out, e.Clone())
	}
	return out
}

func byID(id string) timeline.Want {
	return timeline.Want{Keys: []timeline.Key{{Name: timeline.KeyRequestID, Value: id}}}
}

// TestTraceOfOneLineEach brings back the lines of a stack trace that a shipper sent one by one,
// whichever of them was asked for.
func TestTraceOfOneLineEach(t *testing.T) {
	record := []string{
		"2026-03-01 12:00:03,100 ERROR [orders] cannot price request_id=9d1f2c0ea19fd6a99815348b6594c77d",
		"Traceback (most recent call last):",
		`  File "price.py", line 7, in total`,
		"ValueError: no price for 0dc781d3ff9b5624af211490fc47ac18",
	}
	lines := append([]string{"2026-03-01 12:00:01,000 INFO [orders] before"}, record...)
	lines = append(lines, "2026-03-01 12:00:04,000 INFO [orders] after")
	each(t, func(t *testing.T, flavor, base string) {
		fill(t, base, "traces", testserver.LineMapping, lineDocs("app-1", "/var/log/orders.log", 1, lines...)...)
		s := openIndex(t, flavor, base, "traces", ingest.Config{})
		for _, id := range []string{"9d1f2c0ea19fd6a99815348b6594c77d", "0dc781d3ff9b5624af211490fc47ac18"} {
			got := read(t, s, byID(id))
			if len(got) != 1 || string(got[0].Raw) != strings.Join(record, "\n") || got[0].Exception == nil || got[0].Exception.Type != "ValueError" {
				t.Errorf("asked for %s: got %d events %+v, want the whole record with its exception", id, len(got), got)
				continue
			}
			e := got[0]
			if want := noon.Add(3100 * time.Millisecond); !e.Time.Equal(want) || e.Host != "app-1" || e.Service != "orders" {
				t.Errorf("got %s of %s on %s, want the record's own stamp %s of orders on app-1", e.Time, e.Service, e.Host, want)
			}
			if e.Pos.Index != "traces" || e.Pos.Doc != "d001" || !strings.HasPrefix(e.Pos.Hash, "sha256:") || e.Pos.String() != "traces/d001" {
				t.Errorf("its position is %+v", e.Pos)
			}
		}
	})
}

// TestShippers reads one and the same line as the shippers send it.
func TestShippers(t *testing.T) {
	const id = "5b8ea36805c4cf1bdde8995b1a942379"
	line := access(7, 502, id)
	for name, c := range map[string]struct {
		mapping, doc  string
		host, service string
	}{
		"filebeat": {`{"mappings":{"properties":{"host":{"properties":{"name":{"type":"keyword"}}}}}}`,
			`{"@timestamp":"2026-03-01T12:00:08Z","message":%q,"log":{"offset":99,"file":{"path":"/var/log/nginx/access.log"}},"host":{"name":"edge-1"},"agent":{"type":"filebeat"},"ecs":{"version":"8.0.0"},"input":{"type":"filestream"}}`, "edge-1", "edge-1"},
		"fluent-bit": {`{}`,
			`{"@timestamp":"2026-03-01T12:00:08Z","log":%q,"stream":"stdout","_p":"F","kubernetes":{"pod_name":"edge-7d9f8c6b5-x2k4q","namespace_name":"shop","container_name":"edge","host":"node-1"}}`, "edge-7d9f8c6b5-x2k4q", "edge"},
		"vector": {`{"mappings":{"properties":{"timestamp":{"type":"date_nanos"}}}}`,
			`{"timestamp":"2026-03-01T12:00:08.000000001Z","message":%q,"source_type":"file","file":"/var/log/nginx/access.log","host":"edge-1"}`, "edge-1", "edge-1"},
		"collector": {`{"mappings":{"properties":{"@timestamp":{"type":"date_nanos"},"attributes":{"type":"FLAT"}}}}`,
			`{"@timestamp":"2026-03-01T12:00:08Z","body":{"text":%q},"attributes":{"log.file.path":"/var/log/nginx/access.log"},"resource":{"attributes":{"host.name":"edge-1","service.name":"edge"}}}`, "edge-1", "edge"},
	} {
		each(t, func(t *testing.T, flavor, base string) {
			t.Run(name, func(t *testing.T) {
				flat := "flattened"
				if flavor == OpenSearch {
					flat = "flat_object"
				}
				fill(t, base, "shipped-"+name, strings.ReplaceAll(c.mapping, "FLAT", flat), fmt.Sprintf(c.doc, line))
				s := openIndex(t, flavor, base, "shipped-"+name, ingest.Config{})
				for _, w := range []timeline.Want{byID(id), {Failed: &timeline.Failed{}}, {Failed: &timeline.Failed{Status: []timeline.StatusRange{{Lo: 502, Hi: 502}}}}, {Sample: &timeline.Sample{PerStream: 3}}} {
					got := read(t, s, w)
					if len(got) != 1 {
						t.Errorf("%+v: got %d events", w, len(got))
						continue
					}
					e := got[0]
					if e.StatusCode != 502 || e.Host != c.host || e.Service != c.service || string(e.Raw) != line || !e.Time.Equal(noon.Add(7*time.Second)) {
						t.Errorf("got %s of %s on %s: %d %q", e.Time, e.Service, e.Host, e.StatusCode, e.Raw)
					}
				}
			})
		})
	}
}

// TestFields finds documents by fields of all kinds, and by names that only the
// configuration tells.
func TestFields(t *testing.T) {
	each(t, func(t *testing.T, flavor, base string) {
		flat := "flattened"
		if flavor == OpenSearch {
			flat = "flat_object"
		}
		fill(t, base, "fields", `{"mappings":{"properties":{"@timestamp":{"type":"date"},"trace":{"properties":{"id":{"type":"keyword"}}},"labels":{"type":"`+flat+`"},
			"spans":{"type":"nested","properties":{"trace_id":{"type":"keyword"}}},"dd":{"properties":{"trace_id":{"type":"long"}}}}}}`,
			`{"@timestamp":"2026-03-01T12:00:00Z","ecs.version":"8","message":"a","trace":{"id":"4bf92f3577b34da6a3ce929d0e0e4736"},"service.name":"a"}`,
			`{"@timestamp":"2026-03-01T12:00:01Z","message":"b","request_id":"B7AD6B71-6920-3331-A1B2-C3D4E5F60718","status":500}`,
			`{"@timestamp":"2026-03-01T12:00:02Z","message":"c","labels":{"request_id":"c0ffee00c0ffee00c0ffee00c0ffee00"},"status":200}`,
			`{"@timestamp":"2026-03-01T12:00:03Z","message":"d","spans":[{"trace_id":"d00d00d00d00d00d00d00d00d00d00d0"}]}`,
			`{"@timestamp":"2026-03-01T12:00:04Z","message":"e","dd":{"trace_id":1234567890123456789}}`,
			`{"@timestamp":"2026-03-01T12:00:05Z","message":"f","vorgang":"e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0","antwort":503}`,
		)
		s := openIndex(t, flavor, base, "fields", ingest.Config{Fields: map[string][]string{
			timeline.KeyRequestID: {"vorgang", "request_id"}, "http.response.status_code": {"antwort", "status"}}})
		for id, want := range map[string]string{
			"4bf92f35-77b3-4da6-a3ce-929d0e0e4736": "d000",
			"b7ad6b7169203331a1b2c3d4e5f60718":     "d001",
			"c0ffee00c0ffee00c0ffee00c0ffee00":     "d002",
			"d00d00d00d00d00d00d00d00d00d00d0":     "d003",
			"1234567890123456789":                  "d004",
			"e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0":     "d005",
		} {
			var docs []string
			for _, e := range read(t, s, timeline.Want{Keys: []timeline.Key{{Name: timeline.KeyTraceID, Value: id}, {Name: timeline.KeyRequestID, Value: id}}}) {
				docs = append(docs, e.Pos.Doc)
			}
			if !slices.Equal(docs, []string{want}) {
				t.Errorf("%s: got %v, want %s", id, docs, want)
			}
		}
		var failed []string
		for _, e := range read(t, s, timeline.Want{Failed: &timeline.Failed{Status: []timeline.StatusRange{{Lo: 500, Hi: 599}}}}) {
			failed = append(failed, fmt.Sprint(e.Pos.Doc, " ", e.StatusCode))
		}
		if !slices.Equal(failed, []string{"d001 500", "d005 503"}) {
			t.Errorf("failures: got %v", failed)
		}
	})
}

func TestOpenErrors(t *testing.T) {
	each(t, func(t *testing.T, flavor, base string) {
		fill(t, base, "timeless", `{}`, `{"message":"x"}`)
		for _, c := range []struct {
			url    string
			config ingest.Config
			want   string
		}{
			{flavor + "+" + base, ingest.Config{}, "no index is named"},
			{flavor + "+" + base + "/no-such-index-*", ingest.Config{}, "no index is named no-such-index-*"},
			{flavor + "+" + base + "/timeless", ingest.Config{}, "no field with the time of a document"},
			{flavor + "+" + base + "/timeless", ingest.Config{Fields: map[string][]string{"body": {"nachricht"}}}, "the indices have no field nachricht"},
			{flavor + "+" + base + "/timeless", ingest.Config{Flavor: "solr"}, `unknown flavor "solr"`},
			{flavor + "+" + base + "/timeless", ingest.Config{Flavor: map[string]string{Elasticsearch: OpenSearch, OpenSearch: Elasticsearch}[flavor]}, "answers"},
			{flavor + "+http://127.0.0.1:1/logs", ingest.Config{}, "connection refused"},
		} {
			u, err := url.Parse(c.url)
			if err != nil {
				t.Fatal(err)
			}
			c.config.Formats = format.Builtin()
			_, err = Open(t.Context(), u, c.config)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %v, want %q", c.url, err, c.want)
			}
		}
	})
}

// TestNames opens what can name indices: a pattern, an alias, several with commas, and a data stream where the server has
// such.
func TestNames(t *testing.T) {
	each(t, func(t *testing.T, flavor, base string) {
		const id = "7c1d5e9fa0b34c71a2d3e4f5061728aa"
		for i, index := range []string{"named-2026.03.01", "named-2026.03.02"} {
			fill(t, base, index, testserver.LineMapping, lineDoc("edge-1", "/var/log/nginx/access.log", 0, i, access(i, 502, id)))
		}
		do(t, http.MethodPost, base+"/_aliases", `{"actions":[{"add":{"index":"named-2026.03.0*","alias":"names"}}]}`)
		names := []string{"named-*", "names", "named-2026.03.01,named-2026.03.02", "named-2026.03.01,names", "names,no-such-*"}
		if flavor == OpenSearch {
			do(t, http.MethodPut, base+"/_index_template/streamed", `{"index_patterns":["streamed*"],"data_stream":{},"template":`+testserver.LineMapping+`}`)
			if _, err := testserver.Do(t.Context(), http.MethodDelete, base+"/_data_stream/streamed", ""); err != nil && !strings.Contains(err.Error(), "404") {
				t.Fatal(err)
			}
			for i := range 2 {
				doc, err := json.Marshal(lineDoc("edge-1", "/var/log/nginx/access.log", 200*i, i, access(i, 502, id)))
				if err != nil {
					t.Fatal(err)
				}
				do(t, http.MethodPost, base+"/streamed/_doc?refresh=true", string(doc))
				do(t, http.MethodPost, base+"/streamed/_rollover", "")
			}
			names = append(names, "streamed", "stream*")
		}
		for _, name := range names {
			s := openIndex(t, flavor, base, name, ingest.Config{})
			got := read(t, s, byID(id))
			if len(got) != 2 {
				t.Errorf("%s: got %d events, want 2", name, len(got))
			}
			for _, e := range got {
				if e.Pos.Index == "" || e.Pos.Index == name || strings.HasPrefix(name, "stream") && !strings.HasPrefix(e.Pos.Index, ".ds-streamed-") {
					t.Errorf("%s: an event lies in index %q, want the one that holds it", name, e.Pos.Index)
				}
			}
			if answer, err := s.Ping(t.Context()); err != nil || !strings.Contains(answer, "2 documents") {
				t.Errorf("%s: ping says %q, %v", name, answer, err)
			}
		}
	})
}

// TestWordsOfAllFormats asks a server for the failures of all formats that there are at once, and of some alone, as
// their expressions are then put together otherwise: none of the queries may be too complex for it.
func TestWordsOfAllFormats(t *testing.T) {
	each(t, func(t *testing.T, flavor, base string) {
		fill(t, base, "words", testserver.LineMapping, lineDoc("edge-1", "/var/log/a.log", 0, 1, "ERROR nothing"))
		s := openIndex(t, flavor, base, "words", ingest.Config{})
		var bodies []query
		all := &wordQuery{}
		for i, f := range format.Builtin().Formats() {
			one := &wordQuery{}
			for _, l := range f.Literals {
				one.add(string(l))
				all.add(string(l))
			}
			if i%40 == 0 {
				bodies = append(bodies, query{"size": 0, "query": anyOf(orNothing(one.clauses("message")))})
			}
		}
		bodies = append(bodies, query{"size": 0, "query": anyOf(orNothing(all.clauses("message")))})
		if _, err := s.several(t.Context(), bodies); err != nil {
			t.Error(err)
		}
	})
}

// TestHostileDocuments reads what a document may hold by mistake or by intent. All that a server takes comes, or is told.
func TestHostileDocuments(t *testing.T) {
	const id = "5eed5eed5eed4c71a2d3e4f506172833"
	long := strings.Repeat("x", 10<<20)
	each(t, func(t *testing.T, flavor, base string) {
		line := func(text string) map[string]any { return lineDoc("edge-1", "/var/log/a.log", 0, 1, text) }
		docs := []any{
			line("first\x1b[2Jred\x00\u202e ERROR request_id=" + id),
			line("ERROR " + long + " request_id=" + id),
			line("ERROR request_id=" + id + " " + long),
			line(""),
			line(strings.Repeat("\n", 5000) + "request_id=" + id),
			map[string]any{"@timestamp": noon, "message": []any{"request_id=" + id, "more"}, "host": map[string]any{"name": []any{"edge-1", "edge-2"}}},
			map[string]any{"@timestamp": noon, "message": "at an odd place request_id=" + id, "log": map[string]any{"offset": -7, "file": map[string]any{"path": "../../etc/passwd\x00"}}},
			map[string]any{"@timestamp": noon, "message": "far request_id=" + id, "log": map[string]any{"offset": int64(1<<63 - 1), "file": map[string]any{"path": "/var/log/a.log"}}},
			map[string]any{"@timestamp": "1970-01-01T00:00:00Z", "message": "early request_id=" + id},
			map[string]any{"@timestamp": "9999-12-31T23:59:59Z", "message": "late request_id=" + id},
			map[string]any{"message": "without a time request_id=" + id},
			map[string]any{"@timestamp": nil, "message": "with none request_id=" + id},
			`{"@timestamp":"2026-03-01T12:00:00Z","message":"twice","message":"request_id=` + id + `"}`,
			`{"@timestamp":"2026-03-01T12:00:00Z","message":"a number request_id=` + id + `","deep":` + strings.Repeat(`{"a":`, 15) + "1e30" + strings.Repeat("}", 15) + "}",
			`{"@timestamp":"2026-03-01T12:00:00Z","message":"names request_id=` + id + `","a\"]}<script>":"x","b.c.d":"y"}`,
			`{}`,
		}
		do := func(method, url, body string) error {
			_, err := testserver.Do(t.Context(), method, url, body)
			return err
		}
		if err := do(http.MethodDelete, base+"/hostile", ""); err != nil && !strings.Contains(err.Error(), "404") {
			t.Fatal(err)
		}
		if err := do(http.MethodPut, base+"/hostile", testserver.LineMapping); err != nil {
			t.Fatal(err)
		}
		taken := map[string]bool{}
		for i, d := range docs {
			text, ok := d.(string)
			if !ok {
				b, err := json.Marshal(d)
				if err != nil {
					t.Fatal(err)
				}
				text = string(b)
			}
			doc := fmt.Sprintf("d%02d", i)
			if err := do(http.MethodPut, base+"/hostile/_doc/"+doc, text); err != nil {
				t.Logf("the server refuses %s: %.200s", doc, err)
				continue
			}
			taken[doc] = strings.Contains(text, id)
		}
		if err := do(http.MethodPost, base+"/hostile/_refresh", ""); err != nil {
			t.Fatal(err)
		}
		s := openIndex(t, flavor, base, "hostile", ingest.Config{})
		for name, w := range map[string]timeline.Want{
			"key": byID(id), "failed": {Failed: &timeline.Failed{}}, "sample": {Sample: &timeline.Sample{PerStream: 100}},
			"window": {Near: &timeline.Window{From: noon.Add(-time.Hour), To: noon.Add(time.Hour)}},
		} {
			seen := map[string]bool{}
			told := map[string]bool{}
			for e, err := range s.Events(t.Context(), timeline.Filter{Any: []timeline.Want{w}}) {
				var one *timeline.RecordError
				switch {
				case errors.As(err, &one):
					told[one.Pos.Doc] = true
				case err != nil:
					t.Errorf("%s: %v", name, err)
				default:
					seen[e.Pos.Doc] = true
					if len(e.Raw) > 11<<20 {
						t.Errorf("%s: %s has %d bytes", name, e.Pos.Doc, len(e.Raw))
					}
				}
			}
			for doc, has := range taken {
				// Of the long one whose ID stands behind the limit the cut is told.
				if name == "key" && has && !seen[doc] && !told[doc] {
					t.Errorf("%s: %s does not come, and nothing is said of it", name, doc)
				}
			}
			if name == "key" && (!told["d01"] || !told["d02"]) {
				t.Errorf("%s: that records were cut is not told: %v", name, told)
			}
		}
	})
}

// TestSampleTellsHowItWasDrawn: by what is told of the sample's events as many records are found to be there as there are, in a stream
// of which each record has an ID and in one of which every fourth has; and if all are asked for, each stands for itself.
func TestSampleTellsHowItWasDrawn(t *testing.T) {
	const edge, app = 3000, 2000
	var lines []string
	for i := range edge {
		status := 200
		if i%100 == 7 {
			status = 502 // it comes as a failure too
		}
		lines = append(lines, access(i%60, status, fmt.Sprintf("%032x", 0x5f0c9ad1e2b34c71+i)))
	}
	docs := lineDocs("edge-1", "/var/log/nginx/access.log", 0, lines...)
	lines = lines[:0]
	for i := range app {
		if i%4 == 0 {
			lines = append(lines, fmt.Sprintf("2026-03-01 12:%02d:%02d,100 INFO [orders] done request_id=%032x", i/60%60, i%60, 0x5f0c9ad1e2b34c71+i))
		} else {
			lines = append(lines, fmt.Sprintf("2026-03-01 12:%02d:%02d,100 INFO [orders] nothing to do", i/60%60, i%60))
		}
	}
	docs = append(docs, lineDocs("app-1", "/var/log/orders.log", 0, lines...)...)
	each(t, func(t *testing.T, flavor, base string) {
		fill(t, base, "drawn", testserver.LineMapping, docs...)
		drawn := func(perStream int) (records map[string]float64, n int) {
			records = map[string]float64{}
			for e, err := range openIndex(t, flavor, base, "drawn", ingest.Config{}).Events(t.Context(), timeline.Filter{Any: []timeline.Want{
				{Failed: &timeline.Failed{}}, {Sample: &timeline.Sample{PerStream: perStream}},
			}}) {
				if err != nil {
					t.Fatal(err)
				}
				if e.Drawn.Of > 0 {
					n++
					records[e.Host] += e.Drawn.Of / e.Drawn.Searched
				}
			}
			return records, n
		}
		got, n := drawn(400)
		// Four standard deviations of what is drawn without replacement.
		if got["edge-1"] != edge || math.Abs(got["app-1"]-app/4) > 4*app*math.Sqrt(0.25*0.75/400*(1-400./app)) || n < 450 || n > 550 {
			t.Errorf("by %d that were drawn there are %v, want %d and about %d", n, got, edge, app/4)
		}
		if again, _ := drawn(400); fmt.Sprint(again) != fmt.Sprint(got) {
			t.Errorf("another time it is %v, not %v", again, got)
		}
		if got, n := drawn(timeline.AllRequests); got["edge-1"] != edge || got["app-1"] != app/4 || n != edge+app/4 {
			t.Errorf("of all there are %v by %d", got, n)
		}
	})
}
