package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/report"
	"github.com/correlatehq/correlate/rules"
)

func rulesCommand(s streams) *cobra.Command {
	return group("rules", "List, show, test and explain the rules by which requests are judged",
		rulesListCommand(s), rulesShowCommand(s), rulesTestCommand(s), rulesExplainCommand(s))
}

// ruleFlags say which rules there are beside those that come with the program.
type ruleFlags struct {
	dirs   []string
	config string
}

func (f *ruleFlags) add(cmd *cobra.Command) {
	addRules(cmd, &f.dirs)
	cmd.Flags().StringVar(&f.config, "config", "", "configuration file")
}

// load reads the rules of the configuration, of --rules and of further directories.
func (f *ruleFlags) load(further ...string) (*ruleSets, error) {
	cfg, err := loadConfig(f.config, format.Builtin())
	if err != nil {
		return nil, err
	}
	return loadRules(slices.Concat(cfg.rules, f.dirs, further))
}

func rulesListCommand(s streams) *cobra.Command {
	var (
		flags  ruleFlags
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
			set, err := flags.load()
			if err != nil {
				return err
			}
			text, err := output.text(s.out)
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, r := range set.all.List() {
				rows = append(rows, []string{r.Name, cmp.Or(r.CauseClass, "compares"), fmt.Sprint(r.Cases), strings.Join(strings.Fields(r.Doc), " ")})
			}
			return report.Table(s.out, []string{"rule", "cause", "cases", "what it finds"}, rows, text)
		},
	}
	flags.add(cmd)
	output.add(cmd, "text")
	return cmd
}

func rulesShowCommand(s streams) *cobra.Command {
	var flags ruleFlags
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
			set, err := flags.load()
			if err != nil {
				return err
			}
			src, ok := set.all.Source(args[0])
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
	flags.add(cmd)
	return cmd
}

func rulesTestCommand(s streams) *cobra.Command {
	var (
		flags  ruleFlags
		output outputFlags
		junit  string
	)
	cmd := &cobra.Command{
		Use:   "test [DIR...]",
		Short: "Run the cases of every rule against all rules",
		Long: `Run the cases of every rule, and those in folders named cases, against all rules, so
that a rule that steals another's case is found. The rules of each DIR are among them, as
those of --rules and of the configuration are.

A case that fails is explained hop by hop: which rules fired or nearly did, and the value of
each of their conditions. Told is also what no case tries: rules that decide none, and
conditions that hold in none.

Exit status: 0 if all cases come out as their rules say, 1 if not.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			text, err := output.text(s.out)
			if err != nil {
				return err
			}
			set, err := flags.load(args...)
			if err != nil {
				return err
			}
			run := set.all.TestRun(cmd.Context())
			failed := false
			for i := range run.Cases {
				c := &run.Cases[i]
				file, _, _ := strings.Cut(c.Pos, ":")
				if dir := set.dirOf(c.Rule, file); dir != "" {
					c.Pos = filepath.Join(dir, c.Pos)
				}
				failed = failed || c.What != ""
			}
			if junit != "" {
				if err := writeJUnit(junit, run); err != nil {
					return err
				}
			}
			if err := report.TestText(s.out, run, len(set.all.List()), text); err != nil {
				return err
			}
			if failed {
				return &exitError{code: exitUndetermined}
			}
			return nil
		},
	}
	flags.add(cmd)
	output.add(cmd, "text")
	cmd.Flags().StringVar(&junit, "junit", "", "file to which the outcome is written as JUnit's XML")
	return cmd
}

func writeJUnit(name string, run *rules.TestRun) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("create %s: %w", name, bare(err))
	}
	defer func() {
		if e := f.Close(); err == nil && e != nil {
			err = fmt.Errorf("write %s: %w", name, bare(e))
		}
	}()
	return report.JUnit(f, run)
}

func rulesExplainCommand(s streams) *cobra.Command {
	var (
		judge  judgeFlags
		output outputFlags
		asked  []string
	)
	cmd := &cobra.Command{
		Use:   "explain ID [SOURCE...]",
		Short: "Show what every rule made of a request, condition by condition",
		Long: `Show how the verdict about a request came about: the steps by which its confidence was
derived, and for the origin and each rival every rule that fired or of which a single
condition failed, with the value of each condition. Rules of your own, of --rules and of the
configuration, and those named by --rule are shown of every hop, whatever they made of it.

ID is any of its request, trace or correlation IDs, as for investigate.`,
		Example: `  correlate rules explain 5f0c9ad1e2b34c718d90aa11bb22cc33 /var/log/shop
  correlate rules explain 5f0c9ad1e2b34c718d90aa11bb22cc33 /var/log/shop --rules mine -o json
  correlate rules explain 5f0c9ad1e2b34c718d90aa11bb22cc33 /var/log/shop --rule connection_refused`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || strings.TrimSpace(args[0]) == "" {
				return ingest.WithHint(errors.New("no request ID was given"), "correlate rules explain ID SOURCE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			text, err := output.text(s.out)
			if err != nil {
				return err
			}
			src, o, err := judge.ready(cmd.Context(), s, args[1:])
			if err != nil {
				return err
			}
			defer src.close()
			for _, name := range asked {
				if _, ok := o.Rules.Source(name); !ok {
					return ingest.WithHint(fmt.Errorf("no rule has the name %q", name), "correlate rules list names them all")
				}
			}
			for _, r := range o.Rules.List() {
				if !r.Builtin && r.Scope != "batch" {
					asked = append(asked, r.Name)
				}
			}
			c, err := correlate.Investigate(cmd.Context(), src.named, strings.TrimSpace(args[0]), o)
			if e, ok := errors.AsType[*correlate.NotFoundError](err); ok {
				return notFound(s, e)
			}
			if err != nil {
				return err
			}
			x, err := o.Rules.Explain(cmd.Context(), c.Request, c.Near, asked...)
			if err != nil {
				return err
			}
			if output.format == "json" {
				err = report.ExplainJSON(s.out, c, x, report.JSONOptions{})
			} else {
				err = report.ExplainText(s.out, c, x, text)
			}
			if err != nil {
				return err
			}
			return judge.strictly(c.Sources)
		},
	}
	judge.add(cmd)
	output.add(cmd, "text", "wide", "json")
	output.addZone(cmd)
	cmd.Flags().StringArrayVar(&asked, "rule", nil, "rule that is shown of every hop, whatever it made of it; may be given several times")
	return cmd
}
