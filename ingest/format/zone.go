package format

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A writtenZone is what a stamp says of its zone.
type writtenZone struct {
	offset int            // seconds east
	loc    *time.Location // instead of the offset: a zone by name, whose clock is set twice a year
	known  bool           // false: an abbreviation that several zones share
}

// parseZone reads what stands behind the clock: "Z", "+01:00", "+0100", "+01", an
// abbreviation, "Europe/Berlin", "[UTC]", and what some writers put behind an offset:
// "+01:00[Europe/Berlin]", "+0000 UTC m=+0.01", "GMT+0100 (CET)".
func parseZone(s string) (z writtenZone, ok bool) {
	if s == "" {
		return z, false
	}
	switch c := s[0]; {
	case (c == 'Z' || c == 'z') && (len(s) == 1 || s[1] == '['):
		return writtenZone{known: true}, len(s) == 1 || bracketed(s[1:])
	case c == '+' || c == '-':
		off, n := parseOffset(s)
		return writtenZone{offset: off, known: true}, n > 0 && afterOffset(s[n:])
	case c == '[':
		if !bracketed(s) {
			return z, false
		}
		return parseZone(s[1 : len(s)-1])
	}
	n := 0
	for n < len(s) && (s[n] >= 'A' && s[n] <= 'Z' || s[n] >= 'a' && s[n] <= 'z') {
		n++
	}
	if (s[:n] == "UTC" || s[:n] == "GMT") && n < len(s) && (s[n] == '+' || s[n] == '-') {
		off, m := parseOffset(s[n:])
		return writtenZone{offset: off, known: true}, m > 0 && afterOffset(s[n+m:])
	}
	if n == len(s) && n <= 5 && strings.ToUpper(s) == s {
		off, known := zoneOffset(s)
		return writtenZone{offset: off, known: known}, true
	}
	if loc := namedZone(s); loc != nil {
		return writtenZone{loc: loc, known: true}, true
	}
	return z, false
}

