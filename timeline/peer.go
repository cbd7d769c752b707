package timeline

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// A port is one at which a service says that it listens, without saying on which address.
type port struct {
	place
	number string
}

// atPort finds the one service that says that it listens at the port of peer.
func (b *EndpointBook) atPort(peer string) (Endpoint, bool) {
	_, number, ok := hostPort(peer)
	if !ok {
		return Endpoint{}, false
	}
	var found []port
	for _, p := range b.ports {
		if p.number == number {
			found = append(found, p)
		}
	}
	if len(found) != 1 {
		return Endpoint{}, false
	}
	return Endpoint{Peer: peer, Service: found[0].service, Host: found[0].host}, true
}

// LookupHost finds which service answers at an address that is named without a port, as by httpd's "failed to make connection to backend: 10.0.0.5": that of
// all addresses there that are known, if they are one's. from is as of [EndpointBook.Lookup].
func (b *EndpointBook) LookupHost(from, host string) (Endpoint, bool) {
	if _, err := netip.ParseAddr(host); err != nil || b == nil {
		return Endpoint{}, false
	}
	out := Endpoint{Peer: host, From: from}
	for _, e := range b.Endpoints {
		if peerHost(e.Peer) != host || e.From != "" && e.From != from {
			continue
		}
		if out.Service != "" && (out.Service != e.Service || out.Host != e.Host) {
			return Endpoint{}, false
		}
		out.Service, out.Host = e.Service, e.Host
		out.Seen += e.Seen
		out.Rivals += e.Rivals
	}
	return out, out.Service != ""
}

// LookupPort finds the service that answers at an address of which nothing tells but that calls of a service to it failed: the one of those which that
// service calls that says that it listens at the port, if each of the others is known to answer elsewhere, and calls to the port
// name no more hosts than it has.
func (b *EndpointBook) LookupPort(caller, peer string) (Endpoint, bool) {
	_, number, ok := hostPort(peer)
	if b == nil || !ok || len(b.open) == 0 {
		return Endpoint{}, false
	}
	found := Endpoint{Peer: peer}
	for _, e := range b.Edges {
		if e.Caller != caller || e.Callee == caller || e.Calls == e.Silent {
			continue
		}
		here, elsewhere := b.listensOn(e.Callee, number)
		switch {
		case here && found.Service != "", !here && !elsewhere:
			return Endpoint{}, false
		case here:
			found.Service = e.Callee
		}
	}
	hosts := map[string]bool{}
	for _, p := range b.open {
		if p.service == found.Service {
			hosts[p.host] = true
			found.Host = p.host
		}
	}
	if len(hosts) > 1 {
		found.Host = ""
	}
	if found.Service == "" || len(b.asked[[2]string{caller, number}]) > len(hosts) || b.answersElse(caller, peer, found.Service) {
		return Endpoint{}, false
	}
	return found, true
}

// listensOn says whether a service says that it listens at a port, and whether it is known to answer at others.
func (b *EndpointBook) listensOn(service, number string) (here, elsewhere bool) {
	for _, p := range b.open {
		if p.service == service {
			here, elsewhere = here || p.number == number, elsewhere || p.number != number
		}
	}
	for _, e := range b.Endpoints {
		if e.Service == service {
			_, n, ok := hostPort(e.Peer)
			here, elsewhere = here || ok && n == number, elsewhere || !ok || n != number
		}
	}
	return here, elsewhere
}

// addressInError is an address with a port.
var addressInError = regexp.MustCompile(`\b(?:\d{1,3}\.){3}\d{1,3}:\d{2,5}\b`)

// askedAt gives the hosts that errors and failed calls name, by the callers and the ports.
func askedAt(records []*Event) map[[2]string][]string {
	out := map[[2]string][]string{}
	for _, e := range records {
		var peers []string
		if e.Failed || e.Exception != nil {
			peers = addressInError.FindAllString(errorText(e), -1)
		}
		for i := range e.Calls {
			if c := &e.Calls[i]; madeAndFailed(c) {
				peers = append(peers, c.Peer)
			}
		}
		for _, p := range peers {
			host, number, ok := hostPort(p)
			if k := [2]string{e.Service, number}; ok && !slices.Contains(out[k], host) {
				out[k] = append(out[k], host)
			}
		}
	}
	return out
}

// hostPort parts a peer that is an address, or a name, with a port.
func hostPort(peer string) (host, port string, ok bool) {
	if _, rest, found := strings.Cut(peer, "://"); found {
		peer, _, _ = strings.Cut(rest, "/")
	}
	i := strings.LastIndexByte(peer, ':')
	if i <= 0 || strings.Trim(peer[i+1:], "0123456789") != "" || i+1 == len(peer) {
		return "", "", false
	}
	return strings.Trim(peer[:i], "[]"), peer[i+1:], true
}

