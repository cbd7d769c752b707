package rules

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/correlatehq/correlate/timeline"
)

// A quick is an expression of the plain kind that most rules are made of, as Go functions:
// fields of the hop, of its calls and of the request, what the hop's functions give,
// comparisons with literals, and, or, not, choices and joined texts. It gives what CEL
// gives (TestQuickIsCEL), some hundred times as fast. One of its functions is set.
type quick struct {
	truth  func(*subject) bool
	text   func(*subject) string
	number func(*subject) int64
	length func(*subject) time.Duration
	events func(*subject) []*EventView
	moment func(*subject) timeline.Instant

	joined []func(*subject) string // if text joins several
}

// A subject is what an expression is about.
type subject struct {
	hop       *HopView
	component string
	element   reflect.Value // of the list over which exists or filter goes

	keep   bool    // plain conditions are asked once: the hop stays the same
	known  []truth // of plain conditions, by their numbers
	shaped bool    // only what the hop's shape tells is asked
}

// quicken makes Go functions of an expression within a checked one; nil where only CEL
// can evaluate it.
func quicken(whole *ast.AST, e ast.Expr) *quick {
	q := &quickener{info: whole.SourceInfo()}
	return q.quicken(e)
}

// A quickener makes Go functions of an expression.
type quickener struct {
	info    *ast.SourceInfo
	name    string       // of the variable that stands for an element of a list; "" outside of one
	element reflect.Type // of that variable
}

func (q *quickener) quicken(e ast.Expr) *quick {
	switch e.Kind() {
	case ast.LiteralKind:
		return quickLiteral(e)
	case ast.IdentKind:
		switch {
		case e.AsIdent() == "component":
			return &quick{text: func(x *subject) string { return x.component }}
		case e.AsIdent() == q.name && q.element.Kind() == reflect.String:
			return &quick{text: func(x *subject) string { return x.element.String() }}
		}
	case ast.SelectKind:
		return q.path(e)
	case ast.CallKind:
		return q.call(e.AsCall())
	case ast.ComprehensionKind, ast.UnspecifiedExprKind: // the latter stands for a macro within another
		if call, ok := q.info.GetMacroCall(e.ID()); ok {
			return q.macro(call.AsCall())
		}
	}
	return nil
}

func (q *quickener) macro(c ast.CallExpr) *quick {
	if c.FunctionName() == operators.Has && len(c.Args()) == 1 && c.Args()[0].Kind() == ast.SelectKind {
		return q.has(c.Args()[0])
	}
	return q.loop(c)
}

func quickLiteral(e ast.Expr) *quick {
	switch v := e.AsLiteral().Value().(type) {
	case bool:
		return &quick{truth: func(*subject) bool { return v }}
	case string:
		return &quick{text: func(*subject) string { return v }}
	case int64:
		return &quick{number: func(*subject) int64 { return v }}
	}
	return nil
}

// A reading gives a part of a view, and of what type it is.
type reading struct {
	of   reflect.Type
	read func(*subject) reflect.Value
}

// view finds the view or the part of one to which an expression leads; nil if it is none.
// As in CEL, what lies behind a view that is not there reads as empty.
func (q *quickener) view(e ast.Expr) *reading {
	switch e.Kind() {
	case ast.IdentKind:
		switch e.AsIdent() {
		case "hop":
			return &reading{reflect.TypeFor[*HopView](), func(x *subject) reflect.Value { return reflect.ValueOf(x.hop) }}
		case "request":
			return &reading{reflect.TypeFor[*RequestView](), func(x *subject) reflect.Value { return reflect.ValueOf(x.hop.from.request) }}
		case q.name: // "" is nobody's
			return &reading{q.element, func(x *subject) reflect.Value { return x.element }}
		}
	case ast.SelectKind:
		if e.AsSelect().IsTestOnly() {
			return nil
		}
		return q.field(e)
	}
	return nil
}

func (q *quickener) field(e ast.Expr) *reading {
	from := q.view(e.AsSelect().Operand())
	if from == nil {
		return nil
	}
	t := from.of
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[MomentView]() {
		return nil
	}
	i := fieldNamed(t, e.AsSelect().FieldName())
	if i < 0 || slices.Contains(completed, t.Field(i).Name) && t.Field(i).Type != reflect.TypeFor[*MomentView]() {
		return nil
	}
	of := t.Field(i).Type
	empty := reflect.Zero(of)
	return &reading{of, func(x *subject) reflect.Value {
		v := from.read(x)
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return empty
			}
			v = v.Elem()
		}
		return v.Field(i)
	}}
}

// completed are the fields that views have only after complete.
var completed = []string{"Attributes", "Signals", "Text", "Start", "End", "Processes"}

