package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipperhouse/displaywidth"
	"golang.org/x/sys/unix"
)

// inTerminal runs the program with a pseudo terminal of so many columns as its
// stdout and gives what it wrote there.
func inTerminal(t *testing.T, columns int, args ...string) string {
	t.Helper()
	ptm, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer ptm.Close()
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
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		b, _ := io.ReadAll(ptm) // ends with an error when the other side is closed
		read <- string(b)
	}()
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
