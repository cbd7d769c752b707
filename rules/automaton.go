package rules

import (
	"encoding/binary"
	"regexp"
	"regexp/syntax"
	"slices"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// An automaton tells which of many expressions match a text, in one pass over it that takes the same time however many there
// are and whatever else the text holds. It is a deterministic one of which those states are made that texts lead to
// (Thompson, Programming Techniques: Regular expression search algorithm, CACM 1968; Cox, Regular Expression Matching in the
// Wild, 2010): like texts lead to the same ones. It reads ASCII alone. It is safe for concurrent use.
type automaton struct {
	insts []syntax.Inst // of all expressions, with places in this list
	owner []int32       // by instruction, the place of its expression
	// begin are the instructions at which expressions wait for a byte before they have seen one, atBegin those that match as they begin.
	begin, atBegin []int32

	mu     sync.RWMutex
	next   []uint16 // by state and byte: 0 if it is not made yet, else one more than the state, with automatonHits if that has hits
	states []automatonState
	known  map[string]uint16
	starts map[uint16]*automatonStep // by what stands before and by byte: what expressions that begin there make of it

	// Room for making a state.
	before, after marks
	room          []byte
}

// An automatonState is where all expressions are after some bytes.
type automatonState struct {
	waits []int32 // instructions that wait for a byte or for what stands next, but for those of begin
	hits  []int32 // expressions that match as it is entered
	last  byte    // a byte of the kind that was read last
	fresh bool    // none was
	ended bool    // ends is known
	ends  []int32 // expressions that match if the text ends here
}

// An automatonStep is what a byte leads to.
type automatonStep struct{ waits, hits []int32 }

// Bounds: an automaton takes longer to make than few texts take to be searched without one, and one of too many states makes no more of them.
const (
	automatonFrom = 1000  // texts
	automatonMost = 16384 // states
	automatonHits = 1 << 15
)

// marks are a set of instructions that is emptied at once.
type marks struct {
	at    []uint32
	round uint32
}

func (m *marks) clear(n int) {
	if m.round++; len(m.at) < n || m.round == 0 {
		m.at, m.round = make([]uint32, n), 1
	}
}

func (m *marks) add(i int32) bool {
	if m.at[i] == m.round {
		return false
	}
	m.at[i] = m.round
	return true
}

// newAutomaton makes an automaton of expressions; nil if one of them is none.
func newAutomaton(expressions []string) *automaton {
	a := &automaton{known: map[string]uint16{}, starts: map[uint16]*automatonStep{}}
	var begins []int32
	for i, e := range expressions {
		re, err := syntax.Parse(e, syntax.Perl)
		if err != nil {
			return nil
		}
		prog, err := syntax.Compile(re.Simplify())
		if err != nil {
			return nil
		}
		offset := uint32(len(a.insts))
		begins = append(begins, int32(prog.Start)+int32(offset))
		for _, x := range prog.Inst {
			x.Out += offset
			if x.Op == syntax.InstAlt || x.Op == syntax.InstAltMatch {
				x.Arg += offset
			}
			a.insts = append(a.insts, x)
			a.owner = append(a.owner, int32(i))
		}
	}
	a.before.clear(len(a.insts))
	for _, b := range begins {
		a.begin, a.atBegin = a.follow(b, &a.before, 0, a.begin, a.atBegin)
	}
	a.enter(automatonState{hits: a.atBegin, fresh: true})
	return a
}

// follow goes on from an instruction without reading: it appends where a byte is waited for, or what stands next if that
// is not among what is known to hold there, and what matches.
func (a *automaton) follow(i int32, seen *marks, holds syntax.EmptyOp, waits, hits []int32) ([]int32, []int32) {
	if !seen.add(i) {
		return waits, hits
	}
	x := &a.insts[i]
	switch x.Op {
	case syntax.InstAlt, syntax.InstAltMatch:
		waits, hits = a.follow(int32(x.Out), seen, holds, waits, hits)
		return a.follow(int32(x.Arg), seen, holds, waits, hits)
	case syntax.InstCapture, syntax.InstNop:
		return a.follow(int32(x.Out), seen, holds, waits, hits)
	case syntax.InstEmptyWidth:
		if syntax.EmptyOp(x.Arg)&^holds == 0 {
			return a.follow(int32(x.Out), seen, holds, waits, hits)
		}
		return append(waits, i), hits
	case syntax.InstMatch:
		return waits, append(hits, a.owner[i])
	case syntax.InstFail:
		return waits, hits
	}
	return append(waits, i), hits
}

// read gives what instructions that wait make of a rune between two others; of -1 what they make of the end of the text.
func (a *automaton) read(waits []int32, last, r rune) automatonStep {
	var out automatonStep
	holds := syntax.EmptyOpContext(last, r)
	a.before.clear(len(a.insts))
	a.after.clear(len(a.insts))
	var ready []int32
	for _, i := range waits {
		ready, out.hits = a.follow(i, &a.before, holds, ready, out.hits)
	}
	for _, i := range ready {
		if x := &a.insts[i]; r >= 0 && x.Op != syntax.InstEmptyWidth && x.MatchRune(r) {
			out.waits, out.hits = a.follow(int32(x.Out), &a.after, 0, out.waits, out.hits)
		}
	}
	return out
}

// rune gives what was read last.
func (s *automatonState) rune() rune {
	if s.fresh {
		return -1
	}
	return rune(s.last)
}

// kindOf gives one byte for all that are alike to what asks for what stands before.
func kindOf(c byte) byte {
	switch {
	case c == '\n':
		return '\n'
	case syntax.IsWordChar(rune(c)):
		return 'a'
	}
	return ' '
}

// started gives what expressions make of a byte that begin at it.
func (a *automaton) started(s *automatonState, c byte) *automatonStep {
	key := uint16(s.last)<<8 | uint16(c)
	if s.fresh {
		key = 1<<15 | uint16(c)
	}
	if a.starts[key] == nil {
		made := a.read(a.begin, s.rune(), rune(c))
		made.hits = append(made.hits, a.atBegin...)
		a.starts[key] = &made
	}
	return a.starts[key]
}

// make makes the state to which a byte leads from one; false if there are too many.
func (a *automaton) make(from uint16, c byte) (uint16, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if made := a.next[int(from)<<7|int(c)]; made != 0 {
		return made, true
	}
	s := &a.states[from]
	begun, went := a.started(s, c), a.read(s.waits, s.rune(), rune(c))
	to := automatonState{waits: ordered(append(went.waits, begun.waits...)), hits: ordered(append(went.hits, begun.hits...)), last: kindOf(c)}
	at, ok := a.enter(to)
	if ok {
		a.next[int(from)<<7|int(c)] = at
	}
	return at, ok
}

func ordered(s []int32) []int32 {
	slices.Sort(s)
	return slices.Clip(slices.Compact(s))
}

// enter gives the place of a state as next has it; false if there are too many.
func (a *automaton) enter(s automatonState) (uint16, bool) {
	key := append(a.room[:0], s.last, bit(s.fresh))
	key = binary.AppendUvarint(key, uint64(len(s.hits)))
	for _, i := range s.hits {
		key = binary.AppendUvarint(key, uint64(i))
	}
	for _, i := range s.waits {
		key = binary.AppendUvarint(key, uint64(i))
	}
	a.room = key
	if at, ok := a.known[string(key)]; ok {
		return at, true
	}
	if len(a.states) == automatonMost {
		return 0, false
	}
	a.states = append(a.states, s)
	a.next = append(a.next, make([]uint16, utf8.RuneSelf)...)
	at := uint16(len(a.states))
	if len(s.hits) > 0 {
		at |= automatonHits
	}
	a.known[string(key)] = at
	return at, true
}

// end gives the expressions that match if the text ends in a state.
func (a *automaton) end(at uint16) []int32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.states[at]
	if !s.ended {
		s.ended = true
		s.ends = ordered(append(a.read(s.waits, s.rune(), -1).hits, a.read(a.begin, s.rune(), -1).hits...))
	}
	return s.ends
}

