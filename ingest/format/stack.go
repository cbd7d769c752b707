package format

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/correlatehq/correlate/timeline"
)

// maxStackLines bounds the lines of one trace that are looked at.
const maxStackLines = 20_000

// parseStack finds a stack trace in text and gives its root cause: of a chain of
// exceptions the first one that happened, and of its frames the innermost one in the
// user's own code (else the innermost of all). Paths are kept as written.
func parseStack(text string) (timeline.Exception, bool) {
	for _, parse := range [...]func(string) (timeline.Exception, bool){pythonStack, goStack, javaStack, nodeStack} {
		if x, ok := parse(text); ok {
			return x, true
		}
	}
	return timeline.Exception{}, false
}

// A frame is one line of a stack trace.
type frame struct {
	file, function string
	line           int
	own            bool // in the user's own code
}

// place puts the frame that matters into x: frames are innermost first.
func place(x *timeline.Exception, frames []frame) {
	if len(frames) == 0 {
		return
	}
	f := frames[0]
	for _, g := range frames {
		if g.own {
			f = g
			break
		}
	}
	x.File, x.Function, x.Line = f.file, f.function, f.line
}

func lines(text string) []string {
	l := strings.SplitN(text, "\n", maxStackLines)
	for i := range l {
		l[i] = strings.TrimSuffix(l[i], "\r")
	}
	return l
}

const pythonHead = "Traceback (most recent call last):"

var (
	pythonFrame = regexp.MustCompile(`^\s*File "([^"]*)", line (\d+)(?:, in (.*))?$`)
	pythonError = regexp.MustCompile(`^([A-Za-z_][\w.]*)(?:: ?(.*))?$`)
)

// pythonStack reads a traceback. The blocks of a chain stand in the order in which
// they happened, so the first is the root cause.
func pythonStack(text string) (timeline.Exception, bool) {
	i := strings.Index(text, pythonHead)
	if i < 0 {
		return timeline.Exception{}, false
	}
	var x timeline.Exception
	var frames []frame // outermost first
	ls := lines(text[i+len(pythonHead):])
	for n, l := range ls {
		// Exception groups draw a tree before each line.
		bare := strings.TrimLeft(l, " \t|+-")
		if m := pythonFrame.FindStringSubmatch(bare); m != nil {
			num, _ := strconv.Atoi(m[2])
			frames = append(frames, frame{file: m[1], function: m[3], line: num, own: pythonOwn(m[1])})
			continue
		}
		if l == "" || l[0] == ' ' && !strings.ContainsAny(l, "|+") || n == 0 {
			continue // source text, carets, notes
		}
		m := pythonError.FindStringSubmatch(bare)
		if m == nil || len(frames) == 0 {
			continue
		}
		x.Type, x.Message = m[1], m[2]
		// A message goes on over lines until the next block or the end.
		for _, more := range ls[n+1:] {
			if more == "" || strings.HasPrefix(more, " ") || more == pythonHead {
				break
			}
			x.Message += "\n" + more
		}
		break
	}
	if len(frames) == 0 && x.Type == "" {
		return timeline.Exception{}, false
	}
	for a, b := 0, len(frames)-1; a < b; a, b = a+1, b-1 {
		frames[a], frames[b] = frames[b], frames[a]
	}
	place(&x, frames)
	return x, true
}

func pythonOwn(file string) bool {
	for _, s := range [...]string{"site-packages", "dist-packages", "/lib/python", "\\Lib\\", "<frozen"} {
		if strings.Contains(file, s) {
			return false
		}
	}
	return true
}

var (
	goPanicHead = regexp.MustCompile(`(?m)^(?:.*?http: panic serving [^ ]+: |panic: |fatal error: )(.*)$`)
	goRoutine   = regexp.MustCompile(`(?m)^goroutine \d+ .*\[[^\]]*\]:\r?$`)
	goFile      = regexp.MustCompile(`^\t(.+\.(?:go|s)):(\d+)(?: \+0x[0-9a-f]+)?\r?$`)
)

