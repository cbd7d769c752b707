package format

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// maxColumns bounds the columns of a record.
const maxColumns = 512

type columnsSpec struct {
	Separator string `yaml:"separator"` // space, tab, comma, semicolon, or one character
	Quote     string `yaml:"quote"`     // double: "" inside "..." is a quote; backslash: \" is one; "": nothing is quoted
	Names     list   `yaml:"names"`     // of the columns, as long as no head tells them
	Header    string `yaml:"header"`    // how the line begins that names the columns; row: it is a record of their names
	Least     int    `yaml:"least"`     // how many columns a record has at least; 0: all of names
	More      bool   `yaml:"more"`      // there may be columns after those of names
	URL       list   `yaml:"url"`       // columns with %20
	Plus      list   `yaml:"plus"`      // columns with + for a space
}

// columns says how a record is parted into columns.
type columns struct {
	sep       byte
	quoted    bool
	backslash bool   // \ before a quote that is part of the value; else it is doubled
	header    []byte // what the line begins with that names the columns
	row       bool   // a record of names names them
	least     int
	more      bool
	url, plus []string
	order     *columnOrder // by the format's file; nil if only a head tells
}

// A columnOrder says what stands in which column. It is not changed once made.
type columnOrder struct {
	of    *compiled
	head  string // the line that names the columns, "" for the format's own
	cols  []column
	joins []columnJoin
	least int
	more  bool
}

// hasHead says whether a stream may name its columns.
func (c *columns) hasHead() bool { return c != nil && (c.row || len(c.header) > 0) }

// isOf says whether the order was told by a head that c can be read by.
func (o *columnOrder) isOf(c *compiled) bool { return o != nil && o.of == c && len(o.cols) > 0 }

// column is one column: where its value goes.
type column struct {
	name      string
	target    *target
	require   int // which of the format's requirements is about it, from 1; 0: none
	url, plus bool
}

// A columnJoin makes one stamp of two columns, a date and a time.
type columnJoin struct{ idx, date, time int }

// span is where a field stands in a record; its quotes are outside.
type span struct {
	start, end int
	escaped    bool // it contains escaped quotes
	open       bool // its quote is never closed
}

