package timeline

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
)

// processDeath says whether e tells that its process died of an error in code, which some request's work
// brought about: the text of a panic, an uncaught exception.
func processDeath(e *Event) bool {
	return e.Exception != nil && (e.Lifecycle == ProcessCrashed || e.Lifecycle == ProcessOOMKilled)
}

// workerDeath says whether e tells that one worker of several died of the work that it did.
func workerDeath(e *Event) bool {
	_, worker := subjectOf(e)
	return worker && toldDeath(e)
}

// toldDeath says whether e tells, as of another process, that one died of its work, and when.
func toldDeath(e *Event) bool {
	return e.Exception == nil && e.Lifecycle.OfItsWork() && !e.Undated()
}

// tellsLoss says whether e is the death of a worker at a moment that calls lost then can be held against. The kernel tells of one by its process
// alone.
func (c *collector) tellsLoss(e *Event) bool {
	if !toldDeath(e) {
		return false
	}
	if _, worker := subjectOf(e); !worker {
		if p := endOf(c.lives, e); p == nil || !p.Worker {
			return false
		}
	}
	return !vague(toldAt(e, nil, c.clocks))
}

// deathTakes is for how long at most a worker is still there when its master has written that it dies: one that is stopped for its silence
// is asked to end before it is made to.
const deathTakes = 2 * time.Second

// A lostCall is a call whose connection broke before its callee had answered.
type lostCall struct {
	set      string
	host     string  // its callee's, "" if it is not known
	pid      string  // of its callee's process, likewise
	from, to Instant // its callee was at work
}

// A lostWith is a call that may have been lost with a worker that died.
type lostWith struct {
	call  *lostCall
	death *Event
}

// workersLost finds the calls that were lost with the workers of whose deaths records tell, and gives these records by the calls' alias sets.
// Where as many workers died as calls were lost, each was lost with a worker of its own, which died of it; where fewer did, one
// had several of them at once, and all but one had nothing to do with its death.
func (c *collector) workersLost() map[string][]Joined {
	lost := map[string][]*lostCall{} // by services
	for _, set := range slices.Sorted(maps.Keys(c.drafts)) {
		for _, r := range c.drafts[set] {
			for _, h := range r.Hops {
				if h.Caller == nil || h.Caller.Ended != Reset && h.Caller.Ended != Truncated || h.Sent.Known() || h.DiedOf() != nil {
					continue
				}
				from, to := hopWindow(h)
				lost[h.Service] = append(lost[h.Service], &lostCall{set, h.Host, h.pid(), from, to})
			}
		}
	}
	var pairs []lostWith
	for _, e := range c.deathsToldOnce() {
		at := toldAt(e, nil, c.clocks)
		pid, _ := subjectOf(e)
		var with []lostWith
		for _, x := range lost[e.Service] {
			if (x.host == "" || x.host == e.Host) && (pid == "" || x.pid == "" || pid == x.pid) && !at.CertainlyBefore(x.from) && !x.to.Add(lateLine).CertainlyBefore(at) && !at.Add(deathTakes).CertainlyBefore(x.to) {
				with = append(with, lostWith{x, e})
			}
		}
		pairs = append(pairs, tookLong(with)...)
	}
	out := map[string][]Joined{}
	for _, group := range components(pairs, func(p lostWith) (a, b any) { return p.call, p.death }) {
		held := map[*Event]map[string]bool{} // requests
		calls, with := choices(group, func(p lostWith) (*lostCall, *Event) { return p.call, p.death })
		for _, p := range group {
			if held[p.death] == nil {
				held[p.death] = map[string]bool{}
			}
			held[p.death][p.call.set] = true
		}
		slices.SortStableFunc(calls, func(a, b *lostCall) int { return a.to.Time.Compare(b.to.Time) })
		for _, deaths := range with {
			slices.SortStableFunc(deaths, func(a, b *Event) int { return a.Time.Compare(b.Time) }) // of one host
		}
		of := perfect(calls, func(x *lostCall) []*Event { return with[x] })
		for _, x := range calls {
			if e := of[x]; e != nil {
				out[x.set] = append(out[x.set], Joined{Event: e, Join: ByInferred, Candidates: 1, Reason: fmt.Sprintf("the worker died when the connection to it broke; %d died then, and %d connections broke", len(held), len(calls))})
				continue
			}
			for _, e := range with[x] {
				out[x.set] = append(out[x.set], Joined{Event: e, Join: ByInferred, Candidates: len(held[e]), Reason: "the worker died when the connection to it broke"})
			}
		}
	}
	return out
}

