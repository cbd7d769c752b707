package rules

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// The views are the rule language: what CEL sees of a request. Their field names are
// OpenTelemetry's where it has one. The Go types behind them may change freely.

// A StatusView is a status; all its fields are zero if none was seen.
type StatusView struct {
	Code     int    `cel:"code"`     // as seen: 503, or 14 of gRPC
	Protocol string `cel:"protocol"` // "" is HTTP
	HTTP     int    `cel:"http"`     // as HTTP status, gRPC's codes mapped
	Known    bool   `cel:"known"`
	Failed   bool   `cel:"failed"`  // 5xx
	Refused  bool   `cel:"refused"` // 4xx
}

// A MomentView is a moment on the common time line, known to within an interval.
type MomentView struct {
	Earliest time.Time `cel:"earliest"`
	Time     time.Time `cel:"time"`
	Latest   time.Time `cel:"latest"`
	Known    bool      `cel:"known"`

	instant timeline.Instant
}

// An ExceptionView is an error in code.
type ExceptionView struct {
	Type     string `cel:"type"`
	Message  string `cel:"message"`
	File     string `cel:"file"`
	Function string `cel:"function"`
	Line     int    `cel:"line"`
	Escaped  bool   `cel:"escaped"` // nothing in the program caught it
}

// An EventView is one record of a hop.
type EventView struct {
	Kind       string            `cel:"kind"` // log, server, client, internal
	Service    string            `cel:"service"`
	Host       string            `cel:"host"`
	System     string            `cel:"system"`
	Severity   string            `cel:"severity"`
	Body       string            `cel:"body"`
	Text       string            `cel:"text"` // body, exception and call errors
	HTTP       HTTPView          `cel:"http"`
	Attributes map[string]string `cel:"attributes"`
	Signals    []string          `cel:"signals"` // IDs
	Exception  *ExceptionView    `cel:"exception"`
	Lifecycle  string            `cel:"lifecycle"`
	Join       string            `cel:"join"` // key, alias, inferred
	Candidates int               `cel:"candidates"`
	Start      *MomentView       `cel:"start"`
	End        *MomentView       `cel:"end"`
	Handled    bool              `cel:"handled"` // it tells of a call with whose failure the hop coped

	joined  *timeline.Joined
	signals []*Signal
	meaning []*Signal // of these the ones that say why their writer failed
}

// HTTPView carries the names that OpenTelemetry begins with http.
type HTTPView struct {
	Request  HTTPRequestView  `cel:"request"`
	Response HTTPResponseView `cel:"response"`
	Route    string           `cel:"route"`
}

// HTTPRequestView is http.request.
type HTTPRequestView struct {
	Method string `cel:"method"`
}

// HTTPResponseView is http.response.
type HTTPResponseView struct {
	StatusCode int `cel:"status_code"` // 0 if none was seen
}

// URLView carries the names that OpenTelemetry begins with url.
type URLView struct {
	Path string `cel:"path"`
}

// A HopView is one service's handling of the request.
type HopView struct {
	ID              int           `cel:"id"`
	Service         string        `cel:"service"`
	Host            string        `cel:"host"`
	System          string        `cel:"system"`
	Role            string        `cel:"role"` // gateway, proxy, app, dependency, or "" if not known
	Depth           int           `cel:"depth"`
	Attempt         int           `cel:"attempt"`
	Lineage         string        `cel:"lineage"`
	Ended           string        `cel:"ended"`
	HTTP            HTTPView      `cel:"http"` // what it sent
	Sent            StatusView    `cel:"sent"`
	Received        StatusView    `cel:"received"` // the answer that it used, from below
	Failed          bool          `cel:"failed"`
	HandledByCaller bool          `cel:"handled_by_caller"`
	Silent          bool          `cel:"silent"` // nobody logged it
	Start           *MomentView   `cel:"start"`
	End             *MomentView   `cel:"end"`
	Duration        time.Duration `cel:"duration"` // 0 if not known
	Events          []*EventView  `cel:"events"`
	Calls           []*CallView   `cel:"calls"`
	Callees         []*HopView    `cel:"callees"`
	Caller          *CallView     `cel:"caller"`    // has(hop.caller) is false for the root
	FailedBy        *CallView     `cel:"failed_by"` // the call on which its failure rests; has() is false if it rests on none

	hop    *timeline.Hop
	from   *views
	answer *EventView // what its caller recorded of its answer, if signals know it
}

