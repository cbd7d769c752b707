package rules

import (
	"slices"
	"testing"

	"github.com/correlatehq/correlate/timeline"
)

// What is kept of events seen before is what is found in them anew, however alike they are.
func TestSightsAreFound(t *testing.T) {
	table := newSignalTable(Builtin().signals.all)
	var by eye
	some, kept := 0, 0
	for _, text := range texts(table) {
		for _, e := range []timeline.Event{
			{System: "nginx", Body: text},
			{System: "nginx", Role: timeline.RoleGateway, Body: text},
			{System: "nginx", Role: timeline.RoleGateway, Exception: &timeline.Exception{Type: text}},
			{System: "java", Exception: &timeline.Exception{Message: text}},
			{System: "java", Exception: &timeline.Exception{Type: text, Message: text}},
			{System: "haproxy", Role: timeline.RoleProxy, Attrs: timeline.Attrs{{Name: "haproxy.termination_state", Value: text}}},
			{System: "envoy", Role: timeline.RoleProxy, StatusCode: 503, Attrs: timeline.Attrs{{Name: "envoy.response_flags", Value: text}}},
			{System: "envoy", Role: timeline.RoleProxy, StatusCode: 504, Attrs: timeline.Attrs{{Name: "envoy.response_flags", Value: text}}},
			{System: "nobody's", Body: text, StatusCode: 500},
		} {
			want := table.find(&e)
			some += len(want)
			for range 3 {
				got := table.see(&e, eventText(&e), &by)
				if !slices.Equal(got.signals, want) || !slices.Equal(got.meaning, narrowest(want)) {
					t.Fatalf("%+v: saw %d signals, found %d", e, len(got.signals), len(want))
				}
				if got.of != "" {
					kept++
				}
			}
		}
	}
	if some < len(table.all) || kept == 0 {
		t.Errorf("only %d matches in all, of %d events that were kept", some, kept)
	}
}
