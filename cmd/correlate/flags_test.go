package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

func TestParseMoment(t *testing.T) {
	berlin := time.FixedZone("CET", 3600)
	now := time.Date(2026, 3, 2, 10, 30, 0, 0, berlin)
	for _, c := range []struct {
		in   string
		end  bool
		want string
	}{
		{"", false, "0001-01-01T00:00:00Z"},
		{"2h", false, "2026-03-02T08:30:00+01:00"},
		{"1d12h", false, "2026-02-28T22:30:00+01:00"},
		{"yesterday", false, "2026-03-01T00:00:00+01:00"},
		{"yesterday", true, "2026-03-02T00:00:00+01:00"},
		{"2026-03-01T12:00:00Z", false, "2026-03-01T12:00:00Z"},
		{"2026-03-01T12:00:00.5+02:00", true, "2026-03-01T12:00:00.5+02:00"},
	} {
		got, err := parseMoment(c.in, now, c.end)
		if err != nil || got.Format(time.RFC3339Nano) != c.want {
			t.Errorf("parseMoment(%q, %v) = %s, %v, want %s", c.in, c.end, got.Format(time.RFC3339Nano), err, c.want)
		}
	}
	for _, bad := range []string{"tomorrow", "2", "-2h", "2026-03-01", "12:00"} {
		if got, err := parseMoment(bad, now, false); err == nil {
			t.Errorf("parseMoment(%q) = %s", bad, got)
		}
	}
	if _, _, err := parseSpan("1h", "2h", now); err == nil {
		t.Error("a span that ends before it begins is let through")
	}
}

