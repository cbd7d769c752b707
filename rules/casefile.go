package rules

import (
	"io/fs"

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
	out := make([]CaseFile, len(s.cases))
	for i, g := range s.cases {
		out[i] = *g
	}
	return out
}
