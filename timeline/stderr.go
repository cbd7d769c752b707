package timeline

import (
	"regexp"
	"strconv"
	"strings"
)

// phpPlace is how PHP ends the message of an error (php/php-src: main/main.c, php_error_cb).
var phpPlace = regexp.MustCompile(`^(.*) in (\S+) on line (\d+)$`)

// attrStderr is the attribute of a server's record in which it quotes what the program behind it wrote to stderr, as FastCGI servers do.
const attrStderr = "upstream.stderr"

// quotedCall makes the call that a server must have made which quotes the program behind it, where its record of the exchange names none: it passed on
// what that answered.
func (d *draft) quotedCall(h *Hop) {
	for _, e := range h.Events {
		peer := upstreamOf(e.Event)
		if e.Kind == LogRecord && e.Held() && e.Attrs.Get(attrStderr) != "" && peer != "" && h.Sent.Known() {
			c := &Call{Caller: h, Peer: peer, Received: h.Sent, Record: e, Start: h.Start, End: h.End}
			h.Calls, d.calls = append(h.Calls, c), append(d.calls, c)
			return
		}
	}
}

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
				x := Exception{Type: "PHP Fatal error", Message: strings.TrimSpace(firstLine(fatal)), Escaped: true} // it ends the script
				if at := phpPlace.FindStringSubmatch(x.Message); at != nil {
					x.Message, x.File = at[1], at[2]
					x.Line, _ = strconv.Atoi(at[3])
				}
				said.Exception = &x
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
