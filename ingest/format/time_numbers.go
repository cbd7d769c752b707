package format

import (
	"regexp"
	"time"
)

// A DateOrder says which number of a date comes first where that may be the day or the month, as in
// 03/02/2026.
type DateOrder uint8

const (
	DateOrderUnknown DateOrder = iota // a date is taken for the one of the two that is nearer to the reference
	DayFirst
	MonthFirst
)

func (o DateOrder) String() string {
	switch o {
	case DayFirst:
		return "day first"
	case MonthFirst:
		return "month first"
	}
	return "unknown"
}

// writtenDate is a date of numbers with a clock behind it.
var writtenDate = regexp.MustCompile(`(?:^|[^\d/.-])(\d{1,2})[/-](\d{1,2})[/-](?:\d{4}|\d{2})[ ,T]+\d{1,2}:\d\d`)

// DateOrderOf tells the order of a stream's dates by those of the text that can be read in one way alone. found
// says whether there is any date of numbers.
func DateOrderOf(text []byte) (order DateOrder, found bool) {
	days, months := 0, 0 // dates whose first, or second, number is no month
	for _, m := range writtenDate.FindAllSubmatch(text, -1) {
		found = true
		a, b := num(string(m[1]), 0, len(m[1])), num(string(m[2]), 0, len(m[2]))
		switch {
		case a > 12 && b <= 12:
			days++
		case b > 12 && a <= 12:
			months++
		}
	}
	switch {
	case days > 0 && months == 0:
		return DayFirst, true
	case months > 0 && days == 0:
		return MonthFirst, true
	}
	return DateOrderUnknown, found
}

// parseNumbers reads a date of numbers alone: "13.03.2026 14:05:07", "03/13/2026, 2:05:07 PM", "13-03-26 14:05",
// "2026/3/1 9:05:07". With points the day is first; else what cannot be a month is the day, and order decides
// where both can.
func parseNumbers(s string, loc *time.Location, ref time.Time, order DateOrder) (stamp, bool) {
	if len(s) > 64 {
		return stamp{}, false
	}
	var n, size [3]int
	i := 0
	var mark byte
	for k := range n {
		for i < len(s) && size[k] < 4 && s[i]-'0' <= 9 {
			n[k] = n[k]*10 + int(s[i]-'0')
			size[k]++
			i++
		}
		if size[k] == 0 {
			return stamp{}, false
		}
		if k == 2 {
			break
		}
		if i >= len(s) || s[i] != '/' && s[i] != '.' && s[i] != '-' || mark != 0 && s[i] != mark {
			return stamp{}, false
		}
		mark = s[i]
		i++
	}
	var c civil
	yearFirst := size[0] == 4
	switch {
	case yearFirst && size[1] <= 2 && size[2] <= 2:
		c.year, c.month, c.day = n[0], n[1], n[2]
	case size[0] > 2 || size[1] > 2 || size[2] == 1 || size[2] == 3:
		return stamp{}, false
	case size[2] == 2:
		c.year = fullYear(n[2])
	default:
		c.year = n[2]
	}
	if i < len(s) && s[i] == ',' {
		i++
	}
	if i >= len(s) || s[i] != ' ' && s[i] != 'T' {
		return stamp{}, false
	}
	i++
	rest, minutes, ok := c.shortClock(s, i)
	if !ok {
		return stamp{}, false
	}
	if !yearFirst {
		c.month, c.day = n[1], n[0]
		if mark != '.' {
			c.pick(n[0], n[1], ref, order)
		}
	}
	st, ok := c.stamp(s[rest:], loc)
	if minutes {
		st.res = time.Minute
	}
	return st, ok
}

// shortClock reads "9:05", "14:05:07" and "2:05:07.123" at i into c and gives what follows, and whether it tells no seconds.
func (c *civil) shortClock(s string, i int) (next int, minutes, ok bool) {
	start := i
	for i < len(s) && i < start+2 && s[i]-'0' <= 9 {
		c.hour = c.hour*10 + int(s[i]-'0')
		i++
	}
	if i == start || i+3 > len(s) || s[i] != ':' {
		return 0, false, false
	}
	if c.min = num(s, i+1, 2); c.min < 0 {
		return 0, false, false
	}
	if i += 3; i+3 > len(s) || s[i] != ':' {
		return i, true, true
	}
	if c.sec = num(s, i+1, 2); c.sec < 0 {
		return 0, false, false
	}
	c.ns, c.digits, next = fraction(s, i+3)
	return next, false, true
}

// pick gives c the day and the month that a and b are, in the order that is possible; of two that are the one that is
// asked for, else the one nearer to ref.
func (c *civil) pick(a, b int, ref time.Time, order DateOrder) {
	dayFirst, monthFirst := *c, *c
	dayFirst.day, dayFirst.month = a, b
	monthFirst.month, monthFirst.day = a, b
	switch {
	case !dayFirst.validDay():
		*c = monthFirst
	case !monthFirst.validDay() || order == DayFirst:
		*c = dayFirst
	case order == MonthFirst:
		*c = monthFirst
	default:
		away := func(d *civil) time.Duration { return time.Unix(d.unix(), 0).Sub(ref).Abs() }
		if *c = dayFirst; away(&monthFirst) < away(&dayFirst) {
			*c = monthFirst
		}
	}
}
