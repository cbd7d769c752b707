package rules

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/correlatehq/correlate/timeline"
)

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within || math.IsNaN(got) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestExcess(t *testing.T) {
	// Fisher's tea: 3 of 4 cups, by enumeration 17/70.
	near(t, "tea", excess([]table{{3, 4, 1, 4}}), 17.0/70, 1e-9)
	near(t, "all four", excess([]table{{4, 4, 0, 4}}), 1.0/70, 1e-9)
	// Two strata of it, of all 8: each is right with 1/70, and they are independent.
	near(t, "both all four", excess([]table{{4, 4, 0, 4}, {4, 4, 0, 4}}), 1.0/4900, 1e-12)
	// 7 or 8 of 8 right: 1/4900 + 2*(16/70)*(1/70).
	near(t, "one wrong", excess([]table{{4, 4, 0, 4}, {3, 4, 1, 4}}), 33.0/4900, 1e-12)
	if p := excess([]table{{9, 9, 50, 50}, {0, 3, 0, 400}}); p != 1 {
		t.Errorf("strata that tell nothing give %v, want 1", p)
	}
	if p := excess(nil); p != 1 {
		t.Errorf("nothing gives %v, want 1", p)
	}
	// The normal distribution takes over where the exact one is still known.
	exact := excess([]table{{90, exactMost, 400, 2000}})
	normal := excess([]table{{90.0 * (exactMost + 1) / exactMost, exactMost + 1, 400, 2000}})
	if math.Abs(math.Log(exact/normal)) > 0.2 {
		t.Errorf("the exact chance is %v and the normal one %v", exact, normal)
	}
}

func TestIntervals(t *testing.T) {
	// Newcombe 1998, table II, example (a): 56/70 and 48/80, method 10.
	d, low, high := table{56, 70, 48, 80}.difference()
	near(t, "difference", d, 0.2, 1e-9)
	near(t, "low", low, 0.0524, 1e-4)
	near(t, "high", high, 0.3339, 1e-4)
	// Example (e): 10/10 and 0/10 give 0.6075 to 1 by the intervals without continuity correction.
	_, low, high = table{10, 10, 0, 10}.difference()
	near(t, "low", low, 0.6075, 1e-4)
	near(t, "high", high, 1, 1e-9)
}

func TestUpperBinomial(t *testing.T) {
	near(t, "at least 2 of 3 heads", upperBinomial(3, 2, 0.5), 0.5, 1e-12)
	near(t, "5 of 5 sixes", upperBinomial(5, 5, 1.0/6), math.Pow(6, -5), 1e-15)
	near(t, "at least none", upperBinomial(5, 0, 0.1), 1, 0)
}

func TestHolm(t *testing.T) {
	got := holm([]float64{0.01, 0.04, 0.03, 0.005})
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} {
		near(t, fmt.Sprintf("p %d", i), got[i], want, 1e-12)
	}
	if holm(nil) == nil {
		t.Error("no p gives nil")
	}
}

func TestRises(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	low := 0
	for range 1000 {
		// Two series that go up and down slowly, and have nothing to do with each other.
		x, y := make([]float64, 40), make([]float64, 40)
		for i := range x {
			if i > 0 {
				x[i], y[i] = 0.8*x[i-1], 0.8*y[i-1]
			}
			x[i] += rnd.NormFloat64()
			y[i] += rnd.NormFloat64()
		}
		if rises(x, y) < 0.01 {
			low++
		}
	}
	if low > 30 { // 10 would be the nominal number
		t.Errorf("%d of 1000 pairs of unrelated series rise together at the level of 0.01", low)
	}
	x, y := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13}
	slices.Reverse(y)
	if p := rises(x, y); p < 0.9 {
		t.Errorf("what goes down rises with a chance of %v", p)
	}
}

// A world makes populations of which it is known what sets the failed requests apart.
type world struct {
	rnd               *rand.Rand
	failed, succeeded int
	weight            float64
	fault             string // what sets them apart; "" if nothing does
}

func (w *world) population() (failed, succeeded *people) {
	failed, succeeded = newPeople(), newPeople()
	for range w.succeeded {
		w.request(succeeded, false)
	}
	for range w.failed {
		w.request(failed, true)
	}
	return failed, succeeded
}

