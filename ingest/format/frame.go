package format

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/correlatehq/correlate/timeline"
)

const (
	headSize         = 64 << 10
	defaultMaxRecord = 1 << 20
	// keptStamp is how much of a stamped record is kept so that a record without
	// stamp can be dated by it.
	keptStamp = 16 << 10
)

// wrapperSlack is by how much a record without year or date may be later than the stamp of
// its wrapper: half a day, for they may be of different zones.
const wrapperSlack = 12 * time.Hour

// InferredTime is the attribute of events whose record bears no stamp: its value
// says where the time was taken from ("previous": the record before).
const InferredTime = "log.time.inferred"

// Options say what the stream itself does not.
type Options struct {
	Format    *Format        // nil: detect
	Zone      *time.Location // of stamps that write none; nil: unknown
	Reference time.Time      // a time near the end of the stream (its file's modification), for stamps without a year; zero: now
	Dates     DateOrder      // of stamps whose date does not tell it
	Fixed     bool           // the stream is in Format, whatever it looks like
	MaxRecord int            // bytes; 0 is 1 MiB, of a JSON document 16 MiB
	Looks     *Looks         // what readers of the same stream with the same options found of its lines; nil to look anew
}

// decoding gives the state for reading records by the options.
func (o *Options) decoding() *decoding {
	d := newDecoding(o.Reference, o.Zone)
	d.dates = o.Dates
	return d
}

// A Record is a stretch of a stream: a line and the lines that continue it. Bytes are valid until the next call of Next.
type Record struct {
	Bytes    []byte  // without the line end
	Offset   int64   // of its first byte
	Line     int     // of its first line, 1-based
	Format   *Format // of the stream at this place; what is inside a wrapper, or a guest, may be in another
	Cut      bool    // it was longer than MaxRecord; Bytes is its head
	Inline   bool    // another record begins before it on its line, as in a document of one line
	Exchange string  // ID of the request within which it stands, as lines before it tell; "" if they do not

	by *compiled // the format that read its first line; nil if not known
	in *strand   // whose it is; nil if that is not known

	head  bool         // it tells what the columns of the records after it are
	order *columnOrder // of its columns, as a head before it told
}

// A Reader reads one stream record by record. Not for concurrent use.
//
// Decode may be called for some of the records only, in the order of Next.
type Reader struct {
	set *Set
	in  *bufio.Reader
	doc *document // nil: in is read line by line
	opt Options
	det Detection
	max int

	root    *knot
	strands int      // inside wrappers
	known   []*route // that were found by looking ahead
	// lineByLine says that every line is a record, whatever it holds.
	lineByLine bool
	dec        []*decoding // one per wrapper and one for the record itself
	peelers    []*decoding // for the framing, one per wrapper
	inner      [][]byte    // text inside each wrapper
	frame      *decoding   // for the framing

	offset   int64 // of the next line
	line     int   // number of the next line
	next     lineInfo
	held     bool // next was read and belongs to the next record
	err      error
	buf      []byte // the record at hand
	hold     []byte // lines that a look ahead would overwrite
	holdNext []byte

	form   *Format // of the segment at hand
	first  int     // line of the first record; 0: there was none
	doubts doubts
	drain  bool // the queue is of the segment before

	// Records in wrappers, whose lines may be interleaved, by their first lines.
	queue  []*openRecord
	queued int // bytes
	last   *openRecord
	given  *openRecord
	free   []*openRecord
}

// lineInfo is one line as read: text is its head if it is longer than the buffer.
type lineInfo struct {
	text   []byte
	offset int64
	line   int
	long   bool // the rest of the line is still in the stream
	inline bool // it is a part of a line, and not the first
	cut    bool // it is a head
}

// NewReader starts on one stream. It reads the stream's head if the format is to be
// detected; the error is what broke the stream then, never its end.
func (s *Set) NewReader(in io.Reader, o Options) (*Reader, error) {
	r := &Reader{set: s, in: newBuffered(in), opt: o, max: o.MaxRecord, line: 1}
	if r.max <= 0 {
		r.max = defaultMaxRecord
	}
	if r.opt.Reference.IsZero() {
		r.opt.Reference = time.Now()
	}
	if o.Format != nil {
		r.det = Detection{Format: o.Format, Confidence: 1}
	} else {
		head, err := r.in.Peek(headSize)
		if len(head) > 0 && head[0] == 0 && !isBinary(head) {
			r.skipHole()
			head, err = r.in.Peek(headSize)
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			if len(head) == 0 {
				return nil, err
			}
			r.err = nil // Next meets it again
		}
		r.det = s.detect(head, &r.opt)
		r.det.Segments, r.det.Turns = nil, 0 // they are met again
	}
	r.start(r.det.Format)
	if p := r.paths(); p != nil {
		if head, _ := r.in.Peek(headSize); isDocument(head, p) {
			r.readDocument(p)
		}
	}
	return r, nil
}

