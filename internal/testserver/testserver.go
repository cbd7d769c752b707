//go:build linux

// Package testserver fetches real servers for tests, starts them on loopback and stops
// them.
//
// Elasticsearch and OpenSearch come as runnable distributions from Maven and are kept in
// .cache/servers of the repository; a Java machine and Maven are installed from Debian's
// packages where they are missing. A test asks for one with [Shared], which is the one
// that the command with/ started for several test programs, else one for this program alone
// that [Main] stops. A server that cannot be had fails the test.
package testserver

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Kind is a server that can be had.
type Kind struct {
	Name     string // as [Shared] and the command know it
	artifact string
	java     int // the oldest Java machine that runs it
	secured  bool
}

// The kinds, the newest of each product last.
var (
	Elasticsearch8 = &Kind{"elasticsearch-8.17.4", "org.elasticsearch.distribution.integ-test-zip:elasticsearch:8.17.4:zip", 17, true}
	OpenSearch2    = &Kind{"opensearch-2.19.3", "org.opensearch.distribution.integ-test-zip:opensearch:2.19.3:zip", 17, false}
	Elasticsearch9 = &Kind{"elasticsearch-9.1.0", "org.elasticsearch.distribution.integ-test-zip:elasticsearch:9.1.0:zip", 21, true}
	OpenSearch3    = &Kind{"opensearch-3.1.0", "org.opensearch.distribution.integ-test-zip:opensearch:3.1.0:zip", 21, false}

	Kinds = []*Kind{Elasticsearch8, OpenSearch2, Elasticsearch9, OpenSearch3}
)

// Variable is the environment variable by which the command tells test programs of its
// servers: NAME=URL, with spaces between.
const Variable = "CORRELATE_TEST_SERVERS"

// Options are how a server is started.
type Options struct {
	// Settings replace or add to the usual ones, which are those of a single node
	// without security.
	Settings map[string]string
	// Files are put into its configuration directory.
	Files map[string][]byte
	// Prepare is called before the start with the server's directory and that of its Java machine; nil does nothing.
	Prepare func(ctx context.Context, home, java string) error
	// Ready asks whether it answers; nil is by GET /_cluster/health.
	Ready func(ctx context.Context, url string) error
}

// A Server is one that runs.
type Server struct {
	URL       string
	Transport string // address at which nodes talk to each other
	dir       string
	cmd       *exec.Cmd
	ended     chan struct{}
	log       *bytes.Buffer
}

var (
	mu     sync.Mutex
	shared = map[string]*Server{}
	failed = map[string]error{}
)

