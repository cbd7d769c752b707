package timeline

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Services often log only the first characters of an ID, or the last ones, of which the hops around them log the whole. What they log so is found
// in the records of failures; then what other records bear a part of the IDs of the requests that are read is asked for, and joined as inferred.

// A shortPlace is where a service writes so many characters of the IDs of requests: the first ones or the last, behind a text.
type shortPlace struct {
	service, before string
	n               int
	last            bool
}

type shortPlaces map[shortPlace]bool

// named says whether a record has a part of an ID where its service writes them: it is of the request of that ID, and of no other.
func (p shortPlaces) named(e *Event) bool {
	if len(p) == 0 {
		return false
	}
	found := false
	parts(e.Raw, nil, func(token, before string) {
		found = found || p[shortPlace{e.Service, before, len(token), false}] || p[shortPlace{e.Service, before, len(token), true}]
	})
	return found
}

const (
	shortLeast = 6  // characters that are taken for a part of an ID
	shortMost  = 16 // the same, at most
	shortShown = 4  // requests that must show a place
	shortBits  = 24 // that the characters must tell, by how they vary
)

// wholeID gives a value with which a part of it can be compared: the digits of a UUID in lower case, without dashes; "" if it is
// none of which parts are written.
func wholeID(value string) string {
	if h, ok := lowerHex32(value); ok {
		return h
	}
	if len(value) < idLeast {
		return ""
	}
	return strings.ToLower(value)
}

// A partIndex finds the IDs of which something may be a part.
type partIndex struct {
	keys        map[string]Key      // by wholeID
	first, last map[string][]string // by their first and their last characters
	bits        map[[2]int]float64  // see tells
}

func newPartIndex() *partIndex {
	return &partIndex{keys: map[string]Key{}, first: map[string][]string{}, last: map[string][]string{}, bits: map[[2]int]float64{}}
}

func (x *partIndex) add(k Key) {
	id := wholeID(k.Value)
	if _, known := x.keys[id]; known || id == "" {
		return
	}
	x.keys[id] = k
	head, tail := id[:shortLeast], id[len(id)-shortLeast:]
	x.first[head], x.last[tail] = append(x.first[head], id), append(x.last[tail], id)
}

// of gives the IDs of which a token is the first or the last characters.
func (x *partIndex) of(token string, last bool) (ids []string) {
	token = strings.ToLower(token)
	list, is := x.first[token[:shortLeast]], strings.HasPrefix
	if last {
		list, is = x.last[token[len(token)-shortLeast:]], strings.HasSuffix
	}
	for _, id := range list {
		if len(id) >= len(token)+shortLeast && is(id, token) {
			ids = append(ids, id)
		}
	}
	return ids
}

// tells says whether the first or last n characters tell IDs of a length apart: they vary, by the entropy of what stands at each place,
// by as many bits as random ones do. Those of an ID that begins with the time, as of UUIDs of version 7, ULIDs and ObjectIDs, are shared by requests that are
// near to each other, and few of them vary. Of random ones a request that was not read shares them with one in 2 to the power of that many.
func (x *partIndex) tells(length, n int, last bool) bool {
	k := [2]int{length, n}
	if last {
		k[1] = -n
	}
	bits, ok := x.bits[k]
	if !ok {
		for i := range n {
			var counts [256]int
			all := 0
			for id := range x.keys {
				if len(id) != length {
					continue
				}
				at := i
				if last {
					at = length - 1 - i
				}
				counts[id[at]]++
				all++
			}
			for _, c := range counts {
				if c > 0 {
					p := float64(c) / float64(all)
					bits -= p * math.Log2(p)
				}
			}
		}
		x.bits[k] = bits
	}
	return bits >= shortBits
}

// mayHave says whether an ID begins or ends with the first or the last characters of a token; it costs little.
func (x *partIndex) mayHave(token []byte) bool {
	var low [shortMost]byte
	for i, c := range token {
		if low[i] = c; c >= 'A' && c <= 'Z' {
			low[i] = c | 0x20
		}
	}
	return len(x.first[string(low[:shortLeast])]) > 0 || len(x.last[string(low[len(token)-shortLeast:len(token)])]) > 0
}

// parts calls f for each run of letters and digits in a record that may be a part of an ID, with what stands before it; nil or may says which
// are of use.
func parts(raw []byte, may func(token []byte) bool, f func(token, before string)) {
	for i := 0; i < len(raw); {
		if !alnum(raw[i]) {
			i++
			continue
		}
		end := i + 1
		for end < len(raw) && alnum(raw[end]) {
			end++
		}
		ofLonger := i > 1 && raw[i-1] == '-' && alnum(raw[i-2]) || end+1 < len(raw) && raw[end] == '-' && alnum(raw[end+1])
		if n := end - i; n >= shortLeast && n <= shortMost && !ofLonger && bytes.ContainsAny(raw[i:end], "0123456789") && (may == nil || may(raw[i:end])) {
			f(string(raw[i:end]), textBefore(raw, i))
		}
		i = end
	}
}

