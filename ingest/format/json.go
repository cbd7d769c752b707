package format

import (
	"github.com/valyala/fastjson"
)

// maxDepth bounds the nesting of objects whose fields are read one by one; what is
// deeper is kept as text.
const maxDepth = 6

// decodeJSON reads a record that is one JSON object.
func (d *decoding) decodeJSON(c *compiled, rec []byte) bool {
	i := 0
	for i < len(rec) && (rec[i] == ' ' || rec[i] == '\t' || rec[i] == '\r') {
		i++
	}
	if i == len(rec) || rec[i] != '{' {
		return false
	}
	v, err := d.json.ParseBytes(rec[i:])
	if err != nil {
		return false
	}
	o, err := v.Object()
	if err != nil || o.Len() == 0 {
		return false
	}
	d.reset()
	d.arena = make([]byte, 0, len(rec))
	d.path = d.path[:0]
	d.object(c, o, 0)
	return d.hasRequired(c)
}

func (d *decoding) object(c *compiled, o *fastjson.Object, depth int) {
	base := len(d.path)
	o.Visit(func(key []byte, v *fastjson.Value) {
		if base+len(key) > 512 {
			return
		}
		d.path = append(d.path[:base], key...)
		switch v.Type() {
		case fastjson.TypeNull:
			return
		case fastjson.TypeObject:
			if depth < maxDepth {
				d.path = append(d.path, '.')
				sub, _ := v.Object()
				d.object(c, sub, depth+1)
				return
			}
		}
		var s string
		if v.Type() == fastjson.TypeString {
			b, _ := v.StringBytes()
			s = d.own(b)
		} else {
			n := len(d.path)
			d.path = v.MarshalTo(d.path)
			s = d.own(d.path[n:])
			d.path = d.path[:n]
		}
		if len(c.require) > 0 {
			d.required(c, d.path, s)
		}
		if t := c.targetOf(d.path); t != nil {
			name := t.name
			if t.op == opStatus || t.op == opMethod {
				name = d.own(d.path)
			}
			d.put(c, t, name, s)
		} else if s != "" && d.attrs < maxAttrs {
			d.attr(d.own(d.path), s)
		}
	})
	d.path = d.path[:base]
}
