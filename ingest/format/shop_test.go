package format

import (
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/correlatehq/correlate/timeline"
)

// TestShop reads the logs of the shipped incident, which real servers wrote: each file
// is in the format of its name, and every record is read.
func TestShop(t *testing.T) {
	formats := map[string]string{
		"access.log": "nginx_access", "error.log": "nginx_error", "haproxy.log": "syslog > haproxy_http", "orders.log": "slog_json",
		"orders.stderr.log": "go_log", "inventory.log": "python_logging", "recs.log": "python_logging", "postgresql.log": "postgresql",
	}
	root := filepath.Join("..", "..", "fixtures", "shop", "logs")
	files, stampless := 0, 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _, ok := strings.Cut(d.Name(), ".log")
		want := formats[name+".log"]
		if !ok || want == "" {
			return nil
		}
		files++
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		var in io.Reader = f
		if strings.HasSuffix(path, ".gz") {
			if in, err = gzip.NewReader(f); err != nil {
				return err
			}
		}
		r, err := Builtin().NewReader(in, Options{Reference: testReference})
		if err != nil {
			return err
		}
		det := r.Detection()
		if det.Format == nil {
			t.Errorf("%s: no format", path)
			return nil
		}
		if got := strings.Join(append(det.Format.Wrappers, det.Format.Name), " > "); got != want {
			t.Errorf("%s: format %s, want %s", path, got, want)
		}
		if len(det.Candidates) > 0 {
			t.Errorf("%s: candidates %v", path, det.Candidates)
		}
		records := 0
		for {
			rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			records++
			if err := r.Decode(rec, func(e *timeline.Event) bool {
				if e.Time.IsZero() {
					t.Errorf("%s:%d: no time", path, rec.Line)
				}
				if e.Attrs.Get(InferredTime) != "" {
					stampless++
				}
				return true
			}); err != nil {
				t.Errorf("%s:%d: %v: %.200s", path, rec.Line, err, rec.Bytes)
			}
		}
		t.Logf("%s: %s, %d records", path, want, records)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < len(formats) {
		t.Errorf("only %d files of the incident were found", files)
	}
}
