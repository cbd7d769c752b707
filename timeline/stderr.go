package timeline

import "strings"

// attrStderr is the attribute of a server's record in which it quotes what the program behind it wrote to stderr, as FastCGI servers do.
const attrStderr = "upstream.stderr"

// quotedBelow gives the words that a server quotes of the program behind it to that program's hop, where it called one alone: they are not the server's
// own, and its severity says nothing about them.
func (d *draft) quotedBelow() {
	for _, h := range d.hops {
		if len(h.Calls) != 1 || h.Calls[0].Callee == nil {
			continue
		}
		callee := h.Calls[0].Callee
		kept := h.Events[:0]
		for _, e := range h.Events {
			text := e.Attrs.Get(attrStderr)
			if text == "" || e.Kind != LogRecord {
				kept = append(kept, e)
				continue
			}
			said := *e
			said.Event = e.Clone()
			said.Body, said.Severity = text, saidSeverity(text)
			said.Service, said.System = callee.Service, d.software[callee.Service].system
			said.Calls, said.Failed = nil, e.Failed && severe(said.Severity)
			if _, fatal, ok := strings.Cut(text, "PHP Fatal error:"); ok && said.Exception == nil {
				said.Exception = &Exception{Type: "PHP Fatal error", Message: strings.TrimSpace(firstLine(fatal)), Escaped: true} // it ends the script
			}
			said.Hop = callee
			callee.Events = append(callee.Events, &said)
		}
		h.Events = kept
	}
}

// saidSeverity tells how severe PHP's words are by the first of them, as its display of errors begins (php/php-src: main/main.c); others are not told.
func saidSeverity(text string) string {
	switch {
	case strings.Contains(text, "PHP Fatal error:"), strings.Contains(text, "PHP Parse error:"):
		return "error"
	case strings.Contains(text, "PHP Warning:"), strings.Contains(text, "PHP Notice:"), strings.Contains(text, "PHP Deprecated:"):
		return "warn"
	}
	return ""
}
