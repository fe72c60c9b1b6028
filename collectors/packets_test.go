package collectors

import (
	"context"
	"net"
	"testing"
)

func TestPacketServer(t *testing.T) {
	conn, err := Bind{Listen: "127.0.0.1:0"}.ListenUDP(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	addr := conn.LocalAddr().String()
	got := make(chan string, 2)
	s := &PacketServer{Env: newEnv(&store{}), Conn: conn, Handle: func(p string) { got <- p }}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	client, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, p := range []string{"one", "two\nlines"} {
		if _, err := client.Write([]byte(p)); err != nil {
			t.Fatal(err)
		}
		if g := <-got; g != p {
			t.Errorf("got %q, want %q", g, p)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestStopReadsWhatHasCome wants nothing of the kernel's buffer to be lost.
func TestStopReadsWhatHasCome(t *testing.T) {
	conn, err := Bind{Listen: "127.0.0.1:0"}.ListenUDP(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("udp", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range 100 {
		if _, err := client.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	got := 0
	s := &PacketServer{Env: newEnv(&store{}), Conn: conn, Handle: func(string) { got++ }}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Serve(ctx); err != nil || got != 100 {
		t.Errorf("%d packets of 100, %v", got, err)
	}
}
