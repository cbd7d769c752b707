package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/correlatehq/correlate/timeline"
)

// claimWords gives "words [positions]" for each claim.
func claimWords(v *Verdict) []string {
	var out []string
	for _, c := range v.Claims {
		s := c.Words
		for _, e := range c.Evidence {
			s += fmt.Sprintf(" [%s]", e.Pos)
		}
		out = append(out, s)
	}
	return out
}

// Every claim stands in its place in time, with the records that show it.
func TestClaims(t *testing.T) {
	for _, c := range []struct {
		name, hops string
		want       []string
	}{
		{"handled before, then its own error, passed on by two", `
edge gateway 0ms +60ms 500
  lb-1 proxy 1ms +58ms 500
    orders app 2ms +55ms 500 system=go
      recs app 3ms +5ms 500 system=python
        - error 7ms exception="KeyError: '12'" "unhandled error"
      - warn 10ms "recs unavailable, going on without"
      - error 40ms exception="ValueError: x" "price"
`, []string{
			"recs answered 500, and orders handled it. [recs.log:4] [orders.log:7]",
			"orders failed by its own error ValueError: x [orders.log:8]",
			"and answered 500. [orders.log:3]",
			"lb-1 and edge passed the 500 on. [lb-1.log:2] [edge.log:1]",
		}},
		{"a handled failure of which the clocks do not show that it came before", `
orders app 0ms +30ms 500
  recs app 3ms +26ms 500 slack=20ms
  inventory app 12ms +2ms 200
  - error 20ms exception="ValueError: x" "price"
`, []string{
			"orders failed by its own error ValueError: x [orders.log:6]",
			"and answered 500. [orders.log:1]",
			"recs answered 500, and orders handled it. [recs.log:2] [orders.log:3]",
		}},
		{"attempts, of which the last decides", `
orders app 0ms +90ms 500 system=go
  inventory app 3ms +5ms 503 method=GET target=/stock/7
  inventory app 20ms +5ms 503 method=GET target=/stock/7
  inventory app 40ms +3ms 401 method=GET target=/stock/7
`, []string{
			"orders called inventory 2 times before and failed: 503. [orders.log:3] [orders.log:5]",
			"inventory refused the credentials of orders with 401; [orders.log:7] [inventory.log:2]",
			"orders answered 500. [orders.log:1]",
		}},
		{"the caller's words about its call, and the other end", `
edge gateway 0ms +2100ms 500
  orders app 2ms +2050ms 500 system=go
    inventory app 5ms +5000ms 200 ended=gave_up error="context deadline exceeded" waited=2s
`, []string{
			"orders gave up waiting for inventory after 2 s (context deadline exceeded) [orders.log:4] [inventory.log:3]",
			"and answered 500. [orders.log:2]",
			"edge passed the 500 on. [edge.log:1]",
			"inventory answered 200 all the same, 3 s too late. [inventory.log:3]",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := judge(t, c.hops)
			got := claimWords(v)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
			if s := words(v.Claims); s != v.Summary {
				t.Errorf("summary %q, the claims say %q", v.Summary, s)
			}
			if n := strings.Count(strings.Join(got, " "), ". ["); n > 3 {
				t.Errorf("%d sentences", n)
			}
		})
	}
}

