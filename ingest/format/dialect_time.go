package format

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// A timePart is how a variable of a time is written: whole, or a piece that stands
// beside others ("%Y-%m-%d" and "%H:%M:%S").
type timePart struct {
	layout string // of package time or the name of one
	expr   string // pattern of the text
	has    timeHas
	zone   string // in which it is written, if the string says so
}

// timeHas says what a time holds, as bits.
type timeHas uint8

const (
	hasDate timeHas = 1 << iota
	hasClock
	hasFraction
	hasZone
	hasEpoch
)

// whole says whether the time is a moment by itself.
func (h timeHas) whole() bool { return h&hasEpoch != 0 || h&hasDate != 0 && h&hasClock != 0 }

// moment says whether a stamp is made of t: it is whole, or the time of day, whose date
// is told by the stream.
func (t *timePart) moment() bool { return t.has.whole() || t.name() == "clock" }

// namedTimes are the layouts that have a name, with the pattern of what they read.
var namedTimes = map[string]timePart{
	"clf":     {"clf", `\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?:[.,]\d+)?(?: [+-]\d{4})?`, hasDate | hasClock | hasZone, ""},
	"rfc3339": {"rfc3339", `\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z| ?[+-]\d\d:?\d\d)?`, hasDate | hasClock | hasZone, ""},
	"unix":    {"unix", `\d+(?:\.\d+)?`, hasEpoch, ""},
	"unix_ms": {"unix_ms", `\d+`, hasEpoch, ""},
	"unix_us": {"unix_us", `\d+`, hasEpoch, ""},
	"unix_ns": {"unix_ns", `\d+`, hasEpoch, ""},
	"zone":    {"-0700", `[+-]\d{4}`, hasZone, ""},
}

// parseTimePart reads what a dialect says of a time.
func parseTimePart(s string) (*timePart, error) {
	if t, ok := namedTimes[s]; ok {
		return &t, nil
	}
	how, format, _ := strings.Cut(s, " ")
	switch how {
	case "strftime":
		return strftime(format)
	case "java":
		return javaTime(format)
	case "fraction":
		n := len(format)
		if n == 0 || n > 9 || strings.Trim(format, "0") != "" {
			return nil, fmt.Errorf("a fraction is written as its zeros: fraction 000")
		}
		return &timePart{format, fmt.Sprintf(`\d{%d}`, n), hasFraction, ""}, nil
	case "go":
		return goTime(format)
	}
	return nil, fmt.Errorf("unknown time %q", s)
}

// goTime reads a layout of package time, by way of the directives that mean the same.
func goTime(layout string) (*timePart, error) {
	var b timeBuilder
	for layout != "" {
		found := false
		for _, e := range goElements {
			if strings.HasPrefix(layout, e.layout) {
				b.add(e)
				layout = layout[len(e.layout):]
				found = true
				break
			}
		}
		if !found {
			b.text(layout[:1])
			layout = layout[1:]
		}
	}
	return b.done()
}

// A timeElement is one directive.
type timeElement struct {
	layout, expr string
	has          timeHas
}

var (
	elYear     = timeElement{"2006", `\d{4}`, 0}
	elYear2    = timeElement{"06", `\d\d`, 0}
	elMonth    = timeElement{"01", `\d\d`, 0}
	elMonth1   = timeElement{"1", `\d\d?`, 0}
	elMonName  = timeElement{"Jan", `[A-Z][a-z]{2}`, 0}
	elMonLong  = timeElement{"January", `[A-Z][a-z]+`, 0}
	elDay      = timeElement{"02", `\d\d`, hasDate}
	elDay1     = timeElement{"2", `\d\d?`, hasDate}
	elDayPad   = timeElement{"_2", `[ \d]\d`, hasDate}
	elYearDay  = timeElement{"002", `\d{3}`, hasDate}
	elWeekday  = timeElement{"Mon", `[A-Z][a-z]{2}`, 0}
	elWeekLong = timeElement{"Monday", `[A-Z][a-z]+`, 0}
	elHour     = timeElement{"15", `\d\d`, hasClock}
	elHour12   = timeElement{"03", `\d\d`, hasClock}
	elHour12a  = timeElement{"3", `\d\d?`, hasClock}
	elMinute   = timeElement{"04", `\d\d`, 0}
	elSecond   = timeElement{"05", `\d\d`, 0}
	elPM       = timeElement{"PM", `[AP]M`, 0}
	elZone     = timeElement{"-0700", `[+-]\d{4}`, hasZone}
	elZoneCol  = timeElement{"-07:00", `[+-]\d\d:\d\d`, hasZone}
	elZoneISO  = timeElement{"Z07:00", `(?:Z|[+-]\d\d:\d\d)`, hasZone}
	elZoneISO4 = timeElement{"Z0700", `(?:Z|[+-]\d{4})`, hasZone}
	elZoneISO2 = timeElement{"Z07", `(?:Z|[+-]\d\d)`, hasZone}
	elZoneName = timeElement{"MST", `[A-Z]{1,5}`, hasZone}
)

