package loki

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A selector is what the user's query says: which streams, and what of their lines.
type selector struct {
	matchers string // inside of the braces
	pipeline string // what follows them, "" if nothing does
}

// parseSelector reads a LogQL log query: a stream selector in braces and, if need be, a
// pipeline behind it. Note: it finds only where the selector ends; whether it is right is the
// server's to say.
func parseSelector(q string) (selector, error) {
	q = strings.TrimSpace(q)
	if q == "" || q[0] != '{' {
		return selector{}, errors.New(`a query begins with a stream selector such as {app="orders"}`)
	}
	for i := 1; i < len(q); i++ {
		switch q[i] {
		case '"', '`':
			n := quoted(q[i:])
			if n < 0 {
				return selector{}, fmt.Errorf("query %s: a quote is not closed", q)
			}
			i += n - 1
		case '}':
			m := strings.TrimSpace(q[1:i])
			if m == "" {
				return selector{}, errors.New(`a stream selector names at least one label, such as {app=~".+"}`)
			}
			return selector{m, strings.TrimSpace(q[i+1:])}, nil
		}
	}
	return selector{}, fmt.Errorf("query %s: the stream selector is not closed", q)
}

// quoted gives the length of the string literal with which s begins, -1 if it does not end.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			return i + 1
		case s[i] == '\\' && s[0] == '"':
			i++
		}
	}
	return -1
}

// String gives the query as the user could write it.
func (s selector) String() string {
	if s.pipeline == "" {
		return "{" + s.matchers + "}"
	}
	return "{" + s.matchers + "} " + s.pipeline
}

// with gives the query with a further stage.
func (s selector) with(stage string) string {
	if stage == "" {
		return s.String()
	}
	return s.String() + " " + stage
}

// labels are those of a stream.
type labels map[string]string

// String gives the labels as a stream selector that names all of them, in order.
func (l labels) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, name := range l.names() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name + "=" + strconv.Quote(l[name]))
	}
	b.WriteByte('}')
	return b.String()
}

func (l labels) names() []string {
	out := make([]string, 0, len(l))
	for name := range l {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// of gives the selector narrowed to one stream, which may be more than one if the others
// have further labels.
func (s selector) of(l labels) selector {
	return selector{strings.Trim(l.String(), "{}"), s.pipeline}
}

// maxStage bounds the length of a stage in bytes: Loki reads queries of less than 128 KiB
// (pkg/logql/syntax, maxInputSize).
const maxStage = 48 << 10

// stages gives, for texts of which a line must hold one, the filters that let it through, as few
// as the length of a query allows in which each text stands so many times.
func stages(op string, texts []string, times int, join func([]string) string) []string {
	var out []string
	for len(texts) > 0 {
		n, size := 0, 0
		for n < len(texts) && (n == 0 || size+len(texts[n])*times < maxStage) {
			size += (len(texts[n]) + 8) * times
			n++
		}
		out = append(out, op+" "+join(texts[:n]))
		texts = texts[n:]
	}
	return out
}

// holding gives line filters for lines that hold one of the literals. One alone is a plain
// search, several an expression, which Loki takes apart into plain searches.
func holding(literals []string) []string {
	if len(literals) == 1 {
		return []string{"|= " + strconv.Quote(literals[0])}
	}
	return stages("|~", literals, 1, func(part []string) string {
		q := make([]string, len(part))
		for i, l := range part {
			q[i] = regexp.QuoteMeta(l)
		}
		return strconv.Quote(strings.Join(q, "|"))
	})
}

// matching gives line filters for lines that hold a match of one of the expressions.
func matching(exprs []string) []string {
	return stages("|~", exprs, 1, func(part []string) string { return strconv.Quote(strings.Join(part, "|")) })
}

// labelled gives label filters for entries of which one of the labels has one of the values.
func labelled(names, values []string) []string {
	return stages("|", values, len(names), func(part []string) string {
		q := make([]string, len(part))
		for i, v := range part {
			q[i] = regexp.QuoteMeta(v)
		}
		value := strconv.Quote(strings.Join(q, "|"))
		terms := make([]string, len(names))
		for i, n := range names {
			terms[i] = n + "=~" + value
		}
		return strings.Join(terms, " or ")
	})
}
