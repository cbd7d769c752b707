package rules

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/correlatehq/correlate/timeline"
)

// A clause is a part of a sentence: a claim, and what stands between it and the clause
// before, punctuation first: " ", "; ", ", and ".
type clause struct {
	join, text string
	evidence   []*timeline.Joined
}

type sentence []clause

// claimsOf writes sentences as claims, each with the punctuation that ends it.
func claimsOf(sentences ...sentence) []Claim {
	n := 0
	for _, s := range sentences {
		n += len(s)
	}
	out, ends := make([]Claim, 0, n), make([]int, 0, 16)
	var room [1024]byte
	b := room[:0] // the words of all claims: those of each are a part of one text
	for _, s := range sentences {
		for i, c := range s {
			begin, stop := len(b), "."
			if i == 0 {
				b = append(b, capital(c.text)...)
			} else {
				_, after := punctuation(c.join)
				b = append(append(b, after...), c.text...)
			}
			if i+1 < len(s) {
				stop, _ = punctuation(s[i+1].join)
			} else {
				b = b[:begin+len(bytes.TrimRight(b[begin:], ". "))]
			}
			b = append(b, stop...)
			ends = append(ends, len(b))
			out = append(out, Claim{Evidence: unique(c.evidence)})
		}
	}
	whole, begin := string(b), 0
	for i, end := range ends {
		out[i].Words, begin = whole[begin:end], end
	}
	return out
}

// punctuation cuts what joins two clauses: "; " into ";" and "", ", and " into "," and "and ".
func punctuation(join string) (stop, after string) {
	stop, after, _ = strings.Cut(join, " ")
	return stop, after
}

// capital begins a sentence with a capital, unless it begins with somebody's name.
func capital(s string) string {
	first, _, _ := strings.Cut(s, " ")
	switch first {
	case "the", "a", "an", "while", "no", "nobody":
		return strings.ToUpper(s[:1]) + s[1:]
	}
	return s
}

// words joins claims to a summary.
func words(claims []Claim) string {
	var room [16]string
	all := room[:0]
	for i := range claims {
		all = append(all, claims[i].Words)
	}
	return strings.Join(all, " ")
}

// told makes claims of one plain sentence.
func told(text string, evidence ...*timeline.Joined) []Claim {
	return claimsOf(sentence{{text: text, evidence: known(evidence)}})
}

func known(events []*timeline.Joined) []*timeline.Joined {
	return slices.DeleteFunc(events, func(e *timeline.Joined) bool { return e == nil })
}

// claims tells in at most three sentences what happened, in the order in which it
// happened: what came before, the origin's act, the way of the failure to the client,
// and what came too late. text is what a rule says of the origin's act.
func (j *judgement) claims(text, component string, cited []*timeline.Joined) []Claim {
	all := make([]sentence, 0, 4)
	before, beside := j.handled(component)
	if before = append(before, j.attempts(len(before) > 0)...); len(before) > 0 {
		all = append(all, before)
	}
	all = append(all, j.act(text, component, cited))
	if way := j.wayUp(); len(way) > 0 {
		all = append(all, way)
	}
	if late := append(j.late(), beside...); len(late) > 0 {
		if len(all) == 3 {
			late[0].join = "; "
			all[2] = append(all[2], late...)
		} else {
			all = append(all, late)
		}
	}
	return claimsOf(all...)
}

// act tells what the origin did, with the error of the call on which its failure rests, and
// what it answered unless the words say so.
func (j *judgement) act(text, component string, cited []*timeline.Joined) sentence {
	origin := j.trail.Origin
	text = strings.TrimRight(shorten(text, 400), ".,; ")
	first := clause{text: text, evidence: foremost(cited)}
	if c := origin.FailedBy; c != nil {
		if e := shorten(c.Error, 160); e != "" && !strings.Contains(first.text, strings.TrimSuffix(e, "...")) {
			first.text += " (" + e + ")"
		}
	}
	if h := j.hopNamed(component); h != nil && h != origin {
		// The other end's own words.
		if e := record(h); e != nil {
			first.evidence = append(first.evidence, e)
		} else if own := telling(h); len(own) > 0 {
			first.evidence = append(first.evidence, own[0])
		}
	}
	st, shown := origin.Sent, record(origin)
	if c := origin.Caller; !st.Known() && c != nil && c.Received.Known() && !c.OwnMade {
		st, shown = c.Received, c.Record // so its caller says
	}
	if !st.Known() || origin.Lineage == timeline.Died {
		if d := origin.DiedOf(); d != nil && d.Apart != "" {
			return sentence{first, {"; ", d.Apart, known([]*timeline.Joined{d})}}
		}
		return sentence{first}
	}
	answer := clause{" ", "and answered " + st.String(), known([]*timeline.Joined{shown})}
	switch {
	case brokeOff(origin) && strings.HasPrefix(text, name(origin)+" "):
		answer.text = "and broke off the answer that it had begun with " + st.String()
	case brokeOff(origin):
		answer.join, answer.text = "; ", name(origin)+" broke off the answer that it had begun with "+st.String()
	case strings.HasPrefix(text, name(origin)+" answered "+st.String()):
		return sentence{first}
	case !strings.HasPrefix(text, name(origin)+" ") || strings.Contains(text, "; "):
		answer.join, answer.text = "; ", name(origin)+" answered "+st.String()
	}
	return sentence{first, answer}
}

