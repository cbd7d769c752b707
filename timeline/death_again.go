package timeline

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// An operation is what a request asks a service for, one among many like it: GET /orders/{}.
type operation struct{ method, path string }

func (o operation) String() string { return o.method + " " + o.path }

func compareOperations(a, b operation) int {
	return cmp.Or(strings.Compare(a.method, b.method), strings.Compare(a.path, b.path))
}

// operation gives what x was asked for, by its own record or by its caller's; ok is false if neither tells.
func (x *exchange) operation() (o operation, ok bool) {
	o = operation{x.method, PathShape(x.path)}
	if o.path == "" && x.hop != nil && x.hop.Caller != nil {
		o = operation{x.hop.Caller.Method, PathShape(x.hop.Caller.Target)}
	}
	return o, o.method != "" && o.path != ""
}

// deathIn tells in which code a process died, if e is the record of that and names it. Of what ran out of memory, the code is only that which asked for
// it last.
func deathIn(e *Event) (p codePlace, ok bool) {
	if e.Exception == nil || e.Lifecycle != ProcessCrashed {
		return p, false
	}
	p, ok = codePlaceOf(e)
	return p, ok && p.function != "" && p.words == ""
}

// killedAgain tells the killer from the victims where processes died several times in the same code. A place in code mostly serves one
// operation: if only one was in flight each time, and of those that were at work at one death only one request asked for it, it is this. Of several
// that were there each time, all but one were so by chance, which is likely of what is asked for often: it is the one of which it is least likely, if by
// far. A request whose operation is not known may have asked for any. share tells which part of what is in flight asks for an operation; 1 if that is not known.
func killedAgain(events []*Event, joins [][]inferred, share func(operation) float64) {
	deaths := map[codePlace][]int{}
	for i, e := range events {
		if p, ok := deathIn(e); ok && len(joins[i]) > 0 {
			deaths[p] = append(deaths[p], i)
		}
	}
	for _, list := range deaths {
		var each map[operation]bool // asked for at each death
		var inFlight []int          // at each death
		seen := map[string]bool{}
		for _, i := range list {
			at := map[operation]bool{}
			told, again := true, false
			for _, in := range joins[i] {
				again = again || seen[in.set]
				told = told && len(in.asked) > 0
				for _, o := range in.asked {
					at[o] = true
				}
			}
			if again || !told {
				continue // told twice, or one that leaves everything open
			}
			for _, in := range joins[i] {
				seen[in.set] = true
			}
			if inFlight = append(inFlight, len(joins[i])); len(inFlight) == 1 {
				each = at
			} else {
				maps.DeleteFunc(each, func(o operation, _ bool) bool { return !at[o] })
			}
		}
		if len(inFlight) < 2 {
			continue
		}
		o, ok := leastByChance(each, inFlight, share)
		if !ok {
			continue
		}
		words := fmt.Sprintf("which was in flight each of the %d times that it died in this code", len(inFlight))
		if len(each) > 1 {
			words = fmt.Sprintf("by far the rarest of what was in flight each of the %d times that it died in this code", len(inFlight))
		}
		for _, i := range list {
			var by []inferred
			for _, in := range joins[i] {
				if len(in.asked) == 0 || slices.Contains(in.asked, o) {
					by = append(by, in)
				}
			}
			if len(joins[i]) < 2 || len(by) != 1 || len(by[0].asked) == 0 {
				continue
			}
			in := by[0]
			in.told = true
			in.apart = fmt.Sprintf("of %d requests at work only this one asked for %.80q, %s", in.candidates, o, words)
			in.reason += "; " + in.apart
			joins[i] = []inferred{in}
		}
	}
}

// byFar is how many times less likely it must be of one operation than of any other that it was in flight each time by chance.
const byFar = 20

