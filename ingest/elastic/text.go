package elastic

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// What stands in the texts of records is asked for by the tokens that the standard
// analyzer makes of them (Unicode's word boundaries, in lower case): letters and digits
// stay together, also over an underscore, and letters over a dot or a colon. Whatever the text gives back is checked on the text itself.

// A wordQuery is what stands in place of byte literals where only tokens can be asked.
type wordQuery struct {
	tokens   []token
	together [][]token // each of which tells only with the others
	unasked  []string  // literals that no token tells
}

// A token is a run of letters and digits, which may go on before and behind within the
// tokens that are asked for.
type token struct {
	run           string
	before, after bool
	digits        int  // how many digits follow instead of anything
	fewer         bool // or fewer
	tail          byte // the token ends, or goes on with this
	phrase        bool // run is several tokens that follow each other
}

var (
	letterDigit = regexp.MustCompile(`^[a-z]\d$`)
	digits      = regexp.MustCompile(`^\d{1,2}$`)
)

// soft says whether c may stand within a token beside letters and digits.
func soft(c byte) bool { return c == '_' || c == '.' || c == ':' }

func alnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// add puts in the token by which records with the literal are found: of its runs of letters
// and digits the one that tells most. That is several runs whose ends are all known, else the beginning of a status,
// else the longest run. Where that is short or stands in records of any kind, all runs of the literal are asked for together. A literal
// that has none, or only a letter or two of which an end is not known, is not asked for.
func (q *wordQuery) add(literal string) {
	l := strings.ToLower(literal)
	var best token
	rank := 0
	var phrase []string // runs that follow each other, of which all ends are known
	var all []token     // that may be asked for
	for i := 0; i < len(l); {
		if !alnum(l[i]) {
			i++
			continue
		}
		j := i
		for j < len(l) && (alnum(l[j]) || within(l, j)) {
			j++
		}
		t := token{run: l[i:j], before: glues(l, i-1, -1), after: glues(l, j, 1)}
		if j == len(l)-1 && (l[j] == '.' || l[j] == ':') && letter(l[j-1]) {
			t.after, t.tail = false, l[j]
		}
		n := len(t.run)
		whole := !t.before && !t.after && t.tail == 0
		if !whole {
			phrase = nil
		} else if phrase = append(phrase, t.run); len(phrase) > 1 {
			text := strings.Join(phrase, " ")
			if r := phraseRank + len(text); r > rank && (rank < statusRank || len(text) >= longPhrase) {
				best, rank = token{run: text, phrase: true}, r
			}
		}
		switch {
		case t.run == "5" && t.after:
			t.after, t.digits = false, 2 // a status
			n += statusRank
		case digits.MatchString(t.run) && t.after:
			t.after, t.digits, t.fewer = false, 3-n, true // a level, or gRPC's status
			n += statusRank
		case t.run[0] == 'm' && letterDigit.MatchString(t.run):
			t.before, t.after, t.digits = true, false, 2 // a colour before a status: 31m500
			n += statusRank
		case letterDigit.MatchString(t.run) && t.after:
			t.before, t.after, t.digits = false, false, 3 // klog's E0301
			n += statusRank
		case slices.Contains(names, t.run):
			n = 0 // nearly every record has it
		case whole && n == 1 && t.run[0] <= '9':
			n = 0 // every other record has the number
		case whole && isName(l[j:]):
			n = 1 // its value tells more
		case whole:
			n += wholeMore
		case isName(l[j:]):
			n = 0 // its value tells
		case i > 0 && l[i-1] == '.' && n <= 3:
			t.run, t.after, t.tail = "."+t.run, false, 0 // a file's extension
		case n >= 4:
		case n >= 2:
			t.before = false
		default:
			n = 0
		}
		if n > 0 {
			u := t
			if i == 0 && literal[0] >= 'A' && literal[0] <= 'Z' && j < len(l) && l[j] == ' ' {
				u.before = false // a sentence begins with it
			}
			all = append(all, u)
		}
		if slices.Contains(common, t.run) {
			n = min(n, 1)
		}
		if n > rank && !(best.phrase && len(best.run) >= longPhrase) {
			best, rank = t, n
		}
		i = j
	}
	switch {
	case rank == 0:
		if !slices.Contains(q.unasked, literal) {
			q.unasked = append(q.unasked, literal)
		}
	case rank < tellsAlone && len(all) > 1:
		q.together = append(q.together, all)
	default:
		q.tokens = append(q.tokens, best)
	}
}

