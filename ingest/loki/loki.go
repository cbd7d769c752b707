// Package loki reads logs from Grafana Loki.
//
// Loki does the searching: a stream selector narrows the streams, line filters let through
// what holds a key in one of its spellings, what can be a failure by the stream's format, or
// what tells of a process's life. What comes back goes through ingest/format as a file does: each
// stream's lines in its order, those around a hit too where a record may have many lines.
//
// A stream is a file to it: [timeline.Pos] has its labels as the path, and the time by which Loki
// orders it with a hash of the line as the document, which Loki keeps once. So a record
// can be asked for again and checked.
package loki

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/config"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/timeline"
)

// Schemes are those of Loki's URLs.
var Schemes = []ingest.Scheme{scheme("http"), scheme("https")}

func scheme(transport string) ingest.Scheme {
	return ingest.Scheme{
		Name:    "loki+" + transport,
		Doc:     `Grafana Loki: loki+` + transport + `://HOST:PORT/?query={app="orders"}; without a host the one of LOKI_ADDR`,
		Network: true,
		Open: func(ctx context.Context, u *url.URL, c ingest.Config) (timeline.Source, error) {
			return Open(ctx, u, c)
		},
	}
}

// A Source is the streams of a Loki that a selector names. It may be read from several
// goroutines.
type Source struct {
	name   string
	config ingest.Config
	api    *api
	sel    selector
	now    time.Time // when it was opened

	mu      sync.Mutex
	streams map[string]*stream // by their labels
	series  map[[2]int64][]labels
	info    timeline.Info
	skipped map[string]*timeline.Skipped
}

// Open reaches the Loki at u and looks which streams the selector in its query names. Where u has
// no host, and for the tenant and credentials that c does not say, it heeds the environment
// variables of logcli: LOKI_ADDR, LOKI_ORG_ID, LOKI_USERNAME, LOKI_PASSWORD, LOKI_BEARER_TOKEN,
// LOKI_BEARER_TOKEN_FILE, LOKI_CA_CERT_PATH, LOKI_CLIENT_CERT_PATH, LOKI_CLIENT_KEY_PATH and
// LOKI_TLS_SKIP_VERIFY. Credentials of the environment are never sent to a host other than that of LOKI_ADDR.
func Open(ctx context.Context, u *url.URL, c ingest.Config) (*Source, error) {
	if c.Formats == nil {
		return nil, errors.New("open Loki: no log formats were given")
	}
	base, err := baseOf(u)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
		for _, label := range c.Fields[name] {
			if !labelRE.MatchString(label) {
				return nil, ingest.WithHint(fmt.Errorf("open %s: %s is no name of a label", u.Redacted(), label), "Loki writes the dots and dashes of names as underscores")
			}
		}
	}
	query := u.Query().Get("query")
	for name := range u.Query() {
		if name != "query" {
			return nil, ingest.WithHint(fmt.Errorf("open %s: unknown parameter %q", u.Redacted(), name), `query={app="orders"} is the only one`)
		}
	}
	var sel selector
	if query != "" {
		if sel, err = parseSelector(query); err != nil {
			return nil, fmt.Errorf("open %s: %w", u.Redacted(), err)
		}
	}
	s := &Source{
		name: cmp.Or(c.Name, u.Redacted()), config: c, sel: sel, now: time.Now(),
		streams: map[string]*stream{}, series: map[[2]int64][]labels{}, skipped: map[string]*timeline.Skipped{},
	}
	header := http.Header{"X-Loki-Response-Encoding-Flags": {"categorize-labels"}}
	if err := fromEnvironment(base, &c, header); err != nil {
		return nil, err
	}
	client, err := ingest.NewClient(c)
	if err != nil {
		return nil, err
	}
	s.api = &api{client: client, base: base, header: header, config: c}
	s.api.limit.Store(pageLimit)
	if query == "" {
		if s.sel, err = s.every(ctx); err != nil {
			return nil, fmt.Errorf("open %s: %w", base.Redacted(), err)
		}
	}
	if _, err := s.listed(ctx, s.span(timeline.Filter{})); err != nil {
		return nil, fmt.Errorf("open %s: %w", base.Redacted(), err)
	}
	return s, nil
}

