package timeline

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// listeners is what servers say of where they listen.
type listeners struct {
	claims map[string]place // address -> the one place that says that it listens there
	ports  []port           // ports, where the address is not told, each once
	open   []port           // ports at which services listen on all addresses of their machines, likewise
}

func listenersOf(life []*Event) listeners {
	return listeners{claimed(life), ports(life), openPorts(life)}
}

// listening are the ways in which servers say, when they start, where they listen: "Listening at: http://10.0.0.5:8000 (7)" (gunicorn),
// "Uvicorn running on http://10.0.0.5:8000", "listening on 10.0.0.5:8080", `listening on IPv4 address "10.0.0.5", port 5432` (PostgreSQL),
// "Server socket created on IP: '10.0.0.5', port: '3306'." (MariaDB).
var listening = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\b(?:listen\w*|serving|running|bound|started|accepting)\b[^,;]{0,60}?[\s/"'(]((?:\d{1,3}\.){3}\d{1,3}|\[[0-9a-f:.]+\]):(\d{1,5})\b`),
	regexp.MustCompile(`(?i)\blistening on IPv[46] address "([0-9a-f:.]+)", port (\d{1,5})$`),
	regexp.MustCompile(`^Server socket created on IP: '([0-9a-f:.]+)', port: '(\d{1,5})'\.$`),
}

// listeningIn are the fields in which loggers are given the address that the message does not have: {"msg": "listening", "addr": "10.0.0.5:8080"}.
var listeningIn = []string{"addr", "address", "listen", "listen_addr", "bind", "bind_addr"}

// listeningOnAll are the ways in which servers say that they listen on all addresses of their machine: "listening on :50051",
// "Tomcat started on port 8080 (http)" (Spring Boot).
var listeningOnAll = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\b(?:listen\w*|serving|running|bound|started|accepting)\b[^,;]{0,60}?[\s/"'(=](?:0\.0\.0\.0|\[::\]|\*)?:(\d{2,5})\b`),
	regexp.MustCompile(`(?i)\b(?:listen\w*|running|started|accepting)\b[^,;:]{0,40}? port(?:\(s\):?)? (\d{2,5})\b`),
}

// allAddresses are the ways in which all addresses of a machine are written.
var allAddresses = []string{"", "*", "0.0.0.0", "[::]"}

// openPorts gives the ports at which services say that they listen on all addresses of their machine.
func openPorts(life []*Event) []port {
	var out []port
	for _, e := range life {
		if e.Lifecycle != ProcessStarting && e.Lifecycle != ProcessReady {
			continue
		}
		number := ""
		for _, re := range listeningOnAll {
			if m := re.FindStringSubmatch(e.Body); m != nil && number == "" {
				number = m[1]
			}
		}
		for _, name := range listeningIn {
			at := e.Attrs.Get(name)
			i := strings.LastIndexByte(at, ':')
			if number == "" && i >= 0 && slices.Contains(allAddresses, at[:i]) && at[i+1:] != "" && strings.Trim(at[i+1:], "0123456789") == "" {
				number = at[i+1:]
			}
		}
		if p := (port{place{e.Service, e.Host}, number}); number != "" && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
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
		if err == nil && ofOneMachine(at) {
			return at.String(), true
		}
	}
	for _, name := range listeningIn {
		if at, err := netip.ParseAddrPort(e.Attrs.Get(name)); err == nil && ofOneMachine(at) {
			return at.String(), true
		}
	}
	return "", false
}

func ofOneMachine(at netip.AddrPort) bool {
	return !at.Addr().IsUnspecified() && !loopback(at.String())
}

// claimed gives the addresses at which services say that they listen, each with the one place that says so.
func claimed(life []*Event) map[string]place {
	out := map[string]place{}
	several := map[string]bool{}
	for _, e := range life {
		peer, ok := listensAt(e)
		if !ok {
			continue
		}
		p := place{e.Service, e.Host}
		if q, ok := out[peer]; ok && q != p {
			several[peer] = true
		}
		out[peer] = p
	}
	for peer := range several {
		delete(out, peer)
	}
	return out
}

// ports gives the ports that the records of process lives tell, each once.
func ports(life []*Event) []port {
	var out []port
	for _, e := range life {
		p := port{place{e.Service, e.Host}, e.Attrs.Get("network.local.port")}
		if p.number != "" && e.Attrs.Get("network.local.address") == "" && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}
