package format

import (
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// AmbiguousTime is the attribute of events whose stamp writes no zone and was read in one
// whose clocks were being set: "repeated" where they showed the stamp twice (the event
// has the first of the two times, and a resolution that covers both), "skipped" where
// they never showed it (it is read by the offset from before). Stamps that write their
// offset have neither.
const AmbiguousTime = "log.time.ambiguous"

// ambiguous marks the event if the zone leaves its time open.
func (d *decoding) ambiguous(st *stamp) {
	switch {
	case st.again > 0:
		d.ev.Stamp.Resolution += st.again
		d.attr(AmbiguousTime, "repeated")
	case st.never:
		d.attr(AmbiguousTime, "skipped")
	}
}

// settleRepeated chooses the one of the two times of an event whose stamp was repeated
// that another stamp of the same record tells, such as that of a log collector.
func settleRepeated(e *timeline.Event, other time.Time, zone timeline.ZoneSource) {
	if zone != timeline.ZoneWritten || e.Attrs.Get(AmbiguousTime) != "repeated" {
		return
	}
	// Clocks are set back by an hour or a half; stamps are not that coarse.
	again := e.Stamp.Resolution.Truncate(30 * time.Minute)
	first, second := other.Sub(e.Time).Abs(), other.Sub(e.Time.Add(again)).Abs()
	if again == 0 || min(first, second) > again/3 {
		return // it was written long after, or by another clock
	}
	if second < first {
		e.Time = e.Time.Add(again)
	}
	e.Stamp.Resolution -= again
	for i := range e.Attrs {
		if e.Attrs[i].Name == AmbiguousTime {
			e.Attrs = append(e.Attrs[:i], e.Attrs[i+1:]...)
			return
		}
	}
}
