package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/report"
)

func batchCommand(s streams) *cobra.Command {
	var (
		judge  judgeFlags
		output outputFlags
		groups bool
		exact  bool
	)
	cmd := &cobra.Command{
		Use:   "batch [SOURCE...]",
		Short: "Judge all failing requests and group them by what caused them",
		Long: `Judge all failing requests and group them by what caused them, the most frequent
first, each with one request ID to look at, and with what sets it apart from the
requests that succeeded: one route, one instance, since a start, bodies over some size.

Of the requests that succeeded a sample is read, spread evenly over the bytes of each
log; how many there were is estimated from it, with its error. Requests of which no
record has an ID are not among them. --exact reads and counts all: that takes as long as
reading all of the logs does, and memory for all requests.

With -o jsonl there is one object per failing request, and with --groups then one
per group and one for all.`,
		Example: `  correlate batch --since yesterday /var/log/shop
  correlate batch -o jsonl --status 500 'logs/**/*.log*'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			if groups && output.format != "jsonl" {
				return errors.New("--groups goes with -o jsonl; the other outputs show groups anyway")
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
			o.Exact = exact
			ctx, end := src.attend(cmd.Context(), s, &o)
			d, err := correlate.Batch(ctx, src.named, o)
			end()
			if judge.dryRun {
				return dryRun(err)
			}
			if err != nil {
				return err
			}
			switch output.format {
			case "jsonl":
				err = report.DigestJSONL(s.out, d, groups)
			case "markdown":
				err = report.DigestMarkdown(s.out, d, report.MarkdownOptions{Location: text.Location})
			default:
				err = report.DigestText(s.out, d, text)
			}
			if err != nil {
				return err
			}
			if err := interrupted(cmd.Context(), s); err != nil {
				return err
			}
			return judge.strictly(d.Sources)
		},
	}
	judge.add(cmd)
	judge.addChoice(cmd)
	output.add(cmd, "text", "jsonl", "markdown")
	output.addZone(cmd)
	cmd.Flags().BoolVar(&exact, "exact", false, "count the requests that succeeded and do not estimate them: reads all")
	cmd.Flags().BoolVar(&groups, "groups", false, "with -o jsonl: write the groups too")
	return cmd
}