// What is said of a cause names this request's own values, and nothing that has none.
func TestNextChecks(t *testing.T) {
	for _, c := range []struct {
		name, hops string
		want       []string
		never      string
	}{
		{"a refused credential, after a start", `
request GET /api/stock
process orders@app-1 start -30s ready -29s
orders@app-1 app 0ms +30ms 500 system=go
  inventory@app-3 app 3ms +2ms 401
`, []string{
			"as whom orders calls inventory: whose identity, which rights, and when the credential that app-1 holds runs out",
			"what changed in the secrets of orders with its start at 11:59:30Z",
			"whether the clocks of app-1 and app-3 agree: tokens are valid between two times",
		}, ""},
		{"a refused credential, no start known", `
orders@app-1 app 0ms +30ms 500 system=go
  inventory@app-3 app 3ms +2ms 401
`, []string{"when inventory last accepted it, and whether it was rotated since"}, "with its start"},
		{"an inverted deadline", `
edge gateway 0ms +1005ms 500
  lb-1 proxy 1ms +1002ms 504
    orders app 3ms +1400ms 201 ended=gave_up received=504 own_made
      inventory app 10ms +1380ms 200
`, []string{
			"the time limits against each other, each caller's should be the longer one: edge waited 1 s, lb-1 gave up after 1 s, orders took 1.4 s and inventory took 1.4 s",
			"what inventory did meanwhile, in inventory.log: locks, slow queries, a pool without free connections",
		}, "backoff"},
		{"a third party", `
orders app 0ms +2100ms 500 system=go
  pay.example dependency 3ms +? - silent ended=gave_up error="context deadline exceeded" waited=2s method=POST target=/charge
`, []string{"whether orders retries pay.example with backoff, and what it does without it"}, " in ,"},
		{"a write that may be tried again", `
orders app 0ms +40ms 500 system=go
  inventory app 3ms +? - ended=reset error="EOF" method=POST target=/reservations
`, []string{"whether orders may try POST /reservations again: it may have taken effect"}, ""},
		{"a read that may be tried again", `
orders app 0ms +40ms 500 system=go
  inventory app 3ms +? - ended=reset error="EOF" method=GET target=/stock
`, []string{"idle timeouts of kept-alive connections: that of inventory should be longer than that of orders"}, "may try"},
		{"a place in code", `
request POST /api/orders
orders app 0ms +25ms 500
  - error 20ms exception="KeyError: 'a'" file=/srv/stock.py:41 function=pick "unhandled"
`, []string{"stock.py:41 in pick, with the input of this request (POST /api/orders)", "whether orders has logged KeyError before, and since when"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := judge(t, c.hops).NextChecks
			all := strings.Join(got, "\n")
			for _, w := range c.want {
				if !strings.Contains(all, w) {
					t.Errorf("no check %q in\n%s", w, all)
				}
			}
			if c.never != "" && strings.Contains(all, c.never) {
				t.Errorf("%q in\n%s", c.never, all)
			}
			if strings.ContainsAny(all, "{}") || len(got) > checksMost+1 {
				t.Errorf("%d checks:\n%s", len(got), all)
			}
		})
	}
}

