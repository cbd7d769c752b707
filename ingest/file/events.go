package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/internal/idindex"
	"github.com/correlatehq/correlate/timeline"
)

// Reasons for which something is skipped, as RecordError.What.
const (
	whatUnreadable = "unreadable file"
	whatBinary     = "binary file"
	whatNoFormat   = "file in no known format"
	whatNotFormat  = "not in the format of its file"
	whatKeyInFile  = "file in no known format that holds an ID asked for"
	whatKeyInText  = "not in the format of its file, with an ID asked for"
)

// A plan is a Filter made ready for looking at many records. It is not changed
// while it is used.
type plan struct {
	all      bool // every event is wanted
	from, to time.Time
	keys     []timeline.Key
	keyForms [][]string // of each key
	wanted   map[string]bool
	begins   []string // see Want.Begins; their owners in spelling follow those of the keys
	spelling *search
	// query asks an index for the spellings; unable are those that none can hold.
	query  func() (q *idindex.Query, unable []string)
	failed []*timeline.Failed
	near   windows
	within windows // see Filter.Within
	sample *timeline.Sample
	life   bool // records of process lives are wanted
	at     []timeline.RecordAt
}

func newPlan(f timeline.Filter) *plan {
	p := &plan{from: f.From, to: f.To, wanted: map[string]bool{}, within: withinOf(f.Within)}
	var spellings [][]string
	var near []*timeline.Window
	for _, w := range f.Any {
		for _, k := range w.Keys {
			if k.Value == "" {
				continue
			}
			p.keys = append(p.keys, k)
			forms := k.Forms()
			p.keyForms = append(p.keyForms, forms)
			for _, form := range forms {
				p.wanted[form] = true
			}
			spellings = append(spellings, k.Spellings())
		}
		if w.Failed != nil {
			p.failed = append(p.failed, w.Failed)
		}
		p.life = p.life || w.Lifecycle
		if w.Begins != "" {
			p.begins = append(p.begins, w.Begins)
		}
		if w.At != nil {
			p.at = append(p.at, *w.At)
		}
		if w.Near != nil {
			near = append(near, w.Near)
		}
		if w.Sample != nil {
			p.sample = w.Sample
		}
	}
	p.near = newWindows(near)
	for _, b := range p.begins {
		spellings = append(spellings, slices.Compact([]string{strings.ToLower(b), strings.ToUpper(b)}))
	}
	if len(spellings) > 0 {
		p.spelling = newSearch(spellings)
		p.query = sync.OnceValues(func() (*idindex.Query, []string) { return idindex.NewQuery(slices.Concat(spellings...)) })
	}
	return p
}

// sampleOnly says whether nothing but a sample is wanted.
func (p *plan) sampleOnly() bool {
	return p.sample != nil && !p.all && !p.life && p.spelling == nil && len(p.failed) == 0 && len(p.near) == 0 && len(p.at) == 0
}

// inTime says whether the filter's bounds let the event through.
func (p *plan) inTime(e *timeline.Event) bool {
	if ws, ok := p.within[timeline.ClockOf(e)]; ok && !e.Undated() && !ws.meet(e.Time, e.Time) {
		return false
	}
	return (p.from.IsZero() || !e.Time.Before(p.from)) && (p.to.IsZero() || e.Time.Before(p.to))
}

// Events gives the events that f wants, stream by stream in the order of their
// paths, in each stream from its oldest record on. The error is a
// *timeline.RecordError, or the context's as the last pair.
func (s *Source) Events(ctx context.Context, f timeline.Filter) iter.Seq2[*timeline.Event, error] {
	return s.run(ctx, newPlan(f))
}

// All gives every event of every file, in the order of Events, and a
// *timeline.RecordError for every record that could not be read.
func (s *Source) All(ctx context.Context) iter.Seq2[*timeline.Event, error] {
	return s.run(ctx, &plan{all: true})
}

// An item is one pair of the sequence.
type item struct {
	event *timeline.Event
	err   error
}

