package timeline

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// An Endpoint is an address, backend name or route, and the service that answers
// there, as learnt from the requests that succeeded.
type Endpoint struct {
	Peer          string // as callers log it
	From          string // host of the callers, where Peer says something else on each host: a loopback address; else ""
	Service, Host string
	Seen          int // calls on which this rests
	Rivals        int // calls in which another service would have fitted better
}

// An EndpointBook tells which address is which service, and who usually calls whom.
type EndpointBook struct {
	Endpoints []Endpoint     // by Peer, then From
	Edges     []Edge         // by caller, then callee
	Outermost map[string]int // service -> requests in which it was the outermost hop that logged
	Requests  int            // requests on which the book rests

	uses   map[useOf]*use
	longer map[[2]string]int // {a, b}: requests in which a's exchange was clearly longer than b's
	routes map[routed]int    // answered calls of each route
	guests map[string]int    // service -> its exchanges of which no record tells who called it
	hosts  map[[2]string]int // {a, b}: of those of b, the ones at which a's exchange may have been at work
	hosted map[string]int    // service -> the most of these of any one service
	ports  []port
	open   []port                 // see LookupPort
	asked  map[[2]string][]string // {caller, port}: the hosts that its errors and failed calls to the port name
	lone   map[string]string      // see lonePeers
	denied map[denial]bool        // what does not answer at a peer, whatever the durations say
	failed failedAt               // see answersElse
	// strangers says that services log of which no record is tied to those of another one.
	strangers bool
	beside    map[[2]string]bool // see tellBeside
	alone     map[string]bool
}

// A routed is a service that a gateway calls by a route of its configuration.
type routed struct{ caller, route, callee string }

// ByRoute gives the service to which a hop usually passes on what comes by the route that its records name, "" if they name none or
// nothing tells. Of ten calls nine must go there.
func (b *EndpointBook) ByRoute(h *Hop) string {
	if b == nil {
		return ""
	}
	for _, e := range h.Events {
		route := routeOf(e.Event)
		if route == "" || e.guessed() {
			continue
		}
		callees, all := map[string]int{}, 0
		for k, n := range b.routes {
			if k.caller == h.Service && k.route == route {
				callees[k.callee], all = callees[k.callee]+n, all+n
			}
		}
		if callee, n := most(callees); n >= saidLeast && float64(n) >= saidShare*float64(all) {
			return callee
		}
	}
	return ""
}

// A denial says that a place does not answer at a peer.
type denial struct {
	at peerAt
	by place
}

// An Edge is one service calling another, counted over the requests read.
type Edge struct {
	Caller, Callee string // service.name
	Calls, Failed  int
	Recorded       int // calls of which the caller has a record
	Unanswered     int // of these, those that got no answer
	Silent         int // calls of which the callee has no record
}

// Lookup finds which service answers at the address or name that callers log; from is their host where it
// says something else on each ([Endpoint.From]), else "". The name of a group of servers ("be_orders") is that of the service of all its members
// ("be_orders/app-1"), on no host in particular.
func (b *EndpointBook) Lookup(from, peer string) (Endpoint, bool) {
	if b == nil || peer == "" {
		return Endpoint{}, false
	}
	i, ok := slices.BinarySearchFunc(b.Endpoints, Endpoint{Peer: peer, From: from}, compareEndpoints)
	if ok {
		return b.Endpoints[i], true
	}
	group := Endpoint{Peer: peer}
	for _, e := range b.Endpoints[i:] {
		if !strings.HasPrefix(e.Peer, peer) {
			break
		}
		if !strings.HasPrefix(e.Peer, peer+"/") {
			continue
		}
		if group.Service != "" && group.Service != e.Service {
			return Endpoint{}, false
		}
		group.Service = e.Service
		group.Seen += e.Seen
		group.Rivals += e.Rivals
	}
	switch {
	case group.Service != "":
		return group, true
	case from != "" && !loopback(peer):
		return b.Lookup("", peer)
	}
	return b.atPort(peer)
}