// Shared gives the URL of a server of the kind that other tests use too: what is put
// into it must have names of its own.
func Shared(tb testing.TB, k *Kind) string {
	tb.Helper()
	for pair := range strings.FieldsSeq(os.Getenv(Variable)) {
		if name, url, _ := strings.Cut(pair, "="); name == k.Name {
			return url
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if s := shared[k.Name]; s != nil {
		return s.URL
	}
	err := failed[k.Name]
	if err == nil {
		var s *Server
		if s, err = Start(context.Background(), k, Options{}); err == nil {
			shared[k.Name] = s
			return s.URL
		}
		failed[k.Name] = err
	}
	tb.Fatalf("%s cannot be had: %v", k.Name, err)
	return ""
}

// Each runs a test against a server of each kind: those that the command with/ started, else all.
func Each(t *testing.T, test func(t *testing.T, k *Kind, url string)) {
	running := os.Getenv(Variable)
	for _, k := range Kinds {
		if running == "" || strings.Contains(running, k.Name+"=") {
			t.Run(k.Name, func(t *testing.T) { test(t, k, Shared(t, k)) })
		}
	}
}

// Flavor is the name of the product.
func (k *Kind) Flavor() string {
	flavor, _, _ := strings.Cut(k.Name, "-")
	return flavor
}

// Main runs the tests and stops the servers that they started.
func Main(m *testing.M) {
	defer func() {
		mu.Lock()
		defer mu.Unlock()
		for _, s := range shared {
			s.Stop()
		}
	}()
	m.Run()
}

// Lookup finds a kind by its name; nil if there is none.
func Lookup(name string) *Kind {
	i := slices.IndexFunc(Kinds, func(k *Kind) bool { return k.Name == name })
	if i < 0 {
		return nil
	}
	return Kinds[i]
}

// Start fetches a server if need be, starts it and waits until it answers.
func Start(ctx context.Context, k *Kind, o Options) (*Server, error) {
	java, err := javaHome(ctx, k.java)
	if err != nil {
		return nil, err
	}
	archive, err := fetch(ctx, k)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "correlate-"+k.Name+"-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, ended: make(chan struct{}), log: &bytes.Buffer{}}
	if err := s.start(ctx, k, o, java, archive); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, k *Kind, o Options, java, archive string) error {
	if err := unzip(archive, s.dir); err != nil {
		return err
	}
	homes, err := filepath.Glob(filepath.Join(s.dir, "*search-*"))
	if err != nil || len(homes) != 1 {
		return fmt.Errorf("%s holds no server", archive)
	}
	home := homes[0]
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	settings := map[string]string{
		"discovery.type": "single-node", "network.host": "127.0.0.1", "http.port": ports[0], "transport.port": ports[1],
		"path.data": filepath.Join(s.dir, "data"), "path.logs": filepath.Join(s.dir, "logs"),
		"cluster.routing.allocation.disk.threshold_enabled": "false",
	}
	if k.secured {
		settings["xpack.security.enabled"] = "false"
	}
	for name, v := range o.Settings {
		if settings[name] = v; v == "" {
			delete(settings, name)
		}
	}
	scheme := "http"
	if settings["xpack.security.http.ssl.enabled"] == "true" {
		scheme = "https"
	}
	s.URL = scheme + "://127.0.0.1:" + settings["http.port"]
	s.Transport = "127.0.0.1:" + settings["transport.port"]
	for name, content := range o.Files {
		if err := os.WriteFile(filepath.Join(home, "config", name), content, 0o644); err != nil {
			return err
		}
	}
	if o.Prepare != nil {
		if err := o.Prepare(ctx, home, java); err != nil {
			return err
		}
	}
	var args []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-E", name+"="+settings[name])
	}
	s.cmd = exec.Command(filepath.Join(home, "bin", k.Flavor()), args...)
	const heap = "-Xms512m -Xmx512m -XX:TieredStopAtLevel=1"
	s.cmd.Env = append(os.Environ(), "ES_JAVA_HOME="+java, "OPENSEARCH_JAVA_HOME="+java, "JAVA_HOME="+java, "ES_JAVA_OPTS="+heap, "OPENSEARCH_JAVA_OPTS="+heap)
	s.cmd.Dir = home
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		const nobody = 65534 // neither server runs as root
		s.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := filepath.WalkDir(s.dir, func(p string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(p, nobody, nobody)
		}); err != nil {
			return err
		}
	}
	begun := make(chan error)
	go func() {
		// The kernel ends the server with the thread that started it.
		runtime.LockOSThread()
		err := s.cmd.Start()
		begun <- err
		if err == nil {
			_ = s.cmd.Wait() // that it ended says all; its log tells why
			close(s.ended)
		}
	}()
	if err := <-begun; err != nil {
		s.cmd = nil
		return err
	}
	ready := o.Ready
	if ready == nil {
		ready = answers
	}
	limit := time.After(3 * time.Minute)
	for {
		err := ready(ctx, s.URL)
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%s ended: %s", k.Name, tail(s.log.String()))
		case <-limit:
			return fmt.Errorf("%s does not answer: %w: %s", k.Name, err, tail(s.log.String()))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// answers says whether the server's cluster is formed.
func answers(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/_cluster/health", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// StartCluster starts n nodes of one cluster and waits until all have joined it.
func StartCluster(ctx context.Context, k *Kind, n int) ([]*Server, error) {
	ports, err := freePorts(2 * n)
	if err != nil {
		return nil, err
	}
	var names, seeds []string
	for i := range n {
		names = append(names, fmt.Sprintf("node-%d", i))
		seeds = append(seeds, "127.0.0.1:"+ports[2*i+1])
	}
	masters := "cluster.initial_master_nodes"
	if strings.HasPrefix(k.Name, "opensearch") {
		masters = "cluster.initial_cluster_manager_nodes"
	}
	servers, errs := make([]*Server, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			servers[i], errs[i] = Start(ctx, k, Options{
				Settings: map[string]string{
					"discovery.type": "", "cluster.name": "of-" + strconv.Itoa(n), "node.name": names[i], masters: strings.Join(names, ","),
					"discovery.seed_hosts": strings.Join(seeds, ","), "http.port": ports[2*i], "transport.port": ports[2*i+1],
				},
				Ready: func(ctx context.Context, url string) error {
					text, err := Do(ctx, http.MethodGet, url+"/_cluster/health", "")
					if err == nil && !strings.Contains(string(text), fmt.Sprintf(`"number_of_nodes":%d,`, n)) {
						err = fmt.Errorf("not all nodes have joined: %s", text)
					}
					return err
				},
			})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		for _, s := range servers {
			if s != nil {
				s.Stop()
			}
		}
		return nil, err
	}
	return servers, nil
}

// Kill ends the server at once, as a machine that dies does.
func (s *Server) Kill() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // it may have ended
		<-s.ended
	}
}

// Stop ends the server and removes what it left.
func (s *Server) Stop() {
	s.Kill()
	_ = os.RemoveAll(s.dir) // what is left is in the directory for temporary files
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

// fetch gives the path of the kind's distribution, out of the cache if it is there.
func fetch(ctx context.Context, k *Kind) (string, error) {
	_, here, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(here), "..", "..", ".cache", "servers")
	file := filepath.Join(dir, k.Name+".zip")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := install(ctx, "mvn", "maven"); err != nil {
		return "", err
	}
	// Another test program may fetch the same: what is whole is moved to its place.
	work, err := os.MkdirTemp(dir, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "dependency:copy", "-Dartifact="+k.artifact, "-DoutputDirectory="+work)
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("fetch %s: %w: %s", k.artifact, err, tail(string(out)))
	}
	return file, os.Rename(filepath.Join(work, k.Name+".zip"), file)
}

