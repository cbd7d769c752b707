package format

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/correlatehq/correlate/timeline"
)

// TestLoadErrors shows what is said of files that are wrong.
func TestLoadErrors(t *testing.T) {
	datadriven.RunTest(t, "testdata/load/errors", func(t *testing.T, d *datadriven.TestData) string {
		_, err := Load(fstest.MapFS{"x.yaml": {Data: []byte(d.Input)}})
		if err == nil {
			return "no error\n"
		}
		return err.Error() + "\n"
	})
}

// TestSamples reads each sample of each format through a Reader that detects the
// format, as a file with that record alone. A sample that other formats read too is
// read by the most special of them.
func TestSamples(t *testing.T) {
	s := Builtin()
	for _, f := range s.Formats() {
		for i, sm := range f.Samples() {
			r, err := s.NewReader(strings.NewReader(sm.Line+"\n"), Options{Reference: sampleReference})
			if err != nil {
				t.Fatal(err)
			}
			det := r.Detection()
			if det.Format == nil {
				t.Errorf("%s, sample %d: no format", f.Name, i)
				continue
			}
			names := append(det.Format.Wrappers, det.Format.Name)
			known := f.c.spec.Wraps != nil && f.c.spec.Wraps.Known // else it is what the lines look like
			if names[0] != cmp.Or(f.c.spec.Like, f.Name) && !s.reads[f][det.Format] && !known {
				t.Errorf("%s, sample %d: detected as %v", f.Name, i, names)
			}
			rec, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if string(rec.Bytes) != strings.TrimRight(sm.Line, "\n") {
				t.Errorf("%s, sample %d: the record is %q", f.Name, i, rec.Bytes)
			}
			if err := r.Decode(rec, func(e *timeline.Event) bool {
				if e.Failed && det.Format.Literals != nil && !containsAny(rec.Bytes, det.Format.Literals) {
					t.Errorf("%s, sample %d: failed, but contains none of the literals", f.Name, i)
				}
				return true
			}); err != nil {
				t.Errorf("%s, sample %d: %v", f.Name, i, err)
			}
		}
	}
}

func containsAny(b []byte, lits [][]byte) bool {
	for _, l := range lits {
		if bytes.Contains(b, l) {
			return true
		}
	}
	return false
}

// TestFailedSamples says that every format with failed records shows one.
func TestFailedSamples(t *testing.T) {
	d := newDecoding(sampleReference, nil)
	for _, f := range Builtin().Formats() {
		if len(f.c.failed) == 0 {
			continue
		}
		shown := false
		for _, sm := range f.Samples() {
			shown = shown || d.decode(f.c, []byte(sm.Line)) && d.ev.Failed
		}
		if !shown {
			t.Errorf("%s: no sample is failed", f.Name)
		}
	}
}

// TestLiteralsInWrapper says that a wrapped format's literals are those of the bytes
// in the file.
func TestLiteralsInWrapper(t *testing.T) {
	in := `{"log":"{\"time\":\"2026-03-01T12:00:00Z\",\"level\":\"ERROR\",\"msg\":\"a\"}\n","stream":"stderr","time":"2026-03-01T12:00:00.1Z"}` + "\n"
	det := Builtin().Detect([]byte(in))
	if det.Format == nil || det.Format.Name != "slog_json" || len(det.Format.Wrappers) != 1 {
		t.Fatalf("detected as %+v", det.Format)
	}
	if !containsAny([]byte(in), det.Format.Literals) {
		t.Errorf("none of %q is in the record", det.Format.Literals)
	}
}

// TestOrder says that general formats come after those whose records they read too.
func TestOrder(t *testing.T) {
	s := Builtin()
	for a, m := range s.reads {
		for b := range m {
			if a.c.spec.Like == "" && b.c.spec.Like == "" && a.rank < b.rank && !s.reads[b][a] {
				t.Errorf("%s reads samples of %s but is tried before it", a.Name, b.Name)
			}
		}
	}
}

// TestLongLine reads a line of 10 MB in constant memory and goes on after it.
func TestLongLine(t *testing.T) {
	const size = 10 << 20
	head := "2026-03-01 12:00:07,655 ERROR [-] root: "
	tail := "\n2026-03-01 12:00:08,655 INFO [-] root: after it\n"
	in := io.MultiReader(strings.NewReader(head), io.LimitReader(filler{}, size), strings.NewReader(tail))
	f := Builtin().Lookup("python_logging")
	r, err := Builtin().NewReader(in, Options{Format: f})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := r.Next()
	if err != nil || !rec.Cut || len(rec.Bytes) != defaultMaxRecord {
		t.Fatalf("first record: %d bytes, cut %v, error %v", len(rec.Bytes), rec.Cut, err)
	}
	if err := r.Decode(rec, func(e *timeline.Event) bool { return true }); err != nil {
		t.Error(err)
	}
	rec, err = r.Next()
	if err != nil || rec.Offset != int64(len(head)+size+1) || rec.Line != 2 {
		t.Fatalf("second record: line %d at %d, error %v", rec.Line, rec.Offset, err)
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("end: %v", err)
	}
	if c := cap(r.buf); c > 4*defaultMaxRecord {
		t.Errorf("the buffer grew to %d bytes", c)
	}
}

