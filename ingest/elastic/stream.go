package elastic

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"net/http"
	"net/url"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fastjson"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

// A stream is the documents of one file, or of one process where no file is named.
type stream struct {
	path    string // by which it is named: host and file
	query   query  // for its documents; nil if only their sources tell
	count   int64  // of documents, when the streams were listed
	service string // where its records do not name one
	host    string
	hosts   []string              // that its records name
	zones   []timeline.ZoneSource // how its records' stamps tell their zones, by its head and tail
	others  []timeline.ZoneSource // how some of its records do besides

	format *format.Format
	// single says that every line is a record, folds that records that tell of no failure go over several.
	single, folds bool
	// life are literals of which each record of a process life has one, if lifeKnown.
	life      []format.Literal
	lifeKnown bool
	// stamped says that most of its records bear a stamp of their own.
	stamped bool
	// raw says that some of its documents are texts that were not parsed into fields.
	raw bool
	// files says that its documents are lines of a file with their places in it.
	files  bool
	looked bool
}

// How much of a stream is looked at, how many are listed, and how many looked at
// before a document of them is met.
const (
	headDocuments = 100
	tailDocuments = 30
	headBytes     = 64 << 10
	maxStreams    = 10_000
	maxHeads      = 256
	listPage      = 500
)

// identityOf gives what tells the document's stream from others: the values of the
// fields by which documents can be grouped, then, if there are none, of all of them.
func (s *Source) identityOf(v *fastjson.Value) []string {
	names := s.fields.identity()
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = scalar(lookup(v, n))
	}
	return out
}

