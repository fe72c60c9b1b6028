package syslogd

import (
	"net"
	"strings"
	"testing"
)

func TestDropsOf(t *testing.T) {
	const proc = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  321: 0100007F:158A 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 12345 2 0000000000000000 0
  322: 0100007F:158B 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 12346 2 0000000000000000 77
`
	check := func(inode, want uint64, found bool) {
		t.Helper()
		if got, ok := dropsOf(strings.NewReader(proc), inode); got != want || ok != found {
			t.Errorf("%d: %d %v", inode, got, ok)
		}
	}
	check(12345, 0, true)
	check(12346, 77, true)
	check(1, 0, false)
}

// What the kernel drops is counted: a socket that nobody reads overflows.
func TestKernelDrops(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if granted, err := setReceiveBuffer(conn, 8<<10); err != nil || granted < 1<<10 {
		t.Fatalf("granted %d: %v", granted, err)
	}
	client := dial(t, "udp", conn.LocalAddr())
	for range 100 {
		send(t, client, strings.Repeat("x", 1000))
	}
	if n, err := kernelDrops(conn); err != nil || n == 0 {
		t.Errorf("%d dropped: %v", n, err)
	}
}

func TestUnacknowledged(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client := dial(t, "tcp", l.Addr())
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if n, known := unacknowledged(client); n != 0 || !known {
		t.Errorf("%d %v before anything was written", n, known)
	}
	// The peer does not read: buffers fill up.
	wrote := make(chan error)
	go func() {
		_, err := client.Write(make([]byte, 64<<20))
		wrote <- err
	}()
	eventually(t, func() bool {
		n, known := unacknowledged(client)
		return n > 0 && known
	})
	// A reset throws the rest away: then nothing is known.
	server.(*net.TCPConn).SetLinger(0)
	server.Close()
	if err := <-wrote; err == nil {
		t.Error("wrote all")
	}
	client.Read(make([]byte, 1))
	if n, known := unacknowledged(client); known {
		t.Errorf("%d after a reset", n)
	}
}
