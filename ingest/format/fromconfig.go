package format

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/correlatehq/correlate/internal/strictyaml"
)

// ErrNoFormat says that a configuration holds no format string that is known.
var ErrNoFormat = errors.New("no log format was found")

// FromConfig finds the format strings in a server's configuration, and which logs are
// written by each. What is read: nginx's log_format, httpd's LogFormat and CustomLog,
// HAProxy's log-format and options, Envoy's access logs (YAML or JSON, Istio's mesh
// configuration too), gunicorn's and uWSGI's settings, the layouts of logback, log4j
// and Spring Boot, the access log settings of an API Gateway, and the access logs of
// Traefik and Caddy, which have no strings but a choice of formats.
//
// name is the file's, for positions. The error joins all that is wrong in the file as
// file:line:col; what could be read is given beside it.
func FromConfig(name string, data []byte) ([]*Understood, error) {
	c := &configReader{file: name, data: bytes.TrimPrefix(data, bom)}
	for _, k := range configKinds {
		if !k.looks.Match(c.data) {
			continue
		}
		k.read(c)
		if len(c.found) > 0 || len(c.errs) > 0 {
			break
		}
	}
	if len(c.errs) > 0 {
		return c.found, (&compiler{errs: c.errs}).err()
	}
	if len(c.found) == 0 {
		return nil, fmt.Errorf("%s: %w", name, ErrNoFormat)
	}
	return c.found, nil
}

// configKinds are the kinds of configuration files, by what stands in them; the first
// in which something is found counts.
var configKinds = []struct {
	looks *regexp.Regexp
	read  func(*configReader)
}{
	{regexp.MustCompile(`\$context\.`), (*configReader).apiGateway},
	{regexp.MustCompile(`(?m)^[^#\n]*\b(?:log_format|access_log)\s`), (*configReader).nginx},
	{regexp.MustCompile(`(?mi)^\s*(?:LogFormat|CustomLog|TransferLog)\s+[^=:\s]`), (*configReader).apache},
	{regexp.MustCompile(`(?m)^(?:global|defaults|frontend|listen|backend)\b[^{]*$`), (*configReader).haproxy},
	{regexp.MustCompile(`(?m)access_log_?format|--access-logformat`), (*configReader).gunicorn},
	{regexp.MustCompile(`(?m)^\s*(?:log-format|logformat)\s*[=:]|--log-?format`), (*configReader).uwsgi},
	{regexp.MustCompile(`(?i)<(?:configuration|included|encoder|PatternLayout)\b`), (*configReader).layoutXML},
	{regexp.MustCompile(`(?m)^\s*[\w.-]+\.(?:layout\.pattern|layout\.conversionpattern|layout\.ConversionPattern)\s*[=:]|^\s*logging\.pattern\.`), (*configReader).layoutProperties},
	{regexp.MustCompile(`(?m)^\s*\[accessLog\b`), (*configReader).traefikTOML},
	{regexp.MustCompile(`%[A-Z_]+(?:\([^)]*\))?%|accessLog|log-format-upstream|logging`), (*configReader).yaml},
	{regexp.MustCompile(`(?m)^\s*log\b[^\n]*\{|^\s*format\s+(?:json|console)`), (*configReader).caddy},
}

// A configReader reads one configuration file.
type configReader struct {
	file  string
	data  []byte
	found []*Understood
	errs  []error
}

// at gives a place of the file as line and column.
func (c *configReader) at(off int) (line, col int) {
	off = min(max(off, 0), len(c.data))
	line = 1 + bytes.Count(c.data[:off], []byte("\n"))
	return line, off - bytes.LastIndexByte(c.data[:off], '\n')
}

func (c *configReader) fail(off int, format string, args ...any) {
	line, col := c.at(off)
	c.errs = append(c.errs, &strictyaml.Error{File: c.file, Line: line, Col: col, What: fmt.Sprintf(format, args...)})
}

