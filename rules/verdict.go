package rules

import (
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// Certainty says in one word how far a verdict can be relied on.
type Certainty string

const (
	Proven       Certainty = "proven"       // the origin's own record states it and nothing contradicts
	Likely       Certainty = "likely"       // the evidence points to it alone
	Possible     Certainty = "possible"     // it fits, and so may something else
	Undetermined Certainty = "undetermined" // no hop can be named
)

// A Verdict says which hop turned the request into a failure, why, and what shows it.
type Verdict struct {
	Origin     *timeline.Hop // nil if undetermined
	Component  string        // the guilty neighbour or party; "" if the origin itself is at fault
	CauseClass string        // one of CauseClasses; "" if undetermined
	Rule       string        // name of the rule that said so
	Certainty  Certainty
	Steps      []Step  // how Confidence came about
	Weight     float64 // of the grounds, in [0, 1], by the scheme; 0 if nothing was to be weighed
	Confidence float64 // in [0, 1]: so many of the verdicts of its grade are right, by README.md
	Summary    string  // what happened, in the order it happened, in at most three sentences: the words of Claims
	Claims     []Claim
	Evidence   []*timeline.Joined // what Claims cite, then what else shows it
	// Effect says whether the failed work took effect: "completed", "not_started" or
	// "unknown"; EffectBy is the fact that shows it, "" if none does.
	Effect, EffectBy string
	// Retries are the writes that were sent again after an attempt that may have taken effect.
	Retries []Retry
	// Slowest is the hop that held the request the longest by itself; nil unless the
	// failure is a timeout and times are known.
	Slowest    *Slowest
	Rivals     []Rival           // other hops that could be blamed, each with the fact that excludes it
	Behind     []timeline.Behind // earlier events that explain the failure
	Missing    []Missing
	NextChecks []string
	// Exception is the error in code behind the verdict and the event that shows it; nil if none is known.
	Exception *timeline.Exception
	// ErrorText is what was logged of the error, in a line: Exception in words, else what the origin says of its failure; "" if that is nothing.
	ErrorText string
}

// A Claim is a part of a verdict's summary, with what ends it ("," or "."), and the
// records that show it; none if it tells of what is absent.
type Claim struct {
	Words    string
	Evidence []*timeline.Joined
}

// A Retry is a call that changes something and was made more than once although an
// earlier attempt reached the other side.
type Retry struct {
	Caller         *timeline.Hop
	Party          string // who was called
	Method, Target string
	Attempts       int
	Record         *timeline.Joined // the caller's of the last attempt; nil if it has none
}

// Slowest is the hop that held a request the longest by itself: how long it took in
// all, and how long without waiting for those that it called.
type Slowest struct {
	Hop        *timeline.Hop
	Total, Own time.Duration
	AtLeast    bool // its own end is not known: it is what its caller saw of it
}

// A Rival is a hop that shows a failure and is not the origin.
type Rival struct {
	Hop        *timeline.Hop
	CauseClass string
	ExcludedBy string           // the fact, in words
	Event      *timeline.Joined // that shows the fact; nil if it is an absence
}

// Missing is something that the sources do not hold.
type Missing struct{ What, WhyItMatters string }

// CauseClasses are the classes of DESIGN, fixed, in the order of the documentation.
var CauseClasses = []string{
	"unhandled_exception", "bad_input", "body_too_large", "upstream_timeout", "upstream_connect_failure", "deploy_restart",
	"upstream_reset", "bad_upstream_response", "gateway_mapping", "auth_to_backend", "rate_limited", "circuit_open",
	"no_healthy_upstream", "overload", "resource_exhaustion", "dependency_error", "dns", "tls", "bad_config_or_secret",
	"client_abort", "other",
}
