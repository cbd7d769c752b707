package timeline

import (
	"reflect"
	"testing"
)

func TestListensAt(t *testing.T) {
	for body, want := range map[string]string{
		"Listening at: http://10.0.0.5:8000 (712)":                       "10.0.0.5:8000",
		"Uvicorn running on http://10.0.0.5:8000 (Press CTRL+C to quit)": "10.0.0.5:8000",
		"listening on 10.0.0.5:8080":                                     "10.0.0.5:8080",
		"Listening and serving HTTP on [2001:db8::5]:8080":               "[2001:db8::5]:8080",
		`listening on IPv4 address "10.0.0.5", port 5432`:                "10.0.0.5:5432",
		`listening on IPv6 address "2001:db8::5", port 5432`:             "[2001:db8::5]:5432",
		`listening on IPv4 address "0.0.0.0", port 5432`:                 "",
		"Now listening on: http://[::]:8080":                             "",
		"listening on 127.0.0.1:8080":                                    "",
		"listening on :8080":                                             "",
		"ready, connected to 10.0.0.9:5432":                              "",
		"started, the database at 10.0.0.9:5432 answers":                 "",
		"listening on 10.0.0.5:99999":                                    "",
		"database system is ready to accept connections":                 "",
	} {
		got, _ := listensAt(&Event{Lifecycle: ProcessReady, Body: body})
		if got != want {
			t.Errorf("%q: %q, want %q", body, got, want)
		}
	}
	for addr, want := range map[string]string{"10.0.0.5:8080": "10.0.0.5:8080", "[2001:db8::5]:8080": "[2001:db8::5]:8080", ":8080": "", "0.0.0.0:8080": "", "localhost:8080": "", "10.0.0.5": ""} {
		e := &Event{Lifecycle: ProcessReady, Body: "listening"}
		e.Attrs.Set("addr", addr)
		if got, _ := listensAt(e); got != want {
			t.Errorf("addr %q: %q, want %q", addr, got, want)
		}
	}
	if got, ok := listensAt(&Event{Body: "listening on 10.0.0.5:8080"}); ok {
		t.Errorf("a record that is of no start gives %q", got)
	}
}

// TestOpenPorts says how servers tell at which port they listen on all addresses of their machine.
func TestOpenPorts(t *testing.T) {
	for body, want := range map[string]string{
		"listening on :50051":                                              "50051",
		"gRPC server listening address=:50051":                             "50051",
		"Listening at: http://0.0.0.0:8000 (712)":                          "8000",
		"Now listening on: http://[::]:8080":                               "8080",
		"Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)":    "8000",
		"Tomcat started on port 8080 (http) with context path '/'":         "8080",
		"Tomcat started on port(s): 8080 (http) with context path ''":      "8080",
		"Server is running on port 3000":                                   "3000",
		"listening on 127.0.0.1:8080":                                      "",
		"listening on 10.0.0.5:8080":                                       "",
		"started, the database at port 5432 answers":                       "",
		"Started OrdersApplication in 4.2 seconds (process running for 5)": "",
	} {
		got := ""
		for _, p := range openPorts([]*Event{{Lifecycle: ProcessReady, Body: body}}) {
			got = p.number
		}
		if got != want {
			t.Errorf("%q: %q, want %q", body, got, want)
		}
	}
	for addr, want := range map[string]int{":50051": 1, "0.0.0.0:8080": 1, "[::]:8080": 1, "*:80": 1, "10.0.0.5:8080": 0, "127.0.0.1:8080": 0, "": 0, ":": 0, "8080": 0} {
		e := &Event{Lifecycle: ProcessReady, Body: "listening"}
		e.Attrs.Set("addr", addr)
		if got := openPorts([]*Event{e}); len(got) != want {
			t.Errorf("addr %q: %v", addr, got)
		}
	}
}

func TestClaimed(t *testing.T) {
	says := func(service, at string) *Event {
		return &Event{Service: service, Host: service + "-1", Lifecycle: ProcessReady, Body: "listening on " + at}
	}
	got := claimed([]*Event{says("db", "10.0.0.7:5432"), says("db", "10.0.0.7:5432"), says("a", "10.0.0.1:80"), says("b", "10.0.0.1:80")})
	if want := map[string]place{"10.0.0.7:5432": {"db", "db-1"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
