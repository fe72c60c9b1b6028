package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"rondo/autoscale"
	"rondo/autoscale/ec2sim"
)

const scaleKillConfig = `
web: {listen: "127.0.0.1:{web}"}
log: warn
rrd:
  schemas:
    - {name: crowd, match: "crowd.*", archives: [1s for 1h]}
syslogd: {udp: "", tcp: ""}
collectors:
  - {kind: graphite, listen: "127.0.0.1:{graphite}"}
alerts: {hosts: []}
autoscale:
  tick: 200ms
  ec2: {endpoint: "http://127.0.0.1:{ec2}", region: us-east-1, access_key: test, secret_key: test}
  groups:
    - name: web
      mode: act
      min: 2
      max: 40
      max_launches: 2000
      metric: '{__name__="crowd.load"}'
      out: {above: 4, for: 500ms, add: enough}
      in: {below: 1.5, remove: enough}
      cooldown: 300ms
      boot: 3s
      warm: 10s
      stale: 2s
      silent: 1h
      launch: {image: ami-1234, type: t3.micro}
`

// TestScaleKilled kills the server with SIGKILL at random moments while it
// scales out to 10 instances and in to 2, again and again; the emulator of EC2 is
// a process of its own, whose instances send heartbeats. At no time are there more
// instances than the load needs. In the end each that was launched has its
// attempt in the journal, each that was terminated was chosen there, and all that
// are left are known.
//
// RONDO_SCALE_KILLS is the number of kills.
func TestScaleKilled(t *testing.T) {
	t.Parallel()
	kills := 10
	if n, err := strconv.Atoi(os.Getenv("RONDO_SCALE_KILLS")); err == nil {
		kills = n
	}
	seed := rand.Uint64()
	t.Logf("%d kills, seed %d", kills, seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	p := newProc(t, scaleKillConfig)
	bin, err := exec.LookPath("rondo")
	if err != nil {
		t.Fatal(err)
	}
	emulator := &proc{t: t, dir: p.dir, ports: p.ports}
	emulator.run(exec.Command(bin, "ec2sim", "--listen", p.addr("ec2"), "--boot", "100ms..900ms", "--heartbeat", p.addr("graphite")))
	c := &rush{p: p, demand: 2, launches: map[string]bool{}, chosen: map[string]bool{}}
	waitFor(t, func() error { _, err := c.instances(); return err })
	stop := make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() { c.run(stop) })
	for range kills {
		p.start()
		c.read(t)
		c.need([]float64{40, 2.5}[rng.IntN(2)])
		time.Sleep(time.Duration(rng.IntN(4500)) * time.Millisecond)
		p.kill()
	}
	p.start()
	c.need(40)
	waitFor(t, func() error { return c.settled(10) })
	c.need(2.5)
	waitFor(t, func() error { return c.settled(2) })
	close(stop)
	load.Wait()
	if c.most > 10 {
		t.Errorf("%d instances at the peak, 10 are needed at most", c.most)
	}
	c.audit(t)
	p.stop()
}

// A rush is a load that all running instances of the emulator share.
type rush struct {
	p *proc

	launches, chosen map[string]bool // that the journal has: attempts, and instances to go

	mu     sync.Mutex
	demand float64
	most   int // instances alive at one time
}

func (c *rush) need(demand float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.demand = demand
}

func (c *rush) instances() (all []ec2sim.Instance, err error) {
	resp, err := http.Get("http://" + c.p.addr("ec2") + "/_sim/instances")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return all, json.NewDecoder(resp.Body).Decode(&all)
}

func alive(all []ec2sim.Instance) (n int) {
	for _, i := range all {
		if i.State == ec2sim.Pending || i.State == ec2sim.Running {
			n++
		}
	}
	return n
}

// run sends the load of each instance, ten times a second.
func (c *rush) run(stop chan struct{}) {
	var text bytes.Buffer
	for !stopped(stop) {
		time.Sleep(100 * time.Millisecond)
		all, err := c.instances()
		if err != nil {
			continue
		}
		running := 0
		for _, i := range all {
			if i.State == ec2sim.Running {
				running++
			}
		}
		c.mu.Lock()
		c.most = max(c.most, alive(all))
		text.Reset()
		fmt.Fprintf(&text, "crowd.load %g %d\n", c.demand/float64(max(running, 1)), time.Now().Unix())
		c.mu.Unlock()
		conn, err := net.Dial("tcp", c.p.addr("graphite"))
		if err != nil {
			continue // it was killed
		}
		_, _ = conn.Write(text.Bytes())
		_ = conn.Close()
	}
}

// settled says what keeps the group from having n instances, all in service.
func (c *rush) settled(n int) error {
	all, err := c.instances()
	if err != nil {
		return err
	}
	var v autoscale.View
	if err := c.p.get("/api/groups/web", &v); err != nil {
		return err
	}
	serve := 0
	for _, i := range v.Instances {
		if i.Phase == autoscale.InService {
			serve++
		}
	}
	if alive(all) != n || serve != n {
		return fmt.Errorf("%d alive, %d in service, want %d: %s (%s)", alive(all), serve, n, v.Last.Reason, v.Last.Held)
	}
	return nil
}

// read takes note of the journal's newest entries.
func (c *rush) read(t *testing.T) {
	t.Helper()
	var lines []autoscale.Line
	if err := c.p.get("/api/groups/web/journal?limit=1000", &lines); err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		switch l.Kind {
		case autoscale.KindLaunch:
			c.launches[l.Attempt] = true
		case autoscale.KindDrain, autoscale.KindReplace:
			for _, id := range l.Instances {
				c.chosen[id] = true
			}
		}
	}
}

// audit holds what the emulator shows against the journal.
func (c *rush) audit(t *testing.T) {
	t.Helper()
	all, err := c.instances()
	if err != nil {
		t.Fatal(err)
	}
	c.read(t)
	var chain autoscale.Chain
	if err := c.p.get("/api/groups/web/journal/check", &chain); err != nil || len(chain.Broken) > 0 {
		t.Errorf("the journal's chain: %+v, %v", chain, err)
	}
	ended := 0
	for _, i := range all {
		if d := i.Tags[autoscale.TagDecision]; !c.launches[d] {
			t.Errorf("%s was launched by %s, which is not in the journal", i.ID, d)
		}
		if i.State != ec2sim.Pending && i.State != ec2sim.Running {
			ended++
			if !c.chosen[i.ID] {
				t.Errorf("%s was terminated (%s), and not chosen in the journal", i.ID, i.Reason)
			}
		}
	}
	t.Logf("%d instances were launched, %d terminated, at most %d at a time", len(all), ended, c.most)
}
