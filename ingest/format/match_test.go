package format

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
)

// exprsOf gives the expressions that stand in a format's file.
func exprsOf(f *Format) []string {
	out := slices.Concat(f.c.spec.Pattern, f.c.spec.Continuation)
	for _, x := range f.c.spec.Extract {
		out = append(out, x.Pattern...)
	}
	for _, l := range f.c.spec.Lifecycle {
		out = append(out, l...)
	}
	return out
}

// sameMatch compares an expression with package regexp on one text.
func sameMatch(e *expr, re *regexp.Regexp, text string) error {
	var m matching
	got, want := e.find(text, &m), re.FindStringSubmatchIndex(text)
	if !slices.Equal(got, want) {
		return fmt.Errorf("%q on %q: groups at %v, package regexp has %v", e.text, text, got, want)
	}
	if e.matchString(text) != (want != nil) {
		return fmt.Errorf("%q on %q: match is %v", e.text, text, want == nil)
	}
	return nil
}

// TestExpr matches every expression of the built-in formats on samples, on samples with a
// byte changed and on cut ones, beside package regexp: on those of its own format, and on
// some of all.
func TestExpr(t *testing.T) {
	var all []string
	own := map[*Format][]string{}
	rng := rand.New(rand.NewPCG(1, 2))
	formats := Builtin().Formats()
	for _, f := range formats {
		for _, s := range f.Samples() {
			b := []byte(s.Line)
			b[rng.IntN(len(b))] = ` ":[]{},=-0aZ`[rng.IntN(13)]
			own[f] = append(own[f], s.Line, s.Want["body"], s.Line[:rng.IntN(len(s.Line))], string(b))
		}
		all = append(all, own[f]...)
	}
	for _, f := range formats {
		for _, p := range exprsOf(f) {
			e, err := compileExpr(p)
			if err != nil {
				t.Fatal(err)
			}
			if e.prog == nil {
				t.Errorf("%s: %q is left to package regexp", f.Name, p)
			}
			re := regexp.MustCompile(p)
			texts := own[f]
			for range 30 {
				texts = append(texts, all[rng.IntN(len(all))])
			}
			for _, text := range texts {
				if err := sameMatch(e, re, text); err != nil {
					t.Errorf("%s: %v", f.Name, err)
					break
				}
			}
		}
	}
}

// TestExprHead looks at what matches begin with: a text that is excluded by it is in none.
func TestExprHead(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		no   []string
	}{
		{`^(?i:stopped|shutdown complete|bye)\b`, 3, []string{"", "by", "start", "Ready"}},
		{`^\d{4}-\d\d-\d\d`, 8, []string{"2026/03/01", "2026-03"}},
		{`^a+b?$`, 1, []string{"b", ""}},
		{`^a{2,3}(?:xy|z)`, 3, []string{"ab", "aay", "aa"}},
		{`^[^ ]é`, 1, []string{" "}},
		{`^(?:\[x\] )?(?:GET|PUT) /`, 5, []string{"GEX /", "[y] GET /"}},
	} {
		e, err := compileExpr(c.text)
		if err != nil {
			t.Fatal(err)
		}
		h := e.head.Load()
		if h == nil || h.n != c.n {
			t.Errorf("%s: %+v, want %d places", c.text, h, c.n)
			continue
		}
		for _, s := range c.no {
			if !h.excludes(s) {
				t.Errorf("%s: %q is not excluded", c.text, s)
			}
		}
	}
}

// TestSkip finds a byte at every place of short and long stretches.
func TestSkip(t *testing.T) {
	for n := range 700 {
		s := strings.Repeat("x", n)
		for _, tail := range []string{"", "\"", "\\\"y", "a\"\\"} {
			text := s + tail
			want := strings.IndexAny(text, "\"\\")
			if want < 0 {
				want = len(text)
			}
			if got := skipTo(text, 0, '"', '\\'); got != want {
				t.Fatalf("%d and %q: skipTo finds %d", n, tail, got)
			}
			end, escaped := scanString(text, 0)
			wantEnd, wantEscaped := n, false
			switch tail {
			case "":
				wantEnd = -1
			case "\\\"y":
				wantEnd, wantEscaped = -1, true
			case "a\"\\":
				wantEnd = n + 1
			}
			if end != wantEnd || escaped != wantEscaped {
				t.Fatalf("%d and %q: scanString finds %d, %v", n, tail, end, escaped)
			}
		}
	}
}

