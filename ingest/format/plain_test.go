package format

import "testing"

// TestPlain says which bytes of a coloured line are its text.
func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"no colour":                        "no colour",
		"\x1b[32mINFO\x1b[0m: started":     "INFO: started",
		"\x1b[38;5;3m[Orders] \x1b[39mlow": "[Orders] low",
		"\x1b[Kprogress\x1b[2K":            "progress",
		"a\x1b":                            "a",
		"a\x1b[31":                         "a",
		"a\x1b]0;title\x07b":               "ab",
		"\x1b]8;;http://a\x1b\\b":          "b",
		"\x1b\x1b[1mb":                     "b",
		"\x00\x00a\x00b":                   "ab",
	} {
		if got := string(plain([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
