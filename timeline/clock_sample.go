package timeline

import (
	"cmp"
	"slices"
)

// A clockPair is two clocks by their numbers, of which the one called the other.
type clockPair struct{ caller, callee int32 }

// A seat is the place of a record among those that one clock stamped.
type seat struct {
	stream int32 // number of the stream; -1 if its records have no order
	pos    int64 // place in the stream: number of the part and offset
	raw    int64 // the stamp, in nanoseconds since 1970
}

// A clockLink is what one call says of the clocks of its two ends: how far the callee's
// is ahead of the caller's, in microseconds, lies in [lo, hi].
type clockLink struct {
	raw     int64 // the caller's stamp, in nanoseconds since 1970
	p, c    seat
	lo, hi  float64
	t       float64    // seconds on the common time line, once the clocks are roughly known
	pWide   [2]float32 // microseconds: how wide the caller's stamps of start and end are
	cWide   [2]float32 // and the callee's
	weight  float32    // of how many links this one is left
	soft    bool       // nothing says when the callee was done
	lengths bool       // both exchanges tell how long they took
	exact   bool       // said by the user: never given up
	pPlace  int32      // place of the caller's record among those of its clock, and of the callee's
	cPlace  int32
	pRun    int16 // run of the caller's clock, and of the callee's, in which the link lies
	cRun    int16
}

// clockLinks are the links of one pair of clocks: all of them, or if there are too many
// the tightest of each stretch of time and some of the others.
type clockLinks struct {
	links []clockLink
	n     int // links in all
	// Of those left out: how many were contradicted by their neighbours, and how many of how
	// many where the gap between the bounds was small.
	dropped         int
	late, lateAmong int
	guessed         bool // who called is a guess
	within          bool // of the caller's exchanges a moment alone is known
	quotes          bool // of the callee errors alone are known, which the caller quotes
}

// Bounds of what a fit keeps: memory follows the pairs of hosts, not the requests.
const (
	tightGap     = 3000    // microseconds: where a gap is smaller nearly every late line is contradicted
	linksInAll   = 600_000 // of all pairs, about
	linksPerPair = 12_000  // of one pair at most
	linksAtLeast = 250     // of one pair, however many pairs there are
	marksPerHost = 10_000  // places of records, to tell where a clock was stepped
)

func (f *clockFit) add(into map[clockPair]*clockLinks, k clockPair, l clockLink) {
	ls := into[k]
	if ls == nil {
		ls = &clockLinks{}
		into[k] = ls
	}
	l.weight = 1
	ls.n++
	limit := min(linksPerPair, max(linksAtLeast, linksInAll/f.linked()))
	if len(ls.links) >= limit {
		ls.thin(limit / 2)
	}
	if n := len(ls.links); n == cap(ls.links) { // no more room than will be used
		ls.links = slices.Grow(ls.links, min(n/2+16, max(limit-n, 1)))
	}
	ls.links = append(ls.links, l)
}

// thin keeps about so many links: of each of many stretches of time the tightest of each
// side that their neighbours do not contradict, and some more for the order of things.
func (ls *clockLinks) thin(n int) {
	slices.SortFunc(ls.links, compareLinks)
	base := ls.links[0].raw
	bs := make([]bound, len(ls.links))
	for i := range ls.links {
		bs[i] = bound{float64(ls.links[i].raw-base) / 1e9, ls.links[i].lo, ls.links[i].hi, int32(i)}
	}
	span := bs[len(bs)-1].t - bs[0].t
	slope := firstSlope(bs, span)
	for i := range bs {
		d := slope * bs[i].t
		bs[i].lo -= d
		bs[i].hi -= d
	}
	const each = 8 // kept of a stretch: the tightest three of each side, and two more
	bins := max(1, n/each)
	keep := make([]bool, len(bs))
	for i := range bins {
		part := bs[len(bs)*i/bins : len(bs)*(i+1)/bins]
		if len(part) <= each {
			for _, b := range part {
				keep[b.id] = true
			}
			continue
		}
		ls.thinPart(part, keep)
	}
	kept := ls.links[:0]
	for i := range ls.links {
		if keep[i] || ls.links[i].exact {
			kept = append(kept, ls.links[i])
		}
	}
	ls.links = kept
}

// thinPart marks which links of a short stretch of time stay.
func (ls *clockLinks) thinPart(part []bound, keep []bool) {
	lo, hi, broken := stab(sides(part))
	stepped := broken*10 > len(part) // a step in the middle, maybe: nothing is given up
	fits := func(b *bound) bool { return stepped || b.lo <= hi && b.hi >= lo }
	total, late := float32(0), float32(0)
	for i := range part {
		w := ls.links[part[i].id].weight
		total += w
		if !fits(&part[i]) {
			late += w
		}
	}
	all := total
	mark := func(b *bound) {
		if !keep[b.id] {
			keep[b.id] = true
			total -= ls.links[b.id].weight
		}
	}
	tightest := func(less func(a, b *bound) bool, ok func(b *bound) bool) {
		for range 3 {
			var best *bound
			for i := range part {
				if b := &part[i]; !keep[b.id] && fits(b) && ok(b) && (best == nil || less(b, best)) {
					best = b
				}
			}
			if best != nil {
				mark(best)
			}
		}
	}
	tightest(func(a, b *bound) bool { return a.lo > b.lo }, func(b *bound) bool { return b.lo > negInf })
	tightest(func(a, b *bound) bool { return a.hi < b.hi }, func(b *bound) bool { return b.hi < inf })
	ls.dropped += int(late)
	if hi-lo < tightGap {
		ls.late += int(late)
		ls.lateAmong += int(all)
	}
	// Some ordinary ones stand for all those left out.
	var others []int32
	for _, i := range []int{len(part) / 4, 3 * len(part) / 4} {
		if b := &part[i]; fits(b) && !keep[b.id] {
			mark(b)
			others = append(others, b.id)
		}
	}
	for _, id := range others {
		ls.links[id].weight += max(0, total-late) / float32(len(others))
	}
}

func compareLinks(a, b clockLink) int {
	return cmp.Or(cmp.Compare(a.raw, b.raw), a.p.compare(b.p), a.c.compare(b.c), compareFloat(a.lo, b.lo), compareFloat(a.hi, b.hi))
}

func (s seat) compare(o seat) int {
	return cmp.Or(cmp.Compare(s.stream, o.stream), cmp.Compare(s.pos, o.pos), cmp.Compare(s.raw, o.raw))
}

// marks are the places of the records that one clock stamped: all of them, or if there are
// too many an even part.
type marks struct {
	seats []seat
	every int // of so many places one is kept
	n     int
}

func (m *marks) add(s seat) {
	if m.n++; m.every > 1 && m.n%m.every != 0 {
		return
	}
	m.seats = append(m.seats, s)
	if len(m.seats) < marksPerHost {
		return
	}
	m.every = max(1, m.every) * 2
	kept := m.seats[:0]
	for i := 1; i < len(m.seats); i += 2 {
		kept = append(kept, m.seats[i])
	}
	m.seats = kept
}
