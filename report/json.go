package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/rules"
	"github.com/correlatehq/correlate/timeline"
)

// The types below are the JSON contract, field by field in the order in which they
// are written. A name in them is stable; what is not known is left out. Lists are
// written even if they are empty.
type caseJSON struct {
	Schema         string        `json:"schema"`
	RequestID      string        `json:"request_id"`
	TraceID        string        `json:"trace_id,omitempty"`
	LinkedIDs      []string      `json:"linked_ids"`
	Links          []linkJSON    `json:"links"`
	Status         int           `json:"status,omitempty"`
	StatusProtocol string        `json:"status_protocol,omitempty"` // "grpc"; left out for HTTP
	ClientStatus   int           `json:"client_status,omitempty"`
	Method         string        `json:"method,omitempty"`
	Path           string        `json:"path,omitempty"`
	Route          string        `json:"route,omitempty"`
	Start          string        `json:"start,omitempty"`
	DurationMS     *float64      `json:"duration_ms,omitempty"`
	Partial        bool          `json:"partial"`
	Verdict        *verdictJSON  `json:"verdict,omitempty"`
	ErrorLocation  *locationJSON `json:"error_location,omitempty"`
	Hops           []hopJSON     `json:"hops"`
	Events         []eventJSON   `json:"events"`
	Clocks         []clockJSON   `json:"clocks"`
	Contradictions []againstJSON `json:"contradictions"`
	Rivals         []rivalJSON   `json:"rivals"`
	Behind         []behindJSON  `json:"behind"`
	Missing        []missingJSON `json:"missing"`
	NextChecks     []string      `json:"next_checks"`
	Skipped        []skippedJSON `json:"skipped"`
	OtherRequests  []string      `json:"other_requests"`
}

// A behindJSON is an earlier event that explains the failure.
type behindJSON struct {
	Hop        int    `json:"hop,omitempty"`
	What       string `json:"what"`
	Aligned    string `json:"aligned,omitempty"`
	Position   string `json:"position,omitempty"`
	RequestID  string `json:"request_id,omitempty"` // of the earlier request
	Candidates int    `json:"candidates,omitempty"` // requests that it may be as well, itself included
	Text       string `json:"text,omitempty"`
}

// A linkJSON says why two IDs are the same request.
type linkJSON struct {
	ID       string `json:"id"`
	To       string `json:"to"`
	Reason   string `json:"reason"`
	Position string `json:"position,omitempty"` // of the record that shows it
}

type verdictJSON struct {
	OriginHop  *originJSON    `json:"origin_hop,omitempty"`
	Component  string         `json:"component,omitempty"`
	CauseClass string         `json:"cause_class,omitempty"`
	Confidence float64        `json:"confidence"`
	Certainty  string         `json:"certainty"`
	Rule       string         `json:"rule,omitempty"`
	Summary    string         `json:"summary"`
	Claims     []claimJSON    `json:"claims"` // the parts of summary, in order
	Effect     string         `json:"effect,omitempty"`
	EffectBy   string         `json:"effect_by,omitempty"` // the fact that shows it
	Retries    []retryJSON    `json:"retried_writes"`
	SlowestHop *slowestJSON   `json:"slowest_hop,omitempty"` // of a timeout
	Evidence   []evidenceJSON `json:"evidence"`
}

type claimJSON struct {
	Text     string         `json:"text"`
	Evidence []evidenceJSON `json:"evidence"`
}

type retryJSON struct {
	Hop      int    `json:"hop"` // that sent it again
	To       string `json:"to"`
	Method   string `json:"method"`
	Target   string `json:"target,omitempty"`
	Attempts int    `json:"attempts"`
	Event    int    `json:"event,omitempty"`
}

type slowestJSON struct {
	Hop        int      `json:"hop"`
	DurationMS *float64 `json:"duration_ms"`
	OwnMS      *float64 `json:"own_ms"`             // without waiting for those that it called
	AtLeast    bool     `json:"at_least,omitempty"` // what its caller saw of it
}

type originJSON struct {
	ID      int    `json:"id"`
	Service string `json:"service"`
	Host    string `json:"host,omitempty"`
	Role    string `json:"role,omitempty"`
}

