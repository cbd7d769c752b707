package timeline

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Event is one log record or one span, as one process reported it.
// An Event from a sequence is valid until the next one is asked for; Clone it to keep it.
type Event struct {
	Time     time.Time     // as stamped by Host; never changed. Without a written zone it is read as UTC.
	Stamp    Stamp         // what Time means, its resolution, whether its zone was written
	Duration time.Duration // as recorded; 0 if none was (Stamp.DurationResolution tells)
	Kind     Kind          // LogRecord, ServerSpan, ClientSpan, InternalSpan
	Service  string        // service.name
	Host     string        // whose clock stamped Time: host.name, else service.instance.id
	System   string        // the software that wrote the record: "nginx", "haproxy", "postgresql", "go", "python"; "" if not known
	Role     Role          // of the service, if the configuration or the software says
	Format   string        // the log format by which it was read

	Keys                 []Key // what ties it to other events
	SpanID, ParentSpanID string
	// Traced says that a tracer reported the event as a span: SpanID is its own. That of any other record is
	// the span in which it was written, and its ParentSpanID what the request carried.
	Traced bool

	StatusCode     int    // http.response.status_code, or the RPC system's code; 0 if none was seen
	StatusProtocol string // "" is HTTP, "grpc" gRPC
	Severity, Body string // severity_text in lower case; the message
	Attrs          Attrs  // the rest, by OpenTelemetry name

	// Failed says that the record is a candidate of failure by its format's own
	// declaration (a 5xx, an error level, a termination state).
	Failed bool
	// Ended says how the exchange of a ServerSpan ended, as far as its writer knows.
	Ended Outcome
	// Calls are the exchanges that the writer had with others to serve this one, in
	// order of time, as an access log writes them (nginx's $upstream_* lists). A
	// ClientSpan has exactly one: itself.
	Calls []Outcall
	// Lifecycle says that the record is about its writer's own process: it started,
	// it was asked to stop, it died.
	Lifecycle Lifecycle
	// Exception is what a stack trace or an exception field of the record says.
	Exception *Exception

	Raw []byte // the record as read
	Pos Pos    // where: file and byte offset, or index and document

	// Drawn is set of the events by which a source answers a [Sample], if it can tell how they were drawn.
	Drawn Draw
}

// Undated says that the record of e bears no stamp of its own: it was written at Time or later. Where nothing before it in its stream bears one
// either, Time is not known at all.
func (e *Event) Undated() bool { return e.Time.IsZero() || e.Attrs.Get(inferredTime) != "" }

// Clone gives a copy that shares nothing with e.
func (e *Event) Clone() *Event {
	c := *e
	c.Keys = slices.Clone(e.Keys)
	c.Attrs = slices.Clone(e.Attrs)
	c.Calls = slices.Clone(e.Calls)
	c.Raw = slices.Clone(e.Raw)
	if e.Exception != nil {
		x := *e.Exception
		c.Exception = &x
	}
	return &c
}

// Status is the record's status as a pair of protocol and code.
func (e *Event) Status() Status { return Status{e.StatusProtocol, e.StatusCode} }

// Kind says what an event reports.
type Kind uint8

const (
	LogRecord    Kind = iota // one message
	ServerSpan               // one exchange as its callee saw it: an access log line, a server span
	ClientSpan               // one exchange as its caller saw it
	InternalSpan             // work inside one process
)

func (k Kind) String() string {
	return [...]string{"log", "server", "client", "internal"}[k]
}

// Meaning says what moment a stamp names.
type Meaning uint8

const (
	MeaningUnknown Meaning = iota // read as within
	Start                         // the exchange began
	End                           // the exchange was over: most access logs are written then
	Within                        // a moment inside: messages
)

func (m Meaning) String() string { return [...]string{"unknown", "start", "end", "within"}[m] }

// ZoneSource says where the zone of a stamp came from.
type ZoneSource uint8

const (
	ZoneUnknown ZoneSource = iota // not written, not configured: Time is the wall clock read as if it were UTC
	ZoneWritten                   // in the record
	ZoneConfig                    // from the configuration
)

func (z ZoneSource) String() string { return [...]string{"unknown", "written", "config"}[z] }

