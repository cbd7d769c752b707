package elastic

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/timeline"
)

// A query is one of the servers' query language.
type query map[string]any

func anyOf(clauses []any) query {
	return query{"bool": query{"should": clauses, "minimum_should_match": 1}}
}

// in puts the clause about x where x is: in a nested object.
func (x *field) in(clause query) query {
	if x.nested == "" {
		return clause
	}
	return query{"nested": query{"path": x.nested, "query": clause, "ignore_unmapped": true}}
}

// How many keys and phrases one query asks for. Servers count each term of a phrase
// against a limit that is 1024 where it was never changed.
const (
	maxKeys    = 8_000
	maxPhrases = 90
	maxSpans   = 800
	// maxHalves is up to how many keys are also asked for as ends of longer ones, for which the
	// server looks at all of its terms.
	maxHalves = 8
)

// half matches 64 bits of a trace ID.
var half = regexp.MustCompile(`^[0-9a-fA-F]{16}$`)

// keyQueries ask for documents that hold one of the keys, in any spelling: as the
// value of a field for IDs, or within an analysed text.
func (f *fields) keyQueries(keys []timeline.Key) []query {
	var out []query
	for len(keys) > 0 {
		n, phrases := 0, 0
		var values, tokens, asPhrase, halves []string
		for n < len(keys) && len(values) < maxKeys && phrases < maxPhrases {
			for _, sp := range keys[n].Spellings() {
				values = append(values, sp)
				if half.MatchString(sp) {
					// The low half of a trace ID, which is all that some send.
					values = append(values, strings.Repeat("0", 16)+sp)
					halves = append(halves, sp)
				}
				if t, ok := tokensOf(sp); ok {
					tokens = append(tokens, t...)
				} else if ingest.TellsInText(sp) {
					asPhrase = append(asPhrase, sp)
					phrases++
				}
			}
			n++
		}
		if n > maxHalves {
			halves = nil
		}
		keys = keys[n:]
		// A few are asked for as phrases, so that nothing else comes back.
		if len(values) <= maxPhrases/2 {
			asPhrase = nil
			for _, v := range values {
				if ingest.TellsInText(v) {
					asPhrase = append(asPhrase, v)
				}
			}
			tokens = slices.DeleteFunc(tokens, func(t string) bool { return slices.Contains(values, t) })
		}
		if q := f.keyQuery(values, tokens, asPhrase, halves); q != nil {
			out = append(out, q)
		}
	}
	return out
}

func (f *fields) keyQuery(values, tokens, phrases, halves []string) query {
	slices.Sort(values)
	values = slices.Compact(values)
	slices.Sort(tokens)
	tokens = slices.Compact(tokens)
	slices.Sort(phrases)
	phrases = slices.Compact(phrases)
	var clauses []any
	for _, x := range f.keys {
		asked := values
		if x.kinds&(keyword|flat) == 0 {
			asked = slices.DeleteFunc(slices.Clone(values), func(v string) bool {
				_, err := strconv.ParseInt(v, 10, 64)
				return err != nil
			})
		}
		if len(asked) > 0 {
			clauses = append(clauses, x.in(query{"terms": query{x.name: asked}}))
		}
	}
	budget := maxPhrases
	for _, x := range f.texts {
		if len(tokens) > 0 {
			clauses = append(clauses, x.in(query{"terms": query{x.name: tokens}}))
		}
		if budget -= len(phrases); budget < 0 && len(f.texts) > 1 && x != f.texts[0] {
			continue // all texts but the record's own are asked by tokens alone
		}
		for _, p := range phrases {
			clauses = append(clauses, x.in(query{"match_phrase": query{x.name: p}}))
		}
	}
	for _, h := range halves {
		for _, x := range slices.Concat(f.keys, f.bodies()) {
			if x.kinds&(keyword|text) != 0 {
				clauses = append(clauses, x.in(query{"wildcard": query{x.name: query{"value": "*" + h, "case_insensitive": true}}}))
			}
		}
	}
	if len(clauses) == 0 {
		return nil
	}
	return anyOf(clauses)
}