const (
	batchItems = 64
	batchBytes = 256 << 10
	batchAhead = 64 // batches that a part may be ahead of the consumer
)

// run reads the parts on several goroutines, each part into a bounded channel of
// batches of its own, and gives the channels' contents in the order of the parts.
// Goroutines take the parts in that order too, so the one that the consumer waits
// for is always being read.
func (s *Source) run(ctx context.Context, pl *plan) iter.Seq2[*timeline.Event, error] {
	return func(yield func(*timeline.Event, error) bool) {
		outer := ctx
		ctx, cancel := context.WithCancel(ctx)
		var parts []*filePart
		for _, st := range s.streams {
			parts = append(parts, st.parts...)
		}
		s.progress.begin(parts)
		s.tellUnable(pl)
		workers := min(runtime.GOMAXPROCS(0), len(parts))
		queues := make([]chan []item, len(parts))
		for i := range queues {
			queues[i] = make(chan []item, batchAhead)
		}
		// How far reading may be ahead of the consumer bounds what is in memory.
		ahead := make(chan struct{}, 2*workers)
		next := make(chan int)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		wg.Go(func() {
			defer close(next)
			for i := range parts {
				select {
				case ahead <- struct{}{}:
				case <-ctx.Done():
					return
				}
				select {
				case next <- i:
				case <-ctx.Done():
					return
				}
			}
		})
		for range workers {
			wg.Go(func() {
				for i := range next {
					b := &batcher{ctx: ctx, to: queues[i]}
					s.read(ctx, pl, parts[i], b)
					b.flush()
					close(queues[i])
				}
			})
		}
		for _, q := range queues {
			for open := true; open; {
				var batch []item
				select {
				case batch, open = <-q:
				case <-ctx.Done():
					open = false
				}
				for i := range batch {
					// A cancel stops at once, whatever lies ready.
					if outer.Err() != nil {
						break
					}
					if !yield(batch[i].event, batch[i].err) {
						return
					}
					batch[i] = item{}
				}
			}
			if err := outer.Err(); err != nil {
				yield(nil, err)
				return
			}
			<-ahead
		}
	}
}

// A batcher hands over items in batches.
type batcher struct {
	ctx   context.Context
	to    chan<- []item
	batch []item
	bytes int
}

// add hands over one item; false says to stop.
func (b *batcher) add(it item, size int) bool {
	if b.batch == nil {
		b.batch = make([]item, 0, batchItems)
	}
	b.batch = append(b.batch, it)
	b.bytes += size
	if len(b.batch) >= batchItems || b.bytes >= batchBytes {
		return b.flush()
	}
	return true
}

func (b *batcher) flush() bool {
	if len(b.batch) == 0 {
		return b.ctx.Err() == nil
	}
	select {
	case b.to <- b.batch:
		b.batch, b.bytes = nil, 0
		return true
	case <-b.ctx.Done():
		return false
	}
}

// A partReader is one pass over one part.
type partReader struct {
	s    *Source
	p    *filePart
	pl   *plan
	out  *batcher
	form *format.Format // in which it begins
	cur  *format.Format // of the record at hand: form, unless the part turned to another
	docs bool           // its records are JSON values, not lines
	pos  timeline.Pos

	reader   recordReader
	look     *format.Look // at single lines; nil until it is needed
	literals *search      // nil: bytes cannot tell a failure
	near     spans        // of the part's hosts
	hosts    []hostSpans  // the same by host
	within   spans        // without which nothing is wanted; nil: all may be
	lines    map[int]bool // wanted by their place
	holds    *holding     // where the IDs wanted may stand; nil if that is not known
	index    *index       // of an earlier pass, nil if there was none
	stamps   *index       // that this pass makes; nil if it makes none
	glance   *glance      // nil if nothing is asked for by time
	last     int64        // offset of the last record, if that is known before it is read; of no record if it is not
	sampler  sampler
	places   bool // it goes from place to place of the sample, and does not know the numbers of lines
	hits     []hit
	told     bool // the request of the record at hand is wanted, whose ID stands in a line before it
	skipped  map[string]skip
	from, to time.Time
	read     int64 // bytes as stored
	framed   int64 // bytes of the records that were looked at
}

