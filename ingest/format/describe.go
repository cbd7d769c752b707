package format

import (
	"slices"
	"strings"

	"github.com/correlatehq/correlate/timeline"
)

// IDs gives the names of what ties the records of a format to others: of IDs that name
// the request everywhere, as the record calls them, and of context keys, which hold on
// one host. free says that IDs are also found in free text.
func (f *Format) IDs() (identity, context []string, free bool) {
	usual := f.c.decoder == jsonDecoder || f.c.decoder == logfmtDecoder
	for _, name := range sortedKeys(f.c.table) {
		switch f.c.table[name].op {
		case opIdentity, opTraceID, opTraceparent, opUberTrace, opCloudTrace, opCaptured:
			identity = append(identity, name)
		case opPairs:
			usual = true
		}
	}
	for _, a := range f.c.answer {
		identity = append(identity, a.name)
	}
	if usual {
		identity = append(identity, "the usual names")
	}
	for _, k := range f.c.context {
		context = append(context, k.name)
	}
	return identity, context, len(f.c.findIn) > 0
}

// Stamps gives, for each meaning that the stamps of the format's samples have, the
// meaning, the resolution and where the zone comes from: "end, 1s, zone written".
func (f *Format) Stamps() []string {
	var out []string
	d := newDecoding(sampleReference, nil)
	for _, s := range f.samples() {
		text := "none"
		if d.decode(f.c, []byte(s.Line)) && !d.ev.Time.IsZero() {
			zone := "zone written"
			if d.ev.Stamp.Zone == timeline.ZoneUnknown {
				zone = "zone not written"
			}
			text = strings.Join([]string{d.ev.Stamp.Meaning.String(), d.ev.Stamp.Resolution.String(), zone}, ", ")
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	if len(out) == 0 && f.Meaning() != timeline.MeaningUnknown {
		out = []string{f.Meaning().String()}
	}
	slices.Sort(out)
	return out
}
