package correlate

import (
	"cmp"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/correlatehq/correlate/timeline"
)

// byError are the cause classes of which failures are one group only if they have the error in common: any error of a service may be meant. The others say by
// themselves how the request failed, in whatever words a caller puts it.
var byError = []string{"unhandled_exception", "bad_input", "resource_exhaustion", "dependency_error", "bad_config_or_secret", "bad_upstream_response", "other"}

// A loggedError is what tells the error of a failure from others: its type, where in the code it is, and the words that it has whatever the request was.
type loggedError struct {
	kind, file, function string
	line                 int
	head, words          string
}

// errorOf gives the error of a verdict. That of the origin itself is told by its place as well, of which folders differ from one host to the next. That of its
// component is the same wherever it came up.
func errorOf(c *Case) *loggedError {
	v := c.Verdict
	e := &loggedError{words: timeline.UsualWords(v.ErrorText)}
	if x := v.Exception; x != nil {
		e.kind, e.words = x.Type, timeline.UsualWords(x.Message)
		if v.Component == "" && x.File != "" && !x.Logged {
			e.file, e.function, e.line = path.Base(x.File), x.Function, x.Line
		}
	}
	if v.Component == "" && v.CauseClass == "unhandled_exception" {
		e.head, _, _ = strings.Cut(e.words, ": ")
	}
	return e
}

// likeShare is of which part of their words two errors have more in common if they are the same.
const likeShare = 0.5

// like says whether two failures have the same error. Where no place in the code is known, what stands before the first colon stands for it.
func (e *loggedError) like(o *loggedError) bool {
	if e.kind != o.kind && e.kind != "" && o.kind != "" || !likeWords(e.words, o.words) {
		return false
	}
	switch {
	case e.file == "" || o.file == "":
		return likeWords(e.head, o.head) || (e.kind == "") != (o.kind == "") // then the type stands before the words of one of them
	case e.function == "" || o.function == "":
		return e.file == o.file && e.line == o.line
	}
	return e.file == o.file && e.function == o.function // lines move from one version to the next
}

// likeWords says whether most words of two texts are the same.
func likeWords(a, b string) bool {
	if a == b {
		return true
	}
	all := map[string]int{}
	for i, s := range []string{a, b} {
		for w := range strings.FieldsSeq(s) {
			all[w] |= 1 << i
		}
	}
	same := 0
	for _, in := range all {
		if in == 3 {
			same++
		}
	}
	return float64(same) > likeShare*float64(len(all))
}

// group puts cases with like verdicts together, the largest group first.
func group(cases []*Case) []*Group {
	type key struct{ origin, component, cause string }
	type kin struct {
		error *loggedError
		group *Group
	}
	groups := map[key][]kin{}
	var out []*Group
	for _, c := range cases {
		v := c.Verdict
		k := key{component: v.Component, cause: v.CauseClass}
		if v.Origin != nil {
			k.origin = v.Origin.Service
		}
		e := &loggedError{}
		if slices.Contains(byError, v.CauseClass) {
			e = errorOf(c)
		}
		i := slices.IndexFunc(groups[k], func(o kin) bool { return o.error.like(e) })
		if i < 0 {
			g := &Group{Origin: k.origin, Component: k.component, CauseClass: k.cause, First: c.Request.Start.Time}
			i, groups[k] = len(groups[k]), append(groups[k], kin{e, g})
			out = append(out, g)
		}
		g := groups[k][i].group
		g.Cases = append(g.Cases, c)
		g.Last = c.Request.Start.Time
	}
	for _, g := range out {
		g.Share = float64(len(g.Cases)) / float64(len(cases))
		routes, rules, errors := map[string]int{}, map[string]int{}, map[string]int{}
		for _, c := range g.Cases {
			routes[route(c.Request)]++
			rules[c.Verdict.Rule]++
			errors[c.Verdict.ErrorText]++
		}
		g.Routes = counted(routes)
		if len(g.Routes) == 1 {
			g.Route = g.Routes[0].Route
		}
		g.Rule = counted(rules)[0].Route
		if slices.Contains(byError, g.CauseClass) {
			if s := counted(errors)[0].Route; strings.ContainsFunc(s, unicode.IsLetter) {
				g.Error = s
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *Group) int { return len(b.Cases) - len(a.Cases) })
	return out
}

// counted lists what was counted, the most frequent first, equals by name.
func counted(m map[string]int) []RouteCount {
	out := make([]RouteCount, 0, len(m))
	for name, n := range m {
		out = append(out, RouteCount{name, n})
	}
	slices.SortFunc(out, func(a, b RouteCount) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(a.Route, b.Route))
	})
	return out
}

// route is the route that the app named, else the method and the path with the parts
// that look like identifiers left out.
func route(r *timeline.Request) string {
	return strings.TrimSpace(r.Method + " " + cmp.Or(r.Route, timeline.PathShape(r.Path)))
}
