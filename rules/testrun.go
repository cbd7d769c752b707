package rules

import (
	"context"
	"fmt"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/correlatehq/correlate/timeline"
)

// A Failure is a case of a rule that did not come out as the rule says; Rule is "" for
// one of a file of cases.
type Failure struct {
	Rule string
	Case string
	Pos  string
	What string
}

func (f Failure) String() string {
	if f.Rule == "" {
		return fmt.Sprintf("%s: case %q: %s", f.Pos, f.Case, f.What)
	}
	return fmt.Sprintf("%s: rule %s, case %q: %s", f.Pos, f.Rule, f.Case, f.What)
}

// Test runs every case of every rule, and those of the files of cases, against the whole set.
func (s *Set) Test() []Failure {
	var out []Failure
	for _, c := range s.TestRun(context.Background()).Cases {
		if c.What != "" {
			out = append(out, c.Failure)
		}
	}
	return out
}

// A TestRun is what came out of all cases.
type TestRun struct {
	Cases []CaseResult // by rule, then in the order of the files
	// Rules is how many there are that cases could try, Decided how many of them decide one; of scope batch those that are found in one.
	Rules, Decided int
	// Conditions is how many they consist of, Tried how many of them held on a hop of a case of their own or of a file of cases, and on
	// another one did not.
	Conditions, Tried int
	// Undecided are the rules that decide no case, by name.
	Undecided []string
	// NeverTrue are the conditions that held on no hop of such a case: they may be misspelt
	// in a way that no check finds, or no case tries them.
	NeverTrue []UntriedCondition
	// NeverFalse are those that held on each.
	NeverFalse []UntriedCondition
}

// A CaseResult is what came out of one case.
type CaseResult struct {
	Failure                   // What is "" if it came out as wanted
	Verdict *Verdict          // nil if there is none
	Request *timeline.Request // of a case that failed
	// Explanation is set for a case that failed and was judged: what the rules made of
	// its hops, with the wanted rule among them.
	Explanation *Explanation
}

// An UntriedCondition is a condition of a rule that cases of that rule do not try.
type UntriedCondition struct{ Rule, Text string }

// TestRun runs every case of every rule, and those of the files of cases, against the
// whole set, and finds what no case tries.
func (s *Set) TestRun(ctx context.Context) *TestRun {
	run := &TestRun{}
	cover := &coverage{set: s, held: map[*condition]bool{}, failed: map[*condition]bool{}, decides: map[string]bool{}}
	test := func(rule string, cases []*ruleCase) {
		for _, k := range cases {
			run.Cases = append(run.Cases, s.runCase(ctx, rule, k, cover))
		}
	}
	for _, r := range s.rules {
		test(r.Name, r.cases)
	}
	for _, r := range s.batch {
		for _, k := range r.cases {
			run.Cases = append(run.Cases, s.runPopulation(ctx, r.Name, k))
			cover.decides[r.Name] = cover.decides[r.Name] || !k.none
		}
	}
	for _, g := range s.caseFiles() {
		test("", g.cases)
	}
	for _, r := range s.rules {
		for _, c := range r.condition.plain() {
			if c.expr.Kind() == ast.LiteralKind {
				continue
			}
			run.Conditions++
			c.prepare()
			switch {
			case !cover.held[c]:
				run.NeverTrue = append(run.NeverTrue, UntriedCondition{r.Name, c.text})
			case !cover.failed[c]:
				run.NeverFalse = append(run.NeverFalse, UntriedCondition{r.Name, c.text})
			default:
				run.Tried++
			}
		}
	}
	for _, r := range s.List() {
		if run.Rules++; cover.decides[r.Name] {
			run.Decided++
		} else {
			run.Undecided = append(run.Undecided, r.Name)
		}
	}
	return run
}

func (s *Set) runCase(ctx context.Context, rule string, k *ruleCase, cover *coverage) CaseResult {
	out := CaseResult{Failure: Failure{Rule: rule, Case: k.name, Pos: k.pos}}
	req, near, nerr := parseHops(k.hops)
	if nerr != nil {
		out.What = nerr.what
		return out
	}
	v, err := s.Judge(ctx, req, near)
	if err != nil {
		out.What = err.Error()
		return out
	}
	out.Verdict = v
	cover.note(ctx, s.newJudgement(req, near), v, rule)
	if out.What = k.want.differs(rule, v); out.What != "" {
		out.Request = req
		always := rule
		if k.want.rule != "" {
			always = k.want.rule
		}
		out.Explanation, err = s.explain(ctx, req, near, v, []string{always})
		if err != nil {
			out.What += "; " + err.Error()
		}
	}
	return out
}

// differs says in what a verdict is not what a case of a rule wants; "" if in nothing.
func (w *want) differs(rule string, v *Verdict) string {
	if w.none && rule != "" {
		if v.Rule == rule {
			return "the rule decided it, and must not"
		}
		return ""
	}
	origin := "none"
	if v.Origin != nil {
		origin = v.Origin.Service
	}
	var bad []string
	differ := func(what, got, wanted string) {
		if wanted != "" && got != wanted {
			bad = append(bad, fmt.Sprintf("%s is %q, want %q", what, got, wanted))
		}
	}
	differ("origin", origin, w.origin)
	differ("rule", v.Rule, w.rule)
	differ("cause_class", v.CauseClass, w.cause)
	differ("certainty", string(v.Certainty), w.certainty)
	differ("effect", v.Effect, w.effect)
	if w.componentSaid && v.Component != w.component {
		bad = append(bad, fmt.Sprintf("component is %q, want %q", v.Component, w.component))
	}
	if !strings.Contains(v.Summary, w.summary) {
		bad = append(bad, fmt.Sprintf("summary is %q, want it to contain %q", v.Summary, w.summary))
	}
	return strings.Join(bad, "; ")
}

// A coverage notes what the cases of a set try.
type coverage struct {
	set     *Set
	held    map[*condition]bool
	failed  map[*condition]bool
	decides map[string]bool // by rule
}

// note notes what a case of a rule tries of that rule, and one of a file of cases of each.
func (c *coverage) note(ctx context.Context, j *judgement, v *Verdict, rule string) {
	c.decides[v.Rule] = true
	for _, h := range j.views.request.Hops {
		at := &subject{hop: h}
		for _, r := range c.set.rules {
			if rule != "" && rule != r.Name {
				continue
			}
			for _, p := range r.condition.plain() {
				if c.held[p] && c.failed[p] {
					continue
				}
				if ok, err := p.holds(ctx, at); err == nil {
					c.held[p], c.failed[p] = c.held[p] || ok, c.failed[p] || !ok
				}
			}
		}
	}
}

// plain gives the conditions of which a condition consists; one with a not before it is one.
func (c *condition) plain() []*condition {
	if len(c.parts) == 0 || c.how == operators.LogicalNot {
		return []*condition{c}
	}
	var out []*condition
	for _, p := range c.parts {
		out = append(out, p.plain()...)
	}
	return out
}
