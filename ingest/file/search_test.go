package file

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/correlatehq/correlate/ingest/format"
)

// naive finds the same occurrences as search.each, slowly.
func naive(owners [][]string, text []byte) []hit {
	var out []hit
	for o, patterns := range owners {
		for _, p := range patterns {
			for s := 0; p != "" && s+len(p) <= len(text); s++ {
				if string(text[s:s+len(p)]) == p {
					out = append(out, hit{o, s, s + len(p)})
				}
			}
		}
	}
	return out
}

func allHits(s *search, text []byte) []hit {
	var out []hit
	s.each(text, func(h hit) bool { out = append(out, h); return true })
	return out
}

func sortHits(h []hit) []hit {
	slices.SortFunc(h, func(a, b hit) int {
		return 1e9*(a.start-b.start) + 1e4*(a.end-b.end) + a.owner - b.owner
	})
	return h
}

// TestSearchFindsWhatNaiveSearchFinds tries patterns of every length at every offset.
func TestSearchFindsWhatNaiveSearchFinds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	letters := "ab01-"
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = letters[rng.IntN(len(letters))]
		}
		return string(b)
	}
	for round := range 400 {
		var owners [][]string
		for range 1 + rng.IntN(6) {
			var patterns []string
			for range 1 + rng.IntN(3) {
				patterns = append(patterns, word(1+rng.IntN(40)))
			}
			owners = append(owners, patterns)
		}
		var text bytes.Buffer
		for range rng.IntN(8) {
			text.WriteString(word(rng.IntN(12)))
			o := owners[rng.IntN(len(owners))]
			text.WriteString(o[rng.IntN(len(o))])
		}
		s := newSearch(owners)
		got, want := sortHits(allHits(s, text.Bytes())), sortHits(naive(owners, text.Bytes()))
		if !slices.Equal(got, want) {
			t.Fatalf("round %d: patterns %q in %q\n got %v\nwant %v", round, owners, text.String(), got, want)
		}
		if s.any(text.Bytes()) != (len(want) > 0) {
			t.Fatalf("round %d: any says otherwise than each", round)
		}
	}
}

// TestTextSearchFindsWhatNaiveSearchFinds does the same for texts, some of which may be in
// either case or begin a status.
func TestTextSearchFindsWhatNaiveSearchFinds(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	word := func(n int, letters string) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = letters[rng.IntN(len(letters))]
		}
		return string(b)
	}
	found := 0
	for round := range 1000 {
		var literals []format.Literal
		for range 1 + rng.IntN(10) {
			l := format.Literal{Text: word(1+rng.IntN(12), "abk 5")}
			switch rng.IntN(3) {
			case 0:
				l.Fold = true
			case 1:
				l.Text, l.Status = l.Text+"5", true
			}
			literals = append(literals, l)
		}
		var text strings.Builder
		for range rng.IntN(12) {
			text.WriteString(word(rng.IntN(12), "abkABK 5:"))
			text.WriteString(literals[rng.IntN(len(literals))].Text)
			text.WriteString(word(rng.IntN(4), "05 "))
		}
		var want []hit
		for _, l := range literals {
			for i := 0; i+len(l.Text) <= text.Len(); i++ {
				at, rest := text.String()[i:i+len(l.Text)], text.String()[i+len(l.Text):]
				if at != l.Text && !(l.Fold && strings.ToLower(at) == l.Text) || l.Status && !regexp.MustCompile(`^\d\d(\D|$)`).MatchString(rest) {
					continue
				}
				want = append(want, hit{0, i, i + len(l.Text)})
			}
		}
		sample := []byte(text.String())[rng.IntN(text.Len()+1):]
		got := sortHits(allHits(newTextSearch(literals, sample), []byte(text.String())))
		if want = sortHits(want); !slices.Equal(got, want) {
			t.Fatalf("round %d: texts %+v in %q\n got %v\nwant %v", round, literals, text.String(), got, want)
		}
		found += len(got)
	}
	if found < 1000 {
		t.Errorf("only %d were found", found)
	}
}