// understand reads a string that stands at off. A string that was found before gains
// the logs only.
func (c *configReader) understand(dialect, name, text string, off int, used ...string) *Understood {
	full := dialect
	if name != "" {
		full += ":" + name
	}
	for _, u := range c.found {
		if u.Dialect == dialect && u.String == text {
			c.use(u, used)
			return u
		}
	}
	u, err := Native(full, dialect, text)
	if err != nil {
		c.fail(off, "%v", err)
		return nil
	}
	c.add(u, off, used)
	return u
}

func (c *configReader) add(u *Understood, off int, used []string) {
	line, col := c.at(off)
	u.Pos = fmt.Sprintf("%s:%d:%d", c.file, line, col)
	c.use(u, used)
	c.found = append(c.found, u)
}

func (c *configReader) use(u *Understood, logs []string) {
	for _, l := range logs {
		if l != "" && !slices.Contains(u.Used, l) {
			u.Used = append(u.Used, l)
		}
	}
}

// A word of a configuration, with its place.
type word struct {
	text   string
	off    int
	quoted bool
}

// nginxWords cuts an nginx configuration into its directives: each is a list of words.
func nginxWords(data []byte) [][]word {
	var out [][]word
	var dir []word
	for i := 0; i < len(data); {
		switch ch := data[i]; {
		case ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n':
			i++
		case ch == '#':
			for i < len(data) && data[i] != '\n' {
				i++
			}
		case ch == ';' || ch == '{' || ch == '}':
			if len(dir) > 0 {
				out = append(out, dir)
			}
			dir = nil
			i++
		case ch == '"' || ch == '\'':
			start := i
			var b strings.Builder
			for i++; i < len(data) && data[i] != ch; i++ {
				if data[i] == '\\' && i+1 < len(data) {
					i++
					switch data[i] {
					case 't':
						b.WriteByte('\t')
						continue
					case 'n':
						b.WriteByte('\n')
						continue
					case 'r':
						b.WriteByte('\r')
						continue
					case '"', '\'', '\\':
					default:
						b.WriteByte('\\')
					}
				}
				b.WriteByte(data[i])
			}
			i++
			dir = append(dir, word{b.String(), start, true})
		default:
			start := i
			for i < len(data) && !bytes.ContainsRune([]byte(" \t\r\n;"), rune(data[i])) && (data[i] != '{' || i > start && data[i-1] == '$') {
				if data[i] == '{' { // ${variable}
					for i < len(data) && data[i] != '}' {
						i++
					}
				}
				i++
			}
			dir = append(dir, word{string(data[start:min(i, len(data))]), start, false})
		}
	}
	return append(out, dir)
}

// nginx reads log_format and access_log.
func (c *configReader) nginx() {
	type format struct {
		text string
		off  int
	}
	formats := map[string]format{}
	var order []string
	used := map[string][]string{}
	firstUse := map[string]int{}
	for _, d := range nginxWords(c.data) {
		if len(d) < 2 {
			continue
		}
		switch d[0].text {
		case "log_format":
			name := d[1].text
			rest := d[2:]
			if len(rest) > 0 && !rest[0].quoted && strings.HasPrefix(rest[0].text, "escape=") {
				rest = rest[1:]
			}
			if len(rest) == 0 {
				c.fail(d[0].off, "log_format %s has no string", name)
				continue
			}
			var b strings.Builder
			for _, w := range rest {
				b.WriteString(w.text)
			}
			if _, ok := formats[name]; !ok {
				order = append(order, name)
			}
			formats[name] = format{b.String(), rest[0].off}
		case "access_log":
			if d[1].text == "off" {
				continue
			}
			name := "combined"
			if len(d) > 2 && !strings.Contains(d[2].text, "=") {
				name = d[2].text
			}
			used[name] = append(used[name], d[1].text)
			if _, ok := firstUse[name]; !ok {
				firstUse[name] = d[0].off
			}
		}
	}
	for _, name := range order {
		c.understand("nginx", name, formats[name].text, formats[name].off, used[name]...)
	}
	for _, name := range sortedKeys(used) {
		if _, ok := formats[name]; ok {
			continue
		}
		if len(dialects()["nginx"].spec.Named[name]) == 0 {
			c.fail(firstUse[name], "access_log names the format %q, which no log_format of this file defines", name)
			continue
		}
		c.understand("nginx", name, name, firstUse[name], used[name]...)
	}
}

