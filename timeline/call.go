package timeline

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Purpose says what a call is for.
type Purpose uint8

const (
	Main Purpose = iota
	Retry
	Hedge
	AuthSubrequest
	ErrorPage
	Mirror
	Background
)

func (p Purpose) String() string {
	return [...]string{"main", "retry", "hedge", "auth", "error_page", "mirror", "background"}[p]
}

// Aside says that the caller's answer does not rest on calls for this.
func (p Purpose) Aside() bool { return p == ErrorPage || p == Mirror || p == Background }

// A Call is one exchange between two hops, as the caller and as the callee saw it.
type Call struct {
	ID       int
	Caller   *Hop
	Callee   *Hop   // nil only while hops are built: a callee that nobody logged is a Silent hop
	Peer     string // address or name as the caller logged it
	Purpose  Purpose
	Attempt  int // 1-based among attempts of the same purpose, method and target
	Method   string
	Target   string
	Received Status  // at the caller's end; zero if nothing came or nothing was logged
	OwnMade  bool    // Received was made by the caller for want of an answer
	Unsure   bool    // nothing in the caller's record tells whether Received, a failure, came from the callee or is its own
	Sent     Status  // at the callee's end
	Ended    Outcome // as the caller knows it, else as both ends show
	Error    string  // the caller's words
	// Used says that the caller's own answer rests on this call's.
	Used bool
	// Start and End are the caller's window; zero if the caller logged none.
	Start, End Instant
	// ConnectTime and HeaderTime are as in Outcall.
	Connect, Header time.Duration
	Record          *Joined // the caller's record of the call; nil if it has none
	// Kin says that its two ends were found to be of one exchange though they share no ID.
	Kin bool
	// Named says that Received is what an error of the caller says that the callee answered; it has no record of the call itself.
	Named  bool
	asSent bool // see Outcall.AsSent
	// Skips says that a service stands between its two ends that logs, but has no record of it.
	Skips bool
	// Again says that it was had and broke, and that the record tells of one more attempt, which was refused.
	Again bool
}

// Failed says whether the call failed in the eyes of its caller.
func (c *Call) Failed() bool {
	switch c.Ended {
	case Truncated, Reset, Refused, GaveUp, ConnectGaveUp, Unusable, NotSent:
		return true
	}
	return c.Received.Failed() || !c.Received.Known() && (c.Sent.Failed() || c.brokenOff())
}

// brokenOff says that the caller's record of the call tells of an error and of no answer, in words that no format knows.
func (c *Call) brokenOff() bool {
	return c.Ended == OutcomeUnknown && c.Error != "" && c.Record != nil && c.Record.Kind == ClientSpan
}

// makeCalls lists the exchanges that the hops say they had with others.
func (d *draft) makeCalls() {
	for _, h := range d.hops {
		for _, e := range h.Events {
			if e.Kind != LogRecord {
				d.callsOf(h, e)
			}
		}
		if len(h.Calls) > 0 {
			tellUnsure(h)
			continue
		}
		// A message about a failed call counts only where no record of the exchange or of
		// the call tells of it, and if it can be no other request's.
		for _, e := range h.Events {
			if e.Kind == LogRecord && e.Held() {
				d.callsOf(h, e)
			}
		}
		if len(h.Calls) == 0 {
			d.quotedCall(h)
		}
	}
	for i, c := range d.calls {
		c.ID = i + 1
	}
}

// tellUnsure tells of calls of which the record of the exchange does not say who made their failing status that they failed at the writer's own end, as its
// messages about them say: one about each, in their order.
func tellUnsure(h *Hop) {
	for _, e := range h.Events {
		if e.Kind != LogRecord || !e.Held() {
			continue
		}
		for _, o := range e.Calls {
			i := slices.IndexFunc(h.Calls, func(c *Call) bool {
				return c.Unsure && (o.Peer == "" || c.Peer == "" || o.Peer == c.Peer) && c.Received == ownStatus(o.Ended)
			})
			if i >= 0 {
				c := h.Calls[i]
				c.Ended, c.OwnMade, c.Unsure, c.Error = o.Ended, true, false, cmp.Or(c.Error, o.Error)
			}
		}
	}
}

