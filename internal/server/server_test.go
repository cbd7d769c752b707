//go:build live

package server

import (
	"path"
	"testing"
	"time"
)

// TestLiveBuild builds the servers that other tests start, so that these wait for none.
func TestLiveBuild(t *testing.T) {
	for _, pkg := range []string{lokiPackage, jaegerPackage} {
		begun := time.Now()
		bin, err := Build(t.Context(), pkg)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s in %s: %s", path.Base(pkg), time.Since(begun).Round(time.Second), bin)
	}
}
