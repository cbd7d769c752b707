//go:build linux

// Command cluster times the program on logs in a real Elasticsearch: how long it takes to investigate one
// request, and to judge all failures of a day next to a bare client that fetches the same documents by
// the same queries. bench/README.md tells how it is used and what it found.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/elastic"
	"github.com/correlatehq/correlate/ingest/file"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/internal/testserver"
	"github.com/correlatehq/correlate/rules"
	"github.com/correlatehq/correlate/timeline"
)

const index = "bench-2026.03.01"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("cluster", flag.ContinueOnError)
	fs.SetOutput(stderr)
	program := fs.String("program", "bin/correlate", "the program that is timed as a whole process")
	logs := fs.String("logs", "", "the logs, with a folder for each host")
	kind := fs.String("server", testserver.Elasticsearch8.Name, "the server")
	running := fs.String("url", "", "a server that runs and has the logs, as a run before left them, instead of one of its own")
	runs := fs.Int("runs", 9, "timed runs of investigate; batch has a third")
	if err := fs.Parse(args); err != nil {
		return err
	}
	k := testserver.Lookup(*kind)
	if k == nil {
		return fmt.Errorf("there is no server %q", *kind)
	}
	ids, err := failing(*logs)
	if err != nil {
		return err
	}
	if len(ids) < *runs {
		return fmt.Errorf("%s holds %d failing requests, fewer than runs", *logs, len(ids))
	}
	b := &bench{url: *running, stdout: stdout, stderr: stderr, program: *program}
	if b.url == "" {
		server, err := testserver.Start(ctx, k, testserver.Options{})
		if err != nil {
			return err
		}
		defer server.Stop()
		b.url = server.URL
		if err := b.ship(ctx, *logs); err != nil {
			return err
		}
	}
	b.address = k.Flavor() + "+" + b.url + "/" + index
	return errors.Join(b.investigate(ctx, ids, *runs), b.batch(ctx, max(3, *runs/3)))
}

// failing gives the IDs of the failing requests, by the access logs of the edge.
func failing(logs string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(logs, "edge-*", "access.log*"))
	if err != nil {
		return nil, err
	}
	line := regexp.MustCompile(`(?m)" 5\d\d .* rid=(\w+)$`)
	var out []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		for _, m := range line.FindAllSubmatch(text, -1) {
			out = append(out, string(m[1]))
		}
	}
	return out, nil
}

type bench struct {
	url, address   string
	program        string
	stdout, stderr io.Writer
}

// ship puts the logs into the index, line by line as Filebeat does, each read within half a second.
func (b *bench) ship(ctx context.Context, logs string) error {
	fmt.Fprintln(b.stderr, "cluster: indexing")
	begun := time.Now()
	src, err := file.Open(ctx, logs, ingest.Config{Formats: format.Builtin()})
	if err != nil {
		return err
	}
	defer src.Close()
	type stamp struct {
		offset int64
		at     time.Time
	}
	stamps := map[string][]stamp{}
	for e, err := range src.All(ctx) {
		if err == nil && !e.Time.IsZero() && e.Attrs.Get(format.InferredTime) == "" {
			stamps[e.Pos.Path] = append(stamps[e.Pos.Path], stamp{e.Pos.Offset, e.Time})
		}
	}
	when := func(name string, offset int64) time.Time {
		s := stamps[name]
		i, _ := slices.BinarySearchFunc(s, offset, func(s stamp, o int64) int { return int(s.offset - o) })
		return s[min(i, len(s)-1)].at.Truncate(time.Second / 2).Add(time.Second / 2)
	}
	if _, err := testserver.Do(ctx, http.MethodPut, b.url+"/"+index, testserver.LineMapping); err != nil {
		return err
	}
	bulk := &testserver.Bulk{URL: b.url, Index: index}
	n := 0
	if err := testserver.Ship(logs, when, func(doc map[string]any) error {
		n++
		return bulk.Add(ctx, "", doc)
	}); err != nil {
		return err
	}
	if err := bulk.Close(ctx); err != nil {
		return err
	}
	fmt.Fprintf(b.stdout, "%d documents, indexed in %s\n\n", n, time.Since(begun).Round(time.Second))
	return nil
}

// open opens the index; asked is told the queries.
func (b *bench) open(ctx context.Context, asked func(ingest.Query)) (*elastic.Source, error) {
	u, err := url.Parse(b.address)
	if err != nil {
		return nil, err
	}
	return elastic.Open(ctx, u, ingest.Config{Name: "cluster", Formats: format.Builtin(), Query: asked})
}

