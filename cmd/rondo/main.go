// Command rondo is a round-robin time-series store, a syslog server, a
// supervisor and an EC2 autoscaler in one program.
//
//	wire -> collectors | syslogd -> store | logstore -> alerts -> actions
//	                                                             (notify, autoscale)
//	                                    web reads all of them
//
// run.go parses the command line; each subcommand has a file of its own;
// server.go wires the parts and draws the picture of what runs.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // downtimes and routes know time zones, also where the machine does not
)

// teardown is how long a stop may take.
const teardown = time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		stop() // a second signal ends the process at once
		time.AfterFunc(teardown, func() {
			fmt.Fprintln(os.Stderr, "rondo: the stop takes too long and is cut")
			os.Exit(1)
		})
	})
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rondo:", err)
	}
	os.Exit(exitCode(err))
}
