// Package trace reads spans from Jaeger and Grafana Tempo.
//
// Spans become events by the formats of ingest/format that read the same from files. Whole
// traces are asked for by their IDs; IDs of requests, failures and windows by searches, as far
// as the server has them ([backend]). A search that finds as many traces as it may give is parted
// in time until it does not, so nothing is lost to a limit.
//
// A trace is a file to it: [timeline.Pos] has the trace's ID as the path and the span's as the
// document. Times are those that the processes stamped: Jaeger is asked not to adjust them.
package trace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

// Schemes are those of the URLs of Jaeger and Tempo.
var Schemes = []ingest.Scheme{
	scheme("jaeger+http", "Jaeger's query service: jaeger+http://HOST:16686/", newJaeger),
	scheme("jaeger+https", "Jaeger's query service: jaeger+https://HOST/", newJaeger),
	scheme("tempo+http", "Grafana Tempo: tempo+http://HOST:3200/", newTempo),
	scheme("tempo+https", "Grafana Tempo: tempo+https://HOST/", newTempo),
}

func scheme(name, doc string, open func(context.Context, *api) (backend, error)) ingest.Scheme {
	return ingest.Scheme{
		Name: name, Doc: doc, Network: true,
		Open: func(ctx context.Context, u *url.URL, c ingest.Config) (timeline.Source, error) {
			return reach(ctx, u, c, open)
		},
	}
}

// A backend is one kind of server.
type backend interface {
	// format is the name of that in which answers are written.
	format() string
	// services gives what searches go by: the services, or "" alone if one search covers all.
	services(ctx context.Context) ([]string, error)
	// byID gives the traces with these IDs that there are.
	byID(ctx context.Context, ids []string) (answers [][]byte, err error)
	// search gives traces of which at least one span answers q. full says that there may be more.
	search(ctx context.Context, q search) (answers [][]byte, full bool, err error)
	// finds says whether search can tell spans by this: "failed", "status", "attribute". What it
	// cannot tell is found by reading all.
	finds(what string) bool
	ping(ctx context.Context) (string, error)
}

// A search is for spans that begin in [from, to).
type search struct {
	service  string
	from, to time.Time
	limit    int

	failed bool
	status *timeline.StatusRange
	attr   string // an attribute with one of the values
	values []string

	discovery bool // it finds out what there is to ask
	some      bool // any of those that there are will do
}

// An api is how a server is asked.
type api struct {
	client *http.Client
	base   *url.URL // without query
	config ingest.Config
}

// get asks for a path below the base. In a dry run what is not discovery is told and not sent:
// then the answer is nil.
func (a *api) get(ctx context.Context, path string, q url.Values, discovery bool) ([]byte, error) {
	u := *a.base
	u.Path += path
	u.RawQuery = q.Encode()
	if a.config.Query != nil {
		shown := u.Path
		if u.RawQuery != "" {
			shown += "?" + u.RawQuery
		}
		a.config.Query(ingest.Query{Method: http.MethodGet, Path: shown})
	}
	if a.config.DryRun && !discovery {
		return nil, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	return ingest.Read(a.client, req)
}

// answered gives the answer of a server that is not the one asked for.
func answered(err error) (*ingest.AnswerError, bool) { return errors.AsType[*ingest.AnswerError](err) }

// notFound says whether a server answered that there is nothing of what it was asked for.
func notFound(err error) bool {
	e, ok := answered(err)
	return ok && e.Status == http.StatusNotFound
}

// A Source is the traces of one server. It may be read from several goroutines.
type Source struct {
	name    string
	config  ingest.Config
	backend backend
	format  *format.Format
	now     time.Time // when it was opened

	look    sync.Mutex // one looks at the services at a time
	looked  bool
	learnt  map[string]*service // guarded by look
	short   map[string][]string // low half of a trace ID -> whole ones; guarded by look, nil until needed
	shortOf search              // the range of short

	mu      sync.Mutex
	info    timeline.Info
	hosts   map[string]bool
	skipped map[string]*timeline.Skipped
}

// A service is what was learnt of one from some of its traces.
type service struct {
	name string
	// keys are the attributes that hold IDs of requests, and whether as lists, as single
	// values, or both.
	keys map[string]map[bool]bool
}

func reach(ctx context.Context, u *url.URL, c ingest.Config, open func(context.Context, *api) (backend, error)) (*Source, error) {
	if c.Formats == nil {
		return nil, errors.New("open traces: no formats were given")
	}
	if u.Host == "" {
		return nil, ingest.WithHint(fmt.Errorf("open %s: its URL has no host", u.Redacted()), u.Scheme+"://HOST:PORT/")
	}
	for name := range u.Query() {
		return nil, fmt.Errorf("open %s: unknown parameter %q", u.Redacted(), name)
	}
	client, err := ingest.NewClient(c)
	if err != nil {
		return nil, err
	}
	_, transport, _ := strings.Cut(u.Scheme, "+")
	base := &url.URL{Scheme: transport, Host: u.Host, Path: strings.TrimSuffix(u.Path, "/"), User: u.User}
	b, err := open(ctx, &api{client, base, c})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", u.Redacted(), err)
	}
	s := &Source{
		name: cmp.Or(c.Name, u.Redacted()), config: c, backend: b, format: c.Formats.Lookup(b.format()), now: time.Now(),
		learnt: map[string]*service{}, hosts: map[string]bool{}, skipped: map[string]*timeline.Skipped{},
	}
	if s.format == nil {
		return nil, fmt.Errorf("open %s: the set of formats has no %s", u.Redacted(), b.format())
	}
	if _, err := b.services(ctx); err != nil {
		return nil, fmt.Errorf("open %s: %w", u.Redacted(), err)
	}
	return s, nil
}

