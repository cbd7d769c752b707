package report

import (
	"fmt"
	"time"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/rules"
	"github.com/correlatehq/correlate/timeline"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 7, 412_000_000, time.UTC)

// at gives a moment ms after the start of the request, known to within slack ms.
func at(ms, slack float64) timeline.Instant {
	m := t0.Add(time.Duration(ms * 1e6))
	s := time.Duration(slack * 1e6)
	return timeline.Instant{Earliest: m.Add(-s), Time: m, Latest: m.Add(s)}
}

func code(n int) timeline.Status { return timeline.Status{Code: n} }

// panicCase is a request whose app panicked behind a proxy and a gateway; a
// dependency had answered before, and another one's failure was coped with.
func panicCase() *correlate.Case {
	edge := &timeline.Hop{ID: 1, Service: "edge", Host: "edge", System: "nginx", Role: timeline.RoleGateway,
		Start: at(0, 0.3), End: at(41, 0.3), Sent: code(500), Received: code(502), Ended: timeline.Complete, Lineage: timeline.Translated}
	lb := &timeline.Hop{ID: 2, Service: "lb-1", Host: "lb-1", System: "haproxy", Role: timeline.RoleProxy, Depth: 1, Attempt: 1,
		Start: at(0.9, 0.3), End: at(39.5, 0.3), Sent: code(502), Ended: timeline.Complete, Lineage: timeline.Created}
	orders := &timeline.Hop{ID: 3, Service: "orders", Host: "app-2", System: "go", Role: timeline.RoleApp, Depth: 2, Attempt: 1,
		Start: at(1.8, 0.6), End: at(38, 0.6), Ended: timeline.Reset, Lineage: timeline.Died}
	inventory := &timeline.Hop{ID: 4, Service: "inventory", Host: "app-3", System: "go", Role: timeline.RoleApp, Depth: 3, Attempt: 1,
		Start: at(4.1, 0.6), End: at(8.5, 0.6), Sent: code(200), Ended: timeline.Complete, Lineage: timeline.Answered}
	recs := &timeline.Hop{ID: 5, Service: "recs", Host: "app-4", System: "python", Role: timeline.RoleApp, Depth: 3, Attempt: 1,
		Start: at(9, 0.6), End: at(11, 0.6), Sent: code(500), Ended: timeline.Complete, Lineage: timeline.Created, HandledByCaller: true}
	calls := []*timeline.Call{
		{ID: 1, Caller: edge, Callee: lb, Peer: "127.0.0.1:8080", Attempt: 1, Method: "POST", Target: "/api/orders", Received: code(502), Sent: code(502),
			Ended: timeline.Complete, Used: true, Start: at(0.5, 0.3), End: at(40.5, 0.3)},
		{ID: 2, Caller: lb, Callee: orders, Peer: "orders/app-2", Attempt: 1, Method: "POST", Target: "/api/orders", Received: code(502), OwnMade: true,
			Ended: timeline.Reset, Error: "SH--", Used: true, Start: at(1, 0.3), End: at(39, 0.3)},
		{ID: 3, Caller: orders, Callee: inventory, Peer: "http://inventory:9000", Attempt: 1, Method: "GET", Target: "/stock", Received: code(200), Sent: code(200), Ended: timeline.Complete},
		{ID: 4, Caller: orders, Callee: recs, Peer: "http://recs:9000", Attempt: 1, Method: "GET", Target: "/recs", Received: code(500), Sent: code(500), Ended: timeline.Complete},
	}
	edge.Calls, lb.Calls, orders.Calls = calls[:1], calls[1:2], calls[2:]
	lb.Caller, orders.Caller, inventory.Caller, recs.Caller = calls[0], calls[1], calls[2], calls[3]

	x := &timeline.Exception{Type: "runtime error", Message: "invalid memory address or nil pointer dereference", File: "price.go", Function: "(*Pricer).Total", Line: 88, Escaped: true}
	id := []timeline.Key{{Name: timeline.KeyRequestID, Value: "5f0c9ad1e2b34c718d90aa11bb22cc33"}}
	event := func(h *timeline.Hop, raw time.Duration, path string, line int, kind timeline.Kind, status int, body, rec string) *timeline.Event {
		return &timeline.Event{Time: t0.Add(raw), Stamp: timeline.Stamp{Resolution: time.Millisecond, Zone: timeline.ZoneWritten, Meaning: timeline.Within},
			Kind: kind, Service: h.Service, Host: h.Host, System: h.System, Role: h.Role, StatusCode: status, Body: body, Raw: []byte(rec), Keys: id,
			Pos: timeline.Pos{Source: "logs", Path: path, Line: line, Offset: int64(line) * 100}}
	}
	r := &timeline.Request{ID: id[0].Value, TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", Method: "POST", Path: "/api/orders", Route: "/api/orders",
		Keys:  append(id, timeline.Key{Name: timeline.KeyTraceID, Value: "4bf92f3577b34da6a3ce929d0e0e4736"}),
		Start: at(0, 0.3), Length: 41 * time.Millisecond, Client: code(500), Failed: true, Tied: true,
		Hops: []*timeline.Hop{edge, lb, orders, inventory, recs}, Calls: calls}
	panicText := "panic: runtime error: invalid memory address or nil pointer dereference\n\ngoroutine 71 [running]:\nmain.(*Pricer).Total(...)\n\t/src/price.go:88 +0x1d\n"
	r.Events = []timeline.Joined{
		{Event: event(edge, 41*time.Millisecond, "edge/access.log", 88121, timeline.ServerSpan, 500, "",
			`10.0.0.9 - - [01/Mar/2026:12:00:07 +0000] "POST /api/orders HTTP/1.1" 500 158 rt=0.041 us=502 id=5f0c9ad1e2b34c718d90aa11bb22cc33`), Hop: edge, Start: at(0, 0.3), End: at(41, 0.3)},
		{Event: event(lb, 39*time.Millisecond, "lb-1/haproxy.log.1", 88120, timeline.ServerSpan, 502, "",
			`10.0.0.1:41002 [01/Mar/2026:12:00:07.413] fe orders/app-2 0/0/1/-1/38 502 209 - - SH-- 1/1/0/0/0 0/0 {5f0c9ad1e2b34c718d90aa11bb22cc33} "POST /api/orders HTTP/1.1"`), Hop: lb, Start: at(0.9, 0.3), End: at(39.5, 0.3)},
		{Event: event(recs, 10*time.Millisecond, "app-4/recs.log", 71, timeline.LogRecord, 500, "model not loaded", `{"msg":"model not loaded"}`), Hop: recs, Start: at(10, 0.6), End: at(10, 0.6)},
		{Event: event(orders, -3192*time.Millisecond, "app-2/orders.log", 10409, timeline.LogRecord, 0, "recs unavailable, going on", `{"msg":"recs unavailable, going on"}`), Hop: orders, Start: at(12, 0.6), End: at(12, 0.6)},
		{Event: event(orders, -3166*time.Millisecond, "app-2/orders.log", 10412, timeline.LogRecord, 0, panicText, panicText), Hop: orders, Start: at(38, 0.6), End: at(38, 0.6),
			Join: timeline.ByInferred, Candidates: 1, Reason: "the only request that orders held when it broke off"},
	}
	calls[0].Record, calls[1].Record = &r.Events[0], &r.Events[1]
	r.Events[4].Stamp.Zone = timeline.ZoneUnknown
	r.Events[4].Exception = x
	for i := range r.Events {
		e := &r.Events[i]
		e.ID = i + 1
		if e.Candidates == 0 {
			e.Candidates = 1
		}
		e.Hop.Events = append(e.Hop.Events, e)
	}
	claims := []rules.Claim{
		{Words: "inventory answered 200."},
		{Words: "orders panicked in (*Pricer).Total, price.go:88: nil pointer dereference.", Evidence: []*timeline.Joined{&r.Events[4]}},
		{Words: "The connection broke;", Evidence: []*timeline.Joined{&r.Events[1]}},
		{Words: "lb-1 answered 502,", Evidence: []*timeline.Joined{&r.Events[1]}},
		{Words: "and edge turned it into 500 by its error_page.", Evidence: []*timeline.Joined{&r.Events[0], &r.Events[1]}},
	}
	return &correlate.Case{
		RequestID: r.ID, Request: r, Near: &timeline.Surroundings{},
		Verdict: &rules.Verdict{Origin: orders, CauseClass: "unhandled_exception", Rule: "panic", Certainty: rules.Proven, Confidence: 0.98,
			Summary: "inventory answered 200. orders panicked in (*Pricer).Total, price.go:88: nil pointer dereference. The connection broke; lb-1 answered 502, and edge turned it into 500 by its error_page.",
			Claims:  claims, Effect: "unknown", EffectBy: "POST /reservations to inventory had succeeded before",
			Evidence: []*timeline.Joined{&r.Events[4], &r.Events[1], &r.Events[0]}, Exception: x,
			Rivals:     []rules.Rival{{Hop: recs, CauseClass: "unhandled_exception", ExcludedBy: `orders logged "recs unavailable, going on" and worked for another 26 ms`, Event: &r.Events[3]}},
			Missing:    []rules.Missing{{What: "no log of postgres in these sources", WhyItMatters: "nothing points to it"}},
			NextChecks: []string{"price.go:88 with the input of this request", "the same panic: 14 requests since 11:58 (correlate batch --since 1h)"}},
		Clocks: []timeline.HostClock{
			{Host: "edge", Reference: true, Tied: true, Calls: 2114},
			{Host: "app-2", OffsetMS: -3204.1, SlackMS: 0.6, Zone: "+01:00", Calls: 1040, Tied: true},
			{Host: "app-3", OffsetMS: 0.2, SlackMS: 0.6, Calls: 980, Tied: true},
			{Host: "app-4", OffsetMS: -0.1, SlackMS: 0.6, Calls: 970, Tied: true},
			{Host: "lb-1", OffsetMS: 0.1, SlackMS: 0.3, Calls: 2114, Tied: true},
			{Host: "db-1", Reason: "no exchange with a tied host was found"},
		},
		Skipped: []timeline.Skipped{{Source: "logs", What: "not in the format of its file", Count: 3, First: "edge/access.log:88"}},
		Sources: []correlate.SourceInfo{{Name: "logs", Info: timeline.Info{Files: 6, Bytes: 1 << 20}}},
	}
}

