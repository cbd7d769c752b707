package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/clipperhouse/displaywidth"
	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/tw"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/rules"
)

// DigestText writes the failures of a population as a table, one row for each
// group, the most frequent first, and below it its error and its findings.
func DigestText(w io.Writer, d *correlate.Digest, o TextOptions) error {
	p := &printer{o: o}
	p.prose("", digestSentence(d, o.Location), bold)
	for _, s := range findingTexts(d.Findings) {
		p.prose("", "All of them: "+s, plain)
	}
	if len(d.Groups) > 0 {
		p.buf.WriteByte('\n')
		under := func(row int) {
			for _, s := range groupTexts(d.Groups[row]) {
				p.prose(findingIndent, s, plain)
			}
		}
		if err := p.tableWith(digestColumns(d, o), under); err != nil {
			return err
		}
	}
	skipped := skippedLines(d.Skipped, d.Sources, false)
	if d.Partial && len(skipped) == 0 {
		skipped = append(skipped, "a limit was hit: there may be more failing requests than these")
	}
	if len(skipped) > 0 {
		p.buf.WriteByte('\n')
		name := "not read"
		for _, s := range skipped {
			name = p.label(name, s)
		}
	}
	return p.flush(w)
}

// digestSentence says how many requests failed, which kind is the worst, and what
// was read beside them.
func digestSentence(d *correlate.Digest, loc *time.Location) string {
	if len(d.Cases) == 0 {
		return "no failing request was found." + successSentence(d)
	}
	s := plural(len(d.Cases), "failing request")
	if from, to := digestSpan(d); !from.IsZero() {
		if a, b := shortStamp(from, loc), shortStamp(to, loc); a == b {
			s += " at " + a
		} else {
			s += " from " + a + " to " + b
		}
	}
	s += ", in " + plural(len(d.Groups), "group") + "."
	if len(d.Groups) > 0 {
		g := d.Groups[0]
		s += fmt.Sprintf(" The most frequent: %s (%s) ", thousands(len(g.Cases)), share(g.Share))
		if g.Origin == "" {
			s += "for which no hop can be named"
		} else {
			s += "created by " + g.Origin + ", " + g.CauseClass
			if g.Component != "" {
				s += " of " + g.Component
			}
		}
		if r := routes(g); r != "" {
			s += " on " + r
		}
		s += "."
	}
	return s + successSentence(d)
}

