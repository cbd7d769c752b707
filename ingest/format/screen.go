package format

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
)

// A Screen tells by a glance which lines of a stream surely begin a record of the stream's
// own format, and which texts stand in those of them that are failures or tell of the life
// of a process. What another format of the application may have written between them is not
// among these: its lines are strange.
//
// How a line of the stream begins is learnt from lines that were read. Not for concurrent
// use: Clone it.
type Screen struct {
	*screened
	begins []beginning
	r      *Reader // made when it is needed
}

// screened is what the clones of a screen have in common.
type screened struct {
	set    *Set
	format *Format
	opt    Options
	main   *compiled
	lines  bool // every line is a record
	alike  bool // and one of the stream's own
	dated  bool // every record of the stream's own bears a stamp, or none does
	width  int  // words of a beginning
	screenLiterals
}

// screenLiterals are what stands in the wanted records of a stream.
type screenLiterals struct {
	failed []Literal
	life   []Literal
	// That a list is not known is another thing than that it is empty.
	failedKnown, lifeKnown bool
}

// A screenKey is all by which the literals of streams differ.
type screenKey struct {
	main  *compiled
	outer string // names of the wrappers
	lines bool
}

// A beginning is how lines begin: the digits of it are any digits.
type beginning struct{ mask, want [beginWords]uint64 }

const (
	usualWords = 4  // of 8 bytes
	beginWords = 10 // at most, where wrappers stand in front
	innerLeast = 16 // of what is in wrappers must be among them
	maxBegins  = 24 // of one stream
	learnLines = 48 // of the head are looked at
	// learnShare is the share of these lines that the beginnings found must tell.
	learnShare = 0.95
)

// NewScreen makes a screen for a stream of f that has the head. It gives nil where lines do
// not tell enough: documents, columns that a head names, streams of several formats, lines
// that begin in too many ways, records whose request lines before them tell.
func (s *Set) NewScreen(f *Format, head []byte, o Options) *Screen {
	if f == nil || f.c == nil {
		return nil
	}
	main, outer, ok := single(routeOf(f), nil)
	if !ok || main.between != nil || len(main.conts) > 0 && len(outer) > 0 || main.columns != nil && (main.columns.hasHead() || !main.oneLine) ||
		main.paths != nil && main.paths.nested > 0 {
		return nil
	}
	sc := &Screen{screened: &screened{set: s, format: f, opt: o, main: main}}
	sc.lines = sc.reader().lineByLine
	sc.alike = sc.lines && len(outer) == 0
	sc.dated = len(outer) > 0 || len(main.timeNames) == 0 || !main.unstamped()
	sc.literals(outer)
	if sc.alike {
		return sc
	}
	var lines [][]byte
	most, least := usualWords, 2
	head = bytes.TrimPrefix(whole(head), bom)
	for len(head) > 0 && len(lines) < learnLines {
		line, rest, _ := bytes.Cut(head, []byte{'\n'})
		if head = rest; len(line) == 0 || !sc.reads(line) {
			continue
		}
		lines = append(lines, line)
		if len(outer) > 0 && !sc.guests() {
			at := sc.inner(line, outer)
			if at < 0 {
				return nil
			}
			least = max(least, (at+innerLeast+7)/8)
		}
	}
	if most = max(most, least); most > beginWords {
		return nil
	}
	for width := most; width >= least; width-- {
		sc.width, sc.begins = width, sc.begins[:0]
		told := 0
		for _, l := range lines {
			if sc.add(l) {
				told++
			}
		}
		if len(lines) > 0 && float64(told) >= learnShare*float64(len(lines)) {
			return sc
		}
	}
	return nil
}

// guests says whether what guests write is looked for too: where they are few, or their
// lines are not told from others.
func (sc *Screen) guests() bool { return sc.lines || sc.main.spec.Stream != streamApp }

// inner gives where in a line that is read what is inside the wrappers begins; -1 if that
// does not stand there as it is.
func (sc *Screen) inner(line []byte, outer []*compiled) int {
	p, ok := sc.reader().route(plain(trimLine(line)))
	if !ok {
		return -1
	}
	text := p.text[:min(len(p.text), innerLeast)]
	for i := len(outer) - 1; i >= 0; i-- {
		text = outer[i].escape(text)
	}
	return bytes.Index(line, text)
}