// steppedClocks are clocks of which much can be told.
func steppedClocks() []timeline.HostClock {
	return []timeline.HostClock{
		{Host: "edge", Reference: true, Tied: true, Calls: 2114},
		{Host: "app-2", OffsetMS: -400.2, SlackMS: 0.6, DriftPPM: 12.34, Calls: 1040, Tied: true, Steps: []timeline.ClockStep{
			{At: t0.Add(-time.Hour), SizeMS: 61_250}, {At: t0.Add(10 * time.Second), SizeMS: -400}, {At: t0.Add(48 * time.Hour), SizeMS: -0.4},
		}},
		{Host: "app-3", OffsetMS: 0.2, SlackMS: 0.6, DriftPPM: 0.04, Calls: 980, Tied: true},
		{Host: "app-4", OffsetMS: -0.1, SlackMS: 85.5, DriftPPM: -0.05, Calls: 970, Tied: true, Inconsistent: true, Reason: "its calls contradict each other more than drift and steps explain"},
		{Host: "lb-1", OffsetMS: 2000, Tied: true, Reason: "set by the configuration"},
		{Host: "db-1", Reason: "no call between it and a tied host was found"},
	}
}

// steppedCase is a request on clocks that do not fit together well, whose records contradict
// each other.
func steppedCase() *correlate.Case {
	c := panicCase()
	c.Clocks, c.ClocksWeak = steppedClocks(), true
	c.Verdict.Retries = []rules.Retry{{Caller: c.Request.Hops[1], Party: "orders", Method: "POST", Target: "/api/orders", Attempts: 3, Record: &c.Request.Events[1]}}
	c.Verdict.Slowest = &rules.Slowest{Hop: c.Request.Hops[2], Total: 38 * time.Millisecond, Own: 38 * time.Millisecond, AtLeast: true}
	c.Request.Contradictions = []timeline.Contradiction{
		{Call: c.Request.Calls[1], What: "orders was at work after lb-1 had its answer"},
		{What: "the records of several hosts deny the order in which they must have happened"},
	}
	return c
}

