package format

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/correlatehq/correlate/timeline"
)

// stockCSV is a format whose records go on inside quotes.
const stockCSV = `
doc: A table of a shop.
decoder: columns
lines: many
columns: {separator: comma, quote: double, names: [at, level, text, extra], header: row, least: 3}
require: {at: '^\d{4}-', level: '^[A-Z]+$'}
time: {field: at, layout: iso8601, meaning: within}
fields: {text: body}
samples:
  - line: '2026-03-01 12:00:07.655 UTC,INFO,"he said ""no"", twice"'
    want: {body: 'he said "no", twice', severity_text: info}
  - line: "2026-03-01 12:00:07.655 UTC,ERROR,\"two\nlines\",x"
    want: {body: "two\nlines", extra: x}
`

// TestColumnsLines reads records that go on inside quotes, the row of names that
// changes the columns, and records that are cut off.
func TestColumnsLines(t *testing.T) {
	s, err := Load(fstest.MapFS{"stock.yaml": {Data: []byte(stockCSV)}})
	if err != nil {
		t.Fatal(err)
	}
	in := `2026-03-01 12:00:01 UTC,INFO,"SELECT 1
,""x""
",a
2026-03-01 12:00:02 UTC,INFO,plain

2026-03-01 12:00:03 UTC,ERROR,"cut
off
2026-03-01 12:00:04 UTC,INFO,after it
level,at,extra,text
INFO,2026-03-01 12:00:05 UTC,b,"other
order"
INFO,2026-03-01 12:00:06 UTC
no record
`
	r, err := s.NewReader(strings.NewReader(in), Options{Reference: testReference})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%d:", rec.Line)
		if err := r.Decode(rec, func(e *timeline.Event) bool {
			line += fmt.Sprintf(" %s %q %s", Show(e, "time"), e.Body, Show(e, "extra"))
			return true
		}); err != nil {
			line += " unread"
		}
		got = append(got, line)
	}
	want := []string{
		`1: 2026-03-01T12:00:01Z "SELECT 1\n,\"x\"\n" a`,
		`4: 2026-03-01T12:00:02Z "plain" `,
		`6: 2026-03-01T12:00:03Z "cut\noff" `,
		`8: 2026-03-01T12:00:04Z "after it" `,
		`9:`,
		`10: 2026-03-01T12:00:05Z "other\norder" b`,
		`12: unread`,
		`13: unread`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if det := r.Detection(); det.Format == nil || det.Format.Name != "stock" {
		t.Errorf("detected as %+v", det)
	}
}

// TestColumnsMidway reads a piece from the middle of a stream in the format that was
// found by the stream's head: the columns are those that the head named.
func TestColumnsMidway(t *testing.T) {
	head := "#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n#Date: 2026-03-01 12:00:00\n" +
		"#Fields: date time s-computername c-ip cs-method cs-uri-stem sc-status time-taken\n" +
		"2026-03-01 12:00:07 WEB-1 198.51.100.7 GET /api 200 12\n"
	det := Builtin().Detect([]byte(head))
	if det.Format == nil || det.Format.Name != "iis_w3c" || det.Unread != 0 {
		t.Fatalf("detected as %+v", det)
	}
	r, err := Builtin().NewReader(strings.NewReader("2026-03-01 12:00:08 WEB-1 198.51.100.7 POST /api 503 40\n"), Options{Format: det.Format})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Decode(rec, func(e *timeline.Event) bool {
		if e.Host != "WEB-1" || e.StatusCode != 503 || !e.Failed {
			t.Errorf("read %+v", e)
		}
		return true
	}); err != nil {
		t.Error(err)
	}
}

// FuzzColumns parts any record: the fields stand in it in order, and are those of
// encoding/csv where it reads one record of it.
func FuzzColumns(f *testing.F) {
	for _, ft := range Builtin().Formats() {
		for _, sm := range ft.Samples() {
			if ft.c.columns != nil {
				f.Add([]byte(sm.Line), ft.c.columns.sep, ft.c.columns.quoted, ft.c.columns.backslash)
			}
		}
	}
	f.Add([]byte("a,\"b \"\"c\"\"\nd\",,\"\",e"), byte(','), true, false)
	f.Add([]byte(`a "b \"c\\" d\" "e`), byte(' '), true, true)
	f.Fuzz(func(t *testing.T, in []byte, sep byte, quoted, backslash bool) {
		if sep == '"' || sep == '\\' || sep == '\n' || sep == '\r' || sep >= 0x80 || sep == 0 {
			return
		}
		c := &columns{sep: sep, quoted: quoted, backslash: backslash}
		spans := c.split(in, nil)
		end := 0
		var got []string
		for _, s := range spans {
			if s.start < end || s.end < s.start || s.end > len(in) {
				t.Fatalf("span %+v after %d of %d bytes", s, end, len(in))
			}
			end = s.end
			v := slices.Clone(in[s.start:s.end])
			if s.escaped {
				v = c.unescape(v)
			}
			unescapeURL(slices.Clone(v), true, true)
			got = append(got, string(v))
		}
		if len(spans) > maxColumns+1 {
			t.Fatalf("%d columns", len(spans))
		}
		c.open(in, false)
		if !quoted || backslash || len(spans) > maxColumns || strings.ContainsAny(string(in), "\r") {
			return
		}
		r := csv.NewReader(strings.NewReader(string(in)))
		r.Comma = rune(sep)
		all, err := r.ReadAll()
		if err == nil && len(all) == 1 && !strings.HasPrefix(string(in), "\n") && !strings.HasSuffix(string(in), "\n") && !slices.Equal(all[0], got) {
			t.Errorf("%q: %q, want %q", in, got, all[0])
		}
	})
}
