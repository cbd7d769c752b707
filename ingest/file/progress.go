package file

import (
	"io"
	"sync/atomic"

	"github.com/correlatehq/correlate/timeline"
)

// progress is how far the pass is that began last.
type progress struct{ done, total, filesDone, files atomic.Int64 }

// Progress tells how far the pass is that began last.
func (s *Source) Progress() timeline.Progress {
	p := &s.progress
	return timeline.Progress{
		Done: p.done.Load(), Total: p.total.Load(),
		FilesDone: int(p.filesDone.Load()), Files: int(p.files.Load()),
	}
}

// begin begins a pass over the parts.
func (p *progress) begin(parts []*filePart) {
	total := int64(0)
	for _, x := range parts {
		total += x.size
	}
	p.done.Store(0)
	p.filesDone.Store(0)
	p.total.Store(total)
	p.files.Store(int64(len(parts)))
}

// A counter counts the bytes of one file as they are read.
type counter struct {
	r    io.Reader
	to   *progress
	read *int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	*c.read += int64(n)
	c.to.done.Add(int64(n))
	return n, err
}
