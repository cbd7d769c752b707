package timeline

import (
	"slices"
)

// cutOff finds the exchanges of which records of their servers say, without an ID, that their answers broke off under way: those that ended then
// with less than they had announced. By their own records they went well.
func (c *collector) cutOff() {
	if !slices.ContainsFunc(c.q.Any, func(w Want) bool { return w.Failed != nil && len(w.Failed.Status) == 0 }) {
		return
	}
	windows := map[string][]Window{}
	broke := map[place][]Window{} // when the end of an exchange is stamped that broke off
	for _, e := range c.orphans {
		if e.Ended == Truncated && e.Kind == LogRecord {
			p := place{e.Service, e.Host}
			broke[p] = append(broke[p], Window{e.Host, e.Time.Add(-hopTolerance), e.Time.Add(lateLine)})
			windows[e.Host] = append(windows[e.Host], Window{e.Host, e.Time.Add(-unknownLength), e.Time.Add(lateLine)})
		}
	}
	wants := nearWants(windows)
	for p, ws := range broke {
		broke[p] = merged(ws)
	}
	if len(wants) == 0 {
		return
	}
	for _, e := range c.read(wants, c.lim.WindowEvents, func(e *Event) bool {
		_, end, _, ok := e.Interval()
		return e.Kind == ServerSpan && e.Ended == Truncated && !e.Status().Failed() && ok && touches(broke[place{e.Service, e.Host}], end.Lo, end.Hi)
	}) {
		if c.logs(e); !hasIdentity(e) {
			c.lone = append(c.lone, e)
			continue
		}
		c.addEvent(e)
		addForms(c.wanted, identities(e))
	}
}
