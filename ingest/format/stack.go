package format

import (
	"slices"
	"strconv"
	"strings"

	"github.com/correlatehq/correlate/timeline"
)

const (
	// maxStackLines bounds the lines of one trace that are looked at.
	maxStackLines = 20_000
	// The message of an exception is bounded too.
	maxMessageLines = 40
	maxMessageBytes = 8 << 10
)

// A trace is a text that may hold a stack trace, line by line.
type trace struct {
	text  string
	lines []string
}

// A frame is one line of a stack trace.
type frame struct {
	file, function string
	line           int
	app            string // of Elixir: the application whose code it is
}

// A stackLanguage is one way in which traces are written.
type stackLanguage struct {
	marks []string // each such text contains one of them
	parse func(*trace) (timeline.Exception, bool)
}

var stackLanguages = [...]stackLanguage{
	{[]string{pythonHead, "Fatal Python error: "}, pythonStack},
	{[]string{"panicked at ", "Caused by:\n", "Caused by:\r\n", "stack backtrace:"}, rustStack},
	{[]string{"panic: ", "fatal error: ", "http: panic serving ", "panic recovered:", "goroutine ", ".go:"}, goStack},
	{[]string{"#0 ", "PHP Fatal error: ", "PHP Parse error: ", "PHP Recoverable fatal error: ", "Fatal error: ", "Parse error: ", "Uncaught PHP Exception "}, phpStack},
	{[]string{"at "}, atStack},
	{[]string{"FATAL ERROR: ", "--trace-uncaught"}, v8Stack},
	{[]string{":in `", ":in '"}, rubyStack},
	{[]string{"** ("}, elixirStack},
	{[]string{`{file,"`}, erlangStack},
	{[]string{"stack traceback:"}, luaStack},
	{[]string{" called at ", ".pl line ", ".pm line ", ".psgi line ", ".cgi line "}, perlStack},
	{nativeMarks, nativeStack},
}

// parseStack finds a stack trace in text and gives its root cause: of a chain of
// exceptions the first one that happened, of a group the first of its members, and of
// the frames the innermost one in the user's own code (else the innermost of all). Paths
// are kept as written. The work is linear in the size of the text.
func parseStack(text string) (timeline.Exception, bool) {
	t := &trace{text: unfold(text)}
	for i := range stackLanguages {
		l := &stackLanguages[i]
		if !holdsAny(t.text, l.marks) {
			continue
		}
		if t.lines == nil {
			t.split()
		}
		if x, ok := l.parse(t); ok && x != (timeline.Exception{}) {
			return x, true
		}
	}
	return timeline.Exception{}, false
}

func holdsAny(s string, marks []string) bool {
	for _, m := range marks {
		if strings.Contains(s, m) {
			return true
		}
	}
	return false
}

// split cuts the text into lines; those above the bound are left out.
func (t *trace) split() {
	rest := t.text
	t.lines = make([]string, 0, min(strings.Count(rest, "\n")+1, maxStackLines))
	for len(t.lines) < maxStackLines {
		l, more, ok := strings.Cut(rest, "\n")
		if strings.HasPrefix(l, hardSpace) {
			bare := strings.TrimLeft(l, hardSpace)
			l = strings.Repeat(" ", (len(l)-len(bare))/len(hardSpace)) + bare
		}
		t.lines = append(t.lines, strings.TrimSuffix(l, "\r"))
		if !ok {
			return
		}
		rest = more
	}
}

