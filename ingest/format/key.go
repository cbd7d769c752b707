package format

import (
	"slices"
	"strings"

	"github.com/correlatehq/correlate/timeline"
)

// placeholder says whether a value stands for none.
func placeholder(v string) bool {
	switch len(v) {
	case 0, 1:
		return true
	case 3, 4, 7, 9:
		switch strings.ToLower(v) {
		case "nil", "null", "none", "n/a", "unknown", "undefined":
			return true
		}
	}
	for i := 0; i < len(v); i++ {
		if v[i] != '0' && v[i] != '-' {
			return false
		}
	}
	return true
}

// maxKey bounds the length of an ID.
const maxKey = 256

// identity adds an identity key unless the value cannot be one: a placeholder, or a
// counter, which every process has. A header that has a form of its own is read as such, under whatever name it is logged.
func (d *decoding) identity(name, v string) {
	if placeholder(v) || len(v) > maxKey || len(v) < 8 && allDigits(v) {
		return
	}
	switch {
	case strings.HasPrefix(v, "Root=1-"), strings.HasPrefix(v, "Self=1-"):
		d.amznTrace(v)
		return
	case len(v) == traceparentLength && isTraceparent(v):
		d.traceparent(v)
		return
	case isCFRay(v):
		v = v[:rayLength]
	}
	for i := range d.ev.Keys {
		if d.ev.Keys[i].Name == name && d.ev.Keys[i].Value == v {
			return
		}
	}
	d.ev.Keys = append(d.ev.Keys, timeline.Key{Name: name, Value: v})
}

// traced reads a trace header that is logged under a name of the writer's own: of no other value do these have the form.
func (d *decoding) traced(v string) {
	switch {
	case isCFRay(v):
		d.identity(timeline.KeyRequestID, v)
	case len(v) < amznRootLength:
	case len(v) == traceparentLength && v[:3] == "00-" && isTraceparent(v), strings.HasPrefix(v, "Root=1-"), strings.HasPrefix(v, "Self=1-"):
		d.identity(timeline.KeyTraceID, v)
	}
}

// amznRootLength is that of "Root=1-EPOCH-ID".
const amznRootLength = 40

// rayLength is that of Cloudflare's ID of a request, in hexadecimal digits.
const rayLength = 16

// isCFRay says whether a value is that of Cloudflare's header CF-Ray: its ID of the request, as its own log has it, and the data centre
// ("230b030023ae2822-SJC").
func isCFRay(v string) bool {
	if len(v) != rayLength+4 || v[rayLength] != '-' {
		return false
	}
	for i := range rayLength {
		if hexClass[v[i]] == 0 || 'A' <= v[i] && v[i] <= 'F' {
			return false
		}
	}
	for i := rayLength + 1; i < len(v); i++ {
		if v[i] < 'A' || 'Z' < v[i] {
			return false
		}
	}
	return true
}

func allDigits(v string) bool {
	for i := 0; i < len(v); i++ {
		if v[i] < '0' || v[i] > '9' {
			return false
		}
	}
	return true
}

// traceparent reads "00-TRACE-SPAN-FLAGS" (W3C Trace Context). The span is the
// caller's: the parent of what the record is about.
func (d *decoding) traceparent(v string) {
	if !isTraceparent(v) {
		return
	}
	d.identity(timeline.KeyTraceID, v[3:35])
	if s := v[36:52]; !placeholder(s) && d.ev.ParentSpanID == "" {
		d.ev.ParentSpanID = s
	}
}

// traceparentLength is that of version 00; later ones may be longer.
const traceparentLength = 55

// isTraceparent says whether a value has the parts of a traceparent.
func isTraceparent(v string) bool {
	return len(v) >= traceparentLength && v[2] == '-' && v[35] == '-' && v[52] == '-'
}

// amznTrace reads "Root=1-EPOCH-ID;Parent=SPAN;Sampled=1", which AWS's balancers write
// with their own ID before it ("Self=...;Root=..."), or the root alone; Lambda writes the names in lower case.
func (d *decoding) amznTrace(v string) {
	for v != "" {
		var part string
		part, v, _ = strings.Cut(v, ";")
		name, id, ok := strings.Cut(part, "=")
		switch {
		case !ok && strings.HasPrefix(part, "1-"), ok && strings.EqualFold(name, "Root"):
			if !ok {
				id = part
			}
			d.identity(timeline.KeyTraceID, id)
		case strings.EqualFold(name, "Parent") && !placeholder(id):
			d.ev.ParentSpanID = id
		}
	}
}

