package syslogd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rondo/rrd/seglog"
	"rondo/syslogd/stage"
	"rondo/syslogd/syslog"
)

// A connection whose messages were lost must not be closed in order, which
// would tell the client that they are stored.
func TestLossResetsConnection(t *testing.T) {
	failing := newMemory()
	failing.fail = func(try int) error {
		if try == 1 { // later batches, and the sync at the end, succeed
			return errors.New("broken")
		}
		return nil
	}
	s, _ := start(t, failing, nil)
	conn := dial(t, "tcp", s.Addr("tcp"))
	send(t, conn, "<34>Oct 11 22:14:15 h su[7]: one\n")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended with %v", err)
	}
}

// unsynced is a Writer whose device fails.
type unsynced struct{ *memory }

func (unsynced) Put(context.Context, []syslog.Message) error { return errors.New("no device") }

func TestFailedSyncResetsConnection(t *testing.T) {
	s, _ := start(t, unsynced{newMemory()}, nil)
	conn := dial(t, "tcp", s.Addr("tcp"))
	send(t, conn, "<34>Oct 11 22:14:15 h su[7]: one\n")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended with %v", err)
	}
}

// lines collects what is logged.
type lines struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.all.String(), text)
}

// A store that fails for long is told once, and so is its return.
func TestFailureIsToldOnce(t *testing.T) {
	store, log := newMemory(), &lines{}
	store.fail = func(try int) error {
		if try <= 20 {
			return errors.New("broken")
		}
		return nil
	}
	s := testListener(store).srv
	s.log = slog.New(slog.NewTextHandler(log, nil))
	for i := range 25 {
		if taken := s.store(t.Context(), []syslog.Message{{Text: "x"}}); taken != (i >= 20) {
			t.Errorf("batch %d taken: %v", i, taken)
		}
	}
	if log.count("level=ERROR") != 1 || log.count("takes messages again") != 1 {
		t.Errorf("%s", log.all.String())
	}
}

func TestFullDiskIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, log := newMemory(), &lines{}
		store.fail = func(try int) error {
			if try <= 30 {
				return seglog.ErrFull
			}
			return nil
		}
		r := NewRouter(RouterOptions{Store: store, Stats: NewStats(), Log: slog.New(slog.NewTextHandler(log, nil))})
		var senders sync.WaitGroup
		for range 10 {
			senders.Go(func() {
				if err := r.Put(t.Context(), []syslog.Message{{Text: "x"}}); err != nil {
					t.Error(err)
				}
			})
		}
		senders.Wait()
		if log.count("level=ERROR") != 1 || log.count("room again") != 1 {
			t.Errorf("%s", log.all.String())
		}
	})
}

// roomy is a store that can be asked whether its disk is full.
type roomy struct{ *memory }

func (m roomy) Room() error { return m.fail(0) }

// A sender that tires of waiting for a full disk sends its messages again: they
// are no repeated ones.
func TestFullDiskAndDedup(t *testing.T) {
	pipe, err := stage.New([]stage.Config{{Dedup: &stage.DedupConfig{}}})
	if err != nil {
		t.Fatal(err)
	}
	store, full := roomy{newMemory()}, true
	store.fail = func(int) error {
		if full {
			return seglog.ErrFull
		}
		return nil
	}
	stats := NewStats()
	r := NewRouter(RouterOptions{Store: store, Stages: pipe, Stats: stats, Log: quiet()})
	one := []syslog.Message{{Text: "one"}}
	impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := r.Put(impatient, one); !errors.Is(err, seglog.ErrFull) {
		t.Fatal(err)
	}
	full = false
	if err := r.Put(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if got := store.texts(); len(got) != 1 || stats.Snapshot()["not_stored"] != 1 {
		t.Errorf("stored %q, %v", got, stats.Snapshot())
	}
}

// What the kernel holds when the server stops is read before the socket goes.
func TestStopReadsTheSocket(t *testing.T) {
	store := newMemory()
	cfg := DefaultConfig()
	cfg.UDP, cfg.TCP, cfg.Unix = "127.0.0.1:0", "", filepath.Join(t.TempDir(), "log")
	s, err := NewServer(cfg, store, NewStats(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	udp := dial(t, "udp", s.Addr("udp"))
	for i := range 300 {
		send(t, udp, fmt.Sprintf("<34>message %d", i))
	}
	local, err := net.Dial("unixgram", cfg.Unix)
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	send(t, local, "<34>local")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got := s.stats.Snapshot(); got["received_udp"] != 300 || got["received_unix"] != 1 || len(store.texts()) != 301 {
		t.Errorf("%v, %d stored", got, len(store.texts()))
	}
}
