package rules

import (
	"cmp"
	"net"
	"path"
	"slices"
	"strings"

	"github.com/correlatehq/correlate/timeline"
)

// dependency names the party of a system that the hop used: a callee that runs it, else
// one that other requests have shown, else the only one that logs; "" if nothing tells.
func (h *HopView) dependency(system string) string {
	for _, c := range h.Callees {
		if speaks(c.System, system) {
			return c.Service
		}
	}
	for _, c := range h.Calls {
		if o := c.Callee; o != nil && o.Role == timeline.RoleDependency.String() && o.System == "" && c.Received.HTTP == 0 { // what speaks HTTP is none
			return o.Service
		}
	}
	// Another request may have shown whom it uses.
	found := ""
	if b := h.from.near.near.Book; b != nil {
		for _, e := range b.Edges {
			if e.Caller == h.Service && strings.Contains(strings.ToLower(e.Callee), strings.TrimSuffix(system, "ql")) {
				if found != "" && found != e.Callee {
					return ""
				}
				found = e.Callee
			}
		}
	}
	return cmp.Or(found, h.from.running(system, nil))
}

// running gives the one service that runs a system, as the records of its processes tell, and shows all of these attributes; "" if none does, or several.
func (v *views) running(system string, shown map[string]string) string {
	found := ""
	for _, p := range v.near.near.Processes {
		is := runs(p, system)
		for name, value := range shown {
			is = is && slices.ContainsFunc(p.Events, func(e *timeline.Event) bool { return e.Attrs.Get(name) == value })
		}
		if !is || p.Service == found {
			continue
		}
		if found != "" {
			return ""
		}
		found = p.Service
	}
	return found
}

// pointed names the party at which the signals of the hop for a cause point: "" if at
// the hop itself, its configuration or nobody. A next hop that this request does not name
// is the one that the hop usually calls.
func (h *HopView) pointed(cause string) string {
	for e := range h.signalled {
		if !e.says(cause, false) {
			continue
		}
		away, next := false, false
		var of *Signal // by which the record tells the system
		for _, s := range e.meaning {
			if s.place(cause) < 0 {
				continue
			}
			switch s.Points {
			case "client":
				return "client"
			case "next_hop", "connection_to_next_hop", "dependency", "unknown":
				away = true
				next = next || s.Points == "next_hop" || s.Points == "connection_to_next_hop"
			}
		}
		for _, s := range e.signals {
			if s.Dependency != "" && s.MadeBy == madeByWriter {
				of = s
				break
			}
		}
		if !away {
			continue
		}
		if h.FailedBy != nil {
			return h.FailedBy.Party
		}
		if p := h.called(e, of); p != "" {
			if down := h.downOf(p, cause); down != "" {
				return down
			}
			return p
		}
		if of == nil {
			if cause == "upstream_timeout" {
				if p := cmp.Or(h.underWay(), h.outlastedBy()); p != "" {
					return p
				}
			}
			if p := h.elsewhere(e, cause); p != "" {
				return p
			}
			if p := h.calledFrom(e); p != "" {
				return p
			}
		}
		if p := h.usualCallee(); next && p != "" && !h.wouldTell(p) {
			return p
		}
		if p := h.unheard(cause, e); of == nil && p != "" {
			return p
		}
	}
	return ""
}

