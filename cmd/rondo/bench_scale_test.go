package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/autoscale/ec2sim"
)

// What the figure of scaling out is made of: the 100k series and 2,000 rules of
// the figure of alerts, and groups that each follow a metric of ten hosts. A
// crossing is one sample of one host, between those that all series send every
// ten seconds. Crossings are as far apart as the controller's own limit on
// calls that change something wants.
const (
	scaleGroups = 60
	scaleApart  = 1100 * time.Millisecond
	scaleMetric = 2 // of each host: a gauge that no rule looks at
	scaleLast   = 15 * time.Second
)

func scaleGroup(g int) string { return fmt.Sprintf("g%02d", g) }

// scaleConfig has the groups, whose settings are the defaults where they can
// be: crossings launch one instance each.
func scaleConfig(rules string) string {
	var b strings.Builder
	b.WriteString(benchConfig + rules + `
autoscale:
  ec2: {endpoint: "http://127.0.0.1:{ec2}", region: us-east-1, access_key: test, secret_key: test}
  groups:
`)
	for g := range scaleGroups {
		fmt.Fprintf(&b, "    - {name: %[1]s, mode: act, min: 0, max: 10, metric: 'avg(%[2]s{group=\"%[1]s\"})', out: {above: %[3]g, add: 1}, in: {below: -1, remove: 1}, launch: {image: ami-1234}}\n",
			scaleGroup(g), fmt.Sprintf(benchMetrics[scaleMetric], scaleMetric), alertLimit)
	}
	return b.String()
}

// launchTimes is an EC2 that notes when RunInstances came in for a group.
type launchTimes struct {
	ec2 http.Handler

	mu sync.Mutex
	at map[string]time.Time // by group
}

func (l *launchTimes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if bytes.Contains(body, []byte("Action=RunInstances")) && !bytes.Contains(body, []byte("DryRun=true")) {
		l.mu.Lock()
		for g := range scaleGroups {
			if name := scaleGroup(g); bytes.Contains(body, []byte("Value="+name+"&")) && l.at[name].IsZero() {
				l.at[name] = now
			}
		}
		l.mu.Unlock()
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	l.ec2.ServeHTTP(w, r)
}

func (l *launchTimes) launched(group string) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at[group]
}

// serveEC2 serves an emulator on the server's port for it.
func (p *proc) serveEC2(h http.Handler) (stop func()) {
	p.t.Helper()
	l, err := net.Listen("tcp", p.addr("ec2"))
	if err != nil {
		p.t.Fatal(err)
	}
	cloud := &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	go cloud.Serve(l)
	return func() { _ = cloud.Close() }
}

// scaleOut measures from the sample that crosses a threshold, as it goes into
// the socket, to the launch as it comes out of another one.
func (t *table) scaleOut(b *testing.B) {
	rules, _ := alertRules()
	p := newProc(b, scaleConfig(rules))
	cloud := &launchTimes{ec2: ec2sim.New(ec2sim.Options{BootTime: time.Hour}), at: map[string]time.Time{}}
	defer p.serveEC2(cloud)()
	p.start()
	f := &feed{fleet: newBenchFleet(alertHosts, alertMetrics, alertName)}
	p.sendRounds(f.fleet, 2, time.Now().Unix())
	f.dial(p)
	f.run(b, alertSettle, func(int, int) {})
	before := p.cpu()
	began := time.Now()
	sent := t.crowds(b, p, f)
	used := (p.cpu() - before).Seconds() / time.Since(began).Seconds()
	var waits []time.Duration
	for group, at := range sent {
		launched := cloud.launched(group)
		if launched.Before(at) {
			var why json.RawMessage
			_ = p.get("/api/groups/"+group, &why)
			b.Fatalf("%s: no launch since: %s\n%s", group, why, p.output.String())
		}
		waits = append(waits, launched.Sub(at))
	}
	t.add("a sample crosses a threshold -> RunInstances on the wire, 100k series, 2,000 rules: median", "Karpenter 1-10 s, ASG 10 s to 10 min", milliseconds(quantile(waits, 0.5)), "ms", atMost(300))
	t.note("%d groups at the default tick; slowest %s; all together took %.0f %% of a core", scaleGroups, quantile(waits, 1).Round(time.Millisecond), 100*used)
	t.add("the same, 99th percentile", "", milliseconds(quantile(waits, 0.99)), "ms", atMost(1000))
	f.conn.Close()
	p.stop()
}

// crowds makes one group after the other cross its threshold, and returns when
// each sample was sent.
func (t *table) crowds(b *testing.B, p *proc, f *feed) map[string]time.Time {
	b.Helper()
	conn, err := net.Dial("tcp", p.addr("graphite"))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	sent := map[string]time.Time{}
	left, next := rand.Perm(scaleGroups), time.Now()
	f.run(b, scaleGroups*scaleApart*5/4+scaleLast, func(int, int) {
		for i, g := range left {
			series := g*alertMetrics + scaleMetric
			if time.Now().Before(next) || series >= f.lines-alertApart {
				continue // what it was before is still to be sent in this round, or on its way
			}
			time.Sleep(rand.N(alertTick)) // at any moment between two portions
			left, next = slices.Delete(left, i, i+1), time.Now().Add(scaleApart)
			f.fleet.values[series] = 1e12 // and there it stays
			sent[scaleGroup(g)] = time.Now()
			if _, err := fmt.Fprintf(conn, "%s 1e12 %d\n", f.fleet.names[series], time.Now().Unix()); err != nil {
				b.Fatal(err)
			}
			return
		}
	})
	return sent
}
