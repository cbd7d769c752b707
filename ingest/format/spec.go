package format

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/correlatehq/correlate/internal/strictyaml"
	"github.com/correlatehq/correlate/timeline"
)

// list is a list of strings that may be written as one.
type list []string

// UnmarshalYAML reads a scalar or a sequence of scalars.
func (l *list) UnmarshalYAML(n *yaml.Node) error {
	switch n.Kind {
	case yaml.ScalarNode:
		*l = list{n.Value}
		return nil
	case yaml.SequenceNode:
		out := make(list, 0, len(n.Content))
		for _, c := range n.Content {
			if c.Kind != yaml.ScalarNode {
				return fmt.Errorf("want a text or a list of texts")
			}
			out = append(out, c.Value)
		}
		*l = out
		return nil
	}
	return fmt.Errorf("want a text or a list of texts")
}

// spec is a format file as written.
type spec struct {
	Doc          string            `yaml:"doc"`
	System       string            `yaml:"system"`
	Role         string            `yaml:"role"`
	Uses         string            `yaml:"uses"`         // the part whose keys count where the format has none of its own
	Like         string            `yaml:"like"`         // the format that tells no writer apart and reads the same lines: this one is how a certain writer means them
	Stream       string            `yaml:"stream"`       // records of formats with the same stream may stand between each other
	Decoder      string            `yaml:"decoder"`      // json, logfmt, columns, regexp, native, or one of the trees
	Pattern      list              `yaml:"pattern"`      // regexp: alternatives, tried in order on the first line
	Columns      *columnsSpec      `yaml:"columns"`      // columns: how they are parted and named
	Require      map[string]string `yaml:"require"`      // json, logfmt, columns: fields that must be there, and their form
	RequireAny   map[string]string `yaml:"require_any"`  // and at least one of these
	Records      list              `yaml:"records"`      // json: paths to the arrays whose elements are records
	Lacks        list              `yaml:"lacks"`        // json: fields that make it a record of another format
	Lines        string            `yaml:"lines"`        // one, many: how many lines a record has
	Continuation list              `yaml:"continuation"` // lines that would begin a record but belong to the one before
	Attaches     bool              `yaml:"attaches"`     // right after a record that may have many lines it is a part of that one
	Wraps        *wrapsSpec        `yaml:"wraps"`        // a record holds a record of another format
	Pods         bool              `yaml:"pods"`         // service and host are those of the record's k8s.pod.name, where it does not say them
	Time         timeSpec          `yaml:"time"`
	Duration     durationSpec      `yaml:"duration"`
	Fields       map[string]string `yaml:"fields"`  // the record's name -> target
	Strip        list              `yaml:"strip"`   // beginnings of names without which they are looked up among those that all share
	Extract      []extractSpec     `yaml:"extract"` // patterns over what was read
	Kind         []kindSpec        `yaml:"kind"`    // the first that holds; else a log record
	Keys         keysSpec          `yaml:"keys"`
	Severity     map[string]string `yaml:"severity"` // as written, in lower case -> severity_text
	Calls        *callsSpec        `yaml:"calls"`
	Ended        *tableSpec        `yaml:"ended"`
	Lifecycle    map[string]list   `yaml:"lifecycle"` // name -> patterns over body
	Uncaught     []condSpec        `yaml:"uncaught"`  // when the exception was caught by nothing
	MadeUp       []condSpec        `yaml:"made_up"`   // when the exception is one that the logger made of the status alone
	Failed       failedSpec        `yaml:"failed"`
	Samples      []sampleSpec      `yaml:"samples"`
	Native       *nativeSpec       `yaml:"native"` // native: a server's own format string, in place of pattern and fields

	generated bool // made of a format string: it has no samples
}

// exchanges says whether every record is of a request that the writer served, as in an access log.
func (sp *spec) exchanges() bool {
	return len(sp.Kind) == 1 && sp.Kind[0].When.empty() && sp.Kind[0].Is == "server"
}

