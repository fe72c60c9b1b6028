package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/autoscale"
	"rondo/autoscale/ec2sim"
)

// refreshKillConfig is that of TestScaleKilled, with a group that replaces its
// instances by itself.
var refreshKillConfig = strings.NewReplacer(
	"launch: {image: ami-1234", "refresh: {when: change, batch: 2, healthy: 300ms, pause: 300ms}\n      launch: {image: ami-1111",
	"warm: 10s", "warm: 300ms",
).Replace(scaleKillConfig)

// TestRefreshKilled kills the server with SIGKILL at random moments while it
// replaces the instances of a group, again and again, whose image changes between
// two kills. In the end all are of the newest image, none was launched without an
// attempt in the journal, nor terminated without having been chosen there.
//
// RONDO_REFRESH_KILLS is the number of kills.
func TestRefreshKilled(t *testing.T) {
	t.Parallel()
	kills := 3
	if n, err := strconv.Atoi(os.Getenv("RONDO_REFRESH_KILLS")); err == nil {
		kills = n
	}
	seed := rand.Uint64()
	t.Logf("%d kills, seed %d", kills, seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	p := newProc(t, refreshKillConfig)
	bin, err := exec.LookPath("rondo")
	if err != nil {
		t.Fatal(err)
	}
	emulator := &proc{t: t, dir: p.dir, ports: p.ports}
	emulator.run(exec.Command(bin, "ec2sim", "--listen", p.addr("ec2"), "--boot", "100ms..500ms", "--heartbeat", p.addr("graphite")))
	c := &rush{p: p, demand: 10, launches: map[string]bool{}, chosen: map[string]bool{}}
	waitFor(t, func() error { _, err := c.instances(); return err })
	stop := make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() { c.run(stop) })
	p.start()
	waitFor(t, func() error { return c.settled(3) })
	p.kill()
	image := "ami-1111"
	for range kills {
		if rng.IntN(2) == 0 {
			image = p.launches(image)
		}
		p.start()
		c.read(t)
		time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
		p.kill()
	}
	image = p.launches(image)
	p.start()
	waitFor(t, func() error { return c.renewed(image) })
	close(stop)
	load.Wait()
	c.audit(t)
	p.stop()
}

// launches gives the configuration another image.
func (p *proc) launches(image string) string {
	p.t.Helper()
	file := filepath.Join(p.dir, "rondo.yml")
	text, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	next := map[string]string{"ami-1111": "ami-2222", "ami-2222": "ami-1111"}[image]
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), image, next)), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return next
}

// renewed says what keeps the group from being replaced.
func (c *rush) renewed(image string) error {
	all, err := c.instances()
	if err != nil {
		return err
	}
	var v autoscale.View
	if err := c.p.get("/api/groups/web", &v); err != nil {
		return err
	}
	fresh, stale := 0, 0
	for _, i := range all {
		switch {
		case i.State != ec2sim.Pending && i.State != ec2sim.Running:
		case i.Image == image:
			fresh++
		default:
			stale++
		}
	}
	if r := v.Refresh; fresh < 3 || stale > 0 || r == nil || r.Outdated > 0 || r.State == autoscale.Refreshing || r.State == autoscale.BackingOut {
		return fmt.Errorf("%d of %s, %d others: %+v; %s (%s)", fresh, image, stale, r, v.Last.Reason, v.Last.Held)
	}
	return nil
}
