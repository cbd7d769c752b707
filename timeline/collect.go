package timeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
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
	Requests  []*Request // by start, then ID
	Sampled   int        // requests read whole for clocks and addresses that did not fail
	Clocks    *ClockModel
	Processes []*Process
	Book      *EndpointBook
	Sources   []SourceResult
	Skipped   []Skipped // by source and reason
	Truncated bool      // a limit was hit

	failures failures
	failedAt map[place][]occurrence
	workers  map[contextKey][]stay
	holds    map[place][]hold
	wentWell wentWell
}

// A SourceResult tells how reading one source went.
type SourceResult struct {
	Name string
	Info Info
	Err  error // nil if it was read whole
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
		callerOf: map[Pos]caller{}, extra: map[string][]Joined{}, absorbed: map[string]string{}, placed: map[Pos]bool{},
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
	c.failures()
	c.neighbourhoods()
	if err := c.readAnchors(); err != nil {
		return nil, err
	}
	c.learnIDPlaces()
	c.contexts()
	c.toldTwice()
	c.learn()
	c.kin()
	c.unnamed()
	c.neighbours()
	c.draft()
	c.windows()
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
	events    map[Pos]*Event  // with identity keys, of wanted and sampled requests
	orphans   []*Event        // failed records without identity key
	idsAt     idPlaces        // names under which services write IDs into texts
	life      []*Event        // lifecycle records
	failed    []*Event        // exchanges that failed and exceptions, for the surroundings
	wanted    map[string]bool // forms by which requests are wanted
	lone      []*Event        // wanted exchanges without identity key
	asked     map[string]bool // forms asked for
	pending   []Key           // to ask for in the next round
	services  map[string]bool
	software  map[string]software // of the services
	places    map[place]bool
	anchored  []anchored
	truncated bool

	book   *EndpointBook
	good   wentWell
	clocks *ClockModel
	lives  []*Process
	// openEnds are the lives that a record of an end without stamp may have ended, where there are several.
	openEnds map[Pos][]*Process
	sampled  int
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
	// twinZones tell by how much a host's stamps without zone are ahead of those with one, as two logs of the same exchanges show.
	twinZones map[string]time.Duration
	placed    map[Pos]bool // records without ID that are told by their connection or thread

	mu      sync.Mutex
	skipped map[[2]string]*Skipped
	errs    []error
	gave    []bool          // events, source by source
	left    []time.Duration // for which each source is still waited for
}

// scan asks all sources at once and hands every event to each, with the number of its
// source; each is called from one goroutine for every source, and the event is valid until it returns.
func (c *collector) scan(wants []Want, each func(source int, e *Event)) {
	c.scanWithin(c.widened(wants), each)
}

// scanWithin does the work of scan with a filter that has its bounds.
func (c *collector) scanWithin(f Filter, each func(source int, e *Event)) {
	if w := c.q.Watch; w != nil {
		w.round.Add(1)
	}
	if c.reading.Err() != nil {
		c.stop()
		return
	}
	var wg sync.WaitGroup
	for i, s := range c.srcs {
		if c.errs[i] != nil {
			continue
		}
		wg.Go(func() {
			wait(c.reading, s, f, &c.left[i], func(e *Event, err error) {
				var bad *RecordError
				switch {
				case errors.As(err, &bad):
					c.skip(s.Name, bad.What, bad.Pos.String())
				case err != nil && c.reading.Err() != nil:
					// It was stopped, which is told once.
				case err != nil:
					c.errs[i] = err
				default:
					e.Pos.Source = s.Name
					c.gave[i] = true
					each(i, e)
				}
			})
		})
	}
	wg.Wait()
	if c.reading.Err() != nil {
		c.stop()
	}
}

// stop notes that the reading was stopped.
func (c *collector) stop() {
	if !c.stopped && c.ctx.Err() == nil {
		c.stopped = true
		c.skip("", "left out: reading was stopped before its end", "")
	}
}