// labelRE matches the names of labels and of structured metadata.
var labelRE = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// baseOf gives the address of the server, without the part before the + of its scheme.
func baseOf(u *url.URL) (*url.URL, error) {
	_, transport, ok := strings.Cut(u.Scheme, "+")
	if !ok {
		transport = u.Scheme
	}
	base := &url.URL{Scheme: transport, Host: u.Host, Path: strings.TrimSuffix(u.Path, "/"), User: u.User}
	if base.Host != "" {
		return base, nil
	}
	addr := os.Getenv("LOKI_ADDR")
	if addr == "" {
		return nil, ingest.WithHint(errors.New("open Loki: its URL has no host, and LOKI_ADDR is not set"), "loki+http://HOST:3100/")
	}
	a, err := url.Parse(addr)
	if err != nil || a.Host == "" {
		return nil, fmt.Errorf("open Loki: LOKI_ADDR is no URL: %s", addr)
	}
	a.Path = strings.TrimSuffix(a.Path, "/") + base.Path
	a.RawQuery = ""
	return a, nil
}

// fromEnvironment fills what the configuration does not say by the variables that logcli knows.
func fromEnvironment(base *url.URL, c *ingest.Config, header http.Header) error {
	if a, err := url.Parse(os.Getenv("LOKI_ADDR")); err == nil && a.Host != "" && a.Host != base.Host {
		return nil // the variables are about another server
	}
	h := config.DefaultHTTPClientConfig
	if c.HTTP != nil {
		h = *c.HTTP
	}
	if org := os.Getenv("LOKI_ORG_ID"); org != "" && (h.HTTPHeaders == nil || h.HTTPHeaders.Headers["X-Scope-OrgID"].Values == nil) {
		header.Set("X-Scope-OrgID", org)
	}
	user, password := os.Getenv("LOKI_USERNAME"), os.Getenv("LOKI_PASSWORD")
	token, file := os.Getenv("LOKI_BEARER_TOKEN"), os.Getenv("LOKI_BEARER_TOKEN_FILE")
	switch {
	case h.BasicAuth != nil || h.Authorization != nil || h.OAuth2 != nil:
	case user != "" || password != "":
		h.BasicAuth = &config.BasicAuth{Username: user, Password: config.Secret(password)}
	case token != "":
		h.Authorization = &config.Authorization{Type: "Bearer", Credentials: config.Secret(token)}
	case file != "":
		h.Authorization = &config.Authorization{Type: "Bearer", CredentialsFile: file}
	}
	t := &h.TLSConfig
	if t.CA == "" && t.CAFile == "" && t.CARef == "" {
		t.CAFile = os.Getenv("LOKI_CA_CERT_PATH")
	}
	if t.Cert == "" && t.CertFile == "" && t.CertRef == "" {
		t.CertFile, t.KeyFile = os.Getenv("LOKI_CLIENT_CERT_PATH"), os.Getenv("LOKI_CLIENT_KEY_PATH")
	}
	t.InsecureSkipVerify = t.InsecureSkipVerify || os.Getenv("LOKI_TLS_SKIP_VERIFY") == "true"
	c.HTTP = &h
	return nil
}

// every gives the selector of all streams. Loki wants one label at least that must be there; the
// one of the service it adds itself since 3.0.
func (s *Source) every(ctx context.Context) (selector, error) {
	r := s.span(timeline.Filter{})
	v, err := s.api.get(ctx, "/loki/api/v1/labels", url.Values{"start": {nanos(r.from)}, "end": {nanos(r.to)}}, true)
	if err != nil {
		return selector{}, err
	}
	var names []string
	for _, n := range v.GetArray("data") {
		names = append(names, string(n.GetStringBytes()))
	}
	if len(names) > 0 && !slices.Contains(names, labelService) {
		return selector{}, ingest.WithHint(errors.New("the streams have no label "+labelService),
			`name them: ?query={`+names[0]+`=~".+"}; there are the labels `+strings.Join(names, ", "))
	}
	return selector{matchers: labelService + `=~".+"`}, nil
}

