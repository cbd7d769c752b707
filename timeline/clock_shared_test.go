package timeline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestPeerHost(t *testing.T) {
	for _, c := range []struct{ peer, want string }{
		{"10.0.0.9:8080", "10.0.0.9"},
		{"10.0.0.9", "10.0.0.9"},
		{"[2001:db8::9]:8080", "2001:db8::9"},
		{"[2001:db8::9]", "2001:db8::9"},
		{"2001:db8::9", "2001:db8::9"},
		{"::1", "::1"},
		{"[::1]:80", "::1"},
		{"127.0.0.1:9001", "127.0.0.1"},
		{"localhost:9001", "localhost"},
		{"localhost", "localhost"},
		{"orders:80", "orders"},
		{"orders", "orders"},
		{"app-1.shop.svc.cluster.local:8443", "app-1.shop.svc.cluster.local"},
		{"be_orders/app-1", "be_orders"},
		{"http://inventory:9000", "inventory"},
		{"http://inventory:9000/stock?id=7", "inventory"},
		{"https://10.0.0.9/stock", "10.0.0.9"},
		{"http://[2001:db8::9]:8080/stock", "2001:db8::9"},
		{"http://[2001:db8::9]/stock", "2001:db8::9"},
		{"grpc://stock:50051", "stock"},
		{"", ""},
		{":8080", ""},
	} {
		if got := peerHost(c.peer); got != c.want {
			t.Errorf("peerHost(%q) = %q, want %q", c.peer, got, c.want)
		}
	}
	// A socket in the file system has no host, and no address that another host could have too.
	for _, peer := range []string{"unix:/run/orders.sock", "unix:///run/orders.sock", "/run/orders.sock"} {
		if got := peerHost(peer); got == "localhost" || strings.Contains(got, ".sock") || strings.HasPrefix(got, "127.") {
			t.Errorf("peerHost(%q) = %q", peer, got)
		}
	}
}

// sharedLogs makes the logs of requests through the edge e1, the app of which the host calls
// itself a1 and the stock service on b1, which a1 calls at peer. Offsets are those of the clocks.
func sharedLogs(n int, peer string, a1, b1 time.Duration) memory {
	rnd := rand.New(rand.NewPCG(1, 41))
	us := func(lo, hi float64) time.Duration { return time.Duration((lo + rnd.Float64()*(hi-lo)) * 1e3) }
	var out memory
	for i := range n {
		t := stepStart.Add(time.Duration(i) * 100 * time.Millisecond)
		var from, to [3]time.Time
		for k := range from {
			t = t.Add(us(150, 900))
			from[k] = t
		}
		t = t.Add(us(1000, 20_000))
		for k := len(to) - 1; k >= 0; k-- {
			to[k] = t
			t = t.Add(us(150, 900))
		}
		for k, h := range []struct {
			service, host string
			off           time.Duration
			call          string
		}{{"edge", "e1", 0, "a1:80"}, {"orders", "a1", a1, peer}, {"stock", "b1", b1, ""}} {
			e := &Event{Service: h.service, Host: h.host, Kind: ServerSpan, StatusCode: 200, Format: "test"}
			if i%10 == 0 {
				e.StatusCode, e.Failed = 500, true
			}
			e.Time = to[k].Add(h.off).Truncate(time.Millisecond)
			e.Duration = to[k].Sub(from[k]).Truncate(time.Millisecond)
			e.Stamp = Stamp{Meaning: End, Resolution: time.Millisecond, DurationResolution: time.Millisecond, Zone: ZoneWritten}
			if h.call != "" {
				e.Calls = []Outcall{{Peer: h.call, Status: e.StatusCode, Ended: Complete, Timed: true, Duration: (to[k+1].Sub(from[k+1]) + 200*time.Microsecond).Truncate(time.Millisecond)}}
			}
			e.Keys = []Key{{Name: KeyRequestID, Value: fmt.Sprintf("request-%06d", i)}}
			e.Pos = Pos{Path: h.host + ".log", Offset: int64(i), Line: i + 1}
			e.Raw = fmt.Appendf(nil, "%d %s", i, h.host)
			out = append(out, e)
		}
	}
	return out
}

