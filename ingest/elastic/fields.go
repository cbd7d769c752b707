package elastic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/correlatehq/correlate/ingest"
)

// A kind is how a field can be asked.
type kind uint8

const (
	keyword kind = 1 << iota // by whole values
	text                     // by the tokens of an analysed text
	number
	date
	dateNanos
	flat // a whole object, by any of its values
	object
)

// kindOf maps the types of both products. What cannot be searched by value is left out.
var kindOf = map[string]kind{
	"keyword": keyword, "constant_keyword": keyword, "wildcard": keyword, "ip": keyword, "version": keyword,
	"text": text, "match_only_text": text, "pattern_text": text, "search_as_you_type": text,
	"long": number, "integer": number, "short": number, "byte": number, "double": number, "float": number,
	"half_float": number, "scaled_float": number, "unsigned_long": number,
	"date": date, "date_nanos": dateNanos,
	"flattened": flat, "flat_object": flat,
}

// A field is one of the mappings of the indices.
type field struct {
	name   string
	kinds  kind   // several, where the indices differ
	nested string // path of the nested object in which it lies, "" if in none
	groups bool   // documents can be grouped by it
}

// fields are those of the mappings, by what they are for.
type fields struct {
	all    map[string]*field
	time   string   // of the document: when the shipper saw it, or what the record says
	nanos  bool     // some of the indices keep it to the nanosecond
	body   []string // text of the record, the first that a document has
	host   []string
	pod    []string
	path   []string // of the file
	offset []string // in the file
	stream []string // further fields that tell streams apart
	keys   []*field // that may hold the ID of a request
	texts  []*field // in which an ID may stand
	status []*field
	level  []*field
	errors []*field // that only failures have
	parsed []string // a document with one of these was parsed into fields
}

// Names under which shippers and loggers keep what a source needs to know of a
// document, the usual first: Beats and Elastic Agent (ECS), Fluent Bit and Fluentd,
// Vector, Logstash, and the Elasticsearch exporter of OpenTelemetry's Collector in its
// modes ecs, otel and bodymap.
var (
	timeNames   = []string{"@timestamp", "timestamp", "Timestamp", "time", "ts", "date", "datetime", "eventTime", "event.created", "observed_timestamp"}
	bodyNames   = []string{"message", "log", "body.text", "body", "Body", "msg", "MESSAGE", "event.original"}
	hostNames   = []string{"host.name", "resource.attributes.host.name", "Resource.host.name", "host.hostname", "hostname", "host", "agent.hostname", "beat.hostname", "_HOSTNAME"}
	podNames    = []string{"kubernetes.pod.name", "kubernetes.pod_name", "resource.attributes.k8s.pod.name", "Resource.k8s.pod.name", "k8s.pod.name"}
	pathNames   = []string{"log.file.path", "attributes.log.file.path", "Attributes.log.file.path", "filename", "file", "path", "source", "log_file"}
	offsetNames = []string{"log.offset", "offset", "attributes.log.file.record_offset", "log.file.record_offset"}
	streamNames = []string{"kubernetes.container.name", "kubernetes.container_name", "resource.attributes.k8s.container.name", "container.name", "container_name", "container.id", "container_id",
		"service.name", "resource.attributes.service.name", "Resource.service.name", "stream", "attributes.log.iostream", "SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT"}
)

// What the names of fields tell, without what stands between their words.
var (
	keyName    = regexp.MustCompile(`(?:trace|request|req|rq|corr|correlation|transaction|unique|operation|activity|invocation|message|context|flow|txn|rid|causation)\.?id$|traceparent$|(?:^|\.)(?:rid|rqid|trace|uuid)$|amzn\.?trace|cf\.?ray$|uber\.?trace`)
	statusName = regexp.MustCompile(`(?:^|\.)(?:status|status\.?code|response\.?code|http\.?status|sc\.?status|code)$`)
	levelName  = regexp.MustCompile(`(?:^|\.)(?:level|severity|severity\.?text|log\.?level|levelname|lvl|priority|severity\.?number)$`)
	errorName  = regexp.MustCompile(`(?:^|\.)(?:error\.(?:type|stack\.?trace|message|exception)|exception(?:\.(?:type|message|stacktrace|class))?|stack\.?trace|exc\.?info)$`)
	parsedName = regexp.MustCompile(`(?:^|\.)(?:method|url|uri|duration|latency|route|query|verb|remote\.?addr|client\.?ip|user\.?agent|elapsed)(?:$|\.)`)
	wordEnds   = regexp.MustCompile(`([a-z0-9])([A-Z])`)
)

