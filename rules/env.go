package rules

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"

	"github.com/correlatehq/correlate/timeline"
)

// costLimit bounds one evaluation; a rule of the usual size needs less than a hundredth of it.
const costLimit = 200_000

// language is the environment in which all rules are compiled. It is made once: that
// takes milliseconds.
var language = sync.OnceValues(newLanguage)

var (
	hopType    = cel.ObjectType("rules.HopView")
	callType   = cel.ObjectType("rules.CallView")
	eventType  = cel.ObjectType("rules.EventView")
	momentType = cel.ObjectType("rules.MomentView")
	nearType   = cel.ObjectType("rules.NearView")
)

// What the rule language may ask of a hop, by name. The second argument is "" for those that
// take none (unasked).
var (
	hopTruths = map[string]func(*HopView, string) bool{
		"says":          func(h *HopView, s string) bool { return h.says(s, false) },
		"states":        func(h *HopView, s string) bool { return h.says(s, true) },
		"means":         (*HopView).means,
		"signal":        func(h *HopView, s string) bool { return len(h.signalling(s)) > 0 },
		"remarks":       func(h *HopView, s string) bool { return len(h.remarking(s)) > 0 },
		"own_exception": func(h *HopView, _ string) bool { return h.ownException() != nil },
	}
	hopTexts = map[string]func(*HopView, string) string{
		"pointed":         (*HopView).pointed,
		"told_by":         (*HopView).toldBy,
		"named":           (*HopView).named,
		"dependency":      func(h *HopView, s string) string { return cmp.Or(h.dependency(s), s) },
		"error_text":      func(h *HopView, _ string) string { return h.errorText() },
		"deepest_waiting": func(h *HopView, _ string) string { return h.deepestWaiting().name },
		"usual_callee":    func(h *HopView, _ string) string { return h.usualCallee() },
		"not_asked":       func(h *HopView, _ string) string { return h.notAsked() },
		"under_way":       func(h *HopView, _ string) string { return h.underWay() },
		"refuser":         func(h *HopView, _ string) string { return h.refuser() },
		"hidden_by":       func(h *HopView, _ string) string { return h.hiddenBy() },
		"lacking":         func(h *HopView, _ string) string { return h.lacking() },
	}
	hopEvents = map[string]func(*HopView, string) []*EventView{
		"saying":     func(h *HopView, s string) []*EventView { return h.saying(s, false) },
		"remarking":  (*HopView).remarking,
		"signalling": (*HopView).signalling,
		"told":       (*HopView).told,
		"stating":    func(h *HopView, _ string) []*EventView { return h.stating() },
		"telling":    func(h *HopView, _ string) []*EventView { return h.telling() },
		"hidden":     func(h *HopView, _ string) []*EventView { return h.hidden() },
	}
	// nearTexts are what it may ask of the surroundings about a call.
	nearTexts = map[string]func(*NearView, *timeline.Call) string{
		"state":       func(n *NearView, c *timeline.Call) string { s, _ := n.state(c); return s },
		"state_words": (*NearView).stateWords,
	}
	// nearTruths are those that are answered by yes or no.
	nearTruths = map[string]func(*NearView, *timeline.Call) bool{
		"refused_since_start": (*NearView).refusedSinceStart,
	}
	// nearMoments are what it may ask of them about a service on a host, "" for any, at a moment.
	nearMoments = map[string]func(n *NearView, service, host string, at timeline.Instant) bool{
		"was_restarting": (*NearView).wasRestarting,
		"was_down":       (*NearView).downAt,
	}
	unasked = []string{"own_exception", "error_text", "deepest_waiting", "usual_callee", "not_asked", "under_way", "refuser", "stating", "telling", "hidden", "hidden_by", "lacking"}
)

