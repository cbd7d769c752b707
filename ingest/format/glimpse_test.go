package format

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestGlimpse takes pieces of lines: what stands in one must be seen, and most of what does not is known not to.
func TestGlimpse(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var lines []string
	for _, f := range Builtin().Formats() {
		for _, s := range f.Samples() {
			lines = append(lines, strings.Split(s.Line, "\n")[0])
		}
	}
	strange, seen := 0, 0
	for _, l := range lines {
		var g glimpse
		g.take([]byte(l))
		for range 20 {
			from := rng.IntN(len(l) + 1)
			piece := l[from : from+rng.IntN(len(l)-from+1)]
			if !g.may(piece) {
				t.Fatalf("%q is not seen in %q", piece, l)
			}
			other := lines[rng.IntN(len(lines))]
			if other = other[:min(len(other), 12)]; !strings.Contains(l, other) {
				if strange++; g.may(other) {
					seen++
				}
			}
		}
	}
	if strange < 1000 || seen > strange/10 {
		t.Errorf("%d of %d strange texts may stand in a line", seen, strange)
	}
}

// TestLooks finds again what was found before, and looks anew under another reference.
func TestLooks(t *testing.T) {
	set := Builtin()
	lines := [][]byte{
		[]byte(`10.0.0.9 - - [01/Mar/2026:12:00:07 +0000] "GET /a HTTP/1.1" 500 12 "-" "curl/8"`),
		[]byte(`10.0.0.9 - - [01/Mar/2026:12:00:08 +0000] "GET /b HTTP/1.1" 200 12 "-" "curl/8"`),
	}
	o := Options{Reference: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	var none *Looks
	want, share := none.choose(set, lines, &o)
	if want == nil {
		t.Fatal("the lines are in no format")
	}
	x := &Looks{}
	for range 2 {
		if f, s := x.choose(set, lines, &o); !same(f, want) || s != share {
			t.Errorf("found %v, %v; want %v, %v", f, s, want, share)
		}
	}
	x.choose(set, lines[:1], &o)
	o.Reference = o.Reference.AddDate(1, 0, 0)
	x.choose(set, lines, &o)
	if len(x.found) != 3 {
		t.Errorf("%d looks are remembered, want 3", len(x.found))
	}
}

func same(a, b *Format) bool { return a != nil && b != nil && a.Name == b.Name }
