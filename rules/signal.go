package rules

import (
	"fmt"
	"hash/maphash"
	"io/fs"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/correlatehq/correlate/internal/strictyaml"
	"github.com/correlatehq/correlate/timeline"
)

// A Signal is something that a server writes in a certain field, and what it means.
// It counts only on its own field of its own system.
type Signal struct {
	ID           string
	Systems      []string `json:",omitempty"` // Event.System of the events to which it applies
	Applications bool     `json:",omitempty"` // it applies to every application too
	Field        string   // body, text, status_code, call.status, or the name of an attribute; several names joined by a space
	Covers       []string `json:",omitempty"` // IDs of the catalogue that it stands for beside its own

	Match   string   // substring, regex or exact
	Pattern string   // what the field holds
	MadeBy  string   // who made the failing status: writer, below or nobody
	Points  string   // where the fault lies as seen from the writer
	MayMean []string // the causes that it may mean, most likely first
	// Dependency is the software at which it points where Points says dependency: the
	// Event.System of that one's own records. "" if it does not tell.
	Dependency string `json:",omitempty"`
	// Shown is what that one's own records show beside, by attribute, where it is one of several of its make: a replica's
	// role.
	Shown  map[string]string `json:",omitempty"`
	Doc    string
	Source string // where its maker documents it
	Pos    string // file:line:col

	fires []string // texts on which its file says that it fires
}

// place gives the place of a cause among what the signal may mean for the failure of its
// writer, 0 for the most likely; -1 if it does not speak for the cause: the status was
// not made by its writer, or other stands first.
func (s *Signal) place(cause string) int {
	i := slices.Index(s.MayMean, cause)
	if s.MadeBy != madeByWriter || slices.Contains(s.MayMean[:max(i, 0)], "other") {
		return -1
	}
	return i
}

// Who made the failing status of which a signal speaks.
const (
	madeByWriter = "writer"
	madeByBelow  = "below"
	madeByNobody = "nobody"
)

// Where a signal points, as seen from its writer.
var pointings = []string{"self", "next_hop", "connection_to_next_hop", "client", "config", "dependency", "unknown"}

// Fields that are no attributes.
const (
	fieldBody   = "body"        // the message
	fieldText   = "text"        // message, exception, error and the errors of calls
	fieldStatus = "status_code" // of the record
	fieldCalls  = "call.status" // of the calls that the record of an exchange tells of, parted by ", "; with a * where the writer made it itself
	fieldType   = "exception.type"
	fieldTrace  = "exception.stacktrace"
)

// signalFile is a file of the signal table as written.
type signalFile struct {
	Doc          string       `yaml:"doc"`
	System       string       `yaml:"system"`
	Systems      []string     `yaml:"systems"`
	Applications bool         `yaml:"applications"`
	Signals      []signalSpec `yaml:"signals"`
}

type signalSpec struct {
	ID         string            `yaml:"id"`
	Covers     []string          `yaml:"covers"`
	Field      string            `yaml:"field"`
	Fields     []string          `yaml:"fields"`
	Match      string            `yaml:"match"`
	Pattern    string            `yaml:"pattern"`
	MadeBy     string            `yaml:"made_by"`
	Points     string            `yaml:"points"`
	Dependency string            `yaml:"dependency"`
	Shown      map[string]string `yaml:"shown"`
	MayMean    []string          `yaml:"may_mean"`
	Doc        string            `yaml:"doc"`
	Source     string            `yaml:"source"`
	Tests      signalTests       `yaml:"tests"`
}

type signalTests struct {
	Fires  []string `yaml:"fires"`
	Silent []string `yaml:"silent"`
}

// A signalTable holds signals by the field in which they are looked for.
type signalTable struct {
	all          []*Signal // by ID
	byID         map[string]*Signal
	systems      map[string][]*matcher // one matcher for each field
	applications []*matcher            // for the records of every application
	looks        map[string]looks      // by system
	other        *look                 // for applications of other systems
	lookCount    uint16                // how many there are
	sights       sights
}

// looks are what is looked for in the records of a system: of those that are no application's, and of applications'.
type looks struct {
	plain, app *look
	language   bool // see languages
}

