package format

import (
	"strings"
	"time"
)

// maxSpan bounds durations: three years.
const maxSpan = time.Duration(1e17)

// parseDuration reads a duration: "12.3ms", "1m2s", "12.3 ms", "1 min 2 s", "PT0.5S",
// "00:00:01.234", or a bare number of units. res is the resolution by the digits written.
func parseDuration(s string, unit time.Duration) (d, res time.Duration, ok bool) {
	if d, res, ok = bareDuration(s, unit); ok {
		return d, res, true
	}
	for len(s) > 0 && s[0] == ' ' {
		s = s[1:]
	}
	for len(s) > 0 && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	if s == "" || len(s) > 64 {
		return 0, 0, false
	}
	if s[0] == '+' {
		s = s[1:]
	}
	n, v, r, ok := decimal(s)
	if !ok {
		if len(s) > 1 && s[0] == 'P' {
			return isoDuration(s[1:])
		}
		return 0, 0, false
	}
	if n == len(s) {
		return v.times(unit, r)
	}
	switch c := s[n]; {
	case c == ':' || c == '.':
		return clockDuration(s)
	case c|0x20 == 'e' && exponent(s[n+1:]):
		return scientific(v, r, s[n+1:], unit)
	}
	// Numbers with their units, from the greatest to the least.
	last := maxSpan
	parts := 0
	for i := 0; i < len(s); parts++ {
		n, v, r, ok := decimal(s[i:])
		if !ok {
			return 0, 0, false
		}
		i += n
		for i < len(s) && s[i] == ' ' {
			i++
		}
		n = i
		for n < len(s) && s[n] != ' ' && (s[n]-'0' > 9) {
			n++
		}
		u := spanUnit(s[i:n])
		if u == 0 || u >= last {
			return 0, 0, false
		}
		if v.comma && u == time.Second {
			return 0, 0, false // 1,234 s may be either
		}
		p, pr, ok := v.times(u, r)
		if !ok {
			return 0, 0, false
		}
		d, res, last = d+p, pr, u
		for i = n; i < len(s) && s[i] == ' '; i++ {
		}
	}
	if d > maxSpan {
		return 0, 0, false
	}
	if parts > 1 {
		res = time.Microsecond // zeros at the end are not written
	}
	return d, res, true
}

// bareDuration reads what access logs mostly have: "41", or "0.041" with no more digits than its unit has nanoseconds. It is not ok
// for anything else, and for what is long.
func bareDuration(s string, unit time.Duration) (d, res time.Duration, ok bool) {
	whole, i := 0, 0
	for i < len(s) && s[i]-'0' <= 9 {
		whole = whole*10 + int(s[i]-'0')
		i++
	}
	if i == 0 || i > 7 || unit == 0 {
		return 0, 0, false
	}
	d = time.Duration(whole) * unit
	if i == len(s) {
		return d, unit, true
	}
	digits, zeros := len(s)-i-1, zerosOf(unit)
	if s[i] != '.' || digits == 0 || digits > zeros {
		return 0, 0, false
	}
	frac := 0
	for i++; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			return 0, 0, false
		}
		frac = frac*10 + int(c)
	}
	res = time.Duration(pow10[zeros-digits])
	return d + time.Duration(frac)*res, res, true
}

// zerosOf gives the zeros of a unit in nanoseconds, -1 if it is no power of ten with some.
func zerosOf(unit time.Duration) int {
	switch unit {
	case time.Second:
		return 9
	case time.Millisecond:
		return 6
	case time.Microsecond:
		return 3
	}
	return -1
}

// A number is a decimal as written.
type number struct {
	whole  int64
	frac   int64 // of 10^-digits
	digits int
	comma  bool // thousands are set apart by commas
}

// decimal reads the decimal at the beginning of s: n bytes. A comma sets thousands
// apart if just three digits follow each and no zero leads, else it is the point.
func decimal(s string) (n int, v number, digits int, ok bool) {
	i := 0
	for i < len(s) && s[i]-'0' <= 9 {
		if v.whole > 1e17 {
			return 0, v, 0, false
		}
		v.whole = v.whole*10 + int64(s[i]-'0')
		i++
	}
	lead := i
	for lead > 0 && lead <= 3 && s[0] != '0' && i+3 < len(s) && s[i] == ',' && num(s, i+1, 3) >= 0 && (i+4 == len(s) || s[i+4]-'0' > 9) && v.whole < 1e14 {
		v.whole, v.comma = v.whole*1000+int64(num(s, i+1, 3)), true
		i += 4
	}
	if i < len(s) && (s[i] == '.' || s[i] == ',' && !v.comma) && (lead > 0 || i+1 < len(s) && s[i+1]-'0' <= 9) {
		j := i + 1
		for j < len(s) && s[j]-'0' <= 9 {
			if v.digits < 15 {
				v.frac = v.frac*10 + int64(s[j]-'0')
				v.digits++
			}
			j++
		}
		if s[i] == ',' && j == i+1 {
			j = i // a comma that ends something
		}
		i = j
	}
	return i, v, v.digits, i > 0
}

