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
	layoutISO       layoutKind = iota // 2026-03-01T12:00:00.123Z, also with a space, slashes, another mark before the fraction, 20260301T120000Z, a zone's name, or no zone
	layoutCLF                         // 01/Mar/2026:12:00:00 +0000, also with a fraction or without zone
	layoutSyslog                      // Mar  1 12:00:00, mostly without year and zone
	layoutMonthName                   // any order, if the month is a word: Sun Mar 01 12:00:00.123456 2026; Sun, 01 Mar 2026 12:00:00 GMT; Mar 1, 2026 12:00:00 PM; 01-Mar-2026 12:00:00 UTC
	layoutNumbers                     // 13.03.2026 14:05:07, 03/13/2026 2:05:07 PM, 13-03-26 14:05, 2026/3/1 9:05:07
	layoutYYMMDD                      // 260301 12:00:00
	layoutMMDD                        // 0301 12:00:00.123456, without year
	layoutClock                       // 12:00:00.123, without date
	layoutEpoch                       // seconds, milli-, micro- or nanoseconds, by size
	layoutUnix                        // seconds, with or without a fraction
	layoutUnixMs                      // and so on
	layoutUnixUs
	layoutUnixNs
	layoutTAI64N   // @4000000037c219bf2ef02e94
	layoutJSONDate // /Date(1772366407655)/
	layoutAuto     // any of the above that tells its date
	layoutGo
)

var layoutNames = map[string]layoutKind{
	"rfc3339": layoutISO, "iso8601": layoutISO, "clf": layoutCLF, "syslog": layoutSyslog, "month_name": layoutMonthName, "numbers": layoutNumbers,
	"yymmdd": layoutYYMMDD, "mmdd": layoutMMDD, "clock": layoutClock, "epoch": layoutEpoch,
	"unix": layoutUnix, "unix_ms": layoutUnixMs, "unix_us": layoutUnixUs, "unix_ns": layoutUnixNs,
	"tai64n": layoutTAI64N, "json_date": layoutJSONDate, "auto": layoutAuto,
}

