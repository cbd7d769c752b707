package loki

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

// labelService is the label by which Loki names the service.
const labelService = "service_name"

// Labels by which shippers name the service, the file and the host, the most telling first:
// OpenTelemetry's, Promtail's and Alloy's, Kubernetes', and those that Loki itself takes for the service
// (pkg/validation, discover_service_name).
var (
	serviceLabels = []string{labelService, "service", "app", "application", "app_name", "app_kubernetes_io_name", "container", "container_name",
		"k8s_container_name", "component", "workload", "job", "name"}
	fileLabels = []string{"filename", "log_file_path", "path"}
	hostLabels = []string{"host_name", "host", "hostname", "pod", "k8s_pod_name", "node_name", "k8s_node_name", "node", "nodename", "instance", "service_instance_id"}
)

// wrapper is the format in which the entries of a stream are handed to package format: a line
// with its labels and Loki's time for it.
const wrapper = "logcli_json"

// A stream is one of Loki's streams: what has the same labels.
type stream struct {
	path          string // its labels
	labels        labels
	config        ingest.Config
	service, host string

	look sync.Mutex // one looks at it at a time
	form *form      // nil until it was looked at; guarded by look

	mu       sync.Mutex
	seen     bool
	from, to time.Duration   // how far records' own stamps are ahead of Loki's times, as far as seen
	clocks   map[string]bool // that stamped its records, as far as seen; see timeline.ClockOf
	names    map[string]bool // of structured metadata
	known    bool            // it was looked at
}

// A form is how the records of a stream are read.
type form struct {
	format *format.Format // within wrapper
	bare   bool           // no format reads the lines: Loki's time and labels are all that is known
	lines  bool           // every line is a record
	// literals: every failed record holds one; nil if that cannot be told.
	literals  []string
	lifecycle []string
	looked    timeRange // in which it was looked at
	first     int64     // time of its first and its last entry there
	last      int64
	few       atomic.Bool // one answer holds all its entries there
}

// clip gives the part of a range in which the stream has entries, as far as that is known.
func (f *form) clip(r timeRange) timeRange {
	if r.from < f.looked.from || r.to > f.looked.to {
		return r
	}
	return timeRange{max(r.from, f.first), min(r.to, f.last+1)}
}

func newStream(p string, l labels, c ingest.Config) *stream {
	st := &stream{path: p, labels: l, config: c, names: map[string]bool{}, clocks: map[string]bool{}}
	service := l.first(c.Fields["service.name"], serviceLabels)
	host := l.first(c.Fields["host.name"], hostLabels)
	if h, _, ok := strings.Cut(host, ":"); ok && !strings.Contains(h, "/") {
		host = h // an instance has its port
	}
	file := l.first(c.Fields["log.file.path"], fileLabels)
	if service == "unknown_service" || service == l["job"] && file != "" {
		service = cmp.Or(fileService(host, file), service)
	}
	st.service = cmp.Or(c.Service(cmp.Or(file, service)), service, "unknown_service")
	st.host = cmp.Or(c.Host, host, st.service)
	return st
}

// first gives the value of the first of the labels that is there.
func (l labels) first(names ...[]string) string {
	for _, some := range names {
		for _, n := range some {
			if l[n] != "" {
				return l[n]
			}
		}
	}
	return ""
}

// fileService names the service by the log file, as those of files are named; "" if there is none.
func fileService(host, file string) string {
	if file == "" {
		return ""
	}
	// The host is the first part of a path even if there is only one.
	return ingest.NameStreams([]ingest.StreamHint{{Path: strings.Trim(path.Join(host, file), "/")}, {Path: "-"}})[0].Service
}

// configured gives further labels of an entry: those that the configuration names, under OpenTelemetry's names as Loki
// writes them, with underscores.
func configured(l labels, c ingest.Config) labels {
	out := labels{}
	for name, fields := range c.Fields {
		if v := l.first(fields); v != "" {
			out[strings.NewReplacer(".", "_", "-", "_").Replace(name)] = v
		}
	}
	return out
}

// Shape of the look at a stream: entries at its beginning and at its end.
const (
	headEntries = 300
	tailEntries = 60
)

