package format

import (
	"cmp"
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// benchFormats are those in which most lines of a day are written, and some of each decoder.
var benchFormats = []string{
	"nginx_combined", "nginx_access", "combined_log", "haproxy_http", "envoy_json", "envoy_access", "json_lines", "slog_json", "pino_json", "ecs_json",
	"logfmt", "nginx_error", "java_log", "python_logging", "aws_alb", "iis_w3c", "postgresql_csv", "otlp_json",
}

// benchLines are ordinary lines of the hot formats, with the headers of a browser, where the
// samples are short or odd.
var benchLines = map[string]string{
	"nginx_access":   `198.51.100.7 - - [01/Mar/2026:12:00:07 +0000] "POST /api/orders?dry=1 HTTP/1.1" 200 112 "https://shop.example/cart/checkout" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36" rt=0.041 uct="0.001" uht="0.040" urt="0.041" ua="10.0.0.5:8080" us="200" rid=8f3a5c1e9b7d4f60a1b2c3d4e5f60718`,
	"nginx_combined": `198.51.100.7 - - [01/Mar/2026:12:00:07 +0000] "POST /api/orders?dry=1 HTTP/1.1" 200 112 "https://shop.example/cart/checkout" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"`,
	"combined_log":   `198.51.100.7 - - [01/Mar/2026:12:00:07 +0000] "POST /api/orders?dry=1 HTTP/1.1" 200 112 "https://shop.example/cart/checkout" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"`,
	"haproxy_http":   `198.51.100.7:33317 [01/Mar/2026:12:00:07.655] fe_shop be_orders/app-1 0/0/1/39/40 200 612 - - ---- 12/12/3/1/0 0/0 {8f3a5c1e9b7d4f60a1b2c3d4e5f60718|shop.example|Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36} "POST /api/orders?dry=1 HTTP/1.1"`,
	"slog_json":      `{"time":"2026-03-01T12:00:07.655123456Z","level":"INFO","msg":"request finished","service":"orders","request_id":"8f3a5c1e9b7d4f60a1b2c3d4e5f60718","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","method":"POST","path":"/api/orders","status":200,"duration_ms":12.3}`,
	"json_lines":     `{"@timestamp":"2026-03-01T12:00:07.655Z","level":"info","message":"stock read for order","service":"inventory","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","sku":"A-77","warehouse":"north","n":4}`,
	"logfmt":         `ts=2026-03-01T12:00:07.655Z level=info msg="stock read for order" service=inventory trace_id=4bf92f3577b34da6a3ce929d0e0e4736 sku=A-77 warehouse=north n=4`,
}

// perCore times what is done with one record on one core. Beside the time by the wall it tells what a machine that does other work
// too tells nearly alike: how many bytes a second of CPU time reads, the collection of garbage in it, and how many the
// fastest stretch of records read in a second, in which nothing came between.
func perCore(b *testing.B, rec []byte, do func()) {
	const stretch = 64
	b.SetBytes(int64(len(rec)))
	b.ReportAllocs()
	before, n, best := cpuTime(b), 0, time.Duration(math.MaxInt64)
	start := time.Now()
	for b.Loop() {
		do()
		if n++; n%stretch == 0 {
			now := time.Now()
			best, start = min(best, now.Sub(start)), now
		}
	}
	if t := cpuTime(b) - before; t > 0 {
		b.ReportMetric(float64(n)*float64(len(rec))/1e6/t.Seconds(), "MB/cpu-s")
	}
	if n >= stretch {
		b.ReportMetric(stretch*float64(len(rec))/1e6/best.Seconds(), "MB/s-best")
	}
}

// cpuTime is what the process has taken of all CPUs.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
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

// BenchmarkDecode reads a line of each format whole, beside what a program
// without this package would do: encoding/json into a map, or package regexp with the
// same pattern, without any further reading of what stands in the fields. rejected is the
// reading of lines that are in another format.
func BenchmarkDecode(b *testing.B) {
	other := []byte(`Mar  1 12:00:07 lb-1 kernel: [12345.678901] eth0: link becomes ready`)
	for _, f := range formatsToBench(b) {
		line := []byte(cmp.Or(benchLines[f.Name], f.Samples()[0].Line))
		d := newDecoding(sampleReference, nil)
		if !d.decode(f.c, line) {
			b.Fatal(f.Name)
		}
		b.Run(f.Name+"/decode", func(b *testing.B) {
			perCore(b, line, func() { d.decode(f.c, line) })
		})
		b.Run(f.Name+"/rejected", func(b *testing.B) {
			perCore(b, other, func() { d.decode(f.c, other) })
		})
		switch f.c.decoder {
		case jsonDecoder:
			b.Run(f.Name+"/encoding_json", func(b *testing.B) {
				perCore(b, line, func() {
					var m map[string]any
					if err := json.Unmarshal(line, &m); err != nil {
						b.Fatal(err)
					}
				})
			})
		case regexpDecoder:
			first, _, _ := strings.Cut(string(line), "\n")
			var res []*regexp.Regexp
			for _, p := range f.c.patterns {
				res = append(res, regexp.MustCompile(p.re.text))
			}
			b.Run(f.Name+"/regexp", func(b *testing.B) {
				perCore(b, line, func() {
					for _, re := range res {
						if re.FindStringSubmatch(first) != nil {
							break
						}
					}
				})
			})
		}
	}
}
