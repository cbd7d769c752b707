package rules

import (
	"fmt"
	"math"
	"slices"
)

// evidenceKinds are the kinds of evidence on which a finding can rest, the strongest first.
var evidenceKinds = []string{
	"stated",     // the origin's own record says it
	"both_ends",  // the two ends of a call agree, or their difference shows it
	"one_end",    // one end of a call shows it
	"timing",     // the order or the coincidence of moments
	"population", // a comparison with other requests
	"absence",    // nothing else was found
}

// A factor is one number of the scheme by which confidence follows from the evidence.
type factor struct {
	name  string
	acts  string // weight, at most, times, leaves (of the doubt), counts, from
	value float64
	doc   string
}

// scheme holds every number of the scheme; nothing else does. A calibration changes
// these alone. A verdict is never held for sure: logs can lie.
var scheme = []factor{
	{"stated", "weight", 0.95, "the origin's own record says it"},
	{"both_ends", "weight", 0.88, "the two ends of a call agree, or their difference shows it"},
	{"one_end", "weight", 0.8, "one end of a call shows it"},
	{"timing", "weight", 0.7, "the order or the coincidence of moments shows it"},
	{"population", "weight", 0.6, "a comparison with other requests shows it"},
	{"absence", "weight", 0.5, "nothing else was found"},
	{"further_kind", "leaves", 0.7, "of the doubt, for each further kind of evidence"},
	{"agreed", "leaves", 0.7, "of the doubt, if the origin's caller recorded the same failure"},
	{"most", "at most", 0.98, "whatever the evidence"},
	{"tied", "times", 0.6, "another cause at the same hop is shown as well"},
	{"ambiguous", "at most", 0.75, "each signal on which it rests may mean another cause too"},
	{"lesser", "at most", 0.5, "its signals mean another cause before this one"},
	{"unnamed", "at most", 0.85, "it rests on an error in code of which no signal knows the type or the words: any failure may take that form"},
	{"of_call", "at most", 0.6, "the same, and its words name somebody whom the hop calls"},
	{"one_sided", "at most", 0.85, "it rests on a call that broke, failed to connect or ran out of time, and the other side left no record"},
	{"inferred", "at most", 0.9, "it needs a record without ID for which this is the only request; for one of k requests at most 1/k"},
	{"told", "at most", 0.75, "the same, if something tells this request from the others that it fits"},
	{"death_of", "counts", 4, "requests where a process crashed and nobody can count those in flight; times 1-1/k for a death that would make the dead hop the origin and may be of any of k requests"},
	{"fallback", "at most", 0.6, "no rule knew better"},
	{"doubt", "times", 0.7, "for each doubt about the way of the failure: a hop without log, clocks that cannot decide, records that contradict each other"},
	{"partial", "at most", 0.5, "records of the request were not read"},
	{"caller_usual", "at most", 0.5, "the outermost hop that logged usually has a caller, so that the client's status is not known"},
	{"proven", "from", 0.9, "and stated, and nothing of the below \"most\""},
	{"likely", "from", 0.7, "otherwise"},
}

// number gives one number of the scheme.
func number(name string) float64 {
	for i := range scheme {
		if scheme[i].name == name {
			return scheme[i].value
		}
	}
	panic("no factor " + name) // a name in this file is misspelt
}

// A Step is one step by which the confidence of a verdict came about.
type Step struct {
	Factor     string  // its name in the scheme
	Why        string  // in words
	Confidence float64 // after it
}

// grounds are all that certainty and confidence are derived from.
type grounds struct {
	kinds       []string // kinds of evidence, each once
	agreed      bool     // the origin's caller recorded the same failure
	doubts      []string // of the structure: missing hops, clocks that cannot decide, records that contradict
	tied        bool     // another cause at the same hop is as well shown
	ambiguous   bool     // every signal on which it rests may mean another cause too
	lesser      bool     // they mean another cause before this one
	unnamed     bool     // it rests on an error in code that no signal knows by type or words
	ofCall      bool     // the words of that error name somebody whom the hop calls
	oneSided    bool     // it rests on a call of which the other side left no record
	inferred    bool     // without records joined by inference it would not have been found
	told        bool     // something tells this request from the others to which they could belong
	candidates  int      // requests to which those records could belong; 0 or 1: only this one
	deathOf     int      // requests that a death may be of, which would make the dead hop the origin; 0 if there is none
	fallback    bool     // no rule knew better
	callerUsual bool     // the outermost logged hop usually has a caller
	partial     bool     // not all records of the request were read
}

