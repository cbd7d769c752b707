// Package format turns bytes into events: it finds the format of a stream, cuts it
// into records and decodes them. Formats are YAML files in builtin/.
//
// A [Set] holds the formats. [Set.Detect] looks at the head of a stream;
// [Set.NewReader] starts on one, gives its records ([Reader.Next]) and, for those that
// the caller wants, their events ([Reader.Decode]). README.md tells how a format file
// is written.
package format

import (
	"bytes"
	"embed"
	"errors"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/correlatehq/correlate/internal/strictyaml"
	"github.com/correlatehq/correlate/timeline"
)

// ErrNoMatch says that a record is not in the format.
var ErrNoMatch = errors.New("record is not in this format")

// A Format is one log format: how its records are found, read and named.
type Format struct {
	Name   string        // of its file: "nginx_error"
	Doc    string        // one sentence
	System string        // the software that writes it
	Role   timeline.Role // what that software usually is
	// Literals: every record that the format declares failed contains at least one
	// of them. nil means that bytes alone cannot tell.
	Literals [][]byte
	// Wrappers are the formats around each record, outermost first: a docker
	// json-file of slog records has ["docker_json"].
	Wrappers []string

	c     *compiled
	outer []*compiled  // the wrappers, outermost first
	route *route       // to its records and those beside them; nil if only outer is known
	order *columnOrder // of the columns, as the head of the stream told
	rank  int          // place in the order of its set
	given bool         // the user says that logs are written so
	rest  *Format      // a general format in which lines of the stream are that are foreign to it; nil if none was seen
	// samples are read from the format's file when they are asked for.
	samples func() []sampleSpec
}

// Meaning says what the format's stamps mean, for records that are spans if it has any.
func (f *Format) Meaning() timeline.Meaning {
	m := f.c.meaning
	for _, k := range f.c.kinds {
		if k.kind != timeline.LogRecord && k.meaning != timeline.MeaningUnknown {
			return k.meaning
		}
	}
	return m
}

// A Sample is one record that a format shows, with what is read of it.
type Sample struct {
	Line string
	Want map[string]string
	// Events are instead of Want where the record holds several events.
	Events []map[string]string
}

// Samples gives the records that the format's file holds as its examples and tests.
func (f *Format) Samples() []Sample {
	var out []Sample
	for _, s := range f.samples() {
		out = append(out, Sample(s))
	}
	return out
}

// A Set is a set of formats in the order in which detection tries them. It is safe
// for concurrent use.
type Set struct {
	formats []*Format            // the most special first
	guests  map[string][]*Format // by name of stream: those that stand in each other's streams
	open    map[string][]*Format // the same, and those that roam
	reads   map[*Format]map[*Format]bool
	general map[*compiled]bool // those that read records of many others
	// special: the guests of a format that read part of what it reads, and read it better.
	special map[*compiled][]*compiled
	// documents are the ways in which formats find their records in a document.
	documents []documents
	literals  sync.Map // screenKey -> screenLiterals
}

// documents are formats that find their records by the same paths.
type documents struct {
	paths   *paths
	formats []*Format
}

//go:embed builtin/*.yaml
var builtinFS embed.FS

// Load reads all formats of fsys: every file *.yaml at its top. The error joins all
// complaints about all files, each with file:line:col. Each format must read its own
// samples as it says; how many samples of other formats it reads too gives the order:
// the more, the more general, the later it is tried.
func Load(fsys fs.FS) (*Set, error) {
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	var errs []error
	s := newSet()
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		f, err := loadFile(name, data)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s.formats = append(s.formats, f)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	s.sort()
	return s, nil
}

func newSet() *Set {
	return &Set{reads: map[*Format]map[*Format]bool{}, guests: map[string][]*Format{}, open: map[string][]*Format{}}
}

func newFormat(name string, c *compiled) *Format {
	c.name = name
	return &Format{
		Name:     name,
		Doc:      strings.TrimSpace(c.spec.Doc),
		System:   c.spec.System,
		Role:     c.role,
		Literals: c.literals,
		c:        c,
		samples:  func() []sampleSpec { return c.spec.Samples },
	}
}

