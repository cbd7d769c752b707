package idindex

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

// segmentsOf makes the index of a text as a file is indexed: segment by segment.
func segmentsOf(t testing.TB, text []byte, through func(io.Reader) io.Reader) []*Segment {
	t.Helper()
	var b Builder
	var out []*Segment
	for at := 0; at < len(text); at += SegmentSize {
		b.Start(text[max(0, at-LookBehind):at])
		n, err := b.Read(through(bytes.NewReader(text[at:])))
		if want := min(SegmentSize, len(text)-at); err != nil || n != int64(want) {
			t.Fatalf("read %d bytes, %v; want %d", n, err, want)
		}
		s := new(Segment)
		if err := s.Parse(b.Append(nil)); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

func whole(r io.Reader) io.Reader { return r }

// blocksOf gives the blocks that the segments say of a pattern; false if it cannot be asked for.
func blocksOf(segments []*Segment, pattern string) (map[int]bool, bool) {
	q, unable := NewQuery([]string{pattern})
	out := map[int]bool{}
	for i, s := range segments {
		var set Set
		s.Find(q, &set)
		for b := range blocks {
			if set.Has(b) {
				out[i*blocks+b] = true
			}
		}
	}
	return out, len(unable) == 0
}

// missed gives the first place of the text where the pattern stands, with no letter or digit behind it, of
// which the index says nothing: no block that the place touches, nor that of the byte behind it; -1 if there is none.
func missed(text []byte, pattern string, found map[int]bool) int {
	for at := 0; ; at++ {
		i := bytes.Index(text[at:], []byte(pattern))
		if i < 0 {
			return -1
		}
		at += i
		end := at + len(pattern)
		if end < len(text) && alnum[text[end]] {
			continue
		}
		ok := false
		for b := at / BlockSize; b <= min(end, len(text)-1)/BlockSize; b++ {
			ok = ok || found[b]
		}
		if !ok {
			return at
		}
	}
}

var shapes = map[string]func(*rand.Rand) string{
	"32 digits": func(r *rand.Rand) string { return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()) },
	"16 digits": func(r *rand.Rand) string { return fmt.Sprintf("%016X", r.Uint64()) },
	"UUID": func(r *rand.Rand) string {
		return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", r.Uint32(), r.Uint32()>>16, r.Uint32()>>20, r.Uint32()>>20, r.Uint64()>>16)
	},
	"decimal": func(r *rand.Rand) string { return strconv.FormatUint(r.Uint64()|1<<62, 10) },
	"base64": func(r *rand.Rand) string {
		return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%016x", r.Uint64()))
	},
	"HAProxy": func(r *rand.Rand) string {
		return fmt.Sprintf("0A000001:C3F2_0A000002:1F90_%08X_%04X:7D1", r.Uint32(), r.Uint32()>>16)
	},
	"base 62":   func(r *rand.Rand) string { return letters(r, 22) },
	"8 digits":  func(r *rand.Rand) string { return fmt.Sprintf("%08x", r.Uint32()) },
	"a counter": func(r *rand.Rand) string { return fmt.Sprintf("%s#%d", letters(r, 12), r.IntN(100)) },
	"a word":    func(r *rand.Rand) string { return "checkout-" + letters(r, 3) },
}

func letters(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[r.IntN(62)]
	}
	return string(b)
}

// textOf writes IDs of all shapes into something like a log of n bytes, with all sorts of things before and behind them.
func textOf(r *rand.Rand, n int) (text []byte, ids []string) {
	var names []string
	for name := range shapes {
		names = append(names, name)
	}
	slices.Sort(names)
	before := []string{" ", "\"", "=", "[", "id-", "%3D", "\\n", "x", "00000", "\x1b[32m", "4bf92f3577b34da6"}
	behind := []string{" ", "\"", "\n", "]", "=", "#3", "\\n", "Z", "7", "-01", "=="}
	for len(text) < n {
		id := shapes[names[r.IntN(len(names))]](r)
		if len(ids) > 0 && r.IntN(4) == 0 {
			id = ids[r.IntN(len(ids))]
		}
		ids = append(ids, id)
		text = append(text, strings.Repeat("GET /api/orders/4711 HTTP/1.1 ", r.IntN(8))...)
		text = append(text, before[r.IntN(len(before))]...)
		text = append(text, id...)
		text = append(text, behind[r.IntN(len(behind))]...)
		if r.IntN(3) == 0 {
			text = append(text, '\n')
		}
	}
	return text[:n], ids
}

