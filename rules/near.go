package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// What the process of a callee did when a call to it failed.
const (
	stateUnknown    = ""
	stateRestarting = "restarting" // stopped on request, or not yet ready again
	stateCrashed    = "crashed"
	stateKilled     = "killed"
	stateOOMKilled  = "oom_killed"
)

// downFor is for how long after its end a process counts as down if no later start is known.
const downFor = time.Minute

// state says what the process of a call's callee did while the call was made, and
// which life shows it.
func (n *NearView) state(c *timeline.Call) (string, *timeline.Process) {
	if n == nil || c == nil || c.Callee == nil {
		return stateUnknown, nil
	}
	start, end := waited(c)
	broke := c.Ended == timeline.Reset || c.Ended == timeline.Truncated
	return n.stateIn(c.Callee.Service, c.Callee.Host, start, end, broke)
}

// refusedSinceStart says whether the caller of c or its callee was started after such calls
// last went well and before this one: what they know each other by changed with the start.
func (n *NearView) refusedSinceStart(c *timeline.Call) bool {
	if n == nil || c == nil || c.Callee == nil {
		return false
	}
	well, ok := n.near.WentWell[c]
	start, _ := waited(c)
	if !ok || !start.Known() {
		return false
	}
	for _, p := range n.near.Processes {
		ours := p.Service == c.Caller.Service && (p.Host == "" || p.Host == c.Caller.Host)
		theirs := p.Service == c.Callee.Service && (p.Host == "" || p.Host == c.Callee.Host)
		if began := cmp.Or(p.Start, p.Ready); (ours || theirs) && began.Known() && well.CertainlyBefore(began) && began.CertainlyBefore(start) {
			return true
		}
	}
	return false
}

// unsureDown says what is not certain of a callee's being down when a connection to it
// broke: that it was asked to stop before. "" if the clocks show it, if nothing is known,
// or if the connection was refused, which shows by itself that it was down. It gives the life of which that is not certain too.
func (n *NearView) unsureDown(c *timeline.Call) (string, *timeline.Process) {
	_, p := n.state(c)
	if p == nil || !p.Stopping.Known() {
		return "", nil
	}
	if p.Stopping.Slack() > vague {
		return fmt.Sprintf("when %s was stopped is not known well enough to say that it was down when the call was made", p.Service), p
	}
	if c.Ended != timeline.Reset && c.Ended != timeline.Truncated {
		return "", nil
	}
	if _, end := waited(c); !end.Known() || p.Stopping.CertainlyBefore(end) {
		return "", nil
	}
	return fmt.Sprintf("the clocks do not show that %s was asked to stop before the call to it was over", p.Service), p
}

// waited is when the caller waited: as it logged the call, else as it logged its own exchange.
func waited(c *timeline.Call) (start, end timeline.Instant) {
	start, end = c.Start, c.End
	if c.Caller != nil {
		if !start.Known() {
			start = c.Caller.Start
		}
		if !end.Known() {
			end = c.Caller.End
		}
	}
	return start, end
}

// stateIn says what the process of a service on a host did in a time. A worker's end counts only for what was in flight
// and broke, since others go on.
func (n *NearView) stateIn(service, host string, start, end timeline.Instant, broke bool) (string, *timeline.Process) {
	if !end.Known() {
		end = start
	}
	if !end.Known() {
		return stateUnknown, nil
	}
	if !start.Known() {
		start = end
	}
	lives := n.lives(service, host, broke)
	for i, p := range lives {
		down := p.Stopping
		if !down.Known() {
			down = p.End
		}
		if !down.Known() {
			continue
		}
		up := down.Add(downFor)
		if p.Worker {
			up = down
		} else if i+1 < len(lives) && lives[i+1].Host == p.Host {
			up = cmp.Or(lives[i+1].Ready, lives[i+1].Start, up)
		}
		if !mayPrecede(down, end) || !mayPrecede(start, up) {
			continue
		}
		switch {
		case p.HowEnded == timeline.ProcessCrashed:
			return stateCrashed, p
		case (p.HowEnded == timeline.ProcessKilled || p.HowEnded == timeline.ProcessTimedOut) && !p.Stopping.Known():
			return stateKilled, p
		case p.HowEnded == timeline.ProcessOOMKilled:
			return stateOOMKilled, p
		case p.Stopping.Known() || p.HowEnded == timeline.ProcessStopped:
			return stateRestarting, p
		}
	}
	for i, p := range lives {
		first := (i == 0 || lives[i-1].Host != p.Host) && !p.Worker
		if first && p.Start.Known() && p.Ready.Known() && mayPrecede(p.Start, end) && mayPrecede(start, p.Ready) {
			return stateRestarting, p
		}
	}
	return stateUnknown, nil
}

