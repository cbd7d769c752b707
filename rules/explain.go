package rules

import (
	"context"
	"slices"
	"strings"

	"cel.dev/cel-go/common/operators"

	"github.com/correlatehq/correlate/timeline"
)

// An Explanation shows how a verdict came about: what each rule made of each hop.
type Explanation struct {
	Verdict *Verdict
	Hops    []HopExplained // those on which rules were run: the origin, then its rivals
}

// HopExplained is what the rules made of one hop.
type HopExplained struct {
	Hop   *timeline.Hop
	Role  string // origin, or rival
	Rules []RuleExplained
}

// RuleExplained is what one rule made of one hop.
type RuleExplained struct {
	Name, CauseClass string
	RestsOn          []string
	Fallback         bool
	Fired            bool
	Decides          bool   // the verdict is this rule's
	Wanted           bool   // a case asks that it decides, or that it does not
	Passed           string // why it does not decide although it fired; "" if it decides or did not fire
	Component        string // if it fired
	Evidence         []*timeline.Joined
	Conditions       []Condition // the parts of its when, all of which must hold
}

// A Condition is a part of a rule's when with its value on a hop.
type Condition struct {
	Text  string
	Holds bool
	Err   string      // why it could not be evaluated
	Seen  []Seen      // what it compares
	How   string      // "all", "any" or "not" of Parts; "" for a plain one
	Parts []Condition // if it is of several
}

// Seen is the value of an expression.
type Seen struct{ Text, Value string }

// Explain judges a request as [Set.Judge] does and shows what every rule made of the hops
// that it looked at: all that fired, and those of which a single condition failed. Rules named in asked are shown of every hop,
// whatever they made of it.
func (s *Set) Explain(ctx context.Context, r *timeline.Request, near *timeline.Surroundings, asked ...string) (*Explanation, error) {
	v, err := s.Judge(ctx, r, near)
	if err != nil {
		return nil, err
	}
	return s.explain(ctx, r, near, v, asked)
}

// explain shows what the rules made of the hops; those named in always are shown whatever
// they made of them.
func (s *Set) explain(ctx context.Context, r *timeline.Request, near *timeline.Surroundings, v *Verdict, always []string) (*Explanation, error) {
	out := &Explanation{Verdict: v}
	j := s.newJudgement(r, near)
	for _, h := range r.Hops {
		role := ""
		switch {
		case h == v.Origin:
			role = "origin"
		case slices.ContainsFunc(v.Rivals, func(x Rival) bool { return x.Hop == h }):
			role = "rival"
		case len(always) == 0:
			continue
		}
		rules, err := j.explain(ctx, h, v, always)
		if err != nil {
			return nil, err
		}
		if role == "" {
			rules = slices.DeleteFunc(rules, func(x RuleExplained) bool { return !x.Wanted })
		}
		out.Hops = append(out.Hops, HopExplained{h, role, rules})
	}
	slices.SortStableFunc(out.Hops, func(a, b HopExplained) int {
		rank := func(role string) int { return slices.Index([]string{"origin", "rival", ""}, role) }
		return rank(a.Role) - rank(b.Role)
	})
	return out, nil
}

// explain tells of the rules that fired on a hop, of those that nearly did, and of those named in always.
func (j *judgement) explain(ctx context.Context, h *timeline.Hop, v *Verdict, always []string) ([]RuleExplained, error) {
	at := &subject{hop: j.views.of(h)}
	found, err := j.findings(ctx, at.hop)
	if err != nil {
		return nil, err
	}
	var fired, nearly []RuleExplained
	for _, r := range j.set.rules {
		holds, err := r.fires(ctx, at)
		if err != nil {
			return nil, err
		}
		if !holds && !slices.Contains(always, r.Name) && !r.nearly(ctx, at) {
			continue
		}
		x := RuleExplained{Name: r.Name, CauseClass: r.CauseClass, RestsOn: r.RestsOn, Fallback: r.Fallback, Fired: holds,
			Decides: holds && h == v.Origin && r.Name == v.Rule, Wanted: slices.Contains(always, r.Name)}
		for _, c := range r.condition.all() {
			x.Conditions = append(x.Conditions, c.explain(ctx, at))
		}
		if !holds {
			nearly = append(nearly, x)
			continue
		}
		x.Passed = "a fallback speaks only when no other rule does"
		if i := slices.IndexFunc(found, func(f *finding) bool { return f.rule == r }); i >= 0 {
			x.Component, x.Evidence = found[i].component, found[i].evidence
			x.Passed = passed(found[i], found)
		}
		if x.Decides || h != v.Origin {
			x.Passed = ""
		}
		fired = append(fired, x)
	}
	all := append(fired, nearly...)
	slices.SortStableFunc(all, func(a, b RuleExplained) int { return a.rank() - b.rank() })
	return all, nil
}