// TestNothingIsMissed asks for every ID and looks for it in the text itself.
func TestNothingIsMissed(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{1, 7, 8, 100, BlockSize, BlockSize + 1, readSize - 3, readSize + 5, 3*readSize + 11, 20 * BlockSize} {
		text, ids := textOf(r, size)
		segments := segmentsOf(t, text, whole)
		for i := range 50 { // in pieces, also where the reads end
			ids = append(ids, string(text[max(0, len(text)-8-i):]))
		}
		for _, id := range ids {
			for _, pattern := range []string{id, id[len(id)/2:], id[len(id)/3:], "x" + id} {
				found, able := blocksOf(segments, pattern)
				if !able {
					continue
				}
				if at := missed(text, pattern, found); at >= 0 {
					t.Fatalf("text of %d bytes: %q at %d is not found", size, pattern, at)
				}
			}
		}
	}
}

// TestShapes says which IDs the index can hold; what is of another shape is searched for in the text.
func TestShapes(t *testing.T) {
	for _, c := range []struct {
		pattern string
		able    bool
	}{
		{"4bf92f3577b34da6a3ce929d0e0e4736", true},
		{"a3ce929d0e0e4736", true},
		{"5f0c9ad1-e2b3-4c71-8d90-aa11bb22cc33", true},
		{"5f0c9ad1-e2b3-4c71-8d90-112233445566", true}, // by its first eight
		{"12345678-e2b3-4c71-8d90-112233445566", true}, // by twelve digits that stand alone
		{"112233445566", false},                        // more may stand before them
		{"5f0c9ad1", true},
		{"6846712345678901234", true},
		{"1772366407412", false}, // a time
		{"20260301", false},
		{"4123456Z", false},   // the fraction of a second and its zone
		{"345678ms", false},   // a duration
		{"checkout", false},   // a word
		{"req-000123", false}, // short
		{"abcdefghijklmno", false},
		{"S/kvNXezTaajzpKdDg5HNg==", true},
		{"aaaaaa+bbbbbb+cccccccc==", true}, // by what stands before the end
		{"ab12", false},
		{"", false},
	} {
		if _, unable := NewQuery([]string{c.pattern}); (len(unable) == 0) != c.able {
			t.Errorf("%q: able is %v, want %v", c.pattern, len(unable) == 0, c.able)
		}
	}
	// Among 500 requests there must hardly ever be one whose ID cannot be held.
	r := rand.New(rand.NewPCG(3, 4))
	for _, name := range []string{"32 digits", "16 digits", "UUID", "decimal", "base64", "base 62"} {
		unable := 0
		for range 20_000 {
			_, un := NewQuery([]string{shapes[name](r)})
			unable += len(un)
		}
		if unable > 2 {
			t.Errorf("%s: %d of 20,000 cannot be asked for", name, unable)
		}
	}
}

// TestFewAreFoundByChance asks for IDs that are nowhere.
func TestFewAreFoundByChance(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var text []byte
	for len(text) < 8<<20 {
		text = fmt.Appendf(text, `2026-03-01T12:00:07.412345678Z 10.0.0.7 "GET /api/orders/4711 HTTP/1.1" 200 512 rt=12.345678ms id=%s`+"\n", shapes["32 digits"](r))
	}
	var b Builder
	b.Start(nil)
	if _, err := b.Read(bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	stored := b.Append(nil)
	if most := len(text) * 3 / 100; len(stored) > most {
		t.Errorf("the index of %d bytes, one ID in 130 of them, has %d; want at most %d", len(text), len(stored), most)
	}
	s := new(Segment)
	if err := s.Parse(stored); err != nil {
		t.Fatal(err)
	}
	by := 0
	for range 10_000 {
		q, _ := NewQuery([]string{shapes["32 digits"](r)})
		var set Set
		s.Find(q, &set)
		by += set.Len()
	}
	if by > 120 {
		t.Errorf("of 10,000 strange IDs %d were found by chance", by)
	}
}

// TestPieces reads a text in reads of all sizes.
func TestPieces(t *testing.T) {
	text, _ := textOf(rand.New(rand.NewPCG(7, 8)), 3*readSize+17)
	var want, got Builder
	want.Start(nil)
	got.Start(nil)
	want.Read(bytes.NewReader(text))
	got.Read(iotest.HalfReader(bytes.NewReader(text)))
	if !bytes.Equal(want.Append(nil), got.Append(nil)) {
		t.Error("the index depends on how the text is read")
	}
	boom := fmt.Errorf("boom")
	got.Start(nil)
	if n, err := got.Read(io.MultiReader(bytes.NewReader(text[:1000]), iotest.ErrReader(boom))); err != boom || n != 1000 {
		t.Errorf("read %d bytes, %v; want 1000, boom", n, err)
	}
}

// TestAcrossSegments puts IDs across the ends of segments.
func TestAcrossSegments(t *testing.T) {
	id := "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, shift := range []int{0, 1, 17} {
		text := bytes.Repeat([]byte("all is well here\n"), SegmentSize/17+100)
		copy(text[SegmentSize-shift:], id+"\n")
		segments := segmentsOf(t, text, whole)
		found, _ := blocksOf(segments, id)
		if at := missed(text, id, found); at >= 0 {
			t.Errorf("moved by %d: not found at %d", shift, at)
		}
		// The text may end there.
		found, _ = blocksOf(segmentsOf(t, text[:SegmentSize-shift+len(id)], whole), id)
		if at := missed(text[:SegmentSize-shift+len(id)], id, found); at >= 0 {
			t.Errorf("moved by %d, at the end: not found at %d", shift, at)
		}
	}
}

