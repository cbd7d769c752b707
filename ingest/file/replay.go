package file

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"
	"unsafe"

	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

const (
	// replaySource is how many bytes a source may have, unpacked, so that what its records say is kept.
	replaySource = 16 << 20
	// replayMost bounds what is kept of all parts of a source, in bytes of memory as estimated.
	replayMost = 32 << 20
)

// A replay is all records of a part as they were decoded. Of a small source many passes want
// most records, for windows of time that what was read before has told: once half as much of a
// part was read as it has, it is read whole once more, and from then on nothing of it is
// decoded again. It is not changed once it is made.
type replay struct {
	records []replayed
	max     int // as Reader.MaxRecord
}

// A replayed record has its events as its format gives them, before its file adds to them.
type replayed struct {
	format.Record
	events []*timeline.Event
	err    error
}

// A recordReader gives the records of a part and what they say: a [format.Reader], or a replay.
type recordReader interface {
	Next() (format.Record, error)
	Decode(format.Record, func(*timeline.Event) bool) error
	MaxRecord() int
	StampText(time.Time) string
	Close()
}

// small says whether what the source's records say may be kept.
func (s *Source) small() bool {
	total := int64(0)
	for _, st := range s.streams {
		for _, p := range st.parts {
			total += max(p.unpacked, p.size)
		}
	}
	return total <= replaySource
}

// replay gives what is kept of the part at hand, which is read for it once that is worth its
// while; nil if it is not, or if it cannot be read or kept whole.
func (r *partReader) replay(ctx context.Context) *replay {
	p := r.p
	r.s.mu.Lock()
	kept, due := p.replay, !p.unkept && p.framed >= max(p.unpacked, p.size)/2 && r.s.replays > 0
	r.s.mu.Unlock()
	if kept != nil || !due || !r.s.small() {
		return kept
	}
	made, room := r.decodeAll(ctx)
	if ctx.Err() != nil {
		return nil
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if p.replay != nil {
		return p.replay // another pass made it meanwhile
	}
	if p.unkept = made == nil || room > r.s.replays; p.unkept {
		return nil
	}
	r.s.replays -= room
	p.replay = made
	return made
}

// decodeAll reads the part whole, and estimates the memory that it takes. It gives nil if that is too much
// or the part is broken.
func (r *partReader) decodeAll(ctx context.Context) (all *replay, room int64) {
	f, err := r.open()
	if err != nil {
		return nil, 0
	}
	defer f.Close()
	in, err := r.s.config.Formats.NewReader(&cancelReader{ctx, f}, r.s.options(r.p, r.form))
	if err != nil {
		return nil, 0
	}
	defer in.Close()
	all = &replay{max: in.MaxRecord()}
	for room <= replayMost {
		rec, err := in.Next()
		if errors.Is(err, io.EOF) {
			return all, room
		}
		if err != nil {
			return nil, 0
		}
		x := replayed{Record: format.Record{
			Bytes: slices.Clone(rec.Bytes), Offset: rec.Offset, Line: rec.Line, Format: rec.Format, Cut: rec.Cut, Inline: rec.Inline, Exchange: rec.Exchange,
		}}
		x.err = in.Decode(rec, func(e *timeline.Event) bool {
			whole := len(e.Raw) == len(rec.Bytes) && unsafe.SliceData(e.Raw) == unsafe.SliceData(rec.Bytes)
			if whole {
				e.Raw = nil // the record's bytes are kept already
			}
			c := e.Clone()
			if whole {
				c.Raw = x.Bytes
			}
			x.events = append(x.events, c)
			room += eventRoom(c)
			return true
		})
		room += int64(unsafe.Sizeof(x)) + int64(len(x.Bytes))
		all.records = append(all.records, x)
	}
	return nil, 0
}

// eventRoom estimates the memory of an event, of whose texts most are parts of its record, in bytes.
func eventRoom(e *timeline.Event) int64 {
	return int64(unsafe.Sizeof(*e)) + int64(len(e.Raw)) +
		int64(len(e.Keys))*int64(unsafe.Sizeof(timeline.Key{})) + int64(len(e.Attrs))*int64(unsafe.Sizeof(timeline.Attr{})) +
		int64(len(e.Calls))*int64(unsafe.Sizeof(timeline.Outcall{}))
}

// A replayer goes through a replay as a Reader does. Its events are valid until the next one is asked for.
type replayer struct {
	*replay
	next  int
	event timeline.Event
	keys  []timeline.Key
	attrs timeline.Attrs
}

// Next gives the next record; its Bytes are not to be changed.
func (p *replayer) Next() (format.Record, error) {
	if p.next == len(p.records) {
		return format.Record{}, io.EOF
	}
	p.next++
	return p.records[p.next-1].Record, nil
}

// Decode gives the events of the record that Next gave last.
func (p *replayer) Decode(_ format.Record, yield func(*timeline.Event) bool) error {
	x := &p.records[p.next-1]
	for _, e := range x.events {
		p.event = *e
		// To these the file adds.
		p.keys, p.attrs = append(p.keys[:0], e.Keys...), append(p.attrs[:0], e.Attrs...)
		p.event.Keys, p.event.Attrs = p.keys, p.attrs
		if !yield(&p.event) {
			break
		}
	}
	return x.err
}

// MaxRecord gives the limit over which the records were cut.
func (p *replayer) MaxRecord() int { return p.max }

// StampText gives "": nobody learns how lines are stamped that need not be decoded.
func (p *replayer) StampText(time.Time) string { return "" }

// Close does nothing.
func (p *replayer) Close() {}
