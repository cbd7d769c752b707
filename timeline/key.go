package timeline

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Strength says how much a key proves.
type Strength uint8

const (
	Identity Strength = iota // names the request everywhere: request, trace and correlation IDs; joins transitively
	Context                  // holds on one host and repeats: connection, pid, thread, client, upstream, request line; joins one step inside a window
	Mention                  // an identity value that stands in the text of a record, in no field that is a key: the record is wanted for it, but belongs to the request of its own keys if it has any
)

// A Key is an identifier shared by the events of one request: {"trace_id", "4bf92f35..."}.
// Scope is empty for an identity key, else the host on which it holds (a connection number, a pid).
type Key struct {
	Name, Value, Scope string
	Strength           Strength
}

func (k Key) String() string { return k.Name + "=" + k.Value }

// Names of keys that OpenTelemetry names or that this program gives.
const (
	KeyTraceID    = "trace_id"
	KeyRequestID  = "http.request.header.x-request-id"
	KeyConnection = "connection"        // context: a server's own number of a client connection
	KeyPID        = "process.pid"       // context
	KeyThread     = "thread.id"         // context
	KeyClient     = "client.address"    // context: address, with port if known
	KeyUpstream   = "server.address"    // context: the called server's address and port
	KeyRequest    = "http.request.line" // context: method and target
)

// Form is the value by which two spellings of one identity key are found equal:
//
//   - a UUID, dashed or not, in lower case without dashes; its version digit, which
//     Envoy changes to 9, a or b to mark the sampling decision (envoyproxy/envoy
//     source/extensions/request_id/uuid), reads as 4;
//   - an X-Ray root "1-epoch-id" as the 32 digits of a trace ID;
//   - a trace ID by its low 64 bits, since B3 and Datadog may carry only these;
//     decimal ones are read as such. A dashed one is a UUID, whose low bits may be
//     the machine's and not the request's (RFC 9562, versions 1 and 6);
//   - anything else as it is.
func (k Key) Form() string {
	f, _ := k.forms()
	return f
}

// Forms gives every value under which the key may equal another: Form, and of a trace
// ID of 128 bits also the whole, since one service's request ID is often the next one's
// trace ID.
func (k Key) Forms() []string {
	f, whole := k.forms()
	if whole != "" {
		return []string{f, whole}
	}
	return []string{f}
}

// forms gives Form, and what Forms has beside it; "" if that is nothing.
func (k Key) forms() (form, whole string) {
	h, is32 := lowerHex32(k.Value)
	if k.Name == KeyTraceID {
		if low, ok := k.lowOf(h, is32); ok {
			form = "t:" + low
		}
	}
	if is32 {
		whole = versionless(h)
	}
	switch {
	case form != "":
		return form, whole
	case is32:
		return whole, ""
	}
	return k.Value, ""
}

// traceLow gives the low 64 bits of a trace ID as 16 hexadecimal digits.
func (k Key) traceLow() (string, bool) {
	h, is32 := lowerHex32(k.Value)
	return k.lowOf(h, is32)
}

// lowOf does the work of traceLow for a key whose 32 digits are h, if it has so many.
func (k Key) lowOf(h string, is32 bool) (string, bool) {
	if !is32 {
		return traceLow(k.Value)
	}
	if len(k.Value) == 36 || h[12] == '1' && (h[16] == '8' || h[16] == '9' || h[16] == 'a' || h[16] == 'b') {
		return "", false
	}
	return h[16:], true
}