// textBefore gives the marks before raw[at], and the name before them if they are such as follow one: " - [" or "cid=".
func textBefore(raw []byte, at int) string {
	from := at
	for from > 0 && at-from < 4 && !alnum(raw[from-1]) {
		from--
	}
	if bytes.ContainsAny(raw[from:at], "=:") {
		for from > 0 && at-from < 40 && (isIDByte(raw[from-1]) || raw[from-1] == '_') {
			from--
		}
	}
	return string(raw[from:at])
}

// beginning takes the one ID that begins with what was asked for in its place, if it is short enough for a part of one: a user may have no more of it. Where
// several begin so, they are told.
func (c *collector) beginning() {
	if !c.byID() || len(c.q.Any) == 0 || len(c.q.Any[0].Keys) == 0 {
		return
	}
	part := c.q.Any[0].Keys[0].Value
	isKey := slices.ContainsFunc(c.sortedEvents(), func(e *Event) bool {
		return slices.ContainsFunc(e.Keys, func(k Key) bool { return k.Strength == Identity && k.Value == part })
	})
	n := len(part)
	if n < shortLeast || n > shortMost || n == shortMost && isKey {
		return // a trace ID of 64 bits has as many
	}
	whole, forms := map[string]Key{}, map[string]bool{}
	c.scan([]Want{{Begins: part}}, func(_ int, e *Event) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, k := range identities(e) {
			if !k.Begins(part) {
				continue
			}
			// Sources are read at once: of one ID's spellings it is the same one whoever gives it first.
			id := wholeID(k.Value)
			if known, ok := whole[id]; !ok || cmp.Or(strings.Compare(k.Name, known.Name), strings.Compare(k.Value, known.Value)) < 0 {
				whole[id] = Key{Name: k.Name, Value: strings.Clone(k.Value)}
			}
		}
	})
	ids := slices.Sorted(maps.Keys(whole))
	for _, id := range ids {
		forms[whole[id].Form()] = true
	}
	if len(forms) != 1 {
		if !isKey {
			for _, id := range ids {
				c.beginIDs = append(c.beginIDs, whole[id].Value)
			}
		}
		return
	}
	k := whole[ids[0]]
	for _, f := range k.Forms() {
		c.wanted[f] = true
	}
	c.typed = part
	c.ask(k)
	c.byKeys()
}

// bearsWhole says whether a record has an ID of which parts may be written elsewhere.
func bearsWhole(e *Event) bool {
	return slices.ContainsFunc(identities(e), func(k Key) bool { return wholeID(k.Value) != "" })
}

// learnShortPlaces learns from records of failures, and from those that are read for their IDs, where services write parts of IDs of requests.
func learnShortPlaces(x *partIndex, records []*Event) shortPlaces {
	shown := map[shortPlace]map[string]bool{}
	for _, e := range records {
		if bearsWhole(e) {
			continue
		}
		parts(e.Raw, func(token []byte) bool { return x.mayHave(token) }, func(token, before string) {
			for _, last := range []bool{false, true} {
				ids := x.of(token, last)
				if len(ids) != 1 || !x.tells(len(ids[0]), len(token), last) {
					continue
				}
				p := shortPlace{e.Service, before, len(token), last}
				if shown[p] == nil {
					shown[p] = map[string]bool{}
				}
				shown[p][ids[0]] = true
			}
		})
	}
	out := shortPlaces{}
	for p, ids := range shown {
		if len(ids) >= shortShown {
			out[p] = true
		}
	}
	return out
}

// A shortened is a record that bears a part of the IDs of some requests.
type shortened struct {
	e     *Event
	place shortPlace
	token string
	ids   []string // of which it may be
}

// shortened joins the records of services that log a part of the IDs of requests.
func (c *collector) shortened() {
	x := newPartIndex()
	for _, e := range slices.Concat(c.sortedEvents(), c.failed) {
		for _, k := range identities(e) {
			if !c.graph.banned[k.Form()] {
				x.add(k)
			}
		}
	}
	places := learnShortPlaces(x, slices.Concat(c.orphans, c.failed, c.sortedEvents()))
	if c.typed != "" { // no other ID begins so
		for _, e := range c.sortedEvents() {
			if !bearsWhole(e) {
				parts(e.Raw, nil, func(token, before string) {
					if strings.EqualFold(token, c.typed) {
						places[shortPlace{e.Service, before, len(token), false}] = true
					}
				})
			}
		}
	}
	if len(places) == 0 {
		return
	}
	found := c.readShortened(x, places)
	c.joinShortened(x, found)
	c.shortAt = places
	c.orphans = slices.DeleteFunc(c.orphans, places.named)
}