// A derivation follows the scheme step by step.
type derivation struct {
	p     float64
	steps []Step
}

// step notes what a factor made of the confidence; one that changed nothing is left out.
func (d *derivation) step(name string, p float64, format string, args ...any) {
	if p != d.p {
		d.p = p
		d.steps = append(d.steps, Step{name, fmt.Sprintf(format, args...), math.Round(p*1000) / 1000})
	}
}

func (d *derivation) atMost(name string, bound float64, format string, args ...any) {
	d.step(name, math.Min(d.p, bound), format, args...)
}

func (d *derivation) times(name, format string, args ...any) {
	d.step(name, d.p*number(name), format, args...)
}

func (d *derivation) leaves(name, format string, args ...any) {
	d.step(name, 1-(1-d.p)*number(name), format, args...)
}

// assess turns grounds into certainty and confidence, and tells how. It is the only
// place that does.
func assess(g grounds) (Certainty, float64, []Step) {
	d := &derivation{}
	kinds := slices.Clone(g.kinds)
	slices.SortStableFunc(kinds, func(a, b string) int { return slices.Index(evidenceKinds, a) - slices.Index(evidenceKinds, b) })
	for i, k := range kinds {
		if i == 0 {
			d.step(k, number(k), "%s", docOf(k))
			continue
		}
		d.leaves("further_kind", "and %s", docOf(k))
	}
	if g.agreed && !slices.Contains(kinds, "both_ends") {
		d.leaves("agreed", "the origin's caller recorded the same failure")
	}
	d.atMost("most", number("most"), "no verdict is held for sure")
	if g.tied {
		d.times("tied", "another cause at the same hop is shown as well")
	}
	if g.ambiguous {
		d.atMost("ambiguous", number("ambiguous"), "each signal on which it rests may mean another cause too")
	}
	if g.unnamed {
		d.atMost("unnamed", number("unnamed"), "no signal knows the type or the words of the error")
	}
	if g.ofCall {
		d.atMost("of_call", number("of_call"), "the words of the error name somebody whom the hop calls")
	}
	if g.oneSided {
		d.atMost("one_sided", number("one_sided"), "the other side of the call left no record")
	}
	if g.lesser {
		d.atMost("lesser", number("lesser"), "its signals mean another cause before this one")
	}
	if g.inferred {
		d.atMost("inferred", number("inferred"), "it needs a record that carries no ID")
		switch {
		case g.told:
			d.atMost("told", number("told"), "that record fits several requests, of which something tells this one apart")
		case g.candidates > 1:
			d.atMost("inferred", 1/float64(g.candidates), "that record fits %d requests", g.candidates)
		}
	}
	if g.deathOf > 1 {
		d.step("death_of", d.p*(1-1/float64(g.deathOf)), "a death that may be of any of %d requests", g.deathOf)
	}
	if g.fallback {
		d.atMost("fallback", number("fallback"), "no rule knew better")
	}
	for _, doubt := range g.doubts {
		d.times("doubt", "%s", doubt)
	}
	if g.partial {
		d.atMost("partial", number("partial"), "records of the request were not read")
	}
	if g.callerUsual {
		d.atMost("caller_usual", number("caller_usual"), "the client's status is not known")
	}
	p := math.Round(d.p*100) / 100
	switch {
	case p >= number("proven") && slices.Contains(kinds, "stated") && len(g.doubts) == 0 && !g.tied && !g.ambiguous && !g.unnamed && !g.oneSided && !g.inferred && g.deathOf == 0:
		return Proven, p, d.steps
	case p >= number("likely"):
		return Likely, p, d.steps
	}
	return Possible, p, d.steps
}

// docOf says what a factor stands for.
func docOf(name string) string {
	for i := range scheme {
		if scheme[i].name == name {
			return scheme[i].doc
		}
	}
	return name
}

// strongest gives the place of the strongest kind in evidenceKinds: less is stronger.
func strongest(kinds []string) int {
	for i, k := range evidenceKinds {
		if slices.Contains(kinds, k) {
			return i
		}
	}
	return len(evidenceKinds)
}
