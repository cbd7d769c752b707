package timeline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// stepLogs makes the logs of requests through the edge e1, the app a1 and the database d1,
// of which a1's clock is set by jump after the share part of them. Requests follow each other every 100 ms and take some
// 20 ms; each host stamps the end to a millisecond. Between every two records of a file there is room for one more.
type stepLogs struct {
	n       int
	part    float64
	jump    time.Duration
	streams int  // files in which a1 logs, in turn
	docs    bool // a1's records come from an index, without order
	rnd     *rand.Rand
}

var stepStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at is the true moment at which a1's clock is set.
func (s *stepLogs) at() time.Time {
	return stepStart.Add(time.Duration(s.part*float64(s.n))*100*time.Millisecond - 10*time.Millisecond)
}

// offset is how far a host's clock is ahead at a true moment.
func (s *stepLogs) offset(host string, at time.Time) time.Duration {
	switch {
	case host == "d1":
		return -250 * time.Millisecond
	case host == "e1":
		return 0
	case at.Before(s.at()):
		return 1500 * time.Millisecond
	}
	return 1500*time.Millisecond + s.jump
}

// stepRecord is a record of a1 with the moment at which its exchange truly was over.
type stepRecord struct {
	*Event
	end time.Time
}

func (s *stepLogs) make() (logs memory, a1 []stepRecord) {
	us := func(lo, hi float64) time.Duration { return time.Duration((lo + s.rnd.Float64()*(hi-lo)) * 1e3) }
	lines := map[string]int64{}
	hosts, services := []string{"e1", "a1", "d1"}, []string{"edge", "orders", "stock"}
	for i := range s.n {
		t := stepStart.Add(time.Duration(i) * 100 * time.Millisecond)
		var from, to [3]time.Time
		for k := range hosts {
			t = t.Add(us(150, 500))
			from[k] = t
		}
		t = t.Add(us(1000, 20_000))
		for k := len(hosts) - 1; k >= 0; k-- {
			to[k] = t
			t = t.Add(us(150, 500))
		}
		for k, h := range hosts {
			e := &Event{Service: services[k], Host: h, Kind: ServerSpan, StatusCode: 200, Format: "test", Duration: to[k].Sub(from[k]).Truncate(100 * time.Microsecond)}
			if i%10 == 0 {
				e.StatusCode, e.Failed = 500, true
			}
			e.Time = to[k].Add(s.offset(h, to[k])).Truncate(time.Millisecond)
			e.Stamp = Stamp{Meaning: End, Resolution: time.Millisecond, DurationResolution: 100 * time.Microsecond, Zone: ZoneWritten}
			if k+1 < len(hosts) {
				e.Calls = []Outcall{{Peer: hosts[k+1] + ":80", Status: e.StatusCode, Ended: Complete}}
			}
			e.Keys = []Key{{Name: KeyRequestID, Value: fmt.Sprintf("request-%06d", i)}}
			e.Pos.Path = h + ".log"
			if h == "a1" && s.streams > 1 {
				e.Pos.Path = fmt.Sprintf("a1-%d.log", i%s.streams)
			}
			lines[e.Pos.Path]++
			e.Pos.Offset = 100 * lines[e.Pos.Path]
			if h == "a1" && s.docs {
				e.Pos = Pos{Path: "a1", Doc: fmt.Sprintf("doc-%08x", s.rnd.Uint32())}
			}
			e.Raw = fmt.Appendf(nil, "%d %s", i, h)
			logs = append(logs, e)
			if h == "a1" {
				a1 = append(a1, stepRecord{e, to[k]})
			}
		}
	}
	return logs, a1
}

