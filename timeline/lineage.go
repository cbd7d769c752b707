package timeline

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Resolve computes, from the calls and from what each side logged of them, what can
// be said of every hop's own act: depth, attempts, which answer was used, on which
// call a failure rests, and the lineage. It reads r.Hops, r.Calls and the events of
// the hops, and sets the fields of hops and calls that its name promises. It can be
// repeated.
func Resolve(r *Request) {
	for _, h := range r.Hops {
		tellErrorPages(h)
	}
	for _, h := range slices.Backward(r.Hops) {
		if c := brokeBelow(h); c != nil {
			h.Ended, c.Ended = Truncated, Truncated
		}
		breakUnderWay(h)
	}
	for _, c := range r.Calls {
		if triedAgain(c) {
			c.Ended, c.Again = Reset, true
		}
		c.Used = false
		if c.Callee != nil && !c.Sent.Known() {
			c.Sent = c.Callee.Sent
		}
		if c.Ended == OutcomeUnknown {
			answeredForIt(c)
			toldByError(c)
			abandoned(c)
			passedOn(c)
			outwaited(c)
			c.Ended = endedByBothEnds(c)
		}
		if brokeThrough(c) {
			c.Ended, c.Callee.Ended = Truncated, Truncated
		}
	}
	for _, h := range r.Hops {
		h.FailedBy, h.HandledByCaller, h.Received, h.Lineage = nil, false, Status{}, LineageUnknown
		slices.SortStableFunc(h.Calls, compareCalls)
		numberAttempts(h)
	}
	if root := r.Root(); root != nil {
		setDepth(root, 0)
	}
	// Callees first: whether a hop died is needed to judge its caller.
	for i := len(r.Hops) - 1; i >= 0; i-- {
		resolveHop(r.Hops[i])
	}
	for _, h := range r.Hops {
		markHandled(h)
	}
}

func compareCalls(a, b *Call) int {
	if c := a.Start.Time.Compare(b.Start.Time); c != 0 {
		return c
	}
	return cmp.Compare(a.ID, b.ID)
}

// tellErrorPages finds the calls by which a gateway got the page for a failure: the callee answered well, to another path than the
// request's and none to which the gateway says it passed it on, and the gateway sent the failure all the same. Its record may give its own status as the callee's, as Traefik's does for the
// service of its middleware Errors, and names no other call then: what others answered before is what it made the failure of.
func tellErrorPages(h *Hop) {
	own := h.span()
	if own == nil || !forwards(h) || h.Sent.Code < 400 || h.Sent.Protocol != "" {
		return
	}
	path := own.Attrs.Get("url.path")
	found := false
	for _, c := range h.Calls {
		if c.Callee == nil || c.Record == nil || c.Callee.Sent.Code/100 != 2 || c.Callee.span() == nil {
			continue
		}
		page := c.Callee.span().Attrs
		target, _, _ := strings.Cut(c.Target, "?")
		if asked := page.Get("url.path"); path != "" && asked != "" && asked != path && asked != target && page.Get("http.request.method") == "GET" {
			c.Purpose, c.Received, c.Unsure, c.OwnMade, found = ErrorPage, c.Callee.Sent, false, false, true
		}
	}
	for _, c := range h.Calls {
		if found && c.Record == nil && c.Callee != nil && !c.Received.Known() && c.Callee.End.Known() && !h.End.CertainlyBefore(c.Callee.End) {
			c.Received = c.Callee.Sent
		}
	}
}

// passedOn tells of a call that likeness ties, of which its caller has no record, what its caller received: what the callee sent,
// unless the callee, or what it waited for, was certainly at work for longer than the caller waited.
func passedOn(c *Call) {
	if c.Callee == nil || c.Record != nil || !c.Callee.Sent.Known() || c.Received.Known() {
		return
	}
	sp := c.Callee.span()
	if sp == nil || sp.caller == nil || c.Ended != OutcomeUnknown {
		return
	}
	if c.Skips && c.Callee.Sent != c.Caller.Sent {
		return // what stands between them, which left no record, may have got it and failed
	}
	if c.Callee.Sent != c.Caller.Sent && c.Outlasted() {
		c.Ended = GaveUp
		return
	}
	c.Received = c.Callee.Sent
}

