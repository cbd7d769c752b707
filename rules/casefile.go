package rules

import (
	"io/fs"
	"slices"
	"sync"

	"github.com/correlatehq/correlate/internal/strictyaml"
)

// A CaseFile is a file of whole small requests that belong to no single rule: what
// several rules and signals together must make of them.
type CaseFile struct {
	Doc   string
	Pos   string // file
	Cases int

	cases []*ruleCase
}

// caseGroup is a file of cases as written.
type caseGroup struct {
	Doc   string     `yaml:"doc"`
	Tests []caseFile `yaml:"tests"`
}

func readCases(fsys fs.FS, name string) (*CaseFile, []error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, []error{err}
	}
	var f caseGroup
	root, err := strictyaml.Decode(name, data, &f)
	if err != nil {
		return nil, []error{err}
	}
	c := &ruleChecker{file: name, data: data, root: root}
	if f.Doc == "" {
		c.at(nil, "no doc: say what these cases keep apart")
	}
	if len(f.Tests) == 0 {
		c.at([]string{"tests"}, "no cases")
	}
	g := &CaseFile{Doc: f.Doc, Pos: name, Cases: len(f.Tests)}
	for i := range f.Tests {
		g.cases = append(g.cases, c.oneCase(&f.Tests[i], i, ""))
	}
	return g, c.errs
}

// CaseFiles tells of the files of cases, by name.
func (s *Set) CaseFiles() []CaseFile {
	all := s.caseFiles()
	out := make([]CaseFile, len(all))
	for i, g := range all {
		out[i] = *g
	}
	return out
}

func (s *Set) caseFiles() []*CaseFile {
	if !s.builtin {
		return s.cases
	}
	return slices.Concat(builtinCaseFiles(), s.cases)
}

// builtinCaseFiles are those that come with the program. Only tests ask for them.
var builtinCaseFiles = sync.OnceValue(func() []*CaseFile {
	set, err := loadRules(builtinCases, nil, nil, true)
	if err != nil {
		panic(err) // the files are part of the program and its tests load them
	}
	return set.cases
})