// learnt gives the clocks that follow from the logs, and the records of a1 as they were read.
func (s *stepLogs) learnt(t *testing.T) (*ClockModel, []stepRecord) {
	t.Helper()
	logs, a1 := s.make()
	c, err := Collect(t.Context(), []Named{{Name: "m", Source: logs}}, Query{Filter: Filter{Any: []Want{{Failed: &Failed{}}}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range a1 { // as collected, positions tell their source
		a1[i].Event = a1[i].Clone()
		a1[i].Pos.Source = "m"
	}
	return c.Clocks, a1
}

// reference gives the host against which the clocks are told.
func reference(t *testing.T, m *ClockModel) HostClock {
	t.Helper()
	hosts := m.Hosts()
	if len(hosts) == 0 || !hosts[0].Reference {
		t.Fatalf("no host is the reference: %+v", hosts)
	}
	return hosts[0]
}

func TestStepIsFound(t *testing.T) {
	for _, jump := range []time.Duration{-400 * time.Millisecond, 750 * time.Millisecond} {
		for _, streams := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s in %d streams", jump, streams), func(t *testing.T) {
				for seed := range uint64(3) {
					s := &stepLogs{n: 400, part: 0.6, jump: jump, streams: streams, rnd: rand.New(rand.NewPCG(seed, 21))}
					s.check(t, seed)
				}
			})
		}
	}
}

func (s *stepLogs) check(t *testing.T, seed uint64) {
	t.Helper()
	m, a1 := s.learnt(t)
	ref := reference(t, m)
	if ref.Host == "a1" {
		t.Fatalf("seed %d: the reference is the host whose clock was set", seed)
	}
	base := s.offset(ref.Host, stepStart)
	after := slices.IndexFunc(a1, func(r stepRecord) bool { return !r.end.Before(s.at()) })

	for _, h := range m.Hosts() {
		if h.Host != "a1" {
			if len(h.Steps) > 0 {
				t.Errorf("seed %d: %s has steps: %+v", seed, h.Host, h.Steps)
			}
			continue
		}
		if len(h.Steps) != 1 {
			t.Fatalf("seed %d: a1 has the steps %+v, want one", seed, h.Steps)
		}
		step := h.Steps[0]
		if d := step.SizeMS - float64(s.jump)/1e6; math.Abs(d) > 1 {
			t.Errorf("seed %d: the step is %.3f ms, want %s within 1 ms", seed, step.SizeMS, s.jump)
		}
		// At is told by the reference's clock. The step lies after the end of the last record before it in one
		// of the streams, and before the first after it in all; with the stamps' millisecond and what the clocks leave open.
		lo, hi := a1[after-s.streams].end.Add(base-2*time.Millisecond), a1[after].end.Add(base+2*time.Millisecond)
		if step.At.Before(lo) || step.At.After(hi) {
			t.Errorf("seed %d: the step is at %s, want between %s and %s", seed, step.At.Format("05.000000"), lo.Format("05.000000"), hi.Format("05.000000"))
		}
	}

	// Every record lies right, before the step and after it, and tells so by a narrow interval.
	for i, r := range a1 {
		_, end := m.Align(r.Event)
		want := r.end.Add(base)
		if want.Before(end.Earliest) || want.After(end.Latest) {
			t.Fatalf("seed %d: record %d of %d ended at %s, but the instant is %s to %s", seed, i, len(a1), want.Format("05.000000"), end.Earliest.Format("05.000000"), end.Latest.Format("05.000000"))
		}
		if end.Slack() > 5*time.Millisecond && (i < after-1-s.streams || i > after+s.streams) {
			t.Fatalf("seed %d: the instant of record %d is open by %s on each side, the step is at %d", seed, i, end.Slack(), after)
		}
	}

	s.checkGap(t, seed, m, a1, after, base)
	s.checkWithoutOrder(t, seed, m, a1, after, base)
}

// holdsBoth checks the instant of a record of which nobody knows whether it was stamped before
// the step or after it: both must be possible.
func (s *stepLogs) holdsBoth(t *testing.T, what string, m *ClockModel, e *Event, base time.Duration) {
	t.Helper()
	at, _ := m.Align(e)
	for _, off := range []time.Duration{1500 * time.Millisecond, 1500*time.Millisecond + s.jump} {
		if x := e.Time.Add(base - off); x.Before(at.Earliest) || x.After(at.Latest) {
			t.Errorf("%s: the instant is %s to %s and does not hold %s", what, at.Earliest.Format("05.000000"), at.Latest.Format("05.000000"), x.Format("05.000000"))
		}
	}
	if at.Time.Before(at.Earliest) || at.Time.After(at.Latest) {
		t.Errorf("%s: the best guess %s lies outside of %s to %s", what, at.Time, at.Earliest, at.Latest)
	}
}

