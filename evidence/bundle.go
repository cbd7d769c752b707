// Package evidence writes a finished investigation as one file to attach to a
// postmortem, and checks such a file offline.
//
// A bundle is a zip archive without compression: the case as JSON, Markdown and
// text, the raw records that it rests on, what was redacted where, and a manifest
// with the SHA-256 of each file. The same case gives the same bytes, and the bytes
// follow from the contents alone: [Verify] builds the archive anew from what it
// holds and compares, so that no byte can differ unseen. (Compression was left out
// for that reason: its output differs between releases of the compressor.)
//
// No secret enters a bundle that the table of kinds in redact.go knows; what
// it does not know it cannot find, so a bundle is read before it is sent.
package evidence

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/report"
	"github.com/correlatehq/correlate/timeline"
)

// Schema names the layout of a bundle.
const Schema = "correlate/bundle/v1"

const (
	manifestName = "MANIFEST.json"
	sumsName     = "SHA256SUMS"
	readmeName   = "README.txt"
	redactName   = "redactions.json"
)

// Options say what the case does not tell.
type Options struct {
	ToolVersion string
	// Created is written into the manifest; zero is the end of the request, so that
	// one case gives one bundle.
	Created time.Time
	// NoAlign writes reports with times as stamped by each host.
	NoAlign bool
}

// A Manifest lists what a bundle holds.
type Manifest struct {
	Schema      string       `json:"schema"`
	ToolVersion string       `json:"tool_version,omitempty"`
	Created     string       `json:"created,omitempty"`
	RequestID   string       `json:"request_id"`
	Files       []FileSum    `json:"files"`   // by name
	Records     []RecordLine `json:"records"` // in the order of the raw files
}

// A FileSum is the size and the SHA-256 of one file of the bundle.
type FileSum struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// A RecordLine says which record of the logs stands where in the bundle.
type RecordLine struct {
	Event    int    `json:"event"` // its id in case.json
	File     string `json:"file"`
	Line     int    `json:"line"` // of its first line in File
	Lines    int    `json:"lines"`
	Position string `json:"position"` // in the logs that were read
	SHA256   string `json:"sha256"`   // of the record as it stands in the bundle, without the line feed after it
	// OriginalSHA256 is that of the record as it was read. It is left out where
	// something was redacted: a hash is a way to guess short secrets.
	OriginalSHA256 string `json:"original_sha256,omitempty"`
	// Stored is the hash of the document as its index stores it, of a record out of an index:
	// of its _source without white space. It is left out as OriginalSHA256 is.
	Stored string `json:"stored,omitempty"`
}

// A Redaction says how often one secret was taken out of one place, and never what it was.
type Redaction struct {
	File     string `json:"file"`
	Line     int    `json:"line,omitempty"`     // in a raw file
	Position string `json:"position,omitempty"` // of the record in the logs that were read
	Field    string `json:"field,omitempty"`    // of the case
	Kind     string `json:"kind"`
	Marker   string `json:"marker"`
	Count    int    `json:"count"`
}

type redactionsFile struct {
	Schema     string      `json:"schema"`
	Redactions []Redaction `json:"redactions"`
}

type file struct {
	name string
	data []byte
}

// Write writes the bundle of c and returns its manifest.
func Write(w io.Writer, c *correlate.Case, o Options) (*Manifest, error) {
	red := newCaseRedactor(c)
	raw, records := red.rawFiles(c)
	clean := red.clean(c)

	var caseJSON, caseMD, text bytes.Buffer
	if err := report.JSON(&caseJSON, clean, report.JSONOptions{NoAlign: o.NoAlign}); err != nil {
		return nil, fmt.Errorf("write case.json: %w", err)
	}
	if err := report.Markdown(&caseMD, clean, report.MarkdownOptions{NoAlign: o.NoAlign}); err != nil {
		return nil, fmt.Errorf("write case.md: %w", err)
	}
	if err := report.Text(&text, clean, report.TextOptions{Wide: true, NoAlign: o.NoAlign}); err != nil {
		return nil, fmt.Errorf("write report.txt: %w", err)
	}
	redactions, err := marshal(redactionsFile{Schema, red.redactions})
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", redactName, err)
	}
	files := append([]file{
		{readmeName, []byte(readme)}, {"case.json", caseJSON.Bytes()}, {"case.md", caseMD.Bytes()}, {"report.txt", text.Bytes()}, {redactName, redactions},
	}, raw...)
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })

	m := &Manifest{Schema: Schema, ToolVersion: o.ToolVersion, RequestID: clean.RequestID, Files: []FileSum{}, Records: records}
	created := o.Created
	if created.IsZero() {
		created = endOf(c)
	}
	if !created.IsZero() {
		m.Created = created.UTC().Format(time.RFC3339Nano)
	}
	for _, f := range files {
		m.Files = append(m.Files, FileSum{f.name, int64(len(f.data)), sum(f.data)})
	}
	manifest, err := marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", manifestName, err)
	}
	files = append(files, file{manifestName, manifest}, file{sumsName, sums(m, manifest)})
	if err := writeZip(w, files); err != nil {
		return nil, err
	}
	return m, nil
}

// Digest is the SHA-256 of the manifest, which names that of every other file. Who
// knows it from elsewhere also finds a bundle that was written anew as a whole.
func (m *Manifest) Digest() (string, error) {
	b, err := marshal(m)
	if err != nil {
		return "", err
	}
	return sum(b), nil
}

// endOf is the end of the request, else its latest stamp.
func endOf(c *correlate.Case) time.Time {
	r := c.Request
	if r == nil {
		return time.Time{}
	}
	if r.Start.Known() {
		return r.Start.Time.Add(max(r.Length, 0))
	}
	var last time.Time
	for i := range r.Events {
		if t := r.Events[i].Time; t.After(last) {
			last = t
		}
	}
	return last
}

