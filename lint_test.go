package correlate_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// TestLint is what make lint runs: the tools, and the project's own rules, each with
// its reason.
func TestLint(t *testing.T) {
	t.Run("gofmt", func(t *testing.T) {
		// One form of the code, so that differences show what changed.
		args := []string{"-l"}
		for _, f := range goFiles(t) {
			args = append(args, f.path)
		}
		if out := runTool(t, nil, "gofmt", args...); out != "" {
			t.Errorf("not formatted; run gofmt -w on:\n%s", out)
		}
	})
	t.Run("vet", func(t *testing.T) {
		// Vet finds what compiles and is wrong, and what does not compile, the tests that need servers
		// too, to which make test comes late. Nothing is left out with their tag.
		runTool(t, nil, "go", "vet", "-tags", "live", "./...")
	})
	t.Run("staticcheck", func(t *testing.T) {
		// Staticcheck finds what vet does not: unused code, old APIs, wrong comments.
		runTool(t, nil, "go", "tool", "staticcheck", "-tags", "live", "./...")
	})
	t.Run("builds", func(t *testing.T) {
		// Logs are read where they are found, also on a laptop.
		for _, target := range []string{"linux/amd64", "darwin/arm64", "windows/amd64"} {
			t.Run(target, func(t *testing.T) {
				goos, arch, _ := strings.Cut(target, "/")
				if goos == runtime.GOOS {
					return // this test was built for it, and vet looks at the rest
				}
				// Types tell what differs between systems; to compile all that is imported takes minutes.
				all, err := packages.Load(&packages.Config{
					Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedDeps | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedTypesSizes,
					Env:  append(os.Environ(), "GOOS="+goos, "GOARCH="+arch, "CGO_ENABLED=0"),
				}, "./...")
				if err != nil {
					t.Fatal(err)
				}
				packages.Visit(all, nil, func(p *packages.Package) {
					for _, e := range p.Errors {
						t.Error(e)
					}
				})
			})
		}
	})
	for _, r := range textRules {
		t.Run(r.name, func(t *testing.T) {
			for _, f := range goFiles(t) {
				for _, complaint := range r.check(f) {
					t.Errorf("%s: %s", complaint, r.reason)
				}
			}
		})
	}
}

// A goFile is one of the project's Go files.
type goFile struct {
	path string // with slashes
	fset *token.FileSet
	ast  *ast.File
}

// at gives the place of a node as file:line.
func (f goFile) at(n ast.Node) string {
	p := f.fset.Position(n.Pos())
	return f.path + ":" + strconv.Itoa(p.Line)
}

// A textRule is a rule of the project about its Go files.
type textRule struct {
	name, reason string
	check        func(goFile) []string
}

// The words are put together here so that this file does not break its own rule.
var (
	laterWords  = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)
	vagueNames  = regexp.MustCompile(`^(?i)(utils?|commons?|helpers?|managers?|processors?|handlers?|bases?|misc|shared)$`)
	vagueTypes  = regexp.MustCompile(`(Util|Helper|Manager|Processor)s?$`)
	generatedRE = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)
)