// A Stamp says how to read an event's Time and Duration.
type Stamp struct {
	Meaning    Meaning
	Resolution time.Duration // the truth lies in [Time, Time+Resolution)
	Rounded    bool          // the truth lies in [Time-Resolution/2, Time+Resolution/2) instead
	Zone       ZoneSource
	// DurationResolution is that of Duration, which is truncated too; 0 means that
	// no duration was recorded.
	DurationResolution time.Duration
	// SameClock says that Duration is the exact difference of the two truncated
	// stamps, as nginx computes $request_time: the start is as exact as the end.
	SameClock bool
}

// HasDuration says whether the record told how long the exchange took.
func (s Stamp) HasDuration() bool { return s.DurationResolution > 0 }

// A RawSpan is where a moment lies on the clock that stamped it: [Lo, Hi].
type RawSpan struct{ Lo, Hi time.Time }

// Interval gives start and end of what the event reports, each as a span on the
// clock of e.Host. For a message the two are equal. If the start or the end cannot
// be known (an end stamp without duration), ok is false for it and the span is the
// stamp's own.
func (e *Event) Interval() (start, end RawSpan, startOK, endOK bool) {
	r := e.Stamp.Resolution
	at := RawSpan{e.Time, e.Time.Add(r)}
	if e.Stamp.Rounded {
		at = RawSpan{e.Time.Add(-r / 2), e.Time.Add(r / 2)}
	}
	if e.Kind == LogRecord && !e.Stamp.HasDuration() {
		return at, at, true, true
	}
	d, dr := e.Duration, e.Stamp.DurationResolution
	if e.Stamp.SameClock {
		dr = 0
	}
	switch e.Stamp.Meaning {
	case Start:
		if !e.Stamp.HasDuration() {
			return at, at, true, false
		}
		return at, RawSpan{at.Lo.Add(d), at.Hi.Add(d + dr)}, true, true
	case End:
		if !e.Stamp.HasDuration() {
			return at, at, false, true
		}
		return RawSpan{at.Lo.Add(-d - dr), at.Hi.Add(-d)}, at, true, true
	default:
		return at, at, false, false
	}
}

// momentary says that e tells of its exchange a moment alone, which lies somewhere within: a record of a format in which some servers stamp the
// start and others the end.
func (e *Event) momentary() bool {
	_, _, startOK, endOK := e.Interval()
	return !startOK && !endOK
}

// Attrs are an event's further attributes by OpenTelemetry name, in the order in
// which they were read, each name once.
type Attrs []Attr

// An Attr is one attribute.
type Attr struct{ Name, Value string }

// Get returns the value of the attribute, "" if there is none.
func (a Attrs) Get(name string) string {
	for i := range a {
		if a[i].Name == name {
			return a[i].Value
		}
	}
	return ""
}

// Set adds the attribute or replaces its value.
func (a *Attrs) Set(name, value string) {
	for i := range *a {
		if (*a)[i].Name == name {
			(*a)[i].Value = value
			return
		}
	}
	*a = append(*a, Attr{name, value})
}

// Role says what a service is for in the chain.
type Role uint8

const (
	RoleUnknown    Role = iota
	RoleGateway         // the first of ours that a client meets; maps, authenticates, routes
	RoleProxy           // forwards
	RoleApp             // runs our code
	RoleDependency      // a database, cache, queue or third party: never an origin, only a component
)

// Forwards says whether who has the role passes on what others ask of it.
func (r Role) Forwards() bool { return r == RoleGateway || r == RoleProxy }

func (r Role) String() string {
	return [...]string{"", "gateway", "proxy", "app", "dependency"}[r]
}

// ParseRole reads a role by its name; "" is RoleUnknown.
func ParseRole(s string) (Role, error) {
	for r := RoleUnknown; r <= RoleDependency; r++ {
		if r.String() == s {
			return r, nil
		}
	}
	return RoleUnknown, fmt.Errorf("unknown role %q: gateway, proxy, app or dependency", s)
}

// A Status is the result of an exchange: a code and the protocol that gives it its
// meaning. The zero Status means that none was seen.
type Status struct {
	Protocol string // "" is HTTP, "grpc" gRPC
	Code     int
}

