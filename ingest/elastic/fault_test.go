//go:build live && linux

package elastic

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/config"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/internal/testserver"
	"github.com/correlatehq/correlate/timeline"
)

// TestNodesThatDie kills nodes of a cluster of three in the middle of passes. What has a copy comes
// whole; of what has none, or if the node that is asked dies, the source says what is missing.
func TestNodesThatDie(t *testing.T) {
	nodes, err := testserver.StartCluster(t.Context(), testserver.Elasticsearch8, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		t.Cleanup(n.Stop)
	}
	base := nodes[0].URL
	const documents = 3 * pageSize
	var docs []any
	for i := range documents {
		docs = append(docs, lineDoc("edge-1", "/var/log/nginx/access.log", 200*i, i/100, access(i/100%60, 502, fmt.Sprintf("%032x", i+1<<60))))
	}
	for index, replicas := range map[string]int{"copied": 1, "single": 0} {
		fill(t, base, index, strings.Replace(testserver.LineMapping, `"number_of_replicas": 0, "number_of_shards": 2`, fmt.Sprintf(`"number_of_replicas": %d, "number_of_shards": 3`, replicas), 1), docs...)
	}
	if _, err := testserver.Do(t.Context(), http.MethodGet, base+"/_cluster/health?wait_for_status=green&timeout=60s", ""); err != nil {
		t.Fatal(err)
	}
	pass := func(s *Source, after func()) (events int, err error) {
		for e, e2 := range s.Events(t.Context(), timeline.Filter{Any: []timeline.Want{{Failed: &timeline.Failed{}}}}) {
			if err = e2; e != nil {
				if events++; events == 1 {
					after()
				}
			}
		}
		return events, err
	}
	missing := func(s *Source) (out []string) {
		for _, k := range s.Info().Skipped {
			if k.Lost {
				out = append(out, fmt.Sprintf("%s %d", k.What, k.Count))
			}
		}
		return out
	}
	copied, single := openIndex(t, Elasticsearch, base, "copied", ingest.Config{}), openIndex(t, Elasticsearch, base, "single", ingest.Config{})
	events, err := pass(copied, nodes[2].Kill)
	if err != nil || events < documents && len(missing(copied)) == 0 {
		t.Errorf("of %d documents with copies came %d after a node died, %v, and nothing is said to be missing", documents, events, err)
	}
	t.Logf("with copies: %d of %d, missing %v", events, documents, missing(copied))
	events, err = pass(single, func() {})
	if err != nil || events == 0 || events >= documents || len(missing(single)) == 0 {
		t.Errorf("of %d documents, a third of them on a node that is dead, came %d, %v, missing %v", documents, events, err, missing(single))
	}
	t.Logf("without: %d of %d, missing %v", events, documents, missing(single))
	// The node that is asked dies: what came until then is there, and the error is the last pair.
	events, err = pass(copied, nodes[0].Kill)
	if _, one := errors.AsType[*timeline.RecordError](err); err == nil || one || events == 0 || events >= documents {
		t.Errorf("the node that was asked died: %d events, %v; want some, and an error", events, err)
	}
	t.Logf("the asked node: %d of %d, %v", events, documents, err)
}