// checkGap aligns a message that stands in the file between the last record before the step
// and the first after it.
func (s *stepLogs) checkGap(t *testing.T, seed uint64, m *ClockModel, a1 []stepRecord, after int, base time.Duration) {
	t.Helper()
	message := func(beside stepRecord, offset int64, stamp time.Time) *Event {
		e := &Event{Kind: LogRecord, Service: "orders", Host: "a1", Time: stamp, Stamp: Stamp{Meaning: Within, Resolution: time.Millisecond, Zone: ZoneWritten}, Pos: beside.Pos}
		e.Pos.Offset = offset
		return e
	}
	for k := range s.streams {
		before := after - 1 - (after-1-k+s.streams)%s.streams // the last record before the step in the stream k
		next := before + s.streams
		b, n := a1[before], a1[next]
		if b.Pos.Path != n.Pos.Path || !b.end.Before(s.at()) || n.end.Before(s.at()) {
			t.Fatalf("the records %d and %d are not on both sides of the step", before, next)
		}
		s.holdsBoth(t, fmt.Sprintf("seed %d: in the gap of %s", seed, b.Pos.Path), m, message(b, b.Pos.Offset+50, b.Time.Add(20*time.Millisecond)), base)
		// Just beside the gap there is no doubt.
		for _, c := range []struct {
			offset int64
			stamp  time.Time
			off    time.Duration
		}{
			{b.Pos.Offset - 50, b.Time.Add(-20 * time.Millisecond), 1500 * time.Millisecond},
			{n.Pos.Offset + 50, n.Time.Add(20 * time.Millisecond), 1500*time.Millisecond + s.jump},
		} {
			at, _ := m.Align(message(b, c.offset, c.stamp))
			if want := c.stamp.Add(base - c.off); want.Before(at.Earliest) || want.After(at.Latest) || at.Slack() > 5*time.Millisecond {
				t.Errorf("seed %d: beside the gap at %s@%d the instant is %s to %s, want it narrow around %s", seed, b.Pos.Path, c.offset, at.Earliest.Format("05.000000"), at.Latest.Format("05.000000"), want.Format("05.000000"))
			}
		}
	}
}

// checkWithoutOrder aligns records of an index: only their stamps tell on which side of the
// step they lie.
func (s *stepLogs) checkWithoutOrder(t *testing.T, seed uint64, m *ClockModel, a1 []stepRecord, after int, base time.Duration) {
	t.Helper()
	doc := func(stamp time.Time) *Event {
		return &Event{Kind: LogRecord, Service: "orders", Host: "a1", Time: stamp, Stamp: Stamp{Meaning: Within, Resolution: time.Millisecond, Zone: ZoneWritten}, Pos: Pos{Source: "m", Path: "logs-2026", Doc: "x7"}}
	}
	// Set back, the clock shows the stamps from 400 ms before the step's twice; set forward, those
	// until 750 ms after it never.
	last, first := a1[after-1].Time, a1[after].Time
	lo, hi := last, first
	if s.jump < 0 {
		lo, hi = first, last
	}
	s.holdsBoth(t, fmt.Sprintf("seed %d: without order, in doubt", seed), m, doc(lo.Add(hi.Sub(lo)/2)), base)
	for _, c := range []struct {
		what  string
		stamp time.Time
		off   time.Duration
	}{
		{"long before", a1[0].Time, 1500 * time.Millisecond},
		{"before", lo.Add(-20 * time.Millisecond), 1500 * time.Millisecond},
		{"after", hi.Add(20 * time.Millisecond), 1500*time.Millisecond + s.jump},
		{"long after", a1[len(a1)-1].Time, 1500*time.Millisecond + s.jump},
	} {
		at, _ := m.Align(doc(c.stamp))
		if want := c.stamp.Add(base - c.off); want.Before(at.Earliest) || want.After(at.Latest) || at.Slack() > 5*time.Millisecond {
			t.Errorf("seed %d: without order, %s: the instant is %s to %s, want it narrow around %s", seed, c.what, at.Earliest.Format("05.000000"), at.Latest.Format("05.000000"), want.Format("05.000000"))
		}
	}
}

