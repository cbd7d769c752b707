package format

import (
	"regexp"
	"strings"
)

// The digits and letters of which Kubernetes makes suffixes, which are
// bcdfghjklmnpqrstvwxz2456789 (k8s.io/apimachinery/pkg/util/rand).
var (
	replicaRE = regexp.MustCompile(`^(.+?)-[bcdfghjklmnpqrstvwxz2456789]{5,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$`) // of a Deployment
	daemonRE  = regexp.MustCompile(`^(.+)-[bcdfghjklmnpqrstvwxz2456789]{5}$`)                                      // of a DaemonSet or a Job
	ordinalRE = regexp.MustCompile(`^(.+)-\d{1,3}$`)                                                               // of a StatefulSet
)

// workload strips what Kubernetes adds to make a pod's name of its owner's.
func workload(pod string) string {
	if m := replicaRE.FindStringSubmatch(pod); m != nil {
		return m[1]
	}
	if m := ordinalRE.FindStringSubmatch(pod); m != nil {
		return m[1]
	}
	if m := daemonRE.FindStringSubmatch(pod); m != nil && strings.ContainsAny(pod[len(m[1])+1:], "2456789") {
		return m[1]
	}
	return pod
}

// podService names the service of a container: its workload, for a sidecar with the
// container's own name.
func podService(pod, container string) string {
	w := workload(pod)
	switch container {
	case "", "app", "application", "main", "server", "service", "web":
		return w
	}
	if strings.HasPrefix(w, container) || strings.HasSuffix(w, "-"+container) {
		return w
	}
	if strings.HasPrefix(container, w+"-") {
		return container
	}
	return w + "-" + container
}

// namePod fills in service and host by the pod that the record names, else the host by the instance of the service, as Cloud Run names it. Either is a host
// of its own: which of them share a clock is not written, and their process numbers repeat.
func (d *decoding) namePod() {
	pod := d.ev.Attrs.Get("k8s.pod.name")
	if pod == "" {
		if d.ev.Host == "" && d.ev.Service != "" {
			d.ev.Host = d.ev.Attrs.Get("service.instance.id")
		}
		return
	}
	if d.ev.Service == "" {
		d.ev.Service = podService(pod, d.ev.Attrs.Get("k8s.container.name"))
	}
	if d.ev.Host == "" {
		d.ev.Host = pod
	}
}