type evidenceJSON struct {
	Event int `json:"event"`
}

type locationJSON struct {
	Type     string `json:"type,omitempty"`
	Message  string `json:"message,omitempty"`
	File     string `json:"file,omitempty"`
	Function string `json:"function,omitempty"`
	Line     int    `json:"line,omitempty"`
	Logged   bool   `json:"logged,omitempty"` // the place is the call that logged the error
}

type hopJSON struct {
	ID              int      `json:"id"`
	Parent          int      `json:"parent,omitempty"`
	Attempt         int      `json:"attempt,omitempty"`
	Service         string   `json:"service"`
	Host            string   `json:"host,omitempty"`
	Role            string   `json:"role,omitempty"`
	Depth           int      `json:"depth"`
	Start           string   `json:"start,omitempty"`
	End             string   `json:"end,omitempty"`
	SlackMS         *float64 `json:"slack_ms,omitempty"`
	LikelyMS        *float64 `json:"likely_ms,omitempty"`
	Received        int      `json:"received,omitempty"`
	Sent            int      `json:"sent,omitempty"`
	SentProtocol    string   `json:"sent_protocol,omitempty"` // "grpc"; left out for HTTP
	Lineage         string   `json:"lineage,omitempty"`
	HandledByCaller bool     `json:"handled_by_caller"`
	Sources         []string `json:"sources"` // empty for a hop that nobody logged
}

type eventJSON struct {
	ID         int      `json:"id"`
	Hop        int      `json:"hop,omitempty"`
	Time       string   `json:"time,omitempty"`
	Aligned    string   `json:"aligned,omitempty"`
	SlackMS    *float64 `json:"slack_ms,omitempty"`
	LikelyMS   *float64 `json:"likely_ms,omitempty"`
	Host       string   `json:"host,omitempty"`
	Service    string   `json:"service,omitempty"`
	Position   string   `json:"position"`
	Join       string   `json:"join"`
	Candidates int      `json:"candidates"`
	Text       string   `json:"text"`
}

type clockJSON struct {
	Host         string     `json:"host"`
	OffsetMS     *float64   `json:"offset_ms,omitempty"`
	SlackMS      *float64   `json:"slack_ms,omitempty"`
	DriftPPM     *float64   `json:"drift_ppm,omitempty"`
	Steps        []stepJSON `json:"steps,omitempty"`
	Zone         string     `json:"zone,omitempty"`
	Reference    bool       `json:"reference"`
	Calls        int        `json:"calls"`
	Tied         bool       `json:"tied"`
	Inconsistent bool       `json:"inconsistent,omitempty"`
	Reason       string     `json:"reason,omitempty"`
}

type stepJSON struct {
	At     string  `json:"at"`
	SizeMS float64 `json:"size_ms"`          // forward positive
	OverS  float64 `json:"over_s,omitempty"` // how long it was slewed; left out if it was set at once
}

// An againstJSON is an order that must hold and that the records deny.
type againstJSON struct {
	Call *betweenJSON `json:"call,omitempty"` // left out if no single call explains it
	What string       `json:"what"`
}

type betweenJSON struct {
	From int `json:"from,omitempty"` // id of the calling hop
	To   int `json:"to,omitempty"`
}

type rivalJSON struct {
	Service    string `json:"service"`
	Host       string `json:"host,omitempty"`
	CauseClass string `json:"cause_class,omitempty"`
	ExcludedBy string `json:"excluded_by,omitempty"`
	Event      int    `json:"event,omitempty"`
}

type missingJSON struct {
	What         string `json:"what"`
	WhyItMatters string `json:"why_it_matters,omitempty"`
}

type skippedJSON struct {
	Source string `json:"source"`
	What   string `json:"what"`
	Count  int    `json:"count"`
	First  string `json:"first,omitempty"`
}

// JSONOptions say what is written of a case.
type JSONOptions struct {
	// NoAlign leaves out every time on the common time line: of events only their stamps
	// are written.
	NoAlign bool
}

// JSON writes the case by the contract correlate/v1, indented.
func JSON(w io.Writer, c *correlate.Case, o JSONOptions) error {
	return encode(w, caseValue(c, o), "  ")
}