// times are the figures of several runs.
type times []time.Duration

func (t times) String() string {
	s := slices.Sorted(slices.Values(t))
	return fmt.Sprintf("%s (%s to %s)", round(s[len(s)/2]), round(s[0]), round(s[len(s)-1]))
}

func (t times) median() time.Duration { return slices.Sorted(slices.Values(t))[len(t)/2] }

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// investigate times one request after the other, each with a source of its own: in this process from when it is
// open, and as a whole process.
func (b *bench) investigate(ctx context.Context, ids []string, runs int) error {
	fmt.Fprintln(b.stderr, "cluster: investigate")
	var open, inside, whole times
	set := rules.Builtin()
	for i := range runs + 1 {
		id := ids[i*len(ids)/(runs+1)]
		begun := time.Now()
		s, err := b.open(ctx, nil)
		if err != nil {
			return err
		}
		opened := time.Now()
		c, err := correlate.Investigate(ctx, []timeline.Named{{Name: "cluster", Source: s}}, id, correlate.Options{Rules: set})
		if err != nil {
			return err
		}
		took := time.Since(opened)
		s.Close()
		if c.Verdict == nil || c.Verdict.Origin == nil {
			return fmt.Errorf("no origin is found of %s", id)
		}
		cmd := exec.CommandContext(ctx, b.program, "investigate", id, b.address, "--since", "2026-02-27T00:00:00Z")
		begunWhole := time.Now()
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("investigate %s: %w: %s", id, err, text)
		}
		if i > 0 { // the first one warms the server
			open, inside, whole = append(open, opened.Sub(begun)), append(inside, took), append(whole, time.Since(begunWhole))
		}
	}
	fmt.Fprintf(b.stdout, "| what | median of %d (range) |\n|---|---|\n| open | %s |\n| investigate, open | %s |\n| investigate, whole process | %s |\n\n", runs, open, inside, whole)
	return nil
}

var pitRE = regexp.MustCompile(`"pit":\{"id":"[^"]*"`)

// batch times all failures of the day, and a client that sends the same queries and throws away the answers.
func (b *bench) batch(ctx context.Context, runs int) error {
	var ours, bare times
	bytes, queries, failures := int64(0), 0, 0
	for i := range runs + 1 {
		fmt.Fprintln(b.stderr, "cluster: batch")
		var mu sync.Mutex
		var asked []ingest.Query
		s, err := b.open(ctx, func(q ingest.Query) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, q)
		})
		if err != nil {
			return err
		}
		begun := time.Now()
		d, err := correlate.Batch(ctx, []timeline.Named{{Name: "cluster", Source: s}}, correlate.Options{Rules: rules.Builtin()})
		if err != nil {
			return err
		}
		took := time.Since(begun)
		s.Close()
		failures, queries = len(d.Cases), len(asked)
		fetched, n, err := b.replay(ctx, asked)
		if err != nil {
			return err
		}
		if bytes = n; i > 0 {
			ours, bare = append(ours, took), append(bare, fetched)
		}
	}
	fmt.Fprintf(b.stdout, "%d failures; %d queries bring %d MB\n\n", failures, queries, bytes>>20)
	fmt.Fprintf(b.stdout, "| what | median of %d (range) |\n|---|---|\n| batch | %s |\n| a bare client, the same queries | %s |\n| ratio of the medians | %.2f |\n", runs, ours, bare, float64(ours.median())/float64(bare.median()))
	return nil
}

// replay sends queries one after the other and gives how long that took and how many bytes came.
func (b *bench) replay(ctx context.Context, asked []ingest.Query) (time.Duration, int64, error) {
	text, err := testserver.Do(ctx, http.MethodPost, b.url+"/"+index+"/_pit?keep_alive=5m", "")
	if err != nil {
		return 0, 0, err
	}
	id := regexp.MustCompile(`"id":"([^"]+)"`).FindSubmatch(text)
	if id == nil {
		return 0, 0, fmt.Errorf("no point in time: %s", text)
	}
	pit := `"pit":{"id":"` + string(id[1]) + `"`
	begun, n := time.Now(), int64(0)
	for _, q := range asked {
		req, err := http.NewRequestWithContext(ctx, q.Method, b.url+q.Path, strings.NewReader(pitRE.ReplaceAllLiteralString(string(q.Body), pit)))
		if err != nil {
			return 0, 0, err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, 0, err
		}
		m, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err == nil && resp.StatusCode/100 != 2 {
			err = errors.New(resp.Status)
		}
		if err != nil {
			return 0, 0, err
		}
		n += m
	}
	return time.Since(begun), n, nil
}