// goStack reads a panic, with or without the dump of goroutines that follows it, or
// a dump alone as debug.Stack writes it.
func goStack(text string) (timeline.Exception, bool) {
	var x timeline.Exception
	head := goPanicHead.FindStringSubmatchIndex(text)
	dump := goRoutine.FindStringIndex(text)
	if head == nil && dump == nil {
		return x, false
	}
	if head != nil {
		x.Type = "panic"
		if strings.HasPrefix(text[head[0]:], "fatal error: ") {
			x.Type = "fatal error"
		}
		x.Message = strings.TrimRight(text[head[2]:head[3]], "\r")
		x.Message = strings.TrimSuffix(x.Message, " [recovered]")
		x.Message = strings.TrimSuffix(x.Message, " [recovered, repanicked]")
		x.Escaped = true
	} else {
		x.Type = "panic"
	}
	if dump == nil {
		return x, true
	}
	var frames []frame // of the first goroutine, innermost first
	fn := ""
	for n, l := range lines(text[dump[1]:]) {
		if n == 0 {
			continue
		}
		if l == "" {
			break
		}
		if m := goFile.FindStringSubmatch(l); m != nil {
			num, _ := strconv.Atoi(m[2])
			f := frame{file: m[1], function: fn, line: num}
			f.own = !goStandard(fn) && !strings.Contains(f.file, "/pkg/mod/") && !strings.Contains(f.file, "/vendor/")
			if fn == "panic" {
				frames = frames[:0] // what stands before it recovered and printed
			} else if fn != "" {
				frames = append(frames, f)
			}
			fn = ""
			continue
		}
		fn = goFunction(l)
	}
	// A frame of a library is still better than one of the runtime.
	place(&x, frames)
	if len(frames) > 0 && x.Function != "" && goStandard(x.Function) {
		for _, f := range frames {
			if !goStandard(f.function) {
				x.File, x.Function, x.Line = f.file, f.function, f.line
				break
			}
		}
	}
	if head == nil && !strings.Contains(text, "\npanic(") {
		x.Type = "" // a dump without a panic
	}
	return x, true
}

