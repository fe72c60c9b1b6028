package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rondo/alerts"
	"rondo/alerts/fleet"
	"rondo/autoscale/ec2sim"
)

const retireConfig = `
web: {listen: "127.0.0.1:{web}"}
log: warn
rrd: {schemas: [{name: load, match: "load.*", archives: [1s for 1h], heartbeat: 10s}]}
syslogd: {udp: "", tcp: "", canary: {interval: 0}}
collectors: [{kind: graphite, listen: "127.0.0.1:{graphite}"}]
agents: {token: "0123456789abcdef"}
alerts:
  hosts: [{name: host-silent, silent: 6s, interval: 200ms}]
autoscale:
  tick: 300ms
  ec2: {endpoint: "http://127.0.0.1:{ec2}", region: us-east-1, access_key: test, secret_key: test}
  groups:
    - name: web
      mode: act
      min: 1
      max: 4
      metric: '{__name__="load.web"}'
      out: {above: 50, for: 500ms, add: 3}
      in: {below: 10, for: 500ms, remove: 3}
      cooldown: 300ms
      boot: 2s
      warm: 100ms
      stale: 5s
      silent: 3s
      drain: 15s
      launch: {image: ami-1234, type: t3.micro}
`

// machine is the life of an instance: an agent, and a program that logs to a
// file and, when it is told to end, at the same time as the agent, says its last.
// It does not outlive the emulator.
const machine = `
mkdir -p $LIFE/$INSTANCE_HOST && cd $LIFE/$INSTANCE_HOST && touch app.log
cat > agent.yml <<EOF
server: $SERVER
token_file: $LIFE/token
data: $PWD/agent
host: $INSTANCE_HOST
ec2: {endpoint: "$AWS_EC2_METADATA_SERVICE_ENDPOINT"}
metrics: {interval: 1s}
files: [{paths: ["$PWD/app.log"], app: app, from: beginning}]
EOF
$RONDO agent --config=agent.yml 2> agent.log &
agent=$!
trap 'sleep 0.2; echo "last line of $INSTANCE_HOST" >> app.log; wait $agent; exit' TERM
n=0
while kill -0 $PPID; do echo "line $n" >> app.log; n=$((n+1)); sleep 0.2; done
kill $agent
`

// TestRetired: instances with real agents are launched and retired. Each one's
// last line, which it writes while it shuts down, is found by search; nobody
// alarms; and its page has its history when the fleet has let go of it.
func TestRetired(t *testing.T) {
	t.Parallel()
	p := newProc(t, retireConfig)
	if err := os.WriteFile(filepath.Join(p.dir, "token"), []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bin, err := exec.LookPath("rondo")
	if err != nil {
		t.Fatal(err)
	}
	emulator := &proc{t: t, dir: p.dir, ports: p.ports}
	cmd := exec.Command(bin, "ec2sim", "--listen", p.addr("ec2"), "--boot", "100ms", "--exec", machine)
	cmd.Env = append(os.Environ(), "LIFE="+p.dir, "SERVER="+p.url(""), "RONDO="+bin)
	emulator.run(cmd)
	cloud := &rush{p: p}
	waitFor(t, func() error { _, err := cloud.instances(); return err })
	p.start()
	stop := make(chan struct{})
	defer close(stop)
	loads := make(chan float64, 1)
	go sendLoad(p.addr("graphite"), loads, stop)
	serving := func(n int) {
		t.Helper()
		waitFor(t, func() error {
			all, err := cloud.instances()
			if err == nil && alive(all) != n {
				err = fmt.Errorf("%d instances, want %d", alive(all), n)
			}
			return err
		})
	}
	loads <- 30
	serving(1)
	loads <- 90
	serving(4)
	waitFor(t, func() error { return hostsHeard(p, 4) })
	loads <- 1
	serving(1)
	all, err := cloud.instances()
	if err != nil {
		t.Fatal(err)
	}
	retired := slices.DeleteFunc(all, func(i ec2sim.Instance) bool { return i.State == ec2sim.Running })
	waitFor(t, func() error { return lastLinesOf(t, p, retired) })
	time.Sleep(7 * time.Second) // as long as it takes to alarm
	var told []alerts.Transition
	if err := p.get("/api/alerts/transitions", &told); err != nil {
		t.Fatal(err)
	}
	for _, tr := range told {
		t.Errorf("told: %v", tr)
	}
	for _, i := range retired {
		if !shows(p, "/hosts/"+i.Hostname(), "last line of "+i.Hostname()) {
			t.Errorf("the page of %s does not show its last line", i.Hostname())
		}
	}
}

// sendLoad sends the newest load each 300 ms.
func sendLoad(addr string, loads chan float64, stop chan struct{}) {
	load := <-loads
	for !stopped(stop) {
		select {
		case load = <-loads:
		case <-time.After(300 * time.Millisecond):
		}
		if err := sendAndWait(addr, fmt.Sprintf("load.web %v -1\n", load)); err != nil {
			continue // the server is away
		}
	}
}

func hostsHeard(p *proc, n int) error {
	var hosts []fleet.Host
	if err := p.get("/api/hosts", &hosts); err != nil {
		return err
	}
	heard := slices.DeleteFunc(hosts, func(h fleet.Host) bool { return h.LastSeen.IsZero() || h.LastLog.IsZero() })
	if len(heard) < n {
		return fmt.Errorf("%d hosts are heard, want %d", len(heard), n)
	}
	return nil
}

func lastLinesOf(t *testing.T, p *proc, retired []ec2sim.Instance) error {
	t.Helper()
	texts := storedTexts(t, p, "app")
	var missing []string
	for _, i := range retired {
		if texts["last line of "+i.Hostname()] == 0 {
			missing = append(missing, i.Hostname())
		}
	}
	if len(missing) > 0 || len(retired) == 0 {
		return fmt.Errorf("no last line of %s, of %d", strings.Join(missing, " "), len(retired))
	}
	return nil
}
