package format

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// benchFormats are those in which most lines of a day are written, and some of each decoder.
var benchFormats = []string{
	"nginx_combined", "nginx_access", "combined_log", "haproxy_http", "envoy_json", "envoy_access", "json_lines", "slog_json", "pino_json", "ecs_json",
	"logfmt", "nginx_error", "java_log", "python_logging", "aws_alb", "iis_w3c", "postgresql_csv", "otlp_json",
}

func formatsToBench(b *testing.B) []*Format {
	b.Helper()
	var out []*Format
	for _, name := range benchFormats {
		f := Builtin().Lookup(name)
		if f == nil {
			b.Fatalf("no format %s", name)
		}
		out = append(out, f)
	}
	return out
}

// BenchmarkDecode reads the first sample of each format whole, beside what a program
// without this package would do: encoding/json into a map, or package regexp with the
// same pattern, without any further reading of what stands in the fields. rejected is the
// reading of lines that are in another format.
func BenchmarkDecode(b *testing.B) {
	other := []byte(`Mar  1 12:00:07 lb-1 kernel: [12345.678901] eth0: link becomes ready`)
	for _, f := range formatsToBench(b) {
		line := []byte(f.Samples()[0].Line)
		d := newDecoding(sampleReference, nil)
		if !d.decode(f.c, line) {
			b.Fatal(f.Name)
		}
		b.Run(f.Name+"/decode", func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				d.decode(f.c, line)
			}
		})
		b.Run(f.Name+"/rejected", func(b *testing.B) {
			b.SetBytes(int64(len(other)))
			b.ReportAllocs()
			for b.Loop() {
				d.decode(f.c, other)
			}
		})
		switch f.c.decoder {
		case jsonDecoder:
			b.Run(f.Name+"/encoding_json", func(b *testing.B) {
				b.SetBytes(int64(len(line)))
				b.ReportAllocs()
				for b.Loop() {
					var m map[string]any
					if err := json.Unmarshal(line, &m); err != nil {
						b.Fatal(err)
					}
				}
			})
		case regexpDecoder:
			first, _, _ := strings.Cut(string(line), "\n")
			var res []*regexp.Regexp
			for _, p := range f.c.patterns {
				res = append(res, regexp.MustCompile(p.re.text))
			}
			b.Run(f.Name+"/regexp", func(b *testing.B) {
				b.SetBytes(int64(len(line)))
				b.ReportAllocs()
				for b.Loop() {
					for _, re := range res {
						if re.FindStringSubmatch(first) != nil {
							break
						}
					}
				}
			})
		}
	}
}