// loadFile reads one format file.
func loadFile(file string, data []byte) (*Format, error) {
	var sp spec
	root, err := strictyaml.Decode(file, data, &sp)
	if err != nil {
		return nil, err
	}
	k := &compiler{file: file, root: root}
	k.take(&sp)
	if sp.Decoder == "native" {
		k.expand(&sp)
	}
	if err := k.err(); err != nil {
		return nil, err
	}
	c, err := compile(file, root, &sp)
	if err != nil {
		return nil, err
	}
	f := newFormat(strings.TrimSuffix(path.Base(file), ".yaml"), c)
	if err := checkSamples(file, root, f); err != nil {
		return nil, err
	}
	return f, nil
}

// sort puts the more special formats before the more general ones and finds which
// formats may stand in one another's streams.
func (s *Set) sort() {
	d := newDecoding(sampleReference, nil)
	for _, a := range s.formats {
		s.reads[a] = map[*Format]bool{}
		for _, b := range s.formats {
			if a == b || b.c.spec.Like != "" {
				continue
			}
			for _, sm := range b.samples() {
				if d.decode(a.c, []byte(sm.Line)) {
					a.rank++
					s.reads[a][b] = true
				}
			}
		}
	}
	sort.SliceStable(s.formats, func(i, j int) bool {
		a, b := s.formats[i], s.formats[j]
		if a.rank != b.rank {
			return a.rank < b.rank
		}
		return a.Name < b.Name
	})
	s.link()
}

// link finds what formats of a set have to do with each other; they are in their order.
func (s *Set) link() {
	s.general = map[*compiled]bool{}
	for i, f := range s.formats {
		f.rank = i
		s.general[f.c] = len(s.reads[f]) >= generalReads
		if n := f.c.spec.Stream; n != "" {
			s.guests[n] = append(s.guests[n], f)
		}
	}
	s.openStreams()
	byPath := map[string]int{}
	for _, f := range s.formats {
		if f.c.paths == nil || f.c.paths.nested == 0 {
			continue
		}
		name := strings.Join(f.c.spec.Records, " ")
		i, ok := byPath[name]
		if !ok {
			i = len(s.documents)
			byPath[name] = i
			s.documents = append(s.documents, documents{paths: f.c.paths})
		}
		s.documents[i].formats = append(s.documents[i].formats, f)
	}
	s.special = map[*compiled][]*compiled{}
	for _, f := range s.formats {
		for _, g := range s.guestsOf(f.c) {
			if s.reads[f][g] && !s.reads[g][f] && f.c.wraps == nil && g.c.wraps == nil {
				s.special[f.c] = append(s.special[f.c], g.c)
			}
		}
	}
	// A record of a guest can be a failed one of its host's stream.
	type stream struct {
		name string
		open bool
	}
	byStream := map[stream][][]byte{}
	for _, f := range s.formats {
		guests := s.guestsOf(f.c)
		if len(guests) == 0 {
			continue
		}
		if f.c.spec.Stream == "" {
			f.Literals = unite(append([]*Format{f}, guests...))
			continue
		}
		n := stream{f.c.spec.Stream, f.c.isOpen()}
		lits, ok := byStream[n]
		if !ok {
			lits = unite(guests)
			byStream[n] = lits
		}
		f.Literals = lits
	}
}

// openStreams finds whose records may stand in the streams of logs: an access log that goes to the same place as what a server or
// an application says. In one that is of no stream only those do whose failures are told by bytes that are rare.
func (s *Set) openStreams() {
	var all, rare []*Format
	for _, f := range s.formats {
		if !f.c.roams || f.c.spec.Like != "" {
			continue
		}
		all = append(all, f)
		if rareLiterals(f.c) {
			rare = append(rare, f)
		}
	}
	s.open[""] = rare
	for name, guests := range s.guests {
		open := slices.Clone(guests)
		for _, f := range all {
			if f.c.spec.Stream != name {
				open = append(open, f)
			}
		}
		// What is like another format says whose it is, and comes before that one.
		place := func(f *Format) (int, bool) {
			if like := s.Lookup(f.c.spec.Like); like != nil {
				return like.rank, false
			}
			return f.rank, true
		}
		slices.SortStableFunc(open, func(a, b *Format) int {
			i, isA := place(a)
			j, isB := place(b)
			switch {
			case i != j:
				return i - j
			case isA == isB:
				return 0
			case isA:
				return 1
			}
			return -1
		})
		s.open[name] = open
	}
}