// JSONL writes the same value as [JSON] in one line.
func JSONL(w io.Writer, c *correlate.Case, o JSONOptions) error {
	return encode(w, caseValue(c, o), "")
}

func caseValue(c *correlate.Case, o JSONOptions) *caseJSON {
	out := &caseJSON{
		Schema:    correlate.Schema,
		RequestID: valid(c.RequestID),
		Partial:   c.Partial,
		LinkedIDs: []string{}, Links: []linkJSON{}, Hops: []hopJSON{}, Events: []eventJSON{}, Clocks: clockValues(c.Clocks), Contradictions: []againstJSON{}, Rivals: []rivalJSON{}, Behind: []behindJSON{},
		Missing: []missingJSON{}, NextChecks: []string{}, Skipped: skippedValues(c.Skipped, c.Sources), OtherRequests: validAll(c.Other),
	}
	if r := c.Request; r != nil {
		if out.RequestID == "" {
			out.RequestID = valid(r.ID)
		}
		out.TraceID = valid(r.TraceID)
		out.LinkedIDs = linkedIDs(r, c.RequestID)
		for _, a := range r.Aliases {
			out.Links = append(out.Links, linkJSON{valid(a.B.Value), valid(a.A.Value), valid(a.Reason), valid(a.Pos.String())})
		}
		if root := r.Root(); root != nil {
			out.Status, out.StatusProtocol = root.Status().Code, root.Status().Protocol
		}
		out.ClientStatus = r.Client.Code
		out.Method, out.Path, out.Route = valid(r.Method), valid(r.Path), valid(r.Route)
		if !o.NoAlign {
			out.Start = jsonTime(r.Start.Time)
		}
		if r.Length >= 0 {
			out.DurationMS = millis(r.Length)
		}
		out.Partial = out.Partial || r.Truncated
		for _, h := range r.Hops {
			out.Hops = append(out.Hops, hopValue(h, o))
		}
		for _, x := range r.Contradictions {
			out.Contradictions = append(out.Contradictions, againstValue(x))
		}
		for i := range r.Events {
			out.Events = append(out.Events, eventValue(&r.Events[i], o))
		}
	}
	if v := c.Verdict; v != nil {
		verdictValue(out, v, o)
	}
	return out
}

func verdictValue(out *caseJSON, v *rules.Verdict, o JSONOptions) {
	out.Verdict = &verdictJSON{
		Component: valid(v.Component), CauseClass: v.CauseClass, Confidence: round(v.Confidence, 1e4), Certainty: string(v.Certainty),
		Rule: v.Rule, Summary: valid(v.Summary), Claims: []claimJSON{}, Effect: v.Effect, EffectBy: valid(v.EffectBy),
		Retries: []retryJSON{}, Evidence: evidenceValues(v.Evidence),
	}
	for _, c := range v.Claims {
		out.Verdict.Claims = append(out.Verdict.Claims, claimJSON{valid(c.Words), evidenceValues(c.Evidence)})
	}
	for _, t := range v.Retries {
		j := retryJSON{To: valid(t.Party), Method: valid(t.Method), Target: valid(t.Target), Attempts: t.Attempts}
		if t.Caller != nil {
			j.Hop = t.Caller.ID
		}
		if t.Record != nil {
			j.Event = t.Record.ID
		}
		out.Verdict.Retries = append(out.Verdict.Retries, j)
	}
	if s := v.Slowest; s != nil && s.Hop != nil {
		out.Verdict.SlowestHop = &slowestJSON{s.Hop.ID, millis(s.Total), millis(s.Own), s.AtLeast}
	}
	if h := v.Origin; h != nil {
		out.Verdict.OriginHop = &originJSON{h.ID, valid(h.Service), valid(h.Host), h.Role.String()}
	}
	if x := v.Exception; x != nil {
		out.ErrorLocation = &locationJSON{valid(x.Type), valid(x.Message), valid(x.File), valid(x.Function), x.Line, x.Logged}
	}
	for _, r := range v.Rivals {
		j := rivalJSON{CauseClass: r.CauseClass, ExcludedBy: valid(r.ExcludedBy)}
		if r.Hop != nil {
			j.Service, j.Host = valid(r.Hop.Service), valid(r.Hop.Host)
		}
		if r.Event != nil {
			j.Event = r.Event.ID
		}
		out.Rivals = append(out.Rivals, j)
	}
	for _, b := range v.Behind {
		j := behindJSON{What: valid(b.What), RequestID: valid(b.Request), Candidates: b.Candidates}
		if b.Hop != nil {
			j.Hop = b.Hop.ID
		}
		if !o.NoAlign {
			j.Aligned = jsonTime(b.At.Time)
		}
		if b.Event != nil {
			j.Position, j.Text = valid(b.Event.Pos.String()), valid(string(b.Event.Raw))
		}
		out.Behind = append(out.Behind, j)
	}
	for _, m := range v.Missing {
		out.Missing = append(out.Missing, missingJSON{valid(m.What), valid(m.WhyItMatters)})
	}
	out.NextChecks = validAll(v.NextChecks)
}

