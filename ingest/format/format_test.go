package format

import "testing"

func TestBuiltin(t *testing.T) {
	sub, _ := builtinFS.ReadDir("builtin")
	if len(sub) < 10 {
		t.Fatal("few")
	}
	for _, f := range Builtin().Formats() {
		t.Log(f.rank, f.Name)
	}
}
