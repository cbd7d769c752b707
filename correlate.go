// Package correlate finds the hop that created a failed response.
//
// It joins the stages of one straight way: sources give events
// ([timeline.Source]), [timeline.Collect] makes requests with hops and clocks of
// them, the rules judge ([rules.Set]), and what comes out is a [Case] for one
// request or a [Digest] for a population. Reports and evidence are made from these
// values alone; neither knows where its events came from.
package correlate

import (
	"time"

	"github.com/correlatehq/correlate/rules"
	"github.com/correlatehq/correlate/timeline"
)

// Schema is the name of the JSON contract; it changes only when a name in it does.
const Schema = "correlate/v1"

// A Case is one finished investigation. It is not changed after it is made.
type Case struct {
	// RequestID is the ID as typed, else the request's own.
	RequestID string
	Request   *timeline.Request
	Near      *timeline.Surroundings
	Verdict   *rules.Verdict
	// Clocks are as they were when the request began: those of its hosts first, then the
	// others, by name.
	Clocks     []timeline.HostClock
	ClocksWeak bool // the clocks do not fit together well: see [timeline.ClockModel.Trusted]
	// Other holds the IDs of further requests under the same key (a client's own retries).
	Other []string
	// Skipped is what was not read, by source and reason; Failed names the sources that ended with an error.
	Skipped []timeline.Skipped
	Sources []SourceInfo
	Partial bool // a source failed or a limit was hit: something may be missing
}

// SourceInfo tells what one source held and how reading it ended.
type SourceInfo struct {
	Name string
	timeline.Info
	Err string // "" if it was read whole
}

// A Digest is the same for a population of failures.
type Digest struct {
	Cases   []*Case  // by start, then ID
	Groups  []*Group // most failures first
	Skipped []timeline.Skipped
	Sources []SourceInfo
	// Sampled is the number of requests without failure that were read whole for comparison; Succeeded is how many there were, if Told says that it is known.
	// Requests of which no record has an ID are not among them.
	Sampled   int
	Succeeded timeline.Estimate
	Told      bool
	// Findings are what sets all failing requests apart from these.
	Findings []rules.Finding
	Partial  bool
}

// A Group is the failures of a digest that have origin, component and cause class in
// common, and the error where the class says little by itself.
type Group struct {
	Origin, Component, CauseClass string

	Error  string       // that they have in common, in the words of most of them; "" if none was logged or the class says it
	Rule   string       // that judged most of them
	Route  string       // if all are on one route, else ""
	Routes []RouteCount // most failures first

	// Findings are what sets them apart from the requests that succeeded, the least likely by chance first.
	Findings    []rules.Finding
	Cases       []*Case // by start, then ID
	Share       float64 // of all failures of the digest
	First, Last time.Time
}

// A RouteCount is how many failures of a group were on a route.
type RouteCount struct {
	Route string
	Count int
}
