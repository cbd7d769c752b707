package timeline

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Of sources of more bytes than sampledWhole, the sample that comes with a request asked for by ID is drawn around it. Its keys would
// else be searched in every byte, which takes longer than all else: a few keys are found several times faster than some hundreds.
const sampledWhole = 256 << 20

// Around a request as many moments are sampled on either side, up to failuresAround from it, each for as long as it takes to
// log sampledBytes.
const (
	sampledMoments = 8
	sampledBytes   = 128 << 10
	leastSampled   = 500 * time.Millisecond
	mostSampled    = time.Minute
)

// clockGuess is by how much clocks are first held to be apart of which nothing is known.
const clockGuess = 2 * time.Minute

// large says whether there are more bytes to look through than it takes little time.
func (c *collector) large() bool {
	bytes, _ := c.extent()
	return bytes > sampledWhole
}

// extent gives how many bytes the sources have that are looked through whole, and of how long a time.
func (c *collector) extent() (bytes int64, span time.Duration) {
	for _, s := range c.srcs {
		if d, ok := s.Source.(Describer); ok {
			if info := d.Info(); info.Scans {
				bytes, span = bytes+info.Unpacked, max(span, info.To.Sub(info.From))
			}
		}
	}
	return bytes, span
}

// sampleAround reads the requests of a few moments before and after the wanted ones, whole. That their records are near to each
// other by raw time too, give or take clockGuess, is tried first; where a clock remains untied, its host is asked for all times.
func (c *collector) sampleAround() {
	if !c.byID() || !c.large() {
		return
	}
	var around []Window // the stamps of the wanted requests, whatever clock they are by
	sets := c.sets()
	for set, events := range sets {
		if !c.isWanted(set, events) {
			continue
		}
		for _, e := range events {
			if !e.Time.IsZero() {
				around = append(around, Window{From: e.Time, To: e.Time.Add(1)})
			}
		}
	}
	if len(around) == 0 {
		return
	}
	clocks, keys := c.drawMoments(c.moments(around))
	if len(keys) == 0 {
		return
	}
	for _, k := range keys {
		c.ask(k)
	}
	wide := longerBy(around, failuresAround+clockGuess)
	within := map[string][]Window{}
	for clock := range clocks {
		within[clock] = wide
	}
	c.byKeysWithin(within)

	tied := c.surrounding()
	f := c.widened([]Want{{Keys: keys}})
	f.Within = map[string][]Window{}
	untied := false
	for clock, bearsIDs := range clocks {
		if tied[clock] == nil && bearsIDs {
			untied = true
			continue
		}
		f.Within[clock] = []Window{{To: time.Time{}.Add(1)}} // nothing
	}
	if untied {
		forms := map[string]bool{}
		addForms(forms, keys)
		c.addFound(c.readWithin(f, c.lim.WindowEvents, func(e *Event) bool { return bears(e, forms) }))
		c.byKeysWithin(c.surrounding())
	}
}

// moments gives the windows of which the requests are sampled.
func (c *collector) moments(around []Window) []Window {
	half := time.Second
	if bytes, span := c.extent(); span > 0 {
		half = min(max(time.Duration(float64(span)*sampledBytes/float64(bytes)), leastSampled), mostSampled) / 2
	}
	var out []Window
	for i := -sampledMoments; i <= sampledMoments; i++ {
		for _, w := range longerBy(around, half) {
			away := time.Duration(i) * failuresAround / sampledMoments
			out = append(out, Window{From: w.From.Add(away), To: w.To.Add(away)})
		}
	}
	return merged(out)
}

// longerBy gives the windows, each longer by so much on both sides.
func longerBy(ws []Window, d time.Duration) []Window {
	out := make([]Window, len(ws))
	for i, w := range ws {
		out[i] = Window{w.Host, w.From.Add(-d), w.To.Add(d)}
	}
	return merged(out)
}

// drawMoments draws of each moment and of each service on each host the keys with the least hash. It tells of each clock that
// stamped a record then whether one bears an ID.
func (c *collector) drawMoments(moments []Window) (clocks map[string]bool, keys []Key) {
	type drawn struct {
		place
		moment int
	}
	sample := map[drawn][]sampleKey{}
	clocks = map[string]bool{}
	wants := make([]Want, len(moments))
	for i := range moments {
		wants[i].Near = &moments[i]
	}
	places := map[place]bool{}
	c.scan(wants, func(_ int, e *Event) {
		c.mu.Lock()
		defer c.mu.Unlock()
		i, _ := slices.BinarySearchFunc(moments, e.Time, func(w Window, t time.Time) int { return w.To.Compare(t) })
		if i == len(moments) || moments[i].From.After(e.Time) {
			return
		}
		c.logs(e)
		ids := identities(e)
		clock := ClockOf(e)
		clocks[clock] = clocks[clock] || len(ids) > 0
		if len(ids) > 0 {
			p := place{e.Service, e.Host}
			places[p] = true
			sample[drawn{p, i}] = append(sample[drawn{p, i}], sampleKey{hash(ids[0].Form()), ids[0]})
		}
	})
	each := max(1, c.lim.SampledRequests/sampleOf/max(1, len(places)*len(moments)))
	for _, d := range slices.SortedFunc(maps.Keys(sample), func(a, b drawn) int {
		return cmp.Or(comparePlaces(a.place, b.place), cmp.Compare(a.moment, b.moment))
	}) {
		list := byHash(sample[d])
		for _, k := range list[:min(each, len(list))] {
			keys = append(keys, k.key)
		}
	}
	return clocks, keys
}
