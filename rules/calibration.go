package rules

import (
	_ "embed"
	"fmt"
	"sync"

	"github.com/correlatehq/correlate/internal/strictyaml"
)

//go:embed calibration.yaml
var calibrationFile []byte

// A CalibrationPoint says how many of the verdicts were right whose evidence came to a confidence
// by the scheme, on the captured incidents of the project (fixtures), whole and with logs missing.
type CalibrationPoint struct {
	Scheme float64 `yaml:"scheme"`
	Right  float64 `yaml:"right"`
}

// A Calibration is points by rising Scheme, with Right rising or level.
type Calibration []CalibrationPoint

// calibration is the one that verdicts are given by.
var calibration = sync.OnceValue(func() Calibration {
	c, err := readCalibration("calibration.yaml", calibrationFile)
	if err != nil {
		panic(err) // the file is part of the program and its test reads it
	}
	return c
})

func readCalibration(file string, data []byte) (Calibration, error) {
	var c Calibration
	if _, err := strictyaml.Decode(file, data, &c); err != nil {
		return nil, err
	}
	for i, p := range c {
		if p.Scheme < 0 || p.Scheme > 1 || p.Right < 0 || p.Right > 1 {
			return nil, fmt.Errorf("%s: point %d: %v and %v are not both shares in [0, 1]", file, i+1, p.Scheme, p.Right)
		}
		if i > 0 && (p.Scheme <= c[i-1].Scheme || p.Right < c[i-1].Right) {
			return nil, fmt.Errorf("%s: point %d does not rise", file, i+1)
		}
	}
	return c, nil
}

// At gives the share that was right at a confidence of the scheme: between two points it is on the line
// from one to the other, before the first and after the last it is theirs. Without points it is p.
func (c Calibration) At(p float64) float64 {
	for i, b := range c {
		if p > b.Scheme {
			continue
		}
		if i == 0 || p == b.Scheme {
			return b.Right
		}
		a := c[i-1]
		return a.Right + (b.Right-a.Right)*(p-a.Scheme)/(b.Scheme-a.Scheme)
	}
	if len(c) == 0 {
		return p
	}
	return c[len(c)-1].Right
}
