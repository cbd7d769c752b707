package timeline

import "testing"

// TestSameError: a stack of the call that logged is that of every error logged there; then the words tell.
func TestSameError(t *testing.T) {
	logged := func(message string) *Exception {
		return &Exception{Message: message, File: "main.go", Function: "main.wrap", Line: 190, Logged: true}
	}
	for _, x := range []struct {
		a, b *Exception
		same bool
	}{
		{logged("interest of account 204996: division by zero"), logged("interest of account 17: division by zero"), true},
		{logged("interest of account 204996: division by zero"), logged("too many requests at work, try later"), false},
		{&Exception{Type: "KeyError", Message: "'a'", File: "a.py", Line: 3}, &Exception{Type: "KeyError", Message: "'b'", File: "a.py", Line: 3}, true},
		{&Exception{Type: "KeyError", File: "a.py", Line: 3}, &Exception{Type: "KeyError", File: "a.py", Line: 4}, false},
	} {
		if got := x.a.stack() == x.b.stack(); got != x.same {
			t.Errorf("%v and %v are the same: %v", x.a, x.b, got)
		}
	}
}
