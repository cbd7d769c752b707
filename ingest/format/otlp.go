package format

import (
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"
)

// otlp reads what one resource sent: an element of resourceSpans or resourceLogs in OTLP's JSON
// (opentelemetry-proto, trace/v1 and logs/v1; IDs are hexadecimal there, 64-bit numbers
// may be texts, kinds and codes numbers or names, names in either spelling of protobuf).
func (t *tree) otlp(v *fastjson.Value) bool {
	spans := items(v, "scopeSpans", "scope_spans", "instrumentationLibrarySpans")
	logs := items(v, "scopeLogs", "scope_logs", "instrumentationLibraryLogs")
	if spans == nil && logs == nil {
		return oneOf(v, "scopeMetrics", "scope_metrics") != nil // without events
	}
	var r otlpResource
	for _, a := range items(v.Get("resource"), "attributes") {
		r.take(member(a, "key"), a.Get("value"))
	}
	for _, s := range spans {
		scope := member(oneOf(s, "scope", "instrumentationLibrary"), "name")
		for _, sp := range items(s, "spans") {
			if !t.otlpSpan(&r, scope, sp) {
				return true
			}
		}
	}
	for _, s := range logs {
		scope := member(oneOf(s, "scope", "instrumentationLibrary"), "name")
		for _, l := range items(s, "logRecords", "log_records", "logs") {
			if !t.otlpLog(&r, scope, l) {
				return true
			}
		}
	}
	return true
}

// An otlpResource is what the resource says of all its spans.
type otlpResource struct {
	service, system string
	host            [4]string // of hostNames
	attrs           []pair
}

// hostNames tell whose clock it is, the surest first.
var hostNames = []string{"host.name", "k8s.pod.name", "service.instance.id", "container.id"}

func (r *otlpResource) take(name string, v *fastjson.Value) {
	s, _ := otlpValue(v)
	switch name {
	case "service.name":
		r.service = s
		if strings.HasPrefix(s, "unknown_service") {
			r.service = "" // what an SDK writes if it was not told
		}
		return
	case "telemetry.sdk.language":
		r.system = systemOf(s)
	}
	if i := slices.Index(hostNames, name); i >= 0 {
		r.host[i] = s
	}
	switch {
	case strings.HasPrefix(name, "telemetry."), strings.HasPrefix(name, "process.") && name != "process.pid", strings.HasPrefix(name, "os."):
		// The same on all spans of a program, and of no use to tell one from another.
	default:
		r.attrs = append(r.attrs, pair{name, s})
	}
}

// name gives the host.
func (r *otlpResource) name() string {
	for _, h := range r.host {
		if h != "" {
			return h
		}
	}
	return ""
}

func (r *otlpResource) put(t *tree, scope string) {
	d := t.d
	d.ev.Service = r.service
	for _, a := range r.attrs {
		t.put(a.name, a.value)
	}
	d.ev.Host = r.name()
	if scope != "" {
		d.attr("otel.scope.name", scope)
	}
}

// systemOf gives the software that a program's language is; the names are those of
// telemetry.sdk.language.
func systemOf(language string) string {
	switch language {
	case "nodejs":
		return "node"
	case "webjs":
		return ""
	}
	return language
}

var otlpKinds = map[string]string{
	"1": "internal", "2": "server", "3": "client", "4": "producer", "5": "consumer", "SPAN_KIND_INTERNAL": "internal",
	"SPAN_KIND_SERVER": "server", "SPAN_KIND_CLIENT": "client", "SPAN_KIND_PRODUCER": "producer", "SPAN_KIND_CONSUMER": "consumer",
}

func (t *tree) otlpSpan(r *otlpResource, scope string, v *fastjson.Value) bool {
	d := t.d
	t.begin()
	kind := otlpKinds[member(v, "kind")]
	if kind == "" {
		kind = "internal"
	}
	t.span(kind, member(v, "name"))
	d.identity("trace_id", hexID(member(v, "traceId", "trace_id"), 16))
	d.span(hexID(member(v, "spanId", "span_id"), 8))
	if p := hexID(member(v, "parentSpanId", "parent_span_id"), 8); !placeholder(p) {
		d.ev.ParentSpanID = p
	}
	start, end := member(v, "startTimeUnixNano", "start_time_unix_nano"), member(v, "endTimeUnixNano", "end_time_unix_nano")
	t.times(start, difference(start, end), "ns")
	r.put(t, scope)
	t.otlpAttrs(v)
	if s := v.Get("status"); s != nil {
		switch member(s, "code") {
		case "2", "STATUS_CODE_ERROR":
			d.attr(attrSpanStatus, "ERROR")
		case "1", "STATUS_CODE_OK":
			d.attr(attrSpanStatus, "OK")
		}
		if m := member(s, "message"); m != "" {
			d.attr("error.message", m)
		}
	}
	for _, e := range items(v, "events") {
		var attrs []pair
		for _, a := range items(e, "attributes") {
			s, _ := otlpValue(a.Get("value"))
			attrs = append(attrs, pair{member(a, "key"), s})
		}
		if !t.exceptionEvent(lookIn(attrs)) {
			t.noteEvent(member(e, "name"))
		}
	}
	for _, l := range items(v, "links") {
		t.link(hexID(member(l, "traceId", "trace_id"), 16), hexID(member(l, "spanId", "span_id"), 8))
	}
	return t.end(v, r.system, r.name())
}