// ownStatus is the status of a gateway for a call that ended so without an answer that it could use (RFC 9110, 15.6.3 and 15.6.5); the zero value for others.
func ownStatus(ended Outcome) Status {
	switch ended {
	case GaveUp, ConnectGaveUp:
		return Status{Code: 504}
	case Refused, Reset, NotSent, Unusable:
		return Status{Code: 502}
	}
	return Status{}
}

func (d *draft) callsOf(h *Hop, e *Joined) {
	var offset time.Duration
	for i := range e.Calls {
		o := &e.Calls[i]
		c := &Call{
			Caller: h, Peer: o.Peer, Method: o.Method, Target: o.Target, Ended: o.Ended, Error: o.Error,
			Connect: o.Connect, Header: o.Header, Record: e, OwnMade: o.OwnMade, asSent: o.AsSent,
		}
		if o.Status != 0 {
			c.Received = Status{e.StatusProtocol, o.Status}
		}
		c.Unsure = e.Kind == ServerSpan && o.Ended == OutcomeUnknown && !o.OwnMade && c.Received.Failed()
		if e.Kind == ClientSpan {
			c.Start, c.End = e.Start, e.End
		} else {
			c.Start, c.End = h.Start, h.End
			if len(e.Calls) > 1 && o.Timed && h.Start.Known() {
				// Attempts follow each other; the first begins with the exchange.
				c.Start = h.Start.Add(offset)
				offset += o.Duration
				if i < len(e.Calls)-1 {
					c.End = h.Start.Add(offset + e.Stamp.DurationResolution)
				}
			}
		}
		if p := toldTwice(h.Calls, c); p != nil {
			p.join(c)
			continue
		}
		h.Calls = append(h.Calls, c)
		d.calls = append(d.calls, c)
	}
}

// toldTwice finds the call of which c's record tells once more: people log that an answer came, and then that it could
// not be used. Both records measure from the moment of the call, so that their starts agree.
func toldTwice(calls []*Call, c *Call) *Call {
	if c.Record.Kind != ClientSpan || c.Record.Traced {
		return nil
	}
	for _, p := range calls {
		if p.Record.Kind != ClientSpan || p.Record.Traced || p.Peer != c.Peer || p.Method != c.Method || p.Target != c.Target || p.Target == "" {
			continue
		}
		answered, broke := p, c
		if !p.Received.Known() {
			answered, broke = c, p
		}
		if !answered.Received.Known() || answered.Error != "" || answered.Failed() || broke.Received.Known() || broke.Error == "" {
			continue
		}
		a, _, okA, _ := answered.Record.Interval()
		b, _, okB, _ := broke.Record.Interval()
		if okA && okB && ClockOf(answered.Record.Event) == ClockOf(broke.Record.Event) && !a.Hi.Before(b.Lo) && !b.Hi.Before(a.Lo) {
			return p
		}
	}
	return nil
}

// join takes into c what another record tells of the same call: one has the answer, the other the error.
func (c *Call) join(o *Call) {
	answered, broke := c, o
	if !c.Received.Known() {
		answered, broke = o, c
	}
	ended := broke.Ended
	if ended == OutcomeUnknown || ended == Reset {
		ended = Unusable // an answer had come
	}
	c.Received, c.Error, c.Ended, c.Record, c.Start, c.End = answered.Received, broke.Error, ended, broke.Record, broke.Start, broke.End
	c.OwnMade = false
}

// reached says whether the call can have a callee that logged it.
func reached(c *Call) bool {
	switch c.Ended {
	case Refused, ConnectGaveUp, NotSent:
		return false
	}
	return true
}

