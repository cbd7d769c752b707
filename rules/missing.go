package rules

import (
	"github.com/correlatehq/correlate/timeline"
)

// missing tells what the sources do not hold of the way of the failure.
func (j *judgement) missing(v *Verdict) []Missing {
	var out []Missing
	told := map[string]bool{}
	add := func(what, why string) {
		if !told[what] {
			told[what] = true
			out = append(out, Missing{what, why})
		}
	}
	for _, h := range j.trail.Path {
		if h.Silent {
			add("the log of "+name(h), "it may have passed on a failure that came from further below")
		}
	}
	if o := v.Origin; o != nil && o.FailedBy != nil {
		if c := o.FailedBy; c.Record == nil && c.Ended == timeline.GaveUp {
			add("the log of what may stand between "+name(o)+" and "+name(c.Callee), name(o)+" has no record of its call")
		}
		if callee := o.FailedBy.Callee; callee != nil && callee.Silent && o.FailedBy.Ended != timeline.NotSent && j.views.near.stateWords(o.FailedBy) == "" {
			add("the log of "+name(callee), "it would tell why "+calleeFailed(o.FailedBy))
		}
	}
	if !j.request.Tied {
		for _, h := range j.trail.Path {
			if h.Host != "" && !h.Silent && (!h.Start.Known() || h.Start.Slack() > untiedSlack) {
				add("a tie of the clock of "+h.Host+" to the other hosts", "what "+name(h)+" did cannot be ordered with what the others did")
			}
		}
	}
	for _, d := range j.trail.Doubts {
		if d.Kind != timeline.DoubtUnread && d.Kind != timeline.DoubtUnreadParty {
			add("a record that decides it", d.Words)
		}
	}
	for _, d := range j.doubts {
		add(d.What, d.WhyItMatters)
	}
	if j.request.Truncated {
		add("part of this request", "not all of its records were gathered: a limit was hit, or a source gave only part")
	}
	return out
}

// untiedSlack is from when on the clock of a host says nothing of use about a request.
const untiedSlack = 500_000_000 // 500 ms

func calleeFailed(c *timeline.Call) string {
	switch c.Ended {
	case timeline.GaveUp:
		return "it did not answer in time"
	case timeline.Refused, timeline.ConnectGaveUp:
		return "it could not be reached"
	case timeline.Reset, timeline.Truncated:
		return "the connection broke"
	}
	return "the call failed"
}