// read reads one part whole, unless the context ends.
func (s *Source) read(ctx context.Context, pl *plan, p *filePart, out *batcher) {
	r := &partReader{s: s, p: p, pl: pl, out: out, skipped: map[string]skip{}}
	r.pos = timeline.Pos{Source: s.name, Path: p.path, Part: p.number}
	defer r.passed()
	if r.pass(ctx) && ctx.Err() == nil {
		s.commit(p, r.skipped)
		s.saw(r.from, r.to)
	}
}

// open opens the part for a pass over it.
func (r *partReader) open() (*stored, error) {
	return openCounted(r.p.open, r.p.size, func(in io.Reader) io.Reader {
		return &counter{r: in, to: &r.s.progress, read: &r.read}
	})
}

// passed counts the part as done, whatever was not read of it or was read twice.
func (r *partReader) passed() {
	r.s.mu.Lock()
	if r.glance != nil {
		r.p.glance = r.glance
	}
	r.p.framed += r.framed
	r.s.mu.Unlock()
	r.s.progress.done.Add(r.p.size - r.read)
	r.s.progress.filesDone.Add(1)
}

// commit keeps what a whole pass over the part skipped.
func (s *Source) commit(p *filePart, skipped map[string]skip) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.skipped == nil {
		p.skipped = map[string]skip{}
	}
	for what, k := range skipped {
		old, ok := p.skipped[what]
		if !ok || k.first.Compare(old.first) < 0 {
			old.first, old.lost = k.first, k.lost
		}
		old.count = max(old.count, k.count)
		p.skipped[what] = old
	}
}

// skip reports what could not be read; false says to stop.
func (r *partReader) skip(at timeline.Pos, what string, err error) bool {
	return r.count(skip{first: at}, what, err)
}

// count does the work of skip; one is what is counted if it is the first.
func (r *partReader) count(one skip, what string, err error) bool {
	if r.places {
		return true // the passes that read the part whole tell it
	}
	at := one.first
	k, ok := r.skipped[what]
	if !ok {
		k = one
	}
	k.count++
	r.skipped[what] = k
	return r.out.add(item{err: &timeline.RecordError{Pos: at, What: what, Err: err}}, 128)
}

// pass does the work of read; false says that it was stopped.
func (r *partReader) pass(ctx context.Context) bool {
	if r.p.err != nil {
		return r.broken(r.pos, r.p.err)
	}
	if r.p.size == 0 {
		return true
	}
	d, err := r.s.formatOf(r.p)
	r.holds = r.holding()
	switch {
	case err != nil:
		return r.broken(r.pos, err)
	case d.Binary:
		return r.skip(r.pos, whatBinary, nil)
	case d.Format == nil && r.pl.spelling != nil && !slices.ContainsFunc(r.pl.keys, func(k timeline.Key) bool { return !tellsInText([]byte(k.Value)) }):
		holds, err := r.mayHold(ctx)
		switch {
		case ctx.Err() != nil:
			return false
		case err != nil:
			return r.broken(r.pos, err)
		case holds:
			return r.count(skip{first: r.pos, lost: true}, whatKeyInFile, nil)
		}
		return r.skip(r.pos, whatNoFormat, nil)
	case d.Format == nil:
		return r.skip(r.pos, whatNoFormat, nil)
	}
	r.form, r.docs = d.Format, d.Document
	r.prepare()
	if !r.canMatter() {
		return true
	}
	if r.holds != nil && len(r.holds.extents) == 0 && r.index != nil {
		return true
	}
	if !r.pl.all && r.index != nil && !r.pl.sampleOnly() {
		if kept := r.replay(ctx); kept != nil {
			r.reader = &replayer{replay: kept}
			return r.records(ctx)
		}
		if ctx.Err() != nil {
			return false
		}
	}
	if done, goOn := r.skim(ctx); done {
		return goOn
	}
	if r.onlyBytes() {
		matters, err := r.mayHold(ctx)
		if ctx.Err() != nil {
			return false
		}
		// What cannot be read whole is read again, to report where it breaks.
		if err == nil && !matters {
			return true
		}
	}
	f, err := r.open()
	if err != nil {
		return r.broken(r.pos, err)
	}
	defer f.Close()
	r.reader, err = r.s.config.Formats.NewReader(&cancelReader{ctx, f}, r.s.options(r.p, r.form))
	if err != nil {
		return r.broken(r.pos, err)
	}
	defer r.reader.Close()
	return r.records(ctx)
}

