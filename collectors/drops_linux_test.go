package collectors

import (
	"context"
	"net"
	"testing"
)

// flooded is a server whose socket, with little room, has got more packets than
// it holds before anything reads them.
func flooded(t *testing.T, listen string) *PacketServer {
	t.Helper()
	conn, err := Bind{Listen: listen}.ListenUDP(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadBuffer(1); err != nil { // the kernel's least
		t.Fatal(err)
	}
	send(t, conn.LocalAddr().String(), 200)
	return &PacketServer{Env: newEnv(&store{}), Conn: conn, Handle: func(string) {}}
}

func send(t *testing.T, addr string, n int) {
	t.Helper()
	client, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range n {
		if _, err := client.Write(make([]byte, 500)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDropsAreOfOneSocket wants a neighbour on the same port not to be counted.
func TestDropsAreOfOneSocket(t *testing.T) {
	s := flooded(t, "127.0.0.1:0")
	defer s.Conn.Close()
	_, port, err := net.SplitHostPort(s.Conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := Bind{Listen: net.JoinHostPort("127.0.0.2", port)}.ListenUDP(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n := s.kernelDrops(); n == 0 || n >= 200 {
		t.Errorf("%d packets dropped of 200", n)
	}
	if n := (&PacketServer{Conn: conn}).kernelDrops(); n != 0 {
		t.Errorf("%d drops of an untouched socket", n)
	}
}

// TestEveryPacketIsReadOrCounted stops a server before it has read anything.
func TestEveryPacketIsReadOrCounted(t *testing.T) {
	s := flooded(t, "127.0.0.1:0")
	taken := uint64(0)
	s.Handle = func(string) { taken++ }
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Serve(ctx); err != nil {
		t.Fatal(err)
	}
	if dropped := s.Env.Stats.Snapshot()["kernel_drops"]; dropped == 0 || taken == 0 || taken+dropped != 200 {
		t.Errorf("%d taken and %d counted as dropped, of 200", taken, dropped)
	}
}
