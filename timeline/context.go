package timeline

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// A contextKey is a connection, or the process and thread that worked, at one place.
type contextKey struct {
	place
	name, value string
}

// contextKeys gives the connection and the worker that e names.
func contextKeys(e *Event) (out []contextKey) {
	at, pid, thread := place{e.Service, e.Host}, e.Attrs.Get(KeyPID), ""
	for _, k := range e.Keys {
		switch {
		case k.Strength != Context:
		case k.Name == KeyConnection:
			out = append(out, contextKey{at, KeyConnection, pid + "/" + k.Value})
		case k.Name == KeyThread:
			thread = k.Value
		case k.Name == KeyPID:
			pid = k.Value
		}
	}
	if pid != "" || thread != "" {
		out = append(out, contextKey{at, KeyThread, pid + "/" + thread})
	}
	return out
}

// A contextRecord is a record with a context key: of a request that its ID names, or of none.
type contextRecord struct {
	e    *Event
	key  Key    // its identity key; zero if it has none
	form string // of it
	at   RawSpan
	span RawSpan // of its exchange, if it is the record of one
}

// Bounds of what is read of one connection or thread, and for how long before and after the records with an ID.
const (
	contextRecords = 400
	contextAround  = 2 * time.Second
)

// contexts joins what bears no ID, or another one, to the wanted requests by connection, process and thread: it
// lies between records of the request, or in its exchange, and no other request was there on the same
// connection or thread.
func (c *collector) contexts() {
	asked, windows := c.contextsWanted()
	if len(asked) == 0 {
		return
	}
	var wants []Want
	for _, host := range slices.Sorted(maps.Keys(windows)) {
		for i := range windows[host] {
			wants = append(wants, Want{Near: &windows[host][i]})
		}
	}
	parts := make([]map[contextKey][]contextRecord, len(c.srcs))
	workers := make([]map[contextKey]bool, len(c.srcs))
	kept := make([]int, len(c.srcs))
	c.scan(wants, func(i int, e *Event) {
		if e.Lifecycle != NoLifecycle || !touches(windows[e.Host], e.Time, e.Time) {
			return
		}
		if parts[i] == nil {
			parts[i], workers[i] = map[contextKey][]contextRecord{}, map[contextKey]bool{}
		}
		for _, k := range contextKeys(e) {
			if k.name == KeyThread && len(workers[i]) < contextRecords {
				workers[i][k] = true
			}
			if !asked[k] || len(parts[i][k]) > contextRecords {
				continue
			}
			if kept[i]++; kept[i] > c.lim.WindowEvents {
				c.leftOut(e, c.lim.WindowEvents)
				return
			}
			r := contextRecord{e: e.Clone()}
			start, end, _, _ := e.Interval()
			if r.at = end; e.Kind == ServerSpan {
				r.span = RawSpan{start.Lo, end.Hi}
			}
			if ids := identities(e); len(ids) > 0 {
				r.key, r.form = ids[0], ids[0].Form()
			}
			parts[i][k] = append(parts[i][k], r)
		}
	})
	all, threads := map[contextKey][]contextRecord{}, map[place]map[string]bool{}
	for i := range parts {
		for k, rs := range parts[i] {
			all[k] = append(all[k], rs...)
		}
		for k := range workers[i] {
			if threads[k.place] == nil {
				threads[k.place] = map[string]bool{}
			}
			threads[k.place][k.value] = true
		}
	}
	var found []contextJoin
	for _, k := range slices.SortedFunc(maps.Keys(all), func(a, b contextKey) int {
		return cmp.Or(comparePlaces(a.place, b.place), strings.Compare(a.name, b.name), strings.Compare(a.value, b.value))
	}) {
		if len(all[k]) > contextRecords || k.name == KeyThread && len(threads[k.place]) < 2 {
			continue // a single thread may work at many requests in turns
		}
		found = append(found, joinContext(k, all[k], c.graph)...)
	}
	c.takeContext(found)
}

// A contextJoin says that a record, or the request of another ID, is of the request of a key.
type contextJoin struct {
	to     Key
	record *Event // without ID; nil if other is set
	other  Key
	reason string
}

