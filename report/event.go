package report

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"

	"github.com/correlatehq/correlate/timeline"
)

type recordJSON struct {
	Position     string   `json:"position"`
	Format       string   `json:"format,omitempty"`
	Time         string   `json:"time,omitempty"`
	Stamp        string   `json:"stamp,omitempty"`
	ResolutionMS *float64 `json:"resolution_ms,omitempty"`
	Zone         string   `json:"zone,omitempty"`
	DurationMS   *float64 `json:"duration_ms,omitempty"`
	Service      string   `json:"service,omitempty"`
	Host         string   `json:"host,omitempty"`
	Severity     string   `json:"severity,omitempty"`
	Status       int      `json:"status,omitempty"`
	Kind         string   `json:"kind,omitempty"` // of a span
	Failed       bool     `json:"failed,omitempty"`
	Ended        string   `json:"ended,omitempty"`
	Lifecycle    string   `json:"lifecycle,omitempty"`
	Exception    *errorAt `json:"exception,omitempty"`
	Calls        []callAt `json:"calls,omitempty"` // that the writer made to serve this one
	Keys         pairs    `json:"keys"`
	Attributes   pairs    `json:"attributes"`
	Body         string   `json:"body,omitempty"`
}

// errorAt is an exception and where it was thrown.
type errorAt struct {
	Type     string `json:"type,omitempty"`
	Message  string `json:"message,omitempty"`
	File     string `json:"file,omitempty"`
	Function string `json:"function,omitempty"`
	Line     int    `json:"line,omitempty"`
	Escaped  bool   `json:"escaped,omitempty"`
}

// callAt is a call as its caller's record tells of it.
type callAt struct {
	Peer       string   `json:"peer,omitempty"`
	Method     string   `json:"method,omitempty"`
	Target     string   `json:"target,omitempty"`
	Status     int      `json:"status,omitempty"`
	OwnMade    bool     `json:"own_made,omitempty"` // the status is the caller's own
	Ended      string   `json:"ended,omitempty"`
	Error      string   `json:"error,omitempty"`
	ConnectMS  *float64 `json:"connect_ms,omitempty"`
	HeaderMS   *float64 `json:"header_ms,omitempty"`
	DurationMS *float64 `json:"duration_ms,omitempty"`
}

// newCallAt brings a call into the form in which it is written.
func newCallAt(c *timeline.Outcall) callAt {
	out := callAt{Peer: valid(c.Peer), Method: valid(c.Method), Target: valid(c.Target), Status: c.Status, OwnMade: c.OwnMade, Ended: c.Ended.String(), Error: valid(c.Error)}
	if c.Connect > 0 {
		out.ConnectMS = millis(c.Connect)
	}
	if c.Header > 0 {
		out.HeaderMS = millis(c.Header)
	}
	if c.Timed {
		out.DurationMS = millis(c.Duration)
	}
	return out
}

// pairs is an object whose names keep their order; the values of a name that comes with
// several are a list.
type pairs []timeline.Attr

// MarshalJSON writes the pairs as an object.
func (p pairs) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	values := map[string][]string{}
	for _, a := range p {
		if v := valid(a.Value); !slices.Contains(values[a.Name], v) {
			values[a.Name] = append(values[a.Name], v)
		}
	}
	written := 0
	for _, a := range p {
		list := values[a.Name]
		if list == nil {
			continue
		}
		delete(values, a.Name)
		var value any = list
		if len(list) == 1 {
			value = list[0]
		}
		for i, v := range []any{valid(a.Name), value} {
			text, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			switch {
			case i == 1:
				b.WriteByte(':')
			case written > 0:
				b.WriteByte(',')
			}
			b.Write(text)
		}
		written++
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// EventJSONL writes what was read of one record, in one line.
func EventJSONL(w io.Writer, e *timeline.Event) error {
	j := recordJSON{
		Position: valid(e.Pos.String()), Format: e.Format, Time: jsonTime(e.Time), Service: valid(e.Service), Host: valid(e.Host),
		Severity: valid(e.Severity), Status: e.StatusCode, Keys: pairs{}, Attributes: pairs{}, Body: valid(e.Body),
	}
	if !e.Time.IsZero() {
		j.Stamp, j.Zone = e.Stamp.Meaning.String(), e.Stamp.Zone.String()
		if e.Stamp.Meaning == timeline.MeaningUnknown {
			j.Stamp = timeline.Within.String() // as which it is read
		}
		j.ResolutionMS = millis(e.Stamp.Resolution)
	}
	if e.Stamp.HasDuration() {
		j.DurationMS = millis(e.Duration)
	}
	j.Failed, j.Ended, j.Lifecycle = e.Failed, e.Ended.String(), e.Lifecycle.String()
	if e.Kind != timeline.LogRecord {
		j.Kind = e.Kind.String()
	}
	if x := e.Exception; x != nil {
		j.Exception = &errorAt{valid(x.Type), valid(x.Message), valid(x.File), valid(x.Function), x.Line, x.Escaped}
	}
	for i := range e.Calls {
		j.Calls = append(j.Calls, newCallAt(&e.Calls[i]))
	}
	for _, k := range e.Keys {
		j.Keys = append(j.Keys, timeline.Attr{Name: k.Name, Value: k.Value})
	}
	j.Attributes = append(j.Attributes, e.Attrs...)
	return encode(w, j, "")
}
