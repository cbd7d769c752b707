package format

import (
	"strings"

	"github.com/correlatehq/correlate/timeline"
)

// atKind tells whose frames begin with "at ".
type atKind uint8

const (
	noFrame atKind = iota
	javaFrame
	dotnetFrame
	nodeFrame
)

// atStack reads traces whose frames begin with "at ": the first frame tells whose.
func atStack(t *trace) (timeline.Exception, bool) {
	for i, l := range t.lines {
		n := indent(l)
		if !strings.HasPrefix(l[n:], "at ") {
			if strings.HasPrefix(l[n:], "[errors]: [") {
				return nodeStack(t, i)
			}
			continue
		}
		var f frame
		switch readAt(l[n+3:], &f) {
		case javaFrame:
			return javaStack(t, i)
		case dotnetFrame:
			return dotnetStack(t, i)
		case nodeFrame:
			return nodeStack(t, i)
		}
	}
	return timeline.Exception{}, false
}

// readAt reads what follows "at " of a frame.
func readAt(s string, f *frame) atKind {
	open := strings.IndexByte(s, '(')
	if open > 0 && s[open-1] != ' ' {
		shut := strings.IndexByte(s[open:], ')')
		if shut < 0 {
			return noFrame
		}
		in := s[open+1 : open+shut]
		if isJavaPlace(in) {
			f.function = javaFunction(s[:open])
			f.file = in
			if file, n, ok := pathLine(in); ok {
				f.file, f.line = file, n
			}
			return javaFrame
		}
		// Generic arguments and types have brackets of their own.
		fn := s[:open]
		if strings.IndexByte(fn, '.') < 0 || strings.ContainsAny(fn, "/\\:") {
			return readNode(s, f)
		}
		f.function = fn
		if _, at, ok := lastCut(s[open:], " in "); ok {
			if file, n, ok := strings.Cut(at, ":line "); ok {
				f.file = file
				f.line, _ = leading(n)
			}
		}
		return dotnetFrame
	}
	return readNode(s, f)
}

// isJavaPlace says whether what stands in a frame's brackets is a place in Java: a file,
// with or without a line.
func isJavaPlace(s string) bool {
	switch s {
	case "Native Method", "Unknown Source", "<generated>", "<unknown>", "Redefined":
		return true
	case "":
		return false
	}
	if strings.ContainsAny(s, " /\\,") {
		return false
	}
	if i := strings.IndexByte(s, ':'); i >= 0 {
		if _, rest := leading(s[i+1:]); rest != "" {
			return false
		}
		s = s[:i]
	}
	i := strings.LastIndexByte(s, '.')
	return i > 0 && i+1 < len(s) && len(s)-i <= 8 || strings.HasPrefix(s, "NO_SOURCE_FILE") || s == "REPL"
}

// javaFunction takes the names of loader and module off: "java.base/", "app//".
func javaFunction(s string) string {
	for {
		i := strings.IndexByte(s, '/')
		if i < 0 || i+1 < len(s) && s[i+1]-'0' <= 9 {
			return s // Main$$Lambda/0x0000000800c03000.run
		}
		s = s[i+1:]
	}
}

// javaHeader reads "java.lang.IllegalStateException: no order", with what may stand before it.
func javaHeader(l string) (typ, message, before string, ok bool) {
	rest := l
	if s, ok := strings.CutPrefix(l, `Exception in thread "`); ok {
		if i := strings.Index(s, `" `); i >= 0 {
			before, rest = "Exception in thread ", s[i+2:]
		}
	}
	for _, p := range [...]string{"Caused by: ", "Wrapped by: ", "Unhandled exception. ", "Unhandled Exception: "} {
		if s, ok := strings.CutPrefix(rest, p); ok {
			before, rest = p, s
		}
	}
	typ = ident(rest, ".")
	dot := strings.LastIndexByte(typ, '.')
	if typ == "" || dot == len(typ)-1 || dot < 0 && before == "" && !errorName(typ) {
		return "", "", before, false
	}
	if c := typ[dot+1]; (c < 'A' || c > 'Z') && c != '$' && before == "" {
		return "", "", before, false
	}
	rest = rest[len(typ):]
	// .NET: the error's number. Generic classes have their arguments.
	if strings.HasPrefix(rest, " (") || strings.HasPrefix(rest, "`") {
		if i := strings.Index(rest, ": "); i >= 0 {
			rest = rest[i:]
		}
	}
	if rest != "" && rest[0] != ':' || strings.HasPrefix(rest, "::") {
		return "", "", before, false
	}
	return typ, strings.TrimPrefix(strings.TrimPrefix(rest, ":"), " "), before, true
}

