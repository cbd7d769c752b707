package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/config"
)

// busyServer answers with the statuses in turn, the last one for ever.
type busyServer struct {
	statuses []int
	header   http.Header
	asked    atomic.Int64
	bodies   []string
}

func (b *busyServer) RoundTrip(r *http.Request) (*http.Response, error) {
	n := int(b.asked.Add(1))
	body := ""
	if r.Body != nil {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = string(text)
	}
	b.bodies = append(b.bodies, body)
	status := b.statuses[min(n, len(b.statuses))-1]
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: status, Header: b.header, Body: io.NopCloser(strings.NewReader("busy\n"))}, nil
}

func TestRetries(t *testing.T) {
	for _, c := range []struct {
		statuses []int
		header   http.Header
		status   int
		asked    int64
		least    time.Duration
		most     time.Duration
	}{
		{statuses: []int{200}, status: 200, asked: 1},
		{statuses: []int{404}, status: 404, asked: 1},
		{statuses: []int{500}, status: 500, asked: 1},
		{statuses: []int{429, 503, 200}, status: 200, asked: 3, least: 600 * time.Millisecond, most: 900 * time.Millisecond},
		{statuses: []int{429}, status: 429, asked: maxTries, least: 6 * time.Second, most: 10 * time.Second},
		{statuses: []int{503, 200}, header: http.Header{"Retry-After": {"7"}}, status: 200, asked: 2, least: 7 * time.Second, most: 7 * time.Second},
		{statuses: []int{503, 200}, header: http.Header{"Retry-After": {"86400"}}, status: 200, asked: 2, least: maxPause, most: maxPause},
		{statuses: []int{0, 200}, status: 200, asked: 2, least: 200 * time.Millisecond, most: 300 * time.Millisecond},
		{statuses: []int{0}, asked: netTries, least: 600 * time.Millisecond, most: 900 * time.Millisecond},
	} {
		t.Run(fmt.Sprint(c.statuses, c.header), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, err := NewClient(Config{})
				if err != nil {
					t.Fatal(err)
				}
				server := &busyServer{statuses: c.statuses, header: c.header}
				client.Transport.(*retrier).next = server
				begun := time.Now()
				status := 0
				resp, err := client.Post("http://logs.example/", "application/json", strings.NewReader("{}"))
				if err == nil {
					status = resp.StatusCode
					resp.Body.Close()
				}
				took := time.Since(begun)
				if status != c.status || server.asked.Load() != c.asked || took < c.least || took > c.most {
					t.Errorf("got status %d (%v) after %d tries in %s, want %d after %d in %s to %s", status, err, server.asked.Load(), took, c.status, c.asked, c.least, c.most)
				}
				for _, b := range server.bodies {
					if b != "{}" {
						t.Errorf("a try sent the body %q", b)
					}
				}
			})
		})
	}
}

func TestRetryEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := NewClient(Config{})
		if err != nil {
			t.Fatal(err)
		}
		client.Transport.(*retrier).next = &busyServer{statuses: []int{503}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://logs.example/", nil)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		_, err = client.Do(req)
		if took := time.Since(begun); took != time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended after %s with %v, want the context's error after 1s", took, err)
		}
	})
}

// TestCredentials shows that secrets come from the environment, and that an answer of
// a real server says what is wrong.
func TestCredentials(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "ApiKey abc" || r.Header.Get("X-Team") != "shop" {
			http.Error(w, "who are\nyou?", http.StatusUnauthorized)
		}
	}))
	defer s.Close()
	t.Setenv("LOGS_API_KEY", "abc")
	for _, c := range []struct{ config, want string }{
		{"authorization: {type: ApiKey, credentials_ref: LOGS_API_KEY}\nhttp_headers: {X-Team: {values: [shop]}}", ""},
		{"authorization: {type: ApiKey, credentials: abd}", "the server answered 401 Unauthorized: who are you?"},
		{"authorization: {type: ApiKey, credentials_ref: NO_SUCH_VARIABLE}", "the environment variable NO_SUCH_VARIABLE is not set"},
		{"authorization: {credentials_file: /no/such/file}", "no such file"},
	} {
		h, err := config.LoadHTTPConfig(c.config)
		if err != nil {
			t.Fatal(err)
		}
		client, err := NewClient(Config{HTTP: h})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Get(s.URL)
		if err == nil {
			err = CheckAnswer(resp)
		}
		if err == nil {
			resp.Body.Close()
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.config, err, c.want)
		}
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	client, err := NewClient(Config{})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Get("http://" + addr + "/")
	if err == nil {
		resp.Body.Close()
		t.Fatal("a closed port answers")
	}
	if got := Unreachable(err).Error(); !strings.Contains(got, "connection refused") || strings.Contains(got, "Get ") {
		t.Errorf("got %q", got)
	}
}
