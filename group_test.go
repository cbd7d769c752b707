package correlate_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/rules"
	"github.com/correlatehq/correlate/timeline"
)

// TestGroups groups failures of one service by the error that it logged.
func TestGroups(t *testing.T) {
	at := func(message, file, function string, line int) *timeline.Exception {
		return &timeline.Exception{Type: "ValueError", Message: message, File: file, Function: function, Line: line}
	}
	for _, c := range []struct {
		name   string
		errors []*timeline.Exception
		want   []int // sizes of the groups
	}{
		{"one place, whatever the request was", []*timeline.Exception{at("no item 17", "/srv/a.py", "f", 3), at("no item 4", "/srv/a.py", "f", 3)}, []int{2}},
		{"two places", []*timeline.Exception{at("no item 17", "/srv/a.py", "f", 3), at("no item 4", "/srv/a.py", "g", 9), at("no item 5", "/srv/a.py", "g", 9)}, []int{2, 1}},
		{"one place on two hosts, in two versions", []*timeline.Exception{at("no item 17", "/srv/1/a.py", "f", 3), at("no item 4", "/srv/2/a.py", "f", 5)}, []int{2}},
		{"lines, where no function is known", []*timeline.Exception{at("no item 17", "/srv/a.py", "", 3), at("no item 4", "/srv/a.py", "", 9)}, []int{1, 1}},
		{"a line, of which one log tells the function too", []*timeline.Exception{at("no item 17", "/srv/a.py", "f", 3), at("no item 4", "/srv/a.py", "", 3)}, []int{2}},
		{"one place, by two errors", []*timeline.Exception{at("no item 17", "/srv/a.py", "f", 3), at("the list is empty", "/srv/a.py", "f", 3)}, []int{1, 1}},
		{"words alone", []*timeline.Exception{at("no such user ann", "", "", 0), at("no such user bob", "", "", 0), at("list is read-only", "", "", 0)}, []int{2, 1}},
		{"words after what was being done", []*timeline.Exception{at("search: index out of range [3]", "", "", 0), at("render: index out of range [4]", "", "", 0)}, []int{1, 1}},
		{"words that are half alike", []*timeline.Exception{at("cannot read order: no item [3]", "", "", 0), at("cannot render order: no item [4]", "", "", 0)}, []int{1, 1}},
		{"words of which one log has the type apart", []*timeline.Exception{at("the list has no item", "", "", 0), {Message: "ValueError: the list has no item"}}, []int{2}},
		{"no words", []*timeline.Exception{nil, nil, at("no item 17", "", "", 0)}, []int{2, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m memory
			for i, x := range c.errors {
				e := exchange(fmt.Sprintf("req-%d", i), i, 500, "/a")
				e.Exception = x
				m.events = append(m.events, e)
			}
			d, err := correlate.Batch(t.Context(), named(m), correlate.Options{Rules: rules.Builtin()})
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			for _, g := range d.Groups {
				got = append(got, len(g.Cases))
				if x := g.Cases[0].Verdict.Exception; x != nil && g.Error == "" {
					t.Errorf("a group has no error, want %q", x.Message)
				}
			}
			slices.SortFunc(got, func(a, b int) int { return b - a })
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}