// readShortened reads the records that bear, at places where their services write them, parts of the IDs of the requests that are read.
func (c *collector) readShortened(x *partIndex, places shortPlaces) []shortened {
	lengths, services := map[[2]int]bool{}, map[string]bool{}
	for p := range places {
		lengths[[2]int{p.n, boolInt(p.last)}] = true
		services[p.service] = true
	}
	asked := map[string]bool{}
	if c.typed != "" {
		asked[strings.ToLower(c.typed)], asked[strings.ToUpper(c.typed)] = true, true
	}
	for _, e := range c.sortedEvents() {
		for _, k := range identities(e) {
			id := wholeID(k.Value)
			for l := range lengths {
				n, last := l[0], l[1] == 1
				if len(id) < n+shortLeast || !x.tells(len(id), n, last) {
					continue
				}
				part := id[:n]
				if last {
					part = id[len(id)-n:]
				}
				asked[part], asked[strings.ToUpper(part)] = true, true
			}
		}
	}
	var keys []Key
	for _, part := range slices.Sorted(maps.Keys(asked)) {
		keys = append(keys, Key{Name: KeyRequestID, Value: part})
	}
	if len(keys) == 0 {
		return nil
	}
	f := c.widened([]Want{{Keys: keys}})
	if c.byID() {
		f.Within = c.surrounding()
	}
	var out []shortened
	for _, e := range c.readWithin(f, c.lim.WindowEvents, func(e *Event) bool { return services[e.Service] }) {
		if known := c.events[e.Pos]; bearsWhole(e) || known != nil && bearsWhole(known) {
			continue
		}
		s := shortened{e: e}
		parts(e.Raw, nil, func(token, before string) {
			for _, last := range []bool{false, true} {
				p := shortPlace{e.Service, before, len(token), last}
				if s.ids == nil && places[p] {
					s.place, s.token, s.ids = p, token, x.of(token, last)
				}
			}
		})
		if len(s.ids) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// joinShortened joins records to the requests in flight then of whose IDs they bear a part, where that is one alone. How far the clocks are apart is told by
// most of the records.
func (c *collector) joinShortened(x *partIndex, found []shortened) {
	sets := c.sets()
	setOf := func(id string) string { return c.graph.find(x.keys[id].Form()) }
	away := map[string][]time.Duration{}
	for _, s := range found {
		if at := anchorOf(sets[setOf(s.ids[0])]); len(s.ids) == 1 && at != nil && !s.e.Undated() {
			away[ClockOf(s.e)] = append(away[ClockOf(s.e)], s.e.Time.Sub(at.Time))
		}
	}
	for clock := range away {
		slices.Sort(away[clock])
	}
	byShort := map[string]map[string]bool{} // of sets of records that bear the part as their ID, those that these are joined to
	var joins []shortened
	for _, s := range found {
		s.ids = slices.DeleteFunc(s.ids, func(id string) bool {
			at, ds := anchorOf(sets[setOf(id)]), away[ClockOf(s.e)]
			if at == nil || s.e.Undated() || len(ds) == 0 {
				return false
			}
			return (s.e.Time.Sub(at.Time) - ds[len(ds)/2]).Abs() > unknownLength+at.Duration
		})
		if len(s.ids) != 1 || sets[setOf(s.ids[0])] == nil {
			continue
		}
		joins = append(joins, s)
		if hasIdentity(s.e) {
			own := c.setOf(s.e)
			if byShort[own] == nil {
				byShort[own] = map[string]bool{}
			}
			byShort[own][setOf(s.ids[0])] = true
		}
	}
	wanted := map[string]bool{}
	for set, events := range sets {
		wanted[set] = c.isWanted(set, events)
	}
	for _, s := range joins {
		base, own := setOf(s.ids[0]), c.setOf(s.e)
		if own == base || c.placed[s.e.Pos] || hasIdentity(s.e) && len(byShort[own]) != 1 {
			continue
		}
		c.placed[s.e.Pos] = true
		if sets[own] != nil {
			c.absorbed[own] = base
		}
		if wanted[own] && !wanted[base] {
			for _, f := range x.keys[s.ids[0]].Forms() {
				c.wanted[f] = true
			}
		}
		which := "first"
		if s.place.last {
			which = "last"
		}
		c.extra[base] = append(c.extra[base], Joined{
			Event: s.e, Join: ByInferred, Candidates: 1, Part: true,
			Reason: fmt.Sprintf("%s is the %s %d characters of its ID %s, and of no other one then", s.token, which, s.place.n, x.keys[s.ids[0]].Value),
		})
	}
	c.sorted = nil
}

// anchorOf gives the record of the longest exchange of a request, else its first record with a stamp; nil if there is none.
func anchorOf(events []*Event) (at *Event) {
	for _, e := range events {
		switch {
		case e.Undated():
		case at == nil, e.Kind == ServerSpan && (at.Kind != ServerSpan || e.Duration > at.Duration):
			at = e
		}
	}
	return at
}
