package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/spf13/cobra"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/elastic"
	"github.com/correlatehq/correlate/ingest/file"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/ingest/loki"
	"github.com/correlatehq/correlate/ingest/trace"
	"github.com/correlatehq/correlate/report"
	"github.com/correlatehq/correlate/timeline"
)

// schemes is the one list of sources, by URL scheme. What has no scheme is a file.
var schemes = slices.Concat(
	file.Schemes,
	elastic.Schemes,
	loki.Schemes,
	trace.Schemes,
)

// sourceFlags say what is read.
type sourceFlags struct {
	config   string
	zone     string
	since    string
	until    string
	timeout  time.Duration
	dryRun   bool
	strict   bool
	anchors  []string
	index    string
	logs     logFormatFlags
	logLevel *promslog.Level
}

func (f *sourceFlags) add(cmd *cobra.Command) {
	f.logLevel = promslog.NewLevel()
	_ = f.logLevel.Set("warn") // the name is one that it knows
	cmd.Flags().StringVar(&f.config, "config", "", "configuration file")
	cmd.Flags().StringVar(&f.zone, "zone", "", "zone of stamps that write none: a name such as Europe/Berlin, local, or +01:00")
	cmd.Flags().StringVar(&f.since, "since", "", "only records from then on: 2h (ago), yesterday, or RFC 3339")
	cmd.Flags().StringVar(&f.until, "until", "", "only records before then: 30m (ago), yesterday (its end), or RFC 3339")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "exit 2 if a source cannot be read whole")
	cmd.Flags().DurationVar(&f.timeout, "timeout", defaultTimeout, "how long the others wait for one server; what came until then is used, and the result says so")
	cmd.Flags().StringArrayVar(&f.anchors, "anchor", nil, "two records of one moment, which tie the clocks of their hosts: FILE:LINE=FILE:LINE, as results print positions; may be given several times")
	cmd.Flags().StringVar(&f.index, "index", "", "directory of the indexes of log files, where correlate index --into wrote them; else they are looked for beside the files")
	f.logs.add(cmd)
	cmd.Flags().Var(levelFlag{f.logLevel}, "log-level", "what to tell on stderr: "+strings.Join(promslog.LevelFlagOptions, "|"))
}

// What holds for sources that are servers if the user says nothing.
const (
	defaultTimeout = 5 * time.Minute
	defaultSince   = 24 * time.Hour
)

// levelFlag is a promslog.Level as a flag of cobra's.
type levelFlag struct{ *promslog.Level }

func (levelFlag) Type() string { return "level" }

// opened are the sources of one run.
type opened struct {
	named   []timeline.Named
	roles   map[string]timeline.Role
	rules   []string // directories that the configuration names
	offsets map[string]time.Duration
	clocks  map[string]string // host -> name of the clock that it shares
	anchors []timeline.Anchor
	from    time.Time
	to      time.Time
	log     *slog.Logger

	printing sync.Mutex // of queries
}