func TestParseAnchor(t *testing.T) {
	at := func(p string, n int) timeline.RecordAt { return timeline.RecordAt{Path: p, Line: n} }
	for in, want := range map[string]timeline.Anchor{
		"app-1/orders.log:12=db-1/postgresql.log.2.gz:7": {A: at("app-1/orders.log", 12), B: at("db-1/postgresql.log.2.gz", 7)},
		"./a:b/x=1.log:3=y=2:4.log:5":                    {A: at("a:b/x=1.log", 3), B: at("y=2:4.log", 5)},
		"C:/logs/a.log:12=D:/b.log:1":                    {A: at("C:/logs/a.log", 12), B: at("D:/b.log", 1)},
	} {
		if got, err := parseAnchor(in); err != nil || got != want {
			t.Errorf("parseAnchor(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "=", "a:1", "a:1=", "=b:1", "a=b", "a:1=b", "a:x=b:1", "a:0=b:1", "a:-1=b:1", ":1=b:1", "C:/a.log=b:1"} {
		if got, err := parseAnchor(bad); err == nil {
			t.Errorf("parseAnchor(%q) = %v", bad, got)
		} else if !strings.HasPrefix(err.Error(), "--anchor ") {
			t.Errorf("parseAnchor(%q): %v does not name the flag", bad, err)
		}
	}
}

// Sources that name one clock hand it on for all of their hosts.
func TestConfigClock(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a/one.log": "{}\n", "b/two.log": `{"time":"2026-03-01T12:00:07.415Z","msg":"x"}` + "\n", "c/three.log": `{"time":"2026-03-01T12:00:07.415Z","msg":"x"}` + "\n",
		"correlate.yaml": "sources:\n  - {source: b, host: app-1, clock: vm-7, clock_offset: 2s}\n  - {source: c, host: app-2, clock: vm-7, clock_offset: 2s}\n  - {source: a, host: app-3}\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var f sourceFlags
	f.add(&cobra.Command{})
	f.config = filepath.Join(dir, "correlate.yaml")
	src, err := f.open(t.Context(), streams{strings.NewReader(""), io.Discard, io.Discard}, nil, format.Builtin())
	if err != nil {
		t.Fatal(err)
	}
	defer src.close()
	o := src.options()
	if want := "map[app-1:vm-7 app-2:vm-7] map[app-1:2s app-2:2s]"; fmt.Sprint(o.Clocks, " ", o.Offsets) != want {
		t.Errorf("got %v %v, want %s", o.Clocks, o.Offsets, want)
	}
}

func TestParseStatus(t *testing.T) {
	for in, want := range map[string]string{
		"":             "[]",
		"500":          "[{500 500}]",
		"5xx,499":      "[{500 599} {499 499}]",
		"500-504, 4XX": "[{500 504} {400 499}]",
	} {
		if got, err := parseStatus(in); err != nil || fmt.Sprint(got) != want {
			t.Errorf("parseStatus(%q) = %v, %v, want %s", in, got, err, want)
		}
	}
	for _, bad := range []string{"abc", "5x", "6xx", "99", "504-500", "500,", "0500", "50x"} {
		if got, err := parseStatus(bad); err == nil {
			t.Errorf("parseStatus(%q) = %v", bad, got)
		}
	}
}

func TestParseZone(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]string{
		"": "12:00", "UTC": "12:00", "Europe/Berlin": "14:00", "+01:00": "13:00", "-0330": "08:30", "+02": "14:00",
	} {
		loc, err := parseZone(in)
		if err != nil {
			t.Errorf("parseZone(%q): %v", in, err)
			continue
		}
		if got := at.In(loc).Format("15:04"); got != want {
			t.Errorf("parseZone(%q) gives %s, want %s", in, got, want)
		}
	}
	for _, bad := range []string{"Mars/Base", "25", "+1"} {
		if loc, err := parseZone(bad); err == nil {
			t.Errorf("parseZone(%q) = %v", bad, loc)
		}
	}
}

func TestIsURL(t *testing.T) {
	for in, want := range map[string]bool{
		"file:///var/log": true, "loki+http://x/": true, "logs/a.log": false, "a:b": false, "://x": false, "lo gs://x": false, "-": false,
	} {
		if got := isURL(in); got != want {
			t.Errorf("isURL(%q) = %v", in, got)
		}
	}
}

func TestFindConfig(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "xdg"))
	t.Setenv("CORRELATE_CONFIG", "")
	check := func(flag, want string) {
		t.Helper()
		if got, err := findConfig(flag); err != nil || got != want {
			t.Errorf("findConfig(%q) = %q, %v, want %q", flag, got, err, want)
		}
	}
	write := func(path string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("sources: [{source: x}]\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	check("", "")
	xdg := filepath.Join(dir, "xdg", "correlate", "config.yaml")
	write(xdg)
	check("", xdg)
	write("correlate.yaml")
	check("", "correlate.yaml")
	t.Setenv("CORRELATE_CONFIG", "env.yaml")
	check("", "env.yaml")
	check("flag.yaml", "flag.yaml")
}

func TestLoadConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(`
sources:
  - source: logs
    name: shop
    zone: Europe/Berlin
    clock_offset: -3.2s
    role: app
    format: nginx_access
    services:
      - {files: "edge/*.log", service: edge, role: gateway}
  - source: /var/log/lb.log
`), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := loadConfig(path, format.Builtin())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.sources) != 2 {
		t.Fatalf("%d sources", len(c.sources))
	}
	s := c.sources[0]
	if s.source != filepath.Join(filepath.Dir(path), "logs") || s.Name != "shop" || s.Zone.String() != "Europe/Berlin" || s.ClockOffset != -3200*time.Millisecond ||
		s.Role != timeline.RoleApp || s.Format.Name != "nginx_access" || len(s.Services) != 1 || s.Services[0].Service != "edge" || c.roles["edge"] != timeline.RoleGateway {
		t.Errorf("got %+v, roles %v", s, c.roles)
	}
	if s := c.sources[1]; s.source != "/var/log/lb.log" || s.Name != "/var/log/lb.log" {
		t.Errorf("got %+v", s)
	}
}

func TestChooseSources(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{"a.log", "b.log"} {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	cfg := &config{file: "c.yaml"}
	for _, n := range []string{"shop", "edge"} {
		s := sourceConfig{source: "/logs/" + n}
		s.Name = n
		cfg.sources = append(cfg.sources, s)
	}
	for _, c := range []struct{ args, want string }{
		{"", "shop=/logs/shop; edge=/logs/edge"},
		{"edge", "edge=/logs/edge"},
		{"/logs/edge edge", "edge=/logs/edge"},
		{"a.log b.log", "a.log b.log=a.log b.log"},
		{"a.log gone.log loki+http://x/", "loki+http://x/=loki+http://x/; a.log=a.log; gone.log=gone.log"},
	} {
		got, err := chooseSources(cfg, strings.Fields(c.args))
		if err != nil {
			t.Fatal(err)
		}
		var parts []string
		for _, w := range got {
			parts = append(parts, w.Name+"="+strings.Join(w.names, " "))
		}
		if s := strings.Join(parts, "; "); s != c.want {
			t.Errorf("chooseSources(%q) = %q, want %q", c.args, s, c.want)
		}
	}
	if _, err := chooseSources(&config{}, nil); err == nil {
		t.Error("no source and no configuration: no error")
	}
}
