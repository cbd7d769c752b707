package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/correlatehq/correlate/internal/golden"
)

// TestMain lets the tests of this package read the files of the signals, so that a signal can be tried
// before the index is written anew.
func TestMain(m *testing.M) {
	builtinSignals = sync.OnceValue(func() []*Signal {
		signals, errs := loadSignals(os.DirFS("."), nil)
		if len(errs) > 0 {
			panic(errors.Join(errs...))
		}
		return signals
	})
	m.Run()
}

// The index holds what the files say.
func TestBuiltinListOfSignals(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("[\n")
	for i, s := range builtinSignals() {
		entry := *s
		entry.Pos, _, _ = strings.Cut(s.Pos, ":") // a line more must not change all below it
		line, err := json.Marshal(entry)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			b.WriteString(",\n")
		}
		b.Write(line)
	}
	b.WriteString("\n]\n")
	golden.Compare(t, "signals.json", b.Bytes())
}

// BenchmarkBuiltinSignals starts with the index, as every run of the program does,
// beside loading the files.
func BenchmarkBuiltinSignals(b *testing.B) {
	b.Run("index", func(b *testing.B) {
		for b.Loop() {
			var signals []*Signal
			if err := json.Unmarshal(signalsJSON, &signals); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("files", func(b *testing.B) {
		for b.Loop() {
			if _, errs := loadSignals(os.DirFS("."), nil); len(errs) > 0 {
				b.Fatal(errs)
			}
		}
	})
}
