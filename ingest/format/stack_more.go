package format

import (
	"strings"

	"github.com/correlatehq/correlate/timeline"
)

// rubyFrame reads "cart.rb:12:in 'load'" of either quotes, with what stands before and
// behind it.
func rubyFrame(l string) (f frame, rest string, ok bool) {
	i := strings.Index(l, ":in `")
	if j := strings.Index(l, ":in '"); i < 0 || j >= 0 && j < i {
		i = j
	}
	if i <= 0 {
		return f, "", false
	}
	if f.file, f.line, ok = pathLine(l[:i]); !ok || f.line == 0 {
		return f, "", false
	}
	s := l[i+len(":in `"):]
	j := strings.IndexByte(s, '\'')
	if j < 0 {
		return f, "", false
	}
	f.function = s[:j]
	return f, s[j+1:], true
}

// isRubyFrom says whether a line is such as "\t3: from cart.rb:12:in `load'".
func isRubyFrom(l string) bool {
	_, s := leading(l[indent(l):])
	return strings.HasPrefix(strings.TrimPrefix(s, ": "), "from ")
}

// rubyTag takes off the tags that Rails' logger writes before each line.
func rubyTag(l string) string {
	for strings.HasPrefix(l, "[") {
		i := strings.Index(l, "] ")
		if i < 0 {
			break
		}
		l = l[i+2:]
	}
	return l
}

// rubyStack reads a backtrace in either order, or that of Rails. The causes follow what
// they caused; of the order in which the innermost comes last they stand before it.
func rubyStack(t *trace) (timeline.Exception, bool) {
	var x timeline.Exception
	frames := chain{own: rubyOwn}
	reversed, settled := false, false
	head, above := "", "" // the last line that was no frame, and the one before
	begin := func(typ, m string) {
		x.Type, x.Message = typ, m
		if !reversed {
			frames.next()
		}
	}
	for i, l := range t.lines {
		if strings.HasSuffix(l, pythonHead) {
			reversed, x.Escaped = true, true
			continue
		}
		s := strings.TrimLeft(rubyTag(l), " \t")
		if _, r := leading(s); len(r) < len(s) && strings.HasPrefix(r, ": from ") {
			s = r[2:]
		}
		s, isFrom := strings.CutPrefix(s, "from ")
		f, rest, ok := rubyFrame(s)
		if !ok {
			switch {
			case s == "", strings.HasPrefix(s, "Did you mean?"):
			case strings.Trim(s, "^~") == "":
				head = above // error_highlight marks a line of code, which it shows below the message
			default:
				head, above = s, head
			}
			if settled && reversed {
				break
			}
			continue
		}
		if m, isHead := strings.CutPrefix(rest, ": "); isHead && !isFrom {
			// "cart.rb:2:in `fetch': key not found (KeyError)"
			typ := ""
			if j := strings.LastIndex(m, " ("); j >= 0 && strings.HasSuffix(m, ")") {
				m, typ = m[:j], m[j+2:len(m)-1]
			}
			end := i + 1
			for end < len(t.lines) && end < i+maxMessageLines && t.lines[end] != "" && !strings.Contains(t.lines[end], ":in ") {
				end++
			}
			if !settled {
				begin(typ, t.message(m, i+1, end))
				x.Escaped = true
				settled = reversed
			}
			frames.frames = append(frames.frames, f)
			if settled {
				break
			}
			head = ""
			continue
		}
		if head != "" {
			if typ, m, ok := rubyHeader(head); ok && !reversed {
				begin(typ, m)
			}
			head = ""
		}
		frames.frames = append(frames.frames, f)
	}
	if x.Type == "" && x.Message == "" {
		return x, false
	}
	if reversed {
		reverse(frames.frames)
	}
	callSite(&x, frames.all(), rubyOwn)
	return x, true
}

