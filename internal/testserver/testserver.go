//go:build linux

// Package testserver starts real servers for tests on loopback and stops them.
//
// Elasticsearch and OpenSearch come as runnable distributions from Maven; a Java machine and Maven are installed
// from Debian's packages where they are missing. Loki and Jaeger are built from their Go modules at the versions that
// modules/*/go.mod name. All are kept in .cache/servers of the repository.
//
// A test asks for a server of its own, or with [Shared] and [Each] for one that other tests use too: that
// which the command with/ started for several test programs, else one for this program alone that [Main] stops. A server
// that cannot be had fails the test.
package testserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Server is a process that answers on loopback.
type Server struct {
	URL       string         // of its API: "http://127.0.0.1:9200"
	Transport string         // address at which nodes of a cluster talk to each other
	Ports     map[string]int // that it was given, by what they are for

	name  string
	dir   string // removed when it is stopped; "" if there is none
	cmd   *exec.Cmd
	ended chan struct{}
	log   bytes.Buffer
}

// launch starts the process. The kernel ends it with this one.
func (s *Server) launch(name string, cmd *exec.Cmd) error {
	s.name, s.cmd, s.ended = name, cmd, make(chan struct{})
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, syscall.SIGKILL
	begun := make(chan error)
	go func() {
		// The signal comes when the thread that started it ends.
		runtime.LockOSThread()
		err := cmd.Start()
		begun <- err
		if err == nil {
			_ = cmd.Wait() // that it ended says all; its log tells why
			close(s.ended)
		}
	}()
	err := <-begun
	if err != nil {
		s.cmd = nil
	}
	return err
}

// await waits until ready finds that the server answers.
func (s *Server) await(ctx context.Context, ready func(ctx context.Context, url string) error) error {
	limit := time.After(3 * time.Minute)
	for {
		err := ready(ctx, s.URL)
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%s ended: %s", s.name, tail(s.log.String()))
		case <-limit:
			return fmt.Errorf("%s does not answer: %w", s.name, err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// answers says whether a URL is answered with a 2xx.
func answers(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return errors.New(resp.Status)
	}
	return nil
}

// Kill ends the server at once, as a machine that dies does.
func (s *Server) Kill() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // it may have ended
		<-s.ended
	}
}

// Stop ends the server and removes what it left. It may be called more than once.
func (s *Server) Stop() {
	s.Kill()
	if s.dir != "" {
		_ = os.RemoveAll(s.dir) // what is left is in the directory for temporary files
	}
}

func tail(s string) string {
	const most = 1500
	s = strings.TrimSpace(s)
	return s[max(0, len(s)-most):]
}

func freePorts(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		out = append(out, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
	return out, nil
}

// cache is the folder in which servers are kept.
func cache() (string, error) {
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("the place of the source is not known")
	}
	dir := filepath.Join(filepath.Dir(here), "..", "..", ".cache", "servers")
	return dir, os.MkdirAll(dir, 0o755)
}
