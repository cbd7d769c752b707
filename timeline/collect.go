package timeline

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Query says what to collect and within which bounds.
type Query struct {
	Filter
	Limits  Limits
	Offsets map[string]time.Duration // host -> how far its stamps are ahead, if the user says so
	Roles   map[string]Role          // service -> role, if the user says so
	Clocks  map[string]string        // host -> the name of the clock that it shares with all hosts of that name, if the user says so
	Anchors []Anchor                 // records of which the user says that they are of one moment
	// Succeeded says that the requests without failure are wanted too, as far as they are read.
	Succeeded bool
	// Stop ends the reading once it is closed: what was read until then is all that there is,
	// and the collection is truncated. nil: nothing does.
	Stop  <-chan struct{}
	Watch *Watch // is told how far it is; nil: nobody asks
}

// A Watch tells how far a collection is, while others collect. Its zero value is ready.
type Watch struct{ round, failures atomic.Int64 }

// Round gives the number of the pass over the sources, from 1 on; 0 before the first.
func (w *Watch) Round() int { return int(w.round.Load()) }

// Failures gives how many records of failures were found so far.
func (w *Watch) Failures() int { return int(w.failures.Load()) }

// A Collection is the requests that a query wants, with what is known around them.
type Collection struct {
	Requests []*Request // by start, then ID
	// Succeeded are requests without failure, if the query asks for them: what is known, and the sampled ones. Told says that it is known for how
	// many each one stands; if not, each stands for itself, and how many there are is not known. Requests without identity keys are not among
	// them.
	Succeeded []Sampled // by start, then ID
	Told      bool
	Clocks    *ClockModel
	Processes []*Process
	Book      *EndpointBook
	Sources   []SourceResult
	Skipped   []Skipped // by source and reason
	Truncated bool      // a limit was hit
	// Beginning are the IDs that begin with the one asked for, where there are several: none of them was taken for it.
	Beginning []string

	failures failures
	failedAt map[place][]occurrence
	byCode   map[codePlace][]occurrence // of these
	workers  map[contextKey][]stay
	holds    map[place][]hold
	wentWell wentWell
}