// abandoned tells of a call of which its caller has no record and of which the callee says that its caller left: one that failed the request, and was not left itself,
// waited no longer. 499 is nobody's answer (nginx: src/http/ngx_http_request.h).
func abandoned(c *Call) {
	h, up := c.Callee, c.Caller
	left := func(h *Hop) bool { return h.Ended == CallerLeft || h.Sent == Status{Code: 499} }
	if h != nil && c.Record == nil && !c.Received.Known() && left(h) && up.Sent.Failed() && !left(up) && !slices.ContainsFunc(up.Calls, func(o *Call) bool { return o != c && o.Received == up.Sent }) {
		c.Ended = GaveUp
	}
}

// outwaited tells of a 504 of which the caller's record does not say who made it that it is the caller's own: the callee answered well, and was
// certainly at work for longer.
func outwaited(c *Call) {
	if c.Unsure && c.Received.Code == 504 && c.Callee != nil && c.Callee.Sent.Known() && !c.Callee.Sent.Failed() && c.Outlasted() {
		c.OwnMade, c.Unsure, c.Ended = true, false, GaveUp
	}
}

// escaped says whether e tells of an error that nothing caught, of this request and no other.
func escaped(e *Joined) bool { return e.Exception != nil && e.Exception.Escaped && e.Held() }

// errorText is what an error says in words.
func errorText(e *Event) string {
	text := e.Body + " " + e.Attrs.Get("error.message")
	if e.Exception != nil {
		text += " " + e.Exception.Message
	}
	return text
}

// lastError is the last event of h that tells of an error: of one in code, else in words.
func lastError(h *Hop) *Joined {
	if own := ownError(h); own != nil {
		return own
	}
	for _, e := range slices.Backward(h.Events) {
		if e.Kind == LogRecord && e.Event.Failed && severe(e.Severity) && e.Held() {
			return e
		}
	}
	return nil
}

// answeredForIt tells what a callee sent that logged no status, if its only caller, which passes on what it gets, sent a failure: the same as the
// callee itself had received from below, or the 500 by which a framework answers where the callee logged an error that nothing caught.
func answeredForIt(c *Call) {
	h, up := c.Callee, c.Caller
	if h == nil || h.Silent || h.span() != nil || c.Sent.Known() || c.Received.Known() || c.Record != nil && c.OwnMade || !forwards(up) || !up.Sent.Failed() {
		return
	}
	if slices.ContainsFunc(up.Calls, func(o *Call) bool { return o != c && !o.Purpose.Aside() }) {
		return
	}
	got := func(k *Call) bool { return k.Received == up.Sent && !k.OwnMade }
	if slices.ContainsFunc(h.Calls, got) || up.Sent == (Status{Code: 500}) && slices.ContainsFunc(h.Events, escaped) {
		c.Received = up.Sent
	}
}

// toldByError tells what a callee sent that logged no status, if its caller has no record of the call and failed by an error that names a status as another one's
// answer: by an error that names the callee, or of its only call if that ended by an error that nothing caught.
func toldByError(c *Call) {
	h, up := c.Callee, c.Caller
	if h == nil || h.Silent || h.span() != nil || c.Record != nil || c.Sent.Known() || c.Received.Known() || !up.Sent.Failed() && up.span() != nil {
		return
	}
	own := lastError(up)
	if own == nil || own.Start.CertainlyBefore(h.Start) {
		return
	}
	message := errorText(own.Event)
	code := answerStatus.FindStringSubmatch(message)
	if code == nil || !answerWords.MatchString(message) {
		return
	}
	status := Status{}
	status.Code, _ = strconv.Atoi(code[1])
	if slices.ContainsFunc(up.Calls, func(o *Call) bool { return o != c && (o.Received == status || o.Sent == status) }) {
		return // it may speak of that one
	}
	others := func(o *Call) bool { return o != c && !o.Purpose.Aside() }
	if containsWord(message, h.Service) || h.at(hostsIn(own)) || !slices.ContainsFunc(up.Calls, others) && slices.ContainsFunc(h.Events, escaped) {
		c.Received, c.Named = status, true
	}
}

