package golden

import (
	"os"
	"path/filepath"
	"testing"
)

// recorder stands for a test that fails.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) Fatalf(string, ...any) { r.failed = true; panic(r) }

func TestCompare(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.golden")
	failed := func(got string) bool {
		r := &recorder{TB: t}
		func() {
			defer func() {
				if p := recover(); p != nil && p != any(r) {
					panic(p)
				}
			}()
			Compare(r, path, []byte(got))
		}()
		return r.failed
	}
	old := *update
	defer func() { *update = old }()
	*update = false
	if !failed("a\n") {
		t.Error("a file that is not there passed")
	}
	*update = true
	if failed("a\n") {
		t.Error("-update failed")
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "a\n" {
		t.Errorf("-update wrote %q, %v", b, err)
	}
	*update = false
	if failed("a\n") {
		t.Error("equal bytes failed")
	}
	if !failed("b\n") {
		t.Error("other bytes passed")
	}
}
