//go:build linux

// Command cluster times the program on logs in a real Elasticsearch: how long it takes to investigate one
// request, and to judge all failures of a day next to a bare client that fetches the same documents by
// the same queries. bench/README.md tells how it is used and what it found.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"slices"
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
	running := fs.String("url", "", "a server that runs, instead of one of its own; it is given the logs if it does not have them")
	runs := fs.Int("runs", 9, "timed runs of investigate; batch has a third")
	only := fs.String("only", "", "investigate or batch; both if empty")
	profiles := fs.String("profiles", "", "the folder into which CPU profiles of both are written, if not empty")
	verbose := fs.Bool("queries", false, "list the queries of the last run of each, with what they take and bring when they are sent again")
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
	b := &bench{url: *running, stdout: stdout, stderr: stderr, program: *program, profiles: *profiles, verbose: *verbose}
	if b.url == "" {
		server, err := testserver.Start(ctx, k, testserver.Options{Java: "-Xms1g -Xmx1g"})
		if err != nil {
			return err
		}
		defer server.Stop()
		b.url = server.URL
	}
	if _, err := testserver.Do(ctx, http.MethodGet, b.url+"/"+index+"/_count", ""); err != nil {
		if err := b.ship(ctx, *logs); err != nil {
			return err
		}
	}
	b.address = k.Flavor() + "+" + b.url + "/" + index
	if *only != "batch" {
		if err := b.investigate(ctx, ids, *runs); err != nil {
			return err
		}
	}
	if *only != "investigate" {
		return b.batch(ctx, max(3, *runs/3))
	}
	return nil
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
	profiles       string
	verbose        bool
	stdout, stderr io.Writer
}

// profiled runs do with its CPU profile written to the name, if profiles are wanted.
func (b *bench) profiled(name string, do func() error) error {
	if b.profiles == "" {
		return do()
	}
	f, err := os.Create(filepath.Join(b.profiles, name+".cpu"))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return do()
}

// asks are the queries that a run has sent, as they were told.
type asks struct {
	mu  sync.Mutex
	all []ingest.Query
}

