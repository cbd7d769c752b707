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

// TestByReaching: who answers at a peer of which no durations tell is the one service that nine of ten exchanges were found at, on the host at which
// all of them were.
func TestByReaching(t *testing.T) {
	d := newBookDraft(nil, listeners{})
	for range 20 {
		d.reach(peerAt{peer: "be_web/web1"}, place{"web", "w1"})
		d.reach(peerAt{peer: "be_web/web2"}, place{"web", "w2"})
		d.reach(peerAt{peer: "be_other/x"}, place{"web", "w2"})
	}
	d.reach(peerAt{peer: "be_web/web2"}, place{"web", "w1"})
	d.reach(peerAt{peer: "be_web/web1"}, place{"shop", "s1"})
	for range 5 {
		d.reach(peerAt{peer: "be_other/x"}, place{"shop", "s1"})
	}
	want := []Endpoint{{Peer: "be_web/web1", Service: "web", Host: "w1", Seen: 20, Rivals: 1}, {Peer: "be_web/web2", Service: "web", Seen: 21}}
	if b := d.book(); !slices.Equal(b.Endpoints, want) {
		t.Errorf("got %+v, want %+v", b.Endpoints, want)
	}
}

// TestRankLinks: a log is told from the neighbour of another one by what IDs tie too.
func TestRankLinks(t *testing.T) {
	at := func(service string) bench { return bench{place: place{service, service + "-1"}} }
	far := &kinLink{upper: at("edge"), lower: at("web")}
	near := &kinLink{upper: at("lb"), lower: at("web")}
	links := []*kinLink{far, near}
	rankLinks(links, &EndpointBook{Edges: []Edge{{Caller: "edge", Callee: "lb", Calls: alikeLeast}}})
	if links[0] != near || near.depth != 1 || far.depth != 2 {
		t.Errorf("the first link is of %s, at a depth of %d; edge is %d from web", links[0].upper.service, near.depth, far.depth)
	}
}
