package ingest

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/correlatehq/correlate/timeline"
)

// A StreamHint is what naming may know of a stream.
type StreamHint struct {
	Path   string // of the series, slash-separated, relative to what all streams have in common
	System string // the software by its format: "nginx"; "" if not known
}

// A StreamName is how a stream's service and host are called where neither records
// nor configuration tell.
type StreamName struct{ Service, Host string }

// words that say what is logged, not who logs: a file called so is one of several
// streams of its writer.
var kindWords = wordSet(`access acces error errors err out output stdout stderr stdin std journal log logs logging json
	jsonl ndjson csv tsv txt debug info warn warning notice fatal trace traces span spans slow query queries audit event events
	request requests http console current main local system default combined general other vhosts vhost ssl localhost
	syslog messages kern kernel daemon auth user mail secure dmesg boot cron
	app application server service process program production development staging test prod dev`)

// words that name software: alone they say what kind of server writes, not which one.
var softwareWords = wordSet(`nginx openresty tengine haproxy httpd apache apache2 envoy traefik caddy kong apisix
	varnish varnishncsa squid lighttpd iis u_ex u_in u_nc tomcat catalina jetty undertow wildfly jboss
	gunicorn uvicorn hypercorn uwsgi daphne werkzeug flask django rails puma unicorn passenger php fpm phpfpm laravel symfony node nodejs pm2
	java go golang python ruby dotnet
	postgres postgresql pgbouncer mysql mysqld mariadb redis memcached mongo mongodb mongod rabbitmq kafka zookeeper
	elasticsearch opensearch etcd consul vault
	systemd journald docker containerd kubelet supervisor supervisord rsyslog fluentd fluentbit vector`)

// SoftwareIn gives the software that a path names, by the name that formats give it.
func SoftwareIn(p string) map[string]bool {
	found := map[string]bool{}
	for _, w := range strings.FieldsFunc(strings.ToLower(p), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		switch w {
		case "httpd", "apache2":
			w = "apache"
		case "catalina":
			w = "tomcat"
		case "wildfly":
			w = "jboss"
		}
		if softwareWords[w] {
			found[w] = true
		}
	}
	return found
}

// words for directories that hold logs, whoever writes them.
var placeWords = wordSet(`var tmp data home opt srv usr mnt pods containers container archive archived archives old
	backup backups rotated compressed gz history run share lib`)

func wordSet(s string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(s) {
		m[w] = true
	}
	return m
}

// LogExtension matches the extension of a file name that all logs may have.
var LogExtension = regexp.MustCompile(`(?i)\.(log|txt|out|err|json|jsonl|ndjson)$`)

var (
	hexIDRE = regexp.MustCompile(`^[0-9a-f]{32,64}$`)
	// The digits and letters of which Kubernetes makes suffixes, which are
	// bcdfghjklmnpqrstvwxz2456789 (k8s.io/apimachinery/pkg/util/rand).
	podRE = regexp.MustCompile(`^(.+?)-([bcdfghjklmnpqrstvwxz2456789]{5,10})-([bcdfghjklmnpqrstvwxz2456789]{5})$`)
	// POD_NAMESPACE_CONTAINER-ID, as in /var/log/containers.
	containerRE = regexp.MustCompile(`^([a-z0-9][a-z0-9.-]*)_([a-z0-9][a-z0-9-]*)_([a-z0-9][a-z0-9-]*)-[0-9a-f]{64}$`)
	// NAMESPACE_POD_UID, as in /var/log/pods.
	podDirRE = regexp.MustCompile(`^([a-z0-9][a-z0-9-]*)_([a-z0-9][a-z0-9.-]*)_([0-9a-f-]{32,36})$`)
	// What the stream of a task of ECS is called, PREFIX/CONTAINER/TASK, where it is exported; the prefix is mostly "ecs".
	taskRE = regexp.MustCompile(`^(?:ecs-)?(.+)-[0-9a-f]{32}$`)
	setRE  = regexp.MustCompile(`^(.+)-\d{1,3}$`) // a pod of a StatefulSet
	// Distributions put the version into the name: php8.2-fpm (Debian), php82-fpm (SUSE, Remi's).
	phpRE = regexp.MustCompile(`^php\d[\d.]*(?:-(?:php-)?fpm)?$`)
	// What Cloudflare's Logpush calls a batch: from when until when it is, and a number.
	batchRE = regexp.MustCompile(`^\d{8}T\d{6}Z_\d{8}T\d{6}Z_[0-9a-f]+$`)
	// What Azure Monitor calls an hour's file, and the directories of a day's hours.
	hourRE = regexp.MustCompile(`^PT\d+[HM]$`)
	partRE = regexp.MustCompile(`^(?:y|m|d|h|year|month|day|hour)=\d+$`)
	// What Windows calls the directories and files of IIS, by the number of a site, and of HTTP.sys.
	iisRE = regexp.MustCompile(`(?i)^(?:w3svc\d+|httperr\d*|logfiles|inetpub)$`)
)

