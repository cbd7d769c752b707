package format

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/correlatehq/correlate/internal/strictyaml"
)

// documents gives the documents of a YAML or JSON file.
func (c *configReader) documents() []*yaml.Node {
	var out []*yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(c.data))
	for {
		var doc yaml.Node
		err := in.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			c.errs = append(c.errs, strictyaml.Convert(c.file, err))
			return out
		}
		out = append(out, &doc)
	}
}

// offset gives the place of a node's text.
func (c *configReader) offset(n *yaml.Node) int {
	off := 0
	for line := 1; line < n.Line; line++ {
		i := strings.IndexByte(string(c.data[off:]), '\n')
		if i < 0 {
			break
		}
		off += i + 1
	}
	return off + max(n.Column-1, 0)
}

// walk calls f for each value of a mapping below n, with the keys that lead to it.
func walk(n *yaml.Node, path []string, f func(path []string, v *yaml.Node) bool) {
	if n == nil || len(path) > 64 {
		return
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			p := append(append([]string{}, path...), n.Content[i].Value)
			if f(p, n.Content[i+1]) {
				walk(n.Content[i+1], p, f)
			}
		}
	case yaml.DocumentNode:
		for _, v := range n.Content {
			walk(v, path, f)
		}
	default:
		for i, v := range n.Content {
			walk(v, append(append([]string{}, path...), strconv.Itoa(i)), f)
		}
	}
}