// tieKin gives callers to the exchanges of which the caller's record is known by inference.
func (d *draft) tieKin() {
	at := map[Pos]*Hop{}
	for _, h := range d.hops {
		for _, e := range h.Events {
			at[e.Pos] = h
		}
	}
	for _, h := range d.hops {
		sp := h.span()
		if sp == nil && len(h.Events) > 0 {
			sp = h.Events[0] // a message may be all that there is of it
		}
		if sp == nil || sp.caller == nil || h.Caller != nil {
			continue
		}
		if p := at[*sp.caller]; p != nil && p != h && !below(h, p) {
			p = passing(p, h)
			c := d.callOf(p, h, *sp.caller)
			c.Kin, c.Skips = true, sp.skipped
			if sp.Kind == LogRecord && c.Record == nil && !c.Received.Known() {
				c.Received, c.Ended, c.asSent = p.Sent, Complete, true // an error that lies within what p failed is of what was passed on
			}
			d.tie(c, h)
		}
	}
}

// callOf gives the call of p of which the record at a position tells, else one that may be that to h.
func (d *draft) callOf(p, h *Hop, at Pos) *Call {
	for _, c := range p.Calls {
		if c.Callee == nil && c.Record != nil && c.Record.Kind == ClientSpan && c.Record.Pos == at && !otherProtocol(c, h) {
			return c
		}
	}
	return d.callFor(p, h, true)
}

// otherProtocol says whether the caller's record of a call is of an HTTP request and the callee's exchange is none, as a query is.
func otherProtocol(c *Call, h *Hop) bool {
	sp := h.span()
	return c.Method != "" && sp != nil && sp.Attrs.Get("http.request.method") == "" && sp.Attrs.Get("db.query.text") != ""
}

// matchCalls gives calls their callees: by the parent's span ID, else by what the book
// says of the peer. Calls to one place pair with the hops there that gave their answers, in order if there are as
// many, else each with the hop whose window fits best.
func (d *draft) matchCalls() {
	bySpan := map[string]*Call{}
	for _, c := range d.calls {
		if c.Record != nil && c.Record.Kind == ClientSpan && c.Record.SpanID != "" {
			bySpan[c.Record.SpanID] = c
		}
	}
	for _, h := range d.hops {
		if sp := h.span(); sp != nil && sp.ParentSpanID != "" {
			if c := bySpan[sp.ParentSpanID]; c != nil && c.Callee == nil && c.Caller != h {
				d.tie(c, h)
			}
		}
	}
	// Where the caller has no span for the call, the parent is the work in which it was made.
	within := map[string]*Hop{}
	for _, h := range d.hops {
		for _, e := range h.Events {
			if e.Kind == InternalSpan || e.Kind == ServerSpan {
				within[e.SpanID] = h
			}
		}
	}
	for _, h := range d.hops {
		sp := h.span()
		if sp == nil || sp.ParentSpanID == "" || h.Caller != nil || !sp.Traced {
			continue
		}
		if p := within[sp.ParentSpanID]; p != nil && p != h && !below(h, p) {
			d.tie(d.callFor(p, h, true), h)
		}
	}
	for _, c := range d.calls {
		if c.Callee == nil && reached(c) {
			if h := d.answering(c); h != nil {
				d.tie(c, h)
			}
		}
	}
	for _, c := range d.calls {
		if c.Callee != nil || !reached(c) {
			continue
		}
		var free []*Hop
		for _, h := range d.hops {
			if h.Caller == nil && h != c.Caller && d.isPeer(c, h) && !below(h, c.Caller) {
				free = append(free, h)
			}
		}
		alike := func(o *Call) bool { return true }
		if c.Received.Known() && !c.OwnMade {
			// Where some gave the answer that came, it is one of them.
			if gave := slices.DeleteFunc(slices.Clone(free), func(h *Hop) bool { return h.Sent != c.Received }); len(gave) > 0 {
				free, alike = gave, func(o *Call) bool { return o.Received == c.Received && !o.OwnMade }
			}
		}
		rivals := 0
		for _, o := range d.calls {
			if o.Callee == nil && reached(o) && o.Peer == c.Peer && alike(o) {
				rivals++
			}
		}
		switch {
		case len(free) == 0:
		case rivals == len(free):
			d.tie(c, slices.MinFunc(free, func(a, b *Hop) int { return rawStart(a).Compare(rawStart(b)) }))
		default:
			if h := bestFit(c, free); h != nil {
				d.tie(c, h)
			}
		}
	}
}