// NameStreams names the services and hosts of streams that are read together.
//
// The service is the file's own name where that names one (app-1/orders.stderr.log is
// of orders). Where it only says what kind of log it is (access, error, journal,
// postgresql-15-main, a number), it is the nearest directory that tells it from the
// others and does not itself say only a kind (edge-1/nginx/access.log is of edge-1),
// else a directory that does, else the software, else the file's name as it is.
//
// What a server says in which an application runs, beside the log of one such application, is of
// that one's service: they are one process (app-1/puma.log beside app-1/orders.log).
//
// The host is the nearest directory that tells streams apart, with as many of its
// parents as make it unique; in no such directory each server or process is a host of
// its own.
func NameStreams(streams []StreamHint) []StreamName {
	common := commonDirs(streams)
	there := make(map[string]bool, len(streams))
	for _, s := range streams {
		there[s.Path] = true
	}
	out := make([]StreamName, len(streams))
	homes := make([][]string, len(streams)) // the directories down to the host's, kinds and dates left out
	owns := make([]string, len(streams))    // the services that files name by themselves
	for i, s := range streams {
		dir, file := path.Split(s.Path)
		owns[i] = serviceInName(file, func(other string) bool { return there[dir+other] })
	}
	runs, alone := applications(streams, owns), lone(streams, owns)
	for i, s := range streams {
		dirs := strings.Split(s.Path, "/")
		file := dirs[len(dirs)-1]
		dirs = dirs[common : len(dirs)-1]
		own := owns[i]

		var telling []string
		for _, d := range dirs {
			if !isKindDir(d) {
				telling = append(telling, d)
			}
		}
		only := len(telling) == 0 // a directory can only say what kind of logs it holds
		if only && len(dirs) > 0 {
			// nginx/access.log beside haproxy/haproxy.log
			for j := len(dirs) - 1; j >= 0 && len(telling) == 0; j-- {
				if !isNumeric(dirs[j]) && !placeWords[dirs[j]] && dirs[j] != "log" && dirs[j] != "logs" {
					telling = dirs[j : j+1]
				}
			}
		}
		homes[i] = home(telling)
		switch {
		case own != "":
			out[i].Service = own
		case runs[inDir{path.Dir(s.Path), runsIn[s.System]}] != "":
			out[i].Service = runs[inDir{path.Dir(s.Path), runsIn[s.System]}]
		case s.System == "" && saysAccess(file) && alone[path.Dir(s.Path)] != "":
			out[i].Service = alone[path.Dir(s.Path)]
		case only && len(telling) > 0 && len(SoftwareIn(telling[0])) == 0 && s.System != "" && !isLanguage(s.System):
			out[i].Service = s.System
		case len(telling) > 0:
			out[i].Service = serviceInDir(telling[len(telling)-1])
		default:
			out[i].Service = kindName(file, s.System)
		}
		if len(telling) == 0 {
			// What one server or process writes into one directory is stamped by one
			// clock: access.log and error.log, orders.log and orders.stderr.log.
			switch base := baseName(file); {
			case own == "" && softwareWords[out[i].Service], trimKinds(base) == own:
				out[i].Host = out[i].Service
			default:
				out[i].Host = base
			}
			if m := containerRE.FindStringSubmatch(out[i].Host); m != nil {
				out[i].Host = m[1] // the containers of one pod run on one machine
			}
		}
	}
	nameHosts(out, homes)
	uniqueFiles(out, streams, homes)
	return out
}

// runsIn is the language of the applications that run in the processes of a server.
var runsIn = map[string]string{"puma": "ruby", "unicorn": "ruby", "gunicorn": "python", "uvicorn": "python", "hypercorn": "python", "daphne": "python", "uwsgi": "python", "tomcat": "java", "jboss": "java", "php-fpm": "php"}

// An inDir is the applications of one language whose logs are in one directory.
type inDir struct{ dir, language string }

// SoftwareOnly says whether the service that a record names is only the software that wrote it, as a tag of syslog is. What a
// container is called by it was called on purpose.
func SoftwareOnly(e *timeline.Event) bool {
	if e.Service == "" || e.Attrs.Get("container.name") != "" || e.Attrs.Get("k8s.pod.name") != "" {
		return false
	}
	name := strings.ToLower(e.Service)
	if e.System == "" {
		return softwareWords[name] && !isLanguage(name)
	}
	return name == strings.ToLower(e.System) || runsIn[name] == e.System
}

