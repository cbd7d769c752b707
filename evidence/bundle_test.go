package evidence

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/rules"
	"github.com/correlatehq/correlate/timeline"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 7, 0, time.UTC)

// secretCase has secrets wherever a log can put some.
func secretCase() *correlate.Case {
	at := func(ms int) timeline.Instant {
		t := t0.Add(time.Duration(ms) * time.Millisecond)
		return timeline.Instant{Earliest: t, Time: t, Latest: t}
	}
	edge := &timeline.Hop{ID: 1, Service: "edge", Host: "edge-1", Role: timeline.RoleGateway, Start: at(0), End: at(40), Sent: timeline.Status{Code: 500}, Received: timeline.Status{Code: 500}, Lineage: timeline.Relayed}
	app := &timeline.Hop{ID: 2, Service: "orders", Host: "app/../2", Role: timeline.RoleApp, Depth: 1, Attempt: 1, Start: at(1), End: at(38), Sent: timeline.Status{Code: 500}, Lineage: timeline.Created}
	call := &timeline.Call{ID: 1, Caller: edge, Callee: app, Attempt: 1, Received: timeline.Status{Code: 500}, Sent: timeline.Status{Code: 500}, Ended: timeline.Complete, Used: true, Error: "password=hunter2 refused"}
	edge.Calls, app.Caller = []*timeline.Call{call}, call
	id := "4111111111111111" // would do for a card number
	key := timeline.Key{Name: timeline.KeyRequestID, Value: id}
	r := &timeline.Request{ID: id, Keys: []timeline.Key{key}, Method: "POST", Path: "/login?password=hunter2", Start: at(0), Length: 40 * time.Millisecond,
		Client: timeline.Status{Code: 500}, Failed: true, Hops: []*timeline.Hop{edge, app}, Calls: []*timeline.Call{call}}
	add := func(h *timeline.Hop, path string, line int, body, raw string) {
		r.Events = append(r.Events, timeline.Joined{ID: len(r.Events) + 1, Hop: h, Start: at(1), End: at(1), Candidates: 1,
			Event: &timeline.Event{Time: t0, Service: h.Service, Host: h.Host, Body: body, Raw: []byte(raw), Keys: []timeline.Key{key},
				Pos: timeline.Pos{Source: "logs", Path: path, Line: line, Offset: int64(line)}}})
	}
	add(edge, "edge/access.log", 7, "", `10.0.0.9 "POST /login?password=hunter2 HTTP/1.1" 500 id=4111111111111111`)
	add(edge, "edge/access.log", 3, "", "10.0.0.9 \"GET /ok HTTP/1.1\" 500 id=4111111111111111 \x1b[31m\xff")
	add(app, "app/orders.log", 12, "no rate for bob@example.com", "panic: no rate for bob@example.com\nAuthorization: Bearer abc123def456\n\tat price.go:88\n")
	for i := range r.Events {
		e := &r.Events[i]
		e.Hop.Events = append(e.Hop.Events, e)
	}
	return &correlate.Case{RequestID: id, Request: r,
		Near: &timeline.Surroundings{},
		Verdict: &rules.Verdict{Origin: app, CauseClass: "unhandled_exception", Rule: "panic", Certainty: rules.Proven, Confidence: 0.9,
			Summary: "orders panicked for bob@example.com.", Evidence: []*timeline.Joined{&r.Events[2]},
			Exception: &timeline.Exception{Type: "panic", Message: "no rate for bob@example.com", File: "price.go", Line: 88},
			Rivals:    []rules.Rival{{Hop: edge, ExcludedBy: "it passed on what orders sent with token=abc123", Event: &r.Events[0]}},
			Missing:   []rules.Missing{{What: "the log of postgres://app:hunter2@db/shop", WhyItMatters: "it would show the query"}}},
		Sources: []correlate.SourceInfo{{Name: "logs"}},
	}
}

func bundle(t testing.TB, c *correlate.Case, o Options) ([]byte, *Manifest) {
	t.Helper()
	var b bytes.Buffer
	m, err := Write(&b, c, o)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), m
}

func unzip(t testing.TB, b []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range z.File {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(data)
	}
	return out
}

