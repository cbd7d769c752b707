package file

import (
	"bytes"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// A glance tells when a line was stamped without decoding it, once lines that begin alike
// were decoded: where the stamp stands, and to which moment the hour belongs that it writes.
// What it was not taught it does not know. Not for concurrent use.
type glance struct {
	shapes []stampShape
	// hostTold says that a record's host was told by something else than its name in the record.
	hostTold bool
	tried    int              // lines that were decoded for nothing but to learn from them
	hours    map[string]int64 // shape and text of a stamp up to its hour -> Unix time of that hour; 0 if there were several
	recent   int              // the shape that was met last
	key      []byte
	last     []byte // the key of hour
	hour     int64
}

// A stampShape is how lines begin, up to the seconds of the stamp and what stands behind
// these: each 0 of lead is a run of digits, each 0 of date one digit.
type stampShape struct {
	lead, date, tail []byte // date ends with the hour
	epoch            int    // digits of a stamp that counts since 1970; it has no date
	clocks           int    // times of day in the first bytes of the line
	doubted          bool   // of some lines so begun another stamp counts
}

const (
	maxShapes    = 64
	maxStampLead = 200  // how far behind the beginning of a line its stamp may stand
	maxHours     = 4096 // some months
	leastDate    = 4    // a shorter text before the hour does not tell the day
)

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// learn notes how the line of a record is stamped that is the event e: stamp is the text of
// which its time was made.
func (g *glance) learn(line []byte, stamp string, e *timeline.Event) {
	if stamp == "" || e.Time.IsZero() || e.Stamp.Zone == timeline.ZoneConfig || bytes.IndexByte(line, '\n') >= 0 {
		return
	}
	at := bytes.Index(line, []byte(stamp))
	if at < 0 || at > maxStampLead || bytes.Contains(line[at+1:], []byte(stamp)) {
		return
	}
	s := stampShape{clocks: clocksIn(line)}
	if clock := clockIn(stamp); clock >= leastDate {
		if fracOf(stamp[clock+8:]) == 0 && e.Time.Nanosecond() != 0 {
			return // a part of it stands elsewhere
		}
		s.date = digitsAsOne([]byte(stamp[:clock+2]))
		s.tail = []byte(stamp[clock+8+fracOf(stamp[clock+8:]):])
	} else if s.epoch = epochIn(stamp); s.epoch == 0 {
		return
	}
	end := at + len(s.date)
	known := -1
	for i := range g.shapes {
		o := &g.shapes[i]
		switch at := o.match(line); {
		case at < 0 || o.clocks != s.clocks:
		case at != end || o.epoch != s.epoch:
			o.doubted = true
		case known < 0:
			known = i
		}
	}
	if known < 0 {
		s.lead = runsAsOne(line[:at])
		if len(g.shapes) == maxShapes || s.match(line) != end {
			return
		}
		known = len(g.shapes)
		g.shapes = append(g.shapes, s)
	}
	if s.epoch > 0 {
		if e.Time.Unix() != number(line[at:at+epochSeconds]) {
			g.shapes[known].doubted = true
		}
		return
	}
	hour := e.Time.Unix() - inHour(line[end:])
	g.keyOf(line, known, end)
	switch old, ok := g.hours[string(g.key)]; {
	case !ok && len(g.hours) < maxHours:
		if g.hours == nil {
			g.hours = map[string]int64{}
		}
		g.hours[string(g.key)] = hour
	case ok && old != hour:
		g.hours[string(g.key)] = 0
		g.last = g.last[:0]
	}
}

// second gives the second in which the line is stamped; false if that is not known.
func (g *glance) second(line []byte) (time.Time, bool) {
	i, end := g.match(line, clocksIn(line))
	if i < 0 || g.shapes[i].doubted {
		return time.Time{}, false
	}
	if g.shapes[i].epoch > 0 {
		return time.Unix(number(line[end:end+epochSeconds]), 0), true
	}
	g.keyOf(line, i, end)
	if !bytes.Equal(g.key, g.last) {
		hour := g.hours[string(g.key)]
		if hour == 0 {
			return time.Time{}, false
		}
		g.last, g.hour = append(g.last[:0], g.key...), hour
	}
	return time.Unix(g.hour+inHour(line[end:]), 0), true
}

// keyOf makes the key of the stamp whose hour ends at end in a line of the shape.
func (g *glance) keyOf(line []byte, shape, end int) {
	g.key = append(append(g.key[:0], line[end-len(g.shapes[shape].date):end]...), byte(shape))
}

// match gives the shape of a line with so many times of day, and where the hour of its stamp
// ends, or its digits begin; -1 if it has none.
func (g *glance) match(line []byte, clocks int) (shape, end int) {
	for i := range g.shapes {
		i = (g.recent + i) % len(g.shapes)
		if s := &g.shapes[i]; s.clocks == clocks {
			if end := s.match(line); end >= 0 {
				g.recent = i
				return i, end
			}
		}
	}
	return -1, 0
}

func (s *stampShape) match(line []byte) int {
	p := 0
	for _, c := range s.lead {
		if c != '0' {
			if p >= len(line) || line[p] != c {
				return -1
			}
			p++
			continue
		}
		from := p
		for p < len(line) && isDigit(line[p]) {
			p++
		}
		if p == from {
			return -1
		}
	}
	if s.epoch > 0 {
		n := p
		for n < len(line) && isDigit(line[n]) {
			n++
		}
		if n-p != s.epoch {
			return -1
		}
		return p
	}
	end := p + len(s.date)
	if len(line) < end+6 {
		return -1
	}
	for i, c := range s.date {
		if t := line[p+i]; t != c && (c != '0' || !isDigit(t)) {
			return -1
		}
	}
	t := line[end : end+6]
	if t[0] != ':' || t[3] != ':' || !isDigit(t[1]) || !isDigit(t[2]) || !isDigit(t[4]) || !isDigit(t[5]) {
		return -1
	}
	rest := line[end+6:]
	if !bytes.HasPrefix(rest[fracOf(rest):], s.tail) {
		return -1
	}
	return end
}

// inHour reads ":10:08" as seconds.
func inHour(b []byte) int64 { return number(b[1:3])*60 + number(b[4:6]) }

func number(b []byte) (n int64) {
	for _, c := range b {
		n = n*10 + int64(c-'0')
	}
	return n
}

// epochSeconds is how many digits the seconds since 1970 have.
const epochSeconds = 10

// epochIn gives how many digits a stamp has before its fraction that counts seconds since
// 1970, or thousandths and so on of these; 0 if it is none.
func epochIn(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	if n < epochSeconds || (n-epochSeconds)%3 != 0 || n+fracOf(s[n:]) != len(s) {
		return 0
	}
	return n
}

// clocksIn counts the times of day in the first bytes of a line.
func clocksIn(line []byte) int {
	line = line[:min(len(line), maxStampLead+64)]
	n := 0
	for i := 0; ; i++ {
		j := bytes.IndexByte(line[i:], ':')
		if j < 0 {
			return n
		}
		if i += j; i >= 2 && isClock(line, i-2) {
			n++
			i += 3
		}
	}
}

// clockIn gives where the first time of day of a stamp begins; -1 if it has none.
func clockIn(s string) int {
	for i := 0; i+8 <= len(s); i++ {
		if isClock([]byte(s), i) {
			return i
		}
	}
	return -1
}

// isClock says whether hours, minutes and seconds of two digits stand at i.
func isClock(b []byte, i int) bool {
	return i+8 <= len(b) && b[i+2] == ':' && b[i+5] == ':' && isDigit(b[i]) && isDigit(b[i+1]) && isDigit(b[i+3]) && isDigit(b[i+4]) &&
		isDigit(b[i+6]) && isDigit(b[i+7]) && (i == 0 || !isDigit(b[i-1])) && (i+8 == len(b) || !isDigit(b[i+8]))
}

// fracOf gives the length of the fraction of a second with which s begins.
func fracOf[T string | []byte](s T) int {
	if len(s) < 2 || s[0] != '.' && s[0] != ',' || !isDigit(s[1]) {
		return 0
	}
	n := 2
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

// digitsAsOne makes every digit a 0.
func digitsAsOne(b []byte) []byte {
	for i, c := range b {
		if isDigit(c) {
			b[i] = '0'
		}
	}
	return b
}

// runsAsOne makes every run of digits a 0, in memory of its own.
func runsAsOne(b []byte) []byte {
	var out []byte
	for i, c := range b {
		switch {
		case !isDigit(c):
			out = append(out, c)
		case i == 0 || !isDigit(b[i-1]):
			out = append(out, '0')
		}
	}
	return out
}