// open opens the sources that the arguments name, else those of the configuration.
// A source that cannot be opened stands in the result as one that fails; it is an
// error only if no other is left.
func (f *sourceFlags) open(ctx context.Context, s streams, args []string, formats *format.Set) (*opened, error) {
	o := &opened{offsets: map[string]time.Duration{}, clocks: map[string]string{}}
	var err error
	o.log = promslog.New(&promslog.Config{Level: f.logLevel, Writer: prefixed{s.err}})
	if o.from, o.to, err = parseSpan(f.since, f.until, time.Now()); err != nil {
		return nil, err
	}
	for _, a := range f.anchors {
		x, err := parseAnchor(a)
		if err != nil {
			return nil, err
		}
		o.anchors = append(o.anchors, x)
	}
	var zone *time.Location
	if f.zone != "" {
		if zone, err = parseZone(f.zone); err != nil {
			return nil, fmt.Errorf("--zone: %w", err)
		}
	}
	if formats, err = f.logs.extend(s, formats); err != nil {
		return nil, err
	}
	cfg, err := loadConfig(f.config, formats)
	if err != nil {
		return nil, err
	}
	o.roles, o.rules = cfg.roles, cfg.rules
	for _, n := range cfg.notes {
		s.say("%s", n)
	}
	if cfg.file != "" {
		o.log.Debug("configuration", "file", cfg.file, "sources", len(cfg.sources))
	}
	wanted, err := chooseSources(cfg, args)
	if err != nil {
		return nil, err
	}
	for i := range wanted {
		c := &wanted[i].Config
		c.Stdin, c.Log = s.in, o.log
		c.Index, c.Note = f.index, func(what string) { s.say("%s", what) }
		c.Formats = cmp.Or(c.Formats, formats)
		c.Zone = cmp.Or(c.Zone, zone)
		if wanted[i].network() {
			c.Timeout = cmp.Or(c.Timeout, f.timeout)
			c.Since = cmp.Or(c.Since, defaultSince)
			c.DryRun = f.dryRun
		}
		if f.dryRun {
			c.Query = printQuery(s, c.Name, &o.printing)
		}
	}
	srcs, errs := openAll(ctx, wanted)
	var first error
	failed := 0
	for i, w := range wanted {
		c, src := w.Config, srcs[i]
		if err := errs[i]; err != nil {
			if first == nil {
				first = err
			}
			failed++
			src = brokenSource{err}
			o.log.Info("source cannot be opened", "source", c.Name, "err", err)
		}
		if h, ok := src.(ingest.Hosts); ok {
			o.log.Debug("source opened", "source", c.Name, "hosts", strings.Join(h.Hosts(), " "))
			for _, host := range h.Hosts() {
				if c.ClockOffset != 0 {
					o.offsets[host] = c.ClockOffset
				}
				if c.Clock != "" {
					o.clocks[host] = c.Clock
				}
			}
		}
		if f.dryRun && !w.network() {
			fmt.Fprintf(s.out, "# %s: no query, files are read\n", report.Visible(c.Name))
			if c, ok := src.(io.Closer); ok {
				if err := c.Close(); err != nil {
					return nil, err
				}
			}
			src = nothing{}
		}
		o.named = append(o.named, timeline.Named{Name: c.Name, Source: src, Timeout: c.Timeout})
	}
	switch {
	case ctx.Err() != nil:
		o.close()
		return nil, ctx.Err()
	case failed == len(wanted):
		return nil, first
	}
	return o, nil
}

// openAll opens all sources at once; a server has its time for it.
func openAll(ctx context.Context, wanted []wantedSource) ([]timeline.Source, []error) {
	srcs, errs := make([]timeline.Source, len(wanted)), make([]error, len(wanted))
	var wg sync.WaitGroup
	for i, w := range wanted {
		wg.Go(func() {
			ctx := ctx
			if w.Timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, w.Timeout, &timeline.TimeoutError{After: w.Timeout})
				defer cancel()
			}
			srcs[i], errs[i] = openSource(ctx, w.names, w.Config)
			if late := context.Cause(ctx); errs[i] != nil && late != nil && late != ctx.Err() {
				errs[i] = fmt.Errorf("open %s: %w", w.Name, late)
			}
		})
	}
	wg.Wait()
	return srcs, errs
}

// close closes the sources that hold something.
func (o *opened) close() {
	for _, n := range o.named {
		if c, ok := n.Source.(io.Closer); ok {
			if err := c.Close(); err != nil {
				o.log.Warn("source cannot be closed", "source", n.Name, "err", err)
			}
		}
	}
}

// options begins the options of the pipeline with what the sources tell.
func (o *opened) options() correlate.Options {
	return correlate.Options{From: o.from, To: o.to, Offsets: o.offsets, Clocks: o.clocks, Anchors: o.anchors, Roles: o.roles}
}

// A wantedSource is what is opened as one source: several paths of a command line
// are one, so that a shell's expansion of a glob is named like the directory.
type wantedSource struct {
	names []string
	ingest.Config
}

