package format

import (
	"strings"

	"github.com/valyala/fastjson"
)

// zipkin reads one span of Zipkin's API (openzipkin/zipkin-api zipkin2-api.yaml), or of its
// first version, in which one span may hold both sides of a call.
func (t *tree) zipkin(v *fastjson.Value) bool {
	trace, id := v.Get("traceId"), v.Get("id")
	if trace == nil || trace.Type() != fastjson.TypeString || id == nil || id.Type() != fastjson.TypeString {
		return false
	}
	if v.Get("binaryAnnotations") != nil || isZipkin1(v) {
		t.zipkin1(v)
		return true
	}
	if oneOf(v, "localEndpoint", "remoteEndpoint", "kind", "tags", "annotations") == nil {
		return false
	}
	d := t.d
	t.begin()
	kind := strings.ToLower(member(v, "kind"))
	if kind == "" {
		kind = "internal"
	}
	t.zipkinHead(v, kind)
	if member(v, "shared") == "true" && kind == "server" {
		d.ev.ParentSpanID = d.ev.SpanID // the caller's span has the same ID
	}
	t.times(member(v, "timestamp"), member(v, "duration"), "us")
	host := t.local(v.Get("localEndpoint"))
	t.remote(v.Get("remoteEndpoint"))
	var tags []pair
	eachMember(v.Get("tags"), func(k string, v *fastjson.Value) { tags = append(tags, pair{k, text(v)}) })
	t.zipkinTags(tags)
	for _, a := range items(v, "annotations") {
		t.annotation(member(a, "value"))
	}
	t.end(v, zipkinSystem(tags), zipkinHost(tags, host))
	return true
}

func (t *tree) zipkinHead(v *fastjson.Value, kind string) {
	d := t.d
	t.span(kind, member(v, "name"))
	d.identity("trace_id", strings.ToLower(member(v, "traceId")))
	d.span(padID(member(v, "id")))
	if p := padID(member(v, "parentId")); !placeholder(p) {
		d.ev.ParentSpanID = p
	}
}

// local takes whose span it is and gives the host.
func (t *tree) local(e *fastjson.Value) string {
	t.d.ev.Service = member(e, "serviceName")
	return member(e, "ipv4", "ipv6")
}

// remote takes the other side of a span.
func (t *tree) remote(e *fastjson.Value) {
	name := member(e, "serviceName")
	if t.kind == "client" || t.kind == "producer" {
		t.put("peer.service", name)
	}
	if ip := member(e, "ipv4", "ipv6"); ip != "" {
		t.put("peer.ipv4", ip)
		if t.kind == "client" || t.kind == "producer" {
			t.d.addressOf(serverAddress, ip)
		}
		if p := member(e, "port"); p != "" && p != "0" {
			t.put("peer.port", p)
		}
	}
}

func (t *tree) zipkinTags(tags []pair) {
	for _, p := range tags {
		switch {
		case p.name == "error":
			if p.value == "false" {
				continue
			}
			t.d.attr(attrSpanStatus, "ERROR")
			if p.value != "true" && !allDigits(p.value) {
				t.d.attr("error.message", p.value)
			}
		case p.name == "host.name", p.name == "service.name", strings.HasPrefix(p.name, "telemetry."), strings.HasPrefix(p.name, "otel.library."):
			// Of the resource, as OpenTelemetry's exporters add it.
		case p.name == "http.path" && strings.Contains(p.value, "://"):
			t.put("http.url", p.value)
		default:
			t.put(p.name, p.value)
		}
	}
}

// zipkinSystem gives the software that wrote the span, if the tags tell.
func zipkinSystem(tags []pair) string {
	tag := lookIn(tags)
	if tag("component") == "proxy" && tag("response_flags") != "" {
		return "envoy"
	}
	return systemOf(tag("telemetry.sdk.language"))
}

func zipkinHost(tags []pair, address string) string {
	if h := lookIn(tags)("host.name"); h != "" {
		return h
	}
	return address
}