// rubyHeader reads "KeyError (key not found: 1):", "KeyError: key not found: 1", "key
// not found: 1 (KeyError)" or, as Sinatra has it, "KeyError - key not found: 1".
func rubyHeader(l string) (typ, message string, ok bool) {
	l = strings.TrimPrefix(strings.TrimPrefix(l, "Information for: "), "Information for cause: ")
	typ = ident(l, ":")
	typ = strings.TrimRight(typ, ":")
	rest := l[len(typ):]
	if typ != "" && typ[0] >= 'A' && typ[0] <= 'Z' {
		if m, ok := strings.CutPrefix(rest, " ("); ok {
			if m, ok = strings.CutSuffix(strings.TrimSuffix(m, ":"), ")"); ok {
				return typ, m, true
			}
		}
		if m, ok := strings.CutPrefix(rest, ": "); ok {
			return typ, m, true
		}
		if m, ok := strings.CutPrefix(rest, " - "); ok {
			return typ, strings.TrimSuffix(m, ":"), true
		}
	}
	if i := strings.LastIndex(l, " ("); i > 0 && strings.HasSuffix(l, ")") {
		if typ = l[i+2 : len(l)-1]; ident(typ, ":") == typ && typ != "" && typ[0] >= 'A' && typ[0] <= 'Z' {
			return typ, l[:i], true
		}
	}
	return "", "", false
}

// elixirStack reads "** (KeyError) key :b not found" and its frames. An exit that an
// exception made is followed by it.
func elixirStack(t *trace) (timeline.Exception, bool) {
	var x timeline.Exception
	var frames []frame
	for i := 0; i < len(t.lines); i++ {
		l := t.lines[i]
		s := l[indent(l):]
		s = strings.TrimPrefix(s, "(EXIT) an exception was raised:")
		if j := strings.Index(s, "** ("); j >= 0 && (x.Type == "" || isExit(x.Type)) {
			typ, m, ok := strings.Cut(s[j+len("** ("):], ") ")
			if !ok {
				if typ, ok = strings.CutSuffix(typ, ")"); !ok {
					continue
				}
			}
			if isExit(typ) && x.Type != "" {
				continue
			}
			end := i + 1
			for end < len(t.lines) && end < i+maxMessageLines && t.lines[end] != "" && !strings.HasPrefix(strings.TrimLeft(t.lines[end], " "), "** (") {
				if _, ok := elixirFrame(strings.TrimLeft(t.lines[end], " ")); ok {
					break
				}
				end++
			}
			x.Type, x.Message = typ, t.message(m, i+1, end)
			frames = nil
			i = end - 1
			continue
		}
		if x.Type == "" {
			continue
		}
		if f, ok := elixirFrame(s); ok {
			frames = append(frames, f)
		} else if len(frames) > 0 && !isExit(x.Type) {
			break
		}
	}
	if x.Type == "" {
		return x, false
	}
	place(&x, frames, elixirOwn)
	return x, true
}

func isExit(typ string) bool { return typ == "exit" || strings.HasPrefix(typ, "EXIT") }

// elixirFrame reads "(shop 0.1.0) lib/cart.ex:12: Shop.Cart.load/1".
func elixirFrame(s string) (f frame, ok bool) {
	if rest, is := strings.CutPrefix(s, "("); is {
		app, more, ok := strings.Cut(rest, ") ")
		if !ok {
			return f, false
		}
		f.app, _, _ = strings.Cut(app, " ")
		s = more
	}
	if strings.HasPrefix(s, ":") { // :erlang.map_get(:b, %{a: 1})
		i := strings.IndexByte(s, '(')
		if i <= 0 || strings.IndexByte(s[:i], '.') < 0 {
			return f, false
		}
		f.function = s[:i]
		return f, true
	}
	at, fn, ok := strings.Cut(s, ": ")
	if !ok {
		return f, false
	}
	f.function = fn
	f.file, f.line, ok = pathLine(at)
	return f, ok && (strings.HasSuffix(f.file, ".ex") || strings.HasSuffix(f.file, ".exs") || strings.HasSuffix(f.file, ".erl") || strings.HasSuffix(f.file, ".eex") || strings.HasSuffix(f.file, ".heex"))
}

