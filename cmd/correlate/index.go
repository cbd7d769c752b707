package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/file"
	"github.com/correlatehq/correlate/report"
)

func indexCommand(s streams) *cobra.Command {
	var o file.IndexOptions
	cmd := &cobra.Command{
		Use:   "index SOURCE...",
		Short: "Write beside log files where in them which IDs may stand",
		Long: `Write beside log files where in them which IDs may stand, so that investigate need
not search them whole.

For each directory in which files lie that SOURCE names (a file, a directory, a glob) one
index is written, ` + file.SidecarName + `, of about one hundredth of their size. It holds
for what the files were then. What was appended is searched, as is a file that was
changed in another way, and investigate says so; index again brings it up to date
and reads only what is new. Rotated files are known again under their new names.

An ID is found by its last part: of 8 letters and digits mixed, or of 16 of any kind.
What has no such part (a short number, a word) is searched for in the files, as if
there were no index; so are all IDs if one of those read beside it is such a one.`,
		Example: `  correlate index /var/log/shop
  correlate index --check /var/log/shop
  correlate index --into ~/index /var/log/shop && correlate investigate 5f0c9ad1e2b34c718d90aa11bb22cc33 /var/log/shop --index ~/index`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return ingest.WithHint(errors.New("nothing to index was given"), "correlate index DIR")
			}
			done, err := file.BuildIndex(cmd.Context(), args, o)
			if err != nil {
				return err
			}
			code := exitOK
			var errs []error
			for _, x := range done {
				fmt.Fprintln(s.out, report.Visible(indexLine(x, o.Check)))
				for _, left := range x.Left {
					fmt.Fprintln(s.out, report.Visible("  searched whole: "+left))
				}
				for _, name := range x.Scanned {
					fmt.Fprintln(s.out, report.Visible("  searched whole: "+name+": most of it looks like IDs"))
				}
				if x.Err != nil {
					errs = append(errs, x.Err)
				}
				if o.Check && (x.Err != nil || len(x.Left) > 0) {
					code = exitUndetermined
				}
			}
			if err := errors.Join(errs...); err != nil && !o.Check {
				return err
			}
			if code != exitOK {
				return &exitError{code: code, err: errors.Join(errs...)}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&o.Into, "into", "", "directory to write the indexes into, instead of beside the files")
	cmd.Flags().BoolVar(&o.Check, "check", false, "write nothing, and say how the indexes are; exit 1 if one is missing, damaged or not of the files as they are")
	return cmd
}

// indexLine tells of the index of one directory.
func indexLine(x file.Indexed, check bool) string {
	line := fmt.Sprintf("%s: %s, %s", x.Dir, count(x.Files, "file"), bytesText(x.Bytes))
	if x.Size == 0 {
		return line + ", no index"
	}
	line += fmt.Sprintf(", index %s (%.1f %%)", bytesText(x.Size), 100*x.Share())
	if x.Kept > 0 {
		line += fmt.Sprintf(", %d as indexed before", x.Kept)
	}
	if x.Grown > 0 && check {
		line += fmt.Sprintf(", %d grown since", x.Grown)
	}
	return line
}
