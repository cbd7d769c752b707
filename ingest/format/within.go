package format

import (
	"regexp/syntax"
	"slices"
)

// Within gives f as its records stand inside those of the wrapper of this name, for a
// source that puts them there itself; of f nil the wrapper, whatever is inside. It is nil
// if the set has no such wrapper.
func (s *Set) Within(wrapper string, f *Format) *Format {
	w := s.Lookup(wrapper)
	if w == nil || w.c.wraps == nil || f == nil {
		return w
	}
	return wrapped(f, append([]*compiled{w.c}, f.outer...))
}

// OneLine says whether every record of f is one line, so that a line is whole without those
// around it.
func (f *Format) OneLine() bool { return routeOf(f).oneLine() }

// InnerLiterals gives f.Literals as they stand in records without their outermost wrapper; nil
// if bytes alone cannot tell.
func (s *Set) InnerLiterals(f *Format) [][]byte {
	if len(f.outer) == 0 || f.Literals == nil {
		return nil
	}
	base := s.Lookup(f.Name)
	if base == nil {
		return nil
	}
	return wrapped(base, f.outer[1:]).Literals
}

// LifecyclePatterns gives regular expressions (RE2) of which every record of f, or of one that may
// stand between its records, that tells of a process's life matches one, wherever in a line
// its message stands and however JSON escapes it. There is none if no record does.
func (s *Set) LifecyclePatterns(f *Format) []string {
	var out []string
	add := func(c *compiled) {
		for _, l := range c.lifecycle {
			if p, ok := anywhere(l.re.text); ok {
				out = append(out, p)
			}
		}
	}
	add(f.c)
	for _, g := range s.guestsOf(f.c) {
		add(g.c)
	}
	for _, o := range f.outer {
		add(o)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// LifecycleLiterals gives literals of which each record of a process life contains one that stands in a stream of
// f: as its own, a guest's or a wrapper's; false if bytes do not tell of its own ones. Guests of which no bytes tell that a process
// began or ended tell it by what failed.
func (s *Set) LifecycleLiterals(f *Format) ([]Literal, bool) {
	main, outer, ok := single(routeOf(f), nil)
	if !ok {
		return nil, false
	}
	out, known := main.lifeLiterals()
	for _, g := range s.guestsOf(main) {
		ls, ok := g.c.lifeLiterals()
		for _, l := range g.c.literals {
			if !ok {
				ls = append(ls, Literal{Text: string(l)})
			}
		}
		out = slices.Concat(out, ls)
	}
	for _, c := range outer {
		ls, ok := c.lifeLiterals()
		out, known = slices.Concat(out, ls), known && ok
	}
	return fewest(slices.Clone(out)), known
}

// anywhere gives an expression without its anchors, in which a quote may be escaped.
func anywhere(source string) (string, bool) {
	re, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return "", false
	}
	return loosen(re).String(), true
}

// loosen takes the anchors from re and lets a backslash stand before quotes.
func loosen(re *syntax.Regexp) *syntax.Regexp {
	switch re.Op {
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}
	case syntax.OpCapture:
		return loosen(re.Sub[0])
	case syntax.OpLiteral:
		if !slices.ContainsFunc(re.Rune, isEscaped) {
			return re
		}
		cat := &syntax.Regexp{Op: syntax.OpConcat}
		for _, c := range re.Rune {
			one := &syntax.Regexp{Op: syntax.OpLiteral, Flags: re.Flags, Rune: []rune{c}}
			if isEscaped(c) {
				one = &syntax.Regexp{Op: syntax.OpPlus, Sub: []*syntax.Regexp{{Op: syntax.OpAnyChar}}}
			}
			cat.Sub = append(cat.Sub, one)
		}
		return cat
	}
	for i, sub := range re.Sub {
		re.Sub[i] = loosen(sub)
	}
	return re
}

// isEscaped says whether JSON writes the character in another way, or may.
func isEscaped(c rune) bool {
	return c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '/' || c == '<' || c == '>' || c == '&'
}
