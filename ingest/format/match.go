package format

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"
	"unsafe"
)

// An expr is a regular expression in Go's syntax and with Go's meaning (the leftmost
// match, earlier alternatives and greedy repeats preferred), made for log lines: they
// are matched byte by byte, and a choice is remembered only where the next byte does
// not decide it. Where an expression is beyond that (an assertion in the middle of a
// word, a class with some letters outside of ASCII), and where a text would make it
// try too many ways, package regexp does the work.
//
// An expr is safe for concurrent use. One of [lazyExpr] is compiled when a text comes that
// its must does not exclude.
type expr struct {
	text string
	must string // stands in every match
	once sync.Once
	err  error

	// Of the compiled expression, ready when once is done:

	names []string // of the groups; names[0] is ""
	prog  []inst
	steps []step // which do what prog says; nil: package regexp matches
	// anchored: a match begins where the text begins.
	anchored bool
	first    *[256]bool // what a match can begin with; nil: it may be of nothing at all
	slow     func() *regexp.Regexp

	// head is what a match begins with once that is known, if the expression is anchored. Until then asked counts how
	// often a text was looked through for must.
	head  atomic.Pointer[exprHead]
	asked atomic.Int32
}

// An exprHead says which bytes can stand in the first places of a match.
type exprHead struct {
	n   int        // so many places, at least one; a match has as many bytes
	set [256]uint8 // bit k: the byte can stand in place k
}

// excludes says whether no match begins as s does.
func (h *exprHead) excludes(s string) bool {
	if len(s) < h.n {
		return true
	}
	if h.n == 8 {
		s = s[:8]
		return h.set[s[0]]&1|h.set[s[1]]&2|h.set[s[2]]&4|h.set[s[3]]&8|h.set[s[4]]&16|h.set[s[5]]&32|h.set[s[6]]&64|h.set[s[7]]&128 != 255
	}
	for k := range h.n {
		if h.set[s[k]]>>k&1 == 0 {
			return true
		}
	}
	return false
}

// askedEnough is after how many looks for its must an expression is compiled for its first bytes, which tell
// as much faster.
const askedEnough = 1000

// compileExpr reads an expression. The error is that of package regexp, without its
// own beginning.
func compileExpr(text string) (*expr, error) {
	e := &expr{text: text}
	e.once.Do(e.compile)
	if e.err != nil {
		return nil, e.err
	}
	e.must = mustOf(text)
	return e, nil
}

// lazyExpr gives an expression that is known to be right; must stands in all its matches,
// "" if that is not known.
func lazyExpr(text, must string) *expr {
	return &expr{text: text, must: must}
}

func (e *expr) ready() {
	e.once.Do(e.compile)
	if e.err != nil {
		panic(fmt.Sprintf("expression %q: %v", e.text, e.err))
	}
}

func (e *expr) compile() {
	re, err := syntax.Parse(e.text, syntax.Perl)
	if err != nil {
		e.err = fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return
	}
	e.names = make([]string, re.MaxCap()+1)
	copy(e.names, re.CapNames())
	e.slow = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(e.text) })
	c := &exprCompiler{}
	if c.emit(re); c.failed || len(c.prog) > 1<<14 || 2*len(e.names) > spare || c.notesAgain() {
		return
	}
	c.add(inst{op: instMatch})
	c.analyse()
	c.share()
	e.anchored = c.prog[0].op == instBegin
	if f := c.firsts[0]; !f.end {
		e.first = &f.set
		if e.anchored {
			e.head.Store(c.head())
		}
	}
	e.prog, e.steps = c.prog, c.steps()
}

// groups gives the names of the groups, "" of those without.
func (e *expr) groups() []string {
	e.ready()
	return e.names
}

// group gives the number of the group of this name, -1 if there is none.
func (e *expr) group(name string) int {
	for i, n := range e.groups() {
		if i > 0 && n == name {
			return i
		}
	}
	return -1
}

type instOp uint8

