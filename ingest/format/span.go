package format

import (
	"strings"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// durationParts are the parts of a duration that a record tells one by one.
type durationParts struct {
	n        int
	sum, res time.Duration
	unknown  bool // one of them has no value, so the whole has none
}

func (d *decoding) durPart(v string, unit time.Duration) {
	p := &d.parts
	t, res, ok := parseDuration(v, unit)
	if !ok {
		p.unknown = true
		return
	}
	p.n++
	p.sum += t
	p.res += res
}

// derived gives a record that writes no duration the one that follows from what it
// writes: the stamps of start and end, or the parts of the whole.
func (d *decoding) derived(c *compiled) {
	e := &d.ev
	switch {
	case d.start != "" && e.Stamp.Meaning == timeline.End:
		if st, ok := d.otherStamp(c, d.start); ok {
			d.between(st.t, e.Time, st.res)
		}
	case d.end != "" && e.Stamp.Meaning == timeline.Start:
		if st, ok := d.otherStamp(c, d.end); ok {
			d.between(e.Time, st.t, st.res)
		}
	case d.parts.n > 0 && !d.parts.unknown:
		e.Duration, e.Stamp.DurationResolution = d.parts.sum, d.parts.res
	}
}

// otherStamp reads a second stamp of the record, in the layouts of the first.
func (d *decoding) otherStamp(c *compiled, v string) (stamp, bool) {
	loc := d.loc
	if c.zone != nil {
		loc = c.zone
	}
	for _, l := range c.layouts {
		if st, ok := parseStamp(l, v, loc, d.ref, d.dates); ok {
			return st, true
		}
	}
	return stamp{}, false
}

// between makes the duration that two stamps of one clock tell.
func (d *decoding) between(start, end time.Time, res time.Duration) {
	e := &d.ev
	if e.Time.IsZero() || end.Before(start) {
		return
	}
	e.Duration = end.Sub(start)
	e.Stamp.DurationResolution = max(res, e.Stamp.Resolution)
	e.Stamp.SameClock = true
}

// timePart takes a date or a time of day of which one stamp is made.
func (d *decoding) timePart(i int, v string) {
	switch was := d.times[i]; {
	case was == "":
		d.times[i] = v
	case strings.IndexByte(was, ':') >= 0:
		d.times[i] = v + " " + was
	default:
		d.times[i] = was + " " + v
	}
}
