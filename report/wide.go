package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/timeline"
)

// links prints why the IDs of the request are one request's.
func (p *printer) links(aliases []timeline.Alias) {
	if len(aliases) == 0 {
		return
	}
	p.put(span{"ids", bold})
	for _, a := range aliases {
		p.whole(line{{"      " + Visible(a.B.String()) + " is " + Visible(a.A.String()), plain}, {"  " + Visible(a.Pos.String()), plain}, {"  " + Visible(a.Reason), dim}})
	}
	p.put()
}

// events prints every event of the request with its raw and its aligned time; those of
// hosts that are not tied to the others below, each host's for itself.
func (p *printer) events(c *correlate.Case) {
	r := c.Request
	p.put(span{"events", bold})
	main := make([]*timeline.Joined, 0, len(r.Events))
	if p.o.NoAlign {
		p.prose("  ", noAlignNote, dim)
		for i := range r.Events {
			main = append(main, &r.Events[i])
		}
		slices.SortStableFunc(main, asCalled)
		for _, e := range main {
			p.event(e, "", "")
		}
		return
	}
	untied := untiedHosts(c)
	zero := zeroOf(r, untied)
	lanes := map[string][]*timeline.Joined{}
	var hosts []string
	for i := range r.Events {
		e := &r.Events[i]
		if _, ok := untied[e.Host]; !ok {
			main = append(main, e)
			continue
		}
		if lanes[e.Host] == nil {
			hosts = append(hosts, e.Host)
		}
		lanes[e.Host] = append(lanes[e.Host], e)
	}
	likely := false
	for i, e := range main {
		when, sl := "?", ""
		if e.Start.Known() && !zero.IsZero() {
			when, sl = since(e.Start.Time.Sub(zero)), "±"+slack(e.Start.Slack())
		}
		if i > 0 && e.Host != main[i-1].Host && likelyAfter(main[i-1].Start, e.Start) && !follows(r, e, main[i-1]) {
			when, likely = likelyMark+when, true
		}
		p.event(e, when, sl)
	}
	if likely {
		p.prose("  ", likelyLegend, dim)
	}
	for _, h := range hosts {
		p.prose("  ", untiedHead(h, untied[h]), dim)
		for _, e := range lanes[h] {
			p.event(e, "", "")
		}
	}
}

// follows says whether e is a record of a hop that worked for the one whose exchange the
// other record is: it was made after that had begun.
func follows(r *timeline.Request, e, other *timeline.Joined) bool {
	return other.Kind == timeline.ServerSpan && e.Hop != nil && other.Hop != nil && calledBy(r, e.Hop, other.Hop)
}

// asCalled orders events by their hops, callers first, and those of one hop by position.
func asCalled(a, b *timeline.Joined) int {
	id := func(e *timeline.Joined) int {
		if e.Hop == nil {
			return math.MaxInt
		}
		return e.Hop.ID
	}
	return cmp.Or(cmp.Compare(id(a), id(b)), a.Pos.Compare(b.Pos))
}

// event prints one event: when it was and how well that is known (not where clocks are not
// corrected), its stamp, whose it is and where it stands, and its record.
func (p *printer) event(e *timeline.Joined, when, sl string) {
	hop := ""
	if e.Hop != nil {
		hop = fmt.Sprintf("%d ", e.Hop.ID)
	}
	join := e.Join.String()
	if e.Join == timeline.ByInferred {
		join = fmt.Sprintf("inferred, 1 of %s", plural(max(e.Candidates, 1), "candidate"))
		if e.Reason != "" {
			join += ": " + e.Reason
		}
	}
	who := strings.TrimSpace(e.Service + " " + e.Host)
	if e.Service == e.Host {
		who = e.Service
	}
	l := line{{fmt.Sprintf("%4d  ", e.ID), dim}}
	if !p.o.NoAlign {
		l = append(l, span{padLeft(when, 9) + " " + pad(sl, 6) + "  ", plain})
	}
	l = append(l, span{"raw " + rawStamp(e, p.o.Location, true) + zoneNote(e.Stamp) + "  ", plain}, span{"hop " + hop + Visible(who) + "  ", plain},
		span{e.Kind.String() + "  ", dim}, span{Visible(e.Pos.String()) + "  ", plain}, span{Visible(join), dim})
	p.whole(l)
	text := string(e.Raw)
	if text == "" {
		text = e.Body
	}
	for _, s := range visibleLines(text) {
		p.whole(line{{"      " + s, plain}})
	}
}

func zoneNote(s timeline.Stamp) string {
	if s.Zone == timeline.ZoneUnknown {
		return " (zone not written)"
	}
	return ""
}

// whole prints a line without cutting it.
func (p *printer) whole(l line) {
	w := p.o.Width
	p.o.Width = 0
	p.put(l...)
	p.o.Width = w
}
