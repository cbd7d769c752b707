package format

import (
	"bytes"
	"slices"
	"strings"
)

// decodeRegexp reads a record whose first line is in one of the format's patterns.
func (d *decoding) decodeRegexp(c *compiled, rec []byte) bool {
	first, rest := rec, []byte(nil)
	if i := bytes.IndexByte(rec, '\n'); i >= 0 {
		first, rest = rec[:i], rec[i+1:]
		first = bytes.TrimSuffix(first, []byte("\r"))
	}
	for _, p := range c.patterns {
		loc := p.re.find(bytesAsString(first), &d.match)
		if loc == nil {
			continue
		}
		d.reset()
		s := string(rec)
		d.own = s
		d.putAll(c, p, loc, s)
		if len(rest) > 0 {
			d.rest(c, s[len(s)-len(rest):])
		}
		return true
	}
	return false
}

// putAll puts the groups of p, which matched in s at loc.
func (d *decoding) putAll(c *compiled, p *pattern, loc []int, s string) {
	for _, g := range p.groups() {
		from := loc[g.at]
		if from < 0 {
			continue
		}
		t, v := g.target, s[from:loc[g.at+1]]
		switch {
		case t.op != opAttr:
			d.put(c, t, t.name, v)
		case len(v) > 1 || v != "" && v[0] != '-':
			d.attrAt(t.name, t.slot, v)
		}
	}
}

// rest reads the lines after the first: stretches that the format's continuations
// begin, and before them the tail of the record itself.
func (d *decoding) rest(c *compiled, s string) {
	if len(c.conts) == 0 {
		d.tail = s
		return
	}
	type part struct {
		p   *pattern
		loc []int
	}
	tail, cur := "", part{}
	start := 0
	flush := func(end int) {
		text := trimEOL(s[start:end])
		if cur.p == nil {
			tail = text
			return
		}
		for _, g := range cur.p.groups() {
			from, to := cur.loc[g.at], cur.loc[g.at+1]
			if from < 0 {
				continue
			}
			v := text[from:to]
			if to == cur.loc[1] {
				// The last group goes on over the lines that follow.
				v = strings.TrimPrefix(text[from:], "\n")
			}
			d.put(c, g.target, g.target.name, v)
		}
	}
	for i := 0; i < len(s); {
		end := len(s)
		if j := strings.IndexByte(s[i:], '\n'); j >= 0 {
			end = i + j + 1
		}
		line := trimEOL(s[i:end])
		for _, p := range c.conts {
			if len(p.re.names) == 1 {
				continue // it says that the line is no beginning, and no more
			}
			if loc := p.re.find(line, &d.match); loc != nil {
				if i > start || cur.p != nil {
					flush(i)
				}
				start, cur = i, part{p, slices.Clone(loc)}
				break
			}
		}
		i = end
	}
	flush(len(s))
	d.tail = tail
}

// looksLike says by its first bytes that a line begins a record of the pattern.
func (p *pattern) looksLike(line []byte) bool {
	if p.re.never(bytesAsString(line)) {
		return false
	}
	prefix := p.prefix()
	return prefix.decisive() && prefix.match(line)
}

func trimEOL(s string) string {
	for len(s) > 0 && (s[len(s)-1] == '\n' || s[len(s)-1] == '\r') {
		s = s[:len(s)-1]
	}
	return s
}
