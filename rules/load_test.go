package rules

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/correlatehq/correlate/internal/golden"
)

// Each file of testdata/bad has one fault. Its first line is the error that it must
// give, after the file's name.
func TestBadFiles(t *testing.T) {
	files, err := fs.Glob(os.DirFS("testdata/bad"), "*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(name, ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile("testdata/bad/" + name)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(data), "\n")
			at := name
			for _, folder := range []string{signalFolder, caseFolder} {
				if strings.HasPrefix(name, strings.TrimSuffix(folder, "s")+"_") {
					at = folder + "/" + name
				}
			}
			want, ok := strings.CutPrefix(first, "# ")
			if !ok {
				t.Fatal("the first line must be a comment with the error")
			}
			_, err = Load(fstest.MapFS{at: {Data: data}})
			if err == nil {
				t.Fatal("no error")
			}
			if got := err.Error(); got != at+want {
				t.Errorf("got  %s\nwant %s", got, at+want)
			}
		})
	}
}

const goodRule = `doc: A test.
when: hop.failed
cause_class: other
rests_on: [absence]
summary: hop.service
falsepositives: [all]
tests:
  - name: no failure
    hops: "a app 0ms +1ms 200"
    want: none
  - name: a failure
    hops: "a app 0ms +1ms 500"
    want: a
`

func TestAllFaultsOfAllFilesAtOnce(t *testing.T) {
	_, err := Load(fstest.MapFS{
		"one.yaml":           {Data: []byte(strings.Replace(goodRule, "hop.failed", "hop.faild && hop.depht == 1", 1))},
		"two.yaml":           {Data: []byte(strings.Replace(goodRule, "cause_class: other", "cause_class: others", 1))},
		"signals/three.yaml": {Data: []byte("doc: x\nsystem: go\nsignals: []\n")},
		"readme.txt":         {Data: []byte("not a rule")},
	})
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		"signals/three.yaml:3:10: no signals",
		"one.yaml:2:10: when: undefined field 'faild'",
		"one.yaml:2:23: when: undefined field 'depht'",
		"two.yaml:3:14: unknown cause class",
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %d errors, want %d:\n%v", len(lines), len(want), err)
	}
	for i, w := range want {
		if !strings.HasPrefix(lines[i], w) {
			t.Errorf("error %d is %q, want it to begin with %q", i, lines[i], w)
		}
	}
}

func TestWithListSource(t *testing.T) {
	own, err := Load(fstest.MapFS{"mine/my_rule.yaml": {Data: []byte(goodRule)}})
	if err != nil {
		t.Fatal(err)
	}
	all, err := Builtin().With(own)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(all.List()), len(Builtin().List())+1; got != want {
		t.Errorf("%d rules, want %d", got, want)
	}
	if !slices.IsSortedFunc(all.List(), func(a, b Info) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the list is not sorted by name")
	}
	src, ok := all.Source("my_rule")
	if !ok || string(src) != goodRule {
		t.Errorf("Source gives %q, %v", src, ok)
	}
	if _, ok := all.Source("no_such_rule"); ok {
		t.Error("Source knows a rule that is not there")
	}
	if _, err := all.With(own); err == nil || err.Error() != "mine/my_rule.yaml: rule my_rule stands already in mine/my_rule.yaml" {
		t.Errorf("the same name twice: %v", err)
	}
	_, err = Load(fstest.MapFS{"a/x.yaml": {Data: []byte(goodRule)}, "b/x.yaml": {Data: []byte(goodRule)}})
	if err == nil || err.Error() != "b/x.yaml: rule x stands already in a/x.yaml" {
		t.Errorf("two files of one name: %v", err)
	}
}

