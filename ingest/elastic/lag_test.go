package elastic

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

// lagSource has two streams of one host, of which the second writes no zone.
func lagSource(t *testing.T) *Source {
	t.Helper()
	is := func(path string) query { return query{"term": query{"log.file.path": path}} }
	return &Source{
		config: ingest.Config{Formats: format.Builtin()}, fields: testFields(t, nil), listed: true,
		lags: map[string]*clockLag{}, skipped: map[string]*timeline.Skipped{},
		streams: map[string]*stream{
			"a": {path: "edge-1/access.log", host: "edge-1", looked: true, query: is("access.log"), zones: []timeline.ZoneSource{timeline.ZoneWritten}},
			"b": {path: "edge-1/error.log", host: "edge-1", looked: true, query: is("error.log"), zones: []timeline.ZoneSource{timeline.ZoneUnknown}},
		},
	}
}

func (s *Source) saw(key string, zone timeline.ZoneSource, at time.Time, lag time.Duration) {
	e := &timeline.Event{Host: "edge-1", Time: at, Stamp: timeline.Stamp{Zone: zone}}
	s.observe(e, &document{time: at.Add(lag), stream: s.streams[key]})
}

// TestLagNear: what was seen near a window, or on both sides of it, says how far its documents may be behind; else it is all that was seen of the
// clock, and much more.
func TestLagNear(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		seen   map[time.Duration]time.Duration // when -> lag
		width  time.Duration
		lo, hi time.Duration
	}{
		{"near it", map[time.Duration]time.Duration{-20 * time.Second: time.Second, 15 * time.Second: 3 * time.Second, time.Hour: time.Minute}, time.Second, -9 * time.Second, 13 * time.Second},
		{"on both sides", map[time.Duration]time.Duration{-5 * time.Minute: time.Second, 4 * time.Minute: 2 * time.Second}, time.Second, -9 * time.Second, 12 * time.Second},
		{"on one side", map[time.Duration]time.Duration{-5 * time.Minute: time.Second}, time.Second, time.Second - lagSlack, time.Second + lagSlack},
		{"far off", map[time.Duration]time.Duration{-time.Hour: time.Second, time.Hour: 2 * time.Second}, time.Second, time.Second - lagSlack, 2*time.Second + lagSlack},
		{"in a long one", map[time.Duration]time.Duration{0: time.Second}, time.Hour, time.Second - lagSlack, time.Second + lagSlack},
	} {
		s := lagSource(t)
		for when, lag := range c.seen {
			s.saw("a", timeline.ZoneWritten, at.Add(when), lag)
		}
		w := timeline.Window{Host: "edge-1", From: at, To: at.Add(c.width)}
		got := s.written([]*clockLag{s.clock("edge-1")}, []timeline.Window{w}, lagSlack)
		want := timeline.Window{Host: "edge-1", From: w.From.Add(c.lo), To: w.To.Add(c.hi)}
		if len(got) != 2 || got[0] != want && got[1] != want || got[0] != w && got[1] != w {
			t.Errorf("%s: got %v, want %v, and the window itself for what has no stamp", c.name, got, want)
		}
	}
	// What always comes alike is not looked for further off.
	s := lagSource(t)
	for i := range lagKnown {
		s.saw("a", timeline.ZoneWritten, at.Add(time.Duration(i)*time.Second), 500*time.Millisecond)
	}
	if r, ok := s.clock("edge-1").near(timeline.Window{From: at, To: at}); !ok || r.lo != 500*time.Millisecond-lagLeast || r.hi != 500*time.Millisecond+lagLeast {
		t.Errorf("got %v to %v, %v", r.lo, r.hi, ok)
	}
}

// TestWindowsByClock asks each stream of a host for the times of its own clock, and what else the host may have for those of all.
func TestWindowsByClock(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := lagSource(t)
	s.saw("a", timeline.ZoneWritten, at, 0)
	s.saw("b", timeline.ZoneUnknown, at, -2*time.Hour)
	got, err := json.Marshal(s.windowQueries(ingest.Select(timeline.Filter{Any: []timeline.Want{{Near: &timeline.Window{Host: "edge-1", From: at, To: at.Add(time.Second)}}}})))
	if err != nil {
		t.Fatal(err)
	}
	_, access, _ := strings.Cut(string(got), `"filter":[`)
	access, errors, _ := strings.Cut(access, `"filter":[`)
	errors, rest, _ := strings.Cut(errors, `"filter":[`)
	hours := func(text string) (out []string) {
		for h, name := range map[int64]string{-2: "behind", 0: "now"} {
			from := at.Add(time.Duration(h)*time.Hour - lagMost).UnixMilli()
			if b, _ := json.Marshal(from); strings.Contains(text, string(b)) {
				out = append(out, name)
			}
		}
		return out
	}
	if h := hours(access); !strings.Contains(access, "access.log") || len(h) != 1 || h[0] != "now" {
		t.Errorf("the access log is asked for %v: %s", h, access)
	}
	if h := hours(errors); !strings.Contains(errors, "error.log") || len(h) != 1 || h[0] != "behind" {
		t.Errorf("the error log is asked for %v: %s", h, errors)
	}
	if h := hours(rest); len(h) != 2 || !strings.Contains(rest, `"must_not"`) {
		t.Errorf("the rest is asked for %v: %s", h, rest)
	}
}

// TestWordsOfTheirStreams asks streams for the words of their own format, and for those of application loggers where nothing is known of one.
func TestWordsOfTheirStreams(t *testing.T) {
	s := lagSource(t)
	set := s.config.Formats
	for key, name := range map[string]string{"a": "haproxy_http", "b": "nginx_error"} {
		st := s.streams[key]
		st.format, st.raw = set.Lookup(name), true
		st.life, st.lifeKnown = set.LifecycleLiterals(st.format)
	}
	told := func() (clauses []string) {
		for _, c := range s.wordClauses(true, true) {
			b, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			clauses = append(clauses, string(b))
		}
		return clauses
	}
	all := told()
	for _, c := range all {
		if strings.Contains(c, "traceback") || strings.Contains(c, "must_not") || !strings.Contains(c, ".log") {
			t.Errorf("both formats are known, and a clause is %s", c)
		}
		if strings.Contains(c, `"crit"`) && strings.Contains(c, "access.log") {
			t.Errorf("a word of the error log is asked of the access log: %s", c)
		}
	}
	s.streams["b"].lifeKnown = false
	all = told()
	if last := all[len(all)-1]; !strings.Contains(last, `"must_not":[{"term":{"log.file.path":"access.log"}}]`) || !strings.Contains(last, `"503"`) || !strings.Contains(last, "most recent call last") {
		t.Errorf("of the error log nothing is known, and the last clause is %s", last)
	}
	s.streams["a"].query = nil
	for _, c := range told() {
		if strings.Contains(c, ".log") {
			t.Errorf("a stream cannot be told from others, and a clause is %s", c)
		}
	}
}
