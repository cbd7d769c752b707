package format

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrTruncated says that a stream ends inside a JSON value. What was whole before it was
// given.
var ErrTruncated = errors.New("the JSON document breaks off")

const (
	// documentMax is the limit of one record of a document where none is configured. A
	// line is one message, but an element may be a whole trace, or all that a resource
	// sent at once: a receiver of OTLP takes 4 MiB of protobuf by default
	// (open-telemetry/opentelemetry-collector, confighttp and gRPC), which is two to
	// three times as much in JSON.
	documentMax = 16 << 20
	// documentDepth bounds the nesting; the parser of records reads no deeper.
	documentDepth = 300
	// documentLines is how many lines of text may stand before the first JSON value.
	documentLines = 50
	// docAhead bounds how far a bracket is looked behind to know what it opens.
	docAhead = 64
	maxPaths = 32
)

// A recordPath leads from a JSON value to the records in it, by one step for each level:
// the name of a member, or "[]" for every element of an array.
type recordPath []string

const eachElement = "[]"

// everyPath are those that all JSON formats have: arrays, and arrays of arrays.
var everyPath = []recordPath{{eachElement}, {eachElement, eachElement}}

// parsePath reads "data[]", "log.entries[]", "Traces[].Segments[]" or "[]".
func parsePath(s string) (recordPath, error) {
	var p recordPath
	for part := range strings.SplitSeq(s, ".") {
		name := strings.TrimRight(part, "[]")
		arrays := strings.TrimPrefix(part, name)
		if name == "" && (arrays == "" || len(p) > 0) || strings.Trim(name, `"\`) != name ||
			strings.Repeat(eachElement, len(arrays)/2) != arrays || strings.Contains(name, "[") {
			return nil, fmt.Errorf("%q is no path such as data[] or log.entries[]", s)
		}
		if name != "" {
			p = append(p, name)
		}
		for range len(arrays) / 2 {
			p = append(p, eachElement)
		}
	}
	if p[len(p)-1] != eachElement {
		return nil, fmt.Errorf("%q does not end in []: records are the elements of an array", s)
	}
	if !p.nested() {
		return nil, fmt.Errorf("%q need not be said: the elements of arrays are always records", s)
	}
	return p, nil
}

// nested says whether the path leads through the members of an object.
func (p recordPath) nested() bool {
	for _, s := range p {
		if s != eachElement {
			return true
		}
	}
	return false
}

// A paths is the set of the paths to one format's records, made ready for scanning. A
// set of them is a mask.
type paths struct {
	list   []recordPath
	keys   [][]byte // a name of each nested path that stands in every document that has it
	length []uint32 // by depth: the paths that end there
	each   []uint32 // by depth: the paths that go on with every element
	names  []map[string]uint32
	named  []uint32 // by depth: the paths that go on with a member
	nested uint32
}

// newPaths makes the set of the paths, of the same inside an array, and of everyPath.
func newPaths(list []recordPath) *paths {
	p := &paths{}
	add := func(r recordPath) {
		if len(p.list) == maxPaths {
			return
		}
		bit := uint32(1) << len(p.list)
		p.list = append(p.list, r)
		for len(p.each) <= len(r) {
			p.each, p.length, p.named = append(p.each, 0), append(p.length, 0), append(p.named, 0)
			p.names = append(p.names, map[string]uint32{})
		}
		p.length[len(r)] |= bit
		for d, s := range r {
			if s == eachElement {
				p.each[d] |= bit
			} else {
				p.names[d][s] |= bit
				p.named[d] |= bit
			}
		}
		if r.nested() {
			p.nested |= bit
		}
	}
	for _, r := range everyPath {
		add(r)
	}
	for _, r := range list {
		if r.nested() {
			add(r)
			for _, s := range r {
				if s != eachElement {
					p.keys = append(p.keys, []byte(`"`+s+`"`))
					break
				}
			}
			add(append(recordPath{eachElement}, r...))
		}
	}
	return p
}

// at32 gives the paths of the mask that have a property at a depth.
func at32(l []uint32, depth int) uint32 {
	if depth < len(l) {
		return l[depth]
	}
	return 0
}

// A document reads the records that are JSON values rather than lines: the elements of
// arrays to which a path leads, and the values in which no path leads to an array.
// Values may stand one after another, over any number of lines. A line of text between
// them is a record too, which then nobody reads. What is given has no white space
// between its tokens, so it has no line end either.
//
// It looks at each byte once and holds one record at most.
type document struct {
	in    *bufio.Reader
	paths *paths
	max   int

	offset int64 // of the next byte
	line   int
	ahead  int  // how many bytes after the next one are needed to go on
	column bool // nothing stands on the line before the next byte
	blank  bool // nothing but white space does

	mode   docMode
	expect docToken
	stack  []docFrame
	child  uint32 // the paths that go on with the next value
	key    []byte // of the member at hand, as far as it may be in a path
	isKey  bool   // the string at hand is one
	escape bool   // the next byte of the string is escaped

	begun    bool  // a record has begun: the value at depth, or a line
	depth    int   // of the value that is to be the record
	from     int64 // its offset
	fromLine int
	buf      []byte
	cut      bool
	rootLine int  // on which the outermost value began
	lost     bool // after a fault inside a value of many lines: lines of text are of it
	lastLine int  // on which the last record began

	entered uint32 // the paths that led to an array
	spread  bool   // a value took more than a line
}

type docFrame struct {
	object bool
	mask   uint32 // of the paths that go on with its members or elements
}

type docMode uint8

const (
	docTop    docMode = iota // between values
	docInside                // inside a value, between tokens
	docString
	docScalar
	docText  // a line of text, or what is left of a line that has a fault
	docSkip  // the same, not kept
	docBlank // white space that begins a line between values
)

type docToken uint8

const (
	docValue docToken = iota // a value, or the end of an array without any
	docKey                   // a key, or the end of an object without any
	docColon
	docComma // or the end of what it stands in
)

// A docClass says what a byte is outside of strings.
type docClass uint8

const (
	docOther docClass = iota
	docSpace
	docNewline
	docQuote
	docOpen
	docClose
	docPunct
)

var docClasses = func() (t [256]docClass) {
	for _, c := range " \t\r\x1e" { // the last parts the texts of a JSON sequence (RFC 7464)
		t[c] = docSpace
	}
	t['\n'], t['"'] = docNewline, docQuote
	t['{'], t['['], t['}'], t[']'] = docOpen, docOpen, docClose, docClose
	t[','], t[':'] = docPunct, docPunct
	return t
}()

// docStops are the bytes at which a run inside a string ends.
var docStops = [256]bool{'"': true, '\\': true, '\n': true}

func newDocument(in *bufio.Reader, p *paths, max int) *document {
	return &document{in: in, paths: p, max: max, line: 1, ahead: len(bom) - 1, column: true, blank: true}
}

// A docRecord is one record. Its text is valid until the next one is asked for.
type docRecord struct {
	text   []byte
	offset int64
	line   int
	inline bool // another record begins before it on its line
	cut    bool
}

// next gives the next record, io.EOF at the end.
func (d *document) next() (docRecord, error) {
	d.begin(false)
	for {
		if _, err := d.in.Peek(1 + d.ahead); err != nil && (d.ahead == 0 || !errors.Is(err, io.EOF)) {
			return d.end(err)
		}
		b, _ := d.in.Peek(d.in.Buffered())
		if d.offset == 0 && bytes.HasPrefix(b, bom) {
			d.in.Discard(len(bom))
			d.offset = int64(len(bom))
			continue
		}
		whole := d.ahead > 0 && len(b) <= d.ahead // there is no more
		d.ahead = 0
		n, done := d.scan(b, whole)
		d.in.Discard(n)
		d.offset += int64(n)
		if done {
			return d.record(), nil
		}
	}
}

// end gives what was read when the stream is over.
func (d *document) end(err error) (docRecord, error) {
	if !errors.Is(err, io.EOF) {
		return docRecord{}, err
	}
	switch {
	case d.mode == docText && len(d.buf) > 0:
		d.mode = docTop
		return d.record(), nil
	case len(d.stack) > 0:
		return docRecord{}, ErrTruncated
	}
	return docRecord{}, io.EOF
}

// record gives the record that has been read.
func (d *document) record() docRecord {
	r := docRecord{text: bytes.TrimSuffix(d.buf, []byte("\r")), offset: d.from, line: d.fromLine, inline: d.fromLine == d.lastLine, cut: d.cut}
	if d.cut {
		r.text = repairWithin(d.buf, d.max)
	}
	d.lastLine = d.fromLine
	d.begun = false
	return r
}

// begin starts keeping bytes for a record, or stops.
func (d *document) begin(on bool) {
	d.begun = on
	d.buf, d.cut = d.buf[:0], false
}

// keep adds bytes to the record.
func (d *document) keep(b []byte) {
	if !d.begun || len(b) == 0 {
		return
	}
	if room := d.max - len(d.buf); room < len(b) {
		b = b[:max(room, 0)]
		d.cut = true
	}
	d.buf = append(d.buf, b...)
}

// scan reads on in b, which stands at d.offset: it gives how many bytes it read, and
// whether a record is complete. whole says that nothing comes after b.
func (d *document) scan(b []byte, whole bool) (int, bool) {
	kept := 0 // up to where the bytes of the record were taken
	for i := 0; i < len(b); {
		switch d.mode {
		case docString:
			if d.escape && b[i] != '\n' {
				d.escape = false
				i++
				continue
			}
			j := i
			for j < len(b) && !docStops[b[j]] {
				j++
			}
			if d.isKey && len(d.key) < 256 {
				d.key = append(d.key, b[i:j]...)
			}
			if i = j; i == len(b) {
				break
			}
			switch b[i] {
			case '\\':
				d.escape = true
				i++
			case '\n':
				d.escape = false
				d.fault()
			default:
				i++
				d.mode = docInside
				if d.expect == docKey {
					d.expect = docColon
				} else if d.expect = docComma; d.over() {
					d.keep(b[kept:i])
					return i, true
				}
			}
			continue
		case docScalar:
			for i < len(b) && docClasses[b[i]] == docOther {
				i++
			}
			if i == len(b) {
				break
			}
			d.mode, d.expect = docInside, docComma
			if d.over() {
				d.keep(b[kept:i])
				return i, true
			}
			continue
		case docText, docSkip, docBlank:
			j := bytes.IndexByte(b[i:], '\n')
			if d.mode == docBlank {
				for j = 0; i+j < len(b) && docClasses[b[i+j]] == docSpace; j++ {
				}
				if i+j < len(b) {
					d.mode = docTop // the blanks are kept for a line of text
				}
				d.blank, d.column = true, d.column && j == 0
				i += j
				continue
			}
			if j < 0 {
				i = len(b)
				break
			}
			i += j
			d.keep(b[kept:i])
			kept = i
			done := d.mode == docText && len(bytes.TrimSpace(d.buf)) > 0
			d.mode = docTop
			if done {
				return i, true
			}
			d.begin(false)
			continue
		}
		if i == len(b) {
			break
		}
		if d.mode == docInside && d.expect != docColon && d.stack[len(d.stack)-1].mask == 0 {
			// No path goes on in here.
			var done bool
			if i, kept, done = d.skim(b, i, kept); done {
				d.keep(b[kept:i])
				return i, true
			}
			if i == len(b) || d.mode != docInside {
				continue
			}
		}

		c := b[i]
		class := docClasses[c]
		switch class {
		case docSpace, docNewline:
			d.keep(b[kept:i])
			i++
			kept = i
			d.column = false
			if class == docNewline {
				d.line++
				if d.column, d.blank = true, true; len(d.stack) == 0 {
					// A line of text begins with its blanks.
					d.begin(true)
					d.mode, d.from, d.fromLine = docBlank, d.offset+int64(i), d.line
				}
			}
			continue
		}
		if d.mode == docTop {
			if class == docOpen && !whole && len(b)-i < docAhead && len(bytes.TrimLeft(b[i+1:], " \t\r\n")) == 0 {
				d.keep(b[kept:i])
				d.ahead = len(b) - i
				return i, false
			}
			switch {
			case class == docOpen && opensJSON(b[i:]):
				if d.column {
					d.lost = false
				}
				d.rootLine = d.line
				d.mode, d.expect, d.child = docInside, docValue, ^uint32(0)>>(32-len(d.paths.list))
			case class == docClose || class == docPunct:
				// What is left of a value that had a fault, or parts two values.
				d.begin(false)
				i++
				d.column, d.blank = false, false
				continue
			default:
				if d.lost {
					d.begin(false)
					d.mode = docSkip
					continue
				}
				if d.mode = docText; !d.begun {
					d.begin(true)
					d.from, d.fromLine = d.offset+int64(i), d.line
					kept = i
				}
				continue
			}
		}
		column, blank := d.column, d.blank
		d.column, d.blank = false, false
		ok := true
		switch class {
		case docOther:
			if ok = d.expect == docValue; ok {
				if d.value(c, i) {
					kept = i
				}
				d.mode = docScalar
			}
		case docQuote:
			if ok = d.expect == docValue || d.expect == docKey; ok {
				d.isKey = d.expect == docKey && d.stack[len(d.stack)-1].mask != 0
				d.key = d.key[:0]
				if d.expect == docValue && d.value(c, i) {
					kept = i
				}
				d.mode = docString
			}
		case docOpen:
			if ok = d.expect == docValue && len(d.stack) < documentDepth; ok {
				if d.value(c, i) {
					kept = i
				}
			} else if blank && c == '{' {
				// The value before it was not finished, and here is the next one.
				d.keep(b[kept:i])
				d.fault()
				d.mode, d.column, d.blank = docTop, column, true
				if d.begun && len(d.buf) > 0 {
					return i, true
				}
				d.begin(false)
				continue
			}
		case docClose:
			top := len(d.stack) - 1
			if ok = d.expect != docColon && d.stack[top].object == (c == '}'); ok {
				d.stack = d.stack[:top]
				d.expect = docComma
				if d.over() {
					d.keep(b[kept : i+1])
					return i + 1, true
				}
			}
		case docPunct:
			top := &d.stack[len(d.stack)-1]
			switch {
			case c == ',' && d.expect == docComma && top.object:
				d.expect = docKey
			case c == ',' && d.expect == docComma:
				d.expect, d.child = docValue, top.mask
			case c == ':' && d.expect == docColon:
				d.expect, d.child = docValue, 0
				if depth := len(d.stack) - 1; top.mask != 0 && depth < len(d.paths.names) {
					d.child = top.mask & d.paths.names[depth][string(d.key)]
				}
			default:
				ok = false
			}
		}
		if !ok {
			if !d.begun {
				d.begin(true)
				d.from, d.fromLine = d.offset+int64(i), d.line
				kept = i
			}
			d.fault()
			continue
		}
		i++
	}
	d.keep(b[kept:])
	return len(b), false
}

// skim reads on where no path goes on: it looks for brackets and strings alone, and where an
// object begins on a line of its own, whether one may begin there. It gives up to where it
// came, up to where bytes were taken, and whether the record is complete.
func (d *document) skim(b []byte, i, kept int) (int, int, bool) {
	top := d.stack[len(d.stack)-1].object
	last := byte('"') // the last byte that is no white space; k for the end of a key
	switch {
	case d.expect == docKey:
		last = ','
	case d.expect == docValue && top:
		last = ':'
	case d.expect == docValue:
		last = ','
	}
	starts := d.blank // nothing stands on the line so far
	leave := func() {
		d.blank = starts
		d.column = starts && i > 0 && b[i-1] == '\n'
		switch {
		case last == 'k':
			d.expect = docColon
		case last == ':' || last == '[' || last == ',' && !top:
			d.expect = docValue
		case last == '{' || last == ',':
			d.expect = docKey
		default:
			d.expect = docComma
		}
	}
	for i < len(b) {
		c := b[i]
		switch docClasses[c] {
		case docOther:
			for i++; i < len(b) && docClasses[b[i]] == docOther; i++ {
			}
			last, starts = '0', false
			if i == len(b) {
				d.mode = docScalar
			}
		case docPunct:
			i++
			last, starts = c, false
		case docQuote:
			key := top && (last == ',' || last == '{')
			j := closingQuote(b, i+1)
			if j < 0 || bytes.IndexByte(b[i:j], '\n') >= 0 {
				// The string goes on in the bytes to come, or has no end.
				starts = false
				if last = ':'; key {
					last = '{'
				}
				leave()
				d.mode, d.isKey = docString, false
				return i + 1, kept, false
			}
			i = j + 1
			if last, starts = '"', false; key {
				last = 'k'
			}
		case docSpace, docNewline:
			d.keep(b[kept:i])
			for ; i < len(b) && (docClasses[b[i]] == docSpace || b[i] == '\n'); i++ {
				if b[i] == '\n' {
					d.line++
					starts = true
				}
			}
			kept = i
		case docOpen:
			if len(d.stack) >= documentDepth || starts && (last == '"' || last == '0' || last == 'k' || top && last != ':') {
				leave()
				return i, kept, false
			}
			top = c == '{'
			d.stack = append(d.stack, docFrame{object: top})
			i++
			last, starts = c, false
		case docClose:
			n := len(d.stack) - 1
			if top != (c == '}') || last == 'k' {
				leave()
				return i, kept, false
			}
			i++
			last, starts = '"', false
			d.stack = d.stack[:n]
			if n == 0 || d.begun && n == d.depth || d.stack[n-1].mask != 0 {
				leave()
				return i, kept, d.over()
			}
			top = d.stack[n-1].object
		}
	}
	leave()
	return i, kept, false
}

// closingQuote gives the index of the quote that ends the string whose text begins at i; -1 if it is
// not in b.
func closingQuote(b []byte, i int) int {
	for j := i; ; j++ {
		n := bytes.IndexByte(b[j:], '"')
		if n < 0 {
			return -1
		}
		j += n
		k := j
		for k > i && b[k-1] == '\\' {
			k--
		}
		if (j-k)%2 == 0 {
			return j
		}
	}
}

// value begins a value whose first byte c stands at index i of what is scanned; it says whether
// the record begins with it.
func (d *document) value(c byte, i int) bool {
	depth, mask := len(d.stack), d.child
	ends := mask & at32(d.paths.length, depth)
	began := ends != 0 || depth == 0
	if began {
		d.begin(true)
		d.depth, d.from, d.fromLine = depth, d.offset+int64(i), d.line
	}
	switch c {
	case '[':
		elements := mask & at32(d.paths.each, depth)
		if in := elements & at32(d.paths.length, depth+1); in != 0 {
			d.entered |= in
			d.begin(false)
			began = false
		}
		d.stack = append(d.stack, docFrame{mask: elements})
		d.child = elements
	case '{':
		d.stack = append(d.stack, docFrame{object: true, mask: mask & at32(d.paths.named, depth)})
		d.expect = docKey
	}
	return began
}

// over notes the end of a value; it says whether a record ends with it.
func (d *document) over() bool {
	if len(d.stack) == 0 {
		d.mode = docTop
		d.spread = d.spread || d.line != d.rootLine
	}
	return d.begun && len(d.stack) == d.depth
}

// fault ends the outermost value, which is no JSON from here on. What is left of the line
// goes to the record at hand.
func (d *document) fault() {
	d.lost = d.lost || d.line != d.rootLine
	d.stack = d.stack[:0]
	d.depth = -1
	d.mode = docText
	d.isKey = false
}

// repairWithin gives the head of a JSON value as a value of at most max bytes, or what
// there is of it if that is not possible.
func repairWithin(b []byte, max int) []byte {
	n := len(b)
	for range 4 {
		out := repair(b[:n])
		if len(out) <= max {
			return out
		}
		if n -= len(out) - max; n <= 0 {
			break
		}
	}
	return b[:min(len(b), max)]
}

// repair closes what is open in the head of a JSON value: the last token, if it may be
// cut, is left out.
func repair(b []byte) []byte {
	var stack []byte
	safe := 0
	key := false // the next string is a key
	for i := 0; i < len(b); i++ {
		switch c := b[i]; docClasses[c] {
		case docQuote:
			j := i + 1
			for j < len(b) && b[j] != '"' {
				if b[j] == '\\' {
					j++
				}
				j++
			}
			if i = j; i < len(b) && !key {
				safe = i + 1
			}
		case docOpen:
			key = c == '{'
			stack = append(stack, c+2) // the closing one, in ASCII
			safe = i + 1
		case docClose:
			if len(stack) > 0 {
				stack = stack[:len(stack)-1]
			}
			safe = i + 1
		case docPunct:
			if len(stack) > 0 {
				key = c == ',' && stack[len(stack)-1] == '}'
			}
			if c == ',' && i > 0 && docClasses[b[i-1]] == docOther {
				safe = i
			}
		}
	}
	out := append([]byte{}, b[:safe]...)
	for i := len(stack) - 1; i >= 0; i-- {
		out = append(out, stack[i])
	}
	return out
}

// opensJSON says whether a bracket between values begins an object, or an array of objects,
// as far as b tells.
func opensJSON(b []byte) bool {
	in := bytes.TrimLeft(b[1:], " \t\r\n")
	return len(in) == 0 || b[0] == '{' && (in[0] == '"' || in[0] == '}') || b[0] == '[' && (in[0] == '{' || in[0] == '[' || in[0] == ']')
}

// jsonStart gives where the first JSON object or array of a head begins, at the
// beginning of a line; -1 if none does.
func jsonStart(head []byte) int {
	at := 0
	for range documentLines {
		line := head[at:]
		rest := bytes.TrimLeft(line, " \t\r\n\x1e")
		if len(rest) == 0 {
			return -1
		}
		if docClasses[rest[0]] == docOpen && opensJSON(rest) {
			return at + len(line) - len(rest)
		}
		n := len(line) - len(rest)
		j := bytes.IndexByte(line[n:], '\n')
		if j < 0 {
			return -1
		}
		at += n + j + 1
	}
	return -1
}

// A docHead is what the head of a stream shows of its records as JSON values.
type docHead struct {
	elements [][]byte
	entered  uint32
	spread   bool // a value takes more than a line
	rest     bool // it ends inside a value
}

// splitHead gives the whole records of a head. If it ends inside its first one, that is mended.
func splitHead(head []byte, p *paths) docHead {
	d := newDocument(newBuffered(bytes.NewReader(head)), p, headSize)
	var h docHead
	for {
		r, err := d.next()
		if err != nil {
			h.rest = errors.Is(err, ErrTruncated)
			h.entered, h.spread = d.entered, d.spread
			if h.rest && len(h.elements) == 0 {
				h.spread = h.spread || d.line != d.rootLine
				if d.begun {
					h.elements = append(h.elements, repair(d.buf))
				}
			}
			return h
		}
		h.elements = append(h.elements, bytes.Clone(r.text))
	}
}

// isDocument says whether the records of a stream with this head are to be read as JSON values
// by these paths, and not line by line.
func isDocument(head []byte, p *paths) bool {
	start := jsonStart(bytes.TrimPrefix(head, bom))
	if start < 0 {
		return false
	}
	head = bytes.TrimPrefix(head, bom)[start:]
	if head[0] == '[' {
		return true
	}
	if !mayHave(head, p) && !mayBeSpread(head) {
		return false
	}
	h := splitHead(head, p)
	return h.entered&p.nested != 0 || h.spread || h.rest && p.nested != 0
}

// mayHave says by a glance whether one of the nested paths may be in the head.
func mayHave(head []byte, p *paths) bool {
	for _, k := range p.keys {
		if bytes.Contains(head, k) {
			return true
		}
	}
	return p.nested != 0 && bytes.IndexByte(head, '\n') < 0
}

// mayBeSpread says by a glance whether an object in the head may go on after its line.
func mayBeSpread(head []byte) bool {
	for len(head) > 0 {
		line := head
		i := bytes.IndexByte(head, '\n')
		if i < 0 {
			return false
		}
		line, head = head[:i], head[i+1:]
		line = bytes.TrimRight(line, " \t\r,")
		if n := len(line); n > 0 && line[0] == '{' && line[n-1] != '}' {
			return true
		}
	}
	return false
}
