package rules

import (
	"fmt"
	"strings"

	"github.com/correlatehq/correlate/timeline"
)

// summary tells in at most three sentences what happened: the origin's act, the way
// of the failure to the client, and what else somebody at 3 a.m. should know.
func (j *judgement) summary(words, component string) string {
	origin := j.trail.Origin
	first := strings.TrimRight(shorten(words, 400), ". ")
	if st := origin.Sent; st.Known() && !strings.Contains(first, st.String()) && origin.Lineage != timeline.Died {
		if strings.HasPrefix(first, name(origin)+" ") && !strings.Contains(first, "; ") {
			first += " and answered " + st.String()
		} else {
			first += "; " + name(origin) + " answered " + st.String()
		}
	}
	sentences := []string{strings.TrimRight(first, ",") + "."}
	if s := j.wayUp(); s != "" {
		sentences = append(sentences, s+".")
	}
	if s := j.aside(component); s != "" {
		sentences = append(sentences, s+".")
	}
	return strings.Join(sentences, " ")
}

// wayUp tells how the failure went from the origin to the client.
func (j *judgement) wayUp() string {
	var parts []string
	path := j.trail.Path
	for i := len(path) - 2; i >= 0; i-- {
		h, below := path[i], path[i+1]
		sent, got := h.Status(), h.Received
		if !sent.Known() {
			continue
		}
		switch {
		case !got.Known():
			lost := ""
			if below.Lineage == timeline.Died || h.FailedBy != nil && h.FailedBy.Ended == timeline.Reset {
				lost = "lost the connection to " + name(below) + " and "
			}
			parts = append(parts, fmt.Sprintf("%s %sanswered %s", name(h), lost, sent))
		case got != sent:
			parts = append(parts, fmt.Sprintf("%s turned the %s into %s", name(h), got, sent))
		default:
			parts = append(parts, fmt.Sprintf("%s passed the %s on", name(h), sent))
		}
	}
	switch len(parts) {
	case 0:
		return ""
	case 1:
		return parts[0]
	}
	return strings.Join(parts[:len(parts)-1], ", ") + ", and " + parts[len(parts)-1]
}

// aside tells what the failure left behind, or what looks like a cause and is none.
func (j *judgement) aside(component string) string {
	origin := j.trail.Origin
	if c := origin.FailedBy; c != nil && c.Ended == timeline.GaveUp && succeeded(c.Sent) && c.Callee != nil {
		return fmt.Sprintf("%s answered %s all the same, too late", name(c.Callee), c.Sent)
	}
	for _, h := range j.request.Hops {
		if h.HandledByCaller && h.Failed() && h.Caller != nil && h.Caller.Caller != nil && name(h) != component {
			what := "failed"
			if st := h.Status(); st.Known() {
				what = "answered " + st.String()
			}
			return fmt.Sprintf("%s had %s before, and %s handled it", name(h), what, name(h.Caller.Caller))
		}
	}
	return ""
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
		x := e.Exception
		s := shorten(x.Message, 160)
		if x.Type != "" && s != "" {
			s = x.Type + ": " + s
		} else if s == "" {
			s = x.Type
		}
		if s == "" {
			s = shorten(e.Body, 160)
		}
		if x.File != "" {
			at := x.File[strings.LastIndexByte(x.File, '/')+1:]
			if x.Line > 0 {
				at = fmt.Sprintf("%s:%d", at, x.Line)
			}
			s += " (" + at + ")"
		}
		return s
	}
	if f := h.FailedBy; f != nil && f.Error != "" {
		return shorten(f.Error, 160)
	}
	for i := len(h.Events) - 1; i >= 0; i-- {
		if e := h.Events[i]; e.Kind == "log" && !e.Handled && severe(e.Severity) {
			return shorten(e.Body, 160)
		}
	}
	return ""
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
