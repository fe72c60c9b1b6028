package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"rondo/autoscale/ec2sim"
)

// ec2simCmd runs the emulator alone.
type ec2simCmd struct {
	Listen     string        `help:"Address to listen on; loopback only." default:"127.0.0.1:4599" placeholder:"ADDR"`
	Boot       ec2sim.Times  `help:"Time from launch to running: 5s, 30s..90s (uniform) or lognormal(60s,0.4) (median and sigma)." default:"5s" placeholder:"TIMES"`
	Unseen     ec2sim.Times  `help:"Time for which lists do not show a new instance." default:"0s" placeholder:"TIMES"`
	Checks     time.Duration `help:"Time for which status checks are initializing." default:"0s"`
	GroupDelay time.Duration `help:"Time that an Auto Scaling group takes to act." default:"0s"`
	Rebalance  bool          `help:"Auto Scaling groups even out their zones, as AWS's do."`
	Throttle   bool          `help:"Refuse requests beyond AWS's token buckets (RequestLimitExceeded)."`
	Seed       uint64        `help:"Seed of all that is random." default:"1"`
	Faults     string        `help:"File of faults to begin with: a JSON list, as POST /_sim/faults takes." type:"existingfile" placeholder:"FILE"`
	Network    netip.Prefix  `help:"The /16 of the instances' addresses. In 127.0.0.0/8, but for 127.0.0.0/16, processes can listen at them." default:"10.0.0.0/16" placeholder:"NETWORK"`
	Max        int           `help:"Most instances." default:"1000"`
	Heartbeat  string        `help:"Graphite address that each running instance sends fleet.GROUP.HOST.up to once a second; GROUP is its tag rondo:group." placeholder:"ADDR"`
	Exec       string        `help:"Shell command that is each running instance's life: it is started when the instance runs and ended (SIGTERM) with it. What it prints goes nowhere." placeholder:"CMD"`
}

func (ec2simCmd) Help() string {
	return `It speaks EC2, Auto Scaling, ELB v2, SSM, STS and Route 53 as the AWS command line and SDKs do.

Examples:
  rondo ec2sim --listen=127.0.0.1:4599 --boot=30s..90s
  aws --endpoint-url=http://127.0.0.1:4599 --region=us-east-1 ec2 run-instances --image-id=ami-1 --count=2
  aws --endpoint-url=http://127.0.0.1:4599 --region=us-east-1 autoscaling describe-auto-scaling-groups

A process for each instance (it has INSTANCE_ID, INSTANCE_HOST, INSTANCE_GROUP, INSTANCE_TYPE, INSTANCE_ZONE, INSTANCE_IP,
INSTANCE_USER_DATA and AWS_EC2_METADATA_SERVICE_ENDPOINT in its environment):
  rondo ec2sim --exec='eval "$INSTANCE_USER_DATA"'
  rondo ec2sim --network=127.16.0.0/16 --exec='exec python3 -m http.server --bind "$INSTANCE_IP"'

Faults on demand: no room for a type in a zone, half of all requests failing for 5 minutes, a Spot interruption:
  curl -d '{"effect":"no-room","type":"c5.large","zone":"us-east-1a","count":-1}' -H 'Content-Type: application/json' http://127.0.0.1:4599/_sim/faults
  curl -d '{"effect":"error","code":"Unavailable","share":0.5,"for":"5m","count":-1}' -H 'Content-Type: application/json' http://127.0.0.1:4599/_sim/faults
  curl -d '{"effect":"spot-notice","instance":"i-0123456789abcdef0"}' -H 'Content-Type: application/json' http://127.0.0.1:4599/_sim/faults
  curl -X DELETE http://127.0.0.1:4599/_sim/faults`
}

