package timeline

import (
	"slices"
	"time"
)

// cutOff finds the exchanges of which records of their servers say, without an ID, that their answers broke off under way: those that ended then
// with less than they had announced; and where the record names client and request, as nginx's error log does, the one alone that it may
// be about. By their own records they went well.
func (c *collector) cutOff() {
	if !slices.ContainsFunc(c.q.Any, func(w Want) bool { return w.Failed != nil && len(w.Failed.Status) == 0 }) {
		return
	}
	windows := map[string][]Window{}
	broke := map[place][]Window{} // when the end of an exchange is stamped that broke off
	said := map[lineOf][]*Event{} // what names client and request
	for _, e := range c.orphans {
		if e.Kind != LogRecord {
			continue
		}
		p := place{e.Service, e.Host}
		end := Window{e.Host, e.Time.Add(-hopTolerance), e.Time.Add(max(lateLine, e.Stamp.Resolution))}
		switch line := lineOfExchange(e); {
		case e.Ended == Truncated:
			broke[p] = append(broke[p], end)
		case len(e.Calls) > 0 && e.Calls[len(e.Calls)-1].Ended == Truncated && line.whole():
			said[line] = append(said[line], e)
		default:
			continue
		}
		windows[e.Host] = append(windows[e.Host], Window{e.Host, e.Time.Add(-unknownLength), end.To})
	}
	var zones map[string]time.Duration
	if len(said) > 0 {
		zones = c.zonesApart()
	}
	for _, messages := range said {
		for _, m := range messages {
			if z := zones[ClockOf(m)]; z != 0 {
				windows[m.Host] = append(windows[m.Host], Window{m.Host, m.Time.Add(-z - unknownLength), m.Time.Add(-z + max(lateLine, m.Stamp.Resolution))})
			}
		}
	}
	wants := nearWants(windows)
	for p, ws := range broke {
		broke[p] = merged(ws)
	}
	if len(wants) == 0 {
		return
	}
	fits := map[*Event][]*Event{} // the exchanges that a record may be about
	for _, e := range c.read(wants, c.lim.WindowEvents, func(e *Event) bool {
		if e.Kind != ServerSpan || e.Status().Failed() {
			return false
		}
		_, end, _, ok := e.Interval()
		return ok && e.Ended == Truncated && touches(broke[place{e.Service, e.Host}], end.Lo, end.Hi) || len(aboutIt(said, zones, e)) > 0
	}) {
		if about := aboutIt(said, zones, e); len(about) > 0 && e.Ended != Truncated {
			for _, m := range about {
				fits[m] = append(fits[m], e)
			}
			continue
		}
		c.brokeOff(e)
	}
	for _, m := range c.orphans {
		if len(fits[m]) == 1 {
			c.brokeOff(fits[m][0])
		}
	}
}

// brokeOff takes an exchange as one that is wanted.
func (c *collector) brokeOff(e *Event) {
	if c.logs(e); !hasIdentity(e) {
		c.lone = append(c.lone, e)
		return
	}
	c.addEvent(e)
	addForms(c.wanted, identities(e))
}

// A lineOf is a client's request to a service, as both its access log and its error log name it.
type lineOf struct {
	place
	client, method, path string
}

func lineOfExchange(e *Event) lineOf {
	return lineOf{place{e.Service, e.Host}, hostPart(e.Attrs.Get(KeyClient)), e.Attrs.Get("http.request.method"), e.Attrs.Get("url.path")}
}

func (l lineOf) whole() bool { return l.client != "" && l.method != "" && l.path != "" }

// zonesApart tells by how much the clocks of messages that name client and request, without a zone mostly, are ahead of those of the access logs beside them,
// in steps of zones, as failed exchanges show of which both tell.
func (c *collector) zonesApart() map[string]time.Duration {
	failed := map[lineOf][]*Event{}
	for _, e := range c.failed {
		if line := lineOfExchange(e); e.Kind == ServerSpan && line.whole() {
			failed[line] = append(failed[line], e)
		}
	}
	votes := map[string]map[time.Duration]int{}
	for _, m := range c.orphans {
		if m.Kind != LogRecord {
			continue
		}
		clock := ClockOf(m)
		for _, e := range failed[lineOfExchange(m)] {
			d := m.Time.Sub(e.Time)
			if zone := d.Round(zoneStep); clock != ClockOf(e) && (d-zone).Abs() <= unknownLength {
				if votes[clock] == nil {
					votes[clock] = map[time.Duration]int{}
				}
				votes[clock][zone]++
				break
			}
		}
	}
	out := map[string]time.Duration{}
	for clock, byZone := range votes {
		all := 0
		for zone, n := range byZone {
			if all += n; n > byZone[out[clock]] {
				out[clock] = zone
			}
		}
		if byZone[out[clock]]*2 <= all {
			delete(out, clock)
		}
	}
	return out
}

// aboutIt gives the records that may be about an exchange: of the same client and request, stamped when it may have ended. zones are those of [collector.zonesApart].
func aboutIt(said map[lineOf][]*Event, zones map[string]time.Duration, e *Event) []*Event {
	var out []*Event
	for _, m := range said[lineOfExchange(e)] {
		start, end, _, ended := e.Interval()
		if !ended {
			end.Lo, end.Hi = start.Lo, start.Hi.Add(max(e.Duration, e.Stamp.Resolution))
		}
		at := m.Time
		if ClockOf(m) != ClockOf(e) {
			at = at.Add(-zones[ClockOf(m)])
		}
		from, to := at.Add(-hopTolerance), at.Add(max(lateLine, m.Stamp.Resolution))
		if !end.Hi.Before(from) && !to.Before(end.Lo) {
			out = append(out, m)
		}
	}
	return out
}