func (a *asks) add(q ingest.Query) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, q)
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
	one := func(id string, asked *asks) (opened, took time.Duration, err error) {
		begun := time.Now()
		s, err := b.open(ctx, asked.add)
		if err != nil {
			return 0, 0, err
		}
		defer s.Close()
		opened = time.Since(begun)
		begun = time.Now()
		c, err := correlate.Investigate(ctx, []timeline.Named{{Name: "cluster", Source: s}}, id, correlate.Options{Rules: set})
		if err == nil && (c.Verdict == nil || c.Verdict.Origin == nil) {
			err = fmt.Errorf("no origin is found of %s", id)
		}
		return opened, time.Since(begun), err
	}
	chosen := make([]string, runs+1)
	for i := range chosen {
		chosen[i] = ids[i*len(ids)/(runs+1)]
	}
	last := &asks{}
	if err := b.profiled("investigate", func() error {
		for i, id := range chosen {
			last = &asks{}
			opened, took, err := one(id, last)
			if err != nil {
				return err
			}
			if i > 0 { // the first one warms the server
				open, inside = append(open, opened), append(inside, took)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	for _, id := range chosen[1:] {
		cmd := exec.CommandContext(ctx, b.program, "investigate", id, b.address, "--since", "2026-02-27T00:00:00Z")
		begun := time.Now()
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("investigate %s: %w: %s", id, err, text)
		}
		whole = append(whole, time.Since(begun))
	}
	fetched, err := b.replay(ctx, last.all, b.verbose)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.stdout, "the last of them: %d queries bring %s\n\n", len(last.all), fetched)
	fmt.Fprintf(b.stdout, "| what | median of %d (range) |\n|---|---|\n| open | %s |\n| investigate, open | %s |\n| its queries again by a bare client, of the last | %s |\n| investigate, whole process | %s |\n\n",
		runs, open, inside, round(fetched.took), whole)
	return nil
}

// batch times all failures of the day, a client that sends the same queries and throws away the answers, and
// one that asks for the same documents by their IDs.
func (b *bench) batch(ctx context.Context, runs int) error {
	var ours, again, byID times
	var last fetched
	queries, failures := 0, 0
	for i := range runs + 1 {
		fmt.Fprintln(b.stderr, "cluster: batch")
		asked := &asks{}
		s, err := b.open(ctx, asked.add)
		if err != nil {
			return err
		}
		var took time.Duration
		if err := b.profiled("batch", func() error {
			begun := time.Now()
			d, err := correlate.Batch(ctx, []timeline.Named{{Name: "cluster", Source: s}}, correlate.Options{Rules: rules.Builtin()})
			if err == nil {
				took, failures = time.Since(begun), len(d.Cases)
			}
			return err
		}); err != nil {
			return err
		}
		s.Close()
		queries = len(asked.all)
		if last, err = b.replay(ctx, asked.all, b.verbose && i == runs); err != nil {
			return err
		}
		docs, err := b.documents(ctx, last.ids)
		if err != nil {
			return err
		}
		if i > 0 { // the first one warms the server
			ours, again, byID = append(ours, took), append(again, last.took), append(byID, docs)
		}
	}
	ratio := func(of times) float64 { return float64(ours.median()) / float64(of.median()) }
	fmt.Fprintf(b.stdout, "%d failures; %d queries bring %s\n\n", failures, queries, last)
	fmt.Fprintf(b.stdout, "| what | median of %d (range) | batch takes so many times as long |\n|---|---|---|\n| batch | %s | |\n| a bare client, the same queries | %s | %.2f |\n| a bare client, the same documents by ID | %s | %.2f |\n",
		runs, ours, again, ratio(again), byID, ratio(byID))
	return nil
}

// fetched is what queries brought when they were sent again.
type fetched struct {
	took  time.Duration
	bytes int64
	hits  int
	ids   map[string]bool // of the documents
}

func (f fetched) String() string {
	return fmt.Sprintf("%d documents, %d of them different, in %.1f MB", f.hits, len(f.ids), float64(f.bytes)/(1<<20))
}

var (
	pitRE = regexp.MustCompile(`"pit":\{"id":"[^"]*"`)
	idRE  = regexp.MustCompile(`"_id":"([^"]+)"`)
)

// replay sends queries one after the other; list prints each of them.
func (b *bench) replay(ctx context.Context, asked []ingest.Query, list bool) (out fetched, err error) {
	text, err := testserver.Do(ctx, http.MethodPost, b.url+"/"+index+"/_pit?keep_alive=5m", "")
	if err != nil {
		return out, err
	}
	var pit struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(text, &pit); err != nil {
		return out, fmt.Errorf("open a point in time: %w", err)
	}
	out.ids = map[string]bool{}
	for _, q := range asked {
		body := pitRE.ReplaceAllLiteralString(string(q.Body), `"pit":{"id":"`+pit.ID+`"`)
		begun := time.Now()
		answer, err := testserver.Do(ctx, q.Method, b.url+q.Path, body)
		if err != nil {
			return out, err
		}
		took := time.Since(begun)
		out.took += took
		out.bytes += int64(len(answer))
		hits := idRE.FindAllSubmatch(answer, -1)
		for _, h := range hits {
			out.ids[string(h[1])] = true
		}
		if out.hits += len(hits); list {
			fmt.Fprintf(b.stdout, "%8s %7.2f MB %6d documents %7.1f KB asked  %s %.*s\n", round(took), float64(len(answer))/(1<<20), len(hits), float64(len(body))/1024, q.Path, 160, q.Body)
		}
	}
	return out, nil
}

// documents times a client that asks for documents by their IDs, page by page.
func (b *bench) documents(ctx context.Context, ids map[string]bool) (took time.Duration, err error) {
	for page := range slices.Chunk(slices.Sorted(maps.Keys(ids)), 5000) {
		body, err := json.Marshal(map[string]any{"size": len(page), "query": map[string]any{"ids": map[string]any{"values": page}}})
		if err != nil {
			return 0, err
		}
		begun := time.Now()
		if _, err := testserver.Do(ctx, http.MethodPost, b.url+"/"+index+"/_search", string(body)); err != nil {
			return 0, err
		}
		took += time.Since(begun)
	}
	return took, nil
}
