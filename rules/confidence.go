package rules

import (
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

// kindWeight is how often a finding that rests on this kind alone is right.
var kindWeight = map[string]float64{
	"stated": 0.95, "both_ends": 0.88, "one_end": 0.8, "timing": 0.7, "population": 0.6, "absence": 0.5,
}

// Bounds and discounts of confidence. A verdict is never held for sure: logs can lie.
const (
	mostConfident     = 0.98
	furtherKind       = 0.7  // what each further kind of evidence leaves of the doubt
	perDoubt          = 0.7  // what each structural doubt leaves of the confidence
	tiedCauses        = 0.6  // what a tie between causes at one hop leaves of it
	ambiguousAtMost   = 0.75 // all signals may mean another cause too
	lesserAtMost      = 0.5  // they mean another cause before this one
	inferredAtMost    = 0.9  // it rests on a record without ID for which this is the only request
	toldAtMost        = 0.75 // the same, of several requests it is the one that something tells apart
	callerUsualAtMost = 0.5  // the client's status is not known
	partialAtMost     = 0.5  // records of the request were not read
	likelyFrom        = 0.7
	fallbackAtMost    = 0.6
	provenFrom        = 0.9
)

// grounds are all that certainty and confidence are derived from.
type grounds struct {
	kinds       []string // kinds of evidence, each once
	agreed      bool     // the origin's caller recorded the same failure
	doubts      int      // of the structure: missing hops, clocks that cannot decide, records that contradict
	tied        bool     // another cause at the same hop is as well shown
	ambiguous   bool     // every signal on which it rests may mean another cause too
	lesser      bool     // they mean another cause before this one
	inferred    bool     // without records joined by inference it would not have been found
	candidates  int      // requests to which those records could belong; 0 or 1: only this one
	told        bool     // something tells this request from the others to which they could belong
	deathOf     int      // requests that a death may be of, which would make the dead hop the origin; 0 if there is none
	fallback    bool     // no rule knew better
	callerUsual bool     // the outermost logged hop usually has a caller
	partial     bool     // not all records of the request were read
}

// assess turns grounds into certainty and confidence. It is the only place that does.
func assess(g grounds) (Certainty, float64) {
	p := 0.0
	for _, k := range g.kinds {
		p = math.Max(p, kindWeight[k])
	}
	further := len(g.kinds) - 1
	if g.agreed && !slices.Contains(g.kinds, "both_ends") {
		further++
	}
	for range further {
		p = 1 - (1-p)*furtherKind
	}
	p = math.Min(p, mostConfident)
	if g.tied {
		p *= tiedCauses
	}
	if g.ambiguous {
		p = math.Min(p, ambiguousAtMost)
	}
	if g.lesser {
		p = math.Min(p, lesserAtMost)
	}
	if g.inferred {
		p = math.Min(p, inferredAtMost)
		if g.told {
			p = math.Min(p, toldAtMost)
		} else if g.candidates > 1 {
			p = math.Min(p, 1/float64(g.candidates))
		}
	}
	if g.deathOf > 1 {
		p = math.Min(p, 1-1/float64(g.deathOf))
	}
	if g.fallback {
		p = math.Min(p, fallbackAtMost)
	}
	for range g.doubts {
		p *= perDoubt
	}
	if g.partial {
		p = math.Min(p, partialAtMost)
	}
	if g.callerUsual {
		p = math.Min(p, callerUsualAtMost)
	}
	p = math.Round(p*100) / 100
	switch {
	case p >= provenFrom && slices.Contains(g.kinds, "stated") && g.doubts == 0 && !g.tied && !g.ambiguous && !g.inferred && g.deathOf == 0:
		return Proven, p
	case p >= likelyFrom:
		return Likely, p
	}
	return Possible, p
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
