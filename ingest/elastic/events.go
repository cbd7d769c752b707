package elastic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

// closeTimeout is how long the end of a pass may take.
const closeTimeout = 5 * time.Second

// Reasons for which something is skipped, as RecordError.What.
const (
	whatNoFormat   = "document in no known format"
	whatNoDocument = "document that cannot be read"
)

// Samples are bounded: in documents of one stream, which one answer holds, and in all.
const (
	maxSample    = maxFirst
	allSamples   = 40_000
	sampleStream = 20
)

// Events gives the events that f wants, by the times of their documents: first those of all that is
// asked for by what it holds, then a sample. What does not fit on a page comes from a point in time of the pass. Each event of
// the sample tells how it was drawn. If all requests are to be sampled, all documents are read. A
// *timeline.RecordError is about one document.
func (s *Source) Events(ctx context.Context, f timeline.Filter) iter.Seq2[*timeline.Event, error] {
	return func(yield func(*timeline.Event, error) bool) {
		p := &pass{s: s, plan: ingest.Select(f), yield: yield, seen: map[string]bool{}, drawn: map[string]timeline.Draw{}, skipped: map[string]*timeline.Skipped{}}
		p.all = p.plan.PerStream >= timeline.AllRequests
		err := ctx.Err()
		if err == nil {
			err = p.run(ctx)
		}
		p.commit()
		switch {
		case errors.Is(err, errDryRun), p.stopped:
		case ctx.Err() != nil:
			yield(nil, ctx.Err())
		case err != nil:
			yield(nil, fmt.Errorf("ask %s: %w", s.name, ingest.Unreachable(err)))
		}
	}
}

// A pass is one call of Events.
type pass struct {
	s       *Source
	plan    *ingest.Selection
	yield   func(*timeline.Event, error) bool
	stopped bool                     // the consumer has had enough
	all     bool                     // every record with an identity key is wanted
	seen    map[string]bool          // documents with which records begin that were looked at, true if an event of them was given
	drawn   map[string]timeline.Draw // documents of the sample
	skipped map[string]*timeline.Skipped
	parser  fastjson.Parser
	point   *snapshot
}

func (p *pass) run(ctx context.Context) error {
	s := p.s
	if !s.config.DryRun {
		if err := s.list(ctx, p.plan.From, p.plan.To); err != nil {
			return err
		}
	}
	from, to := s.bounds(p.plan)
	sampled, err := p.draw(ctx, from, to)
	if err != nil && !errors.Is(err, errDryRun) {
		return err
	}
	queries := s.queries(p.plan)
	if p.all {
		queries = []query{{"match_all": query{}}}
	}
	if within := s.withinQuery(p.plan.Within); within != nil {
		for i, q := range queries {
			queries[i] = query{"bool": query{"filter": []any{q, within}}}
		}
	}
	p.point = &snapshot{s: s}
	defer func() { p.point.close(ctx) }()
	for _, q := range queries {
		s.records.Store(0)
		s.found.Store(0)
		err := p.point.pages(ctx, s.bounded(q, from, to), func(hits []hit, total int64) (bool, error) {
			err := p.page(ctx, hits, false)
			s.records.Add(int64(len(hits)))
			s.found.Store(max(total, s.records.Load()))
			return !p.stopped, err
		})
		if err != nil && !errors.Is(err, errDryRun) || p.stopped {
			return err
		}
	}
	for _, hits := range sampled {
		if err := p.page(ctx, hits, true); err != nil || p.stopped {
			return err
		}
	}
	return nil
}

// page gives what is wanted of a page of documents, in the order of each stream.
func (p *pass) page(ctx context.Context, hits []hit, sample bool) error {
	byStream := map[*stream][]*document{}
	var streams []*stream
	for i := range hits {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d, err := p.s.document(&hits[i], &p.parser)
		if err != nil {
			if !p.skip(timeline.Pos{Source: p.s.name, Path: p.s.index, Index: hits[i].Index, Doc: hits[i].ID}, whatNoDocument, err) {
				return nil
			}
			continue
		}
		p.saw(d)
		if byStream[d.stream] == nil {
			streams = append(streams, d.stream)
		}
		byStream[d.stream] = append(byStream[d.stream], d)
	}
	if err := p.s.look(ctx, streams); err != nil {
		return err
	}
	slices.SortFunc(streams, func(a, b *stream) int { return strings.Compare(a.path, b.path) })
	var all []*lines
	for _, st := range streams {
		slices.SortFunc(byStream[st], byOrder)
		all = append(all, newLines(p.s, st, byStream[st]))
	}
	if !sample {
		if err := p.s.complete(ctx, all); err != nil {
			return err
		}
	}
	for _, l := range all {
		for _, run := range l.together() {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if p.give(ctx, l.st, run, sample); p.stopped {
				return nil
			}
		}
	}
	return nil
}

