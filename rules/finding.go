package rules

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"github.com/correlatehq/correlate/timeline"
)

// A Population is the failed requests of a window in groups, and those that succeeded in it.
type Population struct {
	Groups    [][]Judged
	Succeeded []timeline.Sampled
	// Told says that it is known for how many requests each succeeded one stands; if not, counts are of those that were read.
	Told      bool
	Processes []*timeline.Process
}

// Findings are what sets failed requests apart from those that succeeded.
type Findings struct {
	Common []Finding   // of all failed requests; those of groups do not say it again
	Groups [][]Finding // by group
}

// A Finding is one thing that sets failed requests apart: it is found on so many of them, and on so many of those that succeeded. Requests of which it is not known
// whether it is so count on neither side.
type Finding struct {
	Rule, Text string
	Feature    string // what was compared
	Value      string // what the failed ones have in common; "" if a number says it
	Failed     Share
	Succeeded  EstimatedShare
	Effect     Effect
	// P is how likely the data would show so much or more by chance, corrected for all comparisons that were made.
	P float64
}

// A Share is N of Of requests.
type Share struct{ N, Of int }

// An EstimatedShare is N of Of requests that succeeded, and the SampledN of SampledOf that were read of them.
type EstimatedShare struct {
	N, Of               timeline.Estimate
	Estimated           bool // not counted
	SampledN, SampledOf int
}

// An Effect is by how much something is larger among the failed requests, with its 95 % interval: the difference of the two shares, or for what goes by load
// the ratio of the parts that failed in busy and in calm times.
type Effect struct {
	Kind             string // "difference" or "ratio"
	Value, Low, High float64
}

// The views are what CEL sees of an answer; the names in their tags are the rule language.
type (
	// FoundView is what a question found.
	FoundView struct {
		Feature   string   `cel:"feature"`
		Service   string   `cel:"service"` // whose feature it is
		Value     string   `cel:"value"`
		Failed    SideView `cel:"failed"`
		Succeeded SideView `cel:"succeeded"`
		// Difference of the two shares, with its interval.
		Difference float64 `cel:"difference"`
		Low        float64 `cel:"low"`
		High       float64 `cel:"high"`
		P          float64 `cel:"p"`
		Counts     string  `cel:"counts"` // both sides in words
		Only       string  `cel:"only"`   // "only", or "nearly only" where a few are otherwise

		// Of a threshold: from where on, where the next succeeded one below lies, and, of moments, whether failures begin with the first and go on until the last.
		Least      string `cel:"least"`
		Next       string `cel:"next"` // of two numbers: the least one above; "" if there is none
		Below      string `cel:"below"`
		Throughout bool   `cel:"throughout"`
		// Of what is steady: around what, how close, and how long that is in seconds.
		Typical string  `cel:"typical"`
		Spread  string  `cel:"spread"`
		Seconds float64 `cel:"seconds"`
		// Of load: how many times more requests there are in busy times, and what part more of them failed, with the interval.
		Load      float64 `cel:"load"`
		Ratio     float64 `cel:"ratio"`
		RatioLow  float64 `cel:"ratio_low"`
		RatioHigh float64 `cel:"ratio_high"`
	}
	// SideView is on how many of one side it was found.
	SideView struct {
		N     int64   `cel:"n"`
		Of    int64   `cel:"of"`
		Share float64 `cel:"share"`
	}
)

var foundType = cel.ObjectType("rules.FoundView")

// comparing is the language of rules that compare.
var comparing = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(ext.Strings(), cel.Variable("found", foundType),
		ext.NativeTypes(ext.ParseStructTags(true), reflect.TypeFor[FoundView](), reflect.TypeFor[SideView]()),
		cel.Function("times", cel.MemberOverload("double_times", []*cel.Type{cel.DoubleType}, cel.StringType, cel.UnaryBinding(timesWords))))
})

// view gives what a rule sees of an answer.
func (a *answer) view(feature, service string, told bool) *FoundView {
	d, low, high := a.tab.difference()
	n, of := a.n.Estimate(), a.of.Estimate()
	v := &FoundView{
		Feature: feature, Service: service, Value: a.value, Difference: d, Low: low, High: high, P: a.p,
		Failed:     SideView{int64(a.failed[0]), int64(a.failed[1]), a.tab.a / a.tab.n},
		Succeeded:  SideView{int64(math.Round(n.N)), int64(math.Round(of.N)), a.tab.b / a.tab.m},
		Throughout: a.throughout, Load: a.load, Ratio: a.ratio[0], RatioLow: a.ratio[1], RatioHigh: a.ratio[2], Seconds: a.typical,
	}
	v.Only = "nearly only"
	if a.failed[0] == a.failed[1] {
		v.Only = "only"
	}
	v.Counts = a.countWords(told)
	if f := featureOf(feature); f != nil && f.words != nil {
		if !math.IsInf(a.next, 0) && a.next > a.least {
			v.Next = f.words(a.next)
		}
		v.Least, v.Below, v.Typical, v.Spread = f.words(a.least), f.words(a.below), f.words(a.typical), f.words(a.spread)
	}
	return v
}

