package rules

import (
	"slices"

	"github.com/correlatehq/correlate/timeline"
)

// unreached are the causes of failures in which a party was not so much as reached.
var unreached = []string{"upstream_connect_failure", "dns", "tls", "deploy_restart"}

// elsewhere names the one party that the code which reported a failure of the hop named when it reported others: a client in code has
// one address mostly. For a cause that takes a connection those do not count that were named only because they could not be reached. "" if it
// named none, or several.
func (h *HopView) elsewhere(e *EventView, cause string) string {
	reached := !slices.Contains(unreached, cause)
	found := ""
	for _, o := range h.from.near.near.Elsewhere(e.joined.Event, e.joined.Start) {
		party := h.at(peerIn(eventText(o)))
		if party == "" || party == h.Service || party == found || reached && h.from.neverReached(o) {
			continue
		}
		if found != "" {
			return ""
		}
		found = party
	}
	return found
}

// neverReached says whether a record tells of a party that its writer did not reach.
func (v *views) neverReached(e *timeline.Event) bool {
	return slices.ContainsFunc(narrowest(v.signals.find(e)), func(s *Signal) bool { return slices.Contains(unreached, s.MayMean[0]) })
}
