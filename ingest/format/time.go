package format

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// A layout is one way to write a stamp.
type layout struct {
	kind layoutKind
	text string // a layout of package time
	res  time.Duration
}

type layoutKind uint8

const (
	layoutISO    layoutKind = iota // 2026-03-01T12:00:00.123Z, also with a space, slashes, a comma, a zone's name, or no zone
	layoutCLF                      // 01/Mar/2026:12:00:00 +0000, also with a fraction or without zone
	layoutSyslog                   // Mar  1 12:00:00, without year and zone
	layoutEpoch                    // seconds, milli-, micro- or nanoseconds, by size
	layoutUnix                     // seconds, with or without a fraction
	layoutUnixMs                   // and so on
	layoutUnixUs
	layoutUnixNs
	layoutAuto // any of the above
	layoutGo
)

var layoutNames = map[string]layoutKind{
	"rfc3339": layoutISO, "iso8601": layoutISO, "clf": layoutCLF, "syslog": layoutSyslog, "epoch": layoutEpoch,
	"unix": layoutUnix, "unix_ms": layoutUnixMs, "unix_us": layoutUnixUs, "unix_ns": layoutUnixNs, "auto": layoutAuto,
}

// parseLayout reads the name of a layout, or a layout as package time writes it.
func parseLayout(s string) (layout, error) {
	if k, ok := layoutNames[s]; ok {
		return layout{kind: k}, nil
	}
	if !strings.ContainsAny(s, "0123456789") {
		return layout{}, fmt.Errorf("unknown layout %q: a name (rfc3339, iso8601, clf, syslog, epoch, unix, unix_ms, unix_us, unix_ns, auto) or a layout of Go's package time", s)
	}
	l := layout{kind: layoutGo, text: s, res: time.Second}
	if i := strings.Index(s, "05"); i >= 0 && i+2 < len(s) && (s[i+2] == '.' || s[i+2] == ',') {
		n := 0
		for _, c := range s[i+3:] {
			if c != '0' && c != '9' {
				break
			}
			n++
		}
		l.res = resolutionOf(n)
	}
	if !strings.Contains(s, "05") {
		l.res = time.Minute
	}
	return l, nil
}

// resolutionOf is the resolution of a stamp written with n digits after the second.
// Writers that drop trailing zeros write fewer than they have, so n is rounded up to
// the next of 3, 6 and 9: that is what clocks are read in.
func resolutionOf(n int) time.Duration {
	switch {
	case n == 0:
		return time.Second
	case n <= 3:
		return time.Millisecond
	case n <= 6:
		return time.Microsecond
	}
	return time.Nanosecond
}

// stamp is a parsed stamp.
type stamp struct {
	t    time.Time
	res  time.Duration
	zone timeline.ZoneSource
}

// addNanos adds the nanoseconds that a record writes apart from its seconds. The zeros
// at their end tell what the clock is read in.
func (st *stamp) addNanos(s string) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > 999_999_999 || st.res != time.Second {
		return
	}
	st.t = st.t.Add(time.Duration(n))
	switch {
	case n%1_000_000 == 0:
		st.res = time.Millisecond
	case n%1000 == 0:
		st.res = time.Microsecond
	default:
		st.res = time.Nanosecond
	}
}

// parseStamp reads s. loc is the zone of stamps that write none, nil if it is not
// known; ref is a time near that of the stamp, for stamps without a year.
func parseStamp(l layout, s string, loc *time.Location, ref time.Time) (stamp, bool) {
	switch l.kind {
	case layoutISO:
		return parseISO(s, loc)
	case layoutCLF:
		return parseCLF(s, loc)
	case layoutSyslog:
		return parseSyslog(s, loc, ref)
	case layoutUnix, layoutUnixMs, layoutUnixUs, layoutUnixNs, layoutEpoch:
		return parseEpoch(l.kind, s)
	case layoutAuto:
		if st, ok := parseISO(s, loc); ok {
			return st, true
		}
		if st, ok := parseEpoch(layoutEpoch, s); ok {
			return st, true
		}
		if st, ok := parseCLF(s, loc); ok {
			return st, true
		}
		return parseSyslog(s, loc, ref)
	}
	return parseGo(l, s, loc, ref)
}

