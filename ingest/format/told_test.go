package format

import "testing"

// TestTold says of messages what they tell of a call or a request, and that each is read by the entry under which it stands.
func TestTold(t *testing.T) {
	sp, err := readToldSpecs()
	if err != nil {
		t.Fatal(err)
	}
	var m matching
	check := func(specs []toldSpec, all []telling, read func(string) (toldError, bool)) {
		for i, s := range specs {
			if len(s.Tests.Fires) == 0 {
				t.Errorf("%s: no example", s.By)
			}
			for _, f := range s.Tests.Fires {
				got, ok := read(f.Text)
				if want := (toldError{f.Method, f.URL, f.Status, f.Error}); !ok || got != want {
					t.Errorf("%s: %q tells of %+v, want %+v", s.By, f.Text, got, want)
				}
				for _, before := range all[:i] {
					if before.re.find(f.Text, &m) != nil {
						t.Errorf("%s: %q is read as %q", s.By, f.Text, before.re.text)
					}
				}
			}
			for _, text := range append(s.Tests.Silent, "") {
				if got, ok := read(text); ok {
					t.Errorf("%s: %q tells of %+v", s.By, text, got)
				}
			}
		}
	}
	check(sp.Calls, told().calls, func(text string) (toldError, bool) { return readTold(text, &m) })
	check(sp.Requests, told().requests, func(text string) (toldError, bool) {
		method, target, ok := readRequest(text, &m)
		return toldError{method: method, url: target}, ok
	})
}