// value gives the value of a key of a mapping; nil if it has none.
func value(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

var envoyOperator = regexp.MustCompile(`%[A-Z][A-Z0-9_]+(?:\([^)]*\))?(?::\d+)?%`)

// yaml reads Envoy's access logs and Istio's mesh configuration, ingress-nginx's
// ConfigMap, Spring's application.yml and Traefik's static configuration.
func (c *configReader) yaml() {
	var settings []setting
	for _, doc := range c.documents() {
		logPath := ""
		walk(doc, nil, func(path []string, v *yaml.Node) bool {
			key := path[len(path)-1]
			scalar := v.Kind == yaml.ScalarNode
			if scalar {
				settings = append(settings, setting{strings.Join(path, "."), v.Value, c.offset(v)})
			}
			switch {
			case key == "path" || key == "accessLogFile":
				logPath = v.Value
			case key == "typed_config" || key == "config":
				logPath = ""
				if p := value(v, "path"); p != nil {
					logPath = p.Value
				}
			case key == "log-format-upstream" && scalar:
				c.understand("nginx", "upstreaminfo", v.Value, c.offset(v))
			case key == "accessLogFormat" && scalar && strings.HasPrefix(strings.TrimSpace(v.Value), "{"):
				var in yaml.Node
				if err := yaml.Load([]byte(v.Value), &in); err != nil || len(in.Content) == 0 {
					c.fail(c.offset(v), "accessLogFormat is no object that can be read")
				} else {
					c.envoyObject(in.Content[0], v, logPath)
				}
			case scalar && envoyOperator.MatchString(v.Value) && (key == "format" || key == "text_format" || key == "inline_string" || key == "accessLogFormat" || key == "text" || key == "textFormat"):
				c.understand("envoy", "", v.Value, c.offset(v), logPath)
			case v.Kind == yaml.MappingNode && (key == "json_format" || key == "typed_json_format" || key == "jsonFormat" || key == "json" && holdsOperator(v) || key == "labels" && holdsOperator(v)):
				c.envoyObject(v, v, logPath)
				return false
			case key == "mesh" && scalar:
				// Istio's ConfigMap holds its configuration as text.
				sub := &configReader{file: c.file, data: []byte(v.Value)}
				sub.yaml()
				for _, u := range sub.found {
					c.add(u, c.offset(v), nil)
				}
			case key == "accessLog" && v.Kind != yaml.SequenceNode:
				c.traefik(v)
			}
			return true
		})
	}
	c.spring(settings)
}

func holdsOperator(n *yaml.Node) bool { return holds(n, envoyOperator.MatchString) }

// holds says whether a text below n is one of those.
func holds(n *yaml.Node, is func(string) bool) bool {
	found := false
	walk(n, nil, func(_ []string, v *yaml.Node) bool {
		found = found || v.Kind == yaml.ScalarNode && is(v.Value)
		return true
	})
	return found
}

// envoyObject reads a json_format: n holds the object, at is where it stands.
func (c *configReader) envoyObject(n, at *yaml.Node, logPath string) {
	var leaves []leafText
	walk(n, nil, func(path []string, v *yaml.Node) bool {
		if v.Kind == yaml.ScalarNode {
			leaves = append(leaves, leafText{strings.Join(path, "."), v.Value})
		}
		return v.Kind == yaml.MappingNode
	})
	u, err := dialects()["envoy"].understandJSON("envoy", leaves)
	if err != nil {
		c.fail(c.offset(at), "%v", err)
		return
	}
	for _, f := range c.found {
		if f.String == u.String {
			c.use(f, []string{logPath})
			return
		}
	}
	c.add(u, c.offset(at), []string{logPath})
}

// choice adds a format that a server has by name.
func (c *configReader) choice(dialect, name, format string, off int, used ...string) {
	f := Builtin().Lookup(format)
	if f == nil {
		return
	}
	u := &Understood{Name: dialect + ":" + name, Dialect: dialect, String: name, Formats: []*Format{f},
		Notes: []string{"the format " + format + " comes with the program: correlate formats show " + format}}
	c.add(u, off, used)
}

// traefik reads the accessLog of a static configuration.
func (c *configReader) traefik(n *yaml.Node) {
	name, file := "common", ""
	at := n
	if v := value(n, "format"); v != nil {
		name, at = v.Value, v
	}
	if v := value(n, "filePath"); v != nil {
		file = v.Value
	}
	c.traefikFormat(name, c.offset(at), file)
}

func (c *configReader) traefikFormat(name string, off int, file string) {
	switch name {
	case "json":
		c.choice("traefik", name, "traefik_json", off, file)
	case "common":
		c.choice("traefik", name, "traefik_access", off, file)
	case "genericCLF":
		// The stamp is of the beginning of the request.
		c.understand("apache", "traefik", `%h - %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`, off, file)
	default:
		c.fail(off, "unknown format %q: common, json or genericCLF", name)
	}
}

var (
	tomlAccessLog = regexp.MustCompile(`(?m)^\s*\[accessLog\]`)
	tomlSection   = regexp.MustCompile(`(?m)^\s*\[`)
	tomlSetting   = regexp.MustCompile(`(?m)^\s*(format|filePath)\s*=\s*["']([^"'\n]*)["']`)
)

// traefikTOML reads the section accessLog of a static configuration.
func (c *configReader) traefikTOML() {
	loc := tomlAccessLog.FindIndex(c.data)
	if loc == nil {
		return
	}
	section := c.data[loc[1]:]
	if end := tomlSection.FindIndex(section); end != nil {
		section = section[:end[0]]
	}
	name, file, off := "common", "", loc[0]
	for _, m := range tomlSetting.FindAllSubmatchIndex(section, -1) {
		v := string(section[m[4]:m[5]])
		if string(section[m[2]:m[3]]) == "format" {
			name, off = v, loc[1]+m[4]
		} else {
			file = v
		}
	}
	c.traefikFormat(name, off, file)
}

// apiGateway reads the access log settings of CloudFormation, SAM, OpenAPI, Serverless,
// and Terraform: every text with $context variables.
func (c *configReader) apiGateway() {
	text := strings.TrimSpace(string(c.data))
	if strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}") && !strings.Contains(text, `\"$context`) {
		if parts, isJSON, err := dialects()["apigateway"].read(text); err == nil && isJSON {
			if l, ok := jsonLeaves(parts); ok && len(l) > 0 && directly(l) {
				c.understand("apigateway", "", text, 0)
				return
			}
		}
	}
	if terraform.Match(c.data) {
		c.terraform()
		return
	}
	for _, doc := range c.documents() {
		walk(doc, nil, func(path []string, v *yaml.Node) bool {
			if v.Kind == yaml.MappingNode && strings.EqualFold(path[len(path)-1], "format") {
				// An object in place of a string, as some tools take it.
				if holds(v, func(s string) bool { return strings.Contains(s, "$context.") }) {
					c.objectFormat(v)
					return false
				}
			}
			if v.Kind == yaml.ScalarNode && strings.Count(v.Value, "$context.") > 1 {
				c.understand("apigateway", "", v.Value, c.offset(v))
			}
			return true
		})
	}
}