func parseGo(l layout, s string, loc *time.Location, ref time.Time) (stamp, bool) {
	in := loc
	if in == nil {
		in = time.UTC
	}
	t, err := time.ParseInLocation(l.text, s, in)
	if err != nil {
		return stamp{}, false
	}
	st := stamp{t, l.res, unwritten(loc)}
	if strings.Contains(l.text, "07") || strings.Contains(l.text, "Z") {
		st.zone = timeline.ZoneWritten
	} else if strings.Contains(l.text, "MST") {
		name, _ := t.Zone()
		off, ok := zoneOffset(name)
		if ok {
			st.zone = timeline.ZoneWritten
		}
		if ok || loc == nil {
			st.t = wall(t, time.FixedZone(name, off))
		}
	}
	if t.Year() == 0 {
		st.t = withYear(t, ref)
	}
	return st, true
}

// wall gives the time with the same wall clock in loc.
func wall(t time.Time, loc *time.Location) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc)
}

func unwritten(loc *time.Location) timeline.ZoneSource {
	if loc != nil {
		return timeline.ZoneConfig
	}
	return timeline.ZoneUnknown
}

// num reads exactly n digits of s at i; -1 if they are none.
func num(s string, i, n int) int {
	if i+n > len(s) {
		return -1
	}
	v := 0
	for ; n > 0; n-- {
		c := s[i] - '0'
		if c > 9 {
			return -1
		}
		v = v*10 + int(c)
		i++
	}
	return v
}

// fraction reads ".123" or ",123" at i: nanoseconds, number of digits, what follows.
func fraction(s string, i int) (ns, digits, next int) {
	if i+1 >= len(s) || s[i] != '.' && s[i] != ',' || s[i+1] < '0' || s[i+1] > '9' {
		return 0, 0, i
	}
	i++
	scale := 100_000_000
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		ns += int(s[i]-'0') * scale
		scale /= 10
		digits++
		i++
	}
	return ns, digits, i
}

// clock reads "15:04:05" with or without a fraction at i.
func clock(s string, i int) (h, m, sec, ns, digits, next int, ok bool) {
	h, m, sec = num(s, i, 2), num(s, i+3, 2), num(s, i+6, 2)
	if h < 0 || h > 23 || m < 0 || m > 59 || sec < 0 || sec > 60 || s[i+2] != ':' || s[i+5] != ':' {
		return 0, 0, 0, 0, 0, 0, false
	}
	ns, digits, next = fraction(s, i+8)
	return h, m, sec, ns, digits, next, true
}

func parseISO(s string, loc *time.Location) (stamp, bool) {
	if len(s) < 19 || s[4] != '-' && s[4] != '/' || s[7] != s[4] || s[10] != 'T' && s[10] != ' ' && s[10] != 't' {
		return stamp{}, false
	}
	y, mo, day := num(s, 0, 4), num(s, 5, 2), num(s, 8, 2)
	h, m, sec, ns, digits, i, ok := clock(s, 11)
	if !ok || y < 0 {
		return stamp{}, false
	}
	return date(y, mo, day, h, m, sec, ns, digits, s[i:], loc)
}

func parseCLF(s string, loc *time.Location) (stamp, bool) {
	if len(s) < 20 || s[2] != '/' || s[6] != '/' || s[11] != ':' {
		return stamp{}, false
	}
	day, mo, y := num(s, 0, 2), monthOf(s[3:6]), num(s, 7, 4)
	h, m, sec, ns, digits, i, ok := clock(s, 12)
	if !ok || y < 0 {
		return stamp{}, false
	}
	return date(y, mo, day, h, m, sec, ns, digits, s[i:], loc)
}

func parseSyslog(s string, loc *time.Location, ref time.Time) (stamp, bool) {
	if len(s) < 15 || s[3] != ' ' || s[6] != ' ' {
		return stamp{}, false
	}
	mo, day := monthOf(s[:3]), num(s, 4, 2)
	if s[4] == ' ' {
		day = num(s, 5, 1)
	}
	h, m, sec, ns, digits, i, ok := clock(s, 7)
	if !ok || i != len(s) {
		return stamp{}, false
	}
	// 2000 is a leap year: the 29th of February stays for the year to be chosen.
	st, ok := date(2000, mo, day, h, m, sec, ns, digits, "", loc)
	if ok {
		st.t = withYear(st.t, ref)
	}
	return st, ok
}

