package rules

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/correlatehq/correlate/internal/strictyaml"
)

// A populationCase is a small population and what a rule of scope batch is to say of it.
type populationCase struct {
	name, population, pos string
	none                  bool   // it must say nothing
	want                  string // else its text holds this
}

// populations checks the cases of a rule of scope batch.
func (c *ruleChecker) populations(r *batchRule, files []caseFile) {
	fires, silent := 0, 0
	for i, f := range files {
		path := []string{"tests", strconv.Itoa(i)}
		in := func(key string) []string { return append(slices.Clone(path), key) }
		if f.Name == "" {
			c.at(path, "the case has no name")
		}
		if f.Hops != "" {
			c.at(in("hops"), "a case of a rule of scope batch has a population and no hops")
		}
		if _, _, err := parsePopulation(f.Population); err != nil {
			line, col := c.hopsPlace(in("population"), err)
			c.errs = append(c.errs, &strictyaml.Error{File: c.file, Line: line, Col: col, What: "population: " + err.what})
		}
		if f.Want.Kind != yaml.ScalarNode || f.Want.Value == "" {
			c.at(in("want"), "no want: a part of the text, or none")
		}
		k := &populationCase{name: f.Name, population: f.Population, pos: position(c.file, c.root, in("want")), none: f.Want.Value == "none", want: f.Want.Value}
		if k.none {
			silent++
		} else {
			fires++
		}
		r.cases = append(r.cases, k)
	}
	if fires == 0 {
		c.at([]string{"tests"}, "no case in which the rule says something")
	}
	if silent == 0 {
		c.at([]string{"tests"}, "no case in which the rule must say nothing")
	}
}

// Bounds of a case: requests of one line, and for how many one stands.
const (
	caseMost       = 100_000
	caseWeightMost = 1_000_000
)

// parsePopulation reads the notation of a case, which README.md explains: lines of "failed 9 http.route=/a" and "succeeded 400 x10 http.route=/a time=0..60".
func parsePopulation(text string) (failed, succeeded *people, err *notationError) {
	failed, succeeded = newPeople(), newPeople()
	for i, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		words, what := splitWords(strings.TrimSpace(line))
		if what == "" {
			switch {
			case words[0] == "failed":
				what = failed.line(words[1:])
			case words[0] == "succeeded":
				what = succeeded.line(words[1:])
			default:
				what = fmt.Sprintf("%q stands where failed or succeeded is wanted", words[0])
			}
		}
		if what != "" {
			return nil, nil, &notationError{i + 1, what}
		}
	}
	if len(failed.weights) == 0 {
		return nil, nil, &notationError{1, "no failed request"}
	}
	return failed.whole(), succeeded.whole(), nil
}

func newPeople() *people { return &people{known: map[string]*column{}} }

// line adds the requests of a line.
func (p *people) line(words []string) string {
	if len(words) == 0 {
		return "how many are they?"
	}
	n, err := strconv.Atoi(words[0])
	if err != nil || n < 1 || n > caseMost {
		return fmt.Sprintf("%q is no number of requests from 1 to %d", words[0], caseMost)
	}
	words = words[1:]
	weight := 1.0
	if len(words) > 0 && strings.HasPrefix(words[0], "x") && !strings.Contains(words[0], "=") {
		if weight, err = strconv.ParseFloat(words[0][1:], 64); err != nil || !(weight >= 1 && weight <= caseWeightMost) {
			return fmt.Sprintf("%q is no weight: x and a number from 1 on", words[0])
		}
		words = words[1:]
	}
	from := len(p.weights)
	p.weights = append(p.weights, slices.Repeat([]float64{weight}, n)...)
	for _, w := range words {
		name, v, ok := strings.Cut(w, "=")
		f := featureOf(name)
		if !ok || f == nil {
			return fmt.Sprintf("%q is no feature with its value", w)
		}
		col := p.known[name]
		if col == nil {
			col = &column{}
			p.known[name] = col
		}
		if f.number == nil {
			col.texts = append(col.texts, slices.Repeat([][]string{nil}, from-len(col.texts))...)
			col.texts = append(col.texts, slices.Repeat([][]string{{v}}, n)...)
			continue
		}
		col.numbers = append(col.numbers, slices.Repeat([]float64{math.NaN()}, from-len(col.numbers))...)
		numbers, what := numbersOf(f, v, n)
		if what != "" {
			return what
		}
		col.numbers = append(col.numbers, numbers...)
	}
	return ""
}

// numbersOf spreads a range evenly over n requests. Moments are seconds since the beginning of the case; "before" is what was before the logs begin.
func numbersOf(f *feature, text string, n int) ([]float64, string) {
	if text == "before" {
		return slices.Repeat([]float64{math.Inf(-1)}, n), ""
	}
	a, b, ok := strings.Cut(text, "..")
	if !ok {
		b = a
	}
	lo, err := strconv.ParseFloat(a, 64)
	hi, err2 := strconv.ParseFloat(b, 64)
	if err != nil || err2 != nil || !(math.Abs(lo) < 1e12 && math.Abs(hi) < 1e12) {
		return nil, fmt.Sprintf("%q is no number and no range such as 10..20", text)
	}
	if f.moment {
		epoch := float64(caseEpoch.Unix())
		lo, hi = lo+epoch, hi+epoch
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = lo
		if n > 1 {
			out[i] += (hi - lo) * float64(i) / float64(n-1)
		}
	}
	return out, ""
}

// whole fills up the columns of what the last lines did not tell.
func (p *people) whole() *people {
	for name, c := range p.known {
		if featureOf(name).number != nil {
			c.numbers = append(c.numbers, slices.Repeat([]float64{math.NaN()}, len(p.weights)-len(c.numbers))...)
		} else {
			c.texts = append(c.texts, slices.Repeat([][]string{nil}, len(p.weights)-len(c.texts))...)
		}
	}
	return p
}

// runPopulation runs a case of a rule with all rules of scope batch.
func (s *Set) runPopulation(ctx context.Context, rule string, k *populationCase) CaseResult {
	out := CaseResult{Failure: Failure{Rule: rule, Case: k.name, Pos: k.pos}}
	failed, succeeded, nerr := parsePopulation(k.population)
	if nerr != nil {
		out.What = nerr.what
		return out
	}
	all, err := s.compare(ctx, failed, succeeded)
	if err != nil {
		out.What = err.Error()
		return out
	}
	correct([][]tried{all})
	fs, err := found(all, true)
	if err != nil {
		out.What = err.Error()
		return out
	}
	var said []string
	for _, f := range fs {
		if f.Rule == rule {
			said = append(said, f.Text)
		}
	}
	switch text := strings.Join(said, "; "); {
	case k.none && len(said) > 0:
		out.What = fmt.Sprintf("it says %q and must say nothing", text)
	case !k.none && len(said) == 0:
		out.What = fmt.Sprintf("it says nothing, want %q", k.want)
	case !k.none && !strings.Contains(text, k.want):
		out.What = fmt.Sprintf("it says %q, want it to contain %q", text, k.want)
	}
	return out
}
