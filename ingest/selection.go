package ingest

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// A Selection is a filter made ready for events that a server gave: it tells which of them
// are wanted, since a server is asked for more than that. It is not changed once it is
// made and may be used from several goroutines.
type Selection struct {
	From, To  time.Time
	Keys      []timeline.Key // asked for, each once
	Failed    []*timeline.Failed
	Lifecycle bool
	PerStream int // records asked for as a sample of each stream; 0 is none
	InAll     int // of all streams together that are enough; 0 if that is not known
	Near      bool
	Within    map[string][]timeline.Window // see [timeline.Filter]
	Some      bool                         // the same

	near   map[string][]timeline.Window // by host, in order, apart from each other
	wanted map[string]bool              // forms of the keys
	forms  [][]string                   // of each key
	// prefixes finds by their first bytes the spellings that can stand in text.
	prefixes map[string][]spelling
}

// A spelling is a text by which a record may hold a key.
type spelling struct {
	text string
	key  int
}

// prefixLength is that of the shortest text that can be meant as a key within other text.
const prefixLength = 5

// Select makes f ready.
func Select(f timeline.Filter) *Selection {
	s := &Selection{From: f.From, To: f.To, Within: f.Within, Some: f.Some, wanted: map[string]bool{}, prefixes: map[string][]spelling{}}
	near := map[string][]timeline.Window{}
	seen := map[string]bool{}
	for _, w := range f.Any {
		for _, k := range w.Keys {
			if k.Value == "" || seen[k.String()] {
				continue
			}
			seen[k.String()] = true
			s.add(k)
		}
		switch {
		case w.Failed != nil:
			s.Failed = append(s.Failed, w.Failed)
		case w.Near != nil:
			near[w.Near.Host] = append(near[w.Near.Host], *w.Near)
		case w.Sample != nil:
			s.PerStream, s.InAll = max(s.PerStream, w.Sample.PerStream), max(s.InAll, w.Sample.InAll)
		}
		s.Lifecycle = s.Lifecycle || w.Lifecycle
	}
	s.near = map[string][]timeline.Window{}
	for host, ws := range near {
		s.near[host] = JoinWindows(ws)
		s.Near = s.Near || len(s.near[host]) > 0
	}
	return s
}

func (s *Selection) add(k timeline.Key) {
	forms := k.Forms()
	for _, f := range forms {
		s.wanted[f] = true
	}
	for _, sp := range k.Spellings() {
		if TellsInText(sp) {
			s.prefixes[sp[:prefixLength]] = append(s.prefixes[sp[:prefixLength]], spelling{sp, len(s.Keys)})
		}
	}
	s.Keys = append(s.Keys, k)
	s.forms = append(s.forms, forms)
}

