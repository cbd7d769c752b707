package rules

import (
	"slices"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// waiting is who held the request when a caller gave up.
type waiting struct {
	name  string
	doubt string // why it may be another
}

// deepestWaiting finds the deepest hop or party that held the request when h gave up
// on the call on which its failure rests. Hops that only waited are passed over;
// work that began after the giving-up does not count. Where the clocks cannot decide
// the nearest certain one is named.
func (h *HopView) deepestWaiting() waiting {
	c := h.FailedBy
	if c == nil {
		return waiting{}
	}
	w := waiting{name: c.Party}
	gaveUp := c.call.End
	if !gaveUp.Known() {
		gaveUp = h.hop.End
	}
	wait := c.atMost()
	at := c.Callee
	for depth := 0; at != nil && depth < 64; depth++ {
		next, sure := heldAt(at, gaveUp, wait)
		if next == nil {
			break
		}
		if !sure {
			w.doubt = "the clocks do not show whether " + w.name + " or " + next.Party + " held the request when " + h.Service + " gave up"
			break
		}
		w.name, at = next.Party, next.Callee
	}
	if w.doubt == "" {
		w.doubt = h.alsoAtWork(c, gaveUp)
	}
	return w
}

// alsoAtWork looks for a party that was at work when h gave up on c and whose caller
// nobody logged: c may have waited for it.
func (h *HopView) alsoAtWork(c *CallView, gaveUp timeline.Instant) string {
	for _, k := range h.Calls {
		if k == c || k.Logged || k.Callee == nil {
			continue
		}
		if start, end := callWindow(k.call); start.CertainlyBefore(gaveUp) && gaveUp.CertainlyBefore(end) {
			return k.Party + " was at work when " + h.Service + " gave up, and no record tells for whom"
		}
	}
	return ""
}

// atMost gives for how long the caller of c can have waited for it at most, by its own clock alone: as long as the exchange took for which it
// made it, or from the first that it wrote of the request until it wrote of the call. 0 if that is not known.
func (c *CallView) atMost() time.Duration {
	r := c.call.Record
	if r == nil {
		return 0
	}
	if r.Stamp.HasDuration() {
		return r.Duration + r.Stamp.DurationResolution
	}
	first := r.Time
	for _, e := range c.call.Caller.Events {
		if e.Join != timeline.ByInferred && !e.Undated() && timeline.ClockOf(e.Event) == timeline.ClockOf(r.Event) && e.Time.Before(first) {
			first = e.Time
		}
	}
	if r.Undated() || first.Equal(r.Time) {
		return 0
	}
	return r.Time.Sub(first) + r.Stamp.Resolution
}

// outlasts says whether a call took longer, by its caller's own clock or its callee's, than another one for whose sake it was made was waited for: whoever
// gave up on that one did so while this one was not over, or had not begun.
func (c *CallView) outlasts(wait time.Duration) bool {
	longer := func(e *timeline.Joined) bool {
		return wait > 0 && e.Stamp.HasDuration() && e.Duration-e.Stamp.DurationResolution > wait
	}
	if r := c.call.Record; r != nil {
		return longer(r) && len(r.Calls) == 1
	}
	return c.Callee != nil && slices.ContainsFunc(c.Callee.Events, func(e *EventView) bool { return e.joined.Kind == timeline.ServerSpan && longer(e.joined) })
}

// underWay names the party of a call of the hop to a dependency that was not over when the hop was, "" if there is none: it went on with what nobody waited for
// any more.
func (h *HopView) underWay() string {
	for c := range h.unawaited {
		if c.Callee.Role == timeline.RoleDependency.String() {
			return c.Party
		}
	}
	return ""
}

// outlastedBy names the party of the one call of the hop that was not over when the hop was; "" if there is none, or another one.
func (h *HopView) outlastedBy() string {
	party := ""
	for c := range h.unawaited {
		if party != "" {
			return ""
		}
		party = c.Party
	}
	return party
}

// unawaited goes over the calls of the hop of which it has no record and that were at work when it no longer was.
func (h *HopView) unawaited(yield func(*CallView) bool) {
	over := overAt(h.hop)
	for _, c := range h.Calls {
		start, end := callWindow(c.call)
		if c.call.Record == nil && c.Callee != nil && !c.call.Purpose.Aside() && start.Known() && end.Known() && !over.CertainlyBefore(start) &&
			(over.CertainlyBefore(end) || h.hop.Start.Known() && c.outlasts(over.Time.Sub(h.hop.Start.Time))) && !yield(c) {
			return
		}
	}
}

// heldAt finds the call for which a hop waited at a moment, and whether the clocks make it certain, or that it outlasted the wait of whoever gave up then.
func heldAt(h *HopView, at timeline.Instant, wait time.Duration) (c *CallView, sure bool) {
	var maybe *CallView
	for _, k := range h.Calls {
		if k.call.Purpose.Aside() {
			continue
		}
		start, end := callWindow(k.call)
		if at.Known() && (at.CertainlyBefore(start) || end.CertainlyBefore(at)) {
			continue // began after, or was over before
		}
		began := start.CertainlyBefore(at)
		pending := at.CertainlyBefore(end) || !end.Known() && unanswered(k.call) || k.outlasts(wait)
		if began && pending {
			return k, true
		}
		if maybe == nil && (began || !start.Known() && h.hop.Start.CertainlyBefore(at) || start.Known() && start.Time.Before(at.Time)) && (pending || unanswered(k.call) || end.Known() && at.Time.Before(end.Time)) {
			maybe = k
		}
	}
	if maybe == nil {
		return nil, false
	}
	start, _ := callWindow(maybe.call)
	// A call that never got its answer was under way when the hop itself was cut off.
	return maybe, unanswered(maybe.call) && start.CertainlyBefore(at)
}

// unanswered says that nothing came back to the caller of c.
func unanswered(c *timeline.Call) bool {
	switch c.Ended {
	case timeline.GaveUp, timeline.CallerLeft:
		return true
	case timeline.OutcomeUnknown:
		return !c.Received.Known() && !c.Sent.Known()
	}
	return false
}

// callWindow is the time of a call as its caller logged it, else as its callee did.
func callWindow(c *timeline.Call) (start, end timeline.Instant) {
	start, end = c.Start, c.End
	if c.Callee == nil || c.Record != nil && c.Record.Kind != timeline.ServerSpan && end.Known() {
		return start, end
	}
	cs, ce := hopWindow(c.Callee)
	if c.Record == nil || !start.Known() {
		if cs.Known() {
			start = cs
		}
	}
	if c.Record == nil || !end.Known() {
		if ce.Known() {
			end = ce
		}
	}
	return start, end
}

// hopWindow is when a hop began and ended by its own records.
func hopWindow(h *timeline.Hop) (start, end timeline.Instant) {
	start, end = h.Start, h.End
	if start.Known() && end.Known() {
		return start, end
	}
	for _, e := range h.Events {
		if !h.Start.Known() && e.Start.Known() && (!start.Known() || e.Start.Time.Before(start.Time)) {
			start = e.Start
		}
		if !h.End.Known() && e.End.Known() && (!end.Known() || e.End.Time.After(end.Time)) {
			end = e.End
		}
	}
	return start, end
}
