// Package rules judges requests: which hop turned a request into a failure, which
// neighbour is to blame, and why.
//
// Rules and signals are YAML files; README.md says how to write them. The order of
// use: [Load] or [Builtin] gives a [Set], [Set.With] joins two, [Set.Judge] judges a
// request. [Set.Test] runs the cases that every rule file carries.
package rules

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"go.yaml.in/yaml/v4"

	"github.com/correlatehq/correlate/internal/strictyaml"
)

//go:embed builtin/*.yaml
var builtinFiles embed.FS

//go:embed cases/*.yaml
var builtinCases embed.FS

// A Set is a set of rules with the signals that they may ask for. It is safe for concurrent use.
type Set struct {
	rules   []*rule      // by name
	batch   []*batchRule // those of scope batch, by name
	signals *signalTable
	shapes  shapes
	cases   []*CaseFile // by file, without those that come with the program
	builtin bool        // it holds the rules that come with the program, and so their cases
}

// A rule is one rule file, checked and compiled.
type rule struct {
	Info
	when      *expression
	condition *condition  // of when
	component *expression // nil: the origin itself is at fault
	summary   *expression
	evidence  *expression // nil: what the judge finds by itself
	next      []string
	cases     []*ruleCase
	source    []byte
}

// Info is what can be told of a rule without running it.
type Info struct {
	Name           string // of its file
	Doc            string
	Scope, Blame   string
	CauseClass     string
	RestsOn        []string // kinds of evidence
	Fallback       bool     // it speaks only when no other does
	FalsePositives []string
	Compares       string // of scope batch: the question and the features
	Cases          int
	Pos            string // file
	Builtin        bool   // it comes with the program
}

// ruleFile is a rule file as written.
type ruleFile struct {
	Doc            string       `yaml:"doc"`
	When           string       `yaml:"when"`
	Scope          string       `yaml:"scope"`
	Blame          string       `yaml:"blame"`
	Component      string       `yaml:"component"`
	CauseClass     string       `yaml:"cause_class"`
	RestsOn        []string     `yaml:"rests_on"`
	Fallback       bool         `yaml:"fallback"`
	Summary        string       `yaml:"summary"`
	Evidence       string       `yaml:"evidence"`
	Compare        *compareFile `yaml:"compare"`
	FalsePositives []string     `yaml:"falsepositives"`
	NextChecks     []string     `yaml:"next_checks"`
	Tests          []caseFile   `yaml:"tests"`
}

var builtin = sync.OnceValue(func() *Set {
	set, err := loadRules(builtinFiles, builtinSignals(), nil, true)
	if err != nil {
		panic(err) // the files are part of the program and its tests load them
	}
	set.builtin = true
	for _, r := range set.rules {
		r.Builtin = true
	}
	for _, r := range set.batch {
		r.Builtin = true
	}
	return set
})

// Builtin gives the rules that come with the program.
func Builtin() *Set { return builtin() }

// Load reads all rules of fsys: every file *.yaml, in whatever folder; those in a
// folder named signals hold signals, those in one named cases hold cases alone. Its rules may also ask for the signals that come
// with the program. The error joins all complaints about all files, each with file:line:col.
func Load(fsys fs.FS) (*Set, error) {
	signals, errs := loadSignals(fsys, builtinSignals())
	return loadRules(fsys, signals, errs, false)
}

// loadRules reads the rules of fsys; errs are complaints that there are already. Of sound files, which were seen to be without
// fault, expressions are checked when they are first evaluated: most never are, and to parse them all takes a tenth of a second.
func loadRules(fsys fs.FS, signals []*Signal, errs []error, sound bool) (*Set, error) {
	s := &Set{signals: newSignalTable(signals)}
	err := walkYAML(fsys, func(name, folder string) {
		switch folder {
		case signalFolder:
			return
		case caseFolder:
			g, problems := readCases(fsys, name)
			errs = append(errs, problems...)
			s.cases = append(s.cases, g)
			return
		}
		r, b, problems := readRule(fsys, name, s.signals.byID, sound)
		errs = append(errs, problems...)
		if err := s.add(r, b); err != nil {
			errs = append(errs, err)
		}
	})
	if err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return s, nil
}

func loadSignals(fsys fs.FS, base []*Signal) ([]*Signal, []error) {
	all := base
	var errs []error
	err := walkYAML(fsys, func(name, folder string) {
		if folder != signalFolder {
			return
		}
		signals, problems := readSignals(fsys, name)
		errs = append(errs, problems...)
		var clashes []error
		all, clashes = mergeSignals(all, signals)
		errs = append(errs, clashes...)
	})
	if err != nil {
		errs = append(errs, err)
	}
	return all, errs
}

// Files in folders of these names hold no rules.
const (
	signalFolder = "signals"
	caseFolder   = "cases"
)

func walkYAML(fsys fs.FS, each func(name, folder string)) error {
	return fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ext := path.Ext(name); !d.IsDir() && (ext == ".yaml" || ext == ".yml") {
			each(name, path.Base(path.Dir(name)))
		}
		return nil
	})
}

