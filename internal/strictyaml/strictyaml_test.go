package strictyaml

import (
	"strings"
	"testing"
)

type doc struct {
	Name  string `yaml:"name"`
	Items []struct {
		N int `yaml:"n"`
	} `yaml:"items"`
}

func TestDecodeReportsEveryError(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"unknown field and wrong type", "name: a\nnam: b\nitems:\n  - n: x\n", "f.yaml:2:1: "},
		{"both are told", "name: a\nnam: b\nitems:\n  - n: x\n", "f.yaml:4:"},
		{"repeated key", "name: a\nname: b\n", "f.yaml:2:"},
		{"syntax", "name: [a\n", "f.yaml:"},
		{"empty", "", "f.yaml: the file is empty"},
		{"comment only", "# nothing\n", "f.yaml: the file is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d doc
			_, err := Decode("f.yaml", []byte(c.in), &d)
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want it to contain %q", err, c.want)
			}
		})
	}
}

func TestAt(t *testing.T) {
	var d doc
	root, err := Decode("f.yaml", []byte("name: a\nitems:\n  - n: 1\n  - n: 2\n"), &d)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{"items 1 n", "f.yaml:4:8: bad 7"},
		{"items 9 n", "f.yaml:3:3: bad 7"},
		{"name", "f.yaml:1:7: bad 7"},
	} {
		if got := At("f.yaml", root, strings.Fields(c.path), "bad %d", 7).Error(); got != c.want {
			t.Errorf("At(%s) = %q, want %q", c.path, got, c.want)
		}
	}
}

func TestComplaintsArePlain(t *testing.T) {
	for in, want := range map[string]string{
		"yaml: expected single document, found multiple":      "expected single document, found multiple",
		"field paht not found in type main.configSource":      `unknown field "paht"`,
		"cannot construct !!int `5` into []main.configSource": "a number stands here where a list is wanted",
		"cannot construct !!seq into string":                  "a list stands here where text is wanted",
		"cannot construct !!map into *int":                    "a mapping stands here where a number is wanted",
		"cannot construct !!str `x` into main.configService":  "text stands here where a mapping is wanted",
		"did not find expected node content":                  "did not find expected node content",
	} {
		if got := plain(in); got != want {
			t.Errorf("plain(%q) = %q, want %q", in, got, want)
		}
	}
}
