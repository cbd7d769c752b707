package rules

import (
	"context"
	"fmt"

	"github.com/correlatehq/correlate/timeline"
)

// rivals gives every other hop that shows a failure or that a rule blames, each with
// the fact that excludes it.
func (j *judgement) rivals(ctx context.Context, origin *timeline.Hop) ([]Rival, error) {
	out := j.in.rivals[:0]
	for _, h := range j.request.Hops {
		if h == origin || !showsFailure(h) {
			continue
		}
		cause, err := j.cause(ctx, j.views.of(h))
		if err != nil {
			return nil, err
		}
		out = append(out, j.rival(h, cause, origin))
	}
	j.in.rivals = out
	return append([]Rival(nil), out...), nil
}

// showsFailure says whether somebody could take h for the origin.
func showsFailure(h *timeline.Hop) bool {
	if h.Silent {
		return h.Status().Failed()
	}
	if h.Failed() || !h.Sent.Known() && h.Caller != nil && (h.Caller.Ended == timeline.Reset || h.Caller.Ended == timeline.Truncated) {
		return true
	}
	for _, e := range h.Events {
		if e.Exception != nil && e.Kind == timeline.LogRecord && e.Held() {
			return true
		}
	}
	return false
}

func (j *judgement) rival(h *timeline.Hop, cause string, origin *timeline.Hop) Rival {
	if cause == "" {
		cause = "other"
	}
	words, event := j.exclusion(h, origin)
	if event == nil {
		event = record(h)
	}
	return Rival{Hop: h, CauseClass: cause, ExcludedBy: words, Event: event}
}

// words names a rival and the fact.
func (r Rival) words() string {
	if !r.Hop.Status().Known() {
		return name(r.Hop) + " failed: " + r.ExcludedBy
	}
	return fmt.Sprintf("%s answered %s: %s", name(r.Hop), r.Hop.Status(), r.ExcludedBy)
}

// exclusion gives the fact by which h is not the origin, and the event that shows it.
func (j *judgement) exclusion(h, origin *timeline.Hop) (string, *timeline.Joined) {
	for i, p := range j.trail.Path {
		if p == h && i+1 < len(j.trail.Path) {
			return passedOn(h, j.trail.Path[i+1]), record(h)
		}
	}
	if up := handledAbove(h); up != nil {
		caller := up.Caller.Caller
		event := j.speaking(caller, up)
		if up == h {
			return "its failure was handled by " + name(caller), event
		}
		return fmt.Sprintf("it is below %s, whose failure was handled by %s", name(up), name(caller)), event
	}
	c := h.Caller
	if c == nil || c.Caller == nil {
		return "nothing ties its failure to that of " + name(origin), nil
	}
	if n := laterAttempt(c); n != nil {
		return fmt.Sprintf("it was attempt %d of %s, whose later attempt decided", c.Attempt, name(c.Caller)), n.Record
	}
	if gaveUp := gaveUpAbove(h); gaveUp != nil {
		switch {
		case gaveUp.End.CertainlyBefore(h.Start):
			return "its work began after " + name(gaveUp.Caller) + " had given up", gaveUp.Record
		case gaveUp.End.CertainlyBefore(h.End):
			return "it ended after " + name(gaveUp.Caller) + " had given up", gaveUp.Record
		}
		return "its answer did not reach " + name(gaveUp.Caller) + ", which had given up waiting", gaveUp.Record
	}
	if state, p := j.views.near.state(c); p != nil && !h.Sent.Known() {
		switch state {
		case stateCrashed, stateKilled, stateOOMKilled:
			return "its process died, and nothing shows that this request made it die", nil
		}
	}
	switch {
	case c.Received.Known() && !c.OwnMade && !c.Received.Failed() && !c.Received.Refused():
		return fmt.Sprintf("%s received %s from it", name(c.Caller), c.Received), c.Record
	case !h.Failed() && h.Status().Known():
		return fmt.Sprintf("it answered %s in spite of its error", h.Status()), record(h)
	case h.Role == timeline.RoleDependency:
		return "it is not ours to trace: " + name(c.Caller) + " made a failure of its error", c.Record
	case c.Record != nil && !(c.Received.Known() && !c.OwnMade):
		return "its answer was not delivered: " + name(c.Caller) + " received none from it", c.Record
	case c.Purpose == timeline.Mirror || c.Purpose == timeline.Background:
		return "nobody waited for it", c.Record
	}
	return "the failure of " + name(origin) + " does not rest on it", nil
}

func passedOn(h, below *timeline.Hop) string {
	got, sent := h.Received, h.Status()
	switch {
	case brokeOff(h) && got == sent:
		return "it passed on the answer of " + name(below) + ", which broke off"
	case below.Lineage == timeline.Died:
		return "the connection to " + name(below) + " broke, and it answered " + sent.String() + " for it"
	case got.Known() && sent.Known() && got != sent:
		return "it turned the " + got.String() + " that it received from " + name(below) + " into " + sent.String()
	case got.Known():
		return "it passed on the " + got.String() + " that it received from " + name(below)
	}
	return "its failure rests on that of " + name(below)
}

// handledAbove gives h or the nearest hop above it whose failure its caller handled.
func handledAbove(h *timeline.Hop) *timeline.Hop {
	for range 1000 {
		if h.HandledByCaller && h.Caller != nil && h.Caller.Caller != nil {
			return h
		}
		if h.Caller == nil || h.Caller.Caller == nil {
			return nil
		}
		h = h.Caller.Caller
	}
	return nil
}

// speaking finds the event by which a caller tells of a callee's failure: its own words, else its record of the call.
func (j *judgement) speaking(caller, callee *timeline.Hop) *timeline.Joined {
	for _, e := range caller.Events {
		if e.Kind == timeline.LogRecord && (names(e.Body, callee.Service) || callee.Caller != nil && names(e.Body, callee.Caller.Error)) {
			return e
		}
	}
	if callee.Caller != nil {
		return callee.Caller.Record
	}
	return nil
}

// laterAttempt is the attempt that replaced c.
func laterAttempt(c *timeline.Call) *timeline.Call {
	after := false
	for _, k := range c.Caller.Calls {
		if k == c {
			after = true
			continue
		}
		if after && k.Attempt == c.Attempt+1 && k.Purpose == c.Purpose && k.Method == c.Method && k.Target == c.Target {
			return k
		}
	}
	return nil
}

// gaveUpAbove is the nearest call at or above h on which its caller gave up.
func gaveUpAbove(h *timeline.Hop) *timeline.Call {
	for range 1000 {
		c := h.Caller
		if c == nil || c.Caller == nil {
			return nil
		}
		if c.Ended == timeline.GaveUp {
			return c
		}
		h = c.Caller
	}
	return nil
}

// name names a hop by its service.
func name(h *timeline.Hop) string {
	switch {
	case h == nil:
		return "an unknown hop"
	case h.Service != "":
		return h.Service
	case h.Host != "":
		return "a service on " + h.Host
	}
	return "an unnamed service"
}

func hostOf(h *timeline.Hop) string {
	if h.Host != "" {
		return h.Host
	}
	return "its host"
}