// Ping asks what the server is.
func (s *Source) Ping(ctx context.Context) (string, error) { return s.backend.ping(ctx) }

// Hosts gives the hosts that stamped the spans seen so far.
func (s *Source) Hosts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.hosts))
}

// Info tells the range of the stamps seen so far and what could not be read. A pass that is
// repeated counts nothing twice.
func (s *Source) Info() timeline.Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	info := s.info
	for _, what := range slices.Sorted(maps.Keys(s.skipped)) {
		info.Skipped = append(info.Skipped, *s.skipped[what])
	}
	return info
}

const (
	// late is by how much a clock may be off whose zone is known.
	late = 2 * time.Hour
	// farBack is how far back a source is asked that has no bound.
	farBack = 366 * 24 * time.Hour
	// most is how many traces are asked for at once.
	most = 400
	// shortest is the time range of a search that is not parted any more.
	shortest = time.Millisecond
)

// span gives the time range of spans that f may want. Spans are stamped in a known zone, and so the slack of
// a filter, which is for raw stamps, is taken back but for what a clock may be off.
func (s *Source) span(f timeline.Filter) (from, to time.Time) {
	slack := max(0, f.Slack-late)
	from, to = s.now.Add(-cmp.Or(s.config.Since, farBack)), s.now.Add(late)
	if !f.From.IsZero() {
		from = f.From.Add(slack)
	}
	if !f.To.IsZero() && f.To.Add(-slack).Before(to) {
		to = f.To.Add(-slack)
	}
	return from, to
}

// A pass is one run through the events that a filter wants.
type pass struct {
	s        *Source
	sel      *ingest.Selection
	from, to time.Time
	yield    func(*timeline.Event, error) bool
	given    map[string]bool // traces
	skipped  map[string]*timeline.Skipped
}

// errStopped says that nobody takes events any longer.
var errStopped = errors.New("stopped")