// triedAgain says whether a call that was refused had been had before: what stands behind the callee, which left no record itself, was at work at
// it. Clients ask once more on another connection by themselves where one broke before an answer had begun (golang/go: net/http/transport.go,
// shouldRetryRequest; apache/httpd: modules/proxy/mod_proxy_http.c), and tell how that ended.
func triedAgain(c *Call) bool {
	return c.Ended == Refused && c.Callee != nil && c.Callee.Silent && slices.ContainsFunc(c.Caller.Calls, func(o *Call) bool {
		return o.Skips && o.Callee != nil && o.Callee.span() != nil && !c.Caller.End.CertainlyBefore(o.Callee.Start)
	})
}

// Outlasted says that the callee, or what it waited for, was certainly at work for longer than the caller was: that had not waited for
// its answer, or no longer did.
func (c *Call) Outlasted() bool {
	if c.Callee == nil {
		return false
	}
	before := func(at Instant) bool {
		return at.Known() && at.Add(hopTolerance).CertainlyBefore(workedUntil(c.Callee))
	}
	if before(answeredAt(c.Caller)) {
		return true
	}
	// Whoever passed its answer on had it before: that tells more where the caller's own clock is tied to no other one.
	for up := c.Caller.Caller; up != nil && up.Received.Known() && up.Received == up.Callee.Sent && !up.OwnMade && !up.Unsure && up.Caller != nil; up = up.Caller.Caller {
		if up.Record != nil && !up.Record.momentary() && before(up.End) || before(answeredAt(up.Caller)) {
			return true
		}
	}
	return false
}

// AnsweredFirst says that the callee had answered before the caller did, by the best guess of both moments, which says something only where their
// clocks are tied.
func (c *Call) AnsweredFirst() bool {
	if c.Callee == nil {
		return false
	}
	first, _ := c.Callee.End.Before(answeredAt(c.Caller))
	return first
}

// brokeThrough says whether the answer of a call broke off where its caller's did: the caller passed it on as it came, and says that it
// could not be read to its end, or was told so of what the caller of the caller got. What nobody recorded of its end is meant alone.
func brokeThrough(c *Call) bool {
	h := c.Caller
	if c.Callee == nil || c.Callee.Silent || h.Ended != Truncated || !forwards(h) || h.Sent.Failed() || c.Callee.Sent != h.Sent || c.Callee.Ended != OutcomeUnknown || c != h.Calls[len(h.Calls)-1] {
		return false
	}
	if h.Caller != nil && h.Caller.Ended == Truncated {
		return true
	}
	return slices.ContainsFunc(h.Events, func(e *Joined) bool { return e.Kind == LogRecord && e.Ended == Truncated && e.Held() })
}

// brokeBelow gives the call of a proxy whose answer is known to have broken off, where the proxy had sent the same status and its record does
// not tell how its own answer ended: the head had gone out, and the rest could not be had; nil if there is none. That it broke off is told by the other end, or by
// a message of the proxy.
func brokeBelow(h *Hop) *Call {
	if len(h.Calls) == 0 || !forwards(h) || h.Ended != OutcomeUnknown || h.Sent.Failed() || !h.Sent.Known() {
		return nil
	}
	c := h.Calls[len(h.Calls)-1]
	if c.Record != nil && c.Record.Kind == LogRecord && c.Ended == Truncated && c.Record.Held() {
		return c // so says its own log
	}
	if c.Record != nil || c.Callee == nil || c.Callee.Ended != Truncated || c.Callee.Sent != h.Sent {
		return nil
	}
	return c
}

