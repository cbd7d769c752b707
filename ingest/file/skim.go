package file

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/correlatehq/correlate/timeline"

	"github.com/correlatehq/correlate/ingest/format"
)

// A skimmer goes through a part in large blocks and reads only those records that its bytes
// say may be wanted: those with an ID or a literal of the plan, those in its windows, those
// at the places of the sample. It looks at the beginnings of lines only to find where the
// records begin in which something stands, and, where failures or process lives are wanted,
// to find lines that are none of the stream's own.
type skimmer struct {
	r      *partReader
	reader *format.Reader // that of r
	screen *format.Screen
	in     io.Reader
	search []*search        // whatever one of them finds is looked at
	texts  []format.Literal // to be looked for too, once the first bytes are there
	look   bool             // for lines that are none of the stream's own

	block  int // how much is read at once
	buf    []byte
	window []byte // from the beginning of a record on
	base   int64  // offset of the window in the part
	eof    bool
	whole  bool // all records from some place on were read

	keeps    *kept // what is kept of this pass for later ones; nil if it is nothing
	keepFrom int64

	counted, line int // number of the line in which the byte of the window is
	marks         []int
	stretches     []stretch
	section       section
	learnt        int
}

// A stretch of the window holds whole records.
type stretch struct{ start, end int }

const (
	// sectionStep is how much of a window is handed to a reader at once: most records are short.
	sectionStep = 4 << 10
	// textSample is of how many bytes a search for texts learns what is rare among them.
	textSample = 16 << 10
	// maxLearn bounds the lines of a pass that are looked at for how lines may begin.
	maxLearn = 256
)

// A section reads a stretch of memory a little at a time.
type section struct{ rest []byte }

func (s *section) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), sectionStep)], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// newSkimmer gives nil if bytes cannot tell what of the part is wanted.
func (r *partReader) newSkimmer(in io.Reader) *skimmer {
	if r.docs || r.pl.all || len(r.lines) > 0 || len(r.near) > 0 && r.index == nil {
		return nil
	}
	screen := r.s.screen(r.p, r.form)
	if screen == nil {
		return nil
	}
	k := &skimmer{r: r, screen: screen.Clone(), in: in, block: blockSize, line: 1}
	var literals []format.Literal
	if len(r.pl.failed) > 0 {
		ls, ok := screen.Failed()
		if !ok || slices.ContainsFunc(r.pl.failed, func(f *timeline.Failed) bool { return len(f.Status) > 0 }) {
			return nil
		}
		literals = append(literals, ls...)
	}
	if r.pl.life {
		ls, ok := screen.Lifecycle()
		if !ok {
			return nil
		}
		literals = append(literals, ls...)
	}
	k.look = (len(r.pl.failed) > 0 || r.pl.life) && !screen.Alike()
	if r.pl.spelling != nil {
		k.search = append(k.search, r.pl.spelling)
	}
	k.texts = literals
	return k
}

// screen gives the screen of a part; nil if there is none for its format.
func (s *Source) screen(p *filePart, f *format.Format) *format.Screen {
	p.screening.Do(func() {
		if head, err := p.head(); err == nil {
			p.screen = s.config.Formats.NewScreen(f, head, s.options(p, f))
		}
	})
	return p.screen
}

// wanted gives the windows outside of which nothing is wanted; nil if that is not so.
func (k *skimmer) wanted() spans {
	r := k.r
	switch {
	case r.sampler.on || r.stamps != nil:
	case r.within != nil:
		return r.within
	case len(k.search) == 0 && len(k.texts) == 0 && !k.look:
		return r.near
	}
	return nil
}

// buffers are those of passes that are over.
var buffers = sync.Pool{New: func() any { return new([]byte(make([]byte, 0, 2*blockSize))) }}

// pass goes through what may be wanted of the part; false says that it was stopped.
func (k *skimmer) pass(ctx context.Context, f *stored) bool {
	b := buffers.Get().(*[]byte)
	k.buf = *b
	defer func() {
		if cap(k.buf) <= 4*blockSize { // what a long record made large is not kept
			*b = k.buf[:0]
		}
		buffers.Put(b)
	}()
	if k.r.places {
		return k.sample(ctx, f)
	}
	return k.run(ctx, f)
}

