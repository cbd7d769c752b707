package timeline

import "slices"

// namesOrClaims says whether a peer's spelling names the hop's host or service, or is the address at which
// the hop's service listens.
func (d *bookDraft) namesOrClaims(peer string, h *Hop) bool {
	if p, ok := d.claims[peer]; ok {
		return p == place{h.Service, h.Host}
	}
	return names(peer, h)
}

// claimedElse says whether another place than the hop's listens at a peer.
func (d *bookDraft) claimedElse(peer string, h *Hop) bool {
	p, ok := d.claims[peer]
	return ok && p != place{h.Service, h.Host}
}

// attend notes at which peers calls of a request were answered, which places logged in it, and which services
// the records of these calls speak of.
func (d *bookDraft) attend(hops []*Hop, calls []*Call) {
	seen := map[peerAt]bool{}
	for _, c := range calls {
		if c.Peer == "" || !reached(c) || c.Failed() {
			continue
		}
		at := peerOf(c)
		d.hear(at, c)
		if seen[at] {
			continue
		}
		seen[at] = true
		d.asked[at]++
		if d.present[at] == nil {
			d.present[at] = map[place]int{}
		}
		there := map[place]bool{}
		for _, h := range hops {
			if p := (place{h.Service, h.Host}); !there[p] {
				there[p] = true
				d.present[at][p]++
			}
		}
	}
}

// hear notes the one other service that logs of which the caller's record of a call speaks.
func (d *bookDraft) hear(at peerAt, c *Call) {
	if c.Record == nil || c.Record.Kind != ClientSpan || c.Record.Body == "" {
		return
	}
	said := ""
	for p := range d.places {
		if p.service == c.Caller.Service || p.service == said || len(p.service) < 3 || !containsWord(c.Record.Body, p.service) {
			continue
		}
		if said != "" {
			return
		}
		said = p.service
	}
	if d.said[at] == nil {
		d.said[at] = map[string]int{}
	}
	d.said[at][said]++
}

// Shares and least numbers by which a place is found not to answer at a peer, and by which the words of callers
// tell who does.
const (
	absentLeast = 5
	absentShare = 0.1
	absentTimes = 4
	saidLeast   = 3
	saidShare   = 0.9
)

// deny takes out the peers at which a place cannot answer: it has another peer, and in the requests that called that one it
// is there, while in many of those that called this one it logged nothing.
func (d *bookDraft) deny(b *EndpointBook) {
	absent := func(e Endpoint) float64 {
		at := peerAt{e.Peer, e.From}
		return 1 - float64(d.present[at][place{e.Service, e.Host}])/float64(max(d.asked[at], 1))
	}
	best := map[place]float64{}
	for _, e := range b.Endpoints {
		p := place{e.Service, e.Host}
		if a := absent(e); d.asked[peerAt{e.Peer, e.From}] >= absentLeast {
			if least, ok := best[p]; !ok || a < least {
				best[p] = a
			}
		}
	}
	b.Endpoints = slices.DeleteFunc(b.Endpoints, func(e Endpoint) bool {
		at, p := peerAt{e.Peer, e.From}, place{e.Service, e.Host}
		least, ok := best[p]
		a := absent(e)
		if e.Host == "" || !ok || d.asked[at] < absentLeast || a < absentShare || a <= absentTimes*least {
			return false
		}
		b.denied[denial{at, p}] = true
		return true
	})
}

// denies says whether a hop's place was found not to answer at the peer of a call.
func (b *EndpointBook) denies(c *Call, h *Hop) bool {
	return b != nil && b.denied[denial{peerOf(c), place{h.Service, h.Host}}]
}

// bySaying adds the peers of which nothing else tells who answers there, by the words of those who call them.
func (d *bookDraft) bySaying(b *EndpointBook) {
	known := b.peers()
	for at, said := range d.said {
		service, n := most(said)
		all := 0
		for _, k := range said {
			all += k
		}
		if known[at] || service == "" || n < saidLeast || float64(n) < saidShare*float64(all) {
			continue
		}
		e := Endpoint{Peer: at.peer, From: at.from, Service: service, Seen: n, Rivals: all - n}
		for p := range d.places {
			if p.service != service {
				continue
			}
			if e.Host != "" && e.Host != p.host {
				e.Host = ""
				break
			}
			e.Host = p.host
		}
		b.Endpoints = append(b.Endpoints, e)
	}
}