// leastByChance gives the one of the operations that were in flight at each of several deaths, beside so many requests as there were then in all, that was
// least likely there by chance; ok is false if another one comes near to it.
func leastByChance(each map[operation]bool, inFlight []int, share func(operation) float64) (least operation, ok bool) {
	if len(each) == 1 {
		for o := range each {
			return o, true
		}
	}
	best, second := math.Inf(1), math.Inf(1)
	for _, o := range slices.SortedFunc(maps.Keys(each), compareOperations) {
		chance := 1.0
		for _, n := range inFlight {
			chance *= 1 - math.Pow(1-share(o), float64(n-1))
		}
		if chance < best {
			least, best, second = o, chance, best
		} else {
			second = min(second, chance)
		}
	}
	return least, len(each) > 1 && second > best && second >= byFar*best
}

// sharesLeast is of how many answered exchanges a log must tell for saying how often something is asked for.
const sharesLeast = 100

// shares gives which part of what is in flight at any moment asks for an operation, as far as it was answered, by the log in which it is the greatest part: what
// takes longer is there more often. What no log tells of is taken to be one exchange, as long as the longest. It gives 1 if too few are known.
func (c *collector) shares() func(operation) float64 {
	type log struct {
		of           map[operation]time.Duration
		all, longest time.Duration
		n            int
	}
	logs := map[string]*log{}
	for _, e := range c.events {
		o := operation{e.Attrs.Get("http.request.method"), PathShape(e.Attrs.Get("url.path"))}
		if e.Kind != ServerSpan || !e.Status().Known() || e.Status().Failed() || o.method == "" || o.path == "" {
			continue
		}
		l := logs[e.Service]
		if l == nil {
			l = &log{of: map[operation]time.Duration{}}
			logs[e.Service] = l
		}
		took := max(e.Duration, 1)
		l.of[o] += took
		l.all, l.longest, l.n = l.all+took, max(l.longest, took), l.n+1
	}
	return func(o operation) float64 {
		part, known := 0.0, false
		for _, l := range logs {
			if l.n >= sharesLeast {
				part, known = max(part, float64(max(l.of[o], l.longest))/float64(l.all)), true
			}
		}
		if !known {
			return 1
		}
		return part
	}
}

// diedBefore says whether a wanted request fits a death of which it is not known whose work it was, while there are other deaths in the same
// code around it, and reads the requests that failed when these were.
func (c *collector) diedBefore() bool {
	if !c.byID() {
		return false // all that failed is there
	}
	open := map[codePlace]bool{}
	sets := c.sets()
	for set, rs := range c.drafts {
		if !c.isWanted(set, sets[set]) {
			continue
		}
		for _, r := range rs {
			for i := range r.Events {
				if e := &r.Events[i]; e.Candidates > 1 && !e.Told {
					if p, ok := deathIn(e.Event); ok {
						open[p] = true
					}
				}
			}
		}
	}
	var spans []Window
	j := &joiner{clocks: c.clocks, lives: c.lives, openEnds: c.openEnds}
	for _, e := range c.life {
		if p, ok := deathIn(e); !ok || !open[p] {
			continue
		}
		ats, _ := j.writtenAt(e)
		for _, at := range ats {
			if at.Known() && !vague(at) {
				spans = append(spans, Window{From: at.Earliest.Add(-nearby), To: at.Latest.Add(nearby)})
			}
		}
	}
	if len(spans) == 0 {
		return false
	}
	before := len(c.near)
	c.failedWithin(spans)
	return len(c.near) > before
}

// withOperations gives joins the operations that exchanges of their sets were asked for; none for a set with one of which that is not known.
func withOperations(joins []inferred, xs []*exchange) []inferred {
	for i := range joins {
		for _, x := range xs {
			if x.set != joins[i].set {
				continue
			}
			o, ok := x.operation()
			if !ok {
				joins[i].asked = nil
				break
			}
			if !slices.Contains(joins[i].asked, o) {
				joins[i].asked = append(joins[i].asked, o)
			}
		}
	}
	return joins
}