func newLanguage() (*cel.Env, error) {
	var adapter types.Adapter // known only when the environment is made
	options := []cel.EnvOption{
		cel.OptionalTypes(),
		cel.EnableMacroCallTracking(), // conditions are written out as they were written
		ext.Strings(),
		ext.NativeTypes(ext.ParseStructTags(true),
			reflect.TypeFor[StatusView](), reflect.TypeFor[MomentView](), reflect.TypeFor[ExceptionView](),
			reflect.TypeFor[HTTPView](), reflect.TypeFor[HTTPRequestView](), reflect.TypeFor[HTTPResponseView](), reflect.TypeFor[URLView](),
			reflect.TypeFor[EventView](), reflect.TypeFor[CallView](), reflect.TypeFor[HopView](), reflect.TypeFor[RequestView](),
			reflect.TypeFor[ProcessView](), reflect.TypeFor[NearView]()),
		cel.Variable("hop", hopType),
		cel.Variable("request", cel.ObjectType("rules.RequestView")),
		cel.Variable("near", nearType),
		cel.Variable("component", cel.StringType),

		member("certainly_before", momentType, momentType, cel.BoolType, func(a, b *MomentView) ref.Val {
			return types.Bool(a.instant.CertainlyBefore(b.instant))
		}),
		member("certainly_after", momentType, momentType, cel.BoolType, func(a, b *MomentView) ref.Val {
			return types.Bool(b.instant.CertainlyBefore(a.instant))
		}),
		cel.Function("words", cel.MemberOverload("duration_words", []*cel.Type{cel.DurationType}, cel.StringType,
			cel.UnaryBinding(func(d ref.Val) ref.Val {
				v, _ := d.Value().(time.Duration)
				return types.String(durationWords(v))
			}))),
	}
	of := func(name string, result *cel.Type, f func(*HopView, string) ref.Val) {
		if slices.Contains(unasked, name) {
			options = append(options, method(name, hopType, result, func(h *HopView) ref.Val { return f(h, "") }))
			return
		}
		options = append(options, member(name, hopType, cel.StringType, result, f))
	}
	for name, f := range hopTruths {
		of(name, cel.BoolType, func(h *HopView, s string) ref.Val { return types.Bool(f(h, s)) })
	}
	for name, f := range hopTexts {
		of(name, cel.StringType, func(h *HopView, s string) ref.Val { return types.String(f(h, s)) })
	}
	for name, f := range hopEvents {
		of(name, cel.ListType(eventType), func(h *HopView, s string) ref.Val { return adapter.NativeToValue(f(h, s)) })
	}
	for name, f := range nearTruths {
		options = append(options, member(name, nearType, callType, cel.BoolType, func(n *NearView, c *CallView) ref.Val { return types.Bool(f(n, c.call)) }))
	}
	for name, f := range nearMoments {
		options = append(options, cel.Function(name, cel.MemberOverload("near_"+name, []*cel.Type{nearType, cel.StringType, cel.StringType, momentType}, cel.BoolType,
			cel.FunctionBinding(func(args ...ref.Val) ref.Val {
				return types.Bool(f(value[NearView](args[0]), text(args[1]), text(args[2]), value[MomentView](args[3]).instant))
			}))))
	}
	for name, f := range nearTexts {
		options = append(options, member(name, nearType, callType, cel.StringType, func(n *NearView, c *CallView) ref.Val { return types.String(f(n, c.call)) }))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, err
	}
	adapter = env.CELTypeAdapter()
	return env, nil
}

// method declares a member function without argument.
func method[T any](name string, on, result *cel.Type, f func(*T) ref.Val) cel.EnvOption {
	return cel.Function(name, cel.MemberOverload(on.TypeName()+"."+name, []*cel.Type{on}, result,
		cel.UnaryBinding(func(v ref.Val) ref.Val { return f(value[T](v)) })))
}

// member declares a member function with one argument: a string or a view.
func member[T, A any](name string, on, arg, result *cel.Type, f func(*T, A) ref.Val) cel.EnvOption {
	return cel.Function(name, cel.MemberOverload(on.TypeName()+"."+name, []*cel.Type{on, arg}, result,
		cel.BinaryBinding(func(v, a ref.Val) ref.Val { return f(value[T](v), argument[A](a)) })))
}

func argument[A any](v ref.Val) A {
	if a, ok := v.Value().(A); ok {
		return a
	}
	var zero A
	if t := reflect.TypeFor[A](); t.Kind() == reflect.Pointer {
		// A missing view reads as an empty one, as its fields do.
		p := reflect.New(t.Elem())
		if w := reflect.ValueOf(v.Value()); w.IsValid() && w.Type() == t.Elem() {
			p.Elem().Set(w)
		}
		return p.Interface().(A)
	}
	return zero
}

