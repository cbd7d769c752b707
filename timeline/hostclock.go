package timeline

import "time"

// A HostClock is what the clock model says of one host at one moment.
type HostClock struct {
	Host      string
	OffsetMS  float64 // how far the host's stamps are ahead of the reference's, in milliseconds, zone included
	SlackMS   float64 // half width of the interval in which the offset lies
	DriftPPM  float64 // how much faster than the reference's it runs
	Steps     []ClockStep
	Zone      string // "+01:00" if stamps are without zone and the offset fits one; "" if the zone is written or none fits
	Reference bool
	Calls     int    // exchanges on which the offset rests
	Tied      bool   // to the reference
	Reason    string // why it is not tied, what contradicts, or where it is from if it was not learnt
	// Inconsistent says that its calls contradict each other more than drift and steps explain; its
	// interval is widened by as much.
	Inconsistent bool
}

// A ClockStep is a moment at which a clock was set, or from which on it was slewed: run faster
// or slower until it was right.
type ClockStep struct {
	At     time.Time     // on the common time line
	SizeMS float64       // forward positive
	Over   time.Duration // how long it was slewed; 0 if it was set at once
}

// An Anchor says that two records tell of one moment, which ties the clocks that stamped them.
type Anchor struct{ A, B RecordAt }

// A RecordAt is where a record stands: the path as results print it, with slashes, or an end of
// it that no other file has (see [RecordAt.Means]), and the line on which it begins, from 1.
type RecordAt struct {
	Path string
	Line int
}