// find appends the places of the expressions that match a text, in order; false if it cannot tell.
func (a *automaton) find(text string, found []int32) ([]int32, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	at, next := uint16(0), a.next
	found = append(found, a.states[0].hits...)
	for i := range len(text) {
		c := text[i]
		if c >= utf8.RuneSelf {
			return found, false
		}
		to := next[int(at)<<7|int(c)]
		if to == 0 {
			a.mu.RUnlock()
			made, ok := a.make(at, c)
			a.mu.RLock()
			if !ok {
				return found, false
			}
			to, next = made, a.next
		}
		at = to&^automatonHits - 1
		if to&automatonHits != 0 {
			found = append(found, a.states[at].hits...)
		}
	}
	s := &a.states[at]
	ended, ends := s.ended, s.ends
	if !ended {
		a.mu.RUnlock()
		ends = a.end(at)
		a.mu.RLock()
	}
	if found = append(found, ends...); len(found) > 1 {
		slices.Sort(found)
		found = slices.Compact(found)
	}
	return found, true
}

// A lazyAutomaton is one that is made when many texts have been searched.
type lazyAutomaton struct {
	texts atomic.Int64
	once  sync.Once
	made  *automaton
}

// get gives the automaton of signals if there is one yet.
func (l *lazyAutomaton) get(all []textSignal) *automaton {
	if l.texts.Load() < automatonFrom {
		l.texts.Add(1)
		return nil
	}
	l.once.Do(func() { l.made = newAutomaton(patterns(all)) })
	return l.made
}

// patterns gives the expressions of signals.
func patterns(all []textSignal) []string {
	out := make([]string, len(all))
	for i := range all {
		if out[i] = all[i].signal.Pattern; all[i].re == nil {
			out[i] = regexp.QuoteMeta(out[i])
		}
	}
	return out
}
