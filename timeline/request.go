package timeline

import (
	"strings"
	"time"
)

// A Request is one root exchange: what one client sent once, with everything that
// is known to have happened for it.
type Request struct {
	ID      string // the request-ID value that the outermost hop logged, else the trace ID
	TraceID string
	Keys    []Key    // all its identity keys, the ID's first
	Aliases []Alias  // why two of its keys are the same request
	Hops    []*Hop   // callers before their callees, siblings by start; Hops[i].ID == i+1
	Calls   []*Call  // by caller, then by start
	Events  []Joined // by aligned start, then position; Events[i].ID == i+1
	Method  string   // of the outermost hop that tells
	Path    string
	Route   string
	Start   Instant       // of the root hop
	Length  time.Duration // of the root hop; -1 if not known

	// Contradictions are the orders that must hold and that its records deny.
	Contradictions []Contradiction

	// Client is the status that the client saw; zero if not known, as when the
	// outermost logged hop usually has a caller (CallerUsual).
	Client      Status
	CallerUsual bool
	// Failed says that the outermost hop failed the request in the sense asked for.
	Failed bool
	// Truncated says that something may be missing: a limit was hit, the reading was stopped, or a source
	// broke off or gave only part.
	Truncated bool
	// Tied says that all hops' clocks are tied to each other, so that orders between hosts can be told.
	Tied bool
}

// PathShape gives a path without its query and with the parts that look like identifiers left out: "/orders/{}" of "/orders/17?all=1".
func PathShape(path string) string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.ContainsAny(p, "0123456789") && !apiVersion(p) {
			parts[i] = "{}"
		}
	}
	return strings.Join(parts, "/")
}

// apiVersion says whether a part of a path is one: "v1".
func apiVersion(p string) bool {
	return len(p) >= 2 && len(p) <= 3 && p[0] == 'v' && strings.Trim(p[1:], "0123456789") == ""
}

// Root is the outermost hop.
func (r *Request) Root() *Hop {
	if len(r.Hops) == 0 {
		return nil
	}
	return r.Hops[0]
}

// An Alias is the reason why two identity keys are the same request.
type Alias struct {
	A, B   Key
	Reason string // "both on one record", or how it was inferred
	Pos    Pos    // of the record that shows it
}

// Join says why an event belongs to its request.
type Join uint8

const (
	ByKey      Join = iota // it carries a key by which the request was asked for
	ByAlias                // it carries another identity key of the request
	ByInferred             // it carries no ID: context, time and text fit
)

func (j Join) String() string { return [...]string{"key", "alias", "inferred"}[j] }

// A Joined is an event in its request.
type Joined struct {
	*Event
	ID         int
	Hop        *Hop // whose record it is; nil if no hop could be told
	Start, End Instant
	Join       Join
	Candidates int    // how many requests an inferred event could belong to, this one included; else 1
	Told       bool   // of several candidates this request is the one that something tells apart, not for certain
	Apart      string // of a death, what tells this request from the others that were in flight; "" if nothing does
	Part       bool   // it bears a part of the ID of the request, and of no other one: no context or time alone
	Reason     string // of an inferred join, in words: "same client, request line and upstream within 1 s"

	skipped bool // between the exchange and its caller's stands a service that has no record of it
	caller  *Pos // of its caller's record of the same exchange, where another ID or none is on it; else nil
}

// Held says whether the event is held to be of its request: it fits no other, or something tells this one apart.
func (e *Joined) Held() bool { return e.Candidates <= 1 || e.Told }

// guessed says whether no ID speaks for it that the event is of its request.
func (e *Joined) guessed() bool { return e.Join == ByInferred && !e.Part }

// tiedExchange says whether e is of an exchange that likeness ties to the request, and to no other one.
func (e *Joined) tiedExchange() bool {
	return e.Held() && (e.Kind == ServerSpan || hasIdentity(e.Event))
}

// A Hop is one service's handling of one request.
type Hop struct {
	ID       int
	Service  string
	Host     string
	System   string // the software, if known
	Role     Role
	Depth    int     // 0 for the root
	Caller   *Call   // nil for the root
	Calls    []*Call // by start
	Attempt  int     // 1-based, of its caller's call; 0 for the root
	Start    Instant // zero if not known
	End      Instant
	Sent     Status // what it answered; zero if not seen
	Received Status // the status of the answer that it used, from below; zero if it called nobody or got none
	Ended    Outcome
	Lineage  Lineage
	// FailedBy is the call on which this hop's failure rests; nil if it did not fail
	// or made the failure itself without any call.
	FailedBy *Call
	// HandledByCaller says that this hop failed and its caller coped with it.
	HandledByCaller bool
	// Silent says that nobody logged this hop: it is known from its caller's records alone.
	Silent bool
	// RoleGuessed says that Role is only what silence suggests: a service that an app calls and
	// that never logs may as well be ours.
	RoleGuessed bool
	Events      []*Joined
	Process     *Process // the life in which it was handled, if known
}

// Inferred says to how many requests the exchange could belong that the hop logged, if no record of it bears a whole ID of
// the request; 0 if one does, or if it logged none.
func (h *Hop) Inferred() int {
	k := 0
	for _, e := range h.Events {
		if e.Join != ByInferred {
			return 0
		}
		if e.Kind == ServerSpan || e.Part {
			k = max(k, e.Candidates)
		}
	}
	return k
}

// Status is what the hop is known to have answered: what it logged, else what its
// caller received.
func (h *Hop) Status() Status {
	if h.Sent.Known() || h.Caller == nil {
		return h.Sent
	}
	if h.Caller.OwnMade {
		return Status{}
	}
	return h.Caller.Received
}

// Failed says whether the hop answered with a failure, died, or gave no whole answer.
func (h *Hop) Failed() bool {
	return h.Status().Failed() || h.Lineage == Died || h.Ended == Truncated || h.Ended == Reset
}

// Lineage is the one word for a hop's own act.
type Lineage uint8

const (
	LineageUnknown Lineage = iota
	Answered               // answered without a failure
	Created                // failed, of nothing that failed below
	Relayed                // passed on the failure that it received
	Translated             // made one failure or refusal of another: 504 in, 500 out
	Masked                 // failure in, success out
	Replayed               // failed or answered without calling: open circuit, server marked down, cached error
	Died                   // its process or its connection ended before it answered
	Aborted                // its caller left
)

var lineageNames = [...]string{"", "answered", "created", "relayed", "translated", "masked", "replayed", "died", "aborted"}

func (l Lineage) String() string { return lineageNames[l] }