// paths gives those to the records of the outermost format; nil if it is not JSON.
func (r *Reader) paths() *paths {
	c := r.root.wrap
	if c == nil {
		c = r.root.rest.main
	}
	if c == nil {
		return nil
	}
	return c.paths
}

// readDocument says that the stream's records are JSON values.
func (r *Reader) readDocument(p *paths) {
	if r.opt.MaxRecord <= 0 {
		r.max = documentMax
	}
	r.doc = newDocument(r.in, p, r.max)
}

// MaxRecord gives the limit over which the records of the stream are cut.
func (r *Reader) MaxRecord() int { return r.max }

// start readies the reader for records of f.
func (r *Reader) start(f *Format) {
	r.frame = r.opt.decoding()
	r.form = f
	r.root = newKnot(routeOf(f), nil)
	r.lineByLine = r.root.from.oneLine()
}

// Detection tells what the stream was found to be.
func (r *Reader) Detection() Detection { return r.det }

// Next gives the next record; the error is io.EOF at the end, else what broke the stream.
// Empty lines are no records.
func (r *Reader) Next() (Record, error) {
	in := r.root.rest
	if r.root.wrap != nil || r.drain {
		if !r.lineByLine || r.drain {
			return r.nextWrapped()
		}
		in = nil // Decode finds it
	} else {
		in.shift()
	}
	// The first line that is not empty.
	for {
		if !r.held {
			if err := r.readLine(); err != nil {
				return Record{}, err
			}
		}
		r.held = false
		if len(r.next.text) > 0 || r.next.long {
			break
		}
	}
	var f framer
	if r.lineByLine {
		if !r.next.long && !r.glance(plain(r.next.text)) && r.turns() {
			return r.Next()
		}
	} else {
		f = r.framer(in, r.next.text, false)
		if !f.head && !r.next.long && (r.isStrange(in, f.by, plain(r.next.text)) || !r.trusts(r.next.text)) && r.turns() {
			return r.Next()
		}
	}
	first := r.next
	if r.first == 0 {
		r.first = first.line
	}
	rec := Record{Offset: first.offset, Line: first.line, Inline: first.inline, Cut: first.cut, Format: r.form, in: in}
	if !r.lineByLine {
		rec.by, rec.head, rec.order, rec.Exchange = f.by, f.head, in.order, f.exchange
	} else if in != nil {
		rec.by = in.main
	}
	r.buf = append(r.buf[:0], first.text...)
	if first.long {
		if err := r.restOfLine(&rec); err != nil && !errors.Is(err, io.EOF) {
			r.err = err
		}
	}
	kept := len(r.buf) // without blank lines at the end
	for f.open {
		err := r.readLine()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				r.err = err
			}
			break
		}
		if f.starts(r.next.text, false) {
			r.held = true
			break
		}
		if f.mayEnd(r.next.text) && r.turns() {
			break
		}
		// Cut records take no more: the head is kept, the rest is passed over.
		if room := r.max - len(r.buf) - 1; !rec.Cut && room >= len(r.next.text) {
			r.buf = append(r.buf, '\n')
			r.buf = append(r.buf, r.next.text...)
		} else if len(r.next.text) > 0 {
			if !rec.Cut && room > 0 {
				r.buf = append(r.buf, '\n')
				r.buf = append(r.buf, r.next.text[:room]...)
			}
			rec.Cut = true
		}
		if len(r.next.text) > 0 {
			kept = len(r.buf)
		}
		if r.next.long {
			if err := r.restOfLine(&rec); err != nil && !errors.Is(err, io.EOF) {
				r.err = err
				break
			}
			kept = len(r.buf)
		}
	}
	if len(r.buf) > r.max {
		r.buf, rec.Cut, kept = r.buf[:r.max], true, min(kept, r.max)
	}
	rec.Bytes = r.buf[:kept]
	if in != nil {
		in.keep(&rec)
	}
	return rec, nil
}

