package format

import (
	"strings"

	"github.com/correlatehq/correlate/timeline"
)

const attrSQLState = "db.response.status_code"

// What is looked for in each record.
var (
	sqlStateSlot     = nameSlot(attrSQLState)
	errorMessageSlot = nameSlot("error.message")
)

// sqlState finds the SQLSTATE that a database's driver put into the words of an
// application, where no field tells it.
func (d *decoding) sqlState() {
	e := &d.ev
	if e.Role == timeline.RoleDependency || d.saidAt(attrSQLState, sqlStateSlot) != "" {
		return
	}
	texts := [...]string{e.Body, d.exc.Message, d.saidAt("error.message", errorMessageSlot)}
	for i := range texts {
		if texts[i] == "" {
			continue
		}
		if s := sqlStateIn(texts[i]); s != "" {
			d.attr(attrSQLState, s)
			return
		}
	}
	// Npgsql begins the message with it, and node-postgres puts it into a field of its own.
	switch {
	case d.exc.Type != "" && strings.HasSuffix(d.exc.Type, "PostgresException") && len(d.exc.Message) > 5 && d.exc.Message[5] == ':' && isSQLState(d.exc.Message[:5]):
		d.attr(attrSQLState, d.exc.Message[:5])
	case e.System == "node" && isSQLState(d.said("error.type")):
		d.attr(attrSQLState, d.said("error.type"))
	}
}

// sqlStateIn gives the code behind the first of the words by which drivers and
// frameworks announce it: "(SQLSTATE 57014)", "SQLSTATE[57014]", "SQLState: 57014",
// "SQL state [57014]".
func sqlStateIn(text string) string {
	for text != "" {
		i := strings.Index(text, "SQL")
		if i < 0 {
			return ""
		}
		text = text[i+len("SQL"):]
		rest := strings.TrimPrefix(text, " ")
		switch {
		case strings.HasPrefix(rest, "STATE"), strings.HasPrefix(rest, "State"), strings.HasPrefix(rest, "state"):
			rest = rest[len("STATE"):]
		default:
			continue
		}
		trimmed := strings.TrimLeft(rest, ` :=[("'`)
		if len(trimmed) == len(rest) || len(trimmed) < 5 || !isSQLState(trimmed[:5]) || len(trimmed) > 5 && isUpperOrDigit(trimmed[5]) {
			continue
		}
		return trimmed[:5]
	}
	return ""
}

// isSQLState says whether s is five digits and capitals, not all of them capitals.
func isSQLState(s string) bool {
	if len(s) != 5 {
		return false
	}
	digits := 0
	for i := range len(s) {
		if !isUpperOrDigit(s[i]) {
			return false
		}
		if s[i] <= '9' {
			digits++
		}
	}
	return digits > 0
}

func isUpperOrDigit(c byte) bool { return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' }