// A CallView is one exchange between two hops.
type CallView struct {
	Peer     string        `cel:"peer"`  // as the caller logged it
	Party    string        `cel:"party"` // the callee's service if it is known, else the peer
	Callee   *HopView      `cel:"callee"`
	Caller   *HopView      `cel:"caller"`
	Purpose  string        `cel:"purpose"`
	Attempt  int           `cel:"attempt"`
	Method   string        `cel:"method"`
	Target   string        `cel:"target"`
	Received StatusView    `cel:"received"` // at the caller's end
	Sent     StatusView    `cel:"sent"`     // at the callee's end
	OwnMade  bool          `cel:"own_made"` // the caller made Received itself for want of an answer
	Answered bool          `cel:"answered"` // the caller received a status that came from below
	Told     bool          `cel:"told"`     // how it ended is known
	Ended    string        `cel:"ended"`
	Error    string        `cel:"error"`
	Used     bool          `cel:"used"`
	Failed   bool          `cel:"failed"`
	Logged   bool          `cel:"logged"` // the caller has a record of it
	Skips    bool          `cel:"skips"`  // a service that logs stands between its ends and has no record of it
	Again    bool          `cel:"again"`  // it was had and broke, and one more attempt was refused
	Start    *MomentView   `cel:"start"`
	End      *MomentView   `cel:"end"`
	Duration time.Duration `cel:"duration"` // 0 if not known
	// Contradicted says that records of its two ends deny an order that must hold: the
	// callee began before it was called, or was at work after the caller had its answer.
	Contradicted bool `cel:"contradicted"`

	call *timeline.Call
}

// A RequestView is the request as a whole.
type RequestView struct {
	ID     string     `cel:"id"`
	HTTP   HTTPView   `cel:"http"`
	URL    URLView    `cel:"url"`
	Client StatusView `cel:"client"` // what the client saw, if known
	Failed bool       `cel:"failed"`
	Hops   []*HopView `cel:"hops"`
	Root   *HopView   `cel:"root"`
}

// A ProcessView is one life of a service on a host.
type ProcessView struct {
	Service  string      `cel:"service"`
	Host     string      `cel:"host"`
	Start    *MomentView `cel:"start"`
	Ready    *MomentView `cel:"ready"`
	Stopping *MomentView `cel:"stopping"`
	End      *MomentView `cel:"end"`
	HowEnded string      `cel:"how_ended"` // stopped, crashed, killed, timed_out, oom_killed, or "" if it lives or nobody knows
	InFlight []string    `cel:"in_flight"`
}

// A NearView is what is known beside the request.
type NearView struct {
	Processes []*ProcessView `cel:"processes"`

	near         *timeline.Surroundings
	FailedBefore map[string]int `cel:"failed_before"` // failures that each service logged in the minute before the request
}

// views are the views of one request, each made once.
type views struct {
	request *RequestView
	near    *NearView
	signals *signalTable
	// inferred says that some event was joined by inference.
	inferred bool
	whole    bool // complete was called
}

// fill fills in what is known of a status.
func (v *StatusView) fill(s timeline.Status) {
	if s.Known() {
		*v = StatusView{Code: s.Code, Protocol: s.Protocol, HTTP: asHTTP(s), Known: true, Failed: s.Failed(), Refused: s.Refused()}
	}
}

// asHTTP maps a gRPC code as gateways do (googleapis/googleapis google/rpc/code.proto).
func asHTTP(s timeline.Status) int {
	if s.Protocol != "grpc" {
		return s.Code
	}
	switch s.Code {
	case 0:
		return 200
	case 1:
		return 499
	case 3, 9, 11:
		return 400
	case 4:
		return 504
	case 5:
		return 404
	case 6, 10:
		return 409
	case 7:
		return 403
	case 8:
		return 429
	case 12:
		return 501
	case 14:
		return 503
	case 16:
		return 401
	}
	return 500
}

