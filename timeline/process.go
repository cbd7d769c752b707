package timeline

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// A Process is one life of a service on a host.
type Process struct {
	Host, Service string
	PID           string
	Worker        bool // one of several under a master: that it ended does not mean that the service was down
	Start, Ready  Instant
	Stopping      Instant // when it was asked to stop
	End           Instant
	HowEnded      Lifecycle // Stopped, Crashed, Killed, TimedOut, OOMKilled; NoLifecycle if it lives or nobody knows
	Events        []*Event  // that tell of it, by position
	InFlight      []string  // IDs of failed requests that it held when it ended, sorted
	Killer        string    // ID of the request of whose work it died; "" if none is known
	KillerOf      int       // how many requests Killer may be as well, itself included
}

// processes makes lives of the lifecycle records of every service on every host. A
// life begins with a start; a start that no end precedes ends the life before at an
// unknown moment and for an unknown reason. unplaced are records of ends that bear no stamp. homes tells of services that log
// nothing else where they are told of, as of pods in a cluster's events, the host on which they log. stamped are records of the same streams.
func processes(events []*Event, homes map[place]string, stamped []*Event, clocks *ClockModel) (all []*Process, unplaced []*Event) {
	groups := map[place][]*Event{}
	for _, e := range events {
		if e.Undated() && e.Lifecycle >= ProcessStopped {
			unplaced = append(unplaced, e)
			continue
		}
		p := place{e.Service, e.Host}
		if home := homes[p]; home != "" {
			p.host = home
		}
		groups[p] = append(groups[p], e)
	}
	for p, es := range groups {
		byTelling(es)
		all = append(all, lives(p, es, stamped, clocks)...)
	}
	slices.SortFunc(unplaced, func(a, b *Event) int { return a.Pos.Compare(b.Pos) })
	slices.SortFunc(all, compareLives)
	return all, unplaced
}

// byTelling sorts records by their stamps. One that has none, of its own or of another, comes where it stands in its stream: behind the last one there
// that has.
func byTelling(events []*Event) {
	slices.SortFunc(events, func(a, b *Event) int { return a.Pos.Compare(b.Pos) })
	at := make(map[*Event]time.Time, len(events))
	for i, e := range events {
		at[e] = e.Time
		if e.Time.IsZero() && i > 0 && sameStream(events[i-1].Pos, e.Pos) {
			at[e] = at[events[i-1]]
		}
	}
	slices.SortStableFunc(events, func(a, b *Event) int { return at[a].Compare(at[b]) })
}

// ofPrograms gives what the kernel tells of processes, which it calls by their programs, to the services as which these processes log on the
// same host.
func (c *collector) ofPrograms() {
	type process struct{ host, pid string }
	services := map[process]map[string]bool{}
	for _, e := range c.life {
		if e.Lifecycle == ProcessOOMKilled && e.Attrs.Get(KeyPID) != "" {
			services[process{e.Host, e.Attrs.Get(KeyPID)}] = map[string]bool{}
		}
	}
	if len(services) == 0 {
		return
	}
	for _, e := range slices.Concat(c.sortedEvents(), c.failed, c.life) {
		pid, _ := subjectOf(e)
		if known := services[process{e.Host, pid}]; known != nil && e.Lifecycle != ProcessOOMKilled {
			known[e.Service] = true
		}
	}
	for _, e := range c.life {
		known := services[process{e.Host, e.Attrs.Get(KeyPID)}]
		if e.Lifecycle != ProcessOOMKilled || len(known) != 1 || known[e.Service] {
			continue
		}
		for s := range known {
			e.Service = s
		}
	}
}

// homesOf gives, for the places of which only lifecycle records tell, the one host on which the service logs else.
func homesOf(life, others []*Event) map[place]string {
	hosts := map[string]map[string]bool{}
	for _, e := range others {
		if e.Lifecycle == NoLifecycle {
			if hosts[e.Service] == nil {
				hosts[e.Service] = map[string]bool{}
			}
			hosts[e.Service][e.Host] = true
		}
	}
	homes := map[place]string{}
	for _, e := range life {
		if at := hosts[e.Service]; len(at) == 1 && !at[e.Host] {
			for host := range at {
				homes[place{e.Service, e.Host}] = host
			}
		}
	}
	return homes
}

