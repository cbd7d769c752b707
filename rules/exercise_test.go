package rules

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

// A sheet is a record with the values that its event has, by field.
type sheet struct {
	format *format.Format
	line   string
	values map[string][]string
}

// sheets gives, by system, what samples of the formats and the records of testdata/records hold.
func sheets(t *testing.T) map[string][]*sheet {
	t.Helper()
	out := map[string][]*sheet{}
	read := func(f *format.Format, line string) {
		eachEvent(t, f, line, func(e *timeline.Event) {
			s := &sheet{f, line, map[string][]string{}}
			put := func(field, value string) {
				if value != "" {
					s.values[field] = append(s.values[field], value)
				}
			}
			put(fieldBody, e.Body)
			put(fieldText, e.Body)
			put(fieldText, e.Attrs.Get("error.message"))
			if e.Exception != nil {
				put(fieldText, e.Exception.Message)
				put(fieldType, e.Exception.Type)
			}
			if e.StatusCode > 0 {
				put(fieldStatus, strconv.Itoa(e.StatusCode))
			}
			put(fieldCalls, strings.ReplaceAll(string(appendCallStatuses(nil, e.Calls)), "*", ""))
			for _, a := range e.Attrs {
				put(a.Name, a.Value)
			}
			out[e.System] = append(out[e.System], s)
			if isApplication(e, slices.Contains(languages, e.System)) {
				out["applications"] = append(out["applications"], s)
			}
			if e.Kind == timeline.ClientSpan {
				out[""] = append(out[""], s) // of whatever software answered
			}
		})
	}
	eachRecord(t, read)
	return out
}

// with gives the record with a text in the place of what the fields hold that are joined by spaces, as it is or as JSON writes it.
func (s *sheet) with(t *testing.T, fields []string, text string) (records []string) {
	t.Helper()
	escaped := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Trim(string(b), `"`)
	}
	var fill func(line string, fields []string, text string)
	fill = func(line string, fields []string, text string) {
		for _, value := range s.values[fields[0]] {
			put := func(text, rest string, last bool) {
				for _, filled := range []string{strings.Replace(line, escaped(value), escaped(text), 1), strings.Replace(line, value, text, 1)} {
					if last {
						records = append(records, filled)
					} else {
						fill(filled, fields[1:], rest)
					}
				}
			}
			if len(fields) == 1 {
				put(text, "", true)
				continue
			}
			for i := range len(text) {
				if text[i] == ' ' {
					put(text[:i], text[i+1:], false)
				}
			}
		}
	}
	fill(s.line, fields, text)
	return records
}

// fires says whether a record, read by its format, has a signal.
func (s *sheet) fires(record string, of *Signal) (found bool) {
	d := format.NewDecoder(format.Options{Format: s.format})
	_ = d.Decode([]byte(record), func(e *timeline.Event) bool { // a record that cannot be read has none
		signals := Builtin().signals.find(e)
		for _, system := range of.Systems {
			signals = append(signals, Builtin().signals.findAnswer(e, system)...)
		}
		found = found || slices.Contains(signals, of)
		return true
	})
	return found
}

// Every signal stands in a whole record: one of testdata/records, or a sample of a format of its system that says what the signal's file
// has it fire on. A format that cuts or changes what signals look for cannot hide.
func TestSignalsInRecords(t *testing.T) {
	all := sheets(t)
	given := map[string]bool{}
	for _, records := range readRecords(t) {
		for _, r := range records {
			for _, id := range r.Signals {
				given[id] = true
			}
		}
	}
	stands := func(s *Signal) bool {
		texts := slices.Clone(s.fires)
		if s.Match == "exact" {
			texts = append(texts, s.Pattern)
		}
		for _, system := range append(systemsOf(s), "") {
			for _, sheet := range all[system] {
				for _, text := range texts {
					if slices.ContainsFunc(sheet.with(t, strings.Fields(s.Field), text), func(record string) bool { return sheet.fires(record, s) }) {
						return true
					}
				}
			}
		}
		return false
	}
	missing := map[string][]string{} // by system
	for _, s := range Builtin().signals.all {
		if !given[s.ID] && !stands(s) {
			system := strings.Join(systemsOf(s), ", ")
			missing[system] = append(missing[system], s.ID+" ("+s.Field+")")
		}
	}
	for _, system := range slices.Sorted(maps.Keys(missing)) {
		t.Errorf("%s: no record has %s", system, strings.Join(missing[system], ", "))
	}
}
