package timeline

import (
	"slices"
	"testing"
	"time"
)

// TestVoteCoarse: what wrote its stamps in whole seconds fits everywhere, but who called whom is told by what was measured finely, and nobody
// calls who called it.
func TestVoteCoarse(t *testing.T) {
	var book *EndpointBook
	for range 2 {
		votes := newBookDraft(map[place]bool{{"edge", "e1"}: true, {"lb", "l1"}: true}, listeners{})
		for range 5 {
			events := parseEvents(t, `
				edge e1 server 10:00:01.000 dur=0s status=200 rid=a call=198.51.100.10:443,200,complete,155ms
				lb l1 server 10:00:01.000 dur=20ms status=200 rid=a call=be_web/web1,200,complete,19ms`)
			d := &draft{builder: &builder{}}
			for _, e := range events {
				if e.Service == "edge" {
					e.Stamp.Resolution, e.Stamp.DurationResolution = time.Second, time.Second
				}
				d.events = append(d.events, &Joined{Event: e})
			}
			d.makeHops()
			d.makeCalls()
			votes.vote(d.hops, d.calls, book)
		}
		book = votes.book()
	}
	want := []Endpoint{{Peer: "198.51.100.10:443", Service: "lb", Host: "l1", Seen: 5}}
	if !slices.Equal(book.Endpoints, want) {
		t.Errorf("got %+v, want %+v", book.Endpoints, want)
	}
}