// times gives so many units; without a unit it is nothing.
func (v number) times(unit time.Duration, digits int) (d, res time.Duration, ok bool) {
	if unit == 0 || v.whole >= int64(maxSpan)/int64(unit) {
		return 0, 0, false
	}
	d, res = time.Duration(v.whole)*unit, unit
	if digits == 0 {
		return d, res, true
	}
	// Mostly the unit is a power of ten with more zeros than there are digits.
	if zeros := zerosOf(unit); zeros >= digits {
		res = time.Duration(pow10[zeros-digits])
		return d + time.Duration(v.frac)*res, res, true
	}
	// Digit by digit: units of 60 have no decimal places below some.
	frac, scale := v.frac, int64(1)
	for range digits {
		scale *= 10
	}
	for scale > 1 && res > 1 {
		scale /= 10
		r := res / 10
		if res%10 != 0 { // 1.5 minutes of odd parts: as well as can be
			return d + time.Duration(float64(frac)/float64(scale*10)*float64(res)), max(r, 1), true
		}
		d += time.Duration(frac/scale) * r
		frac, res = frac%scale, r
	}
	return d, max(res, 1), true
}

// spanUnit gives the unit of a word; 0 if it is none.
func spanUnit(s string) time.Duration {
	switch s {
	case "s", "sec", "secs", "second", "seconds", "S":
		return time.Second
	case "ms", "msec", "msecs", "millis", "milli", "millisecond", "milliseconds", "MS":
		return time.Millisecond
	case "us", "µs", "μs", "usec", "usecs", "micros", "microsecond", "microseconds":
		return time.Microsecond
	case "ns", "nsec", "nanos", "nanosecond", "nanoseconds":
		return time.Nanosecond
	case "m", "min", "mins", "minute", "minutes":
		return time.Minute
	case "h", "hr", "hrs", "hour", "hours":
		return time.Hour
	case "d", "day", "days":
		return 24 * time.Hour
	}
	return 0
}

func exponent(s string) bool {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		s = s[1:]
	}
	return num(s, 0, len(s)) >= 0 && len(s) > 0 && len(s) <= 2
}

// scientific reads a number with its exponent: "1.5e-3".
func scientific(v number, digits int, exp string, unit time.Duration) (d, res time.Duration, ok bool) {
	neg := exp[0] == '-'
	exp = strings.TrimLeft(exp, "+-")
	e := num(exp, 0, len(exp))
	f := float64(v.whole)
	scale := 1.0
	for range digits {
		scale *= 10
	}
	f += float64(v.frac) / scale
	for range e {
		if neg {
			f /= 10
		} else {
			f *= 10
		}
	}
	f *= float64(unit)
	if unit == 0 || f > float64(maxSpan) {
		return 0, 0, false
	}
	return time.Duration(f + 0.5), time.Microsecond, true
}

// clockDuration reads "00:00:01.234", "01:02", and .NET's "1.02:03:04.5670000".
func clockDuration(s string) (d, res time.Duration, ok bool) {
	days := int64(0)
	if dot, colon := strings.IndexByte(s, '.'), strings.IndexByte(s, ':'); dot > 0 && dot < colon {
		if days = int64(num(s, 0, dot)); dot > 4 || days < 0 {
			return 0, 0, false
		}
		s = s[dot+1:]
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return 0, 0, false
	}
	n, v, r, ok := decimal(s[i+1:])
	if !ok || n != len(s)-i-1 || v.whole > 59 || v.comma || len(s) < i+3 || s[i+2]-'0' > 9 {
		return 0, 0, false
	}
	if d, res, ok = v.times(time.Second, r); !ok {
		return 0, 0, false
	}
	s = s[:i]
	i = strings.LastIndexByte(s, ':')
	m := num(s, i+1, len(s)-i-1)
	if m < 0 || len(s)-i-1 != 2 || m > 59 {
		return 0, 0, false
	}
	h := 0
	if i >= 0 {
		if h = num(s, 0, i); h < 0 || i > 4 {
			return 0, 0, false
		}
	}
	d += time.Duration(days*24+int64(h))*time.Hour + time.Duration(m)*time.Minute
	return d, res, d <= maxSpan
}

// isoDuration reads what follows the P of "PT0.5S" or "P1DT2H". Years and months are of
// no certain length.
func isoDuration(s string) (d, res time.Duration, ok bool) {
	inTime := false
	last := maxSpan
	for s != "" {
		if s[0] == 'T' && !inTime && len(s) > 1 {
			inTime, s = true, s[1:]
			continue
		}
		n, v, r, ok := decimal(s)
		if !ok || n == len(s) || v.comma {
			return 0, 0, false
		}
		u := time.Duration(0)
		switch s[n] {
		case 'W':
			u = 7 * 24 * time.Hour
		case 'D':
			u = 24 * time.Hour
		case 'H':
			u = time.Hour
		case 'M':
			u = time.Minute
		case 'S':
			u = time.Second
		}
		if u == 0 || u >= last || inTime != (u < 24*time.Hour) {
			return 0, 0, false
		}
		p, pr, ok := v.times(u, r)
		if !ok {
			return 0, 0, false
		}
		d, res, last = d+p, pr, u
		s = s[n+1:]
	}
	if res == 0 || d > maxSpan {
		return 0, 0, false
	}
	return d, min(res, time.Microsecond), true // zeros at the end are not written
}
