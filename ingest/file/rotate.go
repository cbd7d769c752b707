package file

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/correlatehq/correlate/ingest"
)

// A part is what the name of a file says of its place in a rotated series.
type part struct {
	Series string // path of the series: that of the file being written, if there is one
	// Date is what the name says of the time, digits alone, "" for the file being
	// written; a later one is greater.
	Date string
	// Number is logrotate's: the higher the older, 0 for the file being written.
	Number int
}

var (
	packedExt = regexp.MustCompile(`(?i)\.(gz|gzip|zst|zstd|bz2|xz)$`)

	// A date, with or without a time of day, that stands apart from the name.
	dateRE = regexp.MustCompile(`[-_.]` +
		`((?:19|20)\d\d)([-_.]?)(0[1-9]|1[0-2])([-_.]?)(0[1-9]|[12]\d|3[01])` + // day
		`(?:[-_.T]?([01]\d|2[0-3])(?:[-_.:]?([0-5]\d)(?:[-_.:]?([0-5]\d)(?:[.,](\d{3,9}))?)?)?)?Z?` + // time
		`(?:[-_.](\d{1,4}))?$`) // counter within the day
	epochRE  = regexp.MustCompile(`[-_.](1\d{9})$`)
	numberRE = regexp.MustCompile(`^(.+)\.(\d{1,4})$`)
	iisRE    = regexp.MustCompile(`^(u_ex|u_in|u_nc)(\d{6,8})$`)
)

// partOf reads the place of a file in its series off its slash-separated path:
//
//	access.log access.log.1 access.log.2.gz     -> access.log
//	access.log-20260301.gz access-2026-03-01.log -> access.log
//	orders.log.2026-03-01 orders-2026-03-01T12-00-00.000.log -> orders.log
//
// has tells which paths there are, unpacked: app.1.log belongs to app.log only if
// that exists, since names such as node.1.log are also given to siblings.
func partOf(file string, has func(string) bool) part {
	dir, name := path.Split(packedExt.ReplaceAllString(file, ""))
	if p, ok := dated(name); ok {
		p.Series = dir + p.Series
		return p
	}
	if m := numberRE.FindStringSubmatch(name); m != nil {
		n, _ := strconv.Atoi(m[2]) // at most four digits
		stem := m[1]
		// access.log-20260301.1: the number tells apart two rotations of one day.
		if p, ok := dated(stem); ok {
			p.Series, p.Number = dir+p.Series, n
			return p
		}
		if strings.Trim(stem, "0123456789.") != "" { // an address is no series
			return part{Series: dir + stem, Number: n}
		}
		return part{Series: dir + name}
	}
	for _, old := range []string{".old", ".bak", ".prev", "~"} {
		if stem, ok := strings.CutSuffix(name, old); ok && stem != "" {
			return part{Series: dir + stem, Number: 1}
		}
	}
	if ext := ingest.LogExtension.FindString(name); ext != "" {
		if m := numberRE.FindStringSubmatch(strings.TrimSuffix(name, ext)); m != nil && has(dir+m[1]+ext) {
			n, _ := strconv.Atoi(m[2])
			return part{Series: dir + m[1] + ext, Number: n}
		}
	}
	return part{Series: dir + name}
}

// dated reads a name with a date at its end or before its extension.
func dated(name string) (part, bool) {
	stem, ext := name, ""
	for range 2 {
		if m := iisRE.FindStringSubmatch(stem); m != nil {
			return part{Series: m[1] + ext, Date: "20" + m[2]}, true
		}
		if loc := dateRE.FindStringSubmatchIndex(stem); loc != nil && loc[0] > 0 {
			var date strings.Builder
			for _, g := range []int{1, 3, 5, 6, 7, 8} {
				if loc[2*g] >= 0 {
					date.WriteString(stem[loc[2*g]:loc[2*g+1]])
				}
			}
			// The separators within a date are alike: 2026-0301 is none.
			if stem[loc[4]:loc[5]] == stem[loc[8]:loc[9]] {
				p := part{Series: stem[:loc[0]] + ext, Date: date.String()}
				if loc[18] >= 0 {
					// A counter within the day grows with time, as do longer digits.
					p.Date += "." + strings.Repeat("0", 4-(loc[19]-loc[18])) + stem[loc[18]:loc[19]]
				}
				return p, true
			}
		}
		if loc := epochRE.FindStringSubmatchIndex(stem); loc != nil && loc[0] > 0 {
			return part{Series: stem[:loc[0]] + ext, Date: stem[loc[2]:loc[3]]}, true
		}
		if ext = ingest.LogExtension.FindString(stem); ext == "" {
			break
		}
		stem = strings.TrimSuffix(stem, ext)
	}
	return part{}, false
}

// olderPart orders the parts of one series, oldest first: by date, then by falling
// number, the file being written last.
func olderPart(a, b part) int {
	switch {
	case a.Date != b.Date:
		// Without a date: the file being written, or numbers, which are younger than
		// the dates that an earlier configuration of logrotate left.
		if a.Date == "" {
			return 1
		}
		if b.Date == "" {
			return -1
		}
		return strings.Compare(a.Date, b.Date)
	default:
		return b.Number - a.Number
	}
}

// A series is the files of one stream by their indices, oldest first.
type series struct {
	Path  string
	Files []int
}

// groupParts puts the files in series, sorted by path. If a series has two files of
// the same place (access.log.1 and access.log.1.gz), they follow each other by path.
func groupParts(files []string) []series {
	there := make(map[string]bool, len(files))
	for _, f := range files {
		there[packedExt.ReplaceAllString(f, "")] = true
	}
	parts := make([]part, len(files))
	bySeries := map[string][]int{}
	for i, f := range files {
		parts[i] = partOf(f, func(p string) bool { return there[p] })
		bySeries[parts[i].Series] = append(bySeries[parts[i].Series], i)
	}
	out := make([]series, 0, len(bySeries))
	for p, idx := range bySeries {
		slices.SortFunc(idx, func(a, b int) int {
			if c := olderPart(parts[a], parts[b]); c != 0 {
				return c
			}
			return strings.Compare(files[a], files[b])
		})
		out = append(out, series{p, idx})
	}
	slices.SortFunc(out, func(a, b series) int { return strings.Compare(a.Path, b.Path) })
	return out
}
