package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/rules"
	"github.com/correlatehq/correlate/timeline"
)

// MarkdownOptions say how Markdown is written.
type MarkdownOptions struct {
	// Location is the zone in which times are printed; nil is UTC.
	Location *time.Location
	// Wide adds every event with its record, each cut at 2,000 bytes.
	Wide bool
	// NoAlign writes the stamps as they are, each on the clock of its own host.
	NoAlign bool
}

// Markdown writes a case as a document to paste into a postmortem. Text from logs
// stands in code spans and fences that it cannot end.
func Markdown(w io.Writer, c *correlate.Case, o MarkdownOptions) error {
	var b bytes.Buffer
	text, _ := answer(c)
	fmt.Fprintf(&b, "# %s\n\n", mdText(text))
	if s := facts(c.Request, o.Location, o.NoAlign); s != "" {
		kept, cut := head(s, 512)
		if cut > 0 {
			kept += cutNote(cut)
		}
		fmt.Fprintf(&b, "%s\n\n", mdCode(kept, false))
	}
	fmt.Fprintf(&b, "Request ID: %s\n\n", mdCode(c.RequestID, false))
	v := c.Verdict
	if v == nil {
		v = &rules.Verdict{}
	}
	if s := summary(v); s != "" {
		fmt.Fprintf(&b, "%s\n\n", mdText(s))
	}
	if v.Exception != nil {
		fmt.Fprintf(&b, "Error at %s\n\n", mdCode(location(v.Exception, ""), false))
	}
	if s := clientNote(c.Request); s != "" {
		fmt.Fprintf(&b, "%s\n\n", mdText(s))
	}
	if c.Request != nil && len(c.Request.Hops) > 0 {
		mdHops(&b, c, o)
	}
	if len(v.Evidence) > 0 {
		title := "Proof"
		if outcomeOf(c) != named {
			title = "Seen"
		}
		fmt.Fprintf(&b, "## %s\n\n", title)
		for i, e := range v.Evidence {
			fmt.Fprintf(&b, "%s ", mdText(fmt.Sprintf("[%d]", i+1)))
			mdRecord(&b, c, e, o)
		}
	}
	if s := slowestText(v.Slowest); s != "" {
		mdList(&b, "Slowest hop", []string{mdText(s)})
	}
	mdList(&b, "Effect", mdAll(effectLines(c, v, len(v.Evidence))))
	var points []string
	for _, r := range rivals(c, v) {
		points = append(points, mdText(rivalText(v, r, len(v.Evidence))))
	}
	mdList(&b, "Other hops that show a failure", points)
	points = nil
	for _, b := range v.Behind {
		points = append(points, mdText(behindText(b, c.Request, o.NoAlign)))
	}
	mdList(&b, "What lies behind", points)
	points = nil
	for _, m := range v.Missing {
		points = append(points, mdText(missingText(m)))
	}
	mdList(&b, "Missing", points)
	next := "Next"
	if outcomeOf(c) == undetermined {
		next = "This would decide it"
	}
	mdList(&b, next, mdAll(v.NextChecks))
	mdList(&b, "Clocks", mdAll(clockLines(c, o.Location)))
	mdList(&b, "Contradicted", mdAll(contradictionLines(c.Request)))
	mdList(&b, "Not read", mdAll(skippedLines(c.Skipped, c.Sources, c.Request != nil && c.Request.Truncated)))
	if len(c.Other) > 0 {
		mdList(&b, "Other requests under the same ID", mdAll(c.Other))
	}
	if o.Wide && c.Request != nil {
		b.WriteString("## Events\n\n")
		for i := range c.Request.Events {
			mdRecord(&b, c, &c.Request.Events[i], o)
		}
	}
	_, err := w.Write(append(bytes.TrimRight(b.Bytes(), "\n"), '\n'))
	return err
}

