// Package report renders finished values: a [correlate.Case], a [correlate.Digest] or
// a [correlate.ClockReport] to text for a terminal, to Markdown, or to the JSON
// contract. Every function is pure: the same value gives the same bytes, and nothing
// is read but the value.
//
// Whatever comes from a log is hostile. In text it is made visible ([Visible]), in
// Markdown it is escaped as well, and in JSON no byte is left that a terminal acts on.
package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/clipperhouse/displaywidth"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/rules"
	"github.com/correlatehq/correlate/timeline"
)

// proofLines are shown on the first screen; the rest is counted and stands in the
// wide output.
const proofLines = 8

// Text writes the first screen of an investigation: the answer, the hops, the lines
// that prove it, what else could be blamed, what is missing and what to do next.
func Text(w io.Writer, c *correlate.Case, o TextOptions) error {
	p := &printer{o: o}
	p.headline(c)
	if c.Request != nil {
		p.buf.WriteByte('\n')
		p.hops(c)
	}
	p.buf.WriteByte('\n')
	p.reasons(c)
	if o.Wide && c.Request != nil {
		p.buf.WriteByte('\n')
		p.links(c.Request.Aliases)
		p.events(c)
	}
	return p.flush(w)
}

// outcome is the kind of answer that a case holds.
type outcome uint8

const (
	named        outcome = iota // a hop is the origin
	didNotFail                  // the request did not fail
	undetermined                // it failed, and no hop can be named
)

func outcomeOf(c *correlate.Case) outcome {
	v := c.Verdict
	switch {
	case v != nil && v.Origin != nil:
		return named
	case v != nil && v.Certainty == rules.Undetermined:
		return undetermined
	case c.Request != nil && !c.Request.Failed:
		return didNotFail
	}
	return undetermined
}

// answer gives the headline in words and its style.
func answer(c *correlate.Case) (string, style) {
	st := "no status"
	if s := shownStatus(c.Request); s.Known() {
		st = s.String()
	}
	v := c.Verdict
	switch outcomeOf(c) {
	case named:
		what := st + " created by " + where(v.Origin)
		class := v.CauseClass
		if v.Component != "" {
			class += " of " + v.Component
		}
		return what + " · " + class + " · " + fmt.Sprintf("%s, %.2f", v.Certainty, v.Confidence), red
	case didNotFail:
		what := "this request did not fail: " + st
		if root := c.Request.Root(); root != nil {
			what += " sent by " + where(root)
		}
		return what, green
	}
	if c.Request != nil && !c.Request.Failed {
		return "undetermined: no record tells whether this request failed", yellow
	}
	return "undetermined: " + st + ", and no hop can be named as the one that created it", yellow
}

// shownStatus is the status that the client saw, else what the outermost hop sent.
func shownStatus(r *timeline.Request) timeline.Status {
	if r == nil {
		return timeline.Status{}
	}
	if r.Client.Known() || r.Root() == nil {
		return r.Client
	}
	return r.Root().Status()
}

// where names a hop: "orders on app-2".
func where(h *timeline.Hop) string {
	if h == nil {
		return "?"
	}
	s := h.Service
	if s == "" {
		s = "an unnamed service"
	}
	if h.Host != "" && h.Host != h.Service {
		s += " on " + h.Host
	}
	return s
}

// facts gives method, path, time and length of a request; the time as stamped where
// clocks are not corrected.
func facts(r *timeline.Request, loc *time.Location, noAlign bool) string {
	if r == nil {
		return ""
	}
	var parts []string
	if s := strings.TrimSpace(r.Method + " " + r.Path); s != "" {
		parts = append(parts, s)
	}
	if e := rootRecord(r); noAlign && e != nil {
		parts = append(parts, rawStamp(e, loc, true))
	} else if !noAlign && r.Start.Known() {
		parts = append(parts, stamp(r.Start.Time, loc))
	}
	if r.Length >= 0 {
		parts = append(parts, length(r.Length))
	}
	return strings.Join(parts, " · ")
}

