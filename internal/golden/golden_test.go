package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A recorder is a testing.TB that only notes what goes wrong.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	panic(r)
}

func compare(t *testing.T, path, got string) string {
	r := &recorder{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(r) {
				panic(p)
			}
		}()
		Compare(r, path, []byte(got))
	}()
	return strings.Join(r.said, "\n")
}

func TestCompare(t *testing.T) {
	was := *update
	defer func() { *update = was }()
	path := filepath.Join(t.TempDir(), "sub", "want.txt")

	*update = false
	if said := compare(t, path, "a\n"); !strings.Contains(said, "-update") {
		t.Errorf("a missing file was told as %q", said)
	}
	*update = true
	if said := compare(t, path, "a\nb\n"); said != "" {
		t.Errorf("update said %q", said)
	}
	*update = false
	if said := compare(t, path, "a\nb\n"); said != "" {
		t.Errorf("the same text was told as %q", said)
	}
	if said := compare(t, path, "a\nc\n"); !strings.Contains(said, "want.txt differs") {
		t.Errorf("a difference was told as %q", said)
	}
	if err := os.WriteFile(path, []byte("a\r\nb\r\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if said := compare(t, path, "a\nb\n"); said != "" {
		t.Errorf("carriage returns of a checkout were told as %q", said)
	}
}
