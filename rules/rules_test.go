package rules

import "testing"

func TestBuiltinCases(t *testing.T) {
	for _, f := range Builtin().Test() {
		t.Error(f)
	}
}

// What the program holds to be sound is.
func TestBuiltinIsSound(t *testing.T) {
	if _, err := loadRules(builtinFiles, builtinSignals(), nil, false); err != nil {
		t.Error(err)
	}
}
