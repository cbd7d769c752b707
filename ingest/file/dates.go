package file

import (
	"bytes"
	"time"

	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

// orderedBy is how much of a part is looked at to find whether its dates are numbers alone.
const orderedBy = 4 << 10

// orderDates finds the order of the stream's dates by those that can be read in one way alone. It is false if the order tells when its
// records were and none of them tells the order.
func (s *Source) orderDates(st *stream, heads map[*filePart][]byte) bool {
	var text []byte
	found := false
	for _, p := range st.ends() {
		head := heads[p]
		if _, here := format.DateOrderOf(head[:min(len(head), orderedBy)]); here {
			found = true
			text = append(append(append(text, head...), '\n'), p.tail()...)
		}
	}
	if !found {
		return true
	}
	if st.dates, _ = format.DateOrderOf(text); st.dates != format.DateOrderUnknown {
		st.datesBy = "as others of the stream can be read in no other way"
		return true
	}
	for p, head := range heads {
		if s.rangeBy(p, head, format.DayFirst) != s.rangeBy(p, head, format.MonthFirst) {
			return false
		}
	}
	return true
}

// rangeBy gives the range of the stamps of a stretch of a part if its dates are in the order.
func (s *Source) rangeBy(p *filePart, text []byte, order format.DateOrder) [2]int64 {
	o := s.options(p, p.stream.format)
	o.Dates = order
	from, to := s.stamps(o, text, func(*timeline.Event) {})
	return [2]int64{from.UnixNano(), to.UnixNano()}
}

// orderByReference gives the stream the order that brings its last date nearest to the time at which it is held to end.
func (s *Source) orderByReference(st *stream) {
	newest := st.parts[len(st.parts)-1]
	text, err := newest.end()
	if err != nil {
		return
	}
	st.datesBy = "as that brings the last one nearer to when the logs end; none tells it"
	if st.dates = format.DayFirst; s.rangeBy(newest, text, format.DayFirst)[1] != s.rangeBy(newest, text, format.DateOrderUnknown)[1] {
		st.dates = format.MonthFirst
	}
}

// yearless says whether the part's stamps have no year of their own: they are read
// otherwise if the file is held to be older.
func (s *Source) yearless(p *filePart, f *format.Format, head []byte) bool {
	a := time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)
	return !s.firstStamp(p, f, head, a).Equal(s.firstStamp(p, f, head, a.AddDate(-4, 0, 0)))
}

// firstStamp gives the first stamp of a stretch of a part if the part is held to be of ref.
func (s *Source) firstStamp(p *filePart, f *format.Format, text []byte, ref time.Time) (at time.Time) {
	o := s.options(p, f)
	o.Reference = ref
	r, err := s.config.Formats.NewReader(bytes.NewReader(text), o)
	for err == nil && at.IsZero() {
		var rec format.Record
		if rec, err = r.Next(); err == nil {
			_ = r.Decode(rec, func(e *timeline.Event) bool { at = e.Time; return at.IsZero() })
		}
	}
	return at
}

// dateParts finds the day of the last record of each part of a stream whose stamps are
// times of the day alone: the one that brings it nearest to the time at which the part is
// held to end. The records before it are of that day or of the one before, whatever the
// zone is that they do not write. Note: a part of more than a day is taken for one day.
func (s *Source) dateParts(st *stream) {
	newest := st.parts[len(st.parts)-1]
	end := s.options(newest, st.format).Reference
	for _, p := range st.parts {
		text, err := p.end()
		if err != nil {
			continue
		}
		a := time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)
		if s.firstStamp(p, st.format, text, a.AddDate(0, 0, 1)).Sub(s.firstStamp(p, st.format, text, a)) != 24*time.Hour {
			continue
		}
		near := end
		// What the files say of the parts before counts if it fits the newest.
		if p != newest && p.info != nil && newest.info != nil && newest.info.ModTime().Sub(end).Abs() < 48*time.Hour {
			near = p.info.ModTime()
		}
		p.reference = near.Add(12 * time.Hour)
		var last time.Time
		s.stamps(s.options(p, st.format), text, func(e *timeline.Event) {
			if !e.Time.IsZero() {
				last = e.Time
			}
		})
		if p.reference = near; !last.IsZero() {
			p.reference = last.Add(time.Minute) // lines may be out of order
		}
	}
}
