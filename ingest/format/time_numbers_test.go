package format

import (
	"testing"
	"time"
)

func TestDateOrder(t *testing.T) {
	for _, c := range []struct {
		text  string
		order DateOrder
		found bool
	}{
		{"03/02/2026 12:00:07 a\n13/02/2026 12:00:07 b", DayFirst, true},
		{"[03/02/2026, 2:00:07 PM] a\n[03/13/2026, 2:00:07 PM] b", MonthFirst, true},
		{"03-02-26 12:00 a", DateOrderUnknown, true},
		{"13/02/2026 12:00:07 a\n02/13/2026 12:00:07 b", DateOrderUnknown, true},
		{"2026-03-01 12:00:07 a 10/13 done, 1.2.3.4", DateOrderUnknown, false},
		{"2026/03/13 12:00:07 a", DateOrderUnknown, false},
	} {
		if order, found := DateOrderOf([]byte(c.text)); order != c.order || found != c.found {
			t.Errorf("%q: order %d, found %v", c.text, order, found)
		}
	}
}

func TestDatesOfNumbers(t *testing.T) {
	february, march := time.Date(2026, 2, 3, 13, 0, 0, 0, time.UTC), time.Date(2026, 3, 2, 13, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		text  string
		ref   time.Time
		order DateOrder
		want  string
	}{
		{"03/02/2026 12:00:07", february, DateOrderUnknown, "2026-02-03T12:00:07Z"},
		{"03/02/2026 12:00:07", march, DateOrderUnknown, "2026-03-02T12:00:07Z"},
		{"03/02/2026 12:00:07", march, DayFirst, "2026-02-03T12:00:07Z"},
		{"03/02/2026 12:00:07", february, MonthFirst, "2026-03-02T12:00:07Z"},
		{"03/22/2026 12:00:07", february, DayFirst, "2026-03-22T12:00:07Z"}, // there is no month 22
		{"03.02.2026 12:00:07", march, MonthFirst, "2026-02-03T12:00:07Z"},
		{"03-02-26 9:05 PM", march, DayFirst, "2026-02-03T21:05:00Z"},
		{"3/2/2026, 12:05:07 am +0100", march, DayFirst, "2026-02-02T23:05:07Z"},
		{"2026/3/2 9:05:07.5", february, DayFirst, "2026-03-02T09:05:07.5Z"},
		{"31/02/2026 12:00:07", february, DateOrderUnknown, ""},
		{"03/02/206 12:00:07", february, DateOrderUnknown, ""},
		{"03/02-2026 12:00:07", february, DateOrderUnknown, ""},
		{"03/02/2026 13:00:07 PM", february, DateOrderUnknown, ""},
		{"03/02/2026", february, DateOrderUnknown, ""},
		{"03/02/2026 12", february, DateOrderUnknown, ""},
		{"03/02/2026 12:0", february, DateOrderUnknown, ""},
		{"1/", february, DateOrderUnknown, ""},
		{"", february, DateOrderUnknown, ""},
	} {
		got := ""
		if st, ok := parseNumbers(c.text, nil, c.ref, c.order); ok {
			got = st.t.UTC().Format(time.RFC3339Nano)
		}
		if got != c.want {
			t.Errorf("%q in order %d near %v: %s, want %s", c.text, c.order, c.ref, got, c.want)
		}
	}
}
