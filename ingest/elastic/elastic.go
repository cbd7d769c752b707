// Package elastic reads logs out of Elasticsearch and OpenSearch: the cluster does the
// searching, and what comes back are the documents that may matter.
//
// Open asks the cluster for its product and for the fields of the indices. A pass over
// the source ([Source.Events]) makes one query of what the filter wants, with bounds in time, keys, statuses
// and words of failure pushed down (query.go), and pages through a point in time of the
// indices (search.go). A document is given to the format engine as a shipper would have
// written it (document.go); documents that are single lines of a file are put in their order with their
// neighbours, so that a stack trace is one record (stream.go).
package elastic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/timeline"
)

// The flavors, as a configuration names them.
const (
	Elasticsearch = "elasticsearch"
	OpenSearch    = "opensearch"
)

// Schemes are elasticsearch+http, elasticsearch+https, opensearch+http and opensearch+https.
var Schemes = func() (out []ingest.Scheme) {
	for _, flavor := range []string{Elasticsearch, OpenSearch} {
		for _, transport := range []string{"http", "https"} {
			out = append(out, ingest.Scheme{
				Name:    flavor + "+" + transport,
				Doc:     "indices that a pattern, an alias or a data stream names: " + flavor + "+" + transport + "://HOST:PORT/PATTERN",
				Network: true, Cluster: true,
				Open: func(ctx context.Context, u *url.URL, c ingest.Config) (timeline.Source, error) {
					return Open(ctx, u, c)
				},
			})
		}
	}
	return out
}()

// A Source is the indices of a cluster that a pattern names. It may be read from
// several goroutines.
type Source struct {
	name    string
	config  ingest.Config
	index   string // pattern
	client  *http.Client
	log     *slog.Logger
	product product
	fields  *fields

	addresses []*url.URL   // of the cluster
	address   atomic.Int32 // that answered last

	records, found atomic.Int64 // by the query that is asked: given so far, in all

	mu       sync.Mutex
	streams  map[string]*stream   // by identity
	lags     map[string]*clockLag // by clock
	listed   bool                 // the streams of the index were asked for
	from, to time.Time            // of the raw stamps seen
	bytes    int64
	indices  map[string]bool
	skipped  map[string]*timeline.Skipped
}

// A product is what answers.
type product struct {
	flavor  string
	version string // "" if it does not tell
}

func (p product) String() string {
	name := map[string]string{Elasticsearch: "Elasticsearch", OpenSearch: "OpenSearch"}[p.flavor]
	return strings.TrimSpace(name + " " + p.version)
}

// Open finds out what answers at the URL and which fields the indices have. Its path is
// the pattern of the indices; what stands before the pattern's slash is the cluster's.
func Open(ctx context.Context, u *url.URL, c ingest.Config) (*Source, error) {
	if c.Formats == nil {
		return nil, errors.New("open elastic: no log formats were given")
	}
	flavor, transport, ok := strings.Cut(u.Scheme, "+")
	if !ok {
		return nil, fmt.Errorf("open %s: the scheme is %s+http or %s+https", u.Redacted(), flavor, flavor)
	}
	switch c.Flavor {
	case "", Elasticsearch, OpenSearch:
	default:
		return nil, fmt.Errorf("open %s: unknown flavor %q: %s or %s", u.Redacted(), c.Flavor, Elasticsearch, OpenSearch)
	}
	dir, pattern := path.Split(u.Path)
	if pattern == "" {
		return nil, ingest.WithHint(fmt.Errorf("open %s: no index is named", u.Redacted()),
			"the path is a pattern of indices, an alias or a data stream, such as /logs-*")
	}
	client, err := ingest.NewClient(c)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", u.Redacted(), err)
	}
	s := &Source{
		name: cmp.Or(c.Name, u.Redacted()), config: c, client: client, index: pattern,
		addresses: []*url.URL{{Scheme: transport, Host: u.Host, User: u.User, Path: strings.TrimSuffix(dir, "/")}},
		log:       c.Log,
		streams:   map[string]*stream{}, lags: map[string]*clockLag{}, indices: map[string]bool{}, skipped: map[string]*timeline.Skipped{},
	}
	for _, a := range c.URLs {
		s.addresses = append(s.addresses, &url.URL{Scheme: a.Scheme, Host: a.Host, Path: strings.TrimSuffix(a.Path, "/")})
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.product, err = s.identify(ctx, flavor); err == nil {
		s.fields, err = s.discover(ctx)
	}
	if err != nil {
		s.Close()
		return nil, named("open "+u.Redacted(), err)
	}
	s.log.Debug("source opened", "source", s.name, "product", s.product.String(), "fields", s.fields.String())
	return s, nil
}

// named puts what was done before an error and keeps its hint.
func named(what string, err error) error {
	return fmt.Errorf("%s: %w", what, ingest.Unreachable(err))
}

// Close gives up the connections.
func (s *Source) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// Ping asks the cluster how many documents the pattern has.
func (s *Source) Ping(ctx context.Context) (string, error) {
	var answer struct {
		Count  int64        `json:"count"`
		Shards shardsAnswer `json:"_shards"`
	}
	if err := s.ask(ctx, http.MethodGet, "/"+url.PathEscape(s.index)+"/_count", nil, nil, &answer); err != nil {
		return "", err
	}
	text := fmt.Sprintf("%s, %d documents in %s", s.product, answer.Count, s.index)
	if n := answer.Shards.Failed; n > 0 {
		text += fmt.Sprintf(", %d of %d shards did not answer", n, answer.Shards.Total)
	}
	return text, nil
}

// Hosts gives the hosts that the documents of the indices name.
func (s *Source) Hosts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, st := range s.streams {
		if h := cmp.Or(st.host, s.config.Host); h != "" {
			out = append(out, h)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Progress tells how far the query is that was asked last.
func (s *Source) Progress() timeline.Progress {
	return timeline.Progress{RecordsDone: s.records.Load(), Records: s.found.Load()}
}

// Info tells what the passes saw so far.
func (s *Source) Info() timeline.Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	info := timeline.Info{Files: len(s.indices), Bytes: s.bytes, From: s.from, To: s.to}
	for _, k := range s.skipped {
		info.Skipped = append(info.Skipped, *k)
	}
	slices.SortFunc(info.Skipped, func(a, b timeline.Skipped) int {
		return cmp.Or(strings.Compare(a.First, b.First), strings.Compare(a.What, b.What))
	})
	return info
}
