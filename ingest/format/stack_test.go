package format

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/correlatehq/correlate/timeline"
)

// TestStack parses traces: those of the files *_real and of the first cases of the others are
// as the runtimes wrote them.
func TestStack(t *testing.T) {
	datadriven.Walk(t, "testdata/stack", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			x, ok := parseStack(d.Input)
			if !ok {
				return "no stack\n"
			}
			return showException(&x) + "\n"
		})
	})
}

// hostile gives texts that look like traces and never end.
func hostile(size int) map[string]string {
	fill := func(lines ...string) string {
		s := strings.Join(lines, "\n") + "\n"
		return strings.Repeat(s, size/len(s)+1)[:size]
	}
	return map[string]string{
		"at":        fill("at x"),
		"java":      fill("\tat a.b.C.d(C.java:1)"),
		"causes":    fill("Caused by: a.B: c", "\t... 9999999 more"),
		"headers":   fill("a.B: c"),
		"node":      fill("    at f (/a.js:1:2)", "  [cause]: Error: x"),
		"dotnet":    fill("   at A.B(C d) in /a.cs:line 1", " ---> A.B: c"),
		"python":    fill(pythonHead, "  File \"a\", line 1, in b", "E: c"),
		"groups":    pythonHead + "\n" + fill("  | E: c", "  +-+---- 1 ----"),
		"go":        fill("goroutine 1 [x]:", "a.b()", "\t/a.go:1"),
		"panics":    "panic: x\n" + fill("\tpanic: y"),
		"ruby":      fill("a.rb:1:in `b': c (D)", "\tfrom a.rb:2:in `b'"),
		"reversed":  pythonHead + "\n" + fill("\t1: from a.rb:2:in `b'", "a.rb:1:in `b'"),
		"php":       fill("A: b in c:1", "Stack trace:", "#0 a(1): b()"),
		"monolog":   fill("[object] (A(code: 1"),
		"rust":      fill("thread 'a' panicked at a:1", "Caused by:", "    x"),
		"elixir":    fill("** (exit) a", "    ** (A) b", "    (a 1) b.ex:1: c"),
		"erlang":    fill(`{a,[{b,c,1,[{file,"d"},{line,1}]}`),
		"lua":       fill("stack traceback:", "\ta.lua:1: in x"),
		"perl":      fill("a at b.pl line 1", "\tc called at b.pl line 2"),
		"native":    fill("Caught A, suspect", "terminate called"),
		"words":     fill("Error Exception at "),
		"one line":  "at " + strings.Repeat("a.b(", size/4),
		"one word":  "at " + strings.Repeat("a.", size/2) + "(X.java:1)",
		"spaces":    "\tat a.b(C.java:1)\n" + strings.Repeat(" ", size),
		"folded":    strings.Repeat(`\n\tat x`, size/9),
		"bars":      strings.Repeat(" | at x", size/7),
		"suffixes":  strings.Repeat("a.Error ", size/8) + "\n\tat a.b(C.java:1)",
		"many dots": strings.Repeat(" a", size/2) + "\n\tat a.b(C.java:1)",
	}
}

// BenchmarkStack reads a usual trace, and texts that are made to take long, of two sizes:
// as many bytes a second of each say that the time grows with the size.
func BenchmarkStack(b *testing.B) {
	usual := "cannot load order 7\njava.lang.IllegalStateException: no order\n" + strings.Repeat("\tat org.springframework.web.Filter.doFilter(Filter.java:12)\n", 60) + "\tat shop.Orders.load(Orders.java:31)\n"
	run := func(name, text string) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				parseStack(text)
			}
		})
	}
	run("usual", usual)
	small, large := hostile(128<<10), hostile(1<<20)
	for _, name := range sortedKeys(small) {
		run(name+"/128KiB", small[name])
		run(name+"/1MiB", large[name])
	}
}

// FuzzStack parses any text: nothing breaks, and what is found is of the text.
func FuzzStack(f *testing.F) {
	for _, sm := range Builtin().Formats() {
		for _, s := range sm.Samples() {
			f.Add(s.Line)
		}
	}
	for _, s := range hostile(200) {
		f.Add(s)
	}
	files, err := filepath.Glob("testdata/stack/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, c := range strings.Split(string(text), "\nstack\n") {
			c, _, _ = strings.Cut(c, "\n----\n")
			f.Add(c)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		x, ok := parseStack(s)
		if !ok {
			return
		}
		if x.Line < 0 || x == (timeline.Exception{}) || len(x.Message) > maxMessageBytes+maxMessageLines*len(s) {
			t.Errorf("%q: %+v", s, x)
		}
		if strings.Contains(x.File, "\n") || strings.Contains(x.Function, "\n") {
			t.Errorf("%q: %+v", s, x)
		}
	})
}
