package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/correlatehq/correlate/ingest/format"
)

// TestConfigStart reads what config init writes with all that is commented in it taken
// for settings.
func TestConfigStart(t *testing.T) {
	head, sources, ok := strings.Cut(configStart, "sources:\n")
	if !ok {
		t.Fatal("it has no sources")
	}
	file := filepath.Join(t.TempDir(), "correlate.yaml")
	text := head + "sources:\n" + strings.ReplaceAll(sources, "\n  # ", "\n  ")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := loadConfig(file, format.Builtin())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(c.sources) != 2 {
		t.Fatalf("it has %d sources, want 2", len(c.sources))
	}
	server := c.sources[1]
	if server.Timeout != time.Minute || server.Since != 24*time.Hour || len(server.Fields) != 2 || len(server.URLs) != 1 || server.HTTP == nil || server.HTTP.TLSConfig.CAFile != filepath.Join(filepath.Dir(file), "ca.pem") {
		t.Errorf("the server is read as %+v", server)
	}
}