// takeContext joins what was found to the wanted requests.
func (c *collector) takeContext(found []contextJoin) {
	wanted := func(k Key) bool { return slices.ContainsFunc(k.Forms(), func(f string) bool { return c.wanted[f] }) }
	sets := c.sets()
	for i, j := range found {
		switch {
		case j.record != nil && sets[loneSet(j.record)] != nil:
			for _, f := range j.to.Forms() {
				c.wanted[f] = true // what was asked for is of this request
			}
		case j.record == nil && wanted(j.other) && !wanted(j.to):
			found[i].to, found[i].other = j.other, j.to
		}
		c.ask(found[i].to)
		if j.record == nil {
			c.ask(found[i].other)
		}
	}
	c.byKeys()
	sets = c.sets()
	for _, j := range found {
		base := c.graph.find(j.to.Form())
		if sets[base] == nil || !c.isWanted(base, sets[base]) {
			if j.record != nil {
				c.placed[j.record.Pos] = true // of a request that nobody asked for
			}
			continue
		}
		var events []*Event
		if j.record != nil {
			if c.placed[j.record.Pos] {
				continue
			}
			c.placed[j.record.Pos] = true
			events = []*Event{j.record}
			c.absorbed[loneSet(j.record)] = base
		} else {
			other := c.graph.find(j.other.Form())
			if other == base || c.absorbed[other] != "" {
				continue
			}
			events, c.absorbed[other] = sets[other], base
		}
		for _, e := range events {
			c.extra[base] = append(c.extra[base], Joined{Event: e, Join: ByInferred, Candidates: 1, Reason: j.reason})
		}
	}
	c.sorted = nil
}

// contextsWanted gives the context keys of the wanted requests, and the windows in which to read them.
func (c *collector) contextsWanted() (asked map[contextKey]bool, windows map[string][]Window) {
	asked, windows = map[contextKey]bool{}, map[string][]Window{}
	for set, events := range c.sets() {
		if !c.isWanted(set, events) {
			continue
		}
		ended := map[place]bool{}
		for _, e := range events {
			if e.Kind == ServerSpan {
				ended[place{e.Service, e.Host}] = true
			}
		}
		for _, e := range events {
			keys := contextKeys(e)
			if len(keys) == 0 {
				continue
			}
			start, end, _, _ := e.Interval()
			w := Window{e.Host, start.Lo.Add(-contextAround), end.Hi.Add(contextAround)}
			if !ended[keys[0].place] {
				w.To = w.To.Add(unknownLength)
			}
			if !hasIdentity(e) {
				w.From = w.From.Add(-unknownLength)
			}
			windows[e.Host] = append(windows[e.Host], w)
			for _, k := range keys {
				asked[k] = true
			}
		}
	}
	// What tells whose the records without ID are that may be taken for a wanted request's.
	for host := range windows {
		windows[host] = merged(windows[host])
	}
	for _, e := range c.orphans {
		if touches(windows[e.Host], e.Time, e.Time) {
			for _, k := range contextKeys(e) {
				asked[k] = true
			}
		}
	}
	return asked, windows
}

// A stint is the records of one request on a connection or thread.
type stint struct {
	key      Key
	from, to time.Time
	span     RawSpan // of its exchange; zero if none is here
	client   *Event  // a record that names its client; nil if none does
	nested   bool    // it lies within another one
	first    Pos     // of its records
	logged   bool    // an exchange without ID is taken for its own
}

// processStints is the number of requests, one after another, that a process must be seen to work at for being held to work at one
// at a time, if no thread is told.
const processStints = 3

// aProcessARequest are the systems of which each process works at one request at a time.
var aProcessARequest = map[string]bool{"postgresql": true, "php": true, "php-fpm": true, "gunicorn": true, "apache": true}

// joinContext tells what one connection or thread shows.
func joinContext(k contextKey, rs []contextRecord, g *aliasGraph) (found []contextJoin) {
	slices.SortStableFunc(rs, func(a, b contextRecord) int {
		return cmp.Or(a.at.Lo.Compare(b.at.Lo), a.e.Pos.Compare(b.e.Pos))
	})
	stints := stintsOf(rs, g)
	if crossing(stints) {
		return nil // it works at several requests at once
	}
	if k.name == KeyThread && strings.HasSuffix(k.value, "/") && len(stints) < processStints && !aProcessARequest[rs[0].e.System] {
		return nil // a process with an event loop may work at others that it does not name
	}
	for i := range stints {
		for j := range stints {
			s, o := &stints[i], &stints[j]
			if i != j && o.span.Lo.IsZero() && s.holds(o) {
				o.nested = true
				found = append(found, contextJoin{to: s.key, other: o.key, reason: "another ID on the same " + k.words() + ", between records of the request"})
			}
		}
	}
	stints = slices.DeleteFunc(stints, func(s stint) bool { return s.nested })
	// Of two that end in the same second the log tells which was over first.
	rs = slices.SortedFunc(slices.Values(rs), func(a, b contextRecord) int { return a.e.Pos.Compare(b.e.Pos) })
	for i := range rs {
		if rs[i].form != "" {
			continue
		}
		if s := stintFor(stints, &rs[i]); s != nil && !s.leftFor(rs, &rs[i]) {
			s.logged = s.logged || rs[i].e.Kind == ServerSpan
			found = append(found, contextJoin{to: s.key, record: rs[i].e, reason: "on the same " + k.words() + " as the request, and no other one there then"})
		}
	}
	return found
}

