package format

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/correlatehq/correlate/timeline"
)

// checkEvent fails if an event cannot be.
func checkEvent(t *testing.T, e *timeline.Event) {
	t.Helper()
	if e.Duration < 0 {
		t.Errorf("duration %v", e.Duration)
	}
	if y := e.Time.Year(); !e.Time.IsZero() && (y < minYear-1 || y > maxYear+1) {
		t.Errorf("time %v", e.Time)
	}
	if e.StatusCode < 0 || e.StatusCode > 999 {
		t.Errorf("status %d", e.StatusCode)
	}
	for _, k := range e.Keys {
		if k.Value == "" || len(k.Value) > maxKey && k.Strength == timeline.Identity {
			t.Errorf("key %s=%q", k.Name, k.Value)
		}
	}
	seen := map[string]bool{}
	for _, a := range e.Attrs {
		if seen[a.Name] {
			t.Errorf("attribute %q is there twice", a.Name)
		}
		seen[a.Name] = true
	}
}

// FuzzJSON compares the scanner with encoding/json: the same texts are objects, and
// strings have the same values.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":1}`, `{"a":"b\"c\\\u00e9\ud83d\ude00\n"}`, `{"a":{"b":[1,2,{"c":null}],"d":true}}`, ` {"a" : -1.5e+3 , "b":[] } `,
		`{"a":["x"]}`, `{"a":01}`, `{"a":1}}`, `{"a":"\ud800x"}`, `{"":""}`, `{"a":1,}`, `{"a.b":1,"a":{"b":2}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 4096 {
			return
		}
		var j jsonScanner
		got := j.scan(s)
		if err := scansAlike(s); err != nil {
			t.Fatal(err)
		}
		var want map[string]json.RawMessage
		err := json.Unmarshal([]byte(s), &want)
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' && r != '\r' }) || strings.ContainsAny(s, "\n\t\r\\") && err != nil {
			return // control characters and wrong escapes in strings are let pass
		}
		if got && err != nil && !bareDash.MatchString(s) {
			t.Fatalf("%q is taken for JSON: %v", s, err)
		}
		if err != nil {
			return
		}
		if !got {
			if err == nil && len(want) > 0 && strings.ContainsAny(s, "0123456789tf\"[") && flat(want) {
				t.Fatalf("%q is not taken for JSON", s)
			}
			return
		}
		for i := range j.fields {
			p := &j.fields[i]
			var v string
			raw, ok := want[p.path]
			if !ok || strings.Contains(p.path, ".") || p.kind == jsonOther || raw[0] != '"' || json.Unmarshal(raw, &v) != nil {
				continue
			}
			last := true
			for k := i + 1; k < len(j.fields); k++ {
				last = last && j.fields[k].path != p.path
			}
			if u := p.value(s); last && u != v && utf8.ValidString(s) {
				t.Fatalf("%q: %s is %q, encoding/json has %q", s, p.path, u, v)
			}
		}
	})
}

// scansAlike says where a scanner that has read other records finds other fields in s than a new one.
func scansAlike(s string) error {
	var fresh, used jsonScanner
	for _, before := range []string{s, strings.ToUpper(s), strings.Replace(s, `"`, `"\u0061`, 1), strings.ReplaceAll(s, "{", `{"a":{"a":"a"},`), s} {
		used.scan(before)
		if fresh.scan(s) != used.scan(s) || len(fresh.fields) != len(used.fields) {
			return fmt.Errorf("%q after %q is read otherwise", s, before)
		}
		for i := range fresh.fields {
			a, b := &fresh.fields[i], &used.fields[i]
			if a.path != b.path || a.start != b.start || a.end != b.end || a.kind != b.kind || a.slot != b.slot {
				return fmt.Errorf("%q after %q: field %+v, alone %+v", s, before, b, a)
			}
		}
	}
	return nil
}

// TestScanAgain reads records of other fields, and of like ones otherwise written, by one scanner.
func TestScanAgain(t *testing.T) {
	records := []string{
		`{"a":1,"b":"x","c":{"d":2,"e":{"f":"y"}}}`, `{"a":1,"c":{"d":2},"b":"x"}`, `{"a":{"b":1},"a.b":2}`, `{"a.b":2,"a":{"b":1}}`,
		`{"\u0061":1,"b\"":"x"}`, `{"b\"":1,"b":2}`, `{"a":null,"b":1}`, `{"ab":1,"a":2}`, `{"a" : 1 ,"b":[{"a":1}]}`,
	}
	var used jsonScanner
	for _, s := range append(records, records...) {
		if err := scansAlike(s); err != nil {
			t.Error(err)
		}
		var fresh jsonScanner
		if fresh.scan(s) != used.scan(s) {
			t.Errorf("%s is read otherwise", s)
		}
		var names, want []string
		for i := range used.fields {
			names = append(names, used.fields[i].path)
		}
		for i := range fresh.fields {
			want = append(want, fresh.fields[i].path)
		}
		if !slices.Equal(names, want) {
			t.Errorf("%s: fields %q, alone %q", s, names, want)
		}
	}
}

// bareDash is the one value beyond JSON that the scanner lets pass.
var bareDash = regexp.MustCompile(`-[,} ]`)

// flat says whether an object has a value that is no object and not null.
func flat(m map[string]json.RawMessage) bool {
	for name, v := range m {
		if len(name) < maxJSONName && v[0] != '{' && v[0] != 'n' {
			return true
		}
	}
	return false
}
