package report

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible gives s with everything in it made visible that a terminal would act on or
// hide: control characters, escape sequences, bidirectional overrides, characters
// without width and bytes that are not UTF-8. What it gives is one line.
func Visible(s string) string {
	clean := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x80 && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
	}
	return b.String()
}

// visibleLines gives the lines of s, each made visible. Tabs are set as four spaces
// and the carriage return before a line feed is dropped: stack traces are
// full of them.
func visibleLines(s string) []string {
	s = strings.TrimRight(s, "\r\n")
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		parts := strings.Split(strings.TrimSuffix(l, "\r"), "\t")
		for j := range parts {
			parts[j] = Visible(parts[j])
		}
		lines[i] = strings.Join(parts, "    ")
	}
	return lines
}

// head gives the first n bytes of s, not cutting a character, and how many bytes
// that leaves out.
func head(s string, n int) (string, int) {
	if len(s) <= n {
		return s, 0
	}
	for k := 1; k < utf8.UTFMax && n > 0 && !utf8.RuneStart(s[n]); k++ {
		n--
	}
	return s[:n], len(s) - n
}

// mdText escapes words for Markdown: nothing in them is markup, HTML or a link, and
// they stay on one line.
func mdText(s string) string {
	s = Visible(s)
	var b strings.Builder
	b.Grow(len(s) + 8)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\\', '`', '*', '_', '[', ']', '|', '~', '#', '!', '$':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '&':
			b.WriteString("&amp;")
		case ':':
			// An escaped colon makes no link of "http://...".
			if strings.HasPrefix(s[i:], "://") {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		case '@':
			// No mention of a person, no mail address made a link.
			b.WriteString("&#64;")
		default:
			b.WriteByte(c)
		}
	}
	// A line that begins like a list or a heading is not one.
	out := b.String()
	if out != "" {
		switch c := out[0]; {
		case c == '-', c == '+', c == '=':
			out = `\` + out
		case c >= '0' && c <= '9':
			if d := strings.TrimLeft(out, "0123456789"); strings.HasPrefix(d, ". ") || strings.HasPrefix(d, ") ") {
				n := len(out) - len(d)
				out = out[:n] + `\` + d
			}
		}
	}
	return out
}

// mdCode gives s as a code span that no run of backticks in it can end. In a table
// a pipe would end the cell even inside code, so it is escaped there.
func mdCode(s string, table bool) string {
	s = Visible(s)
	if s == "" {
		return ""
	}
	if table {
		s = strings.ReplaceAll(s, "|", `\|`)
	}
	tick := strings.Repeat("`", longestRun(s, '`')+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") || strings.HasPrefix(s, " ") && strings.HasSuffix(s, " ") && strings.TrimSpace(s) != "" {
		s = " " + s + " "
	}
	return tick + s + tick
}

// mdFence gives the fence for a code block that holds lines: longer than any run of
// backticks in them.
func mdFence(lines []string) string {
	n := 3
	for _, l := range lines {
		n = max(n, longestRun(l, '`')+1)
	}
	return strings.Repeat("`", n)
}

func longestRun(s string, c byte) int {
	best, n := 0, 0
	for i := 0; i < len(s); i++ {
		if s[i] == c {
			n++
			best = max(best, n)
		} else {
			n = 0
		}
	}
	return best
}

// thousands gives n with commas: 2,114.
func thousands[T int | int64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if neg {
		return "-" + s
	}
	return s
}

// plural gives "1 record", "3 records".
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if strings.HasSuffix(one, "y") {
		return thousands(n) + " " + strings.TrimSuffix(one, "y") + "ies"
	}
	return thousands(n) + " " + one + "s"
}
