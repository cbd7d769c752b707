package format

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/correlatehq/correlate/timeline"
)

// An Understood is a server's own format string with what is read by it.
type Understood struct {
	Name    string   // "nginx:main"
	Dialect string   // the language of the string
	String  string   // as the server reads it
	Pos     string   // file:line:col of where it stands; "" if it does not come of a file
	Used    []string // the logs that are written by it, if the file tells
	// Formats read what the server writes: one, and behind it one for those lines that
	// are no valid JSON although the string looks like JSON.
	Formats   []*Format
	Variables []Variable // in the order of the string
	Stamp     string     // the variable that tells the moment; "" if none does
	Notes     []string   // what is to be known, and what the string does not hold
}

// A Variable is one of a format string, with where its value goes.
type Variable struct {
	Text   string // as written
	Target string // OpenTelemetry name, "time", or "-" if the value is not kept
	Unit   string // of a duration
	Known  bool   // it is one of the dialect's
	Note   string
}

// Native reads a server's own format string. name is one for the format; "" is the
// dialect's. A name that the server itself has for a string ("combined") stands for it.
func Native(name, dialect, text string) (*Understood, error) {
	d := dialects()[dialect]
	if d == nil {
		return nil, fmt.Errorf("unknown dialect %q: one of %s", dialect, strings.Join(Dialects(), ", "))
	}
	if name == "" {
		name = d.name
	}
	if l := d.spec.Named[strings.TrimSpace(text)]; len(l) > 0 {
		text = l[len(l)-1]
	}
	return d.understand(name, text)
}

// nativeSpec is the part of a format file that gives the pattern by a server's own string.
type nativeSpec struct {
	Dialect string `yaml:"dialect"`
	String  list   `yaml:"string"` // alternatives
}

// A leaf is one value of a JSON object.
type leaf struct {
	path  string
	parts []part
}

// understand makes the format of a string.
func (d *dialect) understand(name, text string) (*Understood, error) {
	parts, isJSON, err := d.read(text)
	if err != nil {
		return nil, err
	}
	b := &nativeBuilder{d: d, text: text}
	if isJSON {
		if leaves, ok := jsonLeaves(parts); ok {
			if parts[len(parts)-1].off < 0 {
				parts = nil
			}
			return b.json(name, leaves, parts)
		}
	}
	return b.plain(name, parts)
}

// understandJSON makes the format of an object whose values are format strings.
func (d *dialect) understandJSON(name string, values []leafText) (*Understood, error) {
	b := &nativeBuilder{d: d}
	var leaves []leaf
	var text []string
	for _, v := range values {
		p, err := d.tokens(v.text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.path, err)
		}
		leaves = append(leaves, leaf{v.path, joinTimes(p)})
		text = append(text, fmt.Sprintf("%s: %s", v.path, v.text))
	}
	b.text = strings.Join(text, "\n")
	return b.json(name, leaves, nil)
}

// leafText is one value of an object of format strings.
type leafText struct{ path, text string }

// read cuts the string into its parts. isJSON says that it looks like a JSON object.
func (d *dialect) read(text string) (parts []part, isJSON bool, err error) {
	t := &tokenizer{d: d}
	if d.spec.Defaults {
		text = substitute(text, nil)
	}
	if err := t.run(strings.TrimSpace(text), 0, 0); err != nil {
		return nil, false, err
	}
	parts = t.parts
	if t.json {
		var out []part
		for _, p := range parts {
			if p.isVar && p.label != "" {
				name, _, _ := strings.Cut(p.label, ":")
				p.label = ""
				out = append(out, part{lit: fmt.Sprintf(`,"%s":`, name)}, p)
			}
		}
		if len(out) == 0 {
			return nil, false, errors.New("no item of the string has a name")
		}
		out[0].lit = "{" + out[0].lit[1:]
		parts = append(out, part{lit: "}", off: -1}) // the server itself writes the JSON
	}
	n := len(parts)
	isJSON = n > 1 && !parts[0].isVar && strings.HasPrefix(strings.TrimSpace(parts[0].lit), "{") &&
		!parts[n-1].isVar && strings.HasSuffix(strings.TrimSpace(parts[n-1].lit), "}")
	if !isJSON {
		parts = untilNewline(parts)
	}
	if d.spec.Collapse {
		for i := range parts {
			parts[i].lit = manySpaces.ReplaceAllString(parts[i].lit, " ")
		}
	}
	parts = joinTimes(parts)
	for i := range parts {
		parts[i].index = i
	}
	if !slices.ContainsFunc(parts, func(p part) bool { return p.isVar }) {
		return nil, false, errors.New("there is no variable in it")
	}
	return parts, isJSON, nil
}