func compareLives(a, b *Process) int {
	return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Service, b.Service),
		lifeBegin(a).Time.Compare(lifeBegin(b).Time), a.Events[0].Pos.Compare(b.Events[0].Pos))
}

func lifeBegin(p *Process) Instant {
	for _, a := range []Instant{p.Start, p.Ready, p.Stopping, p.End} {
		if a.Known() {
			return a
		}
	}
	return Instant{}
}

// lives makes the lives of one service on one host. Where records bear process IDs, a process lives on as long as any
// later record is of it: a start of another one beside it is of a worker, or of the next one that takes over.
func lives(at place, events, stamped []*Event, clocks *ClockModel) []*Process {
	var out []*Process
	last := map[string]int{} // of each process, the last record that is of it
	for i, e := range events {
		pid, _ := subjectOf(e)
		last[pid], last[e.Attrs.Get(KeyPID)] = i, i
	}
	begin := func(pid string, worker bool) *Process {
		p := &Process{Host: at.host, Service: at.service, PID: pid, Worker: worker}
		out = append(out, p)
		return p
	}
	for i, e := range events {
		when := toldAt(e, stamped, clocks)
		pid, worker := subjectOf(e)
		life := lifeAmong(out, pid, worker)
		ended := life == nil || life.End.Known()
		if life != nil && worker && pid != "" && life.PID == pid {
			life.Worker = true // whoever told of it first did not know
		}
		switch e.Lifecycle {
		case ProcessStarting, ProcessReady:
			if ended || life.Ready.Known() || life.Stopping.Known() {
				for _, p := range out {
					if !worker && !p.End.Known() && (p.PID == "" || p.PID == pid || last[p.PID] < i) {
						p.endUnseen(when)
						if e.Undated() && when.Earliest.After(p.End.Earliest) {
							p.End.Earliest = when.Earliest // what stands before the start in its stream is of the one before
						}
					}
				}
				life = begin(pid, worker)
			}
			if e.Lifecycle == ProcessReady {
				life.Ready = when
			}
			if !life.Start.Known() {
				life.Start = when
			}
		case ProcessStopping:
			if ended && !(life != nil && sameEnd(life, pid, when)) {
				life = begin(pid, worker)
			}
			// A process says that it exits too when it was made to.
			if ended := life.End.Known() && life.HowEnded != NoLifecycle && life.HowEnded != ProcessStopped; !life.Stopping.Known() && !ended {
				life.Stopping = when
			}
		default:
			if ended && !(life != nil && sameEnd(life, pid, when)) {
				life = begin(pid, worker)
			}
			if !life.End.Known() {
				life.End, life.HowEnded = when, e.Lifecycle
			} else if e.Lifecycle == ProcessOOMKilled && life.HowEnded == ProcessKilled {
				life.HowEnded = ProcessOOMKilled // whoever saw the signal alone does not know why
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
	return out
}

// lifeAmong gives the life of a process of which a record tells: by its ID, else the last one that began. Of a worker whose ID
// nobody wrote before there is none.
func lifeAmong(all []*Process, pid string, worker bool) *Process {
	for i := len(all) - 1; i >= 0; i-- {
		switch p := all[i]; {
		case pid != "" && p.PID == pid, p.Worker == worker && (pid == "" || p.PID == ""):
			return p
		}
	}
	return nil
}

// endUnseen ends a life between its last sign and the next start, and nobody says why.
func (p *Process) endUnseen(next Instant) {
	p.End = Instant{Earliest: lastSign(p).Earliest, Time: next.Time, Latest: next.Latest}
	if p.Stopping.Known() {
		p.HowEnded = ProcessStopped
		p.End.Time = p.Stopping.Time
	}
}

// subjectOf gives the process of whose life e tells: that which its text names, else its writer. worker says that it is a
// worker, which its master tells of, or which tells of itself as one. PostgreSQL's server processes are none: with one that
// crashes all are stopped (its manual, "Server Crash Handling" of postmaster).
func subjectOf(e *Event) (pid string, worker bool) {
	pid = e.Attrs.Get(KeyPID)
	body, _, _ := strings.Cut(strings.ToLower(e.Body), "\n")
	if e.System == "postgresql" {
		return pid, false
	}
	worker = strings.Contains(body, "worker") || strings.Contains(body, "child")
	for _, names := range [][]string{{"pid"}, {"child", "child process", "worker", "worker process"}} {
		if named := numberAfter(body, names); named != "" {
			return named, worker || pid != "" && named != pid
		}
	}
	return pid, strings.HasPrefix(body, "worker")
}

// numberAfter gives the first number in a text that stands behind one of the names.
func numberAfter(text string, names []string) string {
	for from := 0; from < len(text); {
		n := strings.IndexFunc(text[from:], unicode.IsDigit)
		if n < 0 {
			return ""
		}
		n += from
		to := n
		for to < len(text) && text[to] >= '0' && text[to] <= '9' {
			to++
		}
		before := strings.TrimRight(text[:n], " :=(#[")
		if to > n && slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(before, name) }) {
			return text[n:to]
		}
		from = max(to, n+1)
	}
	return ""
}

// inferredTime is the attribute of a record that carries no stamp, such as the text of a
// Go panic: its Time is that of the stamped record before it in its stream, so that it
// was written then or at any time later.
const inferredTime = "log.time.inferred"

// explain gives the records of ends that bear no stamp to the lives that they ended: such a record was
// written after the stamped record before it in its stream and before the next one, and is of the one life that ended
// then and whose end nobody explained. Where several did, the order of the records of one stream may tell; else it explains none, and ambiguous tells which. Where none is known, since
// nobody logged its start, it is a life of its own. stamped are records of the streams.
func explain(all []*Process, unplaced, stamped []*Event, clocks *ClockModel) (lives []*Process, ambiguous map[Pos][]*Process) {
	ambiguous = map[Pos][]*Process{}
	for open := unplaced; len(open) > 0; {
		var left []*Event
		for _, e := range open {
			from, to := writtenBetween(e, stamped, clocks)
			if p := toldElsewhere(all, e, from); p != nil {
				_, worker := subjectOf(e)
				p.Worker, p.Events = p.Worker || worker, append(p.Events, e)
				continue
			}
			switch ended := endedBetween(all, e, from, to); len(ended) {
			case 0:
				if !from.Known() {
					continue // of no known life, and nothing tells when
				}
				if i := slices.IndexFunc(all, func(p *Process) bool {
					return p.Service == e.Service && p.Host == e.Host && p.Stopping.Known() && !p.End.Known() && !to.CertainlyBefore(p.Stopping)
				}); i >= 0 {
					p := all[i]
					p.End, p.HowEnded, p.Events = Instant{Earliest: from.Earliest, Time: from.Time, Latest: to.Latest}, e.Lifecycle, append(p.Events, e)
					continue
				}
				all = append(all, &Process{
					Host: e.Host, Service: e.Service, HowEnded: e.Lifecycle, Events: []*Event{e},
					End: Instant{Earliest: from.Earliest, Time: from.Time, Latest: to.Latest},
				})
			case 1:
				ended[0].endedAs(e)
				delete(ambiguous, e.Pos)
			default:
				left, ambiguous[e.Pos] = append(left, e), ended
			}
		}
		if len(left) == len(open) {
			if left = inOrderOfStream(left, ambiguous); len(left) == len(open) {
				break // none was told by the others
			}
		}
		open = left
	}
	slices.SortFunc(all, compareLives)
	return all, ambiguous
}

// inOrderOfStream tells records of ends by the order in which they stand in their streams: each is of a life that ended after that of the record before it. It
// narrows the lives of which each may be, and gives the records that are still of several.
func inOrderOfStream(records []*Event, ambiguous map[Pos][]*Process) (left []*Event) {
	narrow := func(e, next *Event, follows func(p, q *Process) bool) {
		if !sameStream(e.Pos, next.Pos) {
			return
		}
		narrowed := slices.DeleteFunc(slices.Clone(ambiguous[e.Pos]), func(p *Process) bool {
			return !slices.ContainsFunc(ambiguous[next.Pos], func(q *Process) bool { return follows(p, q) })
		})
		if len(narrowed) > 0 {
			ambiguous[e.Pos] = narrowed
		}
	}
	for i := 1; i < len(records); i++ {
		narrow(records[i], records[i-1], func(p, q *Process) bool { return q.End.CertainlyBefore(p.End) })
	}
	for i := len(records) - 2; i >= 0; i-- {
		narrow(records[i], records[i+1], func(p, q *Process) bool { return p.End.CertainlyBefore(q.End) })
	}
	for _, e := range records {
		ended := ambiguous[e.Pos]
		if len(ended) > 1 || ended[0].HowEnded != NoLifecycle {
			left = append(left, e)
			continue
		}
		ended[0].endedAs(e)
		delete(ambiguous, e.Pos)
	}
	return left
}

// endedAs gives a life whose end nobody explained the record that does.
func (p *Process) endedAs(e *Event) {
	p.HowEnded, p.Events = e.Lifecycle, append(p.Events, e)
}

// toldElsewhere gives the life of the process that e names and of whose end another record told, if that was not before e was written; nil if there is none.
func toldElsewhere(all []*Process, e *Event, from Instant) *Process {
	pid, _ := subjectOf(e)
	for _, p := range all {
		if pid != "" && p.PID == pid && p.Service == e.Service && p.Host == e.Host && p.endEvent() != nil && !p.End.CertainlyBefore(from) {
			return p
		}
	}
	return nil
}

// writtenBetween gives the stamped records of its stream between which e was written; its last record is taken to
// have been written soon after the one before.
func writtenBetween(e *Event, stamped []*Event, clocks *ClockModel) (from, to Instant) {
	from, _ = clocks.Align(e)
	var next *Event
	for _, o := range stamped {
		if sameStream(o.Pos, e.Pos) && !o.Undated() && o.Pos.Compare(e.Pos) > 0 && (next == nil || o.Pos.Compare(next.Pos) < 0) {
			next = o
		}
	}
	if next == nil {
		if from.Known() {
			to = from.Add(unknownLength)
		}
		return from, to
	}
	to, _ = clocks.Align(next)
	return from, to
}

// toldAt is when a record of a life was written. One without stamp was between those around it: a process that stops has mostly just written
// something, and one that starts is soon asked.
func toldAt(e *Event, stamped []*Event, clocks *ClockModel) Instant {
	when, end := clocks.Align(e)
	if e.Lifecycle >= ProcessStopping && end.Known() {
		when = end // it lived while it was at what the record tells
	}
	if !e.Undated() || !when.Known() {
		return when
	}
	from, to := writtenBetween(e, stamped, clocks)
	when.Earliest, when.Latest = from.Earliest, to.Latest
	if starts := e.Lifecycle == ProcessStarting || e.Lifecycle == ProcessReady; starts && to.Time.After(when.Time) {
		when.Time = to.Time
	}
	return when
}

// endedBetween gives the lives of the service of e that ended at an unknown moment or for an unknown
// reason between two moments: that of the process which e names, if it is one of them. What a process writes last comes in a stream
// after the last words of those that ended before it.
func endedBetween(all []*Process, e *Event, from, to Instant) (ended []*Process) {
	after, before := lastWords(all, e)
	for _, p := range all {
		if slices.ContainsFunc(after, func(q *Process) bool { return p.End.CertainlyBefore(q.End) }) ||
			slices.ContainsFunc(before, func(q *Process) bool { return q.End.CertainlyBefore(p.End) }) {
			continue
		}
		if p.Service != e.Service || p.Host != e.Host || p.HowEnded != NoLifecycle || !p.End.Known() {
			continue
		}
		if p.End.CertainlyBefore(from) || to.CertainlyBefore(lifeBegin(p)) || to.CertainlyBefore(p.End) {
			continue
		}
		ended = append(ended, p)
	}
	if pid := e.Attrs.Get(KeyPID); pid != "" {
		for _, p := range ended {
			if p.PID == pid {
				return []*Process{p}
			}
		}
	}
	return ended
}

// lastWords gives the lives whose last words stand in the stream of e before it, and those whose stand after it.
func lastWords(all []*Process, e *Event) (before, after []*Process) {
	for _, p := range all {
		for _, o := range p.Events {
			if o.Lifecycle < ProcessStopped || !o.Undated() || !sameStream(o.Pos, e.Pos) {
				continue
			}
			if o.Pos.Compare(e.Pos) < 0 {
				before = append(before, p)
			} else {
				after = append(after, p)
			}
		}
	}
	return before, after
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

// lastBroken narrows the ends that nobody logged: with a process all its connections break, so that it
// lived no longer than until the last one broke in the time in which it may have ended. One that
// was refused broke off nothing.
func lastBroken(all []*Process, drafts map[string][]*Request) {
	breaks := map[place][]Instant{}
	for _, rs := range drafts {
		for _, r := range rs {
			for _, c := range r.Calls {
				if c.Callee == nil || c.Callee.Host == "" || !c.End.Known() || c.Ended != Reset && c.Ended != Truncated {
					continue
				}
				at := place{c.Callee.Service, c.Callee.Host}
				breaks[at] = append(breaks[at], c.End)
			}
		}
	}
	for _, p := range all {
		if !p.End.Known() || p.endEvent() != nil {
			continue
		}
		var last Instant
		for _, b := range breaks[place{p.Service, p.Host}] {
			if !b.Latest.Before(p.End.Earliest) && !b.Earliest.After(p.End.Latest) && b.Time.After(last.Time) {
				last = b
			}
		}
		if last.Known() && last.Latest.Before(p.End.Latest) {
			p.End.Latest, p.End.Time = last.Latest, last.Time
			if p.End.Time.Before(p.End.Earliest) {
				p.End.Time = p.End.Earliest
			}
		}
	}
}

// endEvent is the stamped record that tells of the end; nil if there is none.
func (p *Process) endEvent() *Event {
	for _, e := range p.Events {
		if e.Lifecycle >= ProcessStopped && !e.Undated() {
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

// diedMeanwhile tells how a call ended for which a proxy made a 502 and does not say why: its connection broke if the callee's process was
// there after the call began, by what it wrote, and was gone when the proxy answered, and nobody had asked it to stop. Such a process
// refuses no connection.
func diedMeanwhile(all []*Process, c *Call) {
	if c.Ended != OutcomeUnknown || !c.OwnMade || c.Received.Code != 502 || c.Callee == nil || c.Callee.Host == "" || !c.End.Known() {
		return
	}
	window, timed := callLength(c)
	if !timed {
		return
	}
	start := c.End.Add(-window.d)
	p := lifeOf(all, c.Callee.Service, c.Callee.Host, "", start)
	if p == nil || p.Worker || !p.End.Known() || p.Stopping.Known() || p.HowEnded == ProcessStopped {
		return
	}
	if seen := p.End.Earliest; start.Latest.Before(seen) && !c.End.Latest.Before(seen) {
		c.Ended = Reset
	}
}

func lastSign(p *Process) Instant {
	for _, a := range []Instant{p.Stopping, p.Ready, p.Start} {
		if a.Known() {
			return a
		}
	}
	return Instant{}
}

// lifeOf finds the life of a service on a host in which a moment lies, that of the process if its ID is known and its
// life is. A moment in which no life was is given the life that ended last before it. A worker is meant only by its ID.
func lifeOf(all []*Process, service, host, pid string, at Instant) *Process {
	var best *Process
	for _, p := range all {
		if p.Service != service || host != "" && p.Host != host {
			continue
		}
		if p.Start.Known() && (at.CertainlyBefore(p.Start) || p.Start.Slack() > time.Second && at.Time.Before(p.Start.Time)) {
			continue
		}
		own := pid != "" && p.PID == pid
		if best != nil && best.PID == pid && pid != "" && !own || p.Worker && !own {
			continue
		}
		best = p
	}
	return best
}

// nearLives gives the lives that touch [from-pad, to+pad].
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
