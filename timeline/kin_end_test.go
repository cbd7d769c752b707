package timeline

import (
	"testing"
	"time"
)

// TestEndsOfTwoSets: a record without ID that was found to be of a request is that one's end, whichever of the two is looked at first.
func TestEndsOfTwoSets(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	exchange := func(service string, offset int64, keys ...Key) *Event {
		e := &Event{Kind: ServerSpan, Service: service, Host: service, Time: at, Duration: time.Second, StatusCode: 502, Keys: keys,
			Pos: Pos{Source: "logs", Path: service + ".log", Offset: offset}}
		e.Stamp = Stamp{Meaning: End, Resolution: time.Millisecond, DurationResolution: time.Millisecond}
		return e
	}
	edge := exchange("edge", 1, Key{Name: KeyRequestID, Value: "8f3a5c1e9b7d4f60", Strength: Identity})
	lone := exchange("lb", 2)
	set := edge.Keys[0].Form()
	for range 20 {
		c := &collector{
			graph: newAliasGraph(), lim: Limits{}.WithDefaults(), wanted: map[string]bool{set: true}, book: &EndpointBook{}, clocks: newClockFit().fit(), absorbed: map[string]string{},
			sorted: map[string][]*Event{set: {edge}, loneSet(lone): {lone}},
			extra:  map[string][]Joined{set: {{Event: lone, Join: ByInferred, Candidates: 1}}},
		}
		for _, x := range c.ends() {
			if x.set != set {
				t.Fatalf("the exchange of %s is of %q, want %q", x.at.service, x.set, set)
			}
		}
	}
}
