package format

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/correlatehq/correlate/timeline"
)

// Attributes of spans that OpenTelemetry gives no name as attributes; format files ask for
// them in their conditions.
const (
	attrSpanKind   = "span.kind"        // server, client, internal, producer, consumer, in lower case
	attrSpanStatus = "otel.status_code" // ERROR or OK
	attrSpanEvents = "span.events"      // the names of the span's further events
	attrLinks      = "span.links"       // TRACE/SPAN of each linked span
)

// maxLinks bounds the links of one span that are kept: a consumer of batches has
// hundreds.
const maxLinks = 16

// A treeDecoder reads records that hold many events at any depth, as the exchange
// formats of tracing do. The format file says what the events mean: they go through the
// same tables as the flat ones.
type treeDecoder struct {
	// marks are texts of which every record contains one: without, it is not parsed.
	marks [][]byte
	// read gives the events of v. It is false if v is no record of the format.
	read func(t *tree, v *fastjson.Value) bool
}

// treeDecoders are the tree decoders by the name that format files give them.
var treeDecoders = map[string]*treeDecoder{
	"otlp":   {marks("scopeSpans", "scopeLogs", "instrumentationLibrarySpans", "instrumentationLibraryLogs", "scope_spans", "scope_logs", "scopeMetrics", "scope_metrics"), (*tree).otlp},
	"jaeger": {marks("processes", "process"), (*tree).jaeger},
	"zipkin": {marks("traceId"), (*tree).zipkin},
	"xray":   {marks("trace_id", "Document", "format"), (*tree).xray},
}

func marks(names ...string) [][]byte {
	var out [][]byte
	for _, n := range names {
		out = append(out, []byte(`"`+n+`"`), []byte(`\"`+n+`\"`)) // also in JSON that is a text
	}
	return out
}

// A tree is the state of reading the events of one record.
type tree struct {
	d     *decoding
	c     *compiled
	yield func() bool
	n     int  // events given
	over  bool // no more are wanted
	raw   []byte
	kind  string // of the span at hand
}

// parseTree reads rec for tree, if it can be a record of c.
func (d *decoding) parseTree(c *compiled, rec []byte) *fastjson.Value {
	may := func(m []byte) bool { return bytes.Contains(rec, m) }
	if !slices.ContainsFunc(c.tree.marks, may) {
		return nil
	}
	v, err := d.dom.ParseBytes(rec)
	if err != nil {
		return nil
	}
	return v
}

// tree gives the events of v in d.ev, one after another, until yield returns false. A whole
// document, as it may stand inside a wrapper, gives those of all its records.
func (d *decoding) tree(c *compiled, v *fastjson.Value, yield func() bool) bool {
	t := &tree{d: d, c: c, yield: yield}
	if found, ok := t.records(v); found {
		return ok
	}
	return c.tree.read(t, v)
}

// records reads the records of a document. found says that v is one, ok that a record
// was read, or that there is none.
func (t *tree) records(v *fastjson.Value) (found, ok bool) {
	if v.Type() != fastjson.TypeObject {
		return false, false
	}
	ok = true
	for _, p := range t.c.paths.list {
		if p[0] == eachElement || v.Get(p[0]) == nil {
			continue
		}
		at := []*fastjson.Value{v}
		for _, step := range p {
			var next []*fastjson.Value
			for _, v := range at {
				if step != eachElement {
					if m := v.Get(step); m != nil {
						next = append(next, m)
					}
				} else if v.Type() == fastjson.TypeArray {
					found = true
					a, _ := v.Array()
					next = append(next, a...)
				}
			}
			at = next
		}
		for i, r := range at {
			if t.over {
				break
			}
			ok = t.c.tree.read(t, r) && (ok || i > 0)
		}
	}
	return found, ok
}

// decodeTree leaves the first event of a record in d.ev. A record without events is read too.
func (d *decoding) decodeTree(c *compiled, rec []byte) bool {
	d.reset()
	if d.parsed = d.parseTree(c, rec); d.parsed == nil || !d.tree(c, d.parsed, func() bool { return false }) {
		return false
	}
	d.treeOf = c
	d.ev.Format = c.name
	return true
}

// begin starts on an event.
func (t *tree) begin() {
	t.d.reset()
	t.kind = ""
}

// span sets what each span has.
func (t *tree) span(kind, name string) {
	t.kind = kind
	t.d.ev.Traced = true
	t.d.ev.Body = name
	if kind != "" {
		t.d.attr(attrSpanKind, kind)
	}
}

