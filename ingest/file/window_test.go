package file

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/timeline"
)

// TestWindowsAgreeWithMatch compares the joined windows with each window by itself.
func TestWindowsAgreeWithMatch(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	for round := range 300 {
		var near []*timeline.Window
		for range rng.IntN(12) {
			from := rng.IntN(60)
			near = append(near, &timeline.Window{Host: []string{"", "a", "b"}[rng.IntN(3)], From: at(from), To: at(from + rng.IntN(8) - 1)})
		}
		w := newWindows(near)
		for s := range 70 {
			for _, host := range []string{"a", "b", "c"} {
				e := &timeline.Event{Host: host, Time: at(s)}
				want := false
				for _, n := range near {
					want = want || n.Match(e)
				}
				if got := w.match(e); got != want {
					t.Fatalf("round %d: %v on %s matches %v: %v, want %v", round, s, host, near, got, want)
				}
			}
		}
	}
}

// TestWindowsAfterAWholePass reads windows of a stream whose clock was set back, with
// the index that an earlier pass left and without it.
func TestWindowsAfterAWholePass(t *testing.T) {
	var log strings.Builder
	pad := strings.Repeat("x", 400)
	for i := range 3500 { // over a mebibyte
		s := i
		if i > 3000 {
			s = i - 1000
		}
		log.WriteString(text(s, "INFO", fmt.Sprintf("line %d %s", i, pad)))
	}
	dir := tree(t, map[string]string{"app-1/orders.log": log.String(), "app-2/orders.log": text(1, "INFO", "other")})
	window := func(host string, from, to int) timeline.Want {
		at := func(s int) time.Time { return time.Date(2026, 3, 1, 12, 0, s, 0, time.UTC) }
		return timeline.Want{Near: &timeline.Window{Host: host, From: at(from), To: at(to)}}
	}
	for _, wants := range [][]timeline.Want{
		{window("app-1", 2100, 2103)},
		{window("app-1", 0, 1), window("app-1", 2990, 3100), window("app-2", 0, 10)},
		{window("", 1, 2)},
		{window("app-3", 0, 9999)},
	} {
		fresh := open(t, ingest.Config{}, dir)
		without, _ := read(t, fresh, wants...)
		used := open(t, ingest.Config{}, dir)
		for _, err := range used.Events(context.Background(), timeline.Filter{Any: []timeline.Want{{Lifecycle: true}}}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(used.streams[0].parts[0].index.ranges) < 4 {
			t.Fatalf("the whole pass left an index of %d stretches", len(used.streams[0].parts[0].index.ranges))
		}
		with, _ := read(t, used, wants...)
		if d := cmp.Diff(without, with); d != "" {
			t.Errorf("with an index (-without +with):\n%s", d)
		}
		if wants[0].Near.Host == "app-1" && wants[0].Near.From.Minute() == 35 && len(with) != 6 {
			t.Errorf("%d records in a window that the clock passed twice, want 6", len(with))
		}
	}
}
