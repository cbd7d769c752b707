package rules

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/internal/strictyaml"
	"github.com/correlatehq/correlate/timeline"
)

// A recordFile is a file of testdata/records: records as they are written, and the
// signals that stand in them.
type recordFile struct {
	Records []recordSpec `yaml:"records"`
}

type recordSpec struct {
	Format  string   `yaml:"format"` // by name, or
	Config  string   `yaml:"config"` // the part of the server's configuration that says what to log
	Record  string   `yaml:"record"`
	Signals []string `yaml:"signals"` // all, by ID
}

// readRecords gives the records of all files of testdata/records, by file.
func readRecords(t *testing.T) map[string][]recordSpec {
	t.Helper()
	files, err := filepath.Glob("testdata/records/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	out := map[string][]recordSpec{}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var f recordFile
		if _, err := strictyaml.Decode(name, data, &f); err != nil {
			t.Fatal(err)
		}
		out[name] = f.Records
	}
	return out
}

// readsIt gives the format that reads a record; nil if there is none.
func (r *recordSpec) readsIt(t *testing.T, file string) *format.Format {
	t.Helper()
	if r.Config == "" {
		f := format.Builtin().Lookup(r.Format)
		if f == nil {
			t.Errorf("%s: no format has the name %q", file, r.Format)
		}
		return f
	}
	found, err := format.FromConfig(file, []byte(r.Config))
	if err != nil || len(found) == 0 || len(found[0].Formats) == 0 {
		t.Errorf("%s: no format in %q: %v", file, r.Config, err)
		return nil
	}
	return found[0].Formats[0]
}

// eachRecord gives the samples of all built-in formats, and the records of testdata/records.
func eachRecord(t *testing.T, each func(*format.Format, string)) {
	t.Helper()
	for _, f := range format.Builtin().Formats() {
		for _, s := range f.Samples() {
			each(f, s.Line)
		}
	}
	for name, records := range readRecords(t) {
		for i := range records {
			if f := records[i].readsIt(t, name); f != nil {
				each(f, records[i].Record)
			}
		}
	}
}

// eachEvent gives the events of a record, read by a built-in format.
func eachEvent(t *testing.T, f *format.Format, record string, each func(*timeline.Event)) {
	t.Helper()
	d := format.NewDecoder(format.Options{Format: f, Reference: time.Date(2026, time.December, 31, 0, 0, 0, 0, time.UTC)})
	if err := d.Decode([]byte(record), func(e *timeline.Event) bool { each(e); return true }); err != nil {
		t.Errorf("%s: %v: %s", f.Name, err, record)
	}
}

// Records go through whole: line, format, signals.
func TestRecords(t *testing.T) {
	for name, records := range readRecords(t) {
		for i := range records {
			r := &records[i]
			f := r.readsIt(t, name)
			if f == nil {
				continue
			}
			got := []string{}
			eachEvent(t, f, r.Record, func(e *timeline.Event) {
				for _, s := range Builtin().signals.find(e) {
					got = append(got, s.ID)
				}
			})
			slices.Sort(got)
			want := append([]string{}, r.Signals...)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s: signals (-want +got):\n%s\n%s", name, r.Format, diff, r.Record)
			}
		}
	}
}

// Every attribute that a signal names is given by a sample of some format of its system,
// or by a record of testdata/records, so that a misspelt one cannot hide.
func TestFieldsOfSignals(t *testing.T) {
	given := map[string]map[string]bool{} // system, attribute
	answers := map[string]bool{}          // attributes of an answer that whoever received it may record
	note := func(system, name string) {
		if given[system] == nil {
			given[system] = map[string]bool{}
		}
		given[system][name] = true
	}
	read := func(f *format.Format, record string) {
		eachEvent(t, f, record, func(e *timeline.Event) {
			for _, a := range e.Attrs {
				note(e.System, a.Name)
				if e.Kind == timeline.ClientSpan && strings.HasPrefix(a.Name, answerPrefix) {
					answers[a.Name] = true
				}
				if isApplication(e, slices.Contains(languages, e.System)) {
					note("applications", a.Name)
				}
			}
		})
	}
	eachRecord(t, read)
	told := map[string]bool{}
	for _, s := range Builtin().signals.all {
		for _, m := range addSignal(nil, s) {
			for _, name := range m.names {
				switch name {
				case fieldBody, fieldText, fieldStatus, fieldCalls, fieldType:
					continue
				}
				for _, system := range systemsOf(s) {
					if what := system + " " + name; !given[system][name] && !answers[name] && !told[what] {
						told[what] = true
						t.Errorf("%s: signal %s: no sample of a format of %s has the attribute %s", s.Pos, s.ID, system, name)
					}
				}
			}
		}
	}
}

func systemsOf(s *Signal) []string {
	if s.Applications {
		return append(slices.Clone(s.Systems), "applications")
	}
	return s.Systems
}