func (p *printer) headline(c *correlate.Case) {
	text, st := answer(c)
	text = Visible(text)
	right := facts(c.Request, p.o.Location, p.o.NoAlign)
	if kept, cut := head(right, 512); cut > 0 {
		right = Visible(kept) + cutNote(cut)
	} else {
		right = Visible(right)
	}
	gap := p.width() - displaywidth.String(text) - displaywidth.String(right)
	switch {
	case right == "":
		p.prose("", text, st)
	case gap >= 3:
		p.put(span{text, st}, span{strings.Repeat(" ", gap), plain}, span{right, plain})
	default:
		p.prose("", text, st)
		p.prose("  ", right, plain)
	}
	if c.Verdict != nil && c.Verdict.Summary != "" {
		p.prose("  ", c.Verdict.Summary, plain)
	}
	if x := c.Verdict; x != nil && x.Exception != nil {
		p.prose("  ", "error at "+location(x.Exception), plain)
	}
	if s := clientNote(c.Request); s != "" {
		p.prose("  ", s, plain)
	}
}

// clientNote says where the client's status is not what the outermost hop logged.
func clientNote(r *timeline.Request) string {
	root := (*timeline.Hop)(nil)
	if r != nil {
		root = r.Root()
	}
	switch {
	case root == nil:
		return ""
	case r.CallerUsual && !r.Client.Known():
		return "What the client saw is not known: " + root.Service + " usually has a caller, and nothing of it is in these sources."
	case r.Client.Known() && root.Status().Known() && r.Client != root.Status():
		return "The client saw " + r.Client.String() + "; " + root.Service + " sent " + root.Status().String() + "."
	}
	return ""
}

// location prints an error in code: "price.go:88 in (*Pricer).Total: runtime error: ...".
func location(x *timeline.Exception) string {
	s := x.File
	if s == "" {
		s = "an unknown place"
	}
	if x.Line > 0 {
		s += fmt.Sprintf(":%d", x.Line)
	}
	if x.Function != "" {
		s += " in " + x.Function
	}
	what := x.Type
	if x.Message != "" && what != "" {
		what += ": "
	}
	what += x.Message
	if what != "" {
		kept, cut := head(what, 400)
		if cut > 0 {
			kept += cutNote(cut)
		}
		s += ": " + kept
	}
	return s
}

// A row is one hop of the table.
type row struct {
	hop                    *timeline.Hop
	when, slack            string
	likely                 bool   // it is below the row above it only by the best guess
	name, short            string // short is without software, role and host
	got, sent, did         string
	bar                    string
	note                   string
	start, end             time.Time // of the bar
	startKnown, endKnown   bool
	origin, broke, handled bool
}

// A lane is the rows of a host whose clock is not tied to the others: beside theirs its
// times say nothing.
type lane struct {
	host, reason string
	from         string // its first stamp, from which its times count
	rows         []row
}

// head says what the rows of the lane are.
func (l *lane) head() string { return untiedHead(l.host, l.reason) + ", from " + l.from }

// untiedHead says why the records of a host stand for themselves.
func untiedHead(host, reason string) string {
	s := host + " not tied to the others"
	if reason != "" {
		s += " (" + reason + ")"
	}
	return s + ": own time only"
}

const (
	// likelyMark stands before a time that is after that of the line above only by the best guess.
	likelyMark   = "~"
	likelyLegend = "~ likely after the line above, not certain"
	noAlignNote  = "times are as stamped by each host; --no-align was given"
)

// hopRows makes the table of hops without bars, and the lanes below it. Where clocks are
// not corrected there are no lanes: every host stands for itself.
func hopRows(c *correlate.Case, o TextOptions) ([]row, []lane) {
	r := c.Request
	var origin *timeline.Hop
	if c.Verdict != nil {
		origin = c.Verdict.Origin
	}
	untied, dated := map[string]string{}, false
	if o.NoAlign {
		dated = stampedOnSeveralDays(r, o.Location)
	} else {
		untied = untiedHosts(c)
	}
	zero := zeroOf(r, untied)
	var rows []row
	var lanes []lane
	for _, h := range r.Hops {
		x := row{hop: h, when: "?", origin: h == origin, handled: h.HandledByCaller}
		indent := strings.Repeat("  ", min(h.Depth, 12))
		x.name, x.short = indent+hopName(h), indent+Visible(orUnknown(h.Service))
		x.got, x.sent = h.Received.String(), h.Status().String()
		x.did = h.Lineage.String()
		if x.did == "" {
			x.did = "-"
		}
		x.broke = h.Lineage == timeline.Died || h.Ended == timeline.Reset || h.Ended == timeline.Truncated
		x.note = Visible(strings.Join(hopNotes(h, x.origin), ", "))
		if o.NoAlign {
			if e := stamped(h); e != nil {
				x.when = rawStamp(e, o.Location, dated)
			}
			rows = append(rows, x)
			continue
		}
		x.start, x.end, x.startKnown, x.endKnown = h.Start.Time, h.End.Time, h.Start.Known(), h.End.Known()
		if reason, ok := untied[h.Host]; ok && x.startKnown && len(h.Events) > 0 {
			i := slices.IndexFunc(lanes, func(l lane) bool { return l.host == h.Host })
			if i < 0 {
				i = len(lanes)
				lanes = append(lanes, lane{host: h.Host, reason: reason})
			}
			lanes[i].rows = append(lanes[i].rows, x)
			continue
		}
		if x.startKnown {
			x.slack = slack(h.Start.Slack())
		}
		if x.startKnown && !zero.IsZero() {
			x.when = since(x.start.Sub(zero))
		}
		if n := len(rows); n > 0 && h.Host != rows[n-1].hop.Host && likelyAfter(rows[n-1].hop.Start, h.Start) && !calledBy(r, h, rows[n-1].hop) {
			x.likely = true
			x.when = likelyMark + x.when
		}
		rows = append(rows, x)
	}
	for i := range lanes {
		lanes[i].count(o.Location)
	}
	return rows, lanes
}

