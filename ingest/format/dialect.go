package format

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v4"

	"github.com/correlatehq/correlate/internal/strictyaml"
	"github.com/correlatehq/correlate/timeline"
)

// A dialect is one language in which a server is told what to log: how variables are
// written in it, and what each of them means. It is one file in dialects/.
type dialect struct {
	name     string
	file     string
	root     *yaml.Node
	spec     *dialectSpec
	variable *regexp.Regexp // groups: name, and where the language has them arg, flags, label
	group    *regexp.Regexp // opens a group that ends with its parenthesis; nil if there is none
	vars     []*variable    // in the order of the file: of two that say the same, the first counts
	escapes  []string       // longest first
}

// dialectSpec is a dialect file as written.
type dialectSpec struct {
	Doc      string            `yaml:"doc"`
	Variable string            `yaml:"variable"` // how one is written
	Group    string            `yaml:"group"`    // what opens a group of which only what is inside is logged
	Defaults bool              `yaml:"defaults"` // ${NAME:-TEXT} stands for what the environment says, else for the text
	Escapes  map[string]string `yaml:"escapes"`  // as written in the string -> as logged
	Collapse bool              `yaml:"collapse"` // spaces that follow each other are logged as one
	Named    map[string]list   `yaml:"named"`    // strings for which the server has a name
	Quoted   string            `yaml:"quoted"`   // pattern of what stands inside quotes; default: with \\ before quotes
	Cut      bool              `yaml:"cut"`      // a long line loses its end: a last quote may be missing
	Head     string            `yaml:"head"`     // pattern of what may stand before the line
	Tail     string            `yaml:"tail"`     // and after it; its groups have targets in format.fields
	JSON     string            `yaml:"json"`     // "always": values of JSON strings are escaped so that every line is JSON
	// Variables by how they are written: one, several parted by spaces (the same under
	// other names), or a stretch of string with more than one. "*" is any text.
	Variables yaml.Node `yaml:"variables"`
	Format    spec      `yaml:"format"` // what else a format file says
}

// variableSpec is what a dialect says of a variable: "TARGET UNIT" alone, or more.
type variableSpec struct {
	To         list   `yaml:"to"`         // the first target, and further ones for the same text
	Is         string `yaml:"is"`         // it stands for this string
	Shape      string `yaml:"shape"`      // text, word, line, number, list, host, or a pattern; its groups have targets in format.fields
	Time       string `yaml:"time"`       // layout, "strftime FORMAT", "java FORMAT", "fraction DIGITS" or "zone"
	Meaning    string `yaml:"meaning"`    // of the stamp
	Resolution string `yaml:"resolution"` // of the stamp, if the digits written do not tell
	Zone       string `yaml:"zone"`       // of the stamp, if it is always the same
	Literals   list   `yaml:"literals"`   // with one of these the value of every failed record begins
	Optional   bool   `yaml:"optional"`   // it is left out, with the space after it, where there is nothing to log
	Bare       bool   `yaml:"bare"`       // it has no quotes where the server is told to put some
	Doc        string `yaml:"doc"`        // what is to be told to whoever logs it
}

// neverQuoted says whether the server puts no quotes around the value, as around times
// and numbers.
func (v *variable) neverQuoted() bool {
	if v == nil {
		return false
	}
	if v.Bare || v.Time != "" || v.Shape == "number" || len(v.To) == 0 {
		return true
	}
	_, unit, _ := strings.Cut(v.To[0], " ")
	return unit != "" || strings.HasSuffix(v.To[0], ".port") || strings.HasSuffix(v.To[0], ".size") || strings.HasSuffix(v.To[0], ".status_code")
}

// A variable is one of a dialect's.
type variable struct {
	variableSpec
	written   string
	name, arg string // "*" in one of them is any text
	composite string // the stretch of string that it is, if it is more than one variable
	order     int
}

//go:embed dialects/*.yaml
var dialectFS embed.FS

var dialects = sync.OnceValue(func() map[string]*dialect {
	sub, err := fs.Sub(dialectFS, "dialects")
	if err != nil {
		panic(err)
	}
	m, err := loadDialects(sub)
	if err != nil {
		panic("built-in dialects: " + err.Error())
	}
	return m
})

// Dialects names the languages of format strings that can be read, in order.
func Dialects() []string { return slices.Sorted(maps.Keys(dialects())) }

