package syslogd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rondo/syslogd/syslog"
)

// Several sockets share a port, and nothing is lost or twice.
func TestUDPSockets(t *testing.T) {
	store := newMemory()
	s, stop := start(t, store, func(c *Config) { c.Sockets = 4 })
	const senders, each = 20, 50
	for i := range senders {
		conn := dial(t, "udp", s.Addr("udp"))
		for n := range each {
			send(t, conn, fmt.Sprintf("<34>sender %d message %d", i, n))
		}
	}
	got, next := store.wait(t, senders*each), map[int]int{}
	for _, text := range got {
		var i, n int
		if _, err := fmt.Sscanf(text, "sender %d message %d", &i, &n); err != nil || n != next[i] {
			t.Fatalf("%q, want message %d: %v", text, next[i], err)
		}
		next[i]++
	}
	if g := s.Gauges()["receive_buffer_udp"]; g < 4*2048 {
		t.Errorf("a receive buffer of %v bytes", g)
	}
	stop()
	if n, known := s.Snapshot()["kernel_drops_udp"]; n != 0 || known {
		t.Errorf("%d dropped", n)
	}
}

// A port that is shared by several sockets of ours is not shared with others.
func TestUDPPortInUse(t *testing.T) {
	s, _ := start(t, newMemory(), func(c *Config) { c.Sockets = 2 })
	cfg := DefaultConfig()
	cfg.UDP, cfg.TCP, cfg.Sockets = s.Addr("udp").String(), "", 2
	if _, err := NewServer(cfg, newMemory(), NewStats(), quiet()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Error(err)
	}
}

func TestUDPIPv6(t *testing.T) {
	l, err := net.ListenPacket("udp", "[::1]:0")
	if err != nil {
		t.Log("there is no IPv6 here")
		return
	}
	l.Close()
	store := newMemory()
	s, _ := start(t, store, func(c *Config) { c.UDP = "[::1]:0" })
	conn := dial(t, "udp", s.Addr("udp"))
	send(t, conn, "<34>one")
	store.wait(t, 1)
	if got := store.at(0).Sender; got.String() != "::1" {
		t.Error(got)
	}
}

// Reading datagrams allocates nothing, whatever they hold.
func TestReadingAllocatesNothing(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r, err := newPacketReader(conn, maxDatagram)
	if err != nil {
		t.Fatal(err)
	}
	client, got := dial(t, "udp", conn.LocalAddr()), 0
	for range 100 {
		send(t, client, "<34>Oct 11 22:14:15 h su[7]: hello")
	}
	allocs := testing.AllocsPerRun(1, func() {
		for got < 100 {
			n, err := r.next()
			if err != nil {
				t.Error(err)
				return
			}
			for i := range n {
				if p := r.packet(i); string(p.data) == "<34>Oct 11 22:14:15 h su[7]: hello" && p.from.Is4() {
					got++
				}
			}
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// The kernel says who writes to a unix socket.
func TestUnixCredentials(t *testing.T) {
	dir, store := t.TempDir(), newMemory()
	paths := map[Proto]string{Unix: filepath.Join(dir, "log"), UnixStream: filepath.Join(dir, "stream")}
	s, _ := start(t, store, func(c *Config) {
		c.UDP, c.TCP, c.Unix = "", "", paths[Unix]
		c.Listeners = []ListenerConfig{{Proto: UnixStream, Listen: paths[UnixStream], Mode: "0660"}}
	})
	want := fmt.Sprintf("[peer pid=\"%d\" uid=\"%d\"]", os.Getpid(), os.Getuid())
	check := func(i int, m *syslog.Message) {
		t.Helper()
		if m.PID != fmt.Sprint(os.Getpid()) || m.SD != want || m.Text != "hello" || m.Sender.IsValid() {
			t.Errorf("%d: %+v", i, m)
		}
	}
	datagrams, err := net.Dial("unixgram", paths[Unix])
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	send(t, datagrams, "<34>Oct 11 22:14:15 su: hello")
	store.wait(t, 1)
	check(0, store.at(0))
	forged := dial(t, "unixgram", &net.UnixAddr{Name: paths[Unix], Net: "unixgram"})
	send(t, forged, fmt.Sprintf(`<34>1 - - su %d - [peer pid="1" uid="0"] hello`, os.Getpid()))
	store.wait(t, 2)
	check(1, store.at(1))
	before, n := s.Snapshot()["truncated"], 2
	if _, err := forged.Write([]byte("<34>" + strings.Repeat("x", 80<<10))); err == nil { // the system may have a lower limit
		store.wait(t, 3)
		if m := store.at(2); !m.Truncated || s.Snapshot()["truncated"] != before+1 {
			t.Errorf("%d bytes of a long datagram, not marked or not counted", len(m.Raw))
		}
		n++
	}
	stream, err := net.Dial("unix", paths[UnixStream])
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	send(t, stream, "<34>Oct 11 22:14:15 su: hello\n<34>1 - h su 9 - [a k=\"v\"] own\n")
	store.wait(t, n+2)
	check(n, store.at(n))
	if m := store.at(n + 1); m.PID != "9" || m.SD != `[a k="v"]`+want {
		t.Errorf("%+v", m)
	}
	for proto, mode := range map[Proto]os.FileMode{Unix: 0o666, UnixStream: 0o660} {
		if info, err := os.Stat(paths[proto]); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", proto, info.Mode(), err)
		}
	}
}

// A flood does not starve others: while the store is slow, the queue fills up,
// the flood loses, and each message of a quiet sender is stored, but for those
// that the kernel throws away where the machine is too busy to read them.
func TestFloodOverUDP(t *testing.T) {
	store := newMemory()
	slow := make(chan struct{})
	store.fail = func(int) error {
		<-slow
		return nil
	}
	s, _ := start(t, store, nil)
	flood, quiet := dial(t, "udp", s.Addr("udp")), dialFrom(t, "127.0.0.2", s.Addr("udp"))
	big := "<34>1 - flood a - - - " + strings.Repeat("x", 60_000)
	eventually(t, func() bool {
		for range 300 {
			send(t, flood, big)
		}
		return s.Snapshot()["refused_crowded"] > 0
	})
	const sent = 100
	before := s.Snapshot()["kernel_drops_udp"]
	for i := range sent {
		send(t, quiet, fmt.Sprintf("<34>1 - quiet a - - - %d", i))
		send(t, flood, big)
	}
	close(slow)
	eventually(t, func() bool {
		n := s.Snapshot()["kernel_drops_udp"] - before
		for i := range store.texts() {
			if store.at(i).Host == "quiet" {
				n++
			}
		}
		return n >= sent
	})
	if top := s.Offenders(); len(top) != 1 || top[0].Sender.String() != "127.0.0.1" {
		t.Errorf("%v", top)
	}
}

// dialFrom dials from another of loopback's addresses.
func dialFrom(t *testing.T, from string, to net.Addr) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
	conn, err := d.DialContext(t.Context(), "udp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