// headIDs takes IDs in brackets off the beginning of an application's message, before which loggers put what they know of the request: what comes after
// them is what the application says.
func (d *decoding) headIDs() {
	const most = 4
	for range most {
		body := d.ev.Body
		end := strings.IndexByte(body[:min(len(body), maxKey)], ']')
		if end < 0 || body[0] != '[' {
			return
		}
		in := body[1:end]
		if generated(in) {
			d.identity(timeline.KeyRequestID, in)
		} else if m := freeKey.find(in, &d.match); m != nil && m[1] == len(in) {
			d.freeKey(in[m[2]:m[3]], in[m[4]:m[5]])
		} else if partOfID(in) {
			d.ev.Attrs.Set("log.context", in) // whose it is others must tell
		} else {
			return
		}
		rest := strings.TrimLeft(body[end+1:], " :-")
		if rest == "" {
			return
		}
		d.ev.Body = rest
	}
}

// partOfID says whether a text may be the first or last digits of an ID, as loggers write where the whole takes too much room.
func partOfID(s string) bool {
	if len(s) < 7 || len(s) > 16 {
		return false
	}
	seen := byte(0)
	for i := range len(s) {
		is := hexClass[s[i]]
		if is == 0 {
			return false
		}
		seen |= is
	}
	return seen&hexDigit != 0
}

var (
	// freeKey is an ID with its name as people write it into messages and SQL comments.
	freeKey = lazyExpr(`^(?i:(x-request-id|request[_-]?id|req[_-]?id|req|rid|x-correlation-id|corr(?:elation)?[_-]?id|corr|trace[_-]?id|trace|traceparent)["']?(?:=|: ?)["']?([0-9A-Z][0-9A-Z_.:+/=-]{5,127}))`, "")
	// oslo is OpenStack's request ID.
	oslo = lazyExpr(`^req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`, "")
)

// maxFound bounds the IDs that are taken of one text.
const maxFound = 8

// findKeys takes the IDs that stand in a text.
func (d *decoding) findKeys(c *compiled, text string) {
	if text == "" {
		return
	}
	for _, re := range c.find {
		rest := text
		for range maxFound {
			m := re.find(rest, &d.match)
			if m == nil || m[1] == 0 {
				break
			}
			for g, name := range re.groups() {
				if name == "" || m[2*g] < 0 {
					continue
				}
				key := timeline.KeyRequestID
				if name == "trace_id" {
					key = timeline.KeyTraceID
				}
				d.identity(key, rest[m[2*g]:m[2*g+1]])
			}
			rest = rest[m[1]:]
		}
	}
	found := 0
	for i := 0; found < maxFound; i++ {
		if i = nextKeyName(text, i); i < 0 {
			return
		}
		// The names may have an x- before them.
		at := i
		if i >= 2 && text[i-1] == '-' && text[i-2]|0x20 == 'x' {
			at = i - 2
		}
		if at > 0 && (isWord(text[at-1]) || text[at-1] == '.') {
			continue
		}
		if m := freeKey.find(text[at:], &d.match); m != nil {
			d.freeKey(text[at:][m[2]:m[3]], text[at:][m[4]:m[5]])
			found++
			i = at + m[1] - 1
		} else if m := oslo.find(text[at:], &d.match); m != nil {
			d.identity(timeline.KeyRequestID, text[at:][:m[1]])
			found++
			i = at + m[1] - 1
		}
	}
}

// freeKey takes an ID that was found with its name.
func (d *decoding) freeKey(name, v string) {
	v = strings.TrimRight(v, ".:=/")
	switch {
	case !strings.ContainsAny(v, "0123456789"):
	case strings.EqualFold(name, "traceparent"):
		d.traceparent(v)
	case name[0]|0x20 == 't':
		d.identity(timeline.KeyTraceID, v)
	default:
		d.identity(timeline.KeyRequestID, v)
	}
}

// beginsKey are the bytes with which the names begin that nextKeyName looks for.
var beginsKey = [256]bool{'r': true, 'R': true, 't': true, 'T': true, 'c': true, 'C': true}

// nextKeyName gives the next place from i on at which a name of an ID may begin: "req",
// "rid", "trace" or "corr" in upper or lower case, with "=", ":", "-" or a digit
// not far behind. It keeps most messages away from the expressions; -1 if there is none.
func nextKeyName(s string, i int) int {
	for ; i+4 < len(s); i++ {
		if !beginsKey[s[i]] {
			continue
		}
		switch s[i] | 0x20 {
		case 'r':
			if !(s[i+1]|0x20 == 'e' && s[i+2]|0x20 == 'q' || s[i+1]|0x20 == 'i' && s[i+2]|0x20 == 'd') {
				continue
			}
		case 't':
			if s[i+1]|0x20 != 'r' || s[i+2]|0x20 != 'a' {
				continue
			}
		case 'c':
			if s[i+1]|0x20 != 'o' || s[i+2]|0x20 != 'r' {
				continue
			}
		default:
			continue
		}
		for j := i + 3; j < len(s) && j < i+16; j++ {
			switch c := s[j]; {
			case c == '=' || c == ':' || c >= '0' && c <= '9' || c == '-' && j == i+3:
				return i
			case c == ' ' || c == ',':
				j = len(s)
			}
		}
	}
	return -1
}

