package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestCollectSeldom(t *testing.T) {
	percent := debug.SetGCPercent(70)
	defer debug.SetGCPercent(percent)
	limit := debug.SetMemoryLimit(-1) // reads it
	settings := func() (int, int64) {
		p := debug.SetGCPercent(70)
		debug.SetGCPercent(p)
		return p, debug.SetMemoryLimit(-1)
	}

	// What the user says holds.
	t.Setenv("GOMEMLIMIT", "")
	t.Setenv("GOGC", "50")
	collectSeldom()
	if p, l := settings(); p != 70 || l != limit {
		t.Errorf("with GOGC: at %d %%, limit %d", p, l)
	}
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "1GiB")
	collectSeldom()
	if p, l := settings(); p != 70 || l != limit {
		t.Errorf("with GOMEMLIMIT: at %d %%, limit %d", p, l)
	}

	t.Setenv("GOMEMLIMIT", "")
	collectSeldom()
	if p, l := settings(); l == limit && p == 70 {
		t.Error("nothing is set")
	}
	much := make([]byte, leastMemory)
	for range 1000 { // what follows a collection runs some time after it
		runtime.GC()
		if p, l := settings(); p == 70 && l == limit {
			runtime.KeepAlive(much)
			return
		}
		runtime.Gosched()
	}
	t.Error("with much in use garbage is not collected as before")
}