// run does the work of pass, but for that which goes from place to place.
func (k *skimmer) run(ctx context.Context, f *stored) bool {
	if h := k.r.holds; h != nil && (f.how == nil || k.r.stamps == nil) {
		return k.jump(ctx, f, h)
	}
	wanted := k.wanted()
	if wanted == nil {
		goOn := k.through(ctx, math.MaxInt64)
		if goOn {
			k.r.keepIndex()
		}
		return goOn
	}
	size := k.r.p.size
	if f.how != nil {
		size = k.r.index.size()
	}
	runs := k.r.index.runs(wanted, size)
	near := k.r.kept(runs)
	if f.how != nil && len(runs) > 0 && near == nil { // nothing is passed over, but for the end
		if k.r.within != nil {
			k.keeps, k.keepFrom = &kept{}, runs[0].from.offset
		}
		goOn := k.through(ctx, runs[len(runs)-1].to)
		k.keepNow(goOn && !k.whole)
		return goOn
	}
	for _, x := range runs {
		if near != nil {
			k.in = &cancelReader{ctx, near.read(x.from.offset)}
		} else {
			k.in = &cancelReader{ctx, io.NewSectionReader(f.file, x.from.offset, size-x.from.offset)}
		}
		k.base, k.line, k.counted, k.eof = x.from.offset, x.from.line, 0, false
		if !k.through(ctx, x.to) {
			return false
		}
		if k.whole {
			break
		}
	}
	return true
}

// kept gives what an earlier pass kept of the part; nil if that is not all that the runs need.
func (r *partReader) kept(runs []run) *kept {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if !r.p.kept.holds(runs) {
		return nil
	}
	return r.p.kept
}

// keepNow leaves to later passes what this one kept, if it is all that it went through.
func (k *skimmer) keepNow(all bool) {
	x := k.keeps
	if x == nil {
		return
	}
	k.keeps = nil
	k.r.s.mu.Lock()
	defer k.r.s.mu.Unlock()
	if !all || len(x.blocks) == 0 || k.r.p.kept != nil {
		x.drop(&k.r.s.room)
		return
	}
	x.whole = k.eof
	k.r.p.kept = x
}

// through goes on until a window begins at the offset or behind it.
func (k *skimmer) through(ctx context.Context, to int64) bool {
	limit := k.r.reader.MaxRecord()
	buf := k.buf[:0]
	for !k.eof && (k.base < to || k.r.places && k.r.sampler.due(to-1)) {
		if cap(buf)-len(buf) < k.block {
			buf = slices.Grow(buf, k.block)
		}
		n, err := io.ReadFull(k.in, buf[len(buf):len(buf)+k.block])
		buf = buf[:len(buf)+n]
		k.window = buf
		switch {
		case ctx.Err() != nil:
			return false
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			k.eof = true
		case err != nil:
			// What came before is read, and where it breaks is told.
			return k.onward(ctx, buf, &endsWith{err})
		}
		end := k.settled()
		if end == 0 && !k.eof {
			if len(buf) > limit {
				return k.onward(ctx, buf, k.in)
			}
			continue
		}
		if k.r.turned(buf) || k.tooLong(limit) {
			return k.onward(ctx, buf, k.in)
		}
		k.find(end)
		for _, st := range k.stretches {
			goOn, turnedAt := k.read(st, end)
			if !goOn || ctx.Err() != nil {
				return false
			}
			if turnedAt >= 0 {
				return k.onward(ctx, buf[turnedAt:], k.in)
			}
		}
		if k.keeps != nil && k.base+int64(end) > k.keepFrom && !k.keeps.add(k.base, buf[:end], &k.r.s.room) {
			k.keeps.drop(&k.r.s.room)
			k.keeps = nil
		}
		k.lineAt(end)
		k.counted = 0
		k.base += int64(end)
		buf = buf[:copy(buf, buf[end:])]
	}
	k.buf = buf
	return true
}

// endsWith is a reader that has only an error.
type endsWith struct{ err error }

func (f *endsWith) Read([]byte) (int, error) { return 0, f.err }

// onward reads all records from here on: rest, which is the end of the window, and what
// comes behind it.
func (k *skimmer) onward(ctx context.Context, rest []byte, in io.Reader) bool {
	k.whole = true
	k.r.p.turned.Store(true)
	at := len(k.window) - len(rest)
	k.reader.Jump(io.MultiReader(bytes.NewReader(rest), in), k.base+int64(at), k.lineAt(at))
	return k.r.records(ctx)
}

// settled gives the end of the last record that is whole in the window: where a line of
// the stream's own begins.
func (k *skimmer) settled() int {
	if k.eof {
		return len(k.window)
	}
	return k.lastOwn(len(k.window))
}

