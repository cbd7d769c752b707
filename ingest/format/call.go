package format

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// callParts are the values from which the calls of a record are made, as written.
type callParts struct {
	peer, port, method, target, status  string
	connect, header, response, duration phase
	wait                                time.Duration
	err                                 string
}

// url reads the URL of the call: the peer, unless something else names it, and the target.
func (p *callParts) url(v string) {
	i := strings.Index(v, "://")
	if i < 0 {
		if v != "-" {
			p.target = v
		}
		return
	}
	host := v[i+3:]
	p.target = "/"
	if j := strings.IndexAny(host, "/?#"); j >= 0 {
		host, p.target = host[:j], host[j:]
	}
	if p.peer == "" || p.peer == "-" {
		p.peer = host
	}
}

// A phase is the text of a duration with the unit of a bare number.
type phase struct {
	text string
	unit time.Duration
}

// read gives the duration that text, an entry of the list, says; -1 where it says that the phase never ended, 0 if
// the record does not tell.
func (p phase) read(text string) time.Duration {
	if text == "" {
		return 0
	}
	if text == "-" || strings.HasPrefix(text, "-1") {
		return -1
	}
	d, _, ok := parseDuration(text, p.unit)
	if !ok {
		return 0
	}
	return d
}

type callForm uint8

const (
	callAttempts callForm = iota + 1 // lists as nginx writes them: "a, b : c"
	callBackend                      // one server, with timers, as HAProxy writes it
	callSelf                         // a client span is its own call; what else tells of one is an error
	callForward                      // one server, whose status stands beside the record's own
	callMessage                      // a message about a call that failed: the body says how
)

// nginxes are nginx and what is made of it.
var nginxes = []string{"nginx", "openresty", "kong", "apisix"}

// callRules say how the calls of a record are made.
type callRules struct {
	form    callForm
	nginx   bool // the writer is nginx or made of it
	noPeer  []string
	when    cond
	own     cond          // its zero value is none
	errors  []outcomeRule // over the error's text
	stateOf []field
	states  []outcomeRule // over stateOf
	tries   *tryRules
}

// tryRules say how the calls before the last one are read of a list of JSON objects.
type tryRules struct {
	of                        field
	peer, port, status, start string
	stateOf                   []string
	states                    []outcomeRule
}

// calls makes the calls of the record.
func (d *decoding) calls(c *compiled) {
	if !c.calls.when.holds(d) {
		return
	}
	if p := &d.call; p.port != "" && p.peer != "" && p.peer != "-" {
		p.peer = net.JoinHostPort(p.peer, p.port)
	}
	if r := c.calls.tries; r != nil {
		d.tries(r)
	}
	switch r := c.calls; r.form {
	case callAttempts:
		d.attempts(r)
	case callBackend:
		d.backend(r)
	case callSelf:
		if d.ev.Kind == timeline.ClientSpan {
			d.self(r)
		} else {
			d.toldCall(r)
		}
	case callForward:
		d.forward(r)
	case callMessage:
		d.message(r)
	}
	if n := len(d.ev.Calls); n > 0 && !c.calls.own.empty() && c.calls.own.holds(d) {
		disown(&d.ev.Calls[n-1])
	}
}

// maxTries bounds the tries of one record.
const maxTries = 64

// tries makes the calls of the tries before the last one, of which none gave the answer that was used. A status is the writer's own
// unless the try is known to have ended with an answer. The last one, whose call the other parts of the record make, began
// when its entry says so.
func (d *decoding) tries(r *tryRules) {
	text := d.get(r.of)
	if strings.Count(text, r.peer) < 2 {
		return // mostly there is one
	}
	v, err := d.inside.Parse(text)
	if err != nil {
		return
	}
	list := v.GetArray()
	list = list[max(0, len(list)-maxTries):]
	for i, t := range list {
		start := t.GetFloat64(r.start)
		if i == len(list)-1 {
			if began := time.UnixMilli(int64(start)).Sub(d.ev.Time); i > 0 && start > 0 && d.ev.Stamp.Meaning == timeline.Start {
				d.call.wait += max(began, 0)
			}
			break
		}
		o := timeline.Outcall{Peer: string(t.GetStringBytes(r.peer)), Method: d.method, Target: d.target, Status: t.GetInt(r.status)}
		if port := t.GetInt(r.port); port > 0 {
			o.Peer = net.JoinHostPort(o.Peer, strconv.Itoa(port))
		}
		if next := list[i+1].GetFloat64(r.start); start > 0 && next >= start {
			o.Duration, o.Timed = time.Duration((next-start)*float64(time.Millisecond)), true
		}
		d.text = d.text[:0]
		for k, name := range r.stateOf {
			if k > 0 {
				d.text = append(d.text, ' ')
			}
			if m := t.Get(name); m == nil {
				d.text = append(d.text, '-')
			} else if b, err := m.StringBytes(); err == nil {
				d.text = append(d.text, b...)
			} else {
				d.text = m.MarshalTo(d.text)
			}
		}
		o.Ended = d.outcome(r.states, bytesAsString(d.text))
		if o.Ended != timeline.Complete {
			o.OwnMade, o.Header = o.Status != 0, -1
		}
		d.ev.Calls = append(d.ev.Calls, o)
	}
}

