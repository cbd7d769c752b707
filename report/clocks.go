package report

import (
	"fmt"
	"io"
	"time"

	"github.com/correlatehq/correlate"
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
			{head: "zone", drop: 2}, {head: "calls", right: true, drop: 4}, {head: "", drop: 5},
		}
		for _, k := range r.Hosts {
			off, sl, drift, calls, note := "not tied", "", "", "", k.Reason
			if k.Tied || k.Reference {
				off, sl = offset(k.OffsetMS), slack(time.Duration(k.SlackMS*float64(time.Millisecond)))
			}
			if k.DriftPPM != 0 {
				drift = fmt.Sprintf("%+.1f ppm", k.DriftPPM)
			}
			if k.Calls > 0 {
				calls = thousands(k.Calls)
			}
			if k.Reference {
				off, sl = "reference", ""
			}
			for i, s := range []string{k.Host, off, sl, drift, k.Zone, calls, note} {
				cols[i].cells = append(cols[i].cells, Visible(s))
			}
		}
		if err := p.table(cols); err != nil {
			return err
		}
	}
	if skipped := skippedLines(r.Skipped, r.Sources, false); len(skipped) > 0 {
		p.buf.WriteByte('\n')
		name := "not read"
		for _, s := range skipped {
			name = p.label(name, s)
		}
	}
	return p.flush(w)
}

type clocksJSON struct {
	Schema  string        `json:"schema"`
	Clocks  []clockJSON   `json:"clocks"`
	Skipped []skippedJSON `json:"skipped"`
}

// ClocksJSON writes the same as one object; its clocks are those of the contract.
func ClocksJSON(w io.Writer, r *correlate.ClockReport) error {
	return encode(w, clocksJSON{correlate.Schema, clockValues(r.Hosts), skippedValues(r.Skipped, r.Sources)}, "  ")
}
