package timeline

import (
	"fmt"
	"slices"
)

// An aliasGraph ties identity keys that are the same request: two keys on one record
// are, and so transitively. It is a union of sets over the keys' forms.
type aliasGraph struct {
	parent map[string]string
	banned map[string]bool // forms that join too much to be an ID
}

func newAliasGraph() *aliasGraph {
	return &aliasGraph{parent: map[string]string{}, banned: map[string]bool{}}
}

func (g *aliasGraph) find(form string) string {
	root := form
	for {
		p, ok := g.parent[root]
		if !ok || p == root {
			break
		}
		root = p
	}
	for form != root {
		next := g.parent[form]
		g.parent[form] = root
		form = next
	}
	return root
}

// identityForms gives the forms of the identity keys of e that are keys at all.
func (g *aliasGraph) identityForms(e *Event) []string {
	keys := identities(e)
	if len(keys) == 0 {
		return nil
	}
	out := make([]string, 0, 2*len(keys))
	add := func(form string) {
		if !g.banned[form] && !slices.Contains(out, form) {
			out = append(out, form)
		}
	}
	for _, k := range keys {
		form, whole := k.forms()
		if add(form); whole != "" {
			add(whole)
		}
	}
	return out
}

// identities gives the identity keys of e; of a record without any, those that its text mentions.
func identities(e *Event) []Key {
	own, mentioned := 0, 0
	for i := range e.Keys {
		switch e.Keys[i].Strength {
		case Identity:
			own++
		case Mention:
			mentioned++
		}
	}
	want, n := Identity, own
	if own == 0 {
		want, n = Mention, mentioned
	}
	if n == 0 {
		return nil
	}
	out := make([]Key, 0, n)
	for i := range e.Keys {
		if e.Keys[i].Strength == want {
			out = append(out, e.Keys[i])
		}
	}
	return out
}

// addEvent ties the identity keys of e to each other. The smaller form becomes the
// name of the set, so that the order of events does not matter.
func (g *aliasGraph) addEvent(e *Event) {
	forms := g.identityForms(e)
	for _, f := range forms {
		if _, ok := g.parent[f]; !ok {
			g.parent[f] = f
		}
	}
	for _, f := range forms[min(1, len(forms)):] {
		a, b := g.find(forms[0]), g.find(f)
		if a == b {
			continue
		}
		if b < a {
			a, b = b, a
		}
		g.parent[b] = a
	}
}

// aliasesOf lists, for the events of one request, which record ties which two keys:
// one reason for each key beyond the first. Keys of a banned form are none.
func aliasesOf(events []*Event, banned map[string]bool) (keys []Key, aliases []Alias) {
	known := map[string]bool{}
	for _, e := range events {
		ids := slices.DeleteFunc(slices.Clone(identities(e)), func(k Key) bool { return banned[k.Form()] })
		for _, k := range ids {
			f := k.Name + "\x00" + k.Form()
			if known[f] {
				continue
			}
			known[f] = true
			keys = append(keys, k)
			if o := other(ids, k); o != nil {
				aliases = append(aliases, Alias{*o, k, "both on one record", e.Pos})
			}
		}
	}
	return keys, aliases
}

func other(ids []Key, k Key) *Key {
	for i := range ids {
		if ids[i].Form() != k.Form() {
			return &ids[i]
		}
	}
	return nil
}

// inferKeys adds the keys of events that were joined to r though they bear other IDs, each with the reason of the join.
func (r *Request) inferKeys(events []*Joined, banned map[string]bool) {
	if len(r.Keys) == 0 {
		return
	}
	known := map[string]bool{}
	for _, k := range r.Keys {
		known[k.Form()] = true
	}
	for _, e := range events {
		for _, k := range identities(e.Event) {
			f := k.Form()
			if known[f] || banned[f] {
				continue
			}
			known[f] = true
			reason := "inferred: " + e.Reason
			if e.Candidates > 1 {
				reason = fmt.Sprintf("inferred, 1 of %d candidates: %s", e.Candidates, e.Reason)
			}
			r.Aliases = append(r.Aliases, Alias{r.Keys[0], k, reason, e.Pos})
			r.Keys = append(r.Keys, k)
		}
	}
}

// mostPartners is the number of different values of one other key beside which a value may
// stand and still name a request: a tenant, a session or a host stands beside the IDs of all its requests.
const mostPartners = 200

// ban finds the keys that join too many events, or too many other keys, to name one request.
func (c *collector) ban(events []*Event) {
	count := map[string]int{}
	partners := map[string]map[string]map[string]bool{} // form -> name of the other key -> its forms
	for _, e := range events {
		for _, f := range c.graph.identityForms(e) {
			count[f]++
		}
		ids := identities(e)
		for _, k := range ids {
			for _, o := range ids {
				f, of := k.Form(), o.Form()
				if f == of || len(partners[f][o.Name]) > mostPartners {
					continue
				}
				if partners[f] == nil {
					partners[f] = map[string]map[string]bool{}
				}
				if partners[f][o.Name] == nil {
					partners[f][o.Name] = map[string]bool{}
				}
				partners[f][o.Name][of] = true
			}
		}
	}
	for _, e := range events {
		for _, k := range identities(e) {
			f := k.Form()
			if c.graph.banned[f] {
				continue
			}
			what := ""
			if count[f] > c.lim.EventsPerKey {
				what = fmt.Sprintf("on more than %d events", c.lim.EventsPerKey)
			}
			for _, forms := range partners[f] {
				if len(forms) > mostPartners {
					what = fmt.Sprintf("beside more than %d IDs", mostPartners)
				}
			}
			if what != "" {
				c.graph.banned[f] = true
				c.skip(e.Pos.Source, fmt.Sprintf("not a key: a value of %s is %s", k.Name, what), e.Pos.String())
			}
		}
	}
}
