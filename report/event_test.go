package report

import (
	"strings"
	"testing"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// TestEventJSONL says that a record is written with all its keys, also those of one name, and with its calls.
func TestEventJSONL(t *testing.T) {
	e := &timeline.Event{
		Keys: []timeline.Key{{Name: "trace_id", Value: "a"}, {Name: "trace_id", Value: "b"}, {Name: "process.pid", Value: "7"}, {Name: "trace_id", Value: "a"}},
		Calls: []timeline.Outcall{
			{Peer: "10.0.0.5:80", Status: 502, OwnMade: true, Ended: timeline.Refused, Error: "connect() failed"},
			{Peer: "10.0.0.6:80", Method: "GET", Target: "/o", Status: 200, Connect: time.Millisecond, Duration: 3 * time.Millisecond, Timed: true},
		},
	}
	var b strings.Builder
	if err := EventJSONL(&b, e); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"keys":{"trace_id":["a","b"],"process.pid":"7"}`,
		`"calls":[{"peer":"10.0.0.5:80","status":502,"own_made":true,"ended":"refused","error":"connect() failed"},{"peer":"10.0.0.6:80","method":"GET","target":"/o","status":200,"connect_ms":1,"duration_ms":3}]`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s is not in %s", want, b.String())
		}
	}
}
