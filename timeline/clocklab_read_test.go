package timeline

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// labBounds says what the links of r bound: for each, the caller's and the callee's host
// and the least and the most, in microseconds, by which the callee's clock is ahead. The
// callee's messages count like its start and its end. A call of which one line is missing
// lies within its caller.
func labBounds(r *Request) (links []labBound) {
	for _, c := range r.Calls {
		from, to, fromOK, toOK := c.Record.Interval()
		if c.Record.Kind == ClientSpan {
			if sp := c.Caller.span(); sp != nil {
				a, b, aOK, bOK := sp.Interval()
				if !fromOK {
					from, fromOK = a, aOK
				}
				if !toOK {
					to, toOK = b, bOK
				}
			}
		}
		b := labBound{c.Caller.Host, c.Callee.Host, math.Inf(-1), math.Inf(1), c.Ended == GaveUp}
		micros := func(d time.Duration) float64 { return float64(d) / 1e3 }
		for _, e := range c.Callee.Events {
			start, end, startOK, endOK := e.Interval()
			for _, s := range []struct {
				RawSpan
				ok, lower bool
			}{{start, startOK, !b.open || e.Kind == ServerSpan}, {end, endOK, !b.open}} {
				if s.ok && fromOK {
					b.hi = min(b.hi, micros(s.Hi.Sub(from.Lo)))
				}
				if s.ok && toOK && s.lower {
					b.lo = max(b.lo, micros(s.Lo.Sub(to.Hi)))
				}
			}
		}
		links = append(links, b)
	}
	return links
}

type labBound struct {
	caller, callee string
	lo, hi         float64
	open           bool
}

func (b labBound) String() string {
	open := ""
	if b.open {
		open = " gave up"
	}
	return fmt.Sprintf("%s>%s [%.0f,%.0f]%s", b.caller, b.callee, b.lo, b.hi, open)
}

const labManifest = `[
{"file": "logs/app-1.log", "host": "app-1", "tier": "app", "rank": 3, "addr": "10.0.3.1:8080", "format": "app_json", "stamp": "point", "res_us": 1000, "zone": "utc"},
{"file": "logs/app-2.log", "host": "app-2", "tier": "app", "rank": 3, "addr": "10.0.3.2:8080", "format": "app_json", "stamp": "point", "res_us": 1, "zone": "none"},
{"file": "logs/gw-1.log", "host": "gw-1", "tier": "gateway", "rank": 0, "addr": "10.0.0.1:8080", "format": "envoy_json", "stamp": "end", "res_us": 1000, "zone": "utc"},
{"file": "logs/gw-2.log", "host": "gw-2", "tier": "gateway", "rank": 0, "addr": "10.0.0.2:8080", "format": "envoy_json", "stamp": "start", "res_us": 1000, "zone": "utc"},
{"file": "logs/px-1.log", "host": "px-1", "tier": "proxy", "rank": 1, "addr": "10.0.1.1:8080", "format": "nginx", "stamp": "end", "res_us": 1000, "zone": "utc"},
{"file": "logs/px-2.log", "host": "px-2", "tier": "proxy", "rank": 1, "addr": "10.0.1.2:8080", "format": "nginx", "stamp": "end", "res_us": 1000000, "zone": "utc"},
{"file": "logs/dep-1.log", "host": "dep-1", "tier": "dep", "rank": 4, "addr": "10.0.4.1:8080", "format": "app_json", "stamp": "point", "res_us": 1000, "zone": "utc"}]`

// readLabLogs reads a set with these lines, by host.
func readLabLogs(t *testing.T, logs map[string][]string) *labSet {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o777); err != nil {
		t.Fatal(err)
	}
	write("manifest.json", labManifest)
	for _, host := range []string{"gw-1", "gw-2", "px-1", "px-2", "app-1", "app-2", "dep-1"} {
		write("logs/"+host+".log", strings.Join(append(logs[host], ""), "\n"))
	}
	set, err := readLab(dir)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// The lines of the lab's logs, for the request r.

