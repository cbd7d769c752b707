package format

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"github.com/correlatehq/correlate/timeline"
)

// maxAttrs bounds the attributes of one record; what comes after is not read.
const maxAttrs = 256

// decoding is the state of reading one record. Its memory is used again for the
// next one; strings that go into the event are owned by the event.
type decoding struct {
	ev    timeline.Event
	ref   time.Time // for stamps without a year
	dates DateOrder
	loc   *time.Location // of stamps that write no zone; nil if it is not known

	recordParts
	placed [nameSlots]uint8 // of each slot that is named, where in the attributes the first one with it stands
	trace  []byte           // lines of a stack trace that each bear a head of their own

	order *columnOrder // of the columns, as the stream's head tells; nil: the format's own
	spans []span

	match    matching
	names    [64]knownName
	outcomes [128]knownOutcome // each in its place or in the next one
	levels   [16]knownLevel
	last     lastStamp
	text     []byte
	json     jsonScanner
	places   [16]int     // where in json.fields the required ones stood in the last record
	tailJSON jsonScanner // of an object that is text in the record
	inTail   bool
	dom      fastjson.Parser // for wrappers and trees

	treeOf *compiled       // the format of parsed; nil: the record read last was none
	parsed *fastjson.Value // the tree of which an event was read last
	inside fastjson.Parser // for JSON that stands in a text of a tree
}

// recordParts are what was read of the record at hand.
type recordParts struct {
	times    [maxTimes]string
	nanos    string
	attrs    int
	named    [nameSlots / 64]uint64 // a bit for each slot of a name among the attributes
	method   string
	target   string
	durText  string
	durUnit  time.Duration
	parts    durationParts
	start    string // the stamp of the start beside that of the end
	end      string // the other way round
	stack    string
	logStack string // of the call that logged
	tail     string // the lines after the first
	exc      timeline.Exception
	tailExc  timeline.Exception // of the lines after the first, if tailed
	tailed   bool
	whole    string // all lines of the message, if tailed
	call     callParts
	grpc     string // the gRPC status as written
	level    string // ev.Severity once it is in its usual form
	line     string // the request line as it will be a key, if the record holds it in one piece
	client   string // the client's address with its port, likewise
	server   string
	stamped  string        // the stamp as written, of which alone the event's time was made; "" if there was more
	own      string        // the record, or the part of it of which the values were cut, if it is text
	role     timeline.Role // of the event's service, if a tree tells
}

func newDecoding(ref time.Time, loc *time.Location) *decoding {
	return &decoding{ref: ref, loc: loc}
}

func (d *decoding) reset() {
	e := &d.ev
	keys, attrs, calls := e.Keys[:0], e.Attrs[:0], e.Calls[:0]
	*e = timeline.Event{}
	e.Keys, e.Attrs, e.Calls = keys, attrs, calls
	d.recordParts = recordParts{}
	d.trace = d.trace[:0]
}

// decode reads rec as one record of c. It leaves the event in d.ev, or returns false
// if rec is not in the format.
func (d *decoding) decode(c *compiled, rec []byte) bool {
	raw := rec
	d.treeOf = nil
	if c.decoder != jsonDecoder && c.decoder != treeFormat {
		rec = plain(rec)
	}
	switch c.decoder {
	case jsonDecoder:
		if !d.decodeJSON(c, rec) {
			return false
		}
	case treeFormat:
		return d.decodeTree(c, rec)
	case logfmtDecoder:
		if !d.decodeLogfmt(c, rec) {
			return false
		}
	case columnsDecoder:
		if !d.decodeColumns(c, rec) {
			return false
		}
	default:
		if !d.decodeRegexp(c, rec) {
			return false
		}
	}
	return d.finish(c, raw)
}

