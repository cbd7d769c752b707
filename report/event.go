package report

import (
	"bytes"
	"encoding/json"
	"io"

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

// pairs is an object whose names keep their order; of a name that comes twice the
// first value stays.
type pairs []timeline.Attr

// MarshalJSON writes the pairs as an object.
func (p pairs) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	seen := map[string]bool{}
	for _, a := range p {
		if seen[a.Name] {
			continue
		}
		if len(seen) > 0 {
			b.WriteByte(',')
		}
		seen[a.Name] = true
		for i, s := range []string{a.Name, a.Value} {
			text, err := json.Marshal(valid(s))
			if err != nil {
				return nil, err
			}
			b.Write(text)
			if i == 0 {
				b.WriteByte(':')
			}
		}
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
	for _, k := range e.Keys {
		j.Keys = append(j.Keys, timeline.Attr{Name: k.Name, Value: k.Value})
	}
	j.Attributes = append(j.Attributes, e.Attrs...)
	return encode(w, j, "")
}
