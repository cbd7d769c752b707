package format

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/correlatehq/correlate/timeline"
)

// A field names something of an event for conditions, extractions and keys.
type field struct {
	kind fieldKind
	name string
	slot uint8 // nameSlot of name
}

type fieldKind uint8

const (
	fieldAttr fieldKind = iota
	fieldBody
	fieldSeverity
	fieldStatus
	fieldService
	fieldHost
	fieldDuration
	fieldKey
	fieldSpanID
	fieldRequestLine
	fieldClient
	fieldServer
	fieldCallPeer
	fieldCallStatus
	fieldCallError
	fieldCallEnded
	fieldEnded
	fieldException
)

var fieldKinds = map[string]fieldKind{
	"body":                      fieldBody,
	"severity_text":             fieldSeverity,
	"http.response.status_code": fieldStatus,
	"service.name":              fieldService,
	"host.name":                 fieldHost,
	"duration":                  fieldDuration,
	timeline.KeyTraceID:         fieldKey,
	timeline.KeyRequestID:       fieldKey,
	"span_id":                   fieldSpanID,
	timeline.KeyRequest:         fieldRequestLine,
	timeline.KeyClient:          fieldClient,
	timeline.KeyUpstream:        fieldServer,
	"call.peer":                 fieldCallPeer,
	"call.status":               fieldCallStatus,
	"call.error":                fieldCallError,
	"call.ended":                fieldCallEnded,
	"ended":                     fieldEnded,
	"exception":                 fieldException,
}

func parseField(name string) (field, error) {
	if name == "" {
		return field{}, fmt.Errorf("the field's name is missing")
	}
	k, ok := fieldKinds[name]
	if !ok && (strings.HasPrefix(name, "call.") || name == "pairs" || name == "json" || name == "captured") {
		return field{}, fmt.Errorf("%q cannot be asked for", name)
	}
	return field{k, name, nameSlot(name)}, nil
}

// get gives what the event read so far says of f, "" if nothing.
func (d *decoding) get(f field) string {
	e := &d.ev
	switch f.kind {
	case fieldAttr:
		return d.saidAt(f.name, f.slot)
	case fieldBody:
		return e.Body
	case fieldSeverity:
		return e.Severity
	case fieldStatus:
		if e.StatusProtocol != "" {
			return d.saidAt(f.name, f.slot)
		}
		if e.StatusCode == 0 {
			return ""
		}
		return statusText(e.StatusCode)
	case fieldService:
		return e.Service
	case fieldHost:
		return e.Host
	case fieldDuration:
		if !e.Stamp.HasDuration() {
			return ""
		}
		return e.Duration.String()
	case fieldKey:
		for i := range e.Keys {
			if e.Keys[i].Name == f.name {
				return e.Keys[i].Value
			}
		}
	case fieldSpanID:
		return e.SpanID
	case fieldRequestLine:
		if d.method == "" || d.target == "" {
			return ""
		}
		if len(d.line) != len(d.method)+1+len(d.target) || !strings.HasPrefix(d.line, d.method) || !strings.HasSuffix(d.line, d.target) {
			d.line = d.method + " " + d.target
		}
		// Some write the query apart.
		if q := d.saidAt(attrQuery.name, attrQuery.slot); q != "" && !strings.Contains(d.target, "?") {
			return d.line + "?" + q
		}
		return d.line
	case fieldClient:
		return d.withPort(clientAddress, d.client)
	case fieldServer:
		return d.withPort(serverAddress, d.server)
	case fieldCallPeer:
		return d.call.peer
	case fieldCallStatus:
		return d.call.status
	case fieldCallError:
		return d.call.err
	case fieldCallEnded:
		if n := len(e.Calls); n > 0 {
			return e.Calls[n-1].Ended.String()
		}
	case fieldEnded:
		return e.Ended.String()
	case fieldException:
		if e.Exception != nil {
			if e.Exception.Type != "" {
				return e.Exception.Type
			}
			return e.Exception.Message
		}
	}
	return ""
}

// joined gives what the event says of all of fs, parted by spaces; "-" stands for nothing.
// The text of several is valid until the next call.
func (d *decoding) joined(fs []field) string {
	if len(fs) == 1 {
		return d.get(fs[0])
	}
	d.text = d.text[:0]
	for i, f := range fs {
		if i > 0 {
			d.text = append(d.text, ' ')
		}
		v := d.get(f)
		if v == "" {
			v = "-"
		}
		d.text = append(d.text, v...)
	}
	return bytesAsString(d.text)
}