// answering gives the one hop that says that it answers at the address of c; nil if
// there is none or several.
func (d *draft) answering(c *Call) *Hop {
	var found *Hop
	for _, h := range d.hops {
		if h.Caller != nil || h == c.Caller || !answersAt(h, c.Peer) || below(h, c.Caller) {
			continue
		}
		if found != nil {
			return nil
		}
		found = h
	}
	return found
}

func (d *draft) isPeer(c *Call, h *Hop) bool {
	if answersAt(h, c.Peer) {
		return true
	}
	if e, ok := d.endpoint(c); ok {
		return e.Service == h.Service && (e.Host == "" || e.Host == h.Host)
	}
	return names(c.Peer, h)
}

// endpoint tells which service answers a call: what the book says of the peer. Where that is the caller itself, or where the
// peer is on the caller's machine and the book does not know it, it is the one other service that logs on the
// caller's host, as an app does behind its sidecar.
func (d *builder) endpoint(c *Call) (Endpoint, bool) {
	e, ok := d.book.Lookup(peerOf(c).from, c.Peer)
	if _, _, port := hostPort(c.Peer); !ok && !port {
		e, ok = d.book.LookupHost(peerOf(c).from, c.Peer)
	}
	if !ok && c.Record != nil && len(c.Record.Calls) == 1 {
		// A proxy's record has the name of the server, and its address too.
		if addr := upstreamOf(c.Record.Event); addr != "" && addr != c.Peer {
			e, ok = d.book.Lookup("", addr)
		}
	}
	if !ok && forwards(c.Caller) {
		if lone, found := d.book.LookupLone(c.Caller.Service, c.Peer); found {
			if lone.Host == "" && beside(c) && d.places[place{lone.Service, c.Caller.Host}] {
				lone.Host = c.Caller.Host // the address is on the caller's machine
			}
			return lone, true
		}
	}
	if !ok && !reached(c) {
		e, ok = d.book.LookupPort(c.Caller.Service, c.Peer)
	}
	own := ok && e.Service == c.Caller.Service && e.Host == c.Caller.Host
	if ok && !own || !own && !beside(c) {
		return e, ok
	}
	var there, apps []place
	for p := range d.places {
		if p.host != c.Caller.Host || p.service == c.Caller.Service || c.Caller.calledFrom(p) {
			continue
		}
		there = append(there, p)
		if forwards(c.Caller) && d.software[p.service].role == RoleApp {
			apps = append(apps, p)
		}
	}
	if len(there) > 1 {
		there = apps // a proxy is in front of an app, whatever else logs there
	}
	if len(there) != 1 {
		return Endpoint{}, false // more than one may be meant
	}
	return Endpoint{Peer: c.Peer, From: c.Caller.Host, Service: there[0].service, Host: there[0].host}, true
}

// calledFrom says whether a place is that of a caller of h, or of one of theirs.
func (h *Hop) calledFrom(p place) bool {
	for c := h.Caller; c != nil; c = c.Caller.Caller {
		if c.Caller.Service == p.service && c.Caller.Host == p.host {
			return true
		}
	}
	return false
}

