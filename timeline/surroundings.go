package timeline

import (
	"fmt"
	"slices"
	"strings"
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
	Behind       []Behind // earlier events that explain the failure
	Holders      []Holder // failed requests at which the origin's service was at work when it failed, the longest first
	// WentWell tells, of failing calls of the request, when a call from the same host to the
	// same service last went well, as far as the sampled requests show it.
	WentWell map[*Call]Instant

	byCode  map[codePlace][]occurrence // see Elsewhere
	of      *Collection                // see Opened
	request *Request
}

// Same says in how many other requests an exception of the same type, frame and usual words was logged.
func (s *Surroundings) Same(x *Exception) int {
	if s == nil || x == nil || len(s.SameStack) == 0 {
		return 0
	}
	return s.SameStack[x.stack()]
}

// stack names what an exception is: its type, its frame and the usual words of its message. Code that passes on what others
// answered fails in one place for many reasons.
func (x *Exception) stack() string {
	if x == nil {
		return ""
	}
	return fmt.Sprintf("%s %s %s:%d %s", x.Type, x.Function, x.File, x.Line, UsualWords(x.Message))
}

// A codePlace is where in its code a service reported an error: the function that failed, else the call that logged it and the words that it put
// before what went wrong, as code does that wraps the errors of a call.
type codePlace struct{ service, file, function, words string }

// codePlaceOf tells where the error of e was reported; ok is false if neither a function nor words tell.
func codePlaceOf(e *Event) (p codePlace, ok bool) {
	x := e.Exception
	if x == nil {
		return p, false
	}
	p = codePlace{service: e.Service, file: x.File, function: x.Function}
	if x.File != "" && x.Function != "" && !x.Logged {
		return p, true
	}
	p.words, _, ok = strings.Cut(x.Message, ": ")
	return p, ok && len(p.words) > 2 && len(p.words) < likeMost && !strings.ContainsAny(p.words, "0123456789")
}

// elsewhereMost bounds how many records Elsewhere gives.
const elsewhereMost = 50

// Elsewhere gives the records by which the code that reported the error of e reported errors before and after, the nearest in time, by
// time; of which requests they are does not matter.
func (s *Surroundings) Elsewhere(e *Event, at Instant) []*Event {
	p, ok := codePlaceOf(e)
	if s == nil || !ok {
		return nil
	}
	list := s.byCode[p]
	i, _ := slices.BinarySearchFunc(list, at.Time, func(o occurrence, t time.Time) int { return o.at.Time.Compare(t) })
	lo := max(0, min(i-elsewhereMost/2, len(list)-elsewhereMost))
	var out []*Event
	for _, o := range list[lo:min(len(list), lo+elsewhereMost)] {
		out = append(out, o.e)
	}
	return out
}

// byCode sorts the failed records by where in the code of their services they were reported, each list by time.
func byCode(at map[place][]occurrence) map[codePlace][]occurrence {
	out := map[codePlace][]occurrence{}
	for _, list := range at {
		for _, o := range list {
			if p, ok := codePlaceOf(o.e); ok {
				out[p] = append(out[p], o)
			}
		}
	}
	for _, list := range out {
		slices.SortFunc(list, compareOccurrences)
	}
	return out
}

// likeMost bounds how much of a message is compared.
const likeMost = 200

// UsualWords gives the beginning of a message without what differs from one time to the next: words with digits, but for a status, and
// those in quotes.
func UsualWords(s string) string {
	words := strings.Fields(s[:min(len(s), likeMost)])
	return strings.Join(slices.DeleteFunc(words, func(w string) bool {
		return strings.ContainsAny(w[:1], "'\"`") || strings.ContainsAny(w, "0123456789") && !answerStatus.MatchString(w)
	}), " ")
}

// failures are the little that is kept of all failed records for the surroundings.
type failures struct {
	times  map[string][]time.Time // by service, in order
	stacks map[string]int         // exception -> requests that logged it
}

// failuresSeen gathers the failed exchanges and the exceptions of the first round.
func (c *collector) failuresSeen() failures {
	f := failures{map[string][]time.Time{}, map[string]int{}}
	seen := map[[2]string]bool{}
	for _, e := range c.failed {
		stack := e.Exception.stack()
		if e.Kind != ServerSpan && stack == "" {
			continue
		}
		start, end := c.clocks.Align(e)
		if at := firstKnown(start, end); at.Known() {
			f.times[e.Service] = append(f.times[e.Service], at.Time)
		}
		request := e.Pos.String()
		if forms := c.graph.identityForms(e); len(forms) > 0 {
			request = c.graph.find(forms[0])
		}
		if k := [2]string{stack, request}; stack != "" && !seen[k] {
			seen[k] = true
			f.stacks[stack]++
		}
	}
	for _, times := range f.times {
		slices.SortFunc(times, time.Time.Compare)
	}
	return f
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
	s := &Surroundings{Book: c.Book, FailedBefore: map[string]int{}, SameStack: map[string]int{}, of: c, request: r}
	s.WentWell, s.byCode = c.wentWell.near(r, c.Clocks), c.byCode
	from, to := r.Start, r.Start
	if root := r.Root(); root != nil && root.End.Known() {
		to = root.End
	}
	if from.Known() {
		s.Processes = nearLives(c.Processes, from.Earliest, to.Latest, 5*time.Minute)
	}
	for i := range r.Events {
		if st := r.Events[i].Exception.stack(); st != "" {
			s.SameStack[st] = max(0, c.failures.stacks[st]-1) // this request is one of them
		}
	}
	if from.Known() {
		for service, times := range c.failures.times {
			lo, _ := slices.BinarySearchFunc(times, from.Time.Add(-time.Minute), time.Time.Compare)
			hi, _ := slices.BinarySearchFunc(times, from.Time, time.Time.Compare)
			if hi > lo {
				s.FailedBefore[service] = hi - lo
			}
		}
	}
	s.Behind = c.Behind(r)
	if origin := TraceOrigin(r).Origin; origin != nil {
		s.Holders = c.heldAgainst(r, origin)
	}
	return s
}
