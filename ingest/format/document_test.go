package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/correlatehq/correlate/timeline"
)

// TestDocument cuts documents into records. "split" shows the records as they are cut by
// the paths, "read" what the built-in formats make of the stream. In the input \r and
// \B stand for these bytes, and a last line \0 for an end without a line end.
func TestDocument(t *testing.T) {
	datadriven.Walk(t, "testdata/document", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			in := strings.NewReplacer(`\r`, "\r", `\B`, string(bom)).Replace(d.Input) + "\n"
			in = strings.TrimSuffix(in, "\n\\0\n")
			max := 1 << 20
			var list []recordPath
			var show []string
			for _, a := range d.CmdArgs {
				switch a.Key {
				case "paths":
					for _, v := range a.Vals {
						p, err := parsePath(v)
						if err != nil {
							return err.Error() + "\n"
						}
						list = append(list, p)
					}
				case "max":
					n, err := strconv.Atoi(a.Vals[0])
					if err != nil {
						t.Fatal(err)
					}
					max = n
				case "show":
					show = a.Vals
				default:
					t.Fatalf("%s: unknown argument %s", d.Pos, a.Key)
				}
			}
			if d.Cmd == "read" {
				return readDocument(t, in, max, show)
			}
			p := newPaths(list)
			whole := splitAll(newBuffered(strings.NewReader(in)), p, max)
			bytewise := splitAll(newBuffered(iotest.OneByteReader(strings.NewReader(in))), p, max)
			if diff := cmp.Diff(whole, bytewise); diff != "" {
				t.Errorf("%s: read byte by byte it is otherwise:\n%s", d.Pos, diff)
			}
			return whole
		})
	})
}

func splitAll(in io.Reader, p *paths, max int) string {
	d := newDocument(newBuffered(in), p, max)
	var b strings.Builder
	for {
		r, err := d.next()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			return b.String() + err.Error() + "\n"
		}
		fmt.Fprintf(&b, "%d@%d", r.line, r.offset)
		if r.inline {
			b.WriteString(" inline")
		}
		if r.cut {
			b.WriteString(" cut")
		}
		fmt.Fprintf(&b, " %s\n", r.text)
	}
}

func readDocument(t *testing.T, in string, max int, show []string) string {
	r, err := Builtin().NewReader(strings.NewReader(in), Options{Reference: testReference, MaxRecord: max})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	det := r.Detection()
	b.WriteString(strings.TrimSuffix(showDetection(&det), "\n"))
	fmt.Fprintf(&b, ", document %v\n", det.Document)
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			return b.String() + err.Error() + "\n"
		}
		fmt.Fprintf(&b, "%d@%d", rec.Line, rec.Offset)
		if rec.Inline {
			b.WriteString(" inline")
		}
		if rec.Cut {
			b.WriteString(" cut")
		}
		err = r.Decode(rec, func(e *timeline.Event) bool {
			if e.Pos.Item > 1 {
				fmt.Fprintf(&b, "#%d", e.Pos.Item)
			}
			writeEvent(&b, e, show)
			return true
		})
		if err != nil {
			fmt.Fprintf(&b, ": %v\n", err)
		}
	}
}

// TestDocumentMemory says that a document of any length is read in little memory.
func TestDocumentMemory(t *testing.T) {
	const elements = 200000
	element := `{"time":"2026-03-01T12:00:07.655123456Z","level":"INFO","msg":"request finished"}`
	r, err := Builtin().NewReader(io.MultiReader(strings.NewReader("["+element), strings.NewReader(strings.Repeat(","+element, elements-1)), strings.NewReader("]")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if string(rec.Bytes) != element || rec.Offset != 1+int64(n*(len(element)+1)) {
			t.Fatalf("record %d at %d is %s", n, rec.Offset, rec.Bytes)
		}
		n++
	}
	if n != elements {
		t.Errorf("%d records, want %d", n, elements)
	}
	if c := cap(r.doc.buf) + cap(r.buf); c > 4096 {
		t.Errorf("the buffers hold %d bytes", c)
	}
}

// FuzzDocument cuts any bytes: nothing is lost of a document that is whole, what is given
// stands where it is said to, and a cut record is a value.
func FuzzDocument(f *testing.F) {
	for _, s := range []string{
		`[{"a":1},{"a":2}]`, `{"data":[{"a":[1,2]},{}]}`, "{\n \"a\": 1\n}\n{\n \"a\": 2\n}\n", `{"log":{"entries":[{"a":"\\\""}]}}`,
		"text\n[{\"a\":1}\n", `{"a":{"b":1}`, "{\"a\":\"x\n{\"a\":1}\n", `[[{"a":1}],[]]`, `{"a":1,"a":{}} } ]`, `[{"data":[{},{}]}]`,
	} {
		f.Add([]byte(s), 0)
		f.Add([]byte(s), 5)
	}
	p := newPaths([]recordPath{{"data", eachElement}, {"log", "entries", eachElement}})
	f.Fuzz(func(t *testing.T, in []byte, max int) {
		if max < 1 || max > 1<<16 {
			max = 1 << 16
		}
		d := newDocument(newBuffered(bytes.NewReader(in)), p, max)
		last, lastLine, values := int64(-1), 0, 0
		for {
			r, err := d.next()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, ErrTruncated) {
					t.Fatal(err)
				}
				break
			}
			if r.offset <= last || r.offset >= int64(len(in)) || r.line < lastLine || r.inline != (r.line == lastLine) {
				t.Fatalf("record at %d line %d after %d line %d", r.offset, r.line, last, lastLine)
			}
			if n := bytes.Count(in[:r.offset], []byte("\n")) + 1; n != r.line {
				t.Fatalf("record at %d is said to be in line %d, not %d", r.offset, r.line, n)
			}
			if len(r.text) == 0 && !r.cut || len(r.text) > max || bytes.IndexByte(r.text, '\n') >= 0 {
				t.Fatalf("record %q, limit %d", r.text, max)
			}
			if !r.cut && in[r.offset] != r.text[0] {
				t.Fatalf("record %q of %q stands not at %d", r.text, in, r.offset)
			}
			if !r.cut && json.Valid(r.text) {
				values++
			}
			last, lastLine = r.offset, r.line
		}
		// Of whole JSON each element is given.
		var whole any
		if max == 1<<16 && len(in) < max && json.Unmarshal(in, &whole) == nil && values != count(whole) {
			t.Errorf("%d records of %q, want %d", values, in, count(whole))
		}
	})
}

