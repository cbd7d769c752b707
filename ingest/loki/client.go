package loki

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fastjson"

	"github.com/correlatehq/correlate/ingest"
)

const (
	// pageLimit is how many entries are asked for at once: Loki's own default of
	// max_entries_limit_per_query. A server with a lower one says so, and is asked for less.
	pageLimit = 5000
	// maxLength bounds the time range of one query: Loki's default of max_query_length is
	// 721 h.
	maxLength = 30 * 24 * time.Hour
	// maxURL is how long a query in a URL may be.
	maxURL = 4 << 10
)

// An entry is one line of a stream.
type entry struct {
	at       int64 // Unix nanoseconds, as the stream is ordered
	line     string
	metadata labels // structured metadata and what the user's pipeline parsed; may be nil
	ordinal  int    // among the entries of the same time, if they were read whole; else 0
}

// hash tells entries of one stream and time apart: Loki keeps a line once.
func (e *entry) hash() string {
	sum := sha256.Sum256([]byte(e.line))
	return hex.EncodeToString(sum[:8])
}

// A page is one answer to a query.
type page struct {
	streams  []pageStream
	entries  int
	first    int64 // the range of the entries' times
	last     int64
	warnings []string
	full     bool // there may be more
}

type pageStream struct {
	labels  labels
	entries []entry // in order
}

// An api asks one Loki.
type api struct {
	client *http.Client
	base   *url.URL // without query
	header http.Header
	config ingest.Config
	limit  atomic.Int64 // of entries in an answer
}