type wrapsSpec struct {
	Field   string `yaml:"field"`   // the one that holds the inner record
	Stream  list   `yaml:"stream"`  // fields that tell whose lines are put together
	Partial string `yaml:"partial"` // "newline": a line that does not end in one goes on; "FIELD=VALUE": so says the field
	Escape  string `yaml:"escape"`  // json, octal (tabs at its beginning, as rsyslog): how bytes of the inner record are written
	Known   bool   `yaml:"known"`   // only if some format reads what is inside
}

type timeSpec struct {
	Field      list   `yaml:"field"`  // the first that is there
	Layout     list   `yaml:"layout"` // the first that reads it
	Meaning    string `yaml:"meaning"`
	Resolution string `yaml:"resolution"` // "": by the digits written
	Rounded    bool   `yaml:"rounded"`
	Zone       string `yaml:"zone"`  // of stamps that write none, whatever the host's: utc, Europe/Berlin, +01:00
	Nanos      string `yaml:"nanos"` // the field with the nanoseconds of a stamp of whole seconds
}

type durationSpec struct {
	Resolution string `yaml:"resolution"` // "": by the digits written
	SameClock  bool   `yaml:"same_clock"`
}

type extractSpec struct {
	From    list `yaml:"from"`
	Pattern list `yaml:"pattern"`
}

type kindSpec struct {
	Is      string   `yaml:"is"`
	When    condSpec `yaml:"when"`
	Meaning string   `yaml:"meaning"`
}

type keysSpec struct {
	Identity list         `yaml:"identity"`
	Context  list         `yaml:"context"`
	Find     findKeysSpec `yaml:"find"`
	Answer   list         `yaml:"answer"` // request IDs that came with the answer
	Cached   []condSpec   `yaml:"cached"` // when it was an answer to an earlier request, with that one's IDs
	Between  *betweenSpec `yaml:"between"`
}

// betweenSpec says by which lines a process that serves one request at a time begins and ends one: those are patterns with a group id. A record
// between them without an ID of its own is of that request.
type betweenSpec struct {
	Opens  string `yaml:"opens"`
	Closes string `yaml:"closes"`
}

type findKeysSpec struct {
	In      list `yaml:"in"`
	Pattern list `yaml:"pattern"` // groups request_id and trace_id; "": the usual spellings
}

type callsSpec struct {
	Form    string      `yaml:"form"`     // attempts, backend, self
	NoPeer  list        `yaml:"no_peer"`  // peers that mean that no call was made
	When    condSpec    `yaml:"when"`     // without it no call was made
	OwnMade condSpec    `yaml:"own_made"` // with it the status of the last call is the writer's own
	Error   []entrySpec `yaml:"error"`    // over the call's error text: how it ended
	Ended   *tableSpec  `yaml:"ended"`    // over a field of the record: how its last call ended
	Tries   *triesSpec  `yaml:"tries"`    // the calls before the last one
}

// triesSpec names a field with a list of JSON objects, one for each try in order, and what their members are called.
type triesSpec struct {
	Of     string     `yaml:"of"`
	Peer   string     `yaml:"peer"`
	Port   string     `yaml:"port"`
	Status string     `yaml:"status"`
	Start  string     `yaml:"start"` // when it began, in ms since 1970
	Ended  *tableSpec `yaml:"ended"` // over members: how the try ended
}

type entrySpec struct {
	Match string `yaml:"match"`
	Is    string `yaml:"is"`
}

type tableSpec struct {
	Of    list        `yaml:"of"` // several are joined by a space, "-" for what is not there
	Table []entrySpec `yaml:"table"`
	Cut   *cutSpec    `yaml:"cut"` // where the table does not tell
}

// cutSpec names the fields by which an answer that broke off is told: fewer bytes of its body were sent than its head announced.
type cutSpec struct {
	Sent      string `yaml:"sent"`
	Announced string `yaml:"announced"`
}

type failedSpec struct {
	Any      []condSpec `yaml:"any"`
	Literals list       `yaml:"literals"`
}

// condSpec is a condition: all that it says must hold.
type condSpec struct {
	Has    list            `yaml:"has"`
	HasAny list            `yaml:"has_any"`
	Lacks  list            `yaml:"lacks"`
	In     map[string]list `yaml:"in"`
	Match  map[string]list `yaml:"match"`
	Status string          `yaml:"status"` // "500-599"
}