func evidenceValues(events []*timeline.Joined) []evidenceJSON {
	out := []evidenceJSON{}
	for _, e := range events {
		if e != nil {
			out = append(out, evidenceJSON{e.ID})
		}
	}
	return out
}

func hopValue(h *timeline.Hop, o JSONOptions) hopJSON {
	j := hopJSON{
		ID: h.ID, Attempt: h.Attempt, Service: valid(h.Service), Host: valid(h.Host), Role: h.Role.String(), Depth: h.Depth,
		Received: h.Received.Code,
		Sent:     h.Status().Code, SentProtocol: h.Status().Protocol,
		Lineage: h.Lineage.String(), HandledByCaller: h.HandledByCaller, Sources: []string{},
	}
	if h.Caller != nil && h.Caller.Caller != nil {
		j.Parent = h.Caller.Caller.ID
	}
	if !o.NoAlign {
		j.Start, j.End = jsonTime(h.Start.Time), jsonTime(h.End.Time)
		j.SlackMS, j.LikelyMS = widths(h.Start)
	}
	seen := map[string]bool{}
	for _, e := range h.Events {
		s := e.Pos.Source
		if s == "" {
			s = e.Pos.Path
		}
		if !seen[s] {
			seen[s] = true
			j.Sources = append(j.Sources, valid(s))
		}
	}
	return j
}

func eventValue(e *timeline.Joined, o JSONOptions) eventJSON {
	j := eventJSON{
		ID: e.ID, Time: jsonTime(e.Time), Host: valid(e.Host), Service: valid(e.Service), Position: valid(e.Pos.String()),
		Join: e.Join.String(), Candidates: max(e.Candidates, 1), Text: valid(eventText(e)),
	}
	if e.Hop != nil {
		j.Hop = e.Hop.ID
	}
	if !o.NoAlign {
		j.Aligned = jsonTime(e.Start.Time)
		j.SlackMS, j.LikelyMS = widths(e.Start)
	}
	return j
}

// widths gives half the width of the interval in which a moment lies, and of that in which
// it lies in 95 of 100 cases; nil for what is not known.
func widths(a timeline.Instant) (slack, likely *float64) {
	if a.Known() {
		slack = millis(a.Slack())
	}
	if a.Spread > 0 {
		likely = millis(a.Spread)
	}
	return slack, likely
}

func againstValue(x timeline.Contradiction) againstJSON {
	j := againstJSON{What: valid(x.What)}
	if c := x.Call; c != nil {
		j.Call = &betweenJSON{}
		if c.Caller != nil {
			j.Call.From = c.Caller.ID
		}
		if c.Callee != nil {
			j.Call.To = c.Callee.ID
		}
	}
	return j
}

func clockValues(clocks []timeline.HostClock) []clockJSON {
	out := []clockJSON{}
	for _, k := range clocks {
		j := clockJSON{Host: valid(k.Host), Zone: k.Zone, Reference: k.Reference, Calls: k.Calls, Tied: k.Tied, Inconsistent: k.Inconsistent, Reason: valid(k.Reason)}
		if k.Tied || k.Reference {
			j.OffsetMS, j.SlackMS, j.DriftPPM = number(k.OffsetMS), number(k.SlackMS), number(k.DriftPPM)
		}
		for _, s := range k.Steps {
			j.Steps = append(j.Steps, stepJSON{jsonTime(s.At), round(s.SizeMS, 1e6), round(s.Over.Seconds(), 1e3)})
		}
		out = append(out, j)
	}
	return out
}