// Collect finds the requests that q wants and gathers all their events, in rounds: (1)
// what is wanted, all other candidates of failure, and a sample, which for a request asked for by ID comes
// before all else; (2) the whole requests of these by key, until no new alias appears; around a request asked for by ID also those nearest
// to it, and what failed; (3) clocks and addresses from them; (4) the windows of the wanted requests, for
// records without ID.
//
// A source that fails ends for itself: it is told in Sources. The error is that of
// the context, or an *AnchorError.
func Collect(ctx context.Context, srcs []Named, q Query) (*Collection, error) {
	c := &collector{
		ctx: ctx, srcs: srcs, q: q, lim: q.Limits.WithDefaults(),
		graph: newAliasGraph(), events: map[Pos]*Event{}, asked: map[string]bool{},
		skipped: map[[2]string]*Skipped{}, cut: map[string]bool{}, errs: make([]error, len(srcs)), gave: make([]bool, len(srcs)), services: map[string]bool{}, software: map[string]software{}, places: map[place]bool{},
		drawn: newDraws(), callerOf: map[Pos]caller{}, extra: map[string][]Joined{}, absorbed: map[string]string{}, placed: map[Pos]bool{}, twinZones: map[string]time.Duration{},
		left: make([]time.Duration, len(srcs)),
	}
	for i, s := range srcs {
		c.left[i] = s.Timeout
	}
	var cancel context.CancelFunc
	c.reading, cancel = context.WithCancel(ctx)
	defer cancel()
	if q.Stop != nil {
		go func() {
			select {
			case <-q.Stop:
				cancel()
			case <-c.reading.Done():
			}
		}()
	}
	c.first()
	c.cutOff()
	c.byKeys()
	c.beginning()
	c.sampleAround()
	c.failures()
	c.neighbourhoods()
	c.ofPrograms()
	if err := c.readAnchors(); err != nil {
		return nil, err
	}
	c.learnMeanings()
	c.learnIDPlaces()
	c.shortened()
	c.contexts()
	c.toldTwice()
	c.learn()
	if c.zonesOfFailures() {
		c.learn()
	}
	c.kin()
	c.unnamed()
	if c.behindProxies() {
		c.learn()
	}
	c.neighbours()
	c.draft()
	c.windows()
	if c.unnamedLate() {
		c.draft()
		c.windows()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return c.finish(), nil
}

type collector struct {
	ctx context.Context
	// reading is ctx until somebody stops it.
	reading context.Context
	stopped bool
	srcs    []Named
	q       Query
	lim     Limits

	graph     *aliasGraph
	events    map[Pos]*Event     // with identity keys, of wanted and sampled requests
	orphans   []*Event           // failed records without identity key
	idsAt     idPlaces           // names under which services write IDs into texts
	shortAt   shortPlaces        // where services write parts of IDs
	beginIDs  []string           // see Collection.Beginning
	typed     string             // the part of an ID that was asked for; "" if a whole one was
	meanings  map[stream]Meaning // of the stamps of streams whose format leaves it open
	life      []*Event           // lifecycle records
	failed    []*Event           // exchanges that failed and exceptions, for the surroundings
	wanted    map[string]bool    // forms by which requests are wanted
	lone      []*Event           // wanted exchanges without identity key
	asked     map[string]bool    // forms asked for
	pending   []Key              // to ask for in the next round
	services  map[string]bool
	software  map[string]software // of the services
	places    map[place]bool
	anchored  []anchored
	truncated bool

	drawn  draws
	book   *EndpointBook
	good   wentWell
	clocks *ClockModel
	lives  []*Process
	// openEnds are the lives that a record of an end without stamp may have ended, where there are several.
	openEnds map[Pos][]*Process
	drafts   map[string][]*Request // alias set -> wanted requests and their neighbours
	near     map[string]bool       // forms by which neighbours are known
	sorted   map[string][]*Event   // what sets gave, until an event comes or goes
	inOrder  []*Event              // what sortedEvents gave, until then
	cut      map[string]bool       // alias sets of which events were left out

	// What was found of exchanges that share no ID: the caller's record of an exchange by the callee's, what is joined
	// to an alias set, and the sets that are part of another one by it, with that one.
	callerOf map[Pos]caller
	extra    map[string][]Joined
	absorbed map[string]string
	chains   []chained     // requests tied so that are learnt from
	byIDs    *EndpointBook // what IDs alone told of who calls whom, before there were chains
	// twinZones tell by how much a host's stamps without zone are ahead of those with one, as two logs of the same exchanges show, or the errors of those that failed.
	twinZones map[string]time.Duration
	// shifts tie clocks by the exchanges that both ends logged alike, where no record tells more.
	shifts []shifted
	// answering are the addresses of which errors alone tell who answers there.
	answering []Endpoint
	placed    map[Pos]bool // records without ID that are told by their connection or thread

	mu      sync.Mutex
	skipped map[[2]string]*Skipped
	errs    []error
	gave    []bool          // events, source by source
	left    []time.Duration // for which each source is still waited for
}

// inBounds says whether the request may have begun within the bounds asked for.
func (c *collector) inBounds(r *Request) bool {
	if !r.Start.Known() {
		return true
	}
	return (c.q.From.IsZero() || !r.Start.Latest.Before(c.q.From)) && (c.q.To.IsZero() || r.Start.Earliest.Before(c.q.To))
}

// byID says whether requests are asked for by ID alone.
func (c *collector) byID() bool {
	return !slices.ContainsFunc(c.q.Any, func(w Want) bool { return len(w.Keys) == 0 })
}

// first reads what is wanted, a sample, and all candidates of failure but where requests
// are asked for by ID.
func (c *collector) first() {
	c.wanted = map[string]bool{}
	var failed []*Failed
	for _, w := range c.q.Any {
		addForms(c.wanted, w.Keys)
		if w.Failed != nil {
			failed = append(failed, w.Failed)
		}
	}
	wants, sampled := slices.Clone(c.q.Any), c.lim.SampledRequests
	var near map[string]bool // forms of the keys of the sample
	switch {
	case c.byID() && c.large():
		// The sample is drawn once it is known when the request was there.
	case c.byID():
		// What the sample names is found together with what is wanted.
		sampled /= sampleOf
		c.chooseSample(c.read([]Want{c.sample(sampled)}, c.lim.WindowEvents, hasIdentity), sampled)
		var keys []Key
		if keys, near = c.asks(); len(keys) > 0 {
			wants = append(wants, Want{Keys: keys})
		}
	default:
		wants = append(wants, Want{Failed: &anyFailed}, Want{Lifecycle: true}, c.sample(sampled))
	}
	isWanted := func(e *Event) bool {
		for _, f := range failed {
			if f.Match(e) {
				return true
			}
		}
		return carries(e, c.wanted)
	}
	keep := func(e *Event) bool {
		if c.byID() {
			return isWanted(e) || bears(e, near)
		}
		return c.tells(e) || isWanted(e) || hasIdentity(e)
	}
	forms := map[string]bool{}
	var found, sample []*Event
	for _, e := range c.read(wants, c.lim.WindowEvents, keep) {
		if c.logs(e); !c.byID() {
			c.note(e)
		}
		switch {
		case !hasIdentity(e):
			if e.Kind == ServerSpan && isWanted(e) {
				c.lone = append(c.lone, e)
			}
		case isWanted(e):
			c.drawn.add(e)
			c.addEvent(e)
			addForms(forms, identities(e))
		case c.byID():
			found = append(found, e)
		default:
			sample = append(sample, e)
		}
	}
	for f := range forms {
		c.wanted[f] = true
	}
	c.addFound(found)
	c.chooseSample(sample, sampled)
}

// anyFailed is all candidates of failure.
var anyFailed Failed

// tells says whether e tells of a failure, which is counted, or of the life of a process.
func (c *collector) tells(e *Event) bool {
	failed := anyFailed.Match(e)
	if w := c.q.Watch; w != nil && failed {
		w.failures.Add(1)
	}
	return failed || e.Lifecycle != NoLifecycle
}

// note keeps what e tells of failures and of the lives of processes.
func (c *collector) note(e *Event) {
	if e.Lifecycle != NoLifecycle {
		c.life = append(c.life, e)
	}
	if !anyFailed.Match(e) {
		return
	}
	c.failed = append(c.failed, e)
	if !hasIdentity(e) && (e.Lifecycle == NoLifecycle || e.Lifecycle.OfItsWork()) {
		c.orphans = append(c.orphans, e)
	}
}

// logs notes that the service of e logs, and on which host.
func (c *collector) logs(e *Event) {
	c.services[e.Service], c.places[place{e.Service, e.Host}] = true, true
	if known := c.software[e.Service]; e.System != "" && (known.system == "" || e.System < known.system) {
		c.software[e.Service] = software{e.System, e.Role}
	}
}

// A software is what a service runs, and the role that its logs give it; of several the first by name.
type software struct {
	system string
	role   Role
}

// finish puts the collection together.
func (c *collector) finish() *Collection {
	out := &Collection{Clocks: c.clocks, Processes: c.lives, Book: c.book, Truncated: c.truncated, Beginning: c.beginIDs}
	sets := c.sets()
	torn := c.torn()
	for set, rs := range c.drafts {
		if !c.isWanted(set, sets[set]) {
			continue
		}
		for _, r := range rs {
			r.Truncated = c.cut[set] || c.stopped || torn
			if c.inBounds(r) {
				out.Requests = append(out.Requests, r)
			}
		}
	}
	slices.SortFunc(out.Requests, compareRequests)
	if len(out.Requests) > c.lim.Requests {
		c.skip("", fmt.Sprintf("left out: more than %d requests", c.lim.Requests), out.Requests[c.lim.Requests].ID)
		out.Requests, out.Truncated = out.Requests[:c.lim.Requests], true
	}
	if c.q.Succeeded {
		out.Succeeded, out.Told = c.succeeded(out.Requests)
	}
	out.failures = c.failuresSeen()
	out.failedAt, out.workers = c.occurrences(), stays(c.drafts)
	out.byCode = byCode(out.failedAt)
	out.holds = holds(out.Requests)
	out.wentWell = c.good
	inFlight(out.Requests)
	killers(c.drafts)
	c.sourceResults(out)
	return out
}

// compareRequests orders requests by start, then ID.
func compareRequests(a, b *Request) int {
	return cmp.Or(a.Start.Time.Compare(b.Start.Time), strings.Compare(a.ID, b.ID), a.Events[0].Pos.Compare(b.Events[0].Pos))
}

// requestFailed says whether the outermost hop failed the request in the sense asked
// for: with one of the wanted statuses, else with a failure, a broken answer or an uncaught exception.
func (c *collector) requestFailed(r *Request) bool {
	root := r.Root()
	for _, w := range c.q.Any {
		if w.Failed == nil || len(w.Failed.Status) == 0 {
			continue
		}
		for _, s := range w.Failed.Status {
			if root.Sent.Code >= s.Lo && root.Sent.Code <= s.Hi {
				return true
			}
		}
		return false
	}
	return hopFailed(root) && !probe(r)
}
