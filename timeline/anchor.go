package timeline

import (
	"fmt"
	"slices"
	"strings"
)

// String gives the anchor as users write it: "app-1/orders.log:12=db-1/postgresql.log:7".
func (a Anchor) String() string { return a.A.String() + "=" + a.B.String() }

// String gives the place as positions are printed: "app-1/orders.log:12".
func (r RecordAt) String() string { return fmt.Sprintf("%s:%d", r.Path, r.Line) }

// Means says whether the path of a file may be meant: it is the one written, or one of them
// is the end of the other, as "app-1/orders.log" is of "shop/app-1/orders.log".
func (r RecordAt) Means(path string) bool { return r.rank(path) >= 0 }

// rank says how well a path is met: 0 the same, 1 what is written is its end, 2 it is the
// end of what is written, -1 not at all.
func (r RecordAt) rank(path string) int {
	switch {
	case path == r.Path:
		return 0
	case strings.HasSuffix(path, "/"+r.Path):
		return 1
	case path != "" && strings.HasSuffix(r.Path, "/"+path):
		return 2
	}
	return -1
}

// An AnchorError says that an anchor cannot be used as it was written.
type AnchorError struct {
	Anchor Anchor
	What   string
	hint   string
}

func (e *AnchorError) Error() string { return fmt.Sprintf("anchor %s: %s", e.Anchor, e.What) }

// Hint says what to try.
func (e *AnchorError) Hint() string { return e.hint }

// An anchored is an anchor with its records.
type anchored struct{ a, b *Event }

// readAnchors reads the records that the anchors name, whatever the bounds in time. The
// error is a *AnchorError if one of them cannot be told or says nothing.
func (c *collector) readAnchors() error {
	if len(c.q.Anchors) == 0 {
		return nil
	}
	var places []RecordAt
	for _, a := range c.q.Anchors {
		places = append(places, a.A, a.B)
	}
	wants := make([]Want, len(places))
	for i := range places {
		wants[i].At = &places[i]
	}
	parts := make([][]*Event, len(c.srcs))
	c.scanWithin(Filter{Any: wants}, func(i int, e *Event) {
		if slices.ContainsFunc(places, func(r RecordAt) bool { return r.Line == e.Pos.Line && r.Means(e.Pos.Path) }) {
			parts[i] = append(parts[i], e.Clone())
		}
	})
	if c.ctx.Err() != nil {
		return nil // Collect tells it
	}
	found := slices.Concat(parts...)
	for _, a := range c.q.Anchors {
		var x anchored
		for _, side := range []struct {
			at RecordAt
			to **Event
		}{{a.A, &x.a}, {a.B, &x.b}} {
			e, what, hint := side.at.among(found)
			if what != "" {
				return &AnchorError{a, what, hint}
			}
			*side.to = e
		}
		if ClockOf(x.a) == ClockOf(x.b) {
			return &AnchorError{a, "both records were stamped by " + x.a.Host, "an anchor ties the clocks of two hosts: name a record of each"}
		}
		c.anchored = append(c.anchored, x)
	}
	return nil
}

// among picks the record that is meant; else it says what is wrong and what to try.
func (r RecordAt) among(events []*Event) (e *Event, what, hint string) {
	best := -1
	var files [][2]string // source and path
	for _, x := range events {
		rank := r.rank(x.Pos.Path)
		if x.Pos.Line != r.Line || rank < 0 || best >= 0 && rank > best {
			continue
		}
		if best < 0 || rank < best {
			best, e, files = rank, nil, nil
		}
		if file := [2]string{x.Pos.Source, x.Pos.Path}; !slices.Contains(files, file) {
			files = append(files, file)
		}
		if e == nil || e.Time.IsZero() { // of several events of one record
			e = x
		}
	}
	switch {
	case e == nil:
		return nil, fmt.Sprintf("no record that can be read begins at %s", r),
			"write the path and the line where a record begins as results print them, such as app-1/orders.log:1042; correlate formats parse FILE shows the position of each"
	case len(files) > 1:
		var names []string
		for _, f := range files {
			name := f[1]
			if f[0] != files[0][0] {
				name += " of " + f[0]
			}
			names = append(names, name)
		}
		slices.Sort(names)
		return nil, fmt.Sprintf("%s may be in %s", r, strings.Join(names, " or ")), "write more of the path"
	case e.Time.IsZero():
		return nil, fmt.Sprintf("the record at %s has no time", r), "name a record with a time, of the same host and moment"
	}
	return e, "", ""
}
