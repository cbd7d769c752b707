package format

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
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
					st, ok := parseStamp(l, text, loc, testReference)
					if !ok {
						fmt.Fprintf(&b, "%s: no stamp\n", text)
						continue
					}
					fmt.Fprintf(&b, "%s: %s, resolution %s, zone %s\n", text, st.t.UTC().Format(time.RFC3339Nano), st.res, st.zone)
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

func FuzzTime(f *testing.F) {
	for _, s := range []string{"2026-03-01T12:00:00.123Z", "2026/03/01 12:00:00", "01/Mar/2026:12:00:00 +0100", "Nov 24 02:00:01", "1772366407.123", "1.7e9", "2026-03-01 12:00:00 CEST"} {
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
	f.Fuzz(func(t *testing.T, s string) {
		for _, l := range layouts {
			st, ok := parseStamp(l, s, nil, testReference)
			if ok && (st.res <= 0 || st.t.IsZero()) {
				t.Errorf("%q: resolution %s, time %s", s, st.res, st.t)
			}
		}
		for _, u := range []time.Duration{0, time.Nanosecond, time.Millisecond, time.Second} {
			if d, res, ok := parseDuration(s, u); ok && (d < 0 || res <= 0) {
				t.Errorf("%q: duration %s, resolution %s", s, d, res)
			}
		}
	})
}