// empty says whether the condition always holds.
func (c *condSpec) empty() bool {
	return len(c.Has)+len(c.HasAny)+len(c.Lacks)+len(c.In)+len(c.Match) == 0 && c.Status == ""
}

type sampleSpec struct {
	Line   string              `yaml:"line"`
	Want   map[string]string   `yaml:"want"`
	Events []map[string]string `yaml:"events"` // likewise of each event, where the record holds several
}

// streamApp is the stream of applications: besides the records of all its formats
// there may be lines in it that nobody stamps, which are kept together.
const streamApp = "app"

type decoderKind uint8

const (
	regexpDecoder decoderKind = iota
	jsonDecoder
	logfmtDecoder
	columnsDecoder
	treeFormat // one of treeDecoders
)

// compiled is a format ready for use. It is not changed once made.
type compiled struct {
	name      string
	spec      *spec
	role      timeline.Role
	decoder   decoderKind
	columns   *columns
	patterns  []*pattern
	conts     []*pattern
	require   []requirement
	anyOf     []requirement      // of which one must be there; nil: none need be
	needs     nameSet            // of require
	needsAny  nameSet            // of anyOf
	table     map[string]*target // by the record's own names; JSON and logfmt fall back to aliases
	tree      *treeDecoder
	paths     *paths // to the records of a document; nil if the format is not JSON
	oneLine   bool
	roams     bool // its records, exchanges, may stand between those of any log
	wraps     *wrapper
	timeNames []string
	unstamped func() bool // whether some patterns have no stamp
	layouts   []layout
	meaning   timeline.Meaning
	res       time.Duration
	zone      *time.Location // of stamps that write none; nil the host's
	durRes    time.Duration
	extract   []extraction
	kinds     []kindRule
	context   []field
	answer    []field // IDs that came with the answer
	cached    []cond
	between   *between
	findIn    []field
	find      []*expr
	calls     *callRules
	endedOf   []field
	ended     []outcomeRule
	cut       *cut
	lifecycle []lifecycleRule
	uncaught  []cond
	madeUp    []cond
	failed    []cond
	literals  [][]byte
	life      func() lifeLiterals
	exprs     []*expr // all of them
}

// A pattern is an expression whose groups have targets.
type pattern struct {
	re     *expr
	groups func() []groupTarget // those that have targets, in order
	prefix func() prefix
}

// A groupTarget is a group of an expression: where its value goes.
type groupTarget struct {
	at     int // of its begin among the places of a match
	target *target
}

type requirement struct {
	name string
	re   *expr // nil: any value
}

type extraction struct {
	from     []field
	patterns []*pattern
}

type kindRule struct {
	kind    timeline.Kind
	when    cond
	meaning timeline.Meaning
}

type outcomeRule struct {
	re *expr
	is timeline.Outcome
}

// A cut tells an answer that broke off by the bytes of its body.
type cut struct{ sent, announced field }

type lifecycleRule struct {
	re *expr
	is timeline.Lifecycle
}

// compiler collects the complaints about one file.
type compiler struct {
	file string
	root *yaml.Node
	errs []error
	// trusted: the format was checked when the index was made, where musts come from:
	// expressions are compiled when they are needed.
	trusted bool
	musts   map[string]string
	exprs   []*expr
}

func (k *compiler) fail(path []string, format string, args ...any) {
	k.errs = append(k.errs, strictyaml.At(k.file, k.root, path, format, args...))
}

func at(path ...string) []string { return path }

func compile(file string, root *yaml.Node, sp *spec) (*compiled, error) {
	return (&compiler{file: file, root: root}).compile(sp)
}