// get asks for a path below the base. In a dry run told is not sent.
func (a *api) get(ctx context.Context, path string, q url.Values, discovery bool) (*fastjson.Value, error) {
	u := *a.base
	u.Path = strings.TrimSuffix(u.Path, "/") + path
	text := q.Encode()
	if a.config.Query != nil {
		a.config.Query(ingest.Query{Method: http.MethodGet, Path: u.Path + "?" + text})
	}
	if a.config.DryRun && !discovery {
		return nil, nil
	}
	// A long query goes as a form in the body.
	method, body := http.MethodGet, io.Reader(nil)
	if len(text) > maxURL {
		method, body = http.MethodPost, strings.NewReader(text)
	} else {
		u.RawQuery = text
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header = a.header.Clone()
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := ingest.Read(a.client, req)
	if err != nil {
		return nil, err
	}
	v, err := fastjson.ParseBytes(answer)
	if err != nil || v.Get("data") == nil {
		return nil, fmt.Errorf("the answer is not one of Loki's API: %s", firstBytes(answer))
	}
	return v, nil
}

func firstBytes(b []byte) string {
	return strconv.Quote(string(bytes.ToValidUTF8(b[:min(len(b), 80)], nil)))
}

// series gives the streams that have entries in a time range.
func (a *api) series(ctx context.Context, sel selector, from, to time.Time) ([]labels, error) {
	var out []labels
	seen := map[string]bool{}
	for _, r := range ranges(from, to) {
		v, err := a.get(ctx, "/loki/api/v1/series", url.Values{
			"match[]": {"{" + sel.matchers + "}"}, "start": {nanos(r.from)}, "end": {nanos(r.to)},
		}, true)
		if err != nil {
			return nil, err
		}
		for _, s := range v.GetArray("data") {
			l := labelsOf(s)
			if name := l.String(); !seen[name] {
				seen[name] = true
				out = append(out, l)
			}
		}
	}
	slices.SortFunc(out, func(a, b labels) int { return strings.Compare(a.String(), b.String()) })
	return out, nil
}

type timeRange struct{ from, to int64 } // [from, to) in Unix nanoseconds

// ranges parts a time range into stretches that a server answers.
func ranges(from, to time.Time) []timeRange {
	var out []timeRange
	for from.Before(to) {
		end := from.Add(maxLength)
		if end.After(to) {
			end = to
		}
		out = append(out, timeRange{from.UnixNano(), end.UnixNano()})
		from = end
	}
	return out
}

func nanos(n int64) string { return strconv.FormatInt(n, 10) }

// limitRE finds in an answer how many entries a server gives at most.
var limitRE = regexp.MustCompile(`max entries limit per query exceeded, limit > max_entries_limit\w* \(\d+ > (\d+)\)`)

// query gives one page of at most limit entries of [from, to), the oldest first, or the
// newest. In a dry run the page is empty.
func (a *api) query(ctx context.Context, q string, r timeRange, limit int, backward, discovery bool) (*page, error) {
	direction := "forward"
	if backward {
		direction = "backward"
	}
	for {
		limit = min(limit, int(a.limit.Load()))
		v, err := a.get(ctx, "/loki/api/v1/query_range", url.Values{
			"query": {q}, "start": {nanos(r.from)}, "end": {nanos(r.to)}, "limit": {strconv.Itoa(limit)}, "direction": {direction},
		}, discovery)
		if e, ok := errors.AsType[*ingest.AnswerError](err); ok {
			if m := limitRE.FindStringSubmatch(e.Text); m != nil {
				if n, _ := strconv.Atoi(m[1]); n > 0 && n < limit {
					a.limit.Store(int64(n))
					continue
				}
			}
		}
		if err != nil || v == nil {
			return &page{}, err
		}
		p, err := readPage(v)
		if err != nil {
			return nil, err
		}
		p.full = p.entries >= limit
		return p, nil
	}
}

// readPage reads the answer to a query for entries.
func readPage(v *fastjson.Value) (*page, error) {
	data := v.Get("data")
	if t := string(data.GetStringBytes("resultType")); t != "streams" {
		return nil, fmt.Errorf("the query gives a %s, not log lines", t)
	}
	p := &page{}
	for _, s := range data.GetArray("result") {
		ps := pageStream{labels: labelsOf(s.Get("stream"))}
		for _, x := range s.GetArray("values") {
			parts := x.GetArray()
			if len(parts) < 2 {
				return nil, errors.New("an entry without time or line")
			}
			at, err := strconv.ParseInt(string(parts[0].GetStringBytes()), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("the time of an entry: %w", err)
			}
			e := entry{at: at, line: string(parts[1].GetStringBytes())}
			if len(parts) > 2 {
				e.metadata = merge(labelsOf(parts[2].Get("structuredMetadata")), labelsOf(parts[2].Get("parsed")))
			}
			if p.entries == 0 || at < p.first {
				p.first = at
			}
			if p.entries == 0 || at > p.last {
				p.last = at
			}
			p.entries++
			ps.entries = append(ps.entries, e)
		}
		p.streams = append(p.streams, ps)
	}
	for _, w := range v.GetArray("warnings") {
		p.warnings = append(p.warnings, string(w.GetStringBytes()))
	}
	return p, nil
}

func labelsOf(v *fastjson.Value) labels {
	if v == nil {
		return nil
	}
	o, err := v.Object()
	if err != nil {
		return nil
	}
	out := labels{}
	o.Visit(func(k []byte, v *fastjson.Value) { out[string(k)] = string(v.GetStringBytes()) })
	return out
}

func merge(a, b labels) labels {
	if len(a) == 0 {
		return b
	}
	for k, v := range b {
		a[k] = v
	}
	return a
}

// A tooManyError says that there are more entries of one nanosecond than a server gives.
type tooManyError struct {
	at    int64
	limit int
}

func (e *tooManyError) Error() string {
	return fmt.Sprintf("more than %d entries at %s", e.limit, time.Unix(0, e.at).UTC().Format(time.RFC3339Nano))
}

// pages gives all entries of [from, to) in pages, the oldest first, without loss and
// repetition: a page begins at the time of the last entry before it, and what was there is
// passed over. The first page has at most so many entries. A *tooManyError is about one moment,
// and the pages go on after it.
func (a *api) pages(ctx context.Context, q string, r timeRange, first int) iter.Seq2[*page, error] {
	return func(yield func(*page, error) bool) {
		for _, part := range ranges(time.Unix(0, r.from), time.Unix(0, r.to)) {
			var seen map[string]bool // entries at part.from that were given
			for limit := first; ; limit = pageLimit {
				p, err := a.query(ctx, q, part, limit, false, false)
				if err != nil {
					yield(nil, err)
					return
				}
				last, total := p.last, p.entries
				p.drop(part.from, seen)
				if p.entries > 0 && !yield(p, nil) {
					return
				}
				if !p.full {
					break
				}
				if p.entries == 0 {
					if !yield(nil, &tooManyError{last, total}) {
						return
					}
					part.from, seen = last+1, nil
					continue
				}
				seen = p.at(last, seen, last == part.from)
				part.from = last
			}
		}
	}
}

// drop leaves out the entries of the time at that were given before.
func (p *page) drop(at int64, seen map[string]bool) {
	if len(seen) == 0 {
		return
	}
	p.entries = 0
	for i := range p.streams {
		s := &p.streams[i]
		name := s.labels.String()
		s.entries = slices.DeleteFunc(s.entries, func(e entry) bool { return e.at == at && seen[name+e.hash()] })
		p.entries += len(s.entries)
	}
}

// at gives the entries of a time, with those known before if that is still the same time.
func (p *page) at(at int64, before map[string]bool, same bool) map[string]bool {
	out := map[string]bool{}
	if same {
		for k := range before {
			out[k] = true
		}
	}
	for _, s := range p.streams {
		name := s.labels.String()
		for _, e := range slices.Backward(s.entries) {
			if e.at != at {
				break
			}
			out[name+e.hash()] = true
		}
	}
	return out
}

// sortEntries puts entries in the order of their positions.
func sortEntries(es []entry) {
	slices.SortStableFunc(es, func(a, b entry) int { return compareEntries(&a, &b) })
}

func compareEntries(a, b *entry) int {
	if c := cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.ordinal, b.ordinal)); c != 0 {
		return c
	}
	return strings.Compare(a.hash(), b.hash())
}