// end gives the event at hand; v is what it was read from. It is false if no more are
// wanted.
func (t *tree) end(v *fastjson.Value, system, host string) bool {
	d := t.d
	if t.kind != "" {
		t.finishSpan()
	}
	t.raw = v.MarshalTo(t.raw[:0])
	if !d.finish(t.c, t.raw) {
		return true
	}
	e := &d.ev
	if system != "" {
		e.System = system
	}
	// Whose clock stamped it. A service that does not say where it runs has one of its own: a
	// file of many services' spans is not one clock.
	for _, h := range []string{e.Host, host, e.Service} {
		if e.Host = h; h != "" {
			break
		}
	}
	t.n++
	e.Pos.Item = t.n
	if !t.yield() {
		t.over = true
	}
	return !t.over
}

// finishSpan sets what follows from several attributes.
func (t *tree) finishSpan() {
	d := t.d
	a := &d.ev.Attrs
	if failed := strings.EqualFold(a.Get(attrSpanStatus), "error"); failed {
		a.Set(attrSpanStatus, "ERROR")
		if a.Get("error.message") == "" {
			switch {
			case d.exc.Message != "":
				d.attr("error.message", d.exc.Message)
			case !allDigits(a.Get("error.type")):
				d.attr("error.message", a.Get("error.type"))
			case d.grpc != "":
				if n, ok := grpcCode(d.grpc); ok && n > 0 {
					d.attr("error.message", grpcCodes[n])
				}
			}
		}
	}
	if s, m := a.Get("rpc.service"), a.Get("rpc.method"); m != "" && d.target == "" {
		if s != "" {
			m = s + "/" + m
		}
		d.target = "/" + strings.TrimPrefix(m, "/")
		d.call.target = d.target
	}
	if t.kind != "client" && t.kind != "producer" {
		return
	}
	// Who was called: by its name, by its address, or by what it is.
	for _, n := range []string{"service.peer.name", "peer.service", "server.address", "network.peer.address", "messaging.destination.name", "db.namespace", "db.system.name", "messaging.system"} {
		v := a.Get(n)
		if v == "" {
			continue
		}
		switch {
		case n == "server.address":
			v = d.withPort(serverAddress, d.server)
		case strings.HasSuffix(n, ".address"):
			v = d.withPort(newTarget(opAddress, n), v)
		case n == "db.namespace" && a.Get("db.system.name") != "":
			v = a.Get("db.system.name") + "/" + v
		case n == "messaging.destination.name" && a.Get("messaging.system") != "":
			v = a.Get("messaging.system") + "/" + v
		}
		d.call.peer = v
		break
	}
}

// put takes one attribute of a span or of its resource, by any name that OpenTelemetry or those
// before it gave it.
func (t *tree) put(name, v string) {
	if v == "" {
		return
	}
	d := t.d
	if to := peerNames[name]; to != "" {
		// The other side: whom a client called, and who called a server.
		side := "server."
		if t.kind == "server" || t.kind == "consumer" {
			side = "client."
		}
		switch to {
		case "address":
			if side == "client." {
				d.addressOf(clientAddress, v)
			} else {
				d.addressOf(serverAddress, v)
			}
		case "ip":
			if side == "client." && d.ev.Attrs.Get("client.address") == "" {
				d.addressOf(clientAddress, v)
			}
			d.attr("network.peer.address", v)
		case "port":
			d.attr(side+to, v)
			if d.ev.Attrs.Get("network.peer.address") != "" {
				d.attr("network.peer.port", v)
			}
		}
		return
	}
	g := t.c.table[name]
	if g == nil {
		g = semconv[name]
	}
	if g == nil {
		if a := aliases[name]; a != nil && (a.op == opIdentity || a.op == opTraceparent || a.op == opUberTrace || a.op == opAmznTrace) {
			g = a
		}
	}
	switch {
	case g == nil:
		d.attr(name, v)
	case g.op == opStatus || g.op == opMethod:
		d.put(t.c, g, name, v)
	default:
		d.put(t.c, g, g.name, v)
	}
}

// peerNames are the names of the other side's address in OpenTelemetry's old conventions and in
// OpenTracing.
var peerNames = map[string]string{
	"net.peer.name": "address", "net.peer.ip": "ip", "net.peer.port": "port", "net.sock.peer.addr": "ip", "net.sock.peer.port": "port",
	"peer.hostname": "address", "peer.address": "address", "peer.ipv4": "ip", "peer.ipv6": "ip", "peer.port": "port",
}

