package evidence

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/correlatehq/correlate"
	"github.com/correlatehq/correlate/timeline"
)

// caseRedactor redacts a case and its records with one numbering, and notes what it
// took out.
type caseRedactor struct {
	*Redactor
	redactions []Redaction
	index      map[Redaction]int // without Count -> place in redactions
}

func newCaseRedactor(c *correlate.Case) *caseRedactor {
	ids := []string{c.RequestID}
	if r := c.Request; r != nil {
		ids = append(ids, r.ID, r.TraceID)
		for _, k := range r.Keys {
			ids = append(ids, k.Value)
		}
		for i := range r.Events {
			e := r.Events[i].Event
			ids = append(ids, e.SpanID, e.ParentSpanID)
			for _, k := range e.Keys {
				if k.Strength == timeline.Identity {
					ids = append(ids, k.Value)
				}
			}
		}
	}
	ids = append(ids, c.Other...)
	return &caseRedactor{Redactor: NewRedactor(ids...), redactions: []Redaction{}, index: map[Redaction]int{}}
}

func (r *caseRedactor) note(x Redaction) {
	x.Count = 0
	i, ok := r.index[x]
	if !ok {
		i = len(r.redactions)
		r.index[x] = i
		r.redactions = append(r.redactions, x)
	}
	r.redactions[i].Count++
}

// clean gives a copy of c with every text in it redacted; c is not changed. It walks
// the value by reflection, so that a field that is added to the model later is not
// forgotten. The surroundings are left out: no report shows them.
func (r *caseRedactor) clean(c *correlate.Case) *correlate.Case {
	flat := *c
	flat.Near = nil
	w := &walker{red: r, copies: map[visit]reflect.Value{}}
	if flat.Request != nil {
		w.request(flat.Request)
	}
	out := w.value(reflect.ValueOf(flat), "").Interface().(correlate.Case)
	return &out
}

type visit struct {
	ptr uintptr
	typ reflect.Type
}

type walker struct {
	red    *caseRedactor
	copies map[visit]reflect.Value // so that shared values are shared in the copy
}

// request copies the request in an order in which each text is noted with the
// shortest way to it. Hops, calls and events point at each other, and others point
// into the slice of events: where the copies will stand is laid down first.
func (w *walker) request(r *timeline.Request) {
	src := reflect.ValueOf(r)
	dst := reflect.New(src.Elem().Type())
	w.copies[visit{src.Pointer(), src.Type()}] = dst
	lay := func(p any) {
		v := reflect.ValueOf(p)
		w.copies[visit{v.Pointer(), v.Type()}] = reflect.New(v.Type().Elem())
	}
	fill := func(p any, field string) {
		v := reflect.ValueOf(p)
		w.copies[visit{v.Pointer(), v.Type()}].Elem().Set(w.value(v.Elem(), field))
	}
	for _, h := range r.Hops {
		lay(h)
	}
	for _, c := range r.Calls {
		lay(c)
	}
	dst.Elem().FieldByName("Events").Set(w.slice(reflect.ValueOf(r.Events), "events"))
	for i, h := range r.Hops {
		fill(h, fmt.Sprintf("hops[%d]", i))
	}
	for i, c := range r.Calls {
		fill(c, fmt.Sprintf("calls[%d]", i))
	}
	for i := range src.Elem().NumField() {
		if name := src.Elem().Type().Field(i).Name; name != "Events" {
			dst.Elem().Field(i).Set(w.value(src.Elem().Field(i), fieldName("", name)))
		}
	}
}

var timeType = reflect.TypeFor[time.Time]()

func (w *walker) value(v reflect.Value, field string) reflect.Value {
	switch v.Kind() {
	case reflect.String:
		text, finds := w.red.Redact(v.String())
		for _, f := range finds {
			w.red.note(Redaction{File: "case.json", Field: field, Kind: f.Kind, Marker: f.Marker})
		}
		out := reflect.New(v.Type()).Elem()
		out.SetString(text)
		return out
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		key := visit{v.Pointer(), v.Type()}
		if c, ok := w.copies[key]; ok {
			return c
		}
		out := reflect.New(v.Type().Elem())
		w.copies[key] = out
		out.Elem().Set(w.value(v.Elem(), field))
		return out
	case reflect.Struct:
		if v.Type() == timeType {
			return v
		}
		out := reflect.New(v.Type()).Elem()
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			out.Field(i).Set(w.value(v.Field(i), fieldName(field, f.Name)))
		}
		return out
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			// What is taken out of a record is noted with its raw file.
			text, _ := w.red.Redact(string(v.Bytes()))
			return reflect.ValueOf([]byte(text)).Convert(v.Type())
		}
		return w.slice(v, field)
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		for _, k := range keys { // sorted, for the numbers of the markers
			out.SetMapIndex(w.value(k, field), w.value(v.MapIndex(k), field))
		}
		return out
	case reflect.Interface, reflect.Func, reflect.Chan, reflect.UnsafePointer:
		// Nothing of the kind is in the model; text could hide in it.
		return reflect.Zero(v.Type())
	}
	return v
}

// slice copies a slice and remembers where its elements went.
func (w *walker) slice(v reflect.Value, field string) reflect.Value {
	if v.IsNil() {
		return v
	}
	out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
	if v.Type().Elem().Kind() == reflect.Struct {
		ptr := reflect.PointerTo(v.Type().Elem())
		for i := range v.Len() {
			w.copies[visit{v.Index(i).Addr().Pointer(), ptr}] = out.Index(i).Addr()
		}
	}
	for i := range v.Len() {
		out.Index(i).Set(w.value(v.Index(i), fmt.Sprintf("%s[%d]", field, i)))
	}
	return out
}

// fieldName writes the place of a value in the words of the model: "events[3].body".
func fieldName(parent, name string) string {
	if name == "Event" || name == "Joined" || name == "Info" {
		return parent // embedded
	}
	name = strings.ToLower(name[:1]) + name[1:]
	if parent == "" {
		return name
	}
	return parent + "." + name
}
