package file

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/correlatehq/correlate/ingest/format"
)

// A search finds all occurrences of many patterns in bytes without looking at most
// of the bytes.
//
// Patterns are put in a few classes by length. Of each pattern, the grams (runs of up to 8
// bytes) at a few offsets in a row, from its anchor on, go into a bloom filter, as many as the shortest
// pattern of the class has; so whatever stands in the text, a probe at every
// step-th byte meets one gram of it. Only where the filter says yes is the pattern
// looked up and compared. For one UUID that is a probe every 28 bytes, and for
// 50,000 of them every 25, in a larger filter: the fewer grams there are, the shorter
// they may be without being met by chance.
//
// A search is not changed once it is made and may be used from several goroutines.
type search struct {
	classes []searchClass
	longest int
}

type searchClass struct {
	gram, step int // width of a gram; distance of two probes
	mask       uint64
	fold       uint64 // the bit by which letters differ in case, in every byte; 0 if case counts
	bloom      []uint64
	bloomShift uint
	table      []int32 // hash of a first gram -> index of the first pattern that has it, plus 1
	tableShift uint
	anchors    []int    // where in each pattern its grams begin
	firsts     []uint64 // the first of these grams of each pattern
	next       []int32  // the next pattern with the same slot, plus 1
	patterns   []string
	owners     []int32
	literals   []format.Literal // what the patterns are; nil: bytes of either case are not equal
	oneBit     bool             // of the filter are set for each gram; else two
	pair       pair             // of a class of one short text
}

// classLimits are the lengths at which a new class begins. Every class costs probes of its
// own, so there are few; the grams of one with patterns shorter than 8 bytes tell little.
var classLimits = [...]int{1, 4, 8, 1 << 30}

const (
	hashFactor = 0x9E3779B97F4A7C15
	foldBits   = 0x2020202020202020
)

// newSearch makes a search for the patterns of each owner; empty ones are left out.
// An owner is the index in the outer slice.
func newSearch(owners [][]string) *search {
	s := &search{}
	for c := 0; c+1 < len(classLimits); c++ {
		var k searchClass
		for o, patterns := range owners {
			for _, p := range patterns {
				if len(p) >= classLimits[c] && len(p) < classLimits[c+1] {
					k.patterns = append(k.patterns, p)
					k.owners = append(k.owners, int32(o))
				}
			}
		}
		gram := 8
		if classLimits[c] >= gram {
			k.fold, gram = foldBits, gramOf(k.patterns)
		}
		s.addClass(k, gram)
	}
	return s
}

// gramOf gives how wide the grams of the patterns are to be: so that among hexadecimal digits one
// of 4,096 probes at most meets one by chance.
func gramOf(patterns []string) int {
	shortest := 1 << 30
	for _, p := range patterns {
		shortest = min(shortest, len(p))
	}
	gram := 4
	for gram < 8 && len(patterns)*(shortest-gram+1) > 1<<(4*gram-12) {
		gram++
	}
	return gram
}

// newTextSearch makes a search for a few texts, of which nobody asks who owns them. The
// shortest are looked for one by one if they are few; the others are one class, whose grams
// are short so that probes are far apart, and to which their case is all one. The grams are such as are rare in
// sample, which is of the bytes that are to be searched.
func newTextSearch(literals []format.Literal, sample []byte) *search {
	s := &search{}
	var short, long []format.Literal
	for _, l := range literals {
		if len(l.Text) < shortText {
			short = append(short, l)
		} else {
			long = append(long, l)
		}
	}
	if len(short) > maxPairs || slices.ContainsFunc(short, func(l format.Literal) bool { return len(l.Text) < 2 }) {
		short, long = nil, literals
	}
	for _, l := range short {
		s.addPair(l)
	}
	if len(long) == 0 {
		return s
	}
	k := searchClass{fold: foldBits}
	for _, l := range long {
		k.patterns = append(k.patterns, l.Text)
		k.owners = append(k.owners, 0)
		k.literals = append(k.literals, l)
	}
	gram := 4
	if k.shortest() < 2*gram {
		gram--
	}
	k.fit(gram)
	k.settle(sample)
	s.add(k)
	return s
}

