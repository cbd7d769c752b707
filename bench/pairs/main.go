// Command pairs times the program as whole processes, next to the tools that one would use
// without it, on logs that it generates. bench/README.md tells how it is used and what it
// found.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "pairs:", err)
		os.Exit(1)
	}
}

type options struct {
	program string
	dir     string
	out     string
	size    int64
	runs    int
	failing int
	only    string
	keep    bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	var size string
	fs := flag.NewFlagSet("pairs", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.program, "program", "bin/correlate", "the program that is timed")
	fs.StringVar(&o.dir, "dir", "bin/bench", "where the logs are generated")
	fs.StringVar(&o.out, "out", "bin/bench", "where the profiles are left")
	fs.StringVar(&size, "size", "2GB", "bytes of the plain logs, with KB, MB or GB")
	fs.IntVar(&o.runs, "runs", 5, "timed runs of each command, after one that is not counted")
	fs.IntVar(&o.failing, "failing", failingUsual, "failing requests of 10,000")
	fs.StringVar(&o.only, "only", "", "only comparisons whose name contains this")
	fs.BoolVar(&o.keep, "keep", false, "leave the logs, and use those that are there")
	if err := fs.Parse(args); err != nil {
		return err
	}
	var err error
	if o.size, err = parseSize(size); err != nil {
		return err
	}
	if o.program, err = filepath.Abs(o.program); err != nil {
		return err
	}
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return err
	}
	return compare(ctx, o, stdout, stderr)
}

func parseSize(s string) (int64, error) {
	var n float64
	var unit string
	if _, err := fmt.Sscanf(strings.ToUpper(s), "%f%s", &n, &unit); err != nil {
		return 0, fmt.Errorf("size %q: write it like 500MB or 2GB", s)
	}
	power := map[string]float64{"KB": 1, "MB": 2, "GB": 3}[unit]
	if power == 0 || n <= 0 {
		return 0, fmt.Errorf("size %q: write it like 500MB or 2GB", s)
	}
	return int64(n * math.Pow(1000, power)), nil
}

// compare generates the logs, times all pairs and prints the table.
func compare(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	tools := findPeers(ctx)
	fmt.Fprintf(stdout, "%s\n", machine())
	for _, t := range tools {
		fmt.Fprintf(stdout, "%s: %s\n", t.name, t.version)
	}
	base := filepath.Join(o.dir, fmt.Sprintf("%d-%d", o.size, o.failing))
	c, err := prepare(base, o)
	if err != nil {
		return err
	}
	if !o.keep {
		defer func() { err = errors.Join(err, os.RemoveAll(base)) }()
	}
	fmt.Fprintf(stdout, "%.2f GB in %d files, %d lines, %d requests, %d failing\n\n", float64(c.bytes)/1e9, 18*parts, c.lines, c.requests, c.failed)
	fmt.Fprintf(stdout, "| job | command | seconds | CPU seconds | peak MB | against | seconds | CPU seconds | ratio | CPU ratio |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, p := range pairsOf(o, c, tools) {
		if !strings.Contains(p.name, o.only) {
			continue
		}
		fmt.Fprintf(stderr, "pairs: %s\n", p.name)
		r, err := p.measure(ctx, o.runs)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Fprintln(stdout, r)
	}
	if strings.Contains("J1 index", o.only) {
		fmt.Fprintln(stderr, "pairs: the records of one ID")
		took, n, err := lookUp(ctx, c, c.ids[len(c.ids)/2])
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "\n%d records of one ID and of those that come with it, by the index and from when the files are open: %s\n", n, took)
	}
	for _, job := range []struct{ name, id string }{{"investigate", c.ids[len(c.ids)/2]}, {"batch", ""}} {
		if !strings.Contains("profiles", o.only) {
			continue
		}
		fmt.Fprintf(stderr, "pairs: profiles of %s\n", job.name)
		if err := profile(ctx, c.dir, job.id, o.out, job.name); err != nil {
			return err
		}
	}
	return nil
}
