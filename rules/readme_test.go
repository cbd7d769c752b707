package rules

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/correlatehq/correlate/internal/golden"
)

// TestReadme compares the parts of README.md that stand between marks with what they tell
// of: the scheme of confidence, what a check may name, the rules. -update writes them anew.
func TestReadme(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(page), "\r\n", "\n")
	for name, part := range map[string]string{"scheme": schemeTable(), "placeholders": placeholderTable(), "rules": ruleTable(), "features": featureTable(), "comparisons": comparisonTable()} {
		begin, end := "<!-- "+name+", by make update -->\n", "<!-- end of "+name+" -->"
		before, rest, ok := strings.Cut(text, begin)
		_, after, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("README.md has no %q with its end", strings.TrimSpace(begin))
		}
		text = before + begin + "\n" + part + "\n" + end + after
	}
	golden.Compare(t, "README.md", []byte(text))
}

func schemeTable() string {
	var b strings.Builder
	b.WriteString("| factor | | | when |\n|---|---|---:|---|\n")
	for _, f := range scheme {
		fmt.Fprintf(&b, "| `%s` | %s | %v | %s |\n", f.name, f.acts, f.value, f.doc)
	}
	b.WriteString("\n| weight from | confidence |\n|---:|---:|\n")
	for _, g := range grades {
		fmt.Fprintf(&b, "| %v | %v |\n", g.from, g.right)
	}
	return b.String()
}

func placeholderTable() string {
	var b strings.Builder
	b.WriteString("| placeholder | stands for |\n|---|---|\n")
	for _, p := range placeholders {
		fmt.Fprintf(&b, "| `%s` | %s |\n", p.name, p.doc)
	}
	return b.String()
}

func ruleTable() string {
	var b strings.Builder
	all := slices.DeleteFunc(Builtin().List(), func(r Info) bool { return r.Scope != "request" })
	fmt.Fprintf(&b, "%d rules; [builtin/README.md](builtin/README.md) lists the signals too.\n\n| rule | cause | rests on | finds | wrong where |\n|---|---|---|---|---|\n", len(all))
	for _, r := range all {
		cells := []string{
			"[" + r.Name + "](" + r.Pos + ")", r.CauseClass, strings.Join(r.RestsOn, ", "), r.Doc, strings.Join(r.FalsePositives, "; "),
		}
		for i := range cells {
			cells[i] = strings.ReplaceAll(strings.Join(strings.Fields(cells[i]), " "), "|", "\\|")
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	return b.String()
}

func comparisonTable() string {
	var b strings.Builder
	b.WriteString("| rule | asks | finds | wrong where |\n|---|---|---|---|\n")
	for _, r := range Builtin().List() {
		if r.Scope == "batch" {
			fmt.Fprintf(&b, "| [%s](%s) | %s | %s | %s |\n", r.Name, r.Pos, r.Compares, r.Doc, strings.Join(r.FalsePositives, "; "))
		}
	}
	return b.String()
}

func featureTable() string {
	var b strings.Builder
	b.WriteString("| question | asks |\n|---|---|\n")
	for _, q := range questions {
		fmt.Fprintf(&b, "| `%s` | %s |\n", q.name, q.doc)
	}
	b.WriteString("\n| feature | is |\n|---|---|\n")
	for _, f := range features {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.name, f.doc)
	}
	return b.String()
}
