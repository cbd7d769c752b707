package timeline

import "time"

// An Instant is a moment on the common time line: the true moment lies in
// [Earliest, Latest]; Time is the best single guess. The zero Instant is not known.
type Instant struct {
	Earliest, Time, Latest time.Time
	// Spread is half the width of the interval around Time that holds the moment in 95 of 100
	// cases, by how long calls usually take on the way; 0 where that is not known.
	Spread time.Duration
}

// Known says whether anything is known of the moment.
func (a Instant) Known() bool { return !a.Time.IsZero() }

// Slack is half the width of the interval.
func (a Instant) Slack() time.Duration { return a.Latest.Sub(a.Earliest) / 2 }

// Before says whether a came before b, and whether that is certain: the intervals
// are disjoint. If either is not known, both results are false.
func (a Instant) Before(b Instant) (before, certain bool) {
	if !a.Known() || !b.Known() {
		return false, false
	}
	if a.Latest.Before(b.Earliest) {
		return true, true
	}
	return a.Time.Before(b.Time), b.Latest.Before(a.Earliest)
}

// CertainlyBefore says whether the interval of a lies wholly before that of b.
func (a Instant) CertainlyBefore(b Instant) bool {
	return a.Known() && b.Known() && a.Latest.Before(b.Earliest)
}

// Add moves the whole interval by d.
func (a Instant) Add(d time.Duration) Instant {
	return Instant{a.Earliest.Add(d), a.Time.Add(d), a.Latest.Add(d), a.Spread}
}