// put takes one value of the record.
func (d *decoding) put(c *compiled, t *target, name, v string) {
	if v == "" && t.op != opStackLine {
		return
	}
	switch t.op {
	case opDrop:
	case opTimePart:
		d.timePart(t.idx, v)
	case opTimeNanos:
		d.nanos = v
	case opTime:
		d.times[t.idx] = v
	case opBody:
		d.ev.Body = v
	case opSeverity:
		d.ev.Severity = v
	case opStatus:
		if n, ok := statusCode(v); ok {
			d.ev.StatusCode = n
		} else if v != "-" && v != "-1" && v != "0" && v != "000" {
			d.attr(name, v)
		}
	case opService:
		if v != "-" {
			d.ev.Service = v
		}
	case opHost:
		if v != "-" {
			d.ev.Host = v
		}
	case opTraceID, opIdentity:
		d.identity(t.name, v)
	case opTraceparent:
		d.traceparent(v)
	case opUberTrace:
		// trace:span:parent:flags, leading zeros dropped.
		p := strings.Split(v, ":")
		if len(p) == 4 {
			d.identity(timeline.KeyTraceID, p[0])
			d.span(p[1])
		}
	case opCloudTrace:
		if i := strings.Index(v, "/traces/"); i >= 0 {
			v = v[i+len("/traces/"):]
		}
		d.identity(timeline.KeyTraceID, v)
	case opAmznTrace:
		d.amznTrace(v)
	case opSpanID:
		d.span(v)
	case opParentSpanID:
		if !placeholder(v) {
			d.ev.ParentSpanID = v
		}
	case opGRPCStatus:
		d.grpc = v
	case opMethod:
		if d.isMethod(v) {
			d.method = v
			d.attrAt(attrMethod.name, attrMethod.slot, v)
		} else if v != "-" {
			d.attr(name, v)
		}
	case opRequestLine:
		d.requestLine(v)
	case opURL:
		d.url(v)
	case opURLTarget:
		d.urlTarget(v)
	case opAddress:
		d.addressOf(t, v)
	case opDomain:
		d.domain(t, v)
	case opProtocol:
		if v != "-" {
			d.attrAt(t.name, t.slot, strings.TrimPrefix(v, "HTTP/"))
		}
	case opDuration:
		d.durText, d.durUnit = v, t.unit
	case opDurationPart:
		d.durPart(v, t.unit)
	case opTimeStart:
		d.start = v
	case opTimeEnd:
		d.end = v
	case opCallPeer:
		d.call.peer = v
	case opCallPort:
		d.call.port = v
	case opCallMethod:
		d.call.method = v
	case opCallTarget:
		d.call.target = v
	case opCallURL:
		d.call.url(v)
	case opCallStatus:
		d.call.status = v
	case opCallConnect:
		d.call.connect = phase{v, t.unit}
	case opCallHeader:
		d.call.header = phase{v, t.unit}
	case opCallResponse:
		d.call.response = phase{v, t.unit}
	case opCallWait:
		if w, _, ok := parseDuration(v, t.unit); ok {
			d.call.wait += w
		}
	case opCallDuration:
		d.call.duration = phase{v, t.unit}
	case opCallError:
		if v != "-" {
			d.call.err = v
			if d.said("error.message") == "" {
				d.attr("error.message", v)
			}
		}
	case opExcType:
		d.exc.Type = v
	case opExcMessage:
		d.exc.Message = v
	case opExcFile:
		d.exc.File = v
	case opExcLine:
		d.exc.Line = atoi(v)
	case opStack:
		d.stack = v
	case opLogStack:
		d.logStack = v
	case opStackLine:
		d.trace = append(append(d.trace, v...), '\n')
	case opJSON:
		d.jsonTail(c, v)
	case opPairs:
		d.pairs(c, v)
	case opCaptured:
		d.captured(v)
	default:
		if v != "-" {
			d.attrAt(t.name, t.slot, v)
		}
	}
}

// attr adds an attribute.
func (d *decoding) attr(name, v string) {
	if name != "" {
		d.attrAt(name, nameSlot(name), v)
	}
}