// readLine reads the next line into r.next, without its end. The text is valid until
// the next call.
func (r *Reader) readLine() error {
	if r.err != nil {
		return r.err
	}
	if r.doc != nil {
		e, err := r.doc.next()
		r.next = lineInfo{text: e.text, offset: e.offset, line: e.line, inline: e.inline, cut: e.cut}
		r.line, r.err = e.line, err
		return err
	}
	r.skipHole()
	text, err := r.in.ReadSlice('\n')
	if len(text) == 0 && err != nil {
		r.err = err
		return err
	}
	if r.offset == 0 && bytes.HasPrefix(text, bom) {
		text = text[len(bom):]
		r.offset = int64(len(bom))
	}
	r.next = lineInfo{text: text, offset: r.offset, line: r.line}
	r.offset += int64(len(text))
	switch {
	case err == nil:
		r.line++
		r.next.text = trimLine(text)
	case errors.Is(err, bufio.ErrBufferFull):
		r.next.long = true
	default:
		// The last line has no end; what broke the stream comes with the next call.
		r.err = err
		r.next.text = trimLine(text)
	}
	return nil
}

// bom is the mark by which some writers begin a file in UTF-8.
var bom = []byte("\xef\xbb\xbf")

func trimLine(b []byte) []byte {
	b = bytes.TrimSuffix(b, []byte("\n"))
	b = bytes.TrimSuffix(b, []byte("\r"))
	if n := len(b); n > 0 && b[n-1] == 0 {
		return bytes.TrimRight(b, "\x00")
	}
	return b
}

// skipHole passes over zero bytes at the beginning of a line.
func (r *Reader) skipHole() {
	for {
		b, _ := r.in.Peek(1)
		if len(b) == 0 || b[0] != 0 {
			return
		}
		b, _ = r.in.Peek(r.in.Buffered())
		n := len(b) - len(bytes.TrimLeft(b, "\x00"))
		r.in.Discard(n)
		r.offset += int64(n)
	}
}

// restOfLine reads on in a line that is longer than the buffer, as far as the record
// has room; what is more is passed over.
func (r *Reader) restOfLine(rec *Record) error {
	for {
		text, err := r.in.ReadSlice('\n')
		r.offset += int64(len(text))
		done := err == nil
		if done {
			r.line++
			text = trimLine(text)
		}
		if room := r.max - len(r.buf); room < len(text) {
			r.buf = append(r.buf, text[:max(room, 0)]...)
			rec.Cut = true
		} else {
			r.buf = append(r.buf, text...)
		}
		switch {
		case done:
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
		default:
			r.err = err
			return err
		}
	}
}

// A framer tells where the record ends that began with a certain line.
type framer struct {
	r        *Reader
	in       *strand
	by       *compiled // of the record; nil if no format reads it
	open     bool      // it may have more lines
	partial  bool      // its last line goes on in the next one
	quoted   bool      // a quote is open in which it goes on
	head     bool      // it is of the stream's head, no record
	trace    traceState
	whole    bool // many lines were wrapped as one text
	exchange string
	ruby     uint64 // hash of the exception that ended a Ruby program; 0: the record is about none
}

// framer starts on the record of in that begins with text.
func (r *Reader) framer(in *strand, text []byte, partial bool) framer {
	f := framer{r: r, in: in, partial: partial}
	text = plain(text)
	f.trace.begin(text)
	f.whole = len(in.outer) > 0 && holdsLines(text)
	if m := rubyHead(text); m != nil {
		f.ruby = hash(fnvOffset, m)
	}
	if in.main != nil && in.main.columns != nil {
		r.frame.order = in.order
		if r.frame.takeHead(in.main, text) {
			in.order = r.frame.order
			f.by, f.head, f.open = in.main, true, partial
			return f
		}
	}
	f.by = r.begins(in, text)
	if in.main != nil && in.main.between != nil {
		f.exchange = in.exchange(in.main.between, text, r.frame)
	}
	switch {
	case in.main == nil:
		// A wrapper with many sorts of records: what is indented goes on.
		f.open = len(in.outer) > 0
	case f.by == nil:
		f.open = !in.main.oneLine && in.main.columns == nil || in.main.spec.Stream == streamApp
	case f.by.columns != nil:
		f.quoted = f.by.columns.open(text, false)
		f.open = !f.by.oneLine && f.quoted || f.partial
	default:
		f.open = !f.by.oneLine || f.partial
	}
	if n := len(in.outer); n > 0 {
		if f.by == nil {
			f.by = in.outer[n-1]
		}
		f.open = f.open || f.partial
	}
	return f
}

