package syslogd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rondo/rrd/seglog"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// memory is a Writer that keeps messages, and can be told to fail.
type memory struct {
	mu       sync.Mutex
	messages []syslog.Message
	synced   int // messages that were there at the last Put
	fail     func(try int) error
	tries    int
	grown    chan struct{}
}

func newMemory() *memory { return &memory{grown: make(chan struct{}, 1)} }

func (m *memory) Put(ctx context.Context, batch []syslog.Message) error {
	err := m.Write(ctx, batch)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.synced = len(m.messages)
	return err
}

func (m *memory) Write(_ context.Context, batch []syslog.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tries++
	if m.fail != nil {
		if err := m.fail(m.tries); err != nil {
			return err
		}
	}
	for i := range batch {
		m.messages = append(m.messages, batch[i].Clone())
	}
	select {
	case m.grown <- struct{}{}:
	default:
	}
	return nil
}

func (m *memory) texts() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for i := range m.messages {
		all = append(all, m.messages[i].Text)
	}
	return all
}

// at returns a message that is there.
func (m *memory) at(i int) *syslog.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &m.messages[i]
}

// wait returns the texts once there are n.
func (m *memory) wait(t *testing.T, n int) []string {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		if all := m.texts(); len(all) >= n {
			return all
		}
		select {
		case <-m.grown:
		case <-deadline:
			t.Fatalf("%d messages of %d: %q", len(m.texts()), n, m.texts())
		}
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// start runs a server on free ports of loopback until the test ends.
func start(t *testing.T, sink Sink, change func(*Config)) (*Server, func()) {
	t.Helper()
	cfg := DefaultConfig()
	cfg.UDP, cfg.TCP, cfg.TimeZone = "127.0.0.1:0", "127.0.0.1:0", "UTC"
	if change != nil {
		change(&cfg)
	}
	return run(t, cfg, sink, quiet())
}

// run runs a server until the test ends, or until it is told to stop.
func run(t testing.TB, cfg Config, sink Sink, log *slog.Logger) (s *Server, stop func()) {
	t.Helper()
	s, err := NewServer(cfg, sink, NewStats(), log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return s, stop
}

func dial(t *testing.T, network string, addr net.Addr) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func send(t *testing.T, conn net.Conn, data string) {
	t.Helper()
	if _, err := io.WriteString(conn, data); err != nil {
		t.Fatal(err)
	}
}

func TestUDP(t *testing.T) {
	store := newMemory()
	s, _ := start(t, store, func(c *Config) { c.MaxMessage = 480 })
	conn := dial(t, "udp", s.Addr("udp"))
	send(t, conn, "<34>Oct 11 22:14:15 h su[7]: one\n")
	send(t, conn, "<34>Oct 11 22:14:15 h su[7]: two\nand more\x00")
	send(t, conn, "\n")
	send(t, conn, "<34>1 - h a - - - "+strings.Repeat("x", 600))
	if got := store.wait(t, 3); got[0] != "one" || got[1] != "two\nand more" || len(got[2]) != 480-len("<34>1 - h a - - - ") {
		t.Errorf("%q", got)
	}
	m := store.at(2)
	if m.Sender != netip.MustParseAddr("127.0.0.1") || m.Received.IsZero() || !m.Truncated {
		t.Errorf("%+v", m)
	}
	got := s.Snapshot()
	if drops, ok := got["kernel_drops_udp"]; !ok && runtime.GOOS == "linux" || drops != 0 || got["received_udp"] != 4 || got["truncated"] != 1 {
		t.Error(got)
	}
}

func TestUnix(t *testing.T) {
	store := newMemory()
	path := filepath.Join(t.TempDir(), "log")
	if l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	} else {
		l.Close() // what a dead process leaves
	}
	_, stop := start(t, store, func(c *Config) { c.Unix = path })
	conn, err := net.Dial("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	send(t, conn, "<34>Oct 11 22:14:15 su[7]: hello")
	conn.Close()
	store.wait(t, 1)
	host, err := os.Hostname() // a relay's readers would not know "localhost"
	if m := store.at(0); err != nil || m.Sender.IsValid() || m.Host != host || m.App != "su" {
		t.Errorf("%+v", m)
	}
	again := Config{Unix: path, Options: DefaultConfig().Options}
	if _, err := NewServer(again, store, NewStats(), quiet()); err == nil {
		t.Error("two servers on one socket")
	}
	stop()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestTCP(t *testing.T) {
	store := newMemory()
	s, _ := start(t, store, nil)
	conn := dial(t, "tcp", s.Addr("tcp"))
	send(t, conn, "<34>Oct 11 22:14:15 h su[7]: one\n38 <34>Oct 11 22:14:15 h su[7]: two\nlines\n<34>Oct 11 22:14:15 h su[7]: last")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	// The server closes its side only when all is on disk.
	if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
		t.Fatalf("%q %v", rest, err)
	}
	store.mu.Lock()
	synced := store.synced
	store.mu.Unlock()
	if got := store.texts(); fmt.Sprint(got) != "[one two\nlines last]" || synced != 3 {
		t.Errorf("%q, %d synced", got, synced)
	}
}

func TestConnectionLimits(t *testing.T) {
	store := newMemory()
	s, _ := start(t, store, func(c *Config) { c.MaxConnections = 1 })
	first := dial(t, "tcp", s.Addr("tcp"))
	send(t, first, "<34>one\n")
	store.wait(t, 1)
	second := dial(t, "tcp", s.Addr("tcp"))
	if _, err := second.Read(make([]byte, 1)); err == nil {
		t.Error("a second connection is served")
	}
	if got := s.stats.Snapshot()["refused_connections_max"]; got != 1 {
		t.Error(got)
	}
}

func TestStopKeepsWhatWasRead(t *testing.T) {
	store := newMemory()
	s, stop := start(t, store, nil)
	conn := dial(t, "tcp", s.Addr("tcp"))
	send(t, conn, "<34>one\n<34>two\n<34>thr") // the last one is not finished
	store.wait(t, 2)
	stop()
	if got := store.texts(); len(got) != 3 || got[2] != "thr" {
		t.Errorf("%q", got)
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := DefaultConfig()
	cfg.UDP, cfg.TCP = "127.0.0.1:0", l.Addr().String()
	if _, err := NewServer(cfg, newMemory(), NewStats(), quiet()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Error(err)
	}
}

// networks reads them as a configuration has them.
func networks(t *testing.T, texts ...string) []Network {
	t.Helper()
	all := make([]Network, len(texts))
	for i, text := range texts {
		if err := all[i].UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestAllow(t *testing.T) {
	l := &listener{ListenerConfig: ListenerConfig{Options: Options{Allow: networks(t, "10.0.0.0/8", "192.0.2.7", "2001:db8::5")}}}
	for addr, want := range map[string]bool{"192.0.2.7": true, "2001:db8::5": true, "2001:db8::6": false, "10.1.2.3": true, "::ffff:10.1.2.3": true, "127.0.0.1": true, "::1": true, "192.0.2.1": false} {
		if got := l.allowed(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if err := new(Network).UnmarshalText([]byte("10.0.0")); err == nil {
		t.Error("10.0.0 is no network")
	}
}

func TestStrictListener(t *testing.T) {
	store := newMemory()
	s, _ := start(t, store, func(c *Config) { c.Strict = true })
	conn := dial(t, "tcp", s.Addr("tcp"))
	send(t, conn, "hello\n<34>1 - h a - - - good\n")
	if got := store.wait(t, 1); got[0] != "good" {
		t.Errorf("%q", got)
	}
	if got := s.stats.Snapshot()["refused_strict"]; got != 1 {
		t.Error(got)
	}
}

// testListener serves connections of net.Pipe, in a bubble.
func testListener(store Sink) *listener {
	cfg := DefaultConfig()
	stats := NewStats()
	s := &Server{sink: store, stats: stats, log: quiet(), refused: newRefusals(stats)}
	lc := ListenerConfig{Proto: TCP}.withDefaults(&cfg)
	return &listener{ListenerConfig: lc, srv: s, log: s.log, zone: time.UTC, received: "received_tcp"}
}

func TestIdleConnectionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		l := testListener(store)
		client, server := net.Pipe()
		began := time.Now()
		done := make(chan time.Duration)
		go func() {
			l.serveConn(t.Context(), server)
			done <- time.Since(began)
		}()
		time.Sleep(time.Hour)
		send(t, client, "<34>one\n<34>unfinished")
		if d := <-done; d != time.Hour+l.IdleTimeout {
			t.Errorf("closed after %v", d)
		}
		if got := store.texts(); fmt.Sprint(got) != "[one unfinished]" {
			t.Errorf("%q", got)
		}
	})
}

// A full disk makes the sender wait, not lose.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		full := true
		store.fail = func(int) error {
			if full {
				return fmt.Errorf("append: %w", seglog.ErrFull)
			}
			return nil
		}
		stats := NewStats()
		l := testListener(NewRouter(RouterOptions{Store: store, Stats: stats, Log: quiet()}))
		client, server := net.Pipe()
		go l.serveConn(t.Context(), server)
		send(t, client, "<34>one\n")
		wrote := make(chan struct{})
		go func() {
			io.WriteString(client, "<34>two\n")
			close(wrote)
		}()
		time.Sleep(time.Hour)
		select {
		case <-wrote:
			t.Error("the connection is read while the disk is full")
		default:
		}
		store.mu.Lock()
		full = false
		store.mu.Unlock()
		<-wrote
		client.Close()
		synctest.Wait()
		if got := store.texts(); fmt.Sprint(got) != "[one two]" || stats.Snapshot()["stored"] != 2 {
			t.Errorf("%q %v", got, stats.Snapshot())
		}
	})
}

func TestRouterGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		store.fail = func(int) error { return errors.New("broken") }
		stats := NewStats()
		r := NewRouter(RouterOptions{Store: store, Stats: stats, Log: quiet()})
		if err := r.Put(t.Context(), []syslog.Message{{Text: "x"}}); err == nil || store.tries != storeTries {
			t.Errorf("%v after %d tries", err, store.tries)
		}
		if got := stats.Snapshot()["not_stored"]; got != 1 {
			t.Error(got)
		}
	})
}

func TestDiscard(t *testing.T) {
	discard, err := filter.Parse("severity:debug")
	if err != nil {
		t.Fatal(err)
	}
	store, stats := newMemory(), NewStats()
	r := NewRouter(RouterOptions{Store: store, Discard: discard, Stats: stats, Log: quiet()})
	batch := []syslog.Message{{Text: "a"}, {Text: "b", Severity: syslog.Debug}, {Text: "c"}, {Text: "d", Severity: syslog.Debug}}
	if err := r.Put(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if got := store.texts(); fmt.Sprint(got) != "[a c]" || stats.Snapshot()["discarded"] != 2 || batch[1].Text != "b" {
		t.Errorf("%q %v", got, stats.Snapshot())
	}
}