// A look is what is looked for in the records of a system: by all matchers, of which those of words are put to a text in one pass.
type look struct {
	number   uint16 // its own
	matchers []*matcher
	from     []int        // by matcher of words, where its signals stand among all
	all      []textSignal // of all matchers of words
	auto     lazyAutomaton
}

func (t *signalTable) newLook(matchers []*matcher) *look {
	t.lookCount++
	l := &look{number: t.lookCount, matchers: matchers, from: make([]int, len(matchers))}
	for i, m := range matchers {
		l.from[i] = len(l.all)
		if m.ofWords() {
			l.all = append(l.all, m.text.all...)
		}
	}
	return l
}

// ofWords says whether a matcher looks at what a writer says in words.
func (m *matcher) ofWords() bool { return m.field == fieldText || m.field == fieldBody }

// A matcher looks for all signals of one field of one system.
type matcher struct {
	field string   // as in Signal
	names []string // the fields that are joined for it
	exact map[string][]*Signal
	text  textSignals
}

func newSignalTable(signals []*Signal) *signalTable {
	t := &signalTable{byID: map[string]*Signal{}, systems: map[string][]*matcher{}, sights: sights{seed: maphash.MakeSeed()}}
	t.all = slices.Clone(signals)
	slices.SortFunc(t.all, func(a, b *Signal) int { return strings.Compare(a.ID, b.ID) })
	for _, s := range t.all {
		t.byID[s.ID] = s
		if s.Applications {
			t.applications = addSignal(t.applications, s)
		}
		for _, system := range s.Systems {
			t.systems[system] = addSignal(t.systems[system], s)
		}
	}
	t.looks, t.other = map[string]looks{}, t.newLook(t.applications)
	for _, system := range languages {
		t.looks[system] = looks{app: t.other, language: true}
	}
	for system, matchers := range t.systems {
		t.looks[system] = looks{t.newLook(matchers), t.newLook(slices.Concat(matchers, t.applications)), t.looks[system].language}
	}
	return t
}

// addSignal adds a signal to the matcher of its field.
func addSignal(matchers []*matcher, s *Signal) []*matcher {
	i := slices.IndexFunc(matchers, func(m *matcher) bool { return m.field == s.Field })
	if i < 0 {
		i = len(matchers)
		matchers = append(matchers, &matcher{field: s.Field, names: strings.Fields(s.Field), exact: map[string][]*Signal{}})
	}
	m := matchers[i]
	if s.Match == "exact" {
		m.exact[s.Pattern] = append(m.exact[s.Pattern], s)
	} else {
		m.text.add(s)
	}
	return matchers
}

// find gives the signals of an event, by field, then ID.
func (t *signalTable) find(e *timeline.Event) []*Signal {
	if l := t.lookAt(e); l != nil {
		return l.find(e, eventText(e))
	}
	return nil
}

// lookAt gives what is looked for in an event; nil if there is nothing.
func (t *signalTable) lookAt(e *timeline.Event) *look {
	l, ok := t.looks[e.System]
	switch {
	case !isApplication(e, l.language):
		return l.plain
	case ok:
		return l.app
	}
	return t.other
}

// find gives the signals of an event of which it is known what it says in words.
func (l *look) find(e *timeline.Event, text string) []*Signal {
	var some [8]*Signal
	found := some[:0]
	var rooms [2][32]int32
	var field [64]byte
	inText, told := l.hits(text, rooms[0][:0])
	inBody, bodyTold := inText, told
	if e.Body != text {
		inBody, bodyTold = l.hits(e.Body, rooms[1][:0])
	}
	for i, m := range l.matchers {
		var value string
		switch m.field {
		case fieldText:
			value = text
		case fieldBody:
			value = e.Body
		default:
			value = string(m.appendValue(field[:0], e))
		}
		switch {
		case value == "":
		case m.field == fieldText && told:
			found = l.among(i, value, inText, found)
		case m.field == fieldBody && bodyTold:
			found = l.among(i, value, inBody, found)
		default:
			found = m.find(value, found)
		}
	}
	return append([]*Signal(nil), found...)
}

