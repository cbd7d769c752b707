package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/rules"
	"github.com/correlatehq/correlate/timeline"
)

// summary is what a verdict says happened. Behind each claim stand the numbers of the
// records that show it, in the list of its evidence.
func summary(v *rules.Verdict) string {
	if len(v.Claims) == 0 {
		return v.Summary
	}
	var parts []string
	for i, c := range v.Claims {
		words := strings.TrimRight(c.Words, ".,;")
		m := marks(v, c.Evidence)
		if i+1 < len(v.Claims) && !strings.HasSuffix(c.Words, ".") && m == marks(v, v.Claims[i+1].Evidence) {
			m = "" // it stands behind the next part of the sentence
		}
		parts = append(parts, words+m+c.Words[len(words):])
	}
	return strings.Join(parts, " ")
}

// marks gives the numbers of records in the evidence of v: " [1,3]".
func marks(v *rules.Verdict, events []*timeline.Joined) string {
	var numbers []int
	for _, e := range events {
		if n := proofNumber(v, e); n > 0 {
			numbers = append(numbers, n)
		}
	}
	if len(numbers) == 0 {
		return ""
	}
	slices.Sort(numbers)
	var list []string
	for _, n := range slices.Compact(numbers) {
		list = append(list, fmt.Sprint(n))
	}
	return " [" + strings.Join(list, ",") + "]"
}

// proofNumber is the place of a record in the evidence of v, from 1; 0 if it is not there.
func proofNumber(v *rules.Verdict, e *timeline.Joined) int {
	if e == nil {
		return 0
	}
	return slices.Index(v.Evidence, e) + 1
}

// shownProof is how many records are shown on the first screen: all that are cited by number.
func shownProof(v *rules.Verdict) int {
	n := proofLines
	for _, c := range v.Claims {
		for _, e := range c.Evidence {
			n = max(n, proofNumber(v, e))
		}
	}
	return min(n, len(v.Evidence))
}

// cite names a record by its number where it stands among those shown, else by its place.
func cite(v *rules.Verdict, e *timeline.Joined, shown int) string {
	if n := proofNumber(v, e); n > 0 && n <= shown {
		return fmt.Sprintf(" [%d]", n)
	}
	return " [" + e.Pos.String() + "]"
}

// effectLines tell what the failure left behind, for a request that is to change
// something: whether its work took effect, and whether it was done more than once.
func effectLines(c *correlate.Case, v *rules.Verdict, shown int) []string {
	var out []string
	if r := c.Request; r != nil && r.Failed && outcomeOf(c) != didNotFail && !readsOnly(r.Method) {
		by := ""
		if v.EffectBy != "" {
			by = ": " + v.EffectBy
		}
		switch v.Effect {
		case "completed":
			out = append(out, "the work took effect although the client saw a failure"+by)
		case "not_started":
			out = append(out, "the work was not started"+by)
		case "unknown":
			out = append(out, "it is not known whether the work took effect"+by)
		}
	}
	for _, t := range v.Retries {
		s := fmt.Sprintf("%s sent %s to %s %d times: it may have taken effect more than once", orUnknown(serviceOf(t.Caller)), strings.TrimSpace(t.Method+" "+t.Target), orUnknown(t.Party), t.Attempts)
		if t.Record != nil {
			s += cite(v, t.Record, shown)
		}
		out = append(out, s)
	}
	return out
}

func serviceOf(h *timeline.Hop) string {
	if h == nil {
		return ""
	}
	return h.Service
}

// readsOnly says that a method changes nothing where it is used as meant.
func readsOnly(method string) bool {
	switch strings.ToUpper(method) {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return true
	}
	return false
}

// slowestText names the hop that held the request the longest.
func slowestText(s *rules.Slowest) string {
	if s == nil || s.Hop == nil {
		return ""
	}
	least := ""
	if s.AtLeast {
		least = "at least "
	}
	t := where(s.Hop) + ": " + least + length(s.Total)
	if s.Total-s.Own >= time.Millisecond {
		t += ", of which " + length(s.Own) + " by itself"
	}
	return t
}

// missingText is one thing that is missing, and why it matters.
func missingText(m rules.Missing) string {
	if m.WhyItMatters == "" {
		return m.What
	}
	return m.What + "; " + m.WhyItMatters
}

// rivals gives the other hops that show a failure: first those that made or met one of
// their own, then those on the way of the failure, which only passed it on.
func rivals(c *correlate.Case, v *rules.Verdict) []rules.Rival {
	onWay := map[*timeline.Hop]bool{}
	if v.Origin != nil {
		for h := v.Origin; h.Caller != nil && h.Caller.Caller != nil && len(onWay) < len(c.Request.Hops); {
			h = h.Caller.Caller
			onWay[h] = true
		}
	}
	out := slices.Clone(v.Rivals)
	slices.SortStableFunc(out, func(a, b rules.Rival) int {
		switch {
		case onWay[a.Hop] == onWay[b.Hop]:
			return 0
		case onWay[a.Hop]:
			return 1
		}
		return -1
	})
	return out
}

func rivalText(v *rules.Verdict, r rules.Rival, shown int) string {
	s := "?"
	if r.Hop != nil {
		s = orUnknown(r.Hop.Service)
		switch {
		case r.Hop.Status().Known():
			s += " sent " + r.Hop.Status().String()
		case r.Hop.Lineage == timeline.Died:
			s += " died"
		default:
			s += " sent no answer"
		}
	}
	if r.CauseClass != "" && r.CauseClass != "other" {
		s += " (" + r.CauseClass + ")"
	}
	if r.ExcludedBy != "" {
		s += ": " + r.ExcludedBy
	}
	if r.Event != nil {
		s += cite(v, r.Event, shown)
	}
	return s
}

// behindText says what lies behind a failure, how long before the begin of the request, and where it is written.
func behindText(b timeline.Behind, r *timeline.Request, noAlign bool) string {
	s := b.What
	if b.Request != "" {
		s += ", " + b.Request
		if b.Candidates > 1 {
			s += fmt.Sprintf(" (1 of %d)", b.Candidates)
		}
	}
	if r != nil && r.Start.Known() && b.At.Known() && !noAlign {
		if d := r.Start.Time.Sub(b.At.Time); d >= 0 {
			s += ", " + since(d) + " before"
		} else {
			s += ", " + since(-d) + " after it began"
		}
	}
	if b.Event != nil {
		s += " [" + b.Event.Pos.String() + "]"
	}
	return s
}
