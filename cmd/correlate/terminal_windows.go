package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// terminalWidth gives the columns of a terminal, 80 if it does not say.
func terminalWidth(f *os.File) int {
	var info windows.ConsoleScreenBufferInfo
	if err := windows.GetConsoleScreenBufferInfo(windows.Handle(f.Fd()), &info); err != nil {
		return 80
	}
	return max(int(info.Window.Right)-int(info.Window.Left)+1, 1)
}
