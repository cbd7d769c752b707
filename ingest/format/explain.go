package format

import (
	"bytes"
	"cmp"
	"slices"
	"time"
)

// Evidence says why a stream is held to be in a format, or its records inside a wrapper.
type Evidence struct {
	Format   *Format
	Lines    int      // of the head that were looked at, but for those that only go on with a record
	Read     int      // of them
	Requires []string // fields that every record must have
	// Next are the formats that read most of the rest of all, or as many: whether they
	// are more general or more special too.
	Next []Candidate
}

// maxNext bounds the formats that Evidence names beside the one found.
const maxNext = 3

// Explain tells for the head of a stream that was found to be in f, and for each of the
// wrappers, what speaks for it and what would come next.
func (s *Set) Explain(head []byte, f *Format) []Evidence {
	o := &Options{Reference: time.Now()}
	lines := sample(bytes.TrimPrefix(whole(head), bom))
	if c := routeOf(f); c.wrap == nil && c.main != nil && c.main.paths != nil && isDocument(head, c.main.paths) {
		lines = splitHead(head, c.main.paths).elements
	}
	chain := append(slices.Clone(f.outer), f.c)
	var out []Evidence
	for _, c := range chain {
		e := s.evidence(lines, c, o)
		if e.Format == nil {
			e.Format = f
		}
		out = append(out, e)
		if c.wraps == nil {
			break
		}
		d := o.decoding()
		var inner [][]byte
		for _, l := range lines {
			if p, ok := d.peel(c, l); ok && len(p.inner) > 0 {
				inner = append(inner, bytes.Clone(p.inner))
			}
		}
		lines = inner
	}
	return out
}

func (s *Set) evidence(lines [][]byte, c *compiled, o *Options) Evidence {
	e := Evidence{Requires: c.requires()}
	d := o.decoding()
	scanned := scanAll(lines)
	count := func(c *compiled) (read int) {
		for i, l := range lines {
			if !c.isContinuation(l) && d.decodeScanned(c, l, &scanned[i]) {
				read++
			}
		}
		return read
	}
	for _, l := range lines {
		if !continues(l) && !c.isContinuation(l) {
			e.Lines++
		}
	}
	e.Read = count(c)
	for _, f := range s.formats {
		if f.c == c {
			e.Format = f
			continue
		}
		if f.c.spec.Like != "" {
			continue // it reads the same lines, and is told as a candidate
		}
		if n := count(f.c); n > 0 && e.Lines > 0 {
			e.Next = append(e.Next, Candidate{f, min(1, float64(n)/float64(e.Lines))})
		}
	}
	slices.SortStableFunc(e.Next, func(a, b Candidate) int { return cmp.Compare(b.Share, a.Share) })
	e.Next = e.Next[:min(len(e.Next), maxNext)]
	return e
}

// requires names the fields that every record of c must have.
func (c *compiled) requires() []string {
	var out []string
	for _, r := range c.require {
		out = append(out, r.name)
	}
	return out
}
