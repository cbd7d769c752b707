package rules

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/correlatehq/correlate/timeline"
)

// everyCase calls f with every case of the rules that come with the program.
func everyCase(t testing.TB, f func(of string, r *timeline.Request, near *timeline.Surroundings)) {
	set := Builtin()
	look := func(name string, cases []*ruleCase) {
		for _, k := range cases {
			r, near := parse(t, k.hops)
			f(name+": "+k.name, r, near)
		}
	}
	for _, r := range set.rules {
		look(r.Name, r.cases)
	}
	for _, g := range set.caseFiles() {
		look(g.Pos, g.cases)
	}
}

// everyHop calls f with every hop of every case of the rules that come with the program.
func everyHop(t testing.TB, f func(of string, h *HopView)) {
	everyCase(t, func(of string, r *timeline.Request, near *timeline.Surroundings) {
		for _, h := range newViews(r, near, Builtin().signals, &room{}).request.Hops {
			f(of, h)
			alone := *h
			alone.FailedBy = nil
			f(of+", without the failed call", &alone)
		}
	})
}

// What is evaluated without CEL is what CEL gives.
func TestQuickIsCEL(t *testing.T) {
	rules := Builtin().rules
	compared, quick := 0, map[string]bool{}
	everyHop(t, func(of string, h *HopView) {
		for _, r := range rules {
			at := &subject{hop: h, component: "somebody"}
			for name, x := range map[string]*expression{"when": r.when, "component": r.component, "summary": r.summary, "evidence": r.evidence} {
				if x == nil {
					continue
				}
				if err := x.ready(); err != nil {
					t.Fatal(err)
				}
				byCEL := &expression{source: x.source, checked: x.checked}
				switch {
				case name == "when":
					want, err := byCEL.truth(t.Context(), at)
					if err != nil {
						t.Fatal(err)
					}
					if got := r.condition.cheaply(at); got == yes && !want || got == no && want {
						t.Errorf("%s: rule %s at %s: %v, CEL says %v", of, r.Name, h.Service, got, want)
					} else if got != open {
						compared++
					}
				case x.quick == nil:
				case x.quick.text != nil:
					want, err := byCEL.text(t.Context(), at)
					if err != nil {
						t.Fatal(err)
					}
					if got := x.quick.text(at); got != want {
						t.Errorf("%s: rule %s, %s at %s: %q, CEL says %q", of, r.Name, name, h.Service, got, want)
					}
					quick[r.Name+" "+name] = true
				case x.quick.events != nil:
					want, err := byCEL.events(t.Context(), at)
					if err != nil {
						t.Fatal(err)
					}
					if got := x.quick.events(at); !slices.Equal(got, want) {
						t.Errorf("%s: rule %s, %s at %s: %d events, CEL says %d", of, r.Name, name, h.Service, len(got), len(want))
					}
					quick[r.Name+" "+name] = true
				}
			}
		}
	})
	if compared == 0 || len(quick) == 0 {
		t.Errorf("%d conditions and %d expressions were evaluated without CEL", compared, len(quick))
	}
}

// Expressions of every kind that is evaluated without CEL, and some that are not.
func TestQuicken(t *testing.T) {
	r, near := parse(t, `
request POST /api/orders
edge gateway 0ms +60ms 500
  orders app 2ms +50ms 500 system=go
    inventory app 10ms +30ms 503 error="answered 503"
    - error 40ms exception="ValueError: x" "total"
`)
	v := newViews(r, near, Builtin().signals, &room{})
	orders := &subject{hop: v.request.Hops[1], component: "inventory"}
	root := &subject{hop: v.request.Hops[0]}
	deepest := &subject{hop: v.request.Hops[2]}
	for _, c := range []struct {
		source string
		quick  bool
	}{
		{`hop.failed`, true},
		{`!hop.failed && hop.depth > 0 || hop.role in ["app", "proxy"]`, true},
		{`has(hop.failed_by) ? hop.failed_by.party : "nobody"`, true},
		{`has(hop.failed_by.callee)`, true},
		{`hop.failed_by.callee.http.response.status_code == 503`, true},
		{`hop.failed_by.callee.failed_by.callee.service`, true},
		{`hop.failed_by.received.http in [500, 503]`, true},
		{`hop.failed_by.duration > duration("5ms") && hop.duration <= duration("1h")`, true},
		{`hop.failed_by.duration.words()`, true},
		{`string(hop.failed_by.received.code) + " of " + component`, true},
		{`hop.says("unhandled_exception") != hop.own_exception()`, true},
		{`hop.error_text().contains("Value")`, true},
		{`hop.own_exception() ? hop.stating() : hop.telling()`, true},
		{`near.state(hop.failed_by) in ["", "crashed"]`, true},
		{`request.http.request.method == "POST"`, true},
		{`hop.events.exists(e, e.severity == "error" && e.kind != "server")`, true},
		{`hop.telling().exists(e, e.exception.type == "ValueError")`, true},
		{`hop.callees.exists(c, c.says("upstream_timeout") || c.depth == 2)`, true},
		{`hop.calls.exists(c, c.received.failed && c.end.certainly_before(hop.end))`, true},
		{`hop.events.filter(e, e.severity == "error")`, true},
		{`hop.start.certainly_before(hop.end)`, true},
		{`hop.failed_by.callee.failed_by.end.certainly_after(hop.start)`, true},
		{`hop.events.exists(e, hop.calls.exists(c, c.peer == e.service))`, false},
		{`hop.events.exists(e, e.text.contains("total"))`, false},
		{`hop.events.all(e, e.severity == "error")`, false},
		{`hop.events.map(e, e.severity).exists(s, s == "error")`, false},
		{`hop.events.filter(e, has(e.exception))`, true},
		{`["unhandled_exception", "dns"].exists(c, hop.says(c))`, true},
		{`["go.timeout.deadline"].exists(s, hop.signal(s)) || hop.callees.exists(c, has(c.failed_by))`, true},
		{`["a", hop.service].exists(s, hop.signal(s))`, false},
		{`size(hop.events) > 1`, false},
		{`hop.start.known`, false},
		{`hop.error_text().matches("V.*")`, false},
		{`near.failed_before[?"orders"].orValue(0) > 3`, false},
	} {
		env, err := language()
		if err != nil {
			t.Fatal(err)
		}
		checked, issues := env.Compile(c.source)
		if issues.Err() != nil {
			t.Fatalf("%s: %v", c.source, issues.Err())
		}
		x := &expression{source: c.source, checked: checked.NativeRep(), quick: quicken(checked.NativeRep(), checked.NativeRep().Expr())}
		if (x.quick != nil) != c.quick {
			t.Errorf("%s: quick is %v", c.source, x.quick != nil)
			continue
		}
		if x.quick == nil {
			continue
		}
		byCEL := &expression{source: c.source, checked: x.checked}
		for _, at := range []*subject{orders, root, deepest} {
			var got, want any
			var err error
			switch {
			case x.quick.truth != nil:
				got = x.quick.truth(at)
				want, err = byCEL.truth(t.Context(), at)
			case x.quick.text != nil:
				got = x.quick.text(at)
				want, err = byCEL.text(t.Context(), at)
			case x.quick.events != nil:
				got = len(x.quick.events(at))
				var events []*EventView
				events, err = byCEL.events(t.Context(), at)
				want = len(events)
			}
			if err != nil {
				t.Fatalf("%s: %v", c.source, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s at %s (-CEL +quick):\n%s", c.source, at.hop.Service, diff)
			}
		}
	}
}
