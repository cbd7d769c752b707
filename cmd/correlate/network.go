package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v4"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/report"
)

// configNetwork is what a configuration says of a source over the network.
type configNetwork struct {
	Flavor  string                       `yaml:"flavor"` // of the server, where several products speak nearly the same
	URLs    []string                     `yaml:"urls"`   // further addresses of the same cluster
	Timeout string                       `yaml:"timeout"`
	Since   string                       `yaml:"since"`  // how far back it is asked if nothing is said
	Fields  map[string]configNames       `yaml:"fields"` // OpenTelemetry's name -> the server's
	HTTP    *promconfig.HTTPClientConfig `yaml:"http"`
}

// configNames are one name or a list of them.
type configNames []string

// UnmarshalYAML reads both.
func (c *configNames) UnmarshalYAML(n *yaml.Node) error {
	var list []string
	if n.Kind == yaml.ScalarNode {
		list = []string{n.Value}
	} else if err := n.Decode(&list); err != nil {
		return err
	}
	if len(list) == 0 || slices.Contains(list, "") {
		return errors.New("the name of a field of the server stands here, or a list of them")
	}
	*c = list
	return nil
}

// schemeOf gives the scheme of a source, nil if there is none such.
func schemeOf(source string) *ingest.Scheme {
	name, _, _ := strings.Cut(source, "://")
	for i := range schemes {
		if isURL(source) && schemes[i].Name == strings.ToLower(name) {
			return &schemes[i]
		}
	}
	return nil
}

// network reads what the configuration says of a source over the network.
func (k *configChecker) network(s configSource, out *sourceConfig, at func(...string) []string) {
	scheme := schemeOf(s.Source)
	if scheme == nil || !scheme.Network {
		for _, f := range []struct {
			name string
			said bool
		}{{"flavor", s.Flavor != ""}, {"urls", len(s.URLs) > 0}, {"timeout", s.Timeout != ""}, {"since", s.Since != ""}, {"fields", len(s.Fields) > 0}, {"http", s.HTTP != nil}} {
			if f.said {
				k.at(at(f.name), "%s is for a source that is a server", f.name)
			}
		}
		return
	}
	if u, err := parseURL(s.Source); err == nil && hasPassword(u) {
		k.at(at("source"), "a password does not stand in a URL: basic_auth under http has password_file and password_ref")
	}
	out.Flavor = s.Flavor
	for i, address := range s.URLs {
		if u := k.address(address, scheme, at("urls", strconv.Itoa(i))); u != nil {
			out.URLs = append(out.URLs, u)
		}
	}
	out.Timeout = k.duration(s.Timeout, at("timeout"))
	out.Since = k.duration(s.Since, at("since"))
	if len(s.Fields) > 0 {
		out.Fields = map[string][]string{}
	}
	for name, fields := range maps.All(s.Fields) {
		out.Fields[name] = fields
	}
	if s.HTTP != nil {
		s.HTTP.SetDirectory(filepath.Dir(k.file))
		out.HTTP = s.HTTP
	}
}

// address reads a further address of a cluster; nil if it is none.
func (k *configChecker) address(s string, scheme *ingest.Scheme, at []string) *url.URL {
	u, err := url.Parse(s)
	switch {
	case !scheme.Cluster:
		k.at(at, "a source of %s has one address", scheme.Name)
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		k.at(at, "%q is not an address such as https://logs-2.example:9200", s)
	case u.User != nil:
		k.at(at, "credentials stand under http, and are those of all addresses")
	default:
		return u
	}
	return nil
}

// duration reads a duration such as 90s or 7d; "" is 0.
func (k *configChecker) duration(s string, at []string) time.Duration {
	if s == "" {
		return 0
	}
	d, err := model.ParseDuration(s)
	if err != nil || d == 0 {
		k.at(at, "%q is not a duration such as 90s, 24h or 7d", s)
	}
	return time.Duration(d)
}

// printQuery writes the queries of a dry run, each as what can be sent by hand.
func printQuery(s streams, source string, one *sync.Mutex) func(ingest.Query) {
	return func(q ingest.Query) {
		one.Lock()
		defer one.Unlock()
		fmt.Fprintf(s.out, "# %s\n%s %s\n", report.Visible(source), q.Method, report.Visible(q.Path))
		text := string(q.Body)
		var indented bytes.Buffer
		if json.Indent(&indented, q.Body, "", "  ") == nil { // what is several queries has one a line
			text = indented.String()
		}
		for line := range strings.Lines(text) {
			fmt.Fprintln(s.out, report.Visible(strings.TrimSuffix(line, "\n")))
		}
	}
}