// breakUnderWay tells the calls of which the answer broke off after its head had gone out, where a proxy above made a failure of that: the one who
// made the answer has a record of an error that nothing caught, and those between passed it on.
func breakUnderWay(h *Hop) {
	if !forwards(h) || !h.Sent.Failed() {
		return
	}
	var way []*Call
	for at := h; forwards(at) && len(at.Calls) > 0; {
		c := at.Calls[len(at.Calls)-1]
		if c.Callee == nil || c.Ended != OutcomeUnknown || !c.Callee.Sent.good() || c.Callee.Ended != OutcomeUnknown || at != h && at.Sent != c.Callee.Sent {
			return
		}
		way, at = append(way, c), c.Callee
	}
	if len(way) == 0 || !slices.ContainsFunc(way[len(way)-1].Callee.Events, func(e *Joined) bool { return e.Held() && caughtDeath(e.Event) }) {
		return
	}
	for _, c := range way {
		c.Received = c.Callee.Sent // its head
		c.Ended, c.Callee.Ended = Truncated, Truncated
	}
}

// answeredAt is when a hop had answered: by its own record, else by that of its caller, or when the first of its callers had that tells. A
// record with no more than a moment within its exchange does not tell.
func answeredAt(h *Hop) Instant {
	tells := func(h *Hop) bool {
		sp := h.span()
		return h.End.Known() && (sp == nil || !sp.momentary())
	}
	for ; !tells(h) && h.Caller != nil && h.Caller.Record == nil; h = h.Caller.Caller {
	}
	switch {
	case tells(h):
		return h.End
	case h.Caller != nil && !h.Caller.Record.momentary():
		return h.Caller.End
	}
	return Instant{}
}

// workedUntil is until when a hop was at work: by its own record, else as long as what it passed on was.
func workedUntil(h *Hop) Instant {
	for !h.End.Known() {
		var next *Hop
		for _, c := range h.Calls {
			if c.Callee != nil && c.Record == nil && c.Callee.Sent == h.Sent {
				next = c.Callee
			}
		}
		if next == nil {
			return Instant{}
		}
		h = next
	}
	return h.End
}

func endedByBothEnds(c *Call) Outcome {
	switch {
	case c.Ended != OutcomeUnknown:
		return c.Ended
	case c.Received.Known() && !c.OwnMade:
		return Complete
	case c.Received.Known():
		return OutcomeUnknown
	case c.Callee != nil && (c.Callee.Ended == Truncated || c.Callee.Ended == CallerLeft):
		return c.Callee.Ended
	case c.Skips:
		return OutcomeUnknown
	case c.Sent.Known():
		return Complete
	}
	return OutcomeUnknown
}

// numberAttempts numbers the calls that repeat one another: same purpose, method and
// target, the earlier failed before the later began. Calls with the same target after a success
// are siblings.
func numberAttempts(h *Hop) {
	for i, c := range h.Calls {
		c.Attempt = 1
		for j := i - 1; j >= 0; j-- {
			p := h.Calls[j]
			if p.Purpose == c.Purpose && p.Method == c.Method && sameTarget(p, c) {
				if p.Failed() && !c.Start.CertainlyBefore(p.Start) {
					c.Attempt = p.Attempt + 1
				}
				break
			}
		}
		if c.Callee != nil {
			c.Callee.Attempt = c.Attempt
		}
	}
}

func sameTarget(a, b *Call) bool {
	if a.Target != "" || b.Target != "" {
		return a.Target == b.Target
	}
	// An access log's upstream list holds attempts of one call and names no target.
	return a.Record != nil && b.Record != nil && a.Record.Event == b.Record.Event
}

func setDepth(h *Hop, depth int) {
	h.Depth = depth
	for _, c := range h.Calls {
		if c.Callee != nil {
			setDepth(c.Callee, depth+1)
		}
	}
}

// lastAttempts gives the calls of h that no later attempt replaced, by start.
func lastAttempts(h *Hop) []*Call {
	var last []*Call
	for i, c := range h.Calls {
		replaced := false
		for _, n := range h.Calls[i+1:] {
			if n.Attempt == c.Attempt+1 && n.Purpose == c.Purpose && n.Method == c.Method && sameTarget(n, c) {
				replaced = true
				break
			}
		}
		if !replaced {
			last = append(last, c)
		}
	}
	return last
}