// TestRefusals reads several times at once from a server that has hardly room for one search: it refuses the
// others, and all passes are whole all the same.
func TestRefusals(t *testing.T) {
	server, err := testserver.Start(t.Context(), testserver.Elasticsearch8, testserver.Options{
		Settings: map[string]string{"thread_pool.search.size": "1", "thread_pool.search.queue_size": "5"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	const documents = 2000
	var docs []any
	for i := range documents {
		docs = append(docs, lineDoc("edge-1", "/var/log/nginx/access.log", 200*i, i/100, access(i/100%60, 502, fmt.Sprintf("%032x", i+1<<60))))
	}
	fill(t, server.URL, "busy", strings.Replace(testserver.LineMapping, `"number_of_shards": 2`, `"number_of_shards": 5`, 1), docs...)
	var wg sync.WaitGroup
	for range 6 {
		s := openIndex(t, Elasticsearch, server.URL, "busy", ingest.Config{})
		wg.Go(func() {
			events := 0
			for e, err := range s.Events(t.Context(), timeline.Filter{Any: []timeline.Want{{Failed: &timeline.Failed{}}}}) {
				if err != nil {
					t.Error(err)
				}
				if e != nil {
					events++
				}
			}
			missing := s.Info().Skipped
			if events != documents || slices.ContainsFunc(missing, func(k timeline.Skipped) bool { return k.Lost }) {
				t.Errorf("came %d of %d documents, told %v", events, documents, missing)
			}
		})
	}
	wg.Wait()
	var pools struct {
		Nodes map[string]struct {
			Pools map[string]struct{ Rejected int } `json:"thread_pool"`
		} `json:"nodes"`
	}
	text, err := testserver.Do(t.Context(), http.MethodGet, server.URL+"/_nodes/stats/thread_pool", "")
	if err == nil {
		err = json.Unmarshal(text, &pools)
	}
	refused := 0
	for _, n := range pools.Nodes {
		refused += n.Pools["search"].Rejected
	}
	if err != nil || refused == 0 {
		t.Errorf("the server refused %d searches, %v; the test shows nothing", refused, err)
	}
	t.Logf("the server refused %d searches of shards", refused)
}

// certificate makes a certificate for 127.0.0.1 that signs itself, and its key.
func certificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "logs"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// keyAnalysisSource is what the index of API keys needs and this distribution leaves out: two filters and
// a tokenizer, for e-mail addresses of users. What they do does not matter here.
const keyAnalysisSource = `
import java.util.Map;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.standard.StandardTokenizer;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.index.analysis.TokenizerFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;

public class KeyAnalysis extends Plugin implements AnalysisPlugin {
	private static TokenFilterFactory same(String name) {
		return new TokenFilterFactory() {
			public String name() { return name; }
			public TokenStream create(TokenStream in) { return in; }
		};
	}
	@Override
	public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
		return Map.of("pattern_capture", (i, e, name, s) -> same(name), "unique", (i, e, name, s) -> same(name));
	}
	@Override
	public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
		return Map.of("uax_url_email", (i, e, name, s) -> TokenizerFactory.newFactory(name, StandardTokenizer::new));
	}
}`

// keyAnalysis puts it into a server as a plug-in.
func keyAnalysis(ctx context.Context, home, java string) error {
	dir := filepath.Join(home, "plugins", "key-analysis")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	_, version, _ := strings.Cut(testserver.Elasticsearch8.Name, "-")
	for name, text := range map[string]string{
		"KeyAnalysis.java":             keyAnalysisSource,
		"plugin-descriptor.properties": "description=for tests\nversion=1\nname=key-analysis\nclassname=KeyAnalysis\njava.version=17\nelasticsearch.version=" + version + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"javac", "-cp", filepath.Join(home, "lib", "*"), "KeyAnalysis.java"}, {"jar", "cf", "key-analysis.jar", "."}} {
		cmd := exec.CommandContext(ctx, filepath.Join(java, "bin", args[0]), args[1:]...)
		cmd.Dir = dir
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", args[0], err, text)
		}
	}
	return nil
}

// TestSecurity reads from a server that asks for TLS and credentials.
func TestSecurity(t *testing.T) {
	const password = "correct horse"
	cert, key := certificate(t)
	salt := []byte("0123456789abcdef0123456789abcdef")
	hash, err := pbkdf2.Key(sha512.New, password, salt, 10_000, 32)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	admin := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	ask := func(ctx context.Context, method, url, body string) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.SetBasicAuth("me", password)
		req.Header.Set("Content-Type", "application/json")
		resp, err := admin.Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode/100 != 2 {
			err = fmt.Errorf("%s: %s", resp.Status, text)
		}
		return text, err
	}
	server, err := testserver.Start(t.Context(), testserver.Elasticsearch8, testserver.Options{
		Settings: map[string]string{"xpack.security.enabled": "true", "xpack.security.http.ssl.enabled": "true", "xpack.security.http.ssl.certificate": "http.crt",
			"xpack.security.http.ssl.key": "http.key", "xpack.security.authc.password_hashing.algorithm": "pbkdf2"},
		Files: map[string][]byte{"http.crt": cert, "http.key": key, "users_roles": []byte("superuser:me\n"),
			"users": fmt.Appendf(nil, "me:{PBKDF2}10000$%s$%s\n", base64.StdEncoding.EncodeToString(salt), base64.StdEncoding.EncodeToString(hash))},
		Prepare: keyAnalysis,
		Ready: func(ctx context.Context, url string) error {
			_, err := ask(ctx, http.MethodGet, url+"/_cluster/health", "")
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	if _, err := ask(t.Context(), http.MethodPut, server.URL+"/logs/_doc/a?refresh=true", `{"@timestamp":"2026-03-01T12:00:00Z","message":"x","request_id":"5f0c9ad1e2b34c718d90aa11bb22cc33"}`); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name, content string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	ca := "tls_config: {ca_file: " + file("ca.pem", string(cert)) + "}\n"
	// A key that may read the one index, as an administrator makes it.
	text, err := ask(t.Context(), http.MethodPost, server.URL+"/_security/api_key",
		`{"name":"reader","role_descriptors":{"logs":{"cluster":["monitor"],"index":[{"names":["logs"],"privileges":["read","view_index_metadata"]}]}}}`)
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ Encoded string }
	if err := json.Unmarshal(text, &made); err != nil || made.Encoded == "" {
		t.Fatalf("no key was made: %s, %v", text, err)
	}
	t.Setenv("LOGS_API_KEY", made.Encoded)
	t.Setenv("WRONG_API_KEY", base64.StdEncoding.EncodeToString([]byte("id:secret")))
	t.Setenv("LOGS_PASSWORD", password)
	for name, c := range map[string]struct{ http, want string }{
		"password":        {ca + "basic_auth: {username: me, password_file: " + file("password", password) + "}", ""},
		"environment":     {ca + "basic_auth: {username: me, password_ref: LOGS_PASSWORD}", ""},
		"header":          {ca + "basic_auth: {username: me, password_ref: LOGS_PASSWORD}\nhttp_headers: {X-Team: {values: [shop]}}", ""},
		"API key":         {ca + "authorization: {type: ApiKey, credentials_ref: LOGS_API_KEY}", ""},
		"API key, a file": {ca + "authorization: {type: ApiKey, credentials_file: " + file("key", made.Encoded+"\n") + "}", ""},
		"unknown API key": {ca + "authorization: {type: ApiKey, credentials_ref: WRONG_API_KEY}", "401 Unauthorized"},
		"nothing":         {ca, "401 Unauthorized"},
		"wrong password":  {ca + "basic_auth: {username: me, password: wrong}", "401 Unauthorized"},
		"unknown CA":      {"basic_auth: {username: me, password: wrong}", "certificate signed by unknown authority"},
		"CA not verified": {"tls_config: {insecure_skip_verify: true}\nbasic_auth: {username: me, password_ref: LOGS_PASSWORD}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := config.LoadHTTPConfig(c.http)
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse("elasticsearch+" + server.URL + "/logs")
			if err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), u, ingest.Config{Formats: format.Builtin(), HTTP: h})
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if got := read(t, s, byID("5f0c9ad1e2b34c718d90aa11bb22cc33")); len(got) != 1 {
				t.Errorf("got %d events", len(got))
			}
		})
	}
}