// A peerAt is a peer as callers log it, and their host where it says something else on each.
type peerAt struct{ peer, from string }

func peerOf(c *Call) peerAt {
	if beside(c) {
		return peerAt{c.Peer, c.Caller.Host}
	}
	return peerAt{peer: c.Peer}
}

func compareEndpoints(a, b Endpoint) int {
	return cmp.Or(strings.Compare(a.Peer, b.Peer), strings.Compare(a.From, b.From))
}

// beside says whether a call went to a service on its caller's own machine, by an address that says something else
// on each: a loopback address or a socket; the address at which the caller was called itself, as a sidecar passes on to the app behind it;
// or from the address that Istio's sidecar has for that (istio/istio: the inbound passthrough cluster binds 127.0.0.6 or ::6).
func beside(c *Call) bool {
	if loopback(c.Peer) {
		return true
	}
	if c.Record == nil || c.Peer == "" {
		return false
	}
	own, from := c.Record.Attrs.Get("envoy.downstream_local_address"), c.Record.Attrs.Get("envoy.upstream_local_address")
	return own == c.Peer || loopback(from)
}

// loopback says whether an address is on its writer's own machine.
func loopback(peer string) bool {
	switch peerHost(peer) {
	case "127.0.0.1", "::1", "localhost", "127.0.0.6", "::6":
		return true
	}
	return strings.HasPrefix(peer, "unix:")
}

// Edge gives how often caller was seen to call callee.
func (b *EndpointBook) Edge(caller, callee string) Edge {
	if b != nil {
		for _, e := range b.Edges {
			if e.Caller == caller && e.Callee == callee {
				return e
			}
		}
	}
	return Edge{Caller: caller, Callee: callee}
}

// forwards says whether a service was seen to call others that logged it: it hands its IDs on.
func (b *EndpointBook) forwards(service string) bool {
	if b == nil {
		return false
	}
	return slices.ContainsFunc(b.Edges, func(e Edge) bool { return e.Caller == service && e.Calls-e.Silent >= alikeLeast })
}

// usualCaller says whether a service that is outermost here mostly is not: it was
// called in more than half of the requests in which it was seen.
func (b *EndpointBook) usualCaller(service string) bool {
	if b == nil {
		return false
	}
	called := 0
	for _, e := range b.Edges {
		if e.Callee == service {
			called += e.Calls
		}
	}
	return called >= 10 && called > b.Outermost[service]*4
}

// bookDraft counts votes for what answers at a peer.
type bookDraft struct {
	votes map[peerAt]map[place]int
	total map[peerAt]int
	// beats counts, for a peer, how often one service was taken for the callee though
	// another would have fitted too.
	beats     map[beat]int
	longer    map[[2]string]int
	edges     map[[2]string]*Edge
	routes    map[routed]int
	uses      map[useOf]*use
	outermost map[string]int
	requests  int
	besides   map[string]int // host -> services that log there
	places    map[place]bool
	asked     map[peerAt]int           // requests in which the peer answered a call
	present   map[peerAt]map[place]int // of these, those in which a place logged
	said      map[peerAt]map[string]int
	reached   map[peerAt]map[place]int // see reach
	listeners
}

// A beat is a service that was taken for what answers at a peer, and one passed over.
type beat struct {
	at          peerAt
	taken, over string
}

// A place is a service on a host.
type place struct{ service, host string }

func comparePlaces(a, b place) int {
	return cmp.Or(strings.Compare(a.service, b.service), strings.Compare(a.host, b.host))
}

