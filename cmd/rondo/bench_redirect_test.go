package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"rondo/syslogd/peertest"
)

const redirectConfig = `
web: {listen: "127.0.0.1:{web}"}
log: error
syslogd: {udp: "", tcp: "", canary: {interval: 0}}
rrd:
  schemas: [{name: fleet, match: "fleet.*", archives: [1s for 1h]}]
collectors: [{kind: graphite, listen: "127.0.0.1:{graphite}"}]
alerts: {hosts: []}
autoscale:
  tick: 500ms
  ec2: {endpoint: "http://127.0.0.1:{ec2}", region: us-east-1, access_key: test, secret_key: test}
  groups:
    - name: web
      mode: act
      min: 8
      max: 8
      metric: vector(20)
      out: {above: 50, add: 1}
      in: {below: 10, remove: 1}
      launch: {image: ami-12345678, type: t3.micro}
  redirect:
    listen: "127.0.0.1:{redirect}"
    groups: [{group: web, url: "http://{private_ip}:8080", free: '{__name__=~"fleet[.]web[.].*[.]up"}'}]
`

// redirect asks the redirector and HAProxy, in turns, where to go: 8 clients as
// fast as they can, then one alone, each request a session of its own. HAProxy
// sends everybody to one address; the redirector chooses among 8 servers by
// their weights.
func (t *table) redirect(b *testing.B) {
	p := newProc(b, redirectConfig)
	bin, err := exec.LookPath("rondo")
	if err != nil {
		b.Fatal(err)
	}
	emulator := &proc{t: b, dir: p.dir, ports: p.ports}
	emulator.run(exec.Command(bin, "ec2sim", "--listen", p.addr("ec2"), "--boot", "100ms", "--heartbeat", p.addr("graphite")))
	p.start()
	proxy := redirectingProxy(b, p)
	waitFor(b, func() error { _, err := redirected(p.addr("redirect"), 1); return err })
	waitFor(b, func() error { _, err := redirected(p.addr("haproxy"), 1); return err })
	ours, theirs := redirecting{p: p, addr: p.addr("redirect")}, redirecting{p: proxy, addr: p.addr("haproxy")}
	for range 3 {
		ours.measure(b)
		theirs.measure(b)
	}
	t.add("HTTP redirects, 8 clients", quantity(theirs.rate(), "/s")+" (HAProxy, in the same run)", ours.rate(), "requests/s", goal{})
	t.note("CPU per request %s, HAProxy %s", ours.cost(), theirs.cost())
	t.add("HTTP redirect, one client alone, median", quantity(theirs.median(), "us")+" (HAProxy, in the same run)", ours.median(), "us", goal{})
	p.stop()
}

// redirectingProxy is an HAProxy that sends everybody elsewhere.
func redirectingProxy(b *testing.B, p *proc) *proc {
	b.Helper()
	program := peertest.Find(b, "haproxy")
	file := filepath.Join(p.dir, "haproxy.cfg")
	conf := fmt.Sprintf("defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\nfrontend f\n bind %s\n"+
		" redirect prefix http://10.0.0.1:8080 code 307 set-cookie SERVER=web-1\n", p.addr("haproxy"))
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(program.Path, "-db", "-f", file)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+program.Folders("usr/lib/*", "lib/*"))
	proxy := &proc{t: b, dir: p.dir, ports: p.ports}
	proxy.run(cmd)
	return proxy
}

// redirecting is what is measured of one of the two.
type redirecting struct {
	p     *proc
	addr  string
	took  time.Duration
	cpu   time.Duration
	many  int
	alone []time.Duration
}

func (r *redirecting) measure(b *testing.B) {
	b.Helper()
	const clients, each, alone = 8, 4000, 1000
	before, began := r.p.cpu(), time.Now()
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			if _, err := redirected(r.addr, each); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	r.took, r.cpu, r.many = r.took+time.Since(began), r.cpu+r.p.cpu()-before, r.many+clients*each
	waits, err := redirected(r.addr, alone)
	if err != nil {
		b.Fatal(err)
	}
	r.alone = append(r.alone, waits...)
}

func (r *redirecting) rate() float64 { return float64(r.many) / r.took.Seconds() }

func (r *redirecting) cost() string {
	return quantity(float64(r.cpu.Microseconds())/float64(r.many), "us")
}

func (r *redirecting) median() float64 {
	slices.Sort(r.alone)
	return float64(r.alone[len(r.alone)/2].Nanoseconds()) / 1000
}

// redirected asks n times over one connection, and returns how long each answer
// took.
func redirected(addr string, n int) (waits []time.Duration, err error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	question := fmt.Appendf(nil, "GET /cart?n=1 HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\n\r\n", addr)
	for range n {
		began := time.Now()
		if _, err := conn.Write(question); err != nil {
			return nil, err
		}
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if err == nil && (resp.StatusCode != http.StatusTemporaryRedirect || resp.Header.Get("Set-Cookie") == "") {
			err = fmt.Errorf("%s: %s", addr, resp.Status)
		}
		if err != nil {
			return nil, err
		}
		waits = append(waits, time.Since(began))
	}
	return waits, nil
}
