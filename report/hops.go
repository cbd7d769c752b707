package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/clipperhouse/displaywidth"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/timeline"
)

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
	said := ""
	if c.Verdict != nil {
		origin, said = c.Verdict.Origin, c.Verdict.Summary
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
		x.note = Visible(strings.Join(hopNotes(h, x.origin, said), ", "))
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

// hopNotes tells what else is to be known of a hop; said is what was said of the request before.
func hopNotes(h *timeline.Hop, origin bool, said string) []string {
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
		if c.Error != "" && !strings.Contains(said, c.Error) {
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
