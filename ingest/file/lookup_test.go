package file

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/internal/idindex"
	"github.com/correlatehq/correlate/timeline"
)

// gathered gives all that the source gives of IDs, and in so many rounds more of those that come with them.
func gathered(t testing.TB, s *Source, ids []string, rounds int, within map[string][]timeline.Window) []string {
	t.Helper()
	var out []string
	asked := map[string]bool{}
	var keys []timeline.Key
	for _, id := range ids {
		keys = append(keys, timeline.Key{Name: timeline.KeyRequestID, Value: id}, timeline.Key{Name: timeline.KeyTraceID, Value: id})
	}
	for ; rounds >= 0 && len(keys) > 0; rounds-- {
		var next []timeline.Key
		for e, err := range s.Events(t.Context(), timeline.Filter{Any: []timeline.Want{{Keys: keys}}, Within: within}) {
			if err != nil {
				if bad := err.(*timeline.RecordError); bad.What == whatKeyInFile || bad.What == whatKeyInText {
					out = append(out, bad.Error())
				}
				continue
			}
			out = append(out, fmt.Sprintf("%s+%d %s %v %x", e.Pos, e.Pos.Offset, e.Time.Format(time.RFC3339Nano), e.Keys, e.Raw))
			for _, k := range e.Keys {
				if k.Strength == timeline.Identity && !asked[k.Form()] {
					asked[k.Form()] = true
					next = append(next, k)
				}
			}
		}
		keys = next
	}
	return out
}

// sameAsScan compares what the sources, with an index and without, give of so many IDs at a time.
func sameAsScan(t testing.TB, indexed, scanned *Source, ids []string, atOnce, rounds int, within map[string][]timeline.Window) {
	t.Helper()
	for some := range slices.Chunk(ids, atOnce) {
		if d := cmp.Diff(gathered(t, scanned, some, rounds, within), gathered(t, indexed, some, rounds, within)); d != "" {
			t.Errorf("%s (-scanned +indexed):\n%s", some, d)
			return
		}
	}
}

// build writes the index of a directory and fails the test if that fails.
func build(t testing.TB, dir string, o IndexOptions) []Indexed {
	t.Helper()
	done, err := BuildIndex(t.Context(), []string{dir}, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range done {
		if x.Err != nil {
			t.Fatal(x.Err)
		}
	}
	return done
}

// usesIndex says of how many parts an index tells where the ID may stand, and of how many it tells that it is not there.
func usesIndex(s *Source, id string) (told, without int) {
	pl := newPlan(timeline.Filter{Any: []timeline.Want{{Keys: []timeline.Key{{Name: timeline.KeyTraceID, Value: id}}}}})
	for _, st := range s.streams {
		for _, p := range st.parts {
			r := &partReader{s: s, p: p, pl: pl}
			if h := r.holding(); h != nil {
				if told++; len(h.extents) == 0 {
					without++
				}
			}
		}
	}
	return told, without
}

// TestIndexGivesWhatAScanGives asks for every ID of the incidents that stand with the program, and for those
// that come with it.
func TestIndexGivesWhatAScanGives(t *testing.T) {
	for _, incident := range []string{"shop", "desk", "gallery", "courier", "library"} {
		t.Run(incident, func(t *testing.T) {
			dir, into := filepath.Join("..", "..", "fixtures", incident, "logs"), t.TempDir()
			build(t, dir, IndexOptions{Into: into})
			c := ingest.Config{Formats: format.Builtin()}
			scanned := open(t, c, dir)
			c.Index = into
			c.Note = func(what string) { t.Error(what) }
			indexed := open(t, c, dir)
			ids := idsOf(t, filepath.Join("..", "..", "fixtures", incident, "truth.jsonl"))
			sameAsScan(t, indexed, scanned, ids, 12, 0, nil)
			var some []string
			for i := 0; i < len(ids); i += 25 {
				some = append(some, ids[i])
			}
			sameAsScan(t, indexed, scanned, some, 1, 3, nil)
			used := 0
			for _, id := range ids {
				if _, without := usesIndex(indexed, id); without > 0 {
					used++
				}
			}
			if used < len(ids)*9/10 {
				t.Errorf("the index is of use for %d of %d IDs", used, len(ids))
			}
		})
	}
}

func idsOf(t testing.TB, truth string) (ids []string) {
	t.Helper()
	f, err := os.Open(truth)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var x struct {
			ID string `json:"request_id"`
		}
		if err := json.Unmarshal(sc.Bytes(), &x); err != nil {
			t.Fatal(err)
		}
		if x.ID != "" {
			ids = append(ids, x.ID)
		}
	}
	if len(ids) < 100 {
		t.Fatalf("%s has only %d requests", truth, len(ids))
	}
	return ids
}

