package elastic

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

// A fault makes a cluster answer in a way that a real one cannot be brought to; false leaves it to answer as ever.
type fault func(w http.ResponseWriter, path string, body map[string]any) bool

// faulty is a cluster of n failing requests, one a second, in so many shards, which answers as the documentation of
// the search API shows.
func faulty(t *testing.T, n, shards int, f fault) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body) // not all have one
		if f != nil && f(w, r.URL.Path, body) {
			return
		}
		answer := any(map[string]any{"id": "pit", "version": map[string]any{"number": "8.17.4"}, "_shards": map[string]any{"total": shards}})
		switch {
		case strings.HasSuffix(r.URL.Path, "/_field_caps"):
			field := func(typ string) map[string]any {
				return map[string]any{typ: map[string]any{"type": typ, "searchable": true, "aggregatable": typ != "text"}}
			}
			answer = map[string]any{"indices": []string{"logs"}, "fields": map[string]any{"@timestamp": field("date"), "message": field("text")}}
		case r.URL.Path == "/_msearch":
			answer = map[string]any{"responses": []any{page(n, 0, 1, nil, headDocuments), page(n, 0, 1, nil, tailDocuments)}}
		case strings.HasSuffix(r.URL.Path, "/_search"):
			of, max := 0, 1
			if s, ok := body["slice"].(map[string]any); ok {
				of, max = int(s["id"].(float64)), int(s["max"].(float64))
			}
			answer = page(n, of, max, body["search_after"], int(body["size"].(float64)))
			answer.(map[string]any)["_shards"] = map[string]any{"total": shards}
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(srv.Close)
	return srv
}

// page is an answer of a search of one slice.
func page(n, of, max int, after any, size int) map[string]any {
	next := 0
	if a, ok := after.([]any); ok {
		next = int(a[1].(float64)) + 1
	}
	hits := []any{}
	for i := next; i < n && len(hits) < size; i++ {
		if i%max != of {
			continue
		}
		at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Second)
		hits = append(hits, map[string]any{"_index": "logs", "_id": fmt.Sprintf("%06d", i), "sort": []any{at.UnixMilli(), i},
			"_source": map[string]any{"@timestamp": at.Format(time.RFC3339), "message": fmt.Sprintf("10.0.0.9 - - [%s] \"GET /a HTTP/1.1\" 502 27 \"-\" \"curl\"", at.Format("02/Jan/2006:15:04:05 -0700"))}})
	}
	return map[string]any{"hits": map[string]any{"total": map[string]any{"value": n}, "hits": hits}}
}

func openFaulty(t *testing.T, srv *httptest.Server, c ingest.Config) *Source {
	t.Helper()
	u, err := url.Parse("elasticsearch+" + srv.URL + "/logs")
	if err != nil {
		t.Fatal(err)
	}
	c.Name, c.Formats = "cluster", format.Builtin()
	s, err := Open(t.Context(), u, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// failures gives the documents that a pass for failures gives, and its error.
func failures(t *testing.T, s *Source) (docs []string, err error) {
	t.Helper()
	for e, e2 := range s.Events(t.Context(), timeline.Filter{Any: []timeline.Want{{Failed: &timeline.Failed{}}}}) {
		if err = e2; e != nil {
			docs = append(docs, e.Pos.Doc)
		}
	}
	return docs, err
}

// TestSlices reads a point in time in as many slices as it has shards, four at most, and gives the same documents in
// the same order as one page after the other.
func TestSlices(t *testing.T) {
	const n = 2*pageSize + pageSize/3
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("%06d", i))
	}
	for _, shards := range []int{1, 3, 9} {
		var mu sync.Mutex
		asked := map[string]int{}
		srv := faulty(t, n, shards, func(_ http.ResponseWriter, path string, body map[string]any) bool {
			mu.Lock()
			defer mu.Unlock()
			if s, ok := body["slice"].(map[string]any); ok {
				asked[fmt.Sprint(s["id"], " of ", s["max"])]++
			}
			return false
		})
		got, err := failures(t, openFaulty(t, srv, ingest.Config{}))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%d shards: got %d documents in order: %v, %v; want %d", shards, len(got), slices.IsSorted(got), err, n)
		}
		if slices := min(shards, maxSlices); len(asked) != slices && slices > 1 || shards == 1 && len(asked) > 0 {
			t.Errorf("%d shards: asked were the slices %v", shards, asked)
		}
	}
}

