package syslogd

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// serveUntil runs a server with sockets until it is told to stop.
func serveUntil(t *testing.T, sockets *Sockets, cfg Config, sink Sink) (s *Server, stop func()) {
	t.Helper()
	s, err := sockets.NewServer(cfg, sink, NewStats(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return s, func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// What comes while one server has ended and the next has not begun, as in a
// reload, is not lost.
func TestSocketsOutliveServer(t *testing.T) {
	store, sockets := newMemory(), NewSockets()
	t.Cleanup(sockets.Close)
	cfg := DefaultConfig()
	cfg.UDP, cfg.TCP, cfg.Unix = "127.0.0.1:0", "127.0.0.1:0", filepath.Join(t.TempDir(), "log")
	s, stop := serveUntil(t, sockets, cfg, store)
	udp := dial(t, "udp", s.Addr("udp"))
	local := dial(t, "unixgram", s.Addr("unix"))
	send(t, udp, "<34>one")
	store.wait(t, 1)
	stop()
	send(t, udp, "<34>two")
	send(t, local, "<34>three")
	send(t, dial(t, "tcp", s.Addr("tcp")), "<34>four\n")
	next, stop := serveUntil(t, sockets, cfg, store)
	got := slices.Sorted(slices.Values(store.wait(t, 4)))
	if want := []string{"four", "one", "three", "two"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for _, name := range []string{"udp", "tcp", "unix"} {
		if next.Addr(name).String() != s.Addr(name).String() {
			t.Errorf("%s: another socket", name)
		}
	}
	stop()

	// One that cannot start takes nothing away; one that wants less does.
	bad := cfg
	bad.Listeners = []ListenerConfig{{Proto: RELP, Listen: next.Addr("tcp").String()}}
	if _, err := sockets.NewServer(bad, store, NewStats(), quiet()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a server on a port that is taken: %v", err)
	}
	cfg.UDP = ""
	last, stop := serveUntil(t, sockets, cfg, store)
	if last.Addr("tcp").String() != s.Addr("tcp").String() {
		t.Error("a failure has cost a socket")
	}
	if conn, err := net.ListenPacket("udp", s.Addr("udp").String()); err != nil {
		t.Errorf("the socket that is not wanted any more: %v", err)
	} else {
		conn.Close()
	}
	stop()
	sockets.Close()
	if _, err := os.Lstat(cfg.Unix); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

// Options that a socket has for good make a new one.
func TestSocketsWithOtherOptions(t *testing.T) {
	sockets := NewSockets()
	t.Cleanup(sockets.Close)
	cfg := DefaultConfig()
	cfg.UDP, cfg.TCP, cfg.Unix = "", "", filepath.Join(t.TempDir(), "log")
	_, stop := serveUntil(t, sockets, cfg, newMemory())
	stop()
	cfg.Unix, cfg.Listeners = "", []ListenerConfig{{Proto: Unix, Listen: cfg.Unix, Mode: "0600"}}
	_, stop = serveUntil(t, sockets, cfg, newMemory())
	defer stop()
	if info, err := os.Stat(cfg.Listeners[0].Listen); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}