// streamOf gives the stream of a document.
func (s *Source) streamOf(v *fastjson.Value, d *document) *stream {
	values := s.identityOf(v)
	key := strings.Join(values, "\x00")
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.streams[key]; st != nil {
		return st
	}
	st := s.newStream(values)
	if st.path == "" {
		host, file := firstOf(v, s.fields.host), firstOf(v, s.fields.path)
		st.path = cmp.Or(strings.Trim(path.Join(host, strings.ReplaceAll(file, `\`, "/")), "/"), s.index)
	}
	s.streams[key] = st
	s.nameLate(st)
	return st
}

// newStream makes a stream of the values of its identity.
func (s *Source) newStream(values []string) *stream {
	st := &stream{}
	byName := map[string]string{}
	filter := []any{}
	var absent []any
	for i, n := range s.fields.identity() {
		byName[n] = values[i]
		x := s.fields.exact(n)
		if values[i] == "" {
			absent = append(absent, query{"exists": query{"field": x.name}})
		} else {
			filter = append(filter, query{"term": query{x.name: values[i]}})
		}
	}
	if len(filter) > 0 || len(absent) > 0 {
		st.query = query{"bool": query{"filter": filter, "must_not": absent}}
	}
	one := func(names ...string) string {
		for _, n := range names {
			if byName[n] != "" {
				return byName[n]
			}
		}
		return ""
	}
	file := strings.ReplaceAll(one(s.fields.path...), `\`, "/")
	parts := []string{one(s.fields.host...), strings.Trim(file, "/")}
	if file == "" {
		parts = append(parts, one(s.fields.pod...))
		for _, n := range s.fields.stream {
			if byName[n] != "" && byName[n] != parts[len(parts)-1] {
				parts = append(parts, strings.ReplaceAll(byName[n], "/", "_"))
			}
		}
	}
	st.path = strings.Trim(path.Join(parts...), "/")
	return st
}

// list asks once for the streams of the indices, and looks at the largest: those with records of the time that is asked for,
// which is bounded generously, as nothing is known of how far the documents' times are from the stamps of their records.
func (s *Source) list(ctx context.Context, from, to time.Time) error {
	s.mu.Lock()
	done := s.listed
	s.mu.Unlock()
	if done {
		return nil
	}
	names := s.fields.identity()
	var sources []any
	for _, n := range names {
		sources = append(sources, query{n: query{"terms": query{"field": s.fields.exact(n).name, "missing_bucket": true}}})
	}
	filter := query{"match_all": query{}}
	switch {
	case !from.IsZero():
		filter = s.fields.during(from.Add(-unknownLag), shift(to, unknownLag))
	case s.config.Since > 0:
		filter = s.fields.during(time.Now().Add(-s.config.Since), shift(to, unknownLag))
	}
	found := map[string]*stream{}
	var after map[string]any
	for len(sources) > 0 {
		composite := query{"size": listPage, "sources": sources}
		if after != nil {
			composite["after"] = after
		}
		var answer searchAnswer
		body := query{"size": 0, "track_total_hits": false, "query": filter, "aggs": query{"streams": query{"composite": composite}}}
		params := url.Values{"ignore_unavailable": {"true"}}
		if err := untilTaken(ctx, func(atOnce *int) (bool, error) {
			answer = searchAnswer{}
			if atOnce != nil {
				params.Set("max_concurrent_shard_requests", strconv.Itoa(*atOnce))
			}
			err := s.ask(ctx, http.MethodPost, "/"+url.PathEscape(s.index)+"/_search", params, body, &answer)
			return answer.refused(), err
		}); err != nil {
			return err
		}
		s.tellAnswer(&answer)
		for _, b := range answer.Aggregations.Streams.Buckets {
			values := make([]string, len(names))
			for i, n := range names {
				values[i], _ = b.Key[n].(string)
			}
			st := s.newStream(values)
			if st.path == "" {
				st.path = s.index
			}
			st.count = b.Count
			found[strings.Join(values, "\x00")] = st
		}
		if after = answer.Aggregations.Streams.After; after == nil {
			break
		}
		if len(found) >= maxStreams {
			s.tell(timeline.Skipped{What: "streams beyond the number that is listed: none of their records are in the sample", Count: 1})
			break
		}
	}
	s.mu.Lock()
	for key, st := range found {
		if s.streams[key] == nil {
			s.streams[key] = st
		}
	}
	s.nameStreams()
	s.listed = true
	largest := slices.Collect(maps.Values(s.streams))
	s.mu.Unlock()
	slices.SortFunc(largest, func(a, b *stream) int {
		return cmp.Or(cmp.Compare(b.count, a.count), strings.Compare(a.path, b.path))
	})
	return s.look(ctx, largest[:min(len(largest), maxHeads)])
}

// nameStreams names the services and hosts of all streams by their paths, as those of files are.
func (s *Source) nameStreams() {
	all := slices.SortedFunc(maps.Values(s.streams), func(a, b *stream) int { return strings.Compare(a.path, b.path) })
	hints := make([]ingest.StreamHint, len(all))
	for i, st := range all {
		hints[i].Path = st.path
		if st.format != nil {
			hints[i].System = st.format.System
		}
	}
	for i, n := range nameStreams(hints) {
		s.nameStream(all[i], n)
	}
}

// nameStreams names streams by their paths, the first part of which is their host even if there is only one.
func nameStreams(hints []ingest.StreamHint) []ingest.StreamName {
	return ingest.NameStreams(append(hints, ingest.StreamHint{Path: "-"}))[:len(hints)]
}

// nameLate names a stream that came late.
func (s *Source) nameLate(st *stream) {
	s.nameStream(st, nameStreams([]ingest.StreamHint{{Path: st.path}})[0])
}

func (s *Source) nameStream(st *stream, n ingest.StreamName) {
	st.service, st.host = cmp.Or(s.config.Service(st.path), n.Service), cmp.Or(s.config.Host, n.Host)
}

// look finds the formats of streams by their first documents, and how far the
// documents' times are from the stamps of their records by the last ones too.
func (s *Source) look(ctx context.Context, streams []*stream) error {
	var todo []*stream
	var bodies []query
	for _, st := range streams {
		s.mu.Lock()
		looked := st.looked
		s.mu.Unlock()
		if looked {
			continue
		}
		q := st.query
		if q == nil {
			q = query{"match_all": query{}}
		}
		todo = append(todo, st)
		head := s.order()
		head = head[:len(head)-1] // what no two documents share is for pages of a point in time
		bodies = append(bodies, query{"size": headDocuments, "query": q, "sort": head, "track_total_hits": false},
			query{"size": tailDocuments, "query": q, "sort": []any{query{s.fields.time: "desc"}}, "track_total_hits": false})
	}
	if len(todo) == 0 {
		return nil
	}
	answers, err := s.several(ctx, bodies)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, st := range todo {
		free <- struct{}{}
		wg.Go(func() {
			var p fastjson.Parser
			s.detect(st, s.documents(answers[2*i].Hits.Hits, st, &p), s.documents(answers[2*i+1].Hits.Hits, st, &p))
			<-free
		})
	}
	wg.Wait()
	s.mu.Lock()
	s.nameStreams()
	s.mu.Unlock()
	return nil
}

// documents reads hits, those of st if that is not nil; what is no document is left out.
func (s *Source) documents(hits []hit, st *stream, p *fastjson.Parser) []*document {
	var out []*document
	for i := range hits {
		if d, err := s.document(&hits[i], p); err == nil && (st == nil || d.stream == st) {
			out = append(out, d)
		}
	}
	return out
}

// detect finds the stream's format by its head, and what its records say by head and
// tail.
func (s *Source) detect(st *stream, head, tail []*document) {
	var text bytes.Buffer
	offsets, raw := 0, false
	for _, d := range head {
		if text.Len()+len(d.line) < headBytes || text.Len() == 0 {
			text.Write(d.line)
			text.WriteByte('\n')
		}
		raw = raw || d.raw
		if d.raw && d.offset >= 0 {
			offsets++
		}
	}
	f := s.config.Format
	if f == nil {
		f = s.config.Formats.Detect(text.Bytes()).Format
	}
	if f == nil {
		f = cmp.Or(s.config.Formats.Lookup("json_lines"), f)
	}
	life, lifeKnown := s.config.Formats.LifecycleLiterals(f)
	screen := s.config.Formats.NewScreen(f, text.Bytes(), format.Options{Format: f})
	single := screen != nil && screen.Lines()
	own, records := 0, 0
	hosts, zones := map[string]bool{}, map[timeline.ZoneSource]bool{}
	folds := false
	for _, part := range [][]*document{head, tail} {
		slices.SortFunc(part, byOrder)
		s.decode(f, false, part, func(e *timeline.Event, docs []*document) bool {
			records++
			folds = folds || len(docs) > 1 && calm(e)
			if e.Host != "" {
				hosts[e.Host] = true
			}
			if e.Undated() {
				return true
			}
			if docs[0].raw && ownStamp(e) || s.config.Format != nil {
				own++
			}
			zones[e.Stamp.Zone] = true
			ingest.Complete(e, st.service, st.host, s.config)
			s.observe(e, docs[0])
			return true
		}, func(*document, error) bool { return true })
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.format, st.single, st.looked = f, single, true
	st.folds = folds
	st.life, st.lifeKnown = life, lifeKnown
	st.raw, st.files = raw, offsets > 0
	st.stamped = own*2 > records
	st.hosts, st.zones = slices.Sorted(maps.Keys(hosts)), slices.Sorted(maps.Keys(zones))
}

func byOrder(a, b *document) int {
	return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.offset, b.offset), strings.Compare(a.id, b.id))
}

// decode reads documents of one stream and gives their events with the documents of which
// each record is. Where the records of the stream are stamped, one that is not is dated by the stamped
// one before it, as in a file: it was written then or later. What no format reads is given to bad.
func (s *Source) decode(f *format.Format, stamped bool, docs []*document, each func(*timeline.Event, []*document) bool, bad func(*document, error) bool) {
	if len(docs) == 0 || f == nil {
		return
	}
	var text bytes.Buffer
	longest := 0
	for _, d := range docs {
		text.Write(d.line)
		text.WriteByte('\n')
		longest = max(longest, len(d.line))
	}
	last := docs[len(docs)-1]
	o := format.Options{Format: f, Fixed: s.config.Format != nil, Zone: s.config.Zone, Reference: last.time, MaxRecord: max(1<<20, longest+text.Len())}
	var before time.Time // of the last stamped record
	var resolution time.Duration
	r, err := s.config.Formats.NewReader(bytes.NewReader(text.Bytes()), o)
	for err == nil {
		var rec format.Record
		if rec, err = r.Next(); err != nil {
			return
		}
		at := min(max(rec.Line-1, 0), len(docs)-1)
		of := docs[at:min(at+1+bytes.Count(rec.Bytes, []byte{'\n'}), len(docs))]
		goOn := true
		if err := r.Decode(rec, func(e *timeline.Event) bool {
			if f := rec.Format; e.System == "" && f != nil {
				e.System = f.System
			}
			if e.Format == "" && rec.Format != nil {
				e.Format = rec.Format.Name
			}
			if e.Role == timeline.RoleUnknown && rec.Format != nil {
				e.Role = rec.Format.Role
			}
			switch {
			case !stamped || !of[0].raw || s.config.Format != nil:
			case ownStamp(e):
				before, resolution = e.Time, e.Stamp.Resolution
			case !before.IsZero():
				e.Time = before
				e.Stamp = timeline.Stamp{Meaning: timeline.Within, Resolution: resolution, Zone: e.Stamp.Zone}
				e.Attrs.Set(format.InferredTime, "previous")
			}
			goOn = each(e, of)
			return goOn
		}); err != nil && goOn {
			goOn = bad(of[0], err)
		}
		if !goOn {
			return
		}
	}
}

// ownStamp says whether an event of a raw line has a stamp of its own, with the
// shipper's beside it.
func ownStamp(e *timeline.Event) bool {
	return e.Attrs.Get("observed_timestamp") != "" && e.Attrs.Get(format.InferredTime) == ""
}

// fill completes an event by its documents and its stream.
func (s *Source) fill(e *timeline.Event, docs []*document) {
	d := docs[0]
	st := d.stream
	e.Pos = timeline.Pos{Source: s.name, Path: st.path, Index: d.index, Doc: d.id, Hash: d.hash, Offset: d.order, Item: e.Pos.Item}
	ingest.Complete(e, st.service, st.host, s.config)
	if e.Time.IsZero() {
		e.Time = d.time
		e.Stamp = timeline.Stamp{Meaning: timeline.Within, Resolution: time.Millisecond, Zone: timeline.ZoneWritten}
	}
	if d.raw {
		var raw []byte
		for i, x := range docs {
			if i > 0 {
				raw = append(raw, '\n')
			}
			raw = append(raw, x.text...)
		}
		e.Raw = raw
	} else {
		e.Raw = d.source
	}
}
