package format

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/correlatehq/correlate/timeline"
)

func TestTime(t *testing.T) {
	datadriven.Walk(t, "testdata/time", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var loc *time.Location
			if d.HasArg("zone") {
				var name string
				d.ScanArgs(t, "zone", &name)
				var err error
				if loc, err = time.LoadLocation(name); err != nil {
					t.Fatal(err)
				}
			}
			var b strings.Builder
			for line := range strings.Lines(d.Input) {
				line = strings.TrimSuffix(line, "\n")
				switch d.Cmd {
				case "stamp":
					name, text, _ := strings.Cut(line, " ")
					text = strings.ReplaceAll(text, "_", " ")
					if _, ok := layoutNames[name]; !ok {
						name = strings.ReplaceAll(name, "_", " ")
					}
					l, err := parseLayout(name)
					if err != nil {
						t.Fatal(err)
					}
					st, ok := parseStamp(l, text, loc, testReference, DateOrderUnknown)
					if !ok {
						fmt.Fprintf(&b, "%s: no stamp\n", text)
						continue
					}
					fmt.Fprintf(&b, "%s: %s, resolution %s, zone %s", text, st.t.UTC().Format(time.RFC3339Nano), st.res, st.zone)
					if st.again > 0 {
						fmt.Fprintf(&b, ", again after %s", st.again)
					}
					if st.never {
						b.WriteString(", never shown")
					}
					b.WriteByte('\n')
				case "duration":
					i := strings.LastIndexByte(line, ' ')
					text, unit := line[:i], units[line[i+1:]]
					v, res, ok := parseDuration(text, unit)
					if !ok {
						fmt.Fprintf(&b, "%s: no duration\n", line)
						continue
					}
					fmt.Fprintf(&b, "%s: %s, resolution %s\n", line, v, res)
				}
			}
			return b.String()
		})
	})
}

// goLayouts are layouts of package time beside the names of ours that read the same text.
var goLayouts = []struct{ std, ours string }{
	{time.RFC3339Nano, "rfc3339"},
	{"2006-01-02 15:04:05.999999999", "iso8601"},
	{"2006/01/02 15:04:05", "iso8601"},
	{"2006-01-02 15:04:05,000 -0700", "iso8601"},
	{"20060102T150405Z0700", "iso8601"},
	{"20060102150405", "iso8601"},
	{"02/Jan/2006:15:04:05 -0700", "clf"},
	{"02/Jan/2006:15:04:05.000", "clf"},
	{time.ANSIC, "month_name"},
	{"Mon Jan 02 15:04:05.000000 2006", "month_name"},
	{time.RFC1123Z, "month_name"},
	{time.RFC1123, "month_name"},
	{time.RFC850, "month_name"},
	{"02 Jan 2006 15:04:05.000", "month_name"},
	{"02-Jan-2006 15:04:05", "month_name"},
	{"Jan 02, 2006 3:04:05 PM", "month_name"},
	{"060102 15:04:05", "yymmdd"},
}

// TestStampsAsGoReadsThem compares stamps of all years, zones and fractions with what
// package time reads.
func TestStampsAsGoReadsThem(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	zones := []*time.Location{time.UTC}
	for range 40 {
		zones = append(zones, time.FixedZone("", (rnd.IntN(25)-12)*3600+rnd.IntN(2)*1800))
	}
	for _, l := range goLayouts {
		ours, err := parseLayout(l.ours)
		if err != nil {
			t.Fatal(err)
		}
		from, to := int64(0), int64(7258118400) // the years 1970 to 2199
		if strings.Contains(l.std, "06") && !strings.Contains(l.std, "2006") {
			from, to = 946684800, 3124224000 // 2000 to 2068, what two digits of a year say
			if l.ours != "yymmdd" {
				from = 0
			}
		}
		for range 3000 {
			at := time.Unix(from+rnd.Int64N(to-from), rnd.Int64N(1e9)).In(zones[rnd.IntN(len(zones))])
			if l.std == time.RFC1123 || l.std == time.RFC850 {
				at = at.UTC()
			}
			s := at.Format(l.std)
			want, err := time.Parse(l.std, s)
			if err != nil || want.Year() < minYear || want.Year() > maxYear {
				continue
			}
			got, ok := parseStamp(ours, s, nil, testReference, DateOrderUnknown)
			if !ok || !got.t.Equal(want) {
				t.Fatalf("%s: %q is %v (%v), want %v", l.ours, s, got.t, ok, want)
			}
		}
	}
}

