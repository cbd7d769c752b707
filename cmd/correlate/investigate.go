package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/report"
	"github.com/correlatehq/correlate/rules"
)

func investigateCommand(s streams) *cobra.Command {
	var (
		judge  judgeFlags
		output outputFlags
		latest bool
	)
	cmd := &cobra.Command{
		Use:   "investigate ID [SOURCE...]",
		Short: "Say which hop created the failure of one request, why, and what proves it",
		Long: `Say which hop created the failure of one request, why, and which log lines prove it.

ID is any of its request, trace or correlation IDs, or the first 6 or more characters
of one that no other begins with. Who has none takes the latest
failing request with --latest, narrowed by --route, --status, --since and --until;
then all arguments are sources.`,
		Example: `  correlate investigate 5f0c9ad1e2b34c718d90aa11bb22cc33 /var/log/shop
  correlate investigate --latest --route /api/orders /var/log/shop
  zcat gateway.log.gz | correlate investigate ID - app.log -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			id := ""
			if !latest {
				if len(args) > 0 {
					args[0] = strings.TrimSpace(args[0]) // as pasted
				}
				if len(args) == 0 || args[0] == "" || args[0] == "-" {
					return ingest.WithHint(errors.New("no request ID was given"), "correlate investigate ID SOURCE, or --latest for the latest failing request")
				}
				if _, err := os.Stat(args[0]); err == nil && len(args) == 1 {
					return ingest.WithHint(fmt.Errorf("no request ID was given: %s is a file or a directory", args[0]),
						"correlate investigate ID "+args[0]+", or --latest for the latest failing request")
				}
				id, args = args[0], args[1:]
				if judge.route != "" || judge.status != "" {
					return ingest.WithHint(errors.New("--route and --status choose among requests, and an ID was given"), "leave them out, or use --latest instead of the ID")
				}
			}
			text, err := output.text(s.out)
			if err != nil {
				return err
			}
			src, o, err := judge.ready(cmd.Context(), s, args)
			if err != nil {
				return err
			}
			defer src.close()
			ctx, end := src.attend(cmd.Context(), s, &o)
			c, err := correlate.Investigate(ctx, src.named, id, o)
			end()
			if judge.dryRun {
				return dryRun(err)
			}
			if e, ok := errors.AsType[*correlate.NotFoundError](err); ok {
				if cmd.Context().Err() != nil {
					return cmd.Context().Err() // it may be in what was not read
				}
				return notFound(s, e)
			}
			if err != nil {
				return err
			}
			if err := printCase(s.out, c, &output, text); err != nil {
				return err
			}
			if err := interrupted(cmd.Context(), s); err != nil {
				return err
			}
			if err := judge.strictly(c.Sources); err != nil {
				return err
			}
			if !determined(c) {
				return &exitError{code: exitUndetermined}
			}
			return nil
		},
	}
	judge.add(cmd)
	judge.addChoice(cmd)
	output.add(cmd, "text", "wide", "json", "jsonl", "markdown")
	output.addZone(cmd)
	cmd.Flags().BoolVar(&latest, "latest", false, "take the latest failing request instead of an ID")
	addNoAlign(cmd, &output.noAlign)
	return cmd
}

func printCase(w io.Writer, c *correlate.Case, f *outputFlags, text report.TextOptions) error {
	switch f.format {
	case "json":
		return report.JSON(w, c, report.JSONOptions{NoAlign: f.noAlign})
	case "jsonl":
		return report.JSONL(w, c, report.JSONOptions{NoAlign: f.noAlign})
	case "markdown":
		return report.Markdown(w, c, report.MarkdownOptions{Location: text.Location, NoAlign: f.noAlign})
	}
	return report.Text(w, c, text)
}

// determined says whether a hop is named, or the request did not fail.
func determined(c *correlate.Case) bool {
	return c.Verdict != nil && (c.Verdict.Origin != nil || !c.Request.Failed && c.Verdict.Certainty != rules.Undetermined)
}
