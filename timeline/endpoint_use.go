package timeline

import (
	"cmp"
	"slices"
)

// A useOf is what a service is asked for: method, and route or shape of the path.
type useOf struct{ service, asks string }

// A use counts the exchanges of one kind that a service answered, and in how many of them it had an answer of each of those that it called.
type use struct {
	exchanges int
	answered  map[string]int // by callee's service
}

// usesMost bounds the kinds of exchanges that are counted: without shapes that are of more than one request there would be no end.
const usesMost = 10000

func useKey(h *Hop) (useOf, bool) {
	sp := h.span()
	if sp == nil {
		return useOf{}, false
	}
	path := cmp.Or(sp.Attrs.Get("http.route"), PathShape(sp.Attrs.Get("url.path")))
	return useOf{h.Service, sp.Attrs.Get("http.request.method") + " " + path}, path != ""
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

// How many exchanges of a kind must be read, and in which share of them a service must have been called, for holding that it always is.
const (
	usesLeast = 5
	usesShare = 0.9
)

// use counts whom an exchange that was answered without a failure called. One that is joined alone was not read with all that was logged of it.
func (d *bookDraft) use(h *Hop) {
	k, ok := useKey(h)
	if !ok || h.span().Join == ByInferred || !h.Sent.Known() || h.Sent.Failed() || d.uses[k] == nil && len(d.uses) >= usesMost {
		return
	}
	if d.uses[k] == nil {
		d.uses[k] = &use{answered: map[string]int{}}
	}
	d.uses[k].exchanges++
	seen := map[string]bool{}
	for _, c := range h.Calls {
		if c.Callee != nil && c.Received.Known() && !seen[c.Callee.Service] {
			seen[c.Callee.Service] = true
			d.uses[k].answered[c.Callee.Service]++
		}
	}
}
