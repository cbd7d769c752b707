//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// terminalWidth gives the columns of a terminal, 80 if it does not say.
func terminalWidth(f *os.File) int {
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Col == 0 {
		return 80
	}
	return int(ws.Col)
}