// begins gives the format that reads line as the beginning of a record: the main one,
// or one that may stand in the stream of an application. Wrapped records of unknown
// sorts begin with every line that is not indented.
func (r *Reader) begins(in *strand, line []byte) *compiled {
	if in.main == nil {
		return nil
	}
	if in.main.looksLike(line) || in.main.begins(r.frame, line) {
		return in.main
	}
	if g := in.guest; g != nil && g.c.matches(r.frame, line) && !slices.ContainsFunc(in.rivals, func(f *Format) bool { return f.c.matches(r.frame, line) }) {
		return g.c
	}
	guests := r.set.guestsOf(in.main)
	t := trial{d: r.frame, line: line}
	for i, g := range guests {
		if g.c == in.main || !t.begins(g.c) {
			continue
		}
		if in.guest != g && g.c.roams {
			// More of the same are likely to come, and to ask all others first takes long.
			in.guest, in.rivals = g, in.rivals[:0]
			for _, f := range guests[:i] {
				if r.set.reads[g][f] && f.c != in.main {
					in.rivals = append(in.rivals, f)
				}
			}
		}
		return g.c
	}
	if r.form != nil && r.form.rest != nil && len(in.outer) == 0 && r.form.rest.c.begins(r.frame, line) {
		return r.form.rest.c
	}
	return nil
}

// holdsLines says whether a text is more than a line and its end.
func holdsLines(text []byte) bool {
	i := bytes.IndexByte(text, '\n')
	return i >= 0 && i < len(text)-1
}

// A trial asks formats one after the other whether a line begins a record of theirs. It is read as JSON once for all of them.
type trial struct {
	d       *decoding
	line    []byte
	scanned bool
	object  bool
	names   nameSet // of its fields
}

func (t *trial) begins(c *compiled) bool {
	switch {
	case c.decoder != jsonDecoder:
		// What roams is looked at closely: in a stream that is not its own a line may resemble it by chance.
		return c.begins(t.d, t.line) && (!c.roams || t.d.decode(c, t.line))
	case len(c.require)+len(c.anyOf) == 0:
		return len(t.line) > 0 && t.line[0] == '{'
	}
	return t.decode(c)
}

func (t *trial) decode(c *compiled) bool {
	if c.decoder != jsonDecoder {
		return t.d.decode(c, t.line)
	}
	if !t.scanned {
		t.scanned = true
		if t.object = len(t.line) > 0 && t.line[0] == '{' && t.d.json.scan(bytesAsString(t.line)); t.object {
			t.names = t.d.json.fieldNames()
		}
	}
	t.d.treeOf = nil
	return t.object && !c.lacksRequired(t.names) && t.d.fromJSON(c, t.line) && t.d.finish(c, t.line)
}

// starts says whether text begins another record of the strand.
func (f *framer) starts(text []byte, partial bool) bool {
	in, wrapped := f.in, len(f.in.outer) > 0
	text = plain(text)
	was := f.partial
	f.partial = partial
	if was {
		return false // the same inner line goes on
	}
	if f.by != nil && f.by.oneLine && !wrapped {
		return true
	}
	if f.by != nil && f.by.columns != nil {
		f.r.frame.order = in.order
		if !f.quoted || f.r.frame.beginsColumns(f.by, text) {
			return true // the record before may have been cut off inside its quotes
		}
		f.quoted = f.by.columns.open(text, true)
		return false
	}
	if f.trace.goesOn(text) {
		return false
	}
	if wrapped && (f.whole || holdsLines(text)) && !continues(text) {
		return true
	}
	if f.ruby != 0 {
		if m := rubyHead(text); m != nil && hash(fnvOffset, m) != f.ruby {
			return false // what caused it; the same once more is of another process
		}
	}
	if f.trace == traceOver && len(text) > 0 {
		return true
	}
	if in.main == nil {
		return !continues(text)
	}
	if wrapped && f.by == in.outer[len(in.outer)-1] || f.by == nil {
		return f.r.begins(in, text) != nil || in.main.oneLine && in.main.spec.Stream != streamApp
	}
	if f.by.oneLine {
		return true
	}
	if f.by.isContinuation(text) {
		return false
	}
	if f.by == in.main && in.main.begins(f.r.frame, text) {
		return true
	}
	if continues(text) {
		return false
	}
	g := f.r.begins(in, text)
	return g != nil && !(g.spec.Attaches && g != in.main)
}