// disown takes the status of a call as the writer's own: it does not tell that an answer came.
func disown(o *timeline.Outcall) {
	o.OwnMade = o.Status != 0
	if o.Ended == timeline.Complete {
		o.Ended, o.Header = timeline.OutcomeUnknown, -1
	}
}

// entries counts the entries of a list: attempts in one group of servers are parted by
// a comma, groups by a colon with spaces.
func entries(s string) int {
	if s == "" {
		return 0
	}
	n := 1
	for i := 0; i < len(s); i++ {
		if s[i] == ',' || s[i] == ' ' && strings.HasPrefix(s[i:], " : ") {
			n++
		}
	}
	return n
}

// entry gives one entry of a list, "" if it has not so many.
func entry(s string, n int) string {
	if n == 0 && skipTo(s, 0, ',', ' ') == len(s) {
		return s // mostly there is one
	}
	start := 0
	for i := 0; i < len(s); i++ {
		width := 0
		if s[i] == ',' {
			width = 1
		} else if s[i] == ' ' && strings.HasPrefix(s[i:], " : ") {
			width = 3
		}
		if width == 0 {
			continue
		}
		if n == 0 {
			return strings.TrimSpace(s[start:i])
		}
		n--
		start = i + width
		i += width - 1
	}
	if n > 0 {
		return ""
	}
	return strings.TrimSpace(s[start:])
}

// attempts reads nginx's $upstream_* lists. On an attempt without an answer nginx
// puts its own 502 or 504 into $upstream_status: only where the header time is a
// number did the status come from a server. Note: connect and header times tell
// how far an attempt came; where they are not logged, neither is guessed.
func (d *decoding) attempts(r *callRules) {
	p := &d.call
	n := min(max(entries(p.peer), entries(p.status)), 64)
	if n == 1 && (p.peer == "" || p.peer == "-") {
		return
	}
	for i := range n {
		connect, header, duration := entry(p.connect.text, i), entry(p.header.text, i), entry(p.duration.text, i)
		o := timeline.Outcall{
			Peer: entry(p.peer, i), Method: d.method, Target: d.target,
			Connect: p.connect.read(connect), Header: p.header.read(header),
		}
		if o.Peer == "-" {
			o.Peer = ""
		}
		if slices.Contains(r.noPeer, o.Peer) {
			continue
		}
		if t := p.duration.read(duration); t > 0 || t == 0 && duration != "" {
			o.Duration, o.Timed = t, true
		}
		o.Status, _ = statusCode(entry(p.status, i))
		headKnown := header != ""
		answered := headKnown && o.Header >= 0
		switch {
		case answered:
			o.Ended = timeline.Complete
		case o.Status == 499 || o.Status == 0 && d.ev.StatusCode == 499:
			o.Ended, o.Status = timeline.CallerLeft, 0
		case !headKnown:
			// The record does not tell who made a failing status, but nginx itself makes only these
			// two of an attempt (src/http/ngx_http_upstream.c, ngx_http_upstream_next).
			if o.Status > 0 && (o.Status < 500 || r.nginx && o.Status != 502 && o.Status != 504) {
				o.Ended = timeline.Complete
			}
		case o.Status == 502 || o.Status == 504:
			o.OwnMade = true
			connected := connect != "" && o.Connect >= 0
			switch {
			case connect == "":
				if o.Status == 504 {
					o.Ended = timeline.GaveUp
				}
			case !isAddress(o.Peer) && !connected:
				// The group's own name stands for the server that could not be chosen.
				o.Ended, o.OwnMade = timeline.NotSent, true
			case o.Status == 504 && connected:
				o.Ended = timeline.GaveUp
			case o.Status == 504:
				o.Ended = timeline.ConnectGaveUp
			case connected:
				o.Ended = timeline.Reset
			default:
				o.Ended = timeline.Refused
			}
		}
		if o.Ended == timeline.OutcomeUnknown && i == n-1 && r.states != nil {
			if o.Ended = d.outcome(r.states, d.joined(r.stateOf)); headless(o.Ended) {
				o.OwnMade = o.Status != 0
			}
		}
		d.ev.Calls = append(d.ev.Calls, o)
	}
}

