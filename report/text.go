// Package report renders finished values: a [correlate.Case], a [correlate.Digest] or
// a [correlate.ClockReport] to text for a terminal, to Markdown, or to the JSON
// contract. Every function is pure: the same value gives the same bytes, and nothing
// is read but the value.
//
// Whatever comes from a log is hostile. In text it is made visible ([Visible]), in
// Markdown it is escaped as well, and in JSON no byte is left that a terminal acts on.
package report

import (
	"fmt"
	"io"
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
		created := " created by "
		if s := shownStatus(c.Request); s.Known() && !s.Failed() && !s.Refused() {
			created = " broken off by "
		}
		what := st + created + where(v.Origin)
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
	if v := c.Verdict; v != nil {
		if s := summary(v); s != "" {
			p.prose("  ", s, plain)
		}
		if v.Exception != nil {
			p.prose("  ", placed(v.Exception)+location(v.Exception, v.Summary), plain)
		}
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

// location prints an error in code: "price.go:88 in (*Pricer).Total: runtime error: ...";
// its message is left out where it was said before.
// placed says what the place of an exception is.
func placed(x *timeline.Exception) string {
	if x.Logged {
		return "error logged at "
	}
	return "error at "
}

func location(x *timeline.Exception, said string) string {
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
	if what != "" && !strings.Contains(said, what) {
		kept, cut := head(what, 400)
		if cut > 0 {
			kept += cutNote(cut)
		}
		s += ": " + kept
	}
	return s
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