// substitute puts the values of properties in the place of ${NAME} and ${NAME:-TEXT}.
func substitute(text string, props map[string]string) string {
	for range 100 {
		i := strings.LastIndex(text, "${")
		if i < 0 {
			break
		}
		end := strings.IndexByte(text[i:], '}')
		if end < 0 {
			break
		}
		name, def, has := strings.Cut(text[i+2:i+end], ":-")
		if !has { // Spring's own placeholders
			name, def, has = strings.Cut(name, ":")
			if has && props[name] == "" && strings.Contains("sys env ctx main bundle web", name) {
				name, def, has = def, "", false // log4j's look-ups
			}
		}
		v, ok := props[name]
		if !ok && has {
			v, ok = def, true
		}
		if !ok {
			v = "%property{" + name + "}" // what it is is not known
		}
		text = text[:i] + v + text[i+end+1:]
	}
	return text
}

var manySpaces = regexp.MustCompile(` {2,}`)

// untilNewline drops what comes after the first line, and the spaces at its end.
func untilNewline(parts []part) []part {
	for i, p := range parts {
		if p.isVar {
			continue
		}
		if before, _, ok := strings.Cut(p.lit, "\n"); ok && (i > 0 || before != "") {
			parts = slices.Clone(parts[:i+1])
			parts[i].lit = before
			break
		}
	}
	if n := len(parts) - 1; n >= 0 && !parts[n].isVar {
		parts[n].lit = strings.TrimRight(parts[n].lit, " \r\n")
		if parts[n].lit == "" {
			parts = parts[:n]
		}
	}
	return parts
}

// joinTimes makes one of the pieces of a time that stand beside each other.
func joinTimes(parts []part) []part {
	var out []part
	for i := 0; i < len(parts); i++ {
		p := parts[i]
		for p.time != nil {
			j, between := i+1, ""
			if j < len(parts) && !parts[j].isVar {
				between = parts[j].lit
				j++
			}
			if j >= len(parts) || parts[j].time == nil || parts[j].v.Meaning != p.v.Meaning && parts[j].v.Meaning != "" {
				break
			}
			t := p.time.joined(between, parts[j].time)
			if t == nil {
				break
			}
			p.text += between + parts[j].text
			p.time = t
			i = j
		}
		out = append(out, p)
	}
	return out
}

// nativeBuilder makes a format of the parts of a string.
type nativeBuilder struct {
	d      *dialect
	text   string
	prefix string // of the names of groups
	notes  []string
}

// A slot is a variable of the string with its place and with what was decided of it.
type slot struct {
	p       *part
	label   string   // the name that stands before it: a JSON field, name=
	path    string   // of a JSON field that it fills alone
	targets []string // "" alone: the stamp
	isTime  bool
	dropped string // why it is not kept
	known   bool
	note    string
	lit     string // what stands before it
	other   bool   // it is the stamp of the exchange's other end
}

// slots gives the variables of plain parts.
func slots(parts []part) []*slot {
	var out []*slot
	for i := range parts {
		if !parts[i].isVar {
			continue
		}
		s := &slot{p: &parts[i], label: parts[i].label}
		if i > 0 && !parts[i-1].isVar {
			s.lit = parts[i-1].lit
			if m := labelBefore.FindStringSubmatch(s.lit); m != nil && s.label == "" {
				s.label = m[1]
			}
		}
		out = append(out, s)
	}
	return out
}

var labelBefore = regexp.MustCompile(`([A-Za-z_][\w.-]*)"?[=:] ?["\[]?$`)

