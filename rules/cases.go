package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/correlatehq/correlate/internal/strictyaml"
	"github.com/correlatehq/correlate/timeline"
)

// caseFile is a case as written in a rule file.
type caseFile struct {
	Name       string    `yaml:"name"`
	Hops       string    `yaml:"hops"`
	Population string    `yaml:"population"` // of a rule of scope batch
	Want       yaml.Node `yaml:"want"`
}

// A ruleCase is one small request and what is to come out of it.
type ruleCase struct {
	name string
	hops string
	pos  string // of want
	want want
}

// want is what a case asks of the verdict; "" asks nothing.
type want struct {
	none                                                       bool // this rule must not decide it
	origin, component, cause, certainty, rule, effect, summary string
	componentSaid                                              bool // component is asked for, "" included
}

// cases checks the cases of a rule: there must be one that fires and one that must not.
func (c *ruleChecker) cases(r *rule, files []caseFile) {
	fires, silent := 0, 0
	for i := range files {
		k := c.oneCase(&files[i], i, r.Name)
		if k.want.rule == r.Name && !k.want.none {
			fires++
		} else {
			silent++
		}
		r.cases = append(r.cases, k)
	}
	if fires == 0 {
		c.at([]string{"tests"}, "no case in which the rule decides")
	}
	if silent == 0 {
		c.at([]string{"tests"}, "no case in which the rule must not decide")
	}
}

// oneCase checks the case with number i; rule is that of whose file it is part.
func (c *ruleChecker) oneCase(f *caseFile, i int, rule string) *ruleCase {
	path := []string{"tests", strconv.Itoa(i)}
	in := func(key string) []string { return append(slices.Clone(path), key) }
	if f.Name == "" {
		c.at(path, "the case has no name")
	}
	if f.Population != "" {
		c.at(in("population"), "only a case of a rule of scope batch has a population")
	}
	if _, _, err := parseHops(f.Hops); err != nil {
		line, col := c.hopsPlace(in("hops"), err)
		c.errs = append(c.errs, &strictyaml.Error{File: c.file, Line: line, Col: col, What: "hops: " + err.what})
	}
	return &ruleCase{name: f.Name, hops: f.Hops, pos: position(c.file, c.root, in("want")), want: c.want(&f.Want, in("want"), rule)}
}

func (c *ruleChecker) want(n *yaml.Node, path []string, rule string) want {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Value == "none" {
			return want{none: true, origin: "none"}
		}
		return want{origin: n.Value, rule: rule}
	case yaml.MappingNode:
		w := want{rule: rule}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1].Value
			switch key.Value {
			case "origin":
				w.origin = value
			case "component":
				w.component, w.componentSaid = value, true
			case "cause_class":
				w.cause = value
			case "certainty":
				w.certainty = value
			case "rule":
				w.rule = value
			case "effect":
				w.effect = value
			case "summary":
				w.summary = value
			default:
				c.errs = append(c.errs, &strictyaml.Error{File: c.file, Line: key.Line, Col: key.Column,
					What: fmt.Sprintf("unknown field %q of want: origin, component, cause_class, certainty, rule, effect, summary", key.Value)})
			}
		}
		if w.rule != rule {
			return w
		}
		if w.origin == "" {
			c.at(path, "want names no origin")
		}
		return w
	}
	c.at(path, "no want: the service of the origin, none, or a mapping")
	return want{none: true}
}

// hopsPlace gives the place in the file of a fault in a case's notation.
func (c *ruleChecker) hopsPlace(path []string, err *notationError) (int, int) {
	n := c.root
	for _, p := range path {
		var next *yaml.Node
		if n.Kind == yaml.SequenceNode {
			if i, e := strconv.Atoi(p); e == nil && i < len(n.Content) {
				next = n.Content[i]
			}
		}
		if n.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == p {
					next = n.Content[i+1]
				}
			}
		}
		if next == nil {
			return n.Line, n.Column
		}
		n = next
	}
	if n.Style&yaml.LiteralStyle == 0 {
		return n.Line, n.Column
	}
	lines := strings.Split(string(c.data), "\n")
	line := n.Line + err.line
	if line > len(lines) {
		return n.Line, n.Column
	}
	raw := lines[line-1]
	return line, len(raw) - len(strings.TrimLeft(raw, " ")) + 1
}

