package timeline

// mayCall says whether a service may be who calls another one of which no record tells: it is not if it is missing, or certainly
// not at work, at many of the other's exchanges, and another one is not.
func (b *EndpointBook) mayCall(caller, callee string) bool {
	if b == nil || b.guests[callee] < absentLeast {
		return true
	}
	absent := func(n int) float64 { return 1 - float64(n)/float64(b.guests[callee]) }
	a := absent(b.hosts[[2]string{caller, callee}])
	return a < absentShare || a <= absentTimes*absent(b.hosted[callee])
}

// tellGuests counts, over requests whose clocks are known, who was at work at exchanges of which no record tells who called them.
func (b *EndpointBook) tellGuests(rs []*Request, clocks *ClockModel) {
	b.guests, b.hosts, b.hosted = map[string]int{}, map[[2]string]int{}, map[string]int{}
	for _, r := range rs {
		for _, h := range r.Hops {
			sp := h.span()
			if sp == nil || h.Caller == nil || h.Caller.Record != nil || h.Caller.Kin || sp.ParentSpanID != "" {
				continue
			}
			b.guests[h.Service]++
			start, _ := clocks.Align(sp.Event)
			hl, hOK := hopLength(h)
			seen := map[string]bool{}
			for _, p := range r.Hops {
				if p == h || seen[p.Service] {
					continue
				}
				// One that logs nothing of its own exchange may have been at work at any time.
				if own := p.span(); own != nil {
					from, to := clocks.Align(own.Event)
					pl, pOK := hopLength(p)
					if start.CertainlyBefore(from) || to.CertainlyBefore(start) || pOK && hOK && !within(hl, pl) {
						continue
					}
				}
				seen[p.Service] = true
				k := [2]string{p.Service, h.Service}
				b.hosts[k]++
				b.hosted[h.Service] = max(b.hosted[h.Service], b.hosts[k])
			}
		}
	}
}
