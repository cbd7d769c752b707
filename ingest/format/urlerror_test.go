package format

import "testing"

// TestURLError says where the error that Go's net/http gives for a call is the writer's own.
func TestURLError(t *testing.T) {
	for in, want := range map[string][3]string{
		`Get "http://stock:8000/stock/7": EOF`: {"GET", "http://stock:8000/stock/7", "EOF"},
		`reserve: Post "https://stock/stock?n=1": read tcp 10.0.0.3:5->10.0.0.9:80: read: connection reset`:      {"POST", "https://stock/stock?n=1", "read tcp 10.0.0.3:5->10.0.0.9:80: read: connection reset"},
		`GET http://stock/7 giving up after 5 attempt(s): Get "http://stock/7": dial tcp: i/o timeout`:           {"GET", "http://stock/7", "dial tcp: i/o timeout"},
		`stock not read: Delete "http://stock/7": context deadline exceeded (Client.Timeout exceeded while ...)`: {"DELETE", "http://stock/7", "context deadline exceeded (Client.Timeout exceeded while ...)"},
		`stock answered 502: Get "http://prices/7": EOF`:                                                         {},
		`unexpected status 502: Get "http://prices/7": EOF`:                                                      {},
		`HTTP 502: Get "http://prices/7": EOF`:                                                                   {},
		`{"error": "Get "http://prices/7": EOF"}`:                                                                {},
		`rpc error: code = Internal desc = Get "http://prices/7": EOF`:                                           {},
		`parse "http://stock:80 00/": invalid character " " in host name`:                                        {},
		`Get "http://stock/7`: {}, `Get "http://stock/7": `: {}, `Get "stock/7": EOF`: {}, `"http://stock/7": EOF`: {}, ``: {},
	} {
		method, url, cause, ok := urlError(in)
		if got := [3]string{method, url, cause}; got != want || ok != (want != [3]string{}) {
			t.Errorf("%q tells of %q, want %q", in, got, want)
		}
	}
}