// Events gives the events that f wants, trace by trace. The error is a *timeline.RecordError, or what broke
// it, or the context's, as the last pair.
func (s *Source) Events(ctx context.Context, f timeline.Filter) iter.Seq2[*timeline.Event, error] {
	return func(yield func(*timeline.Event, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(nil, err)
			return
		}
		p := &pass{s: s, sel: ingest.Select(f), yield: yield, given: map[string]bool{}, skipped: map[string]*timeline.Skipped{}}
		p.from, p.to = s.span(f)
		if f.From.IsZero() && s.config.Since > 0 && len(f.Any) > 0 {
			p.count("asked only from "+p.from.UTC().Format(time.RFC3339)+" on; --since says otherwise", timeline.Pos{Path: s.name}, false)
		}
		err := p.run(ctx)
		switch {
		case errors.Is(err, errStopped):
			return
		case ctx.Err() != nil:
			yield(nil, ctx.Err())
			return
		case err != nil:
			yield(nil, err)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for what, k := range p.skipped {
			if old := s.skipped[what]; old != nil {
				k.Count, k.First = max(k.Count, old.Count), min(k.First, old.First)
			}
			s.skipped[what] = k
		}
	}
}

func (p *pass) count(what string, at timeline.Pos, lost bool) {
	k := p.skipped[what]
	if k == nil {
		k = &timeline.Skipped{Source: p.s.name, What: what, First: at.String(), Lost: lost, Torn: lost}
		p.skipped[what] = k
	}
	k.Count++
	k.First = min(k.First, at.String())
}

// run asks for what is wanted, each trace once.
func (p *pass) run(ctx context.Context) error {
	if err := p.byKeys(ctx); err != nil {
		return err
	}
	if len(p.sel.Failed) == 0 && !p.sel.Near && p.sel.PerStream == 0 {
		return nil
	}
	services, err := p.s.backend.services(ctx)
	if err != nil {
		return err
	}
	for _, name := range services {
		for _, q := range p.searches(name) {
			if err := p.all(ctx, q); err != nil {
				return err
			}
		}
		if p.sel.PerStream > 0 {
			if err := p.sample(ctx, name, ingest.SampleOf(p.sel.PerStream, p.sel.InAll, len(services))); err != nil {
				return err
			}
		}
	}
	return nil
}

// searches gives those for failures and windows among the spans of a service.
func (p *pass) searches(service string) []search {
	base := search{service: service, from: p.from, to: p.to, limit: most}
	var out []search
	for _, f := range p.sel.Failed {
		switch {
		case len(f.Status) == 0 && p.s.backend.finds("failed"):
			q := base
			q.failed = true
			out = append(out, q)
		case len(f.Status) > 0 && p.s.backend.finds("status"):
			for _, r := range f.Status {
				q := base
				q.status = &r
				out = append(out, q)
			}
		default:
			return []search{base}
		}
	}
	for _, w := range p.sel.AllWindows() {
		q := base
		if w.From.After(q.from) {
			q.from = w.From
		}
		if w.To.Before(q.to) {
			q.to = w.To
		}
		if q.from.Before(q.to) {
			out = append(out, q)
		}
	}
	return out
}

// all gives what is wanted of all traces that answer a search.
func (p *pass) all(ctx context.Context, q search) error {
	answers, full, err := p.s.backend.search(ctx, q)
	if err != nil {
		return err
	}
	if full {
		if mid := q.from.Add(q.to.Sub(q.from) / 2).Truncate(time.Microsecond); q.to.Sub(q.from) > shortest && mid.After(q.from) {
			first, second := q, q
			first.to, second.from = mid, mid
			if err := p.all(ctx, first); err != nil {
				return err
			}
			return p.all(ctx, second)
		}
		p.count(fmt.Sprintf("more than %d traces of one moment", q.limit), timeline.Pos{Path: q.from.UTC().Format(time.RFC3339Nano)}, true)
	}
	return p.give(ctx, answers, nil)
}

// sampleStretches is at how many places of the time range a sample is taken.
const sampleStretches = 16

// sample gives n records of traces of a service, spread over the time in which it has any.
func (p *pass) sample(ctx context.Context, service string, n int) error {
	q := search{service: service, from: p.from, to: p.to, limit: min(n, most), some: true}
	answers, full, err := p.s.backend.search(ctx, q)
	if err != nil {
		return err
	}
	if full {
		// The newest came. The others are looked for further back, in stretches that grow.
		q.limit = max(1, q.limit/sampleStretches)
		for i := range sampleStretches {
			part := q
			step := p.to.Sub(p.from) / sampleStretches
			part.from = p.from.Add(time.Duration(i) * step)
			part.to = part.from.Add(step)
			more, _, err := p.s.backend.search(ctx, part)
			if err != nil {
				return err
			}
			answers = append(answers, more...)
		}
	}
	took := 0
	return p.give(ctx, answers, func(e *timeline.Event) bool {
		if took >= n || service != "" && e.Service != service {
			return false
		}
		took++
		return true
	})
}

// traces decodes answers and gives their spans by trace, in order.
func (s *Source) traces(answers [][]byte, bad func(error)) [][]*timeline.Event {
	d := format.NewDecoder(format.Options{Format: s.format, Zone: s.config.Zone, Reference: s.now})
	byTrace := map[string][]*timeline.Event{}
	for _, a := range answers {
		if err := d.Decode(a, func(e *timeline.Event) bool {
			id := traceOf(e)
			byTrace[id] = append(byTrace[id], e.Clone())
			return true
		}); err != nil {
			bad(err)
		}
	}
	var out [][]*timeline.Event
	for _, id := range slices.Sorted(maps.Keys(byTrace)) {
		out = append(out, s.inOrder(id, byTrace[id]))
	}
	return out
}

// traceOf gives the ID of the trace to which a span belongs.
func traceOf(e *timeline.Event) string {
	for _, k := range e.Keys {
		if k.Name == timeline.KeyTraceID && k.Strength == timeline.Identity {
			return k.Value
		}
	}
	return ""
}

// inOrder gives the spans of a trace their positions and puts them in their order. Spans with one ID, as the
// two sides of a call have it in Zipkin's model, are told apart by their number.
func (s *Source) inOrder(id string, es []*timeline.Event) []*timeline.Event {
	slices.SortFunc(es, func(a, b *timeline.Event) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.SpanID, b.SpanID), cmp.Compare(a.Kind, b.Kind), strings.Compare(string(a.Raw), string(b.Raw)))
	})
	seen := map[string]int{}
	var out []*timeline.Event
	for i, e := range es {
		if i > 0 && e.SpanID == es[i-1].SpanID && string(e.Raw) == string(es[i-1].Raw) {
			continue // reported twice
		}
		seen[e.SpanID]++
		e.Pos = timeline.Pos{Source: s.name, Path: "trace/" + id, Offset: e.Time.UnixNano(), Doc: e.SpanID}
		if n := seen[e.SpanID]; n > 1 {
			e.Pos.Item = n
		}
		s.configured(e)
		ingest.Complete(e, "unknown_service", cmp.Or(e.Service, "unknown_service"), s.config)
		out = append(out, e)
	}
	return out
}

