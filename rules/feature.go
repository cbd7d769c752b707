package rules

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// A Judged is a failed request with the verdict on it.
type Judged struct {
	Request *timeline.Request
	Verdict *Verdict
}

// A lens says by which services the requests of a group are looked at: those that its verdicts name. Failed and succeeded ones are looked at in the same way.
type lens struct {
	origin, component string
	root              string // the usual outermost service of the failed ones
	*scene
}

// A scene is what is known beside single requests.
type scene struct {
	hosts map[[2]string]string           // see learnHosts
	lives map[string][]*timeline.Process // by service, by host and begin
	seen  map[[2]string]time.Time        // service, host -> when it last began to serve a request
}

func newScene(p *Population) *scene {
	s := &scene{hosts: learnHosts(p.Succeeded), lives: map[string][]*timeline.Process{}, seen: map[[2]string]time.Time{}}
	for _, life := range p.Processes {
		s.lives[life.Service] = append(s.lives[life.Service], life)
	}
	see := func(r *timeline.Request) {
		for _, h := range r.Hops {
			if k := [2]string{h.Service, h.Host}; !h.Silent && h.Start.Earliest.After(s.seen[k]) {
				s.seen[k] = h.Start.Earliest
			}
		}
	}
	for i := range p.Succeeded {
		see(p.Succeeded[i].Request)
	}
	for _, g := range p.Groups {
		for _, j := range g {
			see(j.Request)
		}
	}
	return s
}

// A feature is what may set failed requests apart: of a request the texts of it, none if it is not known, or a number, NaN if it is not.
type feature struct {
	name, doc string
	texts     func(*lens, *timeline.Request) []string
	wider     func(string) string // of a text, what stands for it and others where none of them is of most failed requests; nil: nothing does
	number    func(*lens, *timeline.Request) float64
	words     func(float64) string // of a number
	moment    bool                 // the number is seconds since 1970
}

// features are those that rules may ask of. Beside them there is every attribute of the records of the origin or of the component, as in "origin.service.version".
var features = []*feature{
	{name: "http.route", doc: "method and shape of the path, as the outermost hop saw them", texts: func(l *lens, r *timeline.Request) []string {
		if root := r.Root(); root == nil || root.Service != l.root || r.Path == "" || !tied(root) {
			return nil
		}
		return []string{strings.TrimSpace(r.Method + " " + timeline.PathShape(r.Path))}
	}},
	{name: "client.address", doc: "address of the client, as the outermost hop saw it", texts: func(l *lens, r *timeline.Request) []string { return l.client(r, "client.address") }},
	{name: "user_agent.original", doc: "what the client called itself", texts: func(l *lens, r *timeline.Request) []string { return l.client(r, "user_agent.original") }},
	{name: "origin.instance", doc: "hosts of the origin's service that it went through", texts: func(l *lens, r *timeline.Request) []string { return l.instances(r, l.origin) }},
	{name: "component.instance", doc: "hosts of the component that it went through", texts: func(l *lens, r *timeline.Request) []string { return l.instances(r, l.component) }},
	{name: "origin.away", doc: "instances of the origin's service that were down, stopping or starting meanwhile", wider: anyInstance, texts: func(l *lens, r *timeline.Request) []string { return l.away(r, l.origin) }},
	{name: "component.away", doc: "instances of the component that were down, stopping or starting meanwhile", wider: anyInstance, texts: func(l *lens, r *timeline.Request) []string { return l.away(r, l.component) }},
	{name: "origin.address", doc: "addresses without a log that the origin's service called", texts: (*lens).addresses},
	{name: "http.request.body.size", doc: "bytes of the request's body", number: (*lens).bodySize, words: byteWords},
	{name: "origin.started", doc: "when the process of the origin's service began that handled it", number: func(l *lens, r *timeline.Request) float64 { return l.started(r, l.origin) }, words: momentWords, moment: true},
	{name: "component.started", doc: "when the process of the component began that handled it", number: func(l *lens, r *timeline.Request) float64 { return l.started(r, l.component) }, words: momentWords, moment: true},
	{name: "origin.wait", doc: "how long the origin's service waited for the slowest of its calls, or took where it logged none with its time", number: (*lens).wait, words: func(x float64) string { return durationWords(time.Duration(x * float64(time.Second))) }},
	{name: "time", doc: "when it began", number: func(_ *lens, r *timeline.Request) float64 { return seconds(r.Start) }, words: momentWords, moment: true},
}

