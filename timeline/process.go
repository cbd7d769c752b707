package timeline

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// A Process is one life of a service on a host.
type Process struct {
	Host, Service string
	PID           string
	Start, Ready  Instant
	Stopping      Instant // when it was asked to stop
	End           Instant
	HowEnded      Lifecycle // Stopped, Crashed, Killed, OOMKilled; NoLifecycle if it lives or nobody knows
	Events        []*Event  // that tell of it, by position
	InFlight      []string  // IDs of failed requests that it held when it ended, sorted
}

// processes makes lives of the lifecycle records of every service on every host. A
// life begins with a start; a start that no end precedes ends the life before at an
// unknown moment and for an unknown reason. stamped are further records of the streams,
// between which those without stamp lie.
func processes(events, stamped []*Event, clocks *ClockModel) []*Process {
	groups := map[place][]*Event{}
	for _, e := range events {
		p := place{e.Service, e.Host}
		groups[p] = append(groups[p], e)
	}
	var out []*Process
	for p, es := range groups {
		slices.SortStableFunc(es, func(a, b *Event) int {
			return cmp.Or(a.Time.Compare(b.Time), a.Pos.Compare(b.Pos))
		})
		out = append(out, lives(p, es, stamped, clocks)...)
	}
	slices.SortFunc(out, func(a, b *Process) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Service, b.Service),
			lifeBegin(a).Time.Compare(lifeBegin(b).Time), a.Events[0].Pos.Compare(b.Events[0].Pos))
	})
	return out
}

func lifeBegin(p *Process) Instant {
	for _, a := range []Instant{p.Start, p.Ready, p.Stopping, p.End} {
		if a.Known() {
			return a
		}
	}
	return Instant{}
}

func lives(at place, events, stamped []*Event, clocks *ClockModel) []*Process {
	var out []*Process
	var life *Process
	var vague []*Event
	begin := func() {
		life = &Process{Host: at.host, Service: at.service}
		out = append(out, life)
	}
	for _, e := range events {
		if e.Attrs.Get(inferredTime) != "" && e.Lifecycle >= ProcessStopped {
			vague = append(vague, e)
			continue
		}
		when, _ := clocks.Align(e)
		pid := e.Attrs.Get(KeyPID)
		fresh := life == nil || life.End.Known() || life.PID != "" && pid != "" && life.PID != pid
		switch e.Lifecycle {
		case ProcessStarting, ProcessReady:
			if fresh || life.Ready.Known() || life.Stopping.Known() {
				if life != nil && !life.End.Known() {
					// Between its last sign and this start, and nobody says why.
					life.End = Instant{Earliest: lastSign(life).Earliest, Time: when.Time, Latest: when.Latest}
					if life.Stopping.Known() {
						life.HowEnded = ProcessStopped
						life.End.Time = life.Stopping.Time
					}
				}
				begin()
			}
			if e.Lifecycle == ProcessReady {
				life.Ready = when
			}
			if !life.Start.Known() {
				life.Start = when
			}
		case ProcessStopping:
			if fresh && !(life != nil && life.End.Known() && sameEnd(life, pid, when)) {
				begin()
			}
			if !life.Stopping.Known() {
				life.Stopping = when
			}
		default:
			if fresh && !(life != nil && life.End.Known() && sameEnd(life, pid, when)) {
				begin()
			}
			if !life.End.Known() {
				life.End, life.HowEnded = when, e.Lifecycle
			}
			if e.Lifecycle == ProcessStopped && !life.Stopping.Known() {
				life.Stopping = when
			}
		}
		if life.PID == "" {
			life.PID = pid
		}
		life.Events = append(life.Events, e)
	}
	for _, e := range vague {
		if p := unexplained(out, e, stamped, clocks); p != nil {
			p.HowEnded = e.Lifecycle
			p.Events = append(p.Events, e)
		}
	}
	return out
}

// inferredTime is the attribute of a record that carries no stamp, such as the text of a
// Go panic: its Time is that of the stamped record before it in its stream, so that it
// was written then or at any time later.
const inferredTime = "log.time.inferred"

