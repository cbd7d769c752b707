package rules

import (
	"fmt"
	"math"
	"slices"

	"github.com/correlatehq/correlate/timeline"
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

// A factor is one number of the scheme by which the weight of a verdict's grounds follows from the evidence.
type factor struct {
	name  string
	acts  string // weight, at most, times, leaves (of the doubt), counts, from
	value float64
	doc   string
}

// scheme holds every number by which grounds are weighed. What a weight is worth, grades say. A doubt that the clocks leave costs little, for the records
// of one process mostly tell what the clocks do not; one that says that somebody has not been heard costs much.
var scheme = []factor{
	{"stated", "weight", 0.95, "the origin's own record says it"},
	{"both_ends", "weight", 0.88, "the two ends of a call agree, or their difference shows it"},
	{"one_end", "weight", 0.8, "one end of a call shows it"},
	{"timing", "weight", 0.7, "the order or the coincidence of moments shows it"},
	{"population", "weight", 0.6, "a comparison with other requests shows it"},
	{"absence", "weight", 0.35, "nothing else was found"},
	{"further_kind", "leaves", 0.7, "of the doubt, for each further kind of evidence"},
	{"agreed", "leaves", 0.7, "of the doubt, if the origin's caller recorded the same failure"},
	{"most", "at most", 0.98, "whatever the evidence"},
	{"tied", "times", 0.5, "another cause at the same hop is shown as well"},
	{"ambiguous", "at most", 0.75, "each signal on which it rests may mean another cause too"},
	{"lesser", "at most", 0.5, "its signals mean another cause before this one"},
	{"unnamed", "at most", 0.85, "it rests on an error in code of which no signal knows the type or the words: any failure may take that form"},
	{"wordless", "at most", 0.5, "the same, and neither is there but the request of which it is, as where the last line of a trace was lost"},
	{"of_call", "at most", 0.5, "the same, and its words name somebody whom the hop calls"},
	{"one_sided", "at most", 0.85, "it rests on a call that broke, failed to connect or ran out of time, and the other side left no record"},
	{"inferred", "at most", 0.9, "it needs a record without ID for which this is the only request"},
	{"told", "at most", 0.75, "the same, if it fits more requests and something tells this one from the others"},
	{"one_of", "at most", 0.6, "the same, if nothing does: requests that may be taken for each other mostly failed of one cause"},
	{"death_of", "counts", 4, "requests where a process crashed and nobody can count those in flight; times 1-1/k for a death that would make the dead hop the origin and may be of any of k requests"},
	{"death_of_few", "at most", 0.85, "the same, of so few requests that one in them is more than the best grade leaves open"},
	{"fallback", "at most", 0.5, "no rule knew better"},
	{"untimed", "times", 0.9, "for each order of moments that the clocks leave open"},
	{"untold", "times", 0.9, "for each record that leaves open who made the status that it has"},
	{"unread", "times", 0.9, "no log of the origin was read"},
	{"unread_party", "times", 0.5, "no log of whom the origin asked was read, which may be a service that failed by itself or for another one"},
	{"contradicted", "times", 0.5, "for each pair of records that do not agree"},
	{"from_below", "times", 0.3, "the origin's own record has the failure from below, where nothing is known"},
	{"partial", "at most", 0.5, "records of the request were not read"},
	{"caller_usual", "at most", 0.5, "the outermost hop that logged usually has a caller, so that the client's status is not known"},
	{"proven", "from", 0.9, "and stated, and nothing of the below \"most\""},
	{"likely", "from", 0.7, "otherwise"},
}

// A grade is the verdicts whose grounds weigh so much, and how many of them are right.
type grade struct{ from, right float64 }

// grades turn a weight into a confidence: the share that was right of the captured incidents' verdicts of that grade (Zadrozny and Elkan, Obtaining calibrated
// probability estimates from decision trees and naive Bayesian classifiers, ICML 2001: binning), each kind of fault of a chain with the same weight. TestCalibration of fixtures takes
// the shares anew without a chain, and without a fifth of the kinds, and holds them against what was left out. Of the third grade 0.90 were right; what
// is given is less, for of logs that nothing was built on fewer are. Note: logistic regression on the
// factors, and isotonic regression on the weight, held worse on what was left out; they fit what single kinds show.
var grades = []grade{{0, 0.03}, {0.3, 0.44}, {0.6, 0.87}, {0.9, 0.98}}

// Grades gives the weights from which the grades of verdicts begin, the least first, and the confidence of each.
func Grades() (from, confidence []float64) {
	for _, g := range grades {
		from, confidence = append(from, g.from), append(confidence, g.right)
	}
	return from, confidence
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
	kinds      []string         // kinds of evidence, each once
	agreed     bool             // the origin's caller recorded the same failure
	doubts     []timeline.Doubt // of the structure: missing hops, clocks that cannot decide, records that contradict
	tied       bool             // another cause at the same hop is as well shown
	ambiguous  bool             // every signal on which it rests may mean another cause too
	lesser     bool             // they mean another cause before this one
	unnamed    bool             // it rests on an error in code that no signal knows by type or words
	wordless   bool             // the same, and of which neither is there
	ofCall     bool             // the words of that error name somebody whom the hop calls
	oneSided   bool             // it rests on a call of which the other side left no record
	inferred   bool             // without records joined by inference it would not have been found
	told       bool             // something tells this request from the others to which they could belong
	candidates int              // requests to which those records could belong; 0 or 1: only this one
	deathOf    int              // requests that a death may be of, which would make the dead hop the origin; 0 if there is none
	fallback   bool             // no rule knew better
	partial    bool             // not all records of the request were read
}

// A derivation follows the scheme step by step.
type derivation struct {
	p     float64
	steps []Step
}

// step notes what a factor made of the confidence; one that changed nothing is left out.
func (d *derivation) step(name string, p float64, why string) {
	if p != d.p {
		d.p = p
		d.steps = append(d.steps, Step{name, why, math.Round(p*1000) / 1000})
	}
}

func (d *derivation) atMost(name, why string) { d.step(name, math.Min(d.p, number(name)), why) }

func (d *derivation) times(name, why string) { d.step(name, d.p*number(name), why) }

func (d *derivation) leaves(name, why string) { d.step(name, 1-(1-d.p)*number(name), why) }

// An assessment is what grounds come to.
type assessment struct {
	certainty          Certainty
	weight, confidence float64
	steps              []Step // how the confidence came about
}

// assess weighs grounds, tells what that is worth, and how it came about. It is the only place that does.
func assess(g grounds) assessment {
	d := &derivation{steps: make([]Step, 0, 8)}
	kinds := slices.Clone(g.kinds)
	slices.SortStableFunc(kinds, func(a, b string) int { return slices.Index(evidenceKinds, a) - slices.Index(evidenceKinds, b) })
	for i, k := range kinds {
		if i == 0 {
			d.step(k, number(k), docOf(k))
			continue
		}
		d.leaves("further_kind", "and "+docOf(k))
	}
	if g.agreed && !slices.Contains(kinds, "both_ends") {
		d.leaves("agreed", "the origin's caller recorded the same failure")
	}
	d.atMost("most", "no verdict is held for sure")
	if g.tied {
		d.times("tied", "another cause at the same hop is shown as well")
	}
	if g.ambiguous {
		d.atMost("ambiguous", "each signal on which it rests may mean another cause too")
	}
	if g.unnamed {
		d.atMost("unnamed", "no signal knows the type or the words of the error")
	}
	if g.wordless {
		d.atMost("wordless", "its trace tells neither the type nor the words of the error")
	}
	if g.ofCall {
		d.atMost("of_call", "the words of the error name somebody whom the hop calls")
	}
	if g.oneSided {
		d.atMost("one_sided", "the other side of the call left no record")
	}
	if g.lesser {
		d.atMost("lesser", "its signals mean another cause before this one")
	}
	if g.inferred {
		d.atMost("inferred", "it needs a record that carries no ID")
		switch {
		case g.told:
			d.atMost("told", "that record fits several requests, of which something tells this one apart")
		case g.candidates > 1:
			d.atMost("one_of", fmt.Sprintf("that record fits %d requests", g.candidates))
		}
	}
	if g.deathOf > 1 {
		others := 1 - 1/float64(g.deathOf)
		d.step("death_of", d.p*others, fmt.Sprintf("a death that may be of any of %d requests", g.deathOf))
		if others < number("most") {
			d.atMost("death_of_few", "one of these made it die")
		}
	}
	if g.fallback {
		d.atMost("fallback", "no rule knew better")
	}
	for _, doubt := range g.doubts {
		if doubt.Kind != timeline.DoubtCallerUsual {
			d.times(string(doubt.Kind), doubt.Words)
		}
	}
	if g.partial {
		d.atMost("partial", "records of the request were not read")
	}
	if slices.ContainsFunc(g.doubts, func(d timeline.Doubt) bool { return d.Kind == timeline.DoubtCallerUsual }) {
		d.atMost("caller_usual", "the client's status is not known")
	}
	a := assessment{certainty: Possible, weight: math.Round(d.p*100) / 100}
	for _, x := range grades {
		if a.weight >= x.from {
			a.confidence = x.right
		}
	}
	switch {
	case a.weight >= number("proven") && slices.Contains(kinds, "stated") && len(g.doubts) == 0 && !g.tied && !g.ambiguous && !g.unnamed && !g.oneSided && !g.inferred && g.deathOf == 0:
		a.certainty = Proven
	case a.confidence >= number("likely"):
		a.certainty = Likely
	}
	d.step("grade", a.confidence, "so many verdicts whose grounds weigh like these are right")
	a.steps = d.steps
	return a
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