// install installs a Debian package if a command is missing.
func install(ctx context.Context, command string, packages ...string) error {
	if _, err := exec.LookPath(command); command != "" && err == nil {
		return nil
	}
	for _, args := range [][]string{{"update", "-qq"}, append([]string{"install", "-y", "-qq", "--no-install-recommends"}, packages...)} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("install %s: %w: %s", strings.Join(packages, " "), err, tail(string(out)))
		}
	}
	return nil
}

var javaVersion = regexp.MustCompile(`version "(\d+)`)

// javaHome gives the home of a Java machine that is not older than least, the oldest that there
// is.
func javaHome(ctx context.Context, least int) (string, error) {
	if home := findJava(ctx, least); home != "" {
		return home, nil
	}
	if err := install(ctx, "", fmt.Sprintf("openjdk-%d-jre-headless", least)); err != nil {
		return "", err
	}
	if home := findJava(ctx, least); home != "" {
		return home, nil
	}
	return "", fmt.Errorf("no Java machine of version %d or newer in /usr/lib/jvm", least)
}

func findJava(ctx context.Context, least int) string {
	homes, _ := filepath.Glob("/usr/lib/jvm/*") // the pattern is a good one
	best, home := 0, ""
	for _, h := range append(homes, os.Getenv("JAVA_HOME")) {
		out, err := exec.CommandContext(ctx, filepath.Join(h, "bin", "java"), "-version").CombinedOutput()
		if err != nil {
			continue
		}
		m := javaVersion.FindSubmatch(out)
		if m == nil {
			continue
		}
		if v, _ := strconv.Atoi(string(m[1])); v >= least && (best == 0 || v < best) {
			best, home = v, h
		}
	}
	return home
}

// unzip unpacks an archive that we fetched.
func unzip(archive, dir string) error {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("open %s: %w", archive, err)
	}
	defer z.Close()
	for _, f := range z.File {
		p, err := filepath.Localize(strings.TrimSuffix(f.Name, "/"))
		if err != nil {
			return fmt.Errorf("%s: %s: %w", archive, f.Name, err)
		}
		p = filepath.Join(dir, p)
		if f.FileInfo().IsDir() {
			if err := os.MkdirAll(p, 0o755); err != nil {
				return err
			}
			continue
		}
		if err := unzipFile(f, p); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o755)
}

func unzipFile(f *zip.File, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, f.Mode().Perm()|0o644)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