// formOf looks at a stream, once: its format, and how far its records' own stamps are from
// Loki's times.
func (s *Source) formOf(ctx context.Context, st *stream, r timeRange) (*form, error) {
	st.look.Lock()
	defer st.look.Unlock()
	if st.form != nil {
		return st.form, nil
	}
	q := s.sel.of(st.labels).String()
	head, err := s.api.query(ctx, q, r, headEntries, false, true)
	if err != nil {
		return nil, err
	}
	entries := s.own(st, head)
	if len(entries) == 0 {
		return nil, nil // it ended before the range
	}
	f := &form{looked: r, first: head.first, last: head.last}
	if head.full {
		tail, err := s.api.query(ctx, q, timeRange{head.last + 1, r.to}, tailEntries, true, true)
		if err != nil {
			return nil, err
		}
		more := s.own(st, tail)
		sortEntries(more)
		entries = append(entries, more...)
		f.last = max(f.last, tail.last)
	}
	set := s.config.Formats
	o := s.options(f.last)
	if s.config.Format != nil {
		o.Format, o.Fixed = set.Within(wrapper, s.config.Format), true
	}
	var text bytes.Buffer
	for i := range entries {
		text.Write(st.wrap(&entries[i]))
	}
	rd, err := set.NewReader(&text, o)
	if err != nil {
		return nil, err
	}
	f.format = rd.Detection().Format
	if f.format == nil || f.format.Name == wrapper {
		f.format, f.bare = set.Within(wrapper, nil), true
	}
	f.lines = f.format.OneLine() || f.bare && !slices.ContainsFunc(entries, func(e entry) bool { return strings.HasPrefix(e.line, " ") || strings.HasPrefix(e.line, "\t") })
	for _, l := range set.InnerLiterals(f.format) {
		f.literals = append(f.literals, string(l))
	}
	if f.literals == nil && f.format.Literals != nil && !f.bare {
		f.literals = []string{}
	}
	f.lifecycle = set.LifecyclePatterns(f.format)
	st.form = f
	st.mu.Lock()
	st.known = true
	st.mu.Unlock()
	times := map[string]int64{}
	for i := range entries {
		times[stampOf(entries[i].at)] = entries[i].at
	}
	for {
		rec, err := rd.Next()
		if err != nil {
			break
		}
		// What is not in the format is reported by the passes.
		_ = rd.Decode(rec, func(e *timeline.Event) bool {
			if at, ok := times[e.Attrs.Get("observed_timestamp")]; ok {
				st.saw(e, at)
			}
			return true
		})
	}
	return f, nil
}

// options for reading entries that end about then.
func (s *Source) options(last int64) format.Options {
	return format.Options{Zone: s.config.Zone, Reference: time.Unix(0, last).UTC().Add(maxSkew), MaxRecord: s.config.MaxRecord}
}

// own gives the entries of the stream in a page.
func (s *Source) own(st *stream, p *page) []entry {
	var out []entry
	for _, ps := range p.streams {
		of, more := s.resolve(ps.labels)
		if of != st {
			continue
		}
		for _, e := range ps.entries {
			if len(more) > 0 {
				e.metadata = merge(maps.Clone(e.metadata), more)
			}
			st.know(e.metadata)
			out = append(out, e)
		}
	}
	if len(p.streams) > 1 {
		sortEntries(out)
	}
	return out
}