// foldings are the ways in which traces are put on one line: the newline, the tab, and
// what a folded trace contains.
var foldings = []struct {
	fold  *strings.Replacer
	marks []string
}{
	{strings.NewReplacer("#012", "\n", "#011", "\t", "#015", ""), []string{"#012"}},
	{strings.NewReplacer(`\r\n`, "\n", `\n`, "\n", `\t`, "\t", `\"`, `"`), []string{`\n\tat `, `\n    at `, `\n   at `, `\n  File `, `\ngoroutine `, `\n\t/`, `\n#0 `, `\n\tfrom `, `\nstack traceback`, `\nstack backtrace`, `\n\nCaused by`}},
	{strings.NewReplacer(`\x0A`, "\n", `\x0a`, "\n", `\x09`, "\t"), []string{`\x0A`, `\x0a`}},
	{strings.NewReplacer("\u2028", "\n"), []string{"\u2028"}},
	{strings.NewReplacer("\r", "\n"), []string{"\r\tat ", "\r    at ", "\r  File ", "\r   at "}},
	{strings.NewReplacer(" | ", "\n"), []string{" | \tat ", " |     at ", " |    at ", " |   File ", " | at ", " | #0 ", " | goroutine "}},
}

// unfold gives a trace that stands on one line its lines again.
func unfold(text string) string {
	if strings.IndexByte(text, '\n') >= 0 {
		return text
	}
	for i := range foldings {
		if holdsAny(text, foldings[i].marks) {
			return foldings[i].fold.Replace(text)
		}
	}
	return text
}

// mayFold says by a glance whether a line may hold a trace that stands on one line.
func mayFold(s string) bool {
	if len(s) < 60 {
		return false
	}
	for i := range foldings {
		if holdsAny(s, foldings[i].marks) {
			return true
		}
	}
	return false
}

// place puts the frame that matters into x: frames are innermost first.
func place(x *timeline.Exception, frames []frame, own func(*frame) bool) {
	for i := range frames {
		if f := &frames[i]; own(f) {
			x.File, x.Function, x.Line = f.file, f.function, f.line
			return
		}
	}
	if len(frames) > 0 {
		x.File, x.Function, x.Line = frames[0].file, frames[0].function, frames[0].line
	}
}

// A chain gathers the frames of exceptions of which each caused the one before it, for
// the case that the root cause has no frame in the user's own code.
type chain struct {
	own    func(*frame) bool
	frames []frame // of the last one, innermost first
	back   []frame // of the last of those before that has one of its own: from that one on
}

func (c *chain) next() {
	for i := range c.frames {
		if c.own(&c.frames[i]) {
			c.back = c.frames[i:]
			break
		}
	}
	if c.back == nil {
		c.back = c.frames
	}
	c.frames = nil
}

// all gives the frames with those that replace them if none is of the user's own code.
func (c *chain) all() []frame { return append(c.frames, c.back...) }

// callSite is place for languages whose built-in functions have a frame at the place from
// which they are called: the function there is that of the next frame.
func callSite(x *timeline.Exception, frames []frame, own func(*frame) bool) {
	place(x, frames, own)
	for i := range frames {
		if f := &frames[i]; f.file == x.File && f.line == x.Line {
			if i+1 < len(frames) && frames[i+1].file == x.File && frames[i+1].line == x.Line {
				x.Function = frames[i+1].function
			}
			return
		}
	}
}

// message joins lines from to before end, within bounds.
func (t *trace) message(first string, from, end int) string {
	for end > from && strings.TrimSpace(t.lines[end-1]) == "" {
		end--
	}
	end = min(end, from+maxMessageLines)
	if from >= end {
		return limit(first)
	}
	return limit(first + "\n" + strings.Join(t.lines[from:end], "\n"))
}

func limit(s string) string {
	if len(s) > maxMessageBytes {
		s = strings.ToValidUTF8(s[:maxMessageBytes], "")
	}
	return s
}

// atoi reads a line number; what is none is 0.
func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// leading gives the digits at the beginning of s as a number.
func leading(s string) (n int, rest string) {
	i := 0
	for i < len(s) && s[i]-'0' <= 9 {
		i++
	}
	return atoi(s[:i]), s[i:]
}

// pathLine reads "file:12" and what follows: the last part that is a colon and digits.
func pathLine(s string) (file string, line int, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i <= 0 || i+1 == len(s) || strings.IndexByte(s[:i], '\n') >= 0 {
		return "", 0, false
	}
	n, rest := leading(s[i+1:])
	return s[:i], n, rest == ""
}

