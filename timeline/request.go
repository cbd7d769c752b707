package timeline

import (
	"fmt"
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

	// Client is the status that the client saw; zero if not known, as when the
	// outermost logged hop usually has a caller (CallerUsual).
	Client      Status
	CallerUsual bool
	// Failed says that the outermost hop failed the request in the sense asked for.
	Failed bool
	// Truncated says that a limit was hit and that something may be missing.
	Truncated bool
	// Tied says that all hops' clocks are tied to each other, so that orders between hosts can be told.
	Tied bool
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
	Reason string // "both on one record"
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
	Reason     string // of an inferred join, in words: "same client, request line and upstream within 1 s"
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
	Silent  bool
	Events  []*Joined
	Process *Process // the life in which it was handled, if known
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

// Purpose says what a call is for.
type Purpose uint8

const (
	Main Purpose = iota
	Retry
	Hedge
	AuthSubrequest
	ErrorPage
	Mirror
	Background
)

func (p Purpose) String() string {
	return [...]string{"main", "retry", "hedge", "auth", "error_page", "mirror", "background"}[p]
}

// A Call is one exchange between two hops, as the caller and as the callee saw it.
type Call struct {
	ID       int
	Caller   *Hop
	Callee   *Hop   // nil only while hops are built: a callee that nobody logged is a Silent hop
	Peer     string // address or name as the caller logged it
	Purpose  Purpose
	Attempt  int // 1-based among attempts of the same purpose, method and target
	Method   string
	Target   string
	Received Status  // at the caller's end; zero if nothing came or nothing was logged
	OwnMade  bool    // Received was made by the caller for want of an answer
	Sent     Status  // at the callee's end
	Ended    Outcome // as the caller knows it, else as both ends show
	Error    string  // the caller's words
	// Used says that the caller's own answer rests on this call's.
	Used bool
	// Start and End are the caller's window; zero if the caller logged none.
	Start, End Instant
	// ConnectTime and HeaderTime are as in Outcall.
	Connect, Header time.Duration
	Record          *Joined // the caller's record of the call; nil if it has none
}

// Failed says whether the call failed in the eyes of its caller.
func (c *Call) Failed() bool {
	switch c.Ended {
	case Truncated, Reset, Refused, GaveUp, ConnectGaveUp, Unusable, NotSent:
		return true
	}
	return c.Received.Failed() || !c.Received.Known() && c.Sent.Failed()
}

// A Process is one life of a service on a host.
type Process struct {
	Host, Service string
	PID           string
	Start, Ready  Instant
	Stopping      Instant // when it was asked to stop
	End           Instant
	HowEnded      Lifecycle // Stopped, Crashed, Killed, OOMKilled; NoLifecycle if it lives or nobody knows
	Events        []*Event  // that tell of it, by position
	InFlight      []string  // IDs of failed requests that it held when it ended, sorted
}

// An Endpoint is an address, backend name or route, and the service that answers
// there, as learnt from the requests that succeeded.
type Endpoint struct {
	Peer          string // as callers log it
	Service, Host string
	Seen          int // calls on which this rests
	Rivals        int // calls in which another service would have fitted better
}

// An EndpointBook tells which address is which service, and who usually calls whom.
type EndpointBook struct {
	Endpoints []Endpoint     // by Peer
	Edges     []Edge         // by caller, then callee
	Outermost map[string]int // service -> requests in which it was the outermost hop that logged
	Requests  int            // requests on which the book rests
}

// An Edge is one service calling another, counted over the requests read.
type Edge struct {
	Caller, Callee string // service.name
	Calls, Failed  int
}

// Surroundings are the bounded facts around one request that rules may ask for.
type Surroundings struct {
	Processes []*Process // lives that touch the request's time, by host, service, start
	Book      *EndpointBook
	// SameStack counts, for each exception of the request by its type and frame, the other
	// requests in which it was logged; see Same.
	SameStack map[string]int
	// FailedBefore counts the failures that each service logged in the minute before the request.
	FailedBefore map[string]int
}

// Same says in how many other requests an exception of the same type and frame was logged.
func (s *Surroundings) Same(x *Exception) int {
	if s == nil || x == nil {
		return 0
	}
	return s.SameStack[x.stack()]
}

// stack names the place of an exception: type and frame.
func (x *Exception) stack() string {
	if x == nil {
		return ""
	}
	return fmt.Sprintf("%s %s %s:%d", x.Type, x.Function, x.File, x.Line)
}