// stintsOf gives the stints of the requests that are told by IDs, by their begin.
func stintsOf(rs []contextRecord, g *aliasGraph) []stint {
	var out []stint
	at := map[string]int{}
	for _, r := range rs {
		if r.form == "" || g.banned[r.form] {
			continue
		}
		set := g.find(r.form)
		i, ok := at[set]
		if !ok {
			i = len(out)
			at[set] = i
			out = append(out, stint{key: r.key, from: r.at.Lo, first: r.e.Pos})
		}
		s := &out[i]
		if sameStream(s.first, r.e.Pos) && r.e.Pos.Compare(s.first) < 0 {
			s.first = r.e.Pos
		}
		if s.to = r.at.Hi; s.client == nil && r.e.Attrs.Get(KeyClient) != "" {
			s.client = r.e
		}
		if !r.span.Lo.IsZero() {
			s.span = r.span
			if r.span.Lo.Before(s.from) {
				s.from = r.span.Lo
			}
		}
	}
	return out
}

// crossing says whether two stints overlap and neither lies within the other.
func crossing(stints []stint) bool {
	for i := range stints {
		for j := range stints {
			a, b := &stints[i], &stints[j]
			if i != j && a.from.Before(b.from) && b.from.Before(a.to) && a.to.Before(b.to) {
				return true
			}
		}
	}
	return false
}

// holds says whether all of o happened between records of s.
func (s *stint) holds(o *stint) bool { return s.from.Before(o.from) && o.to.Before(s.to) }

// stintFor finds the request of a record without ID: that between whose records it lies. A record that ends an exchange, or
// tells of an error, may also follow the last one, if that request has not ended and none has begun since.
func stintFor(stints []stint, r *contextRecord) *stint {
	var within, before *stint
	for i := range stints {
		s := &stints[i]
		switch {
		case r.at.Hi.Before(s.from) || s.isOther(r.e):
			continue
		case !r.at.Lo.After(s.to):
			if within != nil {
				return nil // two requests were there at once
			}
			within = s
		case before == nil || s.to.After(before.to):
			before = s
		}
	}
	if within != nil {
		return within
	}
	if before == nil || !before.span.Lo.IsZero() || r.at.Lo.Sub(before.to) > unknownLength {
		return nil
	}
	if r.e.Kind != ServerSpan && !r.e.Failed && r.e.Exception == nil && !severe(r.e.Severity) {
		return nil
	}
	if r.e.Kind == ServerSpan {
		before.span = RawSpan{before.from, r.at.Hi}
		before.to = r.at.Hi
	}
	return before
}

// isOther says whether an exchange without ID is another request's than that of the stint, as their log tells, in which one is written when it is over:
// it stands before all that the request wrote, or the request's own is known.
func (s *stint) isOther(e *Event) bool {
	return e.Kind == ServerSpan && sameStream(s.first, e.Pos) && (s.logged || e.Pos.Compare(s.first) < 0)
}

// leftFor says whether what the thread wrote after the last record of the request, until r, was for another client: then r is of another
// request too, whoever of the two it names.
func (s *stint) leftFor(rs []contextRecord, r *contextRecord) bool {
	return s.client != nil && slices.ContainsFunc(rs, func(o contextRecord) bool {
		return o.at.Lo.After(s.to) && !o.at.Lo.After(r.at.Hi.Add(hopTolerance)) && otherClient(s.client, o.e)
	})
}

// otherClient says whether two records of one log name different clients, or connections of one.
func otherClient(a, b *Event) bool {
	differ := func(name string) bool {
		x, y := a.Attrs.Get(name), b.Attrs.Get(name)
		return x != "" && y != "" && x != y
	}
	return a.Format == b.Format && (differ(KeyClient) || differ("client.port"))
}

func (k contextKey) words() string {
	if k.name == KeyConnection {
		return "connection " + strings.TrimPrefix(k.value, "/")
	}
	pid, thread, _ := strings.Cut(k.value, "/")
	switch {
	case pid == "":
		return "thread " + thread
	case thread == "":
		return "process " + pid
	}
	return "process " + pid + ", thread " + thread
}