// javaSuffix finds a header behind a logger's own message on one line.
func javaSuffix(l string) (typ, message string, ok bool) {
	for i := strings.IndexByte(l, ' '); i >= 0 && i+1 < len(l); {
		w := ident(l[i+1:], ".")
		if strings.IndexByte(w, '.') > 0 && errorName(w) {
			if typ, m, _, ok := javaHeader(l[i+1:]); ok {
				return typ, m, true
			}
		}
		j := strings.IndexByte(l[i+1:], ' ')
		if j < 0 {
			break
		}
		i += 1 + j
	}
	return "", "", false
}

// A javaBlock is one exception of a chain, with the frames that it prints; it shares
// more of them with the exception that it caused.
type javaBlock struct {
	x      timeline.Exception
	frames []frame
	more   int
}

// javaStack reads a trace with its causes: the last "Caused by" is the root, or the
// first block if those that follow are "Wrapped by". first is the line of the first frame.
func javaStack(t *trace, first int) (timeline.Exception, bool) {
	var blocks []javaBlock
	rootFirst, escaped := false, false
	// The header is the nearest line above that may be one; what stands between is its message.
	b := javaBlock{}
	base := 0 // by how much the headers of the chain are indented
	for i := first - 1; i >= 0 && i >= first-maxMessageLines; i-- {
		l := t.lines[i]
		typ, m, before, ok := javaHeader(l[indent(l):])
		if ok {
			b.x.Type, b.x.Message = typ, t.message(m, i+1, first)
			escaped = before == "Exception in thread "
			base = indent(l)
			break
		}
	}
	if b.x.Type == "" && first > 0 {
		typ, m, ok := javaSuffix(t.lines[first-1])
		if !ok {
			m = t.lines[first-1]
		}
		b.x.Type, b.x.Message = typ, m
	}
	apart := -1 // the indentation of a suppressed exception, whose lines are passed over
	for i := first; i < len(t.lines); i++ {
		l := t.lines[i]
		n := indent(l)
		s := l[n:]
		if apart >= 0 {
			if n > apart || n == apart && (strings.HasPrefix(s, "Caused by: ") || strings.HasPrefix(s, "Suppressed: ")) {
				continue
			}
			apart = -1
		}
		switch {
		case strings.HasPrefix(s, "at "):
			f := frame{}
			if readAt(s[3:], &f) == javaFrame {
				b.frames = append(b.frames, f)
			}
			continue
		case strings.HasPrefix(s, "... "):
			b.more, _ = leading(s[4:])
			continue
		case strings.HasPrefix(s, "Suppressed: "):
			apart = n
			continue
		case s == "" || strings.Contains(s, "[CIRCULAR REFERENCE"):
			continue
		}
		if n > base && !strings.HasPrefix(s, "Caused by: ") {
			continue
		}
		typ, m, before, ok := javaHeader(s)
		if !ok || before != "Caused by: " && before != "Wrapped by: " {
			break // the record goes on with something else
		}
		rootFirst = rootFirst || before == "Wrapped by: "
		blocks = append(blocks, b)
		b = javaBlock{x: timeline.Exception{Type: typ, Message: m}}
		end := i + 1
		for end < len(t.lines) && end < i+maxMessageLines && !isAt(t.lines[end]) {
			end++
		}
		if end < len(t.lines) && isAt(t.lines[end]) {
			b.x.Message = t.message(m, i+1, end)
			i = end - 1
		}
	}
	blocks = append(blocks, b)
	root := len(blocks) - 1
	if rootFirst {
		root = 0
	}
	x := blocks[root].x
	x.Escaped = escaped
	if rootFirst {
		var all []frame // the frames that it shares are printed by those that wrap it
		for _, b := range blocks {
			all = append(all, b.frames...)
		}
		place(&x, all, javaOwn)
		return x, true
	}
	place(&x, blocks[root].frames, javaOwn)
	if len(blocks[root].frames) > 0 && x.Function != "" && javaOwn(&frame{function: x.Function}) {
		return x, true
	}
	// What it shares are the last frames of the one that it caused, and so on.
	n := blocks[root].more
	for i := root - 1; i >= 0 && n > 0; i-- {
		up := &blocks[i]
		if n > up.more {
			for k := max(0, len(up.frames)-(n-up.more)); k < len(up.frames); k++ {
				if f := &up.frames[k]; javaOwn(f) {
					x.File, x.Function, x.Line = f.file, f.function, f.line
					return x, true
				}
			}
		}
		n = min(n, up.more)
	}
	// The virtual machine writes some errors without any frame: then it is known where their consequence was made.
	for i := root - 1; i >= 0 && x.File == ""; i-- {
		place(&x, blocks[i].frames, javaOwn)
	}
	return x, true
}