// parseLayout reads the name of a layout, or a layout as package time writes it.
func parseLayout(s string) (layout, error) {
	if k, ok := layoutNames[s]; ok {
		return layout{kind: k}, nil
	}
	if !strings.ContainsAny(s, "0123456789") {
		return layout{}, fmt.Errorf("unknown layout %q: a name (%s) or a layout of Go's package time", s, strings.Join(sortedKeys(layoutNames), ", "))
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
	// again is by how much later the clocks of the zone showed the same once more, when
	// they were set back; 0 if they did not. t is the first of the two times.
	again time.Duration
	never bool // the clocks of the zone never showed it, for they were set forward; t is by the offset from before
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
// known; ref is a time near that of the stamp, for stamps without a year or a date, and order
// that of dates which do not tell it.
func parseStamp(l layout, s string, loc *time.Location, ref time.Time, order DateOrder) (stamp, bool) {
	switch l.kind {
	case layoutISO:
		return parseISO(s, loc)
	case layoutCLF:
		return parseCLF(s, loc)
	case layoutSyslog:
		return parseSyslog(s, loc, ref)
	case layoutMonthName:
		return parseMonthName(s, loc, ref)
	case layoutNumbers:
		return parseNumbers(s, loc, ref, order)
	case layoutYYMMDD:
		return parseYYMMDD(s, loc)
	case layoutMMDD:
		return parseMMDD(s, loc, ref)
	case layoutClock:
		return parseClock(s, loc, ref)
	case layoutUnix, layoutUnixMs, layoutUnixUs, layoutUnixNs, layoutEpoch:
		return parseEpoch(l.kind, s)
	case layoutTAI64N:
		return parseTAI64N(s)
	case layoutJSONDate:
		return parseJSONDate(s)
	case layoutAuto:
		return parseAuto(s, loc, ref, order)
	}
	return parseGo(l, s, loc, ref)
}

// A lastStamp remembers a stamp, for the next one is mostly of the same minute. The zero value remembers none.
type lastStamp struct {
	kind   layoutKind
	size   int      // of the stamp; 0: there is none
	text   [40]byte // the stamp
	sec    int      // where its seconds stand
	digits int      // of its fraction
	zone   int      // where what it says of its zone stands
	minute int64    // Unix time of its minute
	res    time.Duration
	source timeline.ZoneSource
	loc    *time.Location
}

// read reads s if it differs from the stamp that is remembered in seconds and fraction alone.
func (m *lastStamp) read(l layout, s string, loc *time.Location) (stamp, bool) {
	if len(s) != m.size || l.kind != m.kind || m.size == 0 || s[:m.sec] != string(m.text[:m.sec]) || s[m.zone:] != string(m.text[m.zone:m.size]) ||
		m.zone == m.size && loc != nil {
		return stamp{}, false
	}
	sec := two(s[m.sec], s[m.sec+1])
	if uint(sec) > 59 {
		return stamp{}, false
	}
	ns := 0
	if at := m.sec + 2; at < m.zone {
		if s[at] != m.text[at] {
			return stamp{}, false
		}
		for _, c := range []byte(s[at+1 : m.zone]) {
			if c -= '0'; c > 9 {
				return stamp{}, false
			}
			ns = ns*10 + int(c)
		}
		ns *= pow10[9-m.digits]
	}
	return stamp{t: time.Unix(m.minute+int64(sec), int64(ns)).In(m.loc), res: m.res, zone: m.source}, true
}

// remember remembers the stamp that s was read as, if the one that follows can be told by it: the whole of it is digits but for what
// parts them, and its zone is an offset or is not known.
func (m *lastStamp) remember(l layout, s string, st *stamp) {
	m.size = 0
	sec := 0
	switch {
	case len(s) < 19 || len(s) > len(m.text) || st.zone == timeline.ZoneConfig:
		return
	case l.kind == layoutCLF && s[11] == ':':
		sec = len("01/Mar/2026:12:00:")
	case (l.kind == layoutISO || l.kind == layoutAuto) && (s[4] == '-' || s[4] == '/') && s[7] == s[4] && s[13] == ':':
		sec = len("2026-03-01T12:00:")
	default:
		return
	}
	if len(s) < sec+2 || s[sec-1] != ':' {
		return
	}
	ns, digits, zone := fraction(s, sec+2)
	seconds := num(s, sec, 2)
	if digits > 9 || seconds < 0 || seconds > 59 || st.t.Nanosecond() != ns {
		return
	}
	switch rest := strings.TrimPrefix(s[zone:], " "); {
	case zone == len(s):
		if st.zone != timeline.ZoneUnknown {
			return
		}
	case rest == "Z" && st.zone == timeline.ZoneWritten:
	case rest != "" && (rest[0] == '+' || rest[0] == '-') && st.zone == timeline.ZoneWritten:
		if _, n := parseOffset(rest); n != len(rest) {
			return
		}
	default:
		return
	}
	copy(m.text[:], s)
	m.kind, m.size, m.sec, m.digits, m.zone = l.kind, len(s), sec, digits, zone
	m.minute, m.res, m.source, m.loc = st.t.Unix()-int64(seconds), st.res, st.zone, st.t.Location()
}

// parseAuto finds by a glance which of the layouts s is in.
func parseAuto(s string, loc *time.Location, ref time.Time, order DateOrder) (stamp, bool) {
	if len(s) < 9 {
		return stamp{}, false
	}
	switch c := s[0]; {
	case c >= '0' && c <= '9':
		if st, ok := parseISO(s, loc); ok {
			return st, true
		}
		if st, ok := parseEpoch(layoutEpoch, s); ok {
			return st, true
		}
		if st, ok := parseCLF(s, loc); ok {
			return st, true
		}
		if st, ok := parseNumbers(s, loc, ref, order); ok {
			return st, true
		}
		return parseMonthName(s, loc, ref)
	case c == '@':
		return parseTAI64N(s)
	case c == '/':
		return parseJSONDate(s)
	}
	return parseSyslog(s, loc, ref)
}

// parseGo reads a layout of package time.
func parseGo(l layout, s string, loc *time.Location, ref time.Time) (stamp, bool) {
	t, err := time.Parse(l.text, s)
	if err != nil {
		return stamp{}, false
	}
	res := l.res
	if res == time.Second && t.Nanosecond() != 0 {
		res = resolutionOf(fractionDigits(s)) // package time reads a fraction that its layout does not have
	}
	name, off := t.Zone()
	w := t.Unix() + int64(off)
	if t.Year() == 0 {
		c := civil{month: int(t.Month()), day: t.Day(), hour: t.Hour(), min: t.Minute(), sec: t.Second()}
		if !c.near(ref) {
			return stamp{}, false
		}
		w = c.unix()
	} else if t.Year() < minYear || t.Year() > maxYear {
		return stamp{}, false
	}
	ns := t.Nanosecond()
	switch {
	case strings.Contains(l.text, "07"), strings.Contains(l.text, "Z"):
		return stamp{t: time.Unix(w-int64(off), int64(ns)).In(fixedZone(off)), res: res, zone: timeline.ZoneWritten}, true
	case strings.Contains(l.text, "MST"):
		if off, ok := zoneOffset(name); ok {
			return stamp{t: time.Unix(w-int64(off), int64(ns)).In(fixedZone(off)), res: res, zone: timeline.ZoneWritten}, true
		}
	}
	return wallStamp(w, ns, res, loc), true
}

// fractionDigits counts the digits after the first mark of a fraction that follows a second.
func fractionDigits(s string) int {
	for i := 2; i < len(s); i++ {
		if (s[i] == '.' || s[i] == ',') && s[i-1] >= '0' && s[i-1] <= '9' {
			if _, n, _ := fraction(s, i); n > 0 {
				return n
			}
		}
	}
	return 0
}

// fullYear gives the year that two digits stand for, as package time and POSIX read them.
func fullYear(yy int) int {
	if yy < 69 {
		return 2000 + yy
	}
	return 1900 + yy
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

var pow10 = [10]int{1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000}

// two reads two digits; it is negative if they are none.
func two(a, b byte) int {
	if a -= '0'; a > 9 {
		return -1
	}
	if b -= '0'; b > 9 {
		return -1
	}
	return int(a)*10 + int(b)
}

// fraction reads ".123", ",123" or ":123" at i: nanoseconds, number of digits, what follows.
func fraction(s string, i int) (ns, digits, next int) {
	if i+1 >= len(s) || s[i] != '.' && s[i] != ',' && s[i] != ':' || s[i+1]-'0' > 9 {
		return 0, 0, i
	}
	i++
	start := i
	for i < len(s) && s[i]-'0' <= 9 {
		if i < start+9 {
			ns = ns*10 + int(s[i]-'0')
		}
		i++
	}
	digits = i - start
	if digits < 9 {
		ns *= pow10[9-digits]
	}
	return ns, digits, i
}

// clock reads "15:04:05" with or without a fraction at i into c and gives what follows.
func (c *civil) clock(s string, i int) (next int, ok bool) {
	if i+8 > len(s) {
		return 0, false
	}
	t := s[i : i+8]
	if t[2] != ':' || t[5] != ':' {
		return 0, false
	}
	c.hour, c.min, c.sec = two(t[0], t[1]), two(t[3], t[4]), two(t[6], t[7])
	if c.hour|c.min|c.sec < 0 {
		return 0, false
	}
	if i += 8; i == len(s) {
		return i, true
	}
	c.ns, c.digits, next = fraction(s, i)
	return next, true
}

func parseISO(s string, loc *time.Location) (stamp, bool) {
	if len(s) < 19 || s[4] != '-' && s[4] != '/' {
		return parseBasic(s, loc)
	}
	if s[7] != s[4] || s[10] != 'T' && s[10] != ' ' && s[10] != 't' {
		return stamp{}, false
	}
	c := civil{year: two(s[0], s[1])*100 + two(s[2], s[3]), month: two(s[5], s[6]), day: two(s[8], s[9])}
	i, ok := c.clock(s, 11)
	if !ok {
		return stamp{}, false
	}
	return c.stamp(s[i:], loc)
}

// parseBasic reads "20260301T120007Z", "20260301T120007.655+0100", "20260301120007" and
// "20260301 120007".
func parseBasic(s string, loc *time.Location) (stamp, bool) {
	if len(s) < 14 || len(s) > 64 {
		return stamp{}, false
	}
	c := civil{year: num(s, 0, 4), month: num(s, 4, 2), day: num(s, 6, 2)}
	i := 8
	if s[i] == 'T' || s[i] == ' ' || s[i] == '-' {
		i++
	}
	if i+6 > len(s) {
		return stamp{}, false
	}
	if i+2 < len(s) && s[i+2] == ':' { // 20260301 12:00:07
		next, ok := c.clock(s, i)
		if !ok {
			return stamp{}, false
		}
		return c.stamp(s[next:], loc)
	}
	c.hour, c.min, c.sec = num(s, i, 2), num(s, i+2, 2), num(s, i+4, 2)
	if c.hour < 0 || c.min < 0 || c.sec < 0 {
		return stamp{}, false
	}
	i += 6
	if i == 14 && i+3 == len(s) { // 20260301120007655
		if ms := num(s, i, 3); ms >= 0 {
			c.ns, c.digits, i = ms*1_000_000, 3, i+3
		}
	} else {
		c.ns, c.digits, i = fraction(s, i)
	}
	return c.stamp(s[i:], loc)
}

func parseCLF(s string, loc *time.Location) (stamp, bool) {
	if len(s) < 20 || s[2] != '/' || s[6] != '/' || s[11] != ':' && s[11] != ' ' {
		return stamp{}, false
	}
	c := civil{day: two(s[0], s[1]), month: monthOf(s[3:6]), year: two(s[7], s[8])*100 + two(s[9], s[10])}
	i, ok := c.clock(s, 12)
	if !ok {
		return stamp{}, false
	}
	return c.stamp(s[i:], loc)
}

func parseSyslog(s string, loc *time.Location, ref time.Time) (stamp, bool) {
	if len(s) < 15 || s[3] != ' ' || s[6] != ' ' {
		return parseMonthName(s, loc, ref)
	}
	c := civil{month: monthOf(s[:3]), day: num(s, 4, 2)}
	if s[4] == ' ' {
		c.day = num(s, 5, 1)
	}
	i, ok := c.clock(s, 7)
	if !ok || i != len(s) || c.month == 0 {
		return parseMonthName(s, loc, ref)
	}
	if !c.near(ref) {
		return stamp{}, false
	}
	return c.stamp("", loc)
}

// parseMonthName reads a stamp of words and numbers in the order in which they come: the
// month is a word, so that nothing else can be taken for it.
func parseMonthName(s string, loc *time.Location, ref time.Time) (stamp, bool) {
	if len(s) > 80 {
		return stamp{}, false
	}
	var c civil
	var z writtenZone
	timed, zoned := false, false
	year := -1
	for i := 0; i < len(s); {
		switch b := s[i]; {
		case b|0x20 >= 'a' && b|0x20 <= 'z':
			n := i
			for n < len(s) && s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z' {
				n++
			}
			w := s[i:n]
			m := monthWord(w)
			switch {
			case m > 0 && c.month == 0:
				c.month = m
			case w == "at" || c.month == 0 && c.day == 0 && !timed && isWeekday(w):
			case timed && len(w) == 2 && w[1]|0x20 == 'm':
				if c.halfDay(w) != "" {
					return stamp{}, false
				}
			case timed && !zoned:
				// The zone's word, with what belongs to it up to the next space.
				for n < len(s) && s[n] != ' ' {
					n++
				}
				var ok bool
				if z, ok = parseZone(s[i:n]); !ok {
					return stamp{}, false
				}
				zoned = true
			default:
				return stamp{}, false
			}
			i = n
		case b-'0' <= 9:
			n := i
			for n < len(s) && s[n]-'0' <= 9 {
				n++
			}
			v := num(s, i, n-i)
			switch {
			case n-i <= 2 && n < len(s) && s[n] == ':' && !timed:
				next, minutes, ok := c.shortClock(s, i)
				if !ok || minutes {
					return stamp{}, false
				}
				n, timed = next, true
			case n-i == 4 && year < 0:
				year = v
			case n-i <= 2 && c.day == 0:
				c.day = v
			case n-i == 2 && year < 0 && c.month > 0 && s[i-1] == '-':
				year = fullYear(v) // of RFC 850
			default:
				return stamp{}, false
			}
			i = n
		case (b == '+' || b == '-') && timed && !zoned && i > 0 && (s[i-1] == ' ' || s[i-1]-'0' <= 9):
			off, n := parseOffset(s[i:])
			if n == 0 {
				return stamp{}, false
			}
			z, zoned = writtenZone{offset: off, known: true}, true
			i += n
		case b == '(' && zoned && s[len(s)-1] == ')':
			i = len(s) // the zone's name once more
		case b == ' ' || b == ',' || b == '-' || b == '/' || b == ':' && c.month > 0 && !timed || b == '.' && !timed:
			i++
		case strings.HasPrefix(s[i:], "\u202f"): // before AM and PM
			i += len("\u202f")
		default:
			return stamp{}, false
		}
	}
	c.year = year
	if c.month == 0 || c.day == 0 || !timed || year < 0 && !c.near(ref) || !c.valid() {
		return stamp{}, false
	}
	if zoned {
		return c.of(z, loc), true
	}
	return c.in(loc), true
}

func isWeekday(w string) bool {
	if len(w) < 3 {
		return false
	}
	switch w[:3] {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun":
		return len(w) == 3 || strings.HasSuffix(w, "day") || w == "Tues" || w == "Thur" || w == "Thurs"
	}
	return false
}

var monthNames = [...]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}

// monthWord gives the number of a month by its name, short or long; 0 if it is none.
func monthWord(w string) int {
	if len(w) < 3 {
		return 0
	}
	m := monthOf(w[:3])
	if m > 0 && len(w) > 3 && w != monthNames[m-1] && w != "Sept" {
		return 0
	}
	return m
}

// monthOf gives the number of a month by its first three letters; 0 if it is none.
func monthOf(s string) int {
	if len(s) != 3 {
		return 0
	}
	switch (int(s[0])<<8|int(s[1]))<<8 | int(s[2]) {
	case 'J'<<16 | 'a'<<8 | 'n':
		return 1
	case 'F'<<16 | 'e'<<8 | 'b':
		return 2
	case 'M'<<16 | 'a'<<8 | 'r':
		return 3
	case 'A'<<16 | 'p'<<8 | 'r':
		return 4
	case 'M'<<16 | 'a'<<8 | 'y':
		return 5
	case 'J'<<16 | 'u'<<8 | 'n':
		return 6
	case 'J'<<16 | 'u'<<8 | 'l':
		return 7
	case 'A'<<16 | 'u'<<8 | 'g':
		return 8
	case 'S'<<16 | 'e'<<8 | 'p':
		return 9
	case 'O'<<16 | 'c'<<8 | 't':
		return 10
	case 'N'<<16 | 'o'<<8 | 'v':
		return 11
	case 'D'<<16 | 'e'<<8 | 'c':
		return 12
	}
	return 0
}

// parseYYMMDD reads "260301 12:00:07" and "260301  9:00:07".
func parseYYMMDD(s string, loc *time.Location) (stamp, bool) {
	year := num(s, 0, 2)
	if year < 0 || len(s) < 15 || s[6] != ' ' {
		return stamp{}, false
	}
	c := civil{year: fullYear(year), month: num(s, 2, 2), day: num(s, 4, 2)}
	i, ok := c.clock(s, 7)
	if s[7] == ' ' {
		c.hour, c.min, c.sec, i = num(s, 8, 1), num(s, 10, 2), num(s, 13, 2), 15
		ok = s[9] == ':' && s[12] == ':' && c.hour >= 0 && c.min >= 0 && c.sec >= 0
	}
	if !ok {
		return stamp{}, false
	}
	return c.stamp(s[i:], loc)
}

// parseMMDD reads "0301 12:00:07.655123", as klog writes it.
func parseMMDD(s string, loc *time.Location, ref time.Time) (stamp, bool) {
	c := civil{month: num(s, 0, 2), day: num(s, 2, 2)}
	if len(s) < 13 || s[4] != ' ' {
		return stamp{}, false
	}
	i, ok := c.clock(s, 5)
	if !ok || c.month < 1 || !c.near(ref) {
		return stamp{}, false
	}
	return c.stamp(s[i:], loc)
}

// parseClock reads a time of day: of the latest day on which it is not later than ref.
func parseClock(s string, loc *time.Location, ref time.Time) (stamp, bool) {
	var c civil
	i, ok := c.clock(s, 0)
	if !ok || ref.IsZero() {
		return stamp{}, false
	}
	in := loc
	if in == nil {
		in = time.UTC
	}
	for back := range 2 {
		y, m, d := ref.In(in).AddDate(0, 0, -back).Date()
		c.year, c.month, c.day = y, int(m), d
		st, ok := c.stamp(s[i:], loc)
		if !ok || back == 1 || !st.t.After(ref) {
			return st, ok
		}
	}
	return stamp{}, false
}

// parseEpoch reads seconds (or the unit of k) since 1970, with or without a fraction
// or an exponent.
func parseEpoch(k layoutKind, s string) (stamp, bool) {
	if len(s) < 8 || len(s) > 40 || s[0]-'0' > 9 {
		return stamp{}, false
	}
	// The digits, and how many of them stand before the point.
	if len(s) > 2 && s[2] > '9' && s[2]|0x20 != 'e' || len(s) > 2 && s[2] == '/' {
		return stamp{}, false // mostly a date of another form
	}
	var digits [40]byte
	n, whole, exp := 0, -1, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c-'0' <= 9:
			digits[n] = c - '0'
			n++
			continue
		case c == '.' && whole < 0 && i+1 < len(s):
			whole = n
			continue
		case c|0x20 == 'e' && i+1 < len(s):
			e := s[i+1:]
			if e[0] == '+' {
				e = e[1:]
			}
			if exp = num(e, 0, len(e)); exp < 0 || len(e) == 0 || len(e) > 2 {
				return stamp{}, false
			}
		default:
			return stamp{}, false
		}
		break
	}
	if whole < 0 {
		whole = n
	}
	whole += exp
	if whole > 19 || exp == 0 && whole < 8 {
		return stamp{}, false
	}
	v := int64(0)
	for i := range whole {
		d := int64(0)
		if i < n {
			d = int64(digits[i])
		}
		if v > (1<<63-1-d)/10 {
			return stamp{}, false
		}
		v = v*10 + d
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
		case v >= 1e17:
			unit = time.Nanosecond
		case v >= 1e14:
			unit = time.Microsecond
		case v >= 1e11:
			unit = time.Millisecond
		}
	}
	per := int64(time.Second / unit)
	sec, sub := v/per, v%per*int64(unit)
	st := stamp{res: unit, zone: timeline.ZoneWritten}
	if n > whole {
		scale := int64(unit) / 10
		for i := whole; i < n; i++ {
			sub += int64(digits[i]) * scale
			scale /= 10
		}
		switch f := n - whole; {
		case unit != time.Second:
			st.res = max(unit/1000, time.Nanosecond)
		case f == 7 || f == 8:
			// What is left of a float: it holds no more than the microseconds.
			st.res = time.Microsecond
		default:
			st.res = resolutionOf(f)
		}
	}
	// Outside of 1990 to 2100 a number is something else.
	if sec < 631_152_000 || sec > 4_102_444_800 {
		return stamp{}, false
	}
	st.t = time.Unix(sec, sub).UTC()
	return st, true
}