const (
	instMatch instOp = iota
	instLit          // the text lit
	instSet          // one byte of set
	instRune         // one rune: of set if it is ASCII, else any
	instRun          // min to max bytes of set, as many as there are
	instLazy         // min to max bytes of set, as few as will do
	instSave         // notes the place in slot n
	instSplit        // x, else y
	instJump         // to x
	instBegin        // the beginning of the text
	instEnd          // the end of the text
	instWord         // a word's boundary
)

type inst struct {
	op       instOp
	sure     bool // instRun: nothing that follows can begin with a byte of set
	until    bool // instRun: set is all bytes but stop and stop2
	stop     byte
	stop2    byte
	x, y, n  int32
	min, max int32 // max < 0: no bound
	lit      string
	set      *[256]bool
	// next of a split: bit 0, x may go on with this byte; bit 1, y may; 256 is the
	// end of the text. Of a run that is not sure, bit 0: what follows may begin so.
	next *[257]uint8
}

// exprCompiler makes the program of an expression.
type exprCompiler struct {
	prog   []inst
	failed bool
	firsts map[int32]*first
}

func (c *exprCompiler) add(i inst) int32 {
	c.prog = append(c.prog, i)
	return int32(len(c.prog) - 1)
}

// classOf gives the bytes of a class; wide says that it has all runes beyond ASCII. It
// is not ok if it has some of them.
func classOf(re *syntax.Regexp) (set *[256]bool, wide, ok bool) {
	set = new([256]bool)
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		for i := range set {
			set[i] = true
		}
		if re.Op == syntax.OpAnyCharNotNL {
			set['\n'] = false
		}
		return set, true, true
	case syntax.OpLiteral:
		if len(re.Rune) != 1 || re.Rune[0] >= utf8.RuneSelf {
			return nil, false, false
		}
		setLetter(set, re.Rune[0], re.Flags&syntax.FoldCase != 0)
		return set, false, true
	case syntax.OpCharClass:
	default:
		return nil, false, false
	}
	for i := 0; i+1 < len(re.Rune); i += 2 {
		lo, hi := re.Rune[i], re.Rune[i+1]
		for r := lo; r <= hi && r < utf8.RuneSelf; r++ {
			set[r] = true
		}
		switch {
		case hi < utf8.RuneSelf:
		case lo <= utf8.RuneSelf && hi == utf8.MaxRune:
			wide = true
		case lo == hi && (lo == 'ſ' || lo == '\u212a'):
			// What (?i) adds to s and k: only ASCII is folded here.
		default:
			return nil, false, false
		}
	}
	if wide {
		for i := utf8.RuneSelf; i < 256; i++ {
			set[i] = true
		}
	}
	return set, wide, true
}

func setLetter(set *[256]bool, r rune, fold bool) {
	set[r] = true
	if l := r | 0x20; fold && l >= 'a' && l <= 'z' {
		set[l], set[l&^0x20] = true, true
	}
}

// nullable says whether re can match nothing.
func nullable(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral, syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL, syntax.OpNoMatch:
		return false
	case syntax.OpCapture, syntax.OpPlus:
		return nullable(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min == 0 || nullable(re.Sub[0])
	case syntax.OpConcat:
		for _, s := range re.Sub {
			if !nullable(s) {
				return false
			}
		}
		return true
	case syntax.OpAlternate:
		for _, s := range re.Sub {
			if nullable(s) {
				return true
			}
		}
		return false
	}
	return true
}

