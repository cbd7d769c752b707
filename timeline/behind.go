package timeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// A Behind is an earlier event that explains why a hop of a request failed: what opened its circuit or marked its
// server down, what ended the process that it called, who held the lock for which it waited.
type Behind struct {
	Hop        *Hop   // of the request, which failed for it
	What       string // in words, without the time
	Event      *Event // that shows it: of no request, or of another one; nil if a life of a process shows it
	At         Instant
	Request    string   // ID of the earlier request, if it is known
	Candidates int      // how many requests Request may be as well, itself included; 0 if it is not known
	Process    *Process // the life that had ended; nil if it is about none
}

// behindWithin is how long before a request an event may lie that explains its failure.
const behindWithin = 5 * time.Minute

// An occurrence is a failed record on the common time line.
type occurrence struct {
	e  *Event
	at Instant
}

// occurrences are the failed records by place, each list by time.
func (c *collector) occurrences() map[place][]occurrence {
	out := map[place][]occurrence{}
	for _, e := range c.failed {
		start, end := c.clocks.Align(e)
		if at := firstKnown(end, start); at.Known() {
			p := place{e.Service, e.Host}
			out[p] = append(out[p], occurrence{e, at})
		}
	}
	for _, list := range out {
		slices.SortFunc(list, compareOccurrences)
	}
	return out
}

func compareOccurrences(a, b occurrence) int {
	return cmp.Or(a.at.Time.Compare(b.at.Time), a.e.Pos.Compare(b.e.Pos))
}

// killers names, for each life, the request whose work ended it.
func killers(drafts map[string][]*Request) {
	for _, rs := range drafts {
		for _, r := range rs {
			for _, h := range r.Hops {
				e := h.DiedOf()
				if e == nil || h.Process == nil || e.Lifecycle == NoLifecycle {
					continue
				}
				if p := h.Process; p.Killer == "" || r.ID < p.Killer {
					p.Killer, p.KillerOf = r.ID, max(e.Candidates, 1)
				}
			}
		}
	}
}

// Behind finds what lies behind the failure of r at its origin.
func (c *Collection) Behind(r *Request) []Behind {
	origin := TraceOrigin(r).Origin
	if origin == nil {
		return nil
	}
	var out []Behind
	if call := origin.FailedBy; call != nil {
		if b, ok := c.processBehind(r, origin, call); ok {
			out = append(out, b)
		}
	}
	for _, h := range r.Hops {
		for _, e := range h.Events {
			if pid := e.Attrs.Get(attrLockHolder); pid != "" && e.Held() {
				out = append(out, c.lockHolder(r, origin, e, pid))
			}
		}
	}
	return out
}

// processBehind tells of the callee's process, if it had ended, or ended with the call.
func (c *Collection) processBehind(r *Request, h *Hop, call *Call) (Behind, bool) {
	at := firstKnown(call.End, h.End)
	if call.Callee == nil || !at.Known() || call.Received.Known() && !call.OwnMade {
		return Behind{}, false
	}
	if b, ok := c.startedAfter(h, call, at); ok {
		return b, true
	}
	p := lifeOf(c.Processes, call.Callee.Service, call.Callee.Host, call.Callee.pid(), at)
	if p == nil || !p.End.Known() || at.CertainlyBefore(p.End) || at.Time.Add(time.Second).Before(p.End.Time) || at.Time.Sub(p.End.Time) > behindWithin {
		return Behind{}, false
	}
	how := map[Lifecycle]string{ProcessCrashed: "crashed", ProcessKilled: "was killed", ProcessOOMKilled: "was killed for want of memory", ProcessStopped: "was stopped"}[p.HowEnded]
	if how == "" {
		if p.Killer == "" {
			return Behind{}, false
		}
		how = "ended"
	}
	b := Behind{Hop: h, Process: p, At: p.End, What: fmt.Sprintf("%s on %s %s", p.Service, p.Host, how)}
	for _, e := range p.Events {
		if e.Lifecycle >= ProcessStopping {
			b.Event = e
		}
	}
	if p.Killer != "" && p.Killer != r.ID {
		b.Request, b.Candidates = p.Killer, p.KillerOf
		b.What += " of the work of another request"
	}
	return b, p.Killer != r.ID
}

