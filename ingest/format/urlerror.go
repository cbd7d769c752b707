package format

import (
	"regexp"
	"strings"

	"github.com/correlatehq/correlate/timeline"
)

// toldCall makes the call of which an application's record tells by nothing but the error that Go's net/http gave for it, in which
// its method, its URL and why it failed stand. Where the reason tells not how the call ended, none is made.
func (d *decoding) toldCall(r *callRules) {
	e := &d.ev
	if len(e.Calls) > 0 || e.Role != timeline.RoleApp && e.Role != timeline.RoleUnknown || e.Kind != timeline.LogRecord && e.Kind != timeline.ServerSpan {
		return
	}
	texts := [...]string{d.saidAt("error.message", errorMessageSlot), d.exc.Message, e.Body}
	for i := range texts {
		method, url, cause, ok := urlError(texts[i])
		if !ok {
			continue
		}
		ended := d.outcome(r.errors, cause)
		if ended == timeline.OutcomeUnknown {
			return
		}
		var p callParts
		p.url(url)
		e.Calls = append(e.Calls, timeline.Outcall{Peer: p.peer, Method: method, Target: p.target, Ended: ended, Error: texts[i]})
		return
	}
}

// urlError reads Go's url.Error at the end of a text: `Get "http://stock:8000/stock/7": EOF`, with what the application wrote before it. What
// it quotes of an answer is not its own call.
func urlError(text string) (method, url, cause string, ok bool) {
	i := strings.Index(text, ` "http`)
	if i < 0 {
		return "", "", "", false
	}
	before, quoted := text[:i], text[i+len(` "`):]
	url, cause, ok = strings.Cut(quoted, `": `)
	if !ok || cause == "" || !(strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://")) || strings.ContainsAny(url, " \"") {
		return "", "", "", false
	}
	start := strings.LastIndexByte(before, ' ') + 1
	op := before[start:]
	if len(op) < 3 || op[0] < 'A' || op[0] > 'Z' {
		return "", "", "", false
	}
	for _, c := range []byte(op[1:]) {
		if c < 'a' || c > 'z' {
			return "", "", "", false
		}
	}
	if quotesAnswer.MatchString(before[:start]) {
		return "", "", "", false
	}
	return strings.ToUpper(op), url, cause, true
}

// quotesAnswer finds that what follows is what a callee answered.
var quotesAnswer = regexp.MustCompile(`(?i)["{]|rpc error|\bHTTP(?:/[\d.]+)? [1-5]\d\d\b|^[1-5]\d\d\b|\b(?:status|answer|respon|return|repl(?:y|ied)|said)`)