func wasWere(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

func digestSpan(d *correlate.Digest) (from, to time.Time) {
	for _, g := range d.Groups {
		if !g.First.IsZero() && (from.IsZero() || g.First.Before(from)) {
			from = g.First
		}
		if g.Last.After(to) {
			to = g.Last
		}
	}
	return from, to
}

func shortStamp(t time.Time, loc *time.Location) string {
	if loc == nil {
		loc = time.UTC
	}
	return t.In(loc).Format("2006-01-02 15:04:05Z07:00")
}

func share(f float64) string {
	switch {
	case f > 0 && f < 0.01:
		return "<1 %"
	case f > 0.99 && f < 1:
		return ">99 %"
	}
	return fmt.Sprintf("%.0f %%", f*100)
}

// certainty tells how sure the verdicts of a group are: the weakest, and how many of them.
func certainty(g *correlate.Group) string {
	order := []rules.Certainty{rules.Undetermined, rules.Possible, rules.Likely, rules.Proven}
	counts := map[rules.Certainty]int{}
	for _, c := range g.Cases {
		if c.Verdict != nil {
			counts[c.Verdict.Certainty]++
		}
	}
	var parts []string
	for _, k := range slices.Backward(order) {
		switch n := counts[k]; {
		case n == 0:
		case n == len(g.Cases):
			return string(k)
		default:
			parts = append(parts, fmt.Sprintf("%s %s", thousands(n), k))
		}
	}
	return strings.Join(parts, ", ")
}

// routes names the one route of a group, or the most frequent of several and how
// many others there are.
func routes(g *correlate.Group) string {
	if g.Route != "" || len(g.Routes) == 0 {
		return g.Route
	}
	return fmt.Sprintf("%s (%s) and %s", orUnknown(g.Routes[0].Route), thousands(g.Routes[0].Count), plural(len(g.Routes)-1, "other route"))
}

func example(g *correlate.Group) string {
	if len(g.Cases) == 0 {
		return ""
	}
	return g.Cases[0].RequestID
}

// A column of a table. Where a terminal is narrow the one with the highest drop
// goes first; 0 stays.
type column struct {
	head  string
	cells []string
	right bool
	drop  int
}

func digestColumns(d *correlate.Digest, o TextOptions) []column {
	cols := []column{
		{head: "failed", right: true}, {head: "share", right: true, drop: 3}, {head: "origin"}, {head: "component", drop: 1}, {head: "cause"},
		{head: "rule", drop: 6}, {head: "certainty", drop: 4}, {head: "route", drop: 2}, {head: "first - last", drop: 5}, {head: "example"},
	}
	from, to := digestSpan(d)
	loc := o.Location
	if loc == nil {
		loc = time.UTC
	}
	layout := "15:04:05"
	if from.In(loc).Format(time.DateOnly) != to.In(loc).Format(time.DateOnly) {
		layout = "2006-01-02 15:04:05"
	}
	for _, g := range d.Groups {
		origin, cause := g.Origin, g.CauseClass
		if origin == "" {
			origin = "?"
		}
		if cause == "" {
			cause = "undetermined"
		}
		span := ""
		if !g.First.IsZero() {
			span = g.First.In(loc).Format(layout)
			if !g.Last.Equal(g.First) {
				span += " - " + g.Last.In(loc).Format(layout)
			}
		}
		for i, s := range []string{thousands(len(g.Cases)), share(g.Share), origin, g.Component, cause, g.Rule, certainty(g), routes(g), span, example(g)} {
			if kept, cut := head(s, 200); cut > 0 {
				s = kept + cutNote(cut)
			}
			cols[i].cells = append(cols[i].cells, Visible(s))
		}
	}
	return cols
}

// table prints columns, without those that say nothing and, in a terminal, without
// those for which there is no room.
func (p *printer) table(cols []column) error { return p.tableWith(cols, func(int) {}) }

// tableWith prints columns so, and below each row what belongs to it.
func (p *printer) tableWith(cols []column, under func(row int)) error {
	cols = slices.DeleteFunc(cols, func(c column) bool {
		return c.drop > 0 && !slices.ContainsFunc(c.cells, func(s string) bool { return s != "" })
	})
	width := func() int {
		n := -2
		for _, c := range cols {
			w := displaywidth.String(c.head)
			for _, s := range c.cells {
				w = max(w, displaywidth.String(s))
			}
			n += w + 2
		}
		return n
	}
	for p.o.Width > 0 && width() > p.o.Width {
		worst := -1
		for i, c := range cols {
			if c.drop > 0 && (worst < 0 || c.drop > cols[worst].drop) {
				worst = i
			}
		}
		if worst < 0 {
			break
		}
		cols = slices.Delete(cols, worst, worst+1)
	}
	var buf bytes.Buffer
	align := make(tw.Alignment, len(cols))
	heads := make([]string, len(cols))
	for i, c := range cols {
		heads[i] = c.head
		align[i] = tw.AlignLeft
		if c.right {
			align[i] = tw.AlignRight
		}
	}
	t := tablewriter.NewTable(&buf,
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithEastAsian(tw.Off), // else the locale of the machine decides
		tablewriter.WithPadding(tw.Padding{Left: "", Right: "  ", Overwrite: true}),
		tablewriter.WithHeaderAlignmentConfig(tw.CellAlignment{PerColumn: align}),
		tablewriter.WithRowAlignmentConfig(tw.CellAlignment{PerColumn: align}),
		tablewriter.WithRendition(tw.Rendition{
			Borders:  tw.BorderNone,
			Settings: tw.Settings{Lines: tw.LinesNone, Separators: tw.SeparatorsNone},
		}),
	)
	t.Header(heads)
	for r := range cols[0].cells {
		cells := make([]string, len(cols))
		for i := range cols {
			cells[i] = cols[i].cells[r]
		}
		if err := t.Append(cells); err != nil {
			return fmt.Errorf("build table: %w", err)
		}
	}
	if err := t.Render(); err != nil {
		return fmt.Errorf("build table: %w", err)
	}
	for i, l := range strings.Split(strings.TrimRight(buf.String(), "\n"), "\n") {
		st := plain
		if i == 0 {
			st = dim
		}
		p.put(span{l, st})
		if i > 0 {
			under(i - 1)
		}
	}
	return nil
}

// Table writes rows under their heads. The last column holds prose: in a terminal it
// is cut where the line ends.
func Table(w io.Writer, heads []string, rows [][]string, o TextOptions) error {
	cols := make([]column, len(heads))
	for i, h := range heads {
		cols[i].head = h
		for _, r := range rows {
			cols[i].cells = append(cols[i].cells, Visible(r[i]))
		}
	}
	p := &printer{o: o}
	if err := p.table(cols); err != nil {
		return err
	}
	return p.flush(w)
}

// DigestMarkdown writes the same table in Markdown.
func DigestMarkdown(w io.Writer, d *correlate.Digest, o MarkdownOptions) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Failing requests\n\n%s\n\n", mdText(digestSentence(d, o.Location)))
	if len(d.Groups) > 0 {
		cols := digestColumns(d, TextOptions{Location: o.Location})
		errors := column{head: "error"}
		for _, g := range d.Groups {
			errors.cells = append(errors.cells, Visible(errorWords(g)))
		}
		if slices.ContainsFunc(errors.cells, func(s string) bool { return s != "" }) {
			cols = slices.Insert(cols, len(cols)-1, errors)
		}
		for _, c := range cols {
			fmt.Fprintf(&b, "| %s ", mdText(c.head))
		}
		b.WriteString("|\n")
		for _, c := range cols {
			if c.right {
				b.WriteString("|---:")
			} else {
				b.WriteString("|---")
			}
		}
		b.WriteString("|\n")
		for r := range cols[0].cells {
			for i, c := range cols {
				cell := mdText(c.cells[r])
				if i == len(cols)-1 || c.head == "route" || c.head == "error" {
					cell = mdCode(c.cells[r], true)
				}
				fmt.Fprintf(&b, "| %s ", cell)
			}
			b.WriteString("|\n")
		}
		b.WriteByte('\n')
	}
	mdFindings(&b, d)
	mdList(&b, "Not read", mdAll(skippedLines(d.Skipped, d.Sources, false)))
	_, err := w.Write(append(bytes.TrimRight(b.Bytes(), "\n"), '\n'))
	return err
}

