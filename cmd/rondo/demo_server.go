package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// A demoServer is one simulated instance. It is a client like any other: it
// sends its metrics over Graphite TCP and its logs over syslog TCP to rondo's
// own sockets, each once a second.
type demoServer struct {
	host     string // as its DNS name begins
	group    string
	crowd    *crowd
	graphite string // addresses to send to
	syslog   string
}

// run serves the crowd and sends until ctx ends, as the instance does from
// the end of its boot to its termination.
func (s demoServer) run(ctx context.Context) error {
	s.crowd.join(s.host)
	defer s.crowd.leave(s.host)
	var g errgroup.Group
	g.Go(func() error { return s.send(ctx, s.graphite, s.metrics()) })
	g.Go(func() error { return s.send(ctx, s.syslog, s.logs()) })
	return g.Wait()
}

// send writes what each second brings to an address, and connects again when
// the connection breaks.
func (s demoServer) send(ctx context.Context, addr string, each func(io.Writer, time.Time) error) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	var conn net.Conn
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	for {
		if conn == nil {
			conn, _ = (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
		}
		if conn != nil {
			if each(conn, time.Now()) != nil {
				conn.Close()
				conn = nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// metrics writes the host's metrics in Graphite's plain text.
func (s demoServer) metrics() func(io.Writer, time.Time) error {
	var received float64
	disk := 31 + 20*rand.Float64()
	return func(w io.Writer, now time.Time) error {
		l := s.crowd.load(now)
		received += noisy(l.requests * 900)
		disk += 0.0004 * l.busy
		values := []struct {
			name  string
			value float64
		}{
			{"run_queue", noisy(l.runQueue)},
			{"load1", noisy(l.runQueue + l.busy)},
			{"cpu_free_percent", 100 * (1 - min(noisy(l.busy), 1))},
			{"mem_used_percent", noisy(38 + 22*l.busy + min(l.runQueue, 100)/4)},
			{"disk_used_percent", disk},
			{"net_received_bytes", received},
			{"requests_per_second", noisy(l.requests)},
			{"response_ms", noisy(24 + 9*l.runQueue)},
		}
		var b strings.Builder
		for _, v := range values {
			fmt.Fprintf(&b, "fleet.%s.%s.%s %.3f %d\n", s.group, s.host, v.name, v.value, now.Unix())
		}
		_, err := io.WriteString(w, b.String())
		return err
	}
}

// The vocabulary of the simulated logs.
var (
	demoPaths   = [...]string{"/", "/products", "/products/817", "/cart", "/checkout", "/login", "/assets/app.js", "/api/v2/items?page=3"}
	demoAgents  = [...]string{"Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0)", "curl/8.11.0"}
	demoWorkers = [...]string{"session", "mailer", "billing", "search"}
)

// logs writes access, application and kernel messages as RFC 5424 in octet
// counting: the busier the server, the more and the graver.
func (s demoServer) logs() func(io.Writer, time.Time) error {
	pid := 700 + rand.IntN(3000)
	return func(w io.Writer, now time.Time) error {
		l := s.crowd.load(now)
		var b strings.Builder
		say := func(pri int, app, text string) {
			at := now.Add(-time.Duration(rand.IntN(900)) * time.Millisecond).UTC().Format("2006-01-02T15:04:05.000000Z")
			m := fmt.Sprintf("<%d>1 %s %s %s %d - - %s", pri, at, s.host, app, pid, text)
			fmt.Fprintf(&b, "%d %s", len(m), m)
		}
		for range 1 + int(l.requests/40) {
			s.accessLine(l, say)
		}
		if rand.IntN(4) == 0 {
			say(134, demoWorkers[rand.IntN(len(demoWorkers))], fmt.Sprintf("job %d done in %d ms", rand.IntN(1e6), 3+int(2*l.runQueue)))
		}
		if l.runQueue > 20 && rand.IntN(3) == 0 {
			say(131, "app", fmt.Sprintf("database connection timed out after %d ms, request %08x", 2000+rand.IntN(3000), rand.Uint32()))
		}
		if l.runQueue > 80 && rand.IntN(8) == 0 {
			say(4, "kernel", fmt.Sprintf("[%d.%06d] TCP: request_sock_TCP: Possible SYN flooding on port 443. Sending cookies.", now.Unix()%100000, rand.IntN(1e6)))
		}
		_, err := io.WriteString(w, b.String())
		return err
	}
}

func (s demoServer) accessLine(l load, say func(pri int, app, text string)) {
	status, pri := 200, 190
	if l.runQueue > 10 && rand.IntN(5) == 0 {
		status, pri = 503, 188
	}
	say(pri, "nginx", fmt.Sprintf(`203.0.113.%d "GET %s HTTP/2" %d %d "%s" %.3f`,
		1+rand.IntN(254), demoPaths[rand.IntN(len(demoPaths))], status, 200+rand.IntN(40000),
		demoAgents[rand.IntN(len(demoAgents))], noisy(24+9*l.runQueue)/1000))
}
