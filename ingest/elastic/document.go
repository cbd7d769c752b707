package elastic

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"
)

// A document is one that the cluster gave.
type document struct {
	index, id string
	hash      string
	source    []byte // _source, without white space
	time      time.Time
	stream    *stream
	text      string // of the record as it was written, if the document holds one
	raw       bool   // the text is all that there is to read
	offset    int64  // in its file; -1 if it is not said
	line      []byte // as the format engine is given it
	cut       bool   // its text is longer than a record may be
	order     int64  // place in its stream
}

// hit is a document in an answer.
type hit struct {
	Index  string            `json:"_index"`
	ID     string            `json:"_id"`
	Source json.RawMessage   `json:"_source"`
	Sort   []json.RawMessage `json:"sort"`
}

// lookup finds the value of a field, whose name may be split into objects at any of its
// dots; of a list it is the first value.
func lookup(v *fastjson.Value, name string) *fastjson.Value {
	if v == nil {
		return nil
	}
	if x := v.Get(name); x != nil {
		return first(x)
	}
	for i := 0; i < len(name); i++ {
		if name[i] != '.' {
			continue
		}
		if x := first(v.Get(name[:i])); x != nil && x.Type() == fastjson.TypeObject {
			if y := lookup(x, name[i+1:]); y != nil {
				return y
			}
		}
	}
	return nil
}

func first(v *fastjson.Value) *fastjson.Value {
	for v != nil && v.Type() == fastjson.TypeArray {
		a := v.GetArray()
		if len(a) == 0 {
			return nil
		}
		v = a[0]
	}
	return v
}

// scalar gives the text of a string or a number; "" for what is neither.
func scalar(v *fastjson.Value) string {
	switch {
	case v == nil:
		return ""
	case v.Type() == fastjson.TypeString:
		return string(v.GetStringBytes())
	case v.Type() == fastjson.TypeNumber:
		return string(v.MarshalTo(nil))
	}
	return ""
}

// firstOf gives the first of the fields that has a text.
func firstOf(v *fastjson.Value, names []string) string {
	for _, n := range names {
		if s := scalar(lookup(v, n)); s != "" {
			return s
		}
	}
	return ""
}

// document reads a hit. Its stream is found by what it says of it, and made if it is new.
func (s *Source) document(h *hit, p *fastjson.Parser) (*document, error) {
	d := &document{index: h.Index, id: h.ID, offset: -1}
	var compact bytes.Buffer
	if err := json.Compact(&compact, h.Source); err != nil {
		return nil, err
	}
	d.source = compact.Bytes()
	sum := sha256.Sum256(d.source)
	d.hash = "sha256:" + hex.EncodeToString(sum[:])
	v, err := p.ParseBytes(d.source)
	if err != nil {
		return nil, err
	}
	d.time = docTime(v, h, s.fields)
	for _, n := range s.fields.body {
		if x := lookup(v, n); x != nil && x.Type() == fastjson.TypeString {
			d.text, d.raw = strings.TrimRight(string(x.GetStringBytes()), "\r\n"), true
			break
		}
	}
	d.raw = d.raw && !slices.ContainsFunc(s.fields.parsed, func(n string) bool { return lookup(v, n) != nil })
	if n, err := strconv.ParseInt(firstOf(v, s.fields.offset), 10, 64); err == nil {
		d.offset = n
	}
	d.order = d.time.UnixMilli()<<20 | max(d.offset, 0)&(1<<20-1)
	d.stream = s.streamOf(v, d)
	d.line = s.line(d, v)
	return d, nil
}

// docTime reads the document's time off its source, else off what the answer is sorted by.
func docTime(v *fastjson.Value, h *hit, f *fields) time.Time {
	x := lookup(v, f.time)
	if x != nil && x.Type() == fastjson.TypeString {
		t := string(x.GetStringBytes())
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999-0700"} {
			if at, err := time.Parse(layout, t); err == nil {
				return at.UTC()
			}
		}
	}
	if len(h.Sort) > 0 {
		n, err := strconv.ParseInt(strings.Trim(string(h.Sort[0]), `"`), 10, 64)
		switch {
		case err != nil:
		case f.nanos:
			return time.Unix(0, n).UTC()
		default:
			return time.UnixMilli(n).UTC()
		}
	}
	return time.Time{}
}

