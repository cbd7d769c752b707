package timeline

import "time"

// A proxy may log errors alone, as nginx does where its access log is off. An error about a call tells what the proxy was asked for, and so within
// which call of another service it was made: the proxy stands between that service and what it called itself.

// errorOfProxy gives the call of which an error of a proxy tells; nil if e is no such error.
func errorOfProxy(e *Event) *Outcall {
	if e.Kind != LogRecord || !e.Role.Forwards() || len(e.Calls) != 1 {
		return nil
	}
	o := &e.Calls[0]
	if o.Method == "" || o.Target == "" || !ownStatus(o.Ended).Known() {
		return nil
	}
	return o
}

// passedBy says whether it may be the proxy at p that answered c as it does if its own call, for the same, ended so; but for the time.
func (c *Call) passedBy(p place, method, target string, ended Outcome, places map[place]bool) bool {
	if c.Method != method || pathOf(c.Target) != pathOf(target) || c.OwnMade || !reached(c) || c.Received != ownStatus(ended) || c.Caller.Service == p.service && c.Caller.Host == p.host {
		return false
	}
	if h := c.Callee; h != nil && (h.Host != "" && h.Host != p.host || !h.Silent && h.Sent == c.Received) {
		return false
	}
	for q := range places {
		if q.host != p.host && names(c.Peer, &Hop{Host: q.host}) {
			return false
		}
	}
	return true
}

// passedOn gives the alias sets of the calls that a proxy may have been asked for of whose exchanges nothing but errors tells.
func (j *joiner) passedOn(e *Event) []inferred {
	o, p := errorOfProxy(e), place{e.Service, e.Host}
	if o == nil || j.logs[p] {
		return nil
	}
	at, _ := j.clocks.Align(e)
	if !at.Known() || vague(at) {
		return nil
	}
	sets := map[string]time.Time{}
	for _, x := range j.calls {
		from, to := firstKnown(x.call.Start, x.call.Caller.Start), firstKnown(x.call.End, x.call.Caller.End)
		if x.call.passedBy(p, o.Method, o.Target, o.Ended, j.places) && !at.CertainlyBefore(from) && !to.Add(lateLine).CertainlyBefore(at) {
			sets[x.set] = to.Time
		}
	}
	return inferredOf(sets, "it was asked for the same at the same time, and answered as it does to that")
}

// A callOf is a call of the request of an alias set.
type callOf struct {
	set  string
	call *Call
}

// tiePassing gives proxies that log errors alone the calls in which they were asked.
func (d *draft) tiePassing() {
	for _, h := range d.hops {
		if h.span() != nil || !forwards(h) {
			continue
		}
		for _, own := range h.Calls {
			for _, c := range d.calls {
				if h.Caller == nil && c.Callee == nil && c.passedBy(place{h.Service, h.Host}, own.Method, own.Target, own.Ended, d.places) &&
					!h.Start.CertainlyBefore(c.Start) && !c.End.Add(lateLine).CertainlyBefore(h.Start) {
					d.tie(c, h)
				}
			}
		}
	}
}

// passing gives the proxy without a record of its exchange through which p called h; p itself if there is none.
func passing(p, h *Hop) *Hop {
	for _, c := range p.Calls {
		if q := c.Callee; q != nil && q != h && !q.Silent && q.span() == nil && forwards(q) && q.Host == h.Host && len(q.Calls) > 0 {
			return q
		}
	}
	return p
}