// count tells the times of the lane from its first one on.
func (l *lane) count(loc *time.Location) {
	first := slices.MinFunc(l.rows, func(a, b row) int { return a.start.Compare(b.start) })
	l.from = stamp(first.start, loc)
	for i := range l.rows {
		l.rows[i].when = since(l.rows[i].start.Sub(first.start))
	}
}

// untiedHosts gives the hosts of the request whose clock is not tied to the others, with the
// reason. If none is tied the outermost one is taken for the others' reference.
func untiedHosts(c *correlate.Case) map[string]string {
	clocks := map[string]timeline.HostClock{}
	for _, k := range c.Clocks {
		clocks[k.Host] = k
	}
	out := map[string]string{}
	first, tied := "", false
	for _, h := range c.Request.Hops {
		if len(h.Events) == 0 {
			continue
		}
		if k, ok := clocks[h.Host]; ok && !k.Tied && !k.Reference {
			out[h.Host] = k.Reason
			if first == "" {
				first = h.Host
			}
		} else {
			tied = true
		}
	}
	if !tied {
		delete(out, first)
	}
	return out
}

// zeroOf is the moment from which times are told: the start of the request, or if the outermost
// hop's clock is not tied to the others, the first start that is told beside others.
func zeroOf(r *timeline.Request, untied map[string]string) time.Time {
	if root := r.Root(); root != nil {
		if _, alone := untied[root.Host]; !alone {
			return r.Start.Time
		}
	}
	for _, h := range r.Hops {
		if _, alone := untied[h.Host]; !alone && h.Start.Known() {
			return h.Start.Time
		}
	}
	return r.Start.Time
}

// likelyAfter says whether b is after a only by the best guess.
func likelyAfter(a, b timeline.Instant) bool {
	before, certain := a.Before(b)
	return before && !certain
}

// calledBy says whether h worked for the other hop, so that it began after it whatever the
// clocks say; not so if the caller of one of them has no record of it, or if the records deny the order.
func calledBy(r *timeline.Request, h, other *timeline.Hop) bool {
	for depth := 0; h != nil && h.Caller != nil && depth < 64; depth++ {
		if h.Caller.Record == nil || slices.ContainsFunc(r.Contradictions, func(x timeline.Contradiction) bool { return x.Call == h.Caller }) {
			return false
		}
		if h = h.Caller.Caller; h == other {
			return h != nil
		}
	}
	return false
}

// hopName names a hop in the tree: service, software, role and host, as far as they
// tell something new.
func hopName(h *timeline.Hop) string {
	name := orUnknown(h.Service)
	var more []string
	add := func(s string) {
		if s != "" && s != h.Service && !slices.Contains(more, s) {
			more = append(more, s)
		}
	}
	add(h.System)
	if h.Role != timeline.RoleApp {
		add(h.Role.String())
	}
	add(h.Host)
	if len(more) > 0 {
		name += "  " + strings.Join(more, " ")
	}
	return Visible(name)
}

// outcomeWords say how a call ended.
var outcomeWords = map[timeline.Outcome]string{
	timeline.Truncated:     "the answer broke off",
	timeline.Reset:         "the connection broke",
	timeline.Refused:       "no connection could be had",
	timeline.GaveUp:        "gave up waiting",
	timeline.ConnectGaveUp: "gave up waiting for the connection",
	timeline.CallerLeft:    "the caller left",
	timeline.Unusable:      "the answer could not be used",
	timeline.NotSent:       "no call was made",
	timeline.Denied:        "refused by its own rule",
}

