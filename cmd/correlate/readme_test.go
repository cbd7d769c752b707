package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/correlatehq/correlate/ingest/format"
)

const readme = "../../README.md"

// blocks gives the fenced blocks of a language in a Markdown text, without the fences.
func blocks(text, language string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// TestReadmeExamples runs every command of README.md's console blocks and compares what it
// prints; -update writes the blocks anew.
func TestReadmeExamples(t *testing.T) {
	page, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Abs(readme)
	if err != nil {
		t.Fatal(err)
	}
	demo := demoCommand(t)
	fixtures, err := filepath.Abs("../../fixtures")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.Symlink(fixtures, "fixtures"); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(page), "\r\n", "\n")
	got, ran := text, 0
	for _, block := range blocks(text, "console") {
		var b strings.Builder
		for line := range strings.Lines(block) {
			command, ok := strings.CutPrefix(line, "$ ")
			if !ok {
				continue
			}
			ran++
			b.WriteString(line)
			command = strings.TrimSpace(command)
			if command == "make demo" {
				command = demo
			}
			args := strings.Fields(command)
			if args[0] != "correlate" {
				t.Fatalf("README.md runs %q, which is not correlate", command)
			}
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), args[1:], strings.NewReader(""), &stdout, &stderr); code != exitOK {
				t.Fatalf("%s: exit %d: %s", command, code, &stderr)
			}
			b.Write(stdout.Bytes())
		}
		got = strings.Replace(got, "```console\n"+block+"```", "```console\n"+b.String()+"```", 1)
	}
	if ran < 4 {
		t.Fatalf("README.md has %d commands, want at least 4", ran)
	}
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(text, got); diff != "" {
		t.Errorf("README.md does not show what the commands print (-README +now); go test ./cmd/correlate -update writes it anew:\n%s", diff)
	}
}

// demoCommand is what make demo runs.
func demoCommand(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	id := regexp.MustCompile(`(?m)^DEMO_ID \?= (\S+)$`).FindSubmatch(data)
	if id == nil {
		t.Fatal("the Makefile names no DEMO_ID")
	}
	return "correlate investigate " + string(id[1]) + " fixtures/shop/logs"
}

// TestReadmeConfig reads the configurations that README.md shows.
func TestReadmeConfig(t *testing.T) {
	page, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	found := blocks(strings.ReplaceAll(string(page), "\r\n", "\n"), "yaml")
	if len(found) == 0 {
		t.Fatal("README.md has no yaml block")
	}
	for _, text := range found {
		file := filepath.Join(t.TempDir(), "correlate.yaml")
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := loadConfig(file, format.Builtin()); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
	}
}