// assign decides where each variable goes, and which one tells the moment.
func (b *nativeBuilder) assign(all []*slot) {
	for _, s := range all {
		b.target(s)
	}
	// Of two that say the same of a request the one that stands first in the dialect counts.
	best := map[string]*slot{}
	order := func(s *slot) int {
		if s.p.v == nil {
			return 1 << 20
		}
		return s.p.v.order
	}
	var stamp *slot
	for _, s := range all {
		if s.isTime {
			if s.p.time.moment() && (stamp == nil || finer(s, stamp) || order(s) < order(stamp) && !finer(stamp, s)) {
				stamp = s
			}
			continue
		}
		if c := class(s.targets[0]); c != "" && (best[c] == nil || order(s) < order(best[c])) {
			best[c] = s
		}
	}
	other := false
	for _, s := range all {
		switch {
		case s.isTime && s == stamp:
		case s.isTime:
			s.dropped = "it is no moment by itself"
			if stamp == nil {
				continue
			}
			s.dropped = stamp.p.text + " tells the moment"
			if m := s.p.v.Meaning; s.p.time.has.whole() && m != stamp.p.v.Meaning && m != "within" && best["duration"] == nil && !other {
				other = true
				s.isTime, s.dropped, s.targets, s.other = false, "", []string{"time." + m}, true
				s.note = "with " + stamp.p.text + " it tells the duration"
			}
		default:
			if w := best[class(s.targets[0])]; w != nil && w != s {
				if s.p.text != w.p.text {
					s.note = "the same is read of " + w.p.text
				}
				s.targets = append([]string{b.attrName(s)}, s.targets[1:]...)
			}
		}
	}
}

// finer says whether the stamp of a is written in finer steps than that of b.
func finer(a, b *slot) bool { return a.resolution() < b.resolution() }

func (s *slot) resolution() time.Duration {
	if d, err := time.ParseDuration(s.p.v.Resolution); err == nil && d > 0 {
		return d
	}
	t := s.p.time
	if !t.has.whole() {
		return 24 * time.Hour // the date is missing
	}
	switch t.layout {
	case "unix_ms":
		return time.Millisecond
	case "unix_us":
		return time.Microsecond
	case "unix_ns":
		return time.Nanosecond
	case "unix":
		if i := strings.LastIndex(t.expr, `\.\d{`); i >= 0 {
			n, _ := strconv.Atoi(strings.Trim(t.expr[i+5:], "}"))
			return resolutionOf(n)
		}
		return time.Second
	}
	l, err := parseLayout(t.layout)
	if err != nil || l.kind != layoutGo {
		return time.Second
	}
	return l.res
}

// class names what a target says of a request if only one variable can say it; "" if
// several can.
func class(target string) string {
	t, err := parseTarget(target)
	if err != nil {
		return ""
	}
	switch t.op {
	case opRequestLine, opURL, opURLTarget:
		return "url"
	case opStatus, opService, opHost, opBody, opSeverity, opMethod, opDuration, opCallPeer, opCallStatus, opCallConnect, opCallHeader,
		opCallResponse, opCallDuration, opSpanID, opParentSpanID, opExcType, opExcMessage, opStack:
		return strings.Fields(target)[0]
	case opAddress:
		return t.name
	}
	return ""
}

// target decides where a variable goes.
func (b *nativeBuilder) target(s *slot) {
	v := s.p.v
	if s.known = v != nil; !s.known {
		for _, n := range []string{s.p.name, s.p.arg, s.label} {
			if t := aliases[n]; t != nil && n != "" {
				s.targets = []string{t.String()}
				s.note = "a variable of your own, taken for what its name says"
				if n == s.label && n != s.p.name && n != s.p.arg {
					s.note = "taken for what the name before it says"
				}
				return
			}
			if t := idHeader(n); t != "" {
				s.targets = []string{t}
				return
			}
		}
		s.targets = []string{b.attrName(s), "captured"}
		s.note = "not known: kept as it is, and an ID if it looks like one"
		return
	}
	s.note = v.Doc
	if v.Time != "" {
		s.isTime = true
		return
	}
	for _, to := range v.To {
		if star, ok := strings.CutSuffix(to, "header.*"); ok {
			name, _, _ := strings.Cut(s.p.star, "?") // Envoy: the first of two
			to = header(star+"header.", name)
		} else if strings.Contains(to, "*") {
			to = strings.ReplaceAll(to, "*", strings.Trim(unwordly.ReplaceAllString(s.p.star, "_"), "_."))
			if t := idName(s.p.star); t != "" {
				s.targets = []string{t}
				return
			}
		}
		s.targets = append(s.targets, to)
	}
	if len(s.targets) == 0 {
		s.targets = []string{"-"} // what is inside its shape has targets
	}
}

