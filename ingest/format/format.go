// Package format turns bytes into events: it finds the format of a stream, cuts it
// into records and decodes them. Formats are YAML files in builtin/.
package format

import (
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// ErrNoMatch says that a record is not in the format.
var ErrNoMatch = errors.New("record is not in this format")

// A Format is one log format: how its records are found, read and named.
type Format struct {
	Name   string        // of its file: "nginx_error"
	Doc    string        // one sentence
	System string        // the software that writes it
	Role   timeline.Role // what that software usually is
	// Literals: every record that the format declares failed contains at least one
	// of them. nil means that bytes alone cannot tell.
	Literals [][]byte
}

// A Set is a set of formats in the order in which detection tries them.
type Set struct{}

// Builtin gives the formats that come with the program.
func Builtin() *Set { return nil }

// Load reads all formats of fsys. The error joins all complaints about all files, each with file:line:col.
func Load(fsys fs.FS) (*Set, error) { return nil, nil }

// A Detection says in which format a stream is written.
type Detection struct {
	Format      *Format // nil if none reads it
	Confidence  float64 // share of the head's records that Format reads
	Records     int     // of the head
	Unread      int
	FirstUnread int // line number; 0 if all were read
	Candidates  []Candidate
	Binary      bool // the head is not text
}

// A Candidate is a format that reads part of a head.
type Candidate struct {
	Format *Format
	Share  float64
}

// Detect finds the format of a stream by its head (some 64 KiB, cut anywhere).
func (s *Set) Detect(head []byte) Detection { return Detection{} }

// Options say what the stream itself does not.
type Options struct {
	Format    *Format        // nil: detect
	Zone      *time.Location // of stamps that write none; nil: unknown
	Reference time.Time      // a time near the end of the stream (its file's modification), for stamps without a year
	MaxRecord int            // bytes; 0 is 1 MiB
}

// A Record is a stretch of a stream: a line and the lines that continue it. Bytes are valid until the next call of Next.
type Record struct {
	Bytes  []byte
	Offset int64 // of its first byte
	Line   int   // of its first line, 1-based
	Cut    bool  // it was longer than MaxRecord; Bytes is its head
}

// A Reader reads one stream record by record. Not for concurrent use.
type Reader struct{}

// NewReader starts on one stream.
func (s *Set) NewReader(r io.Reader, o Options) (*Reader, error) { return nil, nil }

// Detection tells what the stream was found to be.
func (r *Reader) Detection() Detection { return Detection{} }

// Next gives the next record; the error is io.EOF at the end, else what broke the stream.
func (r *Reader) Next() (Record, error) { return Record{}, io.EOF }

// Decode gives the events of one record: none, one, or many. The event is valid
// until yield returns. It returns ErrNoMatch if no format of the stream reads the record.
// Pos, and Service and Host where the record does not say them, are left to the caller.
func (r *Reader) Decode(rec Record, yield func(*timeline.Event) bool) error { return ErrNoMatch }
