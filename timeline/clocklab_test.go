package timeline

import (
	"bufio"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var labDir = flag.String("lab", "", "align the simulated logs in `directory`, as fixtures/clocklab writes them")

// TestClockLab aligns one set of simulated logs and writes what it found beside them,
// est.json and aligned.jsonl, which fixtures/clocklab/score.py holds against the true
// clocks. It reads manifest.json and the logs and nothing else of the set. Without -lab
// there is nothing to do: make clocklab gives it.
func TestClockLab(t *testing.T) {
	if *labDir == "" {
		return
	}
	set, err := readLab(*labDir)
	if err != nil {
		t.Fatal(err)
	}
	m, requests := set.align()
	if err := writeEstimate(filepath.Join(*labDir, "est.json"), set, m); err != nil {
		t.Fatal(err)
	}
	if err := writeAligned(filepath.Join(*labDir, "aligned.jsonl"), set, m, requests); err != nil {
		t.Fatal(err)
	}
}

// align fits the clocks and gives every request as it lies on the common time line.
func (set *labSet) align() (*ClockModel, []*Request) {
	fit := newClockFit()
	for _, r := range set.requests {
		fit.learn(r.Request)
	}
	for _, r := range set.ambiguous { // of no use for the fit, but their clocks are seen
		for i := range r.Events {
			fit.see(r.Events[i].Event)
		}
	}
	for e, at := range set.stamps { // an event of two lines stands where the second does
		if at.start != nil && at.end != nil && at.start.line != at.end.line {
			fit.see(&Event{Time: at.start.at, Stamp: e.Stamp, Host: e.Host, Pos: Pos{Source: e.Pos.Source, Path: e.Pos.Path, Offset: int64(at.start.line)}})
		}
	}
	m := fit.fit()
	var out []*Request
	for _, r := range set.requests {
		out = append(out, r.Request)
	}
	for _, r := range set.ambiguous {
		for _, part := range r.split(m) {
			out = append(out, part.Request)
		}
	}
	d := &draft{builder: &builder{clocks: m}}
	for _, r := range out {
		layOut(m, r)
		d.refine(r)
	}
	return m, out
}

// layOut gives the events, hops and calls of r their instants by the clocks alone.
func layOut(m *ClockModel, r *Request) {
	for i := range r.Events {
		e := &r.Events[i]
		e.Start, e.End = m.Align(e.Event)
	}
	for _, h := range r.Hops {
		h.Start, h.End = Instant{}, Instant{}
		if sp := h.span(); sp != nil {
			h.Start, h.End = sp.Start, sp.End
			continue
		}
		for _, e := range h.Events {
			if !h.Start.Known() || e.Start.Known() && e.Start.Time.Before(h.Start.Time) {
				h.Start = e.Start
			}
		}
	}
	for _, c := range r.Calls {
		c.Start, c.End = c.Record.Start, c.Record.End
	}
}

// A labSet is one set of simulated logs, read.
type labSet struct {
	hosts     []labHost             // as in the manifest
	requests  []*labRequest         // in the order in which their IDs appear
	ambiguous []*labRequest         // IDs that a client used more than once
	stamps    map[*Event]labStamped // where each event's moments were logged
}

// A labHost is one host as the manifest tells of it.
type labHost struct {
	File       string
	Host       string
	Tier       string
	Rank       int // of the tier, the gateways' is 0
	Addr       string
	Format     string
	Stamp      string // "start", "end" or "point"
	Resolution int64  `json:"res_us"`
	Zone       string // "none" if the stamps write no zone
}

// resolution is that of the host's stamps.
func (h *labHost) resolution() time.Duration { return time.Duration(h.Resolution) * time.Microsecond }

// log is the name of the host's log file.
func (h *labHost) log() string { return filepath.Base(filepath.FromSlash(h.File)) }

// A labStamp is one moment that a line tells, itself or by its duration.
type labStamp struct {
	at    time.Time
	line  int
	event string // "start", "end" or "point", by which aligned.jsonl tells two of one line apart
	body  string
}

// labStamped are the stamps of an event's start and end; nil where none was logged.
type labStamped struct{ start, end *labStamp }

// A labRequest is what the lines with one ID tell.
type labRequest struct {
	*Request
	hops []*labHop // outermost first, then by line
	set  *labSet
}

// A labHop is one host's handling of one request, as read.
type labHop struct {
	host       *labHost
	start, end *labStamp
	marks      []*labStamp // what else the app logged
	calls      []*labCall  // of an app
	attempts   []labAttempt
	events     []*Event
	span       *Event // the one of events that tells the exchange; nil if no line does
}

// A labCall is an app's call to a dependency.
type labCall struct {
	number      int
	target      string // host
	call, reply *labStamp
	event       *Event
}

// A labAttempt is a proxy's or gateway's call, by its access log.
type labAttempt struct {
	target   string // host
	status   int
	duration time.Duration
}

// A labLink says that child ran inside parent, or inside its call.
type labLink struct {
	parent, child *labHop
	call          *labCall // of parent; nil if the child ran inside the whole of it
	openEnd       bool     // the parent stopped waiting
}

// dedupLines is within how many lines an identical line is the same line, sent twice.
const dedupLines = 2000

// readLab reads manifest.json and the logs that it names. What the stamps of a format
// mean stands in fixtures/clocklab/SPEC.md.
func readLab(dir string) (*labSet, error) {
	set := &labSet{stamps: map[*Event]labStamped{}}
	manifest, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(manifest, &set.hosts); err != nil {
		return nil, fmt.Errorf("manifest.json: %w", err)
	}
	rd := &labReader{byAddr: map[string]string{}, byID: map[string]*labRequest{}, set: set}
	order := make([]*labHost, len(set.hosts))
	for i := range set.hosts {
		order[i] = &set.hosts[i]
		rd.byAddr[set.hosts[i].Addr] = set.hosts[i].Host
	}
	slices.SortStableFunc(order, func(a, b *labHost) int { return cmp.Compare(a.Rank, b.Rank) })
	for _, h := range order {
		if err := rd.readLog(dir, h); err != nil {
			return nil, err
		}
	}
	for _, r := range rd.requests {
		for _, h := range r.hops {
			set.makeEvents(h)
		}
		r.makeRequest()
		if r.reused() {
			set.ambiguous = append(set.ambiguous, r)
		} else {
			set.requests = append(set.requests, r)
		}
	}
	return set, nil
}

type labReader struct {
	set      *labSet
	byAddr   map[string]string
	byID     map[string]*labRequest
	requests []*labRequest
}

func (rd *labReader) readLog(dir string, h *labHost) error {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(h.File)))
	if err != nil {
		return err
	}
	defer f.Close()
	read := map[string]func(*labHost, string, int, map[string]*labHop) error{
		"nginx": rd.readNginx, "envoy_json": rd.readEnvoy, "app_json": rd.readApp,
	}[h.Format]
	if read == nil {
		return fmt.Errorf("manifest.json: %s has the unknown format %q", h.Host, h.Format)
	}
	seen, open := map[string]int{}, map[string]*labHop{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text := lines.Text()
		if last, ok := seen[text]; ok && n-last < dedupLines {
			continue
		}
		seen[text] = n
		if err := read(h, text, n, open); err != nil {
			return fmt.Errorf("%s:%d: %w", h.log(), n, err)
		}
	}
	return lines.Err()
}

