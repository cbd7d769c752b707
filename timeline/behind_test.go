package timeline

import (
	"fmt"
	"testing"
	"time"
)

// TestHeldAgainst: a pool is held by the requests that were in flight in the same process, the longest first, and not by those that waited for it.
func TestHeldAgainst(t *testing.T) {
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(s int) Instant {
		when := began.Add(time.Duration(s) * time.Second)
		return Instant{Earliest: when, Time: when, Latest: when}
	}
	handled := func(id, host, pid string, from, to int, error string) *Request {
		e := &Event{Service: "orders", Host: host, Kind: LogRecord}
		if pid != "" {
			e.Attrs = Attrs{{Name: KeyPID, Value: pid}}
		}
		if error != "" {
			e.Exception = &Exception{Type: error, Function: "take", File: "pool.py", Line: 7}
		}
		h := &Hop{Service: "orders", Host: host, Start: at(from), End: at(to), Events: []*Joined{{Event: e, Join: ByKey, Candidates: 1}}}
		return &Request{ID: id, Hops: []*Hop{h}}
	}
	lacked := func(pid string) *Request { return handled("lacked", "o1", pid, 20, 30, "PoolTimeout") }
	for _, c := range []struct {
		name   string
		of     *Request
		others []*Request
		want   string
	}{
		{"the longest first", lacked("1"), []*Request{handled("short", "o1", "1", 25, 40, ""), handled("long", "o1", "1", 5, 50, "Timeout")}, "[long 25s short 5s]"},
		{"over before", lacked("1"), []*Request{handled("over", "o1", "1", 5, 29, "")}, "[]"},
		{"begun after", lacked("1"), []*Request{handled("after", "o1", "1", 31, 40, "")}, "[]"},
		{"another host", lacked("1"), []*Request{handled("elsewhere", "o2", "1", 5, 40, "")}, "[]"},
		{"who waited too", lacked("1"), []*Request{handled("waits", "o1", "1", 10, 40, "PoolTimeout"), handled("holds", "o1", "1", 15, 40, "")}, "[holds 15s]"},
		{"another process", lacked("1"), []*Request{handled("other", "o1", "2", 5, 40, ""), handled("same", "o1", "1", 15, 40, ""), handled("third", "o1", "3", 16, 40, "")}, "[same 15s]"},
		{"no process is known", lacked(""), []*Request{handled("other", "o1", "2", 5, 40, ""), handled("same", "o1", "", 15, 40, "")}, "[other 25s same 15s]"},
	} {
		collection := &Collection{holds: holds(append(c.others, c.of))}
		var got []string
		for _, x := range collection.heldAgainst(c.of, c.of.Hops[0]) {
			got = append(got, x.Request+" "+x.For.String())
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}
