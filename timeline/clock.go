package timeline

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A ClockModel bounds, for every host and time, how far its clock is from the reference
// host's, from what callers and callees logged of the same calls.
//
// A clock is a host's, once more for stamps that write no zone: these may be local
// time. The zero model knows nothing and aligns every event to its own raw time.
type ClockModel struct {
	nodes   map[string]*clockNode // by clock
	ref     string
	base    int64 // nanoseconds since 1970: where the times t of runs and knots begin
	end     float64
	streams map[stream]int32
	weak    bool
	wander  float64                 // ppm
	delays  map[[2]string]seenDelay // of calls between two clocks, by caller and callee
	curves  map[delay]*delayCurve   // of these delays
	// rest is the model of clocks that calls tie to each other but not to the reference, as those of another system: against one of their
	// own; nil if there are none.
	rest *ClockModel
}

// partOf gives the model in which a clock is tied; m itself if it is in none.
func (m *ClockModel) partOf(clock string) *ClockModel {
	for p := m; p != nil; p = p.rest {
		if n := p.nodes[clock]; n != nil && n.tied {
			return p
		}
	}
	return m
}

// together says whether the clocks of two records are tied to each other.
func (m *ClockModel) together(a, b *Event) bool {
	return m.Tied(a) && m.partOf(ClockOf(a)).ties(b)
}

// ties says whether the clock that stamped e is tied in this model, and not in one of the rest.
func (m *ClockModel) ties(e *Event) bool {
	n := m.node(ClockOf(e))
	return n != nil && n.tied
}

// A clockNode is one clock, or another name of one.
type clockNode struct {
	fittedClock
	tied   bool
	reason string
	// zoned says that this is the clock of the host's stamps with zone under another name, ahead of it
	// by so many microseconds.
	zoned bool
	ahead float64
	name  string // of the clock, of which this is maybe another name
}

// localSuffix marks the clock of a host's stamps without zone.
const localSuffix = "\x00local"

// ClockOf names the clock that stamped e.
func ClockOf(e *Event) string {
	if e.Stamp.Zone == ZoneUnknown {
		return e.Host + localSuffix
	}
	return e.Host
}

func clockHost(clock string) (host string, local bool) {
	return strings.CutSuffix(clock, localSuffix)
}

// untiedSlack is by how much an untied clock may be off: two hours, or 26 hours where
// the zone is not known.
func untiedSlack(clock string) time.Duration {
	if _, local := clockHost(clock); local {
		return 26 * time.Hour
	}
	return 2 * time.Hour
}

// take makes the model of what the solver found; s is nil if it had nothing to solve.
func (m *ClockModel) take(f *clockFit, s *solver) {
	m.streams = f.streams
	if s == nil {
		all := make([]string, 0, len(f.clocks))
		for _, c := range f.clocks {
			all = append(all, c.name)
		}
		slices.Sort(all)
		m.ref = f.preferred(all)
		m.nodes[m.ref].tied, m.nodes[m.ref].runs = true, []run{{from: firstPlace, to: lastPlace}}
	} else {
		m.ref, m.base, m.end, m.weak, m.wander = s.names[s.ref], s.base, s.end, !s.trusted(), s.wander
		m.delays, m.curves = map[[2]string]seenDelay{}, map[delay]*delayCurve{}
		for _, p := range s.pairs {
			m.delays[[2]string{s.names[p.p], s.names[p.c]}] = *p.delays
			for _, d := range []delay{p.delays.forth, p.delays.back} {
				if m.curves[d] == nil {
					m.curves[d] = newDelayCurve(d)
				}
			}
		}
		for i, h := range s.hosts {
			n := m.nodes[s.names[i]]
			n.name, n.fittedClock = s.names[i], h.fittedClock
			n.tied = i == s.ref || slices.ContainsFunc(h.knots, func(ks []clockKnot) bool { return len(ks) > 0 })
			if n.inconsistent {
				n.reason = "its calls contradict each other more than drift and steps explain"
			}
		}
		for _, p := range s.pairs {
			n := m.nodes[s.names[p.p]]
			if p.quotes {
				n = m.nodes[s.names[p.c]]
			}
			switch {
			case !n.tied || n.reason != "":
			case p.quotes:
				n.reason = "tied by its errors that others quote"
			case p.within:
				n.reason = fmt.Sprintf("its records tell but a moment of each exchange, held to be within %d ms of what was passed on", passedOnWithin.Milliseconds())
			}
		}
	}
	for id, c := range f.clocks {
		n := m.nodes[c.name]
		if c.shared {
			root, ahead := f.resolve(int32(id))
			*n = *m.nodes[f.clocks[root].name]
			n.zoned, n.ahead = c.zoned, ahead
			if c.why != "" && n.reason == "" {
				n.reason = c.why
			}
		}
		if !n.tied {
			n.reason = f.untiedReason(int32(id))
		}
	}
	for _, x := range f.anchored {
		m.tellAnchor(x)
	}
	for name, zone := range f.zones {
		if n := m.nodes[name]; n != nil && n.tied && n.reason == "" {
			n.reason = "its zone is not written and was set to " + zone
		}
	}
	for host, off := range f.fixed {
		for _, name := range []string{host, host + localSuffix} {
			if n := m.nodes[name]; n != nil {
				fitted := fittedClock{calls: n.calls, gross: micros(off - f.fixed[refHost(m.ref)]), runs: []run{{from: firstPlace, to: lastPlace}}}
				*n = clockNode{fittedClock: fitted, tied: true, reason: "set by the configuration"}
			}
		}
	}
}