// How much tokens tell: a run as much as it is long.
const (
	phraseRank = 100
	statusRank = 2000
	longPhrase = 12 // characters, of a phrase that tells more than a number
	wholeMore  = 3  // for a run of which both ends are known
	tellsAlone = 5
)

// common are words of messages of any kind.
var common = strings.Fields("a an and at by complete completed error failed for from in is new not of on or run sent the to was with")

// isName says whether what stands before rest is the name of a field.
func isName(rest string) bool {
	quoted := strings.TrimLeft(rest, `\"`)
	return len(quoted) < len(rest) && strings.HasPrefix(quoted, ":") || strings.HasPrefix(rest, "=")
}

// names are words that stand in records of any kind, most as names of fields. A literal that
// is no more than such a word is not asked for: nearly everything would come back.
var names = strings.Fields("trace line level status time message msg error.type code type in")

// within says whether at i there is a dot that keeps the letters on both its sides together, as in node.js.
func within(l string, i int) bool {
	return l[i] == '.' && i > 0 && i+1 < len(l) && letter(l[i-1]) && letter(l[i+1])
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' }

// glues says whether a run of letters and digits may go on at i, where the literal ends or a
// character stands that keeps what is on both its sides together; step is the direction.
func glues(l string, i, step int) bool {
	switch {
	case i < 0 || i >= len(l):
		return true
	case !soft(l[i]):
		return false
	}
	i += step
	return i < 0 || i >= len(l) || alnum(l[i]) || soft(l[i])
}

// covers says whether every token that u finds is found by t.
func (t token) covers(u token) bool {
	switch {
	case t == u:
		return true
	case t.tail != 0 || u.tail != 0 || t.digits > 0 || u.digits > 0 || t.phrase || u.phrase || !t.before && u.before || !t.after && u.after:
		return false
	case t.before && t.after:
		return strings.Contains(u.run, t.run)
	case t.before:
		return strings.HasSuffix(u.run, t.run)
	case t.after:
		return strings.HasPrefix(u.run, t.run)
	}
	return false
}

// pattern writes the token as a regular expression of Lucene, without what may stand before and behind.
func (t token) pattern() string {
	left, right := "", ""
	if t.digits > 0 && t.before {
		left = "[0-9]?[0-9]?[0-9]?"
	}
	switch {
	case t.fewer:
		right = strings.Repeat("[0-9]?", t.digits)
	case t.digits > 0:
		right = strings.Repeat("[0-9]", t.digits)
	case t.tail == '.':
		right = `(\..*)?`
	case t.tail != 0:
		right = "(" + string(t.tail) + ".*)?"
	}
	return left + strings.ReplaceAll(t.run, ".", `\.`) + right
}

// open writes what may stand before and behind the token.
func (t token) open() (sides [2]string) {
	if t.before && t.digits == 0 {
		sides[0] = ".*"
	}
	if t.after && t.digits == 0 {
		sides[1] = ".*"
	}
	return sides
}

const (
	// maxPattern is how long the alternatives of one regular expression are, whose length servers bound by 1,000. Each that is
	// open at its beginning takes a look at every term that there is, so that there are to be few.
	maxPattern = 900
	// maxStates is how much work a server may put into one: ten times what it does if nothing is said.
	maxStates = 100_000
)

// clauses give the queries over a field.
func (q *wordQuery) clauses(field string) []any {
	out := anyToken(field, q.tokens)
	var seen []string
	for _, all := range q.together {
		if slices.ContainsFunc(all, func(t token) bool {
			return slices.ContainsFunc(q.tokens, func(o token) bool { return o.covers(t) })
		}) {
			continue
		}
		var each []any
		for _, t := range all {
			each = append(each, anyOf(anyToken(field, []token{t})))
		}
		if text := fmt.Sprint(all); !slices.Contains(seen, text) {
			seen = append(seen, text)
			out = append(out, query{"bool": query{"filter": each}})
		}
	}
	return out
}

// anyToken gives the queries for records that have one of the tokens.
func anyToken(field string, tokens []token) []any {
	tokens = slices.Clone(tokens)
	slices.SortFunc(tokens, func(a, b token) int {
		x, y := a.open(), b.open()
		return strings.Compare(x[0]+a.pattern()+x[1], y[0]+b.pattern()+y[1])
	})
	tokens = slices.Compact(tokens)
	var terms []string
	var phrases []any
	// By what may stand before and behind: a regular expression in which only some alternatives
	// are open to what follows has an automaton as large as the product of theirs.
	patterns := map[[2]string][]string{}
	for i, t := range tokens {
		if slices.ContainsFunc(tokens[:i], func(o token) bool { return o.covers(t) }) ||
			slices.ContainsFunc(tokens[i+1:], func(o token) bool { return o.covers(t) }) {
			continue
		}
		switch {
		case t.phrase:
			phrases = append(phrases, query{"match_phrase": query{field: t.run}})
		case t.before || t.after || t.digits > 0 || t.tail != 0:
			patterns[t.open()] = append(patterns[t.open()], t.pattern())
		default:
			terms = append(terms, t.run)
		}
	}
	var out []any
	if len(terms) > 0 {
		out = append(out, query{"terms": query{field: terms}})
	}
	for _, open := range [][2]string{{"", ""}, {"", ".*"}, {".*", ""}, {".*", ".*"}} {
		for _, some := range joined(patterns[open]) {
			value := open[0] + "(" + some + ")" + open[1]
			out = append(out, query{"regexp": query{field: query{"value": value, "flags": "NONE", "max_determinized_states": maxStates}}})
		}
	}
	return append(out, phrases...)
}

// joined writes alternatives as expressions of at most maxPattern, as far as they are not longer themselves.
func joined(patterns []string) (out []string) {
	for _, p := range patterns {
		if k := len(out); k > 0 && len(out[k-1])+1+len(p) <= maxPattern {
			out[k-1] += "|" + p
		} else {
			out = append(out, p)
		}
	}
	return out
}

// glued are the names of IDs that stand with the ID in one token, where a colon is all
// that parts them and the ID begins with a letter.
var glued = strings.Fields(`id rid req trace request_id req_id requestid reqid trace_id traceid correlation_id correlationid
	transaction_id x_request_id x_correlation_id`)

// tokensOf gives the tokens of which a record that holds an ID in its text has one,
// and whether the ID is so that tokens tell it; else it is to be asked for as a phrase.
func tokensOf(id string) ([]string, bool) {
	longest := ""
	for i := 0; i < len(id); {
		if !alnum(id[i]) && !soft(id[i]) {
			i++
			continue
		}
		j := i
		for j < len(id) && (alnum(id[j]) || soft(id[j])) {
			j++
		}
		if j-i > len(longest) {
			longest = id[i:j]
		}
		i = j
	}
	if len(longest) < 6 || strings.ContainsAny(longest, "_.:") || len(longest) > 255 {
		return nil, false
	}
	out := []string{longest}
	if l := strings.ToLower(longest); l != longest {
		out = append(out, l) // an analyzer may keep the case
	}
	if c := longest[0]; c < '0' || c > '9' {
		for _, name := range glued {
			out = append(out, name+":"+strings.ToLower(longest))
		}
	}
	return out, true
}