// answersAt says whether h's own record of its exchange names an address as the one at
// which h was called. A loopback address is every host's.
func answersAt(h *Hop, address string) bool {
	sp := h.span()
	if sp == nil || address == "" {
		return false
	}
	host, port := sp.Attrs.Get("network.local.address"), sp.Attrs.Get("network.local.port")
	if host == "" || port == "" || host == "::1" || strings.HasPrefix(host, "127.") {
		return false
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return address == host+":"+port
}

// tie makes h the callee of c. Where the caller's record has only the status that it sent itself, that of the callee is what it received, if it
// is the one that the record names: a hop between the two may have logged nothing.
func (d *draft) tie(c *Call, h *Hop) {
	c.Callee, h.Caller = h, c
	if c.asSent && h.Sent.Known() && (c.Kin || d.isPeer(c, h)) {
		c.Received = h.Sent
	}
}

// below says whether x is h or under it.
func below(h, x *Hop) bool {
	for x != nil {
		if x == h {
			return true
		}
		if x.Caller == nil {
			return false
		}
		x = x.Caller.Caller
	}
	return false
}

// bestFit picks the hop that fits a call's window: of those that do not certainly lie
// outside, the one whose length comes nearest to the call's.
func bestFit(c *Call, hops []*Hop) *Hop {
	window, timed := callLength(c)
	var best *Hop
	var bestGap time.Duration
	for _, h := range hops {
		if c.End.CertainlyBefore(h.Start) || h.Start.CertainlyBefore(c.Start) {
			continue
		}
		length, ok := hopLength(h)
		gap := time.Duration(1<<62 - 1)
		if timed && ok {
			gap = (window.d - length.d).Abs()
		}
		if c.Start.Known() && h.Start.Known() && !timed {
			gap = h.Start.Time.Sub(c.Start.Time).Abs()
		}
		if best == nil || gap < bestGap {
			best, bestGap = h, gap
		}
	}
	return best
}

// adopt finds a caller for every hop that no call names but one, the root: a call
// whose peer is not in the book, else the hop that usually calls this service, quotes its error, or whose
// exchange is the shortest that can hold it.
func (d *draft) adopt() {
	root := d.rootHop()
	orphans := slices.Clone(d.hops)
	hosts := map[*Hop][]string{} // that errors of a hop name
	for _, p := range d.hops {
		if named := hostsInErrors(p); len(named) > 0 {
			hosts[p] = named
		}
	}
	named := map[*Hop]bool{}
	for p, at := range hosts {
		for _, h := range orphans {
			named[h] = named[h] || p != h && h.at(at)
		}
	}
	slices.SortStableFunc(orphans, func(a, b *Hop) int {
		la, _ := hopLength(a)
		lb, _ := hopLength(b)
		// Those of which their callers tell, then the longest: it may be the caller of the others.
		return cmp.Or(boolInt(named[b])-boolInt(named[a]), cmp.Compare(lb.d, la.d))
	})
	for _, h := range orphans {
		if h == root || h.Caller != nil || root != nil && itself(h, root) {
			continue
		}
		var best *Hop
		bestScore := 0.0
		for _, p := range d.hops {
			if p == h || below(h, p) || p.Role == RoleDependency {
				continue
			}
			if s := d.parentScore(p, h, h.at(hosts[p])); s > bestScore {
				best, bestScore = p, s
			}
		}
		if best == nil {
			continue
		}
		d.tie(d.callFor(best, h, false), h)
	}
}

// canAnswer says whether h speaks what c was made in and nothing that both record of it differs: a call with an HTTP method or status
// is not answered by a database, and a statement for one not by what answers with a status.
func canAnswer(h *Hop, c *Call) bool {
	if c.Record != nil && (c.Record.Attrs.Get("db.system.name") != "" || c.Record.Attrs.Get("db.query.text") != "") {
		return !h.Sent.Known()
	}
	if c.Record != nil && c.Record.Kind == ClientSpan && (!sameMethod(c, h) || c.Received.Known() && h.Sent.Known() && c.Received != h.Sent) {
		return false // it got another answer
	}
	if asksElse(c, h) {
		return false
	}
	return c.Method == "" && !c.Received.Known() || h.Role != RoleDependency || h.Sent.Known()
}

// asksElse says that both records name a path, and the two share no segment. A prefix that one of them lacks, as where a
// proxy rewrites paths, leaves some that they share.
func asksElse(c *Call, h *Hop) bool {
	sp := h.span()
	return sp != nil && c.Record != nil && otherPath(c.Target, sp.Attrs.Get("url.path"))
}

// isForElse says whether a record of who was called tells another method than the call, or a path that asks for something else.
func (c *Call) isForElse(e *Event) bool {
	m := e.Attrs.Get("http.request.method")
	return m != "" && c.Method != "" && m != c.Method || otherPath(c.Target, e.Attrs.Get("url.path"))
}

// otherPath says whether two paths share no segment.
func otherPath(a, b string) bool {
	asked, answered := segments(a), segments(b)
	return len(asked) > 0 && len(answered) > 0 && !slices.ContainsFunc(asked, func(s string) bool { return slices.Contains(answered, s) })
}

func segments(target string) []string {
	return strings.FieldsFunc(pathOf(target), func(r rune) bool { return r == '/' })
}

// callFor gives an open call of p that may be the one to h, else a call of which p has no record. told says that it is known that p called h.
func (d *draft) callFor(p, h *Hop, told bool) *Call {
	for _, c := range p.Calls {
		if c.Callee != nil || !reached(c) || !canAnswer(h, c) {
			continue
		}
		if e, known := d.endpoint(c); known && (e.Service != h.Service || e.Host != "" && e.Host != h.Host) || !known && !told && d.book.answersElse(p.Service, c.Peer, h.Service) {
			continue
		}
		window, timed := callLength(c)
		length, ok := hopLength(h)
		left := c.Ended == GaveUp || c.Ended == CallerLeft // and h may have gone on
		if !left && timed && ok && !within(length, window) || c.End.CertainlyBefore(h.Start) {
			continue
		}
		return c
	}
	c := &Call{ID: len(d.calls) + 1, Caller: p, Sent: h.Sent}
	p.Calls = append(p.Calls, c)
	d.calls = append(d.calls, c)
	return c
}

// carriedSpan says whether h was asked with the ID of a span in which p wrote.
func carriedSpan(p, h *Hop) bool {
	sp := h.span()
	return sp != nil && sp.ParentSpanID != "" && slices.ContainsFunc(p.Events, func(e *Joined) bool { return e.SpanID == sp.ParentSpanID })
}

// hostsInErrors gives the hosts of calls of which errors of a hop tell.
func hostsInErrors(h *Hop) (hosts []string) {
	for _, e := range h.Events {
		if e.Kind == LogRecord && (e.Exception != nil || e.Event.Failed) && e.Held() {
			hosts = append(hosts, hostsIn(e)...)
		}
	}
	return hosts
}

// hostsIn gives the hosts of the URLs, and of the pools of connections, in what an error says.
func hostsIn(e *Joined) (hosts []string) {
	for _, at := range hostInError.FindAllStringSubmatch(errorText(e.Event), -1) {
		hosts = append(hosts, at[1])
	}
	return hosts
}

// at says whether the hop's host or service is one of some names.
func (h *Hop) at(names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return n == h.Service || n == h.Host })
}

