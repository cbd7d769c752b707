package timeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An exchange is what is known of one service handling one request, as a candidate
// to which a record without ID may belong.
type exchange struct {
	set           string // alias set, or the position of a record without identity key
	service, host string
	record        *Event  // its own record; nil if it logged none
	from, to      Instant // its aligned window
	client        string  // address without port
	method, path  string
	peers         []string // addresses that it called
	failed        bool
}

func exchangeOf(set string, e *Event, clocks *ClockModel) exchange {
	x := exchange{set: set, service: e.Service, host: e.Host, record: e}
	x.from, x.to = clocks.Align(e)
	x.client = hostPart(e.Attrs.Get(KeyClient))
	x.method, x.path = e.Attrs.Get("http.request.method"), e.Attrs.Get("url.path")
	x.failed = e.Status().Failed() || !e.Status().Known() || e.Failed
	for _, c := range e.Calls {
		x.peers = append(x.peers, c.Peer)
		x.failed = x.failed || c.OwnMade || c.Status >= 500
	}
	switch e.Ended {
	case Reset, Truncated, Refused, GaveUp, ConnectGaveUp, CallerLeft, NotSent, Denied, Unusable:
		x.failed = true
	}
	return x
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

// lateLine is by how much a record may be stamped after the exchange that it is about.
const lateLine = 250 * time.Millisecond

// unknownLength is how long an exchange is taken to have lasted at most if its record tells
// only its end: the usual limits of proxies are a minute.
const unknownLength = 90 * time.Second

// maxCandidates is the number of requests above which a record without ID is joined to
// none of them.
const maxCandidates = 16

// A joiner finds the requests to which records without ID may belong.
type joiner struct {
	clocks    *ClockModel
	lives     []*Process
	exchanges map[place][]exchange // by start
	quoting   map[string][]*Joined // alias set of a wanted request -> its events that report a failure
}

// An inferred join of a record.
type inferred struct {
	set        string
	candidates int
	reason     string
}

// join gives the alias sets to which e may belong, with what speaks for it.
func (j *joiner) join(e *Event) []inferred {
	at, _ := j.clocks.Align(e)
	stamped := e.Attrs.Get(inferredTime) == ""
	if !stamped {
		p := endOf(j.lives, e)
		if p == nil && e.Lifecycle != NoLifecycle {
			return nil // nothing tells when it was written
		}
		if p != nil {
			at = p.End
		}
	}
	var fits []exchange
	why := ""
	for _, x := range j.exchanges[place{e.Service, e.Host}] {
		if w, ok := j.fits(e, at, stamped, &x); ok {
			fits = append(fits, x)
			if len(w) > len(why) {
				why = w
			}
		}
	}
	if e.Failed || e.Exception != nil {
		if failed := slices.DeleteFunc(slices.Clone(fits), func(x exchange) bool { return !x.failed }); len(failed) > 0 {
			fits = failed
		}
	}
	sets := map[string]bool{}
	for _, x := range fits {
		sets[x.set] = true
	}
	if len(sets) == 0 {
		sets, why = j.quotedBy(e, at)
	}
	if len(sets) == 0 || len(sets) > maxCandidates {
		return nil
	}
	out := make([]inferred, 0, len(sets))
	for s := range sets {
		out = append(out, inferred{s, len(sets), why})
	}
	slices.SortFunc(out, func(a, b inferred) int { return cmp.Compare(a.set, b.set) })
	return out
}

// fits says whether e can be of the exchange x of its service: nothing that both tell
// differs, and e lies in x's window; at is when e was written. Records on one clock are compared without the clock's own uncertainty.
func (j *joiner) fits(e *Event, at Instant, stamped bool, x *exchange) (string, bool) {
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
	if !agree("client", hostPart(e.Attrs.Get(KeyClient)), x.client) && x.record != nil && e.System == x.record.System {
		return "", false
	}
	if !agree("method", e.Attrs.Get("http.request.method"), x.method) || !agree("path", e.Attrs.Get("url.path"), x.path) {
		return "", false
	}
	if up := upstreamOf(e); up != "" && len(x.peers) > 0 {
		if !slices.ContainsFunc(x.peers, func(p string) bool { return p == up || hostPart(p) == up }) {
			return "", false
		}
		same = append(same, "upstream")
	}
	if e.Attrs.Get("url.path") == "" && e.Attrs.Get(KeyClient) == "" && !e.Failed && e.Exception == nil {
		return "", false // nothing but the time would speak for it
	}
	if !j.inWindow(e, at, stamped, x) {
		return "", false
	}
	if len(same) == 0 {
		return "the only thing known is the service and the time", true
	}
	return "same service, " + strings.Join(same, ", ") + " and time", true
}

func (j *joiner) inWindow(e *Event, at Instant, stamped bool, x *exchange) bool {
	if stamped && x.record != nil && ClockOf(x.record) == ClockOf(e) {
		raw, _, _, _ := e.Interval()
		start, end, startOK, endOK := x.record.Interval()
		if !startOK {
			start.Lo = end.Lo.Add(-unknownLength)
		}
		return !raw.Hi.Before(start.Lo) && (!endOK || !raw.Lo.After(end.Hi.Add(lateLine)))
	}
	if !at.Known() {
		return false
	}
	return !at.CertainlyBefore(x.from) && !(x.to.Known() && x.to.Add(lateLine).CertainlyBefore(at))
}

// quotedBy finds the wanted requests one of whose failures quotes the record, as an app
// logs what its database answered.
func (j *joiner) quotedBy(e *Event, at Instant) (map[string]bool, string) {
	if !e.Failed || len(e.Body) < 16 {
		return nil, ""
	}
	sets := map[string]bool{}
	for set, events := range j.quoting {
		for _, q := range events {
			if q.Service == e.Service && q.Host == e.Host || !quotes(string(q.Raw), e.Body) {
				continue
			}
			if first := firstKnown(q.Start, q.End); at.Known() && first.Known() &&
				(first.Add(lateLine).CertainlyBefore(at) || at.Add(time.Minute).CertainlyBefore(first)) {
				continue
			}
			sets[set] = true
		}
	}
	return sets, fmt.Sprintf("a failure of the request quotes it: %.60q", e.Body)
}
