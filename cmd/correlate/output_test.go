package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// brokenWriter is a stdout that cannot be written to.
type brokenWriter struct{ err error }

func (b brokenWriter) Write([]byte) (int, error) { return 0, b.err }

// Whatever cannot be written is a failure: who reads "exit 0" may rely on the answer.
func TestOutputThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	line := `{"time":"2026-03-01T12:00:05Z","level":"ERROR","msg":"request finished","method":"GET","path":"/x","status":500,"duration_ms":3,"request_id":"r-1234567890"}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "orders.log"), []byte(line), 0o644); err != nil {
		t.Fatal(err)
	}
	run(context.Background(), []string{"export", "r-1234567890", "orders.log", "--to", "case.zip"}, strings.NewReader(""), &strings.Builder{}, &strings.Builder{})
	for _, args := range []string{
		"investigate r-1234567890 orders.log", "investigate r-1234567890 orders.log -o json", "investigate r-1234567890 orders.log -o markdown",
		"batch orders.log", "batch orders.log -o jsonl", "batch orders.log -o markdown", "clocks orders.log", "clocks orders.log -o json",
		"export r-1234567890 orders.log --to new.zip", "verify case.zip", "verify case.zip -o json",
		"rules list", "rules show own_exception", "rules test",
		"formats list", "formats show nginx_error", "formats detect orders.log", "formats detect orders.log -o json", "formats parse orders.log",
		"--help", "help batch",
	} {
		var stderr strings.Builder
		if code := run(context.Background(), strings.Fields(args), strings.NewReader(""), brokenWriter{syscall.ENOSPC}, &stderr); code != exitFailure {
			t.Errorf("%s: exit %d, want %d", args, code, exitFailure)
		}
		if want := "correlate: " + syscall.ENOSPC.Error() + "\n"; stderr.String() != want {
			t.Errorf("%s: stderr %q, want %q", args, stderr.String(), want)
		}
		stderr.Reset()
		os.Remove("new.zip")
		if code := run(context.Background(), strings.Fields(args), strings.NewReader(""), brokenWriter{syscall.EPIPE}, &stderr); code != exitFailure || stderr.String() != "" {
			t.Errorf("%s into a closed pipe: exit %d, stderr %q", args, code, stderr.String())
		}
		os.Remove("new.zip")
	}
}