var idShape = lazyExpr(`^(?:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}(?:#\d+)?`+ // UUID
	`|[0-9a-fA-F]{16,64}`+ // nginx's $request_id, bare trace IDs
	`|[A-Za-z]{2,10}[-_][0-9a-fA-F][0-9a-fA-F-]{7,63}`+ // req-8f3c...
	`|[0-9A-HJKMNP-TV-Z]{26}`+ // ULID
	`|[0-9A-F]{8,32}:[0-9A-F]{1,4}_[0-9A-F:._]{8,64}`+ // HAProxy's unique-id
	`|00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}`+ // traceparent
	`|(?:(?:Root|Self)=)?1-[0-9a-f]{8}-[0-9a-f]{24}(?:;.*)?)$`, "") // X-Ray

// captured reads values that a server was told to log without saying which they are
// (HAProxy's captured headers, a unique-id): those with the shape of an ID are IDs.
func (d *decoding) captured(v string) {
	for len(v) > 0 {
		one := v
		if i := strings.IndexByte(v, '|'); i >= 0 {
			one, v = v[:i], v[i+1:]
		} else {
			v = ""
		}
		for one != "" && (one[0] == '"' || one[0] == ' ') {
			one = one[1:]
		}
		for one != "" && (one[len(one)-1] == '"' || one[len(one)-1] == ' ') {
			one = one[:len(one)-1]
		}
		switch {
		case len(one) < 11:
		case generated(one), isCFRay(one), mayBeID(one) && (idShape.in(one, &d.match) || uniqueID(one)):
			d.identity(timeline.KeyRequestID, one)
		}
	}
}

// mayBeID says whether a value is one word with a digit.
func mayBeID(v string) bool {
	digit := false
	for i := 0; i < len(v); i++ {
		switch {
		case v[i] == ' ':
			return false
		case v[i]-'0' <= 9:
			digit = true
		}
	}
	return digit
}

// shaped takes IDs of an exchange that bears none under a name that is known: what was made to be unique stands in an access log to tell
// requests apart, unless its name says that it tells something else apart.
func (d *decoding) shaped() {
	e := &d.ev
	if e.Kind != timeline.ServerSpan || slices.ContainsFunc(e.Keys, isIdentity) {
		return
	}
	for i := range e.Attrs {
		a := &e.Attrs[i]
		if generated(a.Value) && !strings.Contains(a.Name, ".") && !namesOther(a.Name) { // names with a dot are known
			d.identity(timeline.KeyRequestID, a.Value)
		}
	}
}

// generated says whether a value is a UUID or 128 bits in hexadecimal digits.
func generated(v string) bool {
	if len(v) != 32 && len(v) != 36 {
		return false
	}
	seen := byte(0)
	for i := 0; i < len(v); i++ {
		is := hexClass[v[i]]
		if is == 0 && (len(v) != 36 || v[i] != '-' || i != 8 && i != 13 && i != 18 && i != 23) ||
			is != 0 && len(v) == 36 && (i == 8 || i == 13 || i == 18 || i == 23) {
			return false
		}
		seen |= is
	}
	return seen&hexDigit != 0
}

// hexClass says of bytes whether they are hexadecimal digits: decimal ones, or letters.
var hexClass = func() (t [256]byte) {
	for _, c := range "0123456789" {
		t[c] = hexDigit
	}
	for _, c := range "abcdefABCDEF" {
		t[c] = hexLetter
	}
	return t
}()

const (
	hexDigit = 1 << iota
	hexLetter
)

// otherNames are parts of the names of what is unique and no request's: it stands beside many of them, or is of a thing.
var otherNames = []string{
	"sess", "sid", "cookie", "user", "usr", "uid", "login", "account", "acct", "customer", "client", "member", "person", "tenant", "org", "company", "device", "visitor",
	"token", "auth", "csrf", "key", "etag", "hash", "sha", "md5", "digest", "sign", "fingerprint", "ja3", "ja4", "ssl", "tls", "cert", "commit", "version", "build", "release",
	"pod", "container", "node", "host", "instance", "machine", "server", "cluster", "zone", "boot", "image", "order", "cart", "basket", "pay", "item", "product", "sku", "file", "object",
	"bucket", "upload", "doc", "span", "parent", "cache", "route", "service", "backend", "pool",
}

// namesOther says whether a name tells that its values are no requests'.
func namesOther(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(otherNames, func(part string) bool { return strings.Contains(name, part) })
}

// uniqueID says whether a value looks as if httpd's mod_unique_id had made it: 24 or, of late, 27 characters of base64 with others
// in place of + and /. Names of hosts and pods may be as long, but have no capitals.
func uniqueID(v string) bool {
	if len(v) != 24 && len(v) != 27 {
		return false
	}
	var upper, lower bool
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case 'A' <= c && c <= 'Z':
			upper = true
		case 'a' <= c && c <= 'z':
			lower = true
		case c != '@' && c != '_' && c != '-' && (c < '0' || '9' < c):
			return false
		}
	}
	return upper && lower
}