// resolveHop sets what h received and used, on which call its failure rests, and its lineage.
func resolveHop(h *Hop) {
	finals := lastAttempts(h)
	failed := hopFailed(h)
	for _, c := range finals {
		if c.Purpose.Aside() {
			continue
		}
		c.Used = true
	}
	if failed {
		h.FailedBy = restsOn(h, finals)
		for _, c := range finals {
			c.Used = c.Used && (c == h.FailedBy || !c.Failed())
		}
	}
	if used := usedAnswer(h, finals); used != nil && !used.OwnMade {
		h.Received = used.Received
		if !h.Received.Known() && used.Ended == Complete && !used.Outlasted() {
			h.Received = used.Sent
		}
	}
	h.Lineage = lineage(h, finals, failed)
}

// usedAnswer is the call whose answer h's own rests on: that which failed it, else
// the last one used.
func usedAnswer(h *Hop, finals []*Call) *Call {
	if h.FailedBy != nil {
		return h.FailedBy
	}
	for i := len(finals) - 1; i >= 0; i-- {
		if finals[i].Used {
			return finals[i]
		}
	}
	return nil
}

// hopFailed says whether h failed the request towards its caller, as far as h's own
// records and its caller's tell.
func hopFailed(h *Hop) bool {
	switch h.Ended {
	case Truncated, Reset:
		return true
	}
	if h.Status().Failed() {
		return true
	}
	return diedOfItself(h) || endedUnanswered(h)
}

// endedUnanswered says that h gave its caller no answer though the call reached it.
func endedUnanswered(h *Hop) bool {
	if h.Sent.Known() || h.Caller == nil {
		return false
	}
	switch h.Caller.Ended {
	case Reset, Truncated:
		return true
	}
	return false
}

// DiedOf gives the event that shows that h ended by its own work before it answered:
// an escaped exception, where no status was sent. nil if there is none. A record that
// may as well be another request's shows nothing: its request may be a victim.
func (h *Hop) DiedOf() *Joined {
	if h.Sent.Known() {
		return nil
	}
	if h.Caller != nil && h.Caller.Received.Known() && !h.Caller.OwnMade {
		return nil
	}
	for _, e := range h.Events {
		if !e.Held() {
			continue
		}
		if (e.Exception != nil && e.Exception.Escaped || e.Lifecycle.OfItsWork()) && !h.leftBefore(e) {
			return e
		}
	}
	return nil
}

// leftBefore says whether the caller of h had given up waiting, by its own record, when e was written, as far as the clocks do not exclude it: a connection
// that h had lost by dying would have ended the wait.
func (h *Hop) leftBefore(e *Joined) bool {
	if h.Caller == nil || h.Caller.Ended != GaveUp && h.Caller.Ended != CallerLeft {
		return false
	}
	at, left := firstKnown(e.End, e.Start), h.Caller.End
	return at.Known() && left.Known() && !at.CertainlyBefore(left)
}

func diedOfItself(h *Hop) bool { return h.DiedOf() != nil }

// restsOn finds the final call on which the failure of h rests; nil if h made the
// failure itself.
//
// It is the last failing one, unless h went on after it: a later call that succeeded
// and began after the failure was known, or an error of h's own that does not speak
// of that call, unless h's status says that a server behind it failed. A call that was refused with a 4xx counts as failing if nothing else failed.
func restsOn(h *Hop, finals []*Call) *Call {
	own := ownError(h)
	if c := blamed(h, finals); c != nil && (own == nil || speaksOf(own, c)) {
		return c
	}
	for i := len(finals) - 1; i >= 0; i-- {
		c := finals[i]
		if !c.Failed() || c.Purpose.Aside() {
			continue
		}
		told := own != nil && speaksOf(own, c) || namesItsID(h, c)
		if own != nil && !told && !blamesUpstream(h.Sent) && !own.Start.CertainlyBefore(c.Start) {
			return nil
		}
		if wentOn(h, c, finals[i+1:]) && !told {
			return nil
		}
		return c
	}
	for i := len(finals) - 1; i >= 0; i-- {
		c := finals[i]
		if c.Received.Refused() && (own == nil || speaksOf(own, c)) && !wentOn(h, c, finals[i+1:]) {
			return c
		}
	}
	return nil
}