func (c ec2simCmd) Run(ctx context.Context, out io.Writer, stderr errorWriter) error {
	host, _, err := net.SplitHostPort(c.Listen)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("ec2sim: --listen %s: want an address of the loopback: the emulator checks no credentials", c.Listen)
	}
	if !c.Network.Addr().Is4() || c.Network.Bits() != 16 || c.Network.Masked() != c.Network {
		return fmt.Errorf("ec2sim: --network %s: want an IPv4 network of 16 bits, such as 127.16.0.0/16", c.Network)
	}
	faults, err := c.script()
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("ec2sim: %w", err)
	}
	machine := simMachine{heartbeat: c.Heartbeat, command: c.Exec, metadata: "http://" + l.Addr().String() + "/_sim/imds/", log: slog.New(slog.NewTextHandler(stderr, nil))}
	sim := ec2sim.New(ec2sim.Options{
		Boots: c.Boot, Unseen: c.Unseen, CheckTime: c.Checks, GroupDelay: c.GroupDelay, Rebalance: c.Rebalance, Throttle: c.Throttle, Seed: c.Seed, Max: c.Max, Network: c.Network,
		Log: machine.log, Boot: machine.run,
	})
	if err := sim.Inject(faults...); err != nil {
		return errors.Join(err, l.Close())
	}
	fmt.Fprintf(out, "EC2 emulator at http://%s\n", l.Addr())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return sim.Run(ctx) })
	g.Go(func() error { return serveUntil(ctx, l, sim) })
	return g.Wait()
}

// script reads the faults to begin with.
func (c ec2simCmd) script() (ec2sim.Script, error) {
	if c.Faults == "" {
		return nil, nil
	}
	b, err := os.ReadFile(c.Faults)
	if err != nil {
		return nil, fmt.Errorf("ec2sim: %w", err)
	}
	var s ec2sim.Script
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("ec2sim: %s: %w", c.Faults, err)
	}
	return s, nil
}

// A simMachine is what an instance does while it runs.
type simMachine struct {
	heartbeat, command string
	metadata           string // URL of the instances' metadata
	log                *slog.Logger
}

func (m simMachine) run(ctx context.Context, i ec2sim.Instance) {
	var busy sync.WaitGroup
	if m.heartbeat != "" {
		busy.Go(func() { m.beat(ctx, i) })
	}
	if m.command != "" {
		busy.Go(func() { m.exec(ctx, i) })
	}
	busy.Wait()
}

// beat sends a heartbeat each second, over a connection that it keeps: 1,000
// new ones a second would use up the machine's ports.
func (m simMachine) beat(ctx context.Context, i ec2sim.Instance) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	var conn net.Conn
	for {
		if conn == nil {
			// A server that is away is asked again in a second.
			conn, _ = (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", m.heartbeat)
		}
		if conn != nil {
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
			if _, err := fmt.Fprintf(conn, "fleet.%s.%s.up 1 %d\n", i.Tags["rondo:group"], i.Hostname(), time.Now().Unix()); err != nil {
				_ = conn.Close()
				conn = nil
			}
		}
		select {
		case <-ctx.Done():
			if conn != nil {
				_ = conn.Close()
			}
			return
		case <-ticker.C:
		}
	}
}

// exec runs the instance's command, in a process group of its own, of which
// nothing outlives the instance.
func (m simMachine) exec(ctx context.Context, i ec2sim.Instance) {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", m.command)
	cmd.Env = append(os.Environ(),
		"INSTANCE_ID="+i.ID, "INSTANCE_HOST="+i.Hostname(), "INSTANCE_GROUP="+i.Tags["rondo:group"], "INSTANCE_TYPE="+i.Type, "INSTANCE_ZONE="+i.Zone,
		"INSTANCE_IP="+i.PrivateIP, "INSTANCE_USER_DATA="+i.UserData, "AWS_EC2_METADATA_SERVICE_ENDPOINT="+m.metadata+i.ID)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what the shell left behind, if anything
	}
	if err != nil && ctx.Err() == nil {
		m.log.Warn("the instance's command failed", "instance", i.ID, "err", err)
	}
}