func labGateway(key, ts string, ms int, to string) string {
	return fmt.Sprintf(`{"%s": "2025-10-09T08:53:%sZ", "response_code": 200, "duration": %d, "upstream_host": "%s", "x_request_id": "r"}`, key, ts, ms, to)
}

func labProxy(ts, rt, urt, to, us string) string {
	return fmt.Sprintf(`203.0.113.1 - - [%s] "GET /api/orders HTTP/1.1" 200 512 "-" "curl/8.5" rt=%s urt="%s" uaddr="%s" us="%s" rid=r`, ts, rt, urt, to, us)
}

func labApp(ts, msg string) string {
	return fmt.Sprintf(`{"ts": "2025-10-09T08:53:%sZ", "level": "info", "msg": "%s", "request_id": "r", "call": 0, "target": "10.0.4.1:8080"}`, ts, msg)
}

// labLocal is the line of an app whose zone is two hours ahead and not written.
func labLocal(ts, msg string) string {
	return fmt.Sprintf(`{"ts": "2025-10-09 10:53:%s", "level": "info", "msg": "%s", "request_id": "r", "call": 0, "target": "10.0.4.1:8080"}`, ts, msg)
}

// TestReadLab reads requests whose clocks agree but for one zone, and what their links bound.
func TestReadLab(t *testing.T) {
	for _, c := range []struct {
		name   string
		logs   map[string][]string
		want   []string // links
		stamps string   // file:line:event of each event's start and end
	}{
		{
			name: "a whole chain",
			logs: map[string][]string{
				// The line is written at .100, 80 ms after the start, give or take 1 ms
				"gw-1": {labGateway("time", "20.100", 80, "10.0.1.1:8080")},
				"px-1": {labProxy("1760000000.099", "0.070", "0.069", "10.0.3.1:8080", "200")}, // 08:53:20.099
				"app-1": {
					labApp("20.030", "request started"), labApp("20.040", "calling dependency"), labApp("20.040", "calling dependency"),
					labApp("20.060", "dependency replied"), labApp("20.090", "request finished"),
				},
				"dep-1": {labApp("20.045", "request started"), labApp("20.050", "request finished")},
			},
			want: []string{
				"gw-1>px-1 [-2000,11000]", // 20.099 - 20.101; 20.030 - 20.019
				"px-1>app-1 [-10000,2000]",
				"app-1>dep-1 [-11000,6000]",
			},
			stamps: "gw-1.log:1:start-gw-1.log:1:end px-1.log:1:start-px-1.log:1:end " +
				"app-1.log:1:point-app-1.log:5:point app-1.log:2:point-app-1.log:4:point dep-1.log:1:point-dep-1.log:2:point",
		},
		{
			name: "start stamps, whole seconds, local time, and lines missing",
			logs: map[string][]string{
				"gw-2":  {labGateway("start_time", "20.020", 80, "10.0.1.2:8080")},
				"px-2":  {labProxy("2025-10-09T08:53:20+00:00", "0.070", "0.069", "10.0.3.2:8080", "200")},
				"app-2": {labLocal("20.040000", "calling dependency"), labLocal("20.090000", "request finished")},
				"dep-1": {labApp("20.045", "deadlock found when trying to get lock")},
			},
			want: []string{
				"gw-2>px-2 [-102000,910000]",         // 20 - 20.102; 19.930 + 1 s - 20.020
				"px-2>app-2 [7199090000,7200110001]", // two hours ahead: 20.090 - 21; 20.040001 - 19.930
				"app-2>dep-1 [-7200045001,-7199994000]",
			},
			stamps: "gw-2.log:1:start-gw-2.log:1:end px-2.log:1:start-px-2.log:1:end " +
				"-app-2.log:2:point app-2.log:1:point- dep-1.log:1:point-dep-1.log:1:point",
		},
		{
			name: "a proxy that gave up and went to the next",
			logs: map[string][]string{
				"px-1":  {labProxy("1760000001.900", "1.200", "1.000, 0.199", "10.0.3.1:8080, 10.0.3.2:8080", "504, 200")},
				"app-1": {labApp("20.710", "request started"), labApp("22.900", "request finished")},
				"app-2": {labLocal("21.750000", "request started")},
			},
			want: []string{
				"px-1>app-1 [-1191000,11000] gave up", // 20.710 - 21.901: only the start lies within
				"px-1>app-2 [7199849000,7201050001]",
			},
			stamps: "px-1.log:1:start-px-1.log:1:end app-1.log:1:point-app-1.log:2:point app-2.log:1:point-",
		},
		{
			name: "without its proxy an app is inside the gateway",
			logs: map[string][]string{
				"gw-1":  {labGateway("time", "20.100", 80, "10.0.1.1:8080")},
				"app-1": {labApp("20.030", "request started"), labApp("20.090", "request finished"), labApp("20.091", "late")},
			},
			want:   []string{"gw-1>app-1 [-10000,12000]"},
			stamps: "gw-1.log:1:start-gw-1.log:1:end app-1.log:1:point-app-1.log:2:point app-1.log:3:point-app-1.log:3:point",
		},
		{
			name: "two hops where one was called, and a refused call",
			logs: map[string][]string{
				"px-1":  {labProxy("1760000000.100", "0.050", "0.001, 0.040", "10.0.3.1:8080, 10.0.3.2:8080", "502, 200")},
				"app-2": {labLocal("20.060000", "request started"), labLocal("20.061000", "request started")},
			},
			want:   []string{"px-1>app-2 [7199959000,7200010001]", "px-1>app-2 [7199960000,7200011001]"}, // by containment alone
			stamps: "px-1.log:1:start-px-1.log:1:end app-2.log:1:point- app-2.log:2:point-",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := readLabLogs(t, c.logs)
			if len(set.requests) != 1 || len(set.ambiguous) != 0 {
				t.Fatalf("%d requests and %d ambiguous ones", len(set.requests), len(set.ambiguous))
			}
			r := set.requests[0]
			var got, stamps []string
			for _, b := range labBounds(r.Request) {
				got = append(got, b.String())
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("links\n got %q\nwant %q", got, c.want)
			}
			for _, e := range r.Events {
				at := set.stamps[e.Event]
				stamps = append(stamps, labPlace(e.Event, at.start)+"-"+labPlace(e.Event, at.end))
			}
			if got := strings.Join(stamps, " "); got != c.stamps {
				t.Errorf("stamps\n got %s\nwant %s", got, c.stamps)
			}
			if root := r.Root(); root.Host != r.Events[0].Host || root.Caller != nil {
				t.Errorf("the root is %s", root.Host)
			}
		})
	}
}