func (k *compiler) compile(sp *spec) (*compiled, error) {
	c := &compiled{spec: sp, table: map[string]*target{}}
	if strings.TrimSpace(sp.Doc) == "" {
		k.fail(nil, "doc is missing")
	}
	var err error
	if c.role, err = timeline.ParseRole(sp.Role); err != nil {
		k.fail(at("role"), "%v", err)
	}
	switch sp.Decoder {
	case "regexp":
		c.decoder = regexpDecoder
		if len(sp.Pattern) == 0 {
			k.fail(nil, "decoder regexp needs a pattern")
		}
	case "json":
		c.decoder = jsonDecoder
	case "logfmt":
		c.decoder = logfmtDecoder
	case "columns":
		c.decoder = columnsDecoder
	case "otlp", "jaeger", "zipkin", "xray":
		c.decoder, c.tree = treeFormat, treeDecoders[sp.Decoder]
	default:
		k.fail(at("decoder"), "unknown decoder %q: json, logfmt, columns, regexp, native, otlp, jaeger, zipkin or xray", sp.Decoder)
	}
	if c.decoder != regexpDecoder && len(sp.Pattern) > 0 {
		k.fail(at("pattern"), "only decoder regexp has a pattern")
	}
	if c.decoder != columnsDecoder && sp.Columns != nil {
		k.fail(at("columns"), "only decoder columns has columns")
	}
	if c.decoder == columnsDecoder && len(sp.RequireAny) > 0 {
		k.fail(at("require_any"), "decoder columns has no require_any")
	}
	if c.decoder == regexpDecoder && len(sp.Require)+len(sp.RequireAny) > 0 {
		k.fail(at("require"), "decoder regexp has no require: its pattern says what must be there")
	}
	switch sp.Lines {
	case "one":
		c.oneLine = true
	case "many":
	case "":
		// What writes spans and nothing else is an access log.
		c.oneLine = c.decoder != regexpDecoder || len(sp.Kind) == 1 && sp.Kind[0].When.empty()
	default:
		k.fail(at("lines"), "unknown lines %q: one or many", sp.Lines)
	}

	k.records(sp, c)
	// Targets first: patterns refer to them.
	for _, name := range sortedKeys(sp.Fields) {
		t, err := parseTarget(sp.Fields[name])
		if err != nil {
			k.fail(at("fields", name), "%v", err)
			continue
		}
		c.table[name] = t
	}
	k.identity(sp.Keys.Identity, c)
	k.time(sp, c)
	if sp.Wraps != nil {
		k.wraps(sp, c)
	}
	for i, p := range sp.Pattern {
		if q := k.pattern(index("pattern", i, len(sp.Pattern)), p, c); q != nil {
			c.patterns = append(c.patterns, q)
		}
	}
	for i, p := range sp.Continuation {
		if q := k.pattern(index("continuation", i, len(sp.Continuation)), p, c); q != nil {
			c.conts = append(c.conts, q)
		}
	}
	c.require = k.requirements("require", sp.Require)
	c.anyOf = k.requirements("require_any", sp.RequireAny)
	for i := range c.require {
		c.needs.add(c.require[i].name)
	}
	for i := range c.anyOf {
		c.needsAny.add(c.anyOf[i].name)
	}
	if len(sp.Lacks) > 0 && c.decoder != jsonDecoder {
		k.fail(at("lacks"), "only decoder json has lacks")
	}
	if len(c.require) > 32 {
		k.fail(at("require"), "at most 32 fields can be required")
	}
	if c.decoder == columnsDecoder {
		k.columns(sp, c)
	}
	for i, e := range sp.Extract {
		var x extraction
		for j, name := range e.From {
			x.from = append(x.from, k.field(append(at("extract", strconv.Itoa(i)), index("from", j, len(e.From))...), name))
		}
		if len(e.From) == 0 {
			k.fail(at("extract", strconv.Itoa(i)), "from is missing")
		}
		for j, p := range e.Pattern {
			path := append(at("extract", strconv.Itoa(i)), index("pattern", j, len(e.Pattern))...)
			if q := k.pattern(path, p, c); q != nil {
				x.patterns = append(x.patterns, q)
			}
		}
		if len(e.Pattern) == 0 {
			k.fail(at("extract", strconv.Itoa(i)), "pattern is missing")
		}
		c.extract = append(c.extract, x)
	}
	for i, ks := range sp.Kind {
		p := at("kind", strconv.Itoa(i))
		r := kindRule{when: k.cond(append(p, "when"), &ks.When)}
		var ok bool
		if r.kind, ok = kinds[ks.Is]; !ok {
			k.fail(append(p, "is"), "unknown kind %q: log, server, client or internal", ks.Is)
		}
		r.meaning = k.meaning(append(p, "meaning"), ks.Meaning)
		c.kinds = append(c.kinds, r)
	}
	for i, n := range sp.Keys.Context {
		p := at("keys", "context", strconv.Itoa(i))
		switch n {
		case timeline.KeyConnection, timeline.KeyPID, timeline.KeyThread, timeline.KeyClient, timeline.KeyUpstream, timeline.KeyRequest:
			c.context = append(c.context, k.field(p, n))
		default:
			k.fail(p, "unknown context key %q: one of %s, %s, %s, %s, %s, %s", n, timeline.KeyConnection, timeline.KeyPID,
				timeline.KeyThread, timeline.KeyClient, timeline.KeyUpstream, timeline.KeyRequest)
		}
	}
	for i, n := range sp.Keys.Answer {
		c.answer = append(c.answer, k.field(at("keys", "answer", strconv.Itoa(i)), n))
	}
	c.cached = k.conds(at("keys", "cached"), sp.Keys.Cached)
	if b := sp.Keys.Between; b != nil {
		c.between = &between{k.opening("opens", b.Opens), k.opening("closes", b.Closes)}
	}
	for i, n := range sp.Keys.Find.In {
		c.findIn = append(c.findIn, k.field(at("keys", "find", "in", strconv.Itoa(i)), n))
	}
	for i, p := range sp.Keys.Find.Pattern {
		path := append(at("keys", "find"), index("pattern", i, len(sp.Keys.Find.Pattern))...)
		if re := k.re(path, p); re != nil {
			for _, g := range k.groups(re) {
				if g != "request_id" && g != "trace_id" && g != "" {
					k.fail(path, "unknown group %q: request_id or trace_id", g)
				}
			}
			c.find = append(c.find, re)
		}
	}
	for _, s := range sortedKeys(sp.Severity) {
		if s != strings.ToLower(s) {
			k.fail(at("severity", s), "write %q in lower case: severities are compared so", s)
		}
	}
	if c.calls = k.calls(sp.Calls); c.calls != nil {
		c.calls.nginx = sp.System == "" || slices.Contains(nginxes, sp.System) // nobody else writes such lists
	}
	if sp.Ended != nil {
		if len(sp.Ended.Of) > 0 || sp.Ended.Cut == nil {
			c.endedOf = k.fields(at("ended"), "of", sp.Ended.Of)
			c.ended = k.outcomes(at("ended", "table"), sp.Ended.Table)
		}
		if t := sp.Ended.Cut; t != nil {
			c.cut = &cut{k.field(at("ended", "cut", "sent"), t.Sent), k.field(at("ended", "cut", "announced"), t.Announced)}
		}
	}
	for _, name := range sortedKeys(sp.Lifecycle) {
		if l, err := timeline.ParseLifecycle(name); err != nil || l == timeline.NoLifecycle {
			k.fail(at("lifecycle", name), "unknown lifecycle %q", name)
		}
	}
	// The direst word of a message counts: ends before beginnings.
	for l := timeline.ProcessOOMKilled; l > timeline.NoLifecycle; l-- {
		name := l.String()
		for i, p := range sp.Lifecycle[name] {
			if re := k.re(append(at("lifecycle"), index(name, i, len(sp.Lifecycle[name]))...), p); re != nil {
				c.lifecycle = append(c.lifecycle, lifecycleRule{re, l})
			}
		}
	}
	c.uncaught = k.conds(at("uncaught"), sp.Uncaught)
	c.madeUp = k.conds(at("made_up"), sp.MadeUp)
	c.failed = k.conds(at("failed", "any"), sp.Failed.Any)
	for i, l := range sp.Failed.Literals {
		if l == "" {
			k.fail(at("failed", "literals", strconv.Itoa(i)), "an empty literal is in every record")
		}
		for _, v := range spaced(l) {
			if !slices.ContainsFunc(c.literals, func(o []byte) bool { return string(o) == string(v) }) {
				c.literals = append(c.literals, v)
			}
		}
	}
	if len(sp.Failed.Any) == 0 {
		if len(sp.Failed.Literals) > 0 {
			k.fail(at("failed", "literals"), "literals without any say nothing")
		}
		c.literals = [][]byte{} // nothing is failed, so nothing need be looked for
	}
	if sp.Wraps != nil {
		c.literals = nil
	}
	if len(sp.Samples) == 0 && !sp.generated && !k.trusted {
		k.fail(nil, "samples are missing: a format shows at least one record")
	}
	for i, s := range sp.Samples {
		if s.Line == "" {
			k.fail(at("samples", strconv.Itoa(i)), "line is missing")
		}
		if len(s.Want) == 0 && s.Events == nil {
			k.fail(at("samples", strconv.Itoa(i)), "want is missing: say what is read of the line")
		}
	}
	if err := k.err(); err != nil {
		return nil, err
	}
	c.roams = c.oneLine && c.wraps == nil && c.tree == nil && (c.paths == nil || c.paths.nested == 0) && !c.columns.hasHead() && sp.exchanges()
	c.life = lifeOf(c)
	c.exprs = k.exprs
	return c, nil
}