// attrName is the attribute of a variable that has no target of its own.
func (b *nativeBuilder) attrName(s *slot) string {
	n := s.p.name
	if s.p.arg != "" {
		n = s.p.arg
		if s.p.name != "" {
			n = s.p.name + "." + s.p.arg
		}
	}
	n = strings.Trim(unwordly.ReplaceAllString(n, "_"), "_.")
	if n == "" {
		n = "value"
	}
	sys := b.d.spec.Format.System
	if sys == "" {
		sys = b.d.name
	}
	return sys + "." + strings.ToLower(n)
}

var unwordly = regexp.MustCompile(`[^\w.-]+`)

// header gives the target of a header: those that carry IDs go where IDs go.
func header(prefix, name string) string {
	name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	if t := idHeader(name); t != "" {
		return t
	}
	if prefix == "http.request.header." {
		switch name {
		case "user-agent":
			return "user_agent.original"
		case "host", ":authority":
			return "url.domain"
		}
	}
	return prefix + name
}

// idHeaders are the headers that carry an ID of the request or of its trace.
var idHeaders = map[string]string{
	"x-request-id": timeline.KeyRequestID, "x-correlation-id": timeline.KeyRequestID, "request-id": timeline.KeyRequestID,
	"correlation-id": timeline.KeyRequestID, "x-amzn-trace-id": "x-amzn-trace-id", "x-amzn-requestid": timeline.KeyRequestID,
	"x-amz-cf-id": timeline.KeyRequestID, "cf-ray": timeline.KeyRequestID, "x-kong-request-id": timeline.KeyRequestID,
	"x-unique-id": timeline.KeyRequestID, "unique-id": timeline.KeyRequestID, "x-transaction-id": timeline.KeyRequestID, "x-req-id": timeline.KeyRequestID,
	"x-trace-id": timeline.KeyTraceID, "x-b3-traceid": timeline.KeyTraceID, "x-datadog-trace-id": timeline.KeyTraceID,
	"traceparent": "traceparent", "uber-trace-id": "uber-trace-id", "x-b3-spanid": "span_id", "x-b3-parentspanid": "parent_span_id",
}

func idHeader(name string) string {
	return idHeaders[strings.ToLower(strings.ReplaceAll(name, "_", "-"))]
}

// idName gives the target of a variable whose name says that it is an ID.
func idName(name string) string {
	if t := idHeader(name); t != "" {
		return t
	}
	for _, n := range []string{name, strings.ToLower(name)} {
		if t := aliases[n]; t != nil && t.isID() {
			return t.String()
		}
	}
	return ""
}

// String writes the target as a format file does.
func (t *target) String() string {
	for u, d := range units {
		if d == t.unit {
			return t.name + " " + u
		}
	}
	return t.name
}

// plain makes the format of a string whose lines are read by a pattern.
func (b *nativeBuilder) plain(name string, parts []part) (*Understood, error) {
	all := slots(parts)
	b.assign(all)
	u := b.understood(name, all)
	sp := b.spec(all)
	sp.Decoder = "regexp"
	strict := b.pattern(parts, all, sp, false)
	sp.Pattern = list{strict}
	if lenient := b.pattern(parts, all, sp, true); lenient != strict {
		sp.Pattern = append(sp.Pattern, lenient)
	}
	b.failed(sp, all, nil)
	f, err := b.d.compile(name, sp)
	if err != nil {
		return nil, err
	}
	u.Formats = []*Format{f}
	u.Notes = append(u.Notes, b.notes...)
	return u, nil
}

