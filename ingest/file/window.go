package file

import (
	"slices"
	"sort"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// A span is a stretch of a raw clock: [from, to).
type span struct{ from, to time.Time }

// spans are sorted and do not touch.
type spans []span

// newSpans sorts the spans and joins those that overlap: thousands of failures ask
// for thousands of windows, which are few stretches of time.
func newSpans(all []span) spans {
	slices.SortFunc(all, func(a, b span) int { return a.from.Compare(b.from) })
	var out spans
	for _, s := range all {
		switch n := len(out); {
		case !s.from.Before(s.to):
		case n > 0 && !s.from.After(out[n-1].to):
			if s.to.After(out[n-1].to) {
				out[n-1].to = s.to
			}
		default:
			out = append(out, s)
		}
	}
	return out
}

// meet says whether a moment of [first, last] lies in one of the spans.
func (s spans) meet(first, last time.Time) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i].to.After(first) })
	return i < len(s) && !s[i].from.After(last)
}

// windows are the windows that a filter wants, by host; those of "" are every host's.
type windows map[string]spans

func newWindows(near []*timeline.Window) windows {
	if len(near) == 0 {
		return nil
	}
	byHost := map[string][]span{}
	for _, w := range near {
		byHost[w.Host] = append(byHost[w.Host], span{w.From, w.To})
	}
	out := windows{}
	for host, all := range byHost {
		out[host] = newSpans(all)
	}
	return out
}

// match says whether the stamp of e lies in a window of its host.
func (w windows) match(e *timeline.Event) bool {
	return w[e.Host].meet(e.Time, e.Time) || w[""].meet(e.Time, e.Time)
}

// of gives the windows of a stream's hosts; of all hosts if only its records can tell.
func (w windows) of(st *stream) spans {
	var all []span
	for host, s := range w {
		if host == "" || host == st.host || len(st.hosts) > 0 {
			all = append(all, s...)
		}
	}
	return newSpans(all)
}

// stretchBits is the logarithm of the size in bytes of a stretch of an [index].
const stretchBits = 18

// An index tells of each stretch of a part the range of the raw stamps of the records
// that begin in it. The first pass that reads all records leaves it, so that later
// ones do not parse what lies in none of their windows.
type index []stampRange

type stampRange struct{ first, last time.Time }

// add notes a stamp of a record that begins at the offset.
func (x *index) add(offset int64, t time.Time) {
	if t.IsZero() {
		return // it lies in no window
	}
	n := int(offset >> stretchBits)
	for len(*x) <= n {
		*x = append(*x, stampRange{})
	}
	r := &(*x)[n]
	if r.first.IsZero() || t.Before(r.first) {
		r.first = t
	}
	if t.After(r.last) {
		r.last = t
	}
}

// meets says whether a record that begins at the offset may lie in one of the spans.
func (x index) meets(offset int64, s spans) bool {
	n := int(offset >> stretchBits)
	return n < len(x) && !x[n].first.IsZero() && s.meet(x[n].first, x[n].last)
}