func bracketed(s string) bool { return len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' }

// parseOffset reads "+01:00", "+0100", "+01" or "+1"; n is how many bytes that are, 0 if
// it is none.
func parseOffset(s string) (off, n int) {
	if len(s) == 6 && s[3] == ':' { // what most write
		h, m := two(s[1], s[2]), two(s[4], s[5])
		if off = (h*60 + m) * 60; h < 0 || m < 0 || h > 18 || m > 59 {
			return 0, 0
		}
		if s[0] == '-' {
			off = -off
		}
		return off, 6
	}
	h, m := num(s, 1, 2), 0
	switch {
	case h < 0:
		if h = num(s, 1, 1); h < 0 {
			return 0, 0
		}
		n = 2
	case len(s) > 3 && s[3] == ':':
		m, n = num(s, 4, 2), 6
	case num(s, 3, 2) >= 0:
		m, n = num(s, 3, 2), 5
	default:
		n = 3
	}
	if h > 18 || m < 0 || m > 59 || n < len(s) && s[n] >= '0' && s[n] <= '9' {
		return 0, 0
	}
	off = (h*60 + m) * 60
	if s[0] == '-' {
		off = -off
	}
	return off, n
}

// afterOffset says whether s is what may follow an offset: a name of the same zone.
func afterOffset(s string) bool {
	if s == "" || bracketed(s) {
		return true
	}
	if s[0] != ' ' || len(s) > 64 {
		return false
	}
	s = s[1:]
	if i := strings.Index(s, " m=+"); i >= 0 {
		s = s[:i] // Go's monotonic clock
	}
	if len(s) > 2 && s[0] == '(' && s[len(s)-1] == ')' {
		return true
	}
	if s == "" || len(s) > 6 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < 'A' || c > 'Z') && (i > 0 || c != '+' && c != '-') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// fixedZones are the zones that logs write, by quarters of an hour from -18:00, so that
// reading one allocates nothing.
var fixedZones = func() (z [18*8 + 1]*time.Location) {
	for i := range z {
		z[i] = time.FixedZone("", (i-18*4)*900)
	}
	z[18*4] = time.UTC
	return z
}()

func fixedZone(off int) *time.Location {
	if i := off/900 + 18*4; off%900 == 0 && i >= 0 && i < len(fixedZones) {
		return fixedZones[i]
	}
	return time.FixedZone("", off)
}

// maxNamedZones bounds the names of zones that are remembered.
const maxNamedZones = 1024

var namedZones struct {
	sync.RWMutex
	by map[string]*time.Location // nil: there is no such zone
}

// namedZone gives a zone such as Europe/Berlin; nil if there is none of this name.
func namedZone(name string) *time.Location {
	if len(name) > 40 || !strings.Contains(name, "/") || name[0] < 'A' || name[0] > 'Z' || strings.Contains(name, ".") {
		return nil
	}
	namedZones.RLock()
	loc, ok := namedZones.by[name]
	full := len(namedZones.by) >= maxNamedZones
	namedZones.RUnlock()
	if ok || full {
		return loc
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		loc = nil
	}
	namedZones.Lock()
	defer namedZones.Unlock()
	if namedZones.by == nil {
		namedZones.by = map[string]*time.Location{}
	}
	namedZones.by[strings.Clone(name)] = loc
	return loc
}

// zoneOffset gives the offset of an abbreviation in seconds east. Those that several
// zones share (CST, IST, BST, AST, SST) are not known.
func zoneOffset(name string) (int, bool) {
	const h = 3600
	switch name {
	case "UTC", "GMT", "WET", "UCT":
		return 0, true
	case "CET", "WEST", "MET", "WAT":
		return 1 * h, true
	case "CEST", "MEST", "EET", "SAST", "CAT":
		return 2 * h, true
	case "EEST", "MSK", "EAT", "IDT", "TRT":
		return 3 * h, true
	case "PKT":
		return 5 * h, true
	case "NPT":
		return 5*h + 45*60, true
	case "WIB", "ICT":
		return 7 * h, true
	case "HKT", "SGT", "AWST", "WITA":
		return 8 * h, true
	case "JST", "KST", "WIT":
		return 9 * h, true
	case "ACST":
		return 9*h + 30*60, true
	case "AEST":
		return 10 * h, true
	case "ACDT":
		return 10*h + 30*60, true
	case "AEDT":
		return 11 * h, true
	case "NZST":
		return 12 * h, true
	case "NZDT":
		return 13 * h, true
	case "NDT":
		return -2*h - 30*60, true
	case "NST":
		return -3*h - 30*60, true
	case "BRT":
		return -3 * h, true
	case "EST", "CDT":
		return -5 * h, true
	case "EDT":
		return -4 * h, true
	case "MDT":
		return -6 * h, true
	case "MST", "PDT":
		return -7 * h, true
	case "PST", "AKDT":
		return -8 * h, true
	case "AKST":
		return -9 * h, true
	case "HST":
		return -10 * h, true
	}
	return 0, false
}

// A stretch is a time in which the clocks of a zone show each moment once and at one
// offset: from lo to before hi, as their walls show it, in seconds as if of UTC.
type stretch struct {
	loc    *time.Location
	lo, hi int64
	offset int64
}

// stretches are the last ones that were asked for, by a hash of the zone.
var stretches [16]atomic.Pointer[stretch]

// A moment is what a clock on the wall of a zone says: seconds since 1970.
type moment struct {
	unix int64
	// again is by how much later the wall showed the same once more: the clock was set
	// back. unix is the first of the two.
	again time.Duration
	// never says that the wall did not show it: the clock was set forward over it. unix
	// is read by the offset from before.
	never bool
}

// momentOf finds the moment at which the clocks of a zone show w: seconds as if of UTC.
func momentOf(loc *time.Location, w int64) moment {
	if loc == time.UTC {
		return moment{unix: w}
	}
	slot := &stretches[len(loc.String())%len(stretches)]
	if s := slot.Load(); s != nil && s.loc == loc && w >= s.lo && w < s.hi {
		return moment{unix: w - s.offset}
	}
	// The offset in force somewhere near; those of the neighbours beside it.
	_, o := time.Unix(w, 0).In(loc).Zone()
	t := time.Unix(w-int64(o), 0).In(loc)
	_, o = t.Zone()
	off := int64(o)
	start, end := t.ZoneBounds()
	before, after := off, off
	s := stretch{loc, -1 << 62, 1 << 62, off}
	if !start.IsZero() {
		_, o := start.Add(-1).Zone()
		before = int64(o)
		s.lo = start.Unix() + max(off, before)
	}
	if !end.IsZero() {
		_, o := end.Zone()
		after = int64(o)
		s.hi = end.Unix() + min(off, after)
	}
	if w >= s.lo && w < s.hi {
		slot.Store(&s)
		return moment{unix: w - off}
	}
	// Near a change: the clock shows w before it, after it, both times or never.
	change, was, is := start, before, off
	if w >= s.hi {
		change, was, is = end, off, after
	}
	first, second := w-was, w-is
	at := change.Unix()
	switch m := (moment{unix: first}); {
	case first < at && second >= at:
		m.again = time.Duration(second-first) * time.Second
		return m
	case first < at:
		return m
	case second >= at:
		return moment{unix: second}
	default:
		m.never = true
		return m
	}
}