// otpFiles are how files of Erlang's own libraries are called.
var otpFiles = setOf(`gen_server.erl gen_statem.erl gen_event.erl gen.erl gen_fsm.erl proc_lib.erl supervisor.erl sys.erl erl_eval.erl erlang.erl lists.erl
	maps.erl dict.erl ets.erl timer.erl application_master.erl init.erl shell.erl error_handler.erl code_server.erl file.erl io.erl io_lib.erl string.erl binary.erl
	rpc.erl erpc.erl gen_tcp.erl inet.erl ssl.erl httpc.erl cowboy_handler.erl cowboy_stream_h.erl cowboy_http.erl ranch.erl poolboy.erl`)

// maxErlangFrames bounds the frames that are looked at.
const maxErlangFrames = 256

// erlangStack reads a reason with its stack as Erlang prints terms:
// {badarith,[{stock,load,1,[{file,"stock.erl"},{line,2}]}]}.
func erlangStack(t *trace) (timeline.Exception, bool) {
	var x timeline.Exception
	const mark = `[{file,"`
	// Terms are broken over lines and indented.
	s := strings.Join(strings.Fields(strings.Join(t.lines[:min(len(t.lines), 2000)], "\n")), " ")
	s = strings.ReplaceAll(s, "}, {", "},{")
	s = strings.ReplaceAll(strings.ReplaceAll(s, ", [", ",["), "}, ", "},")
	first := strings.Index(s, mark)
	if first < 0 {
		return x, false
	}
	stack := strings.LastIndex(s[:first], "[{")
	if stack < 0 {
		return x, false
	}
	reason := strings.TrimRight(s[:stack], ", ")
	if i := strings.LastIndex(reason, ": "); i >= 0 {
		reason = reason[i+2:]
	}
	if i := strings.LastIndex(reason, " {"); i >= 0 {
		reason = reason[i+1:]
	}
	reason = strings.TrimPrefix(reason, `{"init terminating in do_boot",`)
	reason = strings.TrimLeft(reason, "{ ")
	x.Type = ident(reason, "")
	if x.Type == "" {
		return x, false
	}
	x.Message = limit(strings.TrimSuffix(strings.TrimPrefix(reason[len(x.Type):], ","), "}"))
	if strings.Count(x.Message, "{") > strings.Count(x.Message, "}") {
		x.Message += "}"
	}
	var frames []frame
	rest := s[stack:]
	for range maxErlangFrames {
		i := strings.Index(rest, mark)
		if i < 0 {
			break
		}
		f := frame{}
		if j := strings.LastIndexByte(rest[:i], '{'); j >= 0 {
			if p := strings.Split(strings.TrimSuffix(rest[j+1:i], ","), ","); len(p) >= 2 {
				f.function = strings.TrimSpace(p[0]) + ":" + strings.TrimSpace(p[1])
			}
		}
		rest = rest[i+len(mark):]
		file, more, ok := strings.Cut(rest, `"`)
		if !ok {
			break
		}
		f.file = file
		if l, ok := strings.CutPrefix(more, "},{line,"); ok {
			f.line, _ = leading(l)
		}
		frames = append(frames, f)
		rest = more
	}
	place(&x, frames, func(f *frame) bool {
		return !otpFiles[f.file[strings.LastIndexByte(f.file, '/')+1:]] && !strings.Contains(f.file, "/lib/erlang/")
	})
	return x, true
}