// Known says whether a status was seen.
func (s Status) Known() bool { return s.Code != 0 || s.Protocol != "" }

// Failed says whether the status is a failure of the server's side: HTTP 5xx, or a
// gRPC code that maps to it (grpc/grpc doc/http-grpc-status-mapping.md: UNKNOWN,
// DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS).
func (s Status) Failed() bool {
	if s.Protocol == "grpc" {
		switch s.Code {
		case 2, 4, 12, 13, 14, 15:
			return true
		}
		return false
	}
	return s.Code >= 500 && s.Code <= 599
}

// Refused says whether the status refuses the request: HTTP 4xx but 499, which no
// server sends (nginx logs it for a client that left).
func (s Status) Refused() bool {
	if s.Protocol == "grpc" {
		switch s.Code {
		case 3, 5, 6, 7, 8, 9, 10, 11, 16:
			return true
		}
		return false
	}
	return s.Code >= 400 && s.Code < 499
}

// good says whether it is known and neither a failure nor a refusal.
func (s Status) good() bool { return s.Known() && !s.Failed() && !s.Refused() }

// String gives "500", "grpc 14", or "-" if none was seen.
func (s Status) String() string {
	switch {
	case !s.Known():
		return "-"
	case s.Protocol == "" && s.Code >= 0 && s.Code < len(codes):
		return codes[s.Code]
	case s.Protocol == "":
		return strconv.Itoa(s.Code)
	}
	return s.Protocol + " " + strconv.Itoa(s.Code)
}

// codes are the codes of HTTP in digits: they are written many times for each request.
var codes = func() (out [600]string) {
	for i := range out {
		out[i] = strconv.Itoa(i)
	}
	return out
}()

// Outcome says how an exchange ended, as one of its two sides knows it.
type Outcome uint8

const (
	OutcomeUnknown Outcome = iota
	Complete               // a whole answer came
	Truncated              // the answer broke off after its head
	Reset                  // the connection broke after the request was sent and before an answer
	Refused                // no connection could be had
	GaveUp                 // the caller stopped waiting for the answer
	ConnectGaveUp          // the caller stopped waiting for the connection
	CallerLeft             // the caller closed before it had the answer
	Unusable               // an answer came that the caller could not use: malformed, too large
	NotSent                // no call was made: queue full, no server up, circuit open, a limit
	Denied                 // the writer itself refused or answered by its own rule
)

var outcomeNames = [...]string{"", "complete", "truncated", "reset", "refused", "gave_up", "connect_gave_up", "caller_left", "unusable", "not_sent", "denied"}

func (o Outcome) String() string { return outcomeNames[o] }

// ParseOutcome reads an outcome by its name, as format files write it.
func ParseOutcome(s string) (Outcome, error) {
	for i, n := range outcomeNames {
		if n == s {
			return Outcome(i), nil
		}
	}
	return 0, fmt.Errorf("unknown outcome %q: one of %s", s, strings.Join(outcomeNames[1:], ", "))
}

// An Outcall is one exchange with another service as its caller recorded it. Times
// are -1 where the record says that the phase never ended, and the whole is 0 where
// the record does not tell.
type Outcall struct {
	Peer     string // as logged: "127.0.0.1:9001", "orders/app-2", "http://inventory:9000"; "" if not said
	Method   string
	Target   string // path of the call, if said
	Status   int    // as the caller received it; 0 if none came
	OwnMade  bool   // Status was made by the writer for want of an answer (nginx's own 502 or 504 in $upstream_status)
	AsSent   bool   // Status is what the writer answered, as its record has none of the call: what came may have been another one
	Ended    Outcome
	Error    string        // the caller's own words for what went wrong
	Connect  time.Duration // until the connection stood
	Header   time.Duration // until the head of the answer had come
	Duration time.Duration // the whole
	Timed    bool          // Duration was recorded
}

// Lifecycle says what a record tells of its writer's own process.
type Lifecycle uint8

