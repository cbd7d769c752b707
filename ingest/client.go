package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/config"
)

// NewClient makes the client by which a source asks its server, with TLS, credentials,
// headers and proxy of c.HTTP. A request whose body can be sent again is repeated, with
// growing pauses, where the server says that it is busy (429, 502, 503, after the time
// that it names) or no connection can be had.
//
// A source only reads, so every request of the client may be repeated.
func NewClient(c Config) (*http.Client, error) {
	h := config.DefaultHTTPClientConfig
	if c.HTTP != nil {
		h = *c.HTTP
	}
	if err := h.Validate(); err != nil {
		return nil, err
	}
	client, err := config.NewClientFromConfig(h, "source", config.WithUserAgent("correlate"), config.WithSecretManager(environment{}))
	if err != nil {
		return nil, err
	}
	log := c.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	client.Transport = &retrier{next: client.Transport, log: log.With("source", c.Name)}
	return client, nil
}

// environment gives the secrets that a configuration names by _ref.
type environment struct{}

// Fetch gives the value of the environment variable.
func (environment) Fetch(_ context.Context, name string) (string, error) {
	v, ok := os.LookupEnv(name)
	if !ok {
		return "", fmt.Errorf("the environment variable %s is not set", name)
	}
	return v, nil
}

// The pauses between the tries of one request: the first, doubled each time, and the
// longest that a server may ask for.
const (
	maxTries   = 6
	firstPause = 200 * time.Millisecond
	maxPause   = 30 * time.Second
	netTries   = 3 // where no connection can be had
)

// A Backoff says how long to wait between the tries of one request that a busy server refused. The zero
// Backoff is ready for use.
type Backoff struct{ tries int }

// Pause gives the time to wait before the next try, and whether there is one.
func (b *Backoff) Pause() (time.Duration, bool) {
	if b.tries++; b.tries >= maxTries {
		return 0, false
	}
	pause := firstPause << (b.tries - 1)
	return pause + rand.N(pause/2), true
}

// Wait waits that time. It is false if no try is left or ctx has ended.
func (b *Backoff) Wait(ctx context.Context) bool {
	pause, ok := b.Pause()
	if !ok {
		return false
	}
	select {
	case <-time.After(pause):
		return true
	case <-ctx.Done():
		return false
	}
}

// A retrier repeats requests.
type retrier struct {
	next http.RoundTripper
	log  *slog.Logger
}

// RoundTrip sends the request until an answer stands.
func (r *retrier) RoundTrip(req *http.Request) (*http.Response, error) {
	var backoff Backoff
	for try := 1; ; try++ {
		if try > 1 && req.Body != nil {
			body, err := req.GetBody()
			if err != nil {
				return nil, err
			}
			req = req.Clone(req.Context())
			req.Body = body
		}
		resp, err := r.next.RoundTrip(req)
		wait, more := backoff.Pause()
		again := more && (err != nil && try < netTries || err == nil && busy(resp.StatusCode))
		if !again || req.Context().Err() != nil || req.Body != nil && req.GetBody == nil {
			return resp, err
		}
		if err != nil {
			r.log.Debug("no answer, asking again", "url", req.URL.Redacted(), "err", err, "in", wait)
		} else {
			if said := retryAfter(resp.Header, time.Now()); said > 0 {
				wait = min(said, maxPause)
			}
			r.log.Debug("the server is busy, asking again", "url", req.URL.Redacted(), "status", resp.StatusCode, "in", wait)
			// Read what is left, so that the connection can be used again.
			_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
			resp.Body.Close()
		}
		select {
		case <-time.After(wait):
		case <-req.Context().Done():
			return nil, context.Cause(req.Context())
		}
	}
}

// CloseIdleConnections closes those of the transport below.
func (r *retrier) CloseIdleConnections() {
	if c, ok := r.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func busy(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable || status == http.StatusBadGateway
}

// retryAfter gives what the Retry-After field says, in seconds or as a date (RFC 9110,
// 10.2.3); 0 if it says nothing.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		return time.Duration(min(n, int(maxPause/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// An AnswerError is an answer of a server that is not the one asked for.
type AnswerError struct {
	Status int
	Text   string // the beginning of its body, on one line
}

func (e *AnswerError) Error() string {
	s := fmt.Sprintf("the server answered %d", e.Status)
	if t := http.StatusText(e.Status); t != "" {
		s += " " + t
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// Hint says what to look at.
func (e *AnswerError) Hint() string {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "credentials stand under http: of the source in correlate.yaml, as files or names of environment variables"
	case http.StatusNotFound:
		return "is this the address and the kind of the server?"
	}
	return ""
}

// CheckAnswer gives an *AnswerError, and closes the body, if the status of the answer is not 2xx.
func CheckAnswer(resp *http.Response) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 2<<10))
	return &AnswerError{resp.StatusCode, strings.Join(strings.Fields(string(bytes.ToValidUTF8(text, nil))), " ")}
}

// Unreachable takes from an error of a client what results say anyway: method and URL.
func Unreachable(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// maxAnswer bounds an answer that is read as a whole.
const maxAnswer = 512 << 20

// Read sends a request and gives the whole body of its answer, which is bounded. A status that is not 2xx is
// an *AnswerError; other errors say what broke it.
func Read(client *http.Client, req *http.Request) ([]byte, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, Unreachable(err)
	}
	if err := CheckAnswer(resp); err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", Unreachable(err))
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("an answer of more than %d MiB", maxAnswer>>20)
	}
	return body, nil
}