func newBookDraft(places map[place]bool, l listeners) *bookDraft {
	besides := map[string]int{}
	for p := range places {
		besides[p.host]++
	}
	return &bookDraft{besides: besides, places: places, listeners: l, asked: map[peerAt]int{}, present: map[peerAt]map[place]int{}, said: map[peerAt]map[string]int{}, reached: map[peerAt]map[place]int{}, beats: map[beat]int{}, longer: map[[2]string]int{}, votes: map[peerAt]map[place]int{}, total: map[peerAt]int{}, edges: map[[2]string]*Edge{}, routes: map[routed]int{}, uses: map[useOf]*use{}, outermost: map[string]int{}}
}

// coarsely is the resolution from which on lengths fit nearly all others.
const coarsely = time.Second

// vote learns from one whole request. A peer that spells a hop's host or service names
// it. Of the rest, a call and a hop belong together if the hop's duration fits into the
// call's and comes nearest to it: hops below the callee are shorter, hops above it
// longer; what was measured coarsely comes after what was not. Each hop answers one call. prior is what an earlier vote found, nil at first: a
// hop at a place that it knows under another peer is no candidate.
func (d *bookDraft) vote(hops []*Hop, calls []*Call, prior *EndpointBook) {
	d.attend(hops, calls)
	taken := map[*Hop]bool{}
	winner := map[*Call]*Hop{}
	calledBy := map[*Hop]*Hop{}
	give := func(c *Call, h *Hop, weight int) {
		winner[c], taken[h] = h, true
		at := peerOf(c)
		if d.votes[at] == nil {
			d.votes[at] = map[place]int{}
		}
		d.votes[at][place{h.Service, h.Host}] += weight
		d.total[at] += weight
	}
	type pair struct {
		c      *Call
		h      *Hop
		gap    time.Duration
		coarse bool // a second or more could be between them, so that it tells nothing against what the others tell
	}
	for _, h := range hops {
		if sp := h.span(); sp != nil && sp.caller != nil {
			taken[h] = true // its caller is known
			for _, c := range calls {
				if c.Record != nil && c.Record.Pos == *sp.caller {
					calledBy[h] = c.Caller
				}
				switch {
				case c.Record == nil || c.Record.Pos != *sp.caller || c.Peer == "" || c.Failed():
				case c.Record.Kind == ClientSpan:
					give(c, h, 3)
				case onlyCall(c, calls):
					winner[c] = h
					if sp.skipped || sp.Candidates > 1 {
						break
					}
					d.reach(peerOf(c), place{h.Service, h.Host})
					if g := groupOf(c); g != "" {
						d.reach(peerAt{peer: g}, place{service: h.Service})
					}
				}
			}
		}
	}
	usable := func(c *Call) bool { return c.Peer != "" && reached(c) && !c.Failed() }
	elsewhere := func(c *Call, h *Hop) bool {
		return beside(c) && (h.Service == c.Caller.Service || d.besides[c.Caller.Host] > 1 && h.Host != c.Caller.Host)
	}
	for _, c := range calls {
		for _, h := range hops {
			if usable(c) && winner[c] == nil && !taken[h] && !itself(h, c.Caller) && canAnswer(h, c) && d.namesOrClaims(c.Peer, h) {
				give(c, h, 3)
				calledBy[h] = c.Caller
			}
		}
	}
	d.compare(hops)
	var pairs []pair
	fitting := map[*Call][]*Hop{}
	for _, c := range calls {
		if !usable(c) {
			continue
		}
		window, windowOK := callLength(c)
		own, ownOK := hopLength(c.Caller)
		for _, h := range hops {
			if isAbove(h, c.Caller, calledBy) || itself(h, c.Caller) || elsewhere(c, h) || d.claimedElse(c.Peer, h) || prior.denies(c, h) || !canAnswer(h, c) || prior.calls(h, c.Caller.Service) || prior.above(h.Service, c.Caller.Service) {
				continue
			}
			length, ok := hopLength(h)
			if !ok || !windowOK || !within(length, window) || !within(callsLength(h), window) || ownOK && !within(length, own) {
				continue
			}
			fitting[c] = append(fitting[c], h)
			if winner[c] != nil || taken[h] || prior.otherPeer(c, h) {
				continue
			}
			pairs = append(pairs, pair{c, h, (window.d - length.d).Abs() + window.res + length.res, max(window.res, length.res) >= coarsely})
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(a.gap, b.gap) })
	for _, p := range pairs {
		if winner[p.c] == nil && !taken[p.h] && !(p.coarse && isAbove(p.h, p.c.Caller, calledBy)) {
			give(p.c, p.h, 1)
			calledBy[p.h] = p.c.Caller
		}
	}
	for c, hops := range fitting {
		for _, h := range hops {
			if w := winner[c]; w != nil && h.Service != w.Service {
				d.beats[beat{peerOf(c), w.Service, h.Service}]++
			}
		}
	}
}