const (
	NoLifecycle      Lifecycle = iota
	ProcessStarting            // began to start
	ProcessReady               // takes requests
	ProcessStopping            // was asked to stop: a deploy, a restart, a scale-down
	ProcessStopped             // ended on request
	ProcessCrashed             // ended by its own failure: a panic, an abort
	ProcessKilled              // ended by a signal that cannot be handled, by whom is not said
	ProcessTimedOut            // stopped by its own watchdog, for the work at hand took too long
	ProcessOOMKilled           // ended for want of memory
)

var lifecycleNames = [...]string{"", "starting", "ready", "stopping", "stopped", "crashed", "killed", "timed_out", "oom_killed"}

func (l Lifecycle) String() string { return lifecycleNames[l] }

// OfItsWork says whether a process ended by the work that it did: what it has to do with
// the requests in flight is more than that they were cut off.
func (l Lifecycle) OfItsWork() bool {
	return l == ProcessCrashed || l == ProcessTimedOut || l == ProcessOOMKilled
}

// ParseLifecycle reads a lifecycle by its name, as format files write it.
func ParseLifecycle(s string) (Lifecycle, error) {
	for i, n := range lifecycleNames {
		if n == s {
			return Lifecycle(i), nil
		}
	}
	return 0, fmt.Errorf("unknown lifecycle %q: one of %s", s, strings.Join(lifecycleNames[1:], ", "))
}

// An Exception is what a record says of an error in code, by the names of
// OpenTelemetry's exception.* attributes: of a chain it is the root cause, and the
// frame is the innermost one in the user's own code.
type Exception struct {
	Type, Message  string
	File, Function string
	Line           int
	// Escaped says that nothing in the program caught it: the process or the
	// connection died of it, or the framework's last resort logged it.
	Escaped bool
	// Logged says that File, Function and Line are the call that logged the error, as some loggers
	// add it to each error; where it arose is not told.
	Logged bool
}

// A Pos says where a record stands: in a file, or in an index.
type Pos struct {
	Source string // name of the source
	Path   string // file, relative to what the user named, or index
	Part   int    // number of the file in its rotated series, oldest first, so that (Part, Offset) orders a stream
	Offset int64  // of the record's first byte in the file as uncompressed
	Line   int    // 1-based; 0 if lines were not counted
	Index  string // in which a document is stored; Path is then the stream that it is of
	Doc    string // document id, in an index
	Hash   string // of the document as stored: "sha256:" and hexadecimal digits
	// Item is the number of the event in its record, from 1, where a record holds events in an order that
	// is not that in which they were stamped, as a trace holds spans; else 0.
	Item int
}

// String gives "gateway.log:1042", "gateway.log@88120" where lines were not counted,
// "index/doc", "path/doc" without an index, or the path alone of what is said of a file as a whole; with "#2" for the
// second event of a record.
func (p Pos) String() string {
	if p.Item > 1 {
		q := p
		q.Item = 0
		return q.String() + "#" + strconv.Itoa(p.Item)
	}
	switch {
	case p.Index != "":
		return p.Index + "/" + p.Doc
	case p.Doc != "":
		return p.Path + "/" + p.Doc
	case p.Line > 0:
		return fmt.Sprintf("%s:%d", p.Path, p.Line)
	case p.Offset == 0:
		return p.Path
	}
	return fmt.Sprintf("%s@%d", p.Path, p.Offset)
}

// sameStream says whether two positions are in one file, in which the order of records is that of writing.
func sameStream(a, b Pos) bool { return a.Source == b.Source && a.Path == b.Path }

// Compare orders positions by path, part, offset, index, document and item; it is total.
func (p Pos) Compare(q Pos) int {
	if c := strings.Compare(p.Source, q.Source); c != 0 {
		return c
	}
	if c := strings.Compare(p.Path, q.Path); c != 0 {
		return c
	}
	if c := p.Part - q.Part; c != 0 {
		return c
	}
	if p.Offset != q.Offset {
		if p.Offset < q.Offset {
			return -1
		}
		return 1
	}
	if c := cmp.Or(strings.Compare(p.Index, q.Index), strings.Compare(p.Doc, q.Doc)); c != 0 {
		return c
	}
	return p.Item - q.Item
}