// count tells how many records the paths of FuzzDocument lead to.
func count(v any) int {
	switch v := v.(type) {
	case []any:
		n := 0
		for _, e := range v {
			if _, ok := e.([]any); ok {
				n += len(e.([]any))
			} else {
				n += countIn(e)
			}
		}
		return n
	}
	return countIn(v)
}

func countIn(v any) int {
	o, ok := v.(map[string]any)
	if !ok {
		return 1
	}
	n, found := 0, false
	if a, ok := o["data"].([]any); ok {
		n, found = n+len(a), true
	}
	if l, ok := o["log"].(map[string]any); ok {
		if a, ok := l["entries"].([]any); ok {
			n, found = n+len(a), true
		}
	}
	if !found {
		n = 1
	}
	return n
}

// BenchmarkDocument cuts a pretty-printed array and one without white space.
func BenchmarkDocument(b *testing.B) {
	line := Builtin().Lookup("slog_json").Samples()[0].Line
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte("["+line+strings.Repeat(","+line, 2000)+"]"), "", "  "); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		in   []byte
	}{{"pretty", pretty.Bytes()}, {"dense", []byte("[" + line + strings.Repeat(","+line, 2000) + "]")}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.in)))
			for b.Loop() {
				d := newDocument(newBuffered(bytes.NewReader(c.in)), anyArray, documentMax)
				for {
					if _, err := d.next(); err != nil {
						break
					}
				}
			}
		})
	}
}

// FuzzTree gives any JSON to the formats whose records hold many events: each event is told apart
// by its number and keeps its own text.
func FuzzTree(f *testing.F) {
	for _, ft := range Builtin().Formats() {
		if ft.c.tree == nil {
			continue
		}
		for _, s := range ft.Samples() {
			f.Add([]byte(s.Line))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, ft := range Builtin().Formats() {
			if ft.c.tree == nil {
				continue
			}
			d := newDecoding(testReference, nil)
			if !d.decode(ft.c, in) {
				continue
			}
			n := 0
			d.tree(ft.c, d.parsed, func() bool {
				n++
				if d.ev.Pos.Item != n || len(d.ev.Raw) == 0 || d.ev.Format != ft.Name {
					t.Fatalf("%s: event %d is number %d of format %s: %s", ft.Name, n, d.ev.Pos.Item, d.ev.Format, d.ev.Raw)
				}
				d.ev.Clone().Interval()
				return true
			})
		}
	})
}

// TestDecoder reads single records and whole documents, and stops when it is told to.
func TestDecoder(t *testing.T) {
	span := `{"traceID":"4bf92f3577b34da6a3ce929d0e0e4736","spanID":"%d","operationName":"op%d","startTime":1772366407000000,"duration":5,"processID":"p1"}`
	trace := `{"traceID":"4bf92f3577b34da6a3ce929d0e0e4736","spans":[` + fmt.Sprintf(span, 1, 1) + "," + fmt.Sprintf(span, 2, 2) + `],"processes":{"p1":{"serviceName":"orders"}}}`
	d := NewDecoder(Options{Format: Builtin().Lookup("jaeger_json")})
	read := func(in string, stop int) (out []string) {
		err := d.Decode([]byte(in), func(e *timeline.Event) bool {
			out = append(out, fmt.Sprintf("%d %s %s", e.Pos.Item, e.Service, e.Body))
			return len(out) != stop
		})
		if err != nil {
			out = append(out, err.Error())
		}
		return out
	}
	for _, c := range []struct {
		in   string
		stop int
		want []string
	}{
		{trace, 0, []string{"1 orders op1", "2 orders op2"}},
		{`{"data":[` + trace + "," + trace + `]}`, 0, []string{"1 orders op1", "2 orders op2", "3 orders op1", "4 orders op2"}},
		{`{"data":[` + trace + "," + trace + `]}`, 3, []string{"1 orders op1", "2 orders op2", "3 orders op1"}},
		{`{"data":`, 0, []string{"record is not in this format"}},
		{`{"processes":1}`, 0, []string{"record is not in this format"}},
	} {
		if diff := cmp.Diff(c.want, read(c.in, c.stop)); diff != "" {
			t.Errorf("%s: %s", c.in, diff)
		}
	}
}
