package collectors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func readAll(r *lineReader) (blocks []string, err error) {
	for {
		block, err := r.next()
		if block != "" {
			blocks = append(blocks, block)
		}
		if err != nil {
			return blocks, err
		}
	}
}

// TestLineReader cuts random streams into random reads and wants every line
// that is not too long, in order.
func TestLineReader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var in, want strings.Builder
		tooLong := 0
		lengths := rapid.SliceOf(rapid.SampledFrom([]int{0, 1, 10, 100, 5000, MaxLine - 1, MaxLine, MaxLine + 5, 3 * MaxLine}))
		for i, n := range lengths.Draw(t, "lengths") {
			line := strings.Repeat(string(rune('a'+i%26)), n) + "\n"
			in.WriteString(line)
			if len(line) <= MaxLine {
				want.WriteString(line)
			} else {
				tooLong++
			}
		}
		tail := rapid.SampledFrom([]string{"", "tail"}).Draw(t, "tail")
		in.WriteString(tail)
		want.WriteString(tail)
		src := strings.NewReader(in.String())
		sizes := rapid.SliceOfN(rapid.IntRange(1, 100_000), 1, 20).Draw(t, "reads")
		i := 0
		r := lineReader{src: readFunc(func(p []byte) (int, error) {
			i++
			return src.Read(p[:min(len(p), sizes[i%len(sizes)])])
		})}
		blocks, err := readAll(&r)
		if err != io.EOF || r.tooLong != tooLong || r.cut != 0 {
			t.Fatalf("error %v, %d too long, want %d", err, r.tooLong, tooLong)
		}
		if got := strings.Join(blocks, ""); got != want.String() {
			t.Fatalf("%d bytes came, want %d", len(got), want.Len())
		}
		for _, b := range blocks[:max(len(blocks)-1, 0)] {
			if !strings.HasSuffix(b, "\n") {
				t.Fatalf("block ends in %.20q", b[max(0, len(b)-20):])
			}
		}
	})
}

func TestLineReaderDropsWhatAnErrorCut(t *testing.T) {
	broken := errors.New("reset")
	r := lineReader{src: io.MultiReader(strings.NewReader("a 1\nb 12"), iotest.ErrReader(broken))}
	blocks, err := readAll(&r)
	if err != broken || strings.Join(blocks, "") != "a 1\n" || r.cut != 1 {
		t.Errorf("blocks %q, error %v, %d cut", blocks, err, r.cut)
	}
}

// serveLines starts a LineServer on a free port.
func serveLines(t *testing.T, s *store, change func(*LineServer)) (addr string, env Env, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	env = newEnv(s)
	srv := &LineServer{Env: env, Feed: NewFeed(env), Listener: l, MaxConns: 4, Idle: time.Minute, Parse: words}
	change(srv)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ctx) }()
	return l.Addr().String(), env, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

// TestHalfCloseWaitsForTheDisk is the promise of DESIGN for plain TCP.
func TestHalfCloseWaitsForTheDisk(t *testing.T) {
	s := &store{wait: 2 * time.Millisecond}
	addr, _, stop := serveLines(t, s, func(*LineServer) {})
	defer stop()
	conn := dial(t, addr)
	const lines = 20_000
	for i := range lines {
		fmt.Fprintf(conn, "line%d\n", i)
	}
	fmt.Fprint(conn, "last without newline")
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil { // until the server closes
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keys) != lines+1 || s.keys[lines-1] != fmt.Sprint("line", lines-1) {
		t.Errorf("%d lines stored when the connection closed, want %d", len(s.keys), lines+1)
	}
}

func TestFailedStoreResetsTheConnection(t *testing.T) {
	s := &store{err: errors.New("disk full")}
	addr, env, stop := serveLines(t, s, func(*LineServer) {})
	defer stop()
	conn := dial(t, addr)
	fmt.Fprintln(conn, "a")
	_ = conn.CloseWrite() // fails where the reset is here already
	if _, err := io.ReadAll(conn); err == nil {
		t.Error("the connection was closed as if all were stored")
	}
	if got := env.Stats.Snapshot()["not_stored"]; got != 1 {
		t.Errorf("counted %d lines not stored", got)
	}
}

func TestConnectionLimit(t *testing.T) {
	s := &store{}
	addr, env, stop := serveLines(t, s, func(l *LineServer) { l.MaxConns = 1 })
	defer stop()
	first := dial(t, addr)
	fmt.Fprintln(first, "a")
	second := dial(t, addr)
	if _, err := second.Read(make([]byte, 1)); err == nil {
		t.Error("a connection too many was kept")
	}
	if got := env.Stats.Snapshot()["too_many_connections"]; got != 1 {
		t.Errorf("counted %d", got)
	}
}

func TestStopWithOpenConnections(t *testing.T) {
	s := &store{}
	addr, _, stop := serveLines(t, s, func(*LineServer) {})
	conn := dial(t, addr)
	fmt.Fprint(conn, "a\nb\ncut")
	for ; ; runtime.Gosched() { // until both lines are in
		s.mu.Lock()
		n := len(s.keys)
		s.mu.Unlock()
		if n == 2 {
			break
		}
	}
	stop()
	if len(s.keys) != 2 {
		t.Errorf("stored %v", s.keys)
	}
}

func TestIdleConnectionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		env := newEnv(s)
		srv := &LineServer{Env: env, Feed: NewFeed(env), Idle: time.Minute, Parse: words}
		client, server := net.Pipe()
		start := time.Now()
		go srv.serve(t.Context(), server)
		fmt.Fprint(client, "a\nhalf")
		if _, err := client.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("error %v", err)
		}
		if idle := time.Since(start); idle != time.Minute {
			t.Errorf("closed after %v", idle)
		}
		if got := env.Stats.Snapshot(); len(s.keys) != 1 || got["cut_short"] != 1 {
			t.Errorf("stored %v, counted %v", s.keys, got)
		}
	})
}
