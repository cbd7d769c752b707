package rules

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/correlatehq/correlate/internal/strictyaml"
	"github.com/correlatehq/correlate/timeline"
)

// checksMost bounds the checks of a verdict.
const checksMost = 5

//go:embed playbook.yaml
var playbookFile []byte

// playbook says what to look at next for each cause class.
var playbook = sync.OnceValue(func() map[string][]check {
	checks, errs := readPlaybook("playbook.yaml", playbookFile)
	if len(errs) > 0 {
		panic(errors.Join(errs...)) // the file is part of the program and its test reads it
	}
	return checks
})

// A check is one thing to look at, in one or several ways to say it: the first stands for
// which this request has all values.
type check []string

// UnmarshalYAML reads a text or a list of texts.
func (c *check) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*c = check{n.Value}
		return nil
	}
	return n.Decode((*[]string)(c))
}

// readPlaybook reads the checks by cause class from a file with a doc and checks.
func readPlaybook(name string, data []byte) (map[string][]check, []error) {
	var f struct {
		Doc    string             `yaml:"doc"`
		Checks map[string][]check `yaml:"checks"`
	}
	root, err := strictyaml.Decode(name, data, &f)
	if err != nil {
		return nil, []error{err}
	}
	var errs []error
	for cause, checks := range f.Checks {
		if !slices.Contains(CauseClasses, cause) {
			errs = append(errs, strictyaml.At(name, root, []string{"checks", cause}, "unknown cause class %q", cause))
		}
		for i, c := range checks {
			for _, text := range c {
				if what := unknownPlaceholder(text); what != "" {
					errs = append(errs, strictyaml.At(name, root, []string{"checks", cause, strconv.Itoa(i)}, "%s", what))
				}
			}
		}
	}
	for _, cause := range CauseClasses {
		if len(f.Checks[cause]) == 0 {
			errs = append(errs, strictyaml.At(name, root, []string{"checks"}, "no checks for %s", cause))
		}
	}
	return f.Checks, errs
}

// placeholder is what a check may hold.
var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// A placeholderDoc says what stands for a placeholder of a check.
type placeholderDoc struct{ name, doc string }

// placeholders are all that a check may name. A check whose placeholder has no value for
// a request is left out, so that what is said is always concrete.
var placeholders = []placeholderDoc{
	{"{service}", "the origin"},
	{"{host}", "its host"},
	{"{component}", "the guilty neighbour, else the origin"},
	{"{component_host}", "the host of the component"},
	{"{neighbour}", "the component, if it is not the origin itself"},
	{"{database}", "the component, if it is a database or another store"},
	{"{third_party}", "the component, if nothing of it was logged and it is neither one of the services that log nor a store"},
	{"{refusal}", "the 4xx that the origin received"},
	{"{refused_by}", "who refused the request: the component that answered so, else the origin if it asked nobody"},
	{"{method}", "of the request"},
	{"{path}", "the route, else the path of the request"},
	{"{time}", "when the request began"},
	{"{length}", "how long the request took"},
	{"{peer}", "the address and port by which the origin called, if it logged them"},
	{"{call}", "method and target of the origin's failed call"},
	{"{write}", "the same, if it is to change something"},
	{"{waited}", "how long the origin waited, if it gave up"},
	{"{worked}", "how long the component took in all"},
	{"{waits}", "how long each hop from the root to the component waited or worked"},
	{"{attempts}", "how often the failed call was tried, if more than once"},
	{"{pool}", "the pool of which the origin says that it had nothing left"},
	{"{disk}", "the disk, likewise"},
	{"{memory}", "the memory, likewise"},
	{"{place}", "file, line and function of the error"},
	{"{error}", "the type of the error"},
	{"{log}", "the log of the component in which this request stands"},
	{"{own_log}", "the log of the origin in which this request stands"},
	{"{started}", "when the origin's process started, if that was within 10 minutes before"},
	{"{restarted}", "when the component was stopped or started, if that was then"},
}

func unknownPlaceholder(check string) string {
	for _, p := range placeholder.FindAllString(check, -1) {
		if !slices.ContainsFunc(placeholders, func(d placeholderDoc) bool { return d.name == p }) {
			var names []string
			for _, d := range placeholders {
				names = append(names, d.name)
			}
			return fmt.Sprintf("unknown placeholder %s: one of %s", p, strings.Join(names, ", "))
		}
	}
	return ""
}

