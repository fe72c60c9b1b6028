package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/alerts"
	"rondo/autoscale"
	"rondo/autoscale/ec2sim"
	"rondo/syslogd/peertest"
)

const storyConfig = `
web: {listen: "127.0.0.1:{web}"}
log: warn
agents: {token: "0123456789abcdef"}
rrd:
  schemas:
    - {name: shops, match: "fleet.*", heartbeat: 3s, archives: [1s for 1h]}
syslogd: {udp: "", tcp: "", canary: {interval: 0}}
collectors:
  - {kind: graphite, listen: "127.0.0.1:{graphite}"}
alerts:
  hosts: [{name: host-silent, silent: 5s, interval: 1s, groups: [web]}]
autoscale:
  tick: 500ms
  ec2: {endpoint: "http://127.0.0.1:{ec2}", region: us-east-1, access_key: test, secret_key: test}
  groups:
    - name: web
      mode: act
      min: 2
      max: 14
      title: run queue
      metric: avg({__name__=~"fleet[.]web[.].*[.]run_queue"})
      out: {above: 1.4, for: 1s, add: enough}
      in: {below: 0.5, for: 4s, remove: enough}
      cooldown: 2s
      boot: 4s
      warm: 2s
      stale: 5s
      silent: 5s
      drain: 1m
      launch: {image: ami-0f1a5f5f5f5f5f5f5, type: c7g.large}
  redirect:
    listen: "127.0.0.1:{redirect}"
    agent_check: {listen: "127.0.0.1:{check}"}
    groups:
      - {group: web, url: "http://{private_ip}:8080", free: '{__name__=~"fleet[.]web[.].*[.]free"}', sessions: '{__name__=~"fleet[.]web[.].*[.]sessions"}', stale: 5s, session: 8s}
`

// TestLifeOfAFleet is an evening of a shop: from 2 servers to 14 and back under a crowd
// that comes by way of the redirector and through HAProxy. Each instance is a
// process that serves at an address of its own, and an agent. No request is lost,
// no session leaves its server, all servers soon do their part, the last
// log line of each that went is found, and nobody was alarmed.
func TestLifeOfAFleet(t *testing.T) {
	t.Parallel()
	p := newProc(t, storyConfig)
	if err := os.WriteFile(filepath.Join(p.dir, "token"), []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bin, err := exec.LookPath("rondo")
	if err != nil {
		t.Fatal(err)
	}
	network := storyNetwork()
	emulator, proxy := &proc{t: t, dir: p.dir, ports: p.ports}, haproxy(t, p, network)
	cmd := exec.Command(bin, "ec2sim", "--listen", p.addr("ec2"), "--boot", "500ms..1500ms", "--network", network+".0.0/16", "--exec", "exec shop")
	cmd.Env = append(os.Environ(), "STORY_DIR="+p.dir, "STORY_GRAPHITE="+p.addr("graphite"), "STORY_SERVER="+p.addr("web"))
	emulator.run(cmd)
	p.start()
	proxy()
	s := &story{p: p, crowd: &shoppers{ways: map[string]string{"redirector": "http://" + p.addr("redirect"), "HAProxy": "http://" + p.addr("haproxy")}}, heard: map[string]time.Time{}, joined: map[string]time.Time{}, level: map[string]time.Time{}}
	waitFor(t, func() error { return s.settled(2) })
	for _, at := range s.crowd.ways {
		waitFor(t, func() error { _, _, err := buy(http.DefaultClient, at, "first"); return err })
	}
	s.began = time.Now()
	ctx, home := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { s.crowd.run(ctx, 64) })
	all.Go(func() { s.watch(ctx) })
	for _, many := range []int64{6, 6, 12, 20, 30, 40, 52, 64} {
		s.crowd.many.Store(many)
		time.Sleep(2500 * time.Millisecond)
	}
	waitFor(t, func() error { return s.settled(14) })
	time.Sleep(5 * time.Second)
	s.crowd.many.Store(4)
	waitFor(t, func() error { return s.settled(2) })
	home()
	all.Wait()

	s.crowd.told(t)
	s.levelled(t)
	s.wordsFound(t)
	s.quiet(t)
	p.stop()
}