// A notationError is a fault in the notation of a case.
type notationError struct {
	line int // 1-based, in the notation
	what string
}

// caseEpoch is the moment 0 of all cases.
var caseEpoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// caseSlack is how well the clocks of a case are known if it says nothing.
const caseSlack = 500 * time.Microsecond

// A noter builds a request of the notation of cases, which README.md explains.
type noter struct {
	r      *timeline.Request
	near   *timeline.Surroundings
	open   []openHop // the hops on the way to the line at hand
	events []*timeline.Joined
	wells  []well
	offset int64
}

// A well is when a call from one service to another last went well.
type well struct {
	caller, callee string
	at             timeline.Instant
}

type openHop struct {
	indent int
	hop    *timeline.Hop
	span   *timeline.Joined // its own record; nil if it wrote none
}

// parseHops reads the notation of a case. It gives a resolved request.
func parseHops(text string) (*timeline.Request, *timeline.Surroundings, *notationError) {
	n := &noter{r: &timeline.Request{ID: "case", Length: -1, Tied: true}, near: &timeline.Surroundings{FailedBefore: map[string]int{}}}
	for i, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		if what := n.line(line); what != "" {
			return nil, nil, &notationError{i + 1, what}
		}
	}
	if len(n.r.Hops) == 0 {
		return nil, nil, &notationError{1, "no hop"}
	}
	n.finish()
	return n.r, n.near, nil
}

func (n *noter) line(line string) string {
	indent := len(line) - len(strings.TrimLeft(line, " "))
	words, what := splitWords(strings.TrimSpace(line))
	if what != "" {
		return what
	}
	switch words[0] {
	case "request":
		return n.request(words[1:])
	case "went_well":
		return n.wentWell(words[1:])
	case "usual":
		return n.usual(words[1:])
	case "process":
		return n.process(words[1:])
	case "call":
		return n.call(indent, words[1:])
	case "-":
		return n.event(indent, words[1:])
	}
	return n.hop(indent, words)
}

// splitWords cuts a line at spaces; what stands in double quotes is kept together and unquoted.
func splitWords(line string) ([]string, string) {
	var words []string
	var b strings.Builder
	in, some := false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			in, some = !in, true
		case c == '\\' && in && i+1 < len(line):
			i++
			if line[i] == 'n' {
				b.WriteByte('\n')
			} else {
				b.WriteByte(line[i])
			}
		case c == ' ' && !in:
			if some {
				words = append(words, b.String())
			}
			b.Reset()
			some = false
		default:
			b.WriteByte(c)
			some = true
		}
	}
	if in {
		return nil, "a quote is not closed"
	}
	if some {
		words = append(words, b.String())
	}
	if len(words) == 0 {
		return nil, "an empty line of quotes"
	}
	return words, ""
}

func (n *noter) request(words []string) string {
	for i, w := range words {
		switch {
		case w == "caller_usual":
			n.r.CallerUsual = true
		case w == "untied":
			n.r.Tied = false
		case i == 0:
			n.r.Method = w
		case strings.HasPrefix(w, "/"):
			n.r.Path = w
		default:
			return fmt.Sprintf("unknown word %q of a request: METHOD, /path, caller_usual, untied", w)
		}
	}
	return ""
}

// wentWell reads "CALLER CALLEE at TIME": when a call between them last went well.
func (n *noter) wentWell(words []string) string {
	if len(words) != 4 || words[2] != "at" {
		return "went_well is followed by the caller, the callee, at and a time"
	}
	d, err := time.ParseDuration(words[3])
	if err != nil {
		return fmt.Sprintf("%q is no time", words[3])
	}
	n.wells = append(n.wells, well{words[0], words[1], moment(d, caseSlack)})
	return ""
}

