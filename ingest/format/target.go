package format

import (
	"fmt"
	"strings"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// op says what becomes of a value that a record holds.
type op uint8

const (
	opAttr op = iota
	opDrop
	opTime
	opTimeNanos
	opTimePart
	opBody
	opSeverity
	opStatus
	opGRPCStatus
	opService
	opHost
	opTraceID
	opTraceparent
	opUberTrace
	opCloudTrace
	opAmznTrace
	opSpanID
	opParentSpanID
	opIdentity
	opMethod
	opRequestLine
	opURL
	opURLTarget
	opAddress
	opDomain
	opProtocol
	opDuration
	opDurationPart
	opTimeStart
	opTimeEnd
	opCallPeer
	opCallPort
	opCallMethod
	opCallTarget
	opCallURL
	opCallStatus
	opCallConnect
	opCallHeader
	opCallResponse
	opCallWait
	opCallDuration
	opCallError
	opExcType
	opExcMessage
	opExcFile
	opExcLine
	opStack
	opLogStack
	opStackLine
	opPairs
	opJSON
	opCaptured
)

// maxTimes bounds the fields that a format may name for its stamp.
const maxTimes = 8

// A target says where a value goes.
type target struct {
	op   op
	name string        // OpenTelemetry name of opAttr, opIdentity and opAddress
	unit time.Duration // of a duration written as a bare number; 0: the text must say it
	idx  int           // of opTime: its place in time.field
	port string        // of opAddress: the name of the port that stands with the address
	slot uint8         // nameSlot of name

	portSlot uint8 // nameSlot of port
}

// newTarget gives the target with this operation and name.
func newTarget(o op, name string) *target {
	t := &target{op: o, name: name, slot: nameSlot(name)}
	if o == opAddress {
		t.port = strings.TrimSuffix(name, ".address") + ".port"
		t.portSlot = nameSlot(t.port)
	}
	return t
}

// nameSlots is the number of slots by which names of attributes are found: many more than a record has attributes.
const nameSlots = 256

// nameSlot gives the slot of a name, which it may share with others.
func nameSlot(name string) uint8 {
	n := uint32(len(name))
	if n == 0 {
		return 0
	}
	return uint8((n | uint32(name[0])<<8 | uint32(name[n/2])<<16 | uint32(name[n-1])<<24) * 0x9e3779b1 >> 24)
}

// targetOps are the targets that are more than an attribute of that name.
var targetOps = map[string]op{
	"-":                         opDrop,
	"body":                      opBody,
	"severity_text":             opSeverity,
	"service.name":              opService,
	"host.name":                 opHost,
	timeline.KeyTraceID:         opTraceID,
	"traceparent":               opTraceparent,
	"uber-trace-id":             opUberTrace,
	"cloud.trace":               opCloudTrace,
	"x-amzn-trace-id":           opAmznTrace,
	"span_id":                   opSpanID,
	"parent_span_id":            opParentSpanID,
	timeline.KeyRequestID:       opIdentity,
	"http.request.method":       opMethod,
	"http.request.line":         opRequestLine,
	"url.full":                  opURL,
	"url.target":                opURLTarget,
	"url.domain":                opDomain,
	"network.protocol.version":  opProtocol,
	"http.response.status_code": opStatus,
	"rpc.grpc.status_code":      opGRPCStatus,
	"client.address":            opAddress,
	"server.address":            opAddress,
	"network.peer.address":      opAddress,
	"network.local.address":     opAddress,
	"duration":                  opDuration,
	"duration.part":             opDurationPart,
	"time.start":                opTimeStart,
	"time.end":                  opTimeEnd,
	"call.peer":                 opCallPeer,
	"call.port":                 opCallPort,
	"call.method":               opCallMethod,
	"call.target":               opCallTarget,
	"call.url":                  opCallURL,
	"call.status":               opCallStatus,
	"call.connect":              opCallConnect,
	"call.header":               opCallHeader,
	"call.response":             opCallResponse,
	"call.wait":                 opCallWait,
	"call.duration":             opCallDuration,
	"call.error":                opCallError,
	"exception.type":            opExcType,
	"exception.message":         opExcMessage,
	"exception.file":            opExcFile,
	"exception.line":            opExcLine,
	"exception.stacktrace":      opStack,
	"exception.stacktrace.line": opStackLine,
	"log.stacktrace":            opLogStack,
	"pairs":                     opPairs,
	"json":                      opJSON,
	"captured":                  opCaptured,
}

var units = map[string]time.Duration{
	"ns": time.Nanosecond, "us": time.Microsecond, "ms": time.Millisecond, "s": time.Second,
}

// parseTarget reads "TARGET" or "TARGET UNIT".
func parseTarget(s string) (*target, error) {
	name, unit, _ := strings.Cut(s, " ")
	if name == "" {
		return nil, fmt.Errorf("the target is empty")
	}
	t := newTarget(targetOps[name], name) // opAttr if it is none of them
	if unit != "" {
		u, ok := units[unit]
		if !ok {
			return nil, fmt.Errorf("unknown unit %q: ns, us, ms or s", unit)
		}
		switch t.op {
		case opDuration, opDurationPart, opCallConnect, opCallHeader, opCallResponse, opCallWait, opCallDuration:
			t.unit = u
		default:
			return nil, fmt.Errorf("target %q has no unit", name)
		}
	}
	if strings.HasPrefix(name, "call.") && t.op == opAttr {
		return nil, fmt.Errorf("unknown target %q", name)
	}
	return t, nil
}

func mustTarget(s string) *target {
	t, err := parseTarget(s)
	if err != nil {
		panic(err)
	}
	return t
}

// aliases are the names that programs give to what OpenTelemetry names, shared by
// all JSON and logfmt formats and by the key=value tails of access logs. The dots of
// nested objects are part of a name.
var aliases = byName(aliasTable)

// byName turns a table of targets, each with the names that mean it, round.
func byName(table map[string]string) map[string]*target {
	m := map[string]*target{}
	for to, names := range table {
		t := mustTarget(to)
		for _, n := range strings.Fields(names) {
			if m[n] != nil {
				panic("name " + n + " is there twice")
			}
			m[n] = t
		}
	}
	return m
}

// semconv are the names of OpenTelemetry's conventions, old and new, and of OpenTracing that mean
// what a target of another name does.
var semconv = byName(semconvTable)

var semconvTable = map[string]string{
	timeline.KeyRequestID: `http.request.header.x-request-id http.request.header.x_request_id http.response.header.x-request-id
		http.response.header.x_request_id http.request.header.x-correlation-id http.request.header.x_correlation_id guid:x-request-id`,
	"http.request.method":          `http.request.method http.method`,
	"http.response.status_code":    `http.response.status_code http.status_code`,
	"url.full":                     `url.full http.url`,
	"url.target":                   `url.path http.target http.path`,
	"url.scheme":                   `http.scheme`,
	"http.request.method_original": `http.request.method_original`,
	"server.address":               `server.address net.host.name http.host http.server_name`,
	"server.port":                  `net.host.port`,
	"client.address":               `client.address http.client_ip`,
	"network.local.address":        `net.sock.host.addr net.host.ip`,
	"network.transport":            `net.transport`,
	"network.protocol.name":        `net.protocol.name`,
	"network.protocol.version":     `http.flavor net.protocol.version`,
	"user_agent.original":          `http.user_agent`,
	"http.request.body.size":       `http.request_content_length request_size`,
	"http.response.body.size":      `http.response_content_length response_size`,
	"rpc.grpc.status_code":         `rpc.grpc.status_code rpc.response.status_code grpc.status_code`,
	"db.system.name":               `db.system db.type`,
	"db.namespace":                 `db.name db.instance`,
	"db.query.text":                `db.statement`,
	"db.operation.name":            `db.operation`,
	"db.collection.name":           `db.sql.table db.mongodb.collection`,
	"messaging.destination.name":   `messaging.destination message_bus.destination`,
	"messaging.operation.type":     `messaging.operation`,
	"messaging.message.id":         `messaging.message_id`,
	"code.function.name":           `code.function`,
	"code.file.path":               `code.filepath`,
	"code.line.number":             `code.lineno`,
	"deployment.environment.name":  `deployment.environment`,
	"exception.type":               `exception.type`,
	"exception.message":            `exception.message`,
	"exception.stacktrace":         `exception.stacktrace`,
	"error.message":                `error.message otel.status_description`,
}

var aliasTable = map[string]string{
	timeline.KeyRequestID: `http.request.header.x-request-id request_id requestId requestID RequestId RequestID request-id
		request.id http.request.id http.request_id req_id reqId reqID req-id req.id reqid rid x-request-id x_request_id
		xRequestId X-Request-Id X-Request-ID x-kong-request-id req.headers.x-request-id req.headers.x-correlation-id
		req.headers.request-id req.headers.x-kong-request-id req.headers.x-unique-id correlation_id correlationId correlationID CorrelationId correlation-id
		x-correlation-id x_correlation_id X-Correlation-ID X-Correlation-Id correlation.id corr_id corrId corr-id`,
	timeline.KeyTraceID: `trace_id traceId traceID TraceId TraceID trace-id trace.id traceid otelTraceID dd.trace_id
		x-b3-traceid X-B3-TraceId x-datadog-trace-id req.headers.x-b3-traceid req.headers.x-datadog-trace-id`,
	"traceparent":     `traceparent http.request.header.traceparent req.headers.traceparent`,
	"uber-trace-id":   `uber-trace-id req.headers.uber-trace-id`,
	"cloud.trace":     `logging.googleapis.com/trace`,
	"x-amzn-trace-id": `x-amzn-trace-id X-Amzn-Trace-Id xrayTraceId xray_trace_id req.headers.x-amzn-trace-id`,
	"span_id":         `span_id spanId spanID SpanId span-id span.id spanid otelSpanID dd.span_id logging.googleapis.com/spanId`,
	"parent_span_id":  `parent_span_id parentSpanId parent_id parentId parent.id parentSpanID`,

	"body":          `body msg message Message @message event.original @m`,
	"severity_text": `severity_text level severity lvl loglevel log.level log_level levelname severityText @l Level`,
	"service.name":  `service.name service service_name serviceName app application resource.service.name`,
	"host.name":     `host.name hostname host_name`,

	"http.request.method": `http.request.method method http.method http_method request_method requestMethod req.method verb`,
	"url.target":          `path url.path url_path uri request_uri http.target http.path request_path requestPath requestUri req.url`,
	"url.full":            `url url.full http.url request_url requestUrl err.extensions.response.url`,
	"url.query":           `url.query query query_string`,
	"http.route":          `http.route route http_route endpoint`,
	"http.response.status_code": `http.response.status_code http.status_code status status_code statusCode http_status
		response_status response.status res.statusCode httpStatus response_code err.extensions.response.status`,
	"rpc.grpc.status_code":     `rpc.grpc.status_code rpc.response.status_code grpc_status grpc.code grpc_code grpc_status_number`,
	"client.address":           `client.address req.remoteAddress client_ip clientIp client_addr remote_addr remoteAddr remote_ip remote client ip http.client_ip net.peer.ip`,
	"network.peer.address":     `network.peer.address peer.address`,
	"client.port":              `client.port req.remotePort`,
	"server.address":           `server.address upstream net.peer.name`,
	"user_agent.original":      `user_agent.original user_agent userAgent http.user_agent`,
	"network.protocol.version": `network.protocol.version protocol proto`,
	"http.response.body.size":  `http.response.body.size bytes_sent body_bytes_sent response_size`,
	"http.request.body.size":   `http.request.body.size request_length content_length`,
	"process.pid":              `process.pid pid`,
	"thread.id":                `thread.id thread_id tid`,
	"otel.scope.name":          `otel.scope.name logger logger_name log.logger`,
	"code.file.path":           `code.file.path source.file file`,
	"code.line.number":         `code.line.number source.line lineno line`,
	"code.function.name":       `code.function.name source.function function funcName`,
	"error.type":               `error.type error_type err.code error.code`,
	"error.message":            `error.message error err error_message errorMessage err.message`,
	"exception.type":           `exception.type exception.class exc_type err.type error.kind`,
	"exception.message":        `exception.message exc_message panic`,
	"exception.stacktrace":     `exception.stacktrace error.stack_trace error.stack err.stack stack stacktrace stack_trace stackTrace exc_info exception traceback errorVerbose`,
	"call.peer":                `peer upstream_addr upstream.address ua`,
	"call.status":              `upstream_status us`,
	"call.connect s":           `upstream_connect_time uct`,
	"call.header s":            `upstream_header_time uht`,
	"call.duration s":          `upstream_response_time urt`,
	"duration ms":              `duration_ms durationMs elapsed_ms elapsedMs latency_ms latencyMs took_ms responseTime response_time_ms time_ms grpc.time_ms ms`,
	"duration us":              `duration_us elapsed_us latency_us`,
	"duration ns":              `duration_ns elapsed_ns latency_ns event.duration`,
	"duration s":               `duration_s duration_seconds elapsed_s elapsed_seconds latency_s request_time rt`,
	"duration":                 `duration elapsed latency took grpc.duration`,
}
