package rules

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/correlatehq/correlate/timeline"
)

// unshaped gives a set of the same rules that puts every rule to every hop anew.
func unshaped(s *Set) *Set {
	out := &Set{rules: s.rules, signals: s.signals}
	out.shapes.off = true
	return out
}

// A verdict is the same whether rules were put to a hop of its shape before or not.
func TestShapesChangeNoVerdict(t *testing.T) {
	set := &Set{rules: Builtin().rules, signals: Builtin().signals}
	plain := unshaped(set)
	for range 2 {
		hops := 0
		everyCase(t, func(of string, r *timeline.Request, near *timeline.Surroundings) {
			hops += len(r.Hops)
			got, err := set.Judge(t.Context(), r, near)
			if err != nil {
				t.Fatal(of, err)
			}
			want, err := plain.Judge(t.Context(), r, near)
			if err != nil {
				t.Fatal(of, err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: judged by shapes\n%+v\nwithout\n%+v", of, got, want)
			}
		})
		if made := set.shapes.made; made < 100 || made > hops/2 {
			t.Errorf("%d shapes of %d hops", made, hops)
		}
	}
}

// What is decided of a shape is what is found at each hop of it.
func TestShapesDecideAsRulesDo(t *testing.T) {
	set := &Set{rules: Builtin().rules, signals: Builtin().signals}
	left, all := 0, 0
	everyHop(t, func(of string, h *HopView) {
		at := &subject{hop: h}
		found, _ := set.shapes.of(set, at, nil)
		open := map[*rule]bool{}
		for _, r := range found.rules {
			open[r] = true
		}
		for _, r := range set.rules {
			if got := r.condition.cheaply(at); !open[r] && got != no {
				t.Errorf("%s: rule %s at %s cannot fire by its shape, and is %v", of, r.Name, h.Service, got)
			}
		}
		left, all = left+len(open), all+len(set.rules)
	})
	if left*4 > all {
		t.Errorf("of %d rules %d are left open", all, left)
	}
}

// What is kept of a hop tells all that the reads do that it takes the place of.
func TestKeptTellsWhatReadsDo(t *testing.T) {
	set := &Set{rules: Builtin().rules, signals: Builtin().signals}
	seen, compared := map[string]string{}, 0
	everyHop(t, func(of string, h *HopView) {
		at := &subject{hop: h}
		var read []byte
		for _, r := range set.reads() {
			if slices.Contains(kept, r.name) || h.FailedBy != nil && slices.Contains(keptOfCall, r.name) {
				read = r.write(at, read)
			}
		}
		key := string(appendKept(h, nil))
		if before, ok := seen[key]; ok {
			if compared++; before != string(read) {
				t.Errorf("%s: %s is kept like another hop of which rules read something else", of, h.Service)
			}
		}
		seen[key] = string(read)
	})
	if compared < 100 {
		t.Errorf("only %d hops were like one before", compared)
	}
}

// Failures that differ in IDs, words and times are of one shape; those that differ in a status or a signal are not.
func TestLikeFailuresAreOfOneShape(t *testing.T) {
	set := &Set{rules: Builtin().rules, signals: Builtin().signals}
	judge := func(hops string) int {
		t.Helper()
		r, near := parse(t, hops)
		if _, err := set.Judge(t.Context(), r, near); err != nil {
			t.Fatal(err)
		}
		return set.shapes.made
	}
	first := judge(alike(benchHops, 0))
	for i := range 50 {
		if n := judge(alike(benchHops, i)); n != first {
			t.Fatalf("%d shapes, of the first %d", n, first)
		}
	}
	if n := judge(strings.Replace(alike(benchHops, 1), "2ms +55.1ms 500", "2ms +55.1ms 503", 1)); n == first {
		t.Error("another status is of the same shape")
	}
	second := set.shapes.made
	if n := judge(strings.Replace(alike(benchHops, 1), "upstream prematurely closed connection while", "connect() failed (111: Connection refused) while", 1)); n == second {
		t.Error("another signal is of the same shape")
	}
}

// Of too many shapes all are forgotten, and what is judged stays the same.
func TestShapesAreBounded(t *testing.T) {
	set := &Set{rules: Builtin().rules, signals: Builtin().signals}
	for i := range shapesMost + 10 {
		set.shapes.keep([]byte(fmt.Sprint(i)), &shape{})
	}
	if len(set.shapes.known) != 10 || set.shapes.forgot != 1 || set.shapes.made != shapesMost+10 {
		t.Errorf("%d shapes are kept, %d were made, all were forgotten %d times", len(set.shapes.known), set.shapes.made, set.shapes.forgot)
	}
}
