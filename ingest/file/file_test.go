package file

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/google/go-cmp/cmp"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/ingest/sourcetest"
	"github.com/correlatehq/correlate/timeline"
)

// testFormats are few and simple, so that a test here does not depend on what the
// formats of the program say.
func testFormats(t testing.TB) *format.Set {
	t.Helper()
	s, err := format.Load(os.DirFS("testdata/formats"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tree writes files into a new directory.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t testing.TB, c ingest.Config, names ...string) *Source {
	t.Helper()
	if c.Formats == nil {
		c.Formats = testFormats(t)
	}
	if c.Name == "" {
		c.Name = "logs"
	}
	s, err := OpenAll(t.Context(), names, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// read gives the events of a filter as short lines, and the record errors.
func read(t testing.TB, s *Source, wants ...timeline.Want) (events, skipped []string) {
	t.Helper()
	for e, err := range s.Events(t.Context(), timeline.Filter{Any: wants}) {
		if err != nil {
			if _, ok := errors.AsType[*timeline.RecordError](err); !ok {
				t.Errorf("error %v is not about one record", err)
			}
			skipped = append(skipped, err.Error())
			continue
		}
		events = append(events, short(e))
	}
	return events, skipped
}

func short(e *timeline.Event) string {
	text := e.Body
	for _, k := range e.Keys {
		if k.Strength != timeline.Context {
			text += " " + k.Value
		}
	}
	text = text[:min(len(text), 100)]
	return fmt.Sprintf("%s part %d %s on %s: %s", e.Pos, e.Pos.Part, e.Service, e.Host, strings.TrimSpace(text))
}

func want(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func id(v string) timeline.Want {
	return timeline.Want{Keys: []timeline.Key{{Name: timeline.KeyRequestID, Value: v}}}
}

var (
	failures = timeline.Want{Failed: &timeline.Failed{}}
	always   = timeline.Want{Near: &timeline.Window{From: time.Unix(0, 0), To: time.Unix(math.MaxInt32, 0)}}
)

func access(second, status int, id string) string {
	return fmt.Sprintf("10.0.0.9 [01/Mar/2026:12:%02d:%02d +0000] \"GET /a HTTP/1.1\" %d id=%s\n", second/60, second%60, status, id)
}

func text(second int, level, msg string) string {
	return fmt.Sprintf("2026-03-01 12:%02d:%02d,250 %s %s\n", second/60, second%60, level, msg)
}

func packGzip(t testing.TB, s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func packZstd(t testing.TB, s string) string {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(s), nil))
}

func packXZ(t testing.TB, s string) string {
	var b bytes.Buffer
	w, err := xz.NewWriter(&b)
	if err == nil {
		_, err = io.WriteString(w, s)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// bzip2Hex is access(5, 500, "req-5") by bzip2(1): Go's library only unpacks.
const bzip2Hex = "425a68393141592653590353fc170000135f804010500bf33202c2440a262030002000545234d326004f51b4d34229e694d3d47a9a343d" +
	"434033f27c5d5a4b2c0bd040ebf0b5492848e79c7708b284d940be11d98c010fac700f19e85647f2cc8f62ee48a70a12006a7f82e0"

func unhex(t testing.TB, s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestConformance(t *testing.T) {
	long := strings.Repeat("x", 3000)
	dir := tree(t, map[string]string{
		"edge-1/access.log":      access(40, 200, "req-4") + "this is no access log line\n" + access(41, 500, "req-5") + access(42, 200, "4bf92f3577b34da6a3ce929d0e0e4736"),
		"edge-1/access.log.1":    access(20, 200, "req-2") + access(21, 499, "req-3"),
		"edge-1/access.log.2.gz": packGzip(t, access(1, 200, "req-1")),
		"app-1/orders.log": text(40, "INFO", "begin") + text(41, "ERROR", "cannot price req-5") + "Traceback\n  File \"price.py\", line 7\n" +
			text(42, "INFO", long) + text(43, "INFO", "see mention-77, please") + text(44, "INFO", "notmention-77"),
		"app-1/cart.log":   `{"time":"2026-03-01T12:00:41Z","level":"INFO","msg":"cart","service":"cart","request_id":"4BF92F35-77B3-4DA6-A3CE-929D0E0E4736"}` + "\n",
		"lb-1/haproxy.log": "Mar  1 12:00:41 lb-7 haproxy[31]: fatal req-5\nMar  1 12:00:42 lb-7 haproxy[31]: up\n",
		"db-1/data.bin":    "\x00\x01\x02",
	})
	sourcetest.Run(t, func(t *testing.T) timeline.Source {
		return open(t, ingest.Config{MaxRecord: 2000}, dir)
	}, sourcetest.Holds{
		Events:        13,
		BadRecords:    3,
		MentionedOnly: &timeline.Key{Name: timeline.KeyRequestID, Value: "mention-77"},
	})
}

func TestOnePassOverATree(t *testing.T) {
	dir := tree(t, map[string]string{
		"logs/edge-1/nginx/access.log":    access(40, 200, "req-4") + "no access log\n" + access(41, 500, "req-5"),
		"logs/edge-1/nginx/access.log.1":  access(20, 200, "req-2") + access(21, 503, "req-3"),
		"logs/edge-1/nginx/access.log.10": access(1, 500, "req-0"),
		"logs/app-1/orders.log":           text(41, "ERROR", "cannot price") + "  File \"price.py\", line 7\n" + text(42, "INFO", "done req-5"),
		"logs/app-1/cart.json":            `{"time":"2026-03-01T12:00:41Z","level":"ERROR","msg":"full","service":"basket","request_id":"req-5"}` + "\n",
		"logs/.hidden.log":                access(1, 500, "hidden"),
		"logs/.git/x.log":                 access(1, 500, "hidden"),
	})
	s := open(t, ingest.Config{}, dir)
	events, skipped := read(t, s, failures)
	want(t, "failures", events,
		"logs/app-1/cart.json:1 part 0 basket on app-1: full req-5",
		"logs/app-1/orders.log:1 part 0 orders on app-1: cannot price\n  File \"price.py\", line 7",
		"logs/edge-1/nginx/access.log.10:1 part 0 edge-1 on edge-1: req-0",
		"logs/edge-1/nginx/access.log.1:2 part 1 edge-1 on edge-1: req-3",
		"logs/edge-1/nginx/access.log:3 part 2 edge-1 on edge-1: req-5",
	)
	want(t, "a line that holds no literal of failure is not tried", skipped)

	events, _ = read(t, s, id("req-5"))
	want(t, "by key", events,
		"logs/app-1/cart.json:1 part 0 basket on app-1: full req-5",
		"logs/app-1/orders.log:3 part 0 orders on app-1: done req-5 req-5",
		"logs/edge-1/nginx/access.log:3 part 2 edge-1 on edge-1: req-5",
	)
	_, skipped = read(t, s, always)
	want(t, "tried in a window", skipped, "logs/edge-1/nginx/access.log:2: not in the format of its file: read as test_access")
	if hosts := s.Hosts(); !slices.Equal(hosts, []string{"app-1", "edge-1"}) {
		t.Errorf("hosts are %q", hosts)
	}
	info := s.Info()
	if info.Files != 5 || info.Bytes == 0 || info.From.Format(time.TimeOnly) != "12:00:01" || info.To.Format(time.TimeOnly) != "12:00:42" {
		t.Errorf("info is %+v", info)
	}
	if len(info.Skipped) != 1 || info.Skipped[0] != (timeline.Skipped{Source: "logs", What: whatNotFormat, Count: 1, First: "logs/edge-1/nginx/access.log:2"}) {
		t.Errorf("skipped is %+v", info.Skipped)
	}
}

// An ID that only stands in the text becomes a key, but not as a part of another word.
func TestKeyInText(t *testing.T) {
	s := open(t, ingest.Config{}, tree(t, map[string]string{
		"orders.log": text(1, "INFO", "call of ab-12 went out") + text(2, "INFO", "xab-12") + text(3, "INFO", "ab-123") + text(4, "INFO", "[ab-12]"),
		"edge.log":   access(2, 200, "ab-12"),
	}))
	var found []string
	for e, err := range s.Events(t.Context(), timeline.Filter{Any: []timeline.Want{id("ab-12")}}) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, fmt.Sprintf("%s %v %q", e.Pos, e.Keys, e.Attrs.Get("key.found")))
	}
	k := "[http.request.header.x-request-id=ab-12]"
	want(t, "found", found,
		`edge.log:1 [http.request.header.x-request-id=ab-12 client.address=10.0.0.9] ""`,
		`orders.log:1 `+k+` "text"`, `orders.log:4 `+k+` "text"`)
}

func TestCompressions(t *testing.T) {
	line := func(i int) string { return access(i, 500, fmt.Sprintf("req-%d", i)) }
	s := open(t, ingest.Config{}, tree(t, map[string]string{
		"a.log": line(1), "b.log.gz": packGzip(t, line(2)), "c.log": packZstd(t, line(3)), "d.gz": packXZ(t, line(4)),
		"e.log.bz2": unhex(t, bzip2Hex), "f.log": packGzip(t, line(6)) + packGzip(t, line(7)),
	}))
	events, skipped := read(t, s, failures)
	want(t, "by content, whatever the name says", events,
		"a.log:1 part 0 a on a: req-1", "b.log.gz:1 part 0 b on b: req-2", "c.log:1 part 0 c on c: req-3", "d.gz:1 part 0 d on d: req-4",
		"e.log.bz2:1 part 0 e on e: req-5", "f.log:1 part 0 f on f: req-6", "f.log:2 part 0 f on f: req-7")
	want(t, "skipped", skipped)
}

// What cannot be read is named with its place, and the rest is used.
func TestWhatCannotBeRead(t *testing.T) {
	var many strings.Builder
	for i := range 3000 {
		many.WriteString(access(i, 500, fmt.Sprintf("g-%d", i*7919)))
	}
	packed := packGzip(t, many.String())
	dir := tree(t, map[string]string{
		"app/binary.log":  "\x7fELF\x00\x00\x01",
		"app/cut.log":     packed[:len(packed)/2],
		"app/empty.log":   "",
		"app/good.log":    access(1, 500, "req-1"),
		"app/long.log":    access(1, 500, "before") + "10.0.0.9 " + strings.Repeat("y", 10<<20) + "\n" + access(2, 500, "after"),
		"app/magic.log":   "\x28\xb5\x2f\xfd but no zstd",
		"app/prose.log":   "Dear reader,\nthis is a letter\nand no log at all\n",
		"app/badxz.log":   "\xfd7zXZ\x00nothing",
		"app/notgzip.log": "\x1f\x8b",
	})
	if err := os.Symlink(filepath.Join(dir, "nothing"), filepath.Join(dir, "app", "dangling.log")); err != nil {
		t.Fatal(err)
	}
	s := open(t, ingest.Config{}, dir)
	for pass := range 2 {
		events, skipped := read(t, s, failures)
		var kept []string
		cut := 0
		for _, e := range events {
			if strings.HasPrefix(e, "app/cut.log") {
				cut++
			} else {
				kept = append(kept, e)
			}
		}
		want(t, "the rest", kept,
			"app/good.log:1 part 0 good on good: req-1", "app/long.log:1 part 0 long on long: before", "app/long.log:3 part 0 long on long: after")
		if cut < 100 || cut >= 3000 {
			t.Errorf("of a gzip file cut in half %d of 3000 records came", cut)
		}
		for i, l := range skipped {
			if strings.HasPrefix(l, "app/cut.log:") && cut > 0 {
				if l != fmt.Sprintf("app/cut.log:%d: damaged gzip file: the file ends early", cut) && l != fmt.Sprintf("app/cut.log:%d: damaged gzip file: the file ends early", cut+1) {
					t.Errorf("the place where the file ends is told as %q, the last record read is %d", l, cut)
				}
				skipped[i] = "cut"
			}
		}
		want(t, fmt.Sprintf("skipped in pass %d", pass), skipped,
			"app/badxz.log: damaged xz file: xz: invalid checksum for file header",
			"app/binary.log: binary file",
			"cut",
			"app/dangling.log: unreadable file: no such file or directory",
			"app/long.log:2: record cut at 1 MiB",
			"app/magic.log: damaged zstd file: invalid input: compressed size too big",
			"app/notgzip.log: damaged gzip file: the file ends early",
			"app/prose.log: file in no known format",
		)
	}
	got := map[string]int{}
	for _, k := range s.Info().Skipped {
		got[k.What+" "+k.First] = k.Count
	}
	for _, k := range []string{"binary file app/binary.log", "record cut at 1 MiB app/long.log:2", "unreadable file: no such file or directory app/dangling.log", "file in no known format app/prose.log"} {
		if got[k] != 1 {
			t.Errorf("%q is counted %d times, want 1; all: %v", k, got[k], got)
		}
	}
}

// A search for keys reads blocks, not records, but still tells of a record that is too long.
func TestScanTellsOfLongRecords(t *testing.T) {
	s := open(t, ingest.Config{MaxRecord: 1 << 20}, tree(t, map[string]string{
		"a.log": access(1, 200, "req-1") + strings.Repeat("y", 1<<20) + "\n",
		"b.log": access(1, 200, "req-1") + strings.Repeat("y", 1<<20+1) + "\n" + access(1, 200, "req-2"),
		"c.log": access(1, 200, "req-1") + strings.Repeat("y", 3<<20),
	}))
	events, skipped := read(t, s, id("nowhere"))
	want(t, "events", events)
	want(t, "skipped", skipped, "b.log:2: record cut at 1 MiB", "c.log:2: record cut at 1 MiB")
}

// TestLongLineOfNoFormat says that a file that nothing reads holds an ID only if its bytes do,
// however long its lines are.
func TestLongLineOfNoFormat(t *testing.T) {
	const id = "8f3a5c1e9b7d4f60a1b2c3d4e5f60718"
	long := strings.Repeat("x", 3<<20)
	s := open(t, ingest.Config{}, tree(t, map[string]string{"with.txt": long + " " + id + "\n", "without.txt": long + "\n"}))
	_, skipped := read(t, s, timeline.Want{Keys: []timeline.Key{{Name: timeline.KeyRequestID, Value: id}}})
	want := []string{"with.txt: " + whatKeyInFile, "without.txt: " + whatNoFormat}
	if d := cmp.Diff(want, skipped); d != "" {
		t.Errorf("skipped (-want +got):\n%s", d)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := tree(t, map[string]string{"empty/.keep": "", "a/x.log": access(1, 200, "r")})
	for name, want := range map[string]string{
		filepath.Join(dir, "missing.log"): "no such file or directory",
		filepath.Join(dir, "empty"):       "the directory holds no log files",
		filepath.Join(dir, "b/**/*.log"):  "no file matches",
		os.DevNull:                        "it is a device, not a file",
		"-":                               "there is no standard input",
	} {
		_, err := Open(t.Context(), name, ingest.Config{Formats: testFormats(t)})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "open "+name) {
			t.Errorf("opening %s gave %v, want %q", name, err, want)
			continue
		}
		if h, ok := errors.AsType[ingest.Hinter](err); !ok || !strings.Contains(h.Hint(), "a source is") {
			t.Errorf("opening %s gives no hint", name)
		}
	}
	if _, err := Open(t.Context(), dir, ingest.Config{}); err == nil {
		t.Error("a source without formats was opened")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, dir, ingest.Config{Formats: testFormats(t)}); !errors.Is(err, context.Canceled) {
		t.Errorf("opening under a cancelled context gave %v", err)
	}
}

func TestStdin(t *testing.T) {
	before := temps(t)
	s := open(t, ingest.Config{Stdin: strings.NewReader(packGzip(t, access(1, 500, "req-1")))}, "-")
	for range 2 { // it is read in rounds
		events, _ := read(t, s, failures)
		want(t, "stdin", events, "stdin:1 part 0 nginx on nginx: req-1")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if after := temps(t); after != before {
		t.Errorf("%d directories for spooled input were left", after-before)
	}
	broken := errors.New("the pipe broke")
	if _, err := Open(t.Context(), "-", ingest.Config{Formats: testFormats(t), Stdin: io.MultiReader(strings.NewReader("x"), failing{broken})}); err == nil || !strings.Contains(err.Error(), "spool stdin: the pipe broke") {
		t.Errorf("a broken pipe gave %v", err)
	}
	if after := temps(t); after != before {
		t.Errorf("%d directories were left after an error", after-before)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A pipe to which nobody writes does not hold up an interrupt.
func TestStdinThatBlocks(t *testing.T) {
	before := temps(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r, w := io.Pipe()
	defer w.Close()
	_, err := Open(ctx, "-", ingest.Config{Formats: testFormats(t), Stdin: r})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want that of the context", err)
	}
	if n := temps(t); n != before {
		t.Errorf("%d temporary files are left", n-before)
	}
}

func temps(t *testing.T) int {
	m, err := filepath.Glob(filepath.Join(os.TempDir(), "correlate-*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(m)
}

func TestNamesGivenTogether(t *testing.T) {
	dir := tree(t, map[string]string{
		"edge-1/access.log": access(1, 500, "req-1"), "edge-1/access.log.1": access(0, 500, "req-0"),
		"app-1/orders.log": text(1, "ERROR", "x"), "app-1/notes.txt": "nothing of interest\n",
	})
	all := []string{
		"app-1/orders.log:1 part 0 orders on app-1: x",
		"edge-1/access.log.1:1 part 0 edge-1 on edge-1: req-0", "edge-1/access.log:1 part 1 edge-1 on edge-1: req-1"}
	for _, names := range [][]string{
		{filepath.Join(dir, "*", "*.log*")},
		{filepath.Join(dir, "**", "*.log*")},
		{filepath.Join(dir, "app-1", "orders.log"), filepath.Join(dir, "edge-1", "access.log"), filepath.Join(dir, "edge-1", "access.log.1")},
		{filepath.Join(dir, "edge-1"), filepath.Join(dir, "app-1", "orders.log"), filepath.Join(dir, "edge-1", "access.log")},
	} {
		events, _ := read(t, open(t, ingest.Config{}, names...), failures)
		want(t, strings.Join(names, " "), events, all...)
	}
	u := &url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(dir, "edge-1"))}
	src, err := Schemes[0].Open(t.Context(), u, ingest.Config{Formats: testFormats(t)})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for range src.Events(t.Context(), timeline.Filter{Any: []timeline.Want{failures}}) {
		n++
	}
	if n != 2 {
		t.Errorf("%v gave %d events, want 2", u, n)
	}
}

// The name of a file names who wrote it unless several did.
func TestNamesInOneFile(t *testing.T) {
	haproxy := func(host string) string {
		return "Mar  1 12:00:07 " + host + ` haproxy[71]: 10.0.0.9:33317 [01/Mar/2026:12:00:07.100] fe be/srv1 0/0/1/2/3 500 27 - - ---- 1/1/0/0/0 0/0 "GET /o HTTP/1.1"` + "\n"
	}
	const nginx = `Mar  1 12:00:08 web-1 nginx: 10.0.0.9 - - [01/Mar/2026:12:00:08 +0000] "GET /o HTTP/1.1" 500 157 "-" "curl/8.5.0"` + "\n"
	const uwsgi = `Mar  1 12:00:09 app-1 uwsgi[9]: [pid: 9|app: 0|req: 1/1] 10.0.0.9 () {38 vars in 696 bytes} [Sun Mar  1 12:00:09 2026] GET /o => generated 47 bytes in 129 msecs (HTTP/1.1 500) 9 headers in 378 bytes (1 switches on core 3)` + "\n" +
		"Mar  1 12:00:09 app-1 uwsgi[9]: [2026-03-01 12:00:09,120] ERROR in app: Exception on /o [GET]\n"
	const compose = `caddy-1  | {"level":"error","ts":1772366407.1,"logger":"http.log.error.log0","msg":"EOF","request":{"remote_ip":"198.51.100.7","method":"GET","uri":"/o"},"status":502}` + "\n" +
		`web-1    | 172.18.0.1 - - [01/Mar/2026:12:00:07 +0000] "GET /o HTTP/1.1" 500 157 "-" "curl/8.5.0"` + "\n"
	for _, c := range []struct {
		file, text string
		want       []string
	}{
		{"logs/edge/haproxy.log", haproxy("lb-1"), []string{"edge on lb-1"}},
		{"logs/edge/syslog", haproxy("lb-1") + haproxy("lb-2"), []string{"haproxy on lb-1", "haproxy on lb-2"}},
		{"logs/edge/syslog", haproxy("web-1") + nginx, []string{"haproxy on web-1", "nginx on web-1"}},
		{"logs/shop/uwsgi.log", uwsgi, []string{"shop on app-1", "shop on app-1"}},
		{"stream.log", compose, []string{"caddy on caddy-1", "web on web-1"}},
	} {
		dir := tree(t, map[string]string{c.file: c.text, "logs/app-9/x.log": text(1, "INFO", "x")})
		var got []string
		for e := range open(t, ingest.Config{Formats: format.Builtin()}, dir).Events(t.Context(), timeline.Filter{Any: []timeline.Want{failures}}) {
			got = append(got, e.Service+" on "+e.Host)
		}
		want(t, c.file, got, c.want...)
	}
}

func TestLinks(t *testing.T) {
	dir := tree(t, map[string]string{"pods/a/orders.log": access(1, 500, "req-1"), "pods/b/cart.log": access(2, 500, "req-2")})
	for from, to := range map[string]string{
		"pods/a/loop":       "pods",             // a loop
		"alias.log":         "pods/b/cart.log",  // a second name
		"pods/current.log":  "pods/a/other.log", // to nothing
		"elsewhere":         "pods/b",           // a second way
		"pods/a/itself.log": "pods/a/itself.log",
	} {
		if err := os.Symlink(filepath.Join(dir, filepath.FromSlash(to)), filepath.Join(dir, filepath.FromSlash(from))); err != nil {
			t.Fatal(err)
		}
	}
	events, skipped := read(t, open(t, ingest.Config{}, dir), failures)
	slices.Sort(events)
	if len(events) != 2 {
		t.Errorf("each file is read once, also under several names; got %q", events)
	}
	if len(skipped) != 2 || !strings.HasPrefix(skipped[0], "pods/a/itself.log: unreadable file") || !strings.HasPrefix(skipped[1], "pods/current.log: unreadable file") {
		t.Errorf("links to nothing are told as %q", skipped)
	}
}

func TestConfig(t *testing.T) {
	dir := tree(t, map[string]string{
		"edge-1/access.log": access(1, 500, "req-1"), "app-1/orders.log": text(1, "ERROR", "x"), "app-1/old/orders.log.1": text(0, "ERROR", "y"),
		"app-1/cart.log": `{"time":"2026-03-01T12:00:41Z","level":"ERROR","msg":"z","service":"basket"}` + "\n",
	})
	s := open(t, ingest.Config{
		Name: "shop", Role: timeline.RoleDependency, Zone: time.FixedZone("", 3600), ClockOffset: time.Hour,
		Services: []ingest.ServiceName{{Pattern: "edge-1/**", Service: "front"}, {Pattern: "*.log", Service: "named"}, {Pattern: "**", Service: "never"}},
	}, dir)
	var got []string
	for e, err := range s.Events(t.Context(), timeline.Filter{Any: []timeline.Want{failures}}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s %s %s %s %s", e.Pos.Source, e.Pos, e.Service, e.Role, e.Stamp.Zone, e.Time.UTC().Format(time.TimeOnly)))
	}
	want(t, "configured", got,
		"shop app-1/cart.log:1 basket dependency written 12:00:41", // the record's own word beats the configuration's
		"shop app-1/old/orders.log.1:1 named dependency config 11:00:00",
		"shop app-1/orders.log:1 named dependency config 11:00:01",
		"shop edge-1/access.log:1 front dependency written 12:00:01")
}

// A copied file is as young as its copy: what other streams say of the year is better.
func TestYearOfOtherStreams(t *testing.T) {
	dir := tree(t, map[string]string{
		"lb-1/haproxy.log":  "Dec 31 23:59:59 lb-7 haproxy[31]: fatal a\nJan  1 00:00:01 lb-7 haproxy[31]: fatal b\n",
		"edge-1/access.log": "10.0.0.9 [01/Jan/2019:00:10:00 +0000] \"GET /a HTTP/1.1\" 500 id=req\n",
	})
	var got, services []string
	s := open(t, ingest.Config{}, dir)
	for e, err := range s.Events(t.Context(), timeline.Filter{Any: []timeline.Want{failures}}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Host+" "+e.Time.UTC().Format(time.DateTime))
		services = append(services, e.Service)
	}
	want(t, "services", services, "edge-1", "lb-1", "lb-1") // haproxy names the software
	want(t, "times", got, "edge-1 2019-01-01 00:10:00", "lb-7 2018-12-31 23:59:59", "lb-7 2019-01-01 00:00:01")
	if info := s.Info(); info.From.Year() != 2018 || info.To.Year() != 2019 {
		t.Errorf("the range is %v to %v", info.From, info.To)
	}
	if h := s.Hosts(); !slices.Equal(h, []string{"edge-1", "lb-7"}) {
		t.Errorf("hosts are %q; that of the syslog head is the host", h)
	}
}

// Stamps without a date are of the day that brings the last of them nearest to the end of
// the other streams, and of the day before: the clock may be of a zone ahead of UTC.
func TestDayOfOtherStreams(t *testing.T) {
	for _, c := range []struct{ name, last, want1, want2 string }{
		{"a zone ahead", "11:59:59", "2019-01-01 03:00:00", "2019-01-01 11:59:59"},
		{"a zone behind", "04:59:59", "2019-01-01 03:00:00", "2019-01-01 04:59:59"},
		{"over midnight", "01:59:59", "2018-12-31 03:00:00", "2019-01-01 01:59:59"},
	} {
		dir := tree(t, map[string]string{
			"app-1/orders.log":  "03:00:00.000 [main] ERROR shop.Orders - a\n" + c.last + ".000 [main] ERROR shop.Orders - b\n",
			"edge-1/access.log": "10.0.0.9 - - [01/Jan/2019:10:00:00 +0000] \"GET /a HTTP/1.1\" 200 17\n",
		})
		var got []string
		s := open(t, ingest.Config{Formats: format.Builtin()}, dir)
		for e, err := range s.Events(t.Context(), timeline.Filter{Any: []timeline.Want{failures}}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Time.UTC().Format(time.DateTime))
		}
		want(t, c.name, got, c.want1, c.want2)
	}
}

// Which number of a date is the day is told by another date of the stream, else by when the other streams end.
func TestOrderOfDates(t *testing.T) {
	many := strings.Repeat("04/02/2026 11:00:00 ERROR x\n", 3000)
	for _, c := range []struct{ name, app, edge, want string }{
		{"the day by another date", "31/01/2026 10:00:00 ERROR a\n03/02/2026 10:00:00 ERROR b\n", "03/Mar/2026", "2026-01-31 10:00:00, 2026-02-03 10:00:00"},
		{"the month by another date", "01/31/2026 10:00:00 ERROR a\n02/03/2026 10:00:00 ERROR b\n", "02/Mar/2026", "2026-01-31 10:00:00, 2026-02-03 10:00:00"},
		{"the day by its end", "03/02/2026 10:00:00 ERROR a\n" + many + "28/02/2026 10:00:00 ERROR b\n", "02/Mar/2026", "2026-02-03 10:00:00, 2026-02-28 10:00:00"},
		{"the day by other streams", "03/02/2026 10:00:00 ERROR a\n04/02/2026 10:00:00 ERROR b\n", "04/Feb/2026", "2026-02-03 10:00:00, 2026-02-04 10:00:00"},
		{"the month by other streams", "03/02/2026 10:00:00 ERROR a\n04/02/2026 10:00:00 ERROR b\n", "03/Apr/2026", "2026-03-02 10:00:00, 2026-04-02 10:00:00"},
		{"a message speaks of a date", "2026-02-03 10:00:00 ERROR since 03/02/2026 10:00:00\n", "02/Mar/2026", "2026-02-03 10:00:00"},
	} {
		dir := tree(t, map[string]string{
			"app-1/orders.log":  c.app,
			"edge-1/access.log": "10.0.0.9 - - [" + c.edge + ":10:00:00 +0000] \"GET /a HTTP/1.1\" 200 17\n",
		})
		var got []string
		for e, err := range open(t, ingest.Config{Formats: format.Builtin()}, dir).Events(t.Context(), timeline.Filter{Any: []timeline.Want{failures}}) {
			if err != nil {
				t.Fatal(err)
			}
			if string(e.Raw) != "04/02/2026 11:00:00 ERROR x" {
				got = append(got, e.Time.UTC().Format(time.DateTime))
			}
		}
		want(t, c.name, got, strings.Split(c.want, ", ")...)
	}
}

// TestSampleAloneIsThatOfAWholePass compares what is found from place to place with what a pass finds that reads all.
func TestSampleAloneIsThatOfAWholePass(t *testing.T) {
	var log strings.Builder
	for i := range 6000 {
		switch {
		case i%97 == 0:
			log.WriteString("[notice] a line without an ID\n")
		case i == 3000:
			log.WriteString(access(i, 200, strings.Repeat("x", 700<<10)))
		default:
			log.WriteString(access(i, 200, fmt.Sprintf("p-%d", i)))
		}
	}
	dir := tree(t, map[string]string{"edge-1/access.log": log.String(), "edge-2/access.log": strings.TrimSuffix(log.String(), "\n")})
	offsets := func(wants ...timeline.Want) []string {
		var out []string
		for e, err := range open(t, ingest.Config{}, dir).Events(t.Context(), timeline.Filter{Any: wants}) {
			if err == nil {
				out = append(out, fmt.Sprintf("%s@%d", e.Pos.Path, e.Pos.Offset))
			}
		}
		return out
	}
	for _, n := range []int{1, 7, 400, 20_000} {
		sample := timeline.Want{Sample: &timeline.Sample{PerStream: n}}
		alone, whole := offsets(sample), offsets(sample, timeline.Want{Keys: []timeline.Key{{Name: timeline.KeyRequestID, Value: "nobody-has-this-one"}}})
		if d := cmp.Diff(whole, alone); d != "" || len(whole) == 0 {
			t.Errorf("%d records of each stream (-whole pass +alone):\n%s", n, d)
		}
	}
}

// TestSampleTellsHowItWasDrawn: of each stream it can be told how many records with a key it holds.
func TestSampleTellsHowItWasDrawn(t *testing.T) {
	var log strings.Builder
	holds := 0
	for i := range 9000 {
		switch {
		case i%3 == 0 || i > 4000 && i < 4100:
			log.WriteString(access(i%3000, 200, "-"))
		case i%7 == 0:
			log.WriteString(access(i%3000, 200, fmt.Sprintf("q-%090d", i)))
			holds++
		default:
			log.WriteString(access(i%3000, 200, fmt.Sprintf("p-%d", i)))
			holds++
		}
	}
	half := log.Len() / 2
	half += strings.IndexByte(log.String()[half:], '\n') + 1
	s := open(t, ingest.Config{}, tree(t, map[string]string{
		"a.log": log.String(), "b.log": log.String()[half:], "b.log.1": log.String()[:half], "c.log": packGzip(t, log.String()),
	}))
	for _, n := range []int{500, 2000, 10_000_000} {
		drawn, sums := map[string]float64{}, map[string]timeline.Draw{}
		for e, err := range s.Events(t.Context(), timeline.Filter{Any: []timeline.Want{{Sample: &timeline.Sample{PerStream: n}}}}) {
			if err != nil {
				t.Fatal(err)
			}
			d := sums[e.Drawn.Stream]
			d.Of, d.Searched = d.Of+e.Drawn.Of, d.Searched+e.Drawn.Searched
			sums[e.Drawn.Stream] = d
			drawn[e.Drawn.Stream]++
		}
		if len(sums) != 3 {
			t.Errorf("draws of %d streams, want 3", len(sums))
		}
		for name, d := range sums {
			within := 0.08
			if n > 9000 {
				within = 0.02 // all are drawn
			}
			if got := drawn[name] * d.Of / d.Searched; math.Abs(got/float64(holds)-1) > within {
				t.Errorf("a sample of %d says that %s holds %.0f records with a key, and it holds %d", n, name, got, holds)
			}
		}
	}
}

func TestSampleIsSpread(t *testing.T) {
	var plain, packed strings.Builder
	for i := range 3000 {
		plain.WriteString(access(i, 200, fmt.Sprintf("p-%d", i)))
		packed.WriteString(access(i, 200, fmt.Sprintf("z-%d", i)))
	}
	half := plain.Len() / 2
	half += strings.IndexByte(plain.String()[half:], '\n') + 1
	texts := map[string]string{"a.log": plain.String()[half:], "a.log.1": plain.String()[:half], "b.log": packed.String()}
	s := open(t, ingest.Config{}, tree(t, map[string]string{
		"a.log": plain.String()[half:], "a.log.1": plain.String()[:half],
		"b.log": packGzip(t, packed.String()), "c.log": packZstd(t, packed.String()),
		"d.log": strings.Repeat(text(1, "INFO", "no key"), 3000),
	}))
	for _, n := range []int{1, 10, 300} {
		at := map[string][]int{}
		for e, err := range s.Events(t.Context(), timeline.Filter{Any: []timeline.Want{{Sample: &timeline.Sample{PerStream: n}}}}) {
			if err != nil {
				t.Fatal(err)
			}
			line := 0 // a pass for a sample alone does not count them
			if text, ok := texts[e.Pos.Path]; ok {
				line = strings.Count(text[:e.Pos.Offset], "\n") + 1
			}
			if e.Pos.Path == "a.log" {
				line += 1500
			}
			name := e.Pos.Path[:1]
			at[name] = append(at[name], line)
		}
		for _, name := range []string{"a", "b", "c"} {
			l := at[name]
			if exact := name != "c"; exact && (len(l) < n-1 || len(l) > n+1) || len(l) < n/4 || len(l) > 4*n+8 {
				t.Errorf("a sample of %d of %s.log has %d records", n, name, len(l))
				continue
			}
			if name == "c" {
				continue
			}
			for i, line := range l {
				if should := (2*i + 1) * 3000 / (2 * n); line < should-3000/n-40 || line > should+3000/n+40 {
					t.Errorf("sample %d of %d of %s.log is line %d, want about %d", i, n, name, line, should)
				}
			}
		}
		if len(at["d"]) > 0 {
			t.Errorf("a stream without keys gave a sample of %d records", len(at["d"]))
		}
	}
}

// Reading far ahead of a slow consumer is bounded, and a break leaves nothing behind.
func TestManyFilesAndBreak(t *testing.T) {
	files := map[string]string{}
	for i := range 60 {
		var b strings.Builder
		for j := range 400 {
			b.WriteString(access(j, 500, fmt.Sprintf("f%d-%d", i, j)))
		}
		files[fmt.Sprintf("app-%02d/access.log", i)] = b.String()
	}
	s := open(t, ingest.Config{}, tree(t, files))
	before := runtime.NumGoroutine()
	n, last := 0, ""
	for e, err := range s.Events(t.Context(), timeline.Filter{Any: []timeline.Want{failures}}) {
		if err != nil {
			t.Fatal(err)
		}
		if p := e.Pos.Path; p < last {
			t.Fatalf("%s came after %s", p, last)
		} else {
			last = p
		}
		n++
	}
	if n != 60*400 {
		t.Errorf("%d events came, want %d", n, 60*400)
	}
	for range s.Events(t.Context(), timeline.Filter{Any: []timeline.Want{failures}}) {
		break
	}
	for i := 0; runtime.NumGoroutine() > before; i++ {
		if i == 100 {
			t.Fatalf("%d goroutines were left", runtime.NumGoroutine()-before)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A file that is rotated away or cut between two passes is told, not misread.
func TestFileChanges(t *testing.T) {
	dir := tree(t, map[string]string{"a.log": access(1, 500, "req-1") + access(2, 500, "req-2"), "b.log": access(1, 500, "req-3")})
	s := open(t, ingest.Config{}, dir)
	f, err := os.OpenFile(filepath.Join(dir, "b.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, access(2, 500, "later"))
	f.Close()
	if err := os.WriteFile(filepath.Join(dir, "a.log"), []byte(access(1, 500, "req-1")), 0o666); err != nil {
		t.Fatal(err)
	}
	events, skipped := read(t, s, failures)
	want(t, "what was there when it was opened", events, "b.log:1 part 0 b on b: req-3")
	if len(skipped) != 1 || !strings.HasPrefix(skipped[0], "a.log: unreadable file: the file became shorter") {
		t.Errorf("a file that became shorter is told as %q", skipped)
	}
}

func TestDescribe(t *testing.T) {
	s := open(t, ingest.Config{}, tree(t, map[string]string{
		"edge-1/access.log":    access(1, 500, "req-1") + "no access log\n" + access(2, 200, "req-2") + access(3, 200, "req-3"),
		"edge-1/access.log.1":  packGzip(t, access(0, 200, "req-0")),
		"app-1/orders.log":     text(1, "ERROR", "x") + "  more\n" + text(2, "INFO", "y"),
		"app-1/core":           "\x00",
		"app-1/empty.log":      "",
		"app-1/letter.log":     "Dear reader,\nhello\n",
		"app-1/cut.log.gz":     packGzip(t, strings.Repeat(text(1, "INFO", "z"), 9000))[:200],
		"app-1/longer/own.log": text(1, "INFO", strings.Repeat("w", 2<<20)),
	}))
	ds, err := s.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range ds {
		name := "-"
		if d.Format != nil {
			name = d.Format.Name
		}
		l := fmt.Sprintf("%s %s %s part %d of %s, %s on %s", d.File, name, d.Packed, d.Part, d.Stream, d.Service, d.Host)
		if !strings.Contains(d.File, "cut") {
			l += fmt.Sprintf(", %d records, %d events, %d unread from %d", d.Records, d.Events, d.Unread, d.FirstUnread)
		}
		for _, k := range d.Skipped {
			l += fmt.Sprintf("; %s %d", k.What, k.Count)
		}
		got = append(got, l)
	}
	want(t, "descriptions", got,
		"app-1/core -  part 0 of app-1/core, core on app-1, 0 records, 0 events, 0 unread from 0; binary file 1",
		"app-1/cut.log.gz test_text gzip part 0 of app-1/cut.log, cut on app-1; damaged gzip file 1",
		"app-1/empty.log -  part 0 of app-1/empty.log, empty on app-1, 0 records, 0 events, 0 unread from 0",
		"app-1/letter.log -  part 0 of app-1/letter.log, letter on app-1, 2 records, 0 events, 2 unread from 1; file in no known format 1",
		"app-1/longer/own.log test_text  part 0 of app-1/longer/own.log, own on longer, 1 records, 1 events, 0 unread from 0; record cut at 1 MiB 1",
		"app-1/orders.log test_text  part 0 of app-1/orders.log, orders on app-1, 2 records, 2 events, 0 unread from 0",
		"edge-1/access.log.1 test_access gzip part 0 of edge-1/access.log, edge-1 on edge-1, 1 records, 1 events, 0 unread from 0",
		"edge-1/access.log test_access  part 1 of edge-1/access.log, edge-1 on edge-1, 4 records, 3 events, 1 unread from 2",
	)
}

// A file that goes on in another format is searched for what fails in that one too, also
// where bytes alone would tell that nothing of the first format is in it.
func TestFormatTurns(t *testing.T) {
	var b strings.Builder
	for i := range 9000 {
		b.WriteString(access(i%3600, 200, fmt.Sprintf("req-%d", i)))
	}
	for i := range 9000 {
		b.WriteString(text(i%3600, "INFO", "fine"))
	}
	b.WriteString(text(7, "ERROR", "it failed"))
	for i := range 100 {
		b.WriteString(access(i, 200, "req-77"))
	}
	b.WriteString(access(8, 502, "req-78"))
	s := open(t, ingest.Config{}, tree(t, map[string]string{"a.log": b.String(), "b.log": access(1, 200, "req-0"), "c.log.gz": packGzip(t, b.String())}))
	events, skipped := read(t, s, failures)
	want(t, "failures", events, "a.log:18001 part 0 a on a: it failed", "a.log:18102 part 0 a on a: req-78",
		"c.log.gz:18001 part 0 c on c: it failed", "c.log.gz:18102 part 0 c on c: req-78")
	want(t, "skipped", skipped)
	d, err := s.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range d[0].Segments {
		got = append(got, fmt.Sprintf("%d %s", g.Line, g.Format.Name))
	}
	want(t, "segments", got, "1 test_access", "9001 test_text", "18002 test_access")
}

// A format that the user gave is not left for another.
func TestGivenFormatStays(t *testing.T) {
	dir := tree(t, map[string]string{"a.log": access(1, 200, "req-1") + strings.Repeat(text(2, "ERROR", "it failed"), 10)})
	s := open(t, ingest.Config{Format: testFormats(t).Lookup("test_access")}, dir)
	events, skipped := read(t, s, always)
	want(t, "read", events, "a.log:1 part 0 a on a: req-1")
	if len(skipped) != 10 {
		t.Errorf("skipped %q", skipped)
	}
}

// Windows writes UTF-16; a file that was truncated under its writer begins with zero
// bytes, more than any head.
func TestOtherText(t *testing.T) {
	wide := func(s string) string {
		b := []byte{0xff, 0xfe}
		for i := range len(s) {
			b = append(b, s[i], 0)
		}
		return string(b)
	}
	s := open(t, ingest.Config{}, tree(t, map[string]string{
		"wide.log": wide(access(1, 500, "req-1")),
		"hole.log": strings.Repeat("\x00", 3*headSize+17) + access(2, 500, "req-2"),
	}))
	events, skipped := read(t, s, failures)
	want(t, "failures", events, "hole.log:1 part 0 hole on hole: req-2", "wide.log:1 part 0 wide on wide: req-1")
	want(t, "skipped", skipped)
}

// TestSettle decides who wrote lines that several servers write, by paths and by the logs
// beside them.
func TestSettle(t *testing.T) {
	line := `203.0.113.9 - - [01/Mar/2026:12:00:07 +0000] "GET /a HTTP/1.1" 200 190 "-" "-"` + "\n"
	httpdError := "[Sun Mar 01 12:00:07.902022 2026] [proxy:error] [pid 31:tid 140] [client 203.0.113.9:4711] AH00898: Error reading from remote server returned by /a\n"
	dir := tree(t, map[string]string{
		"nginx/access.log":  line,
		"apache2/other.log": line,
		"web-1/access.log":  line,
		"web-1/error.log":   httpdError,
		"web-2/access.log":  line,
		"web-3/access.log":  strings.Repeat(line, headSize/len(line)+2),
		"web-3/error.log":   httpdError,
	})
	s := open(t, ingest.Config{Formats: format.Builtin()}, dir)
	got := map[string]string{}
	for _, st := range s.streams {
		got[st.path] = st.format.Name
	}
	want := map[string]string{
		"nginx/access.log": "nginx_combined", "apache2/other.log": "apache_combined",
		"web-1/access.log": "apache_combined", "web-1/error.log": "apache_error", "web-2/access.log": "combined_log",
		"web-3/access.log": "apache_combined", "web-3/error.log": "apache_error",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for e, err := range s.All(t.Context()) {
		if err == nil && e.Format != want[e.Pos.Path] {
			t.Fatalf("%s is read as %s", e.Pos, e.Format)
		}
	}
}
