package idindex

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
)

// A Segment is one as it is stored. Once it is parsed it may be used from several goroutines.
type Segment struct {
	k      uint8
	lines  []byte
	counts []byte
	starts []uint32 // of the pairs of each bucket
	pairs  []byte
}

var errSegment = errors.New("it is no segment of an index")

// Parse reads a segment, of which it keeps the bytes, in place of what s was before.
func (s *Segment) Parse(stored []byte) error {
	if len(stored) < 3 {
		return errSegment
	}
	*s = Segment{k: stored[0], starts: s.starts[:0]}
	n := int(binary.LittleEndian.Uint16(stored[1:]))
	rest := stored[3:]
	if n > blocks || len(rest) < 2*n {
		return errSegment
	}
	s.lines, rest = rest[:2*n], rest[2*n:]
	if s.k == noTails {
		return nil
	}
	if s.k > 32-entryBits || len(rest) < 1<<s.k {
		return errSegment
	}
	s.counts, s.pairs = rest[:1<<s.k], rest[1<<s.k:]
	s.starts = slices.Grow(s.starts, len(s.counts))[:len(s.counts)]
	at := uint32(0)
	for i, c := range s.counts {
		s.starts[i] = at
		if c != anyBlock {
			at += uint32(c)
		}
	}
	if (int(at)+inWord-1)/inWord*8 != len(s.pairs) {
		return errSegment
	}
	return nil
}

// Blocks is how many blocks the segment has.
func (s *Segment) Blocks() int { return len(s.lines) / 2 }

// Lines gives how many line feeds there are in the block.
func (s *Segment) Lines(block int) int {
	return int(binary.LittleEndian.Uint16(s.lines[2*block:]))
}

// Holds says whether the segment can tell where IDs are.
func (s *Segment) Holds() bool { return s.k != noTails }

// A Set is a set of blocks of one segment.
type Set [blocks / 64]uint64

// Has says whether the block is in the set.
func (s *Set) Has(block int) bool { return s[block/64]>>(block%64)&1 != 0 }

// Len is how many blocks are in the set.
func (s *Set) Len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

func (s *Set) add(block int) { s[block/64] |= 1 << (block % 64) }

// A Query asks for several patterns at once. It is not changed once it is made.
type Query struct {
	patterns [][]uint32 // the hashes of the ends of each
	Longest  int        // length of the longest pattern in bytes
}

// NewQuery makes a query of the patterns; unable are those that it cannot ask for, since they have no end.
// An occurrence of a pattern is only found if it is not followed by a letter or a digit.
func NewQuery(patterns []string) (q *Query, unable []string) {
	q = &Query{}
	seen := map[[2]uint32]bool{}
	for _, p := range patterns {
		tails := tailsOf(p)
		if len(tails) == 0 {
			unable = append(unable, p)
			continue
		}
		q.Longest = max(q.Longest, len(p))
		// Spellings of one ID mostly end alike. Of a pattern with several ends any one would do.
		if len(tails) == 1 {
			if seen[[2]uint32{tails[0]}] {
				continue
			}
			seen[[2]uint32{tails[0]}] = true
		}
		q.patterns = append(q.patterns, tails)
	}
	return q, unable
}

// tailsOf gives the hashes of all ends in a pattern.
func tailsOf(p string) []uint32 {
	var out []uint32
	text := []byte(p)
	for i := 0; i < len(text); {
		e := i
		for e < len(text) && alnum[text[e]] {
			e++
		}
		if e-i >= leastTail {
			if h, ok := tailOf(text[i:e], i > 0); ok {
				out = append(out, h)
			}
		}
		if e+1 < len(text) && text[e] == '=' && text[e+1] == '=' && e >= leastTail && text[e-1] != '=' {
			out = append(out, base64Tail(text[:e]))
		}
		i = e + 1
	}
	return out
}

// Find adds to the set the blocks of the segment in which patterns of the query may stand: in
// which the end of a run of each lies, or the byte behind it. The pattern may begin in the block before, and end in the next one.
func (s *Segment) Find(q *Query, to *Set) {
	if s.k == noTails {
		s.all(to)
		return
	}
	for _, tails := range q.patterns {
		best, least := uint32(0), blocks+1
		for _, h := range tails {
			if n := s.count(h); n < least {
				best, least = h, n
			}
		}
		if least > 0 {
			s.find(best, to)
		}
	}
}

func (s *Segment) all(to *Set) {
	for b := range s.Blocks() {
		to.add(b)
	}
}

// bucket gives the pairs of the bucket of a hash by their numbers; false if any block may hold it.
func (s *Segment) bucket(h uint32) (from, to uint32, ok bool) {
	i := uint64(h) >> (32 - s.k)
	if s.counts[i] == anyBlock {
		return 0, 0, false
	}
	return s.starts[i], s.starts[i] + uint32(s.counts[i]), true
}

// pair gives the pair of a number.
func (s *Segment) pair(i uint32) uint32 {
	return uint32(binary.LittleEndian.Uint64(s.pairs[i/inWord*8:])>>(i%inWord*pairBits)) & (1<<pairBits - 1)
}

// count tells in how many blocks an end may lie.
func (s *Segment) count(h uint32) int {
	from, to, ok := s.bucket(h)
	if !ok {
		return blocks
	}
	n := 0
	for want := entry(h, s.k); from < to; from++ {
		if s.pair(from)>>blockBits == want {
			n++
		}
	}
	return n
}

func (s *Segment) find(h uint32, to *Set) {
	from, end, ok := s.bucket(h)
	if !ok {
		s.all(to)
		return
	}
	for want := entry(h, s.k); from < end; from++ {
		if p := s.pair(from); p>>blockBits == want {
			to.add(int(p & (blocks - 1)))
		}
	}
}
