package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// safe says that a method changes nothing where it is used as meant (RFC 9110, 9.2.1).
// An unknown method is not held for safe.
func safe(method string) bool {
	switch strings.ToUpper(method) {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return true
	}
	return false
}

// uncalled are the causes for which a hop fails a request before it asks anybody.
var uncalled = []string{"body_too_large", "rate_limited", "bad_input", "no_healthy_upstream", "circuit_open"}

// effect says whether the work that failed took effect, and which fact shows it.
func (j *judgement) effect(cause string) (effect, by string) {
	origin := j.trail.Origin
	c := origin.FailedBy
	if c == nil {
		if len(origin.Calls) == 0 && (origin.Ended == timeline.Denied || origin.Status().Refused() || slices.Contains(uncalled, cause) || origin.Role.Forwards() && j.views.of(origin).says("no_healthy_upstream", false)) {
			return "not_started", name(origin) + " refused it before it asked anybody"
		}
		return "unknown", j.done(nil)
	}
	method, target := asked(c)
	what := strings.TrimSpace(method + " " + target)
	if what == "" {
		what = "the call"
	}
	if safe(method) && j.request.Method != "" && !safe(j.request.Method) {
		return "unknown", "what failed, " + what + " to " + party(c) + ", only reads"
	}
	if succeeded(c.Sent) {
		return "completed", fmt.Sprintf("%s answered %s to %s", party(c), c.Sent, what)
	}
	if by := j.done(c); by != "" {
		return "unknown", by
	}
	switch {
	case c.Ended == timeline.NotSent:
		return "not_started", what + " to " + party(c) + " was not sent"
	case c.Ended == timeline.Refused || c.Ended == timeline.ConnectGaveUp:
		return "not_started", name(origin) + " had no connection to " + party(c)
	case c.Received.Refused() && !c.OwnMade:
		return "not_started", fmt.Sprintf("%s refused %s with %s", j.views.of(origin).refuser(), what, c.Received)
	}
	return "unknown", ""
}

// asked gives method and target of a call: by the caller's record, else by the callee's.
func asked(c *timeline.Call) (method, target string) {
	if c.Method != "" || c.Record != nil || c.Callee == nil {
		return c.Method, c.Target
	}
	for _, e := range c.Callee.Events {
		if e.Kind == timeline.ServerSpan {
			return e.Attrs.Get("http.request.method"), e.Attrs.Get("url.path")
		}
	}
	return "", ""
}

// done tells of a write other than the failed call, which may be nil, that the origin had made with success; "" if there is none.
func (j *judgement) done(failed *timeline.Call) string {
	origin := j.trail.Origin
	for _, k := range origin.Calls {
		method, target := asked(k)
		st := k.Received
		if !st.Known() {
			st = k.Sent
		}
		if k == failed || k.Failed() || k.Purpose == timeline.ErrorPage || method == "" || safe(method) || !succeeded(st) {
			continue
		}
		what := strings.TrimSpace(method+" "+target) + " to " + party(k)
		switch {
		case k.Outlasted():
			return fmt.Sprintf("%s succeeded, after %s had answered", what, name(origin))
		case k.Received.Known() || j.request.Tied && k.AnsweredFirst():
			return what + " had succeeded before"
		}
		return what + " succeeded, and nothing shows whether that was before"
	}
	return ""
}

// succeeded says whether a status is a success: 499 is none, though it is no failure of the server's.
func succeeded(s timeline.Status) bool { return s.Known() && asHTTP(s) < 400 }

// retries finds the writes that were sent again after an attempt that reached the other side.
func (j *judgement) retries() []Retry {
	var out []Retry
	for _, h := range j.request.Hops {
		for _, c := range h.Calls {
			if c.Attempt < 2 || laterAttempt(c) != nil {
				continue
			}
			method := c.Method
			if method == "" && h.Role.Forwards() {
				method = j.request.Method
			}
			if method == "" || safe(method) {
				continue
			}
			reached := slices.ContainsFunc(h.Calls, func(k *timeline.Call) bool {
				return k.Attempt < c.Attempt && k.Purpose == c.Purpose && k.Method == c.Method && k.Target == c.Target && mayHaveReached(k)
			})
			if reached {
				out = append(out, Retry{h, party(c), method, c.Target, c.Attempt, c.Record})
			}
		}
	}
	return out
}

// mayHaveReached says that the other side may have worked on a call.
func mayHaveReached(c *timeline.Call) bool {
	switch c.Ended {
	case timeline.Refused, timeline.ConnectGaveUp, timeline.NotSent, timeline.Denied:
		return false
	}
	return c.OwnMade || !c.Received.Refused()
}

// slowest finds the hop that held the request the longest by itself, if the failure is a timeout.
func (j *judgement) slowest(cause string) *Slowest {
	if cause != "upstream_timeout" {
		return nil
	}
	var best *Slowest
	for _, h := range j.request.Hops {
		start, end, whole := timeOf(h)
		if !start.Known() || !end.Known() || end.Time.Before(start.Time) {
			continue
		}
		s := &Slowest{Hop: h, Total: end.Time.Sub(start.Time), AtLeast: !whole}
		s.Own = s.Total - waitedFor(h, start.Time, end.Time)
		if best == nil || s.Own >= best.Own {
			best = s
		}
	}
	return best
}

// timeOf gives when a hop began and ended; where its own records do not tell, it is what its
// caller saw of it, and whole is false.
func timeOf(h *timeline.Hop) (start, end timeline.Instant, whole bool) {
	start, end = hopWindow(h)
	if start.Known() && end.Known() && (h.End.Known() || end != start) {
		return start, end, true
	}
	if h.Caller == nil {
		return start, end, false
	}
	start, end = waited(h.Caller)
	return start, end, false
}

// waitedFor is how long of [from, to] a hop waited for those that it called.
func waitedFor(h *timeline.Hop, from, to time.Time) time.Duration {
	type span struct{ from, to time.Time }
	var spans []span
	for _, c := range h.Calls {
		if c.Purpose.Aside() {
			continue
		}
		start, end := callWindow(c)
		if !start.Known() || !end.Known() {
			continue
		}
		s := span{start.Time, end.Time}
		if s.from.Before(from) {
			s.from = from
		}
		if s.to.After(to) {
			s.to = to
		}
		if s.from.Before(s.to) {
			spans = append(spans, s)
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(a.from.Compare(b.from), a.to.Compare(b.to)) })
	var sum time.Duration
	at := from
	for _, s := range spans {
		if s.from.After(at) {
			at = s.from
		}
		if s.to.After(at) {
			sum += s.to.Sub(at)
			at = s.to
		}
	}
	return sum
}
