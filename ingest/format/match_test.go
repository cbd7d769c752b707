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

// builtinExprs gives the expressions that stand in the built-in format files.
func builtinExprs(t testing.TB) []string {
	t.Helper()
	seen := map[string]bool{}
	for _, f := range Builtin().Formats() {
		for _, p := range slices.Concat(f.c.spec.Pattern, f.c.spec.Continuation) {
			seen[p] = true
		}
		for _, x := range f.c.spec.Extract {
			for _, p := range x.Pattern {
				seen[p] = true
			}
		}
		for _, l := range f.c.spec.Lifecycle {
			for _, p := range l {
				seen[p] = true
			}
		}
	}
	return slices.Sorted(func(yield func(string) bool) {
		for p := range seen {
			if !yield(p) {
				return
			}
		}
	})
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

// TestExpr matches every expression of the built-in formats on every sample, on
// samples with a byte changed and on cut ones, beside package regexp.
func TestExpr(t *testing.T) {
	var texts []string
	rng := rand.New(rand.NewPCG(1, 2))
	for _, f := range Builtin().Formats() {
		for _, s := range f.Samples() {
			texts = append(texts, s.Line, s.Want["body"], s.Line[:rng.IntN(len(s.Line))])
			b := []byte(s.Line)
			b[rng.IntN(len(b))] = ` ":[]{},=-0aZ`[rng.IntN(13)]
			texts = append(texts, string(b))
		}
	}
	for _, p := range builtinExprs(t) {
		e, err := compileExpr(p)
		if err != nil {
			t.Fatal(err)
		}
		re := regexp.MustCompile(p)
		for _, text := range texts {
			if err := sameMatch(e, re, text); err != nil {
				t.Error(err)
				break
			}
		}
	}
}

// TestExprIsFast asks that what the hot formats match with is not left to package regexp.
func TestExprIsFast(t *testing.T) {
	for _, p := range builtinExprs(t) {
		if e, _ := compileExpr(p); e.prog == nil {
			t.Errorf("%q is left to package regexp", p)
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
