package timeline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestStandsFor draws from a population of which the size is known: requests of one to six records in up to three streams, of which one writes an ID that
// hashes to something else. However many chances a request has, the estimate of how many there are is right in the mean, and its error is.
func TestStandsFor(t *testing.T) {
	const requests, rounds = 3000, 200
	rnd := rand.New(rand.NewPCG(3, 5))
	var population [][]*Event
	streams := map[string]int{}
	few := 0 // those that one stream alone tells of
	for i := range requests {
		var events []*Event
		add := func(service, key string) {
			events = append(events, &Event{Service: service, Host: service, Pos: Pos{Source: "s", Path: service, Offset: int64(streams[service])},
				Keys: []Key{{Name: KeyRequestID, Value: fmt.Sprintf("%s-%d", key, i)}}})
			streams[service]++
		}
		add("edge", "r")
		if i%3 > 0 {
			add("app", "r")
			for range i % 4 {
				add("app", "r")
			}
			if i%5 == 0 {
				add("db", "other")
			}
		} else {
			few++
		}
		population = append(population, events)
	}
	chance := map[string]float64{"edge": 0.05, "app": 0.1, "db": 0.3}
	inside, sum, sumFew := 0, 0.0, 0.0
	for range rounds {
		d := newDraws()
		threshold := uint64(math.MaxUint64)
		for p := range chance {
			d.chosen[place{p, p}] = choice{threshold / 2, 2} // half of what was drawn is read
		}
		salt := rnd.Uint64()
		for _, events := range population {
			for _, e := range events {
				if rnd.Float64() < chance[e.Service] {
					e.Drawn = Draw{Stream: e.Service, Of: 100 / chance[e.Service], Searched: 100}
					d.add(e)
					at := d.events[spot(e)]
					at.hash = (at.hash ^ salt) * 0x9E3779B97F4A7C15 // another half in each round
					d.events[spot(e)] = at
				}
			}
		}
		var all, one Tally
		for i, events := range population {
			if w := d.standsFor(events); w > 0 {
				all.Add(w)
				if i%3 == 0 {
					one.Add(w)
				}
			}
		}
		e := all.Estimate()
		sum += e.N
		sumFew += one.Estimate().N
		if math.Abs(e.N-requests) <= e.Error {
			inside++
		}
		if n := all.Effective(); n > float64(requests) || n < 50 {
			t.Fatalf("an effective size of %.0f", n)
		}
	}
	if mean := sum / rounds; math.Abs(mean/requests-1) > 0.03 {
		t.Errorf("the estimates are %.0f in the mean, want %d", mean, requests)
	}
	if mean := sumFew / rounds; math.Abs(mean/float64(few)-1) > 0.03 {
		t.Errorf("the estimates of those of one stream are %.0f in the mean, want %d", mean, few)
	}
	if inside < rounds*88/100 {
		t.Errorf("%d of %d estimates are within their error of the truth, want 95 of 100", inside, rounds)
	}
}

func TestStandsForNothing(t *testing.T) {
	d := newDraws()
	e := &Event{Keys: []Key{{Name: KeyRequestID, Value: "a"}}}
	if w := d.standsFor([]*Event{e}); w != 0 {
		t.Errorf("what was not drawn stands for %v", w)
	}
	d.add(e) // of a source that does not tell
	if len(d.streams) != 0 {
		t.Error("a draw that nobody told of was noted")
	}
}