// purposeWords name calls other than the main one.
var purposeWords = map[timeline.Purpose]string{
	timeline.Retry: "retry", timeline.Hedge: "hedged call", timeline.AuthSubrequest: "auth sub-request",
	timeline.ErrorPage: "error page", timeline.Mirror: "mirrored", timeline.Background: "in the background",
}

func hopNotes(h *timeline.Hop, origin bool) []string {
	var notes []string
	if origin {
		notes = append(notes, "<- origin")
	}
	if c := h.Caller; c != nil {
		if s := purposeWords[c.Purpose]; s != "" {
			notes = append(notes, s)
		}
		if h.Attempt > 1 {
			notes = append(notes, fmt.Sprintf("attempt %d", h.Attempt))
		}
		if h.HandledByCaller && c.Caller != nil {
			notes = append(notes, "handled by "+c.Caller.Service)
		}
		if c.Sent.Known() && c.Received.Known() && c.Sent != c.Received && c.Caller != nil {
			notes = append(notes, fmt.Sprintf("%s received %s", c.Caller.Service, c.Received))
		}
	}
	if h.Silent {
		notes = append(notes, "known from its caller alone")
	}
	for _, c := range h.Calls {
		if c.Ended == timeline.CallerLeft || !c.Failed() {
			continue
		}
		s := outcomeWords[c.Ended]
		if c.Error != "" {
			e, cut := head(c.Error, 80)
			if cut > 0 {
				e += "…"
			}
			if s == "" {
				s = e
			} else {
				s = e + ", " + s
			}
		}
		if s != "" && !slices.Contains(notes, s) {
			notes = append(notes, s)
		}
	}
	if h.Ended == timeline.CallerLeft {
		notes = append(notes, outcomeWords[h.Ended])
	}
	return notes
}

// stamped is the record whose stamp tells of a hop where clocks are not corrected: that of
// its exchange, else its first; nil if none has a time.
func stamped(h *timeline.Hop) *timeline.Joined {
	var first *timeline.Joined
	for _, e := range h.Events {
		switch {
		case e.Event == nil || e.Time.IsZero():
		case e.Kind == timeline.ServerSpan:
			return e
		case first == nil:
			first = e
		}
	}
	return first
}

func rootRecord(r *timeline.Request) *timeline.Joined {
	if root := r.Root(); root != nil {
		return stamped(root)
	}
	return nil
}

// stampedOnSeveralDays says whether a time of day alone would mislead.
func stampedOnSeveralDays(r *timeline.Request, loc *time.Location) bool {
	days := map[string]bool{}
	for _, h := range r.Hops {
		if e := stamped(h); e != nil {
			days[rawStamp(e, loc, true)[:len(time.DateOnly)]] = true
		}
	}
	return len(days) > 1
}

// rawStamp prints the stamp of a record, as finely as it was written; without a zone if none was.
func rawStamp(e *timeline.Joined, loc *time.Location, date bool) string {
	if e.Time.IsZero() {
		return "?"
	}
	layout := "15:04:05.000"
	switch res := e.Stamp.Resolution; {
	case res >= time.Second:
		layout = "15:04:05"
	case res > 0 && res < time.Millisecond:
		layout = "15:04:05.000000"
	}
	if date {
		layout = time.DateOnly + " " + layout
	}
	if e.Stamp.Zone == timeline.ZoneUnknown {
		return e.Time.UTC().Format(layout)
	}
	if loc == nil {
		loc = time.UTC
	}
	return e.Time.In(loc).Format(layout + "Z07:00")
}

const (
	barCols    = 28
	minBarCols = 10
)

