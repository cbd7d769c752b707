package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

// someSpans are n spans of one resource, of which each fifth failed.
func someSpans(n int) ptrace.Traces {
	t := ptrace.NewTraces()
	r := t.ResourceSpans().AppendEmpty()
	r.Resource().Attributes().PutStr("service.name", "orders")
	r.Resource().Attributes().PutStr("host.name", "app-1")
	spans := r.ScopeSpans().AppendEmpty().Spans()
	for i := range n {
		s := spans.AppendEmpty()
		at := time.Date(2026, 3, 1, 12, 0, 7, i, time.UTC)
		s.SetTraceID(pcommon.TraceID{0x4b, 0xf9, 15: byte(i + 1)})
		s.SetSpanID(pcommon.SpanID{7: byte(i + 1)})
		s.SetKind(ptrace.SpanKindServer)
		s.SetName("POST /orders")
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(at))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Millisecond)))
		s.Attributes().PutStr("http.request.method", "POST")
		s.Attributes().PutStr("url.path", "/orders")
		s.Attributes().PutInt("http.response.status_code", 200)
		if i%5 == 0 {
			s.Attributes().PutInt("http.response.status_code", 500)
			s.Status().SetCode(ptrace.StatusCodeError)
		}
	}
	return t
}

func someLogs() plog.Logs {
	l := plog.NewLogs()
	r := l.ResourceLogs().AppendEmpty()
	r.Resource().Attributes().PutStr("service.name", "orders")
	r.Resource().Attributes().PutStr("host.name", "app-1")
	rec := r.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	rec.SetTimestamp(pcommon.NewTimestampFromTime(time.Date(2026, 3, 1, 12, 0, 8, 0, time.UTC)))
	rec.SetTraceID(pcommon.TraceID{0x4b, 0xf9, 15: 1})
	rec.SetSeverityNumber(plog.SeverityNumberError)
	rec.SetSeverityText("ERROR")
	rec.Body().SetStr("no stock")
	return l
}

// someMetrics have a name as long as a trace ID.
func someMetrics() pmetric.Metrics {
	m := pmetric.NewMetrics()
	metric := m.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	metric.SetName("http.server.busy")
	metric.SetEmptyGauge().DataPoints().AppendEmpty().SetIntValue(7)
	return m
}

// otlpMessages are spans, log records and metrics in protobuf and in JSON.
func otlpMessages(t testing.TB, spans int) (proto, json [][]byte) {
	t.Helper()
	add := func(to *[][]byte, b []byte, err error) {
		if err != nil {
			t.Fatal(err)
		}
		*to = append(*to, b)
	}
	tr, l, m := someSpans(spans), someLogs(), someMetrics()
	b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(tr)
	add(&proto, b, err)
	b, err = (&pmetric.ProtoMarshaler{}).MarshalMetrics(m)
	add(&proto, b, err)
	b, err = (&plog.ProtoMarshaler{}).MarshalLogs(l)
	add(&proto, b, err)
	b, err = (&ptrace.JSONMarshaler{}).MarshalTraces(tr)
	add(&json, b, err)
	b, err = (&plog.JSONMarshaler{}).MarshalLogs(l)
	add(&json, b, err)
	return proto, json
}

// framed puts the length of each message before it.
func framed(messages ...[]byte) []byte {
	var out []byte
	for _, m := range messages {
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(m))), m...)
	}
	return out
}

// TestOTLPFiles reads the same events from what the collector's file exporter writes with each of its
// settings.
func TestOTLPFiles(t *testing.T) {
	proto, json := otlpMessages(t, 150)
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	packed := func(messages [][]byte) (out [][]byte) {
		for _, m := range messages {
			out = append(out, z.EncodeAll(m, nil))
		}
		return out
	}
	type event struct {
		Time                  time.Time
		Service, Host, SpanID string
		Status                int
		Body                  string
		Keys                  []timeline.Key
	}
	read := func(content []byte) (out []event) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "telemetry"), content, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), dir, ingest.Config{Formats: format.Builtin()})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for e, err := range s.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			e = e.Clone()
			out = append(out, event{e.Time, e.Service, e.Host, e.SpanID, e.StatusCode, e.Body, e.Keys})
		}
		return out
	}
	want := read(append(bytes.Join(json, []byte("\n")), '\n'))
	if len(want) != 151 || want[0].Status != 500 || want[150].Body != "no stock" || want[0].Keys[0].Value != "4bf90000000000000000000000000001" {
		t.Fatalf("from JSON come %d events: %+v ...", len(want), want[:min(len(want), 1)])
	}
	for name, content := range map[string][]byte{
		"proto": framed(proto...), "proto, zstd": framed(packed(proto)...), "json, zstd": framed(packed(json)...),
	} {
		if diff := cmp.Diff(want, read(content)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestBrokenOTLP says of a file what is wrong with it, and gives what stands before.
func TestBrokenOTLP(t *testing.T) {
	proto, _ := otlpMessages(t, 1)
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	whole := framed(proto[0])
	bomb := z.EncodeAll(make([]byte, maxOTLPMessage+1), nil)
	for name, c := range map[string]struct {
		more []byte
		want string
	}{
		"cut in a length":  {[]byte{0, 0}, io.ErrUnexpectedEOF.Error()},
		"cut in a message": {whole[:len(whole)/2], io.ErrUnexpectedEOF.Error()},
		"huge":             {[]byte{0x7f, 0xff, 0xff, 0xff, 0x0a}, "a message is said to have 2147483647 bytes"},
		"not protobuf":     {framed([]byte("\x0a\xff\xff\xff\xffhello")), "neither spans nor log records nor metrics"},
		"packed badly":     {framed([]byte("\x28\xb5\x2f\xfdxxxx")), "unpack a message"},
		"a bomb":           {framed(bomb), "unpack a message"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := openOTLP(iotest.HalfReader(bytes.NewReader(append(bytes.Clone(whole), c.more...))))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			text, err := io.ReadAll(r)
			if err == nil || !strings.Contains(err.Error(), c.want) || bytes.Count(text, []byte("\n")) != 1 {
				t.Errorf("got %.80q, %v; want a line and %q", text, err, c.want)
			}
		})
	}
	for _, text := range []string{"", "\x00", "\x00\x00\x00\x00\x00\x00\x00\x00", "2026-03-01 12:00:00 INFO", "\x7fELF\x02\x01\x01\x00", "\x00\x00\x00\x02\x0a\x7fxx"} {
		if isOTLP([]byte(text)) {
			t.Errorf("%q is taken for OTLP", text)
		}
	}
}

func FuzzOTLP(f *testing.F) {
	proto, _ := otlpMessages(f, 2)
	f.Add(framed(proto...))
	f.Add(framed([]byte("\x0a\x02\x12\x00"), []byte("{}")))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := openOTLP(bytes.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var text bytes.Buffer
		if _, err := text.ReadFrom(r); errors.Is(err, io.EOF) {
			t.Error("the end is told as an error")
		}
		if n := text.Len(); n > 0 && text.Bytes()[n-1] != '\n' {
			t.Error("a line is not whole")
		}
	})
}
