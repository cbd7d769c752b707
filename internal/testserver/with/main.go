//go:build linux

// Command with starts servers for tests, runs a command that finds them in its
// environment, and stops them:
//
//	go run ./internal/testserver/with elasticsearch-8.17.4 opensearch-2.19.3 -- go test ./...
//
// Without a command it prints where they are and waits for an interrupt.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/correlatehq/correlate/internal/testserver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func run(ctx context.Context, args []string) (int, error) {
	names, command := args, []string(nil)
	if i := slices.Index(args, "--"); i >= 0 {
		names, command = args[:i], args[i+1:]
	}
	servers, errs := make([]*testserver.Server, len(names)), make([]error, len(names))
	defer func() {
		for _, s := range servers {
			if s != nil {
				s.Stop()
			}
		}
	}()
	var wg sync.WaitGroup
	for i, name := range names {
		k := testserver.Lookup(name)
		if k == nil {
			return 2, fmt.Errorf("there is no server %q", name)
		}
		wg.Go(func() { servers[i], errs[i] = testserver.Start(ctx, k, testserver.Options{}) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return 1, err
	}
	var pairs []string
	for i, s := range servers {
		pairs = append(pairs, names[i]+"="+s.URL)
	}
	variable := testserver.Variable + "=" + strings.Join(pairs, " ")
	if len(command) == 0 {
		fmt.Println(variable)
		<-ctx.Done()
		return 0, nil
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Env = append(os.Environ(), variable)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return max(e.ExitCode(), 1), nil
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}