// applications gives, by directory and language, the one service that files name there by themselves; "" if they name several.
func applications(streams []StreamHint, owns []string) map[inDir]string {
	out := map[inDir]string{}
	for i, s := range streams {
		own := owns[i]
		if own == "" || s.System == "" {
			continue
		}
		k := inDir{path.Dir(s.Path), s.System}
		if known, ok := out[k]; ok && known != own {
			own = ""
		}
		out[k] = own
	}
	return out
}

// lone gives, by directory, the one service that files name there by themselves, where no server writes beside it; "" if it is not so.
func lone(streams []StreamHint, owns []string) map[string]string {
	out := map[string]string{}
	for i, s := range streams {
		own, dir := owns[i], path.Dir(s.Path)
		server := s.System != "" && !isLanguage(s.System) && runsIn[s.System] == ""
		switch known, ok := out[dir]; {
		case server, ok && own != "" && known != own:
			out[dir] = ""
		case !ok && own != "":
			out[dir] = own
		}
	}
	return out
}

// saysAccess says whether a file's name says that it is an access log.
func saysAccess(file string) bool { return slices.Contains(splitWords(baseName(file)), "access") }

// commonDirs counts the leading directories in which all streams lie.
func commonDirs(streams []StreamHint) int {
	if len(streams) == 0 {
		return 0
	}
	first := strings.Split(streams[0].Path, "/")
	n := len(first) - 1
	for _, s := range streams[1:] {
		dirs := strings.Split(s.Path, "/")
		n = min(n, len(dirs)-1)
		for j := 0; j < n; j++ {
			if dirs[j] != first[j] {
				n = j
			}
		}
	}
	return n
}

// home gives the directories down to that of the host. What is below a pod's
// directory are its containers, which run on one machine.
func home(telling []string) []string {
	out := make([]string, 0, len(telling))
	for _, d := range telling {
		if m := podDirRE.FindStringSubmatch(d); m != nil {
			return append(out, m[2])
		}
		if hexIDRE.MatchString(d) {
			d = d[:12]
		}
		out = append(out, d)
	}
	return out
}

// nameHosts gives each stream with a home its last directory, and of those that
// different homes share as many parents as tell them apart.
func nameHosts(out []StreamName, homes [][]string) {
	for depth := 1; ; depth++ {
		label := func(h []string) string { return strings.Join(h[max(0, len(h)-depth):], "/") }
		homesOf := map[string]map[string]bool{}
		longer := false
		for _, h := range homes {
			if len(h) == 0 {
				continue
			}
			l := label(h)
			if homesOf[l] == nil {
				homesOf[l] = map[string]bool{}
			}
			homesOf[l][strings.Join(h, "/")] = true
		}
		for i, h := range homes {
			if len(h) == 0 || out[i].Host != "" {
				continue
			}
			if l := label(h); len(homesOf[l]) == 1 || depth >= len(h) {
				out[i].Host = l
			} else {
				longer = true
			}
		}
		if !longer {
			return
		}
	}
}

// uniqueFiles tells streams without a home apart whose base names are the same, such
// as app.log and app.json: each is a clock of its own.
func uniqueFiles(out []StreamName, streams []StreamHint, homes [][]string) {
	count := map[string]int{}
	for i := range out {
		count[baseName(path.Base(streams[i].Path))]++
	}
	for i := range out {
		if len(homes[i]) == 0 && count[baseName(path.Base(streams[i].Path))] > 1 && !containerRE.MatchString(baseName(path.Base(streams[i].Path))) {
			out[i].Host = path.Base(streams[i].Path)
		}
	}
}

// baseName is a file's name without the extensions that all logs have.
func baseName(file string) string {
	for range 2 {
		stem := LogExtension.ReplaceAllString(file, "")
		if stem == "" || stem == file {
			break
		}
		file = stem
	}
	return file
}

