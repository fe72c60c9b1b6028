//go:build linux

package graphite

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"rondo/collectors"
	"rondo/rrd"
)

// discard takes everything at once.
type discard struct{}

func (discard) Append(context.Context, []rrd.Sample) error { return nil }

// cpu is the time that this process has computed, which a busy machine hardly
// changes.
func cpu(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkTCP is the way of a line from the client's socket to Append, the
// client included, over two connections.
func BenchmarkTCP(b *testing.B) {
	env := collectors.Env{Log: slog.New(slog.DiscardHandler), Store: discard{}, Stats: &collectors.Stats{}}
	conf := DefaultConfig()
	conf.Listen = "127.0.0.1:0"
	c, err := New(env, conf)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	const lines, conns = 200_000, 2
	var text strings.Builder
	for i := range lines {
		fmt.Fprintf(&text, "dc1.role3.host%05d.cpu.%d.user %.2f 1790000000\n", i/100, i%100, float64(i)*1.37)
	}
	send := func(done chan<- error) {
		conn, err := net.Dial("tcp", c.Addr().String())
		if err == nil {
			_, err = io.Copy(conn, strings.NewReader(text.String()))
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.ReadAll(conn)
			conn.Close()
		}
		done <- err
	}
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		done := make(chan error, conns)
		for range conns {
			go send(done)
		}
		for range conns {
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N)/lines/conns, "cpu-ns/line")
	cancel()
	if err := <-ended; err != nil {
		b.Error(err)
	}
}
