package format

import "testing"

// TestSQLStateIn says how drivers and frameworks write SQLSTATE.
func TestSQLStateIn(t *testing.T) {
	for in, want := range map[string]string{
		"ERROR: deadlock detected (SQLSTATE 40P01)": "40P01",
		"SQLSTATE[57014]: Query canceled: 7 ERROR":  "57014",
		"SQLSTATE[HY000] [2002] Connection refused": "HY000",
		"SQL Error: 0, SQLState: 55P03":             "55P03",
		"SQL state [57014]; error code [0]":         "57014",
		"no SQLSTATE, then (SQLSTATE 42P01)":        "42P01",
		"SQLSTATE 570145":                           "", "SQLSTATE5701": "", "SQLSTATE ABCDE": "", "SQLSTATE": "", "SQL": "", "": "", "PostgreSQL 14000": "",
	} {
		if got := sqlStateIn(in); got != want {
			t.Errorf("%q has %q, want %q", in, got, want)
		}
	}
}
