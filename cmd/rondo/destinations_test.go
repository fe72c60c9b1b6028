package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// relayConfig takes messages and stores none.
const relayConfig = `
web: {listen: "127.0.0.1:{web}"}
log: warn
syslogd:
  udp: ""
  tcp: "127.0.0.1:{syslog}"
  listeners: [{proto: relp, listen: "127.0.0.1:{relp}"}]
  canary: {interval: 0}
  destinations:
%s
  routes:
    - {name: all, to: [%s]}
collectors: []
alerts: {hosts: []}
`

// newRelay is a relay to some destinations, each as in the configuration,
// without the braces.
func newRelay(t *testing.T, destinations ...string) *proc {
	t.Helper()
	var lines, names []string
	for _, d := range destinations {
		lines = append(lines, "    - {"+d+"}")
		name, _, _ := strings.Cut(strings.TrimPrefix(d, "name: "), ",")
		names = append(names, name)
	}
	return newProc(t, fmt.Sprintf(relayConfig, strings.Join(lines, "\n"), strings.Join(names, ", ")))
}

// destinationsOf are all destinations of a server, each with its counts, which
// must hold at any moment.
func destinationsOf(t *testing.T, p *proc) map[string]destinationView {
	t.Helper()
	var v routesView
	if err := p.get("/api/routes", &v); err != nil {
		t.Fatal(err)
	}
	by := map[string]destinationView{}
	for _, d := range v.Destinations {
		by[d.Name] = d
		if d.Routed != d.Delivered+d.dropped()+d.Waiting {
			t.Errorf("%s: routed %d = delivered %d + dropped %v + waiting %d does not hold", d.Name, d.Routed, d.Delivered, d.Dropped, d.Waiting)
		}
	}
	return by
}

// TestDeadDestination: while destinations are dead, or take nothing, one that
// works gets everything; their queues keep to their bounds, and when they work
// again each message has arrived or been dropped for a reason that is told.
// Package spool has the same over an hour, and with ages, by a clock of its own.
func TestDeadDestination(t *testing.T) {
	t.Parallel()
	fast := newReceiver(t)
	ports := map[string]int{"oldest": deadPort(t), "newest": deadPort(t)}
	stalled, err := net.Listen("tcp", "127.0.0.1:0") // nobody reads what the kernel accepts
	if err != nil {
		t.Fatal(err)
	}
	defer stalled.Close()
	p := newRelay(t,
		fmt.Sprintf("name: fast, syslog: {to: %q}", fast.addr()),
		fmt.Sprintf("name: oldest, queue: {bytes: 1048576}, syslog: {to: \"127.0.0.1:%d\"}", ports["oldest"]),
		fmt.Sprintf("name: newest, queue: {bytes: 1048576, when_full: drop-newest}, syslog: {to: \"127.0.0.1:%d\"}", ports["newest"]),
		fmt.Sprintf("name: stalled, queue: {bytes: 1048576}, syslog: {to: %q}", stalled.Addr().String()),
	)
	p.start()
	f := &feeder{sources: []string{"a", "b", "c"}}
	for range 10 {
		if err := f.feed(p.addr("syslog"), 1000); err != nil {
			t.Fatal(err)
		}
	}
	fast.wait(t, f.all())
	fast.complete(t, f)

	// Whatever is sent is settled, dropped or waits, at any moment.
	for name, d := range destinationsOf(t, p) {
		if d.Routed != uint64(f.all()) {
			t.Errorf("%s: %d routed of %d", name, d.Routed, f.all())
		}
		if name != "fast" && (d.Dropped["queue_full"] == 0 || d.Bytes > 1<<20) {
			t.Errorf("%s: %d bytes wait, dropped %v", name, d.Bytes, d.Dropped)
		}
	}
	back := map[string]*receiver{}
	for name, port := range ports {
		back[name] = receiverAt(t, port)
	}
	delivered := func() error {
		for name, d := range destinationsOf(t, p) {
			if name != "stalled" && d.Waiting > 0 {
				return fmt.Errorf("%s: %+v", name, d)
			}
		}
		return nil
	}
	waitFor(t, delivered)
	if err := f.feed(p.addr("syslog"), 10); err != nil {
		t.Fatal(err)
	}
	waitFor(t, delivered)
	fast.wait(t, f.all())
	fast.complete(t, f)
	after := destinationsOf(t, p)
	for name, r := range back {
		d := after[name]
		r.wait(t, int(d.Delivered))
		if d.Routed != uint64(f.all()) || int(d.Delivered) != r.count() {
			t.Errorf("%s: %d have arrived: %+v", name, r.count(), d)
		}
		for _, source := range f.sources {
			s := r.of(source)
			if s.last != f.next-1 || s.again+s.back+len(s.wrong) > 0 {
				t.Errorf("%s, %s: %d of %d is the last, %d again, %d out of order, wrong %q", name, source, s.last, f.next, s.again, s.back, s.wrong)
			}
		}
	}
	p.stop()
}