// read gives what keep lets through, cloned, by source in the order of its positions. At
// most max events of a source are kept.
func (c *collector) read(wants []Want, max int, keep func(*Event) bool) []*Event {
	return c.readWithin(c.widened(wants), max, keep)
}

// readWithin does the work of read with a filter that has its bounds.
func (c *collector) readWithin(f Filter, max int, keep func(*Event) bool) []*Event {
	parts := make([][]*Event, len(c.srcs))
	c.scanWithin(f, func(i int, e *Event) {
		switch {
		case !keep(e):
		case len(parts[i]) >= max:
			c.leftOut(e, max)
		default:
			parts[i] = append(parts[i], e.Clone())
		}
	})
	return slices.Concat(parts...)
}

func (c *collector) leftOut(e *Event, max int) {
	c.skip(e.Pos.Source, fmt.Sprintf("left out: more than %d events in one round", max), e.Pos.String())
}

// maxSkew is by how much a stamp may be off before the clocks are known: a zone that
// is not written, and a clock that is wrong by an hour or two.
const maxSkew = 26 * time.Hour

// widened is the filter by which sources are asked: the bounds in time are those of the
// true moments, and raw stamps may be off by maxSkew.
func (c *collector) widened(wants []Want) Filter {
	f := Filter{Any: wants, Slack: maxSkew}
	if !c.q.From.IsZero() {
		f.From = c.q.From.Add(-maxSkew)
	}
	if !c.q.To.IsZero() {
		f.To = c.q.To.Add(maxSkew)
	}
	return f
}

// inBounds says whether the request may have begun within the bounds asked for.
func (c *collector) inBounds(r *Request) bool {
	if !r.Start.Known() {
		return true
	}
	return (c.q.From.IsZero() || !r.Start.Latest.Before(c.q.From)) && (c.q.To.IsZero() || r.Start.Earliest.Before(c.q.To))
}

// skip counts a record that could not be read. Rounds read the same bytes again, so
// that a reason and its first position stand for the round that found most; sources
// that can tell what they skipped are asked instead (see sourceResults).
func (c *collector) skip(source, what, first string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if strings.HasPrefix(what, "left out") {
		c.truncated = true
	}
	k := [2]string{source, what}
	if s := c.skipped[k]; s != nil {
		s.Count++
		return
	}
	c.skipped[k] = &Skipped{Source: source, What: what, Count: 1, First: first}
}

func hasIdentity(e *Event) bool { return len(identities(e)) > 0 }

// carries says whether e has one of the forms, as a key or in its text.
func carries(e *Event, forms map[string]bool) bool {
	for _, k := range e.Keys {
		if k.Strength == Context {
			continue
		}
		for _, f := range k.Forms() {
			if forms[f] {
				return true
			}
		}
	}
	return false
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
	if c.byID() {
		// What the sample names is found together with what is wanted.
		sampled /= sampleOf
		c.chooseSample(c.read([]Want{c.sample(sampled)}, c.lim.WindowEvents, hasIdentity), sampled)
		var keys []Key
		if keys, near = c.asks(); len(keys) > 0 {
			wants = append(wants, Want{Keys: keys})
		}
	} else {
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

// ask puts a key on the list of the next round, unless it was asked for before.
func (c *collector) ask(k Key) {
	f := k.Form()
	if c.asked[f] || c.graph.banned[f] {
		return
	}
	c.asked[f] = true
	c.pending = append(c.pending, k)
}

// addEvent keeps an event with identity keys and asks for those that are new.
func (c *collector) addEvent(e *Event) {
	if _, ok := c.events[e.Pos]; ok {
		return
	}
	c.events[e.Pos] = e
	c.sorted, c.inOrder = nil, nil
	c.logs(e)
	for _, k := range identities(e) {
		c.ask(k)
	}
}

// byKeys reads whole requests by key, in rounds, until no new key appears.
func (c *collector) byKeys() { c.byKeysWithin(nil) }

// byKeysWithin does the work of byKeys within windows by clock.
func (c *collector) byKeysWithin(within map[string][]Window) {
	for round := 0; len(c.pending) > 0; round++ {
		if round == c.lim.Rounds {
			c.truncated = true
			c.skip("", fmt.Sprintf("left out: keys found after %d rounds", round), c.pending[0].String())
			break
		}
		keys, forms := c.asks()
		f := c.widened([]Want{{Keys: keys}})
		f.Within = within
		c.addFound(c.readWithin(f, c.lim.WindowEvents, func(e *Event) bool { return bears(e, forms) }))
	}
	c.dropRepeated()
	// A record of which the key is known by its text alone was taken for one without when it was read as a failure.
	c.orphans = slices.DeleteFunc(c.orphans, func(e *Event) bool { return c.events[e.Pos] != nil })
}

// asks gives the keys that are to be asked for, in order, and all their forms.
func (c *collector) asks() ([]Key, map[string]bool) {
	keys := c.pending
	c.pending = nil
	forms := map[string]bool{}
	addForms(forms, keys)
	slices.SortFunc(keys, func(a, b Key) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Value, b.Value))
	})
	return keys, forms
}

