package format

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/correlatehq/correlate/timeline"
)

// maxWrappers bounds how deep wrappers are peeled.
const maxWrappers = 3

// A wrapper says how a record of another format stands inside one of this.
type wrapper struct {
	field                      string
	stream                     []string
	within                     []bool   // of stream: it tells a process of the stream, not another sort of records
	path                       []string // of field, if it is nested
	newline                    bool     // a text that does not end in a newline goes on in the next record
	partialField, partialValue string
	json                       bool // the inner record is a JSON string
	octal                      bool // tabs are written as #011, as rsyslog writes control characters (its parser.escapeControlCharactersOnReceive)
	whole                      bool // the inner record is the body of the wrapper's own event
}

// peeled is one line without its wrapper.
type peeled struct {
	inner   []byte
	stream  uint64 // whose line it is
	kind    uint64 // the same, but for the number of the process
	partial bool   // the inner line goes on in the next record of its stream
	at      int    // where it begins in the line, if it stands there as it is
}

// peel takes the wrapper off one line. The bytes are valid until the next call.
func (d *decoding) peel(c *compiled, line []byte) (peeled, bool) {
	w := c.wraps
	var p peeled
	p.stream, p.kind = fnvOffset, fnvOffset
	mix := func(i int, b []byte) {
		p.stream = hash(p.stream, b)
		if !w.within[i] {
			p.kind = hash(p.kind, b)
		}
	}
	switch c.decoder {
	case jsonDecoder:
		if len(line) == 0 || line[0] != '{' {
			return p, false
		}
		v, err := d.dom.ParseBytes(line)
		if err != nil {
			return p, false
		}
		in := v.Get(w.field)
		if in == nil && w.path != nil {
			in = v.Get(w.path...)
		}
		if in == nil {
			return p, false
		}
		p.inner = innerBytes(in)
		for i, s := range w.stream {
			mix(i, fieldBytes(v, s))
		}
		if w.partialField != "" {
			p.partial = string(v.GetStringBytes(w.partialField)) == w.partialValue
		}
	default:
		line = plain(line)
		var loc []int
		var q *pattern
		for _, q = range c.patterns {
			if loc = q.re.find(bytesAsString(line), &d.match); loc != nil {
				break
			}
		}
		if loc == nil {
			return p, false
		}
		group := func(name string) []byte {
			if i := q.re.group(name); i >= 0 && loc[2*i] >= 0 {
				return line[loc[2*i]:loc[2*i+1]]
			}
			return nil
		}
		p.inner = group(w.field)
		if w.octal && bytes.HasPrefix(p.inner, octalTab) {
			p.inner = untabbed(p.inner)
		}
		if i := q.re.group(w.field); i >= 0 {
			p.at = loc[2*i]
		}
		for i, s := range w.stream {
			mix(i, group(s))
		}
		if w.partialField != "" {
			p.partial = string(group(w.partialField)) == w.partialValue
		}
	}
	if w.newline {
		if n := len(p.inner); n > 0 && p.inner[n-1] == '\n' {
			p.inner = p.inner[:n-1]
		} else {
			p.partial = true
		}
	}
	p.inner = plain(bytes.TrimSuffix(p.inner, []byte("\r")))
	return p, true
}

var octalTab = []byte("#011")

// untabbed gives a line that begins with tabs in octal as it was.
func untabbed(line []byte) []byte {
	n := 0
	for bytes.HasPrefix(line[n*len(octalTab):], octalTab) {
		n++
	}
	return append(bytes.Repeat([]byte{'\t'}, n), line[n*len(octalTab):]...)
}

const fnvOffset, fnvPrime = 14695981039346656037, 1099511628211

// hash adds a value and its end to an FNV-1a hash.
func hash(h uint64, b []byte) uint64 {
	for _, x := range b {
		h = (h ^ uint64(x)) * fnvPrime
	}
	return (h ^ 0xff) * fnvPrime
}