// luaStack reads an error and its traceback: the message bears the innermost place.
func luaStack(t *trace) (timeline.Exception, bool) {
	var x timeline.Exception
	for i, l := range t.lines {
		if strings.TrimSpace(l) != "stack traceback:" || i == 0 {
			continue
		}
		first := 0
		if i > maxMessageLines {
			first = i - 1
		}
		m := t.lines[first]
		if j := strings.Index(m, "runtime error: "); j >= 0 {
			m = m[j+len("runtime error: "):]
		} else if strings.HasPrefix(m, "lua") {
			_, m, _ = strings.Cut(m, ": ")
		} else if j := strings.Index(m, "] /"); j > 0 && strings.HasPrefix(m, "[kong] ") {
			m = m[j+len("] "):]
		}
		var frames []frame
		// The file, the line, and what happened there.
		if f, rest, ok := luaPlace(m); ok {
			frames = append(frames, f)
			m = rest
		}
		x.Message = t.message(m, first+1, i)
		fn := ""
		for _, l := range t.lines[i+1:] {
			s := strings.TrimLeft(l, "\t ")
			if s == l {
				if strings.HasPrefix(s, "coroutine ") {
					continue
				}
				break
			}
			at, what, ok := strings.Cut(s, ": in ")
			what, _, _ = strings.Cut(what, ", client: ") // nginx tells of the request behind the last line
			if !ok {
				continue
			}
			f := frame{file: at, function: luaFunction(what)}
			if file, n, ok := pathLine(at); ok {
				f.file, f.line = file, n
			}
			if len(frames) > 0 && frames[0].function == "" && f.file == frames[0].file && f.line == frames[0].line && fn == "" {
				frames[0].function, fn = f.function, f.function
			}
			frames = append(frames, f)
		}
		place(&x, frames, luaOwn)
		return x, true
	}
	return x, false
}

// luaPlace reads "cart.lua:1: no stock" or, as nginx names the code in its configuration, "content_by_lua(nginx.conf:26):1: no stock".
func luaPlace(m string) (f frame, rest string, ok bool) {
	for i := 0; i < len(m) && m[i] != ' '; i++ {
		if m[i] != ':' || !strings.HasSuffix(m[:i], ".lua") && !strings.HasSuffix(m[:i], ")") {
			continue
		}
		if n, rest := leading(m[i+1:]); n > 0 && (rest == "" || strings.HasPrefix(rest, ": ")) {
			return frame{file: m[:i], line: n}, strings.TrimPrefix(rest, ": "), true
		}
	}
	return f, "", false
}

// luaFunction gives the name of "upvalue 'load'", "function 'f'" or "function <x.lua:2>".
func luaFunction(s string) string {
	if i := strings.IndexByte(s, '\''); i >= 0 {
		if j := strings.LastIndexByte(s, '\''); j > i {
			return s[i+1 : j]
		}
	}
	if i := strings.IndexByte(s, '`'); i >= 0 {
		return strings.Trim(s[i:], "`'")
	}
	return strings.TrimPrefix(s, "function ")
}

// perlPlace reads "words at cart.pl line 12."
func perlPlace(l string) (before string, f frame, ok bool) {
	before, at, ok := lastCut(strings.TrimSuffix(l, "."), " at ")
	if !ok {
		return l, f, false
	}
	// "at cart.pl line 12, <STDIN> line 3."
	file, n, ok := strings.Cut(at, " line ")
	if !ok || file == "" {
		return l, f, false
	}
	f.file = file
	var rest string
	f.line, rest = leading(n)
	return before, f, f.line > 0 && (rest == "" || strings.HasPrefix(rest, ", <"))
}

var perlFiles = [...]string{".pl", ".pm", ".psgi", ".cgi", ".t", ".fcgi"}

