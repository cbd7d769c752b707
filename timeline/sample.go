package timeline

import (
	"cmp"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"strings"
)

// sampleOf is of which part of the sample the requests are read whole where one request is
// asked for: the requests nearest to it say more of the clocks of its time.
const sampleOf = 4

// sample asks for records of so many requests: of the records that come those are taken whose keys
// have the least hash, which are requests of which several services are sampled.
func (c *collector) sample(requests int) Want {
	return Want{Sample: &Sample{PerStream: c.lim.SampledRequests, InAll: 2 * requests}}
}

type sampleKey struct {
	hash uint64
	key  Key
}

func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// sampledAtLeast is of how many requests of a service on a host the sample is at least.
const sampledAtLeast = 20

// chooseSample takes as many keys from the events of every service on every host, by the hash of
// their value: the same ones whatever the order of the sources.
func (c *collector) chooseSample(events []*Event, sampled int) {
	sample := map[place][]sampleKey{}
	for _, e := range events {
		c.logs(e)
		if ids := identities(e); len(ids) > 0 {
			p := place{e.Service, e.Host}
			sample[p] = append(sample[p], sampleKey{hash(ids[0].Form()), ids[0]})
			c.drawn.add(e)
		}
	}
	if len(sample) == 0 {
		return
	}
	each := max(sampled/len(sample), sampledAtLeast)
	for _, p := range slices.SortedFunc(maps.Keys(sample), comparePlaces) {
		keys := byHash(sample[p])
		n := min(each, len(keys))
		for _, k := range keys[:n] {
			c.ask(k.key)
		}
		c.drawn.chosen[p] = choice{keys[n-1].hash, float64(len(keys)) / float64(n)}
	}
}

// byHash puts keys in the order in which they are drawn, each once. It works on the list that it is given.
func byHash(keys []sampleKey) []sampleKey {
	slices.SortFunc(keys, func(a, b sampleKey) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), strings.Compare(a.key.Value, b.key.Value))
	})
	return slices.CompactFunc(keys, func(a, b sampleKey) bool { return a.hash == b.hash })
}

// A choice is which of the keys drawn at a place are read: those with a hash up to this one, each for so many.
type choice struct {
	most      uint64
	standsFor float64
}

// draws are what is known of how the sample was drawn, from which follows for how many requests each one that was read stands.
//
// A record is drawn from its stream with the same chance as the others of the stream: places are spread evenly over the bytes, and which record
// follows a place does not depend on how long that record itself is, as long as lengths of records that follow each other are unrelated. Of what was
// drawn at a service and host, the requests whose keys have the least hash are read. A request with several records, or in several streams, has
// more chances than another. So each drawn record stands for as many as its stream has for each that was drawn, and a request for the sum over its
// drawn records divided by how many records it has that could have been drawn: Sirken's multiplicity estimator (Household surveys with multiplicity,
// JASA 65, 1970), which Lavallée calls the weight share method (Indirect Sampling, 2007).
//
// What no record carries an identity key of is never drawn, and stands for nothing.
type draws struct {
	streams map[drawnStream]*Draw // sums over all that was drawn
	frame   map[frameOf]bool
	events  map[Pos]drawnAt
	chosen  map[place]choice
}

// A drawnStream names a stream of a source.
type drawnStream struct{ source, stream string }

// A frameOf is what the records of a stream that could have been drawn have in common.
type frameOf struct{ source, service, host, format string }

func frame(e *Event) frameOf { return frameOf{e.Pos.Source, e.Service, e.Host, e.Format} }

// A drawnAt is one drawn record.
type drawnAt struct {
	stream drawnStream
	place  place
	hash   uint64
}

func newDraws() draws {
	return draws{map[drawnStream]*Draw{}, map[frameOf]bool{}, map[Pos]drawnAt{}, map[place]choice{}}
}

// add notes that e was drawn, if its source tells how.
func (d *draws) add(e *Event) {
	ids := identities(e)
	if e.Drawn.Of == 0 || len(ids) == 0 {
		return
	}
	s := drawnStream{e.Pos.Source, e.Drawn.Stream}
	if d.streams[s] == nil {
		d.streams[s] = &Draw{Stream: s.stream}
	}
	d.streams[s].Of += e.Drawn.Of
	d.streams[s].Searched += e.Drawn.Searched
	d.frame[frame(e)] = true
	d.events[spot(e)] = drawnAt{s, place{e.Service, e.Host}, hash(ids[0].Form())}
}

