package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// leastMemory is how many bytes the program may take before it is worth while to collect garbage.
const leastMemory = 64 << 20

// collectSeldom lets garbage be until the program takes leastMemory, for as long as less than half of that is in use. From
// then on it is collected as by default, once there is as much of it as is in use, so that what a run takes at its peak stays
// the same; one that ends with a heap of 80 MB else collects a dozen times on the way there. GOGC and GOMEMLIMIT of the
// user's hold instead.
//
// Note: to raise GOGC for the whole run spares a tenth of its time at most and takes a third more memory (bench/README.md).
func collectSeldom() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	percent, limit := debug.SetGCPercent(-1), debug.SetMemoryLimit(leastMemory)
	onceInUse(leastMemory/2, func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
}

// onceInUse calls do after the first collection that leaves so many bytes in use.
func onceInUse(least uint64, do func()) {
	runtime.AddCleanup(new([64]byte), func(do func()) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		if live[0].Value.Uint64() < least {
			onceInUse(least, do)
			return
		}
		do()
	}, do)
}