// hops prints the table. In a narrow terminal the bars go first, then the column of
// the uncertainty, then software and host; what is still too long is cut.
func (p *printer) hops(c *correlate.Case) {
	rows, lanes := hopRows(c, p.o)
	all := make([]*row, 0, len(c.Request.Hops))
	for i := range rows {
		all = append(all, &rows[i])
	}
	for _, l := range lanes {
		for i := range l.rows {
			all = append(all, &l.rows[i])
		}
	}
	if len(all) == 0 {
		return
	}
	cols := func(head string, get func(*row) string) int {
		n := displaywidth.String(head)
		for _, r := range all {
			n = max(n, displaywidth.String(get(r)))
		}
		return n
	}
	nWhen := cols("when", func(r *row) string { return r.when })
	nSlack := cols("±", func(r *row) string { return r.slack })
	nName := cols("hop", func(r *row) string { return r.name })
	nGot := cols("got", func(r *row) string { return r.got })
	nSent := cols("sent", func(r *row) string { return r.sent })
	nDid := cols("what it did", func(r *row) string { return r.did })
	nNote := cols("", func(r *row) string { return r.note })

	const indent, gap = 3, 2
	fixed := indent + nWhen + gap + nName + gap + nGot + gap + nSent + gap + nDid
	noteCols := 0
	if nNote > 0 {
		noteCols = gap + nNote
	}
	slackCols := nSlack + gap
	if p.o.NoAlign {
		slackCols = 0
	}
	bars := barCols
	if p.o.Width > 0 {
		bars = min(bars, p.o.Width-fixed-slackCols-noteCols-gap)
		if bars < minBarCols {
			bars = 0
		}
		if fixed+slackCols+noteCols > p.o.Width {
			slackCols = 0
		}
		if fixed+noteCols > p.o.Width {
			for _, r := range all {
				r.name = r.short
			}
			nName = cols("hop", func(r *row) string { return r.name })
		}
	}
	if p.o.NoAlign || bars > 0 && !drawBars(rows, bars) {
		bars = 0
	}
	print := func(when, sl, name, got, sent, did, bar, note string, st, noteStyle style) {
		l := line{{strings.Repeat(" ", indent), plain}, {pad(when, nWhen) + "  ", plain}}
		if slackCols > 0 {
			l = append(l, span{padLeft(sl, nSlack) + "  ", dim})
		}
		l = append(l, span{pad(name, nName) + "  ", st}, span{padLeft(got, nGot) + "  ", plain}, span{padLeft(sent, nSent) + "  ", plain},
			span{pad(did, nDid), st})
		if bars > 0 {
			l = append(l, span{"  " + pad(bar, bars), st})
		}
		if note != "" {
			l = append(l, span{"  " + note, noteStyle})
		}
		p.put(l...)
	}
	whenHead := "when"
	if p.o.NoAlign {
		whenHead = "raw"
		p.prose("   ", noAlignNote, dim)
	}
	print(whenHead, "±", "hop", "got", "sent", "what it did", "", "", dim, plain)
	likely := false
	show := func(r *row) {
		st := plain
		switch {
		case r.origin:
			st = red
		case r.handled:
			st = dim
		}
		print(padLeft(r.when, nWhen), r.slack, r.name, r.got, r.sent, r.did, r.bar, r.note, st, st)
		likely = likely || r.likely
	}
	for i := range rows {
		show(&rows[i])
	}
	if likely {
		p.prose("   ", likelyLegend, dim)
	}
	for i := range lanes {
		p.prose("   ", lanes[i].head(), dim)
		for j := range lanes[i].rows {
			show(&lanes[i].rows[j])
		}
	}
}

// drawBars draws what each hop's time is of the whole; false if there is nothing to draw.
func drawBars(rows []row, cols int) bool {
	var lo, hi time.Time
	for i := range rows {
		r := &rows[i]
		if r.startKnown && (lo.IsZero() || r.start.Before(lo)) {
			lo = r.start
		}
		for _, t := range []time.Time{r.start, r.end} {
			if !t.IsZero() && t.After(hi) {
				hi = t
			}
		}
	}
	span := hi.Sub(lo)
	if lo.IsZero() || span <= 0 {
		return false
	}
	at := func(t time.Time) int {
		// One column is kept for the mark of a broken end.
		x := math.Round(float64(t.Sub(lo)) / float64(span) * float64(cols-2))
		return int(min(max(x, 0), float64(cols-2)))
	}
	for i := range rows {
		r := &rows[i]
		if !r.startKnown {
			continue
		}
		a, end := at(r.start), "┤"
		b := a
		if r.endKnown {
			b = at(r.end)
		} else {
			end = "…"
		}
		if r.broke {
			end += "x"
		}
		switch {
		case b > a:
			r.bar = strings.Repeat(" ", a) + "├" + strings.Repeat("─", b-a-1) + end
		case r.broke:
			r.bar = strings.Repeat(" ", a) + "│x"
		default:
			r.bar = strings.Repeat(" ", a) + "│"
		}
	}
	return true
}

// joinNote says how an event came into the request, if that is not certain.
func joinNote(e *timeline.Joined) string {
	if e.Join != timeline.ByInferred {
		return ""
	}
	s := "inferred"
	if e.Candidates > 1 {
		s += fmt.Sprintf(", 1 of %d candidates", e.Candidates)
	}
	return s
}

