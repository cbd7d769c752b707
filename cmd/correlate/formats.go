package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/file"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/report"
	"github.com/correlatehq/correlate/timeline"
)

func formatsCommand(s streams) *cobra.Command {
	return group("formats", "List, show and try the log formats that can be read",
		formatsListCommand(s), formatsShowCommand(s), formatsDetectCommand(s), formatsParseCommand(s), formatsFromConfigCommand(s))
}

func formatsListCommand(s streams) *cobra.Command {
	var output outputFlags
	var logs logFormatFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all formats, in the order in which they are tried",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := output.check(); err != nil {
				return err
			}
			text, err := output.text(s.out)
			if err != nil {
				return err
			}
			set, err := logs.extend(s, format.Builtin())
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, f := range set.Formats() {
				rows = append(rows, []string{f.Name, f.System, f.Role.String(), strings.Join(strings.Fields(f.Doc), " ")})
			}
			return report.Table(s.out, []string{"format", "software", "role", "what it is"}, rows, text)
		},
	}
	output.add(cmd, "text")
	logs.add(cmd)
	return cmd
}

func formatsShowCommand(s streams) *cobra.Command {
	var logs logFormatFlags
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Print one format's samples and what is read of them",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("formats show takes the name of one format")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := logs.extend(s, format.Builtin())
			if err != nil {
				return err
			}
			f, err := lookupFormat(set, args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(s.out, "%s: %s\n", f.Name, strings.Join(strings.Fields(f.Doc), " "))
			if f.System != "" {
				fmt.Fprintf(s.out, "software: %s\n", f.System)
			}
			if f.Role != timeline.RoleUnknown {
				fmt.Fprintf(s.out, "role: %s\n", f.Role)
			}
			if stamps := f.Stamps(); len(stamps) > 0 {
				fmt.Fprintf(s.out, "stamp: %s\n", strings.Join(stamps, "; "))
			}
			identity, context, free := f.IDs()
			if free {
				identity = append(identity, "in the text")
			}
			if len(identity) > 0 {
				fmt.Fprintf(s.out, "IDs: %s\n", strings.Join(identity, ", "))
			}
			if len(context) > 0 {
				fmt.Fprintf(s.out, "context: %s\n", strings.Join(context, ", "))
			}
			if alike := set.Alike(f); len(alike) > 0 {
				fmt.Fprintln(s.out, "alike, as the path of a file or the logs beside it tell: "+joinNames(alike))
			}
			for _, sample := range f.Samples() {
				fmt.Fprintln(s.out)
				for line := range strings.SplitSeq(strings.TrimRight(sample.Line, "\n"), "\n") {
					fmt.Fprintf(s.out, "  %s\n", report.Visible(line))
				}
				for _, want := range append([]map[string]string{sample.Want}, sample.Events...) {
					for i, name := range slices.Sorted(maps.Keys(want)) {
						lead := "    "
						if sample.Events != nil && i == 0 {
							lead = "  - "
						}
						fmt.Fprintf(s.out, "%s%s: %s\n", lead, name, report.Visible(want[name]))
					}
				}
			}
			return nil
		},
	}
	logs.add(cmd)
	return cmd
}

