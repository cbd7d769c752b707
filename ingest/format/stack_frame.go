package format

import (
	"bytes"
	"strings"
)

// A traceState follows a trace line by line, so that its lines that are not indented
// stay with it, whatever else they may look like.
type traceState uint8

const (
	noTrace     traceState = iota
	pythonOpen             // a traceback whose last line is to come
	pythonChain            // one that another follows
	goDump                 // a panic, a dump of goroutines
	nodeSource             // the place of an error that ended Node.js, after which comes its line of source
	nodeCaret              // that line, under which carets mark the place
	nodeTrace              // the error, until Node.js says which version it is
	nodeHeap               // a report of the heap, at whose end stands the error for which Node.js gave up
	traceOver              // the process has ended
)

// begin looks at the first line of a record.
func (s *traceState) begin(line []byte) {
	*s = noTrace
	switch {
	case bytes.HasSuffix(line, []byte(pythonHead)):
		*s = pythonOpen
	case bytes.HasPrefix(line, []byte("panic: ")), bytes.HasPrefix(line, []byte("fatal error: ")), isGoSignal(bytesAsString(line[:min(len(line), 64)])),
		bytes.Contains(line, []byte("http: panic serving ")), bytes.HasPrefix(line, []byte("goroutine ")):
		*s = goDump
	case isNodePlace(line):
		*s = nodeSource
	case bytes.Equal(line, []byte("<--- Last few GCs --->")):
		*s = nodeHeap
	}
}

// nodePlaces are the beginnings of what Node.js calls a place of code: a file, or a text that was compiled.
var nodePlaces = []string{"/", "file:", "node:", "undefined:", "<anonymous_script>:", "evalmachine.<anonymous>:", "[eval]:"}

// isNodePlace says whether a line is a place and a line number, and no more.
func isNodePlace(line []byte) bool {
	i := bytes.LastIndexByte(line, ':')
	if i <= 0 || i == len(line)-1 || len(line) > 4<<10 || len(bytes.Trim(line[i+1:], "0123456789")) > 0 || bytes.IndexByte(line, ' ') >= 0 {
		return false
	}
	for _, p := range nodePlaces {
		if strings.HasPrefix(string(line), p) {
			return true
		}
	}
	return i > 2 && line[1] == ':' && line[2] == '\\'
}

// goesOn says whether a line belongs to the trace that the lines before it opened.
func (s *traceState) goesOn(line []byte) bool {
	if len(line) == 0 || isIndented(line) {
		if *s == nodeSource {
			*s = nodeCaret
		}
		return *s != noTrace && *s != traceOver
	}
	switch *s {
	case pythonOpen:
		if len(line) > 4<<10 {
			line = line[:4<<10]
		}
		l := string(line)
		n := ident(l, ".")
		if n == "" || len(n) < len(l) && l[len(n):] != ":" && !strings.HasPrefix(l[len(n):], ": ") || strings.ToUpper(n) == n {
			return false // another record stands between
		}
		*s = noTrace
		return true
	case pythonChain:
		if bytes.Equal(line, []byte(pythonHead)) {
			*s = pythonOpen
			return true
		}
		*s = noTrace
	case nodeSource:
		*s = nodeCaret
		return true
	case nodeCaret:
		*s = nodeTrace
		return len(bytes.Trim(line, "^")) == 0
	case nodeTrace:
		if bytes.HasPrefix(line, []byte("Node.js v")) {
			*s = traceOver
			return true
		}
	case nodeHeap:
		switch {
		case line[0] == '[', bytes.HasPrefix(line, []byte("<--- ")):
			return true
		case bytes.HasPrefix(line, []byte("FATAL ERROR: ")):
			*s = noTrace
			return true
		}
	case goDump:
		l := string(line[:min(len(line), 1<<10)])
		if strings.HasPrefix(l, "exit status ") {
			*s = traceOver
			return true
		}
		return isGoroutine(l) || strings.HasPrefix(l, "created by ") || strings.HasPrefix(l, "[signal ") || strings.HasPrefix(l, "PC=") || l == "runtime stack:" ||
			strings.HasSuffix(l, ")") && strings.IndexByte(l, '(') > strings.IndexByte(l, '.') && strings.IndexByte(l, '.') > 0 && strings.IndexByte(l[:strings.IndexByte(l, '(')], ' ') < 0
	}
	switch {
	case bytes.HasPrefix(line, []byte("During handling of the above exception")), bytes.HasPrefix(line, []byte("The above exception was the direct cause")):
		*s = pythonChain
		return true
	case bytes.HasSuffix(line, []byte(pythonHead)):
		*s = pythonOpen // it goes on only if a format says so
	case bytes.HasPrefix(line, []byte("goroutine ")) && bytes.HasSuffix(line, []byte("]:")):
		*s = goDump
		return true
	}
	return false
}

// rubyHead gives what the line by which an exception ends a Ruby program says of it; nil if it is none.
func rubyHead(line []byte) []byte {
	if len(line) == 0 || line[len(line)-1] != ')' || isIndented(line) {
		return nil
	}
	f, rest, ok := rubyFrame(bytesAsString(line[:min(len(line), 4<<10)]))
	if !ok || strings.IndexByte(f.file, ' ') >= 0 || !strings.HasPrefix(rest, ": ") || !strings.Contains(rest, " (") {
		return nil
	}
	return line[len(line)-len(rest):]
}
