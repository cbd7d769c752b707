package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/internal/golden"
	"github.com/correlatehq/correlate/rules"
	"github.com/correlatehq/correlate/timeline"
)

func render(t *testing.T, f func(io.Writer) error) []byte {
	t.Helper()
	var a, b bytes.Buffer
	if err := f(&a); err != nil {
		t.Fatal(err)
	}
	if err := f(&b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same value gave other bytes the second time")
	}
	return a.Bytes()
}

func TestGoldens(t *testing.T) {
	berlin := time.FixedZone("", 3600)
	text := func(c *correlate.Case, o TextOptions) func(io.Writer) error {
		return func(w io.Writer) error { return Text(w, c, o) }
	}
	clocks := &correlate.ClockReport{Hosts: panicCase().Clocks, Trusted: true, Sources: panicCase().Sources, Skipped: panicCase().Skipped}
	stepped := &correlate.ClockReport{Hosts: steppedClocks()}
	for name, f := range map[string]func(io.Writer) error{
		"panic.text":               text(panicCase(), TextOptions{}),
		"panic.color.text":         text(panicCase(), TextOptions{Width: 160, Color: true}),
		"panic.110.text":           text(panicCase(), TextOptions{Width: 110}),
		"panic.80.text":            text(panicCase(), TextOptions{Width: 80}),
		"panic.50.text":            text(panicCase(), TextOptions{Width: 50}),
		"panic.wide.text":          text(panicCase(), TextOptions{Wide: true}),
		"panic.noalign.text":       text(panicCase(), TextOptions{NoAlign: true}),
		"panic.tz.text":            text(panicCase(), TextOptions{Location: berlin}),
		"panic.json":               func(w io.Writer) error { return JSON(w, panicCase(), JSONOptions{}) },
		"panic.jsonl":              func(w io.Writer) error { return JSONL(w, panicCase(), JSONOptions{}) },
		"panic.md":                 func(w io.Writer) error { return Markdown(w, panicCase(), MarkdownOptions{}) },
		"ok.text":                  text(okCase(), TextOptions{}),
		"ok.md":                    func(w io.Writer) error { return Markdown(w, okCase(), MarkdownOptions{Wide: true}) },
		"undetermined.text":        text(undeterminedCase(), TextOptions{}),
		"undetermined.json":        func(w io.Writer) error { return JSON(w, undeterminedCase(), JSONOptions{}) },
		"undetermined.md":          func(w io.Writer) error { return Markdown(w, undeterminedCase(), MarkdownOptions{}) },
		"digest.text":              func(w io.Writer) error { return DigestText(w, digest(), TextOptions{}) },
		"digest.80.text":           func(w io.Writer) error { return DigestText(w, digest(), TextOptions{Width: 80}) },
		"digest.empty.text":        func(w io.Writer) error { return DigestText(w, &correlate.Digest{Sampled: 12}, TextOptions{}) },
		"digest.md":                func(w io.Writer) error { return DigestMarkdown(w, digest(), MarkdownOptions{}) },
		"digest.groups.jsonl":      func(w io.Writer) error { return DigestJSONL(w, digest(), true) },
		"clocks.text":              func(w io.Writer) error { return ClocksText(w, clocks, TextOptions{}) },
		"clocks.steps.text":        func(w io.Writer) error { return ClocksText(w, stepped, TextOptions{}) },
		"clocks.steps.80.text":     func(w io.Writer) error { return ClocksText(w, stepped, TextOptions{Width: 80, Location: berlin}) },
		"clocks.steps.json":        func(w io.Writer) error { return ClocksJSON(w, stepped) },
		"panic.noalign.80.text":    text(panicCase(), TextOptions{NoAlign: true, Width: 80}),
		"panic.noalign.wide.text":  text(panicCase(), TextOptions{NoAlign: true, Wide: true, Location: berlin}),
		"panic.noalign.json":       func(w io.Writer) error { return JSON(w, panicCase(), JSONOptions{NoAlign: true}) },
		"panic.noalign.md":         func(w io.Writer) error { return Markdown(w, panicCase(), MarkdownOptions{Wide: true, NoAlign: true}) },
		"lanes.text":               text(lanesCase(), TextOptions{}),
		"lanes.80.text":            text(lanesCase(), TextOptions{Width: 80}),
		"lanes.wide.text":          text(lanesCase(), TextOptions{Wide: true}),
		"lanes.json":               func(w io.Writer) error { return JSON(w, lanesCase(), JSONOptions{}) },
		"lanes.md":                 func(w io.Writer) error { return Markdown(w, lanesCase(), MarkdownOptions{Wide: true}) },
		"stepped.md":               func(w io.Writer) error { return Markdown(w, steppedCase(), MarkdownOptions{}) },
		"stepped.json":             func(w io.Writer) error { return JSON(w, steppedCase(), JSONOptions{}) },
		"stepped.text":             text(steppedCase(), TextOptions{}),
		"clocks.none.text":         func(w io.Writer) error { return ClocksText(w, &correlate.ClockReport{}, TextOptions{}) },
		"clocks.json":              func(w io.Writer) error { return ClocksJSON(w, clocks) },
		"hostile.text":             text(hostileCase(), TextOptions{}),
		"hostile.md":               func(w io.Writer) error { return Markdown(w, hostileCase(), MarkdownOptions{Wide: true}) },
		"hostile.json":             func(w io.Writer) error { return JSON(w, hostileCase(), JSONOptions{}) },
		"hostile.digest.text":      func(w io.Writer) error { return DigestText(w, hostileDigest(), TextOptions{}) },
		"hostile.digest.md":        func(w io.Writer) error { return DigestMarkdown(w, hostileDigest(), MarkdownOptions{}) },
		"hostile.digest.80.text":   func(w io.Writer) error { return DigestText(w, hostileDigest(), TextOptions{Width: 80}) },
		"hostile.wide.color.text":  text(hostileCase(), TextOptions{Wide: true, Color: true}),
		"hostile.narrow.term.text": text(hostileCase(), TextOptions{Width: 60}),
	} {
		t.Run(name, func(t *testing.T) {
			golden.Compare(t, filepath.Join("testdata", name), render(t, f))
		})
	}
}

