package format

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/correlatehq/correlate/timeline"
)

// testReference dates stamps without a year in the tests.
var testReference = time.Date(2026, time.November, 24, 6, 0, 0, 0, time.UTC)

// TestFrame cuts streams into records and decodes them. In the input \r, \t and \0
// stand for these bytes, \E for the escape character, \L for an e with acute accent in Latin-1, \B for a byte order mark; "max" is the size limit of records.
func TestFrame(t *testing.T) {
	datadriven.Walk(t, "testdata/frame", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			o := Options{Reference: testReference}
			var show []string
			for _, a := range d.CmdArgs {
				switch a.Key {
				case "format":
					if o.Format = Builtin().Lookup(a.Vals[0]); o.Format == nil {
						t.Fatalf("%s: no format %s", d.Pos, a.Vals[0])
					}
				case "max":
					n, err := strconv.Atoi(a.Vals[0])
					if err != nil {
						t.Fatal(err)
					}
					o.MaxRecord = n
				case "zone":
					l, err := time.LoadLocation(a.Vals[0])
					if err != nil {
						t.Fatal(err)
					}
					o.Zone = l
				case "show":
					show = a.Vals
				default:
					t.Fatalf("%s: unknown argument %s", d.Pos, a.Key)
				}
			}
			in := strings.NewReplacer(`\r`, "\r", `\t`, "\t", `\0`, "\x00", `\B`, string(bom), `\E`, "\x1b", `\L`, "\xe9").Replace(d.Input) + "\n"
			return readAll(t, in, o, show)
		})
	})
}

// readAll writes what is read of a stream.
func readAll(t *testing.T, in string, o Options, show []string) string {
	r, err := Builtin().NewReader(strings.NewReader(in), o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	det := r.Detection()
	if o.Format == nil {
		b.WriteString(showDetection(&det))
	}
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			for _, g := range r.Detection().Segments {
				fmt.Fprintf(&b, "from line %d at %d: %s\n", g.Line, g.Offset, strings.Join(append(g.Format.Wrappers, g.Format.Name), " > "))
			}
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%d@%d %d lines", rec.Line, rec.Offset, strings.Count(string(rec.Bytes), "\n")+1)
		if rec.Cut {
			fmt.Fprintf(&b, " cut at %d bytes", len(rec.Bytes))
		}
		if !strings.HasPrefix(in[rec.Offset:], firstLine(rec.Bytes)) {
			t.Errorf("record at line %d is not at its offset %d", rec.Line, rec.Offset)
		}
		events := 0
		err = r.Decode(rec, func(e *timeline.Event) bool {
			events++
			writeEvent(&b, e, show)
			return true
		})
		if err != nil {
			fmt.Fprintf(&b, ": %v\n", err)
		} else if events == 0 {
			b.WriteString(", no event\n")
		}
	}
}

// writeEvent writes the format of an event and what it says of the names that are asked for.
func writeEvent(b *strings.Builder, e *timeline.Event, show []string) {
	fmt.Fprintf(b, " %s\n", e.Format)
	for _, name := range show {
		if v := Show(e, name); v != "" {
			fmt.Fprintf(b, "  %s: %s\n", name, strings.ReplaceAll(v, "\n", `\n`))
		}
	}
}

func firstLine(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSuffix(s, "\r")
}

func showDetection(det *Detection) string {
	var b strings.Builder
	switch {
	case det.Binary:
		return "binary\n"
	case det.Format == nil:
		b.WriteString("no format")
	default:
		b.WriteString("format ")
		for _, w := range det.Format.Wrappers {
			b.WriteString(w + " > ")
		}
		fmt.Fprintf(&b, "%s", det.Format.Name)
	}
	fmt.Fprintf(&b, ", %d of %d records unread", det.Unread, det.Records)
	if det.FirstUnread > 0 {
		fmt.Fprintf(&b, ", first at line %d", det.FirstUnread)
	}
	for i, c := range det.Candidates {
		if i == 0 {
			b.WriteString("; candidates")
		}
		fmt.Fprintf(&b, " %s %.2f", c.Format.Name, c.Share)
	}
	return b.String() + "\n"
}