func (c *exprCompiler) emit(re *syntax.Regexp) {
	if c.failed {
		return
	}
	switch re.Op {
	case syntax.OpEmptyMatch:
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			c.add(inst{op: instLit, lit: string(re.Rune)})
			return
		}
		for _, r := range re.Rune {
			if r >= utf8.RuneSelf {
				c.failed = true
				return
			}
			set := new([256]bool)
			setLetter(set, r, true)
			c.add(inst{op: instSet, set: set})
		}
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		set, wide, ok := classOf(re)
		switch {
		case !ok:
			c.failed = true
		case wide:
			c.add(inst{op: instRune, set: set})
		default:
			c.add(inst{op: instSet, set: set})
		}
	case syntax.OpBeginText:
		c.add(inst{op: instBegin})
	case syntax.OpEndText:
		c.add(inst{op: instEnd})
	case syntax.OpWordBoundary:
		c.add(inst{op: instWord})
	case syntax.OpCapture:
		c.add(inst{op: instSave, n: int32(2 * re.Cap)})
		c.emit(re.Sub[0])
		c.add(inst{op: instSave, n: int32(2*re.Cap + 1)})
	case syntax.OpConcat:
		for _, s := range re.Sub {
			c.emit(s)
		}
	case syntax.OpAlternate:
		var ends []int32
		for i, s := range re.Sub {
			if i == len(re.Sub)-1 {
				c.emit(s)
				break
			}
			split := c.add(inst{op: instSplit})
			c.prog[split].x = int32(len(c.prog))
			c.emit(s)
			ends = append(ends, c.add(inst{op: instJump}))
			c.prog[split].y = int32(len(c.prog))
		}
		for _, e := range ends {
			c.prog[e].x = int32(len(c.prog))
		}
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		c.repeat(re)
	default:
		c.failed = true
	}
}

func (c *exprCompiler) repeat(re *syntax.Regexp) {
	lo, hi := 0, -1
	switch re.Op {
	case syntax.OpPlus:
		lo = 1
	case syntax.OpQuest:
		hi = 1
	case syntax.OpRepeat:
		lo, hi = re.Min, re.Max
	}
	lazy := re.Flags&syntax.NonGreedy != 0
	sub := re.Sub[0]
	if set, wide, ok := classOf(sub); ok && (!wide || lo <= 1 && hi < 0) {
		// Note: a run of a wide class counts bytes where package regexp counts runes;
		// that is the same for "one at least" and "any number".
		c.run(set, lo, hi, lazy)
		return
	}
	if nullable(sub) {
		c.failed = true // a loop over nothing
		return
	}
	if re.Op == syntax.OpRepeat {
		for range lo {
			c.emit(sub)
		}
		if hi < 0 {
			c.star(sub, lazy)
			return
		}
		if hi-lo > 64 {
			c.failed = true
			return
		}
		var splits []int32
		for range hi - lo {
			splits = append(splits, c.add(inst{op: instSplit}))
			c.emit(sub)
		}
		for _, s := range splits {
			c.choose(s, s+1, int32(len(c.prog)), lazy)
		}
		return
	}
	switch re.Op {
	case syntax.OpQuest:
		s := c.add(inst{op: instSplit})
		c.emit(sub)
		c.choose(s, s+1, int32(len(c.prog)), lazy)
	case syntax.OpPlus:
		c.emit(sub)
		c.star(sub, lazy)
	default:
		c.star(sub, lazy)
	}
}

// choose fills a split: to enter and to leave, in the order in which they are tried.
func (c *exprCompiler) choose(s, enter, leave int32, lazy bool) {
	if lazy {
		enter, leave = leave, enter
	}
	c.prog[s].x, c.prog[s].y = enter, leave
}

func (c *exprCompiler) run(set *[256]bool, lo, hi int, lazy bool) {
	op := instRun
	if lazy {
		op = instLazy
	}
	c.add(inst{op: op, set: set, min: int32(lo), max: int32(hi)})
}

// star makes a loop. Where one of its alternatives is a single byte of a class, as in
// (?:[^"\\]|\\.)*, and no other one begins so, the loop runs over such bytes at once.
func (c *exprCompiler) star(sub *syntax.Regexp, lazy bool) {
	var fast *[256]bool
	body := sub
	for body.Op == syntax.OpCapture && body.Name == "" && body.Cap == 0 {
		body = body.Sub[0]
	}
	if body.Op == syntax.OpAlternate && !lazy && len(body.Sub) == 2 {
		for i, alt := range body.Sub {
			set, _, ok := classOf(alt)
			other := body.Sub[1-i]
			if !ok || other.Op != syntax.OpConcat && other.Op != syntax.OpLiteral {
				continue
			}
			head := other
			if other.Op == syntax.OpConcat {
				head = other.Sub[0]
			}
			if head.Op == syntax.OpLiteral && head.Flags&syntax.FoldCase == 0 && head.Rune[0] < utf8.RuneSelf && !set[head.Rune[0]] {
				fast, body = set, other
			}
			break
		}
	}
	if fast != nil {
		c.run(fast, 0, -1, false)
	}
	s := c.add(inst{op: instSplit})
	c.emit(body)
	if fast != nil {
		c.run(fast, 0, -1, false)
	}
	c.add(inst{op: instJump, x: s})
	c.choose(s, s+1, int32(len(c.prog)), lazy)
}