// value gives the view behind a CEL value; an empty one if there is none.
func value[T any](v ref.Val) *T {
	switch x := v.Value().(type) {
	case *T:
		if x != nil {
			return x
		}
	case T:
		return &x
	}
	return new(T)
}

func text(v ref.Val) string {
	s, _ := v.Value().(string)
	return s
}

// durationWords writes a duration as people say it: 41 ms, 1.4 s, 2 min 5 s.
func durationWords(d time.Duration) string {
	switch {
	case d < 0:
		return "an unknown time"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case d < time.Minute:
		return trimZero(fmt.Sprintf("%.1f", math.Round(d.Seconds()*10)/10)) + " s"
	}
	s := int(d.Round(time.Second).Seconds())
	if s%60 == 0 {
		return fmt.Sprintf("%d min", s/60)
	}
	return fmt.Sprintf("%d min %d s", s/60, s%60)
}

func trimZero(s string) string { return strings.TrimSuffix(s, ".0") }

// An expression is one checked CEL expression of a rule.
type expression struct {
	source  string
	checked *ast.AST
	quick   *quick // nil: only CEL can evaluate it

	check    func() (*expression, []celError) // gives the two when they are first asked for; nil: they are there
	checking sync.Once
	checkErr error

	plan    sync.Once
	program cel.Program
	planErr error
}

// ready checks what was left to be checked until it is asked for.
func (x *expression) ready() error {
	if x.check == nil {
		return nil
	}
	x.checking.Do(func() {
		made, errs := x.check()
		if len(errs) > 0 {
			x.checkErr = fmt.Errorf("compile %q: %s", shorten(x.source, 80), errs[0].what)
			return
		}
		x.checked, x.quick, x.program = made.checked, made.quick, made.program
	})
	return x.checkErr
}

// A celError is a complaint about an expression, at a place in it.
type celError struct {
	line, col int // 1-based, in the expression
	what      string
}

// compile checks an expression and that its result is of the wanted type. known holds
// the IDs of signals, for what the literals in the expression name.
func compile(source string, want *cel.Type, known map[string]*Signal) (*expression, []celError) {
	checked, errs := checkType(language, source, want)
	if len(errs) > 0 {
		return nil, errs
	}
	if errs := checkNames(checked, known); len(errs) > 0 {
		return nil, errs
	}
	x := &expression{source: source, checked: checked.NativeRep(), quick: quicken(checked.NativeRep(), checked.NativeRep().Expr())}
	if x.quick == nil {
		if err := x.planned(language); err != nil {
			return nil, []celError{{1, 1, err.Error()}}
		}
	}
	return x, nil
}

// checkType checks an expression of a language and that it gives what is wanted.
func checkType(language func() (*cel.Env, error), source string, want *cel.Type) (*cel.Ast, []celError) {
	env, err := language()
	if err != nil {
		return nil, []celError{{1, 1, err.Error()}}
	}
	checked, issues := env.Compile(source)
	if issues.Err() != nil {
		var errs []celError
		for _, e := range issues.Errors() {
			errs = append(errs, celError{max(1, e.Location.Line()), e.Location.Column() + 1, e.Message})
		}
		return nil, errs
	}
	if got := checked.OutputType(); !got.IsExactType(want) {
		return nil, []celError{{1, 1, fmt.Sprintf("the expression gives %s, want %s", got, want)}}
	}
	return checked, nil
}

// planned makes the program by which CEL evaluates x, which is of a language, once.
func (x *expression) planned(language func() (*cel.Env, error)) error {
	if err := x.ready(); err != nil {
		return err
	}
	x.plan.Do(func() {
		if x.program != nil {
			return // it was made when x was checked
		}
		env, err := language()
		if err != nil {
			x.planErr = err
			return
		}
		x.program, x.planErr = env.PlanProgram(x.checked, cel.CostLimit(costLimit), cel.EvalOptions(cel.OptOptimize))
	})
	return x.planErr
}

