package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rondo/autoscale"
	"rondo/autoscale/ec2sim"
	"rondo/collectors/agent"
	"rondo/rrd"
)

const arrivalConfig = `
web: {listen: "127.0.0.1:{web}"}
log: warn
syslogd: {udp: "", tcp: "", canary: {interval: 0}}
collectors: []
agents: {token: "0123456789abcdef"}
autoscale:
  ec2: {endpoint: "http://127.0.0.1:{ec2}", region: us-east-1, access_key: test, secret_key: test}
  groups:
    - name: web
      mode: act
      min: {min}
      max: 60
      max_launches: 100
      metric: '{__name__="load"}'
      out: {above: 4, for: 30s, add: 1}
      in: {below: 1, for: 10m, remove: 1}
      launch: {image: ami-1234, type: t3.micro}
`

// TestArrival: an instance stands in its group, on a page and in the rule about
// silent hosts soon after its agent's first push, at the default settings. It
// prints how soon; RONDO_ARRIVALS is of how many instances.
func TestArrival(t *testing.T) {
	t.Parallel()
	n := 4
	if asked, err := strconv.Atoi(os.Getenv("RONDO_ARRIVALS")); err == nil {
		n = asked
	}
	p := newProc(t, strings.ReplaceAll(arrivalConfig, "{min}", strconv.Itoa(n)))
	bin, err := exec.LookPath("rondo")
	if err != nil {
		t.Fatal(err)
	}
	emulator := &proc{t: t, dir: p.dir, ports: p.ports}
	emulator.run(exec.Command(bin, "ec2sim", "--listen", p.addr("ec2"), "--boot", "100ms"))
	cloud := &rush{p: p}
	waitFor(t, func() error { _, err := cloud.instances(); return err })
	p.start()
	var all []ec2sim.Instance
	waitFor(t, func() (err error) {
		if all, err = cloud.instances(); err == nil && len(all) < n {
			err = fmt.Errorf("%d of %d are launched", len(all), n)
		}
		return err
	})
	took := map[string][]time.Duration{}
	for _, i := range all {
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
		for what, d := range arrive(t, p, i) {
			took[what] = append(took[what], d)
		}
	}
	for what, ds := range took {
		slices.Sort(ds)
		t.Logf("%d instances, first push -> %s: p50 %v, max %v", n, what, ds[len(ds)/2].Round(time.Millisecond), ds[len(ds)-1].Round(time.Millisecond))
	}
}

// arrive pushes an instance's first sample, and times what follows from it.
func arrive(t *testing.T, p *proc, i ec2sim.Instance) map[string]time.Duration {
	t.Helper()
	c, err := agent.NewClient(agent.ClientOptions{
		URL: p.url(""), Key: func() (string, error) { return "0123456789abcdef", nil },
		Identity: agent.Identity{ID: i.ID, Host: i.Hostname(), Instance: i.ID}, Status: func() agent.Status { return agent.Status{Started: time.Now()} },
		Transport: http.DefaultTransport, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	key, err := rrd.NewKey("load1", rrd.Label{Name: "host", Value: i.Hostname()})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := c.Push(ctx, nil, []rrd.Sample{{Key: key, Time: rrd.At(began), Value: 1, Type: rrd.Gauge}}); err != nil {
		t.Fatal(err)
	}
	took := map[string]time.Duration{}
	waitFor(t, func() error {
		for what, stands := range map[string]func() bool{
			"in service": func() bool { return inService(p, i.ID) },
			"page":       func() bool { return shows(p, "/", "/hosts/"+i.Hostname()) },
			"rule":       func() bool { return shows(p, "/api/alerts", i.Hostname()) },
		} {
			if took[what] == 0 && stands() {
				took[what] = time.Since(began)
			}
		}
		if len(took) < 3 {
			return fmt.Errorf("%s stands in %v only", i.ID, took)
		}
		return nil
	})
	return took
}

func inService(p *proc, id string) bool {
	var v autoscale.View
	return p.get("/api/groups/web", &v) == nil && slices.ContainsFunc(v.Instances, func(i autoscale.Instance) bool {
		return i.ID == id && i.Phase == autoscale.InService
	})
}

func shows(p *proc, path, text string) bool {
	resp, err := http.Get(p.url(path))
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	return err == nil && strings.Contains(string(page), text)
}