// annotation takes what happened during a span. OpenTelemetry's exporters write events as
// their name and an object of their attributes.
func (t *tree) annotation(s string) {
	if o := strings.TrimPrefix(s, "{"); strings.HasPrefix(o, `"exception"`) {
		if o == s {
			s = "{" + s + "}"
		}
		if v := t.nested(s).Get("exception"); v != nil && t.exceptionEvent(func(n string) string { return member(v, n) }) {
			return
		}
	}
	t.noteEvent(s)
}

// isZipkin1 says whether the annotations tell who made them, as those of the first version
// do.
func isZipkin1(v *fastjson.Value) bool {
	for _, a := range items(v, "annotations") {
		if a.Get("endpoint") != nil {
			return true
		}
	}
	return false
}

// A side is one end of a call in a span of Zipkin's first version.
type side struct {
	kind           string
	begins, ends   string // the annotations
	addr           string // of the binary annotation that holds the other side's endpoint
	start, end     string
	endpoint, peer *fastjson.Value
}

// zipkin1 reads a span of the first version: what happened stands in annotations with
// whose endpoint it was; a client and a server give one event each.
func (t *tree) zipkin1(v *fastjson.Value) {
	sides := []side{
		{kind: "client", begins: "cs", ends: "cr", addr: "sa"},
		{kind: "server", begins: "sr", ends: "ss", addr: "ca"},
		{kind: "producer", begins: "ms", ends: "ms", addr: "ma"},
		{kind: "consumer", begins: "mr", ends: "mr", addr: "ma"},
	}
	var notes []string
	found := 0
	var own *fastjson.Value // the endpoint of a span without sides
next:
	for _, a := range items(v, "annotations") {
		at, value := member(a, "timestamp"), member(a, "value")
		for i := range sides {
			s := &sides[i]
			if value != s.begins && value != s.ends {
				continue
			}
			if s.endpoint == nil {
				found++
				s.endpoint = a.Get("endpoint")
			}
			if value == s.begins {
				s.start = at
			}
			if value == s.ends {
				s.end = at
			}
			continue next
		}
		own = a.Get("endpoint")
		notes = append(notes, value)
	}
	both := sides[0].endpoint != nil && sides[1].endpoint != nil
	for _, b := range items(v, "binaryAnnotations") {
		key := member(b, "key")
		known := false
		for i := range sides {
			if key == sides[i].addr && member(b, "value") == "true" {
				sides[i].peer, known = b.Get("endpoint"), true
			}
		}
		if !known && b.Get("endpoint") != nil {
			own = b.Get("endpoint")
		}
	}
	stamp, took := member(v, "timestamp"), member(v, "duration")
	if found == 0 {
		sides = []side{{kind: "internal", endpoint: own, start: stamp}}
		if own == nil {
			sides[0].endpoint = v // it has no name
		}
	}
	for i := range sides {
		s := &sides[i]
		if s.endpoint == nil {
			continue
		}
		t.begin()
		t.zipkinHead(v, s.kind)
		// The two sides have one span ID; who began the span stamped it.
		if s.kind == "server" && (both || stamp == "") {
			t.d.ev.ParentSpanID = t.d.ev.SpanID
		}
		length := difference(s.start, s.end)
		if length == "" || s.start == s.end {
			length = ""
			if !both {
				length = took
			}
		}
		if s.start == "" {
			s.start = stamp
		}
		t.times(s.start, length, "us")
		host := t.local(s.endpoint)
		switch {
		case s.peer != nil:
			t.remote(s.peer)
		case both && i < 2:
			t.remote(sides[1-i].endpoint)
		}
		var tags []pair
		for _, b := range items(v, "binaryAnnotations") {
			whose := b.Get("endpoint")
			if v := tagText(b.Get("value")); whose == nil || found < 2 || member(whose, "serviceName") == t.d.ev.Service {
				if k := member(b, "key"); len(k) > 2 || v != "true" {
					tags = append(tags, pair{k, v})
				}
			}
		}
		t.zipkinTags(tags)
		for _, n := range notes {
			t.annotation(n)
		}
		if !t.end(v, zipkinSystem(tags), zipkinHost(tags, host)) {
			return
		}
	}
}