// tied says whether an ID ties the hop to its request, itself or, where nobody logged it, by its caller. Ties by likeness are looked for where requests failed, so
// that a hop that is tied so tells that the request failed, and nothing else.
func tied(h *timeline.Hop) bool {
	if h.Silent && h.Caller != nil {
		return tied(h.Caller.Caller)
	}
	return slices.ContainsFunc(h.Events, func(e *timeline.Joined) bool { return e.Join != timeline.ByInferred })
}

// hops gives the hops of a service that IDs tie to the request.
func hops(r *timeline.Request, service string) []*timeline.Hop {
	var out []*timeline.Hop
	for _, h := range r.Hops {
		if h.Service == service && service != "" && tied(h) {
			out = append(out, h)
		}
	}
	return out
}

func featureOf(name string) *feature {
	if i := slices.IndexFunc(features, func(f *feature) bool { return f.name == name }); i >= 0 {
		return features[i]
	}
	whose, attr, ok := strings.Cut(name, ".")
	if !ok || !strings.Contains(attr, ".") || whose != "origin" && whose != "component" {
		return nil
	}
	return &feature{name: name, texts: func(l *lens, r *timeline.Request) []string {
		service := l.origin
		if whose == "component" {
			service = l.component
		}
		return valuesOf(r, service, attr)
	}}
}

// valuesOf gives what the records of a service say of an attribute of theirs, each once.
func valuesOf(r *timeline.Request, service, name string) []string {
	var out []string
	for _, h := range hops(r, service) {
		for _, e := range h.Events {
			if v := e.Attrs.Get(name); v != "" {
				out = append(out, v)
			}
		}
	}
	return sorted(out)
}

func sorted(texts []string) []string {
	slices.Sort(texts)
	return slices.Compact(texts)
}

// seconds gives a moment as seconds since 1970.
func seconds(a timeline.Instant) float64 {
	if !a.Known() {
		return math.NaN()
	}
	return float64(a.Time.UnixMicro()) / 1e6
}

func momentWords(x float64) string {
	if math.IsInf(x, -1) {
		return "before the logs begin"
	}
	return time.UnixMicro(int64(x * 1e6)).UTC().Format("2006-01-02 15:04:05Z")
}

// byteWords writes a size: 412 B, 71 kB, 2.4 MB.
func byteWords(x float64) string {
	switch {
	case x < 1000:
		return fmt.Sprintf("%.0f B", x)
	case x < 999_950:
		return trimZero(fmt.Sprintf("%.1f", x/1000)) + " kB"
	}
	return trimZero(fmt.Sprintf("%.1f", x/1e6)) + " MB"
}

// instanceLearn is how often a peer must have been the same host to be held to be it.
const instanceLearn = 3

// newLens looks by what all verdicts of a group name alike.
func newLens(group []Judged, s *scene) *lens {
	l := &lens{scene: s}
	roots := map[string]int{}
	for i, j := range group {
		origin := ""
		if j.Verdict.Origin != nil {
			origin = j.Verdict.Origin.Service
		}
		if i == 0 {
			l.origin, l.component = origin, j.Verdict.Component
		}
		if origin != l.origin {
			l.origin = ""
		}
		if j.Verdict.Component != l.component {
			l.component = ""
		}
		if root := j.Request.Root(); root != nil {
			roots[root.Service]++
		}
	}
	for name, n := range roots {
		if best := roots[l.root]; n > best || n == best && name < l.root {
			l.root = name
		}
	}
	return l
}