// first is what can come next where a program stands: bytes, or the end of the text.
type first struct {
	set [256]bool
	end bool // a match may be had without any further byte
}

func (f *first) add(g *first) {
	for i, b := range g.set {
		f.set[i] = f.set[i] || b
	}
	f.end = f.end || g.end
}

func (f *first) addSet(s *[256]bool) {
	for i, b := range s {
		f.set[i] = f.set[i] || b
	}
}

// firstOf gives what can come next at pc, or more than that.
func (c *exprCompiler) firstOf(pc int32) *first {
	if f := c.firsts[pc]; f != nil {
		return f
	}
	f := &first{}
	seen := map[int32]bool{}
	var walk func(pc int32)
	walk = func(pc int32) {
		if seen[pc] {
			return
		}
		seen[pc] = true
		if g := c.firsts[pc]; g != nil {
			f.add(g)
			return
		}
		switch i := &c.prog[pc]; i.op {
		case instMatch:
			f.end = true
			for b := range f.set {
				f.set[b] = true
			}
		case instLit:
			f.set[i.lit[0]] = true
		case instSet, instRune:
			f.addSet(i.set)
		case instRun, instLazy:
			f.addSet(i.set)
			if i.min == 0 {
				walk(pc + 1)
			}
		case instSplit:
			walk(i.x)
			walk(i.y)
		case instJump:
			walk(i.x)
		case instEnd:
			f.end = true
		default:
			walk(pc + 1)
		}
	}
	walk(pc)
	c.firsts[pc] = f
	return f
}

// analyse finds the choices that the next byte decides.
func (c *exprCompiler) analyse() {
	c.firsts = map[int32]*first{}
	c.firstOf(0)
	for pc := range c.prog {
		i := &c.prog[pc]
		switch i.op {
		case instRun:
			f := c.firstOf(int32(pc) + 1)
			i.sure = true
			i.next = new([257]uint8)
			for b := range i.set {
				if i.set[b] && f.set[b] {
					i.sure = false
				}
				if f.set[b] {
					i.next[b] = 1
				}
			}
			if f.end {
				i.next[256] = 1
			}
			var missing []byte
			for b, in := range i.set {
				if !in {
					missing = append(missing, byte(b))
				}
			}
			if n := len(missing); (n == 1 || n == 2) && i.max < 0 {
				i.until, i.stop, i.stop2 = true, missing[0], missing[n-1]
			}
		case instLazy:
			f := c.firstOf(int32(pc) + 1)
			i.next = new([257]uint8)
			for b, in := range f.set {
				if in {
					i.next[b] = 1
				}
			}
			if f.end {
				i.next[256] = 1
			}
		case instSplit:
			i.next = new([257]uint8)
			for bit, to := range [...]int32{i.x, i.y} {
				f := c.firstOf(to)
				for b, in := range f.set {
					if in {
						i.next[b] |= 1 << bit
					}
				}
				if f.end {
					i.next[256] |= 1 << bit
				}
			}
		}
	}
}

