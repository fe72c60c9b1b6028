package rrdcached

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rondo/collectors"
	"rondo/rrd"
	"rondo/rrd/rrdtest"
)

// A server is a collector over a store in memory.
type server struct {
	t     testing.TB
	data  string
	sets  rrd.SetStore
	stats *collectors.Stats
	*Collector
	stop func()
}

// serveSets runs a collector; change alters its configuration.
func serveSets(t testing.TB, sets rrd.SetStore, change func(*Config)) *server {
	t.Helper()
	s := &server{t: t, data: t.TempDir(), sets: sets, stats: &collectors.Stats{}}
	s.start(change)
	return s
}

func (s *server) start(change func(*Config)) {
	s.t.Helper()
	conf := DefaultConfig()
	if change != nil {
		change(&conf)
	}
	c, err := New(collectors.Env{Log: slog.New(slog.DiscardHandler), Sets: s.sets, Data: s.data, Stats: s.stats}, conf)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Collector = c
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("Run: %v", err)
		}
	}
	s.t.Cleanup(s.stop)
}

func serveMem(t testing.TB, change func(*Config)) *server {
	return serveSets(t, rrdtest.NewMemSets(rrdtest.Options{}), change)
}

func (s *server) socket() string { return filepath.Join(s.data, "rrdcached.sock") }
func (s *server) base() string   { return filepath.Join(s.data, "rrd") }

// A client speaks to a server, ours or rrdcached.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func dial(t testing.TB, network, addr string) *client {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &client{t, conn, bufio.NewReader(conn)}
}

func (s *server) client() *client { return dial(s.t, "unix", s.socket()) }

func (c *client) send(lines ...string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, strings.Join(lines, "\n")+"\n"); err != nil && !errors.Is(err, syscall.EPIPE) {
		c.t.Fatal(err)
	}
}

// reply reads one whole reply, and says CLOSED where there is none.
func (c *client) reply() string {
	c.t.Helper()
	first, err := c.r.ReadString('\n')
	if err == io.EOF || errors.Is(err, syscall.ECONNRESET) {
		return "CLOSED\n"
	}
	if err != nil {
		c.t.Fatalf("%q: %v", first, err)
	}
	n, err := strconv.Atoi(strings.Fields(first)[0])
	if err != nil {
		c.t.Fatalf("reply %q", first)
	}
	all := first
	for range n {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("%q: %v", all, err)
		}
		all += line
		if _, form, ok := strings.Cut(line, ": BinaryData "); ok {
			var rows, size int
			if _, err := fmt.Sscanf(form, "%d %d LITTLE", &rows, &size); err != nil {
				c.t.Fatal(err)
			}
			raw := make([]byte, rows*size+1)
			if _, err := io.ReadFull(c.r, raw); err != nil {
				c.t.Fatal(err)
			}
			all += fmt.Sprintf("%x\n", raw)
		}
	}
	return all
}

func (c *client) ask(lines ...string) string {
	c.t.Helper()
	c.send(lines...)
	return c.reply()
}

// expect fails the test where the reply is another one.
func (c *client) expect(line, want string) {
	c.t.Helper()
	if got := c.ask(line); got != want+"\n" {
		c.t.Errorf("%s\n got %q\nwant %q", line, got, want+"\n")
	}
}

// need skips the test, loudly, where a program is missing.
func need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("SKIPPED: %s is missing; .ci/deps installs it", program)
	}
	return path
}

// A real is Debian's rrdcached.
type real struct {
	base, socket string
}

// runReal starts rrdcached. It writes nothing by itself within a test's time.
func runReal(t testing.TB, args ...string) real {
	t.Helper()
	program := need(t, "rrdcached")
	dir := t.TempDir()
	r := real{base: filepath.Join(dir, "db"), socket: filepath.Join(dir, "s")}
	if err := os.Mkdir(r.base, 0o700); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"-g", "-l", "unix:" + r.socket, "-b", r.base, "-B", "-R", "-w", "3600", "-f", "7200", "-p", filepath.Join(dir, "pid")}, args...)
	cmd := exec.Command(program, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // a suspended file keeps it from ending
		_ = cmd.Wait()
	})
	for range 1000 {
		if conn, err := net.Dial("unix", r.socket); err == nil {
			conn.Close()
			return r
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Fatal("rrdcached does not answer")
	return r
}
