package rules

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"
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
	hops    map[*timeline.Hop]*HopView
	calls   map[*timeline.Call]*CallView
	// inferred says that some event was joined by inference.
	inferred bool
	whole    bool // complete was called
}

func statusView(s timeline.Status) StatusView {
	return StatusView{Code: s.Code, Protocol: s.Protocol, HTTP: asHTTP(s), Known: s.Known(), Failed: s.Failed(), Refused: s.Refused()}
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

func momentView(a timeline.Instant) *MomentView {
	return &MomentView{a.Earliest, a.Time, a.Latest, a.Known(), a}
}

// newViews makes the views of a request, without what only CEL reads of them: see complete.
func newViews(r *timeline.Request, near *timeline.Surroundings, signals *signalTable) *views {
	all := 0
	for _, h := range r.Hops {
		all += len(h.Events)
	}
	events := make([]EventView, all) // all at once: there are many
	return makeViews(r, nearView(near), func(h *HopView, e *timeline.Joined) *EventView {
		ev := &events[0]
		events = events[1:]
		ev.fill(e, h.hop, signals)
		return ev
	}, func(h *HopView) *EventView { return answerView(h, signals) })
}

// certainly gives the same views without the events that were joined by inference.
func (v *views) certainly(r *timeline.Request) *views {
	return makeViews(r, v.near, func(h *HopView, e *timeline.Joined) *EventView {
		if e.Join == timeline.ByInferred {
			return nil
		}
		return v.hops[h.hop].view(e)
	}, func(h *HopView) *EventView {
		if h.Caller == nil || h.Caller.call.Record == nil || h.Caller.call.Record.Join == timeline.ByInferred {
			return nil
		}
		return v.hops[h.hop].answer
	})
}

// makeViews makes the views of a request, of its events by event and of the answers that
// callers kept by answer; those for which these give nil are left out.
func makeViews(r *timeline.Request, near *NearView, event func(*HopView, *timeline.Joined) *EventView, answer func(*HopView) *EventView) *views {
	v := &views{
		hops:  make(map[*timeline.Hop]*HopView, len(r.Hops)),
		calls: make(map[*timeline.Call]*CallView, len(r.Calls)),
		near:  near,
	}
	v.request = &RequestView{
		ID:     r.ID,
		HTTP:   HTTPView{Request: HTTPRequestView{r.Method}, Response: HTTPResponseView{r.Client.Code}, Route: r.Route},
		URL:    URLView{r.Path},
		Client: statusView(r.Client),
		Failed: r.Failed,
		Hops:   make([]*HopView, 0, len(r.Hops)),
	}
	hops, calls := make([]HopView, len(r.Hops)), 0
	for i, h := range r.Hops {
		hv := &hops[i]
		hv.fill(h)
		hv.from = v
		v.hops[h] = hv
		calls += len(h.Calls)
		v.request.Hops = append(v.request.Hops, hv)
	}
	if len(v.request.Hops) > 0 {
		v.request.Root = v.request.Hops[0]
	}
	callViews := make([]CallView, calls)
	for _, hv := range v.request.Hops {
		hv.Calls = make([]*CallView, 0, len(hv.hop.Calls))
		for _, c := range hv.hop.Calls {
			cv := &callViews[0]
			callViews = callViews[1:]
			v.fillCall(cv, c, hv)
			cv.Contradicted = slices.ContainsFunc(r.Contradictions, func(x timeline.Contradiction) bool { return x.Call == c })
			hv.Calls = append(hv.Calls, cv)
			if cv.Callee != nil {
				hv.Callees = append(hv.Callees, cv.Callee)
				cv.Callee.Caller = cv
			}
			if c == hv.hop.FailedBy {
				hv.FailedBy = cv
			}
		}
	}
	for _, hv := range v.request.Hops {
		hv.Events = make([]*EventView, 0, len(hv.hop.Events))
		for _, e := range hv.hop.Events {
			v.inferred = v.inferred || e.Join == timeline.ByInferred
			if ev := event(hv, e); ev != nil {
				hv.Events = append(hv.Events, ev)
			}
		}
	}
	for _, hv := range v.request.Hops {
		hv.answer = answer(hv)
	}
	return v
}

// answerView is the record in which the caller of a hop kept its answer, with what the
// signals say of that; of a hop that wrote no log, with those too by which the caller says
// that the failure was made there. nil if there is none or they say nothing.
func answerView(h *HopView, signals *signalTable) *EventView {
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
	ev.record(e)
	return ev
}

func (hv *HopView) fill(h *timeline.Hop) {
	*hv = HopView{
		ID: h.ID, Service: h.Service, Host: h.Host, System: h.System, Role: h.Role.String(), Depth: h.Depth, Attempt: h.Attempt,
		Lineage: h.Lineage.String(), Ended: h.Ended.String(), Sent: statusView(h.Status()), Received: statusView(h.Received),
		Failed: h.Failed(), HandledByCaller: h.HandledByCaller, Silent: h.Silent,
		hop: h,
	}
	hv.HTTP.Response.StatusCode = hv.Sent.HTTP
	if h.Start.Known() && h.End.Known() {
		hv.Duration = h.End.Time.Sub(h.Start.Time)
	}
}

func (v *views) fillCall(cv *CallView, c *timeline.Call, caller *HopView) {
	*cv = CallView{
		Peer: c.Peer, Party: c.Peer, Caller: caller, Purpose: c.Purpose.String(), Attempt: c.Attempt, Method: c.Method, Target: c.Target,
		Received: statusView(c.Received), Sent: statusView(c.Sent), OwnMade: c.OwnMade, Answered: c.Received.Known() && !c.OwnMade, Told: c.Ended != timeline.OutcomeUnknown || c.Received.Known() && !c.OwnMade,
		Ended: c.Ended.String(), Error: c.Error, Used: c.Used, Failed: c.Failed(), Logged: c.Record != nil,
		call: c,
	}
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
		cv.Callee = v.hops[c.Callee]
		if c.Callee.Service != "" {
			cv.Party = c.Callee.Service
		}
	}
	v.calls[c] = cv
}

