package loki

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/timeline"
)

// Reasons for which something is skipped, as RecordError.What.
const (
	whatNotFormat = "not in the format of its stream"
	whatKeyInText = "not in the format of its stream, with an ID asked for"
	whatTooMany   = "more entries of one time than the server gives"
)

const (
	// around is how far before and after an entry the others of its stream are read that may be
	// lines of the same record, and aroundMore how far if the last record goes on till there.
	around     = 250 * time.Millisecond
	aroundMore = 5 * time.Second
	// sampleStretches is at how many places of a stream's time a sample is taken.
	sampleStretches = 8
	// atOnce bounds the streams that are asked at once.
	atOnce = 4
	// ahead bounds the events of a stream that wait for those of the streams before it.
	ahead = 256
	// mostTexts bounds the texts for which Loki is asked to search. It looks for one after the other in
	// each line, which for more of them takes longer than to send the lines.
	mostTexts = 200
)

// A mark says why an entry is wanted.
type mark uint8

const (
	hit     mark = 1 << iota // it answers a query for keys, failures or lifecycles
	sampled                  // it is one of the sample
)

// A markedEntry is an entry that is wanted.
type markedEntry struct {
	entry
	mark
}

// A pass is one run through the events that a filter wants.
type pass struct {
	s   *Source
	sel *ingest.Selection
	r   timeRange
	// keyed are the answers to the queries for keys, by stream.
	keyed map[*stream][]entry
	// perStream is how many records of each stream the sample has.
	perStream int
	// scan says that keys are looked for here, in all lines.
	scan bool

	mu      sync.Mutex
	skipped map[string]*timeline.Skipped
}

// An item is one pair of the sequence.
type item struct {
	event *timeline.Event
	err   error
}

