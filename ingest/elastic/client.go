package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/correlatehq/correlate/ingest"
)

// maxAnswer bounds the bytes of one answer.
const maxAnswer = 512 << 20

// errDryRun says that a query was told and not sent.
var errDryRun = errors.New("a dry run sends no query")

// Perform sends a request of go-elasticsearch's API to the address of the cluster that answered last. The
// path of the request is below that of the address.
func (s *Source) Perform(req *http.Request) (*http.Response, error) {
	base := s.addresses[s.address.Load()]
	u := *base
	u.User = nil
	u.Path = base.Path + req.URL.Path
	if req.URL.RawPath != "" {
		u.RawPath = base.EscapedPath() + req.URL.RawPath
	}
	u.RawQuery = req.URL.RawQuery
	req.URL, req.Host = &u, u.Host
	if name := s.addresses[0].User.Username(); name != "" {
		req.SetBasicAuth(name, "")
	}
	return s.client.Do(req)
}

// ask sends one request and reads the answer's JSON into answer.
func (s *Source) ask(ctx context.Context, method, path string, params url.Values, body, answer any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	return s.send(ctx, func() (*esapi.Response, error) {
		req, err := http.NewRequestWithContext(ctx, method, "http://cluster"+path, bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		if body == nil {
			req.Body, req.GetBody, req.ContentLength = nil, nil, 0
		} else {
			req.Header.Set("Content-Type", "application/json")
		}
		req.URL.RawQuery = params.Encode()
		resp, err := s.Perform(req)
		if err != nil {
			return nil, err
		}
		return &esapi.Response{StatusCode: resp.StatusCode, Header: resp.Header, Body: resp.Body}, nil
	}, answer)
}

// send sends what do sends and reads the answer's JSON into answer.
func (s *Source) send(ctx context.Context, do func() (*esapi.Response, error), answer any) error {
	return s.anywhere(ctx, func() error {
		resp, err := do()
		if err != nil {
			return err
		}
		return s.read(ctx, resp.StatusCode, resp.Body, answer)
	})
}

// anywhere asks by do, and where the address does not answer whole the next ones, each once.
func (s *Source) anywhere(ctx context.Context, do func() error) error {
	for n := 1; ; n++ {
		at := s.address.Load()
		err := do()
		if err == nil || n == len(s.addresses) || ctx.Err() != nil {
			return err
		}
		if e, ok := errors.AsType[*ingest.AnswerError](err); ok && e.Status < http.StatusBadGateway {
			return err // as any other would answer
		}
		next := (at + 1) % int32(len(s.addresses))
		if s.address.CompareAndSwap(at, next) {
			s.log.Info("asking at another address", "source", s.name, "address", s.addresses[next].Redacted(), "err", err)
		}
	}
}

// read reads the JSON of an answer and closes its body.
func (s *Source) read(ctx context.Context, status int, body io.ReadCloser, answer any) error {
	defer body.Close()
	if status/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(body, 64<<10))
		return &ingest.AnswerError{Status: status, Text: reason(text)}
	}
	limited := &io.LimitedReader{R: body, N: maxAnswer}
	err := json.NewDecoder(limited).Decode(answer)
	switch {
	case err == nil:
		// What is left, a newline, lets the connection be used again.
		_, _ = io.CopyN(io.Discard, body, 4<<10)
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case limited.N == 0:
		return fmt.Errorf("an answer is longer than %d MiB", maxAnswer>>20)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the answer broke off")
	}
	return fmt.Errorf("read answer: %w", err)
}

// A failure is how the servers word what went wrong.
type failure struct {
	Type      string    `json:"type"`
	Reason    string    `json:"reason"`
	RootCause []failure `json:"root_cause"`
	CausedBy  *failure  `json:"caused_by"`
	Shards    []struct {
		Reason failure `json:"reason"`
	} `json:"failed_shards"`
}

// String gives the reason at the root.
func (f failure) String() string {
	for {
		switch {
		case len(f.Shards) > 0 && f.Shards[0].Reason.Type != "":
			f = f.Shards[0].Reason
		case f.CausedBy != nil && f.CausedBy.Reason != "":
			f = *f.CausedBy
		case len(f.RootCause) > 0 && f.RootCause[0].Reason != "" && f.RootCause[0].Reason != f.Reason:
			f = f.RootCause[0]
		case f.Reason == "":
			return f.Type
		default:
			return f.Type + ": " + f.Reason
		}
	}
}

// reason takes the words out of an answer that is an error, else its beginning.
func reason(text []byte) string {
	var answer struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(text, &answer) == nil && len(answer.Error) > 0 {
		var f failure
		if json.Unmarshal(answer.Error, &f) == nil {
			return cut(f.String())
		}
		var s string
		if json.Unmarshal(answer.Error, &s) == nil {
			return cut(s)
		}
	}
	return cut(strings.Join(strings.Fields(string(bytes.ToValidUTF8(text, nil))), " "))
}

// cut shortens a text to what fits in a message.
func cut(s string) string {
	const most = 400
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + " ..."
	}
	return s
}

// identify finds out which product answers, and its version if it tells it. Where the
// configuration says the flavor, that holds; else GET / tells it, and where that is not
// served the header that only Elasticsearch sends.
func (s *Source) identify(ctx context.Context, scheme string) (product, error) {
	p := product{flavor: s.config.Flavor}
	var resp *esapi.Response
	var text []byte
	err := s.anywhere(ctx, func() (err error) {
		if resp, err = (esapi.InfoRequest{}).Do(ctx, s); err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err = io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		return err
	})
	if err != nil {
		return p, err
	}
	var info struct {
		Version struct {
			Distribution string `json:"distribution"`
			Number       string `json:"number"`
		} `json:"version"`
	}
	switch {
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden && p.flavor == "":
		return p, &ingest.AnswerError{Status: resp.StatusCode, Text: reason(text)}
	case resp.StatusCode/100 == 2:
		if json.Unmarshal(text, &info) == nil {
			p.version = info.Version.Number
		}
	}
	found := ""
	switch {
	case info.Version.Distribution == OpenSearch:
		found = OpenSearch
	case resp.Header.Get("X-Elastic-Product") == "Elasticsearch":
		found = Elasticsearch
	}
	switch {
	case p.flavor == "" && found == "":
		return p, ingest.WithHint(errors.New("neither Elasticsearch nor OpenSearch answers there"),
			"if it is one of them behind a proxy, say flavor: elasticsearch or flavor: opensearch in correlate.yaml")
	case p.flavor == "":
		p.flavor = found
	case found != "" && found != p.flavor:
		return p, fmt.Errorf("flavor is %s, and %s answers", p.flavor, found)
	}
	if p.version == "" {
		p.version = s.nodeVersion(ctx)
	}
	if scheme != p.flavor && s.config.Flavor == "" {
		s.log.Debug("the scheme names another product", "source", s.name, "scheme", scheme, "answers", p.flavor)
	}
	return p, nil
}

// nodeVersion asks the nodes where GET / is not served; "" if they do not tell.
func (s *Source) nodeVersion(ctx context.Context) string {
	var nodes struct {
		Nodes map[string]struct {
			Version string `json:"version"`
		} `json:"nodes"`
	}
	if err := s.ask(ctx, http.MethodGet, "/_nodes/_local/info", url.Values{"filter_path": {"nodes.*.version"}}, nil, &nodes); err != nil {
		return ""
	}
	for _, n := range nodes.Nodes {
		return n.Version
	}
	return ""
}