// serviceInName gives the service that a file's name names, "" if it only says what
// kind of log it is. has tells which other files stand beside it.
func serviceInName(file string, has func(string) bool) string {
	base := baseName(file)
	if m := containerRE.FindStringSubmatch(base); m != nil {
		pod, container := podService(m[1]), m[3]
		if container == pod || isKind(container) || strings.HasPrefix(pod, container+"-") {
			return pod
		}
		if strings.HasPrefix(container, pod+"-") {
			return container
		}
		return pod + "-" + container // a sidecar
	}
	base = trimKinds(base)
	if m := podRE.FindStringSubmatch(base); m != nil && strings.ContainsAny(m[2]+m[3], "2456789") {
		base = m[1]
	}
	if m := taskRE.FindStringSubmatch(base); m != nil {
		base = m[1]
	}
	if base == "" || isKind(base) {
		return ""
	}
	// access_shop.log and error_shop.log are both of shop, but access-control.log
	// alone is of access-control.
	for _, pair := range [][2]string{{"access", "error"}, {"error", "access"}, {"stdout", "stderr"}, {"stderr", "stdout"}} {
		if rest, ok := strings.CutPrefix(base, pair[0]); ok && len(rest) > 1 && strings.ContainsRune("-_.", rune(rest[0])) &&
			has(pair[1]+strings.TrimPrefix(file, pair[0])) {
			return rest[1:]
		}
	}
	return base
}

// serviceInDir gives the service that a directory names.
func serviceInDir(dir string) string {
	if m := podDirRE.FindStringSubmatch(dir); m != nil {
		return podService(m[2])
	}
	if hexIDRE.MatchString(dir) {
		return dir[:12] // as Docker shortens the IDs of containers
	}
	if m := podRE.FindStringSubmatch(dir); m != nil && strings.ContainsAny(m[2]+m[3], "2456789") {
		return m[1]
	}
	if m := taskRE.FindStringSubmatch(dir); m != nil {
		return m[1]
	}
	return dir
}

// podService strips what Kubernetes adds to make a pod's name of its owner's.
func podService(pod string) string {
	if m := podRE.FindStringSubmatch(pod); m != nil {
		return m[1]
	}
	if m := setRE.FindStringSubmatch(pod); m != nil {
		return m[1]
	}
	return pod
}

// kindName names the service of a stream about which only its kind is known: by the
// software that its name or its format names.
func kindName(file, system string) string {
	base := trimKinds(baseName(file))
	for _, w := range splitWords(base) {
		if softwareWords[w] && w == strings.ToLower(system) {
			return w
		}
	}
	for _, w := range splitWords(base) {
		if softwareWords[w] {
			return w
		}
	}
	if system != "" && !isLanguage(system) {
		return system
	}
	if hexIDRE.MatchString(base) {
		return base[:12]
	}
	return baseName(file)
}

// isLanguage says whether the software is a language, in which any service may be
// written.
func isLanguage(system string) bool {
	switch system {
	case "java", "go", "golang", "python", "ruby", "dotnet", "node", "nodejs", "php":
		return true
	}
	return false
}

// trimKinds takes from the end of a name the words that say what kind of log it is,
// as long as one is left: orders.stderr and orders-json are orders.
func trimKinds(name string) string {
	for {
		i := strings.LastIndexAny(name, "-_.")
		if i <= 0 || !kindWords[strings.ToLower(name[i+1:])] || neverTrimmed[strings.ToLower(name[i+1:])] {
			return name
		}
		name = name[:i]
	}
}

// neverTrimmed are words that say only a kind when they stand alone but end the
// names of services: mail-server, user-service, staging.
var neverTrimmed = wordSet(`app application server service process program system main local default user mail auth
	query event events http audit test prod dev production development staging`)

// isKind says whether a name only says what kind of log it is: all its words do, or
// are numbers, dates or IDs.
func isKind(name string) bool {
	if hexIDRE.MatchString(name) || batchRE.MatchString(name) || hourRE.MatchString(name) || partRE.MatchString(name) || phpRE.MatchString(name) || iisRE.MatchString(name) {
		return true
	}
	for _, w := range splitWords(name) {
		if !kindWords[w] && !softwareWords[w] && !placeWords[w] && !isNumeric(w) {
			return false
		}
	}
	return true
}

// isKindDir says whether a directory's name only says what kind of logs it holds.
// With a small number it is one of several: app-1, nginx-2.
func isKindDir(name string) bool {
	if !isKind(name) {
		return false
	}
	words, number := 0, false
	for _, w := range splitWords(name) {
		if !isNumeric(w) {
			words++
		} else if len(w) <= 3 {
			number = true
		}
	}
	return words == 0 || !number || partRE.MatchString(name)
}

func splitWords(name string) []string {
	name = strings.ToLower(name)
	if softwareWords[name] {
		return []string{name}
	}
	return strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("-_.: @", r) })
}

func isNumeric(s string) bool {
	return strings.Trim(s, "0123456789-_.:TtZz") == "" && strings.ContainsAny(s, "0123456789")
}
