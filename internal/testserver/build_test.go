//go:build live && linux

package testserver

import (
	"testing"
	"time"
)

// TestLiveBuild builds the servers that other tests start, so that these wait for none.
func TestLiveBuild(t *testing.T) {
	for _, p := range Programs {
		begun := time.Now()
		bin, err := Build(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s in %s: %s", p.Module, time.Since(begun).Round(time.Second), bin)
	}
}
