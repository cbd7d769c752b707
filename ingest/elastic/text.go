package elastic

import (
	"regexp"
	"slices"
	"strings"
)

// What stands in the texts of records is asked for by the tokens that the standard
// analyzer makes of them (Unicode's word boundaries, in lower case): letters and digits
// stay together, also over an underscore, and letters over a dot or a colon. Whatever the text gives back is checked on the text itself.

// A wordQuery is what stands in place of byte literals where only tokens can be asked.
type wordQuery struct {
	tokens  []token
	unasked []string // literals that no token tells
}

// A token is a run of letters and digits, which may go on before and behind within the
// tokens that are asked for.
type token struct {
	run           string
	before, after bool
	digits        int  // how many digits follow instead of anything
	fewer         bool // or fewer
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
// and digits the one that tells most. That is the beginning of a status, else several runs whose ends are all
// known, else one such run, else one whose beginning is, else the longest. A literal that has none, or only a letter or two of which an end is not
// known, is not asked for.
func (q *wordQuery) add(literal string) {
	l := strings.ToLower(literal)
	var best token
	rank := 0
	var phrase []string // runs that follow each other, of which all ends are known
	for i := 0; i < len(l); {
		if !alnum(l[i]) {
			i++
			continue
		}
		j := i
		for j < len(l) && alnum(l[j]) {
			j++
		}
		t := token{run: l[i:j], before: glues(l, i-1, -1), after: glues(l, j, 1)}
		n := len(t.run)
		if t.before || t.after {
			phrase = nil
		} else if phrase = append(phrase, t.run); len(phrase) > 1 {
			if whole := strings.Join(phrase, " "); 1500+len(whole) > rank && rank < 2000 {
				best, rank = token{run: whole, phrase: true}, 1500+len(whole)
			}
		}
		switch {
		case t.run == "5" && t.after:
			t.after, t.digits = false, 2 // a status
			n += 2000
		case digits.MatchString(t.run) && t.after:
			t.after, t.digits, t.fewer = false, 3-n, true // a level, or gRPC's status
			n += 2000
		case t.run[0] == 'm' && letterDigit.MatchString(t.run):
			t.before, t.after, t.digits = true, false, 2 // a colour before a status: 31m500
			n += 2000
		case letterDigit.MatchString(t.run) && t.after:
			t.before, t.after, t.digits = false, false, 3 // klog's E0301
			n += 2000
		case slices.Contains(names, t.run):
			n = 0 // nearly every record has it
		case !t.before && !t.after && n == 1 && t.run[0] <= '9':
			n = 0 // every other record has the number
		case !t.before && !t.after && (n >= 3 || rank == 0):
			n += 1000
		case isName(l[j:]):
			n = 0 // its value tells
		case i > 0 && l[i-1] == '.' && n <= 3:
			t.run, t.after = "."+t.run, false // a file's extension
		case !t.before && n >= 4:
			n += 500
		case n >= 4:
		case n >= 2:
			t.before = false
		default:
			n = 0
		}
		if n > rank {
			best, rank = t, n
		}
		i = j
	}
	if rank > 0 {
		q.tokens = append(q.tokens, best)
	} else if !slices.Contains(q.unasked, literal) {
		q.unasked = append(q.unasked, literal)
	}
}

// isName says whether what stands before rest is the name of a field.
func isName(rest string) bool {
	quoted := strings.TrimLeft(rest, `\"`)
	return len(quoted) < len(rest) && strings.HasPrefix(quoted, ":") || strings.HasPrefix(rest, "=")
}

// names are words that stand in records of any kind, most as names of fields. A literal that
// is no more than such a word is not asked for: nearly everything would come back.
var names = strings.Fields("trace line level status time message msg error.type code type in")

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
	case t.digits > 0 || u.digits > 0 || t.phrase || u.phrase || !t.before && u.before || !t.after && u.after:
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

// pattern writes the token as a regular expression of Lucene.
func (t token) pattern() string {
	left, right := "", ""
	switch {
	case t.digits > 0 && t.before:
		left = "[0-9]*"
	case t.before:
		left = ".*"
	}
	switch {
	case t.fewer:
		right = strings.Repeat("[0-9]?", t.digits)
	case t.digits > 0:
		right = strings.Repeat("[0-9]", t.digits)
	case t.after:
		right = ".*"
	}
	return left + strings.ReplaceAll(t.run, ".", `\.`) + right
}

const (
	// perPattern is how many tokens stand in one regular expression, whose length servers bound.
	perPattern = 12
	// maxStates is how much work a server may put into one: ten times what it does if nothing is said.
	maxStates = 100_000
)

// clauses give the queries over a field.
func (q *wordQuery) clauses(field string) []any {
	slices.SortFunc(q.tokens, func(a, b token) int { return strings.Compare(a.pattern(), b.pattern()) })
	tokens := slices.Compact(q.tokens)
	var terms, patterns []string
	var phrases []any
	for i, t := range tokens {
		if slices.ContainsFunc(tokens[:i], func(o token) bool { return o.covers(t) }) ||
			slices.ContainsFunc(tokens[i+1:], func(o token) bool { return o.covers(t) }) {
			continue
		}
		if t.phrase {
			phrases = append(phrases, query{"match_phrase": query{field: t.run}})
		} else if t.before || t.after || t.digits > 0 {
			patterns = append(patterns, t.pattern())
		} else {
			terms = append(terms, t.run)
		}
	}
	var out []any
	if len(terms) > 0 {
		out = append(out, query{"terms": query{field: terms}})
	}
	for some := range slices.Chunk(patterns, perPattern) {
		out = append(out, query{"regexp": query{field: query{"value": strings.Join(some, "|"), "flags": "NONE", "max_determinized_states": maxStates}}})
	}
	return append(out, phrases...)
}

// lifeWords are tokens of messages about the life of a process, one of which each has
// that a format declares to be such.
var lifeWords = strings.Fields(`start started starting startup booting boot booted init init_start listening listen listens serving
	ready running initialized initializing resuming restart restarting restarted reload reloading reconfiguring
	stop stopping stopped shutdown shutting exit exited exiting terminate terminated terminating quit quitting bye byeee goodbye
	sigterm sigint sigkill sigquit sighup sigsegv sigabrt signal signals received graceful gracefully killed kill killing crashed crash
	panic oom oomkilled aborted aborting abort fatal segmentation fault worker workers process child configuration config
	closed closing finished completed complete spawned spawning accepting connections backoff evicted scheduled unhealthy probe`)

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
