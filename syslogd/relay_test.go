package syslogd

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/rrd/seglog"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// relayTo opens a relay with a queue in dir.
func relayTo(t *testing.T, to, dir string, change func(*RelayConfig)) *Relay {
	t.Helper()
	cfg := RelayConfig{Name: "test", To: to}
	if change != nil {
		change(&cfg)
	}
	r, err := OpenRelay(cfg, dir, NewStats(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// runRelay runs it and returns what stops it.
func runRelay(t *testing.T, r *Relay) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func messages(from, to int) []syslog.Message {
	var batch []syslog.Message
	for i := from; i < to; i++ {
		line := fmt.Sprintf("<%d>1 2026-10-11T22:14:15.000003Z h%d app %d - - message %d", 8+i%8, i%3, i, i)
		batch = append(batch, syslog.Parse(line, received(), netip.Addr{}))
	}
	return batch
}

// The whole way: into one server, through a relay with a filter, to another.
func TestRelay(t *testing.T) {
	for _, cfg := range []RelayConfig{
		{}, {Framing: FramingNewline}, {Format: WireRaw}, {Format: WireRFC3164, Framing: FramingNewline},
	} {
		t.Run(fmt.Sprint(cfg.Framing, "/", cfg.Format), func(t *testing.T) {
			far := newMemory()
			destination, _ := start(t, far, nil)
			f, err := filter.Parse("severity<=err")
			if err != nil {
				t.Fatal(err)
			}
			r := relayTo(t, destination.Addr("tcp").String(), t.TempDir(), func(c *RelayConfig) {
				c.Framing, c.Format, c.Filter = cfg.Framing, cfg.Format, f
			})
			defer r.Close()
			near := newMemory()
			s, stop := start(t, NewRouter(near, []*Relay{r}, nil, nil, NewStats(), quiet()), nil)
			stopRelay := runRelay(t, r)
			conn := dial(t, "tcp", s.Addr("tcp"))
			send(t, conn, "<13>1 - h a - - - not relayed\n<11>1 2026-10-11T22:14:15Z web-01 nginx 7 ID47 - relayed\n")
			near.wait(t, 2)
			far.wait(t, 1)
			stop()
			stopRelay()
			m := far.at(0)
			if len(far.texts()) != 1 || m.Text != "relayed" || m.Host != "web-01" || m.App != "nginx" || m.Severity != syslog.Error ||
				!m.When().Equal(time.Date(2026, 10, 11, 22, 14, 15, 0, time.UTC)) {
				t.Errorf("%+v", m)
			}
			got := r.stats.Snapshot()
			if got["relay_test_filtered"] != 1 || got["relay_test_relayed"] != 1 || r.Waiting() != 0 {
				t.Error(got, r.Waiting())
			}
		})
	}
}

// A line end in a message must not become two messages.
func TestRelayLineEnds(t *testing.T) {
	m := syslog.Parse("<13>1 - h a - - - one\ntwo", received(), netip.Addr{})
	check := func(framing Framing, want string) {
		t.Helper()
		r := &Relay{cfg: RelayConfig{Framing: framing, Format: WireRaw}}
		if got := string(r.appendWire([]byte("before "), &m)); got != "before "+want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	check(FramingNewline, "<13>1 - h a - - - one#012two\n")
	check(FramingOctets, "25 <13>1 - h a - - - one\ntwo")
}

// A destination that is down slows nobody; what was queued arrives when it is
// back, through a restart of the relay.
func TestRelayWaitsOnDisk(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close() // nobody listens there
	dir := t.TempDir()
	r := relayTo(t, addr, dir, nil)
	stop := runRelay(t, r)
	r.enqueue(messages(0, 1000))
	if r.Waiting() != 1000 {
		t.Errorf("%d wait", r.Waiting())
	}
	stop()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}

	far := newMemory()
	start(t, far, func(c *Config) { c.TCP = addr })
	r = relayTo(t, addr, dir, nil)
	defer r.Close()
	if r.Waiting() != 1000 {
		t.Errorf("%d wait after a restart", r.Waiting())
	}
	stop = runRelay(t, r)
	r.enqueue(messages(1000, 1100))
	got := far.wait(t, 1100)
	stop()
	for i, text := range got {
		if text != fmt.Sprintf("message %d", i) {
			t.Fatalf("message %d is %q", i, text)
		}
	}
	if got := r.stats.Snapshot()["relay_test_dropped_queue_full"]; got != 0 {
		t.Errorf("%d dropped", got)
	}
}

// A snapshot of a queue, taken while messages are queued and delivered, goes on
// where it was taken: nothing that was not delivered is missing.
func TestRelaySnapshot(t *testing.T) {
	far := newMemory()
	destination, _ := start(t, far, nil)
	r := relayTo(t, destination.Addr("tcp").String(), t.TempDir(), func(c *RelayConfig) { c.QueueBytes = 1 << 20 })
	stop := runRelay(t, r)
	r.enqueue(messages(0, 500))
	far.wait(t, 500)
	r.enqueue(messages(500, 1000))
	base := t.TempDir()
	if err := r.Snapshot(filepath.Join(base, r.Name())); err != nil {
		t.Fatal(err)
	}
	r.enqueue(messages(1000, 1100))
	far.wait(t, 1100)
	stop()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}

	again := newMemory()
	destination, _ = start(t, again, nil)
	r = relayTo(t, destination.Addr("tcp").String(), base, nil)
	defer r.Close()
	waiting := int(r.Waiting())
	stop = runRelay(t, r)
	r.enqueue(messages(1000, 1001))
	got := again.wait(t, waiting+1)
	stop()
	for i, text := range got {
		if text != fmt.Sprintf("message %d", 1000-waiting+i) {
			t.Fatalf("message %d of %d that waited is %q", i, waiting, text)
		}
	}
	if got := r.stats.Snapshot()["relay_test_dropped_queue_full"]; got != 0 {
		t.Errorf("%d dropped", got)
	}
}

// What a connection that breaks has not delivered is sent again: at least
// once, and in order.
func TestRelayAtLeastOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := relayTo(t, l.Addr().String(), t.TempDir(), nil)
	defer r.Close()
	runRelay(t, r)
	const n = 20000
	go func() {
		for i := 0; i < n; i += 100 {
			r.enqueue(messages(i, i+100))
		}
	}()
	// Each connection takes a little, and the last one takes all.
	seen := make(map[string]bool)
	var last string
	for round := 0; len(seen) < n; round++ {
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		framer := syslog.NewFramer(conn, 0)
		for taken := 0; len(seen) < n && (round >= 5 || taken < 1000*round); {
			frames, err := framer.Append(nil)
			for _, f := range frames {
				if !f.Truncated {
					_, last, _ = strings.Cut(f.Line, " - - ")
					seen[last] = true
					taken++
				}
			}
			if err != nil {
				t.Fatalf("round %d, %d seen, last %q: %v", round, len(seen), last, err)
			}
		}
		// Unread bytes make this a reset: the peer's kernel had them, we not.
		// Drain first, so that what was acknowledged is what we have.
		drain(conn, framer, seen)
	}
}

// drain closes our side and reads what is still on the way.
func drain(conn net.Conn, framer *syslog.Framer, seen map[string]bool) {
	defer conn.Close()
	conn.(*net.TCPConn).CloseWrite()
	for {
		frames, err := framer.Append(nil)
		for _, f := range frames {
			if !f.Truncated {
				_, text, _ := strings.Cut(f.Line, " - - ")
				seen[text] = true
			}
		}
		if err != nil {
			return
		}
	}
}

// A queue that is full drops its oldest segments and says how many messages
// that were.
func TestRelayQueueIsBounded(t *testing.T) {
	far := newMemory()
	dir := t.TempDir()
	r := relayTo(t, "127.0.0.1:1", dir, func(c *RelayConfig) { c.QueueBytes = minQueueBytes })
	const n = 60000
	for i := 0; i < n; i += 500 {
		r.enqueue(messages(i, i+500))
	}
	if size := int64(r.queue.End() - r.queue.First()); size > minQueueBytes {
		t.Errorf("the queue has %d bytes", size)
	}
	r.Close()

	destination, _ := start(t, far, nil)
	r = relayTo(t, destination.Addr("tcp").String(), dir, func(c *RelayConfig) { c.QueueBytes = minQueueBytes })
	defer r.Close()
	stop := runRelay(t, r)
	r.enqueue(messages(n, n+1))
	far.wait(t, 1)
	for all := far.texts(); all[len(all)-1] != fmt.Sprintf("message %d", n); all = far.texts() {
		far.wait(t, len(all)+1)
	}
	stop()
	dropped := int(r.stats.Snapshot()["relay_test_dropped_queue_full"])
	if got := len(far.texts()); dropped == 0 || dropped+got != n+1 {
		t.Errorf("%d dropped and %d relayed of %d", dropped, got, n+1)
	}
}

func TestCursor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursor")
	if _, found, err := readCursor(path); found || err != nil {
		t.Error(found, err)
	}
	want := cursor{pos: 77, number: 7}
	for range 2 {
		if err := want.write(path); err != nil {
			t.Fatal(err)
		}
		if got, found, err := readCursor(path); got != want || !found || err != nil {
			t.Errorf("%+v %v %v", got, found, err)
		}
		want.pos++
	}
	if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, found, err := readCursor(path); found || err != nil {
		t.Error(found, err)
	}
}

// A gap in the queue is read again by each connection, and counted once.
func TestGapIsCountedOnce(t *testing.T) {
	r := relayTo(t, "127.0.0.1:1", t.TempDir(), nil)
	defer r.Close()
	take := func(d *delivery, number uint64) {
		r.take(d, seglog.Record{Data: append(binary.BigEndian.AppendUint64(nil, number), "m"...)})
	}
	for range 3 { // connections that break before anything is delivered
		d := &delivery{}
		take(d, 5)
		take(d, 6)
	}
	if got := r.stats.Snapshot()["relay_test_dropped_queue_full"]; got != 5 {
		t.Errorf("%d dropped", got)
	}
	d := &delivery{}
	take(d, 9) // the queue was shortened meanwhile
	if got := r.stats.Snapshot()["relay_test_dropped_queue_full"]; got != 7 {
		t.Errorf("%d dropped", got)
	}
}
