package trace

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/correlatehq/correlate/timeline"
)

const (
	// idsAtOnce is how many traces are asked for in one query by their IDs.
	idsAtOnce = 40
	// lookTraces is how many traces of a service are looked at to learn what it calls IDs.
	lookTraces = 30
	// mostSearches bounds the searches for IDs of requests; above it all traces are read instead.
	mostSearches = 300
)

// byKeys gives what is wanted by keys: whole traces by their IDs, and spans that have the ID of a request as an
// attribute that holds such IDs.
func (p *pass) byKeys(ctx context.Context) error {
	if len(p.sel.Keys) == 0 {
		return nil
	}
	ids := map[string]bool{}
	var requests, short []timeline.Key
	for _, k := range p.sel.Keys {
		whole := traceIDs(k)
		for _, id := range whole {
			ids[id] = true
		}
		if k.Name != timeline.KeyTraceID {
			requests = append(requests, k)
		} else if !slices.ContainsFunc(whole, func(id string) bool { return len(id) == 32 }) {
			short = append(short, k)
		}
	}
	more, err := p.whole(ctx, short)
	if err != nil {
		return err
	}
	for _, id := range more {
		ids[id] = true
	}
	list := slices.Sorted(maps.Keys(ids))
	for part := range slices.Chunk(list, idsAtOnce) {
		answers, err := p.s.backend.byID(ctx, part)
		if err != nil {
			return err
		}
		if err := p.give(ctx, answers, nil); err != nil {
			return err
		}
	}
	if len(requests) == 0 {
		return nil
	}
	return p.byRequestIDs(ctx, requests)
}

