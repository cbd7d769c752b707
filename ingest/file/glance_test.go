package file

import (
	"fmt"
	"testing"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// TestGlance teaches a glance lines with the texts of their stamps, and asks it about others.
func TestGlance(t *testing.T) {
	at := func(s string) time.Time {
		x, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	type line struct{ text, stamp, at string }
	for _, c := range []struct {
		name  string
		learn []line
		asked string
		want  string // "" if it cannot know
	}{
		{"ISO", []line{{"2026-03-01 12:00:07,123 INFO a", "2026-03-01 12:00:07,123", "2026-03-01T12:00:07.123Z"}}, "2026-03-01 12:59:58,9 WARN b", "2026-03-01T12:59:58Z"},
		{"another hour", []line{{"2026-03-01 12:00:07,123 INFO a", "2026-03-01 12:00:07,123", "2026-03-01T12:00:07.123Z"}}, "2026-03-01 13:59:58,9 WARN b", ""},
		{"of an address of another length", []line{{`198.51.100.7 - - [01/Mar/2026:12:00:07 +0100] "GET /`, "01/Mar/2026:12:00:07 +0100", "2026-03-01T11:00:07Z"}}, `1.2.3.44 - - [01/Mar/2026:12:10:08 +0100] "GET /`, "2026-03-01T11:10:08Z"},
		{"another zone", []line{{`1.1.1.1 - - [01/Mar/2026:12:00:07 +0100] "GET /`, "01/Mar/2026:12:00:07 +0100", "2026-03-01T11:00:07Z"}}, `1.1.1.1 - - [01/Mar/2026:12:00:07 +0200] "GET /`, ""},
		{"the second of two stamps", []line{{"Mar  1 12:00:07 lb p[1]: 1.1.1.1:80 [01/Mar/2026:12:00:03.5] x", "01/Mar/2026:12:00:03.5", "2026-03-01T12:00:03.5Z"}}, "Mar  1 12:30:20 lb p[1]: 1.1.1.1:80 [01/Mar/2026:12:29:09.125] x", "2026-03-01T12:29:09Z"},
		{"one stamp where there were two", []line{{"Mar  1 12:00:07 lb p[1]: proxy is down", "Mar  1 12:00:07", "2026-03-01T12:00:07Z"}}, "Mar  1 12:30:20 lb p[1]: 1.1.1.1:80 [01/Mar/2026:12:29:09.125] x", ""},
		{"now the one, now the other", []line{
			{"12 2026-03-01T12:00:07Z a 2026-03-01T12:00:09Z", "2026-03-01T12:00:07Z", "2026-03-01T12:00:07Z"},
			{"12 2026-03-01T12:00:08Z a 2026-03-01T12:00:10Z", "2026-03-01T12:00:10Z", "2026-03-01T12:00:10Z"},
		}, "12 2026-03-01T12:00:08Z a 2026-03-01T12:00:09Z", ""},
		{"an hour that was twice", []line{
			{"Oct 25 02:10:00 a", "Oct 25 02:10:00", "2026-10-25T00:10:00Z"}, {"Oct 25 02:10:01 a", "Oct 25 02:10:01", "2026-10-25T01:10:01Z"},
		}, "Oct 25 02:10:02 a", ""},
		{"no day", []line{{"12:00:07 INFO a", "12:00:07", "2026-03-01T12:00:07Z"}}, "12:00:08 INFO a", ""},
		{"milliseconds since 1970", []line{{`{"level":30,"time":1772366407123,"a":1}`, "1772366407123", "2026-03-01T12:00:07.123Z"}}, `{"level":50,"time":1772366408999,"b":1}`, "2026-03-01T12:00:08Z"},
		{"of the afternoon", []line{{"03/01/2026 12:00:07 PM a", "03/01/2026 12:00:07 PM", "2026-03-01T12:00:07Z"}}, "03/01/2026 12:00:07 AM a", ""},
		{"a digit more", []line{{"2026-03-01T12:00:07Z a", "2026-03-01T12:00:07Z", "2026-03-01T12:00:07Z"}}, "2026-03-01T12:00:071Z a", ""},
		{"cut off", []line{{"2026-03-01T12:00:07Z a", "2026-03-01T12:00:07Z", "2026-03-01T12:00:07Z"}}, "2026-03-01T12:00", ""},
		{"nothing", nil, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var g glance
			for _, l := range c.learn {
				g.learn([]byte(l.text), l.stamp, &timeline.Event{Time: at(l.at)})
			}
			got, ok := g.second([]byte(c.asked))
			if ok != (c.want != "") || ok && !got.Equal(at(c.want)) {
				t.Errorf("got %s, %v; want %q", fmt.Sprint(got.UTC()), ok, c.want)
			}
		})
	}
}
