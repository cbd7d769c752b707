package rules

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// textSignals are signals that may stand anywhere in a field, in the order in which they
// were added. Everything that one of them matches contains one of its literals. All
// literals are looked for in one pass, by four of their bytes, so that few signals are
// tried on a text and few regular expressions are ever run.
type textSignals struct {
	all    []textSignal
	always []int              // indices of those that no literal lets through
	short  []spot             // literals of less than four bytes
	folded []int              // of those whose literals are lower case, whatever the text's is
	grams  map[uint32][]*spot // by four bytes of a literal in lower case
	seen   [128]uint64        // a bit for each hash of these
	known  remembered
}

// A spot is a literal of a signal, and the four bytes of it by which it is found.
type spot struct {
	signal  int // its index
	literal string
	folded  bool // the literal is lower case and the text may be in any case
	end     int  // of the four bytes in the literal
}

// stands says whether the literal stands in value where its four bytes end at i.
func (s *spot) stands(value string, i int) bool {
	from := i - s.end
	if from < 0 || from+len(s.literal) > len(value) {
		return false
	}
	there := value[from : from+len(s.literal)]
	return there == s.literal || s.folded && strings.EqualFold(there, s.literal)
}

// A textSignal is one of them.
type textSignal struct {
	signal   *Signal
	literals []string              // none: the expression is always run
	folded   bool                  // the literals are lower case and the text may be in any case
	more     func() [][]string     // a match contains one of each of these too
	re       func() *regexp.Regexp // compiled when it is first run, most never are; nil: the literals decide
}

// mayMatch says whether value, which contains one of the literals, contains what else a match needs.
func (s *textSignal) mayMatch(value string) bool {
	return s.re == nil || !slices.ContainsFunc(s.more(), func(l []string) bool { return !containsOne(value, l) })
}

func containsOne(value string, literals []string) bool {
	return slices.ContainsFunc(literals, func(l string) bool { return strings.Contains(value, l) })
}

// remembered is whether expressions matched texts: the same message is logged again and
// again. It is safe for concurrent use.
type remembered struct {
	mu    sync.RWMutex
	found map[attempt]bool
}

// An attempt is one expression tried on one text.
type attempt struct {
	signal *Signal
	text   string
}

// Bounds of what is remembered: longer texts seldom come again, and of too many all is forgotten.
const (
	rememberedMost  = 2048
	rememberedBytes = 1024
)

func (r *remembered) match(s *textSignal, value string) bool {
	if len(value) > rememberedBytes {
		return s.re().MatchString(value)
	}
	key := attempt{s.signal, value}
	r.mu.RLock()
	found, ok := r.found[key]
	r.mu.RUnlock()
	if ok {
		return found
	}
	found = s.re().MatchString(value)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.found) >= rememberedMost || r.found == nil {
		r.found = map[attempt]bool{}
	}
	key.text = strings.Clone(value)
	r.found[key] = found
	return found
}

func (t *textSignals) add(s *Signal) {
	x := textSignal{signal: s, literals: []string{s.Pattern}}
	if s.Match == "regex" {
		x.literals, x.folded = requiredLiterals(s.Pattern)
		x.more = sync.OnceValue(func() [][]string { return furtherLiterals(s.Pattern) })
		x.re = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(s.Pattern) })
	}
	i := len(t.all)
	t.all = append(t.all, x)
	if n := shortest(x.literals); n == 0 || x.folded && n < gramSize {
		t.always = append(t.always, i)
		return
	}
	if x.folded {
		t.folded = append(t.folded, i)
	}
	if t.grams == nil {
		t.grams = map[uint32][]*spot{}
	}
	for _, l := range x.literals {
		at := spot{signal: i, literal: l, folded: x.folded}
		if len(l) < gramSize {
			t.short = append(t.short, at)
			continue
		}
		var g uint32
		g, at.end = t.rarest(l)
		t.grams[g] = append(t.grams[g], &at)
		h := gramHash(g)
		t.seen[h/64] |= 1 << (h % 64)
	}
}

// gramSize is how many bytes of a literal are looked for at once.
const gramSize = 4

