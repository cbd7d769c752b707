package rules

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/correlatehq/correlate/timeline"
)

// A finding is one rule that fired on one hop.
type finding struct {
	rule      *rule
	hop       *HopView
	component string
	evidence  []*timeline.Joined
	// inferred says that the rule does not fire without records joined by inference;
	// candidates is to how many requests the best of these could belong.
	inferred   bool
	candidates int
	told       bool // the best of these is the one of several that something tells apart
	// ambiguous says that each signal for the cause on which it rests may mean another one too.
	ambiguous bool
	// place is that of the cause among what these signals may mean: 0 is the most likely.
	place int
}

// Judge says which hop turned r into a failure and why. A request that did not fail
// gets a verdict without origin and with certainty Proven.
//
// The structure of the request decides which hop it was ([timeline.TraceOrigin]); the
// findings at that hop decide the cause. All rules run; none has a priority.
func (s *Set) Judge(ctx context.Context, r *timeline.Request, near *timeline.Surroundings) (*Verdict, error) {
	j := s.newJudgement(r, near)
	defer j.in.leave()
	switch {
	case j.trail.Origin != nil:
		return j.failed(ctx)
	case r.Failed:
		return j.withoutHops(), nil
	}
	return j.notFailed(), nil
}

func (s *Set) newJudgement(r *timeline.Request, near *timeline.Surroundings) *judgement {
	if near == nil {
		near = &timeline.Surroundings{}
	}
	in := rooms.Get().(*room)
	in.judgement = judgement{set: s, request: r, near: near, trail: timeline.TraceOrigin(r), views: newViews(r, near, s.signals, in), in: in}
	return &in.judgement
}

// A judgement is one request while it is judged.
type judgement struct {
	set     *Set
	request *timeline.Request
	near    *timeline.Surroundings
	trail   timeline.Trail
	doubts  []Missing // what would decide what the judge is not sure of, besides those of the trail
	views   *views
	certain *views // the same without inferred events; made when first needed
	in      *room  // where the views stand
}

