package file

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/correlatehq/correlate/ingest"
	"github.com/correlatehq/correlate/ingest/format"
	"github.com/correlatehq/correlate/timeline"
)

// mixedLogs are streams of several blocks each, in which records of other formats, traces,
// long records and records that break off stand between the stream's own.
func mixedLogs(rng *rand.Rand) (files map[string]string, ids []string) {
	const trace = "goroutine 34 [running]:\nmain.(*Pricer).Total(...)\n\t/srv/orders/price.go:88\nmain.main()\n\t/srv/orders/main.go:12 +0x1d\n"
	hex := func() string { return fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64()) }
	write := map[string]func(at time.Time, id string, kind int) string{
		"app-1/orders.log": func(at time.Time, id string, kind int) string {
			stamp := at.Format(`{"time":"2006-01-02T15:04:05.000000000Z"`)
			switch kind {
			case 0:
				return stamp + `,"level":"ERROR","msg":"inventory failed","request_id":"` + id + `"}`
			case 1:
				return at.Format("2006/01/02 15:04:05") + " http: panic serving 10.0.0.1:53764: runtime error: index out of range\n" + strings.TrimSuffix(trace, "\n")
			case 2:
				return "panic: runtime error: invalid memory address\n\n" + strings.TrimSuffix(trace, "\n")
			case 3:
				return `{"level":50,"time":` + fmt.Sprint(at.UnixMilli()) + `,"pid":17,"hostname":"app-1","msg":"of another library","reqId":"` + id + `"}`
			case 4:
				return stamp + `,"level":"INFO","msg":"cut off with ` + id
			case 5:
				return stamp + `,"level":"INFO","msg":"shutting down"}`
			}
			return stamp + `,"level":"INFO","msg":"request finished","method":"GET","path":"/x","status":200,"duration_ms":2,"request_id":"` + id + `"}`
		},
		"app-2/inventory.log": func(at time.Time, id string, kind int) string {
			stamp := at.Format("2006-01-02 15:04:05,000")
			switch kind {
			case 0, 1:
				return stamp + " ERROR [req=" + id + "] root: unhandled error on GET /stock/7\nTraceback (most recent call last):\n  File \"/srv/inventory.py\", line 88, in route\n    return self.stock(sku)\nKeyError: 'shelf'"
			case 2:
				return "Traceback (most recent call last):\n  File \"/srv/inventory.py\", line 88, in route\nValueError: of no logger"
			case 3:
				return stamp + " INFO [-] inventory: received signal 15, shutting down"
			case 4:
				return stamp + " INFO [req=" + id + "] inventory: a long one\n" + strings.Repeat("    and on\n", 200+rng.IntN(4000)) + "    end"
			}
			return stamp + " INFO [req=" + id + `] inventory.access: "GET /stock/4711" 200 12.3ms`
		},
		"app-3/payments.log": func(at time.Time, id string, kind int) string {
			stamp := at.Format("2006-01-02T15:04:05.000Z")
			if kind < 2 {
				return stamp + " ERROR 1 --- [payments] [io-8080-exec-2] [" + id + "-29cdac202862391d] shop.Charge    : failed\n\njava.lang.IllegalStateException: no price\n\tat shop.Charge.run(Charge.java:40)\nCaused by: java.io.IOException: closed\n\t... 3 more"
			}
			return stamp + "  INFO 1 --- [payments] [io-8080-exec-1] [" + id + "-29cdac202862391d] shop.Charge    : charged"
		},
		"node-1/notify.log": func(at time.Time, id string, kind int) string {
			stamp := at.Format("2006-01-02T15:04:05.000000000Z")
			rec := `{"level":30,"time":` + fmt.Sprint(at.UnixMilli()) + `,"pid":17,"hostname":"node-1","reqId":"` + id + `","req":{"method":"GET","url":"/notify"},"res":{"statusCode":200},"responseTime":7,"msg":"request completed"}`
			switch kind {
			case 0:
				return stamp + " stdout F " + strings.Replace(rec, "200", "500", 1)
			case 1:
				return stamp + " stdout P " + rec[:60] + "\n" + stamp + " stdout F " + rec[60:]
			case 3:
				return stamp + ` stdout F {"time":"` + at.Format(time.RFC3339Nano) + `","level":"ERROR","msg":"of another library","request_id":"` + id + `"}`
			case 2:
				return stamp + " stderr F Error: no price\n" + stamp + " stderr F     at total (/srv/recs/price.js:12:9)"
			}
			return stamp + " stdout F " + rec
		},
		"lb-1/haproxy.log": func(at time.Time, id string, kind int) string {
			stamp := at.Format("Jan _2 15:04:05") + " lb-1 haproxy[1074]: "
			switch kind {
			case 0:
				return stamp + "Server be_orders/app-2 is DOWN, reason: Layer4 connection problem, info: \"Connection refused\", check duration: 0ms. 1 active and 0 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue."
			case 1:
				return stamp + "Proxy be_orders stopped (cumulated conns: FE: 0, BE: 17)."
			}
			status := 200
			if kind == 2 {
				status = 502
			}
			return stamp + fmt.Sprintf(`10.0.6.2:58098 [%s] fe_shop be_orders/app-2 0/0/0/17/17 %d 170 - - ---- 10/16/1/0/0 0/0 {%s} "GET /x HTTP/1.1"`, at.Format("02/Jan/2006:15:04:05.000"), status, id)
		},
		// The errors in it are of another format that begins alike.
		"edge-2/caddy.log": func(at time.Time, id string, kind int) string {
			stamp := fmt.Sprintf(`{"level":"%s","ts":%d.%06d,`, map[bool]string{true: "error", false: "info"}[kind < 2], at.Unix(), at.Nanosecond()/1000)
			switch kind {
			case 0:
				return stamp + `"logger":"http.handlers.reverse_proxy","msg":"aborting with incomplete response","error":"unexpected EOF"}`
			case 2:
				return stamp + `"msg":"serving initial configuration"}`
			}
			status := 200
			if kind == 1 {
				status = 502
			}
			return stamp + fmt.Sprintf(`"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"198.51.100.7","method":"GET","uri":"/x"},"duration":0.001,"size":12,"status":%d,"resp_headers":{"X-Request-Id":["%s"]}}`, status, id)
		},
		"edge-1/access.log": func(at time.Time, id string, kind int) string {
			status := 200
			if kind == 0 {
				status = 502
			}
			return fmt.Sprintf(`198.51.100.%d - - [%s] "GET /x HTTP/1.1" %d 12 "-" "curl" rt=0.010 rid=%s`, rng.IntN(250), at.Format("02/Jan/2006:15:04:05 +0000"), status, id)
		},
	}
	files = map[string]string{}
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for n := range write {
			if !yield(n) {
				return
			}
		}
	}) {
		var b strings.Builder
		at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		for n := 0; b.Len() < 3*blockSize; n++ {
			at = at.Add(time.Duration(rng.IntN(300)) * time.Millisecond)
			kind, id := 99, hex()
			if n > 40 && rng.IntN(150) == 0 {
				kind = rng.IntN(7)
			}
			if rng.IntN(300) == 0 {
				ids = append(ids, id)
			}
			b.WriteString(write[name](at, id, kind) + "\n")
		}
		files[name] = b.String()
	}
	return files, ids
}