// rawFiles gives the records of the case, one file for each host in the order of
// its name, and within it in the order of position.
func (r *caseRedactor) rawFiles(c *correlate.Case) ([]file, []RecordLine) {
	records := []RecordLine{}
	if c.Request == nil {
		return nil, records
	}
	byHost := map[string][]*timeline.Joined{}
	var hosts []string
	for i := range c.Request.Events {
		e := &c.Request.Events[i]
		host := e.Host
		if host == "" {
			host = e.Pos.Source
		}
		if byHost[host] == nil {
			hosts = append(hosts, host)
		}
		byHost[host] = append(byHost[host], e)
	}
	slices.Sort(hosts)
	var files []file
	for i, host := range hosts {
		events := byHost[host]
		slices.SortStableFunc(events, func(a, b *timeline.Joined) int { return a.Pos.Compare(b.Pos) })
		name := fmt.Sprintf("raw/%02d-%s.log", i+1, safeName(host))
		var data bytes.Buffer
		line := 1
		for _, e := range events {
			original := string(e.Raw)
			if original == "" {
				original = e.Body
			}
			original = strings.TrimRight(original, "\r\n")
			if original == "" {
				continue
			}
			text, finds := r.Redact(original)
			position, _ := r.Redact(e.Pos.String())
			rec := RecordLine{Event: e.ID, File: name, Line: line, Lines: strings.Count(text, "\n") + 1, Position: visible(position), SHA256: sum([]byte(text))}
			if len(finds) == 0 {
				rec.OriginalSHA256, rec.Stored = sum([]byte(original)), e.Pos.Hash
			}
			for _, f := range finds {
				r.note(Redaction{File: name, Line: line + strings.Count(text[:f.Offset], "\n"), Position: rec.Position, Kind: f.Kind, Marker: f.Marker})
			}
			records = append(records, rec)
			data.WriteString(text)
			data.WriteByte('\n')
			line += rec.Lines
		}
		if data.Len() > 0 {
			files = append(files, file{name, data.Bytes()})
		}
	}
	return files, records
}

// safeName makes part of a file name of a host's: letters, digits and dashes alone.
func safeName(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= 40 {
			break
		}
	}
	if name := strings.Trim(b.String(), "-"); name != "" {
		return name
	}
	return "unnamed"
}

// visible is for text that stands in JSON written here.
func visible(s string) string { return report.Visible(s) }

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// sums gives the lines that "sha256sum -c" reads: every file but itself.
func sums(m *Manifest, manifest []byte) []byte {
	var b bytes.Buffer
	for _, f := range m.Files {
		fmt.Fprintf(&b, "%s  %s\n", f.SHA256, f.Name)
	}
	fmt.Fprintf(&b, "%s  %s\n", sum(manifest), manifestName)
	return b.Bytes()
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// firstDay is 1980-01-01, the first day that a zip archive can tell, as it writes it.
const firstDay = 1<<5 | 1

// writeZip writes files in their order, stored, each stamped 1980-01-01: nothing in
// the archive but names and contents.
func writeZip(w io.Writer, files []file) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		if path.Clean(f.name) != f.name || strings.HasPrefix(f.name, "/") || strings.HasPrefix(f.name, "..") {
			return fmt.Errorf("write %q: not a name for a file of a bundle", f.name)
		}
		if int64(len(f.data)) > maxBundle {
			return fmt.Errorf("write %s: %w", f.name, errTooLarge)
		}
		h := &zip.FileHeader{Name: f.name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(f.data),
			CompressedSize64: uint64(len(f.data)), UncompressedSize64: uint64(len(f.data))}
		//lint:ignore SA1019 CreateRaw writes this field and does not look at Modified.
		h.ModifiedDate = firstDay
		e, err := z.CreateRaw(h)
		if err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
		if _, err := e.Write(f.data); err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}

var errTooLarge = errors.New("larger than a bundle may be")

const readme = `This is an evidence bundle of correlate: one failed request, what was found about
it, and the log records that show it.

  report.txt        what the investigation says, with every event
  case.md           the same in Markdown, to paste
  case.json         the same for programs (schema correlate/v1)
  raw/              the log records, one file per host, in the order of the logs
  redactions.json   which secrets were taken out, and where
  MANIFEST.json     size and SHA-256 of each file, and where each record came from
  SHA256SUMS        the same sums in the format of sha256sum

To check it with common tools:

  unzip -d case case.zip && cd case && sha256sum -c SHA256SUMS

or, which also finds added files and any changed byte of the archive itself:

  correlate verify case.zip

Both show that the files are as the manifest says. Neither shows who wrote the
manifest: somebody who writes the whole bundle anew, sums included, makes another
bundle that is as consistent as this one. The digest of a bundle, the SHA-256 of
MANIFEST.json, is printed when it is made; keep it where others cannot change it,
and compare:

  correlate verify --digest HEX case.zip

Redaction. A secret is replaced by a marker such as [redacted:email:1]; equal
secrets have equal numbers within this bundle. Only what is known to look like a
secret is found: read the bundle before you send it on.

Hashes of records. Each record in MANIFEST.json has the SHA-256 of what stands in
this bundle. Where nothing was redacted it also has original_sha256, that of the
record in the log, without its line feed: whoever has the log can check that the
record was there. Where something was redacted the original's hash is left out,
for a short secret could be found by trying all values against it.

Raw records are kept byte for byte. They may hold control characters: open them in
an editor, or with less, rather than with cat.
`