// withYear gives t the year that brings it closest to ref, but not more than two
// days after it: a log's last stamp is about as old as its file.
func withYear(t, ref time.Time) time.Time {
	at := func(y int) time.Time {
		return time.Date(y, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
	}
	y := ref.Year()
	for _, c := range []int{y + 1, y, y - 1} {
		if u := at(c); u.Day() == t.Day() && !u.After(ref.Add(48*time.Hour)) {
			return u
		}
	}
	// The 29th of February and no leap year near: the last one before.
	for c := y - 1; c > y-9; c-- {
		if u := at(c); u.Day() == t.Day() {
			return u
		}
	}
	return at(y)
}

// date puts the parts together; rest is what follows the clock: a zone or nothing.
func date(y, mo, day, h, m, sec, ns, digits int, rest string, loc *time.Location) (stamp, bool) {
	if mo < 1 || mo > 12 || day < 1 || day > time.Date(y, time.Month(mo)+1, 0, 0, 0, 0, 0, time.UTC).Day() {
		return stamp{}, false
	}
	st := stamp{res: resolutionOf(digits)}
	in := loc
	if in == nil {
		in = time.UTC
	}
	st.zone = unwritten(loc)
	rest = strings.TrimPrefix(rest, " ")
	if rest != "" {
		z, written, ok := parseZone(rest)
		if !ok {
			return stamp{}, false
		}
		if written {
			in, st.zone = z, timeline.ZoneWritten
		}
	}
	st.t = time.Date(y, time.Month(mo), day, h, m, sec, ns, in)
	return st, true
}

// parseZone reads "Z", "+01:00", "+0100", "+01" or a zone's name. A name that
// several zones share is read but not taken for written.
func parseZone(s string) (loc *time.Location, written, ok bool) {
	switch {
	case s == "Z" || s == "z":
		return time.UTC, true, true
	case s[0] == '+' || s[0] == '-':
		h, m := num(s, 1, 2), 0
		switch {
		case len(s) == 6 && s[3] == ':':
			m = num(s, 4, 2)
		case len(s) == 5:
			m = num(s, 3, 2)
		case len(s) == 3:
		default:
			return nil, false, false
		}
		if h < 0 || h > 18 || m < 0 || m > 59 {
			return nil, false, false
		}
		off := (h*60 + m) * 60
		if s[0] == '-' {
			off = -off
		}
		return fixedZone(off), true, true
	}
	if len(s) > 5 {
		return nil, false, false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < 'A' || s[i] > 'Z' {
			return nil, false, false
		}
	}
	off, known := zoneOffset(s)
	return fixedZone(off), known, true
}

// fixedZones holds the zones that logs write, so that reading one allocates nothing.
var fixedZones = func() map[int]*time.Location {
	m := map[int]*time.Location{0: time.UTC}
	for q := -18 * 4; q <= 18*4; q++ {
		if off := q * 900; off != 0 {
			m[off] = time.FixedZone("", off)
		}
	}
	return m
}()

func fixedZone(off int) *time.Location {
	if l := fixedZones[off]; l != nil {
		return l
	}
	return time.FixedZone("", off)
}

// zoneOffset gives the offset of a zone's name in seconds east. Names that several
// zones share (CST, IST, BST, AST) are not known.
func zoneOffset(name string) (int, bool) {
	const h = 3600
	switch name {
	case "UTC", "GMT", "WET":
		return 0, true
	case "CET", "WEST":
		return 1 * h, true
	case "CEST", "EET":
		return 2 * h, true
	case "EEST", "MSK":
		return 3 * h, true
	case "JST", "KST":
		return 9 * h, true
	case "AEST":
		return 10 * h, true
	case "AEDT":
		return 11 * h, true
	case "EST", "CDT":
		return -5 * h, true
	case "EDT":
		return -4 * h, true
	case "MDT":
		return -6 * h, true
	case "MST", "PDT":
		return -7 * h, true
	case "PST":
		return -8 * h, true
	}
	return 0, false
}

func monthOf(s string) int {
	const names = "JanFebMarAprMayJunJulAugSepOctNovDec"
	if i := strings.Index(names, s); i >= 0 && i%3 == 0 && len(s) == 3 {
		return i/3 + 1
	}
	return 0
}

// parseEpoch reads seconds (or the unit of k) since 1970, with or without a fraction.
func parseEpoch(k layoutKind, s string) (stamp, bool) {
	if len(s) < 9 || len(s) > 40 || s[0] < '0' || s[0] > '9' {
		return stamp{}, false
	}
	if strings.ContainsAny(s, "eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f < 0 || f > 1e19 {
			return stamp{}, false
		}
		s = strconv.FormatFloat(f, 'f', -1, 64)
	}
	whole, frac, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return stamp{}, false
	}
	unit := time.Second
	switch k {
	case layoutUnixMs:
		unit = time.Millisecond
	case layoutUnixUs:
		unit = time.Microsecond
	case layoutUnixNs:
		unit = time.Nanosecond
	case layoutEpoch:
		// 1e11 s is the year 5138; 1e11 ms is 1973.
		switch {
		case n >= 1e17:
			unit = time.Nanosecond
		case n >= 1e14:
			unit = time.Microsecond
		case n >= 1e11:
			unit = time.Millisecond
		}
	}
	per := int64(time.Second / unit)
	sec, sub := n/per, n%per*int64(unit)
	st := stamp{res: unit, zone: timeline.ZoneWritten}
	if frac != "" {
		scale := int64(unit) / 10
		for i := 0; i < len(frac); i++ {
			c := frac[i] - '0'
			if c > 9 {
				return stamp{}, false
			}
			sub += int64(c) * scale
			scale /= 10
		}
		if unit == time.Second {
			st.res = resolutionOf(len(frac))
		} else {
			st.res = unit / 1000
			if st.res == 0 {
				st.res = time.Nanosecond
			}
		}
	}
	// Outside of 1990 to 2100 a number is something else.
	if sec < 631_152_000 || sec > 4_102_444_800 {
		return stamp{}, false
	}
	st.t = time.Unix(sec, sub).UTC()
	return st, true
}

