package rules

import "strings"

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
	quote := func(i int) bool { return i >= 0 && i < len(text) && (text[i] == '"' || text[i] == '\'') }
	for at := 0; ; at++ {
		i := strings.Index(text[at:], key)
		if i < 0 {
			return false
		}
		at += i
		end := at + len(key)
		if at >= 3 && quote(at-1) && text[at-2] == '[' && endsValue(text[at-3]) && quote(end) && strings.HasPrefix(text[end+1:], "]") {
			return true
		}
	}
}

// endsValue says whether a name, a call or an index may end with c.
func endsValue(c byte) bool {
	return c == ')' || c == ']' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
