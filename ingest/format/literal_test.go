package format

import (
	"strings"
	"testing"
)

// TestLiteralsAreAllSpellingsOfJSON says that a failed record is one with any space around its
// colons: every sample of every format of JSON is written with other space and read again.
func TestLiteralsAreAllSpellingsOfJSON(t *testing.T) {
	d := newDecoding(sampleReference, nil)
	tried := 0
	for _, f := range Builtin().Formats() {
		if f.c.decoder != jsonDecoder || f.c.wraps != nil || len(f.c.failed) == 0 {
			continue
		}
		for _, sm := range f.Samples() {
			if !d.decode(f.c, []byte(sm.Line)) || !d.ev.Failed {
				continue
			}
			for _, colon := range []string{`":`, `": `, `" : `} {
				// A colon inside a text is not told from others: such a sample says nothing.
				line := jsonColon.ReplaceAllString(sm.Line, colon)
				if strings.Contains(sm.Line, `\":`) || !d.decode(f.c, []byte(line)) {
					continue
				}
				tried++
				if !d.ev.Failed {
					t.Errorf("%s: not failed with %q for a colon: %s", f.Name, colon, line)
				}
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d lines were tried", tried)
	}
}
