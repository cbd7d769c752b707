package rules

import (
	"strings"
	"testing"
)

// What keeps a verdict from being sure is said with what would decide it.
func TestDeciding(t *testing.T) {
	for hops, want := range map[string]string{
		`
orders app 0ms +30ms 500 system=python
  - error 20ms candidates=2 exception="KeyError: 'sku'" "unhandled error"
`: "fits 2 requests",
		`
orders app 0ms +30ms 500 system=go
`: "a message of orders that says why",
	} {
		r, near := parse(t, hops)
		v, err := Builtin().Judge(t.Context(), r, near)
		if err != nil {
			t.Fatal(err)
		}
		said := ""
		for _, m := range v.Missing {
			said += m.What + "; " + m.WhyItMatters + "\n"
		}
		if v.Confidence >= sure || !strings.Contains(said, want) {
			t.Errorf("%s: %v with %.2f: missing %q, want %q", hops, v.Rule, v.Confidence, said, want)
		}
	}
}