// Ping asks which streams there are.
func (s *Source) Ping(ctx context.Context) (string, error) {
	list, err := s.api.series(ctx, s.sel, time.Unix(0, s.span(timeline.Filter{}).from), s.now.Add(late))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("Loki, %d streams of %s", len(list), s.sel), nil
}

// Hosts gives the hosts that stamp the records of the streams seen so far, as far as
// labels tell.
func (s *Source) Hosts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, st := range s.streams {
		out = append(out, st.host)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Info tells how many streams and bytes came, the range of the stamps seen so far, and what
// could not be read. A pass that is repeated counts nothing twice.
func (s *Source) Info() timeline.Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	info := s.info
	info.Files = len(s.streams)
	info.Skipped = nil
	for _, k := range s.skipped {
		info.Skipped = append(info.Skipped, *k)
	}
	slices.SortFunc(info.Skipped, func(a, b timeline.Skipped) int {
		return cmp.Or(strings.Compare(a.First, b.First), strings.Compare(a.What, b.What))
	})
	return info
}

const (
	// late is by how much an entry's time in Loki may be off the true moment: a shipper's
	// delay, or a clock that is wrong by an hour.
	late = 2 * time.Hour
	// maxSkew is by how much a record's own stamp may be off Loki's time for it: a zone that is
	// not written.
	maxSkew = 26 * time.Hour
	// farBack is how far back a source is asked that has no bound.
	farBack = 366 * 24 * time.Hour
)

// span gives the time range of Loki's own times that may hold what f wants. Loki's times are
// of a known zone, and so the slack of a filter, which is for raw stamps, is taken back.
func (s *Source) span(f timeline.Filter) timeRange {
	pad := max(late, maxSkew-f.Slack)
	from, to := s.now.Add(-cmp.Or(s.config.Since, farBack)), s.now.Add(late)
	if !f.From.IsZero() {
		from = f.From.Add(f.Slack - pad)
	}
	if !f.To.IsZero() && f.To.Add(pad-f.Slack).Before(to) {
		to = f.To.Add(pad - f.Slack)
	}
	return timeRange{from.UnixNano(), to.UnixNano()}
}

// listed gives the streams that have entries in a range.
func (s *Source) listed(ctx context.Context, r timeRange) ([]*stream, error) {
	key := [2]int64{r.from, r.to}
	s.mu.Lock()
	list, ok := s.series[key]
	s.mu.Unlock()
	if !ok {
		var err error
		if list, err = s.api.series(ctx, s.sel, time.Unix(0, r.from), time.Unix(0, r.to)); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.series[key] = list
	out := make([]*stream, len(list))
	for i, l := range list {
		out[i] = s.streamOf(l)
	}
	return out, nil
}

// streamOf gives the stream with these labels; the caller holds the lock.
func (s *Source) streamOf(l labels) *stream {
	path := l.String()
	st := s.streams[path]
	if st == nil {
		st = newStream(path, l, s.config)
		s.streams[path] = st
	}
	return st
}

// resolve gives the stream whose entries came with these labels. A server that does not part
// structured metadata from labels gives them as one: what no stream has as its label is metadata.
func (s *Source) resolve(l labels) (*stream, labels) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.streams[l.String()]; st != nil {
		return st, nil
	}
	var best *stream
	for _, st := range s.streams {
		if st.labels.within(l) && (best == nil || len(st.labels) > len(best.labels) || len(st.labels) == len(best.labels) && st.path < best.path) {
			best = st
		}
	}
	if best == nil {
		return s.streamOf(l), nil
	}
	more := labels{}
	for k, v := range l {
		if _, ok := best.labels[k]; !ok {
			more[k] = v
		}
	}
	return best, more
}

// within says whether all labels of l are among those of m, with the same values.
func (l labels) within(m labels) bool {
	for k, v := range l {
		if w, ok := m[k]; !ok || v != w {
			return false
		}
	}
	return true
}