func addForms(to map[string]bool, keys []Key) {
	for _, k := range keys {
		for _, f := range k.Forms() {
			to[f] = true
		}
	}
}

// bears says whether e has one of the forms as an identity key.
func bears(e *Event, forms map[string]bool) bool {
	return slices.ContainsFunc(identities(e), func(k Key) bool {
		return slices.ContainsFunc(k.Forms(), func(f string) bool { return forms[f] })
	})
}

// addFound keeps the events that were asked for by key, but for those whose keys are none.
func (c *collector) addFound(found []*Event) {
	c.ban(found)
	for _, e := range found {
		if len(c.graph.identityForms(e)) > 0 {
			c.addEvent(e)
		}
	}
}

// sortedEvents gives the events with identity keys by position; the slice is not to be changed.
func (c *collector) sortedEvents() []*Event {
	if c.inOrder != nil {
		return c.inOrder
	}
	out := make([]*Event, 0, len(c.events))
	for _, e := range c.events {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *Event) int { return a.Pos.Compare(b.Pos) })
	c.inOrder = out
	return out
}

// sets gives the events of every alias set, by position.
func (c *collector) sets() map[string][]*Event {
	if c.sorted != nil {
		return c.sorted
	}
	events := c.sortedEvents()
	for _, e := range events {
		c.graph.addEvent(e)
	}
	out := map[string][]*Event{}
	for _, e := range events {
		if forms := c.graph.identityForms(e); len(forms) > 0 {
			s := c.graph.find(forms[0])
			if len(out[s]) >= c.lim.EventsPerRequest {
				c.cut[s] = true
				c.skip(e.Pos.Source, fmt.Sprintf("left out: a request with more than %d events", c.lim.EventsPerRequest), e.Pos.String())
				continue
			}
			out[s] = append(out[s], e)
		}
	}
	for _, e := range c.lone {
		out[loneSet(e)] = []*Event{e}
	}
	maps.DeleteFunc(out, func(s string, _ []*Event) bool { return c.absorbed[s] != "" })
	c.sorted = out
	return out
}

func loneSet(e *Event) string { return "\x00" + e.Pos.Source + "\x00" + e.Pos.String() }

// isWanted says whether the set is one of those asked for.
func (c *collector) isWanted(set string, events []*Event) bool {
	if strings.HasPrefix(set, "\x00") {
		return true
	}
	for _, e := range events {
		for _, f := range c.graph.identityForms(e) {
			if c.wanted[f] {
				return true
			}
		}
	}
	return false
}

func (c *collector) builder() *builder {
	return &builder{book: c.book, clocks: c.clocks, roles: c.q.Roles, services: c.services, software: c.software, places: c.places, banned: c.graph.banned}
}

