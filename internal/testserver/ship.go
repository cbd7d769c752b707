//go:build linux

package testserver

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Do sends a request with a JSON body, or lines of JSON, to a server and gives its answer, which must be a 2xx.
func Do(ctx context.Context, method, url, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, tail(string(text)))
	}
	return text, nil
}

// A Bulk puts documents into an index of Elasticsearch or OpenSearch.
type Bulk struct {
	URL, Index string
	buf        bytes.Buffer
}

// Add adds a document, under the ID if that is not empty.
func (b *Bulk) Add(ctx context.Context, id string, doc any) error {
	action := map[string]any{"_index": b.Index}
	if id != "" {
		action["_id"] = id
	}
	enc := json.NewEncoder(&b.buf)
	if err := enc.Encode(map[string]any{"create": action}); err != nil {
		return err
	}
	if err := enc.Encode(doc); err != nil {
		return err
	}
	if b.buf.Len() > 4<<20 {
		return b.flush(ctx)
	}
	return nil
}

func (b *Bulk) flush(ctx context.Context) error {
	if b.buf.Len() == 0 {
		return nil
	}
	text, err := Do(ctx, http.MethodPost, b.URL+"/_bulk?filter_path=errors,items.*.error", b.buf.String())
	if err != nil {
		return err
	}
	b.buf.Reset()
	var answer struct {
		Errors bool `json:"errors"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return err
	}
	if answer.Errors {
		return fmt.Errorf("bulk: %s", tail(string(text)))
	}
	return nil
}

// Close sends what is left and makes all of it visible to searches.
func (b *Bulk) Close(ctx context.Context) error {
	if err := b.flush(ctx); err != nil {
		return err
	}
	_, err := Do(ctx, http.MethodPost, b.URL+"/"+b.Index+"/_refresh", "")
	return err
}

// LineMapping is that of an index for what [Ship] sends, as shippers set it up.
const LineMapping = `{"settings": {"number_of_replicas": 0, "number_of_shards": 2}, "mappings": {"properties": {
	"@timestamp": {"type": "date"}, "message": {"type": "text"},
	"log": {"properties": {"offset": {"type": "long"}, "file": {"properties": {"path": {"type": "keyword"}}}}},
	"host": {"properties": {"name": {"type": "keyword"}}}, "agent": {"properties": {"type": {"type": "keyword"}}}}}}`

// Ship gives every line of the logs under dir, which has a folder for each host, to
// each, as Filebeat ships them without settings for records of several lines: a document a line, with
// the path and the offset in the file. when says at which time the line was read that begins at an offset of a file, which is named as
// it lies under dir.
func Ship(dir string, when func(file string, offset int64) time.Time, each func(doc map[string]any) error) error {
	series := map[string][]string{} // path as the shipper sees it -> files, oldest first
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := strings.TrimSuffix(p, ".gz")
		if base, n, ok := cutLast(name, "."); ok {
			if _, err := strconv.Atoi(n); err == nil {
				name = base
			}
		}
		series[name] = append(series[name], p)
		return nil
	})
	if err != nil {
		return err
	}
	names := make([]string, 0, len(series))
	for n := range series {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, name := range names {
		files := series[name]
		slices.SortFunc(files, func(a, b string) int { return rotation(b) - rotation(a) })
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		host, file := filepath.Split(rel)
		if err := shipSeries(dir, files, strings.Trim(host, "/"), "/var/log/"+file, when, each); err != nil {
			return err
		}
	}
	return nil
}

// rotation is the number that logrotate put behind a file's name, 0 for none.
func rotation(p string) int {
	_, n, _ := cutLast(strings.TrimSuffix(p, ".gz"), ".")
	i, _ := strconv.Atoi(n)
	return i
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func shipSeries(dir string, files []string, host, path string, when func(string, int64) time.Time, each func(map[string]any) error) error {
	for _, f := range files {
		data, err := readLog(f)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, f)
		if err != nil {
			return err
		}
		offset := int64(0)
		for line := range bytes.Lines(data) {
			doc := map[string]any{
				"@timestamp": when(rel, offset).UTC().Format("2006-01-02T15:04:05.000Z"), "message": string(bytes.TrimRight(line, "\r\n")),
				"log":  map[string]any{"offset": offset, "file": map[string]any{"path": path}},
				"host": map[string]any{"name": host}, "agent": map[string]any{"type": "filebeat"},
			}
			if err := each(doc); err != nil {
				return err
			}
			offset += int64(len(line))
		}
	}
	return nil
}

func readLog(p string) ([]byte, error) {
	f, err := os.Open(p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !strings.HasSuffix(p, ".gz") {
		return io.ReadAll(f)
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	return io.ReadAll(z)
}
