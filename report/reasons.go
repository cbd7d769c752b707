package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/clipperhouse/displaywidth"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/rules"
	"github.com/correlatehq/correlate/timeline"
)

// reasons prints what follows the table, each behind its label.
func (p *printer) reasons(c *correlate.Case) {
	v := c.Verdict
	if v == nil {
		v = &rules.Verdict{}
	}
	kind := outcomeOf(c)
	name := "proof"
	if kind != named {
		name = "seen"
	}
	shown := shownProof(v)
	if p.o.Wide {
		shown = len(v.Evidence)
	}
	posCols := 0
	for _, e := range v.Evidence[:shown] {
		posCols = max(posCols, displaywidth.String(Visible(e.Pos.String())))
	}
	for i, e := range v.Evidence[:shown] {
		p.logLine(name, i+1, e.Pos.String(), min(posCols, 40), eventText(e), joinNote(e))
		name = ""
	}
	if n := len(v.Evidence) - shown; n > 0 {
		p.label("", "and "+plural(n, "line")+" more (-o wide)")
	}
	if s := slowestText(v.Slowest); s != "" {
		p.label("slowest", s)
	}
	name = "effect"
	for _, s := range effectLines(c, v, shown) {
		name = p.label(name, s)
	}
	name = "not the cause"
	for _, r := range rivals(c, v) {
		if r.ExcludedBy != "" {
			name = p.label(name, rivalText(v, r, shown))
		}
	}
	name = "could be"
	for _, r := range v.Rivals {
		if r.ExcludedBy == "" {
			name = p.label(name, rivalText(v, r, shown))
		}
	}
	name = "behind"
	for _, b := range v.Behind {
		name = p.label(name, behindText(b, c.Request, p.o.NoAlign))
	}
	name = "missing"
	for _, m := range v.Missing {
		name = p.label(name, missingText(m))
	}
	name = "next"
	if kind == undetermined {
		name = "to decide it"
		if len(v.NextChecks) == 0 && len(v.Missing) == 0 {
			p.label(name, "the logs of the hops that are not in these sources, or a longer span of those that are")
		}
	}
	for _, s := range v.NextChecks {
		name = p.label(name, s)
	}
	name = "clocks"
	for _, s := range clockLines(c, p.o.Location) {
		name = p.label(name, s)
	}
	name = "contradicted"
	for _, s := range contradictionLines(c.Request) {
		name = p.label(name, s)
	}
	name = "not read"
	for _, s := range skippedLines(c.Skipped, c.Sources, c.Request != nil && c.Request.Truncated) {
		name = p.label(name, s)
	}
	if len(c.Other) > 0 {
		p.label("same ID", otherText(c.Other))
	}
}

func otherText(ids []string) string {
	const most = 5
	s := plural(len(ids), "other request") + " under the same ID: " + strings.Join(ids[:min(len(ids), most)], ", ")
	if len(ids) > most {
		s += ", ..."
	}
	return s
}

// clockLines tell what is known of the clocks of this request's hosts.
func clockLines(c *correlate.Case, loc *time.Location) []string {
	if c.Request == nil || len(c.Clocks) == 0 {
		return nil
	}
	mine := map[string]bool{}
	for _, h := range c.Request.Hops {
		if h.Host != "" && !h.Silent {
			mine[h.Host] = true
		}
	}
	var lines, untied []string
	tied, small := 0, 0
	start := c.Request.Start
	for _, k := range c.Clocks {
		if !mine[k.Host] {
			continue
		}
		switch {
		case !k.Tied && !k.Reference:
			s := k.Host + " is not tied"
			if k.Reason != "" {
				s += ": " + k.Reason
			}
			untied = append(untied, s)
			continue
		case k.Reference:
			tied++
			continue
		}
		tied++
		if math.Abs(k.OffsetMS) <= max(k.SlackMS, 1) && len(k.Steps) == 0 && !k.Inconsistent {
			small++
			continue
		}
		lines = append(lines, clockText(k, start.Time, loc))
	}
	switch {
	case tied > 1 && small == tied-1:
		lines = append(lines, fmt.Sprintf("%s tied, none off by more than its uncertainty", plural(tied, "host")))
	case tied > 1:
		lines = append(lines, plural(tied, "host")+" tied to each other")
	case tied == 1 && len(untied) == 0 && len(mine) == 1:
		lines = append(lines, "one host, one clock")
	}
	lines = append(lines, untied...)
	if c.ClocksWeak {
		lines = append(lines, weakClocks)
	}
	return lines
}

// contradictionLines tell which orders that must hold the records deny, and what may explain it.
func contradictionLines(r *timeline.Request) []string {
	if r == nil || len(r.Contradictions) == 0 {
		return nil
	}
	const most = 5
	var lines []string
	for i, x := range r.Contradictions {
		if i == most && len(r.Contradictions) > most+1 {
			lines = append(lines, plural(len(r.Contradictions)-most, "further contradiction")+" (-o json has all)")
			break
		}
		if !slices.Contains(lines, x.What) {
			lines = append(lines, x.What)
		}
	}
	return append(lines, "a line written late, a call not waited for or a wrong clock explains it; no time above rests on it")
}

// clockText tells of one clock as it was at a moment, with that of its steps that is the nearest.
func clockText(k timeline.HostClock, at time.Time, loc *time.Location) string {
	s := fmt.Sprintf("%s %s ±%s", k.Host, offset(k.OffsetMS), slackMS(k.SlackMS))
	if k.Calls > 0 {
		s += " by " + plural(k.Calls, "call")
	}
	if k.Zone != "" {
		s += ", its zone is not written (" + k.Zone + " fits)"
	}
	if len(k.Steps) > 0 {
		nearest := slices.MinFunc(k.Steps, func(a, b timeline.ClockStep) int { return cmp.Compare(a.At.Sub(at).Abs(), b.At.Sub(at).Abs()) })
		s += ", " + stepText(nearest, loc)
		if n := len(k.Steps) - 1; n > 0 {
			s += " and " + plural(n, "other time")
		}
	}
	if k.Reason != "" {
		s += ", " + k.Reason
	}
	return s
}

// offset prints milliseconds with a sign, longer ones as a duration.
func offset(ms float64) string {
	if math.Abs(ms) < 60_000 {
		return fmt.Sprintf("%+.1f ms", ms)
	}
	d := time.Duration(ms * float64(time.Millisecond)).Round(time.Millisecond)
	if d > 0 {
		return "+" + d.String()
	}
	return d.String()
}

// skippedLines tell what was not read, most first by order of the case.
func skippedLines(skipped []timeline.Skipped, sources []correlate.SourceInfo, truncated bool) []string {
	var out []string
	for _, s := range sources {
		if s.Err != "" {
			out = append(out, s.Name+" could not be read whole: "+s.Err)
		}
	}
	const most = 6
	for i, s := range skipped {
		if i == most && len(skipped) > most+1 {
			out = append(out, plural(len(skipped)-most, "further kind")+" (-o json has all)")
			break
		}
		t := s.Source + ": " + s.What
		switch {
		case s.Count > 1 && s.First != "":
			t += " (" + thousands(s.Count) + " times, first at " + s.First + ")"
		case s.Count > 1:
			t += " (" + thousands(s.Count) + " times)"
		case s.First != "":
			t += " (at " + s.First + ")"
		}
		out = append(out, t)
	}
	if truncated {
		out = append(out, "a limit was hit while this request was gathered: something of it may be missing")
	}
	return out
}
