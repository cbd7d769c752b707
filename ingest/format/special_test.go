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

// TestTracebacksUnderTheHead: the lines of a traceback of which each bears the head of the log's lines belong to the record before, so that a log of many errors
// is read by its own format and not by one that reads them one by one.
func TestTracebacksUnderTheHead(t *testing.T) {
	head := "2026-03-01 12:00:07.655 7 "
	access := head + `INFO nova.api.openstack.requestlog [None req-5d0c7a52-1b3e-4f5a-9d7e-0a1b2c3d4e5f u p - - default default] 10.0.0.9 "GET /v2.1/flavors" status: 500 len: 15 microversion: 2.1 time: 0.012345` + "\n"
	trace := head + "ERROR nova.api.openstack.wsgi [None req-5d0c7a52-1b3e-4f5a-9d7e-0a1b2c3d4e5f u p - - default default] Unexpected exception in API method: KeyError: '7'\n"
	for _, l := range []string{"Traceback (most recent call last):", `  File "/srv/nova/api/servers.py", line 63, in show`, `    return flavors["7"]`, "KeyError: '7'", ""} {
		trace += head + "ERROR nova.api.openstack.wsgi " + l + "\n"
	}
	thrown := head + "INFO nova.api.openstack.wsgi [None req-5d0c7a52-1b3e-4f5a-9d7e-0a1b2c3d4e5f u p - - default default] HTTP exception thrown: Unexpected API Error.\n<class 'KeyError'>\n"
	if det := Builtin().Detect([]byte(strings.Repeat(access+trace+thrown, 9))); det.Format == nil || det.Format.Name != "openstack" {
		t.Errorf("read by %v, want openstack", det.Format)
	}
}
