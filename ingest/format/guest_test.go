package format

import (
	"strings"
	"testing"

	"github.com/correlatehq/correlate/timeline"
)

// TestAccessLogInLogs says that the lines of every access log are records of their own between those of every
// log that a server or an application may write to the same place, whatever it goes on in.
func TestAccessLogInLogs(t *testing.T) {
	s := Builtin()
	d := newDecoding(sampleReference, nil)
	pairs := 0
	for _, host := range s.Formats() {
		if !host.c.isOpen() || host.c.tree != nil {
			continue
		}
		var own []string
		for _, sm := range host.Samples() {
			own = append(own, sm.Line)
		}
		for _, guest := range s.Formats() {
			if !guest.c.roams || guest.c.spec.Like != "" || host.c.spec.Stream == "" && !rareLiterals(guest.c) {
				continue
			}
			line, status := "", 0
			for _, sm := range guest.Samples() {
				if d.decode(guest.c, []byte(sm.Line)) && (line == "" || d.ev.Failed) {
					line, status = strings.TrimSuffix(sm.Line, "\n"), d.ev.StatusCode
				}
			}
			var in strings.Builder
			for i := range 6 {
				in.WriteString(own[i%len(own)] + "\n")
			}
			for i := range 4 {
				in.WriteString(line + "\n" + own[i%len(own)] + "\n")
			}
			r, err := s.NewReader(strings.NewReader(in.String()), Options{Reference: sampleReference, Format: host})
			if err != nil {
				t.Fatal(err)
			}
			pairs++
			found := 0
			for {
				rec, err := r.Next()
				if err != nil {
					break
				}
				if string(rec.Bytes) != line {
					continue
				}
				if err := r.Decode(rec, func(e *timeline.Event) bool {
					if e.Kind == timeline.ServerSpan && e.StatusCode == status {
						found++
					}
					return true
				}); err != nil {
					t.Errorf("%s in %s: %v", guest.Name, host.Name, err)
				}
			}
			if found != 4 {
				t.Errorf("%s in %s: %d of 4 lines were read", guest.Name, host.Name, found)
			}
		}
	}
	if pairs < 4000 {
		t.Errorf("only %d pairs of formats", pairs)
	}
}
