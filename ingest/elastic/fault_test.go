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
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
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
	// This distribution makes no API keys: it lacks the analysis that their index needs.
	t.Setenv("LOGS_API_KEY", base64.StdEncoding.EncodeToString([]byte("id:secret")))
	t.Setenv("LOGS_PASSWORD", password)
	for name, c := range map[string]struct{ http, want string }{
		"password":        {ca + "basic_auth: {username: me, password_file: " + file("password", password) + "}", ""},
		"environment":     {ca + "basic_auth: {username: me, password_ref: LOGS_PASSWORD}", ""},
		"header":          {ca + "basic_auth: {username: me, password_ref: LOGS_PASSWORD}\nhttp_headers: {X-Team: {values: [shop]}}", ""},
		"unknown API key": {ca + "authorization: {type: ApiKey, credentials_ref: LOGS_API_KEY}", "401 Unauthorized"},
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