func (j *judgement) failed(ctx context.Context) (*Verdict, error) {
	origin := j.views.of(j.trail.Origin)
	found, err := j.findings(ctx, origin)
	if err != nil {
		return nil, err
	}
	best, tied := choose(found)
	contender, err := j.contender(ctx, best)
	if err != nil {
		return nil, err
	}
	if contender != nil {
		return j.undetermined(best, contender), nil
	}
	v := &Verdict{Origin: j.trail.Origin}
	g := grounds{doubts: slices.Clone(j.trail.Doubts), partial: j.request.Truncated, agreed: callerAgrees(j.trail.Origin)}
	// unsure lowers the confidence for a doubt, and says what would decide it.
	unsure := func(kind timeline.DoubtKind, words, decides string) {
		j.doubts = append(j.doubts, Missing{decides, words})
		g.doubts = append(g.doubts, timeline.Doubt{Kind: kind, Words: words})
	}
	if best == nil {
		// Every request that failed is somebody's; a set without fallback cannot say why.
		v.CauseClass = "other"
		g.kinds, g.fallback = []string{"absence"}, true
		v.Claims = j.claims(originWords(j.trail.Origin), "", nil)
	} else {
		v.Rule, v.CauseClass, v.Component = best.rule.Name, best.rule.CauseClass, best.component
		g.kinds, g.fallback, g.tied = best.rule.RestsOn, best.rule.Fallback, tied
		g.inferred, g.candidates, g.told = best.inferred, best.candidates, best.told
		g.ambiguous, g.lesser = best.ambiguous, best.place > 0
		g.unnamed, g.wordless, g.ofCall = unnamed(best)
		if w := origin.deepestWaiting(); w.doubt != "" && v.CauseClass == "upstream_timeout" && v.Component == w.name {
			unsure(timeline.DoubtUntimed, w.doubt, "clocks that are known better (--anchor)")
		}
		if doubt, p := j.views.near.unsureDown(j.trail.Origin.FailedBy); p != nil && v.CauseClass == "deploy_restart" {
			unsure(timeline.DoubtUntimed, doubt, timing(p))
		}
		if p := j.views.near.diedBefore(v.Component, cmp.Or(j.trail.Origin.End, j.trail.Origin.Start)); p != nil && v.CauseClass == "upstream_reset" && j.trail.Origin.FailedBy == nil {
			doubt := fmt.Sprintf("a process of %s died then: it may have died of this request", v.Component)
			unsure(timeline.DoubtUnreadParty, doubt, "a record of this request by "+v.Component)
		}
		if p := j.untimed(best); p != nil {
			doubt := fmt.Sprintf("it is not known whether %s was being stopped or started then", v.Component)
			unsure(timeline.DoubtUntimed, doubt, timing(p))
		}
		if best.rule.Fallback && origin.mayHavePassedOn() {
			doubt := fmt.Sprintf("%s does not log whom it asks: it may have passed on what it was answered", origin.Service)
			unsure(timeline.DoubtFromBelow, doubt, "the log of whom "+origin.Service+" passes requests on to")
		}
		if kind := origin.fromBelow(); kind != "" {
			doubt := fmt.Sprintf("%s has it in its record that the failure came from whom it asked", origin.Service)
			asked := "whom " + origin.Service + " asked"
			if kind == timeline.DoubtFromBelow {
				asked = cmp.Or(origin.usualCallee(), asked)
			}
			unsure(kind, doubt, "the log of "+asked)
		}
		g.oneSided = j.oneSided(v.CauseClass)
		text, err := j.words(ctx, best)
		if err != nil {
			return nil, err
		}
		v.Claims = j.claims(text, v.Component, best.evidence)
	}
	for _, h := range j.trail.Path {
		if k := h.Inferred(); k > 0 {
			g.inferred = true
			if h == j.trail.Origin {
				g.candidates = max(g.candidates, k)
			}
		}
	}
	if c := j.trail.Origin.FailedBy; c != nil && c.Record != nil && c.Record.Join == timeline.ByInferred && c.Record.Candidates > 1 {
		g.inferred, g.told = true, true // at least one of those requests failed so, and all of them failed then
	}
	if c := j.trail.Origin.FailedBy; c != nil && c.Callee != nil {
		if k := c.Callee.Inferred(); k > 0 {
			g.inferred, g.candidates = true, max(g.candidates, k)
		}
	}
	if k, doubt := j.openDeath(); k > 0 {
		g.deathOf = k
		j.doubts = append(j.doubts, doubt)
	}
	a := assess(g)
	v.Certainty, v.Weight, v.Confidence, v.Steps = a.certainty, a.weight, a.confidence, a.steps
	v.Summary = words(v.Claims)
	v.Effect, v.EffectBy = j.effect(v.CauseClass)
	v.Retries, v.Slowest = j.retries(), j.slowest(v.CauseClass)
	v.Evidence = j.evidence(v.Claims, best, v.Component)
	v.Rivals, err = j.rivals(ctx, v.Origin)
	if err != nil {
		return nil, err
	}
	v.Behind = j.behind(v)
	if v.Missing = j.missing(v); len(v.Missing) == 0 && v.Confidence < sure && best != nil {
		v.Missing = j.deciding(best, v)
	}
	v.Exception, v.ErrorText = j.exception(v)
	v.NextChecks = j.nextChecks(best, v)
	return v, nil
}

// untimed gives a life of the component of which it is not known whether it began or ended when the failure came, where that is what
// may lie behind it; nil if there is none.
func (j *judgement) untimed(best *finding) *timeline.Process {
	c := j.trail.Origin.FailedBy
	switch best.rule.CauseClass {
	case "upstream_connect_failure", "upstream_reset":
	case "deploy_restart":
		if c != nil || !slices.Contains(best.rule.RestsOn, "timing") {
			return nil
		}
	default:
		return nil
	}
	start, end := hopWindow(j.trail.Origin)
	host := ""
	if c != nil {
		start, end = waited(c)
		if c.Callee != nil && c.Callee.Service == best.component {
			host = c.Callee.Host
		}
	}
	return j.views.near.untimed(best.component, host, start, end)
}

// holdersShown bounds the requests that are named as those that may have held what another one lacked.
const holdersShown = 3

// behind gives the earlier events that explain the failure; where the origin lacked a resource, also the requests at
// which it was at work then.
func (j *judgement) behind(v *Verdict) []timeline.Behind {
	out := slices.Clone(j.near.Behind)
	if v.CauseClass == "circuit_open" || v.CauseClass == "no_healthy_upstream" {
		out = append(out, j.near.Opened(v.Origin, v.Component)...)
	}
	if v.CauseClass == "resource_exhaustion" && v.Component == "" {
		for _, h := range j.near.Holders[:min(holdersShown, len(j.near.Holders))] {
			out = append(out, timeline.Behind{
				Hop: v.Origin, At: h.From, Request: h.Request, Candidates: len(j.near.Holders),
				What: fmt.Sprintf("%s had been at work at another request for %s when it had nothing left for this one", name(v.Origin), durationWords(h.For)),
			})
		}
	}
	return out
}