// spec begins the format with what the dialect says of all of its formats.
func (b *nativeBuilder) spec(all []*slot) *spec {
	sp := b.d.spec.Format
	sp.generated = true
	sp.Doc = b.d.spec.Doc
	sp.Fields = maps.Clone(sp.Fields)
	if sp.Fields == nil {
		sp.Fields = map[string]string{}
	}
	for _, s := range all {
		if s.isTime && s.dropped == "" {
			v := s.p.v
			sp.Time.Meaning, sp.Time.Resolution, sp.Time.Zone = v.Meaning, v.Resolution, v.Zone
			if s.p.time.zone != "" {
				sp.Time.Zone = s.p.time.zone
			}
			sp.Time.Layout = list{s.p.time.name()}
		}
	}
	for _, s := range all {
		if s.other && !slices.Contains(sp.Time.Layout, s.p.time.name()) {
			sp.Time.Layout = append(sp.Time.Layout, s.p.time.name())
		}
	}
	return &sp
}

// understood tells of the variables.
func (b *nativeBuilder) understood(name string, all []*slot) *Understood {
	u := &Understood{Name: name, Dialect: b.d.name, String: b.text}
	duration := false
	id := false
	for _, s := range all {
		v := Variable{Text: s.p.text, Known: s.known, Note: s.note}
		switch {
		case s.isTime && s.dropped == "":
			v.Target = "time"
			u.Stamp = s.p.text
		case s.isTime:
			v.Target, v.Note = "-", s.dropped
		default:
			v.Target = s.targets[0]
			var inside []string
			for _, n := range shapeFields(b.shape(s)) {
				t := b.d.spec.Format.Fields[n]
				inside = append(inside, t)
				duration = duration || strings.HasPrefix(t, "duration ")
			}
			if v.Target == "-" && len(inside) > 0 {
				v.Target = strings.Join(inside, ", ")
			}
			if name, unit, ok := strings.Cut(v.Target, " "); ok && units[unit] > 0 {
				v.Target, v.Unit = name, unit
			}
			for _, t := range s.targets {
				p, err := parseTarget(t)
				if err != nil {
					continue
				}
				duration = duration || p.op == opDuration || s.other
				id = id || p.op == opIdentity || p.op == opTraceID || p.op == opTraceparent || p.op == opCaptured
			}
		}
		u.Variables = append(u.Variables, v)
	}
	if u.Stamp == "" {
		u.Notes = append(u.Notes, "the string holds no stamp: its records have no time of their own")
	}
	if !duration && slices.ContainsFunc(b.d.spec.Format.Kind, func(k kindSpec) bool { return k.Is != "log" }) {
		u.Notes = append(u.Notes, "the string holds no duration: only one end of each exchange is known")
	}
	if !id {
		u.Notes = append(u.Notes, "the string holds no ID of the request: its records are joined by time, client and request line")
	}
	return u
}

// pattern writes the pattern of a line. A lenient one lets text without quotes hold
// what stands behind it.
func (b *nativeBuilder) pattern(parts []part, all []*slot, sp *spec, lenient bool) string {
	var e strings.Builder
	e.WriteString("^" + b.d.spec.Head)
	n := 0
	cut := "" // what the literal that comes next has already given
	for i := range parts {
		p := &parts[i]
		if p.mark != "" {
			e.WriteString(p.mark)
			continue
		}
		if !p.isVar {
			lit := strings.TrimPrefix(p.lit, cut)
			cut = ""
			if i+1 == len(parts)-1 && parts[i+1].isVar && parts[i+1].v != nil && parts[i+1].v.Optional {
				lit = strings.TrimSuffix(lit, " ") // it is left out together with the variable
			}
			e.WriteString(regexp.QuoteMeta(lit))
			if b.d.spec.Cut && i+1 == len(parts) && strings.HasSuffix(lit, `"`) {
				e.WriteString("?")
			}
			continue
		}
		s := all[n]
		before, next := s.lit, ""
		if i+1 < len(parts) && !parts[i+1].isVar {
			next = parts[i+1].lit
		}
		quoted := p.quoted || strings.HasSuffix(before, `"`) && strings.HasPrefix(next, `"`)
		if p.quoted {
			next = `"`
		}
		x := b.group(s, fmt.Sprintf("%sv%d", b.prefix, n), next, i+1 == len(parts), quoted, lenient, sp)
		n++
		if p.quoted {
			x = `"` + x + `"`
			next = ""
			if b.d.spec.Cut && i+1 == len(parts) {
				x += "?"
			} else if i+1 < len(parts) && !parts[i+1].isVar {
				next = parts[i+1].lit
			}
		}
		if p.width {
			if left := strings.HasPrefix(p.pad, "-"); !left {
				x = ` *` + x
			} else if strings.HasPrefix(next, " ") {
				x += ` +`
				cut = " "
			} else {
				x += ` *`
			}
		}
		if p.v != nil && p.v.Optional {
			switch {
			case strings.HasPrefix(next, " "):
				x = "(?:" + x + " )?"
				cut = " "
			case next == "" && strings.HasSuffix(before, " "):
				x = "(?: " + x + ")?"
			default:
				x = "(?:" + x + ")?"
			}
		}
		e.WriteString(x)
	}
	e.WriteString(b.d.spec.Tail + "$")
	return e.String()
}

