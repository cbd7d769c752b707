package format

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// A step is what of an expression is done at once: it notes where it begins, takes the bytes of which its op tells, notes where
// they end, and takes a text. Each of that but the op may be missing. Log lines are fields with a text behind each: most are one step.
type step struct {
	op          stepOp
	n, y        uint8 // the slots in which its beginning and the end of its bytes are noted
	until       bool  // set is all bytes but those of stop and stop2
	min, max    int32 // max < 0: no bound
	then        *step
	set         *[256]bool
	lead        *[256]bool  // of one byte that may stand before a run
	lit         string      // the text behind its bytes
	word, mask  uint64      // the first eight bytes of lit, and which of them there are
	stop, stop2 uint64      // each eight times
	next        *[257]uint8 // inst.next
	other       *step       // of a split
	ranges      []byteRange // of stepSeq; nil: sets tell
	sets        []*[256]bool
	noted       []uint8 // of a choice: the slots that may be noted from here on
}

type stepOp uint8

const (
	stepText  stepOp = iota // no bytes
	stepRun                 // at least min bytes of set, all that there are: what follows cannot begin so
	stepSome                // likewise, at most max
	stepUntil               // likewise all up to stop or stop2
	stepSeq                 // one byte of each of sets
	stepRune                // one rune: of set if it is ASCII, else any
	stepMost                // min to max bytes of set, as many as will do
	stepLeast               // as few as will do
	stepSplit               // then, or other
	stepBegin               // the beginning of the text
	stepEnd                 // the end of the text
	stepWord                // a word's boundary
	stepMatch               // nothing is left to do
)

// A byteRange says of eight bytes of a text at once whether each is in a range of ASCII.
type byteRange struct {
	at   int    // the first of them
	low  uint64 // the least of each
	high uint64 // 127 less the greatest of each
	mask uint64 // the high bits of those that are asked for
}

func (r *byteRange) holds(w uint64) bool {
	// No byte of the sums is carried into the next one unless it is beyond ASCII itself.
	return (w|(w+r.high)|^((w|highs)-r.low))&r.mask == 0
}

// maxSlots is the number of places that a match notes; spare is the one of which nothing is asked.
const (
	maxSlots = 256
	spare    = maxSlots - 1
)

// nowhere are the places of groups that are not in a match.
var nowhere = func() (t [maxSlots]int) {
	for i := range t {
		t[i] = -1
	}
	return t
}()

// A matching is the memory of one match, to be used again. The zero value is ready.
type matching struct {
	loc   [maxSlots]int // the places of the groups, as package regexp gives them
	void  [maxSlots]int // for those that nobody asks for
	stack []choice
}

// A choice is a step that can be done in another way if what follows it fails.
type choice struct {
	step *step
	from int // where it began
	pos  int // where its bytes end
}

// notesAgain says whether a group stands inside of a loop: the places that a choice would have to bring back are not known beforehand.
func (c *exprCompiler) notesAgain() bool {
	for pc, i := range c.prog {
		if i.op == instJump && int(i.x) <= pc {
			for _, in := range c.prog[i.x:pc] {
				if in.op == instSave {
					return true
				}
			}
		}
	}
	return false
}

// steps makes the steps of a program.
func (c *exprCompiler) steps() []step {
	target := make([]bool, len(c.prog)+1)
	for _, i := range c.prog {
		switch i.op {
		case instSplit:
			target[i.x], target[i.y] = true, true
		case instJump:
			target[i.x] = true
		}
	}
	type link struct{ then, other int32 } // instructions
	var (
		out   []step
		links []link
		made  = make([]int32, len(c.prog)) // the steps that begin with an instruction
	)
	for pc := 0; pc < len(c.prog); {
		made[pc] = int32(len(out))
		i := &c.prog[pc]
		l := link{then: int32(pc) + 1}
		switch i.op {
		case instJump: // those that lead to it go on where it goes
			pc++
			continue
		case instSplit:
			out = append(out, step{op: stepSplit, next: i.next})
			l = link{i.x, i.y}
			pc++
		case instBegin, instEnd, instWord, instMatch:
			op := map[instOp]stepOp{instBegin: stepBegin, instEnd: stepEnd, instWord: stepWord, instMatch: stepMatch}[i.op]
			out = append(out, step{op: op})
			pc++
		default:
			f, n := c.field(pc, target)
			out = append(out, f)
			pc += n
			l.then = int32(pc)
		}
		links = append(links, l)
	}
	to := func(pc int32) *step {
		for c.prog[pc].op == instJump {
			pc = c.prog[pc].x
		}
		return &out[made[pc]]
	}
	for k, l := range links {
		i := &out[k]
		if i.op != stepMatch {
			i.then = to(l.then)
		}
		if i.op == stepSplit {
			i.other = to(l.other)
		}
	}
	for k := range out {
		if i := &out[k]; i.op == stepSplit || i.op == stepMost || i.op == stepLeast {
			i.noted = i.notes()
		}
	}
	return out
}

