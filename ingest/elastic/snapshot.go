package elastic

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/correlatehq/correlate/ingest"
)

// A snapshot is a point in time of the indices: what is asked of it stays the same. It is opened once an answer
// does not fit on one page, since to open and close it takes as long as most queries do.
type snapshot struct {
	s *Source

	mu sync.Mutex
	id string // the newest that the cluster gave; "" as long as it is not open
}

// open opens a point in time. Shards that cannot be had are left out and told when
// they are asked.
func (s *Source) open(ctx context.Context) (*snapshot, error) {
	var answer struct {
		ID     string       `json:"id"`     // Elasticsearch
		PIT    string       `json:"pit_id"` // OpenSearch
		Shards shardsAnswer `json:"_shards"`
	}
	if err := untilTaken(ctx, func(atOnce *int) (bool, error) {
		answer.Shards = shardsAnswer{}
		if s.product.flavor == OpenSearch {
			params := url.Values{"keep_alive": {keepAlive}, "allow_partial_pit_creation": {"true"}}
			err := s.ask(ctx, http.MethodPost, "/"+url.PathEscape(s.index)+"/_search/point_in_time", params, nil, &answer)
			return answer.Shards.refused(), err
		}
		partial := true
		err := s.send(ctx, func() (*esapi.Response, error) {
			return esapi.OpenPointInTimeRequest{Index: []string{s.index}, KeepAlive: keepAlive, AllowPartialSearchResults: s.partialPIT(&partial),
				MaxConcurrentShardRequests: atOnce}.Do(ctx, s)
		}, &answer)
		return answer.Shards.refused(), err
	}); err != nil {
		return nil, err
	}
	s.tellShards(&answer.Shards)
	return &snapshot{s: s, id: answer.ID + answer.PIT}, nil
}

// partialPIT gives yes to servers that know the parameter, those from 8.16 on.
func (s *Source) partialPIT(yes *bool) *bool {
	var major, minor int
	if n, _ := fmt.Sscanf(s.product.version, "%d.%d", &major, &minor); n == 2 && (major > 8 || major == 8 && minor >= 16) {
		return yes
	}
	return nil
}

// close gives the point in time up, also after the context has ended.
func (p *snapshot) close(ctx context.Context) {
	if p.last() == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := p.s.closePIT(ctx, p.last()); err != nil {
		p.s.log.Debug("point in time not closed", "source", p.s.name, "err", err)
	}
}

func (s *Source) closePIT(ctx context.Context, id string) error {
	var answer json.RawMessage
	if s.product.flavor == OpenSearch {
		return s.ask(ctx, http.MethodDelete, "/_search/point_in_time", nil, map[string]any{"pit_id": []string{id}}, &answer)
	}
	body, err := json.Marshal(map[string]string{"id": id})
	if err != nil {
		return err
	}
	return s.send(ctx, func() (*esapi.Response, error) {
		return esapi.ClosePointInTimeRequest{Body: bytes.NewReader(body)}.Do(ctx, s)
	}, &answer)
}

// last gives the newest ID of the point in time.
func (p *snapshot) last() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.id
}

func (p *snapshot) setID(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.id = id
}

// order is how what comes in pages of a point in time is sorted: by time, then place in the file, then by
// what no two documents share.
func (s *Source) order() []any {
	if s.product.flavor == OpenSearch {
		return append(s.byPlace(), query{"_id": "asc"})
	}
	return append(s.byPlace(), query{"_shard_doc": "asc"})
}

// byPlace sorts by time, then place in the file.
func (s *Source) byPlace() []any {
	out := []any{query{s.fields.time: query{"order": "asc", "missing": "_last"}}}
	if s.fields.nanos {
		out[0].(query)[s.fields.time].(query)["numeric_type"] = "date_nanos"
	}
	for _, n := range s.fields.offset {
		if x := s.fields.all[n]; x != nil && x.kinds&number != 0 {
			out = append(out, query{n: query{"order": "asc", "missing": "_last"}})
			break
		}
	}
	return out
}

// rank is where a hit stands in the order, but for what no two documents share.
type rank struct{ time, offset int64 }

func rankOf(h *hit) rank {
	at := func(i int) int64 {
		if i >= len(h.Sort)-1 {
			return 0
		}
		n, err := strconv.ParseInt(strings.Trim(string(h.Sort[i]), `"`), 10, 64)
		if err != nil {
			return math.MaxInt64 // it has none, and stands last
		}
		return n
	}
	return rank{at(0), at(1)}
}

