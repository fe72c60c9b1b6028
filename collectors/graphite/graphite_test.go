package graphite

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"rondo/collectors"
	"rondo/rrd"
)

// A sink remembers samples, and tells when some came.
type sink struct {
	mu     sync.Mutex
	values map[string]float64
	came   chan struct{}
}

func (s *sink) Append(_ context.Context, batch []rrd.Sample) error {
	s.mu.Lock()
	for _, x := range batch {
		s.values[strings.Clone(string(x.Key))] = x.Value
	}
	s.mu.Unlock()
	select {
	case s.came <- struct{}{}:
	default:
	}
	return nil
}

func start(t *testing.T) (*Collector, *sink, collectors.Env) {
	t.Helper()
	s := &sink{values: make(map[string]float64), came: make(chan struct{}, 1)}
	env := collectors.Env{Log: slog.New(slog.DiscardHandler), Store: s, Stats: &collectors.Stats{}}
	c, err := Kind().Build(env, func(conf any) error {
		conf.(*Config).Listen = "127.0.0.1:0"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return c.(*Collector), s, env
}

func TestTCP(t *testing.T) {
	c, s, env := start(t)
	conn, err := net.Dial("tcp", c.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "a.b 1 1790000000\nnonsense\nc 2.5 -1")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.values) != 2 || s.values["a.b"] != 1 || s.values["c"] != 2.5 {
		t.Errorf("stored %v", s.values)
	}
	if got := env.Stats.Snapshot(); got["samples"] != 2 || got["bad_fields"] != 1 {
		t.Errorf("counted %v", got)
	}
}

func TestUDP(t *testing.T) {
	c, s, _ := start(t)
	conn, err := net.Dial("udp", c.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "a.b 1 1790000000\na.c 2 1790000000")
	<-s.came
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.values) != 2 {
		t.Errorf("stored %v", s.values)
	}
}

// TestStopStoresPackets stops a collector that has read nothing yet.
func TestStopStoresPackets(t *testing.T) {
	s := &sink{values: make(map[string]float64), came: make(chan struct{}, 1)}
	conf := DefaultConfig()
	conf.Listen = "127.0.0.1:0"
	c, err := New(collectors.Env{Log: slog.New(slog.DiscardHandler), Store: s, Stats: &collectors.Stats{}}, conf)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("udp", c.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "a.b 1 1790000000\na.c 2 1790000000")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Run(ctx); err != nil {
		t.Error(err)
	}
	if len(s.values) != 2 {
		t.Errorf("stored %v", s.values)
	}
}

func TestPortInUse(t *testing.T) {
	c, _, env := start(t)
	_, err := New(env, Config{
		Bind: collectors.Bind{Listen: c.Addr().String()}, MaxConnections: 1, IdleTimeout: 1,
	})
	if err == nil || !strings.Contains(err.Error(), c.Addr().String()) {
		t.Errorf("error %v", err)
	}
}

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	c := DefaultConfig()
	c.Listen = ":2003"
	if _, err := New(collectors.Env{}, c); err == nil || !strings.Contains(err.Error(), "allow:") {
		t.Errorf("error %v", err)
	}
}