// perlStack reads what die and confess say.
func perlStack(t *trace) (timeline.Exception, bool) {
	var x timeline.Exception
	for i, l := range t.lines {
		m, f, ok := perlPlace(l)
		called := i+1 < len(t.lines) && strings.HasPrefix(t.lines[i+1], "\t") && strings.Contains(t.lines[i+1], " called at ")
		perl := false
		for _, e := range perlFiles {
			perl = perl || strings.HasSuffix(f.file, e)
		}
		if !ok || !called && !perl || strings.HasPrefix(m, "Use of uninitialized value") {
			continue
		}
		x.Message = limit(m)
		if i > 0 && i < maxMessageLines {
			x.Message = t.message(t.lines[0], 1, i) + "\n" + m
		}
		frames := []frame{f}
		for _, l := range t.lines[i+1:] {
			s, ok := strings.CutPrefix(l, "\t")
			fn, at, ok2 := lastCut(s, " called at ")
			if !ok || !ok2 {
				break
			}
			if j := strings.IndexByte(fn, '('); j > 0 {
				fn = fn[:j]
			}
			frames[len(frames)-1].function = fn
			_, f, ok := perlPlace("called at " + at)
			if !ok {
				break
			}
			frames = append(frames, f)
		}
		place(&x, frames, perlOwn)
		return x, true
	}
	return x, false
}

var nativeMarks = []string{"terminate called ", "erminating with uncaught exception", "erminating due to uncaught exception", "Segmentation fault", "Aborted", "Bus error",
	"Illegal instruction", "Floating point exception", "double free or corruption", "free(): ", "malloc(): ", "realloc(): ", "munmap_chunk(): ", "corrupted ", " ***: terminated",
	"AddressSanitizer", "UndefinedBehaviorSanitizer", "ThreadSanitizer", "Assertion `", ": segfault at ", "A fatal error has been detected by the Java Runtime", "received at time=", "Caught Segmentation fault", "Caught Aborted", "runtime error: "}

// signals are how a shell and others tell of which signal a process died.
var signals = [...]struct{ text, name string }{
	{"Segmentation fault", "SIGSEGV"}, {"Aborted", "SIGABRT"}, {"Bus error", "SIGBUS"},
	{"Illegal instruction", "SIGILL"}, {"Floating point exception", "SIGFPE"}, {"Trace/breakpoint trap", "SIGTRAP"},
}