// nextChecks gives what to look at next: what the rule says, then what the playbook says
// of the cause, each with the values of this request.
func (j *judgement) nextChecks(best *finding, v *Verdict) []string {
	out := make([]string, 0, checksMost)
	add := func(c check) {
		if len(out) == checksMost {
			return
		}
		for _, text := range c {
			if s := j.concrete(text, v); s != "" {
				if !slices.Contains(out, s) {
					out = append(out, s)
				}
				return
			}
		}
	}
	if best != nil {
		for _, text := range best.rule.next {
			add(check{text})
		}
	}
	for _, c := range playbook()[v.CauseClass] {
		add(c)
	}
	if n := j.near.Same(v.Exception); n > 0 {
		out = append(out, fmt.Sprintf("the same error: %s failed with it", counted(n, "other request")))
	}
	return out
}

// concrete puts the values of this request into a check; "" if one is not known.
func (j *judgement) concrete(text string, v *Verdict) string {
	var room [256]byte
	b := room[:0]
	for {
		before, rest, ok := strings.Cut(text, "{")
		b = append(b, before...)
		if !ok {
			return string(b)
		}
		var name string
		name, text, _ = strings.Cut(rest, "}")
		value := j.value("{"+name+"}", v)
		if value == "" {
			return ""
		}
		b = append(b, shorten(value, 300)...)
	}
}

// value gives what stands for a placeholder; "" if it is not known.
func (j *judgement) value(placeholder string, v *Verdict) string {
	origin, c := v.Origin, v.Origin.FailedBy
	component := j.componentHop(v)
	switch placeholder {
	case "{service}":
		return name(origin)
	case "{host}":
		return hostOf(origin)
	case "{component}":
		if v.Component == "" {
			return name(origin)
		}
		return v.Component
	case "{component_host}":
		if component != nil {
			return component.Host
		}
	case "{neighbour}":
		return v.Component
	case "{database}":
		if j.isStore(v.Component) {
			return v.Component
		}
	case "{third_party}":
		if j.isThirdParty(v.Component) {
			return v.Component
		}
	case "{refusal}":
		if got := origin.Received; got.Refused() {
			return got.String()
		}
	case "{refused_by}":
		switch {
		case v.Component == "":
			return name(origin)
		case !origin.Received.Known() || origin.Received.Refused():
			return v.Component
		}
	case "{pool}", "{disk}", "{memory}":
		return j.lacked(v, strings.Trim(placeholder, "{}"))
	case "{method}":
		return j.request.Method
	case "{path}":
		return pathOf(j.request)
	case "{time}":
		if j.request.Start.Known() {
			return clockTime(j.request.Start.Time)
		}
	case "{length}":
		if j.request.Length >= 0 {
			return durationWords(j.request.Length)
		}
	case "{peer}":
		if c != nil && addressForm.MatchString(c.Peer) {
			return c.Peer
		}
	case "{call}":
		if c != nil {
			return strings.TrimSpace(c.Method + " " + c.Target)
		}
	case "{write}":
		if c != nil && c.Method != "" && !safe(c.Method) {
			return strings.TrimSpace(c.Method + " " + c.Target)
		}
	case "{waited}":
		if c != nil && (c.Ended == timeline.GaveUp || c.Ended == timeline.ConnectGaveUp) {
			return durationWords(j.views.of(origin).FailedBy.Duration)
		}
	case "{worked}":
		if component != nil && component != origin {
			if start, end, whole := timeOf(component); whole && !end.Time.Before(start.Time) {
				return durationWords(end.Time.Sub(start.Time))
			}
		}
	case "{waits}":
		return j.waits(v)
	case "{attempts}":
		if c != nil && c.Attempt > 1 {
			return fmt.Sprint(c.Attempt)
		}
	case "{place}":
		if x := v.Exception; x != nil && x.File != "" {
			s := place(x.File, x.Line)
			if x.Function != "" {
				s += " in " + x.Function
			}
			return s
		}
	case "{error}":
		if x := v.Exception; x != nil {
			return x.Type
		}
	case "{log}":
		if component != nil && component != origin {
			return logOf(component)
		}
	case "{own_log}":
		return logOf(origin)
	case "{started}":
		if p := origin.Process; p != nil && p.Start.Known() && j.request.Start.Known() {
			if age := j.request.Start.Time.Sub(p.Start.Time); age >= -time.Minute && age <= freshFor {
				return clockTime(p.Start.Time)
			}
		}
	case "{restarted}":
		if state, p := j.views.near.state(c); state == stateRestarting {
			for _, at := range []timeline.Instant{p.Stopping, p.Start, p.End} {
				if at.Known() {
					return clockTime(at.Time)
				}
			}
		}
	}
	return ""
}

