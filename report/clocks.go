package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/timeline"
)

// ClocksText writes what is known of the clocks of all hosts as a table.
func ClocksText(w io.Writer, r *correlate.ClockReport, o TextOptions) error {
	p := &printer{o: o}
	tied, ref := 0, ""
	for _, k := range r.Hosts {
		if k.Reference {
			ref = k.Host
		}
		if k.Tied || k.Reference {
			tied++
		}
	}
	switch {
	case len(r.Hosts) == 0:
		p.prose("", "no clock can be told: no record with a time was read.", bold)
	case tied <= 1:
		p.prose("", fmt.Sprintf("%s, and none is tied to another: no exchange between two of them was found on both sides.", plural(len(r.Hosts), "clock")), bold)
	default:
		s := fmt.Sprintf("%s of %s tied", thousands(tied), plural(len(r.Hosts), "clock"))
		if ref != "" {
			s += "; offsets say how far a host's stamps are ahead of those of " + ref
		}
		p.prose("", s+".", bold)
	}
	if len(r.Hosts) > 0 {
		p.buf.WriteByte('\n')
		cols := []column{
			{head: "host"}, {head: "offset", right: true}, {head: "±", right: true, drop: 1}, {head: "drift", right: true, drop: 3},
			{head: "zone", drop: 2}, {head: "calls", right: true, drop: 4},
		}
		for _, k := range r.Hosts {
			off, sl, drift, calls := "not tied", "", "", ""
			if k.Tied || k.Reference {
				off, sl = offset(k.OffsetMS), slackMS(k.SlackMS)
			}
			if math.Abs(k.DriftPPM) >= leastDrift {
				drift = fmt.Sprintf("%+.1f ppm", k.DriftPPM)
			}
			if k.Calls > 0 {
				calls = thousands(k.Calls)
			}
			if k.Reference {
				off, sl = "reference", ""
			}
			for i, s := range []string{k.Host, off, sl, drift, k.Zone, calls} {
				cols[i].cells = append(cols[i].cells, Visible(s))
			}
		}
		if err := p.table(cols); err != nil {
			return err
		}
	}
	p.clockNotes(r)
	return p.flush(w)
}

// leastDrift is the drift in ppm below which a clock runs as fast as the reference's.
const leastDrift = 0.05

// clockNotes prints what does not fit into the table, each kind behind its label: steps,
// what contradicts, what the user said, which hosts are not tied and why, whether the whole can
// be trusted, and what was not read.
func (p *printer) clockNotes(r *correlate.ClockReport) {
	var steps, against, given, untied []string
	for _, k := range r.Hosts {
		for _, s := range k.Steps {
			steps = append(steps, k.Host+" "+stepText(s, p.o.Location))
		}
		said := k.Host
		if k.Reason != "" {
			said += ": " + k.Reason
		}
		switch {
		case !k.Tied && !k.Reference:
			untied = append(untied, said)
		case k.Inconsistent:
			if k.Reason == "" {
				said += ": its calls contradict each other"
			}
			against = append(against, said+"; its ± is widened by as much")
		case k.Reason != "":
			given = append(given, said)
		}
	}
	var trust []string
	if !r.Trusted && len(r.Hosts) > 0 {
		trust = []string{weakClocks}
	}
	first := true
	for _, part := range []struct {
		name  string
		lines []string
	}{
		{"steps", steps}, {"contradicted", against}, {"given", given}, {"not tied", untied}, {"trust", trust},
		{"not read", skippedLines(r.Skipped, r.Sources, false)},
	} {
		for _, l := range part.lines {
			if first {
				p.buf.WriteByte('\n')
				first = false
			}
			part.name = p.label(part.name, l)
		}
	}
}

// weakClocks tells of a clock model that is not to be trusted.
const weakClocks = "the clocks do not fit together well: calls contradict each other more often than drift, steps and late lines explain, so times of different hosts may be off by more than their ±"

// stepText tells of a step: "was set back by 400.0 ms at 2026-03-01 12:44:23Z".
func stepText(s timeline.ClockStep, loc *time.Location) string {
	way := "forward"
	if s.SizeMS < 0 {
		way = "back"
	}
	size := strings.TrimPrefix(offset(math.Abs(s.SizeMS)), "+")
	if s.Over > 0 {
		return fmt.Sprintf("was slewed %s by %s over %s from %s", way, size, s.Over.Round(time.Second), shortStamp(s.At, loc))
	}
	return fmt.Sprintf("was set %s by %s at %s", way, size, shortStamp(s.At, loc))
}

// slackMS prints half the width of an interval that is given in milliseconds.
func slackMS(ms float64) string { return slack(time.Duration(ms * float64(time.Millisecond))) }

type clocksJSON struct {
	Schema  string        `json:"schema"`
	Trust   string        `json:"trust"` // ok, weak
	Clocks  []clockJSON   `json:"clocks"`
	Skipped []skippedJSON `json:"skipped"`
}

// ClocksJSON writes the same as one object; its clocks are those of the contract.
func ClocksJSON(w io.Writer, r *correlate.ClockReport) error {
	trust := "ok"
	if !r.Trusted {
		trust = "weak"
	}
	return encode(w, clocksJSON{correlate.Schema, trust, clockValues(r.Hosts), skippedValues(r.Skipped, r.Sources)}, "  ")
}