// reasons prints what follows the table, each behind its label.
func (p *printer) reasons(c *correlate.Case) {
	v := c.Verdict
	if v == nil {
		v = &rules.Verdict{}
	}
	kind := outcomeOf(c)
	name := "proof"
	if kind != named {
		name = "seen"
	}
	posCols := 0
	shown := v.Evidence
	if !p.o.Wide && len(shown) > proofLines {
		shown = shown[:proofLines]
	}
	for _, e := range shown {
		posCols = max(posCols, displaywidth.String(Visible(e.Pos.String())))
	}
	for _, e := range shown {
		p.logLine(name, e.Pos.String(), min(posCols, 40), eventText(e), joinNote(e))
		name = ""
	}
	if n := len(v.Evidence) - len(shown); n > 0 {
		p.label("", "and "+plural(n, "line")+" more (-o wide)")
	}
	switch {
	case kind == didNotFail:
	case v.Effect == "completed":
		p.label("effect", "the work took effect although the client saw a failure")
	case v.Effect == "not_started":
		p.label("effect", "the work was not started")
	}

	name = "not the cause"
	for _, r := range v.Rivals {
		if r.ExcludedBy != "" {
			name = p.label(name, rivalText(r))
		}
	}
	name = "could be"
	for _, r := range v.Rivals {
		if r.ExcludedBy == "" {
			name = p.label(name, rivalText(r))
		}
	}
	name = "behind"
	for _, b := range v.Behind {
		name = p.label(name, behindText(b, c.Request, p.o.NoAlign))
	}
	name = "missing"
	for _, m := range v.Missing {
		s := m.What
		if m.WhyItMatters != "" {
			s += "; " + m.WhyItMatters
		}
		name = p.label(name, s)
	}
	name = "next"
	if kind == undetermined {
		name = "to decide it"
		if len(v.NextChecks) == 0 && len(v.Missing) == 0 {
			p.label(name, "the logs of the hops that are not in these sources, or a longer span of those that are")
		}
	}
	for _, s := range v.NextChecks {
		name = p.label(name, s)
	}
	name = "clocks"
	for _, s := range clockLines(c, p.o.Location) {
		name = p.label(name, s)
	}
	name = "contradicted"
	for _, s := range contradictionLines(c.Request) {
		name = p.label(name, s)
	}
	name = "not read"
	for _, s := range skippedLines(c.Skipped, c.Sources, c.Request != nil && c.Request.Truncated) {
		name = p.label(name, s)
	}
	if len(c.Other) > 0 {
		p.label("same ID", otherText(c.Other))
	}
}

// behindText says what lies behind a failure, how long before the begin of the request, and where it is written.
func behindText(b timeline.Behind, r *timeline.Request, noAlign bool) string {
	s := b.What
	if b.Request != "" {
		s += ", " + b.Request
		if b.Candidates > 1 {
			s += fmt.Sprintf(" (1 of %d)", b.Candidates)
		}
	}
	if r != nil && r.Start.Known() && b.At.Known() && !noAlign {
		if d := r.Start.Time.Sub(b.At.Time); d >= 0 {
			s += ", " + since(d) + " before"
		} else {
			s += ", " + since(-d) + " after it began"
		}
	}
	if b.Event != nil {
		s += " [" + b.Event.Pos.String() + "]"
	}
	return s
}

func rivalText(r rules.Rival) string {
	s := "?"
	if r.Hop != nil {
		s = r.Hop.Service
		if r.Hop.Status().Known() {
			s += " sent " + r.Hop.Status().String()
		} else if r.Hop.Lineage != timeline.LineageUnknown {
			s += " " + r.Hop.Lineage.String()
		}
	}
	if r.CauseClass != "" && r.CauseClass != "other" {
		s += " (" + r.CauseClass + ")"
	}
	if r.ExcludedBy != "" {
		s += ": " + r.ExcludedBy
	}
	if r.Event != nil {
		s += " [" + r.Event.Pos.String() + "]"
	}
	return s
}

func otherText(ids []string) string {
	const most = 5
	s := plural(len(ids), "other request") + " under the same ID: " + strings.Join(ids[:min(len(ids), most)], ", ")
	if len(ids) > most {
		s += ", ..."
	}
	return s
}

