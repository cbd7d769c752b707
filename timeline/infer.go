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
	killed        bool // its process ended while it was at work
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
	if caughtDeath(e) {
		// What answered did not die; and as the process lived on, an exchange that ended with
		// its process did not end by this.
		for _, other := range []func(exchange) bool{
			func(x exchange) bool { return x.record != nil && x.record.Status().Known() },
			func(x exchange) bool { return x.killed },
		} {
			if dead := slices.DeleteFunc(slices.Clone(fits), other); len(dead) > 0 {
				fits = dead
			}
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

// caughtDeath says whether e tells that one exchange died and its process did not: an error
// that escaped from the handler of one request, as net/http reports a panic.
func caughtDeath(e *Event) bool {
	return e.Exception != nil && e.Exception.Escaped && e.Lifecycle == NoLifecycle && e.Kind == LogRecord
}

// pairDeaths tells more exactly to which requests the records of deaths belong: each is
// of one request, and a request dies once. Where as many records as requests fit each
// other, every one of these requests died so, and they are paired in order; where there are fewer records, the
// odds are better than one in the number of requests.
func pairDeaths(events []*Event, joins [][]inferred) {
	parent := map[string]string{}
	var find func(s string) string
	find = func(s string) string {
		if p, ok := parent[s]; ok && p != s {
			return find(p)
		}
		return s
	}
	id := func(e *Event, set string) string { return e.Service + "\x00" + e.Host + "\x00" + set }
	for i, e := range events {
		for _, in := range joins[i] {
			if caughtDeath(e) {
				a, b := find(id(e, joins[i][0].set)), find(id(e, in.set))
				parent[max(a, b)] = min(a, b)
			}
		}
	}
	records, sets := map[string][]int{}, map[string]map[string]bool{}
	for i, e := range events {
		if !caughtDeath(e) || len(joins[i]) == 0 {
			continue
		}
		k := find(id(e, joins[i][0].set))
		records[k] = append(records[k], i)
		if sets[k] == nil {
			sets[k] = map[string]bool{}
		}
		for _, in := range joins[i] {
			sets[k][in.set] = true
		}
	}
	for k, list := range records {
		n, m := len(list), len(sets[k])
		if m == 1 {
			continue
		}
		if n == m {
			if of := perfect(list, joins); of != nil {
				for _, i := range list {
					in := of[i]
					in.candidates = 1
					in.reason += fmt.Sprintf("; %d such records fit %d such requests, paired in order", n, m)
					joins[i] = []inferred{in}
				}
				continue
			}
		}
		for _, i := range list {
			for x := range joins[i] {
				joins[i][x].candidates = min(joins[i][x].candidates, max(2, (m+n-1)/n))
			}
		}
	}
}

// perfect pairs each record with one of its requests, no request twice; nil if that
// cannot be (augmenting paths: Kuhn, "The Hungarian method", 1955).
func perfect(list []int, joins [][]inferred) map[int]inferred {
	owner := map[string]int{}
	var try func(i int, seen map[string]bool) bool
	try = func(i int, seen map[string]bool) bool {
		for _, in := range joins[i] {
			if seen[in.set] {
				continue
			}
			seen[in.set] = true
			if o, taken := owner[in.set]; !taken || try(o, seen) {
				owner[in.set] = i
				return true
			}
		}
		return false
	}
	for _, i := range list {
		if !try(i, map[string]bool{}) {
			return nil
		}
	}
	out := map[int]inferred{}
	for set, i := range owner {
		for _, in := range joins[i] {
			if in.set == set {
				out[i] = in
			}
		}
	}
	return out
}
