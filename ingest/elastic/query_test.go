package elastic

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

// caps is an answer of the API for the capabilities of fields, of indices that do not
// agree on everything.
const caps = `{"indices":["logs-1","logs-2"],"fields":{
	"_id":{"_id":{"type":"_id","metadata_field":true,"searchable":true,"aggregatable":false}},
	"@timestamp":{"date":{"type":"date","searchable":true,"aggregatable":true},"date_nanos":{"type":"date_nanos","searchable":true,"aggregatable":true}},
	"timestamp":{"date":{"type":"date","searchable":true,"aggregatable":true}},
	"message":{"text":{"type":"text","searchable":true,"aggregatable":false}},
	"host":{"object":{"type":"object","searchable":false,"aggregatable":false}},
	"host.name":{"text":{"type":"text","searchable":true,"aggregatable":false}},
	"host.name.keyword":{"keyword":{"type":"keyword","searchable":true,"aggregatable":true}},
	"log.file.path":{"keyword":{"type":"keyword","searchable":true,"aggregatable":true}},
	"log.offset":{"long":{"type":"long","searchable":true,"aggregatable":true}},
	"log.level":{"keyword":{"type":"keyword","searchable":true,"aggregatable":true}},
	"http.response.status_code":{"long":{"type":"long","searchable":true,"aggregatable":true},"keyword":{"type":"keyword","searchable":true,"aggregatable":true}},
	"trace.id":{"keyword":{"type":"keyword","searchable":true,"aggregatable":true}},
	"xRequestId":{"text":{"type":"text","searchable":true,"aggregatable":false}},
	"xRequestId.keyword":{"keyword":{"type":"keyword","searchable":true,"aggregatable":true}},
	"labels":{"flattened":{"type":"flattened","searchable":true,"aggregatable":true}},
	"calls":{"nested":{"type":"nested","searchable":false,"aggregatable":false}},
	"calls.trace_id":{"keyword":{"type":"keyword","searchable":true,"aggregatable":true}},
	"error.stack_trace":{"wildcard":{"type":"wildcard","searchable":true,"aggregatable":true}},
	"unsearched.request_id":{"keyword":{"type":"keyword","searchable":false,"aggregatable":true}}
}}`

func testFields(t *testing.T, configured map[string][]string) *fields {
	t.Helper()
	var c capsAnswer
	if err := json.Unmarshal([]byte(caps), &c); err != nil {
		t.Fatal(err)
	}
	f, err := newFields(&c, configured)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFieldsByTheirNames(t *testing.T) {
	const want = "time=@timestamp keys=calls.trace_id,labels,trace.id,xRequestId.keyword texts=message,xRequestId status=http.response.status_code " +
		"level=log.level errors=error.stack_trace streams=host.name,log.file.path"
	f := testFields(t, nil)
	if got := f.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !f.nanos {
		t.Error("an index keeps the time to the nanosecond")
	}
	f = testFields(t, map[string][]string{"time": {"timestamp"}, "http.response.status_code": {"log.level"}})
	if f.time != "timestamp" || f.nanos || len(f.status) != 1 || f.status[0].name != "log.level" {
		t.Errorf("configured names: got %s", f)
	}
}

// TestQueries shows what is asked of the cluster, and that it is only of fields that exist.
func TestQueries(t *testing.T) {
	s := &Source{config: ingest.Config{Formats: format.Builtin()}, fields: testFields(t, nil), streams: map[string]*stream{}}
	sel := ingest.Select(timeline.Filter{Any: []timeline.Want{
		{Keys: []timeline.Key{{Name: timeline.KeyRequestID, Value: "req-8f3c21d9"}}},
		{Failed: &timeline.Failed{Status: []timeline.StatusRange{{Lo: 499, Hi: 500}}}},
		{Near: &timeline.Window{Host: "app-1", From: time.UnixMilli(1_000_000_000_000), To: time.UnixMilli(1_000_000_001_000)}},
	}})
	text, err := json.Marshal(s.queries(sel))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"terms":{"trace.id":["req-8f3c21d9"]}}`,
		`{"terms":{"labels":["req-8f3c21d9"]}}`,
		`{"nested":{"ignore_unmapped":true,"path":"calls","query":{"terms":{"calls.trace_id":["req-8f3c21d9"]}}}}`,
		`{"match_phrase":{"message":"req-8f3c21d9"}}`,
		`{"range":{"http.response.status_code":{"gte":499,"lte":500}}}`,
		`{"terms":{"http.response.status_code":["499","500"]}}`,
		`{"terms":{"message":["499","500"]}}`,
		// Nothing is known of the streams of the host: a day and two hours are added.
		`{"range":{"@timestamp":{"format":"epoch_millis","gte":999906400000,"lt":1000093601000}}}`,
		`{"term":{"host.name.keyword":"app-1"}}`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the queries have no %s:\n%s", want, text)
		}
	}
}

// TestManyKeys shows that keys are asked for in batches that servers take.
func TestManyKeys(t *testing.T) {
	f := testFields(t, nil)
	var keys []timeline.Key
	for i := range 5000 {
		keys = append(keys, timeline.Key{Name: timeline.KeyRequestID, Value: strings.Repeat("ab12", 7) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676%26)) + "0"})
	}
	keys = append(keys, timeline.Key{Name: timeline.KeyRequestID, Value: "C0A8:1F90_0A0B"})
	queries := f.keyQueries(keys)
	asked := map[string]bool{}
	for _, q := range queries {
		one, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		for word := range strings.SplitSeq(string(one), `"`) {
			asked[word] = true
		}
		if n := strings.Count(string(one), "match_phrase"); n > 2*maxPhrases {
			t.Errorf("a query has %d phrases", n)
		}
	}
	for _, k := range keys {
		if !asked[k.Value] {
			t.Fatalf("%s is not asked for", k.Value)
		}
	}
}