// A host whose records come from an index, without order, has a step forward found as well: its
// stamps keep their order. Those of which the clock showed nothing are in doubt.
func TestStepForwardWithoutOrder(t *testing.T) {
	(&stepLogs{n: 400, part: 0.6, jump: 750 * time.Millisecond, streams: 1, docs: true, rnd: rand.New(rand.NewPCG(1, 22))}).checkDocs(t)
}

// checkDocs checks the step and all instants where a1's records have no order.
func (s *stepLogs) checkDocs(t *testing.T) {
	t.Helper()
	m, a1 := s.learnt(t)
	base := s.offset(reference(t, m).Host, stepStart)
	for _, h := range m.Hosts() {
		if h.Host == "a1" && (len(h.Steps) != 1 || math.Abs(h.Steps[0].SizeMS-float64(s.jump)/1e6) > 1) {
			t.Errorf("a1 has the steps %+v, want one of %s", h.Steps, s.jump)
		}
	}
	wide := 0
	for i, r := range a1 {
		_, end := m.Align(r.Event)
		if want := r.end.Add(base); want.Before(end.Earliest) || want.After(end.Latest) {
			t.Errorf("record %d ended at %s, but the instant is %s to %s", i, want.Format("05.000000"), end.Earliest.Format("05.000000"), end.Latest.Format("05.000000"))
		}
		if end.Slack() > 5*time.Millisecond {
			wide++
		}
	}
	if wide > 20 { // the step reaches over some eight records at most on each side
		t.Errorf("%d of %d instants are in doubt, want a few beside the step", wide, len(a1))
	}
}

// A clock that was set back, and records without order: those that were stamped in the time which
// the clock showed twice may lie on both sides.
func TestStepBackWithoutOrder(t *testing.T) {
	for seed := range uint64(3) {
		(&stepLogs{n: 400, part: 0.6, jump: -400 * time.Millisecond, streams: 1, docs: true, rnd: rand.New(rand.NewPCG(seed, 22))}).checkDocs(t)
	}
}

// A step back of a host with two files lies after the last record before it in both.
func TestStepBackInTwoStreams(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := &stepLogs{n: 400, part: 0.6, jump: -400 * time.Millisecond, streams: 2, rnd: rand.New(rand.NewPCG(seed, 21))}
			m, a1 := s.learnt(t)
			base := s.offset(reference(t, m).Host, stepStart)
			after := slices.IndexFunc(a1, func(r stepRecord) bool { return !r.end.Before(s.at()) })
			for _, h := range m.Hosts() {
				if h.Host != "a1" || len(h.Steps) != 1 {
					continue
				}
				at, lo, hi := h.Steps[0].At, a1[after-1].end.Add(base-2*time.Millisecond), a1[after].end.Add(base+2*time.Millisecond)
				if at.Before(lo) || at.After(hi) {
					t.Errorf("the step is at %s, want between %s and %s", at.Format("05.000000"), lo.Format("05.000000"), hi.Format("05.000000"))
				}
			}
			// A record of a third file that the fit never saw: its stamp alone tells.
			for _, r := range a1 {
				e := r.Clone()
				e.Pos = Pos{Source: "m", Path: "other.log", Offset: 1}
				_, end := m.Align(e)
				if want := r.end.Add(base); want.Before(end.Earliest) || want.After(end.Latest) {
					t.Errorf("a record that ended at %s has the instant %s to %s", want.Format("05.000000"), end.Earliest.Format("05.000000"), end.Latest.Format("05.000000"))
				}
			}
		})
	}
}

// One call that was stamped in the wrong year, as where a format writes none, does not make the
// clocks worse at the time of all the others.
func TestARecordOfAWrongYear(t *testing.T) {
	logs := sharedLogs(60, "b1:80", 700*time.Millisecond, 0)
	for _, e := range logs {
		if e.Pos.Offset == 30 {
			e.Time = e.Time.AddDate(-20, 0, 0)
		}
	}
	c, err := Collect(t.Context(), []Named{{Name: "m", Source: logs}}, Query{Filter: Filter{Any: []Want{{Failed: &Failed{}}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range c.Clocks.HostsAt(stepStart) {
		if !h.Tied || h.SlackMS > 5 {
			t.Errorf("%s is told to ±%.1f ms, want ±5: %+v", h.Host, h.SlackMS, h)
		}
	}
}