// deathsToldOnce gives of each worker that died one record against which lost calls can be held: where several tell of its end, that which says why.
func (c *collector) deathsToldOnce() []*Event {
	var out []*Event
	at := map[*Process]int{}
	for _, e := range c.life {
		if !c.tellsLoss(e) {
			continue
		}
		p := endOf(c.lives, e)
		i, known := at[p]
		switch {
		case p == nil || !known:
			if p != nil {
				at[p] = len(out)
			}
			out = append(out, e)
		case out[i].Lifecycle != p.HowEnded && e.Lifecycle == p.HowEnded:
			out[i] = e
		}
	}
	return out
}

// watchdogLeast is the least time after which watchdogs stop a worker: they count whole seconds.
const watchdogLeast = time.Second

// tookLong leaves of the calls that may have been lost with a worker those of which it may have died: what its watchdog stopped took long, and if
// some took far longer than others it was one of these.
func tookLong(with []lostWith) []lostWith {
	if len(with) == 0 || with[0].death.Lifecycle != ProcessTimedOut {
		return with
	}
	took := func(p lostWith) time.Duration { return p.call.to.Time.Sub(p.call.from.Time) }
	longest := took(slices.MaxFunc(with, func(a, b lostWith) int { return cmp.Compare(took(a), took(b)) }))
	return slices.DeleteFunc(with, func(p lostWith) bool {
		return took(p) < longest/2 || p.call.to.Latest.Sub(p.call.from.Earliest) < watchdogLeast
	})
}

// atWork leaves of the exchanges that were in flight when a process died those that did not wait for an answer from below, by the records of whom
// they had asked; all of them if each waited, or if one request has several of them.
func atWork(inFlight []*exchange, waits []pending) []*exchange {
	if len(setsOf(inFlight)) != len(inFlight) {
		return inFlight
	}
	waited := waiters(inFlight, waits)
	working := slices.DeleteFunc(slices.Clone(inFlight), func(x *exchange) bool { return waited[x] || x.hop != nil && waitedBelow(x.hop) })
	if len(working) == 0 {
		return inFlight
	}
	return working
}

// killerOf tells the request of whose work a process died from those that died with it. inFlight are
// the exchanges that no answer and no other mark excludes, working those of them that were at work: if that is one, it is this; else one of
// them may have said what the code did that failed. Neither is
// certain, for a request may have been in flight of which nobody wrote. killer is nil if nothing tells it.
func killerOf(e *Event, inFlight, working []*exchange) (killer *exchange, words string) {
	n := len(inFlight)
	if n < 2 || len(setsOf(inFlight)) != n {
		return nil, ""
	}
	if len(working) == 1 {
		return working[0], fmt.Sprintf("of %d requests in flight the others waited for an answer from below", n)
	}
	if waited := n - len(working); waited > 0 {
		words = fmt.Sprintf("%d others in flight waited for an answer from below, and ", waited)
	}
	var told []*exchange
	said := ""
	for _, x := range working {
		if w := speaksOfFrames(x.hop, e); w != "" {
			told, said = append(told, x), w
		}
	}
	if len(told) != 1 {
		return nil, ""
	}
	return told[0], fmt.Sprintf("%sof %d that were at work only this one's last words, %.60q, are of what the stack shows", words, len(working), said)
}

// waitedBelow says whether h was waiting for a callee when its connection broke: the callee was still
// at work for it then, by what it wrote, and had not answered.
func waitedBelow(h *Hop) bool {
	if h.Caller == nil || !h.Caller.End.Known() {
		return false
	}
	broke := h.Caller.End.Time
	for _, c := range h.Calls {
		if c.Callee == nil || c.Callee.Silent || c.Purpose == Mirror || c.Purpose == Background || c.Received.Known() {
			continue
		}
		if c.Callee.Sent.Known() && !broke.Before(c.Callee.End.Time) {
			continue // it had its answer
		}
		for _, e := range c.Callee.Events {
			if at := firstKnown(e.End, e.Start); at.Known() && !e.guessed() && !at.Time.Add(hopTolerance).Before(broke) {
				return true
			}
		}
	}
	return false
}