func (rd *labReader) add(id string, h *labHop) {
	r := rd.byID[id]
	if r == nil {
		r = &labRequest{Request: &Request{ID: id}, set: rd.set}
		rd.byID[id] = r
		rd.requests = append(rd.requests, r)
	}
	r.hops = append(r.hops, h)
}

var labNginx = regexp.MustCompile(`\[([^\]]+)\] "[^"]*" (\d+) .* rt=([\d.]+) urt="([^"]*)" uaddr="([^"]*)" us="([^"]*)" rid=(\S+)`)

func (rd *labReader) readNginx(host *labHost, text string, n int, _ map[string]*labHop) error {
	g := labNginx.FindStringSubmatch(text)
	if g == nil {
		return nil
	}
	at, err := labTime(g[1])
	if err != nil {
		return err
	}
	took, err := labSeconds(g[3])
	if err != nil {
		return err
	}
	h := &labHop{host: host, start: &labStamp{at: at.Add(-took), line: n, event: "start"}, end: &labStamp{at: at, line: n, event: "end"}}
	peers, codes, times := strings.Split(g[5], ", "), strings.Split(g[6], ", "), strings.Split(g[4], ", ")
	for i := range min(len(peers), len(codes), len(times)) {
		a := labAttempt{target: rd.byAddr[peers[i]]}
		if a.status, err = strconv.Atoi(codes[i]); err != nil {
			return err
		}
		if a.duration, err = labSeconds(times[i]); err != nil {
			return err
		}
		h.attempts = append(h.attempts, a)
	}
	h.span = &Event{Time: at, Duration: took, Stamp: Stamp{
		Meaning: End, Resolution: host.resolution(), SameClock: true, DurationResolution: time.Millisecond}}
	rd.add(g[7], h)
	return nil
}