func gramHash(g uint32) uint32 { return g * 2654435761 >> 19 }

// lower is a byte in lower case if it is a letter of ASCII.
func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// rarest gives those four bytes of a literal, in lower case, that the fewest signals have so far, and where in it the last of them is.
func (t *textSignals) rarest(literal string) (best uint32, end int) {
	fewest := -1
	var g uint32
	for i := range len(literal) {
		g = g>>8 | uint32(lower(literal[i]))<<24
		if n := len(t.grams[g]); i >= gramSize-1 && (fewest < 0 || n < fewest) {
			best, end, fewest = g, i, n
		}
	}
	return best, end
}

// find appends the signals that stand in value, in the order in which they were added.
func (t *textSignals) find(value string, found []*Signal) []*Signal {
	var room [32]int
	tried := append(room[:0], t.always...)
	for i := range t.short {
		if strings.Contains(value, t.short[i].literal) {
			tried = append(tried, t.short[i].signal)
		}
	}
	if len(t.grams) > 0 {
		var g uint32
		ascii := byte(0)
		for i := range len(value) {
			ascii |= value[i]
			g = g>>8 | uint32(lower(value[i]))<<24
			if h := gramHash(g); i >= gramSize-1 && t.seen[h/64]&(1<<(h%64)) != 0 {
				for _, s := range t.grams[g] {
					if s.stands(value, i) {
						tried = append(tried, s.signal)
					}
				}
			}
		}
		if ascii >= utf8.RuneSelf {
			tried = append(tried, t.folded...) // letters beyond ASCII may be the same but for their case
		}
	}
	slices.Sort(tried)
	for k, i := range tried {
		if x := &t.all[i]; (k == 0 || tried[k-1] != i) && x.mayMatch(value) && (x.re == nil || t.known.match(x, value)) {
			found = append(found, t.all[i].signal)
		}
	}
	return found
}

// requiredLiterals gives texts of which every match of the pattern contains one; nil
// if there are none. With folded they are in lower case and the match may be in any.
func requiredLiterals(pattern string) (literals []string, folded bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, false
	}
	literals = literalsOf(re.Simplify(), &folded)
	if folded {
		for i, l := range literals {
			literals[i] = strings.ToLower(l)
		}
	}
	return literals, folded
}

// furtherLiterals gives, of each part of a pattern that every match has in any case as
// written, texts of which it contains one.
func furtherLiterals(pattern string) [][]string {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	re = re.Simplify()
	if re.Op != syntax.OpConcat {
		return nil
	}
	var out [][]string
	for _, sub := range re.Sub {
		folded := false
		if l := literalsOf(sub, &folded); len(l) > 0 && !folded {
			out = append(out, l)
		}
	}
	return out
}

// literalsOf sets folded if one of the texts that it gives may be in any case.
func literalsOf(re *syntax.Regexp, folded *bool) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 {
			if slices.ContainsFunc(re.Rune, func(r rune) bool { return r >= utf8.RuneSelf }) {
				return nil
			}
			*folded = true
		}
		return []string{string(re.Rune)}
	case syntax.OpCharClass:
		// A class of a few characters, as a factored alternation has them.
		var all []string
		for i := 0; i+1 < len(re.Rune); i += 2 {
			for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
				if len(all) == 4 {
					return nil
				}
				all = append(all, string(r))
			}
		}
		return all
	case syntax.OpCapture, syntax.OpPlus:
		return literalsOf(re.Sub[0], folded)
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			l := literalsOf(sub, folded)
			if l == nil {
				return nil
			}
			all = append(all, l...)
		}
		return all
	case syntax.OpConcat:
		var best []string
		bestFolded := false
		for _, sub := range re.Sub {
			f := false
			if l := literalsOf(sub, &f); shortest(l) > shortest(best) {
				best, bestFolded = l, f
			}
		}
		*folded = *folded || bestFolded
		return best
	}
	return nil
}

// shortest gives the length of the shortest of the texts, 0 if there are none.
func shortest(texts []string) int {
	n := 0
	for i, t := range texts {
		if i == 0 || len(t) < n {
			n = len(t)
		}
	}
	return n
}