// Spellings gives the texts of which every record that holds one of the keys contains one.
func (s *Selection) Spellings() []string {
	var out []string
	for _, k := range s.Keys {
		out = append(out, k.Spellings()...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Windows gives the windows of one host that are wanted, those of all hosts among them,
// in order and apart from each other.
func (s *Selection) Windows(host string) []timeline.Window {
	if host == "" || len(s.near[""]) == 0 {
		return s.near[host]
	}
	return JoinWindows(slices.Concat(s.near[host], s.near[""]))
}

// WindowHosts gives the hosts of which windows are wanted, in order; "" stands for all.
func (s *Selection) WindowHosts() []string { return slices.Sorted(maps.Keys(s.near)) }

// AllWindows gives the windows of all hosts as one list, in order and apart from each other.
func (s *Selection) AllWindows() []timeline.Window {
	var all []timeline.Window
	for _, host := range slices.Sorted(maps.Keys(s.near)) {
		all = append(all, s.near[host]...)
	}
	return JoinWindows(all)
}

// JoinWindows sorts windows and joins those that overlap; of several hosts the first is named.
func JoinWindows(ws []timeline.Window) []timeline.Window {
	slices.SortFunc(ws, func(a, b timeline.Window) int {
		return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To), strings.Compare(a.Host, b.Host))
	})
	var out []timeline.Window
	for _, w := range ws {
		switch n := len(out); {
		case !w.From.Before(w.To):
		case n > 0 && !w.From.After(out[n-1].To):
			if w.To.After(out[n-1].To) {
				out[n-1].To = w.To
			}
		default:
			out = append(out, w)
		}
	}
	return out
}

// sampledLeast is how many records of a stream are taken at least where all streams share.
const sampledLeast = 40

// SampleOf gives how many records are to be taken of each of so many streams.
func SampleOf(perStream, inAll, streams int) int {
	if inAll == 0 {
		return perStream
	}
	return min(perStream, max(inAll/max(streams, 1), sampledLeast))
}

// InTime says whether the filter's bounds let the event through.
func (s *Selection) InTime(e *timeline.Event) bool {
	return (s.From.IsZero() || !e.Time.Before(s.From)) && (s.To.IsZero() || e.Time.Before(s.To))
}

// Wants says whether the filter wants the event, the sample aside. A key asked for that
// stands in text, which is e.Raw and what else the record says, and not as one of its keys
// becomes one, as a mention.
func (s *Selection) Wants(e *timeline.Event, more ...string) bool {
	if !s.InTime(e) {
		return false
	}
	if len(s.Keys) > 0 && s.wantsKeys(e, more) {
		return true
	}
	return s.Lifecycle && e.Lifecycle != timeline.NoLifecycle ||
		slices.ContainsFunc(s.Failed, func(f *timeline.Failed) bool { return f.Match(e) }) ||
		s.isNear(e)
}

func (s *Selection) isNear(e *timeline.Event) bool {
	if e.Time.IsZero() {
		return false
	}
	in := func(ws []timeline.Window) bool {
		i := sort.Search(len(ws), func(i int) bool { return ws[i].To.After(e.Time) })
		return i < len(ws) && !e.Time.Before(ws[i].From)
	}
	return in(s.near[e.Host]) || in(s.near[""])
}

func (s *Selection) wantsKeys(e *timeline.Event, more []string) bool {
	var have []string
	for _, k := range e.Keys {
		if k.Strength == timeline.Identity {
			have = append(have, k.Forms()...)
		}
	}
	wanted := slices.ContainsFunc(have, func(form string) bool { return s.wanted[form] })
	take := func(key int) {
		if slices.ContainsFunc(s.forms[key], func(form string) bool { return slices.Contains(have, form) }) {
			return
		}
		k := s.Keys[key]
		k.Scope, k.Strength = "", timeline.Mention
		e.Keys = append(e.Keys, k)
		e.Attrs.Set("key.found", "text")
		have = append(have, s.forms[key]...)
		wanted = true
	}
	s.find(e.Raw, take)
	for _, text := range more {
		s.find([]byte(text), take)
	}
	return wanted
}

// Mentions says whether one of the keys stands in the text.
func (s *Selection) Mentions(text []byte) bool {
	found := false
	s.find(text, func(int) { found = true })
	return found
}

// find calls take for each key that stands in text as a token of its own.
func (s *Selection) find(text []byte, take func(key int)) {
	if len(s.prefixes) == 0 {
		return
	}
	for i := 0; i+prefixLength <= len(text); i++ {
		if !beginsToken(text, i) {
			continue
		}
		for _, sp := range s.prefixes[string(text[i:i+prefixLength])] {
			if end := i + len(sp.text); bytes.HasPrefix(text[i:], []byte(sp.text)) && (end == len(text) || !isAlnum(text[end])) {
				take(sp.key)
			}
		}
	}
}

// TellsInText says whether a value that stands somewhere in a record can be meant as a key;
// if not it counts only where it is a key of the event. A short number, a port or a
// duration say, stands in every other record.
func TellsInText(value string) bool {
	if len(value) < 8 && strings.Trim(value, "0123456789") == "" {
		return false
	}
	return len(value) >= prefixLength
}

// beginsToken says whether no letter or digit stands before text[at]. The letter of an
// escape such as \n, as in JSON, is none.
func beginsToken(text []byte, at int) bool {
	if at == 0 || !isAlnum(text[at-1]) {
		return true
	}
	return at >= 2 && text[at-2] == '\\' && (text[at-1] == 'n' || text[at-1] == 'r' || text[at-1] == 't')
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// Complete fills what a decoded record leaves open: the service and the host by what its
// stream says, the role by the configuration, the scope of context keys. A service that only
// names the software that wrote the record is none.
func Complete(e *timeline.Event, service, host string, c Config) {
	if e.Service == "" || SoftwareOnly(e) {
		e.Service = service
	}
	if e.Host == "" {
		e.Host = host
	}
	if c.Role != timeline.RoleUnknown {
		e.Role = c.Role
	}
	for i := range e.Keys {
		if e.Keys[i].Strength == timeline.Context {
			e.Keys[i].Scope = e.Host
		}
	}
}
