package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/report"
)

func configCommand(s streams) *cobra.Command {
	return group("config", "Begin a configuration file, or check one", configInitCommand(s), configCheckCommand(s))
}

// configStart is what config init writes. A test reads it with all comments taken for
// settings.
const configStart = `# What correlate reads if no source is named on the command line. A path is relative to
# the folder of this file. Everything but source may be left out.
sources:
  - source: /var/log/shop    # a file, a directory, a quoted glob, or the URL of a server
  #   name: edge             # by which results and the command line speak of it
  #   host: edge-1           # whose clock stamped the records that name no host
  #   services:
  #     - {files: "orders*.log", service: orders, role: app}
  #   role: gateway          # gateway, proxy, app or dependency
  #   zone: Europe/Berlin    # of stamps that write none
  #   clock: vm-7            # shared with the hosts of every source that names it
  #   clock_offset: -3.2s    # how far its stamps are ahead
  #   format: nginx_access   # correlate formats list names them
  # - source: elasticsearch+https://logs.example:9200/filebeat-*
  #   name: cluster
  #   flavor: elasticsearch  # or opensearch; found if it is not said
  #   urls: ["https://logs-2.example:9200"]   # asked where the first address does not answer
  #   timeout: 1m            # how long the others wait for it
  #   since: 24h             # how far back it is asked if nothing is said
  #   fields:                # where they have other names than usual
  #     http.request.header.x-request-id: [ctx.rid, request_id]
  #     service.name: app
  #   http:                  # secrets stand in files, or by _ref in environment variables
  #     authorization: {type: ApiKey, credentials_ref: LOGS_API_KEY}
  #     tls_config: {ca_file: ca.pem}
`

func configInitCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a commented start of a configuration file",
		Long: `Write a commented start of a configuration file, correlate.yaml if no other is named;
- is standard output. A file that is there is left as it is.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file := "correlate.yaml"
			if len(args) > 0 {
				file = args[0]
			}
			if file == "-" {
				_, err := io.WriteString(s.out, configStart)
				return err
			}
			f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if err != nil {
				return fmt.Errorf("write %s: %w", file, bare(err))
			}
			if _, err := f.WriteString(configStart); err != nil {
				f.Close()
				return fmt.Errorf("write %s: %w", file, bare(err))
			}
			if err := f.Close(); err != nil {
				return fmt.Errorf("write %s: %w", file, bare(err))
			}
			s.say("wrote %s", file)
			s.hint("name your sources in it, then: correlate config check")
			return nil
		},
	}
}

// pingTimeout is how long config check waits for a source.
const pingTimeout = 20 * time.Second

func configCheckCommand(s streams) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration file, and whether each source answers",
		Long: `Check the configuration file, all that is wrong in it with its place, and whether each
of its sources can be opened and answers. One that does not makes it exit 2.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(file, format.Builtin())
			if err != nil {
				return err
			}
			if cfg.file == "" {
				return ingest.WithHint(errors.New("there is no configuration file"), "correlate config init begins one")
			}
			for _, n := range cfg.notes {
				s.say("%s", n)
			}
			wanted, err := chooseSources(cfg, nil)
			if err != nil {
				return err
			}
			for i := range wanted {
				c := &wanted[i].Config
				c.Timeout, c.Formats = pingTimeout, cmp.Or(c.Formats, format.Builtin())
			}
			srcs, errs := openAll(cmd.Context(), wanted)
			failed := 0
			var first error
			for i, w := range wanted {
				text, err := "", errs[i]
				if err == nil {
					text, err = ping(cmd.Context(), srcs[i])
					if c, ok := srcs[i].(io.Closer); ok {
						err = errors.Join(err, c.Close())
					}
				}
				if cmd.Context().Err() != nil {
					return cmd.Context().Err()
				}
				if err != nil {
					failed++
					first = hinting(first, err)
					text = strings.ReplaceAll(err.Error(), "\n", "; ")
				}
				fmt.Fprintf(s.out, "%s: %s\n", report.Visible(w.Name), report.Visible(text))
			}
			if failed > 0 {
				err := fmt.Errorf("%d of %s of %s cannot be read", failed, count(len(wanted), "source"), cfg.file)
				if h, ok := errors.AsType[ingest.Hinter](first); ok && h.Hint() != "" {
					return ingest.WithHint(err, h.Hint())
				}
				return err
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file")
	return cmd
}

// ping asks a source whether it answers, and tells what it holds.
func ping(ctx context.Context, src any) (string, error) {
	if p, ok := src.(ingest.Pinger); ok {
		ctx, cancel := context.WithTimeout(ctx, pingTimeout)
		defer cancel()
		return p.Ping(ctx)
	}
	text := "can be read"
	if h, ok := src.(ingest.Hosts); ok {
		text += ", hosts " + strings.Join(h.Hosts(), " ")
	}
	return text, nil
}

// hinting gives the first of two errors if it says what to try, else the second.
func hinting(a, b error) error {
	if h, ok := errors.AsType[ingest.Hinter](a); ok && h.Hint() != "" {
		return a
	}
	return b
}