// TestSkimAgreesWithReadingAll asks for failures, process lives, IDs and windows, and
// compares what comes with what is wanted of all records: the same places, bytes and times. So it does with what a
// replay gives.
func TestSkimAgreesWithReadingAll(t *testing.T) {
	files, ids := mixedLogs(rand.New(rand.NewPCG(3, 5)))
	packed := map[string]string{}
	for name, text := range files {
		switch len(packed) % 2 {
		case 0:
			packed[name+".gz"] = packGzip(t, text)
		default:
			packed[name+".zst"] = packZstd(t, text)
		}
	}
	var keys []timeline.Key
	for _, v := range ids {
		keys = append(keys, timeline.Key{Name: timeline.KeyRequestID, Value: v}, timeline.Key{Name: timeline.KeyTraceID, Value: v})
	}
	from := time.Date(2026, 3, 1, 12, 5, 0, 0, time.UTC)
	window := timeline.Window{Host: "app-2", From: from, To: from.Add(20 * time.Second)}
	var many []timeline.Want
	for _, host := range []string{"app-1", "app-3", "node-1", "lb-1", "edge-1"} {
		for i := range 12 {
			at := from.Add(time.Duration(i-6) * 41 * time.Second)
			many = append(many, timeline.Want{Near: &timeline.Window{Host: host, From: at, To: at.Add(time.Duration(i) * 400 * time.Millisecond)}})
		}
	}
	within := map[string][]timeline.Window{}
	for _, e := range []timeline.Event{{Host: "app-2"}, {Host: "app-3", Stamp: timeline.Stamp{Zone: timeline.ZoneWritten}}, {Host: "lb-1"}} {
		within[timeline.ClockOf(&e)] = []timeline.Window{{Host: e.Host, From: from.Add(-time.Minute), To: from.Add(time.Minute)}}
	}
	inWindow := func(e *timeline.Event) bool {
		ws, ok := within[timeline.ClockOf(e)]
		return !ok || e.Undated() || ws[0].Match(e)
	}
	tells := func(e *timeline.Event) bool { return e.Failed || e.Lifecycle != timeline.NoLifecycle }
	rounds := []struct {
		name   string
		wants  []timeline.Want
		want   func(*timeline.Event) bool
		within map[string][]timeline.Window
	}{
		{"failures and lives", []timeline.Want{{Failed: &timeline.Failed{}}, {Lifecycle: true}}, tells, nil},
		{"IDs", []timeline.Want{{Keys: keys}}, func(e *timeline.Event) bool {
			return slices.ContainsFunc(keys, func(k timeline.Key) bool { return strings.Contains(string(e.Raw), k.Value) })
		}, nil},
		{"a window", []timeline.Want{{Near: &window}}, window.Match, nil},
		{"windows", many, func(e *timeline.Event) bool {
			return slices.ContainsFunc(many, func(w timeline.Want) bool { return w.Near.Match(e) })
		}, nil},
		{"failures and lives of some hosts in a window", []timeline.Want{{Failed: &timeline.Failed{}}, {Lifecycle: true}}, func(e *timeline.Event) bool {
			return tells(e) && inWindow(e)
		}, within},
		{"a window of what is kept", []timeline.Want{{Near: &window}}, window.Match, nil},
	}
	show := func(e *timeline.Event) string {
		return fmt.Sprintf("%s+%d %s %v %x", e.Pos, e.Pos.Offset, e.Time.Format(time.RFC3339Nano), e.Lifecycle, e.Raw)
	}
	var plain map[string][]string
	for _, tree := range []string{tree(t, files), tree(t, packed)} {
		s := open(t, ingest.Config{Formats: format.Builtin()}, tree)
		s.replays = 0
		got := map[string][]string{}
		for _, round := range rounds {
			var all []string
			for e, err := range s.All(t.Context()) {
				if err == nil && round.want(e) {
					all = append(all, show(e))
				}
			}
			for _, st := range s.streams { // what the pass over all leaves is not to help
				st.parts[0].index, st.parts[0].glance = nil, nil
			}
			read := func() (out []string) {
				for e, err := range s.Events(t.Context(), timeline.Filter{Any: round.wants, Within: round.within}) {
					if err == nil {
						out = append(out, show(e))
					}
				}
				return out
			}
			if round.wants[0].Near != nil || round.within != nil {
				for range s.Events(t.Context(), timeline.Filter{Any: rounds[0].wants}) { // leaves an index
				}
			}
			if round.name == "a window of what is kept" {
				for _, st := range s.streams {
					if plain := strings.HasSuffix(st.parts[0].path, ".log"); !plain && st.host == "app-2" && st.parts[0].kept == nil {
						t.Error("nothing is kept of app-2")
					}
				}
			}
			if len(all) < 10 {
				t.Fatalf("%s: only %d records are wanted", round.name, len(all))
			}
			got[round.name] = read()
			cores := runtime.GOMAXPROCS(1)
			if one := read(); !slices.Equal(one, got[round.name]) {
				t.Errorf("%s: on one core %d other records come", round.name, len(one))
			}
			runtime.GOMAXPROCS(cores)
			if d := cmp.Diff(all, got[round.name]); d != "" {
				t.Errorf("%s (-all +skimmed):\n%s", round.name, d)
			}
			s.replays = replayMost
			for _, st := range s.streams {
				st.parts[0].framed = st.parts[0].unpacked
			}
			for _, how := range []string{"made", "used"} {
				if d := cmp.Diff(all, read()); d != "" {
					t.Errorf("%s, of decoded records that are kept, which are %s (-all +kept):\n%s", round.name, how, d)
				}
			}
			s.replays = 0
			kept := false
			for _, st := range s.streams {
				kept, st.parts[0].replay = kept || st.parts[0].replay != nil, nil
			}
			if !kept {
				t.Errorf("%s: nothing that was decoded is kept", round.name)
			}
		}
		if plain != nil {
			for name, events := range got {
				if len(events) != len(plain[name]) {
					t.Errorf("%s: %d records of packed files, %d of plain ones", name, len(events), len(plain[name]))
				}
			}
		}
		plain = got
	}
}
