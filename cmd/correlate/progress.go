package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/timeline"
)

const (
	progressAfter = 700 * time.Millisecond // what is ready sooner shows none
	progressEvery = 100 * time.Millisecond
)

// attend lets an interrupt end the reading but not the judging of what was read, and shows
// how far the reading is if stderr is a terminal, until end is called. The context that it
// gives is that of the pipeline.
func (o *opened) attend(ctx context.Context, s streams, opt *correlate.Options) (pipeline context.Context, end func()) {
	opt.Stop, opt.Watch = ctx.Done(), &timeline.Watch{}
	pipeline = context.WithoutCancel(ctx)
	f, ok := s.err.(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) && !isatty.IsCygwinTerminal(f.Fd()) || os.Getenv("TERM") == "dumb" {
		return pipeline, func() {}
	}
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { o.show(f, opt.Watch, ctx.Done(), over) })
	return pipeline, sync.OnceFunc(func() {
		close(over)
		wg.Wait()
	})
}

// show draws the progress until one of the channels is closed, and leaves nothing of it.
func (o *opened) show(f *os.File, w *timeline.Watch, stop, over <-chan struct{}) {
	wait := time.NewTimer(progressAfter)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-stop:
		return
	case <-over:
		return
	}
	newBar := func(bytes bool) *progressbar.ProgressBar {
		return progressbar.NewOptions64(1, progressbar.OptionSetWriter(f), progressbar.OptionShowBytes(bytes), progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionShowTotalBytes(true), progressbar.OptionSetWidth(20))
	}
	bar, bytes := newBar(true), true
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	defer func() { bar.Clear() }()
	round := 0
	for {
		p := o.progress()
		done, total := p.Done, p.Total
		if total == 0 {
			done, total = p.RecordsDone, p.Records
		}
		if bytes != (p.Total > 0) && total > 0 {
			bytes = !bytes
			bar.Clear()
			bar = newBar(bytes)
		}
		if n := w.Round(); n != round || done < int64(bar.State().CurrentNum) {
			round = n
			bar.Reset()
		}
		if total > 0 {
			bar.ChangeMax64(total + 1) // it is over when we say so
			bar.Describe(fmt.Sprintf("pass %d, %s%s found", round, far(p), count(w.Failures(), "failure")))
			_ = bar.Set64(min(done, total)) // nothing is lost if it cannot be drawn
		}
		select {
		case <-tick.C:
		case <-stop:
			return
		case <-over:
			return
		}
	}
}

// far says how far the files and the servers' records are.
func far(p timeline.Progress) string {
	s := ""
	if p.Files > 0 {
		s += fmt.Sprintf("%d of %s, ", p.FilesDone, count(p.Files, "file"))
	}
	if p.Records > 0 {
		s += fmt.Sprintf("%d of %s, ", p.RecordsDone, count(int(p.Records), "record"))
	}
	return s
}

// progress sums up how far the sources are that can tell.
func (o *opened) progress() (sum timeline.Progress) {
	for _, n := range o.named {
		if s, ok := n.Source.(timeline.Progresser); ok {
			p := s.Progress()
			sum.Done += p.Done
			sum.Total += p.Total
			sum.FilesDone += p.FilesDone
			sum.Files += p.Files
			sum.RecordsDone += p.RecordsDone
			sum.Records += p.Records
		}
	}
	return sum
}

// interrupted ends the program for an answer that an interrupt made partial.
func interrupted(ctx context.Context, s streams) error {
	if ctx.Err() == nil {
		return nil
	}
	s.say("interrupted: the answer rests on what was read until then")
	return &exitError{code: exitFailure}
}
