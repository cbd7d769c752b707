package main

import (
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

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
			"exits":  exits,
			"gz":     gz,
			"cut":    cut,
			"flip":   flip,
			"fill":   fill,
			"append": appendFile,
			"bytes":  writeBytes,
			"calls":  calls,
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

// append FILE OTHER appends the bytes of another file to a file.
func appendFile(ts *testscript.TestScript, neg bool, args []string) {
	data, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_APPEND|os.O_WRONLY, 0o644)
	ts.Check(err)
	_, err = f.Write(data)
	ts.Check(err)
	ts.Check(f.Close())
}

// calls DIR N [set=I:MS] [fail=I] [late=I:MS] writes the logs of N requests, one each second,
// that lb-1 hands on to orders on app-2 and app-1 in turn: from the I-th on app-2's clock is ahead
// by so many milliseconds, or back if they are below zero; the I-th fails; of the I-th alone the app writes a
// stamp that is later. The ID of the I-th is I in 32 hexadecimal digits.
func calls(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: calls DIR N [set=I:MS] [fail=I] [late=I:MS]")
	}
	var set, setBy, late, lateBy int
	fail := -1
	for _, a := range args[2:] {
		name, value, _ := strings.Cut(a, "=")
		at, by, _ := strings.Cut(value, ":")
		switch name {
		case "set":
			set, setBy = number(ts, at), number(ts, by)
		case "late":
			late, lateBy = number(ts, at), number(ts, by)
		case "fail":
			fail = number(ts, at)
		default:
			ts.Fatalf("unknown option %q", a)
		}
	}
	var lb strings.Builder
	var app [2]strings.Builder
	for i := range number(ts, args[1]) {
		began := time.Date(2026, 3, 1, 12, 0, i, 120_000_000+i%7*1_000_000, time.UTC)
		ended := began.Add(10600 * time.Microsecond)
		if setBy != 0 && i >= set && i%2 == 0 {
			ended = ended.Add(time.Duration(setBy) * time.Millisecond)
		}
		if lateBy != 0 && i == late {
			ended = ended.Add(time.Duration(lateBy) * time.Millisecond)
		}
		status := 200
		if i == fail {
			status = 500
		}
		fmt.Fprintf(&lb, "%s lb-1 haproxy[41]: 10.0.1.1:51002 [%s] fe_shop be_orders/app-%d 0/0/0/11/11 %d 190 - - ---- 1/1/0/0/0 0/0 {%032x} \"GET /api/stock HTTP/1.1\"\n",
			began.Format("Jan _2 15:04:05"), began.Format("02/Jan/2006:15:04:05.000"), 2-i%2, status, i)
		fmt.Fprintf(&app[i%2], `{"time":%q,"level":"INFO","msg":"request finished","method":"GET","path":"/api/stock","status":%d,"duration_ms":10.210,"request_id":"%032x"}`+"\n",
			ended.Format("2006-01-02T15:04:05.000000Z07:00"), status, i)
	}
	for name, text := range map[string]string{"lb-1/haproxy.log": lb.String(), "app-2/orders.log": app[0].String(), "app-1/orders.log": app[1].String()} {
		path := ts.MkAbs(filepath.Join(args[0], name))
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
		ts.Check(os.WriteFile(path, []byte(text), 0o644))
	}
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
