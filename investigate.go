package correlate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/correlatehq/correlate/rules"
	"github.com/correlatehq/correlate/timeline"
)

// Options say what to look at and by what to judge it.
type Options struct {
	From, To time.Time              // zero: no bound
	Status   []timeline.StatusRange // what counts as a failure; empty: 5xx and broken answers
	Route    string                 // only requests whose route or path is this; "" for all
	Limits   timeline.Limits        // zero fields take their defaults
	Rules    *rules.Set
	// Exact says that Batch reads all requests, so that those without failure are counted and not estimated. Memory then follows how many there are.
	Exact bool
	// Offsets are what the user says of clocks: host -> how far its stamps are ahead.
	Offsets map[string]time.Duration
	// Clocks are the hosts that share a clock: host -> its name.
	Clocks map[string]string
	// Anchors are records of one moment on two hosts.
	Anchors []timeline.Anchor
	// Roles are what the user says of services: service.name -> role.
	Roles map[string]timeline.Role
	// Stop ends the reading once it is closed, and what is known by then is judged: cases are
	// partial, and no verdict is more than possible. nil: nothing does.
	Stop  <-chan struct{}
	Watch *timeline.Watch // is told how far the reading is; may be nil
}

// A NotFoundError says that an ID is in none of the sources.
type NotFoundError struct {
	ID      string   // "" if no ID was given: no request failed in the sense asked for
	Begin   []string // IDs that begin with it, if there are several: it is none by itself
	Sources []SourceInfo
}

func (e *NotFoundError) Error() string {
	if e.ID == "" {
		return "no failing request was found"
	}
	return fmt.Sprintf("no record carries the ID %q", e.ID)
}

// Investigate finds everything about the request with this ID and judges it. Without
// an ID it takes the latest failing request that the options let through. The error
// is a *NotFoundError if there is none, and a *timeline.AnchorError if an anchor cannot be used.
//
// Where one ID covers several requests (a client's own retries), the first that
// failed is judged and the others are named in Case.Other.
func Investigate(ctx context.Context, srcs []timeline.Named, id string, o Options) (*Case, error) {
	want := timeline.Want{Failed: &timeline.Failed{Status: o.Status}}
	if id != "" {
		want = timeline.Want{Keys: []timeline.Key{
			{Name: timeline.KeyRequestID, Value: id},
			{Name: timeline.KeyTraceID, Value: id},
		}}
	}
	col, err := timeline.Collect(ctx, srcs, o.query(want))
	if err != nil {
		return nil, err
	}
	var found []*timeline.Request
	for _, r := range col.Requests {
		if id != "" || r.Failed && o.lets(r) {
			found = append(found, r)
		}
	}
	if len(found) == 0 || len(col.Beginning) > 0 {
		return nil, &NotFoundError{id, col.Beginning, sources(col)}
	}
	// A record may only mention the ID: a request that has it as a key comes first.
	slices.SortStableFunc(found, func(a, b *timeline.Request) int { return mentions(a, id) - mentions(b, id) })
	r := found[0]
	if id == "" {
		r = found[len(found)-1]
		found = []*timeline.Request{r}
	} else if i := slices.IndexFunc(found, func(x *timeline.Request) bool { return x.Failed && mentions(x, id) == mentions(r, id) }); i >= 0 {
		r = found[i]
	}
	c, err := judge(ctx, col, r, o)
	if err != nil {
		return nil, err
	}
	if id != "" {
		c.RequestID = id
	}
	for _, x := range found {
		if x != r {
			c.Other = append(c.Other, fmt.Sprintf("%s at %s", x.ID, x.Start.Time.UTC().Format(time.RFC3339Nano)))
		}
	}
	return c, nil
}

// mentions is 0 if r has the ID as one of its keys, 1 if its records only mention it.
func mentions(r *timeline.Request, id string) int {
	for _, name := range []string{timeline.KeyRequestID, timeline.KeyTraceID} {
		forms := timeline.Key{Name: name, Value: id}.Forms()
		for _, k := range r.Keys {
			if slices.Contains(forms, k.Form()) {
				return 0
			}
		}
	}
	return 1
}

// Batch finds all failing requests that the options let through and judges each of them.
func Batch(ctx context.Context, srcs []timeline.Named, o Options) (*Digest, error) {
	q := o.query(timeline.Want{Failed: &timeline.Failed{Status: o.Status}})
	q.Succeeded = true
	if o.Exact {
		q.Limits.SampledRequests = timeline.AllRequests
	}
	col, err := timeline.Collect(ctx, srcs, q)
	if err != nil {
		return nil, err
	}
	d := &Digest{Skipped: col.Skipped, Sources: sources(col), Told: col.Told, Partial: col.Truncated}
	for _, r := range col.Requests {
		if !r.Failed || !o.lets(r) {
			continue
		}
		c, err := judge(ctx, col, r, o)
		if err != nil {
			return nil, err
		}
		d.Cases = append(d.Cases, c)
	}
	d.Groups = group(d.Cases)
	return d, d.compare(ctx, col, o)
}