// err joins the complaints in the order of their places.
func (k *compiler) err() error {
	sort.SliceStable(k.errs, func(i, j int) bool {
		var a, b *strictyaml.Error
		if !errors.As(k.errs[i], &a) || !errors.As(k.errs[j], &b) {
			return false
		}
		return a.Line < b.Line || a.Line == b.Line && a.Col < b.Col
	})
	return errors.Join(k.errs...)
}

// requirements reads the names of fields with the form that each must have.
func (k *compiler) requirements(key string, names map[string]string) []requirement {
	var out []requirement
	for _, name := range sortedKeys(names) {
		r := requirement{name: name}
		if p := names[name]; p != "" {
			r.re = k.re(at(key, name), p)
		}
		out = append(out, r)
	}
	return out
}

// opening reads a pattern of keys.between.
func (k *compiler) opening(key, p string) *expr {
	path := at("keys", "between", key)
	re := k.re(path, p)
	if re != nil && !k.trusted && re.group("id") < 0 {
		k.fail(path, "group id is missing")
	}
	return re
}

// index gives the path of item i of a list that may be written as one text.
func index(name string, i, n int) []string {
	if n == 1 {
		return []string{name}
	}
	return []string{name, strconv.Itoa(i)}
}

func (k *compiler) re(path []string, p string) *expr {
	if k.trusted {
		return lazyExpr(p, k.musts[p])
	}
	re, err := compileExpr(p)
	if err != nil {
		k.fail(path, "%v", err)
		return nil
	}
	k.exprs = append(k.exprs, re)
	return re
}