// clocksOf gives what is known of the clocks of some logs, by host.
func clocksOf(t *testing.T, logs memory, q Query) map[string]HostClock {
	t.Helper()
	q.Any = []Want{{Failed: &Failed{}}}
	c, err := Collect(t.Context(), []Named{{Name: "m", Source: logs}}, q)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]HostClock{}
	for _, h := range c.Clocks.Hosts() {
		out[h.Host] = h
	}
	return out
}

// checkOne checks that two hosts are told as one clock, and that it is right: told against e1, whose
// clock is right, it is ahead by off.
func checkOne(t *testing.T, hosts map[string]HostClock, off time.Duration, reason string) {
	t.Helper()
	a, b := hosts["a1"], hosts["b1"]
	if !a.Tied || !b.Tied {
		t.Fatalf("a1 is tied: %v, b1: %v", a.Tied, b.Tied)
	}
	if a.OffsetMS != b.OffsetMS || a.SlackMS != b.SlackMS || a.DriftPPM != b.DriftPPM {
		t.Errorf("a1 is %v±%v ms, b1 %v±%v: not one clock", a.OffsetMS, a.SlackMS, b.OffsetMS, b.SlackMS)
	}
	if !strings.Contains(a.Reason+b.Reason, reason) {
		t.Errorf("the reasons are %q and %q, want %q", a.Reason, b.Reason, reason)
	}
	if miss := a.OffsetMS - hosts["e1"].OffsetMS - float64(off)/1e6; math.Abs(miss) > a.SlackMS+hosts["e1"].SlackMS {
		t.Errorf("the offset is %v ms off with slack %v", miss, a.SlackMS)
	}
}

func checkTwo(t *testing.T, hosts map[string]HostClock, apart time.Duration) {
	t.Helper()
	a, b := hosts["a1"], hosts["b1"]
	if !a.Tied || !b.Tied {
		t.Fatalf("a1 is tied: %v, b1: %v", a.Tied, b.Tied)
	}
	if miss := b.OffsetMS - a.OffsetMS - float64(apart)/1e6; math.Abs(miss) > a.SlackMS+b.SlackMS {
		t.Errorf("b1 is %v ms ahead of a1, want %s", b.OffsetMS-a.OffsetMS, apart)
	}
	for _, h := range []HostClock{a, b} {
		if strings.Contains(h.Reason, "one machine") || strings.Contains(h.Reason, "share") {
			t.Errorf("%s: %s", h.Host, h.Reason)
		}
	}
}

func TestSharedClockByConfiguration(t *testing.T) {
	off := 700 * time.Millisecond
	logs := sharedLogs(60, "b1:80", off, off)
	apart := clocksOf(t, logs, Query{})
	together := clocksOf(t, logs, Query{Clocks: map[string]string{"a1": "node-7", "b1": "node-7"}})
	checkOne(t, together, off, "set by the configuration to share the clock node-7")
	if apart["a1"].OffsetMS == apart["b1"].OffsetMS {
		t.Error("without configuration both have the very same offset; the test shows nothing")
	}
	// The same name for a host that logs nothing, and one name alone, say nothing.
	checkTwo(t, clocksOf(t, logs, Query{Clocks: map[string]string{"a1": "node-7", "z9": "node-7", "b1": "node-8"}}), 0)
}

// What calls tie neither to a1 nor to b1 alone, they tie by the clock that both share.
func TestSharedClockTiesAHost(t *testing.T) {
	off := 700 * time.Millisecond
	logs := sharedLogs(60, "b1:80", off, off)
	lone := &Event{Service: "cron", Host: "c1", Kind: ServerSpan, StatusCode: 500, Failed: true, Format: "test", Duration: time.Millisecond,
		Time: stepStart.Add(2*time.Second + off), Stamp: Stamp{Meaning: End, Resolution: time.Millisecond, DurationResolution: time.Millisecond, Zone: ZoneWritten},
		Keys: []Key{{Name: KeyRequestID, Value: "request-of-cron"}}, Pos: Pos{Path: "c1.log", Line: 1}, Raw: []byte("cron")}
	logs = append(logs, lone)
	if c := clocksOf(t, logs, Query{})["c1"]; c.Tied || c.Reason == "" {
		t.Errorf("c1 without configuration: %+v, want it untied with a reason", c)
	}
	hosts := clocksOf(t, logs, Query{Clocks: map[string]string{"a1": "node-7", "c1": "node-7"}})
	if a, c := hosts["a1"], hosts["c1"]; !c.Tied || c.OffsetMS != a.OffsetMS || c.SlackMS != a.SlackMS {
		t.Errorf("c1 is %+v, want the clock of a1: %+v", c, a)
	}
}