// head finds what the matches of an anchored expression begin with, of which a first byte is known.
func (c *exprCompiler) head() *exprHead {
	// Where in the program one can be with so many bytes read: at an instruction, with done of its bytes read.
	type place struct{ pc, done int32 }
	h := &exprHead{}
	at := []place{{}}
	for k := range 8 {
		seen := map[place]bool{}
		var next []place
		known := true
		add := func(b int) { h.set[b] |= 1 << k }
		addSet := func(set *[256]bool) {
			for b, in := range set {
				if in {
					add(b)
				}
			}
		}
		var walk func(p place)
		walk = func(p place) {
			if seen[p] {
				return
			}
			seen[p] = true
			switch i := &c.prog[p.pc]; i.op {
			case instMatch, instEnd:
				known = false
			case instLit:
				add(int(i.lit[p.done]))
				if p.done++; int(p.done) == len(i.lit) {
					p = place{pc: p.pc + 1}
				}
				next = append(next, p)
			case instSet:
				addSet(i.set)
				next = append(next, place{pc: p.pc + 1})
			case instRune:
				// Of a rune of several bytes the others are anything, and what follows comes later.
				known = known && !i.set[utf8.RuneSelf]
				addSet(i.set)
				next = append(next, place{pc: p.pc + 1})
			case instRun, instLazy:
				if p.done >= i.min {
					walk(place{pc: p.pc + 1})
				}
				if i.max < 0 || p.done < i.max {
					addSet(i.set)
					next = append(next, place{p.pc, p.done + 1})
				}
			case instSplit:
				walk(place{pc: i.x})
				walk(place{pc: i.y})
			case instJump:
				walk(place{pc: i.x})
			default:
				walk(place{pc: p.pc + 1})
			}
		}
		for _, p := range at {
			walk(p)
		}
		if !known || len(next) > 256 {
			break
		}
		at, h.n = next, k+1
	}
	for b := range h.set {
		h.set[b] &= 1<<h.n - 1
	}
	if h.n == 0 { // a rune of several bytes
		h.n = 1
		for b, in := range c.firsts[0].set {
			if in {
				h.set[b] = 1
			}
		}
	}
	return h
}

// share lets instructions with like sets have one, so that a program reads little memory.
func (c *exprCompiler) share() {
	known := map[[256]bool]*[256]bool{}
	for k := range c.prog {
		i := &c.prog[k]
		if i.set == nil {
			continue
		}
		if known[*i.set] == nil {
			known[*i.set] = i.set
		}
		i.set = known[*i.set]
	}
}

