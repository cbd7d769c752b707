package format

import (
	"testing"

	"github.com/cockroachdb/datadriven"
)

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

func FuzzStack(f *testing.F) {
	for _, sm := range Builtin().Formats() {
		for _, s := range sm.Samples() {
			f.Add(s.Line)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		if x, ok := parseStack(s); ok && x.Line < 0 {
			t.Errorf("%q: line %d", s, x.Line)
		}
	})
}
