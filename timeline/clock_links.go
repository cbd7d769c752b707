package timeline

import "time"

// learn adds to the fit what the calls of one request say of the clocks of their hosts.
func (f *clockFit) learn(r *Request) {
	for i := range r.Events {
		f.see(r.Events[i].Event)
	}
	root := r.Root().span()
	if root != nil {
		f.roots[ClockOf(root.Event)]++
	}
	for _, c := range r.Calls {
		if c.Callee == nil || c.Callee.Silent {
			continue
		}
		caller := callerRecord(c, root)
		if caller == nil {
			continue
		}
		from, to, fromOK, toOK := caller.Interval()
		openEnd := openEnded(c) || c.Record == nil && !allComplete(r)
		into := f.pairs
		if c.Record == nil {
			into = f.guesses
		}
		if sp := c.Callee.span(); sp != nil {
			start, end, startOK, endOK := sp.Interval()
			f.addCall(into, ClockOf(caller.Event), from, to, fromOK, toOK, ClockOf(sp.Event), start, end, startOK, endOK, openEnd)
			continue
		}
		for _, e := range c.Callee.Events {
			if e.Join == ByInferred {
				continue
			}
			at, _, _, _ := e.Interval()
			f.addCall(into, ClockOf(caller.Event), from, to, fromOK, toOK, ClockOf(e.Event), at, at, true, !openEnd, openEnd)
		}
	}
}

// callerRecord is the record whose window holds the callee: the caller's of this call,
// or its exchange's. Where the caller has no record of the call who called is a guess, and only the
// outermost exchange is sure to hold it.
func callerRecord(c *Call, root *Joined) *Joined {
	if c.Record == nil {
		return root
	}
	if c.Record.Kind == ClientSpan {
		return c.Record
	}
	return c.Caller.span()
}

// allComplete says that no call of the request was broken off, so that the outermost
// exchange outlasts all the others.
func allComplete(r *Request) bool {
	for _, c := range r.Calls {
		if c.Ended != Complete && (c.Ended != OutcomeUnknown || c.Failed()) || openEnded(c) {
			return false
		}
	}
	return true
}

// see learns from one event, of a request or not, that its clock exists, and the zone that it writes.
func (f *clockFit) see(e *Event) {
	c := ClockOf(e)
	f.seen[c] = true
	if e.System != "" {
		if f.soft[c] == nil {
			f.soft[c] = map[string]bool{}
		}
		f.soft[c][e.System] = true
	}
	if e.Stamp.Zone == ZoneWritten {
		if _, off := e.Time.Zone(); off != 0 {
			f.zone[e.Host] = time.Duration(off) * time.Second
		}
	}
}

// tieZones ties a host's stamps without zone to those that write one, where no call
// ties them: they are local time in the zone that the host writes elsewhere. UTC is
// believed to be the host's zone only if the same software writes both, for many
// loggers write UTC wherever they run. It gives the zones so found, by host.
func (f *clockFit) tieZones() map[string]time.Duration {
	zones := map[string]time.Duration{}
	tied := map[string]bool{}
	for k := range f.pairs {
		tied[k.caller], tied[k.callee] = true, true
	}
	for host := range f.seen {
		local := host + localSuffix
		if !f.seen[local] || tied[local] && tied[host] {
			continue
		}
		zone, ok := f.zone[host]
		for s := range f.soft[host] {
			ok = ok || f.soft[local][s]
		}
		if ok {
			f.pairs[clockPair{host, local}] = []bound{{float64(zone), float64(zone)}}
			zones[host] = zone
		}
	}
	return zones
}

// openEnded says whether the callee of c may have gone on after the call was over for
// its caller.
func openEnded(c *Call) bool {
	return c.Ended == GaveUp || c.Ended == CallerLeft || c.Caller.Lineage == Aborted || c.Purpose == Background || c.Purpose == Mirror
}