// Events gives the events that f wants, stream by stream in the order of their labels, in each
// stream from its oldest record on. The error is a *timeline.RecordError, or what broke it, or the
// context's, as the last pair.
func (s *Source) Events(ctx context.Context, f timeline.Filter) iter.Seq2[*timeline.Event, error] {
	return func(yield func(*timeline.Event, error) bool) {
		outer := ctx
		if err := outer.Err(); err != nil {
			yield(nil, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		p := &pass{s: s, sel: ingest.Select(f), r: s.span(f), keyed: map[*stream][]entry{}, skipped: map[string]*timeline.Skipped{}}
		if f.From.IsZero() && s.config.Since > 0 {
			p.count("asked only from "+time.Unix(0, p.r.from).UTC().Format(time.RFC3339)+" on; --since says otherwise", timeline.Pos{Path: s.sel.String()}, false)
		}
		streams, err := p.plan(ctx)
		if err != nil {
			yield(nil, cmp.Or(outer.Err(), err))
			return
		}
		p.perStream = ingest.SampleOf(p.sel.PerStream, p.sel.InAll, len(streams))
		queues := make([]chan item, len(streams))
		for i := range queues {
			queues[i] = make(chan item, ahead)
		}
		slots := make(chan struct{}, atOnce)
		wg.Go(func() {
			for i, st := range streams {
				select {
				case slots <- struct{}{}:
				case <-ctx.Done():
					return
				}
				wg.Go(func() {
					defer func() { close(queues[i]); <-slots }()
					p.read(ctx, st, queues[i])
				})
			}
		})
		for _, q := range queues {
			for {
				var it item
				var open bool
				select {
				case it, open = <-q:
				case <-ctx.Done():
				}
				if err := outer.Err(); err != nil {
					yield(nil, err)
					return
				}
				if !open {
					break
				}
				more := yield(it.event, it.err)
				if _, one := errors.AsType[*timeline.RecordError](it.err); !more || it.err != nil && !one {
					return
				}
			}
		}
		s.commit(p.skipped)
	}
}

// plan asks for the keys in all streams at once, and gives the streams that are to be read.
func (p *pass) plan(ctx context.Context) ([]*stream, error) {
	streams, err := p.s.listed(ctx, p.r)
	if err != nil {
		return nil, err
	}
	if len(p.sel.Keys) > 0 {
		if p.sel.PerStream > 0 {
			// All streams will be looked at: it is better to know them first.
			if err := p.lookAtAll(ctx, streams); err != nil {
				return nil, err
			}
		}
		spellings := p.sel.Spellings()
		if p.scan = len(spellings) > mostTexts; p.scan {
			return streams, nil
		}
		r := p.extent(streams)
		for _, stage := range p.keyStages(streams, spellings) {
			for page, err := range p.s.api.pages(ctx, p.s.sel.with(stage), r, pageLimit) {
				if err != nil {
					if !p.tooMany(nil, err) {
						return nil, err
					}
					continue
				}
				p.warn(page)
				for _, st := range p.streamsOf(page) {
					p.keyed[st] = append(p.keyed[st], p.s.own(st, page)...)
					if !slices.Contains(streams, st) {
						streams = append(streams, st)
					}
				}
			}
		}
	}
	slices.SortFunc(streams, func(a, b *stream) int { return strings.Compare(a.path, b.path) })
	return streams, nil
}

// extent gives the time range in which the streams have entries, as far as all were looked at.
func (p *pass) extent(streams []*stream) timeRange {
	var out timeRange
	for i, st := range streams {
		st.look.Lock()
		f := st.form
		st.look.Unlock()
		if f == nil {
			return p.r
		}
		r := f.clip(p.r)
		if i == 0 {
			out = r
		}
		out = timeRange{min(out.from, r.from), max(out.to, r.to)}
	}
	return out
}

// lookAtAll looks at the streams, several at once.
func (p *pass) lookAtAll(ctx context.Context, streams []*stream) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for _, st := range streams {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if _, err := p.s.formOf(ctx, st, p.r); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// keyStages gives the filters for lines that hold a key, and for entries whose structured
// metadata does; the latter not if all streams were looked at and have none.
func (p *pass) keyStages(streams []*stream, spellings []string) []string {
	list := slices.Concat(keyLabels, p.s.config.Fields[timeline.KeyRequestID], p.s.config.Fields[timeline.KeyTraceID])
	may := false
	for _, st := range streams {
		st.mu.Lock()
		may = may || !st.known
		for n := range st.names {
			if !slices.Contains(notKeyLabels, n) {
				may = true
				list = append(list, n)
			}
		}
		st.mu.Unlock()
	}
	stages := holding(spellings)
	if may {
		slices.Sort(list)
		stages = append(stages, labelled(slices.Compact(list), spellings)...)
	}
	return stages
}

// keyLabels are the names that structured metadata with an identity key usually has: Loki writes
// the dots and dashes of OpenTelemetry's names as underscores.
var keyLabels = []string{"trace_id", "traceID", "traceid", "TraceId", "request_id", "requestID", "requestId", "x_request_id", "correlation_id", "http_request_header_x_request_id"}

// notKeyLabels are names of structured metadata that never hold a key.
var notKeyLabels = []string{"detected_level", "level", "severity_text", "severity_number", "observed_timestamp", "flags", "span_id", "telemetry_sdk_name", "telemetry_sdk_language", "telemetry_sdk_version"}

func (p *pass) streamsOf(pg *page) []*stream {
	var out []*stream
	for _, ps := range pg.streams {
		if st, _ := p.s.resolve(ps.labels); !slices.Contains(out, st) {
			out = append(out, st)
		}
	}
	return out
}

// tooMany counts a *tooManyError; false says that err is another.
func (p *pass) tooMany(st *stream, err error) bool {
	e, ok := errors.AsType[*tooManyError](err)
	if !ok {
		return false
	}
	path := p.s.sel.String()
	if st != nil {
		path = st.path
	}
	p.count(whatTooMany, timeline.Pos{Path: path, Offset: e.at, Doc: nanos(e.at)}, true)
	return true
}

func (p *pass) warn(pg *page) {
	for _, w := range pg.warnings {
		p.count("the server warns: "+w, timeline.Pos{Path: p.s.sel.String()}, true)
	}
}

// count counts what was skipped.
func (p *pass) count(what string, at timeline.Pos, lost bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.skipped[what]
	if k == nil {
		k = &timeline.Skipped{Source: p.s.name, What: what, First: at.String(), Lost: lost, Torn: lost && what != whatKeyInText}
		p.skipped[what] = k
	}
	k.Count++
	k.First = min(k.First, at.String())
}

// commit keeps what a whole pass skipped; of several passes the one that skipped most for a
// reason counts.
func (s *Source) commit(skipped map[string]*timeline.Skipped) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for what, k := range skipped {
		if old := s.skipped[what]; old != nil {
			k.Count, k.First = max(k.Count, old.Count), min(k.First, old.First)
		}
		s.skipped[what] = k
	}
}