// overAt is when a hop was over; of one of which nothing tells, as its log has no records of exchanges, when its last record was written.
func overAt(h *timeline.Hop) timeline.Instant {
	if h.End.Known() {
		return h.End
	}
	var last timeline.Instant
	for _, e := range h.Events {
		when := cmp.Or(e.End, e.Start)
		if e.Candidates == 1 && when.Known() && (!last.Known() || when.Time.After(last.Time)) {
			last = when
		}
	}
	return last
}

func momentView(a timeline.Instant) *MomentView {
	return &MomentView{a.Earliest, a.Time, a.Latest, a.Known(), a}
}

// of gives the view of a hop; nil of none.
func (v *views) of(h *timeline.Hop) *HopView {
	if h == nil || h.ID < 1 || h.ID > len(v.request.Hops) || v.request.Hops[h.ID-1].hop != h {
		return nil
	}
	return v.request.Hops[h.ID-1]
}

// A room is where views stand. It is used again for the next request.
type room struct {
	judgement  judgement
	near       NearView
	views      []views
	requests   []RequestView
	hops       []HopView
	calls      []CallView
	events     []EventView
	exceptions []ExceptionView
	ofHops     []*HopView
	ofCalls    []*CallView
	ofEvents   []*EventView

	// For one event or one hop after the other.
	eye    eye
	key    []byte  // of its shape
	known  []truth // of the conditions on it
	firing []*rule // on it
	at     subject

	// For one verdict.
	cited  []*timeline.Joined
	rivals []Rival
}

var rooms = sync.Pool{New: func() any { return &room{} }}

// roomMost bounds the events of a room that is kept.
const roomMost = 4096

// leave gives the room back: nothing may look at its views any more.
func (r *room) leave() {
	if cap(r.events) > roomMost {
		return
	}
	r.eye.look = nil
	r.judgement, r.near, r.at = judgement{}, NearView{}, subject{}
	empty(&r.views)
	empty(&r.requests)
	empty(&r.hops)
	empty(&r.calls)
	empty(&r.events)
	empty(&r.ofHops)
	empty(&r.ofCalls)
	empty(&r.exceptions)
	empty(&r.ofEvents)
	empty(&r.cited)
	empty(&r.rivals)
	rooms.Put(r)
}

// take gives n places.
func take[T any](from *[]T, n int) []T {
	at := len(*from)
	if cap(*from)-at < n {
		*from, at = make([]T, 0, 2*cap(*from)+n), 0 // the places taken before stay where they are
	}
	*from = (*from)[:at+n]
	return (*from)[at : at+n : at+n]
}

func empty[T any](s *[]T) {
	clear(*s)
	*s = (*s)[:0]
}

// newViews makes the views of a request in a room, without what only CEL reads of them: see complete.
func newViews(r *timeline.Request, near *timeline.Surroundings, signals *signalTable, in *room) *views {
	all := 0
	for _, h := range r.Hops {
		all += len(h.Events)
	}
	events := take(&in.events, all)
	in.near = nearView(near)
	v := makeViews(r, &in.near, in, func(h *HopView, e *timeline.Joined) *EventView {
		ev := &events[0]
		events = events[1:]
		ev.fill(e, h.hop, signals, in)
		return ev
	}, func(h *HopView) *EventView { return answerView(h, signals, in) })
	v.signals = signals
	return v
}

// certainly gives the same views without the events that were joined by inference.
func (v *views) certainly(r *timeline.Request, in *room) *views {
	w := makeViews(r, v.near, in, func(h *HopView, e *timeline.Joined) *EventView {
		if e.Join == timeline.ByInferred {
			return nil
		}
		return v.of(h.hop).view(e)
	}, func(h *HopView) *EventView {
		if h.Caller == nil || h.Caller.call.Record == nil || h.Caller.call.Record.Join == timeline.ByInferred {
			return nil
		}
		return v.of(h.hop).answer
	})
	w.signals = v.signals
	return w
}

