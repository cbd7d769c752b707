package format

import (
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/correlatehq/correlate/timeline"
)

// xray reads one segment of AWS X-Ray (X-Ray developer guide, "X-Ray segment documents"): bare
// as the SDK sends it to the daemon, whose header lines say nothing; in the Document of
// an answer of BatchGetTraces; or as a text, as PutTraceSegments takes it.
func (t *tree) xray(v *fastjson.Value) bool {
	doc := v
	if v.Type() == fastjson.TypeString {
		doc = t.nested(text(v))
	} else if s := v.Get("Document"); s != nil && s.Type() == fastjson.TypeString {
		doc = t.nested(text(s))
	}
	if doc == nil {
		return false
	}
	if o, err := doc.Object(); err == nil && o.Len() == 2 && member(doc, "format") == "json" && member(doc, "version") == "1" {
		return true // the header of a message to the daemon
	}
	if !strings.HasPrefix(member(doc, "trace_id"), "1-") || doc.Get("start_time") == nil || doc.Get("id") == nil {
		return false
	}
	if member(doc, "inferred") == "true" {
		return true // X-Ray made it up of the caller's subsegment
	}
	s := segment{trace: member(doc, "trace_id"), origin: member(doc, "origin")}
	s.host = member(doc.Get("aws", "ec2"), "instance_id")
	if c := member(doc.Get("aws", "ecs"), "container"); c != "" {
		s.host = c
	}
	if member(doc, "type") != "subsegment" {
		s.service = member(doc, "name")
	}
	t.segment(&s, doc, member(doc, "parent_id"), member(doc, "type") == "subsegment", 0)
	return true
}

// nested parses JSON that stands in a text. What it gives holds until the next call.
func (t *tree) nested(s string) *fastjson.Value {
	v, err := t.d.inside.Parse(s)
	if err != nil {
		return nil
	}
	return v
}

// A segment is what its subsegments share.
type segment struct {
	trace, origin, service, host string
}

// segment gives the event of a segment or subsegment, then those of what is below it.
func (t *tree) segment(s *segment, v *fastjson.Value, parent string, sub bool, depth int) bool {
	d := t.d
	t.begin()
	space := member(v, "namespace")
	kind := "server"
	if sub {
		kind = "internal"
		if space == "remote" || space == "aws" || v.Get("sql") != nil {
			kind = "client"
		}
	}
	name := member(v, "name")
	t.span(kind, name)
	d.identity("trace_id", s.trace)
	id := member(v, "id")
	d.span(id)
	if !placeholder(parent) {
		d.ev.ParentSpanID = parent
	}
	start, end := v.Get("start_time"), v.Get("end_time")
	t.times(seconds(start), "", "")
	if a, b := start, end; b != nil {
		if x, y := a.GetFloat64(), b.GetFloat64(); y >= x {
			d.durText = strconv.FormatFloat(y-x, 'f', max(decimals(seconds(a)), decimals(seconds(b))), 64)
			d.durUnit = units["s"]
		}
	}
	d.ev.Service = s.service
	if h := v.Get("http"); h != nil {
		req, res := h.Get("request"), h.Get("response")
		t.put("http.request.method", member(req, "method"))
		t.put("url.full", member(req, "url"))
		t.put("client.address", member(req, "client_ip"))
		t.put("user_agent.original", member(req, "user_agent"))
		t.put("http.response.status_code", member(res, "status"))
		t.put("http.response.body.size", member(res, "content_length"))
	}
	if q := v.Get("sql"); q != nil {
		t.put("db.system.name", strings.ToLower(member(q, "database_type")))
		t.put("db.query.text", member(q, "sanitized_query"))
		if u := member(q, "url", "connection_string"); u != "" {
			if i := strings.Index(u, "://"); i >= 0 {
				host, _, _ := strings.Cut(u[i+3:], "/")
				d.addressOf(serverAddress, host)
			}
		}
	}
	if a := v.Get("aws"); a != nil {
		for _, n := range []string{"operation", "region", "table_name", "queue_url", "function_arn"} {
			t.put("aws."+n, member(a, n))
		}
		if r := member(a, "request_id"); sub {
			t.put("aws.request_id", r) // of the call, not of the request
		} else {
			d.identity(timeline.KeyRequestID, r)
		}
	}
	if kind == "client" && d.ev.Attrs.Get("server.address") == "" {
		t.put("peer.service", name)
	}
	t.put("aws.xray.origin", s.origin)
	eachMember(v.Get("annotations"), func(k string, v *fastjson.Value) { t.put(k, text(v)) })
	for _, n := range []string{"fault", "error", "throttle", "in_progress"} {
		if member(v, n) == "true" {
			t.put("aws.xray."+n, "true")
		}
	}
	if member(v, "fault") == "true" {
		d.attr(attrSpanStatus, "ERROR")
	}
	t.cause(v.Get("cause"))
	role := timeline.RoleUnknown
	if strings.HasPrefix(s.origin, "AWS::ApiGateway") || strings.HasPrefix(s.origin, "AWS::AppSync") {
		role = timeline.RoleGateway
	}
	d.role = role
	goOn := t.end(v, "", s.host)
	for _, c := range items(v, "subsegments") {
		if !goOn || depth >= maxJSONDepth {
			break
		}
		goOn = t.segment(s, c, id, true, depth+1)
	}
	return goOn
}

// cause takes the exception at the root of a chain.
func (t *tree) cause(v *fastjson.Value) {
	all := items(v, "exceptions")
	if len(all) == 0 {
		return
	}
	x := all[0]
	for range all {
		next := member(x, "cause")
		for _, o := range all {
			if next != "" && member(o, "id") == next {
				x = o
			}
		}
	}
	e := timeline.Exception{Type: member(x, "type"), Message: member(x, "message")}
	stack := items(x, "stack")
	if len(stack) > 0 && strings.HasSuffix(member(stack[0], "path"), ".py") {
		slices.Reverse(stack) // Python's are outermost first
	}
	for i, f := range stack {
		path := member(f, "path")
		own := !strings.Contains(path, "node_modules/") && !strings.Contains(path, "site-packages/") && !strings.HasPrefix(path, "node:") && !strings.HasPrefix(path, "internal/")
		if i == 0 || own {
			e.File, e.Function, e.Line = path, member(f, "label"), f.GetInt("line")
		}
		if own {
			break
		}
	}
	t.d.exc = e
}

// seconds gives a time in seconds as text without exponent; the digits are those that were
// written, but none below the microsecond, which a float of this size does not hold.
func seconds(v *fastjson.Value) string {
	if v == nil {
		return ""
	}
	f := v.GetFloat64()
	if f <= 0 {
		return ""
	}
	s := strings.TrimRight(strconv.FormatFloat(f, 'f', 6, 64), "0")
	if n := decimals(s); n < 3 {
		s = strconv.FormatFloat(f, 'f', 3, 64)
	}
	return s
}

// decimals tells how many digits stand behind the point.
func decimals(s string) int {
	i := strings.IndexByte(s, '.')
	if i < 0 {
		return 0
	}
	return len(s) - i - 1
}
