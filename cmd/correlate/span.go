package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/timeline"
)

// parseSpan reads --since and --until.
func parseSpan(since, until string, now time.Time) (from, to time.Time, err error) {
	if from, err = parseMoment(since, now, false); err != nil {
		return from, to, fmt.Errorf("--since: %w", err)
	}
	if to, err = parseMoment(until, now, true); err != nil {
		return from, to, fmt.Errorf("--until: %w", err)
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return from, to, fmt.Errorf("--since %s is not before --until %s", since, until)
	}
	return from, to, nil
}

// parseMoment reads a moment: a duration before now, "yesterday" (in the local zone;
// its start, or its end), or RFC 3339. "" is the zero time.
func parseMoment(s string, now time.Time, end bool) (time.Time, error) {
	switch s {
	case "":
		return time.Time{}, nil
	case "yesterday":
		y, m, d := now.Date()
		if !end {
			d--
		}
		return time.Date(y, m, d, 0, 0, 0, 0, now.Location()), nil
	}
	if d, err := model.ParseDuration(s); err == nil {
		return now.Add(-time.Duration(d)), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	return time.Time{}, ingest.WithHint(fmt.Errorf("%q is not a time", s), "2h (ago), yesterday, or RFC 3339 as in 2026-03-01T12:00:00Z")
}

// parseStatus reads which status counts as a failure: "500", "5xx", "500-504", and
// several of them with commas.
func parseStatus(s string) ([]timeline.StatusRange, error) {
	if s == "" {
		return nil, nil
	}
	var out []timeline.StatusRange
	for _, p := range strings.Split(s, ",") {
		p = strings.TrimSpace(p)
		var r timeline.StatusRange
		ok := true
		switch lo, hi, dash := strings.Cut(p, "-"); {
		case dash:
			r.Lo, ok = parseCode(lo)
			var ok2 bool
			r.Hi, ok2 = parseCode(hi)
			ok = ok && ok2 && r.Lo <= r.Hi
		case len(p) == 3 && strings.EqualFold(p[1:], "xx") && p[0] >= '1' && p[0] <= '5':
			r.Lo = int(p[0]-'0') * 100
			r.Hi = r.Lo + 99
		default:
			r.Lo, ok = parseCode(p)
			r.Hi = r.Lo
		}
		if !ok {
			return nil, ingest.WithHint(fmt.Errorf("--status: %q is not a status", p), "500, 5xx, 500-504, or several with commas: 5xx,499")
		}
		out = append(out, r)
	}
	return out, nil
}

func parseCode(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 100 && n <= 599 && len(s) == 3
}