// makeViews makes the views of a request, of its events by event and of the answers that
// callers kept by answer; those for which these give nil are left out.
func makeViews(r *timeline.Request, near *NearView, in *room, event func(*HopView, *timeline.Joined) *EventView, answer func(*HopView) *EventView) *views {
	v := &take(&in.views, 1)[0]
	v.near = near
	hops, calls, callees, events := take(&in.hops, len(r.Hops)), 0, 0, 0
	v.request = &take(&in.requests, 1)[0]
	*v.request = RequestView{
		ID:     r.ID,
		HTTP:   HTTPView{Request: HTTPRequestView{r.Method}, Response: HTTPResponseView{r.Client.Code}, Route: r.Route},
		URL:    URLView{r.Path},
		Failed: r.Failed,
		Hops:   take(&in.ofHops, len(r.Hops)),
	}
	v.request.Client.fill(r.Client)
	for i, h := range r.Hops {
		hv := &hops[i]
		hv.fill(h)
		hv.from = v
		v.request.Hops[i] = hv
		calls, events = calls+len(h.Calls), events+len(h.Events)
		for _, c := range h.Calls {
			if c.Callee != nil {
				callees++
			}
		}
	}
	if len(v.request.Hops) > 0 {
		v.request.Root = v.request.Hops[0]
	}
	callViews, ofCalls, ofHops, ofEvents := take(&in.calls, calls), take(&in.ofCalls, calls), take(&in.ofHops, callees), take(&in.ofEvents, events)
	for _, hv := range v.request.Hops {
		n := len(hv.hop.Calls)
		hv.Calls, ofCalls = ofCalls[:n:n], ofCalls[n:]
		hv.Callees = ofHops[:0]
		for i, c := range hv.hop.Calls {
			cv := &callViews[i]
			v.fillCall(cv, c, hv)
			cv.Contradicted = slices.ContainsFunc(r.Contradictions, func(x timeline.Contradiction) bool { return x.Call == c })
			hv.Calls[i] = cv
			if cv.Callee != nil {
				hv.Callees = append(hv.Callees, cv.Callee)
				cv.Callee.Caller = cv
			}
			if c == hv.hop.FailedBy {
				hv.FailedBy = cv
			}
		}
		callViews = callViews[n:]
		n = len(hv.Callees)
		hv.Callees, ofHops = hv.Callees[:n:n], ofHops[n:]
	}
	for _, hv := range v.request.Hops {
		hv.Events = ofEvents[:0]
		for _, e := range hv.hop.Events {
			v.inferred = v.inferred || e.Join == timeline.ByInferred
			if ev := event(hv, e); ev != nil {
				hv.Events = append(hv.Events, ev)
			}
		}
		n := len(hv.Events)
		hv.Events, ofEvents = hv.Events[:n:n], ofEvents[n:]
	}
	for _, hv := range v.request.Hops {
		hv.answer = answer(hv)
	}
	return v
}

// answerView is the record in which the caller of a hop kept its answer, with what the
// signals say of that; of a hop that wrote no log, with those too by which the caller says
// that the failure was made there. nil if there is none or they say nothing.
func answerView(h *HopView, signals *signalTable, in *room) *EventView {
	if h.Caller == nil || h.Caller.call.Record == nil {
		return nil
	}
	e := h.Caller.call.Record
	found := signals.findAnswer(e.Event, h.System)
	meaning := narrowest(found)
	if h.Silent {
		for _, s := range signals.find(e.Event) {
			if s.MadeBy == madeByBelow {
				found, meaning = append(found, s), append(meaning, s)
			}
		}
	}
	if len(found) == 0 {
		return nil
	}
	ev := &EventView{signals: found, meaning: meaning}
	ev.record(e, in)
	return ev
}

// fill fills in what is known of a hop, where nothing stands yet: views are large, and made for every request.
func (hv *HopView) fill(h *timeline.Hop) {
	hv.hop = h
	hv.ID, hv.Depth, hv.Attempt = h.ID, h.Depth, h.Attempt
	hv.Service, hv.Host, hv.System, hv.Role = h.Service, h.Host, h.System, h.Role.String()
	hv.Lineage, hv.Ended = h.Lineage.String(), h.Ended.String()
	hv.Sent.fill(h.Status())
	hv.Received.fill(h.Received)
	hv.Failed, hv.HandledByCaller, hv.Silent = h.Failed(), h.HandledByCaller, h.Silent
	hv.HTTP.Response.StatusCode = hv.Sent.HTTP
	if h.Start.Known() && h.End.Known() {
		hv.Duration = h.End.Time.Sub(h.Start.Time)
	}
}