// skim reads what may be wanted of the part, if its bytes can tell; false, false says that
// they cannot.
func (r *partReader) skim(ctx context.Context) (done, goOn bool) {
	f, err := r.open()
	if err != nil {
		return true, r.broken(r.pos, err)
	}
	defer f.Close()
	k := r.newSkimmer(&cancelReader{ctx, f})
	if k == nil {
		return false, false
	}
	if k.reader, err = r.s.config.Formats.NewReader(strings.NewReader(""), r.s.options(r.p, r.form)); err != nil {
		return true, r.broken(r.pos, err)
	}
	r.reader = k.reader
	defer r.reader.Close()
	if r.places = r.pl.sampleOnly() && f.how == nil; !r.places && r.index == nil {
		r.stamps, r.last = &index{sparse: true}, -1
	}
	return true, k.pass(ctx, f)
}

// broken reports that the part cannot be read, or not further than at.
func (r *partReader) broken(at timeline.Pos, err error) bool {
	if b, ok := errors.AsType[*brokenError](err); ok {
		return r.count(skip{first: at, lost: true}, "damaged "+b.how+" file", err)
	}
	return r.count(skip{first: at, lost: true}, unreadable(err), nil)
}

// unreadable is the reason for which a file cannot be read; there are few of them.
func unreadable(err error) string { return whatUnreadable + ": " + err.Error() }

// prepare fits the plan to the part.
func (r *partReader) prepare() {
	st := r.p.stream
	r.near = r.pl.near.of(st)
	for _, at := range r.pl.at {
		if at.Means(r.p.path) {
			if r.lines == nil {
				r.lines = map[int]bool{}
			}
			r.lines[at.Line] = true
		}
	}
	r.s.mu.Lock()
	r.index = r.p.index
	if len(r.near) > 0 {
		r.hosts = r.pl.near.by(st)
		// What a pass learnt is of use to the next one; two at a time share nothing.
		r.glance, r.p.glance = r.p.glance, nil
		if r.glance == nil {
			r.glance = &glance{}
		}
	}
	r.s.mu.Unlock()
	if r.index == nil && (r.pl.all || r.pl.life || len(r.near) > 0) {
		r.stamps = &index{} // all records are decoded
	}
	r.turn(r.form)
	if r.pl.sample != nil {
		r.sampler = newSampler(r.p, r.s.sampledOf(r.pl.sample))
	}
	if r.index != nil {
		r.within = r.pl.within.bounds(st, r.index)
	}
}

// turn fits the plan to a format that the part's records are in.
func (r *partReader) turn(f *format.Format) {
	r.cur, r.literals = f, nil
	if len(r.pl.failed) > 0 && f.Literals != nil &&
		!slices.ContainsFunc(r.pl.failed, func(f *timeline.Failed) bool { return len(f.Status) > 0 }) {
		r.literals = r.s.literalsOf(f)
	}
}

// literalsOf gives the search for a format's literals of failure.
func (s *Source) literalsOf(f *format.Format) *search {
	if v, ok := s.literals.Load(f); ok {
		return v.(*search)
	}
	literals := make([]string, len(f.Literals))
	for i, l := range f.Literals {
		if len(l) == 0 {
			return nil // an empty literal is in every record
		}
		literals[i] = string(l)
	}
	v, _ := s.literals.LoadOrStore(f, newSearch([][]string{literals}))
	return v.(*search)
}

