package main

import (
	"context"
	"slices"
	"time"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/file"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

// lookUps is how often one ID is looked up, after the first time, which learns how each file begins.
const lookUps = 9

// lookUp reads the records of an ID, and of the IDs that come with it, with the index: what investigate does of all its
// reading if nothing but the request is asked for. It gives the median time and how many records there are.
func lookUp(ctx context.Context, c *corpus, id string) (time.Duration, int, error) {
	src, err := file.Open(ctx, c.dir, ingest.Config{Name: c.dir, Formats: format.Builtin(), Index: indexOf(c)})
	if err != nil {
		return 0, 0, err
	}
	defer src.Close()
	var took []time.Duration
	records := 0
	for i := range lookUps + 1 {
		start := time.Now()
		if records, err = gather(ctx, src, id); err != nil {
			return 0, 0, err
		}
		if i > 0 {
			took = append(took, time.Since(start))
		}
	}
	slices.Sort(took)
	return took[len(took)/2].Round(100 * time.Microsecond), records, nil
}

// gather reads by key, in rounds, until no new key appears.
func gather(ctx context.Context, src *file.Source, id string) (records int, err error) {
	keys := []timeline.Key{{Name: timeline.KeyRequestID, Value: id}, {Name: timeline.KeyTraceID, Value: id}}
	asked := map[string]bool{keys[0].Form(): true}
	for len(keys) > 0 {
		wants := []timeline.Want{{Keys: keys}}
		keys, records = nil, 0
		for e, err := range src.Events(ctx, timeline.Filter{Any: wants}) {
			if err != nil {
				return 0, err
			}
			records++
			for _, k := range e.Keys {
				if k.Strength == timeline.Identity && !asked[k.Form()] {
					asked[k.Form()] = true
					keys = append(keys, k)
				}
			}
		}
		if len(keys) > 0 {
			keys = append(keys, wants[0].Keys...)
		}
	}
	return records, nil
}
