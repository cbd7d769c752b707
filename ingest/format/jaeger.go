package format

import (
	"strings"

	"github.com/valyala/fastjson"
)

// jaeger reads one trace as Jaeger's query API answers and its UI saves
// ({traceID, spans, processes}; jaegertracing/jaeger internal/uimodel), or one span with its
// process in it, as Jaeger stores it in Elasticsearch.
func (t *tree) jaeger(v *fastjson.Value) bool {
	if p := v.Get("process"); p != nil && p.Get("serviceName") != nil && v.Get("spanID") != nil {
		t.jaegerSpan(v, p)
		return true
	}
	processes := v.Get("processes")
	if processes == nil || v.Get("spans") == nil {
		return false
	}
	for _, s := range items(v, "spans") {
		p := s.Get("process")
		if p == nil {
			p = processes.Get(member(s, "processID"))
		}
		if !t.jaegerSpan(s, p) {
			break
		}
	}
	return true
}

func (t *tree) jaegerSpan(v, process *fastjson.Value) bool {
	d := t.d
	t.begin()
	tags := jaegerTags(v)
	tag := lookIn(tags)
	kind := strings.ToLower(tag("span.kind"))
	switch kind {
	case "server", "client", "producer", "consumer":
	default:
		kind = "internal"
	}
	t.span(kind, member(v, "operationName"))
	trace := strings.ToLower(member(v, "traceID"))
	d.identity("trace_id", trace)
	d.span(padID(member(v, "spanID")))
	parent := member(v, "parentSpanID")
	for _, r := range items(v, "references") {
		id, of := padID(member(r, "spanID")), strings.ToLower(member(r, "traceID"))
		switch {
		case of != "" && of != trace:
			t.link(of, id)
		case member(r, "refType") == "CHILD_OF":
			parent = id
		default:
			// What follows from a span does not answer to it.
			t.link(of, id)
		}
	}
	if parent = padID(parent); !placeholder(parent) {
		d.ev.ParentSpanID = parent
	}
	t.times(member(v, "startTime"), member(v, "duration"), "us")
	d.ev.Service = member(process, "serviceName")
	system, host := "", ""
	for _, p := range jaegerTags(process) {
		switch p.name {
		case "hostname", "host.name":
			host = p.value
		case "ip", "k8s.pod.name", "service.instance.id", "container.id":
			if host == "" {
				host = p.value
			}
			t.put(p.name, p.value)
		case "telemetry.sdk.language":
			system = systemOf(p.value)
		case "jaeger.version":
			// "Go-2.30.0"
			l, _, _ := strings.Cut(p.value, "-")
			system = systemOf(strings.ToLower(strings.TrimSuffix(l, "script")))
		default:
			if !strings.HasPrefix(p.name, "telemetry.") && !strings.HasPrefix(p.name, "os.") && (!strings.HasPrefix(p.name, "process.") || p.name == "process.pid") {
				t.put(p.name, p.value)
			}
		}
	}
	for _, p := range tags {
		switch p.name {
		case "span.kind", "internal.span.format":
		case "error":
			if p.value != "false" {
				d.attr(attrSpanStatus, "ERROR")
			}
		case "otel.status_description":
			d.attr("error.message", p.value)
		case "otel.library.name", "otel.scope.name":
			d.attr("otel.scope.name", p.value)
		default:
			t.put(p.name, p.value)
		}
	}
	if tag("component") == "proxy" && tag("response_flags") != "" {
		system = "envoy"
	}
	for _, l := range items(v, "logs") {
		var fields []pair
		for _, f := range items(l, "fields") {
			fields = append(fields, pair{member(f, "key"), text(f.Get("value"))})
		}
		get := lookIn(fields)
		switch event := get("event"); {
		case t.exceptionEvent(get):
		case event == "error" || get("error.object") != "" || get("error.kind") != "":
			// OpenTracing's names.
			typ, msg := get("error.kind"), get("message")
			if msg == "" {
				msg = get("error.object")
			}
			t.exceptionEvent(lookIn([]pair{{"exception.type", typ}, {"exception.message", msg}, {"exception.stacktrace", get("stack")}}))
		case event != "":
			t.noteEvent(event)
		default:
			t.noteEvent(get("message"))
		}
	}
	return t.end(v, system, host)
}

// jaegerTags gives the tags of a span or of a process, in the form of the API and in that of
// the storage that makes an object of them.
func jaegerTags(v *fastjson.Value) []pair {
	var out []pair
	for _, t := range items(v, "tags") {
		out = append(out, pair{member(t, "key"), tagText(t.Get("value"))})
	}
	if v != nil {
		eachMember(v.Get("tag"), func(k string, v *fastjson.Value) {
			out = append(out, pair{strings.ReplaceAll(k, "@", "."), tagText(v)})
		})
	}
	return out
}

// tagText gives a tag's value; a text that is an array of one element, as OpenTelemetry's
// arrays become, gives the element.
func tagText(v *fastjson.Value) string {
	s := text(v)
	if strings.HasPrefix(s, `["`) && strings.HasSuffix(s, `"]`) {
		if in := s[2 : len(s)-2]; !strings.ContainsAny(in, `"\`) {
			return in
		}
	}
	return s
}

// padID gives a span's ID with the zeros at its beginning that old clients leave out.
func padID(s string) string {
	if s == "" || len(s) >= 16 {
		return strings.ToLower(s)
	}
	return strings.Repeat("0", 16-len(s)) + strings.ToLower(s)
}
