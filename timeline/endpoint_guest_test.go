package timeline

import "testing"

// TestMayCall: who is at work at most exchanges of a service of which no record tells who called it may be its caller; who is missing at many
// of them is not, where another one is there.
func TestMayCall(t *testing.T) {
	for _, c := range []struct {
		what            string
		guests          int
		here, anybodyAt int // exchanges at which the asked one, and the most present one, were at work
		want            bool
	}{
		{"too few to tell", absentLeast - 1, 0, absentLeast - 1, true},
		{"always there", 100, 100, 100, true},
		{"missing seldom", 100, 95, 100, true},
		{"missing as often as who is there most", 100, 60, 70, true},
		{"missing often, and another one is not", 100, 60, 100, false},
		{"never there", 100, 0, 100, false},
	} {
		b := &EndpointBook{guests: map[string]int{"stock": c.guests}, hosts: map[[2]string]int{{"shop", "stock"}: c.here}, hosted: map[string]int{"stock": c.anybodyAt}}
		if got := b.mayCall("shop", "stock"); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
	if !(*EndpointBook)(nil).mayCall("shop", "stock") {
		t.Error("without a book nobody is excluded")
	}
}

// TestTellGuests: a service counts as there if its exchange was at work when the other's began and may have lasted for as long.
func TestTellGuests(t *testing.T) {
	for _, c := range []struct {
		what string
		shop string // its record
		want int
	}{
		{"around it", "shop s1 server 10:00:01.000 dur=200ms status=200 rid=a", 1},
		{"over before", "shop s1 server 10:00:00.500 dur=200ms status=200 rid=a", 0},
		{"shorter", "shop s1 server 10:00:00.920 dur=25ms status=200 rid=a", 0},
		{"no exchange of its own", `shop s1 log 10:00:00.950 rid=a "order received"`, 1},
	} {
		var hops []*Hop
		clocks := newClockFit() // of one host
		for _, e := range parseEvents(t, c.shop+"\nstock s1 server 10:00:00.990 dur=80ms status=200 rid=a") {
			h := &Hop{Service: e.Service, Host: e.Host, Events: []*Joined{{Event: e}}}
			hops = append(hops, h)
			clocks.see(e)
		}
		hops[1].Caller = &Call{Caller: hops[0], Callee: hops[1]} // nobody recorded it
		b := &EndpointBook{}
		b.tellGuests([]*Request{{Hops: hops}}, clocks.fit())
		if got := b.hosts[[2]string{"shop", "stock"}]; got != c.want || b.guests["stock"] != 1 {
			t.Errorf("%s: at %d of %d exchanges, want %d of 1", c.what, got, b.guests["stock"], c.want)
		}
	}
}
