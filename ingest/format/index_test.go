package format

import (
	"io/fs"
	"testing"

	"github.com/correlatehq/correlate/internal/golden"
)

// loadBuiltin reads the built-in formats from their files.
func loadBuiltin(t testing.TB) *Set {
	t.Helper()
	sub, err := fs.Sub(builtinFS, "builtin")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Load(sub)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestIndex compares index.json with what the files in builtin/ make; -update writes it anew.
func TestIndex(t *testing.T) {
	got, err := loadBuiltin(t).toIndex()
	if err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "index.json", got)
}

// TestIndexReads reads every sample by the format as the index has it.
func TestIndexReads(t *testing.T) {
	for _, f := range Builtin().Formats() {
		if err := checkSamples(f.Name+".yaml", nil, f); err != nil {
			t.Error(err)
		}
	}
}

// BenchmarkBuiltin starts with the index, as every run of the program does, beside
// loading the files.
func BenchmarkBuiltin(b *testing.B) {
	b.Run("index", func(b *testing.B) {
		for b.Loop() {
			if _, err := fromIndex(indexJSON); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("files", func(b *testing.B) {
		for b.Loop() {
			loadBuiltin(b)
		}
	})
}
