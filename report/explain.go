package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/clipperhouse/displaywidth"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/rules"
	"github.com/correlatehq/correlate/timeline"
)

// ExplainText writes how a verdict came about: the steps of its confidence, then what
// each rule made of each hop, with the value of each condition. Of hops other than the
// origin, rules that only nearly fired are shown where o is wide.
func ExplainText(w io.Writer, c *correlate.Case, x *rules.Explanation, o TextOptions) error {
	p := &printer{o: o}
	p.headline(c)
	p.buf.WriteByte('\n')
	p.steps(x.Verdict)
	p.explanation(x, o.Wide, true)
	return p.flush(w)
}

func (p *printer) steps(v *rules.Verdict) {
	if v == nil || len(v.Steps) == 0 {
		return
	}
	p.put(span{fmt.Sprintf("confidence %.2f, %s", v.Confidence, v.Certainty), bold})
	for _, s := range v.Steps {
		p.hanging(fmt.Sprintf("  %.3f  %s: ", s.Confidence, s.Factor), Visible(s.Why), plain)
	}
}

// explanation prints what the rules made of each hop; those that only nearly fired of all
// hops, of the origin alone, or of none.
func (p *printer) explanation(x *rules.Explanation, nearly, ofOrigin bool) {
	if len(x.Hops) == 0 {
		p.buf.WriteByte('\n')
		p.put(span{"no rule is asked of a request of which no hop is the origin of a failure; --rule NAME asks one of every hop", dim})
	}
	for _, h := range x.Hops {
		p.buf.WriteByte('\n')
		role := ""
		if h.Role != "" {
			role = " · the " + h.Role
		}
		p.put(span{hopWords(h.Hop), bold}, span{role, plain})
		hidden := 0
		for _, r := range h.Rules {
			if !r.Fired && !r.Wanted && !nearly && !(ofOrigin && h.Role == "origin") {
				hidden++
				continue
			}
			p.rule(r)
		}
		if hidden > 0 {
			p.put(span{"  and " + plural(hidden, "rule") + " of which one condition does not hold (-o wide)", dim})
		}
		if len(h.Rules) == 0 {
			p.put(span{"  no rule fired", dim})
		}
	}
}

// hopWords names a hop and its act: "orders on app-2 created 500".
func hopWords(h *timeline.Hop) string {
	s := Visible(where(h))
	if h.Lineage != timeline.LineageUnknown {
		s += " " + h.Lineage.String()
	}
	if st := h.Status(); st.Known() {
		s += " " + st.String()
	}
	return s
}

func (p *printer) rule(r rules.RuleExplained) {
	what, st := "nearly ", dim
	switch {
	case r.Decides:
		what, st = "decides", red
	case r.Fired:
		what, st = "fired  ", plain
	case r.Wanted:
		what, st = "asked  ", plain
	}
	s := r.CauseClass
	if r.Component != "" {
		s += " of " + r.Component
	}
	s += ", rests on " + strings.Join(r.RestsOn, ", ")
	if r.Fallback {
		s += ", fallback"
	}
	if r.Passed != "" {
		s += "; " + r.Passed
	}
	var at []string
	for _, e := range r.Evidence {
		at = append(at, e.Pos.String())
	}
	if len(at) > 0 {
		s += " [" + strings.Join(at, ", ") + "]"
	}
	p.hanging("  "+what+"  "+r.Name+"  ", Visible(s), st)
	p.conditions("    ", r.Conditions)
}

func (p *printer) conditions(indent string, list []rules.Condition) {
	for _, c := range list {
		value, st := "no ", dim
		if c.Holds {
			value, st = "yes", plain
		}
		text := c.Text
		switch {
		case c.How == "all" || c.How == "any":
			text = c.How + " of:"
		case c.Err != "":
			text += "   " + c.Err
		case len(c.Seen) > 0:
			var seen []string
			for _, s := range c.Seen {
				seen = append(seen, s.Text+" = "+s.Value)
			}
			text += "   (" + strings.Join(seen, ", ") + ")"
		}
		p.hanging(indent+value+"  ", Visible(text), st)
		p.conditions(indent+"  ", c.Parts)
	}
}

// hanging prints words that wrap behind what begins them.
func (p *printer) hanging(begin, s string, st style) {
	room := max(p.width()-displaywidth.String(begin), lineCols/2)
	for _, l := range wrap(s, room) {
		p.put(span{begin, st}, span{l, st})
		begin = strings.Repeat(" ", displaywidth.String(begin))
	}
}

// explainJSON is an explanation as JSON, beside the case.
type explainJSON struct {
	*caseJSON
	Confidence []stepOfJSON     `json:"confidence_steps"`
	Explained  []hopExplainJSON `json:"rules"`
}

type stepOfJSON struct {
	Factor     string  `json:"factor"`
	Why        string  `json:"why"`
	Confidence float64 `json:"confidence"`
}

type hopExplainJSON struct {
	Hop   int               `json:"hop"`
	Role  string            `json:"role"`
	Rules []ruleExplainJSON `json:"rules"`
}

type ruleExplainJSON struct {
	Rule       string          `json:"rule"`
	CauseClass string          `json:"cause_class"`
	RestsOn    []string        `json:"rests_on"`
	Fallback   bool            `json:"fallback,omitempty"`
	Fired      bool            `json:"fired"`
	Decides    bool            `json:"decides"`
	Passed     string          `json:"passed,omitempty"` // why it does not decide although it fired
	Component  string          `json:"component,omitempty"`
	Evidence   []evidenceJSON  `json:"evidence"`
	Conditions []conditionJSON `json:"conditions"`
}

