package idindex

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/bits"
	"slices"
)

const (
	// LookBehind is how many bytes before a segment bear on it: of a run the end, and whether that
	// is all of it.
	LookBehind = 20
	readSize   = 256 << 10
	// mostPairs is how many pairs a segment may have: with more it would take a sixteenth
	// of the text, which is no log of requests.
	mostPairs = SegmentSize / 16 * inWord / 8
	recents   = 1 << 12
	noTails   = 255 // instead of the number of bits of a bucket
	anyBlock  = 255 // instead of the pairs of a bucket
)

// A Builder makes the index of one segment after the other. Not for concurrent use.
type Builder struct {
	buf    []byte
	held   int   // bytes of buf that were read before
	at     int64 // offset in the segment of what comes behind them
	pairs  []uint64
	sorted []uint64
	recent [recents]uint64
	lines  []uint16
	dense  bool

	// What the segment says of the lengths of lines.
	ends  Ends
	since int64 // length of the line so far
}

// Ends are the lengths of the lines of a stretch of text without their line feeds, in bytes: of the first, as far as it
// lies in it, of the last, and of the longest of all. One without line feed is one line.
type Ends struct{ First, Last, Longest int64 }

// Then gives those of this stretch and the one behind it; lines says whether each has a line feed.
func (e Ends) Then(f Ends, lines, linesBehind bool) Ends {
	joined := e.Last + f.First
	out := Ends{First: e.First, Last: f.Last, Longest: max(e.Longest, f.Longest, joined)}
	if !lines {
		out.First = joined
	}
	if !linesBehind {
		out.Last = joined
	}
	return out
}

// Start begins a segment; before are the last bytes of the text before it, LookBehind of them if there are
// so many.
func (b *Builder) Start(before []byte) {
	if b.buf == nil {
		b.buf = make([]byte, LookBehind+readSize)
	}
	b.held = copy(b.buf, before[max(0, len(before)-LookBehind):])
	b.at, b.pairs, b.lines, b.dense = 0, b.pairs[:0], b.lines[:0], false
	b.ends, b.since = Ends{First: -1}, 0
	clear(b.recent[:])
}

// Read reads what is left of the segment from r, and gives how much that was. The error is r's, nil at its end.
func (b *Builder) Read(r io.Reader) (int64, error) {
	from := b.at
	for b.at < SegmentSize {
		n, err := io.ReadFull(r, b.buf[b.held:b.held+int(min(readSize, SegmentSize-b.at))])
		b.take(b.buf[:b.held+n])
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return b.at - from, err
		}
	}
	// Nothing may come behind the run that stands here.
	i := b.held
	for i > 0 && alnum[b.buf[i-1]] {
		i--
	}
	if b.held-i >= leastTail {
		b.note(b.buf[i:b.held], b.at-1)
	}
	return b.at - from, nil
}

// Held gives the last bytes read, for the start of the next segment.
func (b *Builder) Held() []byte { return b.buf[:b.held] }

// take notes what text holds, of which the first bytes are those held, but for a run at its end.
func (b *Builder) take(text []byte) {
	held := b.held
	base := b.at - int64(held)
	b.count(text[held:])
	// Of the bytes held a run that ended among them was noted with those before.
	i := held
	for i > 0 && alnum[text[i-1]] {
		i--
	}
	b.runs(text, i, base)
	for i = max(0, held-1); ; i++ {
		n := bytes.Index(text[i:], []byte("=="))
		if n < 0 {
			break
		}
		if i += n; i >= leastTail && text[i-1] != '=' {
			b.add(base64Tail(text[:i]), base+int64(i))
		}
	}
	b.at += int64(len(text) - held)
	b.held = copy(b.buf, text[max(0, len(text)-LookBehind):])
}

// count counts the lines of the bytes that come next.
func (b *Builder) count(text []byte) {
	for at := b.at; len(text) > 0; {
		n := int(min(int64(len(text)), BlockSize-at%BlockSize))
		if at%BlockSize == 0 {
			b.lines = append(b.lines, 0)
		}
		b.lines[len(b.lines)-1] += uint16(bytes.Count(text[:n], newline))
		b.lengths(text[:n])
		text, at = text[n:], at+int64(n)
	}
}

var newline = []byte{'\n'}