// attrAt is attr with the name's slot.
func (d *decoding) attrAt(name string, slot uint8, v string) {
	if d.attrs >= maxAttrs {
		return
	}
	d.attrs++
	if word, bit := &d.named[slot/64], uint64(1)<<(slot%64); *word&bit == 0 {
		*word |= bit
		d.placed[slot] = uint8(len(d.ev.Attrs))
		d.ev.Attrs = append(d.ev.Attrs, timeline.Attr{Name: name, Value: v})
		return
	}
	d.ev.Attrs.Set(name, v)
}

// said gives the value of an attribute, "" if there is none.
func (d *decoding) said(name string) string { return d.saidAt(name, nameSlot(name)) }

// saidAt is said with the name's slot.
func (d *decoding) saidAt(name string, slot uint8) string {
	if d.named[slot/64]>>(slot%64)&1 == 0 {
		return ""
	}
	if a := &d.ev.Attrs[d.placed[slot]]; a.Name == name {
		return a.Value
	}
	return d.ev.Attrs.Get(name)
}

func (d *decoding) span(v string) {
	if !placeholder(v) {
		d.ev.SpanID = v
	}
}

// A knownName is a name that was looked up in a format.
type knownName struct {
	by     *compiled
	name   string
	target *target
}

// targetOf is compiled.targetOf with a memory: the names of a stream are few.
func (d *decoding) targetOf(c *compiled, name string) *target {
	if name == "" {
		return nil
	}
	k := &d.names[(uint(len(name))*7+uint(name[0])+uint(name[len(name)-1])*5+uint(name[len(name)/2])*3)%uint(len(d.names))]
	if k.by != c || k.name != name {
		*k = knownName{c, strings.Clone(name), c.targetOf(name)}
	}
	return k.target
}

// targetOf looks up where the value of this name goes: by the format, else by the names
// that all share.
func (c *compiled) targetOf(name string) *target {
	if t := c.table[name]; t != nil {
		return t
	}
	if t := aliases[name]; t != nil {
		return t
	}
	for _, p := range c.spec.Strip {
		if !strings.HasPrefix(name, p) {
			continue
		}
		// What is said beside the message does not replace it.
		if t := aliases[name[len(p):]]; t != nil && t.op != opBody && t.op != opSeverity {
			return t
		}
	}
	return nil
}

// finish makes the event of what was put.
func (d *decoding) finish(c *compiled, rec []byte) bool {
	e := &d.ev
	e.Format = c.name
	e.System = c.spec.System
	if e.Role = c.role; d.role != timeline.RoleUnknown {
		e.Role = d.role
	}
	e.Raw = rec
	if !d.stamp(c) {
		return false
	}
	d.grpcStatus()
	d.severity(c)
	if e.Body != "" && e.Body[0] == '[' && c.spec.Stream == streamApp {
		d.headIDs()
	}
	if d.tail != "" {
		d.takeTail()
	}
	for i := range c.extract {
		d.extract(c, &c.extract[i])
	}
	d.severity(c) // one that was in the text
	if c.spec.Pods {
		d.namePod()
	}
	d.exception()
	d.sqlState()
	d.duration(c)
	for _, f := range c.findIn {
		if v := d.get(f); d.tailed && f.name == "body" {
			d.findKeys(c, d.whole)
		} else {
			d.findKeys(c, v)
		}
	}
	d.kind(c)
	d.shaped()
	d.toldRequest()
	if c.calls != nil {
		d.calls(c)
	} else {
		d.toldCall(nil)
	}
	if c.ended != nil {
		e.Ended = d.outcome(c.ended, d.joined(c.endedOf))
		c.calls.settle(d)
	}
	if c.cut != nil && e.Ended == timeline.OutcomeUnknown && d.brokeOff(c.cut) {
		e.Ended = timeline.Truncated
	}
	if len(c.answer) > 0 && !anyHolds(c.cached, d) {
		for _, f := range c.answer {
			d.identity(timeline.KeyRequestID, d.get(f))
		}
	}
	for _, f := range c.context {
		if v := d.get(f); v != "" && v != "-" {
			e.Keys = append(e.Keys, timeline.Key{Name: f.name, Value: v, Strength: timeline.Context})
		}
	}
	for i := range c.lifecycle {
		if c.lifecycle[i].re.in(e.Body, &d.match) {
			e.Lifecycle = c.lifecycle[i].is
			break
		}
	}
	if e.Exception != nil && anyHolds(c.uncaught, d) {
		e.Exception.Escaped = true
	}
	if e.Exception != nil && anyHolds(c.madeUp, d) {
		e.Exception = nil
	}
	e.Failed = anyHolds(c.failed, d) && c.containsLiteral(rec)
	return true
}

