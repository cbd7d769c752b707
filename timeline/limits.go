package timeline

import "math"

// AllRequests, as SampledRequests, stands for all that there are.
const AllRequests = math.MaxInt32

// Limits bound what is kept in memory. Each that is hit is counted and shown. A zero
// field takes its default.
type Limits struct {
	Requests         int // failing requests kept
	EventsPerRequest int // events of one request
	EventsPerKey     int // a key on more events than this is no key
	SampledRequests  int // healthy requests read whole for clocks, addresses and comparison
	WindowEvents     int // events without ID looked at in the windows of one round
	Rounds           int // of asking by newly found keys
}

// WithDefaults gives l with its zero fields replaced.
func (l Limits) WithDefaults() Limits {
	set := func(p *int, n int) {
		if *p == 0 {
			*p = n
		}
	}
	set(&l.Requests, 50_000)
	set(&l.EventsPerRequest, 2_000)
	set(&l.EventsPerKey, 10_000)
	set(&l.SampledRequests, 2_000)
	set(&l.WindowEvents, 2_000_000)
	set(&l.Rounds, 8)
	return l
}