// unexplained finds the one life whose end nobody explained and which ended when a
// record without stamp may have been written: after the stamped record before it in its
// stream and before the next one. It is nil if several did.
func unexplained(lives []*Process, e *Event, stamped []*Event, clocks *ClockModel) *Process {
	from, _ := clocks.Align(e)
	var to Instant
	var next *Event
	for _, o := range stamped {
		if o.Pos.Path == e.Pos.Path && o.Pos.Offset > e.Pos.Offset && o.Attrs.Get(inferredTime) == "" && (next == nil || o.Pos.Offset < next.Pos.Offset) {
			next = o
			to, _ = clocks.Align(o)
		}
	}
	var found *Process
	for _, p := range lives {
		if p.HowEnded != NoLifecycle || !p.End.Known() || p.End.CertainlyBefore(from) || to.CertainlyBefore(lifeBegin(p)) || to.CertainlyBefore(p.End) {
			continue
		}
		if found != nil {
			return nil
		}
		found = p
	}
	return found
}

// sameEnd says whether one more record of an end is of the life that ended already:
// of the same process, or moments later.
func sameEnd(p *Process, pid string, at Instant) bool {
	if p.PID != "" && pid != "" {
		return p.PID == pid
	}
	return at.Time.Sub(p.End.Time) < 5*time.Second
}

// lastSeen narrows the ends that nobody logged: the process lived when it wrote its last
// record. events are any records of its service on its host.
func lastSeen(all []*Process, events []*Event, clocks *ClockModel) {
	open := map[place][]*Process{}
	for _, p := range all {
		if p.End.Known() && (p.HowEnded == NoLifecycle || p.endEvent() == nil) {
			open[place{p.Service, p.Host}] = append(open[place{p.Service, p.Host}], p)
		}
	}
	if len(open) == 0 {
		return
	}
	for _, e := range events {
		for _, p := range open[place{e.Service, e.Host}] {
			start, end := clocks.Align(e)
			at := firstKnown(end, start)
			if e.Lifecycle == NoLifecycle && at.Earliest.After(p.End.Earliest) && at.Latest.Before(p.End.Latest) {
				p.End.Earliest = at.Earliest
			}
		}
	}
}

// endEvent is the stamped record that tells of the end; nil if there is none.
func (p *Process) endEvent() *Event {
	for _, e := range p.Events {
		if e.Lifecycle >= ProcessStopped && e.Attrs.Get(inferredTime) == "" {
			return e
		}
	}
	return nil
}

// endOf finds the life that ended by what e tells.
func endOf(all []*Process, e *Event) *Process {
	for _, p := range all {
		for _, o := range p.Events {
			if o.Pos == e.Pos {
				return p
			}
		}
	}
	return nil
}

func lastSign(p *Process) Instant {
	for _, a := range []Instant{p.Stopping, p.Ready, p.Start} {
		if a.Known() {
			return a
		}
	}
	return Instant{}
}

// lifeOf finds the life of a service on a host in which a moment lies. A moment in
// which no life was is given the life that ended last before it.
func lifeOf(all []*Process, service, host string, at Instant) *Process {
	var best *Process
	for _, p := range all {
		if p.Service != service || host != "" && p.Host != host {
			continue
		}
		if p.Start.Known() && at.CertainlyBefore(p.Start) {
			continue
		}
		best = p
	}
	return best
}

// near gives the lives that touch [from-pad, to+pad].
func nearLives(all []*Process, from, to time.Time, pad time.Duration) []*Process {
	from, to = from.Add(-pad), to.Add(pad)
	var out []*Process
	for _, p := range all {
		touched := false
		for _, a := range []Instant{p.Start, p.Ready, p.Stopping, p.End} {
			touched = touched || a.Known() && !a.Latest.Before(from) && !a.Earliest.After(to)
		}
		if touched {
			out = append(out, p)
		}
	}
	return out
}