// TestTextSearchAtTheEnd: of a text of which only the first bytes stand at the end nothing is found.
func TestTextSearchAtTheEnd(t *testing.T) {
	for _, text := range []string{`{"code":5`, `{"code":50`, `{"code":50}`} {
		for pad := range 16 {
			all := strings.Repeat("x", pad) + text
			want := strings.Contains(text, `":50`)
			if got := newTextSearch([]format.Literal{{Text: `":50`}}, nil).any([]byte(all)); got != want {
				t.Errorf("%q: found %v, want %v", all, got, want)
			}
		}
	}
}

func TestOnBoundaries(t *testing.T) {
	for _, c := range []struct {
		text string
		want bool
	}{
		{"abc", true}, {"x abc y", true}, {"id=abc,", true}, {"[abc]", true}, {"{\"id\":\"abc\"}", true},
		{"abcd", false}, {"xabc", false}, {"1abc", false}, {`a\nabc`, true}, {`nabc`, false}, {"é=abc", true}, {"/abc/", true},
	} {
		i := strings.Index(c.text, "abc")
		if got := onBoundaries([]byte(c.text), i, i+3); got != c.want {
			t.Errorf("%q: %v, want %v", c.text, got, c.want)
		}
	}
}

func FuzzSearch(f *testing.F) {
	f.Add("4bf92f3577b34da6a3ce929d0e0e4736", "a", "trace 4bf92f3577b34da6a3ce929d0e0e4736 a")
	f.Add("", "ab", "abababab")
	f.Fuzz(func(t *testing.T, p, q, text string) {
		if len(text) > 4096 {
			return
		}
		owners := [][]string{{p}, {q}}
		got, want := sortHits(allHits(newSearch(owners), []byte(text))), sortHits(naive(owners, []byte(text)))
		if !slices.Equal(got, want) {
			t.Errorf("%q, %q in %q: got %v, want %v", p, q, text, got, want)
		}
	})
}

// BenchmarkTextSearch searches an application's log for what tells of failures and of the
// life of its process.
func BenchmarkTextSearch(b *testing.B) {
	var text bytes.Buffer
	for i := 0; text.Len() < 4<<20; i++ {
		fmt.Fprintf(&text, "2026-03-01 15:47:21,%03d INFO [req=%016x%016x] inventory.access: \"GET /stock/%d\" 200 %d.6ms\n", i%1000, uint64(i)*hashFactor, i*0x9E3779B97, i%9999, i%9)
	}
	for _, name := range []string{"python_logging", "slog_json"} {
		sc := format.Builtin().NewScreen(format.Builtin().Lookup(name), text.Bytes()[:headSize], format.Options{})
		if sc == nil {
			sc = format.Builtin().NewScreen(format.Builtin().Lookup(name), []byte(`{"time":"2026-03-01T15:47:16.836852102Z","level":"INFO","msg":"x"}`+"\n"), format.Options{})
		}
		failed, _ := sc.Failed()
		life, _ := sc.Lifecycle()
		s := newTextSearch(append(failed, life...), text.Bytes()[:textSample])
		for i := range s.classes {
			one := &search{classes: s.classes[i : i+1]}
			b.Run(fmt.Sprintf("%s/%d_of_%d_by_%d", name, len(s.classes[i].patterns), len(s.classes[i].patterns[0]), s.classes[i].step), func(b *testing.B) {
				b.SetBytes(int64(text.Len()))
				for b.Loop() {
					one.each(text.Bytes(), func(hit) bool { return true })
				}
			})
		}
	}
}

// BenchmarkSearch searches access log lines for IDs that are not in them.
func BenchmarkSearch(b *testing.B) {
	rng := rand.New(rand.NewPCG(3, 4))
	id := func() string { return fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64()) }
	var text bytes.Buffer
	for text.Len() < 4<<20 {
		fmt.Fprintf(&text, "10.0.0.%d - - [01/Mar/2026:12:00:00 +0000] \"GET /api/orders/%d HTTP/1.1\" 200 512 \"-\" \"curl/8\" rt=0.012 id=%s\n",
			rng.IntN(256), rng.IntN(1e6), id())
	}
	for _, n := range []int{1, 100, 10_000, 50_000} {
		owners := make([][]string, n)
		for i := range owners {
			owners[i] = []string{id()}
		}
		s := newSearch(owners)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(text.Len()))
			for b.Loop() {
				if s.any(text.Bytes()) {
					b.Fatal("an ID was found that is not there")
				}
			}
		})
	}
}