func verify(t testing.TB, b []byte) *Result {
	t.Helper()
	res, err := Verify(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestWrite(t *testing.T) {
	b, m := bundle(t, secretCase(), Options{ToolVersion: "1.2.3"})
	again, _ := bundle(t, secretCase(), Options{ToolVersion: "1.2.3"})
	if !bytes.Equal(b, again) {
		t.Error("the same case gave other bytes")
	}
	files := unzip(t, b)
	var names []string
	for _, f := range m.Files {
		names = append(names, f.Name)
	}
	if d := cmp.Diff([]string{"README.txt", "case.json", "case.md", "raw/01-app-2.log", "raw/02-edge-1.log", "redactions.json", "report.txt"}, names); d != "" {
		t.Error(d)
	}
	if m.Created != "2026-03-01T12:00:07.04Z" || m.ToolVersion != "1.2.3" || m.RequestID != "4111111111111111" {
		t.Errorf("manifest %+v", m)
	}
	for name, text := range files {
		for _, secret := range []string{"hunter2", "bob@", "example.com", "abc123"} {
			if name != "README.txt" && strings.Contains(text, secret) {
				t.Errorf("%s holds %q", name, secret)
			}
		}
	}
	// The ID stays though it would do for a card number, and raw bytes stay as they were.
	if want := "10.0.0.9 \"GET /ok HTTP/1.1\" 500 id=4111111111111111 \x1b[31m\xff\n10.0.0.9 \"POST /login?password=[redacted:secret:1] HTTP/1.1\" 500 id=4111111111111111\n"; files["raw/02-edge-1.log"] != want {
		t.Errorf("raw file of edge-1: %q", files["raw/02-edge-1.log"])
	}
	if want := "panic: no rate for [redacted:email:1]\nAuthorization: Bearer [redacted:authorization:1]\n\tat price.go:88\n"; files["raw/01-app-2.log"] != want {
		t.Errorf("raw file of app: %q", files["raw/01-app-2.log"])
	}
	want := []RecordLine{
		{Event: 3, File: "raw/01-app-2.log", Line: 1, Lines: 3, Position: "app/orders.log:12", SHA256: sum([]byte(strings.TrimSuffix(files["raw/01-app-2.log"], "\n")))},
		{Event: 2, File: "raw/02-edge-1.log", Line: 1, Lines: 1, Position: "edge/access.log:3", SHA256: sum(secretCase().Request.Events[1].Raw), OriginalSHA256: sum(secretCase().Request.Events[1].Raw)},
		{Event: 1, File: "raw/02-edge-1.log", Line: 2, Lines: 1, Position: "edge/access.log:7", SHA256: sum([]byte(`10.0.0.9 "POST /login?password=[redacted:secret:1] HTTP/1.1" 500 id=4111111111111111`))},
	}
	if d := cmp.Diff(want, m.Records); d != "" {
		t.Error(d)
	}

	var red redactionsFile
	if err := json.Unmarshal([]byte(files["redactions.json"]), &red); err != nil {
		t.Fatal(err)
	}
	has := map[string]int{}
	for _, x := range red.Redactions {
		has[strings.Join(strings.Fields(x.File+" "+x.Position+" "+x.Field+" "+x.Kind), " ")] += x.Count
		if x.File == "raw/01-app-2.log" && x.Kind == "authorization" && x.Line != 2 {
			t.Errorf("line of %+v, want 2", x)
		}
	}
	for _, k := range []string{"raw/01-app-2.log app/orders.log:12 email", "raw/01-app-2.log app/orders.log:12 authorization", "raw/02-edge-1.log edge/access.log:7 secret",
		"case.json path secret", "case.json events[2].body email", "case.json verdict.summary email", "case.json verdict.exception.message email",
		"case.json verdict.rivals[0].excludedBy secret", "case.json verdict.missing[0].what url_password", "case.json calls[0].error secret"} {
		if has[k] != 1 {
			t.Errorf("redactions.json has %d of %q; it has %v", has[k], k, has)
		}
	}
	if !verify(t, b).OK() {
		t.Errorf("a fresh bundle does not verify: %v", verify(t, b).Problems)
	}
}

// The case itself must stay as it is.
func TestWriteChangesNothing(t *testing.T) {
	c := secretCase()
	bundle(t, c, Options{})
	if got := string(c.Request.Events[0].Raw); got != string(secretCase().Request.Events[0].Raw) {
		t.Errorf("raw is %q", got)
	}
	if c.Request.Path != secretCase().Request.Path || c.Verdict.Summary != secretCase().Verdict.Summary || c.Near == nil {
		t.Error("the case was changed")
	}
}

// In the copy what was shared is shared: the verdict's evidence is the request's event.
func TestCleanKeepsIdentity(t *testing.T) {
	c := secretCase()
	got := newCaseRedactor(c).clean(c)
	r := got.Request
	if got.Verdict.Evidence[0] != &r.Events[2] || got.Verdict.Origin != r.Hops[1] || r.Hops[1].Caller != r.Calls[0] || r.Calls[0].Caller != r.Hops[0] ||
		r.Hops[1].Events[0] != &r.Events[2] || r.Events[2].Hop != r.Hops[1] {
		t.Error("pointers of the copy lead elsewhere")
	}
	if r.Events[2].Event == c.Request.Events[2].Event {
		t.Error("the copy shares an event with the original")
	}
}

func TestWriteEmptyCases(t *testing.T) {
	for name, c := range map[string]*correlate.Case{
		"nothing":    {},
		"no verdict": {RequestID: "x", Request: &timeline.Request{Length: -1}},
		"no record":  {RequestID: "x", Request: &timeline.Request{Events: []timeline.Joined{{ID: 1, Event: &timeline.Event{}}}}},
	} {
		b, m := bundle(t, c, Options{})
		if res := verify(t, b); !res.OK() {
			t.Errorf("%s: %v", name, res.Problems)
		}
		if d, err := m.Digest(); err != nil || d != verify(t, b).Digest {
			t.Errorf("%s: digest %s, %v; verify says %s", name, d, err, verify(t, b).Digest)
		}
	}
}

// Every byte of the archive counts.
func TestVerifyFindsEveryChangedByte(t *testing.T) {
	b, _ := bundle(t, secretCase(), Options{})
	for i := range b {
		for _, x := range []byte{0x01, 0xff} {
			b[i] ^= x
			res, err := Verify(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatalf("byte %d ^ %#x: %v", i, x, err)
			}
			if res.OK() {
				t.Fatalf("byte %d of %d ^ %#x: not found", i, len(b), x)
			}
			b[i] ^= x
		}
	}
	for n := range b {
		if n%7 == 0 && verify(t, b[:n]).OK() {
			t.Fatalf("cut to %d of %d bytes: not found", n, len(b))
		}
	}
	if !verify(t, b).OK() {
		t.Fatal("the test left a change behind")
	}
}

// rewrite makes another archive of the files of b.
func rewrite(t *testing.T, b []byte, edit func([]file) []file, write func(io.Writer, []file) error) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var files []file
	all := unzip(t, b)
	for _, f := range z.File {
		files = append(files, file{f.Name, []byte(all[f.Name])})
	}
	if edit != nil {
		files = edit(files)
	}
	if write == nil {
		write = writeZip
	}
	var out bytes.Buffer
	if err := write(&out, files); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestVerifySaysWhatWasDone(t *testing.T) {
	b, _ := bundle(t, secretCase(), Options{})
	if same := rewrite(t, b, nil, nil); !bytes.Equal(same, b) {
		t.Fatal("the same files give another archive")
	}
	find := func(files []file, name string) *file {
		for i := range files {
			if files[i].name == name {
				return &files[i]
			}
		}
		t.Fatalf("no file %s", name)
		return nil
	}
	compress := func(w io.Writer, files []file) error {
		z := zip.NewWriter(w)
		for _, f := range files {
			e, err := z.Create(f.name)
			if err != nil {
				return err
			}
			if _, err := e.Write(f.data); err != nil {
				return err
			}
		}
		return z.Close()
	}
	stored := func(comment string) func(w io.Writer, files []file) error {
		return func(w io.Writer, files []file) error {
			z := zip.NewWriter(w)
			for _, f := range files {
				h := &zip.FileHeader{Name: f.name}
				h.SetMode(0o600)
				e, err := z.CreateHeader(h)
				if err != nil {
					return err
				}
				if _, err := e.Write(f.data); err != nil {
					return err
				}
			}
			if err := z.SetComment(comment); err != nil {
				return err
			}
			return z.Close()
		}
	}
	for _, c := range []struct {
		name  string
		edit  func([]file) []file
		write func(io.Writer, []file) error
		want  string
	}{
		{"changed", func(f []file) []file { find(f, "raw/02-edge-1.log").data[0] = '9'; return f }, nil, "raw/02-edge-1.log: has other contents than the manifest says"},
		{"longer", func(f []file) []file { x := find(f, "case.md"); x.data = append(x.data, ' '); return f }, nil, "case.md: has "},
		{"added", func(f []file) []file { return append(f, file{"extra.txt", []byte("x")}) }, nil, "extra.txt: is not in the manifest"},
		{"removed", func(f []file) []file { return f[1:] }, nil, "README.txt: is not there"},
		{"renamed", func(f []file) []file { find(f, "case.md").name = "kase.md"; return f }, nil, "case.md: is not there"},
		{"doubled", func(f []file) []file { return append(f, *find(f, "case.json")) }, nil, "case.json: is there more than once"},
		{"manifest changed", func(f []file) []file {
			x := find(f, manifestName)
			x.data = bytes.Replace(x.data, []byte(`"4111111111111111"`), []byte(`"4111111111111112"`), 1)
			return f
		}, nil, "SHA256SUMS: does not say what the manifest says"},
		{"manifest spaced", func(f []file) []file {
			x := find(f, manifestName)
			x.data = append(x.data, '\n')
			return f
		}, nil, "MANIFEST.json: is not written as correlate writes it"},
		{"manifest with a field", func(f []file) []file {
			x := find(f, manifestName)
			x.data = bytes.Replace(x.data, []byte("{\n"), []byte("{\n  \"note\": 1,\n"), 1)
			return f
		}, nil, "MANIFEST.json: cannot be read"},
		{"manifest removed", func(f []file) []file { return f[:len(f)-2] }, nil, "MANIFEST.json: is not there"},
		{"sums removed", func(f []file) []file { return f[:len(f)-1] }, nil, "SHA256SUMS: is not there"},
		{"order", func(f []file) []file { f[0], f[1] = f[1], f[0]; return f }, nil, "the archive differs"},
		{"compressed", nil, compress, "is compressed, which no file of a bundle is"},
		{"other headers", nil, stored(""), "the archive differs"},
		{"comment", nil, stored("hello"), "the archive differs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var all []string
			for _, p := range verify(t, rewrite(t, b, c.edit, c.write)).Problems {
				all = append(all, p.String())
			}
			if !strings.Contains(strings.Join(all, "\n"), c.want) {
				t.Errorf("got %q, want %q", all, c.want)
			}
		})
	}
	for name, x := range map[string][]byte{"behind": append(bytes.Clone(b), "tail"...), "before": append([]byte("head"), b...)} {
		if verify(t, x).OK() {
			t.Errorf("bytes %s the archive: not found", name)
		}
	}
	for name, x := range map[string]string{"empty": "", "no zip": "hello", "text": strings.Repeat("PK", 100)} {
		if res := verify(t, []byte(x)); res.OK() || res.Manifest != nil {
			t.Errorf("%s: %+v", name, res)
		}
	}
}

// A bundle that was written anew as a whole verifies; its digest is another one.
func TestDigestTellsARewrittenBundle(t *testing.T) {
	a, m := bundle(t, secretCase(), Options{})
	c := secretCase()
	c.Verdict.Summary = "orders was not at fault."
	b, _ := bundle(t, c, Options{})
	digest, err := m.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if x, y := verify(t, a), verify(t, b); !x.OK() || !y.OK() || x.Digest != digest || y.Digest == digest {
		t.Errorf("%v %v, digests %s %s, written %s", x.Problems, y.Problems, x.Digest, y.Digest, digest)
	}
}

type brokenReader struct{}

func (r brokenReader) ReadAt(p []byte, off int64) (int, error) { return 0, errors.New("disk gone") }

func TestVerifyTellsReadErrors(t *testing.T) {
	if _, err := Verify(brokenReader{}, 1000); err == nil || !strings.Contains(err.Error(), "disk gone") {
		t.Errorf("got %v", err)
	}
	res, err := Verify(brokenReader{}, maxBundle+1)
	if err != nil || res.OK() {
		t.Errorf("too large: %+v, %v", res, err)
	}
}

// The README tells how to check with common tools; it must be true.
func TestSums(t *testing.T) {
	b, _ := bundle(t, secretCase(), Options{})
	dir := t.TempDir()
	if err := unpack(dir, unzip(t, b)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sha256sum", "-c", sumsName)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("sha256sum -c: %v\n%s", err, out)
	}
}

func unpack(dir string, files map[string]string) error {
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func FuzzVerify(f *testing.F) {
	b, _ := bundle(f, secretCase(), Options{})
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, x []byte) {
		res, err := Verify(bytes.NewReader(x), int64(len(x)))
		if err != nil {
			t.Fatal(err)
		}
		// What verifies is what its contents make.
		if res.OK() {
			if same := rewrite(t, x, nil, nil); !bytes.Equal(same, x) {
				t.Fatal("verified, and its contents make other bytes")
			}
		}
	})
}