// hostInError is the host of a URL, and that of an error of Python's urllib3 ("HTTPConnectionPool(host='stock', port=9000)").
var hostInError = regexp.MustCompile(`(?:\bhttps?://|\bhost=["'])([\w.-]+)`)

// parentScore weighs p as the caller of h, of whose host an error of p tells or not; 0 is impossible.
func (d *draft) parentScore(p, h *Hop, told bool) float64 {
	from := p.Start
	if p.span() == nil && p.Caller != nil && p.Caller.Start.Known() {
		from = p.Caller.Start
	}
	if h.Start.CertainlyBefore(from) || p.End.CertainlyBefore(h.Start) {
		return 0
	}
	if forwards(p) && p.Service == h.Service && p.Host == h.Host && slices.ContainsFunc(p.Calls, func(c *Call) bool { return c.Callee != nil }) {
		return 0 // a proxy calls itself through the app behind it
	}
	score := 1.0
	e, carried := d.book.Edge(p.Service, h.Service), carriedSpan(p, h)
	pl, pOK := hopLength(p)
	// Nobody knows how long p worked, or it failed and is known to call such as h: it may have given up.
	gaveUp := !pOK || p.Sent.Failed() && (carried || e.Calls >= alikeLeast && e.Calls > d.book.Edge(h.Service, p.Service).Calls)
	if !pOK && p.Caller != nil {
		pl, pOK = callLength(p.Caller)
	}
	hl, hOK := hopLength(h)
	if pOK && hOK {
		for _, c := range p.Calls {
			gaveUp = gaveUp || c.Ended == GaveUp
		}
		if !within(hl, pl) && !gaveUp {
			return 0
		}
		score += float64(hl.d+1) / float64(max(pl.d, hl.d)+1) // the shortest that can hold it
	}
	for c := p.Caller; c != nil && score < 2; c = c.Caller.Caller {
		score += 0.1 // of two that hold it as closely, the one below
	}
	if !told && !d.book.mayCall(p.Service, h.Service) {
		return score / 100 // only if there is no other
	}
	if carried {
		score += 20
	}
	if e.Calls > 0 {
		score += 10
		if e.Recorded >= alikeLeast && !slices.ContainsFunc(p.Calls, func(c *Call) bool { return c.Record != nil && c.Callee != nil && c.Callee.Service == h.Service }) {
			score += 5 // not by guesses like this one alone, and p's record tells of no other call to it
		}
	}
	for _, he := range h.Events {
		for _, pe := range p.Events {
			if line := quotable(he.Event); line != "" && pe.Failed && strings.Contains(rawText(pe.Event), line) {
				score += 20
			}
		}
	}
	if told {
		score += 20
	}
	if p.Role == RoleApp {
		score += 2
	}
	return score
}