// lanesCase is a request in which one host's clock is not tied to the others, and in which
// the order of some is only likely.
func lanesCase() *correlate.Case {
	c := panicCase()
	r := c.Request
	inventory, recs := r.Hops[3], r.Hops[4]
	recs.Start = at(9, 6)
	recs.Start.Spread = 1500 * time.Microsecond
	alone := at(250, 0)
	alone.Earliest, alone.Latest = alone.Time.Add(-2*time.Hour), alone.Time.Add(2*time.Hour)
	query := &timeline.Hop{ID: 6, Service: "postgres", Host: "db-1", System: "postgresql", Role: timeline.RoleDependency, Depth: 4, Attempt: 1,
		Start: alone, End: alone.Add(3 * time.Millisecond), Lineage: timeline.Answered}
	second := &timeline.Hop{ID: 7, Service: "postgres", Host: "db-1", System: "postgresql", Role: timeline.RoleDependency, Depth: 4, Attempt: 1,
		Start: alone.Add(5 * time.Millisecond), End: alone.Add(6 * time.Millisecond), Lineage: timeline.Answered}
	for i, h := range []*timeline.Hop{query, second} {
		call := &timeline.Call{ID: 5 + i, Caller: inventory, Callee: h, Peer: "db-1:5432", Attempt: 1, Ended: timeline.Complete}
		h.Caller = call
		inventory.Calls = append(inventory.Calls, call)
		r.Calls = append(r.Calls, call)
		text := fmt.Sprintf("statement %d", i+1)
		r.Events = append(r.Events, timeline.Joined{Event: &timeline.Event{Time: h.Start.Time, Stamp: timeline.Stamp{Resolution: time.Millisecond, Zone: timeline.ZoneWritten, Meaning: timeline.Within},
			Kind: timeline.LogRecord, Service: h.Service, Host: h.Host, Body: text, Raw: []byte(text), Pos: timeline.Pos{Source: "logs", Path: "db-1/postgresql.log", Line: 7 + i}},
			ID: 6 + i, Hop: h, Start: h.Start, End: h.Start, Candidates: 1})
	}
	for i := range r.Events { // they have moved
		e := &r.Events[i]
		if i < 5 {
			e.Hop.Events = nil
		}
	}
	for i := range r.Events {
		e := &r.Events[i]
		e.Hop.Events = append(e.Hop.Events, e)
	}
	r.Hops = append(r.Hops[:4:4], query, second, recs)
	r.Events[2].Start = at(10, 6)
	r.Events[3].Start.Spread = 200 * time.Microsecond
	c.Verdict.Evidence, c.Verdict.Claims = []*timeline.Joined{&r.Events[4], &r.Events[5]}, nil
	c.Verdict.Slowest = &rules.Slowest{Hop: inventory, Total: 1402 * time.Millisecond, Own: 402 * time.Millisecond}
	return c
}

