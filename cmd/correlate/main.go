// Command correlate finds the hop that created a failed response.
//
// It is wiring: one file per subcommand makes options of flags, calls the library,
// and prints with package report. sources.go holds the one list of schemes.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	_ "time/tzdata" // zones by name, also where the machine has none

	"github.com/prometheus/common/version"
	"github.com/spf13/cobra"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/report"
)

func main() {
	collectSeldom()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second one ends the program at once
	// Whoever reads our output may close it: an error like others, so that temporary files are removed.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Exit codes, as README.md tells them.
const (
	exitOK           = 0 // a hop is named, or the request did not fail; all is well
	exitUndetermined = 1 // found, but no hop can be named; a bundle was changed; a case of a rule fails
	exitFailure      = 2 // usage, or a failure of ours
	exitNotFound     = 3 // the ID is in no source, and every source was read whole
)

// An exitError ends the program with another code than exitFailure. Without err
// nothing is printed: the answer on stdout has said it all.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// output is stdout, and keeps the first error of writing to it.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// streams are the program's way in and out.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run runs one command line and gives the exit code. Data goes to stdout, all else to
// stderr in lines that start with "correlate:".
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &output{Writer: stdout}
	s := streams{stdin, out, stderr}
	cmd := newCommand(s)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	if out.err != nil {
		err = out.err // of what follows from it nothing needs to be said
	}
	if err == nil {
		return exitOK
	}
	if errors.Is(err, syscall.EPIPE) && out.err != nil {
		return exitFailure // who reads us has seen enough
	}
	code := exitFailure
	if e, ok := errors.AsType[*exitError](err); ok {
		code = e.code
		if e.err == nil {
			return code
		}
		err = e.err
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		s.say("interrupted")
		return exitFailure
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		s.say("%s", line)
	}
	if h, ok := errors.AsType[ingest.Hinter](err); ok && h.Hint() != "" {
		s.hint("%s", h.Hint())
	}
	return code
}

// say prints a line for people. What comes from logs and file names in it is made visible.
func (s streams) say(format string, args ...any) {
	fmt.Fprintln(s.err, "correlate: "+report.Visible(fmt.Sprintf(format, args...)))
}

func (s streams) hint(format string, args ...any) {
	s.say("hint: "+format, args...)
}

func newCommand(s streams) *cobra.Command {
	if version.Version == "" {
		version.Version = moduleVersion()
	}
	root := &cobra.Command{
		Use:   "correlate",
		Short: "Find the hop that created a failed response",
		Long: `correlate finds the hop that created an HTTP 500: the service or proxy that turned
the request into a failure, why, and the log lines that prove it. It reads log files
as they are, with clocks that disagree and lines without an ID.

A SOURCE is a file, a directory (read recursively, rotated and compressed files
included), a quoted glob such as 'logs/**/*.log*', - for standard input, or a server:
elasticsearch+https://HOST:PORT/PATTERN (also +http, and opensearch+...). Without
one the sources of the configuration file are read: --config, $CORRELATE_CONFIG,
./correlate.yaml, or $XDG_CONFIG_HOME/correlate/config.yaml.

Exit status: 0 if a hop is named or the request did not fail, 1 if it was found but
no hop can be named, 2 for a usage error or a failure, 3 if the ID is in no source.`,
		Version:       version.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return ingest.WithHint(fmt.Errorf("unknown command %q", args[0]), "correlate --help lists the commands")
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ingest.WithHint(errors.New("no command was given"), "correlate --help lists the commands; correlate investigate ID SOURCE is the one to begin with")
		},
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetVersionTemplate(version.Print("correlate") + "\n")
	root.Flags().Bool("version", false, "print the version and end")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return ingest.WithHint(err, cmd.CommandPath()+" --help lists the flags")
	})
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(helpCommand(root))
	root.AddCommand(
		investigateCommand(s),
		batchCommand(s),
		exportCommand(s),
		verifyCommand(s),
		rulesCommand(s),
		formatsCommand(s),
		clocksCommand(s),
		indexCommand(s),
		configCommand(s),
	)
	return root
}

// helpCommand tells about a command, as --help does.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND...]",
		Short: "Tell about a command",
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return ingest.WithHint(fmt.Errorf("there is no command %q", strings.Join(args, " ")), "correlate --help lists the commands")
			}
			return c.Help()
		},
	}
}

// moduleVersion is the version of a program that was built without one in its
// linker flags: that of the module, as go install knows it.
func moduleVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// group makes a command of subcommands. A name that it does not have is an error.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			var names []string
			for _, c := range cmd.Commands() {
				names = append(names, c.Name())
			}
			hint := "one of " + strings.Join(names, ", ")
			if len(args) == 0 {
				return ingest.WithHint(fmt.Errorf("%s: no command was given", cmd.CommandPath()), hint)
			}
			return ingest.WithHint(fmt.Errorf("%s: unknown command %q", cmd.CommandPath(), args[0]), hint)
		},
	}
	cmd.AddCommand(subs...)
	return cmd
}
