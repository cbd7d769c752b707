package rules

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types/traits"

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
	if near == nil {
		near = &timeline.Surroundings{}
	}
	trail := timeline.TraceOrigin(r)
	j := &judgement{set: s, request: r, near: near, trail: trail}
	j.views = newViews(r, near, s.signals, false)
	if j.views.inferred {
		j.certain = newViews(r, near, s.signals, true)
	}
	switch {
	case trail.Origin != nil:
		return j.failed(ctx)
	case r.Failed:
		return j.withoutHops(), nil
	}
	return j.notFailed(), nil
}

// A judgement is one request while it is judged.
type judgement struct {
	set     *Set
	request *timeline.Request
	near    *timeline.Surroundings
	trail   timeline.Trail
	views   *views
	certain *views // the same without inferred events; nil if there are none
}

func (j *judgement) failed(ctx context.Context) (*Verdict, error) {
	origin := j.views.hops[j.trail.Origin]
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
	v := &Verdict{Origin: j.trail.Origin, Effect: j.effect()}
	g := grounds{doubts: len(j.trail.Doubts), callerUsual: j.request.CallerUsual, partial: j.request.Truncated, agreed: callerAgrees(j.trail.Origin)}
	if j.request.CallerUsual {
		g.doubts-- // that doubt has its own bound
	}
	if best == nil {
		// Every request that failed is somebody's; a set without fallback cannot say why.
		v.CauseClass = "other"
		g.kinds, g.fallback = []string{"absence"}, true
		v.Summary = j.summary(originWords(j.trail.Origin), "")
	} else {
		v.Rule, v.CauseClass, v.Component = best.rule.Name, best.rule.CauseClass, best.component
		g.kinds, g.fallback, g.tied = best.rule.RestsOn, best.rule.Fallback, tied
		g.inferred, g.candidates, g.told = best.inferred, best.candidates, best.told
		g.ambiguous, g.lesser = best.ambiguous, best.place > 0
		if w := origin.deepestWaiting(); w.doubt != "" && v.CauseClass == "upstream_timeout" && v.Component == w.name {
			j.trail.Doubts = append(j.trail.Doubts, w.doubt)
			g.doubts++
		}
		if doubt := j.views.near.unsureDown(j.trail.Origin.FailedBy); doubt != "" && v.CauseClass == "deploy_restart" {
			j.trail.Doubts = append(j.trail.Doubts, doubt)
			g.doubts++
		}
		words, err := j.words(ctx, best)
		if err != nil {
			return nil, err
		}
		v.Summary = j.summary(words, v.Component)
	}
	for _, h := range j.trail.Path {
		if k := h.Inferred(); k > 0 {
			g.inferred = true
			if h == j.trail.Origin {
				g.candidates = max(g.candidates, k)
			}
		}
	}
	if c := j.trail.Origin.FailedBy; c != nil && c.Callee != nil {
		if k := c.Callee.Inferred(); k > 0 {
			g.inferred, g.candidates = true, max(g.candidates, k)
		}
	}
	if k, doubt := j.openDeath(); k > 0 {
		g.deathOf = k
		j.trail.Doubts = append(j.trail.Doubts, doubt)
	}
	v.Certainty, v.Confidence = assess(g)
	v.Evidence = j.evidence(best, v.Component)
	v.Rivals, err = j.rivals(ctx, v.Origin)
	if err != nil {
		return nil, err
	}
	v.Behind = j.behind(v)
	v.Missing = j.missing(v)
	v.Exception = j.exception(v)
	v.NextChecks = j.nextChecks(best, v)
	return v, nil
}

// holdersShown bounds the requests that are named as those that may have held what another one lacked.
const holdersShown = 3

// behind gives the earlier events that explain the failure; where the origin lacked a resource, also the requests at
// which it was at work then.
func (j *judgement) behind(v *Verdict) []timeline.Behind {
	out := slices.Clone(j.near.Behind)
	if v.CauseClass == "resource_exhaustion" && v.Component == "" {
		for _, h := range j.near.Holders[:min(holdersShown, len(j.near.Holders))] {
			out = append(out, timeline.Behind{
				Hop: v.Origin, At: h.From, Request: h.Request, Candidates: len(j.near.Holders),
				What: fmt.Sprintf("%s was at work at another request for %s", name(v.Origin), durationWords(h.For)),
			})
		}
	}
	return out
}

