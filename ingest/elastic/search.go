package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/timeline"
)

const (
	pageSize  = 5_000
	keepAlive = "2m"
	// maxFirst is the index.max_result_window that nobody changed.
	maxFirst = 10_000
)

// What is told of a cluster that did not answer whole.
const (
	whatShards  = "shards that did not answer"
	whatTimeout = "a search that the cluster broke off for want of time"
)

type shardsAnswer struct {
	Total    int `json:"total"`
	Failed   int `json:"failed"`
	Failures []struct {
		Index  string  `json:"index"`
		Shard  int     `json:"shard"`
		Reason failure `json:"reason"`
	} `json:"failures"`
}

type searchAnswer struct {
	PIT      string       `json:"pit_id"`
	TimedOut bool         `json:"timed_out"`
	Shards   shardsAnswer `json:"_shards"`
	Clusters struct {
		Total, Skipped, Partial, Failed int
	} `json:"_clusters"`
	Hits struct {
		Total struct {
			Value int64 `json:"value"`
		} `json:"total"`
		Hits []hit `json:"hits"`
	} `json:"hits"`
	Aggregations struct {
		Streams struct {
			After   map[string]any `json:"after_key"`
			Buckets []struct {
				Key   map[string]any `json:"key"`
				Count int64          `json:"doc_count"`
			} `json:"buckets"`
		} `json:"streams"`
	} `json:"aggregations"`
	Error  json.RawMessage `json:"error"` // of one search of several
	Status int             `json:"status"`
}

// A snapshot is a point in time of the indices: what is asked of it stays the same.
type snapshot struct {
	s  *Source
	id string
}

