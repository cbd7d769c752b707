//go:build linux

package testserver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// A Program is a server by the package of its command; its version stands in modules/MODULE/go.mod.
type Program struct{ Module, Package string }

// Programs are those that there are.
var Programs = []Program{loki, jaeger}

var (
	loki   = Program{"loki", "github.com/grafana/loki/v3/cmd/loki"}
	jaeger = Program{"jaeger", "github.com/jaegertracing/jaeger/cmd/jaeger"}
)

// Build gives the path of a server's program, which it builds from its module if need be.
// What was built is kept in .cache/servers of the repository.
func Build(ctx context.Context, p Program) (string, error) {
	dir, err := cache()
	if err != nil {
		return "", err
	}
	module := filepath.Join(dir, "..", "..", "internal", "testserver", "modules", p.Module)
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
	bin := filepath.Join(dir, p.Module+"-"+hex.EncodeToString(sum.Sum(nil)[:6]))
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	// Another name until it is whole: several tests may build it at once.
	part := fmt.Sprintf("%s.%d", bin, os.Getpid())
	// Nobody waits for these servers as long as for the compiler: what is not optimised compiles in half the time, and
	// without what a debugger needs, by a compiler that collects garbage seldom, in three quarters of that.
	cmd := exec.CommandContext(ctx, "go", "build", "-gcflags=all=-N -l -dwarf=false", "-ldflags=-s -w", "-o", part, p.Package)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly -buildvcs=false", "GOWORK=off", "GOGC=400")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", p.Package, err, out)
	}
	return bin, os.Rename(part, bin)
}

// start runs a program for a test and waits until its URL answers ready.
func start(t testing.TB, p Program, ready string, ports []string, args func(dir string, port map[string]int) []string) *Server {
	t.Helper()
	bin, err := Build(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	free, err := freePorts(len(ports))
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Ports: map[string]int{}, URL: "http://127.0.0.1:" + free[0]}
	for i, name := range ports {
		if s.Ports[name], err = strconv.Atoi(free[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.launch(p.Module, exec.Command(bin, args(t.TempDir(), s.Ports)...)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	if err := s.await(t.Context(), func(ctx context.Context, url string) error { return answers(ctx, url+ready) }); err != nil {
		t.Fatal(err)
	}
	return s
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
