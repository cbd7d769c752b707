package timeline

import "testing"

// TestQuotedBelow: what a server quotes of a program's stderr is the program's word where it called that alone, and what PHP calls fatal
// ended the script.
func TestQuotedBelow(t *testing.T) {
	const fatal = "PHP message: PHP Fatal error:  Allowed memory size of 8388608 bytes exhausted in /srv/a.php on line 3\nPHP message: more"
	for _, c := range []struct {
		what      string
		text      string
		others    int
		moved     bool
		severity  string
		failed    bool
		exception string
	}{
		{"a fatal error", fatal, 0, true, "error", true, "Allowed memory size of 8388608 bytes exhausted"},
		{"a warning is none, whatever the server calls it", "PHP message: PHP Warning:  Undefined array key", 0, true, "warn", false, ""},
		{"words that do not say how severe they are", "cannot go on", 0, true, "", false, ""},
		{"somebody else was called too", fatal, 1, false, "", false, ""},
		{"nothing is quoted", "", 0, false, "", false, ""},
	} {
		rec := &Joined{Event: &Event{Service: "edge", Kind: LogRecord, Severity: "error", Failed: true, Body: "FastCGI sent in stderr"}}
		if c.text != "" {
			rec.Attrs = Attrs{{attrStderr, c.text}}
		}
		up, app := &Hop{Service: "edge", Events: []*Joined{rec}}, &Hop{Service: "app"}
		up.Calls = []*Call{{Caller: up, Callee: app}}
		for range c.others {
			up.Calls = append(up.Calls, &Call{Caller: up})
		}
		d := &draft{builder: &builder{software: map[string]software{"app": {system: "php"}}}, hops: []*Hop{up, app}}
		d.quotedBelow()
		if !c.moved {
			if len(up.Events) != 1 || len(app.Events) != 0 {
				t.Errorf("%s: the words were given to the program", c.what)
			}
			continue
		}
		if len(up.Events) != 0 || len(app.Events) != 1 {
			t.Errorf("%s: the words are not the program's", c.what)
			continue
		}
		e := app.Events[0]
		if e.Service != "app" || e.System != "php" || e.Body != c.text || e.Severity != c.severity || e.Failed != c.failed || e.Hop != app {
			t.Errorf("%s: %s %s %q, severity %q, failed %t", c.what, e.Service, e.System, e.Body, e.Severity, e.Failed)
		}
		if got := e.Exception; (got != nil) != (c.exception != "") || got != nil && (got.Message != c.exception || !got.Escaped || got.File != "/srv/a.php" || got.Line != 3) {
			t.Errorf("%s: exception %+v, want %q", c.what, got, c.exception)
		}
		if rec.Service != "edge" || rec.Body != "FastCGI sent in stderr" {
			t.Errorf("%s: the record itself was changed", c.what)
		}
	}
}

// TestQuotedCall: a server that quotes the program behind it has called it, and passed on what it answered, where no record tells of a call.
func TestQuotedCall(t *testing.T) {
	quoting := func(peer string, candidates int) *Joined {
		return &Joined{Event: &Event{Kind: LogRecord, Attrs: Attrs{{attrStderr, "PHP message: PHP Fatal error:  no memory in /srv/a.php on line 8"}, {KeyUpstream, peer}}}, Candidates: candidates}
	}
	for _, c := range []struct {
		what   string
		events []*Joined
		sent   int
		want   string
	}{
		{"a server and its program", []*Joined{quoting("unix:/run/fpm.sock", 1)}, 500, "unix:/run/fpm.sock"},
		{"two messages of one exchange", []*Joined{quoting("10.0.0.5:9000", 1), quoting("10.0.0.5:9000", 1)}, 500, "10.0.0.5:9000"},
		{"a message that may be another request's", []*Joined{quoting("10.0.0.5:9000", 2)}, 500, ""},
		{"a message that names nobody", []*Joined{quoting("", 1)}, 500, ""},
		{"nothing was answered", []*Joined{quoting("10.0.0.5:9000", 1)}, 0, ""},
	} {
		h, d := &Hop{Events: c.events, Sent: Status{Code: c.sent}}, &draft{}
		d.quotedCall(h)
		switch {
		case c.want == "" && len(h.Calls) > 0:
			t.Errorf("%s: a call to %q", c.what, h.Calls[0].Peer)
		case c.want != "" && (len(h.Calls) != 1 || len(d.calls) != 1 || h.Calls[0].Peer != c.want || h.Calls[0].Received != h.Sent):
			t.Errorf("%s: %d calls", c.what, len(h.Calls))
		}
	}
}
