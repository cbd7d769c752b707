//go:build unix

package rules

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

const benchHops = `
request POST /api/orders
edge@edge-1 gateway 0ms +60ms 500 system=nginx
  - error 50ms candidates=2 "upstream prematurely closed connection while reading response header from upstream"
  lb-1@lb-1 proxy 1ms +58ms 500 system=haproxy haproxy.termination_state=---- haproxy.server_name=app-1
    orders@app-1 app 2ms +55ms 500 system=go
      - info 3ms "order received"
      recs@app-4 app 4ms +5ms 500 system=python
        - error 8ms exception="KeyError: '12'" "unhandled error on GET /recs"
      - warn 10ms "recs unavailable, going on without"
      inventory@app-3 app 15ms +10ms 500 system=python
        - error 20ms exception="psycopg2.errors.CheckViolation: new row violates check constraint" "unhandled error on POST /reservations"
        postgres@db-1 dependency 16ms +3ms - unlogged system=postgresql
          - error 18ms "new row for relation \"stock\" violates check constraint \"stock_qty_check\""
`

// cpu is the processor time that this process has used: what the clock on the wall says
// of a loaded machine is its load.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure runs f and reports the processor time of each run, and how many evaluations of
// hop.failed by CEL, made between the runs, take as long.
func measure(b *testing.B, f func(i int)) {
	r, near := parse(b, benchHops)
	at := &subject{hop: newViews(r, near, Builtin().signals, &room{}).request.Hops[0]}
	env, err := language()
	if err != nil {
		b.Fatal(err)
	}
	checked, issues := env.Compile("hop.failed")
	if issues.Err() != nil {
		b.Fatal(issues.Err())
	}
	yard := &expression{source: "hop.failed", checked: checked.NativeRep()}
	var spent, yards, best time.Duration
	n, each := 0, 100
	b.ReportAllocs()
	for b.Loop() {
		start := cpu(b)
		for range each {
			f(n)
			n++
		}
		took := cpu(b) - start
		if spent += took; best == 0 || took < best {
			best = took
		}
		b.StopTimer()
		start = cpu(b)
		for range each {
			if ok, err := yard.truth(b.Context(), at); err != nil || !ok {
				b.Fatal(ok, err)
			}
		}
		yards += cpu(b) - start
		b.StartTimer()
	}
	b.ReportMetric(float64(spent.Nanoseconds())/float64(n)/1000, "cpu-us/run")
	b.ReportMetric(float64(best.Nanoseconds())/float64(each)/1000, "cpu-us/run-best") // of those hundreds of runs that nothing disturbed
	b.ReportMetric(float64(spent)/float64(yards), "cel-evals/run")
	b.ReportMetric(0, "ns/op") // of 100 runs, on a clock that others share
}

func BenchmarkJudge(b *testing.B) {
	r, near := parse(b, benchHops)
	set := Builtin()
	measure(b, func(int) {
		if _, err := set.Judge(b.Context(), r, near); err != nil {
			b.Fatal(err)
		}
	})
}

// noServerHops is a failure of few records.
const noServerHops = `
request GET /api/stock/{}
edge@edge-1 gateway 0ms +20ms 503 system=nginx
  lb-1@lb-1 proxy 1ms +5ms 503 system=haproxy haproxy.termination_state=SC-- haproxy.server_name=<NOSRV> haproxy.backend=be_stock
`

// alike gives the i-th of failures that differ in IDs, words, values, times and durations.
func alike(hops string, i int) string {
	return strings.NewReplacer(
		"order received", fmt.Sprintf("order o-%x received", i*7919), "GET /recs", fmt.Sprintf("GET /recs?sku=%d", 4000+i), "'12'", fmt.Sprintf("'%d'", 4000+i),
		"+60ms", fmt.Sprintf("+6%d.%dms", i%9, i%7), "+55ms", fmt.Sprintf("+55.%dms", i%9), "+5ms", fmt.Sprintf("+5.%dms", i%7), "20ms", fmt.Sprintf("20.%dms", i%9),
	).Replace(hops)
}

// BenchmarkJudgeAlike judges 5,000 failures that differ in IDs, words, values, times and durations alone.
func BenchmarkJudgeAlike(b *testing.B) {
	for _, hops := range []string{benchHops, noServerHops} {
		var all []*timeline.Request
		var nears []*timeline.Surroundings
		for i := range 5000 {
			r, near := parse(b, alike(hops, i))
			r.ID = fmt.Sprintf("%032x", i*7919)
			all, nears = append(all, r), append(nears, near)
		}
		set := Builtin()
		b.Run(fmt.Sprintf("records=%d", len(all[0].Events)), func(b *testing.B) {
			measure(b, func(i int) {
				if _, err := set.Judge(b.Context(), all[i%len(all)], nears[i%len(all)]); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

func BenchmarkSignals(b *testing.B) {
	r, _ := parse(b, benchHops)
	table := Builtin().signals
	measure(b, func(int) {
		for i := range r.Events {
			table.find(r.Events[i].Event)
		}
	})
}

func BenchmarkTraceOrigin(b *testing.B) {
	r, _ := parse(b, benchHops)
	measure(b, func(int) { timeline.TraceOrigin(r) })
}