// settle chooses the step and the anchors at which the grams cost least on bytes like those of sample: the farther apart probes are,
// the fewer there are, and the fewer choices there are of grams that are rare.
func (k *searchClass) settle(sample []byte) {
	counts := map[uint64]int{}
	for _, p := range k.patterns {
		for j := 0; j+k.gram <= len(p); j++ {
			counts[k.load([]byte(p), j)] = 0
		}
	}
	for j := 0; j+8 <= len(sample); j++ {
		x := k.load(sample, j)
		if n, ok := counts[x]; ok {
			counts[x] = n + 1
		}
	}
	best, least := k.step, math.Inf(1)
	for step := k.step; step > 0; step-- {
		anchors, met := k.anchorsBy(step, counts)
		cost := (float64(len(sample)) + float64(met)*verifyCost(step)) / float64(step)
		if cost < least {
			best, least, k.anchors = step, cost, anchors
		}
	}
	k.step = best
}

// verifyCost is how many probes cost as much as the look at what one of them met.
func verifyCost(step int) float64 { return 4 + 4*float64(step) }

// anchorsBy gives for each pattern the anchor from which on so many grams were met the least, and how often all of them were met.
func (k *searchClass) anchorsBy(step int, counts map[uint64]int) (anchors []int, met int) {
	anchors = make([]int, len(k.patterns))
	taken := map[uint64]bool{}
	for i, p := range k.patterns {
		text := []byte(p)
		least := -1
		for a := 0; a+step-1+k.gram <= len(p); a++ {
			n := 0
			for j := range step {
				n += counts[k.load(text, a+j)]
			}
			if least < 0 || n < least {
				anchors[i], least = a, n
			}
		}
		for j := range step {
			if g := k.load(text, anchors[i]+j); !taken[g] {
				taken[g] = true
				met += counts[g]
			}
		}
	}
	return anchors, met
}

const (
	// shortText is the length below which texts are looked for one by one, up to maxPairs of
	// them.
	shortText = 5
	maxPairs  = 6
)

const (
	// oneBitGrams is how many grams a class has at most of which each sets one bit, which is asked for
	// faster and takes four times the room.
	oneBitGrams = 1 << 15
	leastWords  = 1 << 11
)

// A pair finds the first bytes of one pattern at eight places at once: in each byte of a word
// that is made of the text at the place and of those behind it, moved up, what is zero is
// where they stand.
type pair struct {
	on    bool
	bytes [3]uint64 // the first three of the pattern in every byte of a word
	digit bool      // instead of the third: a digit
	two   bool      // there is no third
}

const everyByte = 0x0101010101010101

// addPair adds a class of one short text.
func (s *search) addPair(l format.Literal) {
	k := searchClass{patterns: []string{l.Text}, owners: []int32{0}, literals: []format.Literal{l}}
	if l.Fold {
		k.fold = foldBits
	}
	n := len(l.Text)
	k.pair = pair{on: true, digit: n == 2 && l.Status, two: n == 2 && !l.Status}
	for j := range min(3, n) {
		k.pair.bytes[j] = uint64(l.Text[j]) * everyByte
	}
	s.addClass(k, n)
}

// addClass adds a class whose grams are the first ones of each pattern, and as wide as said or as the shortest pattern.
func (s *search) addClass(k searchClass, gram int) {
	if len(k.patterns) == 0 {
		return
	}
	k.fit(gram)
	k.anchors = make([]int, len(k.patterns))
	s.add(k)
}

// fit sets how wide the grams are, as said or as the shortest pattern, and how far apart probes may be then at most.
func (k *searchClass) fit(gram int) {
	shortest := k.shortest()
	k.gram = min(gram, shortest)
	k.step = shortest - k.gram + 1
	k.mask = ^uint64(0) >> (64 - 8*uint(k.gram))
}

func (k *searchClass) shortest() int {
	n := len(k.patterns[0])
	for _, p := range k.patterns {
		n = min(n, len(p))
	}
	return n
}

func (s *search) add(k searchClass) {
	for _, p := range k.patterns {
		s.longest = max(s.longest, len(p))
	}
	k.build()
	s.classes = append(s.classes, k)
}