// traceIDs gives the trace IDs, in lower case, by which a server may know the key: the whole one, and its low half,
// which is all that some services keep. Any ID of 128 bits may be a trace's.
func traceIDs(k timeline.Key) []string {
	var out []string
	v := strings.ToLower(k.Value)
	if len(v) == 36 {
		v = strings.ReplaceAll(v, "-", "")
	}
	if len(v) == 32 && isHex(v) {
		out = append(out, v)
	}
	if k.Name == timeline.KeyTraceID {
		for _, f := range k.Forms() {
			if len(f) == 32 && isHex(f) && !slices.Contains(out, f) && len(k.Value) != 36 {
				out = append(out, f)
			}
			if low, ok := strings.CutPrefix(f, "t:"); ok {
				out = append(out, low)
			}
		}
	}
	return out
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// whole gives the trace IDs of 128 bits that end in the short ones. No server searches for that, so all IDs of the
// time range are read once.
func (p *pass) whole(ctx context.Context, short []timeline.Key) ([]string, error) {
	if len(short) == 0 {
		return nil, nil
	}
	s := p.s
	s.look.Lock()
	defer s.look.Unlock()
	if r := (search{from: p.from, to: p.to}); s.short == nil || s.shortOf.from != r.from || s.shortOf.to != r.to {
		index := map[string][]string{}
		services, err := s.backend.services(ctx)
		if err != nil {
			return nil, err
		}
		for _, name := range services {
			q := search{service: name, from: p.from, to: p.to, limit: most}
			if err := p.index(ctx, q, index); err != nil {
				return nil, err
			}
		}
		s.short, s.shortOf = index, r
	}
	var out []string
	for _, k := range short {
		if low, ok := strings.CutPrefix(k.Form(), "t:"); ok {
			out = append(out, s.short[low]...)
		}
	}
	return out, nil
}

// index notes the IDs of all traces that answer a search by their low halves.
func (p *pass) index(ctx context.Context, q search, index map[string][]string) error {
	answers, full, err := p.s.backend.search(ctx, q)
	if err != nil {
		return err
	}
	if mid := q.from.Add(q.to.Sub(q.from) / 2).Truncate(time.Microsecond); full && q.to.Sub(q.from) > shortest && mid.After(q.from) {
		first, second := q, q
		first.to, second.from = mid, mid
		if err := p.index(ctx, first, index); err != nil {
			return err
		}
		return p.index(ctx, second, index)
	}
	for _, spans := range p.s.traces(answers, func(error) {}) {
		if id := traceOf(spans[0]); len(id) == 32 && !slices.Contains(index[id[16:]], id) {
			index[id[16:]] = append(index[id[16:]], id)
		}
	}
	return nil
}

// byRequestIDs searches the attributes that hold IDs of requests, as far as some traces of each service, and the
// configuration, tell which these are.
func (p *pass) byRequestIDs(ctx context.Context, keys []timeline.Key) error {
	learnt, err := p.s.learn(ctx, p.from, p.to)
	if err != nil {
		return err
	}
	var values []string
	for _, k := range keys {
		values = append(values, spellings(k)...)
	}
	slices.Sort(values)
	values = slices.Compact(values)
	for _, name := range slices.Sorted(maps.Keys(learnt)) {
		sv := learnt[name]
		base := search{service: name, from: p.from, to: p.to, limit: most}
		if len(sv.keys) == 0 {
			continue
		}
		if !p.s.backend.finds("attribute") || len(values)*len(sv.keys) > mostSearches {
			if err := p.all(ctx, base); err != nil {
				return err
			}
			continue
		}
		for _, attr := range slices.Sorted(maps.Keys(sv.keys)) {
			q := base
			q.attr = attr
			for array := range sv.keys[attr] {
				q.values = values
				if array {
					q.values = make([]string, len(values))
					for i, v := range values {
						q.values[i] = `["` + v + `"]`
					}
				}
				if err := p.all(ctx, q); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// spellings gives the texts that an attribute with the ID may have.
func spellings(k timeline.Key) []string {
	var out []string
	for _, s := range k.Spellings() {
		if s == k.Value || strings.ToLower(s) == s && len(s) >= 32 && !strings.HasPrefix(s, "1-") {
			out = append(out, s)
		}
	}
	return out
}

// learn looks at some traces of each service, once: by which attributes it knows requests.
func (s *Source) learn(ctx context.Context, from, to time.Time) (map[string]*service, error) {
	s.look.Lock()
	defer s.look.Unlock()
	if s.looked {
		return s.learnt, nil
	}
	names, err := s.backend.services(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		sv := &service{name: name, keys: map[string]map[bool]bool{}}
		for _, attr := range s.config.Fields[timeline.KeyRequestID] {
			sv.keys[attr] = map[bool]bool{false: true, true: true}
		}
		answers, _, err := s.backend.search(ctx, search{service: name, from: from, to: to, limit: lookTraces, discovery: true, some: true})
		if err != nil {
			return nil, err
		}
		// What cannot be read is told by the passes.
		for _, spans := range s.traces(answers, func(error) {}) {
			for _, e := range spans {
				if name == "" || e.Service == name {
					sv.see(e)
				}
			}
		}
		s.learnt[name] = sv
	}
	s.looked = true
	return s.learnt, nil
}

// see notes the attributes in which a span holds IDs of requests.
func (sv *service) see(e *timeline.Event) {
	v, err := fastjson.ParseBytes(e.Raw)
	if err != nil {
		return
	}
	for _, list := range []string{"tags", "attributes"} {
		for _, a := range v.GetArray(list) {
			name := string(a.GetStringBytes("key"))
			value := a.Get("value")
			text, array := string(value.GetStringBytes()), false
			if value.Type() == fastjson.TypeObject {
				text = string(value.GetStringBytes("stringValue"))
				if vs := value.GetArray("arrayValue", "values"); len(vs) > 0 {
					text, array = string(vs[0].GetStringBytes("stringValue")), true
				}
			}
			if inner := strings.TrimSuffix(strings.TrimPrefix(text, `["`), `"]`); inner != text {
				text, array = inner, true
			}
			for _, k := range e.Keys {
				if k.Strength == timeline.Identity && k.Name != timeline.KeyTraceID && k.Value == text {
					if sv.keys[name] == nil {
						sv.keys[name] = map[bool]bool{}
					}
					sv.keys[name][array] = true
				}
			}
		}
	}
}
