package file

import (
	"bytes"
	"context"
	"io"
	"math"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/timeline"
)

// sampleTries is how many records are decoded at one place in search of one that
// carries an identity key; a stream without such keys would else be decoded whole.
const sampleTries = 64

// sampleBlock is how much is read at a place of a sample at once.
const sampleBlock = 8 << 10

// A sampler says which records of a part are tried for a sample that is spread
// evenly over the bytes of its stream.
type sampler struct {
	on     bool
	stride float64
	next   float64 // offset in the part of the next place
	tries  int
	quota  int // samples after which the part is seen to be larger than was thought
	taken  int
	drawn  timeline.Draw // since the last that was taken
}

// sampledOf gives how many records of each stream are to be taken.
func (s *Source) sampledOf(want *timeline.Sample) int {
	n := 0
	for _, st := range s.streams {
		if st.format != nil {
			n++
		}
	}
	return ingest.SampleOf(want.PerStream, want.InAll, n)
}

// newSampler places perStream records in the stream: in the middle of each of as
// many equal stretches.
func newSampler(p *filePart, perStream int) sampler {
	var before, total int64
	for _, o := range p.stream.parts {
		if o == p {
			before = total
		}
		total += o.unpacked
	}
	if total == 0 {
		return sampler{}
	}
	s := sampler{on: true, drawn: timeline.Draw{Stream: p.stream.path}, stride: max(1, float64(total)/float64(perStream))}
	first := math.Ceil(float64(before)/s.stride - 0.5)
	s.next = (first+0.5)*s.stride - float64(before)
	if s.stride == 1 {
		s.next = 0 // all are taken, the first too
	}
	s.quota = int(float64(p.unpacked)/s.stride) + 8
	return s
}

// due says whether the record at this offset is to be tried.
func (s *sampler) due(offset int64) bool { return s.on && float64(offset) >= s.next }

// draw tells how the record at this offset was drawn, if it is taken.
func (s *sampler) draw(offset int64, length int) timeline.Draw {
	d := s.drawn
	d.Of += s.passed(offset) * s.stride
	d.Searched += float64(length)
	return d
}

// passed is how many places there are up to this offset, from the next one on.
func (s *sampler) passed(offset int64) float64 {
	return max(0, math.Floor((float64(offset)-s.next)/s.stride)+1)
}

// tried tells how a try of a record of so many bytes ended.
func (s *sampler) tried(offset int64, length int, took bool) {
	s.tries++
	if !took {
		s.drawn.Searched += float64(length)
		if s.tries < sampleTries {
			return
		}
		s.drawn.Of += s.passed(offset) * s.stride
	}
	s.tries = 0
	if took {
		s.drawn.Of, s.drawn.Searched = 0, 0
		if s.taken++; s.taken >= s.quota {
			// The size of a compressed file was guessed too low.
			s.stride *= 2
			s.quota, s.taken = max(8, s.quota/2), 0
		}
	}
	s.next += s.passed(offset) * s.stride
}

// sample reads the places of the sample in a plain file and no more; false says that it was stopped.
func (k *skimmer) sample(ctx context.Context, f *stored) bool {
	k.block = sampleBlock
	size := k.r.p.size
	for k.r.sampler.next < float64(size) && !k.whole {
		at := int64(math.Ceil(k.r.sampler.next))
		from, ok := lineFrom(f.file, at, size)
		if !ok {
			return true
		}
		k.in = &cancelReader{ctx, io.NewSectionReader(f.file, from, size-from)}
		k.base, k.counted, k.eof = from, 0, false
		if !k.through(ctx, at+1) {
			return false
		}
		if k.eof {
			break
		}
	}
	return true
}

// lineFrom gives where the first line begins at the offset or behind it; false if there is none.
func lineFrom(f io.ReaderAt, at, size int64) (int64, bool) {
	if at == 0 {
		return 0, true
	}
	var b [sampleBlock]byte
	for from := at - 1; from < size; from += sampleBlock {
		n, _ := f.ReadAt(b[:min(sampleBlock, size-from)], from)
		if i := bytes.IndexByte(b[:n], '\n'); i >= 0 && from+int64(i)+1 < size {
			return from + int64(i) + 1, true
		}
		if n == 0 {
			break
		}
	}
	return 0, false
}