// isAbove says whether a hop is another or called it, by itself or through others.
func isAbove(h, below *Hop, calledBy map[*Hop]*Hop) bool {
	for range len(calledBy) + 1 {
		if h == below {
			return true
		}
		if below = calledBy[below]; below == nil {
			break
		}
	}
	return false
}

// groupOf is the name of the group of servers to which a call's peer belongs, where the caller's record tells it beside the peer; "" if it does not.
func groupOf(c *Call) string {
	if c.Record == nil || strings.Contains(c.Peer, "/") {
		return ""
	}
	return c.Record.Attrs.Get("haproxy.backend")
}

// reach notes that a call to a peer was found, by what both ends logged of it, to be of an exchange at a place.
func (d *bookDraft) reach(at peerAt, p place) {
	if d.reached[at] == nil {
		d.reached[at] = map[place]int{}
	}
	d.reached[at][p]++
}

// peers are those of which the book tells who answers there.
func (b *EndpointBook) peers() map[peerAt]bool {
	out := map[peerAt]bool{}
	for _, e := range b.Endpoints {
		out[peerAt{e.Peer, e.From}] = true
	}
	return out
}

// byReaching adds the peers of which nothing else tells who answers there and at which nearly always one service was found.
func (d *bookDraft) byReaching(b *EndpointBook) {
	known := b.peers()
	for at, places := range d.reached {
		if known[at] {
			continue
		}
		all := 0
		for _, n := range places {
			all += n
		}
		service, n := most(byService(places))
		if n < saidLeast || float64(n) < saidShare*float64(all) {
			continue
		}
		e := Endpoint{Peer: at.peer, From: at.from, Service: service, Seen: n, Rivals: all - n}
		if hosts := hostsOf(service, places); len(hosts) == 1 {
			e.Host, _ = most(hosts)
		}
		b.Endpoints = append(b.Endpoints, e)
	}
}

// onlyCall says whether a record tells of no other call than this one: of those that a proxy made for one exchange it is not known which the callee's record is of.
func onlyCall(c *Call, calls []*Call) bool {
	return !slices.ContainsFunc(calls, func(o *Call) bool { return o != c && o.Record == c.Record })
}

// sameMethod says whether nothing that both ends of a call tell of its method differs: who stands between two passes it on.
func sameMethod(c *Call, h *Hop) bool {
	sp := h.span()
	if sp == nil || c.Method == "" {
		return true
	}
	m := sp.Attrs.Get("http.request.method")
	return m == "" || m == c.Method
}

// itself says whether caller and h are one service, which does not call itself. The sidecars of
// many hosts are one service by name, and do call each other.
func itself(h, caller *Hop) bool {
	return h.Service == caller.Service && (h.Host == caller.Host || !forwards(h) || !forwards(caller))
}

// compare counts which services' exchanges are clearly longer than which others'.
func (d *bookDraft) compare(hops []*Hop) {
	for _, a := range hops {
		for _, b := range hops {
			la, okA := hopLength(a)
			lb, okB := hopLength(b)
			if a.Service != b.Service && okA && okB && !within(la, lb) {
				d.longer[[2]string{a.Service, b.Service}]++
			}
		}
	}
}

