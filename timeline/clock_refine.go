package timeline

import "time"

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