// brokeOff says whether fewer bytes of the answer's body were sent than its head announced. An answer to HEAD has no body, nor has one
// of 1xx, 204 or 304 (RFC 9110, sections 6.4.1 and 15).
func (d *decoding) brokeOff(c *cut) bool {
	sent, err := strconv.ParseUint(d.get(c.sent), 10, 63)
	if err != nil {
		return false
	}
	announced, err := strconv.ParseUint(d.get(c.announced), 10, 63)
	if err != nil || sent >= announced || d.ev.Kind != timeline.ServerSpan || d.said("http.request.method") == "HEAD" {
		return false
	}
	s := d.ev.StatusCode
	return s >= 200 && s != 204 && s != 304
}

// A knownLevel is a level as written and what it is in its usual form.
type knownLevel struct {
	by          *compiled
	text, usual string
}

// severity brings the level into its usual form. Levels are few: what they are is remembered.
func (d *decoding) severity(c *compiled) {
	e := &d.ev
	if e.Severity == "" || e.Severity == d.level {
		return
	}
	k := &d.levels[(uint(len(e.Severity))*3+uint(e.Severity[0]))%uint(len(d.levels))]
	if k.by != c || k.text != e.Severity {
		text := e.Severity
		if len(text) > 32 {
			text = "" // no level: it is not kept
		}
		usual := lower(e.Severity)
		if s, ok := c.spec.Severity[usual]; ok {
			usual = s
		}
		*k = knownLevel{c, strings.Clone(text), strings.Clone(usual)}
	}
	e.Severity, d.level = k.usual, k.usual
}

// lower gives a severity in lower case; the usual words take no memory.
func lower(s string) string {
	switch s {
	case "INFO":
		return "info"
	case "ERROR":
		return "error"
	case "WARN":
		return "warn"
	case "WARNING":
		return "warning"
	case "DEBUG":
		return "debug"
	}
	return strings.ToLower(s)
}

// containsLiteral keeps the promise of Format.Literals: a record without any of them
// is not declared failed.
func (c *compiled) containsLiteral(rec []byte) bool {
	if c.literals == nil {
		return true
	}
	for _, l := range c.literals {
		if bytes.Contains(rec, l) {
			return true
		}
	}
	return false
}

// A knownOutcome is what a table of outcomes says of a text.
type knownOutcome struct {
	table *outcomeRule
	text  string
	is    timeline.Outcome
}

// maxOutcome bounds the texts of which the outcome is remembered.
const maxOutcome = 64

// outcome gives what the first rule that matches v says. Flags, states and statuses are
// few: what they say is remembered.
func (d *decoding) outcome(rules []outcomeRule, v string) timeline.Outcome {
	if len(rules) == 0 {
		return timeline.OutcomeUnknown
	}
	h := uint(len(v)) + uint(len(rules))*5
	if len(v) > 0 {
		h += uint(v[0])*7 + uint(v[len(v)-1])*3 + uint(v[len(v)/2])*11
	}
	k, next := &d.outcomes[h%uint(len(d.outcomes))], &d.outcomes[(h+1)%uint(len(d.outcomes))]
	if k.table == &rules[0] && k.text == v {
		return k.is
	}
	if next.table == &rules[0] && next.text == v {
		return next.is
	}
	out := timeline.OutcomeUnknown
	for i := range rules {
		if rules[i].re.in(v, &d.match) {
			out = rules[i].is
			break
		}
	}
	if len(v) <= maxOutcome {
		*k, *next = knownOutcome{&rules[0], strings.Clone(v), out}, *k // two tables may be asked in turn
	}
	return out
}