// tellAnchor says of that clock of an anchor of which less is known that it was anchored.
func (m *ClockModel) tellAnchor(x anchored) {
	own, other := x.b, x.a
	if a, b := m.nodes[ClockOf(x.a)], m.nodes[ClockOf(x.b)]; ClockOf(x.b) == m.ref || ClockOf(x.a) != m.ref && a.calls < b.calls {
		own, other = x.a, x.b
	}
	if n := m.nodes[ClockOf(own)]; n.tied && n.reason == "" {
		n.reason = fmt.Sprintf("anchored to %s by %s", other.Host, own.Pos)
	}
}

func refHost(clock string) string { h, _ := clockHost(clock); return h }

func (f *clockFit) untiedReason(id int32) string {
	calls, low, high := 0, false, false
	for _, pairs := range []map[clockPair]*clockLinks{f.pairs, f.guesses} {
		for k, ls := range pairs {
			if k.caller != id && k.callee != id {
				continue
			}
			calls += ls.n
			for i := range ls.links {
				low = low || ls.links[i].lo > negInf
				high = high || ls.links[i].hi < inf
			}
		}
	}
	switch {
	case calls == 0:
		return "no call between it and a tied host was found"
	case !low || !high:
		return "its calls bound the clock from one side only"
	}
	return "its callers and callees are not tied either"
}

// Trusted says whether the whole holds together: that few intervals contradict each other
// and few hosts the model.
func (m *ClockModel) Trusted() bool { return m == nil || !m.weak }

// Tied says whether the clock that stamped e is tied to others. All that are tied so are tied to the reference, unless there are several systems in the
// logs that never call each other.
func (m *ClockModel) Tied(e *Event) bool { return m.partOf(ClockOf(e)).ties(e) }

func (m *ClockModel) node(clock string) *clockNode {
	if m == nil {
		return nil
	}
	return m.nodes[clock]
}

// Align gives start and end of what e reports on the common time line; an end that the
// record does not tell is zero. The instant of an untied clock is as wide as that
// clock may be wrong. Where a clock was stepped the place of e in its stream decides on which side of
// the step it lies; if that cannot be told the instants cover both. Of a record without a time that a clock can
// have given nothing is known. e.Time itself is never changed.
func (m *ClockModel) Align(e *Event) (start, end Instant) {
	if !stamped(e) {
		return start, end
	}
	s, t, sOK, tOK := e.Interval()
	if !sOK && !tOK { // a moment within
		a := m.instant(e, s)
		return a, a
	}
	if sOK {
		start = m.instant(e, s)
	}
	if tOK {
		end = m.instant(e, t)
	}
	return start, end
}

// hostSpan gives a raw span of e on its host's clock, and that clock's name: stamps
// without zone are moved to those with one where the host's zone is known.
func (m *ClockModel) hostSpan(e *Event, s RawSpan) (string, RawSpan) {
	clock := ClockOf(e)
	if n := m.partOf(clock).node(clock); n != nil && n.zoned {
		host, _ := clockHost(clock)
		return host, RawSpan{s.Lo.Add(-nanos(n.ahead)), s.Hi.Add(-nanos(n.ahead))}
	}
	return clock, s
}