// hits gives the places among all signals of words of those that stand in a text; false if that is not known in one pass.
func (l *look) hits(text string, room []int32) ([]int32, bool) {
	if len(l.all) == 0 || text == "" {
		return nil, false
	}
	if a := l.auto.get(l.all); a != nil {
		return a.find(text, room)
	}
	return nil, false
}

// among appends the signals of a matcher that are among the hits in a text.
func (l *look) among(matcher int, text string, hits []int32, found []*Signal) []*Signal {
	m := l.matchers[matcher]
	found = append(found, m.exact[text]...)
	for _, i := range hits {
		if at := int(i) - l.from[matcher]; at >= 0 && at < len(m.text.all) {
			found = append(found, m.text.all[at].signal)
		}
	}
	return found
}

// languages are what runs applications, whatever a service written in them is for: a
// gateway of one's own is one too.
var languages = []string{
	"go", "gin", "python", "gunicorn", "uwsgi", "celery", "java", "spring-boot", "tomcat", "jboss", "dropwizard", "node", "dotnet",
	"ruby", "rails", "rack", "puma", "sidekiq", "php", "php-fpm", "rust", "elixir",
}

// isApplication says whether a record is an application's, so that texts of libraries
// and drivers may stand in it: not a proxy's, a gateway's, a dependency's or an orchestrator's. An exception in a web server's log
// is a program's that runs in it, as with mod_php and mod_wsgi, or whose words it quotes.
// language says whether what wrote it is one of languages.
func isApplication(e *timeline.Event, language bool) bool {
	switch e.Role {
	case timeline.RoleGateway, timeline.RoleProxy:
		return language || e.Exception != nil
	case timeline.RoleDependency:
		return language
	}
	return e.System != "kubernetes"
}

// appendValue appends what the matcher's fields hold. One of several that is absent is "-"; it is nothing if all are.
func (m *matcher) appendValue(b []byte, e *timeline.Event) []byte {
	if len(m.names) == 1 {
		return appendField(b, e, m.names[0])
	}
	begin, some := len(b), false
	for i, name := range m.names {
		if i > 0 {
			b = append(b, ' ')
		}
		n := len(b)
		if b = appendField(b, e, name); len(b) > n {
			some = true
		} else {
			b = append(b, '-')
		}
	}
	if !some {
		return b[:begin]
	}
	return b
}

// find appends the signals that value holds.
func (m *matcher) find(value string, found []*Signal) []*Signal {
	return m.text.find(value, append(found, m.exact[value]...))
}

// appendField appends the field of an event in which signals are looked for.
func appendField(b []byte, e *timeline.Event, field string) []byte {
	switch field {
	case fieldBody:
		return append(b, e.Body...)
	case fieldText:
		return append(b, eventText(e)...)
	case fieldStatus:
		if e.StatusCode == 0 {
			return b
		}
		return strconv.AppendInt(b, int64(e.StatusCode), 10)
	case fieldCalls:
		if e.Kind == timeline.LogRecord {
			return b // a message tells of a call without its status
		}
		return appendCallStatuses(b, e.Calls)
	case fieldType:
		if e.Exception == nil {
			return b
		}
		return append(b, e.Exception.Type...)
	}
	return append(b, e.Attrs.Get(field)...)
}

// answerPrefix begins the names of what an answer holds, its body and its headers: whoever
// received it may have recorded it.
const answerPrefix = "http.response."

// findAnswer gives the signals of an answer in the record of the call that received it, by
// the tables of the software that answered, or of any if that is not known.
func (t *signalTable) findAnswer(e *timeline.Event, system string) []*Signal {
	if !slices.ContainsFunc(e.Attrs, func(a timeline.Attr) bool { return strings.HasPrefix(a.Name, answerPrefix) }) {
		return nil
	}
	systems := []string{system}
	if system == "" {
		systems = slices.Sorted(maps.Keys(t.systems))
	}
	var found []*Signal
	for _, system := range systems {
		for _, m := range t.systems[system] {
			if !strings.HasPrefix(m.names[0], answerPrefix) {
				continue
			}
			if value := string(m.appendValue(nil, e)); value != "" {
				found = m.find(value, found)
			}
		}
	}
	return found
}

