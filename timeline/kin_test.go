package timeline

import (
	"testing"
	"time"
)

// TestTwinZones: two logs of one service of the same exchanges, of which one writes its zone, tell by how much the other's stamps are ahead of
// UTC, if that is a zone and two logs stamp alike.
func TestTwinZones(t *testing.T) {
	access, own := bench{place{"orders", "app-1"}, "access.log"}, bench{place{"orders", "app-1"}, "orders.log"}
	const zoned, local = "app-1", "app-1" + localSuffix
	for _, c := range []struct {
		what         string
		upper, lower string // clocks
		twin         bool
		shift        *shift
		want         time.Duration
		none         bool
	}{
		{what: "an hour ahead", upper: local, lower: zoned, twin: true, shift: &shift{d: time.Hour + 40*time.Millisecond, exact: 10 * time.Millisecond}, want: time.Hour},
		{what: "the other way round", upper: zoned, lower: local, twin: true, shift: &shift{d: -time.Hour + 40*time.Millisecond, exact: 10 * time.Millisecond}, want: time.Hour},
		{what: "behind by a half", upper: local, lower: zoned, twin: true, shift: &shift{d: -210 * time.Minute}, want: -210 * time.Minute},
		{what: "UTC", upper: local, lower: zoned, twin: true, shift: &shift{d: 3 * time.Millisecond}, want: 0},
		{what: "by no zone", upper: local, lower: zoned, twin: true, shift: &shift{d: time.Hour + 7*time.Minute}, none: true},
		{what: "the same clock", upper: local, lower: local, twin: true, shift: &shift{d: time.Hour}, none: true},
		{what: "a caller and its callee", upper: local, lower: zoned, shift: &shift{d: time.Hour}, none: true},
		{what: "clocks that are known", upper: local, lower: zoned, twin: true, none: true},
	} {
		links := []*kinLink{{upper: own, lower: access, twin: c.twin, shift: c.shift}}
		got := twinZones(links, map[bench][]*end{own: {{clock: c.upper}}, access: {{clock: c.lower}}})
		if zone, ok := got["app-1"]; ok == c.none || zone != c.want {
			t.Errorf("%s: %v %v, want %v", c.what, zone, ok, c.want)
		}
	}
}
