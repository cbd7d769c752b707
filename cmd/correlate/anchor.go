package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/timeline"
)

const anchorHint = "write FILE:LINE=FILE:LINE with positions as results print them, such as app-1/orders.log:1042=db-1/postgresql.log:77"

// parseAnchor reads --anchor: two positions with "=" between them. A path may hold "=" and
// ":" itself; of a position the last colon stands before the line.
func parseAnchor(s string) (timeline.Anchor, error) {
	fail := func(err error) (timeline.Anchor, error) {
		return timeline.Anchor{}, ingest.WithHint(fmt.Errorf("--anchor %q: %w", s, err), anchorHint)
	}
	if !strings.Contains(s, "=") {
		return fail(errors.New("it names one record, and two of one moment are needed"))
	}
	var first error
	for i := range s {
		if s[i] != '=' {
			continue
		}
		a, err := parseRecordAt(s[:i])
		if err == nil {
			var b timeline.RecordAt
			if b, err = parseRecordAt(s[i+1:]); err == nil {
				return timeline.Anchor{A: a, B: b}, nil
			}
		}
		if first == nil {
			first = err
		}
	}
	return fail(first)
}

// parseRecordAt reads "app-1/orders.log:12".
func parseRecordAt(s string) (timeline.RecordAt, error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return timeline.RecordAt{}, fmt.Errorf("%q names no line", s)
	}
	n, err := strconv.Atoi(s[i+1:])
	switch {
	case err != nil:
		return timeline.RecordAt{}, fmt.Errorf("%q names no line", s)
	case n < 1:
		return timeline.RecordAt{}, fmt.Errorf("%q: lines are counted from 1", s)
	case i == 0:
		return timeline.RecordAt{}, fmt.Errorf("%q names no file", s)
	}
	return timeline.RecordAt{Path: filepath.ToSlash(filepath.Clean(s[:i])), Line: n}, nil
}
