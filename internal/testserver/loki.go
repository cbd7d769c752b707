//go:build linux

package testserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// lokiConfig is a Loki of one process that keeps all in files, for several tenants. It takes
// entries of any time, gives them at once, and tells nobody that it runs.
const lokiConfig = `
auth_enabled: true
analytics: {reporting_enabled: false}
server:
  http_listen_address: 127.0.0.1
  http_listen_port: %d
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: %d
  log_level: warn
common:
  instance_addr: 127.0.0.1
  path_prefix: %s
  replication_factor: 1
  ring: {kvstore: {store: inmemory}}
  storage: {filesystem: {chunks_directory: %[3]s/chunks, rules_directory: %[3]s/rules}}
schema_config:
  configs:
    - {from: 2020-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {prefix: index_, period: 24h}}
querier: {query_ingesters_within: 0s}
ingester:
  query_store_max_look_back_period: 876000h
  lifecycler: {min_ready_duration: 0s}
limits_config:
  reject_old_samples: false
  creation_grace_period: 876000h
  ingestion_rate_mb: 1000
  ingestion_burst_size_mb: 1000
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
  max_entries_limit_per_query: %d
`

// Loki starts one that gives at most so many entries in an answer; 0 is its own default.
func Loki(t testing.TB, maxEntries int) *Server {
	t.Helper()
	if maxEntries == 0 {
		maxEntries = 5000
	}
	return start(t, loki, "/ready", []string{"http", "grpc"}, func(dir string, port map[string]int) []string {
		file := filepath.Join(dir, "loki.yaml")
		if err := os.WriteFile(file, fmt.Appendf(nil, lokiConfig, port["http"], port["grpc"], dir, maxEntries), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"-config.file=" + file, "-target=all"}
	})
}

// A LokiStream is what has the same labels.
type LokiStream struct {
	Labels  map[string]string
	Entries []LokiEntry
}

// A LokiEntry is a line at a time in Unix nanoseconds, with structured metadata if there is any.
type LokiEntry struct {
	At       int64
	Line     string
	Metadata map[string]string
}

// PushLoki gives streams to a Loki, for a tenant.
func (s *Server) PushLoki(t testing.TB, tenant string, streams ...LokiStream) {
	t.Helper()
	const most = 2000 // entries of one request
	for _, st := range streams {
		for len(st.Entries) > 0 {
			n := min(most, len(st.Entries))
			values := make([][]any, n)
			for i, e := range st.Entries[:n] {
				values[i] = []any{strconv.FormatInt(e.At, 10), e.Line}
				if e.Metadata != nil {
					values[i] = append(values[i], e.Metadata)
				}
			}
			st.Entries = st.Entries[n:]
			var body bytes.Buffer
			enc := json.NewEncoder(&body)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(map[string]any{"streams": []any{map[string]any{"stream": st.Labels, "values": values}}}); err != nil {
				t.Fatal(err)
			}
			post(t, s.URL+"/loki/api/v1/push", http.Header{"Content-Type": {"application/json"}, "X-Scope-Orgid": {tenant}}, body.Bytes())
		}
	}
}
