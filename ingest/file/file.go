// Package file reads log files: single ones, directories, globs and standard input.
//
// Open finds the files, puts rotated ones together as streams ([series]), looks at
// the head of each stream to know its format, and names its service and host. Events
// then reads all streams, as often as it is asked, and rejects records by their bytes
// before it parses them.
package file

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

// headSize is how much of a stream is looked at to find its format.
const headSize = 64 << 10

// fitSize is how much of a part is read to see whether it is as its stream is; a change behind it is found
// when the part is read.
const fitSize = 16 << 10

// Schemes is "file" alone, which is also what a source without scheme is.
var Schemes = []ingest.Scheme{{
	Name: "file",
	Doc:  "a file, a directory (read recursively, rotated and compressed files included), a glob, or - for standard input",
	Open: func(ctx context.Context, u *url.URL, c ingest.Config) (timeline.Source, error) {
		return Open(ctx, pathOf(u), c)
	},
}}

// pathOf gives the path of a file URL, or of a bare path that was made a URL.
func pathOf(u *url.URL) string {
	p := cmp.Or(u.Path, u.Opaque)
	if u.Scheme == "" && u.RawQuery != "" {
		p += "?" + u.RawQuery // a glob's question mark
	}
	if runtime.GOOS == "windows" && len(p) > 2 && p[0] == '/' && p[2] == ':' {
		p = p[1:] // file:///C:/logs
	}
	return filepath.FromSlash(p)
}

// A Source is an opened set of files. It may be read from several goroutines.
// Close it to remove what it spooled.
type Source struct {
	name    string
	config  ingest.Config
	streams []*stream // by path
	temps   []string

	literals sync.Map // *format.Format -> *search for its literals

	sidecars   []*sidecar
	indexNotes []string // guarded by mu

	progress progress
	room     atomic.Int64 // for what is kept of compressed parts, in bytes

	mu       sync.Mutex
	from, to time.Time // of the raw stamps seen
	replays  int64     // room for what is kept of decoded parts, in bytes
}

// A stream is what one process wrote to one file and the files into which that was
// rotated.
type stream struct {
	path    string // of the series
	parts   []*filePart
	format  *format.Format // nil if none reads it
	service string
	host    string
	// hosts are those that records in its head name themselves; if there are any,
	// only its records can tell whose they are.
	hosts []string
	// shared says that records in its head are of several hosts, or name several servers that wrote them: what
	// its file is called says nothing of one of them.
	shared bool
	// reference is a time near the end of the stream; zero to take each file's own.
	reference time.Time
	// dates is the order of the stream's dates of numbers alone, and datesBy says what tells it.
	dates   format.DateOrder
	datesBy string
}

// A filePart is one file of a stream.
type filePart struct {
	found
	stream   *stream
	number   int
	unpacked int64     // bytes that it gives, estimated if compressed
	measured sync.Once // unpacked is set while the source is opened, and never after
	// reference is a time near its end, if its stamps have no date; it is set while the
	// source is opened.
	reference time.Time

	look      sync.Once
	detection format.Detection
	lookErr   error

	looks format.Looks

	fitting   sync.Once
	fits      bool // the stream's format reads all of its head
	screening sync.Once
	screen    *format.Screen // nil if there is none

	skipped map[string]skip // by What; guarded by Source.mu
	index   *index          // nil until a whole pass left it; guarded by Source.mu
	kept    *kept           // nil until a pass left it; guarded by Source.mu
	replay  *replay         // nil until it was worth its while; guarded by Source.mu
	unkept  bool            // the part has no replay and never will; guarded by Source.mu
	framed  int64           // bytes of the records that passes looked at; guarded by Source.mu
	ids     *partIDs        // nil if no index tells of it; set while the source is opened
	turned  atomic.Bool     // a pass found that bytes do not tell where its records are
	glance  *glance         // nil until a pass left it; guarded by Source.mu
}

// A skip counts what one pass over a part could not read for one reason.
type skip struct {
	count int
	first timeline.Pos
	lost  bool // see timeline.Skipped
}

// Open opens what the user named: a path, a glob or "-". Files that cannot be read do
// not stop it, they are reported by Events; that nothing is there at all is an error
// with a hint.
func Open(ctx context.Context, name string, c ingest.Config) (*Source, error) {
	return OpenAll(ctx, []string{name}, c)
}

