package file

import (
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/s2"
)

// keptMost bounds what all parts of a source keep together, in bytes.
const keptMost = 32 << 20

// A kept is a stretch of a compressed part as it was unpacked by a pass that wanted nothing
// outside of it, so that later passes over what lies in it need not unpack all that comes
// before. It is held in S2, which unpacks several times as fast as what logs are stored in.
// It is not changed once the pass is over.
type kept struct {
	from, to int64 // offsets in the part; each begins a record
	whole    bool  // nothing comes behind to
	blocks   []keptBlock
}

type keptBlock struct {
	offset int64
	packed []byte
}

// add keeps text, which begins at the offset behind what is kept; false says that there is no room.
func (x *kept) add(offset int64, text []byte, room *atomic.Int64) bool {
	if len(x.blocks) == 0 {
		x.from = offset
	}
	packed := s2.Encode(nil, text)
	x.blocks = append(x.blocks, keptBlock{offset, append([]byte(nil), packed...)})
	x.to = offset + int64(len(text))
	return room.Add(-int64(len(packed))) >= 0
}

// drop gives back the room.
func (x *kept) drop(room *atomic.Int64) {
	for _, b := range x.blocks {
		room.Add(int64(len(b.packed)))
	}
	x.blocks = nil
}

// holds says whether all that the runs need is kept.
func (x *kept) holds(runs []run) bool {
	return x != nil && len(runs) > 0 && runs[0].from.offset >= x.from && (x.whole || runs[len(runs)-1].to <= x.to)
}

// read gives what is kept from the offset on.
func (x *kept) read(offset int64) io.Reader {
	i := len(x.blocks)
	for i > 0 && (i == len(x.blocks) || x.blocks[i].offset > offset) {
		i--
	}
	return &keptReader{blocks: x.blocks[i:], skip: offset - x.blocks[i].offset}
}

type keptReader struct {
	blocks []keptBlock
	skip   int64
	text   []byte
	room   []byte
}

func (r *keptReader) Read(p []byte) (int, error) {
	for len(r.text) == 0 {
		if len(r.blocks) == 0 {
			return 0, io.EOF
		}
		text, err := s2.Decode(r.room[:cap(r.room)], r.blocks[0].packed)
		if err != nil {
			return 0, err
		}
		r.room, r.text, r.blocks = text, text[min(r.skip, int64(len(text))):], r.blocks[1:]
		r.skip = 0
	}
	n := copy(p, r.text)
	r.text = r.text[n:]
	return n, nil
}
