package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"go.yaml.in/yaml/v4"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/internal/strictyaml"
	"github.com/correlatehq/correlate/timeline"
)

// configFile is the configuration file as written.
type configFile struct {
	Sources []configSource `yaml:"sources"`
	Rules   configPaths    `yaml:"rules"` // directories with rules of one's own
}

// configPaths are paths, written as one or as a list.
type configPaths []string

// UnmarshalYAML reads a text or a list of texts.
func (p *configPaths) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*p = configPaths{n.Value}
		return nil
	}
	return n.Decode((*[]string)(p))
}

type configSource struct {
	Source      string          `yaml:"source"` // as on the command line; a path is relative to the file's folder
	Name        string          `yaml:"name"`
	Host        string          `yaml:"host"` // whose clock stamped the records
	Services    []configService `yaml:"services"`
	Role        string          `yaml:"role"`
	Zone        string          `yaml:"zone"`
	Clock       string          `yaml:"clock"` // of sources that name the same one the hosts share a clock
	ClockOffset string          `yaml:"clock_offset"`
	Format      string          `yaml:"format"`
	LogFormat   *configString   `yaml:"log_format"`  // how a server was told to write them
	FromConfig  string          `yaml:"from_config"` // the server's configuration that says so

	configNetwork `yaml:",inline"`
}

type configString struct {
	Dialect string `yaml:"dialect"`
	String  string `yaml:"string"`
}

type configService struct {
	Files   string `yaml:"files"` // glob
	Service string `yaml:"service"`
	Role    string `yaml:"role"`
}

// config is the configuration, checked.
type config struct {
	file    string // "" if there is none
	sources []sourceConfig
	rules   []string                 // directories
	roles   map[string]timeline.Role // service.name -> role
	notes   []string                 // what is not as it should be and stops nothing
}

// A sourceConfig is one source of the configuration.
type sourceConfig struct {
	source string // to open
	ingest.Config
}

// findConfig gives the configuration file to read, "" if there is none.
func findConfig(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if env := os.Getenv("CORRELATE_CONFIG"); env != "" {
		return env, nil
	}
	candidates := []string{"correlate.yaml"}
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		candidates = append(candidates, filepath.Join(dir, "correlate", "config.yaml"))
	} else if home, err := os.UserHomeDir(); err == nil {
		candidates = append(candidates, filepath.Join(home, ".config", "correlate", "config.yaml"))
	}
	for _, c := range candidates {
		_, err := os.Stat(c)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("open %s: %w", c, bare(err))
		}
	}
	return "", nil
}

// loadConfig reads the configuration, if there is one. All that is wrong in it is
// told at once, each with its place.
func loadConfig(flag string, formats *format.Set) (*config, error) {
	file, err := findConfig(flag)
	if err != nil || file == "" {
		return &config{}, err
	}
	c := &config{file: file, roles: map[string]timeline.Role{}}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, bare(err))
	}
	var f configFile
	root, err := strictyaml.Decode(c.file, data, &f)
	if err != nil {
		return nil, err
	}
	k := &configChecker{file: c.file, root: root, clocks: map[string]time.Duration{}}
	for i, dir := range f.Rules {
		switch {
		case dir == "":
			k.at([]string{"rules", strconv.Itoa(i)}, "no directory")
		case filepath.IsAbs(dir):
			c.rules = append(c.rules, dir)
		default:
			c.rules = append(c.rules, filepath.Join(filepath.Dir(k.file), dir))
		}
	}
	if len(f.Sources) == 0 && len(f.Rules) == 0 {
		k.at([]string{"sources"}, "no sources: list at least one, as '- source: PATH'")
	}
	names := map[string]bool{}
	for i, s := range f.Sources {
		c.sources = append(c.sources, k.source(i, s, formats, names, c.roles))
	}
	if len(k.errs) > 0 {
		return nil, errors.Join(k.errs...)
	}
	c.notes = k.notes
	return c, nil
}

// A configChecker gathers the complaints about a configuration file.
type configChecker struct {
	file   string
	root   *yaml.Node
	errs   []error
	notes  []string
	clocks map[string]time.Duration // name of a clock -> the offset that a source said
}

func (k *configChecker) at(path []string, format string, args ...any) {
	k.errs = append(k.errs, strictyaml.At(k.file, k.root, path, format, args...))
}

