package timeline

import (
	"cmp"
	"slices"
)

// A useOf is what a service is asked for: method, and route or shape of the path.
type useOf struct{ service, asks string }

// A use counts the exchanges of one kind that a service answered, and in how many of them it had an answer of each of those that it called, and
// each other service left a record of the request.
type use struct {
	exchanges int
	answered  map[string]int // by callee's service
	beside    map[string]int // by service
	alone     int            // exchanges of whose request nobody else left a record
}

// usesMost bounds the kinds of exchanges that are counted: without shapes that are of more than one request there would be no end.
const usesMost = 10000

func useKey(h *Hop) (useOf, bool) {
	sp := h.span()
	if sp == nil {
		return useOf{}, false
	}
	return useKeyOf(h.Service, sp.Event)
}

func useKeyOf(service string, e *Event) (useOf, bool) {
	path := cmp.Or(e.Attrs.Get("http.route"), PathShape(e.Attrs.Get("url.path")))
	return useOf{service, e.Attrs.Get("http.request.method") + " " + path}, path != ""
}

// Always gives the services of which h's had an answer in nearly all exchanges of h's kind that it answered without a failure, sorted.
// It is nil where too few of them were read.
func (b *EndpointBook) Always(h *Hop) []string {
	k, ok := useKey(h)
	if b == nil || !ok || b.uses[k] == nil || b.uses[k].exchanges < usesLeast {
		return nil
	}
	var out []string
	for callee, n := range b.uses[k].answered {
		if float64(n) >= usesShare*float64(b.uses[k].exchanges) {
			out = append(out, callee)
		}
	}
	slices.Sort(out)
	return out
}

// Without says whether of most requests in which an exchange of h's kind was answered without a failure a service left no record, and of those
// of another kind it left one: it is not whom exchanges of h's kind need.
func (b *EndpointBook) Without(h *Hop, service string) bool {
	k, ok := useKey(h)
	return ok && b.without(k, service)
}

func (b *EndpointBook) without(k useOf, service string) bool {
	u := b.uses[k]
	return u != nil && u.exchanges >= usesLeast && 2*u.beside[service] < u.exchanges && b.beside[[2]string{k.service, service}]
}

// tellBeside tells of the services that left records of nearly all requests in which another one answered exchanges of some kind, and of those with
// exchanges of some kind of whose requests mostly nobody else left one.
func (b *EndpointBook) tellBeside() {
	b.beside, b.alone = map[[2]string]bool{}, map[string]bool{}
	for k, u := range b.uses {
		if u.exchanges < usesLeast {
			continue
		}
		for s, n := range u.beside {
			if float64(n) >= usesShare*float64(u.exchanges) {
				b.beside[[2]string{k.service, s}] = true
			}
		}
		if 2*u.alone > u.exchanges {
			b.alone[k.service] = true
		}
	}
}

// How many exchanges of a kind must be read, and in which share of them a service must have been called, for holding that it always is.
const (
	usesLeast = 5
	usesShare = 0.9
)

// use counts whom an exchange that was answered without a failure called, and whose records of the request there are. One that is joined alone
// was not read with all that was logged of it.
func (d *bookDraft) use(h *Hop, beside map[string]bool) {
	k, ok := useKey(h)
	if !ok || h.span().guessed() || !h.Sent.Known() || h.Sent.Failed() || d.uses[k] == nil && len(d.uses) >= usesMost {
		return
	}
	u := d.uses[k]
	if u == nil {
		u = &use{answered: map[string]int{}, beside: map[string]int{}}
		d.uses[k] = u
	}
	u.exchanges++
	for s := range beside {
		u.beside[s]++
	}
	u.alone += boolInt(len(beside) < 2)
	seen := map[string]bool{}
	for _, c := range h.Calls {
		if c.Callee != nil && c.Received.Known() && !seen[c.Callee.Service] {
			seen[c.Callee.Service] = true
			u.answered[c.Callee.Service]++
		}
	}
}
