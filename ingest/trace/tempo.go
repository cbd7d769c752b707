package trace

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"
)

// newTempo reaches a Tempo.
func newTempo(_ context.Context, a *api) (backend, error) {
	if a.config.Flavor != "" {
		return nil, fmt.Errorf("unknown flavor %q: Tempo has none", a.config.Flavor)
	}
	return &tempo{a}, nil
}

// A tempo is asked in TraceQL, for the IDs of traces, which are then fetched whole.
type tempo struct{ api *api }

func (t *tempo) format() string { return "otlp_json" }

func (t *tempo) ping(ctx context.Context) (string, error) {
	b, err := t.api.get(ctx, "/api/status/buildinfo", nil, true)
	if err != nil {
		return "", err
	}
	v, err := fastjson.ParseBytes(b)
	if err != nil {
		return "", fmt.Errorf("the answer is not one of Tempo's API: %.60q", b)
	}
	return "Tempo " + string(v.GetStringBytes("version")), nil
}

// services is one: a search covers all.
func (t *tempo) services(ctx context.Context) ([]string, error) {
	if _, err := t.api.get(ctx, "/api/search/tags", nil, true); err != nil {
		return nil, err
	}
	return []string{""}, nil
}

func (t *tempo) finds(string) bool { return true }

func (t *tempo) byID(ctx context.Context, ids []string) ([][]byte, error) {
	var out [][]byte
	for _, id := range ids {
		b, err := t.api.get(ctx, "/api/traces/"+id, nil, false)
		if notFound(err) || b == nil && err == nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		v, err := fastjson.ParseBytes(b)
		if err != nil || v.Get("batches") == nil && v.Get("resourceSpans") == nil && v.Get("trace") == nil {
			return nil, fmt.Errorf("the answer is not one of Tempo's API: %.60q", b)
		}
		out = append(out, b)
	}
	return out, nil
}

// longest is the time range of one search that every Tempo takes: the default of its query
// frontend's max_duration is 168 h.
const longest = 167 * time.Hour

func (t *tempo) search(ctx context.Context, q search) ([][]byte, bool, error) {
	switch {
	case q.to.Sub(q.from) <= longest:
	case q.some:
		q.from = q.to.Add(-longest)
	default:
		return nil, true, nil // it is parted
	}
	// Times are whole seconds: what is outside of the range is left out by who looks at the events.
	v := url.Values{
		"q": {traceQL(q)}, "limit": {strconv.Itoa(q.limit)},
		"start": {strconv.FormatInt(q.from.Unix(), 10)}, "end": {strconv.FormatInt(q.to.Unix()+1, 10)},
	}
	b, err := t.api.get(ctx, "/api/search", v, q.discovery)
	if b == nil || err != nil {
		return nil, false, err
	}
	a, err := fastjson.ParseBytes(b)
	if err != nil {
		return nil, false, fmt.Errorf("the answer is not one of Tempo's API: %.60q", b)
	}
	var ids []string
	for _, tr := range a.GetArray("traces") {
		id := string(tr.GetStringBytes("traceID"))
		ids = append(ids, strings.Repeat("0", max(0, 32-len(id)))+id) // leading zeros are left out
	}
	slices.Sort(ids)
	full := len(ids) >= q.limit
	if full && !q.some && q.to.Sub(q.from) > 2*time.Second {
		return nil, true, nil // it is parted, and asked again
	}
	out, err := t.byID(ctx, ids)
	return out, full, err
}

// traceQL gives the query for the spans of a search.
func traceQL(q search) string {
	switch {
	case q.failed:
		return `{ status = error || span.http.response.status_code >= 500 || span.http.status_code >= 500 || event:name = "exception" }`
	case q.status != nil:
		return fmt.Sprintf(`{ (span.http.response.status_code >= %d && span.http.response.status_code <= %[2]d) || (span.http.status_code >= %[1]d && span.http.status_code <= %[2]d) }`, q.status.Lo, q.status.Hi)
	case q.attr != "":
		terms := make([]string, len(q.values))
		for i, v := range q.values {
			terms[i] = "." + strconv.Quote(q.attr) + " = " + strconv.Quote(v)
		}
		return "{ " + strings.Join(terms, " || ") + " }"
	}
	return "{}"
}