// nativeStack reads what C++'s runtime, glibc, a sanitizer, the kernel or the JVM say of
// a process that died.
func nativeStack(t *trace) (timeline.Exception, bool) {
	x := timeline.Exception{Escaped: true}
	for i, l := range t.lines {
		s := strings.TrimSpace(l)
		if _, m, ok := strings.Cut(l, "terminate called after throwing an instance of '"); ok {
			x.Type = strings.TrimSuffix(m, "'")
			if i+1 < len(t.lines) {
				if what, ok := strings.CutPrefix(t.lines[i+1], "  what():  "); ok {
					end := i + 2
					for end < len(t.lines) && end < i+maxMessageLines && t.lines[end] != "" && !isSignal(t.lines[end]) {
						end++
					}
					x.Message = t.message(what, i+2, end)
				}
			}
			return x, true
		}
		if strings.Contains(l, "terminate called ") {
			x.Type, x.Message = "SIGABRT", s
			return x, true
		}
		for _, p := range [...]string{"terminating with uncaught exception of type ", "terminating due to uncaught exception of type "} {
			if _, m, ok := strings.Cut(l, p); ok {
				x.Type, x.Message, _ = strings.Cut(m, ": ")
				return x, true
			}
		}
		if j := strings.Index(l, "Sanitizer: "); j >= 0 && strings.Contains(l[:j], "ERROR: ") || j >= 0 && strings.Contains(l[:j], "WARNING: Thread") {
			k := strings.LastIndexByte(l[:j], ' ') + 1
			x.Type, x.Message = l[k:j+len("Sanitizer")], l[j+len("Sanitizer: "):]
			if m, _, ok := strings.Cut(x.Message, " on "); ok {
				x.Message = m
			}
			place(&x, sanitizerFrames(t.lines[i+1:]), nativeOwn)
			return x, true
		}
		if j := strings.Index(l, ": runtime error: "); j > 0 {
			if file, _, ok := pathLine(l[:j]); ok {
				if file, line, ok := pathLine(file); ok {
					x.Type, x.Message, x.File, x.Line, x.Escaped = "runtime error", l[j+len(": runtime error: "):], file, line, false
					return x, true
				}
			}
		}
		if j := strings.Index(l, ": Assertion `"); j > 0 && strings.HasSuffix(s, " failed.") {
			// prog: pay.cc:13: int main(int, char**): Assertion `c == 7' failed.
			p := strings.SplitN(l[:j], ": ", 3)
			x.Type, x.Message = "assertion", l[j+2:]
			if len(p) == 3 {
				x.File, x.Line, _ = pathLine(p[1])
				x.Function = p[2]
			}
			return x, true
		}
		if j := strings.Index(l, ": segfault at "); j > 0 {
			x.Type, x.Message = "SIGSEGV", s
			return x, true
		}
		if strings.Contains(l, "A fatal error has been detected by the Java Runtime") {
			for _, m := range t.lines[i+1 : min(i+8, len(t.lines))] {
				if m = strings.TrimLeft(m, "# "); strings.HasPrefix(m, "SIG") || strings.HasPrefix(m, "EXCEPTION_") || strings.HasPrefix(m, "Internal Error") || strings.HasPrefix(m, "Out of Memory") {
					x.Type = ident(m, "")
					x.Message = m
					return x, true
				}
			}
		}
		for _, p := range [...]string{"free(): ", "malloc(): ", "malloc_consolidate(): ", "realloc(): ", "munmap_chunk(): ", "double free or corruption", "corrupted size", "corrupted double", "corrupted top", "*** stack smashing", "*** buffer overflow", "*** longjmp"} {
			if strings.HasPrefix(s, p) {
				x.Type, x.Message = "SIGABRT", s
				return x, true
			}
		}
		if strings.HasPrefix(s, "*** SIG") && strings.Contains(s, " received at time=") {
			x.Type, x.Message = ident(s[4:], ""), s
			return x, true
		}
		if j := strings.Index(l, "Caught "); j >= 0 && strings.Contains(l[j:], ", suspect faulting address") {
			for _, g := range signals {
				if strings.HasPrefix(l[j+len("Caught "):], g.text) {
					x.Type, x.Message = g.name, l[j:]
					return x, true
				}
			}
		}
		if isSignal(s) {
			for _, g := range signals {
				if strings.HasPrefix(s, g.text) {
					x.Type, x.Message = g.name, s
					return x, true
				}
			}
		}
	}
	return x, false
}

// isSignal says whether a line is such as "Segmentation fault (core dumped)".
func isSignal(s string) bool {
	for _, g := range signals {
		if rest, ok := strings.CutPrefix(s, g.text); ok && (rest == "" || rest == " (core dumped)") {
			return true
		}
	}
	return false
}

// sanitizerFrames reads "    #0 0x555fd9603be9 in main /srv/pay/pay.cc:15:3".
func sanitizerFrames(lines []string) (frames []frame) {
	for _, l := range lines {
		s := l[indent(l):]
		if !strings.HasPrefix(s, "#") {
			if len(frames) > 0 {
				break
			}
			continue
		}
		_, fn, ok := strings.Cut(s, " in ")
		if !ok {
			continue
		}
		fn, at, _ := lastCut(fn, " ")
		f := frame{function: fn}
		if file, n, ok := pathLine(at); ok {
			f.file, f.line = file, n
			if file, n, ok := pathLine(file); ok {
				f.file, f.line = file, n // the column stood last
			}
		}
		frames = append(frames, f)
	}
	return frames
}

// isErrorLine says whether a line is the last of a traceback, or the first of a Java or
// Node trace.
func isErrorLine(l []byte) bool {
	w := ident(string(l[:min(len(l), 200)]), ".")
	i := strings.LastIndexByte(w, '.') + 1
	return i < len(w) && w[i] >= 'A' && w[i] <= 'Z' && errorName(w) && (len(w) == len(l) || l[len(w)] == ':' || l[len(w)] == ' ')
}
