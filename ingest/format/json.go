package format

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/correlatehq/correlate/timeline"
)

const (
	// maxDepth bounds the nesting of objects whose fields are read one by one; what is
	// deeper is kept as text.
	maxDepth = 6
	// maxJSONDepth bounds nesting at all; beyond it a record is no JSON.
	maxJSONDepth = 512
	// maxJSONName bounds the name of a field with those of the objects around it.
	maxJSONName = 512
)

// A jsonField is one value of an object, with the names of the objects around it: the
// dots of {"a":{"b":1}} make "a.b".
type jsonField struct {
	path       string
	start, end int // of the value's text in the record: without the quotes of a string
	kind       jsonKind

	slot  uint8 // nameSlot of path
	base  int   // where in path its own name begins
	plain bool  // which is written without escapes

	// The target of path in a format: records of a stream have like fields in like
	// order, so what was looked up for the last one is right for most.
	by     *compiled
	target *target
}

type jsonKind uint8

const (
	jsonPlain   jsonKind = iota // a string as it stands
	jsonEscaped                 // a string with escapes
	jsonOther                   // a number, true, false, an array, an object that lies too deep
)

// A jsonScanner finds the fields of a JSON object (RFC 8259) without copying any. It
// reads no values: that is done for those that are wanted. Control characters inside of
// strings are let pass, as some writers leave them.
type jsonScanner struct {
	fields []jsonField // of the record at hand; beyond its length those of earlier ones
	names  map[string]string
	path   []byte
	s      string
}

// scan reads one object, with nothing but white space around it. The fields hold until
// the next call.
func (j *jsonScanner) scan(s string) bool {
	j.fields, j.path, j.s = j.fields[:0], j.path[:0], s
	i := skipSpace(s, 0)
	if i == len(s) || s[i] != '{' {
		return false
	}
	i = j.object(i+1, 0)
	return i >= 0 && skipSpace(s, i) == len(s) && len(j.fields) > 0
}

func skipSpace(s string, i int) int {
	if i < len(s) && s[i] > ' ' {
		return i // as it mostly is
	}
	return skipSpaces(s, i)
}

func skipSpaces(s string, i int) int {
	for i < len(s) && s[i] <= ' ' && (s[i] == ' ' || s[i] == '\n' || s[i] == '\r' || s[i] == '\t') {
		i++
	}
	return i
}

// object reads the members of an object from the place after its brace on. It gives the
// place after the closing one, -1 if this is no JSON.
func (j *jsonScanner) object(i, depth int) int {
	s := j.s
	base := len(j.path)
	i = skipSpace(s, i)
	if i < len(s) && s[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(s) || s[i] != '"' {
			return -1
		}
		start := i + 1
		end, told := j.sameName(start, base), nameSame
		if end < 0 {
			var escaped bool
			if end, escaped = scanString(s, start); end < 0 {
				return -1
			}
			told = namePlain
			if escaped {
				told = nameEscaped
			}
		}
		name := s[start:end]
		if told == nameEscaped {
			name = unescape(name)
		}
		i = skipSpace(s, end+1)
		if i >= len(s) || s[i] != ':' {
			return -1
		}
		i = skipSpace(s, i+1)
		if i >= len(s) {
			return -1
		}
		named := base+len(name) <= maxJSONName
		switch s[i] {
		case '"':
			start := i + 1
			end, escaped := scanString(s, start)
			if end < 0 {
				return -1
			}
			if named {
				kind := jsonPlain
				if escaped {
					kind = jsonEscaped
				}
				j.add(base, name, told, start, end, kind)
			}
			i = end + 1
		case '{':
			if depth < maxDepth && named {
				j.path = append(append(j.path[:base], name...), '.')
				if i = j.object(i+1, depth+1); i < 0 {
					return -1
				}
				break
			}
			fallthrough
		default:
			start := i
			if i = skipValue(s, i, depth+1); i < 0 {
				return -1
			}
			if !named || s[start] == 'n' {
				break
			}
			if s[start] == '[' {
				if a, b, kind, ok := onlyString(s[start:i]); ok {
					j.add(base, name, told, start+a, start+b, kind)
					break
				}
			}
			j.add(base, name, told, start, i, jsonOther)
		}
		i = skipSpace(s, i)
		if i >= len(s) {
			return -1
		}
		switch s[i] {
		case ',':
			i = skipSpace(s, i+1)
		case '}':
			j.path = j.path[:base]
			return i + 1
		default:
			return -1
		}
	}
}