// TestMomentsAsGoReadsThem compares wall clocks of zones whose clocks are set with what
// package time makes of them, and says where these are open.
func TestMomentsAsGoReadsThem(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca", "America/Sao_Paulo", "Pacific/Apia", "Europe/Moscow"} {
		loc, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		open := 0
		for w := time.Date(2010, 12, 1, 0, 0, 0, 0, time.UTC); w.Year() < 2013; w = w.Add(13 * time.Minute) {
			m := momentOf(loc, w.Unix())
			got := time.Unix(m.unix, 0).In(loc)
			want := time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), 0, loc)
			shows := got.Day() == w.Day() && got.Hour() == w.Hour() && got.Minute() == w.Minute()
			switch {
			case m.never:
				open++
				if shows {
					t.Fatalf("%s shows %s", name, w)
				}
			case m.again > 0:
				open++
				second := got.Add(m.again)
				if !shows || second.Hour() != w.Hour() || second.Minute() != w.Minute() || !got.Equal(want) && !second.Equal(want) {
					t.Fatalf("%s: %s is %s and %s, want one to be %s", name, w, got, second, want)
				}
			case !got.Equal(want):
				t.Fatalf("%s: %s is %s, want %s", name, w, got, want)
			}
		}
		if none := open == 0; none != (name == "Asia/Kolkata") {
			t.Errorf("%s: %d wall clocks are open", name, open)
		}
	}
}