func (v *views) fillCall(cv *CallView, c *timeline.Call, caller *HopView) {
	cv.call, cv.Caller = c, caller
	cv.Peer, cv.Party, cv.Method, cv.Target, cv.Error = c.Peer, c.Peer, c.Method, c.Target, c.Error
	cv.Purpose, cv.Ended, cv.Attempt = c.Purpose.String(), c.Ended.String(), c.Attempt
	cv.Received.fill(c.Received)
	cv.Sent.fill(c.Sent)
	cv.OwnMade, cv.Answered = c.OwnMade, c.Received.Known() && !c.OwnMade
	cv.Told = c.Ended != timeline.OutcomeUnknown || cv.Answered
	cv.Used, cv.Failed, cv.Logged, cv.Skips, cv.Again = c.Used, c.Failed(), c.Record != nil, c.Skips, c.Again
	if c.Start.Known() && c.End.Known() {
		cv.Duration = c.End.Time.Sub(c.Start.Time)
	}
	if c.Record != nil {
		for i := range c.Record.Calls {
			if o := &c.Record.Calls[i]; o.Peer == c.Peer && o.Timed {
				cv.Duration = o.Duration
			}
		}
	}
	if c.Callee != nil {
		cv.Callee = v.of(c.Callee)
		if c.Callee.Service != "" {
			cv.Party = c.Callee.Service
		}
	}
}

func (ev *EventView) fill(e *timeline.Joined, h *timeline.Hop, signals *signalTable, in *room) {
	ev.Text = eventText(e.Event)
	seen := signals.see(e.Event, ev.Text, &in.eye)
	ev.signals, ev.meaning = seen.signals, seen.meaning
	ev.record(e, in)
	ev.Handled = tellsOfHandled(e, ev.Text, h)
}

// record fills in what the event says by itself, without signals, where nothing else stands yet.
func (ev *EventView) record(e *timeline.Joined, in *room) {
	ev.joined = e
	ev.Kind, ev.Service, ev.Host, ev.System = e.Kind.String(), e.Service, e.Host, e.System
	ev.Severity, ev.Body = e.Severity, e.Body
	ev.HTTP.Response.StatusCode = e.StatusCode
	ev.Lifecycle, ev.Join, ev.Candidates = e.Lifecycle.String(), e.Join.String(), e.Candidates
	if x := e.Exception; x != nil {
		ev.Exception = &take(&in.exceptions, 1)[0]
		*ev.Exception = ExceptionView{x.Type, x.Message, x.File, x.Function, x.Line, x.Escaped}
	}
}

// text is all that the event says in words.
func (e *EventView) text() string {
	if e.Text == "" {
		e.Text = eventText(e.joined.Event)
	}
	return e.Text
}

// carries says whether the event has a signal.
func (e *EventView) carries(id string) bool {
	return slices.ContainsFunc(e.signals, func(s *Signal) bool { return s.ID == id })
}

// complete fills in what only CEL reads: moments, attributes, texts, signals by name, processes.
func (h *HopView) complete() {
	if v := h.from; !v.whole {
		v.whole = true
		for _, hv := range v.request.Hops {
			hv.moments()
			for _, c := range hv.Calls {
				c.Start, c.End = momentView(c.call.Start), momentView(c.call.End)
			}
			for e := range hv.signalled {
				e.complete()
			}
			for _, e := range hv.Events {
				e.complete()
			}
		}
		v.near.complete()
	}
	// Of a copy.
	h.moments()
	for e := range h.signalled {
		e.complete()
	}
	for _, e := range h.Events {
		e.complete()
	}
}

func (h *HopView) moments() {
	if h.Start == nil {
		h.Start, h.End = momentView(h.hop.Start), momentView(overAt(h.hop))
	}
}

func (e *EventView) complete() {
	if e.Start != nil {
		return
	}
	e.Start, e.End = momentView(e.joined.Start), momentView(e.joined.End)
	e.text()
	if len(e.joined.Attrs) > 0 {
		e.Attributes = make(map[string]string, len(e.joined.Attrs))
		for _, a := range e.joined.Attrs {
			e.Attributes[a.Name] = a.Value
		}
	}
	for _, s := range e.signals {
		e.Signals = append(e.Signals, s.ID)
	}
}