// build makes the filter and the table of a class whose grams, step and anchors are known.
func (k *searchClass) build() {
	// 64 bits for each gram, one of them set, or 16 and two let some 1.5 % of strange probes pass.
	grams, words := len(k.patterns)*k.step, leastWords
	k.oneBit = grams <= oneBitGrams
	for words < grams/4 || k.oneBit && words < grams {
		words *= 2
	}
	k.bloom = make([]uint64, words)
	k.bloomShift = 64 - uint(bits.TrailingZeros(uint(words)))
	slots := 64
	for slots < 2*len(k.patterns) {
		slots *= 2
	}
	k.table = make([]int32, slots)
	k.tableShift = 64 - uint(bits.TrailingZeros(uint(slots)))
	k.firsts = make([]uint64, len(k.patterns))
	k.next = make([]int32, len(k.patterns))
	for i := len(k.patterns) - 1; i >= 0; i-- { // backwards, so that chains are in the order given
		p := []byte(k.patterns[i])
		for j := 0; j < k.step; j++ {
			h := k.load(p, k.anchors[i]+j) * hashFactor
			b := bloomBits(h)
			if k.oneBit {
				b = oneBit(h)
			}
			k.bloom[h>>k.bloomShift] |= b
		}
		k.firsts[i] = k.load(p, k.anchors[i])
		slot := k.firsts[i] * hashFactor >> k.tableShift
		k.next[i] = k.table[slot]
		k.table[slot] = int32(i + 1)
	}
}

func oneBit(h uint64) uint64 { return 1 << (h >> 20 & 63) }

func bloomBits(h uint64) uint64 { return 1<<(h>>20&63) | 1<<(h>>26&63) }

// load gives the gram at p, which must lie within text.
func (k *searchClass) load(text []byte, p int) uint64 {
	if p+8 <= len(text) {
		return (binary.LittleEndian.Uint64(text[p:]) | k.fold) & k.mask
	}
	var x uint64
	for i := k.gram - 1; i >= 0; i-- {
		x = x<<8 | uint64(text[p+i])
	}
	return (x | k.fold) & k.mask
}

// A hit is one occurrence of a pattern: text[Start:End].
type hit struct{ owner, start, end int }

// each calls yield for every occurrence of every pattern until it returns false. The
// order is fixed but not that of the text.
func (s *search) each(text []byte, yield func(hit) bool) {
	for i := range s.classes {
		if !s.classes[i].each(text, yield) {
			return
		}
	}
}

func (k *searchClass) each(text []byte, yield func(hit) bool) bool {
	p := 0
	if k.pair.on {
		var goOn bool
		if p, goOn = k.eachPair(text, yield); !goOn {
			return false
		}
	}
	if k.oneBit {
		return k.eachByOne(text, p, yield)
	}
	return k.eachByTwo(text, p, yield)
}

// eachByOne does the work of each from p on where each gram sets one bit.
func (k *searchClass) eachByOne(text []byte, p int, yield func(hit) bool) bool {
	mask, fold, bloom, shift, step := k.mask, k.fold, k.bloom, k.bloomShift&63, k.step
	// Four at a time do not wait for each other; hardly ever does the filter say yes to one.
	for ; p+3*step+8 <= len(text); p += 4 * step {
		t := text[p:]
		a := ((binary.LittleEndian.Uint64(t) | fold) & mask) * hashFactor
		b := ((binary.LittleEndian.Uint64(t[step:]) | fold) & mask) * hashFactor
		c := ((binary.LittleEndian.Uint64(t[2*step:]) | fold) & mask) * hashFactor
		d := ((binary.LittleEndian.Uint64(t[3*step:]) | fold) & mask) * hashFactor
		if (bloom[a>>shift]>>(a>>20&63)|bloom[b>>shift]>>(b>>20&63)|bloom[c>>shift]>>(c>>20&63)|bloom[d>>shift]>>(d>>20&63))&1 == 0 {
			continue
		}
		for i, h := range [...]uint64{a, b, c, d} {
			if bloom[h>>shift]>>(h>>20&63)&1 != 0 && !k.verify(text, p+i*step, yield) {
				return false
			}
		}
	}
	for ; p+8 <= len(text); p += step {
		h := ((binary.LittleEndian.Uint64(text[p:]) | fold) & mask) * hashFactor
		if bloom[h>>shift]>>(h>>20&63)&1 != 0 && !k.verify(text, p, yield) {
			return false
		}
	}
	for ; p+k.gram <= len(text); p += step {
		h := k.load(text, p) * hashFactor
		if bloom[h>>shift]&oneBit(h) != 0 && !k.verify(text, p, yield) {
			return false
		}
	}
	return true
}