// directly says whether the values are variables themselves rather than strings that
// hold a format.
func directly(l []leaf) bool {
	n := 0
	for _, x := range l {
		if len(x.parts) <= 2 {
			n++
		}
	}
	return n*2 > len(l)
}

// objectFormat reads a format that is written as a mapping.
func (c *configReader) objectFormat(n *yaml.Node) {
	var b strings.Builder
	b.WriteString("{")
	for i := 0; i+1 < len(n.Content); i += 2 {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString(strconv.Quote(n.Content[i].Value) + ":" + strconv.Quote(n.Content[i+1].Value))
	}
	b.WriteString("}")
	c.understand("apigateway", "", b.String(), c.offset(n))
}

var (
	terraform       = regexp.MustCompile(`(?m)^\s*(?:resource|module)\s+"`)
	terraformFormat = regexp.MustCompile(`(?m)^\s*format\s*=\s*(jsonencode\(\s*\{|"|<<-?\s*"?(\w+)"?\s*\n)`)
	terraformItem   = regexp.MustCompile(`(?m)^\s*"?([\w.-]+)"?\s*[=:]\s*"([^"\n]*)"`)
)

// terraform reads the format of access_log_settings.
func (c *configReader) terraform() {
	s := string(c.data)
	for _, m := range terraformFormat.FindAllStringSubmatchIndex(s, -1) {
		rest := s[m[3]:]
		switch open := s[m[2]:m[3]]; {
		case strings.HasPrefix(open, "jsonencode"):
			end := strings.Index(rest, "})")
			if end < 0 {
				continue
			}
			var b strings.Builder
			for i, it := range terraformItem.FindAllStringSubmatch(rest[:end], -1) {
				if i > 0 {
					b.WriteString(",")
				}
				b.WriteString(strconv.Quote(it[1]) + ":" + strconv.Quote(it[2]))
			}
			c.understand("apigateway", "", "{"+b.String()+"}", m[2])
		case open == `"`:
			end := 0
			for end < len(rest) && rest[end] != '"' {
				if rest[end] == '\\' {
					end++
				}
				end++
			}
			if v, err := strconv.Unquote(`"` + rest[:min(end, len(rest))] + `"`); err == nil && strings.Contains(v, "$context.") {
				c.understand("apigateway", "", v, m[3])
			}
		default:
			if before, _, ok := strings.Cut(rest, "\n"+s[m[4]:m[5]]); ok && strings.Contains(before, "$context.") {
				c.understand("apigateway", "", strings.TrimSpace(before), m[3])
			}
		}
	}
}

var (
	caddyLog     = regexp.MustCompile(`(?m)^[ \t]*log\b[^\n{]*(?:\{|$)`)
	caddySetting = regexp.MustCompile(`(?m)^[ \t]*(message_key|level_key|time_key|logger_key|time_format|duration_format|time_local|output|format)\b[ \t]*([^\n{]*)`)
	caddyRename  = regexp.MustCompile(`(?m)^[ \t]*([\w>.-]+)[ \t]+rename[ \t]+([\w>.-]+)`)
)

// caddyTimes are the names of Caddy's time formats.
var caddyTimes = map[string]string{
	"": "unix", "unix_seconds_float": "unix", "unix_milli_float": "unix_ms", "unix_nano": "unix_ns", "iso8601": "iso8601", "rfc3339": "rfc3339",
	"rfc3339_nano": "rfc3339", "wall": "2006/01/02 15:04:05", "wall_milli": "2006/01/02 15:04:05.000", "wall_nano": "2006/01/02 15:04:05.000000000",
	"common_log": "clf",
}