// has says whether the event read so far says something of f.
func (d *decoding) has(f field) bool {
	switch f.kind {
	case fieldStatus:
		return d.ev.StatusCode != 0
	case fieldDuration:
		return d.ev.Stamp.HasDuration()
	case fieldRequestLine:
		return d.method != "" && d.target != ""
	case fieldClient, fieldServer:
		return d.saidAt(f.name, f.slot) != ""
	}
	return d.get(f) != ""
}

// withPort joins an address and its port as they were in the record; text is how they
// were written if that was in one piece.
func (d *decoding) withPort(t *target, text string) string {
	a := d.saidAt(t.name, t.slot)
	if a == "" {
		return ""
	}
	p := d.saidAt(t.port, t.portSlot)
	if p == "" {
		return a
	}
	if strings.HasSuffix(text, p) && len(text) > len(p) && text[len(text)-len(p)-1] == ':' && strings.Contains(text, a) {
		return text
	}
	if strings.Contains(a, ":") {
		return "[" + a + "]:" + p
	}
	// They mostly stand beside each other in the record: then no new text is made.
	if at, next := offset(d.own, a), offset(d.own, p); at >= 0 && next == at+len(a)+1 && d.own[next-1] == ':' {
		return d.own[at : next+len(p)]
	}
	return a + ":" + p
}

// offset gives the place in s of part, if part was cut from s; -1 if not.
func offset(s, part string) int {
	base, p := uintptr(unsafe.Pointer(unsafe.StringData(s))), uintptr(unsafe.Pointer(unsafe.StringData(part)))
	if p < base || p-base > uintptr(len(s)) || uintptr(len(s))-(p-base) < uintptr(len(part)) {
		return -1
	}
	return int(p - base)
}

// cond is a compiled condition.
type cond struct {
	has, lacks, any []field
	in              []inRule
	match           []matchRule
	lo, hi          int // of the status; 0: not asked
}

type inRule struct {
	f      field
	values []string
}

type matchRule struct {
	f   field
	res []*expr // any of them
}

// empty says whether the condition asks for nothing.
func (c *cond) empty() bool {
	return len(c.has)+len(c.lacks)+len(c.any)+len(c.in)+len(c.match)+c.lo == 0
}

func (c *cond) holds(d *decoding) bool {
	if c.lo > 0 && (d.ev.StatusCode < c.lo || d.ev.StatusCode > c.hi) {
		return false
	}
	for _, f := range c.has {
		if !d.has(f) {
			return false
		}
	}
	for _, f := range c.lacks {
		if d.has(f) {
			return false
		}
	}
	if len(c.any) > 0 && !slices.ContainsFunc(c.any, d.has) {
		return false
	}
	for i := range c.in {
		if !slices.Contains(c.in[i].values, d.get(c.in[i].f)) {
			return false
		}
	}
	for i := range c.match {
		v := d.get(c.match[i].f)
		if !slices.ContainsFunc(c.match[i].res, func(re *expr) bool { return re.in(v, &d.match) }) {
			return false
		}
	}
	return true
}

func anyHolds(cs []cond, d *decoding) bool {
	for i := range cs {
		if cs[i].holds(d) {
			return true
		}
	}
	return false
}

func (k *compiler) conds(path []string, sp []condSpec) []cond {
	var out []cond
	for i := range sp {
		out = append(out, k.cond(append(slices.Clone(path), strconv.Itoa(i)), &sp[i]))
	}
	return out
}

func (k *compiler) cond(path []string, sp *condSpec) cond {
	sub := func(more ...string) []string { return append(slices.Clone(path), more...) }
	var c cond
	fields := func(name string, l list) []field {
		var out []field
		for i, n := range l {
			out = append(out, k.field(sub(index(name, i, len(l))...), n))
		}
		return out
	}
	c.has, c.lacks, c.any = fields("has", sp.Has), fields("lacks", sp.Lacks), fields("has_any", sp.HasAny)
	for _, n := range sortedKeys(sp.In) {
		c.in = append(c.in, inRule{k.field(sub("in", n), n), sp.In[n]})
	}
	for _, n := range sortedKeys(sp.Match) {
		m := matchRule{f: k.field(sub("match", n), n)}
		for i, p := range sp.Match[n] {
			if re := k.re(append(sub("match"), index(n, i, len(sp.Match[n]))...), p); re != nil {
				m.res = append(m.res, re)
			}
		}
		c.match = append(c.match, m)
	}
	if sp.Status != "" {
		lo, hi, ok := strings.Cut(sp.Status, "-")
		if !ok {
			hi = lo
		}
		var err1, err2 error
		c.lo, err1 = strconv.Atoi(lo)
		c.hi, err2 = strconv.Atoi(hi)
		if err1 != nil || err2 != nil || c.lo < 100 || c.hi > 999 || c.lo > c.hi {
			k.fail(sub("status"), "%q is not a range of status codes such as 500-599", sp.Status)
		}
	}
	return c
}