// calls says whether a hop's own calls go to a service, so that it cannot be called by it.
func (b *EndpointBook) calls(h *Hop, service string) bool {
	for _, c := range h.Calls {
		if e, ok := b.Lookup(peerOf(c).from, c.Peer); ok && e.Service == service && !forwards(h) {
			return true
		}
	}
	return false
}

// above says whether the exchanges of service are mostly longer than caller's, so that the
// latter does not call it.
func (b *EndpointBook) above(service, caller string) bool {
	if b == nil {
		return false
	}
	more, less := b.longer[[2]string{service, caller}], b.longer[[2]string{caller, service}]
	return more >= 3 && more > 4*less
}

// otherPeer says whether the book knows the hop's place under a peer of another service than this one's.
func (b *EndpointBook) otherPeer(c *Call, h *Hop) bool {
	own, ok := b.Lookup(peerOf(c).from, c.Peer)
	if !ok || own.Service == h.Service {
		return false
	}
	return slices.ContainsFunc(b.Endpoints, func(e Endpoint) bool { return e.Service == h.Service })
}

// A length is a duration as logged and its resolution.
type length struct{ d, res time.Duration }

// within says whether an exchange of length a fits into one of length b: both are
// truncated or rounded, and a service logs after its last byte is out.
func within(a, b length) bool {
	const late = 300 * time.Microsecond
	return a.d-a.res <= b.d+b.res+late
}

// names says whether a peer's spelling has the hop's host or service as a whole part.
func names(peer string, h *Hop) bool {
	for _, part := range strings.FieldsFunc(peer, func(r rune) bool { return r == '/' || r == ':' || r == '@' }) {
		part, _, _ = strings.Cut(part, ".")
		if part != "" && (part == h.Host || part == h.Service) {
			return true
		}
	}
	return false
}

// namesAnother says whether a peer is spelled by names, none of which is the hop's host or service.
func namesAnother(peer string, h *Hop) bool {
	first, _, _ := strings.Cut(peer, "/")
	return strings.Contains(peer, "/") && !strings.Contains(first, ":") && !names(peer, h)
}

func hopLength(h *Hop) (length, bool) {
	if s := h.span(); s != nil && s.Stamp.HasDuration() {
		return length{s.Duration, s.Stamp.DurationResolution}, true
	}
	return length{}, false
}

func callLength(c *Call) (length, bool) {
	if c.Record == nil {
		return length{}, false
	}
	for _, o := range c.Record.Calls {
		if o.Peer == c.Peer && o.Timed {
			return outcallLength(o, c.Record.Event), true
		}
	}
	if c.Record.Stamp.HasDuration() {
		return length{c.Record.Duration, c.Record.Stamp.DurationResolution}, true
	}
	return length{}, false
}

// outcallLength gives how long a call lasted of which a record tells: one that is no multiple of the record's resolution was written more finely.
func outcallLength(o Outcall, e *Event) length {
	res := e.Stamp.DurationResolution
	if res > time.Millisecond && o.Duration%res != 0 {
		res = time.Millisecond
	}
	return length{o.Duration, res}
}

// callsLength gives the length of the longest call of which the record of a hop's exchange tells; the exchange lasted no less.
func callsLength(h *Hop) (out length) {
	if s := h.span(); s != nil {
		for _, o := range s.Calls {
			if o.Timed && o.Duration > out.d {
				out = outcallLength(o, s.Event)
			}
		}
	}
	return out
}

