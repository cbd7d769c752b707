package correlate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/correlatehq/correlate/rules"
	"github.com/correlatehq/correlate/timeline"
)

// Options say what to look at and by what to judge it.
type Options struct {
	From, To time.Time              // zero: no bound
	Status   []timeline.StatusRange // what counts as a failure; empty: 5xx and broken answers
	Route    string                 // only requests whose route or path is this; "" for all
	Limits   timeline.Limits        // zero fields take their defaults
	Rules    *rules.Set
	// Offsets are what the user says of clocks: host -> how far its stamps are ahead.
	Offsets map[string]time.Duration
	// Roles are what the user says of services: service.name -> role.
	Roles map[string]timeline.Role
}

// A NotFoundError says that an ID is in none of the sources.
type NotFoundError struct {
	ID      string // "" if no ID was given: no request failed in the sense asked for
	Sources []SourceInfo
}

func (e *NotFoundError) Error() string {
	if e.ID == "" {
		return "no failing request was found"
	}
	return fmt.Sprintf("no record carries the ID %q", e.ID)
}

// Investigate finds everything about the request with this ID and judges it. Without
// an ID it takes the latest failing request that the options let through. The error
// is a *NotFoundError if there is none.
func Investigate(ctx context.Context, srcs []timeline.Named, id string, o Options) (*Case, error) {
	return nil, errors.ErrUnsupported
}

// Batch finds all failing requests and judges each of them.
func Batch(ctx context.Context, srcs []timeline.Named, o Options) (*Digest, error) {
	return nil, errors.ErrUnsupported
}

// A ClockReport is what can be told of the clocks of all hosts.
type ClockReport struct {
	Hosts   []timeline.HostClock // by name, the reference first
	Sources []SourceInfo
	Skipped []timeline.Skipped
}

// Clocks learns the clocks of all hosts from a sample of the requests.
func Clocks(ctx context.Context, srcs []timeline.Named, o Options) (*ClockReport, error) {
	return nil, errors.ErrUnsupported
}