// onlyString finds the one string of an array that holds nothing else, as headers are
// written by those who know that a header may come twice.
func onlyString(s string) (start, end int, kind jsonKind, ok bool) {
	i := skipSpace(s, 1)
	if s[i] != '"' {
		return 0, 0, 0, false
	}
	end, escaped := scanString(s, i+1)
	if s[skipSpace(s, end+1)] != ']' {
		return 0, 0, 0, false
	}
	if escaped {
		return i + 1, end, jsonEscaped, true
	}
	return i + 1, end, jsonPlain, true
}

// sameName gives the end of the name that begins at i if it is that of the field that stood in this place of the last record, as mostly
// it is; else -1. base is the length of the names of the objects around it.
func (j *jsonScanner) sameName(i, base int) int {
	n := len(j.fields)
	if n == cap(j.fields) {
		return -1
	}
	f := &j.fields[:n+1][n]
	if !f.plain || f.base != base {
		return -1
	}
	name := f.path[base:]
	if end := i + len(name); end < len(j.s) && j.s[end] == '"' && j.s[i:end] == name {
		return end
	}
	return -1
}

// nameTold is what is known of a field's name.
type nameTold uint8

const (
	nameEscaped nameTold = iota // it was written with escapes
	namePlain                   // without
	nameSame                    // sameName found it
)

// add takes the value of a field; the names of the objects around it are j.path[:base].
func (j *jsonScanner) add(base int, name string, told nameTold, start, end int, kind jsonKind) {
	n := len(j.fields)
	if n < cap(j.fields) {
		j.fields = j.fields[:n+1]
	} else {
		j.fields = append(j.fields, jsonField{})
	}
	f := &j.fields[n]
	f.start, f.end, f.kind = start, end, kind
	same := told == nameSame || f.plain == (told == namePlain) && len(f.path) == base+len(name) && f.path[base:] == name
	if !same || base > 0 && f.path[:base] != string(j.path[:base]) {
		j.path = append(j.path[:base], name...)
		f.path, f.by, f.target = j.name(), nil, nil
		f.slot, f.base, f.plain = nameSlot(f.path), base, told != nameEscaped
	}
}

// name gives j.path as a string that lasts. The names of a stream's fields are few; a
// stream that makes them up is not let to fill memory.
func (j *jsonScanner) name() string {
	if n, ok := j.names[string(j.path)]; ok {
		return n
	}
	if j.names == nil || len(j.names) >= 4096 {
		j.names = map[string]string{}
	}
	n := string(j.path)
	j.names[n] = n
	return n
}

// scanString gives the place of the quote that ends the string whose text begins at i,
// -1 if there is none.
func scanString(s string, i int) (end int, escaped bool) {
	for near := i + 32; ; {
		switch {
		case i+8 > len(s):
			for i < len(s) && s[i] != '"' && s[i] != '\\' {
				i++
			}
		case i >= near:
			i = skipFar(s, i, '"', '\\')
			near = i + 32
		default:
			w := binary.LittleEndian.Uint64(bytesOf(s[i : i+8]))
			x, y := w^ones*'"', w^ones*'\\'
			hit := (x-ones)&^x&highs | (y-ones)&^y&highs
			if hit == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(hit) / 8
		}
		if i >= len(s) {
			return -1, escaped
		}
		if s[i] == '"' {
			return i, escaped
		}
		escaped = true
		i += 2
	}
}