// calledFrom names the one of those whom the hop's service calls of which a function of its own code has the name, through which the failed call was
// made: clients are mostly wrapped so. "" if the stack of the error shows none, or several. Code of libraries, whose files lie elsewhere, does not count.
func (h *HopView) calledFrom(e *EventView) string {
	x, b := e.joined.Exception, h.from.near.near.Book
	if x == nil || x.File == "" || x.Logged || b == nil {
		return ""
	}
	slashes := func(s string) string { return strings.ReplaceAll(s, `\`, "/") }
	own := path.Dir(slashes(x.File))
	if own == "." || own == "/" {
		return ""
	}
	found := ""
	lines := strings.Split(e.joined.Attrs.Get(fieldTrace), "\n")
	for i, line := range lines {
		if !strings.Contains(slashes(line), own+"/") {
			continue
		}
		if i > 0 && strings.HasPrefix(line, "\t/") {
			line = lines[i-1] // Go writes the function above its file
		}
		for _, edge := range b.Edges {
			if edge.Caller != h.Service || edge.Callee == h.Service || edge.Callee == found || !inFunction(line, edge.Callee) {
				continue
			}
			if found != "" {
				return ""
			}
			found = edge.Callee
		}
	}
	return found
}

// inFunction says whether a line of a stack is of a function with this name, in whatever case: "in records", "at records (", "main.(*api).Records(".
func inFunction(line, name string) bool {
	line, name = strings.ToLower(line), strings.ToLower(name)
	for from := 0; name != ""; {
		i := strings.Index(line[from:], name)
		if i < 0 {
			return false
		}
		before, after := line[:from+i], line[from+i+len(name):]
		begins := slices.ContainsFunc([]string{" in ", " at ", ".", "::", "->", ": "}, func(s string) bool { return strings.HasSuffix(before, s) })
		if begins && (after == "" || strings.HasPrefix(after, "(") || strings.HasPrefix(after, " (")) {
			return true
		}
		from += i + len(name)
	}
	return false
}

// downOf names, where several run a system and a connection to one of them broke or could not be had, the one of them that was being stopped
// or started then; "" if none was, or several.
func (h *HopView) downOf(system, cause string) string {
	if cause != "upstream_reset" && cause != "upstream_connect_failure" {
		return ""
	}
	found := ""
	near := h.from.near
	for _, p := range near.near.Processes {
		if p.Service == found || !runs(p, system) {
			continue
		}
		if state, _ := near.stateIn(p.Service, p.Host, h.hop.End, h.hop.End, false); state != stateRestarting {
			continue
		}
		if found != "" {
			return ""
		}
		found = p.Service
	}
	return found
}

// runs says whether the records of a process tell that it runs a system.
func runs(p *timeline.Process, system string) bool {
	return slices.ContainsFunc(p.Events, func(e *timeline.Event) bool { return speaks(e.System, system) })
}

// speaks says whether what runs one system is what drivers of another one talk to.
func speaks(runs, system string) bool {
	return runs == system || runs == "mariadb" && system == "mysql"
}

// unheard names the party that the hop had no usable answer of, where no record of it tells whom it called then: for an answer that was no good
// the one that answered last before the record, for want of an answer the one of those always called for such exchanges of which it
// has none, if there is one alone and records of calls are written only when they are answered.
func (h *HopView) unheard(cause string, e *EventView) string {
	switch cause {
	case "bad_upstream_response", "body_too_large":
		party := ""
		if h.hop.Role.Forwards() && len(h.Calls) == 1 && !h.Calls[0].Failed {
			return madeBelow(h.Calls[0])
		}
		for _, c := range h.Calls {
			if r := c.call.Record; c.Answered && r != nil && r.ID < e.joined.ID {
				party = madeBelow(c)
			}
		}
		return party
	case "upstream_timeout", "upstream_reset", "upstream_connect_failure", "deploy_restart":
	default:
		return ""
	}
	party := ""
	b := h.from.near.near.Book
	for _, p := range b.Always(h.hop) {
		if slices.ContainsFunc(h.Calls, func(c *CallView) bool { return c.Party == p }) {
			continue
		}
		if party != "" || b.Edge(h.Service, p).Unanswered > 0 {
			return ""
		}
		party = p
	}
	return party
}

// told gives the records of dependencies by which these say why they failed a call of the
// hop, where the hop has no word of its own for the cause. A dependency with whose failure it coped says nothing.
func (h *HopView) told(cause string) []*EventView {
	var out []*EventView
	for c := range h.dependencies {
		for _, e := range c.Events {
			if slices.ContainsFunc(e.meaning, func(s *Signal) bool { return s.MayMean[0] == cause }) {
				out = append(out, e)
			}
		}
	}
	return out
}

// dependencies goes over those that the hop called and with whose failure it did not cope.
func (h *HopView) dependencies(yield func(*HopView) bool) {
	for _, c := range h.Callees {
		if c.Role == timeline.RoleDependency.String() && !c.HandledByCaller && !yield(c) {
			return
		}
	}
}

// toldBy names the first dependency of which told has records, "" if there is none.
func (h *HopView) toldBy(cause string) string {
	if events := h.told(cause); len(events) > 0 {
		return events[0].Service
	}
	return ""
}

// hidden gives the errors that callees of the hop logged for calls that they answered well all the same, of the last
// such callee.
func (h *HopView) hidden() []*EventView {
	for i := len(h.Calls) - 1; i >= 0; i-- {
		c := h.Calls[i]
		if c.Callee == nil || !c.Answered || c.Received.HTTP >= 400 {
			continue
		}
		var out []*EventView
		for _, e := range c.Callee.Events {
			if e.Kind == "log" && !e.Handled && severe(e.Severity) && e.joined.Held() {
				out = append(out, e)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// hiddenBy names the callee of which hidden has records, "" if there is none.
func (h *HopView) hiddenBy() string {
	if events := h.hidden(); len(events) > 0 {
		return events[0].Service
	}
	return ""
}

// named names the party of which the signals of the hop for a cause speak, wherever they
// point: "" if they name none.
func (h *HopView) named(cause string) string {
	for _, e := range h.saying(cause, false) {
		if h.FailedBy != nil {
			return h.FailedBy.Party
		}
		if p := h.called(e, nil); p != "" {
			return p
		}
		if p := h.elsewhere(e, cause); p != "" {
			return p
		}
	}
	return ""
}

// called names the party of which a record of the hop speaks: one that it was seen to call,
// the one of the system that a driver's words are about, an address, the server that the record names beside its words, a
// service that the hop's calls in other requests; "" if none.
func (h *HopView) called(e *EventView, of *Signal) string {
	text := e.text()
	if p := h.namedPeer(text); p != "" {
		return p
	}
	system := ""
	if of != nil {
		system = of.Dependency
		if p := h.from.running(system, of.Shown); p != "" && len(of.Shown) > 0 {
			return p
		}
		if p := h.dependency(system); p != "" {
			return p
		}
	}
	if p := h.at(peerIn(text)); p != "" {
		return p
	}
	if p := h.at(serverOf(e.joined.Event)); p != "" && e.Kind == "log" {
		return p
	}
	if p := h.namedCallee(text); p != "" {
		return p
	}
	return system
}

// serverOf gives the address of the server that a record names beside its words, with its port if it is told.
func serverOf(e *timeline.Event) string {
	host, port := e.Attrs.Get("server.address"), e.Attrs.Get("server.port")
	if host == "" || port == "" || strings.HasSuffix(host, ":"+port) {
		return host
	}
	return net.JoinHostPort(host, port)
}

// namedCallee gives the one service that the hop's was seen to call and that a text names in a word of its own.
func (h *HopView) namedCallee(text string) string {
	found := ""
	if b := h.from.near.near.Book; b != nil {
		for _, e := range b.Edges {
			if e.Caller != h.Service || e.Callee == h.Service || len(e.Callee) < 3 || !timeline.HasWord(text, e.Callee, "-") {
				continue
			}
			if found != "" && found != e.Callee {
				return ""
			}
			found = e.Callee
		}
	}
	return found
}

// wouldTell says whether the hop's service records its calls to a party, so that a call of which it has no
// record was not made. A proxy has a record of a call only where it found a server.
func (h *HopView) wouldTell(party string) bool {
	if h.Role == timeline.RoleGateway.String() || h.Role == timeline.RoleProxy.String() {
		return false
	}
	e := h.from.near.near.Book.Edge(h.Service, party)
	return e.Calls > 0 && e.Recorded == e.Calls
}

// mayHavePassedOn says whether the hop is a server's that is not known to be an application, which logged its answer and no call, as it never logs one, and nothing of who made that.
func (h *HopView) mayHavePassedOn() bool {
	if h.Silent || h.Role == timeline.RoleApp.String() || h.Role == timeline.RoleDependency.String() || len(h.hop.Calls) > 0 || !h.Sent.Known {
		return false
	}
	for _, e := range h.hop.Events {
		if e.Attrs.Get("http.response.header.server") != "" { // who passes an answer on adds to it
			return false
		}
	}
	for e := range h.signalled {
		if slices.ContainsFunc(e.signals, func(s *Signal) bool { return s.MadeBy != madeByNobody }) {
			return false
		}
	}
	b := h.from.near.near.Book
	return b == nil || !slices.ContainsFunc(b.Edges, func(e timeline.Edge) bool { return e.Caller == h.Service && e.Recorded > 0 })
}

// fromBelow gives the doubt that there is where the hop's own record tells that its failure came from whom it asked, of which nothing is known: a signal has
// it made by a next hop, or by another service that it asked aside, and none by the hop itself; or the record tells what the call was answered, but may be of
// another request. It is "" if there is none.
func (h *HopView) fromBelow() (doubt timeline.DoubtKind) {
	if h.Silent || h.FailedBy != nil {
		return ""
	}
	for _, e := range h.hop.Events {
		if n := len(e.Calls); e.Kind == timeline.LogRecord && !e.Held() && n > 0 && e.Calls[n-1].Status >= 500 && !e.Calls[n-1].OwnMade {
			return timeline.DoubtUnreadParty
		}
	}
	for e := range h.signalled {
		for _, s := range e.signals {
			switch {
			case s.MadeBy == madeByWriter:
				return ""
			case s.MadeBy == madeByBelow && s.Points == "next_hop":
				doubt = timeline.DoubtFromBelow
			case s.MadeBy == madeByBelow && s.Points == "dependency" && doubt == "":
				doubt = timeline.DoubtUnreadParty
			}
		}
	}
	return doubt
}

// notAsked names whom the hop, a proxy that names in its records whom it asks, otherwise asks for such exchanges and did not ask this time; "" if it
// is not so. Whoever it asked before, as for leave or for an error page, is another.
func (h *HopView) notAsked() string {
	if h.Role != timeline.RoleGateway.String() && h.Role != timeline.RoleProxy.String() {
		return ""
	}
	usual := h.usualCallee()
	if e := h.from.near.near.Book.Edge(h.Service, usual); e.Calls == 0 || float64(e.Recorded) < usualShare*float64(e.Calls) {
		return ""
	}
	if slices.ContainsFunc(h.Calls, func(c *CallView) bool { return c.Party == usual }) {
		return ""
	}
	return usual
}

// usualShare is the share of calls to a callee of which a proxy that names whom it asks has a record: of attempts that were repeated some record the
// last, and where clocks are unknown some calls are tied to the wrong hop.
const usualShare = 0.9

// usualCallee names whom the hop usually calls, if it is one: by what other requests of its route
// have shown, or all others, else by the backend that its record names.
func (h *HopView) usualCallee() string {
	if b := h.from.near.near.Book; b != nil {
		if callee := b.ByRoute(h.hop); callee != "" {
			return callee
		}
		if callee := b.OnlyCallee(h.Service); callee != "" && !b.Without(h.hop, callee) {
			if group, _, ok := strings.Cut(callee, "/"); ok && slices.ContainsFunc(h.Events, func(e *EventView) bool { return e.joined.Attrs.Get("haproxy.backend") == group }) {
				return group // of which no member is known by its own name
			}
			return callee
		}
	}
	for _, e := range h.Events {
		if name := e.joined.Attrs.Get("haproxy.backend"); name != "" {
			if known, ok := h.from.near.near.Book.Lookup("", name); ok {
				return known.Service
			}
			return name
		}
	}
	return ""
}

// namedPeer gives the callee or peer that a text names.
func (h *HopView) namedPeer(text string) string {
	for _, c := range h.Calls {
		if names(text, c.Peer) || c.Callee != nil && names(text, c.Callee.Service) {
			return c.Party
		}
	}
	return ""
}

// refuser names the hop that made the answer, a refusal mostly, on which h's failure rests: hops that
// passed it on are passed over.
func (h *HopView) refuser() string { return madeBelow(h.FailedBy) }

// madeBelow names the party that made the answer to a call: hops that passed it on, and proxies that had the same from below, are passed over.
func madeBelow(c *CallView) string {
	if c == nil {
		return ""
	}
	party := c.Party
	for range 64 { // a request's depth is bounded, a broken one's is not
		callee := c.Callee
		if callee == nil || callee.hop.Lineage != timeline.Relayed && callee.hop.Role != timeline.RoleGateway && callee.hop.Role != timeline.RoleProxy {
			return party
		}
		var next *CallView
		for _, k := range callee.Calls {
			if k.call.Used && k.call.Received == callee.hop.Status() {
				next = k
			}
		}
		if next == nil {
			return party
		}
		c, party = next, next.Party
	}
	return party
}