// A caller that reaches its callee at its own loopback address or by a socket is on one
// machine with it, unless the clocks deny that.
func TestSharedClockByLoopback(t *testing.T) {
	off := -300 * time.Millisecond
	for _, peer := range []string{"127.0.0.1:9001", "[::1]:9001", "localhost:9001", "http://localhost:9001/stock", "unix:/run/stock.sock"} {
		t.Run(peer, func(t *testing.T) {
			checkOne(t, clocksOf(t, sharedLogs(60, peer, off, off), Query{}), off, "one machine with a1: a1 calls b1 at "+peer)
		})
		t.Run(peer+" denied", func(t *testing.T) {
			checkTwo(t, clocksOf(t, sharedLogs(60, peer, off, off+250*time.Millisecond), Query{}), 250*time.Millisecond)
		})
	}
	t.Run("another host", func(t *testing.T) {
		checkTwo(t, clocksOf(t, sharedLogs(60, "b1:9001", off, off), Query{}), 0)
	})
}

// sharedFit makes a fit that knows two hosts tied by calls, of which the one is ahead of the
// other by apart.
func sharedFit(apart time.Duration) *clockFit {
	rnd := rand.New(rand.NewPCG(2, 41))
	f := newClockFit()
	for i := range 50 {
		at := stepStart.Add(time.Duration(i) * time.Second)
		wait := func() time.Duration { return time.Duration(100e3 + rnd.ExpFloat64()*200e3) }
		event := func(host string, from, to time.Time, off time.Duration) *Event {
			return &Event{Kind: ServerSpan, Host: host, Time: from.Add(off).Truncate(time.Millisecond), Duration: to.Add(off).Truncate(time.Millisecond).Sub(from.Add(off).Truncate(time.Millisecond)),
				Pos:   Pos{Path: host + ".log", Offset: int64(i)},
				Stamp: Stamp{Meaning: Start, Resolution: time.Millisecond, SameClock: true, DurationResolution: time.Millisecond, Zone: ZoneWritten}}
		}
		from := at.Add(wait())
		to := from.Add(5*time.Millisecond + wait())
		p, c := event("a1", at, to.Add(wait()), 0), event("b1", from, to, apart)
		f.see(p)
		f.see(c)
		f.call(f.pairs, windowOf(p), windowOf(c), false)
	}
	return f
}

