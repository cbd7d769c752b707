package format

import (
	"embed"
	"reflect"

	"github.com/correlatehq/correlate/internal/strictyaml"
)

// A part holds keys of format files that several formats share; a file parts/NAME.yaml
// is used by those that say "uses: NAME".
//
//go:embed parts/*.yaml
var partsFS embed.FS

// take gives the format what it does not say itself and the part that it uses says.
func (k *compiler) take(sp *spec) {
	if sp.Uses == "" {
		return
	}
	file := "parts/" + sp.Uses + ".yaml"
	data, err := partsFS.ReadFile(file)
	if err != nil {
		k.fail(at("uses"), "there is no part %q", sp.Uses)
		return
	}
	var part spec
	if _, err := strictyaml.Decode(file, data, &part); err != nil {
		k.errs = append(k.errs, err)
		return
	}
	sp.fill(&part)
	sp.Uses = ""
}

// fill takes from other the keys of which sp says nothing.
func (sp *spec) fill(other *spec) {
	own, from := reflect.ValueOf(sp).Elem(), reflect.ValueOf(other).Elem()
	for i := range own.NumField() {
		if f := own.Field(i); f.CanSet() && f.IsZero() {
			f.Set(from.Field(i))
		}
	}
}