// has asks whether a view is there.
func (q *quickener) has(e ast.Expr) *quick {
	r := q.field(e)
	if r == nil || r.of.Kind() != reflect.Pointer || r.of == reflect.TypeFor[*MomentView]() {
		return nil
	}
	return &quick{truth: func(x *subject) bool { return !r.read(x).IsNil() }}
}

// path reads a field of a view.
func (q *quickener) path(e ast.Expr) *quick {
	if e.AsSelect().IsTestOnly() {
		return q.has(e)
	}
	r := q.field(e)
	if r == nil {
		return nil
	}
	switch {
	case r.of == reflect.TypeFor[time.Duration]():
		return &quick{length: func(x *subject) time.Duration { return time.Duration(r.read(x).Int()) }}
	case r.of == reflect.TypeFor[*MomentView]():
		return q.moment(e)
	case r.of == reflect.TypeFor[[]*EventView]():
		return &quick{events: func(x *subject) []*EventView { return r.read(x).Interface().([]*EventView) }}
	case r.of.Kind() == reflect.Bool:
		return &quick{truth: func(x *subject) bool { return r.read(x).Bool() }}
	case r.of.Kind() == reflect.String:
		return &quick{text: func(x *subject) string { return r.read(x).String() }}
	case r.of.Kind() == reflect.Int:
		return &quick{number: func(x *subject) int64 { return r.read(x).Int() }}
	}
	return nil
}

// moment reads the start or the end of a hop, a call or an event from what is behind the view.
func (q *quickener) moment(e ast.Expr) *quick {
	of := q.view(e.AsSelect().Operand())
	if of == nil {
		return nil
	}
	start := e.AsSelect().FieldName() == "start"
	pick := func(a, b timeline.Instant) timeline.Instant {
		if start {
			return a
		}
		return b
	}
	switch of.of {
	case reflect.TypeFor[*HopView]():
		return &quick{moment: func(x *subject) timeline.Instant {
			if h := of.read(x).Interface().(*HopView); h != nil {
				return pick(h.hop.Start, overAt(h.hop))
			}
			return timeline.Instant{}
		}}
	case reflect.TypeFor[*CallView]():
		return &quick{moment: func(x *subject) timeline.Instant {
			if c := of.read(x).Interface().(*CallView); c != nil {
				return pick(c.call.Start, c.call.End)
			}
			return timeline.Instant{}
		}}
	case reflect.TypeFor[*EventView]():
		return &quick{moment: func(x *subject) timeline.Instant {
			if v := of.read(x).Interface().(*EventView); v != nil {
				return pick(v.joined.Start, v.joined.End)
			}
			return timeline.Instant{}
		}}
	}
	return nil
}

// loop goes over a list: list.exists(name, condition) and, for events, list.filter(name, condition).
func (q *quickener) loop(c ast.CallExpr) *quick {
	if q.name != "" || !c.IsMemberFunction() || len(c.Args()) != 2 || c.Args()[0].Kind() != ast.IdentKind {
		return nil
	}
	var of reflect.Type
	var list func(*subject) reflect.Value
	if texts, ok := literalTexts(c.Target()); ok {
		all := reflect.ValueOf(texts)
		of, list = reflect.TypeFor[string](), func(*subject) reflect.Value { return all }
	} else if r := q.view(c.Target()); r != nil && r.of.Kind() == reflect.Slice {
		of, list = r.of.Elem(), r.read
	} else if events := q.quicken(c.Target()); events != nil && events.events != nil {
		of, list = reflect.TypeFor[*EventView](), func(x *subject) reflect.Value { return reflect.ValueOf(events.events(x)) }
	}
	if of == nil || of.Kind() != reflect.Pointer && of.Kind() != reflect.String {
		return nil
	}
	inner := &quickener{info: q.info, name: c.Args()[0].AsIdent(), element: of}
	holds := inner.quicken(c.Args()[1])
	if holds == nil || holds.truth == nil {
		return nil
	}
	switch c.FunctionName() {
	case operators.Exists:
		return &quick{truth: func(x *subject) bool {
			l, found := list(x), false
			for i := 0; i < l.Len() && !found; i++ {
				x.element = l.Index(i)
				found = holds.truth(x)
			}
			x.element = reflect.Value{}
			return found
		}}
	case operators.Filter:
		if of != reflect.TypeFor[*EventView]() {
			return nil
		}
		return &quick{events: func(x *subject) []*EventView {
			l := list(x)
			var out []*EventView
			for i := range l.Len() {
				if x.element = l.Index(i); holds.truth(x) {
					out = append(out, x.element.Interface().(*EventView))
				}
			}
			x.element = reflect.Value{}
			return out
		}}
	}
	return nil
}

// fieldNamed finds the field that CEL knows by this name; -1 if there is none.
func fieldNamed(t reflect.Type, name string) int {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("cel") == name {
			return i
		}
	}
	return -1
}