// usual reads "CALLER CALLEE N [recorded]": in how many other requests the one was seen to call the other, and whether it recorded these calls.
func (n *noter) usual(words []string) string {
	calls := 0
	recorded := len(words) == 4 && words[3] == "recorded"
	if len(words) == 3 || recorded {
		calls, _ = strconv.Atoi(words[2])
	}
	if calls <= 0 {
		return "usual is followed by the caller, the callee, a number of calls, and recorded if the caller has records of them"
	}
	if n.near.Book == nil {
		n.near.Book = &timeline.EndpointBook{}
	}
	e := timeline.Edge{Caller: words[0], Callee: words[1], Calls: calls}
	if recorded {
		e.Recorded = calls
	}
	n.near.Book.Edges = append(n.near.Book.Edges, e)
	return ""
}

func (n *noter) process(words []string) string {
	if len(words) == 0 {
		return "a process needs a service"
	}
	p := &timeline.Process{}
	p.Service, p.Host = splitPlace(words[0])
	var into *timeline.Instant
	var told timeline.Event
	for _, w := range words[1:] {
		if name, v, ok := strings.Cut(w, "="); ok && name == "system" {
			told.System = v
			continue
		} else if ok && strings.Contains(name, ".") {
			told.Attrs.Set(name, v)
			continue
		}
		switch w {
		case "at":
			continue
		case "start":
			into = &p.Start
		case "ready":
			into = &p.Ready
		case "stopping":
			into = &p.Stopping
		case "end":
			into = &p.End
		case "stopped", "crashed", "killed", "timed_out", "oom_killed":
			p.HowEnded, _ = timeline.ParseLifecycle(w)
		default:
			d, err := time.ParseDuration(w)
			if err != nil || into == nil {
				return fmt.Sprintf("unknown word %q of a process: start, ready, stopping, end with a time, stopped, crashed, killed, timed_out, oom_killed, system=, attributes of its record", w)
			}
			*into = moment(d, caseSlack)
			into = nil
		}
	}
	if told.System != "" {
		p.Events = []*timeline.Event{&told}
	}
	n.near.Processes = append(n.near.Processes, p)
	return ""
}

func splitPlace(s string) (service, host string) {
	service, host, _ = strings.Cut(s, "@")
	return service, host
}

func moment(d, slack time.Duration) timeline.Instant {
	t := caseEpoch.Add(d)
	return timeline.Instant{Earliest: t.Add(-slack), Time: t, Latest: t.Add(slack)}
}

// attributes are what a line says after its fixed words.
type attributes struct {
	flags  map[string]bool
	values map[string]string
	other  timeline.Attrs // names with a dot: attributes of the record
	rest   string         // the message
}

var hopFlags = []string{"own_made", "unsure", "silent", "unlogged", "contradicted", "escaped", "skips"}

var hopValues = []string{"system", "ended", "hop_ended", "received", "purpose", "method", "target", "peer", "error", "exception", "slack", "waited", "file", "function"}

var eventFlags = []string{"inferred", "escaped"}

var eventValues = []string{"system", "exception", "file", "function", "candidates", "lifecycle"}

// attributesOf reads flags and values until the first word that is none; what follows is the message.
func attributesOf(words, flags, values []string) (attributes, string) {
	a := attributes{flags: map[string]bool{}, values: map[string]string{}}
	for i, w := range words {
		key, value, has := strings.Cut(w, "=")
		switch {
		case !has && slices.Contains(flags, w):
			a.flags[w] = true
		case has && slices.Contains(values, key):
			a.values[key] = value
		case has && strings.Contains(key, ".") && !strings.ContainsAny(key, " :/"):
			a.other.Set(key, value)
		case has && isName(key):
			return a, fmt.Sprintf("unknown attribute %q: one of %s, or an attribute of the record with a dot in its name", key, strings.Join(values, ", "))
		default:
			a.rest = strings.Join(words[i:], " ")
			return a, ""
		}
	}
	return a, ""
}