// lackWords are those by which programs say that they had nothing left of something: of a pool of connections or workers, a disk, memory.
var lackWords = map[string]*regexp.Regexp{
	"pool":   regexp.MustCompile(`(?i)\bpool\b|[a-z]pool|too many (?:clients|connections)|connection slots`),
	"disk":   regexp.MustCompile(`(?i)no space left|ENOSPC|\bdisk\b|quota exceeded`),
	"memory": regexp.MustCompile(`(?i)\bmemory\b|\bheap\b|\bOOM\b|MemoryError|cannot allocate`),
}

// lacked gives back the word for what the origin had nothing left of; "" if its words are about something else.
func (j *judgement) lacked(v *Verdict, what string) string {
	if v.CauseClass != "resource_exhaustion" || !lackWords[what].MatchString(v.Summary+" "+j.views.of(v.Origin).errorText()) {
		return ""
	}
	return what
}

// stores are the systems that keep data for others.
var stores = []string{"postgresql", "mysql", "mariadb", "mongodb", "redis", "elasticsearch", "opensearch", "cassandra", "memcached", "oracle", "mssql", "sqlite", "clickhouse", "dynamodb"}

// isStore says whether a party keeps data for others, as its software or the errors of the origin tell.
func (j *judgement) isStore(party string) bool {
	if party == "" {
		return false
	}
	if h := j.hopNamed(party); h != nil && h.System != "" {
		return slices.Contains(stores, h.System)
	}
	for e := range j.views.of(j.trail.Origin).signalled {
		for _, s := range e.signals {
			if s.Points == "dependency" && slices.Contains(stores, s.Dependency) {
				return true
			}
		}
	}
	return false
}

// isThirdParty says whether a party is somebody else's: no log of it was read, and it is no store.
func (j *judgement) isThirdParty(party string) bool {
	if party == "" || j.isStore(party) {
		return false
	}
	if h := j.hopNamed(party); h != nil {
		return h.Silent && h.Role == timeline.RoleDependency
	}
	host, _, _ := strings.Cut(party, ":")
	return strings.Contains(host, ".") && net.ParseIP(host) == nil
}

// addressForm is how an address with its port looks.
var addressForm = regexp.MustCompile(`:\d+$`)

// freshFor is for how long after its start a process counts as just started.
const freshFor = 10 * time.Minute

func clockTime(t time.Time) string { return t.UTC().Format("15:04:05Z") }

// componentHop is the hop of the component, nil if it has none; the origin's own if it is at fault itself.
func (j *judgement) componentHop(v *Verdict) *timeline.Hop {
	if v.Component == "" {
		return v.Origin
	}
	return j.hopNamed(v.Component)
}

// hopNamed finds the first hop with this name; nil if there is none.
func (j *judgement) hopNamed(s string) *timeline.Hop {
	if s == "" {
		return nil
	}
	for _, h := range j.request.Hops {
		if name(h) == s {
			return h
		}
	}
	return nil
}

// logOf gives the log in which the records of a hop stand.
func logOf(h *timeline.Hop) string {
	if e := record(h); e != nil {
		return e.Pos.Path
	}
	for _, e := range h.Events {
		if e.Join != timeline.ByInferred {
			return e.Pos.Path
		}
	}
	return ""
}

// waits tells how long each hop from the root down to the component waited or worked:
// the time limits that can be seen, the outermost first.
func (j *judgement) waits(v *Verdict) string {
	component := j.componentHop(v)
	if component == nil || component == v.Origin {
		return ""
	}
	var way []*timeline.Hop
	for h := component; h != nil; h = h.Caller.Caller {
		way = append(way, h)
		if h.Caller == nil || len(way) > 64 {
			break
		}
	}
	slices.Reverse(way)
	var parts []string
	above := true
	for _, h := range way {
		did := "took"
		start, end, whole := timeOf(h)
		switch {
		case !start.Known() || !end.Known() || !end.Time.After(start.Time):
			continue // a record that tells no length
		case h == v.Origin:
			did, above = "gave up after", false
		case above:
			did = "waited"
		case h.Lineage == timeline.Aborted:
			did = "was left after"
		case !whole:
			did = "took at least"
		}
		parts = append(parts, fmt.Sprintf("%s %s %s", name(h), did, durationWords(end.Time.Sub(start.Time))))
	}
	return list(parts)
}

func pathOf(r *timeline.Request) string {
	switch {
	case r.Route != "":
		return r.Route
	case r.Path != "":
		path, _, _ := strings.Cut(r.Path, "?")
		return path
	}
	return "this request"
}