// BenchmarkStamp reads the stamps that most records bear, each beside package time.
func BenchmarkStamp(b *testing.B) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name, ours, std, text string
		loc                   *time.Location
	}{
		{"rfc3339", "rfc3339", time.RFC3339, "2026-03-01T12:00:07.655123Z", nil},
		{"rfc3339_offset", "rfc3339", time.RFC3339, "2026-03-01T12:00:07.655+01:00", nil},
		{"iso8601", "iso8601", "2006-01-02 15:04:05,000", "2026-03-01 12:00:07,655", nil},
		{"iso8601_berlin", "iso8601", "2006-01-02 15:04:05,000", "2026-03-01 12:00:07,655", berlin},
		{"clf", "clf", "02/Jan/2006:15:04:05 -0700", "01/Mar/2026:12:00:07 +0100", nil},
		{"haproxy", "clf", "02/Jan/2006:15:04:05.000", "06/Feb/2026:12:14:14.655", nil},
		{"syslog", "syslog", time.Stamp, "Mar  1 12:00:07", nil},
		{"apache_error", "month_name", "Mon Jan 02 15:04:05.000000 2006", "Sun Mar 01 12:00:07.902022 2026", nil},
		{"unix_ms", "unix_ms", "", "1772366407655", nil},
		{"auto", "auto", "", "2026-03-01T12:00:07.655Z", nil},
	} {
		l, err := parseLayout(c.ours)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := parseStamp(l, c.text, c.loc, testReference, DateOrderUnknown); !ok {
					b.Fatal(c.text)
				}
			}
		})
		if c.std == "" {
			continue
		}
		in := c.loc
		if in == nil {
			in = time.UTC
		}
		b.Run(c.name+"_package_time", func(b *testing.B) {
			for b.Loop() {
				if _, err := time.ParseInLocation(c.std, c.text, in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// likeLast remembers a stamp and changes a byte after the other: what is read of it by the one that is remembered is what is read of it alone.
func likeLast(t *testing.T, l layout, s string, loc *time.Location) (times int) {
	t.Helper()
	st, ok := parseStamp(l, s, loc, testReference, DateOrderUnknown)
	if !ok {
		return 0
	}
	var last lastStamp
	last.remember(l, s, &st)
	for i := range len(s) {
		for _, c := range "0569:.Z+ " {
			b := []byte(s)
			b[i] = byte(c)
			for _, in := range []*time.Location{loc, time.UTC, nil} {
				got, ok := last.read(l, string(b), in)
				if !ok {
					continue
				}
				times++
				want, ok := parseStamp(l, string(b), in, testReference, DateOrderUnknown)
				_, offset := got.t.Zone()
				_, wantOffset := want.t.Zone()
				alike := got.t.Equal(want.t) && offset == wantOffset
				got.t = want.t // zones of odd minutes are made anew for each stamp
				if !ok || !alike || got != want {
					t.Errorf("%q after %q: %+v, alone %+v, %v", b, s, got, want, ok)
				}
			}
		}
	}
	return times
}

func TestLastStamp(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		layout, text string
		remembered   bool
	}{
		{"iso8601", "2026-03-01T12:00:07.655Z", true},
		{"iso8601", "2026-03-01 12:00:07,655", true},
		{"rfc3339", "2026-03-01T12:00:07.655123456+01:00", true},
		{"auto", "2026/03/01 12:00:07", true},
		{"auto", "01/Mar/2026:12:00:07 +0000", false},
		{"clf", "01/Mar/2026:12:00:07 +0000", true},
		{"clf", "01/Mar/2026:12:00:07.655", true},
		{"clf", "01/Mar/2026 12:00:07", false},
		{"iso8601", "2026-03-01 12:00:07 PM", false},
		{"iso8601", "2026-03-29 01:59:07 Europe/Berlin", false},
		{"iso8601", "2026-03-01 12:00:60", false},
		{"iso8601", "20260301T120007Z", false},
		{"epoch", "1772366407.123456789", false},
		{"syslog", "Mar  1 12:00:07", false},
	} {
		l, err := parseLayout(c.layout)
		if err != nil {
			t.Fatal(err)
		}
		for _, loc := range []*time.Location{nil, berlin} {
			if n := likeLast(t, l, c.text, loc); loc == nil && (n > 0) != c.remembered {
				t.Errorf("%s %q: %d are read by the last one, want some: %v", c.layout, c.text, n, c.remembered)
			}
		}
	}
}

// FuzzStamp reads any text in every layout: nothing breaks, what is read is a stamp, and
// what package time reads too is the same moment.
func FuzzStamp(f *testing.F) {
	for _, s := range []string{"2026-03-01T12:00:00.123Z", "2026/03/01 12:00:00", "01/Mar/2026:12:00:00 +0100", "Nov 24 02:00:01", "1772366407.123", "1.7e9",
		"2026-03-01 12:00:00 CEST", "Sun Mar 01 12:00:07.902022 2026", "Sunday, 01-Mar-26 12:00:07 GMT", "260301  9:00:07", "0301 12:00:07.655", "12:00:07.655",
		"@4000000069a42a51270b3d18", "/Date(1772366407655+0100)/", "20260301T120007Z", "2026-10-25 02:30:00 Europe/Berlin"} {
		f.Add(s)
	}
	var layouts []layout
	for _, n := range sortedKeys(layoutNames) {
		l, err := parseLayout(n)
		if err != nil {
			f.Fatal(err)
		}
		layouts = append(layouts, l)
	}
	for _, n := range goLayouts {
		l, err := parseLayout(n.std)
		if err != nil {
			f.Fatal(err)
		}
		layouts = append(layouts, l)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, l := range layouts {
			for _, loc := range []*time.Location{nil, berlin} {
				st, ok := parseStamp(l, s, loc, testReference, DateOrderUnknown)
				likeLast(t, l, s, loc)
				if ok && (st.res <= 0 || st.t.Year() < 1899 || st.t.Year() > 10000 || loc == nil && st.zone == timeline.ZoneConfig) {
					t.Errorf("%q: resolution %s, time %s, zone %s", s, st.res, st.t, st.zone)
				}
			}
		}
		for _, l := range goLayouts {
			want, err := time.Parse(l.std, s)
			if err != nil {
				continue
			}
			got, ok := parseStamp(layout{kind: layoutNames[l.ours]}, s, nil, testReference, DateOrderUnknown)
			if name, off := want.Zone(); off == 0 && name != "" && name != "UTC" {
				continue // an abbreviation of which package time knows nothing
			}
			if ok && !got.t.Equal(want) {
				t.Errorf("%s: %q is %s, package time reads %s", l.ours, s, got.t, want)
			}
		}
	})
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"12.3ms", "1m2s", "0.041", "PT0.5S", "00:00:01.234", "1.02:03:04.5670000", "1,234 ms", "0,041 s", "1.5e-3", "1 min 2 s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, u := range []time.Duration{0, time.Nanosecond, time.Millisecond, time.Second} {
			d, res, ok := parseDuration(s, u)
			if ok && (d < 0 || d > maxSpan || res <= 0) {
				t.Errorf("%q: duration %s, resolution %s", s, d, res)
			}
			if want, err := time.ParseDuration(s); err == nil && u == 0 && ok && (d-want).Abs() > max(res, want/1e9) {
				t.Errorf("%q is %s, package time reads %s", s, d, want)
			}
		}
	})
}
