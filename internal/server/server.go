//go:build linux

// Package server starts real servers for tests: Loki and Jaeger, built from their
// Go modules at the versions that modules/*/go.mod name, on loopback.
//
// A server belongs to the test that asked for it, and ends with it. One that cannot be built or does not
// answer fails the test.
package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A Program is a server by the package of its command; its version stands in modules/MODULE/go.mod.
type Program struct{ Module, Package string }

// Programs are those that there are.
var Programs = []Program{loki, jaeger}

var (
	loki   = Program{"loki", "github.com/grafana/loki/v3/cmd/loki"}
	jaeger = Program{"jaeger", "github.com/jaegertracing/jaeger/cmd/jaeger"}
)

// A Server is a process that answers on loopback.
type Server struct {
	URL string // of its API: "http://127.0.0.1:3100"
	// Ports are those that it was given, by what they are for.
	Ports map[string]int

	cmd  *exec.Cmd
	log  *bytes.Buffer
	done chan struct{}
}

// Stop ends the server at once, as a crash does. It may be called more than once.
func (s *Server) Stop() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // it may have ended
	<-s.done
}

// Build gives the path of a server's program, which it builds from its module if need be.
// What was built is kept in .cache/servers of the repository.
func Build(ctx context.Context, p Program) (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("the place of the source is not known")
	}
	module := filepath.Join(filepath.Dir(file), "modules", p.Module)
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), p.Package)
	if err := filepath.WalkDir(module, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		sum.Write(b)
		return err
	}); err != nil {
		return "", err
	}
	bin := filepath.Join(filepath.Dir(file), "..", "..", ".cache", "servers", p.Module+"-"+hex.EncodeToString(sum.Sum(nil)[:6]))
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	if err := os.MkdirAll(filepath.Dir(bin), 0o755); err != nil {
		return "", err
	}
	// Another name until it is whole: several tests may build it at once.
	part := fmt.Sprintf("%s.%d", bin, os.Getpid())
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", part, p.Package)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly -buildvcs=false", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", p.Package, err, out)
	}
	return bin, os.Rename(part, bin)
}

// start runs a program and waits until its URL answers ready.
func start(t testing.TB, p Program, ready string, ports []string, args func(dir string, port map[string]int) []string) *Server {
	t.Helper()
	bin, err := Build(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Ports: map[string]int{}, log: &bytes.Buffer{}, done: make(chan struct{})}
	for _, p := range ports {
		s.Ports[p] = freePort(t)
	}
	s.URL = fmt.Sprintf("http://127.0.0.1:%d", s.Ports[ports[0]])
	s.cmd = exec.Command(bin, args(t.TempDir(), s.Ports)...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // killed, as a rule
		close(s.done)
	}()
	t.Cleanup(s.Stop)
	for begun := time.Now(); ; {
		resp, err := http.Get(s.URL + ready)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode/100 == 2 {
				return s
			}
			err = errors.New(resp.Status)
		}
		select {
		case <-s.done:
			t.Fatalf("%s ended:\n%s", p.Module, tail(s.log.String()))
		case <-time.After(100 * time.Millisecond):
		}
		if time.Since(begun) > 2*time.Minute {
			s.Stop()
			t.Fatalf("%s does not answer: %v\n%s", p.Module, err, tail(s.log.String()))
		}
	}
}

func tail(text string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// post sends a body and fails the test if the answer is not 2xx.
func post(t testing.TB, url string, header http.Header, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		var text bytes.Buffer
		_, _ = text.ReadFrom(resp.Body) // what can be had of it
		t.Fatalf("POST %s: %s: %s", url, resp.Status, text.String())
	}
}