const evil = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\u202egnp.exe\u2066\u200b\u009b2J\x7f\xff\xfe | cell ``` ~~~ <script>alert(1)</script> [x](http://e.vil) @team\r\n# heading\n- item"

// hostileCase has text from an attacker wherever a log can put some.
func hostileCase() *correlate.Case {
	c := panicCase()
	c.RequestID = evil
	r := c.Request
	r.Method, r.Path, r.Route = "GET"+evil, "/"+evil, evil
	for _, h := range r.Hops {
		h.Service += evil
		h.Host += evil
	}
	for _, k := range r.Calls {
		k.Error = "call: " + evil
	}
	for i := range r.Events {
		e := *r.Events[i].Event
		e.Body, e.Raw, e.Pos.Path = evil, []byte(evil), "a"+evil+".log"
		r.Events[i].Event = &e
		r.Events[i].Reason = evil
	}
	v := c.Verdict
	v.Summary, v.Component, v.EffectBy = evil, evil, evil
	v.Claims = []rules.Claim{{Words: evil + ".", Evidence: v.Evidence}, {Words: evil}}
	v.Retries = []rules.Retry{{Caller: r.Hops[1], Party: evil, Method: evil, Target: evil, Attempts: 2, Record: v.Evidence[0]}, {Attempts: 2}}
	v.Slowest = &rules.Slowest{Hop: r.Hops[2], Total: time.Second, Own: time.Second}
	v.NextChecks = []string{evil}
	v.Missing = []rules.Missing{{What: evil, WhyItMatters: evil}}
	v.Rivals[0].ExcludedBy = evil
	x := *v.Exception
	x.File, x.Function, x.Message = evil, evil, evil
	v.Exception = &x
	c.Clocks[1].Host, c.Clocks[1].Reason = r.Hops[2].Host, evil
	c.Skipped = []timeline.Skipped{{Source: evil, What: evil, Count: 2, First: evil}}
	c.Other = []string{evil}
	r.Contradictions = []timeline.Contradiction{{What: evil}}
	return c
}

func hostileDigest() *correlate.Digest {
	c := hostileCase()
	return &correlate.Digest{Cases: []*correlate.Case{c}, Skipped: c.Skipped, Sources: []correlate.SourceInfo{{Name: evil, Err: evil}},
		Groups: []*correlate.Group{{Origin: evil, Component: evil, CauseClass: "other", Error: evil, Rule: evil, Route: evil, Cases: []*correlate.Case{c}, Share: 1, First: t0, Last: t0}}}
}

// hostileExplanation has text from an attacker in what rules saw of a request, and in a case that failed.
func hostileExplanation(c *correlate.Case) (*rules.Explanation, *rules.TestRun) {
	conditions := []rules.Condition{
		{Text: evil, Holds: true, Seen: []rules.Seen{{Text: evil, Value: evil}}},
		{How: "any", Text: evil, Parts: []rules.Condition{{Text: evil, Err: evil}}},
	}
	c.Verdict.Steps = []rules.Step{{Factor: "stated", Why: evil, Confidence: 0.95}}
	x := &rules.Explanation{Verdict: c.Verdict, Hops: []rules.HopExplained{{Hop: c.Request.Hops[1], Role: "origin", Rules: []rules.RuleExplained{
		{Name: "panic", CauseClass: "other", Fired: true, Decides: true, Component: evil, Evidence: c.Verdict.Evidence, Conditions: conditions},
		{Name: "other", CauseClass: "other", Passed: evil, Conditions: conditions},
	}}}}
	return x, &rules.TestRun{Undecided: []string{"x"}, NeverTrue: []rules.UntriedCondition{{Rule: "x", Text: evil}}, Cases: []rules.CaseResult{
		{Failure: rules.Failure{Rule: "x", Case: evil, Pos: evil + ":1:2", What: evil}, Verdict: c.Verdict, Request: c.Request, Explanation: x},
		{Failure: rules.Failure{Case: evil, Pos: evil}},
	}}
}

// No output may hold a byte that a terminal acts on, whatever the logs held.
func TestHostileTextIsInert(t *testing.T) {
	c, d := hostileCase(), hostileDigest()
	clocks := &correlate.ClockReport{Hosts: c.Clocks, Skipped: c.Skipped}
	explained, run := hostileExplanation(c)
	for name, f := range map[string]func(io.Writer) error{
		"text":     func(w io.Writer) error { return Text(w, c, TextOptions{}) },
		"wide":     func(w io.Writer) error { return Text(w, c, TextOptions{Wide: true}) },
		"narrow":   func(w io.Writer) error { return Text(w, c, TextOptions{Width: 40}) },
		"markdown": func(w io.Writer) error { return Markdown(w, c, MarkdownOptions{Wide: true}) },
		"json":     func(w io.Writer) error { return JSON(w, c, JSONOptions{}) },
		"jsonl":    func(w io.Writer) error { return JSONL(w, c, JSONOptions{}) },
		"digest":   func(w io.Writer) error { return DigestText(w, d, TextOptions{}) },
		"digestmd": func(w io.Writer) error { return DigestMarkdown(w, d, MarkdownOptions{}) },
		"groups":   func(w io.Writer) error { return DigestJSONL(w, d, true) },
		"clocks":   func(w io.Writer) error { return ClocksText(w, clocks, TextOptions{}) },
		"clocksj":  func(w io.Writer) error { return ClocksJSON(w, clocks) },
		"explain":  func(w io.Writer) error { return ExplainText(w, c, explained, TextOptions{Wide: true}) },
		"explainj": func(w io.Writer) error { return ExplainJSON(w, c, explained, JSONOptions{}) },
		"tests":    func(w io.Writer) error { return TestText(w, run, 3, TextOptions{Width: 60}) },
		"junit":    func(w io.Writer) error { return JUnit(w, run) },
	} {
		t.Run(name, func(t *testing.T) {
			b := render(t, f)
			if !utf8.Valid(b) {
				t.Error("not UTF-8")
			}
			for _, r := range string(b) {
				if r != '\n' && r != '\u2007' && !unicode.IsPrint(r) {
					t.Fatalf("holds %U", r)
				}
			}
			if name == "markdown" || name == "digestmd" {
				checkInertMarkdown(t, string(b))
			}
		})
	}
}

// checkInertMarkdown reads Markdown as far as it takes to see that HTML, headings and
// links of the hostile text stand in code alone.
func checkInertMarkdown(t *testing.T, md string) {
	t.Helper()
	fence := ""
	for _, l := range strings.Split(md, "\n") {
		if fence != "" {
			if l == fence {
				fence = ""
			}
			continue
		}
		if n := longestRun(l, '`'); n >= 3 && strings.HasPrefix(l, strings.Repeat("`", n)) && strings.HasSuffix(l, "text") && strings.Count(l, "`") == n {
			fence = l[:n]
			continue
		}
		if strings.HasPrefix(l, "# heading") || strings.HasPrefix(l, "- item") {
			t.Errorf("a log line became markup: %q", l)
		}
		// Take the code spans out.
		rest := ""
		for i := 0; i < len(l); {
			if l[i] == '\\' && i+1 < len(l) {
				rest += "%"
				i += 2
				continue
			}
			if l[i] != '`' {
				rest += l[i : i+1]
				i++
				continue
			}
			n := 0
			for i+n < len(l) && l[i+n] == '`' {
				n++
			}
			tick := strings.Repeat("`", n)
			end := -1
			for j := i + n; j+n <= len(l); {
				if l[j] != '`' {
					j++
					continue
				}
				m := 0
				for j+m < len(l) && l[j+m] == '`' {
					m++
				}
				if m == n {
					end = j
					break
				}
				j += m
			}
			if end < 0 {
				t.Errorf("a code span does not end: %q after %q", l, tick)
				return
			}
			i = end + n
		}
		for _, bad := range []string{"<script", "](http", "://", "@team"} {
			if strings.Contains(rest, bad) {
				t.Errorf("%q outside of code in %q", bad, l)
			}
		}
	}
	if fence != "" {
		t.Error("a fence is open at the end")
	}
}