// refine narrows the instants of the hops of one request by what must hold between
// them: an exchange takes as long as was logged, and a callee works within its caller's
// call. This is where a stamp of 1 s becomes one of about 1 ms. A step that would
// contradict is left out, and the boxes stay as the clocks give them.
func (d *draft) refine(r *Request) {
	for round := 0; round < 12; round++ {
		changed := false
		for _, h := range r.Hops {
			changed = ownLength(h) || changed
		}
		for _, c := range r.Calls {
			if c.Callee == nil || c.Callee.Silent || !c.Callee.Start.Known() {
				continue
			}
			start, end := c.Caller.Start, c.Caller.End
			pStart, pEnd := &c.Caller.Start, &c.Caller.End
			if c.Record != nil && c.Record.Kind == ClientSpan {
				start, end = c.Start, c.End
				pStart, pEnd = &c.Start, &c.End
			}
			if start.Known() {
				changed = order(pStart, &c.Callee.Start) || changed
			}
			if end.Known() && c.Callee.End.Known() && !openEnded(c) && c.Record != nil {
				changed = order(&c.Callee.End, pEnd) || changed
			}
		}
		if !changed {
			break
		}
	}
	for _, h := range r.Hops {
		if sp := h.span(); sp != nil {
			for i := range r.Events {
				if r.Events[i].Event == sp.Event {
					r.Events[i].Start, r.Events[i].End = h.Start, h.End
				}
			}
		}
	}
	for _, c := range r.Calls {
		if c.Record == nil {
			continue
		}
		if c.Record.Kind != ClientSpan && len(c.Record.Calls) == 1 {
			c.Start, c.End = c.Caller.Start, c.Caller.End
		}
		for i := range r.Events {
			if c.Record.Kind == ClientSpan && r.Events[i].Event == c.Record.Event {
				r.Events[i].Start, r.Events[i].End = c.Start, c.End
			}
		}
	}
}

// order applies a <= b to two instants; it reports a change worth another round.
func order(a, b *Instant) bool {
	lo, hi := b.Earliest, a.Latest
	if a.Earliest.After(lo) {
		lo = a.Earliest
	}
	if b.Latest.Before(hi) {
		hi = b.Latest
	}
	if lo.After(b.Latest) || hi.Before(a.Earliest) {
		return false // they contradict; the clocks' own boxes stand
	}
	changed := lo.Sub(b.Earliest) > time.Microsecond || a.Latest.Sub(hi) > time.Microsecond
	narrow(b, lo, b.Latest)
	narrow(a, a.Earliest, hi)
	return changed
}

func narrow(a *Instant, lo, hi time.Time) {
	if lo.Equal(a.Earliest) && hi.Equal(a.Latest) {
		return
	}
	*a = Instant{lo, lo.Add(hi.Sub(lo) / 2), hi}
}

// ownLength ties start and end of a hop by the duration that it logged.
func ownLength(h *Hop) bool {
	sp := h.span()
	if sp == nil || !sp.Stamp.HasDuration() || !h.Start.Known() || !h.End.Known() {
		return false
	}
	d, tol := sp.Duration, sp.Stamp.DurationResolution
	changed := false
	lo, hi := h.Start.Earliest.Add(d-tol), h.Start.Latest.Add(d+tol)
	if lo.After(h.End.Earliest) && !lo.After(h.End.Latest) {
		narrow(&h.End, lo, h.End.Latest)
		changed = true
	}
	if hi.Before(h.End.Latest) && !hi.Before(h.End.Earliest) {
		narrow(&h.End, h.End.Earliest, hi)
		changed = true
	}
	lo, hi = h.End.Earliest.Add(-d-tol), h.End.Latest.Add(-d+tol)
	if lo.Sub(h.Start.Earliest) > time.Microsecond && !lo.After(h.Start.Latest) {
		narrow(&h.Start, lo, h.Start.Latest)
		changed = true
	}
	if h.Start.Latest.Sub(hi) > time.Microsecond && !hi.Before(h.Start.Earliest) {
		narrow(&h.Start, h.Start.Earliest, hi)
		changed = true
	}
	return changed
}