// victimsOfCrash is how many requests a process that crashed is held to have had in
// flight where nobody can count them.
const victimsOfCrash = 4

// openDeath looks whether the callee of the origin's failing call may have died of this
// request's own work, so that it would be the origin: a record of its death fits
// several requests, or its process crashed with several in flight. It gives their
// number, and what to say about it.
func (j *judgement) openDeath() (int, string) {
	c := j.trail.Origin.FailedBy
	if c == nil || c.Callee == nil || c.Callee.Sent.Known() || c.Ended != timeline.Reset && c.Ended != timeline.Truncated {
		return 0, ""
	}
	for _, e := range c.Callee.Events {
		if !e.Held() && (e.Exception != nil && e.Exception.Escaped || e.Lifecycle.OfItsWork()) {
			return e.Candidates, fmt.Sprintf("%s tells of a death of %s that fits %d requests, this one among them", e.Pos, name(c.Callee), e.Candidates)
		}
	}
	state, p := j.views.near.state(c)
	if state != stateCrashed && state != stateOOMKilled {
		return 0, ""
	}
	if p.Killer != "" && p.Killer != j.request.ID {
		if p.KillerOf == 1 {
			return 0, ""
		}
		return p.KillerOf, fmt.Sprintf("%s died with %d requests in flight, most likely of the work of %s and not of this one's", name(c.Callee), p.KillerOf, p.Killer)
	}
	k := victimsOfCrash
	if slices.Contains(p.InFlight, j.request.ID) {
		k = max(2, len(p.InFlight))
	}
	return k, fmt.Sprintf("%s died with this request in flight, and nothing shows which request made it die", name(c.Callee))
}