// narrowest gives the signals by which their writer made the failing status, but for those
// of which another one of the same record tells more: it may mean fewer causes, some of
// them the same. A wrapper says only that a call failed, what it wraps says how. What says
// no more than that there was an error counts only where nothing says more. The words of a
// remark for which no status was made, as of a caller that left, say nothing of that kind.
func narrowest(signals []*Signal) []*Signal {
	if len(signals) == 0 {
		return nil
	}
	remark := slices.ContainsFunc(signals, func(s *Signal) bool { return s.MadeBy == madeByNobody && s.ofWords() })
	var room [8]*Signal
	made := room[:0]
	for _, s := range signals {
		if s.MadeBy == madeByWriter && !(remark && s.ofWords()) {
			made = append(made, s)
		}
	}
	var out []*Signal
	for _, s := range made {
		if !slices.ContainsFunc(made, func(o *Signal) bool { return o.tellsMore(s) }) {
			out = append(out, s)
		}
	}
	return out
}

// ofWords says whether a signal is looked for in what its writer says in words.
func (s *Signal) ofWords() bool { return s.Field == fieldText || s.Field == fieldBody }

func (s *Signal) tellsMore(than *Signal) bool {
	switch {
	case s.onlyAnError():
		return false
	case than.onlyAnError():
		return true
	}
	return len(s.MayMean) < len(than.MayMean) && slices.ContainsFunc(s.MayMean, func(c string) bool { return slices.Contains(than.MayMean, c) })
}

// onlyAnError says whether a signal says most likely no more than that there was an error.
func (s *Signal) onlyAnError() bool {
	return s.MayMean[0] == "dependency_error" || s.MayMean[0] == "unhandled_exception" || s.MayMean[0] == "other"
}

// tellsOfHandled says whether an event of h, with its text, tells of a call on which the failure of h
// does not rest: it is the record of such a call, or names its callee, its peer or its error.
func tellsOfHandled(e *timeline.Joined, text string, h *timeline.Hop) bool {
	if e.Kind == timeline.ServerSpan {
		return false
	}
	handled := false
	for _, c := range h.Calls {
		if c == h.FailedBy {
			if c.Record == e {
				return false
			}
			continue
		}
		if c.Record == e {
			handled = true
			continue
		}
		if handled || !c.Failed() && !c.Received.Refused() && (c.Callee == nil || !c.Callee.Failed()) {
			continue
		}
		handled = names(text, c.Error) || names(text, c.Peer) || c.Callee != nil && names(text, c.Callee.Service)
	}
	if handled && h.FailedBy != nil && h.FailedBy.Callee != nil && names(text, h.FailedBy.Callee.Service) && e.Kind != timeline.ClientSpan {
		return false
	}
	return handled
}

func names(text, s string) bool { return len(s) >= 3 && strings.Contains(text, s) }

func nearView(n *timeline.Surroundings) NearView {
	if n == nil {
		n = &timeline.Surroundings{}
	}
	return NearView{FailedBefore: n.FailedBefore, near: n}
}

func (v *NearView) complete() {
	if v.Processes != nil {
		return
	}
	for _, p := range v.near.Processes {
		v.Processes = append(v.Processes, &ProcessView{
			Service: p.Service, Host: p.Host, Start: momentView(p.Start), Ready: momentView(p.Ready), Stopping: momentView(p.Stopping),
			End: momentView(p.End), HowEnded: p.HowEnded.String(), InFlight: p.InFlight,
		})
	}
}

// telling gives the events that may speak of the hop's own failure.
func (h *HopView) telling() []*EventView {
	out := make([]*EventView, 0, len(h.Events))
	for _, e := range h.Events {
		if !e.Handled {
			out = append(out, e)
		}
	}
	return out
}

// signalled goes over what may hold signals of the hop's own failure: its telling events,
// and its answer as its caller recorded it.
func (h *HopView) signalled(yield func(*EventView) bool) {
	for _, e := range h.Events {
		if !e.Handled && !yield(e) {
			return
		}
	}
	if h.answer != nil {
		yield(h.answer)
	}
}

// saying gives the telling events with a signal that may mean the cause. Only a signal by
// which its writer made the failing status counts: a status made below and a remark of
// which no status came do not say why the hop failed. Where alone is set, the signal must
// mean nothing else.
func (h *HopView) saying(cause string, alone bool) []*EventView {
	var out []*EventView
	for e := range h.signalled {
		if e.says(cause, alone) {
			out = append(out, e)
		}
	}
	return out
}

