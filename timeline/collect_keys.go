package timeline

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func hasIdentity(e *Event) bool { return len(identities(e)) > 0 }

// carries says whether e has one of the forms, as a key or in its text.
func carries(e *Event, forms map[string]bool) bool {
	for _, k := range e.Keys {
		if k.Strength == Context {
			continue
		}
		for _, f := range k.Forms() {
			if forms[f] {
				return true
			}
		}
	}
	return false
}

// ask puts a key on the list of the next round, unless it was asked for before.
func (c *collector) ask(k Key) {
	f := k.Form()
	if c.asked[f] || c.graph.banned[f] {
		return
	}
	c.asked[f] = true
	c.pending = append(c.pending, k)
}

// addEvent keeps an event with identity keys and asks for those that are new.
func (c *collector) addEvent(e *Event) {
	if _, ok := c.events[e.Pos]; ok {
		return
	}
	c.events[e.Pos] = e
	c.sorted, c.inOrder = nil, nil
	c.logs(e)
	for _, k := range identities(e) {
		c.ask(k)
	}
}

// byKeys reads whole requests by key, in rounds, until no new key appears.
func (c *collector) byKeys() { c.byKeysWithin(nil) }

// byKeysWithin does the work of byKeys within windows by clock.
func (c *collector) byKeysWithin(within map[string][]Window) {
	for round := 0; len(c.pending) > 0; round++ {
		if round == c.lim.Rounds {
			c.truncated = true
			c.skip("", fmt.Sprintf("left out: keys found after %d rounds", round), c.pending[0].String())
			break
		}
		keys, forms := c.asks()
		f := c.widened([]Want{{Keys: keys}})
		f.Within = within
		c.addFound(c.readWithin(f, c.lim.WindowEvents, func(e *Event) bool { return bears(e, forms) }))
	}
	c.dropRepeated()
	// A record of which the key is known by its text alone was taken for one without when it was read as a failure.
	c.orphans = slices.DeleteFunc(c.orphans, func(e *Event) bool { return c.events[e.Pos] != nil })
}

// asks gives the keys that are to be asked for, in order, and all their forms.
func (c *collector) asks() ([]Key, map[string]bool) {
	keys := c.pending
	c.pending = nil
	forms := map[string]bool{}
	addForms(forms, keys)
	slices.SortFunc(keys, func(a, b Key) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Value, b.Value))
	})
	return keys, forms
}

func addForms(to map[string]bool, keys []Key) {
	for _, k := range keys {
		for _, f := range k.Forms() {
			to[f] = true
		}
	}
}

// bears says whether e has one of the forms as an identity key.
func bears(e *Event, forms map[string]bool) bool {
	return slices.ContainsFunc(identities(e), func(k Key) bool {
		return slices.ContainsFunc(k.Forms(), func(f string) bool { return forms[f] })
	})
}

// addFound keeps the events that were asked for by key, but for those whose keys are none.
func (c *collector) addFound(found []*Event) {
	c.ban(found)
	for _, e := range found {
		if len(c.graph.identityForms(e)) > 0 {
			c.addEvent(e)
		}
	}
}

// sortedEvents gives the events with identity keys by position; the slice is not to be changed.
func (c *collector) sortedEvents() []*Event {
	if c.inOrder != nil {
		return c.inOrder
	}
	out := make([]*Event, 0, len(c.events))
	for _, e := range c.events {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *Event) int { return a.Pos.Compare(b.Pos) })
	c.inOrder = out
	return out
}

// sets gives the events of every alias set, by position.
func (c *collector) sets() map[string][]*Event {
	if c.sorted != nil {
		return c.sorted
	}
	events := c.sortedEvents()
	for _, e := range events {
		c.graph.addEvent(e)
	}
	out := map[string][]*Event{}
	for _, e := range events {
		if forms := c.graph.identityForms(e); len(forms) > 0 {
			s := c.graph.find(forms[0])
			if len(out[s]) >= c.lim.EventsPerRequest {
				c.cut[s] = true
				c.skip(e.Pos.Source, fmt.Sprintf("left out: a request with more than %d events", c.lim.EventsPerRequest), e.Pos.String())
				continue
			}
			out[s] = append(out[s], e)
		}
	}
	for _, e := range c.lone {
		out[loneSet(e)] = []*Event{e}
	}
	maps.DeleteFunc(out, func(s string, _ []*Event) bool { return c.absorbed[s] != "" })
	c.sorted = out
	return out
}

func loneSet(e *Event) string { return "\x00" + e.Pos.Source + "\x00" + e.Pos.String() }

// isLone says whether a set is that of a record without identity key.
func isLone(set string) bool { return strings.HasPrefix(set, "\x00") }

// isWanted says whether the set is one of those asked for.
func (c *collector) isWanted(set string, events []*Event) bool {
	if isLone(set) {
		return true
	}
	for _, e := range events {
		for _, f := range c.graph.identityForms(e) {
			if c.wanted[f] {
				return true
			}
		}
	}
	return false
}
