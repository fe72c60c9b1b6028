package syslogd

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rondo/rrd/seglog"
	"rondo/syslogd/peertest"
	"rondo/syslogd/relp"
	"rondo/syslogd/syslog"
)

// nowhere is a Sink that keeps nothing.
type nowhere struct{}

func (nowhere) Put(context.Context, []syslog.Message) error { return nil }

const benchLine = "<34>1 2026-10-11T22:14:15.003Z web-01 nginx 77 ID47 - 10.0.0.7 - - \"GET /static/app.js HTTP/1.1\" 200 5316 \"https://example.org/\" \"Mozilla/5.0 (X11; Linux)\" 0.012"

// benchServer runs a server that keeps nothing until the benchmark ends.
func benchServer(b *testing.B, change func(*Config)) *Server {
	b.Helper()
	cfg := DefaultConfig()
	cfg.UDP, cfg.TCP = "", ""
	change(&cfg)
	s, err := NewServer(cfg, nowhere{}, NewStats(), quiet())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return s
}

// halfCloser is a connection whose client can say that it is done.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// benchStream is all of the way from a socket to the sink, the sender
// included.
func benchStream(b *testing.B, conn halfCloser) {
	b.Helper()
	const lines = 500
	block := strings.Repeat(benchLine+"\n", lines)
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
	conn.CloseWrite()
	io.Copy(io.Discard, conn) // it closes when all is stored
	reportCPU(b, began)
	conn.Close()
}

func BenchmarkTCP(b *testing.B) {
	s := benchServer(b, func(c *Config) { c.TCP = "127.0.0.1:0" })
	conn, err := net.Dial("tcp", s.Addr("tcp").String())
	if err != nil {
		b.Fatal(err)
	}
	benchStream(b, conn.(*net.TCPConn))
}

func BenchmarkTLS(b *testing.B) {
	ca := peertest.NewAuthority(b)
	id := ca.Issue(b, "server.test", time.Hour)
	s := benchServer(b, func(c *Config) { c.TLS = TLSListener{"127.0.0.1:0", TLSConfig{Cert: id.Cert, Key: id.Key}} })
	conn, err := tls.Dial("tcp", s.Addr("tls").String(), ca.Client(b))
	if err != nil {
		b.Fatal(err)
	}
	benchStream(b, conn)
}

// BenchmarkTLSHandshake is a connection with certificates of both sides.
func BenchmarkTLSHandshake(b *testing.B) {
	ca := peertest.NewAuthority(b)
	id := ca.Issue(b, "server.test", time.Hour)
	s := benchServer(b, func(c *Config) {
		c.TLS = TLSListener{"127.0.0.1:0", TLSConfig{Cert: id.Cert, Key: id.Key, ClientCA: ca.File}}
	})
	client := ca.Client(b, id)
	for b.Loop() {
		conn, err := tls.Dial("tcp", s.Addr("tls").String(), client)
		if err != nil {
			b.Fatal(err)
		}
		conn.CloseWrite()
		io.Copy(io.Discard, conn)
		conn.Close()
	}
}

// BenchmarkRELP sends with a window of 128, as librelp does, into a log that
// is synced before each reply: messages a second, and the time from a
// message's sending to its acknowledgement.
func BenchmarkRELP(b *testing.B) {
	for _, senders := range []int{1, 8} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) { benchRELP(b, senders) })
	}
}