// eachByTwo does the same where each gram sets two.
func (k *searchClass) eachByTwo(text []byte, p int, yield func(hit) bool) bool {
	mask, fold, bloom, shift, step := k.mask, k.fold, k.bloom, k.bloomShift&63, k.step
	for ; p+8 <= len(text); p += step {
		h := ((binary.LittleEndian.Uint64(text[p:]) | fold) & mask) * hashFactor
		if b := bloomBits(h); bloom[h>>shift]&b == b && !k.verify(text, p, yield) {
			return false
		}
	}
	for ; p+k.gram <= len(text); p += step {
		h := k.load(text, p) * hashFactor
		if b := bloomBits(h); bloom[h>>shift]&b == b && !k.verify(text, p, yield) {
			return false
		}
	}
	return true
}

// eachPair does the work of each for one short pattern, up to the last bytes: it gives the
// place from which on they are.
func (k *searchClass) eachPair(text []byte, yield func(hit) bool) (int, bool) {
	a, b, c, fold := k.pair.bytes[0], k.pair.bytes[1], k.pair.bytes[2], k.fold
	p := 0
	for ; p+10 <= len(text); p += 8 {
		t := text[p : p+10 : p+10]
		z := (binary.LittleEndian.Uint64(t) | fold) ^ a
		z |= (binary.LittleEndian.Uint64(t[1:]) | fold) ^ b
		switch {
		case k.pair.two:
		case k.pair.digit:
			z |= binary.LittleEndian.Uint64(t[2:])&(0xf0*everyByte) ^ 0x30*everyByte
		default:
			z |= (binary.LittleEndian.Uint64(t[2:]) | fold) ^ c
		}
		// Sets the high bit of bytes that are zero, and of some behind one.
		z = (z - everyByte) &^ z & (0x80 * everyByte)
		for ; z != 0; z &= z - 1 {
			at := p + bits.TrailingZeros64(z)/8
			if at+k.gram > len(text) {
				break // three bytes of four stand at the very end
			}
			if !k.verify(text, at, yield) {
				return 0, false
			}
		}
	}
	return p, true
}

// verify reports the patterns that have the gram at p among those from their anchor on.
func (k *searchClass) verify(text []byte, p int, yield func(hit) bool) bool {
	for at := p; at > p-k.step && at >= 0; at-- {
		first := k.load(text, at)
		for i := k.table[first*hashFactor>>k.tableShift]; i > 0; i = k.next[i-1] {
			pat, s := k.patterns[i-1], at-k.anchors[i-1]
			if k.firsts[i-1] == first && s >= 0 && len(pat) <= len(text)-s && k.equal(text[s:], i-1) &&
				!yield(hit{int(k.owners[i-1]), s, s + len(pat)}) {
				return false
			}
		}
	}
	return true
}

// isStatus says whether behind the first digit of a status come the others, and no more.
func isStatus(rest []byte) bool {
	digit := func(i int) bool { return i < len(rest) && rest[i] >= '0' && rest[i] <= '9' }
	return digit(0) && digit(1) && !digit(2)
}

// equal says whether text begins with the pattern i, which is not longer.
func (k *searchClass) equal(text []byte, i int32) bool {
	pat := k.patterns[i]
	if k.literals == nil {
		return string(text[:len(pat)]) == pat
	}
	l := &k.literals[i]
	if !l.Fold {
		return string(text[:len(pat)]) == pat && (!l.Status || isStatus(text[len(pat):]))
	}
	for j := range len(pat) {
		c := text[j]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != pat[j] {
			return false
		}
	}
	return true
}

// any says whether a pattern occurs in text.
func (s *search) any(text []byte) bool {
	found := false
	s.each(text, func(hit) bool { found = true; return false })
	return found
}

// onBoundaries says whether text[start:end] is a token of its own: no letter or
// digit stands beside it. The letter of an escape such as \n, as in JSON, is none.
func onBoundaries(text []byte, start, end int) bool {
	if end < len(text) && isAlnum(text[end]) {
		return false
	}
	if start == 0 || !isAlnum(text[start-1]) {
		return true
	}
	return start >= 2 && text[start-2] == '\\' && (text[start-1] == 'n' || text[start-1] == 'r' || text[start-1] == 't')
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
