package format

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The marks stand in a JSON text for a variable.
const (
	markOpen  = '\ue000'
	markClose = '\ue001'
)

// jsonLeaves reads the parts as a JSON object; ok is false if they are none.
func jsonLeaves(parts []part) (leaves []leaf, ok bool) {
	var b strings.Builder
	inString, escaped := false, false
	for i := range parts {
		if parts[i].isVar {
			mark := fmt.Sprintf("%c%d%c", markOpen, i, markClose)
			if !inString {
				mark = strconv.Quote(mark)
			}
			b.WriteString(mark)
			continue
		}
		for _, c := range parts[i].lit {
			switch {
			case escaped:
				escaped = false
			case c == '\\':
				escaped = true
			case c == '"':
				inString = !inString
			}
			b.WriteRune(c)
		}
	}
	dec := json.NewDecoder(strings.NewReader(b.String()))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	if err := readObject(dec, "", parts, &leaves, 0); err != nil {
		return nil, false
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, false
	}
	return leaves, true
}

func readObject(dec *json.Decoder, path string, parts []part, out *[]leaf, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("the object nests too deep")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		name := path + fmt.Sprint(key)
		if err := readValue(dec, name, parts, out, depth); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

func readValue(dec *json.Decoder, name string, parts []part, out *[]leaf, depth int) error {
	v, err := dec.Token()
	if err != nil {
		return err
	}
	switch v {
	case json.Delim('{'):
		return readObject(dec, name+".", parts, out, depth+1)
	case json.Delim('['):
		for dec.More() {
			var skip json.RawMessage // a list is kept as its text
			if err := dec.Decode(&skip); err != nil {
				return err
			}
		}
		_, err := dec.Token()
		return err
	}
	*out = append(*out, leaf{name, unmark(fmt.Sprint(v), parts)})
	return nil
}

// unmark puts the variables back in the place of their marks.
func unmark(s string, parts []part) []part {
	var out []part
	for s != "" {
		i := strings.IndexRune(s, markOpen)
		if i < 0 {
			return append(out, part{lit: s})
		}
		if i > 0 {
			out = append(out, part{lit: s[:i]})
		}
		s = s[i+len(string(markOpen)):]
		num, rest, _ := strings.Cut(s, string(markClose))
		n, err := strconv.Atoi(num)
		if err != nil || n < 0 || n >= len(parts) {
			return append(out, part{lit: s})
		}
		out = append(out, parts[n])
		s = rest
	}
	return out
}

// json makes the format of a string whose lines are JSON objects. parts is the whole
// string, nil if the server itself writes the JSON.
func (b *nativeBuilder) json(name string, leaves []leaf, parts []part) (*Understood, error) {
	var all []*slot
	names := map[*slot][]string{} // what stands before the value in the bytes of a record
	for i := range leaves {
		l := &leaves[i]
		for j := range l.parts {
			if !l.parts[j].isVar {
				continue
			}
			s := &slot{p: &l.parts[j], label: l.path}
			if j > 0 {
				s.lit = l.parts[j-1].lit
			} else {
				key := l.path[strings.LastIndexByte(l.path, '.')+1:]
				for _, sep := range []string{`":`, `": `, `":"`, `": "`} {
					names[s] = append(names[s], key+sep)
				}
			}
			if t := alone(l.parts); t != nil {
				s.path = l.path
				s.p.time = t.time
			}
			all = append(all, s)
		}
	}
	b.assign(all)
	u := b.understood(name, all)
	sp := b.spec(all)
	sp.Decoder = "json"
	sp.Require = map[string]string{}
	n := 0
	for i := range leaves {
		l := &leaves[i]
		var own []*slot
		for _, p := range l.parts {
			if p.isVar {
				own = append(own, all[n])
				n++
			}
		}
		if len(own) == 0 {
			if len(l.parts) > 0 && len(sp.Require) < 30 {
				sp.Require[l.path] = "^" + regexp.QuoteMeta(l.parts[0].lit) + "$"
			}
			continue
		}
		b.leaf(sp, l, own)
		if len(sp.Require) < 30 && (parts != nil || own[0].isTime) {
			sp.Require[l.path] = ""
		}
	}
	b.failed(sp, all, names)
	if sp.Stream == "" {
		sp.Stream = name // lines of both formats stand in it
	}
	f, err := b.d.compile(name, sp)
	if err != nil {
		return nil, err
	}
	u.Formats = []*Format{f}
	if parts != nil && (b.d.spec.JSON != "always" || bare(parts)) {
		// A missing value can stand there as a bare -, or an escape be none of JSON's.
		lines := *sp
		lines.Decoder, lines.Require, lines.Extract = "regexp", nil, b.d.spec.Format.Extract
		lines.Time.Field = nil
		lines.Fields = b.spec(nil).Fields
		flat := slots(parts)
		for _, s := range flat {
			i := slices.IndexFunc(all, func(x *slot) bool { return x.p.index == s.p.index })
			if i < 0 { // in a list, or in a name
				s.targets = []string{"-"}
				s.isTime, s.dropped = s.p.time != nil, "it stands in a list"
				continue
			}
			*s = slot{p: s.p, lit: s.lit, targets: all[i].targets, isTime: all[i].isTime, dropped: all[i].dropped, known: all[i].known, other: all[i].other}
		}
		lines.Pattern = list{b.pattern(parts, flat, &lines, false)}
		if g, err := b.d.compile(name, &lines); err == nil {
			u.Formats = append(u.Formats, g)
		}
	}
	u.Notes = append(u.Notes, b.notes...)
	return u, nil
}

// alone gives the variable that fills a value by itself, a time with what stands
// around it.
func alone(parts []part) *part {
	switch {
	case len(parts) == 1 && parts[0].isVar:
		return &parts[0]
	case len(parts) == 2 && parts[0].isVar != parts[1].isVar, len(parts) == 3 && !parts[0].isVar && parts[1].isVar && !parts[2].isVar:
		before, after, p := "", "", parts[0]
		if !p.isVar {
			before, p = p.lit, parts[1]
		}
		if !parts[len(parts)-1].isVar {
			after = parts[len(parts)-1].lit
		}
		if p.time == nil {
			return nil
		}
		if t := p.time.bracketed(before, after); t != nil {
			p.time = t
			return &p
		}
	}
	return nil
}

// bare says whether a variable stands outside of quotes.
func bare(parts []part) bool {
	for i := range parts {
		if parts[i].isVar && (i == 0 || parts[i-1].isVar || !strings.HasSuffix(parts[i-1].lit, `"`)) {
			return true
		}
	}
	return false
}

// leaf enters one value of the object.
func (b *nativeBuilder) leaf(sp *spec, l *leaf, own []*slot) {
	if s := own[0]; len(own) == 1 && s.path != "" {
		switch {
		case s.isTime && s.dropped == "":
			sp.Time.Field = list{l.path}
		case s.isTime:
			sp.Fields[l.path] = "-"
		case !s.known && len(s.targets) > 1:
			// It keeps the name that it has in the record.
			sp.Fields[l.path] = l.path
			name := fmt.Sprintf("x%d", len(sp.Extract))
			sp.Fields[name] = "captured"
			sp.Extract = append(slices.Clone(sp.Extract), extractSpec{From: list{l.path}, Pattern: list{"^(?P<" + name + ">.*)$"}})
		case len(shapeFields(b.shape(s))) > 0 || len(s.targets) > 1:
			b.inside(sp, l, own)
		default:
			sp.Fields[l.path] = s.targets[0]
		}
		return
	}
	for _, s := range own {
		if s.isTime && s.dropped == "" {
			s.dropped = "other text stands beside it"
			b.notes = append(b.notes, "the stamp in "+l.path+" stands beside other text and is not read")
		}
	}
	b.inside(sp, l, own)
}

// inside reads the parts of a value that holds more than one.
func (b *nativeBuilder) inside(sp *spec, l *leaf, own []*slot) {
	attr := "native." + l.path
	sp.Fields[l.path] = attr
	copies := make([]*slot, len(own))
	parts := l.parts
	for i, s := range own {
		c := *s
		copies[i] = &c
	}
	sub := *b
	d := *b.d
	ds := *d.spec
	ds.Head, ds.Tail = "", ""
	d.spec = &ds
	sub.d = &d
	inner := &spec{Fields: sp.Fields}
	prefix := fmt.Sprintf("x%d", len(sp.Extract))
	before := map[string]bool{}
	for k := range sp.Fields {
		before[k] = true
	}
	expr := sub.pattern(parts, copies, inner, false)
	expr = strings.ReplaceAll(expr, "(?P<v", "(?P<"+prefix+"v")
	for k, to := range sp.Fields {
		if !before[k] && strings.HasPrefix(k, "v") {
			delete(sp.Fields, k)
			sp.Fields[prefix+k] = to
		}
	}
	sp.Extract = append(slices.Clone(sp.Extract), extractSpec{From: list{attr}, Pattern: list{expr}})
}