// Spellings gives the byte strings that a record with this key may contain, for a
// search in bytes.
func (k Key) Spellings() []string {
	out := []string{k.Value}
	add := func(s string) {
		if len(s) < minSpelling {
			return
		}
		for _, o := range out {
			if o == s {
				return
			}
		}
		out = append(out, s)
	}
	if h, ok := lowerHex32(k.Value); ok {
		add(h)
		add(strings.ToUpper(h))
		d := h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
		add(d)
		add(strings.ToUpper(d))
		if c := h[12]; c == '4' || c == '9' || c == 'a' || c == 'b' {
			for _, n := range "49ab" {
				if byte(n) != c {
					other := d[:14] + string(n) + d[15:]
					add(other)
					add(strings.ToUpper(other))
					add(h[:12] + string(n) + h[13:])
				}
			}
		}
		add("1-" + h[:8] + "-" + h[8:])
		if b, err := hex.DecodeString(h); err == nil && k.Name == KeyTraceID {
			add(base64.StdEncoding.EncodeToString(b)) // protobuf's bytes in JSON
		}
		if low, ok := k.traceLow(); ok && k.Name == KeyTraceID {
			add(low)
			if n, err := strconv.ParseUint(h[16:], 16, 64); err == nil {
				add(strconv.FormatUint(n, 10))
			}
		}
	} else if k.Name == KeyTraceID {
		if low, ok := traceLow(k.Value); ok {
			add(low)
			add(strings.TrimLeft(low, "0"))
			if n, err := strconv.ParseUint(low, 16, 64); err == nil {
				add(strconv.FormatUint(n, 10))
			}
		}
	}
	return out
}

// Begins says whether the value begins so, whatever the case, and goes on; the dashes of a UUID do not count.
func (k Key) Begins(part string) bool {
	id, part := wholeID(k.Value), strings.ToLower(part)
	return strings.HasPrefix(id, part) && len(id) >= len(part)+shortLeast
}

// minSpelling is the length below which another spelling of a key is not looked for: a
// decimal or a number without its leading zeros may be so short that it is everywhere.
const minSpelling = 8

// versionless normalises the version digit of 32 hexadecimal digits.
func versionless(h string) string {
	switch h[12] {
	case '9', 'a', 'b':
		return h[:12] + "4" + h[13:]
	}
	return h
}

// lowerHex32 gives the 32 lower-case hexadecimal digits of a UUID, of a bare 128-bit ID
// or of an X-Ray root.
func lowerHex32(v string) (string, bool) {
	switch {
	case len(v) == 32:
	case len(v) == 36 && v[8] == '-' && v[13] == '-' && v[18] == '-' && v[23] == '-':
		v = v[:8] + v[9:13] + v[14:18] + v[19:23] + v[24:]
	case len(v) == 35 && v[0] == '1' && v[1] == '-' && v[10] == '-':
		v = v[2:10] + v[11:]
	default:
		return "", false
	}
	all, some := byte(0xff), byte(0)
	for i := 0; i < len(v); i++ {
		all, some = all&hexDigits[v[i]], some|hexDigits[v[i]]
	}
	switch {
	case all&isDigitHex == 0:
		return "", false
	case some&isUpperHex != 0:
		v = strings.ToLower(v)
	}
	return v, true
}

// traceLow gives the low 64 bits of a trace ID that is not 32 digits long, as 16
// hexadecimal digits. Up to 16 digits with a letter, or exactly 16, are hexadecimal; 17 to 20
// decimal digits are Datadog's.
func traceLow(v string) (string, bool) {
	if len(v) == 0 || len(v) > 32 {
		return "", false
	}
	dec := true
	for i := 0; i < len(v); i++ {
		if !isHex(v[i]) {
			return "", false
		}
		if v[i] > '9' {
			dec = false
		}
	}
	if dec && len(v) >= 17 && len(v) <= 20 {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return "", false
		}
		return fmt.Sprintf("%016x", n), true
	}
	if len(v) < 8 {
		return "", false
	}
	v = strings.ToLower(v)
	if len(v) > 16 {
		return v[len(v)-16:], true
	}
	return strings.Repeat("0", 16-len(v)) + v, true
}

func isHex(c byte) bool { return hexDigits[c] != 0 }

// hexDigits says of each byte whether it is a hexadecimal digit, and one in upper case.
var hexDigits = func() (t [256]byte) {
	for _, c := range "0123456789abcdef" {
		t[c] = isDigitHex
	}
	for _, c := range "ABCDEF" {
		t[c] = isDigitHex | isUpperHex
	}
	return t
}()

const (
	isDigitHex = 1 << iota
	isUpperHex
)
