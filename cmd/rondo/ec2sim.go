package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"rondo/autoscale/ec2sim"
)

// ec2simCmd runs the emulator alone.
type ec2simCmd struct {
	Listen    string        `help:"Address to listen on; loopback only." default:"127.0.0.1:4599" placeholder:"ADDR"`
	Boot      time.Duration `help:"Time from launch to running." default:"5s"`
	Max       int           `help:"Most instances." default:"200"`
	Heartbeat string        `help:"Graphite address that each running instance sends fleet.GROUP.HOST.up to once a second; GROUP is its tag rondo:group." placeholder:"ADDR"`
}

func (ec2simCmd) Help() string {
	return `Examples:
  rondo ec2sim --listen=127.0.0.1:4599
  aws --endpoint-url=http://127.0.0.1:4599 --region=us-east-1 ec2 run-instances --image-id=ami-1 --count=2

Faults on demand:
  curl -d '{"action":"RunInstances","effect":"error","code":"InsufficientInstanceCapacity","count":3}' \
    -H 'Content-Type: application/json' http://127.0.0.1:4599/_sim/faults`
}

func (c ec2simCmd) Run(ctx context.Context, out io.Writer, stderr errorWriter) error {
	host, _, err := net.SplitHostPort(c.Listen)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("ec2sim: --listen %s: want an address of the loopback: the emulator checks no credentials", c.Listen)
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("ec2sim: %w", err)
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	sim := ec2sim.New(ec2sim.Options{BootTime: c.Boot, Max: c.Max, Log: log, Boot: c.boot})
	fmt.Fprintf(out, "EC2 emulator at http://%s\n", l.Addr())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return sim.Run(ctx) })
	g.Go(func() error { return serveUntil(ctx, l, sim) })
	return g.Wait()
}

// boot is an instance's life: it sends a heartbeat each second.
func (c ec2simCmd) boot(ctx context.Context, i ec2sim.Instance) {
	if c.Heartbeat == "" {
		return
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", c.Heartbeat)
		if err == nil {
			fmt.Fprintf(conn, "fleet.%s.%s.up 1 %d\n", i.Tags["rondo:group"], i.Hostname(), time.Now().Unix())
			conn.Close()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