// skippedValues gives what was not read; a source that ended with an error is one of
// them.
func skippedValues(skipped []timeline.Skipped, sources []correlate.SourceInfo) []skippedJSON {
	out := []skippedJSON{}
	for _, s := range sources {
		if s.Err != "" {
			out = append(out, skippedJSON{Source: valid(s.Name), What: "could not be read whole: " + valid(s.Err), Count: 1})
		}
	}
	for _, s := range skipped {
		out = append(out, skippedJSON{valid(s.Source), valid(s.What), s.Count, valid(s.First)})
	}
	return out
}

// linkedIDs gives the values of all identity keys other than the request's own ID.
func linkedIDs(r *timeline.Request, typed string) []string {
	out := []string{}
	seen := map[string]bool{r.ID: true, typed: true}
	if typed != "" && typed != r.ID {
		delete(seen, r.ID)
	}
	for _, k := range r.Keys {
		if !seen[k.Value] {
			seen[k.Value] = true
			out = append(out, valid(k.Value))
		}
	}
	return out
}

// eventText is what a record says: the record as read, or the message and the error of one
// with a stack trace or of several lines.
func eventText(e *timeline.Joined) string {
	if e.Traced {
		return spanText(e)
	}
	raw := strings.TrimRight(string(e.Raw), "\r\n")
	if raw != "" && (e.Body == "" || e.Exception == nil && !strings.Contains(raw, "\n")) {
		return raw
	}
	text := e.Body
	if x := e.Exception; x != nil && x.Message != "" && !strings.Contains(text, x.Message) {
		text += ": " + strings.TrimPrefix(x.Type+": ", ": ") + x.Message
	}
	return text
}

// spanText says in words what a span of a trace says in fields: "client span GET to
// inventory:9003: 500 in 25ms: connection reset".
func spanText(e *timeline.Joined) string {
	text := e.Kind.String() + " span " + e.Body
	if len(e.Calls) > 0 && e.Calls[0].Peer != "" {
		text += " to " + e.Calls[0].Peer
	}
	sep := ": "
	if e.Status().Known() {
		text, sep = text+sep+e.Status().String(), " "
	}
	if e.Stamp.HasDuration() {
		text, sep = text+sep+"in "+e.Duration.String(), ": "
	}
	msg := e.Attrs.Get("error.message")
	if x := e.Exception; x != nil {
		msg = strings.TrimPrefix(x.Type+": ", ": ") + x.Message
	}
	if msg != "" {
		text += ": " + msg
	}
	return text
}

// encode writes v so that printing it to a terminal does no harm: encoding/json
// escapes neither DEL and the C1 controls nor what reorders or hides text.
func encode(w io.Writer, v any, indent string) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err
	}
	b := buf.Bytes()
	var out bytes.Buffer
	out.Grow(len(b))
	start := 0
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf && b[i] != 0x7f {
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if !unicode.IsPrint(r) {
			out.Write(b[start:i])
			if r > 0xffff {
				r -= 0x10000
				fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			} else {
				fmt.Fprintf(&out, `\u%04x`, r)
			}
			start = i + n
		}
		i += n
	}
	out.Write(b[start:])
	_, err := w.Write(out.Bytes())
	return err
}

// valid gives s with bytes that are not UTF-8 written as \xNN, which JSON cannot hold.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b bytes.Buffer
	for i := 0; i < len(s); {
		r, n := decode(s[i:])
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[i])
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

func decode(s string) (rune, int) { return utf8.DecodeRuneInString(s) }

func validAll(list []string) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = valid(list[i])
	}
	return out
}

func jsonTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func millis(d time.Duration) *float64 {
	f := float64(d) / float64(time.Millisecond)
	return &f
}

// number gives f to six decimals; nil if it is none.
func number(f float64) *float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	f = round(f, 1e6)
	return &f
}

func round(f, scale float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return math.Round(f*scale) / scale
}
