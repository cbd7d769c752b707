package rules

import (
	"context"
	"testing"
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

func BenchmarkJudge(b *testing.B) {
	r, near, err := parseHops(benchHops)
	if err != nil {
		b.Fatal(err.what)
	}
	set := Builtin()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := set.Judge(context.Background(), r, near); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignals(b *testing.B) {
	r, _, err := parseHops(benchHops)
	if err != nil {
		b.Fatal(err.what)
	}
	table := Builtin().signals
	b.ReportAllocs()
	for b.Loop() {
		for i := range r.Events {
			table.find(r.Events[i].Event)
		}
	}
}
