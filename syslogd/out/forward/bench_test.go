package forward

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"rondo/syslogd/out"
	"rondo/syslogd/syslog"
)

// As a process of its own, this is a server that reads and forgets, so that
// its work is not counted as ours.
func TestMain(m *testing.M) {
	if os.Getenv("FORWARD_SINK") == "" {
		os.Exit(m.Run())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	for {
		conn, err := l.Accept()
		if err != nil {
			os.Exit(0)
		}
		_, _ = io.Copy(io.Discard, conn)
		conn.Close()
	}
}

func sink(b *testing.B) (addr string) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FORWARD_SINK=1")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	addr, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(addr)
}

// BenchmarkTCP sends messages of 228 bytes in batches of 200, and says how
// much CPU time one costs, all told.
func BenchmarkTCP(b *testing.B) {
	for name, cfg := range map[string]Config{
		"rfc5424": {}, "rfc3164": {Format: RFC3164}, "raw": {Format: Raw}, "origin": {Origin: true},
	} {
		b.Run(name, func(b *testing.B) {
			cfg.To = []string{sink(b)}
			d, err := New(cfg, quiet())
			if err != nil {
				b.Fatal(err)
			}
			s, err := d.Open(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			batch := benchBatch(200)
			began, n := cpuTime(), 0
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Send(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
				s.Settled()
				n += len(batch.Messages)
			}
			if err := s.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(cpuTime()-began)/float64(n), "cpu-ns/message")
			if settled, _ := s.Settled(); settled != uint64(n) {
				b.Errorf("%d settled of %d", settled, n)
			}
		})
	}
}

func benchBatch(n int) out.Batch {
	batch := out.Batch{Log: "bench"}
	for i := range n {
		line := fmt.Sprintf(`<134>1 2026-10-11T22:14:15.%06dZ web-%02d nginx %d - [meta seq="%d"] 10.0.0.%d - - "GET /api/v1/items/%d HTTP/1.1" 200 %d "-" "curl/8.5.0" rt=0.%03d`,
			i, i%40, 1000+i%7, i, i%250, i, 500+i, i%1000)
		line += strings.Repeat(".", max(0, 228-len(line)))
		m := syslog.Parse(line, received(), parse("x").Sender)
		batch.Messages, batch.Numbers = append(batch.Messages, m), append(batch.Numbers, uint64(i))
	}
	return batch
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
