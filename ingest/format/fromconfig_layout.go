package format

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
)

// layoutXML reads the patterns of logback.xml and log4j2.xml.
func (c *configReader) layoutXML() {
	type pattern struct {
		text, appender string
		off            int
	}
	var patterns []pattern
	props := map[string]string{}
	files := map[string]string{} // of appenders
	appender := ""
	var stack []string
	var text strings.Builder
	textAt := 0
	attr := func(e xml.StartElement, names ...string) string {
		for _, n := range names {
			for _, a := range e.Attr {
				if strings.EqualFold(a.Name.Local, n) {
					return a.Value
				}
			}
		}
		return ""
	}
	dec := xml.NewDecoder(bytes.NewReader(c.data))
	dec.Strict = false
	for {
		at := int(dec.InputOffset())
		t, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			c.fail(at, "%v", err)
			break
		}
		switch e := t.(type) {
		case xml.StartElement:
			name := strings.ToLower(e.Name.Local)
			stack = append(stack, name)
			text.Reset()
			textAt = int(dec.InputOffset())
			switch {
			case (name == "property" || name == "springproperty" || name == "variable") && attr(e, "name") != "":
				v := attr(e, "value", "defaultValue")
				props[attr(e, "name")] = v
				if v == "" {
					delete(props, attr(e, "name")) // the text is its value
				}
			case attr(e, "fileName", "file") != "" && attr(e, "name") != "":
				appender = attr(e, "name")
				files[appender] = attr(e, "fileName", "file")
			case name == "appender" || strings.HasSuffix(name, "appender") || name == "console" || name == "rollingfile" || name == "file" && attr(e, "name") != "":
				appender = attr(e, "name")
			case name == "param" && attr(e, "name") == "ConversionPattern":
				patterns = append(patterns, pattern{attr(e, "value"), appender, at})
			case name == "param" && strings.EqualFold(attr(e, "name"), "File"):
				files[appender] = attr(e, "value")
			}
			if p := attr(e, "pattern"); name == "patternlayout" && p != "" {
				patterns = append(patterns, pattern{p, appender, at})
			}
			if strings.HasSuffix(name, "property") && attr(e, "name") != "" && attr(e, "value") == "" {
				props["\x00"] = attr(e, "name")
			}
		case xml.CharData:
			text.Write(e)
		case xml.EndElement:
			name := strings.ToLower(e.Name.Local)
			if len(stack) > 0 {
				stack = stack[:len(stack)-1]
			}
			v := strings.TrimSpace(text.String())
			parent := ""
			if len(stack) > 0 {
				parent = stack[len(stack)-1]
			}
			switch {
			case name == "pattern" && v != "" && (parent == "encoder" || parent == "layout" || parent == "patternlayout"):
				patterns = append(patterns, pattern{v, appender, textAt})
			case name == "property" && props["\x00"] != "":
				props[props["\x00"]] = v
				delete(props, "\x00")
			case name == "file" && v != "":
				files[appender] = v
			}
			text.Reset()
		}
	}
	for _, p := range patterns {
		c.understand("logback", p.appender, substitute(p.text, props), p.off, substitute(files[p.appender], props))
	}
}

// A setting is a line of a properties file.
type setting struct {
	name, value string
	off         int
}

// settings reads a file of properties.
func (c *configReader) settings() []setting {
	var out []setting
	for _, l := range c.lines(true) {
		s := strings.TrimSpace(l.text)
		if s == "" || s[0] == '#' || s[0] == '!' {
			continue
		}
		i := strings.IndexAny(s, "=:")
		if i < 0 {
			continue
		}
		value := strings.TrimSpace(s[i+1:])
		at := l.off + max(strings.Index(l.text, value), 0)
		value = propertyEscapes.Replace(value)
		out = append(out, setting{strings.TrimSpace(s[:i]), value, at})
	}
	return out
}

var propertyEscapes = strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\:`, `:`, `\=`, `=`, `\#`, `#`, `\!`, `!`)

var layoutSetting = regexp.MustCompile(`(?i)^(.*)\.layout\.(?:conversion)?pattern$`)

// layoutProperties reads log4j2.properties, log4j.properties and application.properties.
func (c *configReader) layoutProperties() {
	all := c.settings()
	props := map[string]string{}
	for _, s := range all {
		props[s.name] = s.value
		if n, ok := strings.CutPrefix(s.name, "property."); ok {
			props[n] = s.value
		}
	}
	for _, s := range all {
		if m := layoutSetting.FindStringSubmatch(s.name); m != nil && strings.Contains(s.value, "%") {
			file := ""
			for _, n := range []string{".fileName", ".File", ".file"} {
				file += props[m[1]+n]
			}
			name := m[1][strings.LastIndexByte(m[1], '.')+1:]
			c.understand("logback", name, substitute(s.value, props), s.off, substitute(file, props))
		}
	}
	c.spring(all)
}

// spring reads the patterns that Spring Boot's own settings hold.
func (c *configReader) spring(all []setting) {
	props := map[string]string{}
	for _, s := range all {
		props[s.name] = s.value
	}
	props["LOG_LEVEL_PATTERN"], props["LOG_DATEFORMAT_PATTERN"] = props["logging.pattern.level"], props["logging.pattern.dateformat"]
	props["LOG_CORRELATION_PATTERN"], props["PID"] = props["logging.pattern.correlation"], ""
	for _, n := range []string{"LOG_LEVEL_PATTERN", "LOG_DATEFORMAT_PATTERN", "LOG_CORRELATION_PATTERN", "PID"} {
		if props[n] == "" {
			delete(props, n)
		}
	}
	for _, s := range all {
		switch s.name {
		case "logging.pattern.console":
			c.understand("logback", "console", substitute(s.value, props), s.off)
		case "logging.pattern.file":
			c.understand("logback", "file", substitute(s.value, props), s.off, props["logging.file.name"], props["logging.file"])
		case "server.tomcat.accesslog.pattern":
			c.understand("tomcat", "access", s.value, s.off)
		}
	}
}
