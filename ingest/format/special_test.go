package format

import (
	"strings"
	"testing"

	"github.com/correlatehq/correlate/timeline"
)

// TestSpecialGuest says that a record is read by the most special format of its stream,
// whichever most of the stream is in.
func TestSpecialGuest(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"level":"info","ts":1772366400.5,"msg":"serving initial configuration"}
{"level":"info","ts":1772366401.5,"logger":"tls","msg":"cleaning storage unit"}
{"level":"info","ts":1772366402.5,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"198.51.100.7","method":"GET","uri":"/a"},"duration":0.1,"status":200}
{"level":"info","ts":1772366403.5,"logger":"jobs","msg":"done"}
{"level":"info","ts":1772366404.5,"logger":"tls","msg":"finished cleaning storage units"}
`, "caddy_log caddy_log caddy_access zap_json caddy_log"},
		// Three formats of one stream, all of whose lines a general one reads too.
		{"2026-03-01T12:00:07.547181Z\tinfo\tEnvoy proxy is ready\n" +
			`[2026-03-01T12:00:08.310Z] "GET /a HTTP/2" 503 UH no_healthy_upstream - "-" 0 19 0 - "-" "-" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "shop.example" "-" outbound|80||shop - 10.0.0.2:80 10.0.0.9:4444 - default` + "\n" +
			"2026-03-01T12:00:09.655123Z\twarning\tenvoy config source/grpc_stream.h:163\tgRPC config stream closed: 14\tthread=17\n", "istio_agent istio_access envoy_log"},
	} {
		r, err := Builtin().NewReader(strings.NewReader(c.in), Options{Reference: testReference})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for {
			rec, err := r.Next()
			if err != nil {
				break
			}
			if err := r.Decode(rec, func(e *timeline.Event) bool {
				got = append(got, e.Format)
				return true
			}); err != nil {
				t.Fatal(err)
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("read by %s, want %s", s, c.want)
		}
	}
}