// goElements are the elements of a layout of package time, longer ones first.
var goElements = []timeElement{elMonLong, elWeekLong, elZoneCol, elZoneISO, elZoneISO4, elZone, elZoneISO2, elYear, elMonName, elWeekday, elZoneName,
	elYearDay, elDayPad, elMonth, elDay, elHour12, elMinute, elSecond, elYear2, elHour, elPM}

func fractionElement(digits int) timeElement {
	return timeElement{strings.Repeat("0", digits), fmt.Sprintf(`\d{%d}`, digits), hasFraction}
}

// strftimeElements are the directives of strftime that have one element.
var strftimeElements = map[byte]timeElement{
	'Y': elYear, 'y': elYear2, 'm': elMonth, 'b': elMonName, 'h': elMonName, 'B': elMonLong, 'd': elDay, 'e': elDayPad,
	'j': elYearDay, 'a': elWeekday, 'A': elWeekLong, 'H': elHour, 'I': elHour12, 'M': elMinute, 'S': elSecond, 'p': elPM,
	'z': elZone, 'Z': elZoneName, 'f': {"000000", `\d+`, hasFraction}, 'L': fractionElement(3), 'N': fractionElement(9),
}

// strftimeShort are the directives that stand for several.
var strftimeShort = map[byte]string{
	'T': "%H:%M:%S", 'D': "%m/%d/%y", 'F': "%Y-%m-%d", 'R': "%H:%M", 'c': "%a %b %e %H:%M:%S %Y", 'r': "%I:%M:%S %p", 'x': "%m/%d/%y", 'X': "%H:%M:%S",
}

func strftime(s string) (*timePart, error) {
	if s == "%s" {
		t := namedTimes["unix"]
		t.expr = `\d+`
		return &t, nil
	}
	switch s {
	case "%s%3f":
		return &timePart{"unix_ms", `\d+`, hasEpoch, ""}, nil
	case "%s%6f":
		return &timePart{"unix_us", `\d+`, hasEpoch, ""}, nil
	case "%s%9f", "%s%f":
		return &timePart{"unix_ns", `\d+`, hasEpoch, ""}, nil
	}
	for c, long := range strftimeShort {
		s = strings.ReplaceAll(s, "%"+string(c), long)
	}
	var b timeBuilder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.text(s[i : i+1])
			continue
		}
		if i++; i == len(s) {
			return nil, fmt.Errorf("the time ends in %%")
		}
		digits := 0
		if s[i] >= '1' && s[i] <= '9' && i+1 < len(s) { // Envoy's %3f, Ruby's %3N
			digits = int(s[i] - '0')
			i++
		} else if s[i] == '-' || s[i] == 'E' || s[i] == 'O' {
			if i++; i == len(s) {
				return nil, fmt.Errorf("the time ends in %%")
			}
		}
		switch c := s[i]; c {
		case '%':
			b.text("%")
		case 't':
			b.text("\t")
		case 'n':
			b.text("\n")
		default:
			e, ok := strftimeElements[c]
			if c == 's' {
				return unixParts(s)
			}
			if !ok {
				return nil, fmt.Errorf("%%%c of a time is not read", c)
			}
			if digits > 0 && e.has == hasFraction {
				e = fractionElement(digits)
			}
			b.add(e)
		}
	}
	return b.done()
}

// unixParts reads "%s" followed by a fraction.
func unixParts(s string) (*timePart, error) {
	rest, ok := strings.CutPrefix(s, "%s.")
	if !ok || len(rest) > 3 || !strings.HasPrefix(rest, "%") || !strings.ContainsAny(rest[len(rest)-1:], "fLN") {
		return nil, fmt.Errorf("%%s stands beside other parts of a time")
	}
	return &timePart{"unix", `\d+\.\d+`, hasEpoch, ""}, nil
}