// field makes the step that begins at pc; n is of how many instructions.
func (c *exprCompiler) field(pc int, target []bool) (f step, n int) {
	at := func() *inst {
		if k := pc + n; n == 0 || !target[k] {
			return &c.prog[k]
		}
		return &inst{op: instMatch}
	}
	note := func() uint8 {
		if i := at(); i.op == instSave {
			n++
			return uint8(i.n)
		}
		return spare
	}
	from := note()
	if i := at(); i.until {
		f.until, f.stop, f.stop2 = true, ones*uint64(i.stop), ones*uint64(i.stop2)
	}
	switch i := at(); {
	case i.op == instRune:
		f = step{op: stepRune, set: i.set}
		n++
	case i.op == instLit && from == spare && !c.sequence(pc+n+1, target):
		// A text alone is that of a step without bytes.
	case i.bytes() != nil:
		f = step{op: stepSeq}
		for {
			f.sets = append(f.sets, at().bytes()...)
			n++
			if len(f.sets) >= 64 || !c.sequence(pc+n, target) {
				break
			}
		}
		f.min, f.ranges = int32(len(f.sets)), rangesOf(f.sets)
	case i.op == instLazy:
		f = step{op: stepLeast, set: i.set, min: i.min, max: i.max, next: i.next}
		n++
	case i.op == instRun && !i.sure:
		f.op, f.set, f.min, f.max, f.next = stepMost, i.set, i.min, i.max, i.next
		n++
	case i.op == instRun:
		n++
		if then := at(); then.op == instRun && then.sure && i.min == 0 && i.max == 1 && !i.until && then.bytes() == nil {
			f.lead, i = i.set, then
			n++
		}
		f.op, f.set, f.min, f.max = stepRun, i.set, i.min, i.max
		if i.until && f.lead == nil {
			f.op = stepUntil
		} else if i.max >= 0 {
			f.op = stepSome
		}
	}
	f.n, f.y = from, note()
	if i := at(); i.op == instLit {
		f.lit = i.lit
		n++
		for k := range min(len(f.lit), 8) {
			f.word |= uint64(f.lit[k]) << (8 * k)
			f.mask |= 0xff << (8 * k)
		}
	}
	return f, n
}

// sequence says whether the instruction at pc goes on with a sequence of bytes.
func (c *exprCompiler) sequence(pc int, target []bool) bool {
	return pc < len(c.prog) && !target[pc] && c.prog[pc].bytes() != nil
}

// bytes gives the sets of an instruction that takes a fixed number of bytes; nil if it
// is none or takes many.
func (i *inst) bytes() []*[256]bool {
	switch {
	case i.op == instSet:
		return []*[256]bool{i.set}
	case i.op == instLit && len(i.lit) <= 16:
		var out []*[256]bool
		for k := range len(i.lit) {
			set := new([256]bool)
			set[i.lit[k]] = true
			out = append(out, set)
		}
		return out
	case i.op == instRun && i.min == i.max && i.min > 0 && i.min <= 16:
		return slices.Repeat([]*[256]bool{i.set}, int(i.min))
	}
	return nil
}

// rangesOf gives sets as ranges; nil if some is none of ASCII.
func rangesOf(sets []*[256]bool) []byteRange {
	var out []byteRange
	for at := 0; at < len(sets); at += 8 {
		if len(sets) >= 8 {
			at = min(at, len(sets)-8) // the last eight, some of them once more
		}
		r := byteRange{at: at}
		for k, set := range sets[at:min(at+8, len(sets))] {
			low, high := -1, -1
			for b, in := range set {
				switch {
				case !in:
				case low < 0:
					low, high = b, b
				case high == b-1:
					high = b
				default:
					return nil
				}
			}
			if low < 0 || high >= utf8.RuneSelf {
				return nil
			}
			r.low |= uint64(low) << (8 * k)
			r.high |= uint64(127-high) << (8 * k)
			r.mask |= 0x80 << (8 * k)
		}
		out = append(out, r)
	}
	return out
}

// notes gives the slots that may be noted from the step on.
func (i *step) notes() []uint8 {
	var out []uint8
	in := map[uint8]bool{spare: true}
	seen := map[*step]bool{nil: true}
	var walk func(i *step)
	walk = func(i *step) {
		for ; !seen[i]; i = i.then {
			seen[i] = true
			for _, slot := range [...]uint8{i.n, i.y} {
				if i.op < stepSplit && !in[slot] {
					in[slot] = true
					out = append(out, slot)
				}
			}
			walk(i.other)
		}
	}
	walk(i)
	return out
}

