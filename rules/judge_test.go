package rules

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/correlatehq/correlate/timeline"
)

func parse(t testing.TB, hops string) (*timeline.Request, *timeline.Surroundings) {
	t.Helper()
	r, near, err := parseHops(hops)
	if err != nil {
		t.Fatalf("line %d: %s", err.line, err.what)
	}
	return r, near
}

func judge(t testing.TB, hops string) *Verdict {
	t.Helper()
	r, near := parse(t, hops)
	v, err := Builtin().Judge(context.Background(), r, near)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// rivalWords gives "service cause: fact [event]" for each rival.
func rivalWords(v *Verdict) []string {
	var out []string
	for _, r := range v.Rivals {
		s := fmt.Sprintf("%s %s: %s", r.Hop.Service, r.CauseClass, r.ExcludedBy)
		if r.Event != nil {
			s += fmt.Sprintf(" [%s]", r.Event.Pos)
		}
		out = append(out, s)
	}
	return out
}

func TestRivals(t *testing.T) {
	for _, c := range []struct {
		name, hops string
		origin     string
		want       []string
	}{
		{"handled, passed on, translated", `
edge gateway 0ms +60ms 500
  lb-1 proxy 1ms +58ms 502
    orders app 2ms +55ms 502 system=go
      recs app 3ms +5ms 500 system=python
        - error 7ms exception="KeyError: '12'" "unhandled error"
      - warn 10ms "recs unavailable, going on without"
      inventory app 15ms +? - ended=reset error="EOF"
`, "orders", []string{
			"edge other: it turned the 502 that it received from lb-1 into 500 [edge.log:1]",
			"lb-1 other: it passed on the 502 that it received from orders [lb-1.log:2]",
			"recs unhandled_exception: its failure was handled by orders [orders.log:7]",
			"inventory other: its answer was not delivered: orders received none from it [orders.log:8]",
		}},
		{"below a handled one", `
orders app 0ms +60ms 500
  recs app 3ms +8ms 500
    models app 4ms +5ms 500
      - error 7ms exception="KeyError: '12'" "unhandled error"
  inventory app 15ms +3ms 200
  - error 50ms exception="ValueError: bad price" "price"
`, "orders", []string{
			"recs other: its failure was handled by orders [orders.log:3]",
			"models unhandled_exception: it is below recs, whose failure was handled by orders [orders.log:3]",
		}},
		{"too late and begun too late", `
lb-1 proxy 0ms +1000ms 504
  orders app 3ms +1500ms 500 ended=gave_up received=504 own_made
    inventory app 1200ms +100ms 500
      - error 1290ms exception="ValueError: x" "late"
`, "lb-1", []string{
			"orders other: it ended after lb-1 had given up [lb-1.log:1]",
			"inventory unhandled_exception: its work began after lb-1 had given up [lb-1.log:1]",
		}},
		{"an earlier attempt", `
orders app 0ms +60ms 500
  inventory app 3ms +5ms 503 target=/stock/7
  inventory app 20ms +5ms 401 target=/stock/7
`, "orders", []string{
			"inventory overload: its failure was handled by orders [orders.log:3]",
		}},
		{"an error in spite of which it answered", `
edge gateway 0ms +60ms 500 system=nginx
  orders app 3ms +5ms 200
    - error 4ms exception="ValueError: x" "mail not sent"
  - info 50ms "client sent too long URI"
`, "edge", []string{
			"orders other: edge received 200 from it [edge.log:1]",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := judge(t, c.hops)
			if v.Origin == nil || v.Origin.Service != c.origin {
				t.Fatalf("origin %v, want %s", v.Origin, c.origin)
			}
			if diff := cmp.Diff(c.want, rivalWords(v)); diff != "" {
				t.Errorf("rivals (-want +got):\n%s", diff)
			}
		})
	}
}

// Two hops state an error of their own, the upper one has no record of its call, and
// the clocks do not show which failed first.
func TestTieBetweenHops(t *testing.T) {
	v := judge(t, `
edge gateway 0ms +60ms 500
  orders app 2ms +50ms 500 slack=40ms
    - error 50ms "total of order 17 is negative"
    inventory app 10ms +30ms 500 unlogged slack=40ms
      - error 30ms "shelf 4 does not exist"
`)
	if v.Origin != nil || v.Certainty != Undetermined || v.Confidence != 0 || v.CauseClass != "" {
		t.Errorf("origin %v, %s, %v, %q; want undetermined", v.Origin, v.Certainty, v.Confidence, v.CauseClass)
	}
	want := []string{
		"inventory unhandled_exception: not excluded: it failed, and orders may have failed before it knew",
		"orders unhandled_exception: not excluded: its own records tell of an error, and it has no record of its call to inventory",
	}
	if diff := cmp.Diff(want, rivalWords(v)); diff != "" {
		t.Errorf("rivals (-want +got):\n%s", diff)
	}
	if len(v.Missing) == 0 || len(v.NextChecks) == 0 || len(v.Evidence) < 2 {
		t.Errorf("missing %v, next %v, %d events: an undetermined verdict must tell what would decide it", v.Missing, v.NextChecks, len(v.Evidence))
	}
	// With good clocks the same is decided.
	v = judge(t, `
edge gateway 0ms +60ms 500
  orders app 2ms +50ms 500
    - error 50ms "inventory failed: 500"
    inventory app 10ms +30ms 500 unlogged
      - error 30ms "shelf 4 does not exist"
`)
	if v.Origin == nil || v.Origin.Service != "inventory" {
		t.Errorf("origin %v, want inventory", v.Origin)
	}
}

// Two causes of one rank at one hop lower the certainty.
func TestTieBetweenCauses(t *testing.T) {
	one := judge(t, `
orders app 0ms +30ms 500 system=go
  inventory app 2ms +? - silent ended=refused error="dial tcp: lookup inventory.internal on 10.0.0.2:53: no such host"
`)
	two := judge(t, `
orders app 0ms +30ms 500 system=go
  inventory app 2ms +? - silent ended=refused error="dial tcp: lookup inventory.internal on 10.0.0.2:53: no such host"
  - error 20ms "x509: certificate has expired or is not yet valid"
`)
	if one.CauseClass != "dns" || one.Certainty != Proven {
		t.Errorf("one cause: %s, %s", one.CauseClass, one.Certainty)
	}
	if two.Origin != one.Origin && two.Origin.Service != "orders" || two.Certainty == Proven || two.Confidence >= one.Confidence {
		t.Errorf("two causes: %s, %s, %v; one: %v", two.CauseClass, two.Certainty, two.Confidence, one.Confidence)
	}
}

func TestNotFailed(t *testing.T) {
	v := judge(t, `
edge gateway 0ms +60ms 200
  orders app 2ms +50ms 200
    recs app 10ms +30ms 500
      - error 30ms exception="KeyError: '7'" "unhandled"
    - warn 41ms "recs unavailable, going on"
`)
	if v.Origin != nil || v.Certainty != Proven || v.Confidence != 1 || v.Effect != "completed" {
		t.Errorf("%v, %s, %v, %s", v.Origin, v.Certainty, v.Confidence, v.Effect)
	}
	if diff := cmp.Diff([]string{"recs other: its failure was handled by orders [orders.log:6]"}, rivalWords(v)); diff != "" {
		t.Errorf("rivals (-want +got):\n%s", diff)
	}
	if want := "The request did not fail: edge answered 200. recs answered 500: its failure was handled by orders."; v.Summary != want {
		t.Errorf("summary %q, want %q", v.Summary, want)
	}
}

func TestNoHops(t *testing.T) {
	for _, failed := range []bool{true, false} {
		v, err := Builtin().Judge(t.Context(), &timeline.Request{Failed: failed}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if v.Origin != nil || v.Certainty != Undetermined || v.Summary == "" {
			t.Errorf("failed %v: %v, %s, %q", failed, v.Origin, v.Certainty, v.Summary)
		}
	}
}

// The outermost logged hop usually has a caller: the client's status is not known.
func TestCallerUsual(t *testing.T) {
	v := judge(t, `
request GET /api caller_usual
orders app 0ms +30ms 500
  - error 20ms exception="KeyError: 'x'" "unhandled"
`)
	if v.Origin == nil || v.Certainty != Possible || v.Confidence > 0.5 {
		t.Errorf("%v, %s, %v: no more than possible", v.Origin, v.Certainty, v.Confidence)
	}
	if len(v.Missing) == 0 || !strings.Contains(v.Missing[0].WhyItMatters, "usually has a caller") {
		t.Errorf("missing %v", v.Missing)
	}
}

func TestSummary(t *testing.T) {
	for _, c := range []struct{ name, hops, want string }{
		{"panic, proxy, error page", `
edge gateway 0ms +41ms 500
  lb-1 proxy 1ms +38ms 502 system=haproxy haproxy.termination_state=SH--
    orders@app-2 app 2ms +? - system=go ended=reset received=502 own_made
      recs app 3ms +5ms 500
      inventory app 9ms +3ms 200
      - error 38ms exception="runtime error: invalid memory address or nil pointer dereference" escaped file=/srv/orders/price.go:25 "http: panic serving"
`, "orders broke off by an error that nothing caught, runtime error: invalid memory address or nil pointer dereference (price.go:25). lb-1 lost the connection to orders and answered 502, and edge turned the 502 into 500."},
		{"too late", `
gateway gateway 0ms +1000ms 504
  orders app 5ms +4000ms 200 ended=gave_up received=504 own_made
`, "gateway gave up waiting for orders after 995 ms and answered 504. orders answered 200 all the same, 3 s too late."},
		{"an error that speaks of statuses and ends in a comma", `
orders app 0ms +30ms 500
  - error 20ms "sum of 500 with 500, {host},"
`, `orders logged an error of its own, "sum of 500 with 500, {host}," and answered 500.`},
		{"hostile text is one line", `
orders app 0ms +30ms 500
  - error 20ms exception="E: a\nb\nc" "x"
`, "orders failed by its own error E: a b c and answered 500."},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := judge(t, c.hops).Summary; got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestEffect(t *testing.T) {
	for _, c := range []struct{ hops, want string }{
		{"a app 0ms +30ms 500\n  b app 2ms +? - silent ended=refused", "not_started"},
		{"a app 0ms +30ms 500\n  call b ended=not_sent", "not_started"},
		{"a app 0ms +30ms 500\n  c app 1ms +1ms 201 method=POST target=/c\n  b app 2ms +? - silent ended=refused", "unknown"},
		{"a gateway 0ms +30ms 504\n  b app 2ms +90ms 201 ended=gave_up received=504 own_made", "completed"},
		{"a gateway 0ms +30ms 504\n  b app 2ms +28ms 499 ended=gave_up received=504 own_made", "unknown"},
		{"a gateway 0ms +30ms 502\n  b app 2ms +? - ended=reset received=502 own_made", "unknown"},
		{"a app 0ms +30ms 500\n  b app 2ms +3ms 401", "not_started"},
		{"a app 0ms +30ms 500", "unknown"},
	} {
		if got := judge(t, c.hops).Effect; got != c.want {
			t.Errorf("%s: effect %q, want %q", c.hops, got, c.want)
		}
	}
}

func TestExceptionAndEvidence(t *testing.T) {
	v := judge(t, `
edge gateway 0ms +30ms 500
  orders app 2ms +25ms 500
    - error 20ms exception="KeyError: 'a'" file=stock.py:41 function=pick "unhandled"
`)
	want := &timeline.Exception{Type: "KeyError", Message: "'a'", File: "stock.py", Function: "pick", Line: 41}
	if diff := cmp.Diff(want, v.Exception); diff != "" {
		t.Errorf("exception (-want +got):\n%s", diff)
	}
	var got []string
	for _, e := range v.Evidence {
		got = append(got, e.Pos.String())
	}
	if diff := cmp.Diff([]string{"orders.log:3", "orders.log:2", "edge.log:1"}, got); diff != "" {
		t.Errorf("evidence (-want +got):\n%s", diff)
	}
}

// The same request gives the same verdict, every time.
func TestDeterministic(t *testing.T) {
	first := judge(t, benchHops)
	for range 20 {
		v := judge(t, benchHops)
		if v.Summary != first.Summary || v.Confidence != first.Confidence || !cmp.Equal(rivalWords(v), rivalWords(first)) {
			t.Fatalf("%q %v, then %q %v", first.Summary, first.Confidence, v.Summary, v.Confidence)
		}
	}
}

// A hop with as many events as a request may hold, all of them long, is judged within the limit of cost.
func TestManyEvents(t *testing.T) {
	var b strings.Builder
	b.WriteString("orders app 0ms +30ms 500 system=go\n")
	line := "  - error \"" + strings.Repeat("retry of shelf ", 40) + "\"\n"
	for range 2000 {
		b.WriteString(line)
	}
	if v := judge(t, b.String()); v.Origin == nil || v.Rule != "own_error_logged" {
		t.Errorf("%v by %q", v.Origin, v.Rule)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var b strings.Builder
	b.WriteString("orders app 0ms +30ms 500\n")
	for range 500 {
		b.WriteString("  - info \"nothing\"\n")
	}
	r, near := parse(t, b.String())
	if _, err := Builtin().Judge(ctx, r, near); err == nil {
		t.Error("a cancelled context gave a verdict")
	}
}

func TestAssess(t *testing.T) {
	doubts := func(kinds ...timeline.DoubtKind) (out []timeline.Doubt) {
		for _, k := range kinds {
			out = append(out, timeline.Doubt{Kind: k, Words: string(k)})
		}
		return out
	}
	for _, c := range []struct {
		name      string
		g         grounds
		certainty Certainty
		weight    float64
		right     float64
	}{
		{"stated", grounds{kinds: []string{"stated"}}, Proven, 0.95, 0.98},
		{"stated, and the caller agrees: 1-0.05*0.7", grounds{kinds: []string{"stated"}, agreed: true}, Proven, 0.97, 0.98},
		{"three kinds: 1-0.05*0.7*0.7", grounds{kinds: []string{"stated", "both_ends", "timing"}}, Proven, 0.98, 0.98},
		{"agreement counts once", grounds{kinds: []string{"stated", "both_ends"}, agreed: true}, Proven, 0.97, 0.98},
		{"both ends", grounds{kinds: []string{"both_ends"}}, Likely, 0.88, 0.87},
		{"one end", grounds{kinds: []string{"one_end"}}, Likely, 0.8, 0.87},
		{"timing", grounds{kinds: []string{"timing"}}, Likely, 0.7, 0.87},
		{"population", grounds{kinds: []string{"population"}}, Likely, 0.6, 0.87},
		{"fallback", grounds{kinds: []string{"absence"}, fallback: true, agreed: true}, Possible, 0.5, 0.44},
		{"an order is open: 0.95*0.9", grounds{kinds: []string{"stated"}, doubts: doubts(timeline.DoubtUntimed)}, Likely, 0.86, 0.87},
		{"a record denies another one, which leaves it open: 0.95*0.5*0.9", grounds{kinds: []string{"stated"}, doubts: doubts(timeline.DoubtContradicted, timeline.DoubtUntold)}, Possible, 0.43, 0.44},
		{"it says that it is not the one: 0.8*0.3", grounds{kinds: []string{"one_end"}, doubts: doubts(timeline.DoubtFromBelow)}, Possible, 0.24, 0.03},
		{"nothing is said, and its log is missing: 0.35*0.9", grounds{kinds: []string{"absence"}, doubts: doubts(timeline.DoubtUnread)}, Possible, 0.32, 0.44},
		{"who was asked may be the one: 0.95*0.5", grounds{kinds: []string{"stated"}, doubts: doubts(timeline.DoubtUnreadParty)}, Possible, 0.48, 0.44},
		{"tied: 0.95*0.5", grounds{kinds: []string{"stated"}, tied: true}, Possible, 0.48, 0.44},
		{"ambiguous", grounds{kinds: []string{"stated"}, ambiguous: true}, Likely, 0.75, 0.87},
		{"one end of a broken call", grounds{kinds: []string{"stated"}, agreed: true, oneSided: true}, Likely, 0.85, 0.87},
		{"inferred, the only candidate", grounds{kinds: []string{"stated"}, inferred: true, candidates: 1}, Likely, 0.9, 0.98},
		{"inferred, one of two", grounds{kinds: []string{"stated"}, inferred: true, candidates: 2}, Likely, 0.6, 0.87},
		{"a death that may be of four: 1-1/4", grounds{kinds: []string{"stated", "timing"}, deathOf: 4}, Likely, 0.72, 0.87},
		{"a death that may be of two", grounds{kinds: []string{"stated"}, deathOf: 2}, Possible, 0.48, 0.44},
		{"part of the request was not read", grounds{kinds: []string{"stated", "both_ends"}, partial: true}, Possible, 0.5, 0.44},
		{"the client's status is not known", grounds{kinds: []string{"stated"}, doubts: doubts(timeline.DoubtCallerUsual)}, Possible, 0.5, 0.44},
		{"nothing", grounds{}, Possible, 0, 0.03},
	} {
		if a := assess(c.g); a.certainty != c.certainty || a.weight != c.weight || a.confidence != c.right {
			t.Errorf("%s: %s, %v, %v; want %s, %v, %v", c.name, a.certainty, a.weight, a.confidence, c.certainty, c.weight, c.right)
		}
	}
}

func TestProcessState(t *testing.T) {
	for _, c := range []struct{ name, process, want string }{
		{"alive", "process b start -60s ready -59s", ""},
		{"stopping", "process b start -60s ready -59s stopping at 20ms end 50ms stopped", "restarting"},
		{"stopped after the call", "process b start -60s ready -59s stopping at 200ms end 220ms stopped", ""},
		{"between two lives", "process b stopping at -2s end -1s stopped\nprocess b start 1s ready 2s", "restarting"},
		{"ready again", "process b stopping at -9s end -8s stopped\nprocess b start -7s ready -6s", ""},
		{"starting", "process b start -100ms ready 500ms", "restarting"},
		{"crashed", "process b start -60s end 30ms crashed", "crashed"},
		{"starting after a crash", "process b start -60s end -2s crashed\nprocess b start -1s ready 1s", "crashed"},
		{"killed", "process b start -60s end 30ms killed", "killed"},
		{"killed because it did not stop", "process b start -60s stopping -5s end 30ms killed", "restarting"},
		{"out of memory", "process b start -60s end 30ms oom_killed", "oom_killed"},
		{"another service", "process c stopping at -2s end -1s stopped", ""},
		{"another host", "process b@other stopping at -2s end -1s stopped", ""},
		{"long ago", "process b stopping at -3h end -3h stopped", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, near := parse(t, c.process+"\na app 0ms +100ms 500\n  b@here app 2ms +? - silent ended=refused")
			got, _ := new(nearView(near)).state(r.Calls[0])
			if got != c.want {
				t.Errorf("state %q, want %q", got, c.want)
			}
		})
	}
}

// A signal counts only on its own field of its own system.
func TestSignalScope(t *testing.T) {
	table := Builtin().signals
	for _, c := range []struct {
		name string
		e    timeline.Event
		want string
	}{
		{"its own", timeline.Event{System: "nginx", Body: "no live upstreams while connecting to upstream"}, "nginx.no-live-upstreams"},
		{"another system quotes it", timeline.Event{System: "go", Body: "edge said: no live upstreams while connecting to upstream"}, ""},
		{"system not known", timeline.Event{Body: "no live upstreams while connecting to upstream"}, ""},
		{"another field", timeline.Event{System: "haproxy", Body: "SC--"}, ""},
		{"its field", timeline.Event{System: "haproxy", Attrs: timeline.Attrs{{Name: "haproxy.termination_state", Value: "sH--"}}}, "haproxy.state.server-timeout"},
		{"the exception", timeline.Event{System: "python", Exception: &timeline.Exception{Type: "psycopg2.errors.QueryCanceled", Message: "x"}}, "postgres.cancelled.class"},
		{"the error of a call", timeline.Event{System: "go", Calls: []timeline.Outcall{{Error: "context deadline exceeded"}}}, "go.timeout.deadline"},
		{"an error field", timeline.Event{System: "go", Attrs: timeline.Attrs{{Name: "error.message", Value: "dial tcp: lookup x: no such host"}}}, "go.dns"},
	} {
		got := ""
		if found := table.find(&c.e); len(found) > 0 {
			got = found[0].ID
		}
		if got != c.want {
			t.Errorf("%s: signal %q, want %q", c.name, got, c.want)
		}
	}
}

// The literals that spare running an expression must not hide a match.
func TestRequiredLiterals(t *testing.T) {
	for _, c := range []struct {
		pattern string
		want    []string
		folded  bool
	}{
		{"abc.*defgh", []string{"defgh"}, false},
		{"abc|de", []string{"abc", "de"}, false},
		{"abc|x*", nil, false},
		{"(?i)abc", []string{"abc"}, true},
		{"(?i)ABC+ [0-9]", []string{"ab"}, true},
		{"(?i:x)y longer", []string{"y longer"}, false},
		{"^(?:foo|bar) baz", []string{" baz"}, false},
		{"a?", nil, false},
		{"(abc)+", []string{"abc"}, false},
		{`\d+`, nil, false},
	} {
		got, folded := requiredLiterals(c.pattern)
		if diff := cmp.Diff(c.want, got); diff != "" || folded != c.folded {
			t.Errorf("%s: folded %v (-want +got):\n%s", c.pattern, folded, diff)
		}
	}
	for pattern, want := range map[string][][]string{
		"abc.*defgh":             {{"abc"}, {"defgh"}},
		"(?:ab|cd).*x?(e+fg)":    {{"ab", "cd"}, {"fg"}},
		"(?i:abc) de":            {{" de"}},
		"(?i)abc de":             nil,
		"abc|de":                 nil,
		`(?:HTTPError)\b.*\b401`: {{"HTTPError"}, {"401"}},
	} {
		if diff := cmp.Diff(want, furtherLiterals(pattern)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", pattern, diff)
		}
	}
}

func TestDurationWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		400 * time.Microsecond: "0.4 ms", 41 * time.Millisecond: "41 ms", time.Second: "1 s", 1400 * time.Millisecond: "1.4 s",
		60 * time.Second: "1 min", 125 * time.Second: "2 min 5 s", -1: "an unknown time",
	} {
		if got := durationWords(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

// A rule can tell a call whose two ends deny their order.
func TestContradictedCall(t *testing.T) {
	set, err := Load(fstest.MapFS{"late.yaml": {Data: []byte(`doc: A test.
when: hop.failed && hop.calls.exists(c, c.contradicted)
cause_class: other
rests_on: [timing]
summary: hop.service
falsepositives: [a line written late]
tests:
  - name: the callee was at work after the answer
    hops: |
      a app 0ms +10ms 500
        b app 2ms +20ms 200 contradicted
    want: a
  - name: nothing denies it
    hops: |
      a app 0ms +10ms 500
        b app 2ms +5ms 200
    want: none
`)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range set.Test() {
		t.Error(f)
	}
}

// A server that logs its answers and never whom it asks may have passed on a failure of which nothing tells.
func TestMayHavePassedOn(t *testing.T) {
	const what = "the log of whom edge passes requests on to"
	for hops, doubted := range map[string]bool{
		"edge gateway 0ms +30ms 500":                                   true,
		"edge gateway 0ms +30ms 500 http.response.header.server=Caddy": false,
		"edge app 0ms +30ms 500":                                       false,
		"edge gateway 0ms +30ms 500\n  orders app 1ms +20ms 500":       false,
	} {
		v := judge(t, hops)
		if got := slices.ContainsFunc(v.Missing, func(m Missing) bool { return m.What == what }); got != doubted || doubted && v.Confidence > 0.1 {
			t.Errorf("%s: missing %v, confidence %v", hops, v.Missing, v.Confidence)
		}
	}
}

// The outermost hop's own record says that its failure came from below, and nothing else was read: whose log would tell is said.
func TestFromBelow(t *testing.T) {
	passedOn := judge(t, `
edge gateway 0ms +30ms 502 system=caddy http.response.header.server=Caddy,Varnish
`)
	own := judge(t, `
edge gateway 0ms +30ms 502 system=caddy http.response.header.server=Caddy
`)
	const what = "the log of whom edge asked"
	if len(passedOn.Missing) != 1 || passedOn.Missing[0].What != what || passedOn.Confidence >= own.Confidence {
		t.Errorf("missing %v, confidence %v of one that it passed on and %v of its own", passedOn.Missing, passedOn.Confidence, own.Confidence)
	}
	if slices.ContainsFunc(own.Missing, func(m Missing) bool { return m.What == what }) {
		t.Errorf("of its own: missing %v", own.Missing)
	}
}

// Who lacked a resource of its own stands behind the requests at which it was at work; who died by another cause does not.
func TestBehindWhatHeldThePool(t *testing.T) {
	pool := `
inventory app 2ms +30030ms 500 system=python
  - error 30s exception="sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00" "unhandled error"
`
	own := `
inventory app 2ms +30ms 500 system=python
  - error 20ms exception="KeyError: 'sku'" "unhandled error"
`
	for hops, want := range map[string]int{pool: holdersShown, own: 0} {
		r, near := parse(t, hops)
		for i := range holdersShown + 1 {
			near.Holders = append(near.Holders, timeline.Holder{Request: fmt.Sprint("r", i), For: time.Duration(60-i) * time.Second})
		}
		v, err := Builtin().Judge(t.Context(), r, near)
		if err != nil {
			t.Fatal(err)
		}
		if len(v.Behind) != want {
			t.Fatalf("%s: behind %+v, want %d", v.CauseClass, v.Behind, want)
		}
		for i, b := range v.Behind {
			what := fmt.Sprintf("inventory had been at work at another request for %s when it had nothing left for this one", durationWords(near.Holders[i].For))
			if b.Request != fmt.Sprint("r", i) || b.What != what || b.Candidates != len(near.Holders) || b.Hop != v.Origin {
				t.Errorf("behind %+v, want %s of r%d", b, what, i)
			}
		}
	}
}
