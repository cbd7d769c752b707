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
	d.reset()
	if bytes.IndexByte(rec, '\n') >= 0 {
		var rest []byte
		rec, rest, _ = bytes.Cut(rec, []byte("\n"))
		d.tail = string(rest)
	}
	if !d.pairs(c, string(rec)) {
		return false
	}
	return d.hasRequired(c)
}

// startsWithPair says whether a line begins with name=.
func startsWithPair(line []byte) bool {
	for i, b := range line {
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

// pairs reads "a=1 b="two words" c=": values may be quoted with \ before quotes. It
// is false if something that is no pair stands between them.
func (d *decoding) pairs(c *compiled, s string) bool {
	clean := true
	for {
		s = strings.TrimLeft(s, " ")
		if s == "" {
			return clean
		}
		eq := strings.IndexAny(s, "= ")
		if eq < 0 || s[eq] == ' ' || eq == 0 {
			clean = false
			sp := strings.IndexByte(s, ' ')
			if sp < 0 {
				return false
			}
			s = s[sp:]
			continue
		}
		name, v := s[:eq], ""
		s = s[eq+1:]
		if len(s) > 0 && s[0] == '"' {
			v, s = unquote(s)
		} else {
			sp := strings.IndexByte(s, ' ')
			if sp < 0 {
				sp = len(s)
			}
			v, s = s[:sp], s[sp:]
		}
		d.pair(c, name, v)
	}
}

func (d *decoding) pair(c *compiled, name, v string) {
	if len(c.require) > 0 {
		d.required(c, []byte(name), v)
	}
	t := c.table[name]
	if t == nil {
		t = aliases[name]
	}
	switch {
	case t == nil:
		if v != "" && v != "-" {
			d.attr(name, v)
		}
	case t.op == opPairs: // no pairs inside pairs
	case t.op == opStatus || t.op == opMethod:
		d.put(c, t, name, v)
	default:
		d.put(c, t, t.name, v)
	}
}

// unquote reads a quoted value at the start of s and gives what follows it. A quote
// that is never closed ends with the text.
func unquote(s string) (v, rest string) {
	escaped := false
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			v, rest = s[1:i], s[i+1:]
			if escaped {
				if u, err := strconv.Unquote(s[:i+1]); err == nil {
					v = u
				}
			}
			return v, rest
		}
	}
	return s[1:], ""
}