// learnHosts tells which host answers at which peer that logs, "" where the successes do not always show the same one.
func learnHosts(succeeded []timeline.Sampled) map[[2]string]string {
	counts := map[[2]string]map[string]int{}
	for _, s := range succeeded {
		for _, c := range s.Calls {
			if c.Callee == nil || c.Callee.Silent || c.Callee.Host == "" || c.Peer == "" {
				continue
			}
			k := [2]string{c.Caller.Service, c.Peer}
			if counts[k] == nil {
				counts[k] = map[string]int{}
			}
			counts[k][c.Callee.Host]++
		}
	}
	out := map[[2]string]string{}
	for k, hosts := range counts {
		out[k] = ""
		for h, n := range hosts {
			if len(hosts) == 1 && n >= instanceLearn {
				out[k] = h
			}
		}
	}
	return out
}

// instances gives the hosts of a service that a request went through, or was to.
func (l *lens) instances(r *timeline.Request, service string) []string {
	var out []string
	for _, h := range hops(r, service) {
		switch {
		case h.Host != "":
			out = append(out, h.Host)
		case h.Caller != nil:
			if host := l.hosts[[2]string{h.Caller.Caller.Service, h.Caller.Peer}]; host != "" {
				out = append(out, host)
			}
		}
	}
	return sorted(out)
}

// client gives what the outermost hop logged of the client.
func (l *lens) client(r *timeline.Request, name string) []string {
	root := r.Root()
	if root == nil || root.Service != l.root || !tied(root) {
		return nil
	}
	for _, e := range root.Events {
		if v := e.Attrs.Get(name); v != "" && e.Kind == timeline.ServerSpan && e.Join != timeline.ByInferred {
			return []string{v}
		}
	}
	return nil
}

// addresses gives what the origin's service called that left no log.
func (l *lens) addresses(r *timeline.Request) []string {
	var out []string
	for _, h := range hops(r, l.origin) {
		for _, c := range h.Calls {
			if _, logs := l.hosts[[2]string{h.Service, c.Peer}]; c.Callee != nil && c.Callee.Silent && c.Callee.Service == c.Peer && c.Peer != "" && !logs {
				out = append(out, c.Peer)
			}
		}
	}
	if len(out) == 0 {
		return []string{""} // it is known that it called none
	}
	return sorted(out)
}

// at gives from when to when a request had to do with each instance of a service, by host; "" is one that is not known.
func (l *lens) at(r *timeline.Request, service string) map[string][2]time.Time {
	out := map[string][2]time.Time{}
	add := func(host string, start, end timeline.Instant) {
		if !start.Known() && !end.Known() {
			return
		}
		span := [2]time.Time{cmp.Or(start.Earliest, end.Earliest), cmp.Or(end.Latest, start.Latest)}
		if was, ok := out[host]; ok {
			span = union(span, was)
		}
		out[host] = span
	}
	for _, h := range hops(r, service) {
		host := h.Host
		if h.Caller != nil {
			if host == "" {
				host = l.hosts[[2]string{h.Caller.Caller.Service, h.Caller.Peer}]
			}
			if h.Caller.Start.Known() {
				add(host, h.Caller.Start, h.Caller.End)
				continue
			}
		}
		add(host, h.Start, h.End)
	}
	return out
}

// union gives the span from the earlier of two beginnings to the later of two ends.
func union(a, b [2]time.Time) [2]time.Time {
	if b[0].Before(a[0]) {
		a[0] = b[0]
	}
	if b[1].After(a[1]) {
		a[1] = b[1]
	}
	return a
}