// run tries to match at one place of s; it gives the place of the match's end.
func (e *expr) run(s string, pos int, m *matching, loc *[maxSlots]int, left *int) int {
	i := &e.steps[0]
	stack := m.stack[:0]
	for {
		var from int
		i, from, pos = i.straight(s, pos, loc, left)
		switch {
		case *left < 0:
			return tooManySteps
		case i == nil: // back to the last choice
		case i.op == stepMatch:
			m.stack = stack
			return pos
		default:
			stack = append(stack, choice{i, from, pos})
			i, pos = i.do(from, pos, loc)
			continue
		}
		for i == nil {
			if len(stack) == 0 {
				m.stack = stack
				return noMatch
			}
			t := &stack[len(stack)-1]
			i, pos = t.step, t.pos
			last := false // whether there is no further way
			switch i.op {
			case stepSplit:
				last = true
			case stepMost:
				least := t.from + int(i.min)
				pos = i.shorter(s, pos-1, least)
				*left -= t.pos - pos
				last = pos <= least
				if pos < least {
					i = nil
				}
			case stepLeast:
				more := false
				if lim := i.limit(s, t.from); pos < lim && i.set[s[pos]] {
					pos, more = i.longer(s, pos+1, lim)
				}
				*left -= pos - t.pos
				if !more {
					i, last = nil, true
				}
			}
			t.pos, from = pos, t.from
			if last {
				stack = stack[:len(stack)-1]
			}
		}
		if loc != &m.void {
			for _, slot := range i.noted {
				loc[slot] = -1
			}
		}
		if i.op == stepSplit {
			i = i.other
		} else {
			i, pos = i.do(from, pos, loc)
		}
	}
}

// do finishes a step, or goes the first way of a split: its bytes stand from from to pos, and its text is known to follow.
func (i *step) do(from, pos int, loc *[maxSlots]int) (*step, int) {
	if i.op != stepSplit {
		loc[i.n], loc[i.y] = from, pos
		pos += len(i.lit)
	}
	return i.then, pos
}

// straight does steps as long as there is one way to go. It gives the step at which there are several, or that of the match,
// with the place where the step began and that where its bytes end in the way that is to be tried first; nil if nothing matches.
func (i *step) straight(s string, pos int, loc *[maxSlots]int, left *int) (at *step, from, end int) {
	steps := *left
	for {
		steps--
		from := pos
		switch i.op {
		case stepText:
		case stepRun:
			start := pos
			if lead := i.lead; lead != nil && uint(pos) < uint(len(s)) && lead[s[pos]] {
				start++
				pos++
			}
			set := i.set
			for uint(pos) < uint(len(s)) && set[s[pos]] {
				pos++
			}
			if pos-start < int(i.min) {
				*left = steps
				return nil, from, pos
			}
		case stepUntil:
			if len(s)-pos < 8 {
				pos = skipTo(s, pos, byte(i.stop), byte(i.stop2))
			} else if w := wordAt(s, pos); zeros(w^i.stop)|zeros(w^i.stop2) != 0 {
				pos += bits.TrailingZeros64(zeros(w^i.stop)|zeros(w^i.stop2)) / 8
			} else {
				pos = skipTo(s, pos+8, byte(i.stop), byte(i.stop2))
			}
			if pos-from < int(i.min) {
				*left = steps
				return nil, from, pos
			}
		case stepSome:
			start := pos
			if lead := i.lead; lead != nil && uint(pos) < uint(len(s)) && lead[s[pos]] {
				start++
				pos++
			}
			set, end := i.set, min(len(s), pos+int(i.max))
			for uint(pos) < uint(end) && set[s[pos]] {
				pos++
			}
			if pos-start < int(i.min) {
				*left = steps
				return nil, from, pos
			}
		case stepSeq:
			if !i.sequence(s, pos) {
				*left = steps
				return nil, from, pos
			}
			pos += int(i.min)
		case stepSplit:
			b := 256
			if uint(pos) < uint(len(s)) {
				b = int(s[pos])
			}
			switch i.next[b] {
			case 1:
				i = i.then
				continue
			case 2:
				i = i.other
				continue
			case 3:
				*left = steps
				return i, from, pos
			}
			*left = steps
			return nil, from, pos
		case stepMost:
			end := i.most(s, pos)
			least := pos + int(i.min)
			if end < least {
				*left = steps
				return nil, from, pos
			}
			if pos = end; pos > least && i.min != i.max {
				if pos = i.shorter(s, end, least); pos < least {
					*left = steps
					return nil, from, pos
				}
				if pos > least {
					*left = steps
					return i, from, pos
				}
			}
		case stepLeast:
			for range i.min {
				if pos >= len(s) || !i.set[s[pos]] {
					*left = steps
					return nil, from, pos
				}
				pos++
			}
			lim, ok := i.limit(s, from), false
			if pos, ok = i.longer(s, pos, lim); !ok {
				*left = steps
				return nil, from, pos
			}
			if pos < lim && i.set[s[pos]] {
				*left = steps
				return i, from, pos
			}
		case stepRune:
			if pos >= len(s) || !i.set[s[pos]] {
				*left = steps
				return nil, from, pos
			}
			size := 1
			if s[pos] >= utf8.RuneSelf {
				_, size = utf8.DecodeRuneInString(s[pos:])
			}
			pos += size
		case stepMatch:
			*left = steps
			return i, from, pos
		default:
			if !i.stands(s, pos) {
				*left = steps
				return nil, from, pos
			}
			i = i.then
			continue
		}
		if mask := i.mask; mask != 0 {
			if size := len(i.lit); size <= 8 && len(s)-pos >= 8 { // as it mostly is
				if (wordAt(s, pos)^i.word)&mask != 0 {
					*left = steps
					return nil, from, pos
				}
			} else if !i.follows(s, pos) {
				*left = steps
				return nil, from, pos
			}
		}
		loc[i.n], loc[i.y] = from, pos
		pos += len(i.lit)
		i = i.then
	}
}