// groups gives the names of an expression's groups that are to be checked.
func (k *compiler) groups(re *expr) []string {
	if k.trusted {
		return nil
	}
	return re.groups()[1:]
}

func (k *compiler) pattern(path []string, p string, c *compiled) *pattern {
	re := k.re(path, p)
	if re == nil {
		return nil
	}
	q := &pattern{re: re, prefix: sync.OnceValue(re.prefix)}
	q.groups = sync.OnceValue(func() []groupTarget { return c.groupTargets(re, nil) })
	if !k.trusted {
		c.groupTargets(re, func(group string) { k.fail(path, "group %q has no target: name it in fields", group) })
	}
	return q
}

// groupTargets gives the groups of an expression that have targets; missing is told the names
// that have none.
func (c *compiled) groupTargets(re *expr, missing func(group string)) []groupTarget {
	var out []groupTarget
	for i, n := range re.groups() {
		if n == "" {
			continue
		}
		if t := c.targetOf(n); t != nil {
			out = append(out, groupTarget{2 * i, t})
		} else if missing != nil {
			missing(n)
		}
	}
	return out
}

func (k *compiler) field(path []string, name string) field {
	f, err := parseField(name)
	if err != nil {
		k.fail(path, "%v", err)
	}
	return f
}

// fields reads a list of names; there must be one.
func (k *compiler) fields(path []string, key string, names list) []field {
	if len(names) == 0 {
		k.fail(path, "%s is missing", key)
	}
	var out []field
	for i, n := range names {
		out = append(out, k.field(append(slices.Clone(path), index(key, i, len(names))...), n))
	}
	return out
}