// headless says whether no head of an answer can have come in an exchange that ended so:
// a status that its caller has is the caller's own.
func headless(o timeline.Outcome) bool {
	switch o {
	case timeline.Refused, timeline.ConnectGaveUp, timeline.GaveUp, timeline.Reset, timeline.NotSent:
		return true
	}
	return false
}

// wasSent says whether an exchange that ended so was begun, though nothing else tells of it.
func wasSent(o timeline.Outcome) bool {
	return headless(o) && o != timeline.NotSent || o == timeline.Unusable
}

// isAddress says whether a peer is the address of a server rather than the name of a
// group of them.
func isAddress(p string) bool {
	return strings.HasPrefix(p, "unix:") || strings.Contains(p, ":")
}

// backend reads the one server that a proxy says it used last: "orders/app-2". The
// status is the server's only if its head came (HAProxy's Tr is not -1); it is that of
// the record unless the record has one of the call too. Where neither the time of the head
// nor the table of outcomes tells, nobody is said to have made a 5xx.
func (d *decoding) backend(r *callRules) {
	p := &d.call
	name := p.peer
	if i := strings.IndexByte(name, '/'); i >= 0 {
		name = name[i+1:]
	}
	if p.peer == "" || slices.Contains(r.noPeer, name) || slices.Contains(r.noPeer, p.peer) {
		return
	}
	o := timeline.Outcall{Peer: p.peer, Method: d.method, Target: d.target, Connect: p.connect.read(p.connect.text)}
	resp := p.response.read(p.response.text)
	o.Status = d.ev.StatusCode
	if p.status != "" {
		o.Status, _ = statusCode(p.status)
	}
	switch {
	case o.Connect < 0 || resp < 0:
		o.Header = -1
		o.OwnMade = o.Status != 0
	case p.response.text != "" || o.Status < 500:
		o.Header = o.Connect + resp
		o.Ended = timeline.Complete
		// Else the record does not tell who made the status.
	}
	if t := p.duration.read(p.duration.text); t > 0 {
		o.Duration, o.Timed = t, true
	} else if d.ev.Stamp.HasDuration() {
		o.Duration, o.Timed = max(d.ev.Duration-p.wait, 0), true
	}
	if s := d.outcome(r.states, d.joined(r.stateOf)); s != timeline.OutcomeUnknown {
		o.Ended = s
		switch {
		case headless(s):
			o.Header, o.OwnMade = -1, o.Status != 0
		case s == timeline.Unusable:
			o.OwnMade = o.Status != 0
		case s == timeline.Denied:
			// An answer came, and what its reader sent in its place is the reader's own.
			o.Ended, o.Status, o.OwnMade = timeline.Complete, 0, false
		case s == timeline.Complete || s == timeline.Truncated:
			o.Header, o.OwnMade = max(o.Header, 0), false // a head came, whatever the times say
		}
	}
	o.AsSent = p.status == "" && o.Status != 0 && !o.OwnMade
	if o.Ended == timeline.OutcomeUnknown && o.OwnMade && o.Status == 504 && o.Connect >= 0 {
		o.Ended = timeline.GaveUp // connected, no head, and 504
	}
	d.ev.Calls = append(d.ev.Calls, o)
}