func joinNames(formats []*format.Format) string {
	var names []string
	for _, f := range formats {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

func lookupFormat(set *format.Set, name string) (*format.Format, error) {
	f := set.Lookup(name)
	if f == nil {
		return nil, ingest.WithHint(fmt.Errorf("no format has the name %q", name), "correlate formats list names them all")
	}
	return f, nil
}

// formatName names a format together with what is around its records.
func formatName(f *format.Format) string {
	if f == nil {
		return ""
	}
	return strings.Join(append(slices.Clone(f.Wrappers), f.Name), ">")
}

type detectJSON struct {
	File        string          `json:"file"`
	Format      string          `json:"format,omitempty"`
	Wrappers    []string        `json:"wrappers,omitempty"`
	Confidence  float64         `json:"confidence"`
	Records     int             `json:"records"`
	Unread      int             `json:"unread"`
	FirstUnread int             `json:"first_unread,omitempty"`
	Candidates  []candidateJSON `json:"candidates"`
	Service     string          `json:"service,omitempty"`
	Host        string          `json:"host,omitempty"`
	Skipped     []string        `json:"skipped,omitempty"`
	Packed      string          `json:"packed,omitempty"`
	Dates       string          `json:"dates,omitempty"`
	// What follows is there if there is something to tell.
	FirstText string         `json:"first_unread_text,omitempty"`
	Formats   map[string]int `json:"formats,omitempty"`
	Segments  []segmentJSON  `json:"segments,omitempty"`
	Turns     int            `json:"turns,omitempty"`
	Why       []whyJSON      `json:"why,omitempty"`
}

type segmentJSON struct {
	Format string `json:"format"`
	Line   int    `json:"line"`
	Offset int64  `json:"offset"`
}

type whyJSON struct {
	Format   string          `json:"format"`
	Lines    int             `json:"lines"`
	Read     int             `json:"read"`
	Requires []string        `json:"requires,omitempty"`
	Next     []candidateJSON `json:"next,omitempty"`
}

type candidateJSON struct {
	Format string  `json:"format"`
	Share  float64 `json:"share"`
}

// filesFlags open files for the commands that try formats.
type filesFlags struct {
	zone   string
	format string
	logs   logFormatFlags
}

func (f *filesFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.zone, "zone", "", "zone of stamps that write none")
	f.logs.add(cmd)
}

func (f *filesFlags) open(ctx context.Context, s streams, args []string) (*file.Source, error) {
	if len(args) == 0 {
		return nil, ingest.WithHint(errors.New("no file was given"), "name a file, a directory, a quoted glob, or - for standard input")
	}
	set, err := f.logs.extend(s, format.Builtin())
	if err != nil {
		return nil, err
	}
	c := ingest.Config{Formats: set, Stdin: s.in}
	if f.zone != "" {
		if c.Zone, err = parseZone(f.zone); err != nil {
			return nil, fmt.Errorf("--zone: %w", err)
		}
	}
	if f.format != "" {
		if c.Format, err = lookupFormat(set, f.format); err != nil {
			return nil, err
		}
	}
	return file.OpenAll(ctx, args, c)
}

func formatsDetectCommand(s streams) *cobra.Command {
	var (
		output outputFlags
		files  filesFlags
		why    bool
	)
	cmd := &cobra.Command{
		Use:   "detect FILE...",
		Short: "Say how each file is read: format, service, host, and how many records are not",
		Long: `Say how each file is read: format, service, host, and how many records are not.
Of a file alone, and of those that are not clear, it is told why: how much of the
head is in the format, what that requires, which formats come next, the first line
that is not read, and where the file goes on in another format.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			text, err := output.text(s.out)
			if err != nil {
				return err
			}
			src, err := files.open(cmd.Context(), s, args)
			if err != nil {
				return err
			}
			defer src.Close()
			all, err := src.Describe(cmd.Context())
			if err != nil {
				return err
			}
			if output.format == "json" {
				return detectLines(s, all)
			}
			rows := [][]string{}
			for _, d := range all {
				note := ""
				if d.Unread > 0 {
					note = fmt.Sprintf("%d unread, first in line %d", d.Unread, d.FirstUnread)
				}
				for _, k := range d.Skipped {
					note = strings.TrimPrefix(note+", "+k.What+" (at "+k.First+")", ", ")
				}
				rows = append(rows, []string{d.File, cmp.Or(formatName(d.Format), "-"), d.Service, d.Host, fmt.Sprint(d.Records), note})
			}
			if err := report.Table(s.out, []string{"file", "format", "service", "host", "records", "not read"}, rows, text); err != nil {
				return err
			}
			for i := range all {
				if why || len(all) == 1 || unclear(&all[i]) {
					detectWhy(s, &all[i])
				}
			}
			return nil
		},
	}
	output.add(cmd, "text", "json")
	cmd.Flags().BoolVar(&why, "why", false, "say of every file why it is held to be in its format, not only where that is unclear")
	files.add(cmd)
	return cmd
}

// unclear says whether more is to be told of how a file is read.
func unclear(d *file.Description) bool {
	return len(d.Candidates) > 1 || len(d.Segments) > 1 || d.Unread > 0 || d.Format != nil && d.Confidence < 0.9
}

// detectWhy writes what speaks for the format of one file, and what does not.
func detectWhy(s streams, d *file.Description) {
	what := "no format"
	if d.Bytes == 0 {
		what = "empty"
	}
	fmt.Fprintf(s.out, "\n%s: %s\n", report.Visible(d.File), cmp.Or(formatName(d.Format), what))
	width := len("candidates")
	for _, e := range d.Evidence {
		width = max(width, len(e.Format.Name))
	}
	line := func(name, text string) { fmt.Fprintf(s.out, "  %-*s %s\n", width, name, text) }
	if d.Packed != "" {
		line("stored as", d.Packed)
	}
	for _, e := range d.Evidence {
		text := fmt.Sprintf("%d of %s of its head", e.Read, count(e.Lines, "line"))
		if len(e.Requires) > 0 {
			text += "; it requires " + strings.Join(e.Requires, ", ")
		}
		line(e.Format.Name, text)
		if len(e.Next) > 0 {
			line("", "next: "+candidates(e.Next))
		}
	}
	if d.Format != nil {
		line("sure", fmt.Sprintf("%.0f%% of the records of the head are read", 100*d.Confidence))
	}
	if len(d.Candidates) > 1 || d.Format == nil && len(d.Candidates) > 0 {
		line("candidates", candidates(d.Candidates)+"; --format of formats parse tries one")
	}
	if d.DatesBy != "" {
		line("dates", d.Dates.String()+", "+d.DatesBy)
	}
	if len(d.Formats) > 1 {
		names := slices.SortedFunc(maps.Keys(d.Formats), func(a, b string) int {
			return cmp.Or(d.Formats[b]-d.Formats[a], strings.Compare(a, b))
		})
		for i, n := range names {
			names[i] = fmt.Sprintf("%s %d", n, d.Formats[n])
		}
		line("records", strings.Join(names, ", "))
	}
	for i, g := range d.Segments {
		if len(d.Segments) > 1 {
			line([]string{"turns", ""}[min(i, 1)], fmt.Sprintf("from line %d: %s", g.Line, formatName(g.Format)))
		}
	}
	if d.FirstUnread > 0 {
		line("not read", fmt.Sprintf("%s, first line %d: %s", count(d.Unread, "record"), d.FirstUnread, report.Visible(d.FirstText)))
	}
}

// candidates names formats with the share of the lines that they read.
func candidates(all []format.Candidate) string {
	var b []string
	for _, c := range all {
		b = append(b, fmt.Sprintf("%s %.0f%%", formatName(c.Format), 100*c.Share))
	}
	return strings.Join(b, ", ")
}

// detectLines writes one object per file.
func detectLines(s streams, all []file.Description) error {
	for _, d := range all {
		j := detectJSON{File: report.Visible(d.File), Confidence: d.Confidence, Records: d.Records, Unread: d.Unread, FirstUnread: d.FirstUnread,
			Candidates: []candidateJSON{}, Service: report.Visible(d.Service), Host: report.Visible(d.Host)}
		if d.Format != nil {
			j.Format, j.Wrappers = d.Format.Name, d.Format.Wrappers
		}
		for _, c := range d.Candidates {
			j.Candidates = append(j.Candidates, candidateJSON{formatName(c.Format), c.Share})
		}
		j.Packed, j.FirstText, j.Turns = d.Packed, report.Visible(d.FirstText), d.Turns
		if d.DatesBy != "" {
			j.Dates = d.Dates.String()
		}
		if len(d.Formats) > 1 {
			j.Formats = d.Formats
		}
		for _, g := range d.Segments {
			j.Segments = append(j.Segments, segmentJSON{formatName(g.Format), g.Line, g.Offset})
		}
		for _, e := range d.Evidence {
			w := whyJSON{Format: e.Format.Name, Lines: e.Lines, Read: e.Read, Requires: e.Requires}
			for _, c := range e.Next {
				w.Next = append(w.Next, candidateJSON{c.Format.Name, c.Share})
			}
			j.Why = append(j.Why, w)
		}
		for _, k := range d.Skipped {
			j.Skipped = append(j.Skipped, report.Visible(fmt.Sprintf("%s (at %s)", k.What, k.First)))
		}
		b, err := json.Marshal(j)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(s.out, "%s\n", b); err != nil {
			return err
		}
	}
	return nil
}

func formatsParseCommand(s streams) *cobra.Command {
	var (
		output outputFlags
		files  filesFlags
	)
	cmd := &cobra.Command{
		Use:   "parse FILE...",
		Short: "Write what is read of each record, one JSON object per line",
		Long: `Write what is read of each record, one JSON object per line. What cannot be read is
counted on stderr. Times are as stamped; a stamp of unknown zone is written as if
it were UTC.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			src, err := files.open(cmd.Context(), s, args)
			if err != nil {
				return err
			}
			defer src.Close()
			skipped := map[string]*timeline.Skipped{}
			var order []*timeline.Skipped
			for e, err := range src.All(cmd.Context()) {
				if rec, ok := errors.AsType[*timeline.RecordError](err); ok {
					k := skipped[rec.What]
					if k == nil {
						k = &timeline.Skipped{What: rec.What, First: rec.Pos.String()}
						skipped[rec.What] = k
						order = append(order, k)
					}
					k.Count++
					continue
				}
				if err != nil {
					return err
				}
				if err := report.EventJSONL(s.out, e); err != nil {
					return err
				}
			}
			for _, k := range order {
				s.say("%s: %s, first at %s", k.What, count(k.Count, "time"), k.First)
			}
			return nil
		},
	}
	output.add(cmd, "jsonl")
	cmd.Flags().StringVar(&files.format, "format", "", "format of all files; default: the one that each is found to be in")
	files.add(cmd)
	return cmd
}
