package timeline

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// An exchange is what is known of one service handling one request, as a candidate
// to which a record without ID may belong. It is small, for there is one for every
// access record near a wanted request.
type exchange struct {
	form         string // an identity form of its record; "" if it has none
	set          string // alias set, or the position of a record without identity key
	system       string
	clock        string  // by which raw is stamped; "" if the service logged no exchange
	raw          RawSpan // from its start to its end, on that clock
	from, to     Instant // its aligned window
	client       string  // address without port
	method, path string
	route        string   // by the gateway's name
	peers        []string // addresses that it called
	answered     bool     // it logged a status
	status       int      // that it logged
	ends         bool     // it logged when it was over
	failed       bool
	broke        bool // its answer broke off
	killed       bool // its process ended while it was at work
	hop          *Hop // that logged no exchange of its own; else nil
}

func exchangeOf(e *Event, clocks *ClockModel) exchange {
	x := exchange{system: e.System}
	x.from, x.to = clocks.Align(e)
	start, end, startOK, endOK := e.Interval()
	if !startOK {
		start.Lo = end.Lo.Add(-unknownLength)
		x.from = Instant{Earliest: x.to.Earliest.Add(-unknownLength), Time: x.to.Time, Latest: x.to.Latest}
	}
	if !endOK {
		end.Hi = start.Hi.Add(unknownLength)
		x.to = Instant{Earliest: x.from.Earliest, Time: x.from.Time, Latest: x.from.Latest.Add(unknownLength)}
	}
	x.clock, x.raw = clocks.hostSpan(e, RawSpan{start.Lo, end.Hi})
	x.client = hostPart(e.Attrs.Get(KeyClient))
	x.method, x.path = e.Attrs.Get("http.request.method"), e.Attrs.Get("url.path")
	x.route = routeOf(e)
	x.answered, x.status, x.ends = e.Status().Known(), e.StatusCode, endOK
	x.failed = e.Status().Failed() || !x.answered || e.Failed
	for _, c := range e.Calls {
		x.peers = append(x.peers, c.Peer)
		x.failed = x.failed || c.OwnMade || c.Status >= 500
	}
	x.broke = e.Ended == Truncated
	switch e.Ended {
	case Reset, Truncated, Refused, GaveUp, ConnectGaveUp, CallerLeft, NotSent, Denied, Unusable:
		x.failed = true
	}
	return x
}

// narrow leaves of a window of which the record tells one end alone what is known of the exchange in its request.
func (x *exchange) narrow(h *Hop, clocks *ClockModel) {
	sp := h.span()
	start, end, startOK, endOK := sp.Interval()
	if startOK && endOK {
		return
	}
	// It was there no longer than who had its answer waited for it, whatever their clocks say.
	if most, ok := lengthAbove(h); ok && startOK {
		x.raw.Hi = earlier(x.raw.Hi, x.raw.Lo.Add(start.Hi.Sub(start.Lo)+most))
		x.to.Latest = earlier(x.to.Latest, x.from.Latest.Add(most))
	} else if ok && endOK {
		x.raw.Lo = later(x.raw.Lo, x.raw.Hi.Add(end.Lo.Sub(end.Hi)-most))
		x.from.Earliest = later(x.from.Earliest, x.to.Earliest.Add(-most))
	}
	if !h.Start.Known() || !h.End.Known() || !clocks.Tied(sp.Event) {
		return
	}
	from, to := h.Start, h.End
	x.from, x.to = from, to
	lo, hi := clocks.rawWindow(x.clock, from.Earliest, to.Latest)
	if lo.After(x.raw.Lo) {
		x.raw.Lo = lo
	}
	if hi.Before(x.raw.Hi) {
		x.raw.Hi = hi
	}
}

