package rules

import "testing"

func TestPeerIn(t *testing.T) {
	for text, want := range map[string]string{
		"dial tcp 10.0.0.2:0->10.0.0.4:3306: connect: connection refused":                                                                "10.0.0.4:3306",
		"dial tcp 10.0.0.4:9000: connect: connection refused":                                                                            "10.0.0.4:9000",
		`connection to server at "db-1" (10.0.0.7), port 5432 failed: FATAL: sorry, too many clients already`:                            "db-1:5432",
		"No connection could be made because the target machine actively refused it. (stock.example:8080)":                               "stock.example:8080",
		"<urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)>":              "",
		"Error: connect ECONNREFUSED 10.0.0.4:9000":                                                                                      "10.0.0.4:9000",
		"request to http://stock.example:8080/items failed, reason: socket hang up":                                                      "stock.example:8080",
		"undefined method `total' for nil (orders.rb:12)":                                                                                "",
		"java.net.UnknownHostException: stock.example: Name or service not known":                                                        "stock.example",
		"error: password authentication failed (see https://node-postgres.com/features/connecting for more)":                             "",
		"ORA-00060: deadlock detected while waiting for resource\n\nhttps://docs.oracle.com/error-help/db/ora-00060/":                    "",
		"HTTPConnectionPool(host='stock.example', port=8080): Max retries exceeded with url: /items (Caused by NewConnectionError(...))": "stock.example:8080",
		"dial tcp: lookup stock.example on 10.0.0.2:53: server misbehaving":                                                              "stock.example",
		"lookup stock.example: no such host":                                                                                             "stock.example",
		"stock lookup failed: inventory answered 500":                                                                                    "",
	} {
		if got := peerIn(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