// compare finds what sets the failures apart from the requests that succeeded.
func (d *Digest) compare(ctx context.Context, col *timeline.Collection, o Options) error {
	p := &rules.Population{Told: col.Told, Processes: col.Processes}
	var all timeline.Tally
	for _, s := range col.Succeeded {
		if o.lets(s.Request) {
			p.Succeeded = append(p.Succeeded, s)
			all.Add(s.StandsFor)
		}
	}
	d.Sampled, d.Succeeded = len(p.Succeeded), all.Estimate()
	for _, g := range d.Groups {
		var failed []rules.Judged
		for _, c := range g.Cases {
			failed = append(failed, rules.Judged{Request: c.Request, Verdict: c.Verdict})
		}
		p.Groups = append(p.Groups, failed)
	}
	found, err := o.Rules.JudgeBatch(ctx, p)
	if err != nil {
		return fmt.Errorf("compare with what succeeded: %w", err)
	}
	d.Findings = found.Common
	for i, g := range d.Groups {
		g.Findings = found.Groups[i]
	}
	return nil
}

// A ClockReport is what can be told of the clocks of all hosts.
type ClockReport struct {
	Hosts   []timeline.HostClock // the reference first, then by name
	Trusted bool                 // the whole holds together: see [timeline.ClockModel.Trusted]
	Sources []SourceInfo
	Skipped []timeline.Skipped
}

// Clocks learns the clocks of all hosts from a sample of the requests.
func Clocks(ctx context.Context, srcs []timeline.Named, o Options) (*ClockReport, error) {
	col, err := timeline.Collect(ctx, srcs, o.query(timeline.Want{Failed: &timeline.Failed{}}))
	if err != nil {
		return nil, err
	}
	return &ClockReport{col.Clocks.Hosts(), col.Clocks.Trusted(), sources(col), col.Skipped}, nil
}

func (o *Options) query(want timeline.Want) timeline.Query {
	return timeline.Query{
		Filter:  timeline.Filter{From: o.From, To: o.To, Any: []timeline.Want{want}},
		Limits:  o.Limits,
		Offsets: o.Offsets,
		Clocks:  o.Clocks,
		Anchors: o.Anchors,
		Roles:   o.Roles,
		Stop:    o.Stop,
		Watch:   o.Watch,
	}
}

// lets says whether the request is on the wanted route.
func (o *Options) lets(r *timeline.Request) bool {
	return o.Route == "" || r.Route == o.Route || r.Path == o.Route
}

func judge(ctx context.Context, col *timeline.Collection, r *timeline.Request, o Options) (*Case, error) {
	near := col.Surroundings(r)
	v, err := o.Rules.Judge(ctx, r, near)
	if err != nil {
		return nil, fmt.Errorf("judge %s: %w", r.ID, err)
	}
	return &Case{
		RequestID:  r.ID,
		Request:    r,
		Near:       near,
		Verdict:    v,
		Clocks:     clocksOf(col.Clocks, r),
		ClocksWeak: !col.Clocks.Trusted(),
		Skipped:    col.Skipped,
		Sources:    sources(col),
		Partial:    col.Truncated || r.Truncated,
	}, nil
}

// clocksOf gives the clocks as they were at the time of r, those of its hosts first, then
// the others, each by the order of the model.
func clocksOf(m *timeline.ClockModel, r *timeline.Request) []timeline.HostClock {
	all := m.Hosts()
	if r.Start.Known() {
		all = m.HostsAt(r.Start.Time)
	}
	own := map[string]bool{}
	for _, h := range r.Hops {
		own[h.Host] = true
	}
	slices.SortStableFunc(all, func(a, b timeline.HostClock) int {
		switch {
		case own[a.Host] == own[b.Host]:
			return 0
		case own[a.Host]:
			return -1
		}
		return 1
	})
	return all
}

func sources(col *timeline.Collection) []SourceInfo {
	out := make([]SourceInfo, 0, len(col.Sources))
	for _, s := range col.Sources {
		info := SourceInfo{Name: s.Name, Info: s.Info}
		if s.Err != nil {
			info.Err = s.Err.Error()
		}
		out = append(out, info)
	}
	return out
}