func (rd *labReader) readEnvoy(host *labHost, text string, n int, _ map[string]*labHop) error {
	var line struct {
		Time      string
		StartTime string `json:"start_time"`
		Duration  int64
		Code      int    `json:"response_code"`
		Upstream  string `json:"upstream_host"`
		ID        string `json:"x_request_id"`
	}
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		return err
	}
	took := time.Duration(line.Duration) * time.Millisecond
	h := &labHop{host: host, attempts: []labAttempt{{target: rd.byAddr[line.Upstream], status: line.Code}}}
	h.span = &Event{Duration: took, Stamp: Stamp{Meaning: End, Resolution: host.resolution(), DurationResolution: time.Millisecond}}
	text = line.Time
	if host.Stamp == "start" {
		h.span.Stamp.Meaning, text = Start, line.StartTime
	}
	at, err := labTime(text)
	if err != nil {
		return err
	}
	h.span.Time = at
	start, end := at.Add(-took), at
	if host.Stamp == "start" {
		start, end = at, at.Add(took)
	}
	h.start, h.end = &labStamp{at: start, line: n, event: "start"}, &labStamp{at: end, line: n, event: "end"}
	rd.add(line.ID, h)
	return nil
}

func (rd *labReader) readApp(host *labHost, text string, n int, open map[string]*labHop) error {
	var line struct {
		TS, Msg, Target string
		ID              string `json:"request_id"`
		Call            int
	}
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		return err
	}
	at, err := labTime(line.TS)
	if err != nil {
		return err
	}
	s := &labStamp{at: at, line: n, event: "point", body: line.Msg}
	began, over := line.Msg == "request started", line.Msg == "request finished"
	h := open[line.ID]
	switch {
	case h != nil && h.end != nil && !began && !over: // late, of a hop that is over
		h.marks = append(h.marks, s)
		return nil
	case h == nil, began, h.end != nil:
		h = &labHop{host: host}
		open[line.ID] = h
		rd.add(line.ID, h)
	}
	switch {
	case began:
		h.start = s
	case over:
		h.end = s
	default:
		h.marks = append(h.marks, s)
	}
	switch line.Msg {
	case "calling dependency":
		h.calls = append(h.calls, &labCall{number: line.Call, target: rd.byAddr[line.Target], call: s})
	case "dependency replied":
		i := slices.IndexFunc(h.calls, func(c *labCall) bool { return c.number == line.Call && c.reply == nil })
		if i < 0 {
			h.calls = append(h.calls, &labCall{number: line.Call, target: rd.byAddr[line.Target], reply: s})
		} else {
			h.calls[i].reply = s
		}
	}
	return nil
}