func (t *tree) otlpLog(r *otlpResource, scope string, v *fastjson.Value) bool {
	d := t.d
	t.begin()
	d.identity("trace_id", hexID(member(v, "traceId", "trace_id"), 16))
	d.span(hexID(member(v, "spanId", "span_id"), 8))
	for i, n := range []string{"timeUnixNano", "observedTimeUnixNano"} {
		if s := member(v, n, snake(n)); s != "" && s != "0" && d.times[0] == "" {
			d.times[0] = s
			if i == 1 {
				d.attr("log.time.observed", "true")
			}
		}
	}
	r.put(t, scope)
	t.otlpAttrs(v)
	d.ev.Body, _ = otlpValue(v.Get("body"))
	d.ev.Severity = member(v, "severityText", "severity_text")
	if n := otlpSeverity(member(v, "severityNumber", "severity_number")); d.ev.Severity == "" {
		d.ev.Severity = n
	}
	if n := member(v, "eventName", "event_name"); n != "" {
		d.attr("event.name", n)
	}
	return t.end(v, r.system, r.name())
}

// snake gives a name of protobuf's JSON as it stands in the schema.
func snake(s string) string {
	var b strings.Builder
	for _, c := range s {
		if c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}

// otlpSeverity gives the word for a severity's number: there are four of each word.
func otlpSeverity(s string) string {
	words := [...]string{"trace", "debug", "info", "warn", "error", "fatal"}
	n, err := strconv.Atoi(s)
	if err != nil {
		// SEVERITY_NUMBER_ERROR2
		s = strings.ToLower(strings.TrimRight(strings.TrimPrefix(s, "SEVERITY_NUMBER_"), "1234"))
		if slices.Contains(words[:], s) {
			return s
		}
		return ""
	}
	if n < 1 || n > 24 {
		return ""
	}
	return words[(n-1)/4]
}

// otlpAttrs takes the attributes of a span or of a log record.
func (t *tree) otlpAttrs(v *fastjson.Value) {
	for _, a := range items(v, "attributes") {
		t.otlpAttr(member(a, "key"), a.Get("value"))
	}
}

func (t *tree) otlpAttr(name string, v *fastjson.Value) {
	s, list := otlpValue(v)
	if len(list) > 1 && isID(name) {
		for _, s := range list {
			t.put(name, s) // a header that came more than once
		}
		return
	}
	if kv := oneOf(v, "kvlistValue", "kvlist_value"); kv != nil {
		for _, a := range items(kv, "values") {
			t.otlpAttr(name+"."+member(a, "key"), a.Get("value"))
		}
		return
	}
	t.put(name, s)
}

// isID says whether the attribute holds a request's ID.
func isID(name string) bool {
	a := aliases[name]
	return a != nil && a.op == opIdentity
}

// otlpValue gives an AnyValue as text: a scalar as it is, the one element of an array, else
// JSON. list are the elements of an array of scalars.
func otlpValue(v *fastjson.Value) (s string, list []string) {
	if v == nil {
		return "", nil
	}
	if a := oneOf(v, "arrayValue", "array_value"); a != nil {
		for _, e := range items(a, "values") {
			s, _ := otlpValue(e)
			list = append(list, s)
		}
		if len(list) == 1 {
			return list[0], list
		}
		return jsonList(list), list
	}
	if kv := oneOf(v, "kvlistValue", "kvlist_value"); kv != nil {
		var b strings.Builder
		b.WriteByte('{')
		for i, a := range items(kv, "values") {
			if i > 0 {
				b.WriteByte(',')
			}
			s, _ := otlpValue(a.Get("value"))
			b.WriteString(quote(member(a, "key")) + ":" + quote(s))
		}
		b.WriteByte('}')
		return b.String(), nil
	}
	if m := oneOf(v, "stringValue", "string_value", "intValue", "int_value", "doubleValue", "double_value", "boolValue", "bool_value", "bytesValue", "bytes_value"); m != nil {
		return text(m), nil
	}
	if v.Type() != fastjson.TypeObject {
		return text(v), nil // no AnyValue, as some writers have it
	}
	return "", nil
}

func jsonList(list []string) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, s := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(s))
	}
	b.WriteByte(']')
	return b.String()
}

// quote gives a text as a JSON string.
func quote(s string) string {
	var a fastjson.Arena
	return string(a.NewString(s).MarshalTo(nil))
}
