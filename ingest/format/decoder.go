package format

import (
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// A Decoder reads records that come one by one and not as a stream: documents of an
// index, answers of an API. Not for concurrent use.
type Decoder struct {
	c *compiled
	d *decoding
}

// NewDecoder starts on records of o.Format, which must not be nil. Its wrappers are not
// taken off, and nothing is detected.
func NewDecoder(o Options) *Decoder {
	if o.Reference.IsZero() {
		o.Reference = time.Now()
	}
	return &Decoder{o.Format.c, o.decoding()}
}

// Decode gives the events of one record, or, of a format of tracing, those of a whole
// document: what a query of Jaeger answers, a message of OTLP. An event is valid until
// yield returns. It returns ErrNoMatch if the record is not in the format.
// Of Pos only Item is set, and Service and Host where the record says them.
func (r *Decoder) Decode(rec []byte, yield func(*timeline.Event) bool) error {
	if !r.d.decode(r.c, rec) {
		return ErrNoMatch
	}
	if r.d.treeOf != nil {
		r.d.tree(r.c, r.d.parsed, func() bool { return yield(&r.d.ev) })
		return nil
	}
	yield(&r.d.ev)
	return nil
}