func loadDialects(fsys fs.FS) (map[string]*dialect, error) {
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, err
	}
	out := map[string]*dialect{}
	var errs []error
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err == nil {
			var d *dialect
			if d, err = loadDialect(name, data); err == nil {
				out[d.name] = d
			}
		}
		errs = append(errs, err)
	}
	return out, errors.Join(errs...)
}

// loadDialect reads one dialect file.
func loadDialect(file string, data []byte) (*dialect, error) {
	d := &dialect{name: strings.TrimSuffix(path.Base(file), ".yaml"), file: file, spec: &dialectSpec{}}
	var err error
	if d.root, err = strictyaml.Decode(file, data, d.spec); err != nil {
		return nil, err
	}
	k := &compiler{file: file, root: d.root}
	if strings.TrimSpace(d.spec.Doc) == "" {
		k.fail(nil, "doc is missing")
	}
	if d.variable = k.regexp(at("variable"), d.spec.Variable); d.variable == nil || d.variable.SubexpIndex("name") < 0 {
		k.fail(at("variable"), "variable needs a group (?P<name>...)")
		return nil, k.err()
	}
	if d.spec.Group != "" {
		d.group = k.regexp(at("group"), "^(?:"+d.spec.Group+")")
	}
	if d.spec.JSON != "" && d.spec.JSON != "always" {
		k.fail(at("json"), "unknown json %q: always or nothing", d.spec.JSON)
	}
	d.escapes = slices.SortedFunc(maps.Keys(d.spec.Escapes), func(a, b string) int { return len(b) - len(a) })
	d.variables(k)
	f := &d.spec.Format
	if f.Decoder != "" || len(f.Pattern) > 0 || len(f.Require) > 0 || len(f.Time.Field) > 0 || len(f.Samples) > 0 || f.Native != nil {
		k.fail(at("format"), "decoder, pattern, require, time, native and samples come of the string")
	}
	if err := k.err(); err != nil {
		return nil, err
	}
	// What is said of the format is checked by making one of nothing.
	if _, err := d.compile("x", nil); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, name := range sortedKeys(d.spec.Named) {
		for _, text := range d.spec.Named[name] {
			if _, err := d.understand(name, text); err != nil {
				k.fail(at("named", name), "%v", err)
			}
		}
	}
	return d, k.err()
}

func (k *compiler) regexp(path []string, p string) *regexp.Regexp {
	re, err := regexp.Compile(p)
	if err != nil {
		k.fail(path, "%v", err)
	}
	return re
}

// variables reads what the file says of each variable.
func (d *dialect) variables(k *compiler) {
	n := d.spec.Variables
	if n.Kind != yaml.MappingNode {
		k.fail(at("variables"), "variables are missing")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		p := at("variables", key.Value)
		var vs variableSpec
		if val.Kind == yaml.ScalarNode {
			vs.To = list{val.Value}
		} else if err := val.Load(&vs, yaml.WithKnownFields()); err != nil {
			k.errs = append(k.errs, strictyaml.Convert(d.file, err))
			continue
		}
		d.checkVariable(k, p, &vs)
		for _, w := range d.keys(key.Value) {
			if seen[w] {
				k.fail(p, "%s is there twice", w)
			}
			seen[w] = true
			v := &variable{variableSpec: vs, written: w, order: i}
			d.nameOf(k, p, v)
			d.vars = append(d.vars, v)
		}
	}
}

func (d *dialect) checkVariable(k *compiler, p []string, vs *variableSpec) {
	for _, to := range vs.To {
		if _, err := parseTarget(strings.ReplaceAll(to, "*", "x")); err != nil {
			k.fail(p, "%v", err)
		}
	}
	if vs.Time != "" {
		if _, err := parseTimePart(strings.NewReplacer("strftime *", "strftime %Y", "java *", "java yyyy").Replace(vs.Time)); err != nil {
			k.fail(p, "%v", err)
		}
		if k.meaning(p, vs.Meaning) == timeline.MeaningUnknown && vs.Time != "zone" {
			k.fail(p, "meaning is missing: start, end or within")
		}
	}
	k.duration(p, vs.Resolution)
	k.re(p, shapeOf(vs.Shape, "x", false))
	if len(vs.To) == 0 && vs.Time == "" && vs.Is == "" && shapeFields(vs.Shape) == nil {
		k.fail(p, "no target: say where it goes, - if it is not kept")
	}
}

// keys parts the names of one entry: at spaces, unless the spaces stand between the
// variables of a stretch of string.
func (d *dialect) keys(key string) []string {
	if strings.Contains(key, " ") {
		all := true
		for _, w := range strings.Fields(key) {
			loc := d.variable.FindStringIndex(starless(w))
			all = all && loc != nil && loc[0] == 0 && loc[1] == len(starless(w))
		}
		if all {
			return strings.Fields(key)
		}
	}
	return []string{key}
}