// lastOwn gives where the last line of the stream's own begins before end; 0 if there is
// none but the first.
func (k *skimmer) lastOwn(end int) int {
	for i := end; ; {
		if i = bytes.LastIndexByte(k.window[:i], '\n'); i < 0 {
			return 0
		}
		if i+1 < end && k.screen.Own(k.window[i+1:]) {
			return i + 1
		}
	}
}

// tooLong says whether a line of the window is longer than a record may be.
func (k *skimmer) tooLong(limit int) bool {
	if len(k.window) <= limit {
		return false
	}
	for rest := k.window; len(rest) > limit; {
		i := bytes.LastIndexByte(rest[:limit+1], '\n')
		if i < 0 {
			return true
		}
		rest = rest[i+1:]
	}
	return false
}

// lineAt gives the number of the line in which the byte of the window is; it is asked for
// ever later ones.
func (k *skimmer) lineAt(i int) int {
	if i > k.counted {
		k.line += bytes.Count(k.window[k.counted:i], []byte{'\n'})
		k.counted = i
	}
	return k.line
}

// find finds the stretches of the window before end that hold what may be wanted.
func (k *skimmer) find(end int) {
	r := k.r
	text := k.window[:end]
	k.marks, k.stretches = k.marks[:0], k.stretches[:0]
	if r.within != nil && !k.meetsWithin(end) {
		return
	}
	if len(k.texts) > 0 {
		k.search = append(k.search, newTextSearch(k.texts, text[:min(len(text), textSample)]))
		k.texts = nil
	}
	for _, s := range k.search {
		s.each(text, func(h hit) bool {
			k.marks = append(k.marks, h.start)
			return true
		})
	}
	if k.look {
		k.strange(text)
	}
	if r.stamps != nil {
		for at := k.base; at < k.base+int64(end); at = (at>>stretchBits + 1) << stretchBits {
			if !r.stamps.knows(at) {
				k.marks = append(k.marks, k.ownFrom(int(at-k.base), end))
			}
		}
		if k.eof {
			// The clock may have been set since the stretch began.
			last := k.lastOwn(len(bytes.TrimRight(text, "\r\n"))) // the first of the window if there is no other
			r.last = k.base + int64(last)
			k.marks = append(k.marks, last)
		}
	}
	if r.sampler.on {
		for at := r.sampler.next; at < float64(k.base)+float64(end); at += r.sampler.stride {
			if i := k.ownFrom(int(max(0, at-float64(k.base))+0.999), end); i < end {
				k.marks = append(k.marks, i)
			}
		}
	}
	slices.Sort(k.marks)
	done := 0
	for _, m := range k.marks {
		if m < done || m >= end {
			continue
		}
		done = k.add(m, m+1, end)
	}
	if len(r.near) > 0 {
		for at := 0; at < end; {
			next := min(end, int((k.base+int64(at))>>stretchBits<<stretchBits+1<<stretchBits-k.base))
			if r.index.meets(k.base+int64(at), r.near) {
				k.addNear(at, next, end)
			}
			at = next
		}
		slices.SortFunc(k.stretches, func(a, b stretch) int { return cmp.Compare(a.start, b.start) })
	}
	out := k.stretches[:0]
	for _, st := range k.stretches {
		if n := len(out); n > 0 && st.start <= out[n-1].end {
			out[n-1].end = max(out[n-1].end, st.end)
			continue
		}
		out = append(out, st)
	}
	k.stretches = out
}

// add adds the records that have bytes of window[from:to], and gives their end. Before one
// without stamp come those from the last one on that has one.
func (k *skimmer) add(from, to, end int) int {
	st := stretch{k.datedAt(from), k.ownFrom(to, end)}
	k.stretches = append(k.stretches, st)
	return st.end
}

// meetsWithin says whether a record of the window before end may lie in the windows without
// which nothing is wanted.
func (k *skimmer) meetsWithin(end int) bool {
	for at := k.base; at < k.base+int64(end); at = (at>>stretchBits + 1) << stretchBits {
		if k.r.index.meets(at, k.r.within) {
			return true
		}
	}
	return false
}