// labTime reads "2025-10-09T08:53:20.123Z", "2025-10-09 08:53:20,123" as if it were UTC,
// or "1760000000.123".
func labTime(s string) (time.Time, error) {
	if len(s) > 4 && s[4] != '-' {
		d, err := labSeconds(s)
		return time.Unix(0, int64(d)).UTC(), err
	}
	if len(s) > 10 && s[10] == ' ' {
		return time.Parse(time.DateTime, s) // a fraction is read although the layout has none
	}
	t, err := time.Parse(time.RFC3339, s)
	return t.UTC(), err
}

// labSeconds reads seconds with a fraction, to the nanosecond.
func labSeconds(s string) (time.Duration, error) {
	whole, frac, _ := strings.Cut(s, ".")
	if len(frac) > 9 {
		return 0, fmt.Errorf("%q has more than nine decimals", s)
	}
	n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", 9-len(frac)), 10, 64)
	return time.Duration(n), err
}

// makeEvents makes the events of a hop. An app's two lines about one exchange, or about
// one call, become one event; both moments were read from one clock, so the second is as
// exact as the first.
func (set *labSet) makeEvents(h *labHop) {
	if h.span == nil && (h.start != nil || h.end != nil) {
		h.span = h.pair(h.start, h.end)
	}
	if h.span != nil {
		set.put(h, h.span, ServerSpan, h.start, h.end)
	}
	ofCall := map[*labStamp]*labCall{}
	for _, c := range h.calls {
		ofCall[c.call], ofCall[c.reply] = c, c
	}
	for _, s := range h.marks {
		c := ofCall[s]
		switch {
		case c == nil:
			set.put(h, &Event{Time: s.at, Stamp: Stamp{Meaning: Within, Resolution: h.host.resolution()}, Body: s.body}, LogRecord, s, s)
		case c.event == nil:
			c.event = h.pair(c.call, c.reply)
			set.put(h, c.event, ClientSpan, c.call, c.reply)
		}
	}
}

// pair makes an event of two stamps, one of which may be missing.
func (h *labHop) pair(start, end *labStamp) *Event {
	res := h.host.resolution()
	switch {
	case start == nil:
		return &Event{Time: end.at, Stamp: Stamp{Meaning: End, Resolution: res}}
	case end == nil:
		return &Event{Time: start.at, Stamp: Stamp{Meaning: Start, Resolution: res}}
	}
	return &Event{Time: start.at, Duration: end.at.Sub(start.at), Stamp: Stamp{
		Meaning: Start, Resolution: res, SameClock: true, DurationResolution: res}}
}

func (set *labSet) put(h *labHop, e *Event, kind Kind, start, end *labStamp) {
	e.Kind, e.Service, e.Host = kind, h.host.Host, h.host.Host
	e.Stamp.Zone = ZoneWritten
	if h.host.Zone == "none" {
		e.Stamp.Zone = ZoneUnknown
	}
	line := cmp.Or(end, start).line // a record is written when what it tells is over
	e.Pos = Pos{Source: "lab", Path: h.host.log(), Offset: int64(line), Line: line}
	h.events = append(h.events, e)
	set.stamps[e] = labStamped{start, end}
}

// reused says whether a client sent the ID more than once.
func (r *labRequest) reused() bool {
	n := map[string]int{}
	for _, h := range r.hops {
		n[h.host.Tier]++
	}
	return n["gateway"] > 1 || n["proxy"] > 1
}