func (k *configChecker) source(i int, s configSource, formats *format.Set, names map[string]bool, roles map[string]timeline.Role) sourceConfig {
	at := func(field ...string) []string { return append([]string{"sources", strconv.Itoa(i)}, field...) }
	out := sourceConfig{source: s.Source, Config: ingest.Config{Name: s.Name, Host: s.Host, Clock: s.Clock}}
	switch {
	case s.Source == "":
		k.at(at("source"), "no source: a file, a directory, a glob or a URL")
	case s.Source == "-":
		k.at(at("source"), "standard input cannot stand in a configuration")
	case !isURL(s.Source) && !filepath.IsAbs(s.Source):
		out.source = filepath.Join(filepath.Dir(k.file), s.Source)
		if out.Name == "" {
			out.Name = s.Source
		}
	}
	if out.Name == "" {
		out.Name = out.source
	}
	if names[out.Name] {
		k.at(at("name"), "the name %q is taken by another source", out.Name)
	}
	names[out.Name] = true
	for j, m := range s.Services {
		sub := func(field string) []string { return at("services", strconv.Itoa(j), field) }
		if m.Files == "" || !doublestar.ValidatePattern(m.Files) {
			k.at(sub("files"), "%q is not a glob of files", m.Files)
		}
		if m.Service == "" {
			k.at(sub("service"), "no service: say of which service the files are")
		}
		role, err := timeline.ParseRole(m.Role)
		if err != nil {
			k.at(sub("role"), "%v", err)
		}
		if role != timeline.RoleUnknown {
			roles[m.Service] = role
		}
		out.Services = append(out.Services, ingest.ServiceName{Pattern: m.Files, Service: m.Service})
	}
	var err error
	if out.Role, err = timeline.ParseRole(s.Role); err != nil {
		k.at(at("role"), "%v", err)
	}
	if s.Zone != "" {
		if out.Zone, err = parseZone(s.Zone); err != nil {
			k.at(at("zone"), "%v: a name such as Europe/Berlin, local, UTC, or an offset such as +01:00", err)
		}
	}
	if s.ClockOffset != "" {
		if out.ClockOffset, err = time.ParseDuration(s.ClockOffset); err != nil {
			k.at(at("clock_offset"), "%q is not a duration such as -3.2s or 1h", s.ClockOffset)
		}
		if s.Clock != "" {
			if d, ok := k.clocks[s.Clock]; ok && d != out.ClockOffset {
				k.at(at("clock_offset"), "the clock %q is off by %s at another source", s.Clock, d)
			}
			k.clocks[s.Clock] = out.ClockOffset
		}
	}
	if s.Format != "" {
		if out.Format = formats.Lookup(s.Format); out.Format == nil {
			k.at(at("format"), "unknown format %q: correlate formats list names them", s.Format)
		}
	}
	if native := k.native(s, at); len(native) > 0 {
		out.Formats = formats.With(native...)
	}
	k.network(s, &out, at)
	return out
}

// native gives the formats of the server's own strings that a source names.
func (k *configChecker) native(s configSource, at func(...string) []string) []*format.Format {
	var out []*format.Format
	add := func(us ...*format.Understood) {
		for _, u := range us {
			out = append(out, u.Formats...)
		}
	}
	if s.Format != "" && (s.LogFormat != nil || s.FromConfig != "") {
		k.at(at("format"), "format and a server's own string exclude each other")
	}
	if l := s.LogFormat; l != nil {
		u, err := format.Native("", l.Dialect, l.String)
		if err != nil {
			k.at(at("log_format"), "%v", err)
		} else {
			add(u)
		}
	}
	if s.FromConfig != "" {
		file := s.FromConfig
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(k.file), file)
		}
		us, err := readServerConfig(file)
		switch {
		case err != nil && len(us) == 0:
			k.at(at("from_config"), "%v", err)
		case err != nil:
			k.notes = append(k.notes, strings.Split(err.Error(), "\n")...)
		}
		add(us...)
	}
	return out
}

// bare takes operation and path from an error of package os: what is said around it
// names them already.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// isURL says whether a source is written as a URL. On Windows a drive letter is no scheme.
func isURL(s string) bool {
	scheme, _, ok := strings.Cut(s, "://")
	if !ok || scheme == "" || runtime.GOOS == "windows" && len(scheme) == 1 {
		return false
	}
	return !slices.ContainsFunc([]rune(scheme), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '+' && r != '-' && r != '.'
	})
}

func hasPassword(u *url.URL) bool {
	_, ok := u.User.Password()
	return ok
}

func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, ingest.WithHint(fmt.Errorf("open %s: it is not a URL that can be read", s), "percent-encode what is special in it")
	}
	return u, nil
}