func isName(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r != '_' && !unicode.IsLower(r) }) < 0
}

func (n *noter) hop(indent int, words []string) string {
	h := &timeline.Hop{ID: len(n.r.Hops) + 1}
	h.Service, h.Host = splitPlace(words[0])
	words = words[1:]
	if len(words) > 0 {
		if role, err := timeline.ParseRole(words[0]); err == nil {
			h.Role, words = role, words[1:]
		}
	}
	if len(words) < 3 {
		return "a hop needs: service[@host] [role] start +duration status"
	}
	a, what := attributesOf(words[3:], hopFlags, hopValues)
	if what != "" {
		return what
	}
	slack := caseSlack
	if s, ok := a.values["slack"]; ok {
		d, err := time.ParseDuration(s)
		if err != nil {
			return err.Error()
		}
		slack = d
	}
	if what := hopTimes(h, words[0], words[1], slack); what != "" {
		return what
	}
	status, what := parseStatus(words[2])
	if what != "" {
		return what
	}
	h.System, h.Silent = a.values["system"], a.flags["silent"]
	if s, ok := a.values["hop_ended"]; ok {
		o, err := timeline.ParseOutcome(s)
		if err != nil {
			return err.Error()
		}
		h.Ended = o
	}
	n.closeTo(indent)
	n.r.Hops = append(n.r.Hops, h)
	open := openHop{indent: indent, hop: h}
	if !h.Silent {
		h.Sent = status
		if status.Known() {
			open.span = n.add(h, timeline.Event{Kind: timeline.ServerSpan, StatusCode: status.Code, StatusProtocol: status.Protocol, Attrs: a.other, Failed: status.Failed(), Ended: h.Ended}, h.Start, h.End)
		}
	}
	if len(n.open) > 0 {
		if what := n.callTo(&n.open[len(n.open)-1], h, status, &a); what != "" {
			return what
		}
	} else if len(n.r.Hops) > 1 {
		return "a second hop without a caller: indent it under one"
	}
	n.open = append(n.open, open)
	if a.rest != "" || a.values["exception"] != "" {
		e := timeline.Event{Severity: "error", Body: a.rest, Failed: true}
		if open.span == nil {
			e.Attrs = a.other
		}
		setException(&e, &a)
		at := h.End
		if !at.Known() {
			at = h.Start
		}
		n.add(h, e, at, at)
	}
	return ""
}

func hopTimes(h *timeline.Hop, start, length string, slack time.Duration) string {
	if start == "?" {
		return ""
	}
	d, err := time.ParseDuration(start)
	if err != nil {
		return fmt.Sprintf("start of a hop: %v", err)
	}
	h.Start = moment(d, slack)
	if length == "+?" {
		return ""
	}
	l, ok := strings.CutPrefix(length, "+")
	if !ok {
		return fmt.Sprintf("length of a hop is %q: want +duration or +?", length)
	}
	ld, err := time.ParseDuration(l)
	if err != nil {
		return fmt.Sprintf("length of a hop: %v", err)
	}
	h.End = moment(d+ld, slack)
	return ""
}

func parseStatus(s string) (timeline.Status, string) {
	if s == "-" {
		return timeline.Status{}, ""
	}
	protocol, code, ok := strings.Cut(s, ":")
	if !ok {
		protocol, code = "", s
	}
	c, err := strconv.Atoi(code)
	if err != nil || protocol != "" && protocol != "grpc" {
		return timeline.Status{}, fmt.Sprintf("status %q: a number, grpc:number or -", s)
	}
	return timeline.Status{Protocol: protocol, Code: c}, ""
}

// closeTo leaves only the hops of less indentation open.
func (n *noter) closeTo(indent int) {
	for len(n.open) > 0 && n.open[len(n.open)-1].indent >= indent {
		n.open = n.open[:len(n.open)-1]
	}
}