// stamp reads the record's time. It is false if the record has one that is in none
// of the format's layouts, and the format's records are told by it.
func (d *decoding) stamp(c *compiled) bool {
	e := &d.ev
	e.Stamp.Meaning = c.meaning
	any := false
	for i := range c.timeNames {
		v := d.times[i]
		if v == "" || v == "-" {
			continue
		}
		any = true
		loc := d.loc
		if c.zone != nil {
			loc = c.zone
		}
		for _, l := range c.layouts {
			st, ok := d.last.read(l, v, loc)
			if !ok {
				if st, ok = parseStamp(l, v, loc, d.ref, d.dates); !ok {
					continue
				}
				d.last.remember(l, v, &st)
			}
			if c.zone != nil {
				st.zone = timeline.ZoneWritten
			}
			if d.nanos != "" {
				st.addNanos(d.nanos)
			} else if st.again == 0 && !st.never {
				d.stamped = v
			}
			e.Time, e.Stamp.Zone, e.Stamp.Resolution = st.t, st.zone, st.res
			if c.res > 0 {
				e.Stamp.Resolution = c.res
			}
			e.Stamp.Rounded = c.spec.Time.Rounded
			d.ambiguous(&st)
			return true
		}
	}
	return !any || c.decoder == jsonDecoder || c.decoder == treeFormat || c.decoder == logfmtDecoder
}

func (d *decoding) extract(c *compiled, x *extraction) {
	if len(x.from) > 1 {
		d.extractOf(c, x, d.joined(x.from), true)
		return
	}
	v := d.get(x.from[0])
	if v == "" || d.extractOf(c, x, v, false) {
		return
	}
	if d.tailed && x.from[0].name == "body" {
		d.extractOf(c, x, d.whole, false)
	}
}

// extractOf takes what the first pattern that matches v finds in it; v is copied then if it is borrowed.
func (d *decoding) extractOf(c *compiled, x *extraction, v string, borrowed bool) bool {
	for _, p := range x.patterns {
		if loc := p.re.find(v, &d.match); loc != nil {
			if borrowed {
				v = strings.Clone(v)
			}
			d.putAll(c, p, loc, v)
			return true
		}
	}
	return false
}

func (d *decoding) duration(c *compiled) {
	if d.durText == "" {
		d.derived(c)
		return
	}
	v, res, ok := parseDuration(d.durText, d.durUnit)
	if !ok {
		if d.durText != "-" && d.durText != "-1" {
			d.attr("duration", d.durText)
		}
		return
	}
	d.ev.Duration = v
	d.ev.Stamp.DurationResolution = res
	if c.durRes > 0 {
		d.ev.Stamp.DurationResolution = c.durRes
	}
	d.ev.Stamp.SameClock = c.spec.Duration.SameClock
}

func (d *decoding) kind(c *compiled) {
	for i := range c.kinds {
		k := &c.kinds[i]
		if k.when.holds(d) {
			d.ev.Kind = k.kind
			if k.meaning != timeline.MeaningUnknown {
				d.ev.Stamp.Meaning = k.meaning
			}
			return
		}
	}
}

// takeTail reads the lines after the first: a stack trace, or more of the message.
func (d *decoding) takeTail() {
	body := d.ev.Body
	all := d.tail
	if body != "" {
		all = body + "\n" + d.tail
	}
	if x, ok := parseStack(all); ok {
		d.tailed, d.tailExc, d.whole = true, x, all // what extractions say of it comes before
		d.attr("exception.stacktrace", d.tail)
		return
	}
	d.ev.Body = all
}

