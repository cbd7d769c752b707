package timeline

import (
	"fmt"
	"slices"
)

// A Trail is the way of a failure through the hops of a request, from the outermost
// hop down to the one that made it.
type Trail struct {
	Path    []*Hop // root first, Origin last; empty if the request did not fail
	Origin  *Hop   // the first process, on the way back to the client, that turned the request into a failure
	Certain bool   // nothing in Doubts
	Doubts  []Doubt
}

// A Doubt is something about the way of a failure that is not known, or does not agree.
type Doubt struct {
	Kind  DoubtKind
	Words string
}

// DoubtKind says of what make a doubt is: they weigh differently.
type DoubtKind string

const (
	DoubtUnread       DoubtKind = "unread"       // no log of the origin was read
	DoubtUnreadParty  DoubtKind = "unread_party" // no log of whom the origin asked was read, which may be a service and no dependency
	DoubtUntimed      DoubtKind = "untimed"      // the clocks do not tell what came first
	DoubtUntold       DoubtKind = "untold"       // a record leaves open who made the status that it has
	DoubtContradicted DoubtKind = "contradicted" // two records do not agree
	DoubtFromBelow    DoubtKind = "from_below"   // the origin's record has the failure from below
	DoubtCallerUsual  DoubtKind = "caller_usual" // who usually calls the outermost hop is missing
)

// TraceOrigin follows the failure of r from its root along the calls on which each
// hop's failure rests (Resolve has found them), and stops at the hop that had no
// failure from below to pass on:
//
//   - it got no usable answer, or a refusal, and made a failure of it;
//   - what answered it is not ours to trace (a dependency);
//   - it died of this request's own work;
//   - it failed and had called nobody, or only calls that went well.
func TraceOrigin(r *Request) Trail {
	var t Trail
	h := r.Root()
	if h == nil || !r.Failed && !hopFailed(h) {
		return t
	}
	t.Path = make([]*Hop, 0, 8)
	for !slices.Contains(t.Path, h) {
		t.Path = append(t.Path, h)
		next := t.below(h)
		if next == nil {
			break
		}
		h = next
	}
	t.Origin = t.Path[len(t.Path)-1]
	if t.Origin.Silent {
		t.doubt(DoubtUnread, "no log of %s was read: it may have passed on a failure of somebody else", t.Origin.Service)
	}
	t.unseen(t.Origin)
	if r.CallerUsual {
		t.doubt(DoubtCallerUsual, "%s usually has a caller in these logs, which is missing here: the status that the client saw is not known", r.Root().Service)
	}
	t.Certain = len(t.Doubts) == 0
	return t
}

func (t *Trail) doubt(kind DoubtKind, format string, args ...any) {
	t.Doubts = append(t.Doubts, Doubt{kind, fmt.Sprintf(format, args...)})
}

// unseen doubts an origin that logged an error and not how it ended. What its caller received may then be the word of a gateway between the two
// that nobody logged: 502 and 504 are what a gateway answers (RFC 9110, 15.6.3 and 15.6.5). And if it is the outermost hop, nobody has seen that the request failed.
func (t *Trail) unseen(h *Hop) {
	if h.Silent || h.Sent.Known() || h.FailedBy != nil {
		return
	}
	switch got := h.Status(); {
	case h.Caller == nil && h.DiedOf() != nil && !h.DiedOf().Lifecycle.OfItsWork():
		t.doubt(DoubtUntold, "no record tells how the request ended for the client: %s logged an error and no status", h.Service)
	case h.Caller != nil && got.Protocol == "" && (got.Code == 502 || got.Code == 504):
		t.doubt(DoubtUntold, "no record of %s tells that it answered %s, which may be that of a gateway between it and %s", h.Service, got, h.Caller.Caller.Service)
	}
}

// below gives the callee whose failure h passed on, or nil if h is where it was made.
func (t *Trail) below(h *Hop) *Hop {
	c := h.FailedBy
	if c == nil || c.Callee == nil {
		return nil
	}
	callee := c.Callee
	if callee.Role == RoleDependency {
		if callee.RoleGuessed && c.Received.Failed() && !c.OwnMade {
			t.doubt(DoubtUnreadParty, "no log of %s was read: if it is one of your services, the failure was made there or further below", callee.Service)
		}
		return nil
	}
	if callee.DiedOf() != nil {
		return callee
	}
	got := c.Received
	if c.OwnMade {
		got = Status{}
	}
	if c.Ended == Truncated && callee.Ended == Truncated {
		return callee
	}
	if !got.Known() {
		if c.Record != nil || !callee.Sent.Failed() || c.Ended != Complete {
			return nil // the caller says that no answer came
		}
		// The caller logged nothing of the call: what the callee sent counts if it
		// certainly came before the caller answered, or brought an ID that the caller logged.
		got = callee.Sent
		if !callee.End.CertainlyBefore(h.End) && !namesItsID(h, c) && !c.Kin {
			t.doubt(DoubtUntimed, "%s has no record of its call to %s, and the clocks do not show that the %s of %s came before %s answered",
				h.Service, callee.Service, got, callee.Service, h.Service)
		}
	}
	if !got.Failed() {
		if c.asSent && h.Sent != got && (c.Kin || h.Inferred() > 0) && namesAnother(c.Peer, callee) {
			// Only a like exchange at its time tells who answered, and not with what.
			t.doubt(DoubtContradicted, "%s names %s as whom it asked, which may stand between it and %s and have made %s of the %s", h.Service, c.Peer, callee.Service, h.Sent, got)
		}
		return nil
	}
	if c.Unsure && callee.Sent != got {
		if callee.Sent.Known() && !callee.Sent.Failed() {
			return nil // it answered well: the caller made the failure
		}
		t.doubt(DoubtUntold, "the record of %s does not tell whether it made the %s itself or received it from %s", h.Service, got, callee.Service)
	}
	if callee.Sent.Known() && callee.Sent != got {
		t.doubt(DoubtContradicted, "%s logged %s and %s received %s: something between them rewrote it, or a record is of another exchange", callee.Service, callee.Sent, h.Service, got)
	}
	return callee
}