// line writes the document as one line for the format engine: raw text as Filebeat ships it, whatever
// shipper it was, and what was parsed as it is, with the time under its usual name and
// the configured fields under OpenTelemetry's. The attributes of OpenTelemetry's data model stand at the top.
func (s *Source) line(d *document, v *fastjson.Value) []byte {
	if d.raw {
		limit := s.config.MaxRecord
		if limit <= 0 {
			limit = 1 << 20
		}
		text := d.text
		if len(text) > limit {
			text, d.cut = text[:limit], true
		}
		if s.config.Format != nil {
			return []byte(strings.ReplaceAll(text, "\n", " "))
		}
		b := []byte(`{"@timestamp":`)
		b = appendString(b, d.time.Format(time.RFC3339Nano))
		b = appendMember(b, "message", text)
		b = appendMember(b, "log.file.path", d.stream.path)
		add := func(name string, names ...string) {
			if x := firstOf(v, names); x != "" {
				b = appendMember(b, name, x)
			}
		}
		add("host.name", s.fields.host...)
		if own := s.config.Fields["service.name"]; len(own) > 0 {
			add("service.name", own...)
		} else {
			add("service.name", "service.name", "resource.attributes.service.name", "Resource.service.name", "service")
		}
		add("log.level", "log.level", "level", "severity_text", "SeverityText", "severity")
		add("stream", "stream", "attributes.log.iostream")
		add("kubernetes.pod.name", s.fields.pod...)
		add("kubernetes.container.name", "kubernetes.container.name", "kubernetes.container_name", "resource.attributes.k8s.container.name")
		add("kubernetes.namespace.name", "kubernetes.namespace", "kubernetes.namespace_name", "kubernetes.pod_namespace", "resource.attributes.k8s.namespace.name")
		add("kubernetes.node.name", "kubernetes.node.name", "kubernetes.host", "kubernetes.pod_node_name", "resource.attributes.k8s.node.name")
		add("container.id", "container.id", "container_id")
		add("container.name", "container.name", "container_name")
		b = s.appendConfigured(b, v)
		return append(b, '}')
	}
	b := []byte{'{'}
	if v.Get("@timestamp") == nil || v.Get("@timestamp").Type() != fastjson.TypeString {
		b = append(b, `"@timestamp":`...)
		b = append(appendString(b, d.time.Format(time.RFC3339Nano)), ',')
	}
	b = bytes.TrimSuffix(append(b, d.source[1:len(d.source)-1]...), []byte(","))
	for _, name := range []string{"attributes", "resource.attributes", "Attributes", "Resource"} {
		if o := lookup(v, name); o != nil && o.Type() == fastjson.TypeObject {
			o.GetObject().Visit(func(key []byte, x *fastjson.Value) {
				if v.Get(string(key)) == nil {
					b = append(append(appendString(append(b, ','), string(key)), ':'), x.MarshalTo(nil)...)
				}
			})
		}
	}
	if d.text != "" && v.Get("message") == nil {
		b = appendMember(b, "message", d.text)
	}
	b = s.appendConfigured(b, v)
	return append(b, '}')
}

// appendConfigured adds the fields that the user named, by OpenTelemetry's names.
func (s *Source) appendConfigured(b []byte, v *fastjson.Value) []byte {
	for _, name := range s.configured() {
		if x := firstOf(v, s.config.Fields[name]); x != "" {
			b = appendMember(b, name, x)
		}
	}
	return b
}

// configured gives the names, sorted, that stand for a field and not for a part of the
// document that the source itself reads.
func (s *Source) configured() []string {
	var out []string
	for name := range s.config.Fields {
		switch name {
		case "time", "body", "log.offset", "host.name", "log.file.path", "service.name":
		default:
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func appendMember(b []byte, name, value string) []byte {
	return appendString(append(appendString(append(b, ','), name), ':'), value)
}

// appendString writes a JSON string.
func appendString(b []byte, s string) []byte {
	q, err := json.Marshal(s)
	if err != nil {
		return append(b, `""`...) // a string is never an error
	}
	return append(b, q...)
}
