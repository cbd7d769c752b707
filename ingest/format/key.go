package format

import (
	"regexp"
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
	return strings.Trim(v, "0-") == ""
}

// identity adds an identity key unless the value cannot be one: a placeholder, or a
// counter, which every process has.
func (d *decoding) identity(name, v string) {
	if placeholder(v) || len(v) > 256 || len(v) < 8 && allDigits(v) {
		return
	}
	for i := range d.ev.Keys {
		if d.ev.Keys[i].Name == name && d.ev.Keys[i].Value == v {
			return
		}
	}
	d.ev.Keys = append(d.ev.Keys, timeline.Key{Name: name, Value: v})
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
	if len(v) < 55 || v[2] != '-' || v[35] != '-' || v[52] != '-' {
		return
	}
	d.identity(timeline.KeyTraceID, v[3:35])
	if s := v[36:52]; !placeholder(s) && d.ev.ParentSpanID == "" {
		d.ev.ParentSpanID = s
	}
}

var (
	// freeKey is an ID with its name as people write it into messages and SQL comments.
	freeKey = regexp.MustCompile(`(?i)(?:^|[^\w.])(x-request-id|request[_-]?id|req[_-]?id|req|rid|x-correlation-id|correlation[_-]?id|trace[_-]?id|trace|traceparent)["']?(?:=|: ?)["']?([0-9A-Za-z][0-9A-Za-z_.:+/=-]{5,127})`)
	// oslo is OpenStack's request ID.
	oslo = regexp.MustCompile(`\breq-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
)

// findKeys takes the IDs that stand in a text.
func (d *decoding) findKeys(c *compiled, text string) {
	if text == "" {
		return
	}
	for _, re := range c.find {
		for _, m := range re.FindAllStringSubmatchIndex(text, 8) {
			for g, name := range re.SubexpNames() {
				if name == "" || m[2*g] < 0 {
					continue
				}
				key := timeline.KeyRequestID
				if name == "trace_id" {
					key = timeline.KeyTraceID
				}
				d.identity(key, text[m[2*g]:m[2*g+1]])
			}
		}
	}
	// The look for "=" and ":" keeps most messages away from the expression.
	if !mayNameID(text) {
		return
	}
	for _, m := range freeKey.FindAllStringSubmatch(text, 8) {
		name, v := strings.ToLower(m[1]), strings.TrimRight(m[2], ".:=/")
		if !strings.ContainsAny(v, "0123456789") {
			continue
		}
		switch {
		case name == "traceparent":
			d.traceparent(v)
		case strings.HasPrefix(name, "trace"):
			d.identity(timeline.KeyTraceID, v)
		default:
			d.identity(timeline.KeyRequestID, v)
		}
	}
	for _, v := range oslo.FindAllString(text, 8) {
		d.identity(timeline.KeyRequestID, v)
	}
}

// mayNameID says whether the text may name an ID: "req", "rid", "trace" or "corr" in
// upper or lower case.
func mayNameID(s string) bool {
	for i := 0; i+3 <= len(s); i++ {
		switch s[i] | 0x20 {
		case 'r':
			if s[i+1]|0x20 == 'e' && s[i+2]|0x20 == 'q' || s[i+1]|0x20 == 'i' && s[i+2]|0x20 == 'd' {
				return true
			}
		case 't':
			if s[i+1]|0x20 == 'r' && s[i+2]|0x20 == 'a' {
				return true
			}
		case 'c':
			if s[i+1]|0x20 == 'o' && s[i+2]|0x20 == 'r' {
				return true
			}
		}
	}
	return false
}

var idShape = regexp.MustCompile(`^(?:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}(?:#\d+)?` + // UUID
	`|[0-9a-fA-F]{16,64}` + // nginx's $request_id, bare trace IDs
	`|[A-Za-z]{2,10}[-_][0-9a-fA-F][0-9a-fA-F-]{7,63}` + // req-8f3c...
	`|[0-9A-HJKMNP-TV-Z]{26}` + // ULID
	`|[0-9A-F]{8,32}:[0-9A-F]{1,4}_[0-9A-F:._]{8,64}` + // HAProxy's unique-id
	`|(?:Root=)?1-[0-9a-f]{8}-[0-9a-f]{24}(?:;.*)?)$`) // X-Ray

// captured reads values that a server was told to log without saying which they are
// (HAProxy's captured headers, a unique-id): those with the shape of an ID are IDs.
func (d *decoding) captured(v string) {
	for len(v) > 0 {
		var one string
		one, v, _ = strings.Cut(v, "|")
		one = strings.Trim(one, `" `)
		switch {
		case len(one) == 55 && one[2] == '-' && one[35] == '-' && one[52] == '-':
			d.traceparent(one)
		case idShape.MatchString(one):
			d.identity(timeline.KeyRequestID, one)
		}
	}
}