// filler is an endless stream of letters.
type filler struct{}

func (filler) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestBrokenStream says that what was read is given before the error that ends it.
func TestBrokenStream(t *testing.T) {
	broken := errors.New("the disk is gone")
	in := io.MultiReader(strings.NewReader(`{"time":"2026-03-01T12:00:00Z","level":"INFO","msg":"a"}`+"\n"), failingReader{broken})
	r, err := Builtin().NewReader(in, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err != nil {
		t.Errorf("first record: %v", err)
	}
	if _, err := r.Next(); !errors.Is(err, broken) {
		t.Errorf("end: %v, want %v", err, broken)
	}
	if _, err := Builtin().NewReader(failingReader{broken}, Options{}); !errors.Is(err, broken) {
		t.Errorf("nothing read: %v, want %v", err, broken)
	}
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

// TestPlaceholders says which values are no keys.
func TestPlaceholders(t *testing.T) {
	for _, v := range []string{"", "-", "0", "null", "None", "UNKNOWN", "undefined", "00000000-0000-0000-0000-000000000000", "0000000000000000", "nil", "17"} {
		d := newDecoding(testReference, nil)
		d.identity(timeline.KeyRequestID, v)
		if len(d.ev.Keys) > 0 {
			t.Errorf("%q was taken for an ID", v)
		}
	}
}

// TestFindKeys says which IDs are seen in free text.
func TestFindKeys(t *testing.T) {
	c := &compiled{}
	for text, want := range map[string]string{
		"done req=8f3a5c1e9b7d for anna":                                                     "8f3a5c1e9b7d",
		"request_id: 8f3a-77, retrying":                                                      "8f3a-77",
		`{"X-Request-ID":"abc123def"}`:                                                       "abc123def",
		"SELECT 1 /*request_id='8f3a5c1e'*/":                                                 "8f3a5c1e",
		"[req-5d0c7a52-1b3e-4f5a-9d7e-0a1b2c3d4e5f] started":                                 "req-5d0c7a52-1b3e-4f5a-9d7e-0a1b2c3d4e5f",
		"SELECT 1 /*traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'*/": "4bf92f3577b34da6a3ce929d0e0e4736",
		"request id missing":                                                                 "",
		"requests=12 per hour":                                                               "",
		"req=unknown":                                                                        "",
		"freq=44100000 Hz":                                                                   "",
	} {
		d := newDecoding(testReference, nil)
		d.findKeys(c, text)
		var got string
		if len(d.ev.Keys) > 0 {
			got = d.ev.Keys[0].Value
		}
		if got != want {
			t.Errorf("%q: found %q, want %q", text, got, want)
		}
	}
}

// TestEventIsOwned says that a cloned event does not change with what is read later.
func TestEventIsOwned(t *testing.T) {
	in := `{"time":"2026-03-01T12:00:00Z","level":"INFO","msg":"first","addr":"one"}` + "\n" +
		`{"time":"2026-03-01T12:00:00Z","level":"INFO","msg":"secnd","addr":"two"}` + "\n"
	r, err := Builtin().NewReader(strings.NewReader(in), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var kept []*timeline.Event
	for {
		rec, err := r.Next()
		if err != nil {
			break
		}
		if err := r.Decode(rec, func(e *timeline.Event) bool {
			kept = append(kept, e.Clone())
			return true
		}); err != nil {
			t.Fatal(err)
		}
	}
	if len(kept) != 2 || kept[0].Body != "first" || kept[0].Attrs.Get("addr") != "one" || !bytes.Contains(kept[0].Raw, []byte("first")) {
		t.Errorf("kept %+v", kept[0])
	}
}

// FuzzRead frames and decodes any bytes: nothing crashes, and the records stand where
// they say, in order.
func FuzzRead(f *testing.F) {
	for _, ft := range Builtin().Formats() {
		for _, sm := range ft.Samples() {
			f.Add([]byte(sm.Line+"\n"+sm.Line), 0)
			f.Add([]byte(sm.Line), 100)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, limit int) {
		if limit < 0 || limit > 1<<20 {
			limit = 0
		}
		r, err := Builtin().NewReader(bytes.NewReader(in), Options{Reference: testReference, MaxRecord: limit, Zone: time.UTC})
		if err != nil {
			t.Fatal(err)
		}
		end, line := int64(0), 0
		for {
			rec, err := r.Next()
			if errors.Is(err, io.EOF) || errors.Is(err, ErrTruncated) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if rec.Offset < end || rec.Line < line || rec.Line == line != rec.Inline || rec.Offset >= int64(len(in)) {
				t.Fatalf("record at %d line %d after %d line %d", rec.Offset, rec.Line, end, line)
			}
			if limit > 0 && len(rec.Bytes) > limit {
				t.Fatalf("record of %d bytes, limit %d", len(rec.Bytes), limit)
			}
			if bytes.Count(in[:rec.Offset], []byte("\n"))+1 != rec.Line {
				t.Fatalf("record at %d is not in line %d", rec.Offset, rec.Line)
			}
			end, line = rec.Offset+1, rec.Line
			err = r.Decode(rec, func(e *timeline.Event) bool {
				e.Clone()
				e.Interval()
				checkEvent(t, e)
				return true
			})
			if err != nil && !errors.Is(err, ErrNoMatch) {
				t.Fatal(err)
			}
		}
	})
}

// FuzzDecode gives any bytes to a format as one record.
func FuzzDecode(f *testing.F) {
	formats := Builtin().Formats()
	for i, ft := range formats {
		for _, sm := range ft.Samples() {
			f.Add(uint8(i), []byte(sm.Line))
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, in []byte) {
		ft := formats[int(n)%len(formats)]
		d := newDecoding(testReference, nil)
		before := bytes.Clone(in)
		if d.decode(ft.c, in) {
			checkEvent(t, &d.ev)
			if d.ev.Failed && ft.c.literals != nil && !containsAny(in, ft.c.literals) {
				t.Errorf("%s: failed without a literal: %q", ft.Name, in)
			}
		}
		if !bytes.Equal(in, before) {
			t.Errorf("%s: the record was changed", ft.Name)
		}
	})
}

// FuzzLoad loads any format file: it is refused or it can read.
func FuzzLoad(f *testing.F) {
	files, err := builtinFS.ReadDir("builtin")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range files {
		b, err := builtinFS.ReadFile("builtin/" + e.Name())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := Load(fstest.MapFS{"x.yaml": {Data: in}})
		if err == nil {
			s.Detect([]byte("2026-03-01 12:00:00 a\n{}\n"))
		}
	})
}

// BenchmarkRead frames and decodes a stream of each format's first sample.
func BenchmarkRead(b *testing.B) {
	for _, f := range formatsToBench(b) {
		var in []byte
		line := strings.TrimRight(f.Samples()[0].Line, "\n") + "\n"
		for len(in) < 1<<20 {
			in = append(in, line...)
		}
		for _, mode := range []string{"frame", "decode"} {
			b.Run(f.Name+"/"+mode, func(b *testing.B) {
				b.SetBytes(int64(len(in)))
				b.ReportAllocs()
				for b.Loop() {
					r, err := Builtin().NewReader(bytes.NewReader(in), Options{Format: f, Reference: sampleReference})
					if err != nil {
						b.Fatal(err)
					}
					for {
						rec, err := r.Next()
						if err != nil {
							break
						}
						if mode == "decode" {
							if err := r.Decode(rec, func(*timeline.Event) bool { return true }); err != nil {
								b.Fatal(err)
							}
						}
					}
				}
			})
		}
	}
}

// BenchmarkDetect finds the format of a head of 64 KiB.
func BenchmarkDetect(b *testing.B) {
	line := Builtin().Lookup("python_logging").Samples()[0].Line + "\n"
	head := []byte(strings.Repeat(line, headSize/len(line)))
	for b.Loop() {
		if Builtin().Detect(head).Format == nil {
			b.Fatal("no format")
		}
	}
}

// TestDetectLeavesTheSetAsItIs: a set is shared by all who read, so what is learnt of one file stands in a format of
// its own, also where nothing inside its wrapper is known.
func TestDetectLeavesTheSetAsItIs(t *testing.T) {
	var head strings.Builder
	for i := range 40 {
		fmt.Fprintf(&head, `{"log":"~~ %d ~~\n","stream":"stdout","time":"2026-03-01T12:00:%02d.000000000Z"}`+"\n", i, i)
	}
	det := Builtin().Detect([]byte(head.String()))
	if det.Format == nil || det.Format.Name != "docker_json" || det.Format.route == nil {
		t.Fatalf("got %+v, want docker_json with a way to what stands inside", det.Format)
	}
	for _, f := range Builtin().Formats() {
		if f.route != nil {
			t.Errorf("%s of the set has learnt of a file", f.Name)
		}
	}
}