// storyNetwork is a part of the loopback that no other test uses.
func storyNetwork() string { return fmt.Sprintf("127.%d", 16+os.Getpid()%200) }

// haproxy writes the configuration of an HAProxy that has a place for each
// address of the network that may come, and asks rondo about each twice a second.
// It returns how to start it.
func haproxy(t *testing.T, p *proc, network string) (start func()) {
	t.Helper()
	program := peertest.Find(t, "haproxy")
	var b strings.Builder
	fmt.Fprintf(&b, `defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    timeout check 10s
frontend shop
    bind %s
    default_backend web
backend web
    balance roundrobin
    option redispatch
    cookie SHOP insert indirect nocache
    default-server weight 100 check inter 500ms agent-check agent-addr 127.0.0.1 agent-port %d agent-inter 500ms
`, p.addr("haproxy"), p.ports["check"])
	for n := 4; n < 4+storyPlaces; n++ {
		ip := fmt.Sprintf("%s.1.%d", network, n)
		fmt.Fprintf(&b, "    server web%d %s:%s cookie web%d agent-send \"web/%s\\n\"\n", n, ip, shopPort, n, ip)
	}
	file := filepath.Join(p.dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return func() {
		cmd := exec.Command(program.Path, "-db", "-f", file)
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+program.Folders("usr/lib/*", "lib/*"))
		(&proc{t: t, dir: p.dir, ports: p.ports}).run(cmd)
	}
}

// storyPlaces is how many instances the story may launch in all.
const storyPlaces = 30

// A story is what is seen of the shops while it runs.
type story struct {
	p     *proc
	crowd *shoppers

	began time.Time // of the crowd

	mu     sync.Mutex
	heard  map[string]time.Time // by host: when its group first heard of it
	joined map[string]time.Time // ... seen in service since
	level  map[string]time.Time // ... with its part of the load
	trace  []string
}

// settled says what keeps the group from having n instances, and all of them in
// service.
func (s *story) settled(n int) error {
	var v autoscale.View
	if err := s.p.get("/api/groups/web", &v); err != nil {
		return err
	}
	serve, drain := 0, ""
	for _, i := range v.Instances {
		if i.Phase == autoscale.InService {
			serve++
		}
		if i.Drains != "" {
			drain = fmt.Sprintf("; %s waits: %s", i.ID, i.Drains)
		}
	}
	if serve != n || len(v.Instances) != n {
		return fmt.Errorf("%d instances, %d in service, want %d: %s (%s)%s", len(v.Instances), serve, n, v.Last.Reason, v.Last.Held, drain)
	}
	return nil
}

// watch notes each second who serves, and how long his run queue is.
func (s *story) watch(ctx context.Context) {
	began := time.Now()
	for ctx.Err() == nil {
		time.Sleep(time.Second)
		var v autoscale.View
		queues, err := s.queues()
		if err = errors.Join(err, s.p.get("/api/groups/web", &v)); err != nil {
			continue
		}
		s.mu.Lock()
		s.note(v, queues)
		s.trace = append(s.trace, fmt.Sprintf("%3.0f s: %d serve of %d, run queues %s", time.Since(began).Seconds(), len(s.serving(v)), len(v.Instances), queueText(queues)))
		s.mu.Unlock()
	}
}

func queueText(queues map[string]float64) string {
	var b strings.Builder
	for _, q := range queues {
		fmt.Fprintf(&b, " %.1f", q)
	}
	return b.String()
}

func (*story) serving(v autoscale.View) (hosts []string) {
	for _, i := range v.Instances {
		if i.Phase == autoscale.InService {
			short, _, _ := strings.Cut(i.Host, ".")
			hosts = append(hosts, short)
		}
	}
	return hosts
}

