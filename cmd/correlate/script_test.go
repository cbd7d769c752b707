package main

import (
	"compress/gzip"
	"errors"
	"flag"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write what the scripts compare anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"correlate": main})
}

// TestScripts runs every behaviour that a user can see, with the real program on real files.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits,
			"gz":    gz,
			"cut":   cut,
			"flip":  flip,
			"fill":  fill,
			"bytes": writeBytes,
		},
	})
}

// exits CODE ARGS runs correlate, which must end with that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	want := number(ts, args[0])
	got := 0
	if err := ts.Exec("correlate", args[1:]...); err != nil {
		e, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("run correlate: %v", err)
		}
		got = e.ExitCode()
	}
	if got != want {
		ts.Fatalf("correlate ended with %d, want %d", got, want)
	}
}

// gz FILE packs a file as FILE.gz and removes it.
func gz(ts *testscript.TestScript, neg bool, args []string) {
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	f, err := os.Create(path + ".gz")
	ts.Check(err)
	z := gzip.NewWriter(f)
	_, err = z.Write(data)
	ts.Check(err)
	ts.Check(z.Close())
	ts.Check(f.Close())
	ts.Check(os.Remove(path))
}

// cut FILE N cuts N bytes from the end of a file.
func cut(ts *testscript.TestScript, neg bool, args []string) {
	path := ts.MkAbs(args[0])
	fi, err := os.Stat(path)
	ts.Check(err)
	ts.Check(os.Truncate(path, fi.Size()-int64(number(ts, args[1]))))
}

// flip FILE TEXT changes the case of the first letter of the first TEXT in a file.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	i := strings.Index(string(data), args[1])
	if i < 0 {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	data[i] ^= 0x20
	ts.Check(os.WriteFile(path, data, 0o644))
}

// fill FILE N TEXT appends TEXT repeated up to N bytes, and a line feed.
func fill(ts *testscript.TestScript, neg bool, args []string) {
	n := number(ts, args[1])
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	ts.Check(err)
	_, err = f.WriteString(strings.Repeat(args[2], n/len(args[2])+1)[:n] + "\n")
	ts.Check(err)
	ts.Check(f.Close())
}

// bytes FILE TEXT appends TEXT, in which \x1b and the like stand for bytes, and a line feed.
func writeBytes(ts *testscript.TestScript, neg bool, args []string) {
	text, err := strconv.Unquote("`" + args[1] + "`")
	ts.Check(err)
	text, err = strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	ts.Check(err)
	_, err = f.WriteString(text + "\n")
	ts.Check(err)
	ts.Check(f.Close())
}

func number(ts *testscript.TestScript, s string) int {
	n, err := strconv.Atoi(s)
	ts.Check(err)
	return n
}