// add puts a rule of either scope into the set, in its place; one of the two is nil, or both are. A name is that of one rule.
func (s *Set) add(r *rule, b *batchRule) error {
	var info *Info
	switch {
	case r != nil:
		info = &r.Info
	case b != nil:
		info = &b.Info
	default:
		return nil
	}
	if old, _ := s.find(info.Name); old != nil {
		return &strictyaml.Error{File: info.Pos, What: fmt.Sprintf("rule %s stands already in %s", info.Name, old.Pos)}
	}
	if r != nil {
		s.rules = append(s.rules, r)
		slices.SortFunc(s.rules, func(a, b *rule) int { return strings.Compare(a.Name, b.Name) })
	} else {
		s.batch = append(s.batch, b)
		slices.SortFunc(s.batch, func(a, b *batchRule) int { return strings.Compare(a.Name, b.Name) })
	}
	return nil
}

// find gives what is told of a rule, and its file as written; nil if there is none of this name.
func (s *Set) find(name string) (*Info, []byte) {
	if i, ok := slices.BinarySearchFunc(s.rules, name, func(r *rule, n string) int { return strings.Compare(r.Name, n) }); ok {
		return &s.rules[i].Info, s.rules[i].source
	}
	if i, ok := slices.BinarySearchFunc(s.batch, name, func(r *batchRule, n string) int { return strings.Compare(r.Name, n) }); ok {
		return &s.batch[i].Info, s.batch[i].source
	}
	return nil, nil
}