// oneSided says that the cause lies in what the other side of a call did, and that nothing
// but the caller's records tells of it: neither a log nor a process.
func (j *judgement) oneSided(cause string) bool {
	switch cause {
	case "upstream_reset", "upstream_timeout", "upstream_connect_failure":
		c := j.trail.Origin.FailedBy
		state, _ := j.views.near.state(c)
		return c != nil && (c.Callee == nil || c.Callee.Silent) && state == stateUnknown
	}
	return false
}

// openDeath looks whether the callee of the origin's failing call may have died of this
// request's own work, so that it would be the origin: a record of its death fits
// several requests, or its process crashed with several in flight. It gives their
// number, and what is missing to tell.
func (j *judgement) openDeath() (int, Missing) {
	c := j.trail.Origin.FailedBy
	if c == nil || c.Callee == nil || c.Callee.Sent.Known() || c.Ended != timeline.Reset && c.Ended != timeline.Truncated {
		return 0, Missing{}
	}
	what := "which request made " + name(c.Callee) + " die: a request ID in its last words"
	for _, e := range c.Callee.Events {
		if !e.Held() && (e.Exception != nil && e.Exception.Escaped || e.Lifecycle.OfItsWork()) {
			return e.Candidates, Missing{what, fmt.Sprintf("%s fits %d requests, this one among them", e.Pos, e.Candidates)}
		}
	}
	state, p := j.views.near.state(c)
	if state != stateCrashed && state != stateOOMKilled {
		return 0, Missing{}
	}
	if p.Killer != "" && p.Killer != j.request.ID {
		if p.KillerOf == 1 {
			return 0, Missing{}
		}
		return p.KillerOf, Missing{what, fmt.Sprintf("it died with %d requests in flight, most likely of the work of %s and not of this one's", p.KillerOf, p.Killer)}
	}
	k := int(number("death_of"))
	if slices.Contains(p.InFlight, j.request.ID) {
		k = max(2, len(p.InFlight))
	}
	return k, Missing{what, "it died with this request and others in flight"}
}

// fired gives the rules that fire on a hop, until it is called again: those that fire only as fallback if no other does.
func (j *judgement) fired(ctx context.Context, at *subject) ([]*rule, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rules := j.set.rules
	if !j.set.shapes.off {
		var of *shape
		of, j.in.key = j.set.shapes.of(j.set, at, j.in.key)
		rules, at.known = of.rules, append(j.in.known[:0], of.known...)
		defer func() { j.in.known = at.known }()
	}
	out := j.in.firing[:0]
	for _, fallback := range []bool{false, true} {
		for _, r := range rules {
			if r.Fallback != fallback {
				continue
			}
			fired, err := r.fires(ctx, at)
			if err != nil {
				return nil, err
			}
			if fired {
				out = append(out, r)
			}
		}
		if len(out) > 0 {
			break
		}
	}
	j.in.firing = out
	return out, nil
}

// findings runs all rules on one hop. Those that fire only as fallback are left out if another fires.
func (j *judgement) findings(ctx context.Context, h *HopView) ([]*finding, error) {
	at := &j.in.at
	*at = subject{hop: h, keep: true}
	rules, err := j.fired(ctx, at)
	if err != nil {
		return nil, err
	}
	return j.findingsOf(ctx, at, rules)
}

