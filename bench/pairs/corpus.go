package main

import (
	"bufio"
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// A corpus is a day of logs of a shop as generated: 18 streams on 15 hosts, each rotated
// into six files. The lines are of the forms that the servers of fixtures/shop write, and
// of Spring Boot and pino in a container's log beside them; each host's clock is off by
// something of its own.
type corpus struct {
	dir      string
	bytes    int64
	requests int
	failed   int
	lines    int
	ids      []string // request IDs of failed requests, spread over the day
}

// The share of requests that fail, of 10,000.
const (
	failingUsual = 50
	failingMany  = 450
)

const (
	parts = 6
	// bytesPerRequest is about what one request writes into all files.
	bytesPerRequest = 1850
)

var begin = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// A stream is one log of one host, written in the order of its stamps.
type stream struct {
	dir, name string
	ahead     time.Duration // of the host's clock
	pid       int
	lines     []line
	part      int
	out       *bufio.Writer
	file      *os.File
	held      []byte // the text of lines
}

type line struct {
	at         time.Time
	start, end int32
}

// generate writes a corpus of about so many bytes. The same arguments give the same bytes.
func generate(dir string, size int64, failing int) (*corpus, error) {
	g := &generator{
		rnd:    rand.New(rand.NewPCG(uint64(failing), 1)),
		corpus: corpus{dir: dir, requests: int(size / bytesPerRequest)},
	}
	clocks := rand.New(rand.NewPCG(2, 2))
	add := func(dir, name string) *stream {
		s := &stream{dir: dir, name: name, pid: 1000 + len(g.streams)*37}
		for _, o := range g.streams {
			if o.dir == dir {
				s.ahead = o.ahead
			}
		}
		if s.ahead == 0 {
			s.ahead = time.Duration(clocks.IntN(6_000_000)-3_000_000) * time.Microsecond
		}
		g.streams = append(g.streams, s)
		return s
	}
	for i := range 2 {
		g.edge[i] = add(fmt.Sprintf("edge-%d", i+1), "access.log")
		g.edgeError[i] = add(fmt.Sprintf("edge-%d", i+1), "error.log")
		g.lb[i] = add(fmt.Sprintf("lb-%d", i+1), "haproxy.log")
		g.inventory[i] = add(fmt.Sprintf("app-%d", i+4), "inventory.log")
		g.payments[i] = add(fmt.Sprintf("app-%d", i+6), "payments.log")
		g.recs[i] = add(fmt.Sprintf("app-%d", i+8), "recs.log")
		g.notify[i] = add(fmt.Sprintf("node-%d", i+1), "notify.log")
	}
	for i := range 3 {
		g.orders[i] = add(fmt.Sprintf("app-%d", i+1), "orders.log")
	}
	g.db = add("db-1", "postgresql.log")

	const day = 24 * time.Hour
	step := day / time.Duration(max(1, g.requests))
	for i := range g.requests {
		at := begin.Add(time.Duration(i)*step + time.Duration(g.rnd.Int64N(int64(step))))
		if i%(g.requests/3+1) == g.requests/6 {
			g.restart(at)
		}
		fails := g.rnd.IntN(10_000) < failing
		id := g.request(at, fails)
		if fails {
			if g.failed++; g.failed%(g.requests*failing/10_000/20+1) == 1 {
				g.ids = append(g.ids, id)
			}
		}
		if i%2000 == 1999 || i == g.requests-1 {
			last := i == g.requests-1
			for _, s := range g.streams {
				part := min(parts-1, i*parts/g.requests)
				if err := g.flush(s, part, at.Add(s.ahead-10*time.Second), last); err != nil {
					return nil, err
				}
			}
		}
	}
	return &g.corpus, nil
}

type generator struct {
	corpus
	rnd       *rand.Rand
	streams   []*stream
	edge      [2]*stream
	edgeError [2]*stream
	lb        [2]*stream
	orders    [3]*stream
	inventory [2]*stream
	payments  [2]*stream
	recs      [2]*stream
	notify    [2]*stream
	db        *stream
}

// flush writes what s stamped before the bound, and opens the file of the part if that is new.
func (g *generator) flush(s *stream, part int, before time.Time, last bool) error {
	slices.SortStableFunc(s.lines, func(a, b line) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	if s.file == nil || part != s.part {
		if err := s.close(); err != nil {
			return err
		}
		dir := filepath.Join(g.dir, s.dir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		name := s.name
		if n := parts - 1 - part; n > 0 {
			name += "." + strconv.Itoa(n)
		}
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		s.file, s.part, s.out = f, part, bufio.NewWriterSize(f, 1<<20)
	}
	n := 0
	for _, l := range s.lines {
		if !last && l.at.After(before) {
			break
		}
		text := s.held[l.start:l.end]
		g.bytes += int64(len(text))
		g.lines++
		if _, err := s.out.Write(text); err != nil {
			return err
		}
		n++
	}
	rest := s.lines[n:]
	var held []byte
	for i, l := range rest {
		at := int32(len(held))
		held = append(held, s.held[l.start:l.end]...)
		rest[i].start, rest[i].end = at, int32(len(held))
	}
	s.lines, s.held = append(s.lines[:0], rest...), held
	if last {
		return s.close()
	}
	return nil
}

func (s *stream) close() error {
	if s.file == nil {
		return nil
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	return s.file.Close()
}

// put adds a line to s: format is as of Appendf, the stamp is written before it by the
// clock of s.
func (g *generator) put(s *stream, at time.Time, layout, format string, args ...any) {
	at = at.Add(s.ahead)
	start := int32(len(s.held))
	s.held = at.AppendFormat(s.held, layout)
	s.held = fmt.Appendf(s.held, format, args...)
	s.held = append(s.held, '\n')
	s.lines = append(s.lines, line{at, start, int32(len(s.held))})
}

// clf adds a line of nginx's access log: the stamp stands in it.
func (g *generator) clf(s *stream, at time.Time, id, method, path string, status int, took time.Duration, upstream string, us int) {
	at = at.Add(s.ahead)
	start := int32(len(s.held))
	s.held = fmt.Appendf(s.held, "198.51.100.%d - - [", g.rnd.IntN(250)+1)
	s.held = at.AppendFormat(s.held, "02/Jan/2006:15:04:05 -0700")
	sec := took.Seconds()
	s.held = fmt.Appendf(s.held, `] "%s %s HTTP/1.1" %d %d "-" "%s" rt=%.3f uct="0.000" uht="%.3f" urt="%.3f" ua="%s" us="%d" rid=%s`+"\n",
		method, path, status, g.rnd.IntN(9000)+40, agents[g.rnd.IntN(len(agents))], sec, sec, sec, upstream, us, id)
	s.lines = append(s.lines, line{at, start, int32(len(s.held))})
}

var agents = []string{
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
	"okhttp/4.12.0",
}

func (g *generator) hex(n int) string {
	const digits = "0123456789abcdef"
	var b [32]byte
	for i := 0; i < n; i += 16 {
		x := g.rnd.Uint64()
		for j := i; j < min(n, i+16); j++ {
			b[j], x = digits[x&15], x>>4
		}
	}
	return string(b[:n])
}

// Layouts of the stamps.
const (
	atSlog   = `{"time":"2006-01-02T15:04:05.000000000Z"`
	atPython = "2006-01-02 15:04:05,000"
	atSpring = "2006-01-02T15:04:05.000Z"
	atSyslog = "Jan _2 15:04:05"
	atCRI    = "2006-01-02T15:04:05.000000000Z"
	atNginx  = "2006/01/02 15:04:05"
	atPG     = "2006-01-02 15:04:05.000 MST"
)

// restart writes what the processes say when one day's deploy replaces them, a few at a time.
func (g *generator) restart(at time.Time) {
	for i, s := range g.orders {
		t := at.Add(time.Duration(i) * time.Minute)
		g.put(s, t, atSlog, `,"level":"INFO","msg":"shutting down","signal":"terminated"}`)
		g.put(s, t.Add(20*time.Millisecond), atSlog, `,"level":"INFO","msg":"stopped"}`)
		s.pid += 211
		g.put(s, t.Add(900*time.Millisecond), atSlog, `,"level":"INFO","msg":"listening","addr":"10.0.1.%d:8100","pid":%d}`, i+1, s.pid)
	}
	for i, s := range g.inventory {
		t := at.Add(time.Duration(i) * time.Minute)
		g.put(s, t, atPython, " INFO [-] inventory: received signal 15, shutting down")
		s.pid += 211
		g.put(s, t.Add(time.Second), atPython, " INFO [-] inventory: listening on 10.0.2.%d:8200, pid %d", i+1, s.pid)
	}
}

const stack = `goroutine 34 [running]:\nruntime/debug.Stack()\n\t/usr/local/go/src/runtime/debug/stack.go:26 +0x5e\nmain.recovered.func1()\n\t/srv/orders/main.go:51 +0x45\npanic({0x6f1c60?, 0xc0001200d8?})\n\t/usr/local/go/src/runtime/panic.go:783 +0x132\nmain.(*Pricer).Total(...)\n\t/srv/orders/price.go:88\nmain.main()\n\t/srv/orders/main.go:12 +0x1d\n`

// request writes all records of one request and gives its ID.
func (g *generator) request(at time.Time, fails bool) string {
	r := g.rnd
	id, trace := g.hex(32), g.hex(32)
	sku := 4000 + r.IntN(1000)
	kind := -1
	if fails {
		kind = r.IntN(6)
	}
	method, path := "GET", fmt.Sprintf("/api/stock/%d", sku)
	if r.IntN(3) == 0 {
		method, path = "POST", "/api/orders"
	}
	e, l, o := r.IntN(2), r.IntN(2), r.IntN(3)
	order := g.orders[o]
	peer := fmt.Sprintf("10.0.6.%d:%d", e+1, 20000+r.IntN(40000))
	net := 400*time.Microsecond + time.Duration(r.IntN(300))*time.Microsecond
	t := at.Add(3 * net) // at orders
	backend := fmt.Sprintf("app-%d", o+1)

	if kind == 4 { // nobody listens
		g.haproxy(g.lb[l], at.Add(net), peer, backend, "0/0/-1/-1/3", 503, "SC--", id, method, path, 4*time.Millisecond)
		g.clf(g.edge[e], at.Add(4*time.Millisecond+2*net), id, method, path, 503, 4*time.Millisecond, fmt.Sprintf("10.0.3.%d:8090", l+1), 503)
		return id
	}
	call := func(target, host, callPath string, status int, took time.Duration) {
		t = t.Add(took + net)
		g.put(order, t, atSlog, `,"level":"INFO","msg":"call finished","target":"%s","peer":"%s","method":"GET","url":"%s","status":%d,"duration_ms":%.3f,"trace_id":"%s","span_id":"%s"}`,
			target, host, callPath, status, float64(took+net)/1e6, trace, g.hex(16))
	}
	status := 200
	if method == "POST" {
		status = 201
	}
	// Inventory.
	i := r.IntN(2)
	inv := g.inventory[i]
	took := time.Millisecond + time.Duration(r.IntN(6000))*time.Microsecond
	stock := fmt.Sprintf("/stock/%d", sku)
	invHost := fmt.Sprintf("10.0.2.%d:8200", i+1)
	switch {
	case kind == 1 || kind == 2:
		if kind == 2 {
			g.put(g.db, t.Add(net+took/2), atPG, " [%d] shop@shop ERROR:  division by zero", g.db.pid+r.IntN(8))
			g.put(g.db, t.Add(net+took/2), atPG, " [%d] shop@shop STATEMENT:  SELECT sum(price * qty) / sum(qty - qty) FROM stock WHERE sku = %d /*request_id='%s'*/", g.db.pid+r.IntN(8), sku, id)
		}
		last := "    return article[\"shelf\"]\n           ~~~~~~~^^^^^^^^^\nKeyError: 'shelf'"
		if kind == 2 {
			last = "    cur.execute(tagged(\"SELECT sum(price * qty) / sum(qty - qty) FROM stock WHERE sku = %s\"), (sku,))\npsycopg2.errors.DivisionByZero: division by zero"
		}
		g.put(inv, t.Add(net/2+took), atPython, " ERROR [req=%s] inventory: unhandled error on GET %s\nTraceback (most recent call last):\n  File \"/srv/shop/inventory.py\", line 242, in route\n    return self.inventory(rid, opts)\n  File \"/srv/shop/inventory.py\", line 158, in shelf_of\n%s", id, stock, last)
		g.put(inv, t.Add(net/2+took), atPython, ` INFO [req=%s] inventory.access: "GET %s" 500 %.1fms`, id, stock, float64(took)/1e6)
		call("inventory", invHost, stock, 500, took)
		g.put(order, t, atSlog, `,"level":"ERROR","msg":"inventory failed","error":"inventory answered 500","request_id":"%s","trace_id":"%s"}`, id, trace)
		status = 500
	default:
		if r.IntN(20) == 0 {
			g.put(inv, t.Add(net/2+took/2), atPython, " WARNING [req=%s] inventory: stock of article %d is low: %d left", id, sku, r.IntN(4))
		}
		g.put(inv, t.Add(net/2+took), atPython, ` INFO [req=%s] inventory.access: "GET %s" 200 %.1fms`, id, stock, float64(took)/1e6)
		call("inventory", invHost, stock, 200, took)
	}
	// Payments, of orders alone.
	if method == "POST" && status < 500 {
		p := r.IntN(2)
		pay := g.payments[p]
		took := 2*time.Millisecond + time.Duration(r.IntN(20000))*time.Microsecond
		thread := r.IntN(9) + 1
		g.put(pay, t.Add(net), atSpring, "  INFO 1 --- [payments] [nio-8080-exec-%d] [%s-%s] shop.payments.Charge                     : charge of %d.%02d for request %s", thread, trace, g.hex(16), r.IntN(300), r.IntN(100), id)
		if kind == 3 {
			took = 3 * time.Second
			g.put(pay, t.Add(took+net), atSpring, " ERROR 1 --- [payments] [nio-8080-exec-%d] [%s-%s] shop.payments.Charge                     : charge failed\n\njava.net.SocketTimeoutException: Read timed out\n\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:278)\n\tat shop.payments.Bank.charge(Bank.java:61)\n\tat shop.payments.Charge.run(Charge.java:40)", thread, trace, g.hex(16))
			call("payments", fmt.Sprintf("10.0.4.%d:8080", p+1), "/charge", 504, took)
			status = 504
		} else {
			g.put(pay, t.Add(took), atSpring, "  INFO 1 --- [payments] [nio-8080-exec-%d] [%s-%s] shop.payments.Charge                     : charged in %d ms", thread, trace, g.hex(16), took.Milliseconds())
			call("payments", fmt.Sprintf("10.0.4.%d:8080", p+1), "/charge", 200, took)
		}
	}
	// What others bought, told by the trace alone.
	if status < 500 {
		c := r.IntN(2)
		took := time.Millisecond + time.Duration(r.IntN(9000))*time.Microsecond
		g.put(g.recs[c], t.Add(net/2+took), atPython, ` INFO [trace=%s] recs.access: "GET /recs?sku=%d" 200 %.1fms`, trace, sku, float64(took)/1e6)
		call("recs", fmt.Sprintf("10.0.5.%d:8300", c+1), fmt.Sprintf("/recs?sku=%d", sku), 200, took)
	}
	if r.IntN(4) == 0 {
		i := r.IntN(2)
		n, took := g.notify[i], time.Duration(1+r.IntN(9))*time.Millisecond
		end := t.Add(net/2 + took)
		g.put(n, end, atCRI, ` stdout F {"level":30,"time":%d,"pid":17,"hostname":"node-%d","req":{"id":%d,"method":"GET","url":"/notify","headers":{"host":"notify","x-request-id":"%s"},"remoteAddress":"::ffff:10.0.1.%d","remotePort":%d},"res":{"statusCode":202,"headers":{}},"responseTime":%d,"msg":"request completed"}`,
			end.Add(n.ahead).UnixMilli(), i+1, r.IntN(1<<20), id, o+1, 20000+r.IntN(40000), took.Milliseconds())
		call("notify", fmt.Sprintf("10.0.7.%d:8400", i+1), "/notify", 202, took)
	}
	switch {
	case kind == 0 || kind == 3 && status < 500: // the app's own fault
		status = 500
		g.put(order, t, atSlog, `,"level":"ERROR","msg":"panic recovered","panic":"runtime error: index out of range [3] with length 2","request_id":"%s","trace_id":"%s","stack":"%s"}`, id, trace, stack)
	case kind == 5: // the process closes the connection
		g.put(order, t, atSlog, `,"level":"ERROR","msg":"connection closed","error":"write: broken pipe","request_id":"%s","trace_id":"%s"}`, id, trace)
		whole := t.Sub(at)
		g.haproxy(g.lb[l], at.Add(net), peer, backend, fmt.Sprintf("0/0/0/-1/%d", whole.Milliseconds()), 502, "SH--", id, method, path, whole)
		g.put(g.edgeError[e], at.Add(whole+2*net), atNginx, ` [error] %d#%d: *%d upstream prematurely closed connection while reading response header from upstream, client: 198.51.100.7, server: shop.example, request: "%s %s HTTP/1.1", upstream: "http://10.0.3.%d:8090%s", host: "shop.example"`,
			g.edge[e].pid, g.edge[e].pid, r.IntN(1<<20), method, path, l+1, path)
		g.clf(g.edge[e], at.Add(whole+2*net), id, method, path, 502, whole+net, fmt.Sprintf("10.0.3.%d:8090", l+1), 502)
		return id
	case r.IntN(50) == 0:
		status = 404
		g.put(order, t, atSlog, `,"level":"WARN","msg":"order not found","request_id":"%s","trace_id":"%s"}`, id, trace)
	}
	if r.IntN(500) == 0 {
		g.put(g.edgeError[e], t, atNginx, ` [warn] %d#%d: *%d an upstream response is buffered to a temporary file /var/cache/nginx/proxy_temp/4/01/0000000%d while reading upstream, client: 198.51.100.9, server: shop.example, request: "%s %s HTTP/1.1", upstream: "http://10.0.3.%d:8090%s", host: "shop.example"`,
			g.edge[e].pid, g.edge[e].pid, r.IntN(1<<20), r.IntN(1000), method, path, l+1, path)
	}
	if r.IntN(300) == 0 {
		g.put(g.db, t, atPG, " [%d] shop@shop LOG:  duration: %d.%03d ms  statement: SELECT s.name, s.qty, s.price FROM stock s WHERE s.sku = %d /*request_id='%s'*/", g.db.pid+r.IntN(8), 200+r.IntN(900), r.IntN(1000), sku, id)
	}
	t = t.Add(200 * time.Microsecond)
	g.put(order, t, atSlog, `,"level":"INFO","msg":"request finished","method":"%s","path":"%s","status":%d,"duration_ms":%.3f,"remote":"%s","request_id":"%s","trace_id":"%s"}`,
		method, path, status, float64(t.Sub(at.Add(3*net)))/1e6, fmt.Sprintf("10.0.3.%d:%d", l+1, 20000+r.IntN(40000)), id, trace)
	whole := t.Sub(at) + net
	g.haproxy(g.lb[l], at.Add(net), peer, backend, fmt.Sprintf("0/0/0/%d/%d", whole.Milliseconds(), whole.Milliseconds()), status, "----", id, method, path, whole)
	g.clf(g.edge[e], at.Add(whole+2*net), id, method, path, status, whole+2*net, fmt.Sprintf("10.0.3.%d:8090", l+1), status)
	return id
}

func (g *generator) haproxy(s *stream, at time.Time, peer, backend, timers string, status int, flags, id, method, path string, took time.Duration) {
	accepted := at.Add(s.ahead).Format("02/Jan/2006:15:04:05.000")
	g.put(s, at.Add(took), atSyslog, ` %s haproxy[%d]: %s [%s] fe_shop be_orders/%s %s %d %d - - %s %d/%d/1/0/0 0/0 {%s} "%s %s HTTP/1.1"`,
		s.dir, s.pid, peer, accepted, backend, timers, status, 120+g.rnd.IntN(90), flags, g.rnd.IntN(30)+1, g.rnd.IntN(30)+1, id, method, path)
}
