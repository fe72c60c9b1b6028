package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"rondo/syslogd/relp"
)

// TestRelayKilled kills a relay again and again with SIGKILL, at random
// moments, while it takes messages over RELP and sends them on over TCP and
// RELP. Every message that it has acknowledged arrives everywhere, in order.
//
// RONDO_RELAY_KILLS sets the number of kills; make soak sets it to 1,000.
func TestRelayKilled(t *testing.T) {
	kills := 12
	if n, err := strconv.Atoi(os.Getenv("RONDO_RELAY_KILLS")); err == nil {
		kills = n
	}
	tcp := newReceiver(t)
	server := newProc(t, crashConfig)
	server.start()
	p := newRelay(t,
		fmt.Sprintf("name: tcp, syslog: {to: %q}", tcp.addr()),
		fmt.Sprintf("name: relp, syslog: {to: %q, proto: relp}", server.addr("relp")),
	)
	f := &relpFeeder{addr: p.addr("relp"), source: "a", stop: make(chan struct{})}
	var feeding sync.WaitGroup
	feeding.Go(f.run)
	for range kills {
		p.start()
		time.Sleep(rand.N(300 * time.Millisecond))
		p.kill()
	}
	p.start()
	close(f.stop)
	feeding.Wait()
	acknowledged := f.next
	tcp.wait(t, acknowledged)
	if s := tcp.of("a"); s.gaps+len(s.wrong) > 0 {
		t.Errorf("tcp: %d gaps, wrong %q", s.gaps, s.wrong)
	}
	for from := 0; from < acknowledged; from += block {
		waitFor(t, func() error {
			counts := map[string]int{}
			countMessages(t, server, fmt.Sprintf("host:a msgid:b%d", from/block), counts)
			for n := from; n < min(from+block, acknowledged); n++ {
				if counts[textOf(n)] == 0 {
					return fmt.Errorf("relp: message %d of %d is not there", n, acknowledged)
				}
			}
			return nil
		})
	}
	waitFor(t, func() error {
		for name, d := range destinationsOf(t, p) {
			if d.Waiting > 0 || d.dropped() > 0 {
				return fmt.Errorf("%s: %+v", name, d)
			}
		}
		return nil
	})
	t.Logf("%d kills, %d messages acknowledged, %d came once more", kills, acknowledged, tcp.of("a").again)
	if acknowledged == 0 {
		t.Error("nothing was acknowledged: the test has shown nothing")
	}
	p.stop()
	server.stop()
}

// block is how many messages have the same MSGID: many come more than once, and
// a search answers with no more than 100,000.
const block = 1000

// A relpFeeder sends the messages of a source over RELP, in order. Those that
// are not acknowledged when a connection ends it sends again over another one.
type relpFeeder struct {
	addr   string
	source string
	stop   chan struct{}
	next   int // all before it are acknowledged
	sent   int // none behind it has been sent
}

// run sends until stop, and then until all that was sent is acknowledged.
func (f *relpFeeder) run() {
	for !f.done() {
		conn, err := net.Dial("tcp", f.addr)
		if err != nil {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		f.session(conn)
		conn.Close()
	}
}

func (f *relpFeeder) done() bool { return stopped(f.stop) && f.next >= f.sent }

// session sends windows of 50 until it is done, or the connection ends.
func (f *relpFeeder) session(conn net.Conn) {
	const window = 50
	reader := relp.NewReader(conn, 1000)
	wire := relp.AppendFrame(nil, 1, relp.Open, relp.Offers{Version: relp.Version, Commands: []string{relp.Syslog}}.String())
	for txnr := 2; !f.done(); txnr += window {
		for i := range window {
			wire = relp.AppendFrame(wire, txnr+i, relp.Syslog, fmt.Sprintf("<13>1 - %s e2e - b%d - %s", f.source, (f.next+i)/block, textOf(f.next+i)))
		}
		f.sent = max(f.sent, f.next+window)
		if _, err := conn.Write(wire); err != nil {
			return
		}
		wire = wire[:0]
		for end := f.next + window; f.next < end; {
			frames, err := reader.Append(nil)
			for _, a := range frames {
				if a.Txnr >= txnr && a.Data == "200 OK" {
					f.next++ // answers come in order
				}
			}
			if err != nil {
				return
			}
		}
	}
}