// instant puts a moment that e reports on the common time line.
func (m *ClockModel) instant(e *Event, s RawSpan) Instant {
	clock := ClockOf(e)
	m, n := m.nodeOf(clock)
	mid := s.Lo.Add(s.Hi.Sub(s.Lo) / 2)
	if n == nil || !n.tied {
		w := untiedSlack(clock)
		return Instant{Earliest: s.Lo.Add(-w), Time: mid, Latest: s.Hi.Add(w)}.utc()
	}
	run, other := 0, 0
	if len(n.cuts) > 0 {
		run, other = n.sides(m.seatOn(n, e))
	}
	a := m.in(n, run, s, mid)
	if other != run {
		b := m.in(n, other, s, mid)
		if b.Earliest.Before(a.Earliest) {
			a.Earliest = b.Earliest
		}
		if b.Latest.After(a.Latest) {
			a.Latest = b.Latest
		}
	}
	return a.utc()
}

func (a Instant) utc() Instant {
	return Instant{a.Earliest.UTC(), a.Time.UTC(), a.Latest.UTC(), a.Spread}
}

// in aligns by one run of a clock.
func (m *ClockModel) in(n *clockNode, run int, s RawSpan, mid time.Time) Instant {
	off, minus, plus := m.offset(n, run, mid.UnixNano())
	return Instant{Earliest: s.Lo.Add(-nanos(off + plus)), Time: mid.Add(-nanos(off)), Latest: s.Hi.Add(-nanos(off - minus))}
}

// nanos gives so many microseconds, at most 146 years.
func nanos(us float64) time.Duration {
	const most = 1 << 62
	return time.Duration(math.Round(max(-most, min(most, us*1e3))))
}

// seatOn gives the place of a record on its clock, of which n is maybe another name.
func (m *ClockModel) seatOn(n *clockNode, e *Event) seat {
	s := seatIn(m.streams, e)
	s.raw -= int64(n.ahead * 1e3)
	return s
}

// offset gives how far a clock is ahead at a raw stamp, in microseconds: off is the best
// guess, the truth lies in [off-minus, off+plus].
func (m *ClockModel) offset(n *clockNode, run int, raw int64) (off, minus, plus float64) {
	base := n.gross + n.ahead
	at := float64(raw-m.base-int64(base*1e3)) / 1e9
	t := at
	for range 2 {
		t = at - n.beside(run, t)/1e6
	}
	minus, plus = n.slack(run, t, m.wander)
	return base + n.beside(run, t), max(0, minus), max(0, plus)
}

// stepDoubt is by how much a step may be elsewhere than where it was found when records are
// looked for, in seconds.
const stepDoubt = 3600

// nodeOf gives what is known of a clock, and the part of the model that knows it. A host's stamps with zone of which nothing was learnt are those without zone
// that it writes elsewhere, but for the zone: what these are off by in steps of zones.
func (m *ClockModel) nodeOf(clock string) (*ClockModel, *clockNode) {
	part := m.partOf(clock)
	n := part.node(clock)
	host, local := clockHost(clock)
	if n != nil || local {
		return part, n
	}
	part = m.partOf(host + localSuffix)
	o := part.node(host + localSuffix)
	if o == nil || !o.tied {
		return part, nil
	}
	off := nanos(o.gross + o.ahead)
	zone := off.Round(zoneStep)
	if (off - zone).Abs() > time.Minute {
		return part, nil
	}
	n = new(clockNode)
	*n = *o
	n.ahead -= micros(zone)
	return part, n
}

// rawWindow gives the span of a clock's raw stamps that [from, to] on the common time
// line may show as.
func (m *ClockModel) rawWindow(clock string, from, to time.Time) (time.Time, time.Time) {
	m, n := m.nodeOf(clock)
	if n == nil || !n.tied {
		w := untiedSlack(clock)
		return from.Add(-w), to.Add(w)
	}
	lo, hi := inf, negInf
	for run := range n.runs {
		for _, at := range []time.Time{from, to} {
			t := float64(at.UnixNano()-m.base) / 1e9
			if i := run - 1; i >= 0 && t < n.cuts[i].t-stepDoubt || run < len(n.cuts) && t > n.cuts[run].t+stepDoubt {
				continue // this run is over or yet to come
			}
			o := n.gross + n.ahead + n.beside(run, t)
			minus, plus := n.slack(run, t, m.wander)
			lo, hi = min(lo, o-minus), max(hi, o+plus)
		}
	}
	return from.Add(nanos(lo)), to.Add(nanos(hi))
}

