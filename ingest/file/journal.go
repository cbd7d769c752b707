package file

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"
)

const (
	// maxJournalField is how much of a field is kept.
	maxJournalField = 1 << 20
	// maxJournalSize is what no field of a real journal reaches (journald.conf(5): lines
	// are at most 48 KiB by default; a core dump is not exported whole).
	maxJournalSize = 1 << 30
)

// openJournal reads a journal in export format (systemd.io/JOURNAL_EXPORT_FORMATS) as
// journalctl -o json writes it, an entry each line. In export format an entry is a block
// of NAME=VALUE lines, and where a value holds a newline or is no text, its length in
// eight bytes stands before it, so a line there is not a line of a log.
func openJournal(r io.Reader) (io.ReadCloser, error) {
	return io.NopCloser(&journalReader{in: bufio.NewReader(r)}), nil
}

type journalReader struct {
	in    *bufio.Reader
	entry bytes.Buffer // the JSON of the entry that is being read
	out   []byte       // of whole entries, not given yet
	err   error
}

// Read gives the next bytes of the JSON lines.
func (j *journalReader) Read(p []byte) (int, error) {
	for len(j.out) == 0 {
		if j.err != nil {
			return 0, j.err
		}
		j.entry.Reset()
		j.err = j.next()
		if j.entry.Len() > 0 && (j.err == nil || j.err == io.EOF) {
			j.entry.WriteString("}\n")
			j.out = j.entry.Bytes()
		}
	}
	n := copy(p, j.out)
	j.out = j.out[n:]
	return n, nil
}

// next reads one entry. The last one may lack the empty line after it.
func (j *journalReader) next() error {
	seen := map[string]bool{}
	for {
		line, long, err := j.line()
		switch {
		case err == io.EOF && len(line) == 0:
			return io.EOF
		case err != nil && err != io.EOF:
			return err
		case len(line) == 0 && j.entry.Len() > 0:
			return nil
		case len(line) == 0:
			continue
		}
		name, value, ok := bytes.Cut(line, []byte{'='})
		if !ok {
			if err == io.EOF || long {
				return io.ErrUnexpectedEOF
			}
			if value, err = j.sized(); err != nil {
				return err
			}
		}
		// A field may come several times; the first says as much as is asked.
		if n := string(name); !seen[n] {
			seen[n] = true
			j.add(n, value)
		}
		if err == io.EOF {
			return io.EOF
		}
	}
}

// line reads a line without its end, of a long one the head.
func (j *journalReader) line() (text []byte, long bool, err error) {
	for {
		part, err := j.in.ReadSlice('\n')
		if room := maxJournalField - len(text); room > 0 {
			text = append(text, part[:min(len(part), room)]...)
		} else if len(part) > 0 {
			long = true
		}
		if err != bufio.ErrBufferFull {
			return bytes.TrimSuffix(text, []byte{'\n'}), long, err
		}
	}
}

// sized reads a value behind its length, and the newline after it.
func (j *journalReader) sized() ([]byte, error) {
	var b [8]byte
	if _, err := io.ReadFull(j.in, b[:]); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	size := binary.LittleEndian.Uint64(b[:])
	if size > maxJournalSize {
		return nil, errors.New("a field is said to have " + strconv.FormatUint(size, 10) + " bytes")
	}
	var value bytes.Buffer
	kept := min(int64(size), maxJournalField)
	if _, err := io.CopyN(&value, j.in, kept); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	if _, err := io.CopyN(io.Discard, j.in, int64(size)-kept+1); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	return value.Bytes(), nil
}

// add writes a field: text as a string, else the list of its bytes.
func (j *journalReader) add(name string, value []byte) {
	if j.entry.Len() == 0 {
		j.entry.WriteByte('{')
	} else {
		j.entry.WriteByte(',')
	}
	j.entry.Write(jsonString(name))
	j.entry.WriteByte(':')
	if utf8.Valid(value) {
		j.entry.Write(jsonString(string(value)))
		return
	}
	list := []byte{'['}
	for i, c := range value {
		if i > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendUint(list, uint64(c), 10)
	}
	j.entry.Write(append(list, ']'))
}

func jsonString(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return []byte(`""`) // no string fails
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}