// request adds a request of a shop with three routes, two instances of which one serves uploads more often, a restart in the middle, and a third party.
func (w *world) request(p *people, failed bool) {
	for {
		at := w.rnd.Float64() * 6 * 3600
		route := []string{"GET /a", "GET /a", "GET /b", "POST /upload"}[w.rnd.IntN(4)]
		size, host := 0.0, "app-1"
		if route == "POST /upload" {
			size = math.Exp(w.rnd.Float64()*6) * 300
		}
		if w.rnd.Float64() < 0.45 || route == "POST /upload" && w.rnd.Float64() < 0.6 {
			host = "app-2"
		}
		started := math.Inf(-1)
		if host == "app-2" && at > 3*3600 {
			started = 3 * 3600
		}
		client := fmt.Sprintf("203.0.113.%.0f", math.Exp(w.rnd.Float64()*5)) // a few send much
		address := ""
		if w.rnd.Float64() < 0.2 {
			address = "198.51.100.7:443"
		}
		wait := math.Exp(w.rnd.NormFloat64()) * 0.02
		if failed {
			switch w.fault {
			case "only_one_route":
				if route != "GET /b" {
					continue
				}
			case "only_one_instance":
				if host != "app-2" {
					continue
				}
			case "only_large_bodies":
				if size < 65536 {
					continue
				}
			case "since_start":
				if started < 0 {
					continue
				}
			case "only_one_address":
				if address == "" {
					continue
				}
			case "only_one_client":
				if client != "203.0.113.20" {
					continue
				}
			case "recurs":
				if at = math.Mod(at, 3600); at < 1700 || at > 1740 {
					continue
				}
				at += 3600 * float64(w.rnd.IntN(6))
			case "steady_wait":
				wait = 1 + w.rnd.Float64()*0.004
			}
		} else if w.fault == "only_large_bodies" && size >= 65536 {
			continue
		}
		texts := map[string]string{"http.route": route, "origin.instance": host, "origin.address": address, "client.address": client}
		numbers := map[string]float64{"time": at, "http.request.body.size": size, "origin.started": started, "origin.wait": wait}
		weight := w.weight
		if failed {
			weight = 1
		}
		p.weights = append(p.weights, weight)
		for k, v := range texts {
			if p.known[k] == nil {
				p.known[k] = &column{}
			}
			p.known[k].texts = append(p.known[k].texts, []string{v})
		}
		for k, v := range numbers {
			if p.known[k] == nil {
				p.known[k] = &column{}
			}
			p.known[k].numbers = append(p.known[k].numbers, v)
		}
		return
	}
}

// TestPower says how often what sets failed requests apart is found, and how often something is said that does not, in populations of which it is known.
func TestPower(t *testing.T) {
	const tries = 60
	for _, c := range []struct {
		fault  string
		failed int
		found  float64 // at least
	}{
		{"", 4, 0}, {"", 12, 0}, {"", 60, 0}, {"", 300, 0},
		{"only_one_route", 12, 0.9}, {"only_one_instance", 40, 0.9}, {"only_large_bodies", 9, 0.9}, {"since_start", 30, 0.8}, {"only_one_address", 12, 0.9},
		{"steady_wait", 6, 0.9}, {"only_one_client", 8, 0.9}, {"recurs", 20, 0.9},
	} {
		found, wrong := 0, map[string]int{}
		for i := range tries {
			w := &world{rnd: rand.New(rand.NewPCG(uint64(i), 7)), failed: c.failed, succeeded: 600, weight: 20, fault: c.fault}
			for _, f := range w.findings(t) {
				switch {
				case f.Rule == c.fault:
					found++
				// Large bodies are all of one route, the restart is of one instance, and app-2 serves uploads more.
				case c.fault == "only_large_bodies" && f.Value == "POST /upload", c.fault == "since_start" && f.Value == "app-2":
				default:
					wrong[f.Text]++
				}
			}
		}
		if float64(found) < c.found*tries {
			t.Errorf("%s with %d failures is found in %d of %d populations", c.fault, c.failed, found, tries)
		}
		n := 0
		for _, k := range wrong {
			n += k
		}
		if n > 1 {
			t.Errorf("%q with %d failures: wrong in %d of %d populations: %v", c.fault, c.failed, n, tries, wrong)
		}
	}
}

func (w *world) findings(t *testing.T) []Finding {
	failed, succeeded := w.population()
	all, err := Builtin().compare(t.Context(), failed, succeeded)
	if err != nil {
		t.Fatal(err)
	}
	correct([][]tried{all})
	fs, err := found(all, true)
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

func TestCountWords(t *testing.T) {
	a := &answer{failed: [2]int{38, 39}}
	for i := range 1400 {
		a.of.Add(29)
		if i < 14 {
			a.n.Add(29)
		}
	}
	for told, want := range map[bool]string{true: "38 of 39 failures, 1 % of about 41,000 successes", false: "38 of 39 failures, 1 % of 40,600 successes that were read"} {
		if got := a.countWords(told); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestNoSuccess(t *testing.T) {
	j := Judged{Request: &timeline.Request{Hops: []*timeline.Hop{{Service: "a"}}}, Verdict: &Verdict{}}
	fs, err := Builtin().JudgeBatch(t.Context(), &Population{Groups: [][]Judged{slices.Repeat([]Judged{j}, 50)}, Told: true})
	if err != nil || len(fs.Common) > 0 || len(fs.Groups) != 1 || len(fs.Groups[0]) > 0 {
		t.Errorf("got %v, %v", fs, err)
	}
	if fs, err := Builtin().JudgeBatch(t.Context(), &Population{}); err != nil || len(fs.Groups) > 0 {
		t.Errorf("of nothing: %v, %v", fs, err)
	}
}

func TestBadPopulations(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "no failed request",
		"succeeded 3":                   "no failed request",
		"broken 3":                      `"broken" stands where`,
		"failed":                        "how many",
		"failed 0":                      "no number of requests",
		"failed 999999999":              "no number of requests",
		"failed 3 x0":                   "no weight",
		"failed 3 http.rout=a":          "no feature",
		"failed 3 time=a..b":            "no number and no range",
		"failed 3 time=1e300":           "no number and no range",
		`failed 3 http.route="GET /a`:   "a quote is not closed",
		"failed 3 time=1\nfailed 2 x=1": "no feature",
	} {
		if _, _, err := parsePopulation(text); err == nil || !strings.Contains(err.what, want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
