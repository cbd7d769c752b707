package format

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cockroachdb/datadriven"

	"github.com/correlatehq/correlate/timeline"
)

// TestNative reads servers' own format strings and lines that the servers wrote by them.
//
//	string dialect=nginx    the string, then what was understood
//	read                    lines, read by the last string
func TestNative(t *testing.T) {
	datadriven.Walk(t, "testdata/native", func(t *testing.T, path string) {
		var u *Understood
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var b strings.Builder
			switch d.Cmd {
			case "string":
				var dialect string
				d.ScanArgs(t, "dialect", &dialect)
				var err error
				if u, err = Native("", dialect, d.Input); err != nil {
					return "error: " + err.Error() + "\n"
				}
				showUnderstood(&b, u)
				if d.HasArg("pattern") {
					for _, f := range u.Formats {
						fmt.Fprintf(&b, "%s\n", strings.Join(append(f.c.spec.Pattern, sortedKeys(f.c.spec.Require)...), "\n"))
					}
				}
			case "read":
				for line := range strings.SplitSeq(d.Input, "\n") {
					b.WriteString(readNative(u, line))
				}
			default:
				t.Fatalf("unknown command %s", d.Cmd)
			}
			return b.String()
		})
	})
}

func showUnderstood(b *strings.Builder, u *Understood) {
	if u.Pos != "" {
		fmt.Fprintf(b, "%s %s %s %v\n", u.Name, u.Dialect, u.Pos, u.Used)
	}
	for _, v := range u.Variables {
		what := "-> " + strings.TrimSpace(v.Target+" "+v.Unit)
		if !v.Known {
			what = "?> " + what[3:]
		}
		if v.Note != "" {
			what += " (" + v.Note + ")"
		}
		fmt.Fprintf(b, "%s %s\n", v.Text, what)
	}
	for _, f := range u.Formats {
		c := f.c
		how := [...]string{"regexp", "json", "logfmt"}[c.decoder]
		fmt.Fprintf(b, "%s: stamp %s by %q, meaning %s %s, literals %q\n", how, u.Stamp, c.spec.Time.Layout, f.Meaning(), c.spec.Time.Zone, f.Literals)
	}
	for _, n := range u.Notes {
		fmt.Fprintf(b, "note: %s\n", n)
	}
}

// readNative reads one line by the first of the formats that does.
func readNative(u *Understood, line string) string {
	d := newDecoding(sampleReference, nil)
	for i, f := range u.Formats {
		if d.decode(f.c, []byte(line)) {
			s := showEvent(&d.ev)
			if i > 0 {
				s = fmt.Sprintf("by format %d: %s", i, s)
			}
			return s
		}
	}
	return "not read: " + line + "\n"
}

// showEvent writes all that an event says, in two lines.
func showEvent(e *timeline.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", e.Kind)
	for _, n := range []string{"time", "stamp", "resolution", "zone", "duration", "http.response.status_code", "severity_text", "service.name", "host.name",
		"span_id", "parent_span_id", "body", "ended", "failed", "calls", "exception"} {
		if v := Show(e, n); v != "" && v != "unknown" && !(n == "failed" && v == "false") {
			fmt.Fprintf(&b, " %s=%s", n, v)
		}
	}
	b.WriteString("\n   ")
	for _, k := range e.Keys {
		if k.Strength == timeline.Identity {
			fmt.Fprintf(&b, " %s=%s", k.Name, k.Value)
		}
	}
	for _, a := range e.Attrs {
		fmt.Fprintf(&b, " %s=%q", a.Name, a.Value)
	}
	b.WriteString("\n")
	return b.String()
}