// clockLines tell what is known of the clocks of this request's hosts.
func clockLines(c *correlate.Case, loc *time.Location) []string {
	if c.Request == nil || len(c.Clocks) == 0 {
		return nil
	}
	mine := map[string]bool{}
	for _, h := range c.Request.Hops {
		if h.Host != "" && !h.Silent {
			mine[h.Host] = true
		}
	}
	var lines, untied []string
	tied, small := 0, 0
	start := c.Request.Start
	for _, k := range c.Clocks {
		if !mine[k.Host] {
			continue
		}
		switch {
		case !k.Tied && !k.Reference:
			s := k.Host + " is not tied"
			if k.Reason != "" {
				s += ": " + k.Reason
			}
			untied = append(untied, s)
			continue
		case k.Reference:
			tied++
			continue
		}
		tied++
		if math.Abs(k.OffsetMS) <= max(k.SlackMS, 1) && len(k.Steps) == 0 && !k.Inconsistent {
			small++
			continue
		}
		lines = append(lines, clockText(k, start.Time, loc))
	}
	switch {
	case tied > 1 && small == tied-1:
		lines = append(lines, fmt.Sprintf("%s tied, none off by more than its uncertainty", plural(tied, "host")))
	case tied > 1:
		lines = append(lines, plural(tied, "host")+" tied to each other")
	case tied == 1 && len(untied) == 0 && len(mine) == 1:
		lines = append(lines, "one host, one clock")
	}
	lines = append(lines, untied...)
	if c.ClocksWeak {
		lines = append(lines, weakClocks)
	}
	return lines
}

// contradictionLines tell which orders that must hold the records deny, and what may explain it.
func contradictionLines(r *timeline.Request) []string {
	if r == nil || len(r.Contradictions) == 0 {
		return nil
	}
	const most = 5
	var lines []string
	for i, x := range r.Contradictions {
		if i == most && len(r.Contradictions) > most+1 {
			lines = append(lines, plural(len(r.Contradictions)-most, "further contradiction")+" (-o json has all)")
			break
		}
		if !slices.Contains(lines, x.What) {
			lines = append(lines, x.What)
		}
	}
	return append(lines, "a line written late, a call not waited for or a wrong clock explains it; no time above rests on it")
}

// clockText tells of one clock as it was at a moment, with that of its steps that is the nearest.
func clockText(k timeline.HostClock, at time.Time, loc *time.Location) string {
	s := fmt.Sprintf("%s %s ±%s", k.Host, offset(k.OffsetMS), slackMS(k.SlackMS))
	if k.Calls > 0 {
		s += " by " + plural(k.Calls, "call")
	}
	if k.Zone != "" {
		s += ", its zone is not written (" + k.Zone + " fits)"
	}
	if len(k.Steps) > 0 {
		nearest := slices.MinFunc(k.Steps, func(a, b timeline.ClockStep) int { return cmp.Compare(a.At.Sub(at).Abs(), b.At.Sub(at).Abs()) })
		s += ", " + stepText(nearest, loc)
		if n := len(k.Steps) - 1; n > 0 {
			s += " and " + plural(n, "other time")
		}
	}
	if k.Reason != "" {
		s += ", " + k.Reason
	}
	return s
}

// offset prints milliseconds with a sign, longer ones as a duration.
func offset(ms float64) string {
	if math.Abs(ms) < 60_000 {
		return fmt.Sprintf("%+.1f ms", ms)
	}
	d := time.Duration(ms * float64(time.Millisecond)).Round(time.Millisecond)
	if d > 0 {
		return "+" + d.String()
	}
	return d.String()
}

// skippedLines tell what was not read, most first by order of the case.
func skippedLines(skipped []timeline.Skipped, sources []correlate.SourceInfo, truncated bool) []string {
	var out []string
	for _, s := range sources {
		if s.Err != "" {
			out = append(out, s.Name+" could not be read whole: "+s.Err)
		}
	}
	const most = 6
	for i, s := range skipped {
		if i == most && len(skipped) > most+1 {
			out = append(out, plural(len(skipped)-most, "further kind")+" (-o json has all)")
			break
		}
		t := s.Source + ": " + s.What
		switch {
		case s.Count > 1 && s.First != "":
			t += " (" + thousands(s.Count) + " times, first at " + s.First + ")"
		case s.Count > 1:
			t += " (" + thousands(s.Count) + " times)"
		case s.First != "":
			t += " (at " + s.First + ")"
		}
		out = append(out, t)
	}
	if truncated {
		out = append(out, "a limit was hit while this request was gathered: something of it may be missing")
	}
	return out
}

// links prints why the IDs of the request are one request's.
func (p *printer) links(aliases []timeline.Alias) {
	if len(aliases) == 0 {
		return
	}
	p.put(span{"ids", bold})
	for _, a := range aliases {
		p.whole(line{{"      " + Visible(a.B.String()) + " is " + Visible(a.A.String()), plain}, {"  " + Visible(a.Pos.String()), plain}, {"  " + Visible(a.Reason), dim}})
	}
	p.put()
}