// taiAhead is by how much the labels of multilog and svlogd are ahead of Unix time: they
// count no leap seconds. Those of s6-log count them and are further ahead by the leap
// seconds since 1972, which no label tells; the calls show it as a clock that is ahead.
const taiAhead = 10

// parseTAI64N reads "@4000000069a42ba82709d740": TAI seconds from 2^62 and nanoseconds,
// in hexadecimal, as multilog writes them.
func parseTAI64N(s string) (stamp, bool) {
	if len(s) != 25 || s[0] != '@' {
		return stamp{}, false
	}
	sec, ok := hexOf(s[1:17])
	ns, ok2 := hexOf(s[17:])
	if !ok || !ok2 || ns > 999_999_999 {
		return stamp{}, false
	}
	unix := int64(sec-1<<62) - taiAhead
	if sec < 1<<62 || unix < 631_152_000 || unix > 4_102_444_800 {
		return stamp{}, false
	}
	return stamp{t: time.Unix(unix, int64(ns)).UTC(), res: time.Nanosecond, zone: timeline.ZoneWritten}, true
}

func hexOf(s string) (v uint64, ok bool) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		v = v<<4 | uint64(c)
	}
	return v, true
}

// parseJSONDate reads "/Date(1772366407655)/" and "/Date(1772366407655+0100)/": the
// offset is the writer's zone, the number is of UTC whatever it is.
func parseJSONDate(s string) (stamp, bool) {
	s, ok := strings.CutPrefix(strings.TrimSuffix(s, ")/"), "/Date(")
	if !ok {
		return stamp{}, false
	}
	if i := strings.LastIndexAny(s, "+-"); i > 0 {
		off, n := parseOffset(s[i:])
		if n == 0 || n != len(s)-i {
			return stamp{}, false
		}
		st, ok := parseEpoch(layoutUnixMs, s[:i])
		st.t = st.t.In(fixedZone(off))
		return st, ok
	}
	return parseEpoch(layoutUnixMs, s)
}
