package loki

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

// A streamReader reads what a pass wants of one stream.
type streamReader struct {
	*pass
	ctx  context.Context
	st   *stream
	form *form
	r    timeRange // in which it has entries
	// within are the parts of it that hold what is wanted (see stream.within).
	within []timeRange
	out    chan<- item

	marked map[string]mark // entries by time and hash
	from   time.Time       // the range of the stamps seen
	to     time.Time
	bytes  int64
}

// read gives the events of one stream.
func (p *pass) read(ctx context.Context, st *stream, out chan<- item) {
	r := &streamReader{pass: p, ctx: ctx, st: st, out: out}
	if err := r.run(); err != nil && ctx.Err() == nil {
		r.send(item{err: err})
		return
	}
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.from.IsZero() && (s.info.From.IsZero() || r.from.Before(s.info.From)) {
		s.info.From = r.from
	}
	if r.to.After(s.info.To) {
		s.info.To = r.to
	}
	s.info.Bytes = max(s.info.Bytes, r.bytes)
}

func (r *streamReader) send(it item) bool {
	select {
	case r.out <- it:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// run does the work of read.
func (r *streamReader) run() error {
	windows := r.sel.Windows(r.st.host)
	if !r.scan && len(r.keyed[r.st]) == 0 && len(r.sel.Failed) == 0 && !r.sel.Lifecycle && r.sel.PerStream == 0 && !r.sel.Near {
		return nil
	}
	var err error
	if r.form, err = r.s.formOf(r.ctx, r.st, r.pass.r); err != nil || r.form == nil {
		return err
	}
	r.r = r.form.clip(r.pass.r)
	if len(r.sel.AllWindows()) > 0 {
		windows = r.sel.AllWindows() // its records may name other hosts than its labels do
		if r.form.bare || r.s.config.Host != "" {
			windows = r.sel.Windows(r.st.host)
		}
	}
	var spans []timeRange
	for _, w := range windows {
		if span, ok := r.st.of(w.From, w.To, r.r); ok {
			spans = append(spans, span)
		}
	}
	var found []markedEntry
	for _, e := range r.keyed[r.st] {
		found = append(found, markedEntry{e, hit})
	}
	stages, all := r.stages()
	r.within = r.st.within(r.sel.Within, r.r)
	if all {
		spans = r.within
	} else {
		spans = mergeRanges(spans, int64(around))
		for _, stage := range stages {
			for _, part := range r.within {
				for page, err := range r.s.api.pages(r.ctx, r.s.sel.of(r.st.labels).with(stage), part, pageLimit) {
					if err != nil {
						if !r.tooMany(r.st, err) {
							return err
						}
						continue
					}
					r.warn(page)
					for _, e := range r.s.own(r.st, page) {
						found = append(found, markedEntry{e, hit})
					}
				}
			}
		}
	}
	if r.sel.PerStream > 0 {
		es, err := r.sample()
		if err != nil {
			return err
		}
		found = append(found, es...)
	}
	return r.stretches(spans, r.unite(found))
}

// stages gives the filters by which failures and lifecycles are asked for; all says that only reading
// the whole stream tells them.
func (r *streamReader) stages() (stages []string, all bool) {
	var exprs, literals []string
	fields := r.s.config.Fields
	meta := len(r.sel.Failed) > 0 && len(fields["severity_text"])+len(fields["http.response.status_code"]) > 0
	for _, f := range r.sel.Failed {
		switch {
		case len(f.Status) > 0:
			for _, s := range f.Status {
				e, ok := statusExpr(s)
				if !ok {
					return nil, true
				}
				exprs = append(exprs, e)
			}
			meta = true
		case r.form.bare:
			meta = true
		case r.form.literals == nil:
			return nil, true
		default:
			literals = append(literals, r.form.literals...)
		}
	}
	if r.sel.Lifecycle {
		exprs = append(exprs, r.form.lifecycle...)
	}
	slices.Sort(literals)
	if literals = slices.Compact(literals); len(literals) > 0 {
		stages = append(stages, holding(literals)...)
	}
	if len(exprs) > 0 {
		stages = append(stages, matching(exprs)...)
	}
	if meta {
		stages = append(stages, metaStage(fields))
	}
	return stages, false
}

// metaStage lets through entries that are failures by their labels or structured metadata: by
// the level that their writer, or Loki itself, gave them, by an exception, or by a status. fields are those of the
// configuration.
func metaStage(fields map[string][]string) string {
	const level, status = `=~"(?i).*(err|fatal|crit|panic|alert|emerg).*"`, `=~"[3-9].."`
	terms := []string{`detected_level=~"error|critical|fatal"`, `exception_type!=""`}
	for _, n := range slices.Concat([]string{"severity_text", "level"}, fields["severity_text"]) {
		terms = append(terms, n+level)
	}
	for _, n := range slices.Concat([]string{"http_response_status_code", "http_status_code"}, fields["http.response.status_code"]) {
		terms = append(terms, n+status)
	}
	return "| " + strings.Join(terms, " or ")
}

// statusExpr gives an expression that matches a line with a status of the range.
func statusExpr(s timeline.StatusRange) (string, bool) {
	if s.Lo < 100 || s.Hi > 999 || s.Lo > s.Hi {
		return "", false
	}
	var terms []string
	for n := s.Lo; n <= s.Hi; n++ {
		if n%100 == 0 && n+99 <= s.Hi {
			terms = append(terms, fmt.Sprintf("%d[0-9][0-9]", n/100))
			n += 99
			continue
		}
		terms = append(terms, fmt.Sprint(n))
	}
	return "(?:^|[^0-9])(?:" + strings.Join(terms, "|") + ")(?:[^0-9]|$)", true
}

// sample gives entries spread over the stream's time, each the first of a record that may be taken.
// A stream of few entries is taken as a whole, one in so many.
func (r *streamReader) sample() ([]markedEntry, error) {
	q := r.s.sel.of(r.st.labels).String()
	page, err := r.s.api.query(r.ctx, q, r.r, pageLimit, false, false)
	if err != nil {
		return nil, err
	}
	all := r.s.own(r.st, page)
	if !page.full {
		r.form.few.Store(true)
		return thin(all, r.perStream), nil
	}
	perStretch := max(1, r.perStream/sampleStretches)
	var out []markedEntry
	first, last := r.form.first, max(r.form.last, page.last)
	for i := range int64(sampleStretches) {
		step := (last - first) / sampleStretches
		from := first + i*step
		page, err := r.s.api.query(r.ctx, q, timeRange{from, from + step + 1}, 2*perStretch, false, false)
		if err != nil {
			return nil, err
		}
		out = append(out, thin(r.s.own(r.st, page), perStretch)...)
	}
	return out, nil
}

// thin takes n of the entries, in even distances.
func thin(es []entry, n int) []markedEntry {
	var out []markedEntry
	step := max(1, float64(len(es))/float64(n))
	for at := 0.0; int(at) < len(es); at += step {
		out = append(out, markedEntry{es[int(at)], sampled})
	}
	return out
}

// unite sorts the entries found and keeps each once.
func (r *streamReader) unite(found []markedEntry) []markedEntry {
	r.marked = make(map[string]mark, len(found))
	var out []markedEntry
	for _, e := range found {
		k := markKey(&e.entry)
		if r.marked[k] == 0 {
			out = append(out, e)
		}
		r.marked[k] |= e.mark
	}
	slices.SortStableFunc(out, func(a, b markedEntry) int { return compareEntries(&a.entry, &b.entry) })
	return out
}

func markKey(e *entry) string { return nanos(e.at) + e.hash() }

// mergeRanges sorts ranges and joins those that are less than gap apart.
func mergeRanges(rs []timeRange, gap int64) []timeRange {
	slices.SortFunc(rs, func(a, b timeRange) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	var out []timeRange
	for _, r := range rs {
		if n := len(out); n > 0 && r.from <= out[n-1].to+gap {
			out[n-1].to = max(out[n-1].to, r.to)
			continue
		}
		out = append(out, r)
	}
	return out
}

// stretches reads the spans whole, and beside them what was found: as it is if each line is
// a record, else with the entries around it.
func (r *streamReader) stretches(spans []timeRange, found []markedEntry) error {
	type stretch struct {
		timeRange
		wanted []timeRange // spans within it in which every record is tried
	}
	inSpan := func(at int64) bool {
		return slices.ContainsFunc(spans, func(s timeRange) bool { return at >= s.from && at < s.to })
	}
	var list []stretch
	lead := int64(0)
	if !r.form.lines {
		lead = int64(around)
	}
	for _, s := range spans {
		list = append(list, stretch{timeRange{s.from - lead, s.to + lead}, []timeRange{s}})
	}
	var alone []markedEntry
	if r.scan {
		list = nil
		for _, part := range r.within {
			list = append(list, stretch{part, spans})
		}
		found = nil // they are met
	}
	for _, e := range found {
		switch {
		case inSpan(e.at):
		case r.form.lines:
			alone = append(alone, e)
		default:
			list = append(list, stretch{timeRange{e.at - lead, e.at + lead + 1}, nil})
		}
	}
	if len(list) > 2 && r.form.few.Load() {
		list, alone = []stretch{{r.r, spans}}, nil // one query instead of one for each
	}
	slices.SortStableFunc(list, func(a, b stretch) int { return cmp.Compare(a.from, b.from) })
	var merged []stretch
	for _, s := range list {
		if n := len(merged); n > 0 && s.from <= merged[n-1].to {
			merged[n-1].to = max(merged[n-1].to, s.to)
			merged[n-1].wanted = append(merged[n-1].wanted, s.wanted...)
			continue
		}
		merged = append(merged, s)
	}
	// What stands alone goes between the stretches, in the order of time.
	i := 0
	flush := func(before int64) error {
		n := i
		for n < len(alone) && alone[n].at < before {
			n++
		}
		if n == i {
			return nil
		}
		part := alone[i:n]
		i = n
		k := 0
		_, err := r.decode(func() (entry, error, bool) {
			if k == len(part) {
				return entry{}, nil, false
			}
			k++
			return part[k-1].entry, nil, true
		}, part[len(part)-1].at, nil)
		return err
	}
	for _, s := range merged {
		if err := flush(s.from); err != nil {
			return err
		}
		if err := r.whole(s.timeRange, s.wanted); err != nil {
			return err
		}
	}
	return flush(1<<63 - 1)
}

// stretchLength bounds how much of a stream one reader reads: stamps without a date are read by
// the time near them.
const stretchLength = int64(6 * time.Hour)

// whole reads all entries of a range. Records are tried that begin in one of the wanted spans or have
// an entry that is marked.
func (r *streamReader) whole(t timeRange, wanted []timeRange) error {
	for from := t.from; from < t.to; from += stretchLength {
		to := min(t.to, from+stretchLength)
		read := timeRange{from, to}
		if from > t.from {
			read.from -= int64(around) // to see which record the first lines are of
		}
		if !r.form.lines {
			read.to += int64(aroundMore) // for the last record
		}
		next, stop := iter.Pull2(r.entries(read))
		more, err := r.decode(next, to, func(first *entry, marked bool) (try, goOn bool) {
			return first.at >= from && (marked || slices.ContainsFunc(wanted, func(s timeRange) bool { return first.at >= s.from && first.at < s.to })), first.at < to
		})
		stop()
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// entries gives all entries of the stream in a range, page by page. They are few where a range is
// short.
func (r *streamReader) entries(t timeRange) iter.Seq2[entry, error] {
	first := pageLimit
	if t.to-t.from < int64(time.Minute) {
		first = 256
	}
	return func(yield func(entry, error) bool) {
		var same []entry // of one time
		give := func() bool {
			if r.form.lines {
				sortEntries(same) // they have no other order than that of their positions
			}
			for _, e := range same {
				if !yield(e, nil) {
					return false
				}
			}
			same = same[:0]
			return true
		}
		for page, err := range r.s.api.pages(r.ctx, r.s.sel.of(r.st.labels).String(), t, first) {
			if err != nil {
				if !r.tooMany(r.st, err) {
					if give() {
						yield(entry{}, err)
					}
					return
				}
				continue
			}
			r.warn(page)
			for _, e := range r.s.own(r.st, page) {
				if len(same) > 0 && e.at != same[0].at && !give() {
					return
				}
				same = append(same, e)
			}
		}
		give()
	}
}

// decode reads entries as records and sends the events that are wanted. accept says of a record, by its first
// entry and whether one of its entries is marked, if it is tried, and if any after it may be; nil tries all. more is
// false if nobody takes events any longer.
func (r *streamReader) decode(next func() (entry, error, bool), last int64, accept func(first *entry, marked bool) (try, goOn bool)) (more bool, err error) {
	in := &feed{st: r.st, next: next}
	o := r.s.options(last)
	o.Format, o.Fixed = r.form.format, r.s.config.Format != nil || r.form.bare
	rd, err := r.s.config.Formats.NewReader(in, o)
	if err != nil {
		return false, cmp.Or(in.err, err)
	}
	for {
		rec, err := rd.Next()
		switch {
		case in.err != nil:
			return false, in.err
		case err == io.EOF:
			return true, nil
		case err != nil:
			return false, err
		}
		es := in.entries(rec.Offset, 1+bytes.Count(rec.Bytes, []byte{'\n'}))
		if len(es) == 0 {
			continue
		}
		var m mark
		for i := range es {
			if len(r.marked) > 0 {
				m |= r.marked[markKey(&es[i].entry)]
			}
			if r.scan && m&hit == 0 && r.mentions(&es[i].entry) {
				m |= hit
			}
		}
		if accept != nil {
			try, goOn := accept(&es[0].entry, m != 0)
			if !goOn {
				return true, nil
			}
			if !try {
				continue
			}
		}
		if !r.record(rd, rec, es, m) {
			return false, nil
		}
	}
}

// mentions says whether a key that is looked for stands in an entry.
func (r *streamReader) mentions(e *entry) bool {
	if r.sel.Mentions([]byte(e.line)) {
		return true
	}
	for _, v := range e.metadata {
		if r.sel.Mentions([]byte(v)) {
			return true
		}
	}
	return false
}

// record sends what is wanted of one record; false says to stop.
func (r *streamReader) record(rd *format.Reader, rec format.Record, es []fed, m mark) bool {
	at := r.s.position(r.st, &es[0].entry, r.form.lines)
	raw := make([]byte, 0, len(rec.Bytes))
	var more []string
	for i := range es {
		if i > 0 {
			raw = append(raw, '\n')
		}
		raw = append(raw, es[i].line...)
		for _, n := range es[i].metadata.names() {
			more = append(more, es[i].metadata[n])
		}
	}
	r.bytes += int64(len(raw))
	if rec.Cut && !r.skip(at, fmt.Sprintf("record cut at %d KiB", rd.MaxRecord()>>10), nil, false) {
		return false
	}
	goOn, took := true, false
	err := rd.Decode(rec, func(e *timeline.Event) bool {
		own := e.Attrs.Get("observed_timestamp") != ""
		at.Item = e.Pos.Item
		e.Pos = at
		e.Raw = raw
		ingest.Complete(e, r.st.service, r.st.host, r.s.config)
		if own {
			r.st.saw(e, es[0].at)
		}
		r.see(e.Time)
		want := r.sel.Wants(e, more...)
		if m&sampled != 0 && !took && r.sel.InTime(e) && slices.ContainsFunc(e.Keys, func(k timeline.Key) bool { return k.Strength == timeline.Identity }) {
			want, took = true, true
		}
		if want {
			goOn = r.send(item{event: e.Clone()})
		}
		return goOn
	})
	if err == nil || !goOn {
		return goOn
	}
	if errors.Is(err, format.ErrNoMatch) {
		err = fmt.Errorf("read as %s", r.form.format.Name)
	}
	if r.sel.Mentions(raw) {
		return r.skip(at, whatKeyInText, err, true)
	}
	return r.skip(at, whatNotFormat, err, false)
}

func (r *streamReader) skip(at timeline.Pos, what string, err error, lost bool) bool {
	r.count(what, at, lost)
	return r.send(item{err: &timeline.RecordError{Pos: at, What: what, Err: err}})
}

func (r *streamReader) see(t time.Time) {
	if t.IsZero() {
		return
	}
	if r.from.IsZero() || t.Before(r.from) {
		r.from = t.UTC()
	}
	if t.After(r.to) {
		r.to = t.UTC()
	}
}
