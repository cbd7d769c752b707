package elastic

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// How far the documents' times may be from the stamps of their records beyond what was seen of a clock: where some of the records are
// enough, and where all are wanted; and where nothing is known.
const (
	someLag    = time.Minute
	lagSlack   = 15 * time.Minute
	unknownLag = 26 * time.Hour
)

// Where records were seen that a clock stamped near a window, or both before and after it, others of the window came nearly as late: shippers
// read a file in order, and look for more of it every few seconds.
const (
	lagStep  = 10 * time.Second // records are kept apart by
	lagNear  = 3                // steps before and after a window
	lagFar   = 60               // the same, where some must be on both sides
	lagWide  = 12               // steps of a window of which what is near says something
	lagLeast = time.Second
	lagMost  = 10 * time.Second
	lagKnown = 50 // records by which it is known how much a clock's lag differs
)

// A lagRange bounds by how much the times of documents are behind the stamps of their records.
type lagRange struct {
	lo, hi time.Duration
	n      int // records
}

func (r *lagRange) add(d time.Duration) {
	if r.n == 0 {
		r.lo, r.hi = d, d
	}
	r.lo, r.hi, r.n = min(r.lo, d), max(r.hi, d), r.n+1
}

// A clockLag is what was seen of the records that one clock stamped.
type clockLag struct {
	host  string
	whole lagRange
	steps map[int64]*lagRange // by their stamps
}

// observe notes how far the document is behind its record, and by which clock its stream is stamped.
func (s *Source) observe(e *timeline.Event, d *document) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clock := timeline.ClockOf(e)
	c := s.lags[clock]
	if c == nil {
		c = &clockLag{host: e.Host, steps: map[int64]*lagRange{}}
		s.lags[clock] = c
	}
	lag := d.time.Sub(e.Time)
	c.whole.add(lag)
	step := e.Time.UnixNano() / int64(lagStep)
	if c.steps[step] == nil {
		c.steps[step] = &lagRange{}
	}
	c.steps[step].add(lag)
	if st := d.stream; st != nil && !slices.Contains(st.zones, e.Stamp.Zone) && !slices.Contains(st.others, e.Stamp.Zone) {
		st.others = append(st.others, e.Stamp.Zone)
	}
}

// clock gives what was seen of a clock.
func (s *Source) clock(name string) *clockLag {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.lags[name]; c != nil {
		return c
	}
	return &clockLag{whole: lagRange{lo: -unknownLag, hi: unknownLag}}
}

// near bounds the lag of the records that the clock stamped in a window; ok is false if none was seen near it.
func (c *clockLag) near(w timeline.Window) (r lagRange, ok bool) {
	from, to := w.From.UnixNano()/int64(lagStep), w.To.UnixNano()/int64(lagStep)
	if w.From.Before(firstNanos) || w.To.After(lastNanos) || to-from > lagWide {
		return r, false
	}
	for step := from - lagNear; step <= to+lagNear; step++ {
		if x := c.steps[step]; x != nil {
			r.add(x.lo)
			r.add(x.hi)
		}
	}
	slack := lagMost
	switch {
	case r.n == 0:
		for _, side := range []int64{-1, 1} {
			at := from
			if side > 0 {
				at = to
			}
			n := int64(lagNear + 1)
			for n <= lagFar && c.steps[at+side*n] == nil {
				n++
			}
			if n > lagFar {
				return r, false
			}
			r.add(c.steps[at+side*n].lo)
			r.add(c.steps[at+side*n].hi)
		}
	case c.whole.n >= lagKnown:
		slack = max(lagLeast, min(lagMost, c.whole.hi-c.whole.lo))
	}
	r.lo, r.hi = r.lo-slack, r.hi+slack
	return r, true
}

// A clocked is streams of a host whose records the same clocks stamp.
type clocked struct {
	clocks  []*clockLag
	streams []any // their queries; nil for all that the host has beside the others
}

// clocksOf gives the streams of a host by the clocks that stamp them, and last all else that it has; with "" there is nothing but that.
func (s *Source) clocksOf(host string) (out []*clocked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := &clocked{}
	for _, clock := range slices.Sorted(maps.Keys(s.lags)) {
		if c := s.lags[clock]; host == "" || c.host == host {
			rest.clocks = append(rest.clocks, c)
		}
	}
	looked, known := true, false
	byClocks := map[string]*clocked{}
	for _, key := range slices.Sorted(maps.Keys(s.streams)) {
		st := s.streams[key]
		of := host == "" || st.host == host || slices.Contains(st.hosts, host)
		if !of {
			continue
		}
		looked, known = looked && st.looked, true
		if !st.looked || st.query == nil || len(rest.clocks) < 2 {
			continue
		}
		var clocks []*clockLag
		zones := slices.Concat(st.zones, st.others)
		slices.Sort(zones)
		zones = slices.Compact(zones)
		for _, zone := range zones {
			if c := s.lags[timeline.ClockOf(&timeline.Event{Host: host, Stamp: timeline.Stamp{Zone: zone}})]; c != nil && !slices.Contains(clocks, c) {
				clocks = append(clocks, c)
			}
		}
		if len(clocks) == 0 || len(clocks) == len(rest.clocks) {
			continue
		}
		name := fmt.Sprint(zones)
		if byClocks[name] == nil {
			byClocks[name] = &clocked{clocks: clocks}
			out = append(out, byClocks[name])
		}
		byClocks[name].streams = append(byClocks[name].streams, st.query)
	}
	if !looked || !known && len(rest.clocks) == 0 {
		rest.clocks = []*clockLag{{whole: lagRange{lo: -unknownLag, hi: unknownLag}}}
	}
	return append(out, rest)
}

// written gives the times in which documents were written whose records were stamped in windows by these clocks, and those that have no stamp but
// the document's time. slack is for clocks of which no record was seen near a window.
func (s *Source) written(clocks []*clockLag, windows []timeline.Window, slack time.Duration) []timeline.Window {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Clone(windows)
	for _, w := range windows {
		for _, c := range clocks {
			r, ok := c.near(w)
			switch {
			case ok:
			case c.whole.n == 0:
				r = c.whole
			default:
				r = lagRange{lo: c.whole.lo - slack, hi: c.whole.hi + slack}
			}
			out = append(out, timeline.Window{Host: w.Host, From: shift(w.From, r.lo), To: shift(w.To, r.hi)})
		}
	}
	return out
}

// lag bounds how far documents' times are behind the stamps of their records.
func (s *Source) lag() (lo, hi time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.streams {
		if !st.looked {
			return -unknownLag, unknownLag
		}
	}
	if len(s.streams) == 0 {
		return -unknownLag, unknownLag
	}
	for _, c := range s.lags {
		lo, hi = min(lo, c.whole.lo-lagSlack), max(hi, c.whole.hi+lagSlack)
	}
	return lo - time.Second, hi + time.Second
}