// canMatter says whether anything is asked of this part at all.
func (r *partReader) canMatter() bool {
	return r.pl.all || r.pl.life || r.pl.spelling != nil || len(r.pl.failed) > 0 || len(r.near) > 0 || r.sampler.on || len(r.lines) > 0
}

// onlyBytes says whether bytes alone can show that a whole part holds nothing wanted. Those of
// a failure are looked for in the records of a document, which have no white space between
// their tokens, and not in the file.
func (r *partReader) onlyBytes() bool {
	return !r.pl.all && !r.pl.life && len(r.near) == 0 && !r.sampler.on && len(r.lines) == 0 && (len(r.pl.failed) == 0 || r.literals != nil && !r.docs)
}

// mayHold says whether a record of the part may be wanted, by its index or its bytes.
func (r *partReader) mayHold(ctx context.Context) (bool, error) {
	if r.holds != nil && len(r.holds.extents) == 0 {
		return false, nil
	}
	return r.scan(ctx)
}

// scan says whether a record of the part may be wanted, by its bytes, or is longer
// than allowed and so to be reported. It does not look for records, only for how far
// apart the ends of blocks are from the next newline.
func (r *partReader) scan(ctx context.Context) (bool, error) {
	f, err := r.open()
	if err != nil {
		return false, err
	}
	defer f.Close()
	limit := r.s.config.MaxRecord
	if limit <= 0 {
		limit = 1 << 20
	}
	keep := 0
	for _, k := range []*search{r.pl.spelling, r.literals} {
		if k != nil {
			keep = max(keep, k.longest-1)
		}
	}
	buf := make([]byte, keep+blockSize)
	kept, line := 0, 0 // bytes kept of the last block; length of the line so far
	for ctx.Err() == nil {
		n, err := io.ReadFull(f, buf[kept:])
		block := buf[:kept+n]
		if r.pl.spelling != nil && r.pl.spelling.any(block) || r.literals != nil && r.literals.any(block) {
			return true, nil
		}
		fresh := block[kept:]
		if r.literals != nil && r.turned(fresh) {
			return true, nil
		}
		if r.docs || r.form == nil {
			// Its lines may have any length.
		} else if i := bytes.IndexByte(fresh, '\n'); i >= 0 {
			line += i
			if line > limit {
				return true, nil
			}
			line = len(fresh) - 1 - bytes.LastIndexByte(fresh, '\n')
		} else {
			line += len(fresh)
		}
		switch {
		case line > limit:
			return true, nil
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return false, nil
		case err != nil:
			return false, err
		}
		kept = copy(buf, block[len(block)-min(keep, len(block)):])
	}
	return false, ctx.Err()
}

// scanLook is how many lines of each block are looked at for a turn to another format.
const scanLook = 8

// turned says whether a block of the part seems to be in another format than that in
// which it begins: then its bytes alone tell nothing.
func (r *partReader) turned(block []byte) bool {
	_, rest, ok := bytes.Cut(block, []byte{'\n'})
	if !ok {
		return false
	}
	var lines [][]byte
	for len(lines) < scanLook {
		line, more, ok := bytes.Cut(rest, []byte{'\n'})
		if !ok {
			break
		}
		if rest = more; len(line) > 0 {
			lines = append(lines, line)
		}
	}
	if r.look == nil {
		r.look = r.s.config.Formats.NewLook(r.form)
	}
	return len(lines) > 0 && !r.look.Reads(lines...)
}

// records goes through the part record by record.
func (r *partReader) records(ctx context.Context) bool {
	at := r.pos
	for n := 0; ; n++ {
		rec, err := r.reader.Next()
		switch {
		case err == io.EOF:
			r.keepIndex()
			return true
		case ctx.Err() != nil && (err != nil || n&255 == 0):
			return false
		case err != nil:
			return r.broken(at, err) // after the last record that could be read
		}
		at.Offset, at.Line = rec.Offset, rec.Line
		if rec.Inline {
			at.Line = 0 // the line is the place of the first one in it
		}
		if rec.Format != nil && rec.Format != r.cur {
			r.turn(rec.Format)
		}
		if !r.record(rec, at) {
			return false
		}
	}
}

