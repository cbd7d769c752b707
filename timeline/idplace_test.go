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
