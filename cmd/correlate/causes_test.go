package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/correlatehq/correlate/internal/strictyaml"
)

// A causeFile is a file of testdata/causes: incidents of one request each, as logs, and
// what must come of them.
type causeFile struct {
	Doc   string      `yaml:"doc"`
	Cases []causeCase `yaml:"cases"`
}

type causeCase struct {
	Name string `yaml:"name"`
	// Files are logs by path: a directory is one host.
	Files   map[string]string `yaml:"files"`
	Request string            `yaml:"request"`
	Want    causeVerdict      `yaml:"want"`
}

// A causeVerdict is what a case says of its verdict; what is left out may be anything.
type causeVerdict struct {
	Origin    string  `yaml:"origin"`
	Component *string `yaml:"component"`
	Cause     string  `yaml:"cause_class"`
	Certainty string  `yaml:"certainty"`
	Rule      string  `yaml:"rule"`
}

// TestCauses leads log lines through everything to a verdict: each class of causes, told
// by the usual loggers of each language and by databases and orchestrators.
func TestCauses(t *testing.T) {
	files, err := filepath.Glob("testdata/causes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file causeFile
		if _, err := strictyaml.Decode(name, data, &file); err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			for _, c := range file.Cases {
				t.Run(c.Name, func(t *testing.T) { c.test(t) })
			}
		})
	}
}

func (c *causeCase) test(t *testing.T) {
	dir := t.TempDir()
	for path, text := range c.Files {
		file := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var stdout, stderr bytes.Buffer
	run(t.Context(), []string{"investigate", c.Request, dir, "-o", "json"}, strings.NewReader(""), &stdout, &stderr)
	var got struct {
		Verdict struct {
			Origin struct {
				Service string `json:"service"`
			} `json:"origin_hop"`
			Component  string  `json:"component"`
			Cause      string  `json:"cause_class"`
			Certainty  string  `json:"certainty"`
			Confidence float64 `json:"confidence"`
			Rule       string  `json:"rule"`
			Summary    string  `json:"summary"`
		} `json:"verdict"`
	}
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
	}
	v, w := &got.Verdict, &c.Want
	if w.Origin == "" && w.Certainty != "undetermined" || w.Cause == "" && w.Certainty != "undetermined" {
		t.Error("the case wants neither origin and cause nor an undetermined verdict")
	}
	bad := false
	for _, field := range []struct{ name, got, want string }{
		{"origin", v.Origin.Service, w.Origin}, {"cause_class", v.Cause, w.Cause}, {"certainty", v.Certainty, w.Certainty}, {"rule", v.Rule, w.Rule},
	} {
		if field.want != "" && field.got != field.want {
			t.Errorf("%s is %q, want %q", field.name, field.got, field.want)
			bad = true
		}
	}
	if w.Component != nil && v.Component != *w.Component {
		t.Errorf("component is %q, want %q", v.Component, *w.Component)
		bad = true
	}
	if bad {
		t.Logf("%s %.2f %s: %s", v.Certainty, v.Confidence, v.Rule, v.Summary)
	}
}
