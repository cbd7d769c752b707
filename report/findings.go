package report

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/rules"
	"github.com/correlatehq/correlate/timeline"
)

// findingsShown is how many findings are printed of a group, those least likely by chance; JSON has all.
const findingsShown = 2

// findingIndent is that of the findings below the row of their group.
const findingIndent = "               "

// findingTexts gives what is printed of findings, each cut where it is very long.
func findingTexts(fs []rules.Finding) []string {
	var out []string
	for _, f := range fs[:min(len(fs), findingsShown)] {
		s := f.Text
		if kept, cut := head(s, 300); cut > 0 {
			s = kept + cutNote(cut)
		}
		out = append(out, s)
	}
	return out
}

// groupTexts gives what is printed below the row of a group: its error, and its findings.
func groupTexts(g *correlate.Group) []string {
	var out []string
	if s := errorWords(g); s != "" {
		out = append(out, "error: "+s)
	}
	return append(out, findingTexts(g.Findings)...)
}

// errorWords gives the error of a group, cut where it is very long.
func errorWords(g *correlate.Group) string {
	s, cut := head(g.Error, 200)
	if cut > 0 {
		s += cutNote(cut)
	}
	return s
}

// successSentence says how many requests succeeded, as far as that is known, and how many of them were read.
func successSentence(d *correlate.Digest) string {
	n := math.Round(d.Succeeded.N)
	switch {
	case d.Sampled == 0:
		return ""
	case !d.Told:
		return fmt.Sprintf(" %s without failure %s read whole for comparison.", plural(d.Sampled, "request"), wasWere(d.Sampled))
	case d.Succeeded.Error == 0:
		return fmt.Sprintf(" %s succeeded, and %s read for comparison.", plural(int(n), "request"), wasWere(int(n)))
	}
	return fmt.Sprintf(" About %s succeeded; %s of them %s read for comparison.", estimateWords(d.Succeeded), thousands(d.Sampled), wasWere(d.Sampled))
}

// estimateWords writes an estimate with the digits that its error leaves: "41,000 ±900".
func estimateWords(e timeline.Estimate) string {
	n, err := e.Rounded()
	return thousands(n) + " ±" + thousands(err)
}

// mdFindings lists the findings of all groups.
func mdFindings(b *bytes.Buffer, d *correlate.Digest) {
	var points []string
	for _, s := range findingTexts(d.Findings) {
		points = append(points, "All of them: "+mdText(s))
	}
	for _, g := range d.Groups {
		if texts := findingTexts(g.Findings); len(texts) > 0 {
			points = append(points, mdText(groupWords(g))+": "+mdText(strings.Join(texts, "; ")))
		}
	}
	mdList(b, "What sets them apart from what succeeded", points)
}

// groupWords names a group in a few words: "9 × edge-1, body_too_large of orders".
func groupWords(g *correlate.Group) string {
	s := thousands(len(g.Cases)) + " × " + orUnknown(g.Origin)
	if g.CauseClass != "" {
		s += ", " + g.CauseClass
	}
	if g.Component != "" {
		s += " of " + g.Component
	}
	return s
}

type findingJSON struct {
	Rule      string     `json:"rule"`
	Text      string     `json:"text"`
	Feature   string     `json:"feature"`
	Value     string     `json:"value,omitempty"`
	Effect    effectJSON `json:"effect"`
	P         float64    `json:"p"` // corrected for all comparisons
	Failed    countJSON  `json:"failed"`
	Succeeded shareJSON  `json:"succeeded"`
}

type effectJSON struct {
	Kind  string  `json:"kind"`
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

type countJSON struct {
	N  int `json:"n"`
	Of int `json:"of"`
}

type shareJSON struct {
	N         float64   `json:"n"`
	Of        float64   `json:"of"`
	Estimated bool      `json:"estimated"`
	Error     float64   `json:"error"`    // of n
	OfError   float64   `json:"of_error"` // of of
	Sampled   countJSON `json:"sampled"`  // on which it rests
}

func findingsJSON(fs []rules.Finding) []findingJSON {
	out := []findingJSON{}
	for _, f := range fs {
		s := f.Succeeded
		out = append(out, findingJSON{
			Rule: f.Rule, Text: valid(f.Text), Feature: f.Feature, Value: valid(f.Value), P: significant(f.P),
			Effect: effectJSON{f.Effect.Kind, round(f.Effect.Value, 1e4), round(f.Effect.Low, 1e4), round(f.Effect.High, 1e4)},
			Failed: countJSON{f.Failed.N, f.Failed.Of},
			Succeeded: shareJSON{round(s.N.N, 1), round(s.Of.N, 1), s.Estimated, round(s.N.Error, 1), round(s.Of.Error, 1),
				countJSON{s.SampledN, s.SampledOf}},
		})
	}
	return out
}

// significant rounds a chance to two digits.
func significant(p float64) float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(p, 'e', 1, 64), 64)
	if err != nil || math.IsNaN(short) {
		return 0
	}
	return short
}

type populationJSON struct {
	Population populationBody `json:"population"`
}

// populationBody tells of all requests: those that failed, and those that did not.
type populationBody struct {
	Failed    int           `json:"failed"`
	Succeeded successJSON   `json:"succeeded"`
	Findings  []findingJSON `json:"findings"`
}

type successJSON struct {
	N         *float64 `json:"n,omitempty"` // left out if it is not known how many there were
	Estimated bool     `json:"estimated"`
	Error     float64  `json:"error"`
	Sampled   int      `json:"sampled"`
}

func population(d *correlate.Digest) populationJSON {
	s := successJSON{Estimated: d.Told && d.Succeeded.Error > 0, Sampled: d.Sampled}
	if d.Told {
		n := round(d.Succeeded.N, 1)
		s.N, s.Error = &n, round(d.Succeeded.Error, 1)
	}
	return populationJSON{populationBody{len(d.Cases), s, findingsJSON(d.Findings)}}
}