func (a rank) compare(b rank) int {
	return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.offset, b.offset))
}

// reopens is how often a pass goes on with a new point in time where shards of the old one
// are gone: another node may have copies of them.
const reopens = 2

// maxSlices is in how many slices at once a point in time is read; there are never more
// than shards, by which the servers part slices at no cost.
const maxSlices = 4

// errShards says that shards did not answer, of which another point in time may know copies.
var errShards = errors.New("shards did not answer")

// pages gives all documents that a query finds, page by page in their order, until each returns false.
// Behind the first page, and where a point in time is lost in the middle, some documents may be given twice.
func (p *snapshot) pages(ctx context.Context, q query, each func(hits []hit, total int64) (bool, error)) error {
	first, err := p.s.one(ctx, q)
	if err != nil || len(first.Hits.Hits) == 0 {
		return err
	}
	total := first.Hits.Total.Value
	last := first.Hits.Hits[len(first.Hits.Hits)-1].Sort
	if goOn, err := each(first.Hits.Hits, total); err != nil || !goOn || len(first.Hits.Hits) < pageSize {
		return err
	}
	for left := reopens; ; left-- {
		if p.last() == "" || left < reopens {
			opened, err := p.s.open(ctx)
			if err != nil {
				return err
			}
			p.close(ctx)
			p.setID(opened.id)
		}
		// What no two documents share means nothing in another point in time.
		q = p.s.since(q, last)
		err := p.read(ctx, q, left > 0, func(hits []hit, _ int64) (bool, error) {
			last = hits[len(hits)-1].Sort
			return each(hits, total)
		})
		if !lost(err) && !errors.Is(err, errShards) || left == 0 || ctx.Err() != nil {
			return err
		}
	}
}

// one asks for a first page without a point in time. Of shards that do not answer copies are asked again once.
func (s *Source) one(ctx context.Context, q query) (*searchAnswer, error) {
	text, err := json.Marshal(query{"size": pageSize, "query": q, "sort": s.byPlace(), "track_total_hits": true})
	if err != nil {
		return nil, err
	}
	if err := s.toldOnly(http.MethodPost, "/"+url.PathEscape(s.index)+"/_search?ignore_unavailable=true", text); err != nil {
		return nil, err
	}
	answer := new(searchAnswer)
	yes := true
	for left := reopens; ; left-- {
		if err := untilTaken(ctx, func(atOnce *int) (bool, error) {
			*answer = searchAnswer{}
			err := s.send(ctx, func() (*esapi.Response, error) {
				return esapi.SearchRequest{Index: []string{s.index}, IgnoreUnavailable: &yes, Body: bytes.NewReader(text), MaxConcurrentShardRequests: atOnce}.Do(ctx, s)
			}, answer)
			return answer.refused(), err
		}); err != nil {
			return nil, err
		}
		if answer.Shards.Failed == 0 || left == 0 {
			s.tellAnswer(answer)
			return answer, nil
		}
	}
}