// exception makes the event's exception of its fields and of its stack trace.
func (d *decoding) exception() {
	if d.stack == "" && len(bytes.TrimSpace(d.trace)) > 0 {
		d.stack = string(d.trace[:len(d.trace)-1])
	}
	if b := d.ev.Body; d.stack == "" && !d.tailed && isNone(&d.exc) && (strings.IndexByte(b, '\n') >= 0 || mayFold(b)) {
		if x, ok := parseStack(b); ok {
			d.stacked(x)
		}
	}
	logged := d.stack == "" && d.logStack != ""
	if logged {
		d.stack = d.logStack
	}
	if d.stack != "" {
		d.stack = stackLines(d.stack, d.exc)
		if x, ok := parseStack(d.stack); ok {
			d.stacked(x)
			d.exc.Logged = logged && x.Type == "" // not of a panic
		} else if d.exc.Message == "" && d.exc.Type == "" && !strings.Contains(d.stack, "\n") {
			d.exc.Message = d.stack
		}
		d.attr("exception.stacktrace", d.stack)
	}
	if d.tailed {
		d.stacked(d.tailExc)
		d.ev.Body, _, _ = strings.Cut(d.ev.Body, "\n") // the trace is an attribute
	}
	if isNone(&d.exc) {
		return
	}
	if d.exc.Message == "" {
		d.exc.Message = d.said("error.message")
	}
	if d.exc.Type == "" {
		d.exc.Type = d.said("error.type")
	}
	x := d.exc
	d.ev.Exception = &x
}

// isNone says whether nothing was told of an exception.
func isNone(x *timeline.Exception) bool {
	return x.Type == "" && x.Message == "" && x.File == "" && x.Function == "" && x.Line == 0 && !x.Escaped && !x.Logged
}

// stacked adds what a stack trace says to what fields say, which comes first for the
// outermost exception only: of a chain the trace knows the root cause.
func (d *decoding) stacked(x timeline.Exception) {
	if x.Type != "" {
		d.exc.Type = x.Type
		if x.Message != "" {
			d.exc.Message = x.Message
		}
	} else if d.exc.Message == "" || x.Escaped && x.Message != "" {
		d.exc.Message = x.Message // what ended a program is written with its causes
	}
	d.exc.File, d.exc.Function, d.exc.Line = x.File, x.Function, x.Line
	d.exc.Escaped = d.exc.Escaped || x.Escaped
}

// statusText gives a status of three digits as text without taking memory.
func statusText(n int) string {
	if n < 100 || n > 999 {
		return strconv.Itoa(n)
	}
	return threeDigits()[3*(n-100):][:3]
}

var threeDigits = sync.OnceValue(func() string {
	var b []byte
	for n := 100; n < 1000; n++ {
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return string(b)
})

// statusCode reads an HTTP status.
func statusCode(v string) (int, bool) {
	if len(v) != 3 {
		return 0, false
	}
	n := num(v, 0, 3)
	return n, n >= 100 && n <= 999
}

var methodRE = lazyExpr(`^[A-Z][A-Z-]{1,19}$`, "")

func (d *decoding) isMethod(v string) bool {
	switch v {
	case "GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS":
		return true
	}
	return methodRE.in(v, &d.match)
}

// requestLine reads "POST /api/orders?x=1 HTTP/1.1".
func (d *decoding) requestLine(v string) {
	method, rest, ok := strings.Cut(v, " ")
	if !ok || !d.isMethod(method) {
		if v != "-" {
			d.attr("http.request.line", v)
		}
		return
	}
	target := rest
	if i := strings.LastIndexByte(rest, ' '); i >= 0 && strings.HasPrefix(rest[i+1:], "HTTP/") {
		target = rest[:i]
		d.attrAt(attrProtocol.name, attrProtocol.slot, rest[i+1+len("HTTP/"):])
	}
	d.method = method
	d.attrAt(attrMethod.name, attrMethod.slot, method)
	d.urlTarget(target)
	if d.target == target {
		d.line = v[:len(method)+1+len(target)]
	}
}

// urlTarget reads "/api/orders?x=1".
func (d *decoding) urlTarget(v string) {
	if v == "-" || v == "" {
		return
	}
	if v[0] != '/' && strings.Contains(v, "://") {
		d.url(v)
		return
	}
	d.target = v
	path, query, ok := strings.Cut(v, "?")
	d.attrAt(attrPath.name, attrPath.slot, unescaped(path))
	if ok && query != "" {
		d.attrAt(attrQuery.name, attrQuery.slot, unescaped(query))
	}
}

// unescaped gives a part of a URL as it was before nginx or Apache wrote quotes, backslashes and bytes beyond ASCII as \x22 or \". What
// would be no text then stays as it is written.
func unescaped(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			b = append(b, s[i])
		case s[i+1] == '"' || s[i+1] == '\\':
			i++
			b = append(b, s[i])
		case s[i+1] == 'x' && i+3 < len(s):
			n, err := strconv.ParseUint(s[i+2:i+4], 16, 8)
			if err != nil || n < ' ' || n == 0x7f {
				return s
			}
			b = append(b, byte(n))
			i += 3
		default:
			return s
		}
	}
	if !utf8.Valid(b) {
		return s
	}
	return string(b)
}