// TestIndexAfterChanges does to indexed logs what happens to logs, and asks for the IDs in them.
func TestIndexAfterChanges(t *testing.T) {
	files, ids := mixedLogs(rand.New(rand.NewPCG(21, 22)))
	more, moreIDs := mixedLogs(rand.New(rand.NewPCG(23, 24)))
	for _, all := range []*[]string{&ids, &moreIDs} { // some of them
		for i := range 5 {
			(*all)[i] = (*all)[i*len(*all)/5]
		}
	}
	ids = append(append(ids[:5], moreIDs[:5]...), "4bf92f3577b34da6a3ce929d0e0e4736", "ab12", "00000000000000000000000000000001")
	for i, line := range strings.SplitAfter(files["edge-1/access.log"], "\n") {
		if i%30 == 0 { // one of few records for a long time
			files["edge-3/access.log"] += line
		}
	}
	packed := map[string]string{}
	for name, text := range files {
		switch len(packed) % 3 {
		case 0:
			packed[name+".gz"] = packGzip(t, text)
		case 1:
			packed[name+".zst"] = packZstd(t, text)
		default:
			packed[name+".gz"] = packGzip(t, text[:len(text)/2]) + packGzip(t, text[len(text)/2:])
		}
	}
	one := "edge-1/access.log"
	for _, c := range []struct {
		name   string
		files  map[string]string
		change func(t *testing.T, dir string)
		told   int // parts of which the index tells
		note   string
	}{
		{name: "as it was", files: files, told: 8},
		{name: "packed", files: packed, told: 8},
		{name: "appended", files: files, told: 8, change: func(t *testing.T, dir string) {
			for name, text := range more {
				appendTo(t, filepath.Join(dir, name), text)
			}
		}},
		{name: "appended in the midst of a line", files: map[string]string{one: strings.TrimSuffix(files[one], "\n")}, told: 1, change: func(t *testing.T, dir string) {
			appendTo(t, filepath.Join(dir, one), "4bf92f3577b34da6\n"+more[one])
		}},
		{name: "rotated", files: files, told: 8, note: "edge-1/access.log;", change: func(t *testing.T, dir string) {
			rename(t, filepath.Join(dir, one), filepath.Join(dir, one+".1"))
			appendTo(t, filepath.Join(dir, one), more[one])
		}},
		{name: "rotated twice, packed, and grown before", files: files, told: 7, note: "edge-1/access.log.2.gz and 1 more", change: func(t *testing.T, dir string) {
			appendTo(t, filepath.Join(dir, one+".1"), packGzip(t, files[one]))
			if err := os.Remove(filepath.Join(dir, one)); err != nil {
				t.Fatal(err)
			}
			rename(t, filepath.Join(dir, one+".1"), filepath.Join(dir, one+".2.gz"))
			appendTo(t, filepath.Join(dir, one), more[one])
		}},
		{name: "copied and truncated", files: files, told: 7, note: "edge-1/access.log", change: func(t *testing.T, dir string) {
			appendTo(t, filepath.Join(dir, one+".1"), files[one])
			if err := os.Truncate(filepath.Join(dir, one), 0); err != nil {
				t.Fatal(err)
			}
			appendTo(t, filepath.Join(dir, one), more[one]+more[one]) // longer than it was
		}},
		{name: "written anew with the same size", files: files, told: 7, note: "edge-1/access.log", change: func(t *testing.T, dir string) {
			text := []byte(files[one])
			half := len(text) / 2
			copy(text[half:half+3000], more[one])
			if err := os.WriteFile(filepath.Join(dir, one), text, 0o666); err != nil {
				t.Fatal(err)
			}
			later := time.Now().Add(time.Minute)
			if err := os.Chtimes(filepath.Join(dir, one), later, later); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "a new file", files: files, told: 8, note: "edge-9/access.log", change: func(t *testing.T, dir string) {
			if err := os.MkdirAll(filepath.Join(dir, "edge-9"), 0o777); err != nil {
				t.Fatal(err)
			}
			appendTo(t, filepath.Join(dir, "edge-9/access.log"), more[one])
			rename(t, filepath.Join(dir, "edge-1", SidecarName), filepath.Join(dir, "edge-9", SidecarName))
			build(t, filepath.Join(dir, "edge-1"), IndexOptions{})
		}},
		{name: "index cut off", files: files, told: 7, note: "edge-1/" + SidecarName + " cannot be used", change: func(t *testing.T, dir string) {
			p := filepath.Join(dir, "edge-1", SidecarName)
			if err := os.Truncate(p, size(t, p)/2); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "index empty", files: files, told: 7, note: "it is damaged", change: func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, "edge-1", SidecarName), 0); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "index of another version", files: files, told: 7, note: "it is of version 2", change: func(t *testing.T, dir string) {
			p := filepath.Join(dir, "edge-1", SidecarName)
			flip(t, p, size(t, p)-int64(len(sidecarMagic))-4, 3)
		}},
		{name: "list of the index damaged", files: files, told: 7, note: "it is damaged", change: func(t *testing.T, dir string) {
			p := filepath.Join(dir, "edge-1", SidecarName)
			flip(t, p, size(t, p)-int64(sidecarEnd)-20, 1)
		}},
		{name: "a segment of the index damaged", files: files, told: 7, note: "it is damaged", change: func(t *testing.T, dir string) {
			flip(t, filepath.Join(dir, "edge-1", SidecarName), 200, 1)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, c.files)
			build(t, dir, IndexOptions{})
			if c.change != nil {
				c.change(t, dir)
			}
			var notes []string
			conf := ingest.Config{Formats: format.Builtin(), Note: func(what string) { notes = append(notes, what) }}
			indexed := open(t, conf, dir)
			told, _ := usesIndex(indexed, "4bf92f3577b34da6a3ce929d0e0e4736")
			if told != c.told {
				t.Errorf("the index tells of %d parts, want %d", told, c.told)
			}
			if got := strings.Join(notes, "\n"); len(notes) > 1 || !strings.Contains(got, c.note) || c.note == "" && got != "" {
				t.Errorf("told the user: %q, want one line with %q", got, c.note)
			}
			conf.Note, conf.Index = nil, t.TempDir() // there is none
			scanned := open(t, conf, dir)
			sameAsScan(t, indexed, scanned, ids, 1, 0, nil)
			// What the passes so far left of the stamps is of use to those within windows.
			from := time.Date(2026, 3, 1, 12, 3, 0, 0, time.UTC)
			within := map[string][]timeline.Window{}
			for _, e := range []timeline.Event{{Host: "app-2"}, {Host: "app-3", Stamp: timeline.Stamp{Zone: timeline.ZoneWritten}}, {Host: "lb-1"}, {Host: "edge-1", Stamp: timeline.Stamp{Zone: timeline.ZoneWritten}}} {
				within[timeline.ClockOf(&e)] = []timeline.Window{{Host: e.Host, From: from, To: from.Add(time.Minute)}}
			}
			sameAsScan(t, indexed, scanned, ids, 4, 1, within)
			// So it is to those that ask for windows alone.
			var near [2][]string
			for i, s := range []*Source{scanned, indexed} {
				for n := range 8 {
					from := time.Date(2026, 3, 1, 12, 0, n*61, 0, time.UTC)
					var wants []timeline.Want
					for _, host := range []string{"app-1", "app-2", "app-3", "edge-1", "edge-2", "edge-3", "lb-1", "node-1"} {
						wants = append(wants, timeline.Want{Near: &timeline.Window{Host: host, From: from, To: from.Add(5 * time.Second)}})
					}
					for e, err := range s.Events(t.Context(), timeline.Filter{Any: wants}) {
						if err == nil {
							near[i] = append(near[i], fmt.Sprintf("%s+%d %x", e.Pos, e.Pos.Offset, e.Raw))
						}
					}
				}
			}
			if d := cmp.Diff(near[0], near[1]); d != "" || len(near[0]) < 20 && len(c.files) > 1 {
				t.Errorf("%d records in windows (-scanned +indexed):\n%s", len(near[0]), d)
			}
			// An index of what there is now is as good as a first one.
			build(t, dir, IndexOptions{})
			conf.Index, conf.Note = "", func(what string) { t.Error(what) }
			sameAsScan(t, open(t, conf, dir), scanned, ids, 8, 0, nil)
		})
	}
}