// TestSteps matches texts cut at every place, with a byte changed at every place and with more behind them, so that what is compared
// eight bytes at a time is also near the end.
func TestSteps(t *testing.T) {
	for _, c := range [][2]string{
		{`^\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] `, "[01/Mar/2026:12:00:07 +0000] x"},
		{`^(\d{3}) ([^ ]*) ("|-)(\w+)`, "200 application/json -GET"},
		{`^(.*?) \[(\d+)\](: .*)?$`, "a [b [c] [12]: d [3]"},
		{`^([^ "]+):(\d+) ((a|b):)?(c*)`, "2001:db8::1:443 b:cc"},
		{`^"([^"]*)(?:" ([^ /]*)/(-?\d+)|"?)(?: (.*))?$`, "\"GET / x\" a/-1 and more"},
		{`(\d+)-(\d{2,3})(?:x|(y))upstream timed out`, "7-77-888yupstream timed out"},
		{`(?:(a)|b)+c`, "abbc"},
	} {
		e, err := compileExpr(c[0])
		if err != nil {
			t.Fatal(err)
		}
		re := regexp.MustCompile(c[0])
		for k := range len(c[1]) {
			for _, text := range []string{c[1][:k], c[1][:k] + "é" + c[1][k+1:], c[1][:k] + "0" + c[1][k:], c[1][:k] + " " + c[1], c[1] + c[1][k:]} {
				if err := sameMatch(e, re, text); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

func FuzzExpr(f *testing.F) {
	for _, s := range [][2]string{
		{`^(?P<a>\S+) "((?:[^"\\]|\\.)*)" (\d{3})$`, `x "a\"b" 200`},
		{`(a|ab)(c|bcd)(d*)`, "abcd"},
		{`^(.*?), client: (.*)$`, "a, client: b, client: c"},
		{`(?i)conn(?:ect)? timed? ?out|\beof\b`, "Connect Timed Out"},
		{`^[^ ]{2,5}(x+x+)+y`, "aaaaxxxxxxxxxxxxxxxxxxxxxxx"},
		{`(a?){3}a*?$`, "aaaa"},
		{`µ(.).*(.)`, "12µs é"},
		{`[^a-c]+[a-c]{0,2}`, "ä\xffabc"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 200 || len(text) > 1000 {
			return
		}
		re, err := regexp.Compile(pattern)
		e, err2 := compileExpr(pattern)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("%q: %v, package regexp says %v", pattern, err2, err)
		}
		if err != nil || foldsBeyondASCII(pattern) || strings.ToValidUTF8(text, "") != text {
			return // the two known differences
		}
		if err := sameMatch(e, re, text); err != nil {
			t.Fatal(err)
		}
	})
}

// foldsBeyondASCII says whether an expression folds a letter that Unicode folds to one
// outside of ASCII: (?i) is about ASCII here.
func foldsBeyondASCII(pattern string) bool {
	re, err := syntax.Parse(pattern, syntax.Perl)
	return err == nil && strings.ContainsAny(re.String(), "ſ\u212a") || strings.Contains(pattern, "(?") && strings.ContainsAny(pattern, "kKsS")
}

func BenchmarkExpr(b *testing.B) {
	for _, name := range []string{"nginx_access", "haproxy_http", "nginx_error"} {
		f := Builtin().Lookup(name)
		p, line := f.c.spec.Pattern[0], f.Samples()[0].Line
		e, _ := compileExpr(p)
		re := regexp.MustCompile(p)
		b.Run(name+"/expr", func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			var m matching
			for b.Loop() {
				e.find(line, &m)
			}
		})
		b.Run(name+"/regexp", func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				re.FindStringSubmatchIndex(line)
			}
		})
	}
}