// rank is 0 for the rule that decides, then those that a case asks for, those that fired, the others.
func (r *RuleExplained) rank() int {
	switch {
	case r.Decides:
		return 0
	case r.Wanted:
		return 1
	case r.Fired:
		return 2
	}
	return 3
}

// passed says why another finding at the same hop decides and not f.
func passed(f *finding, found []*finding) string {
	best, _ := choose(found)
	if best == nil || best == f {
		return ""
	}
	a, b := strongest(f.rule.RestsOn), strongest(best.rule.RestsOn)
	switch {
	case f.inferred && f.candidates > 1 && !(best.inferred && best.candidates > 1):
		return "its record fits several requests"
	case a != b:
		return best.rule.Name + " has stronger evidence: " + evidenceKinds[b] + " against " + kindName(a)
	case specificity[f.rule.CauseClass] != specificity[best.rule.CauseClass]:
		return best.rule.CauseClass + " tells more than " + f.rule.CauseClass
	case f.rule.CauseClass != best.rule.CauseClass:
		return best.rule.Name + " is shown as well: a tie, which costs confidence"
	}
	return best.rule.Name + " says the same, with as much or more evidence"
}

func kindName(i int) string {
	if i < len(evidenceKinds) {
		return evidenceKinds[i]
	}
	return "none"
}

// nearlyHold is how many conditions must hold for a rule of which one does not to be told of.
const nearlyHold = 2

// nearly says that all conditions but one hold, and that those are not just the plainest.
func (r *rule) nearly(ctx context.Context, at *subject) bool {
	hold, not := 0, 0
	for _, c := range r.condition.all() {
		if ok, err := c.holds(ctx, at); err == nil && ok {
			hold++
		} else if not++; not > 1 {
			return false
		}
	}
	return not == 1 && hold >= nearlyHold
}

// all gives the conditions of which each must hold.
func (c *condition) all() []*condition {
	if c.how == operators.LogicalAnd {
		return c.parts
	}
	return []*condition{c}
}

var howWords = map[string]string{operators.LogicalAnd: "all", operators.LogicalOr: "any", operators.LogicalNot: "not"}

func (c *condition) explain(ctx context.Context, at *subject) Condition {
	c.prepare()
	out := Condition{Text: c.text, How: howWords[c.how]}
	holds, err := c.holds(ctx, at)
	out.Holds = holds
	if err != nil {
		out.Err = err.Error()
	}
	if c.how == operators.LogicalNot && c.parts[0].how == "" {
		out.How = ""
		out.Seen = c.parts[0].explain(ctx, at).Seen
		return out
	}
	for _, p := range c.parts {
		out.Parts = append(out.Parts, p.explain(ctx, at))
	}
	if c.asksSignals {
		out.Seen = append(out.Seen, Seen{"signals", signalNames(at.hop)})
	}
	for _, x := range c.shown {
		v, err := x.eval(ctx, at)
		if err != nil {
			out.Seen = append(out.Seen, Seen{x.source, err.Error()})
			continue
		}
		out.Seen = append(out.Seen, Seen{x.source, valueText(v)})
	}
	return out
}

// signalNames lists the signals of the events that may speak of the hop's own failure.
func signalNames(h *HopView) string {
	var names []string
	for e := range h.signalled {
		for _, s := range e.signals {
			if !slices.Contains(names, s.ID) {
				names = append(names, s.ID)
			}
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