// exceptionEvent takes what an event of a span says of an exception. The last one counts: it is
// the one that got out.
func (t *tree) exceptionEvent(get func(name string) string) bool {
	typ, msg, stack := get("exception.type"), get("exception.message"), get("exception.stacktrace")
	if typ == "" && msg == "" && stack == "" {
		return false
	}
	d := t.d
	d.exc = timeline.Exception{Type: typ, Message: msg, Escaped: strings.EqualFold(get("exception.escaped"), "true")}
	d.stack = stack
	return true
}

// noteEvent keeps the name of an event that is no exception.
func (t *tree) noteEvent(name string) {
	if name == "" {
		return
	}
	if old := t.d.ev.Attrs.Get(attrSpanEvents); old != "" {
		if len(old) > 512 {
			return
		}
		name = old + "; " + name
	}
	t.d.attr(attrSpanEvents, name)
}

// link keeps a link to a span of another trace: whoever looks for that trace finds this span, but
// the two are not one request.
func (t *tree) link(trace, span string) {
	d := t.d
	old := d.ev.Attrs.Get(attrLinks)
	if placeholder(trace) || strings.Count(old, ",") >= maxLinks-1 {
		return
	}
	v := trace + "/" + span
	if old != "" {
		v = old + ", " + v
	}
	d.attr(attrLinks, v)
	for _, k := range d.ev.Keys {
		if k.Name == timeline.KeyTraceID && k.Value == trace {
			return
		}
	}
	d.ev.Keys = append(d.ev.Keys, timeline.Key{Name: timeline.KeyTraceID, Value: trace, Strength: timeline.Mention})
}

// times sets the stamp and the duration of a span, as texts in the unit of the format's
// layout.
func (t *tree) times(start, duration, unit string) {
	d := t.d
	d.times[0] = start
	d.durText, d.durUnit = duration, units[unit]
}

// text gives a scalar as text, an array or an object as JSON; "" of null.
func text(v *fastjson.Value) string {
	if v == nil {
		return ""
	}
	switch v.Type() {
	case fastjson.TypeNull:
		return ""
	case fastjson.TypeString:
		b, _ := v.StringBytes()
		return string(b)
	}
	return string(v.MarshalTo(nil))
}

// member gives the text of the first of the members that is there.
func member(v *fastjson.Value, names ...string) string { return text(oneOf(v, names...)) }

// oneOf gives the first of the members that is there; nil if none is.
func oneOf(v *fastjson.Value, names ...string) *fastjson.Value {
	if v == nil {
		return nil
	}
	for _, n := range names {
		if m := v.Get(n); m != nil && m.Type() != fastjson.TypeNull {
			return m
		}
	}
	return nil
}

// items gives the elements of the first of the members that is an array.
func items(v *fastjson.Value, names ...string) []*fastjson.Value {
	m := oneOf(v, names...)
	if m == nil {
		return nil
	}
	a, _ := m.Array()
	return a
}

// eachMember calls f for every member of an object, if it is one.
func eachMember(v *fastjson.Value, f func(name string, v *fastjson.Value)) {
	if v == nil {
		return
	}
	o, err := v.Object()
	if err != nil {
		return
	}
	o.Visit(func(k []byte, v *fastjson.Value) { f(string(k), v) })
}

// hexID gives an ID of n bytes as hexadecimal digits. OTLP writes it so; what encodes protobuf
// by the general rules of JSON writes base64.
func hexID(v string, n int) string {
	if len(v) == base64.StdEncoding.EncodedLen(n) {
		if b, err := base64.StdEncoding.DecodeString(v); err == nil && len(b) == n {
			return hex.EncodeToString(b)
		}
	}
	return strings.ToLower(v)
}

// difference gives b - a of two whole numbers written as texts; "" if that is none or
// negative.
func difference(a, b string) string {
	x, err1 := strconv.ParseInt(a, 10, 64)
	y, err2 := strconv.ParseInt(b, 10, 64)
	if err1 != nil || err2 != nil || y < x || x <= 0 {
		return ""
	}
	return strconv.FormatInt(y-x, 10)
}

// A field is a name and a value.
type pair struct{ name, value string }

// lookIn gives the function that finds a value by its name.
func lookIn(pairs []pair) func(string) string {
	return func(name string) string {
		for _, p := range pairs {
			if p.name == name {
				return p.value
			}
		}
		return ""
	}
}
