package file

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/correlatehq/correlate/ingest"
)

// TestNaming runs testdata/naming: how files become streams, and streams services.
func TestNaming(t *testing.T) {
	datadriven.Walk(t, "testdata/naming", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var lines []string
			for l := range strings.Lines(d.Input) {
				lines = append(lines, strings.TrimSpace(l))
			}
			var out strings.Builder
			switch d.Cmd {
			case "name":
				hints := make([]ingest.StreamHint, len(lines))
				for i, l := range lines {
					hints[i].Path, hints[i].System, _ = strings.Cut(l, " ")
				}
				for i, n := range ingest.NameStreams(hints) {
					fmt.Fprintf(&out, "%s: %s on %s\n", hints[i].Path, n.Service, n.Host)
				}
			case "series":
				for _, s := range groupParts(lines) {
					fmt.Fprintf(&out, "%s:", s.Path)
					for _, i := range s.Files {
						fmt.Fprintf(&out, " %s", lines[i])
					}
					out.WriteByte('\n')
				}
			default:
				d.Fatalf(t, "unknown command %q", d.Cmd)
			}
			return out.String()
		})
	})
}

// The names do not depend on the order in which files are found.
func TestNamingIgnoresOrder(t *testing.T) {
	hints := []ingest.StreamHint{
		{Path: "dc1/app-1/orders.log", System: ""}, {Path: "dc2/app-1/orders.log", System: ""}, {Path: "dc1/edge-1/nginx/access.log", System: "nginx"},
		{Path: "dc1/edge-1/nginx/error.log", System: "nginx"}, {Path: "dc2/lb-1/haproxy.log", System: "haproxy"},
	}
	want := map[string]ingest.StreamName{}
	for i, n := range ingest.NameStreams(hints) {
		want[hints[i].Path] = n
	}
	for turn := range hints {
		rotated := append(append([]ingest.StreamHint{}, hints[turn:]...), hints[:turn]...)
		for i, n := range ingest.NameStreams(rotated) {
			if n != want[rotated[i].Path] {
				t.Errorf("turned by %d, %s is %+v, was %+v", turn, rotated[i].Path, n, want[rotated[i].Path])
			}
		}
	}
}

// Whatever files are called, each stream has a service and a host, and each file is
// in one series.
func FuzzNaming(f *testing.F) {
	f.Add("app-1/orders.log\nedge-1/nginx/access.log.1.gz\nedge-1/nginx/access.log\n-.log")
	f.Add("/\n//\n../..\n.log\n2026-03-01\n.2026-03-01.log\nu_ex260301")
	f.Fuzz(func(t *testing.T, text string) {
		files := strings.Split(text, "\n")
		count := 0
		var hints []ingest.StreamHint
		for _, s := range groupParts(files) {
			count += len(s.Files)
			hints = append(hints, ingest.StreamHint{Path: s.Path})
		}
		if count != len(files) {
			t.Errorf("%d files became %d in series", len(files), count)
		}
		for i, n := range ingest.NameStreams(hints) {
			if hints[i].Path != "" && !strings.HasSuffix(hints[i].Path, "/") && (n.Service == "" || n.Host == "") {
				t.Errorf("%q is named %+v", hints[i].Path, n)
			}
		}
	})
}