// domain reads the host that a request named: the port has a name of its own, the brackets of an address are of the domain.
func (d *decoding) domain(t *target, v string) {
	if v == "-" {
		return
	}
	i := onlyColon(v)
	if v[0] == '[' {
		i = strings.IndexByte(v, ']') + 1
	}
	if i > 0 && i+1 < len(v) && v[i] == ':' && isPort(v[i+1:]) {
		d.attrAt(t.name, t.slot, v[:i])
		d.attrAt(attrPort.name, attrPort.slot, v[i+1:])
		return
	}
	d.attrAt(t.name, t.slot, v)
}

// url reads "http://127.0.0.1:9003/stock/1?x=1"; a path alone is read as such.
func (d *decoding) url(v string) {
	if v == "-" {
		return
	}
	i := strings.Index(v, "://")
	if i < 0 {
		if v[0] == '/' {
			d.urlTarget(v)
		} else {
			d.attr("url.full", v)
		}
		return
	}
	d.attr("url.full", v)
	d.attr("url.scheme", v[:i])
	host := v[i+3:]
	target := "/"
	if j := strings.IndexAny(host, "/?#"); j >= 0 {
		host, target = host[:j], host[j:]
	}
	if j := strings.LastIndexByte(host, '@'); j >= 0 {
		host = host[j+1:]
	}
	if host != "" {
		d.addressOf(serverAddress, host)
	}
	d.urlTarget(target)
}

// isPort says whether s is a port, or nothing.
func isPort(s string) bool {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' || len(s) > 5 {
			return false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n <= 65535
}

// Targets that are not told by name alone.
var (
	clientAddress = newTarget(opAddress, "client.address")
	serverAddress = newTarget(opAddress, "server.address")
	attrMethod    = newTarget(opMethod, "http.request.method")
	attrProtocol  = newTarget(opAttr, "network.protocol.version")
	attrPath      = newTarget(opAttr, "url.path")
	attrQuery     = newTarget(opAttr, "url.query")
	attrPort      = newTarget(opAttr, "url.port")
)

// addressOf reads "10.0.0.9", "10.0.0.9:4444", "[::1]:80", "::1" or a name with or
// without port, which is t's.
func (d *decoding) addressOf(t *target, v string) {
	if v == "-" || v == "" {
		return
	}
	host, port := v, ""
	if v[0] == '[' {
		if i := strings.IndexByte(v, ']'); i > 0 {
			host = v[1:i]
			port = strings.TrimPrefix(v[i+1:], ":")
		}
	} else if i := onlyColon(v); i >= 0 {
		host, port = v[:i], v[i+1:]
	}
	if !isPort(port) {
		host, port = v, ""
	}
	if host == "" {
		return
	}
	switch t.name {
	case "client.address":
		d.client = v
	case "server.address":
		d.server = v
	}
	d.attrAt(t.name, t.slot, host)
	if port != "" {
		d.attrAt(t.port, t.portSlot, port)
	}
}

// onlyColon gives the place of the one colon in v, -1 if there is none or another.
func onlyColon(v string) int {
	at := -1
	for i := 0; i < len(v); i++ {
		if v[i] == ':' {
			if at >= 0 {
				return -1
			}
			at = i
		}
	}
	return at
}