// network says whether the source is a server.
func (w *wantedSource) network() bool {
	s := schemeOf(w.names[0])
	return len(w.names) == 1 && s != nil && s.Network
}

// chooseSources matches the arguments with the configuration: an argument may be the
// name of a configured source, and a path that is configured is read as configured.
func chooseSources(cfg *config, args []string) ([]wantedSource, error) {
	var out []wantedSource
	if len(args) == 0 {
		if len(cfg.sources) == 0 {
			what := "there is no configuration file"
			if cfg.file != "" {
				what = cfg.file + " names none"
			}
			return nil, ingest.WithHint(errors.New("no source was given, and "+what),
				"name a file, a directory, a quoted glob such as 'logs/**/*.log*', or - for standard input")
		}
		for _, s := range cfg.sources {
			out = append(out, wantedSource{[]string{s.source}, s.Config})
		}
		return out, nil
	}
	used := map[int]bool{}
	var paths []string
	for _, a := range args {
		found := false
		for i, s := range cfg.sources {
			if a == s.Name || a == s.source {
				found = true
				if !used[i] {
					used[i] = true
					out = append(out, wantedSource{[]string{s.source}, s.Config})
				}
			}
		}
		switch {
		case found:
		case isURL(a):
			out = append(out, wantedSource{[]string{a}, ingest.Config{Name: a}})
		default:
			paths = append(paths, a)
		}
	}
	if len(paths) > 0 {
		out = append(out, splitPaths(paths)...)
	}
	return out, nil
}

// splitPaths makes one source of all paths that can be opened, and one of each that
// cannot, so that these fail alone.
func splitPaths(paths []string) []wantedSource {
	var good []string
	var out []wantedSource
	for _, p := range paths {
		if canOpen(p) {
			good = append(good, p)
		} else {
			out = append(out, wantedSource{[]string{p}, ingest.Config{Name: p}})
		}
	}
	if len(good) > 0 {
		name := strings.Join(good, " ")
		if len(good) > 3 {
			name = fmt.Sprintf("%s ... (%d paths)", strings.Join(good[:2], " "), len(good))
		}
		out = append([]wantedSource{{good, ingest.Config{Name: name}}}, out...)
	}
	return out
}

// openSource opens one source by its scheme.
func openSource(ctx context.Context, names []string, c ingest.Config) (timeline.Source, error) {
	if len(names) == 1 && isURL(names[0]) {
		u, err := parseURL(names[0])
		if err != nil {
			return nil, err
		}
		if hasPassword(u) {
			return nil, ingest.WithHint(fmt.Errorf("open %s: a password does not stand in a URL", u.Redacted()),
				"name the source in correlate.yaml, with basic_auth under http: password_file or password_ref")
		}
		if s := schemeOf(names[0]); s != nil {
			return s.Open(ctx, u, c)
		}
		var known []string
		for _, s := range schemes {
			known = append(known, s.Name+"://")
		}
		return nil, ingest.WithHint(fmt.Errorf("open %s: unknown scheme %q", names[0], u.Scheme),
			"known are "+strings.Join(known, ", ")+"; a path needs none")
	}
	return file.OpenAll(ctx, names, c)
}

// nothing is a source without events.
type nothing struct{}

// Events gives none.
func (nothing) Events(context.Context, timeline.Filter) iter.Seq2[*timeline.Event, error] {
	return func(func(*timeline.Event, error) bool) {}
}

// A brokenSource stands for one that could not be opened.
type brokenSource struct{ err error }

// Events gives the error alone.
func (b brokenSource) Events(context.Context, timeline.Filter) iter.Seq2[*timeline.Event, error] {
	return func(yield func(*timeline.Event, error) bool) { yield(nil, b.err) }
}

// prefixed puts "correlate: " before every line.
type prefixed struct{ w io.Writer }

func (p prefixed) Write(b []byte) (int, error) {
	for line := range strings.SplitSeq(strings.TrimRight(string(b), "\n"), "\n") {
		if _, err := fmt.Fprintf(p.w, "correlate: %s\n", line); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}