// lengths notes how long the lines are; of those within a block it is enough that they
// are no longer than that.
func (b *Builder) lengths(text []byte) {
	first := bytes.IndexByte(text, '\n')
	if first < 0 {
		b.since += int64(len(text))
		return
	}
	last := bytes.LastIndexByte(text, '\n')
	b.since += int64(first)
	if b.ends.First < 0 {
		b.ends.First = b.since
	}
	b.ends.Longest = max(b.ends.Longest, b.since, int64(last-first-1))
	b.since = int64(len(text) - last - 1)
}

// runs notes the runs of text from i on, where one begins or none is, but for one at its end.
func (b *Builder) runs(text []byte, i int, base int64) {
	known := i // up to there a run goes from i on
	for i+leastTail <= len(text) {
		j := i + leastTail - 1
		for j >= known && alnum[text[j]] {
			j--
		}
		if j >= known {
			known = max(known, i+leastTail)
			i = j + 1
			continue
		}
		e := i + leastTail
		for e < len(text) && alnum[text[e]] {
			e++
		}
		if e == len(text) {
			return
		}
		b.note(text[i:e], base+int64(e))
		i = e + 1
		known = i
	}
}

func (b *Builder) note(run []byte, end int64) {
	if h, ok := tailOf(run, true); ok {
		b.add(h, end)
	}
}

func (b *Builder) add(h uint32, end int64) {
	block := uint64(min(end, SegmentSize-1) / BlockSize)
	if end < 0 {
		block = 0
	}
	pair := uint64(h)<<blockBits | block
	// Most ends that come often come again soon. A pair is never 0 after this: that of an empty slot.
	if slot := &b.recent[h%recents]; *slot != pair+1 {
		*slot = pair + 1
		if len(b.pairs) <= mostPairs {
			b.pairs = append(b.pairs, pair)
		} else {
			b.dense = true // also if some of them are the same
		}
	}
}

// Ends tells of the lines of the segment; lines says whether there is a line feed in it.
func (b *Builder) Ends() (e Ends, lines bool) {
	e = b.ends
	e.Last = b.since
	if lines = e.First >= 0; !lines {
		e.First = e.Last
	}
	e.Longest = max(e.Longest, e.Last)
	return e, lines
}

// Lines is how many line feeds there are in the segment.
func (b *Builder) Lines() int64 {
	n := int64(0)
	for _, l := range b.lines {
		n += int64(l)
	}
	return n
}

// Append appends the segment as it is stored.
func (b *Builder) Append(to []byte) []byte {
	k := uint8(noTails)
	if !b.dense {
		k = uint8(bits.Len(uint(len(b.pairs) / 16)))
	}
	to = append(to, k)
	to = binary.LittleEndian.AppendUint16(to, uint16(len(b.lines)))
	for _, n := range b.lines {
		to = binary.LittleEndian.AppendUint16(to, n)
	}
	if k == noTails {
		return to
	}
	counts := len(to)
	to = append(to, make([]byte, 1<<k)...)
	to = slices.Grow(to, 8*len(b.pairs)/inWord+8)
	word, filled := uint64(0), 0
	ends := b.intoBuckets(k)
	start := uint32(0)
	for bucket, end := range ends {
		pairs := b.sorted[start:end]
		start = end
		slices.Sort(pairs)
		pairs = slices.Compact(pairs)
		if len(pairs) >= anyBlock {
			to[counts+bucket] = anyBlock
			continue
		}
		to[counts+bucket] = uint8(len(pairs))
		for _, p := range pairs {
			word |= uint64(entry(uint32(p>>blockBits), k)<<blockBits|uint32(p&(blocks-1))) << (filled * pairBits)
			if filled++; filled == inWord {
				to, word, filled = binary.LittleEndian.AppendUint64(to, word), 0, 0
			}
		}
	}
	if filled > 0 {
		to = binary.LittleEndian.AppendUint64(to, word)
	}
	return to
}

// intoBuckets puts the pairs in order of their buckets, and gives where each bucket ends.
func (b *Builder) intoBuckets(k uint8) []uint32 {
	bucketOf := func(p uint64) int { return int(p >> (32 + blockBits - k)) }
	at := make([]uint32, 1<<k+1)
	for _, p := range b.pairs {
		at[bucketOf(p)+1]++
	}
	for i := range at[1:] {
		at[i+1] += at[i]
	}
	b.sorted = slices.Grow(b.sorted[:0], len(b.pairs))[:len(b.pairs)]
	for _, p := range b.pairs {
		i := &at[bucketOf(p)]
		b.sorted[*i] = p
		*i++
	}
	return at[:1<<k]
}

// entry gives the bits of a hash behind those of its bucket that stand in a pair.
func entry(h uint32, k uint8) uint32 { return h << k >> (32 - entryBits) }