// blamed gives the one of several failed calls of which the last error that h logged speaks, nil if there is none: calls that were made
// at once may fail in any order.
func blamed(h *Hop, finals []*Call) *Call {
	failed := slices.DeleteFunc(slices.Clone(finals), func(c *Call) bool {
		return !c.Failed() || c.Callee == nil || c.Purpose.Aside()
	})
	if len(failed) < 2 {
		return nil
	}
	for _, e := range slices.Backward(h.Events) {
		if e.Kind != LogRecord || !severe(e.Severity) || e.guessed() {
			continue
		}
		named := slices.DeleteFunc(slices.Clone(failed), func(c *Call) bool {
			return !containsWord(e.Body, c.Callee.Service) && (c.Peer == "" || !containsWord(e.Body, c.Peer))
		})
		if len(named) == 1 {
			return named[0]
		}
	}
	return nil
}

// blamesUpstream says whether a status says by itself that its sender got no usable answer from a server behind it (RFC 9110, 15.6.3 and 15.6.5).
func blamesUpstream(st Status) bool {
	return st.Protocol == "" && (st.Code == 502 || st.Code == 504)
}

// wentOn says that h made another call, which succeeded, after it knew that c had failed.
func wentOn(h *Hop, c *Call, later []*Call) bool {
	for _, l := range later {
		if l.Failed() || l.Received.Refused() || l.Purpose.Aside() {
			continue
		}
		if c.End.Known() && l.Start.Known() && !l.Start.Time.Before(c.End.Time) {
			return true
		}
	}
	return false
}

// ownError is the last event of h that carries an exception; records of its calls and
// inferred records that may be another request's do not count.
func ownError(h *Hop) *Joined {
	for i := len(h.Events) - 1; i >= 0; i-- {
		e := h.Events[i]
		if e.Exception != nil && e.Kind != ClientSpan && e.Held() {
			return e
		}
	}
	return nil
}

// speaksOf says whether an error of the caller names the call: its peer, its callee,
// its target, its error text, or the status that it brought; or is of a wait that was too long, as the call was.
func speaksOf(e *Joined, c *Call) bool {
	text := e.Body + "\n" + e.Exception.Type + "\n" + e.Exception.Message + "\n" + string(e.Raw)
	has := func(s string) bool { return len(s) >= 3 && strings.Contains(text, s) }
	if has(c.Peer) || has(c.Target) || has(c.Error) {
		return true
	}
	// The type of the error with which the call ended is among those of the exception and its causes.
	if class, _, ok := strings.Cut(c.Error, ":"); ok && len(class) > 6 && !strings.ContainsAny(class, " /") && containsWord(text, class) {
		return true
	}
	if c.Callee != nil {
		if has(c.Callee.Service) {
			return true
		}
		for _, ev := range c.Callee.Events {
			if ev.Failed && quotes(text, ev.Body) {
				return true
			}
		}
	}
	message := errorText(e.Event)
	if c.Ended == GaveUp && timeoutWords.MatchString(message) {
		return true
	}
	if c.Received.Known() {
		return !c.OwnMade && containsWord(message, c.Received.String())
	}
	return c.Record == nil && c.Sent.Failed() && containsWord(message, c.Sent.String()) && answerWords.MatchString(message)
}

// timeoutWords are words by which an error says that a wait was too long.
var timeoutWords = regexp.MustCompile(`(?i)timed? ?out|timeout`)

// answerStatus is a status of failure that stands alone.
var answerStatus = regexp.MustCompile(`(?:^|[^\w.:/-])([45]\d\d)(?:[^\w.-]|$)`)

// answerWords are words by which an error speaks of the status that another one answered; a number alone may be anything.
var answerWords = regexp.MustCompile(`(?i)status|\bhttp\b|response|answered|server error`)

