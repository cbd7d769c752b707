package timeline

import (
	"math"
	"slices"
)

// A clockCut is a step of a clock: between which records of each stream it was set.
type clockCut struct {
	jump    float64 // microseconds, forward positive
	t       float64 // seconds on the common time line
	streams []streamCut
	// Raw stamps from which on no record is before the step, and up to which none is
	// after it, in nanoseconds since 1970: for streams of which no record was seen.
	lastBefore, firstAfter int64
	// By so much beside them, in nanoseconds, neither side is sure.
	mixed int64
}

// A streamCut says where in one stream the step lies: after the record before and
// before the record after. In between nobody knows, and cut is the likely place.
type streamCut struct {
	stream             int32
	before, after, cut int64
}

// side gives -1 for a record stamped before the step, 1 for one after it, and whether that
// is sure.
func (c *clockCut) side(at seat) (side int, sure bool) {
	if i := slices.IndexFunc(c.streams, func(s streamCut) bool { return s.stream == at.stream }); i >= 0 && at.stream >= 0 {
		s := &c.streams[i]
		switch {
		case at.pos <= s.before:
			return -1, true
		case at.pos >= s.after:
			return 1, true
		case at.pos <= s.cut:
			return -1, false
		}
		return 1, false
	}
	switch {
	case at.raw < min(c.lastBefore, c.firstAfter):
		return -1, at.raw < min(c.lastBefore, c.firstAfter)-c.mixed
	case at.raw > max(c.lastBefore, c.firstAfter):
		return 1, at.raw > max(c.lastBefore, c.firstAfter)+c.mixed
	}
	// The clock was set back over this stamp, or forward across it.
	if at.raw <= c.lastBefore && c.lastBefore-at.raw < at.raw-c.firstAfter {
		return -1, false
	}
	return 1, false
}

// stepReach is how many records beside the known ones are looked at for a stamp that
// runs backward.
const stepReach = 40

// cutSteps puts each step of a host between two records of every stream. A step back shows as
// stamps that run backward; a step forward is likely in the longest pause between the last record
// known to be before it and the first known to be after.
func (s *solver) cutSteps(host int) {
	h := s.hosts[host]
	h.cuts = nil
	for i := 0; i+1 < len(h.runs); i++ {
		lo, hi := int(h.runs[i].to), int(h.runs[i+1].from)
		lo, hi = max(lo, 0), min(hi, len(h.order)-1)
		if i > 0 {
			lo = max(lo, int(h.runs[i].from))
		}
		at := float64(h.order[lo].raw-s.base)/1e9 - h.gross/1e6
		c := clockCut{jump: h.runs[i+1].at(at) - h.runs[i].at(at), lastBefore: h.order[lo].raw, firstAfter: h.order[hi].raw}
		c.t = at - h.runs[i].at(at)/1e6
		byStream := map[int32][]int{} // places of its records, which are in the order of each stream
		for p := range h.order {
			if st := h.order[p].stream; st >= 0 {
				byStream[st] = append(byStream[st], p)
			}
		}
		seated := 0
		for st, places := range byStream {
			seated += len(places)
			cut, before, after := h.cutStream(st, places, lo, hi, c.jump)
			c.streams = append(c.streams, cut)
			if c.jump < 0 { // streams that wait for each other hide which stamp was the last one before
				c.lastBefore, c.firstAfter = max(c.lastBefore, before), min(c.firstAfter, after)
			}
		}
		if c.jump < 0 {
			c.t = max(c.t, (float64(c.lastBefore-s.base)/1e9-h.gross/1e6)-h.runs[i].at(at)/1e6)
			if seated < len(h.order) { // without order stamps of both sides are mixed over the whole jump
				c.mixed = int64(-c.jump * 1e3)
			}
		}
		slices.SortFunc(c.streams, func(a, b streamCut) int { return int(a.stream - b.stream) })
		h.cuts = append(h.cuts, c)
	}
}

// cutStream finds the step in the records of one stream, whose places are in the order of
// the stream; lo and hi are the places between which the step must lie.
func (h *solverHost) cutStream(stream int32, places []int, lo, hi int, jump float64) (c streamCut, lastBefore, firstAfter int64) {
	last, _ := slices.BinarySearch(places, hi) // the first of those known to be after
	first, found := slices.BinarySearch(places, lo)
	if !found {
		first-- // the last of those known to be before
	}
	c = streamCut{stream: stream, before: -1, after: 1<<63 - 1}
	lastBefore, firstAfter = math.MinInt64, math.MaxInt64
	seat := func(i int) seat { return h.order[places[i]] }
	if jump < 0 {
		back, at := 0.2*jump*1e3, -1
		for i := max(first-stepReach, 0); i+1 < min(last+stepReach, len(places)); i++ {
			if d := float64(seat(i+1).raw - seat(i).raw); d < back {
				back, at = d, i
			}
		}
		if at >= 0 {
			c.before, c.after, c.cut = seat(at).pos, seat(at+1).pos, seat(at).pos
			return c, seat(at).raw, seat(at + 1).raw
		}
	}
	if first >= 0 {
		c.before, lastBefore = seat(first).pos, seat(first).raw
	}
	if last < len(places) {
		c.after, firstAfter = seat(last).pos, seat(last).raw
	}
	c.cut = c.before
	longest := int64(-1)
	for i := max(first, 0); i+1 <= min(last, len(places)-1); i++ {
		if gap := seat(i+1).raw - seat(i).raw; gap > longest {
			longest, c.cut = gap, seat(i).pos
		}
	}
	return c, lastBefore, firstAfter
}