// frameWord is the shortest beginning that a word of a message and one of a function's name must share.
const frameWord = 5

// speaksOfFrames gives the last message of h if a word of it is of the name of the function in which e
// says that the process died: people log what the code at hand does. "" if not.
func speaksOfFrames(h *Hop, e *Event) string {
	if h == nil {
		return ""
	}
	var last *Joined
	for _, o := range h.Events {
		if o.Kind == LogRecord && !o.guessed() && o.Body != "" {
			last = o
		}
	}
	if last == nil {
		return ""
	}
	function := e.Exception.Function
	if i := strings.LastIndexByte(function, '/'); i >= 0 {
		function = function[i+1:]
	}
	for _, f := range words(function) {
		for _, w := range words(last.Body) {
			n := 0
			for n < min(len(f), len(w)) && f[n] == w[n] {
				n++
			}
			if n >= frameWord || n > 3 && n == len(f) && n == len(w) {
				return last.Body
			}
		}
	}
	return ""
}

// words gives the words of a text or of an identifier in lower case: reloadPrices is two.
func words(s string) []string {
	var out []string
	start, lower := -1, false
	for i, r := range s + " " {
		letter := unicode.IsLetter(r)
		if start >= 0 && (!letter || lower && unicode.IsUpper(r)) {
			out = append(out, strings.ToLower(s[start:i]))
			start = -1
		}
		if letter && start < 0 {
			start = i
		}
		lower = unicode.IsLower(r)
	}
	return out
}

// caughtDeath says whether e tells that one exchange died and its process did not: an error
// that escaped from the handler of one request, as net/http reports a panic.
func caughtDeath(e *Event) bool {
	return e.Exception != nil && e.Exception.Escaped && e.Lifecycle == NoLifecycle && e.Kind == LogRecord
}

// exchangeDeath says whether e tells that one exchange of a service died: another such record is of another one.
func exchangeDeath(e *Event) bool { return workerDeath(e) || caughtDeath(e) }

// pairDeaths tells more exactly to which requests the records of deaths belong: each is
// of one request, and a request dies once. Where as many records as requests fit each
// other, every one of these requests died so, and they are paired in order; where there are fewer records, the
// odds are better than one in the number of requests.
func pairDeaths(events []*Event, joins [][]inferred) {
	pairAlike(events, joins, func(e *Event) string {
		if !caughtDeath(e) {
			return ""
		}
		return "death"
	}, func(list []int, requests int, of map[int]inferred) {
		n := len(list)
		for _, i := range list {
			if in, ok := of[i]; ok {
				in.candidates = 1
				in.reason += fmt.Sprintf("; %d such records fit %d such requests, paired in order", n, requests)
				joins[i] = []inferred{in}
				continue
			}
			for x := range joins[i] {
				joins[i][x].candidates = min(joins[i][x].candidates, max(2, (requests+n-1)/n))
			}
		}
	})
}

// pairMessages pairs like messages about failures with the requests that they fit, where there are as many: most requests that fail alike
// leave the same messages.
func pairMessages(events []*Event, joins [][]inferred) {
	pairAlike(events, joins, func(e *Event) string {
		if e.Kind != LogRecord || !e.Failed || e.Lifecycle != NoLifecycle || caughtDeath(e) {
			return ""
		}
		return e.Format + "\x00" + upstreamOf(e) + "\x00" + strings.Map(func(r rune) rune {
			if unicode.IsDigit(r) {
				return -1
			}
			return r
		}, e.Attrs.Get("error.message")+" "+e.Body)
	}, func(list []int, requests int, of map[int]inferred) {
		for _, i := range list {
			if in, ok := of[i]; ok {
				in.told = true
				in.reason += fmt.Sprintf("; %d such records fit %d such requests, paired in order", len(list), requests)
				joins[i] = []inferred{in}
			}
		}
	})
}

