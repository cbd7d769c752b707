package loki

import (
	"regexp"
	"strings"
	"testing"

	"github.com/correlatehq/correlate/timeline"
)

func TestParseSelector(t *testing.T) {
	for _, c := range []struct{ in, want, err string }{
		{`{app="x"}`, `{app="x"}`, ""},
		{` { app = "x}" , b!~` + "`}`" + ` }  |= "}" | json `, `{app = "x}" , b!~` + "`}`" + `} |= "}" | json`, ""},
		{`{app="a\"}b"}`, `{app="a\"}b"}`, ""},
		{``, "", "begins with a stream selector"},
		{`app="x"`, "", "begins with a stream selector"},
		{`{}`, "", "at least one label"},
		{`{app="x"`, "", "is not closed"},
		{`{app="x}`, "", "quote is not closed"},
		{`{`, "", "is not closed"},
	} {
		got, err := parseSelector(c.in)
		switch {
		case c.err == "" && (err != nil || got.String() != c.want):
			t.Errorf("%s: got %s, %v; want %s", c.in, got, err, c.want)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: got the error %v, want %q", c.in, err, c.err)
		}
	}
}

func TestSelectorOfAStream(t *testing.T) {
	s := selector{`app=~".+"`, `|= "x"`}
	l := labels{"b": "1\"2\\\n", "a": "{}"}
	if got, want := s.of(l).String(), `{a="{}", b="1\"2\\\n"} |= "x"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestStages(t *testing.T) {
	if got := strings.Join(holding([]string{`a"b`}), " "); got != `|= "a\"b"` {
		t.Error(got)
	}
	if got := strings.Join(holding([]string{"a.b", "c"}), " "); got != `|~ "a\\.b|c"` {
		t.Error(got)
	}
	if got := strings.Join(labelled([]string{"x", "y"}, []string{"1", "2"}), " "); got != `| x=~"1|2" or y=~"1|2"` {
		t.Error(got)
	}
	var many []string
	for range 5000 {
		many = append(many, "4bf92f3577b34da6a3ce929d0e0e4736")
	}
	n := 0
	for _, s := range holding(many) {
		if len(s) > 2*maxStage {
			t.Errorf("a filter of %d bytes", len(s))
		}
		n += 1 + strings.Count(s, "|4")
	}
	if n != len(many) {
		t.Errorf("%d of %d texts are in the filters", n, len(many))
	}
	for _, s := range labelled([]string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}, many) {
		if len(s) > 2*maxStage {
			t.Errorf("a label filter of %d bytes", len(s))
		}
	}
	if holding(nil) != nil {
		t.Error("a filter for nothing")
	}
}

func TestStatusExpr(t *testing.T) {
	for _, c := range []struct {
		lo, hi int
		line   string
		want   bool
	}{
		{500, 599, `"GET /" 503 12`, true},
		{500, 599, `status=500`, true},
		{500, 599, `503`, true},
		{500, 599, `15034`, false},
		{404, 404, `{"status":404}`, true},
		{404, 404, `{"status":405}`, false},
		{498, 501, `499,`, true},
		{400, 599, `x 450 y`, true},
		{400, 599, `x 399 y`, false},
	} {
		e, ok := statusExpr(timeline.StatusRange{Lo: c.lo, Hi: c.hi})
		if !ok || regexp.MustCompile(e).MatchString(c.line) != c.want {
			t.Errorf("%d-%d in %q: %v (%s), want %v", c.lo, c.hi, c.line, !c.want, e, c.want)
		}
	}
	for _, r := range []timeline.StatusRange{{Lo: 0, Hi: 599}, {Lo: 5, Hi: 4}, {Lo: 500, Hi: 5000}} {
		if e, ok := statusExpr(r); ok {
			t.Errorf("%v can be told by text: %s", r, e)
		}
	}
}
