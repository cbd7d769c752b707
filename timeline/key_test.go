package timeline

import (
	"slices"
	"testing"
)

func TestKeysThatAreTheSame(t *testing.T) {
	id := func(name, value string) Key { return Key{Name: name, Value: value} }
	for _, c := range []struct {
		name string
		a, b Key
		same bool
	}{
		{"a UUID with and without dashes", id(KeyRequestID, "7d0e8f52-3c1b-4a6e-9f10-2b3c4d5e6f70"), id(KeyRequestID, "7d0e8f523c1b4a6e9f102b3c4d5e6f70"), true},
		{"upper and lower case", id(KeyRequestID, "7D0E8F52-3C1B-4A6E-9F10-2B3C4D5E6F70"), id("id", "7d0e8f52-3c1b-4a6e-9f10-2b3c4d5e6f70"), true},
		{"Envoy's version digit", id(KeyRequestID, "7d0e8f52-3c1b-4a6e-9f10-2b3c4d5e6f70"), id(KeyRequestID, "7d0e8f52-3c1b-9a6e-9f10-2b3c4d5e6f70"), true},
		{"another version digit", id(KeyRequestID, "7d0e8f52-3c1b-4a6e-9f10-2b3c4d5e6f70"), id(KeyRequestID, "7d0e8f52-3c1b-1a6e-9f10-2b3c4d5e6f70"), false},
		{"a trace ID of 128 and of 64 bits", id(KeyTraceID, "4bf92f3577b34da6a3ce929d0e0e4736"), id(KeyTraceID, "a3ce929d0e0e4736"), true},
		{"a trace ID without leading zeros", id(KeyTraceID, "00000000000000000000929d0e0e4736"), id(KeyTraceID, "929d0e0e4736"), true},
		{"a decimal trace ID", id(KeyTraceID, "4bf92f3577b34da6a3ce929d0e0e4736"), id(KeyTraceID, "11803532876627986230"), true},
		{"a request ID that is a trace ID elsewhere", id(KeyRequestID, "4bf92f3577b34da6a3ce929d0e0e4736"), id(KeyTraceID, "4bf92f3577b34da6a3ce929d0e0e4736"), true},
		{"trace IDs that are UUIDs of one machine", id(KeyTraceID, "7d0e8f52-3c1b-11ee-9f10-2b3c4d5e6f70"), id(KeyTraceID, "8e0e8f52-3c1b-11ee-9f10-2b3c4d5e6f70"), false},
		{"the same without dashes", id(KeyTraceID, "7d0e8f523c1b11ee9f102b3c4d5e6f70"), id(KeyTraceID, "8e0e8f523c1b11ee9f102b3c4d5e6f70"), false},
		{"an X-Ray root and the trace ID made of it", id(KeyTraceID, "1-67891233-abcdef012345678912345678"), id(KeyTraceID, "67891233abcdef012345678912345678"), true},
		{"Kong's counter tells requests apart", id(KeyRequestID, "7d0e8f52-3c1b-4a6e-9f10-2b3c4d5e6f70#1"), id(KeyRequestID, "7d0e8f52-3c1b-4a6e-9f10-2b3c4d5e6f70#2"), false},
		{"free text is compared as it is", id(KeyRequestID, "order-A"), id(KeyRequestID, "order-a"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			same := slices.ContainsFunc(c.a.Forms(), func(f string) bool { return slices.Contains(c.b.Forms(), f) })
			if same != c.same {
				t.Errorf("%v has forms %q, %v has %q: same = %v, want %v", c.a, c.a.Forms(), c.b, c.b.Forms(), same, c.same)
			}
		})
	}
}

func TestSpellingsFindTheOther(t *testing.T) {
	for _, c := range []struct{ name, asked, written string }{
		{KeyRequestID, "7d0e8f523c1b4a6e9f102b3c4d5e6f70", "7d0e8f52-3c1b-4a6e-9f10-2b3c4d5e6f70"},
		{KeyRequestID, "7d0e8f52-3c1b-4a6e-9f10-2b3c4d5e6f70", "7D0E8F52-3C1B-4A6E-9F10-2B3C4D5E6F70"},
		{KeyRequestID, "7d0e8f52-3c1b-4a6e-9f10-2b3c4d5e6f70", "7d0e8f52-3c1b-9a6e-9f10-2b3c4d5e6f70"},
		{KeyTraceID, "4bf92f3577b34da6a3ce929d0e0e4736", "a3ce929d0e0e4736"},
		{KeyTraceID, "4bf92f3577b34da6a3ce929d0e0e4736", "11803532876627986230"},
		{KeyTraceID, "000000929d0e0e47", "929d0e0e47"},
		{KeyTraceID, "4bf92f3577b34da6a3ce929d0e0e4736", "S/kvNXezTaajzpKdDg5HNg=="},
	} {
		if s := (Key{Name: c.name, Value: c.asked}).Spellings(); !slices.Contains(s, c.written) {
			t.Errorf("spellings of %s lack %s: %q", c.asked, c.written, s)
		}
	}
}

func TestShortSpellingsAreNotLookedFor(t *testing.T) {
	k := Key{Name: KeyTraceID, Value: "aaaa0000000000000000000000000001"}
	for _, s := range k.Spellings() {
		if len(s) < 8 {
			t.Errorf("%s is looked for as %q", k.Value, s)
		}
	}
}

func FuzzKey(f *testing.F) {
	for _, s := range []string{"", "-", "7d0e8f52-3c1b-4a6e-9f10-2b3c4d5e6f70", "a3ce929d0e0e4736", "11803532876627986230", "1-67891233-abcdef012345678912345678", "\x00\xff"} {
		f.Add(KeyTraceID, s)
		f.Add(KeyRequestID, s)
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		k := Key{Name: name, Value: value}
		if !slices.Contains(k.Forms(), k.Form()) {
			t.Errorf("the forms of %q lack its own", value)
		}
		for _, s := range k.Spellings() {
			if s == "" {
				continue
			}
			if other := (Key{Name: name, Value: s}); other.Form() != k.Form() && name != KeyTraceID {
				t.Errorf("%q is spelt %q, whose form %q is not %q", value, s, other.Form(), k.Form())
			}
		}
	})
}