// makeRequest makes hops and calls of what was read.
func (r *labRequest) makeRequest() {
	made, joined := map[*labHop]*Hop{}, map[*Event]*Joined{}
	for _, h := range r.hops {
		hop := &Hop{ID: len(r.Hops) + 1, Service: h.host.Host, Host: h.host.Host}
		made[h] = hop
		r.Hops = append(r.Hops, hop)
		for _, e := range h.events {
			r.Events = append(r.Events, Joined{Event: e, ID: len(r.Events) + 1, Hop: hop, Join: ByKey, Candidates: 1})
		}
	}
	for i := range r.Events {
		e := &r.Events[i]
		e.Hop.Events = append(e.Hop.Events, e)
		joined[e.Event] = e
	}
	for _, l := range r.links() {
		c := &Call{ID: len(r.Calls) + 1, Caller: made[l.parent], Callee: made[l.child], Peer: l.child.host.Addr, Ended: Complete, Record: joined[l.parent.span]}
		if l.call != nil {
			c.Record = joined[l.call.event]
		}
		if l.openEnd {
			c.Ended = GaveUp
		}
		c.Caller.Calls = append(c.Caller.Calls, c)
		c.Callee.Caller = c
		r.Calls = append(r.Calls, c)
	}
}

// links finds which hop ran inside which. A parent that names k calls to a host is linked
// to that host's hops only if there are exactly k, in order; else which is which is not
// known. A hop that is then without parent ran inside the nearest outer tier that has
// exactly one hop: a missing line costs tightness, never correctness.
func (r *labRequest) links() []labLink {
	var out []labLink
	linked := map[*labHop]bool{}
	kids := func(host string, p *labHop) (found []*labHop) {
		for _, h := range r.hops {
			if host != "" && h.host.Host == host && h.host.Rank > p.host.Rank && !linked[h] {
				found = append(found, h)
			}
		}
		return found
	}
	timeouts := false
	for _, p := range r.hops { // these are sorted by rank
		var attempts []labAttempt
		for _, a := range p.attempts {
			timeouts = timeouts || a.status == 504
			refused := a.status == 502 && p.host.Tier != "gateway" && a.duration < 50*time.Millisecond && len(kids(a.target, p)) == 0
			if !refused {
				attempts = append(attempts, a)
			}
		}
		byTarget(attempts, func(a labAttempt) string { return a.target }, func(host string, to []labAttempt) {
			if got := kids(host, p); len(got) == len(to) {
				for i, c := range got {
					gaveUp := to[i].status == 504 && p.host.Tier != "gateway" && c.host.Tier == "app"
					out = append(out, labLink{parent: p, child: c, openEnd: gaveUp})
					linked[c] = true
				}
			}
		})
		byTarget(p.calls, func(c *labCall) string { return c.target }, func(host string, to []*labCall) {
			if got := kids(host, p); len(got) == len(to) {
				for i, c := range got {
					out = append(out, labLink{parent: p, child: c, call: to[i]})
					linked[c] = true
				}
			}
		})
	}
	for _, c := range r.hops {
		if linked[c] {
			continue
		}
		for rank := c.host.Rank - 1; rank >= 0; rank-- {
			var up []*labHop
			for _, h := range r.hops {
				if h.host.Rank == rank {
					up = append(up, h)
				}
			}
			if len(up) == 1 && up[0].start != nil {
				out = append(out, labLink{parent: up[0], child: c, openEnd: timeouts})
				break
			}
			if len(up) > 1 {
				break
			}
		}
	}
	return out
}

// byTarget calls f once for each target, in order of appearance.
func byTarget[T any](all []T, target func(T) string, f func(host string, to []T)) {
	var order []string
	groups := map[string][]T{}
	for _, a := range all {
		t := target(a)
		if groups[t] == nil {
			order = append(order, t)
		}
		groups[t] = append(groups[t], a)
	}
	for _, t := range order {
		f(t, groups[t])
	}
}

