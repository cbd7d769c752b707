package rules

import "testing"

func TestBuiltinCases(t *testing.T) {
	for _, f := range Builtin().Test() {
		t.Error(f)
	}
}
