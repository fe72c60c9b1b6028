package syslogd

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"rondo/syslogd/syslog"
)

// nowhere is a Sink that keeps nothing.
type nowhere struct{}

func (nowhere) Put(context.Context, []syslog.Message) error { return nil }

// BenchmarkTCP is all of the way from a socket to the sink, the sender
// included.
func BenchmarkTCP(b *testing.B) {
	const lines = 500
	msg := "<34>1 2026-10-11T22:14:15.003Z web-01 nginx 77 ID47 - 10.0.0.7 - - \"GET /static/app.js HTTP/1.1\" 200 5316 \"https://example.org/\" \"Mozilla/5.0 (X11; Linux)\" 0.012\n"
	block := strings.Repeat(msg, lines)
	cfg := DefaultConfig()
	cfg.UDP, cfg.TCP = "", "127.0.0.1:0"
	s, err := NewServer(cfg, nowhere{}, NewStats(), quiet())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	conn, err := net.Dial("tcp", s.Addr("tcp").String())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	began, n := cpuTime(), 0
	for b.Loop() {
		if n%lines == 0 {
			if _, err := io.WriteString(conn, block); err != nil {
				b.Fatal(err)
			}
		}
		n++
	}
	conn.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, conn) // it closes when all is stored
	reportCPU(b, began)
	conn.Close()
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

// BenchmarkRelay is what a relay adds to the storing of a message.
func BenchmarkRelay(b *testing.B) {
	r, err := OpenRelay(RelayConfig{Name: "bench", To: "127.0.0.1:1", QueueBytes: 64 << 20}, b.TempDir(), NewStats(), quiet())
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	batch := messages(0, 500)
	b.ReportAllocs()
	began, n := cpuTime(), 0
	for b.Loop() {
		if n%len(batch) == 0 {
			r.enqueue(batch)
		}
		n++
	}
	reportCPU(b, began)
}
