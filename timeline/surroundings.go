package timeline

import (
	"fmt"
	"slices"
	"time"
)

// Surroundings are the bounded facts around one request that rules may ask for.
type Surroundings struct {
	Processes []*Process // lives that touch the request's time, by host, service, start
	Book      *EndpointBook
	// SameStack counts, for each exception of the request by its type and frame, the other
	// requests in which it was logged; see Same.
	SameStack map[string]int
	// FailedBefore counts the failures that each service logged in the minute before the request.
	FailedBefore map[string]int
}

// Same says in how many other requests an exception of the same type and frame was logged.
func (s *Surroundings) Same(x *Exception) int {
	if s == nil || x == nil {
		return 0
	}
	return s.SameStack[x.stack()]
}

// stack names the place of an exception: type and frame.
func (x *Exception) stack() string {
	if x == nil {
		return ""
	}
	return fmt.Sprintf("%s %s %s:%d", x.Type, x.Function, x.File, x.Line)
}

// A failure is the little that is kept of every failed record for the surroundings.
type failure struct {
	service string
	at      Instant
	stack   string
	request string // what tells the request from others: an identity key, else the position
}

// inFlight tells every life that ended which failed requests it held then.
func inFlight(requests []*Request) {
	for _, r := range requests {
		for _, h := range r.Hops {
			p := h.Process
			if !r.Failed || p == nil || !p.End.Known() || h.Sent.Known() || h.Caller != nil && !reached(h.Caller) {
				continue
			}
			from, to := hopWindow(h)
			if !p.End.CertainlyBefore(from) && !to.Add(lateLine).CertainlyBefore(p.End) && !slices.Contains(p.InFlight, r.ID) {
				p.InFlight = append(p.InFlight, r.ID)
			}
		}
	}
	for _, r := range requests {
		for _, h := range r.Hops {
			if h.Process != nil {
				slices.Sort(h.Process.InFlight)
			}
		}
	}
}

// Surroundings gives what rules may know beside the request r: process lives within
// five minutes, failures of each service in the minute before it, the same stack seen
// elsewhere.
func (c *Collection) Surroundings(r *Request) *Surroundings {
	s := &Surroundings{Book: c.Book, FailedBefore: map[string]int{}, SameStack: map[string]int{}}
	from, to := r.Start, r.Start
	if root := r.Root(); root != nil && root.End.Known() {
		to = root.End
	}
	if from.Known() {
		s.Processes = nearLives(c.Processes, from.Earliest, to.Latest, 5*time.Minute)
	}
	stacks := map[string]map[string]bool{} // of the request -> the requests that logged it
	for i := range r.Events {
		if st := r.Events[i].Exception.stack(); st != "" {
			stacks[st] = map[string]bool{}
		}
	}
	for _, f := range c.failures {
		if f.at.Known() && from.Known() && f.at.Time.Before(from.Time) && from.Time.Sub(f.at.Time) <= time.Minute {
			s.FailedBefore[f.service]++
		}
		if seen := stacks[f.stack]; seen != nil {
			seen[f.request] = true
		}
	}
	for st, seen := range stacks {
		s.SameStack[st] = max(0, len(seen)-1) // this request is one of them
	}
	return s
}