// innerBytes gives the inner record as it was before it was wrapped: a string, an
// object as its text, or a list of bytes, which is how journald writes what is no UTF-8.
func innerBytes(v *fastjson.Value) []byte {
	switch v.Type() {
	case fastjson.TypeString:
		return v.GetStringBytes()
	case fastjson.TypeObject:
		return v.MarshalTo(nil)
	case fastjson.TypeArray:
		var out []byte
		for _, x := range v.GetArray() {
			n, err := x.Int()
			if err != nil || n < 0 || n > 255 {
				return v.MarshalTo(nil)
			}
			out = append(out, byte(n))
		}
		return decoded(out)
	}
	return nil
}

// isList says whether the body of a wrapper's event may be a value that innerBytes
// reads otherwise: one that is no string.
func isList(c *compiled, body string) bool {
	return c.decoder == jsonDecoder && (body == "" || len(body) > 2 && body[0] == '[' && body[1] >= '0' && body[1] <= '9')
}

// fieldBytes gives the text of a field, which may be nested.
func fieldBytes(v *fastjson.Value, name string) []byte {
	x := v.Get(name)
	if x == nil && strings.Contains(name, ".") {
		x = v.Get(strings.Split(name, ".")...)
	}
	if x != nil && x.Type() == fastjson.TypeNumber {
		return x.MarshalTo(nil)
	}
	return x.GetStringBytes()
}

// escape gives the bytes by which l stands inside the wrapper.
func (c *compiled) escape(l []byte) []byte {
	if !c.wraps.json {
		return l
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(string(l)); err != nil {
		return l
	}
	b := bytes.TrimSpace(buf.Bytes())
	return b[1 : len(b)-1]
}

// unwrap puts the inner text of a record together. The bytes are valid until the
// next call on this level.
func (r *Reader) unwrap(level int, c *compiled, rec []byte) ([]byte, bool) {
	r.decoding(level)
	buf := r.inner[level][:0]
	joined := true // nothing to part the next line from
	indent := 0    // of further lines of the message
	for n := 0; len(rec) > 0; n++ {
		line := rec
		if i := bytes.IndexByte(rec, '\n'); i >= 0 {
			line, rec = rec[:i], rec[i+1:]
		} else {
			rec = nil
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		p, ok := r.decoding(level).peel(c, line)
		if !ok {
			if n == 0 {
				return nil, false
			}
			// journalctl writes them behind as many spaces as the first has before it.
			if len(line) >= indent && len(bytes.TrimLeft(line[:indent], " ")) == 0 {
				line = line[indent:]
			}
			p = peeled{inner: line}
		} else {
			indent = max(0, p.at)
		}
		if !joined {
			buf = append(buf, '\n')
		}
		buf = append(buf, p.inner...)
		joined = p.partial
	}
	r.inner[level] = buf
	return buf, true
}

// merge fills what the inner event lacks from the wrapper's own, and keeps the
// wrapper's stamp beside the record's.
func merge(in, out *timeline.Event) {
	if in.Time.IsZero() {
		in.Time, in.Stamp.Zone, in.Stamp.Resolution, in.Stamp.Rounded = out.Time, out.Stamp.Zone, out.Stamp.Resolution, out.Stamp.Rounded
		if in.Stamp.Meaning == timeline.MeaningUnknown {
			in.Stamp.Meaning = out.Stamp.Meaning
		}
		if in.Stamp.Meaning == timeline.Start {
			in.Stamp.Meaning = timeline.End // the wrapper stamps the writing, when the exchange was over
		}
	} else if !out.Time.IsZero() {
		settleRepeated(in, out.Time, out.Stamp.Zone)
		in.Attrs.Set("observed_timestamp", out.Time.Format(time.RFC3339Nano))
	}
	if in.Service == "" {
		in.Service = out.Service
	}
	if in.Host == "" {
		in.Host = out.Host
	}
	if in.Severity == "" {
		in.Severity = out.Severity
	}
	for _, a := range out.Attrs {
		if in.Attrs.Get(a.Name) == "" {
			in.Attrs.Set(a.Name, a.Value)
		}
	}
	for _, k := range out.Keys {
		found := false
		for i := range in.Keys {
			found = found || in.Keys[i].Name == k.Name
		}
		if !found {
			in.Keys = append(in.Keys, k)
		}
	}
}