// away gives the instances of a service that were not there while a request had to do with it: from when they stopped or ended until the next one was ready. One
// that served on though no next start is known tells nothing.
func (l *lens) away(r *timeline.Request, service string) []string {
	if len(l.lives[service]) == 0 {
		return nil
	}
	at := l.at(r, service)
	if len(at) == 0 {
		// It was not reached: all that is known is when it may have been wanted.
		for _, span := range l.at(r, l.origin) {
			if was, ok := at[""]; ok {
				span = union(span, was)
			}
			at[""] = span
		}
	}
	if len(at) == 0 {
		return nil
	}
	out := []string{}
	for host, span := range at {
		for i, p := range l.lives[service] {
			gone := p.End.Earliest
			if p.Stopping.Known() {
				gone = p.Stopping.Earliest
			}
			if host != "" && p.Host != host || p.Worker || gone.IsZero() || span[1].Before(gone) {
				continue
			}
			back := backAfter(l.lives[service][i+1:], p.Host)
			if back.IsZero() && l.seen[[2]string{service, p.Host}].After(gone) {
				continue
			}
			if back.IsZero() || span[0].Before(back) {
				out = append(out, awayWords(service, p.Host))
			}
		}
	}
	if len(out) == 0 {
		return []string{""}
	}
	return sorted(out)
}

func awayWords(service, host string) string {
	if host == "" || host == service {
		return service
	}
	return service + " on " + host
}

// anyInstance gives for one instance of a service any of it.
func anyInstance(text string) string {
	if service, _, ok := strings.Cut(text, " on "); ok {
		return "an instance of " + service
	}
	return text
}

// backAfter gives when the next of the lives on a host was ready; zero if none was seen.
func backAfter(lives []*timeline.Process, host string) time.Time {
	for _, p := range lives {
		if p.Host == host && !p.Worker {
			return cmp.Or(p.Ready.Latest, p.Start.Latest)
		}
	}
	return time.Time{}
}

// started gives when the latest process of a service began that handled a part of the request, and minus infinity if that was before the logs begin.
// Where no process of the service was seen to begin, nothing is known.
func (l *lens) started(r *timeline.Request, service string) float64 {
	if !slices.ContainsFunc(l.lives[service], func(p *timeline.Process) bool { return p.Start.Known() }) {
		return math.NaN()
	}
	out, handled := math.Inf(-1), false
	for _, h := range hops(r, service) {
		if h.Silent {
			continue
		}
		handled = true
		if h.Process != nil && h.Process.Start.Known() {
			out = max(out, seconds(h.Process.Start))
		}
	}
	if !handled {
		return math.NaN()
	}
	return out
}

// bodySize gives the largest size of the request's body that a record tells, as proxies may pass on less than they were sent.
func (l *lens) bodySize(r *timeline.Request) float64 {
	out := math.NaN()
	for i := range r.Events {
		if r.Events[i].Kind != timeline.ServerSpan || r.Events[i].Join == timeline.ByInferred {
			continue // what others were sent, or what is looked for only where requests failed
		}
		for _, name := range []string{"http.request.body.size", "http.request.size"} {
			v := r.Events[i].Attrs.Get(name)
			if v == "" {
				continue
			}
			if n, err := strconv.ParseFloat(v, 64); err == nil && n >= 0 && !(out >= n) {
				out = n
			}
			break
		}
	}
	return out
}

// wait gives how long the origin's service waited for the slowest of its calls, in seconds.
func (l *lens) wait(r *timeline.Request) float64 {
	out := math.NaN()
	longer := func(start, end timeline.Instant) {
		if start.Known() && end.Known() {
			if d := end.Time.Sub(start.Time).Seconds(); !(out >= d) {
				out = d
			}
		}
	}
	for _, h := range hops(r, l.origin) {
		timed := false
		for _, c := range h.Calls {
			longer(c.Start, c.End)
			timed = timed || c.Start.Known() && c.End.Known()
		}
		if !timed {
			longer(h.Start, h.End)
		}
	}
	return out
}
