package elastic

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

// maxApart is up to how many streams each is asked for the words of its own format alone; of more, all are asked for those of all.
const maxApart = 200

// A dictionary is the words by which the records of some streams are asked for.
type dictionary struct {
	wordQuery
	streams []*stream
}

// wordClauses ask for failed records and for those of process lives, as they are wanted, by the words of texts. Those of a format are asked
// of its streams alone, for what one format writes of a failure stands in every record of another. Streams of which
// nothing is known are asked for the words of application loggers and for HTTP's statuses.
func (s *Source) wordClauses(failed, life bool) []any {
	known, rest := s.dictionaries(failed, life)
	var clauses, told []any
	for _, d := range inverted(known) {
		words := s.fields.wordClauses(&d.wordQuery)
		if len(words) > 0 {
			clauses = append(clauses, query{"bool": query{"filter": []any{anyOf(queriesOf(d.streams)), anyOf(words)}}})
		}
	}
	if rest == nil {
		return clauses
	}
	for _, d := range known {
		told = append(told, queriesOf(d.streams)...)
	}
	others := s.fields.wordClauses(rest)
	if failed {
		for _, x := range s.fields.bodies() {
			others = append(others, x.in(query{"terms": query{x.name: codes([]timeline.StatusRange{serverErrors})}}))
		}
	}
	switch {
	case len(others) == 0:
	case len(told) == 0:
		clauses = append(clauses, others...)
	default:
		clauses = append(clauses, query{"bool": query{"filter": []any{anyOf(others)}, "must_not": told}})
	}
	return clauses
}

func queriesOf(streams []*stream) (out []any) {
	for _, st := range streams {
		out = append(out, st.query)
	}
	return out
}

// dictionaries gives the words of each format in which streams are written that can be asked for by themselves, and those for all other records;
// nil if there are none. Of signs of failure that no words tell, and that stand in records which are nothing but texts, it tells.
func (s *Source) dictionaries(failed, life bool) (known []*dictionary, rest *wordQuery) {
	s.mu.Lock()
	streams := slices.SortedFunc(maps.Keys(s.streams), func(a, b string) int {
		return cmp.Or(strings.Compare(s.streams[a].path, s.streams[b].path), strings.Compare(a, b))
	})
	apart, all := len(streams) <= maxApart, s.listed
	byFormat := map[string]*dictionary{}
	var unasked []string
	for _, key := range streams {
		st := s.streams[key]
		f := st.format
		if f == nil || failed && f.Literals == nil || life && !st.lifeKnown {
			all = false
			continue
		}
		name := fmt.Sprintf("%q %+v", f.Literals, st.life)
		d := byFormat[name]
		if d == nil {
			d = &dictionary{}
			d.learn(f, st.life, failed, life)
			byFormat[name], known = d, append(known, d)
		}
		d.streams = append(d.streams, st)
		apart = apart && st.query != nil
		if st.raw {
			unasked = append(unasked, d.unasked...)
		}
	}
	s.mu.Unlock()
	slices.Sort(unasked)
	s.tellUnasked(slices.Compact(unasked))
	if apart && all {
		return known, nil
	}
	rest = &wordQuery{}
	if f := s.config.Formats.Lookup("json_lines"); f != nil && !all {
		lives, _ := s.config.Formats.LifecycleLiterals(f)
		rest.learn(f, lives, failed, life)
	}
	if !apart {
		for _, d := range known {
			rest.tokens, rest.together = append(rest.tokens, d.tokens...), append(rest.together, d.together...)
		}
		known = nil
	}
	return known, rest
}

// inverted gives the same words so that each is asked for once: those of the same streams together. To find the terms that one of them begins in the
// middle of, a server looks at every term that it has.
func inverted(dictionaries []*dictionary) (out []*dictionary) {
	of := map[string]*dictionary{}
	in := func(holds func(*dictionary) bool) *dictionary {
		var key strings.Builder
		var streams []*stream
		for i, d := range dictionaries {
			if holds(d) {
				fmt.Fprint(&key, i, " ")
				streams = append(streams, d.streams...)
			}
		}
		d := of[key.String()]
		if d == nil {
			d = &dictionary{streams: streams}
			of[key.String()], out = d, append(out, d)
		}
		return d
	}
	seen := map[string]bool{}
	first := func(what any) bool {
		name := fmt.Sprintf("%T %+v", what, what)
		defer func() { seen[name] = true }()
		return !seen[name]
	}
	for _, d := range dictionaries {
		for _, t := range d.tokens {
			if first(t) {
				g := in(func(d *dictionary) bool { return slices.Contains(d.tokens, t) })
				g.tokens = append(g.tokens, t)
			}
		}
		for _, all := range d.together {
			if first(all) {
				g := in(func(d *dictionary) bool {
					return slices.ContainsFunc(d.together, func(o []token) bool { return slices.Equal(o, all) })
				})
				g.together = append(g.together, all)
			}
		}
	}
	return out
}

// learn adds the words of the failures of a format, and of records of process lives, as they are wanted.
func (q *wordQuery) learn(f *format.Format, lives []format.Literal, failed, life bool) {
	if failed {
		for _, l := range f.Literals {
			q.add(strings.ReplaceAll(string(l), `\"`, `"`))
		}
	}
	if life {
		unasked := q.unasked // of failures alone it is told
		for _, l := range lives {
			q.add(l.Text)
		}
		q.unasked = unasked
	}
}

// wordClauses ask for words in the texts in which records stand.
func (f *fields) wordClauses(words *wordQuery) (clauses []any) {
	for _, x := range f.bodies() {
		for _, c := range words.clauses(x.name) {
			clauses = append(clauses, x.in(c.(query)))
		}
	}
	return clauses
}