// skipValue gives the place after the value at i, -1 if it is none.
func skipValue(s string, i, depth int) int {
	if depth > maxJSONDepth || i >= len(s) {
		return -1
	}
	switch c := s[i]; c {
	case '"':
		end, _ := scanString(s, i+1)
		if end < 0 {
			return -1
		}
		return end + 1
	case '{', '[':
		closing := c + 2 // ']' and '}' in ASCII
		i = skipSpace(s, i+1)
		if i < len(s) && s[i] == closing {
			return i + 1
		}
		for {
			if c == '{' {
				if i >= len(s) || s[i] != '"' {
					return -1
				}
				end, _ := scanString(s, i+1)
				if end < 0 {
					return -1
				}
				if i = skipSpace(s, end+1); i >= len(s) || s[i] != ':' {
					return -1
				}
				i = skipSpace(s, i+1)
			}
			if i = skipValue(s, i, depth+1); i < 0 {
				return -1
			}
			i = skipSpace(s, i)
			if i >= len(s) {
				return -1
			}
			if s[i] == closing {
				return i + 1
			}
			if s[i] != ',' {
				return -1
			}
			i = skipSpace(s, i+1)
		}
	case 't':
		return literal(s, i, "true")
	case 'f':
		return literal(s, i, "false")
	case 'n':
		return literal(s, i, "null")
	}
	return skipNumber(s, i)
}

func literal(s string, i int, word string) int {
	if strings.HasPrefix(s[i:], word) {
		return i + len(word)
	}
	return -1
}

func skipNumber(s string, i int) int {
	if i < len(s) && s[i] == '-' {
		i++
	}
	zero := i < len(s) && s[i] == '0'
	start := i
	if i = skipDigits(s, i); i == start {
		// A template that was to be a number has a bare dash for what is not known.
		if start > 0 && s[start-1] == '-' && i < len(s) && (s[i] == ',' || s[i] == '}' || s[i] == ' ') {
			return i
		}
		return -1
	}
	if zero && i > start+1 {
		return -1
	}
	if i < len(s) && s[i] == '.' {
		from := i + 1
		if i = skipDigits(s, from); i == from {
			return -1
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		from := i + 1
		if from < len(s) && (s[from] == '+' || s[from] == '-') {
			from++
		}
		if i = skipDigits(s, from); i == from {
			return -1
		}
	}
	return i
}

// skipDigits gives the first place from i on that is no digit's.
func skipDigits(s string, i int) int {
	for i < len(s) && s[i]-'0' <= 9 {
		i++
	}
	return i
}

// unescape reads the escapes of a JSON string. What is no escape is left as it is.
func unescape(s string) string {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for {
		b = append(b, s[:i]...)
		s = s[i:]
		if len(s) < 2 {
			break
		}
		n := 2
		switch s[1] {
		case '"', '\\', '/':
			b = append(b, s[1])
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r, ok := hex4(s, 2)
			if !ok {
				b = append(b, s[:2]...)
				break
			}
			n = 6
			if utf16.IsSurrogate(r) {
				if low, ok := hex4(s, 8); ok && s[6] == '\\' && s[7] == 'u' {
					if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
						r, n = both, 12
					}
				}
			}
			b = utf8.AppendRune(b, r)
		default:
			b = append(b, s[:2]...)
		}
		s = s[n:]
		if i = strings.IndexByte(s, '\\'); i < 0 {
			break
		}
	}
	b = append(b, s...)
	return bytesAsString(b)
}

