//go:build linux

package testserver

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// jaegerConfig is a Jaeger of one process that keeps all in memory and takes OTLP over HTTP.
const jaegerConfig = `
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {receivers: [otlp], exporters: [jaeger_storage_exporter]}
  telemetry: {metrics: {level: none}, logs: {level: warn}}
extensions:
  jaeger_query:
    storage: {traces: memory}
    http: {endpoint: "127.0.0.1:%d"}
    grpc: {endpoint: "127.0.0.1:%d"}
  jaeger_storage: {backends: {memory: {memory: {max_traces: %d}}}}
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:%d"}}}
exporters:
  jaeger_storage_exporter: {trace_storage: memory}
`

// Jaeger starts one that keeps at most so many traces.
func Jaeger(t testing.TB, maxTraces int) *Server {
	t.Helper()
	return start(t, jaeger, "/api/services", []string{"http", "grpc", "otlp"}, func(dir string, port map[string]int) []string {
		file := filepath.Join(dir, "jaeger.yaml")
		if err := os.WriteFile(file, fmt.Appendf(nil, jaegerConfig, port["http"], port["grpc"], maxTraces, port["otlp"]), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"--config", file}
	})
}

// PushSpans gives spans in OTLP/JSON to a server that takes them.
func (s *Server) PushSpans(t testing.TB, otlp []byte) {
	t.Helper()
	post(t, fmt.Sprintf("http://127.0.0.1:%d/v1/traces", s.Ports["otlp"]), http.Header{"Content-Type": {"application/json"}}, otlp)
}
