package rules

import (
	"encoding/binary"
	"hash/maphash"
	"sync/atomic"

	"github.com/correlatehq/correlate/timeline"
)

// A sight is what the signals say of an event. It is not to be changed.
type sight struct {
	of      string // what they looked at, see look.appendSeen
	signals []*Signal
	meaning []*Signal // the narrowest of them
}

// sights are those of events that were seen more than once of late: servers say the same again and again. They are safe
// for concurrent use.
type sights struct {
	seed  maphash.Seed
	known [sightsMost]atomic.Pointer[sight] // by hash
	once  [sightsMost]atomic.Uint64         // the hash of what was seen last in this place
}

// Bounds of what is kept: longer texts seldom come again.
const (
	sightsMost  = 2048
	sightsBytes = 1024
)

// An eye sees one event after the other.
type eye struct {
	system string // of the one before
	role   timeline.Role
	raised bool   // whether it was of an exception
	look   *look  // at it; nil as long as there was none
	key    []byte // see look.appendSeen
}

// see gives what the signals say of an event of which it is known what it says in words.
func (t *signalTable) see(e *timeline.Event, text string, by *eye) sight {
	l := by.look
	if l == nil || e.System != by.system || e.Role != by.role || (e.Exception != nil) != by.raised {
		if l = t.lookAt(e); l == nil {
			return sight{}
		}
		by.system, by.role, by.raised, by.look = e.System, e.Role, e.Exception != nil, l
	}
	if len(text) > sightsBytes {
		return l.see(e, text)
	}
	by.key = l.appendSeen(by.key[:0], e, text)
	h := maphash.Bytes(t.sights.seed, by.key)
	known, once := &t.sights.known[h%sightsMost], &t.sights.once[h%sightsMost]
	if s := known.Load(); s != nil && s.of == string(by.key) {
		return *s
	}
	s := l.see(e, text)
	if once.Swap(h) == h {
		known.Store(&sight{string(by.key), s.signals, s.meaning})
	}
	return s
}

func (l *look) see(e *timeline.Event, text string) sight {
	s := sight{signals: l.find(e, text)}
	s.meaning = narrowest(s.signals)
	return s
}

// appendSeen appends all that the signals look at in an event, so that it is the same for no two events in which they may
// find something else: the words, of which the body is the first part, and the other fields.
func (l *look) appendSeen(b []byte, e *timeline.Event, text string) []byte {
	b = append(b, text...)
	for _, m := range l.matchers {
		if !m.ofWords() {
			n := len(b)
			b = m.appendValue(b, e)
			b = binary.LittleEndian.AppendUint32(b, uint32(len(b)-n))
		}
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Body)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	return binary.LittleEndian.AppendUint16(b, l.number)
}
