package file

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

const (
	// maxOTLPMessage bounds one message as it is written and as it is unpacked. The SDKs and the
	// collector send at most 4 MiB at once if nobody changed it.
	maxOTLPMessage = 64 << 20
	// otlpLine is how many spans or log records of one resource stand in one line.
	otlpLine = 64
)

var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// isOTLP tells a file of OTLP messages in protobuf, as the collector's file exporter writes them
// with format: proto, or packed ones with compression: zstd: each stands behind its length in four
// bytes, the most significant first. Its first field is the first resource, or the message is a zstd
// frame. head has eight bytes; no text begins with a zero.
func isOTLP(head []byte) bool {
	if len(head) < 8 || head[0] != 0 {
		return false
	}
	size, message := binary.BigEndian.Uint32(head), head[4:]
	if bytes.HasPrefix(message, zstdMagic) {
		return true
	}
	const resource = 1<<3 | 2 // field 1, with a length
	n, width := binary.Uvarint(message[1:])
	if width == 0 && size > 1<<21 {
		return message[0] == resource // the length goes on
	}
	return message[0] == resource && width > 0 && n <= uint64(size)
}

// openOTLP reads such a file as OTLP/JSON, some spans or log records of one resource each line.
// Metrics are passed over.
func openOTLP(r io.Reader) (io.ReadCloser, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxOTLPMessage))
	if err != nil {
		return nil, err
	}
	o := &otlpReader{in: bufio.NewReader(r), zstd: z}
	return pooled{o, z.Close}, nil
}

type otlpReader struct {
	in      *bufio.Reader
	zstd    *zstd.Decoder
	message bytes.Buffer
	lines   bytes.Buffer // not given yet
	err     error
}

// Read gives the next bytes of the JSON lines.
func (o *otlpReader) Read(p []byte) (int, error) {
	for o.lines.Len() == 0 {
		if o.err != nil {
			return 0, o.err
		}
		o.lines.Reset()
		o.err = o.next()
	}
	return o.lines.Read(p)
}

// next turns one message into lines.
func (o *otlpReader) next() error {
	var length [4]byte
	if _, err := io.ReadFull(o.in, length[:]); err != nil {
		return err // io.EOF between messages
	}
	size := binary.BigEndian.Uint32(length[:])
	if size > maxOTLPMessage {
		return fmt.Errorf("a message is said to have %d bytes, more than %d", size, maxOTLPMessage)
	}
	o.message.Reset()
	if _, err := io.CopyN(&o.message, o.in, int64(size)); err != nil {
		return io.ErrUnexpectedEOF
	}
	message := o.message.Bytes()
	if bytes.HasPrefix(message, zstdMagic) {
		var err error
		if message, err = o.zstd.DecodeAll(message, nil); err != nil {
			return fmt.Errorf("unpack a message: %w", err)
		}
	}
	if bytes.HasPrefix(message, []byte{'{'}) { // format: json that is packed
		o.lines.Write(message)
		o.lines.WriteByte('\n')
		return nil
	}
	// The kinds of messages differ in the types of their fields alone.
	var logs plog.ProtoUnmarshaler
	if l, err := logs.UnmarshalLogs(message); err == nil {
		return o.logs(l)
	}
	var traces ptrace.ProtoUnmarshaler
	if t, err := traces.UnmarshalTraces(message); err == nil && areSpans(t) {
		return o.traces(t)
	}
	var metrics pmetric.ProtoUnmarshaler
	if _, err := metrics.UnmarshalMetrics(message); err == nil {
		return nil
	}
	return errors.New("a message is neither spans nor log records nor metrics")
}

// areSpans tells spans from metrics that can be read as such: every span has a beginning.
func areSpans(t ptrace.Traces) bool {
	for _, r := range t.ResourceSpans().All() {
		for _, s := range r.ScopeSpans().All() {
			for _, span := range s.Spans().All() {
				if span.StartTimestamp() == 0 {
					return false
				}
			}
		}
	}
	return true
}

func (o *otlpReader) traces(all ptrace.Traces) error {
	var json ptrace.JSONMarshaler
	for _, r := range all.ResourceSpans().All() {
		for _, s := range r.ScopeSpans().All() {
			for from := 0; from < s.Spans().Len(); from += otlpLine {
				one := ptrace.NewTraces()
				resource := one.ResourceSpans().AppendEmpty()
				r.Resource().CopyTo(resource.Resource())
				scope := resource.ScopeSpans().AppendEmpty()
				s.Scope().CopyTo(scope.Scope())
				for i := from; i < min(from+otlpLine, s.Spans().Len()); i++ {
					s.Spans().At(i).CopyTo(scope.Spans().AppendEmpty())
				}
				line, err := json.MarshalTraces(one)
				if err != nil {
					return err
				}
				o.lines.Write(append(line, '\n'))
			}
		}
	}
	return nil
}

func (o *otlpReader) logs(all plog.Logs) error {
	var json plog.JSONMarshaler
	for _, r := range all.ResourceLogs().All() {
		for _, s := range r.ScopeLogs().All() {
			for from := 0; from < s.LogRecords().Len(); from += otlpLine {
				one := plog.NewLogs()
				resource := one.ResourceLogs().AppendEmpty()
				r.Resource().CopyTo(resource.Resource())
				scope := resource.ScopeLogs().AppendEmpty()
				s.Scope().CopyTo(scope.Scope())
				for i := from; i < min(from+otlpLine, s.LogRecords().Len()); i++ {
					s.LogRecords().At(i).CopyTo(scope.LogRecords().AppendEmpty())
				}
				line, err := json.MarshalLogs(one)
				if err != nil {
					return err
				}
				o.lines.Write(append(line, '\n'))
			}
		}
	}
	return nil
}
