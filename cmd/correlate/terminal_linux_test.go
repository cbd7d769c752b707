package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clipperhouse/displaywidth"
	"golang.org/x/sys/unix"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/timeline"
)

// terminal opens a pseudo terminal of so many columns. What is written to it comes from
// read once it is closed.
func terminal(t *testing.T, columns int) (tty *os.File, read <-chan string) {
	t.Helper()
	ptm, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ptm.Close() })
	fd := int(ptm.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan string)
	go func() {
		b, _ := io.ReadAll(ptm) // ends with an error when the other side is closed
		all <- string(b)
	}()
	return tty, all
}

// inTerminal runs the program with a pseudo terminal of so many columns as its
// stdout and gives what it wrote there.
func inTerminal(t *testing.T, columns int, args ...string) string {
	t.Helper()
	tty, read := terminal(t, columns)
	var stderr strings.Builder
	if code := run(context.Background(), args, strings.NewReader(""), tty, &stderr); code != exitOK {
		t.Errorf("exit %d: %s", code, &stderr)
	}
	if err := tty.Close(); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(<-read, "\r\n", "\n")
}

func TestTerminal(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	line := `{"time":"2026-03-01T12:00:05Z","level":"INFO","msg":"request finished","method":"GET","path":"/x","status":200,"duration_ms":3,"note":"` +
		strings.Repeat("long ", 200) + `","request_id":"r-1234567890"}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "orders.log"), []byte(line), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	args := []string{"investigate", "r-1234567890", "orders.log"}
	for _, columns := range []int{60, 100} {
		out := inTerminal(t, columns, args...)
		if !strings.HasPrefix(out, "\x1b[1;32mthis request did not fail") {
			t.Errorf("in a terminal there is no colour: %q", out)
		}
		o := displaywidth.Options{ControlSequences: true}
		for _, l := range strings.Split(out, "\n") {
			if w := o.String(l); w > columns {
				t.Errorf("a line of %d columns in a terminal of %d: %q", w, columns, l)
			}
		}
	}
	for _, c := range []struct{ noColor, term, flag string }{{"1", "xterm", "auto"}, {"", "dumb", "auto"}, {"", "xterm", "never"}} {
		t.Setenv("NO_COLOR", c.noColor)
		t.Setenv("TERM", c.term)
		if out := inTerminal(t, 100, "investigate", "r-1234567890", "orders.log", "--color", c.flag); strings.Contains(out, "\x1b") {
			t.Errorf("%+v: there is colour: %q", c, out)
		}
	}
}

// slow is a source that is half done.
type slow struct{ brokenSource }

func (slow) Progress() timeline.Progress {
	return timeline.Progress{Done: 500_000_000, Total: 1_000_000_000, FilesDone: 54, Files: 108}
}

// served is a server that gave a third of what it found.
type served struct{ brokenSource }

func (served) Progress() timeline.Progress {
	return timeline.Progress{RecordsDone: 20_000, Records: 60_000}
}

// While files and servers are read the terminal shows how far that is, and nothing of it stays. An
// interrupt ends the reading and not the pipeline.
func TestProgress(t *testing.T) {
	t.Setenv("TERM", "xterm")
	for _, c := range []struct {
		srcs []timeline.Source
		want []string
	}{
		{[]timeline.Source{slow{}, slow{}, brokenSource{}}, []string{"108 of 216 files", "0 failures found", "1.0/2.0 GB"}},
		{[]timeline.Source{slow{}, served{}}, []string{"54 of 108 files, 20000 of 60000 records", "500 MB/1.0 GB"}},
		{[]timeline.Source{served{}}, []string{"pass 0, 20000 of 60000 records, 0 failures found", "20000/60001"}},
	} {
		progressOf(t, c.srcs, c.want)
	}
}

func progressOf(t *testing.T, srcs []timeline.Source, want []string) {
	t.Helper()
	tty, read := terminal(t, 120)
	ctx, interrupt := context.WithCancel(t.Context())
	var opt correlate.Options
	o := &opened{}
	for _, s := range srcs {
		o.named = append(o.named, timeline.Named{Source: s})
	}
	pipeline, end := o.attend(ctx, streams{err: tty}, &opt)
	time.Sleep(progressAfter + 3*progressEvery)
	interrupt()
	select {
	case <-opt.Stop:
	case <-time.After(time.Minute):
		t.Error("the interrupt does not stop the reading")
	}
	if pipeline.Err() != nil {
		t.Errorf("the interrupt ends the pipeline: %v", pipeline.Err())
	}
	end()
	end()
	if err := tty.Close(); err != nil {
		t.Fatal(err)
	}
	got := <-read
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%q is not in %q", w, got)
		}
	}
	if i := strings.LastIndexByte(got, '\r'); i < 0 || strings.TrimSpace(strings.TrimPrefix(got[i+1:], "\x1b[K")) != "" {
		t.Errorf("something stays: %q", got)
	}
}