// OnlyCallee gives the service to which another one was seen to make nearly all its calls; "" if there is none.
func (b *EndpointBook) OnlyCallee(service string) string {
	if b == nil {
		return ""
	}
	most, all := Edge{}, 0
	var edges []Edge
	for _, e := range b.Edges {
		// Who calls it, through whichever others and much more often, is not called by it, but where a record says so.
		if e.Caller == service && e.Callee != service && (e.Recorded > 0 || !b.leads(e.Callee, service, e.Calls*onlyCalleeOf)) {
			edges = append(edges, e)
		}
	}
	for _, e := range edges {
		if e.Calls > most.Calls {
			most = e
		}
	}
	for _, e := range edges {
		// What stands behind its callee, and it has no record of calling, it called through that, which left no record then.
		if e.Callee == most.Callee || e.Recorded > 0 || !b.leads(most.Callee, e.Callee, alikeLeast) {
			all += e.Calls
		}
	}
	if most.Calls < alikeLeast || most.Calls*onlyCalleeOf < all*(onlyCalleeOf-1) {
		return ""
	}
	return most.Callee
}

// leads says whether what one service is asked comes to another one, through whichever others, by so many calls of each at least.
func (b *EndpointBook) leads(from, to string, least int) bool {
	seen := map[string]bool{from: true}
	for todo := []string{from}; len(todo) > 0; todo = todo[1:] {
		for _, e := range b.Edges {
			if e.Caller != todo[0] || e.Calls < least || seen[e.Callee] {
				continue
			}
			if e.Callee == to {
				return true
			}
			seen[e.Callee] = true
			todo = append(todo, e.Callee)
		}
	}
	return false
}

// onlyCalleeOf: one call of so many may have gone elsewhere, as where a record was lost.
const onlyCalleeOf = 10

// lonePeers gives, for the services whose records name the server that a call failed to reach, the one host that they name, if there
// is one alone that the book does not know.
func (b *EndpointBook) lonePeers(records []*Event) map[string]string {
	named := map[string][]string{}
	for _, e := range records {
		for _, p := range peersNamed(e) {
			if !slices.Contains(named[e.Service], p) {
				named[e.Service] = append(named[e.Service], p)
			}
		}
	}
	out := map[string]string{}
	for s, peers := range named {
		peers = slices.DeleteFunc(peers, func(p string) bool {
			return slices.ContainsFunc(b.Endpoints, func(e Endpoint) bool { return peerHost(e.Peer) == p })
		})
		if len(peers) == 1 {
			out[s] = peers[0]
		}
	}
	return out
}

// peersNamed gives the hosts of the servers that a record names.
func peersNamed(e *Event) (hosts []string) {
	peers := []string{upstreamOf(e)}
	for _, c := range e.Calls {
		peers = append(peers, c.Peer)
	}
	for _, p := range peers {
		if p = peerHost(p); p != "" && !loopback(p) {
			hosts = append(hosts, p)
		}
	}
	return hosts
}

// A failedAt is what a caller was asked for when calls to a host failed: of {caller, host} the kinds of exchanges.
type failedAt map[[2]string]map[useOf]bool

func failedAtOf(records []*Event) failedAt {
	out := failedAt{}
	for _, e := range records {
		k, ok := useKeyOf(e.Service, e)
		if !ok {
			continue
		}
		for _, p := range peersNamed(e) {
			at := [2]string{e.Service, p}
			if out[at] == nil {
				out[at] = map[useOf]bool{}
			}
			out[at][k] = true
		}
	}
	return out
}

// answersElse says whether another service than this one, of which no record is found, seems to answer at a peer of which nothing else tells who does:
// exchanges of the caller like those that failed there mostly succeed without a record of it; or, where strangers log, some
// of other kinds without one of anybody else, so that it is no more likely to be called than they are.
func (b *EndpointBook) answersElse(caller, peer, service string) bool {
	if b == nil {
		return false
	}
	kinds := b.failed[[2]string{caller, peerHost(peer)}]
	for k := range kinds {
		if b.without(k, service) {
			return true
		}
	}
	return len(kinds) > 0 && b.strangers && b.alone[caller] && b.beside[[2]string{caller, service}]
}

// LookupLone finds which service answers at a peer that no call was seen to reach: where a proxy passes on to one service alone, and names one
// server alone when it fails, that is it.
func (b *EndpointBook) LookupLone(caller, peer string) (Endpoint, bool) {
	if b == nil || peer == "" || b.lone[caller] == "" || b.lone[caller] != peerHost(peer) {
		return Endpoint{}, false
	}
	service := b.OnlyCallee(caller)
	if b.answersElse(caller, peer, service) {
		return Endpoint{}, false
	}
	return Endpoint{Peer: peer, Service: service}, service != ""
}