// bodies are the texts in which records stand as they were written.
func (f *fields) bodies() []*field {
	var out []*field
	for _, x := range f.texts {
		if f.bodyRank(x.name) < len(f.body) {
			out = append(out, x)
		}
	}
	if len(out) == 0 {
		out = f.texts
	}
	return out
}

// serverErrors are HTTP's statuses of failures by the server.
var serverErrors = timeline.StatusRange{Lo: 500, Hi: 599}

// codes writes the statuses of ranges, each once.
func codes(ranges []timeline.StatusRange) []string {
	all := map[string]bool{}
	for _, r := range ranges {
		for c := max(r.Lo, 0); c <= min(r.Hi, 999); c++ {
			all[strconv.Itoa(c)] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// failedClauses ask for candidates of failure by the fields that say so, and for the statuses that are wanted wherever they stand.
func (f *fields) failedClauses(failed []*timeline.Failed) (clauses []any) {
	byFormat := byFormat(failed)
	var ranges []timeline.StatusRange
	for _, w := range failed {
		ranges = append(ranges, w.Status...)
	}
	if wanted := codes(ranges); len(wanted) > 0 {
		for _, x := range f.bodies() {
			clauses = append(clauses, x.in(query{"terms": query{x.name: wanted}}))
		}
	}
	if byFormat {
		ranges = append(ranges, serverErrors)
	}
	list := codes(ranges)
	for _, x := range f.status {
		if x.kinds&number != 0 {
			for _, r := range ranges {
				clauses = append(clauses, x.in(query{"range": query{x.name: query{"gte": r.Lo, "lte": r.Hi}}}))
			}
			if byFormat {
				// gRPC's codes of failures, and HTTP's of what never got an answer.
				clauses = append(clauses, x.in(query{"terms": query{x.name: []int{2, 4, 12, 13, 14, 15}}}))
			}
		}
		if x.kinds&(keyword|text) != 0 {
			clauses = append(clauses, x.in(query{"terms": query{x.name: list}}))
		}
	}
	if !byFormat {
		return clauses
	}
	for _, x := range f.level {
		switch {
		case x.kinds&number != 0:
			// bunyan's and pino's levels, and OpenTelemetry's severity numbers.
			clauses = append(clauses, x.in(query{"range": query{x.name: query{"gte": 17}}}))
		case x.kinds&keyword != 0:
			clauses = append(clauses, x.in(query{"terms": query{x.name: failedLevels}}))
		case x.kinds&text != 0:
			clauses = append(clauses, x.in(query{"terms": query{x.name: failedLevels}}))
		}
	}
	for _, x := range f.errors {
		clauses = append(clauses, x.in(query{"exists": query{"field": x.name}}))
	}
	return clauses
}

// byFormat says whether the formats' own declarations decide what failed.
func byFormat(failed []*timeline.Failed) bool {
	return slices.ContainsFunc(failed, func(w *timeline.Failed) bool { return len(w.Status) == 0 })
}

// failedLevels are the names that loggers give to levels of failure, in the cases in which they write them.
var failedLevels = func() []string {
	var out []string
	for _, l := range []string{"error", "err", "fatal", "critical", "crit", "alert", "emerg", "emergency", "panic", "dpanic", "severe", "fail", "failure", "eror", "ftl", "pnc", "e", "f", "c", "3", "2", "1", "0", "50", "60"} {
		out = append(out, l)
		if l[0] >= 'a' {
			upper := []byte(l)
			for i := range upper {
				upper[i] -= 'a' - 'A'
			}
			out = append(out, string(upper))
			if len(l) > 1 {
				out = append(out, string(upper[:1])+l[1:])
			}
		}
	}
	return out
}()

func orNothing(clauses []any) []any {
	if len(clauses) == 0 {
		return []any{query{"match_none": query{}}}
	}
	return clauses
}

// The bounds of what a date of the servers can hold with a resolution of nanoseconds.
var (
	firstNanos = time.Unix(0, 0)
	lastNanos  = time.Unix(0, math.MaxInt64)
)

// during asks for documents with a time in [from, to), zero for open.
func (f *fields) during(from, to time.Time) query {
	r := query{"format": "epoch_millis"}
	if from.After(firstNanos) {
		r["gte"] = from.UnixMilli()
	}
	if !to.IsZero() && to.Before(lastNanos) {
		r["lt"] = to.Add(time.Millisecond - 1).UnixMilli()
	}
	if len(r) == 1 {
		return query{"exists": query{"field": f.time}}
	}
	return query{"range": query{f.time: r}}
}

// windowQueries ask for what hosts stamped in windows of their clocks.
func (s *Source) windowQueries(sel *ingest.Selection) (out []query) {
	slack := lagSlack
	if sel.Some {
		slack = someLag
	}
	var clauses []any
	spans := 0
	for _, host := range sel.WindowHosts() {
		var others []any
		for _, of := range s.clocksOf(host) {
			times := s.times(s.written(of.clocks, sel.Windows(host), slack))
			if len(times) == 0 {
				continue
			}
			if spans += len(times); spans > maxSpans && len(clauses) > 0 {
				out = append(out, anyOf(clauses))
				clauses, spans = nil, len(times)
			}
			filter := []any{anyOf(times)}
			if of.streams != nil {
				filter = append(filter, anyOf(of.streams))
			} else if q := s.hostQuery(host); q != nil {
				filter = append(filter, q)
			}
			q := query{"filter": filter}
			if of.streams == nil && len(others) > 0 {
				q["must_not"] = others
			}
			others = append(others, of.streams...)
			clauses = append(clauses, query{"bool": q})
		}
	}
	return append(out, anyOf(orNothing(clauses)))
}

// times asks for documents of windows of their times.
func (s *Source) times(windows []timeline.Window) (out []any) {
	for _, w := range joinWindows(ingest.JoinWindows(windows), maxSpans) {
		out = append(out, s.fields.during(w.From, w.To))
	}
	return out
}

// withinQuery asks for what clocks stamped in their windows, and for what others stamped; nil asks for
// everything. A stream is narrowed if there are windows of all clocks that are seen to stamp its records.
func (s *Source) withinQuery(within map[string][]timeline.Window) query {
	if len(within) == 0 {
		return nil
	}
	s.mu.Lock()
	streams := slices.SortedFunc(maps.Values(s.streams), func(a, b *stream) int {
		return cmp.Or(cmp.Compare(b.count, a.count), strings.Compare(a.path, b.path))
	})
	s.mu.Unlock()
	var clauses, narrowed []any
	for _, st := range streams {
		windows, known := st.stampedIn(within)
		if !known || st.query == nil || len(narrowed) == maxApart {
			continue
		}
		var times []timeline.Window
		for clock, ws := range windows {
			times = append(times, s.written([]*clockLag{s.clock(clock)}, ws, someLag)...)
		}
		narrowed = append(narrowed, st.query)
		clauses = append(clauses, query{"bool": query{"filter": []any{st.query, anyOf(s.times(times))}}})
	}
	if len(narrowed) == 0 {
		return nil
	}
	return anyOf(append(clauses, query{"bool": query{"must_not": narrowed}}))
}

// stampedIn gives the windows of the clocks that are seen to stamp the records of the stream, by clock; known is false if there are none of one of them.
func (st *stream) stampedIn(within map[string][]timeline.Window) (windows map[string][]timeline.Window, known bool) {
	windows = map[string][]timeline.Window{}
	hosts := st.hosts
	if len(hosts) == 0 {
		hosts = []string{st.host}
	}
	for _, host := range hosts {
		for _, zone := range st.zones {
			e := timeline.Event{Host: host, Stamp: timeline.Stamp{Zone: zone}}
			clock := timeline.ClockOf(&e)
			if windows[clock] = within[clock]; len(windows[clock]) == 0 {
				return nil, false
			}
		}
	}
	return windows, st.looked && len(windows) > 0
}

// shift moves a time of the model, which may be the first or the last that there is.
func shift(t time.Time, d time.Duration) time.Time {
	if t.Before(firstNanos) || t.After(lastNanos) {
		return t
	}
	return t.Add(d)
}

// joinWindows joins windows of one host, which are in order: those that overlap, and those
// with the smallest gaps until there are at most n.
func joinWindows(windows []timeline.Window, n int) []timeline.Window {
	for gap := time.Duration(0); ; gap = max(2*gap, time.Second) {
		var out []timeline.Window
		for _, w := range windows {
			if k := len(out); k > 0 && !w.From.After(out[k-1].To.Add(gap)) {
				if w.To.After(out[k-1].To) {
					out[k-1].To = w.To
				}
			} else {
				out = append(out, w)
			}
		}
		if len(out) <= n {
			return out
		}
		windows = out
	}
}

// hostQuery asks for what a host stamped: documents that name it, and those of streams
// that are known to be of it; nil for every host, or if documents do not name hosts.
func (s *Source) hostQuery(host string) query {
	if host == "" || host == s.config.Host {
		return nil
	}
	var clauses []any
	for _, n := range slices.Concat(s.fields.host, s.fields.pod) {
		if x := s.fields.exact(n); x != nil {
			clauses = append(clauses, query{"term": query{x.name: host}})
		}
	}
	if len(clauses) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(s.streams)) {
		if st := s.streams[key]; st.host == host || slices.Contains(st.hosts, host) {
			if st.query == nil {
				return nil // of this stream alone its records can tell
			}
			clauses = append(clauses, st.query)
		}
	}
	return anyOf(clauses)
}

// queries make the queries of a plan: one for all that fields and words tell, and more
// where the keys are too many for one.
func (s *Source) queries(p *ingest.Selection) []query {
	var first []any
	first = append(first, s.fields.failedClauses(p.Failed)...)
	if failed := byFormat(p.Failed); failed || p.Lifecycle {
		first = append(first, s.wordClauses(failed, p.Lifecycle)...)
	}
	if len(p.Failed) > 0 || p.Lifecycle {
		first = orNothing(first)
	}
	var more []query
	if p.Near {
		near := s.windowQueries(p)
		first, more = append(first, near[0]), near[1:]
	}
	keys := s.fields.keyQueries(p.Keys)
	var out []query
	if len(keys) > 0 {
		first = append(first, keys[0])
		keys = keys[1:]
	}
	if len(first) > 0 {
		out = append(out, anyOf(first))
	}
	return slices.Concat(out, more, keys)
}

// tellUnasked tells of which failures the cluster cannot be asked.
func (s *Source) tellUnasked(literals []string) {
	if len(literals) == 0 {
		return
	}
	quoted := make([]string, len(literals))
	for i, l := range literals {
		quoted[i] = strconv.Quote(l)
	}
	s.tell(timeline.Skipped{Count: len(quoted), What: "signs of failure that are not asked for, as a text field is searched by words: " + strings.Join(quoted, " ")})
}

// bounded adds the filter's bounds in time.
func (s *Source) bounded(q query, from, to time.Time) query {
	filter := []any{q}
	if !from.IsZero() || !to.IsZero() {
		filter = append(filter, s.fields.during(from, to))
	}
	return query{"bool": query{"filter": filter}}
}

// bounds gives those of the documents for a filter's, which are about the stamps of
// the records. Without From the configuration says how far back to look; what is left out so is told.
func (s *Source) bounds(p *ingest.Selection) (from, to time.Time) {
	lo, hi := s.lag()
	switch {
	case !p.From.IsZero():
		from = shift(p.From, lo)
	case s.config.Since > 0:
		from = time.Now().Add(-s.config.Since)
		s.tell(timeline.Skipped{Source: s.name, Count: 1,
			What: fmt.Sprintf("%s than %s, as nothing says how far back to look (--since)", ingest.WhatOlder, plainDuration(s.config.Since))})
	}
	if !p.To.IsZero() {
		to = shift(p.To, hi)
	}
	return from, to
}

// plainDuration writes whole days and hours without zeros.
func plainDuration(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return d.String()
}
