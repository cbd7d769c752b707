package rules

import "testing"

// TestReadByName tells a key that code reads from a text that only holds it.
func TestReadByName(t *testing.T) {
	for text, want := range map[string]bool{
		`total += answer["cents"]`:          true,
		`total += answer['cents']`:          true,
		`f(x)['cents'] + rows[0]["cents"]`:  true,
		`KeyError: 'cents'`:                 false,
		`["cents"]`:                         false,
		` ["cents"]`:                        false,
		`answer[cents]`:                     false,
		`answer["cents`:                     false,
		`answer["cents"`:                    false,
		`answer["centscents"]`:              false,
		`cents cents ["cents"] a_["cents"]`: true,
		`no such thing`:                     false,
		``:                                  false,
	} {
		if got := readByName(text, "cents"); got != want {
			t.Errorf("readByName(%q) = %v, want %v", text, got, want)
		}
	}
}
