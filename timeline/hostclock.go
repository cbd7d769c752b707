package timeline

// A HostClock is what the clock model says of one host.
type HostClock struct {
	Host      string
	OffsetMS  float64 // how far the host's stamps are ahead of the reference's, in milliseconds, zone included
	SlackMS   float64 // half width of the interval in which the offset lies
	DriftPPM  float64
	Zone      string // "+01:00" if stamps are without zone and the offset fits one; "" if the zone is written or none fits
	Reference bool
	Calls     int    // exchanges on which the offset rests
	Tied      bool   // to the reference
	Reason    string // why it is not tied, or what contradicts
}