// startedAfter tells of the start of a callee to which no connection could be had, if it came soon after: nobody listened meanwhile, and how the life before
// ended nobody wrote.
func (c *Collection) startedAfter(h *Hop, call *Call, at Instant) (Behind, bool) {
	if call.Ended != Refused && call.Ended != ConnectGaveUp || call.Callee.Host == "" {
		return Behind{}, false
	}
	b := Behind{Hop: h}
	for _, p := range c.Processes {
		began := firstKnown(p.Start, p.Ready)
		if p.Service != call.Callee.Service || p.Host != call.Callee.Host || p.Worker || !began.Known() {
			continue
		}
		if p.End.Known() && !at.CertainlyBefore(p.End) && at.Time.Sub(p.End.Time) < behindWithin {
			return Behind{}, false // its end is known
		}
		if after := began.Time.Sub(at.Time); after > 0 && after <= startedWithin && (b.Process == nil || began.Time.Before(b.At.Time)) {
			b.Process, b.At = p, began
		}
	}
	if b.Process == nil {
		return Behind{}, false
	}
	b.What = fmt.Sprintf("%s on %s was started again", b.Process.Service, b.Process.Host)
	if i := slices.IndexFunc(b.Process.Events, func(e *Event) bool { return e.Lifecycle == ProcessStarting || e.Lifecycle == ProcessReady }); i >= 0 {
		b.Event = b.Process.Events[i]
	}
	return b, true
}

// startedWithin is how soon after a failed connection a start tells that nobody listened.
const startedWithin = time.Minute

// notCalled gives the names of the peer or group of servers that h did not call for its own reasons; nil if it called.
func notCalled(h *Hop) (groups []string) {
	add := func(peer string) {
		if group, _, _ := strings.Cut(peer, "/"); len(group) > 2 && !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
	}
	if call := h.FailedBy; call != nil {
		if call.Ended == NotSent {
			add(call.Peer)
			if host, _, ok := strings.Cut(call.Peer, ":"); ok && strings.ContainsFunc(host, unicode.IsLetter) {
				add(host)
			}
			if call.Callee != nil {
				add(call.Callee.Service)
			}
		}
		return groups
	}
	if h.Ended == NotSent {
		for _, a := range routesOf(h.span()) {
			if !strings.HasSuffix(a.Name, routerEnd) {
				add(a.Value)
			}
		}
	}
	return groups
}

// Opened tells why h made no call to a party, as its circuit was open or no server was up: the last message of h about it, and
// the last call there that failed before. The party may be "" if it is not known.
func (s *Surroundings) Opened(h *Hop, party string) (out []Behind) {
	at := firstKnown(h.Start, h.End)
	if s == nil || s.of == nil || !at.Known() {
		return nil
	}
	groups, routes := notCalled(h), routesOf(h.span())
	if party != "" {
		groups = append([]string{party}, slices.DeleteFunc(groups, func(g string) bool { return g == party })...)
	}
	own := ""
	if e := lastError(h); e != nil {
		own = UsualWords(errorText(e.Event))
	}
	called, requests := 0, map[string]bool{}
	said := false
	var last Behind
	list := s.of.failedAt[place{h.Service, h.Host}]
	i, _ := slices.BinarySearchFunc(list, at.Latest, func(o occurrence, t time.Time) int { return o.at.Time.Compare(t) })
	for i--; i >= 0 && at.Time.Sub(list[i].at.Time) < behindWithin; i-- {
		e := list[i].e
		switch {
		case e.Kind == LogRecord && !said && !hasIdentity(e) && slices.ContainsFunc(groups, func(g string) bool { return containsWord(e.Body, g) }):
			said = true
			out = append(out, Behind{Hop: h, Event: e, At: list[i].at, What: h.Service + " said: " + firstLine(e.Body)})
		case !ofRequest(s.request, e) && (failedTo(e, groups) || failedOn(e, routes) || tellsOfFailing(e, groups, own)):
			id := identityOf(e)
			if id != "" && requests[id] {
				continue
			}
			requests[id] = true
			if called++; called == 1 {
				last = Behind{Hop: h, Event: e, At: list[i].at, Request: id, Candidates: 1}
			}
		}
	}
	if called > 0 {
		if len(groups) == 0 {
			groups = []string{routes[0].Value}
		}
		last.What = fmt.Sprintf("the last of %d calls of %s to %s that failed in the %d minutes before", called, h.Service, groups[0], int(behindWithin.Minutes()))
		if called == 1 {
			last.What = fmt.Sprintf("a call of %s to %s that failed before", h.Service, groups[0])
		}
		out = append(out, last)
	}
	return out
}

