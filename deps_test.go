package correlate_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/correlatehq/correlate"

// An importRule is one line of the table of imports.
type importRule struct {
	pkg     string   // our package; "" is the root; dir/* every folder below dir without a line of its own
	may     []string // which of ours it may import; "*" is all
	mustNot []string // which others it must not
	reason  string
}

// imports is the table of who may import what of ours. Data goes from ingest to
// report, imports go to timeline. Change it by decision, never to make a build pass.
//
// A ban on a package of the standard library is about what our package imports
// itself; a ban on anything else holds for all that it rests on.
var imports = []importRule{
	{"timeline", nil,
		[]string{"os", "net", "net/http", "log", thirdParties},
		"the model has nothing below it and everything above it; it never touches the outside"},
	{"internal/strictyaml", nil, nil,
		"it reads files that people write and knows nothing of their meaning"},
	{"internal/idindex", nil,
		[]string{"os", thirdParties},
		"it holds bytes against bytes and knows neither files nor logs"},
	{"ingest/format", []string{"timeline", "internal/strictyaml"},
		[]string{"cel.dev/cel-go", "net/http"},
		"formats are data; decoding knows neither rules nor reports"},
	{"ingest", []string{"timeline", "ingest/format"},
		[]string{"cel.dev/cel-go"},
		"what sources have in common: their part of the configuration, formats included"},
	{"ingest/file", []string{"timeline", "ingest", "ingest/format", "ingest/otlp", "internal/idindex"},
		[]string{"cel.dev/cel-go"},
		"as every source; beside files there may be an index"},
	{"ingest/*", []string{"timeline", "ingest", "ingest/format", "ingest/otlp"},
		[]string{"cel.dev/cel-go"},
		"a source knows no other source, and nothing of what is made of its events"},
	{"ingest/otlp", []string{"timeline", "ingest", "ingest/format"},
		[]string{"cel.dev/cel-go"},
		"it turns one protocol into events, for the sources that carry it"},
	{"ingest/sourcetest", []string{"timeline", "ingest", "ingest/format", "internal/poison"},
		[]string{"cel.dev/cel-go"},
		"the suite holds every source to the contract and knows none of them"},
	{"rules", []string{"timeline", "internal/strictyaml", "rules/*"},
		[]string{"os", "net/http"},
		"rules get an fs.FS and a value, so that they can be tested and judged anywhere"},
	{"rules/*", []string{"timeline", "internal/strictyaml", "rules"},
		[]string{"os", "net/http"},
		"data of the rules, and code beside it, stand under the same ban"},
	{"", []string{"timeline", "rules"},
		[]string{"os", "net/http"},
		"the pipeline joins the stages and never knows where events came from"},
	{"report", []string{"", "timeline", "rules"},
		[]string{"os", "net/http"},
		"a report is a pure function of a finished value"},
	{"evidence", []string{"", "timeline", "rules", "report"}, nil,
		"a bundle is checked offline from itself alone; it never reads a source"},
	{"cmd/correlate", []string{"*"}, nil,
		"wiring: flags, configuration, the list of sources"},
	{"fixtures", []string{"*"}, nil,
		"what holds the verdicts against the truth uses the program as its users do"},
	{"fixtures/*", []string{"*"}, nil,
		"the lab and what measures on it use the program as its users do"},
	{"bench/*", []string{"*"}, nil,
		"measuring uses the program as its users do"},
	{"internal/testserver/with", []string{"internal/testserver"}, nil,
		"a program for the Makefile: it starts servers and knows nothing of logs"},
	{"internal/*", []string{"timeline"}, nil,
		"help for tests: it may know the model, not the stages"},
}

// TestImportTableBites shows that a package that breaks the table is found.
func TestImportTableBites(t *testing.T) {
	pkgs := map[string]*listed{
		"os":                 {Standard: true},
		"fmt":                {Standard: true},
		"cel.dev/cel-go/cel": {},
		module + "/ingest":   {Imports: []string{"os"}},
	}
	for _, c := range []struct {
		name    string
		imports []string
		want    string
	}{
		{"timeline", []string{"fmt"}, ""},
		{"timeline", []string{"os"}, "timeline must not import os"},
		{"timeline", []string{module + "/ingest"}, "timeline may not import ingest"},
		{"timeline", []string{"cel.dev/cel-go/cel"}, "timeline must not import cel.dev"},
		{"ingest/file", []string{module + "/ingest/format"}, ""},
		{"ingest/file", []string{module + "/ingest/loki"}, "ingest/file may not import ingest/loki"},
		{"ingest/file", []string{"cel.dev/cel-go/cel"}, "ingest/file must not import cel.dev"},
		{"rules/signals", []string{"os"}, "rules/signals must not import os"},
		{"report", []string{module}, ""},
		{"cmd/correlate", []string{module + "/ingest/file"}, ""},
		{"bench/peers", []string{module + "/cmd/correlate"}, "nobody imports cmd"},
		{"elsewhere", nil, "has no line"},
	} {
		got := checkImports(c.name, &listed{Imports: c.imports, Deps: c.imports}, pkgs)
		if c.want == "" && len(got) > 0 || c.want != "" && !strings.Contains(strings.Join(got, "; "), c.want) {
			t.Errorf("%s importing %q: got %q, want %q", c.name, c.imports, got, c.want)
		}
	}
}