// TestFaults holds the source against what clusters do under load: it repeats what may be repeated, and says of the rest
// what is missing.
func TestFaults(t *testing.T) {
	const n = pageSize + 10
	refusal := map[string]any{"reason": map[string]any{"type": "es_rejected_execution_exception", "reason": "queue capacity = 1"}}
	reply := func(w http.ResponseWriter, body string) bool {
		fmt.Fprint(w, body)
		return true
	}
	partial := func(w http.ResponseWriter, body map[string]any) bool {
		answer := page(n/2, 0, 1, body["search_after"], pageSize)
		answer["_shards"] = map[string]any{"total": 2, "failed": 1, "failures": []any{refusal}}
		text, err := json.Marshal(answer)
		return reply(w, string(text)) && err == nil
	}
	for name, c := range map[string]struct {
		fault   func(asked int, w http.ResponseWriter, body map[string]any) bool
		docs    int
		err     string
		missing string
	}{
		"refused whole": {func(asked int, w http.ResponseWriter, _ map[string]any) bool {
			if asked < 3 {
				w.WriteHeader(http.StatusTooManyRequests)
				return reply(w, `{"error":{"type":"es_rejected_execution_exception","reason":"busy"},"status":429}`)
			}
			return false
		}, n, "", ""},
		"refused by a shard": {func(asked int, w http.ResponseWriter, body map[string]any) bool {
			return asked < 3 && partial(w, body)
		}, n, "", ""},
		"cut in the middle": {func(asked int, w http.ResponseWriter, _ map[string]any) bool {
			return asked == 2 && reply(w, `{"hits":{"hits":[{"_index":"logs","_id":"x"`)
		}, pageSize, "the answer broke off", ""},
		"no JSON": {func(asked int, w http.ResponseWriter, _ map[string]any) bool {
			return asked == 1 && reply(w, `<html>`)
		}, 0, "read answer: invalid character", ""},
		"timed out": {func(asked int, w http.ResponseWriter, _ map[string]any) bool {
			return asked == 1 && reply(w, `{"timed_out":true,"hits":{"hits":[]}}`)
		}, 0, "", whatTimeout},
		"hits of nothing": {func(asked int, w http.ResponseWriter, _ map[string]any) bool {
			return asked == 1 && reply(w, `{"hits":{"hits":[{},{"_index":"logs","_id":"a","_source":null},{"_index":"logs","_id":"b","_source":[]},{"_source":{"message":7}}]}}`)
		}, 0, "", whatNoDocument},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			asked := 0
			srv := faulty(t, n, 1, func(w http.ResponseWriter, path string, body map[string]any) bool {
				if !strings.HasSuffix(path, "/_search") {
					return false
				}
				mu.Lock()
				defer mu.Unlock()
				asked++
				return c.fault(asked, w, body)
			})
			s := openFaulty(t, srv, ingest.Config{})
			docs, err := failures(t, s)
			if _, one := errors.AsType[*timeline.RecordError](err); one {
				err = nil
			}
			if len(docs) != c.docs || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %d documents, %v; want %d, %q", len(docs), err, c.docs, c.err)
			}
			told := slices.ContainsFunc(s.Info().Skipped, func(k timeline.Skipped) bool { return k.What == c.missing })
			if !told && c.missing != "" {
				t.Errorf("missing is %v, want %q", s.Info().Skipped, c.missing)
			}
		})
	}
}

// TestAddresses goes on at the next address where one does not answer, or stops in the middle of an answer.
func TestAddresses(t *testing.T) {
	const n = pageSize + 10
	breaks := false
	first := faulty(t, n, 1, func(w http.ResponseWriter, path string, body map[string]any) bool {
		if path == "/_search" && body["search_after"] != nil && breaks {
			fmt.Fprint(w, `{"hits":{"hits":[`)
			return true
		}
		return false
	})
	second := faulty(t, n, 1, nil)
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	parse := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	// The one of the source does not answer at all.
	if docs, err := failures(t, openFaulty(t, dead, ingest.Config{URLs: []*url.URL{parse(dead.URL), parse(second.URL)}})); err != nil || len(docs) != n {
		t.Errorf("the first two are dead: got %d documents, %v", len(docs), err)
	}
	// It breaks off in the middle.
	breaks = true
	s := openFaulty(t, first, ingest.Config{URLs: []*url.URL{parse(second.URL)}})
	if docs, err := failures(t, s); err != nil || len(docs) != n {
		t.Errorf("the first breaks off: got %d documents, %v", len(docs), err)
	}
	// None answers.
	if _, err := Open(t.Context(), parse("elasticsearch+"+dead.URL+"/logs"), ingest.Config{Formats: format.Builtin(), URLs: []*url.URL{parse(dead.URL)}}); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("all are dead: %v", err)
	}
}