// rareLiteral is how long a literal is at least that is seldom met.
const rareLiteral = 3

// rareLiterals says whether failed records of c are told by bytes that are seldom met in others.
func rareLiterals(c *compiled) bool {
	return c.literals != nil && !slices.ContainsFunc(c.literals, func(l []byte) bool { return len(l) < rareLiteral })
}

// isOpen says whether records that roam may stand between those of c: in a log of messages whose records
// have further lines, which would take them for such.
func (c *compiled) isOpen() bool {
	return !c.roams && c.wraps == nil && c.spec.Like == "" && (!c.oneLine || c.spec.Stream == streamApp)
}

// With gives a set that has these formats too, before its own: where one of them reads
// about as much of a stream as any other does, it is the stream's format.
func (s *Set) With(formats ...*Format) *Set {
	if len(formats) == 0 {
		return s
	}
	n := newSet()
	now := map[*Format]*Format{} // the same format in the new set
	for i, f := range append(slices.Clone(formats), s.formats...) {
		c := *f
		c.given = c.given || i < len(formats)
		n.formats = append(n.formats, &c)
		n.reads[&c] = map[*Format]bool{}
		now[f] = &c
	}
	for a, m := range s.reads {
		for b := range m {
			n.reads[now[a]][now[b]] = true
		}
	}
	n.link()
	return n
}

// Alike gives the formats that read the lines of f as a certain writer means them: the
// common access log is stamped at the beginning of a request by one server and at its end
// by another, and the lines do not tell whose they are.
func (s *Set) Alike(f *Format) []*Format {
	var out []*Format
	for _, g := range s.formats {
		if g.c.spec.Like == f.Name {
			out = append(out, wrapped(g, f.outer))
		}
	}
	slices.SortFunc(out, func(a, b *Format) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Settle gives of the formats alike f the one whose software is among the words, which
// may be those of the file's path or the software of the logs beside it; f if there is
// none or more than one.
func (s *Set) Settle(f *Format, words func(software string) bool) *Format {
	var found *Format
	for _, g := range s.Alike(f) {
		if words(g.System) {
			if found != nil {
				return f
			}
			found = g
		}
	}
	if found == nil {
		return f
	}
	return found
}

// guestsOf gives the formats whose records may stand between those of c, c's own
// among them if it is of a stream.
func (s *Set) guestsOf(c *compiled) []*Format {
	if c.isOpen() {
		return s.open[c.spec.Stream]
	}
	if c.spec.Stream == "" {
		return nil
	}
	return s.guests[c.spec.Stream]
}

// unite gives the literals of formats that may stand in each other's streams.
func unite(formats []*Format) [][]byte {
	out := [][]byte{}
	for _, f := range formats {
		if f.c.literals == nil {
			return nil
		}
		out = append(out, f.c.literals...)
	}
	return reduce(out)
}

// reduce drops literals that contain another one of the list.
func reduce(lits [][]byte) [][]byte {
	slices.SortFunc(lits, func(a, b []byte) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return bytes.Compare(a, b)
	})
	out := [][]byte{}
next:
	for _, l := range lits {
		for _, o := range out {
			if bytes.Contains(l, o) {
				continue next
			}
		}
		out = append(out, l)
	}
	return out
}

// Formats gives the formats of the set, the most special first.
func (s *Set) Formats() []*Format { return slices.Clone(s.formats) }

// Lookup gives the format of this name, nil if the set has none.
func (s *Set) Lookup(name string) *Format {
	for _, f := range s.formats {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// wrapped gives f as it stands inside the wrappers, outermost first.
func wrapped(f *Format, outer []*compiled) *Format {
	if len(outer) == 0 {
		return f
	}
	w := *f
	w.outer = outer
	w.Wrappers = nil
	for _, o := range outer {
		w.Wrappers = append(w.Wrappers, o.name)
	}
	if f.Literals != nil {
		w.Literals = make([][]byte, 0, len(f.Literals))
		for _, l := range f.Literals {
			for i := len(outer) - 1; i >= 0; i-- {
				l = outer[i].escape(l)
			}
			w.Literals = append(w.Literals, l)
		}
	}
	return &w
}