func (ev *EventView) fill(e *timeline.Joined, h *timeline.Hop, signals *signalTable) {
	ev.signals = signals.find(e.Event)
	ev.meaning = narrowest(ev.signals)
	ev.record(e)
	ev.Handled = tellsOfHandled(e, h)
}

// record fills in what the event says by itself, without signals.
func (ev *EventView) record(e *timeline.Joined) {
	*ev = EventView{
		signals: ev.signals, meaning: ev.meaning,
		Kind: e.Kind.String(), Service: e.Service, Host: e.Host, System: e.System, Severity: e.Severity, Body: e.Body,
		HTTP:      HTTPView{Response: HTTPResponseView{e.StatusCode}},
		Lifecycle: e.Lifecycle.String(), Join: e.Join.String(), Candidates: e.Candidates,
		joined: e,
	}
	if x := e.Exception; x != nil {
		ev.Exception = &ExceptionView{x.Type, x.Message, x.File, x.Function, x.Line, x.Escaped}
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
		h.Start, h.End = momentView(h.hop.Start), momentView(h.hop.End)
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
	remark := slices.ContainsFunc(signals, func(s *Signal) bool { return s.MadeBy == madeByNobody && s.ofWords() })
	var made []*Signal
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

// tellsOfHandled says whether an event of h tells of a call on which the failure of h
// does not rest: it is the record of such a call, or names its callee, its peer or its error.
func tellsOfHandled(e *timeline.Joined, h *timeline.Hop) bool {
	if e.Kind == timeline.ServerSpan {
		return false
	}
	text := ""
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
		if text == "" {
			text = eventText(e.Event)
		}
		handled = names(text, c.Error) || names(text, c.Peer) || c.Callee != nil && names(text, c.Callee.Service)
	}
	if handled && h.FailedBy != nil && h.FailedBy.Callee != nil && names(eventText(e.Event), h.FailedBy.Callee.Service) && e.Kind != timeline.ClientSpan {
		return false
	}
	return handled
}

func names(text, s string) bool { return len(s) >= 3 && strings.Contains(text, s) }

func nearView(n *timeline.Surroundings) *NearView {
	if n == nil {
		n = &timeline.Surroundings{}
	}
	return &NearView{FailedBefore: n.FailedBefore, near: n}
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
	case e.Attrs.Get("log.time.inferred") != "", e.Time.IsZero():
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

// dependency names the party of a system that the hop used: a callee that runs it, else
// one that other requests have shown; "" if nothing tells.
func (h *HopView) dependency(system string) string {
	for _, c := range h.Callees {
		if c.System == system || c.System == "mariadb" && system == "mysql" {
			return c.Service
		}
	}
	for _, c := range h.Callees {
		if c.Role == timeline.RoleDependency.String() && c.System == "" {
			return c.Service
		}
	}
	// Another request may have shown whom it uses.
	found := ""
	if b := h.from.near.near.Book; b != nil {
		for _, e := range b.Edges {
			if e.Caller == h.Service && strings.Contains(strings.ToLower(e.Callee), strings.TrimSuffix(system, "ql")) {
				if found != "" && found != e.Callee {
					return ""
				}
				found = e.Callee
			}
		}
	}
	return found
}

// pointed names the party at which the signals of the hop for a cause point: "" if at
// the hop itself, its configuration or nobody. A next hop that this request does not name
// is the one that the hop usually calls.
func (h *HopView) pointed(cause string) string {
	for _, e := range h.saying(cause, false) {
		away, next, system := false, false, ""
		for _, s := range e.meaning {
			if s.place(cause) < 0 {
				continue
			}
			switch s.Points {
			case "client":
				return "client"
			case "next_hop", "connection_to_next_hop", "dependency", "unknown":
				away = true
				next = next || s.Points == "next_hop" || s.Points == "connection_to_next_hop"
			}
		}
		for _, s := range e.signals {
			if s.Dependency != "" && s.MadeBy == madeByWriter {
				system = s.Dependency
				break
			}
		}
		if !away {
			continue
		}
		if h.FailedBy != nil {
			return h.FailedBy.Party
		}
		if p := h.called(e, system); p != "" {
			return p
		}
		if p := h.usualCallee(); next && p != "" && !h.wouldTell(p) {
			return p
		}
	}
	return ""
}

// told gives the records of dependencies by which these say why they failed a call of the
// hop, where the hop has no word of its own for the cause. A dependency with whose failure it coped says nothing.
func (h *HopView) told(cause string) []*EventView {
	var out []*EventView
	for _, c := range h.Callees {
		if c.Role != timeline.RoleDependency.String() || c.HandledByCaller {
			continue
		}
		for _, e := range c.Events {
			if slices.ContainsFunc(e.meaning, func(s *Signal) bool { return s.MayMean[0] == cause }) {
				out = append(out, e)
			}
		}
	}
	return out
}

// toldBy names the first dependency of which told has records, "" if there is none.
func (h *HopView) toldBy(cause string) string {
	if events := h.told(cause); len(events) > 0 {
		return events[0].Service
	}
	return ""
}

// hidden gives the errors that callees of the hop logged for calls that they answered well all the same, of the last
// such callee.
func (h *HopView) hidden() []*EventView {
	for i := len(h.Calls) - 1; i >= 0; i-- {
		c := h.Calls[i]
		if c.Callee == nil || !c.Answered || c.Received.HTTP >= 400 {
			continue
		}
		var out []*EventView
		for _, e := range c.Callee.Events {
			if e.Kind == "log" && !e.Handled && severe(e.Severity) && e.joined.Held() {
				out = append(out, e)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// hiddenBy names the callee of which hidden has records, "" if there is none.
func (h *HopView) hiddenBy() string {
	if events := h.hidden(); len(events) > 0 {
		return events[0].Service
	}
	return ""
}

// named names the party of which the signals of the hop for a cause speak, wherever they
// point: "" if they name none.
func (h *HopView) named(cause string) string {
	for _, e := range h.saying(cause, false) {
		if h.FailedBy != nil {
			return h.FailedBy.Party
		}
		if p := h.called(e, ""); p != "" {
			return p
		}
	}
	return ""
}

// called names the party of which a record of the hop speaks: one that it was seen to call,
// the one of the system that a driver's words are about, an address, the server that the record names beside its words, a
// service that the hop's calls in other requests; "" if none.
func (h *HopView) called(e *EventView, system string) string {
	text := e.text()
	if p := h.namedPeer(text); p != "" {
		return p
	}
	if system != "" {
		if p := h.dependency(system); p != "" {
			return p
		}
	}
	if p := h.at(peerIn(text)); p != "" {
		return p
	}
	if p := h.at(serverOf(e.joined.Event)); p != "" && e.Kind == "log" {
		return p
	}
	if p := h.namedCallee(text); p != "" {
		return p
	}
	return system
}

// serverOf gives the address of the server that a record names beside its words, with its port if it is told.
func serverOf(e *timeline.Event) string {
	host, port := e.Attrs.Get("server.address"), e.Attrs.Get("server.port")
	if host == "" || port == "" || strings.HasSuffix(host, ":"+port) {
		return host
	}
	return net.JoinHostPort(host, port)
}

// namedCallee gives the one service that the hop's was seen to call and that a text names in a word of its own.
func (h *HopView) namedCallee(text string) string {
	found := ""
	if b := h.from.near.near.Book; b != nil {
		for _, e := range b.Edges {
			if e.Caller != h.Service || e.Callee == h.Service || len(e.Callee) < 3 || !hasWord(text, e.Callee) {
				continue
			}
			if found != "" && found != e.Callee {
				return ""
			}
			found = e.Callee
		}
	}
	return found
}

// hasWord says whether word stands in text between characters that are no letters, digits or parts of names.
func hasWord(text, word string) bool {
	part := func(c byte) bool {
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '-'
	}
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

// wouldTell says whether the hop's service records its calls to a party, so that a call of which it has no
// record was not made. A proxy has a record of a call only where it found a server.
func (h *HopView) wouldTell(party string) bool {
	if h.Role == timeline.RoleGateway.String() || h.Role == timeline.RoleProxy.String() {
		return false
	}
	e := h.from.near.near.Book.Edge(h.Service, party)
	return e.Calls > 0 && e.Recorded == e.Calls
}

// usualShare is the share of a service's calls that must go to one callee for it to be
// the usual one. Not all: where clocks are unknown some calls are tied to the wrong hop.
const usualShare = 0.9

// usualCallee names whom the hop usually calls, if it is one: by what other requests
// have shown, else by the backend that its record names.
func (h *HopView) usualCallee() string {
	if b := h.from.near.near.Book; b != nil {
		all := 0
		var most timeline.Edge
		for _, e := range b.Edges {
			if e.Caller != h.Service {
				continue
			}
			all += e.Calls
			if e.Calls > most.Calls {
				most = e
			}
		}
		if most.Calls > 0 && float64(most.Calls) >= usualShare*float64(all) {
			return most.Callee
		}
	}
	for _, e := range h.Events {
		if name := e.joined.Attrs.Get("haproxy.backend"); name != "" {
			return name
		}
	}
	return ""
}

// namedPeer gives the callee or peer that a text names.
func (h *HopView) namedPeer(text string) string {
	for _, c := range h.Calls {
		if names(text, c.Peer) || c.Callee != nil && names(text, c.Callee.Service) {
			return c.Party
		}
	}
	return ""
}

// refuser names the hop that made the refusal on which h's failure rests: hops that
// passed it on are passed over.
func (h *HopView) refuser() string {
	c := h.FailedBy
	if c == nil {
		return ""
	}
	party := c.Party
	for range 64 { // a request's depth is bounded, a broken one's is not
		callee := c.Callee
		if callee == nil || callee.hop.Lineage != timeline.Relayed {
			return party
		}
		var next *CallView
		for _, k := range callee.Calls {
			if k.call.Used && k.call.Received == callee.hop.Status() {
				next = k
			}
		}
		if next == nil {
			return party
		}
		c, party = next, next.Party
	}
	return party
}

// waiting is who held the request when a caller gave up.
type waiting struct {
	name  string
	doubt string // why it may be another
}

// deepestWaiting finds the deepest hop or party that held the request when h gave up
// on the call on which its failure rests. Hops that only waited are passed over;
// work that began after the giving-up does not count. Where the clocks cannot decide
// the nearest certain one is named.
func (h *HopView) deepestWaiting() waiting {
	c := h.FailedBy
	if c == nil {
		return waiting{}
	}
	w := waiting{name: c.Party}
	gaveUp := c.call.End
	if !gaveUp.Known() {
		gaveUp = h.hop.End
	}
	at := c.Callee
	for depth := 0; at != nil && depth < 64; depth++ {
		next, sure := heldAt(at, gaveUp)
		if next == nil {
			break
		}
		if !sure {
			w.doubt = "the clocks do not show whether " + w.name + " or " + next.Party + " held the request when " + h.Service + " gave up"
			break
		}
		w.name, at = next.Party, next.Callee
	}
	if w.doubt == "" {
		w.doubt = h.alsoAtWork(c, gaveUp)
	}
	return w
}

// alsoAtWork looks for a party that was at work when h gave up on c and whose caller
// nobody logged: c may have waited for it.
func (h *HopView) alsoAtWork(c *CallView, gaveUp timeline.Instant) string {
	for _, k := range h.Calls {
		if k == c || k.Logged || k.Callee == nil {
			continue
		}
		if start, end := callWindow(k.call); start.CertainlyBefore(gaveUp) && gaveUp.CertainlyBefore(end) {
			return k.Party + " was at work when " + h.Service + " gave up, and no record tells for whom"
		}
	}
	return ""
}

// heldAt finds the call for which a hop waited at a moment, and whether the clocks make it certain.
func heldAt(h *HopView, at timeline.Instant) (c *CallView, sure bool) {
	var maybe *CallView
	for _, k := range h.Calls {
		if k.Purpose == "mirror" || k.Purpose == "background" {
			continue
		}
		start, end := callWindow(k.call)
		if at.Known() && (at.CertainlyBefore(start) || end.CertainlyBefore(at)) {
			continue // began after, or was over before
		}
		began := start.CertainlyBefore(at) || !start.Known() && h.hop.Start.CertainlyBefore(at) && at.CertainlyBefore(end)
		pending := at.CertainlyBefore(end) || !end.Known() && unanswered(k.call)
		if began && pending {
			return k, true
		}
		if maybe == nil && (began || start.Known() && start.Time.Before(at.Time)) && (pending || unanswered(k.call) || end.Known() && at.Time.Before(end.Time)) {
			maybe = k
		}
	}
	if maybe == nil {
		return nil, false
	}
	start, _ := callWindow(maybe.call)
	// A call that never got its answer was under way when the hop itself was cut off.
	return maybe, unanswered(maybe.call) && start.CertainlyBefore(at)
}

// unanswered says that nothing came back to the caller of c.
func unanswered(c *timeline.Call) bool {
	switch c.Ended {
	case timeline.GaveUp, timeline.CallerLeft:
		return true
	case timeline.OutcomeUnknown:
		return !c.Received.Known() && !c.Sent.Known()
	}
	return false
}

// callWindow is the time of a call as its caller logged it, else as its callee did.
func callWindow(c *timeline.Call) (start, end timeline.Instant) {
	start, end = c.Start, c.End
	if c.Callee == nil || c.Record != nil && c.Record.Kind != timeline.ServerSpan && end.Known() {
		return start, end
	}
	cs, ce := hopWindow(c.Callee)
	if c.Record == nil || !start.Known() {
		if cs.Known() {
			start = cs
		}
	}
	if c.Record == nil || !end.Known() {
		if ce.Known() {
			end = ce
		}
	}
	return start, end
}

// hopWindow is when a hop began and ended by its own records.
func hopWindow(h *timeline.Hop) (start, end timeline.Instant) {
	start, end = h.Start, h.End
	if start.Known() && end.Known() {
		return start, end
	}
	for _, e := range h.Events {
		if !h.Start.Known() && e.Start.Known() && (!start.Known() || e.Start.Time.Before(start.Time)) {
			start = e.Start
		}
		if !h.End.Known() && e.End.Known() && (!end.Known() || e.End.Time.After(end.Time)) {
			end = e.End
		}
	}
	return start, end
}

// What the process of a callee did when a call to it failed.
const (
	stateUnknown    = ""
	stateRestarting = "restarting" // stopped on request, or not yet ready again
	stateCrashed    = "crashed"
	stateKilled     = "killed"
	stateOOMKilled  = "oom_killed"
)

// downFor is for how long after its end a process counts as down if no later start is known.
const downFor = time.Minute

// state says what the process of a call's callee did while the call was made, and
// which life shows it.
func (n *NearView) state(c *timeline.Call) (string, *timeline.Process) {
	if n == nil || c == nil || c.Callee == nil {
		return stateUnknown, nil
	}
	start, end := waited(c)
	broke := c.Ended == timeline.Reset || c.Ended == timeline.Truncated
	return n.stateIn(c.Callee.Service, c.Callee.Host, start, end, broke)
}

// refusedSinceStart says whether the caller of c or its callee was started after such calls
// last went well and before this one: what they know each other by changed with the start.
func (n *NearView) refusedSinceStart(c *timeline.Call) bool {
	if n == nil || c == nil || c.Callee == nil {
		return false
	}
	well, ok := n.near.WentWell[c]
	start, _ := waited(c)
	if !ok || !start.Known() {
		return false
	}
	for _, p := range n.near.Processes {
		ours := p.Service == c.Caller.Service && (p.Host == "" || p.Host == c.Caller.Host)
		theirs := p.Service == c.Callee.Service && (p.Host == "" || p.Host == c.Callee.Host)
		if began := cmp.Or(p.Start, p.Ready); (ours || theirs) && began.Known() && well.CertainlyBefore(began) && began.CertainlyBefore(start) {
			return true
		}
	}
	return false
}

// unsureDown says what is not certain of a callee's being down when a connection to it
// broke: that it was asked to stop before. "" if the clocks show it, if nothing is known,
// or if the connection was refused, which shows by itself that it was down.
func (n *NearView) unsureDown(c *timeline.Call) string {
	_, p := n.state(c)
	if p == nil || !p.Stopping.Known() {
		return ""
	}
	if p.Stopping.Slack() > vague {
		return fmt.Sprintf("the clock of %s is not known well enough to say that it was down when the call was made", p.Service)
	}
	if c.Ended != timeline.Reset && c.Ended != timeline.Truncated {
		return ""
	}
	if _, end := waited(c); !end.Known() || p.Stopping.CertainlyBefore(end) {
		return ""
	}
	return fmt.Sprintf("the clocks do not show that %s was asked to stop before the call to it was over", p.Service)
}

// waited is when the caller waited: as it logged the call, else as it logged its own exchange.
func waited(c *timeline.Call) (start, end timeline.Instant) {
	start, end = c.Start, c.End
	if c.Caller != nil {
		if !start.Known() {
			start = c.Caller.Start
		}
		if !end.Known() {
			end = c.Caller.End
		}
	}
	return start, end
}

// stateIn says what the process of a service on a host did in a time. A worker's end counts only for what was in flight
// and broke, since others go on.
func (n *NearView) stateIn(service, host string, start, end timeline.Instant, broke bool) (string, *timeline.Process) {
	var lives []*timeline.Process
	for _, p := range n.near.Processes {
		if (!p.Worker || broke) && p.Service == service && (host == "" || p.Host == "" || p.Host == host) {
			lives = append(lives, p)
		}
	}
	if !end.Known() {
		end = start
	}
	if !end.Known() {
		return stateUnknown, nil
	}
	if !start.Known() {
		start = end
	}
	slices.SortStableFunc(lives, func(a, b *timeline.Process) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), lifeStart(a).Compare(lifeStart(b)))
	})
	for i, p := range lives {
		down := p.Stopping
		if !down.Known() {
			down = p.End
		}
		if !down.Known() {
			continue
		}
		up := down.Add(downFor)
		if p.Worker {
			up = down
		} else if i+1 < len(lives) && lives[i+1].Host == p.Host {
			up = cmp.Or(lives[i+1].Ready, lives[i+1].Start, up)
		}
		if end.CertainlyBefore(down) || up.CertainlyBefore(start) || !agree(down, end) || !agree(start, up) {
			continue
		}
		switch {
		case p.HowEnded == timeline.ProcessCrashed:
			return stateCrashed, p
		case (p.HowEnded == timeline.ProcessKilled || p.HowEnded == timeline.ProcessTimedOut) && !p.Stopping.Known():
			return stateKilled, p
		case p.HowEnded == timeline.ProcessOOMKilled:
			return stateOOMKilled, p
		case p.Stopping.Known() || p.HowEnded == timeline.ProcessStopped:
			return stateRestarting, p
		}
	}
	for i, p := range lives {
		first := (i == 0 || lives[i-1].Host != p.Host) && !p.Worker
		if first && p.Start.Known() && p.Ready.Known() && !end.CertainlyBefore(p.Start) && !p.Ready.CertainlyBefore(start) && agree(p.Start, end) && agree(start, p.Ready) {
			return stateRestarting, p
		}
	}
	return stateUnknown, nil
}

// downAt says whether a service on a host was down at a moment: a life had ended, for whatever reason, and the next one had not begun to
// take requests.
func (n *NearView) downAt(service, host string, at timeline.Instant) bool {
	if n == nil || service == "" || !at.Known() {
		return false
	}
	var lives []*timeline.Process
	for _, p := range n.near.Processes {
		if !p.Worker && p.Service == service && (host == "" || p.Host == "" || p.Host == host) {
			lives = append(lives, p)
		}
	}
	slices.SortStableFunc(lives, func(a, b *timeline.Process) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), lifeStart(a).Compare(lifeStart(b)))
	})
	for i, p := range lives {
		if i+1 == len(lives) || lives[i+1].Host != p.Host || !p.End.Known() {
			continue
		}
		up := cmp.Or(lives[i+1].Ready, lives[i+1].Start)
		if !at.CertainlyBefore(p.End) && !up.CertainlyBefore(at) && agree(p.End, at) && agree(at, up) {
			return true
		}
	}
	return false
}

// vague is how far two moments may be out of order by their best guesses where their intervals let them be in order:
// the clock of a host that is not tied to the others leaves room for everything.
const vague = 2 * time.Second

// agree says whether a may have come before b by their best guesses too.
func agree(a, b timeline.Instant) bool { return a.Time.Before(b.Time.Add(vague)) }

// untimedLives says whether it is not known for want of a clock if a service was being stopped or started.
func (n *NearView) untimedLives(service string) bool {
	return n != nil && slices.ContainsFunc(n.near.Processes, func(p *timeline.Process) bool {
		return p.Service == service && slices.ContainsFunc([]timeline.Instant{p.Start, p.Ready, p.Stopping, p.End}, func(a timeline.Instant) bool {
			return a.Known() && a.Slack() > vague
		})
	})
}

func lifeStart(p *timeline.Process) time.Time {
	for _, a := range []timeline.Instant{p.Start, p.Ready, p.Stopping, p.End} {
		if a.Known() {
			return a.Time
		}
	}
	return time.Time{}
}