// parseDuration reads a duration: "12.3ms", "1m2s", "12.3 ms", or a bare number of
// units. res is the resolution by the digits written.
func parseDuration(s string, unit time.Duration) (d, res time.Duration, ok bool) {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > 64 {
		return 0, 0, false
	}
	s = strings.TrimPrefix(s, "+")
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || s[end] == '.') {
		end++
	}
	number, rest := s[:end], strings.TrimSpace(s[end:])
	if number == "" {
		return 0, 0, false
	}
	if rest == "" {
		if unit == 0 {
			return 0, 0, false
		}
		return scaled(number, unit)
	}
	switch rest {
	case "s", "sec", "secs", "seconds":
		return scaled(number, time.Second)
	case "ms", "msec", "msecs":
		return scaled(number, time.Millisecond)
	case "us", "µs", "μs", "micros":
		return scaled(number, time.Microsecond)
	case "ns":
		return scaled(number, time.Nanosecond)
	}
	if rest[0] == 'e' || rest[0] == 'E' {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || unit == 0 || f < 0 || f*float64(unit) > 1e17 {
			return 0, 0, false
		}
		return time.Duration(f * float64(unit)), time.Microsecond, true
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, 0, false
	}
	return d, time.Microsecond, true
}

// scaled reads a decimal number of units.
func scaled(s string, unit time.Duration) (d, res time.Duration, ok bool) {
	whole, frac, _ := strings.Cut(s, ".")
	if whole == "" {
		whole = "0"
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n > int64(1e17)/int64(unit) {
		return 0, 0, false
	}
	d, res = time.Duration(n)*unit, unit
	for i := 0; i < len(frac); i++ {
		c := frac[i] - '0'
		if c > 9 {
			return 0, 0, false
		}
		if res > 1 {
			res /= 10
			d += time.Duration(c) * res
		}
	}
	return d, max(res, 1), true
}