// joined gives the events of an alias set as they are joined to their request.
func (c *collector) joined(set string, events []*Event) []Joined {
	out := make([]Joined, 0, len(events))
	for _, e := range events {
		j := Joined{Event: e, Candidates: 1, Join: ByAlias}
		if carries(e, c.wanted) {
			j.Join = ByKey
		}
		out = append(out, j)
	}
	out = append(out, c.extra[set]...)
	for i := range out {
		if up, ok := c.callerOf[out[i].Pos]; ok {
			out[i].caller, out[i].skipped = &up.pos, up.skipped
		}
	}
	return out
}

// learn makes the endpoint book and the clock model from all requests read: the
// addresses first, from durations alone; then, with callers and callees known, the clocks.
func (c *collector) learn() {
	c.sampled = 0
	sets := c.sets()
	chained := map[string]bool{}
	for _, ch := range c.chains {
		maps.Copy(chained, ch.sets)
	}
	names := make([]string, 0, len(sets))
	for s := range sets {
		if !chained[s] {
			names = append(names, s)
		}
	}
	slices.Sort(names)
	all := make([][]Joined, 0, len(names)+len(c.chains))
	for _, s := range names {
		all = append(all, c.joined(s, sets[s]))
	}
	for _, ch := range c.chains {
		all = append(all, ch.events)
	}

	// Twice, so that what most requests show settles those that could be read otherwise.
	listening := listenersOf(c.life)
	var votes *bookDraft
	for range 2 {
		votes = newBookDraft(c.places, listening)
		for _, joined := range all {
			d := &draft{builder: &builder{roles: c.q.Roles, services: c.services}}
			for _, j := range joined {
				d.events = append(d.events, &j)
			}
			slices.SortFunc(d.events, func(x, y *Joined) int { return x.Pos.Compare(y.Pos) })
			d.makeHops()
			d.makeCalls()
			votes.vote(d.hops, d.calls, c.book)
		}
		c.book = votes.book()
	}

	c.good = wentWell{}
	fit := newClockFit()
	for h, off := range c.q.Offsets {
		fit.fixed[h] = off
	}
	fit.shared, fit.twins, fit.software = c.q.Clocks, c.twinZones, c.software
	for _, x := range c.anchored {
		fit.see(x.a)
		fit.see(x.b)
		fit.anchor(x.a, x.b)
	}
	fit.anchored = c.anchored
	built := make([][]*Request, len(all))
	each(len(all), func(i int) {
		b := c.builder()
		b.rough = true // stamps are learnt from as they are
		built[i] = b.build(all[i])
		for _, r := range built[i] {
			Resolve(r)
		}
	})
	for i, joined := range all {
		for _, r := range built[i] {
			if len(joined) > 1 || hasIdentity(joined[0].Event) {
				votes.count(r) // a record that nothing ties to others does not tell who is outermost
			}
			c.good.count(r)
			fit.learn(r)
			fit.neighbours(r)
			for i := range r.Events {
				fit.tellZone(r.Events[i].Event)
			}
			if !hopFailed(r.Root()) && (i >= len(names) || !c.isWanted(names[i], sets[names[i]])) {
				c.sampled++
			}
		}
	}
	for _, e := range slices.Concat(c.orphans, c.life, c.failed) {
		fit.see(e)
	}
	fit.quoted(c.orphans, built)
	c.book = votes.book()
	c.book.lone = c.book.lonePeers(slices.Concat(c.orphans, c.failed))
	fit.machines(c.book)
	c.clocks = fit.fit()
	c.book.tellGuests(slices.Concat(built...), c.clocks)
}

