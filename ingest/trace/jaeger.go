package trace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/valyala/fastjson"
)

// newJaeger reaches a Jaeger. Flavor "v3" asks by its API v3, which has nanoseconds but no search by
// attributes; else by the API of its UI, which all versions have.
func newJaeger(_ context.Context, a *api) (backend, error) {
	switch a.config.Flavor {
	case "", "v1":
		j := &jaeger{api: a}
		j.limit.Store(most)
		return j, nil
	case "v3":
		return &jaegerV3{a}, nil
	}
	return nil, fmt.Errorf("unknown flavor %q: v1 or v3", a.config.Flavor)
}

// A jaeger is asked by the API of Jaeger's UI (cmd/query/app/query_parser.go): raw keeps the times as they
// were stamped.
type jaeger struct {
	api   *api
	limit atomic.Int64
	// errors says whether the server finds spans by their error, once that was seen: Jaeger 2's
	// storage in memory compares the tag with true, and the API has no truth values.
	errors atomic.Int32
}

const (
	errorsFound    = 1
	errorsNotFound = 2
)

func (j *jaeger) format() string { return "jaeger_json" }

func (j *jaeger) ping(ctx context.Context) (string, error) {
	names, err := j.services(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("Jaeger, %d services", len(names)), nil
}

func (j *jaeger) services(ctx context.Context) ([]string, error) {
	b, err := j.api.get(ctx, "/api/services", nil, true)
	if err != nil {
		return nil, err
	}
	return stringsOf(b, "data")
}

// stringsOf gives the list of strings in a member of an answer, sorted.
func stringsOf(b []byte, member string) ([]string, error) {
	v, err := fastjson.ParseBytes(b)
	if err != nil || v.Type() != fastjson.TypeObject {
		return nil, fmt.Errorf("the answer is not one of Jaeger's API: %.60q", b)
	}
	var out []string
	for _, s := range v.GetArray(member) {
		out = append(out, string(s.GetStringBytes()))
	}
	slices.Sort(out)
	return out, nil
}

func (j *jaeger) finds(what string) bool {
	return what == "failed" && j.errors.Load() != errorsNotFound || what == "attribute"
}

func (j *jaeger) byID(ctx context.Context, ids []string) ([][]byte, error) {
	b, err := j.api.get(ctx, "/api/traces", url.Values{"traceID": ids, "raw": {"true"}}, false)
	if notFound(err) || b == nil && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return j.read(b)
}

// read gives the traces of an answer.
func (j *jaeger) read(b []byte) ([][]byte, error) {
	v, err := fastjson.ParseBytes(b)
	if err != nil || v.Type() != fastjson.TypeObject {
		return nil, fmt.Errorf("the answer is not one of Jaeger's API: %.60q", b)
	}
	var out [][]byte
	for _, t := range v.GetArray("data") {
		out = append(out, t.MarshalTo(nil))
	}
	for _, e := range v.GetArray("errors") {
		if m := string(e.GetStringBytes("msg")); m != "" && m != "trace not found" {
			return nil, errors.New(m)
		}
	}
	return out, nil
}

// depthRE finds that a server does not give so many traces.
var depthRE = regexp.MustCompile(`search depth must be greater than 0 and less than max traces`)

func (j *jaeger) search(ctx context.Context, q search) ([][]byte, bool, error) {
	switch {
	case q.failed && j.errors.Load() != errorsNotFound:
		answers, full, err := j.one(ctx, q, map[string]string{"error": "true"})
		if err != nil || j.api.config.DryRun {
			return answers, full, err
		}
		if slices.ContainsFunc(answers, func(t []byte) bool { return hasError(t, q.service) }) {
			j.errors.Store(errorsFound)
		}
		if j.errors.Load() == errorsFound {
			return answers, full, nil
		}
		// There was none, or the server cannot tell: all traces show it.
		answers, full, err = j.one(ctx, q, nil)
		if slices.ContainsFunc(answers, func(t []byte) bool { return hasError(t, q.service) }) {
			j.errors.Store(errorsNotFound)
		}
		return answers, full, err
	case q.attr != "":
		var out [][]byte
		for _, v := range q.values {
			answers, full, err := j.one(ctx, q, map[string]string{q.attr: v})
			if err != nil || full {
				return answers, full, err
			}
			out = append(out, answers...)
		}
		return out, false, nil
	}
	return j.one(ctx, q, nil)
}

// hasError says whether a span of the service in the trace is marked as an error.
func hasError(trace []byte, service string) bool {
	v, err := fastjson.ParseBytes(trace)
	if err != nil {
		return false
	}
	for _, s := range v.GetArray("spans") {
		if string(v.GetStringBytes("processes", string(s.GetStringBytes("processID")), "serviceName")) != service {
			continue
		}
		for _, t := range s.GetArray("tags") {
			if string(t.GetStringBytes("key")) == "error" && (t.GetBool("value") || string(t.GetStringBytes("value")) == "true") {
				return true
			}
		}
	}
	return false
}

// one asks one query.
func (j *jaeger) one(ctx context.Context, q search, tags map[string]string) ([][]byte, bool, error) {
	for {
		limit := min(q.limit, int(j.limit.Load()))
		v := url.Values{
			"service": {q.service}, "start": {micros(q.from)}, "end": {micros(q.to)}, "limit": {strconv.Itoa(limit)}, "raw": {"true"},
		}
		if tags != nil {
			t, err := json.Marshal(tags)
			if err != nil {
				return nil, false, err
			}
			v.Set("tags", string(t))
		}
		b, err := j.api.get(ctx, "/api/traces", v, q.discovery)
		if e, ok := answered(err); ok && depthRE.MatchString(e.Text) && limit > 1 {
			j.limit.Store(int64(limit / 2))
			continue
		}
		if b == nil || err != nil {
			return nil, false, err
		}
		out, err := j.read(b)
		return out, len(out) >= limit, err
	}
}

func micros(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }

// A jaegerV3 is asked by Jaeger's API v3 (api_v3/query_service.proto), whose answers are OTLP.
type jaegerV3 struct{ api *api }

func (j *jaegerV3) format() string { return "otlp_json" }

func (j *jaegerV3) ping(ctx context.Context) (string, error) {
	names, err := j.services(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("Jaeger by its API v3, %d services", len(names)), nil
}

func (j *jaegerV3) services(ctx context.Context) ([]string, error) {
	b, err := j.api.get(ctx, "/api/v3/services", nil, true)
	if err != nil {
		return nil, err
	}
	return stringsOf(b, "services")
}

func (j *jaegerV3) finds(string) bool { return false }

func (j *jaegerV3) byID(ctx context.Context, ids []string) ([][]byte, error) {
	var out [][]byte
	for _, id := range ids {
		b, err := j.api.get(ctx, "/api/v3/traces/"+id, url.Values{"raw_traces": {"true"}}, false)
		if notFound(err) || b == nil && err == nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		answer, err := resultOf(b)
		if err != nil {
			return nil, err
		}
		out = append(out, answer...)
	}
	return out, nil
}

// resultOf gives what stands in the results of an answer, of which a gateway may send several in a row.
func resultOf(b []byte) ([][]byte, error) {
	var out [][]byte
	var sc fastjson.Scanner
	sc.InitBytes(b)
	for sc.Next() {
		r := sc.Value().Get("result")
		if r == nil {
			return nil, fmt.Errorf("the answer is not one of Jaeger's API v3: %.60q", b)
		}
		out = append(out, r.MarshalTo(nil))
	}
	return out, sc.Error()
}

func (j *jaegerV3) search(ctx context.Context, q search) ([][]byte, bool, error) {
	b, err := j.api.get(ctx, "/api/v3/traces", url.Values{
		"query.service_name": {q.service}, "query.start_time_min": {q.from.UTC().Format(time.RFC3339Nano)},
		"query.start_time_max": {q.to.UTC().Format(time.RFC3339Nano)}, "query.num_traces": {strconv.Itoa(q.limit)}, "query.raw_traces": {"true"},
	}, q.discovery)
	if notFound(err) || b == nil && err == nil {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	out, err := resultOf(b)
	if err != nil {
		return nil, false, err
	}
	return out, countTraces(out) >= q.limit, nil
}

// countTraces counts the traces in answers in OTLP.
func countTraces(answers [][]byte) int {
	seen := map[string]bool{}
	for _, a := range answers {
		v, err := fastjson.ParseBytes(a)
		if err != nil {
			continue // who decodes it says so
		}
		for _, rs := range v.GetArray("resourceSpans") {
			for _, ss := range rs.GetArray("scopeSpans") {
				for _, s := range ss.GetArray("spans") {
					seen[string(s.GetStringBytes("traceId"))] = true
				}
			}
		}
	}
	return len(seen)
}
