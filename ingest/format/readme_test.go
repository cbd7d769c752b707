package format

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// TestReadme loads the format that README.md shows.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "```yaml\n")
	text, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("README.md shows no format")
	}
	if _, err := Load(fstest.MapFS{"tinyproxy.yaml": {Data: []byte(text)}}); err != nil {
		t.Error(err)
	}
}