// configured takes what the configuration names from the span's attributes: its host, and the ID of its request. The
// service is always that by which the server knows it.
func (s *Source) configured(e *timeline.Event) {
	first := func(otel string) string {
		for _, n := range s.config.Fields[otel] {
			if v := e.Attrs.Get(n); v != "" {
				return v
			}
		}
		return ""
	}
	e.Host = cmp.Or(first("host.name"), e.Host)
	if id := first(timeline.KeyRequestID); id != "" && !slices.ContainsFunc(e.Keys, func(k timeline.Key) bool { return k.Name == timeline.KeyRequestID && k.Value == id }) {
		e.Keys = append(e.Keys, timeline.Key{Name: timeline.KeyRequestID, Value: id, Strength: timeline.Identity})
	}
}

// give sends what is wanted of traces that were not given before, and what sampled takes.
func (p *pass) give(ctx context.Context, answers [][]byte, sampled func(*timeline.Event) bool) error {
	var bad error
	for _, spans := range p.s.traces(answers, func(err error) { bad = cmp.Or(bad, err) }) {
		path := spans[0].Pos.Path
		if p.given[path] {
			continue
		}
		p.given[path] = true
		p.s.saw(spans)
		for _, e := range spans {
			want := p.sel.Wants(e)
			if sampled != nil && p.sel.InTime(e) && traceOf(e) != "" && sampled(e) {
				want = true
			}
			if !want {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if !p.yield(e, nil) {
				return errStopped
			}
		}
	}
	if bad != nil {
		return fmt.Errorf("the answer is not in %s: %w", p.s.format.Name, bad)
	}
	return nil
}

// saw notes hosts and stamps.
func (s *Source) saw(spans []*timeline.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range spans {
		s.hosts[e.Host] = true
		if e.Time.IsZero() {
			continue
		}
		if s.info.From.IsZero() || e.Time.Before(s.info.From) {
			s.info.From = e.Time.UTC()
		}
		if e.Time.After(s.info.To) {
			s.info.To = e.Time.UTC()
		}
	}
}