// okCase is the same request with a success at its end.
func okCase() *correlate.Case {
	c := panicCase()
	r := c.Request
	for _, h := range r.Hops[:3] {
		h.Sent, h.Ended, h.Lineage = code(200), timeline.Complete, timeline.Answered
		h.Received = code(200)
		for _, k := range h.Calls {
			if k.Callee != r.Hops[4] {
				k.Received, k.Sent, k.Ended, k.Error, k.OwnMade = code(200), code(200), timeline.Complete, "", false
			}
		}
	}
	r.Hops[2].Lineage = timeline.Masked
	r.Client, r.Failed = code(200), false
	r.Events = r.Events[:4]
	c.Verdict = &rules.Verdict{Certainty: rules.Proven, Confidence: 1, Summary: "edge answered 200. recs sent 500 on the way, and orders coped with it.",
		Evidence: []*timeline.Joined{&r.Events[0]},
		Rivals:   []rules.Rival{{Hop: r.Hops[4], CauseClass: "unhandled_exception", ExcludedBy: "orders coped with it and answered 200", Event: &r.Events[3]}}}
	c.Clocks, c.Skipped = nil, nil
	return c
}

// undeterminedCase is a failure whose deepest hop nobody logged.
func undeterminedCase() *correlate.Case {
	c := panicCase()
	r := c.Request
	r.Hops = r.Hops[:3]
	r.Hops[2].Events, r.Hops[2].Silent, r.Hops[2].System = nil, true, ""
	r.Hops[2].Start, r.Hops[2].End, r.Hops[2].Lineage, r.Hops[2].Calls = timeline.Instant{}, timeline.Instant{}, timeline.LineageUnknown, nil
	r.Events = r.Events[:2]
	r.Client, r.CallerUsual, r.Truncated = timeline.Status{}, true, true
	c.Verdict = &rules.Verdict{Certainty: rules.Undetermined, Confidence: 0, Summary: "lb-1 lost the connection to orders before an answer came. Whether orders died or closed it cannot be told from one end.",
		Evidence:   []*timeline.Joined{&r.Events[1]},
		Rivals:     []rules.Rival{{Hop: r.Hops[2], CauseClass: "unhandled_exception"}, {Hop: r.Hops[1], CauseClass: "upstream_reset"}},
		Missing:    []rules.Missing{{What: "the log of orders on app-2", WhyItMatters: "it would say why the connection broke"}},
		NextChecks: []string{"the log of orders around 12:00:07Z", "the kernel log of app-2: was a process killed"}}
	c.Other = []string{"5f0c9ad1e2b34c718d90aa11bb22cc33#2"}
	c.Clocks = c.Clocks[5:]
	c.Sources = append(c.Sources, correlate.SourceInfo{Name: "db", Err: "open /var/log/db: permission denied"})
	c.Partial = true
	return c
}