// note finds whose run queue is like that of the others: no more than twice as
// long or short, a request more or less.
func (s *story) note(v autoscale.View, queues map[string]float64) {
	serve, sum := s.serving(v), 0.0
	for _, host := range serve {
		sum += queues[host]
	}
	mean := sum / float64(max(len(serve), 1))
	for _, i := range v.Instances {
		if short, _, _ := strings.Cut(i.Host, "."); s.heard[short].IsZero() && !i.FirstSeen.IsZero() {
			s.heard[short] = i.FirstSeen
		}
	}
	for _, host := range serve {
		if s.joined[host].IsZero() {
			s.joined[host] = time.Now()
		}
		q := queues[host]
		if s.level[host].IsZero() && q > 0 && math.Max(q, mean) <= 2*math.Min(q, mean)+1 {
			s.level[host] = time.Now()
		}
	}
}

// queues are the newest run queues, by host.
func (s *story) queues() (map[string]float64, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]json.RawMessage
			}
		}
	}
	q := url.Values{"query": {`{__name__=~"fleet[.]web[.].*[.]run_queue"}`}}
	if err := s.p.get("/api/v1/query?"+q.Encode(), &answer); err != nil {
		return nil, err
	}
	out := make(map[string]float64)
	for _, r := range answer.Data.Result {
		var v float64
		if _, err := fmt.Sscanf(strings.Trim(string(r.Value[1]), `"`), "%g", &v); err != nil {
			return nil, err
		}
		out[strings.Split(r.Metric["__name__"], ".")[2]] = v
	}
	return out, nil
}

// levelled: a server does its part within a minute of joining.
func (s *story) levelled(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var slowest time.Duration
	for host, at := range s.joined {
		took := s.level[host].Sub(at)
		if s.level[host].IsZero() || took > time.Minute {
			t.Errorf("%s joined at %s and has not its part of the load a minute later", host, at.Format(time.TimeOnly))
		}
		slowest = max(slowest, took)
	}
	t.Logf("%d servers joined; the slowest had its part of the load after %v", len(s.joined), slowest.Round(time.Second))
	var routed []time.Duration
	for host, at := range s.heard {
		if first := s.crowd.first[host]; !first.IsZero() && at.After(s.began) {
			routed = append(routed, first.Sub(at))
		}
	}
	slices.Sort(routed)
	if len(routed) > 0 {
		t.Logf("from the first heartbeat to the first request of %d servers: median %v, longest %v", len(routed),
			routed[len(routed)/2].Round(time.Millisecond), routed[len(routed)-1].Round(time.Millisecond))
	}
	if t.Failed() {
		t.Log(strings.Join(s.trace, "\n"))
	}
}

// wordsFound: what an instance wrote last, while it was shut down, is found by
// search, and it is the last that is found of it.
func (s *story) wordsFound(t *testing.T) {
	t.Helper()
	resp, err := http.Get("http://" + s.p.addr("ec2") + "/_sim/instances")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var all []ec2sim.Instance
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	over := 0
	for _, i := range all {
		if i.State != ec2sim.Terminated && i.State != ec2sim.ShuttingDown {
			continue
		}
		over++
		waitFor(t, func() error {
			var found struct{ Message string }
			q := url.Values{"q": {"host=" + i.Hostname()}, "limit": {"1"}}
			if err := s.p.get("/api/logs?"+q.Encode(), &found); err != nil || !strings.HasPrefix(found.Message, "last words of "+i.ID) {
				return fmt.Errorf("the newest line of %s is %q, %v", i.Hostname(), found.Message, err)
			}
			return nil
		})
	}
	if over < 12 {
		t.Errorf("%d instances have ended, want 12 or more", over)
	}
}

// quiet: nobody was told of a problem.
func (s *story) quiet(t *testing.T) {
	t.Helper()
	var told []alerts.Transition
	if err := s.p.get("/api/alerts/transitions?since=-1h&limit=100", &told); err != nil {
		t.Fatal(err)
	}
	for _, one := range told {
		t.Errorf("alarm: %+v", one)
	}
	var chain autoscale.Chain
	if err := s.p.get("/api/groups/web/journal/check", &chain); err != nil || len(chain.Broken) > 0 {
		t.Errorf("the journal's chain: %+v, %v", chain, err)
	}
}
