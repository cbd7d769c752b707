package rules

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// What is found in one pass is what trying every signal finds.
func TestTextSignalsFindAll(t *testing.T) {
	table := Builtin().signals
	var matchers []*matcher
	for _, ms := range table.systems {
		matchers = append(matchers, ms...)
	}
	matchers = append(matchers, table.applications...)
	var samples []string
	for _, s := range table.all {
		samples = append(samples, s.fires...)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	texts := append([]string{"", "a", "\xff\xfe", "K\u212aſs: STATUS CODE RECEIVED FROM SERVER: 404"}, samples...)
	for range 500 {
		a, b := samples[rnd.IntN(len(samples))], samples[rnd.IntN(len(samples))]
		mixed := a[:rnd.IntN(len(a)+1)] + " é " + b[rnd.IntN(len(b)+1):]
		texts = append(texts, mixed, strings.ToUpper(a), strings.ToLower(b))
	}
	some := 0
	for _, m := range matchers {
		for _, text := range texts {
			var want []*Signal
			for i := range m.text.all {
				s := &m.text.all[i]
				if s.re != nil && s.re().MatchString(text) || s.re == nil && strings.Contains(text, s.signal.Pattern) {
					want = append(want, s.signal)
				}
			}
			some += len(want)
			if got := m.text.find(text, nil); !slices.Equal(got, want) {
				t.Fatalf("%s in %q: found %d signals, want %d", m.field, text, len(got), len(want))
			}
		}
	}
	if some < len(samples) {
		t.Errorf("only %d matches in all", some)
	}
}