// follows says whether the step's text stands at a place of s.
func (i *step) follows(s string, pos int) bool {
	if len(s)-pos >= 8 {
		return (wordAt(s, pos)^i.word)&i.mask == 0 && (len(i.lit) <= 8 || strings.HasPrefix(s[pos+8:], i.lit[8:]))
	}
	return strings.HasPrefix(s[pos:], i.lit)
}

// zeros gives the high bits of the bytes of w that are zero; above the lowest of them there may be others.
func zeros(w uint64) uint64 { return (w - ones) &^ w & highs }

// wordAt gives the eight bytes of s at i, of which none must be beyond its end.
func wordAt(s string, i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(unsafe.Pointer(unsafe.StringData(s)), i))[:])
}

// sequence says whether a byte of each set stands at a place of s.
func (i *step) sequence(s string, pos int) bool {
	left := len(s) - pos
	switch {
	case left < len(i.sets):
		return false
	case i.ranges != nil && left >= 8:
		for k := range i.ranges {
			if r := &i.ranges[k]; !r.holds(wordAt(s, pos+r.at)) {
				return false
			}
		}
		return true
	}
	for k, set := range i.sets {
		if !set[s[pos+k]] {
			return false
		}
	}
	return true
}

// stands says whether a place of s is what the step asks for.
func (i *step) stands(s string, pos int) bool {
	switch i.op {
	case stepBegin:
		return pos == 0
	case stepEnd:
		return pos == len(s)
	}
	before := pos > 0 && isWord(s[pos-1])
	after := pos < len(s) && isWord(s[pos])
	return before != after
}

// most gives the end of the longest run at a place of s.
func (i *step) most(s string, pos int) int {
	if i.until {
		return skipTo(s, pos, byte(i.stop), byte(i.stop2))
	}
	end := len(s)
	if i.max >= 0 {
		end = min(end, pos+int(i.max))
	}
	for pos < end && i.set[s[pos]] {
		pos++
	}
	return pos
}

// limit gives the greatest end of a run that began at from.
func (i *step) limit(s string, from int) int {
	if i.max >= 0 {
		return min(len(s), from+int(i.max))
	}
	return len(s)
}

// mayEnd says whether what follows a run may begin at a place of s: the step's text, if it has one, else by the next byte.
func (i *step) mayEnd(s string, pos int) bool {
	if i.mask != 0 {
		return i.follows(s, pos)
	}
	if pos == len(s) {
		return i.next[256] != 0
	}
	return i.next[s[pos]] != 0 && utf8.RuneStart(s[pos])
}

// shorter gives the last place from pos back to least at which the step's run may end; one less than least if there is none.
func (i *step) shorter(s string, pos, least int) int {
	if len(i.lit) == 1 {
		c := i.lit[0]
		for pos = min(pos, len(s)-1); pos >= least && s[pos] != c; pos-- {
		}
		return pos
	}
	for pos >= least && !i.mayEnd(s, pos) {
		pos--
	}
	return pos
}

// longer gives the first place from pos on, over bytes of the step's set, at which its run may end.
func (i *step) longer(s string, pos, lim int) (int, bool) {
	for !i.mayEnd(s, pos) {
		if pos >= lim || !i.set[s[pos]] {
			return pos, false
		}
		pos++
	}
	return pos, true
}
