package rules

import (
	"slices"

	"github.com/correlatehq/correlate/timeline"
)

// evidenceShown bounds the events that a verdict cites.
const evidenceShown = 12

// evidence gives the events that prove a verdict: what its claims cite, in their order, then, the most
// certain first, what the rule cites, the origin's own records and what each caller logged of it.
func (j *judgement) evidence(claims []Claim, best *finding, component string) []*timeline.Joined {
	out := j.in.cited[:0]
	for _, c := range claims {
		out = append(out, c.Evidence...)
	}
	cited := len(out)
	if best != nil {
		out = append(out, best.evidence...)
	}
	origin := j.trail.Origin
	if d := origin.DiedOf(); d != nil {
		out = append(out, d)
	}
	for i := len(j.trail.Path) - 1; i >= 0; i-- {
		h := j.trail.Path[i]
		if e := record(h); e != nil {
			out = append(out, e)
		}
		if h.Caller != nil && h.Caller.Record != nil {
			out = append(out, h.Caller.Record)
		}
	}
	if c := origin.FailedBy; c != nil {
		if c.Record != nil {
			out = append(out, c.Record)
		}
		if c.Callee != nil {
			if e := record(c.Callee); e != nil {
				out = append(out, e)
			}
		}
	}
	for _, h := range j.request.Hops {
		if component != "" && name(h) == component {
			out = append(out, telling(h)...)
		}
	}
	slices.SortStableFunc(out[cited:], func(a, b *timeline.Joined) int { return doubtful(a) - doubtful(b) })
	j.in.cited = out
	shown := make([]*timeline.Joined, 0, evidenceShown)
	for _, e := range out {
		if len(shown) < evidenceShown && !slices.Contains(shown, e) {
			shown = append(shown, e)
		}
	}
	return shown
}

// telling gives what the component itself says of the exchange: its record of it, and what
// it logged as failed.
func telling(h *timeline.Hop) []*timeline.Joined {
	var out []*timeline.Joined
	for _, e := range h.Events {
		if e.Kind == timeline.ServerSpan || e.Event.Failed {
			out = append(out, e)
		}
	}
	return out
}

// record is the event by which a hop tells its own exchange, else a message with its status.
func record(h *timeline.Hop) *timeline.Joined {
	var message *timeline.Joined
	for _, e := range h.Events {
		switch {
		case e.Kind == timeline.ServerSpan:
			return e
		case e.Kind == timeline.LogRecord && e.StatusCode != 0:
			message = e
		}
	}
	return message
}

// unique gives the events in their order, each once. They are few.
func unique(events []*timeline.Joined) []*timeline.Joined {
	if len(events) == 1 {
		return slices.Clip(events)
	}
	out := make([]*timeline.Joined, 0, len(events))
	for _, e := range events {
		if !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out
}

// exception finds the error in code behind a verdict: of the deepest hop of the
// failure's way that shows one, at the origin or at its component. One that may as well
// be another request's counts only if the process died of it with this request in flight. text is what was logged of it, or what the origin says without one.
func (j *judgement) exception(v *Verdict) (x *timeline.Exception, text string) {
	c := v.Origin.FailedBy
	if c != nil && c.Callee != nil && v.Component != "" {
		for _, h := range j.views.request.Hops {
			if h.Service != v.Component || !inside(h.hop, c.Callee) {
				continue
			}
			if e := h.ownException(); e != nil && !afterGivingUp(c, e.joined) && (e.joined.Held() || j.diedOf(c, e.joined)) {
				return e.joined.Exception, e.exceptionText()
			}
		}
	}
	if e := j.views.of(v.Origin).ownException(); e != nil && e.joined.Held() {
		x = e.joined.Exception
	}
	return x, j.views.of(v.Origin).errorText()
}

// afterGivingUp says whether an error came, as far as the clocks tell, when the caller no longer waited: its failure does not rest on it.
func afterGivingUp(c *timeline.Call, e *timeline.Joined) bool {
	return (c.Ended == timeline.GaveUp || c.Ended == timeline.ConnectGaveUp) && c.End.Known() && e.Start.Known() && !e.Start.Time.Before(c.End.Time)
}

// diedOf says whether the process of a call's callee crashed with the words of e.
func (j *judgement) diedOf(c *timeline.Call, e *timeline.Joined) bool {
	state, p := j.views.near.state(c)
	return state == stateCrashed && slices.ContainsFunc(p.Events, func(o *timeline.Event) bool { return o.Pos == e.Pos })
}

// inside says whether h is top or below it.
func inside(h, top *timeline.Hop) bool {
	for range 1000 {
		if h == top {
			return true
		}
		if h.Caller == nil || h.Caller.Caller == nil {
			return false
		}
		h = h.Caller.Caller
	}
	return false
}