// TestSendersWait: where nothing may be dropped, senders wait until the
// destination works again, and nothing is.
func TestSendersWait(t *testing.T) {
	t.Parallel()
	port := deadPort(t)
	p := newRelay(t, fmt.Sprintf("name: it, queue: {bytes: 1048576, when_full: block}, syslog: {to: \"127.0.0.1:%d\"}", port))
	p.start()
	f := &feeder{sources: []string{"a", "b"}}
	var feeding sync.WaitGroup
	var failed error
	feeding.Go(func() { failed = f.feed(p.addr("syslog"), 5000) })
	waitFor(t, func() error {
		if d := destinationsOf(t, p)["it"]; d.Senders == 0 {
			return fmt.Errorf("no sender waits: %+v", d)
		}
		return nil
	})
	r := receiverAt(t, port)
	feeding.Wait()
	if failed != nil {
		t.Fatal(failed)
	}
	r.wait(t, f.all())
	r.complete(t, f)
	waitFor(t, func() error {
		if d := destinationsOf(t, p)["it"]; d.Delivered != uint64(f.all()) || d.Routed != d.Delivered {
			return fmt.Errorf("%+v", d)
		}
		return nil
	})
	p.stop()
}

// TestFullDisk: the disk of a relay becomes full while a destination is dead.
// What cannot be written is dropped and counted. With the destination back,
// the disk empties and the relay goes on, without a restart.
func TestFullDisk(t *testing.T) {
	own := isolated("--mount")
	if own == nil {
		t.Skip("SKIPPED: no namespace of mounts can be made here")
	}
	t.Parallel()
	port := deadPort(t)
	p := newRelay(t, fmt.Sprintf("name: it, syslog: {to: \"127.0.0.1:%d\"}", port))
	data := filepath.Join(p.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	p.start(append(own, "sh", "-c", `mount -t tmpfs -o size=150m tmpfs "$0" && exec "$@"`, data)...)
	f := &feeder{sources: []string{"a"}}
	waitFor(t, func() error {
		if err := f.feed(p.addr("syslog"), 5000); err != nil {
			t.Fatal(err)
		}
		if d := destinationsOf(t, p)["it"]; d.Dropped["disk_full"] == 0 {
			return fmt.Errorf("the disk is not full: %+v", d)
		}
		return nil
	})
	dropped := destinationsOf(t, p)["it"].Dropped["disk_full"]
	before := f.next
	r := receiverAt(t, port)
	waitFor(t, func() error {
		if d := destinationsOf(t, p)["it"]; d.Waiting > 0 {
			return fmt.Errorf("%+v", d)
		}
		return nil
	})
	waitFor(t, func() error {
		if err := f.feed(p.addr("syslog"), 1); err != nil {
			t.Fatal(err)
		}
		if s := r.of("a"); s.last < before {
			return fmt.Errorf("nothing gets through any more: %+v", destinationsOf(t, p)["it"])
		}
		return nil
	})
	waitFor(t, func() error {
		d := destinationsOf(t, p)["it"]
		if d.Waiting > 0 || int(d.Delivered) != r.count() || int(d.Routed) != f.all() || d.Dropped["disk_full"] < dropped {
			return fmt.Errorf("%d sent, %d have arrived: %+v", f.all(), r.count(), d)
		}
		return nil
	})
	if s := r.of("a"); s.again+s.back+len(s.wrong) > 0 {
		t.Errorf("%d again, %d out of order, wrong %q", s.again, s.back, s.wrong)
	}
	p.stop()
}

func deadPort(t *testing.T) int {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}
