package rules

import (
	"encoding/csv"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/correlatehq/correlate/internal/strictyaml"
)

// A catalogueRow is one documented signal of testdata/catalogue.csv.
type catalogueRow struct {
	id, system, field, pattern, kind, cause, origin string
}

// matches says whether the row's own pattern finds a text.
func (r *catalogueRow) matches(t *testing.T, text string) bool {
	switch r.kind {
	case "exact":
		return text == r.pattern
	case "substring":
		return strings.Contains(text, r.pattern)
	}
	re, err := regexp.Compile(r.pattern)
	if err != nil {
		t.Fatalf("catalogue.csv: %s: %v", r.id, err)
	}
	return re.MatchString(text)
}

func readCatalogue(t *testing.T) []catalogueRow {
	t.Helper()
	f, err := os.Open("testdata/catalogue.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range records[0] {
		column[name] = i
	}
	var rows []catalogueRow
	for _, r := range records[1:] {
		rows = append(rows, catalogueRow{
			r[column["id"]], r[column["system"]], r[column["field"]], r[column["pattern"]], r[column["pattern_kind"]], r[column["cause_class"]], r[column["origin"]],
		})
	}
	return rows
}

// A catalogueTable is a file of testdata/catalogue: how one system of the catalogue
// relates to the signal tables.
type catalogueTable struct {
	System string `yaml:"system"` // of the catalogue
	// Fields says where each field of the catalogue stands in the records as they are
	// read: "SYSTEM FIELD", or "applications FIELD".
	Fields map[string][]string `yaml:"fields"`
	// Corrections are the rows with which the signals do not agree.
	Corrections []correction `yaml:"corrections"`
	// Pointings are the rows whose signals point elsewhere than the row's origin, which says where the fault lies as seen from the writer.
	Pointings []pointing `yaml:"pointings"`
}

type pointing struct {
	IDs    []string `yaml:"ids"`
	Reason string   `yaml:"reason"`
	Source string   `yaml:"source"`
}

type correction struct {
	ID     string   `yaml:"id"`
	What   []string `yaml:"what"` // what is wrong or too coarse: cause, pattern, field; absent if no signal can stand for it
	Reason string   `yaml:"reason"`
	Source string   `yaml:"source"`
}

func readCatalogueTables(t *testing.T) map[string]*catalogueTable {
	t.Helper()
	files, err := filepath.Glob("testdata/catalogue/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]*catalogueTable{}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		c := &catalogueTable{}
		if _, err := strictyaml.Decode(name, data, c); err != nil {
			t.Fatal(err)
		}
		if c.System == "" || tables[c.System] != nil {
			t.Errorf("%s: every system has one file, with its name", name)
		}
		tables[c.System] = c
	}
	return tables
}

// Every row of the catalogue is covered by a signal of the right system and field that
// fires on a text which the row's own pattern finds, and that may mean the row's cause.
func TestCatalogue(t *testing.T) {
	tables := readCatalogueTables(t)
	covering := coveringSignals()
	rows := readCatalogue(t)
	known := map[string]bool{}
	missing := map[string]int{}
	used := map[*correction]bool{}
	for i := range rows {
		row := &rows[i]
		known[row.id] = true
		table := tables[row.system]
		if table == nil {
			missing[row.system]++
			continue
		}
		c := table.correction(row.id)
		used[c] = true
		if what := uncovered(t, row, covering[row.id], table.Fields[row.field], c); what != "" {
			t.Errorf("%s: %s", row.id, what)
		}
		agrees := len(covering[row.id]) == 0 || slices.ContainsFunc(covering[row.id], func(s *Signal) bool { return s.Points == row.origin })
		elsewhere := slices.ContainsFunc(table.Pointings, func(p pointing) bool { return slices.Contains(p.IDs, row.id) })
		if agrees == elsewhere {
			t.Errorf("%s: its origin %s is where its signal points: %v, said to be elsewhere: %v", row.id, row.origin, agrees, elsewhere)
		}
	}
	for id, signals := range covering {
		if !known[id] && slices.Contains(signals[0].Covers, id) {
			t.Errorf("%s covers %s, which the catalogue does not have", signals[0].Pos, id)
		}
	}
	for _, table := range tables {
		for i := range table.Corrections {
			c := &table.Corrections[i]
			if !used[c] {
				t.Errorf("%s: the catalogue has no such row of %s, or it is corrected twice", c.ID, table.System)
			}
			if len(c.What) == 0 || c.Reason == "" || c.Source == "" {
				t.Errorf("%s: a correction needs what, reason and source", c.ID)
			}
		}
		for _, p := range table.Pointings {
			for _, id := range p.IDs {
				if !known[id] {
					t.Errorf("%s: the catalogue has no such row of %s", id, table.System)
				}
			}
			if len(p.IDs) == 0 || p.Reason == "" || p.Source == "" {
				t.Errorf("%v: what points elsewhere needs ids, reason and source", p.IDs)
			}
		}
	}
	for _, system := range slices.Sorted(maps.Keys(missing)) {
		t.Errorf("no table for %s, %d rows", system, missing[system])
	}
}

func (c *catalogueTable) correction(id string) *correction {
	for i := range c.Corrections {
		if c.Corrections[i].ID == id {
			return &c.Corrections[i]
		}
	}
	return nil
}

// coveringSignals gives the signals that say to cover each row, by its ID.
func coveringSignals() map[string][]*Signal {
	out := map[string][]*Signal{}
	for _, s := range Builtin().signals.all {
		out[s.ID] = append(out[s.ID], s)
		for _, id := range s.Covers {
			if id != s.ID {
				out[id] = append(out[id], s)
			}
		}
	}
	return out
}

// uncovered says what a row lacks to be covered; "" if nothing.
func uncovered(t *testing.T, row *catalogueRow, signals []*Signal, where []string, c *correction) string {
	absent := c != nil && slices.Contains(c.What, "absent")
	switch {
	case len(signals) == 0 && absent:
		return ""
	case len(signals) == 0:
		return "no signal covers it"
	case absent:
		return "it is said to have no signal, and " + signals[0].ID + " covers it"
	}
	if len(where) == 0 {
		return "its table does not say where " + row.field + " stands"
	}
	corrected := func(what string) bool { return c != nil && slices.Contains(c.What, what) }
	standing := slices.DeleteFunc(slices.Clone(signals), func(s *Signal) bool {
		return !slices.ContainsFunc(where, func(place string) bool {
			system, field, _ := strings.Cut(place, " ")
			return s.Field == field && (slices.Contains(s.Systems, system) || system == "applications" && s.Applications)
		})
	})
	stands := len(standing) > 0
	if !stands {
		standing = signals
	}
	found := slices.ContainsFunc(standing, func(s *Signal) bool {
		return slices.ContainsFunc(s.fires, func(text string) bool { return row.matches(t, text) })
	})
	means := slices.ContainsFunc(standing, func(s *Signal) bool { return slices.Contains(s.MayMean, row.cause) })
	for _, check := range []struct {
		what      string
		agrees    bool
		complaint string
	}{
		{"field", stands, "its signal " + signals[0].ID + " stands in another field or system than " + strings.Join(where, " or ")},
		{"pattern", found, "no text on which " + standing[0].ID + " fires is found by the row's pattern " + row.pattern},
		{"cause", means, "its cause " + row.cause + " is not among those of " + standing[0].ID},
	} {
		switch {
		case !check.agrees && !corrected(check.what):
			return check.complaint
		case check.agrees && corrected(check.what):
			return "its " + check.what + " is corrected, and the table agrees with it"
		}
	}
	return ""
}