// words writes a field's name in lower case with dots between its words.
func words(name string) string {
	return strings.ToLower(strings.NewReplacer("_", ".", "-", ".", "@", "").Replace(wordEnds.ReplaceAllString(name, "$1.$2")))
}

// The most fields of a kind that one query asks: each costs the cluster a look.
const maxFields = 48

// capsAnswer is the answer of the API for the capabilities of fields.
type capsAnswer struct {
	Indices []string                         `json:"indices"`
	Fields  map[string]map[string]capability `json:"fields"`
}

type capability struct {
	Metadata     bool `json:"metadata_field"`
	Searchable   bool `json:"searchable"`
	Aggregatable bool `json:"aggregatable"`
	// Indices are those in which it is of this type, if it is not of it in all.
	NonAggregatable []string `json:"non_aggregatable_indices"`
}

// discover reads the fields of the indices and finds out what they are for.
func (s *Source) discover(ctx context.Context) (*fields, error) {
	var caps capsAnswer
	params := url.Values{"fields": {"*"}, "ignore_unavailable": {"true"}, "allow_no_indices": {"true"}}
	if err := s.ask(ctx, http.MethodGet, "/"+url.PathEscape(s.index)+"/_field_caps", params, nil, &caps); err != nil {
		return nil, err
	}
	if len(caps.Indices) == 0 {
		return nil, ingest.WithHint(fmt.Errorf("no index is named %s", s.index), "the path is a pattern of indices, an alias or a data stream, such as /logs-*")
	}
	return newFields(&caps, s.config.Fields)
}