func benchRELP(b *testing.B, senders int) {
	log, err := seglog.Open(b.TempDir(), seglog.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	cfg := DefaultConfig()
	cfg.UDP, cfg.TCP, cfg.Listeners = "", "", []ListenerConfig{{Proto: RELP, Listen: "127.0.0.1:0"}}
	s, stop := run(b, cfg, synced{log}, quiet())
	defer stop()
	b.ReportAllocs()
	began, latencies := cpuTime(), make([][]time.Duration, senders)
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	for i := range senders {
		wg.Go(func() { latencies[i] = sendRELP(b, s.Addr("relp").String(), &left) })
	}
	wg.Wait()
	b.StopTimer()
	reportCPU(b, began)
	all := slices.Concat(latencies...)
	slices.Sort(all)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
}

// synced is a Sink that writes lines to a log and syncs it.
type synced struct{ log *seglog.Log }

func (s synced) Put(ctx context.Context, batch []syslog.Message) error {
	recs := make([][]byte, len(batch))
	for i := range batch {
		recs[i] = []byte(batch[i].Raw)
	}
	if len(recs) > 0 {
		if _, err := s.log.Append(recs...); err != nil {
			return err
		}
	}
	return s.log.Commit(ctx, s.log.End())
}

// sendRELP keeps a window of messages unanswered until none are left to send.
func sendRELP(b *testing.B, addr string, left *atomic.Int64) (latencies []time.Duration) {
	const window = 128
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Error(err)
		return []time.Duration{0}
	}
	defer conn.Close()
	reader := relp.NewReader(conn, 1000)
	wire := relp.AppendFrame(nil, 1, relp.Open, relp.Offers{Version: relp.Version, Commands: []string{relp.Syslog}}.String())
	next, answered, sent := 2, 1, map[int]time.Time{}
	for {
		for ; next-answered < window && left.Add(-1) >= 0; next++ {
			wire = relp.AppendFrame(wire, next, relp.Syslog, benchLine)
			sent[next] = time.Now()
		}
		if len(sent) == 0 {
			return append(latencies, 0)
		}
		if _, err := conn.Write(wire); err != nil {
			b.Error(err)
			return latencies
		}
		wire = wire[:0]
		frames, err := reader.Append(nil)
		for _, f := range frames {
			if at, ok := sent[f.Txnr]; ok {
				latencies = append(latencies, time.Since(at))
				delete(sent, f.Txnr)
				answered++
			}
		}
		if err != nil {
			b.Error(err)
			return latencies
		}
	}
}

// BenchmarkUDP sends at a steady rate and reports what was lost.
func BenchmarkUDP(b *testing.B) {
	for _, rate := range []int{50_000, 100_000, 150_000} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			s := benchServer(b, func(c *Config) { c.UDP = "127.0.0.1:0" })
			conn, err := net.Dial("udp", s.Addr("udp").String())
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			line := []byte(benchLine)
			began := cpuTime()
			b.ReportAllocs()
			b.ResetTimer()
			start := time.Now()
			for n := 0; n < b.N; {
				due := min(b.N, int(time.Since(start).Seconds()*float64(rate)))
				if n >= due {
					time.Sleep(200 * time.Microsecond)
				}
				for ; n < due; n++ {
					if _, err := conn.Write(line); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.StopTimer()
			reportCPU(b, began)
			b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "sent/s")
			for last := uint64(0); ; time.Sleep(100 * time.Millisecond) {
				n := s.Snapshot()["received_udp"]
				if n == last {
					break
				}
				last = n
			}
			b.ReportMetric(100*(1-float64(s.Snapshot()["received_udp"])/float64(b.N)), "%lost")
		})
	}
}

// BenchmarkRoute is what a route to a destination adds to the storing of a
// message: it is matched, encoded and written to the queue.
func BenchmarkRoute(b *testing.B) {
	r := routerTo(b, discard{}, b.TempDir(), []string{"x"}, RouteConfig{Name: "r", Filter: parsed(b, "severity<=debug"), To: []string{"x", StoreName}})
	batch := messages(0, 500)
	b.ReportAllocs()
	began, n := cpuTime(), 0
	for b.Loop() {
		if n%len(batch) == 0 {
			if err := r.Write(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
		}
		n++
	}
	reportCPU(b, began)
}

// discard is a store that keeps nothing.
type discard struct{}

func (discard) Put(context.Context, []syslog.Message) error { return nil }