// appendCallStatuses writes the statuses of calls: "502*, 200". A call without one is "-".
func appendCallStatuses(b []byte, calls []timeline.Outcall) []byte {
	for i := range calls {
		if i > 0 {
			b = append(b, ", "...)
		}
		if calls[i].Status == 0 {
			b = append(b, '-')
			continue
		}
		b = strconv.AppendInt(b, int64(calls[i].Status), 10)
		if calls[i].OwnMade {
			b = append(b, '*')
		}
	}
	return b
}

// eventText is all that an event says in words: message, exception, the errors of its calls.
func eventText(e *timeline.Event) string {
	text := e.Body
	add := func(s string) {
		if s != "" && !strings.Contains(text, s) {
			text += "\n" + s
		}
	}
	if x := e.Exception; x != nil {
		switch {
		case x.Type == "":
			add(x.Message)
		case x.Message == "":
			add(x.Type)
		case !strings.Contains(text, x.Message):
			text += "\n" + x.Type + ": " + x.Message
		default:
			add(x.Type + ": " + x.Message)
		}
	}
	var message, kind, trace string
	for i := range e.Attrs {
		switch a := &e.Attrs[i]; a.Name {
		case "error.message":
			message = a.Value
		case "error.type":
			kind = a.Value
		case fieldTrace:
			trace = a.Value
		}
	}
	add(message)
	add(kind)
	for i := range e.Calls {
		add(e.Calls[i].Error)
	}
	for head := range chainHeads(trace) {
		add(head)
	}
	return text
}

// maxChain bounds the exceptions of a chain whose heads are read.
const maxChain = 16

// chainHeads gives the lines of a stack trace by which a chain of exceptions goes on, as
// Java, .NET, Node.js and Python mark them: what wraps the root cause names what was done
// and with whom.
func chainHeads(trace string) iter.Seq[string] {
	return func(yield func(string) bool) {
		n := 0
		for line := range strings.Lines(trace) {
			line = strings.TrimSpace(line)
			head := line
			switch {
			case strings.HasPrefix(line, "at "), strings.HasPrefix(line, "File "), line == "":
				continue
			case strings.HasPrefix(line, "Caused by: "), strings.HasPrefix(line, "[cause]: "):
				_, head, _ = strings.Cut(line, ": ")
			case strings.HasPrefix(line, "---> "):
				head = line[len("---> "):]
			case n > 0 && !exceptionLine(line):
				continue
			}
			if n++; n > maxChain || !yield(head) {
				return
			}
		}
	}
}

// exceptionLine says whether a line begins with the class of an exception and a colon;
// .NET puts a number in brackets between them.
func exceptionLine(line string) bool {
	class, _, ok := strings.Cut(line, ": ")
	class, _, _ = strings.Cut(class, " (")
	return ok && strings.ContainsAny(class, ".:") && !strings.ContainsAny(class, " /()'\"")
}

// readSignals reads one file of the signal table.
func readSignals(fsys fs.FS, name string) ([]*Signal, []error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, []error{err}
	}
	var f signalFile
	root, err := strictyaml.Decode(name, data, &f)
	if err != nil {
		return nil, []error{err}
	}
	var errs []error
	at := func(path []string, format string, args ...any) {
		errs = append(errs, strictyaml.At(name, root, path, format, args...))
	}
	if f.Doc == "" {
		at(nil, "no doc: say what this system writes and where")
	}
	systems := f.Systems
	if f.System != "" {
		systems = append([]string{f.System}, systems...)
	}
	switch {
	case len(systems) == 0 && !f.Applications:
		at(nil, "no system: say whose records these are, by system, systems or applications")
	case f.System != "" && len(f.Systems) > 0:
		at(nil, "one of system and systems says whose records these are, not both")
	}
	if len(f.Signals) == 0 {
		at([]string{"signals"}, "no signals")
	}
	var out []*Signal
	for i := range f.Signals {
		spec := &f.Signals[i]
		path := []string{"signals", strconv.Itoa(i)}
		n := len(errs)
		checkSignal(spec, path, at)
		if len(errs) > n {
			continue
		}
		s := &Signal{
			ID: spec.ID, Systems: systems, Applications: f.Applications, Field: spec.field(), Covers: spec.Covers,
			Match: spec.Match, Pattern: spec.Pattern, MadeBy: spec.MadeBy, Points: spec.Points, Dependency: spec.Dependency, Shown: spec.Shown,
			MayMean: spec.MayMean, Doc: spec.Doc, Source: spec.Source, Pos: position(name, root, path), fires: spec.Tests.Fires,
		}
		testSignal(s, &spec.Tests, path, at)
		out = append(out, s)
	}
	return out, errs
}