// caddy reads the log directives of a Caddyfile.
func (c *configReader) caddy() {
	for _, loc := range caddyLog.FindAllIndex(c.data, -1) {
		block := ""
		if c.data[loc[1]-1] == '{' {
			rest := string(c.data)
			if end := closing(rest, loc[1]); end >= 0 {
				block = rest[loc[1]:end]
			}
		}
		set := map[string]string{}
		for _, m := range caddySetting.FindAllStringSubmatch(block, -1) {
			if _, ok := set[m[1]]; !ok || m[1] == "format" {
				set[m[1]] = strings.TrimSpace(m[2])
			}
		}
		file := ""
		if f, ok := strings.CutPrefix(set["output"], "file "); ok {
			file = strings.Trim(strings.Fields(f)[0], `"`)
		}
		c.caddyFormat(set, caddyRename.FindAllStringSubmatch(block, -1), loc[0], file)
	}
}

// caddyFormat makes a format of Caddy's own by the names and units that are set.
func (c *configReader) caddyFormat(set map[string]string, renames [][]string, off int, file string) {
	base := "caddy_access"
	switch encoder := strings.Fields(set["format"] + " json")[0]; encoder {
	case "json", "filter", "append":
	case "console":
		base = "caddy_console"
	default:
		c.fail(off, "Caddy's encoder %q is not known: json and console are", encoder)
		return
	}
	keys := set["message_key"] + set["level_key"] + set["time_key"] + set["logger_key"] + set["time_format"] + set["duration_format"]
	if keys == "" && len(renames) == 0 || base != "caddy_access" {
		c.choice("caddy", strings.Fields(set["format"] + " json")[0], base, off, file)
		return
	}
	f := Builtin().Lookup(base)
	if f == nil {
		return
	}
	sp := *f.c.spec
	sp.generated, sp.Samples = true, nil
	sp.Fields, sp.Require = map[string]string{}, map[string]string{}
	for k, v := range f.c.spec.Fields {
		sp.Fields[k] = v
	}
	for k, v := range f.c.spec.Require {
		sp.Require[k] = v
	}
	u := &Understood{Dialect: "caddy", Name: "caddy:json", String: "json"}
	rename := func(from, to string) {
		from, to = strings.ReplaceAll(from, ">", "."), strings.ReplaceAll(to, ">", ".")
		if i := strings.LastIndexByte(from, '.'); i >= 0 && !strings.Contains(to, ".") {
			to = from[:i+1] + to
		}
		target := sp.Fields[from]
		if t := aliases[from]; target == "" && t != nil {
			target = t.String()
		}
		if target != "" {
			sp.Fields[to] = target
		}
		if r, ok := sp.Require[from]; ok {
			delete(sp.Require, from)
			sp.Require[to] = r
		}
		name, unit, _ := strings.Cut(target, " ")
		u.Variables = append(u.Variables, Variable{Text: to, Target: name, Unit: unit, Known: target != "", Note: "Caddy's " + from})
	}
	for _, r := range []struct{ set, field string }{{"message_key", "msg"}, {"level_key", "level"}, {"logger_key", "logger"}} {
		if set[r.set] != "" {
			rename(r.field, strings.Trim(set[r.set], `"`))
		}
	}
	for _, r := range renames {
		rename(r[1], r[2])
	}
	field := "ts"
	if set["time_key"] != "" {
		field = strings.Trim(set["time_key"], `"`)
	}
	layout := strings.Trim(set["time_format"], `"`)
	if l, ok := caddyTimes[layout]; ok {
		layout = l
	}
	sp.Time.Field, sp.Time.Layout = list{field}, list{layout}
	if layout != "unix" {
		sp.Time.Resolution = ""
	}
	switch set["duration_format"] {
	case "string":
		sp.Fields["duration"] = "duration"
	case "ms", "milli":
		sp.Fields["duration"] = "duration ms"
	case "ns", "nano":
		sp.Fields["duration"] = "duration ns"
	}
	name, unit, _ := strings.Cut(sp.Fields["duration"], " ")
	u.Variables = append(u.Variables, Variable{Text: field, Target: "time", Known: true}, Variable{Text: "duration", Target: name, Unit: unit, Known: true})
	u.Stamp = field
	compiled, err := compile(c.file, nil, &sp)
	if err != nil {
		c.fail(off, "%v", err)
		return
	}
	compiled.name = u.Name
	u.Formats = []*Format{{Name: u.Name, Doc: f.Doc, System: f.System, Role: f.Role, Literals: compiled.literals, c: compiled, given: true}}
	c.add(u, off, []string{file})
}
