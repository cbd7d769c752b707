// Package strictyaml decodes YAML files that people write: an unknown field, a
// wrong type or a repeated key is an error, and all the errors of a file come at
// once, each as "file:line:col: what".
package strictyaml

import (
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strings"

	"go.yaml.in/yaml/v4"
)

// An Error is one complaint about one place of a file.
type Error struct {
	File      string
	Line, Col int // 1-based; 0 if not known
	What      string
}

func (e *Error) Error() string {
	switch {
	case e.Line == 0:
		return fmt.Sprintf("%s: %s", e.File, e.What)
	case e.Col == 0:
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.What)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.What)
}

// Decode reads data strictly into v and returns its root node, by which callers find
// the positions of what they check themselves (see At). The error joins all the
// complaints as *Error; an empty file is one of them.
func Decode(file string, data []byte, v any) (*yaml.Node, error) {
	var root yaml.Node
	if err := yaml.Load(data, &root); err != nil {
		if strings.Contains(err.Error(), "no documents") {
			return nil, &Error{File: file, What: "the file is empty"}
		}
		return nil, convert(file, err)
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) == 0 {
		return nil, &Error{File: file, What: "the file is empty"}
	}
	if err := yaml.Load(data, v, yaml.WithKnownFields(), yaml.WithUniqueKeys()); err != nil {
		return root.Content[0], convert(file, err)
	}
	return root.Content[0], nil
}

// Convert words an error of the YAML library as [Decode] does.
func Convert(file string, err error) error { return convert(file, err) }

func convert(file string, err error) error {
	var many *yaml.LoadErrors
	if errors.As(err, &many) {
		list := make([]*Error, 0, len(many.Errors))
		for _, e := range many.Errors {
			list = append(list, one(file, e))
		}
		return join(list)
	}
	var single *yaml.LoadError
	if errors.As(err, &single) {
		return one(file, single)
	}
	return &Error{File: file, Line: 1, Col: 1, What: plain(err.Error())}
}

func one(file string, e *yaml.LoadError) *Error {
	what := e.Message
	if what == "" && errors.Unwrap(e) != nil {
		what = errors.Unwrap(e).Error()
	}
	// Where the library does not say where, it is about the file as a whole.
	return &Error{File: file, Line: max(e.Mark.Line, 1), Col: max(e.Mark.Column, 1), What: plain(what)}
}

var (
	unknownField = regexp.MustCompile(`^field (.+) not found in type \S+$`)
	wrongKind    = regexp.MustCompile(`^cannot construct !!(\w+)(?: .*)? into (.+)$`)
	kindNames    = map[string]string{"map": "a mapping", "seq": "a list", "str": "text", "int": "a number", "float": "a number", "bool": "true or false", "null": "nothing", "timestamp": "a time"}
)

// plain words a complaint of the library without the names of Go's types.
func plain(what string) string {
	what = strings.TrimPrefix(what, "yaml: ")
	if m := unknownField.FindStringSubmatch(what); m != nil {
		return fmt.Sprintf("unknown field %q", m[1])
	}
	m := wrongKind.FindStringSubmatch(what)
	if m == nil {
		return what
	}
	wanted := "a mapping"
	switch t := strings.TrimPrefix(m[2], "*"); {
	case strings.HasPrefix(t, "[]"):
		wanted = "a list"
	case t == "string":
		wanted = "text"
	case t == "bool":
		wanted = "true or false"
	case strings.HasPrefix(t, "int"), strings.HasPrefix(t, "uint"), strings.HasPrefix(t, "float"):
		wanted = "a number"
	case t == "time.Duration":
		wanted = "a duration"
	}
	got, ok := kindNames[m[1]]
	if !ok {
		got = m[1]
	}
	return fmt.Sprintf("%s stands here where %s is wanted", got, wanted)
}

func join(list []*Error) error {
	sort.SliceStable(list, func(i, j int) bool {
		return list[i].Line < list[j].Line || list[i].Line == list[j].Line && list[i].Col < list[j].Col
	})
	errs := make([]error, len(list))
	for i := range list {
		errs[i] = list[i]
	}
	return errors.Join(errs...)
}

// At makes an error at the place of the value that path leads to: mapping keys, or
// decimal indexes of sequences. Where the path ends early, the last place found is
// named.
func At(file string, root *yaml.Node, path []string, format string, args ...any) error {
	n := root
	for _, p := range path {
		next := child(n, p)
		if next == nil {
			break
		}
		n = next
	}
	e := &Error{File: file, What: fmt.Sprintf(format, args...)}
	if n != nil {
		e.Line, e.Col = n.Line, n.Column
	}
	return e
}

func child(n *yaml.Node, p string) *yaml.Node {
	if n == nil {
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == p {
				return n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		var i int
		if _, err := fmt.Sscanf(p, "%d", &i); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i]
		}
	}
	return nil
}