// field gives the fields in which the signal is looked for.
func (s *signalSpec) field() string {
	if s.Field != "" {
		return s.Field
	}
	return strings.Join(s.Fields, " ")
}

// A complaint adds an error at the place to which a path of keys leads.
type complaint func(path []string, format string, args ...any)

func checkSignal(s *signalSpec, path []string, at complaint) {
	in := func(key string) []string { return append(slices.Clone(path), key) }
	for _, need := range []struct{ key, value string }{
		{"id", s.ID}, {"field", s.field()}, {"pattern", s.Pattern}, {"doc", s.Doc}, {"source", s.Source},
	} {
		if need.value == "" {
			at(in(need.key), "the signal has no %s", need.key)
		}
	}
	if s.Field != "" && len(s.Fields) > 0 {
		at(in("fields"), "field and fields: one of them says where the signal stands")
	}
	for i, f := range append([]string{s.Field}, s.Fields...) {
		if i > 0 && f == "" || strings.ContainsAny(f, " \t\n") {
			at(in("fields"), "%q is no name of a field", f)
		}
	}
	if s.Dependency != "" && s.Points != "dependency" {
		at(in("dependency"), "a signal that names the dependency points at it: points is %q", s.Points)
	}
	switch s.Match {
	case "substring", "exact":
	case "regex":
		if _, err := regexp.Compile(s.Pattern); err != nil {
			at(in("pattern"), "%v", err)
		}
	default:
		at(in("match"), "unknown match %q: substring, regex or exact", s.Match)
	}
	switch s.MadeBy {
	case madeByWriter, madeByBelow, madeByNobody:
	default:
		at(in("made_by"), "unknown made_by %q: writer, below or nobody", s.MadeBy)
	}
	if !slices.Contains(pointings, s.Points) {
		at(in("points"), "unknown points %q: one of %s", s.Points, strings.Join(pointings, ", "))
	}
	if len(s.MayMean) == 0 {
		at(in("may_mean"), "the signal has no cause in may_mean")
	}
	for i, c := range s.MayMean {
		if !slices.Contains(CauseClasses, c) {
			at(append(in("may_mean"), strconv.Itoa(i)), "unknown cause class %q", c)
		}
	}
	if len(s.Tests.Fires) == 0 {
		at(in("tests"), "the signal has no test that fires")
	}
}

// testSignal tries the signal on its own samples. They belong to the file's form, so a
// wrong one is an error of loading.
func testSignal(s *Signal, tests *signalTests, path []string, at complaint) {
	fires := func(sample string) bool { return sample == s.Pattern }
	switch s.Match {
	case "regex":
		fires = regexp.MustCompile(s.Pattern).MatchString
	case "substring":
		fires = func(sample string) bool { return strings.Contains(sample, s.Pattern) }
	}
	for i, sample := range tests.Fires {
		if !fires(sample) {
			at(append(slices.Clone(path), "tests", "fires", strconv.Itoa(i)), "signal %s does not match its own sample", s.ID)
		}
	}
	for i, sample := range tests.Silent {
		if fires(sample) {
			at(append(slices.Clone(path), "tests", "silent", strconv.Itoa(i)), "signal %s matches a sample that it must not", s.ID)
		}
	}
}

// merge joins two tables; an ID that both hold is an error unless it is one and the same signal.
func mergeSignals(a, b []*Signal) ([]*Signal, []error) {
	out := slices.Clone(a)
	byID := map[string]*Signal{}
	for _, s := range a {
		byID[s.ID] = s
	}
	var errs []error
	for _, s := range b {
		if old := byID[s.ID]; old != nil {
			if old != s {
				errs = append(errs, fmt.Errorf("%s: signal %s stands already at %s", s.Pos, s.ID, old.Pos))
			}
			continue
		}
		byID[s.ID] = s
		out = append(out, s)
	}
	return out, errs
}
