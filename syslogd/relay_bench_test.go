package syslogd

import (
	"bytes"
	"io"
	"net"
	"testing"

	"rondo/syslogd/out/forward"
	"rondo/syslogd/spool"
)

// BenchmarkRelay is the whole way of a message through the process: from TCP
// in, along a route, through the queue on disk, to TCP out.
func BenchmarkRelay(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	d, err := forward.New(forward.Config{To: []string{l.Addr().String()}, Framing: forward.Newline}, quiet())
	if err != nil {
		b.Fatal(err)
	}
	r := routerTo(b, discard{}, b.TempDir(), []string{"x"}, RouteConfig{Name: "r", To: []string{"x"}})
	if _, err := r.Spool.Queues([]spool.QueueConfig{{Name: "x", Limits: spool.Limits{WhenFull: spool.Block}}}); err != nil {
		b.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.UDP, cfg.TCP = "", "127.0.0.1:0"
	s, err := NewServer(cfg, r, r.Stats, quiet())
	if err != nil {
		b.Fatal(err)
	}
	go s.Run(b.Context())
	runQueue(b, r.Queues[0], d)
	conn, err := net.Dial("tcp", s.Addr("tcp").String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	counted, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer counted.Close()
	line := []byte("<134>1 2026-10-11T22:14:15.003000Z web-017.example.com nginx 1234 - - 10.1.2.3 - - \"GET /api/v1/items/4711 HTTP/1.1\" 200 5123 \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\" 0.012 upstream=10.0.3.4:8080 request_id=4bf92f3577b34da6\n")
	chunk := bytes.Repeat(line, 500)
	b.SetBytes(int64(len(line)))
	began := cpuTime()
	b.ResetTimer()
	go func() {
		for left := b.N; left > 0; left -= 500 {
			if _, err := conn.Write(chunk[:min(left, 500)*len(line)]); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 256<<10)
	for n := 0; n < b.N; {
		got, err := counted.Read(buf)
		if err != nil && err != io.EOF {
			b.Fatal(err)
		}
		n += bytes.Count(buf[:got], []byte{'\n'})
	}
	reportCPU(b, began)
}
