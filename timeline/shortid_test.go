package timeline

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestParts(t *testing.T) {
	for _, c := range []struct {
		raw  string
		want []string
	}{
		{"2026-11-25 09:00:01,317 - shop.api - INFO - [1027c4d1] GET /a/131", []string{" - [|1027c4d1"}},
		{`{"request_id":"1027c4d1","at":"12:00"}`, []string{`request_id":"|1027c4d1`}},
		{"cid=AA2CA1AF-6A10-7B75-677F-6CBDCC22AF58 done", nil}, // of a whole ID
		{"id=1027c4d1c386bbc4cd613e30d8f16adf worker-7", nil},  // a whole one
		{"deadbeef rid=abc12", nil}, // no digit; too short
	} {
		var got []string
		parts([]byte(c.raw), nil, func(token, before string) { got = append(got, before+"|"+token) })
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.raw, got, c.want)
		}
	}
}

// TestTells: digits of random IDs tell them apart, those of the time do not, which begin a UUID of version 7.
func TestTells(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random, timed, few := newPartIndex(), newPartIndex(), newPartIndex()
	for i := range 200 {
		k := Key{Name: KeyRequestID, Value: fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())}
		if random.add(k); i < 8 {
			few.add(k)
		}
		timed.add(Key{Name: KeyRequestID, Value: fmt.Sprintf("%012x7%03x%016x", 1764061200000+i*60_000, r.IntN(1<<12), r.Uint64()>>2|1<<63)})
	}
	for _, c := range []struct {
		what string
		x    *partIndex
		n    int
		last bool
		want bool
	}{
		{"random", random, 8, false, true},
		{"random", random, 7, false, true},
		{"random", random, 6, false, false},
		{"random", random, 12, true, true},
		{"too few of them", few, 8, false, false},
		{"version 7, over hours", timed, 8, false, false},
		{"version 7, over hours", timed, 8, true, true},
	} {
		if got := c.x.tells(32, c.n, c.last); got != c.want {
			t.Errorf("%s, %d characters, last %v: %v, want %v", c.what, c.n, c.last, got, c.want)
		}
	}
}

// TestLearnShortPlaces: a place is where several requests' IDs are shortened; what stands elsewhere, or of too few, is none.
func TestLearnShortPlaces(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := newPartIndex()
	var records []*Event
	for i := range 40 {
		id := fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
		x.add(Key{Name: KeyRequestID, Value: id})
		if i < 3*shortShown {
			raw := "[1" + id[1:8] + "] failed" // of no request
			if i < shortShown {
				raw = "[" + id[:8] + "] failed"
			} else if i < 2*shortShown-1 {
				raw = "again: " + id[:8]
			}
			records = append(records, &Event{Service: "api", Raw: []byte(raw)}, &Event{Service: "orders", Raw: []byte("rid=" + id[24:])},
				&Event{Service: "pay", Raw: []byte("rid=" + id[24:]), Keys: []Key{{Name: KeyRequestID, Value: id}}}) // has the whole one
		}
	}
	got := learnShortPlaces(x, records)
	want := shortPlaces{{"api", "[", 8, false}: true, {"orders", "rid=", 8, true}: true}
	if len(got) != len(want) || !got[shortPlace{"api", "[", 8, false}] || !got[shortPlace{"orders", "rid=", 8, true}] {
		t.Errorf("%v, want %v", got, want)
	}
	for raw, named := range map[string]bool{"[0f0f0f0f] failed": true, "again: 0f0f0f0f": false, "[0f0f0f] failed": false} {
		if got.named(&Event{Service: "api", Raw: []byte(raw)}) != named {
			t.Errorf("%s: not %v", raw, named)
		}
	}
}