// group writes the pattern of one variable, with its groups, and enters their targets.
func (b *nativeBuilder) group(s *slot, name, next string, last, quoted, lenient bool, sp *spec) string {
	if s.isTime {
		if s.dropped != "" {
			return "(?:" + s.p.time.expr + ")"
		}
		if !slices.Contains(sp.Time.Field, name) {
			sp.Time.Field = append(slices.Clone(sp.Time.Field), name)
		}
		return "(?P<" + name + ">" + s.p.time.expr + ")"
	}
	shape := b.shape(s)
	x := shapeOf(shape, next, quoted)
	if q := b.d.spec.Quoted; q != "" && x == quotedText {
		x = q
	}
	if lenient && quoted && x == b.d.spec.Quoted {
		x = ".*?"
	}
	if lenient && !quoted && !last && (shape == "" || shape == "text" || shape == "line") {
		x = ".*?"
		if s.targets[0] == "user_agent.original" {
			x = ".*" // of all it is the likeliest to hold what parts the values
		}
	}
	if fields := shapeFields(shape); fields != nil {
		for _, f := range fields {
			x = strings.Replace(x, "(?P<"+f+">", "(?P<"+name+"_"+f+">", 1)
			if to, ok := sp.Fields[f]; ok {
				sp.Fields[name+"_"+f] = to
			}
		}
	}
	value := strings.Contains(x, "(?P<value>")
	if strings.Contains(x, "(?P<") {
		x = "(?:" + x + ")"
	}
	for i, to := range s.targets {
		g := name
		if i > 0 {
			g = fmt.Sprintf("%s_%d", name, i)
		}
		if to == "-" {
			if !strings.Contains(x, "(?P<") {
				x = "(?:" + x + ")"
			}
			continue
		}
		sp.Fields[g] = to
		if value {
			x = inValue(x, g)
			continue
		}
		x = "(?P<" + g + ">" + x + ")"
	}
	if value {
		x = strings.Replace(x, "(?P<value>", "(?:", 1)
	}
	return x
}

// inValue puts a group of this name around the group value of a pattern.
func inValue(x, name string) string {
	from := strings.Index(x, "(?P<value>")
	depth, class := 0, false
	for i := from; i < len(x); i++ {
		switch c := x[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']' || x[i-1] == '['
		case c == '[':
			class = true
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return x[:from] + "(?P<" + name + ">" + x[from:i+1] + ")" + x[i+1:]
			}
		}
	}
	return x
}

// shape gives the shape of a variable's values.
func (b *nativeBuilder) shape(s *slot) string {
	if len(s.targets) == 0 {
		return ""
	}
	if s.other {
		return s.p.time.expr
	}
	t, err := parseTarget(s.targets[0])
	if err != nil {
		return ""
	}
	if v := s.p.v; v != nil && v.Shape != "" && (v.Shape != "line" || !t.isID()) {
		return v.Shape
	}
	switch t.op {
	case opDuration, opCallConnect, opCallHeader, opCallResponse, opCallWait, opCallDuration:
		if t.unit > 0 {
			return "number"
		}
		return "word"
	case opStatus:
		return `-?\d{1,3}|-`
	case opAddress:
		return "address"
	}
	switch {
	case t.isID():
		return "word"
	case strings.HasSuffix(t.name, ".port"), strings.HasSuffix(t.name, ".size"):
		return "number"
	}
	return ""
}

