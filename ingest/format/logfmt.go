package format

import (
	"bytes"
	"strconv"
	"strings"
)

// decodeLogfmt reads a record of key=value pairs.
func (d *decoding) decodeLogfmt(c *compiled, rec []byte) bool {
	if !startsWithPair(rec) {
		return false
	}
	first := rec
	if i := bytes.IndexByte(rec, '\n'); i >= 0 {
		first = rec[:i]
	}
	// Nothing is copied of a record that is not in the format.
	seen, anyOf := uint32(0), len(c.anyOf) == 0
	for p := (pairScanner{s: bytesAsString(first)}); p.next(); {
		if p.stray {
			return false
		}
		for i := range c.require {
			r := &c.require[i]
			if r.name == p.name && (r.re == nil || r.re.in(p.value(), &d.match)) {
				seen |= 1 << i
			}
		}
		for i := range c.anyOf {
			r := &c.anyOf[i]
			anyOf = anyOf || r.name == p.name && (r.re == nil || r.re.in(p.value(), &d.match))
		}
	}
	if seen != 1<<len(c.require)-1 || !anyOf {
		return false
	}
	d.reset()
	s := string(rec)
	if len(first) < len(rec) {
		d.tail = s[len(first)+1:]
	}
	d.pairs(c, strings.TrimSuffix(s[:len(first)], "\r"))
	return true
}

// startsWithPair says whether a line begins with name=.
func startsWithPair[T string | []byte](line T) bool {
	for i := range len(line) {
		b := line[i]
		switch {
		case b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_' || b == '@':
		case i > 0 && (b >= '0' && b <= '9' || b == '.' || b == '-'):
		case b == '=':
			return i > 0
		default:
			return false
		}
		if i > 64 {
			return false
		}
	}
	return false
}

// A pairScanner reads "a=1 b="two words" c=": values may be quoted, with \ before quotes;
// in single quotes, as Python and Rails write them, only if the closing one ends the value:
// the next pair or nothing comes after it, for they may stand inside too.
type pairScanner struct {
	s     string // what is left
	name  string
	text  string // the value without its quotes
	quote bool   // it was quoted and has escapes
	repr  bool   // the quotes were single ones
	stray bool   // something that is no pair stands here; name and text are empty
}

// next goes to the next pair, or to a stretch that is none; false at the end.
func (p *pairScanner) next() bool {
	i := 0
	for i < len(p.s) && p.s[i] == ' ' {
		i++
	}
	s := p.s[i:]
	if s == "" {
		return false
	}
	p.name, p.text, p.quote, p.repr, p.stray = "", "", false, false, false
	eq := 0
	for eq < len(s) && s[eq] != '=' && s[eq] != ' ' {
		eq++
	}
	if eq == len(s) || s[eq] == ' ' || eq == 0 {
		p.stray = true
		if eq = strings.IndexByte(s, ' '); eq < 0 {
			eq = len(s)
		}
		p.s = s[eq:]
		return true
	}
	p.name, s = s[:eq], s[eq+1:]
	if len(s) == 0 || s[0] != '"' {
		end := 0
		if len(s) > 1 && s[0] == '\'' && p.single(s) {
			return true
		}
		end = skipTo(s, end, ' ', ' ')
		p.text, p.s = s[:end], s[end:]
		return true
	}
	end, escaped := scanString(s, 1)
	if end < 0 {
		p.text, p.s = s[1:], "" // a quote that is never closed ends with the text
		return true
	}
	p.text, p.quote, p.s = s[1:end], escaped, s[end+1:]
	return true
}

// single reads a value in single quotes; false if s does not begin with one.
func (p *pairScanner) single(s string) bool {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
			p.quote = true
		case '\'':
			if i+1 == len(s) || s[i+1] == ' ' && startsWithPair(s[i+2:]) {
				p.text, p.s, p.repr = s[1:i], s[i+1:], true
				return true
			}
		}
	}
	p.quote = false
	return false
}

// value gives the pair's value without escapes.
func (p *pairScanner) value() string {
	if p.quote && p.repr {
		if u, err := strconv.Unquote(`"` + strings.NewReplacer(`\\`, `\\`, `\'`, `'`, `"`, `\"`).Replace(p.text) + `"`); err == nil {
			return u
		}
	}
	if p.quote {
		if u, err := strconv.Unquote(`"` + p.text + `"`); err == nil {
			return u
		}
	}
	return p.text
}

// pairs takes the pairs of s; what stands between them is passed over.
func (d *decoding) pairs(c *compiled, s string) {
	for p := (pairScanner{s: s}); p.next(); {
		if !p.stray {
			d.pair(c, p.name, p.value())
		}
	}
}

func (d *decoding) pair(c *compiled, name, v string) {
	switch t := d.targetOf(c, name); {
	case t == nil:
		if v != "" && v != "-" {
			d.attr(name, v)
			d.traced(v)
		}
	case t.op == opPairs: // no pairs inside pairs
	case t.op == opStatus || t.op == opMethod:
		d.put(c, t, name, v)
	default:
		d.put(c, t, t.name, v)
	}
}
