package timeline

// A route is from whom, and from which of its hosts, calls go to whom.
type route struct{ caller, host, callee string }

// wentWell keeps the last call of each route that went well, as its caller logged it. It
// is read off the stamps of the caller's host, which are of one clock.
type wentWell map[route]*Event

// count looks at the calls of a whole request.
func (w wentWell) count(r *Request) {
	for _, c := range r.Calls {
		if c.Callee == nil || c.Record == nil || c.Failed() || !c.Received.Known() || c.Received.Refused() {
			continue
		}
		k := route{c.Caller.Service, c.Caller.Host, c.Callee.Service}
		if last := w[k]; last == nil || last.Time.Before(c.Record.Time) {
			w[k] = c.Record.Event
		}
	}
}

// near gives when the calls that r's failing calls repeat last went well.
func (w wentWell) near(r *Request, clocks *ClockModel) map[*Call]Instant {
	out := map[*Call]Instant{}
	for _, c := range r.Calls {
		if c.Callee == nil || !c.Failed() && !c.Received.Refused() {
			continue
		}
		if e := w[route{c.Caller.Service, c.Caller.Host, c.Callee.Service}]; e != nil {
			start, end := clocks.Align(e)
			if at := firstKnown(end, start); at.Known() {
				out[c] = at
			}
		}
	}
	return out
}