// brokeOff says whether a hop failed after it had sent the head of an answer that says nothing of it.
func brokeOff(h *timeline.Hop) bool {
	return (h.Ended == timeline.Truncated || h.Ended == timeline.Reset) && succeeded(h.Status())
}

// citedMost bounds the records that one claim cites.
const citedMost = 3

// foremost gives the records that show a claim best, those that belong to the request the
// most certainly first. Those that may as well be another's are left out where others show it.
func foremost(events []*timeline.Joined) []*timeline.Joined {
	out := unique(events)
	slices.SortStableFunc(out, func(a, b *timeline.Joined) int { return doubtful(a) - doubtful(b) })
	if len(out) > 0 && doubtful(out[0]) < guessed {
		out = slices.DeleteFunc(out, func(e *timeline.Joined) bool { return doubtful(e) >= guessed })
	}
	return out[:min(len(out), citedMost)]
}

// wayUp tells how the failure went from the origin to the client; hops next to each
// other that did the same are told of together.
func (j *judgement) wayUp() sentence {
	path := j.trail.Path
	if len(path) < 2 {
		return nil
	}
	out, shows := make(sentence, 0, len(path)-1), make([]*timeline.Joined, 0, len(path)-1)
	var room [8]string
	who := room[:0]
	did, from := "", 0
	end := func() { // what the hops did that are told of together
		if len(who) > 0 {
			out = append(out, clause{", ", list(who) + " " + did, slices.Clip(shows[from:])})
		}
		who, from = who[:0], len(shows)
	}
	for i := len(path) - 2; i >= 0; i-- {
		h, below := path[i], path[i+1]
		does := act(h, below)
		if does == "" {
			continue
		}
		if does != did {
			end()
			did = does
		}
		who = append(who, name(h))
		if e := record(h); e != nil {
			shows = append(shows, e)
		}
	}
	end()
	if n := len(out); n > 1 {
		out[n-1].join = ", and "
	}
	return out
}

// act is what h did with the failure of the hop below it, without its name; "" if it is not known.
func act(h, below *timeline.Hop) string {
	sent, got := h.Status(), h.Received
	switch {
	case !sent.Known():
		return ""
	case brokeOff(h) && got == sent:
		return "passed the broken answer on"
	case got.Known() && got != sent:
		return "turned the " + got.String() + " into " + sent.String()
	case got.Known():
		return "passed the " + sent.String() + " on"
	case below.Lineage == timeline.Died || h.FailedBy != nil && h.FailedBy.Ended == timeline.Reset:
		return "lost the connection to " + name(below) + " and answered " + sent.String()
	}
	return "answered " + sent.String()
}

func list(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}

// handled tells of failures that look like a cause and are none, because their callers
// coped with them: those that were over before the origin failed, and those of which
// the clocks do not show it.
func (j *judgement) handled(component string) (before, beside sentence) {
	var first *timeline.Hop
	more := 0
	for _, h := range j.request.Hops {
		up := h.Caller
		if up == nil || up.Caller == nil || !h.HandledByCaller || !h.Failed() || name(h) == component || handledAbove(up.Caller) != nil || laterAttempt(up) != nil {
			continue
		}
		if first == nil {
			first = h
		} else {
			more++
		}
	}
	if first == nil {
		return nil, nil
	}
	what, caller := "failed", first.Caller.Caller
	if st := first.Status(); st.Known() {
		what = "answered " + st.String()
	}
	c := clause{text: name(first) + " " + what + ", and " + name(caller) + " handled it",
		evidence: known([]*timeline.Joined{record(first), j.speaking(caller, first)})}
	if more > 0 {
		were := " were handled too"
		if more == 1 {
			were = " was handled too"
		}
		c.text += "; " + counted(more, "more failure") + were
	}
	if first.End.CertainlyBefore(j.trail.Origin.End) {
		return sentence{c}, nil
	}
	return nil, sentence{c}
}

// attempts tells how often the call was tried on which the failure rests.
func (j *judgement) attempts(further bool) sentence {
	for i := len(j.trail.Path) - 1; i >= 0; i-- {
		c := j.trail.Path[i].FailedBy
		if c == nil || c.Attempt < 2 {
			continue
		}
		var shows []*timeline.Joined
		var got, whom []string
		for _, k := range c.Caller.Calls {
			if k == c || k.Attempt >= c.Attempt || k.Purpose != c.Purpose || k.Method != c.Method || k.Target != c.Target {
				continue
			}
			shows = append(shows, k.Record)
			got = append(got, outcome(k))
			if p := party(k); !slices.Contains(whom, p) {
				whom = append(whom, p)
			}
		}
		if len(got) == 0 {
			continue
		}
		times := fmt.Sprintf(" %d times", len(got))
		switch {
		case len(got) == 1:
			times = " once"
		case len(whom) > 1:
			times = ""
		}
		out := clause{text: fmt.Sprintf("%s called %s%s before and failed: %s", name(c.Caller), list(whom), times, list(slices.Compact(got))), evidence: foremost(known(shows))}
		if further {
			out.join = "; "
		}
		return sentence{out}
	}
	return nil
}

