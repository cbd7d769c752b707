package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/correlatehq/correlate/evidence"
	"github.com/correlatehq/correlate/report"
)

// verifyJSON is what verify -o json writes.
type verifyJSON struct {
	File     string   `json:"file"`
	OK       bool     `json:"ok"`
	Digest   string   `json:"digest,omitempty"`
	Request  string   `json:"request_id,omitempty"`
	Created  string   `json:"created,omitempty"`
	Problems []string `json:"problems"`
}

func verifyCommand(s streams) *cobra.Command {
	var (
		output outputFlags
		digest string
	)
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check offline that a bundle is as it was written",
		Long: `Check that a bundle made by correlate export is as it was written: no file in it
changed, added, removed or renamed, and no other byte of it either.

A bundle that somebody wrote anew as a whole is another bundle, and as whole. To find
that, give the digest that correlate export printed with --digest.

Exit status: 0 if it is as it was written, 1 if not.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("verify takes one file")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			digest = strings.ToLower(strings.TrimSpace(digest))
			if b, err := hex.DecodeString(digest); err != nil || digest != "" && len(b) != 32 {
				return fmt.Errorf("--digest: %q is not a digest of 64 hexadecimal digits", digest)
			}
			f, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("open %s: %w", args[0], bare(err))
			}
			defer f.Close()
			fi, err := f.Stat()
			if err != nil {
				return fmt.Errorf("open %s: %w", args[0], bare(err))
			}
			if !fi.Mode().IsRegular() {
				return fmt.Errorf("open %s: it is not a file", args[0])
			}
			res, err := evidence.Verify(f, fi.Size())
			if err != nil {
				return err
			}
			if digest != "" && res.Digest != digest {
				res.Problems = append(res.Problems, evidence.Problem{What: "its digest is not the one given: this is another bundle"})
			}
			name := report.Visible(args[0])
			if output.format == "json" {
				v := verifyJSON{File: name, OK: res.OK(), Digest: res.Digest, Problems: []string{}}
				if res.Manifest != nil {
					v.Request, v.Created = report.Visible(res.Manifest.RequestID), report.Visible(res.Manifest.Created)
				}
				for _, p := range res.Problems {
					v.Problems = append(v.Problems, p.String())
				}
				enc := json.NewEncoder(s.out)
				enc.SetIndent("", "  ")
				if err := enc.Encode(v); err != nil {
					return err
				}
			} else if res.OK() {
				fmt.Fprintf(s.out, "%s is as it was written: %s, %s of request %s\ndigest %s\n", name, count(len(res.Manifest.Files), "file"),
					count(len(res.Manifest.Records), "record"), report.Visible(res.Manifest.RequestID), res.Digest)
			} else {
				fmt.Fprintf(s.out, "%s is not as it was written\n", name)
				for _, p := range res.Problems {
					fmt.Fprintf(s.out, "  %s\n", p)
				}
				if res.Digest != "" {
					fmt.Fprintf(s.out, "digest %s\n", res.Digest)
				}
			}
			if !res.OK() {
				return &exitError{code: exitUndetermined}
			}
			return nil
		},
	}
	output.add(cmd, "text", "json")
	cmd.Flags().StringVar(&digest, "digest", "", "the digest that correlate export printed")
	return cmd
}