// takes says whether a line without the wrapper goes on with the record, whose wrapper stands once before all its lines.
func (f *framer) takes(text []byte) bool {
	return continues(text) || f.trace.goesOn(text) || bytes.HasPrefix(text, []byte(pythonHead))
}

// mayEnd says whether a line that goes on with the record does so only because nothing
// reads it.
func (f *framer) mayEnd(text []byte) bool {
	if text = plain(text); continues(text) || f.quoted {
		return false
	}
	return f.by == nil || f.by.columns == nil && !f.by.isContinuation(text)
}

// isContinuation says whether a line that looks like a beginning belongs to the
// record before.
func (c *compiled) isContinuation(line []byte) bool {
	for _, p := range c.conts {
		if p.re.match(line) {
			return true
		}
	}
	return false
}

// looksLike says by a glance whether a line of a stream of c may be a record of c:
// in a stream of JSON every object is one until it is decoded.
func (c *compiled) looksLike(line []byte) bool {
	switch c.decoder {
	case jsonDecoder, treeFormat:
		return len(line) > 0 && line[0] == '{'
	case logfmtDecoder:
		return startsWithPair(line)
	case columnsDecoder:
		return c.oneLine
	}
	return false
}

// begins says whether line is the first of a record of c. Note: it asks less than
// decode, so a broken record is still a record, which then nobody reads.
func (c *compiled) begins(d *decoding, line []byte) bool {
	switch c.decoder {
	case jsonDecoder, treeFormat:
		if len(line) == 0 || line[0] != '{' {
			return false
		}
		return len(c.require)+len(c.anyOf) == 0 || d.decode(c, line)
	case logfmtDecoder:
		return startsWithPair(line) && d.decode(c, line)
	case columnsDecoder:
		return d.beginsColumns(c, line)
	}
	for _, p := range c.patterns {
		if p.looksLike(line) || p.re.match(line) {
			return true
		}
	}
	return false
}

// matches says whether the whole line is as a record of c.
func (c *compiled) matches(d *decoding, line []byte) bool {
	if c.decoder != regexpDecoder {
		return d.decode(c, line)
	}
	return slices.ContainsFunc(c.patterns, func(p *pattern) bool { return p.re.match(line) })
}

// continuations are the beginnings of lines that no record of its own begins with.
var continuations = [][]byte{
	[]byte("Caused by: "), []byte("Suppressed: "), []byte("goroutine "), []byte("created by "), []byte("[signal "), []byte("exit status "),
	[]byte("During handling of the above exception"), []byte("The above exception was the direct cause"), []byte("... "), []byte("Stack trace:"), []byte("#0 "),
	[]byte("Wrapped by: "), []byte("--- End of "), []byte("stack backtrace:"), []byte("Stack backtrace:"), []byte("stack traceback:"), []byte("note: run with `RUST_BACKTRACE"),
	[]byte("note: Some details are omitted"), []byte("Emitted 'error' event"), []byte("Node.js v"), []byte("[stacktrace]"), []byte("[previous exception] "), []byte("runtime stack:"),
	[]byte("! "), // Dropwizard's stack traces
}

// hardSpace is the space by which AWS Lambda's runtime for Python indents a traceback.
const hardSpace = "\u00a0"

// isIndented says whether a line begins with a space of any kind.
func isIndented(line []byte) bool {
	return len(line) > 0 && (line[0] == ' ' || line[0] == '\t' || line[0] == hardSpace[0] && bytes.HasPrefix(line, []byte(hardSpace)))
}

// continues says whether a line can only go on with the record before it.
func continues(line []byte) bool {
	if len(line) == 0 || isIndented(line) {
		return true
	}
	for _, c := range continuations {
		if bytes.HasPrefix(line, c) {
			return true
		}
	}
	return false
}