// findingsOf makes the findings of rules that fired on a hop.
func (j *judgement) findingsOf(ctx context.Context, at *subject, rules []*rule) ([]*finding, error) {
	out, all := make([]*finding, 0, len(rules)), make([]finding, len(rules))
	for i, r := range rules {
		f := &all[i]
		f.rule, f.hop = r, at.hop
		var err error
		if r.component != nil {
			if f.component, err = r.component.text(ctx, at); err != nil {
				return nil, fmt.Errorf("rule %s: %w", r.Name, err)
			}
		}
		if f.evidence, err = r.cites(ctx, at); err != nil {
			return nil, err
		}
		if err := j.weigh(ctx, f); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// cause gives the cause class that the rules show best at a hop; "" if they show none.
func (j *judgement) cause(ctx context.Context, h *HopView) (string, error) {
	at := &j.in.at
	*at = subject{hop: h, keep: true}
	rules, err := j.fired(ctx, at)
	if err != nil || len(rules) == 0 || rules[0].Fallback {
		return "", err
	}
	if len(rules) == 1 {
		return rules[0].CauseClass, nil
	}
	found, err := j.findingsOf(ctx, at, rules)
	if err != nil {
		return "", err
	}
	best, _ := choose(found)
	return best.rule.CauseClass, nil
}

// fires says whether the rule's condition holds: by what can be told cheaply, else by CEL.
func (r *rule) fires(ctx context.Context, at *subject) (bool, error) {
	switch r.condition.cheaply(at) {
	case yes:
		return true, nil
	case no:
		return false, nil
	}
	fired, err := r.when.truth(ctx, at)
	if err != nil {
		return false, fmt.Errorf("rule %s: %w", r.Name, err)
	}
	return fired, nil
}

// cites gives the events that the rule cites, or what the hop and its caller state.
func (r *rule) cites(ctx context.Context, at *subject) ([]*timeline.Joined, error) {
	if r.evidence == nil {
		return joined(at.hop.stating()), nil
	}
	events, err := r.evidence.events(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("rule %s: %w", r.Name, err)
	}
	return joined(events), nil
}

func joined(events []*EventView) []*timeline.Joined {
	if len(events) == 0 {
		return nil
	}
	out := make([]*timeline.Joined, 0, len(events))
	for _, e := range events {
		out = append(out, e.joined)
	}
	return out
}

// weigh adds to a finding what its evidence is worth: whether it needs inferred
// records, whether its signals are ambiguous, whether the other end agrees.
func (j *judgement) weigh(ctx context.Context, f *finding) error {
	if f.hop.from == j.views && hasInferred(f.hop) {
		if j.certain == nil {
			j.certain = j.views.certainly(j.request, j.in)
		}
		h := j.certain.of(f.hop.hop)
		again, err := f.rule.fires(ctx, &subject{hop: h})
		if err != nil {
			return err
		}
		if f.inferred = !again; f.inferred {
			f.candidates, f.told = fewestCandidates(f)
		}
	}
	if f.hop.hop.Lineage == timeline.Died {
		// The structure itself rests on the record of the death.
		if d := f.hop.hop.DiedOf(); d != nil && d.Join == timeline.ByInferred {
			f.inferred, f.candidates, f.told = true, max(f.candidates, 1), f.told || d.Told
		}
	}
	f.place, f.ambiguous = meaning(f)
	if f.place > 0 && f.rule.CauseClass != "unhandled_exception" {
		// What the structure shows needs no signal: it does not matter what these may mean first.
		again, err := f.rule.fires(ctx, &subject{hop: f.hop.withoutSignals()})
		if err != nil {
			return err
		}
		if again {
			f.place = 0
		}
	}
	return nil
}

// hasInferred says whether a record of a hop, or of one that it called, was joined by inference.
func hasInferred(h *HopView) bool {
	return inferredAmong(h.Events) || slices.ContainsFunc(h.Callees, func(c *HopView) bool { return inferredAmong(c.Events) })
}

func inferredAmong(events []*EventView) bool {
	return slices.ContainsFunc(events, func(e *EventView) bool { return e.joined.Join == timeline.ByInferred })
}

// fewestCandidates gives to how many requests the best of the finding's inferred records could belong, and
// whether it is one that something tells apart from more.
func fewestCandidates(f *finding) (fewest int, told bool) {
	look := func(e *timeline.Joined) {
		k := e.Candidates
		if e.Told {
			k = 1
		}
		if e.Join == timeline.ByInferred && (fewest == 0 || k < fewest) {
			fewest, told = k, e.Told
		}
	}
	for _, e := range f.evidence {
		look(e)
	}
	if fewest == 0 {
		for _, e := range f.hop.hop.Events {
			look(e)
		}
		for _, c := range f.hop.Callees {
			for _, e := range c.hop.Events {
				look(e)
			}
		}
	}
	return max(fewest, 1), told
}

// meaning says how the signals that a finding cites speak for its cause: the place of the
// cause among what the best of them may mean, most likely first, and whether each of them
// may mean another one too.
func meaning(f *finding) (place int, ambiguous bool) {
	if len(f.rule.RestsOn) > 1 {
		return 0, false // another kind of evidence tells the meanings apart
	}
	if f.rule.CauseClass == "unhandled_exception" && explained(f) {
		return 1, true
	}
	place = -1
	for e := range f.hop.signalled {
		if !e.says(f.rule.CauseClass, false) || !slices.Contains(f.evidence, e.joined) {
			continue
		}
		for _, s := range e.meaning {
			i := s.place(f.rule.CauseClass)
			if i < 0 {
				continue
			}
			if len(s.MayMean) == 1 {
				return 0, false
			}
			if place < 0 || i < place {
				place = i
			}
		}
	}
	return max(place, 0), place >= 0
}

// explained says whether an error that a finding cites means something else by its
// signals: the exception is then only the form which that failure took.
func explained(f *finding) bool {
	for _, e := range f.hop.Events {
		if e.Handled || !slices.Contains(f.evidence, e.joined) {
			continue
		}
		if slices.ContainsFunc(e.meaning, func(s *Signal) bool { return !slices.Contains(s.MayMean, f.rule.CauseClass) }) {
			return true
		}
	}
	return false
}

// unnamed says whether a finding of an error in code rests on no record whose type or words are known to mean
// one, whether they have neither but the request, as where the last line of a trace was lost, and whether one of these names somebody whom the hop calls. A trace by itself tells only that something was
// thrown, which is the form that any failure takes.
func unnamed(f *finding) (unnamed, wordless, ofCall bool) {
	if f.rule.CauseClass != "unhandled_exception" {
		return false, false, false
	}
	wordless = true
	for _, e := range f.hop.Events {
		if e.Exception == nil || !slices.Contains(f.evidence, e.joined) {
			continue
		}
		unnamed = true
		if path := e.joined.Attrs.Get("url.path"); e.Exception.Type == "" && e.Exception.Message == "" && path != "" && strings.Contains(e.joined.Body, path) {
			continue
		}
		wordless = false
		if slices.ContainsFunc(e.signals, func(s *Signal) bool { return s.MayMean[0] == f.rule.CauseClass && s.Field != fieldTrace }) {
			return false, false, false
		}
		ofCall = ofCall || f.hop.called(e, nil) != ""
	}
	return unnamed, unnamed && wordless, ofCall
}

// callerAgrees says that both ends of the call by which h was asked logged the same failure.
func callerAgrees(h *timeline.Hop) bool {
	c := h.Caller
	return c != nil && c.Record != nil && !c.OwnMade && h.Sent.Failed() && c.Received == h.Sent
}

// choose picks the finding with the strongest evidence, then that whose signals mean its
// cause before others, then the most specific cause, then the most kinds of evidence. tied says that another cause ranks with it.
func choose(found []*finding) (best *finding, tied bool) {
	for _, f := range found {
		switch c := compareFindings(f, best); {
		case c < 0:
			best, tied = f, false
		case c == 0 && f.rule.CauseClass != best.rule.CauseClass:
			tied = true
		}
	}
	return best, tied
}

// compareFindings is negative if a is better shown than b. Names do not count: findings
// that differ in nothing else are a tie, and the first by name is shown.
func compareFindings(a, b *finding) int {
	if b == nil {
		return -1
	}
	guess := func(f *finding) int {
		if f.inferred && f.candidates > 1 {
			return 1 // its record is more likely another request's
		}
		return 0
	}
	if c := guess(a) - guess(b); c != 0 {
		return c
	}
	if c := strongest(a.rule.RestsOn) - strongest(b.rule.RestsOn); c != 0 {
		return c
	}
	if c := a.place - b.place; c != 0 {
		return c
	}
	if c := specificity[b.rule.CauseClass] - specificity[a.rule.CauseClass]; c != 0 {
		return c
	}
	if a.rule.CauseClass != b.rule.CauseClass {
		return 0 // two causes of one rank: the number of kinds cannot tell which is right
	}
	return len(b.rule.RestsOn) - len(a.rule.RestsOn)
}

// contender finds a hop above the origin that may have made the failure by itself: it
// has no record of the call below, the clocks do not show that the failure below came
// before it answered, and its own records state a cause that is shown no worse.
func (j *judgement) contender(ctx context.Context, best *finding) (*finding, error) {
	for _, h := range j.trail.Path[:len(j.trail.Path)-1] {
		c := h.FailedBy
		if c == nil || c.Record != nil || c.Kin || c.Named || c.Callee == nil || c.Callee.End.CertainlyBefore(h.End) {
			continue
		}
		alone := *j.views.of(h)
		alone.FailedBy = nil
		found, err := j.findings(ctx, &alone)
		if err != nil {
			return nil, err
		}
		other, _ := choose(found)
		if other == nil || other.rule.Fallback || other.component == name(c.Callee) {
			continue // what it tells of is the failure of its callee
		}
		if best == nil || best.rule.Fallback || strongest(other.rule.RestsOn) <= strongest(best.rule.RestsOn) {
			return other, nil
		}
	}
	return nil, nil
}

// undetermined is the verdict where two hops may be the origin and nothing tells which.
func (j *judgement) undetermined(best, other *finding) *Verdict {
	v := &Verdict{Certainty: Undetermined, Effect: "unknown"}
	origin := j.trail.Origin
	cause := "other"
	if best != nil {
		cause = best.rule.CauseClass
		v.Evidence = append(v.Evidence, best.evidence...)
	}
	v.Evidence = unique(append(v.Evidence, other.evidence...))
	a, b := name(origin), name(other.hop.hop)
	v.Rivals = []Rival{
		{Hop: origin, CauseClass: cause, ExcludedBy: "not excluded: it failed, and " + b + " may have failed before it knew"},
		{Hop: other.hop.hop, CauseClass: other.rule.CauseClass, ExcludedBy: "not excluded: its own records tell of an error, and it has no record of its call to " + a},
	}
	v.Claims = told(fmt.Sprintf("%s and %s both failed, and the clocks do not show which came first", a, b), v.Evidence...)
	v.Summary = words(v.Claims)
	v.Missing = append(j.missing(v), Missing{
		What:         fmt.Sprintf("a record of %s about its call to %s", b, a),
		WhyItMatters: "it would show whether the failure of " + a + " had come when " + b + " answered",
	})
	v.NextChecks = []string{fmt.Sprintf("the clocks of %s and %s, and the log of %s around this request", hostOf(origin), hostOf(other.hop.hop), b)}
	return v
}

func (j *judgement) withoutHops() *Verdict {
	claims := told("The request failed, and no record tells which service handled it")
	return &Verdict{
		Certainty: Undetermined, Effect: "unknown",
		Claims: claims, Summary: words(claims),
		Missing:    []Missing{{"the log of any hop of this request", "without it no hop can be named"}},
		NextChecks: []string{"give the logs of the outermost proxy or gateway as a source"},
	}
}

func (j *judgement) notFailed() *Verdict {
	v := &Verdict{Certainty: Proven, Confidence: 1, Effect: "completed"}
	root := j.request.Root()
	if root == nil {
		v.Certainty, v.Confidence, v.Effect = Undetermined, 0, "unknown"
		v.Claims = told("No hop of this request is known")
		v.Summary = words(v.Claims)
		return v
	}
	st := root.Status()
	if !st.Known() {
		v.Effect = "unknown"
	}
	first := clause{evidence: known([]*timeline.Joined{record(root)})}
	switch {
	case root.Lineage == timeline.Aborted:
		v.Effect = "unknown"
		first.text = "the client left before " + name(root) + " had answered"
	case st.Known():
		first.text = fmt.Sprintf("the request did not fail: %s answered %s", name(root), st)
	default:
		v.Certainty, v.Confidence = Undetermined, 0
		first.text = "no record tells what " + name(root) + " answered, so that it is not known whether the request failed"
		v.Missing = []Missing{{"the status that " + name(root) + " sent", "without it nobody can say whether the request failed"}}
		v.NextChecks = []string{"the access log of " + name(root) + " or of what calls it"}
	}
	for _, h := range j.request.Hops {
		if h != root && h.Failed() {
			v.Rivals = append(v.Rivals, j.rival(h, "", root))
		}
	}
	all := []sentence{{first}}
	if n := len(v.Rivals); n > 0 {
		r := v.Rivals[0]
		below := clause{text: r.words(), evidence: known([]*timeline.Joined{record(r.Hop), r.Event})}
		if n > 1 {
			below.text += fmt.Sprintf(", and %d more failed on the way", n-1)
		}
		all = append(all, sentence{below})
	}
	v.Claims = claimsOf(all...)
	v.Summary = words(v.Claims)
	v.Retries = j.retries()
	for _, c := range v.Claims {
		v.Evidence = append(v.Evidence, c.Evidence...)
	}
	for _, h := range j.request.Hops {
		if e := record(h); e != nil && (h == root || h.Failed()) {
			v.Evidence = append(v.Evidence, e)
		}
	}
	v.Evidence = unique(v.Evidence)
	return v
}

// words evaluates a rule's summary for its finding.
func (j *judgement) words(ctx context.Context, f *finding) (string, error) {
	j.in.at = subject{hop: f.hop, component: f.component}
	s, err := f.rule.summary.text(ctx, &j.in.at)
	if err != nil {
		return "", fmt.Errorf("rule %s: %w", f.rule.Name, err)
	}
	return s, nil
}
