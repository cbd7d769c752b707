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
	Reason    string // why it is not tied, or what contradicts
}

// A ClockStep is a moment at which a clock was set.
type ClockStep struct {
	At     time.Time // on the common time line
	SizeMS float64   // forward positive
}