// lengthAbove gives how long a hop took at most by the record of the call to it, or by the exchange in which it was called. Where its caller did not
// have its answer, it may have gone on.
func lengthAbove(h *Hop) (most time.Duration, ok bool) {
	if h.Caller == nil || h.Caller.Ended != Complete {
		return 0, false
	}
	l, ok := callLength(h.Caller)
	if !ok {
		l, ok = hopLength(h.Caller.Caller)
	}
	return l.d + l.res, ok
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// asks gives the path that was asked for, by the caller where the service logged no exchange; "" if it is not known.
func (x *exchange) asks() string {
	if x.path == "" && x.hop != nil && x.hop.Caller != nil {
		return pathOf(x.hop.Caller.Target)
	}
	return x.path
}

// explained says whether a service that logged no exchange wrote a failure that names the request: what else it wrote at the time is as likely of others.
func (x *exchange) explained() bool {
	return x.hop != nil && slices.ContainsFunc(x.hop.Events, func(e *Joined) bool {
		return e.Kind == LogRecord && (e.Failed || e.Exception != nil) && e.Attrs.Get("url.path") != "" && e.guessed()
	})
}

// exchanges are those of one service on one host, by clock, each list by start.
type exchanges struct {
	byClock map[string][]exchange
	clocks  []string // of byClock, in order, once it is sorted
	// longest is the longest span of a list: of raw, or for the clock "" and for
	// comparisons between clocks of the aligned window.
	longestRaw, longest map[string]time.Duration
}

func (xs *exchanges) add(x exchange) {
	if xs.byClock == nil {
		xs.byClock, xs.longestRaw, xs.longest = map[string][]exchange{}, map[string]time.Duration{}, map[string]time.Duration{}
	}
	xs.byClock[x.clock] = append(xs.byClock[x.clock], x)
	xs.longestRaw[x.clock] = max(xs.longestRaw[x.clock], x.raw.Hi.Sub(x.raw.Lo))
	xs.longest[x.clock] = max(xs.longest[x.clock], x.to.Latest.Sub(x.from.Earliest))
}

// sort puts the lists in order. Raw and aligned starts of one clock have one order.
func (xs *exchanges) sort() {
	for clock, list := range xs.byClock {
		slices.SortStableFunc(list, func(a, b exchange) int {
			if clock == "" {
				return cmp.Or(a.from.Earliest.Compare(b.from.Earliest), strings.Compare(a.set, b.set))
			}
			return cmp.Or(a.raw.Lo.Compare(b.raw.Lo), strings.Compare(a.set, b.set))
		})
	}
	xs.clocks = slices.Sorted(maps.Keys(xs.byClock))
}

// near calls f for the exchanges that a record written at raw on clock, or at on the
// common time line, may lie in.
func (xs *exchanges) near(clock string, raw RawSpan, at Instant, f func(x *exchange)) {
	for _, c := range xs.clocks {
		list := xs.byClock[c]
		if c == clock && clock != "" {
			i, _ := slices.BinarySearchFunc(list, raw.Lo.Add(-lateLine-xs.longestRaw[c]), func(x exchange, t time.Time) int { return x.raw.Lo.Compare(t) })
			for ; i < len(list) && !list[i].raw.Lo.After(raw.Hi); i++ {
				if !raw.Lo.After(list[i].raw.Hi.Add(lateLine)) {
					f(&list[i])
				}
			}
			continue
		}
		if !at.Known() {
			continue
		}
		i, _ := slices.BinarySearchFunc(list, at.Earliest.Add(-lateLine-xs.longest[c]), func(x exchange, t time.Time) int { return x.from.Earliest.Compare(t) })
		for ; i < len(list) && !list[i].from.Earliest.After(at.Latest); i++ {
			if !list[i].to.Latest.Add(lateLine).Before(at.Earliest) {
				f(&list[i])
			}
		}
	}
}

// hostPart drops a port: "10.0.0.9:4711" and "[::1]:80" give the address.
func hostPart(addr string) string {
	if strings.HasPrefix(addr, "[") {
		if i := strings.IndexByte(addr, ']'); i > 0 {
			return addr[1:i]
		}
	}
	if i := strings.LastIndexByte(addr, ':'); i >= 0 && strings.Count(addr, ":") == 1 {
		return addr[:i]
	}
	return addr
}

// upstreamOf is the address of the server that a message names, with its port if it is said.
func upstreamOf(e *Event) string {
	addr, port := e.Attrs.Get(KeyUpstream), e.Attrs.Get("server.port")
	switch {
	case addr == "" || port == "":
		return addr
	case strings.Contains(addr, ":"):
		return "[" + addr + "]:" + port
	}
	return addr + ":" + port
}

// routeOf is the name that a gateway's configuration gives the route by which it passes on; "" if its record has none.
func routeOf(e *Event) string {
	for _, name := range []string{"traefik.router", "kong.route", "envoy.route_name"} {
		if v := e.Attrs.Get(name); v != "" {
			return v
		}
	}
	return ""
}

// lateLine is by how much a record may be stamped after the exchange that it is about.
const lateLine = 250 * time.Millisecond

// unknownLength is how long an exchange is taken to have lasted at most if its record tells
// only its end, or only its start: the usual limits of proxies are a minute.
const unknownLength = 90 * time.Second

// answeredWithin is how long after an error that nothing caught, and that did not end the process, its exchange is over at most, by the same clock: the framework that logs
// it answers next. Most stamp the end of an exchange to the second.
const answeredWithin = 3 * time.Second

// maxCandidates is the number of requests above which a record without ID is joined to
// none of them.
const maxCandidates = 16

// A joiner finds the requests to which records without ID may belong.
type joiner struct {
	clocks    *ClockModel
	lives     []*Process
	openEnds  map[Pos][]*Process
	exchanges map[place]*exchanges
	logs      map[place]bool // who logs exchanges
	calls     []callOf
	places    map[place]bool // who logs at all
	waits     map[*Process][]pending
}

// waitsAt gives what callees were at work on when a process died of which e tells.
func (j *joiner) waitsAt(e *Event) []pending {
	if p := endOf(j.lives, e); p != nil {
		return j.waits[p]
	}
	var out []pending
	for _, p := range j.openEnds[e.Pos] {
		out = append(out, j.waits[p]...)
	}
	return out
}

// An inferred join of a record.
type inferred struct {
	set        string
	candidates int
	told       bool // of several candidates it is the one that something tells apart
	reason     string
	apart      string      // see Joined
	over       time.Time   // when the exchange that it fits was over, for an order
	asked      []operation // of a process that died, what its service was asked for
}

// writtenAt is when e was written, and whether it bears a stamp of its own: the text of a
// crash does not, but the life that it ended tells, or the lives of which it ended one. It is empty if nothing tells.
func (j *joiner) writtenAt(e *Event) (at []Instant, stamped bool) {
	aligned, _ := j.clocks.Align(e)
	if !e.Undated() {
		return []Instant{aligned}, true
	}
	if p := endOf(j.lives, e); p != nil {
		return []Instant{p.End}, false
	}
	for _, p := range j.openEnds[e.Pos] {
		at = append(at, p.End)
	}
	if e.Lifecycle == NoLifecycle {
		at = []Instant{aligned}
	}
	return at, false
}

// join gives the alias sets whose exchanges e fits, with what speaks for it.
func (j *joiner) join(e *Event) []inferred {
	ats, stamped := j.writtenAt(e)
	xs := j.exchanges[place{e.Service, e.Host}]
	if xs == nil {
		return nil
	}
	var fits []*exchange
	why := ""
	clock, raw := "", RawSpan{}
	if stamped {
		span, _, _, _ := e.Interval()
		clock, raw = j.clocks.hostSpan(e, span)
	}
	for _, at := range ats {
		xs.near(clock, raw, at, func(x *exchange) {
			if processDeath(e) && !stamped && x.to.CertainlyBefore(at) {
				return // it ended before, and not with its process
			}
			if w, ok := agrees(e, x); ok && !slices.Contains(fits, x) && (w != timeAlone || !x.explained() && (x.clock == clock && clock != "" || !vague(at) || x.wroteOn(e.Host))) {
				fits = append(fits, x)
				if len(w) > len(why) {
					why = w
				}
			}
		})
	}
	// What tells the candidates apart, as long as one is left: it names the path of one; what failed wrote the
	// failure; of an answer that broke off what says so; what did not die is of whose client it names, rather than of one whose client is not known; what answered did not die; and where the process lived on, what ended with its process
	// did not end by this.
	narrow := func(holds bool, other func(*exchange) bool) {
		if left := slices.DeleteFunc(slices.Clone(fits), other); holds && len(left) > 0 {
			fits = left
		}
	}
	path := e.Attrs.Get("url.path")
	narrow(path != "", func(x *exchange) bool { return x.asks() != path })
	narrow(e.Failed || e.Exception != nil || severe(e.Severity), func(x *exchange) bool { return !x.failed })
	client := hostPart(e.Attrs.Get(KeyClient))
	narrow(client != "" && !processDeath(e) && !caughtDeath(e), func(x *exchange) bool { return x.client != client })
	if len(e.Calls) == 1 {
		own := ownStatus(e.Calls[0].Ended) // of one call that failed so
		narrow(own.Known(), func(x *exchange) bool { return len(x.peers) < 2 && x.status != own.Code })
	}
	narrow(e.Ended == Truncated, func(x *exchange) bool { return !x.broke })
	narrow(caughtDeath(e), func(x *exchange) bool { return x.answered })
	narrow(caughtDeath(e), func(x *exchange) bool { return x.killed })
	narrow(caughtDeath(e) && stamped, func(x *exchange) bool {
		return x.ends && x.clock == clock && clock != "" && x.raw.Hi.Sub(raw.Hi) > answeredWithin
	})
	narrow(processDeath(e), func(x *exchange) bool { return x.answered })
	narrow(processDeath(e), func(x *exchange) bool { return x.hop != nil && x.hop.Caller != nil && !reached(x.hop.Caller) })
	if processDeath(e) {
		working := atWork(fits, j.waitsAt(e))
		if killer, words := killerOf(e, fits, working); killer != nil {
			return withOperations([]inferred{{set: killer.set, candidates: len(fits), told: true, reason: why + "; " + words, apart: words, over: killer.to.Time}}, fits)
		}
		return withOperations(inferredOf(setsOf(working), why), working)
	}
	sets := setsOf(fits)
	if within := setsOf(withinRaw(fits, clock, raw)); stamped && !caughtDeath(e) && len(within) == 1 && len(sets) > 1 && len(sets) <= maxCandidates {
		for s, over := range within {
			return []inferred{{set: s, candidates: len(sets), told: true, reason: why + "; it lies within the exchange of this one alone", over: over}}
		}
	}
	return inferredOf(sets, why)
}

// ended tells of the exchanges of which nothing told when they were over, that they were by what fits no other one: that the answer to what was passed on
// was lost, which is not passed on again. It says whether there were any.
func (j *joiner) ended(events []*Event, joins [][]inferred) (any bool) {
	for i, e := range events {
		if len(joins[i]) != 1 || e.Kind != LogRecord || len(e.Calls) != 1 || e.Undated() {
			continue
		}
		switch e.Calls[0].Ended {
		case GaveUp, Reset, Truncated:
		default:
			continue
		}
		xs := j.exchanges[place{e.Service, e.Host}]
		if xs == nil {
			continue
		}
		at, _ := j.clocks.Align(e)
		span, _, _, _ := e.Interval()
		clock, raw := j.clocks.hostSpan(e, span)
		var of []*exchange
		xs.near(clock, raw, at, func(x *exchange) {
			if x.set == joins[i][0].set {
				of = append(of, x)
			}
		})
		if len(of) != 1 || of[0].ends || of[0].clock != clock || of[0].status < 500 || len(of[0].peers) > 1 {
			continue
		}
		x := of[0]
		x.ends, any = true, true
		x.raw.Hi, x.to.Latest = earlier(x.raw.Hi, raw.Hi), earlier(x.to.Latest, at.Latest)
	}
	return any
}

// wroteOn says whether a hop that logged no exchange of its own has records of a host.
func (x *exchange) wroteOn(host string) bool {
	return x.hop != nil && slices.ContainsFunc(x.hop.Events, func(e *Joined) bool { return !e.guessed() && e.Host == host })
}

// timeAlone is what speaks for a join of which nothing else does.
const timeAlone = "the only thing known is the service and the time"

// vague says whether a moment is known too badly to speak for anything by itself, as one on a clock that is not tied.
func vague(at Instant) bool { return at.Slack() > maxVague }

const maxVague = 5 * time.Second

// setsOf gives the alias sets of exchanges, each with when the first of its exchanges was over.
func setsOf(xs []*exchange) map[string]time.Time {
	sets := map[string]time.Time{}
	for _, x := range xs {
		if over, known := sets[x.set]; !known || x.to.Time.Before(over) {
			sets[x.set] = x.to.Time
		}
	}
	return sets
}

// withinRaw gives the exchanges stamped by the clock within which a record at raw lies.
func withinRaw(xs []*exchange, clock string, raw RawSpan) []*exchange {
	var out []*exchange
	for _, x := range xs {
		if x.clock == clock && clock != "" && !raw.Hi.Before(x.raw.Lo) && !x.raw.Hi.Before(raw.Lo) {
			out = append(out, x)
		}
	}
	return out
}

// A worker is a thread, or a process that has one, at work for what came on one connection.
type worker struct {
	contextKey
	client, port string
}

// workerOf gives the worker that e names, with the connection.
func workerOf(e *Event) (worker, bool) {
	for _, k := range contextKeys(e) {
		w := worker{k, hostPart(e.Attrs.Get(KeyClient)), e.Attrs.Get("client.port")}
		if k.name == KeyThread && w.port != "" {
			return w, true
		}
	}
	return worker{}, false
}

// sameWorker tells of records that one thread wrote about one connection at one time, that they are of one request: where one of them fits
// one request alone, the others are of it.
func sameWorker(events []*Event, joins [][]inferred) {
	groups := map[worker][]int{}
	var order []worker
	for i, e := range events {
		if w, ok := workerOf(e); ok {
			if groups[w] == nil {
				order = append(order, w)
			}
			groups[w] = append(groups[w], i)
		}
	}
	for _, w := range order {
		list := groups[w]
		slices.SortStableFunc(list, func(a, b int) int { return events[a].Time.Compare(events[b].Time) })
		for from := 0; from < len(list); {
			to := from + 1
			for to < len(list) && events[list[to]].Time.Sub(events[list[to-1]].Time) <= hopTolerance {
				to++
			}
			at := slices.IndexFunc(list[from:to], func(i int) bool { return len(joins[i]) == 1 })
			for _, i := range list[from:to] {
				if at < 0 {
					break
				}
				if known := list[from+at]; len(joins[i]) > 1 {
					in := joins[known][0]
					in.reason = "on the same " + w.words() + " and connection as " + events[known].Pos.String()
					joins[i] = []inferred{in}
				}
			}
			from = to
		}
	}
}

// severe says whether a severity names an error.
func severe(severity string) bool {
	switch severity {
	case "error", "err", "fatal", "critical", "crit", "alert", "emerg", "panic":
		return true
	}
	return false
}

func inferredOf(sets map[string]time.Time, why string) []inferred {
	if len(sets) == 0 || len(sets) > maxCandidates {
		return nil
	}
	out := make([]inferred, 0, len(sets))
	for s, over := range sets {
		out = append(out, inferred{set: s, candidates: len(sets), reason: why, over: over})
	}
	slices.SortFunc(out, func(a, b inferred) int { return cmp.Compare(a.set, b.set) })
	return out
}

// agrees says whether e can be of the exchange x of its service: nothing that both tell
// differs.
func agrees(e *Event, x *exchange) (string, bool) {
	same := []string{}
	agree := func(what, a, b string) bool {
		if a == "" || b == "" {
			return true
		}
		if a == b {
			same = append(same, what)
		}
		return a == b
	}
	if !agree("client", hostPart(e.Attrs.Get(KeyClient)), x.client) && x.clock != "" && e.System == x.system {
		return "", false
	}
	if !agree("method", e.Attrs.Get("http.request.method"), x.method) || !agree("path", e.Attrs.Get("url.path"), x.path) {
		return "", false
	}
	if !agree("route", routeOf(e), x.route) || x.hop != nil && x.hop.Caller != nil && x.hop.Caller.isForElse(e) {
		return "", false
	}
	if up := upstreamOf(e); up != "" && len(x.peers) > 0 {
		if !slices.ContainsFunc(x.peers, func(p string) bool { return p == up || hostPart(p) == up }) {
			return "", false
		}
		same = append(same, "upstream")
	}
	if e.Attrs.Get("url.path") == "" && e.Attrs.Get(KeyClient) == "" && !e.Failed && e.Exception == nil && !severe(e.Severity) {
		return "", false // nothing but the time would speak for it
	}
	if len(same) == 0 {
		return timeAlone, true
	}
	return "same service, " + strings.Join(same, ", ") + " and time", true
}

// rawText is what e says as its writer wrote it, with the quotation marks in the texts of JSON as they are.
func rawText(e *Event) string { return strings.ReplaceAll(string(e.Raw), `\"`, `"`) }

// A quotation finds the failures of wanted requests that quote a record of another
// service, as an app logs what its database answered.
type quotation struct {
	words   map[string][]string // the rarest word of a message -> messages
	quoters map[string][]quoter // message -> who quotes it
}

type quoter struct {
	set           string
	service, host string
	at            Instant
	hop           *Hop
}

// quotable is the line of e that others may quote; "" if it is too short to be told from chance. Of an error in code that is its
// message: what stands above it says only that there was one.
func quotable(e *Event) string {
	line, _, _ := strings.Cut(e.Body, "\n")
	if e.Exception != nil {
		line, _, _ = strings.Cut(e.Exception.Message, "\n")
	}
	line, _, _ = strings.Cut(line, " at character ") // PostgreSQL tells that to its log alone (postgres/postgres: src/backend/utils/error/elog.c)
	if line = strings.TrimSpace(line); !e.Failed || len(line) < 16 {
		return ""
	}
	return line
}

func newQuotation() *quotation {
	return &quotation{map[string][]string{}, map[string][]quoter{}}
}

func isWordBreak(r rune) bool { return r < 0x80 && !alnum(byte(r)) }

// ask puts the message of e on the list of those to look for, by its longest word that is, if there are three, neither its
// first nor its last, which a text that quotes it has as a word too.
func (q *quotation) ask(e *Event) {
	message := quotable(e)
	if _, known := q.quoters[message]; message == "" || known {
		return
	}
	words := strings.FieldsFunc(message, isWordBreak)
	if len(words) < 2 {
		return
	}
	if len(words) > 2 {
		words = words[1 : len(words)-1]
	}
	longest := slices.MaxFunc(words, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	q.words[longest] = append(q.words[longest], message)
	q.quoters[message] = nil
}

// look notes which of the messages e quotes.
func (q *quotation) look(set string, e *Joined) {
	if len(q.words) == 0 {
		return
	}
	text := rawText(e.Event)
	seen := map[string]bool{}
	for word := range strings.FieldsFuncSeq(text, isWordBreak) {
		if seen[word] {
			continue
		}
		seen[word] = true
		for _, m := range q.words[word] {
			if strings.Contains(text, m) {
				q.quoters[m] = append(q.quoters[m], quoter{set, e.Service, e.Host, firstKnown(e.Start, e.End), e.Hop})
			}
		}
	}
}

// join gives the alias sets with a failure that quotes e, written after it and within a minute.
func (q *quotation) join(e *Event, at Instant) []inferred {
	message := quotable(e)
	sets := map[string]time.Time{}
	for _, by := range q.quoters[message] {
		if by.service == e.Service {
			continue
		}
		if at.Known() && by.at.Known() && (by.at.Add(lateLine).CertainlyBefore(at) || at.Add(time.Minute).CertainlyBefore(by.at)) {
			continue
		}
		if over, known := sets[by.set]; !known || by.at.Time.Before(over) {
			sets[by.set] = by.at.Time
		}
	}
	return inferredOf(sets, fmt.Sprintf("a failure of the request quotes it: %.60q", message))
}