func mdHops(b *bytes.Buffer, c *correlate.Case, o MarkdownOptions) {
	rows, lanes := hopRows(c, TextOptions{Location: o.Location, NoAlign: o.NoAlign})
	b.WriteString("## Hops\n\n")
	if o.NoAlign {
		fmt.Fprintf(b, "%s\n\n", mdText(noAlignNote))
	}
	mdRows(b, rows, o)
	if slices.ContainsFunc(rows, func(r row) bool { return r.likely }) {
		fmt.Fprintf(b, "%s\n\n", mdTilde(likelyLegend))
	}
	for _, l := range lanes {
		fmt.Fprintf(b, "%s\n\n", mdText(l.head()))
		mdRows(b, l.rows, o)
	}
}

// mdTilde keeps a tilde from beginning a strike-through.
func mdTilde(s string) string { return strings.ReplaceAll(s, likelyMark, `\`+likelyMark) }

func mdRows(b *bytes.Buffer, rows []row, o MarkdownOptions) {
	if len(rows) == 0 {
		return
	}
	if o.NoAlign {
		b.WriteString("| raw | hop | host | role | got | sent | what it did | |\n|---:|---|---|---|---:|---:|---|---|\n")
	} else {
		b.WriteString("| when | ± ms | hop | host | role | got | sent | what it did | |\n|---:|---:|---|---|---|---:|---:|---|---|\n")
	}
	for _, r := range rows {
		h := r.hop
		// Figure spaces: Markdown drops common ones at the start of a cell.
		name := strings.Repeat("\u2007\u2007", min(h.Depth, 12)) + mdText(orUnknown(h.Service))
		if r.origin {
			name = strings.Repeat("\u2007\u2007", min(h.Depth, 12)) + "**" + mdText(orUnknown(h.Service)) + "**"
		}
		note := strings.Replace(mdText(r.note), "&lt;- origin", "**origin**", 1)
		fmt.Fprintf(b, "| %s | ", mdTilde(r.when))
		if !o.NoAlign {
			fmt.Fprintf(b, "%s | ", r.slack)
		}
		fmt.Fprintf(b, "%s | %s | %s | %s | %s | %s | %s |\n", name, mdText(h.Host), h.Role, r.got, r.sent, mdText(r.did), note)
	}
	b.WriteByte('\n')
}

func orUnknown(s string) string {
	if s == "" {
		return "?"
	}
	return s
}

// mdRecord writes one record behind its position and its times.
func mdRecord(b *bytes.Buffer, c *correlate.Case, e *timeline.Joined, o MarkdownOptions) {
	note := joinNote(e)
	if note != "" {
		note = " (" + note + ")"
	}
	if !e.Time.IsZero() {
		note += ", raw " + rawStamp(e, o.Location, true) + zoneNote(e.Stamp)
	}
	if r := c.Request; !o.NoAlign && e.Start.Known() && r != nil && r.Start.Known() {
		untied := untiedHosts(c)
		if _, alone := untied[e.Host]; alone {
			note += ", " + e.Host + " not tied to the others"
		} else {
			note += fmt.Sprintf(", aligned %s ±%s", since(e.Start.Time.Sub(zeroOf(r, untied))), slack(e.Start.Slack()))
		}
	}
	text := string(e.Raw)
	if text == "" {
		text = e.Body
	}
	kept, cut := head(text, lineBytes)
	lines := visibleLines(kept)
	if cut > 0 {
		lines[len(lines)-1] += cutNote(cut)
	}
	fence := mdFence(lines)
	fmt.Fprintf(b, "%s%s\n\n%stext\n%s\n%s\n\n", mdCode(e.Pos.String(), false), mdText(note), fence, strings.Join(lines, "\n"), fence)
}

func mdList(b *bytes.Buffer, title string, points []string) {
	if len(points) == 0 {
		return
	}
	fmt.Fprintf(b, "## %s\n\n", title)
	for _, s := range points {
		fmt.Fprintf(b, "- %s\n", s)
	}
	b.WriteByte('\n')
}

func mdAll(list []string) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = mdText(list[i])
	}
	return out
}