// namesItsID says whether a failed message of h names the ID that its callee gave the exchange, as OpenStack's
// clients log the X-Openstack-Request-Id of an answer: an identity key of the callee that h's own exchange does not bear.
func namesItsID(h *Hop, c *Call) bool {
	if c.Callee == nil {
		return false
	}
	own := map[string]bool{}
	for _, e := range h.Events {
		if e.Kind == ServerSpan {
			for _, k := range identities(e.Event) {
				own[k.Form()] = true
			}
		}
	}
	if len(own) == 0 {
		return false
	}
	its := map[string]bool{}
	for _, e := range c.Callee.Events {
		for _, k := range identities(e.Event) {
			if f := k.Form(); !e.guessed() && !own[f] {
				its[f] = true
			}
		}
	}
	for _, e := range h.Events {
		if e.Kind == LogRecord && (e.Failed || e.Exception != nil || severe(e.Severity)) && !e.guessed() && carries(e.Event, its) {
			return true
		}
	}
	return false
}

// quotes says whether text holds the first line of a message that is long enough to be told from chance.
func quotes(text, message string) bool {
	line, _, _ := strings.Cut(message, "\n")
	line = strings.TrimSpace(line)
	return len(line) >= 16 && strings.Contains(text, line)
}

func containsWord(text, word string) bool { return HasWord(text, word, "") }

// HasWord says whether word stands in text between characters that are no letters, digits or underscores, nor one of those that
// may be parts of a word too.
func HasWord(text, word, parts string) bool {
	part := func(c byte) bool { return alnum(c) || strings.IndexByte(parts, c) >= 0 }
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return false
		}
		i += from
		j := i + len(word)
		if (i == 0 || !part(text[i-1])) && (j == len(text) || !part(text[j])) {
			return true
		}
		from = i + 1
	}
}

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

func lineage(h *Hop, finals []*Call, failed bool) Lineage {
	switch {
	case h.Ended == CallerLeft || h.Sent.Protocol == "" && h.Sent.Code == 499:
		return Aborted
	case diedOfItself(h) || processEndedIn(h):
		return Died
	case h.Silent && !h.Status().Known():
		return LineageUnknown
	case failed:
		return failedLineage(h)
	}
	if !h.Status().Known() {
		if h.Caller != nil && (h.Caller.Ended == GaveUp || h.Caller.Ended == CallerLeft) {
			return Aborted
		}
		return LineageUnknown
	}
	if h.Status().Refused() {
		for _, c := range finals {
			if c.Failed() || c.Received.Refused() {
				if c.Received == h.Sent {
					return Relayed
				}
				return Translated
			}
		}
		return Answered
	}
	for _, c := range finals {
		if c.Failed() && c.Purpose != Mirror && c.Purpose != Background {
			return Masked
		}
	}
	return Answered
}

func failedLineage(h *Hop) Lineage {
	c := h.FailedBy
	switch {
	case c == nil:
		return Created
	case c.Ended == NotSent:
		return Replayed
	case !h.Received.Known():
		return Created
	case h.Received == h.Status():
		return Relayed
	case h.Received.Failed() || h.Received.Refused():
		return Translated
	}
	return Created
}

// processEndedIn says that the life in which h was handled ended while h had not answered.
func processEndedIn(h *Hop) bool {
	if h.Process == nil || h.Sent.Known() || !h.Process.End.Known() || h.Caller == nil || h.Caller.Ended != Reset {
		return false
	}
	return !h.Process.End.CertainlyBefore(h.Start) && !(h.Caller.End.Known() && h.Caller.End.Add(time.Second).CertainlyBefore(h.Process.End))
}

// markHandled marks the failed callees with which h coped: it answered without a
// failure, or its own failure rests on something else.
func markHandled(h *Hop) {
	for _, c := range h.Calls {
		if c.Callee == nil || c == h.FailedBy || !(c.Failed() || c.Callee.Status().Failed()) {
			continue
		}
		switch h.Lineage {
		case LineageUnknown, Died, Aborted:
			continue
		}
		c.Callee.HandledByCaller = true
	}
}