// With gives a set that also holds the rules, signals and cases of t. Neither set is
// changed. A name that both hold is an error.
func (s *Set) With(t *Set) (*Set, error) {
	signals, errs := mergeSignals(s.signals.all, t.signals.all)
	out := &Set{rules: slices.Clone(s.rules), batch: slices.Clone(s.batch), cases: slices.Concat(s.cases, t.cases), builtin: s.builtin || t.builtin}
	for _, r := range t.rules {
		if err := out.add(r, nil); err != nil {
			errs = append(errs, err)
		}
	}
	for _, b := range t.batch {
		if err := out.add(nil, b); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	out.signals = newSignalTable(signals)
	return out, nil
}

// List tells of all rules, by name.
func (s *Set) List() []Info {
	out := make([]Info, 0, len(s.rules)+len(s.batch))
	for _, r := range s.rules {
		out = append(out, r.Info)
	}
	for _, r := range s.batch {
		out = append(out, r.Info)
	}
	slices.SortFunc(out, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Source gives the file of a rule as written.
func (s *Set) Source(name string) ([]byte, bool) {
	info, source := s.find(name)
	return slices.Clone(source), info != nil
}

// Signals lists all signals, by ID.
func (s *Set) Signals() []Signal {
	out := make([]Signal, len(s.signals.all))
	for i, g := range s.signals.all {
		out[i] = *g
	}
	return out
}

// ruleName is the form of a rule's name, which is that of its file.
var ruleName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// readRule reads a rule of scope request or of scope batch.
func readRule(fsys fs.FS, name string, signals map[string]*Signal, sound bool) (*rule, *batchRule, []error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, nil, []error{err}
	}
	var f ruleFile
	root, err := strictyaml.Decode(name, data, &f)
	if err != nil {
		return nil, nil, []error{err}
	}
	c := &ruleChecker{file: name, data: data, root: root, signals: signals, sound: sound}
	r, b := c.rule(&f)
	if len(c.errs) > 0 {
		return nil, nil, c.errs
	}
	if b != nil {
		b.source = data
	} else {
		r.source = data
	}
	return r, b, nil
}

// A ruleChecker gathers the complaints about one rule file.
type ruleChecker struct {
	file    string
	data    []byte
	root    *yaml.Node
	signals map[string]*Signal
	sound   bool // expressions are checked later
	errs    []error
}

func (c *ruleChecker) at(path []string, format string, args ...any) {
	c.errs = append(c.errs, strictyaml.At(c.file, c.root, path, format, args...))
}

func (c *ruleChecker) rule(f *ruleFile) (*rule, *batchRule) {
	name := strings.TrimSuffix(strings.TrimSuffix(path.Base(c.file), ".yaml"), ".yml")
	if !ruleName.MatchString(name) {
		c.at(nil, "the file's name is the rule's, so it must be of small letters, digits and _, not %q", name)
	}
	for _, need := range []struct{ key, value, hint string }{
		{"doc", f.Doc, "say in a sentence what the rule finds"},
		{"when", f.When, "say when it fires"},
		{"summary", f.Summary, "say what happened, as an expression that gives a text"},
	} {
		if need.value == "" {
			c.at([]string{need.key}, "no %s: %s", need.key, need.hint)
		}
	}
	if len(f.FalsePositives) == 0 {
		c.at([]string{"falsepositives"}, "no falsepositives: say where the rule is wrong, as far as is known")
	}
	switch f.Scope {
	case "", "request":
	case "batch":
		return nil, c.batchRule(name, f)
	default:
		c.at([]string{"scope"}, "unknown scope %q: request, batch", f.Scope)
	}
	if f.CauseClass == "" {
		c.at([]string{"cause_class"}, "no cause_class: one of %s", strings.Join(CauseClasses, ", "))
	}
	if f.Compare != nil {
		c.at([]string{"compare"}, "only a rule of scope batch compares")
	}
	if f.Blame != "" && f.Blame != "hop" {
		c.at([]string{"blame"}, "unknown blame %q: hop", f.Blame)
	}
	if f.CauseClass != "" && !slices.Contains(CauseClasses, f.CauseClass) {
		c.at([]string{"cause_class"}, "unknown cause class %q: one of %s", f.CauseClass, strings.Join(CauseClasses, ", "))
	}
	if len(f.RestsOn) == 0 {
		c.at([]string{"rests_on"}, "no rests_on: name the kinds of evidence, of %s", strings.Join(evidenceKinds, ", "))
	}
	for i, k := range f.RestsOn {
		if !slices.Contains(evidenceKinds, k) {
			c.at([]string{"rests_on", strconv.Itoa(i)}, "unknown kind of evidence %q: one of %s", k, strings.Join(evidenceKinds, ", "))
		}
	}
	for i, n := range f.NextChecks {
		if what := unknownPlaceholder(n); what != "" {
			c.at([]string{"next_checks", strconv.Itoa(i)}, "%s", what)
		}
	}
	r := &rule{
		Info: Info{
			Name: name, Doc: f.Doc, Scope: "request", Blame: "hop", CauseClass: f.CauseClass, RestsOn: f.RestsOn, Fallback: f.Fallback,
			FalsePositives: f.FalsePositives, Cases: len(f.Tests), Pos: c.file,
		},
		when:      c.compile("when", f.When, cel.BoolType),
		component: c.compile("component", f.Component, cel.StringType),
		summary:   c.compile("summary", f.Summary, cel.StringType),
		evidence:  c.compile("evidence", f.Evidence, cel.ListType(eventType)),
		next:      f.NextChecks,
	}
	if r.when != nil {
		// It is asked of every hop.
		if err := r.when.ready(); err != nil {
			c.at([]string{"when"}, "%v", err)
			return nil, nil
		}
		r.condition = conditionOf(r.when)
	}
	c.cases(r, f.Tests)
	return r, nil
}

func (c *ruleChecker) compile(key, source string, want *cel.Type) *expression {
	return c.compileWith(key, source, func(source string) (*expression, []celError) { return compile(source, want, c.signals) })
}

// compileWith compiles the expression under a key and puts complaints about it in their places in the file.
func (c *ruleChecker) compileWith(key, source string, with func(source string) (*expression, []celError)) *expression {
	if source == "" {
		return nil
	}
	if c.sound {
		return &expression{source: source, check: func() (*expression, []celError) { return with(source) }}
	}
	x, errs := with(source)
	for _, e := range errs {
		line, col := c.place(key, source, e.line, e.col)
		c.errs = append(c.errs, &strictyaml.Error{File: c.file, Line: line, Col: col, What: key + ": " + e.what})
	}
	return x
}

// place finds where in the file a place of an expression stands: the file's
// characters are followed along with the expression's, over indentation, quotes and
// folded lines.
func (c *ruleChecker) place(key, source string, line, col int) (int, int) {
	var node *yaml.Node
	for i := 0; i+1 < len(c.root.Content); i += 2 {
		if c.root.Content[i].Value == key {
			node = c.root.Content[i+1]
		}
	}
	if node == nil {
		return 0, 0
	}
	target := offsetIn(source, line, col)
	lines := strings.Split(string(c.data), "\n")
	l, k := node.Line-1, node.Column-1
	if node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		l, k = l+1, 0
	}
	for i, want := range []byte(source) {
		if i > target {
			break
		}
		if want == ' ' || want == '\n' || want == '\t' {
			continue
		}
		for l < len(lines) {
			j := strings.IndexByte(lines[l][min(k, len(lines[l])):], want)
			if j < 0 {
				l, k = l+1, 0
				continue
			}
			k += j
			break
		}
		if l >= len(lines) {
			return node.Line, node.Column
		}
		if i == target {
			break
		}
		k++
	}
	return l + 1, k + 1
}

// offsetIn gives the byte offset of a 1-based line and column, the latter in characters.
func offsetIn(source string, line, col int) int {
	at := 0
	for ; line > 1; line-- {
		i := strings.IndexByte(source[at:], '\n')
		if i < 0 {
			break
		}
		at += i + 1
	}
	for i := range source[at:] {
		if col--; col <= 0 {
			return at + i
		}
	}
	return len(source)
}

// position gives "file:line:col" of the place to which a path leads.
func position(file string, root *yaml.Node, path []string) string {
	return strings.TrimSuffix(strictyaml.At(file, root, path, "").Error(), ": ")
}