// wasRestarting says whether a service on a host was being stopped or started on request at a moment.
func (n *NearView) wasRestarting(service, host string, at timeline.Instant) bool {
	state, _ := n.stateIn(service, host, at, at, false)
	return state == stateRestarting
}

// downAt says whether a service on a host was down at a moment: a life had ended, for whatever reason, and the next one had not begun to
// take requests.
func (n *NearView) downAt(service, host string, at timeline.Instant) bool {
	if n == nil || service == "" || !at.Known() {
		return false
	}
	lives := n.lives(service, host, false)
	for i, p := range lives {
		if i+1 == len(lives) || lives[i+1].Host != p.Host || !p.End.Known() {
			continue
		}
		up := cmp.Or(lives[i+1].Ready, lives[i+1].Start)
		if mayPrecede(p.End, at) && mayPrecede(at, up) {
			return true
		}
	}
	return false
}

// diedBefore gives the life of a process of a service, a worker of a server too, that ended of what it worked at shortly before a moment, by their intervals or nearly by
// their best guesses; nil if there is none.
func (n *NearView) diedBefore(service string, at timeline.Instant) *timeline.Process {
	if n == nil || service == "" || !at.Known() {
		return nil
	}
	for _, p := range n.lives(service, "", true) {
		if p.HowEnded.OfItsWork() && p.End.Known() && mayPrecede(p.End, at) && mayPrecede(at.Add(-vague), p.End) {
			return p
		}
	}
	return nil
}

// vague is how far two moments may be out of order by their best guesses where their intervals let them be in order:
// the clock of a host that is not tied to the others leaves room for everything.
const vague = 2 * time.Second

// mayPrecede says whether a may have come before b, by their intervals and, nearly, by their best guesses.
func mayPrecede(a, b timeline.Instant) bool {
	return !b.CertainlyBefore(a) && a.Time.Before(b.Time.Add(vague))
}

// lives gives the lives of a service on a host, or on all of them if it is not known, by host and start; those of workers
// only if they are asked for.
func (n *NearView) lives(service, host string, workers bool) []*timeline.Process {
	var out []*timeline.Process
	for _, p := range n.near.Processes {
		if (!p.Worker || workers) && p.Service == service && (host == "" || p.Host == "" || p.Host == host) {
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b *timeline.Process) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), lifeStart(a).Compare(lifeStart(b)))
	})
	return out
}

// untimed gives a life of a service on a host, or on any if it is not known, of which it is not known for want of a clock or of a stamp whether
// it began or ended in a time; nil if there is none.
func (n *NearView) untimed(service, host string, start, end timeline.Instant) *timeline.Process {
	if n == nil {
		return nil
	}
	for _, p := range n.lives(service, host, true) {
		if slices.ContainsFunc(moments(p), func(a timeline.Instant) bool {
			return a.Known() && a.Slack() > vague && !end.CertainlyBefore(a) && !a.Add(downFor).CertainlyBefore(start)
		}) {
			return p
		}
	}
	return nil
}

// timing says what would tell when a life began and ended.
func timing(p *timeline.Process) string {
	for _, e := range p.Events {
		if e.Undated() {
			return "a stamp on the lines of " + e.Pos.Path
		}
	}
	return "a tie of the clock of " + cmp.Or(p.Host, "the host of "+p.Service) + " to the others (--anchor)"
}

// moments are those of a life, in the order in which they come.
func moments(p *timeline.Process) []timeline.Instant {
	return []timeline.Instant{p.Start, p.Ready, p.Stopping, p.End}
}

func lifeStart(p *timeline.Process) time.Time {
	for _, a := range moments(p) {
		if a.Known() {
			return a.Time
		}
	}
	return time.Time{}
}