// isAt says whether a line looks like a frame, or tells that frames are left out.
func isAt(l string) bool {
	s := l[indent(l):]
	return len(s) < len(l) && (strings.HasPrefix(s, "at ") || strings.HasPrefix(s, "... "))
}

// dotnetStack reads an exception with its inner ones: the last "--->" is the root, and
// its frames stand first.
func dotnetStack(t *trace, first int) (timeline.Exception, bool) {
	var x timeline.Exception
	end := first
	for i := first - 1; i >= 0 && i >= first-4*maxMessageLines; i-- {
		l := strings.TrimLeft(t.lines[i], " ")
		inner := strings.HasPrefix(l, "---> ")
		l = strings.TrimPrefix(l, "---> ")
		if s, ok := strings.CutPrefix(l, "(Inner Exception #"); ok {
			_, l, _ = strings.Cut(s, ") ")
		}
		typ, m, before, ok := javaHeader(l)
		if !ok && !inner {
			continue
		}
		if x.Type == "" {
			if !ok {
				m = l
			}
			x.Type, x.Message = typ, t.message(m, i+1, end)
		}
		if strings.HasPrefix(before, "Unhandled ") {
			x.Escaped = true
		}
		if !inner {
			break
		}
	}
	if x.Type == "" && first > 0 {
		typ, m, ok := javaSuffix(t.lines[first-1])
		if !ok {
			m = t.lines[first-1]
		}
		x.Type, x.Message = typ, m
	}
	var frames []frame
	for _, l := range t.lines[first:] {
		s := strings.TrimLeft(l, " \t")
		f := frame{}
		switch {
		case strings.HasPrefix(s, "at "):
			if readAt(s[3:], &f) == dotnetFrame {
				frames = append(frames, f)
			}
			continue
		case s == "" || strings.HasPrefix(s, "--- End of "):
			continue
		}
		break
	}
	place(&x, frames, dotnetOwn)
	return x, true
}

// readNode reads a frame of Node.js: "fn (file:1:2)", "async fn (file:1:2)", "file:1:2".
func readNode(s string, f *frame) atKind {
	s = strings.TrimSuffix(strings.TrimSuffix(s, " {"), ",")
	s = strings.TrimPrefix(s, "async ")
	at := s
	if strings.HasSuffix(s, ")") {
		i := strings.LastIndex(s, " (")
		if i < 0 {
			return noFrame
		}
		f.function, at = s[:i], s[i+2:len(s)-1]
		if at == "<anonymous>" || at == "native" || strings.HasPrefix(at, "index ") {
			f.file = at
			return nodeFrame
		}
		if j := strings.LastIndex(at, " ("); strings.HasPrefix(at, "eval at ") && j > 0 {
			at, _, _ = strings.Cut(at[j+2:], ")")
		}
	}
	file, _, ok := pathLine(at)
	file, line, ok2 := pathLine(file)
	if !ok || !ok2 || strings.IndexByte(file, ' ') >= 0 && f.function == "" {
		return noFrame
	}
	f.file, f.line = file, line
	return nodeFrame
}