type conditionJSON struct {
	Text  string          `json:"text"`
	Holds bool            `json:"holds"`
	Error string          `json:"error,omitempty"`
	Seen  []seenJSON      `json:"seen,omitempty"`
	How   string          `json:"how,omitempty"` // all, any or not of parts
	Parts []conditionJSON `json:"parts,omitempty"`
}

type seenJSON struct {
	Text  string `json:"text"`
	Value string `json:"value"`
}

// ExplainJSON writes the case by the contract correlate/v1 with the explanation in it.
func ExplainJSON(w io.Writer, c *correlate.Case, x *rules.Explanation, o JSONOptions) error {
	out := &explainJSON{caseJSON: caseValue(c, o), Confidence: []stepOfJSON{}, Explained: []hopExplainJSON{}}
	for _, s := range x.Verdict.Steps {
		out.Confidence = append(out.Confidence, stepOfJSON{s.Factor, valid(s.Why), s.Confidence})
	}
	for _, h := range x.Hops {
		j := hopExplainJSON{Hop: h.Hop.ID, Role: h.Role, Rules: []ruleExplainJSON{}}
		for _, r := range h.Rules {
			j.Rules = append(j.Rules, ruleExplainJSON{Rule: r.Name, CauseClass: r.CauseClass, RestsOn: r.RestsOn, Fallback: r.Fallback, Fired: r.Fired,
				Decides: r.Decides, Passed: valid(r.Passed), Component: valid(r.Component), Evidence: evidenceValues(r.Evidence), Conditions: conditionValues(r.Conditions)})
		}
		out.Explained = append(out.Explained, j)
	}
	return encode(w, out, "  ")
}

func conditionValues(list []rules.Condition) []conditionJSON {
	out := []conditionJSON{}
	for _, c := range list {
		j := conditionJSON{Text: valid(c.Text), Holds: c.Holds, Error: valid(c.Err), How: c.How}
		for _, s := range c.Seen {
			j.Seen = append(j.Seen, seenJSON{valid(s.Text), valid(s.Value)})
		}
		if len(c.Parts) > 0 {
			j.Parts = conditionValues(c.Parts)
		}
		out = append(out, j)
	}
	return out
}

// TestText writes what came out of the cases of rules: each that failed, explained hop by
// hop, then what no case tries, then the sum.
func TestText(w io.Writer, run *rules.TestRun, rulesRun int, o TextOptions) error {
	p := &printer{o: o}
	failed := 0
	for i := range run.Cases {
		c := &run.Cases[i]
		if c.What == "" {
			continue
		}
		failed++
		p.put(span{Visible(c.Failure.String()), red})
		p.failedCase(c)
	}
	if failed > 0 {
		p.buf.WriteByte('\n')
	}
	name := "no case"
	for _, r := range run.Undecided {
		name = p.label(name, r+" decides none")
	}
	for _, c := range run.NeverTrue {
		name = p.label(name, "in which a condition of "+c.Rule+" holds: "+c.Text)
	}
	for _, c := range run.NeverFalse {
		name = p.label(name, "in which a condition of "+c.Rule+" does not hold: "+c.Text)
	}
	p.put(span{fmt.Sprintf("%d of %s decide a case, %d of %s hold in one case and not in another", run.Decided, plural(run.Rules, "rule"), run.Tried, plural(run.Conditions, "condition")), plain})
	p.put(span{fmt.Sprintf("%s, %s, %d failed", plural(rulesRun, "rule"), plural(len(run.Cases), "case"), failed), plain})
	return p.flush(w)
}

// failedCase prints the hops of a case, what was said of it, and what the rules made of it.
func (p *printer) failedCase(c *rules.CaseResult) {
	if c.Explanation == nil {
		return
	}
	for _, h := range c.Request.Hops {
		s := "  " + strings.Repeat("  ", min(h.Depth, 12)) + hopWords(h)
		if f := h.FailedBy; f != nil {
			s += ", by its call to " + orUnknown(f.Peer)
			if f.Ended != timeline.OutcomeUnknown {
				s += " (" + f.Ended.String() + ")"
			}
		}
		if h.HandledByCaller {
			s += ", handled by its caller"
		}
		p.put(span{Visible(s), plain})
	}
	if v := c.Verdict; v != nil {
		p.hanging("  verdict  ", Visible(summary(v)), plain)
	}
	p.explanation(c.Explanation, p.o.Wide, false)
}

// JUnit writes what came out of the cases of rules as JUnit's XML, a suite for each rule
// or file of cases.
func JUnit(w io.Writer, run *rules.TestRun) error {
	type failure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	type testcase struct {
		Name    string   `xml:"name,attr"`
		Class   string   `xml:"classname,attr"`
		File    string   `xml:"file,attr"`
		Failure *failure `xml:"failure,omitempty"`
	}
	type suite struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Cases    []testcase `xml:"testcase"`
	}
	type suites struct {
		XMLName  xml.Name `xml:"testsuites"`
		Name     string   `xml:"name,attr"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Suites   []*suite `xml:"testsuite"`
	}
	out := suites{Name: "rules"}
	for i := range run.Cases {
		c := &run.Cases[i]
		file, _, _ := strings.Cut(c.Pos, ":")
		class := c.Rule
		if class == "" {
			class = file
		}
		class = Visible(class)
		if n := len(out.Suites); n == 0 || out.Suites[n-1].Name != class {
			out.Suites = append(out.Suites, &suite{Name: class})
		}
		s := out.Suites[len(out.Suites)-1]
		t := testcase{Name: Visible(c.Case), Class: class, File: Visible(file)}
		if c.What != "" {
			p := &printer{o: TextOptions{}}
			p.failedCase(c)
			t.Failure = &failure{Visible(c.What), p.buf.String()}
			s.Failures++
			out.Failures++
		}
		s.Tests++
		out.Tests++
		s.Cases = append(s.Cases, t)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(out); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
