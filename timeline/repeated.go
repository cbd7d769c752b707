package timeline

import (
	"time"
)

// dropRepeated leaves out records that a shipper delivered twice: the same bytes from
// the same service and host in the same kind of stream. What a program says twice in one second stands twice in its file.
func (c *collector) dropRepeated() {
	type identity struct {
		service, host, format string
		raw                   uint64
		time                  int64
		kind                  Kind
		span                  string
	}
	events := c.sortedEvents()
	seen := make(map[identity]Pos, len(events))
	for _, e := range events {
		id := identity{e.Service, e.Host, e.Format, hash(string(e.Raw)), e.Time.UnixNano(), e.Kind, e.SpanID}
		if at, ok := seen[id]; ok && !saidTwice(e, at) {
			delete(c.events, e.Pos)
			c.sorted, c.inOrder = nil, nil
			c.skip(e.Pos.Source, "the same record once more", e.Pos.String())
			continue
		}
		seen[id] = e.Pos
	}
}

// saidTwice says whether a message of the same words as one at a position was written once more: its stamp does not tell the two apart.
func saidTwice(e *Event, at Pos) bool {
	return e.Kind == LogRecord && e.Stamp.Resolution >= time.Second && e.Pos.Doc == "" && sameStream(e.Pos, at)
}