// record looks at one record; false says to stop.
func (r *partReader) record(rec format.Record, at timeline.Pos) bool {
	r.framed += int64(len(rec.Bytes)) + 1
	if rec.Cut && !r.skip(at, ingest.WhatCut(r.reader.MaxRecord()), nil) {
		return false
	}
	sampled := r.sampler.due(rec.Offset)
	if sampled || r.tries(rec) {
		return r.decode(rec, at, sampled)
	}
	if r.stamps != nil && (!r.stamps.knows(rec.Offset) || rec.Offset == r.last) {
		// One that nobody reads is no loss here.
		_ = r.reader.Decode(rec, func(e *timeline.Event) bool { r.stamps.add(rec.Offset, e); return true })
	}
	return true
}

// tries says whether the record may be wanted, by its bytes. It leaves the keys
// found in r.hits.
func (r *partReader) tries(rec format.Record) bool {
	r.hits = r.findKeys(r.hits[:0], rec.Bytes)
	r.told = rec.Exchange != "" && len(r.findKeys(nil, []byte(rec.Exchange))) > 0
	switch {
	case r.within != nil && !r.index.meets(rec.Offset, r.within):
		return false
	case r.stamps != nil && !r.stamps.sparse || r.pl.all || r.pl.life || len(r.hits) > 0 || r.told || r.lines[rec.Line]:
		return true
	case len(r.near) > 0 && r.index.meets(rec.Offset, r.near):
		return true
	case len(r.pl.failed) == 0:
		return false
	}
	return r.literals == nil || r.literals.any(rec.Bytes)
}

// keepIndex leaves the index that a whole pass made to later ones.
func (r *partReader) keepIndex() {
	if r.stamps != nil {
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		r.stamps.finish(r.last)
		r.p.index = r.stamps
	}
}

func (r *partReader) findKeys(hits []hit, text []byte) []hit {
	if r.pl.spelling != nil {
		r.pl.spelling.each(text, func(h hit) bool { hits = append(hits, h); return true })
	}
	return hits
}

// decode reads the record's events and hands over those that are wanted; false says
// to stop.
func (r *partReader) decode(rec format.Record, at timeline.Pos, sampled bool) bool {
	if sampled {
		r.hits = r.findKeys(r.hits[:0], rec.Bytes)
	}
	goOn, took := true, false
	err := r.reader.Decode(rec, func(e *timeline.Event) bool {
		r.fill(e, rec.Bytes, at)
		r.see(e.Time)
		if r.stamps != nil {
			r.stamps.add(rec.Offset, e)
		}
		if r.glance != nil {
			r.glance.learn(rec.Bytes, r.reader.StampText(e.Time), e)
			r.glance.hostTold = r.glance.hostTold || e.Host != r.p.stream.host && !bytes.Contains(rec.Bytes, []byte(e.Host))
		}
		hits := r.hits
		if len(hits) > 0 && len(e.Raw) != len(rec.Bytes) {
			// One of several events of the record: its keys may stand elsewhere in it.
			hits = r.findKeys(nil, e.Raw)
		}
		want, drawn := r.wants(e, hits, len(r.hits) > 0 || r.told), timeline.Draw{}
		if sampled && !took && r.pl.inTime(e) && hasIdentity(e) {
			want, took = true, true
			if e.Pos.Item == 0 {
				drawn = r.sampler.draw(rec.Offset, len(rec.Bytes)+1)
			}
		}
		if want {
			c := e.Clone()
			c.Drawn = drawn
			goOn = r.out.add(item{event: c}, len(e.Raw))
		}
		return goOn
	})
	if sampled {
		r.sampler.tried(rec.Offset, len(rec.Bytes)+1, took)
	}
	if goOn && err != nil {
		if errors.Is(err, format.ErrNoMatch) {
			err = fmt.Errorf("read as %s", r.cur.Name)
		}
		if slices.ContainsFunc(r.hits, func(h hit) bool {
			return tellsInText(rec.Bytes[h.start:h.end]) && onBoundaries(rec.Bytes, h.start, h.end)
		}) {
			goOn = r.count(skip{first: at, lost: true}, whatKeyInText, err)
		} else {
			goOn = r.skip(at, whatNotFormat, err)
		}
	}
	return goOn
}