// spot is where e stands, whether or not its line is known.
func spot(e *Event) Pos {
	p := e.Pos
	p.Line, p.Hash = 0, ""
	return p
}

// standsFor gives for how many requests each one stands that has these records; 0 if none of them was drawn to be read.
func (d *draws) standsFor(events []*Event) float64 {
	sum, chances := 0.0, 0
	for _, e := range events {
		if e.Pos.Item > 0 || !d.frame[frame(e)] || !slices.ContainsFunc(e.Keys, func(k Key) bool { return k.Strength == Identity }) {
			continue
		}
		chances++
		at, ok := d.events[spot(e)]
		if c := d.chosen[at.place]; ok && at.hash <= c.most {
			of := d.streams[at.stream]
			sum += max(1, of.Of/of.Searched) * c.standsFor
		}
	}
	return sum / float64(max(chances, 1))
}

// A Sampled is a request without failure, and for how many such requests it stands.
type Sampled struct {
	*Request
	StandsFor float64
}

// An Estimate is a number of requests, with the half width of its 95 % interval; without error it was counted.
type Estimate struct{ N, Error float64 }

// Rounded gives the number and its error as whole numbers, with the digits that the error leaves: 41,000 and 900.
func (e Estimate) Rounded() (n, err int) {
	step := math.Pow(10, math.Floor(math.Log10(max(e.Error, 1))))
	to := func(x float64) int { return int(math.Round(x/step) * step) }
	return to(e.N), to(e.Error)
}

// A Tally adds up for how many requests sampled ones stand.
type Tally struct{ sum, squares, variance float64 }

// Add counts a request that stands for so many.
func (t *Tally) Add(standsFor float64) {
	t.sum += standsFor
	t.squares += standsFor * standsFor
	t.variance += max(0, standsFor*(standsFor-1))
}

// Merge adds what another one counted.
func (t *Tally) Merge(o *Tally) {
	t.sum, t.squares, t.variance = t.sum+o.sum, t.squares+o.squares, t.variance+o.variance
}

// Estimate gives how many there are, by Horvitz and Thompson; the error is that of Poisson sampling (Särndal, Swensson and Wretman, Model Assisted
// Survey Sampling, 1992, 3.5), a little more than that of places spread evenly.
func (t *Tally) Estimate() Estimate { return Estimate{t.sum, 1.96 * math.Sqrt(t.variance)} }

// Effective gives the size of a sample of equal weights that tells as much of shares as this one, by Kish (Survey Sampling, 1965, 11.2).
func (t *Tally) Effective() float64 {
	if t.squares == 0 {
		return 0
	}
	return t.sum * t.sum / t.squares
}

// told says whether it is known for how many requests each that was read stands: for one, if each source gave all that it has, else by how it drew.
func (c *collector) told() bool {
	if c.lim.SampledRequests != AllRequests {
		return len(c.drawn.streams) > 0
	}
	drew := map[string]bool{}
	for s := range c.drawn.streams {
		drew[s.source] = true
	}
	for i, s := range c.srcs {
		if c.gave[i] && !drew[s.Name] {
			return false
		}
	}
	return !c.truncated
}

// succeeded gives the requests without failure: those of which some record is a failure, which are all known, and the sampled ones. told says
// whether some source told how it drew; if none did, each request that was read stands for itself.
func (c *collector) succeeded(known []*Request) (out []Sampled, told bool) {
	for _, r := range known {
		if !r.Failed && !hopFailed(r.Root()) {
			out = append(out, Sampled{r, 1})
		}
	}
	sets := c.sets()
	var weights []float64
	var all [][]Joined
	told = c.told()
	for _, s := range slices.Sorted(maps.Keys(sets)) {
		events := sets[s]
		if c.drafts[s] != nil {
			continue
		}
		w := 1.0
		if told && c.lim.SampledRequests != AllRequests {
			if w = c.drawn.standsFor(events); w == 0 {
				continue
			}
		}
		weights, all = append(weights, w), append(all, c.joined(s, events))
	}
	built := make([][]*Request, len(all))
	each(len(all), func(i int) { built[i] = c.builder().build(all[i]) })
	for i, rs := range built {
		for _, r := range rs {
			if c.settle(r); !r.Failed && !hopFailed(r.Root()) && c.inBounds(r) {
				out = append(out, Sampled{r, weights[i]})
			}
		}
	}
	slices.SortFunc(out, func(a, b Sampled) int { return compareRequests(a.Request, b.Request) })
	return out, told
}