// give decodes a run and gives the events that are wanted.
func (p *pass) give(ctx context.Context, st *stream, run []*document, sample bool) {
	s := p.s
	s.decode(st.format, st.stamped, run, func(e *timeline.Event, docs []*document) bool {
		if ctx.Err() != nil {
			return false
		}
		d := docs[0]
		key := d.index + "/" + d.id
		if e.Pos.Item <= 1 {
			// What was looked at and not wanted may be in the sample.
			given, seen := p.seen[key]
			if given || seen && !sample {
				return true
			}
			p.seen[key] = false
		}
		if d.cut && !p.skip(timeline.Pos{Source: s.name, Path: st.path, Index: d.index, Doc: d.id, Offset: d.order}, ingest.WhatCut(s.config.MaxRecord), nil) {
			return false
		}
		stamped := !e.Undated()
		if s.fill(e, docs); stamped {
			s.observe(e, d)
		}
		p.sawTime(e.Time)
		if !p.plan.InTime(e) {
			return true
		}
		want := p.plan.Wants(e)
		if draw, drawn := p.drawn[key]; (drawn || p.all) && slices.ContainsFunc(e.Keys, func(k timeline.Key) bool { return k.Strength == timeline.Identity }) {
			if want, e.Drawn = want || sample || p.all, draw; p.all {
				e.Drawn = timeline.Draw{Stream: st.path, Of: 1, Searched: 1}
			}
		}
		if want {
			p.seen[key] = true
			p.stopped = !p.yield(e, nil)
		}
		return !p.stopped
	}, func(d *document, err error) bool {
		if errors.Is(err, format.ErrNoMatch) {
			err = fmt.Errorf("read as %s", st.format.Name)
		}
		return p.skip(timeline.Pos{Source: s.name, Path: st.path, Index: d.index, Doc: d.id, Offset: d.order}, whatNoFormat, err)
	})
}

// skip reports what could not be read; false says to stop.
func (p *pass) skip(at timeline.Pos, what string, err error) bool {
	key := at.Index + "/" + at.Doc + "\x00" + what
	if p.seen[key] {
		return true
	}
	p.seen[key] = true
	k := p.skipped[what]
	if k == nil {
		k = &timeline.Skipped{Source: p.s.name, What: what, First: at.String()}
		p.skipped[what] = k
	}
	k.Count++
	if !p.yield(nil, &timeline.RecordError{Pos: at, What: what, Err: err}) {
		p.stopped = true
	}
	return !p.stopped
}

// commit leaves what the pass skipped to the source.
func (p *pass) commit() {
	for _, k := range p.skipped {
		p.s.tell(*k)
	}
}

func (p *pass) saw(d *document) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.s.indices[d.index] = true
}

func (p *pass) sawTime(t time.Time) {
	if t.IsZero() {
		return
	}
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.s.from.IsZero() || t.Before(p.s.from) {
		p.s.from = t.UTC()
	}
	if t.After(p.s.to) {
		p.s.to = t.UTC()
	}
}

// draw draws documents of every stream at random, the same ones each time, and gives them stream by stream. Each document of a stream
// is drawn with the same chance, so that each that was drawn stands for as many as the stream has for each.
func (p *pass) draw(ctx context.Context, from, to time.Time) (drawn [][]hit, err error) {
	s := p.s
	if p.plan.PerStream == 0 || p.all {
		return nil, nil
	}
	if s.config.DryRun {
		_, err := s.several(ctx, []query{s.sampleQuery(nil, from, to, p.plan.PerStream)})
		return nil, err
	}
	s.mu.Lock()
	names := slices.SortedFunc(maps.Keys(s.streams), func(a, b string) int {
		return cmp.Or(strings.Compare(s.streams[a].path, s.streams[b].path), strings.Compare(a, b))
	})
	streams := maps.Clone(s.streams)
	s.mu.Unlock()
	each := min(ingest.SampleOf(p.plan.PerStream, p.plan.InAll, len(names)), maxSample, max(allSamples/max(len(names), 1), sampleStream))
	// Few at once, as an answer holds them all.
	for group := range slices.Chunk(names, max(1, min(atOnce, 2*pageSize/each))) {
		var bodies []query
		for _, name := range group {
			bodies = append(bodies, s.sampleQuery(streams[name].query, from, to, each))
		}
		answers, err := s.several(ctx, bodies)
		if err != nil {
			return nil, err
		}
		for i, a := range answers {
			hits := a.Hits.Hits
			slices.SortFunc(hits, func(a, b hit) int { return strings.Compare(a.ID, b.ID) })
			of := float64(a.Hits.Total.Value) / float64(max(len(hits), 1))
			for _, h := range hits {
				p.drawn[h.Index+"/"+h.ID] = timeline.Draw{Stream: group[i], Of: max(of, 1), Searched: 1}
			}
			drawn = append(drawn, hits)
		}
	}
	return drawn, nil
}

// sampleQuery asks for n documents that a hash of their number in the index chooses, and how many there are.
func (s *Source) sampleQuery(q query, from, to time.Time, n int) query {
	return query{"size": n, "track_total_hits": true, "query": query{"function_score": query{
		"query":        s.bounded(orAll(q), from, to),
		"random_score": query{"seed": 1, "field": "_seq_no"},
		"boost_mode":   "replace",
	}}}
}