// know notes the names of structured metadata.
func (st *stream) know(l labels) {
	if len(l) == 0 {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	for n := range l {
		st.names[n] = true
	}
}

// saw notes how far a record's own stamp is ahead of Loki's time for it, and by which clock it is.
func (st *stream) saw(e *timeline.Event, at int64) {
	if e.Time.IsZero() {
		return
	}
	d := e.Time.Sub(time.Unix(0, at))
	clock := timeline.ClockOf(&timeline.Event{Host: cmp.Or(st.config.Host, e.Host, st.host), Stamp: e.Stamp})
	st.mu.Lock()
	defer st.mu.Unlock()
	st.clocks[clock] = true
	if !st.seen {
		st.seen, st.from, st.to = true, d, d
	}
	st.from, st.to = min(st.from, d), max(st.to, d)
}

// margin is by how much more than was seen a record's own stamp may be off Loki's time for
// it: a request that lasted, a shipper that was late.
const margin = time.Minute

// of gives the range of Loki's times in which the records lie that are stamped in [from, to).
func (st *stream) of(from, to time.Time, r timeRange) (timeRange, bool) {
	st.mu.Lock()
	lo, hi := st.to+margin, st.from-margin
	st.mu.Unlock()
	out := r
	if a := from.Add(-lo); a.After(time.Unix(0, r.from)) {
		out.from = a.UnixNano()
	}
	if b := to.Add(-hi); b.Before(time.Unix(0, r.to)) {
		out.to = b.UnixNano()
	}
	return out, out.from < out.to
}

// within gives the ranges of Loki's times that hold what is wanted of the stream: those of windows by clock, or r if a
// clock is seen to stamp its records of which there are none.
func (st *stream) within(byClock map[string][]timeline.Window, r timeRange) []timeRange {
	st.mu.Lock()
	clocks := slices.Sorted(maps.Keys(st.clocks))
	st.mu.Unlock()
	var out []timeRange
	for _, c := range clocks {
		if len(byClock[c]) == 0 {
			return []timeRange{r}
		}
		for _, w := range byClock[c] {
			if part, ok := st.of(w.From, w.To, r); ok {
				out = append(out, part)
			}
		}
	}
	if len(byClock) == 0 || len(clocks) == 0 {
		return []timeRange{r}
	}
	return mergeRanges(out, 0)
}

func stampOf(at int64) string { return time.Unix(0, at).UTC().Format(time.RFC3339Nano) }

// wrap gives an entry as a line of wrapper, with its end.
func (st *stream) wrap(e *entry) []byte {
	l := labels{}
	for k, v := range st.labels {
		l[k] = v
	}
	for k, v := range e.metadata {
		l[k] = v
	}
	for k, v := range configured(l, st.config) {
		l[k] = v
	}
	for _, n := range slices.Concat(serviceLabels, hostLabels[:3], st.config.Fields["service.name"], st.config.Fields["host.name"]) {
		delete(l, n)
	}
	b, err := json.Marshal(struct {
		Labels    labels `json:"labels"`
		Line      string `json:"line"`
		Timestamp string `json:"timestamp"`
	}{l, e.line, stampOf(e.at)})
	if err != nil {
		return []byte("\n") // strings are never refused
	}
	return append(b, '\n')
}

// position gives the place of the record that begins with e.
func (s *Source) position(st *stream, e *entry, lines bool) timeline.Pos {
	doc := fmt.Sprintf("%d-%03d-%s", e.at, e.ordinal, e.hash())
	if lines {
		doc = fmt.Sprintf("%d-%s", e.at, e.hash())
	}
	return timeline.Pos{Source: s.name, Path: st.path, Offset: e.at, Doc: doc}
}

// A feed gives the entries of a stream as the text that package format reads.
type feed struct {
	st     *stream
	next   func() (entry, error, bool)
	buf    []byte
	offset int64 // of the text behind buf
	ahead  []fed // entries whose records were not given yet
	last   entry // the one that was fed last
	err    error
}

type fed struct {
	entry
	offset int64
}

// Read gives text, entry by entry. Its error is what broke the stream.
func (f *feed) Read(p []byte) (int, error) {
	for len(f.buf) == 0 {
		e, err, ok := f.next()
		if err != nil {
			f.err = err
			return 0, err
		}
		if !ok {
			return 0, io.EOF
		}
		if e.at == f.last.at {
			e.ordinal = f.last.ordinal + 1
		}
		f.last = e
		f.buf = f.st.wrap(&e)
		f.ahead = append(f.ahead, fed{e, f.offset})
		f.offset += int64(len(f.buf))
	}
	n := copy(p, f.buf)
	f.buf = f.buf[n:]
	return n, nil
}

// entries gives those of a record of n lines that begins at the offset.
func (f *feed) entries(offset int64, n int) []fed {
	i := 0
	for i < len(f.ahead) && f.ahead[i].offset < offset {
		i++
	}
	f.ahead = f.ahead[i:]
	return f.ahead[:min(n, len(f.ahead))]
}
