package format

import (
	"strconv"
	"strings"
)

// grpcCodes are gRPC's status codes by their place (grpc/grpc doc/statuscodes.md),
// in lower case and without the underscores of their long form.
var grpcCodes = [...]string{"ok", "cancelled", "unknown", "invalidargument", "deadlineexceeded", "notfound", "alreadyexists",
	"permissiondenied", "resourceexhausted", "failedprecondition", "aborted", "outofrange", "unimplemented", "internal",
	"unavailable", "dataloss", "unauthenticated"}

// grpcCode reads a gRPC status: "14", "Unavailable", "UNAVAILABLE".
func grpcCode(v string) (int, bool) {
	if n, err := strconv.Atoi(v); err == nil {
		return n, n >= 0 && n < len(grpcCodes)
	}
	v = strings.ReplaceAll(strings.ToLower(v), "_", "")
	if v == "canceled" {
		return 1, true
	}
	for n, name := range grpcCodes {
		if name == v {
			return n, true
		}
	}
	return 0, false
}

// grpcStatus makes the gRPC status that the record bears its status: the HTTP one is
// 200 whatever became of the call.
func (d *decoding) grpcStatus() {
	if d.grpc == "" {
		return
	}
	n, ok := grpcCode(d.grpc)
	if !ok {
		return
	}
	e := &d.ev
	if e.StatusCode != 0 {
		d.attr("http.response.status_code", strconv.Itoa(e.StatusCode))
	}
	e.StatusProtocol, e.StatusCode = "grpc", n
	d.attr("rpc.grpc.status_code", strconv.Itoa(n))
}