type groupJSON struct {
	Group groupBody `json:"group"`
}

type groupBody struct {
	Origin     string      `json:"origin,omitempty"`
	Component  string      `json:"component,omitempty"`
	CauseClass string      `json:"cause_class,omitempty"`
	Rule       string      `json:"rule,omitempty"`
	Error      string      `json:"error,omitempty"` // that they have in common
	Route      string      `json:"route,omitempty"` // if all are on one
	Routes     []routeJSON `json:"routes"`
	Count      int         `json:"count"`
	Share      float64     `json:"share"`
	First      string      `json:"first,omitempty"`
	Last       string      `json:"last,omitempty"`
	Examples   []string    `json:"examples"`
	// Findings are what sets the group apart from the requests that succeeded.
	Findings []findingJSON `json:"findings"`
}

type routeJSON struct {
	Route string `json:"route"`
	Count int    `json:"count"`
}

// groupExamples is how many request IDs stand for a group.
const groupExamples = 3

// DigestJSONL writes one object per failing request, and with groups then one per group and one for the population.
func DigestJSONL(w io.Writer, d *correlate.Digest, groups bool) error {
	for _, c := range d.Cases {
		if err := JSONL(w, c, JSONOptions{}); err != nil {
			return err
		}
	}
	if !groups {
		return nil
	}
	for _, g := range d.Groups {
		j := groupJSON{groupBody{
			Origin: valid(g.Origin), Component: valid(g.Component), CauseClass: g.CauseClass, Rule: g.Rule, Error: valid(g.Error), Route: valid(g.Route),
			Count: len(g.Cases), Share: round(g.Share, 1e6), First: jsonTime(g.First), Last: jsonTime(g.Last), Routes: []routeJSON{}, Examples: []string{},
			Findings: findingsJSON(g.Findings),
		}}
		for _, r := range g.Routes {
			j.Group.Routes = append(j.Group.Routes, routeJSON{valid(r.Route), r.Count})
		}
		for _, c := range g.Cases[:min(len(g.Cases), groupExamples)] {
			j.Group.Examples = append(j.Group.Examples, valid(c.RequestID))
		}
		if err := encode(w, j, ""); err != nil {
			return err
		}
	}
	return encode(w, population(d), "")
}