// single gives the one format to whose records a route leads, and the wrappers before it;
// false if there are several or none.
func single(rt *route, outer []*compiled) (*compiled, []*compiled, bool) {
	if rt.wrap == nil {
		return rt.main, outer, rt.main != nil
	}
	if rt.wrap.wraps.newline || rt.wrap.paths != nil && rt.wrap.paths.nested > 0 {
		return nil, nil, false
	}
	outer = append(slices.Clip(outer), rt.wrap)
	next := make([]*route, 0, len(rt.inner)+1)
	for _, in := range rt.inner {
		next = append(next, in)
	}
	if rt.general != nil {
		next = append(next, rt.general)
	}
	var main *compiled
	var all []*compiled
	for _, in := range next {
		m, o, ok := single(in, outer)
		if !ok || main != nil && (m != main || !slices.Equal(o, all)) {
			return nil, nil, false
		}
		main, all = m, o
	}
	return main, all, main != nil
}

// Clone gives a screen that may be used beside this one.
func (sc *Screen) Clone() *Screen {
	return &Screen{screened: sc.screened, begins: slices.Clone(sc.begins)}
}

func (sc *Screen) reader() *Reader {
	if sc.r == nil {
		sc.r = &Reader{set: sc.set, opt: sc.opt, in: newBuffered(bytes.NewReader(nil)), max: defaultMaxRecord}
		sc.r.start(sc.format)
	}
	return sc.r
}

// literals finds what stands in the wanted records of the stream's own formats. Of streams that are alike it is looked for once.
func (sc *Screen) literals(outer []*compiled) {
	key := screenKey{main: sc.main, lines: sc.lines}
	for _, c := range outer {
		key.outer += c.name + ">"
	}
	known, ok := sc.set.literals.Load(key)
	if !ok {
		sc.findLiterals(outer)
		known, _ = sc.set.literals.LoadOrStore(key, sc.screenLiterals)
	}
	sc.screenLiterals = known.(screenLiterals)
	sc.failedKnown = sc.failedKnown && sc.format.Literals != nil
}

func (sc *Screen) findLiterals(outer []*compiled) {
	sc.failedKnown, sc.lifeKnown = true, true
	own := append([]*compiled{sc.main}, sc.set.special[sc.main]...)
	for _, g := range sc.set.guestsOf(sc.main) {
		if (sc.guests() || sc.beginsAlike(g.c)) && !slices.Contains(own, g.c) {
			own = append(own, g.c)
		}
	}
	for _, c := range own {
		if c.literals == nil {
			sc.failedKnown = false
		}
		for _, l := range c.literals {
			for i := len(outer) - 1; i >= 0; i-- {
				l = outer[i].escape(l)
			}
			sc.failed = append(sc.failed, Literal{Text: string(l), Status: c.beginsStatus(l)})
		}
	}
	for _, c := range slices.Concat(own, outer) {
		ls, ok := c.lifeLiterals()
		sc.lifeKnown = sc.lifeKnown && ok
		sc.life = append(sc.life, ls...)
	}
	sc.failed, sc.life = fewest(sc.failed), fewest(sc.life)
}

// beginsAlike says whether a guest's lines may begin as those of the stream's own format do: objects whose first members have the same names, as
// loggers of one make write them.
func (sc *Screen) beginsAlike(guest *compiled) bool {
	d := sc.main.spec.Decoder
	return d == guest.spec.Decoder && (d == "json" || d == "logfmt")
}

// beginsStatus says whether a literal of the failed records of c ends in the first digit of
// a status: only that makes one of a digit.
func (c *compiled) beginsStatus(l []byte) bool {
	return bytes.HasSuffix(l, []byte("5")) && !bytes.HasSuffix(l, []byte("m5")) && // a colour
		slices.ContainsFunc(c.failed, func(w cond) bool { return w.lo == 500 })
}

// fewest drops literals that hold another one.
func fewest(ls []Literal) []Literal {
	slices.SortFunc(ls, func(a, b Literal) int { return len(a.Text) - len(b.Text) })
	var out []Literal
next:
	for _, l := range ls {
		for _, o := range out {
			text := l.Text
			if o.Fold {
				text = string(bytes.ToLower([]byte(text)))
			}
			if (o.Fold || !l.Fold) && (l.Status || !o.Status) && bytes.Contains([]byte(text), []byte(o.Text)) {
				continue next
			}
		}
		out = append(out, l)
	}
	return out
}