// countWords tells both sides: "all 9 failures, 3 % of about 3,950 successes".
func (a *answer) countWords(told bool) string {
	failed := fmt.Sprintf("%s of %s failures", thousands(a.failed[0]), thousands(a.failed[1]))
	if a.failed[0] == a.failed[1] {
		failed = fmt.Sprintf("all %s failures", thousands(a.failed[1]))
	}
	of := a.of.Estimate()
	all := thousands(int(math.Round(of.N)))
	switch {
	case !told:
		all += " successes that were read"
	case of.Error > 0:
		n, _ := of.Rounded()
		all = "about " + thousands(n) + " successes"
	default:
		all += " successes"
	}
	return failed + ", " + partWords(a.n.Estimate().N/of.N) + " of " + all
}

func partWords(share float64) string {
	switch {
	case share == 0:
		return "none"
	case share < 0.001:
		return "<0.1 %"
	case share < 0.0995:
		return trimZero(fmt.Sprintf("%.1f", share*100)) + " %"
	case share > 0.995 && share < 1:
		return ">99 %"
	}
	return fmt.Sprintf("%.0f %%", share*100)
}

func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// tried is one comparison that could be made for a group.
type tried struct {
	rule    *batchRule
	feature string
	service string // whose it is
	answer  *answer
}

// compare puts the questions of all rules of scope batch to two sides.
func (s *Set) compare(ctx context.Context, failed, succeeded *people) ([]tried, error) {
	var out []tried
	for _, r := range s.batch {
		for _, f := range r.of {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			c := &comparison{failed: failed, succeeded: succeeded, feature: f, within: r.within}
			if a := r.question.ask(c); a != nil {
				whose, _, _ := strings.Cut(f, ".")
				out = append(out, tried{r, f, cmp.Or(failed.names[whose], whose), a})
			}
		}
	}
	return out, nil
}

// correct corrects the chances of all that was tried.
func correct(all [][]tried) {
	var p []float64
	for _, g := range all {
		for _, t := range g {
			p = append(p, t.answer.p)
		}
	}
	p = holm(p)
	for _, g := range all {
		for _, t := range g {
			t.answer.p, p = p[0], p[1:]
		}
	}
}

// found gives what holds of what was tried, the least likely by chance first.
func found(all []tried, told bool) ([]Finding, error) {
	var out []Finding
	for _, t := range all {
		v := t.answer.view(t.feature, t.service, told)
		holds, err := t.rule.when.ask(v)
		if err != nil {
			return nil, fmt.Errorf("%s: when: %w", t.rule.Pos, err)
		}
		if holds != true {
			continue
		}
		text, err := t.rule.summary.ask(v)
		if err != nil {
			return nil, fmt.Errorf("%s: summary: %w", t.rule.Pos, err)
		}
		a := t.answer
		f := Finding{Rule: t.rule.Name, Feature: t.feature, Value: a.value, P: a.p, Failed: Share{a.failed[0], a.failed[1]},
			Succeeded: EstimatedShare{a.n.Estimate(), a.of.Estimate(), told && a.of.Estimate().Error > 0, a.count[0], a.count[1]},
			Effect:    Effect{"difference", v.Difference, v.Low, v.High}}
		f.Text, _ = text.(string)
		if a.load > 0 {
			f.Effect = Effect{"ratio", v.Ratio, v.RatioLow, v.RatioHigh}
		}
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(a, b Finding) int { return cmp.Compare(a.P, b.P) })
	return out, nil
}

// JudgeBatch compares the failed requests of each group, and all of them together, with those that succeeded, by the rules of scope batch. Those that
// succeeded are looked at only as far as they went through the service to which the group's verdicts lead. What the data do not decide is not said. The
// error is that of the context or of a rule that cannot be evaluated.
func (s *Set) JudgeBatch(ctx context.Context, p *Population) (*Findings, error) {
	scene := newScene(p)
	groups := p.Groups
	if len(groups) > 1 {
		groups = append(slices.Clone(groups), slices.Concat(groups...))
	}
	all := make([][]tried, len(groups))
	for i, g := range groups {
		if len(g) < leastFailed {
			continue
		}
		failed, succeeded := sidesOf(newLens(g, scene), g, p.Succeeded)
		var err error
		if all[i], err = s.compare(ctx, failed, succeeded); err != nil {
			return nil, err
		}
	}
	correct(all)
	out := &Findings{Groups: make([][]Finding, len(p.Groups))}
	for i := len(all) - 1; i >= 0; i-- {
		fs, err := found(all[i], p.Told)
		if err != nil {
			return nil, err
		}
		if i == len(p.Groups) {
			out.Common = fs
			continue
		}
		out.Groups[i] = slices.DeleteFunc(fs, func(f Finding) bool {
			return slices.ContainsFunc(out.Common, func(c Finding) bool { return c.Rule == f.Rule && c.Feature == f.Feature && c.Value == f.Value })
		})
	}
	return out, nil
}