// bytesAsString gives b as a string without a copy: it must not outlive b.
func bytesAsString(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// match says whether the expression matches in b.
func (e *expr) match(b []byte) bool { return e.matchString(bytesAsString(b)) }

// matchString says whether the expression matches in s.
func (e *expr) matchString(s string) bool {
	if e.never(s) {
		return false
	}
	m := matchings.Get().(*matching)
	defer matchings.Put(m)
	return e.in(s, m)
}

// matchings are for those who have none of their own.
var matchings = sync.Pool{New: func() any { return new(matching) }}

// in says whether the expression matches in s. It leaves the places in m as they are.
func (e *expr) in(s string, m *matching) bool {
	if e.never(s) {
		return false
	}
	e.ready()
	if e.steps == nil {
		return e.slow().MatchString(s)
	}
	at, end := e.search(s, m, false)
	if at == tooManySteps {
		return e.slow().MatchString(s)
	}
	return end >= 0
}

// never says by a glance that nothing in s matches.
func (e *expr) never(s string) bool {
	head := e.head.Load()
	switch {
	case head != nil && head.excludes(s):
		return true
	case e.must == "":
		return false
	case head == nil && e.asked.Load() < askedEnough && e.asked.Add(1) == askedEnough:
		e.ready()
	}
	return !strings.Contains(s, e.must)
}

// find gives the places of the leftmost match and its groups in s, nil if there is
// none. They are valid until the next call with the same m.
func (e *expr) find(s string, m *matching) []int {
	if head := e.head.Load(); head != nil {
		// Note: where it begins so it mostly matches, and must would be looked for in vain.
		if head.excludes(s) {
			return nil
		}
	} else if e.never(s) {
		return nil
	}
	e.ready()
	if e.steps == nil {
		return e.slow().FindStringSubmatchIndex(s)
	}
	at, end := e.search(s, m, true)
	if at == tooManySteps {
		return e.slow().FindStringSubmatchIndex(s)
	}
	if end < 0 {
		return nil
	}
	m.loc[0], m.loc[1] = at, end
	return m.loc[:2*len(e.names)]
}

// search gives the places of the leftmost match; end is noMatch if there is none, at is
// tooManySteps if it takes too many to know. groups asks to note theirs in m.loc.
func (e *expr) search(s string, m *matching, groups bool) (at, end int) {
	steps := 64*len(s) + 4096
	loc := &m.loc
	if !groups {
		loc = &m.void
	}
	for ; at <= len(s); at++ {
		if e.first != nil && !e.anchored {
			for at < len(s) && !e.first[s[at]] {
				at++
			}
			if at == len(s) {
				return at, noMatch
			}
		}
		if groups {
			copy(loc[:2*len(e.names)], nowhere[:])
		}
		end := e.run(s, at, m, loc, &steps)
		switch {
		case end >= 0:
			return at, end
		case end == tooManySteps:
			return tooManySteps, noMatch
		case e.anchored:
			return at, noMatch
		}
		if at < len(s) && s[at] >= utf8.RuneSelf {
			_, size := utf8.DecodeRuneInString(s[at:])
			at += size - 1
		}
	}
	return at, noMatch
}

const (
	noMatch      = -1
	tooManySteps = -2
)

// Eight bytes at a time: ones*b has b in each, highs the high bit of each.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// skipTo gives the first place from i on at which a or b stands, the end if there is none.
func skipTo(s string, i int, a, b byte) int {
	wa, wb := ones*uint64(a), ones*uint64(b)
	for near := i + 32; i+8 <= len(s); i += 8 {
		if i >= near {
			return skipFar(s, i, a, b)
		}
		w := binary.LittleEndian.Uint64(bytesOf(s[i : i+8]))
		x, y := w^wa, w^wb
		// The lowest byte that is zero has the lowest bit.
		if hit := (x-ones)&^x&highs | (y-ones)&^y&highs; hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for i < len(s) && s[i] != a && s[i] != b {
		i++
	}
	return i
}

// skipFar is skipTo for a stretch that is long, by what package strings does with wide registers: for one byte after the other in
// so much text that looking for the one that is far costs little.
func skipFar(s string, i int, a, b byte) int {
	const stretch = 256
	for i < len(s) {
		part := s[i:min(i+stretch, len(s))]
		n := strings.IndexByte(part, a)
		if a != b {
			if n < 0 {
				n = strings.IndexByte(part, b)
			} else if k := strings.IndexByte(part[:n], b); k >= 0 {
				n = k
			}
		}
		if n >= 0 {
			return i + n
		}
		i += len(part)
	}
	return len(s)
}

func isWord(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z'
}

// mustOf finds the longest literal that stands in every match of an expression.
func mustOf(text string) string {
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return ""
	}
	var best string
	var walk func(*syntax.Regexp)
	walk = func(re *syntax.Regexp) {
		switch re.Op {
		case syntax.OpLiteral:
			if l := string(re.Rune); re.Flags&syntax.FoldCase == 0 && len(l) > len(best) {
				best = l
			}
		case syntax.OpRepeat:
			if re.Min > 0 {
				walk(re.Sub[0])
			}
		case syntax.OpConcat, syntax.OpCapture, syntax.OpPlus:
			for _, s := range re.Sub {
				walk(s)
			}
		}
	}
	walk(re)
	return best
}

// A prefix is what the first bytes of every match of an expression can be.
type prefix []*[256]bool

func (p prefix) match(line []byte) bool {
	if len(line) < len(p) {
		return false
	}
	for i, set := range p {
		if !set[line[i]] {
			return false
		}
	}
	return true
}

// decisive says whether the prefix alone tells the beginning of a record.
func (p prefix) decisive() bool { return len(p) >= 15 }

// prefix gives what a match at the beginning of a text must begin with; nil if the
// expression is not anchored there or does not say.
func (e *expr) prefix() prefix {
	if e.ready(); !e.anchored {
		return nil
	}
	var out prefix
	one := func(b byte) {
		set := new([256]bool)
		set[b] = true
		out = append(out, set)
	}
	for pc := 1; pc < len(e.prog) && len(out) < 64; pc++ {
		switch i := &e.prog[pc]; i.op {
		case instSave:
		case instLit:
			for j := range len(i.lit) {
				one(i.lit[j])
			}
		case instSet:
			out = append(out, i.set)
		case instRun:
			for range min(i.min, 64) {
				out = append(out, i.set)
			}
			if i.min != i.max {
				return out
			}
		default:
			return out
		}
	}
	return out
}
