package timeline

import (
	"slices"
	"time"
)

// Some servers stamp an access record with the start of the exchange and others with its end, in one format: what httpd writes of %t
// is when the request was read (mod_log_config), nginx's $time_local is when the record is written (ngx_http_variables.c). A format that
// several servers write leaves it open. The order of the records tells, as each is written when its exchange is over: of stamps of the
// end none is before that of a record before it; of stamps of the start none is, once the durations are added.

// meaningLeast is how many records must contradict one reading of a stream's stamps, and meaningRarely how much rarer those that contradict the
// other one must be: a few may be written late, or a clock be set back.
const (
	meaningLeast  = 3
	meaningRarely = 10
)

// learnMeanings finds what the stamps mean of the streams whose format leaves it open, gives it to the records that were read, and keeps it for those
// that will be.
func (c *collector) learnMeanings() {
	open := map[stream][]*Event{}
	seen := map[*Event]bool{}
	see := func(e *Event) {
		if s := streamOf(e); s != (stream{}) && e.opens() && !seen[e] {
			seen[e] = true
			open[s] = append(open[s], e)
		}
	}
	for _, list := range [][]*Event{c.failed, c.lone, c.orphans, c.life} {
		for _, e := range list {
			see(e)
		}
	}
	for _, e := range c.events {
		see(e)
	}
	c.meanings = map[stream]Meaning{}
	for s, list := range open {
		if m := meaningOf(list); m != Within {
			c.meanings[s] = m
			for _, e := range list {
				e.Stamp.Meaning = m
			}
		}
	}
}

// opens says whether the format of e leaves open whether its stamp is that of the start or the end of its exchange.
func (e *Event) opens() bool {
	return e.Kind == ServerSpan && e.Stamp.HasDuration() && (e.Stamp.Meaning == Within || e.Stamp.Meaning == MeaningUnknown) && stamped(e) && !e.Undated()
}

// interpret gives a record the meaning of the stamps of its stream, if that is known.
func (c *collector) interpret(e *Event) {
	if len(c.meanings) == 0 || !e.opens() {
		return
	}
	if m, ok := c.meanings[streamOf(e)]; ok {
		e.Stamp.Meaning = m
	}
}

// meaningOf tells by the order of a stream's records what their stamps mean; Within if it does not.
func meaningOf(list []*Event) Meaning {
	slices.SortFunc(list, func(a, b *Event) int { return a.Pos.Compare(b.Pos) })
	var lastStamp, lastEnd time.Time
	againstStart, againstEnd := 0, 0
	for i, e := range list {
		if i > 0 && e.Pos == list[i-1].Pos {
			continue
		}
		r := e.Stamp.Resolution + e.Stamp.DurationResolution
		if e.Time.Add(r).Before(lastStamp) {
			againstEnd++
		}
		end := e.Time.Add(e.Duration)
		if end.Add(r).Before(lastEnd) {
			againstStart++
		}
		if e.Time.After(lastStamp) {
			lastStamp = e.Time
		}
		if end.After(lastEnd) {
			lastEnd = end
		}
	}
	switch {
	case againstStart >= meaningLeast && againstStart >= meaningRarely*againstEnd:
		return End
	case againstEnd >= meaningLeast && againstEnd >= meaningRarely*againstStart:
		return Start
	}
	return Within
}