func digest() *correlate.Digest {
	a, b, u := panicCase(), panicCase(), undeterminedCase()
	a.RequestID, b.RequestID, u.RequestID = "req-a", "req-b", "req-u"
	return &correlate.Digest{
		Cases: []*correlate.Case{a, b, u},
		Groups: []*correlate.Group{
			{Origin: "orders", CauseClass: "unhandled_exception", Error: "panic: nil pointer dereference (price.go:88)", Rule: "panic", Route: "/api/orders", Routes: []correlate.RouteCount{{Route: "/api/orders", Count: 2}}, Cases: []*correlate.Case{a, b}, Share: 2.0 / 3, First: t0, Last: t0.Add(4 * time.Minute),
				Findings: []rules.Finding{
					{Rule: "only_one_instance", Text: "only where orders is on app-2\x1b[31m (all 2 failures, 46 % of about 41,000 successes)", Feature: "origin.instance", Value: "app-2\x1b[31m",
						Failed: rules.Share{N: 2, Of: 2}, Effect: rules.Effect{Kind: "difference", Value: 0.54, Low: 0.21, High: 0.551}, P: 0.000123,
						Succeeded: rules.EstimatedShare{N: timeline.Estimate{N: 18_860.3, Error: 611}, Of: timeline.Estimate{N: 41_017.2, Error: 902}, Estimated: true, SampledN: 276, SampledOf: 600}},
					{Rule: "steady_wait", Text: "after 1 s ±4.0 ms each, as a limit of orders", Feature: "origin.wait", Failed: rules.Share{N: 2, Of: 2}},
					{Rule: "third", Text: "is not printed", Feature: "http.route"},
				}},
			{Routes: []correlate.RouteCount{{Route: "/api/orders", Count: 1}, {Route: "/api/stock", Count: 1}}, Cases: []*correlate.Case{u}, Share: 1.0 / 3, First: t0.Add(time.Minute), Last: t0.Add(time.Minute)},
		},
		Skipped: a.Skipped, Sources: u.Sources, Sampled: 600, Partial: true,
		Succeeded: timeline.Estimate{N: 41_017.2, Error: 902}, Told: true,
		Findings: []rules.Finding{{Rule: "since_start", Text: "since orders was started at 2026-03-01 11:58:00Z", Feature: "origin.started", Failed: rules.Share{N: 3, Of: 3}}},
	}
}
