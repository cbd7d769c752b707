package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

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
	Total    int            `json:"total"`
	Failed   int            `json:"failed"`
	Failures []shardFailure `json:"failures"`
}

type shardFailure struct {
	Index  string  `json:"index"`
	Shard  int     `json:"shard"`
	Reason failure `json:"reason"`
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

// search sends one search of a point in time.
func (s *Source) search(ctx context.Context, body query, answer *searchAnswer) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if err := s.toldOnly(http.MethodPost, "/_search", text); err != nil {
		return err
	}
	return untilTaken(ctx, func(atOnce *int) (bool, error) {
		*answer = searchAnswer{}
		err := s.send(ctx, func() (*esapi.Response, error) {
			return esapi.SearchRequest{Body: bytes.NewReader(text), MaxConcurrentShardRequests: atOnce}.Do(ctx, s)
		}, answer)
		return answer.refused(), err
	})
}

// untilTaken asks by ask, and again after growing pauses while shards refuse for want of room. Then atOnce, which is
// nil before, says that a node is to be asked for no more than one shard at a time: a search of many would
// never find the room for all.
func untilTaken(ctx context.Context, ask func(atOnce *int) (refused bool, err error)) error {
	var atOnce *int
	for busy := new(ingest.Backoff); ; {
		refused, err := ask(atOnce)
		e, answered := errors.AsType[*ingest.AnswerError](err)
		if atOnce == nil && answered && e.Status == http.StatusTooManyRequests {
			refused, err = true, nil // by all shards, time and again
		}
		if err != nil || !refused || !busy.Wait(ctx) {
			return err
		}
		one := 1
		atOnce = &one
	}
}

// refused says whether shards refused a search as they had too many others to do.
func (a *searchAnswer) refused() bool {
	return a.Status == http.StatusTooManyRequests || a.Shards.refused()
}

func (a *shardsAnswer) refused() bool {
	return slices.ContainsFunc(a.Failures, func(f shardFailure) bool { return strings.Contains(f.Reason.Type, "rejected_execution") })
}

// toldOnly tells a query; of a dry run it is the end of it.
func (s *Source) toldOnly(method, path string, body []byte) error {
	if s.config.Query != nil {
		s.config.Query(ingest.Query{Method: method, Path: s.addresses[0].Path + path, Body: body})
	}
	if s.config.DryRun {
		return errDryRun
	}
	return nil
}

// atOnce is how many searches stand in one request.
const atOnce = 32

// several sends searches of the indices together, in as few requests as may be, and
// gives the answer to each. A search that fails alone is an error.
func (s *Source) several(ctx context.Context, bodies []query) ([]searchAnswer, error) {
	var out []searchAnswer
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
		if err := untilTaken(ctx, func(atOnce *int) (bool, error) {
			answer.Responses = nil
			err := s.send(ctx, func() (*esapi.Response, error) {
				return esapi.MsearchRequest{Body: bytes.NewReader(text.Bytes()), MaxConcurrentSearches: atOnce, MaxConcurrentShardRequests: atOnce}.Do(ctx, s)
			}, &answer)
			return slices.ContainsFunc(answer.Responses, func(r searchAnswer) bool { return r.refused() }), err
		}); err != nil {
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
			out = append(out, *r)
		}
		bodies = bodies[n:]
	}
	return out, nil
}

// tellAnswer tells what is missing in an answer.
func (s *Source) tellAnswer(a *searchAnswer) {
	s.tellShards(&a.Shards)
	if a.TimedOut {
		s.tell(timeline.Skipped{What: whatTimeout, Count: 1, Lost: true, Torn: true})
	}
	if n := a.Clusters.Skipped + a.Clusters.Partial + a.Clusters.Failed; n > 0 {
		s.tell(timeline.Skipped{What: "remote clusters that did not answer whole", Count: n, Lost: true, Torn: true})
	}
}

func (s *Source) tellShards(a *shardsAnswer) {
	if a.Failed == 0 {
		return
	}
	k := timeline.Skipped{What: whatShards, Count: a.Failed, Lost: true, Torn: true}
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
	old.Lost, old.Torn = old.Lost || k.Lost, old.Torn || k.Torn
}
