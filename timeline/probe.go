package timeline

import (
	"slices"
	"strings"
)

// probes are the paths at which balancers and supervisors ask services whether they are well: Kubernetes' convention
// (kubernetes.io: "Kubernetes API health endpoints"), MicroProfile Health's and Spring Boot Actuator's.
var probes = []string{"/healthz", "/livez", "/readyz", "/health", "/health/live", "/health/ready", "/health/started", "/actuator/health", "/actuator/health/liveness", "/actuator/health/readiness"}

// probe says whether a service was asked alone, without any ID, whether it is well: that it is not, fails no request of a client.
func probe(r *Request) bool {
	return len(r.Hops) == 1 && len(r.Keys) == 0 && r.Method == "GET" && slices.Contains(probes, strings.TrimSuffix(r.Path, "/"))
}