// failedTo says whether the record of an exchange tells of a call to a peer, or to one of its group, that was made and failed.
func failedTo(e *Event, groups []string) bool {
	return e.Kind != LogRecord && slices.ContainsFunc(e.Calls, func(c Outcall) bool {
		own, _, _ := strings.Cut(c.Peer, "/")
		return madeAndFailed(&c) && (slices.Contains(groups, own) || slices.Contains(groups, c.Peer))
	})
}

func madeAndFailed(c *Outcall) bool {
	return c.Ended != NotSent && (c.Status >= 500 || c.OwnMade || c.Ended == Reset || c.Ended == Refused || c.Ended == GaveUp || c.Ended == ConnectGaveUp)
}

// routerEnd ends the name of a route that is no group of servers.
const routerEnd = "router"

// routesOf gives the names by which a proxy's record tells where it would have sent the request.
func routesOf(e *Joined) (routes []Attr) {
	if e == nil {
		return nil
	}
	for _, a := range e.Attrs {
		for _, end := range []string{"backend", "cluster", "upstream", routerEnd} {
			if strings.HasSuffix(a.Name, end) {
				routes = append(routes, a)
			}
		}
	}
	return routes
}

// failedOn says whether the record of an exchange that was sent the same way tells of a call that was made and failed.
func failedOn(e *Event, routes []Attr) bool {
	return e.Kind != LogRecord && slices.ContainsFunc(routes, func(a Attr) bool { return slices.Contains(e.Attrs, a) }) &&
		slices.ContainsFunc(e.Calls, func(c Outcall) bool { return madeAndFailed(&c) })
}

// tellsOfFailing says whether a message tells of a failed call to one of a group: an error that names it, but not by the words of
// own, its usual ones, which say that no call was made.
func tellsOfFailing(e *Event, groups []string, own string) bool {
	if e.Kind != LogRecord || e.Exception == nil && e.Attrs.Get("error.message") == "" {
		return false // a message about its state, if it is about that party
	}
	text := errorText(e)
	return (own == "" || UsualWords(text) != own) && slices.ContainsFunc(groups, func(g string) bool { return containsWord(text, g) })
}

func ofRequest(r *Request, e *Event) bool {
	return slices.ContainsFunc(r.Events, func(j Joined) bool { return j.Pos == e.Pos })
}

// identityOf gives the ID by which a record names its request: the request's, else the trace's.
func identityOf(e *Event) string {
	id := ""
	for _, k := range identities(e) {
		if id == "" || k.Name != KeyTraceID {
			id = k.Value
			if k.Name != KeyTraceID {
				break
			}
		}
	}
	return id
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimSpace(line)
}

// attrLockHolder is the attribute of a record that tells which process held the lock for which its writer waited.
const attrLockHolder = "db.lock.holder.pid"