// checkNames finds literals that name no cause class or no signal: they would make a
// rule silent for ever.
func checkNames(checked *cel.Ast, known map[string]*Signal) []celError {
	var errs []celError
	native := checked.NativeRep()
	complain := func(id int64, format string, args ...any) {
		at := native.SourceInfo().GetStartLocation(id)
		errs = append(errs, celError{max(1, at.Line()), at.Column() + 1, fmt.Sprintf(format, args...)})
	}
	ast.PostOrderVisit(native.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || !e.AsCall().IsMemberFunction() || len(e.AsCall().Args()) != 1 {
			return
		}
		arg := e.AsCall().Args()[0]
		if arg.Kind() != ast.LiteralKind {
			return
		}
		s, ok := arg.AsLiteral().Value().(string)
		if !ok {
			return
		}
		switch e.AsCall().FunctionName() {
		case "says", "means", "states", "saying", "remarks", "remarking", "pointed", "named", "told", "told_by":
			if !slices.Contains(CauseClasses, s) {
				complain(arg.ID(), "unknown cause class %q", s)
			}
		case "signal", "signalling":
			if known[s] == nil {
				complain(arg.ID(), "unknown signal %q", s)
			}
		}
	}))
	return errs
}

// eval lets CEL evaluate x. It is not interrupted: its cost is bounded, and watching the context costs more than most evaluations.
func (x *expression) eval(ctx context.Context, of *subject) (ref.Val, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := x.planned(language); err != nil {
		return nil, err
	}
	of.hop.complete()
	out, _, err := x.program.Eval(of)
	if err != nil {
		return nil, fmt.Errorf("evaluate %q: %w", shorten(x.source, 80), err)
	}
	return out, nil
}

// ResolveName gives CEL the variables of an expression.
func (s *subject) ResolveName(name string) (any, bool) {
	switch name {
	case "hop":
		return s.hop, true
	case "request":
		return s.hop.from.request, true
	case "near":
		return s.hop.from.near, true
	case "component":
		return s.component, true
	}
	return nil, false
}

// Parent says that there are no other variables.
func (s *subject) Parent() cel.Activation { return nil }

// truth evaluates a condition.
func (x *expression) truth(ctx context.Context, of *subject) (bool, error) {
	if x.quick != nil && x.quick.truth != nil {
		return x.quick.truth(of), nil
	}
	v, err := x.eval(ctx, of)
	if err != nil {
		return false, err
	}
	b, _ := v.Value().(bool)
	return b, nil
}

// text evaluates what gives a text.
func (x *expression) text(ctx context.Context, of *subject) (string, error) {
	if err := x.ready(); err != nil {
		return "", err
	}
	if x.quick != nil && x.quick.text != nil {
		return x.quick.text(of), nil
	}
	v, err := x.eval(ctx, of)
	if err != nil {
		return "", err
	}
	return text(v), nil
}

// events evaluates what gives events.
func (x *expression) events(ctx context.Context, of *subject) ([]*EventView, error) {
	if err := x.ready(); err != nil {
		return nil, err
	}
	if x.quick != nil && x.quick.events != nil {
		return x.quick.events(of), nil
	}
	v, err := x.eval(ctx, of)
	if err != nil {
		return nil, err
	}
	l, ok := v.(traits.Lister)
	if !ok {
		return nil, nil
	}
	var out []*EventView
	for it := l.Iterator(); it.HasNext().Value() == true; {
		if e, ok := it.Next().Value().(*EventView); ok && e != nil && e.joined != nil {
			out = append(out, e)
		}
	}
	return out, nil
}

// shorten cuts a text to about n bytes, at the border of a rune.
func shorten(s string, n int) string {
	if !inOneLine(s) {
		s = strings.Join(strings.Fields(s), " ")
	}
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n] + "..."
}

// inOneLine says whether a text of ASCII has single spaces between its words and none around them.
func inOneLine(s string) bool {
	space := true
	for i := range len(s) {
		switch c := s[i]; {
		case c > ' ' && c < utf8.RuneSelf:
			space = false
		case c != ' ' || space:
			return false
		default:
			space = true
		}
	}
	return !space || s == ""
}