// TestFromConfig finds the format strings in configuration files.
//
//	config file=nginx.conf
//	read format=0           lines, read by one of the formats that were found
func TestFromConfig(t *testing.T) {
	var all []*Understood
	datadriven.RunTest(t, "testdata/fromconfig", func(t *testing.T, d *datadriven.TestData) string {
		var b strings.Builder
		if d.Cmd == "read" {
			n := 0
			d.ScanArgs(t, "format", &n)
			for line := range strings.SplitSeq(d.Input, "\n") {
				b.WriteString(readNative(all[n], line))
			}
			return b.String()
		}
		var file string
		d.ScanArgs(t, "file", &file)
		var err error
		all, err = FromConfig(file, []byte(d.Input))
		for _, u := range all {
			fmt.Fprintf(&b, "%s %s used=%q\n  %s\n", u.Pos, u.Name, u.Used, strings.ReplaceAll(u.String, "\n", "\n  "))
			if d.HasArg("variables") {
				showUnderstood(&b, &Understood{Variables: u.Variables, Formats: u.Formats, Stamp: u.Stamp, Notes: u.Notes})
			}
		}
		if err != nil {
			fmt.Fprintf(&b, "error: %v\n", err)
		}
		return b.String()
	})
}

// TestDialectErrors shows what is said of dialect files that are wrong.
func TestDialectErrors(t *testing.T) {
	datadriven.RunTest(t, "testdata/load/dialects", func(t *testing.T, d *datadriven.TestData) string {
		if _, err := loadDialects(fstest.MapFS{"x.yaml": {Data: []byte(d.Input)}}); err != nil {
			return err.Error() + "\n"
		}
		return "no error\n"
	})
}

// TestWith says that a format of the user's comes before those of the set, reads lines
// that are no JSON beside those that are, and has its literals.
func TestWith(t *testing.T) {
	u, err := Native("", "nginx", `{"at":$msec,"status":$status,"up":$upstream_response_time}`)
	if err != nil {
		t.Fatal(err)
	}
	s := Builtin().With(u.Formats...)
	in := `{"at":1772366407.655,"status":200,"up":0.001}` + "\n" + `{"at":1772366408.655,"status":502,"up":0.001, 0.002}` + "\n"
	r, err := s.NewReader(strings.NewReader(in), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if f := r.Detection().Format; f == nil || f.Name != "nginx" || !containsAny([]byte(in), f.Literals) {
		t.Fatalf("detected as %+v", f)
	}
	var got []string
	for {
		rec, err := r.Next()
		if err != nil {
			break
		}
		if err := r.Decode(rec, func(e *timeline.Event) bool {
			got = append(got, Show(e, "time")+" "+Show(e, "http.response.status_code")+" "+Show(e, "failed"))
			return true
		}); err != nil {
			t.Error(err)
		}
	}
	want := []string{"2026-03-01T12:00:07.655Z 200 false", "2026-03-01T12:00:08.655Z 502 true"}
	if !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
	if Builtin().Lookup("nginx") != nil {
		t.Error("the built-in set was changed")
	}
}

// FuzzNative makes formats of any strings and reads any line by them.
func FuzzNative(f *testing.F) {
	for _, d := range Dialects() {
		for _, l := range dialects()[d].spec.Named {
			for _, s := range l {
				f.Add(d, s, "a b c")
			}
		}
		for _, v := range dialects()[d].vars {
			f.Add(d, `{"a":`+v.written+`,"b":"`+v.written+` x `+v.written+`"}`, `{"a":1}`)
		}
	}
	f.Fuzz(func(t *testing.T, dialect, text, line string) {
		u, err := Native("", dialect, text)
		if err != nil {
			return
		}
		readNative(u, line)
	})
}

// FuzzFromConfig reads any configuration.
func FuzzFromConfig(f *testing.F) {
	b, err := os.ReadFile("testdata/fromconfig")
	if err != nil {
		f.Fatal(err)
	}
	for _, part := range strings.Split(string(b), "\nconfig file=") {
		_, text, _ := strings.Cut(part, "\n")
		text, _, _ = strings.Cut(text, "\n----\n")
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if _, err := FromConfig("x", in); err != nil {
			return
		}
	})
}
