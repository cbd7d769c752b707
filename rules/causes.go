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

// checksFor are what to look at next by cause class, for rules that say nothing of
// their own. {service}, {host}, {component} and {path} are replaced.
var checksFor = map[string][]string{
	"unhandled_exception":      {"the code at the place of the error, with the input of this request", "whether the error began with a deploy of {service}"},
	"bad_input":                {"what {component} objects to in this request, and whether the 4xx should have reached the client"},
	"body_too_large":           {"the size of this request's body against the limits along its way", "whether the 413 should have reached the client"},
	"upstream_timeout":         {"what {component} did during the wait: locks, slow queries, a pool without free connections", "whether the caller's limit is shorter than the work usually takes"},
	"upstream_connect_failure": {"whether {component} was running and listening at that time", "the address and port by which {service} calls it"},
	"deploy_restart":           {"who or what restarted {component}, and whether its connections were drained first"},
	"upstream_reset":           {"the log of {component} at that time: a crash, a kill, a restart, a limit", "idle timeouts of kept-alive connections on both sides"},
	"bad_upstream_response":    {"the answer of {component} to this request, byte by byte", "whether {component} changed its answers lately"},
	"gateway_mapping":          {"the transformation, template or policy of {service} for {path}"},
	"auth_to_backend":          {"the credential with which {service} calls {component}: expired, rotated or missing", "when {component} last accepted it"},
	"rate_limited":             {"the limit that was hit and who uses it up", "whether {service} backs off and retries"},
	"circuit_open":             {"the failures that opened the circuit of {service} to {component}"},
	"no_healthy_upstream":      {"the health checks of {service} and what they say of each member", "the failures just before that took the members out"},
	"overload":                 {"load, queue length and concurrency of {component} at that time"},
	"resource_exhaustion":      {"the limit that was hit and who holds what is used up"},
	"dependency_error":         {"the error that {component} gave, in its own log and documentation"},
	"dns":                      {"the name that was asked for and the resolver of {host}"},
	"tls":                      {"certificates and clocks on both sides of the connection"},
	"bad_config_or_secret":     {"the configuration and the secrets of {service}, and what changed in them last"},
	"client_abort":             {"how long the client waited, and whether something in front of {service} gave up"},
	"other":                    {"the log of {service} on {host} at the time of this request"},
}