// fill completes an event by what its file says.
func (r *partReader) fill(e *timeline.Event, raw []byte, at timeline.Pos) {
	st := r.p.stream
	at.Item = e.Pos.Item
	e.Pos = at
	if e.System == "" && !st.shared {
		e.System = r.cur.System
	}
	// A syslog head that says "haproxy" names the software, not the service; but where several servers write the name of
	// their file is that of none of them.
	if e.Service == "" || !st.shared && ingest.SoftwareOnly(e) {
		e.Service = st.service
	}
	if e.Host == "" {
		e.Host = st.host
	}
	if c := r.s.config.Role; c != timeline.RoleUnknown {
		e.Role = c
	} else if e.Role == timeline.RoleUnknown && !st.shared {
		e.Role = r.cur.Role
	}
	if e.Format == "" {
		e.Format = r.cur.Name
	}
	if len(e.Raw) == 0 {
		e.Raw = raw
	}
	for i := range e.Keys {
		if e.Keys[i].Strength == timeline.Context {
			e.Keys[i].Scope = e.Host
		}
	}
}

func (r *partReader) see(t time.Time) {
	if t.IsZero() {
		return
	}
	if r.from.IsZero() || t.Before(r.from) {
		r.from = t
	}
	if t.After(r.to) {
		r.to = t
	}
}

// tellsInText says whether a value that stands somewhere in a record can be meant as
// the key; if not it counts only where it is a key of the event. A short number, a port
// or a duration say, stands in every other record.
func tellsInText(value []byte) bool {
	if len(value) < 8 && len(bytes.Trim(value, "0123456789")) == 0 {
		return false
	}
	return len(value) >= 5
}

// wants says whether the filter wants the event. If a key that it asks for stands in
// the event's text, though not as one of its keys, it becomes one. found says that a key stands in
// the record.
func (r *partReader) wants(e *timeline.Event, hits []hit, found bool) bool {
	if r.pl.all {
		return true
	}
	if !r.pl.inTime(e) {
		return false
	}
	if found && r.wantsKeys(e, hits) {
		return true
	}
	return r.lines[e.Pos.Line] || r.pl.life && e.Lifecycle != timeline.NoLifecycle ||
		slices.ContainsFunc(r.pl.failed, func(f *timeline.Failed) bool { return f.Match(e) }) ||
		r.pl.near.match(e)
}

func (r *partReader) wantsKeys(e *timeline.Event, hits []hit) bool {
	var have []string
	for _, k := range e.Keys {
		if k.Strength == timeline.Identity {
			have = append(have, k.Forms()...)
		}
	}
	wanted := slices.ContainsFunc(have, func(form string) bool { return r.pl.wanted[form] })
	for _, h := range hits {
		if h.owner >= len(r.pl.keys) {
			wanted = wanted || slices.ContainsFunc(e.Keys, func(k timeline.Key) bool {
				return k.Strength == timeline.Identity && k.Begins(r.pl.begins[h.owner-len(r.pl.keys)])
			})
			continue
		}
		if !tellsInText(e.Raw[h.start:h.end]) || !onBoundaries(e.Raw, h.start, h.end) ||
			slices.ContainsFunc(r.pl.keyForms[h.owner], func(form string) bool { return slices.Contains(have, form) }) {
			continue
		}
		k := r.pl.keys[h.owner]
		k.Scope, k.Strength = "", timeline.Mention
		e.Keys = append(e.Keys, k)
		e.Attrs.Set("key.found", "text")
		have = append(have, k.Forms()...)
		wanted = true
	}
	return wanted
}

func hasIdentity(e *timeline.Event) bool {
	return slices.ContainsFunc(e.Keys, func(k timeline.Key) bool { return k.Strength == timeline.Identity })
}
