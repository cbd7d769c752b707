package file

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

// A Description says how one file is read.
type Description struct {
	File    string // relative to what the user named
	Stream  string // path of the rotated series to which it belongs; File if there is none
	Part    int    // its number in the series, oldest first
	Bytes   int64  // as stored
	Packed  string // gzip, zstd, bzip2, xz; "" if plain
	Service string // of records that do not name one
	Host    string // of records that do not name one

	Format      *format.Format // nil if none reads it
	Confidence  float64        // share of the records in its head that Format reads
	Candidates  []format.Candidate
	Dates       format.DateOrder  // of stamps whose date is numbers alone
	DatesBy     string            // what tells it; "" if there are no such dates
	Evidence    []format.Evidence // why, wrapper by wrapper
	Segments    []format.Segment  // where it is in one format and then in another; none if it is in one
	Turns       int               // changes of format, inside wrappers too
	Formats     map[string]int    // records by the format that read them: inside a wrapper there may be several
	FirstText   string            // the head of the line FirstUnread
	Records     int               // of the whole file
	Unread      int               // records of it that are not in the format
	FirstUnread int               // line of the first of them; 0 if there is none
	Events      int               // in the records that were read
	// Skipped are the reasons for which it is not read, or not whole, in order of position.
	Skipped []timeline.Skipped
}

// Describe reads all files whole and says of each how it is read, in the order in
// which Events reads them. The error is the context's.
func (s *Source) Describe(ctx context.Context) ([]Description, error) {
	var parts []*filePart
	for _, st := range s.streams {
		parts = append(parts, st.parts...)
	}
	out := make([]Description, len(parts))
	err := parallel(ctx, len(parts), func(i int) { out[i] = s.describe(ctx, parts[i]) })
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Source) describe(ctx context.Context, p *filePart) Description {
	d := Description{File: p.path, Stream: p.stream.path, Part: p.number, Bytes: p.size, Service: p.stream.service, Host: p.stream.host, Dates: p.stream.dates, DatesBy: p.stream.datesBy}
	at := timeline.Pos{Source: s.name, Path: p.path, Part: p.number}
	skip := func(what string, at timeline.Pos) {
		d.Skipped = append(d.Skipped, timeline.Skipped{Source: s.name, What: what, Count: 1, First: at.String()})
	}
	broken := func(err error, at timeline.Pos) {
		what := unreadable(err)
		if b, ok := errors.AsType[*brokenError](err); ok {
			what = "damaged " + b.how + " file"
		}
		skip(what, at)
	}
	if p.err != nil {
		broken(p.err, at)
		return d
	}
	if p.size == 0 {
		return d
	}
	det, err := s.detect(p)
	if err != nil {
		broken(err, at)
		return d
	}
	d.Format, d.Confidence, d.Candidates = det.Format, det.Confidence, det.Candidates
	f, err := openStored(p.open, p.size)
	if err != nil {
		broken(err, at)
		return d
	}
	defer f.Close()
	if f.how != nil {
		d.Packed = f.how.name
	}
	switch {
	case det.Binary:
		d.Format = nil
		skip(whatBinary, at)
		return d
	case det.Format == nil:
		// Nothing reads it, so what its head holds is all that can be told.
		d.Records, d.Unread, d.FirstUnread = det.Records, det.Unread, det.FirstUnread
		if b, err := p.head(); err == nil && det.FirstUnread > 0 {
			d.FirstText = lineOf(b, det.FirstUnread)
		}
		skip(whatNoFormat, at)
		return d
	}
	if b, err := p.head(); err == nil {
		d.Evidence = s.config.Formats.Explain(b, det.Format)
	}
	r, err := s.config.Formats.NewReader(&cancelReader{ctx, f}, s.options(p, det.Format))
	if err != nil {
		broken(err, at)
		return d
	}
	cut := 0
	d.Formats = map[string]int{}
	for {
		rec, err := r.Next()
		if err == io.EOF || ctx.Err() != nil {
			seen := r.Detection()
			d.Segments, d.Turns = seen.Segments, seen.Turns
			return d
		}
		if err != nil {
			broken(err, at)
			return d
		}
		at.Offset, at.Line = rec.Offset, rec.Line
		if rec.Inline {
			at.Line = 0
		}
		d.Records++
		if rec.Cut {
			if cut == 0 {
				skip(ingest.WhatCut(r.MaxRecord()), at)
				cut = len(d.Skipped)
			} else {
				d.Skipped[cut-1].Count++
			}
		}
		if err := r.Decode(rec, func(e *timeline.Event) bool { d.Events++; d.Formats[e.Format]++; return true }); err != nil {
			if d.Unread++; d.FirstUnread == 0 {
				d.FirstUnread, d.FirstText = rec.Line, head(rec.Bytes)
			}
		}
	}
}

// firstText is how many bytes of a line are shown that was not read.
const firstText = 160

// head gives the beginning of a record's first line.
func head(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{'\n'})
	if len(b) > firstText {
		return string(b[:firstText]) + "…"
	}
	return string(b)
}

// lineOf gives the beginning of line n, counted from 1.
func lineOf(text []byte, n int) string {
	for ; n > 1; n-- {
		_, text, _ = bytes.Cut(text, []byte{'\n'})
	}
	return head(bytes.TrimRight(text[:min(len(text), firstText+4)], "\r\n"))
}