func TestTerminalLinesFit(t *testing.T) {
	for _, w := range []int{30, 40, 60, 80, 100, 132, 200} {
		for name, c := range map[string]*correlate.Case{"panic": panicCase(), "ok": okCase(), "undetermined": undeterminedCase(), "hostile": hostileCase(), "lanes": lanesCase()} {
			var b bytes.Buffer
			if err := Text(&b, c, TextOptions{Width: w}); err != nil {
				t.Fatal(err)
			}
			for _, l := range strings.Split(b.String(), "\n") {
				if n := displaywidth.String(l); n > w {
					t.Errorf("%s at %d columns: a line of %d: %s", name, w, n, l)
				}
			}
		}
	}
}

func TestColumnsGoBarsFirst(t *testing.T) {
	has := func(w int) (bars, slack bool) {
		var b bytes.Buffer
		if err := Text(&b, panicCase(), TextOptions{Width: w}); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(b.String(), "├"), strings.Contains(b.String(), "±    hop") || strings.Contains(b.String(), "±  hop")
	}
	seen := ""
	for w := 200; w >= 40; w-- {
		bars, slack := has(w)
		state := fmt.Sprint(bars, slack)
		if !strings.HasSuffix(seen, state+";") {
			seen += state + ";"
		}
	}
	if want := "true true;false true;false false;"; seen != want {
		t.Errorf("from wide to narrow the columns went %s, want %s", seen, want)
	}
}