// nodeHeader reads "TypeError: x is not a function" or "Error [ERR_X]: x".
func nodeHeader(l string) (typ, message string, ok bool) {
	l = strings.TrimPrefix(strings.TrimPrefix(l, "Uncaught "), "[")
	typ = ident(l, ".")
	rest := l[len(typ):]
	if strings.HasPrefix(rest, " [") {
		if i := strings.IndexByte(rest, ']'); i > 0 {
			rest = rest[i+1:]
		}
	}
	rest, _ = strings.CutSuffix(rest, "] {")
	if typ == "" || typ[0] == '_' || rest != "" && rest[0] != ':' {
		return "", "", false
	}
	return typ, strings.TrimPrefix(strings.TrimPrefix(rest, ":"), " "), errorName(typ) || rest != "" && typ[0] >= 'A' && typ[0] <= 'Z'
}

// nodeStack reads an error of Node.js; a [cause] is nearer to the root, as is the first
// of [errors].
func nodeStack(t *trace, first int) (timeline.Exception, bool) {
	var x timeline.Exception
	found := false
	for i := first - 1; i >= 0 && i >= first-maxMessageLines && !found; i-- {
		if typ, m, ok := nodeHeader(t.lines[i]); ok && (errorName(typ) || i == first-1) {
			x.Type, x.Message = typ, t.message(m, i+1, first)
			found = true
		}
	}
	if !found && first > 0 {
		l := t.lines[first-1]
		x.Message = l
		// console.error("request failed", err)
		if i := strings.LastIndex(l, "Error: "); i > 0 {
			j := strings.LastIndexByte(l[:i], ' ') + 1
			if typ, m, ok := nodeHeader(l[j:]); ok {
				x.Type, x.Message = typ, m
			}
		}
	}
	frames := chain{own: nodeOwn}
	group, over := false, false
	for _, l := range t.lines[first:] {
		n := indent(l)
		s := l[n:]
		switch {
		case strings.HasPrefix(s, "at ") && !over:
			f := frame{}
			if readAt(s[3:], &f) == nodeFrame {
				frames.frames = append(frames.frames, f)
			}
			if group && strings.HasSuffix(s, ",") {
				over = true // the next of the group
			}
		case strings.HasPrefix(s, "[cause]: ") && !over:
			typ, m, ok := nodeHeader(strings.TrimSuffix(s[len("[cause]: "):], " {"))
			if !ok {
				continue
			}
			x.Type, x.Message = typ, strings.TrimSuffix(m, "]")
			frames.next()
		case strings.HasPrefix(s, "[errors]: ["):
			group = true
			frames.next()
		case group && len(frames.frames) == 0 && n > 0 && !over:
			if typ, m, ok := nodeHeader(strings.TrimSuffix(s, ",")); ok && errorName(typ) {
				x.Type, x.Message = typ, m
			}
		case strings.HasPrefix(s, "Emitted 'error' event"):
			over = true
		case strings.HasPrefix(s, "Node.js v"):
			x.Escaped = true
		case group && n <= 2:
			over = true
		}
	}
	if first > 0 {
		// An uncaught error begins with the line that threw it.
		for i, l := range t.lines[:min(first, 8)] {
			if i > 0 && strings.TrimSpace(l) == "^" {
				x.Escaped = true
			}
		}
		x.Escaped = x.Escaped || strings.HasPrefix(t.lines[0], "Uncaught ") || strings.HasPrefix(t.lines[0], "uncaughtException: ")
	}
	place(&x, frames.all(), nodeOwn)
	return x, true
}

// v8Stack reads what Node.js says when it dies of something else than an error.
func v8Stack(t *trace) (timeline.Exception, bool) {
	for i, l := range t.lines {
		if m, ok := strings.CutPrefix(l, "FATAL ERROR: "); ok {
			return timeline.Exception{Type: "FATAL ERROR", Message: m, Escaped: true}, true
		}
		if i > 0 && strings.HasPrefix(l, "(Use `node --trace-uncaught") {
			return timeline.Exception{Message: t.lines[i-1], Escaped: true}, true
		}
	}
	return timeline.Exception{}, false
}