func (k *compiler) columns(sp *spec, c *compiled) {
	s := sp.Columns
	if s == nil {
		k.fail(nil, "decoder columns needs columns")
		return
	}
	cols := &columns{header: []byte(s.Header), row: s.Header == "row", least: s.Least, more: s.More, url: s.URL, plus: s.Plus}
	switch s.Separator {
	case "space":
		cols.sep = ' '
	case "tab":
		cols.sep = '\t'
	case "comma":
		cols.sep = ','
	case "semicolon":
		cols.sep = ';'
	default:
		if len(s.Separator) != 1 || s.Separator == "\n" || s.Separator == `"` || s.Separator == `\` {
			k.fail(at("columns", "separator"), "unknown separator %q: space, tab, comma, semicolon or one character", s.Separator)
			return
		}
		cols.sep = s.Separator[0]
	}
	switch s.Quote {
	case "double":
		cols.quoted = true
	case "backslash":
		cols.quoted, cols.backslash = true, true
	case "":
	default:
		k.fail(at("columns", "quote"), "unknown quote %q: double, backslash or nothing", s.Quote)
	}
	switch {
	case len(s.Names) == 0 && s.Header == "":
		k.fail(at("columns"), "names are missing: without a header nothing else tells them")
	case len(s.Names) > maxColumns:
		k.fail(at("columns", "names"), "at most %d columns", maxColumns)
	case s.Least < 0 || s.Least > len(s.Names):
		k.fail(at("columns", "least"), "%d is not a number of the %d columns", s.Least, len(s.Names))
	}
	if cols.row && len(sp.Require) == 0 {
		k.fail(at("columns", "header"), "a row of names is told by the names that require asks for")
	}
	seen := map[string]bool{}
	for i, n := range s.Names {
		if n == "" || seen[n] {
			k.fail(at("columns", "names", strconv.Itoa(i)), "column %q is there twice or has no name", n)
		}
		seen[n] = true
	}
	for _, n := range sortedKeys(sp.Require) {
		if len(s.Names) > 0 && !seen[n] {
			k.fail(at("require", n), "there is no such column")
		}
	}
	if cols.row {
		cols.header = nil
	}
	c.columns = cols
	if len(s.Names) > 0 && len(s.Names) <= maxColumns {
		cols.order = c.newOrder("", s.Names)
	}
}

// newOrder gives the order of columns with these names, nil if one that the format
// asks for is not among them.
func (c *compiled) newOrder(head string, names []string) *columnOrder {
	o := &columnOrder{of: c, head: head, least: len(names)}
	if head == "" {
		o.more = c.columns.more
		if c.columns.least > 0 {
			o.least = c.columns.least
		}
	}
	for i := range c.require {
		if !slices.Contains(names, c.require[i].name) {
			return nil
		}
	}
	for _, n := range names {
		col := column{name: n, target: c.table[n], url: slices.Contains(c.columns.url, n), plus: slices.Contains(c.columns.plus, n)}
		if col.target == nil {
			col.target = aliases[n]
		}
		if col.target == nil {
			col.target = newTarget(opAttr, n)
		}
		for i := range c.require {
			if c.require[i].name == n {
				col.require = i + 1
			}
		}
		o.cols = append(o.cols, col)
	}
	for i, f := range c.timeNames {
		if date, clock, ok := strings.Cut(f, " "); ok {
			j := columnJoin{i, slices.Index(names, date), slices.Index(names, clock)}
			if j.date >= 0 && j.time >= 0 {
				o.cols[j.date].target, o.cols[j.time].target = dropped, dropped
				o.joins = append(o.joins, j)
			}
		}
	}
	return o
}

var quoteMark = []byte(`"`)

var dropped = newTarget(opDrop, "-")

// decodeColumns reads a record of columns.
func (d *decoding) decodeColumns(c *compiled, rec []byte) bool {
	o := d.order
	if o == nil || o.of != c {
		o = c.columns.order
	}
	if o == nil {
		return false
	}
	d.spans = c.columns.split(rec, d.spans[:0])
	if !d.fits(c, o, rec, d.spans) {
		return false
	}
	d.reset()
	// The values are unescaped where they stand, in a copy that is the event's own.
	own := bytes.Clone(rec)
	for i := range o.cols {
		if i >= len(d.spans) {
			break
		}
		col, s := &o.cols[i], d.spans[i]
		if col.target.op == opDrop {
			continue
		}
		v := own[s.start:s.end]
		if s.escaped {
			v = c.columns.unescape(v)
		}
		if col.url || col.plus {
			v = unescapeURL(v, col.url, col.plus)
		}
		if len(v) > 0 {
			d.put(c, col.target, col.name, bytesAsString(v))
		}
	}
	for _, j := range o.joins {
		if j.date >= len(d.spans) || j.time >= len(d.spans) {
			continue
		}
		a, b := d.spans[j.date], d.spans[j.time]
		if a.end+1 == b.start && b.end > a.start {
			own[a.end] = ' '
			d.times[j.idx] = bytesAsString(own[a.start:b.end])
		} else {
			d.times[j.idx] = string(rec[a.start:a.end]) + " " + string(rec[b.start:b.end])
		}
	}
	return true
}

// fits says whether a record with these fields may be in this order.
func (d *decoding) fits(c *compiled, o *columnOrder, rec []byte, spans []span) bool {
	if len(spans) < o.least || len(spans) > len(o.cols) && !o.more {
		return false
	}
	return d.asked(c, o, rec, spans)
}

// asked says whether the fields that are there have the form that the format asks for.
func (d *decoding) asked(c *compiled, o *columnOrder, rec []byte, spans []span) bool {
	for i := range min(len(spans), len(o.cols)) {
		if n := o.cols[i].require; n > 0 && !spans[i].open {
			if re := c.require[n-1].re; re != nil && !re.in(bytesAsString(rec[spans[i].start:spans[i].end]), &d.match) {
				return false
			}
		}
	}
	return true
}

// split parts a record into its fields. A quote that is neither before a separator
// nor at the end closes nothing.
func (c *columns) split(rec []byte, out []span) []span {
	for i := 0; len(out) <= maxColumns; {
		s := span{start: i}
		if c.quoted && i < len(rec) && rec[i] == '"' {
			s.start++
			s.end, s.escaped, s.open = c.closing(rec, s.start)
			i = s.end + 1
			if s.open {
				i = len(rec)
			}
		} else {
			n := bytes.IndexByte(rec[i:], c.sep)
			if n < 0 {
				n = len(rec) - i
			}
			s.end = i + n
			i = s.end
		}
		out = append(out, s)
		if i >= len(rec) {
			break
		}
		i++ // the separator
	}
	return out
}

// closing finds the end of the value whose quote was opened before i.
func (c *columns) closing(rec []byte, i int) (end int, escaped, open bool) {
	for i < len(rec) {
		if !c.backslash {
			n := bytes.IndexByte(rec[i:], '"')
			if n < 0 {
				break
			}
			i += n
		}
		switch b := rec[i]; {
		case b == '\\' && c.backslash:
			escaped = true
			i++
		case b != '"':
		case i+1 == len(rec) || rec[i+1] == c.sep:
			return i, escaped, false
		case rec[i+1] == '"' && !c.backslash:
			escaped = true
			i++
		}
		i++
	}
	return len(rec), escaped, true
}

// unescape takes the escapes off a quoted value, in place.
func (c *columns) unescape(v []byte) []byte {
	out := v[:0]
	for i := 0; i < len(v); i++ {
		if i+1 < len(v) && (c.backslash && v[i] == '\\' && (v[i+1] == '"' || v[i+1] == '\\') || !c.backslash && v[i] == '"' && v[i+1] == '"') {
			i++
		}
		out = append(out, v[i])
	}
	return out
}

// unescapeURL reads %20 as the byte that it stands for, and + as a space, in place.
func unescapeURL(v []byte, url, plus bool) []byte {
	out := v[:0]
	for i := 0; i < len(v); i++ {
		b := v[i]
		switch {
		case b == '+' && plus:
			b = ' '
		case b == '%' && url && i+2 < len(v):
			hi, lo := unhex(v[i+1]), unhex(v[i+2])
			if hi >= 0 && lo >= 0 {
				b = byte(hi<<4 | lo)
				i += 2
			}
		}
		out = append(out, b)
	}
	return out
}

func unhex(b byte) int {
	switch {
	case b >= '0' && b <= '9':
		return int(b - '0')
	case b >= 'a' && b <= 'f':
		return int(b-'a') + 10
	case b >= 'A' && b <= 'F':
		return int(b-'A') + 10
	}
	return -1
}

// takeHead says whether a line is of a stream's head, which is no record, and goes by
// the columns that it names. A line that begins as a header does, with the header's
// first character, says something else about the stream.
func (d *decoding) takeHead(c *compiled, line []byte) bool {
	cols := c.columns
	if cols == nil || len(line) == 0 || !cols.row && (len(cols.header) == 0 || line[0] != cols.header[0]) {
		return false
	}
	var names []string
	switch {
	case cols.row:
		d.spans = cols.split(line, d.spans[:0])
		for i := range c.require {
			if !slices.ContainsFunc(d.spans, func(s span) bool { return string(line[s.start:s.end]) == c.require[i].name }) {
				return false
			}
		}
		for _, s := range d.spans {
			names = append(names, string(line[s.start:s.end]))
		}
	case !bytes.HasPrefix(line, cols.header):
		// Another format's head begins as this one does: it is not for this one to tell.
		return true
	default:
		if d.order != nil && d.order.of == c && d.order.head == string(line) {
			return true
		}
		// The names are parted by spaces even where a tab parts the values.
		names = strings.FieldsFunc(string(line[len(cols.header):]), func(r rune) bool { return r == ' ' || r == '\t' || r == rune(cols.sep) })
	}
	if len(names) > maxColumns {
		return true
	}
	switch own := cols.order; {
	case own != nil && slices.EqualFunc(own.cols, names, func(col column, n string) bool { return col.name == n }):
		d.order = own
	default:
		if d.order = c.newOrder(string(line), names); d.order == nil {
			d.order = &columnOrder{of: c, head: string(line), least: 1} // nothing fits
		}
	}
	return true
}

// open says whether a quote is open at the end of a line, with one open at its beginning or not.
func (c *columns) open(line []byte, inside bool) bool {
	if !c.quoted {
		return false
	}
	if !c.backslash {
		return inside != (bytes.Count(line, quoteMark)%2 == 1)
	}
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '"':
			inside = !inside
		case line[i] == '\\' && inside:
			i++
		}
	}
	return inside
}

// beginsColumns says whether a line is the first of a record, which may go on in the
// next line inside a quote.
func (d *decoding) beginsColumns(c *compiled, line []byte) bool {
	o := d.order
	if o == nil || o.of != c {
		o = c.columns.order
	}
	if o == nil {
		return false
	}
	d.spans = c.columns.split(line, d.spans[:0])
	n := len(d.spans)
	if n > len(o.cols) && !o.more || !d.spans[n-1].open && n < o.least {
		return false
	}
	// At least one field must tell.
	told := len(c.require) == 0
	for i := range min(n, len(o.cols)) {
		told = told || o.cols[i].require > 0 && !d.spans[i].open
	}
	return told && d.asked(c, o, line, d.spans)
}