// lockHolder tells who held the lock: the request of which a record bears that process's ID at that time.
func (c *Collection) lockHolder(r *Request, origin *Hop, e *Joined, pid string) Behind {
	at := firstKnown(e.Start, e.End)
	b := Behind{Hop: origin, Event: e.Event, At: at, What: fmt.Sprintf("process %s of %s held the lock", pid, e.Service)}
	ids := map[string]bool{}
	for _, o := range c.workers[contextKey{place{e.Service, e.Host}, KeyPID, pid}] {
		if o.request != r.ID && o.at.Time.Sub(at.Time).Abs() < time.Minute {
			ids[o.request] = true
			if b.Request == "" || o.request < b.Request {
				b.Request = o.request
			}
		}
	}
	b.Candidates = len(ids)
	return b
}

// A stay is a request of which a process wrote at a moment.
type stay struct {
	request string
	at      Instant
}

// stays tells which of the requests each process wrote of.
func stays(drafts map[string][]*Request) map[contextKey][]stay {
	out := map[contextKey][]stay{}
	for _, rs := range drafts {
		for _, r := range rs {
			for i := range r.Events {
				e := &r.Events[i]
				if pid := e.Attrs.Get(KeyPID); pid != "" && e.Held() {
					k := contextKey{place{e.Service, e.Host}, KeyPID, pid}
					out[k] = append(out[k], stay{r.ID, firstKnown(e.Start, e.End)})
				}
			}
		}
	}
	return out
}

// A Holder is a request that a service worked at while it refused another one for want of a resource.
type Holder struct {
	Request string
	From    Instant
	For     time.Duration // since its begin, until the other one failed
}

// A hold is a request at which a service was at work.
type hold struct {
	request  string
	from, to Instant
	process  string   // its ID where the records tell
	errors   []string // the stacks of errors that it logged
}

// holdOf gives what one request was to a service.
func holdOf(r *Request, h *Hop) hold {
	x := hold{request: r.ID, from: h.Start, to: h.End}
	for _, e := range h.Events {
		if !e.Held() {
			continue
		}
		x.process = cmp.Or(x.process, e.Attrs.Get(KeyPID))
		if e.Exception != nil {
			x.errors = append(x.errors, e.Exception.stack())
		}
	}
	return x
}

// holds are those of the requests that failed, by place, each list by begin.
func holds(requests []*Request) map[place][]hold {
	out := map[place][]hold{}
	for _, r := range requests {
		for _, h := range r.Hops {
			if h.Start.Known() && h.End.Known() {
				p := place{h.Service, h.Host}
				out[p] = append(out[p], holdOf(r, h))
			}
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b hold) int {
			return cmp.Or(a.from.Time.Compare(b.from.Time), strings.Compare(a.request, b.request))
		})
	}
	return out
}

// heldAgainst gives the failed requests at which the service of h was at work, on its host, when h ended: those that may
// have held what it lacked, the longest first. Those that failed by the same error lacked it too, however long they waited
// for it. If some were of the same process, only they are given: others have a pool of their own. Requests that did not
// fail are not all read and are left out.
func (c *Collection) heldAgainst(r *Request, h *Hop) (out []Holder) {
	end := firstKnown(h.End, h.Start)
	own, near := holdOf(r, h), false
	list := c.holds[place{h.Service, h.Host}]
	i, _ := slices.BinarySearchFunc(list, end.Time.Add(-behindWithin), func(x hold, t time.Time) int { return x.from.Time.Compare(t) })
	for ; end.Known() && i < len(list) && list[i].from.Time.Before(end.Time); i++ {
		x := list[i]
		if x.request == r.ID || x.to.Time.Before(end.Time) || slices.ContainsFunc(x.errors, func(e string) bool { return slices.Contains(own.errors, e) }) {
			continue
		}
		if same := own.process != "" && x.process == own.process; same && !near {
			out, near = nil, true
		} else if near && !same {
			continue
		}
		out = append(out, Holder{x.request, x.from, end.Time.Sub(x.from.Time)})
	}
	return out
}