// sidesOf gives the two sides as a lens shows them.
func sidesOf(l *lens, group []Judged, succeeded []timeline.Sampled) (failed, passed *people) {
	requests := make([]*timeline.Request, len(group))
	weights := make([]float64, len(group))
	for i, j := range group {
		requests[i], weights[i] = j.Request, 1
	}
	failed = l.people(requests, weights)
	requests, weights = nil, nil
	var others []*timeline.Request
	for i := range succeeded {
		s := &succeeded[i]
		if l.origin == "" || len(hops(s.Request, l.origin)) > 0 {
			requests, weights = append(requests, s.Request), append(weights, s.StandsFor)
		} else {
			others = append(others, s.Request)
		}
	}
	passed = l.people(requests, weights)
	passed.others = l.people(others, make([]float64, len(others)))
	return failed, passed
}

func (l *lens) people(requests []*timeline.Request, weights []float64) *people {
	return &people{weights: weights, known: map[string]*column{}, names: map[string]string{"origin": l.origin, "component": l.component}, ask: func(f *feature) *column {
		c := &column{}
		for _, r := range requests {
			if f.number != nil {
				c.numbers = append(c.numbers, f.number(l, r))
			} else {
				c.texts = append(c.texts, f.texts(l, r))
			}
		}
		return c
	}}
}

// A compareFile is what a rule of scope batch compares, as written.
type compareFile struct {
	Question string   `yaml:"question"`
	Of       []string `yaml:"of"`
	Within   []string `yaml:"within"`
}

// A batchRule is a rule file of scope batch, checked and compiled.
type batchRule struct {
	Info
	question   *question
	of, within []string
	when       *expression
	summary    *expression
	cases      []*populationCase
	source     []byte
}

// batchRule checks a rule of scope batch.
func (c *ruleChecker) batchRule(name string, f *ruleFile) *batchRule {
	for _, x := range []struct {
		key string
		set bool
	}{{"component", f.Component != ""}, {"cause_class", f.CauseClass != ""}, {"rests_on", len(f.RestsOn) > 0}, {"fallback", f.Fallback},
		{"evidence", f.Evidence != ""}, {"blame", f.Blame != ""}, {"next_checks", len(f.NextChecks) > 0}} {
		if x.set {
			c.at([]string{x.key}, "a rule of scope batch compares populations and has no %s", x.key)
		}
	}
	r := &batchRule{Info: Info{Name: name, Doc: f.Doc, Scope: "batch", FalsePositives: f.FalsePositives, Cases: len(f.Tests), Pos: c.file}}
	if f.Compare == nil {
		c.at(nil, "no compare: say which question is asked of which features")
		return r
	}
	r.of, r.within = f.Compare.Of, f.Compare.Within
	i := slices.IndexFunc(questions, func(q *question) bool { return q.name == f.Compare.Question })
	if i < 0 {
		var names []string
		for _, q := range questions {
			names = append(names, q.name)
		}
		c.at([]string{"compare", "question"}, "unknown question %q: one of %s", f.Compare.Question, strings.Join(names, ", "))
		return r
	}
	r.question = questions[i]
	r.Compares = r.question.name + " of " + strings.Join(r.of, ", ")
	if len(f.Compare.Of) == 0 {
		c.at([]string{"compare", "of"}, "no of: name the features")
	}
	for key, names := range map[string][]string{"of": f.Compare.Of, "within": f.Compare.Within} {
		for i, n := range names {
			at := []string{"compare", key, strconv.Itoa(i)}
			switch f := featureOf(n); {
			case f == nil:
				c.at(at, "unknown feature %q: one of %s, or an attribute as in origin.service.version", n, featureNames())
			case key == "of" && (f.number != nil) != r.question.numbers:
				c.at(at, "question %q cannot be asked of %q", r.question.name, n)
			}
		}
	}
	r.when = c.compileWith("when", f.When, func(source string) (*expression, []celError) { return compileFound(source, cel.BoolType) })
	r.summary = c.compileWith("summary", f.Summary, func(source string) (*expression, []celError) { return compileFound(source, cel.StringType) })
	c.populations(r, f.Tests)
	return r
}

func featureNames() string {
	var names []string
	for _, f := range features {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}

// compileFound checks an expression of a rule of scope batch.
func compileFound(source string, want *cel.Type) (*expression, []celError) {
	checked, errs := checkType(comparing, source, want)
	if len(errs) > 0 {
		return nil, errs
	}
	return &expression{source: source, checked: checked.NativeRep()}, nil
}

// timesWords writes a factor: "2.3 times".
func timesWords(v ref.Val) ref.Val {
	x, _ := v.Value().(float64)
	return types.String(trimZero(fmt.Sprintf("%.1f", x)) + " times")
}

// ask evaluates an expression of a rule of scope batch.
func (x *expression) ask(v *FoundView) (any, error) {
	if err := x.planned(comparing); err != nil {
		return nil, err
	}
	out, _, err := x.program.Eval(map[string]any{"found": v})
	if err != nil {
		return nil, fmt.Errorf("evaluate %q: %w", shorten(x.source, 80), err)
	}
	return out.Value(), nil
}