// open opens a point in time. Shards that cannot be had are left out and told when
// they are asked.
func (s *Source) open(ctx context.Context) (*snapshot, error) {
	if s.config.DryRun {
		return &snapshot{s: s, id: "POINT-IN-TIME"}, nil
	}
	var answer struct {
		ID     string       `json:"id"`     // Elasticsearch
		PIT    string       `json:"pit_id"` // OpenSearch
		Shards shardsAnswer `json:"_shards"`
	}
	var err error
	if s.product.flavor == OpenSearch {
		params := url.Values{"keep_alive": {keepAlive}, "allow_partial_pit_creation": {"true"}}
		err = s.ask(ctx, http.MethodPost, "/"+url.PathEscape(s.index)+"/_search/point_in_time", params, nil, &answer)
	} else {
		partial := true
		var resp *esapi.Response
		resp, err = esapi.OpenPointInTimeRequest{Index: []string{s.index}, KeepAlive: keepAlive, AllowPartialSearchResults: s.partialPIT(&partial)}.Do(ctx, s)
		err = s.apiAnswer(ctx, resp, err, &answer)
	}
	if err != nil {
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
	if p.s.config.DryRun {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	var answer json.RawMessage
	var err error
	if p.s.product.flavor == OpenSearch {
		err = p.s.ask(ctx, http.MethodDelete, "/_search/point_in_time", nil, map[string]any{"pit_id": []string{p.id}}, &answer)
	} else {
		var body []byte
		if body, err = json.Marshal(map[string]string{"id": p.id}); err == nil {
			var resp *esapi.Response
			resp, err = esapi.ClosePointInTimeRequest{Body: bytes.NewReader(body)}.Do(ctx, p.s)
			err = p.s.apiAnswer(ctx, resp, err, &answer)
		}
	}
	if err != nil {
		p.s.log.Debug("point in time not closed", "source", p.s.name, "err", err)
	}
}

// order is how what comes in pages is sorted: by time, then place in the file, then by
// what no two documents share.
func (s *Source) order() []any {
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
	if s.product.flavor == OpenSearch {
		return append(out, query{"_id": "asc"})
	}
	return append(out, query{"_shard_doc": "asc"})
}

// reopens is how often a pass goes on with a new point in time where shards of the old one
// are gone: another node may have copies of them.
const reopens = 2

// pages gives all documents that a query finds, page by page, until each returns false. Where
// a point in time is lost in the middle, some documents may be given twice.
func (p *snapshot) pages(ctx context.Context, q query, each func(hits []hit, total int64) (bool, error)) error {
	var after []json.RawMessage
	var total int64
	left := reopens
	for n := 0; ; n++ {
		body := query{"size": pageSize, "query": q, "sort": p.s.order(), "pit": query{"id": p.id, "keep_alive": keepAlive}, "track_total_hits": n == 0}
		if after != nil {
			body["search_after"] = after
		}
		var answer searchAnswer
		err := p.s.search(ctx, body, &answer)
		if (lost(err) || err == nil && answer.Shards.Failed > 0) && left > 0 && ctx.Err() == nil {
			left--
			old := *p
			opened, openErr := p.s.open(ctx)
			if openErr == nil {
				old.close(ctx)
				p.id = opened.id
				// What no two documents share means nothing in another point in time.
				q, after = p.s.since(q, after), nil
				continue
			}
			if err == nil {
				err = openErr
			}
		}
		if err != nil {
			return err
		}
		p.s.tellAnswer(&answer)
		if answer.PIT != "" {
			p.id = answer.PIT
		}
		if n == 0 {
			total = answer.Hits.Total.Value
		}
		hits := answer.Hits.Hits
		if len(hits) == 0 {
			return nil
		}
		if goOn, err := each(hits, total); err != nil || !goOn {
			return err
		}
		if len(hits) < pageSize {
			return nil
		}
		after = hits[len(hits)-1].Sort
	}
}

// since narrows a query to what stands at the time of a document, by what it is sorted by, or later.
func (s *Source) since(q query, sort []json.RawMessage) query {
	if len(sort) == 0 {
		return q
	}
	at, err := strconv.ParseInt(strings.Trim(string(sort[0]), `"`), 10, 64)
	if err != nil || at < 0 {
		return q
	}
	t := time.UnixMilli(at)
	if s.fields.nanos {
		t = time.Unix(0, at)
	}
	return s.bounded(q, t, time.Time{})
}

// search sends one search of a point in time.
func (s *Source) search(ctx context.Context, body query, answer *searchAnswer) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if err := s.toldOnly(http.MethodPost, "/_search", text); err != nil {
		return err
	}
	resp, err := esapi.SearchRequest{Body: bytes.NewReader(text), TypedKeys: nil}.Do(ctx, s)
	return s.apiAnswer(ctx, resp, err, answer)
}

// toldOnly tells a query; of a dry run it is the end of it.
func (s *Source) toldOnly(method, path string, body []byte) error {
	if s.config.Query != nil {
		s.config.Query(ingest.Query{Method: method, Path: s.base.Path + path, Body: body})
	}
	if s.config.DryRun {
		return errDryRun
	}
	return nil
}

// atOnce is how many searches stand in one request.
const atOnce = 32

// several sends searches of the indices together, in as few requests as may be, and
// gives the hits of each. A search that fails alone is an error.
func (s *Source) several(ctx context.Context, bodies []query) ([][]hit, error) {
	var out [][]hit
	for len(bodies) > 0 {
		n := min(len(bodies), atOnce)
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		for _, b := range bodies[:n] {
			if err := enc.Encode(query{"index": s.index, "ignore_unavailable": true}); err != nil {
				return nil, err
			}
			if err := enc.Encode(b); err != nil {
				return nil, err
			}
		}
		if err := s.toldOnly(http.MethodPost, "/_msearch", text.Bytes()); err != nil {
			return nil, err
		}
		var answer struct {
			Responses []searchAnswer `json:"responses"`
		}
		resp, err := esapi.MsearchRequest{Body: bytes.NewReader(text.Bytes())}.Do(ctx, s)
		if err := s.apiAnswer(ctx, resp, err, &answer); err != nil {
			return nil, err
		}
		if len(answer.Responses) != n {
			return nil, fmt.Errorf("%d searches have %d answers", n, len(answer.Responses))
		}
		for i := range answer.Responses {
			r := &answer.Responses[i]
			if len(r.Error) > 0 {
				return nil, &ingest.AnswerError{Status: r.Status, Text: reason([]byte(`{"error":` + string(r.Error) + `}`))}
			}
			s.tellAnswer(r)
			out = append(out, r.Hits.Hits)
		}
		bodies = bodies[n:]
	}
	return out, nil
}

// tellAnswer tells what is missing in an answer.
func (s *Source) tellAnswer(a *searchAnswer) {
	s.tellShards(&a.Shards)
	if a.TimedOut {
		s.tell(timeline.Skipped{What: whatTimeout, Count: 1, Lost: true})
	}
	if n := a.Clusters.Skipped + a.Clusters.Partial + a.Clusters.Failed; n > 0 {
		s.tell(timeline.Skipped{What: "remote clusters that did not answer whole", Count: n, Lost: true})
	}
}

func (s *Source) tellShards(a *shardsAnswer) {
	if a.Failed == 0 {
		return
	}
	k := timeline.Skipped{What: whatShards, Count: a.Failed, Lost: true}
	for _, f := range a.Failures {
		if f.Index != "" {
			k.First = fmt.Sprintf("%s[%d]", f.Index, f.Shard)
			break
		}
	}
	for _, f := range a.Failures {
		if r := f.Reason.String(); r != "" {
			k.What += ": " + f.Reason.Type
			s.log.Info("a shard did not answer", "source", s.name, "index", f.Index, "shard", f.Shard, "reason", r)
			break
		}
	}
	s.tell(k)
}

// tell keeps what is missing. What several passes miss counts once: as often as the
// one that missed most.
func (s *Source) tell(k timeline.Skipped) {
	k.Source = s.name
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.skipped[k.What]
	if old == nil {
		s.skipped[k.What] = &k
		return
	}
	old.Count = max(old.Count, k.Count)
	if k.First != "" && (old.First == "" || strings.Compare(k.First, old.First) < 0) {
		old.First = k.First
	}
	old.Lost = old.Lost || k.Lost
}

// lost says whether an error of a search means that the point in time is gone.
func lost(err error) bool {
	e, ok := errors.AsType[*ingest.AnswerError](err)
	return ok && e.Status == http.StatusNotFound && strings.Contains(e.Text, "search_context_missing")
}
