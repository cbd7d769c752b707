package format

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// maxWrappers bounds how deep wrappers are peeled.
const maxWrappers = 3

// A wrapper says how a record of another format stands inside one of this.
type wrapper struct {
	field                      string
	stream                     []string
	newline                    bool // a text that does not end in a newline goes on in the next record
	partialField, partialValue string
	json                       bool // the inner record is a JSON string
	whole                      bool // the inner record is the body of the wrapper's own event
}

// peeled is one line without its wrapper.
type peeled struct {
	inner   []byte
	stream  uint64 // whose line it is
	partial bool   // the inner line goes on in the next record of its stream
}

// peel takes the wrapper off one line. The bytes are valid until the next call.
func (d *decoding) peel(c *compiled, line []byte) (peeled, bool) {
	w := c.wraps
	var p peeled
	p.stream = 14695981039346656037
	mix := func(b []byte) {
		for _, x := range b {
			p.stream = (p.stream ^ uint64(x)) * 1099511628211
		}
		p.stream = (p.stream ^ 0xff) * 1099511628211
	}
	switch c.decoder {
	case jsonDecoder:
		if len(line) == 0 || line[0] != '{' {
			return p, false
		}
		v, err := d.json.ParseBytes(line)
		if err != nil || !v.Exists(w.field) {
			return p, false
		}
		p.inner = v.GetStringBytes(w.field)
		for _, s := range w.stream {
			mix(v.GetStringBytes(s))
		}
		if w.partialField != "" {
			p.partial = string(v.GetStringBytes(w.partialField)) == w.partialValue
		}
	default:
		var loc []int
		var q *pattern
		for _, q = range c.patterns {
			if q.may(line) {
				if loc = q.re.FindSubmatchIndex(line); loc != nil {
					break
				}
			}
		}
		if loc == nil {
			return p, false
		}
		group := func(name string) []byte {
			if i := q.re.SubexpIndex(name); i >= 0 && loc[2*i] >= 0 {
				return line[loc[2*i]:loc[2*i+1]]
			}
			return nil
		}
		p.inner = group(w.field)
		for _, s := range w.stream {
			mix(group(s))
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
	p.inner = bytes.TrimSuffix(p.inner, []byte("\r"))
	return p, true
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
	buf := r.inner[level][:0]
	joined := true // nothing to part the next line from
	for n := 0; len(rec) > 0; n++ {
		line := rec
		if i := bytes.IndexByte(rec, '\n'); i >= 0 {
			line, rec = rec[:i], rec[i+1:]
		} else {
			rec = nil
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		p, ok := r.dec[level].peel(c, line)
		if !ok {
			if n == 0 {
				return nil, false
			}
			p = peeled{inner: line}
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
	} else if !out.Time.IsZero() {
		in.Attrs.Set("observed_timestamp", out.Time.Format(time.RFC3339Nano))
	}
	if in.Service == "" && out.Service != in.System {
		in.Service = out.Service // a tag that only repeats the software names no service
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