// withoutSignals gives the hop as if none of its events had a signal.
func (h *HopView) withoutSignals() *HopView {
	bare := *h
	bare.Events = make([]*EventView, len(h.Events))
	for i, e := range h.Events {
		plain := *e
		plain.Signals, plain.signals, plain.meaning = nil, nil, nil
		bare.Events[i] = &plain
	}
	return &bare
}

// says says whether there is an event that saying gives.
func (h *HopView) says(cause string, alone bool) bool {
	for e := range h.signalled {
		if e.says(cause, alone) {
			return true
		}
	}
	return false
}

// says says whether a signal of the event, by which its writer made the failing status,
// may mean the cause; with alone, whether it means nothing else.
func (e *EventView) says(cause string, alone bool) bool {
	for _, s := range e.meaning {
		if s.place(cause) >= 0 && (!alone || len(s.MayMean) == 1) {
			return true
		}
	}
	return false
}

// means says whether a telling event has a signal of a status made by its writer of which
// the cause is the likeliest meaning.
func (h *HopView) means(cause string) bool {
	for e := range h.signalled {
		for _, s := range e.meaning {
			if s.MayMean[0] == cause {
				return true
			}
		}
	}
	return false
}

// remarking gives the telling events with a signal for which no status was made and of
// which the cause is the likeliest meaning.
func (h *HopView) remarking(cause string) []*EventView {
	var out []*EventView
	for _, e := range h.Events {
		if !e.Handled && slices.ContainsFunc(e.signals, func(s *Signal) bool { return s.MadeBy == madeByNobody && s.MayMean[0] == cause }) {
			out = append(out, e)
		}
	}
	return out
}

// signalling gives the telling events that carry a signal.
func (h *HopView) signalling(id string) []*EventView {
	var out []*EventView
	for e := range h.signalled {
		if e.carries(id) {
			out = append(out, e)
		}
	}
	return out
}

// ownException is the last error in code that tells of the hop's own failure, of those that
// belong to the request the most certainly; nil if there is none.
func (h *HopView) ownException() *EventView {
	var best *EventView
	for i := len(h.Events) - 1; i >= 0; i-- {
		e := h.Events[i]
		if e.Exception != nil && e.Kind != "client" && !e.Handled && (best == nil || doubtful(e.joined) < doubtful(best.joined)) {
			best = e
		}
	}
	return best
}

// guessed is from which rank on a record may as well be another request's.
const guessed = 2

// doubtful ranks how uncertain it is that a record is the request's: 0 if it carries its ID,
// 1 if it was joined by inference, guessed if its time is not known either, and most if it
// fits several requests.
func doubtful(e *timeline.Joined) int {
	switch {
	case !e.Held():
		return guessed + 1
	case e.Join != timeline.ByInferred:
		return 0
	case e.Undated():
		return guessed
	}
	return 1
}

// stating gives the records by which the hop and its caller show how its failure came:
// the record of the call on which it rests, else its own last error.
func (h *HopView) stating() []*EventView {
	var out []*EventView
	if f := h.FailedBy; f != nil {
		if r := h.view(f.call.Record); r != nil {
			out = append(out, r)
		}
		for _, e := range h.Events {
			if e.Kind == "log" && !e.Handled && (f.Error != "" && strings.Contains(e.text(), f.Error) || names(e.text(), f.Party) && e.joined.Failed) {
				out = append(out, e)
			}
		}
		return out
	}
	if x := h.ownException(); x != nil {
		return []*EventView{x}
	}
	for i := len(h.Events) - 1; i >= 0; i-- {
		if e := h.Events[i]; !e.Handled && e.Kind == "log" && severe(e.Severity) {
			return []*EventView{e}
		}
	}
	return nil
}

func (h *HopView) view(j *timeline.Joined) *EventView {
	for _, e := range h.Events {
		if e.joined == j {
			return e
		}
	}
	return nil
}

// severe says whether a severity names an error. It is a hint where to look; it never decides.
func severe(severity string) bool {
	switch severity {
	case "error", "err", "fatal", "critical", "crit", "alert", "emerg", "panic":
		return true
	}
	return false
}
