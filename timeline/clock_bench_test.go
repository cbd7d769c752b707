package timeline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// BenchmarkClocks learns 100 clocks from the calls of a million requests, three calls each, as
// they stream by: what the clock stage of a big batch costs. The requests are made in the
// same time, which is told apart as make-s.
func BenchmarkClocks(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				var made time.Duration
				runtime.GC()
				sim := newManyHosts(n)
				f := newClockFit()
				batch := make([][2]clockWindow, 0, 3000)
				for i := 0; i < n; {
					start := time.Now()
					batch = batch[:0]
					for ; i < n && len(batch) < 3000; i++ {
						batch = sim.request(batch)
					}
					made += time.Since(start)
					for j := range batch {
						f.see(batch[j][1].event)
						f.call(f.pairs, batch[j][0], batch[j][1], false)
					}
				}
				m := f.fit()
				var mem runtime.MemStats
				runtime.ReadMemStats(&mem)
				b.ReportMetric(made.Seconds(), "make-s")
				b.ReportMetric(float64(mem.Sys)/(1<<20), "MB-from-system")
				wrong, hosts := 0, 0
				for _, h := range m.Hosts() {
					if !h.Tied {
						b.Fatalf("%s is not tied", h.Host)
					}
					hosts++
					true0 := sim.off(h.Host, sim.span/2) - sim.off(refHost(m.ref), sim.span/2)
					if math.Abs(h.OffsetMS-true0*1e3) > h.SlackMS+0.1 {
						wrong++
					}
				}
				if hosts != 100 || wrong > 0 {
					b.Errorf("%d of %d intervals do not hold the truth", wrong, hosts)
				}
			}
		})
	}
}

// manyHosts makes requests through 10 gateways, 20 proxies, 50 apps and 20 databases, with
// stamps of a millisecond.
type manyHosts struct {
	rnd    *rand.Rand
	tiers  [4][]manyHost
	span   float64 // seconds
	at     float64
	every  float64
	events [][2]*Event
	used   int
}

type manyHost struct {
	name       string
	off, drift float64
	floor      float64 // seconds to it from anywhere
	line       int64
}

func newManyHosts(n int) *manyHosts {
	s := &manyHosts{rnd: rand.New(rand.NewPCG(5, uint64(n))), span: 7200}
	s.every = s.span / float64(n)
	for t, count := range []int{10, 20, 50, 20} {
		for i := range count {
			s.tiers[t] = append(s.tiers[t], manyHost{
				name: fmt.Sprintf("%s-%d", []string{"gw", "px", "app", "db"}[t], i),
				off:  s.rnd.Float64()*10 - 5, drift: s.rnd.Float64()*60e-6 - 30e-6, floor: 1e-4 + s.rnd.Float64()*2e-4,
			})
		}
	}
	for range 3001 * 2 {
		s.events = append(s.events, [2]*Event{{}, {}})
	}
	return s
}

func (s *manyHosts) off(host string, at float64) float64 {
	for _, tier := range s.tiers {
		for _, h := range tier {
			if h.name == host {
				return h.off + h.drift*at
			}
		}
	}
	return math.NaN()
}

// request appends the windows of the calls of one more request. Those of earlier ones are good until
// twice 3,000 more were made.
func (s *manyHosts) request(out [][2]clockWindow) [][2]clockWindow {
	var path [4]*manyHost
	var from, to [4]float64
	t := s.at
	s.at += s.every
	wait := func(scale float64) float64 { return s.rnd.ExpFloat64() * scale }
	for i := range path {
		path[i] = &s.tiers[i][s.rnd.IntN(len(s.tiers[i]))]
		if i > 0 {
			t += path[i].floor + wait(1e-4)
		}
		from[i] = t
		t += 5e-5 + wait(1e-4)
	}
	t += 1e-3 + wait(5e-3)
	for i := len(path) - 1; i >= 0; i-- {
		to[i] = t
		t += path[i].floor + wait(1e-4)
	}
	var w [4]clockWindow
	for i, h := range path {
		e := s.events[s.used/2%len(s.events)][s.used%2]
		s.used++
		h.line++
		stamp := func(at float64) int64 {
			return int64((1.76e9+at+h.off+h.drift*at)*1e3) * 1e6
		}
		a, z := stamp(from[i]), stamp(to[i])
		*e = Event{Kind: ServerSpan, Host: h.name, Time: time.Unix(0, a), Duration: time.Duration(z - a), Pos: Pos{Path: h.name + ".log", Offset: h.line},
			Stamp: Stamp{Meaning: Start, Resolution: time.Millisecond, SameClock: true, DurationResolution: time.Millisecond, Zone: ZoneWritten}}
		w[i] = windowOf(e)
	}
	for i := 1; i < len(path); i++ {
		out = append(out, [2]clockWindow{w[i-1], w[i]})
	}
	return out
}