func TestLongLineIsCutAndCounted(t *testing.T) {
	c := panicCase()
	long := "panic: " + strings.Repeat("é", 500_000) // 7 + 1,000,000 bytes
	e := *c.Request.Events[4].Event
	e.Body, e.Raw, e.Exception = long, []byte(long), nil
	c.Request.Events[4].Event = &e
	get := func(o TextOptions) string {
		var b bytes.Buffer
		if err := Text(&b, c, o); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	// 2,000 bytes hold "panic: " and 996 characters of two bytes, and half of one.
	if s := get(TextOptions{}); len(s) > 10_000 || !strings.Contains(s, "… +998,008 bytes") {
		t.Errorf("%d bytes without a terminal: %.300s", len(s), s[strings.Index(s, "panic: "):])
	}
	if s := get(TextOptions{Width: 100}); len(s) > 6_000 || !strings.Contains(s, " bytes") {
		t.Errorf("%d bytes in a terminal:\n%s", len(s), s)
	}
	if s := get(TextOptions{Wide: true}); !strings.Contains(s, long) {
		t.Error("the wide output does not have the whole line")
	}
	var md bytes.Buffer
	if err := Markdown(&md, c, MarkdownOptions{}); err != nil {
		t.Fatal(err)
	}
	if md.Len() > 10_000 || !strings.Contains(md.String(), "… +998,008 bytes") {
		t.Errorf("%d bytes of Markdown", md.Len())
	}
}

func TestCutLine(t *testing.T) {
	for _, c := range []struct {
		in   string
		room int
		want string
	}{
		{"short", 0, "short"},
		{"short", 20, "short"},
		{"one\ntwo\nthree\n", 0, "one (+2 lines)"},
		{"one\r\ntwo\r\n", 0, "one (+1 line)"},
		{"0123456789012345678901234567890123456789", 25, "01234567890123… +26 bytes"},
		{"日本語日本語日本語日本語日本語日本語", 24, "日本語日本語… +36 bytes"},
		{"\x1b[31mabc", 0, `\x1b[31mabc`},
		{"", 0, ""},
	} {
		got := cutLine(c.in, c.room)
		if got != c.want {
			t.Errorf("cutLine(%q, %d) = %q, want %q", c.in, c.room, got, c.want)
		}
		if c.room > 0 && displaywidth.String(got) > c.room {
			t.Errorf("cutLine(%q, %d) is %d wide", c.in, c.room, displaywidth.String(got))
		}
	}
}

func TestVisible(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain text", "plain text"},
		{"Grüße, 日本 ✓", "Grüße, 日本 ✓"},
		{"a\x1b[2Jb", `a\x1b[2Jb`},
		{"a\nb\r\tc\x00", `a\nb\r\tc\x00`},
		{"\u202e\u2066\u200b\ufeff", `\u202e\u2066\u200b\ufeff`},
		{"\u009b2J\x7f", `\u009b2J\x7f`},
		{"\xff\xc3(", `\xff\xc3(`},
		{"\U000e0041", `\U000e0041`},
		{"\u2028", `\u2028`},
	} {
		if got := Visible(c.in); got != c.want {
			t.Errorf("Visible(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

// The names of the contract, as others read them.
func TestJSONContract(t *testing.T) {
	var b bytes.Buffer
	if err := JSON(&b, panicCase(), JSONOptions{}); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	get := func(path string) any {
		var v any = got
		for _, k := range strings.Split(path, ".") {
			switch x := v.(type) {
			case map[string]any:
				v = x[k]
			case []any:
				var i int
				if _, err := fmt.Sscan(k, &i); err != nil || i >= len(x) {
					return nil
				}
				v = x[i]
			default:
				return nil
			}
		}
		return v
	}
	for path, want := range map[string]any{
		"schema": "correlate/v1", "request_id": "5f0c9ad1e2b34c718d90aa11bb22cc33", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
		"linked_ids.0": "4bf92f3577b34da6a3ce929d0e0e4736", "status": 500.0, "client_status": 500.0, "method": "POST", "path": "/api/orders",
		"route": "/api/orders", "start": "2026-03-01T12:00:07.412Z", "duration_ms": 41.0, "partial": false,
		"verdict.origin_hop.id": 3.0, "verdict.origin_hop.service": "orders", "verdict.origin_hop.host": "app-2", "verdict.origin_hop.role": "app",
		"verdict.component": nil, "verdict.cause_class": "unhandled_exception", "verdict.confidence": 0.98, "verdict.certainty": "proven",
		"verdict.rule": "panic", "verdict.effect": "unknown", "verdict.evidence.0.event": 5.0,
		"error_location.type": "runtime error", "error_location.file": "price.go", "error_location.function": "(*Pricer).Total", "error_location.line": 88.0,
		"hops.1.id": 2.0, "hops.1.parent": 1.0, "hops.1.attempt": 1.0, "hops.1.depth": 1.0, "hops.1.start": "2026-03-01T12:00:07.4129Z", "hops.1.slack_ms": 0.3,
		"hops.0.received": 502.0, "hops.0.sent": 500.0, "hops.0.lineage": "translated", "hops.0.parent": nil, "hops.2.sent": nil,
		"hops.4.handled_by_caller": true, "hops.0.sources.0": "logs",
		"events.4.id": 5.0, "events.4.hop": 3.0, "events.4.time": "2026-03-01T12:00:04.246Z", "events.4.aligned": "2026-03-01T12:00:07.45Z",
		"events.4.position": "app-2/orders.log:10412", "events.4.join": "inferred", "events.4.candidates": 1.0, "events.0.join": "key",
		"clocks.1.host": "app-2", "clocks.1.offset_ms": -3204.1, "clocks.1.zone": "+01:00", "clocks.1.tied": true, "clocks.5.offset_ms": nil, "clocks.5.tied": false,
		"rivals.0.service": "recs", "rivals.0.event": 4.0, "missing.0.why_it_matters": "nothing points to it",
		"next_checks.0": "price.go:88 with the input of this request", "skipped.0.count": 3.0, "skipped.0.first": "edge/access.log:88",
	} {
		if v := get(path); v != want {
			t.Errorf("%s is %v (%T), want %v", path, v, v, want)
		}
	}
}

func TestJSONOfUnknownThings(t *testing.T) {
	c := &correlate.Case{RequestID: "x", Request: &timeline.Request{Length: -1}}
	var b bytes.Buffer
	if err := JSONL(&b, c, JSONOptions{}); err != nil {
		t.Fatal(err)
	}
	want := `{"schema":"correlate/v1","request_id":"x","linked_ids":[],"links":[],"partial":false,"hops":[],"events":[],"clocks":[],"contradictions":[],"rivals":[],"behind":[],"missing":[],"next_checks":[],"skipped":[],"other_requests":[]}` + "\n"
	if b.String() != want {
		t.Errorf("got  %swant %s", &b, want)
	}
	for _, o := range []TextOptions{{}, {Width: 40, Wide: true, NoAlign: true}} {
		if err := Text(io.Discard, c, o); err != nil {
			t.Error(err)
		}
		if err := Text(io.Discard, &correlate.Case{}, o); err != nil {
			t.Error(err)
		}
	}
	if err := Markdown(io.Discard, &correlate.Case{}, MarkdownOptions{}); err != nil {
		t.Error(err)
	}
}

func FuzzVisible(f *testing.F) {
	f.Add(evil)
	f.Add("\xf0\x9f")
	f.Fuzz(func(t *testing.T, s string) {
		v := Visible(s)
		for _, r := range v {
			if !unicode.IsPrint(r) {
				t.Fatalf("Visible(%q) holds %U", s, r)
			}
		}
		for _, room := range []int{0, 20, 50} {
			if got := cutLine(s, room); room >= 50 && displaywidth.String(got) > room {
				t.Fatalf("cutLine(%q, %d) is %d wide: %q", s, room, displaywidth.String(got), got)
			}
		}
		if code := mdCode(s, true); strings.ContainsAny(code, "\n\r") || strings.Contains(strings.ReplaceAll(code, `\|`, ""), "|") {
			t.Fatalf("mdCode(%q) = %q", s, code)
		}
		if text := mdText(s); strings.ContainsAny(text, "\n\r<>") {
			t.Fatalf("mdText(%q) = %q", s, text)
		}
	})
}