// count learns who calls whom from a request whose calls have their callees.
func (d *bookDraft) count(r *Request) {
	root := r.Root()
	if root == nil {
		return
	}
	d.requests++
	d.outermost[root.Service]++
	for _, c := range r.Calls {
		if c.Callee == nil {
			continue
		}
		k := [2]string{c.Caller.Service, c.Callee.Service}
		if d.edges[k] == nil {
			d.edges[k] = &Edge{Caller: k[0], Callee: k[1]}
		}
		d.edges[k].Calls++
		if c.Record != nil {
			d.edges[k].Recorded++
			if route := routeOf(c.Record.Event); route != "" && !c.Failed() {
				d.routes[routed{k[0], route, k[1]}]++
			}
		}
		if c.Failed() {
			d.edges[k].Failed++
		}
		if c.Callee.Silent {
			d.edges[k].Silent++
		}
		if c.Record != nil && !c.Received.Known() {
			d.edges[k].Unanswered++
		}
	}
	beside := map[string]bool{} // the services that logged
	for _, h := range r.Hops {
		if !h.Silent {
			beside[h.Service] = true
		}
	}
	for _, h := range r.Hops {
		d.use(h, beside)
	}
}

// settle picks the service of a peer and counts the votes for it: one that no other beats
// where both were seen, for a callee whose logs are often missing has fewer votes than those below it. Three in five
// votes must be for it or for what it beats.
func (d *bookDraft) settle(at peerAt, votes map[string]int) (service string, n int, ok bool) {
	beaten := func(a, by string) bool {
		won, lost := d.beats[beat{at, by, a}], d.beats[beat{at, a, by}]
		return won >= 3 && won > 2*lost
	}
	for s, v := range votes {
		lost := false
		for other := range votes {
			lost = lost || beaten(s, other)
		}
		if !lost && (v > n || v == n && (service == "" || s < service)) {
			service, n = s, v
		}
	}
	held := 0
	for s, v := range votes {
		if s == service || beaten(s, service) {
			held += v
		}
	}
	return service, n, service != "" && held*5 >= d.total[at]*3
}

// book settles the votes. A peer is a host if three in five votes for its service name
// that one.
func (d *bookDraft) book() *EndpointBook {
	b := &EndpointBook{Outermost: d.outermost, Requests: d.requests, uses: d.uses, longer: d.longer, routes: d.routes, denied: map[denial]bool{}, ports: d.ports, open: d.open}
	for at, votes := range d.votes {
		if _, ok := d.claims[at.peer]; ok {
			continue
		}
		service, n, ok := d.settle(at, byService(votes))
		if !ok {
			continue
		}
		host, hn := most(hostsOf(service, votes))
		if hn*5 < n*3 {
			host = ""
		}
		b.Endpoints = append(b.Endpoints, Endpoint{Peer: at.peer, From: at.from, Service: service, Host: host, Seen: n, Rivals: d.total[at] - n})
	}
	d.deny(b)
	for peer, p := range d.claims {
		b.Endpoints = append(b.Endpoints, Endpoint{Peer: peer, Service: p.service, Host: p.host, Seen: 1})
	}
	d.bySaying(b)
	d.byReaching(b)
	b.tellBeside()
	slices.SortFunc(b.Endpoints, compareEndpoints)
	for _, e := range d.edges {
		b.Edges = append(b.Edges, *e)
	}
	slices.SortFunc(b.Edges, func(x, y Edge) int {
		return cmp.Or(strings.Compare(x.Caller, y.Caller), strings.Compare(x.Callee, y.Callee))
	})
	return b
}

// byService sums up what was counted of places by their services.
func byService(places map[place]int) map[string]int {
	out := map[string]int{}
	for p, n := range places {
		out[p.service] += n
	}
	return out
}

// hostsOf gives what was counted of the places of a service by their hosts.
func hostsOf(service string, places map[place]int) map[string]int {
	out := map[string]int{}
	for p, n := range places {
		if p.service == service {
			out[p.host] += n
		}
	}
	return out
}

// most gives the key with the highest count, the smallest of equals.
func most(m map[string]int) (string, int) {
	best, n := "", 0
	for k, c := range m {
		if c > n || c == n && k < best {
			best, n = k, c
		}
	}
	return best, n
}