// literalTexts gives the texts of a list of literals.
func literalTexts(e ast.Expr) ([]string, bool) {
	if e.Kind() != ast.ListKind {
		return nil, false
	}
	var out []string
	for _, x := range e.AsList().Elements() {
		if x.Kind() != ast.LiteralKind {
			return nil, false
		}
		s, ok := x.AsLiteral().Value().(string)
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

func (q *quickener) call(c ast.CallExpr) *quick {
	if c.IsMemberFunction() {
		return q.member(c)
	}
	var args []*quick
	for i, a := range c.Args() {
		if i == 1 && c.FunctionName() == operators.In {
			return quickIn(args[0], a)
		}
		arg := q.quicken(a)
		if arg == nil {
			return nil
		}
		args = append(args, arg)
	}
	switch c.FunctionName() {
	case operators.LogicalAnd:
		return allOf(args)
	case operators.LogicalOr:
		return anyOf(args)
	case operators.LogicalNot:
		if t := args[0].truth; t != nil {
			return &quick{truth: func(x *subject) bool { return !t(x) }}
		}
	case operators.Conditional:
		return quickChoice(args)
	case operators.Equals:
		return quickEqual(args[0], args[1], true)
	case operators.NotEquals:
		return quickEqual(args[0], args[1], false)
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return quickOrder(c.FunctionName(), args[0], args[1])
	case operators.Add:
		if a, b := args[0], args[1]; a.text != nil && b.text != nil {
			return quickJoin(append(a.texts(), b.texts()...))
		}
	case "string":
		if n := args[0].number; n != nil {
			return &quick{text: func(x *subject) string { return strconv.FormatInt(n(x), 10) }}
		}
	case "duration":
		if s := args[0].text; s != nil && c.Args()[0].Kind() == ast.LiteralKind {
			d, err := time.ParseDuration(s(nil))
			if err == nil {
				return &quick{length: func(*subject) time.Duration { return d }}
			}
		}
	}
	return nil
}

// texts gives the texts of which one is joined.
func (q *quick) texts() []func(*subject) string {
	if q.joined != nil {
		return slices.Clip(q.joined)
	}
	return []func(*subject) string{q.text}
}

func quickJoin(texts []func(*subject) string) *quick {
	return &quick{joined: texts, text: func(x *subject) string {
		var room [8]string
		all := room[:0]
		for _, t := range texts {
			all = append(all, t(x))
		}
		return strings.Join(all, "")
	}}
}

func allOf(args []*quick) *quick {
	for _, a := range args {
		if a.truth == nil {
			return nil
		}
	}
	return &quick{truth: func(x *subject) bool {
		for _, a := range args {
			if !a.truth(x) {
				return false
			}
		}
		return true
	}}
}

func anyOf(args []*quick) *quick {
	for _, a := range args {
		if a.truth == nil {
			return nil
		}
	}
	return &quick{truth: func(x *subject) bool {
		for _, a := range args {
			if a.truth(x) {
				return true
			}
		}
		return false
	}}
}

func quickChoice(args []*quick) *quick {
	when, a, b := args[0].truth, args[1], args[2]
	switch {
	case when == nil:
	case a.truth != nil && b.truth != nil:
		return &quick{truth: func(x *subject) bool {
			if when(x) {
				return a.truth(x)
			}
			return b.truth(x)
		}}
	case a.text != nil && b.text != nil:
		return &quick{text: func(x *subject) string {
			if when(x) {
				return a.text(x)
			}
			return b.text(x)
		}}
	case a.events != nil && b.events != nil:
		return &quick{events: func(x *subject) []*EventView {
			if when(x) {
				return a.events(x)
			}
			return b.events(x)
		}}
	}
	return nil
}

func quickEqual(a, b *quick, equal bool) *quick {
	switch {
	case a.text != nil && b.text != nil:
		return &quick{truth: func(x *subject) bool { return (a.text(x) == b.text(x)) == equal }}
	case a.number != nil && b.number != nil:
		return &quick{truth: func(x *subject) bool { return (a.number(x) == b.number(x)) == equal }}
	case a.truth != nil && b.truth != nil:
		return &quick{truth: func(x *subject) bool { return (a.truth(x) == b.truth(x)) == equal }}
	}
	return nil
}

func quickOrder(operator string, a, b *quick) *quick {
	var compare func(*subject) int
	switch {
	case a.number != nil && b.number != nil:
		compare = func(x *subject) int { return cmp.Compare(a.number(x), b.number(x)) }
	case a.length != nil && b.length != nil:
		compare = func(x *subject) int { return cmp.Compare(a.length(x), b.length(x)) }
	default:
		return nil
	}
	switch operator {
	case operators.Less:
		return &quick{truth: func(x *subject) bool { return compare(x) < 0 }}
	case operators.LessEquals:
		return &quick{truth: func(x *subject) bool { return compare(x) <= 0 }}
	case operators.Greater:
		return &quick{truth: func(x *subject) bool { return compare(x) > 0 }}
	}
	return &quick{truth: func(x *subject) bool { return compare(x) >= 0 }}
}

// quickIn asks whether a value is one of a list of literals.
func quickIn(a *quick, list ast.Expr) *quick {
	if a == nil || list.Kind() != ast.ListKind {
		return nil
	}
	var texts []string
	var numbers []int64
	for _, e := range list.AsList().Elements() {
		if e.Kind() != ast.LiteralKind {
			return nil
		}
		switch v := e.AsLiteral().(type) {
		case types.String:
			texts = append(texts, string(v))
		case types.Int:
			numbers = append(numbers, int64(v))
		default:
			return nil
		}
	}
	switch {
	case a.text != nil && len(numbers) == 0:
		return &quick{truth: func(x *subject) bool { return slices.Contains(texts, a.text(x)) }}
	case a.number != nil && len(texts) == 0:
		return &quick{truth: func(x *subject) bool { return slices.Contains(numbers, a.number(x)) }}
	}
	return nil
}

func (q *quickener) member(c ast.CallExpr) *quick {
	name, args := c.FunctionName(), c.Args()
	target := c.Target()
	if of := q.view(target); of != nil && of.of == reflect.TypeFor[*HopView]() {
		return q.hopMember(name, args, func(x *subject) *HopView {
			if h := of.read(x).Interface().(*HopView); h != nil {
				return h
			}
			return &HopView{hop: &timeline.Hop{}, from: x.hop.from}
		})
	}
	if target.Kind() == ast.IdentKind && target.AsIdent() == "near" {
		if len(args) == 3 {
			return q.nearMoment(nearMoments[name], args)
		}
		if len(args) != 1 {
			return nil
		}
		of := q.view(args[0])
		if of == nil || of.of != reflect.TypeFor[*CallView]() {
			return nil
		}
		call := func(x *subject) *timeline.Call {
			if c := of.read(x).Interface().(*CallView); c != nil {
				return c.call
			}
			return nil
		}
		if f := nearTexts[name]; f != nil {
			return &quick{text: func(x *subject) string { return f(x.hop.from.near, call(x)) }}
		}
		if f := nearTruths[name]; f != nil {
			return &quick{truth: func(x *subject) bool { return f(x.hop.from.near, call(x)) }}
		}
		return nil
	}
	of := q.quicken(target)
	if of == nil {
		return nil
	}
	switch {
	case name == "words" && of.length != nil:
		return &quick{text: func(x *subject) string { return durationWords(of.length(x)) }}
	case len(args) != 1:
		return nil
	}
	arg := q.quicken(args[0])
	switch {
	case arg == nil:
	case name == "contains" && of.text != nil && arg.text != nil:
		return &quick{truth: func(x *subject) bool { return strings.Contains(of.text(x), arg.text(x)) }}
	case name == "certainly_before" && of.moment != nil && arg.moment != nil:
		return &quick{truth: func(x *subject) bool { return of.moment(x).CertainlyBefore(arg.moment(x)) }}
	case name == "certainly_after" && of.moment != nil && arg.moment != nil:
		return &quick{truth: func(x *subject) bool { return arg.moment(x).CertainlyBefore(of.moment(x)) }}
	}
	return nil
}

// nearMoment asks the surroundings about a service on a host at a moment.
func (q *quickener) nearMoment(f func(n *NearView, service, host string, at timeline.Instant) bool, args []ast.Expr) *quick {
	service, host, at := q.quicken(args[0]), q.quicken(args[1]), q.quicken(args[2])
	if f == nil || service == nil || service.text == nil || host == nil || host.text == nil || at == nil || at.moment == nil {
		return nil
	}
	return &quick{truth: func(x *subject) bool { return f(x.hop.from.near, service.text(x), host.text(x), at.moment(x)) }}
}

// hopMember is a function of a hop, with or without a text to ask for.
func (q *quickener) hopMember(name string, args []ast.Expr, of func(*subject) *HopView) *quick {
	arg := func(*subject) string { return "" }
	if len(args) == 1 {
		a := q.quicken(args[0])
		if a == nil || a.text == nil {
			return nil
		}
		arg = a.text
	}
	if f := hopTruths[name]; f != nil {
		return &quick{truth: func(x *subject) bool { return f(of(x), arg(x)) }}
	}
	if f := hopTexts[name]; f != nil {
		return &quick{text: func(x *subject) string { return f(of(x), arg(x)) }}
	}
	if f := hopEvents[name]; f != nil {
		return &quick{events: func(x *subject) []*EventView { return f(of(x), arg(x)) }}
	}
	return nil
}