// goFunction gives the function of "main.(*Pricer).Total(0x0, {...})" or "created by
// net/http.(*Server).Serve in goroutine 1".
func goFunction(l string) string {
	if s, ok := strings.CutPrefix(l, "created by "); ok {
		s, _, _ = strings.Cut(s, " in goroutine")
		return s
	}
	if !strings.HasSuffix(l, ")") {
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

// goStd are the roots of the standard library's import paths.
var goStd = func() map[string]bool {
	m := map[string]bool{}
	for _, s := range strings.Fields(`archive bufio bytes cmp compress container context crypto database debug embed encoding
		errors expvar flag fmt go hash html image index internal io iter log maps math mime net os path plugin reflect
		regexp runtime slices sort strconv strings structs sync syscall testing text time unicode unique unsafe vendor weak panic`) {
		m[s] = true
	}
	return m
}()

func goStandard(fn string) bool {
	root := fn
	if i := strings.IndexAny(root, "/."); i >= 0 {
		root = root[:i]
	}
	// example.com/x has a dot before its first slash; the standard library has none.
	if slash := strings.IndexByte(fn, '/'); slash >= 0 && strings.Contains(fn[:slash], ".") {
		return false
	}
	return goStd[root]
}

var (
	javaHead  = regexp.MustCompile(`^(?:Exception in thread "[^"]*" |Caused by: |Wrapped by: )?((?:[a-zA-Z_$][\w$]*\.)+[A-Z$][\w$]*)(?:: (.*))?$`)
	javaFrame = regexp.MustCompile(`^\s+at (?:[\w.@-]*//?)?([\w$.<>/]+)\(([^():]+)(?::(\d+))?\)`)
	javaMore  = regexp.MustCompile(`^\s+\.\.\. \d+ (?:more|common frames omitted)`)
)

// javaStack reads a trace with its causes: the last "Caused by" is the root.
func javaStack(text string) (timeline.Exception, bool) {
	if !strings.Contains(text, "at ") {
		return timeline.Exception{}, false
	}
	var x timeline.Exception
	var frames []frame
	in, found := false, false
	for _, l := range lines(text) {
		if m := javaFrame.FindStringSubmatch(l); m != nil {
			num, _ := strconv.Atoi(m[3])
			if in {
				frames = append(frames, frame{file: m[2], function: m[1], line: num, own: javaOwn(m[1])})
				found = true
			}
			continue
		}
		if strings.HasPrefix(l, "\t") || strings.HasPrefix(l, " ") || javaMore.MatchString(l) {
			continue // frames of other shapes, suppressed exceptions
		}
		head := l
		// A logger may write the exception behind its own message on one line.
		if m := javaHead.FindStringSubmatch(head); m != nil {
			if found && !strings.HasPrefix(l, "Caused by: ") {
				break
			}
			if strings.HasPrefix(l, "Caused by: ") && found {
				frames = nil
			}
			x = timeline.Exception{Type: m[1], Message: m[2], Escaped: strings.HasPrefix(l, "Exception in thread ")}
			in = true
		} else if found {
			break
		} else if in {
			x.Message += "\n" + l
		}
	}
	if !found {
		return timeline.Exception{}, false
	}
	place(&x, frames)
	return x, true
}

func javaOwn(fn string) bool {
	for _, p := range [...]string{"java.", "javax.", "jakarta.", "jdk.", "sun.", "com.sun.", "org.springframework.", "org.apache.",
		"io.netty.", "reactor.", "org.hibernate.", "org.eclipse.jetty.", "kotlin.", "scala.", "io.undertow.", "com.fasterxml.",
		"com.zaxxer.", "org.postgresql.", "com.mysql.", "io.grpc.", "okhttp3.", "feign."} {
		if strings.HasPrefix(fn, p) {
			return false
		}
	}
	return true
}

var (
	nodeHead  = regexp.MustCompile(`^(?:Uncaught )?([A-Za-z_$][\w$]*(?:Error|Exception|Rejection)?)(?: \[\w+\])?(?:: (.*))?$`)
	nodeFrame = regexp.MustCompile(`^\s+at (?:async )?(?:(.+?) \()?((?:file://|node:)?[^()\s]*?):(\d+):\d+\)?( \{)?$`)
	nodeCause = regexp.MustCompile(`^\s+\[cause\]: ([A-Za-z_$][\w$]*)(?: \[\w+\])?(?:: (.*))?$`)
)

// nodeStack reads an error of Node.js; a [cause] is nearer to the root.
func nodeStack(text string) (timeline.Exception, bool) {
	if !strings.Contains(text, "    at ") {
		return timeline.Exception{}, false
	}
	var x timeline.Exception
	var frames []frame
	head, found := "", false
	for _, l := range lines(text) {
		if m := nodeFrame.FindStringSubmatch(l); m != nil {
			num, _ := strconv.Atoi(m[3])
			if !found {
				if h := nodeHead.FindStringSubmatch(head); h != nil {
					x.Type, x.Message = h[1], h[2]
				} else {
					x.Message = head
				}
			}
			frames = append(frames, frame{file: m[2], function: m[1], line: num, own: nodeOwn(m[2])})
			found = true
			continue
		}
		if m := nodeCause.FindStringSubmatch(l); m != nil {
			x.Type, x.Message = m[1], m[2]
			frames = nil
			continue
		}
		if strings.TrimSpace(l) != "" && !strings.HasPrefix(l, " ") {
			head = l
		}
	}
	if !found {
		return timeline.Exception{}, false
	}
	place(&x, frames)
	return x, true
}

func nodeOwn(file string) bool {
	return !strings.HasPrefix(file, "node:") && !strings.HasPrefix(file, "internal/") && !strings.Contains(file, "node_modules")
}

// stackError is the last line of a traceback, or the first of a Java or Node trace.
var stackError = regexp.MustCompile(`^(?:[\w$]+\.)*[A-Z][\w$]*(?:Error|Exception|Exit|Interrupt|Warning)\b`)