// starMark stands for the star of a variable's name while the name is read as one.
const starMark = "ZSTARZ"

func starless(s string) string { return strings.ReplaceAll(s, "*", starMark) }

func (d *dialect) nameOf(k *compiler, p []string, v *variable) {
	w := starless(v.written)
	m := d.variable.FindStringSubmatchIndex(w)
	if m == nil || m[0] != 0 {
		k.fail(p, "%q is not a variable of this language", v.written)
		return
	}
	if m[1] != len(w) {
		v.composite = v.written
		return
	}
	v.name = strings.ReplaceAll(d.sub(w, m, "name"), starMark, "*")
	v.arg = strings.ReplaceAll(d.sub(w, m, "arg"), starMark, "*")
}

// sub gives what a group of the variable's pattern matched.
func (d *dialect) sub(s string, m []int, group string) string {
	i := d.variable.SubexpIndex(group)
	if i < 0 || m[2*i] < 0 {
		return ""
	}
	v := s[m[2*i]:m[2*i+1]]
	if group == "name" {
		v = strings.Trim(v, "{}")
	}
	return v
}

// lookup finds what the dialect says of a variable, and what its star stands for. Names
// of headers and the like are compared without case.
func (d *dialect) lookup(name, arg string) (v *variable, star string) {
	var best *variable
	for _, x := range d.vars {
		if x.composite != "" {
			continue
		}
		s1, ok1 := matchStar(x.name, name, false)
		s2, ok2 := matchStar(x.arg, arg, true)
		if !ok1 || !ok2 {
			continue
		}
		if best == nil || stars(x) < stars(best) || stars(x) == stars(best) && len(x.written) > len(best.written) {
			best, star = x, s1+s2
		}
	}
	if best == nil {
		if short := strings.TrimLeft(name, "<>"); short != name { // Apache: of which of two requests
			return d.lookup(short, arg)
		}
		if i := strings.Index(arg, "),"); i >= 0 { // HAProxy: converters do not change what it is
			return d.lookup(name, arg[:i+1])
		}
	}
	return best, star
}

func stars(v *variable) int { return strings.Count(v.name+v.arg, "*") }

func matchStar(pattern, s string, fold bool) (star string, ok bool) {
	before, after, has := strings.Cut(pattern, "*")
	eq := func(a, b string) bool { return a == b || fold && strings.EqualFold(a, b) }
	if !has {
		return "", eq(pattern, s)
	}
	if len(s) < len(before)+len(after) || !eq(s[:len(before)], before) || !eq(s[len(s)-len(after):], after) {
		return "", false
	}
	return s[len(before) : len(s)-len(after)], true
}

// A part is a piece of a format string: text that is logged as it stands, or a variable.
type part struct {
	lit    string
	text   string // of a variable: as written
	off    int    // where it stands in the string
	index  int    // among the parts
	name   string
	arg    string
	label  string // the name that the string itself gives to the value
	star   string
	pad    string    // how a value that is too short is filled up: "-" at the right, else at the left
	v      *variable // nil: unknown, or text
	isVar  bool
	quoted bool      // the server itself puts quotes around it
	time   *timePart // of a time
	width  bool      // the value is filled up to a width
	mark   string    // what the pattern holds here: the ends of a stretch that may be missing
}

// tokens cuts a format string into its parts.
func (d *dialect) tokens(s string) ([]part, error) {
	t := &tokenizer{d: d}
	err := t.run(s, 0, 0)
	return t.parts, err
}

type tokenizer struct {
	d     *dialect
	parts []part
	quote bool // values are quoted by default from here on
	json  bool // the string says itself that a JSON object of the labels is logged
}

const maxNested = 8

func (t *tokenizer) literal(s string, off int) {
	if s == "" {
		return
	}
	if n := len(t.parts); n > 0 && !t.parts[n-1].isVar && t.parts[n-1].mark == "" {
		t.parts[n-1].lit += s
		return
	}
	t.parts = append(t.parts, part{lit: s, off: off})
}