// TestWords holds the tokens that stand for literals against texts that have the literals.
func TestWords(t *testing.T) {
	for _, c := range []struct{ literal, want string }{
		{`" 5`, "5[0-9][0-9]"},
		{`tatus":"5`, "5[0-9][0-9]"},
		{`":50`, "50[0-9]?"},
		{`[error]`, "error"},
		{`:error]`, ".*error"},
		{`level":"ERROR`, "error.*"},
		{`Exception`, ".*exception.*"},
		{`"level":3}`, "level 3"},
		{`Traceback (most recent call last)`, "most recent call last"},
		{`E0`, "e0[0-9][0-9][0-9]"},
		{"m5", "[0-9]?[0-9]?[0-9]?m5[0-9][0-9]"},
		{" TRACE ", ""},
		{":in `", ""},
		{`.js:`, `.*\.js`},
		{`** (`, ""},
		{`<3>`, ""},
		{" killed by signal 9", "killed by signal"},
		{"fatal error: ", ".*fatal"},
		{" with Bandit", "bandit.*"},
		{"Node.js v", `.*node\.js`},
		{"was reloaded.", `reloaded(\..*)?`},
		{" done.error ", `done\.error`},
	} {
		q := &wordQuery{}
		q.add(c.literal)
		got := ""
		if len(q.tokens) > 0 {
			open := q.tokens[0].open()
			got = open[0] + q.tokens[0].pattern() + open[1]
		}
		if got != c.want {
			t.Errorf("%q: got %q, want %q", c.literal, got, c.want)
		}
	}
	q := &wordQuery{}
	for _, l := range []string{"error", "Error", "[error]", "my error ", "crit"} {
		q.add(l)
	}
	text, err := json.Marshal(q.clauses("message"))
	if want := `[{"regexp":{"message":{"flags":"NONE","max_determinized_states":100000,"value":".*(crit|error).*"}}}]`; err != nil || string(text) != want {
		t.Errorf("what others cover is asked for too: got %s, want %s", text, want)
	}
}

// TestWordsTogether asks for words of any record only together with the others of their literal, and not where one is
// asked for alone.
func TestWordsTogether(t *testing.T) {
	q := &wordQuery{}
	q.add(" at http")
	text, err := json.Marshal(q.clauses("message"))
	if err != nil || !strings.HasPrefix(string(text), `[{"bool":{"filter":[`) || !strings.Contains(string(text), `"at"`) || !strings.Contains(string(text), `"(http).*"`) {
		t.Errorf("got %s, %v", text, err)
	}
	q.add("http")
	if text, err = json.Marshal(q.clauses("message")); err != nil || strings.Contains(string(text), `"at"`) {
		t.Errorf("got %s, %v", text, err)
	}
}

// TestUnaskedIsTold says which signs of failure no query of words can ask for, where raw lines have nothing else.
func TestUnaskedIsTold(t *testing.T) {
	set := format.Builtin()
	for _, raw := range []bool{true, false} {
		s := &Source{config: ingest.Config{Formats: set}, fields: testFields(t, nil), listed: true, skipped: map[string]*timeline.Skipped{},
			streams: map[string]*stream{"a": {format: set.Lookup("dotnet_console"), raw: raw, looked: true}}}
		s.queries(ingest.Select(timeline.Filter{Any: []timeline.Want{{Failed: &timeline.Failed{}}}}))
		told := s.Info().Skipped
		if !raw && len(told) > 0 || raw && (len(told) != 1 || told[0].Lost || !strings.Contains(told[0].What, `"<3>"`) || told[0].Count != strings.Count(told[0].What, `"`)/2) {
			t.Errorf("raw %v: told is %+v", raw, told)
		}
	}
}

func TestTokensOfIDs(t *testing.T) {
	for _, c := range []struct {
		id   string
		want string
		ok   bool
	}{
		{"5f0c9ad1e2b34c718d90aa11bb22cc33", "5f0c9ad1e2b34c718d90aa11bb22cc33", true},
		{"4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "929d0e0e4736", true},
		{"Root=1-5759e988-bd862e3fe1be46a994272793", "bd862e3fe1be46a994272793", true},
		{"7F000001:9C4E_7F000001", "", false},
		{"a-b", "", false},
	} {
		got, ok := tokensOf(c.id)
		if ok != c.ok || ok && !slices.Contains(got, c.want) {
			t.Errorf("%s: got %v %v, want %s %v", c.id, got, ok, c.want, c.ok)
		}
	}
}

func TestReasons(t *testing.T) {
	for answer, want := range map[string]string{
		`{"error":{"root_cause":[{"type":"a","reason":"inner"}],"type":"b","reason":"all shards failed","failed_shards":[{"reason":{"type":"c","reason":"why"}}]},"status":400}`: "c: why",
		`{"error":"Incorrect HTTP method for uri [/]","status":405}`: "Incorrect HTTP method for uri [/]",
		"<html>\n <b>502</b>": "<html> <b>502</b>",
		"":                    "",
	} {
		if got := reason([]byte(answer)); got != want {
			t.Errorf("%s: got %q, want %q", answer, got, want)
		}
	}
}

// TestFollowingPages: the larger the documents are, the fewer come at once.
func TestFollowingPages(t *testing.T) {
	for size, want := range map[int]int{100: maxFirst, 3 << 10: 5461, 1 << 20: followingLeast} {
		hits := make([]hit, 20)
		for i := range hits {
			hits[i].Source = make([]byte, size)
		}
		if got := followingPage(hits); got != want {
			t.Errorf("documents of %d bytes: %d come on a page, want %d", size, got, want)
		}
	}
}
