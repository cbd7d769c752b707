package rules

// specificity says how much a cause class tells. What is more specific below beats the
// wrapper above: an exception that wraps a refused token is auth_to_backend. Classes
// of one rank are rivals: a tie between them lowers certainty.
var specificity = map[string]int{
	"other":                    0,
	"unhandled_exception":      1, // the form that any failure in code takes
	"dependency_error":         2, // "an error that no other class names"
	"upstream_reset":           2, // what a death, a restart and a limit look like from outside
	"gateway_mapping":          2,
	"client_abort":             3,
	"bad_input":                3,
	"upstream_connect_failure": 3,
	"bad_upstream_response":    3,
	"upstream_timeout":         4,
	"no_healthy_upstream":      4,
	"overload":                 4,
	"deploy_restart":           5,
	"resource_exhaustion":      5,
	"circuit_open":             5,
	"rate_limited":             6,
	"body_too_large":           6,
	"auth_to_backend":          6,
	"dns":                      6,
	"tls":                      6,
	"bad_config_or_secret":     7, // what a refused credential or a failed handshake may come from
}
