// Package rules judges requests. Rules and signals are YAML files; see README.md.
package rules

import (
	"context"
	"errors"
	"io/fs"

	"github.com/correlatehq/correlate/timeline"
)

// A Set is a set of rules with the signals that they may ask for. It is safe for concurrent use.
type Set struct{}

// Builtin gives the rules that come with the program.
func Builtin() *Set { return nil }

// Load reads all rules of fsys. The error joins all complaints about all files, each with file:line:col.
func Load(fsys fs.FS) (*Set, error) { return nil, errors.ErrUnsupported }

// With gives a set that also holds the rules of t.
func (s *Set) With(t *Set) (*Set, error) { return nil, errors.ErrUnsupported }

// A Failure is a case of a rule that did not come out as the rule says.
type Failure struct{ Rule, Case, Pos, What string }

// Test runs every case of every rule against the whole set.
func (s *Set) Test() []Failure { return nil }

// Judge says which hop turned r into a failure and why. A request that did not fail
// gets a verdict without origin and with certainty Proven.
func (s *Set) Judge(ctx context.Context, r *timeline.Request, near *timeline.Surroundings) (*Verdict, error) {
	return nil, errors.ErrUnsupported
}
