package timeline

import (
	"cmp"
	"slices"
	"time"
)

// The zone in which an app on a server writes its errors may be told by nothing but that these come when exchanges fail there: its lines bear no zone and no ID.
// Zones are whole steps, and at most of them no error lies within a failed exchange.

// Bounds of what is compared to find a zone.
const (
	zoneMessages = 300  // errors of a host
	zoneChance   = 0.05 // how many pairs may be expected to agree by chance, of so few that their number does not tell
)

// zonesOfFailures finds by how much the stamps without zone of hosts are ahead of those with one whose clocks nothing ties, as the errors without
// ID show that lie within the exchanges that failed on the same host. It says whether it found one.
func (c *collector) zonesOfFailures() bool {
	messages, exchanges := map[string][]*Event{}, map[string][]*Event{} // by host
	for _, m := range c.orphans {
		if m.writtenFailure() && m.Stamp.Zone == ZoneUnknown {
			messages[m.Host] = append(messages[m.Host], m)
		}
	}
	if len(messages) == 0 {
		return false
	}
	for _, e := range c.exchangesRead() {
		if len(messages[e.Host]) > 0 && e.Status().Failed() && e.Stamp.Zone != ZoneUnknown && stamped(e) {
			exchanges[e.Host] = append(exchanges[e.Host], e)
		}
	}
	found := false
	for host, failed := range exchanges {
		if _, known := c.twinZones[host]; known || c.clocks.together(messages[host][0], failed[0]) {
			continue
		}
		if zone, ok := zoneOfFailures(messages[host], failed); ok {
			c.twinZones[host], found = zone, true
		}
	}
	return found
}

// zoneOfFailures finds the zone in which most errors lie within failed exchanges, if at no other one half as many do.
func zoneOfFailures(messages, failed []*Event) (zone time.Duration, ok bool) {
	slices.SortFunc(messages, func(a, b *Event) int { return cmp.Or(a.Time.Compare(b.Time), a.Pos.Compare(b.Pos)) })
	messages = spread(messages, zoneMessages)
	var windows []Window
	var open time.Duration
	for _, x := range failed {
		w := failsWithin(x)
		windows, open = append(windows, w), open+w.To.Sub(w.From)
	}
	windows = merged(windows)
	best, second := 0, 0
	for z := -maxSkew.Truncate(zoneStep); z <= maxSkew; z += zoneStep {
		n, last := 0, -1
		for _, m := range messages {
			at, _, _, _ := m.Interval()
			// Several errors of one exchange count once.
			if i, in := windowAt(windows, at.Lo.Add(-z), at.Hi.Add(-z)); in && i != last {
				n++
				last = i
			}
		}
		switch {
		case n > best:
			best, second, zone = n, best, z
		case n > second:
			second = n
		}
	}
	chance := float64(len(messages)) * open.Seconds() / zoneStep.Seconds()
	ok = best > 0 && float64(best) >= alikeShare*float64(min(len(messages), len(windows))) && best >= alikeRarely*second && (best >= alikeLeast || chance < zoneChance)
	return zone, ok
}

// exchangesRead gives the exchanges of which records were read, each once.
func (c *collector) exchangesRead() []*Event {
	seen := map[Pos]bool{}
	return slices.DeleteFunc(slices.Concat(c.failed, c.lone, c.sortedEvents()), func(e *Event) bool {
		again := seen[e.Pos]
		seen[e.Pos] = true
		return again || e.Kind != ServerSpan
	})
}

// writtenFailure says whether a record is a message of a failure that a clock stamped.
func (e *Event) writtenFailure() bool {
	return e.Kind == LogRecord && !e.Undated() && (e.Exception != nil || severe(e.Severity))
}

// failsWithin gives when, by its own clock, what failed an exchange was written: while it went on, and where the record does not tell how long it took, shortly before it ended.
func failsWithin(x *Event) Window {
	start, end, startOK, endOK := x.Interval()
	if !endOK {
		end = start
		end.Hi = end.Hi.Add(answeredWithin)
	}
	if !startOK {
		start.Lo = end.Lo.Add(-answeredWithin)
	}
	return Window{x.Host, start.Lo, end.Hi.Add(lateLine)}
}

// spread gives n of a list, evenly spread over it, or all if there are no more.
func spread[T any](list []T, n int) []T {
	if len(list) <= n {
		return list
	}
	out := make([]T, n)
	for i := range out {
		out[i] = list[i*len(list)/n]
	}
	return out
}