// draft builds the wanted requests and their neighbours, with the lives of the processes
// that handled them.
func (c *collector) draft() {
	var unplaced []*Event
	stamped := slices.Concat(c.sortedEvents(), c.orphans, c.life)
	c.lives, unplaced = processes(c.life, homesOf(c.life, slices.Concat(c.sortedEvents(), c.orphans, c.failed)), stamped, c.clocks)
	lastSeen(c.lives, slices.Concat(c.sortedEvents(), c.orphans), c.clocks)
	c.drafts = map[string][]*Request{}
	var names []string
	var all [][]Joined
	for s, events := range c.sets() {
		if !c.isWanted(s, events) && !slices.ContainsFunc(events, func(e *Event) bool { return carries(e, c.near) }) {
			continue
		}
		names, all = append(names, s), append(all, c.joined(s, events))
	}
	built := make([][]*Request, len(all))
	each(len(all), func(i int) { built[i] = c.builder().build(all[i]) })
	for i, s := range names {
		c.drafts[s] = built[i]
	}
	lastBroken(c.lives, c.drafts)
	c.lives, c.openEnds = explain(c.lives, unplaced, stamped, c.clocks)
	lastBroken(c.lives, c.drafts)
	for _, rs := range c.drafts {
		for _, r := range rs {
			c.settle(r)
		}
	}
}

// settle gives the hops of r their process lives, resolves the lineage, and says whether r failed.
func (c *collector) settle(r *Request) {
	for _, h := range r.Hops {
		at := h.Start
		if h.Caller != nil && !at.Known() {
			at = h.Caller.Start
		}
		if at.Known() {
			h.Process = lifeOf(c.lives, h.Service, h.Host, h.pid(), at)
		}
	}
	for _, call := range r.Calls {
		diedMeanwhile(c.lives, call)
	}
	Resolve(r)
	r.Failed = c.requestFailed(r)
}

// finish puts the collection together.
func (c *collector) finish() *Collection {
	out := &Collection{Sampled: c.sampled, Clocks: c.clocks, Processes: c.lives, Book: c.book, Truncated: c.truncated}
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
	slices.SortFunc(out.Requests, func(a, b *Request) int {
		return cmp.Or(a.Start.Time.Compare(b.Start.Time), strings.Compare(a.ID, b.ID), a.Events[0].Pos.Compare(b.Events[0].Pos))
	})
	if len(out.Requests) > c.lim.Requests {
		c.skip("", fmt.Sprintf("left out: more than %d requests", c.lim.Requests), out.Requests[c.lim.Requests].ID)
		out.Requests, out.Truncated = out.Requests[:c.lim.Requests], true
	}
	out.failures = c.failuresSeen()
	out.failedAt, out.workers = c.occurrences(), stays(c.drafts)
	out.holds = holds(out.Requests)
	out.wentWell = c.good
	inFlight(out.Requests)
	killers(c.drafts)
	c.sourceResults(out)
	return out
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

// torn says whether any request may lack some of its records: a source broke off after it gave others, or
// says that it gave only part. One that gave nothing is as one that was not named: its hops have no log.
func (c *collector) torn() bool {
	for i, s := range c.srcs {
		if c.errs[i] != nil && c.gave[i] {
			return true
		}
		if d, ok := s.Source.(Describer); ok && slices.ContainsFunc(d.Info().Skipped, func(k Skipped) bool { return k.Torn }) {
			return true
		}
	}
	return false
}

func (c *collector) sourceResults(out *Collection) {
	for i, s := range c.srcs {
		res := SourceResult{Name: s.Name, Err: c.errs[i]}
		if d, ok := s.Source.(Describer); ok {
			res.Info = d.Info()
			// What the source itself counted replaces what the rounds saw, each anew.
			for k := range c.skipped {
				if k[0] == s.Name && !strings.HasPrefix(k[1], "left out") && !strings.HasPrefix(k[1], "not a key") && k[1] != "the same record once more" {
					delete(c.skipped, k)
				}
			}
			for _, sk := range res.Info.Skipped {
				sk.Source = s.Name
				out.Truncated = out.Truncated || sk.Lost
				c.skipped[[2]string{s.Name, sk.What}] = &sk
			}
		}
		if res.Err != nil {
			out.Truncated = true
		}
		out.Sources = append(out.Sources, res)
	}
	for _, s := range c.skipped {
		out.Skipped = append(out.Skipped, *s)
	}
	slices.SortFunc(out.Skipped, func(a, b Skipped) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.What, b.What))
	})
}