func (t *tokenizer) run(s string, base, depth int) error {
	if depth > maxNested {
		return fmt.Errorf("the string nests too deep")
	}
	d := t.d
	for i := 0; i < len(s); {
		if e := d.escapeAt(s[i:]); e != "" {
			t.literal(d.spec.Escapes[e], base+i)
			i += len(e)
			continue
		}
		if v := d.compositeAt(s[i:]); v != nil {
			t.parts = append(t.parts, part{isVar: true, text: v.composite, off: base + i, v: v})
			i += len(v.composite)
			continue
		}
		if d.group != nil {
			if loc := d.group.FindStringIndex(s[i:]); loc != nil {
				open := i + loc[1]
				end := closing(s, open)
				if end < 0 {
					return &stringError{base + i, "the " + s[i:open] + " is not closed"}
				}
				maybe := strings.Contains(strings.ToLower(s[i:open]), "notempty")
				if maybe {
					t.parts = append(t.parts, part{mark: "(?:"})
				}
				if err := t.run(s[open:end], base+open, depth+1); err != nil {
					return err
				}
				if maybe {
					t.parts = append(t.parts, part{mark: ")?"})
				}
				i = options(s, end+1)
				continue
			}
		}
		m := d.variable.FindStringSubmatchIndex(s[i:])
		if m == nil || m[0] != 0 {
			t.literal(s[i:i+1], base+i)
			i++
			continue
		}
		p := part{isVar: true, text: s[i : i+m[1]], off: base + i, name: d.sub(s[i:], m, "name"), arg: strings.Trim(d.sub(s[i:], m, "arg")+","+d.sub(s[i:], m, "arg2"), ","), label: d.sub(s[i:], m, "label")}
		pad := d.sub(s[i:], m, "pad")
		p.width, p.pad = pad != "" && !strings.HasPrefix(pad, "."), pad
		flags := d.sub(s[i:], m, "flags")
		i += m[1]
		if strings.Contains(flags, "+Q") || t.quote && !strings.Contains(flags, "-Q") {
			p.quoted = true
		}
		if p.name == "o" && flags != "" { // HAProxy: flags for all that follows
			t.quote = p.quoted
			t.json = t.json || strings.Contains(flags, "+json")
			if strings.HasPrefix(s[i:], " ") {
				i++ // is not logged
			}
			continue
		}
		if d.spec.Defaults {
			p.arg, _, _ = strings.Cut(p.arg, ":-")
		}
		p.v, p.star = d.lookup(p.name, p.arg)
		if p.v != nil && p.v.Is != "" {
			n := len(t.parts)
			if err := t.run(strings.ReplaceAll(p.v.Is, "*", p.star), p.off, depth+1); err != nil {
				return err
			}
			for j := n; j < len(t.parts); j++ {
				t.parts[j].off = p.off
				if t.parts[j].isVar {
					t.parts[j].text = p.text
				}
			}
			continue
		}
		if p.v != nil && p.v.Time != "" {
			tp, err := parseTimePart(strings.ReplaceAll(p.v.Time, "*", p.star))
			if err != nil {
				return &stringError{p.off, p.text + ": " + err.Error()}
			}
			p.time = tp
		}
		p.quoted = p.quoted && !t.json && !p.v.neverQuoted()
		t.parts = append(t.parts, p)
	}
	return nil
}

// A stringError is about a place of a format string.
type stringError struct {
	off  int
	what string
}

func (e *stringError) Error() string { return e.what }

func (d *dialect) escapeAt(s string) string {
	for _, e := range d.escapes {
		if strings.HasPrefix(s, e) {
			return e
		}
	}
	return ""
}

func (d *dialect) compositeAt(s string) *variable {
	var best *variable
	for _, v := range d.vars {
		if v.composite == "" || !strings.HasPrefix(s, v.composite) || best != nil && len(best.composite) >= len(v.composite) {
			continue
		}
		// The last name must not go on.
		if m := d.variable.FindStringSubmatchIndex(s[strings.LastIndexAny(v.composite, "%$"):]); m != nil &&
			m[1] == len(v.composite)-strings.LastIndexAny(v.composite, "%$") {
			best = v
		}
	}
	return best
}

// closing finds the parenthesis or brace that closes the one before i; -1 if none does.
func closing(s string, i int) int {
	open, shut := s[i-1], byte(')')
	if open == '{' {
		shut = '}'
	}
	depth := 1
	for ; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case open:
			depth++
		case shut:
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// options passes over the {...} that follow a group.
func options(s string, i int) int {
	for i < len(s) && s[i] == '{' {
		depth, j := 0, i
		for ; j < len(s); j++ {
			if s[j] == '{' {
				depth++
			} else if s[j] == '}' {
				if depth--; depth == 0 {
					break
				}
			}
		}
		if j == len(s) {
			return i
		}
		i = j + 1
	}
	return i
}
