package rules

import (
	"slices"
	"strings"
	"unicode"
)

// lacking names the party whose answer lacked a field that the hop's code asked for by its name: its error says that a mapping has no such key,
// the line at fault reads that key in quotes of what it calls an answer, and the last answer that came before was a good
// one. "" if it was not so. A key that is computed is looked up in data of the code's own.
func (h *HopView) lacking() string {
	e := h.ownException()
	if e == nil || e.Exception.Type != "KeyError" {
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
	party, key := madeBelow(last), strings.Trim(e.Exception.Message, `'"`)
	if key == "" || !readByName(e.text()+"\n"+strings.ReplaceAll(string(e.joined.Raw), `\"`, `"`), key, party) {
		return ""
	}
	return party
}

// answers are words by which people name what came from a neighbour in code.
var answers = []string{"answer", "response", "resp", "reply", "result", "data", "body", "payload", "json", "doc", "document", "content", "message", "r", "res", "rv", "d"}

// readByName says whether a line of code in a text reads a key by its name of an answer, or of what has the name of the party that
// answered: answer["cents"], r.json()["cents"], answer["prices"][0]["cents"], price["cents"] of prices.
func readByName(text, key, party string) bool {
	quote := func(i int) bool { return i >= 0 && i < len(text) && (text[i] == '"' || text[i] == '\'') }
	for at := 0; ; at++ {
		i := strings.Index(text[at:], key)
		if i < 0 {
			return false
		}
		at += i
		end := at + len(key)
		if at >= 3 && quote(at-1) && text[at-2] == '[' && ofAnswer(text[:at-2], party) && quote(end) && strings.HasPrefix(text[end+1:], "]") {
			return true
		}
	}
}

// ofAnswer says whether a text ends with what reads an answer of a party: one of the words for it, the party's name, or the result of a call, with whatever is
// read of it.
func ofAnswer(text, party string) bool {
	for {
		text = strings.TrimRight(text, " ")
		if strings.HasSuffix(text, ")") {
			return true
		}
		if !strings.HasSuffix(text, "]") {
			break
		}
		i := strings.LastIndexByte(text, '[')
		if i < 0 {
			return false
		}
		text = text[:i]
	}
	name := text[strings.LastIndexFunc(text, func(c rune) bool { return c != '_' && !unicode.IsLetter(c) && !unicode.IsDigit(c) })+1:]
	return slices.ContainsFunc(strings.Split(strings.ToLower(name), "_"), func(w string) bool {
		w = strings.TrimRight(w, "0123456789")
		return slices.Contains(answers, w) || len(w) > 3 && strings.HasPrefix(strings.ToLower(party), w)
	})
}
