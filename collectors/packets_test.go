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
