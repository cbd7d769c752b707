package format

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
)

// A Literal is a text for which bytes can be searched.
type Literal struct {
	Text string
	// Fold: the text is in lower case, and letters of the other case count too.
	Fold bool
	// Status: the text ends in the first digit of a status of three.
	Status bool
}

// leastLiteral is how long a literal must be to tell anything.
const leastLiteral = 3

// maxLiterals bounds those that one expression needs.
const maxLiterals = 64

// jsonColon is what ends the name of a member of a JSON object, with the space that writers
// may put around the colon.
var jsonColon = regexp.MustCompile(`"[ ]?:[ ]?`)

// spaced gives a literal of a format's file as it stands with and without space around
// JSON's colons: the same encoder writes both.
func spaced(l string) (out [][]byte) {
	for _, colon := range []string{`":`, `": `, `" : `} {
		v := jsonColon.ReplaceAllString(l, colon)
		if strings.HasSuffix(l, `":`) {
			v = strings.TrimRight(v, " ") // what comes next is left open
		}
		if !slices.ContainsFunc(out, func(o []byte) bool { return string(o) == v }) {
			out = append(out, []byte(v))
		}
	}
	return out
}

// literalsOf gives literals of which every match of the expression contains one; nil if
// there are none. Only what stands in JSON as it is in text counts.
func literalsOf(text string) []Literal {
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil
	}
	var out []Literal
	for _, l := range needsOf(re).best() {
		run := longestPlain(l.Text)
		if len(run) < leastLiteral {
			return nil
		}
		out = append(out, Literal{Text: run, Fold: l.Fold})
	}
	return out
}

// longestPlain gives the longest stretch of letters, digits and what else no writer escapes.
func longestPlain(s string) string {
	best := ""
	for f := range strings.FieldsFuncSeq(s, func(r rune) bool {
		return r < ' ' || r > '~' || strings.ContainsRune("\"\\/<>&'", r)
	}) {
		if len(f) > len(best) {
			best = f
		}
	}
	return best
}

// needs is what is known of the matches of an expression: all of them, or texts of which
// each contains one. Neither is known if both are nil.
type needs struct{ exact, any []Literal }

func (n needs) best() []Literal {
	if n.exact != nil && shortest(n.exact) >= shortest(n.any) {
		return n.exact
	}
	return n.any
}

// shortest gives the length of the shortest; 0 if there are none.
func shortest(ls []Literal) int {
	least := 0
	for i, l := range ls {
		if i == 0 || len(l.Text) < least {
			least = len(l.Text)
		}
	}
	return least
}

var emptyMatch = []Literal{{}}

func needsOf(re *syntax.Regexp) needs {
	switch re.Op {
	case syntax.OpLiteral:
		l := Literal{Text: string(re.Rune)}
		if re.Flags&syntax.FoldCase != 0 {
			l = Literal{Text: strings.ToLower(l.Text), Fold: true}
		}
		return needs{exact: []Literal{l}}
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return needs{exact: emptyMatch}
	case syntax.OpCharClass:
		var out []Literal
		for i := 0; i < len(re.Rune); i += 2 {
			if re.Rune[i+1]-re.Rune[i] > 10 || len(out) > 10 {
				return needs{}
			}
			for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
				out = append(out, Literal{Text: string(r)})
			}
		}
		return needs{exact: out}
	case syntax.OpCapture:
		return needsOf(re.Sub[0])
	case syntax.OpQuest:
		if n := needsOf(re.Sub[0]); n.exact != nil {
			return needs{exact: append(slices.Clone(emptyMatch), n.exact...)}
		}
	case syntax.OpPlus:
		return needs{any: needsOf(re.Sub[0]).best()}
	case syntax.OpRepeat:
		if re.Min > 0 {
			return needs{any: needsOf(re.Sub[0]).best()}
		}
	case syntax.OpAlternate:
		return needsOfAny(re.Sub)
	case syntax.OpConcat:
		return needsOfAll(re.Sub)
	}
	return needs{}
}

// needsOfAny is of alternatives.
func needsOfAny(subs []*syntax.Regexp) needs {
	var out needs
	all, exact := true, true
	for _, s := range subs {
		n := needsOf(s)
		if n.exact == nil {
			exact = false
		}
		out.exact = append(out.exact, n.exact...)
		best := n.best()
		if shortest(best) == 0 {
			all = false
		}
		out.any = append(out.any, best...)
	}
	if !exact || len(out.exact) > maxLiterals {
		out.exact = nil
	}
	if !all || len(out.any) > maxLiterals {
		out.any = nil
	}
	return out
}

// needsOfAll is of what comes one behind the other.
func needsOfAll(subs []*syntax.Regexp) needs {
	var out needs
	run, whole := emptyMatch, true
	take := func(ls []Literal) {
		if shortest(ls) > shortest(out.any) {
			out.any = ls
		}
	}
	for _, s := range subs {
		n := needsOf(s)
		if n.exact == nil || len(run)*len(n.exact) > maxLiterals {
			take(run)
			whole, run = false, emptyMatch
			if n.exact == nil {
				take(n.any)
				continue
			}
		}
		var next []Literal
		for _, a := range run {
			for _, b := range n.exact {
				next = append(next, Literal{Text: a.Text + b.Text, Fold: a.Fold || b.Fold})
			}
		}
		run = next
	}
	if whole {
		out.exact = run
	} else {
		take(run)
	}
	for _, ls := range [][]Literal{out.exact, out.any} {
		for i := range ls {
			if ls[i].Fold {
				ls[i].Text = strings.ToLower(ls[i].Text)
			}
		}
	}
	return out
}

// lifeLiterals gives literals of which every record that tells of the life of its process
// contains one; false if there are none.
func (c *compiled) lifeLiterals() ([]Literal, bool) {
	l := c.life()
	return l.literals, l.known
}

type lifeLiterals struct {
	literals []Literal
	known    bool
}

func lifeOf(c *compiled) func() lifeLiterals {
	return sync.OnceValue(func() lifeLiterals {
		out := lifeLiterals{known: true}
		for i := range c.lifecycle {
			ls := literalsOf(c.lifecycle[i].re.text)
			if ls == nil {
				return lifeLiterals{}
			}
			out.literals = append(out.literals, ls...)
		}
		return out
	})
}
