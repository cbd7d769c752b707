package rules

import "testing"

// TestReadByName tells a key that code reads from a text that only holds it.
func TestReadByName(t *testing.T) {
	for text, want := range map[string]bool{
		`total += answer["cents"]`:                 true,
		`total += answer['cents']`:                 true,
		`f(x)['cents'] + rows[0]["cents"]`:         true,
		`KeyError: 'cents'`:                        false,
		`["cents"]`:                                false,
		` ["cents"]`:                               false,
		`answer[cents]`:                            false,
		`answer["cents`:                            false,
		`answer["cents"`:                           false,
		`answer["centscents"]`:                     false,
		`cents cents ["cents"] of_answer["cents"]`: true,
		`answer["prices"][0]["cents"]`:             true,
		`rooms["cents"]`:                           false,
		`price["cents"]`:                           true,
		`p["cents"]`:                               false,
		`no such thing`:                            false,
		``:                                         false,
	} {
		if got := readByName(text, "cents", "prices"); got != want {
			t.Errorf("readByName(%q) = %v, want %v", text, got, want)
		}
	}
}
