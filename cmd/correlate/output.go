package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/report"
)

// outputFlags say how an answer is printed.
type outputFlags struct {
	format  string
	formats []string // that the command has; the first is the default
	color   string
	tz      string
	noAlign bool
}

func (f *outputFlags) add(cmd *cobra.Command, formats ...string) {
	f.formats = formats
	cmd.Flags().StringVarP(&f.format, "output", "o", formats[0], "how to print: "+strings.Join(formats, "|"))
	if slices.Contains(formats, "text") {
		cmd.Flags().StringVar(&f.color, "color", "auto", "colour: auto|always|never; auto heeds NO_COLOR")
	}
}

// addZone adds --tz, for commands that print times.
func (f *outputFlags) addZone(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.tz, "tz", "UTC", "zone in which times are printed: a name such as Europe/Berlin, local, or +01:00")
}

// addNoAlign adds --no-align, for commands that tell of one request.
func addNoAlign(cmd *cobra.Command, noAlign *bool) {
	cmd.Flags().BoolVar(noAlign, "no-align", false, "print times as stamped by each host, without correcting clocks; the verdict is the same")
}

func (f *outputFlags) check() error {
	if !slices.Contains(f.formats, f.format) {
		return fmt.Errorf("unknown output %q: %s", f.format, strings.Join(f.formats, ", "))
	}
	switch f.color {
	case "", "auto", "always", "never":
		return nil
	}
	return fmt.Errorf("unknown colour %q: auto, always or never", f.color)
}

// text gives the options for printing text to w.
func (f *outputFlags) text(w io.Writer) (report.TextOptions, error) {
	o := report.TextOptions{Wide: f.format == "wide", NoAlign: f.noAlign}
	var err error
	if o.Location, err = f.location(); err != nil {
		return o, err
	}
	if out, ok := w.(*output); ok {
		w = out.Writer
	}
	file, ok := w.(*os.File)
	terminal := ok && (isatty.IsTerminal(file.Fd()) || isatty.IsCygwinTerminal(file.Fd()))
	if terminal {
		o.Width = terminalWidth(file)
	}
	switch f.color {
	case "always":
		o.Color = true
	case "auto":
		o.Color = terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return o, nil
}

func (f *outputFlags) location() (*time.Location, error) {
	loc, err := parseZone(f.tz)
	if err != nil {
		return nil, fmt.Errorf("--tz: %w", err)
	}
	return loc, nil
}

// parseZone reads a zone as users write it; "" is UTC.
func parseZone(s string) (*time.Location, error) {
	switch strings.ToLower(s) {
	case "", "utc", "z":
		return time.UTC, nil
	case "local":
		return time.Local, nil
	}
	for _, layout := range []string{"-07:00", "-0700", "-07"} {
		if t, err := time.Parse(layout, s); err == nil {
			_, off := t.Zone()
			return time.FixedZone("", off), nil
		}
	}
	loc, err := time.LoadLocation(s)
	if err != nil {
		return nil, ingest.WithHint(fmt.Errorf("unknown zone %q", s), "a name such as Europe/Berlin, local, UTC, or an offset such as +01:00")
	}
	return loc, nil
}