func (k *compiler) identity(names list, c *compiled) {
	for i, n := range names {
		t := c.table[n]
		if t == nil {
			k.fail(at("keys", "identity", strconv.Itoa(i)), "%q is not in fields", n)
			continue
		}
		if t.op == opAttr {
			t.op = opIdentity
		}
	}
}

// timeTarget gives the target of a stamp, or of a part of one, that is at this place in time.field.
func timeTarget(o op, name string, idx int) *target {
	t := newTarget(o, name)
	t.idx = idx
	return t
}

func (k *compiler) time(sp *spec, c *compiled) {
	ts := &sp.Time
	c.timeNames = ts.Field
	c.unstamped = sync.OnceValue(func() bool {
		return slices.ContainsFunc(c.patterns, func(p *pattern) bool { return !c.stamps(p) })
	})
	for i, n := range ts.Field {
		if t := c.table[n]; t != nil && t.op != opDrop {
			k.fail(at("time", "field"), "%q is in fields too", n)
		}
		if i >= maxTimes {
			k.fail(at("time", "field"), "at most %d fields", maxTimes)
			break
		}
		if date, clock, ok := strings.Cut(n, " "); ok {
			c.table[date] = timeTarget(opTimePart, date, i)
			c.table[clock] = timeTarget(opTimePart, clock, i)
			continue
		}
		c.table[n] = timeTarget(opTime, n, i)
	}
	if ts.Nanos != "" {
		c.table[ts.Nanos] = newTarget(opTimeNanos, ts.Nanos)
	}
	if len(ts.Field) > 0 && len(ts.Layout) == 0 {
		k.fail(at("time"), "layout is missing")
	}
	for i, l := range ts.Layout {
		lay, err := parseLayout(l)
		if err != nil {
			k.fail(append(at("time"), index("layout", i, len(ts.Layout))...), "%v", err)
		}
		c.layouts = append(c.layouts, lay)
	}
	c.meaning = k.meaning(at("time", "meaning"), ts.Meaning)
	if len(ts.Field) > 0 && c.meaning == timeline.MeaningUnknown {
		k.fail(at("time"), "meaning is missing: start, end or within")
	}
	c.res = k.duration(at("time", "resolution"), ts.Resolution)
	if ts.Zone != "" {
		loc, err := zoneNamed(ts.Zone)
		if err != nil {
			k.fail(at("time", "zone"), "%v", err)
		}
		c.zone = loc
	}
	c.durRes = k.duration(at("duration", "resolution"), sp.Duration.Resolution)
}

func (k *compiler) duration(path []string, s string) time.Duration {
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		k.fail(path, "%q is not a positive duration such as 1ms", s)
	}
	return d
}

func (k *compiler) meaning(path []string, s string) timeline.Meaning {
	switch s {
	case "":
		return timeline.MeaningUnknown
	case "start":
		return timeline.Start
	case "end":
		return timeline.End
	case "within":
		return timeline.Within
	}
	k.fail(path, "unknown meaning %q: start, end or within", s)
	return timeline.MeaningUnknown
}

func (k *compiler) records(sp *spec, c *compiled) {
	if c.decoder != jsonDecoder && c.decoder != treeFormat {
		if len(sp.Records) > 0 {
			k.fail(at("records"), "only JSON has records inside of others")
		}
		return
	}
	var list []recordPath
	for i, s := range sp.Records {
		p, err := parsePath(s)
		if err != nil {
			k.fail(index("records", i, len(sp.Records)), "%v", err)
			continue
		}
		list = append(list, p)
	}
	if len(list) > maxPaths/2-1 {
		k.fail(at("records"), "at most %d paths", maxPaths/2-1)
		return
	}
	c.paths = newPaths(list)
}

