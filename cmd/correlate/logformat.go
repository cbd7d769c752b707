package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/report"
	"github.com/correlatehq/correlate/timeline"
)

// logFormatFlags say how servers were told to write their logs.
type logFormatFlags struct {
	configs []string
	strings []string
	dir     string
}

func (f *logFormatFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.configs, "from-config", nil, "configuration of a server (nginx.conf, haproxy.cfg, logback.xml ...) by whose format strings logs are read; may be given several times")
	cmd.Flags().StringArrayVar(&f.strings, "log-format", nil, "DIALECT=STRING: a server's own format string by which logs are read, such as 'nginx=$remote_addr $request_time'; may be given several times")
	cmd.Flags().StringVar(&f.dir, "formats", "", "directory with log formats of your own (YAML), which are tried before those that come with the program")
}

// extend gives the set with the formats that the flags name, before its own. What is
// wrong in a configuration that tells something is only said.
func (f *logFormatFlags) extend(s streams, set *format.Set) (*format.Set, error) {
	var all []*format.Format
	if f.dir != "" {
		files, err := ownFiles(f.dir, "formats")
		if err != nil {
			return nil, err
		}
		own, err := format.Load(files)
		if err != nil {
			return nil, within(f.dir, err)
		}
		all = own.Formats()
		if len(all) == 0 {
			return nil, ingest.WithHint(fmt.Errorf("open %s: there is no format in it", f.dir), "a format is a file NAME.yaml")
		}
	}
	for _, file := range f.configs {
		us, err := readServerConfig(file)
		if err != nil && len(us) == 0 {
			return nil, err
		}
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				s.say("%s", line)
			}
		}
		for _, u := range us {
			all = append(all, u.Formats...)
		}
	}
	for _, text := range f.strings {
		dialect, str, ok := strings.Cut(text, "=")
		if !ok {
			return nil, ingest.WithHint(fmt.Errorf("--log-format: %q is not DIALECT=STRING", text), "the dialects are "+strings.Join(format.Dialects(), ", "))
		}
		u, err := format.Native("", dialect, str)
		if err != nil {
			return nil, fmt.Errorf("--log-format: %w", err)
		}
		all = append(all, u.Formats...)
	}
	return set.With(all...), nil
}

// readServerConfig reads the format strings of a server's configuration.
func readServerConfig(file string) ([]*format.Understood, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, bare(err))
	}
	us, err := format.FromConfig(file, data)
	if errors.Is(err, format.ErrNoFormat) {
		return nil, ingest.WithHint(err, "read are the configurations of nginx, httpd, HAProxy, Envoy, gunicorn, uWSGI, logback, log4j, Spring Boot, API Gateway, Traefik and Caddy")
	}
	return us, err
}

func formatsFromConfigCommand(s streams) *cobra.Command {
	var output outputFlags
	cmd := &cobra.Command{
		Use:   "from-config FILE...",
		Short: "Show how logs are read by the format strings of a server's configuration",
		Long: `Show which format strings a server's configuration holds, which logs are written by
each, and what is read of each variable: where it goes, its unit, what the stamp
means. What is not known is kept under its own name.

Give the same files to --from-config of other commands to read logs by them.`,
		Example: `  correlate formats from-config /etc/nginx/nginx.conf
  correlate investigate ID --from-config /etc/nginx/nginx.conf /var/log/nginx`,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			text, err := output.text(s.out)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return ingest.WithHint(errors.New("no file was given"), "name the configuration of a server, such as nginx.conf")
			}
			var errs []error
			first := true
			for _, file := range args {
				us, err := readServerConfig(file)
				errs = append(errs, err)
				for _, u := range us {
					if output.format == "json" {
						err = understoodJSON(s, u)
					} else {
						if !first {
							fmt.Fprintln(s.out)
						}
						err = understoodText(s, u, text)
					}
					if err != nil {
						return err
					}
					first = false
				}
			}
			return errors.Join(errs...)
		},
	}
	output.add(cmd, "text", "json")
	return cmd
}

// stampMeaning tells what the stamp of what is read by u means.
func stampMeaning(u *format.Understood) string {
	f := u.Formats[0]
	if u.Stamp == "" || f.Meaning() == timeline.MeaningUnknown {
		return ""
	}
	return f.Meaning().String()
}

func understoodText(s streams, u *format.Understood, text report.TextOptions) error {
	fmt.Fprintf(s.out, "%s (%s)\n", u.Name, u.Pos)
	for line := range strings.SplitSeq(u.String, "\n") {
		fmt.Fprintf(s.out, "  %s\n", report.Visible(line))
	}
	if len(u.Used) > 0 {
		fmt.Fprintf(s.out, "written to: %s\n", report.Visible(strings.Join(u.Used, ", ")))
	}
	if m := stampMeaning(u); m != "" {
		fmt.Fprintf(s.out, "stamp: %s, the %s of each record\n", report.Visible(u.Stamp), map[string]string{"start": "beginning", "end": "end", "within": "moment"}[m])
	}
	rows := [][]string{}
	for _, v := range u.Variables {
		note := v.Note
		if !v.Known && note == "" {
			note = "not known"
		}
		rows = append(rows, []string{v.Text, v.Target, v.Unit, note})
	}
	if len(rows) > 0 {
		if err := report.Table(s.out, []string{"variable", "read as", "unit", "note"}, rows, text); err != nil {
			return err
		}
	}
	for _, n := range u.Notes {
		fmt.Fprintf(s.out, "note: %s\n", report.Visible(n))
	}
	return nil
}

type understoodOut struct {
	Name      string        `json:"name"`
	Dialect   string        `json:"dialect"`
	Position  string        `json:"position"`
	String    string        `json:"string"`
	Used      []string      `json:"used,omitempty"`
	Stamp     string        `json:"stamp,omitempty"`
	Meaning   string        `json:"meaning,omitempty"`
	Variables []variableOut `json:"variables"`
	Notes     []string      `json:"notes,omitempty"`
}

type variableOut struct {
	Text  string `json:"variable"`
	To    string `json:"read_as"`
	Unit  string `json:"unit,omitempty"`
	Known bool   `json:"known"`
	Note  string `json:"note,omitempty"`
}

func understoodJSON(s streams, u *format.Understood) error {
	j := understoodOut{Name: u.Name, Dialect: u.Dialect, Position: u.Pos, String: u.String, Used: u.Used, Stamp: u.Stamp, Meaning: stampMeaning(u),
		Variables: []variableOut{}, Notes: u.Notes}
	for _, v := range u.Variables {
		j.Variables = append(j.Variables, variableOut{v.Text, v.Target, v.Unit, v.Known, v.Note})
	}
	enc := json.NewEncoder(s.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(j)
}