// Decode gives the events of one record: none, one, or many. The event is valid
// until yield returns. It returns ErrNoMatch if no format of the stream reads the record.
// Pos, and Service and Host where the record does not say them, are left to the caller.
func (r *Reader) Decode(rec Record, yield func(*timeline.Event) bool) error {
	if rec.head {
		return nil
	}
	in := rec.in
	text := decoded(plain(rec.Bytes))
	if in == nil {
		first := text
		if i := bytes.IndexByte(first, '\n'); i >= 0 {
			first = trimLine(first[:i])
		}
		p, ok := r.route(first)
		if ok {
			in = p.in
		}
	}
	var e *timeline.Event
	if in != nil {
		r.decoding(len(in.outer)).order = rec.order
		e = r.read(in, text, rec.by)
	}
	if e == nil {
		if e = r.decodesTurned(&rec, text); e == nil {
			e = r.decodesRest(text)
		}
		if e == nil {
			r.doubts.unread = true
			return ErrNoMatch
		}
		in = r.root.rest
	}
	if d := r.decoding(len(in.outer)); d.treeOf != nil && e == &d.ev {
		r.each(in, d, yield)
		return nil
	}
	e.Raw = rec.Bytes
	if e.Time.IsZero() {
		r.infer(in, e)
	}
	if id := rec.Exchange; id != "" && !slices.ContainsFunc(e.Keys, isIdentity) {
		e.Keys = append(e.Keys, timeline.Key{Name: timeline.KeyRequestID, Value: id})
	}
	yield(e)
	return nil
}

// decodesRest reads a record that is foreign to the stream by the general format of such.
func (r *Reader) decodesRest(text []byte) *timeline.Event {
	if r.form == nil || r.form.rest == nil {
		return nil
	}
	d := r.decoding(0)
	if d.ref = r.opt.Reference; !d.decode(r.form.rest.c, text) {
		return nil
	}
	return &d.ev
}

func isIdentity(k timeline.Key) bool { return k.Strength == timeline.Identity }

// StampText gives what the record decoded last writes as the time t of its event, valid until
// the next is decoded; "" if t was not made of one text alone.
func (r *Reader) StampText(t time.Time) string {
	for i := len(r.dec) - 1; i >= 0; i-- {
		if d := r.dec[i]; d.stamped != "" && d.ev.Time.Equal(t) {
			return d.stamped
		}
	}
	return ""
}

// each gives the events of the tree that d read.
func (r *Reader) each(in *strand, d *decoding, yield func(*timeline.Event) bool) {
	d.tree(d.treeOf, d.parsed, func() bool {
		for i := len(in.outer) - 1; i >= 0; i-- {
			merge(&d.ev, &r.dec[i].ev)
		}
		return yield(&d.ev)
	})
}

// infer dates an event without stamp by the stamped record before it. They are of one
// process, so that whose it is is told by that one too.
func (r *Reader) infer(in *strand, e *timeline.Event) {
	if len(in.stamped) == 0 {
		return
	}
	order := r.decoding(len(in.outer)).order
	if d := in.dating; d == nil || d.order != order {
		// The event at hand uses the reader's decodings: ask another one.
		s := &Reader{set: r.set, opt: r.opt, frame: r.opt.decoding()}
		s.decoding(len(in.outer)).order = order
		in.dating = &dating{order: order}
		if p := s.read(in, decoded(plain(in.stamped)), nil); p != nil {
			in.dating.time, in.dating.stamp, in.dating.service, in.dating.host = p.Time, p.Stamp, p.Service, p.Host
		}
	}
	d := in.dating
	if d.time.IsZero() {
		return
	}
	e.Time = d.time
	st := timeline.Stamp{Meaning: timeline.Within, Resolution: d.stamp.Resolution, Zone: d.stamp.Zone}
	if e.Kind != timeline.LogRecord {
		st.DurationResolution = e.Stamp.DurationResolution // how long it took is known, though not since when
	}
	e.Stamp = st
	e.Attrs.Set(InferredTime, "previous")
	if e.Service == "" {
		e.Service = d.service
	}
	if e.Host == "" {
		e.Host = d.host
	}
}

// decoding gives the state for reading what is inside so many wrappers.
func (r *Reader) decoding(depth int) *decoding {
	for len(r.dec) <= depth {
		r.dec = append(r.dec, r.opt.decoding())
		r.inner = append(r.inner, nil)
	}
	return r.dec[depth]
}

