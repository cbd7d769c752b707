package timeline

import (
	"cmp"
	"hash/fnv"
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
		}
	}
	if len(sample) == 0 {
		return
	}
	each := max(sampled/len(sample), sampledAtLeast)
	for _, keys := range sample {
		slices.SortFunc(keys, func(a, b sampleKey) int {
			return cmp.Or(cmp.Compare(a.hash, b.hash), strings.Compare(a.key.Value, b.key.Value))
		})
		n := 0
		for i, k := range keys {
			if i > 0 && keys[i-1].hash == k.hash {
				continue
			}
			c.ask(k.key)
			if n++; n == each {
				break
			}
		}
	}
}