// javaNames are the names that log4j and logback have for whole times.
var javaNames = map[string]string{
	"":                               "yyyy-MM-dd HH:mm:ss,SSS",
	"DEFAULT":                        "yyyy-MM-dd HH:mm:ss,SSS",
	"DEFAULT_MICROS":                 "yyyy-MM-dd HH:mm:ss,SSSSSS",
	"DEFAULT_NANOS":                  "yyyy-MM-dd HH:mm:ss,SSSSSSSSS",
	"DEFAULT_PERIOD":                 "yyyy-MM-dd HH:mm:ss.SSS",
	"DATE":                           "dd MMM yyyy HH:mm:ss,SSS",
	"DATE_PERIOD":                    "dd MMM yyyy HH:mm:ss.SSS",
	"ISO8601_PERIOD_MICROS":          "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
	"ISO8601_OFFSET_DATE_TIME_HH":    "yyyy-MM-dd'T'HH:mm:ss,SSSX",
	"ISO8601_OFFSET_DATE_TIME_HHMM":  "yyyy-MM-dd'T'HH:mm:ss,SSSXX",
	"ISO8601_OFFSET_DATE_TIME_HHCMM": "yyyy-MM-dd'T'HH:mm:ss,SSSXXX",
	"ISO8601_BASIC":                  "yyyyMMdd'T'HHmmss,SSS",
	"ISO8601_BASIC_PERIOD":           "yyyyMMdd'T'HHmmss.SSS",
	"COMPACT":                        "yyyyMMddHHmmssSSS",
	"ABSOLUTE":                       "HH:mm:ss,SSS",
	"ABSOLUTE_PERIOD":                "HH:mm:ss.SSS",
	"US_MONTH_DAY_YEAR2_TIME":        "dd/MM/yy HH:mm:ss.SSS",
	"US_MONTH_DAY_YEAR4_TIME":        "dd/MM/yyyy HH:mm:ss.SSS",
	"STRICT":                         "yyyy-MM-dd'T'HH:mm:ss,SSS",
}

// javaZone is a zone that follows a pattern.
var javaZone = regexp.MustCompile(`,\s*("?)(UTC|Z|(?:GMT|UTC)[+-]\d[\d:]*|GMT|[A-Z][a-z]+/[A-Za-z_/]+)"?$`)

// javaTime reads a pattern of SimpleDateFormat or DateTimeFormatter, with or without a
// zone after it.
func javaTime(s string) (*timePart, error) {
	zone := ""
	if m := javaZone.FindStringSubmatchIndex(s); m != nil {
		s, zone = s[:m[0]], s[m[4]:m[5]]
	}
	t, err := javaPattern(strings.Trim(strings.TrimSpace(s), `"`))
	if err == nil && t.has&(hasZone|hasEpoch) == 0 {
		t.zone = zone
	}
	return t, err
}

func javaPattern(s string) (*timePart, error) {
	switch s {
	case "UNIX":
		return &timePart{"unix", `\d+`, hasEpoch, ""}, nil
	case "ISO8601", "ISO8601_PERIOD":
		t := namedTimes["rfc3339"] // with T by log4j 2, with a space by the others
		return &t, nil
	case "UNIX_MILLIS":
		return &timePart{"unix_ms", `\d+`, hasEpoch, ""}, nil
	}
	if long, ok := javaNames[s]; ok {
		s = long
	}
	var b timeBuilder
	for i := 0; i < len(s); {
		c := s[i]
		if c == '\'' {
			end := strings.IndexByte(s[i+1:], '\'')
			if end < 0 {
				return nil, fmt.Errorf("a quote of the time is not closed")
			}
			if end == 0 {
				b.text("'")
			}
			b.text(s[i+1 : i+1+end])
			i += end + 2
			continue
		}
		if c|0x20 < 'a' || c|0x20 > 'z' {
			b.text(s[i : i+1])
			i++
			continue
		}
		n := 1
		for i+n < len(s) && s[i+n] == c {
			n++
		}
		i += n
		e, ok := javaElement(c, n)
		if !ok {
			return nil, fmt.Errorf("%s of a time is not read", strings.Repeat(string(c), n))
		}
		b.add(e)
	}
	return b.done()
}

func javaElement(c byte, n int) (timeElement, bool) {
	pick := func(l ...timeElement) (timeElement, bool) {
		e := l[min(n, len(l))-1]
		return e, e.layout != ""
	}
	var none timeElement
	switch c {
	case 'y', 'u':
		return pick(elYear, elYear2, none, elYear)
	case 'M', 'L':
		return pick(elMonth1, elMonth, elMonName, elMonLong)
	case 'd':
		return pick(elDay1, elDay)
	case 'D':
		return pick(none, none, elYearDay)
	case 'E':
		return pick(elWeekday, elWeekday, elWeekday, elWeekLong)
	case 'H':
		return pick(none, elHour)
	case 'h':
		return pick(elHour12a, elHour12)
	case 'm':
		return pick(none, elMinute)
	case 's':
		return pick(none, elSecond)
	case 'S', 'n':
		if n > 9 {
			return none, false
		}
		return fractionElement(n), true
	case 'a':
		return elPM, true
	case 'X':
		return pick(elZoneISO2, elZoneISO4, elZoneISO)
	case 'x':
		return pick(none, elZone, elZoneCol)
	case 'Z':
		return pick(elZone, elZone, elZone, none, elZoneISO)
	case 'z', 'V':
		return elZoneName, n < 4
	}
	return none, false
}

