package rules

import (
	_ "embed"
	"encoding/json"
	"sync"
)

// signals.json is what [Load] makes of signals/, so that a start of the program need not:
// reading so much YAML and trying every signal on its samples takes longer than a search.
//
//go:embed signals.json
var signalsJSON []byte

// builtinSignals are the signals that come with the program, without its rules.
var builtinSignals = sync.OnceValue(func() []*Signal {
	var signals []*Signal
	if err := json.Unmarshal(signalsJSON, &signals); err != nil {
		panic("built-in signals: " + err.Error()) // a test compares them with their files
	}
	return signals
})
