package timeline

import "testing"

// TestPos says how places are printed, and that no two places compare equal.
func TestPos(t *testing.T) {
	at := []Pos{
		{Path: "a.json"}, {Path: "a.json", Item: 2}, {Path: "a.json", Offset: 9}, {Path: "a.json", Offset: 9, Item: 2}, {Path: "a.json", Offset: 9, Item: 3},
		{Path: "a.json", Offset: 12, Line: 7}, {Path: "a.json", Offset: 12, Line: 7, Item: 10}, {Path: "i", Doc: "d"}, {Path: "i", Doc: "d", Item: 2},
	}
	want := []string{"a.json", "a.json#2", "a.json@9", "a.json@9#2", "a.json@9#3", "a.json:7", "a.json:7#10", "i/d", "i/d#2"}
	for i, p := range at {
		if got := p.String(); got != want[i] {
			t.Errorf("%#v prints as %q, want %q", p, got, want[i])
		}
		for j, q := range at {
			if c := p.Compare(q); c < 0 != (i < j) || c > 0 != (i > j) {
				t.Errorf("%s compared with %s is %d", p, q, c)
			}
		}
	}
}
