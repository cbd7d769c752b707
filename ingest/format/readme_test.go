package format

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/correlatehq/correlate/internal/golden"
)

// TestReadme loads the format that README.md shows.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "```yaml\n")
	text, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("README.md shows no format")
	}
	if _, err := Load(fstest.MapFS{"tinyproxy.yaml": {Data: []byte(text)}}); err != nil {
		t.Error(err)
	}
}

const formatsMark = "\n# All formats\n"

// TestReadmeFormats compares the list of formats at the end of README.md with the
// formats; -update writes it anew.
func TestReadmeFormats(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(strings.ReplaceAll(string(page), "\r\n", "\n"), formatsMark)
	if !ok {
		t.Fatalf("README.md has no %q", formatsMark)
	}
	golden.Compare(t, "README.md", []byte(head+formatsMark+formatsTable(loadBuiltin(t))))
}

// formatsTable lists all formats by name, as Markdown.
func formatsTable(s *Set) string {
	formats := s.Formats()
	slices.SortFunc(formats, func(a, b *Format) int { return strings.Compare(a.Name, b.Name) })
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d formats, written by `make update`. The stamp is what the samples show: what moment it names, its resolution, and whether\n"+
		"the record tells its zone. IDs name the request everywhere; context holds on one host.\n\n", len(formats))
	b.WriteString("| format | what it is | software, role | stamp | IDs | context |\n|---|---|---|---|---|---|\n")
	for _, f := range formats {
		identity, context, free := f.IDs()
		if free {
			identity = append(identity, "in the text")
		}
		cells := []string{
			"`" + f.Name + "`", strings.Join(strings.Fields(f.Doc), " "), strings.Trim(f.System+", "+f.Role.String(), ", "),
			strings.Join(f.Stamps(), "; "), strings.Join(identity, ", "), strings.Join(context, ", "),
		}
		for i := range cells {
			cells[i] = strings.ReplaceAll(cells[i], "|", "\\|")
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	return b.String()
}
