package format

import (
	_ "embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/correlatehq/correlate/internal/strictyaml"
	"github.com/correlatehq/correlate/timeline"
)

// toldCall makes the call of which an application's record tells by nothing but the error that its HTTP client gave for it, in which
// the URL stands and what was answered or why nothing was (told.yaml). Where the error tells not how the call ended, none is made. Formats
// that say nothing of calls have no rules: then the errors are read as in other logs of applications.
func (d *decoding) toldCall(r *callRules) {
	e := &d.ev
	if len(e.Calls) > 0 || e.Role != timeline.RoleApp && e.Role != timeline.RoleUnknown || e.Kind != timeline.LogRecord && e.Kind != timeline.ServerSpan {
		return
	}
	texts := [...]string{d.saidAt("error.message", errorMessageSlot), d.exc.Message, e.Body}
	for i := range texts {
		t, ok := readTold(texts[i], &d.match)
		if !ok {
			continue
		}
		o := timeline.Outcall{Method: t.method, Status: t.status, Error: texts[i], Ended: timeline.Complete}
		if t.status == 0 {
			if o.Ended = d.outcome(r.errorRules(), t.err); o.Ended == timeline.OutcomeUnknown {
				return
			}
		}
		var p callParts
		p.url(t.url)
		o.Peer, o.Target = p.peer, p.target
		e.Calls = append(e.Calls, o)
		return
	}
}

// errorRules are those over the text of a call's error.
func (r *callRules) errorRules() []outcomeRule {
	if r == nil {
		return usualErrors()
	}
	return r.errors
}

// usualErrors are those of the logs of applications.
var usualErrors = sync.OnceValue(func() []outcomeRule {
	k, sp := &compiler{trusted: true}, &spec{Uses: "application"}
	k.take(sp)
	return k.calls(sp.Calls).errors
})

// A toldError is what the error of an HTTP client says of its call.
type toldError struct {
	method, url string
	status      int    // that was answered; 0: none
	err         string // why there was no answer that could be used
}

// readTold reads the error of an HTTP client in a text, with what the application wrote before it. What it quotes of an answer is not its
// own call.
func readTold(text string, m *matching) (toldError, bool) {
	if !strings.Contains(text, "http") || !strings.Contains(text, "://") {
		return toldError{}, false
	}
	for _, c := range told().calls {
		loc := c.re.find(text, m)
		if loc == nil {
			continue
		}
		if quotesAnswer.MatchString(text[:loc[0]]) {
			return toldError{}, false
		}
		t := toldError{method: strings.ToUpper(group(text, loc, c.method)), url: group(text, loc, c.url), err: group(text, loc, c.err)}
		t.status, _ = strconv.Atoi(group(text, loc, c.status))
		return t, true
	}
	return toldError{}, false
}

// quotesAnswer finds that what follows is what a callee answered.
var quotesAnswer = regexp.MustCompile(`(?i)["{]|rpc error|\bHTTP(?:/[\d.]+)? [1-5]\d\d\b|^[1-5]\d\d\b|\b(?:status|answer|respon|return|repl(?:y|ied)|said)`)

// toldRequest reads of which request a message of a failure is, if it names one and nothing else has told it.
func (d *decoding) toldRequest() {
	e := &d.ev
	if d.target != "" || e.Kind != timeline.LogRecord || e.Role != timeline.RoleApp && e.Role != timeline.RoleUnknown || e.Exception == nil && e.Severity != "error" || !strings.Contains(e.Body, "/") {
		return
	}
	if method, target, ok := readRequest(e.Body, &d.match); ok {
		if method != "" {
			d.method = method
			d.attrAt(attrMethod.name, attrMethod.slot, method)
		}
		d.urlTarget(target)
	}
}

// readRequest reads the request that a message names.
func readRequest(text string, m *matching) (method, target string, ok bool) {
	for _, t := range told().requests {
		if loc := t.re.find(text, m); loc != nil {
			return group(text, loc, t.method), group(text, loc, t.url), true
		}
	}
	return "", "", false
}

// group gives what the group of a match holds; "" where the expression has none or it took no part.
func group(text string, loc []int, n int) string {
	if n < 0 || loc[2*n] < 0 {
		return ""
	}
	return text[loc[2*n]:loc[2*n+1]]
}

// A telling is an expression by which a message tells of a call or a request, and the numbers of its groups, -1 for one that it
// has not.
type telling struct {
	re                       *expr
	method, url, status, err int
}

//go:embed told.yaml
var toldYAML []byte

// A toldSpec is an entry of told.yaml.
type toldSpec struct {
	By    string `yaml:"by"`
	Match string `yaml:"match"`
	Tests struct {
		Fires []struct {
			Text   string `yaml:"text"`
			Method string `yaml:"method"`
			URL    string `yaml:"url"`
			Status int    `yaml:"status"`
			Error  string `yaml:"error"`
		} `yaml:"fires"`
		Silent list `yaml:"silent"`
	} `yaml:"tests"`
}

type toldSpecs struct {
	Calls    []toldSpec `yaml:"calls"`
	Requests []toldSpec `yaml:"requests"`
}

func readToldSpecs() (sp toldSpecs, err error) {
	_, err = strictyaml.Decode("told.yaml", toldYAML, &sp)
	return sp, err
}

// tellings are the expressions of told.yaml.
type tellings struct{ calls, requests []telling }

var told = sync.OnceValue(func() tellings {
	sp, err := readToldSpecs()
	if err != nil {
		panic(err) // it is ours, and a test reads it
	}
	compile := func(specs []toldSpec, url string) []telling {
		var out []telling
		for _, s := range specs {
			re, err := compileExpr(s.Match)
			if err != nil {
				panic(fmt.Sprintf("told.yaml: %s: %v", s.By, err))
			}
			out = append(out, telling{re, re.group("method"), re.group(url), re.group("status"), re.group("error")})
		}
		return out
	}
	return tellings{compile(sp.Calls, "url"), compile(sp.Requests, "target")}
})