// callTo makes the call by which caller asked h; h may be nil.
func (n *noter) callTo(caller *openHop, h *timeline.Hop, status timeline.Status, a *attributes) string {
	c := &timeline.Call{ID: len(n.r.Calls) + 1, Caller: caller.hop, Callee: h, Peer: a.values["peer"], Method: a.values["method"], Target: a.values["target"], Error: a.values["error"], OwnMade: a.flags["own_made"], Unsure: a.flags["unsure"], Skips: a.flags["skips"]}
	c.Start, c.End = caller.hop.Start, caller.hop.End
	if h != nil {
		h.Caller = c
		c.Sent = h.Sent
		c.Start = h.Start
		if h.End.Known() && (!c.End.Known() || h.End.Time.Before(c.End.Time)) {
			c.End = h.End
		}
		if c.Peer == "" {
			c.Peer = h.Service
		}
	}
	if s, ok := a.values["purpose"]; ok {
		p, ok := purposes[s]
		if !ok {
			return fmt.Sprintf("unknown purpose %q", s)
		}
		c.Purpose = p
	}
	if s, ok := a.values["ended"]; ok {
		o, err := timeline.ParseOutcome(s)
		if err != nil {
			return err.Error()
		}
		c.Ended = o
	}
	if s, ok := a.values["waited"]; ok {
		d, err := time.ParseDuration(s)
		if err != nil {
			return err.Error()
		}
		c.End = c.Start.Add(d)
	}
	if s, ok := a.values["received"]; ok {
		got, what := parseStatus(s)
		if what != "" {
			return what
		}
		c.Received = got
	} else if c.Ended == timeline.OutcomeUnknown {
		c.Received = status
	}
	if a.flags["unlogged"] {
		c.Received, c.Start, c.End = timeline.Status{}, timeline.Instant{}, timeline.Instant{}
	} else {
		c.Record = n.recordOf(caller, c)
	}
	if a.flags["contradicted"] {
		n.r.Contradictions = append(n.r.Contradictions, timeline.Contradiction{Call: c, What: "contradicted, says the case"})
	}
	caller.hop.Calls = append(caller.hop.Calls, c)
	n.r.Calls = append(n.r.Calls, c)
	return ""
}

var purposes = map[string]timeline.Purpose{
	"main": timeline.Main, "retry": timeline.Retry, "hedge": timeline.Hedge, "auth": timeline.AuthSubrequest,
	"error_page": timeline.ErrorPage, "mirror": timeline.Mirror, "background": timeline.Background,
}

// recordOf gives the caller's record of a call: the access record of a gateway or
// proxy, a record of its own of an app.
func (n *noter) recordOf(caller *openHop, c *timeline.Call) *timeline.Joined {
	out := timeline.Outcall{Peer: c.Peer, Method: c.Method, Target: c.Target, Status: c.Received.Code, OwnMade: c.OwnMade, Ended: c.Ended, Error: c.Error}
	if caller.span != nil && caller.hop.Role.Forwards() {
		caller.span.Calls = append(caller.span.Calls, out)
		return caller.span
	}
	return n.add(caller.hop, timeline.Event{Kind: timeline.ClientSpan, Calls: []timeline.Outcall{out}, Body: "call of " + c.Peer, Failed: c.Failed()}, c.Start, c.End)
}

func (n *noter) call(indent int, words []string) string {
	if len(words) == 0 {
		return "a call needs a peer"
	}
	a, what := attributesOf(words[1:], hopFlags, hopValues)
	if what != "" {
		return what
	}
	if a.rest != "" {
		return fmt.Sprintf("unknown word %q of a call", a.rest)
	}
	n.closeTo(indent)
	if len(n.open) == 0 {
		return "a call without a caller: indent it under a hop"
	}
	if words[0] != "-" {
		a.values["peer"] = words[0]
	}
	return n.callTo(&n.open[len(n.open)-1], nil, timeline.Status{}, &a)
}

