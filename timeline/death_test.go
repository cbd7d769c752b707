package timeline

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestPerfectKeepsTheOrder: what fits both ways is paired in order, and what fits one way alone has it.
func TestPerfectKeepsTheOrder(t *testing.T) {
	for _, c := range []struct {
		fits []string // of 0, 1, ...
		want string   // "" where not all can be paired
	}{
		{[]string{"ab", "ab"}, "ab"},
		{[]string{"abc", "abc", "abc"}, "abc"},
		{[]string{"ab", "a"}, "ba"},
		{[]string{"abc", "a", "abc"}, "bac"},
		{[]string{"ba", "ba"}, "ba"},
		{[]string{"a", "a"}, ""},
		{[]string{"", "a"}, ""},
		{[]string{"abcd", "bc", "b", "abcd"}, "acbd"},
	} {
		list := make([]int, len(c.fits))
		for i := range list {
			list[i] = i
		}
		got := ""
		if of := perfect(list, func(i int) []rune { return []rune(c.fits[i]) }); of != nil {
			for _, i := range list {
				got += string(of[i])
			}
		}
		if got != c.want {
			t.Errorf("%q are paired %q, want %q", c.fits, got, c.want)
		}
	}
}

// TestPerfectIsTheFirst holds the pairs against all that there are, of some made at random.
func TestPerfectIsTheFirst(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		n := 1 + rnd.IntN(5)
		fits := make([][]int, n)
		list := make([]int, n)
		for i := range fits {
			list[i] = i
			for b := range n {
				if rnd.IntN(2) == 0 {
					fits[i] = append(fits[i], b)
				}
			}
		}
		var first func(i int, used map[int]bool) []int
		first = func(i int, used map[int]bool) []int {
			if i == n {
				return []int{}
			}
			for _, b := range fits[i] {
				if used[b] {
					continue
				}
				used[b] = true
				if rest := first(i+1, used); rest != nil {
					return append([]int{b}, rest...)
				}
				delete(used, b)
			}
			return nil
		}
		var got []int
		if of := perfect(list, func(i int) []int { return fits[i] }); of != nil {
			for _, i := range list {
				got = append(got, of[i])
			}
		}
		if want := first(0, map[int]bool{}); !slices.Equal(got, want) {
			t.Fatalf("%v are paired %v, want %v", fits, got, want)
		}
	}
}

// TestAlikeInOrder: as many like records as requests are paired in the order of time, whatever the requests are called.
func TestAlikeInOrder(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var events []*Event
	var joins [][]inferred
	for i := range 3 {
		events = append(events, &Event{Service: "orders", Host: "app-1", Kind: LogRecord, Time: at.Add(time.Duration(2-i) * time.Millisecond), Exception: &Exception{Escaped: true}})
		var fits []inferred
		for k, set := range []string{"c", "a", "b"} { // over in this order
			fits = append(fits, inferred{set: set, candidates: 3, over: at.Add(time.Duration(k) * time.Millisecond)})
		}
		joins = append(joins, fits)
	}
	pairDeaths(events, joins)
	got := map[string]string{}
	for i := range joins {
		if len(joins[i]) == 1 && joins[i][0].candidates == 1 {
			got[fmt.Sprint(events[i].Time.Sub(at))] = joins[i][0].set
		}
	}
	if want := map[string]string{"0s": "c", "1ms": "a", "2ms": "b"}; !maps.Equal(got, want) {
		t.Errorf("paired %v, want %v", got, want)
	}
}
