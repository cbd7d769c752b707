package timeline

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// TestLeastByChance takes, of what was there each time, what is far rarer than all else.
func TestLeastByChance(t *testing.T) {
	a, b, c := operation{"GET", "/a"}, operation{"GET", "/b"}, operation{"GET", "/c"}
	for _, x := range []struct {
		name     string
		share    map[operation]float64
		inFlight []int
		want     operation
	}{
		{"one", map[operation]float64{a: 0.5}, []int{2, 3}, a},
		{"none", nil, []int{2, 3}, operation{}},
		{"alike", map[operation]float64{a: 0.5, b: 0.3}, []int{3, 3}, operation{}},
		{"far rarer", map[operation]float64{a: 0.5, b: 0.01, c: 0.4}, []int{3, 3}, b},
		{"rarer, of many", map[operation]float64{a: 0.5, b: 0.05}, []int{12, 12}, operation{}},
		{"not known", map[operation]float64{a: 1, b: 1}, []int{3, 3, 3}, operation{}},
	} {
		each := map[operation]bool{}
		for o := range maps.Keys(x.share) {
			each[o] = true
		}
		got, ok := leastByChance(each, x.inFlight, func(o operation) float64 { return x.share[o] })
		if !ok {
			got = operation{}
		}
		if got != x.want {
			t.Errorf("%s: got %v, want %v", x.name, got, x.want)
		}
	}
}

// TestShares weighs operations by how long they take: what is asked for seldom and takes long is in flight often.
func TestShares(t *testing.T) {
	c := &collector{events: map[Pos]*Event{}}
	add := func(n int, path string, took time.Duration) {
		for range n {
			e := &Event{Kind: ServerSpan, Service: "orders", StatusCode: 200, Duration: took}
			e.Attrs.Set("http.request.method", "GET")
			e.Attrs.Set("url.path", path)
			c.events[Pos{Offset: int64(len(c.events))}] = e
		}
	}
	if got := c.shares()(operation{"GET", "/a"}); got != 1 {
		t.Errorf("of nothing the share is %v, want 1", got)
	}
	add(80, "/a", 10*time.Millisecond)
	add(20, "/export/7", 160*time.Millisecond)
	share := c.shares()
	var got []string
	for _, path := range []string{"/a", "/export/{}", "/import"} {
		got = append(got, fmt.Sprintf("%.2f", share(operation{"GET", path})))
	}
	if want := []string{"0.20", "0.80", "0.04"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