// newFields sorts the fields by what they are for. configured are the names that the
// user gave.
func newFields(caps *capsAnswer, configured map[string][]string) (*fields, error) {
	f := &fields{all: map[string]*field{}}
	var nested []string
	for name, types := range caps.Fields {
		if _, ok := types["nested"]; ok {
			nested = append(nested, name+".")
		}
	}
	sort.Strings(nested)
	names := make([]string, 0, len(caps.Fields))
	for name, types := range caps.Fields {
		x := &field{name: name, groups: true}
		for typ, c := range types {
			if c.Metadata || strings.HasPrefix(name, "_") && kindOf[typ] == 0 {
				continue
			}
			if typ == "object" {
				x.kinds |= object
			} else if c.Searchable {
				x.kinds |= kindOf[typ]
			}
			x.groups = x.groups && c.Aggregatable && len(c.NonAggregatable) == 0
		}
		for _, n := range nested {
			if strings.HasPrefix(name, n) {
				x.nested = strings.TrimSuffix(n, ".")
			}
		}
		if x.kinds&^object != 0 {
			f.all[name] = x
			names = append(names, name)
		}
	}
	sort.Strings(names)
	var missing []string
	choose := func(otel string, usual []string) []string {
		if own := configured[otel]; len(own) > 0 {
			for _, n := range own {
				if f.all[n] == nil && caps.Fields[n] == nil {
					missing = append(missing, n)
				}
			}
			return own
		}
		return usual
	}
	for _, n := range choose("time", timeNames) {
		if x := f.all[n]; x != nil && x.kinds&(date|dateNanos) != 0 && x.nested == "" {
			f.time, f.nanos = n, x.kinds&dateNanos != 0
			break
		}
	}
	f.body = choose("body", bodyNames)
	f.host = choose("host.name", hostNames)
	f.pod = choose("k8s.pod.name", podNames)
	f.path = choose("log.file.path", pathNames)
	f.offset = choose("log.offset", offsetNames)
	f.stream = append(slices.Clone(choose("service.name", nil)), streamNames...)
	own := func(otel string) map[string]bool {
		m := map[string]bool{}
		for _, n := range choose(otel, nil) {
			m[n] = true
		}
		return m
	}
	statuses, levels := own("http.response.status_code"), own("severity_text")
	ids := own("http.request.header.x-request-id")
	for n := range own("trace_id") {
		ids[n] = true
	}
	for _, name := range names {
		x := f.all[name]
		// A multi-field is named after the field of the document: request_id.keyword.
		source := name
		if i := strings.LastIndexByte(name, '.'); i > 0 && f.all[name[:i]] != nil && f.all[name[:i]].kinds&flat == 0 {
			source = name[:i]
		}
		w := words(source)
		isKey := ids[source] || keyName.MatchString(w) && !errorName.MatchString(w)
		switch {
		case x.kinds&(keyword|flat) != 0 && (isKey || x.kinds&flat != 0):
			f.keys = append(f.keys, x)
		case x.kinds&text != 0 && (isKey || source == name && !slices.Contains(f.host, name) && !slices.Contains(f.path, name)):
			f.texts = append(f.texts, x)
		}
		if x.kinds&number != 0 && isKey {
			f.keys = append(f.keys, x) // Datadog's decimal IDs
		}
		switch {
		case statuses[source] || len(statuses) == 0 && statusName.MatchString(w):
			f.status = append(f.status, x)
		case levels[source] || len(levels) == 0 && levelName.MatchString(w):
			f.level = append(f.level, x)
		case errorName.MatchString(w):
			f.errors = append(f.errors, x)
		}
		if isKey || statuses[source] || statusName.MatchString(w) || errorName.MatchString(w) || parsedName.MatchString(w) {
			if !slices.Contains(f.parsed, source) && source == name {
				f.parsed = append(f.parsed, source)
			}
		}
	}
	// The text of a record is the best place to look for an ID.
	sort.SliceStable(f.texts, func(i, j int) bool { return f.bodyRank(f.texts[i].name) < f.bodyRank(f.texts[j].name) })
	f.keys = f.keys[:min(len(f.keys), maxFields)]
	f.texts = f.texts[:min(len(f.texts), maxFields)]
	if len(missing) > 0 {
		return nil, ingest.WithHint(fmt.Errorf("the indices have no field %s", strings.Join(missing, ", ")), "fields: of the source in correlate.yaml names it")
	}
	if f.time == "" {
		return nil, ingest.WithHint(errors.New("the indices have no field with the time of a document"),
			"fields: {time: NAME} of the source in correlate.yaml says which it is")
	}
	return f, nil
}

func (f *fields) bodyRank(name string) int {
	if i := slices.Index(f.body, name); i >= 0 {
		return i
	}
	return len(f.body)
}

// exact gives the field by which whole values of name are asked: itself, or its
// multi-field; nil if there is none.
func (f *fields) exact(name string) *field {
	if x := f.all[name]; x != nil && x.kinds&keyword != 0 && x.nested == "" {
		return x
	}
	if x := f.all[name+".keyword"]; x != nil && x.kinds&keyword != 0 && x.nested == "" {
		return x
	}
	return nil
}

// identity gives the fields that tell streams apart and can be asked for by value.
func (f *fields) identity() []string {
	var out []string
	for _, names := range [][]string{f.host, f.path, f.pod, f.stream} {
		for _, n := range names {
			if x := f.exact(n); x != nil && x.groups && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

// String tells what was found, for who looks for a fault.
func (f *fields) String() string {
	list := func(name string, fs []*field) string {
		out := make([]string, len(fs))
		for i, x := range fs {
			out[i] = x.name
		}
		return name + "=" + strings.Join(out, ",")
	}
	return strings.Join([]string{"time=" + f.time, list("keys", f.keys), list("texts", f.texts), list("status", f.status),
		list("level", f.level), list("errors", f.errors), "streams=" + strings.Join(f.identity(), ",")}, " ")
}