func hex4(s string, i int) (rune, bool) {
	if i+4 > len(s) {
		return 0, false
	}
	var r rune
	for _, c := range []byte(s[i : i+4]) {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// value gives the text of a field; s is what was scanned, or a copy of it.
func (f *jsonField) value(s string) string {
	v := s[f.start:f.end]
	if f.kind == jsonEscaped {
		return unescape(v)
	}
	return v
}

// decodeJSON reads a record that is one JSON object.
func (d *decoding) decodeJSON(c *compiled, rec []byte) bool {
	return d.json.scan(bytesAsString(rec)) && d.fromJSON(c, rec)
}

// fromJSON reads the record that was scanned last, if it has the fields that the format
// requires.
func (d *decoding) fromJSON(c *compiled, rec []byte) bool {
	if !d.hasRequired(c, bytesAsString(rec)) {
		return false
	}
	d.reset()
	d.jsonFields(c, &d.json, string(rec))
	return true
}

// jsonTail reads an object that stands in a record of another decoder, or as text in an
// object. What is no object is kept as text.
func (d *decoding) jsonTail(c *compiled, v string) {
	if d.inTail {
		return // one inside of it
	}
	j := &d.tailJSON // the fields of the record itself may be being read
	if !j.scan(v) {
		d.attr("json", v)
		return
	}
	d.inTail = true
	d.jsonFields(c, j, v)
	d.inTail = false
}

// jsonFields puts the fields of s, which j scanned last.
func (d *decoding) jsonFields(c *compiled, j *jsonScanner, s string) {
	for i := range j.fields {
		f := &j.fields[i]
		if f.by != c {
			f.by, f.target = c, c.targetOf(f.path)
		}
		switch t := f.target; {
		case t == nil:
			if f.start < f.end && f.path != "" {
				v := f.value(s)
				d.attrAt(f.path, f.slot, v)
				d.traced(v)
			}
		case t.op == opDrop:
		case t.op == opStatus || t.op == opMethod:
			d.put(c, t, f.path, f.value(s))
		default:
			d.put(c, t, t.name, f.value(s))
		}
	}
}

// stackLines gives the text of a stack trace that is written as an array of its lines.
// Python's has neither head nor error then: they stand in fields of their own.
func stackLines(s string, x timeline.Exception) string {
	if strings.HasPrefix(s, "[") {
		s = joinStrings(s)
	}
	if strings.HasPrefix(s, "  File \"") {
		s = pythonHead + "\n" + strings.TrimSuffix(s, "\n")
		if x.Type != "" {
			s += "\n" + x.Type + ": " + x.Message
		}
	}
	return s
}

// joinStrings gives the strings of an array as lines; what is no such array stays.
func joinStrings(s string) string {
	var b strings.Builder
	for i := skipSpace(s, 1); i < len(s) && s[i] == '"'; i = skipSpace(s, i+1) {
		end, escaped := scanString(s, i+1)
		if end < 0 {
			return s
		}
		line := s[i+1 : end]
		if escaped {
			line = unescape(line)
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(strings.TrimSuffix(line, "\n"))
		if i = skipSpace(s, end+1); i == len(s) || s[i] != ',' {
			break
		}
	}
	if b.Len() == 0 {
		return s
	}
	return b.String()
}

// A nameSet is a set of names of fields, of each no more than a bit.
type nameSet uint64

func (n *nameSet) add(name string) {
	if name != "" {
		*n |= 1 << ((uint(name[0])*7 + uint(name[len(name)-1])*13 + uint(len(name))*3) % 64)
	}
}

// fieldNames gives those of the fields of the record that was scanned last.
func (j *jsonScanner) fieldNames() nameSet {
	var n nameSet
	for i := range j.fields {
		n.add(j.fields[i].path)
	}
	return n
}

// lacksRequired says of a record with these names, by a glance, that it is none of the format.
func (c *compiled) lacksRequired(names nameSet) bool {
	return c.needs&^names != 0 || c.needsAny != 0 && c.needsAny&names == 0
}

// hasRequired says whether the scanned record has the fields that the format requires.
func (d *decoding) hasRequired(c *compiled, s string) bool {
next:
	for i := range c.require {
		r := &c.require[i]
		if r.re == nil && d.guessed(i, r.name) != nil {
			continue
		}
		for k := range d.json.fields {
			if f := &d.json.fields[k]; f.path == r.name {
				if r.re != nil && !r.re.in(f.value(s), &d.match) {
					return false
				}
				d.places[i%len(d.places)] = k
				continue next
			}
		}
		return false
	}
	if len(c.spec.Lacks) > 0 {
		for k := range d.json.fields {
			if slices.Contains(c.spec.Lacks, d.json.fields[k].path) {
				return false
			}
		}
	}
	if len(c.anyOf) == 0 {
		return true
	}
	for i := range c.anyOf {
		r := &c.anyOf[i]
		if f := d.guessed(len(c.require)+i, r.name); f != nil && (r.re == nil || r.re.in(f.value(s), &d.match)) {
			return true
		}
	}
	for i := range c.anyOf {
		r := &c.anyOf[i]
		for k := range d.json.fields {
			if f := &d.json.fields[k]; f.path == r.name && (r.re == nil || r.re.in(f.value(s), &d.match)) {
				d.places[(len(c.require)+i)%len(d.places)] = k
				return true
			}
		}
	}
	return false
}

// guessed gives the field of this name if it stands where that of requirement i stood in the last record; nil if not.
func (d *decoding) guessed(i int, name string) *jsonField {
	if k := d.places[i%len(d.places)]; k < len(d.json.fields) && d.json.fields[k].path == name {
		return &d.json.fields[k]
	}
	return nil
}
