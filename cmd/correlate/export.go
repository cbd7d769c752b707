package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/common/version"
	"github.com/spf13/cobra"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/evidence"
	"github.com/correlatehq/correlate/ingest"
)

func exportCommand(s streams) *cobra.Command {
	var (
		judge   judgeFlags
		to      string
		force   bool
		noAlign bool
	)
	cmd := &cobra.Command{
		Use:   "export ID [SOURCE...] --to FILE",
		Short: "Write an investigation and its log records as one file, without secrets",
		Long: `Write an investigation and its log records as one zip file to attach to a
postmortem: the case as JSON, Markdown and text, the raw records, and a manifest with
the SHA-256 of each file. Secrets are replaced by markers, and the file tells what was
redacted where.

It prints the digest of the bundle. Keep it where others cannot change it: with
correlate verify --digest it shows that a bundle is this one.

Exit status: 0 if it was written, also where no hop can be named.`,
		Example: `  correlate export 5f0c9ad1e2b34c718d90aa11bb22cc33 /var/log/shop --to case.zip`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				args[0] = strings.TrimSpace(args[0]) // as pasted
			}
			if len(args) == 0 || args[0] == "" || args[0] == "-" {
				return ingest.WithHint(errors.New("no request ID was given"), "correlate export ID SOURCE --to case.zip")
			}
			if to == "" {
				return ingest.WithHint(errors.New("no file to write to was given"), "correlate export ID SOURCE --to case.zip")
			}
			if _, err := os.Lstat(to); err == nil && !force {
				return ingest.WithHint(fmt.Errorf("write %s: it is there already", to), "--force replaces it")
			}
			src, o, err := judge.ready(cmd.Context(), s, args[1:])
			if err != nil {
				return err
			}
			defer src.close()
			c, err := correlate.Investigate(cmd.Context(), src.named, args[0], o)
			if e, ok := errors.AsType[*correlate.NotFoundError](err); ok {
				return notFound(s, e)
			}
			if err != nil {
				return err
			}
			m, err := writeBundle(to, c, evidence.Options{ToolVersion: version.Version, NoAlign: noAlign})
			if err != nil {
				return err
			}
			digest, err := m.Digest()
			if err != nil {
				return err
			}
			fmt.Fprintf(s.out, "%s: %s, %s\ndigest %s\n", to, count(len(m.Files), "file"), count(len(m.Records), "record"), digest)
			return judge.strictly(c.Sources)
		},
	}
	judge.add(cmd)
	cmd.Flags().StringVar(&to, "to", "", "file to write")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file if it is there")
	addNoAlign(cmd, &noAlign)
	return cmd
}

// writeBundle writes beside the file and renames: what is there is whole or not there.
func writeBundle(to string, c *correlate.Case, o evidence.Options) (m *evidence.Manifest, err error) {
	f, err := os.CreateTemp(filepath.Dir(to), ".correlate-*.zip")
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", to, bare(err))
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if m, err = evidence.Write(f, c, o); err != nil {
		return nil, fmt.Errorf("write %s: %w", to, err)
	}
	if err = f.Chmod(0o644); err != nil && !errors.Is(err, fs.ErrInvalid) {
		return nil, fmt.Errorf("write %s: %w", to, bare(err))
	}
	if err = f.Close(); err != nil {
		return nil, fmt.Errorf("write %s: %w", to, bare(err))
	}
	if err = os.Rename(f.Name(), to); err != nil {
		return nil, fmt.Errorf("write %s: %w", to, err)
	}
	return m, nil
}
