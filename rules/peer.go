package rules

import (
	"net"
	"regexp"
	"slices"
	"strings"
)

// peerForms find whom a text names as the other side of a call, in the words of the
// usual libraries and drivers; the first that matches counts. Their group is a host, or
// host and port; a second group is a port that stands apart.
var peerForms = []struct {
	need []string // one of these is in every text that it matches
	re   *regexp.Regexp
}{
	{[]string{"://"}, regexp.MustCompile(`\bhttps?://(?:[^/\s"'@]*@)?([\w.-]+(?::\d+)?|\[[0-9a-fA-F:]+\](?::\d+)?)`)},
	{[]string{"): "}, regexp.MustCompile(`\b([\w.-]+:\d{2,5}) \([\w.-]+\): `)},                                                                                                                                       // pgx
	{[]string{"host='"}, regexp.MustCompile(`\bhost='([^']+)', port=(\d+)`)},                                                                                                                                         // urllib3
	{[]string{"connection to server at "}, regexp.MustCompile(`\bconnection to server at "([^"]+)"(?: \([^)]*\))?, port (\d+)`)},                                                                                     // libpq
	{[]string{"server "}, regexp.MustCompile(`\bserver (?:on|at) '([\w.-]+)(?::(\d+))?'`)},                                                                                                                           // MySQL
	{[]string{": lookup "}, regexp.MustCompile(`\bdial \w+: lookup ([\w-]+(?:\.[\w-]+)*)`)},                                                                                                                          // Go
	{[]string{"lookup "}, regexp.MustCompile(`\blookup ([\w-]+(?:\.[\w-]+)*)(?: on [^ ]+)?: (?:no such host|server misbehaving|i/o timeout|(?:read|write|dial) udp|Temporary failure in name|Name or service not)`)}, // Go
	{[]string{"ENOTFOUND ", "EAI_AGAIN ", "UnknownHostException:", "esolve host"}, regexp.MustCompile(`\b(?:ENOTFOUND|EAI_AGAIN|UnknownHostException:|[Rr]esolve host:?) '?([\w-]+(?:\.[\w-]+)*)`)},                  // resolvers
	{[]string{"ECONN", "ETIMEDOUT ", "EHOSTUNREACH ", "ENETUNREACH "}, regexp.MustCompile(`\bE(?:CONNREFUSED|CONNRESET|TIMEDOUT|HOSTUNREACH|NETUNREACH) ([\w.\[\]:-]+:\d+)`)},                                        // Node.js
	{[]string{"->"}, regexp.MustCompile(`->([\w.-]+:\d+|\[[0-9a-fA-F:]+\]:\d+): `)},                                                                                                                                  // Go
	{[]string{"dial "}, regexp.MustCompile(`\bdial (?:tcp|udp)\d? ([\w.-]+:\d+|\[[0-9a-fA-F:]+\]:\d+)`)},                                                                                                             // Go
	{[]string{"onnect"}, regexp.MustCompile(`\b(?:[Cc]onnect(?:ion)? to|connect to host|connecting to|TCP connection to|[Ff]ailed to connect to) (?:tcp://|[A-Z]\w+ (?:on|at) )?([\w.-]+)(?::| port )(\d+)`)},
	{[]string{"/"}, regexp.MustCompile(`\b([\w.-]+)/[\d.]+:(\d+)`)},                              // Netty
	{[]string{"("}, regexp.MustCompile(`\(([\w.-]+:\d{2,5})\)`)},                                 // .NET
	{[]string{"failed to respond"}, regexp.MustCompile(`\b([\w.-]+:\d{2,5}) failed to respond`)}, // Apache's HttpClient
}

// readMore finds addresses of documentation.
var readMore = regexp.MustCompile(`\((?:see|Background on)[^()]*\)|For more information check: \S*|https://docs\.oracle\.com/\S*`)

// readMoreBegins are what each such address begins with.
var readMoreBegins = []string{"(see", "(Background on", "For more information check: ", "https://docs.oracle.com/"}

// sourceFile finds what has the form of an address and is a place in code: "_ssl.c:1006".
var sourceFile = regexp.MustCompile(`\.(?:c|cc|cpp|cs|erl|ex|exs|go|java|js|kt|lua|mjs|php|pl|py|rb|rs|scala|swift|ts)(?::\d+)?$`)

// peerIn gives the host, with its port if that is told, which a text names as the other
// side of a call; "" if it names none.
func peerIn(text string) string {
	if slices.ContainsFunc(readMoreBegins, func(s string) bool { return strings.Contains(text, s) }) {
		text = readMore.ReplaceAllString(text, "")
	}
	for _, f := range peerForms {
		if !slices.ContainsFunc(f.need, func(n string) bool { return strings.Contains(text, n) }) {
			continue
		}
		m := f.re.FindStringSubmatch(text)
		if m == nil || sourceFile.MatchString(m[1]) {
			continue
		}
		if len(m) > 2 && m[2] != "" {
			return net.JoinHostPort(m[1], m[2])
		}
		return m[1]
	}
	return ""
}

// at names the party at an address, as the hop's records have it: its service if
// requests have shown it or it bears the host's name, else the address as written.
func (h *HopView) at(peer string) string {
	if peer == "" {
		return ""
	}
	host := peer
	if name, _, err := net.SplitHostPort(peer); err == nil {
		host = name
	}
	book := h.from.near.near.Book
	for _, p := range []string{peer, host} {
		if e, ok := book.Lookup(h.Host, p); ok {
			return e.Service
		}
	}
	if host == peer {
		if e, ok := book.LookupHost(h.Host, host); ok {
			return e.Service
		}
	}
	if h.hop.Role.Forwards() {
		if e, ok := book.LookupLone(h.Service, peer); ok {
			return e.Service
		}
	}
	if net.ParseIP(host) != nil {
		if e, ok := book.LookupPort(h.Service, peer); ok {
			return e.Service
		}
		return peer
	}
	label, _, _ := strings.Cut(host, ".")
	if h.from.knows(label) {
		return label
	}
	return peer
}

// knows says whether a service of that name was seen.
func (v *views) knows(service string) bool {
	for _, h := range v.request.Hops {
		if h.Service == service {
			return true
		}
	}
	for _, p := range v.near.near.Processes {
		if p.Service == service {
			return true
		}
	}
	if b := v.near.near.Book; b != nil {
		for _, e := range b.Edges {
			if e.Caller == service || e.Callee == service {
				return true
			}
		}
	}
	return false
}
