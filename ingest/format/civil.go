package format

import (
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// A civil is a date and a time of day as a clock on the wall shows them.
type civil struct {
	year, month, day int
	hour, min, sec   int
	ns               int
	digits           int // of the fraction as written
}

// What is stamped outside of these years is no log's: a bit has flipped, or the number is
// something else.
const minYear, maxYear = 1970, 2199

var daysBefore = [13]int{0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334}

func isLeap(y int) bool { return y%4 == 0 && (y%100 != 0 || y%400 == 0) }

func daysIn(y, m int) int {
	switch m {
	case 2:
		if isLeap(y) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// valid says whether there is such a date, of a year in which logs were written. A
// second 60 is a leap second: it is read as the first of the next minute.
func (c *civil) valid() bool {
	return c.year >= minYear && c.year <= maxYear && c.validDay() && uint(c.hour) < 24 && uint(c.min) < 60 && uint(c.sec) <= 60
}

func (c *civil) validDay() bool {
	return c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= daysIn(c.year, c.month)
}

// unix gives the seconds since 1970 if c were of UTC.
func (c *civil) unix() int64 {
	y := c.year - 1
	days := y*365 + y/4 - y/100 + y/400 + daysBefore[c.month] + c.day - 1
	if c.month > 2 && isLeap(c.year) {
		days++
	}
	const epoch = 719162 // days from the year 1 to 1970
	return int64(days-epoch)*86400 + int64(c.hour*3600+c.min*60+c.sec)
}

// stamp makes the stamp that c is in a zone: the one written behind the clock, if rest
// is not empty, else loc. It is false if there is no such date or rest is no zone.
func (c *civil) stamp(rest string, loc *time.Location) (stamp, bool) {
	if rest == "" {
		if !c.valid() {
			return stamp{}, false
		}
		return c.in(loc), true
	}
	if rest[0] == ' ' {
		rest = rest[1:]
	}
	if b := rest; len(b) > 0 && (b[0] == 'Z' || b[0] == '+' || b[0] == '-') { // what most write
		off, n := 0, 1
		if b[0] != 'Z' {
			off, n = parseOffset(b)
		}
		if n == len(b) {
			if !c.valid() {
				return stamp{}, false
			}
			return stamp{t: time.Unix(c.unix()-int64(off), int64(c.ns)).In(fixedZone(off)), res: resolutionOf(c.digits), zone: timeline.ZoneWritten}, true
		}
	}
	rest = c.halfDay(rest)
	if !c.valid() {
		return stamp{}, false
	}
	if rest == "" {
		return c.in(loc), true
	}
	z, ok := parseZone(rest)
	if !ok {
		return stamp{}, false
	}
	return c.of(z, loc), true
}

// halfDay takes AM or PM off what follows the clock. It is of no date if the hour is
// not one of twelve.
func (c *civil) halfDay(rest string) string {
	if len(rest) < 2 || rest[1]|0x20 != 'm' || rest[0]|0x20 != 'a' && rest[0]|0x20 != 'p' || len(rest) > 2 && rest[2] != ' ' {
		return rest
	}
	if c.hour < 1 || c.hour > 12 {
		c.hour = 99
		return ""
	}
	c.hour %= 12
	if rest[0]|0x20 == 'p' {
		c.hour += 12
	}
	if len(rest) > 2 {
		return rest[3:]
	}
	return ""
}

// of makes the stamp of c in a zone that it writes. An abbreviation that says nothing
// leaves the zone to loc.
func (c *civil) of(z writtenZone, loc *time.Location) stamp {
	switch {
	case !z.known:
		return c.in(loc)
	case z.loc != nil:
		st := c.in(z.loc)
		st.zone = timeline.ZoneWritten
		return st
	}
	return stamp{t: time.Unix(c.unix()-int64(z.offset), int64(c.ns)).In(fixedZone(z.offset)), res: resolutionOf(c.digits), zone: timeline.ZoneWritten}
}

// in makes the stamp of c in the zone of the configuration; without one it is unknown
// and the wall clock is read as if of UTC.
func (c *civil) in(loc *time.Location) stamp {
	return wallStamp(c.unix(), c.ns, resolutionOf(c.digits), loc)
}

// wallStamp makes the stamp that shows w on the wall: seconds as if of UTC.
func wallStamp(w int64, ns int, res time.Duration, loc *time.Location) stamp {
	if loc == nil {
		return stamp{t: time.Unix(w, int64(ns)).UTC(), res: res}
	}
	m := momentOf(loc, w)
	return stamp{t: time.Unix(m.unix, int64(ns)).In(loc), res: res, zone: timeline.ZoneConfig, again: m.again, never: m.never}
}

// near gives c the year that brings it closest to ref, but not more than two days
// after it: a log's last stamp is about as old as its file.
func (c *civil) near(ref time.Time) bool {
	limit := ref.Unix() + 48*3600
	y := ref.Year()
	for n := 1; n > -9; n-- { // there may be eight years without a 29th of February
		if c.year = y + n; c.validDay() && c.unix() <= limit {
			return true
		}
	}
	return false
}