var textRules = []textRule{
	{"unfinished", "what is not done is left out or written down as an issue, not in the code", func(f goFile) (out []string) {
		for _, g := range f.ast.Comments {
			for _, c := range g.List {
				if w := laterWords.FindString(c.Text); w != "" {
					out = append(out, f.at(c)+": "+w)
				}
			}
		}
		return out
	}},
	{"skipped tests", "a test that is skipped is green and proves nothing; what a test needs and cannot have fails it", func(f goFile) (out []string) {
		if !strings.HasSuffix(f.path, "_test.go") {
			return nil
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if sel, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
					out = append(out, f.at(call)+": "+sel.Sel.Name)
				}
			}
			return true
		})
		return out
	}},
	{"names", "a name says what a thing is; these say only that it is something", func(f goFile) (out []string) {
		if vagueNames.MatchString(strings.TrimSuffix(f.ast.Name.Name, "_test")) {
			out = append(out, f.at(f.ast.Name)+": package "+f.ast.Name.Name)
		}
		if dir := path.Base(path.Dir(f.path)); vagueNames.MatchString(dir) {
			out = append(out, f.path+": folder "+dir)
		}
		if name := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.path), ".go"), "_test"); vagueNames.MatchString(name) {
			out = append(out, f.path+": file "+name)
		}
		for _, d := range f.ast.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, s := range g.Specs {
				if name := s.(*ast.TypeSpec).Name; vagueNames.MatchString(name.Name) || vagueTypes.MatchString(name.Name) {
					out = append(out, f.at(name)+": type "+name.Name)
				}
			}
		}
		return out
	}},
	{"exit", "only main exits, once: everything else returns, so that it can be tested and cleans up", func(f goFile) (out []string) {
		if f.path == "cmd/correlate/main.go" {
			return nil
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok &&
				(x.Name == "os" && sel.Sel.Name == "Exit" || x.Name == "log" && strings.HasPrefix(sel.Sel.Name, "Fatal")) &&
				!ownProgram(f) {
				out = append(out, f.at(sel)+": "+x.Name+"."+sel.Sel.Name)
			}
			return true
		})
		return out
	}},
	{"inits", "what init does cannot be seen, ordered or tested; write a value or a call", func(f goFile) (out []string) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				out = append(out, f.at(fn)+": func init")
			}
		}
		return out
	}},
}

// ownProgram says whether the file is the main.go of a program beside the product:
// the lab's services, what measures, what starts servers for tests.
func ownProgram(f goFile) bool {
	return f.ast.Name.Name == "main" && path.Base(f.path) == "main.go" &&
		(strings.HasPrefix(f.path, "fixtures/") || strings.HasPrefix(f.path, "bench/") || strings.HasPrefix(f.path, "internal/testserver/with/"))
}

// goFiles parses the project's own Go files; generated ones are left out.
func goFiles(t *testing.T) []goFile {
	t.Helper()
	var out []goFile
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); p != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin") {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(p) != ".go" {
			return nil
		}
		src, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if generatedRE.Match(src) {
			return nil
		}
		f := goFile{path: filepath.ToSlash(p), fset: token.NewFileSet()}
		if f.ast, err = parser.ParseFile(f.fset, p, src, parser.ParseComments); err != nil {
			return err
		}
		out = append(out, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 20 {
		t.Fatalf("only %d Go files were found; the test looks at nothing", len(out))
	}
	return out
}

// runTool runs a program, fails the test if that fails, and gives its output.
func runTool(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(append(slices.Clone(env), name), " "), err, bytes.TrimSpace(out))
	}
	return strings.TrimSpace(string(out))
}

// TestLintRulesBite shows that each rule finds what it forbids.
func TestLintRulesBite(t *testing.T) {
	for rule, bad := range map[string]goFile{
		"unfinished":    parsed(t, "timeline/x.go", "package timeline\n\n// TO"+"DO: later\nvar x int\n"),
		"skipped tests": parsed(t, "timeline/x_test.go", "package timeline\n\nfunc TestX(t *testing.T) { t.Ski"+"p() }\n"),
		"names":         parsed(t, "timeline/x.go", "package utils\n\ntype EventManager struct{}\n"),
		"exit":          parsed(t, "timeline/x.go", "package timeline\n\nfunc f() { os.Ex"+"it(1) }\n"),
		"inits":         parsed(t, "timeline/x.go", "package timeline\n\nfunc init() {}\n"),
	} {
		i := slices.IndexFunc(textRules, func(r textRule) bool { return r.name == rule })
		if i < 0 {
			t.Errorf("there is no rule %q", rule)
			continue
		}
		if len(textRules[i].check(bad)) == 0 {
			t.Errorf("rule %q does not find what it forbids", rule)
		}
	}
	good := parsed(t, "timeline/x.go", "package timeline\n\n// A Thing does.\ntype Thing struct{}\n\nfunc (Thing) Do() {}\n")
	for _, r := range textRules {
		if c := r.check(good); len(c) > 0 {
			t.Errorf("rule %q complains of good code: %q", r.name, c)
		}
	}
}

func parsed(t *testing.T, path, src string) goFile {
	t.Helper()
	f := goFile{path: path, fset: token.NewFileSet()}
	var err error
	if f.ast, err = parser.ParseFile(f.fset, path, src, parser.ParseComments); err != nil {
		t.Fatal(err)
	}
	return f
}