// isID says whether the target is an ID of the request, its trace or its span.
func (t *target) isID() bool {
	switch t.op {
	case opIdentity, opTraceID, opTraceparent, opUberTrace, opCloudTrace, opSpanID, opParentSpanID:
		return true
	}
	return false
}

const quotedText = `(?:[^"\\]|\\.)*`

// shapeOf writes the pattern of a shape: next is the text behind the value, quoted says
// that quotes stand around it.
func shapeOf(shape, next string, quoted bool) string {
	stop := ""
	if next != "" {
		stop = classByte(next[0])
	}
	switch shape {
	case "", "text", "line":
		switch {
		case quoted:
			return quotedText
		case next == "":
			return `.*`
		case stop == "", shape == "line" && stop == " ":
			return `.*?`
		}
		return `[^` + stop + `]*`
	case "address": // without port
		if stop == ":" {
			return `[\w.:%-]*`
		}
		return shapeOf("word", next, quoted)
	case "word":
		if stop == " " || stop == "." { // names have points inside
			stop = ""
		}
		return `[^ ` + stop + `]*`
	case "number":
		return `[+-]?\d+(?:\.\d+)?|-|`
	case "list":
		if stop == " " || stop == "," {
			stop = ""
		}
		el := `[^ ,` + stop + `]*`
		return el + `(?:(?:, | : )` + el + `)*`
	case "host":
		return `[\w.:\[\]*-]*`
	}
	return shape
}

func classByte(c byte) string {
	switch c {
	case '\\', ']', '^', '-', '[':
		return `\` + string(c)
	case '\t':
		return `\t`
	}
	if c >= 0x80 {
		return "" // a letter beyond ASCII cannot be told by its first byte
	}
	return string(c)
}

var shapeGroup = regexp.MustCompile(`\(\?P<(\w+)>`)

// shapeFields gives the groups of a shape whose targets the dialect names.
func shapeFields(shape string) []string {
	var out []string
	for _, m := range shapeGroup.FindAllStringSubmatch(shape, -1) {
		if m[1] != "value" {
			out = append(out, m[1])
		}
	}
	return out
}

// failed says by which bytes a failed record is found: those that begin the value of a
// status, with what stands before it.
func (b *nativeBuilder) failed(sp *spec, all []*slot, names map[*slot][]string) {
	if len(sp.Failed.Any) == 0 {
		return
	}
	var lits list
	found := false
	for _, s := range all {
		if s.p.v == nil || len(s.p.v.Literals) == 0 {
			continue
		}
		found = true
		for _, l := range s.p.v.Literals {
			if n := names[s]; n != nil {
				for _, before := range n {
					lits = append(lits, before+l)
				}
				continue
			}
			before := s.lit
			if s.p.quoted {
				before += `"`
			}
			if len(before) > 8 {
				before = before[len(before)-8:]
			}
			if before == "" && len(l) < 2 {
				lits = nil // a digit alone is everywhere
				sp.Failed.Literals = nil
				return
			}
			if len(l) > 3 || s.p.width {
				before = ""
			}
			lits = append(lits, before+l)
		}
	}
	if !found {
		sp.Failed = failedSpec{}
		b.notes = append(b.notes, "the string holds neither a status nor a level: no record of it can be told as failed")
		return
	}
	sp.Failed.Literals = lits
}