// A listed package is what go list says of one.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
	DepOnly    bool
}

func TestImports(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,Deps,DepOnly", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pkgs := map[string]*listed{}
	for d := json.NewDecoder(out); ; {
		p := &listed{}
		if err := d.Decode(p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs[p.ImportPath] = p
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("go list: %v", err)
	}
	ours := 0
	for _, p := range pkgs {
		name, ok := own(p.ImportPath)
		if !ok {
			continue
		}
		ours++
		for _, complaint := range checkImports(name, p, pkgs) {
			t.Error(complaint)
		}
	}
	if ours < 5 {
		t.Errorf("go list told of %d packages of ours; the test looks at nothing", ours)
	}
}

// own gives a package's name within the module; that of the root is "".
func own(importPath string) (string, bool) {
	if importPath == module {
		return "", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// checkImports holds one of our packages against the table.
func checkImports(name string, p *listed, pkgs map[string]*listed) (complaints []string) {
	line := slices.IndexFunc(imports, func(r importRule) bool { return r.pkg == name })
	if line < 0 {
		line = slices.IndexFunc(imports, func(r importRule) bool { return covers(r.pkg, name) })
	}
	if line < 0 {
		return []string{"package " + name + " has no line in the table of imports in deps_test.go"}
	}
	rule := imports[line]
	for _, imp := range p.Imports {
		other, ok := own(imp)
		if !ok {
			continue
		}
		switch {
		case strings.HasPrefix(other, "cmd/"):
			complaints = append(complaints, name+" imports "+other+": nobody imports cmd; logic worth sharing goes to a library")
		case !slices.ContainsFunc(rule.may, func(may string) bool { return may == "*" || may == other || covers(may, other) }):
			complaints = append(complaints, display(name)+" may not import "+display(other)+": "+rule.reason)
		}
	}
	for _, imp := range p.Deps {
		q := pkgs[imp]
		if _, ok := own(imp); ok || q == nil {
			continue
		}
		if q.Standard && !slices.Contains(p.Imports, imp) {
			continue
		}
		for _, banned := range rule.mustNot {
			if imp == banned || !q.Standard && (banned == thirdParties || strings.HasPrefix(imp, banned+"/")) {
				complaints = append(complaints, display(name)+" must not import "+imp+": "+rule.reason)
			}
		}
	}
	return complaints
}

// thirdParties in a ban stands for every package that is neither ours nor the
// standard library's.
const thirdParties = "third parties"

// covers says whether a pattern such as ingest/* stands for a package.
func covers(pattern, name string) bool {
	dir, below := strings.CutSuffix(pattern, "/*")
	return below && strings.HasPrefix(name, dir+"/")
}

func display(name string) string {
	if name == "" {
		return "package correlate (root)"
	}
	return name
}

// notSources are the folders of ingest that hold what sources share.
var notSources = []string{"format", "otlp", "sourcetest"}

// TestSourcesAreListed fails if a source stands in no line of the list of schemes.
func TestSourcesAreListed(t *testing.T) {
	list, err := os.ReadFile(filepath.Join("cmd", "correlate", "sources.go"))
	if err != nil {
		t.Fatalf("the list of sources: %v", err)
	}
	entries, err := os.ReadDir("ingest")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, e := range entries {
		if !e.IsDir() || slices.Contains(notSources, e.Name()) {
			continue
		}
		found++
		importPath := path.Join(module, "ingest", e.Name())
		used := regexp.MustCompile(`\b` + regexp.QuoteMeta(e.Name()) + `\.\w`)
		if !strings.Contains(string(list), `"`+importPath+`"`) || !used.Match(list) {
			t.Errorf("ingest/%s is a source but stands in no line of cmd/correlate/sources.go", e.Name())
		}
	}
	if found == 0 {
		t.Error("ingest holds no source; the test looks at nothing")
	}
}
