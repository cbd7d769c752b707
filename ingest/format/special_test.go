package format

import (
	"strings"
	"testing"

	"github.com/correlatehq/correlate/timeline"
)

// TestSpecialGuest says that a record is read by the most special format of its stream,
// whichever most of the stream is in.
func TestSpecialGuest(t *testing.T) {
	in := `{"level":"info","ts":1772366400.5,"msg":"serving initial configuration"}
{"level":"info","ts":1772366401.5,"logger":"tls","msg":"cleaning storage unit"}
{"level":"info","ts":1772366402.5,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"198.51.100.7","method":"GET","uri":"/a"},"duration":0.1,"status":200}
{"level":"info","ts":1772366403.5,"logger":"jobs","msg":"done"}
{"level":"info","ts":1772366404.5,"logger":"tls","msg":"finished cleaning storage units"}
`
	r, err := Builtin().NewReader(strings.NewReader(in), Options{Reference: testReference})
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
	if s, want := strings.Join(got, " "), "caddy_log caddy_log caddy_access zap_json caddy_log"; s != want {
		t.Errorf("read by %s, want %s", s, want)
	}
}
