package timeline

import (
	"net/netip"
	"regexp"
	"strings"
)

// listening are the ways in which servers say, when they start, where they listen: "Listening at: http://10.0.0.5:8000 (7)" (gunicorn),
// "Uvicorn running on http://10.0.0.5:8000", "listening on 10.0.0.5:8080", `listening on IPv4 address "10.0.0.5", port 5432` (PostgreSQL).
var listening = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\b(?:listen\w*|serving|running|bound|started|accepting)\b[^,;]{0,60}?[\s/"'(]((?:\d{1,3}\.){3}\d{1,3}|\[[0-9a-f:.]+\]):(\d{1,5})\b`),
	regexp.MustCompile(`(?i)\blistening on IPv[46] address "([0-9a-f:.]+)", port (\d{1,5})$`),
}

// listensAt gives the address and port at which a record of a start says that its writer listens, as callers log
// them. An address that stands for all of the machine's, or that each machine has, says nothing.
func listensAt(e *Event) (peer string, ok bool) {
	if e.Lifecycle != ProcessStarting && e.Lifecycle != ProcessReady {
		return "", false
	}
	for _, re := range listening {
		m := re.FindStringSubmatch(e.Body)
		if m == nil {
			continue
		}
		host := strings.Trim(m[1], "[]")
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		at, err := netip.ParseAddrPort(host + ":" + m[2])
		if err == nil && !at.Addr().IsUnspecified() && !loopback(at.String()) {
			return at.String(), true
		}
	}
	return "", false
}