// split parts the requests that carry one ID, once the clocks are known: every hop goes
// to the outermost hop that is nearest to it in time.
func (r *labRequest) split(m *ClockModel) []*labRequest {
	ofRank := map[int][]*labHop{}
	top := math.MaxInt
	for _, h := range r.hops {
		ofRank[h.host.Rank] = append(ofRank[h.host.Rank], h)
		if len(ofRank[h.host.Rank]) > 1 {
			top = min(top, h.host.Rank)
		}
	}
	roots := ofRank[top]
	parts := make([]*labRequest, len(roots))
	for i := range parts {
		parts[i] = &labRequest{Request: &Request{ID: r.ID}, set: r.set}
	}
	for _, h := range r.hops {
		best, least := 0, math.Inf(1)
		for i, root := range roots {
			d := -1.0
			if h != root {
				d = math.Abs(float64(r.middle(m, h).Sub(r.middle(m, root))))
			}
			if d < least {
				best, least = i, d
			}
		}
		parts[best].hops = append(parts[best].hops, h)
	}
	for _, p := range parts {
		p.makeRequest()
	}
	return parts
}

// middle is the middle of a hop by the moments that it logged. That of a host whose clock
// is not tied is the zero time.
func (r *labRequest) middle(m *ClockModel, h *labHop) time.Time {
	events := h.events
	if h.span != nil {
		events = []*Event{h.span}
	}
	var all []time.Time
	for _, e := range events {
		if !m.Tied(e) {
			continue
		}
		start, end := m.Align(e)
		at := r.set.stamps[e]
		if at.start != nil {
			all = append(all, start.Time)
		}
		if at.end != nil && at.end != at.start {
			all = append(all, end.Time)
		}
	}
	if len(all) == 0 {
		return time.Time{}
	}
	var sum time.Duration
	for _, t := range all {
		sum += t.Sub(all[0])
	}
	return all[0].Add(sum / time.Duration(len(all)))
}

// A labEstimate is est.json: its form stands at the top of fixtures/clocklab/score.py.
type labEstimate struct {
	Reference    string                  `json:"reference"`
	Untied       []string                `json:"untied"`
	Trust        string                  `json:"trust"`
	Inconsistent []string                `json:"inconsistent"`
	Steps        []labStep               `json:"steps"`
	Zones        map[string]labZone      `json:"zones"`
	Hosts        map[string][]labSegment `json:"hosts"`
}

// A labSegment is one stretch of a host's clock: aligned = raw - offset - drift * (raw -
// from), in seconds of raw time.
type labSegment struct {
	From        float64 `json:"from"`
	To          float64 `json:"to"`
	Offset      float64 `json:"offset_s"`
	Drift       float64 `json:"drift_ppm"`
	Uncertainty float64 `json:"uncertainty_s"`
	Minus       float64 `json:"minus_s"`
	Plus        float64 `json:"plus_s"`
	FromLine    *int64  `json:"from_line,omitempty"`
	ToLine      *int64  `json:"to_line,omitempty"`
}

type labStep struct {
	Host string  `json:"host"`
	At   float64 `json:"t_s"` // on the reference's clock
	Size float64 `json:"size_s"`
}

type labZone struct {
	Zone float64 `json:"zone_s"` // a multiple of 15 minutes
	Rest float64 `json:"rest_s"`
}

// writeEstimate writes what m says of every host's clock.
func writeEstimate(path string, set *labSet, m *ClockModel) error {
	est := labEstimate{Untied: []string{}, Trust: "ok", Inconsistent: []string{}, Steps: []labStep{}, Zones: map[string]labZone{}, Hosts: map[string][]labSegment{}}
	if m.weak {
		est.Trust = "weak"
	}
	quarters := map[string]float64{}
	for _, h := range m.Hosts() {
		n := m.nodes[h.Host]
		if n == nil || !n.tied {
			n = m.nodes[h.Host+localSuffix]
		}
		if h.Reference {
			est.Reference = h.Host
		}
		if !h.Tied {
			est.Untied = append(est.Untied, h.Host)
			continue
		}
		if n.inconsistent {
			est.Inconsistent = append(est.Inconsistent, h.Host)
		}
		quarters[h.Host] = math.Round(n.gross / 9e8)
		est.Hosts[h.Host] = segmentsOf(m, n)
		for _, c := range n.cuts {
			est.Steps = append(est.Steps, labStep{h.Host, float64(m.base)/1e9 + c.t, c.jump / 1e6})
		}
	}
	usual, most := 0.0, 0
	for _, q := range quarters {
		n := 0
		for _, o := range quarters {
			if o == q {
				n++
			}
		}
		if n > most || n == most && math.Abs(q) < math.Abs(usual) {
			usual, most = q, n
		}
	}
	for host, q := range quarters {
		if q != usual {
			est.Zones[host] = labZone{(q - usual) * 900, 0}
		}
	}
	slices.Sort(est.Untied)
	out, err := json.MarshalIndent(est, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(out, '\n'), 0o666)
}