// events prints every event of the request with its raw and its aligned time; those of
// hosts that are not tied to the others below, each host's for itself.
func (p *printer) events(c *correlate.Case) {
	r := c.Request
	p.put(span{"events", bold})
	main := make([]*timeline.Joined, 0, len(r.Events))
	if p.o.NoAlign {
		p.prose("  ", noAlignNote, dim)
		for i := range r.Events {
			main = append(main, &r.Events[i])
		}
		slices.SortStableFunc(main, asCalled)
		for _, e := range main {
			p.event(e, "", "")
		}
		return
	}
	untied := untiedHosts(c)
	zero := zeroOf(r, untied)
	lanes := map[string][]*timeline.Joined{}
	var hosts []string
	for i := range r.Events {
		e := &r.Events[i]
		if _, ok := untied[e.Host]; !ok {
			main = append(main, e)
			continue
		}
		if lanes[e.Host] == nil {
			hosts = append(hosts, e.Host)
		}
		lanes[e.Host] = append(lanes[e.Host], e)
	}
	likely := false
	for i, e := range main {
		when, sl := "?", ""
		if e.Start.Known() && !zero.IsZero() {
			when, sl = since(e.Start.Time.Sub(zero)), "±"+slack(e.Start.Slack())
		}
		if i > 0 && e.Host != main[i-1].Host && likelyAfter(main[i-1].Start, e.Start) && !follows(r, e, main[i-1]) {
			when, likely = likelyMark+when, true
		}
		p.event(e, when, sl)
	}
	if likely {
		p.prose("  ", likelyLegend, dim)
	}
	for _, h := range hosts {
		p.prose("  ", untiedHead(h, untied[h]), dim)
		for _, e := range lanes[h] {
			p.event(e, "", "")
		}
	}
}

// follows says whether e is a record of a hop that worked for the one whose exchange the
// other record is: it was made after that had begun.
func follows(r *timeline.Request, e, other *timeline.Joined) bool {
	return other.Kind == timeline.ServerSpan && e.Hop != nil && other.Hop != nil && calledBy(r, e.Hop, other.Hop)
}

// asCalled orders events by their hops, callers first, and those of one hop by position.
func asCalled(a, b *timeline.Joined) int {
	id := func(e *timeline.Joined) int {
		if e.Hop == nil {
			return math.MaxInt
		}
		return e.Hop.ID
	}
	return cmp.Or(cmp.Compare(id(a), id(b)), a.Pos.Compare(b.Pos))
}

// event prints one event: when it was and how well that is known (not where clocks are not
// corrected), its stamp, whose it is and where it stands, and its record.
func (p *printer) event(e *timeline.Joined, when, sl string) {
	hop := ""
	if e.Hop != nil {
		hop = fmt.Sprintf("%d ", e.Hop.ID)
	}
	join := e.Join.String()
	if e.Join == timeline.ByInferred {
		join = fmt.Sprintf("inferred, 1 of %s", plural(max(e.Candidates, 1), "candidate"))
		if e.Reason != "" {
			join += ": " + e.Reason
		}
	}
	who := strings.TrimSpace(e.Service + " " + e.Host)
	if e.Service == e.Host {
		who = e.Service
	}
	l := line{{fmt.Sprintf("%4d  ", e.ID), dim}}
	if !p.o.NoAlign {
		l = append(l, span{padLeft(when, 9) + " " + pad(sl, 6) + "  ", plain})
	}
	l = append(l, span{"raw " + rawStamp(e, p.o.Location, true) + zoneNote(e.Stamp) + "  ", plain}, span{"hop " + hop + Visible(who) + "  ", plain},
		span{e.Kind.String() + "  ", dim}, span{Visible(e.Pos.String()) + "  ", plain}, span{Visible(join), dim})
	p.whole(l)
	text := string(e.Raw)
	if text == "" {
		text = e.Body
	}
	for _, s := range visibleLines(text) {
		p.whole(line{{"      " + s, plain}})
	}
}

func zoneNote(s timeline.Stamp) string {
	if s.Zone == timeline.ZoneUnknown {
		return " (zone not written)"
	}
	return ""
}

// whole prints a line without cutting it.
func (p *printer) whole(l line) {
	w := p.o.Width
	p.o.Width = 0
	p.put(l...)
	p.o.Width = w
}
