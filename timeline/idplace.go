package timeline

import (
	"bytes"
	"slices"
	"strings"
)

// idPlaces are the names under which services write the IDs of requests into texts: of each service what stands before an ID in its records, as
// those show that were found by the value of a key alone. No format need know the name.
type idPlaces map[string]map[string]int

const (
	idShown = 3  // records that must show a name
	idLeast = 16 // bytes of an ID
)

// learnIDPlaces learns where services write IDs from the records that mention one.
func (c *collector) learnIDPlaces() {
	c.idsAt = idPlaces{}
	for _, e := range c.events {
		for _, k := range e.Keys {
			if k.Strength != Mention {
				continue
			}
			name := nameBefore(e.Raw, k.Value)
			if name == "" {
				continue
			}
			if c.idsAt[e.Service] == nil {
				c.idsAt[e.Service] = map[string]int{}
			}
			c.idsAt[e.Service][name]++
		}
	}
	c.orphans = slices.DeleteFunc(c.orphans, c.idsAt.named)
}

// nameBefore gives the name that stands before a value, with what is between the two: cid= or cid":". It is "" if there is none.
func nameBefore(raw []byte, value string) string {
	i := bytes.Index(raw, []byte(value))
	if i < 0 || len(value) < idLeast {
		return ""
	}
	sep := i
	for sep > 0 && strings.IndexByte(`"'=: \`, raw[sep-1]) >= 0 {
		sep--
	}
	from := sep
	for from > 0 && isIDByte(raw[from-1]) {
		from--
	}
	if from == sep || sep == i || i-from > 40 {
		return ""
	}
	return string(raw[from:i])
}

func isIDByte(c byte) bool { return alnum(c) || c == '-' }

// named says whether a record has an ID under a name under which its service writes them: it is of the request of that ID, and of no other.
func (p idPlaces) named(e *Event) bool {
	for name, n := range p[e.Service] {
		if n < idShown {
			continue
		}
		i := bytes.Index(e.Raw, []byte(name))
		if i < 0 || i > 0 && isIDByte(e.Raw[i-1]) {
			continue
		}
		value := e.Raw[i+len(name):]
		end := 0
		for end < len(value) && isIDByte(value[end]) {
			end++
		}
		if end >= idLeast && bytes.ContainsAny(value[:end], "0123456789") {
			return true
		}
	}
	return false
}