// segmentsOf gives a clock as lines between its knots.
func segmentsOf(m *ClockModel, n *clockNode) []labSegment {
	var out []labSegment
	line := func(i int64) *int64 { return &i }
	for run := range n.runs {
		ks := []clockKnot{{t: 0}, {t: m.end}}
		if run < len(n.knots) && len(n.knots[run]) > 0 {
			ks = n.knots[run]
			if len(ks) == 1 {
				ks = append(ks, ks[0])
				ks[1].t++
			}
		}
		first := len(out)
		for i := 0; i+1 < len(ks); i++ {
			a, b := ks[i], ks[i+1]
			oa, ob := n.gross+n.beside(run, a.t), n.gross+n.beside(run, b.t)
			from, to := float64(m.base)/1e9+a.t+oa/1e6, float64(m.base)/1e9+b.t+ob/1e6
			if to <= from {
				continue
			}
			minus, plus := n.slack(run, (a.t+b.t)/2, m.wander)
			out = append(out, labSegment{From: from, To: to, Offset: oa / 1e6, Drift: (ob - oa) / (to - from), Uncertainty: max(minus, plus) / 1e6, Minus: minus / 1e6, Plus: plus / 1e6})
		}
		if len(out) == first {
			continue
		}
		f, l := &out[first], &out[len(out)-1]
		f.Offset += f.Drift * 1e-6 * (-1e12 - f.From)
		f.From, l.To = -1e12, 1e12
		for i := first; i < len(out); i++ {
			if len(n.runs) > 1 {
				out[i].FromLine, out[i].ToLine = line(-1), line(1e9)
				if run > 0 {
					out[i].FromLine = line(n.cuts[run-1].streams[0].cut + 1)
				}
				if run < len(n.cuts) {
					out[i].ToLine = line(n.cuts[run].streams[0].cut)
				}
			}
		}
	}
	return out
}

// writeAligned writes one row for each moment that a tied host logged, in microseconds.
func writeAligned(path string, set *labSet, m *ClockModel, requests []*Request) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	row := func(e *Joined, s *labStamp, at Instant) {
		if s != nil && at.Known() {
			fmt.Fprintf(w, `{"file": %q, "line": %d, "event": %q, "t_us": %s, "lo_us": %s, "hi_us": %s, "lo95_us": %s, "hi95_us": %s}`+"\n",
				e.Pos.Path, s.line, s.event, microseconds(at.Time), microseconds(at.Earliest), microseconds(at.Latest),
				microseconds(at.Time.Add(-at.Spread)), microseconds(at.Time.Add(at.Spread)))
		}
	}
	for _, r := range requests {
		for i := range r.Events {
			e := &r.Events[i]
			if !m.Tied(e.Event) {
				continue
			}
			at := set.stamps[e.Event]
			row(e, at.start, e.Start)
			if at.end != at.start {
				row(e, at.end, e.End)
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// microseconds gives t since 1970, to the nanosecond.
func microseconds(t time.Time) string {
	n := t.UnixNano()
	return fmt.Sprintf("%d.%03d", n/1000, n%1000)
}
