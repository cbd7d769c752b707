package rules

import (
	"regexp"
	"strings"
)

// lacking names the party whose answer lacked a field that the hop's code asked for by its name: its error says that a mapping has no such key,
// the line at fault has that key in quotes, as code has it that reads a document, and the last answer that came before was a good
// one. "" if it was not so. A key that is computed is looked up in data of the code's own.
func (h *HopView) lacking() string {
	e := h.ownException()
	if e == nil || e.Exception.Type != "KeyError" {
		return ""
	}
	key := strings.Trim(e.Exception.Message, `'"`)
	if key == "" || !readByName(e.text()+"\n"+strings.ReplaceAll(string(e.joined.Raw), `\"`, `"`), key) {
		return ""
	}
	var last *CallView
	for _, c := range h.Calls {
		if c.Answered && c.Received.HTTP < 300 && !e.joined.Start.CertainlyBefore(c.call.End) && (last == nil || !c.call.End.Time.Before(last.call.End.Time)) {
			last = c
		}
	}
	if last == nil {
		return ""
	}
	return last.Party
}

// readByName says whether a line of code in a text reads a key by its name: answer["cents"].
func readByName(text, key string) bool {
	return regexp.MustCompile(`[\w)\]]\[(["'])` + regexp.QuoteMeta(key) + `["']\]`).MatchString(text)
}
