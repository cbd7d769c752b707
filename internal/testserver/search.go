//go:build linux

package testserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
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
	// Java are the options of its Java machine; "" is those of tests, which start fast and are small.
	Java string
	// Ready asks whether it answers; nil is by GET /_cluster/health.
	Ready func(ctx context.Context, url string) error
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
	s := &Server{dir: dir}
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
	cmd := exec.Command(filepath.Join(home, "bin", k.Flavor()), args...)
	options := cmp.Or(o.Java, "-Xms512m -Xmx512m -XX:TieredStopAtLevel=1")
	cmd.Env = append(os.Environ(), "ES_JAVA_HOME="+java, "OPENSEARCH_JAVA_HOME="+java, "JAVA_HOME="+java, "ES_JAVA_OPTS="+options, "OPENSEARCH_JAVA_OPTS="+options)
	cmd.Dir = home
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		const nobody = 65534 // neither server runs as root
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := filepath.WalkDir(s.dir, func(p string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(p, nobody, nobody)
		}); err != nil {
			return err
		}
	}
	if err := s.launch(k.Name, cmd); err != nil {
		return err
	}
	if o.Ready == nil {
		o.Ready = func(ctx context.Context, url string) error { return answers(ctx, url+"/_cluster/health") }
	}
	return s.await(ctx, o.Ready)
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
