package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/file"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/rules"
	"github.com/correlatehq/correlate/timeline"
)

// profile does a job in this process and leaves where its time and memory went in
// out/NAME.cpu and out/NAME.mem, for go tool pprof. An empty id means all failures.
func profile(ctx context.Context, dir, id, out, name string) (err error) {
	f, err := os.Create(filepath.Join(out, name+".cpu"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	err = job(ctx, dir, id)
	pprof.StopCPUProfile()
	if err != nil {
		return err
	}
	m, err := os.Create(filepath.Join(out, name+".mem"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	runtime.GC()
	return pprof.Lookup("allocs").WriteTo(m, 0)
}

func job(ctx context.Context, dir, id string) error {
	src, err := file.Open(ctx, dir, ingest.Config{Name: dir, Formats: format.Builtin()})
	if err != nil {
		return err
	}
	defer src.Close()
	named, o := []timeline.Named{{Name: dir, Source: src}}, correlate.Options{Rules: rules.Builtin()}
	if id == "" {
		_, err = correlate.Batch(ctx, named, o)
	} else {
		_, err = correlate.Investigate(ctx, named, id, o)
	}
	return err
}
