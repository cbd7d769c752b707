package format

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"sync"
)

// The index is what [Load] makes of builtin/, so that a start of the program need not:
// the formats in their order, without samples, and which of them read which others'
// samples. Reading the YAML, comparing all samples with all formats and compiling all
// expressions takes longer than most searches.

//go:embed index.json
var indexJSON []byte

// indexFile is the form of index.json.
type indexFile struct {
	Formats []indexed
	// Reads are pairs of numbers of formats: the first reads a sample of the second.
	Reads [][2]int
}

// indexed is one format.
type indexed struct {
	Name string
	Spec *spec
	// Musts: a text that stands in all matches, by expression.
	Musts map[string]string `json:",omitempty"`
}

var builtin = sync.OnceValue(func() *Set {
	s, err := fromIndex(indexJSON)
	if err != nil {
		panic("built-in formats: " + err.Error())
	}
	return s
})

// Builtin gives the formats that come with the program. They are read once, when
// first asked for.
func Builtin() *Set { return builtin() }

func fromIndex(data []byte) (*Set, error) {
	var x indexFile
	if err := json.Unmarshal(data, &x); err != nil {
		return nil, err
	}
	s := newSet()
	for _, i := range x.Formats {
		k := &compiler{file: i.Name, trusted: true, musts: i.Musts}
		c, err := k.compile(i.Spec)
		if err != nil {
			return nil, err
		}
		f := newFormat(i.Name, c)
		f.samples = sync.OnceValue(func() []sampleSpec { return builtinSamples(i.Name) })
		s.formats = append(s.formats, f)
		s.reads[f] = map[*Format]bool{}
	}
	for _, p := range x.Reads {
		s.reads[s.formats[p[0]]][s.formats[p[1]]] = true
	}
	s.link()
	return s, nil
}

// builtinSamples reads the samples of a built-in format from its file.
func builtinSamples(name string) []sampleSpec {
	data, err := builtinFS.ReadFile("builtin/" + name + ".yaml")
	if err == nil {
		var f *Format
		if f, err = loadFile(name+".yaml", data); err == nil {
			return f.samples()
		}
	}
	panic(fmt.Sprintf("built-in format %s: %v", name, err))
}

// toIndex gives the index of a set that was loaded.
func (s *Set) toIndex() ([]byte, error) {
	var x indexFile
	number := map[*Format]int{}
	for i, f := range s.formats {
		number[f] = i
		sp := *f.c.spec
		sp.Samples = nil
		musts := map[string]string{}
		for _, e := range f.c.exprs {
			if e.must != "" {
				musts[e.text] = e.must
			}
		}
		x.Formats = append(x.Formats, indexed{f.Name, &sp, musts})
	}
	for _, a := range s.formats {
		for _, b := range s.formats {
			if s.reads[a][b] {
				x.Reads = append(x.Reads, [2]int{number[a], number[b]})
			}
		}
	}
	return brief(x)
}

// brief gives x as JSON without what is empty, one format a line.
func brief(x indexFile) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("{\"Formats\":[\n")
	for i, f := range x.Formats {
		line, err := json.Marshal(f)
		if err != nil {
			return nil, err
		}
		var v any
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if i > 0 {
			b.WriteString(",")
		}
		if err := e.Encode(prune(v, false)); err != nil {
			return nil, err
		}
	}
	reads, err := json.Marshal(x.Reads)
	if err != nil {
		return nil, err
	}
	b.WriteString("],\n\"Reads\":")
	b.Write(reads)
	b.WriteString("}\n")
	return b.Bytes(), nil
}

// mapKeys are the keys of a spec whose values are maps: what is empty in them says something.
var mapKeys = map[string]bool{"Require": true, "RequireAny": true, "Fields": true, "Severity": true, "In": true, "Match": true, "Lifecycle": true, "Musts": true}

// prune takes out of an object what is empty.
func prune(v any, inMap bool) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			e = prune(e, mapKeys[k])
			v[k] = e
			m, isMap := e.(map[string]any)
			if !inMap && (e == nil || e == "" || e == false || isMap && len(m) == 0) {
				delete(v, k)
			}
		}
	case []any:
		for i := range v {
			v[i] = prune(v[i], false)
		}
	}
	return v
}
