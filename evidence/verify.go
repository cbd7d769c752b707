package evidence

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Limits of what Verify reads. Bundles are stored without compression, so the
// size of the file bounds all that is in it.
const (
	maxBundle = 2 << 30
	maxFiles  = 20_000
)

// A Result is what Verify found.
type Result struct {
	// Digest is the SHA-256 of the manifest; "" if there is none.
	Digest   string
	Manifest *Manifest // nil if it could not be read
	Problems []Problem // none: the bundle is whole
}

// OK says whether the bundle is as it was written.
func (r *Result) OK() bool { return len(r.Problems) == 0 }

// A Problem is one thing that is not as the manifest says.
type Problem struct {
	Entry string // "" if it is about the archive
	What  string
}

func (p Problem) String() string {
	if p.Entry == "" {
		return p.What
	}
	return p.Entry + ": " + p.What
}

// Verify reads a bundle and says what in it is not as it was written: changed,
// added, removed, renamed or doubled files, a changed manifest, and any other
// changed byte of the archive. The error is about reading r alone. What it cannot
// find is a bundle that was written anew as a whole; compare Digest for that.
func Verify(r io.ReaderAt, size int64) (*Result, error) {
	res := &Result{}
	bad := func(entry, format string, args ...any) {
		res.Problems = append(res.Problems, Problem{visible(entry), visible(fmt.Sprintf(format, args...))})
	}
	if size > maxBundle {
		bad("", "it is larger than %d bytes, which no bundle is", int64(maxBundle))
		return res, nil
	}
	tracked := &tracker{r: r}
	z, err := zip.NewReader(tracked, size)
	if tracked.err != nil {
		return nil, fmt.Errorf("read bundle: %w", tracked.err)
	}
	if err != nil {
		bad("", "it is not a zip archive that can be read: %v", err)
		return res, nil
	}
	if len(z.File) > maxFiles {
		bad("", "it holds %d files; no bundle holds more than %d", len(z.File), maxFiles)
		return res, nil
	}

	contents := map[string][]byte{}
	var order []file
	left := size
	for _, f := range z.File {
		if _, ok := contents[f.Name]; ok {
			bad(f.Name, "is there more than once")
			continue
		}
		contents[f.Name] = nil
		if f.Method != zip.Store {
			bad(f.Name, "is compressed, which no file of a bundle is")
			continue
		}
		data, err := readEntry(f, left)
		if tracked.err != nil {
			return nil, fmt.Errorf("read bundle: %w", tracked.err)
		}
		if errors.Is(err, zip.ErrChecksum) {
			bad(f.Name, "was changed: its checksum is wrong")
			continue
		}
		if err != nil {
			bad(f.Name, "cannot be read: %v", err)
			continue
		}
		left -= int64(len(data))
		contents[f.Name] = data
		order = append(order, file{f.Name, data})
	}

	raw := contents[manifestName]
	if raw == nil {
		bad(manifestName, "is not there")
		return res, nil
	}
	res.Digest = sum(raw)
	m := &Manifest{}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(m); err != nil {
		bad(manifestName, "cannot be read: %v", err)
		return res, nil
	}
	if m.Schema != Schema {
		bad(manifestName, "its schema is %q; this program reads %s", m.Schema, Schema)
		return res, nil
	}
	res.Manifest = m
	if again, err := marshal(m); err != nil || !bytes.Equal(again, raw) {
		bad(manifestName, "is not written as correlate writes it")
	}

	listed := map[string]bool{manifestName: true, sumsName: true}
	for _, f := range m.Files {
		if listed[f.Name] {
			bad(manifestName, "lists %s more than once", f.Name)
			continue
		}
		listed[f.Name] = true
		data, ok := contents[f.Name]
		switch {
		case !ok:
			bad(f.Name, "is not there")
		case data == nil && f.Size > 0:
			// Said above.
		case int64(len(data)) != f.Size:
			bad(f.Name, "has %d bytes; the manifest says %d", len(data), f.Size)
		case sum(data) != f.SHA256:
			bad(f.Name, "has other contents than the manifest says")
		}
	}
	for _, f := range z.File {
		if !listed[f.Name] {
			listed[f.Name] = true
			bad(f.Name, "is not in the manifest")
		}
	}
	if s, ok := contents[sumsName]; !ok {
		bad(sumsName, "is not there")
	} else if !bytes.Equal(s, sums(m, raw)) {
		bad(sumsName, "does not say what the manifest says; one of them was changed")
	}
	checkRecords(m, contents, bad)

	if res.OK() {
		// All contents are right. What is left is the archive around them: order, names,
		// times, comments, bytes between the entries.
		want := slices.Clone(m.Files)
		slices.SortFunc(want, func(a, b FileSum) int { return strings.Compare(a.Name, b.Name) })
		files := make([]file, 0, len(order))
		for _, f := range want {
			files = append(files, file{f.Name, contents[f.Name]})
		}
		files = append(files, file{manifestName, raw}, file{sumsName, contents[sumsName]})
		at, err := firstDifference(tracked, size, files)
		if tracked.err != nil {
			return nil, fmt.Errorf("read bundle: %w", tracked.err)
		}
		if err != nil {
			bad("", "it cannot be built anew to compare: %v", err)
		} else if at >= 0 {
			entry, where := place(z, at)
			bad(entry, "the archive differs from what its contents make, from byte %d on (%s)", at, where)
		}
	}
	return res, nil
}