// outcome says in a few words what came of a call.
func outcome(c *timeline.Call) string {
	if c.Received.Known() && !c.OwnMade {
		return c.Received.String()
	}
	if w := outcomeWords[c.Ended]; w != "" {
		return w
	}
	if c.Received.Known() {
		return c.Received.String()
	}
	return "no answer"
}

var outcomeWords = map[timeline.Outcome]string{
	timeline.GaveUp: "no answer in time", timeline.ConnectGaveUp: "no connection in time", timeline.Refused: "no connection",
	timeline.Reset: "the connection broke", timeline.Truncated: "the answer broke off", timeline.Unusable: "an answer of no use", timeline.NotSent: "not sent",
}

// party names who was called.
func party(c *timeline.Call) string {
	switch {
	case c.Callee != nil && c.Callee.Service != "":
		return c.Callee.Service
	case c.Peer != "":
		return c.Peer
	}
	return "somebody"
}

// late tells of an answer that came after its caller had given up.
func (j *judgement) late() sentence {
	c := j.trail.Origin.FailedBy
	if c == nil || c.Ended != timeline.GaveUp || !succeeded(c.Sent) || c.Callee == nil {
		return nil
	}
	by := ""
	if c.End.CertainlyBefore(c.Callee.End) {
		by = durationWords(c.Callee.End.Time.Sub(c.End.Time)) + " "
	}
	return sentence{{text: fmt.Sprintf("%s answered %s all the same, %stoo late", name(c.Callee), c.Sent, by), evidence: known([]*timeline.Joined{record(c.Callee)})}}
}

func counted(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// originWords say what is known of a hop where no rule knows more.
func originWords(h *timeline.Hop) string {
	switch {
	case h.Lineage == timeline.Died:
		return name(h) + " ended before it answered"
	case h.Silent:
		return name(h) + ", of which no log was read, failed the request"
	}
	return name(h) + " failed the request and says nothing of the reason"
}

// errorText is what the hop says of its failure, in a line: the error in code, else its
// words about the call, else its last error message.
func (h *HopView) errorText() string {
	if e := h.ownException(); e != nil {
		return e.exceptionText()
	}
	if f := h.FailedBy; f != nil && f.Error != "" {
		return shorten(f.Error, 160)
	}
	for i := len(h.Events) - 1; i >= 0; i-- {
		if e := h.Events[i]; e.Kind == "log" && !e.Handled && severe(e.Severity) {
			return shorten(e.errorWords(), 160)
		}
	}
	return ""
}

// exceptionText is the error in code that a record tells, in a line: its type, its message and its place.
func (e *EventView) exceptionText() string {
	x := e.Exception
	s := shorten(x.Message, 160)
	if x.Type != "" && s != "" {
		s = x.Type + ": " + s
	} else if s == "" {
		s = x.Type
	}
	if s == "" {
		s = shorten(e.errorWords(), 160)
	}
	if x.File != "" {
		s += " (" + place(x.File, x.Line) + ")"
	}
	return s
}

// errorWords is what a message says of an error: its own words, which are often the same whatever went wrong, and those of the error
// that stand beside them.
func (e *EventView) errorWords() string {
	said := e.joined.Attrs.Get("error.message")
	switch {
	case said == "" || strings.Contains(e.Body, said):
		return e.Body
	case e.Body == "" || strings.Contains(said, e.Body):
		return said
	}
	return strings.TrimRight(e.Body, ":. ") + ": " + said
}

// place is the last part of a file's path, and the line if it is known.
func place(file string, line int) string {
	at := file[strings.LastIndexByte(file, '/')+1:]
	if line > 0 {
		at += ":" + strconv.Itoa(line)
	}
	return at
}

// stateWords tells what the process of a call's callee did, and where that is written.
func (n *NearView) stateWords(c *timeline.Call) string {
	state, p := n.state(c)
	if p == nil {
		return ""
	}
	who := p.Service
	if p.Host != "" && p.Host != p.Service {
		who += " on " + p.Host
	}
	what := map[string]string{
		stateRestarting: "was being restarted", stateCrashed: "had crashed", stateKilled: "had been killed", stateOOMKilled: "had been killed for want of memory",
	}[state]
	for _, e := range p.Events {
		if e.Lifecycle >= timeline.ProcessStopping {
			return fmt.Sprintf("%s %s (%s)", who, what, e.Pos)
		}
	}
	return who + " " + what
}
