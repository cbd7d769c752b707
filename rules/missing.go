package rules

import (
	"cmp"
	"fmt"
	"slices"

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
			add(unread(h), "it may have passed on a failure that came from further below")
		}
	}
	if o := v.Origin; o != nil && o.FailedBy != nil {
		if c := o.FailedBy; c.Record == nil && c.Ended == timeline.GaveUp {
			add("the log of what may stand between "+name(o)+" and "+name(c.Callee), name(o)+" has no record of its call")
		}
		if callee := o.FailedBy.Callee; callee != nil && callee.Silent && o.FailedBy.Ended != timeline.NotSent && j.views.near.stateWords(o.FailedBy) == "" {
			what := unread(callee)
			if e := o.FailedBy.Ended; !callee.RoleGuessed && (e == timeline.Refused || e == timeline.ConnectGaveUp) {
				what = "a record of how " + name(callee) + " ended or was cut off: its log tells of neither"
			}
			add(what, "it would tell why "+calleeFailed(o.FailedBy))
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

// unread says what is not there of a hop of which there is no record: its log, or a record of this request in it.
func unread(h *timeline.Hop) string {
	if h.RoleGuessed {
		return "the log of " + name(h)
	}
	return "a record of this request by " + name(h) + ": other requests stand in its log"
}

// sure is from which confidence on nothing is asked for but what the sources lack.
const sure = 0.9

// deciding tells what would decide what keeps a verdict from being sure, if the sources lack nothing else: by the steps by which its confidence
// came about.
func (j *judgement) deciding(best *finding, v *Verdict) []Missing {
	who := cmp.Or(v.Component, name(v.Origin))
	weighed := func(factors ...string) bool {
		return slices.ContainsFunc(v.Steps, func(s Step) bool { return slices.Contains(factors, s.Factor) })
	}
	meant := func(others []string) []Missing {
		return []Missing{{"what " + who + " and its host logged of that moment: a start, an end, a limit", "what was read may as well mean " + list(others)}}
	}
	switch {
	case weighed("inferred", "told", "one_of"):
		for _, e := range slices.Concat(best.evidence, v.Evidence) {
			if e.Join == timeline.ByInferred {
				why := "it is this request's only by its time and words"
				if e.Candidates > 1 {
					why = fmt.Sprintf("it fits %d requests", e.Candidates)
				}
				return []Missing{{"an ID in " + e.Pos.String(), why}}
			}
		}
	case weighed("ambiguous"):
		cited := func(e *EventView) bool {
			return e.says(best.rule.CauseClass, false) && slices.Contains(best.evidence, e.joined)
		}
		if others := meanings(best.hop, best.rule.CauseClass, cited); len(others) > 0 {
			return meant(others)
		}
	case weighed("unnamed"):
		return []Missing{{"what the error of " + name(v.Origin) + " means (a signal of your own: --rules)", "no signal knows its type or its words"}}
	case weighed("one_sided"):
		return []Missing{{"the log of " + who, "nothing but the record of " + name(v.Origin) + " tells of that call"}}
	case weighed("fallback", "absence"):
		if others := meanings(best.hop, "other", func(*EventView) bool { return true }); len(others) > 0 {
			return meant(others)
		}
		return []Missing{{"a message of " + name(v.Origin) + " that says why", "no record says it: the cause is what is left"}}
	case weighed("timing"):
		return []Missing{{"a record in which " + name(v.Origin) + " says how its call to " + who + " ended", "the verdict rests on when things happened"}}
	case weighed("one_end"):
		return []Missing{{"a record of " + who + " that says the same", "only one end of it tells"}}
	}
	return nil
}

// meanings gives what the signals of some records of a hop may mean but for one cause, the likeliest first.
func meanings(h *HopView, but string, of func(*EventView) bool) (causes []string) {
	for e := range h.signalled {
		if !of(e) {
			continue
		}
		for _, s := range e.meaning {
			for _, c := range s.MayMean {
				if c != but && !slices.Contains(causes, c) {
					causes = append(causes, c)
				}
			}
		}
	}
	return causes[:min(len(causes), meaningsShown)]
}

// meaningsShown bounds the other causes that are named.
const meaningsShown = 3

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