// OpenAll opens several names as one source, so that a shell's expansion of
// logs/*/*.log is named like the directory: paths are relative to the directory in
// which all of them lie.
func OpenAll(ctx context.Context, names []string, c ingest.Config) (*Source, error) {
	if c.Formats == nil {
		return nil, errors.New("open files: no log formats were given")
	}
	f := finder{ctx: ctx, stdin: c.Stdin}
	s := &Source{name: cmp.Or(c.Name, strings.Join(names, " ")), config: c}
	for _, n := range names {
		if err := f.add(n); err != nil {
			removeAll(f.temps)
			return nil, err
		}
	}
	f.once()
	s.temps = f.temps
	s.room.Store(keptMost)
	s.replays = replayMost
	paths := make([]string, len(f.files))
	for i := range f.files {
		paths[i] = f.files[i].path
	}
	for _, g := range groupParts(paths) {
		st := &stream{path: g.Path}
		for n, i := range g.Files {
			st.parts = append(st.parts, &filePart{found: f.files[i], stream: st, number: n})
		}
		s.streams = append(s.streams, st)
	}
	if err := s.inspect(ctx); err != nil {
		s.Close()
		return nil, err
	}
	s.nameStreams()
	s.useIndexes()
	return s, nil
}

// Close removes the temporary files that hold what came through pipes, and closes the indexes.
func (s *Source) Close() error {
	errs := []error{removeAll(s.temps)}
	for _, x := range s.sidecars {
		errs = append(errs, x.f.Close())
	}
	return errors.Join(errs...)
}

func removeAll(dirs []string) error {
	var errs []error
	for _, d := range dirs {
		errs = append(errs, os.RemoveAll(d))
	}
	return errors.Join(errs...)
}