func TestRetries(t *testing.T) {
	for _, c := range []struct{ name, hops, want string }{
		{"a write that reached the other side", `
request POST /api/orders
orders app 0ms +90ms 500 system=go
  inventory app 3ms +? - ended=reset error="EOF" method=POST target=/reservations
  inventory app 20ms +5ms 500 method=POST target=/reservations
`, "orders POST /reservations inventory 2 [orders.log:4]"},
		{"a gateway tries the next server", `
request POST /api/orders
edge gateway 0ms +90ms 200 system=nginx
  orders@app-1 app 1ms +? - ended=reset received=502 own_made
  orders@app-2 app 20ms +60ms 200
`, "edge POST  orders 2 [edge.log:1]"},
		{"a read", `
orders app 0ms +90ms 500 system=go
  inventory app 3ms +? - ended=reset error="EOF" method=GET target=/stock
  inventory app 20ms +5ms 500 method=GET target=/stock
`, ""},
		{"nothing was sent at first", `
orders app 0ms +90ms 500 system=go
  inventory app 3ms +? - silent ended=refused method=POST target=/reservations
  inventory app 20ms +5ms 500 method=POST target=/reservations
`, ""},
		{"it was refused at first", `
orders app 0ms +90ms 500 system=go
  inventory app 3ms +2ms 503 method=POST target=/a
  inventory app 20ms +5ms 500 method=POST target=/b
`, ""},
	} {
		got := ""
		for _, r := range judge(t, c.hops).Retries {
			got += fmt.Sprintf("%s %s %s %s %d [%s]", r.Caller.Service, r.Method, r.Target, r.Party, r.Attempts, r.Record.Pos)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestSlowest(t *testing.T) {
	for _, c := range []struct {
		name, hops, want string
	}{
		{"the callee that worked", `
lb-1 proxy 1ms +1002ms 504
  orders app 3ms +1400ms 201 ended=gave_up received=504 own_made
    recs app 5ms +20ms 200
    inventory app 30ms +1300ms 200
`, "inventory 1.3s 1.3s false"},
		{"the hop itself, between its calls", `
lb-1 proxy 0ms +1000ms 504
  orders app 0ms +1400ms 201 ended=gave_up received=504 own_made
    recs app 100ms +200ms 200
    inventory app 200ms +300ms 200
`, "orders 1.4s 1s false"},
		{"one that left no end", `
orders app 0ms +2050ms 500 system=go
  inventory app 5ms +? - ended=gave_up error="context deadline exceeded" waited=2s
`, "inventory 2s 2s true"},
		{"no timeout", `
orders app 0ms +25ms 500
  - error 20ms exception="KeyError: 'a'" "unhandled"
`, ""},
	} {
		got := ""
		if s := judge(t, c.hops).Slowest; s != nil {
			got = fmt.Sprintf("%s %s %s %v", s.Hop.Service, s.Total.Round(time.Millisecond), s.Own.Round(time.Millisecond), s.AtLeast)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// An error that may as well be another request's is not told as this one's, and one that
// carries the request's ID is told rather than one that was joined to it.
func TestExceptionIsTheRequestsOwn(t *testing.T) {
	v := judge(t, `
lb-1 proxy 0ms +38ms 502 system=haproxy haproxy.termination_state=SH--
  orders app 2ms +? - system=go ended=reset received=502 own_made
    - error 30ms exception="panic: index out of range" escaped candidates=3 "panic: index out of range"
`)
	if v.Exception != nil {
		t.Errorf("the error is %+v, which fits three requests", v.Exception)
	}
	v = judge(t, `
orders app 0ms +38ms 500 system=python
  - error 20ms exception="KeyError: 'a'" "unhandled"
  - error 30ms exception="ValueError: feed" inferred "record skipped"
`)
	if want := (&timeline.Exception{Type: "KeyError", Message: "'a'"}); !cmp.Equal(v.Exception, want) {
		t.Errorf("the error is %+v, want %+v", v.Exception, want)
	}
}

// TestToldByOneOfSeveral: what was called is told by a record that may be of another request, and was not read: the failure may have been made there.
func TestToldByOneOfSeveral(t *testing.T) {
	r, near := parse(t, "request GET /a\nlb gateway 0ms +32ms 500\n  orders app 1ms +30ms 500\n    - error 20ms candidates=2 exception=\"HTTPError: 500 Server Error: x for url: http://stock/7\" \"unhandled\"")
	before, err := Builtin().Judge(t.Context(), r, near)
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Hops[1].Events {
		if e := r.Hops[1].Events[i]; e.Kind == timeline.LogRecord {
			e.Calls = []timeline.Outcall{{Peer: "stock", Target: "/7", Status: 500, Ended: timeline.Complete}}
		}
	}
	told, err := Builtin().Judge(t.Context(), r, near)
	if err != nil {
		t.Fatal(err)
	}
	if before.Confidence < 0.8 || told.Confidence >= 0.5 {
		t.Errorf("confidence %v without the call, %v with it", before.Confidence, told.Confidence)
	}
}

// TestWordless: of a trace without its last line, which names but the request, nobody knows what was thrown.
func TestWordless(t *testing.T) {
	for _, c := range []struct {
		typ, message, body string
		weak               bool
	}{
		{"KeyError", "'shelf'", "Exception on /a [GET]", false},
		{"", "", "Exception on /a [GET]", true},
		{"", "", "panic: runtime error: invalid memory address or nil pointer dereference", false},
	} {
		r, near := parse(t, "request GET /a\norders app 1ms +30ms 500 system=python\n  - error 20ms exception=\"x\" \""+c.body+"\"")
		for _, e := range r.Hops[0].Events {
			if e.Exception != nil {
				e.Exception = &timeline.Exception{Type: c.typ, Message: c.message, Escaped: true}
				e.Attrs.Set("url.path", "/a")
			}
		}
		v, err := Builtin().Judge(t.Context(), r, near)
		if err != nil {
			t.Fatal(err)
		}
		if v.CauseClass != "unhandled_exception" || (v.Confidence < 0.5) != c.weak {
			t.Errorf("%+v: %s, %v", c, v.CauseClass, v.Confidence)
		}
	}
}

// TestDiedThen: of a connection that broke while a process of whom it was to died of its work nobody knows whether it died of this request.
func TestDiedThen(t *testing.T) {
	for end, doubted := range map[string]bool{"18ms crashed": true, "18ms killed": false, "-20s crashed": false} {
		v := judge(t, "usual orders stock 20\nprocess stock@app-2 start -60s ready -59s end "+end+"\nprocess stock@app-2 start 1s ready 2s\nrequest GET /a\nlb gateway 0ms +32ms 500\n  orders app 1ms +30ms 500 system=python\n    - error 20ms exception=\"http.client.RemoteDisconnected: Remote end closed connection without response\" \"unhandled\"")
		if v.CauseClass != "upstream_reset" || v.Component != "stock" || (v.Confidence < 0.5) != doubted {
			t.Errorf("%s: %s of %s, %v", end, v.CauseClass, v.Component, v.Confidence)
		}
	}
}

func TestEffectBy(t *testing.T) {
	for _, c := range []struct{ hops, effect, by string }{
		{"request POST /a\na app 0ms +30ms 500\n  b app 2ms +? - silent ended=refused", "not_started", "a had no connection to b"},
		{"request POST /a\na app 0ms +30ms 500\n  b app 2ms +3ms 401 method=POST target=/b", "not_started", "b refused POST /b with 401"},
		{"request POST /a\na gateway 0ms +30ms 500\n  b proxy 2ms +9ms 413\n    c app 3ms +5ms 413", "not_started", "c refused the call with 413"},
		{"request POST /a\na gateway 0ms +30ms 504\n  b app 2ms +90ms 201 ended=gave_up received=504 own_made method=POST target=/a", "completed", "b answered 201 to POST /a"},
		{"request POST /a\na app 0ms +30ms 500\n  b app 2ms +3ms 200 ended=unusable received=200 method=GET target=/b", "unknown", "what failed, GET /b to b, only reads"},
		{"request POST /a\na app 0ms +30ms 500\n  c app 1ms +1ms 201 method=POST target=/c\n  b app 2ms +? - silent ended=refused", "unknown", "POST /c to c had succeeded before"},
		{"request POST /a\na app 0ms +30ms 500\n  - error 20ms exception=\"KeyError: 'a'\" \"unhandled\"\n  c app 1ms +1ms 201 method=POST target=/c", "unknown", "POST /c to c had succeeded before"},
		{"request POST /a\na app 0ms +30ms 500\n  - error 20ms exception=\"KeyError: 'a'\" \"unhandled\"\n  c app 1ms +1ms 409 method=POST target=/c", "unknown", ""},
		{"request POST /a\na app 0ms +30ms 500\n  - error 20ms exception=\"AxiosError: Request failed with status code 503\" \"unhandled\"", "unknown", ""},
		{"lb-1 proxy 1ms +1ms 503 system=haproxy haproxy.termination_state=SC-- haproxy.server_name=<NOSRV> haproxy.backend=be", "not_started", "lb-1 refused it before it asked anybody"},
	} {
		v := judge(t, c.hops)
		if v.Effect != c.effect || v.EffectBy != c.by {
			t.Errorf("%s: %s, %q; want %s, %q", c.hops, v.Effect, v.EffectBy, c.effect, c.by)
		}
	}
}