// expand puts what the server's own strings say in the place of a format file's native
// part. What the file says itself comes before what the dialect says of all its formats.
func (k *compiler) expand(sp *spec) {
	n := sp.Native
	if n == nil || len(n.String) == 0 {
		k.fail(at("native"), "decoder native needs native: {dialect: NAME, string: '...'}")
		return
	}
	d := dialects()[n.Dialect]
	if d == nil {
		k.fail(at("native", "dialect"), "unknown dialect %q: one of %s", n.Dialect, strings.Join(Dialects(), ", "))
		return
	}
	fields := maps.Clone(sp.Fields)
	sp.fill(&d.spec.Format)
	sp.Fields = maps.Clone(d.spec.Format.Fields)
	if sp.Fields == nil {
		sp.Fields = map[string]string{}
	}
	sp.Decoder = "regexp"
	own := sp.Pattern
	sp.Pattern = nil
	for i, text := range n.String {
		path := at("native", "string")
		if len(n.String) > 1 {
			path = append(path, strconv.Itoa(i))
		}
		if l := d.spec.Named[text]; len(l) > 0 {
			text = l[len(l)-1]
		}
		parts, _, err := d.read(text)
		if err != nil {
			k.fail(path, "%v", err)
			continue
		}
		b := &nativeBuilder{d: d, text: text, prefix: fmt.Sprintf("n%d", i)}
		all := slots(parts)
		b.assign(all)
		one := b.spec(all)
		one.Fields, one.Time.Field = sp.Fields, sp.Time.Field
		sp.Pattern = append(sp.Pattern, b.pattern(parts, all, one, false))
		if t := one.Time; len(t.Layout) > 0 {
			if sp.Time.Meaning != "" && sp.Time.Meaning != t.Meaning || sp.Time.Zone != "" && sp.Time.Zone != t.Zone {
				k.fail(path, "its stamp means something else than that of the string before")
			}
			sp.Time.Field, sp.Time.Meaning, sp.Time.Zone = t.Field, t.Meaning, t.Zone
			sp.Time.Resolution = cmp.Or(sp.Time.Resolution, t.Resolution)
			if !slices.Contains(sp.Time.Layout, t.Layout[0]) {
				sp.Time.Layout = append(sp.Time.Layout, t.Layout[0])
			}
		}
		lits := spec{Failed: d.spec.Format.Failed}
		b.failed(&lits, all, nil)
		if len(sp.Failed.Any) > 0 && lits.Failed.Literals == nil {
			k.fail(path, "it holds no status by which a failed record is found")
		}
		if sp.Failed.Literals = append(slices.Clone(sp.Failed.Literals), lits.Failed.Literals...); len(sp.Failed.Any) == 0 {
			sp.Failed.Literals = nil
		}
	}
	for len(sp.Pattern) > 1 {
		// The second one's groups are named anew: what both have in common is the same.
		second := strings.ReplaceAll(sp.Pattern[1], "<n1v", "<n0v")
		one := merged(sp.Pattern[0], second, d.spec.Tail+"$")
		if one == "" {
			break
		}
		sp.Pattern = append(list{one}, sp.Pattern[2:]...)
	}
	sp.Pattern = append(sp.Pattern, own...)
	maps.Copy(sp.Fields, fields)
}

// merged makes one pattern of two that begin alike and end in tail, so that a line is not
// read twice: what differs becomes alternatives. It is "" if they do not begin alike.
func merged(a, b, tail string) string {
	if !strings.HasSuffix(a, tail) || !strings.HasSuffix(b, tail) {
		return ""
	}
	a, b = strings.TrimSuffix(a, tail), strings.TrimSuffix(b, tail)
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	for ; n > len(a)/2; n-- {
		// Where the beginning is an expression of its own, and so is what is left.
		one := a[:n] + "(?:" + a[n:] + "|" + b[n:] + ")" + tail
		if a[n-1] == '\\' || n < len(a) && strings.IndexByte("?*+{", a[n]) >= 0 || n < len(b) && strings.IndexByte("?*+{", b[n]) >= 0 {
			continue
		}
		if _, err := syntax.Parse(a[:n], syntax.Perl); err != nil {
			continue
		}
		if _, err := syntax.Parse(one, syntax.Perl); err == nil {
			return one
		}
	}
	return ""
}

// compile makes a format of the spec; nil makes one of nothing, to check the dialect.
func (d *dialect) compile(name string, sp *spec) (*Format, error) {
	if sp == nil {
		s := d.spec.Format
		s.Doc, s.generated = d.spec.Doc, true
		s.Decoder, s.Pattern = "regexp", list{"^$"}
		if len(s.Failed.Any) > 0 {
			s.Failed.Literals = list{"x"}
		}
		sp = &s
	}
	c, err := compile(name, nil, sp)
	if err != nil {
		return nil, err
	}
	c.name = name
	f := newFormat(name, c)
	f.given = true
	return f, nil
}
