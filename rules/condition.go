package rules

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/parser"
)

// A condition is a part of a rule's when: all or any of its parts, not its one part, or a
// plain one without parts.
type condition struct {
	how   string // operators.LogicalAnd, LogicalOr or LogicalNot; "" is a plain one
	parts []*condition
	quick func(*subject) bool // of a plain one; nil if only CEL can tell
	fact  int                 // of a plain one: its number among all that differ
	reads []read              // of a plain one: what tells it, where that is of few kinds; nil if it is not

	whole       *ast.AST // of the rule's when
	expr        ast.Expr
	once        sync.Once
	text        string
	evals       *expression
	shown       []*expression // what it compares, to show the values of
	asksSignals bool          // it asks which signals the hop's events have
}

// truth is what can be told of a condition.
type truth uint8

const (
	open truth = iota // only CEL can tell
	no
	yes
)

// conditionOf takes a when apart.
func conditionOf(when *expression) *condition { return conditionIn(when.checked, when.checked.Expr()) }

func conditionIn(whole *ast.AST, e ast.Expr) *condition {
	c := &condition{whole: whole, expr: e}
	if e.Kind() == ast.CallKind {
		switch f := e.AsCall().FunctionName(); f {
		case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot:
			c.how = f
			for _, a := range e.AsCall().Args() {
				part := conditionIn(whole, a)
				if part.how == f && f != operators.LogicalNot {
					c.parts = append(c.parts, part.parts...)
				} else {
					c.parts = append(c.parts, part)
				}
			}
			return c
		}
	}
	if q := quicken(whole, e); q != nil && q.truth != nil {
		c.quick, c.fact = q.truth, factOf(source(e, whole))
		c.reads, _ = readsOf(whole, e)
	}
	return c
}

// facts numbers the plain conditions of all rules by their words: many rules ask the same,
// and each is asked of a hop once.
var facts = struct {
	sync.Mutex
	numbers map[string]int
}{numbers: map[string]int{}}

func factOf(text string) int {
	facts.Lock()
	defer facts.Unlock()
	n, ok := facts.numbers[text]
	switch {
	case ok:
		return n
	case len(facts.numbers) >= factsMost:
		return factsMost
	}
	n = len(facts.numbers)
	facts.numbers[text] = n
	return n
}

// factsMost bounds the conditions that are asked once of a hop; others are asked again.
const factsMost = 1024

// cheaply evaluates what needs no CEL. As in CEL, a part that decides the whole spares the others.
func (c *condition) cheaply(at *subject) truth {
	switch c.how {
	case operators.LogicalAnd:
		return cheaplyAll(c.parts, at, no, yes)
	case operators.LogicalOr:
		return cheaplyAll(c.parts, at, yes, no)
	case operators.LogicalNot:
		switch c.parts[0].cheaply(at) {
		case yes:
			return no
		case no:
			return yes
		}
		return open
	}
	if c.quick == nil || at.shaped && c.reads == nil {
		return open
	}
	if c.fact < len(at.known) && at.known[c.fact] != open {
		return at.known[c.fact]
	}
	t := no
	if c.quick(at) {
		t = yes
	}
	if at.keep && c.fact < factsMost {
		for c.fact >= len(at.known) {
			at.known = append(at.known, open)
		}
		at.known[c.fact] = t
	}
	return t
}

// cheaplyAll gives decides if a part is that, otherwise if all are the other, and else open.
func cheaplyAll(parts []*condition, at *subject, decides, otherwise truth) truth {
	result := otherwise
	for _, p := range parts {
		switch p.cheaply(at) {
		case decides:
			return decides
		case open:
			result = open
		}
	}
	return result
}

// prepare makes ready what only an explanation needs: the words of a condition, and the
// programs for itself and for what it compares.
func (c *condition) prepare() {
	c.once.Do(func() {
		c.text = source(c.expr, c.whole)
		c.asksSignals = slices.ContainsFunc(ofSignals, func(f string) bool { return strings.Contains(c.text, "hop."+f+"(") })
		c.evals = &expression{source: c.text, checked: part(c.whole, c.expr), quick: quicken(c.whole, c.expr)}
		if c.how != "" || c.expr.Kind() != ast.CallKind {
			return
		}
		call := c.expr.AsCall()
		compared := call.Args()
		if call.IsMemberFunction() {
			compared = append([]ast.Expr{call.Target()}, compared...)
		}
		for _, a := range compared {
			if a.Kind() == ast.LiteralKind || !slices.Contains(plainKinds, c.whole.GetType(a.ID()).Kind()) {
				continue
			}
			c.shown = append(c.shown, &expression{source: source(a, c.whole), checked: part(c.whole, a), quick: quicken(c.whole, a)})
		}
	})
}

// ofSignals are the functions of a hop that ask which signals its records have.
var ofSignals = []string{"says", "states", "signal", "means", "remarks", "pointed", "named", "told_by"}

// plainKinds are those of values that can be shown.
var plainKinds = []types.Kind{types.BoolKind, types.StringKind, types.IntKind, types.DoubleKind, types.DurationKind, types.TimestampKind}

// part is an expression within another as one of its own.
func part(whole *ast.AST, e ast.Expr) *ast.AST {
	return ast.NewCheckedAST(ast.NewAST(e, whole.SourceInfo()), whole.TypeMap(), whole.ReferenceMap())
}

// source writes an expression as it was written.
func source(e ast.Expr, whole *ast.AST) string {
	s, err := parser.Unparse(e, whole.SourceInfo(), parser.WrapOnColumn(1<<30))
	if err != nil {
		return fmt.Sprintf("(%v)", err)
	}
	return strings.Join(strings.Fields(s), " ")
}

// holds evaluates a condition by itself.
func (c *condition) holds(ctx context.Context, at *subject) (bool, error) {
	switch t := c.cheaply(at); t {
	case yes, no:
		return t == yes, nil
	}
	c.prepare()
	return c.evals.truth(ctx, at)
}

// valueText writes a value for an explanation.
func valueText(v ref.Val) string {
	switch x := v.Value().(type) {
	case string:
		return fmt.Sprintf("%q", shorten(x, 120))
	case bool, int64, uint64, float64:
		return fmt.Sprint(x)
	}
	if s, ok := v.Value().(fmt.Stringer); ok {
		return s.String()
	}
	return v.Type().TypeName()
}