// read gives the event of a record of in, nil if no format reads it. by is the format
// that its first line is in, nil if that is not known.
func (r *Reader) read(in *strand, rec []byte, by *compiled) *timeline.Event {
	text := rec
	n := len(in.outer)
	ref := r.opt.Reference
	for i, c := range in.outer {
		d := r.decoding(i)
		if i > 0 {
			if t := r.dec[i-1].ev.Time; !t.IsZero() {
				ref = t.Add(wrapperSlack)
			}
		}
		d.ref = ref
		if bytes.IndexByte(text, '\n') < 0 && c.wraps.whole {
			if !d.decode(c, text) {
				if i == 0 {
					return nil
				}
				n = i
				break
			}
			if !isList(c, d.ev.Body) {
				text = plain(bytesOf(strings.TrimSuffix(strings.TrimSuffix(d.ev.Body, "\n"), "\r")))
				continue
			}
		}
		inner, ok := r.unwrap(i, c, text)
		if !ok {
			if i == 0 {
				return nil
			}
			n = i
			break
		}
		// The wrapper's own fields, by its first line.
		first := text
		if j := bytes.IndexByte(first, '\n'); j >= 0 {
			first = trimLine(first[:j])
		}
		if !d.decode(c, first) {
			if i == 0 {
				return nil
			}
			n = i
			break
		}
		text = inner
	}
	d := r.decoding(n)
	if n > 0 {
		if t := r.dec[n-1].ev.Time; !t.IsZero() {
			ref = t.Add(wrapperSlack)
		}
	}
	d.ref = ref
	var e *timeline.Event
	if n == len(in.outer) && r.readInner(in, d, text, by) {
		e = &d.ev
	}
	if e == nil {
		if n == 0 {
			return nil
		}
		// Nobody reads the inner text: it is the wrapper's message.
		e = &r.dec[n-1].ev
		e.Body = string(text)
		if x, ok := parseStack(e.Body); ok {
			e.Exception = &x
		}
		r.dec[n-1].findKeys(in.outer[n-1], e.Body)
		e.System = ""
		n--
	}
	for i := n - 1; i >= 0; i-- {
		merge(e, &r.dec[i].ev)
	}
	return e
}

// decodeSpecial reads a record by the first of formats that can, as one of a stream of a
// more general format.
func (d *decoding) decodeSpecial(formats []*compiled, text []byte) bool {
	t := trial{d: d, line: text}
	for _, c := range formats {
		if t.decode(c) {
			return true
		}
	}
	return false
}

// readInner decodes a record without wrappers.
func (r *Reader) readInner(in *strand, d *decoding, text []byte, by *compiled) bool {
	if in.main != nil && (d.decodeSpecial(r.set.special[in.main], text) || d.decode(in.main, text)) {
		return true
	}
	if by != nil && by != in.main && by.wraps == nil && d.decode(by, text) {
		return true
	}
	if in.main != nil {
		for _, g := range r.set.guestsOf(in.main) {
			if g.c != in.main && g.c != by && d.decode(g.c, text) {
				return true
			}
		}
		return false
	}
	if len(in.outer) == 0 {
		return false
	}
	for _, f := range r.set.formats {
		if f.c.wraps == nil && f.c != by && d.decode(f.c, text) {
			return true
		}
	}
	return false
}

// bytesOf gives the bytes of s, which must not be changed.
func bytesOf(s string) []byte {
	if s == "" {
		return nil
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

func newBuffered(in io.Reader) *bufio.Reader {
	size := headSize
	if b, ok := in.(*bytes.Reader); ok {
		size = min(size, b.Len()+1) // thousands of small files have thousands of heads
	}
	if size == headSize {
		if b, ok := buffers.Get().(*bufio.Reader); ok {
			b.Reset(in)
			return b
		}
	}
	return bufio.NewReaderSize(in, size)
}

// buffers are those of readers that were closed.
var buffers sync.Pool // of *bufio.Reader

// Close gives back the memory in which the reader has what it read ahead. It closes nothing else, may be left
// out, and the reader is of no use after it.
func (r *Reader) Close() {
	if r.in != nil && r.in.Size() == headSize {
		r.in.Reset(nil)
		buffers.Put(r.in)
	}
	r.in = nil
}
