package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/internal/strictyaml"
	"github.com/correlatehq/correlate/rules"
	"github.com/correlatehq/correlate/timeline"
)

// judgeFlags say which requests are looked at and by what they are judged.
type judgeFlags struct {
	sourceFlags
	rules  []string
	route  string
	status string
}

func (f *judgeFlags) add(cmd *cobra.Command) {
	f.sourceFlags.add(cmd)
	addRules(cmd, &f.rules)
}

// addChoice adds the flags that choose among failing requests.
func (f *judgeFlags) addChoice(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.route, "route", "", "only requests with this route or path")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "print the queries that servers would be asked at first, and ask none of them")
	cmd.Flags().StringVar(&f.status, "status", "", "what counts as a failure: 500, 5xx, 500-504, or several with commas (default: 5xx and broken answers)")
}

func addRules(cmd *cobra.Command, dirs *[]string) {
	cmd.Flags().StringArrayVar(dirs, "rules", nil, "directory with rules of your own, beside those that come with the program; may be given several times")
}

// ready opens the sources and gives the options of the pipeline.
func (f *judgeFlags) ready(ctx context.Context, s streams, args []string) (*opened, correlate.Options, error) {
	status, err := parseStatus(f.status)
	if err != nil {
		return nil, correlate.Options{}, err
	}
	var loading sync.WaitGroup
	loading.Go(func() { rules.Builtin() }) // meanwhile
	defer loading.Wait()
	src, err := f.open(ctx, s, args, format.Builtin())
	if err != nil {
		return nil, correlate.Options{}, err
	}
	set, err := loadRules(append(src.rules, f.rules...))
	if err != nil {
		src.close()
		return nil, correlate.Options{}, err
	}
	o := src.options()
	o.Rules, o.Route, o.Status = set.all, f.route, status
	return src, o, nil
}

// ruleSets are the rules that come with the program together with those of the user.
type ruleSets struct {
	all *rules.Set
	own []ownRules
}

// ownRules are the rules of one directory.
type ownRules struct {
	dir string
	set *rules.Set
}

// loadRules reads the rules of the directories, each once.
func loadRules(dirs []string) (*ruleSets, error) {
	out := &ruleSets{all: rules.Builtin()}
	var seen []string
	for _, dir := range dirs {
		if slices.Contains(seen, filepath.Clean(dir)) {
			continue
		}
		seen = append(seen, filepath.Clean(dir))
		files, err := ownFiles(dir, "rules")
		if err != nil {
			return nil, err
		}
		own, err := rules.Load(files)
		if err != nil {
			return nil, within(dir, err)
		}
		if out.all, err = out.all.With(own); err != nil {
			return nil, within(dir, err)
		}
		out.own = append(out.own, ownRules{dir, own})
	}
	return out, nil
}

// dirOf finds the directory of the rule, or of the file of cases, with this name; "" if
// it comes with the program.
func (s *ruleSets) dirOf(rule, caseFile string) string {
	for _, o := range s.own {
		if rule != "" && slices.ContainsFunc(o.set.List(), func(r rules.Info) bool { return r.Name == rule }) ||
			rule == "" && slices.ContainsFunc(o.set.CaseFiles(), func(f rules.CaseFile) bool { return f.Pos == caseFile }) {
			return o.dir
		}
	}
	return ""
}

// ownFiles opens the directory in which the user keeps rules or formats.
func ownFiles(dir, of string) (fs.FS, error) {
	fi, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, bare(err))
	}
	if !fi.IsDir() {
		return nil, fmt.Errorf("open %s: it is not a directory of %s", dir, of)
	}
	return os.DirFS(dir), nil
}

// within puts dir before the files that complaints name.
func within(dir string, err error) error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range many.Unwrap() {
			out = append(out, within(dir, e))
		}
		return errors.Join(out...)
	}
	if e, ok := errors.AsType[*strictyaml.Error](err); ok {
		moved := *e
		moved.File = filepath.Join(dir, e.File)
		return &moved
	}
	return err
}

// dryRun ends a dry run, in which nothing was found as nothing was asked.
func dryRun(err error) error {
	if _, ok := errors.AsType[*correlate.NotFoundError](err); ok {
		return nil
	}
	return err
}

// notFound tells that an ID is nowhere, what was read, and ends with the code for it:
// 3 only if every source was read whole.
func notFound(s streams, e *correlate.NotFoundError) error {
	s.say("%v", e)
	code := exitNotFound
	if n := len(e.Begin); n > 0 {
		const shown = 8
		s.say("%s begin so: %s%s", count(n, "ID"), strings.Join(e.Begin[:min(n, shown)], ", "), map[bool]string{true: ", ..."}[n > shown])
	}
	for _, src := range e.Sources {
		if wholly(src) != nil {
			code = exitFailure
		}
		if src.Err != "" {
			s.say("%v", wholly(src))
			continue
		}
		span := "no record with a time"
		if !src.From.IsZero() {
			span = "records from " + src.From.UTC().Format(time.RFC3339) + " to " + src.To.UTC().Format(time.RFC3339)
		}
		if src.Bytes > 0 {
			s.say("read %s: %s, %s, %s", src.Name, count(src.Files, "file"), bytesText(src.Bytes), span)
		} else {
			s.say("read %s: %s", src.Name, span) // what of a server came
		}
		for _, k := range src.Skipped {
			first := ""
			if k.First != "" {
				first = ", first at " + k.First
			}
			s.say("not read in %s: %s (%s%s)", src.Name, k.What, count(k.Count, "time"), first)
		}
	}
	if code == exitFailure {
		s.say("what could not be read may hold it")
	}
	if e.ID != "" && slices.ContainsFunc(e.Sources, leftOlder) {
		s.hint("--since 7d asks a server for more than the last day")
	} else if len(e.Begin) > 0 {
		s.hint("one of the whole IDs, or more of its characters, tells which request is meant")
	} else if e.ID == "" {
		s.hint("--since, --until, --route and --status say where to look and what counts as a failure")
	} else {
		s.hint("the ID may be shortened or written in another way, or its log is not among these; correlate formats detect shows how each file is read")
	}
	return &exitError{code: code}
}

// leftOlder says whether a server was not asked for all that it has, as the user said no time.
func leftOlder(src correlate.SourceInfo) bool {
	return slices.ContainsFunc(src.Skipped, func(k timeline.Skipped) bool { return strings.HasPrefix(k.What, ingest.WhatOlder) })
}

// strictly makes an error of sources that were not read whole.
func (f *sourceFlags) strictly(sources []correlate.SourceInfo) error {
	if !f.strict {
		return nil
	}
	var errs []error
	for _, src := range sources {
		errs = append(errs, wholly(src))
	}
	return errors.Join(errs...)
}

// wholly says why a source was not read whole: it ended with an error, or files of
// it could not be opened or break off.
func wholly(src correlate.SourceInfo) error {
	if src.Err != "" {
		return fmt.Errorf("%s could not be read whole: %s", src.Name, src.Err)
	}
	for _, k := range src.Skipped {
		if k.Lost {
			return fmt.Errorf("%s could not be read whole: %s, %s, first at %s", src.Name, k.What, count(k.Count, "time"), k.First)
		}
	}
	return nil
}

func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

func bytesText(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}
