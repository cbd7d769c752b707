package main

import (
	"github.com/spf13/cobra"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/report"
)

func clocksCommand(s streams) *cobra.Command {
	var (
		flags  sourceFlags
		output outputFlags
	)
	cmd := &cobra.Command{
		Use:   "clocks [SOURCE...]",
		Short: "Say how far the hosts' clocks are apart, as the requests between them tell",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			text, err := output.text(s.out)
			if err != nil {
				return err
			}
			src, err := flags.open(cmd.Context(), s, args, format.Builtin())
			if err != nil {
				return err
			}
			defer src.close()
			r, err := correlate.Clocks(cmd.Context(), src.named, src.options())
			if err != nil {
				return err
			}
			if output.format == "json" {
				err = report.ClocksJSON(s.out, r)
			} else {
				err = report.ClocksText(s.out, r, text)
			}
			if err != nil {
				return err
			}
			return flags.strictly(r.Sources)
		},
	}
	flags.add(cmd)
	output.add(cmd, "text", "json")
	output.addZone(cmd)
	return cmd
}