// tracker remembers an error of the reader that is not about the contents.
type tracker struct {
	r   io.ReaderAt
	err error
}

func (t *tracker) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("the archive points before its start")
	}
	n, err := t.r.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		t.err = err
	}
	return n, err
}

func readEntry(f *zip.File, limit int64) ([]byte, error) {
	if f.UncompressedSize64 > uint64(limit) {
		return nil, errTooLarge
	}
	rc, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	data, err := io.ReadAll(io.LimitReader(rc, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, errTooLarge
	}
	if data == nil {
		data = []byte{}
	}
	return data, nil
}

// checkRecords compares the records' own hashes with the raw files.
func checkRecords(m *Manifest, contents map[string][]byte, bad func(string, string, ...any)) {
	lines := map[string][]string{}
	for _, rec := range m.Records {
		l, ok := lines[rec.File]
		if !ok {
			l = strings.Split(strings.TrimSuffix(string(contents[rec.File]), "\n"), "\n")
			lines[rec.File] = l
		}
		if rec.Line < 1 || rec.Lines < 1 || rec.Line-1 > len(l)-rec.Lines {
			bad(rec.File, "has no lines %d to %d, where the manifest places event %d", rec.Line, rec.Line+rec.Lines-1, rec.Event)
			return
		}
		if sum([]byte(strings.Join(l[rec.Line-1:rec.Line-1+rec.Lines], "\n"))) != rec.SHA256 {
			bad(rec.File, "line %d is not the record of event %d that the manifest says", rec.Line, rec.Event)
			return
		}
	}
}

// firstDifference writes the archive anew and gives the place of the first byte in
// which r differs; -1 if there is none.
func firstDifference(r io.ReaderAt, size int64, files []file) (int64, error) {
	c := &comparer{r: r, size: size, at: -1}
	if err := writeZip(c, files); err != nil {
		return 0, err
	}
	if c.at < 0 && c.pos != size {
		c.at = min(c.pos, size)
	}
	return c.at, nil
}

// comparer is a writer that compares what is written with what a reader holds.
type comparer struct {
	r         io.ReaderAt
	size, pos int64
	at        int64
	buf       []byte
}

func (c *comparer) Write(p []byte) (int, error) {
	if c.at < 0 {
		if c.pos+int64(len(p)) > c.size {
			c.at = c.size
		} else {
			c.buf = append(c.buf[:0], p...)
			if _, err := c.r.ReadAt(c.buf, c.pos); err != nil && !errors.Is(err, io.EOF) {
				return 0, err
			}
			for i := range p {
				if c.buf[i] != p[i] {
					c.at = c.pos + int64(i)
					break
				}
			}
		}
	}
	c.pos += int64(len(p))
	return len(p), nil
}

// place says which entry a byte of the archive belongs to.
func place(z *zip.Reader, at int64) (entry, where string) {
	var end int64
	for _, f := range z.File {
		start, err := f.DataOffset()
		if err != nil {
			continue
		}
		stop := start + int64(f.CompressedSize64)
		end = max(end, stop)
		if at < start && (entry == "" || at >= start-30-int64(len(f.Name))-64) {
			return f.Name, "its header"
		}
		if at < stop {
			return f.Name, "its contents"
		}
	}
	if at >= end {
		return "", "the directory of the archive or what stands behind it"
	}
	return "", "between the entries"
}