// configLine is a line of a configuration, or several joined by a backslash.
type configLine struct {
	text string
	off  int
}

// lines gives the lines of the file; a backslash at the end joins the next one.
func (c *configReader) lines(join bool) []configLine {
	var out []configLine
	for off := 0; off < len(c.data); {
		start, text := off, ""
		for {
			end := len(c.data)
			if i := bytes.IndexByte(c.data[off:], '\n'); i >= 0 {
				end = off + i
			}
			l := strings.TrimSuffix(string(c.data[off:end]), "\r")
			off = end + 1
			if join && strings.HasSuffix(l, `\`) && off < len(c.data) {
				text += strings.TrimSuffix(l, `\`)
				continue
			}
			text += l
			break
		}
		out = append(out, configLine{text, start})
	}
	return out
}

// apacheWords cuts a line of httpd's configuration. Quotes inside are written \".
func apacheWords(l configLine) []word {
	var out []word
	s := l.text
	for i := 0; i < len(s); {
		switch {
		case s[i] == ' ' || s[i] == '\t':
			i++
		case s[i] == '"' || s[i] == '\'':
			q, start := s[i], i
			for i++; i < len(s) && s[i] != q; i++ {
				if s[i] == '\\' && i+1 < len(s) {
					i++
				}
			}
			out = append(out, word{s[start+1 : min(i, len(s))], l.off + start, true})
			i++
		default:
			start := i
			for i < len(s) && s[i] != ' ' && s[i] != '\t' {
				i++
			}
			out = append(out, word{s[start:i], l.off + start, false})
		}
	}
	return out
}

// apache reads LogFormat, CustomLog and TransferLog.
func (c *configReader) apache() {
	names := map[string]word{}
	var order []string
	used := map[string][]string{}
	bare := word{}
	for _, l := range c.lines(true) {
		w := apacheWords(l)
		if len(w) < 2 || strings.HasPrefix(w[0].text, "#") {
			continue
		}
		switch strings.ToLower(w[0].text) {
		case "logformat":
			if len(w) == 2 {
				bare = w[1] // for TransferLog
				continue
			}
			if _, ok := names[w[2].text]; !ok {
				order = append(order, w[2].text)
			}
			names[w[2].text] = w[1]
		case "customlog":
			if len(w) < 3 {
				c.fail(w[0].off, "CustomLog names no format")
				continue
			}
			if !strings.Contains(w[2].text, "%") {
				used[w[2].text] = append(used[w[2].text], w[1].text)
				if _, ok := names[w[2].text]; !ok && len(dialects()["apache"].spec.Named[w[2].text]) > 0 {
					names[w[2].text] = word{text: w[2].text, off: w[2].off}
					order = append(order, w[2].text)
				} else if !ok {
					c.fail(w[2].off, "CustomLog names the format %q, which no LogFormat before it defines", w[2].text)
				}
				continue
			}
			c.understand("apache", "", w[2].text, w[2].off, w[1].text)
		case "transferlog":
			if bare.text != "" {
				c.understand("apache", "", bare.text, bare.off, w[1].text)
			} else {
				c.understand("apache", "common", "common", w[0].off, w[1].text)
			}
		}
	}
	for _, n := range order {
		text := names[n].text
		if strings.Trim(text, " ") == "%{Referer}i -> %U" || text == "%{User-agent}i" {
			continue // the two logs of old that hold no more than that
		}
		c.understand("apache", n, text, names[n].off, used[n]...)
	}
}

// haproxyWords cuts a line of HAProxy's configuration.
func haproxyWords(l configLine) []word {
	var out []word
	s := l.text
	for i := 0; i < len(s); {
		for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
			i++
		}
		if i == len(s) || s[i] == '#' {
			break
		}
		start := i
		var b strings.Builder
		quote := byte(0)
		for ; i < len(s) && (quote != 0 || s[i] != ' ' && s[i] != '\t'); i++ {
			switch ch := s[i]; {
			case quote == 0 && (ch == '"' || ch == '\''):
				quote = ch
			case quote != 0 && ch == quote:
				quote = 0
			case ch == '\\' && quote != '\'' && i+1 < len(s):
				i++
				switch s[i] {
				case 't':
					b.WriteByte('\t')
				case 'n':
					b.WriteByte('\n')
				case 'r':
					b.WriteByte('\r')
				default:
					b.WriteByte(s[i])
				}
			default:
				b.WriteByte(ch)
			}
		}
		out = append(out, word{b.String(), l.off + start, quote != 0})
	}
	return out
}

// haproxySection is what a section says of its log.
type haproxySection struct {
	name      string
	format    word
	captures  []string // of request headers
	responses []string
	isProxy   bool
}

// haproxy reads log-format and the options that stand for one, by section, with what
// the defaults say. Captured headers are known by their names.
func (c *configReader) haproxy() {
	var defaults, cur haproxySection
	inDefaults := false
	var all []haproxySection
	flush := func() {
		if cur.isProxy {
			all = append(all, cur)
		} else if inDefaults {
			defaults = cur
		}
	}
	for _, l := range c.lines(false) {
		w := haproxyWords(l)
		if len(w) == 0 {
			continue
		}
		rest := func(i int) string {
			if i < len(w) {
				return w[i].text
			}
			return ""
		}
		if l.text[0] != ' ' && l.text[0] != '\t' {
			flush()
			inDefaults = w[0].text == "defaults"
			cur = haproxySection{name: rest(1)}
			switch w[0].text {
			case "defaults":
			case "frontend", "listen":
				cur.format, cur.isProxy = defaults.format, true
			}
			continue
		}
		switch w[0].text {
		case "log-format":
			if len(w) > 1 {
				cur.format = w[1]
			}
		case "option":
			switch rest(1) {
			case "httplog", "tcplog", "httpslog":
				cur.format = word{text: rest(1), off: w[0].off}
			}
		case "capture":
			if rest(2) == "header" {
				if rest(1) == "request" {
					cur.captures = append(cur.captures, rest(3))
				} else {
					cur.responses = append(cur.responses, rest(3))
				}
			}
		case "http-request":
			if rest(1) == "capture" && strings.Contains(rest(2), "hdr(") {
				_, h, _ := strings.Cut(rest(2), "hdr(")
				h, _, _ = strings.Cut(h, ")")
				cur.captures = append(cur.captures, h)
			} else if rest(1) == "capture" {
				cur.captures = append(cur.captures, "")
			}
		}
	}
	flush()
	if len(all) == 0 && defaults.format.text != "" {
		all = append(all, haproxySection{name: "defaults", format: defaults.format})
	}
	d := dialects()["haproxy"]
	for _, s := range all {
		text := s.format.text
		if text == "" {
			continue
		}
		if l := d.spec.Named[text]; len(l) > 0 {
			text = l[0]
		}
		text = spellCaptures(text, "hr", "req.hdr", s.captures)
		text = spellCaptures(text, "hs", "res.hdr", s.responses)
		c.understand("haproxy", s.name, text, s.format.off, s.name)
	}
}

// spellCaptures writes the names of captured headers into the place of all of them.
func spellCaptures(text, name, fetch string, headers []string) string {
	if len(headers) == 0 || !slices.ContainsFunc(headers, func(h string) bool { return h != "" }) {
		return text
	}
	var items []string
	for i, h := range headers {
		if h == "" {
			items = append(items, fmt.Sprintf("%%[capture.%s(%d)]", fetch, i))
		} else {
			items = append(items, fmt.Sprintf("%%[%s(%s)]", fetch, h))
		}
	}
	return regexp.MustCompile(`%`+name+`\b`).ReplaceAllLiteralString(text, "{"+strings.Join(items, "|")+"}")
}

var (
	pythonSetting = regexp.MustCompile(`(?m)^[ \t]*access_log_format[ \t]*=[ \t]*`)
	gunicornFlag  = regexp.MustCompile(`--access-logformat(?:[= ]+|["'],[ \t]*)`)
)

// gunicorn reads access_log_format of a Python file, or the flag of a command line.
func (c *configReader) gunicorn() {
	for _, loc := range pythonSetting.FindAllIndex(c.data, -1) {
		text, ok := pythonString(string(c.data[loc[1]:]))
		if !ok {
			c.fail(loc[0], "access_log_format is no text that can be read")
			continue
		}
		c.understand("gunicorn", "", text, loc[1])
	}
	c.flag(gunicornFlag, "gunicorn")
}

// flag reads the quoted value of a command line's flag.
func (c *configReader) flag(re *regexp.Regexp, dialect string) {
	for _, loc := range re.FindAllIndex(c.data, -1) {
		if text, ok := pythonString(string(c.data[loc[1]:])); ok {
			c.understand(dialect, "", text, loc[1])
		}
	}
}

// pythonString reads one string literal, or several in a row, in parentheses or not.
func pythonString(s string) (string, bool) {
	var b strings.Builder
	paren, any := false, false
	for s != "" {
		s = strings.TrimLeft(s, " \t")
		if paren {
			s = strings.TrimLeft(s, " \t\r\n\\")
			if strings.HasPrefix(s, "#") {
				_, s, _ = strings.Cut(s, "\n")
				continue
			}
		}
		s = strings.TrimPrefix(s, "\\\n")
		raw := len(s) > 1 && (s[0] == 'r' || s[0] == 'R') && (s[1] == '"' || s[1] == '\'')
		if raw || len(s) > 1 && (s[0] == 'u' || s[0] == 'b') && (s[1] == '"' || s[1] == '\'') {
			s = s[1:]
		}
		switch {
		case s == "":
		case s[0] == '(' && !paren && !any:
			paren = true
			s = s[1:]
			continue
		case s[0] == ')' && paren:
			return b.String(), any
		case s[0] == '"' || s[0] == '\'':
			q := s[:1]
			if strings.HasPrefix(s, q+q+q) {
				q += q + q
			}
			end := -1
			for i := len(q); i < len(s); i++ {
				if s[i] == '\\' {
					i++
				} else if strings.HasPrefix(s[i:], q) {
					end = i
					break
				}
			}
			if end < 0 {
				return "", false
			}
			text := s[len(q):end]
			if !raw {
				text = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\'`, `'`, `\t`, "\t", `\n`, "\n", "\\\n", "").Replace(text)
			}
			b.WriteString(text)
			any = true
			s = s[end+len(q):]
			continue
		}
		break
	}
	return b.String(), any
}

var (
	uwsgiSetting = regexp.MustCompile(`(?m)^[ \t]*(?:log-format|logformat)[ \t]*[=:][ \t]*([^\r\n]+)`)
	uwsgiFlag    = regexp.MustCompile(`--log-?format(?:[= ]+|["'],[ \t]*)`)
)

// uwsgi reads log-format of an INI or YAML file, or the flag of a command line.
func (c *configReader) uwsgi() {
	for _, m := range uwsgiSetting.FindAllSubmatchIndex(c.data, -1) {
		text := strings.TrimSpace(string(c.data[m[2]:m[3]]))
		if len(text) > 1 && (text[0] == '"' || text[0] == '\'') && text[len(text)-1] == text[0] {
			text = text[1 : len(text)-1]
		}
		if !strings.Contains(text, "%(") {
			continue
		}
		c.understand("uwsgi", "", text, m[2])
	}
	c.flag(uwsgiFlag, "uwsgi")
}
