package timeline

import "testing"

func TestNameBefore(t *testing.T) {
	const id = "8f3a5c1e-9b7d-4f60-a1b2-c3d4e5f60718"
	for _, c := range []struct{ raw, want string }{
		{`GET /orders/7 200 cid=` + id, "cid="},
		{`order read {"sku":7} {"cid":"` + id + `"}`, `cid":"`},
		{`[corr: ` + id + `] read`, "corr: "},
		{id + " read", ""},
		{"[" + id + "] read", ""},
		{"read", ""},
	} {
		if got := nameBefore([]byte(c.raw), id); got != c.want {
			t.Errorf("%s: %q, want %q", c.raw, got, c.want)
		}
	}
	if got := nameBefore([]byte("cid=abc"), "abc"); got != "" {
		t.Errorf("a short value: %q", got)
	}
}

// TestIDPlacesNamed: a record with an ID where its service writes them is named by it; one record does not show where that is.
func TestIDPlacesNamed(t *testing.T) {
	places := idPlaces{"portal": {`cid":"`: idShown, "user=": idShown - 1}}
	for _, c := range []struct {
		service, raw string
		want         bool
	}{
		{"portal", `failed {"cid":"8f3a5c1e-9b7d-4f60-a1b2-c3d4e5f60718"}`, true},
		{"portal", `failed {"cid":"-"}`, false},
		{"portal", `failed {"cid":"nobody-has-given-one"}`, false},
		{"portal", `failed {"acid":"8f3a5c1e-9b7d-4f60-a1b2-c3d4e5f60718"}`, false},
		{"portal", `failed user=8f3a5c1e-9b7d-4f60-a1b2-c3d4e5f60718`, false},
		{"booking", `failed {"cid":"8f3a5c1e-9b7d-4f60-a1b2-c3d4e5f60718"}`, false},
	} {
		if got := places.named(&Event{Service: c.service, Raw: []byte(c.raw)}); got != c.want {
			t.Errorf("%s of %s: %v, want %v", c.raw, c.service, got, c.want)
		}
	}
}

// TestAnsweredForIt: an error that nothing caught is what a gateway's 500 came from, if it called nobody else and its own 5xx are others.
func TestAnsweredForIt(t *testing.T) {
	escaped := []*Joined{{Event: &Event{Exception: &Exception{Type: "RuntimeException", Escaped: true}, Failed: true}, Candidates: 1}}
	for _, c := range []struct {
		what   string
		role   Role
		sent   int
		events []*Joined
		others int
		want   int
	}{
		{"a 500", RoleGateway, 500, escaped, 0, 500},
		{"of an app that does not pass on", RoleApp, 500, escaped, 0, 0},
		{"a 502 is the gateway's own", RoleGateway, 502, escaped, 0, 0},
		{"no error", RoleGateway, 500, []*Joined{{Event: &Event{}, Candidates: 1}}, 0, 0},
		{"somebody else was called too", RoleGateway, 500, escaped, 1, 0},
	} {
		up := &Hop{Role: c.role, Sent: Status{Code: c.sent}}
		call := &Call{Caller: up, Callee: &Hop{Events: c.events}}
		up.Calls = []*Call{call}
		for range c.others {
			up.Calls = append(up.Calls, &Call{Caller: up})
		}
		if answeredForIt(call); call.Received.Code != c.want {
			t.Errorf("%s: received %d, want %d", c.what, call.Received.Code, c.want)
		}
	}
}