// findings runs all rules on one hop. Those that fire only as fallback are left out if another fires.
func (j *judgement) findings(ctx context.Context, h *HopView) ([]*finding, error) {
	vars := map[string]any{"hop": h, "request": h.from.request, "near": h.from.near, "component": ""}
	activation, err := cel.NewActivation(vars)
	if err != nil {
		return nil, err
	}
	var out []*finding
	for _, r := range j.set.rules {
		fired, err := fires(ctx, r, activation)
		if err != nil {
			return nil, err
		}
		if !fired {
			continue
		}
		f := &finding{rule: r, hop: h}
		if r.component != nil {
			c, err := r.component.eval(ctx, activation)
			if err != nil {
				return nil, fmt.Errorf("rule %s: %w", r.Name, err)
			}
			f.component, _ = c.Value().(string)
		}
		if f.evidence, err = ruleEvidence(ctx, r, h, activation); err != nil {
			return nil, err
		}
		if err := j.weigh(ctx, f); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	if slices.ContainsFunc(out, func(f *finding) bool { return !f.rule.Fallback }) {
		out = slices.DeleteFunc(out, func(f *finding) bool { return f.rule.Fallback })
	}
	return out, nil
}

func fires(ctx context.Context, r *rule, activation any) (bool, error) {
	v, err := r.when.eval(ctx, activation)
	if err != nil {
		return false, fmt.Errorf("rule %s: %w", r.Name, err)
	}
	fired, _ := v.Value().(bool)
	return fired, nil
}

// ruleEvidence gives the events that a rule cites, or what the hop and its caller state.
func ruleEvidence(ctx context.Context, r *rule, h *HopView, activation any) ([]*timeline.Joined, error) {
	if r.evidence == nil {
		return joined(h.stating()), nil
	}
	v, err := r.evidence.eval(ctx, activation)
	if err != nil {
		return nil, fmt.Errorf("rule %s: %w", r.Name, err)
	}
	l, ok := v.(traits.Lister)
	if !ok {
		return nil, nil
	}
	var out []*timeline.Joined
	for it := l.Iterator(); it.HasNext().Value() == true; {
		if e, ok := it.Next().Value().(*EventView); ok && e != nil && e.joined != nil {
			out = append(out, e.joined)
		}
	}
	return out, nil
}

func joined(events []*EventView) []*timeline.Joined {
	var out []*timeline.Joined
	for _, e := range events {
		out = append(out, e.joined)
	}
	return out
}

// weigh adds to a finding what its evidence is worth: whether it needs inferred
// records, whether its signals are ambiguous, whether the other end agrees.
func (j *judgement) weigh(ctx context.Context, f *finding) error {
	if j.certain != nil && f.hop.from == j.views && hasInferred(f.hop) {
		h := j.certain.hops[f.hop.hop]
		activation, err := cel.NewActivation(map[string]any{"hop": h, "request": j.certain.request, "near": j.certain.near, "component": ""})
		if err != nil {
			return err
		}
		again, err := fires(ctx, f.rule, activation)
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
		activation, err := cel.NewActivation(map[string]any{"hop": f.hop.withoutSignals(), "request": f.hop.from.request, "near": f.hop.from.near, "component": ""})
		if err != nil {
			return err
		}
		again, err := fires(ctx, f.rule, activation)
		if err != nil {
			return err
		}
		if again {
			f.place = 0
		}
	}
	return nil
}

func hasInferred(h *HopView) bool {
	return slices.ContainsFunc(h.Events, func(e *EventView) bool { return e.joined.Join == timeline.ByInferred })
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
	for _, e := range f.hop.saying(f.rule.CauseClass, false) {
		if !slices.Contains(f.evidence, e.joined) {
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
		if c == nil || c.Record != nil || c.Callee == nil || c.Callee.End.CertainlyBefore(h.End) {
			continue
		}
		alone := *j.views.hops[h]
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
	v.Summary = fmt.Sprintf("%s and %s both failed, and the clocks do not show which came first.", a, b)
	v.Missing = append(j.missing(v), Missing{
		What:         fmt.Sprintf("a record of %s about its call to %s", b, a),
		WhyItMatters: "it would show whether the failure of " + a + " had come when " + b + " answered",
	})
	v.NextChecks = []string{fmt.Sprintf("the clocks of %s and %s, and the log of %s around this request", hostOf(origin), hostOf(other.hop.hop), b)}
	return v
}

func (j *judgement) withoutHops() *Verdict {
	return &Verdict{
		Certainty: Undetermined, Effect: "unknown",
		Summary:    "The request failed, and no record tells which service handled it.",
		Missing:    []Missing{{"the log of any hop of this request", "without it no hop can be named"}},
		NextChecks: []string{"give the logs of the outermost proxy or gateway as a source"},
	}
}

func (j *judgement) notFailed() *Verdict {
	v := &Verdict{Certainty: Proven, Confidence: 1, Effect: "completed"}
	root := j.request.Root()
	if root == nil {
		v.Certainty, v.Confidence, v.Effect = Undetermined, 0, "unknown"
		v.Summary = "No hop of this request is known."
		return v
	}
	st := root.Status()
	if !st.Known() {
		v.Effect = "unknown"
	}
	switch {
	case root.Lineage == timeline.Aborted:
		v.Effect = "unknown"
		v.Summary = "The client left before " + name(root) + " had answered."
	case st.Known():
		v.Summary = fmt.Sprintf("The request did not fail: %s answered %s.", name(root), st)
	default:
		v.Certainty, v.Confidence = Undetermined, 0
		v.Summary = "No record tells what " + name(root) + " answered, so that it is not known whether the request failed."
		v.Missing = []Missing{{"the status that " + name(root) + " sent", "without it nobody can say whether the request failed"}}
		v.NextChecks = []string{"the access log of " + name(root) + " or of what calls it"}
	}
	for _, h := range j.request.Hops {
		if h != root && h.Failed() {
			v.Rivals = append(v.Rivals, j.rival(h, "", root))
		}
	}
	if n := len(v.Rivals); n > 0 {
		v.Summary += " " + v.Rivals[0].words()
		if n > 1 {
			v.Summary += fmt.Sprintf(", and %d more failed on the way", n-1)
		}
		v.Summary += "."
	}
	for _, h := range j.request.Hops {
		if e := record(h); e != nil && (h == root || h.Failed()) {
			v.Evidence = append(v.Evidence, e)
		}
	}
	return v
}

// words evaluates a rule's summary for its finding.
func (j *judgement) words(ctx context.Context, f *finding) (string, error) {
	activation, err := cel.NewActivation(map[string]any{"hop": f.hop, "request": f.hop.from.request, "near": f.hop.from.near, "component": f.component})
	if err != nil {
		return "", err
	}
	v, err := f.rule.summary.eval(ctx, activation)
	if err != nil {
		return "", fmt.Errorf("rule %s: %w", f.rule.Name, err)
	}
	return text(v), nil
}

// evidenceShown bounds the events that a verdict cites.
const evidenceShown = 12

// evidence gives the events that prove a verdict: what the rule cites, the origin's
// own records, then what each caller logged of it up to the root.
func (j *judgement) evidence(best *finding, component string) []*timeline.Joined {
	var out []*timeline.Joined
	if best != nil {
		out = append(out, best.evidence...)
	}
	origin := j.trail.Origin
	if d := origin.DiedOf(); d != nil {
		out = append(out, d)
	}
	for i := len(j.trail.Path) - 1; i >= 0; i-- {
		h := j.trail.Path[i]
		if e := record(h); e != nil {
			out = append(out, e)
		}
		if h.Caller != nil && h.Caller.Record != nil {
			out = append(out, h.Caller.Record)
		}
	}
	if c := origin.FailedBy; c != nil {
		if c.Record != nil {
			out = append(out, c.Record)
		}
		if c.Callee != nil {
			if e := record(c.Callee); e != nil {
				out = append(out, e)
			}
		}
	}
	for _, h := range j.request.Hops {
		if component != "" && name(h) == component {
			out = append(out, telling(h)...)
		}
	}
	out = unique(out)
	slices.SortStableFunc(out, func(a, b *timeline.Joined) int { return max(a.Candidates, 1) - max(b.Candidates, 1) })
	return out[:min(len(out), evidenceShown)]
}

// telling gives what the component itself says of the exchange: its record of it, and what
// it logged as failed.
func telling(h *timeline.Hop) []*timeline.Joined {
	var out []*timeline.Joined
	for _, e := range h.Events {
		if e.Kind == timeline.ServerSpan || e.Event.Failed {
			out = append(out, e)
		}
	}
	return out
}

// record is the event by which a hop tells its own exchange, else a message with its status.
func record(h *timeline.Hop) *timeline.Joined {
	var message *timeline.Joined
	for _, e := range h.Events {
		switch {
		case e.Kind == timeline.ServerSpan:
			return e
		case e.Kind == timeline.LogRecord && e.StatusCode != 0:
			message = e
		}
	}
	return message
}

func unique(events []*timeline.Joined) []*timeline.Joined {
	seen := map[*timeline.Joined]bool{}
	var out []*timeline.Joined
	for _, e := range events {
		if !seen[e] {
			seen[e] = true
			out = append(out, e)
		}
	}
	return out
}

// effect says whether the work that failed took effect.
func (j *judgement) effect() string {
	origin := j.trail.Origin
	c := origin.FailedBy
	if c == nil {
		if len(origin.Calls) == 0 && (origin.Ended == timeline.Denied || origin.Status().Refused()) {
			return "not_started"
		}
		return "unknown"
	}
	other := false // something else was done before
	for _, k := range origin.Calls {
		other = other || k != c && !k.Failed() && k.Method != "" && k.Method != "GET" && k.Method != "HEAD"
	}
	switch {
	case succeeded(c.Sent):
		return "completed"
	case other:
		return "unknown"
	}
	switch c.Ended {
	case timeline.Refused, timeline.ConnectGaveUp, timeline.NotSent:
		return "not_started"
	}
	if c.Received.Refused() && !c.OwnMade {
		return "not_started"
	}
	return "unknown"
}

// succeeded says whether a status is a success: 499 is none, though it is no failure of the server's.
func succeeded(s timeline.Status) bool { return s.Known() && asHTTP(s) < 400 }

// missing tells what the sources do not hold of the way of the failure.
func (j *judgement) missing(v *Verdict) []Missing {
	var out []Missing
	told := map[string]bool{}
	add := func(what, why string) {
		if !told[what] {
			told[what] = true
			out = append(out, Missing{what, why})
		}
	}
	for _, h := range j.trail.Path {
		if h.Silent {
			add("the log of "+name(h), "it may have passed on a failure that came from further below")
		}
	}
	if o := v.Origin; o != nil && o.FailedBy != nil {
		if callee := o.FailedBy.Callee; callee != nil && callee.Silent && o.FailedBy.Ended != timeline.NotSent {
			add("the log of "+name(callee), "it would tell why "+calleeFailed(o.FailedBy))
		}
	}
	if !j.request.Tied {
		for _, h := range j.trail.Path {
			if h.Host != "" && !h.Silent && (!h.Start.Known() || h.Start.Slack() > untiedSlack) {
				add("a tie of the clock of "+h.Host+" to the other hosts", "what "+name(h)+" did cannot be ordered with what the others did")
			}
		}
	}
	for _, d := range j.trail.Doubts {
		if !strings.HasPrefix(d, "no log of ") {
			add("certainty about the way of the failure", d)
		}
	}
	if j.request.Truncated {
		add("part of this request", "a limit was hit while its records were gathered")
	}
	return out
}

// untiedSlack is from when on the clock of a host says nothing of use about a request.
const untiedSlack = 500_000_000 // 500 ms

func calleeFailed(c *timeline.Call) string {
	switch c.Ended {
	case timeline.GaveUp:
		return "it did not answer in time"
	case timeline.Refused, timeline.ConnectGaveUp:
		return "it could not be reached"
	case timeline.Reset, timeline.Truncated:
		return "the connection broke"
	}
	return "the call failed"
}

func (j *judgement) nextChecks(best *finding, v *Verdict) []string {
	var checks []string
	if best != nil {
		checks = append(checks, best.rule.next...)
	}
	if len(checks) == 0 {
		checks = checksFor[v.CauseClass]
	}
	component := v.Component
	if component == "" {
		component = name(v.Origin)
	}
	replace := strings.NewReplacer("{service}", name(v.Origin), "{host}", hostOf(v.Origin), "{component}", component, "{path}", pathOf(j.request))
	var out []string
	for _, c := range checks {
		out = append(out, replace.Replace(c))
	}
	if n := j.near.Same(v.Exception); n > 0 {
		what := "other requests failed"
		if n == 1 {
			what = "other request failed"
		}
		out = append(out, fmt.Sprintf("the same error: %d %s with it", n, what))
	}
	return out
}

func pathOf(r *timeline.Request) string {
	switch {
	case r.Route != "":
		return r.Route
	case r.Path != "":
		return r.Path
	}
	return "this request"
}

// exception finds the error in code behind a verdict: of the deepest hop of the
// failure's way that shows one, at the origin or at its component.
func (j *judgement) exception(v *Verdict) *timeline.Exception {
	origin := j.views.hops[v.Origin]
	if c := v.Origin.FailedBy; c != nil && c.Callee != nil && v.Component != "" {
		for _, h := range j.views.request.Hops {
			if h.Service == v.Component && inside(h.hop, c.Callee) {
				if e := h.ownException(); e != nil {
					return e.joined.Exception
				}
			}
		}
	}
	if e := origin.ownException(); e != nil {
		return e.joined.Exception
	}
	return nil
}

// inside says whether h is top or below it.
func inside(h, top *timeline.Hop) bool {
	for range 1000 {
		if h == top {
			return true
		}
		if h.Caller == nil || h.Caller.Caller == nil {
			return false
		}
		h = h.Caller.Caller
	}
	return false
}
