package format

import (
	"testing"
	"testing/fstest"
)

// TestStrip says which fields of an object beside the message are read as those of the
// record: IDs and what is said of the exchange, but no other message or severity.
func TestStrip(t *testing.T) {
	_, err := Load(fstest.MapFS{"x.yaml": {Data: []byte(`doc: A logger with a context
system: x
role: app
decoder: json
require: {msg: ""}
time: {field: at.s, layout: unix, nanos: at.n, meaning: within}
strip: [mdc., _]
samples:
  - line: '{"at":{"n":655000,"s":1772366407},"msg":"a","level":"info","mdc":{"traceId":"4bf92f3577b34da6","message":"b","level":"error","user":"bo"},"_request_id":"8f3a5c1e9b7d"}'
    want: {time: "2026-03-01T12:00:07.000655Z", resolution: 1µs, body: a, severity_text: info, trace_id: 4bf92f3577b34da6, http.request.header.x-request-id: 8f3a5c1e9b7d, mdc.user: bo, mdc.message: b}
  - line: '{"at":{"n":655000000,"s":1772366407},"msg":"a"}'
    want: {time: "2026-03-01T12:00:07.655Z", resolution: 1ms}
  - line: '{"at":{"n":-1,"s":1772366407},"msg":"a"}'
    want: {time: "2026-03-01T12:00:07Z", resolution: 1s}
`)}})
	if err != nil {
		t.Error(err)
	}
}