func labPlace(e *Event, s *labStamp) string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf("%s:%d:%s", e.Pos.Path, s.line, s.event)
}

// TestSplitLab parts two requests that a client sent with one ID.
func TestSplitLab(t *testing.T) {
	first := func(line string) string { return strings.NewReplacer(`"r"`, `"s"`, "rid=r", "rid=s").Replace(line) }
	set := readLabLogs(t, map[string][]string{
		"gw-1": {
			first(labGateway("time", "10.100", 80, "10.0.1.1:8080")),
			labGateway("time", "20.100", 80, "10.0.1.1:8080"), labGateway("time", "29.100", 80, "10.0.1.1:8080"),
		},
		"px-1": {first(labProxy("1759999990.099", "0.070", "0.069", "10.0.3.1:8080", "200")), labProxy("1760000009.099", "0.070", "0.069", "10.0.3.1:8080", "200")},
	})
	if len(set.requests) != 1 || len(set.ambiguous) != 1 {
		t.Fatalf("%d requests and %d ambiguous ones", len(set.requests), len(set.ambiguous))
	}
	_, all := set.align()
	var got []string
	for _, r := range all {
		got = append(got, fmt.Sprint(r.ID, len(r.Hops), labBounds(r)))
	}
	want := "[s2 [gw-1>px-1 [-2000,11000]] r1 [] r2 [gw-1>px-1 [-2000,11000]]]"
	if fmt.Sprint(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
