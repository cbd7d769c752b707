package rules

import "testing"

func TestCalibrationAt(t *testing.T) {
	c := Calibration{{0.4, 0.3}, {0.6, 0.5}, {0.8, 0.5}, {0.9, 1}}
	for _, x := range []struct{ scheme, want float64 }{{0.1, 0.3}, {0.4, 0.3}, {0.5, 0.4}, {0.6, 0.5}, {0.7, 0.5}, {0.8, 0.5}, {0.85, 0.75}, {0.9, 1}, {0.98, 1}} {
		if got := c.At(x.scheme); got < x.want-1e-9 || got > x.want+1e-9 {
			t.Errorf("at %v: %v, want %v", x.scheme, got, x.want)
		}
	}
	if got := (Calibration{}).At(0.7); got != 0.7 {
		t.Errorf("without points, at 0.7: %v", got)
	}
}

func TestReadCalibration(t *testing.T) {
	for text, want := range map[string]string{
		"- {scheme: 0.5, right: 0.4}\n- {scheme: 0.5, right: 0.6}\n": "x.yaml: point 2 does not rise",
		"- {scheme: 0.5, right: 0.4}\n- {scheme: 0.6, right: 0.3}\n": "x.yaml: point 2 does not rise",
		"- {scheme: 1.5, right: 0.4}\n":                              "x.yaml: point 1: 1.5 and 0.4 are not both shares in [0, 1]",
		"- {schema: 0.5, right: 0.4}\n":                              `x.yaml:1:4: unknown field "schema"`,
	} {
		if _, err := readCalibration("x.yaml", []byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	for i := 1; i < len(calibration()); i++ {
		if c := calibration(); c[i].Right < c[i-1].Right {
			t.Errorf("point %d falls", i)
		}
	}
}
