package timeline

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// An end is one exchange as one service logged it. Where no ID ties it to the other end, in the
// log of the service that called it or that it called, method, path, status and time do.
type end struct {
	e           *Event
	set         string // alias set, or that of a record without identity key
	at          bench
	clock       string
	line        string // method and path
	asks        string // likewise of the sub-request on whose answer it may rest; "" if there is none
	status      int    // that it answered
	got         int    // that it received from below; its own status if it does not tell
	start, stop RawSpan
	hasStart    bool
	hasStop     bool
	length      length
	hasLength   bool
	client      string
	forwarded   string // the clients of the proxies before it, as it was told: X-Forwarded-For
	agent       string
	named       bool // it bears an identity key
	root, leaf  bool // no record tells who called it; none tells whom it called
	over, under bool // an ID ties it to an exchange of a service below it, or above it, though one without ID may stand between
	gaveUp      bool // it waited for its last call no longer; what that asked for may have gone on
	wanted      bool // it is of a request asked for
	within      *end // the nearest exchange that it was made for and that tells its end

	// Start and stop by the corrected clocks of a model, once they were asked for.
	by           *ClockModel
	begun, ended Instant
}

// align gives start and stop by the corrected clocks, which are those of Align. It computes them once for each model.
func (x *end) align(by *ClockModel) (start, stop Instant) {
	if x.by != by {
		x.begun, x.ended = by.Align(x.e)
		x.by = by
	}
	return x.begun, x.ended
}

// A bench is one log of one service on one host: that of a proxy and that of the app behind it may be told by
// nothing but their files.
type bench struct {
	place
	path string
}

func compareBenches(a, b bench) int {
	return cmp.Or(comparePlaces(a.place, b.place), strings.Compare(a.path, b.path))
}

func benchOf(e *Event) bench { return bench{place{e.Service, e.Host}, unrotated(e.Pos.Path)} }

// unrotated gives the path of a log without what its rotation added: access.log.2.gz is access.log.
func unrotated(path string) string {
	for {
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			return path
		}
		switch ext := path[i+1:]; ext {
		case "gz", "zst", "bz2", "xz", "lz4":
		default:
			if strings.Trim(ext, "0123456789-") != "" {
				return path
			}
		}
		path = path[:i]
	}
}

func endOfExchange(e *Event, set string) end {
	x := end{
		e: e, set: set, at: benchOf(e), clock: ClockOf(e),
		line: e.Attrs.Get("http.request.method") + " " + e.Attrs.Get("url.path"), asks: asking(e), status: e.StatusCode, got: e.StatusCode,
		client: hostPart(e.Attrs.Get(KeyClient)), agent: e.Attrs.Get("user_agent.original"),
		forwarded: e.Attrs.Get("http.request.header.x-forwarded-for"), named: hasIdentity(e), root: true, leaf: true,
	}
	if x.agent == ownAgent {
		x.agent = ""
	}
	x.start, x.stop, x.hasStart, x.hasStop = e.Interval()
	if e.Stamp.HasDuration() {
		x.length, x.hasLength = length{e.Duration, e.Stamp.DurationResolution}, true
	}
	if n := len(e.Calls); n > 0 {
		c := e.Calls[n-1]
		x.got = c.Status
		if c.OwnMade || c.Ended != Complete && c.Ended != OutcomeUnknown {
			x.leaf = false // no answer came from below
		}
		x.gaveUp = c.Ended == GaveUp || c.Ended == CallerLeft
	}
	return x
}

// ownAgent is what a CDN calls itself where it does not pass on how its client does (docs.aws.amazon.com: CloudFront, Request and response behavior).
const ownAgent = "Amazon CloudFront"

// askers are the servers that may ask another service about each request before they pass it on.
var askers = map[string]bool{"nginx": true, "openresty": true, "ingress-nginx": true}

// asking gives the line of the sub-request on whose answer an exchange may rest: nginx's is a GET whatever the request is, the asked
// service is mostly told the request's own path, and where the sub-request failed no upstream is in nginx's
// record (nginx: src/http/modules/ngx_http_auth_request_module.c).
func asking(e *Event) string {
	if !askers[e.System] || len(e.Calls) > 0 || e.StatusCode != 500 && e.StatusCode != 401 && e.StatusCode != 403 {
		return ""
	}
	return "GET " + e.Attrs.Get("url.path")
}

// lines gives the lines that an exchange made for this one may have.
func (x *end) lines() []string {
	if x.asks == "" || x.asks == x.line {
		return []string{x.line}
	}
	return []string{x.line, x.asks}
}

// asked says whether upper's status may be what came of a sub-request that lower answered, but for the time: 401 and 403 are
// passed on, and whatever else does not allow the request is a 500.
func (upper *end) asked(lower *end) bool {
	if upper.asks == "" || upper.asks != lower.line || upper.at == lower.at || upper.set == lower.set {
		return false
	}
	switch s := lower.status; {
	case s == 401 || s == 403 || s >= 200 && s < 300:
		return upper.status == s
	}
	return upper.status == 500
}

