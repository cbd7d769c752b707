package rules

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// texts are what signals are made for, mixed and in other cases.
func texts(table *signalTable) []string {
	var samples []string
	for _, s := range table.all {
		samples = append(samples, s.fires...)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	out := append([]string{"", "a", "\n", "\xff\xfe", "K\u212aſs: STATUS CODE RECEIVED FROM SERVER: 404"}, samples...)
	for range 100 {
		a, b := samples[rnd.IntN(len(samples))], samples[rnd.IntN(len(samples))]
		begin, end := a[:rnd.IntN(len(a)+1)], b[rnd.IntN(len(b)+1):]
		out = append(out, begin+" é "+end, begin+end, begin+"\n"+b, a+"\n"+end, strings.ToUpper(a), strings.ToLower(b))
	}
	return out
}

// standing gives the places of the signals that stand in a text, each tried by itself.
func standing(all []textSignal, text string) (out []int32) {
	for i := range all {
		s := &all[i]
		if s.re != nil && s.re().MatchString(text) || s.re == nil && strings.Contains(text, s.signal.Pattern) {
			out = append(out, int32(i))
		}
	}
	return out
}

// What is found in one pass is what trying every signal finds.
func TestTextSignalsFindAll(t *testing.T) {
	table := Builtin().signals
	var matchers []*matcher
	for _, ms := range table.systems {
		matchers = append(matchers, ms...)
	}
	matchers = append(matchers, table.applications...)
	all := texts(table)
	some := 0
	for _, m := range matchers {
		for _, text := range all {
			var want []*Signal
			for _, i := range standing(m.text.all, text) {
				want = append(want, m.text.all[i].signal)
			}
			some += len(want)
			if got := m.text.find(text, nil); !slices.Equal(got, want) {
				t.Fatalf("%s in %q: found %d signals, want %d", m.field, text, len(got), len(want))
			}
		}
	}
	if some < len(table.all) {
		t.Errorf("only %d matches in all", some)
	}
}

// An automaton finds of all signals of words of a system what trying each finds, in any text of ASCII.
func TestAutomatonFindsAll(t *testing.T) {
	table := Builtin().signals
	all, some := texts(table), 0
	for _, system := range []string{"nginx", "envoy", "java"} {
		l := table.looks[system].app
		a := newAutomaton(patterns(l.all))
		for _, text := range all {
			got, ok := a.find(text, nil)
			if ascii := !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }); ok != ascii && len(a.states) < automatonMost {
				t.Fatalf("%s: %q is read: %v", system, text, ok)
			}
			if !ok {
				continue
			}
			want := standing(l.all, text)
			some += len(want)
			if !slices.Equal(got, want) {
				t.Fatalf("%s: in %q found %v, want %v", system, text, got, want)
			}
		}
	}
	if some < len(table.all) {
		t.Errorf("only %d matches in all", some)
	}
}

// Expressions may ask for what stands around a match, and match nothing at all.
func TestAutomatonReadsExpressions(t *testing.T) {
	expressions := []string{
		`^a`, `a$`, `(?m)^b`, `(?m)b$`, `\bword\b`, `\Bord`, `(?i)MiXed k`, `x*`, `a.c`, `(?s)a.c`, `[^a-y\n]{3}`, `(ab|ac){2}$`, `\Aonly\z`, `$^`, `p\b`, `é`,
	}
	var compiled []*regexp.Regexp
	for _, e := range expressions {
		compiled = append(compiled, regexp.MustCompile(e))
	}
	a := newAutomaton(expressions)
	rnd := rand.New(rand.NewPCG(3, 4))
	pieces := []string{"a", "b", "c", "\n", "word", "sword", "mixed K", " ", "ab", "ac", "only", "zzz", "p", "_", "a\nc"}
	for range 5000 {
		text := ""
		for range rnd.IntN(6) {
			text += pieces[rnd.IntN(len(pieces))]
		}
		var want []int32
		for i, re := range compiled {
			if re.MatchString(text) {
				want = append(want, int32(i))
			}
		}
		if got, ok := a.find(text, nil); !ok || !slices.Equal(got, want) {
			t.Fatalf("%q: found %v, want %v", text, got, want)
		}
	}
	if newAutomaton([]string{"("}) != nil {
		t.Error("an automaton was made of what is no expression")
	}
}

// Of too many states no more are made; what is known stays.
func TestAutomatonIsBounded(t *testing.T) {
	a := newAutomaton([]string{`[ab]*a[ab]{16}c`})
	rnd := rand.New(rand.NewPCG(5, 6))
	if _, ok := a.find("abba", nil); !ok {
		t.Fatal("not read")
	}
	refused := false
	for range 1000 {
		b := make([]byte, 200)
		for i := range b {
			b[i] = "ab"[rnd.IntN(2)]
		}
		_, ok := a.find(string(b), nil)
		refused = refused || !ok
	}
	if !refused || len(a.states) != automatonMost {
		t.Errorf("%d states, refused: %v", len(a.states), refused)
	}
	if _, ok := a.find("abba", nil); !ok {
		t.Error("what was read is read no more")
	}
}

// Many texts may be read at once.
func TestAutomatonIsShared(t *testing.T) {
	table := Builtin().signals
	l := table.looks["java"].app
	a, all := newAutomaton(patterns(l.all)), texts(table)[:200]
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for _, text := range all {
				if got, ok := a.find(text, nil); ok && !slices.Equal(got, standing(l.all, text)) {
					t.Errorf("%q: found %v", text, got)
				}
			}
		})
	}
	group.Wait()
}