// Failed gives literals of which each own record that failed contains one; false if bytes
// do not tell.
func (sc *Screen) Failed() ([]Literal, bool) { return sc.failed, sc.failedKnown }

// Lifecycle gives the same of the records of process lives.
func (sc *Screen) Lifecycle() ([]Literal, bool) { return sc.life, sc.lifeKnown }

// Lines says whether every line is a record.
func (sc *Screen) Lines() bool { return sc.lines }

// Alike says whether every line is a record of the stream's own format, and none strange.
func (sc *Screen) Alike() bool { return sc.alike }

// Own says whether the line, with which text begins, surely begins a record.
func (sc *Screen) Own(text []byte) bool { return sc.lines || sc.tells(text) }

// Dates says whether the record of the stream's own bears a stamp that begins with the line with
// which text begins: by it those after it are dated that bear none.
func (sc *Screen) Dates(text []byte) bool {
	if sc.dated {
		return true
	}
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	return sc.main.bearsStamp(line)
}

// Strange says whether the line, with which text begins, may not be the first of a record of
// the stream's own format.
func (sc *Screen) Strange(text []byte) bool { return !sc.alike && !sc.tells(text) }

// tells says whether lines of the stream's own format are known to begin so.
func (sc *Screen) tells(text []byte) bool {
	if len(text) < 8*sc.width {
		return false
	}
next:
	for i := range sc.begins {
		b := &sc.begins[i]
		for j := range sc.width {
			if binary.LittleEndian.Uint64(text[8*j:])&b.mask[j] != b.want[j] {
				continue next
			}
		}
		if i > 0 { // what comes often is found first
			sc.begins[i], sc.begins[i-1] = sc.begins[i-1], sc.begins[i]
		}
		if len(sc.main.conts) == 0 {
			return bytes.IndexByte(text[:8*sc.width], '\n') < 0
		}
		line, _, _ := bytes.Cut(text, []byte{'\n'})
		return len(line) >= 8*sc.width && !sc.main.isContinuation(trimLine(line))
	}
	return false
}

// Learn notes how a line begins, if it alone is a record of the stream's own format.
func (sc *Screen) Learn(line []byte) {
	if !sc.alike && len(sc.begins) < maxBegins && sc.reads(line) {
		sc.add(line)
	}
}

// reads says whether the line alone is a record of the stream's own format.
func (sc *Screen) reads(line []byte) bool {
	line = plain(trimLine(line))
	r := sc.reader()
	p, ok := r.route(line)
	return ok && p.in != nil && p.in.main == sc.main && !p.partial && !sc.main.isContinuation(p.text) && r.frame.decode(sc.main, p.text)
}

// add notes how a line begins; false if there is no room for it.
func (sc *Screen) add(line []byte) bool {
	if len(line) < 8*sc.width {
		return false
	}
	if sc.tells(line) {
		return true
	}
	if len(sc.begins) == maxBegins {
		return false
	}
	var b beginning
	for i := range 8 * sc.width {
		mask, want := uint64(0xff), uint64(line[i])
		if line[i] >= '0' && line[i] <= '9' {
			mask, want = 0xf0, '0'&0xf0
		}
		b.mask[i/8] |= mask << (8 * (i % 8))
		b.want[i/8] |= want << (8 * (i % 8))
	}
	sc.begins = append(sc.begins, b)
	return true
}

// Jump goes on at another place of the stream: in begins there, with a line that begins a
// record, so many bytes from the stream's beginning and in a line of this number.
func (r *Reader) Jump(in io.Reader, offset int64, line int) {
	r.in.Reset(in)
	r.offset, r.line = offset, line
	r.held, r.drain, r.err = false, false, nil
	r.free = append(r.free, r.queue...)
	if r.given != nil {
		r.free = append(r.free, r.given)
	}
	r.queue, r.queued, r.given, r.last = r.queue[:0], 0, nil, nil
	r.doubts.until = min(r.doubts.until, line)
}