func TestLines(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, size := range []int{0, 1, 5, BlockSize, 5*BlockSize + 3} {
		text, _ := textOf(r, size)
		var b Builder
		b.Start(nil)
		if _, err := b.Read(bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		s := new(Segment)
		if err := s.Parse(b.Append(nil)); err != nil {
			t.Fatal(err)
		}
		if want := (size + BlockSize - 1) / BlockSize; s.Blocks() != want {
			t.Fatalf("%d bytes: %d blocks, want %d", size, s.Blocks(), want)
		}
		sum := 0
		for i := range s.Blocks() {
			want := bytes.Count(text[i*BlockSize:min(size, (i+1)*BlockSize)], newline)
			if sum += want; s.Lines(i) != want {
				t.Errorf("%d bytes: %d lines in block %d, want %d", size, s.Lines(i), i, want)
			}
		}
		if b.Lines() != int64(sum) {
			t.Errorf("%d lines, want %d", b.Lines(), sum)
		}
	}
}

// TestEnds puts the lengths of lines of two stretches together.
func TestEnds(t *testing.T) {
	of := func(text string) (Ends, bool) {
		var b Builder
		b.Start(nil)
		if _, err := b.Read(strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		return b.Ends()
	}
	for _, c := range []struct{ a, b string }{
		{"abc", "de"}, {"abc\n", "de"}, {"abc\nd", "ef\ng"}, {"abc", "de\nf"}, {"", "\n"}, {"a\nbb\nccc", ""},
	} {
		a, la := of(c.a)
		b, lb := of(c.b)
		got := a.Then(b, la, lb)
		want, _ := of(c.a + c.b)
		if got.First != want.First || got.Last != want.Last || got.Longest < want.Longest {
			t.Errorf("%q then %q: %+v, want %+v", c.a, c.b, got, want)
		}
	}
}

// TestDense gives up on a text that is nothing but IDs.
func TestDense(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	text := make([]byte, 0, SegmentSize)
	for len(text) < SegmentSize-9 {
		text = fmt.Appendf(text, "%08x ", r.Uint32())
	}
	s := segmentsOf(t, text, whole)[0]
	if s.Holds() {
		t.Fatal("it holds millions of ends")
	}
	q, _ := NewQuery([]string{"5f0c9ad1"})
	var set Set
	if s.Find(q, &set); set.Len() != s.Blocks() {
		t.Errorf("%d of %d blocks may hold it", set.Len(), s.Blocks())
	}
}

func FuzzParse(f *testing.F) {
	text, _ := textOf(rand.New(rand.NewPCG(13, 14)), 2*BlockSize)
	var b Builder
	b.Start(nil)
	if _, err := b.Read(bytes.NewReader(text)); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Append(nil), "4bf92f3577b34da6a3ce929d0e0e4736")
	f.Add([]byte{noTails, 0, 0}, "x")
	f.Add([]byte{3, 1, 0, 0}, "a3ce929d0e0e4736")
	f.Fuzz(func(t *testing.T, stored []byte, pattern string) {
		s := new(Segment)
		if err := s.Parse(stored); err != nil {
			return
		}
		q, _ := NewQuery([]string{pattern})
		var set Set
		s.Find(q, &set)
		for i := range s.Blocks() {
			_ = s.Lines(i)
		}
	})
}

func BenchmarkBuild(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 6))
	var text []byte
	for len(text) < 32<<20 {
		text = fmt.Appendf(text, `10.0.0.7 - - [01/Mar/2026:12:00:07 +0000] "GET /api/orders/%d HTTP/1.1" 200 512 "-" "Mozilla/5.0 (X11; Linux x86_64)" rt=0.012 urt=0.011 ua=10.0.1.4:8080 id=%s`+"\n",
			r.IntN(1e6), shapes["32 digits"](r))
	}
	var x Builder
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		x.Start(nil)
		if _, err := x.Read(bytes.NewReader(text)); err != nil {
			b.Fatal(err)
		}
		x.Append(nil)
	}
}