// timeBuilder puts a layout and its pattern together.
type timeBuilder struct {
	layout, expr strings.Builder
	has          timeHas
	err          error
}

func (b *timeBuilder) add(e timeElement) {
	if e.has == hasFraction {
		l := b.layout.String()
		if !strings.HasSuffix(l, ".") && !strings.HasSuffix(l, ",") {
			b.err = fmt.Errorf("a fraction that no point parts from the seconds is not read")
		}
	}
	b.layout.WriteString(e.layout)
	b.expr.WriteString(e.expr)
	b.has |= e.has
}

// layoutWords are what package time takes for an element where a text has it.
var layoutWords = regexp.MustCompile(`[0-9]|Jan|Mon|MST|PM|pm|_2`)

func (b *timeBuilder) text(s string) {
	if layoutWords.MatchString(s) {
		b.err = fmt.Errorf("the text %q inside a time is not read", s)
	}
	b.layout.WriteString(s)
	b.expr.WriteString(regexp.QuoteMeta(s))
}

func (b *timeBuilder) done() (*timePart, error) {
	if b.err != nil {
		return nil, b.err
	}
	return &timePart{b.layout.String(), b.expr.String(), b.has, ""}, nil
}

// isoLayout, dayLayout and clfLayout are the layouts that parsers of our own read, which are faster
// and do not mind how many digits a fraction has.
var (
	isoLayout = regexp.MustCompile(`^2006([-/])01[-/]02[T ]15:04:05(?:[.,]0+)?(?: ?(?:Z07:00|Z0700|Z07|-0700|-07:00|MST)|Z)?$`)
	dayLayout = regexp.MustCompile(`^15:04:05(?:[.,]0+)?$`)
	clfLayout = regexp.MustCompile(`^02/Jan/2006:15:04:05(?:[.,]0+)?(?: (?:-0700|-07:00|MST))?$`)
)

// name gives the layout as a format file writes it.
func (t *timePart) name() string {
	switch {
	case isoLayout.MatchString(t.layout):
		return "iso8601"
	case clfLayout.MatchString(t.layout):
		return "clf"
	case dayLayout.MatchString(t.layout):
		return "clock"
	}
	return t.layout
}

// joined puts a second piece behind t, with the text that stands between them; nil if
// the two do not make one time.
func (t *timePart) joined(between string, u *timePart) *timePart {
	if t.has&u.has != 0 || u.has&hasEpoch != 0 || len(between) > 3 || strings.Trim(between, " .,:TZ-/_") != "" {
		return nil
	}
	if t.has&hasEpoch != 0 {
		if t.layout != "unix" || u.has != hasFraction || between != "." {
			return nil
		}
		return &timePart{"unix", `\d+\.` + u.expr, hasEpoch, ""}
	}
	if _, named := namedTimes[t.layout]; named {
		return nil
	}
	if u.has == hasFraction && between != "." && between != "," {
		return nil
	}
	if strings.Contains(between, "_") {
		return nil
	}
	return &timePart{t.layout + between + u.layout, t.expr + regexp.QuoteMeta(between) + u.expr, t.has | u.has, t.zone + u.zone}
}

// bracketed gives the time with text around it as one layout; nil if that cannot be.
func (t *timePart) bracketed(before, after string) *timePart {
	l := t.layout
	switch l {
	case "clf":
		l = "02/Jan/2006:15:04:05 -0700"
	case "rfc3339", "unix", "unix_ms", "unix_us", "unix_ns":
		return nil
	}
	if layoutWords.MatchString(before + after) {
		return nil
	}
	return &timePart{before + l + after, "", t.has, t.zone}
}

// zoneNamed reads a zone as format strings name it: UTC, Europe/Berlin, GMT+2, +02:00.
func zoneNamed(s string) (*time.Location, error) {
	switch s {
	case "utc", "UTC", "GMT", "Z":
		return time.UTC, nil
	}
	off := strings.TrimPrefix(strings.TrimPrefix(s, "GMT"), "UTC")
	if off != "" && (off[0] == '+' || off[0] == '-') {
		if i := strings.IndexByte(off, ':'); i == 2 {
			off = off[:1] + "0" + off[1:]
		}
		if sec, n := parseOffset(off); n > 0 && n == len(off) {
			return fixedZone(sec), nil
		}
	}
	loc, err := time.LoadLocation(s)
	if err != nil {
		return nil, fmt.Errorf("unknown zone %q", s)
	}
	return loc, nil
}
