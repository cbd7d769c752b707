package timeline

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A SourceResult tells how reading one source went.
type SourceResult struct {
	Name string
	Info Info
	Err  error // nil if it was read whole
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
					c.interpret(e)
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