// forward makes the one call of a record that has the status of the server beside its
// own: without one no answer came. How the call ended then is told by a table, else by
// the call's error, else by what the record's own status means among gateways: 502 says no
// more than that the call failed.
func (d *decoding) forward(r *callRules) {
	p, e := &d.call, &d.ev
	if p.peer == "-" || slices.Contains(r.noPeer, p.peer) {
		p.peer = ""
	}
	status, answered := statusCode(p.status)
	state := d.outcome(r.states, d.joined(r.stateOf))
	if p.peer == "" && !answered && p.err == "" && !wasSent(state) {
		return
	}
	o := timeline.Outcall{
		Peer: p.peer, Method: d.method, Target: d.target, Status: status, Error: p.err,
		Connect: p.connect.read(p.connect.text), Header: p.header.read(p.header.text),
	}
	if p.method != "" {
		o.Method = p.method
	}
	if p.target != "" {
		o.Target = p.target
	}
	if resp := p.response.read(p.response.text); o.Header == 0 && resp > 0 {
		o.Header = o.Connect + resp
	}
	if t := p.duration.read(p.duration.text); t > 0 || t == 0 && p.duration.text != "" {
		o.Duration, o.Timed = t, true
	}
	if answered {
		o.Ended = timeline.Complete
	} else {
		o.Header = -1
	}
	if state != timeline.OutcomeUnknown {
		o.Ended = state
		if headless(state) {
			o.Header, o.OwnMade = -1, o.Status != 0 // no head came: the status is the writer's own
		}
	}
	if o.Ended == timeline.OutcomeUnknown && o.Error != "" {
		o.Ended = d.outcome(r.errors, o.Error)
	}
	if o.Ended == timeline.OutcomeUnknown {
		switch e.StatusCode {
		case 502:
			// The writer's own of a call that failed, it does not say how.
			o.Status, o.OwnMade = 502, true
			if o.Connect < 0 {
				o.Ended = timeline.Refused
			}
		case 504:
			o.Ended = timeline.GaveUp
			if o.Connect < 0 {
				o.Ended = timeline.ConnectGaveUp
			}
		case 499:
			o.Ended = timeline.CallerLeft
		}
	}
	e.Calls = append(e.Calls, o)
}

// self makes the one call of a client span.
func (d *decoding) self(r *callRules) {
	p, e := &d.call, &d.ev
	o := timeline.Outcall{
		Peer: p.peer, Method: d.method, Target: d.target, Status: e.StatusCode,
		Error: d.said("error.message"), Duration: e.Duration, Timed: e.Stamp.HasDuration(),
	}
	if o.Peer == "" {
		o.Peer = d.get(field{kind: fieldServer})
	} else if d.said("server.address") == "" {
		d.addressOf(serverAddress, o.Peer)
	}
	if p.method != "" {
		o.Method = p.method
	}
	if p.target != "" {
		o.Target = p.target
	}
	if o.Error == "" && d.exc.Message != "" {
		o.Error = d.exc.Message
	}
	if o.Error != "" {
		o.Ended = d.outcome(r.errors, o.Error)
	}
	if o.Ended == timeline.OutcomeUnknown && o.Status != 0 {
		o.Ended = timeline.Complete
	}
	if headless(o.Ended) {
		o.OwnMade = o.Status != 0
	}
	e.Calls = append(e.Calls, o)
}

// message reads a message about a call that failed, as nginx's error log has them, with
// the error that stands apart from it. A message whose words no pattern knows tells of no call.
func (d *decoding) message(r *callRules) {
	peer := d.get(field{kind: fieldServer})
	if peer == "" {
		return
	}
	text := d.ev.Body
	if e := d.said("error.message"); e != "" {
		text = e + ": " + text
	}
	if ended := d.outcome(r.errors, text); ended != timeline.OutcomeUnknown {
		d.ev.Calls = append(d.ev.Calls, timeline.Outcall{Peer: peer, Method: d.method, Target: d.target, Ended: ended, Error: text})
	}
}

// settle makes what is said of the exchange and of its calls agree: without any
// server nothing refused, and a caller that left is seen at calls without an answer.
func (r *callRules) settle(d *decoding) {
	if r == nil {
		return
	}
	if r.form == callBackend && len(d.ev.Calls) == 0 && (d.ev.Ended == timeline.Refused || d.ev.Ended == timeline.ConnectGaveUp) {
		d.ev.Ended = timeline.NotSent
	}
	if d.ev.Ended != timeline.CallerLeft {
		return
	}
	for i := range d.ev.Calls {
		if o := &d.ev.Calls[i]; o.Ended == timeline.OutcomeUnknown {
			o.Ended = timeline.CallerLeft
			if o.OwnMade {
				o.Status, o.OwnMade = 0, false
			}
		}
	}
}