// Hosts gives the hosts that stamp the records of the source, as far as the files'
// names and heads tell.
func (s *Source) Hosts() []string {
	var out []string
	for _, st := range s.streams {
		out = append(out, st.hosts...)
		if st.format != nil && len(st.hosts) == 0 {
			out = append(out, st.host)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Info tells how many files and bytes there are, the range of the stamps seen so
// far, and what the passes so far could not read. A pass that is repeated counts
// nothing twice: of several passes the one that skipped most of a file for a reason
// counts, and one that was broken off does not.
func (s *Source) Info() timeline.Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	info := timeline.Info{Scans: true, From: s.from, To: s.to}
	sum := map[string]*timeline.Skipped{}
	var order []string
	for _, st := range s.streams {
		for _, p := range st.parts {
			if p.err == nil {
				info.Files++
				info.Bytes += p.size
				info.Unpacked += p.unpacked
			}
			whats := make([]string, 0, len(p.skipped))
			for what := range p.skipped {
				whats = append(whats, what)
			}
			slices.SortFunc(whats, func(a, b string) int {
				return cmp.Or(p.skipped[a].first.Compare(p.skipped[b].first), strings.Compare(a, b))
			})
			for _, what := range whats {
				k := p.skipped[what]
				if sum[what] == nil {
					sum[what] = &timeline.Skipped{Source: s.name, What: what, First: k.first.String(), Lost: k.lost}
					order = append(order, what)
				}
				sum[what].Count += k.count
			}
		}
	}
	for _, what := range order {
		info.Skipped = append(info.Skipped, *sum[what])
	}
	return info
}

// saw widens the range of stamps seen.
func (s *Source) saw(from, to time.Time) {
	if from.IsZero() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.from.IsZero() || from.Before(s.from) {
		s.from = from.UTC()
	}
	if to.After(s.to) {
		s.to = to.UTC()
	}
}

// head reads the first bytes of the part as unpacked.
func (p *filePart) head() ([]byte, error) {
	if p.err != nil {
		return nil, p.err
	}
	f, err := openStored(p.open, p.size)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p.measured.Do(func() { p.unpacked = f.unpackedSize(p.size) })
	b := make([]byte, headSize)
	n, err := io.ReadFull(f, b)
	// A file that was truncated under its writer may begin with a hole of any size.
	for err == nil && len(bytes.Trim(b[:n], "\x00")) == 0 {
		n, err = io.ReadFull(f, b)
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF || n > 0 {
		err = nil // what breaks after the first bytes is found when they are read
	}
	return b[:n], err
}

// measure finds out how many bytes the part gives, if that is not known yet.
func (p *filePart) measure() {
	p.measured.Do(func() {
		if f, err := openStored(p.open, p.size); err == nil {
			p.unpacked = f.unpackedSize(p.size)
			f.Close()
		}
	})
}

// end reads the last bytes of the part, or, of a compressed one, the first.
func (p *filePart) end() ([]byte, error) {
	if tail := p.tail(); len(tail) > 0 {
		return tail, nil
	}
	return p.head()
}

// tail reads the last bytes of a plain part, from the beginning of a line; nothing
// of a compressed one.
func (p *filePart) tail() []byte {
	f, err := openStored(p.open, p.size)
	if err != nil || f.how != nil {
		if err == nil {
			f.Close()
		}
		return nil
	}
	defer f.Close()
	b := make([]byte, min(p.size, headSize))
	n, _ := f.file.ReadAt(b, p.size-int64(len(b)))
	b = b[:n]
	if p.size > headSize {
		_, b, _ = bytes.Cut(b, []byte{'\n'})
	}
	return b
}

// detect finds the format of the part's own head. A part that its stream's format
// reads too is in that one: the head of a short file fits many.
func (s *Source) detect(p *filePart) (format.Detection, error) {
	p.look.Do(func() {
		var head []byte
		if head, p.lookErr = p.head(); p.lookErr != nil {
			return
		}
		p.detection = s.config.Formats.Detect(head)
		if s.config.Format != nil {
			p.detection.Format = s.config.Format
		}
	})
	d := p.detection
	if f := p.stream.format; p.lookErr == nil && f != nil && !d.Binary && !sameFormat(f, d.Format) {
		if head, err := p.head(); err == nil {
			if share := s.share(p, f, head); d.Format == nil || share >= d.Confidence {
				d.Format, d.Confidence = f, share
			}
		}
	}
	return d, p.lookErr
}

// formatOf is detect for who only wants to read the part: where the stream's format reads
// all that its head begins with it is not asked what else might.
func (s *Source) formatOf(p *filePart) (format.Detection, error) {
	p.fitting.Do(func() {
		f := p.stream.format
		if f == nil || p.err != nil || s.config.Format != nil || len(p.stream.parts) == 1 {
			return
		}
		head, err := p.head()
		if err != nil {
			return
		}
		sc := s.config.Formats.NewScreen(f, head, s.options(p, f))
		if len(head) > fitSize {
			if i := bytes.LastIndexByte(head[:fitSize], '\n'); i > 0 {
				head = head[:i+1]
			}
		}
		if sc != nil && s.share(p, f, head) == 1 {
			p.fits = true
			p.screening.Do(func() { p.screen = sc })
		}
	})
	if p.fits {
		return format.Detection{Format: p.stream.format, Confidence: 1}, nil
	}
	return s.detect(p)
}

// sameFormat says whether two formats are one, also inside the same wrappers.
func sameFormat(a, b *format.Format) bool {
	return a == b || a != nil && b != nil && a.Name == b.Name && slices.Equal(a.Wrappers, b.Wrappers)
}

// share tells how many of the head's records the format reads, as a share of them. The line at which the head was
// cut off does not count.
func (s *Source) share(p *filePart, f *format.Format, head []byte) float64 {
	if i := bytes.LastIndexByte(head, '\n'); len(head) == headSize && i > 0 {
		head = head[:i+1]
	}
	r, err := s.config.Formats.NewReader(bytes.NewReader(head), s.options(p, f))
	records, read := 0, 0
	for err == nil {
		var rec format.Record
		if rec, err = r.Next(); err == nil {
			records++
			if r.Decode(rec, func(*timeline.Event) bool { return true }) == nil {
				read++
			}
		}
	}
	return float64(read) / float64(max(1, records))
}

// options for reading a part in the format.
func (s *Source) options(p *filePart, f *format.Format) format.Options {
	o := format.Options{Format: f, Fixed: s.config.Format != nil, Zone: s.config.Zone, Reference: p.stream.reference, Dates: p.stream.dates, MaxRecord: s.config.MaxRecord, Looks: &p.looks}
	switch {
	case !p.reference.IsZero():
		o.Reference = p.reference
	case o.Reference.IsZero() && p.info != nil:
		o.Reference = p.info.ModTime()
	}
	return o
}

// inspect looks at the heads of all streams: format, hosts that records name, the
// range of time.
func (s *Source) inspect(ctx context.Context) error {
	type seen struct {
		last      time.Time
		undated   bool // the reference tells its year, or which number of its dates is the day
		unordered bool // the latter
	}
	looks := make([]seen, len(s.streams))
	err := parallel(ctx, len(s.streams), func(i int) {
		st := s.streams[i]
		s.chooseFormat(st)
		if st.format == nil {
			return
		}
		var hosts, servers []string
		see := func(e *timeline.Event) {
			if e.Host != "" && !slices.Contains(hosts, e.Host) {
				hosts = append(hosts, e.Host)
			}
			if name := strings.ToLower(e.Service); ingest.SoftwareOnly(e) && !slices.Contains(servers, name) {
				servers = append(servers, name)
			}
		}
		newest := st.parts[len(st.parts)-1]
		heads := map[*filePart][]byte{}
		for _, p := range st.ends() {
			if head, err := p.head(); err == nil {
				heads[p] = head
			}
		}
		looks[i].unordered = !s.orderDates(st, heads)
		looks[i].undated = looks[i].unordered
		for _, p := range st.ends() {
			head, ok := heads[p]
			if !ok {
				continue
			}
			looks[i].undated = looks[i].undated || s.yearless(p, st.format, head)
			from, to := s.stamps(s.options(p, st.format), head, see)
			if p == newest {
				if int64(len(head)) < p.size { // else the head is all
					if tail := p.tail(); len(tail) > 0 {
						_, to = s.stamps(s.options(p, st.format), tail, func(*timeline.Event) {})
					}
				}
				looks[i].last = to
			}
			if !looks[i].undated {
				s.saw(from, to)
			}
		}
		slices.Sort(hosts)
		st.hosts = hosts
		st.shared = len(hosts) > 1 || len(servers) > 1
		for _, p := range st.parts {
			if p.unpacked == 0 && p.err == nil {
				p.measure()
			}
			p.measured.Do(func() {}) // a part that cannot be opened now stays of no size
		}
	})
	if err != nil {
		return err
	}
	s.settleFormats()
	// Stamps without a year, or of which two numbers may be the day, are read by the time at which their file was last
	// written, which a copy or a clone of a repository does not keep. What the other
	// streams say is better.
	var latest time.Time
	for _, l := range looks {
		if !l.undated && l.last.After(latest) {
			latest = l.last
		}
	}
	for i, l := range looks {
		if !l.undated {
			continue
		}
		st := s.streams[i]
		st.reference = latest
		if l.unordered {
			s.orderByReference(st)
		}
		s.dateParts(st)
		for _, p := range st.ends() {
			if head, err := p.head(); err == nil {
				s.saw(s.stamps(s.options(p, st.format), head, func(*timeline.Event) {}))
			}
		}
	}
	return nil
}

// ends gives the oldest and the newest part of the stream, which may be one.
func (st *stream) ends() []*filePart {
	return slices.Compact([]*filePart{st.parts[0], st.parts[len(st.parts)-1]})
}

// chooseFormat takes for a stream the format of its newest part that has one.
func (s *Source) chooseFormat(st *stream) {
	best := 0.0
	for _, p := range slices.Backward(st.parts) {
		d, err := s.detect(p)
		if err != nil || d.Format == nil || d.Binary {
			continue
		}
		if st.format == nil || d.Confidence > best {
			st.format, best = d.Format, d.Confidence
		}
		if best >= 0.9 && d.Records >= 8 {
			return
		}
	}
}

// settleFormats decides for streams whose lines several servers write who did, by the
// stream's own path, else by what other streams in its directory are.
func (s *Source) settleFormats() {
	software := map[string]map[string]bool{} // by directory
	for _, st := range s.streams {
		if st.format == nil || st.format.System == "" {
			continue
		}
		dir := path.Dir(st.path)
		if software[dir] == nil {
			software[dir] = map[string]bool{}
		}
		software[dir][st.format.System] = true
	}
	for _, st := range s.streams {
		if st.format == nil {
			continue
		}
		own := ingest.SoftwareIn(st.path)
		st.format = s.config.Formats.Settle(st.format, func(name string) bool {
			if len(own) > 0 {
				return own[name]
			}
			return software[path.Dir(st.path)][name]
		})
	}
}

// stamps decodes a stretch of a part by the options and gives the range of its stamps.
func (s *Source) stamps(o format.Options, text []byte, see func(*timeline.Event)) (from, to time.Time) {
	r, err := s.config.Formats.NewReader(bytes.NewReader(text), o)
	if err != nil {
		return
	}
	for {
		rec, err := r.Next()
		if err != nil {
			return
		}
		// What is not in the format is reported by the passes.
		_ = r.Decode(rec, func(e *timeline.Event) bool {
			see(e)
			if !e.Time.IsZero() {
				if from.IsZero() || e.Time.Before(from) {
					from = e.Time
				}
				if e.Time.After(to) {
					to = e.Time
				}
			}
			return true
		})
	}
}

// nameStreams gives every stream its service and host.
func (s *Source) nameStreams() {
	hints := make([]ingest.StreamHint, len(s.streams))
	for i, st := range s.streams {
		hints[i].Path = st.path
		if st.format != nil {
			hints[i].System = st.format.System
		}
	}
	for i, n := range ingest.NameStreams(hints) {
		st := s.streams[i]
		paths := []string{st.path}
		for _, p := range st.parts {
			paths = append(paths, p.path)
		}
		st.service, st.host = cmp.Or(s.config.Service(paths...), n.Service), cmp.Or(s.config.Host, n.Host)
	}
}

// parallel calls f for 0 to n-1 on as many goroutines as the machine has processors
// and waits for them. The error is that of ctx.
func parallel(ctx context.Context, n int, f func(int)) error {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		next <- i
	}
	close(next)
	wg.Wait()
	return ctx.Err()
}