func indent(s string) int {
	n := 0
	for n < len(s) && (s[n] == ' ' || s[n] == '\t') {
		n++
	}
	return n
}

// ident gives the identifier at the beginning of s: letters, digits, _ and $, and dots
// or other marks between them.
func ident(s, marks string) string {
	i := 0
	for i < len(s) {
		c := s[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c == '$' || c >= 0x80 || i > 0 && (c-'0' <= 9 || strings.IndexByte(marks, c) >= 0) {
			i++
			continue
		}
		break
	}
	return s[:i]
}

// errorName says whether a bare name is that of an error or exception.
func errorName(s string) bool {
	for _, e := range [...]string{"Error", "Exception", "Rejection", "Throwable", "Failure", "Fault", "Warning", "Interrupt", "Exit", "Timeout"} {
		if strings.HasSuffix(s, e) {
			return true
		}
	}
	return false
}

const pythonHead = "Traceback (most recent call last):"

// pythonTries are errors by which code asks whether something is so, and pythonOS those of the operating system, which nobody raises for another one.
var (
	pythonTries = []string{"ValueError", "KeyError", "AttributeError", "IndexError", "StopIteration", "LookupError"}
	pythonOS    = []string{
		"OSError", "socket.gaierror", "ConnectionRefusedError", "ConnectionResetError", "ConnectionAbortedError", "BrokenPipeError", "BlockingIOError",
		"FileNotFoundError", "PermissionError", "ssl.SSLError", "ssl.SSLCertVerificationError", "ssl.SSLEOFError",
	}
)

// pythonStack reads a traceback. The blocks of a chain stand in the order in which
// they happened, so the first is the root cause; a group is followed by its members.
//
// An error that was handled on the way is no cause: asyncio.timeout cancels the work and makes a TimeoutError of that, and code tries
// whether a text is an address or a key is in a cache before it asks the operating system, which then fails.
func pythonStack(t *trace) (timeline.Exception, bool) {
	var x timeline.Exception
	var frames, of []frame // outermost first; those of the group
	head := -1
	for i, l := range t.lines {
		if strings.HasSuffix(l, pythonHead) {
			head = i
			break
		}
		if m, ok := strings.CutPrefix(l, "Fatal Python error: "); ok {
			return pythonFault(t, i+1, m), true
		}
		if strings.HasPrefix(l, "Exception in thread ") {
			x.Escaped = true
		}
	}
	if head < 0 || head+1 < len(t.lines) && isRubyFrom(t.lines[head+1]) {
		return x, false
	}
	for i := head + 1; i < len(t.lines); i++ {
		l := inTree(t.lines[i])
		switch {
		case strings.HasPrefix(l, `  File "`):
			if f, ok := pythonFrame(l[len(`  File "`):]); ok {
				frames = append(frames, f)
			}
			continue
		case l == "" || l[0] == ' ' || l[0] == '\t' || strings.HasSuffix(l, pythonHead) || l[0] == '+':
			continue // source text, carets, members of a group
		}
		name := ident(l, ".")
		if name == "" || len(name) < len(l) && l[len(name)] != ':' || len(frames) == 0 && len(of) == 0 {
			continue
		}
		end := i + 1
		for end < len(t.lines) && end < i+maxMessageLines && inTree(t.lines[end]) != "" && !isTreeMark(t.lines[end]) && !strings.HasSuffix(t.lines[end], pythonHead) {
			end++
		}
		x.Type = name
		m := []string{strings.TrimPrefix(strings.TrimPrefix(l[len(name):], ":"), " ")}
		for _, more := range t.lines[i+1 : end] {
			m = append(m, inTree(more))
		}
		x.Message = limit(strings.TrimRight(strings.Join(m, "\n"), " \n"))
		if end < len(t.lines) && strings.HasPrefix(strings.TrimLeft(t.lines[end], " "), "+-+-") {
			if len(frames) > 0 {
				of = frames
			}
			frames = nil
			i = end
			continue // its first member
		}
		break
	}
	if len(frames) == 0 {
		frames = of
	}
	if len(frames) == 0 && x.Type == "" {
		return x, false
	}
	if cancelled, tried := strings.HasSuffix(x.Type, "CancelledError"), slices.Contains(pythonTries, x.Type); cancelled || tried {
		handled := false
		for i := head + 1; i < len(t.lines); i++ {
			handled = handled || strings.HasPrefix(inTree(t.lines[i]), "During handling of the above exception")
			if strings.HasSuffix(t.lines[i], pythonHead) {
				if next, ok := pythonStack(&trace{lines: t.lines[i:]}); ok && (cancelled && next.Type != "" || handled && slices.Contains(pythonOS, next.Type)) {
					next.Escaped = next.Escaped || x.Escaped
					return next, true
				}
			}
		}
	}
	reverse(frames)
	isOwn := func(f frame) bool { return pythonOwn(&f) }
	if !slices.ContainsFunc(frames, isOwn) {
		frames = append(frames, pythonAround(t.lines[head+1:], isOwn)...)
	}
	place(&x, frames, pythonOwn)
	return x, true
}

// pythonAround gives the frames, innermost first, of the first of the exceptions that were made of another one that has a frame in the user's own code:
// it was raised around the same call.
func pythonAround(lines []string, isOwn func(frame) bool) []frame {
	var frames []frame
	for i, l := range lines {
		switch f, ok := pythonFrame(strings.TrimPrefix(l, `  File "`)); {
		case strings.HasPrefix(l, `  File "`) && ok:
			frames = append(frames, f)
		case strings.HasSuffix(l, pythonHead):
			frames = nil
		}
		last := i+1 == len(lines) || strings.HasSuffix(lines[i+1], pythonHead)
		if last && slices.ContainsFunc(frames, isOwn) {
			reverse(frames)
			return frames
		}
	}
	return nil
}

// pythonFault reads what the interpreter says when it dies: the innermost frame first.
func pythonFault(t *trace, i int, message string) timeline.Exception {
	x := timeline.Exception{Type: "Fatal Python error", Message: message, Escaped: true}
	var frames []frame
	for ; i < len(t.lines); i++ {
		if l, ok := strings.CutPrefix(t.lines[i], `  File "`); ok {
			if f, ok := pythonFrame(l); ok {
				frames = append(frames, f)
			}
		} else if len(frames) > 0 {
			break
		}
	}
	place(&x, frames, pythonOwn)
	return x
}

// pythonFrame reads what follows `File "`.
func pythonFrame(l string) (f frame, ok bool) {
	file, rest, ok := strings.Cut(l, `", line `)
	if !ok {
		return f, false
	}
	f.file = file
	f.line, rest = leading(rest)
	f.function = strings.TrimPrefix(strings.TrimPrefix(rest, ","), " in ")
	return f, f.line > 0
}

// inTree takes off what the tree of an exception group draws before a line.
func inTree(l string) string {
	s := strings.TrimLeft(l, " ")
	if s == "" || s[0] != '|' && s[0] != '+' || len(s) == len(l) {
		return l
	}
	if s[0] == '+' && strings.HasPrefix(s, "+-") {
		return s
	}
	return strings.TrimPrefix(s[1:], " ")
}

func isTreeMark(l string) bool {
	s := strings.TrimLeft(l, " ")
	return strings.HasPrefix(s, "+--") || strings.HasPrefix(s, "+-+")
}

func reverse(f []frame) {
	for a, b := 0, len(f)-1; a < b; a, b = a+1, b-1 {
		f[a], f[b] = f[b], f[a]
	}
}

// goStack reads a panic, with or without the dump of goroutines that follows it, a
// dump alone as debug.Stack writes it, or an error with its stack as the verb %+v of
// github.com/pkg/errors writes it.
func goStack(t *trace) (timeline.Exception, bool) {
	var x timeline.Exception
	head, dump := -1, -1
	for i, l := range t.lines {
		if head < 0 {
			if typ, m, ok := goHead(l); ok {
				head = i
				x.Type, x.Message, x.Escaped = typ, m, true
				if strings.HasSuffix(l, "panic recovered:") && i+1 < len(t.lines) {
					x.Message = ginMessage(t.lines[i+1:])
				}
			}
		}
		if isGoroutine(l) {
			dump = i
			break
		}
	}
	if head >= 0 && x.Type == "panic" {
		// The value's further lines are indented by a tab, as is a panic while panicking.
		end := head + 1
		for end < len(t.lines) && strings.HasPrefix(t.lines[end], "\t") && !strings.HasPrefix(t.lines[end], "\tpanic: ") && !isGoFile(t.lines[end]) {
			end++
		}
		for _, l := range t.lines[head+1 : min(end, head+maxMessageLines)] {
			x.Message += "\n" + l[1:]
		}
		x.Message = strings.TrimSuffix(strings.TrimSuffix(x.Message, " [recovered]"), " [recovered, repanicked]")
	}
	var frames []frame // of the first goroutine, innermost first
	panicked := false
	switch {
	case dump >= 0:
		fn := ""
		for _, l := range t.lines[dump+1:] {
			if l == "" || isGoroutine(l) {
				break
			}
			if !isGoFile(l) {
				fn = goFunction(l)
				continue
			}
			switch {
			case fn == "panic":
				frames = frames[:0] // what stands before it recovered and printed
				panicked = true
			case fn != "":
				frames = append(frames, goFrame(fn, l))
			}
			fn = ""
		}
		if head < 0 && panicked {
			x.Type = "panic"
			if dump > 0 {
				x.Message = t.lines[dump-1] // what printed it says why
			}
		}
	case head >= 0 && strings.HasSuffix(t.lines[head], "panic recovered:"):
		frames = ginFrames(t.lines[head+1:])
	default:
		// Pairs of a function and its file.
		from := max(head+1, 0)
		for i := from; i+1 < len(t.lines); i++ {
			if !isGoFile(t.lines[i+1]) || !goName(t.lines[i]) {
				if len(frames) > 0 {
					break
				}
				continue
			}
			if goFunction(t.lines[i]) == "runtime.gopanic" {
				frames = frames[:0] // what stands before it recovered and logged
				panicked = true
				i++
				continue
			}
			if len(frames) == 0 && head < 0 && i > 0 && !panicked {
				x.Message = t.message(t.lines[0], 1, i)
			}
			frames = append(frames, goFrame(t.lines[i], t.lines[i+1]))
			i++
		}
		if head < 0 && len(frames) == 0 {
			return x, false
		}
		if head < 0 && panicked {
			x.Type = "panic"
		}
	}
	// A frame of a library is still better than one of the runtime.
	place(&x, frames, goOwn)
	if x.Function != "" && goStandard(x.Function) {
		place(&x, frames, func(f *frame) bool { return !goStandard(f.function) })
	}
	return x, head >= 0 || dump >= 0 || len(frames) > 0
}

// goHead reads the line with which a panic or a fatal error begins.
func goHead(l string) (typ, message string, ok bool) {
	if m, ok := strings.CutPrefix(l, "panic: "); ok {
		return "panic", m, true
	}
	if m, ok := strings.CutPrefix(l, "fatal error: "); ok {
		return "fatal error", m, true
	}
	if isGoSignal(l) {
		typ, m, _ := strings.Cut(l, ": ")
		return typ, m, true
	}
	if i := strings.Index(l, "http: panic serving "); i >= 0 {
		if _, m, ok := strings.Cut(l[i+len("http: panic serving "):], ": "); ok {
			return "panic", m, true
		}
	}
	if strings.HasSuffix(l, "panic recovered:") {
		return "panic", "", true
	}
	return "", "", false
}

// isGoSignal says whether a line is such as "SIGQUIT: quit", by which the runtime ends for a signal (runtime/signal_unix.go).
func isGoSignal(l string) bool {
	if !strings.HasPrefix(l, "SIG") {
		return false
	}
	switch name, _, _ := strings.Cut(l, ": "); name {
	case "SIGQUIT", "SIGABRT", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS":
		return len(l) > len(name)
	}
	return false
}

// isGoroutine says whether a line is such as "goroutine 7 [running]:".
func isGoroutine(l string) bool {
	return strings.HasPrefix(l, "goroutine ") && strings.HasSuffix(l, "]:") && len(l) > 10 && l[10]-'0' <= 9
}

// isGoFile says whether a line is such as "\t/srv/main.go:12 +0x1d".
func isGoFile(l string) bool {
	return len(l) > 5 && l[0] == '\t' && (strings.Contains(l, ".go:") || strings.Contains(l, ".s:"))
}

func goFrame(fn, l string) frame {
	l = l[1:]
	i := strings.Index(l, ".go:")
	n := len(".go")
	if i < 0 {
		i, n = strings.Index(l, ".s:"), len(".s")
	}
	line, _ := leading(l[i+n+1:])
	return frame{file: l[:i+n], function: fn, line: line}
}

// goFunction gives the function of "main.(*Pricer).Total(0x0, {...})" or "created by
// net/http.(*Server).Serve in goroutine 1".
func goFunction(l string) string {
	if s, ok := strings.CutPrefix(l, "created by "); ok {
		s, _, _ = strings.Cut(s, " in goroutine")
		return s
	}
	if !strings.HasSuffix(l, ")") {
		if goName(l) {
			return l
		}
		return ""
	}
	// The arguments are the last pair of brackets; methods have others before.
	depth := 0
	for i := len(l) - 1; i >= 0; i-- {
		switch l[i] {
		case ')':
			depth++
		case '(':
			if depth--; depth == 0 {
				return l[:i]
			}
		}
	}
	return ""
}

// goName says whether a line is the name of a function: "example.com/shop.(*T).Read".
func goName(l string) bool {
	return l != "" && l[0] != '\t' && l[0] != ' ' && strings.IndexByte(l, '.') > 0 && strings.IndexByte(l, ' ') < 0 && l[len(l)-1] != ':'
}

// ginMessage gives what was recovered by Gin's middleware: the line before the frames.
func ginMessage(lines []string) string {
	for i, l := range lines {
		if i > 0 && strings.HasPrefix(l, "/") && strings.Contains(l, ".go:") {
			return lines[i-1]
		}
	}
	return ""
}

// ginFrames reads "/srv/main.go:12 (0x49a1f3)" and "\tTotal: return n" below it.
func ginFrames(lines []string) (frames []frame) {
	for i, l := range lines {
		file, _, ok := strings.Cut(l, " (0x")
		if !ok || i+1 == len(lines) || !strings.HasPrefix(lines[i+1], "\t") {
			continue
		}
		if path, n, ok := pathLine(file); ok {
			fn, _, _ := strings.Cut(lines[i+1][1:], ": ")
			frames = append(frames, frame{file: path, function: fn, line: n})
		}
	}
	return frames
}

// rustStack reads a panic with or without its backtrace, and an error with its causes as
// anyhow and eyre write it: the last cause is the root.
func rustStack(t *trace) (timeline.Exception, bool) {
	var x timeline.Exception
	var frames []frame
	i := 0
	for ; i < len(t.lines); i++ {
		l := t.lines[i]
		if j := strings.Index(l, "panicked at "); j >= 0 {
			x.Type, x.Escaped = "panic", true
			at := l[j+len("panicked at "):]
			if at != "" && at[0] == '\'' { // before Rust 1.73
				k := strings.LastIndex(at, "', ")
				if k < 0 {
					return x, false
				}
				x.Message, at = at[1:k], at[k+3:]
				i++
			} else {
				end := i + 1
				for end < len(t.lines) && t.lines[end] != "stack backtrace:" && !strings.HasPrefix(t.lines[end], "note: ") {
					end++
				}
				if i+1 < end {
					x.Message = t.message(t.lines[i+1], i+2, end)
				}
				i = end
			}
			file, _, ok := pathLine(strings.TrimSuffix(at, ":")) // the column
			file, line, ok2 := pathLine(file)
			if !ok || !ok2 {
				return x, false
			}
			frames = append(frames, frame{file: file, line: line})
			break
		}
		if l == "Caused by:" && i > 0 && i+1 < len(t.lines) && strings.HasPrefix(t.lines[i+1], "    ") {
			top := i - 1
			for top > 0 && t.lines[top] == "" {
				top--
			}
			x.Escaped = strings.HasPrefix(t.lines[top], "Error: ")
			for i++; i < len(t.lines) && strings.HasPrefix(t.lines[i], "    "); i++ {
				m := strings.TrimLeft(t.lines[i], " ")
				if n, rest := leading(m); strings.HasPrefix(rest, ": ") {
					x.Message = rest[2:]
				} else if n > 0 || x.Message == "" {
					x.Message = m
				} else if len(x.Message) < maxMessageBytes {
					x.Message += "\n" + m
				}
			}
			break
		}
	}
	fn := ""
	back := []frame{}
	for ; i < len(t.lines); i++ {
		l := strings.TrimLeft(t.lines[i], " ")
		if rest, ok := strings.CutPrefix(l, "at "); ok && fn != "" {
			if file, _, ok := pathLine(rest); ok {
				if file, line, ok := pathLine(file); ok {
					back = append(back, frame{file: file, function: fn, line: line})
				}
			}
			fn = ""
			continue
		}
		if _, rest := leading(l); len(rest) < len(l) && strings.HasPrefix(rest, ": ") {
			fn = strings.TrimSpace(rest[2:])
			if strings.HasPrefix(fn, "0x") {
				if _, name, ok := strings.Cut(fn, " - "); ok {
					fn = name
				}
			}
		}
	}
	if len(frames) == 1 && rustOwn(&frames[0]) {
		// The panic tells its place; the backtrace, the name of the function.
		f := &frames[0]
		for j := range back {
			if b := &back[j]; b.line == f.line && strings.HasSuffix(b.file, strings.TrimPrefix(f.file, ".")) {
				f.function = b.function
				break
			}
		}
	} else if len(back) > 0 {
		frames = back
	}
	if x.Type == "" && x.Message == "" {
		return x, false
	}
	place(&x, frames, rustOwn)
	return x, true
}

// phpStack reads an exception with its previous ones, which stand first: the first is
// the root. Monolog writes them the other way round.
func phpStack(t *trace) (timeline.Exception, bool) {
	if x, ok := monologStack(t); ok {
		return x, true
	}
	for i, l := range t.lines {
		if j := strings.Index(l, "Uncaught PHP Exception "); j >= 0 {
			return symfonyException(l[j+len("Uncaught PHP Exception "):])
		}
		fatal := false
		for _, p := range [...]string{"PHP Fatal error:", "PHP Parse error:", "PHP Recoverable fatal error:", "Fatal error:", "Parse error:"} {
			if j := strings.Index(l, p); j >= 0 && (j == 0 || p[0] == 'P') {
				fatal, l = true, strings.TrimLeft(l[j+len(p):], " ")
				break
			}
		}
		uncaught := false
		if j := strings.Index(l, "Uncaught "); j == 0 || j > 0 && fatal {
			uncaught, l = true, l[j+len("Uncaught "):]
		}
		if fatal && !uncaught {
			if m, at, ok := lastCut(l, " in "); ok {
				if file, n, ok := strings.Cut(at, " on line "); ok {
					line, _ := leading(n)
					return timeline.Exception{Type: "Fatal error", Message: m, File: file, Line: line, Escaped: true}, true
				}
			}
		}
		if x, ok := phpException(t, i, l, fatal && uncaught && i == len(t.lines)-1); ok {
			x.Escaped = uncaught || fatal
			return x, true
		}
	}
	return timeline.Exception{}, false
}

func lastCut(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// phpException reads "Type: message in file:12" and its frames, without which it is none unless it stands alone; the line is that of i.
func phpException(t *trace, i int, l string, alone bool) (timeline.Exception, bool) {
	var x timeline.Exception
	x.Type = ident(l, `\`)
	if x.Type == "" || x.Type == "PHP" {
		return x, false
	}
	rest := l[len(x.Type):]
	if rest != "" && rest[0] != ':' && !strings.HasPrefix(rest, " in ") {
		return x, false
	}
	// The message goes on until the line before the frames.
	end := i + 1
	for end < len(t.lines) && end < i+maxMessageLines && t.lines[end] != "Stack trace:" {
		end++
	}
	if !alone && (end == len(t.lines) || t.lines[end] != "Stack trace:") {
		return x, false
	}
	m := t.message(rest, i+1, end)
	m, at, ok := lastCut(m, " in ")
	file, line, ok2 := pathLine(at)
	if !ok || !ok2 {
		return x, false
	}
	x.Message = strings.TrimPrefix(m, ": ")
	callSite(&x, phpFrames(t.lines[min(end+1, len(t.lines)):], frame{file: file, line: line}), phpOwn)
	return x, true
}

// phpFrames reads "#0 file(12): f()": f was called there, so a place is in the function
// that the next line names. at is where the exception was made.
func phpFrames(lines []string, at frame) []frame {
	frames := []frame{at}
	for _, l := range lines {
		if len(l) < 3 || l[0] != '#' {
			break
		}
		_, l = leading(l[1:])
		l = strings.TrimPrefix(l, " ")
		last := &frames[len(frames)-1]
		if l == "{main}" {
			last.function = l
			break
		}
		place, fn, ok := strings.Cut(l, ": ")
		if !ok {
			continue
		}
		if j := strings.IndexByte(fn, '('); j >= 0 {
			fn = fn[:j]
		}
		last.function = fn
		f := frame{file: place}
		if j := strings.LastIndexByte(place, '('); j > 0 && strings.HasSuffix(place, ")") {
			f.file = place[:j]
			f.line = atoi(place[j+1 : len(place)-1])
		}
		frames = append(frames, f)
	}
	return frames
}

// monologStack reads "[object] (Type(code: 0): message at file:12)": of several the last
// is the first that happened.
func monologStack(t *trace) (timeline.Exception, bool) {
	var x timeline.Exception
	at := -1
	for i, l := range t.lines {
		if strings.Contains(l, "[object] (") {
			at = i
		}
	}
	if at < 0 {
		return x, false
	}
	l := t.lines[at]
	l = l[strings.LastIndex(l, "[object] (")+len("[object] ("):]
	x.Type = ident(l, `\`)
	rest, ok := strings.CutPrefix(l[len(x.Type):], "(code: ")
	if !ok || x.Type == "" {
		return x, false
	}
	end := at + 1
	for end < len(t.lines) && end < at+maxMessageLines && t.lines[end] != "[stacktrace]" {
		end++
	}
	_, m, _ := strings.Cut(t.message(rest, at+1, end), "): ")
	m, place_, ok := lastCut(m, " at ")
	place_, _, _ = strings.Cut(place_, ")")
	file, line, ok2 := pathLine(place_)
	if !ok || !ok2 {
		return x, false
	}
	// It is written as JSON, but for the ends of lines.
	plain := strings.NewReplacer(`\\`, `\`, `\"`, `"`)
	x.Type, x.Message = plain.Replace(x.Type), plain.Replace(m)
	callSite(&x, phpFrames(t.lines[min(end+1, len(t.lines)):], frame{file: plain.Replace(file), line: line}), phpOwn)
	x.Function = plain.Replace(x.Function)
	return x, true
}

// symfonyException reads `App\X: "message" at /srv/x.php line 12`.
func symfonyException(l string) (timeline.Exception, bool) {
	x := timeline.Exception{Type: ident(l, `\`), Escaped: true}
	m, at, ok := lastCut(l[len(x.Type):], " at ")
	file, n, ok2 := strings.Cut(at, " line ")
	if !ok || !ok2 || x.Type == "" {
		return x, false
	}
	x.Message = strings.Trim(strings.TrimPrefix(m, ": "), `"`)
	x.File = file
	x.Line, _ = leading(n)
	return x, true
}
