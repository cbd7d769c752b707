// Package ingest says what it takes to be a source of events: a [Scheme] that opens
// a URL with its part of the configuration.
//
// Each source is one folder below; ingest/format, ingest/otlp and ingest/sourcetest
// are what sources share. The list of schemes stands in cmd/correlate/sources.go,
// the interface that sources fulfil in package timeline. Every source is held to it
// by sourcetest.Run.
//
// A source over the network makes its client with [NewClient], which has the user's
// TLS and credentials and asks again where a server is busy, reports answers that are
// errors by [CheckAnswer], and shows its queries by [Config.Query].
package ingest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/prometheus/common/config"

	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

// A Scheme opens the sources whose URL scheme is Name, with their part of the
// configuration. If the source has a method Close, who opened it calls it at the end.
type Scheme struct {
	Name, Doc string
	// Network says that the source asks a server: who opens it bounds the time for that, and
	// the time range if the user gave none.
	Network bool
	// Cluster says that it may have several addresses (see Config.URLs).
	Cluster bool
	Open    func(ctx context.Context, u *url.URL, c Config) (timeline.Source, error)
}

// Config is what the user says of one source. The zero Config says nothing, but a
// source that reads text needs Formats.
type Config struct {
	// Name is the one by which positions and results speak of the source; "" is
	// what the user named it by.
	Name string
	// Services name the services of the source's streams; the first pattern that
	// matches wins.
	Services []ServiceName
	// Host is the one whose clock stamped the source's records; "" to find it. Records
	// that name their own host are believed all the same.
	Host string
	// Role is that of all the source's services; RoleUnknown leaves it to the software.
	Role timeline.Role
	// Zone is that of stamps that write none; nil if it is not known.
	Zone *time.Location
	// Clock names the clock that the source's hosts share with those of all sources that name
	// the same one; "" is a clock for each host. As with ClockOffset, who opens the source hands it on.
	Clock string
	// ClockOffset is how far the stamps of the source's hosts are ahead, as the user
	// says. No source applies it, as raw times are never changed: who opens the
	// source hands it, for each of its [Hosts], to the clock model.
	ClockOffset time.Duration
	// Formats are the log formats to look for.
	Formats *format.Set
	// Format is the one in which all streams of the source are written; nil to detect it.
	Format *format.Format
	// Stdin is what "-" reads.
	Stdin io.Reader
	// MaxRecord is the size in bytes above which a record is cut; 0 is 1 MiB.
	MaxRecord int

	// Index is the directory in which indexes of log files stand; "" is beside the files.
	Index string
	// Note is told what the user should know beside the result, as one line; nil is nobody. It may be called from
	// several goroutines.
	Note func(string)

	// What follows is for sources over the network.

	// HTTP is how the server is reached: TLS, credentials, headers, proxy; nil is the default.
	// Its secrets stand in files, or by a name that ends in _ref in environment variables.
	HTTP *config.HTTPClientConfig
	// URLs are further addresses of the same cluster, without index or query. They are asked where
	// the one of the source does not answer.
	URLs []*url.URL
	// Flavor is the product that answers, where several speak nearly the same ("opensearch");
	// "" to find it.
	Flavor string
	// Fields are the names under which the server keeps what OpenTelemetry's names, "body" and
	// "time" stand for, the first that exists in a record first. What is not named is found.
	Fields map[string][]string
	// Timeout is how long the source may let others wait in all; 0 is without bound. As with
	// ClockOffset, who opens the source hands it on (see timeline.Named).
	Timeout time.Duration
	// Since is how far back the source looks where a filter has no From; 0 is without bound.
	// A source that left out something for it says so in its Info.
	Since time.Duration
	// DryRun says to send no query but those that find out what there is to ask (the
	// server's version, a mapping): each query goes to Query only.
	DryRun bool
	// Query is told every query before it is sent; nil to tell none. It may be called from
	// several goroutines.
	Query func(Query)
	// Log is told what a user who looks for a fault wants to know; nil is nobody.
	Log *slog.Logger
}

// WhatOlder begins what a source says it left out for [Config.Since].
const WhatOlder = "left out: what is older"

// A Query is one that a source sends to its server, without credentials.
type Query struct {
	Method string
	Path   string // with the URL's query
	Body   []byte // JSON; nil if there is none
}

// A Pinger is a source that can be asked whether it would answer. What it says, in a
// few words, is for people: product, version, how much there is.
type Pinger interface {
	Ping(ctx context.Context) (string, error)
}

// A ServiceName says that the streams that Pattern matches are those of Service.
// Pattern is a glob in which ** crosses directories; without a slash it is matched
// against the last part of a stream's path.
type ServiceName struct{ Pattern, Service string }

// Service gives the service that the configuration names for a stream with these paths; "" if it names none.
func (c Config) Service(paths ...string) string {
	for _, s := range c.Services {
		for _, p := range paths {
			if !strings.Contains(s.Pattern, "/") {
				p = path.Base(p)
			}
			if p != "" && doublestar.MatchUnvalidated(s.Pattern, p) {
				return s.Service
			}
		}
	}
	return ""
}

// WhatCut is what a RecordError says of a record that was cut; limit is MaxRecord of
// its [Config] in bytes.
func WhatCut(limit int) string {
	if limit <= 0 {
		limit = 1 << 20
	}
	if limit%(1<<20) == 0 {
		return fmt.Sprintf("record cut at %d MiB", limit>>20)
	}
	if limit%(1<<10) == 0 {
		return fmt.Sprintf("record cut at %d KiB", limit>>10)
	}
	return fmt.Sprintf("record cut at %d bytes", limit)
}

// Hosts is fulfilled by a source that knows, once it is open, by which hosts its
// events are stamped. Hosts that only single records name may be missing.
type Hosts interface {
	Hosts() []string // sorted
}

// A Hinter is an error that says what to try.
type Hinter interface {
	error
	Hint() string
}

// WithHint gives err a hint, which [Hinter] finds with errors.As. The hint is a
// sentence without capital and full stop.
func WithHint(err error, hint string) error { return &hinted{err, hint} }

type hinted struct {
	error
	hint string
}

func (h *hinted) Hint() string  { return h.hint }
func (h *hinted) Unwrap() error { return h.error }