func (n *noter) event(indent int, words []string) string {
	n.closeTo(indent)
	if len(n.open) == 0 {
		return "an event without a hop: indent it under one"
	}
	if len(words) == 0 {
		return "an event needs a severity"
	}
	h := n.open[len(n.open)-1].hop
	e := timeline.Event{Severity: words[0]}
	words = words[1:]
	at := h.End
	if !at.Known() {
		at = h.Start
	}
	if len(words) > 0 {
		if d, err := time.ParseDuration(words[0]); err == nil {
			at, words = moment(d, caseSlack), words[1:]
		}
	}
	a, what := attributesOf(words, eventFlags, eventValues)
	if what != "" {
		return what
	}
	e.Body, e.Attrs, e.System = a.rest, a.other, a.values["system"]
	e.Failed = severe(e.Severity)
	setException(&e, &a)
	if s, ok := a.values["lifecycle"]; ok {
		l, err := timeline.ParseLifecycle(s)
		if err != nil {
			return err.Error()
		}
		e.Lifecycle = l
	}
	j := n.add(h, e, at, at)
	if s, ok := a.values["candidates"]; ok {
		k, err := strconv.Atoi(s)
		if err != nil || k < 1 {
			return fmt.Sprintf("candidates is %q, want a number above 0", s)
		}
		j.Join, j.Candidates = timeline.ByInferred, k
	}
	if a.flags["inferred"] {
		j.Join = timeline.ByInferred
	}
	return ""
}

func setException(e *timeline.Event, a *attributes) {
	s, ok := a.values["exception"]
	if !ok {
		return
	}
	x := &timeline.Exception{Type: s, Escaped: a.flags["escaped"], Function: a.values["function"]}
	if i := strings.Index(s, ": "); i >= 0 {
		x.Type, x.Message = s[:i], s[i+2:]
	}
	file, line, _ := strings.Cut(a.values["file"], ":")
	x.File = file
	x.Line, _ = strconv.Atoi(line)
	e.Exception, e.Failed = x, true
}

func (n *noter) add(h *timeline.Hop, e timeline.Event, start, end timeline.Instant) *timeline.Joined {
	e.Service, e.Host, e.Role = h.Service, h.Host, h.Role
	if e.System == "" {
		e.System = h.System
	}
	e.Time = start.Time
	if e.Kind != timeline.LogRecord && start.Known() && end.Known() {
		e.Duration, e.Stamp.DurationResolution = end.Time.Sub(start.Time), time.Microsecond
	}
	n.offset++
	e.Pos = timeline.Pos{Path: h.Service + ".log", Offset: n.offset, Line: int(n.offset)}
	j := &timeline.Joined{Event: &e, ID: len(n.events) + 1, Hop: h, Start: start, End: end, Join: timeline.ByKey, Candidates: 1}
	h.Events = append(h.Events, j)
	n.events = append(n.events, j)
	return j
}

func (n *noter) finish() {
	r := n.r
	for _, h := range r.Hops {
		slices.SortStableFunc(h.Events, func(a, b *timeline.Joined) int { return a.Start.Time.Compare(b.Start.Time) })
		for _, p := range n.near.Processes {
			if p.Service == h.Service && (p.Host == "" || p.Host == h.Host) && !(p.End.Known() && p.End.CertainlyBefore(h.Start)) {
				h.Process = p
				break
			}
		}
	}
	timeline.Resolve(r)
	for _, w := range n.wells {
		for _, c := range r.Calls {
			if c.Caller.Service == w.caller && c.Callee != nil && c.Callee.Service == w.callee {
				if n.near.WentWell == nil {
					n.near.WentWell = map[*timeline.Call]timeline.Instant{}
				}
				n.near.WentWell[c] = w.at
			}
		}
	}
	root := r.Root()
	r.Start = root.Start
	if root.Start.Known() && root.End.Known() {
		r.Length = root.End.Time.Sub(root.Start.Time)
	}
	if !r.CallerUsual {
		r.Client = root.Status()
	}
	r.Failed = root.Failed()
	for _, e := range n.events {
		r.Events = append(r.Events, *e)
	}
}
