package format

import (
	"bytes"
	"regexp/syntax"
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
		if !p.may(first) {
			continue
		}
		loc := p.re.FindSubmatchIndex(first)
		if loc == nil {
			continue
		}
		d.reset()
		s := string(rec)
		for g, t := range p.targets {
			if t != nil && loc[2*g] >= 0 {
				d.put(c, t, t.name, s[loc[2*g]:loc[2*g+1]])
			}
		}
		if len(rest) > 0 {
			d.rest(c, s[len(s)-len(rest):])
		}
		return true
	}
	return false
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
		for g, t := range cur.p.targets {
			if t == nil || cur.loc[2*g] < 0 {
				continue
			}
			v := text[cur.loc[2*g]:cur.loc[2*g+1]]
			if cur.loc[2*g+1] == cur.loc[1] {
				v = text[cur.loc[2*g]:] // the last group goes on over the lines that follow
			}
			d.put(c, t, t.name, v)
		}
	}
	for i := 0; i < len(s); {
		end := len(s)
		if j := strings.IndexByte(s[i:], '\n'); j >= 0 {
			end = i + j + 1
		}
		line := trimEOL(s[i:end])
		for _, p := range c.conts {
			if !strings.Contains(line, string(p.must)) {
				continue
			}
			if loc := p.re.FindStringSubmatchIndex(line); loc != nil {
				if i > start || cur.p != nil {
					flush(i)
				}
				start, cur = i, part{p, loc}
				break
			}
		}
		i = end
	}
	flush(len(s))
	d.tail = tail
}

// may says by a glance whether the pattern may match the line.
func (p *pattern) may(line []byte) bool {
	return p.prefix.match(line) && (len(p.must) == 0 || bytes.Contains(line, p.must))
}

// mustOf finds the longest literal that stands in every match of an expression.
func mustOf(expr string) []byte {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	var best []byte
	var walk func(*syntax.Regexp)
	walk = func(re *syntax.Regexp) {
		switch re.Op {
		case syntax.OpLiteral:
			if l := string(re.Rune); re.Flags&syntax.FoldCase == 0 && len(l) > len(best) {
				best = []byte(l)
			}
		case syntax.OpConcat, syntax.OpCapture, syntax.OpPlus:
			for _, s := range re.Sub {
				walk(s)
			}
		}
	}
	walk(re.Simplify())
	return best
}

func trimEOL(s string) string {
	for len(s) > 0 && (s[len(s)-1] == '\n' || s[len(s)-1] == '\r') {
		s = s[:len(s)-1]
	}
	return s
}

// A prefix is what the first bytes of every match of an expression can be. It tells
// most lines that do not match from those that may, without running the expression.
type prefix []*[256]bool

func (p prefix) match(line []byte) bool {
	if len(line) < len(p) {
		return false
	}
	for i, set := range p {
		if !set[line[i]] {
			return false
		}
	}
	return true
}

// decisive says whether the prefix alone tells the beginning of a record.
func (p prefix) decisive() bool { return len(p) >= 15 }

// prefixOf finds the prefix of an expression that begins with ^; nil if it has none.
func prefixOf(expr string) prefix {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	w := &prefixWalk{}
	w.walk(re.Simplify())
	if !w.anchored {
		return nil
	}
	return w.out
}

type prefixWalk struct {
	out      prefix
	anchored bool
}

// walk adds what re begins with; false if what follows re cannot be told.
func (w *prefixWalk) walk(re *syntax.Regexp) bool {
	if len(w.out) >= 64 {
		return false
	}
	switch re.Op {
	case syntax.OpEmptyMatch:
		return true
	case syntax.OpBeginText:
		w.anchored = true
		return len(w.out) == 0
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if r > 127 || re.Flags&syntax.FoldCase != 0 || !w.anchored {
				return false
			}
			var set [256]bool
			set[r] = true
			w.out = append(w.out, &set)
		}
		return true
	case syntax.OpCharClass:
		if !w.anchored {
			return false
		}
		var set [256]bool
		wide := false
		for i := 0; i+1 < len(re.Rune); i += 2 {
			for r := re.Rune[i]; r <= re.Rune[i+1] && r < 128; r++ {
				set[r] = true
			}
			if re.Rune[i+1] > 127 {
				wide = true
			}
		}
		if wide {
			for b := 128; b < 256; b++ {
				set[b] = true
			}
		}
		w.out = append(w.out, &set)
		return !wide // a rune beyond ASCII has several bytes
	case syntax.OpCapture:
		return w.walk(re.Sub[0])
	case syntax.OpConcat:
		for _, s := range re.Sub {
			if !w.walk(s) {
				return false
			}
		}
		return true
	case syntax.OpPlus:
		w.walk(re.Sub[0])
		return false
	}
	return false
}