// Hosts tells what is known of every host's clock at the middle of the time from which
// it was learnt, the reference first, then by name.
func (m *ClockModel) Hosts() []HostClock {
	if m == nil {
		return nil
	}
	return m.HostsAt(time.Unix(0, m.base).Add(nanos(m.end * 1e6 / 2)))
}

// HostsAt tells what is known of every host's clock at a moment of the common time line,
// the reference first, then by name. A host that stamps both with and without zone is told once, by the
// former.
func (m *ClockModel) HostsAt(at time.Time) []HostClock {
	var out []HostClock
	if m == nil {
		return nil
	}
	names := make([]string, 0, len(m.nodes))
	for n := range m.nodes {
		names = append(names, n)
	}
	slices.Sort(names)
	t := float64(at.UnixNano()-m.base) / 1e9
	for _, name := range names {
		n := m.nodes[name]
		host, local := clockHost(name)
		if local && m.nodes[host] != nil && (m.nodes[host].tied || !n.tied) {
			continue
		}
		if !local && !n.tied && m.nodes[host+localSuffix] != nil && m.nodes[host+localSuffix].tied {
			continue
		}
		h := HostClock{Host: host, Reference: name == m.ref, Calls: n.calls, Tied: n.tied, Reason: n.reason, Inconsistent: n.inconsistent}
		if p := m.partOf(name); p != m {
			h.Reason = fmt.Sprintf("it is tied to %s, and no call ties that to %s", refHost(p.ref), refHost(m.ref))
			if name == p.ref {
				h.Reason = fmt.Sprintf("others are tied to it, and no call ties them to %s", refHost(m.ref))
			}
		}
		if n.tied {
			run := n.runAt(t)
			off := n.gross + n.ahead + n.beside(run, t)
			minus, plus := n.slack(run, t, m.wander)
			h.OffsetMS, h.SlackMS = off/1e3, max(minus, plus)/1e3
			h.DriftPPM = n.drift(run)
			h.Steps = m.steps(n)
			if local {
				h.Zone = zoneOf(off * 1e3)
			}
		}
		out = append(out, h)
	}
	slices.SortStableFunc(out, func(a, b HostClock) int {
		switch {
		case a.Reference:
			return -1
		case b.Reference:
			return 1
		}
		return strings.Compare(a.Host, b.Host)
	})
	return out
}

// slewed is by how much the rate of a clock must change to be called slewed, in ppm: more than
// temperature does.
const slewed = 100

// steps tells when a clock was set or slewed, by time.
func (m *ClockModel) steps(n *clockNode) []ClockStep {
	var out []ClockStep
	at := func(t float64) time.Time { return time.Unix(0, m.base).Add(nanos(t * 1e6)).UTC() }
	for i := range n.cuts {
		out = append(out, ClockStep{At: at(n.cuts[i].t), SizeMS: n.cuts[i].jump / 1e3})
	}
	for _, r := range n.runs {
		for i, k := range r.kinks {
			end := m.end
			if i+1 < len(r.kinks) {
				end = r.kinks[i+1].t
			}
			if faster := k.b - r.b; math.Abs(faster) > slewed && end > k.t {
				out = append(out, ClockStep{at(k.t), faster * (end - k.t) / 1e3, nanos((end - k.t) * 1e6)})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b ClockStep) int { return a.At.Compare(b.At) })
	return out
}

// zoneOf gives the zone that an offset in nanoseconds fits: the nearest multiple of 15 minutes, as
// zones are, if the rest is below a minute and the zone is not UTC itself.
func zoneOf(offset float64) string {
	const quarter = float64(15 * time.Minute)
	q := math.Round(offset / quarter)
	if q == 0 || math.Abs(offset-q*quarter) > float64(time.Minute) || math.Abs(q) > 14*4 {
		return ""
	}
	minutes := int(q) * 15
	sign := '+'
	if minutes < 0 {
		sign, minutes = '-', -minutes
	}
	return fmt.Sprintf("%c%02d:%02d", sign, minutes/60, minutes%60)
}