// ends gives the failed exchanges of all requests that are read, and all exchanges of those that are wanted, each with what is known of its
// other ends.
func (c *collector) ends() []*end {
	var out []*end
	known := map[Pos]bool{}
	b := c.builder()
	b.rough = true // who called whom is all that is asked
	sets := c.sets()
	// A record may be of two sets, as one without ID that was found to be of a request: it is taken for that one's.
	names := slices.SortedFunc(maps.Keys(sets), func(a, b string) int {
		return cmp.Or(boolInt(isLone(a))-boolInt(isLone(b)), strings.Compare(a, b))
	})
	for _, set := range names {
		events := sets[set]
		wanted := c.isWanted(set, events)
		if !wanted && !slices.ContainsFunc(events, func(e *Event) bool { return e.Failed || e.StatusCode >= 500 }) {
			continue
		}
		for _, r := range b.build(c.joined(set, events)) {
			for _, h := range r.Hops {
				sp := h.span()
				if sp == nil || known[sp.Pos] || sp.Traced {
					continue
				}
				known[sp.Pos] = true
				x := endOfExchange(sp.Event, set)
				x.wanted = wanted
				x.root = h.Caller == nil || h.Caller.Record == nil
				x.under = !x.root && x.named
				for _, call := range h.Calls {
					own := call.Record == nil || call.Callee == nil || call.Callee.Silent
					x.leaf = x.leaf && own
					x.over = x.over || !own && x.named && call.Record.Pos == sp.Pos
				}
				out = append(out, &x)
			}
		}
	}
	for _, e := range c.failed {
		if e.Kind == ServerSpan && !known[e.Pos] && !hasIdentity(e) && c.absorbed[loneSet(e)] == "" {
			known[e.Pos] = true
			x := endOfExchange(e, loneSet(e))
			out = append(out, &x)
		}
	}
	slices.SortFunc(out, func(a, b *end) int { return a.e.Pos.Compare(b.e.Pos) })
	return out
}

// failing says whether the exchange failed, as far as its status tells.
func (x *end) failing() bool { return x.status >= 500 }

// tells weighs how much a record tells of its exchange.
func (x *end) tells() int { return 2*boolInt(x.named) + boolInt(x.hasLength) }

// alike says whether two exchanges may be one that both ends logged, but for status and time.
func (x *end) alike(o *end) bool {
	return x.at != o.at && x.set != o.set && x.line == o.line && strings.TrimSpace(x.line) != "" && (x.agent == "" || o.agent == "" || x.agent == o.agent)
}

// via says whether what x was told of the proxies before it speaks for o being one of them: 1 if it names the client of o, -1 if it names others
// alone, 0 if nothing tells.
func (x *end) via(o *end) int {
	if x.forwarded == "" || o.client == "" {
		return 0
	}
	for addr := range strings.SplitSeq(x.forwarded, ",") {
		if hostPart(strings.TrimSpace(addr)) == o.client {
			return 1
		}
	}
	return -1
}

// answers says whether lower may be the exchange on which the answer of upper rests, but for the time.
func (upper *end) answers(lower *end) bool {
	return (upper.alike(lower) && upper.got == lower.status || upper.asked(lower)) && lower.status != 0 && (!upper.hasLength || !lower.hasLength || within(lower.length, upper.length))
}

// mapped says whether upper may have made a failure of what lower answered, or of having waited for it too long, but for the time. Where
// that went well, what was asked for does not differ in its query either; what refuses a query may tell it otherwise.
func (upper *end) mapped(lower *end) bool {
	q, r := upper.e.Attrs.Get("url.query"), lower.e.Attrs.Get("url.query")
	return upper.alike(lower) && upper.failing() && (q == "" || r == "" || q == r || lower.status >= 400)
}

// repeated says whether lower may be an attempt that failed before upper had the answer that it passed on, but for the time.
func (upper *end) repeated(lower *end) bool { return upper.alike(lower) && lower.failing() }

// apart gives by how much the stamps of two ends differ, and how exact that is.
func apart(upper, lower *end) (d, exact time.Duration) {
	a, b := upper.stop, lower.stop
	switch {
	case upper.hasStop && lower.hasStop:
	case upper.hasStart && lower.hasStart:
		a, b = upper.start, lower.start
	case !upper.hasStop && !upper.hasStart || !lower.hasStop && !lower.hasStart:
		exact = upper.length.d + lower.length.d // a stamp of somewhen within
	case upper.hasStart:
		a, exact = upper.start, mostlyWithin
	default:
		b, exact = lower.start, mostlyWithin
	}
	return a.Lo.Sub(b.Lo), exact + max(a.Hi.Sub(a.Lo), b.Hi.Sub(b.Lo), time.Millisecond)
}

// mostlyWithin is how long most exchanges take at most: the start at one end and the stop at the other are seldom farther apart.
const mostlyWithin = 500 * time.Millisecond
