package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/clipperhouse/displaywidth"
)

// TextOptions say how text is laid out.
type TextOptions struct {
	// Width is that of the terminal in columns. 0 means that there is none: nothing
	// is left out and no line is cut, but for single log lines over 2,000 bytes.
	Width int
	Color bool
	// Wide adds every event of every hop, whole.
	Wide bool
	// Location is the zone in which times are printed; nil is UTC.
	Location *time.Location
	// NoAlign prints the stamps as they were written, each on the clock of its own host.
	NoAlign bool
}

const (
	textWidth = 132  // to which prose is wrapped where there is no terminal
	lineBytes = 2000 // of one log line outside wide
	labelCols = 15   // "not the cause" and two spaces
	lineCols  = 45   // with less room than that beside its position, a log line stands below it
)

// style is an SGR parameter; "" is none.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "1;31"
	green  style = "1;32"
	yellow style = "1;33"
)

// A span is a piece of a line in one style. Its text holds nothing a terminal acts on.
type span struct {
	text  string
	style style
}

type line []span

func (l line) width() int {
	n := 0
	for _, s := range l {
		n += displaywidth.String(s.text)
	}
	return n
}

// A printer lays lines out and keeps the bytes until the end.
type printer struct {
	buf bytes.Buffer
	o   TextOptions
}

func (p *printer) flush(w io.Writer) error {
	_, err := w.Write(p.buf.Bytes())
	return err
}

// width is the number of columns to which prose is wrapped.
func (p *printer) width() int {
	if p.o.Width > 0 {
		return max(p.o.Width, 20)
	}
	return textWidth
}

// put prints a line; a terminal's is cut to its width.
func (p *printer) put(l ...span) {
	room := -1
	if p.o.Width > 0 && line(l).width() > p.o.Width {
		room = p.o.Width
	}
	var out strings.Builder
	for _, s := range l {
		t := s.text
		last := false
		if room >= 0 {
			w := displaywidth.String(t)
			if w >= room {
				// What follows would not fit either: the line as a whole is too long.
				t = displaywidth.TruncateString(t+"…", max(room, 1), "…")
				last = true
			}
			room -= w
		}
		if s.style != plain && p.o.Color && t != "" {
			fmt.Fprintf(&out, "\x1b[%sm%s\x1b[0m", s.style, t)
		} else {
			out.WriteString(t)
		}
		if last {
			break
		}
	}
	p.buf.WriteString(strings.TrimRight(out.String(), " "))
	p.buf.WriteByte('\n')
}

// prose prints words that wrap, each line behind indent.
func (p *printer) prose(indent string, s string, st style) {
	for _, l := range wrap(Visible(s), p.width()-len(indent)) {
		p.put(span{indent, plain}, span{l, st})
	}
}

// label prints words that wrap behind a label of the left column. It gives "" for
// the next line of the same label.
func (p *printer) label(name string, s string) string {
	for _, l := range wrap(Visible(s), p.width()-labelCols) {
		p.put(span{pad(name, labelCols), bold}, span{l, plain})
		name = ""
	}
	return ""
}

// logLine prints one log line behind its number and its position.
func (p *printer) logLine(name string, number int, pos string, posCols int, text, note string) {
	pos = Visible(pos)
	n := fmt.Sprintf("%2d  ", number)
	if note != "" {
		note = "  (" + note + ")"
	}
	room := 0
	if p.o.Width > 0 {
		room = p.o.Width - labelCols - len(n) - max(displaywidth.String(pos), posCols) - 2 - displaywidth.String(note)
		if room < lineCols {
			p.put(span{pad(name, labelCols), bold}, span{n, plain}, span{pos, dim}, span{note, dim})
			p.put(span{"    ", plain}, span{cutLine(text, max(p.o.Width-4, 1)), plain})
			return
		}
	}
	p.put(span{pad(name, labelCols), bold}, span{n, plain}, span{pad(pos, posCols) + "  ", dim}, span{cutLine(text, room), plain}, span{note, dim})
}

// cutLine makes the first line of a record visible and cuts it: to room columns in
// a terminal, else (room 0) to lineBytes. It says how much was cut.
func cutLine(text string, room int) string {
	first, rest, more := strings.Cut(strings.TrimRight(text, "\r\n"), "\n")
	first = strings.TrimSuffix(first, "\r")
	tail := ""
	if more {
		tail = " (+" + plural(strings.Count(rest, "\n")+1, "line") + ")"
	}
	limit := lineBytes
	if room > 0 {
		limit = 4 * room // no character that is visible takes more bytes than that for one column
	}
	kept, cut := head(first, limit)
	shown := Visible(kept)
	if room > 0 && (cut > 0 || displaywidth.String(shown)+displaywidth.String(tail) > room) {
		// Take characters while they fit with the widest count there can be.
		budget := room - displaywidth.String(cutNote(len(first))) - displaywidth.String(tail)
		if budget < 1 {
			budget = 1
		}
		n, w := 0, 0
		for n < len(kept) {
			_, size := decode(kept[n:])
			cw := displaywidth.String(Visible(kept[n : n+size]))
			if w+cw > budget {
				break
			}
			n, w = n+size, w+cw
		}
		shown, cut = Visible(kept[:n]), len(first)-n
	}
	if cut > 0 {
		shown += cutNote(cut)
	}
	return shown + tail
}

func cutNote(n int) string { return "… +" + thousands(n) + " bytes" }

// wrap breaks s at spaces into lines of at most width columns; a word that is longer
// gets a line of its own.
func wrap(s string, width int) []string {
	width = max(width, 10)
	var lines []string
	cur, w := "", 0
	for _, word := range strings.Fields(s) {
		n := displaywidth.String(word)
		if cur != "" && w+1+n > width {
			lines = append(lines, cur)
			cur, w = "", 0
		}
		if cur != "" {
			cur += " "
			w++
		}
		cur += word
		w += n
	}
	if cur != "" {
		lines = append(lines, cur)
	}
	return lines
}

// pad fills s with spaces to n columns.
func pad(s string, n int) string {
	if w := displaywidth.String(s); w < n {
		return s + strings.Repeat(" ", n-w)
	}
	return s
}

// padLeft fills s with spaces on its left to n columns.
func padLeft(s string, n int) string {
	if w := displaywidth.String(s); w < n {
		return strings.Repeat(" ", n-w) + s
	}
	return s
}

// stamp prints a moment in the zone of the options, to the millisecond.
func stamp(t time.Time, loc *time.Location) string {
	if t.IsZero() {
		return "?"
	}
	if loc == nil {
		loc = time.UTC
	}
	return t.In(loc).Format("2006-01-02 15:04:05.000Z07:00")
}

// length prints a duration for people: "0.4 ms", "41 ms", "1.20 s", "3m12s".
func length(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch abs := d.Abs(); {
	case abs < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", ms)
	case abs < time.Second:
		return fmt.Sprintf("%.0f ms", ms)
	case abs < 10*time.Second:
		return fmt.Sprintf("%.2f s", ms/1000)
	case abs < 2*time.Minute:
		return fmt.Sprintf("%.1f s", ms/1000)
	}
	return d.Round(time.Second).String()
}

// slack prints half the width of an interval, in milliseconds where it is short.
func slack(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%.0f", float64(d)/float64(time.Millisecond))
	case d < 2*time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0fm", d.Minutes())
	}
	return fmt.Sprintf("%.0fh", d.Hours())
}

// since prints the distance from the request's start.
func since(d time.Duration) string {
	if d.Abs() < 10*time.Second {
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.3f s", d.Seconds())
}
