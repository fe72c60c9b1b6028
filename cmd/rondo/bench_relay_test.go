package main

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// relay sends the same lines, over two connections, through rsyslog, syslog-ng
// and rondo to a server that only counts them. rondo has each line in a queue
// on disk before it goes on; the other two as well where it says so.
func (t *table) relay(b *testing.B) {
	texts := corpusTexts()
	for _, peer := range []struct{ label, program, conf string }{
		{"rsyslog, queue in memory", "rsyslogd", fmt.Sprintf(rsyslogRelay, "")},
		{"rsyslog, queue on disk", "rsyslogd", fmt.Sprintf(rsyslogRelay, `queue.type="Disk" queue.filename="q"`)},
		{"syslog-ng, queue in memory", "syslog-ng", fmt.Sprintf(syslogNGRelay, "log-fifo-size(100000)")},
		{"syslog-ng, queue on disk", "syslog-ng", fmt.Sprintf(syslogNGRelay, `disk-buffer(reliable(yes) disk-buf-size(2000000000) mem-buf-size(10000000) dir("{dir}"))`)},
	} {
		if !havePeer(peer.program) {
			b.Skipf("SKIPPED: %s is missing; .ci/deps unpacks it", peer.program)
		}
		c, dir := newCounter(b), b.TempDir()
		port, err := freePort()
		if err != nil {
			b.Fatal(err)
		}
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		conf := replaced(peer.conf, "{dir}", dir, "{in}", strconv.Itoa(port), "{out}", c.port())
		t.relayed(b, peer.label, &proc{t: b, cmd: startSyslogPeer(b, peer.program, conf, addr)}, addr, texts, c, goal{})
	}
	c := newCounter(b)
	p := newProc(b, replaced(rondoRelay, "{out}", c.port()))
	p.start()
	t.relayed(b, "rondo, queue on disk", p, p.addr("syslog"), texts, c, atMost(1.5))
	t.note("log of the queues %s", quantity(allocatedBelow(b, filepath.Join(p.dir, "data", "spool")), "B"))
	p.stop()
}

const (
	rondoRelay = `
web: {listen: "127.0.0.1:{web}"}
log: error
collectors: []
syslogd:
  udp: ""
  tcp: "127.0.0.1:{syslog}"
  canary: {interval: 0}
  destinations:
    - {name: out, queue: {when_full: block}, syslog: {to: "127.0.0.1:{out}", framing: newline}}
  routes:
    - {name: all, to: out}
`
	rsyslogRelay = `
		global(workDirectory="{dir}")
		module(load="imtcp")
		input(type="imtcp" address="127.0.0.1" port="{in}")
		action(type="omfwd" target="127.0.0.1" port="{out}" protocol="tcp" template="RSYSLOG_SyslogProtocol23Format" %s)
	`
	syslogNGRelay = `@version: 3.38
		options { stats-freq(0); flush-lines(100); };
		source s { network(ip("127.0.0.1") port({in}) transport("tcp") log-iw-size(20000) flags(syslog-protocol)); };
		destination d { network("127.0.0.1" port({out}) transport("tcp") flags(syslog-protocol) %s); };
		log { source(s); destination(d); flags(flow-control); };
	`
)

// replaced replaces words of a text, each by the one behind it.
func replaced(text string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		text = string(bytes.ReplaceAll([]byte(text), []byte(pairs[i]), []byte(pairs[i+1])))
	}
	return text
}

// relayed sends all lines to a relay, waits until they have come out, and adds
// a line to the table.
func (t *table) relayed(b *testing.B, label string, p *proc, addr string, texts [2]string, c *counter, g goal) {
	cpu, start := p.cpu(), time.Now()
	var sending errgroup.Group
	for _, text := range texts {
		sending.Go(func() error {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				return err
			}
			defer conn.Close()
			_, err = conn.Write([]byte(text))
			return err
		})
	}
	if err := sending.Wait(); err != nil {
		b.Fatal(err)
	}
	select {
	case <-c.all:
	case <-time.After(patience):
		b.Fatalf("%s: not all lines have come out", label)
	}
	wall := time.Since(start)
	t.add("syslog TCP relayed by "+label+": CPU per message", "", (p.cpu()-cpu).Seconds()*1e6/serverLines, "us", g)
	t.note("%s with generator and receiver", quantity(serverLines/wall.Seconds(), "messages/s"))
}

// A counter is a server that counts lines.
type counter struct {
	l   net.Listener
	all chan struct{} // closed when all have come
}

func newCounter(b *testing.B) *counter {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	c := &counter{l: l, all: make(chan struct{})}
	lines := make(chan int, 100)
	go func() {
		for n := 0; n < serverLines; {
			n += <-lines
		}
		close(c.all)
		for range lines { // those that come twice
		}
	}()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buf := make([]byte, 256<<10)
				for err == nil {
					var n int
					n, err = conn.Read(buf)
					lines <- bytes.Count(buf[:n], []byte{'\n'})
				}
			}()
		}
	}()
	return c
}

func (c *counter) port() string {
	_, port, _ := net.SplitHostPort(c.l.Addr().String())
	return port
}
