package format

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/correlatehq/correlate/timeline"
)

// sampleReference dates the samples whose stamps bear no year.
var sampleReference = time.Date(2026, time.December, 31, 0, 0, 0, 0, time.UTC)

// checkSamples reads every sample of f by f itself and compares what it says.
func checkSamples(file string, root *yaml.Node, f *Format) error {
	k := &compiler{file: file, root: root}
	d := newDecoding(sampleReference, nil)
	for i, s := range f.samples() {
		n := strconv.Itoa(i)
		if !d.decode(f.c, []byte(s.Line)) {
			k.fail(at("samples", n, "line"), "the format does not read this sample")
			continue
		}
		if s.Events != nil {
			k.checkEvents(n, s.Events, d)
			continue
		}
		for _, name := range sortedKeys(s.Want) {
			if got := Show(&d.ev, name); got != s.Want[name] {
				k.fail(at("samples", n, "want", name), "%s is %q, want %q", name, got, s.Want[name])
			}
		}
	}
	return k.err()
}

// checkEvents compares the events of a sample that holds several.
func (k *compiler) checkEvents(sample string, want []map[string]string, d *decoding) {
	if d.treeOf == nil {
		k.fail(at("samples", sample, "events"), "the sample is one event: say want")
		return
	}
	i := 0
	d.tree(d.treeOf, d.parsed, func() bool {
		if i < len(want) {
			n := strconv.Itoa(i)
			for _, name := range sortedKeys(want[i]) {
				if got := Show(&d.ev, name); got != want[i][name] {
					k.fail(at("samples", sample, "events", n, name), "%s is %q, want %q", name, got, want[i][name])
				}
			}
		}
		i++
		return true
	})
	if i != len(want) {
		k.fail(at("samples", sample, "events"), "%d events are read, want %d", i, len(want))
	}
}

// Show gives what an event says of a name, as samples in format files write it: an
// attribute or a key by its name, or one of kind, time, stamp (its meaning),
// resolution, zone, duration, service.name, host.name, system, severity_text, body,
// http.response.status_code, span_id, parent_span_id, ended, lifecycle, failed,
// exception (type, message, frame) and calls. "" means that it says nothing.
func Show(e *timeline.Event, name string) string {
	switch name {
	case "kind":
		return e.Kind.String()
	case "time":
		if e.Time.IsZero() {
			return ""
		}
		return e.Time.UTC().Format(time.RFC3339Nano)
	case "stamp":
		return e.Stamp.Meaning.String()
	case "resolution":
		return e.Stamp.Resolution.String()
	case "zone":
		return e.Stamp.Zone.String()
	case "duration":
		if !e.Stamp.HasDuration() {
			return ""
		}
		return e.Duration.String()
	case "service.name":
		return e.Service
	case "host.name":
		return e.Host
	case "system":
		return e.System
	case "severity_text":
		return e.Severity
	case "body":
		return e.Body
	case "http.response.status_code":
		if e.StatusProtocol != "" {
			return e.Attrs.Get(name)
		}
		if e.StatusCode == 0 {
			return ""
		}
		return strconv.Itoa(e.StatusCode)
	case "span_id":
		return e.SpanID
	case "parent_span_id":
		return e.ParentSpanID
	case "ended":
		return e.Ended.String()
	case "lifecycle":
		return e.Lifecycle.String()
	case "failed":
		return strconv.FormatBool(e.Failed)
	case "exception":
		if e.Exception == nil {
			return ""
		}
		return showException(e.Exception)
	case "calls":
		var b []string
		for i := range e.Calls {
			b = append(b, showCall(&e.Calls[i]))
		}
		return strings.Join(b, "; ")
	}
	var vals []string
	for _, k := range e.Keys {
		if k.Name == name && k.Strength == timeline.Identity {
			vals = append(vals, k.Value)
		}
	}
	if len(vals) > 0 {
		return strings.Join(vals, ", ")
	}
	if v := e.Attrs.Get(name); v != "" {
		return v
	}
	for _, k := range e.Keys {
		if k.Name == name {
			return k.Value
		}
	}
	return ""
}

// showException writes "Type: message at function (file:line), escaped, logged there".
func showException(x *timeline.Exception) string {
	s := x.Type
	if x.Message != "" {
		if s != "" {
			s += ": "
		}
		s += x.Message
	}
	switch {
	case x.File != "" && x.Function != "":
		s += fmt.Sprintf(" at %s (%s:%d)", x.Function, x.File, x.Line)
	case x.File != "":
		s += fmt.Sprintf(" at %s:%d", x.File, x.Line)
	case x.Function != "":
		s += " at " + x.Function
	}
	if x.Escaped {
		s += ", escaped"
	}
	if x.Logged {
		s += ", logged there"
	}
	return s
}

// showCall writes "peer status ended connect/header/duration": a status that the
// caller made itself has a star, a phase that never ended is "-".
func showCall(o *timeline.Outcall) string {
	phase := func(d time.Duration) string {
		if d < 0 {
			return "-"
		}
		return d.String()
	}
	s := o.Peer + " " + strconv.Itoa(o.Status)
	if o.OwnMade {
		s += "*"
	}
	s += " " + o.Ended.String() + " " + phase(o.Connect) + "/" + phase(o.Header) + "/"
	if o.Timed {
		s += phase(o.Duration)
	}
	if o.Error != "" {
		s += " " + strconv.Quote(o.Error)
	}
	return s
}