// addNear adds the records that begin in window[from:to] but for those of which a glance
// tells that they are stamped in none of the windows.
func (k *skimmer) addNear(from, to, end int) {
	for at := k.datedAt(from); at < to; {
		next := k.ownFrom(at+1, end)
		for next < end && !k.screen.Dates(k.window[next:]) {
			next = k.ownFrom(next+1, end)
		}
		line, rest, _ := bytes.Cut(k.window[at:next], []byte{'\n'})
		if len(rest) > 0 || k.screen.Strange(k.window[at:]) || k.maybeNear(line, at) {
			k.stretches = append(k.stretches, stretch{at, next})
		}
		at = next
	}
}

// maybeNear says whether the record that the line at the place of the window is may be
// stamped in one of the windows.
func (k *skimmer) maybeNear(line []byte, at int) bool {
	g := k.r.glance
	second, ok := g.second(line)
	if !ok && g.tried < maxLearn {
		g.tried++
		k.section.rest = k.window[at : at+len(line)]
		k.reader.Jump(&k.section, k.base+int64(at), 1)
		if rec, err := k.r.reader.Next(); err == nil {
			// One that nobody reads is none to learn from; it is told when it is read.
			_ = k.r.reader.Decode(rec, func(e *timeline.Event) bool {
				g.learn(rec.Bytes, k.r.reader.StampText(e.Time), e)
				return true
			})
		}
		second, ok = g.second(line)
	}
	if !ok {
		return true
	}
	for _, w := range k.r.hosts {
		if w.meet(second, second.Add(time.Second)) && (w.host == nil || g.hostTold || bytes.Contains(line, w.host)) {
			return true
		}
	}
	return false
}

// ownAt gives where the last line of the stream's own begins that does so at i or before; 0
// if there is none.
func (k *skimmer) ownAt(i int) int {
	for {
		i = bytes.LastIndexByte(k.window[:i], '\n') + 1
		if i == 0 || k.screen.Own(k.window[i:]) {
			return i
		}
		i--
	}
}

// datedAt gives where the last record begins at i or before that has a stamp; if there is none in
// the window, the last of the stream's own.
func (k *skimmer) datedAt(i int) int {
	own := k.ownAt(i)
	for at := own; ; at = k.ownAt(at - 1) {
		if k.screen.Dates(k.window[at:]) {
			return at
		}
		if n := len(k.stretches); n > 0 && at <= k.stretches[n-1].end {
			return at // those before it are read
		}
		if at == 0 {
			return own
		}
	}
}

// ownFrom gives the first line of the stream's own that begins at i or later; end if there
// is none before it.
func (k *skimmer) ownFrom(i, end int) int {
	for {
		if i > 0 {
			n := bytes.IndexByte(k.window[i-1:end], '\n')
			if n < 0 {
				return end
			}
			i += n
		}
		if i >= end {
			return end
		}
		if k.screen.Own(k.window[i:]) {
			return i
		}
		i++
	}
}

// strange marks the lines that are none of the stream's own.
func (k *skimmer) strange(text []byte) {
	for at := 0; at < len(text); {
		if c := text[at]; c != '\n' && c != '\r' && k.screen.Strange(k.window[at:]) {
			k.marks = append(k.marks, at)
		}
		n := bytes.IndexByte(text[at:], '\n')
		if n < 0 {
			return
		}
		at += n + 1
	}
}

// read reads the records of a stretch, and more where the sample wants another try. False
// says to stop. If the part turns to another format, turned is where the first record of
// that begins; else it is negative.
func (k *skimmer) read(st stretch, end int) (goOn bool, turned int) {
	r := k.r
	k.section.rest = k.window[st.start:]
	k.reader.Jump(&k.section, k.base+int64(st.start), k.lineAt(st.start))
	stop, last := k.base+int64(st.end), k.base+int64(end)
	at := r.pos
	for {
		rec, err := r.reader.Next()
		if err != nil {
			return true, -1
		}
		if rec.Offset >= stop && (rec.Offset >= last || !r.sampler.due(rec.Offset)) {
			return true, -1
		}
		if rec.Format != nil && rec.Format != r.cur {
			return true, int(rec.Offset - k.base)
		}
		at.Offset, at.Line = rec.Offset, rec.Line
		if r.places {
			at.Line = 0
		}
		if r.stamps != nil && k.screen.Own(k.window[rec.Offset-k.base:]) {
			r.stamps.starting(rec.Offset, rec.Line)
		}
		if !r.record(rec, at) {
			return false, -1
		}
		if k.look && k.learnt < maxLearn && k.screen.Strange(k.window[rec.Offset-k.base:]) && bytes.IndexByte(rec.Bytes, '\n') < 0 {
			k.learnt++
			k.screen.Learn(rec.Bytes)
		}
	}
}