func appendTo(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func rename(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func size(t testing.TB, path string) int64 {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Size()
}

// flip changes bits of one byte of a file.
func flip(t testing.TB, path string, at int64, bits byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= bits
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestIndexReadsWhatIsNew looks at what is taken over from an older index.
func TestIndexReadsWhatIsNew(t *testing.T) {
	line := strings.TrimSpace(access(7, 200, "4bf92f3577b34da6a3ce929d0e0e4736"))
	segment := strings.Repeat(line+"\n", idindex.SegmentSize/len(line))
	dir := tree(t, map[string]string{"a.log": segment + segment + line, "b.log": line + "\n"})
	first := build(t, dir, IndexOptions{})[0]
	if first.Kept != 0 || first.Grown != 0 || first.Size == 0 || first.Text != size(t, filepath.Join(dir, "a.log"))+size(t, filepath.Join(dir, "b.log")) {
		t.Errorf("%+v", first)
	}
	whole, err := os.ReadFile(filepath.Join(dir, SidecarName))
	if err != nil {
		t.Fatal(err)
	}
	if again := build(t, dir, IndexOptions{})[0]; again.Kept != 2 || again.Size != first.Size {
		t.Errorf("%+v", again)
	}
	if same, _ := os.ReadFile(filepath.Join(dir, SidecarName)); !bytes.Equal(same, whole) {
		t.Error("the same files have another index the second time")
	}
	appendTo(t, filepath.Join(dir, "a.log"), "7f3c9a0e5d\n"+line+"\n")
	grown := build(t, dir, IndexOptions{Check: true})[0]
	if grown.Kept != 1 || grown.Grown != 1 || len(grown.Left) != 0 || grown.Err != nil {
		t.Errorf("%+v", grown)
	}
	if next := build(t, dir, IndexOptions{})[0]; next.Kept != 1 || next.Grown != 1 {
		t.Errorf("%+v", next)
	}
	kept, err := os.ReadFile(filepath.Join(dir, SidecarName))
	if err != nil {
		t.Fatal(err)
	}
	// As if there had been no older one.
	if err := os.Remove(filepath.Join(dir, SidecarName)); err != nil {
		t.Fatal(err)
	}
	build(t, dir, IndexOptions{})
	if anew, _ := os.ReadFile(filepath.Join(dir, SidecarName)); !bytes.Equal(anew, kept) {
		t.Error("what was taken over is not as it is made anew")
	}
	if check := build(t, dir, IndexOptions{Check: true})[0]; check.Kept != 2 || len(check.Left) != 0 {
		t.Errorf("%+v", check)
	}
}

// TestIndexOfWhatCannotBeRead leaves out what would be found broken by those who read it.
func TestIndexOfWhatCannotBeRead(t *testing.T) {
	whole := packGzip(t, strings.Repeat(access(1, 200, "4bf92f3577b34da6"), 1000))
	dir := tree(t, map[string]string{"a.log.gz": whole[:len(whole)/2], "b.log": access(1, 200, "4bf92f3577b34da6"), "empty.log": ""})
	got := build(t, dir, IndexOptions{})[0]
	if len(got.Left) != 1 || !strings.HasPrefix(got.Left[0], "a.log.gz: ") {
		t.Errorf("left out: %q", got.Left)
	}
	s := open(t, ingest.Config{Formats: testFormats(t)}, dir)
	if told, _ := usesIndex(s, "4bf92f3577b34da6"); told != 1 {
		t.Errorf("the index tells of %d parts, want 1", told)
	}
	_, skipped := read(t, s, id("7f3c9a0e5d7f3c9a0e5d"))
	want(t, "skipped", skipped, "a.log.gz:334: damaged gzip file: the file ends early")
	if err := os.Mkdir(filepath.Join(dir, "none"), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := BuildIndex(t.Context(), []string{filepath.Join(dir, "none")}, IndexOptions{}); err == nil {
		t.Error("an empty directory has an index")
	}
	// Nor is an index a log.
	apart := filepath.Join(dir, "apart")
	if err := os.Mkdir(apart, 0o777); err != nil {
		t.Fatal(err)
	}
	build(t, dir, IndexOptions{Into: apart})
	if info := open(t, ingest.Config{Formats: testFormats(t)}, dir).Info(); info.Files != 3 {
		t.Errorf("%d files, want 3", info.Files)
	}
	d := &dirIndex{}
	for _, e := range []error{&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, &fs.PathError{Op: "open", Path: "x", Err: syscall.EROFS}} {
		d.failed(e)
		if h, ok := errors.AsType[ingest.Hinter](d.Err); !ok || !strings.HasPrefix(h.Hint(), "--into DIR ") {
			t.Errorf("%v: no hint", d.Err)
		}
	}
	done, err := BuildIndex(t.Context(), []string{dir}, IndexOptions{Into: filepath.Join(dir, "nowhere")})
	if err != nil || done[0].Err == nil {
		t.Errorf("into a directory that is not there: %v, %+v", err, done)
	}
}

// TestIndexKilled kills a program at all moments while it writes an index.
func TestIndexKilled(t *testing.T) {
	const env = "CORRELATE_TEST_INDEX"
	if dir := os.Getenv(env); dir != "" { // the program that is killed
		for {
			build(t, dir, IndexOptions{})
			appendTo(t, filepath.Join(dir, "a.log"), "more\n")
		}
	}
	files, _ := mixedLogs(rand.New(rand.NewPCG(25, 26)))
	dir := tree(t, map[string]string{"a.log": files["app-1/orders.log"], "b.log": files["lb-1/haproxy.log"]})
	path := filepath.Join(dir, SidecarName)
	rng := rand.New(rand.NewPCG(27, 28))
	seen := 0
	for range 25 {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestIndexKilled$")
		cmd.Env = append(os.Environ(), env+"="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(20+rng.IntN(200)) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
		x, err := openSidecar(path)
		if os.IsNotExist(err) && seen == 0 {
			continue
		}
		if err != nil {
			t.Fatalf("after it was killed: %v", err)
		}
		seen++
		for _, f := range x.files {
			for n := range f.Segments {
				if _, err := x.segment(f, n, new(segmentRoom)); err != nil {
					t.Errorf("after it was killed: %s: %v", f.Name, err)
				}
			}
		}
		x.f.Close()
	}
	if seen == 0 {
		t.Error("no index was ever written")
	}
	// What was left lying is taken away once it is old.
	old := time.Now().Add(-2 * leftAfter)
	temps, _ := filepath.Glob(path + ".*.tmp")
	for _, p := range temps {
		if err := os.Chtimes(p, old, old); err != nil {
			t.Fatal(err)
		}
	}
	build(t, dir, IndexOptions{})
	if temps, _ := filepath.Glob(path + ".*.tmp"); len(temps) > 0 {
		t.Errorf("left: %q", temps)
	}
}

// TestIndexOfSplitWords does not believe an index where a format takes keys out of the midst of a word.
func TestIndexOfSplitWords(t *testing.T) {
	for _, c := range []struct {
		text, value  string
		stands, ends bool
	}{
		{"id=abc def", "abc", true, true}, {"id=abcdef", "abc", true, false}, {"abcdef abc", "abc", true, true}, {"id=abc", "abc", true, true},
		{"id=", "abc", false, false}, {"id=", "", false, false},
	} {
		if stands, ends := standing([]byte(c.text), c.value); stands != c.stands || ends != c.ends {
			t.Errorf("%q in %q: %v, %v", c.value, c.text, stands, ends)
		}
	}
	formats, err := format.Load(os.DirFS("testdata/split"))
	if err != nil {
		t.Fatal(err)
	}
	line := "2026-03-01T12:00:%02d.000Z %sT%d done\n"
	var log strings.Builder
	for i := range 50 {
		fmt.Fprintf(&log, line, i, fmt.Sprintf("%016xa1", uint64(i+1)<<56|0xbc), i)
	}
	dir := tree(t, map[string]string{"app.log": log.String()})
	build(t, dir, IndexOptions{})
	s := open(t, ingest.Config{Formats: formats}, dir)
	if told, _ := usesIndex(s, "4bf92f3577b34da6"); told != 0 {
		t.Error("the index is believed")
	}
	events, _ := read(t, s, id(fmt.Sprintf("%016xa1", uint64(8)<<56|0xbc)))
	if len(events) != 1 {
		t.Errorf("found %q, want one record", events)
	}
}

func FuzzSidecar(f *testing.F) {
	dir := tree(f, map[string]string{"a.log": access(1, 200, "4bf92f3577b34da6a3ce929d0e0e4736")})
	build(f, dir, IndexOptions{})
	b, err := os.ReadFile(filepath.Join(dir, SidecarName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(sidecarMagic))
	f.Fuzz(func(t *testing.T, stored []byte) {
		p := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(p, stored, 0o666); err != nil {
			t.Fatal(err)
		}
		x, err := openSidecar(p)
		if err != nil {
			return
		}
		defer x.f.Close()
		for _, file := range x.files {
			_ = file.longest()
			for n := range file.Segments {
				if seg, err := x.segment(file, n, new(segmentRoom)); err == nil && seg.Blocks() != blocksOf(min(file.Text-int64(n)*idindex.SegmentSize, idindex.SegmentSize)) {
					t.Errorf("segment %d has %d blocks", n, seg.Blocks())
				}
			}
		}
	})
}

// TestIndexKnowsTheEnd looks for a record in a small file of a long time, of which an index has only shown the beginning and the end.
func TestIndexKnowsTheEnd(t *testing.T) {
	var log strings.Builder
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for n := range 250 {
		fmt.Fprintf(&log, "%s [error] 31#31: *%d upstream timed out (110: Connection timed out) while reading response header from upstream, client: 10.0.0.9, server: shop, request: \"GET /x HTTP/1.1\", upstream: \"http://10.0.1.1:8080/x\", host: \"shop\"\n",
			at.Add(time.Duration(n)*time.Minute).Format("2006/01/02 15:04:05"), n)
	}
	dir := tree(t, map[string]string{"edge-1/error.log": log.String()})
	build(t, dir, IndexOptions{})
	s := open(t, ingest.Config{Formats: format.Builtin()}, dir)
	if events := gathered(t, s, []string{"4bf92f3577b34da6a3ce929d0e0e4736"}, 0, nil); len(events) > 0 {
		t.Fatal(events)
	}
	for _, n := range []int{1, 100, 249} {
		from := at.Add(time.Duration(n) * time.Minute)
		window := timeline.Window{Host: s.streams[0].host, From: from, To: from.Add(time.Second)}
		if events, _ := read(t, s, timeline.Want{Near: &window}); len(events) != 1 {
			t.Errorf("record %d: %q, want one record", n, events)
		}
	}
}
