//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// peakOf gives the most memory in bytes that a process held.
func peakOf(p *os.ProcessState) int64 {
	u, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return u.Maxrss
	}
	return u.Maxrss << 10
}
