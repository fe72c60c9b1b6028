package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"rondo/autoscale/ec2sim"
)

const benchCrossings = 20

// scaleConfig has 2,000 rules, and a group whose every step is one instance
// more.
func scaleConfig(tick time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, `%s
alerts:
  hosts: []
  metrics:
`, benchConfig)
	for i := range 2000 {
		name := plainName(i/2, fmt.Sprintf(benchMetrics[3+i%2], 3+i%2))
		fmt.Fprintf(&b, "    - {name: rule-%d, expr: '{__name__=\"%s\"}', critical: {raise: 1e9, clear: 0}}\n", i, name)
	}
	fmt.Fprintf(&b, `
autoscale:
  tick: %v
  ec2: {endpoint: "http://127.0.0.1:{ec2}", region: us-east-1, access_key: test, secret_key: test}
  groups:
    - name: crowd
      mode: act
      min: 0
      max: 100
      metric: '{__name__="bench.load"}'
      in: {below: 0.5, remove: 1}
      cooldown: 100ms
      boot: 1h
      launch: {image: ami-1234, type: t3.micro}
      out:
        above: 10
        steps:
`, tick)
	for i := 1; i <= benchCrossings; i++ {
		fmt.Fprintf(&b, "          - {above: %d, add: %d}\n", 10*i, i)
	}
	return b.String()
}

// launchTimes is an EC2 that says when RunInstances came in.
type launchTimes struct {
	ec2 http.Handler
	at  chan time.Time
}

func (l launchTimes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	body, err := io.ReadAll(r.Body)
	if err == nil && bytes.Contains(body, []byte("Action=RunInstances")) {
		l.at <- now
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	l.ec2.ServeHTTP(w, r)
}

// scaleOut measures from the sample that crosses a threshold, as it goes into
// the socket, to the launch as it comes out of another one.
func (t *table) scaleOut(b *testing.B) {
	for _, tick := range []time.Duration{time.Second, 300 * time.Millisecond} {
		all := scaleOutAt(b, tick)
		what := fmt.Sprintf("threshold crossed to RunInstances, tick %v: median", tick)
		t.add(what, "Karpenter 1-10 s, ASG 10 s to 10 min", quantile(all, 0.5).Seconds(), "s", atMost(0.3))
		t.note("100k series, 2,000 rules")
		t.add(fmt.Sprintf("  slowest of %d", len(all)), "", quantile(all, 1).Seconds(), "s", atMost(1))
	}
}

func scaleOutAt(b *testing.B, tick time.Duration) (all []time.Duration) {
	b.Helper()
	p := newProc(b, scaleConfig(tick))
	sim := ec2sim.New(ec2sim.Options{BootTime: time.Hour})
	launched := launchTimes{sim, make(chan time.Time, benchCrossings)}
	l, err := net.Listen("tcp", p.addr("ec2"))
	if err != nil {
		b.Fatal(err)
	}
	cloud := &http.Server{Handler: launched, ReadHeaderTimeout: time.Second}
	go cloud.Serve(l)
	defer cloud.Close()
	p.start()
	p.sendRounds(newBenchFleet(1000, 100, plainName), 1, time.Now().Unix())
	conn, err := net.Dial("tcp", p.addr("graphite"))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	for i := range benchCrossings {
		// A second between samples, so that none shares its row; then the
		// crossing comes at any moment of a tick.
		time.Sleep(time.Second + rand.N(tick))
		start := time.Now()
		fmt.Fprintf(conn, "bench.load %d %d\n", 10*i+15, start.Unix())
		select {
		case at := <-launched.at:
			all = append(all, at.Sub(start))
		case <-time.After(20 * time.Second):
			var why json.RawMessage
			_ = p.get("/api/groups/crowd", &why)
			b.Fatalf("crossing %d: no launch: %s\n%s", i, why, p.output.String())
		}
	}
	p.stop()
	return all
}
