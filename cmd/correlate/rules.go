package main

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/report"
)

func rulesCommand(s streams) *cobra.Command {
	return group("rules", "List, show and test the rules by which requests are judged",
		rulesListCommand(s), rulesShowCommand(s), rulesTestCommand(s))
}

func rulesListCommand(s streams) *cobra.Command {
	var (
		dir    string
		output outputFlags
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all rules",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := output.check(); err != nil {
				return err
			}
			set, _, err := loadRules(dir)
			if err != nil {
				return err
			}
			text, err := output.text(s.out)
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, r := range set.List() {
				rows = append(rows, []string{r.Name, r.CauseClass, fmt.Sprint(r.Cases), strings.Join(strings.Fields(r.Doc), " ")})
			}
			return report.Table(s.out, []string{"rule", "cause", "cases", "what it finds"}, rows, text)
		},
	}
	addRules(cmd, &dir)
	output.add(cmd, "text")
	return cmd
}

func rulesShowCommand(s streams) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Print the file of one rule",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("rules show takes the name of one rule")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			set, _, err := loadRules(dir)
			if err != nil {
				return err
			}
			src, ok := set.Source(args[0])
			if !ok {
				return ingest.WithHint(fmt.Errorf("no rule has the name %q", args[0]), "correlate rules list names them all")
			}
			if !bytes.HasSuffix(src, []byte("\n")) {
				src = append(src, '\n')
			}
			_, err = s.out.Write(src)
			return err
		},
	}
	addRules(cmd, &dir)
	return cmd
}

func rulesTestCommand(s streams) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Run the cases of every rule against all rules",
		Long: `Run the cases of every rule, and those in folders named cases, against all rules, so
that a rule that steals another's case is found. With --rules your own rules are among them.

Exit status: 0 if all cases come out as their rules say, 1 if not.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, own, err := loadRules(dir)
			if err != nil {
				return err
			}
			mine, mineCases := map[string]bool{}, map[string]bool{}
			if own != nil {
				for _, r := range own.List() {
					mine[r.Name] = true
				}
				for _, f := range own.CaseFiles() {
					mineCases[f.Pos] = true
				}
			}
			failures := set.Test()
			for _, f := range failures {
				file, _, _ := strings.Cut(f.Pos, ":")
				if mine[f.Rule] || f.Rule == "" && mineCases[file] {
					f.Pos = filepath.Join(dir, f.Pos)
				}
				fmt.Fprintln(s.out, report.Visible(f.String()))
			}
			cases := 0
			all := set.List()
			for _, r := range all {
				cases += r.Cases
			}
			for _, f := range set.CaseFiles() {
				cases += f.Cases
			}
			fmt.Fprintf(s.out, "%s, %s, %d failed\n", count(len(all), "rule"), count(cases, "case"), len(failures))
			if len(failures) > 0 {
				return &exitError{code: exitUndetermined}
			}
			return nil
		},
	}
	addRules(cmd, &dir)
	return cmd
}