// Hosts whose services answer at one address are one machine, if enough calls show it, no
// other service is likelier there, and the clocks do not deny it.
func TestSharedClockByAddress(t *testing.T) {
	at := func(peer, host string, seen, rivals int) Endpoint {
		return Endpoint{Peer: peer, Service: "s-" + host, Host: host, Seen: seen, Rivals: rivals}
	}
	for _, c := range []struct {
		name  string
		book  []Endpoint
		apart time.Duration
		one   bool
	}{
		{"one address, two ports", []Endpoint{at("10.0.0.9:8080", "a1", 20, 0), at("10.0.0.9:9090", "b1", 20, 0)}, 0, true},
		{"as a URL", []Endpoint{at("10.0.0.9:8080", "a1", 20, 0), at("http://10.0.0.9:9090/x", "b1", 20, 0)}, 0, true},
		{"IPv6 in two spellings", []Endpoint{at("[2001:db8::9]:8080", "a1", 20, 0), at("[2001:db8:0:0::9]:9090", "b1", 20, 0)}, 0, true},
		{"the clocks deny it", []Endpoint{at("10.0.0.9:8080", "a1", 20, 0), at("10.0.0.9:9090", "b1", 20, 0)}, 90 * time.Millisecond, false},
		{"two addresses", []Endpoint{at("10.0.0.9:8080", "a1", 20, 0), at("10.0.0.8:9090", "b1", 20, 0)}, 0, false},
		{"the loopback address is everybody's", []Endpoint{at("127.0.0.1:8080", "a1", 20, 0), at("127.0.0.1:9090", "b1", 20, 0)}, 0, false},
		{"so is the one that is none", []Endpoint{at("0.0.0.0:8080", "a1", 20, 0), at("0.0.0.0:9090", "b1", 20, 0)}, 0, false},
		{"a name is not an address", []Endpoint{at("orders:8080", "a1", 20, 0), at("orders:9090", "b1", 20, 0)}, 0, false},
		{"seen too rarely", []Endpoint{at("10.0.0.9:8080", "a1", 20, 0), at("10.0.0.9:9090", "b1", 2, 0)}, 0, false},
		{"in doubt", []Endpoint{at("10.0.0.9:8080", "a1", 20, 0), at("10.0.0.9:9090", "b1", 20, 9)}, 0, false},
		{"a host that is not known", []Endpoint{at("10.0.0.9:8080", "a1", 20, 0), at("10.0.0.9:9090", "", 20, 0)}, 0, false},
		{"the same host", []Endpoint{at("10.0.0.9:8080", "a1", 20, 0), at("10.0.0.9:9090", "a1", 20, 0)}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := sharedFit(c.apart)
			f.machines(&EndpointBook{Endpoints: c.book})
			hosts := map[string]HostClock{}
			for _, h := range f.fit().Hosts() {
				hosts[h.Host] = h
			}
			a, b := hosts["a1"], hosts["b1"]
			if !a.Tied || !b.Tied {
				t.Fatalf("a1 is tied: %v, b1: %v", a.Tied, b.Tied)
			}
			one := a.SlackMS == 0 && b.SlackMS == 0 && a.OffsetMS == b.OffsetMS
			if one != c.one {
				t.Errorf("one clock is %v, want %v: a1 %+v, b1 %+v", one, c.one, a, b)
			}
			if c.one && !strings.Contains(a.Reason+b.Reason, "both answer at") {
				t.Errorf("the reasons are %q and %q, want the address", a.Reason, b.Reason)
			}
		})
	}
}

// A host without zone in its stamps may be hours off from the one whose clock it shares: the two are
// not made one, and calls tie both.
func TestSharedClockWithoutZone(t *testing.T) {
	off := 700 * time.Millisecond
	logs := sharedLogs(60, "b1:80", off, off+time.Hour)
	for _, e := range logs {
		if e.Host == "b1" {
			e.Stamp.Zone = ZoneUnknown
		}
	}
	hosts := clocksOf(t, logs, Query{Clocks: map[string]string{"a1": "node-7", "b1": "node-7"}})
	checkTwo(t, hosts, time.Hour)
	if z := hosts["b1"].Zone; z != "+01:00" {
		t.Errorf("the zone of b1 is %q, want +01:00", z)
	}
}

// TestZoneOfOneProcess: stamps without zone are in the zone that the server writes in whose process the application runs, and in none that
// another one writes on the same host.
func TestZoneOfOneProcess(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		server, application string
		want                string // the clock on which the application's stamp is put
	}{
		{"tomcat", "java", "h"},
		{"java", "java", "h"},
		{"puma", "rails", "h"},
		{"nginx", "java", "h" + localSuffix},
		{"php-fpm", "php", "h" + localSuffix},
	} {
		f := newClockFit()
		access := &Event{Time: at, Host: "h", Service: "s", System: c.server, Kind: ServerSpan, Stamp: Stamp{Zone: ZoneWritten, Meaning: End, Resolution: time.Second}}
		own := &Event{Time: at, Host: "h", Service: "s", System: c.application, Stamp: Stamp{Zone: ZoneUnknown, Meaning: Within, Resolution: time.Millisecond}}
		f.see(access)
		f.see(own)
		if got, _ := f.fit().hostSpan(own, RawSpan{at, at}); got != c.want {
			t.Errorf("%s beside %s: on clock %q, want %q", c.application, c.server, got, c.want)
		}
	}
}