// silentHops makes a hop of every callee that nobody logged; with known only of those
// whose service the book knows, so that what they called can be put below them.
func (d *draft) silentHops(known bool) {
	for _, c := range d.calls {
		if c.Callee != nil || c.Ended == NotSent || c.Ended == Denied || c.Peer == "" {
			continue
		}
		e, ok := d.endpoint(c)
		if known && (!ok || !d.services[e.Service]) {
			continue
		}
		h := &Hop{Service: c.Peer, Silent: true, Caller: c}
		if ok {
			h.Service, h.Host = e.Service, e.Host
		} else if s := d.serviceIn(c.Peer); s != "" {
			h.Service = s
		}
		h.System = d.software[h.Service].system
		h.Role, h.RoleGuessed = d.silentRole(c, h)
		c.Callee = h
		d.hops = append(d.hops, h)
	}
}

// serviceIn gives the service that a peer's spelling names, "" if none.
func (d *builder) serviceIn(peer string) string {
	for _, part := range strings.FieldsFunc(peer, func(r rune) bool { return r == '/' || r == ':' || r == '@' }) {
		name, _, _ := strings.Cut(part, ".")
		if d.services[name] {
			return name
		}
	}
	return ""
}

// silentRole: a service that logs elsewhere is what its logs say, or ours. What an app calls and what never
// logs is not ours to trace; what a gateway or proxy forwards to is the app.
func (d *draft) silentRole(c *Call, h *Hop) (role Role, guessed bool) {
	if r, ok := d.roles[h.Service]; ok {
		return r, false
	}
	if d.services[h.Service] {
		return d.software[h.Service].role, false
	}
	if forwards(c.Caller) {
		return RoleApp, true
	}
	return RoleDependency, true
}