// pairAlike finds records of one kind, of one service on one host, and the requests that they fit, as far as they have some in common; kind gives ""
// for records that it is not about. each is told of them, with the pairs where there are as many of both.
func pairAlike(events []*Event, joins [][]inferred, kind func(*Event) string, each func(list []int, requests int, of map[int]inferred)) {
	parent := map[string]string{}
	var find func(s string) string
	find = func(s string) string {
		if p, ok := parent[s]; ok && p != s {
			return find(p)
		}
		return s
	}
	kinds := make([]string, len(events))
	for i, e := range events {
		if k := kind(e); k != "" && len(joins[i]) > 0 {
			kinds[i] = e.Service + "\x00" + e.Host + "\x00" + k + "\x00"
		}
	}
	for i := range events {
		for _, in := range joins[i] {
			if kinds[i] != "" {
				a, b := find(kinds[i]+joins[i][0].set), find(kinds[i]+in.set)
				parent[max(a, b)] = min(a, b)
			}
		}
	}
	records, sets := map[string][]int{}, map[string]map[string]bool{}
	for i := range events {
		if kinds[i] == "" {
			continue
		}
		k := find(kinds[i] + joins[i][0].set)
		records[k] = append(records[k], i)
		if sets[k] == nil {
			sets[k] = map[string]bool{}
		}
		for _, in := range joins[i] {
			sets[k][in.set] = true
		}
	}
	for k, list := range records {
		if len(sets[k]) == 1 {
			continue
		}
		var of map[int]inferred
		if len(list) == len(sets[k]) {
			slices.SortStableFunc(list, func(a, b int) int { return events[a].Time.Compare(events[b].Time) })
			pairs := perfect(list, func(i int) []string {
				slices.SortStableFunc(joins[i], func(a, b inferred) int { return a.over.Compare(b.over) })
				var out []string
				for _, in := range joins[i] {
					out = append(out, in.set)
				}
				return out
			})
			of = map[int]inferred{}
			for i, set := range pairs {
				of[i] = joins[i][slices.IndexFunc(joins[i], func(in inferred) bool { return in.set == set })]
			}
		}
		each(list, len(sets[k]), of)
	}
}

// choices gives the first sides of pairs, each once, in the order in which they come, and what each is paired with.
func choices[T any, A comparable, B any](pairs []T, sides func(T) (A, B)) (list []A, with map[A][]B) {
	with = map[A][]B{}
	for _, p := range pairs {
		a, b := sides(p)
		if with[a] == nil {
			list = append(list, a)
		}
		with[a] = append(with[a], b)
	}
	return list, with
}

// perfect pairs each of a list with one of what fits it, nothing twice, and in order: the first of the list with the first of what fits it that leaves
// one for each other, and so on; nil if that cannot be (augmenting paths: Kuhn, "The Hungarian method", 1955).
func perfect[A, B comparable](list []A, fits func(A) []B) map[A]B {
	may := map[A][]B{}
	for _, a := range list {
		may[a] = fits(a)
	}
	of, owner := map[A]B{}, map[B]A{}
	settled := map[B]bool{}
	var try func(a A, seen map[B]bool) bool
	try = func(a A, seen map[B]bool) bool {
		for _, b := range may[a] {
			if seen[b] || settled[b] {
				continue
			}
			seen[b] = true
			if o, taken := owner[b]; !taken || try(o, seen) {
				of[a], owner[b] = b, a
				return true
			}
		}
		return false
	}
	for _, a := range list {
		if !try(a, map[B]bool{}) {
			return nil
		}
	}
	for _, a := range list {
		for _, b := range may[a] {
			if settled[b] {
				continue
			}
			if of[a] == b {
				settled[b] = true
				break
			}
			// a takes b, if he who had it finds another one, what a had among them.
			o, taken := owner[b]
			had := of[a]
			delete(owner, had)
			of[a], owner[b], settled[b] = b, a, true
			if !taken || try(o, map[B]bool{}) {
				break
			}
			delete(settled, b)
			of[a], owner[had], of[o], owner[b] = had, a, b, o
		}
	}
	return of
}