// Cases alone run with those of the rules, of one's own set and of the joined one.
func TestCaseFiles(t *testing.T) {
	cases := "doc: Cases.\ntests:\n  - {name: right, hops: a app 0ms +1ms 500, want: a}\n  - {name: wrong, hops: a app 0ms +1ms 200, want: a}\n  - {name: none, hops: a app 0ms +1ms 200, want: none}\n"
	own, err := Load(fstest.MapFS{"x.yaml": {Data: []byte(goodRule)}, "cases/mine.yaml": {Data: []byte(cases)}})
	if err != nil {
		t.Fatal(err)
	}
	all, err := Builtin().With(own)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(all.CaseFiles()), len(Builtin().CaseFiles())+1; got != want {
		t.Errorf("%d files of cases, want %d", got, want)
	}
	for _, set := range []*Set{own, all} {
		var got []string
		for _, f := range set.Test() {
			if f.Rule == "" {
				got = append(got, f.String())
			}
		}
		if want := []string{`cases/mine.yaml:4:51: case "wrong": origin is "none", want "a"`}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A rule that takes another's case away is found by the cases of the other.
func TestStolenCase(t *testing.T) {
	thief := strings.NewReplacer("when: hop.failed", "when: hop.failed && hop.failed_by.received.http == 401", "cause_class: other", "cause_class: bad_config_or_secret", "[absence]", "[stated]").Replace(goodRule)
	own, err := Load(fstest.MapFS{"thief.yaml": {Data: []byte(thief)}})
	if err != nil {
		t.Fatal(err)
	}
	all, err := Builtin().With(own)
	if err != nil {
		t.Fatal(err)
	}
	var stolen []string
	for _, f := range all.Test() {
		if f.Rule != "thief" {
			stolen = append(stolen, f.Rule)
			if !strings.Contains(f.What, `rule is "thief", want "credentials_refused"`) || !strings.HasPrefix(f.Pos, "builtin/credentials_refused.yaml:") {
				t.Errorf("the failure does not tell what happened: %v", f)
			}
		}
	}
	if !slices.Contains(stolen, "credentials_refused") {
		t.Errorf("failures of %v, want credentials_refused among them", stolen)
	}
}

func TestBuiltinList(t *testing.T) {
	var b strings.Builder
	b.WriteString("# The rules and signals that come with the program\n\nWritten by `go test ./rules -update`.\n\n| rule | cause | rests on | finds |\n|---|---|---|---|\n")
	for _, r := range Builtin().List() {
		fmt.Fprintf(&b, "| [%s](%s) | %s | %s | %s |\n", r.Name, path.Base(r.Pos), cmp.Or(r.CauseClass, "compares: "+r.Compares), strings.Join(r.RestsOn, ", "), r.Doc)
	}
	b.WriteString("\n| signal | field | made by | points at | may mean | says |\n|---|---|---|---|---|---|\n")
	for _, s := range Builtin().Signals() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", s.ID, s.Field, s.MadeBy, s.Points, strings.Join(s.MayMean, ", "), s.Doc)
	}
	golden.Compare(t, "builtin/README.md", []byte(b.String()))
}

// Every cause class has a rank and something to look at next, and all but the few that
// only a population shows have a rule.
func TestEveryCauseIsCovered(t *testing.T) {
	ruled := map[string]bool{}
	for _, r := range Builtin().List() {
		ruled[r.CauseClass] = true
	}
	for _, c := range CauseClasses {
		if _, ok := specificity[c]; !ok {
			t.Errorf("%s has no rank in causes.go", c)
		}
		if len(playbook()[c]) == 0 {
			t.Errorf("%s has no checks in playbook.yaml", c)
		}
		if !ruled[c] {
			t.Errorf("%s has no rule", c)
		}
	}
	if n := len(specificity); n != len(CauseClasses) {
		t.Errorf("causes.go ranks %d classes, there are %d", n, len(CauseClasses))
	}
}

func TestBadPlaybook(t *testing.T) {
	var all strings.Builder
	all.WriteString("doc: x\nchecks:\n")
	for _, c := range CauseClasses[1:] {
		fmt.Fprintf(&all, "  %s: ['look at {service}']\n", c)
	}
	_, errs := readPlaybook("p.yaml", []byte(all.String()+"  dns: [x]\n"))
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "dns") {
		t.Errorf("a repeated cause: %v", errs)
	}
	_, errs = readPlaybook("p.yaml", []byte(strings.Replace(all.String(), "  tls: ['look at {service}']\n", "  tls: [['look at {service}', 'look at {moon}']]\n  nonsense: [x]\n", 1)))
	var got []string
	for _, e := range errs {
		got = append(got, e.Error())
	}
	slices.Sort(got)
	for i, w := range []string{`unknown placeholder {moon}`, `no checks for unhandled_exception`, `unknown cause class "nonsense"`} {
		if len(got) != 3 || !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "p.yaml:") && strings.Contains(s, w) }) {
			t.Errorf("error %d, %s, is not among %q", i, w, got)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, dir := range []string{"builtin", signalFolder, caseFolder} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			f.Fatal(err)
		}
		for _, e := range entries {
			data, err := os.ReadFile(dir + "/" + e.Name())
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data, dir)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, folder string) {
		name := path.Join(folder, "fuzzed.yaml")
		if !fs.ValidPath(name) {
			return
		}
		set, err := Load(fstest.MapFS{name: {Data: data}})
		if err == nil {
			set.Test() // whatever was accepted must also run
			return
		}
		for _, line := range strings.Split(err.Error(), "\n") {
			if line == "" {
				t.Errorf("an empty line in %q", err)
			}
		}
	})
}

func FuzzHops(f *testing.F) {
	for _, r := range Builtin().rules {
		for _, k := range r.cases {
			f.Add(k.hops)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, near, nerr := parseHops(text)
		if nerr != nil {
			return
		}
		v, err := Builtin().Judge(t.Context(), r, near)
		if err != nil {
			t.Fatal(err)
		}
		if v.Confidence < 0 || v.Confidence > 1 {
			t.Errorf("confidence %v", v.Confidence)
		}
		if v.Origin == nil && v.Certainty != Undetermined && r.Failed {
			t.Errorf("a failed request without origin is %s", v.Certainty)
		}
	})
}
