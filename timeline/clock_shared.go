package timeline

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// shareConfigured makes one clock of all hosts of which the user says that they share it.
func (f *clockFit) shareConfigured() {
	first := map[string]int32{} // name of the clock, and whether its stamps write a zone
	for _, host := range slices.Sorted(maps.Keys(f.shared)) {
		for _, suffix := range []string{"", localSuffix} {
			id, ok := f.ids[host+suffix]
			if !ok {
				continue
			}
			k := f.shared[host] + suffix
			if of, ok := first[k]; ok {
				f.share(id, of, fmt.Sprintf("set by the configuration to share the clock %s with %s", f.shared[host], refHost(f.clocks[of].name)))
			} else {
				first[k] = id
			}
		}
	}
}

// share makes a clock another name of one more.
func (f *clockFit) share(id, of int32, why string) {
	a, _ := f.resolve(id)
	b, _ := f.resolve(of)
	if a == b {
		return
	}
	f.clocks[a].shared, f.clocks[a].of, f.clocks[a].why = true, b, why
}

// oneMachine notes that two hosts seem to be one machine: their services answer at one
// address, or one calls the other at its own loopback address.
func (f *clockFit) oneMachine(a, b, why string) {
	if a == "" || b == "" || a == b {
		return
	}
	f.alike[[2]string{min(a, b), max(a, b)}] = why
}

// machines notes which hosts seem to be one machine, by the addresses of the book. seenLeast calls must
// show an address.
func (f *clockFit) machines(b *EndpointBook) {
	const seenLeast = 3
	at := map[string]string{} // address -> the first host there
	for _, e := range b.Endpoints {
		ip, err := netip.ParseAddr(peerHost(e.Peer))
		if err != nil || ip.IsLoopback() || ip.IsUnspecified() || e.Host == "" || e.Seen < seenLeast || 5*e.Rivals > e.Seen {
			continue
		}
		if first, ok := at[ip.String()]; ok {
			f.oneMachine(first, e.Host, "both answer at "+ip.String())
		} else {
			at[ip.String()] = e.Host
		}
	}
}

// neighbours notes the hosts that r shows to be one machine: a caller that reaches its callee
// at the loopback address.
func (f *clockFit) neighbours(r *Request) {
	for _, c := range r.Calls {
		if c.Callee == nil || c.Callee.Silent {
			continue
		}
		if beside(c) {
			f.oneMachine(c.Caller.Host, c.Callee.Host, fmt.Sprintf("%s calls %s at %s", c.Caller.Host, c.Callee.Host, c.Peer))
		}
	}
}

// peerHost is the host of a peer as callers log it: without scheme, port and path.
func peerHost(peer string) string {
	if _, rest, ok := strings.Cut(peer, "://"); ok {
		peer = rest
	}
	peer, _, _ = strings.Cut(peer, "/")
	// Most are names, and what is no address costs more to parse than what is one.
	if peer != "" && (peer[0] == '[' || peer[0] >= '0' && peer[0] <= '9') {
		if ap, err := netip.ParseAddrPort(peer); err == nil {
			return ap.Addr().String()
		}
	}
	if i := strings.LastIndexByte(peer, ':'); i >= 0 && strings.IndexByte(peer, ':') == i {
		peer = peer[:i]
	}
	return strings.Trim(peer, "[]")
}

// shareFound makes one clock of hosts that seem to be one machine, unless what is known of
// their clocks denies it. It says whether it did so anywhere.
func (f *clockFit) shareFound(s *solver) bool {
	pairs := slices.SortedFunc(maps.Keys(f.alike), func(a, b [2]string) int {
		return cmp.Or(strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1]))
	})
	found := false
	for _, p := range pairs {
		for _, suffix := range []string{"", localSuffix} {
			a, ok := f.ids[p[0]+suffix]
			b, ok2 := f.ids[p[1]+suffix]
			if !ok || !ok2 {
				continue
			}
			x, _ := f.resolve(a)
			y, _ := f.resolve(b)
			if x == y || s.deny(f.clocks[x].name, f.clocks[y].name) {
				continue
			}
			f.share(b, a, fmt.Sprintf("one machine with %s: %s", p[0], f.alike[p]))
			found = true
		}
	}
	return found
}

// deny says whether the intervals of two clocks exclude that they are one.
func (s *solver) deny(a, b string) bool {
	if s == nil {
		return false
	}
	i, ok := slices.BinarySearch(s.names, a)
	j, ok2 := slices.BinarySearch(s.names, b)
	if !ok || !ok2 {
		return false // nothing is known of one of them
	}
	x, y := s.hosts[i], s.hosts[j]
	if len(x.cuts) != len(y.cuts) {
		return true
	}
	for run := range x.knots {
		if run >= len(y.knots) || len(x.knots[run]) == 0 || len(y.knots[run]) == 0 {
			continue
		}
		for _, k := range x.knots[run] {
			o := knotAt(y.knots[run], k.t)
			d := x.gross + x.runs[run].at(k.t) + k.off - y.gross - y.runs[run].at(k.t) - o.off
			if d > k.minus+o.plus || -d > k.plus+o.minus {
				return true
			}
		}
	}
	return false
}