// read gives what a query finds: a first page, and if there is more the rest in slices that are
// read ahead at once and put together in their order. whole makes shards that do not answer an errShards.
func (p *snapshot) read(ctx context.Context, q query, whole bool, each func(hits []hit, total int64) (bool, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	first, err := p.page(ctx, q, pageSize, nil, nil, whole)
	if err != nil || len(first.Hits.Hits) == 0 {
		return err
	}
	total := first.Hits.Total.Value
	if goOn, err := each(first.Hits.Hits, total); err != nil || !goOn || len(first.Hits.Hits) < pageSize {
		return err
	}
	n := max(1, min(maxSlices, first.Shards.Total))
	size := (followingPage(first.Hits.Hits) + n - 1) / n
	parts := make([]*slice, n)
	for i := range parts {
		parts[i] = &slice{pages: make(chan slicePage, 1)}
		wg.Go(func() {
			defer close(parts[i].pages)
			p.follow(ctx, q, i, n, size, first.Hits.Hits[pageSize-1].Sort, whole, parts[i].pages)
		})
	}
	var out []hit
	for {
		h, err := earliest(parts)
		if len(out) > 0 && (h == nil || len(out) == pageSize) {
			if goOn, err := each(out, total); err != nil || !goOn {
				return err
			}
			out = nil
		}
		if h == nil {
			return err
		}
		out = append(out, *h)
	}
}

// A slice is a part of what a query finds, of which pages are read ahead.
type slice struct {
	hits  []hit // of the last page, not given yet
	first rank  // of the first of them
	pages chan slicePage
}

type slicePage struct {
	hits []hit
	err  error
}

// earliest takes the document that comes first out of the slices; nil if there is none or a slice broke.
func earliest(parts []*slice) (*hit, error) {
	var best *slice
	for _, s := range parts {
		if len(s.hits) == 0 {
			page, ok := <-s.pages
			if !ok {
				continue
			}
			if page.err != nil {
				return nil, page.err
			}
			s.hits, s.first = page.hits, rankOf(&page.hits[0])
		}
		if best == nil || s.first.compare(best.first) < 0 {
			best = s
		}
	}
	if best == nil {
		return nil, nil
	}
	h := &best.hits[0]
	if best.hits = best.hits[1:]; len(best.hits) > 0 {
		best.first = rankOf(&best.hits[0])
	}
	return h, nil
}

// Bounds of what the pages after the first of all slices hold together: bytes, and documents. For each page a server looks anew for the terms that a
// regular expression matches.
const (
	followingBytes = 16 << 20
	followingLeast = 500
)

// followingPage gives how many documents the pages of all slices hold, by those of the first one.
func followingPage(first []hit) int {
	bytes := 0
	for i := range first {
		bytes += len(first[i].Source)
	}
	return max(followingLeast, min(maxFirst, followingBytes*len(first)/max(bytes, 1)))
}

// follow reads one of n slices to its end in pages of a size, from behind a document on.
func (p *snapshot) follow(ctx context.Context, q query, i, n, size int, after []json.RawMessage, whole bool, to chan<- slicePage) {
	var part query
	if n > 1 {
		part = query{"id": i, "max": n}
	}
	for {
		var page slicePage
		answer, err := p.page(ctx, q, size, part, after, whole)
		if page.err = err; err == nil {
			page.hits = answer.Hits.Hits
		}
		if err == nil && len(page.hits) == 0 {
			return
		}
		select {
		case to <- page:
		case <-ctx.Done():
			return
		}
		if err != nil || len(page.hits) < size {
			return
		}
		after = page.hits[len(page.hits)-1].Sort
	}
}

// page asks for one page: of a slice if part is not nil, behind a document if after is not.
func (p *snapshot) page(ctx context.Context, q query, size int, part query, after []json.RawMessage, whole bool) (*searchAnswer, error) {
	body := query{"size": size, "query": q, "sort": p.s.order(), "pit": query{"id": p.last(), "keep_alive": keepAlive}, "track_total_hits": after == nil}
	if part != nil {
		body["slice"] = part
	}
	if after != nil {
		body["search_after"] = after
	}
	answer := new(searchAnswer)
	if err := p.s.search(ctx, body, answer); err != nil {
		return nil, err
	}
	if whole && answer.Shards.Failed > 0 {
		return nil, errShards
	}
	p.s.tellAnswer(answer)
	if answer.PIT != "" {
		p.setID(answer.PIT)
	}
	return answer, nil
}

// since narrows a query to what does not stand before the time of a document, by what it is sorted by: what has no time
// stands last.
func (s *Source) since(q query, sort []json.RawMessage) query {
	if len(sort) == 0 {
		return q
	}
	at, err := strconv.ParseInt(strings.Trim(string(sort[0]), `"`), 10, 64)
	if err != nil || at < 0 {
		return q
	}
	late := []any{query{"bool": query{"must_not": query{"exists": query{"field": s.fields.time}}}}}
	if at < math.MaxInt64 { // which stands for none
		t := time.UnixMilli(at)
		if s.fields.nanos {
			t = time.Unix(0, at)
		}
		late = append(late, s.fields.during(t, time.Time{}))
	}
	return query{"bool": query{"filter": []any{q, anyOf(late)}}}
}

// lost says whether an error of a search means that the point in time is gone.
func lost(err error) bool {
	e, ok := errors.AsType[*ingest.AnswerError](err)
	return ok && e.Status == http.StatusNotFound && strings.Contains(e.Text, "search_context_missing")
}