func (k *compiler) wraps(sp *spec, c *compiled) {
	w := &wrapper{field: sp.Wraps.Field, stream: sp.Wraps.Stream, json: sp.Wraps.Escape == "json", octal: sp.Wraps.Escape == "octal"}
	if sp.Wraps.Field == "" {
		k.fail(at("wraps"), "field is missing")
	}
	if e := sp.Wraps.Escape; e != "" && e != "json" && e != "octal" {
		k.fail(at("wraps", "escape"), "unknown escape %q: json, octal or nothing", e)
	}
	if c.decoder == logfmtDecoder || c.decoder == columnsDecoder || c.decoder == treeFormat {
		k.fail(at("wraps"), "decoder %s cannot wrap", sp.Decoder)
	}
	switch p := sp.Wraps.Partial; {
	case p == "":
	case p == "newline":
		w.newline = true
	case strings.Contains(p, "="):
		w.partialField, w.partialValue, _ = strings.Cut(p, "=")
	default:
		k.fail(at("wraps", "partial"), "want newline or FIELD=VALUE")
	}
	for i, name := range append(list{sp.Wraps.Field, w.partialField}, sp.Wraps.Stream...) {
		if name == "" || c.table[name] != nil || aliases[name] != nil {
			continue
		}
		if i == 0 {
			c.table[name] = newTarget(opBody, "body")
		} else {
			c.table[name] = newTarget(opAttr, name)
		}
	}
	targetOf := func(name string) *target {
		if t := c.table[name]; t != nil {
			return t
		}
		return aliases[name]
	}
	for _, name := range sp.Wraps.Stream {
		t := targetOf(name)
		w.within = append(w.within, t != nil && (t.name == "process.pid" || t.name == "thread.id"))
	}
	if c.decoder == jsonDecoder && strings.Contains(sp.Wraps.Field, ".") {
		w.path = strings.Split(sp.Wraps.Field, ".")
	}
	t := targetOf(sp.Wraps.Field)
	w.whole = t != nil && t.op == opBody
	c.wraps = w
}

func (k *compiler) calls(sp *callsSpec) *callRules {
	if sp == nil {
		return nil
	}
	r := &callRules{noPeer: sp.NoPeer, when: k.cond(at("calls", "when"), &sp.When), own: k.cond(at("calls", "own_made"), &sp.OwnMade)}
	switch sp.Form {
	case "attempts":
		r.form = callAttempts
	case "backend":
		r.form = callBackend
	case "self":
		r.form = callSelf
	case "forward":
		r.form = callForward
	case "message":
		r.form = callMessage
	default:
		k.fail(at("calls", "form"), "unknown form %q: attempts, backend, forward, self or message", sp.Form)
	}
	r.errors = k.outcomes(at("calls", "error"), sp.Error)
	if sp.Ended != nil {
		r.stateOf = k.fields(at("calls", "ended"), "of", sp.Ended.Of)
		r.states = k.outcomes(at("calls", "ended", "table"), sp.Ended.Table)
	}
	if t := sp.Tries; t != nil {
		r.tries = &tryRules{of: k.field(at("calls", "tries", "of"), t.Of), peer: t.Peer, port: t.Port, status: t.Status, start: t.Start}
		if t.Peer == "" {
			k.fail(at("calls", "tries"), "peer is missing")
		}
		if t.Ended != nil {
			r.tries.stateOf = t.Ended.Of
			r.tries.states = k.outcomes(at("calls", "tries", "ended", "table"), t.Ended.Table)
		}
	}
	return r
}

func (k *compiler) outcomes(path []string, es []entrySpec) []outcomeRule {
	var out []outcomeRule
	for i, e := range es {
		p := append(append([]string{}, path...), strconv.Itoa(i))
		o, err := timeline.ParseOutcome(e.Is)
		if err != nil {
			k.fail(append(p, "is"), "%v", err)
			continue
		}
		if re := k.re(append(p, "match"), e.Match); re != nil {
			out = append(out, outcomeRule{re, o})
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

var kinds = map[string]timeline.Kind{
	"log": timeline.LogRecord, "server": timeline.ServerSpan, "client": timeline.ClientSpan, "internal": timeline.InternalSpan,
}
